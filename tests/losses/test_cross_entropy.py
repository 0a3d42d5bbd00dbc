"""Cross-entropy of classes."""

import pytest
import torch
import torch.nn.functional as F

from pix2pix_lit.losses import CrossEntropyLoss


@pytest.fixture
def scores():
    return torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)


@pytest.fixture
def classes():
    return torch.randint(0, 4, (2, 5, 6), generator=torch.Generator().manual_seed(1))


def one_hot(classes, count=4):
    return F.one_hot(classes, count).movedim(-1, 1).float() * 2 - 1


@pytest.mark.parametrize("void", [None, 0, 3])
def test_it_is_the_mean_over_pixels_that_are_not_void(scores, classes, void):
    expected = F.cross_entropy(scores, classes, ignore_index=-100 if void is None else void)
    torch.testing.assert_close(CrossEntropyLoss()(scores, one_hot(classes), void), expected)


@pytest.mark.parametrize("void", [None, 2])
def test_balanced_it_is_the_mean_over_classes_of_their_means(scores, classes, void):
    log_shares = scores.log_softmax(1).gather(1, classes[:, None])[:, 0]
    means = [-log_shares[classes == number].mean() for number in range(4) if number != void]
    loss = CrossEntropyLoss(balanced=True)(scores, one_hot(classes), void)
    torch.testing.assert_close(loss, torch.stack(means).mean())


@pytest.mark.parametrize("balanced", [False, True])
def test_a_batch_of_void_alone_has_no_loss_and_no_gradient(scores, balanced):
    void = torch.full((2, 5, 6), 3)
    loss = CrossEntropyLoss(balanced=balanced)(scores, one_hot(void), 3)
    loss.backward()
    assert loss == 0
    assert not scores.grad.any()
