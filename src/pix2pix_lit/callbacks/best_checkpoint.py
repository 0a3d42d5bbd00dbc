"""The best model of a run."""

from lightning.pytorch.callbacks import ModelCheckpoint

from pix2pix_lit.errors import UserError
from pix2pix_lit.metrics import BETTER


class BestCheckpoint(ModelCheckpoint):
    """Keeps the model with the best validation metric as ``best.ckpt``.

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
            dirpath=dirpath, filename="best", monitor=objective, mode=BETTER[name], enable_version_counter=False
        )
