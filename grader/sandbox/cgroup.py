"""A memory and process limit over all processes of one submission together, where this account may make control groups.

That is root, nearly everywhere: version 2 (`/sys/fs/cgroup`) or version 1 (`/sys/fs/cgroup/memory`, `/pids`). The group
is made and left through folders that were opened before the warm server moved into its own root.
"""
from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from grader.sandbox.limits import MIB, Limits

ROOT = Path("/sys/fs/cgroup")
SECONDS = 2.0  # for the last processes of a group to be gone
_MEMORY_EVENTS = {2: "memory.events", 1: "memory.oom_control"}  # not failcnt: some kernels don't count it


@dataclass
class Groups:
    """Folders in which a control group can be made for each submission; empty where there are none."""

    version: int = 0
    folders: dict[str, int] = field(default_factory=dict)  # controller -> open folder
    parents: dict[str, tuple[int, str]] = field(default_factory=dict)  # controller -> open folder of the system's, our name in it

    def make(self, name: str, limits: Limits) -> None:
        """Make the group of one submission."""
        memory, pids = limits.memory * MIB, limits.processes * 2
        for controller, folder in self.folders.items():
            os.mkdir(name, dir_fd=folder)
            if controller in ("both", "memory"):
                _write(folder, f"{name}/memory.max" if self.version == 2 else f"{name}/memory.limit_in_bytes", memory)
                with contextlib.suppress(OSError):  # swap accounting may be off
                    _write(folder, f"{name}/memory.swap.max" if self.version == 2 else f"{name}/memory.memsw.limit_in_bytes",
                           0 if self.version == 2 else memory)
            if controller in ("both", "pids"):
                _write(folder, f"{name}/pids.max", pids)

    def enter(self, name: str, pid: int) -> None:
        """Put a process into the group."""
        for folder in self.folders.values():
            _write(folder, f"{name}/cgroup.procs", pid)

    def remove(self, name: str) -> bool:
        """Take the group away. Returns whether its memory limit was hit."""
        hit = False
        for controller, folder in self.folders.items():
            if controller in ("both", "memory"):
                hit = _memory_was_short(folder, name, self.version)
            with contextlib.suppress(OSError):  # a process that is still dying keeps it; `close` tries again
                os.rmdir(name, dir_fd=folder)
        return hit

    def close(self) -> None:
        """Remove what is left."""
        for folder in self.folders.values():
            for name in os.listdir(folder):
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=folder)
            os.close(folder)
        for parent, name in self.parents.values():  # by open folders: the warm server has no /sys any more
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=parent)
            os.close(parent)
        self.folders, self.parents = {}, {}


def open_groups(name: str) -> Groups:
    """Make a parent group for this warm server, if this account may."""
    for version, places in ((2, {"both": ROOT}), (1, {"memory": ROOT / "memory", "pids": ROOT / "pids"})):
        groups = Groups(version)
        try:
            if version == 2:
                _delegate(ROOT)
            for controller, place in places.items():
                if not (place / "cgroup.procs").is_file():
                    raise OSError(f"{place} is no control group")
                path = place / name
                path.mkdir()
                groups.parents[controller] = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), name
                if version == 2:
                    _delegate(path)
                groups.folders[controller] = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            groups.make("probe", Limits())
            groups.remove("probe")
        except OSError:
            groups.close()
        else:
            return groups
    return Groups()


def remove_left(name: str) -> None:
    """Remove the groups of a warm server that was killed before it could."""
    left = [place / name for place in (ROOT, ROOT / "memory", ROOT / "pids") if (place / name).is_dir()]
    deadline = time.monotonic() + SECONDS
    while left and time.monotonic() < deadline:  # a process that is still dying keeps its group
        for path in [path for parent in left for path in (*parent.glob("job-*"), parent)]:
            with contextlib.suppress(OSError):
                path.rmdir()
        left = [path for path in left if path.is_dir()]
        time.sleep(0.01 if left else 0)


def _delegate(path: Path) -> None:
    (path / "cgroup.subtree_control").write_text("+memory +pids", encoding="ascii")


def _write(folder: int, name: str, value: int) -> None:
    handle = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.write(handle, str(value).encode())
    finally:
        os.close(handle)


def _memory_was_short(folder: int, name: str, version: int) -> bool:
    try:
        handle = os.open(f"{name}/{_MEMORY_EVENTS[version]}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    with os.fdopen(handle, encoding="ascii") as file:
        text = file.read()
    return any(line.split()[0] in ("oom", "oom_kill") and int(line.split()[1]) for line in text.splitlines())
