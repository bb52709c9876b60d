"""Local workers: processes that judge, each asking one warm server for learners' processes."""
from __future__ import annotations

import importlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self

from grader.fleet.bundle import Bundle, Result
from grader.fleet.client import WarmServer
from grader.fleet.execute import execute

AHEAD = 2  # bundles handed out for each worker: enough to keep it busy, few enough to be lost with it
LIVES = 2  # times that a bundle may end its worker
PRELOAD = ["torch", "torch._dynamo", "pytest", "grader.fleet.execute", "grader.fleet.pool"]
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
        if self.workers == 1:
            importlib.import_module("torch._dynamo")  # the first step of an optimiser would import it
        else:
            list(self._started().map(abs, range(self.workers)))

    def pids(self) -> list[int]:
        """The judging processes."""
        return list(self.executor._processes) if self.executor else [os.getpid()]

    def run(self, bundles: Iterable[Bundle]) -> Iterator[Result]:
        """Grade the bundles; results come in the order in which they are done, one for every bundle."""
        if self.workers == 1:
            yield from self._here(bundles)
            return
        waiting, lives = iter(bundles), dict[str, int]()
        again: deque[Bundle] = deque()
        while True:
            broken: list[Bundle] = []
            yield from self._until_broken(self._started(), waiting, again, broken)
            if not broken and not again:
                return
            self._end(wait=False)
            for bundle in broken:
                lives[bundle.name] = lives.get(bundle.name, 0) + 1
                if lives[bundle.name] < LIVES:
                    again.append(bundle)
                else:
                    yield Result(bundle.name, problem=BROKEN)

    def _here(self, bundles: Iterable[Bundle]) -> Iterator[Result]:
        before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        _bind(0)
        try:
            for bundle in bundles:
                yield _or_problem(bundle, lambda: execute(bundle, self.server))  # noqa: B023 -- it is called at once
        finally:
            if before is not None:
                os.sched_setaffinity(0, before)

    def _started(self) -> ProcessPoolExecutor:
        if self.executor is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(PRELOAD)
            self.executor = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin, initargs=(self.server, context.Value("i", 0)))
        return self.executor

    def _end(self, *, wait: bool) -> None:
        if self.executor is not None:
            self.executor.shutdown(wait=wait, cancel_futures=True)
            self.executor = None

    def _until_broken(self, executor: ProcessPoolExecutor, waiting: Iterator[Bundle], again: deque[Bundle], broken: list[Bundle]) -> Iterator[Result]:
        running: dict[Future[dict[str, Any]], Bundle] = {}
        alone = bool(again)  # one of these may have ended its worker: one at a time, so that it alone is blamed
        while True:
            alone = alone and bool(again or running)
            while len(running) < (1 if alone else self.workers * AHEAD) and not broken:
                bundle = again.popleft() if again else None if alone else next(waiting, None)
                if bundle is None:
                    break
                try:
                    running[executor.submit(_work, bundle)] = bundle
                except BrokenProcessPool:
                    again.appendleft(bundle)  # it was not even begun
                    break
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                bundle = running.pop(future)
                try:
                    yield _or_problem(bundle, lambda: Result(**future.result()))  # noqa: B023 -- it is called at once
                except BrokenProcessPool:
                    broken.append(bundle)


def _or_problem(bundle: Bundle, work: Callable[[], Result]) -> Result:
    """The result; if the grader itself is at fault, this notebook needs a look and the rest goes on."""
    try:
        return work()
    except BrokenProcessPool:
        raise
    except Exception as error:
        return Result(bundle.name, problem=f"{type(error).__name__}: {error}")


def _begin(server: WarmServer, count: Any) -> None:
    """Make this process a worker, on a core of its own as long as there are enough."""
    import torch

    global _server
    _server = server
    with count.get_lock():
        number, count.value = count.value, count.value + 1
    _bind(number)
    os.environ["HANDBOOK_GRADING"] = "1"
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _bind(number: int) -> None:
    """Run on one core (and the learners' processes with it, see client.own_core)."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def _end_with_parent() -> None:
    """A worker waits for work for ever, also when whoever hands it out was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(bundle: Bundle) -> dict[str, Any]:
    assert _server is not None
    return execute(bundle, _server).as_json()
