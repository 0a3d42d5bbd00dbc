"""Mistyped commands are answered by what was meant, before anything is loaded."""

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.configs import CONFIG_DIR
from pix2pix_lit.runs.overrides import composed


def compose(name, *words):
    return composed(CONFIG_DIR, name, words, "python it KEY=VALUE")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("trainer.max_epoch=3", "did you mean trainer.max_epochs?"),
        ("max_epochs=3", "did you mean trainer.max_epochs?"),
        ("batch_size=4", "did you mean data.batch_size?"),
        ("lr=1", "model.generator_optimizer.lr or model.discriminator_optimizer.lr?"),
        ("data.rooot=x", "did you mean data.root?"),
        ("modle=unet256", "did you mean model?"),
        ("~callbacks.bst", "did you mean callbacks.best?"),
        ("hydra.run.dirr=x", "did you mean hydra.run.dir?"),
        ("sweep=optuna hydra.sweeper.n_trails=3", "did you mean hydra.sweeper.n_trials?"),
        ("trainer.colour=3", "there is no key trainer.colour; expected one of trainer.accelerator, "),
        ("model=unet", "expected one of resnet6, .*did you mean model=unet128 or model=unet256?"),
        ("data=facade", "did you mean data=facades?"),
        ("data/augmentation=[scale,colr]", "did you mean data/augmentation=color?"),
        ("experiment=paper/cityscapes_l2", "did you mean experiment=paper/cityscapes_l1?"),
        ("data/pixels@data.source.b=id", "did you mean data/pixels@data.source.b=ids?"),
        ("model/generatr=unet128", "did you mean model/generator=unet128?"),
        ("model.discriminator=pixel", "model.discriminator is a group: type model/discriminator=pixel"),
        ("data.augmentation=none,strong", "type data/augmentation=none,strong"),
        ("data/derive=edges", "it goes with data=derived"),
        ("model.generator.recompute=true", "did you mean model.generator.activation_checkpointing"),
        ("callbacks.finite.every_n_steps=1", "did you mean callbacks.terminate_on_nan.every_n_steps"),
        ("trainer.accumulate_grad_batches=2", "data.batch_size.*model.micro_batches=N"),
        ("+trainer.gradient_clip_val=1", "model.gradient_clip.generator=NORM"),
        ("a.ckpt", "a.ckpt is not KEY=VALUE; expected: python it KEY=VALUE"),
        ("seed='1", "cannot be read as KEY=VALUE"),
    ],
)
def test_a_mistyped_word_is_answered_with_what_was_meant(words, meant):
    with pytest.raises(UserError, match=meant.replace("?", r"\?")) as found:
        compose("train", *words.split())
    assert "+" not in str(found.value).partition("did you mean")[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "experiment=quickstart seed=1,2 model=unet256,resnet9",
        "model.reconstruction.weight=interval(1,2) model=glob(unet*)",
        "sweep=[optuna,pruning] hydra.sweeper.n_trials=3",
        "hydra/launcher=joblib hydra.launcher.n_jobs=2",
        "hydra/sweeper=basic",
        "~callbacks.best +trainer.enable_progress_bar=false",
        "data.crop_size=[32,64] trainer.devices=[0,1] callbacks.best=null",
        "data/augmentation=[scale,color] logger=[csv,tensorboard]",
        "+data.augmentation.geometry.x._target_=albumentations.Transpose",
    ],
)
def test_what_hydra_accepts_is_accepted(words):
    assert compose("train", *words.split()).data.batch_size >= 1


def test_a_command_with_few_keys_names_them_all():
    with pytest.raises(UserError, match="there is no key checkpoint; expected one of ckpt, input, output, "):
        compose("predict", "checkpoint=x")


@pytest.mark.parametrize(
    ("command", "word", "now"),
    [
        ("predict", "sheets=true", "grids"),
        ("train", "model.discriminator.recompute=true", "model.discriminator.activation_checkpointing"),
        ("train", "model.adversarial.r1=10", "model.r1.weight"),
        ("train", "model.reconstruction.kind=l2", "model/reconstruction"),
    ],
)
def test_a_key_that_was_renamed_is_answered_with_its_name_now(command, word, now):
    with pytest.raises(UserError, match=rf"there is no key {word.partition('=')[0]}: did you mean {now}\?"):
        compose(command, word)
