"""The search space of a study, written in Hydra's syntax for sweeps."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Transformer

from pix2pix_lit.errors import UserError

if TYPE_CHECKING:
    import optuna


def parse_overrides(overrides: Iterable[str]) -> tuple[dict[str, Override], dict[str, str]]:
    """The keys that vary from trial to trial, and those with one value, as text.

    A key with one value does not vary, wherever it stands; of several sweeps of a key the last one counts.
    """
    parsed = OverridesParser.create().parse_overrides([*overrides])
    fixed = {o.get_key_element(): o.get_value_element_as_str() for o in parsed if not o.is_sweep_override()}
    space = {o.get_key_element(): o for o in parsed if o.is_sweep_override() and o.get_key_element() not in fixed}
    return space, fixed


def suggest(trial: "optuna.Trial", key: str, override: Override) -> bool | int | float | str | None:
    """Draw the value of a key; a value that the trial has already stays as it is.

    ``choice(a,b)`` and ``a,b`` are categories. ``range(1,9,2)`` and ``interval(1,9)`` are numbers, both ends included;
    those of an interval are fractions unless it is ``int(interval(1,9))``. ``tag(log,interval(1,9))`` draws on a
    logarithmic scale.

    Raises:
        UserError: for any other sweep.
        ValueError: Optuna's, for bounds that make no sense, or do not match what the study has already.
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
    raise UserError(f"{override.input_line} is a sweep that Optuna cannot draw; expected choice, range or interval")
