"""The export command: writes a trained generator as a file for other programs, and checks that file."""
