"""OpenVINO files of other programs; tests of every format are in test_formats.py."""

import pytest
import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.inference import Translator


def test_a_file_without_our_metadata_is_refused(tmp_path):
    openvino = pytest.importorskip("openvino")
    path = tmp_path / "other.xml"
    openvino.save_model(openvino.convert_model(nn.Conv2d(3, 3, 1), example_input=torch.zeros(1, 3, 8, 8)), path)
    with pytest.raises(UserError, match="has no metadata about|does not describe its generator"):
        Translator.load(path)
