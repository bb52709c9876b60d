"""Attacks on the machine's memory, disk and tables of files."""
from __future__ import annotations

from tests.hostile.attack import attack

MASK = dict(lesson="p1_4_attention", exercise="attention-causal-mask")
NORMS = dict(lesson="p1_4_attention", exercise="attention-norms")
TOO_MUCH = r"[Mm]emory|ended (its|the) (process|kernel)|too slow|ran too long"


@attack(**MASK, earns=0.0, says=TOO_MUCH)
def eats_memory_in_the_call(answer):
    """Claims and touches memory in steps of 64 MiB, at most 6 GiB, and keeps it."""
    return {"answer": "held = []\n\ndef causal_mask(n):\n    for _ in range(96):\n        held.append(bytearray(b'x') * (64 << 20))\n"}


@attack(**NORMS, earns=0.0, says=TOO_MUCH)
def eats_memory_in_its_cell(answer):
    """Claims memory with torch in its cell, at most 6 GiB, and never defines its answer."""
    return {"answer": "import torch\nheld = [torch.ones(64 << 18) for _ in range(96)]\nraise RuntimeError('all memory is mine')\n"}


@attack(**MASK, earns=0.0, says=TOO_MUCH + r"|starts (another process|threads)")
def eats_memory_in_many_processes(answer):
    """Claims 256 MiB in each of 24 processes: little for each limit, much together."""
    return {"answer": "import os, time\n\ndef causal_mask(n):\n    for _ in range(24):\n        if os.fork() == 0:\n"
                      "            held = bytearray(b'x') * (256 << 20)\n            time.sleep(5)\n            os._exit(0)\n"}


@attack(**MASK, earns=0.0, says=r"[Mm]emory|error in your code")
def asks_for_a_terabyte(answer):
    """Asks for more memory than there is, at once."""
    return {"answer": "import torch\n\ndef causal_mask(n):\n    return torch.empty(1 << 40).fill_(1)\n"}


@attack(**MASK, earns=0.0, says=r"[Mm]emory|ended (its|the) (process|kernel)|too slow|limits of its process")
def lifts_its_limits(answer):
    """Lifts the limits of its own process before it claims 6 GiB."""
    return {"answer": "import resource\nheld = []\n\ndef causal_mask(n):\n"
                      "    for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_CPU, resource.RLIMIT_NPROC):\n"
                      "        try:\n            resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
                      "        except (ValueError, OSError):\n            pass\n"
                      "    for _ in range(96):\n        held.append(bytearray(b'x') * (64 << 20))\n"}


@attack(**MASK, earns=0.0, says=r"RecursionError|ended (its|the) (process|kernel)|limits of its process")
def overflows_the_stack(answer):
    """Lifts Python's limit on recursion and calls itself until the stack of the process is full."""
    return {"answer": "import sys\nsys.setrecursionlimit(10**9)\n\ndef causal_mask(n):\n    return [causal_mask(n)].__repr__()\n"}


@attack(**MASK, earns=0.0, says=r"ended (its|the) (process|kernel)|C code")
def crashes_the_interpreter(answer):
    """Reads address 0 by ctypes."""
    return {"answer": "import ctypes\n\ndef causal_mask(n):\n    return ctypes.string_at(0)\n"}


@attack(**NORMS, earns=None, says=r"writes files|changes files")
def fills_the_disk(answer):
    """Writes files of 64 MiB into the temporary folder and into shared memory, at most 512 MiB each, and removes them."""
    fill = ("import os, shutil, tempfile\nfor _place in (None, '/dev/shm'):\n    _folder = None\n    try:\n"
            "        _folder = tempfile.mkdtemp(prefix='%MARKER%', dir=_place)\n        for _number in range(8):\n"
            "            with open(os.path.join(_folder, str(_number)), 'wb') as _file:\n                _file.write(bytes(64 << 20))\n"
            "    except OSError:\n        pass\n    finally:\n        if _folder:\n            shutil.rmtree(_folder, ignore_errors=True)\n")
    return {"answer": f"{answer}\n\n{fill}"}


@attack(**NORMS, earns=None, says=r"opens files|error in your code|too many open files|ended|could not check|passed|failed")
def opens_files_without_end(answer):
    """Opens /dev/null until no descriptor is left, at most 100,000 times, and keeps them open."""
    return {"answer": f"{answer}\n\n_held = []\ntry:\n    for _ in range(100_000):\n        _held.append(open('/dev/null'))\nexcept OSError:\n    pass\n"}
