"""The course as data: parts, lessons and exercises, read from `course/course.toml` and the tables beside the lessons."""
from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.paths import COURSE


class CourseError(Exception):
    """The course's tables are wrong, or a name is not in them. The message says what to do next."""


@dataclass(frozen=True)
class ExerciseInfo:
    """One exercise: what it is worth, how hard it is, and its three hints (question, pointer, near-answer)."""

    id: str
    lesson: str
    title: str
    points: float
    difficulty: int
    hints: tuple[str, ...]

    @property
    def stars(self) -> str:
        return "★" * self.difficulty + "☆" * (3 - self.difficulty)


@dataclass(frozen=True)
class Lesson:
    """One notebook."""

    stem: str
    part: str
    title: str
    minutes: int
    needs: str
    covers: tuple[str, ...]
    exercises: tuple[ExerciseInfo, ...]
    path: Path


@dataclass(frozen=True)
class Part:
    """One folder of lessons; for nbgrader, one assignment."""

    stem: str
    title: str
    lessons: tuple[Lesson, ...]


@dataclass(frozen=True)
class Course:
    """Everything that is taught, in order."""

    title: str
    repository: str
    branch: str
    parts: tuple[Part, ...]

    @property
    def lessons(self) -> tuple[Lesson, ...]:
        return tuple(lesson for part in self.parts for lesson in part.lessons)

    @property
    def exercises(self) -> tuple[ExerciseInfo, ...]:
        return tuple(exercise for lesson in self.lessons for exercise in lesson.exercises)


@functools.cache
def load_course(folder: Path = COURSE) -> Course:
    """Read the whole course. Raises CourseError if a table is missing, misspelt or doubled."""
    table = _read(folder / "course.toml")
    parts = tuple(_load_part(folder / stem) for stem in table["parts"])
    course = Course(table["title"], table["repository"], table["branch"], parts)
    ids = [exercise.id for exercise in course.exercises]
    doubled = sorted({name for name in ids if ids.count(name) > 1})
    if doubled:
        raise CourseError(f"exercise ids must be unique; these are not: {', '.join(doubled)}")
    return course


def find_exercise(name: str) -> ExerciseInfo:
    """The exercise with this id. Raises CourseError that names the nearest ids."""
    for exercise in load_course().exercises:
        if exercise.id == name:
            return exercise
    raise CourseError(_unknown("exercise", name, [exercise.id for exercise in load_course().exercises]))


def find_lesson(stem: str) -> Lesson:
    """The lesson with this stem (`p1_4_attention`). Raises CourseError that names the nearest stems."""
    for lesson in load_course().lessons:
        if lesson.stem == stem:
            return lesson
    raise CourseError(_unknown("lesson", stem, [lesson.stem for lesson in load_course().lessons]))


def _unknown(what: str, name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"there is no {what} {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else "; `grader status` lists them")


def _load_part(folder: Path) -> Part:
    table = _read(folder / "part.toml")
    lessons = tuple(_load_lesson(folder, stem) for stem in table["lessons"])
    return Part(folder.name, table["title"], lessons)


def _load_lesson(folder: Path, stem: str) -> Lesson:
    path = folder / f"{stem}.toml"
    table = _read(path)
    try:
        lesson = table["lessons"][stem]
        exercises = tuple(_exercise(name, row, path) for name, row in table.get("exercises", {}).items())
        return Lesson(stem, folder.name, lesson["title"], lesson["minutes"], lesson["needs"], tuple(lesson["covers"]),
                      exercises, folder / f"{stem}.py")
    except KeyError as missing:
        raise CourseError(f"{path.name} lacks {missing}") from None


def _exercise(name: str, row: dict[str, Any], path: Path) -> ExerciseInfo:
    hints = tuple(row["hints"])
    if len(hints) != 3 or row["difficulty"] not in (1, 2, 3):
        raise CourseError(f"{path.name}: {name} needs three hints and a difficulty of 1, 2 or 3")
    return ExerciseInfo(name, row["lesson"], row["title"], float(row["points"]), row["difficulty"], hints)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{path} is missing") from None
    except tomllib.TOMLDecodeError as error:
        raise CourseError(f"{path} is not valid TOML: {error}") from None
