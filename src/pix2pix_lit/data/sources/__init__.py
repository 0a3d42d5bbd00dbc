"""Layouts of data sets, one file each: a ``PairSource`` that a config in ``configs/data`` names as its ``_target_``."""
