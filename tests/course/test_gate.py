"""The author's gate over the whole course: one test an exercise."""
from __future__ import annotations

import pytest
import torch

from grader import gate
from grader.course import find_exercise, load_course
from grader.judge import fingerprints

SEEDS = 30


@pytest.mark.slow
@pytest.mark.parametrize("exercise", [exercise.id for exercise in load_course().exercises])
def test_checks_accept_what_is_right_and_name_what_is_wrong(exercise):
    torch.set_num_threads(1)
    info = find_exercise(exercise)
    report = gate.examine(info, seeds=SEEDS)
    assert report.problems == []
    stored = {row["name"]: row for row in fingerprints.stored(info.lesson)[exercise]}
    assert [row["name"] for row in report.prints] == list(stored)
    stale = [row["name"] for row in report.prints if not fingerprints.same(row["probe"], stored[row["name"]]["probe"])]
    assert stale == [], "run `grader mutants` and commit the fingerprints"
    assert all(stored[row["name"]]["says"] == row["says"] for row in report.prints)
