"""The pytest plugin that gives checks their fixtures and turns their endings into CheckResults."""
from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch

from grader.judge.exercise import Exercise, is_core
from grader.judge.expect import Mismatch
from grader.judge.outcome import CheckResult, Outcome
from grader.judge.show import show, show_call
from grader.seam import NO_ANSWER, LearnerError, LearnerGone, LearnerTimeout, SeamError, Submission

UNUSABLE = (TypeError, AttributeError, ValueError, LookupError, RuntimeError, ArithmeticError)  # what a value of the wrong kind ends in
ENDED = "your code ended its process"
FIXTURES = ("submission", "rng", "dice")
PATIENCE = 2  # checks that may run into their time limit before the rest is left out


class JudgePlugin:
    """One run over the checks of one exercise.

    `make_submission` gives a fresh `submission` for every check; `seed` makes all fresh inputs reproducible.
    """

    def __init__(self, make_submission: Callable[[], Submission], seed: int) -> None:
        self.collection_error = ""
        self.begin(make_submission, seed)

    def begin(self, make_submission: Callable[[], Submission], seed: int) -> None:
        """Forget the results of the last answer."""
        self.make_submission, self.seed = make_submission, seed
        self.results: dict[str, CheckResult] = {}
        self.current: Submission | None = None

    @pytest.fixture
    def submission(self, request: pytest.FixtureRequest) -> Any:
        """The learner's work."""
        return self.fixture("submission", request.node)

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest) -> Any:
        """Fresh tensors: seeded by the run and the check."""
        return self.fixture("rng", request.node)

    @pytest.fixture
    def dice(self, request: pytest.FixtureRequest) -> Any:
        """Fresh plain choices: seeded by the run and the check."""
        return self.fixture("dice", request.node)

    def fixture(self, name: str, node: Any) -> Submission | torch.Generator | random.Random:
        """What one check gets under one of the names in FIXTURES."""
        if name == "submission":
            self.current = self.make_submission()
            return self.current
        seed = self._seed_of(node)
        return torch.Generator().manual_seed(seed) if name == "rng" else random.Random(seed)

    def _seed_of(self, node: Any) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}:{node.name}".encode()).digest()[:6], "big")

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.collection_error = str(report.longrepr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.current = None
        slow = sum(result.outcome is Outcome.TOO_SLOW for result in self.results.values())
        if slow >= PATIENCE:
            raise LearnerTimeout("not run: earlier checks were too slow")
        if sum(result.problem.startswith(ENDED) for result in self.results.values()) >= PATIENCE:
            raise LearnerGone("earlier checks ended it too")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
        """A bare report: pytest's own would format a traceback that nobody reads, which takes longer than the check."""
        if call.when == "call" or call.excinfo is not None:
            self.record(item, call)
        outcome: Literal["passed", "failed"] = "failed" if call.excinfo else "passed"
        when: Literal["setup", "call", "teardown"] = call.when  # type: ignore[assignment]  # collection has a report of its own
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, None, when, duration=call.duration)

    def record(self, item: Any, call: pytest.CallInfo[None]) -> None:
        """Turn the end of a check into its result."""
        error = call.excinfo.value if call.excinfo else None
        function, cls = item.function, item.cls
        hidden = bool(issubclass(cls, Exercise) and cls.hidden)
        name = ("hidden: " if hidden else "") + function.__name__
        sentence = " ".join((function.__doc__ or function.__name__.removeprefix("test_").replace("_", " ")).split())
        result = CheckResult(name, sentence, Outcome.PASSED, is_core(function, hidden=hidden), hidden, seconds=call.duration)
        if error is not None:
            result = self._explain(result, error)
        before = self.results.get(name)
        if before is None or (before.outcome is Outcome.PASSED and result.outcome is not Outcome.PASSED):
            self.results[name] = replace(result, seconds=result.seconds + (before.seconds if before else 0.0))
        else:
            self.results[name] = replace(before, seconds=before.seconds + result.seconds)

    def _explain(self, result: CheckResult, error: BaseException) -> CheckResult:
        call, got = self._last_call()
        told = replace(result, call=call, got=got)
        if isinstance(error, Mismatch):
            return replace(told, outcome=Outcome.FAILED, problem=error.problem, call=error.called or call, got=error.got or got,
                           want=error.want, why=error.why)
        if isinstance(error, LearnerError):
            return _learner_error(told, error)
        if isinstance(error, LearnerTimeout):
            return replace(told, outcome=Outcome.TOO_SLOW, problem=str(error), got="")
        if isinstance(error, LearnerGone) and NO_ANSWER in str(error):
            return replace(told, outcome=Outcome.TOO_SLOW, problem=str(error), got="")
        if isinstance(error, LearnerGone):
            return replace(told, outcome=Outcome.LEARNER_ERROR, problem=f"{ENDED}: {error}", got="")
        if isinstance(error, AssertionError | pytest.fail.Exception):
            return replace(told, outcome=Outcome.FAILED, problem=str(error)[:500] or "this does not hold")
        if isinstance(error, SeamError) or (call and isinstance(error, UNUSABLE)):
            # the reference never gets here (the author's gate runs it over many seeds): what came back can't be used
            return replace(told, outcome=Outcome.FAILED, problem=f"what came back can't be used here ({_short(error)})")
        return replace(told, outcome=Outcome.COULD_NOT_CHECK, problem=f"the check itself broke: {_short(error)}")

    def _last_call(self) -> tuple[str, str]:
        calls = list(getattr(self.current, "calls", ()))
        if not calls:
            return "", ""
        last = calls[-1]
        return show_call(last.name, last.args, last.kwargs), show(last.result) if last.error is None else last.error


def _learner_error(told: CheckResult, error: LearnerError) -> CheckResult:
    if error.kind == "NotImplementedError":
        return replace(told, outcome=Outcome.NOT_ATTEMPTED, problem="the stub is still there", got="")
    if error.kind == "NameError" and error.message.endswith("is not defined") and not error.line:
        return replace(told, outcome=Outcome.NOT_ATTEMPTED, problem=f"{error.message}: run the answer cell first", got="")
    return replace(told, outcome=Outcome.LEARNER_ERROR, problem=f"{error.kind}: {error.message}", line=error.line, got="")


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300]
