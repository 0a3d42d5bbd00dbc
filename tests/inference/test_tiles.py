"""Painting piece by piece."""

import pytest
import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.inference import Translator
from pix2pix_lit.inference.tiles import check_tile, default_overlap, translate_in_tiles
from pix2pix_lit.networks import ResNetGenerator, UNetGenerator


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def loud(generator: nn.Module) -> nn.Module:
    """With weights whose outputs span many gray levels."""
    torch.manual_seed(0)
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return generator.eval()


SIZES = [(64, 64), (64, 65), (65, 64), (97, 200), (200, 97), (128, 96), (1, 300), (300, 1), (63, 63)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("overlap", [0, 1, 3, 8, 32])
def test_tiles_of_a_network_that_sees_one_pixel_make_up_the_image(size, overlap):
    image = noise(1, 3, *size)
    seen = []

    def generate(piece: torch.Tensor) -> torch.Tensor:
        seen.append(piece.shape[-2:])
        return piece.float()

    translated = translate_in_tiles(
        generate, lambda floats: floats.round().to(torch.uint8), image, tile=64, overlap=overlap
    )
    assert torch.equal(translated, image)
    assert all(max(shape) <= 64 for shape in seen)


@pytest.mark.parametrize("size", [(150, 211), (64, 300)])
def test_seams_of_a_network_without_global_statistics_are_invisible(size):
    # Sees 19 pixels around each: two levels of a U-Net, 4x4 convolutions, and no statistics of the image.
    generator = loud(UNetGenerator(width=8, depth=2, norm_inference="running", dropout_blocks=()))
    translator = Translator(generator)
    image = noise(1, 3, *size)
    at_once, tiled = translator(image).int(), translator(image, tile=128, overlap=64).int()
    assert at_once.float().std() > 5
    assert (at_once - tiled).abs().max() <= 1


def test_seams_of_a_residual_network_are_invisible():
    generator = loud(ResNetGenerator(width=4, blocks=1, norm_inference="running"))
    translator = Translator(generator)
    image = noise(1, 3, 150, 211)
    at_once, tiled = translator(image).int(), translator(image, tile=128, overlap=64).int()
    assert at_once.float().std() > 2
    assert (at_once - tiled).abs().max() <= 1


def test_a_shift_against_the_networks_grid_is_seen_by_this_measure():
    # The check above can fail: tiles that begin between the grid's points generate something else.
    generator = loud(UNetGenerator(width=8, depth=2, norm_inference="running", dropout_blocks=()))
    translator = Translator(generator)
    image = noise(1, 3, 150, 211)
    difference = translator(image).int() - translator(image, tile=128, overlap=63).int()
    assert difference.abs().max() > 1


def test_statistics_of_tiles_make_tiles_differ():
    generator = loud(UNetGenerator(width=8, depth=2, norm_inference="per_image", dropout_blocks=()))
    translator = Translator(generator)
    image = noise(1, 3, 150, 211)
    image[..., 100:] //= 4
    assert (translator(image).int() - translator(image, tile=128, overlap=64).int()).abs().max() > 1


def test_an_image_no_larger_than_a_tile_is_translated_in_one_piece():
    generator = loud(UNetGenerator(width=4, depth=3, dropout_blocks=()))
    translator = Translator(generator)
    image = noise(2, 3, 60, 64)
    assert torch.equal(translator(image), translator(image, tile=64, overlap=8))


def test_memory_for_floats_is_that_of_one_row_of_tiles():
    largest = 0

    def generate(piece: torch.Tensor) -> torch.Tensor:
        return piece.float()

    def finish(floats: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        largest = max(largest, floats.shape[-2])
        return floats.to(torch.uint8)

    translate_in_tiles(generate, finish, noise(1, 3, 1000, 100), tile=64, overlap=16)
    assert largest <= 64


@pytest.mark.parametrize(
    ("tile", "multiple", "expected"), [(256, 256, 128), (512, 256, 256), (2048, 256, 256), (64, 4, 8), (512, 8, 64)]
)
def test_the_default_overlap_fits_the_grid_if_that_is_not_too_much(tile, multiple, expected):
    assert default_overlap(tile, multiple) == expected
    check_tile(tile, expected, multiple)


@pytest.mark.parametrize(
    ("tile", "overlap", "message"),
    [
        (100, 0, "tile is 100; expected .* a multiple of 64 such as 64 or 128"),
        (0, 0, "tile is 0; expected .* a multiple of 64"),
        (-64, 0, "tile is -64"),
        ("big", 0, "tile is big; expected .* such as 64 or 128"),
        (128, 65, "overlap is 65; expected pixels from 0 to half of tile=128, 64"),
        (128, -1, "overlap is -1"),
    ],
)
def test_tiles_that_do_not_fit_are_refused(tile, overlap, message):
    with pytest.raises(UserError, match=message):
        check_tile(tile, overlap, 64)
