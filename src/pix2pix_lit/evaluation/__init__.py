"""How good the translations of a data set are: scores beside those of real images and of simple baselines."""
