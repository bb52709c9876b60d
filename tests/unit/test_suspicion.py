"""What stands out in an answer is named by its line, and nothing stands out in honest answers."""
from __future__ import annotations

import ast
import json
import time

import pytest

from grader import paths
from grader.course import load_course
from grader.intake.suspicion import MOST, suspicious
from grader.mutation import load_answers, references

LESSONS = [lesson.stem for lesson in load_course().lessons]
# edits that bring a module along in one expression, one that recurses deeply, and a test that a learner writes with pytest's own help
NAMED_ALL_THE_SAME = {"decodes_twice", "collapses", "runs_of_hashes", "minds_outer_white_space", "ignores_punctuation", "copies_the_old_layer", "by_pytest", "with_memory"}
SAID = {
    "import os\nos._exit(0)": "line 2: it ends the process (os._exit)",
    "from os import _exit as leave\nleave(0)": "line 2: it ends the process (os._exit)",
    "import os\ngetattr(os, '_exit')(0)": "line 2: it ends the process (os._exit)",
    "__import__('os')._exit(0)": "line 1: it ends the process (os._exit)",
    "import os\ngetattr(os, '_' + 'exit')(0)": "line 2: it takes a name that is put together at run time from os (getattr)",
    "def f(x):\n    exit()": "line 2: it ends the process (exit)",
    "import os\nos.fork()": "line 2: it starts another process (os.fork)",
    "from subprocess import run": "line 1: it starts another process (subprocess)",
    "import urllib.request as r": "line 1: it opens a network connection (urllib)",
    "open('/proc/self/mem')": "line 1: it reads /proc (/proc/self/mem)",
    "import sys\nsys._getframe()": "line 2: it looks into frames or the garbage collector (sys._getframe)",
    "import gc": "line 1: it looks into frames or the garbage collector (gc)",
    "import ctypes": "line 1: it calls C code (ctypes)",
    "import torch\ntorch.allclose = lambda *a: True": "line 2: it replaces torch.allclose",
    "import torch.nn.functional as F\nF.softmax, x = None, 1": "line 2: it replaces torch.nn.functional.softmax",
    "from torch import nn\nsetattr(nn, 'Linear', None)": "line 2: it replaces a part of torch.nn (setattr)",
    "import builtins\nbuiltins.len = max": "line 2: it replaces builtins.len",
    "import sys\nsys.modules['x'] = 1": "line 2: it replaces names by their text (sys.modules)",
    "check = lambda name: 9": "line 1: it replaces check, the course's own word",
    "get_ipython().input_transformers_post": "line 1: it touches IPython's insides (get_ipython)",
    "print(In[-1])": "line 1: it touches IPython's insides (In)",
    "import grader.checks.p1_4_attention": "line 1: it imports the grader (grader)",
    "from handbook.answers import yours_or_ours": "line 1: it asks the course for its answers (handbook.answers)",
    "open('/etc/passwd')": "line 1: it names an absolute path (/etc/passwd)",
    "open('mark', 'w')": "line 1: it writes files (open)",
    "class A:\n    def __eq__(self, other): return True": "line 2: it defines __eq__ that is true for everything",
    "class A:\n    def __reduce__(self): return (print, ())": "line 2: it defines __reduce__, by which objects deceive",
    "class A:\n    __class__ = property(int)": "line 1: it defines __class__, by which objects deceive",
    "eval('1')": "line 1: it runs text as code (eval)",
    "().__class__.__mro__[1].__subclasses__()": "line 1: it reaches into Python's insides (__subclasses__)",
    "while True:\n    try:\n        pass\n    except:\n        continue": "line 1: it catches everything in a loop, endings included",
    "def f(:\n    os._exit(0)": "line 2: it ends the process (os._exit)",
}
HONEST = [
    "import torch\nfrom torch import nn\n\nclass Layer(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.scale = nn.Parameter(torch.ones(3))\n\n    def forward(self, x):\n        return x * self.scale",
    "class Pair:\n    def __eq__(self, other):\n        return isinstance(other, Pair) and self.a == other.a",
    "def f(model, rows):\n    model.config.use_cache = False\n    rows['kind'] = 'a/b'\n    try:\n        return rows[0]\n    except KeyError:\n        return None",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 12",
    "text = 'True/False, and/or: see https://arxiv.org/abs/1706.03762'\nprint(text)",
    "check('attention-causal-mask')",
    "",
]


