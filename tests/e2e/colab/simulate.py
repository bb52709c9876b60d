"""Run one learner's notebook as Google Colab would: alone, on Colab's packages, without nbgrader, fetching the course itself.

`python tests/e2e/colab/simulate.py exercises/part1_introduction/p1_4_attention.ipynb` prints what it found as JSON.
Exit codes: 0 the notebook works · 1 it does not · 3 a Colab-like environment can't be made here, for the reason told.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grader.build import Layout
from grader.build.lint.trees import committed
from grader.environment.commands import ask, clean_environment
from grader.environment.errors import SetupError
from grader.environment.install import pip_settings, uv_environment
from grader.environment.torch_source import Torch, choose_torch
from grader.environment.venv import python_of
from grader.paths import BUILD, ROOT

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PYTHONS = ("3.13", "3.12", "3.11")  # Colab's, the one before, and the oldest that the course runs on
TORCH_ON_COLAB = "torch==2.11.*"
MAY_BE_NEW = {"gguf"}
RUN_LIMIT = 900  # seconds


class CannotSimulate(Exception):
    """No Colab-like environment can be made on this machine."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with Colab's packages. `seconds` is what making it took; 0 if it was there."""

    venv: Path
    python: str
    seconds: float


@dataclass(frozen=True)
class Result:
    """What a notebook did: errors and stderr by cell, the result of each check cell, packages that moved."""

    python: str
    setup_seconds: float
    run_seconds: float
    errors: list[str]
    stderr: list[str]
    checks: dict[str, str]
    moved: list[str]

    @property
    def works(self) -> bool:
        """No error, nothing on stderr, every check says "not attempted", and only what Colab lacks is new."""
        quiet = not self.errors and not self.stderr and not self.moved
        return quiet and bool(self.checks) and all("Not attempted yet" in text for text in self.checks.values())


def environment(folder: Path = BUILD / "colab") -> Environment:
    """Make the environment, or take it if it is there. Raises CannotSimulate with every reason."""
    reasons = []
    settings = pip_settings(Path(sys.executable))
    for version in PYTHONS:
        python = _interpreter(version)
        if python is None:
            reasons.append(f"no Python {version} on this machine")
            continue
        try:
            torch = choose_torch("cpu", settings, version)
        except SetupError as error:
            reasons.append(f"Python {version}: {str(error).splitlines()[0]}")
            continue
        return _made(folder / version, version, python, torch, settings)
    raise CannotSimulate("; ".join(reasons))


