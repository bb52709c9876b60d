"""Check a notebook from outside: its answers run in a process of their own, which may hang or die without harm."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from grader import paths
from grader.course import find_exercise
from grader.intake.finding import Finding
from grader.learner.errors import CheckerError
from grader.learner.notebooks import Opened

TOTAL_SECONDS = 300.0
MAX_RESTARTS = 5


@dataclass
class Checked:
    """The cards of a notebook's exercises, and what was odd."""

    notebook: str
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def all_passed(self) -> bool:
        return all(verdict["outcome"] == "passed" for verdict in self.verdicts)

    def as_json(self) -> dict[str, Any]:
        """Verdicts and findings as plain data."""
        return {"notebook": self.notebook, "exercises": self.verdicts, "findings": [row.as_json() for row in self.findings]}


@dataclass
class _Run:
    """One life of the worker: what it announced last, and what it brought."""

    cell: str = ""
    exercise: str = ""
    judging: bool = False
    done: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    problems: dict[str, list[dict[str, str]]] = field(default_factory=dict)


def check_notebook(
    opened: Opened, exercises: list[str], *, seconds: float, total: float = TOTAL_SECONDS,
    seed: int | None = None, tick: Callable[[str], None] = lambda exercise: None,
) -> Checked:
    """Run the notebook's answers and judge these exercises. `seconds` is for a cell, `total` for everything."""
    checked = Checked(str(opened.path), findings=list(opened.findings))
    results: dict[str, tuple[dict[str, Any], str]] = {}
    skip: list[str] = []
    for _ in range(MAX_RESTARTS + 1):
        waiting = [name for name in exercises if name not in results]
        request = {"notebook": opened.rebuilt.table, "exercises": waiting, "skip": skip, "seconds": seconds, "seed": seed}
        run, why = _work(request, total, tick)
        results |= run.done
        if not why:
            break
        if not run.cell:
            raise CheckerError(f"the checker did not start; run `{sys.executable} -m grader.learner.worker < {os.devnull}` to see why")
        skip.append(run.cell)
        if run.exercise in waiting:
            results[run.exercise] = _ended(run.exercise, why)
        elif not run.judging and run.cell:
            text = f"a cell of your own {why}; it was left out and the rest was checked"
            checked.findings.append(Finding.warning(opened.path.name, text))
    for name in exercises:
        verdict, card = results.get(name) or _ended(name, "was not reached: earlier cells ended the process too often")
        checked.verdicts.append(verdict)
        checked.cards.append(card)
    checked.findings += _own_problems(run.problems, opened)
    return checked


def _work(request: dict[str, Any], total: float, tick: Callable[[str], None]) -> tuple[_Run, str]:
    """Let a worker do what it can. Returns what it brought, and why it ended early ("" if it didn't)."""
    run = _Run()
    with _worker() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(total, stop)
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request))
                process.stdin.close()
            for line in process.stdout:
                _take(json.loads(line), run, tick)
            code = process.wait()
        finally:
            timer.cancel()
    if late.is_set():
        return run, f"took more than {total:.0f} s"
    return run, "" if code == 0 and len(run.done) == len(request["exercises"]) else f"ended the whole process (exit code {code})"


def _take(event: dict[str, Any], run: _Run, tick: Callable[[str], None]) -> None:
    if "verdict" in event:
        name = event["verdict"]["exercise"]
        run.done[name] = event["verdict"], event["card"]
        tick(name)
    elif "problems" in event:
        run.problems = event["problems"]
    elif "judging" in event:
        run.cell, run.exercise, run.judging = event["judging"], event["judging"], True
    else:
        run.cell, run.exercise = event["cell"], event["exercise"]


@contextlib.contextmanager
def _worker() -> Iterator[subprocess.Popen[str]]:
    places = os.pathsep.join((str(paths.ROOT), str(paths.COURSE), os.environ.get("PYTHONPATH", "")))
    environment = {**os.environ, "PYTHONPATH": places, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
                   "HANDBOOK_GRADING": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "grader.learner.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, encoding="utf-8", env=environment, start_new_session=True)
    try:
        yield process
    finally:
        _kill(process)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _kill(process: subprocess.Popen[str]) -> None:
    """End the worker and all that it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _ended(exercise: str, why: str) -> tuple[dict[str, Any], str]:
    """The verdict on an answer that took its process with it."""
    from grader.card import Card
    from grader.judge.outcome import Outcome, Verdict

    info = find_exercise(exercise)
    verdict = Verdict(exercise, 0.0, info.points, Outcome.LEARNER_ERROR, (), note=f"Your answer {why}.")
    return verdict.as_json(), Card(info, verdict, in_kernel=False).text()


def _own_problems(problems: dict[str, list[dict[str, str]]], opened: Opened) -> list[Finding]:
    """Troubles of cells that are no answers: they may explain a wrong one."""
    rows = [f"{row['kind']}: {row['message']}" for row in problems.get("", [])]
    return [Finding.warning(opened.path.name, f"a cell of the notebook stops with {row}; the rest was checked") for row in rows]
