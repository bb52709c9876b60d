"""Attacks by the notebook itself: forged points, marks, ids, kernels, outputs, cells."""
from __future__ import annotations

import copy

from tests.hostile.attack import attack, rewarded

MASK = dict(lesson="p1_4_attention", exercise="attention-causal-mask")
WRONG = "def causal_mask(n):\n    return None\n"
FAILED = r"failed|error in your code|not attempted|passed"


def cell_of(table, name):
    return next(cell for cell in table["cells"] if cell.get("id") == name)


@attack(**MASK, earns=0.0, says=FAILED)
def forges_points(answer):
    """Writes a thousand points into the marks of every check and of its answer."""

    def forge(table):
        for cell in table["cells"]:
            mark = cell["metadata"].get("nbgrader")
            if mark:
                mark |= {"points": 1000, "grade": True, "locked": True, "extra_credit": 1000, "checksum": "0" * 32}
        return table

    return {"answer": WRONG, "notebook": forge}


@attack(**MASK, earns=0.0, says=FAILED)
def replaces_the_check(answer):
    """Replaces the check's cell by a number."""

    def forge(table):
        cell_of(table, "attention-causal-mask-check")["source"] = "1000.0"
        return table

    return {"answer": WRONG, "notebook": forge}


@attack(**MASK, earns=0.0, says=FAILED + r"|check")
def points_the_check_elsewhere(answer):
    """Makes the check's cell ask for an exercise that was answered right, and swaps the marks of two exercises."""

    def forge(table):
        check, other = cell_of(table, "attention-causal-mask-check"), cell_of(table, "attention-norms-check")
        check["source"] = 'check("attention-norms")'
        check["metadata"], other["metadata"] = other["metadata"], check["metadata"]
        return table

    return {"answer": WRONG, "notebook": forge}


@attack(**MASK, earns=0.0, says=r"is there \d+ times")
def doubles_its_answer(answer):
    """Holds its answer cell three times: right, right, and wrong; the last edited one counts."""

    def double(table):
        place = table["cells"].index(cell_of(table, "attention-causal-mask"))
        right = copy.deepcopy(table["cells"][place])
        right["source"] = answer
        table["cells"][place:place] = [right, copy.deepcopy(right)]
        return table

    return {"answer": WRONG, "notebook": double}


@attack(**MASK, earns=None, says=r"passed")
def doubles_every_check(answer):
    """Holds every check cell ten times, so that its points might count ten times."""

    def double(table):
        table["cells"] += [copy.deepcopy(cell) for cell in table["cells"] if cell["metadata"].get("nbgrader", {}).get("grade")] * 10
        return table

    return {"notebook": double}


@attack(**MASK, earns=0.0, says=FAILED)
def names_a_kernel_of_its_own(answer):
    """Names a kernel that would run a command of its own, in another language."""

    def name(table):
        table["metadata"]["kernelspec"] = {"name": "sh", "display_name": "sh", "language": "bash",
                                           "argv": ["sh", "-c", "mkdir -p %OUTSIDE%/harm; touch %OUTSIDE%/harm/by-a-kernel"]}
        table["metadata"]["language_info"] = {"name": "bash", "nbconvert_exporter": "os.system"}
        return table

    return {"answer": WRONG, "notebook": name}


@attack(**MASK, earns=0.0, says=FAILED)
def forges_its_output(answer):
    """Saves outputs with a card that says `passed` and full points under its answer and under its check."""

    def forge(table):
        card = {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/html": "<b>✓ Passed</b> · 1 of 1 points", "text/plain": "1.0"}}
        for name in ("attention-causal-mask", "attention-causal-mask-check"):
            cell_of(table, name)["outputs"] = [copy.deepcopy(card)]
        return table

    return {"answer": WRONG, "notebook": forge}


@attack(**MASK, earns=None, says=r"passed")
def names_cells_like_paths(answer):
    """Gives its cells ids that are paths out of every folder, very long, or no text at all."""

    def name(table):
        odd = ["../../../../escape", "x" * 100_000, {"a": 1}, None, 7, "<script>", "a/b\x00c"]
        for cell, value in zip([cell for cell in table["cells"] if cell["cell_type"] == "markdown"], odd, strict=False):
            cell["id"] = value
        return table

    return {"notebook": name}


@attack(**MASK, earns=None, says=r"passed|damaged")
def fills_metadata_with_nonsense(answer):
    """Puts lists where tables are expected, NaN where numbers are, and a million numbers into the metadata."""

    def fill(table):
        for cell in table["cells"]:
            if cell["cell_type"] == "markdown":
                cell["metadata"], cell["attachments"] = [1, [2]], "none"
        table["metadata"]["numbers"] = [float("nan"), float("inf")] * 500_000
        table["nbformat_minor"] = -(10**30)
        table["cells"] += [None, 7, "cell", {"cell_type": ["code"], "source": {"a": 1}}, {"cell_type": "code", "source": ["x", 7]}]
        return table

    return {"notebook": fill}


@attack(**MASK, earns=0.0, says=FAILED + r"|runs when|set-up|added|own")
def changes_the_set_up(answer):
    """Changes the set-up cell and the check's import into code of its own."""

    def change(table):
        setup = next(cell for cell in table["cells"] if "setup" in cell["metadata"].get("tags", []))
        setup["source"] = "def check(exercise):\n    return 1000.0\nhint = solution = check\n"
        return table

    return {"answer": WRONG, "notebook": change}


@attack(**MASK, earns=None, says=r"passed|surrogate|damaged")
def holds_letters_that_are_none(answer):
    """Holds half characters, zero bytes and marks that turn the direction of writing."""
    return {"answer": f"{answer}\n# \u202e kcehc \u202c and \ufeff\n", "cells": [(None, "text = '\ud800\udfff \x00 \u2028'")]}


@attack(**MASK, earns=0.0, says=r"IPython's insides|failed|left out|not attempted")
def asks_the_shell(answer):
    """Uses lines that are IPython's own to run commands of the system, and is right only if one ran."""
    tried = ("_mark = []\n!mkdir -p %OUTSIDE%/harm && touch %OUTSIDE%/harm/by-a-magic\n_mark = !echo through\n%env HANDBOOK_GRADING=0\n")
    return {"answer": f"{tried}\n{rewarded(answer, 'return bool(_mark)')['answer']}"}
