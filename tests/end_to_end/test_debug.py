"""debug=fast runs everything once, debug=overfit learns a few pairs, debug=profile writes a table and a timeline."""

import json

import pytest

from pix2pix_lit.callbacks import SampleGrid
from pix2pix_lit.runs.result import read_result
from pix2pix_lit.train import train

SHORT = ("trainer.max_epochs=2", "trainer.check_val_every_n_epoch=2")


def test_fast_trains_and_validates_one_batch_and_writes_all_files(compose_train, tmp_path):
    train(compose_train("debug=fast"))
    result = read_result(tmp_path / "run")
    assert (result.status, result.steps) == ("finished", 1)
    assert set(result.metrics) == {"val/l1", "val/psnr", "val/ssim"}
    for name in ("samples/step_0000001.png", "checkpoints/last.ckpt", "checkpoints/best.ckpt"):
        assert (tmp_path / "run" / name).is_file()


@pytest.mark.parametrize("batches", [1, 2])
def test_overfitting_validates_and_samples_the_pairs_it_trains_on(compose_train, tmp_path, monkeypatch, batches):
    seen = {"on_train_batch_end": set(), "on_validation_batch_end": set()}
    for hook, names in seen.items():
        monkeypatch.setattr(
            SampleGrid, hook, lambda self, *arguments, to=names: to.update(arguments[3]["name"]), raising=False
        )
    config = compose_train("debug=overfit", f"trainer.overfit_batches={batches}", *SHORT)
    assert config.data.flip is False
    train(config)
    assert len(seen["on_train_batch_end"]) == 2 * batches
    assert seen["on_validation_batch_end"] == seen["on_train_batch_end"]
    assert read_result(tmp_path / "run").steps == 2 * batches


def test_a_profile_names_the_convolutions(run_python, tiny_overrides, tmp_path):
    run_python(
        tmp_path, "-m", "pix2pix_lit.train", *tiny_overrides, "trainer=cpu", "debug=profile", "data.batch_size=1"
    )
    (run,) = (tmp_path / "outputs" / "train").iterdir()
    assert "aten::convolution" in (run / "fit-profile.txt").read_text()
    (path,) = run.glob("*.pt.trace.json")
    names = {event["name"] for event in json.loads(path.read_text())["traceEvents"]}
    assert "aten::convolution_backward" in names
    assert sum(name.startswith("ProfilerStep#") for name in names) == 6
    assert not (run / "checkpoints").exists()
    assert json.loads((run / "result.json").read_text())["steps"] == 20
