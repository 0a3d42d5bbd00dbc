"""Compares the outputs and the speed of an exported file with those of its generator."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pix2pix_lit.checkpoints.metadata import Precision
from pix2pix_lit.errors import UserError
from pix2pix_lit.inference.translator import Translator
from pix2pix_lit.metrics.metric_set import score
from pix2pix_lit.metrics.psnr import PSNR
from pix2pix_lit.metrics.ssim import SSIM

TOLERANCE = 1e-4
"""Largest accepted difference between floats of an fp32 file and of the generator, which range from -1 to 1."""

Perceptual = Callable[[torch.Tensor, torch.Tensor], float]
"""(N, 3, H, W) floats in [-1, 1], twice -> their distance."""


@dataclass(frozen=True)
class Parity:
    """Distances between the images of a file and those of the generator in the same inference mode.

    Attributes:
        images: number of images compared.
        max_difference: largest difference of floats in [-1, 1]; None if the file's outputs are pixels.
        mean_difference: mean difference of floats; None if the file's outputs are pixels.
        max_levels: largest difference of pixels in 8-bit gray levels; for labels, the share of pixels with another
            class although the generator's choice was clear.
        psnr: lowest of all images, in dB; None if they are all equal.
        ssim: mean over the images (Wang et al. 2004).
        lpips: mean over the images (Zhang et al. 2018); None if it was not measured.
    """

    images: int
    max_difference: float | None
    mean_difference: float | None
    max_levels: float
    psnr: float | None
    ssim: float
    lpips: float | None = None


@dataclass(frozen=True)
class Speed:
    """Latency and throughput, and those of the generator measured in the same run.

    Attributes:
        size: height and width of the images.
        batch_size: of the batches.
        latency_ms: of a single image, median.
        eager_latency_ms: the same for the generator in PyTorch, fp32.
        images_per_second: in batches, median.
        eager_images_per_second: the same for the generator.
    """

    size: tuple[int, int]
    batch_size: int
    latency_ms: float
    eager_latency_ms: float
    images_per_second: float
    eager_images_per_second: float


@torch.inference_mode()
def compare(
    eager: Translator, exported: Translator, images: list[np.ndarray], perceptual: Perceptual | None = None
) -> Parity:
    """Compare the translations of both for the same images.

    Args:
        eager: the generator in float32.
        exported: the file in its runtime.
        images: (H, W, planes) inputs, of any sizes.
        perceptual: measures LPIPS.
    """
    largest, total, count, levels, distances = 0.0, 0.0, 0, 0.0, []
    psnr, ssim = [], []
    for image in images:
        pixels = torch.from_numpy(image)[None].permute(0, 3, 1, 2)
        floats = eager.generate(pixels).float()
        expected, found = eager.target_type.from_network(floats).cpu(), exported(pixels)
        if not exported.backend.takes_images:
            difference = (exported.generate(pixels).float().cpu() - floats.cpu()).abs().nan_to_num(math.inf)
            largest, total, count = (
                max(largest, float(difference.max())),
                total + float(difference.double().sum()),
                count + difference.numel(),
            )
        levels = max(levels, _levels(expected, found, floats, eager))
        ours, theirs = (_shades(picture, eager) for picture in (found, expected))
        psnr.append(score(PSNR(), ours, theirs))
        if min(ours.shape[-2:]) >= SSIM.smallest_side:
            ssim.append(score(SSIM(), ours, theirs))
        if perceptual is not None:
            distances.append(perceptual(ours, theirs))
    return Parity(
        images=len(images),
        max_difference=largest if count else None,
        mean_difference=total / count if count else None,
        max_levels=levels,
        psnr=worst if math.isfinite(worst := PSNR.worst(psnr)) else None,
        ssim=float(np.mean(ssim)) if ssim else 1.0,
        lpips=float(np.mean(distances)) if distances else None,
    )


def check(parity: Parity, precision: Precision, least_ssim: float, most_lpips: float | None) -> None:
    """Refuse a file whose outputs differ from those of its generator.

    Raises:
        UserError: for fp32, if a float differs by more than ``TOLERANCE`` or a pixel by more than one gray level; for
            others, if SSIM is below ``least_ssim`` or LPIPS above ``most_lpips``.
    """
    if precision == "fp32":
        if not ((parity.max_difference or 0.0) <= TOLERANCE and parity.max_levels <= 1):
            raise UserError(
                f"the exported file differs from the generator by {parity.max_difference} in floats and by "
                f"{parity.max_levels:g} gray levels; expected at most {TOLERANCE} and 1: it was removed. Try another "
                f"format, or another version of the exporter"
            )
        return
    if not parity.ssim >= least_ssim or (most_lpips is not None and not (parity.lpips or 0.0) <= most_lpips):
        lpips = "" if parity.lpips is None else f" and LPIPS {parity.lpips:.4f} (at most {most_lpips})"
        raise UserError(
            f"the outputs of the {precision} file have SSIM {parity.ssim:.4f}{lpips} to those of the generator in "
            f"fp32; expected at least {least_ssim}: it was removed. Calibrate with more images, choose another "
            f"precision, or set min_ssim or max_lpips to a value that you accept"
        )


def measure_speed(eager: Translator, exported: Translator, image: np.ndarray, batch_size: int, rounds: int) -> Speed:
    """Time both on the same image, alternating, after one untimed call of each.

    Args:
        eager: the generator in float32.
        exported: the file in its runtime.
        image: (H, W, planes).
        batch_size: images per batch.
        rounds: number of timings, whose median is taken.
    """
    one = torch.from_numpy(image)[None].permute(0, 3, 1, 2)
    batch = one.repeat(batch_size, 1, 1, 1)
    seconds: dict[tuple[str, int], list[float]] = {}
    for turn in range(rounds + 1):
        for name, translator in (("eager", eager), ("exported", exported)):
            for pixels in (one, batch):
                start = time.perf_counter()
                translator(pixels)
                if turn:
                    seconds.setdefault((name, len(pixels)), []).append(time.perf_counter() - start)
    median = {key: float(np.median(values)) for key, values in seconds.items()}
    return Speed(
        size=(image.shape[0], image.shape[1]),
        batch_size=batch_size,
        latency_ms=1000 * median["exported", 1],
        eager_latency_ms=1000 * median["eager", 1],
        images_per_second=batch_size / median["exported", batch_size],
        eager_images_per_second=batch_size / median["eager", batch_size],
    )


def as_table(report: dict[str, Any]) -> str:
    """The report of an export as a Markdown table."""
    parity, speed = report["parity"], report["speed"]

    def formatted(value: float | None, digits: str) -> str:
        return "-" if value is None else format(value, digits)

    rows = {
        "images compared": f"{parity['images']} ({report['inputs']})",
        "largest difference of floats in [-1, 1]": formatted(parity["max_difference"], ".2e"),
        "mean difference": formatted(parity["mean_difference"], ".2e"),
        "largest difference of pixels, gray levels": formatted(parity["max_levels"], "g"),
        "lowest PSNR between outputs": "equal" if parity["psnr"] is None else f"{parity['psnr']:.1f} dB",
        "SSIM between outputs": formatted(parity["ssim"], ".5f"),
        "LPIPS between outputs": formatted(parity["lpips"], ".5f"),
        "file": f"{report['file_mib']:.1f} MiB",
    }
    if speed is not None:
        size = f"{speed['size'][0]}x{speed['size'][1]}"
        rows |= {
            f"one image of {size}": f"{speed['latency_ms']:.1f} ms (PyTorch fp32: {speed['eager_latency_ms']:.1f} ms, "
            f"{speed['eager_latency_ms'] / speed['latency_ms']:.2f}x)",
            f"batches of {speed['batch_size']}": f"{speed['images_per_second']:.1f} images/s (PyTorch fp32: "
            f"{speed['eager_images_per_second']:.1f}, "
            f"{speed['images_per_second'] / speed['eager_images_per_second']:.2f}x)",
        }
    width = max(map(len, rows))
    return "\n".join([f"| {name:<{width}} | {value} |" for name, value in rows.items()])


def _levels(expected: torch.Tensor, found: torch.Tensor, floats: torch.Tensor, eager: Translator) -> float:
    target_type = eager.target_type
    if target_type.classes is not None:
        best, second = floats[:, : target_type.classes].topk(2, dim=1).values.unbind(1)
        is_sure = ((best - second) > 2 * TOLERANCE).cpu()
        return float(((expected != found)[:, 0] & is_sure).float().mean())
    low, high = target_type.limits
    return float((expected.double() - found.double()).abs().max()) * 255 / (high - low)


def _shades(picture: torch.Tensor, eager: Translator) -> torch.Tensor:
    """(1, channels, H, W) of the target's type -> (1, 3, H, W) floats in [-1, 1], as displayed."""
    shown = eager.target_type.picture(np.ascontiguousarray(picture[0].permute(1, 2, 0).numpy()))
    return torch.from_numpy(shown).permute(2, 0, 1)[None].float() / 127.5 - 1
