"""Points and outcomes that follow from checks; the card; progress on disk."""
from __future__ import annotations

import json

import pytest

from grader import progress
from grader.card import Card
from grader.course import load_course
from grader.judge.outcome import CheckResult, Outcome, Verdict, score, summarise

P, F, N, E, S, C = (Outcome.PASSED, Outcome.FAILED, Outcome.NOT_ATTEMPTED, Outcome.LEARNER_ERROR, Outcome.TOO_SLOW, Outcome.COULD_NOT_CHECK)


def checks(*outcomes, core=0):
    return tuple(CheckResult(f"test_{i}", f"Sentence {i}.", outcome, core=i == core) for i, outcome in enumerate(outcomes))


@pytest.mark.parametrize(("outcomes", "points"), [
    ((P, P, P, P), 4.0), ((P, F, P, P), 3.0), ((F, P, P, P), 0.0), ((N, N, N, N), 0.0), ((P, C, F, P), 2.67), ((P, S, E, F), 1.0), ((C, C, C, C), 0.0),
])
def test_points(outcomes, points):
    assert score(checks(*outcomes), 4.0) == points


@pytest.mark.parametrize(("outcomes", "outcome"), [
    ((P, P), P), ((P, F), F), ((N, N), N), ((P, N), F), ((N, F), F), ((E, F), E), ((S, S), S), ((P, C), C), ((C, F), F), ((), C),
])
def test_outcome(outcomes, outcome):
    assert summarise(checks(*outcomes)) is outcome


@pytest.fixture
def info():
    return load_course().exercises[0]


def verdict_of(info, *outcomes, **fields):
    rows = checks(*outcomes)
    return Verdict(info.id, score(rows, info.points), info.points, summarise(rows), rows, seed=7, **fields)


def test_card_shows_the_points_as_plain_text_for_nbgrader(info):
    card = Card(info, verdict_of(info, P, P))
    assert float(repr(card)) == info.points
    assert "Passed" in card.html()
    assert card._repr_mimebundle_()["text/plain"] == repr(card)
    assert float(repr(Card(info, verdict_of(info, F, P)))) == 0.0


def test_card_escapes_what_a_learner_wrote(info):
    bad = CheckResult("test_0", "Sentence.", F, problem="<script>alert(1)</script>", got="<b>", why="&")
    card = Card(info, Verdict(info.id, 0.0, 1.0, F, (bad,), mistake="a < b"))
    assert "<script>" not in card.html()
    assert "&lt;script&gt;" in card.html()
    assert "a &lt; b" in card.html()
    assert "Looks like: a < b" in card.text()


def test_card_says_what_to_do_next(info):
    assert "hint(" in Card(info, verdict_of(info, F, P)).text()
    assert "seed=7" in Card(info, verdict_of(info, F, P)).text()
    assert "Write your answer" in Card(info, verdict_of(info, N, N)).text()
    assert "solution(" in Card(info, verdict_of(info, P, P)).text()
    assert "report this card" in Card(info, verdict_of(info, P, C)).text()
    assert Card(info, verdict_of(info, F, P)).html().count("Hint ") == 3


@pytest.fixture
def own_progress(tmp_path, monkeypatch):
    path = tmp_path / "progress.json"
    monkeypatch.setenv("HANDBOOK_PROGRESS", str(path))
    return path


def test_progress_survives_and_a_pass_is_never_taken_away(own_progress, info):
    progress.record(verdict_of(info, P, P))
    progress.record(verdict_of(info, F, F))
    assert json.loads(own_progress.read_text())[info.id]["tries"] == 2
    assert progress.passed(info.id)
    assert not progress.passed_now(info.id)
    assert progress.counts(info.id)[0] == 1
    assert [row[0] for row in progress.summary()] == [lesson.stem for lesson in load_course().lessons]


def test_damaged_progress_is_put_aside(own_progress, info):
    own_progress.write_text("{ not json")
    assert progress.load() == {}
    assert own_progress.with_suffix(".damaged").read_text() == "{ not json"
    own_progress.write_text('["a list"]')
    progress.record(verdict_of(info, P, P))
    assert progress.passed(info.id)


def test_hints_are_counted_to_three(own_progress, info):
    assert [progress.next_hint(info.id) for _ in range(4)] == [1, 2, 3, 3]
