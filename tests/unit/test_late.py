"""The late-day policy: what course.toml may say, and what being late costs."""
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grader.course import Course, CourseError, load_course
from grader.flow.late import Lateness, Policy, lateness, read_policy
from grader.folders import Folders, write_json
from tests.tiny_course import PART, READING, SUMS, tiny_course

DUE = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Course, Path]:
    tiny_course(tmp_path)
    return load_course(tmp_path / "course"), tmp_path / "course" / "course.toml"


def test_a_course_without_the_table_has_no_policy(tiny: tuple[Course, Path]) -> None:
    assert read_policy(*tiny) is None


def test_dates_may_be_toml_times_or_texts(tiny: tuple[Course, Path]) -> None:
    course, path = tiny
    path.write_text(f'{path.read_text()}[late]\nlate_days = 2\npenalty_per_day = 0.1\ncap = 0.5\n[late.due]\n{PART} = 2026-10-01T14:00:00+02:00\n'
                    f'{READING} = "2026-10-08T12:00:00Z"\n')
    policy = read_policy(course, path)
    assert policy == Policy({PART: DUE, READING: DUE + timedelta(days=7)}, 2, 0.1, 0.5)
    assert (policy.due_of(PART, READING), policy.due_of(PART, SUMS), policy.due_of("part2", "x")) == (READING, PART, None)


@pytest.mark.parametrize(("text", "says"), [
    ("late_days = -1\n[late.due]\n", "late_days in .late. must be a whole number"),
    ("late_days = true\n[late.due]\n", "late_days in .late. must be a whole number"),
    ("penalty_per_day = 10\n[late.due]\npart1_numbers = 2026-10-01T12:00:00Z\n", "penalty_per_day in .late. must be a share from 0 to 1"),
    ('cap = "half"\n[late.due]\npart1_numbers = 2026-10-01T12:00:00Z\n', "cap in .late. must be a share"),
    ("days = 3\n", "not days"),
    ("late_days = 3\n", "has no due dates"),
    ("[late.due]\npart1_numbers = 2026-10-01T12:00:00\n", "a time with its zone"),
    ("[late.due]\npart1_numbers = 2026-10-01\n", "a time with its zone"),
    ('[late.due]\npart1_numbers = "tomorrow"\n', "a time with its zone"),
    ("[late.due]\npart9 = 2026-10-01T12:00:00Z\n", "names part9; the course has p1_1_sums"),
])
def test_mistakes_name_the_key(text: str, says: str, tiny: tuple[Course, Path]) -> None:
    course, path = tiny
    path.write_text(f"{path.read_text()}[late]\n{text}")
    with pytest.raises(CourseError, match=says):
        read_policy(course, path)


def hand_in(folders: Folders, part: str = "part1", **hours: float | None) -> None:
    """Lessons by hours after the due date; None: the LMS only marked it as late."""
    rows = {lesson: {"answered": ["x"], **({"late": True} if value is None else {"submitted_at": (DUE + timedelta(hours=value)).isoformat()})}
            for lesson, value in hours.items()}
    write_json(folders.intake / "ada" / f"{part}.json", {"lessons": rows})


def late(folders: Folders, policy: Policy, **options: dict[str, timedelta]) -> dict[str, Lateness]:
    return {lesson: found for (_, lesson), found in lateness(policy, folders, "ada", **options).items()}


def test_every_day_begun_counts_up_to_the_cap(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    hand_in(folders, early=-1, minute=0.02, day=24, two=24.1, month=700, marked=None)
    found = late(folders, Policy({"part1": DUE}, 0, 0.1, 0.5))
    assert {name: (row.days, row.share) for name, row in found.items()} == {
        "minute": (1, 0.1), "day": (1, 0.1), "two": (2, 0.2), "month": (30, 0.5), "marked": (1, 0.1)}
    assert found["marked"].guessed
    assert str(found["two"]) == "2 days late, 20% taken off"


def test_late_days_are_spent_on_what_is_due_first_and_shared_by_a_part(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    hand_in(folders, "part2", c=24 * 10 + 1)  # due a week later than part 1: 4 days late
    hand_in(folders, "part1", a=1, b=25)  # 1 and 2 days late
    policy = Policy({"part1": DUE, "part2": DUE + timedelta(days=7)}, 3, 0.1, 1.0)
    found = late(folders, policy)
    assert {name: (row.days, row.covered, row.share) for name, row in found.items()} == {"a": (1, 1, 0), "b": (2, 2, 0), "c": (4, 1, 0.3)}
    assert str(found["c"]) == "4 days late, 1 covered by late days, 30% taken off"


def test_untouched_work_spends_no_late_days_and_extensions_count(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    hand_in(folders, a=30)
    policy = Policy({"part1": DUE}, 0, 0.1, 1.0)
    assert late(folders, policy, extensions={"part1": timedelta(days=1)})["a"].days == 1
    assert late(folders, policy, extensions={"part1": timedelta(days=2)}) == {}
    write_json(folders.intake / "ada" / "part1.json", {"lessons": {"a": {"answered": [], "late": True}, "b": {"answered": ["x"], "submitted_at": "?"}}})
    assert late(folders, policy) == {}
