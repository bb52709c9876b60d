"""The learner's verbs that run no answer: reset, doctor, submit, status, hint, and how a notebook is found."""
from __future__ import annotations

import copy
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from grader import paths
from grader.cli import cli
from grader.course import load_course
from grader.intake.rebuild import notebook_text
from grader.intake.released import pristine_of
from grader.learner import submit as submitting
from grader.learner.names import names_left, names_needed
from tests.made_up import code

LESSON = next(lesson for lesson in load_course().lessons if lesson.stem == "p1_4_attention")
PRISTINE = pristine_of(LESSON)
FIRST, SECOND = list(PRISTINE.answers)[:2]


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's copy of the attention lesson, in a course folder of its own."""
    monkeypatch.setattr(paths, "EXERCISES", tmp_path / "exercises")
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    monkeypatch.setenv("HANDBOOK_PROGRESS", str(tmp_path / "progress.json"))
    path = tmp_path / "exercises" / LESSON.part / f"{LESSON.stem}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(notebook_text(PRISTINE.table), encoding="utf-8")
    return path


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def change(path: Path, name: str, **fields: Any) -> None:
    """Change a cell of a notebook on disk; `delete=True` takes it out."""
    table = json.loads(path.read_text(encoding="utf-8"))
    cell = next(cell for cell in table["cells"] if cell["id"] == name)
    if fields.pop("delete", False):
        table["cells"].remove(cell)
    cell.update(fields)
    path.write_text(json.dumps(table), encoding="utf-8")


def answer_of(path: Path, name: str) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["id"] == name]


def test_reset_puts_one_answer_back_and_keeps_a_copy(notebook: Path) -> None:
    change(notebook, FIRST, source="my = 1", execution_count=3)
    change(notebook, SECOND, source="other = 2")
    before = notebook.read_bytes()
    result = run("reset", FIRST)
    assert result.exit_code == 0
    assert answer_of(notebook, FIRST) == [PRISTINE.answers[FIRST].source]
    assert answer_of(notebook, SECOND) == ["other = 2"]
    copies = list(notebook.parent.glob("*.bak"))
    assert [path.read_bytes() for path in copies] == [before]
    assert copies[0].name in result.output


def test_reset_brings_deleted_cells_back_to_their_place(notebook: Path) -> None:
    released = notebook.read_bytes()
    for name in (SECOND, f"{SECOND}-check"):
        change(notebook, name, delete=True)
    run("reset", SECOND)
    assert json.loads(notebook.read_bytes()) == json.loads(released)


def test_reset_takes_doubled_cells_out(notebook: Path) -> None:
    table = json.loads(notebook.read_text(encoding="utf-8"))
    twin = copy.deepcopy(next(cell for cell in table["cells"] if cell["id"] == FIRST))
    table["cells"].append({**twin, "id": "twin", "source": "x = 1"})
    notebook.write_text(json.dumps(table), encoding="utf-8")
    run("reset", FIRST)
    assert json.loads(notebook.read_bytes()) == PRISTINE.table


def test_reset_of_what_is_as_released_changes_nothing(notebook: Path) -> None:
    assert "nothing changed" in run("reset", FIRST).output
    assert list(notebook.parent.glob("*.bak")) == []


def test_reset_twice_keeps_both_copies(notebook: Path) -> None:
    for source in ("a = 1", "b = 2"):
        change(notebook, FIRST, source=source)
        run("reset", LESSON.stem)
    assert len(list(notebook.parent.glob("*.bak"))) == 2
    assert json.loads(notebook.read_bytes()) == json.loads(notebook_text(PRISTINE.table))


def test_reset_all_brings_lost_and_damaged_notebooks_back(notebook: Path) -> None:
    notebook.write_text("{", encoding="utf-8")
    assert "puts the whole notebook back" in run("reset", FIRST).output
    rows = json.loads(run("reset", "all", "--json").stdout)
    assert all(Path(row["path"]).is_file() for row in rows)
    assert len(rows) == sum(lesson.path.exists() for lesson in load_course().lessons)
    assert json.loads(notebook.read_bytes()) == json.loads(notebook_text(PRISTINE.table))


def test_reset_progress_keeps_a_copy(notebook: Path, tmp_path: Path) -> None:
    (tmp_path / "progress.json").write_text("{}", encoding="utf-8")
    assert run("reset", "progress").exit_code == 0
    assert [path.suffix for path in tmp_path.glob("progress*")] == [".bak"]


