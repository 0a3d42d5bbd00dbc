"""TorchScript files can run code; tests of every format are in test_formats.py."""

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.inference import Translator

from ..exporting import CLASSES, PARTS, SHALLOW


def test_a_file_is_opened_only_if_it_is_trusted(exported):
    _, path = exported("torchscript", SHALLOW, PARTS, CLASSES, contrast=8.0, embed_preprocessing=True)
    message = "is a file of torchscript, which can run code when it is opened; expected trusted"
    with pytest.raises(UserError, match=message):
        Translator.load(path)
