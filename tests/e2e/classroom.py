"""Submissions to a real lesson, made from its solved notebook and its known mistakes."""
from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader import paths
from grader.course import Lesson, load_course
from grader.intake.pristine import Pristine
from grader.intake.released import pristine_of
from grader.lesson import reference_of
from grader.mutation import Alternative, load_answers, run_source

Notebook = dict[str, Any]


def built_lessons() -> list[Lesson]:
    """The lessons of Part 1 that have a solved notebook."""
    part = load_course().parts[0]
    return [lesson for lesson in part.lessons if solution_path(lesson).is_file()]


def solution_path(lesson: Lesson) -> Path:
    return paths.SOLUTIONS / lesson.part / f"{lesson.stem}.ipynb"


@dataclass(frozen=True)
class Material:
    """One lesson: the notebook that learners get, our answers, and a known mistake for each exercise."""

    lesson: Lesson
    pristine: Pristine
    answers: dict[str, str]

    @classmethod
    def of(cls, lesson: Lesson) -> Material:
        solved = json.loads(solution_path(lesson).read_text(encoding="utf-8"))
        cells = {cell["id"]: reference_of("".join(cell["source"])) for cell in solved["cells"]}
        pristine = pristine_of(lesson)
        return cls(lesson, pristine, {name: cells[cell.id] for name, cell in pristine.answers.items()})

    def mistake(self, exercise: str) -> tuple[Alternative, str]:
        """A known mistake and its source, one that stands alone in a cell."""
        for answer in load_answers(self.lesson.stem):
            if answer.exercise != exercise or answer.right:
                continue
            source = answer.source(self.answers[exercise])
            try:
                run_source(source, "mistake.py")
            except Exception:  # it leans on helpers of the mutants' file; take the next one
                continue
            return answer, source
        raise LookupError(f"no known mistake of {exercise} stands alone")

    def notebook(self, answers: dict[str, str] | None = None) -> Notebook:
        """The learners' notebook with these answers written into it; all of ours by default."""
        table = copy.deepcopy(self.pristine.table)
        for cell in table["cells"]:
            cell["source"] = "".join(cell["source"])
            wanted = (self.answers if answers is None else answers).get(cell["id"])
            cell["source"] = cell["source"] if wanted is None else wanted
        return table


def place_of(table: Notebook, name: str) -> int:
    return next(place for place, cell in enumerate(table["cells"]) if cell["id"] == name)


def shuffled_cells(material: Material) -> Notebook:
    """The first answer twice (the first one wrong), the second answer deleted, the third's check and the set-up deleted."""
    first, second, third = list(material.answers)[:3]
    table = material.notebook()
    wrong = copy.deepcopy(table["cells"][place_of(table, first)])
    wrong["source"] = material.mistake(first)[1]
    table["cells"].insert(place_of(table, first), wrong)
    for name in (second, f"{third}-check", f"setup-{material.lesson.stem}"):
        del table["cells"][place_of(table, name)]
    return table


def saved_by_colab(material: Material) -> Notebook:
    """Right answers with all marks gone, ids in the metadata, and a helper in a cell of its own."""
    table = material.notebook()
    for cell in table["cells"]:
        cell["metadata"] = {"id": cell.pop("id"), "colab": {}}
    own = {"cell_type": "code", "metadata": {"id": "aBcDeFgH"}, "source": "helper_of_mine = 1", "outputs": [], "execution_count": 7}
    table["cells"].insert(2, own)
    table["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return table | {"nbformat_minor": 0}


def in_trouble(material: Material) -> Notebook:
    """One trouble an exercise: a deleted answer, a syntax error, an endless loop, 50 MB printed; and 50 MB of saved output."""
    first, second, third, fourth = list(material.answers)[:4]
    answers = dict(material.answers)
    answers[second] += "\nprint('never closed'"
    answers[third] = "while True:\n    pass\n" + answers[third]
    answers[fourth] += "\nfor _ in range(50):\n    print('x' * 1_000_000)"
    table = material.notebook(answers)
    table["cells"][place_of(table, fourth)]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 50_000_000}]
    del table["cells"][place_of(table, first)]
    return table


def dead_kernel(material: Material) -> Notebook:
    """The first answer ends the process when it is called, the rest is right."""
    first = next(iter(material.answers))
    return material.notebook(material.answers | {first: "import os\n" + material.answers[first] + "\nos._exit(1)"})
