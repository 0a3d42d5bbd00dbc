"""Path values taken as the shell gave them; errors without a stack trace."""

import os
import random

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pix2pix_lit.cli import PATH_KEYS, message_for_user, quote_path

HARD_NAMES = [
    "epoch=1.ckpt",
    "x (1).png",
    "a,b.png",
    "img[1].png",
    "[a,b].png",
    "{a:b}.png",
    "ü.png",
    "it's.png",
    'say "hi".png',
    "back\\slash.png",
    "ends in backslash\\",
    "\\'",
    "a\\\\'b",
    "$HOME.png",
    "${x}.png",
    "\\${x}.png",
    "*.png",
    "a#b&c;d|e<f>g.png",
    " leading and trailing ",
    "123",
    "1.5",
    "true",
    "nan",
    "a\tb",
    "a\nb",
]


def composed(arguments):
    return compose("predict", [quote_path(argument) for argument in arguments])


@pytest.fixture
def predict_configs():
    from pix2pix_lit.cli import CONFIG_DIR

    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        yield


@pytest.mark.parametrize("name", HARD_NAMES)
def test_path_values_arrive_as_the_shell_gave_them(predict_configs, name):
    assert composed([f"input={name}"]).input == name


def test_random_file_names_arrive_unchanged(predict_configs):
    rng = random.Random(0)
    for _ in range(100):
        name = "".join(rng.choices("ab1 .,=()[]{}'\"\\$@#%&*?!:;|<>/+-_ü^`", k=rng.randint(2, 9)))
        if name[0] == name[-1] and name[0] in "'\"":  # Hydra's own quoting, which is left to it
            continue
        assert composed([f"input={name}"]).input == name


def test_tilde_is_the_home_folder(predict_configs):
    assert composed(["input=~/x.png"]).input == os.path.expanduser("~/x.png")


def test_null_and_hydras_own_quotes_keep_their_meaning(predict_configs):
    config = composed(["ckpt=null", "input='a,b'", 'output="c d"'])
    assert (config.ckpt, config.input, config.output) == (None, "a,b", "c d")


def test_quoting_twice_changes_nothing():
    for name in HARD_NAMES:
        once = quote_path(f"ckpt={name}")
        assert quote_path(once) == once


@pytest.mark.parametrize(
    "argument", ["model=unet256", "data.batch_size=1,2", "hydra.run.dir=a", "--help", "-m", "~callbacks.best"]
)
def test_other_arguments_are_left_to_hydra(argument):
    assert quote_path(argument) == argument


def test_every_path_key_exists_in_a_config():
    from pix2pix_lit.cli import CONFIG_DIR

    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        data = [compose("train", [f"data={name}"]) for name in ("folders", "manifest", "derived", "huggingface")]
        configs = compose("predict"), compose("export"), compose("prepare"), compose("sweep_results"), *data
    for key in PATH_KEYS:
        assert any(OmegaConf.select(config, key, default="missing") != "missing" for config in configs), key


def test_a_name_that_is_too_long_is_told_wherever_it_is_from(tmp_path):
    with pytest.raises(OSError, match="too long") as error:
        (tmp_path / ("n" * 256)).stat()
    assert "n... is too long a name" in message_for_user(error.value)
