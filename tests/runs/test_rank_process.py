"""Processes of other ranks, which report to the first rank and end with it."""

import subprocess
import sys

import pytest

from pix2pix_lit.runs.rank_process import RankFailure, RankProcess, is_consequence

FOLLOW = "import os, signal, sys, time; from pix2pix_lit.runs.rank_process import *; follow_first_rank(); "
START = f"""
import sys, time
from pix2pix_lit.runs.rank_process import RankProcess
process = RankProcess(1, [sys.executable, "-c", {FOLLOW + "print('up', flush=True); time.sleep(600)"!r}], ".")
time.sleep(600)
"""


def ended(code, tmp_path):
    """A process that ran this code as another rank of this one."""
    process = RankProcess(1, [sys.executable, "-c", FOLLOW + code], str(tmp_path))
    process.wait(timeout=60)
    return process


def test_a_process_ends_with_its_first_rank_even_if_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == b"up\n"
        first.kill()
        assert first.stdout.read() == b""  # which the other process holds open while it runs


def test_its_message_reaches_the_first_rank(tmp_path):
    words = RankFailure("no such file: \udcff", "a trace", is_consequence=True)
    process = ended(f"assert report_to_first_rank({words!r}); sys.exit(1)", tmp_path)
    assert process.failure() == words
    assert process.failure() == words  # however often it is asked
    process.end(seconds=1)


def test_sending_a_long_message_does_not_block(tmp_path):
    process = ended("report_to_first_rank(RankFailure('ü' * 10**7, '🧟' * 10**7)); sys.exit(1)", tmp_path)
    assert process.failure().message.startswith("üü")
    process.end(seconds=1)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("sys.exit(3)", "it ended with exit status 3"),
        ("sys.exit(143)", "it was ended by SIGTERM"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "it was ended by SIGKILL"),
    ],
)
def test_a_process_that_fails_silently_is_reported_by_its_exit_status(tmp_path, end, message):
    assert ended(end, tmp_path).failure() == RankFailure(message)


def test_a_successful_process_reports_no_failure(tmp_path):
    assert ended("pass", tmp_path).failure() is None


def test_ctrl_c_is_left_to_the_first_rank(tmp_path):
    heard = "sys.exit(signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    assert ended(heard, tmp_path).returncode == 0


def test_a_process_that_does_not_end_is_killed(tmp_path):
    process = RankProcess(1, [sys.executable, "-c", FOLLOW + "time.sleep(600)"], str(tmp_path))
    process.end(seconds=0)
    assert process.returncode == -9


def test_without_a_first_rank_no_message_is_sent(tmp_path):
    code = "from pix2pix_lit.runs.rank_process import *; follow_first_rank()"
    code += "; assert not report_to_first_rank(RankFailure('no'))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_broken_connections_are_recognised_as_consequences():
    from torch.distributed import DistBackendError, DistNetworkError

    broken = "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1"
    assert is_consequence(RuntimeError(broken))
    assert is_consequence(DistNetworkError("Broken pipe"))
    assert is_consequence(DistBackendError("NCCL communicator was aborted"))
    assert not is_consequence(RuntimeError("shapes do not fit"))
    assert not is_consequence(ValueError("gloo"))
