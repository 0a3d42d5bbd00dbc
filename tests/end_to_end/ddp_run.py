"""Trains and saves the final state of each rank; test_ddp.py runs it.

Usage: python ddp_run.py FOLDER devices=NUMBER OVERRIDE...
"""

import sys
from pathlib import Path

import lightning as L
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback

from pix2pix_lit.callbacks import StepSeed
from pix2pix_lit.runs.command import CONFIG_DIR


class Watch(Callback):
    """Records the validation pairs of this rank, and the running statistics at that time."""

    def __init__(self):
        self.names = []
        self.statistics = {}
        self.dropout_draws = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.dropout_draws.append(torch.rand(4))

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.names += batch["name"]
        buffers = dict(pl_module.named_buffers())
        self.statistics = {name: value.clone() for name, value in buffers.items() if "running" in name}


def run(folder: Path, devices: int, overrides: list[str]) -> None:
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose("train", [*overrides, f"output_dir={folder}"])
    L.seed_everything(config.seed, verbose=False)
    model = instantiate(config.model, _recursive_=False, _convert_="all")
    watch = Watch()
    trainer = L.Trainer(
        accelerator="cpu",
        devices=devices,
        max_epochs=2,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[StepSeed(seed=0), watch],
    )
    trainer.fit(model, instantiate(config.data, _convert_="all"))
    trainer.save_checkpoint(folder / "last.ckpt")
    result = {
        "weights": model.state_dict(),
        "statistics": watch.statistics,
        "names": watch.names,
        "dropout_draws": torch.stack(watch.dropout_draws),
        "metrics": dict(trainer.callback_metrics),
        "global_step": trainer.global_step,
    }
    torch.save(result, folder / f"rank{trainer.global_rank}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]), int(sys.argv[2].removeprefix("devices=")), sys.argv[3:])
