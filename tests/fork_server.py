"""Processes that need not import torch and Lightning again: forked from one that has, as fresh ones would be.

``ForkServer`` starts this file as a program. For each command that program forks a process with the wanted folder,
environment and files, which runs the command as ``python`` would. Its parent becomes the process of the test, whose
``subprocess.Popen`` handles it like any other. A run of several devices has a server of its own for the other ranks,
which so need no imports either.
"""

import atexit
import ctypes
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import random
import re
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_LIBRARIES = (
    "lightning.pytorch",
    "torch.utils.tensorboard",
    "torch.distributed.run",
    "torchmetrics.image",
    "albumentations",
    "numpy",
    "hydra",
    "joblib",
    "submitit",
    "optuna",
    "sqlalchemy.dialects.sqlite",
)
_at_end: list[Callable[[], object]] = []


class ForkServer:
    """Starts commands of the package in processes that have everything imported.

    Args:
        connection: to a server that runs; without one, it is started when it is first needed.
    """

    def __init__(self, connection: socket.socket | None = None) -> None:
        self._connection = connection
        self._server: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def popen(self, arguments: Sequence[str], **options: Any) -> "subprocess.Popen[str]":
        """Run ``python ARGUMENTS``.

        Args:
            arguments: a script, ``-m MODULE`` or ``-c CODE``, and what follows.
            options: of ``subprocess.Popen``.
        """
        return _Forked(self, [sys.executable, *arguments], text=True, **options)

    def fork(self, request: dict[str, Any], files: list[int]) -> int:
        """Have a command run with these open files; returns the process id."""
        with self._lock:
            if self._connection is None:
                self._connection, theirs = socket.socketpair()
                command = [sys.executable, __file__, str(theirs.fileno())]
                environment = os.environ | {"OMP_NUM_THREADS": "1"}
                with theirs:
                    self._server = subprocess.Popen(
                        command, env=environment, pass_fds=[theirs.fileno()], start_new_session=True
                    )
            message = json.dumps(request).encode()
            _adopt_orphans(True)
            try:
                socket.send_fds(self._connection, [len(message).to_bytes(4)], files)
                self._connection.sendall(message)
                pid = int.from_bytes(_receive(self._connection, 4))
                _receive(self._connection, 1)  # the process between has ended
                return pid
            finally:
                _adopt_orphans(False)

    def close(self) -> None:
        if self._server is not None and self._connection is not None:
            self._connection.shutdown(socket.SHUT_RDWR)
            self._server.wait()


class _Forked(subprocess.Popen[Any]):
    def __init__(self, server: ForkServer, arguments: Sequence[str], **options: Any) -> None:
        self._fork_server = server
        super().__init__(arguments, **options)

    def _execute_child(self, *arguments):
        _execute_child(self._fork_server, self, *arguments)


def _execute_child(
    server, process, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
    p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, restore_signals, gid, gids, uid, umask, start_new_session,
    *rest,
):  # fmt: skip
    """Start a process: the one step of ``subprocess.Popen`` that differs here."""
    try:
        files = {0: p2cread, 1: c2pwrite, 2: errwrite} | {file: file for file in pass_fds}
        files = {target: target if file == -1 else file for target, file in files.items()}
        request = {
            "arguments": args[1:],
            "cwd": os.fspath(cwd or "."),
            "env": {**(os.environ if env is None else env)},
            "files": [*files],
            "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
            "new_session": start_new_session,
        }
        process.pid = server.fork(request, [*files.values()])
        process._child_created = True
    finally:
        process._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def _adopt_orphans(adopt: bool) -> None:
    _prctl(_PR_SET_CHILD_SUBREAPER, int(adopt))


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _receive(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        if not (part := connection.recv(length - len(received))):
            raise EOFError("the fork server has ended")
        received += part
    return received


def _import_all() -> None:
    import pix2pix_lit

    for name in _LIBRARIES:
        with suppress(ImportError):  # of an optional package
            importlib.import_module(name)
    for module in pkgutil.walk_packages(pix2pix_lit.__path__, "pix2pix_lit."):
        # What writes exports imports libraries that start threads.
        if not module.name.startswith("pix2pix_lit.export.") and "__main__" not in module.name:
            with suppress(ImportError):  # of an optional package
                importlib.import_module(module.name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise SystemExit("the fork server has threads, which a fork would not have; expected imports to start none")


def _serve(connection: socket.socket) -> list[str]:
    """Fork a process for every request; returns in these processes alone, with what they are to run."""
    while True:
        length, files, _, _ = socket.recv_fds(connection, 4, 64)
        if not length:
            os._exit(0)
        request = json.loads(_receive(connection, int.from_bytes(length)))
        between = os.fork()  # ends at once, so that the process that asked becomes the parent of its own child
        if between == 0:
            if pid := os.fork():
                connection.sendall(pid.to_bytes(4))
                os._exit(0)
            connection.close()
            if request["new_session"]:
                os.setsid()
            files = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 200) for file in files]  # out of the way
            for target, file in zip(request["files"], files, strict=True):
                os.dup2(file, target)
            os.closerange(200, 264)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, request["blocked"])
            os.environ.clear()
            os.environ.update(request["env"])
            os.chdir(request["cwd"])
            return request["arguments"]
        for file in files:
            os.close(file)
        os.waitpid(between, 0)
        connection.sendall(b"\0")


