"""What the tests of the seam share: the same answer in this process and in a process of its own."""
from __future__ import annotations

import contextlib
import linecache
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from grader.seam import LocalSubmission, RemoteSubmission, Submission

# A process that imports torch once and forks a learner's process for every answer that it is sent. It is no child of
# fork() itself, because pytest's process may have threads.
SERVER = """
import contextlib, linecache, os, signal, socket, sys
import torch
from grader.seam import serve
torch.set_num_threads(1)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
channel = socket.socket(fileno=int(sys.argv[1]))
while True:
    source, descriptors, *_ = socket.recv_fds(channel, 1 << 16, 1)
    if not source:
        break
    far = socket.socket(fileno=descriptors[0])
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            channel.close()
            text = source.decode()
            linecache.cache["answer.py"] = (len(text), None, text.splitlines(True), "answer.py")
            scope = {"__name__": "__main__", "SOCKET": far}  # a hostile answer would find it anyway
            exec(compile(text, "answer.py", "exec"), scope)
            serve(far, scope)
        os._exit(0)
    far.close()
    channel.sendall(pid.to_bytes(8, "little"))
"""
Mode = Callable[..., AbstractContextManager[Submission]]


@pytest.fixture(scope="session")
def remote() -> Iterator[Mode]:
    """Start a learner's process for an answer: `with remote(source, seconds=1) as submission`."""
    if not hasattr(os, "fork"):
        pytest.skip("the learners' processes of these tests are forks")
    near, far = socket.socketpair()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", SERVER, str(far.fileno())]
    server = subprocess.Popen(command, pass_fds=[far.fileno()], env=env)
    far.close()

    @contextlib.contextmanager
    def start(source: str, **options: Any) -> Iterator[RemoteSubmission]:
        ours, theirs = socket.socketpair()
        socket.send_fds(near, [source.encode()], [theirs.fileno()])
        theirs.close()
        pid = int.from_bytes(near.recv(8), "little")
        try:
            yield RemoteSubmission(ours, **{"grace": 5.0, "on_gone": lambda: kill(pid)} | options)
        finally:
            ours.close()
            kill(pid)

    yield start
    near.close()
    assert server.wait(10) == 0


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def local() -> Mode:
    """Run an answer in this process: `with local(source, seconds=1) as submission`."""
    return run_here


@contextlib.contextmanager
def run_here(source: str, **options: Any) -> Iterator[LocalSubmission]:
    linecache.cache["answer.py"] = (len(source), None, source.splitlines(True), "answer.py")
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "answer.py", "exec"), scope)
    yield LocalSubmission(scope, **options)
