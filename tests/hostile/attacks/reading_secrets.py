"""Attacks that read what a learner may not see: hidden checks, answers, others' work, the grader's memory."""
from __future__ import annotations

from tests.hostile import harm
from tests.hostile.attack import CANARY, attack, rewarded

MASK = dict(lesson="p1_4_attention", exercise="attention-causal-mask")
HEADS = dict(lesson="p1_4_attention", exercise="attention-heads")
TOP_P = dict(lesson="p1_1_what_are_llms", exercise="sampling-top-p")
leak = harm.hidden_checks("p1_4_attention")


@attack(**MASK, earns=0.0, says=r"hidden|imports the grader|opens files", harm=leak)
def prints_hidden_checks(answer):
    """Reads the hidden checks from the disk and puts them into its output and its errors."""
    return {"answer": "import pathlib, sys\n\ndef _found():\n    roots = {pathlib.Path(place or '.') for place in sys.path} | set(pathlib.Path.cwd().parents)\n"
                      "    try:\n        import grader\n        roots.add(pathlib.Path(grader.__file__).parents[1])\n    except ImportError:\n        pass\n"
                      "    return [path.read_text() for root in roots for path in root.glob('grader/hidden/p1_4_attention.py')]\n\n"
                      "def causal_mask(n):\n    text = ''.join(_found())\n    print(text)\n    raise ValueError(text)\n\nprint(*_found())\n"}


@attack(**MASK, earns=0.0, says=r"imports the grader|hidden", harm=leak)
def imports_hidden_checks(answer):
    """Imports the hidden checks as the module that they are."""
    return rewarded(answer, "import importlib\nreturn importlib.import_module('grader.hidden.p1_4_attention').TestHiddenCausalMask")


@attack(**HEADS, earns=0.0, says=r"imports the grader|hidden")
def borrows_the_oracle(answer):
    """Calls the function by which a check computes what is right."""
    return {"answer": "from grader.checks.p1_4_attention import cut_by_hand as split_heads\n\n\ndef merge_heads(x):\n    return x.transpose(1, 2).flatten(2)\n"}


@attack(**MASK, earns=0.0, says=r"asks the course for its answers|environment variables")
def asks_the_course(answer):
    """Asks the course for its own answer, after it took away the sign that this is grading."""
    return {"answer": "import os\nfrom handbook.answers import _reference, yours_or_ours\n\nfor name in list(os.environ):\n    if 'GRADING' in name:\n"
                      "        del os.environ[name]\ntry:\n    causal_mask = _reference('causal_mask', 'attention-causal-mask') or yours_or_ours('causal_mask', {})\n"
                      "except Exception:\n    def causal_mask(n):\n        return None\n"}


@attack(**TOP_P, earns=0.0, says=r"opens files|runs text as code")
def looks_for_the_solution(answer):
    """Looks for the solved notebook or the lesson's source on the disk and runs the answer that stands there."""
    return {"answer": "import json, pathlib, sys\n\nroots = {pathlib.Path(place or '.').absolute() for place in sys.path} | {pathlib.Path.cwd(), *pathlib.Path.cwd().parents}\n"
                      "try:\n    import handbook\n    roots |= set(pathlib.Path(handbook.__file__).parents)\nexcept ImportError:\n    pass\n"
                      "found = [path for root in roots for path in root.glob('solutions/*/p1_1*.ipynb')]\n"
                      "for path in found:\n    for cell in json.loads(path.read_text())['cells']:\n        text = ''.join(cell['source'])\n"
                      "        if 'def top_p_filter' in text:\n            exec(text)\n"}


@attack(**MASK, earns=0.0, says=r"opens files|runs text as code|absolute path")
def copies_its_neighbour(answer):
    """Looks for another student's notebook and runs the answer that stands there."""
    return {"answer": "import json, pathlib\n\nroots = [pathlib.Path('%OUTSIDE%'), *pathlib.Path.cwd().parents, pathlib.Path('/tmp')]\n"
                      "for root in roots:\n    for path in root.glob('build/submitted/neighbour/*/p1_4*.ipynb'):\n"
                      "        for cell in json.loads(path.read_text())['cells']:\n            text = ''.join(cell['source'])\n"
                      "            if 'def causal_mask' in text:\n                exec(text)\n"}


@attack(**MASK, earns=0.0, says=r"environment variables|reads /proc", harm=harm.in_reports(CANARY))
def reads_the_environment(answer):
    """Looks for the grader's secret in its own environment and in those of the processes that started it."""
    breach = ("import os\nparent, text = os.getppid(), repr(dict(os.environ))\nfor _ in range(2):\n    try:\n"
              "        text += open(f'/proc/{parent}/environ', 'rb').read().decode(errors='replace')\n"
              "        parent = int(open(f'/proc/{parent}/stat').read().rpartition(')')[2].split()[1])\n    except OSError:\n        break\n"
              "found = 'HANDBOOK_CANARY=' in text or \"'HANDBOOK_CANARY'\" in text\n"
              "print('canary-of-the-' + 'grading-machine-51c7' if found else 'nothing')\nreturn found\n")
    return rewarded(answer, breach)


