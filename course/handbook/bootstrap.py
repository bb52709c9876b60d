"""The set-up cell of every notebook: see that what the lesson needs is here, and say so in one line.

On Colab it installs the one small package that Colab lacks and moves nothing that was there. At home it installs
nothing and says what to do. Nothing heavy is imported: with everything in place it takes a tenth of a second.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys

PYTHON = (3, 11)
# Distribution -> the oldest (major, minor) that the course is tested with. What only an instructor needs is not here.
NEEDED = {
    "torch": (2, 6),
    "transformers": (5, 15),
    "tokenizers": (0, 22),
    "numpy": (1, 26),
    "matplotlib": (3, 10),
    "filelock": (3, 12),
    "pytest": (8, 0),
}
COLAB_LACKS = ("gguf==0.19.0",)  # pure Python; all that it needs is on Colab
SETTINGS = {
    "TOKENIZERS_PARALLELISM": "false",  # else a fork after a tokenizer has run warns on stderr
    "OMP_NUM_THREADS": "1",  # two notebooks on a laptop whose threads wait for each other are a hundred times slower
}
SAID = ("torch", "transformers")


class NotReadyError(RuntimeError):
    """This kernel can't run the course. The message says what to do."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]  # calm lines in a notebook, not a stack of frames


def ready(*, quiet: bool = False) -> None:
    """Check the running kernel and print one line.

    Raises: NotReadyError if something is missing or too old, with what to do about it.
    """
    for variable, value in SETTINGS.items():
        os.environ.setdefault(variable, value)
    colab = in_colab()
    installed = _install_missing() if colab else []
    trouble = problems()
    if trouble:
        raise NotReadyError("\n".join(["This kernel is not ready for the course:", *trouble, _advice(colab)]))
    if not quiet:
        versions = [
            f"Python {sys.version_info[0]}.{sys.version_info[1]}",
            *(f"{name} {version(name)}" for name in SAID),
        ]
        new = f" · installed {', '.join(installed)}" if installed else ""
        print(f"Ready: {' · '.join(versions)}{new}")


def in_colab() -> bool:
    """Say whether this kernel runs on Google Colab."""
    return "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules


def version(distribution: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def problems() -> list[str]:
    """List what is missing or too old, one line each; an empty list means ready."""
    lines = []
    if sys.version_info[:2] < PYTHON:
        lines.append(f"  - Python {sys.version_info[0]}.{sys.version_info[1]} is too old: {_dotted(PYTHON)} or newer")
    for name, oldest in NEEDED.items():
        found = version(name)
        if found is None:
            lines.append(f"  - {name} is missing")
        elif _numbers(found) < oldest:
            lines.append(f"  - {name} {found} is too old: {_dotted(oldest)} or newer")
    return lines


def _install_missing() -> list[str]:
    """Install what Colab lacks without dependencies, so that nothing preinstalled moves; return what was installed.

    Raises: NotReadyError if pip fails.
    """
    missing = [pin for pin in COLAB_LACKS if version(pin.partition("==")[0]) is None]
    if missing:
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check", *missing]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise NotReadyError(f"pip could not install {', '.join(missing)}: {last}\nRun this cell again in a minute.")
    return missing


def _advice(colab: bool) -> str:
    if colab:
        return "Choose Runtime → Disconnect and delete runtime, then run this cell again."
    return "In the course's folder, run `make lab`: it sets everything up and opens JupyterLab with the right kernel."


def _numbers(text: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, `2.13.0+cpu` -> (2, 13)."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