def _serve_ranks(command: list[str]) -> list[str]:
    """Make Python processes that this process starts, for its other devices, forks of what it is now.

    Returns in this process with its command, and in each such process with the other's.
    """
    connection, theirs = socket.socketpair()
    server_id = os.fork()
    if server_id == 0:
        connection.close()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGTERM):  # which may be sent to the whole group
            signal.signal(number, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for file in range(3):  # otherwise a reader of the output would wait for the server, too
            os.dup2(nothing, file)
        return _serve(theirs)
    theirs.close()
    server, start_fresh = ForkServer(connection), subprocess.Popen._execute_child

    def start(process, args, *rest):
        if (
            not isinstance(args, str) and args[1] == "-u"
        ):  # as torchrun starts Python; the streams are flushed at the end
            args = [args[0], *args[2:]]
        is_python = not isinstance(args, str) and args[0] == sys.executable and _is_command(args[1])
        _execute_child(server, process, args, *rest) if is_python else start_fresh(process, args, *rest)

    subprocess.Popen._execute_child = start
    with suppress(ImportError):
        loky = importlib.import_module("joblib.externals.loky.backend.fork_exec")
        loky.fork_exec = partial(_fork_worker, server)  # type: ignore[attr-defined]
    _at_end.append(lambda: (os.kill(server_id, signal.SIGKILL), os.waitpid(server_id, 0)))
    return command


def _fork_worker(server: ForkServer, command: Sequence[str], keep_fds: Sequence[int], env: Any = None) -> int:
    """Start a worker of joblib's: its ``fork_exec``."""
    files = [0, 1, 2, *map(int, keep_fds)]
    request = {
        "arguments": command[1:],
        "cwd": ".",
        "env": {**os.environ, **(env or {})},
        "files": files,
        "blocked": [],
        "new_session": False,
    }
    return server.fork(request, files)


def _starts_processes(command: Sequence[str]) -> bool:
    """Whether a command starts others: ranks, unless it is one itself, jobs, or the processes of a job."""
    words = "devices=[2-9]|submitit|joblib|^torch.distributed.run$"
    return "LOCAL_RANK" not in os.environ and any(re.search(words, word) for word in command)


def _is_command(argument: str) -> bool:
    return argument in ("-m", "-c") or not argument.startswith("-")


def _run(arguments: list[str]) -> None:
    """What ``python ARGUMENTS`` does."""
    import numpy as np

    for name, file, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        former = getattr(sys, name)  # which believes that it is the server's file, such as one that can seek
        # Where Python is not to buffer, it has no buffer of bytes either.
        binary = open(file, f"{mode}b", buffering=0 if former.write_through else -1, closefd=False)  # noqa: SIM115
        stream = io.TextIOWrapper(
            binary,
            former.encoding,
            former.errors,
            line_buffering=former.line_buffering,
            write_through=former.write_through,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    random.seed()
    np.random.seed()  # noqa: NPY002
    kind, *rest = arguments
    folder = os.getcwd() if kind in ("-m", "-c") else os.path.dirname(os.path.abspath(kind))
    sys.path[:0] = [folder, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = rest if kind == "-m" else arguments
    if kind == "-m":
        if rest[0] == "submitit.local._local":
            _wait_for(rest[1].replace("%j", str(os.getpid())))
        sys.modules.pop(rest[0], None)  # runpy wants to be the one that imports it
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_path(kind, run_name="__main__")


def _wait_for(folder: str) -> None:
    """Wait until submitit has made the folder of a job, which it does after starting the job's process.

    A new interpreter takes longer to start than that; a fork does not.
    """
    end = time.monotonic() + 30
    while not os.path.exists(folder) and time.monotonic() < end:
        time.sleep(0.01)


def _end(code: object) -> NoReturn:
    """End as the interpreter would, without the second in which it frees every object."""
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # waits for threads, as at any other end
    atexit._run_exitfuncs()
    for work in _at_end:
        work()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    given = socket.socket(fileno=int(sys.argv[1]))
    given.set_inheritable(False)
    sys.path.pop(0)
    _import_all()
    gc.freeze()  # or the first collection in each process copies all pages
    gc.set_threshold(100_000, 50, 50)  # seldom, as in conftest.py
    command = _serve(given)
    own = None
    while command is not own and _starts_processes(command):
        own, command = command, _serve_ranks(command)  # another's command, in each process that is started
    try:
        _run(command)
    except SystemExit as end:
        _end(end.code)
    _end(None)
