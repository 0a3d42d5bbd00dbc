"""Two processes on the CPU compute what one does."""

from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name("ddp_run.py")


@pytest.fixture
def run(tmp_path, run_python):
    """Train in this many processes; returns the final state of each rank."""

    def run_devices(name, devices, *overrides):
        folder = tmp_path / name
        folder.mkdir()
        run_python(folder, str(SCRIPT), str(folder), f"devices={devices}", *overrides)
        return [torch.load(folder / f"rank{rank}.pt") for rank in range(devices)]

    return run_devices


@pytest.mark.parametrize(
    ("norm", "options"),
    [("none", []), ("instance", ["model.micro_batches=2"]), ("batch", ["model.sync_batch_norm=true"])],
)
def test_two_processes_equal_one_with_the_combined_batch(run, tiny_overrides, norm, options):
    overrides = [
        *tiny_overrides,
        f"model.generator.norm={norm}",
        f"model.discriminator.norm={norm}",
        "model.generator.dropout=0",  # every process draws its own
        "data.source.val_length=5",
        "data.val_batch_size=2",
    ]
    (alone,) = run("one", 1, *overrides, "data.batch_size=4")
    first, second = run("two", 2, *overrides, "data.batch_size=2", *options)

    assert alone["global_step"] == first["global_step"] == second["global_step"] == 4
    for name, value in alone["weights"].items():
        torch.testing.assert_close(first["weights"][name], value, atol=1e-5, rtol=0, msg=name)
        assert torch.equal(first["weights"][name], second["weights"][name]), name

    # Validation: 3 + 2 pairs, each once, and the mean over all five on both ranks.
    assert sorted(first["names"][-3:] + second["names"][-2:]) == alone["names"][-5:]
    assert (len(first["names"]), len(second["names"])) == (2 * 3, 2 * 2)
    for name in ("val/l1", "val/psnr", "val/ssim"):
        torch.testing.assert_close(first["metrics"][name], alone["metrics"][name], atol=1e-4, rtol=1e-4)
        assert torch.equal(first["metrics"][name], second["metrics"][name])


def test_batch_norm_statistics_agree_across_processes_and_dropout_does_not(run, tiny_overrides):
    first, second = run("two", 2, *tiny_overrides, "data.batch_size=2")
    assert first["statistics"].keys() == second["statistics"].keys()
    assert any("generator" in name for name in first["statistics"])
    for name, value in first["statistics"].items():
        assert torch.equal(second["statistics"][name], value), name
    for name, value in first["weights"].items():  # after a checkpoint was written
        assert torch.equal(second["weights"][name], value), name
    assert not torch.equal(first["dropout_draws"], second["dropout_draws"])
