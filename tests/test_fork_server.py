"""Processes that are forked for tests are like those that ``python`` starts."""

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all processes are new ones")

REPORT = """
import json, logging, os, random, signal, sys, threading
print(json.dumps({
    "name": __name__, "argv": sys.argv, "cwd": os.getcwd(), "path": sys.path[:2], "environment": os.environ["MARK"],
    "is_leader": os.getsid(0) == os.getpid(), "threads": threading.active_count(), "stdin": sys.stdin.read(),
    "interrupt": str(signal.getsignal(signal.SIGINT)), "root": logging.root.handlers,
    "streams": [sys.stdout.seekable(), sys.stderr.line_buffering, sys.stderr.write_through],
}))
"""


@pytest.mark.parametrize("as_script", [False, True])
def test_a_forked_process_finds_what_a_fresh_one_finds(start_python, tmp_path, as_script):
    (tmp_path / "report.py").write_text(REPORT)
    command = [str(tmp_path / "report.py")] if as_script else ["-m", "report"]
    environment = {"MARK": "one", "PYTHONPATH": str(tmp_path / "more")}
    printed = []
    for fresh in (False, True):
        process = start_python(tmp_path, *command, "a", "b", fresh=fresh, env=environment, stdin=subprocess.PIPE)
        printed.append(process.communicate("given")[0])
        assert process.returncode == 0, printed
    assert printed[0] == printed[1]


@pytest.mark.parametrize(
    ("code", "status"), [("pass", 0), ("raise SystemExit(3)", 3), ("raise SystemExit('no')", 1), ("1 / 0", 1)]
)
def test_its_exit_status_and_last_output_are_those_of_the_interpreter(start_python, tmp_path, code, status):
    first = "import atexit, threading; atexit.register(print, 'end'); threading.Timer(0.2, print, ['thread']).start(); "
    process = start_python(tmp_path, "-c", f"{first}{code}")
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == status
    assert printed.splitlines()[-2:] == ["thread", "end"]
    assert ("no\n" in printed, "ZeroDivisionError" in printed) == ("'no'" in code, "/" in code)


def test_it_is_killed_like_any_child(start_python, tmp_path):
    process = start_python(tmp_path, "-c", "print('up', flush=True); import time; time.sleep(600)")
    assert process.stdout.readline() == "up\n"
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
