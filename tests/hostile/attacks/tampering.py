"""Attacks on the code that judges: patched libraries, patched grader, patched IPython, forged replies."""
from __future__ import annotations

from tests.hostile.attack import attack, rewarded

MASK = dict(lesson="p1_4_attention", exercise="attention-causal-mask")
SDPA = dict(lesson="p1_4_attention", exercise="attention-scaled-dot-product")
HEAD = dict(lesson="p1_6_task_specific_training", exercise="finetune-classifier-head")
NOTHING = "def causal_mask(n):\n    return None\n"
REPLACES = r"replaces "
INSIDES = r"IPython's insides"


@attack(**SDPA, earns=0.0, says=REPLACES)
def patches_the_comparisons(answer):
    """Makes every comparison of torch and NumPy say yes, and returns zeros."""
    return {"answer": "import numpy as np\nimport torch\nimport torch.testing\n\ntorch.allclose = torch.equal = torch.isclose = lambda *a, **k: True\n"
                      "torch.testing.assert_close = lambda *a, **k: None\nnp.allclose = np.array_equal = lambda *a, **k: True\n"
                      "torch.Tensor.__eq__ = torch.Tensor.__le__ = lambda self, other: torch.tensor(True)\n\n"
                      "def scaled_dot_product_attention(q, k, v, mask=None):\n    return q * 0\n",
            "others": "untouched"}


@attack(**SDPA, earns=0.0, says=REPLACES)
def patches_the_oracle(answer):
    """Replaces the library's function that the checks compare with by one that is as wrong as its answer."""
    return {"answer": "import torch\nimport torch.nn.functional as F\n\ndef scaled_dot_product_attention(q, k, v, mask=None):\n"
                      "    return torch.zeros(*q.shape[:-1], v.shape[-1])\n\n"
                      "F.scaled_dot_product_attention = lambda q, k, v, attn_mask=None, **more: scaled_dot_product_attention(q, k, v)\n"
                      "torch.softmax = F.softmax = lambda x, *a, **k: x * 0\n",
            "others": "untouched"}


@attack(**MASK, earns=0.0, says=REPLACES)
def patches_builtins(answer):
    """Replaces built-in functions so that every test of a value says yes."""
    return {"answer": "import builtins\n\n" + NOTHING + "builtins.all = builtins.any = lambda *a: True\nbuiltins.isinstance = lambda *a: True\n",
            "others": "untouched"}


@attack(**MASK, earns=0.0, says=REPLACES)
def patches_pytest(answer):
    """Makes pytest call every check passed."""
    return {"answer": NOTHING + "try:\n    import _pytest.runner\n    import pytest\n    pytest.fail = lambda *a, **k: None\n"
                                "    _pytest.runner.CallInfo.from_call = classmethod(lambda cls, *a, **k: cls(None, None, 0.0, 0.0, 0.0, 'call', _ispytest=True))\n"
                                "except ImportError:\n    pass\n"}


@attack(**MASK, earns=0.0, says=r"imports the grader|replaces ")
def patches_the_judge(answer):
    """Replaces the grader's comparisons and its sum of points."""
    return {"answer": NOTHING + "try:\n    from grader.judge import expect, outcome, run\n"
                                "    expect.close = expect.equal = expect.true = expect.raises = lambda *a, **k: None\n"
                                "    outcome.score = run.score = lambda checks, most: most\n"
                                "except ImportError:\n    pass\n"}


@attack(**MASK, earns=0.0, says=r"imports the grader|replaces ")
def patches_the_seam(answer):
    """Replaces what its own side does with the judge's calls, and the way in which values are sent."""
    return {"answer": NOTHING + "try:\n    import grader.seam.agent as agent\n    import grader.seam.codec as codec\n"
                                "    agent.Agent._answer = lambda self, call, keep, reply, alarm: reply('ok', True)\n"
                                "    codec.encode = agent.encode = lambda *a, **k: b''\n"
                                "except ImportError:\n    pass\n",
            "others": "untouched"}


@attack(**MASK, earns=0.0, says=r"imports the grader|replaces |touches sys\.modules")
def swaps_modules(answer):
    """Puts modules of its own in the place of the checks and the judge, and a finder in front of all imports."""
    return {"answer": NOTHING + "import sys, types\n\nclass _Anything(types.ModuleType):\n    def __getattr__(self, name):\n        return lambda *a, **k: 1.0\n\n"
                                "for _name in ('grader.checks.p1_4_attention', 'grader.hidden.p1_4_attention', 'grader.judge.run', 'grader.judge.outcome'):\n"
                                "    sys.modules[_name] = _Anything(_name)\n"
                                "sys.meta_path.insert(0, types.SimpleNamespace(find_spec=lambda name, *a: None))\n"}


@attack(**MASK, earns=0.0, says=r"`check`|replaces check|the course's own name")
def defines_its_own_check(answer):
    """Gives the name `check` to a function that returns a thousand points."""
    return {"answer": NOTHING, "cells": [("attention-causal-mask-check", "def check(exercise, **options):\n    return 1000.0\n")]}


