"""What learners get: the course without its answers, its hidden checks and its own tests, as one zip."""
from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader import paths
from grader.course import Lesson, load_course
from grader.intake.rebuild import notebook_text
from grader.intake.released import pristine_of
from grader.lesson import read_lesson, stub_of

TOP = ("README.md", "LICENSE", "Makefile", "pyproject.toml", "constraints.txt", "environment.yml", "nbgrader_config.py", "course", "grader")
LEFT_OUT = ("grader/hidden",)
README = "course/site/bundle_readme.md"  # a learner's copy has its own
FOLDER = "llm-engineers-handbook"
PLACEHOLDER = "YOUR-ORG"
MODE = 0o644 << 16
SKIPPED = re.compile(r"^(?:__pycache__|\..*|.*\.(?:pyc|bak|egg-info))$")
LESSON = re.compile(r"^course/(?!handbook/)[^/]+/[^/]+\.py$")
FIXED_TIME = (2020, 1, 1, 0, 0, 0)  # the same course gives the same bytes
SHORTEST = 24  # characters from which a line of an answer is telling


class LeakError(Exception):
    """An answer can be read in what learners would get. The message names the file and the line."""


@dataclass(frozen=True)
class Bundle:
    """The zip that was written: where it is, its files, and the lessons in it."""

    path: Path
    files: tuple[str, ...]
    lessons: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "files": len(self.files), "lessons": list(self.lessons), "warnings": list(self.warnings)}


def bundle(path: Path) -> Bundle:
    """Write the learners' zip. Raises LeakError, and writes nothing, if an answer is in it."""
    lessons = [lesson for lesson in load_course().lessons if lesson.path.exists()]
    files = dict(sorted(contents(lessons).items()))
    for lesson in lessons:
        refuse_leaks(lesson, files)
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            member = zipfile.ZipInfo(f"{FOLDER}/{name}", FIXED_TIME)
            member.external_attr = MODE
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
    return Bundle(path, tuple(files), tuple(lesson.stem for lesson in lessons), _warnings())


def _warnings() -> tuple[str, ...]:
    if PLACEHOLDER not in load_course().repository:
        return ()
    return ("the Colab badges point at a placeholder: set `repository` in course/course.toml to where you publish the unpacked bundle, "
            "then run it again",)


def contents(lessons: list[Lesson]) -> dict[str, bytes]:
    """Every file of the bundle by its path: lesson files with stubs, notebooks as released, all else as it is."""
    files = {file.relative_to(paths.ROOT).as_posix(): file for name in TOP for file in _files(paths.ROOT / name)}
    found = {name: file.read_bytes() for name, file in files.items() if not name.startswith(LEFT_OUT)}
    if README in found:
        found["README.md"] = found.pop(README)
    for name in found:
        if LESSON.match(name):
            found[name] = stub_of(found[name].decode()).encode()
    for lesson in lessons:
        found[f"exercises/{lesson.part}/{lesson.stem}.ipynb"] = notebook_text(pristine_of(lesson).table).encode()
    start = paths.EXERCISES / "start.ipynb"
    if start.exists():
        found["exercises/start.ipynb"] = start.read_bytes()
    return found


def refuse_leaks(lesson: Lesson, files: dict[str, bytes]) -> None:
    """Raise LeakError if a line of this lesson's answers, or an answer's mark, is in a course file or a notebook."""
    telling = telling_lines(lesson)
    for name, data in files.items():
        if not name.startswith((f"course/{lesson.part}/", "exercises/")):
            continue
        text = data.decode("utf-8", "replace")
        if "### BEGIN SOLUTION" in text:
            raise LeakError(f"{name} still has an answer in it; see that its marks stand alone on their lines")
        lines = {line.strip().strip('",').removesuffix("\\n").replace('\\"', '"') for line in text.split("\n")}
        leaked = sorted(telling & lines)
        if leaked:
            raise LeakError(f"{name} shows a line of an answer of {lesson.stem}: {leaked[0]!r}; change the one or the other")


def telling_lines(lesson: Lesson) -> frozenset[str]:
    """Lines of the answers that are long enough to tell something and stand nowhere else in the lesson."""
    answers, visible = set[str](), set[str]()
    for cell in read_lesson(lesson.path):
        shown = {line.strip() for line in stub_of(cell.source).split("\n")}
        visible |= shown
        if cell.kind == "exercise":
            answers |= {line.strip() for line in cell.source.split("\n")} - shown
    marks = {"### BEGIN SOLUTION", "### END SOLUTION"}
    return frozenset(line for line in answers - visible - marks if len(line) >= SHORTEST)


def _files(place: Path) -> Iterator[Path]:
    """The files at or below a place, without caches, copies and hidden files."""
    if place.is_file():
        yield place
        return
    for child in sorted(place.iterdir()) if place.is_dir() else ():
        if not SKIPPED.match(child.name) and not child.is_symlink():
            yield from _files(child)
