"""The best model of a run."""

import shutil
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

from pix2pix_lit.errors import UserError
from pix2pix_lit.metrics import BETTER
from pix2pix_lit.replacement import replacement_of


class BestCheckpoint(ModelCheckpoint):
    """Keeps the model with the best validation metric as ``best.ckpt``.

    A run that goes on from a checkpoint in another folder gets a copy of the best one so far, so that its best is that
    of all its epochs.

    Args:
        dirpath: the folder it goes to.
        objective: ``val/`` and a name in ``metrics.BETTER``, which knows whether lower or higher is better.

    Raises:
        UserError: for another objective.
    """

    def __init__(self, dirpath: str, objective: str) -> None:
        name = objective.removeprefix("val/")
        if f"val/{name}" != objective or name not in BETTER:
            known = ", ".join(f"val/{name}" for name in BETTER)
            raise UserError(f"objective is {objective!r}; expected one of {known}")
        super().__init__(
            dirpath=dirpath,
            filename="best",
            monitor=objective,
            mode=BETTER[name],
            enable_version_counter=False,
            save_on_train_epoch_end=False,  # but after the validation: a run that goes on from there has no metrics yet
        )

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Make the best one so far this folder's own."""
        state = checkpoint["callbacks"].get(self.state_key)
        if not state or not state["best_model_path"]:
            return
        own = Path(self.dirpath or "", "best.ckpt")
        # Beside the checkpoint that the run goes on from, in case that the folder was moved.
        places = [Path(trainer.ckpt_path or "").parent / "best.ckpt", Path(state["best_model_path"])]
        former = next((path for path in places if path.is_file()), None)
        if former is None:
            del checkpoint["callbacks"][self.state_key]  # a score without its model
            return
        if trainer.is_global_zero and not (own.exists() and former.samefile(own)):
            own.parent.mkdir(parents=True, exist_ok=True)
            with replacement_of(own) as temporary:
                shutil.copyfile(former, temporary)
        score = state["best_model_score"]
        state |= {
            "dirpath": self.dirpath,
            "best_model_path": str(own),
            "best_k_models": {str(own): score},
            "kth_best_model_path": str(own),
        }
