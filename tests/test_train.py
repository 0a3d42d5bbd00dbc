"""The train command, called as a function."""

import itertools
import json
import os
import shutil
import signal

import pytest
import torch
from hydra.errors import InstantiationException
from lightning.pytorch.utilities.combined_loader import CombinedLoader

from pix2pix_lit.callbacks import SampleGrid
from pix2pix_lit.checkpoints.loading import read_checkpoint
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.runs.stopping import RunStopped
from pix2pix_lit.train import build, train
from pix2pix_lit.training.measured import former_objective, leave_out_unavailable

IDS = ImageType(kind="ids", channels=1, classes=5, void=4)


@pytest.fixture
def result(tmp_path):
    """Read ``result.json``."""
    return lambda: json.loads((tmp_path / "run" / "result.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["logger=none", "logger=csv", "callbacks=none", "callbacks.progress_bar=null"])
def test_every_logger_and_callback_choice_trains(compose_train, choice):
    assert train(compose_train(choice, "trainer.max_epochs=1")) > 0


@pytest.mark.parametrize("objective", ["val/l1", "val/ssim"])
def test_the_objective_is_returned_and_is_what_best_is_the_best_by(compose_train, tmp_path, objective):
    value = train(compose_train(f"objective={objective}", "trainer.max_steps=3"))
    callbacks = torch.load(tmp_path / "run/checkpoints/best.ckpt")["callbacks"]
    (best,) = (state for key, state in callbacks.items() if "BestCheckpoint" in key)
    assert best["monitor"] == objective
    assert value == pytest.approx(best["best_model_score"].item())


def test_an_objective_that_is_not_measured_is_refused(compose_train, tmp_path):
    with pytest.raises(UserError, match="objective is 'val/ssim'; expected one of auto, val/l1, val/psnr"):
        train(compose_train("objective=val/ssim", "metrics.ssim=null"))
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("target", "chosen"),
    [(ImageType(), "val/ssim"), (ImageType(kind="colors", palette="facades"), "val/iou"), (IDS, "val/iou")],
)
def test_auto_chooses_the_objective_by_the_targets(compose_train, target, chosen):
    config = compose_train()
    leave_out_unavailable(config, target, 32, 8)
    assert config.objective == chosen
    left = {name for name, spec in config.metrics.items() if spec is None} - {"lpips", "kid_efflite0"}
    labels = {"pixel_accuracy", "class_accuracy", "iou"}
    assert left == {"continuous": labels, "colors": set(), "ids": {"l1", "psnr", "ssim"}}[target.kind]


@pytest.mark.parametrize(
    ("count", "former", "chosen"),
    [
        (64, None, "val/kid_efflite0"),
        (49, None, "val/ssim"),
        (64, "val/ssim", "val/ssim"),  # what has become available does not change it
        (64, "val/l1", "val/l1"),
        (64, "val/lpips", "val/kid_efflite0"),  # whose weights have gone
    ],
)
def test_auto_prefers_perceptual_metrics_and_keeps_the_objective_of_a_resumed_run(compose_train, count, former, chosen):
    config = compose_train()
    leave_out_unavailable(config, ImageType(), 32, count, former)
    assert config.objective == chosen


def test_the_former_objective_is_that_of_the_best_checkpoint():
    states = {"LastCheckpoint": {}, "BestCheckpoint{'monitor': 'val/psnr'}": {"monitor": "val/psnr"}}
    assert former_objective({"callbacks": states}) == "val/psnr"
    assert former_objective({}) is None


@pytest.mark.parametrize(
    ("overrides", "target", "size", "message"),
    [
        (["objective=val/iou"], ImageType(), 32, "objective is val/iou, but iou is not for targets that are images"),
        (["objective=val/ssim"], ImageType(), 8, "objective is val/ssim, but ssim needs images of at least 11x11"),
        ([], ImageType(), 8, "objective is auto, but none of the metrics that are measured .l1, psnr. is made for"),
    ],
)
def test_an_objective_that_cannot_be_measured_is_refused(compose_train, overrides, target, size, message):
    with pytest.raises(UserError, match=message):
        leave_out_unavailable(compose_train(*overrides), target, size)


def test_without_validation_there_is_no_objective(compose_train):
    assert train(compose_train("trainer.max_steps=1", "trainer.limit_val_batches=0")) is None


def test_a_run_that_diverges_is_an_error(compose_train):
    diverging = compose_train("model.generator_optimizer.lr=1e30", "trainer.max_steps=3", "model.generator.norm=none")
    with pytest.raises(UserError, match=r"(=nan|=inf) in step 2, on .*No checkpoint has been written"):
        train(diverging)


def test_a_metric_that_is_not_finite_is_an_error_too(compose_train):
    diverging = compose_train("model.generator_optimizer.lr=1e30", "trainer.max_steps=1", "model.generator.norm=none")
    with pytest.raises(UserError, match="(val/ssim is nan at the end of the run|were not finite)"):
        train(diverging)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=-1", "seed is -1"),
        ("model.generator_optimizer.lr=abc", "model.generator_optimizer.lr is 'abc'; expected a number"),
        ("+trainer.enable_progress_bar=false", "RunProgressBar"),
        ("trainer.strategy=ddp_spawn", "expected auto or ddp"),
    ],
)
def test_wrong_values_are_refused(compose_train, override, message):
    with pytest.raises(Exception, match=message):
        train(compose_train(override, "trainer.max_steps=1"))


