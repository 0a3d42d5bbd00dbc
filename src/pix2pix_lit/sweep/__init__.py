"""Many runs that differ in some values: an Optuna study, pruning, and a table of what came out."""
