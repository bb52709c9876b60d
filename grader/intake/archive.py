"""Keep every file as it was received, below `build/received/<time>/`: whatever is graded later, nothing is lost."""
from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from grader.folders import Folders, read_json, write_json
from grader.intake.finding import Finding

INDEX = "index.json"


def keep(root: Path, folders: Folders) -> tuple[Path | None, list[Finding]]:
    """Copy what is new in a folder, or one file, to `received/<time>/`. Returns that folder, if anything was new.

    A file that was kept before under the same path with the same bytes is not kept twice.
    """
    findings: list[Finding] = []
    if root.resolve().is_relative_to(folders.received.resolve()):
        return None, findings
    index = read_json(folders.received / INDEX)
    place = _new_folder(folders.received)
    for name, path in _files(root, folders):
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest in index.get(name, {}):
                continue
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            os.utime(target, (path.stat().st_atime, path.stat().st_mtime))
        except OSError as error:
            findings.append(Finding.warning(name, f"no copy could be kept as received ({error}); keep the file yourself"))
            continue
        index.setdefault(name, {})[digest] = place.name
    if not place.exists():
        return None, findings
    write_json(folders.received / INDEX, index)
    return place, findings


def is_plain_file(path: Path) -> bool:
    """Whether it is a file that can be read to its end: no link, pipe, socket or device."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _new_folder(received: Path) -> Path:
    now = time.strftime("%Y-%m-%d_%H%M%S")
    names = (now if number == 1 else f"{now}-{number}" for number in range(1, 1000))
    return next(received / name for name in names if not (received / name).exists())


def _files(root: Path, folders: Folders) -> Iterator[tuple[str, Path]]:
    """Every file by its path as walking.py names it; links, hidden files and our own archive are left out."""
    if root.is_file():
        yield root.name, root
        return
    own = folders.received.resolve()
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith(".") and Path(folder, name).resolve() != own)
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and is_plain_file(path):
                yield path.relative_to(root).as_posix(), path
