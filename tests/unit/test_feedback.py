"""Feedback pages: they open offline, run nothing, keep hidden checks to themselves, and come with an index and a zip."""
from __future__ import annotations

import re
import shutil
import sys
import types
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grader import paths
from grader.card import Card
from grader.cli import cli
from grader.course import ExerciseInfo, load_course
from grader.flow import feedback_page
from grader.flow.feedback_page import LEFT_OUT, hidden_lines, offline, with_formulas, with_name, without_hidden
from grader.judge.outcome import CheckResult, Outcome, Verdict
from tests.made_up_class import MadeUpClass, failed, nothing, passed
from tests.tiny_course import PART, SUMS, change, tiny_course

pytestmark = pytest.mark.filterwarnings("ignore")  # nbgrader's own libraries warn
INFO = ExerciseInfo("sum-two", SUMS, "Add two", 2.0, 1, ("first hint", "second hint", "nearly the answer"))
HIDDEN = '''"""Hidden checks of sums: a sentence that cards may show."""
from grader.judge import Exercise


class TestHidden(Exercise, id="sum-two", hidden=True):
    def test_large(self, submission, dice):
        """Large numbers work as well as small ones do."""
        first, second = dice.randrange(10**9), 'a "quoted" & <marked> text'
        assert submission.add(first, 17) == first + 17 and first < 10**9
'''
LOAD = re.compile(r"""<(?:script|link|iframe)|(?:src|href)\s*=\s*["'](?:https?:)?//|@import|import\s+\w+\s+from""")


def card(outcome: Outcome) -> str:
    checks = (CheckResult("one", "The sum is right.", outcome, call="add(1, 2)", got="-1", want="3"),)
    return Card(INFO, Verdict("sum-two", 0.5, 2.0, outcome, checks)).html()


def test_a_page_names_its_student() -> None:
    page = "<title>p1</title>...<h4>p1 (Score: 1.0 / 2.0)</h4>"
    assert with_name(page, "p1", "ada & co") == "<title>p1 · ada &amp; co</title>...<h4>p1 · ada &amp; co (Score: 1.0 / 2.0)</h4>"


def test_nothing_runs_and_nothing_is_fetched() -> None:
    page = offline("<html><head><script src='https://cdn/x.js'></script><link href='https://cdn/x.css'></head><body>"
                   "<SCRIPT>\nalert(1)</SCRIPT ><p>kept</p><iframe src='//x'>"
                   '<a href="https://colab/x"><img src="https://colab/badge.svg" alt="Open in Colab"/></a><img src="data:image/png;base64,AA" alt="x">'
                   "</body></html>")
    assert LOAD.findall(page.replace('<a href="https:', "")) == []
    assert ">Open in Colab</a>" in page, "a picture from elsewhere is its text alternative"
    assert '<img src="data:image/png' in page
    assert "<p>kept</p>" in page
    assert page.index("default-src 'none'") < page.index("<body>")


def test_formulas_of_a_whole_text_cell_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback_page, "_converter", lambda: lambda tex, display: f"<math>{tex}</math>")
    cell = '<div class="text_cell_render border-box-sizing rendered_html">'
    page = offline(f'<head>{cell}<div>$a$</div><p>$b$</p></div><div class="cell code">$c$</div>')
    assert "<math>a</math></div><p><math>b</math>" in page
    assert ">$c$<" in page


def test_formulas_become_mathml_where_the_package_is(monkeypatch: pytest.MonkeyPatch) -> None:
    converter = types.ModuleType("latex2mathml.converter")

    def convert(tex: str, *, display: str) -> str:
        if "broken" in tex:
            raise ValueError(tex)
        return f"<math display='{display}'>{tex}</math>"

    converter.convert = convert  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "latex2mathml", types.ModuleType("latex2mathml"))
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", converter)
    feedback_page._converter.cache_clear()
    text = "<p>$a &lt; b$ costs $5 and $6; $$x$$ <code>$c$</code> $broken$</p>"
    done = with_formulas(text)
    monkeypatch.undo()
    feedback_page._converter.cache_clear()
    assert "<math display='inline'>a < b</math>" in done
    assert "<math display='block'>x</math>" in done
    assert "costs $5 and $6;" in done
    assert "<code>$c$</code> $broken$" in done


@pytest.fixture
def hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> frozenset[str]:
    """The hidden checks of a made-up lesson, in a folder of their own."""
    for name, text in (("HIDDEN", HIDDEN), ("CHECKS", '"""Nothing."""\n')):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
        (tmp_path / name.lower()).mkdir()
        (tmp_path / name.lower() / f"{SUMS}.py").write_text(text)
    hidden_lines.cache_clear()
    return hidden_lines(SUMS)


def test_hidden_lines_are_code_and_not_sentences(hidden: frozenset[str]) -> None:
    assert sorted(hidden) == ["assert submission.add(first, 17) == first + 17 and first < 10**9", "def test_large(self, submission, dice):",
                              "first, second = dice.randrange(10**9), 'a \"quoted\" & <marked> text'"]


