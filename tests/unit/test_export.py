"""What an instructor pastes: reasons, totals, chosen lessons; and verdicts as a card tells them."""
from __future__ import annotations

from typing import Any

import pytest

from grader.card import Card
from grader.course import find_exercise
from grader.flow.export import GradeRow, chosen_lessons, total_rows, totals_as_csv
from grader.flow.nbgrader_course import FlowError
from grader.flow.verdicts import _verdict
from grader.judge.outcome import CheckResult, Outcome, Verdict

INFO = find_exercise("attention-causal-mask")
LESSONS = ("p1_1_sums", "p1_2_more", "p1_10_end")


def check(sentence: str, outcome: Outcome, **fields: Any) -> CheckResult:
    return CheckResult("test", sentence, outcome, **fields)


def verdict(outcome: Outcome, *checks: CheckResult, **fields: Any) -> Any:
    card = Card(INFO, Verdict(INFO.id, 0.5, 1.0, outcome, checks, **fields))
    outputs = [{"output_type": "execute_result", "data": {"text/html": card.html()}}]
    return _verdict(INFO.id, f"{INFO.id}-check", [], outputs, (0.5, 1.0))


def test_partial_credit_has_its_reason() -> None:
    passed = [check(f"Right {number}", Outcome.PASSED) for number in range(3)]
    row = verdict(Outcome.FAILED, *passed, check("A k < 1 raises ValueError.", Outcome.FAILED, call="f(k=0)", got="None", want="ValueError"),
                  check("Another", Outcome.FAILED))
    assert (row.verdict, row.missed) == ("failed", "3 of 5 checks passed; not this one: A k < 1 raises ValueError.")
    assert "missed" not in row.as_json()


def test_a_core_check_and_slowness_are_told() -> None:
    row = verdict(Outcome.FAILED, check("The sum is right.", Outcome.FAILED, core=True), check("Fast", Outcome.PASSED))
    assert "1 of 2 checks passed; not this one: The sum is right. (core" in row.missed
    slow = verdict(Outcome.TOO_SLOW, check("Ends in time.", Outcome.TOO_SLOW, problem="took more than 5 s"))
    assert (slow.verdict, slow.missed) == ("too slow", "0 of 1 checks passed; not this one: Ends in time.")


def test_passed_and_untouched_have_none() -> None:
    assert verdict(Outcome.PASSED, check("Right", Outcome.PASSED)).missed == ""
    assert verdict(Outcome.NOT_ATTEMPTED, check("Right", Outcome.NOT_ATTEMPTED)).missed == ""


def rows() -> list[GradeRow]:
    def row(student: str, lesson: str, points: float, verdict: str = "passed", **flags: bool) -> GradeRow:
        return GradeRow(student, "part1", lesson, f"{lesson}-x", "X", points, 2.0, verdict, "", **flags)

    return [row("ada", LESSONS[0], 2.0), row("ada", LESSONS[1], 1.5, "failed", late=True),
            row("bob", LESSONS[0], 0.0, "unreadable", review=True), row("bob", LESSONS[1], 0.0, "not submitted")]


def test_totals_have_a_line_a_student_and_those_who_sent_nothing() -> None:
    table = total_rows(rows(), ("ada", "cy"))
    assert table[0] == {"student": "ada", LESSONS[0]: 2.0, LESSONS[1]: 1.5, "part1": 3.5, "total": 3.5, "max": 4.0, "late": LESSONS[1],
                        "not submitted": "", "needs review": ""}
    assert (table[1]["needs review"], table[1]["not submitted"], table[1]["total"]) == (LESSONS[0], LESSONS[1], 0)
    assert (table[2]["student"], table[2]["max"], table[2]["not submitted"]) == ("cy", 4.0, "everything")
    lines = totals_as_csv(table).splitlines()
    assert lines[0] == f"student,{LESSONS[0]},{LESSONS[1]},part1,total,max,late,not submitted,needs review"
    assert lines[1] == f"ada,2.0,1.5,3.5,3.5,4.0,{LESSONS[1]},,"


def test_lessons_are_named_by_their_beginning() -> None:
    assert chosen_lessons("p1_1, p1_10_end", LESSONS) == (LESSONS[0], LESSONS[2])
    assert chosen_lessons("", LESSONS) == ()
    for name in ("p1_3", "p1"):
        with pytest.raises(FlowError, match="the course has p1_1_sums"):
            chosen_lessons(name, LESSONS)
