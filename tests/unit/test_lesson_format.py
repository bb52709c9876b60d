"""From a lesson file to its notebooks: what is in them, and that it is the same bytes everywhere."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grader.build.layout import BuildError, Layout
from grader.build.manifest import Measured
from grader.build.notebook import Notebook, dumps, notebook_of
from grader.build.release import leaks, release
from grader.build.setup_cell import badge, setup_source
from grader.build.sources import source_hash
from grader.build.steps import Options, build, prune, stale
from grader.course import Course, Lesson
from grader.lesson import STUB, LessonError, parse_lesson, read_lesson, reference_of, stub_of
from tests.tiny_course import LESSON, PART, READING, SUMS, change, tiny_course


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return tiny_course(tmp_path)


def lesson_of(layout: Layout, stem: str = SUMS) -> Lesson:
    return next(lesson for lesson in layout.load().lessons if lesson.stem == stem)


def fresh(layout: Layout, measured: Measured | None = None) -> Notebook:
    return notebook_of(lesson_of(layout), layout.load(), measured)


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


# The lesson file


def test_cells_are_told_apart_by_their_tags():
    cells = parse_lesson(LESSON)
    assert [cell.kind for cell in cells] == [
        "markdown", "demo", "markdown", "code", "markdown", "exercise", "check", "markdown", "exercise", "check"]
    assert [cell.exercise for cell in cells if cell.exercise] == ["sum-two", "sum-two", "sum-all", "sum-all"]
    assert cells[0].source.startswith("# Sums: adding up\n\nWhy add?")
    assert LESSON.split("\n")[cells[5].line - 1] == '# %% exercise="sum-two"'


@pytest.mark.parametrize("tag", ['exercise="Sum two"', "demonstration", "exercise=sum", "[markdown] demo"])
def test_an_unknown_tag_is_refused_with_its_line(tag):
    with pytest.raises(LessonError, match="line 3: unknown cell tag"):
        parse_lesson(f"# %%\nx = 1\n# %% {tag}\n", "p1.py")


def test_text_before_the_first_cell_is_refused():
    with pytest.raises(LessonError, match="before the first"):
        parse_lesson("import torch\n# %%\n", "p1.py")


def test_stub_and_answer_are_two_halves_of_one_cell():
    cell = next(cell for cell in parse_lesson(LESSON) if cell.kind == "exercise").source
    assert stub_of(cell).endswith('    """\n    # YOUR CODE HERE\n    raise NotImplementedError()')
    assert "return total_of_both_numbers" in reference_of(cell)
    assert "SOLUTION" not in stub_of(cell) + reference_of(cell)


def test_jupytext_reads_the_same_cells():
    import jupytext

    theirs = jupytext.reads(LESSON, fmt="py:percent")
    ours = parse_lesson(LESSON)
    assert [cell.cell_type for cell in theirs.cells] == ["markdown" if cell.kind == "markdown" else "code" for cell in ours]
    assert [cell.source for cell in theirs.cells] == [cell.source for cell in ours]


# The notebook


def test_a_notebook_is_valid_and_names_no_version(layout):
    notebook = fresh(layout)
    nbformat.validate(nbformat.from_dict(notebook))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"] == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                                    "language_info": {"name": "python"}}
    assert dumps(notebook) == nbformat.writes(nbformat.from_dict(json.loads(dumps(notebook)))) + "\n"


def test_the_first_cell_has_title_card_and_badge(layout):
    lines = source(fresh(layout, Measured(14, 0.9, "2026-01"))["cells"][0]).split("\n")
    assert lines[0] == "# Sums: adding up"
    assert lines[2] == ("**Minutes** 20 · **You need** counting · **Covers** 1.1 · **Runs in** 14 CPU-s, 0.9 GB (measured 2026-01) · "
                        "**Exercises** 2 for 3.5 points, ★☆☆ to ★★☆")
    assert lines[4] == ("[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/"
                        "github/someone/tiny-course/blob/main/exercises/part1_numbers/p1_1_sums.ipynb)")
    assert lines[6].startswith("*Run the folded cell")
    assert lines[8].startswith("Why add?")


def test_a_lesson_that_covers_nothing_and_has_no_exercise_says_neither(layout):
    card = source(notebook_of(lesson_of(layout, READING), layout.load())["cells"][0]).split("\n")[2]
    assert card == "**Minutes** 5 · **You need** eyes"


def test_a_course_outside_github_has_no_badge():
    assert badge(Course("T", "https://example.org/course", "main", ()), "part1", "p1") == ""


