"""predict.py and export as commands: killed, stopped, on several devices, among odd files."""

import itertools
import json
import os
import random
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_lit.checkpoints.reference_weights import to_reference
from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.inference import Translator
from pix2pix_lit.networks import UNetGenerator

from .conftest import is_group_alive

SECONDS = 120
"""After which a command counts as hanging."""


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
    """Noise; every tenth is the same, since writing that many takes its time."""
    for i in range(count):
        path = folder / f"{i % 3}" / f"{i:03d}.png"
        if i < 10 * len(sizes):
            pixels = np.random.default_rng(i).integers(0, 256, (*sizes[i % len(sizes)], 3), np.uint8)
            write_image(path, pixels)
        else:
            first = i % (10 * len(sizes))
            path.write_bytes((folder / f"{first % 3}" / f"{first:03d}.png").read_bytes())


@pytest.fixture
def started(tmp_path, start_python):
    """A command at work in ``tmp_path``; at the end it and all that it has started are killed."""

    @contextmanager
    def start(module, *arguments):
        process = start_python(tmp_path, "-m", f"pix2pix_lit.{module}", *arguments, stdin=subprocess.PIPE)
        try:
            yield process
        finally:
            if process.poll() is None or is_group_alive(process.pid):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    return start


@pytest.fixture
def run_together(started):
    """Exit status and output of commands that work at the same time."""

    def run(*commands: list[str]) -> list[tuple[int, str]]:
        with started(*commands[0]) as process:
            others = run(*commands[1:]) if commands[1:] else []
            printed, _ = process.communicate(timeout=SECONDS)
            return [(process.returncode, printed), *others]

    return run


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the record of what they were made by."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".predict.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def finished(folder: Path) -> set[str]:
    """Names of the pictures that are there under their final names."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*.png") if not path.name.startswith(".")}


def wait_for(pattern: str, folder: Path, process: subprocess.Popen[str], count: int = 1) -> None:
    """Until so many files are there."""
    deadline = time.monotonic() + SECONDS
    while sum(1 for _ in folder.rglob(pattern)) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Watcher(threading.Thread):
    """Opens every picture that has its final name, again whenever it is another file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.is_over = threading.Event()
        self.intact: set[tuple[Path, int, int, int]] = set()
        self.broken: list[str] = []

    def run(self) -> None:
        while not self.is_over.wait(0.005):
            for name in finished(self.folder):
                path = self.folder / name
                status = path.stat()
                version = path, status.st_ino, status.st_size, status.st_mtime_ns
                if version in self.intact:
                    continue
                try:
                    with Image.open(path) as image:
                        image.load()
                    self.intact.add(version)
                except Exception as error:
                    self.broken.append(f"{path}: {error}")


def test_killed_several_times_it_writes_every_image_once_and_none_incompletely(
    tmp_path, checkpoint, started, run_together
):
    write_inputs(tmp_path / "in", 40, [(400, 600), (200, 300)])
    settings = ["predict", f"ckpt={checkpoint}", "input=in", "batch_size=2"]
    watcher = Watcher(tmp_path / "out")
    watcher.start()
    rng = random.Random(0)
    done = []
    for _ in range(3):
        before = len(finished(tmp_path / "out"))
        with started(*settings, "output=out") as process:
            wait_for("[!.]*.png", tmp_path / "out", process, before + rng.randint(1, 6))
            time.sleep(rng.uniform(0, 0.05))  # the time of some writes, to end in the middle of one
        assert process.returncode == -signal.SIGKILL
        done.append(finished(tmp_path / "out"))
    times = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in done[-1]}
    assert 3 <= len(times) < 40
    assert all(earlier < later for earlier, later in itertools.pairwise(done))
    (resumed, printed), (uninterrupted, _) = run_together(
        [*settings, "output=out"], [*settings, "output=uninterrupted"]
    )
    watcher.is_over.set()
    watcher.join()
    assert (resumed, uninterrupted) == (0, 0)
    assert f"{len(times)} of 40 are already in out" in printed
    assert f"{40 - len(times)} of {40 - len(times)} images translated" in printed
    assert len(finished(tmp_path / "uninterrupted")) == 40
    assert contents(tmp_path / "out") == contents(tmp_path / "uninterrupted")  # and so no temporary files
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == stamp for name, stamp in times.items())
    assert watcher.broken == []
    assert times.keys() <= {str(path.relative_to(tmp_path / "out")) for path, *_ in watcher.intact}
    assert len(watcher.intact) <= 40  # each was written once


@pytest.mark.parametrize("devices", [1, 2])
def test_stopped_by_hand_it_ends_at_once_without_a_trace_and_can_be_resumed(
    tmp_path, checkpoint, devices, started, run_together
):
    write_inputs(tmp_path / "in", 120, [(600, 800)])
    settings = ["predict", f"ckpt={checkpoint}", "input=in", "output=out", "device=cpu"]
    with started(*settings, f"devices={devices}") as process:
        wait_for("[!.]*.png", tmp_path / "out", process)
        os.killpg(process.pid, signal.SIGINT)  # to all of them, as terminals do
        printed, _ = process.communicate(timeout=15)
        assert process.returncode == 130
        assert "Traceback" not in printed
        assert not is_group_alive(process.pid)
    done = finished(tmp_path / "out")
    assert 0 < len(done) < 120
    expected = f"Stopped by SIGINT: {len(done)} of 120 are translated, in out; the same command translates the others"
    assert printed.splitlines()[-1] == expected
    assert contents(tmp_path / "out").keys() == done  # nothing half-written
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    if devices == 2:  # what is left does not depend on how many there were
        left = finished(tmp_path / "in") - done
        for name in sorted(left)[3:]:
            (tmp_path / "in" / name).unlink()
        ((status, printed),) = run_together(settings)
        assert status == 0
        assert f"{len(done)} of {len(done) + 3} are already in out" in printed
        assert "3 of 3 images translated" in printed
        assert len(finished(tmp_path / "out")) == len(done) + 3


