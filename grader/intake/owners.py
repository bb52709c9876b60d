"""Whose file is it? From a folder's name, or from what an LMS puts in front of a file's name when it is downloaded."""
from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from grader.intake.pristine import Library
from grader.intake.walking import Entry

WRAPPERS = {"submitted", "submissions", "collected"}
_MOODLE = re.compile(r"_(\d+)_assignsubmission_")
_LATE = re.compile(r"_late_\d+_\d+_", re.I)
_CANVAS = re.compile(r"_(?:late_)?(\d+)_(\d+)$", re.I)
_COPY_OF = re.compile(r"^(?:copy of|kopie van|copie de|kopie von)\s+", re.I)
_UNSAFE = re.compile(r"[^\w.@-]+")


@dataclass(frozen=True)
class Owner:
    """A student as a file names them, with the LMS's number for them if there is one."""

    name: str
    number: str = ""


def owner_of(entry: Entry, library: Library, *, top: str = "") -> Owner | None:
    """The student whose file this is; None if neither folders nor the name tell."""
    folders = [folder for folder in entry.folders if not _is_wrapper(folder, library, top)]
    if folders:
        return _from_folder(folders[0], library)
    return _from_file(entry.name, library)


def naming_zip(entry: Entry, library: Library, *, top: str = "") -> str:
    """The zip after which this file's owner is called, if it is a zip and not a folder that tells."""
    for depth, folder in enumerate(entry.folders, 1):
        if not _is_wrapper(folder, library, top):
            path = "/".join(entry.folders[:depth])
            return path if path in entry.zips else ""
    return ""


def is_late(path: str) -> bool:
    """Whether the LMS marked a file as late in its name."""
    return bool(_LATE.search(path))


def owner_of_archive(name: str, library: Library) -> Owner | None:
    """The student after whom a single zip is named: `ada-part1_introduction.zip`, as `grader submit` makes it."""
    return _from_file(name, library) if library.part_in(name) or library.stem_in(name) else None


def common_top(entries: Iterable[Entry], library: Library) -> str:
    """The one folder around everything, if it is only a wrapping: students' folders or flat files are inside."""
    rows = list(entries)
    tops = {entry.folders[0] if entry.folders else "" for entry in rows}
    top = next(iter(tops)) if len(tops) == 1 else ""
    if not top or library.part_in(top) or library.stem_in(top):
        return ""
    below = [entry for entry in rows if len(entry.folders) == 1]
    if below:  # files directly inside: a wrapping if they carry students' names
        named = [entry for entry in below if library.stem_in(entry.name) or library.part_in(entry.name)]
        return top if len(named) == len(below) and all(_from_file(entry.name, library) for entry in below) else ""
    seconds = {entry.folders[1] for entry in rows}
    return "" if all(library.part_in(folder) for folder in seconds) else top


def student_ids(owners: Iterable[Owner]) -> dict[Owner, str]:
    """A name that is safe as a folder for every owner, and no two owners with the same one."""
    unique = sorted(set(owners), key=lambda owner: (owner.name, owner.number))
    wanted: dict[str, list[Owner]] = defaultdict(list)
    for owner in unique:
        wanted[safe_name(owner.name)].append(owner)
    ids: dict[Owner, str] = {}
    for name, same in wanted.items():
        for owner in same:
            plain = len(same) == 1 or (not owner.number and owner.name == name)
            ids[owner] = name if plain else f"{name}-{owner.number or _digest(owner.name)}"
    return ids


def _is_wrapper(folder: str, library: Library, top: str) -> bool:
    return folder == top or folder.lower() in WRAPPERS or folder in library.parts or folder in library.by_stem


def _from_folder(folder: str, library: Library) -> Owner | None:
    """`Jane Doe_123_assignsubmission_file_` (Moodle), `doejane_12_34_part1_introduction` (Canvas), `jane`."""
    moodle = _MOODLE.search(folder)
    if moodle:
        return Owner(folder[: moodle.start()], moodle[1])
    if library.part_in(folder) or library.stem_in(folder):
        return _from_file(folder, library)
    return Owner(folder)


def _from_file(name: str, library: Library) -> Owner | None:
    """What stands in front of the lesson's or part's name: `doejane_late_12_34_p1_4_attention-1.ipynb` is doejane's.

    Moodle without folders writes `Jane Doe_123_assignsubmission_file_p1_4_attention.ipynb`.
    """
    moodle = _MOODLE.search(name)
    if moodle:
        return Owner(name[: moodle.start()], moodle[1])
    known = library.stem_in(name) or library.part_in(name)
    if known is None:
        bare = re.sub(r"(\.ipynb)?\.\w+$|\.ipynb$", "", name)
        return None if not bare or re.fullmatch(r"(?i)untitled.*|notebook.*", bare) else Owner(bare)
    front = _COPY_OF.sub("", name[: name.index(known)]).strip(" _-.")
    front = re.sub(r"(?i)[\s_-]*copy of$", "", front)
    canvas = _CANVAS.search(front)
    if canvas:
        return Owner(front[: canvas.start()], canvas[1])
    return Owner(front) if front else None


def safe_name(name: str) -> str:
    """Letters, digits, `_.@-`: what nbgrader, every file system and a CSV can hold."""
    safe = _UNSAFE.sub("-", unicodedata.normalize("NFC", name).strip()).strip(".-_")
    return safe[:80] or f"student-{_digest(name)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:6]