def test_nbgrader_is_told_what_each_cell_is(layout):
    cells = fresh(layout)["cells"]
    assert cells[1]["metadata"]["tags"] == ["setup"]
    marks = {cell["id"]: cell["metadata"]["nbgrader"] for cell in cells if "nbgrader" in cell["metadata"]}
    assert list(marks) == [f"setup-{SUMS}", "sum-two", "sum-two-check", "sum-all", "sum-all-check"]
    assert all(mark["grade_id"] == name for name, mark in marks.items())
    assert {name for name, mark in marks.items() if mark["locked"]} == {f"setup-{SUMS}", "sum-two-check", "sum-all-check"}
    assert {name for name, mark in marks.items() if mark["solution"]} == {"sum-two", "sum-all"}
    assert {name: mark["points"] for name, mark in marks.items() if mark["grade"]} == {"sum-two-check": 2, "sum-all-check": 1.5}
    assert isinstance(marks["sum-two-check"]["points"], int)
    assert [source(cell) for cell in cells if cell["id"].endswith("-check")] == ['check("sum-two")', 'check("sum-all")']


def test_only_demonstrations_are_tagged_so(layout):
    demos = [cell for cell in fresh(layout)["cells"] if "demo" in cell["metadata"].get("tags", [])]
    assert [source(cell).split("\n")[-1] for cell in demos] == ["figures.draw()"]


def test_cell_ids_are_legal_unique_and_do_not_hang_on_the_card(layout):
    ids = [cell["id"] for cell in fresh(layout)["cells"]]
    assert len(ids) == len(set(ids))
    assert all(len(name) <= 64 and name.replace("-", "").replace("_", "").isalnum() for name in ids)
    assert [cell["id"] for cell in fresh(layout, Measured(5, 1.0, "2030-12"))["cells"]] == ids


def test_the_same_cell_twice_gets_two_ids(layout):
    change(lesson_of(layout).path, "# %% [markdown]\n# A worked example.\n", '# %%\nprint("one and one:", 1 + 1)\n')
    ids = [cell["id"] for cell in fresh(layout)["cells"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("old", "new", "told"), [
    ('# %% check="sum-two"\n', "", "needs its one check cell"),
    ('# %% check="sum-two"\n', '# %% check="sum-two"\n# %% check="sum-two"\n', "needs its one check cell"),
    ('exercise="sum-two"', 'exercise="sum-tow"', "make them agree"),
    ("# # Sums: adding up", "# Sums: adding up", "Title"),
], ids=["no check", "two checks", "unknown id", "no title"])
def test_a_lesson_that_disagrees_with_its_table_is_refused(layout, old, new, told):
    change(lesson_of(layout).path, old, new)
    with pytest.raises(BuildError, match=told):
        fresh(layout)


# The learner's notebook


def test_the_learners_notebook_has_stubs_and_no_answers(layout):
    made = json.loads(release(PART, {SUMS: fresh(layout)})[SUMS])
    cells = {cell["id"]: cell for cell in made["cells"]}
    assert source(cells["sum-two"]).rstrip().endswith("    " + STUB.replace("\n", "\n    "))
    for word in ("total_of_both_numbers", "fsum", "nothing to add", "SOLUTION"):
        assert word not in json.dumps(made)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in made["cells"])
    assert cells["sum-two-check"]["metadata"]["editable"] is False
    assert cells[f"setup-{SUMS}"]["metadata"]["nbgrader"]["checksum"]


def test_a_learners_stub_is_what_the_terminal_uses_too(layout):
    made = json.loads(release(PART, {SUMS: fresh(layout)})[SUMS])
    stubs = {cell.exercise: stub_of(cell.source) for cell in read_lesson(lesson_of(layout).path) if cell.kind == "exercise"}
    assert {cell["id"]: source(cell) for cell in made["cells"] if cell["id"] in stubs} == stubs


def test_an_answer_in_the_prose_is_found(layout):
    cells = read_lesson(lesson_of(layout).path)
    assert "total_of_both_numbers = first + second  # ℝ × ℝ -> ℝ" in leaks(cells, dumps(fresh(layout)))
    assert leaks(cells, release(PART, {SUMS: fresh(layout)})[SUMS]) == []
    change(lesson_of(layout).path, "# A worked example.", "# Write `return total_of_both_numbers` there.")
    result = build(layout, [lesson_of(layout)], Options(run=False))
    assert "return total_of_both_numbers" in result[-1].problem
    assert not layout.exercise(lesson_of(layout)).exists()


def test_two_machines_build_the_same_bytes(tmp_path):
    trees = []
    for name in ("here", "a longer path, elsewhere"):
        layout = tiny_course(tmp_path / name)
        results = build(layout, layout.load().lessons, Options(run=False))
        assert [result.how for result in results] == ["bare", "bare"]
        files = [*layout.solutions.rglob("*.*"), *layout.exercises.rglob("*.*")]
        trees.append({path.relative_to(layout.root).as_posix(): path.read_bytes() for path in files if path.is_file()})
    assert trees[0] == trees[1]
    assert set(trees[0]) == {"solutions/manifest.json", "exercises/start.ipynb", *(
        f"{tree}/{PART}/{stem}.ipynb" for tree in ("solutions", "exercises") for stem in (SUMS, READING))}


