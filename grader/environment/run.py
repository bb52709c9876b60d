"""Set up all that the course needs, and say what took how long. A second run has nothing to do."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.environment import venv as venvs
from grader.environment.commands import ask, clean_environment, last_words
from grader.environment.errors import AGAIN, SetupError
from grader.environment.install import Installation, pip_settings
from grader.environment.space import MODELS_BYTES, model_cache, require_space
from grader.environment.torch_source import choose_torch
from grader.paths import ROOT


class Report:
    """Progress lines for a person, and at the end one JSON object for a program."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.steps: list[dict[str, object]] = []
        self.start = time.monotonic()

    def say(self, line: str) -> None:
        print(line, file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def detail(self, line: str) -> None:
        self.say("  " + line)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        seconds = round(time.monotonic() - start, 1)
        self.steps.append({"name": name, "seconds": seconds})
        self.say(f"{name:<14}{seconds:6.1f} s")

    def end(self, **fields: object) -> None:
        if self.as_json:
            print(json.dumps({**fields, "seconds": round(time.monotonic() - self.start, 1), "steps": self.steps}))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="setup_env.py", description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="the environment's folder (default: .venv)")
    torch = "auto: the CPU build on Linux without an NVIDIA driver, else PyPI's"
    parser.add_argument("--torch", choices=("auto", "cpu", "pypi"), default="auto", help=torch)
    parser.add_argument("--dev", action="store_true", help="with the tools that `make test` needs")
    parser.add_argument("--no-models", action="store_true", help="don't fetch the models")
    parser.add_argument("--installer", choices=("auto", "pip"), default="auto", help="auto: uv, and pip if that fails")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on standard output")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Set up, and return the exit code."""
    options = parse(arguments)
    report = Report(as_json=options.json)
    try:
        set_up(options, report)
    except SetupError as error:
        report.end(ok=False, error=error.what, next=error.todo)
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.\nNext: run the same command again; it mends what is half done.", file=sys.stderr)
        return 130
    report.end(ok=True, venv=str(options.venv), python=venvs.version_of(options.venv))
    return 0


def set_up(options: argparse.Namespace, report: Report) -> None:
    """Bring the environment and the models to where they should be. Raises SetupError."""
    venv = options.venv = options.venv.absolute()
    if venvs.is_ready(venv, ROOT, torch=options.torch, dev=options.dev):
        report.say(f"The environment is ready: {venv}")
    else:
        make_environment(venv, options, report)
    if not options.no_models:
        with report.step("models"):
            fetch_models(venv, as_json=options.json)


def make_environment(venv: Path, options: argparse.Namespace, report: Report) -> None:
    """Make or mend the environment, install the packages, and see that they load. Raises SetupError."""
    venvs.require_venv_module()
    reason = venvs.why_afresh(venv, options.torch)
    here = None if reason else venvs.version_of(venv)
    python = here or sys.version.split()[0]
    report.say(f"Setting up {venv} with Python {python}" + (f", afresh: {reason}" if reason else ""))
    settings = pip_settings(Path(sys.executable))
    torch = choose_torch(options.torch, settings, python)
    report.say(f"PyTorch comes from {torch.name}")
    needs = [] if here else [(venv, torch.bytes, "the packages")]
    if not options.no_models and not any(model_cache().glob("*/manifest.json")):
        needs.append((model_cache(), MODELS_BYTES, "the models"))
    require_space(needs)
    if reason:
        venvs.remove(venv)
    with report.step("environment"):
        venvs.make(venv)
    with report.step("packages"):
        extras = "dev" if options.dev or venvs.has_dev(venv) else ""
        job = Installation(ROOT, venv, venvs.python_of(venv), extras, torch, settings, report.detail)
        try:
            report.detail("by " + job.run(by_pip=options.installer == "pip"))
        except SetupError:
            if here:
                venvs.abandon(venv)
            raise
    with report.step("first import"):
        report.detail(first_import(venv))
    venvs.finish(venv, ROOT, torch=options.torch, dev=options.dev)


def first_import(venv: Path) -> str:
    """See that the packages load. Returns PyTorch's version and device; raises SetupError."""
    device = "'cuda' if torch.cuda.is_available() else 'cpu'"
    code = f"import torch, transformers, jupyterlab, grader, handbook; print('torch', torch.__version__, {device})"
    done = ask([venvs.python_of(venv), "-c", code], cwd=venv)
    if done.returncode:
        raise SetupError(
            f"The packages are installed, but don't load: {last_words(done)}",
            f"`make clean`, {AGAIN}; if it stays so, try another Python: make lab PYTHON=/path/to/python3.12.",
        )
    return done.stdout.strip()


def fetch_models(venv: Path, *, as_json: bool) -> None:
    """Fetch, check and convert the models, with a progress bar of their own. Raises SetupError."""
    out = sys.stderr if as_json else None
    command = [str(venvs.python_of(venv)), "-m", "handbook.models"]
    if subprocess.run(command, check=False, stdout=out, env=clean_environment()).returncode:
        raise SetupError(
            "The environment is ready, but the models are not; the lines above say why.",
            f"do what they say, {AGAIN}. Everything that needs no model works already.",
        )
