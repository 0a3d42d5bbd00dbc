"""Callbacks of training: checkpoints, stopping, sample grids, progress, checks for NaN, speed."""

from pix2pix_lit.callbacks.best_checkpoint import BestCheckpoint
from pix2pix_lit.callbacks.graceful_stop import GracefulStop
from pix2pix_lit.callbacks.last_checkpoint import LastCheckpoint
from pix2pix_lit.callbacks.progress_bar import RunProgressBar
from pix2pix_lit.callbacks.prune_trial import PruneTrial
from pix2pix_lit.callbacks.sample_grid import SampleGrid
from pix2pix_lit.callbacks.step_seed import StepSeed
from pix2pix_lit.callbacks.tensorboard_hparams import TensorBoardHParams
from pix2pix_lit.callbacks.terminate_on_nan import TerminateOnNaN
from pix2pix_lit.callbacks.throughput import Throughput

__all__ = [
    "BestCheckpoint",
    "GracefulStop",
    "LastCheckpoint",
    "PruneTrial",
    "RunProgressBar",
    "SampleGrid",
    "StepSeed",
    "TensorBoardHParams",
    "TerminateOnNaN",
    "Throughput",
]
