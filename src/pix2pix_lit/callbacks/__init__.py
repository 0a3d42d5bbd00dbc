"""What is watched while training."""

from pix2pix_lit.callbacks.best_checkpoint import BestCheckpoint
from pix2pix_lit.callbacks.sample_grid import SampleGrid
from pix2pix_lit.callbacks.save_on_interrupt import SaveOnInterrupt
from pix2pix_lit.callbacks.step_seed import StepSeed
from pix2pix_lit.callbacks.tensorboard_hparams import TensorBoardHParams
from pix2pix_lit.callbacks.throughput import Throughput

__all__ = ["BestCheckpoint", "SampleGrid", "SaveOnInterrupt", "StepSeed", "TensorBoardHParams", "Throughput"]