@pytest.mark.parametrize("shown", [
    "<pre>assert submission.add(first, 17) == first + 17 and first &lt; 10**9</pre>",
    "<pre>&#39;...\\n    assert submission.add(first, 17) == first + 17 and first &lt; 10**9\\n&#39;</pre>",
    '<pre><span class="k">assert</span> submission<span>.</span>add(first, <span>17</span>) == first + 17 and first &lt; 10**9</pre>',
    "<pre>first, second = dice.randrange(10**9), \\&#39;a &#34;quoted&#34; &amp; &lt;marked&gt; text\\&#39;</pre>",
])
def test_hidden_source_is_taken_out_however_it_is_shown(shown: str, hidden: frozenset[str]) -> None:
    page, count = without_hidden(f"<p>before</p>{shown}<p>after</p>", hidden)
    assert count == 1
    assert LEFT_OUT in page
    assert page.startswith("<p>before</p>")
    assert page.endswith("<p>after</p>")
    assert "17" not in page
    assert "randrange" not in page


def test_a_learners_own_line_stays(hidden: frozenset[str]) -> None:
    own = "def test_large(self, submission, dice):"
    page = f'<div class="input_area"><pre>{own}</pre></div><pre>{own}</pre>'
    assert without_hidden(page, hidden) == (page, 0)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = MadeUpClass(tmp_path_factory.mktemp("pattern"))
    leak = card(Outcome.PASSED) + "<pre>assert submission.add(first, 17) == first + 17 and first &lt; 10**9</pre><script>alert(1)</script>"
    made.add("ada", {"sum-two": failed(0.5, card=card(Outcome.FAILED)), "sum-all": passed(1.5, card=card(Outcome.PASSED))},
             intake={"submitted_at": "2026-10-02T13:00:00+00:00"})
    made.add("bob", {"sum-two": failed(0.0, source="", card=card(Outcome.NOT_ATTEMPTED)), "sum-all": passed(1.5, card=leak)})
    made.add("cy", nothing(), status="not submitted")
    return made.root


@pytest.fixture
def made(pattern: Path, tmp_path: Path, hidden: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> MadeUpClass:
    tiny_course(tmp_path)
    shutil.copytree(pattern, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    monkeypatch.setattr(paths, "COURSE", tmp_path / "course")
    course = load_course(tmp_path / "course")
    monkeypatch.setattr("grader.cli.reporting.load_course", lambda: course)
    monkeypatch.setattr("grader.flow.feedback.load_course", lambda: course)
    return MadeUpClass(tmp_path)


def feedback(*words: str) -> Result:
    return CliRunner().invoke(cli, ["feedback", *words], catch_exceptions=False)


def test_pages_index_and_zips_of_a_class(made: MadeUpClass) -> None:
    path = made.root / "course" / "course.toml"
    path.write_text(f"{path.read_text()}[late]\npenalty_per_day = 0.1\n[late.due]\n{PART} = 2026-10-01T12:00:00Z\n")
    result = feedback("--zip")
    assert result.exit_code == 1
    assert f"bob/{PART}/{SUMS}: 1 lines of hidden checks were in its output and were taken out" in result.stderr
    assert "2 pages in" in result.stdout
    assert "2 zips in" in result.stdout
    ada, bob = (made.folders.feedback.joinpath(name, PART, f"{SUMS}.html").read_text() for name in ("ada", "bob"))
    for page in (ada, bob):
        assert LOAD.findall(page) == []
        assert "default-src 'none'" in page
        assert "of this lesson" not in page, "no progress line"
        assert "solution(" not in page
        assert "nearly the answer" not in page.replace("Hint 3 · nearly the answer", "?")
    assert '<a href="#sum-two-check">Add two</a> (Score: 0.5 / 2.0)' in ada
    assert "second hint" in ada
    assert "first hint" not in bob, "nothing was attempted"
    assert "first + 17" not in bob
    index = made.folders.feedback.joinpath("ada", "index.html").read_text()
    assert f"<a href='{PART}/{SUMS}.html'>Sums: adding up</a></td><td>1.6 of 3.5</td><td>2 days late, 20% taken off" in index
    archive = made.folders.build / "feedback-zips" / "ada.zip"
    before = archive.read_bytes()
    assert zipfile.ZipFile(archive).namelist() == ["ada/index.html", f"ada/{PART}/{SUMS}.html"]
    assert feedback("--zip", "--student", "ada").exit_code == 0
    assert archive.read_bytes() == before


def test_three_hints_if_asked_and_wrong_uses(made: MadeUpClass, monkeypatch: pytest.MonkeyPatch) -> None:
    feedback("--hints", "3", "--student", "ada")
    assert "nearly the answer</div>" in made.folders.feedback.joinpath("ada", PART, f"{SUMS}.html").read_text()
    assert "there is no student 'nobody'" in feedback("--student", "nobody").stderr
    monkeypatch.setattr(paths, "BUILD", made.root / "empty")
    assert feedback().exit_code == 2


def test_a_changed_title_reaches_the_page(made: MadeUpClass) -> None:
    change(made.root / "course" / PART / f"{SUMS}.toml", 'title = "Add two"', 'title = "Add <two>"')
    titles = {exercise.id: exercise.title for exercise in load_course(made.root / "course").exercises}
    page, _ = feedback_page.finished('<a href="#sum-two-check">Test cell</a>', SUMS, "ada", titles={"sum-two-check": titles["sum-two"]})
    assert page == '<a href="#sum-two-check">Add &lt;two&gt;</a>'
