"""The build, step by step: solved notebooks, their outputs, learners' notebooks, and the manifest."""
from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from grader.build.execute import execute
from grader.build.layout import BuildError, Layout
from grader.build.lock import only_one
from grader.build.manifest import Measured, Row, read_manifest, update_manifest
from grader.build.notebook import Notebook, dumps, notebook_of
from grader.build.outputs import carry_over, without_outputs
from grader.build.release import leaks, release
from grader.build.sources import source_hash
from grader.course import Course, Lesson
from grader.folders import write_whole
from grader.lesson import LessonError, read_lesson


@dataclass(frozen=True)
class Options:
    """How to build. `run` False never starts a kernel; `afresh` runs lessons whose outputs are still good."""

    run: bool = True
    afresh: bool = False
    timeout: float = 600.0


@dataclass(frozen=True)
class Built:
    """What became of one lesson: "executed", "kept" (its outputs are still good), "bare" (no outputs) or "failed"."""

    stem: str
    how: str
    seconds: float = 0.0
    measured: Measured | None = None
    problem: str = ""


def build(layout: Layout, lessons: Iterable[Lesson], options: Options, *, tell: Callable[[Built], None] = lambda built: None) -> list[Built]:
    """Build lessons one after the other. A lesson that fails leaves its old notebooks and does not stop the others."""
    course = layout.load()
    results: list[Built] = []
    wanted = list(lessons)
    for lesson in wanted:
        started = time.perf_counter()
        try:
            how, measured = _solve(layout, course, lesson, options)
            result = Built(lesson.stem, how, time.perf_counter() - started, measured)
        except (BuildError, LessonError) as error:
            result = Built(lesson.stem, "failed", time.perf_counter() - started, problem=str(error))
        results.append(result)
        tell(result)
    good = {result.stem for result in results if result.how != "failed"}
    for part in dict.fromkeys(lesson.part for lesson in wanted if lesson.stem in good):
        try:
            publish(layout, course, part, proofread=good)
        except BuildError as error:
            results.append(Built(part, "failed", problem=str(error)))
            tell(results[-1])
    return results


def _solve(layout: Layout, course: Course, lesson: Lesson, options: Options) -> tuple[str, Measured | None]:
    """Write a lesson's solved notebook and its row of the manifest."""
    fresh = notebook_of(lesson, course)
    now = source_hash(layout, lesson)
    row = read_manifest(layout).get(lesson.stem, Row())
    path = layout.solution(lesson)
    if row.source == now and path.exists() and not options.afresh:
        carry_over(fresh, json.loads(path.read_text(encoding="utf-8")))
        how = "kept"
    elif options.run:
        fresh, measured = execute(fresh, lesson.stem, folder=path.parent, root=layout.root, timeout=options.timeout)
        how, row = "executed", Row(now, measured)
    else:
        how, row = "bare", Row("", row.measured)
    with_card = notebook_of(lesson, course, row.measured)
    carry_over(with_card, fresh)
    with only_one(layout.build / "build.lock"):
        write_whole(path, dumps(with_card))
        update_manifest(layout, {lesson.stem: row})
    return how, row.measured


def publish(layout: Layout, course: Course, part: str, *, proofread: set[str]) -> None:
    """Write the learners' notebooks of a part, from all of its solved ones, and the start page.

    Raises BuildError if an answer can be read in one of the `proofread` lessons.
    """
    lessons = [lesson for lesson in course.lessons if lesson.part == part and layout.solution(lesson).exists()]
    with only_one(layout.build / "build.lock"):
        notebooks: dict[str, Notebook] = {
            lesson.stem: json.loads(layout.solution(lesson).read_text(encoding="utf-8")) for lesson in lessons}
        texts = release(part, notebooks)
        for lesson in lessons:
            told = leaks(read_lesson(lesson.path), texts[lesson.stem]) if lesson.stem in proofread else []
            if told:
                raise BuildError(f"{lesson.stem}: lines of its answers stand where learners read them; change the one or the other:\n  "
                                 + "\n  ".join(told))
            write_whole(layout.exercise(lesson), texts[lesson.stem])
        write_whole(layout.start_page, start_page_text(course))


def prune(layout: Layout, course: Course) -> list[str]:
    """Delete built notebooks of lessons that the course no longer has; return what went."""
    wanted = {path for lesson in course.lessons for path in (layout.solution(lesson), layout.exercise(lesson))}
    gone = [path for folder in (layout.solutions, layout.exercises) for path in sorted(folder.glob("*/*.ipynb")) if path not in wanted]
    with only_one(layout.build / "build.lock"):
        for path in gone:
            path.unlink()
        update_manifest(layout, {}, keep={lesson.stem for lesson in course.lessons})
    return [path.relative_to(layout.root).as_posix() for path in gone]


def stale(layout: Layout, lessons: Iterable[Lesson]) -> list[str]:
    """What a build would change, as sentences; empty if the notebooks are what their sources say."""
    course = layout.load()
    rows = read_manifest(layout)
    problems: list[str] = []
    chosen = list(lessons)
    for lesson in chosen:
        row = rows.get(lesson.stem, Row())
        text = _text(layout.solution(lesson))
        if not text or dumps(without_outputs(json.loads(text))) != dumps(notebook_of(lesson, course, row.measured)):
            problems.append(f"{lesson.stem}: its solved notebook is not what its source says")
        elif row.source != source_hash(layout, lesson):
            problems.append(f"{lesson.stem}: its outputs were made from an older state of what it uses")
    for part in dict.fromkeys(lesson.part for lesson in chosen):
        problems += _stale_exercises(layout, course, [lesson for lesson in chosen if lesson.part == part], rows)
    if _text(layout.start_page) != start_page_text(course):
        problems.append("the start page is not what the course's tables say")
    return problems


def _stale_exercises(layout: Layout, course: Course, lessons: list[Lesson], rows: dict[str, Row]) -> list[str]:
    notebooks = {lesson.stem: notebook_of(lesson, course, rows.get(lesson.stem, Row()).measured) for lesson in lessons}
    texts = release(lessons[0].part, notebooks)
    return [f"{lesson.stem}: its notebook for learners is not what its source says" for lesson in lessons
            if _text(layout.exercise(lesson)) != texts[lesson.stem]]


def start_page_text(course: Course) -> str:
    """The text of the start page."""
    import nbformat

    from grader.build.start_page import start_page

    return str(nbformat.writes(start_page(course))) + "\n"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
