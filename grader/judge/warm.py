"""Keep pytest's collection of a lesson's checks, so that a class is judged without collecting them again for each answer.

pytest runs as ever, in a thread of its own, but its run loop waits for answers to judge instead of ending.
"""
from __future__ import annotations

import contextlib
import functools
import inspect
import io
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from grader.judge.exercise import Exercise
from grader.judge.plugin import FIXTURES, JudgePlugin
from grader.seam import Submission

START_SECONDS = 120.0


@dataclass(frozen=True)
class _Job:
    """One exercise to judge; `done` is set at the end, and `broke` says what pytest itself stopped with."""

    classes: frozenset[tuple[str, str]]
    done: threading.Event
    broke: list[BaseException]


class _NoSubmissionError(RuntimeError):
    pass


def _nobody() -> Submission:
    raise _NoSubmissionError("there is nothing to judge yet")


class WarmChecks:
    """The collected checks of one lesson."""

    def __init__(self, files: tuple[str, ...], run: Callable[[list[str], list[Any]], Any]) -> None:
        self.plugin = JudgePlugin(_nobody, 0)
        self.jobs: queue.Queue[_Job | None] = queue.Queue()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._work, args=(files, run), name="checks", daemon=True)
        self.thread.start()
        self.ready.wait(START_SECONDS)

    def judge(self, classes: list[type[Exercise]], make_submission: Callable[[], Submission], seed: int) -> JudgePlugin:
        """Run the checks of these classes. The results are in the plugin that comes back."""
        self.plugin.begin(make_submission, seed)
        if not self.thread.is_alive():
            return self.plugin
        job = _Job(frozenset((inspect.getfile(cls), cls.__name__) for cls in classes), threading.Event(), [])
        self.jobs.put(job)
        job.done.wait()
        if job.broke:
            raise job.broke[0]
        return self.plugin

    def close(self) -> None:
        """End pytest's run."""
        self.jobs.put(None)
        self.thread.join(START_SECONDS)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """pytest's own loop over what was collected, once for every job."""
        items = {item: (str(item.path), item.cls.__name__) for item in session.items if isinstance(item, pytest.Function) and item.cls}
        self.ready.set()
        while (job := self.jobs.get()) is not None:
            try:
                quiet = io.StringIO()
                with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                    for item, place in items.items():
                        if place in job.classes:
                            self._run(item)
            except BaseException as error:
                job.broke.append(error)
            finally:
                job.done.set()
        return True

    def _run(self, item: pytest.Function) -> None:
        """One check. Where it asks for our fixtures only, they are handed to it here: pytest's protocol takes longer than most checks."""
        given = getattr(item, "callspec", None)
        cases = dict(given.params) if given else {}
        wanted = [name for name in item.fixturenames if name != "request" and name not in cases]
        if not set(wanted) <= set(FIXTURES):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            return

        def check() -> None:
            self.plugin.pytest_runtest_setup(item)
            fixtures = {name: self.plugin.fixture(name, item) for name in wanted}
            getattr(item.cls(), item.function.__name__)(**fixtures, **cases)

        self.plugin.record(item, pytest.CallInfo.from_call(check, when="call"))

    def _work(self, files: tuple[str, ...], run: Callable[[list[str], list[Any]], Any]) -> None:
        try:
            run(list(files), [self.plugin, self])
        except BaseException as error:
            self.plugin.collection_error = f"{type(error).__name__}: {error}"
        finally:
            self.ready.set()


@functools.cache
def checks_of(files: tuple[str, ...], run: Callable[[list[str], list[Any]], Any]) -> WarmChecks:
    """The collected checks of these files, collected once a process."""
    return WarmChecks(files, run)
