"""Local workers: processes that judge, each asking one warm server for learners' processes."""
from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self

from grader.fleet.bundle import Bundle, Result
from grader.fleet.client import WarmServer
from grader.fleet.execute import execute

AHEAD = 2  # bundles handed out for each worker: enough to keep it busy, few enough to be lost with it
LIVES = 2  # times that a bundle may end its worker
PRELOAD = ["torch", "pytest", "grader.fleet.execute", "grader.fleet.pool"]
BROKEN = "the grader's own process ended while it graded this, twice; look at it by hand, or try `grader autograde --student` with this student alone"

_server: WarmServer | None = None


class LocalPool:
    """`workers` judging processes, for a `with` block. With one worker, everything is judged in this process."""

    def __init__(self, server: WarmServer, workers: int) -> None:
        self.server, self.workers = server, max(1, workers)
        self.executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._end(wait=kind is None)

    def warm_up(self) -> None:
        """Start the judging processes now instead of with the first notebook."""
        if self.workers > 1:
            list(self._started().map(abs, range(self.workers)))

    def pids(self) -> list[int]:
        """The judging processes."""
        return list(self.executor._processes) if self.executor else [os.getpid()]

    def run(self, bundles: Iterable[Bundle]) -> Iterator[Result]:
        """Grade the bundles; results come in the order in which they are done, one for every bundle."""
        if self.workers == 1:
            for bundle in bundles:
                yield execute(bundle, self.server)
            return
        waiting, lives = iter(bundles), dict[str, int]()
        again: list[Bundle] = []
        while True:
            broken: list[Bundle] = []
            yield from self._until_broken(self._started(), waiting, again, broken)
            if not broken:
                return
            self._end(wait=False)
            again = []
            for bundle in broken:
                lives[bundle.name] = lives.get(bundle.name, 0) + 1
                if lives[bundle.name] < LIVES:
                    again.append(bundle)
                else:
                    yield Result(bundle.name, problem=BROKEN)

    def _started(self) -> ProcessPoolExecutor:
        if self.executor is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(PRELOAD)
            self.executor = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin, initargs=(self.server,))
        return self.executor

    def _end(self, *, wait: bool) -> None:
        if self.executor is not None:
            self.executor.shutdown(wait=wait, cancel_futures=True)
            self.executor = None

    def _until_broken(self, executor: ProcessPoolExecutor, waiting: Iterator[Bundle], again: list[Bundle], broken: list[Bundle]) -> Iterator[Result]:
        running: dict[Future[dict[str, Any]], Bundle] = {}
        queue = _chained(again, waiting)
        while True:
            while len(running) < self.workers * AHEAD and not broken and (bundle := next(queue, None)) is not None:
                try:
                    running[executor.submit(_work, bundle)] = bundle
                except BrokenProcessPool:
                    broken.append(bundle)
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                bundle = running.pop(future)
                try:
                    yield Result(**future.result())
                except BrokenProcessPool:
                    broken.append(bundle)
                except Exception as error:  # the grader's own fault: this notebook needs a look, the rest goes on
                    yield Result(bundle.name, problem=f"{type(error).__name__}: {error}")


def _chained(first: list[Bundle], rest: Iterator[Bundle]) -> Iterator[Bundle]:
    yield from first
    yield from rest


def _begin(server: WarmServer) -> None:
    """Make this process a worker."""
    import torch

    global _server
    _server = server
    os.environ["HANDBOOK_GRADING"] = "1"
    torch.set_num_threads(1)


def _work(bundle: Bundle) -> dict[str, Any]:
    assert _server is not None
    return execute(bundle, _server).as_json()
