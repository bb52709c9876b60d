"""A submission is rebuilt on the released notebook: what is the learner's survives, what decides a grade is ours."""
from __future__ import annotations

import copy
import json

import pytest

from grader.intake import Rebuilt, read_notebook, rebuild
from tests import made_up
from tests.made_up import Notebook, code, data, ids, lesson, solved, source_of


def rebuilt(table: Notebook, **options: bool) -> Rebuilt:
    notebook, findings = read_notebook(data(table), "p1_1_sums.ipynb")
    assert notebook is not None
    return rebuild(notebook, made_up.pristine(), earlier=findings, **options)


def messages(result: Rebuilt) -> str:
    return "\n".join(str(finding) for finding in result.findings)


def test_an_untouched_notebook_comes_back_byte_for_byte() -> None:
    result = rebuilt(lesson())
    assert result.table == lesson()
    assert result.answered == ()
    assert result.findings == ()


def test_answers_are_put_into_the_pristine_notebook() -> None:
    result = rebuilt(solved())
    assert result.answered == ("sum-two", "sum-many")
    assert source_of(result.table, "answer-one") == "def add(a, b):\n    return a + b"
    assert result.findings == ()


@pytest.mark.parametrize("damage", [made_up.without_marks, made_up.without_ids])
def test_a_save_without_metadata_keeps_every_answer(damage) -> None:  # type: ignore[no-untyped-def]
    result = rebuilt(damage(solved()), notice=False)
    assert result.table == rebuilt(solved()).table


def test_answers_found_by_name_are_reported() -> None:
    result = rebuilt(made_up.without_ids(solved()))
    assert "found by the name add" in messages(result)


def test_points_checks_setup_and_demonstrations_of_the_file_are_ignored() -> None:
    table = solved()
    table["cells"][1]["source"] = "check = lambda name: 100.0"
    table["cells"][3]["source"] = "100.0"
    table["cells"][3]["metadata"]["nbgrader"]["points"] = 100
    table["cells"][4]["source"] += "\nprint('changed')"
    result = rebuilt(table, notice=False)
    assert result.table == rebuilt(solved()).table


def test_the_last_edited_of_duplicated_answer_cells_wins() -> None:
    table = solved()
    first = copy.deepcopy(table["cells"][2])
    table["cells"][2]["source"] = "def add(a, b):\n    return a - b"
    table["cells"].insert(3, {**first, "id": "copy"})
    table["cells"].append({**copy.deepcopy(lesson()["cells"][2]), "id": "copied-stub"})
    result = rebuilt(table)
    assert source_of(result.table, "answer-one") == "def add(a, b):\n    return a + b"
    assert "there 3 times; the last edited one in the notebook was graded" in messages(result)


def test_a_deleted_answer_cell_comes_back_as_not_attempted() -> None:
    table = solved()
    del table["cells"][2]
    result = rebuilt(table)
    assert source_of(result.table, "answer-one") == made_up.pristine().answers["sum-two"].source
    assert result.answered == ("sum-many",)
    assert "sum-two: the answer cell is missing; the original came back, graded as not attempted" in messages(result)


def test_deleted_check_and_setup_cells_come_back() -> None:
    table = solved()
    table["cells"] = [cell for cell in table["cells"] if cell["id"] not in ("setup", "check-one", "check-two", "demo")]
    assert rebuilt(table, notice=False).table == rebuilt(solved()).table


def test_an_answer_written_in_a_new_cell_is_found_while_the_stub_is_untouched() -> None:
    table = lesson()
    table["cells"].insert(3, code("def add(a, b):\n    return a + b", "new"))
    result = rebuilt(table)
    assert source_of(result.table, "answer-one") == "def add(a, b):\n    return a + b"
    assert "its own cell is untouched" in messages(result)


def test_the_own_cell_beats_a_later_experiment_with_the_same_name() -> None:
    table = solved()
    table["cells"].append(code("def add(a, b):\n    return 'try'", "experiment"))
    result = rebuilt(table)
    assert source_of(result.table, "answer-one").endswith("a + b")
    assert "another cell defines the same name" in messages(result)


def test_two_answers_merged_into_one_cell_both_count() -> None:
    table = solved()
    table["cells"][2]["source"] += "\n\n" + table["cells"][5]["source"]
    del table["cells"][5]
    result = rebuilt(table)
    assert result.answered == ("sum-two", "sum-many")
    assert "def total" in source_of(result.table, "answer-two")


