"""Sweeps: Optuna studies, pruning, and a table of the results."""
