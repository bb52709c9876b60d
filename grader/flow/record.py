"""Write what a worker found out into nbgrader's gradebook and folders, as nbgrader's own autograder would."""
from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grader.fleet.bundle import Result
from grader.fleet.session import ENDED as CELL_ENDED
from grader.flow.verdicts import ENDED, STOPPED, ExerciseVerdict
from grader.folders import write_whole
from grader.intake.pristine import PristineCell, pristine_from
from grader.judge.outcome import Outcome
from grader.plain_text import one_line

MAX_LINES = 500  # of one cell's output, as LimitOutput in nbgrader_config.py
NO_RESPONSE = "No response."  # nbgrader's own words for an untouched answer


def graded_notebook(table: dict[str, Any], stem: str, part: str, result: Result, provenance: dict[str, Any]) -> dict[str, Any]:
    """The submitted notebook with what its cells printed and with the cards of its checks. It is `table` itself, changed."""
    graded = table
    graded.setdefault("metadata", {})["handbook"] = provenance
    count = 0
    for cell, row in zip(pristine_from(table, stem, part).cells, graded["cells"], strict=True):
        if row["cell_type"] != "code":
            continue
        outputs = _outputs(cell, result)
        if outputs is not None:
            count += 1
        row["outputs"], row["execution_count"] = outputs or [], count if outputs is not None else None
        for output in row["outputs"]:
            if output["output_type"] == "execute_result":
                output["execution_count"] = count
    return graded


def _outputs(cell: PristineCell, result: Result) -> list[dict[str, Any]] | None:
    if cell.kind == "check":
        judged = result.exercises.get(cell.exercise or "")
        if judged is None:
            return None
        data = {"text/html": judged["html"], "text/plain": judged["plain"]}
        return [{"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}]
    said = result.cells.get(cell.id)
    if said is None:
        return None
    outputs: list[dict[str, Any]] = []
    if said["printed"]:
        outputs.append({"output_type": "stream", "name": "stdout", "text": _cut(said["printed"])})
    if said["kind"]:
        name = ENDED if said["kind"] == CELL_ENDED else said["kind"]
        outputs.append({"output_type": "error", "ename": name, "evalue": said["text"], "traceback": [f"{name}: {said['text']}"]})
    return outputs


def _cut(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return text if len(lines) <= MAX_LINES else "".join([*lines[:MAX_LINES], "[the rest of the output was left out]\n"])


def verdicts_of(stem: str, part: str, table: dict[str, Any], result: Result) -> list[ExerciseVerdict]:
    """How each exercise ended, in words."""
    found = []
    notebook = pristine_from(table, stem, part)
    for cell in notebook.cells:
        if cell.kind == "check" and cell.exercise in result.exercises:
            answer = notebook.answers.get(cell.exercise)
            said = result.cells.get(answer.id, {}) if answer else {}
            if said.get("kind") == CELL_ENDED:
                found.append(ExerciseVerdict(cell.exercise, cell.grade_id, STOPPED, said["text"]))
            else:
                found.append(_in_words(cell.exercise, cell.grade_id, result.exercises[cell.exercise]["verdict"]))
    return found


def _in_words(exercise: str, grade_id: str, verdict: dict[str, Any]) -> ExerciseVerdict:
    ending = verdict["outcome"]
    if ending in (Outcome.PASSED.value, Outcome.NOT_ATTEMPTED.value):
        return ExerciseVerdict(exercise, grade_id, ending, "")
    checks = verdict["checks"]
    missed = [check for check in checks if check["outcome"] != Outcome.PASSED.value]
    said = f"{len(checks) - len(missed)} of {len(checks)} checks passed; not this one: {missed[0]['sentence']}" if missed else ""
    note = verdict["note"].removeprefix("Your answer's cell stops with an error: ")
    if missed and ending in (Outcome.LEARNER_ERROR.value, Outcome.TOO_SLOW.value):
        note = note or missed[0]["problem"]
    return ExerciseVerdict(exercise, grade_id, ending, one_line(verdict["mistake"] or note), said)


class Recorder:
    """The one writer of a run: an open gradebook."""

    def __init__(self, gradebook: Any) -> None:
        self.gradebook = gradebook
        self.known: set[tuple[str, str]] = set()  # submissions that are in the gradebook

    def _with_cells(self, kind: Any, notebook: Any) -> list[Any]:
        """The notebook's grades or comments, with the cells that name them, in one query instead of one each."""
        from sqlalchemy.orm import joinedload

        query = self.gradebook.db.query(kind).filter(kind.notebook_id == notebook.id).options(joinedload(kind.cell))
        return list(query.all())

    def scores(self, student: str, part: str, stem: str, points: dict[str, float | None], comments: dict[str, str | None],
               review: Iterable[str] = ()) -> None:
        """Record points by grade_id (None: it needs a person), comments by grade_id of the answers, and what to review.

        A score that was set by hand stays; as in nbgrader, such a cell is then marked for another look.
        """
        from nbgrader.api import Comment, Grade

        if (student, part) not in self.known:
            self.gradebook.update_or_create_student(student)
            self.gradebook.update_or_create_submission(part, student)
            self.known.add((student, part))
        notebook = self.gradebook.find_submission_notebook(stem, part, student)
        marked = set(review)
        for grade in self._with_cells(Grade, notebook):
            if grade.name in points:
                grade.auto_score = points[grade.name]
                grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None or grade.name in marked
        for comment in self._with_cells(Comment, notebook):
            if comment.name in comments:
                comment.auto_comment = comments[comment.name]
        self.gradebook.db.commit()


def write_graded(path: Path, table: dict[str, Any]) -> None:
    """Write an autograded notebook: on one line, because thousands are written and programs read them."""
    write_whole(path, json.dumps(table, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace"))
