"""UserError keeps its message, whatever way it took."""

import pickle
from pathlib import Path

import pytest
from torch._utils import ExceptionWrapper

from pix2pix_lit.errors import UserError, first_few, shown


def test_the_message_is_kept_as_it_is():
    message = "folder/UserError: notes.png is damaged\n  replace it "
    assert str(UserError(message)) == message


def test_a_pickled_error_keeps_its_message():
    assert str(pickle.loads(pickle.dumps(UserError("x.png is damaged")))) == "x.png is damaged"


def test_an_error_raised_again_by_a_data_loader_has_its_message_alone():
    try:
        try:
            raise OSError("a cause")
        except OSError as cause:
            raise UserError("UserError: x.png is damaged:\n  replace it") from cause
    except UserError:
        wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
    try:
        wrapped.reraise()
    except UserError as error:
        message = str(error)
    assert message == "UserError: x.png is damaged:\n  replace it"


NAMES = {
    "caf\udce9.png": r"caf\xe9.png",  # the byte 0xE9, as an old zip has it
    "\x1b[2Jx.png": r"\x1b[2Jx.png",  # clears a terminal
    "a\nb\t.png": r"a\x0ab\x09.png",
    "\x9b2J\x7f": r"\x9b2J\x7f",  # the same in 8 bits
    "gpj.\u202ephoto": r"gpj.\u202ephoto",  # would be read backwards
    "\ud83d": r"\ud83d",
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_a_name_is_shown_as_printable_text(name, expected):
    assert shown(name) == expected
    assert shown(Path(name)) == expected
    assert first_few([name]) == expected


@pytest.mark.parametrize("name", ["ü.png", "日本\u3000.png", "👩\u200d🚀.png", "\\xe9", "a b'c"])
def test_a_printable_name_stays_as_it_is(name):
    assert shown(name) == name


def test_a_message_keeps_its_lines_and_shows_all_else():
    assert str(UserError("caf\udce9 is no folder:\n\tchoose \x1b[0m another")) == (
        "caf\\xe9 is no folder:\n\tchoose \\x1b[0m another"
    )
