"""Which errors are the user's, with what message, and which are bugs."""

import pytest
from hydra.errors import InstantiationException
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.error_messages import message_for_user


def raised(error: Exception, cause: Exception | None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "cause", "message"),
    [
        (UserError("x.png is damaged"), None, "x.png is damaged"),
        (RuntimeError("in a worker"), UserError("x.png is damaged"), "x.png is damaged"),
        (InstantiationException("Error in call to UNet: width"), TypeError("width"), "Error in call to UNet: width"),
        (MisconfigurationException("no such precision"), None, "no such precision"),
        (RuntimeError("a bug"), None, None),
        (InstantiationException("Error in call to UNet"), ZeroDivisionError(), None),
    ],
)
def test_bad_input_has_a_message_and_a_bug_has_none(error, cause, message):
    assert message_for_user(raised(error, cause)) == message


def test_a_key_without_a_value_is_named():
    with pytest.raises(MissingMandatoryValue) as error:
        _ = OmegaConf.create({"data": {"root": "???"}}).data.root
    assert message_for_user(error.value).startswith("data.root is not set and has no default; expected a value")


def test_a_name_that_is_too_long_is_shown_wherever_it_comes_from(tmp_path):
    with pytest.raises(OSError, match="too long") as error:
        (tmp_path / ("n" * 256)).stat()
    assert "n... is too long a name" in message_for_user(error.value)