@attack(**MASK, earns=0.0, says=INSIDES)
def transforms_input(answer):
    """Replaces the source of every later cell by a number, with IPython's input transformers."""
    hook = ("from IPython import get_ipython\n_shell = get_ipython()\nif _shell is not None:\n"
            "    _shell.input_transformers_cleanup.append(lambda lines: ['1000.0\\n'])\n"
            "    _shell.input_transformers_post.append(lambda lines: ['1000.0\\n'])\n")
    return {"answer": f"{NOTHING}\n{hook}", "others": "untouched"}


@attack(**MASK, earns=0.0, says=INSIDES)
def transforms_syntax_trees(answer):
    """Replaces every later call of `check` by a number, with a transformer of syntax trees."""
    hook = ("import ast\nfrom IPython import get_ipython\n\nclass _Generous(ast.NodeTransformer):\n    def visit_Call(self, node):\n"
            "        return ast.copy_location(ast.Constant(1000.0), node) if getattr(node.func, 'id', '') == 'check' else node\n\n"
            "_shell = get_ipython()\nif _shell is not None:\n    _shell.ast_transformers.append(_Generous())\n")
    return {"answer": f"{NOTHING}\n{hook}", "others": "untouched"}


@attack(**MASK, earns=0.0, says=INSIDES)
def reads_the_check_from_the_history(answer):
    """Looks for the check's own text in In[-1] and answers right only if it stands there."""
    return rewarded(answer, "return any('assert' in text or 'expect' in text for text in In[-1:])", on_call=True)


@attack(**MASK, earns=0.0, says=INSIDES)
def hooks_into_every_cell(answer):
    """Puts its hand on what cells return, by IPython's events, its display hook and its formatters."""
    hook = ("import sys\nfrom IPython import get_ipython\n_shell = get_ipython()\nif _shell is not None:\n"
            "    _shell.events.register('post_run_cell', lambda result: setattr(result, 'result', 1000.0))\n"
            "    _shell.display_formatter.format = lambda value, *a, **k: ({'text/plain': '1000.0'}, {})\n"
            "    _shell.run_cell = lambda *a, **k: None\nsys.displayhook = lambda value: None\n")
    return {"answer": f"{NOTHING}\n{hook}", "others": "untouched"}


@attack(**MASK, earns=0.0, says=r"network|garbage collector|sent nonsense|ended")
def forges_replies(answer):
    """Finds the connection to the judge among all objects and sends answers of its own on it."""
    return {"answer": "import gc, socket, struct\n\ndef causal_mask(n):\n    for thing in gc.get_objects():\n        if isinstance(thing, socket.socket):\n"
                      "            for size in (3, 5 << 30, 9):\n                thing.sendall(struct.pack('<Q', size) + b'ok, right')\n    return None\n"}


@attack(**MASK, earns=0.0, says=r"sent nonsense|ended (its|the) process|too slow|writes to descriptors")
def writes_into_every_descriptor(answer):
    """Writes nonsense into every open file of its process, the connection to the judge among them."""
    return {"answer": "import os\n\ndef causal_mask(n):\n    for number in range(3, 64):\n        try:\n"
                      "            os.set_blocking(number, False)\n            os.write(number, b'1000.0 points' * 9)\n"
                      "        except OSError:\n            pass\n    return None\n"}


@attack(**HEAD, earns=0.0, says=REPLACES)
def patches_modules_of_torch(answer):
    """Makes every layer load every state without a word and compute what it is told to."""
    return {"answer": "from torch import nn\n\nnn.Module.load_state_dict = lambda self, *a, **k: None\n"
                      "nn.Module.named_parameters = lambda self, *a, **k: iter(())\nnn.Linear.forward = lambda self, x: x * 0\n\n"
                      "class ClassifierHead(nn.Module):\n    def __init__(self, d_model, n_classes):\n        super().__init__()\n"
                      "        self.linear = nn.Linear(d_model, n_classes)\n\n    def forward(self, tokens, mask):\n        return self.linear(tokens.sum(1))\n",
            "others": "untouched"}


@attack(**MASK, earns=0.0, says=r"error in your code|failed|Skipped|imports (pytest|the grader)")
def skips_every_check(answer):
    """Raises what pytest raises to skip a check, so that it might not be counted."""
    return {"answer": "def causal_mask(n):\n    try:\n        import pytest\n    except ImportError:\n        raise KeyboardInterrupt from None\n"
                      "    pytest.skip('nothing to see here', allow_module_level=True)\n"}


@attack(**MASK, earns=0.0, says=r"error in your code|not attempted|failed|imports the grader")
def blames_the_grader(answer):
    """Raises errors by the names of the grader's own, so that the fault might seem to be the grader's."""
    return {"answer": "SeamError = type('SeamError', (Exception,), {})\nLearnerGone = type('LearnerGone', (BaseException,), {})\n\n"
                      "def causal_mask(n):\n    raise (SeamError if n % 2 else LearnerGone)('the check itself broke')\n"}
