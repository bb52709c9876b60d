"""A class of attackers, graded in one run: nothing earned that is not deserved, nothing harmed, everybody named."""
from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grader import paths
from grader.cli.collecting import collect as collect_verb
from grader.course import find_exercise
from grader.fleet.client import RunningServer
from grader.fleet.pool import LocalPool
from grader.flow.autograde import autograde
from grader.flow.export import grade_rows
from grader.flow.feedback import feedback
from grader.flow.jobs import Graded, jobs
from grader.flow.nbgrader_course import NbgraderCourse
from grader.flow.release import release
from grader.flow.warm import WarmGrading
from grader.folders import Folders, read_json
from grader.sandbox.level import probe
from grader.sandbox.limits import Limits
from tests.e2e.classroom import Material, built_lessons, place_of
from tests.hostile.attack import ATTACKER, CANARY, NEIGHBOUR, SECRET, Attack, HandedIn, load_attacks
from tests.hostile.listening import listening

LEVEL = probe()
ATTACKS = load_attacks()
LIMITS = Limits(memory=1024, cell=4.0, call=1.0, total=60.0, cpu=40, processes=32)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"),  # nbgrader's own libraries warn
              pytest.mark.skipif(not LEVEL.enough, reason=f"this machine has no sandbox: {LEVEL.why}")]


@dataclass
class Run:
    """What the run left behind."""

    outside: Path
    folders: Folders
    done: Graded
    points: dict[str, dict[str, float]]  # student -> exercise -> points

    def lines(self, student: str, part: str, lesson: str) -> list[str]:
        """What the instructor is told about a student's lesson: verdicts with reasons, notes, and what collecting found."""
        row = read_json(self.folders.verdicts / student / f"{part}.json").get("lessons", {}).get(lesson, {})
        found = read_json(self.folders.intake / student / f"{part}.json").get("lessons", {}).get(lesson, {}).get("findings", [])
        nobody = read_json(self.folders.intake / "_unassigned.json").get("findings", [])
        return [*(f"{line['exercise']}: {line['verdict']}: {line['reason']}" for line in row.get("exercises", [])), *row.get("notes", []),
                row.get("reason", ""), row.get("review", ""), *(finding["message"] for finding in found),
                *(f"{finding['file']}: {finding['message']}" for finding in nobody if student in json.dumps(finding))]


def student_of(attack: Attack) -> str:
    return f"{ATTACKER}-{attack.name.replace('_', '-')}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "harm").mkdir()
    (outside / "secret").write_text(SECRET, encoding="utf-8")
    folders = Folders(outside / "build")
    materials = {lesson.stem: Material.of(lesson) for lesson in built_lessons()}
    with pytest.MonkeyPatch.context() as patch, listening() as port:
        patch.setenv("HANDBOOK_CANARY", CANARY)
        patch.setattr(paths, "BUILD", folders.build)
        course = NbgraderCourse(folders)
        release(course, sorted({material.lesson.part for material in materials.values()}))
        _hand_in(outside, materials, port)
        _collect(outside / "handed-in", folders)
        yield _graded(outside, folders, course)


def _hand_in(outside: Path, materials: dict[str, Material], port: int) -> None:
    for name in (NEIGHBOUR, "zzz-last"):
        for stem, material in materials.items():
            _write(outside / "handed-in" / name / f"{stem}.ipynb", json.dumps(material.notebook()))
    for attack in ATTACKS:
        material, folder = materials[attack.lesson], outside / "handed-in" / student_of(attack)
        handed = attack.hand_in(material.answers[attack.exercise], outside, port=port)
        text = json.dumps(_notebook(attack, handed, material))
        folder.mkdir(parents=True)
        if handed.files is None:
            _write(folder / f"{attack.lesson}.ipynb", text)
        else:
            handed.files(folder, text)


def _notebook(attack: Attack, handed: HandedIn, material: Material) -> dict[str, Any]:
    answers = {**(material.answers if handed.others == "right" else {}), attack.exercise: handed.answer}
    table = material.notebook(answers)
    for before, source in handed.cells:
        place = 0 if before is None else place_of(table, before)
        table["cells"].insert(place, {"cell_type": "code", "id": f"own-{place}", "metadata": {}, "outputs": [], "execution_count": None, "source": source})
    return handed.notebook(table) if handed.notebook else table


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _collect(folder: Path, folders: Folders) -> None:
    with contextlib.suppress(SystemExit):  # 1: there is much to look at
        collect_verb.main([str(folder), "--json"], standalone_mode=True)
    assert (folders.intake / NEIGHBOUR).is_dir()


def _graded(outside: Path, folders: Folders, course: NbgraderCourse) -> Run:
    @contextlib.contextmanager
    def engine() -> Iterator[LocalPool]:
        with RunningServer(sandbox=True, build=folders.build) as server, LocalPool(server, 2) as pool:
            yield pool

    done = autograde(course, jobs(folders), warm=WarmGrading(engine, LIMITS, "hostile"))
    feedback(course, students=tuple(student_of(attack) for attack in ATTACKS if attack.also))  # those that look at the pages
    points: dict[str, dict[str, float]] = {}
    for row in grade_rows(course, {}):
        points.setdefault(row.student, {})[row.exercise] = row.points
    return Run(outside, folders, done, points)


def test_there_are_at_least_forty_attacks_of_every_kind() -> None:
    assert len(ATTACKS) >= 40
    assert {attack.kind for attack in ATTACKS} >= {"processes", "memory", "tampering", "reading_secrets", "writing", "network", "metadata", "archives",
                                                   "floods", "objects"}


def test_neighbours_keep_all_their_points(run: Run) -> None:
    full = {exercise: find_exercise(exercise).points for exercise in run.points[NEIGHBOUR]}
    assert run.points[NEIGHBOUR] == full
    assert run.points["zzz-last"] == full


def test_every_notebook_has_a_verdict(run: Run) -> None:
    without = [job.name for job in jobs(run.folders)
               if job.pristine.stem not in read_json(run.folders.verdicts / job.student / f"{job.part}.json").get("lessons", {})]
    assert without == []


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_earns_nothing_harms_nothing_and_is_named(attack: Attack, run: Run) -> None:
    student, info = student_of(attack), find_exercise(attack.exercise)
    earned = run.points.get(student, {})
    most = info.points if attack.earns is None else attack.earns
    assert earned.get(attack.exercise, 0.0) <= most, f"{attack.what} It earned {earned[attack.exercise]} points."
    part = next(lesson.part for lesson in built_lessons() if lesson.stem == attack.lesson)
    lines = run.lines(student, part, attack.lesson)
    assert any(re.search(attack.says, line) for line in lines), f"{attack.what} No line says {attack.says!r}: {lines}"
    handed = attack.hand_in("def nothing(): pass", run.outside)
    if handed.others == "right" and handed.files is None and handed.notebook is None:
        lost = {name: points for name, points in run.points[NEIGHBOUR].items()
                if find_exercise(name).lesson == attack.lesson and name != attack.exercise and earned.get(name) != points}
        assert not lost, f"{attack.what} It lost honest points for {sorted(lost)}: {lines}"
    assert not attack.harm(run.outside)
