"""Copies are found however they are dressed up, and two people who wrote the same exercise are not."""
from __future__ import annotations

import ast
import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grader import paths
from grader.cli import cli
from grader.course import ExerciseInfo, load_course
from grader.flow.similar import LEAST, compare
from grader.flow.similar_page import MOST, html
from grader.lesson import exercise_cells, reference_of, stub_of
from grader.mutation import Alternative, load_answers
from tests.made_up import PART, STEM, data, lesson

STUB = '''import torch


def causal_attention(query, key, value, scale=None):
    """Mix the values."""
    # YOUR CODE HERE
    raise NotImplementedError()
'''
HEAD = STUB[: STUB.index("    # YOUR")]
ANSWER = HEAD + '''    if query.shape[-1] != key.shape[-1]:
        raise ValueError("query and key differ")
    size = query.shape[-1]
    scores = query @ key.mT / size ** 0.5
    hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    scores = scores.masked_fill(hidden, float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    return weights @ value
'''
COPY = '''import torch
def causal_attention(q, k, v, s=None):
    """My own words, entirely."""
    n = (q.shape[-1])   # the size comes first here
    if q.shape[-1] != k.shape[-1]:
        raise ValueError('query and key differ')
    # the mask <script>alert(1)</script>
    m = torch.ones(t.shape[-2:], dtype=torch.bool).triu(1)
    t = (q @ k.mT / n ** 0.5)
    t = t.masked_fill(m,
                      float('-inf'))
    w = torch.softmax(t, dim=-1)
    return w @ v
'''
OTHER = HEAD + '''    batch, time, width = query.size()
    rows = []
    for step in range(time):
        seen = key[:, : step + 1]
        products = (query[:, step : step + 1] * seen).sum(dim=2).div(width ** 0.5)
        powers = products.sub(products.max(dim=1, keepdim=True).values).exp()
        share = powers / powers.sum(dim=1, keepdim=True)
        rows.append((share.unsqueeze(2) * value[:, : step + 1]).sum(1))
    return torch.stack(rows, dim=1)
'''


def shares(answers: dict[str, str], stub: str = STUB, *, above: float = 0.8) -> dict[tuple[str, str], float]:
    return {pair.students: pair.share for pair in compare(answers, stub, above=above)}


def test_renamed_reordered_and_commented_copies_are_found() -> None:
    found = shares({"ada": ANSWER, "bob": COPY, "cy": OTHER})
    assert list(found) == [("ada", "bob")]
    assert found["ada", "bob"] == 1.0


def test_a_copy_with_more_around_it_is_found() -> None:
    padded = ANSWER.replace("    return weights", "    unused = {name: len(name) for name in ('a', 'b') if name.isalpha()}\n    return weights")
    assert shares({"ada": ANSWER, "bob": padded}) == {("ada", "bob"): 1.0}


def test_a_copy_with_a_syntax_error_is_found() -> None:
    broken = ANSWER.replace("return weights @ value", "return (weights @ value")
    assert shares({"ada": broken, "bob": broken.replace("# ", "#")}) == {("ada", "bob"): 1.0}


def test_those_who_share_only_the_stub_are_not_found() -> None:
    assert shares({"ada": STUB, "bob": STUB, "cy": STUB + "\n", "dan": OTHER}, above=0.01) == {}


def test_a_few_tokens_are_no_evidence() -> None:
    short = HEAD + "    return torch.softmax(query @ key.mT, dim=-1) @ value\n"
    assert shares({"ada": short, "bob": short}, above=0.01) == {}


def test_what_much_of_the_class_writes_is_no_evidence() -> None:
    everyone = {f"student{number}": ANSWER for number in range(12)}
    assert shares(everyone) == {}
    assert shares({"ada": ANSWER, "bob": COPY, **{f"other{number}": OTHER.replace("2", str(number)) for number in range(12)}})["ada", "bob"] == 1.0


def disguised(source: str, rng: random.Random) -> str:
    """The same answer with other names and formatting, no docstrings, and the statements of every block in another order."""
    tree = ast.parse(source)
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names = {name: f"zz{number}" for number, name in enumerate(sorted(bound))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and len(node.body) > 1 and ast.get_docstring(node):
            node.body = node.body[1:]
        if isinstance(node, ast.FunctionDef | ast.If | ast.For):
            rng.shuffle(node.body)
    return ast.unparse(tree)


def source_of(answer: Alternative, ours: str) -> str:
    """The answer's text; empty for a class of the mutants' file, whose text Python can't find."""
    try:
        return answer.source(ours)
    except TypeError:
        return ""


EXERCISES = load_course().exercises


@pytest.mark.parametrize("info", EXERCISES, ids=[info.id for info in EXERCISES])
def test_on_the_course_itself(info: ExerciseInfo) -> None:
    """A disguised copy of our answer is found if it is long enough; right answers of another kind are not."""
    cells = exercise_cells(paths.COURSE / next(row.part for row in load_course().lessons if row.stem == info.lesson) / f"{info.lesson}.py")
    ours, stub = reference_of(cells[info.id]), stub_of(cells[info.id])
    found = compare({"ours": ours, "copy": disguised(ours, random.Random(7))}, stub, above=0.01)
    short = len(ours) - len(stub) < 400
    assert short or len(found) == 1, "a long answer can be compared"
    assert short or found[0].share >= 0.8
    others = {"ours": ours}
    for answer in load_answers(info.lesson):
        text = source_of(answer, ours) if answer.exercise == info.id and answer.right else ""
        at = max(text.find(f"\ndef {answer.name}("), text.find(f"\nclass {answer.name}("))
        others |= {answer.name: text[at:]} if at >= 0 else {}
    assert shares(others, stub) == {}


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two copies and one answer of its own, as collected."""
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    table = lesson()
    table["cells"][2]["source"] = STUB
    for folder, source in (("release", STUB), ("submitted/ada", ANSWER), ("submitted/bob", COPY), ("submitted/cy", OTHER)):
        table["cells"][2]["source"] = source
        path = tmp_path / "build" / folder / PART / f"{STEM}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(data(table))
    return tmp_path


def similar(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["similar", *map(str, words)], catch_exceptions=False)


def test_the_verb_lists_pairs_and_writes_a_page_in_which_nothing_runs(inbox: Path) -> None:
    result = similar("--to", inbox / "page.html")
    assert result.exit_code == 1
    assert "100%  sum-two  ada · bob" in result.stdout
    page = (inbox / "page.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "<mark>    scores = query @ key.mT / size ** 0.5</mark>" in page
    assert "<mark>    n = (q" in page
    assert "http" not in page


def test_a_page_of_very_many_pairs_stays_small() -> None:
    pairs = compare({"ada": ANSWER, "bob": COPY}, STUB) * (MOST + 5)
    page = html(pairs, above=0.8)
    assert page.count("<section") == MOST
    assert f"The first {MOST} are shown side by side" in page


def test_json_and_exit_codes(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = json.loads(similar("--json").stdout)
    assert [(row["exercise"], row["students"], row["share"]) for row in rows] == [("sum-two", ["ada", "bob"], 1.0)]
    assert rows[0]["tokens"] >= LEAST
    (inbox / "build/submitted/bob" / PART / f"{STEM}.ipynb").unlink()
    result = similar()
    assert (result.exit_code, "0 pairs of answers share 80% or more" in result.stdout) == (0, True)
    assert "No two answers share 80% or more" in (inbox / "build" / "similar.html").read_text()
    monkeypatch.setattr(paths, "BUILD", inbox / "empty")
    assert (similar().exit_code, "run `grader collect` first" in similar().stderr) == (2, True)