@pytest.mark.parametrize("devices", ["99999", "'99999'", "-1", "[0,1]"])
def test_no_more_processes_than_cores_are_started(compose_train, devices):
    with pytest.raises(
        UserError, match=r"trainer.devices is .*; expected a whole number from 1 to \d+, at most one process per core"
    ):
        train(compose_train("trainer=cpu", f"trainer.devices={devices}"))


@pytest.mark.slow
def test_a_finished_run_leaves_its_result_and_is_not_trained_again(compose_train, tmp_path, result, caplog):
    caplog.set_level("INFO")
    config = compose_train("trainer.max_epochs=2")
    value = train(config)
    first = result()
    assert first | {"seconds": 0, "metrics": 0, "best": 0} == {
        "status": "finished",
        "message": None,
        "objective": "val/ssim",  # which auto chooses
        "value": value,
        "best": 0,
        "metrics": 0,
        "steps": 8,
        "epochs": 2,
        "seconds": 0,
        "overrides": [],
        "limits": {"max_epochs": 2, "max_steps": -1},
    }
    assert first["metrics"].keys() == {"val/l1", "val/psnr", "val/ssim"}
    assert first["best"] >= first["value"] == first["metrics"]["val/ssim"]
    assert 0 < first["seconds"] < 600

    saved = (tmp_path / "run/checkpoints/last.ckpt").stat().st_mtime_ns
    assert train(config) == value
    assert "is complete after 2 epochs, 8 steps" in caplog.text
    assert (tmp_path / "run/checkpoints/last.ckpt").stat().st_mtime_ns == saved

    train(compose_train("trainer.max_epochs=3"))  # resumed
    assert (result()["steps"], result()["epochs"]) == (12, 3)
    assert read_checkpoint(tmp_path / "run/checkpoints/previous.ckpt")["global_step"] == 8


@pytest.mark.slow
def test_a_finished_run_killed_before_it_wrote_its_result_gets_it_by_the_next_start(compose_train, tmp_path, result):
    config = compose_train("trainer.max_epochs=1", "logger=csv")
    value = train(config)
    expected = result()
    (tmp_path / "run/result.json").unlink()
    assert train(config) == value
    assert result() | {"seconds": 0} == expected | {"seconds": 0}
    assert (tmp_path / "run/metrics_1.csv").exists()


def test_a_failed_run_leaves_why(compose_train, result):
    diverging = compose_train("model.generator_optimizer.lr=1e30", "trainer.max_steps=3", "model.generator.norm=none")
    with pytest.raises(UserError):
        train(diverging)
    assert result()["status"] == "failed"
    assert "=nan" in result()["message"] or "=inf" in result()["message"]
    assert result()["steps"] > 0


@pytest.mark.parametrize("override", ["data.crop_size=64", "data.batch_size=two", "ckpt_path=nowhere.ckpt"])
def test_a_start_that_fails_leaves_no_folder(compose_train, tmp_path, override):
    (tmp_path / "run" / "config").mkdir(parents=True)
    (tmp_path / "run" / "config" / "overrides.yaml").write_text("[]")
    with pytest.raises((InstantiationException, UserError)):
        train(compose_train(override))
    assert not (tmp_path / "run").exists()


