"""Keys that were renamed, so that files written under their old names still load."""

from typing import Any

RENAMED_KEYS = {
    "boundaries": "instance_edges",
    "recompute": "activation_checkpointing",
    "told": "derived",
}
"""Old name -> name now, of keys in checkpoints' ``hyper_parameters`` and ``data`` and in exported files' metadata."""


def with_current_keys(values: Any) -> Any:
    """The same nested dictionaries and lists, their keys by the names that they have now; the rest stays as it is."""
    if type(values) is dict:
        return {RENAMED_KEYS.get(key, key): with_current_keys(value) for key, value in values.items()}
    if type(values) is list:
        return [with_current_keys(value) for value in values]
    return values
