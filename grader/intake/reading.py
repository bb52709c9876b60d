"""Read a learner's notebook from bytes. Whatever is in them, the answer is cells or findings, never an exception."""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from grader.intake.finding import Finding

MAX_FILE = 200 * 2**20  # bytes; a notebook with a 50 MB output is read, its outputs are dropped
MAX_SOURCE = 200_000  # characters of one cell
MAX_CELLS = 5_000
LOUD = 2**20  # bytes of outputs from which the report mentions that they were dropped


@dataclass(frozen=True)
class StudentCell:
    """One cell of a learner's file, reduced to what intake needs."""

    kind: str
    source: str
    id: str
    grade_id: str
    index: int
    count: int = 0  # the number that a run gave it; 0 if it was never run
    ours: bool = False  # tagged as a set-up or demonstration cell, perhaps of an older release


@dataclass(frozen=True)
class StudentNotebook:
    """A learner's file that could be read."""

    name: str
    cells: tuple[StudentCell, ...]


def read_notebook(data: bytes, name: str) -> tuple[StudentNotebook | None, list[Finding]]:
    """The cells of a notebook and what was odd about it; None if there is nothing to grade in it."""
    text, problem = _text(data)
    if problem:
        return None, [Finding.error(name, problem)]
    table, problem = _table(text)
    if problem:
        return None, [Finding.error(name, problem)]
    rows, problem = _rows(table)
    if problem:
        return None, [Finding.error(name, problem)]
    cells, findings = _cells(rows, name)
    outputs = len(data) - sum(len(cell.source) for cell in cells)
    if outputs > LOUD:
        size = f"the file is {len(data) / 2**20:.0f} MB, most of it outputs"
        findings.append(Finding.note(name, f"{size}; the outputs were left out, the answers were read"))
    return StudentNotebook(name, tuple(cells)), findings


def _text(data: bytes) -> tuple[str, str]:
    if not data.strip(b"\x00 \t\r\n"):
        return "", "the file is empty; not graded: ask for it again"
    if len(data) > MAX_FILE:
        return "", (f"the file is {len(data) / 2**20:.0f} MB, more than {MAX_FILE // 2**20} MB; "
                    "not graded: ask for it again with its outputs cleared")
    if data[:2] == b"PK" or data[:4] == b"%PDF":
        return "", "this is not a notebook but an archive or a PDF; not graded: ask for the .ipynb file"
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return data.decode(encoding), ""
        except UnicodeDecodeError as error:
            return "", f"the file is not text (byte {error.start} is not {encoding}); not graded: ask for it again"
    return "", ""


def _table(text: str) -> tuple[Any, str]:
    if text.lstrip()[:1] == "<":
        return None, "this is a web page under a notebook's name; not graded: ask for the .ipynb file (File > Download)"
    try:
        return json.loads(text), ""
    except RecursionError:
        return None, "the file is nested too deeply to be a notebook; not graded: ask for it again"
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated")
        where = "the file stops in the middle" if cut else f"the file is damaged at line {error.lineno}"
        return None, f"{where} ({error.msg}); not graded: ask for it again"
    except ValueError as error:
        return None, f"the file is damaged ({str(error)[:80]}); not graded: ask for it again"


def _rows(table: Any) -> tuple[list[Any], str]:
    """The cells of a notebook of any format that is or was in use."""
    if not isinstance(table, dict):
        return [], "this is JSON but not a notebook; not graded: ask for the .ipynb file"
    version = table.get("nbformat", 4)
    if isinstance(version, int) and version > 4:
        return [], f"the notebook says that it has format {version}, which is unknown; not graded: ask for format 4"
    cells = table.get("cells")
    if cells is None and isinstance(table.get("worksheets"), list):  # formats 2 and 3
        sheets = [sheet.get("cells") for sheet in table["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    if not isinstance(cells, list):
        return [], "this is JSON but not a notebook: it has no cells; not graded: ask for the .ipynb file"
    if not cells:
        return [], "the notebook has no cells; not graded: ask for it again"
    return cells, ""


def _cells(rows: list[Any], name: str) -> tuple[list[StudentCell], list[Finding]]:
    cells: list[StudentCell] = []
    dropped = len(rows[MAX_CELLS:])
    for index, row in enumerate(rows[:MAX_CELLS]):
        source = _source(row)
        if source is None or len(source) > MAX_SOURCE:
            dropped += 1
            continue
        metadata = row.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        mark = metadata.get("nbgrader")
        grade_id = mark.get("grade_id") if isinstance(mark, dict) else None
        name = str(row.get("id") or metadata.get("id") or "")
        count = row.get("execution_count")
        count = count if isinstance(count, int) else 0
        tags = metadata.get("tags")
        ours = isinstance(tags, list) and ("demo" in tags or "setup" in tags)
        cells.append(StudentCell(str(row.get("cell_type")), source, name, str(grade_id or ""), index, count, ours))
    if not dropped:
        return cells, []
    text = f"{dropped} cells are damaged or far too long; they were left out, the rest was read"
    return cells, [Finding.warning(name, text)]


def _source(row: Any) -> str | None:
    """The text of a cell, safe to write as UTF-8; None if the cell is damaged."""
    if not isinstance(row, dict):
        return None
    source = row.get("source", row.get("input", ""))
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    return source.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n")
