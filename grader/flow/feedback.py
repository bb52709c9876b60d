"""Feedback for learners: nbgrader's page of every graded notebook with the cards in it, an index page, and a zip to hand back."""
from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

from grader.course import Course, load_course
from grader.flow.export import GradeRow, grade_rows, late_work
from grader.flow.feedback_page import POLICY, finished, with_name
from grader.flow.late import read_policy
from grader.flow.nbgrader_course import FlowError, NbgraderCourse
from grader.folders import read_json, write_whole

__all__ = ["feedback", "graded_parts", "index_pages", "with_name", "zips"]
WHEN = (1980, 1, 1, 0, 0, 0)  # in every zip, so that the same pages make the same file
STYLE = ("body{font:16px/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;max-width:760px;margin:2rem auto;padding:0 1rem}"
         "table{border-collapse:collapse}th,td{text-align:left;padding:.3rem 1.2rem .3rem 0;border-bottom:1px solid #ddd}")


def feedback(course: NbgraderCourse, *, students: tuple[str, ...] = (), parts: tuple[str, ...] = (), hints: int = 2,
             tick: Callable[[], None] = lambda: None) -> tuple[list[Path], dict[str, str]]:
    """Write the pages of every graded part. Returns the pages, and what went wrong by student and part.

    A card keeps `hints` of its three hints, and none where nothing was attempted.
    """
    pages: list[Path] = []
    problems: dict[str, str] = {}
    titles = {exercise.id: exercise.title for exercise in load_course().exercises}
    for folder in graded_parts(course, students=students, parts=parts):
        student, part = folder.parent.name, folder.name
        try:
            course.feedback(student, part)
        except FlowError as error:
            problems[f"{student}/{part}"] = f"no feedback could be made ({error}); grade it again with --force"
        else:
            lessons = read_json(course.folders.verdicts / student / f"{part}.json").get("lessons", {})
            for page in sorted((course.folders.feedback / student / part).glob("*.html")):
                exercises = lessons.get(page.stem, {}).get("exercises", ())
                names = {row["grade_id"]: titles.get(row["exercise"], row["exercise"]) for row in exercises}
                text, taken = finished(page.read_text(encoding="utf-8"), page.stem, student, titles=names, hints=hints)
                write_whole(page, text)
                if taken:
                    problems[f"{student}/{part}/{page.stem}"] = (f"{taken} lines of hidden checks were in its output and were taken out; "
                                                                 "look at what this notebook printed")
                pages.append(page)
        tick()
    return pages, problems


def index_pages(course: NbgraderCourse, students: Iterable[str], table: Course | None = None) -> list[Path]:
    """A first page for each of these students: every lesson with its points and its page, and what was late."""
    table = table or load_course()
    policy, wanted = read_policy(table), set(students)
    rows = grade_rows(course, {exercise.id: exercise.title for exercise in table.exercises}, policy=policy)
    titles = {lesson.stem: lesson.title for lesson in table.lessons}
    late_by_student = late_work(course, policy)
    written = []
    for student in sorted(wanted):
        late = {lesson: str(found) for (_, lesson), found in late_by_student.get(student, {}).items()}
        path = course.folders.feedback / student / "index.html"
        write_whole(path, _index(table.title, student, [row for row in rows if row.student == student], titles, late, path.parent))
        written.append(path)
    return written


def zips(course: NbgraderCourse, students: Iterable[str]) -> list[Path]:
    """One zip for each of these students, with all that is to be handed back."""
    written = []
    for student in sorted(set(students)):
        folder, path = course.folders.feedback / student, course.folders.build / "feedback-zips" / f"{student}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*.html")):
                entry = zipfile.ZipInfo(f"{student}/{file.relative_to(folder).as_posix()}", WHEN)
                entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
                archive.writestr(entry, file.read_bytes())
        written.append(path)
    return written


def graded_parts(course: NbgraderCourse, *, students: tuple[str, ...] = (), parts: tuple[str, ...] = ()) -> list[Path]:
    """The folders that hold graded notebooks."""
    found = [folder for folder in sorted(course.folders.autograded.glob("*/*")) if any(folder.glob("*.ipynb"))]
    found = [folder for folder in found if not students or folder.parent.name in students]
    return [folder for folder in found if not parts or folder.name in parts]


def _index(title: str, student: str, rows: list[GradeRow], titles: dict[str, str], late: dict[str, str], folder: Path) -> str:
    lines = []
    for part, lesson in dict.fromkeys((row.part, row.lesson) for row in rows):
        mine = [row for row in rows if row.lesson == lesson]
        name, page = escape(titles.get(lesson, lesson)), folder / part / f"{lesson}.html"
        link = f"<a href='{escape(part)}/{escape(lesson)}.html'>{name}</a>" if page.exists() else name
        what = "not handed in" if all(row.verdict == "not submitted" for row in mine) else late.get(lesson, "")
        lines.append(f"<tr><td>{link}</td><td>{_points(mine)}</td><td>{escape(what)}</td></tr>")
    total = f"<p>Together: {_points(rows)} points.</p>" if rows else "<p>Nothing was graded yet.</p>"
    return (f"<!DOCTYPE html><html lang='en'><head>{POLICY}<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
            f"<title>{escape(title)} · {escape(student)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
            f"<p>Feedback for <b>{escape(student)}</b></p><table><thead><tr><th>lesson</th><th>points</th><th></th></tr></thead>"
            f"<tbody>{''.join(lines)}</tbody></table>{total}</body></html>\n")


def _points(rows: list[GradeRow]) -> str:
    earned, most = sum(row.counted for row in rows), sum(row.max for row in rows)
    return f"{round(earned, 2):g} of {round(most, 2):g}"
