"""Archives of data sets on the web, and downloads that survive interruptions."""

import json
import logging
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tqdm import tqdm

from pix2pix_lit.checks import FreeText, Word, check_integer
from pix2pix_lit.errors import UserError, shown

log = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 16
_TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)  # worth another attempt: RFC 9110, section 15, and RFC 6585


@dataclass(frozen=True)
class Archive:
    """A ``.tar.gz`` file on the web that holds one folder, the data set. ``data.prepare`` downloads and unpacks it.

    Args:
        url: its address; the file has the name of the config in ``configs/data/``.
        bytes: its size; None if unknown.
        sha256: its hash, 64 hexadecimal digits; None if none is published: then later downloads must match the first.
        license: address of the terms that the user must accept; None if there are none.

    Raises:
        UserError: for values that are not as described.
    """

    url: FreeText
    bytes: int | None = None
    sha256: Word | None = None
    license: FreeText | None = None

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise UserError(f"data.archive.url is {self.url!r}; expected an address that begins with https://")
        if self.bytes is not None:
            check_integer("data.archive.bytes", self.bytes, 1)
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", str(self.sha256)):
            raise UserError(f"data.archive.sha256 is {self.sha256!r}; expected 64 digits of 0-9 and a-f, or null")

    @property
    def name(self) -> str:
        """Name of the data set, as in ``data=NAME``."""
        return PurePosixPath(urlsplit(self.url).path).name.removesuffix(".tar.gz")

    def arguments(self, root: str) -> str:
        """The overrides that choose this data set in the folder ``root``, quoted for a shell."""
        is_default = root == f"data/{self.name}"  # as in the configs
        return f"data={self.name}" + ("" if is_default else f" data.root={shlex.quote(root)}")

    def prepare_command(self, root: str) -> str:
        """The command that prepares this data set in the folder ``root``."""
        return f"pix2pix-lit prepare {self.arguments(root)}"


@dataclass(frozen=True)
class Patience:
    """How long a download waits for the server.

    Args:
        silence_seconds: how long the server may send nothing.
        pause_seconds: pauses before further attempts; they start over after an attempt that made progress.
    """

    silence_seconds: float = 60
    pause_seconds: tuple[float, ...] = (1, 4, 16)


class _TransientError(Exception):
    """A failure of the server or the network that may not happen again."""


def download(url: str, path: Path, size: int | None = None, patience: Patience | None = None) -> None:
    """Download a file, or the rest of one that an interrupted call left at ``path``.

    Redirects are followed, except from https to http. After a broken connection the download resumes, unless the file
    on the server has changed (RFC 9110, sections 13.1.5 and 14). ``path`` with ``.json`` appended records which file
    the bytes belong to; the caller removes both.

    Args:
        url: address of the file.
        path: where to save it; its folder must exist.
        size: size of the file in bytes, if known.
        patience: how long to wait for a slow server.

    Raises:
        UserError: if the server has no such file or one of another size, if it keeps failing, or if the disk has no
            room for the file and as much again for its contents.
        OSError: if ``path`` cannot be written.
    """
    patience = patience or Patience()
    furthest = -1
    with _Session() as session:
        while True:
            try:
                return _resume(session, url, path, size, patience.silence_seconds)
            except _TransientError as error:
                there = _size(path)
                if there > furthest:
                    furthest, pauses = there, iter(patience.pause_seconds)
                pause = next(pauses, None)
                if pause is None:
                    raise UserError(
                        f"{url} cannot be downloaded ({error}); {there:,} bytes of it have arrived, and the same "
                        f"command resumes from there: try again later, and check your connection"
                    ) from error
                log.warning("%s: next try in %g s, from byte %s", shown(error), pause, f"{there:,}")
            time.sleep(pause)


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Check that the disk of ``folder`` has ``needed`` bytes free.

    Raises:
        UserError: if it has less.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder} has {free / 1e6:,.0f} MB free; expected {needed / 1e6:,.0f} MB {purpose}: make room, or choose "
            f"another disk with data.root=PATH"
        )


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None:
            target = urljoin(resp.url, target)
            if urlsplit(resp.url).scheme == "https" and urlsplit(target).scheme != "https":
                raise UserError(
                    f"{resp.url} redirects to {target}, which anyone in between could alter; expected https: check "
                    f"data.archive.url"
                )
        return target


