"""Videos: read frame by frame, translated and written with their sound."""
