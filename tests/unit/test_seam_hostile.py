"""Hostile answers in a process of their own: none of them passes or hangs a check, and no handle believes a lie."""
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from grader.seam import Handle, LearnerError, LearnerGone, LearnerTimeout, SeamError, Submission, tolerant


def passes(submission: Submission) -> bool:
    """An ordinary check: its comparison, its time limit and the exception that it expects must all hold."""
    q, k, v = torch.randn(5, 8), torch.randn(7, 8), torch.randn(7, 4)
    try:
        torch.testing.assert_close(submission.attention(q, k, v), F.scaled_dot_product_attention(q, k, v))
        with pytest.raises(LearnerError, match="RuntimeError"):
            submission.attention(torch.ones(2, 3), torch.ones(2, 4), torch.ones(2, 4))
    except (AssertionError, LearnerError, SeamError, TypeError, ValueError):
        return False
    return True


HEAD = """
import os, struct, time, torch
from grader.seam import encode
from grader.seam.values import Name, Ref
NUMBER = 2  # of the first call: looking up the name comes before it
def send(data): SOCKET.sendall(struct.pack('<Q', len(data)) + data)
def attention(q, k, v):
    bad = q[..., :4] * 0
    """
PATCHED = ("import torch, torch.testing\ntorch.allclose = torch.equal = lambda *a, **k: True\n"
           "torch.testing.assert_close = lambda *a, **k: None\n")
HOSTILE = {
    "equals everything": "return type('X', (), {'__eq__': lambda s, o: True, '__bool__': lambda s: True})()",
    "tensor that equals everything": "return type('X', (torch.Tensor,), {'__eq__': lambda s, o: torch.tensor(True)})(bad)",
    "patched comparison": "return bad",
    "endless loop": "while True: pass",
    "endless loop in C": "sum(iter(int, 1))",
    "loop that catches everything": "\n    while True:\n        try: time.sleep(9)\n        except BaseException: pass",
    "ends the process": "os._exit(0)",
    "leaves the interpreter": "raise SystemExit(0)",
    "interrupts": "raise KeyboardInterrupt",
    "claims 5 GB": "SOCKET.sendall(struct.pack('<Q', 5 << 30)); time.sleep(9)",
    "5 GB tensor": "return torch.zeros(1).expand(5 << 28)",
    "huge list": "return ['x'] * 10_000_000",
    "huge range": "return range(10**12)",
    "deep list": "\n    for _ in range(100_000): bad = [bad]\n    return bad",
    "endless iterator": "return iter(int, 1)",
    "failing __str__": "raise type('E', (Exception,), {'__str__': lambda s: 1 / 0})()",
    "slow __str__": "raise type('E', (Exception,), {'__str__': lambda s: time.sleep(9)})()",
    "lying shape": "return type('X', (torch.Tensor,), {'shape': property(lambda s: torch.Size([5, 4])), "
                   "'size': lambda s, *a: s.shape})(torch.zeros(1))",
    "lying class": "return type('X', (), {'__class__': torch.Tensor})()",
    "malformed message": "SOCKET.sendall(struct.pack('<Q', 3) + b'xyz'); time.sleep(9)",
    "forged reply": "send(encode((NUMBER + 1, 'ok', None, ''))); return bad",
    "forged handle": "send(encode((NUMBER, 'ok', Ref(77, 'Tensor'), ''))); return bad",
    "handle as number": "send(encode((Ref(0, 'int'), 'ok', bad, ''))); return bad",
    "names code": "send(encode((NUMBER, 'ok', Name('builtins:exit'), ''))); return bad",
    "trickle": "SOCKET.sendall(struct.pack('<Q', 999))\n    while True: SOCKET.sendall(b'0'); time.sleep(0.1)",
    "flood of text": "while True: print('x' * 1000)",
    "long error": "raise ValueError('x' * 50_000_000)",
    "raw pointer": "return type('X', (), {'__array_interface__': {'shape': (9,), 'typestr': '<f8', "
                   "'data': (4096, False), 'version': 3}, '__len__': lambda s: 1 << 50})()",
}  # fmt: skip


