"""Options that need packages which are not installed."""

from pathlib import Path

import pytest

from pix2pix_lit.runs import requirements
from pix2pix_lit.runs.configs import CONFIG_DIR, options_of
from pix2pix_lit.runs.requirements import EXTRAS, refuse_missing_packages


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(requirements, "_is_installed", lambda module: module == "sys")


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("argument", ["sweep=optuna", "sweep=[optuna,pruning]", "+sweep=optuna"])
def test_an_option_without_its_packages_is_answered_with_how_to_install_them(argument):
    with pytest.raises(SystemExit, match=r'needs the module optuna.*pip install "pix2pix-lit\[sweep\]"'):
        refuse_missing_packages([argument])


@pytest.mark.usefixtures("nothing_installed")
def test_other_options_need_nothing():
    refuse_missing_packages(["data=facades", "logger=csv", "sweep=grid", "sweep=null"])


def test_every_option_that_needs_packages_exists():
    for option in EXTRAS:
        group, _, name = option.partition("=")
        assert name in options_of(Path(CONFIG_DIR), group)