@pytest.mark.parametrize("source", SAID)
def test_what_stands_out_is_named_with_its_line(source: str) -> None:
    assert SAID[source] in suspicious(source)


@pytest.mark.parametrize("source", HONEST)
def test_ordinary_code_is_not_named(source: str) -> None:
    assert suspicious(source) == ()


@pytest.mark.parametrize("stem", LESSONS)
def test_no_answer_of_ours_and_no_other_answer_of_the_course_is_named(stem: str) -> None:
    ours = references(stem)
    sources, usual = dict(ours), dict(ours)
    for answer in load_answers(stem):
        usual[answer.name] = ours[answer.exercise]
        if answer.edits:
            sources[answer.name] = answer.source(ours[answer.exercise])
    text = (paths.MUTANTS / f"{stem}.py").read_text(encoding="utf-8")
    imports = [row for row in ast.parse(text).body if isinstance(row, ast.Import | ast.ImportFrom) and "grader" not in ast.unparse(row)]
    for row in ast.parse(text).body:
        if isinstance(row, ast.FunctionDef | ast.ClassDef):
            used = {node.id for node in ast.walk(row) if isinstance(node, ast.Name)}
            needed = [line for line in imports if used & {(name.asname or name.name).split(".")[0] for name in line.names}]
            sources[row.name] = ast.unparse(ast.Module([*needed, row], []))
    assert len(sources) > 20
    named = {name: said for name, source in sources.items() if (said := suspicious(source, usual.get(name, "")))}
    assert named.keys() <= NAMED_ALL_THE_SAME, named


def test_no_cell_of_a_solved_notebook_is_named_but_for_those_that_lead_into_the_course() -> None:
    named = set()
    for path in paths.SOLUTIONS.glob("*/p*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            tags = set(cell["metadata"].get("tags", ()))
            if cell["cell_type"] == "code" and not tags & {"setup", "demo"} and suspicious("".join(cell["source"])):
                named.add((path.stem, cell["id"]))
    assert named == {("p2_4_training_from_scratch", "training-checkpoint")}, "it writes files, and may"


def test_what_the_courses_own_answer_does_as_well_is_not_named() -> None:
    ours = "import os\nfrom pathlib import Path\ndef save(path):\n    Path(path).write_text('x')\n    os.replace(path, 'y')"
    assert suspicious(ours)
    assert suspicious("def save(path):\n    open(path, 'w').write('x')", ours) == ()
    assert suspicious("import os\ndef save(path):\n    open(path)\n    os.system('x')", ours) == ("line 4: it starts another process (os.system)",)


def test_a_flood_of_lines_is_cut_and_each_sentence_is_said_once() -> None:
    source = "import os\n" + "os._exit(0)\n" * 50 + "\n".join(f"import torch.n{number}\ntorch.n{number} = 1" for number in range(50))
    said = suspicious(source)
    assert len(said) == MOST
    assert len([line for line in said if "os._exit" in line]) == 1


@pytest.mark.parametrize("source", ["x" + ".a" * 90_000, "(" * 200_000, "-" * 200_000 + "1", "f" + "()" * 90_000, "\x00", "\ud800", "a\n" * 100_000, "open(" * 60])
def test_absurd_text_is_read_in_good_time(source: str) -> None:
    started = time.monotonic()
    assert isinstance(suspicious(source), tuple)
    assert time.monotonic() - started < 10
