"""Local mode: what a learner's call may do to the process that it shares with the check, and what it may not."""
from __future__ import annotations

import json
import linecache
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from grader.seam import LearnerError, LearnerTimeout, LocalSubmission

needs_alarm = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no SIGALRM")


def work(source: str, file: str = "answer.py", **options: Any) -> LocalSubmission:
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, file, "exec"), scope)
    return LocalSubmission(scope, **options)


@pytest.mark.parametrize(("file", "line"), [
    ("answer.py", "answer.py:2: return 1 / x"),
    ("/home/me/answers/p1.py", "p1.py:2: return 1 / x"),
    ("/tmp/ipykernel_123/456.py", "line 2: return 1 / x"),
    ("<ipython-input-3-abc>", "line 2: return 1 / x"),
])
def test_an_error_names_the_learners_line(file: str, line: str) -> None:
    submission = work("def f(x):\n    return 1 / x\ndef g(x): return max([x], key=f)", file)
    with pytest.raises(LearnerError) as caught:
        submission.g(0)
    assert (caught.value.kind, caught.value.message, caught.value.line) == ("ZeroDivisionError", "division by zero", line)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_error_far_from_the_learners_lines_names_none() -> None:
    with pytest.raises(LearnerError) as caught:
        work("import math\nroot = math.sqrt").root(-1)
    assert (caught.value.kind, caught.value.line) == ("ValueError", "")


def test_leaving_the_interpreter_is_the_learners_error_and_ctrl_c_is_the_users() -> None:
    submission = work("import os, signal\ndef leave(): raise SystemExit(3)\n"
                      "def wait():\n    os.kill(os.getpid(), signal.SIGINT)\n    while True: pass")
    with pytest.raises(LearnerError) as caught:
        submission.leave()
    assert caught.value.kind == "SystemExit"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            submission.wait()
    finally:
        signal.signal(signal.SIGINT, before)


LOOPS = "import time\ndef loop():\n    while True: pass\n"


@needs_alarm
@pytest.mark.parametrize("body", ["while True: pass", "time.sleep(60)",
                                  "try: time.sleep(60)\n    except Exception: pass"])
def test_a_call_that_never_ends_is_stopped(body: str) -> None:
    started = time.monotonic()
    with pytest.raises(LearnerTimeout):
        work(f"import time\ndef loop():\n    {body}", seconds=0.1).loop()
    assert time.monotonic() - started < 2


@needs_alarm
def test_a_bare_except_gets_a_second_ring() -> None:
    swallows = "import time\ndef loop():\n    try: time.sleep(60)\n    except: pass\n    time.sleep(60)"
    with pytest.raises(LearnerTimeout):
        work(swallows, seconds=0.1).loop()


@needs_alarm
def test_all_calls_together_have_a_limit() -> None:
    submission = work(LOOPS, seconds=0.1, total=0.15)
    for _ in range(3):
        with pytest.raises(LearnerTimeout):
            submission.loop()
    assert submission._link.left <= 0


class OuterLimit(Exception):
    pass


@contextmanager
def outer_timer(seconds: float) -> Iterator[Any]:
    def ring(*_: object) -> None:
        raise OuterLimit

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield ring
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@needs_alarm
def test_an_outer_timer_goes_on_after_a_call() -> None:
    with outer_timer(60) as ring:
        submission = work(LOOPS + "def one(): return 1", seconds=0.1)
        assert submission.one() == 1
        with pytest.raises(LearnerTimeout):
            submission.loop()
        assert signal.getsignal(signal.SIGALRM) is ring
        assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] < 60


@needs_alarm
def test_an_earlier_outer_timer_ends_the_call_and_rings_outside_it() -> None:
    submission = work("def loop():\n    try:\n        while True: pass\n    except Exception: return 'swallowed'")
    with outer_timer(0.1), pytest.raises(OuterLimit):
        submission.loop()
    assert submission.calls[-1].error is None
    assert submission.calls[-1].result is None


@needs_alarm
def test_without_a_timer_nothing_is_left_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(LearnerTimeout):
        work(LOOPS, seconds=0.05).loop()
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_it_works_in_a_thread() -> None:
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(work("def f(x): return x + 1").f(1)))
    thread.start()
    thread.join()
    assert seen == [2]


