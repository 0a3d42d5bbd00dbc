"""UserError keeps its message, whatever way it took."""

import pickle

from torch._utils import ExceptionWrapper

from pix2pix_lit.errors import UserError


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