def _interpreter(version: str) -> str | None:
    """A Python of this version that runs: this one's own, one on the PATH, or pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    own = getattr(sys, "_base_executable", sys.executable)
    for place in (own, shutil.which(f"python{version}"), *sorted(pyenv.glob(f"versions/{version}.*/bin/python"))):
        if place and ask([place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).stdout.strip() == version:
            return str(place)
    return None


def _made(venv: Path, version: str, python: str, torch: Torch, settings: dict[str, str]) -> Environment:
    started, stamp = time.perf_counter(), venv / "colab.json"
    key = hashlib.sha256(f"{REQUIREMENTS.read_text()} {torch}".encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == key:
        return Environment(venv, version, 0.0)
    shutil.rmtree(venv, ignore_errors=True)
    _must([python, "-m", "venv", str(venv)])
    pin = TORCH_ON_COLAB if torch.index else (ROOT / "constraints.txt").read_text(encoding="utf-8").split()[0]
    wanted = [*(["--extra-index-url", torch.index] if torch.index else []), pin, "-r", str(REQUIREMENTS)]
    uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(python_of(venv)), *wanted]
    if subprocess.run(uv, env=uv_environment(settings), capture_output=True, check=False).returncode:
        _must([str(python_of(venv)), "-m", "pip", "install", "-q", *wanted])
    stamp.write_text(key, encoding="utf-8")
    return Environment(venv, version, time.perf_counter() - started)


def _must(command: list[str]) -> None:
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotSimulate(f"`{' '.join(command[1:4])} …` failed: {(done.stderr.strip() or done.stdout.strip())[-400:]}")


def simulate(notebook: Path, place: Environment) -> Result:
    """Copy the notebook into an empty folder and run all of it there."""
    with tempfile.TemporaryDirectory(prefix="colab-") as scratch:
        content, repository = Path(scratch).resolve() / "content", Path(scratch).resolve() / "repository"
        _snapshot(repository)
        content.mkdir()
        shutil.copy(notebook, content / "lone.ipynb")
        ask([python_of(place.venv), "-m", "pip", "uninstall", "-q", "-y", *MAY_BE_NEW])  # an earlier run's
        before = _freeze(place)
        started = time.perf_counter()
        done = subprocess.run(
            [str(python_of(place.venv)), "-m", "nbconvert", "--to", "notebook", "--execute", "--allow-errors", "--output", "out.ipynb",
             "lone.ipynb"], cwd=content, env=_variables(place, content, repository), capture_output=True, text=True, timeout=RUN_LIMIT, check=False)
        seconds = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"nbconvert failed:\n{done.stderr[-2000:]}")
        cells = json.loads((content / "out.ipynb").read_text(encoding="utf-8"))["cells"]
        return _result(place, seconds, cells, sorted(before ^ _freeze(place)))


def _variables(place: Environment, content: Path, repository: Path) -> dict[str, str]:
    """Colab's own variables, a stub of `google.colab`, and the course to fetch."""
    stub = content.parent / "stub" / "google" / "colab"
    stub.mkdir(parents=True)
    for folder in (stub.parent, stub):
        (folder / "__init__.py").write_text("", encoding="utf-8")
    binaries = str(python_of(place.venv).parent)
    return clean_environment() | {
        "PATH": os.pathsep.join([binaries, os.environ.get("PATH", "")]), "PYTHONPATH": str(stub.parents[1]),
        "COLAB_RELEASE_TAG": "release-colab-simulated", "COLAB_GPU": "", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
        "COURSE_REPO": repository.as_uri(), "COURSE_REF": "main", "COURSE_HOME": str(content),
        "IPYTHONDIR": str(content.parent / "ipython"), "JUPYTER_DATA_DIR": str(content.parent / "jupyter"),
    }


def _snapshot(repository: Path) -> None:
    """What would be published: the files of this folder that git has or would take, as a repository of one commit."""
    for path in committed(Layout.here()):
        target = repository / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    git = ["git", "-C", str(repository), "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "everything"]):
        subprocess.run([*git, *command], check=True, capture_output=True)


def _freeze(place: Environment) -> set[str]:
    done = ask([python_of(place.venv), "-m", "pip", "freeze"])
    return {line for line in done.stdout.splitlines() if line.split("==")[0] not in MAY_BE_NEW}


def _result(place: Environment, seconds: float, cells: list[dict[str, Any]], moved: list[str]) -> Result:
    errors, stderr, checks = [], [], {}
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        source = "".join(cell["source"])
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                errors.append(f"{source[:60]!r}: {output['ename']}: {output['evalue']}")
            elif output.get("name") == "stderr":
                stderr.append(f"{source[:60]!r}: {''.join(output['text'])[:300]}")
            elif cell["metadata"].get("nbgrader", {}).get("grade"):
                checks[source] = "".join(output["data"].get("text/html", ""))
    return Result(place.python, place.seconds, seconds, errors, stderr, checks, moved)


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("notebook", type=Path)
    chosen = parser.parse_args()
    try:
        result = simulate(chosen.notebook, environment())
    except CannotSimulate as reason:
        print(f"no Colab-like environment can be made here: {reason}", file=sys.stderr)
        return 3
    print(json.dumps({**asdict(result), "works": result.works, "checks": list(result.checks)}, indent=1, ensure_ascii=False))
    return 0 if result.works else 1


if __name__ == "__main__":
    sys.exit(main())
