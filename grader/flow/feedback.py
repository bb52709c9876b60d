"""Feedback pages: nbgrader's HTML of every graded notebook, with the cards in it."""
from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

from grader.flow.nbgrader_course import FlowError, NbgraderCourse
from grader.folders import write_whole


def feedback(course: NbgraderCourse, *, students: tuple[str, ...] = (), parts: tuple[str, ...] = (),
             tick: Callable[[], None] = lambda: None) -> tuple[list[Path], dict[str, str]]:
    """Write the pages of every graded part. Returns the pages, and what went wrong by student and part."""
    pages: list[Path] = []
    problems: dict[str, str] = {}
    for folder in graded_parts(course, students=students, parts=parts):
        student, part = folder.parent.name, folder.name
        try:
            course.feedback(student, part)
        except FlowError as error:
            problems[f"{student}/{part}"] = f"no feedback could be made ({error}); grade it again with --force"
        else:
            made = sorted((course.folders.feedback / student / part).glob("*.html"))
            for page in made:
                write_whole(page, with_name(page.read_text(encoding="utf-8"), page.stem, student))
            pages += made
        tick()
    return pages, problems


def with_name(page: str, stem: str, student: str) -> str:
    """The page with the student's name in its title and its heading."""
    for before, after in (("<title>", "</title>"), ("<h4>", " (Score")):
        page = page.replace(f"{before}{stem}{after}", f"{before}{stem} · {escape(student)}{after}", 1)
    return page


def graded_parts(course: NbgraderCourse, *, students: tuple[str, ...] = (), parts: tuple[str, ...] = ()) -> list[Path]:
    """The folders that hold graded notebooks."""
    found = [folder for folder in sorted(course.folders.autograded.glob("*/*")) if any(folder.glob("*.ipynb"))]
    found = [folder for folder in found if not students or folder.parent.name in students]
    return [folder for folder in found if not parts or folder.name in parts]
