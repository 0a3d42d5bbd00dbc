"""The private names of Hugging Face's datasets that this package uses."""

from typing import Any


def fingerprint(dataset: Any) -> str:
    """A hash that changes with the content of a ``datasets.Dataset``."""
    return dataset._fingerprint
