"""Find every file in a folder or zip of submissions. Nothing is unpacked to disk, and no path can leave the archive."""
from __future__ import annotations

import functools
import io
import os
import stat
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.intake.archive import is_plain_file
from grader.intake.finding import Finding
from grader.intake.reading import MAX_FILE

MAX_DEPTH = 3  # zips in zips
MAX_MEMBERS = 20_000
SKIPPED = {"__MACOSX", "__pycache__"}


@dataclass(frozen=True)
class Entry:
    """One file that was handed in. `folders` are those above it; a zip counts as a folder with its own name.

    `zips` says which of the folders above, by their paths, are zips.
    """

    folders: tuple[str, ...]
    name: str
    modified: float
    read: Callable[[], bytes]
    zips: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return "/".join((*self.folders, self.name))


def walk(root: Path) -> tuple[list[Entry], list[Finding]]:
    """All files below a folder or in a zip, zips within included, in a fixed order."""
    entries: list[Entry] = []
    findings: list[Finding] = []
    for entry in _entries(root, findings):
        entries.append(entry)
        if len(entries) >= MAX_MEMBERS:
            text = f"there are more than {MAX_MEMBERS} files; the rest was not read: hand over fewer at a time"
            findings.append(Finding.error(root.name, text))
            break
    return sorted(entries, key=lambda entry: entry.path), findings


def _entries(root: Path, findings: list[Finding]) -> Iterator[Entry]:
    if root.is_dir():
        return _folder_entries(root, findings)
    if ".ipynb" in root.name.lower():
        return iter([Entry((), root.name, root.stat().st_mtime, functools.partial(_read_file, root))])
    return _zip_entries(root.name, (), root, 1, findings)


def _folder_entries(root: Path, findings: list[Finding]) -> Iterator[Entry]:
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        above = Path(place).relative_to(root).parts
        if above and not folders and all(name.startswith(".") for name in names):
            findings.append(Finding.warning("/".join(above), "this folder is empty; nothing was collected from it"))
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith("."):
                continue
            if path.is_symlink():
                findings.append(Finding.warning("/".join((*above, name)), "this is a link; it was not followed"))
            elif not is_plain_file(path):
                findings.append(Finding.warning("/".join((*above, name)), "this is a pipe, a socket or a device; it was not opened"))
            elif name.lower().endswith(".zip"):
                yield from _zip_entries(name, (*above, name[:-4]), path, 1, findings)
            else:
                yield Entry(above, name, path.stat().st_mtime, functools.partial(_read_file, path))


def _expand(
    name: str, above: tuple[str, ...], read: Callable[[], bytes], depth: int, findings: list[Finding],
    zips: tuple[str, ...],
) -> Iterator[Entry]:
    where = "/".join((*above, name))
    if depth > MAX_DEPTH:
        findings.append(Finding.error(where, "zips are nested too deeply; not read: unpack it first"))
        return
    try:
        data = read()
    except OSError as error:
        findings.append(Finding.error(where, f"this zip can't be read ({error}); not read: ask for it again"))
        return
    yield from _zip_entries(name, (*above, name[:-4]), io.BytesIO(data), depth, findings, zips)


def _zip_entries(
    name: str, above: tuple[str, ...], file: Path | io.BytesIO, depth: int, findings: list[Finding],
    zips: tuple[str, ...] = (),
) -> Iterator[Entry]:
    where = "/".join((*above, "")) if above else f"{name}/"
    zips = (*zips, "/".join(above)) if above else zips
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError):
        findings.append(Finding.error("/".join((*above[:-1], name)), "the zip is damaged or not a zip; not read: ask for it again"))
        return
    for member in archive.infolist():
        parts, problem = _member(member)
        if problem:
            findings.append(Finding.error(where + member.filename[:200], problem))
        elif parts and not any(part.startswith(".") or part in SKIPPED for part in parts):
            reader = _reader(archive, member)
            if parts[-1].lower().endswith(".zip"):
                yield from _expand(parts[-1], (*above, *parts[:-1]), reader, depth + 1, findings, zips)
            else:
                yield Entry((*above, *parts[:-1]), parts[-1], _modified(member), reader, zips)


def _member(member: zipfile.ZipInfo) -> tuple[tuple[str, ...], str]:
    """The path of a member below the archive, or why it is refused."""
    if member.is_dir():
        return (), ""
    name = member.filename.replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or (parts and ":" in parts[0][:2]) or "\x00" in name:
        return (), "its path leads out of the zip; refused, the rest was read"
    if stat.S_ISLNK(member.external_attr >> 16):
        return (), "this is a link; it was not followed"
    if member.flag_bits & 1:
        return (), "this file is locked with a password; not read: ask for it again without one"
    return parts, ""


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE + 1)


def _reader(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        """At most one byte more than a file may have: reading.py says that it is too much."""
        try:
            with archive.open(member) as file:
                return file.read(MAX_FILE + 1)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError) as error:
            raise OSError(str(error)) from error

    return read


def _modified(member: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*member.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0