def test_printing_warning_and_logging_decide_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("a learner's library")
    handler = logging.StreamHandler()  # holds the real stderr, as libraries' own handlers do
    logger.addHandler(handler)
    logger.propagate = False
    submission = work("import logging, sys, warnings\ndef f():\n    print('out'); print('err', file=sys.stderr)\n"
                      "    warnings.warn('careful'); logging.getLogger(\"a learner's library\").error('log'); return 1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert submission.f() == 1
    assert submission.output == "out\nerr\nlog\n"
    logger.error("ours")
    assert capsys.readouterr() == ("", "ours\n")
    logger.removeHandler(handler)


def test_output_is_cut() -> None:
    submission = work("def f():\n    for _ in range(1000): print('x' * 1000)")
    submission.f()
    assert submission.output.startswith("xxx")
    assert len(submission.output) <= 16_000


DRAW = "import random, torch, numpy as np\ndef draw(): return torch.rand(1).item(), random.random(), np.random.rand()\n"


def test_random_states_are_kept_apart_and_reproducible() -> None:
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    expected = [torch.rand(1).item(), random.random(), np.random.rand()]
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    first, second, other = work(DRAW), work(DRAW), work(DRAW, seed=1)
    drawn = [first.draw(), first.draw()]
    assert [torch.rand(1).item(), random.random(), np.random.rand()] == expected
    assert drawn[0] != drawn[1]
    assert [second.draw(), second.draw()] == drawn
    assert not set(other.draw()) & set(drawn[0])
    first.run(torch.manual_seed, 5)
    first.run(random.seed, 5)
    first.run(np.random.seed, 5)
    assert list(first.draw()) == expected


def test_settings_of_the_learner_stay_with_the_learner() -> None:
    submission = work("import torch\ndef f():\n    torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)\n"
                      "def g(): return torch.ones(1), torch.is_grad_enabled()")
    submission.f()
    assert torch.ones(1).dtype is torch.float32
    assert torch.is_grad_enabled()
    assert submission.g() == (torch.ones(1, dtype=torch.float64), True)
    with torch.no_grad():
        assert submission.g()[1] is True


def test_a_call_costs_far_less_than_a_millisecond() -> None:
    same = work("def same(x): return x", total=1e9).same
    taken = []
    for _ in range(200):
        started = time.perf_counter()
        same(1)
        taken.append(time.perf_counter() - started)
    assert min(taken) < 1e-3


CELLS = ["""
import json, logging, os, signal, sys, warnings
def f(x):
    return 1 / x
def loop():
    while True: pass
def stopped():
    os.kill(os.getpid(), signal.SIGINT)
    while True: pass
def noisy():
    warnings.warn('w'); print('x', file=sys.stderr); logging.getLogger('t').error('y'); return 3
""", """
from grader.seam import LearnerError, LearnerTimeout, LocalSubmission
submission = LocalSubmission(globals(), seconds=0.2)
seen = {'noisy': submission.noisy()}
for name, arguments in (('f', (0,)), ('loop', ()), ('stopped', ())):
    try: getattr(submission, name)(*arguments)
    except LearnerError as error: seen[name] = error.line
    except BaseException as error: seen[name] = type(error).__name__
print(json.dumps(seen))
"""]


@pytest.mark.slow
def test_it_works_in_a_jupyter_kernel() -> None:
    manager_of = pytest.importorskip("jupyter_client.manager", reason="no Jupyter here, as on a bare grading machine")
    streams: dict[str, str] = {"stdout": "", "stderr": ""}

    def collect(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            streams[message["content"]["name"]] += message["content"]["text"]

    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    manager, client = manager_of.start_new_kernel(env=env)
    try:
        replies = [client.execute_interactive(cell, output_hook=collect, timeout=60) for cell in CELLS]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert [reply["content"]["status"] for reply in replies] == ["ok", "ok"]
    assert json.loads(streams["stdout"]) == {
        "noisy": 3, "f": "line 3: return 1 / x", "loop": "LearnerTimeout", "stopped": "KeyboardInterrupt"}
    assert streams["stderr"] == ""
