"""What a check can end in, and the verdict on one exercise that follows from its checks."""
from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


class Outcome(enum.Enum):
    """The six endings. Only the course's own fault is `COULD_NOT_CHECK`, and it is never counted as wrong."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_ATTEMPTED = "not attempted"
    LEARNER_ERROR = "error in your code"
    TOO_SLOW = "too slow"
    COULD_NOT_CHECK = "could not check"


@dataclass(frozen=True)
class CheckResult:
    """One check (all its parametrized cases together): how it ended and what to tell the learner."""

    name: str
    sentence: str
    outcome: Outcome
    core: bool = False
    hidden: bool = False
    problem: str = ""
    call: str = ""
    got: str = ""
    want: str = ""
    why: str = ""
    line: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """The result of all checks of one exercise. `mistake` is the known mistake that the answer's probe equals."""

    exercise: str
    points: float
    max_points: float
    outcome: Outcome
    checks: tuple[CheckResult, ...]
    mistake: str = ""
    seed: int = 0
    seconds: float = 0.0
    note: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASSED

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {**vars(self), "outcome": self.outcome.value, "extra": dict(self.extra),
                "checks": [{**vars(check), "outcome": check.outcome.value} for check in self.checks]}


def score(checks: tuple[CheckResult, ...], max_points: float) -> float:
    """Points: the share of checks that passed, and none at all while a core check fails.

    A check that could not be run is left out of the count.
    """
    counted = [check for check in checks if check.outcome is not Outcome.COULD_NOT_CHECK]
    passed = [check for check in counted if check.outcome is Outcome.PASSED]
    if not passed or any(check.core and check.outcome is not Outcome.PASSED for check in counted):
        return 0.0
    return round(max_points * len(passed) / len(counted), 2)


def summarise(checks: tuple[CheckResult, ...]) -> Outcome:
    """The outcome of the whole exercise: what the learner should look at first."""
    endings = [check.outcome for check in checks]
    wrong = [ending for ending in endings if ending not in (Outcome.PASSED, Outcome.COULD_NOT_CHECK)]
    if not wrong:
        return Outcome.COULD_NOT_CHECK if Outcome.COULD_NOT_CHECK in endings or not endings else Outcome.PASSED
    if all(ending is Outcome.NOT_ATTEMPTED for ending in wrong) and Outcome.PASSED not in endings:
        return Outcome.NOT_ATTEMPTED
    first = next(ending for ending in wrong if ending is not Outcome.NOT_ATTEMPTED or len(set(wrong)) == 1)
    return Outcome.FAILED if first is Outcome.NOT_ATTEMPTED else first
