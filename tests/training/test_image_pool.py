"""The history of fakes."""

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.training.image_pool import ImagePool


def pairs(*numbers):
    """Inputs of that number and fakes of its negative."""
    inputs = torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 2, 3, 3)
    return inputs.clone(), -inputs[:, :1].clone()


def shown(pool, *numbers):
    input, fake = pool(*pairs(*numbers))
    assert input.shape == (len(numbers), 2, 3, 3)
    assert fake.shape == (len(numbers), 1, 3, 3)
    assert torch.equal(input[:, :1], -fake)  # still the input that it was generated from
    return input[:, 0, 0, 0].int().tolist()


def test_size_0_returns_what_it_gets():
    batch = pairs(1, 2)
    assert all(ours is theirs for ours, theirs in zip(ImagePool(0)(*batch), batch, strict=True))


def test_new_pairs_come_back_until_the_pool_is_full():
    pool = ImagePool(4)
    assert shown(pool, 1, 2) == [1, 2]
    assert shown(pool, 3, 4) == [3, 4]


def test_a_full_pool_returns_an_older_pair_half_of_the_time_and_keeps_the_new_one_instead():
    torch.manual_seed(0)
    pool = ImagePool(10)
    returned, kept = 0, set(range(10))
    shown(pool, *range(10))
    for number in range(10, 1010):
        (came,) = shown(pool, number)
        if came != number:
            returned += 1
            assert came in kept
            kept = kept - {came} | {number}
    assert 450 < returned < 550
    assert {int(input[0, 0, 0]) for input in pool.state_dict()["inputs"]} == kept


def test_what_is_kept_is_no_view_of_a_batch():
    pool = ImagePool(2)
    input, fake = pairs(1, 2)
    pool(input, fake)
    input.zero_()
    fake.zero_()
    assert [int(kept[0, 0, 0]) for kept in pool.state_dict()["inputs"]] == [1, 2]
    assert all(kept.untyped_storage().nbytes() == kept.nbytes for kept in pool.state_dict()["fakes"])


def test_a_pool_continues_from_its_state_in_a_safe_file(tmp_path):
    pool, other = ImagePool(4), ImagePool(4)
    shown(pool, *range(6))
    torch.save(pool.state_dict(), tmp_path / "pool.pt")
    other.load_state_dict(torch.load(tmp_path / "pool.pt", weights_only=True))
    torch.manual_seed(1)
    expected = [shown(pool, number) for number in range(10, 30)]
    torch.manual_seed(1)
    assert [shown(other, number) for number in range(10, 30)] == expected


def test_a_smaller_pool_keeps_the_first_of_a_state():
    pool, smaller = ImagePool(4), ImagePool(2)
    shown(pool, 1, 2, 3, 4)
    smaller.load_state_dict(pool.state_dict())
    assert [int(kept[0, 0, 0]) for kept in smaller.state_dict()["inputs"]] == [1, 2]


@pytest.mark.parametrize("size", [-1, 2.5, "50"])
def test_a_size_that_is_no_number_of_pairs_is_refused(size):
    with pytest.raises(UserError, match="model.pool_size is"):
        ImagePool(size)