def test_building_one_lesson_leaves_the_others_and_staleness_is_told(layout):
    build(layout, layout.load().lessons, Options(run=False))
    before = layout.exercise(lesson_of(layout, READING)).read_bytes()
    change(lesson_of(layout).path, "# A worked example.", "# Another example.")
    told = stale(layout, layout.load().lessons)
    assert any(text.startswith(SUMS) and "solved notebook" in text for text in told)
    assert any(text.startswith(SUMS) and "for learners" in text for text in told)
    build(layout, [lesson_of(layout)], Options(run=False))
    assert layout.exercise(lesson_of(layout, READING)).read_bytes() == before
    assert "Another example." in layout.exercise(lesson_of(layout)).read_text(encoding="utf-8")
    assert all("outputs were made" in text for text in stale(layout, layout.load().lessons))


def test_a_lesson_that_left_the_course_is_removed_from_the_built_trees(layout):
    build(layout, layout.load().lessons, Options(run=False))
    change(layout.course / PART / "part.toml", f', "{READING}"', "")
    assert prune(layout, layout.load()) == [f"solutions/{PART}/{READING}.ipynb", f"exercises/{PART}/{READING}.ipynb"]
    assert layout.start_page.exists()
    assert list(json.loads(layout.manifest.read_text(encoding="utf-8"))) == [SUMS]


# What outputs depend on


@pytest.mark.parametrize("name", [f"course/{PART}/{SUMS}.py", f"course/{PART}/{SUMS}.toml", f"grader/checks/{SUMS}.py",
                                  f"grader/hidden/{SUMS}.py", "course/handbook/figures.py", "course/handbook/ink.py"])
def test_outputs_depend_on_what_the_lesson_uses(layout, name):
    before = source_hash(layout, lesson_of(layout))
    path = layout.root / name
    path.write_text(path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert source_hash(layout, lesson_of(layout)) != before


@pytest.mark.parametrize("name", ["course/handbook/unused.py", "course/handbook/models.py", f"course/{PART}/{READING}.py",
                                  f"tests/mutants/{SUMS}.py"])
def test_outputs_do_not_depend_on_anything_else(layout, name):
    before = source_hash(layout, lesson_of(layout))
    (layout.root / name).write_text("# changed\n", encoding="utf-8")
    assert source_hash(layout, lesson_of(layout)) == before


def test_a_lazy_name_leads_to_its_module(layout):
    change(lesson_of(layout).path, "from handbook import figures\n", "from handbook import figures, load_lm\n")
    before = source_hash(layout, lesson_of(layout))
    (layout.handbook / "models.py").write_text("# changed\n", encoding="utf-8")
    assert source_hash(layout, lesson_of(layout)) != before


# The set-up cell


def run_setup(layout: Layout, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    code = setup_source(layout.load()) + "\nprint(open_course.__doc__ is not None, check)"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("COURSE_", "PYTHON"))}
    return subprocess.run([sys.executable, "-I", "-c", code], cwd=folder, env={**clean, **environment}, capture_output=True, text=True,
                          timeout=60, check=False)


def test_setup_finds_the_course_around_the_notebook(layout):
    folder = layout.exercises / PART
    folder.mkdir(parents=True)
    done = run_setup(layout, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Ready: version 1.2.3")
    assert done.stderr == ""


def test_setup_of_a_lone_notebook_fetches_the_course_once(layout, tmp_path):
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], cwd=layout.root, check=True)
    alone = tmp_path.parent / f"{tmp_path.name}-alone"
    alone.mkdir()
    for repository in (layout.root.as_uri(), "file:///nowhere"):  # the second time it is there already
        done = run_setup(layout, alone, COURSE_REPO=repository, COURSE_HOME=str(alone))
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert (alone / "tiny-course" / "course" / "handbook" / "bootstrap.py").exists()


def test_setup_says_calmly_that_the_course_is_out_of_reach(layout, tmp_path):
    alone = tmp_path.parent / f"{tmp_path.name}-lost"
    alone.mkdir()
    done = run_setup(layout, alone, COURSE_REPO="file:///nowhere", COURSE_HOME=str(alone))
    assert done.returncode != 0
    assert "could not be fetched from file:///nowhere (branch main). See that you are online" in done.stderr


def test_setup_tells_its_failure_in_one_line_in_a_notebook(layout):
    names: dict[str, Any] = {}
    exec(setup_source(layout.load()).split("\n\n\ndef ")[0], names)
    assert names["CourseNotFound"]("calm")._render_traceback_() == ["calm"]
