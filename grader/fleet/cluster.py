"""Workers of a dask scheduler (and so of what dask-jobqueue or dask-kubernetes start). Each keeps a warm server of its own.

A worker that is killed loses nothing: the scheduler gives its notebooks to another. The workers need this course at the
same version, which is checked, and a sandbox, which each probes for itself.
"""
from __future__ import annotations

import atexit
import hashlib
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from grader import paths
from grader.fleet.bundle import Bundle, Result
from grader.fleet.client import RunningServer, WarmServer, WarmServerError
from grader.fleet.execute import execute
from grader.fleet.pool import AHEAD

CONNECT_SECONDS = 30
RETRIES = 3  # times that a notebook is tried again when the worker it was on is lost

_lock = threading.Lock()
_servers: dict[bool, tuple[RunningServer, WarmServer]] = {}


class ClusterPool:
    """The workers of the scheduler at `address`, for a `with` block. Raises WarmServerError if it can't be reached."""

    def __init__(self, address: str, *, sandbox: bool) -> None:
        self.address, self.sandbox = address, sandbox

    def __enter__(self) -> Self:
        try:
            from distributed import Client
        except ModuleNotFoundError:
            raise WarmServerError("--scheduler needs dask's package `distributed`; install it with `pip install distributed`") from None
        try:
            self.client = Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            text = f"no dask scheduler answers at {self.address} ({error}); start one with `dask scheduler`, and `dask worker`"
            raise WarmServerError(text) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.client.close()

    def run(self, bundles: Iterable[Bundle]) -> Iterator[Result]:
        """Grade the bundles on the scheduler's workers; results come in the order in which they are done."""
        from distributed import as_completed

        waiting = iter(bundles)
        version = course_version()
        room = max(2, sum(self.client.nthreads().values())) * AHEAD
        running: dict[str, Bundle] = {}
        stream = as_completed([], loop=self.client.loop)

        def hand_out() -> None:
            while len(running) < room and (bundle := next(waiting, None)) is not None:
                future = self.client.submit(work, bundle, version, sandbox=self.sandbox, pure=False, retries=RETRIES)
                running[future.key] = bundle
                stream.add(future)

        hand_out()
        if not running:
            return
        for future in stream:
            bundle = running.pop(future.key)
            error = future.exception() if future.status == "error" else None
            yield Result(bundle.name, problem=f"{type(error).__name__}: {error}") if error else Result(**future.result())
            future.release()
            hand_out()


def work(bundle: Bundle, version: str, *, sandbox: bool) -> dict[str, Any]:
    """What a worker does: grade one notebook. Runs in the worker's process."""
    mine = course_version()
    if version != mine:
        return Result(bundle.name, problem="this worker has other checks than the scheduler's side; bring both to the same version").as_json()
    with _lock:  # one notebook at a time in each process: the checks' pytest is shared
        return execute(bundle, _server(sandbox)).as_json()


def _server(sandbox: bool) -> WarmServer:
    if sandbox in _servers and _servers[sandbox][0].process.poll() is not None:  # somebody ended it
        _servers.pop(sandbox)
    if sandbox not in _servers:
        import torch

        torch.set_num_threads(1)
        running = RunningServer(sandbox=sandbox)
        _servers[sandbox] = running, running.__enter__()
        atexit.register(running.__exit__, None, None, None)
    return _servers[sandbox][1]


def course_version() -> str:
    """A digest of all that a verdict depends on besides the submission: checks, the judge and the seam."""
    digest = hashlib.sha256()
    folders = (paths.CHECKS, paths.HIDDEN, paths.ROOT / "grader" / "judge", paths.ROOT / "grader" / "seam", paths.ROOT / "grader" / "fleet")
    for path in sorted(path for folder in folders for path in folder.glob("*") if path.suffix in (".py", ".json")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
