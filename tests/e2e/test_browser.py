"""What a learner and an instructor see in JupyterLab: the check card, nbgrader's Validate, and Formgrader."""
from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from grader import paths
from grader.card import Card
from grader.course import find_exercise, find_lesson
from grader.judge.outcome import CheckResult, Outcome, Verdict

pytest.importorskip("selenium", reason="needs selenium, which `make test` installs")
from tests.e2e.browser import Lab, NotebookPage, copy_course, missing_programs, run_grader, running_browser, running_lab

STEM, PART, EXERCISE = "p1_4_attention", "part1_introduction", "attention-causal-mask"
NOTEBOOK = f"exercises/{PART}/{STEM}.ipynb"
WRONG = "import torch\n\n\ndef causal_mask(n):\n    return torch.ones(n, n, dtype=torch.bool).tril(-1)"
RIGHT = WRONG.replace("tril(-1)", "tril()")
MISTAKE = "The diagonal is False: a token must read itself too."

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_programs()), reason=f"needs {' and '.join(missing_programs())} on the PATH (Debian: chromium, chromium-driver)"),
    pytest.mark.skipif(not (paths.ROOT / NOTEBOOK).exists(), reason=f"needs {NOTEBOOK}, which `make build` makes"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a copy of the course with this one lesson."""
    with running_lab(copy_course(tmp_path_factory.mktemp("desk"), STEM)) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(lab: Lab) -> Iterator[NotebookPage]:
    with running_browser(lab) as page:
        yield page


@pytest.fixture(scope="module")
def lesson(page: NotebookPage) -> NotebookPage:
    """The learner's notebook, open, with its set-up cell run."""
    page.open_notebook(NOTEBOOK)
    assert "Ready: Python" in page.run(f"setup-{STEM}")
    return page


def check_after(lesson: NotebookPage, answer: str) -> str:
    """The card for an answer that is typed and run."""
    lesson.write(EXERCISE, answer)
    lesson.run(EXERCISE)
    return lesson.run(f"{EXERCISE}-check")


def test_the_card_names_a_known_mistake_and_then_says_passed(lesson: NotebookPage) -> None:
    card = check_after(lesson, WRONG)
    assert "Not yet" in card
    assert MISTAKE in card
    card = check_after(lesson, RIGHT)
    assert "Passed" in card
    assert "1 of 1 point" in card
    assert MISTAKE not in card


def test_validate_says_in_words_what_is_missing(lesson: NotebookPage) -> None:
    others = [exercise for exercise in find_lesson(STEM).exercises if exercise.id != EXERCISE]
    check_after(lesson, WRONG)
    said = lesson.validate()
    assert f"Looks like: {MISTAKE}" in said
    assert said.count("Not attempted yet") == len(others)
    assert "Partial credit" not in said
    check_after(lesson, RIGHT)
    said = lesson.validate()
    assert MISTAKE not in said
    assert said.count("Not attempted yet") == said.count("The following cell failed") == len(others)


def test_validate_accepts_our_answers(page: NotebookPage, lab: Lab) -> None:
    shutil.copy(lab.root / "solutions" / PART / f"{STEM}.ipynb", lab.root / "mine.ipynb")
    page.open_notebook("mine.ipynb")
    assert page.validate().strip() == "Success! Your notebook passes all the tests."


def test_a_card_keeps_its_look_where_the_notebook_is_not_trusted(page: NotebookPage, lab: Lab) -> None:
    missed = CheckResult("test", "A sentence.", Outcome.FAILED, problem="a problem", call="f(1)")
    card = Card(find_exercise(EXERCISE), Verdict(EXERCISE, 0.0, 1.0, Outcome.FAILED, (missed,), mistake=MISTAKE), progress=(1, 7))
    output = {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/html": card.html(), "text/plain": "0.00"}}
    cell = {"cell_type": "code", "id": "card", "metadata": {}, "source": "", "execution_count": 1, "outputs": [output]}
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    table = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / "sent-by-mail.ipynb").write_text(json.dumps(table), encoding="utf-8")
    page.open_notebook("sent-by-mail.ipynb")
    shown = page.one(".jp-OutputArea-output > div", MISTAKE)
    assert shown.value_of_css_property("border-left-color") in ("rgb(213, 94, 0)", "rgba(213, 94, 0, 1)")
    assert [part.value_of_css_property("display") for part in shown.find_elements("css selector", "details[open] > div")] == ["grid"]
    assert len(shown.find_elements("css selector", "details")) == 4
    page.click(".jp-OutputArea-output summary", "Hint 1")
    page.one(".jp-OutputArea-output", find_exercise(EXERCISE).hints[0])


@pytest.fixture(scope="module")
def graded(lab: Lab) -> Lab:
    """A class of one: Ada answers one exercise rightly, and is graded by the course's own flow."""
    table = json.loads((lab.root / NOTEBOOK).read_text(encoding="utf-8"))
    for cell in table["cells"]:
        if cell["id"] == EXERCISE:
            cell["source"] = RIGHT
    handed_in = lab.root.parent / "handed-in" / "ada" / PART
    handed_in.mkdir(parents=True)
    (handed_in / f"{STEM}.ipynb").write_text(json.dumps(table), encoding="utf-8")
    run_grader(lab.root, "release", PART)
    run_grader(lab.root, "collect", handed_in.parents[1])
    run_grader(lab.root, "autograde")
    return lab


def test_formgrader_leads_from_the_part_to_a_learners_card(page: NotebookPage, graded: Lab) -> None:
    page.open("lab?reset")
    page.click(".lm-MenuBar-itemLabel", "Nbgrader", seconds=60)
    page.click(".lm-Menu-itemLabel", "Formgrader")
    with page.inside("iframe"):
        part = page.one("#main-table tr", PART)
        assert part.find_element("css selector", ".num-submissions").text == "1"
        page.click("#main-table .num-submissions a")
        learner = page.one("#main-table tr", "ada")
        assert learner.find_element("css selector", ".status").text == "graded"
        assert learner.find_element("css selector", ".score").text == f"1 / {sum(row.points for row in find_lesson(STEM).exercises):g}"
        page.click("#main-table .student-name a")
        page.click("#main-table .name a", STEM)
        points = page.one(f"input.score[id='{EXERCISE}-check']", seconds=60)
        page.until(lambda: points.get_attribute("placeholder") == "1", "1 point beside the check")
        assert "Passed" in page.one(".output_html", find_exercise(EXERCISE).title).text
