"""Stop two processes at random moments of their start, and check that all of them end soon.

Usage: python benchmarks/start_kill_test.py train|predict [--trials 20] [--seconds 30] [--seed 0] [OVERRIDE...]

Every trial starts the command with two devices on the CPU and, after a random time, sends one of: SIGINT to all of its
processes, like Ctrl-C in a terminal; SIGINT twice; SIGTERM to the first one, like ``kill``; SIGTERM to all; SIGKILL to
the second one, or to the first one if there is no second yet. Exit status 1 if a command takes longer than 15 seconds
to end, ends with an unexpected exit status, prints a stack trace, or leaves a process behind. ``predict`` needs
``ckpt=`` and ``input=``.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HANG_SECONDS = 15
TRAIN = (
    "trainer=cpu",
    "trainer.devices=2",
    "trainer.max_epochs=200",
    "model=unet128",
    "model.generator.width=4",
    "model.generator.depth=5",
    "model.discriminator.width=4",
    "model.discriminator.layers=1",
    "data.load_size=36",
    "data.crop_size=32",
    "data.source.train_length=40",
    "data.source.val_length=4",
    "data.num_workers=1",
    "callbacks.progress_bar=null",
)
PREDICT = ("device=cpu", "devices=2", "existing=overwrite", "output=out")
KINDS = ("SIGINT to all", "SIGINT twice to all", "SIGTERM to the first", "SIGTERM to all", "SIGKILL of one")
STATUS = {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": 1}


def group(leader: int) -> dict[int, int]:
    """The running processes of a session, and the parent of each."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(session) == leader and state != "Z":
            found[int(path.parent.name)] = int(parent)
    return found


def second_rank(leader: int) -> int | None:
    """The process for the second device, if the first one has started it."""
    for pid, parent in group(leader).items():
        try:
            is_rank = b"LOCAL_RANK=1\0" in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if parent == leader and is_rank:
            return pid
    return None


def trial(command: list[str], folder: Path, kind: str, after: float) -> list[str]:
    """Stop one start; prints a line and returns what went wrong."""
    with open(folder / "log", "w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        begin = time.monotonic()
        while time.monotonic() < begin + after and process.poll() is None:
            time.sleep(0.02)
        name, expected = kind.split()[0], STATUS[kind.split()[0]]
        number = signal.Signals[name]
        second = second_rank(process.pid)
        stopped = time.monotonic()
        if process.poll() is None:
            if kind == "SIGKILL of one":
                os.kill(second or process.pid, number)
                expected = 1 if second else 137
            elif kind == "SIGTERM to the first":
                process.send_signal(number)
            else:
                os.killpg(process.pid, number)
            if "twice" in kind:
                time.sleep(0.3)
                if process.poll() is None:
                    os.killpg(process.pid, number)
        wrong = []
        try:
            status = process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            wrong.append("hangs")
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        status = 128 - status if status < 0 else status  # the exit status of a shell
        while group(process.pid) and time.monotonic() < stopped + HANG_SECONDS:
            time.sleep(0.02)
        took = time.monotonic() - stopped
        if left := group(process.pid):
            wrong.append(f"leaves {len(left)} processes")
            os.killpg(process.pid, signal.SIGKILL)
        log.seek(0)
        printed = log.read()
    if status != expected:
        wrong.append(f"exit status {status} instead of {expected}")
    if "Traceback" in printed or "gloo/" in printed:
        wrong.append("prints a trace")
    had = "two processes" if second else "one process"
    print(f"{kind} after {after:.1f} s, {had}: {status} in {took:.1f} s. {', '.join(wrong)}", flush=True)
    if wrong:
        print("    " + "\n    ".join(printed.splitlines()[-30:]), flush=True)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("train", "predict"))
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30, help="the last moment at which a start is stopped")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments, overrides = parser.parse_known_args()
    own = TRAIN if arguments.command == "train" else PREDICT
    command = [sys.executable, "-m", f"pix2pix_lit.{arguments.command}", *own, *overrides]
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # else ignored, as this is if a shell has it in the background
    draw = random.Random(arguments.seed)
    bad = 0
    for number in range(arguments.trials):
        with tempfile.TemporaryDirectory(prefix="start-kill-test-") as folder:
            kind = KINDS[number % len(KINDS)]
            bad += bool(trial(command, Path(folder), kind, draw.uniform(0, arguments.seconds)))
    print(f"{arguments.trials} starts of {arguments.command} stopped: {bad} went wrong")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
