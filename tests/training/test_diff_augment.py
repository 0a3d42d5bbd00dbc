"""Differentiable augmentation."""

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.training.diff_augment import DiffAugment

ALL = ["color", "translation", "cutout"]


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return torch.rand(8, 2, 24, 32) + 1, torch.rand(8, 3, 24, 32) + 1  # nowhere 0, which is what is padded


def test_without_policies_everything_stays_the_same_object(pair):
    assert all(ours is theirs for ours, theirs in zip(DiffAugment([])(*pair), pair, strict=True))


@pytest.mark.parametrize("policy", ["translation", "cutout"])
def test_geometry_is_the_same_for_input_and_image(pair, policy):
    x = torch.cat(pair, dim=1)
    input, image = DiffAugment([policy])(x, x)
    assert torch.equal(input, image)
    assert not torch.equal(input, x)


def test_color_changes_the_image_alone(pair):
    input, image = DiffAugment(["color"])(*pair)
    assert input is pair[0]
    assert not torch.equal(image, pair[1])


def test_color_is_brightness_saturation_and_contrast_in_their_ranges():
    torch.manual_seed(0)
    x = torch.rand(500, 3, 4, 4) * 2 - 1
    _, image = DiffAugment(["color"])(x, x)
    brightness = (image - x).mean((1, 2, 3))
    assert -0.5 <= brightness.min() < -0.45
    assert 0.45 < brightness.max() <= 0.5

    def spread(x, dims):
        return (x - x.mean(dims, keepdim=True)).flatten(1).norm(dim=1)

    contrast = spread(image.mean(1, keepdim=True), (2, 3)) / spread(x.mean(1, keepdim=True), (2, 3))
    assert 0.5 - 1e-4 <= contrast.min() < 0.55
    assert 1.45 < contrast.max() <= 1.5 + 1e-4
    saturation = spread(image, 1) / spread(x, 1) / contrast
    assert -1e-4 <= saturation.min() < 0.1
    assert 1.9 < saturation.max() <= 2 + 1e-4


def test_translation_moves_each_image_by_up_to_an_eighth_and_pads_with_zeros():
    x = torch.arange(1.0, 1 + 24 * 32).view(1, 1, 24, 32).repeat(200, 1, 1, 1)
    torch.manual_seed(0)
    _, image = DiffAugment(["translation"])(x, x)
    shifts = set()
    for moved in image[:, 0]:
        rows, columns = moved.nonzero().T
        top, left = rows.min(), columns.min()
        source = int(moved[top, left]) - 1
        down, right = int(top) - source // 32, int(left) - source % 32
        expected = torch.zeros(24, 32)
        kept = x[0, 0, max(0, -down) : 24 - max(0, down), max(0, -right) : 32 - max(0, right)]
        expected[max(0, down) : 24 + min(0, down), max(0, right) : 32 + min(0, right)] = kept
        assert torch.equal(moved, expected)
        shifts.add((down, right))
    assert {down for down, _ in shifts} == set(range(-3, 4))
    assert {right for _, right in shifts} == set(range(-4, 5))


def test_cutout_sets_a_rectangle_of_half_of_each_side_to_zero_wherever_it_lies():
    x = torch.ones(300, 1, 24, 32)
    torch.manual_seed(0)
    _, image = DiffAugment(["cutout"])(x, x)
    covered = image[:, 0] == 0
    sizes = set()
    for mask in covered:
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        assert mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
        sizes.add((len(rows), len(columns)))
    assert max(rows for rows, _ in sizes) == 12
    assert max(columns for _, columns in sizes) == 16
    assert min(rows for rows, _ in sizes) == 6  # half of it sticks out at most
    assert covered.any(0).all()


@pytest.mark.slow
@pytest.mark.parametrize("policies", [["color"], ["translation"], ["cutout"], ALL])
def test_gradients_flow_through_every_policy(pair, policies):
    input, image = pair[0][:2, :, :4, :8].double(), pair[1][:2, :, :4, :8].double().requires_grad_(True)

    def augmented(image):
        torch.manual_seed(0)
        return DiffAugment(policies)(input, image)[1]

    assert torch.autograd.gradcheck(augmented, image)


def test_draws_differ_within_a_batch_and_follow_the_seed(pair):
    image = pair[1][:1].repeat(4, 1, 1, 1)
    augment = DiffAugment(ALL)
    torch.manual_seed(3)
    one = augment(image, image)[1]
    other = augment(image, image)[1]
    torch.manual_seed(3)
    assert torch.equal(augment(image, image)[1], one)
    assert not torch.equal(other, one)
    assert not torch.equal(one[0], one[1])


@pytest.mark.parametrize("policies", [["colour"], "color", ["color", "flip"]])
def test_unknown_policies_are_refused(policies):
    with pytest.raises(UserError, match="model.diff_augment is .*expected a list of any of .*translation"):
        DiffAugment(policies)
