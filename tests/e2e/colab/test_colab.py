"""A learner on Colab opens one notebook, runs it all, and every check answers."""
from __future__ import annotations

import pytest

from grader.build import Layout
from grader.course import find_exercise
from tests.e2e.colab.simulate import CannotSimulate, environment, simulate


@pytest.mark.slow
def test_a_lone_notebook_works_on_colabs_packages():
    layout = Layout.here()
    lesson = next(lesson for lesson in layout.load().lessons if lesson.stem == find_exercise("attention-scaled-dot-product").lesson)
    try:
        place = environment()
    except CannotSimulate as reason:
        pytest.skip(f"no Colab-like environment can be made here: {reason}")
    result = simulate(layout.exercise(lesson), place)
    assert result.errors == []
    assert result.stderr == []
    assert result.moved == []
    assert list(result.checks) == [f'check("{exercise.id}")' for exercise in lesson.exercises]
    assert all("Not attempted yet" in card for card in result.checks.values())
