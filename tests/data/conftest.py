"""A web server on this machine that serves one file, as badly as a test wants."""

import email.utils
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import pytest

from pix2pix_lit.data.download import Patience

Answer = Callable[[BaseHTTPRequestHandler], None]


class FileServer:
    """Serves ``body`` for every path; the first requests get the answers queued in ``answers``, one each."""

    def __init__(self) -> None:
        self.body = b""
        self.headers: dict[str, str | None] = {"ETag": '"1"'}
        self.answers: list[Answer] = []
        self.requests: list[dict[str, str]] = []
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.requests.append(dict(self.headers))
                answer = server.answers.pop(0) if server.answers else server.file()
                answer(self)

            def log_message(self, *_: object) -> None: ...

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None: ...  # clients of these tests hang up and are killed

        self._http = Quiet(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.origin}/facades.tar.gz"

    @property
    def ranges(self) -> list[str | None]:
        """The range that each request asked for."""
        return [headers.get("Range") for headers in self.requests]

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def file(
        self,
        *,
        ranges: bool = True,
        if_range: bool = True,
        length: bool = True,
        shift: int = 0,
        stop_at: int | None = None,
        then: Literal["close", "reset", "stall"] = "close",
        pause: float = 0,
    ) -> Answer:
        """The file, or what of it is asked for.

        Args:
            ranges: answer with a part if one is asked for.
            if_range: give the whole if the asked part is of another state of the file.
            length: say how long it is, or send it in chunks.
            shift: send another part than the one asked for.
            stop_at: send no byte from this one on.
            then: what becomes of the connection there; what a reset lets arrive is chance.
            pause: seconds between blocks of 64 KiB.
        """

        def answer(handler: BaseHTTPRequestHandler) -> None:
            wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
            condition = handler.headers.get("If-Range")
            state = (self.headers.get("ETag"), self.headers.get("Last-Modified"))
            start = 0
            if wanted and ranges and (not if_range or condition is None or condition in state):
                start = int(wanted[1]) + shift
                if start >= len(self.body):
                    handler.send_response(416)
                    handler.send_header("Content-Range", f"bytes */{len(self.body)}")
                    handler.send_header("Content-Length", "0")
                    handler.end_headers()
                    return
                handler.send_response(206)
                handler.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
            else:
                handler.send_response(200)
            for name, value in self.headers.items():
                if value is not None:
                    handler.send_header(name, value)
            if length:
                handler.send_header("Content-Length", str(len(self.body) - start))
            else:
                handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            end = len(self.body) if stop_at is None else max(start, stop_at)
            for begin in range(start, end, 1 << 16):
                block = self.body[begin : min(begin + (1 << 16), end)]
                handler.wfile.write(block if length else b"%x\r\n%s\r\n" % (len(block), block))
                if self.closing.wait(pause):
                    break
            if stop_at is not None:
                if then == "stall":
                    self.closing.wait()
                elif then == "reset":
                    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                handler.close_connection = True
            elif not length:
                handler.wfile.write(b"0\r\n\r\n")

        return answer

    def status(self, code: int, body: bytes = b"", reason: str | None = None, **headers: str) -> Answer:
        """An answer that is not the file."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(code, reason)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(body)

        return answer

    def change(self, body: bytes, state: int) -> None:
        """Replace the file, as one does on a server."""
        self.body = body
        if self.headers.get("ETag"):
            self.headers["ETag"] = f'"{state}"'
        if self.headers.get("Last-Modified"):
            self.headers["Last-Modified"] = email.utils.formatdate(state * 1e6, usegmt=True)


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    server = FileServer()
    yield server
    server.close()


@pytest.fixture
def hurry() -> Patience:
    """Three further tries, without waiting."""
    return Patience(silence_seconds=0.3, pause_seconds=(0, 0, 0))


@pytest.fixture
def no_audit_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audits write no page, which takes longer than the checks; for tests that do not read it."""
    monkeypatch.setattr("pix2pix_lit.data.audit.page.write_page", lambda *arguments: None)
