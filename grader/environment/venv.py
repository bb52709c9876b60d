"""The virtual environment: make it, know whether it is still the right one, and mend it if it isn't.

Two small files inside say how it stands: `handbook.json` (it was made whole, and from what) and `setting-up` (a set-up
began and has not ended).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from grader.environment.commands import ask, last_words
from grader.environment.errors import AGAIN, SetupError

STAMP = "handbook.json"
UNDER_WAY = "setting-up"
OLDEST = (3, 11)
NO_NEWS = {"@jupyterlab/apputils-extension:announcements": True}  # no question about news at the first start


def python_of(venv: Path) -> Path:
    """The environment's own Python."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def version_of(venv: Path) -> str | None:
    """The version of the environment's Python (`3.12.1`), or None if it doesn't run."""
    done = ask([python_of(venv), "-c", "import platform; print(platform.python_version())"])
    return done.stdout.strip() if done.returncode == 0 else None


def fingerprint(root: Path, version: str | None) -> str:
    """Hash what the environment is made from: pyproject, constraints and Python's version."""
    digest = hashlib.sha256(f"{version} ".encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((root / name).read_bytes() + b"\0")
    return digest.hexdigest()


def is_ready(venv: Path, root: Path, *, torch: str, dev: bool) -> bool:
    """Whether the environment was made whole, here, from exactly these files and at least these extras."""
    stamp = _read_stamp(venv)
    if not stamp or (venv / UNDER_WAY).exists():
        return False
    version = version_of(venv)
    wanted = {"key": fingerprint(root, version), "place": str(venv), "root": str(root)}
    same = version is not None and all(stamp.get(name) == value for name, value in wanted.items())
    return same and torch in ("auto", stamp.get("torch")) and (not dev or has_dev(venv))


def has_dev(venv: Path) -> bool:
    """Whether the environment was made with the dev extra."""
    return bool(_read_stamp(venv).get("dev"))


def why_afresh(venv: Path, torch: str) -> str | None:
    """Why the folder must be removed and made again, or None if it can be built upon.

    An environment that works is kept, whichever Python the set-up runs on.
    Raises: SetupError if it is no virtual environment, and so not ours to remove.
    """
    if not venv.exists() or not any(venv.iterdir()):
        return None
    if (venv / UNDER_WAY).exists():
        return "the last set-up did not finish"
    if not (venv / "pyvenv.cfg").exists():
        raise SetupError(
            f"{venv} exists and is not a virtual environment.",
            f"move it away, {AGAIN}; or name another folder: make lab VENV=other-folder.",
        )
    version = version_of(venv)
    if version is None:
        return "its Python does not run any more"
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        return f"its Python is {version}"
    stamp = _read_stamp(venv)
    if stamp.get("place", str(venv)) != str(venv):
        return "the folder was moved"
    if torch not in ("auto", stamp.get("torch", torch)):
        return "PyTorch is to come from elsewhere"
    return None


def make(venv: Path) -> None:
    """Create what is missing: the environment, and pip in it. Raises SetupError."""
    venv.mkdir(parents=True, exist_ok=True)
    (venv / UNDER_WAY).touch()
    if version_of(venv) is None:
        _must([sys.executable, "-m", "venv", venv])
    if ask([python_of(venv), "-c", "import pip"]).returncode:
        _must([python_of(venv), "-m", "ensurepip", "--upgrade"])


def remove(venv: Path) -> None:
    """Remove the environment, wherever a link may have put it."""
    shutil.rmtree(venv.resolve())


def finish(venv: Path, root: Path, *, torch: str, dev: bool) -> None:
    """Write the stamp: from here on a set-up has nothing to do."""
    lab = venv / "etc" / "jupyter" / "labconfig" / "page_config.json"
    lab.parent.mkdir(parents=True, exist_ok=True)
    lab.write_text(json.dumps({"disabledExtensions": NO_NEWS}) + "\n", encoding="utf-8")
    stamp = {"key": fingerprint(root, version_of(venv)), "place": str(venv), "root": str(root), "torch": torch}
    dev = dev or has_dev(venv)
    (venv / STAMP).write_text(json.dumps({**stamp, "dev": dev}, indent=1) + "\n", encoding="utf-8")
    (venv / UNDER_WAY).unlink(missing_ok=True)


def abandon(venv: Path) -> None:
    """Take back that a set-up is under way: the environment stays as it was, and the next run tries again."""
    (venv / UNDER_WAY).unlink(missing_ok=True)


def require_venv_module() -> None:
    """Debian and Ubuntu ship Python without what makes an environment. Raises SetupError where it is missing."""
    try:
        import ensurepip  # noqa: F401 - only whether it is there
        import venv  # noqa: F401
    except ImportError:
        version = "{}.{}".format(*sys.version_info)
        raise SetupError(
            f"This Python ({sys.executable}) can't make a virtual environment: its venv module is missing.",
            f"on Debian or Ubuntu `sudo apt install python{version}-venv`, elsewhere Python from python.org; {AGAIN}.",
        ) from None


def _read_stamp(venv: Path) -> dict[str, Any]:
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _must(command: list[str | Path]) -> None:
    done = ask(command)
    if done.returncode:
        words = " ".join(str(word) for word in command)
        raise SetupError(f"`{words}` failed: {last_words(done)}", f"mend that or take Python from python.org; {AGAIN}.")
