"""Reading videos frame by frame, translating them, and writing them with their sound."""
