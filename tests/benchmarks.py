"""Print the figures that the project promises, as medians on this machine. A figure never fails: judge it yourself.

    make bench                           or  python tests/benchmarks.py
    python tests/benchmarks.py --only check --json
    python tests/benchmarks.py --only setup --setup fresh

Load SmolLM2, the first and later check(), run Part 1, and (with --setup) set everything up from nothing. Everything runs
on one thread, in fresh processes. Run it on a quiet machine; the load average is printed with the figures.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grader import paths
from grader.course import Lesson, load_course

Figures = dict[str, Any]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1",
              "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
COST = "import os; print(sum(os.times()[:4]))"  # CPU seconds of a kernel and of its ended children


def load(rounds: int) -> Figures:
    """Seconds to load SmolLM2 from the cache in a fresh process, and how many of them are the imports before it."""
    rows = [inside("load") for _ in range(rounds)]
    return {"load_lm, seconds": median(rows, "load"), "imports before it, seconds": median(rows, "imports")}


def load_inside() -> Figures:
    began = time.perf_counter()
    from transformers import LlamaForCausalLM  # noqa: F401  (imports torch, too)
    imported = time.perf_counter()
    from handbook import load_lm

    load_lm()
    return {"imports": imported - began, "load": time.perf_counter() - imported}


def check(rounds: int) -> Figures:
    """Seconds of check() over our own answers: the first in a fresh process, and every later one."""
    rows = [inside("check") for _ in range(rounds)]
    later = [(seconds, name) for row in rows for name, seconds in row["later"].items()]
    slowest = max(later)
    return {"first, milliseconds": 1000 * median(rows, "first"),
            "later, milliseconds": 1000 * statistics.median(seconds for seconds, _ in later),
            "slowest later, milliseconds": 1000 * slowest[0], "slowest is": slowest[1], "exercises": len(rows[0]["later"])}


def check_inside() -> Figures:
    """Answer cells run in a shell as in a kernel: then one first check, and each exercise's check once more."""
    from IPython.core.interactiveshell import InteractiveShell

    from grader.mutation import references

    shell = InteractiveShell.instance()
    shell.run_cell("from grader import check", silent=True).raise_error()
    seconds: dict[str, float] = {}
    first = 0.0
    for lesson in built_lessons():
        for name, source in references(lesson.stem).items():
            shell.run_cell(source).raise_error()
            began = time.perf_counter()
            shell.run_cell(f'card = check("{name}")').raise_error()
            first = first or time.perf_counter() - began
            if not shell.user_ns["card"].verdict.passed:
                tell(f"  our own answer to {name} does not pass")
            began = time.perf_counter()
            shell.run_cell(f'card = check("{name}")').raise_error()
            seconds[name] = time.perf_counter() - began
    return {"first": first, "later": seconds}


def part1(rounds: int) -> Figures:
    """Seconds to run every solved notebook of Part 1 in a kernel, demonstrations included. Always one round: it is long."""
    rows = {}
    for lesson in built_lessons():
        rows[lesson.stem] = run_notebook(paths.SOLUTIONS / lesson.part / f"{lesson.stem}.ipynb")
        tell(f"  {lesson.stem}: {rows[lesson.stem]['cpu']:.1f} CPU-s, {rows[lesson.stem]['wall']:.1f} s")
    return {"CPU seconds": sum(row["cpu"] for row in rows.values()), "wall seconds": sum(row["wall"] for row in rows.values()),
            **{f"{stem}, CPU seconds": row["cpu"] for stem, row in rows.items()}}


def run_notebook(path: Path) -> dict[str, float]:
    """Wall seconds from starting the kernel to its end, and the kernel's CPU seconds."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(COST))
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        env = {**os.environ, **ONE_THREAD, "COURSE_HOME": str(paths.ROOT), "HANDBOOK_PROGRESS": f"{scratch}/progress.json", "IPYTHONDIR": scratch}
        client = NotebookClient(notebook, timeout=600, kernel_name="python3", extra_arguments=["--IPKernelApp.log_level=ERROR"],
                                resources={"metadata": {"path": scratch}})
        began = time.perf_counter()
        client.execute(env=env)
        wall = time.perf_counter() - began
    return {"wall": wall, "cpu": float(notebook.cells[-1].outputs[0]["text"])}


def setup(models: str) -> Figures:
    """Seconds from a bare copy of the tracked files to an environment that works; packages may come from a cache."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder) / "course"
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=paths.ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, tracked.split("\0")):
            if (paths.ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(paths.ROOT / name, root / name)
        env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
        if models == "fresh":
            env["HANDBOOK_CACHE"] = str(Path(folder) / "models")
        python = getattr(sys, "_base_executable", sys.executable)
        began = time.perf_counter()
        done = subprocess.run([python, "grader/setup_env.py", "--json"], cwd=root, env=env, stdout=subprocess.PIPE, text=True, check=False)
        seconds = time.perf_counter() - began
    answer = json.loads(done.stdout or "{}")
    steps = {f"{row['name']}, seconds": row["seconds"] for row in answer.get("steps", [])}
    return {"seconds": seconds, "worked": answer.get("ok", False), "models": models, **steps}


FIGURES: dict[str, Callable[[int], Figures]] = {"load": load, "check": check, "part1": part1}
INSIDE: dict[str, Callable[[], Figures]] = {"load": load_inside, "check": check_inside}


def built_lessons() -> list[Lesson]:
    """The lessons that have a solved notebook."""
    return [lesson for lesson in load_course().lessons if (paths.SOLUTIONS / lesson.part / f"{lesson.stem}.ipynb").exists()]


def inside(name: str) -> Figures:
    """A figure's raw numbers, measured in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        env = {**os.environ, **ONE_THREAD, "HANDBOOK_PROGRESS": f"{scratch}/progress.json", "IPYTHONDIR": scratch}
        done = subprocess.run([sys.executable, __file__, "--inside", name], env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} could not be measured; what it said is above")
    row: Figures = json.loads(done.stdout.splitlines()[-1])
    return row


def median(rows: list[Figures], key: str) -> float:
    return statistics.median(row[key] for row in rows)


def machine() -> Figures:
    """What the figures depend on."""
    load_average = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count(), "load average": load_average}


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) and value < 100 else f"{value:.0f}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=(*FIGURES, "setup"), help="only this figure; may be given again")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the short figures  [default: 5]")
    parser.add_argument("--setup", nargs="?", const="kept", choices=("kept", "fresh"), help="set up, too, with the models' cache kept or fresh")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--inside", choices=INSIDE, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        print(json.dumps(INSIDE[chosen.inside]()))
        return
    names = chosen.only or [*FIGURES, *(["setup"] if chosen.setup else [])]
    table: dict[str, Figures] = {"machine": machine()}
    for name in names:
        tell(f"{name} …")
        table[name] = setup(chosen.setup or "kept") if name == "setup" else FIGURES[name](chosen.rounds)
    if chosen.json:
        print(json.dumps(table, indent=1))
        return
    for name, figures in table.items():
        print(name)
        for label, value in figures.items():
            print(f"  {label:<46} {shown(value)}")


if __name__ == "__main__":
    main()
