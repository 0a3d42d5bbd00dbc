"""Terminals and logs take every text; a reader that goes away stops nothing."""

import logging
import subprocess
import sys

NAME = "caf\udce9 \x1b[2J.png"


def python(program, *arguments, **environment):
    """Run a program whose standard output is read no further than its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "ascii", **environment},
    )
    first = process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    return first, errors, process.wait(timeout=60)


PROGRAM = f"""
import logging, sys
from pix2pix_lit.runs.terminal import prepare_streams
prepare_streams()
logging.basicConfig(stream=sys.stdout, format="%(message)s", level="INFO")
logging.info("%s is ü", {NAME!r})
for number in range(20_000):
    print("line", number)
    logging.info("%d", number)
print("the end", file=sys.stderr)
"""


def test_a_strict_terminal_gets_every_line_and_one_that_closes_stops_nothing():
    first, errors, status = python(PROGRAM)
    assert first == b"caf\\xe9 \\x1b[2J.png is \\xfc\n"
    assert errors.split() == [b"the", b"end"]  # no trace of a broken pipe, then or at the end
    assert status == 0


def test_log_records_are_printable_for_every_handler(tmp_path, monkeypatch):
    from pix2pix_lit.runs.terminal import prepare_log_files, prepare_streams

    former = logging.getLogRecordFactory()
    try:
        prepare_streams()
        handler = logging.FileHandler(tmp_path / "a.log", encoding="ascii")
        logger = logging.Logger("test")
        logger.addHandler(handler)
        monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
        prepare_log_files()
        logger.warning("read %s\n\tand ü", NAME)
        handler.close()
    finally:
        logging.setLogRecordFactory(former)
    assert (tmp_path / "a.log").read_text("utf-8") == "read caf\\xe9 \\x1b[2J.png\n\tand ü\n"
