"""Terminals and logs that take any text, whatever their encoding and whoever stops reading."""

import io
import logging
import os
import sys

from pix2pix_lit.errors import printable


def prepare_streams() -> None:
    """Make every line of this process printable, its standard output and error and its log take all of them.

    File names that are not UTF-8 and control characters in them are escaped in log records, as ``errors.shown`` does.
    Characters that a terminal's encoding lacks are escaped. Once nobody reads an output any more, as after ``| head``,
    what is written to it is dropped, and the process continues.
    """
    logging.setLogRecordFactory(_Record)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        # What a test or a notebook put in its place is left alone.
        if stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            stream.flush()
            setattr(sys, name, _Stream(stream))


def prepare_log_files() -> None:
    """Make the log files that are open take every text, as UTF-8, whatever the terminal's encoding is."""
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
            write_through=former.write_through,  # as with PYTHONUNBUFFERED, where lines of both come in their order
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
