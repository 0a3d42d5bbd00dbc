"""Keys that were renamed, for command lines and for files: former name -> current name."""

_OF_SETTINGS = {"boundaries": "instance_edges", "recompute": "activation_checkpointing"}

IN_FILES = _OF_SETTINGS | {"told": "derived"}
"""Parts of keys in checkpoints' ``hyper_parameters`` and ``data``, and in exported metadata."""

ON_COMMAND_LINES = _OF_SETTINGS | {"finite": "terminate_on_nan", "sheets": "grids"}
"""Parts of keys in overrides."""

REPLACED = {
    "model.adversarial.kind": "model/adversarial",
    "model.adversarial.r1": "model.r1.weight",
    "model.adversarial.r1_every": "model.r1.every",
    "model.reconstruction.kind": "model/reconstruction",
}
"""Keys in overrides, and the key or group that does the same now."""
