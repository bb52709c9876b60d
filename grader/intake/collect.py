"""Take in what learners handed in: find out whose each file is, read it, keep the best of each lesson, and say what was odd."""
from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from grader.folders import Folders, write_json
from grader.intake.archive import keep
from grader.intake.finding import Finding
from grader.intake.owners import Owner, common_top, naming_zip, owner_of, owner_of_archive, student_ids
from grader.intake.pristine import Library, Pristine
from grader.intake.reading import read_notebook
from grader.intake.rebuild import rebuild
from grader.intake.storing import Candidate, plain, store
from grader.intake.times import handed_in, time_of
from grader.intake.walking import Entry, walk

NOT_NOTEBOOKS = {"manifest.json", "timestamp.txt"}
UNASSIGNED = "_unassigned"
NOBODY = (
    "nothing says whose file this is; not collected: put it into a folder with the student's name, "
    "or name the student with --student"
)
NO_NOTEBOOK = "no notebook is in this folder; nothing was collected from it"


@dataclass
class Collected:
    """What one collection brought: records by student and part, findings about files that belong to nobody, files passed over."""

    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    kept: Path | None = None
    renamed: list[str] = field(default_factory=list)

    @property
    def students(self) -> tuple[str, ...]:
        return tuple(sorted(self.records))

    def as_json(self) -> dict[str, Any]:
        """The collection as plain data."""
        return {"students": self.records, "findings": plain(self.findings), "ignored": self.ignored,
                "received": str(self.kept) if self.kept else None}


def collect(root: Path, library: Library, folders: Folders, *, student: str | None = None, replace: bool = False,
            rename: Mapping[str, str] | None = None, tick: Callable[[], None] = lambda: None) -> Collected:
    """Collect all submissions of a folder or zip, and keep them as received. Never raises for what is in them.

    Args: student says whose files they are, if neither folders nor names do; replace lets a file with fewer answers
    than the one collected earlier count; rename maps an id that is wrong to the right one; tick is called once a student.
    """
    entries, findings = walk(root)
    collected = Collected()
    collected.kept, unkept = keep(root, folders)
    collected.findings = findings + unkept
    times = handed_in(entries)
    whole = Owner(student) if student else owner_of_archive(root.name, library) if root.is_file() else None
    rows, top = _by_student(entries, library, whole, collected, rename or {})
    for name, own in rows.items():
        candidates = [candidate for entry in own if (candidate := read_candidate(entry, library)) is not None]
        read = {candidate.entry.path for candidate in candidates}
        collected.ignored += [entry.path for entry in own if entry.path not in read]
        if not candidates and own[0].folders:
            collected.findings.append(Finding.warning("/".join(own[0].folders), NO_NOTEBOOK))
        two = None if whole else _two_people(name, candidates, library, top)
        if two:
            collected.findings.append(two)
            continue
        collected.findings += [row for candidate in candidates if candidate.pristine is None for row in candidate.findings]
        for candidate in candidates:
            candidate.handed_in = time_of(candidate.entry, times)
        numbers = {owner.number for entry in own if (owner := owner_of(entry, library, top=top)) and owner.number}
        records = store(name, candidates, folders, replace=replace, lms_id=numbers.pop() if len(numbers) == 1 else "")
        collected.records |= {name: records} if records else {}
        tick()
    if collected.findings:
        write_json(folders.intake / f"{UNASSIGNED}.json", {"findings": plain(collected.findings)})
    return collected


def _two_people(student: str, candidates: list[Candidate], library: Library, top: str) -> Finding | None:
    """Several zips that carry one name, with answers that can't be stages of one person's work: whose they are is open."""
    answers: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for candidate in candidates:
        archive = naming_zip(candidate.entry, library, top=top)
        owner = owner_of(candidate.entry, library, top=top)
        if archive and candidate.pristine and not (owner and owner.number):  # an LMS's number vouches for the person
            stem = candidate.pristine.stem
            answers[archive] |= {(stem, exercise): text for exercise, text in candidate.answers.items()}
    stages = sorted(answers.values(), key=len)
    if all(earlier.items() <= later.items() for earlier, later in pairwise(stages)):
        return None
    zips = " and ".join(f"{name}.zip" for name in sorted(answers))
    text = (f"different submissions under the one name {student}; neither was collected, nothing was overwritten: "
            "put each into a folder with its student's name, or leave only the right one here")
    return Finding.error(zips, text)


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


def _by_student(entries: list[Entry], library: Library, whole: Owner | None, collected: Collected,
                rename: Mapping[str, str]) -> tuple[dict[str, list[Entry]], str]:
    """The entries of each student, in the order of the students' ids, and the folder around everything."""
    top = common_top(entries, library)
    owners: dict[Owner, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.name in NOT_NOTEBOOKS:
            continue
        owner = whole or owner_of(entry, library, top=top)
        if owner is None and not _may_be_notebook(entry, library):
            collected.ignored.append(entry.path)
            continue
        if owner is None:
            collected.findings.append(Finding.error(entry.path, NOBODY))
            continue
        owners[owner].append(entry)
    ids = student_ids(owners)
    rows: dict[str, list[Entry]] = defaultdict(list)
    for owner in sorted(owners, key=lambda owner: ids[owner]):
        rows[rename.get(ids[owner], ids[owner])] += owners[owner]
    collected.renamed = sorted(rename.keys() & set(ids.values()))
    for old in sorted(rename.keys() - set(ids.values())):
        collected.findings.append(Finding.error(f"--rename {old}={rename[old]}", f"no file here belongs to {old}; nothing was renamed"))
    return rows, top
