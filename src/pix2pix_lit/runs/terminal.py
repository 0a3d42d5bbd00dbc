"""Makes terminals and logs accept any text, in any encoding, even after the reader has closed the pipe."""

import io
import logging
import os
import sys

from pix2pix_lit.errors import printable


def prepare_streams() -> None:
    """Make standard output, standard error and log records of this process accept any text.

    Control characters and undecodable bytes of file names are escaped in log records, as ``errors.shown`` does.
    Characters that a terminal's encoding lacks are escaped. After the reader of a pipe has closed it, as ``| head``
    does, further output is dropped and the process continues.
    """
    logging.setLogRecordFactory(_Record)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        # Streams that a test or a notebook has replaced are left alone.
        if stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            stream.flush()
            setattr(sys, name, _Stream(stream))


def prepare_log_files() -> None:
    """Make open log files write UTF-8, independently of the terminal's encoding."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler) and isinstance(handler.stream, io.TextIOWrapper):
            handler.stream.reconfigure(encoding="utf-8", errors="backslashreplace")


class _Record(logging.LogRecord):
    def getMessage(self) -> str:  # noqa: N802
        return printable(super().getMessage())


class _Stream(io.TextIOWrapper):
    def __init__(self, former: io.TextIOWrapper) -> None:
        super().__init__(
            former.buffer,
            former.encoding,
            errors="backslashreplace",
            line_buffering=former.line_buffering,
            write_through=former.write_through,  # keeps both streams in order under PYTHONUNBUFFERED
        )

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            self._drop_all()
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            self._drop_all()

    def _drop_all(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
