"""Attacks by sheer amount: output, errors, cells, warnings, calls."""
from __future__ import annotations

from tests.hostile import harm
from tests.hostile.attack import attack

MASK = dict(lesson="p1_4_attention", exercise="attention-causal-mask")
FLOOD = r"output|printed|too slow|ran too long|passed|left out|" + r"ended (its|the) (process|kernel)"


@attack(**MASK, earns=0.0, says=r"too slow|ran too long|output|no answer within")
def prints_without_end(answer):
    """Prints for ever when it is called."""
    return {"answer": "def causal_mask(n):\n    while True:\n        print('x' * 10_000)\n"}


@attack(**MASK, earns=None, says=FLOOD)
def prints_much_in_its_cell(answer):
    """Prints 200 MB in its cell, on both streams."""
    return {"answer": f"{answer}\n\nimport sys\nfor _ in range(200):\n    print('x' * 500_000)\n    print('y' * 500_000, file=sys.stderr)\n"}


@attack(**MASK, earns=None, says=FLOOD + r"|writes to descriptors")
def writes_past_the_streams(answer):
    """Writes 200 MB to the descriptors of the streams themselves, past every capture in Python."""
    return {"answer": f"{answer}\n\nimport os\nfor _ in range(200):\n    for _stream in (1, 2):\n        try:\n            os.write(_stream, b'x' * 500_000)\n"
                      "        except OSError:\n            pass\n"}


@attack(**MASK, earns=0.0, says=r"ValueError|error in your code")
def raises_fifty_megabytes(answer):
    """Raises an error whose message has 50 MB."""
    return {"answer": "def causal_mask(n):\n    raise ValueError('x' * 50_000_000)\n"}


@attack(**MASK, earns=0.0, says=r"error in your code|too slow|Error")
def raises_a_long_chain(answer):
    """Raises an error that was caused by 5,000 others, in frames as deep as can be."""
    return {"answer": "def causal_mask(n):\n    error = ValueError('first')\n    for number in range(5_000):\n        following = ValueError(f'error {number}')\n"
                      "        following.__cause__, error = error, following\n    raise error\n"}


@attack(**MASK, earns=None, says=FLOOD)
def warns_and_logs_without_measure(answer):
    """Warns and logs 30,000 times in a call, to every logger that there is."""
    return {"answer": f"{answer}\n\nimport logging, warnings\n_right = causal_mask\n\ndef causal_mask(n):\n    for number in range(30_000):\n"
                      "        warnings.warn(f'warning {number}', stacklevel=2)\n        logging.getLogger(f'of.{number % 7}').critical('flood %s', number)\n    return _right(n)\n"}


@attack(**MASK, earns=None, says=FLOOD + r"|IPython's insides")
def shows_ten_thousand_pictures(answer):
    """Shows 10,000 objects with a text, a page and a picture each, in its cell."""
    return {"answer": f"{answer}\n\nfor _number in range(10_000):\n    display({{'text/html': '<b>' * 200, 'image/png': 'AAAA' * 200}}, raw=True)\n"}


@attack(**MASK, earns=None, says=r"more than \d+ code cells|left out")
def adds_three_thousand_cells(answer):
    """Adds 3,000 cells of its own."""
    return {"cells": [("attention-causal-mask-check", f"own_{number} = {number}") for number in range(3_000)]}


@attack(**MASK, earns=0.0, says=r"not valid Python|can't be read|far too long")
def nests_beyond_the_parser(answer):
    """Writes an expression so deep that a parser runs out of stack: 60,000 signs before a number, and as many calls."""
    return {"answer": f"{answer}\n\ndeep = {'-' * 60_000}1\ndeeper = f{'()' * 40_000}\n"}


@attack(**MASK, earns=None, says=r"more than \d+ code cells|left out|passed|added|own cell|not valid Python|SyntaxError")
def is_slow_to_read(answer):
    """Writes text on which patterns take for ever: 100,000 blanks that might become an assignment, 60 checks on one line."""
    return {"cells": [("attention-causal-mask-check", "(\n" + " " * 90_000 + "("), (None, "check()" * 60 + "x")]}


@attack(**MASK, earns=0.0, says=r"error in your code|failed|ValueError", harm=harm.in_lines)
def forges_lines_of_the_report(answer):
    """Raises an error whose text moves the cursor, clears the screen and writes a line about a neighbour."""
    text = r"\x1b[2J\x1b[1;31m\r\nneighbour: failed, 0 points\u202e\x9b2K\x07"
    return {"answer": f"print('{text}')\n\ndef causal_mask(n):\n    raise ValueError('{text}')\n"}


@attack(**MASK, earns=0.0, says=r"error in your code|failed|ValueError", harm=harm.in_feedback(r"<script>\s*hostile|<img[^>]+onerror=.hostile"))
def scripts_the_feedback(answer):
    """Puts scripts into its output and its errors, in the hope that they run in the browser of whoever reads the feedback."""
    text = "</pre></div><script>hostile()</script><img src=x onerror='hostile()'>"
    return {"answer": f"display({{'text/html': \"{text}\", 'text/plain': ''}}, raw=True)\nprint(\"{text}\")\n\ndef causal_mask(n):\n    raise ValueError(\"{text}\")\n"}
