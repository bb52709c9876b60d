"""Start a warm server and ask it for learners' processes."""
from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from grader import paths
from grader.sandbox import cgroup
from grader.sandbox.limits import Limits

START_SECONDS = 180.0
END_SECONDS = 5.0
TOLD_SECONDS = 0.2
GONE = "the warm server is gone"
GROUP = "handbook-grader"  # and the server's number: its control groups


class WarmServerError(Exception):
    """The warm server can't start or can't serve; the message says why and what to do next."""


@dataclass(frozen=True)
class Ended:
    """How a learner's process ended: exit code (negative for a signal), CPU seconds, largest memory in MiB, and whether it ran out of memory."""

    exit: int
    cpu: float
    rss: float
    memory: bool


class LearnerProcess:
    """One running child: `sock` leads to it; `end()` ends it and says how it ended."""

    def __init__(self, sock: socket.socket, control: socket.socket) -> None:
        self.sock, self.control = sock, control
        self.ended: Ended | None = None

    def has_ended(self) -> bool:
        """Whether the process ended by itself; the server may need a moment to say so."""
        return self.ended is not None or bool(select.select([self.control], [], [], TOLD_SECONDS)[0])

    def leave(self) -> None:
        """Let the server end the process, without waiting for it."""
        self.sock.close()
        self.control.close()

    def end(self) -> Ended:
        """End the process, if it has not ended by itself."""
        if self.ended is None:
            self.sock.close()
            with contextlib.suppress(OSError):
                self.control.shutdown(socket.SHUT_WR)
            said: dict[str, Any] = {}
            self.control.settimeout(END_SECONDS)
            with contextlib.suppress(OSError, ValueError):
                said = json.loads(self.control.recv(4096) or b"{}")
            self.control.close()
            self.ended = Ended(said.get("exit", -9), said.get("cpu", 0.0), said.get("rss", 0) / 1024, said.get("memory", False))
        return self.ended


@dataclass(frozen=True)
class WarmServer:
    """A running warm server, by the path of its socket. Any process of this account may use it."""

    path: str
    level: str
    missing: tuple[str, ...] = ()

    def learner(self, limits: Limits, seed: int) -> LearnerProcess:
        """A new child of the server. Raises WarmServerError."""
        mine, theirs = socket.socketpair()
        control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            control.connect(self.path)
            header = json.dumps({"limits": limits.as_json(), "seed": seed, "core": own_core()}).encode()
            socket.send_fds(control, [header], [theirs.fileno()])
        except OSError as error:
            for end in (mine, control):
                end.close()
            raise WarmServerError(f"{GONE} ({error}); run `grader autograde` again: it grades what is missing") from None
        finally:
            theirs.close()
        return LearnerProcess(mine, control)


def own_core() -> int | None:
    """The core that this process is bound to, if it is bound to one.

    Judge and learner take turns, so they share a core: to wake a process on another one takes longer than most calls.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()
    return next(iter(cores)) if len(cores) == 1 else None


class RunningServer:
    """A warm server of one's own, for a `with` block."""

    def __init__(self, *, sandbox: bool, models: bool = True, build: Path | None = None) -> None:
        self.sandbox, self.models, self.build = sandbox, models, build or paths.BUILD

    def __enter__(self) -> WarmServer:
        self.folder = tempfile.mkdtemp(prefix="grading-")
        path = os.path.join(self.folder, "warm.sock")
        os.mkdir(os.path.join(self.folder, "root"))
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(path)
        listener.listen(256)
        watched, self.lifeline = os.pipe()
        settings = self._settings() | {"listener": listener.fileno(), "lifeline": watched, "root": os.path.join(self.folder, "root")}
        self.errors = tempfile.TemporaryFile()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "grader.fleet.server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                pass_fds=(listener.fileno(), watched), env=_environment(), cwd=paths.ROOT)
        finally:
            listener.close()
            os.close(watched)
        try:
            said = self._ready(settings)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return WarmServer(path, said["words"], tuple(said["missing"]))

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self.lifeline)
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        cgroup.remove_left(f"{GROUP}-{self.process.pid}")
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream is not None:
                stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _settings(self) -> dict[str, Any]:
        from grader.sandbox import jail

        handbook = paths.COURSE / "handbook"
        return {"sandbox": self.sandbox, "models": self.models,
                "folders": [str(path) for path in jail.visible_folders(paths.ROOT, handbook, _model_folders())],
                "secrets": [str(path) for path in jail.secret_folders(paths.ROOT, self.build.resolve())]}

    def _ready(self, settings: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(settings).encode())
            self.process.stdin.close()
        line = self.process.stdout.readline() if select.select([self.process.stdout], [], [], START_SECONDS)[0] else b""
        if not line:
            self.errors.seek(0)
            words = self.errors.read().decode(errors="replace").strip().splitlines()
            raise WarmServerError(f"the warm server did not start ({words[-1] if words else 'it gave no reason'}); see `grader doctor`")
        said: dict[str, Any] = json.loads(line)
        return said


def _model_folders() -> list[Path]:
    """Where the models lie that have been fetched."""
    from handbook.models.wheels import cache_dir

    return [cache_dir()]


def _environment() -> dict[str, str]:
    """What the server and so every learner's process gets: no name or secret of the instructor's."""
    places = os.pathsep.join((str(paths.ROOT), str(paths.COURSE)))
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ") if name in os.environ}
    return kept | {
        "PATH": os.pathsep.join((os.path.dirname(sys.executable), os.defpath)), "HOME": "/home", "TMPDIR": "/tmp",
        "PYTHONPATH": places, "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg", "MPLCONFIGDIR": "/tmp/matplotlib",
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
        "THP_MEM_ALLOC_ENABLE": "1",  # large pages for tensors: a fork then copies a short list of pages
        "HF_HUB_OFFLINE": "1", "HF_HOME": "/tmp/hf", "HANDBOOK_CACHE": str(_model_folders()[0]),
        "HANDBOOK_GRADING": "1", "HANDBOOK_PROGRESS": "/tmp/progress.json",
    }
