"""Keep the best file of each lesson as `build/submitted/<student>/<part>/<lesson>.ipynb`, with a record of what was found."""
from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.folders import Folders, read_json, write_json, write_whole
from grader.intake.finding import Finding
from grader.intake.owners import is_late
from grader.intake.pristine import Pristine
from grader.intake.reading import read_notebook
from grader.intake.rebuild import Rebuilt, notebook_text, rebuild
from grader.intake.walking import Entry

MOVED = "the lesson was released anew after this was handed in; the answers were moved to the new notebook"
KEPT = "the new file can't be read; the one collected earlier stays and is graded: ask for the new one again"


@dataclass
class Candidate:
    """One file that was handed in: readable or not, and for which lesson."""

    entry: Entry
    digest: str
    findings: list[Finding]
    pristine: Pristine | None = None
    rebuilt: Rebuilt | None = None
    handed_in: str = ""

    @property
    def answers(self) -> dict[str, str]:
        """What the learner wrote, by exercise."""
        rows = self.rebuilt.answers.items() if self.rebuilt else ()
        return {name: answer.cell.source.strip() for name, answer in rows if answer.cell}


def store(
    student: str, candidates: Iterable[Candidate], folders: Folders, *, replace: bool = False, lms_id: str = ""
) -> dict[str, dict[str, Any]]:
    """Write the best file of every lesson and its record. Returns the records by part."""
    lessons: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.pristine is not None:
            lessons[candidate.pristine.part, candidate.pristine.stem].append(candidate)
    records = {}
    for part in dict.fromkeys(part for part, _ in lessons):
        path = folders.intake / student / f"{part}.json"
        record = read_json(path) or {"student": student, "part": part, "lessons": {}}
        record |= {"lms_id": lms_id} if lms_id else {}
        for stem in (name for where, name in lessons if where == part):
            place = folders.submitted / student / part / f"{stem}.ipynb"
            before = record["lessons"].get(stem)
            record["lessons"][stem] = _lesson(place, lessons[part, stem], before, replace=replace)
        write_json(path, record)
        records[part] = record
    return records


def _lesson(path: Path, candidates: list[Candidate], before: dict[str, Any] | None, *, replace: bool) -> dict[str, Any]:
    """Write the best file for a lesson and say which it was. An unreadable or emptier file never replaces a fuller one."""
    best = choose(candidates)
    heard = [candidate for candidate in candidates if candidate is best or candidate.rebuilt is None]
    findings = [finding for candidate in heard for finding in candidate.findings]
    others = [candidate for candidate in candidates if candidate is not best and candidate.rebuilt is not None]
    if others:
        names = ", ".join(candidate.entry.path for candidate in others)
        why = "the one with most answers, then the later one, was graded"
        text = f"there is more than one file for this lesson; {why}, not {names}"
        findings.append(Finding.warning(best.entry.path, text))
    there = before if before and before["status"] != "unreadable" and path.is_file() else None
    if best.rebuilt is None and there:
        return {**there, "findings": plain([*findings, Finding.error(best.entry.path, KEPT)])}
    if there and there.get("source_sha256") != best.digest:
        answered = set(best.rebuilt.answered) if best.rebuilt else set()
        lost = [name for name in there["answered"] if name not in answered]
        if len(answered) < len(there["answered"]) and not replace:
            said = [Finding.from_json(row) for row in there["findings"] if "--replace" not in row["message"]]
            return {**there, "findings": plain([*said, _emptier(best, len(answered), there)])}
        if lost:
            text = f"this file took the place of an earlier one that also answers {', '.join(lost)}; the earlier one is in build/received"
            findings.append(Finding.warning(best.entry.path, text))
    late: dict[str, Any] = {"late": True} if is_late(best.entry.path) else {}
    late |= {"submitted_at": best.handed_in} if best.handed_in else {}
    row = {"source": best.entry.path, "source_sha256": best.digest, "findings": plain(findings), **late}
    if best.rebuilt is None:
        return {**row, "status": "unreadable", "answered": []}
    write_whole(path, best.rebuilt.text())
    return {**row, **_rebuilt_row(best.rebuilt)}


def _emptier(best: Candidate, count: int, there: dict[str, Any]) -> Finding:
    text = (f"this file answers {count} exercises, the one collected earlier ({there['source']}) {len(there['answered'])}; "
            "the earlier one stays and is graded: collect again with --replace if the new one shall count")
    return Finding.error(best.entry.path, text)


def _rebuilt_row(rebuilt: Rebuilt) -> dict[str, Any]:
    answered = list(rebuilt.answered)
    return {"status": "rebuilt" if answered else "untouched", "answered": answered, "sha256": _sha256(rebuilt.text()),
            "released_sha256": _sha256(notebook_text(rebuilt.pristine.table))}


def refresh(folders: Folders, student: str, pristine: Pristine) -> dict[str, Any]:
    """The record of a collected lesson. If the lesson was released anew since, its answers move to the new notebook first."""
    record_path = folders.intake / student / f"{pristine.part}.json"
    record = read_json(record_path)
    row: dict[str, Any] = record.get("lessons", {}).get(pristine.stem, {})
    path = folders.submitted / student / pristine.part / f"{pristine.stem}.ipynb"
    if not path.is_file() or row.get("released_sha256") == _sha256(notebook_text(pristine.table)):
        return row
    notebook, _ = read_notebook(path.read_bytes(), path.name)
    if notebook is None:
        return row
    findings = [Finding.from_json(finding) for finding in row.get("findings", [])]
    rebuilt = rebuild(notebook, pristine, earlier=[*findings, Finding.note(path.name, MOVED)])
    write_whole(path, rebuilt.text())
    row = {**row, **_rebuilt_row(rebuilt), "findings": plain(rebuilt.findings)}
    record.setdefault("lessons", {})[pristine.stem] = row
    write_json(record_path, {"student": student, "part": pristine.part, **record})
    return row


def choose(candidates: Iterable[Candidate]) -> Candidate:
    """Of several files for one lesson: the one with most answers, then the later one, then the last by name."""

    def rank(candidate: Candidate) -> tuple[int, float, str]:
        answers = len(candidate.rebuilt.answered) if candidate.rebuilt else -1
        return answers, candidate.entry.modified, candidate.entry.path

    return max(candidates, key=rank)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def plain(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as plain data."""
    return [finding.as_json() for finding in findings]
