"""Release parts: the gradebook learns their exercises and points, and `build/release/` keeps the pristine notebooks."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from grader import paths
from grader.flow.nbgrader_course import FlowError, NbgraderCourse


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
            raise FlowError(f"{_shown(source)} has no notebooks; run `grader build` first")
        try:
            course.generate(part)
        except FlowError as error:
            text = f"{part} could not be released: {error}; mend it and run `grader release {part}` again"
            raise FlowError(text) from None
        done.append(_released(course, part))
        tick()
    return done


def _released(course: NbgraderCourse, part: str) -> Released:
    with course.gradebook() as gradebook:
        assignment = gradebook.find_assignment(part)
        cells = [cell for notebook in assignment.notebooks for cell in notebook.grade_cells]
        return Released(part, tuple(sorted(notebook.name for notebook in assignment.notebooks)), len(cells),
                        float(sum(cell.max_score for cell in cells)))


def _shown(path: Path) -> str:
    """A path as a reader knows it."""
    return path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else str(path)