@pytest.mark.parametrize("verb", ["check", "doctor", "reset", "hint", "watch"])
def test_unknown_names_end_with_what_to_do(verb: str, notebook: Path) -> None:
    result = run(verb, "attention-scaled-dot-produkt")
    assert result.exit_code == 2
    assert "did you mean attention-scaled-dot-product" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("content", ["", "{", "[]", "<html>"])
def test_unreadable_notebooks_end_with_what_to_do(content: str, notebook: Path) -> None:
    notebook.write_text(content, encoding="utf-8")
    for verb in ("check", "doctor"):
        result = run(verb, notebook)
        assert result.exit_code == 2
        assert "use `grader reset`" in result.output


def test_a_missing_notebook_can_be_brought_back(notebook: Path) -> None:
    notebook.unlink()
    assert f"`grader reset {LESSON.stem}` brings it back" in run("check", FIRST).output


def doctor(path: Path) -> tuple[int, dict[str, Any], str]:
    result = run("doctor", path, "--json")
    table = json.loads(result.stdout)
    return result.exit_code, table, "\n".join(f"{row['exercise']}: {row['message']}" for row in table["findings"])


def test_doctor_is_content_with_an_untouched_notebook(notebook: Path) -> None:
    code_, table, messages = doctor(notebook)
    assert (code_, messages) == (0, "")
    assert table["exercises"][FIRST] == "not attempted"
    assert "graded as you see it here" in run("doctor", LESSON.stem).output


@pytest.mark.parametrize(("source", "says"), [
    ("import torch\ndef scaled_dot_product_attention(q, k, v, mask=None):\n    return helper(q)", "uses `helper`, which no cell"),
    ("import torch\ndef scaled_dot_product_attention(q, k, v, mask=None):\n    return demo_only(q)", "uses `demo_only` from a demonstration"),
    ("import torch\ndef scaled_dot_product_attention(q, k, v, mask=None):\n    return late(q)", "uses `late`, which is defined only after"),
    ("def scaled_dot_product_attention(q, k, v, mask=None):\n    return (q", "not valid Python (line 2"),
])
def test_doctor_names_what_grading_will_not_have(source: str, says: str, notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = copy.deepcopy(PRISTINE.table)
    demo = next(cell for cell in table["cells"] if "demo" in cell["metadata"].get("tags", []))
    demo["source"] = "demo_only = 1\n" + "".join(demo["source"])
    monkeypatch.setattr("grader.intake.released.pristine_of", lambda lesson: _pristine(table, lesson))
    table = json.loads(json.dumps(table))
    table["cells"].append(code("late = 1", "late"))
    notebook.write_text(json.dumps(table), encoding="utf-8")
    change(notebook, FIRST, source=source, execution_count=1)
    code_, _, messages = doctor(notebook)
    assert code_ == 1
    assert f"{FIRST}: the answer" in messages
    assert says in messages


def _pristine(table: dict[str, Any], lesson: Any) -> Any:
    from grader.intake.pristine import pristine_from

    return pristine_from(table, lesson.stem, lesson.part) if lesson.stem == LESSON.stem else pristine_of(lesson)


def test_doctor_accepts_helpers_between_answer_and_check(notebook: Path) -> None:
    table = json.loads(notebook.read_text(encoding="utf-8"))
    place = next(place for place, cell in enumerate(table["cells"]) if cell["id"] == FIRST)
    table["cells"].insert(place + 1, code("def helper(q):\n    return q", "own"))
    notebook.write_text(json.dumps(table), encoding="utf-8")
    change(notebook, FIRST, source="def scaled_dot_product_attention(q, k, v, mask=None):\n    return helper(q)", execution_count=1)
    assert doctor(notebook)[2] == ""


def test_doctor_sees_stale_cards_lost_marks_and_changed_checks(notebook: Path) -> None:
    answer = "def scaled_dot_product_attention(q, k, v, mask=None):\n    return v"
    change(notebook, FIRST, source=answer, execution_count=9)
    change(notebook, f"{FIRST}-check", execution_count=5)
    change(notebook, SECOND, source="def causal_mask(n):\n    return n", metadata={})
    change(notebook, f"{SECOND}-check", source="# nothing")
    code_, _, messages = doctor(notebook)
    assert code_ == 0  # all of it is handled
    assert "run again after its last check" in messages
    assert "marks of 1 answer cells are lost" in messages
    assert f"{SECOND}: its check cell was changed" in messages
    assert f"{SECOND}: its answer was never run" in messages


def test_submit_packs_the_part_with_a_manifest(notebook: Path, tmp_path: Path) -> None:
    change(notebook, FIRST, source="def scaled_dot_product_attention(q, k, v, mask=None):\n    return v")
    result = run("submit", LESSON.part, "--student", "Ada Lovelace", "--json")
    table = json.loads(result.stdout)
    path = tmp_path / "build" / "submissions" / f"Ada-Lovelace-{LESSON.part}.zip"
    assert Path(table["path"]) == path
    assert table["lessons"][LESSON.stem]["answered"] == [FIRST]
    with zipfile.ZipFile(path) as archive:
        assert archive.read(f"{LESSON.part}/{notebook.name}") == notebook.read_bytes()
        manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["student"], manifest["part"]) == ("Ada-Lovelace", LESSON.part)


