"""The checkpoint of the best validation."""

import shutil
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from pix2pix_lit.checks import FilePath, Word
from pix2pix_lit.errors import UserError
from pix2pix_lit.files.atomic_write import atomic_write
from pix2pix_lit.metrics import OBJECTIVES


class BestCheckpoint(ModelCheckpoint):
    """Keeps the model with the best validation metric as ``best.ckpt``.

    A run resumed from a checkpoint in another folder gets a copy of the best one so far, so its best checkpoint is the
    best of all epochs.

    Args:
        dirpath: the folder for it.
        objective: one of ``metrics.OBJECTIVES``, which define whether lower or higher is better.

    Raises:
        UserError: for another objective.
    """

    def __init__(self, dirpath: FilePath, objective: Word) -> None:
        if objective not in OBJECTIVES:
            raise UserError(f"objective is {objective!r}; expected one of {', '.join(OBJECTIVES)}")
        super().__init__(
            dirpath=dirpath,
            filename="best",
            monitor=objective,
            mode=OBJECTIVES[objective],
            enable_version_counter=False,
            save_on_train_epoch_end=False,  # after the validation instead, with its metrics
        )

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Copy the best checkpoint so far, the file beside the one that the run resumes from, to this run's folder.

        Paths in the state are not trusted, since their files would be removed when a better model is found.

        Raises:
            UserError: if the state has no score that is a finite number.
        """
        state = checkpoint["callbacks"].pop(self.state_key, None)
        if not state or not state.get("best_model_path"):
            return
        score = state.get("best_model_score")
        if not isinstance(score, Tensor) or score.numel() != 1 or not score.isfinite().all():
            raise UserError(
                f"the score of the best model in {trainer.ckpt_path} is not a finite number; expected a checkpoint "
                f"written by pix2pix-lit during training: get another copy"
            )
        own = Path(self.dirpath or "", "best.ckpt")
        former = Path(trainer.ckpt_path or "").parent / "best.ckpt"
        if not former.is_file():
            return  # a score without its model
        if trainer.is_global_zero and not (own.exists() and former.samefile(own)):
            own.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(own) as temporary:
                shutil.copyfile(former, temporary)
        checkpoint["callbacks"][self.state_key] = self.state_dict() | {
            "best_model_score": score,
            "kth_value": score,
            "dirpath": self.dirpath,
            "best_model_path": str(own),
            "best_k_models": {str(own): score},
            "kth_best_model_path": str(own),
        }
