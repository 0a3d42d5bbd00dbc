"""A prepared data set is complete or absent, whatever the server, the archive or a killed process does."""

import gzip
import hashlib
import io
import json
import multiprocessing
import os
import random
import shutil
import signal
import tarfile
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from PIL import Image

from pix2pix_lit.data.download import Archive
from pix2pix_lit.data.prepare import install, is_complete, prepare
from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.command import CONFIG_DIR

NAMES = ("cityscapes", "edges2handbags", "edges2shoes", "facades", "maps", "night2day")
FILES = {f"{name}.jpg": random.Random(name).randbytes(20_000) for name in ("train/1", "train/2", "val/1", "val/2")}

Entry = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"x", **attributes) -> Entry:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for attribute, value in attributes.items():
        setattr(entry, attribute, value)
    return entry, content


def folder(name: str) -> Entry:
    return file(name, b"", type=tarfile.DIRTYPE, mode=0o755)


def packed(*entries: Entry, tail: bytes = b"") -> bytes:
    """A .tar.gz file of these entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry, content in entries:
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue() + tail, 1, mtime=0)


def facades(files: dict[str, bytes] = FILES, top: str = "facades") -> bytes:
    return packed(folder(top), *(file(f"{top}/{name}", content) for name, content in files.items()))


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture
def server(file_server):
    file_server.body = facades()
    return file_server


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "data" / "facades"


@pytest.fixture
def install_file(tmp_path, root) -> Callable[[bytes], None]:
    """Install an archive that is on the disk."""

    def install_bytes(body: bytes) -> None:
        path = tmp_path / "facades.tar.gz"
        path.write_bytes(body)
        install(Archive("https://example.org/facades.tar.gz"), root, path)

    return install_bytes


@pytest.fixture
def config(root, server):
    """Compose ``configs/prepare.yaml`` for ``root`` and ``server``."""

    def compose_config(*overrides: str, data: str = "facades"):
        with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
            local = (f"data.archive.url={server.origin}/{data}.tar.gz", "data.archive.bytes=null", f"data.root={root}")
            return compose("prepare", [f"data={data}", *local, *overrides])

    return compose_config


def left_beside(root: Path) -> list[str]:
    return sorted(path.name for path in root.parent.iterdir() if path != root)


# The data set and its archive


def test_the_folder_of_the_archive_becomes_the_root(server, root, hurry):
    server.body = facades(top="whatever")
    install(Archive(server.url, len(server.body)), root, patience=hurry)
    assert contents(root) == FILES
    assert left_beside(root) == [".facades.lock", "facades.archive.json"]


def test_a_complete_data_set_is_left_alone(server, root, hurry):
    for _ in range(2):
        install(Archive(server.url), root, patience=hurry)
    assert len(server.requests) == 1


def test_a_folder_of_something_else_is_refused_and_kept(server, root, hurry):
    (root / "train").mkdir(parents=True)
    (root / "train/mine.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match="facades exists, and was not created by this command; expected a new folder"):
        install(Archive(server.url), root, patience=hurry)
    assert contents(root) == {"train/mine.jpg": b"mine"}
    assert server.requests == []


def test_a_file_in_place_of_the_folder_is_refused_and_kept(server, root, hurry):
    root.parent.mkdir()
    root.write_bytes(b"mine")
    with pytest.raises(UserError, match="exists, and was not created by this command"):
        install(Archive(server.url), root, patience=hurry)
    assert root.read_bytes() == b"mine"


def test_an_empty_folder_is_filled(server, root, hurry):
    root.mkdir(parents=True)
    install(Archive(server.url), root, patience=hurry)
    assert contents(root) == FILES


def test_a_link_to_another_disk_stays_a_link(server, root, hurry, tmp_path):
    target = tmp_path / "disk" / "pairs"
    root.parent.mkdir()
    root.symlink_to(target)
    install(Archive(server.url), root, patience=hurry)
    assert root.is_symlink()
    assert contents(target) == FILES
    assert left_beside(root) == []


def test_a_read_only_place_is_reported(server, tmp_path, hurry):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"file/facades cannot be created \(.*expected a writable folder with enough space"
    ):
        install(Archive(server.url), tmp_path / "file" / "facades", patience=hurry)


def test_a_disk_too_full_for_the_images_is_reported_before_unpacking(server, root, hurry, monkeypatch):
    body = facades({f"train/{i}.jpg": bytes(100_000) for i in range(10)})
    server.body = body
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(900_000))
    with pytest.raises(UserError, match=r"has 1 MB free; expected 1 MB for the contents of"):
        install(Archive(server.url), root, patience=hurry)
    assert not root.exists()
    monkeypatch.undo()
    install(Archive(server.url), root, patience=hurry)
    assert len(server.requests) == 1  # the download was kept
    assert len(contents(root)) == 10


def test_a_failure_while_unpacking_leaves_no_partial_folder(server, root, hurry, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "makefile", full)
    with pytest.raises(UserError, match="No space left on device.*expected a writable folder with enough space"):
        install(Archive(server.url), root, patience=hurry)
    assert not root.exists()
    assert left_beside(root) == [".facades.lock", ".facades.tar.gz.part", ".facades.tar.gz.part.json"]
    monkeypatch.undo()
    install(Archive(server.url), root, patience=hurry)
    assert contents(root) == FILES


# Hashes


def test_the_hash_of_the_first_download_is_kept_and_outlives_the_folder(server, root, hurry):
    install(Archive(server.url), root, patience=hurry)
    record = json.loads((root.parent / "facades.archive.json").read_text())
    sha256 = hashlib.sha256(server.body).hexdigest()
    assert record == {"url": server.url, "bytes": len(server.body), "sha256": sha256}
    shutil.rmtree(root)
    install(Archive(server.url), root, patience=hurry)
    assert contents(root) == FILES


def test_another_archive_than_the_first_is_refused_until_the_record_is_deleted(server, root, hurry):
    install(Archive(server.url), root, patience=hurry)
    shutil.rmtree(root)
    server.change(facades({"train/1.jpg": b"new"}), state=2)
    record = root.parent / "facades.archive.json"
    with pytest.raises(
        UserError, match=f"as the first time .*if this persists and you trust it, delete {record} first"
    ):
        install(Archive(server.url), root, patience=hurry)
    assert not root.exists()
    assert left_beside(root) == [".facades.lock", record.name]
    record.unlink()
    install(Archive(server.url), root, patience=hurry)
    assert contents(root) == {"train/1.jpg": b"new"}


def test_a_published_hash_must_match_and_overrides_the_record(server, root, hurry):
    root.parent.mkdir()
    (root.parent / "facades.archive.json").write_text('{"sha256": "of another archive"}')
    with pytest.raises(UserError, match=f"expected {'0' * 64}, from data.archive.sha256"):
        install(Archive(server.url, sha256="0" * 64), root, patience=hurry)
    assert not root.exists()
    install(Archive(server.url, sha256=hashlib.sha256(server.body).hexdigest()), root, patience=hurry)
    assert contents(root) == FILES


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256"'])
def test_a_damaged_record_is_an_error(server, root, hurry, text):
    root.parent.mkdir()
    (root.parent / "facades.archive.json").write_text(text)
    with pytest.raises(UserError, match="facades.archive.json is damaged; expected the hash.*: delete it"):
        install(Archive(server.url), root, patience=hurry)
    assert server.requests == []


# Damaged and malicious archives


def flip(body: bytes, position: int) -> bytes:
    return body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]


def overwrite_half(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + b"\xff" * 400 + body[middle + 400 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: flip(body, len(body) // 2),
        lambda body: flip(body, len(body) - 6),  # in the checksum
        lambda body: body[: len(body) // 2],
        lambda body: body[:-1],
        lambda body: overwrite_half(facades({"train/1.jpg": b"%x" % random.Random(0).getrandbits(1_600_000)})),
        lambda body: b"<html>not here any more</html>",
        lambda body: gzip.compress(b"no tar file"),
        lambda body: gzip.decompress(body),
    ],
    ids=["flipped", "checksum", "half", "last byte missing", "overwritten", "web page", "no tar", "not compressed"],
)
def test_a_damaged_download_is_reported_and_deleted(server, root, hurry, damage):
    good = server.body
    server.change(damage(good), state=2)
    with pytest.raises(UserError, match=r"is not an intact .tar.gz file .*: download it again"):
        install(Archive(server.url), root, patience=hurry)
    assert left_beside(root) == [".facades.lock"]  # and no record of its hash
    server.change(good, state=3)
    install(Archive(server.url), root, patience=hurry)
    assert contents(root) == FILES


def test_an_archive_with_a_broken_entry_inside_is_not_taken_for_a_shorter_one(install_file, root):
    tar = bytearray(gzip.decompress(facades({f"train/{i}.jpg": bytes(500_000) for i in range(4)})))
    second = tar.index(b"facades/train/1.jpg")
    tar[second] ^= 1  # so that the header's own checksum is wrong
    with pytest.raises(UserError, match="is not an intact"):
        install_file(gzip.compress(bytes(tar), 1))
    assert not root.exists()


def test_an_archive_of_another_size_than_known_is_refused(root, tmp_path):
    path = tmp_path / "facades.tar.gz"
    path.write_bytes(facades())
    with pytest.raises(UserError, match=r"expected the 30,168,306 of https://example.org/facades.tar.gz: get it again"):
        install(Archive("https://example.org/facades.tar.gz", 30168306), root, path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (file("../escaped"), "not safe to unpack .*outside the destination"),
        (file("facades/../../escaped"), "not safe to unpack .*outside the destination"),
        (file("facades/train/.."), "cannot be unpacked"),
        (file("/tmp/escaped"), "files in facades, tmp; expected one folder"),
        (file(".hidden/../../escaped"), "not safe to unpack .*outside the destination"),
        (file("facades/link", b"", type=tarfile.SYMTYPE, linkname="/etc"), "a link or device"),
        (file("facades/link", b"", type=tarfile.SYMTYPE, linkname="train"), "a link or device"),
        (file("facades/link", b"", type=tarfile.LNKTYPE, linkname="../../secret"), "a link or device"),
        (file("facades/null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "a link or device"),
        (file("facades/disk", b"", type=tarfile.BLKTYPE, devmajor=8), "a link or device"),
        (file("facades/pipe", b"", type=tarfile.FIFOTYPE), "a link or device"),
        (file("facades/null", pax_headers={"path": "facades/a\0b"}), "not safe to unpack .*null byte"),
        (file("other/1.jpg"), "files in facades, other; expected one folder"),
        (file("facades"), "holds the file facades at its top"),
        (file("readme.txt"), "holds the file readme.txt at its top"),
    ],
)
def test_an_archive_with_a_bad_entry_is_refused_and_nothing_is_left(install_file, root, tmp_path, entry, message):
    good = [file(f"facades/{name}", content) for name, content in FILES.items()]
    with pytest.raises(UserError, match=message):
        install_file(packed(*good, entry))
    assert left_beside(root) == [".facades.lock"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "facades.tar.gz"]
    assert not Path("/tmp/escaped").exists()


@pytest.mark.parametrize("entries", [[], [folder("facades")], [file(".hidden")]])
def test_an_archive_without_files_is_refused(install_file, entries):
    with pytest.raises(UserError, match="holds 0 files in (nothing|facades); expected one folder"):
        install_file(packed(*entries))


def test_an_archive_that_unpacks_to_far_too_much_is_refused_without_unpacking_it(install_file, root):
    bomb = packed(*(file(f"facades/train/{i}.jpg", bytes(20_000_000)) for i in range(6)))
    with pytest.raises(UserError, match=r"unpacks to more than [0-9]{2},[0-9,]* bytes"):
        install_file(bomb)
    assert left_beside(root) == [".facades.lock"]


def header(entry: Entry) -> bytes:
    return entry[0].tobuf(tarfile.GNU_FORMAT)


def test_headers_of_headers_without_end_are_refused(install_file):
    name = file("././@LongLink", bytes(512), type=tarfile.GNUTYPE_LONGNAME)
    with pytest.raises(UserError, match="is not an intact"):
        install_file(gzip.compress((header(name) + name[1]) * 2000))


@pytest.mark.slow
def test_hidden_files_and_headers_count_as_what_an_archive_unpacks_to(install_file):
    names = [file(f"facades/{i}", pax_headers={"comment": "x" * 1_000_000}) for i in range(100)]
    for bomb in (packed(file("._facades", bytes(100_000_000))), packed(*names)):
        with pytest.raises(UserError, match="unpacks to more than"):
            install_file(bomb)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([file("facades/" + "x" * 300)], "File name too long"),
        ([file("facades/a"), file("facades/a/1.jpg")], "Not a directory"),
        ([file("facades/a/1.jpg"), file("facades/a")], "Is a directory"),
    ],
)
def test_names_that_cannot_be_unpacked_are_reported_as_faults_of_the_archive(server, root, hurry, entries, reason):
    server.body = packed(*entries)
    with pytest.raises(UserError, match=rf"is malformed: 'facades/.* cannot be unpacked \({reason}\)"):
        install(Archive(server.url), root, patience=hurry)
    assert left_beside(root) == [".facades.lock"]  # neither the download nor a record of its hash


def test_files_that_macos_adds_and_leading_dots_do_not_matter(install_file, root):
    install_file(packed(folder("./"), file("./._facades"), *(file(f"./facades/{n}", c) for n, c in FILES.items())))
    assert contents(root) == FILES


def test_unpacked_files_are_readable_and_not_setuid(install_file, root):
    install_file(packed(file("facades/train/1.jpg", mode=0o7000), file("facades/train/2.jpg", mode=0o777)))
    modes = [(root / "train" / name).stat().st_mode & 0o7777 for name in ("1.jpg", "2.jpg")]
    assert all(mode & 0o600 == 0o600 for mode in modes)
    assert not any(mode & 0o7022 for mode in modes)


def test_randomly_damaged_archives_are_refused_or_unpacked_completely(tmp_path):
    rng = random.Random(0)
    files = {f"train/{i}.jpg": rng.randbytes(rng.randrange(2000)) for i in range(6)}
    entries = [file(f"facades/{name}", content, pax_headers={"comment": "ü" * 50}) for name, content in files.items()]
    tar = gzip.decompress(packed(*entries))
    archive, outcomes = Archive("https://example.org/facades.tar.gz"), set()
    for run in range(150):
        damaged = bytearray(tar)
        for _ in range(rng.choice([0, 1, 1, 3, 30])):  # within headers, mostly
            damaged[rng.randrange(len(tar) // 512) * 512 + rng.choice([rng.randrange(512), rng.randrange(257)])] ^= 1
        body = bytearray(gzip.compress(bytes(damaged), 1))
        if rng.random() < 0.3:
            body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.2:
            del body[rng.randrange(len(body)) :]
        folder = tmp_path / str(run)
        folder.mkdir()
        (folder / "facades.tar.gz").write_bytes(body)
        try:
            install(archive, folder / "facades", folder / "facades.tar.gz")
        except UserError:
            outcomes.add("refused")
            assert left_beside(folder / "facades") == [".facades.lock", "facades.tar.gz"]
        else:
            outcomes.add("made")
            assert is_complete(folder / "facades")
    assert outcomes == {"refused", "made"}


# Several processes, and killed ones


@pytest.fixture(scope="module")
def processes():
    """Processes of their own that need not import everything anew."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pix2pix_lit.data.prepare"])
    return context


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.001)


