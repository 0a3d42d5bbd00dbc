"""The best model of a run."""

import pytest

from pix2pix_lit.callbacks import BestCheckpoint
from pix2pix_lit.errors import UserError


@pytest.mark.parametrize(("objective", "mode"), [("val/l1", "min"), ("val/psnr", "max"), ("val/ssim", "max")])
def test_better_is_lower_or_higher_as_the_metric_has_it(tmp_path, objective, mode):
    assert BestCheckpoint(str(tmp_path), objective).mode == mode


@pytest.mark.parametrize("objective", ["val/psrn", "psnr", "loss/D_real", ""])
def test_an_unknown_objective_is_refused(tmp_path, objective):
    with pytest.raises(UserError, match="expected one of val/l1, val/psnr, val/ssim"):
        BestCheckpoint(str(tmp_path), objective)