def test_an_answer_turned_into_a_text_cell_is_still_read() -> None:
    table = solved()
    table["cells"][2]["cell_type"] = "markdown"
    result = rebuilt(table)
    assert "sum-two" in result.answered
    assert "turned into text" in messages(result)


def test_an_emptied_answer_cell_is_not_attempted() -> None:
    table = solved()
    table["cells"][2]["source"] = "  \n"
    result = rebuilt(table)
    assert result.answered == ("sum-many",)
    assert "the answer cell is empty" in messages(result)


def test_helper_cells_stand_in_front_of_the_next_answer_or_check() -> None:
    table = solved()
    table["cells"].insert(2, code("def helper(a):\n    return a", "helper"))
    table["cells"].insert(4, code("late = 1", "late"))
    table["cells"].append(code("afterwards = 1", "after"))
    order = ids(rebuilt(table).table)
    assert order.index("answer-one") - order.index("added-0-answer-one") == 1
    assert order.index("check-one") - order.index("added-0-check-one") == 1
    assert len(order) == len(lesson()["cells"]) + 2  # what stands after the last check changes nothing


def test_helper_cells_are_capped_and_that_is_said() -> None:
    table = solved()
    for number in range(60):
        table["cells"].insert(2, code(f"x{number} = {number}", f"own-{number}"))
    result = rebuilt(table)
    assert len([name for name in ids(result.table) if name.startswith("added-")]) == 40
    assert "the last 20 were left out" in messages(result)


def test_edited_copies_of_our_cells_and_repeated_checks_are_not_kept() -> None:
    table = made_up.without_ids(solved())
    table["cells"][4]["source"] += "\nprint('and more')"
    table["cells"].insert(3, code('check("sum-two", seed=4)', "again"))
    result = rebuilt(table, notice=False)
    assert result.table == rebuilt(solved()).table


def test_demonstrations_of_an_older_release_are_not_taken_for_own_cells() -> None:
    table = solved()
    table["cells"].insert(2, code("something_slow = 10 ** 6", "of-last-year", tags=["demo"]))
    assert rebuilt(table, notice=False).table == rebuilt(solved()).table


def test_a_short_own_cell_is_not_mistaken_for_ours() -> None:
    table = solved()
    table["cells"].insert(2, code("import time", "own"))
    assert "added-0-answer-one" in ids(rebuilt(table).table)


def test_a_learners_own_check_function_does_not_decide_the_grade() -> None:
    table = solved()
    table["cells"][2]["source"] += "\n\ndef check(x):\n    return x"
    result = rebuilt(table)
    order = ids(result.table)
    assert order[order.index("check-one") - 1] == "restored-check-one"
    assert "put back before each check" in messages(result)


def test_shell_lines_are_left_out_and_lines_keep_their_numbers() -> None:
    table = solved()
    table["cells"][2]["source"] = "!pip install something\n%matplotlib inline\ndef add(a, b):\n    return a + b"
    lines = source_of(rebuilt(table).table, "answer-one").split("\n")
    assert lines[0].startswith("# left out: !pip")
    assert lines[2] == "def add(a, b):"


def test_a_syntax_error_is_named_with_its_line_and_costs_one_exercise() -> None:
    table = solved()
    table["cells"][2]["source"] = "def add(a, b):\n    return (a + b"
    result = rebuilt(table)
    assert result.answered == ("sum-two", "sum-many")
    assert "sum-two: the answer is not valid Python (line 2: '(' was never closed)" in messages(result)


def test_outputs_are_dropped_and_big_ones_are_mentioned() -> None:
    table = solved()
    table["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 2_000_000}]
    result = rebuilt(table)
    assert "the outputs were left out" in messages(result)
    assert len(result.text()) < 10_000


def test_what_was_found_is_told_on_top_and_the_rest_is_unchanged() -> None:
    table = solved()
    del table["cells"][2]
    result = rebuilt(table)
    assert result.table["cells"][0]["cell_type"] == "markdown"
    assert "**sum-two**: the answer cell is missing" in result.table["cells"][0]["source"]
    written = json.loads(result.text())
    assert ["".join(cell["source"]) for cell in written["cells"]] == [cell["source"] for cell in result.table["cells"]]