def test_a_start_that_fails_leaves_what_is_not_its_own(compose_train, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(InstantiationException):
        train(compose_train("data.crop_size=64"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_a_resume_that_fails_leaves_the_run(compose_train, tmp_path):
    train(compose_train("trainer.max_epochs=1"))
    (tmp_path / "run" / "result.json").unlink()  # as if it had been killed
    before = set((tmp_path / "run").rglob("*"))
    with pytest.raises(InstantiationException):
        train(compose_train("data.crop_size=64", "trainer.max_epochs=2"))
    assert before <= set((tmp_path / "run").rglob("*"))


@pytest.mark.slow
def test_an_interrupted_run_leaves_that_and_how_far_it_was(compose_train, result, monkeypatch):
    def interrupt(self, trainer, *_):
        if trainer.global_step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SampleGrid, "on_train_batch_start", interrupt)
    former = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as stopped:
        train(compose_train("trainer.max_epochs=3"))
    assert stopped.value.code == 130
    assert signal.getsignal(signal.SIGINT) == former
    assert (result()["status"], result()["steps"], result()["epochs"]) == ("interrupted", 5, 1)
    assert result()["value"] == result()["metrics"]["val/ssim"]  # of the first epoch


@pytest.mark.slow
def test_a_cache_made_or_found_changes_no_run(compose_train, tmp_path):
    runs = []
    for cache in ("none", "ram", "disk", "disk"):
        kept = [f"data.cache={cache}", f"data.cache_dir={tmp_path}/cache"]
        trainer, model, datamodule = build(compose_train("callbacks=none", "logger=none", "trainer.max_steps=2", *kept))
        first = {name: value.clone() for name, value in model.state_dict().items()}
        trainer.fit(model, datamodule)
        runs.append((first, model.state_dict()))
    assert len(list((tmp_path / "cache").glob("*/about.json"))) == 2
    for begin, end in runs[1:]:
        assert [name for name in begin if not torch.equal(begin[name], runs[0][0][name])] == []
        assert [name for name in end if not torch.equal(end[name], runs[0][1][name])] == []
    assert any(not torch.equal(begin[name], end[name]) for name in begin)  # it was trained


def test_too_little_room_for_checkpoints_is_reported_before_the_first_batch(compose_train, monkeypatch, tmp_path):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("pix2pix_lit.checkpoints.saving.shutil.disk_usage", lambda _: usage._replace(free=2**20))
    with pytest.raises(UserError, match="has 1 MiB of free space; expected 3 MiB"):
        train(compose_train("trainer.max_epochs=1"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_warm_start_is_for_new_runs_alone(compose_train, tmp_path):
    train(compose_train("trainer.max_epochs=1"))
    weights = tmp_path / "first.ckpt"
    (tmp_path / "run/checkpoints/last.ckpt").rename(weights)
    for path in (tmp_path / "run").rglob("*.ckpt"):
        path.unlink()
    (tmp_path / "run/result.json").unlink()
    frozen = "model.generator_optimizer.lr=0.0"
    train(compose_train(f"warm_start={weights}", frozen, "trainer.max_epochs=1"))
    first, second = (read_checkpoint(path) for path in (weights, tmp_path / "run/checkpoints/last.ckpt"))
    names = [name for name in first["state_dict"] if name.startswith("generator.") and name.endswith("weight")]
    assert names
    assert all(torch.equal(first["state_dict"][name], second["state_dict"][name]) for name in names)
    assert second["global_step"] == 4

    missing = tmp_path / "is not looked at, since the run is resumed"
    train(compose_train(f"warm_start='{missing}'", frozen, "trainer.max_epochs=2"))
    assert read_checkpoint(tmp_path / "run/checkpoints/last.ckpt")["global_step"] == 8


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "steps"), [("1", 3), ("0.5", 6)])
def test_overfitting_trains_on_the_same_few_pairs_in_every_epoch(compose_train, monkeypatch, limit, steps):
    seen = []
    monkeypatch.setattr(
        SampleGrid, "on_train_batch_end", lambda self, *arguments: seen.append(arguments[3]["name"]), raising=False
    )
    train(compose_train(f"+trainer.overfit_batches={limit}", "trainer.max_epochs=3"))
    assert len(seen) == steps
    assert len({name for names in seen for name in names}) == 2 * steps // 3


@pytest.mark.parametrize("time", [1, 2, 3])  # of the sanity check, of training, of validation
def test_a_signal_while_a_loader_starts_is_not_mistaken_for_a_defect(compose_train, monkeypatch, time):
    start, times = CombinedLoader.__iter__, itertools.count(1)

    def stopped(loader):
        if next(times) == time:
            raise RunStopped(signal.SIGINT, together=False)
        return start(loader)

    monkeypatch.setattr(CombinedLoader, "__iter__", stopped)
    with pytest.raises(RunStopped):
        train(compose_train("trainer.max_epochs=1", "data.num_workers=1"))
    assert next(times) == time + 1
