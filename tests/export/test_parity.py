"""A file that differs from its generator is refused and removed."""

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.export.parity import Parity, check
from pix2pix_lit.formats import format_named

from ..exporting import UNET, run_export, save_checkpoint


@pytest.fixture
def write_with_bias(monkeypatch):
    """Have a format write a network whose last bias is changed for the time of writing."""

    def write_with(format, change):
        write = format_named(format).write

        def write_wrongly(job, path):
            bias = job.network.decoder[-1].conv.bias.data
            before = bias.clone()
            change(bias)
            write(job, path)
            bias.copy_(before)

        monkeypatch.setattr(format_named(format), "write", write_wrongly)

    return write_with


@pytest.mark.parametrize("format", ["torchscript", "checkpoint"])
def test_a_file_that_generates_something_else_is_refused_and_removed(tmp_path, write_with_bias, format):
    write_with_bias(format, lambda bias: bias.add_(0.001))
    with pytest.raises(
        UserError, match=r"differs from the generator by 0.00.* expected at most 0.0001 and 1: it was removed"
    ):
        run_export(save_checkpoint(tmp_path / "x.ckpt", UNET), tmp_path / "out", format)
    assert list((tmp_path / "out").iterdir()) == []


def test_not_a_number_is_no_parity(tmp_path, write_with_bias):
    write_with_bias("safetensors", lambda bias: bias.fill_(torch.nan))
    with pytest.raises(UserError, match="has NaN or infinity in decoder.2.conv.bias"):
        run_export(save_checkpoint(tmp_path / "x.ckpt", UNET), tmp_path / "out", "safetensors")
    assert list((tmp_path / "out").iterdir()) == []


def parity(**changes: float | None) -> Parity:
    values = {"max_difference": 0.05, "mean_difference": 0.01, "max_levels": 6, "psnr": 40.0, "ssim": 0.98}
    return Parity(images=2, **values | changes)


@pytest.mark.parametrize(
    ("precision", "found", "least_ssim", "most_lpips"),
    [
        ("fp32", parity(max_difference=1e-4, max_levels=1), 1.0, None),
        ("fp32", parity(max_difference=None, max_levels=1), 1.0, None),
        ("int8", parity(), 0.98, None),
        ("fp16", parity(lpips=0.02), 0.98, 0.02),
    ],
)
def test_a_file_within_its_limits_passes(precision, found, least_ssim, most_lpips):
    check(found, precision, least_ssim, most_lpips)


@pytest.mark.parametrize(
    ("precision", "found", "least_ssim", "most_lpips", "message"),
    [
        ("fp32", parity(max_levels=1), 0.0, None, "by 0.05 in floats"),
        ("fp32", parity(max_difference=None, max_levels=2), 0.0, None, "by 2 gray levels"),
        ("fp32", parity(max_difference=float("nan"), max_levels=0), 0.0, None, "by nan in floats"),
        ("int8", parity(), 1.0, None, "int8 file have SSIM 0.9800 .* expected at least 1.0: it was removed"),
        ("int8", parity(ssim=float("nan")), 0.5, None, "int8 file have SSIM nan"),
        ("bf16", parity(lpips=0.03), 0.9, 0.02, r"SSIM 0.9800 and LPIPS 0.0300 \(at most 0.02\)"),
    ],
)
def test_a_file_beyond_its_limits_is_refused(precision, found, least_ssim, most_lpips, message):
    with pytest.raises(UserError, match=message):
        check(found, precision, least_ssim, most_lpips)
