"""Download and unpack a data set: pix2pix-lit prepare data=facades."""

import errno
import gzip
import hashlib
import json
import logging
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from pix2pix_lit.checks import FilePath
from pix2pix_lit.data.download import Archive, Patience, download, require_space
from pix2pix_lit.errors import UserError
from pix2pix_lit.files.atomic_write import remove_leftovers, temporary_folder
from pix2pix_lit.files.lock import locked
from pix2pix_lit.runs.command import CONFIG_DIR, command

log = logging.getLogger(__name__)

MARKER = ".archive.json"
"""The file in a data set's folder that records which archive it was unpacked from."""

_MOST_TIMES = 50  # largest ratio of contents to archive: images hardly compress, zip bombs a thousandfold
_ALWAYS_FINE_BYTES = 1 << 26
_MOST_PADDING_BYTES = 1 << 20  # after the end of a tar file; GNU tar writes 10 KiB
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)


class Keys:
    """The types of the keys of ``configs/prepare.yaml`` that belong to no group."""

    archive_file: FilePath | None


def prepare(config: DictConfig) -> None:
    """Download and unpack the data set that ``configs/prepare.yaml`` describes.

    Args:
        config: the composed config.

    Raises:
        UserError: if there is nothing to download, if terms must be accepted first, if the folder is from another
            archive, and if ``install`` fails.
    """
    archive = instantiate(config.data.archive) if "data" in config else None
    if archive is None:
        raise UserError(
            "there is nothing to download for this data, or no data is chosen; expected one of "
            + ", ".join(f"data={name}" for name in _names_with_archive())
        )
    if not config.data.root:
        raise UserError(f"data.root is not set; expected the folder to create: pass data.root=data/{archive.name}")
    root = Path(os.path.expanduser(config.data.root))
    if not is_complete(root):
        if archive.license and OmegaConf.select(config, "data.accept_license") is not True:
            raise UserError(
                f"{archive.name} has terms that you must accept before it is downloaded: {archive.license}\n"
                f"If you have read and accept them, add data.accept_license=true"
            )
        try:
            install(archive, root, None if config.archive_file is None else Path(config.archive_file))
        except KeyboardInterrupt:
            raise UserError("stopped; the same command resumes from here") from None
    made_of = Archive(_recorded(root / MARKER, "url"))
    if made_of.name != archive.name:
        raise UserError(
            f"{root} was unpacked from {made_of.url}; expected a folder for {archive.name}: choose another one with "
            f"data.root=PATH, or delete it"
        )
    for split, count in _count_images(root).items():
        log.info("%6d pairs in %s", count, root / split)
    log.info(
        "%s is complete (delete it to unpack it again). Next: pix2pix-lit train %s",
        root,
        archive.arguments(config.data.root),
    )


def is_complete(root: Path) -> bool:
    """Whether ``install`` has completed this folder."""
    return (root / MARKER).is_file()


def install(archive: Archive, root: Path, archive_file: Path | None = None, patience: Patience | None = None) -> None:
    """Create the folder ``root`` from the one folder in an archive; does nothing if it is complete.

    ``root`` appears only when it is complete. A killed call leaves hidden files beside it, from which the next one
    resumes; of several calls at once, one works and the others wait. ``<root>.archive.json`` keeps the hash of the
    first archive, which later ones must match, even if ``root`` is deleted.

    Args:
        archive: to download.
        root: the folder to create; its parents are created as needed.
        archive_file: the archive, if it is already on the disk; it is kept.
        patience: how long to wait for a slow server.

    Raises:
        UserError: if ``root`` holds something else; if the archive cannot be downloaded, is not the expected one, is
            damaged, or would write outside its folder; if the disk is full or read-only.
    """
    if is_complete(root):
        return
    root = root.resolve()  # if it is a link to another disk, hidden files belong there
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with locked(root.with_name(f".{root.name}.lock"), root):
            if not is_complete(root):
                _install(archive, root, archive_file, patience)
    except OSError as error:
        raise UserError(f"{root} cannot be created ({error}); expected a writable folder with enough space") from error


def _install(archive: Archive, root: Path, archive_file: Path | None, patience: Patience | None) -> None:
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise UserError(
            f"{root} exists, and was not created by this command; expected a new folder: rename it, or choose another "
            f"one with data.root=PATH. If it contains the data set, train on it as it is"
        )
    remove_leftovers(root.parent)  # a killed call may have left half a data set
    downloaded = root.with_name(f".{root.name}.tar.gz.part")
    path = archive_file or downloaded
    known_hash = _known_hash(root)
    if archive_file is None:
        download(archive.url, downloaded, archive.bytes, patience)
    elif not archive_file.is_file():
        raise UserError(f"archive_file={archive_file} is not a file; expected {archive.name}.tar.gz: check the path")
    try:
        facts = _verify(path, archive, root, known_hash)
        top, size = _inspect(path)
    except UserError:
        if archive_file is None:
            _remove(downloaded)  # otherwise the next call would consider it complete
        raise
    require_space(root.parent, size, f"for the contents of {path}")
    try:
        with temporary_folder(root.parent) as unpacking:
            with tqdm(total=size, unit="B", unit_scale=True, desc="unpacking") as progress:
                for tar, member in _members(path):
                    _extract(path, tar, member, unpacking)
                    progress.update(member.size)
            (unpacking / top / MARKER).write_text(facts, encoding="utf-8")
            _record_path(root).write_text(facts, encoding="utf-8")
            (unpacking / top).rename(root)  # replaces an empty folder
    except UserError:
        if archive_file is None:
            _remove(downloaded)
        raise
    _remove(downloaded)


