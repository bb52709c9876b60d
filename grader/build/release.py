"""Learners' notebooks from solved ones, by nbgrader's own generate step. The gradebook learns of them at `grader release`."""
from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path

from grader.build.layout import BuildError
from grader.build.notebook import Notebook, dumps
from grader.build.outputs import without_outputs
from grader.lesson import STUB, Cell


def release(part: str, notebooks: dict[str, Notebook]) -> dict[str, str]:
    """Let nbgrader make the learners' notebooks of a part; return their texts by stem."""
    with tempfile.TemporaryDirectory(prefix="course-") as name:
        work = Path(name).resolve()
        source = work / "source" / part
        source.mkdir(parents=True)
        for stem, notebook in notebooks.items():
            (source / f"{stem}.ipynb").write_text(dumps(without_outputs(notebook)), encoding="utf-8")
        _generate(work, part)
        made = {path.stem: path.read_text(encoding="utf-8") for path in sorted((work / "release" / part).glob("*.ipynb"))}
    if made.keys() != notebooks.keys():
        raise BuildError(f"{part}: nbgrader made {sorted(made)} of {sorted(notebooks)}; build again")
    return made


def _generate(work: Path, part: str) -> None:
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    from grader.flow.nbgrader_course import quiet

    config = Config()
    config.CourseDirectory.root = str(work)
    config.CourseDirectory.source_directory = "source"
    config.CourseDirectory.release_directory = "release"
    config.GenerateAssignment.no_database = True
    config.SaveCells.enabled = False
    config.ClearSolutions.code_stub = {"python": STUB}
    config.Exchange.root = str(work / "exchange")
    config.NbGraderAPI.log_level = logging.ERROR
    with quiet():
        result = NbGraderAPI(config=config).generate_assignment(part, force=True, create=True)
    if not result["success"]:
        log = (result.get("log") or result.get("error") or "").strip()
        raise BuildError(f"{part}: nbgrader could not make the learners' notebooks; mend what it names and build again\n\n{log[-2000:]}")


def leaks(cells: list[Cell], text: str, *, shortest: int = 24) -> list[str]:
    """Lines of the answers that can be read in a learner's notebook. Shorter lines and those of the stubs don't count."""
    answers, visible = set[str](), set[str]()
    for cell in cells:
        inside = False
        for line in cell.source.split("\n"):
            mark = line.strip()
            if mark in ("### BEGIN SOLUTION", "### END SOLUTION"):
                inside = mark == "### BEGIN SOLUTION"
            elif cell.kind == "exercise":
                (answers if inside else visible).add(mark)
    return sorted(line for line in answers - visible if len(line) >= shortest and _quoted(line) in text)


def _quoted(line: str) -> str:
    return json.dumps(line, ensure_ascii=False)[1:-1]
