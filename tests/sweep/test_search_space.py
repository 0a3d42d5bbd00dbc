"""Search spaces in Hydra's syntax, and what Optuna draws from them."""

import optuna
import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.sweep.search_space import parse_overrides, suggest


def draws(override, count=60):
    ((key, sweep),) = parse_overrides([override])[0].items()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return {suggest(study.ask(), key, sweep) for _ in range(count)}


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("key=choice(vanilla,lsgan)", {"vanilla", "lsgan"}),
        ("key=null,true,1,'a b'", {"null", "True", "1", "'a b'"}),
        ("key=range(1,7,3)", {1, 4, 7}),
        ("key=range(0.5,1.5,0.5)", {0.5, 1.0, 1.5}),
        ("key=int(interval(1,3))", {1, 2, 3}),
        ("key=int(tag(log,interval(1,3)))", {1, 2, 3}),
    ],
)
def test_what_is_drawn(override, values):
    assert draws(override) == values


@pytest.mark.parametrize("override", ["key=interval(0,2)", "key=tag(log,interval(0.5,2.0))"])
def test_an_interval_of_fractions_is_continuous(override):
    values = draws(override)
    assert len(values) == 60
    assert all(0 <= value <= 2 for value in values)


def test_half_of_a_logarithmic_interval_is_below_its_geometric_mean():
    values = draws("key=tag(log,interval(1e-6,1.0))")
    assert 20 <= sum(value < 1e-3 for value in values) <= 40


def test_a_key_with_one_value_leaves_the_search_space():
    space, fixed = parse_overrides(["rate=interval(0,1.0)", "loss=choice(a,b)", "seed=3", "rate=0.5"])
    assert list(space) == ["loss"]
    assert fixed == {"seed": "3", "rate": "0.5"}


def test_a_sweep_without_a_distribution_is_refused():
    with pytest.raises(UserError, match=r"loss=glob.* expected choice, range or interval"):
        draws("loss=glob(*)")