def kill(process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def test_of_several_processes_one_downloads_and_the_others_wait(server, root, processes):
    server.body = facades({f"train/{i}.jpg": random.Random(i).randbytes(100_000) for i in range(10)})
    server.answers = [server.file(pause=0.05)]
    runs = [processes.Process(target=install, args=(Archive(server.url), root)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert [run.exitcode for run in runs] == [0] * 4
    assert len(server.requests) == 1
    assert len(contents(root)) == 10
    assert left_beside(root) == [".facades.lock", "facades.archive.json"]


def test_a_process_that_waits_for_another_says_so(server, root, processes, caplog):
    server.answers = [server.file(pause=0.5)]
    other = processes.Process(target=install, args=(Archive(server.url), root))
    other.start()
    wait_until(lambda: bool(server.requests))
    with caplog.at_level("INFO"):
        install(Archive(server.url), root)
    other.join(60)
    assert f"Waiting for another process that is creating {root}" in caplog.text
    assert is_complete(root)
    assert len(server.requests) == 1


def test_a_killed_download_is_resumed(server, root, processes, hurry):
    server.body = facades({f"train/{i}.jpg": random.Random(i).randbytes(100_000) for i in range(10)})
    server.answers = [server.file(stop_at=600_000, then="stall")]
    run = processes.Process(target=install, args=(Archive(server.url), root))
    run.start()
    part = root.parent / ".facades.tar.gz.part"
    wait_until(lambda: part.exists() and part.stat().st_size > 0)
    kill(run)
    there = part.stat().st_size
    assert not root.exists()
    install(Archive(server.url), root, patience=hurry)
    assert server.ranges == [None, f"bytes={there}-"]
    assert len(contents(root)) == 10
    assert left_beside(root) == [".facades.lock", "facades.archive.json"]


@pytest.mark.slow
def test_a_process_killed_while_unpacking_leaves_no_partial_data_set(server, root, processes, hurry):
    files = {f"train/{i}.jpg": b"%d" % i for i in range(1500)}
    server.body = facades(files)
    run = processes.Process(target=install, args=(Archive(server.url), root))
    run.start()
    wait_until(lambda: list(root.parent.glob(".pix2pix-lit.*.tmp/facades/train/20.jpg")))
    kill(run)
    assert list(root.parent.glob(".pix2pix-lit.*.tmp"))
    assert not root.exists()
    install(Archive(server.url), root, patience=hurry)
    assert contents(root) == files
    assert len(server.requests) == 1  # the finished download was kept
    assert left_beside(root) == [".facades.lock", "facades.archive.json"]


# The command


def test_terms_must_be_accepted_before_anything_is_downloaded(server, config, root):
    server.body = facades(top="cityscapes")
    with pytest.raises(UserError) as error:
        prepare(config(data="cityscapes"))
    for part in (
        "https://www.cityscapes-dataset.com/license/",
        "non-commercial use, no redistribution",
        "csDownload gtFine_trainvaltest.zip leftImg8bit_trainvaltest.zip",
        "data=cityscapes_official data.root=",
        "add data.accept_license=true",
    ):
        assert part in str(error.value)
    with pytest.raises(UserError, match="terms that you must accept"):
        prepare(config("data.accept_license='yes, sure'", data="cityscapes"))
    assert server.requests == []
    prepare(config("data.accept_license=true", data="cityscapes"))
    assert contents(root) == FILES
    prepare(config(data="cityscapes"))  # it is there: nothing to accept


@pytest.mark.parametrize("overrides", [[], ["data=streets"], ["data=folders"]])
def test_data_without_an_archive_is_an_error_that_names_those_with_one(overrides):
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose("prepare", overrides)
    choices = ", ".join(f"data={name}" for name in NAMES)
    with pytest.raises(UserError, match=f"nothing to download for this data, .*expected one of {choices}$"):
        prepare(config)


def test_data_without_a_root_is_an_error(config):
    with pytest.raises(UserError, match="data.root is not set; .* pass data.root=data/facades"):
        prepare(config("data.root=null"))


def test_a_folder_made_from_another_archive_is_refused(config, server, root):
    prepare(config())
    with pytest.raises(
        UserError, match=f"{root} was unpacked from {server.origin}/facades.tar.gz; expected .* for maps"
    ):
        prepare(config(data="maps"))
    assert contents(root) == FILES
    prepare(config("data.archive.url=https://example.org/mirror/facades.tar.gz"))


def test_the_last_lines_count_pairs_and_name_the_next_command(config, root, caplog):
    with caplog.at_level("INFO"):
        prepare(config())
    assert f"     2 pairs in {root}/train" in caplog.text
    assert f"     2 pairs in {root}/val" in caplog.text
    assert f"Next: pix2pix-lit train data=facades data.root={root}" in caplog.text


def test_an_archive_on_the_disk_is_not_downloaded_and_is_kept(server, config, root, tmp_path):
    mine = tmp_path / "facades by hand.tar.gz"
    mine.write_bytes(server.body)
    prepare(config(f"archive_file='{mine}'"))
    assert contents(root) == FILES
    assert mine.read_bytes() == server.body
    assert server.requests == []
    shutil.rmtree(root)
    mine.write_bytes(facades({"train/1.jpg": b"other"}))
    with pytest.raises(UserError, match="facades by hand.tar.gz has sha256 .* as the first time"):
        prepare(config(f"archive_file='{mine}'"))
    assert mine.exists()


def test_a_missing_archive_file_is_an_error(config, tmp_path):
    with pytest.raises(UserError, match="archive_file=.*missing.tar.gz is not a file; expected facades.tar.gz"):
        prepare(config(f"archive_file={tmp_path}/missing.tar.gz"))


def test_an_interrupted_command_says_how_to_resume(config, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pix2pix_lit.data.prepare.download", interrupt)
    with pytest.raises(UserError, match="stopped; the same command resumes from here"):
        prepare(config())


@pytest.mark.parametrize("name", NAMES)
def test_every_archive_has_the_name_of_its_config_and_its_folder(name):
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        data = compose("prepare", [f"data={name}"]).data
    archive = instantiate(data.archive)
    assert archive.url == f"https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/{name}.tar.gz"
    assert archive.arguments(data.root) == f"data={name}"
    sizes = {"cityscapes": 103441232, "facades": 30168306, "maps": 250242400}
    assert archive.bytes == sizes.get(name)
    assert bool(archive.license) == (name == "cityscapes")


@pytest.mark.slow
def test_the_command_makes_pairs_that_can_be_read_and_no_other_folder(server, tmp_path, run_python):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    server.body = facades({"train/1.png": buffer.getvalue(), "val/1.png": buffer.getvalue()})
    arguments = ("-m", "pix2pix_lit.data.prepare", "data=facades")
    arguments += (f"data.archive.url={server.url}", "data.archive.bytes=null")
    output = run_python(tmp_path, *arguments)
    assert "1 pairs in data/facades/train" in output
    assert output.endswith("Next: pix2pix-lit train data=facades\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
    from pix2pix_lit.data.sources.aligned import AlignedSource

    pair = AlignedSource(str(tmp_path / "data/facades"), "train")[0]
    np.testing.assert_array_equal(np.concatenate([pair.a, pair.b], 1), pixels)
