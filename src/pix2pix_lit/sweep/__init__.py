"""Many runs that differ in some values: an Optuna study, pruning, and a table of what came out."""

import logging

logging.getLogger("alembic").setLevel(logging.WARNING)  # Optuna's, which tells of its plugins as soon as it is imported
