"""The configs as a list of groups, options and keys."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pix2pix_lit.runs.configs import CONFIG_DIR, compose_config, groups_of, nodes, options_of


@pytest.fixture
def folder(tmp_path):
    for name in ("data/base", "data/facades", "data/derive/edges", "experiment/paper/maps", "hydra/launcher/x"):
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_groups_are_all_folders_except_hydras_own(folder):
    assert groups_of(folder) == ["data", "data/derive", "experiment", "experiment/paper"]


def test_options_are_the_files_of_a_group_except_its_base(folder):
    assert options_of(folder, "data") == ["facades"]
    assert options_of(folder, "experiment") == ["paper/maps"]


def test_nodes_are_all_keys_with_their_values_as_written():
    config = OmegaConf.create({"a": {"b": "${c}"}, "c": 1})
    assert dict(nodes(config)) == {"a": {"b": "${c}"}, "a.b": "${c}", "c": 1}


def test_a_composed_config_holds_hydras_settings():
    config = compose_config(CONFIG_DIR, "predict", ["input=x"])
    assert (config.input, config.hydra.job.config_name) == ("x", "predict")
    assert Path(CONFIG_DIR, "predict.yaml").exists()
