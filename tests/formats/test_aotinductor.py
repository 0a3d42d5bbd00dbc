"""AOTInductor packages."""

import os

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.formats import format_named, format_of
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.inference import Translator

from ..exporting import COMPILED, levels_apart, noise


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("CC", "g++") == "", reason="no compiler")
def test_a_compiled_package_equals_its_generator(exported):
    checkpoint, path = exported("aotinductor", COMPILED, contrast=8.0, embed_preprocessing=True)
    assert format_of(path) is format_named("aotinductor")
    with pytest.raises(UserError, match="is a file of aotinductor, which can run code"):
        Translator.load(path)
    translator = Translator.load(path, trusted=True)
    for sides in ((8, 8), (2, 37, 70), (1, 1)):
        images = noise(RGB, *sides)
        assert levels_apart(translator(images), Translator.load(checkpoint)(images), RGB) <= 1
