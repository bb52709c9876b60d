"""Run all checks of one exercise over one submission, with pytest, in this process."""
from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import os
import secrets
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from grader.course import ExerciseInfo, find_exercise
from grader.judge import fingerprints
from grader.judge.exercise import Exercise, is_core
from grader.judge.outcome import CheckResult, Outcome, Verdict, score, summarise
from grader.judge.plugin import JudgePlugin
from grader.judge.warm import checks_of
from grader.seam import Submission

# pytest's own plugins that cost time here (two garbage collections a run, log capture) and would tell a learner nothing
UNUSED = ("cacheprovider", "terminal", "warnings", "faulthandler", "unraisableexception", "threadexception", "logging", "doctest",
          "junitxml", "pastebin", "stepwise")
OPTIONS = ["--assert=plain", "--import-mode=importlib", "--noconftest", "--capture=no", "-c", os.devnull,
           *(option for name in UNUSED for option in ("-p", f"no:{name}"))]


def judge(exercise: str, make_submission: Callable[[], Submission], *, seed: int | None = None, hidden: bool = True,
          recognise: bool = True, warm: bool = False) -> Verdict:
    """Judge one exercise.

    Args: exercise is its id; make_submission gives a fresh handle on the learner's work for each check; seed makes the
    inputs reproducible (fresh if None); hidden says whether checks of `grader/hidden/` count where they are present;
        recognise says whether a wrong answer is compared with the known mistakes; warm keeps the collected checks for the
        next answer, where many are judged by one process.
    Raises: CourseError if there is no such exercise.
    """
    info = find_exercise(exercise)
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    started = time.perf_counter()
    classes = check_classes(info, hidden=hidden)
    if warm:
        plugin = checks_of(_files(info, hidden=hidden), _main).judge(classes, make_submission, seed)
    else:
        plugin = JudgePlugin(make_submission, seed)
        _run_pytest(classes, plugin)
    checks = _complete(classes, plugin)
    outcome = summarise(checks)
    points = score(checks, info.points)
    mistake = ""
    if recognise and outcome in (Outcome.FAILED, Outcome.LEARNER_ERROR):
        mistake = fingerprints.recognise(info, classes, make_submission)
    return Verdict(exercise, points, info.points, outcome, checks, mistake, seed, time.perf_counter() - started)


def check_classes(info: ExerciseInfo, *, hidden: bool = True) -> list[type[Exercise]]:
    """The check classes of an exercise: the visible one first, then those of `grader/hidden/` where that folder is."""
    found = _classes(importlib.import_module(f"grader.checks.{info.lesson}"), info.id)
    if not found:
        raise LookupError(f"grader/checks/{info.lesson}.py has no Exercise class with id={info.id!r}")
    if hidden:
        found += _hidden(info)
    return found


def _hidden(info: ExerciseInfo) -> list[type[Exercise]]:
    name = f"grader.hidden.{info.lesson}"
    try:
        return _classes(importlib.import_module(name), info.id)
    except ModuleNotFoundError as missing:
        if missing.name in (name, "grader.hidden"):  # the learner's bundle leaves them out
            return []
        raise


def _classes(module: ModuleType, exercise: str) -> list[type[Exercise]]:
    return [value for value in vars(module).values()
            if inspect.isclass(value) and issubclass(value, Exercise) and value.exercise_id == exercise
            and value.__module__ == module.__name__]


def _files(info: ExerciseInfo, *, hidden: bool) -> tuple[str, ...]:
    """The check files of the exercise's lesson."""
    names = [f"grader.checks.{info.lesson}", *([f"grader.hidden.{info.lesson}"] if hidden else [])]
    return tuple(str(sys.modules[name].__file__) for name in names if name in sys.modules)


def _run_pytest(classes: list[type[Exercise]], plugin: JudgePlugin) -> None:
    nodes = [f"{inspect.getfile(cls)}::{cls.__name__}" for cls in classes]
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        code = _main(nodes, [plugin])
    if code == pytest.ExitCode.INTERRUPTED and not plugin.collection_error:
        raise KeyboardInterrupt
    if not plugin.results and not plugin.collection_error:
        plugin.collection_error = f"pytest ran nothing ({code!r}): {quiet.getvalue()[-500:]}"


def _main(nodes: list[str], plugins: list[Any]) -> Any:
    """pytest.main with our options and nobody else's plugins."""
    before = {key: os.environ.get(key) for key in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST")}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pytest.main([*OPTIONS, f"--rootdir={os.path.dirname(nodes[0].split('::')[0])}", *nodes], plugins=plugins)
    finally:
        for key, value in before.items():
            os.environ.pop(key, None) if value is None else os.environ.__setitem__(key, value)


def _complete(classes: list[type[Exercise]], plugin: JudgePlugin) -> tuple[CheckResult, ...]:
    """Results in the order of the files; a check without one could not be run, which is our fault."""
    ordered = []
    for cls in classes:
        for name, function in cls.checks().items():
            full = ("hidden: " if cls.hidden else "") + name
            result = plugin.results.get(full)
            if result is None:
                sentence = " ".join((function.__doc__ or name).split())
                result = CheckResult(full, sentence, Outcome.COULD_NOT_CHECK, is_core(function, hidden=cls.hidden), cls.hidden,
                                     problem=plugin.collection_error[-500:] or "it was not run")
            ordered.append(_redact(result))
    return tuple(ordered)


def _redact(result: CheckResult) -> CheckResult:
    """A hidden check tells its sentence and its outcome, never its inputs."""
    if not result.hidden or result.outcome is Outcome.COULD_NOT_CHECK:
        return result
    return replace(result, call="", got="", want="", line="", problem="" if result.outcome is Outcome.PASSED else result.outcome.value)
