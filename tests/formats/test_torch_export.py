"""Files of torch.export can run code; tests of every format are in test_formats.py."""

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.inference import Translator

from ..exporting import CLASSES, DEPTH, SHALLOW


@pytest.mark.slow
def test_a_file_is_opened_only_if_it_is_trusted(exported):
    _, path = exported(
        "torch_export", SHALLOW | {"norm": "instance"}, CLASSES, DEPTH, contrast=8.0, embed_preprocessing=True
    )
    message = "is a file of torch_export, which can run code when it is opened; expected trusted"
    with pytest.raises(UserError, match=message):
        Translator.load(path)
