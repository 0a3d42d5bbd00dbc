"""The private names of Hydra that this package uses."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser as argument_parser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig

__all__ = ["apply_overrides", "argument_parser", "known_mode"]


def apply_overrides(config: DictConfig, overrides: Sequence[Override]) -> None:
    """Change keys of a composed config as Hydra would; raises Hydra's errors."""
    ConfigLoaderImpl._apply_overrides_to_config([*overrides], config)


@contextmanager
def known_mode(mode: RunMode | None) -> Iterator[None]:
    """A context in which Hydra need not compose a config to learn the mode that its command line chooses."""
    former = Hydra.get_mode
    Hydra.get_mode = lambda *_, **__: mode  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = former  # type: ignore[method-assign]
