"""predict.py and export as commands: killed, stopped, on several devices, among odd files."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_lit.image_type import RGB
from pix2pix_lit.images import write_image
from pix2pix_lit.networks import UNetGenerator

ENVIRONMENT = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "x.ckpt"
    torch.manual_seed(0)
    spec = {"width": 4, "depth": 3, "dropout_blocks": [0]}
    weights = {f"generator.{name}": value for name, value in UNetGenerator(**spec).state_dict().items()}
    stored = {"generator": {"_target_": "pix2pix_lit.networks.UNetGenerator", **spec}}
    stored |= {"input": RGB.as_dict(), "target": RGB.as_dict()}
    torch.save({"hyper_parameters": stored, "state_dict": weights}, path)
    return path


def write_inputs(folder: Path, count: int, sizes: list[tuple[int, int]]) -> None:
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 256, (*sizes[i % len(sizes)], 3), np.uint8)
        write_image(folder / f"{i % 3}" / f"{i:03d}.png", pixels)


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pix2pix_lit.predict", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the record of what they were made by."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".predict.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def finished(folder: Path) -> set[str]:
    """Names of the pictures that are there under their final names."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*.png") if not path.name.startswith(".")}


class Watcher(threading.Thread):
    """Opens every picture that has its final name, again and again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.is_over = threading.Event()
        self.seen = 0
        self.broken: list[str] = []

    def run(self) -> None:
        while not self.is_over.wait(0.005):
            for path in list(self.folder.rglob("*.png")):
                if path.name.startswith("."):
                    continue
                try:
                    with Image.open(path) as image:
                        image.load()
                    self.seen += 1
                except FileNotFoundError:
                    pass  # replaced in between
                except Exception as error:
                    self.broken.append(f"{path}: {error}")


def test_killed_again_and_again_it_makes_every_image_once_and_none_by_half(tmp_path, checkpoint, run_python):
    write_inputs(tmp_path / "in", 60, [(500, 700), (300, 400), (500, 700)])
    settings = [f"ckpt={checkpoint}", "input=in", "batch_size=2"]
    run_python(tmp_path, "-m", "pix2pix_lit.predict", *settings, "output=whole")
    watcher = Watcher(tmp_path / "out")
    watcher.start()
    rng = random.Random(0)
    done = []
    for _ in range(4):
        before = len(finished(tmp_path / "out"))
        process = start(tmp_path, *settings, "output=out")
        try:
            wanted = before + rng.randint(1, 8)
            deadline = time.monotonic() + 60
            while len(finished(tmp_path / "out")) < wanted and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.002)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        done.append(finished(tmp_path / "out"))
    times = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in done[-1]}
    assert 4 <= len(times) < 60
    assert all(earlier <= later for earlier, later in itertools.pairwise(done))
    printed = run_python(tmp_path, "-m", "pix2pix_lit.predict", *settings, "output=out")
    watcher.is_over.set()
    watcher.join()
    assert f"{len(times)} of 60 are in out already" in printed
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == stamp for name, stamp in times.items())
    assert watcher.seen > 60
    assert watcher.broken == []


def test_stopped_by_hand_it_ends_at_once_without_a_trace_and_can_go_on(tmp_path, checkpoint, run_python):
    write_inputs(tmp_path / "in", 300, [(500, 700)])
    settings = [f"ckpt={checkpoint}", "input=in", "output=out"]
    process = start(tmp_path, *settings)
    deadline = time.monotonic() + 60
    while not finished(tmp_path / "out") and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    try:
        printed, _ = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode not in (0, None)
    assert "Traceback" not in printed
    assert 0 < len(finished(tmp_path / "out")) < 300
    assert contents(tmp_path / "out").keys() == finished(tmp_path / "out")  # nothing half-written


def test_two_processes_lose_and_double_nothing(tmp_path, checkpoint, run_python):
    write_inputs(tmp_path / "in", 23, [(40, 56), (33, 47), (64, 8)])
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    settings = [f"ckpt={checkpoint}", "input=in", "device=cpu", "batch_size=3", "gallery=true"]
    one = run_python(tmp_path, "-m", "pix2pix_lit.predict", *settings, "output=one", succeeds=False)
    two = run_python(tmp_path, "-m", "pix2pix_lit.predict", *settings, "output=two", "devices=2", succeeds=False)
    for printed in (one, two):
        assert printed.count("broken.png cannot be read") == 1
        assert printed.count("23 of 24 images translated") == 1
        assert "Traceback" not in printed
    ours, theirs = (
        {name: content for name, content in contents(tmp_path / folder).items() if name.endswith(".png")}
        for folder in ("one", "two")
    )
    assert len(ours) == 23
    assert ours.keys() == theirs.keys()
    for name in ours:
        pictures = [np.asarray(Image.open(tmp_path / folder / name)).astype(int) for folder in ("one", "two")]
        assert np.abs(pictures[0] - pictures[1]).max() <= 1  # other batches round otherwise
    page = (tmp_path / "two/gallery/index.html").read_text()
    entries = json.loads(page.partition('id="entries">')[2].partition("</script>")[0])["entries"]
    assert len(entries) == 23
    assert {path.name for path in tmp_path.iterdir()} == {"in", "one", "two"}


def test_paths_on_the_standard_input_reach_both_processes(tmp_path, checkpoint):
    write_inputs(tmp_path / "in", 5, [(40, 56)])
    paths = "\n".join(str(path) for path in sorted((tmp_path / "in").rglob("*.png")))
    printed = subprocess.run(
        [
            *(sys.executable, "-m", "pix2pix_lit.predict", f"ckpt={checkpoint}", "input=-", "output=out"),
            *("device=cpu", "devices=2", "naming={stem}_photo"),
        ],
        cwd=tmp_path,
        env=ENVIRONMENT,
        input=paths,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert "5 of 5 images translated" in printed
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.png")) == [f"{i:03d}_photo.png" for i in range(5)]


def test_a_video_among_images_becomes_a_video(tmp_path, checkpoint, run_python):
    av = pytest.importorskip("av")
    write_inputs(tmp_path / "in", 2, [(40, 56)])
    with av.open(str(tmp_path / "in/clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(11):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * i, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (tmp_path / "in/broken.mp4").write_bytes(b"no video")
    settings = [f"ckpt={checkpoint}", "input=in", "output=out", "gallery=true"]
    printed = run_python(tmp_path, "-m", "pix2pix_lit.predict", *settings, succeeds=False)
    assert "3 of 4 images translated" in printed
    assert "broken.mp4" in printed.rpartition("left out")[2]
    with av.open(str(tmp_path / "out/clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.width, stream.height) == (25, 64, 48)
        assert sum(1 for _ in container.decode(stream)) == 11
    assert not (tmp_path / "out/broken.mp4").exists()
    assert "../clip.mp4" in (tmp_path / "out/gallery/index.html").read_text()


def test_an_exported_file_is_predicted_with_as_its_checkpoint_is(tmp_path, checkpoint, run_python):
    write_inputs(tmp_path / "in", 3, [(40, 56)])
    run_python(
        tmp_path,
        *("-m", "pix2pix_lit.export", f"ckpt={checkpoint}", "format=safetensors", "output=a (1), b.safetensors"),
        *("rounds=0", "count=2", "license=CC BY 4.0, by me"),
    )
    assert json.loads((tmp_path / "a (1), b.safetensors.json").read_text())["license"] == "CC BY 4.0, by me"
    for ckpt, output in ((checkpoint, "one"), ("a (1), b.safetensors", "two")):
        run_python(tmp_path, "-m", "pix2pix_lit.predict", f"ckpt={ckpt}", "input=in", f"output={output}")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_a_user_mistypes_is_answered_in_a_line(tmp_path, checkpoint, run_python):
    write_inputs(tmp_path / "in", 1, [(40, 56)])
    for module, arguments, expected in [
        ("export", [f"ckpt={checkpoint}", "format=onyx"], "error: format is 'onyx'; expected one of onnx"),
        ("export", ["ckpt=nowhere.ckpt", "format=safetensors"], "error: nowhere.ckpt does not exist"),
        ("predict", ["ckpt=in", "input=in", "output=out"], "error: in is a folder"),
        (
            "predict",
            [f"ckpt={checkpoint}", "input=in", "output=out", "devices=0"],
            "error: devices is 0; expected a whole number",
        ),
        ("predict", [f"ckpt={checkpoint}", "input=in", "output=out", "precision=half"], "error: precision is 'half'"),
        ("predict", [f"ckpt={checkpoint}", "input=in", "output=in"], "would overwrite an input"),
        ("predict", [f"ckpt={checkpoint}", "input=in", "output=out", "overlapp=3"], "overlapp"),
    ]:
        printed = run_python(tmp_path, "-m", f"pix2pix_lit.{module}", *arguments, succeeds=False)
        assert expected in printed
        assert "Traceback" not in printed
