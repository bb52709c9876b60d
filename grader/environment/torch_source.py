"""Where PyTorch comes from: on Linux, PyPI's build carries CUDA, several GB that only a GPU can use."""

from __future__ import annotations

import shutil
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from grader.environment.errors import AGAIN, SetupError

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SMALL = 2_500_000_000  # bytes on disk of the whole environment with the CPU build
LARGE = 8_000_000_000  # and with CUDA


@dataclass(frozen=True)
class Torch:
    """One source of PyTorch."""

    name: str
    index: str | None
    bytes: int


def choose_torch(choice: str, settings: dict[str, str], version: str) -> Torch:
    """Choose the source.

    Args: choice is auto, cpu or pypi; settings are pip's; version is Python's (`3.12.1`).
    Raises: SetupError if the CPU build was asked for and can't be had.
    """
    with_cuda = sys.platform == "linux"
    pypi = Torch("PyPI (with CUDA, several GB)", None, LARGE) if with_cuda else Torch("PyPI", None, SMALL)
    if choice == "pypi" or not with_cuda or (choice == "auto" and shutil.which("nvidia-smi")):
        return pypi
    tag = "cp" + "".join(version.split(".")[:2])
    for folder in settings.get("find-links", "").split():
        if any(Path(folder).glob(f"torch-*-{tag}-*.whl")):
            return Torch(f"a wheel in {folder}", None, SMALL)
    if not switched_on(settings.get("no-index", "")) and _answers(f"{CPU_INDEX}/torch/"):
        return Torch("PyTorch's CPU index", CPU_INDEX, SMALL)
    if choice == "cpu":
        raise SetupError(
            f"PyTorch's CPU build can't be had: {CPU_INDEX} does not answer, "
            f"and no folder in PIP_FIND_LINKS holds a wheel for Python {version}.",
            f"connect to the internet, {AGAIN}; or take PyPI's build of several GB: make lab TORCH=pypi.",
        )
    return pypi


def switched_on(value: str) -> bool:
    """Whether pip reads this text as yes."""
    return value.lower() in ("1", "true", "t", "yes", "y", "on")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=6) as reply:
            return int(reply.status) < 400
    except (OSError, ValueError):
        return False
