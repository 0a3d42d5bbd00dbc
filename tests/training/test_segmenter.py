"""A segmentation network trained on photos and the class numbers of their pixels."""

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.images.files import write_image
from pix2pix_lit.inference.translator import Translator
from pix2pix_lit.runs.command import CONFIG_DIR
from pix2pix_lit.train import build


@pytest.fixture
def archive(tmp_path):
    """Streets in the layout of the pix2pix archive of Cityscapes."""
    for split, length in (("train", 4), ("val", 2)):
        source = StreetsSource(split=split, size=64, train_length=4, val_length=2)
        for number in range(length):
            pair = source[number]
            write_image(tmp_path / f"archive/{split}/{number + 1}.png", np.concatenate([pair.a, pair.b], 1))
    return tmp_path / "archive"


@pytest.mark.slow
def test_it_learns_and_its_checkpoint_translates_photos_into_class_numbers(archive, tmp_path):
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose(
            "train",
            [
                *("model=segmenter", "model.generator.pretrained=null", "model.generator.width=3"),
                *("data=cityscapes_classes", f"data.root={archive}", "data.load_size=64", "data.crop_size=64"),
                *(
                    "data.batch_size=4",
                    "data.num_workers=0",
                    "model.schedule.warmup_steps=0",
                    "model.ema_decay=0",
                    "model.generator_optimizer.lr=0.01",
                ),
                *(
                    "trainer=cpu",
                    "trainer.max_epochs=6",
                    "trainer.check_val_every_n_epoch=6",
                    "trainer.log_every_n_steps=1",
                    "logger=csv",
                ),
                *("callbacks.progress_bar=null", f"output_dir={tmp_path}/run"),
            ],
        )
    trainer, model, datamodule = build(config)
    trainer.fit(model, datamodule)
    rows = (tmp_path / "run/metrics.csv").read_text().splitlines()
    losses = [float(row.split(",")[rows[0].split(",").index("loss/G_reconstruction")] or "nan") for row in rows[1:]]
    losses = [loss for loss in losses if not np.isnan(loss)]
    assert losses[-1] < 0.9 * losses[0]
    translator = Translator.load(tmp_path / "run/checkpoints/last.ckpt")
    classes = translator(StreetsSource(split="val", size=64, val_length=2)[0].a)
    assert (classes.shape, classes.dtype) == ((64, 64, 1), np.uint8)
    assert classes.max() < 20
