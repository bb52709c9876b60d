"""Release parts: the gradebook learns their exercises and points, and `build/release/` keeps the pristine notebooks."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from grader.flow.nbgrader_course import FlowError, NbgraderCourse
from grader.folders import shown


@dataclass(frozen=True)
class Released:
    """One part as the gradebook now knows it."""

    part: str
    lessons: tuple[str, ...]
    exercises: int
    points: float


def release(course: NbgraderCourse, parts: Iterable[str], *, tick: Callable[[], None] = lambda: None) -> list[Released]:
    """Release these parts, again if need be. Raises FlowError that names the part."""
    done = []
    for part in parts:
        source = course.source / part
        if not list(source.glob("*.ipynb")):
            raise FlowError(f"{shown(source)} has no notebooks; run `grader build` first")
        try:
            course.generate(part)
        except FlowError as error:
            raise FlowError(_why_not(part, str(error), course)) from None
        done.append(_released(course, part))
        tick()
    return done


def _why_not(part: str, error: str, course: NbgraderCourse) -> str:
    if "submissions associated" in error:
        return (f"{part} has other lessons than before, and the gradebook already holds submissions, which nbgrader keeps as they are; "
                f"put {shown(course.folders.gradebook)} aside, or set HANDBOOK_BUILD to a new folder, and release again")
    return f"{part} could not be released: {error}; mend it and run `grader release {part}` again"


def _released(course: NbgraderCourse, part: str) -> Released:
    with course.gradebook() as gradebook:
        assignment = gradebook.find_assignment(part)
        cells = [cell for notebook in assignment.notebooks for cell in notebook.grade_cells]
        return Released(part, tuple(sorted(notebook.name for notebook in assignment.notebooks)), len(cells),
                        float(sum(cell.max_score for cell in cells)))
