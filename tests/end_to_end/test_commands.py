"""The commands as a user types them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pix2pix_lit.images.files import read_image, write_image


@pytest.fixture(scope="module")
def command(run_python):
    """Run ``python -m pix2pix_lit.<module>`` in a folder; returns everything it printed."""

    def run_module(folder, module, *arguments, succeeds=True):
        return run_python(folder, "-m", f"pix2pix_lit.{module}", *arguments, succeeds=succeeds)

    return run_module


def scalars(run):
    events = EventAccumulator(str(run))
    events.Reload()
    return events


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_overrides, command):
    """A folder in which a small run of three epochs was made, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    printed = command(
        folder, "train", *tiny_overrides, "name=tiny", "trainer.max_epochs=3", "trainer.log_every_n_steps=2"
    )
    (run,) = (folder / "outputs" / "tiny").iterdir()
    return folder, run, printed


def test_last_line_says_where_everything_is(trained):
    _, run, printed = trained
    assert printed.splitlines()[-1].endswith(f"Everything about this run is in {run}")


def test_run_folder_holds_config_checkpoints_events_and_samples(trained):
    _, run, _ = trained
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert {"config/config.yaml", "checkpoints/best.ckpt", "checkpoints/last.ckpt", "train.log"} <= files
    assert {f"samples/step_{step:07d}.png" for step in (4, 8, 12)} <= files
    assert not any("=" in name for name in files)


def test_tensorboard_events_hold_losses_rates_speed_metrics_samples_and_hparams(trained):
    _, run, _ = trained
    events = scalars(run)
    names = events.Tags()
    assert set(names["scalars"]) >= {
        "loss/D_real",
        "loss/D_fake",
        "loss/G_adversarial",
        "loss/G_reconstruction",
        "learning_rate/generator",
        "learning_rate/discriminator",
        "speed/images_per_second",
        "val/l1",
        "val/psnr",
        "val/ssim",
    }
    assert [event.step for event in events.Images("samples")] == [4, 8, 12]
    assert [event.step for event in events.Scalars("val/l1")] == [3, 7, 11]  # the steps count from 0
    hparams = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"model.generator.width" in hparams
    assert b"data.batch_size" in hparams


def test_sample_grids_show_the_same_inputs_and_targets_every_time(trained):
    _, run, _ = trained
    first, last = (read_image(run / "samples" / f"step_{step:07d}.png") for step in (4, 12))
    changed = (first != last)[28:].any(axis=(0, 2)).nonzero()[0]  # columns of pixels, below the heading with the step
    third = first.shape[1] / 3
    assert third - 4 <= changed.min()
    assert changed.max() <= 2 * third + 4


