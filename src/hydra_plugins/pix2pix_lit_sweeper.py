"""Registers the sweeper of Optuna studies with Hydra. Hydra always imports this module, so Optuna is imported later."""

from typing import Any

from hydra.plugins.sweeper import Sweeper


class StudySweeper(Sweeper):
    """Runs the trials of an Optuna study; see ``pix2pix_lit.sweep.study.Study``."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def setup(self, **context: Any) -> None:
        from pix2pix_lit.errors import UserError
        from pix2pix_lit.runs.command import JobError
        from pix2pix_lit.sweep.study import Study

        try:
            self._study = Study(**self._settings, **context)
        except UserError as error:
            raise JobError(str(error)) from None

    def sweep(self, arguments: list[str]) -> None:
        self._study.sweep(arguments)