def _resume(session: requests.Session, url: str, path: Path, size: int | None, silence_seconds: float) -> None:
    """Request once everything that is missing."""
    note = _read_note(path)
    start = _size(path) if note.get("url") == url else 0
    total = note.get("total")
    if start and start == total:
        return
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if note["validator"]:
            headers["If-Range"] = note["validator"]
    with _ask(session, url, headers, silence_seconds) as response:
        if response.status_code == 206 and start:
            # A 206 response need not repeat Last-Modified.
            if _range(response) != (start, total) or _validator(response) not in (None, note["validator"]):
                return _start_over(session, url, path, size, silence_seconds)
        elif response.status_code == 416 and start:
            return _start_over(session, url, path, size, silence_seconds)
        elif response.status_code == 200:
            start, total = 0, _length(response)
        else:
            raise UserError(
                f"{url} answers {response.status_code} {response.reason}; expected the file: check data.archive.url, "
                f"or pass archive_file=PATH if you have the file from elsewhere"
            )
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise UserError(
                f"{url} answers with a web page; expected the file: open the address in a browser, which "
                f"may show your network's login page"
            )
        if size is not None and total not in (None, size):
            raise UserError(
                f"{url} has {total:,} bytes; expected {size:,}: the file has changed: check data.archive.url, or "
                f"pass data.archive.bytes=null if you trust it"
            )
        total = size if total is None else total
        if total is not None:
            require_space(path.parent, 2 * total - start, f"for {url} and its contents")
        with path.open("ab" if start else "wb") as file:
            if not start:  # the note is written after the old bytes are gone and before the new ones arrive
                _note_path(path).write_text(
                    json.dumps({"url": url, "validator": _validator(response), "total": total}), encoding="utf-8"
                )
            _receive(response, file, start, total, PurePosixPath(urlsplit(url).path).name)


def _start_over(session: requests.Session, url: str, path: Path, size: int | None, silence_seconds: float) -> None:
    """Discard the partial file: the server has another file now, or did not send the requested range."""
    path.unlink()
    _resume(session, url, path, size, silence_seconds)


def _ask(session: requests.Session, url: str, headers: dict[str, str], silence_seconds: float) -> requests.Response:
    try:
        response = session.get(url, headers=headers, stream=True, timeout=silence_seconds)
    except requests.exceptions.SSLError as error:
        raise UserError(f"{url} cannot be trusted ({error}); expected a valid certificate: check it") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        cause = getattr(error.args[0], "reason", error)  # without urllib3's text about retries, which are off
        raise _TransientError(f"no answer from {urlsplit(url).netloc}: {cause}") from error
    except UserError:
        raise
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:  # such as a bad redirect
        raise UserError(f"{url} cannot be requested ({error}); expected a file: check data.archive.url") from error
    if response.status_code in _TRANSIENT_STATUSES:
        response.close()
        raise _TransientError(f"{urlsplit(url).netloc} answers {response.status_code} {response.reason}")
    return response


def _receive(response: requests.Response, file: Any, start: int, total: int | None, name: str) -> None:
    """Append the body to ``file``, which must then have ``total`` bytes."""
    there = start
    with tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=name) as progress:
        for chunk in _chunks(response):
            there += len(chunk)
            if total is not None and there > total:
                raise UserError(f"{response.url} sends more than the {total:,} bytes expected: check data.archive.url")
            file.write(chunk)
            progress.update(len(chunk))
    if total is not None and there < total:
        raise _TransientError(f"the connection ended at {there:,} of {total:,} bytes")


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The body without decoding: some servers send a .tar.gz file as a tar file with Content-Encoding gzip."""
    try:
        yield from response.raw.stream(_CHUNK_BYTES, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise _TransientError(str(error.args[0] if error.args else error)) from error


def _validator(response: requests.Response) -> str | None:
    """The validator of this version of the file, for If-Range: RFC 9110, section 13.1.5."""
    tag = response.headers.get("ETag", "W/")
    return response.headers.get("Last-Modified") if tag.startswith("W/") else tag


def _length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if re.fullmatch(r"\d{1,18}", length) else None


def _range(response: requests.Response) -> tuple[int, int | None] | None:
    """The first byte of the response, and the size of the complete file."""
    match = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", response.headers.get("Content-Range", ""))
    return match and (int(match[1]), None if match[2] == "*" else int(match[2]))


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _read_note(path: Path) -> dict[str, Any]:
    try:
        return json.loads(_note_path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none, or half of one from a killed process
        return {}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