def test_predict_needs_only_the_path_and_keeps_names_and_sizes(trained, tmp_path, command):
    _, run, _ = trained
    rng = np.random.default_rng(0)
    sizes = {"a (1).png": (32, 32), "sub/b=2,x.bmp": (45, 70), "sub/c[3].png": (7, 20), "ü.webp": (32, 32)}
    for name, (height, width) in sizes.items():
        write_image(tmp_path / "in" / name, rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    command(tmp_path, "predict", f"ckpt={run}/checkpoints/last.ckpt", "input=in", "output=out", "grids=true")
    assert {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()} == {
        *sizes,
        "grids/grid_0001.png",
        ".predict.json",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}  # no empty log file either
    for name, size in sizes.items():
        assert read_image(tmp_path / "out" / name).shape == (*size, 3)

    # One file alone gives the very same picture as among the others.
    command(tmp_path, "predict", f"ckpt={run}/checkpoints/last.ckpt", "input=in/a (1).png", "output=alone")
    alone, among = (read_image(tmp_path / folder / "a (1).png").astype(int) for folder in ("alone", "out"))
    assert abs(alone - among).max() <= 1


def test_predict_reports_broken_files_at_the_end_and_translates_the_rest(trained, tmp_path, command):
    _, run, _ = trained
    write_image(tmp_path / "in" / "good.png", np.zeros((32, 32, 3), np.uint8))
    (tmp_path / "in" / "empty.png").write_bytes(b"")
    whole = (tmp_path / "in" / "good.png").read_bytes()
    (tmp_path / "in" / "torn.png").write_bytes(whole[:-40])
    printed = command(
        tmp_path, "predict", f"ckpt={run}/checkpoints/best.ckpt", "input=in", "output=out", succeeds=False
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good.png", ".predict.json"}
    assert "error: 2 of 3 files were left out" in printed
    assert "empty.png" in printed.rpartition("error:")[2]
    assert "torn.png" in printed.rpartition("error:")[2]
    assert "Traceback" not in printed


def test_resumed_run_goes_on_where_the_checkpoint_was(trained, tiny_overrides, command):
    folder, run, _ = trained
    command(
        folder,
        "train",
        *tiny_overrides,
        "name=resumed",
        "trainer.max_epochs=4",
        f"ckpt_path={run}/checkpoints/last.ckpt",
    )
    (resumed,) = (folder / "outputs" / "resumed").iterdir()
    assert torch.load(resumed / "checkpoints" / "last.ckpt")["global_step"] == 16
    assert [event.step for event in scalars(resumed).Scalars("val/l1")] == [15]


def test_user_errors_are_one_message_without_a_trace(tmp_path, command):
    for arguments, expected in [
        (["data=aligned"], "error: data.root is not set"),
        (["data=cityscapes", "data.root=/nowhere"], "error: /nowhere does not exist"),
        (
            ["data=folders", "data.root=x", "data/pixels@data.source.b=ids"],
            "error: data.source.b.classes is not set; expected a value",
        ),
        (["model.generator.norm=group"], "error: model.generator.norm is 'group'; expected batch or instance or none"),
        (["ckpt_path=nowhere.ckpt", "model.generator.width=2"], "error: nowhere.ckpt does not exist"),
        (["data.batch_size=abc"], "error: data.batch_size is 'abc'; expected a whole number"),
        (["trainer.accelerator=abacus"], "abacus"),
        (["modle=unet256"], "did you mean model?"),
        (
            ["data/augmentation=color", "+data.augmentation.photometric.color.hew=1"],
            "'hew' are not valid for transform",
        ),
    ]:
        printed = command(tmp_path, "train", *arguments, succeeds=False)
        assert expected in printed
        assert "Traceback" not in printed, printed


def test_sweep_in_two_processes_each_gives_every_job_its_own_folder_and_values(tmp_path, tiny_overrides, command):
    command(
        tmp_path,
        "train",
        "-m",
        *tiny_overrides,
        "name=sweep",
        "trainer.devices=2",
        "trainer.max_epochs=1",
        "model.reconstruction.weight=10,100",
    )
    (sweep,) = (tmp_path / "outputs" / "sweep").iterdir()
    jobs = sorted(path for path in sweep.iterdir() if path.is_dir())
    assert [job.name for job in jobs] == ["0", "1"]
    for job, weight in zip(jobs, (10, 100), strict=True):
        checkpoint = torch.load(job / "checkpoints" / "last.ckpt")
        assert checkpoint["hyper_parameters"]["reconstruction"]["weight"] == weight
        assert checkpoint["global_step"] == 2  # 8 pairs in two processes with 2 each
        assert len(list(job.glob("events.out.tfevents.*"))) == 1
        assert [path.name for path in job.glob("*.log")] == ["train.log"]


def test_a_failed_job_in_two_processes_does_not_end_the_sweep(tmp_path, tiny_overrides, command):
    sweep = ["-m", *tiny_overrides, "name=sweep", "trainer.devices=2", "trainer.max_epochs=1"]
    printed = command(tmp_path, "train", *sweep, "data.source.val_length=1,2", succeeds=False)
    assert "1 validation pairs are too few for 2 processes" in printed
    (folder,) = (tmp_path / "outputs" / "sweep").iterdir()
    assert not (folder / "0" / "checkpoints" / "last.ckpt").exists()
    assert (folder / "1" / "checkpoints" / "last.ckpt").exists()


def test_aligned_files_train_and_their_halves_are_predicted(tmp_path, tiny_overrides, command):
    rng = np.random.default_rng(0)
    overrides = [override for override in tiny_overrides if not override.startswith("data.source")]
    for split, count in (("train", 4), ("val", 2)):
        for i in range(count):
            pixels = rng.integers(0, 256, (40, 80, 3), dtype=np.uint8)
            write_image(tmp_path / "my pairs, v=2" / split / f"{i}.png", pixels)
    command(
        tmp_path, "train", "data=aligned", *overrides, "data.root=my pairs, v=2", "name=aligned", "trainer.max_epochs=1"
    )
    (run,) = (tmp_path / "outputs" / "aligned").iterdir()
    checkpoint = f"ckpt={run}/checkpoints/last.ckpt"
    command(tmp_path, "predict", checkpoint, "input=my pairs, v=2/val/*.png", "output=out", "half=left", "grids=true")
    assert Image.open(tmp_path / "out" / "0.png").size == (40, 40)
    grid = read_image(tmp_path / "out" / "grids" / "grid_0001.png")
    pair = read_image(tmp_path / "my pairs, v=2" / "val" / "0.png")
    assert Path(tmp_path / "out" / "1.png").is_file()
    top = 4 + 2 * 15  # below a name and captions
    assert (grid[top : top + 40, 4:44] == pair[:, :40]).all()
    assert (grid[top : top + 40, 92:132] == pair[:, 40:]).all()
