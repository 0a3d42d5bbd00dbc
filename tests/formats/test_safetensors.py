"""Safetensors files of other programs; tests of every format are in test_formats.py."""

import pytest
import safetensors.torch
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.inference import Translator


def test_a_file_without_our_metadata_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="has no metadata about|does not describe its generator"):
        Translator.load(path)
