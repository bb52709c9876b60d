"""Grade a made-up class on both ways and print the figures: plain nbgrader, and the warm, shut-in workers.

    python tests/benchmark_class.py                      40 students, all of Part 1
    python tests/benchmark_class.py --students 500 --plain 0

Both ways run in the same process on the same notebooks, in rounds one after the other; figures are medians, with their
ratio. Plain nbgrader is timed on a sample of notebooks (--plain), because it needs seconds for each; it is given the
advantage of being called in this process, without the start of its command. Run it on a quiet machine.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
ROUNDS = 3
Figures = dict[str, Any]


def main() -> None:
    options = _options()
    os.environ.update(ONE_THREAD)
    with tempfile.TemporaryDirectory(prefix="class-") as name:
        figures = measure(Path(name), options)
    print(json.dumps(figures, indent=1))


def measure(root: Path, options: argparse.Namespace) -> Figures:
    """Make the class, grade it in every way, and say how long that took."""
    from grader import paths
    from grader.flow.jobs import jobs
    from grader.flow.nbgrader_course import NbgraderCourse
    from grader.flow.release import release
    from grader.folders import Folders

    paths.BUILD = root / "build"
    folders = Folders()
    course = NbgraderCourse(folders)
    tell(f"making {options.students} students")
    hand_in(root / "handed-in", options.students, "" if options.stock else options.lesson)
    release(course, [part.name for part in sorted((paths.SOLUTIONS).iterdir()) if part.is_dir()][:1])
    collect(root / "handed-in")
    todo = jobs(folders, lessons=(options.lesson,) if options.lesson else ())
    figures: Figures = {"students": options.students, "notebooks": len(todo), "load": [round(value, 1) for value in os.getloadavg()],
                        "cores": len(os.sched_getaffinity(0))}
    figures |= throughput(course, todo, options)
    if options.stock:
        figures |= stock(todo, figures)
    if options.overhead:
        figures |= overhead()
    return figures


def throughput(course: Any, todo: list[Any], options: argparse.Namespace) -> Figures:
    """Notebooks a second, each way; each round a sample by plain nbgrader and the whole class by the workers."""
    from grader.flow.autograde import autograde

    seconds: dict[str, list[float]] = {}
    sample = random.Random(1).sample([job for job in todo if not job.reason], min(options.plain, len(todo)))
    for number in range(options.rounds):
        if sample:
            tell(f"round {number + 1}: plain nbgrader, {len(sample)} notebooks")
            seconds.setdefault("plain", []).append(timed(lambda: autograde(course, sample, force=True)) / len(sample))
        for workers in options.workers:
            tell(f"round {number + 1}: {workers} workers, {len(todo)} notebooks")
            spent, figures = class_by_workers(course, todo, workers)
            seconds.setdefault(f"{workers} workers", []).append(spent / len(todo))
            seconds.setdefault(f"{workers} workers, with their start", []).append(figures["whole"] / len(todo))
            memory = figures["memory"]
    rows: Figures = {name: {"notebooks a second": round(1 / statistics.median(values), 2), "seconds each": [round(value, 3) for value in values]}
                     for name, values in seconds.items()}
    if "plain" in seconds:
        for workers in options.workers:
            ratios = [plain / warm for plain, warm in zip(seconds["plain"], seconds[f"{workers} workers"], strict=True)]
            rows[f"{workers} workers"]["times plain nbgrader"] = round(statistics.median(ratios), 1)
    return rows | {"memory": memory}


def stock(todo: list[Any], figures: Figures) -> Figures:
    """One student by the command `nbgrader autograde`: with this course's settings, with fewer, and as nbgrader does it by itself.

    By itself it also runs the demonstrations, and waits for every kernel to end.
    """
    first = list(todo[0].submitted.parent.glob("*.ipynb"))  # the command grades all lessons of a part
    student, part = todo[0].student, todo[0].part
    found: Figures = {}
    for name, words in (("with the course's settings", []),
                        ("that waits for every kernel to end, without demonstrations", ["--Execute.shutdown_kernel=graceful"]),
                        ("by itself", ["--Execute.skip_cells_with_tag=none", "--Execute.shutdown_kernel=graceful", "--Execute.timeout=300"])):
        tell(f"the command nbgrader autograde, {name}")
        each = timed(lambda words=words: nbgrader("autograde", part, "--student", student, "--force", *words)) / len(first)  # type: ignore[misc]
        found[f"nbgrader autograde {name}"] = {"seconds each": round(each, 2)} | {
            f"{key} are times as fast": round(each * row["notebooks a second"], 1) for key, row in figures.items() if key.endswith(" workers")}
    return found


def nbgrader(*words: str) -> None:
    from grader import paths

    environment = {**os.environ, "HANDBOOK_BUILD": str(paths.BUILD), "COURSE_HOME": str(paths.ROOT), "HANDBOOK_GRADING": "1",
                   "PATH": os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))}
    done = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=paths.ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])


def class_by_workers(course: Any, todo: list[Any], workers: int) -> tuple[float, Figures]:
    """Grade everything once. Returns the seconds without the workers' start, the seconds with it, and what memory was used."""
    from grader.fleet.client import RunningServer
    from grader.fleet.pool import LocalPool
    from grader.flow.autograde import autograde
    from grader.flow.warm import WarmGrading
    from grader.sandbox.limits import Limits

    times: list[float] = []
    memory: Figures = {}

    @contextlib.contextmanager
    def engine() -> Iterator[Any]:
        running = RunningServer(sandbox=True)
        with running as server, LocalPool(server, workers) as pool:
            pool.warm_up()
            times.append(time.perf_counter())
            yield pool
            times.append(time.perf_counter())
            memory.update(used(running.process.pid, pool.pids()))

    ticks: list[int] = []

    def tick() -> None:
        if len(ticks) in (len(todo) // 4, len(todo) - 1):
            memory[f"MiB of this process after {len(ticks) + 1} notebooks"] = private(os.getpid())
        ticks.append(0)

    whole = timed(lambda: autograde(course, todo, force=True, tick=tick, warm=WarmGrading(engine, Limits(), run=f"bench-{time.time()}")))
    return times[1] - times[0], {"whole": whole, "memory": memory}


def overhead() -> Figures:
    """What the sandbox adds to a submission: start, one call and end of an empty one, with and without it."""
    from grader.fleet.bundle import Bundle
    from grader.fleet.client import RunningServer
    from grader.fleet.session import Session

    found = {}
    for sandbox in (True, False):
        with RunningServer(sandbox=sandbox) as server:
            def once(server: Any = server) -> None:
                session = Session(Bundle("a", "b", "c", (), (), {}), server, 0)
                session.start()
                session.submission().run(abs, -1)
                session.end()

            found[sandbox] = statistics.median(timed(once) for _ in range(40))
            level = server.level
            if sandbox:
                reached = level
    return {"sandbox": {"level": reached, "milliseconds with": round(1000 * found[True], 1), "without": round(1000 * found[False], 1),
                        "added": round(1000 * (found[True] - found[False]), 1)}}


def hand_in(folder: Path, students: int, only: str | None = None) -> None:
    """Students who have seven answers in ten right, two wrong in a known way and one missing, each in their own words."""
    from tests.e2e.classroom import Material, built_lessons

    dice = random.Random(0)
    materials = [Material.of(lesson) for lesson in built_lessons() if only in (None, "", lesson.stem)]
    wrong = {(material.lesson.stem, name): material.mistake(name)[1] for material in materials for name in material.answers}
    for number in range(students):
        for material in materials:
            answers = {}
            for name, right in material.answers.items():
                turn = dice.random()
                if turn < 0.9:
                    answers[name] = f"{right if turn < 0.7 else wrong[material.lesson.stem, name]}\n# in the words of student {number}"
            path = folder / f"student{number:03d}" / f"{material.lesson.stem}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(material.notebook(answers)), encoding="utf-8")


def collect(folder: Path) -> None:
    from grader.cli.collecting import collect as verb

    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):
        verb.main([str(folder)], standalone_mode=True)


def used(server: int, workers: list[int]) -> Figures:
    """MiB: private memory of the warm server and of each judging process."""
    return {"warm server, private MiB": private(server), "judging processes, private MiB": [private(pid) for pid in workers]}


def private(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    rows = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    return round((rows["Private_Clean"] + rows["Private_Dirty"]) / 1024, 1)


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--plain", type=int, default=12, help="notebooks that plain nbgrader grades in a round; 0 leaves it out")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--stock", action="store_true", help="also time the command `nbgrader autograde` on one student")
    parser.add_argument("--lesson", help="only this lesson's notebooks, as in p1_4_attention")
    parser.add_argument("--no-overhead", dest="overhead", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
