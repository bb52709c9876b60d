"""Every answer cell stands on its own: no exercise needs an earlier cell, and none another exercise."""
from __future__ import annotations

import ast

import pytest

from grader.course import load_course
from grader.judge import fingerprints
from grader.mutation import defined_names, load_answers, references, run_source, stubs

EXERCISES = [(lesson.stem, exercise.id) for lesson in load_course().lessons for exercise in lesson.exercises]


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES, ids=[name for _, name in EXERCISES])
def test_stub_and_answer_run_alone(lesson, exercise):
    stub, answer = stubs(lesson)[exercise], references(lesson)[exercise]
    names = defined_names(stub)
    assert names
    assert names == defined_names(answer)
    for source in (stub, answer):
        assert set(names) <= set(run_source(source, "cell.py"))
    assert "SOLUTION" not in stub
    assert "raise NotImplementedError()" in stub


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES, ids=[name for _, name in EXERCISES])
def test_the_docstring_is_an_assignment(lesson, exercise):
    definitions = [node for node in ast.parse(stubs(lesson)[exercise]).body
                   if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")]
    for node in definitions:
        text = ast.get_docstring(node) or ""
        assert len(text) > 80, f"{node.name} needs a docstring that is the whole assignment"
    assert any("Source:" in (ast.get_docstring(node) or "") for node in definitions), "name the paper or the origin of the definition"


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES, ids=[name for _, name in EXERCISES])
def test_every_mutant_has_its_fingerprint(lesson, exercise):
    mutants = [answer.name for answer in load_answers(lesson) if answer.exercise == exercise and not answer.right]
    assert mutants
    stored = fingerprints.stored(lesson).get(exercise, [])
    assert [row["name"] for row in stored] == mutants, "run `grader mutants` for the whole lesson and commit the fingerprints"
