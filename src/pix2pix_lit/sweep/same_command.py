"""Whether a sweep that goes on is the sweep that was begun."""

from collections.abc import Iterable, Mapping

WITHOUT_EFFECT = frozenset(
    {
        "data.root",
        "data.archive",
        "data.accept_license",
        "data.cache",
        "data.cache_dir",
        "data.num_workers",
        "data.prefetch",
        "data.pin_memory",
        "data.val_batch_size",
    }
)
"""Keys of ``data`` that say where files are and how they are read, and change no result."""

MAY_DIFFER = WITHOUT_EFFECT | {
    "sweep",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
}
"""Keys that say where and how jobs run, in which the machines that share a sweep may differ."""


def split_overrides(overrides: Iterable[str]) -> dict[str, str]:
    """Overrides of a command line as keys and values."""
    return {key.lstrip("+~"): value for key, _, value in (override.partition("=") for override in overrides)}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What is told about commands that differ, such as ``seed=1 (2 before)``; empty if they do the same."""
    return ", ".join(
        f"{key}={now.get(key, 'not given')} ({before.get(key, 'not given')} before)"
        for key in sorted((before.keys() | now.keys()) - MAY_DIFFER)
        if before.get(key) != now.get(key)
    )