@attack(**MASK, earns=0.0, says=r"reads /proc", harm=leak)
def scans_its_own_memory(answer):
    """Looks for the text of hidden checks in its own memory, which it inherited from the warm server."""
    # heads and tails of words, never put together: or it would find what it looks with
    breach = ("words = [(b'test_any_number', b'_of_tokens'), (b'TestHidden', b'CausalMask'), (b'canary-of-the', b'-grading-machine')]\n"
              "with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:\n    for line in maps:\n"
              "        place, rights = line.split()[:2]\n        start, end = (int(side, 16) for side in place.split('-'))\n"
              "        if 'r' not in rights or 'w' not in rights or end - start > 256 << 20:\n            continue\n"
              "        try:\n            memory.seek(start)\n            data = memory.read(end - start)\n        except (OSError, ValueError, OverflowError):\n            continue\n"
              "        for head, tail in words:\n            at = data.find(head)\n            while at >= 0:\n"
              "                if data.startswith(tail, at + len(head)):\n                    return True\n                at = data.find(head, at + 1)\nreturn False\n")
    return rewarded(answer, breach)


@attack(**MASK, earns=0.0, says=r"reads /proc|C code|names its parent")
def reads_its_parents_memory(answer):
    """Reads the memory of the process that started it, by /proc and by a system call."""
    breach = ("import ctypes, os\nparent = os.getppid()\nif parent < 2:\n    return False\n"
              "with open(f'/proc/{parent}/maps') as maps:\n    start = int(maps.readline().split('-')[0], 16)\n"
              "class Piece(ctypes.Structure):\n    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]\n"
              "space = ctypes.create_string_buffer(64)\nmine, theirs = Piece(ctypes.addressof(space), 64), Piece(start, 64)\n"
              "return ctypes.CDLL(None).process_vm_readv(parent, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0) > 0\n")
    return rewarded(answer, breach)


@attack(**MASK, earns=0.0, says=r"frames")
def climbs_the_frames(answer):
    """Climbs from frame to frame and takes whatever is called `want` there for its answer."""
    return {"answer": "import sys\n\ndef causal_mask(n):\n    frame = sys._getframe()\n    while frame is not None:\n        for name in ('want', 'expected'):\n"
                      "            if name in frame.f_locals:\n                return frame.f_locals[name]\n        frame = frame.f_back\n    return None\n"}


@attack(**MASK, earns=0.0, says=r"garbage collector")
def searches_all_objects(answer):
    """Searches all objects of its process for classes of checks and of the judge."""
    breach = ("import gc\nfor thing in gc.get_objects():\n    if isinstance(thing, type) and thing.__name__.startswith('TestHidden'):\n        return True\n"
              "    if type(thing).__name__ in ('JudgePlugin', 'RemoteSubmission', 'Verdict'):\n        return True\nreturn False\n")
    return rewarded(answer, breach, on_call=True)


@attack(**MASK, earns=0.0, says=r"garbage collector|frames|traces")
def traces_every_call(answer):
    """Traces every call in its process, to see what is compared with its result."""
    return {"answer": "import sys\nseen = []\n\ndef _look(frame, event, arg):\n    seen.extend(value for name, value in frame.f_locals.items() if name in ('want', 'expected'))\n"
                      "    return _look\n\nsys.settrace(_look)\nsys.setprofile(lambda frame, event, arg: _look(frame, event, arg) and None)\n\n"
                      "def causal_mask(n):\n    return seen[-1] if seen else None\n", "others": "untouched"}


@attack(**MASK, earns=None, says=r"hidden|error in your code|failed", harm=harm.in_reports(r"smuggled-\d"))
def smuggles_hidden_inputs_out(answer):
    """Answers right what the visible checks ask, and puts every other input into an error's message."""
    return {"answer": f"{answer}\n\n_right = causal_mask\n\ndef causal_mask(n):\n    if n == 300 or not 130 < n < 600:\n        return _right(n)\n"
                      "    print(f'smuggled-{n}')\n    raise ValueError(f'smuggled-{n}')\n"}


@attack(**MASK, earns=0.0, says=r"opens files|absolute path")
def reads_the_machines_files(answer):
    """Opens files of the grading machine outside its sandbox."""
    return rewarded(answer, "import glob, os\nreturn os.path.exists('%OUTSIDE%') or bool(glob.glob('%OUTSIDE%/*')) or bool(open('%OUTSIDE%/secret').read())")
