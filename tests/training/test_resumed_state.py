"""Resuming with other networks is refused, and with other settings reported."""

import re

import pytest

from pix2pix_lit.errors import UserError


def test_resuming_with_other_networks_is_refused(fit, tmp_path):
    fit(max_steps=1)[1].save_checkpoint(tmp_path / "last.ckpt")
    with pytest.raises(UserError, match=r"other networks; .*model.generator.width is 8, but was 4"):
        fit("model.generator.width=8", ckpt_path=tmp_path / "last.ckpt", max_steps=2)
    with pytest.raises(UserError, match=r"other networks; .*model.adversarial.weight is 0, but was 1.0"):
        fit("model.adversarial.weight=0", ckpt_path=tmp_path / "last.ckpt", max_steps=2)


def test_resuming_with_other_settings_warns(fit, tmp_path, caplog):
    fit(max_steps=1)[1].save_checkpoint(tmp_path / "last.ckpt")
    for override, message in {
        "model.generator_optimizer.lr=1.0": "model.generator_optimizer.lr is 1.0, but was 0.0002 .* the new value",
        "model.generator_optimizer.betas=[0.0,0.9]": "model.generator_optimizer.betas is .* the checkpoint's value",
        "model.reconstruction.weight=7": "model.reconstruction.weight is 7, but was 100.0 .* the new value",
        "model.generator.dropout=0.1": "model.generator.dropout is 0.1, but was 0.5 .* the new value",
    }.items():
        caplog.clear()
        fit(override, ckpt_path=tmp_path / "last.ckpt", max_steps=2)
        (warning,) = [
            record.getMessage() for record in caplog.records if record.name == "pix2pix_lit.training.resumed_state"
        ]
        assert re.search(message, warning)
