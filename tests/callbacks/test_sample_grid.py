"""When sample pictures are drawn, and what is in them."""

import numpy as np
import pytest
import torch

from pix2pix_lit.callbacks import SampleGrid
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image
from pix2pix_lit.train import train


def steps(folder):
    return sorted(int(path.stem.removeprefix("step_")) for path in (folder / "run/samples").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["trainer.max_epochs=2"], [4, 8]),
        (["trainer.max_epochs=1", "trainer.val_check_interval=2"], [2, 4]),
        (["trainer.max_epochs=2", "trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=3"], [3, 6, 8]),
        (["trainer.max_epochs=2", "trainer.limit_val_batches=0"], [4, 8]),
        (["trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2"], [8, 12]),
        (["trainer.max_steps=3"], [3]),
    ],
)
def test_every_validation_has_its_picture_and_so_has_the_end(compose_train, tmp_path, overrides, expected):
    train(compose_train(*overrides))
    assert steps(tmp_path) == expected


def test_a_picture_has_room_for_names_captions_and_a_heading(compose_train, tmp_path):
    train(compose_train("trainer.max_steps=1", "callbacks.samples.count=2"))
    picture = read_image(tmp_path / "run/samples/step_0000001.png")
    text = 15  # a line of it
    assert picture.shape == (4 + 24 + text + 2 * (text + 32 + 4) + 4, 3 * 32 + 4 * 4, 3)
    assert (picture[:28] < 140).all(-1).any()  # the heading
    white = (picture == 255).all(-1).all(1)
    assert np.diff(np.flatnonzero(white)).max() > 1


def test_a_sample_grid_of_a_broken_model_is_left_out_and_reported(compose_train, tmp_path, caplog, monkeypatch):
    def break_model(self, trainer, pl_module):
        pl_module.generator.decoder[-1].conv.bias.data.fill_(torch.nan)

    monkeypatch.setattr(SampleGrid, "on_sanity_check_start", break_model)
    monkeypatch.setattr(SampleGrid, "on_train_start", lambda self, trainer, pl_module: self._draw(trainer, pl_module))
    with pytest.raises(UserError, match="in step 1, on|hold NaN"):
        train(compose_train("trainer.max_steps=2"))
    assert "No sample grid of step 0: the network's output has NaN or infinity" in caplog.text
