"""Kill a training repeatedly at random moments, and compare its result with an uninterrupted run.

Usage: python benchmarks/kill_test.py [--kills 50] [--seed 0] [--folder FOLDER] [--cache] [OVERRIDE...]

Every kill is a ``kill -9`` of all processes of the run at once, like a power failure, while the run starts, trains,
validates or writes a checkpoint. The same command then starts it again. Weights, optimizers, the best checkpoint and
the metrics must be bit-equal in the end, and no temporary file may be left. With --cache, the killed run has
data.cache=disk, and its cache is deleted before half of its starts, to include kills while the cache is written; the
uninterrupted run has no cache. Exit status 1 if anything differs or is left.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

# Imports that every run needs, loaded once: runs then start within a second.
import pix2pix_lit.callbacks
import pix2pix_lit.data.datamodule
import pix2pix_lit.training.module  # noqa: F401
from pix2pix_lit.checkpoints.loading import read_checkpoint
from pix2pix_lit.errors import UserError
from pix2pix_lit.train import main as train

OVERRIDES = (
    "model=unet128",
    "model.generator.width=4",
    "model.generator.depth=5",
    "model.discriminator.width=4",
    "model.discriminator.layers=1",
    "model.ema_decay=0.9",
    "model.pool_size=4",
    "data.load_size=36",
    "data.crop_size=32",
    "data.source.train_length=40",
    "data.source.val_length=6",
    "data.batch_size=2",
    "data.val_batch_size=2",
    "data.num_workers=2",
    "callbacks.last.every_n_steps=3",
    "callbacks.samples.count=1",
    "callbacks.progress_bar=null",
    "trainer.enable_model_summary=false",
)
KILLS_PER_EPOCH = 2  # an epoch writes 7 checkpoints, and each start advances by about two of them


def start(run: Path, overrides: list[str]) -> int:
    """Start or resume a run in its own process group; returns its id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        with open(f"{run}.log", "a") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        sys.argv = ["train.py", *OVERRIDES, *overrides, f"hydra.run.dir={run}"]
        status = 1
        try:
            train()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code, flush=True)
        finally:
            os._exit(status)
    return pid


def finish(pid: int) -> None:
    """Wait for a run to finish."""
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise SystemExit(f"a run failed with exit status {os.waitstatus_to_exitcode(status)}; see its .log")


def kill_somewhere(pid: int, last: Path, draw: random.Random, seconds: float) -> bool:
    """Kill a run after none, one or two more checkpoints and a random time; False if it has ended by then.

    Args:
        pid: of the run.
        last: the checkpoint file that it keeps replacing.
        draw: source of random numbers.
        seconds: approximate time that a run takes to start.
    """
    wanted = draw.choice((0, 0, 1, 1, 1, 2, 2, 3))
    until = time.monotonic() + (draw.uniform(0, seconds) if wanted == 0 else 1e9)
    written, pause = _written(last), 0.002
    while time.monotonic() < until:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        if wanted and _written(last) != written:
            written, wanted = _written(last), wanted - 1
            if not wanted:
                until = time.monotonic() + draw.uniform(0, 0.3)  # some batches
        time.sleep(pause)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def outcome(run: Path) -> dict[str, Any]:
    """All values that must be equal in the end."""
    last, best = (read_checkpoint(run / "checkpoints" / f"{name}.ckpt") for name in ("last", "best"))
    scores = [state["best_model_score"] for key, state in last["callbacks"].items() if "BestCheckpoint" in key]
    result = json.loads((run / "result.json").read_text())
    return {
        "weights": last["state_dict"],
        "optimizers": last["optimizer_states"],
        "image pools": last["processes"],
        "best score": scores,
        "best weights": best["state_dict"],
        "best step": best["global_step"],
        "result": {key: result[key] for key in ("status", "value", "best", "metrics", "steps", "epochs")},
        "pictures": sorted(path.name for path in (run / "samples").iterdir()),
    }


def differences(one: Any, other: Any, name: str = "") -> list[str]:
    """Names of the leaves in which two nested values are not bit-equal."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [found for key in one for found in differences(one[key], other[key], f"{name}/{key}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for index, (a, b) in pairs for found in differences(a, b, f"{name}/{index}")]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if torch.equal(one, other) else [name]
    return [] if one == other else [f"{name}: {one} and {other}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, help="where the runs are kept; a temporary one if left out")
    parser.add_argument("--cache", action="store_true", help="kill while data.cache=disk makes its cache, too")
    arguments, overrides = parser.parse_known_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="kill-test-"))
    folder.mkdir(parents=True, exist_ok=True)
    overrides.append(f"trainer.max_epochs={max(4, arguments.kills // KILLS_PER_EPOCH)}")

    begin = time.monotonic()
    finish(start(folder / "in_peace", overrides))
    print(f"uninterrupted: {time.monotonic() - begin:.0f} s", flush=True)

    draw = random.Random(arguments.seed)
    killed = folder / "killed"
    last = killed / "checkpoints" / "last.ckpt"
    kills = broken = within_cache = 0
    cache = folder / "cache"
    if arguments.cache:
        overrides += ["data.cache=disk", f"data.cache_dir={cache}"]
    while kills < arguments.kills:
        if draw.random() < 0.5:
            shutil.rmtree(cache, ignore_errors=True)
        if not kill_somewhere(start(killed, overrides), last, draw, seconds=3):
            break
        kills += 1
        within_cache += any(cache.glob("*.tmp"))
        try:
            step = read_checkpoint(last)["global_step"] if last.exists() else 0
        except UserError:
            broken += 1
            step = -1
        print(f"kill {kills}: resumes from step {step}", flush=True)
    finish(start(killed, overrides))
    rests = [str(path) for place in (killed, cache) for path in place.rglob("*.tmp")]
    found = differences(outcome(folder / "in_peace"), outcome(killed))
    result = json.loads((killed / "result.json").read_text())
    print(
        f"{kills} kills over {result['steps']} steps and {result['epochs']} epochs in "
        f"{time.monotonic() - begin:.0f} s, {within_cache} of them while the cache was written: {broken} broken "
        f"checkpoints, {len(found)} differences, {len(rests)} leftover files"
    )
    if broken:
        raise SystemExit("broken checkpoints")
    if found or rests or kills < arguments.kills:
        raise SystemExit("\n".join([*found, *rests]) or "the run ended before all kills")


if __name__ == "__main__":
    main()
