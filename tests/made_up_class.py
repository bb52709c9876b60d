"""A graded class without any grading: a real nbgrader gradebook, verdicts, intake records and notebooks, all made up."""
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.flow.jobs import Job, job_fingerprint
from grader.flow.nbgrader_course import NbgraderCourse
from grader.folders import Folders, read_json, write_json
from grader.intake.pristine import Pristine, read_pristine
from tests.tiny_course import PART, SUMS

EXERCISES = {"sum-two": 2.0, "sum-all": 1.5}  # of the lesson p1_1_sums in tests/tiny_course.py
STUBS = {name: f"def {name.replace('-', '_')}(a):\n    # YOUR CODE HERE\n    raise NotImplementedError()" for name in EXERCISES}


@dataclass
class Answer:
    """How one exercise of one student ended, and what they wrote."""

    points: float = 0.0
    verdict: str = "failed"
    reason: str = ""
    source: str = ""
    manual: float | None = None
    review: bool = False
    card: str = ""


@dataclass
class MadeUpClass:
    """A class in a folder; `add` records one student's lesson as grading would."""

    root: Path
    lesson: str = SUMS
    exercises: dict[str, float] = field(default_factory=lambda: dict(EXERCISES))
    stubs: dict[str, str] = field(default_factory=lambda: dict(STUBS))

    def __post_init__(self) -> None:
        self.folders = Folders(self.root / "build")
        self.course = NbgraderCourse(self.folders)
        self.release(self.lesson, self.exercises)

    def release(self, lesson: str, exercises: dict[str, float]) -> Pristine:
        """Put a lesson into the gradebook and into build/release."""
        with self.course.gradebook() as gradebook:
            gradebook.update_or_create_assignment(PART)
            gradebook.update_or_create_notebook(lesson, PART)
            for name, points in exercises.items():
                gradebook.update_or_create_grade_cell(f"{name}-check", lesson, PART, max_score=points, cell_type="code")
                gradebook.update_or_create_solution_cell(name, lesson, PART)
        path = self.folders.release / PART / f"{lesson}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.notebook(dict.fromkeys(exercises, ""))))
        return read_pristine(path)

    def notebook(self, sources: dict[str, str], cards: dict[str, str] | None = None) -> dict[str, Any]:
        """A notebook with these answers (the stub where a source is empty) and these cards below the checks."""
        cells = [{"cell_type": "markdown", "id": "top", "metadata": {}, "source": "# Sums\n\n$a + b$"}]
        for name, source in sources.items():
            for grade_id, text, graded in ((name, source or self.stubs.get(name, "# YOUR CODE HERE"), False),
                                           (f"{name}-check", f'check("{name}")', True)):
                mark = {"grade": graded, "grade_id": grade_id, "locked": graded, "schema_version": 3, "solution": not graded, "task": False,
                        **({"points": self.exercises.get(name, 1.0), "cell_type": "code"} if graded else {})}
                html = (cards or {}).get(name, "") if graded else ""
                outputs = [{"output_type": "execute_result", "execution_count": 1, "metadata": {},
                            "data": {"text/plain": "0", "text/html": html}}] if html else []
                cells.append({"cell_type": "code", "id": grade_id, "metadata": {"nbgrader": mark}, "source": text,
                              "outputs": outputs, "execution_count": 1 if html else None})
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        return {"cells": cells, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}

    def add(self, student: str, answers: dict[str, Answer], *, status: str = "graded", lesson: str = "", intake: dict[str, Any] | None = None,
            record: dict[str, Any] | None = None, lms_id: str = "") -> None:
        """Record one lesson of one student: what was handed in, its verdicts, and its points in the gradebook."""
        lesson = lesson or self.lesson
        released = read_pristine(self.folders.release / PART / f"{lesson}.ipynb")
        place = Path(student) / PART / f"{lesson}.ipynb"
        for folder in (self.folders.submitted, self.folders.autograded) if status in ("graded", "untouched") else ():
            cards = {name: answer.card for name, answer in answers.items()} if folder == self.folders.autograded else {}
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_text(json.dumps(self.notebook({name: answer.source for name, answer in answers.items()}, cards)))
        row = {"source": f"{student}.ipynb", "source_sha256": hashlib.sha256(student.encode()).hexdigest(), "findings": [],
               "status": "rebuilt" if status == "graded" else status, "answered": [name for name, answer in answers.items() if answer.source],
               **(intake or {})}
        path = self.folders.intake / student / f"{PART}.json"
        table = read_json(path) or {"student": student, "part": PART, "lessons": {}, **({"lms_id": lms_id} if lms_id else {})}
        if status != "not submitted":
            table["lessons"][lesson] = row
        write_json(path, table)
        self._grades(student, lesson, answers)
        job = Job(student, PART, released, table["lessons"].get(lesson, {}), self.folders.submitted / place)
        path = self.folders.verdicts / student / f"{PART}.json"
        verdicts = read_json(path) or {"student": student, "part": PART, "lessons": {}}
        verdicts["lessons"][lesson] = {
            "status": status, "reason": "", "review": "", "fingerprint": job_fingerprint(job),
            "exercises": [{"exercise": name, "grade_id": f"{name}-check", "verdict": answer.verdict, "reason": answer.reason}
                          for name, answer in answers.items()], **(record or {})}
        write_json(path, verdicts)

    def _grades(self, student: str, lesson: str, answers: dict[str, Answer]) -> None:
        with self.course.gradebook() as gradebook:
            gradebook.update_or_create_student(student)
            gradebook.update_or_create_submission(PART, student)
            for name, answer in answers.items():
                grade = gradebook.find_grade(f"{name}-check", lesson, PART, student)
                grade.auto_score, grade.manual_score, grade.needs_manual_grade = answer.points, answer.manual, answer.review
            gradebook.db.commit()


def passed(points: float, source: str = "x = 1", **fields: Any) -> Answer:
    return Answer(points, "passed", source=source, **fields)


def failed(points: float = 0.0, reason: str = "", source: str = "x = 2", **fields: Any) -> Answer:
    return Answer(points, "failed", reason, source, **fields)


def nothing(verdict: str = "not submitted") -> dict[str, Answer]:
    return {name: Answer(0.0, verdict, "this notebook was not handed in" if verdict == "not submitted" else "no answer was written")
            for name in EXERCISES}
