"""The reconstruction term against its formulas."""

import math

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.losses import CharbonnierLoss, L1Loss, L2Loss

DIFFERENCES = (1.0, 0.0, -2.0, 0.5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (L1Loss(), sum(abs(d) for d in DIFFERENCES) / 4),
        (L2Loss(), sum(d * d for d in DIFFERENCES) / 4),
        (CharbonnierLoss(epsilon=0.01), sum(math.sqrt(d * d + 0.01**2) for d in DIFFERENCES) / 4),
    ],
)
def test_reconstruction_terms_equal_their_formulas(loss, expected):
    real = torch.randn(1, 1, 2, 2, dtype=torch.float64)
    fake = real + torch.tensor(DIFFERENCES, dtype=torch.float64).view(1, 1, 2, 2)
    assert loss(fake, real).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weight": -1}, "reconstruction.weight is -1; expected a number, 0 or more"),
        ({"weight": "100"}, "reconstruction.weight is '100'"),
        ({"weight": math.nan}, "reconstruction.weight is nan"),
        ({"epsilon": 0}, "reconstruction.epsilon is 0; expected a number, 1e-08 or more"),
    ],
)
def test_invalid_values_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        CharbonnierLoss(**wrong)
