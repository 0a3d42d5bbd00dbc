"""Path values taken as the shell gave them; errors without a stack trace."""

import os
import random
import shlex

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.command import PATH_KEYS, _refuse_unquoted_choices, message_for_user, quote_path

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
    from pix2pix_lit.runs.command import CONFIG_DIR

    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        yield


@pytest.mark.parametrize("name", HARD_NAMES)
def test_path_values_arrive_as_the_shell_gave_them(predict_configs, name):
    assert composed([f"input={name}"]).input == name


@pytest.mark.slow
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
    from pix2pix_lit.runs.command import CONFIG_DIR

    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        data = [compose("train", [f"data={name}"]) for name in ("folders", "manifest", "derived", "huggingface")]
        configs = compose("predict"), compose("export"), compose("prepare"), compose("sweep_results"), *data
    for key in PATH_KEYS:
        assert any(OmegaConf.select(config, key, default="missing") != "missing" for config in configs), key


def test_a_name_that_is_too_long_is_told_wherever_it_is_from(tmp_path):
    with pytest.raises(OSError, match="too long") as error:
        (tmp_path / ("n" * 256)).stat()
    assert "n... is too long a name" in message_for_user(error.value)


@pytest.mark.parametrize("key", ["data.root", "ckpt_path"])
def test_a_sweep_over_paths_without_quotes_is_told_how_to_write_it(key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"{key}=d1,d2 means one value, 'd1,d2', which is not there") as error:
        _refuse_unquoted_choices(["-m", f"{key}=d1,d2"])
    [word] = shlex.split(str(error.value).rpartition(": ")[2])
    assert word == quote_path(word) == f"{key}='d1','d2'"
    [choices] = OverridesParser.create().parse_overrides([word])
    assert choices.is_sweep_override()
    assert list(choices.sweep_string_iterator()) == ["'d1'", "'d2'"]


def test_commas_are_no_concern_without_a_sweep_in_quotes_in_patterns_and_in_paths_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d1,d2").mkdir()
    others = ["data.source.a_pattern=(.{1,2})", "data.root='d1','d3'", "seed=1,2"]
    _refuse_unquoted_choices(["-m", "data.root=d1,d2", *others])
    _refuse_unquoted_choices(["data.root=d1,d3"])
    with pytest.raises(UserError, match="data.root=d1,d3 means one value"):
        _refuse_unquoted_choices(["-m", "data.root=d1,d3"])
