"""``pix2pix-lit COMMAND``: the list of the commands, and what is said of one that does not exist."""

import importlib
import sys

import pytest

from pix2pix_lit import __version__
from pix2pix_lit.__main__ import COMMANDS, main


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_command_all_are_listed_with_what_they_do(capsys, arguments):
    main(arguments)
    printed = capsys.readouterr().out
    for name, (_, what) in COMMANDS.items():
        assert any(line.split() == [name, *what.split()] for line in printed.splitlines()), name


def test_version_is_printed(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"pix2pix-lit {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("trian", "train"), ("exports", "export"), ("sweep_results", "sweep-results"), ("look", "preview")],
)
def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(typed, meant):
    with pytest.raises(SystemExit, match=rf"there is no command {typed}; expected .*: did you mean {meant}\?"):
        main([typed])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_gets_the_arguments_behind_its_name(monkeypatch, name):
    module = importlib.import_module(COMMANDS[name][0])
    monkeypatch.setattr(module, "main", lambda: called.append(sys.argv))
    monkeypatch.setattr(sys, "argv", ["pix2pix-lit", name, "seed=1", "-m"])
    called = []
    main()
    assert called == [[f"pix2pix-lit {name}", "seed=1", "-m"]]
