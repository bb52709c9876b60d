"""Every bullet of the curriculum is taught and done somewhere, or belongs to a lesson that is not written yet."""
from __future__ import annotations

import tomllib

import pytest

from grader.course import load_course
from grader.paths import COURSE

TABLE = tomllib.loads((COURSE / "coverage.toml").read_text(encoding="utf-8"))
COVERED, PLANNED = TABLE["covered"], TABLE["planned"]
BULLETS = {1: 10, 2: 13, 3: 10, 4: 13, 5: 11, 6: 10, 7: 8, 8: 6}  # how many ids the curriculum gives each part
LESSONS = {1: 6, 2: 6, 3: 6, 4: 7, 5: 4, 6: 4, 7: 4, 8: 3}  # and how many lessons


def test_the_map_holds_every_bullet_once():
    ids = [*COVERED, *PLANNED]
    assert len(ids) == len(set(ids))
    assert {part: sum(name.startswith(f"{part}.") for name in ids) for part in BULLETS} == BULLETS


def test_nothing_is_planned_any_more_for_a_part_that_is_whole():
    whole = {part.stem.split("_")[0].removeprefix("part") for part in load_course().parts
             if len(part.lessons) == LESSONS.get(int(part.stem.split("_")[0].removeprefix("part")))}
    assert "1" in whole
    assert not [name for name in PLANNED if name.split(".")[0] in whole]


@pytest.mark.parametrize("bullet", COVERED)
def test_a_covered_bullet_has_a_lesson_that_says_so_and_an_exercise(bullet):
    lessons = {lesson.stem: lesson for lesson in load_course().lessons}
    row = COVERED[bullet]
    assert row["lessons"]
    assert row["exercises"]
    exercises = {exercise.id for stem in row["lessons"] for exercise in lessons[stem].exercises}
    assert set(row["exercises"]) <= exercises
    assert all(bullet in lessons[stem].covers for stem in row["lessons"])


def test_a_lesson_claims_nothing_that_the_map_does_not_know():
    for lesson in load_course().lessons:
        assert {bullet for bullet, row in COVERED.items() if lesson.stem in row["lessons"]} == set(lesson.covers)