def test_the_check_passes_an_honest_answer(remote: Any) -> None:
    with remote("def attention(q, k, v): return (q @ k.T / q.shape[-1] ** 0.5).softmax(-1) @ v") as submission:
        assert passes(submission)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_does_not_pass_and_does_not_hang(name: str, remote: Any) -> None:
    source = (PATCHED if name == "patched comparison" else "") + HEAD + HOSTILE[name]
    started = time.monotonic()
    with remote(source, seconds=0.3, grace=0.2) as submission:
        assert not passes(submission)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("body", ["[(True, 1)]", "[(True, 2), (True, 2), (True, 2)]", "5", "[(1, 2, 3), (4, 5, 6)]", "[(False, 1), (False, 1)]", "{0: (True, 2), 1: (True, 2)}"])
def test_many_calls_that_the_far_side_answers_otherwise_earn_nothing(body: str, remote: Any) -> None:
    source = f"import grader.seam.agent as agent\nagent.Agent._each = lambda self, target, cases: {body}\ndef f(x): return x"
    with remote(source) as submission, pytest.raises(SeamError):
        list(submission.each("f", [(1,), (2,)]))


def test_dying_is_not_the_exception_that_a_check_expects(remote: Any) -> None:
    for body in ("os._exit(0)", "SOCKET.close()", "send(b'x')", "sum(iter(int, 1))"):
        with remote(HEAD + body, seconds=0.2, grace=0.2) as submission, pytest.raises(LearnerGone):
            submission.attention(torch.ones(2, 4), 1, 1)


def test_a_slow_call_keeps_the_process_and_death_is_told_at_once(remote: Any) -> None:
    source = "import os\ndef loop():\n    while True: pass\ndef die(): os._exit(1)\ndef one(): return 1"
    with remote(source, seconds=0.2) as submission:
        with pytest.raises(LearnerTimeout):
            submission.loop()
        assert submission.one() == 1
        soft = tolerant(submission)
        assert soft.one() == 1
        started = time.monotonic()
        for name in ("die", "one", "one"):
            with pytest.raises(LearnerGone):
                submission[name]()
        assert time.monotonic() - started < 0.5
        assert (soft.one().kind, soft.has("one")) == ("LearnerGone", False)


@pytest.mark.parametrize("body", ["yield 1", "time.sleep(0.2); yield 1"])
def test_a_loop_over_an_endless_answer_is_bounded(body: str, remote: Any) -> None:
    with remote(f"import time\ndef numbers():\n    while True: {body}", seconds=0.3) as submission:
        started = time.monotonic()
        with pytest.raises(SeamError):
            list(submission.numbers())
        assert time.monotonic() - started < 3


def test_handles_of_lying_objects_do_not_lie(remote: Any) -> None:
    source = """
class Liar:
    __array_interface__ = {"shape": (2,), "typestr": "<f8", "data": (4096, False), "version": 3}
    def __array__(self, *args, **kwargs): raise SystemExit
    def __torch_function__(self, *args, **kwargs): return True
    def __eq__(self, other): return True
    def __len__(self): return 1 << 50
    def __getitem__(self, i): return 1.0
liar = Liar()
"""
    with remote(source, seconds=0.5) as submission:
        liar = submission.liar
        assert type(liar) is Handle
        for claim in (lambda: liar == 1, lambda: bool(liar), lambda: torch.allclose(liar, torch.ones(2)),
                      lambda: torch.equal(torch.ones(2), liar)):
            with pytest.raises(TypeError):
                claim()
        for claim in (lambda: np.allclose(liar, np.ones(2)), lambda: np.array_equal(np.ones(2), liar),
                      lambda: torch.tensor(liar).sum() == 2, lambda: list(liar)[:2] == [1.0, 1.0]):
            assert not believed(claim)


def believed(claim: Callable[[], Any]) -> bool:
    try:
        return bool(claim())
    except (TypeError, ValueError, SeamError, LearnerError):
        return False


def test_a_handle_of_another_process_is_refused(remote: Any) -> None:
    with remote("def f(x): return x") as one, remote("def f(x): return x") as other:
        handle = one.f
        with pytest.raises(TypeError, match="another submission"):
            other.f(handle)
        assert handle(1) == 1
