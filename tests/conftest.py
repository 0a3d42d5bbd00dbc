"""What several tests share."""

import copy
import functools
import gc
import logging
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import absl.logging
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig, OmegaConf

from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.files.atomic_write import temporary_path
from pix2pix_lit.runs.command import CONFIG_DIR

from .exporting import Exported, shared_exports
from .fork_server import ForkServer

torch.set_num_threads(1)
gc.set_threshold(100_000, 50, 50)  # collections took an eighth of the time of tests that export graphs
# Nothing is downloaded, and weights that this machine happens to have change nothing.
os.environ |= {
    "TORCH_HOME": "/dev/null/torch",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
}
# Hydra closes all log handlers. This one, of a library of TensorBoard's, closes its stream, which would be pytest's.
absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__

TINY = (
    "model=unet128",
    "model.generator.width=4",
    "model.generator.depth=5",
    "model.discriminator.width=4",
    "model.discriminator.layers=1",
    "data.load_size=36",
    "data.crop_size=32",
    "data.source.train_length=8",
    "data.source.val_length=2",
    "data.batch_size=2",
    "data.num_workers=0",
)
"""Overrides with which a run of the default data takes about a second."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: pytest-xdist gives its processes one file after the other."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Let every test start from the same state: commands and libraries change what the process shares."""
    root = logging.getLogger()
    loggers = [root, *(logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger))]
    logging_before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    disabled, record_factory = root.manager.disable, logging.getLogRecordFactory()
    environment, folder = dict(os.environ), os.getcwd()
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    try:
        return (yield)
    finally:
        for logger, handlers, level, propagate in logging_before:
            logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate
        root.setLevel(root.level)  # which forgets what loggers have cached
        logging.disable(disabled)
        logging.setLogRecordFactory(record_factory)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        os.chdir(folder)
        for number, handler in signals.items():
            if handler is not None:  # one that was not installed by Python
                signal.signal(number, handler)
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def tiny_overrides() -> tuple[str, ...]:
    """``TINY``, for commands in processes of their own."""
    return TINY


@functools.cache
def _composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        return compose("train", [*TINY, *overrides])


def _is_value(override: str) -> bool:
    """Whether an override sets a key that exists, and neither chooses an option nor is Hydra's own."""
    key = override.partition("=")[0]
    return key[0] not in "+~" and not key.startswith("hydra") and not Path(CONFIG_DIR, key).is_dir()


@pytest.fixture
def compose_train(tmp_path: Path, _streets_drawn_once: None) -> Callable[..., DictConfig]:
    """Compose ``configs/train.yaml`` with ``TINY`` and more overrides, once for every set of options."""

    def compose_config(*overrides: str) -> DictConfig:
        values = [word for word in overrides if _is_value(word)]
        config = copy.deepcopy(_composed(*(word for word in overrides if word not in values)))
        for override in OverridesParser.create().parse_overrides(values):
            OmegaConf.update(config, override.key_or_group, override.value())  # what Hydra does after composing
        config.output_dir = f"{tmp_path}/run"
        return config

    return compose_config


_draw = StreetsSource._draw


@functools.cache
def _drawn(split: str, height: int, width: int, seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    lengths = {f"{split}_length": index + 1}
    return _draw(StreetsSource(split=split, size=(height, width), seed=seed, **lengths), index)


@pytest.fixture
def _streets_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw each street scene once in a process, and copy it for those that want it again."""

    def draw(source: StreetsSource, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < len(source):
            return _draw(source, index)
        photo, labels = _drawn(source.split, source.height, source.width, source.seed, index)
        return photo.copy(), labels.copy()

    monkeypatch.setattr(StreetsSource, "_draw", draw)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Exported]:
    """Export a generator, once for every set of arguments in a session; see ``shared_exports``."""
    base = tmp_path_factory.getbasetemp()
    # The processes of pytest-xdist have folders of their own, within one that they share.
    return shared_exports((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exports")


class SaveAt(Callback):
    """Writes a checkpoint after that many batches."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


@pytest.fixture(scope="session")
def save_at() -> type[SaveAt]:
    """``SaveAt``, for runs that are resumed."""
    return SaveAt


def _left_by_a_killed_process(folder: Path, *, is_folder: bool = False) -> Path:
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        path = temporary_path(folder)
        path.mkdir() if is_folder else path.write_bytes(b"half")
        os.write(sending, os.fsencode(path))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(sending)
    with open(receiving, "rb") as file:
        return Path(os.fsdecode(file.read()))


@pytest.fixture(scope="session")
def left_by_a_killed_process() -> Callable[..., Path]:
    """Kill a process that has begun a temporary file or folder in a folder; returns its path."""
    return _left_by_a_killed_process


@pytest.fixture(scope="session")
def start_python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``python ARGUMENTS`` in a folder, in a session of its own; returns the process.

    On Linux it is forked from one that has imported torch, Lightning and the package, which saves seconds for each;
    with ``fresh=True`` it is a new one, for tests of what is imported.
    """
    server = ForkServer()

    def start(folder: Path, *arguments: str, fresh: bool = False, **options: Any) -> subprocess.Popen[str]:
        environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"} | options.pop("env", {})
        options = {"cwd": folder, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | options
        if fresh or sys.platform != "linux" or arguments[0] == "-I":
            return subprocess.Popen([sys.executable, *arguments], text=True, start_new_session=True, **options)
        return server.popen(arguments, start_new_session=True, **options)

    yield start
    server.close()


@pytest.fixture(scope="session")
def run_python(start_python: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """Run Python with these arguments in a folder, and check whether it succeeds; returns all that it printed."""

    def run(folder: Path, *arguments: str, succeeds: bool = True, fresh: bool = False) -> str:
        process = start_python(folder, *arguments, fresh=fresh)
        try:
            output, _ = process.communicate(timeout=180)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with the ranks and workers that it started
        assert (process.returncode == 0) == succeeds, output
        return output

    return run
