"""A Trainer for tests."""

from typing import Any

import lightning as L


def silent_trainer(**options: Any) -> L.Trainer:
    """On the CPU; shows, logs and saves nothing, and leaves samplers as they are, unless ``options`` say otherwise."""
    silent: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
    }
    return L.Trainer(**silent | options)
