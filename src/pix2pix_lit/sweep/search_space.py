"""The search space of a study, written in Hydra's syntax for sweeps."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Transformer

from pix2pix_lit.errors import UserError

if TYPE_CHECKING:
    import optuna


def parse_overrides(overrides: Iterable[str]) -> tuple[dict[str, Override], dict[str, str]]:
    """Split overrides into those of the keys that vary between trials and the values, as text, of fixed keys.

    A key with a single value anywhere is fixed; if a key has several sweeps, the last one is used.
    """
    parsed = OverridesParser.create().parse_overrides([*overrides])
    fixed = {o.get_key_element(): o.get_value_element_as_str() for o in parsed if not o.is_sweep_override()}
    space = {o.get_key_element(): o for o in parsed if o.is_sweep_override() and o.get_key_element() not in fixed}
    return space, fixed


def suggest(trial: "optuna.Trial", key: str, override: Override) -> bool | int | float | str | None:
    """Sample the value of a key; a value that the trial already has is kept.

    ``choice(a,b)`` and ``a,b`` are categorical. ``range(1,9,2)`` and ``interval(1,9)`` are numbers, both ends included;
    those of an interval are floats unless it is ``int(interval(1,9))``. ``tag(log,interval(1,9))`` samples on a
    logarithmic scale.

    Raises:
        UserError: for any other sweep.
        ValueError: from Optuna, for invalid bounds or for a search space that does not match the study's.
    """
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep):
        return trial.suggest_categorical(key, [Transformer.str(option) for option in sweep.list])
    if isinstance(sweep, RangeSweep) and sweep.start is not None and sweep.stop is not None:
        if isinstance(sweep.start, int) and isinstance(sweep.stop, int) and isinstance(sweep.step, int):
            return trial.suggest_int(key, sweep.start, sweep.stop, step=sweep.step)
        return trial.suggest_float(key, sweep.start, sweep.stop, step=sweep.step)
    if isinstance(sweep, IntervalSweep) and sweep.start is not None and sweep.end is not None:
        log = "log" in sweep.tags
        if isinstance(sweep.start, int) and isinstance(sweep.end, int):
            return trial.suggest_int(key, sweep.start, sweep.end, log=log)
        return trial.suggest_float(key, sweep.start, sweep.end, log=log)
    raise UserError(
        f"{override.input_line} is a sweep that Optuna does not support; expected choice, range or interval"
    )