def test_submit_needs_a_name_that_is_yours(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    monkeypatch.setattr(submitting.getpass, "getuser", lambda: "jovyan")
    refused = run("submit")
    assert (refused.exit_code, "grader submit --student NAME" in refused.output) == (2, True)
    assert not (paths.BUILD / "submissions").exists()
    monkeypatch.setattr(submitting.getpass, "getuser", lambda: "ada7")
    taken = run("submit")
    assert "handed in as ada7, the name of this account" in taken.output
    assert "no exercise is answered" in taken.output
    monkeypatch.setenv("JUPYTERHUB_USER", "Ada Lovelace")
    assert Path(json.loads(run("submit", "--json").stdout)["path"]).name.startswith("Ada-Lovelace-")


def test_check_takes_one_name_and_says_so() -> None:
    result = run("check", f"{LESSON.stem}.ipynb", FIRST)
    assert (result.exit_code, f"here {FIRST}" in " ".join(result.output.split())) == (2, True)


def test_submit_takes_unreadable_notebooks_along_and_says_so(notebook: Path) -> None:
    notebook.write_text("{", encoding="utf-8")
    result = run("submit", "--student", "ada")
    assert result.exit_code == 0
    assert f"note: {LESSON.stem}:" in result.output


def test_submit_without_notebooks_or_with_a_wrong_part_says_what_to_do(notebook: Path) -> None:
    notebook.unlink()
    assert "`grader reset all` brings them back" in run("submit", "--student", "ada").output
    assert "name the part to hand in" in run("submit", "part99").output


def test_submit_takes_the_part_that_was_begun_and_asks_where_there_are_several(notebook: Path) -> None:
    other = next(lesson for lesson in load_course().lessons if lesson.part != LESSON.part)
    place = paths.EXERCISES / other.part / f"{other.stem}.ipynb"
    place.parent.mkdir()
    shutil.copy(paths.ROOT / "exercises" / other.part / place.name, place)
    assert f"name the part to hand in: {LESSON.part}, {other.part}" in run("submit", "--student", "ada").output
    change(notebook, FIRST, source="def scaled_dot_product_attention(q, k, v, mask=None):\n    return v")
    assert json.loads(run("submit", "--student", "ada", "--json").stdout)["part"] == LESSON.part


def test_status_and_hint_show_progress(notebook: Path) -> None:
    rows = json.loads(run("status", "--json").stdout)
    assert {"lesson": LESSON.stem, "passed": 0, "exercises": len(LESSON.exercises)} in rows
    assert "0 of" in run("status").output
    numbers = [json.loads(run("hint", FIRST, "--json").stdout)["number"] for _ in range(4)]
    assert numbers == [1, 2, 3, 3]


@pytest.mark.parametrize(("source", "left", "needed"), [
    ("import a.b as c, d.e\nfrom f import g", "c d g", ""),
    ("x = y + 1\nfor i in z: pass", "x i", "y z"),
    ("def f(a, b=c):\n    def g():\n        return a + h\n    return g", "f", "c h"),
    ("class K(Base):\n    field: int = default\n    def m(self): return self.field + other", "K", "Base default other"),
    ("v = [q for q in items if q > bound]", "v", "items bound"),
    ("try:\n    pass\nexcept ValueError as error:\n    print(error)", "error", ""),
    ("def f():\n    global made\n    made = 1\n    return made", "f", "made"),
    ("!ls\n%time\nlen([1])", "", ""),
    ("def f(:", "", ""),
    ("with open('x') as file, lock:\n    (a := 1)", "file a", "lock"),
])
def test_names_are_read_from_source(source: str, left: str, needed: str) -> None:
    assert names_left(source) == set(left.split())
    assert names_needed(source) == set(needed.split())
