"""Where Hydra looks for sweepers; it is read at every start, so that all else is imported only when it sweeps."""

from typing import Any

from hydra.plugins.sweeper import Sweeper


class StudySweeper(Sweeper):
    """Runs the trials of an Optuna study; see ``pix2pix_lit.sweep.study.Study``."""

    def __init__(self, **settings: Any) -> None:
        from pix2pix_lit.sweep.study import Study

        self._study: Study = Study(**settings)

    def setup(self, **context: Any) -> None:
        self._study.setup(**context)

    def sweep(self, arguments: list[str]) -> None:
        self._study.sweep(arguments)
