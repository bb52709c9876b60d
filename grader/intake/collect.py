"""Turn what learners handed in into `build/submitted/<student>/<part>/<lesson>.ipynb`, and record what was found."""
from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.folders import Folders, read_json, write_json, write_whole
from grader.intake.finding import Finding
from grader.intake.owners import Owner, common_top, owner_of, owner_of_archive, student_ids
from grader.intake.pristine import Library, Pristine
from grader.intake.reading import read_notebook
from grader.intake.rebuild import Rebuilt, notebook_text, rebuild
from grader.intake.walking import Entry, walk

NOT_NOTEBOOKS = {"manifest.json", "timestamp.txt"}
UNASSIGNED = "_unassigned"
NOBODY = (
    "nothing says whose file this is; not collected: put it into a folder with the student's name, "
    "or name the student with --student"
)
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


@dataclass
class Collected:
    """What one collection brought: records by student and part, and findings about files that belong to nobody."""

    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def students(self) -> tuple[str, ...]:
        return tuple(sorted(self.records))

    def as_json(self) -> dict[str, Any]:
        """The collection as plain data."""
        return {"students": self.records, "findings": _plain(self.findings)}


def collect(root: Path, library: Library, folders: Folders, *, student: str | None = None,
            tick: Callable[[], None] = lambda: None) -> Collected:
    """Collect all submissions of a folder or zip. Never raises for what is in it.

    Args: student says whose files they are, if neither folders nor names do; tick is called once a student.
    """
    entries, findings = walk(root)
    collected = Collected(findings=findings)
    whole = Owner(student) if student else owner_of_archive(root.name, library) if root.is_file() else None
    for name, rows in _by_student(entries, library, whole, collected).items():
        candidates = [candidate for entry in rows if (candidate := read_candidate(entry, library)) is not None]
        _store(name, candidates, library, folders, collected)
        tick()
    if collected.findings:
        write_json(folders.intake / f"{UNASSIGNED}.json", {"findings": _plain(collected.findings)})
    return collected


def read_candidate(entry: Entry, library: Library) -> Candidate | None:
    """Read one file and rebuild it on its lesson; None if it is no notebook and does not claim to be one."""
    if not _may_be_notebook(entry, library):
        return None
    try:
        data = entry.read()
    except OSError as error:
        problem = f"the file can't be read ({error}); not graded: ask for it again"
        return Candidate(entry, "", [Finding.error(entry.path, problem)], _by_name(entry, library))
    digest = hashlib.sha256(data).hexdigest()
    notebook, findings = read_notebook(data, entry.name)
    if notebook is None:
        return Candidate(entry, digest, findings, _by_name(entry, library))
    pristine, more = library.identify(notebook)
    findings += more
    if pristine is None:
        return Candidate(entry, digest, findings)
    rebuilt = rebuild(notebook, pristine, earlier=findings)
    return Candidate(entry, digest, list(rebuilt.findings), pristine, rebuilt)


def _may_be_notebook(entry: Entry, library: Library) -> bool:
    name = entry.name.lower()
    if entry.name in NOT_NOTEBOOKS or name.endswith((".html", ".md", ".png", ".jpg", ".csv")):
        return False
    claims = name.endswith((".json", ".txt", ".py", ".pdf")) or "." not in name
    return ".ipynb" in name or (claims and library.stem_in(entry.name) is not None)


def _by_name(entry: Entry, library: Library) -> Pristine | None:
    stem = library.stem_in(entry.name)
    return library.by_stem[stem] if stem else None


def _by_student(
    entries: list[Entry], library: Library, whole: Owner | None, collected: Collected
) -> dict[str, list[Entry]]:
    """The entries of each student, in the order of the students' ids."""
    top = common_top(entries, library)
    owners: dict[Owner, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.name in NOT_NOTEBOOKS:
            continue
        owner = whole or owner_of(entry, library, top=top)
        if owner is None:
            collected.findings.append(Finding.error(entry.path, NOBODY))
            continue
        owners[owner].append(entry)
    ids = student_ids(owners)
    return {ids[owner]: owners[owner] for owner in sorted(owners, key=lambda owner: ids[owner])}


def _store(student: str, candidates: list[Candidate], library: Library, folders: Folders, collected: Collected) -> None:
    lessons: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.pristine is None:
            collected.findings += candidate.findings
        else:
            lessons[candidate.pristine.part, candidate.pristine.stem].append(candidate)
    for part in dict.fromkeys(part for part, _ in lessons):
        path = folders.intake / student / f"{part}.json"
        record = read_json(path) or {"student": student, "part": part, "lessons": {}}
        for stem in (name for where, name in lessons if where == part):
            path_of_lesson = folders.submitted / student / part / f"{stem}.ipynb"
            record["lessons"][stem] = _lesson(path_of_lesson, lessons[part, stem], record["lessons"].get(stem))
        write_json(path, record)
        collected.records.setdefault(student, {})[part] = record


def _lesson(path: Path, candidates: list[Candidate], before: dict[str, Any] | None) -> dict[str, Any]:
    """Write the best file for a lesson and say which it was. An unreadable file never replaces a readable one."""
    best = choose(candidates)
    heard = [candidate for candidate in candidates if candidate is best or candidate.rebuilt is None]
    findings = [finding for candidate in heard for finding in candidate.findings]
    others = [candidate for candidate in candidates if candidate is not best and candidate.rebuilt is not None]
    if others:
        names = ", ".join(candidate.entry.path for candidate in others)
        why = "the one with most answers, then the later one, was graded"
        text = f"there is more than one file for this lesson; {why}, not {names}"
        findings.append(Finding.warning(best.entry.path, text))
    if best.rebuilt is None and before and before["status"] != "unreadable":
        return {**before, "findings": _plain([*findings, Finding.error(best.entry.path, KEPT)])}
    row = {"source": best.entry.path, "source_sha256": best.digest, "findings": _plain(findings)}
    if best.rebuilt is None:
        return {**row, "status": "unreadable", "answered": []}
    write_whole(path, best.rebuilt.text())
    return {**row, **_rebuilt_row(best.rebuilt)}


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
    row = {**row, **_rebuilt_row(rebuilt), "findings": _plain(rebuilt.findings)}
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


def _plain(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [finding.as_json() for finding in findings]
