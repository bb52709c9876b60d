"""The root folder that the warm server and all submissions see: the system's libraries, Python, the course's package
`handbook` and the models, all read-only, and nothing else. Other submissions, hidden checks, lessons with answers, the
gradebook and home folders are not in it.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from grader.sandbox import syscalls

SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin")
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "passwd", "group", "nsswitch.conf", "localtime", "timezone", "fonts", "alternatives",
       "ssl/certs", "mime.types", "espeak-ng-data")
DEVICES = ("null", "zero", "full", "random", "urandom")
LARGE = "size=4g,mode=755"
SMALL = "size=16m,mode=755"


def visible_folders(root: Path, handbook: Path, models: Iterable[Path]) -> tuple[Path, ...]:
    """What is shown besides the system: this Python and its packages, `grader` without checks, `handbook`, the models."""
    found = [Path(sys.prefix), Path(sys.base_prefix), root / "grader", handbook, *models]
    found += [Path(entry) for entry in sys.path if entry and Path(entry).name in ("site-packages", "dist-packages")]
    real = [path.resolve() for path in found if path.is_dir()]
    kept: list[Path] = []
    for path in sorted(set(found) | set(real)):
        inside = any(path.is_relative_to(other) for other in (*kept, *map(Path, SYSTEM)))
        if path.is_dir() and not inside:
            kept.append(path)
    return tuple(kept)


def secret_folders(root: Path, build: Path) -> tuple[Path, ...]:
    """What must not be seen even if a folder above it is shown: checks, lessons with answers, solutions, submissions, grades."""
    named = [root / "grader" / "checks", root / "grader" / "hidden", root / "solutions", root / "tests", root / ".git", build]
    return (*named, *(path for path in sorted((root / "course").glob("*")) if path.is_dir() and path.name != "handbook"))


def enter(new: str, folders: Iterable[Path], secrets: Iterable[Path]) -> None:
    """Move this process into the jail, which is built on the empty folder `new`.

    It must be in a mount namespace of its own, with the right to mount. Raises OSError.
    """
    syscalls.mount("none", "/", flags=syscalls.RECURSIVE | syscalls.PRIVATE)
    syscalls.mount("tmpfs", new, "tmpfs", syscalls.NOSUID | syscalls.NODEV, SMALL)
    os.mkdir(f"{new}/tmp")
    syscalls.mount("tmpfs", f"{new}/tmp", "tmpfs", syscalls.NOSUID | syscalls.NODEV, LARGE)  # the server's own, for weights
    for path in (*map(Path, SYSTEM), *folders, *(Path("/etc") / name for name in ETC)):
        _show(path, new)
    for path in secrets:
        if os.path.isdir(f"{new}{path}"):
            syscalls.mount("tmpfs", f"{new}{path}", "tmpfs", syscalls.NOSUID | syscalls.NODEV | syscalls.NOEXEC | syscalls.READ_ONLY, "size=4k")
    _devices(new)
    os.makedirs(f"{new}/proc")
    syscalls.mount("/proc", f"{new}/proc", flags=syscalls.BIND | syscalls.RECURSIVE)
    for name in ("tmp", "home", "old"):
        os.makedirs(f"{new}/{name}", exist_ok=True)
    os.chdir(new)
    syscalls.pivot_root(".", "old")
    os.chdir("/")
    syscalls.unmount("/old")
    os.rmdir("/old")
    syscalls.mount("none", "/", flags=syscalls.REMOUNT | syscalls.BIND | syscalls.READ_ONLY | syscalls.NOSUID | syscalls.NODEV)


def _show(path: Path, new: str) -> None:
    target = f"{new}{path}"
    if path.is_symlink():
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.symlink(os.readlink(path), target)
    elif path.is_dir():
        os.makedirs(target, exist_ok=True)
        syscalls.bind(str(path), target)
    elif path.is_file():
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb"):
            syscalls.bind(str(path), target)


def _devices(new: str) -> None:
    os.makedirs(f"{new}/dev/shm")
    for name in DEVICES:
        with open(f"{new}/dev/{name}", "wb"):
            syscalls.bind(f"/dev/{name}", f"{new}/dev/{name}", read_only=False)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        os.symlink(target, f"{new}/dev/{name}")
