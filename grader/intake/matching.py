"""Find a learner's answers: by the cell's grade_id, then by its id, then by the names that it defines."""
from __future__ import annotations

from dataclasses import dataclass

from grader.intake.finding import Finding
from grader.intake.pristine import Pristine, PristineCell, defined_names
from grader.intake.reading import StudentCell, StudentNotebook
from grader.python_text import problem_of

AGAIN = "the last edited one in the notebook was graded"
EMPTIED = "the answer cell is empty; graded as not attempted"
DELETED = "the answer cell is missing; the original came back, graded as not attempted"


@dataclass(frozen=True)
class Answer:
    """What will be graded for one exercise. `cell` is None where the pristine stub comes back."""

    exercise: str
    cell: StudentCell | None
    how: str

    @property
    def attempted(self) -> bool:
        """Whether there is something of the learner's to grade."""
        return self.cell is not None


def match_answers(notebook: StudentNotebook, pristine: Pristine) -> tuple[dict[str, Answer], list[Finding]]:
    """The learner's answer to every exercise of the lesson, and what was odd about it."""
    answers: dict[str, Answer] = {}
    findings: list[Finding] = []
    for exercise, stub in pristine.answers.items():
        answer, messages = _match(stub, exercise, notebook, pristine)
        answers[exercise] = answer
        say = Finding.note if answer.attempted else Finding.warning
        findings += [say(notebook.name, text, exercise) for text in messages]
        problem = problem_of(answer.cell.source) if answer.cell else ""
        if problem:
            text = f"the answer is not valid Python ({problem}); it earns nothing, the other exercises are graded"
            findings.append(Finding.warning(notebook.name, text, exercise))
    return answers, findings


def _match(
    stub: PristineCell, exercise: str, notebook: StudentNotebook, pristine: Pristine
) -> tuple[Answer, list[str]]:
    own = [cell for cell in notebook.cells if _is(cell, stub)]
    others = [cell for cell in pristine.cells if cell is not stub]
    alike = [cell for cell in notebook.cells if cell.kind == "code" and cell not in own and stub.names
             and stub.names <= defined_names(cell.source) and not (own and any(_is(cell, other) for other in others))]
    mine, copies = _edited(own, stub), _edited(alike, stub)
    if mine:
        return Answer(exercise, mine[-1], _how(mine[-1], stub)), _said(own, mine, copies)
    if copies:
        why = "its own cell is untouched" if own else "its own cell or the cell's mark is missing"
        said = [f"{why}; the answer was found by the name {_names(stub)} and graded"]
        if len(copies) > 1:
            said.append(f"{len(copies)} cells define it; {AGAIN}")
        return Answer(exercise, copies[-1], "name"), said
    if own or alike:
        emptied = any(not cell.source.strip() for cell in own)
        return Answer(exercise, None, "untouched"), [EMPTIED] if emptied else []
    return Answer(exercise, None, "missing"), [DELETED]


def _is(cell: StudentCell, pristine: PristineCell) -> bool:
    """Whether a cell carries the mark or the id of a pristine cell. A mark outranks an id."""
    if cell.grade_id and pristine.grade_id:
        return cell.grade_id == pristine.grade_id
    return bool(cell.id) and cell.id == pristine.id


def _edited(cells: list[StudentCell], stub: PristineCell) -> list[StudentCell]:
    """The cells that hold an attempt: code that is not the stub, or text that is Python all the same."""
    untouched = stub.source.strip()
    return [cell for cell in cells if cell.source.strip() not in ("", untouched)
            and (cell.kind == "code" or not problem_of(cell.source))]


def _how(cell: StudentCell, stub: PristineCell) -> str:
    return "grade_id" if cell.grade_id == stub.grade_id else "id"


def _said(own: list[StudentCell], mine: list[StudentCell], copies: list[StudentCell]) -> list[str]:
    said = []
    if len(own) > 1:
        said.append(f"the answer cell is there {len(own)} times; {AGAIN}")
    if copies:
        said.append("another cell defines the same name; the exercise's own cell was graded")
    if mine[-1].kind != "code":
        said.append("the answer cell was turned into text; it was read as code and graded")
    return said


def _names(stub: PristineCell) -> str:
    return " and ".join(sorted(stub.names))
