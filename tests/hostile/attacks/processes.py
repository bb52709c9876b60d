"""Attacks on the grader's processes: ending them, hanging them, outliving them, multiplying."""
from __future__ import annotations

from tests.hostile.attack import attack, provided, rewarded

MASK = dict(lesson="p1_4_attention", exercise="attention-causal-mask")
TOP_K = dict(lesson="p1_1_what_are_llms", exercise="sampling-top-k")
ENDED = r"ended (its|the) (process|kernel)|ends the process"
SLOW = r"too slow|ran too long|no answer within|could not be stopped"


def in_call(answer, before):
    """Our answer, with lines that run at the start of each call."""
    name = provided(answer)[0]
    lines = "\n".join(f"    {line}" for line in before.splitlines())
    return {"answer": f"{answer}\n\n_right = {name}\n\ndef {name}(*args, **kwargs):\n{lines}\n    return _right(*args, **kwargs)\n"}


@attack(**MASK, earns=0.0, says=ENDED)
def exits_in_the_call(answer):
    """Ends its process when it is called."""
    return in_call(answer, "import os\nos._exit(0)")


@attack(**MASK, earns=0.0, says=ENDED)
def exits_in_the_cell(answer):
    """Ends its process while its cell runs, before the other exercises have run."""
    return {"answer": f"import os\n{answer}\nos._exit(0)"}


@attack(**MASK, earns=None, says=r"exit\(\)|SystemExit|ends the process")
def leaves_in_an_own_cell(answer):
    """Calls sys.exit() in a cell of its own on top of the notebook."""
    return {"cells": [(None, "import sys\nsys.exit('done')")]}


@attack(**MASK, earns=None, says=ENDED)
def kills_itself(answer):
    """Sends SIGKILL to itself when it is called; the first process of a namespace doesn't hear it and may go on honestly."""
    return in_call(answer, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")


@attack(**MASK, earns=0.0, says=ENDED + r"|signal")
def kills_its_group(answer):
    """Sends SIGTERM to every process of its group, which reached the outer half of a sandbox once."""
    return in_call(answer, "import os, signal\nos.kill(0, signal.SIGTERM)\nos._exit(1)")


@attack(**MASK, earns=0.0, says=ENDED)
def kills_its_parent(answer):
    """Kills the process that started it, then itself."""
    return in_call(answer, "import os, signal\nif os.getppid() > 1:\n    os.kill(os.getppid(), signal.SIGKILL)\nos._exit(1)")


@attack(**MASK, earns=None, says=SLOW + r"|signal")
def stops_itself(answer):
    """Sends SIGSTOP to itself, so that it neither ends nor answers; the first process of a namespace doesn't hear it."""
    return in_call(answer, "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)")


@attack(**MASK, earns=0.0, says=SLOW)
def loops_and_swallows_everything(answer):
    """Loops for ever and catches whatever is raised to stop it."""
    return {"answer": "def causal_mask(n):\n    while True:\n        try:\n            while True:\n                pass\n"
                      "        except BaseException:\n            continue\n"}


@attack(**TOP_K, earns=0.0, says=SLOW)
def loops_in_its_cell(answer):
    """Loops for ever in its cell, and catches whatever is raised to stop it."""
    loop = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        continue\n"
    return {"answer": f"{answer}\n{loop}"}


@attack(**MASK, earns=0.0, says=SLOW)
def loops_in_c(answer):
    """Loops for ever inside one call of the interpreter, where no signal handler runs."""
    return {"answer": "def causal_mask(n):\n    return sum(iter(int, 1))\n"}


@attack(**MASK, earns=0.0, says=SLOW + r"|signal")
def ignores_the_alarm(answer):
    """Takes away the signal by which a time limit rings, then loops."""
    return {"answer": "import signal\n\ndef causal_mask(n):\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
                      "    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM, signal.SIGINT})\n"
                      "    while True:\n        pass\n"}


@attack(**MASK, earns=0.0, says=SLOW + r"|replaces time\.")
def stops_the_clock(answer):
    """Replaces the clock and the timer, so that no time seems to pass, then loops."""
    return {"answer": "import signal, time\ntime.monotonic = time.time = time.perf_counter = lambda: 0.0\n"
                      "signal.setitimer = lambda *args: (0.0, 0.0)\n\ndef causal_mask(n):\n    while True:\n        pass\n"}


@attack(**MASK, earns=0.0, says=SLOW)
def sleeps_through_every_call(answer):
    """Stays below the limit of one call, every time, to use up the time of the whole class."""
    return in_call(answer, "import time\ntime.sleep(4.5)")


@attack(**MASK, earns=None, says=r"starts (another process|threads)")
def leaves_a_daemon(answer):
    """Starts a process that leaves its group and session and outlives the run, then answers honestly."""
    start = ("import os\n_pid = os.fork()\nif _pid == 0:\n    os.setsid()\n    if os.fork():\n        os._exit(0)\n"
             "    os.execvp('sleep', ['%MARKER%', '90'])\nos.waitpid(_pid, 0)\n")
    return {"answer": f"{answer}\n\n{start}"}


@attack(**MASK, earns=None, says=r"starts (another process|threads)")
def multiplies(answer):
    """Forks until it is stopped: at most 200 processes of 20 seconds."""
    forks = ("import os\nfor _ in range(200):\n    try:\n        _pid = os.fork()\n    except OSError:\n        break\n"
             "    if _pid == 0:\n        os.execvp('sleep', ['%MARKER%', '20'])\n")
    return {"answer": f"{answer}\n\n{forks}"}


@attack(**TOP_K, earns=None, says=r"starts (another process|threads)")
def leaves_threads_running(answer):
    """Leaves eight threads behind that use the processor for 20 seconds."""
    spin = ("import threading, time\ndef _spin(end):\n    while time.monotonic() < end:\n        pass\n"
            "for _ in range(8):\n    threading.Thread(target=_spin, args=(time.monotonic() + 20,), daemon=True).start()\n")
    return {"answer": f"{answer}\n\n{spin}", "others": "untouched"}


@attack(**TOP_K, earns=None, says=r"at its end|atexit")
def lingers_at_its_end(answer):
    """Registers functions that run when its process ends: one loops for 20 seconds, one starts a process."""
    late = ("import atexit, os, time\ndef _linger(end):\n    while time.monotonic() < end:\n        pass\n"
            "atexit.register(_linger, time.monotonic() + 20)\natexit.register(lambda: os.fork() or os.execvp('sleep', ['%MARKER%', '30']))\n")
    return {"answer": f"{answer}\n\n{late}"}


@attack(**MASK, earns=0.0, says=ENDED + r"|closes")
def closes_every_descriptor(answer):
    """Closes all open files, the connection to the judge among them, when it is called."""
    return in_call(answer, "import os\nos.closerange(0, 4096)")


@attack(**MASK, earns=0.0, says=r"starts (another process|threads)|sent nonsense|" + ENDED)
def two_of_it_answer(answer):
    """Forks inside a call, so that two processes answer the judge on one connection; the child's answer is the right one."""
    return rewarded(answer, "import os\nreturn os.fork() == 0", on_call=True)
