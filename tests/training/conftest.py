"""A small training run."""

import lightning as L
import pytest
from hydra.utils import instantiate

from pix2pix_lit.callbacks import StepSeed

from ..trainers import silent_trainer


@pytest.fixture
def fit(compose_train):
    """Train a small model as these overrides say; returns model and trainer."""

    def fit_model(*overrides, callbacks=(), ckpt_path=None, **options):
        config = compose_train(*overrides)
        L.seed_everything(config.seed, verbose=False)
        model = instantiate(config.model, _recursive_=False, _convert_="all")
        trainer = silent_trainer(callbacks=[StepSeed(seed=0), *callbacks], **{"max_steps": 3} | options)
        trainer.fit(model, instantiate(config.data, _convert_="all"), ckpt_path=ckpt_path, weights_only=True)
        return model, trainer

    return fit_model