def _record_path(root: Path) -> Path:
    return root.with_name(f"{root.name}.archive.json")


def _remove(downloaded: Path) -> None:
    for path in (downloaded, downloaded.with_name(f"{downloaded.name}.json")):
        path.unlink(missing_ok=True)


def _known_hash(root: Path) -> str | None:
    """The recorded sha256 of an earlier archive."""
    record = _record_path(root)
    return _recorded(record, "sha256") if record.exists() else None


def _recorded(record: Path, key: str) -> str:
    try:
        return json.loads(record.read_text(encoding="utf-8"))[key]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{record} is damaged; expected the hash and address of an earlier download: delete it"
        ) from error


def _verify(path: Path, archive: Archive, root: Path, known: str | None) -> str:
    """Compare size and hash with the known ones; returns the record of this archive, as JSON."""
    log.info("checking %s", path)
    size = path.stat().st_size
    if archive.bytes is not None and size != archive.bytes:
        raise UserError(f"{path} has {size:,} bytes; expected the {archive.bytes:,} of {archive.url}: get it again")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if archive.sha256 is not None:
        if sha256 != archive.sha256:
            raise UserError(
                f"{path} has sha256 {sha256}; expected {archive.sha256}, from data.archive.sha256: download it again, "
                f"and do not use it if this persists"
            )
    elif known is not None and sha256 != known:
        record = _record_path(root)
        raise UserError(
            f"{path} has sha256 {sha256}; expected {known}, as the first time ({record}): the archive is damaged or "
            f"was replaced. Download it again; if this persists and you trust it, delete {record} first"
        )
    return json.dumps({"url": archive.url, "bytes": size, "sha256": sha256}, indent=1)


def _inspect(path: Path) -> tuple[str, int]:
    """Read the archive without unpacking it; returns the name of its folder and the size of its files in bytes."""
    tops: set[str] = set()
    files, size = 0, 0
    for _, member in _members(path):
        top, *below = PurePosixPath(member.name).parts
        if not below and not member.isdir():
            raise UserError(f"{path} holds the file {top} at its top; expected one folder, with train/ and val/ in it")
        tops.add(top)
        files += member.isfile()
        size += member.size
    if len(tops) != 1 or not files:
        found = ", ".join(sorted(tops)) or "nothing"
        raise UserError(f"{path} holds {files} files in {found}; expected one folder, with train/ and val/ in it")
    return tops.pop(), size


class _LimitedGzipFile(gzip.GzipFile):
    """Reads a .gz file, and refuses one that unpacks to far more than images do."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self.path, self.most, self.unpacked = path, _MOST_TIMES * path.stat().st_size + _ALWAYS_FINE_BYTES, 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.unpacked += len(data)
        if self.unpacked > self.most:
            raise UserError(f"{self.path} unpacks to more than {self.most:,} bytes; expected images: do not use it")
        return data


def _members(path: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The files and folders in their order, without hidden ones at the top, which macOS adds to archives."""
    try:
        with _LimitedGzipFile(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for entry in tar:
                if not (entry.isfile() or entry.isdir()):
                    raise UserError(f"{path} holds {entry.name!r}, a link or device; expected files: do not use it")
                member = tarfile.data_filter(entry, str(path.parent))
                top = PurePosixPath(member.name).parts[:1]
                if top and not top[0].startswith("."):
                    yield tar, member
            # To the end of the file, where gzip's checksum is; tarfile stops silently at a broken header.
            if len(stream.read(_MOST_PADDING_BYTES)) == _MOST_PADDING_BYTES:
                raise tarfile.ReadError("there is data after its end")
    except UserError:
        raise
    except (tarfile.FilterError, ValueError) as error:
        raise UserError(f"{path} is not safe to unpack ({error}); expected a data set: do not use it") from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, RecursionError) as error:  # headers of headers
        raise UserError(f"{path} is not an intact .tar.gz file ({error}); expected one: download it again") from error


def _extract(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    try:
        tar.extract(member, folder, filter="data")
    except (OSError, tarfile.TarError) as error:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise
        reason = getattr(error, "strerror", None) or error  # without the name, which may be long
        raise UserError(
            f"{path} is malformed: {member.name[:80]!r} cannot be unpacked ({reason}); expected files and folders "
            f"whose names are valid and do not clash: do not use it"
        ) from error


def _names_with_archive() -> list[str]:
    paths = sorted(Path(CONFIG_DIR, "data").glob("*.yaml"))
    return [path.stem for path in paths if OmegaConf.select(OmegaConf.load(path), "archive")]


def _count_images(root: Path) -> dict[str, int]:
    from pix2pix_lit.images.listing import find_images  # takes longer to import than --help to answer

    counts = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        with suppress(UserError):  # a folder without images
            counts[folder.name] = len(find_images(folder).paths)
    return counts


main = command("prepare", Keys)(prepare)

if __name__ == "__main__":
    main()