def test_two_processes_translate_every_file_of_a_folder_or_a_list_once(tmp_path, checkpoint, started):
    write_inputs(tmp_path / "in", 23, [(40, 56), (33, 47), (64, 8)])
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    settings = ["predict", f"ckpt={checkpoint}", "device=cpu", "batch_size=3", "num_workers=2", "gallery=true"]
    paths = sorted(str(path) for path in (tmp_path / "in").rglob("*.png"))
    runs = [("in", "one", 1), ("in", "two", 2), ("-", "piped", 2)]
    for input, output, devices in runs:
        with started(*settings, f"input={input}", f"output={output}", f"devices={devices}") as process:
            printed, _ = process.communicate("\n".join(paths), timeout=SECONDS)
        assert process.returncode == 1
        assert printed.count("broken.png cannot be read") == 1
        assert printed.count("23 of 24 images translated") == 1
        assert printed.count("The gallery is in") == 1
        assert "Traceback" not in printed
        page = (tmp_path / output / "gallery/index.html").read_text()
        entries = json.loads(page.partition('id="entries">')[2].partition("</script>")[0])["entries"]
        assert len(entries) == 23
    one, two, piped = (
        {name: content for name, content in contents(tmp_path / output).items() if name.endswith(".png")}
        for _, output, _ in runs
    )
    assert len(one) == 23
    assert one.keys() == two.keys()
    for name in one:
        pictures = [np.asarray(Image.open(tmp_path / output / name)).astype(int) for output in ("one", "two")]
        assert np.abs(pictures[0] - pictures[1]).max() <= 1  # other batches round otherwise
    assert two == piped
    assert {path.name for path in tmp_path.iterdir()} == {"in", "one", "two", "piped"}


def test_a_video_among_images_becomes_a_video_also_after_a_kill(tmp_path, checkpoint, started, run_together):
    av = pytest.importorskip("av")
    write_inputs(tmp_path / "in", 2, [(40, 56)])
    with av.open(str(tmp_path / "in/clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for i in range(250):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), i, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (tmp_path / "in/broken.mp4").write_bytes(b"no video")
    settings = ["predict", f"ckpt={checkpoint}", "input=in", "output=out", "gallery=true"]
    with started(*settings) as process:
        wait_for("[!.]*.png", tmp_path / "out", process, 2)
        wait_for(".pix2pix-lit.*.tmp", tmp_path / "out", process)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "out/clip.mp4").exists()
    assert list((tmp_path / "out").glob(".pix2pix-lit.*.tmp"))
    ((status, printed),) = run_together(settings)
    assert status == 1
    assert "2 of 4 are already in out" in printed
    assert "1 of 2 images translated" in printed
    assert "broken.mp4" in printed.rpartition("left out")[2]
    with av.open(str(tmp_path / "out/clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.width, stream.height) == (25, 160, 120)
        assert sum(1 for _ in container.decode(stream)) == 250
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".predict.json", "0", "1", "clip.mp4", "gallery"}
    assert "../clip.mp4" in (tmp_path / "out/gallery/index.html").read_text()


def test_exported_files_translate_like_their_checkpoints(tmp_path, checkpoint, run_together):
    write_inputs(tmp_path / "in", 1, [(40, 56)])
    spec = {"_target_": "pix2pix_lit.networks.UNetGenerator", "width": 4, "depth": 5}
    torch.save(to_reference(spec, UNetGenerator(width=4, depth=5).state_dict()), tmp_path / "latest_net_G.pth")
    pairs = [(str(checkpoint), "a (1), b.safetensors"), ("latest_net_G.pth", "b.ckpt")]
    formats = ["safetensors", "checkpoint"]
    settings = ["rounds=0", "count=2", "license=MIT, by me"]
    exported = run_together(
        *(
            ["export", f"ckpt={source}", f"format={format}", f"output={target}", *settings]
            for (source, target), format in zip(pairs, formats, strict=True)
        ),
    )
    assert [status for status, _ in exported] == [0, 0]
    assert json.loads((tmp_path / "a (1), b.safetensors.json").read_text())["license"] == "MIT, by me"
    predicted = run_together(
        *(["predict", f"ckpt={target}", "input=in", f"output={target}.out"] for _, target in pairs)
    )
    assert [status for status, _ in predicted] == [0, 0]
    image = read_image(tmp_path / "in/0/000.png")
    for source, target in pairs:
        expected = Translator.load(tmp_path / source)(image)
        np.testing.assert_array_equal(read_image(tmp_path / f"{target}.out/0/000.png"), expected)


def test_a_mistyped_value_is_answered_in_one_line(tmp_path, checkpoint, run_together):
    write_inputs(tmp_path / "in", 1, [(40, 56)])
    cases = [
        (
            ["export", f"ckpt={checkpoint}", "format=onyx"],
            "error: format is 'onyx'; expected one of aotinductor, checkpoint, onnx",
        ),
        (["predict", "ckpt=in", "input=in", "output=out"], "error: in is a folder"),
        (
            ["predict", f"ckpt={checkpoint}", "input=in", "output=out", "devices=0"],
            "error: devices is 0; expected a whole number",
        ),
        (["predict", f"ckpt={checkpoint}", "input=in", "output=out", "overlapp=3"], "overlapp"),
    ]
    results = run_together(*(command for command, _ in cases))
    for (status, printed), (command, expected) in zip(results, cases, strict=True):
        assert status == 1, command
        assert expected in printed
        assert "Traceback" not in printed
