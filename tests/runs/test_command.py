"""A command composes its config no more often than it must."""

import sys

from hydra._internal.config_loader_impl import ConfigLoaderImpl

from pix2pix_lit.runs.command import command
from pix2pix_lit.train import Keys


def test_a_start_composes_its_config_twice(monkeypatch, tmp_path):
    composed, seeds = [], []
    load = ConfigLoaderImpl.load_configuration
    monkeypatch.setattr(
        ConfigLoaderImpl, "load_configuration", lambda *given, **more: composed.append(1) or load(*given, **more)
    )
    monkeypatch.setattr(sys, "argv", ["train", "data.load_size=36", "seed=3"])
    monkeypatch.chdir(tmp_path)

    def run(config):
        seeds.append(config.seed)

    command("train", Keys)(run)()
    assert seeds == [3]
    assert len(composed) == 2  # for checks, which come first, and by Hydra
