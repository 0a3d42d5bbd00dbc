"""What is reached for inside Hydra: fails where an upgrade has changed it."""

import pytest
from hydra._internal.hydra import Hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from pix2pix_lit.internals.hydra import apply_overrides, argument_parser, known_mode
from pix2pix_lit.runs.configs import CONFIG_DIR, compose_config

WORDS = ["model=unet128", "seed=3", "+trainer.profiler=simple", "~logger.tensorboard"]


def test_the_parser_has_the_options_that_are_looked_at():
    options = argument_parser().parse_args(["a=1", "~b", "-m", "--cfg", "job"])
    assert options.overrides == ["a=1", "~b"]
    assert options.multirun is True
    assert options.cfg == "job"
    for name in (
        "hydra_help",
        "info",
        "shell_completion",
        "experimental_rerun",
        "config_path",
        "config_name",
        "config_dir",
    ):
        assert not getattr(options, name)


def test_applying_overrides_to_a_composed_config_equals_composing_with_them():
    config = compose_config(CONFIG_DIR, "train", WORDS[:1])
    apply_overrides(config, OverridesParser.create().parse_overrides(WORDS[1:]))
    expected = compose_config(CONFIG_DIR, "train", WORDS)
    for each in (config, expected):
        OmegaConf.set_struct(each, False)
        del each["hydra"]  # which lists the overrides
    assert config == expected


def test_an_override_of_an_unknown_key_is_an_error_of_hydra():
    with pytest.raises(HydraException, match="Could not override 'sede'"):
        apply_overrides(compose_config(CONFIG_DIR, "train", []), OverridesParser.create().parse_overrides(["sede=3"]))


def test_a_known_mode_is_hydras_for_as_long_as_the_context_lasts():
    former = Hydra.get_mode
    with known_mode(RunMode.MULTIRUN):
        assert Hydra.get_mode(None, config_name="train", overrides=[]) is RunMode.MULTIRUN
    assert Hydra.get_mode is former
