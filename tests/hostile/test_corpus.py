"""The corpus itself: it loads, each attack can be handed in, and what looks for harm finds it."""
from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from grader import paths
from grader.course import find_exercise
from grader.mutation import references
from tests.hostile import harm, listening
from tests.hostile.attack import ATTACKER, NEIGHBOUR, Attack, load_attacks

ATTACKS = load_attacks()
KINDS = {"archives", "floods", "memory", "metadata", "network", "objects", "processes", "reading_secrets", "tampering", "writing"}


def test_there_are_many_of_every_kind() -> None:
    assert {attack.kind for attack in ATTACKS} == KINDS
    assert len(ATTACKS) >= 120
    assert min(sum(attack.kind == kind for attack in ATTACKS) for kind in KINDS) >= 6


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_it_can_be_handed_in(attack: Attack, tmp_path: Path) -> None:
    info = find_exercise(attack.exercise)
    answer = references(attack.lesson)[attack.exercise]
    handed = attack.hand_in(answer, tmp_path, port=4321)
    assert info.lesson == attack.lesson
    assert re.compile(attack.says)
    assert attack.earns in (0.0, None)
    assert handed.answer != answer or handed.cells or handed.notebook or handed.files, "it hands in our own answer and nothing else"
    for place in ("%OUTSIDE%", "%MARKER%", "%PORT%"):
        assert not any(place in source for source in (handed.answer, *(source for _, source in handed.cells)))
    assert not [before for before, _ in handed.cells if before not in (None, f"{attack.exercise}-check")]
    assert attack.harm(tmp_path) == ""


def test_marks_processes_and_calls_are_found(tmp_path: Path) -> None:
    (tmp_path / "harm").mkdir()
    (tmp_path / "harm" / "by-a-test").touch()
    assert "harm/by-a-test" in harm.marks(tmp_path)
    with subprocess.Popen(["hostile-test-of-ours"], executable="/bin/cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            process.stdin.write(b"up\n")
            assert process.stdout.readline() == b"up\n"
            assert "1 processes" in harm.processes("hostile-test-of-ours")
        finally:
            process.kill()
    assert harm.processes("hostile-test-of-ours") == ""
    with listening.listening() as port:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"hello")
            line.shutdown(socket.SHUT_WR)
            line.recv(1)
        assert "hello" in listening.heard(tmp_path)


def test_forged_work_and_forged_grades_are_found(tmp_path: Path) -> None:
    for name in (f"submitted/{NEIGHBOUR}/part/a.ipynb", f"submitted/{ATTACKER}-x/part/a.ipynb"):
        path = tmp_path / "build" / name
        path.parent.mkdir(parents=True)
        path.write_text(harm.FORGED)
    assert NEIGHBOUR in harm.forged(tmp_path)
    assert ATTACKER not in harm.forged(tmp_path)
    with sqlite3.connect(tmp_path / "build" / "gradebook.db") as database:
        database.execute("CREATE TABLE student (id TEXT)")
        database.execute("CREATE TABLE grade (manual_score REAL, extra_credit REAL)")
        database.commit()
        assert harm.gradebook(tmp_path) == ""
        database.execute("INSERT INTO student VALUES (?)", (harm.FORGED,))
        database.execute("INSERT INTO grade VALUES (1000, 0)")
        database.commit()
    database.close()
    assert "1 forged students and 1 forged scores" in harm.gradebook(tmp_path)


def test_hidden_checks_and_odd_lines_in_a_report_are_found(tmp_path: Path) -> None:
    path = tmp_path / "build" / "verdicts" / ATTACKER / "part.json"
    path.parent.mkdir(parents=True)
    path.write_text(paths.HIDDEN.joinpath("p1_4_attention.py").read_text(encoding="utf-8"))
    assert "hidden checks leaked" in harm.hidden_checks("p1_4_attention")(tmp_path)
    path.write_text(r'{"lessons": {"a": {"notes": ["line\none"], "exercises": [{"reason": "plain"}]}}}')
    assert "control characters" in harm.in_lines(tmp_path)
    assert harm.in_reports("pla[i]n")(tmp_path) == "'pla[i]n' stands in part.json"
    path.write_text(r'{"lessons": {"a": {"notes": ["one line"], "exercises": [{"reason": "plain"}]}}}')
    assert harm.in_lines(tmp_path) == harm.hidden_checks("p1_4_attention")(tmp_path) == ""
    assert os.listdir(tmp_path) == ["build"]
