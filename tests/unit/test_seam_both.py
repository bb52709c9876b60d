"""The same checks in both modes, and hostile answers in a process of their own: none of them passes or hangs a check."""
from __future__ import annotations

import contextlib
import linecache
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from grader.seam import (
    Handle,
    LearnerError,
    LearnerGone,
    LearnerTimeout,
    LocalSubmission,
    RemoteSubmission,
    SeamError,
    Submission,
    tolerant,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the learners' processes of these tests are forks")

# A process that imports torch once and forks a learner's process for every answer that it is sent. It is no child of
# fork() itself, because pytest's process may have threads.
SERVER = """
import contextlib, linecache, os, signal, socket, sys
import torch
from grader.seam import serve
torch.set_num_threads(1)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
channel = socket.socket(fileno=int(sys.argv[1]))
while True:
    source, descriptors, *_ = socket.recv_fds(channel, 1 << 16, 1)
    if not source:
        break
    far = socket.socket(fileno=descriptors[0])
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            channel.close()
            text = source.decode()
            linecache.cache["answer.py"] = (len(text), None, text.splitlines(True), "answer.py")
            scope = {"__name__": "__main__", "SOCKET": far}  # a hostile answer would find it anyway
            exec(compile(text, "answer.py", "exec"), scope)
            serve(far, scope)
        os._exit(0)
    far.close()
    channel.sendall(pid.to_bytes(8, "little"))
"""
Mode = Callable[..., AbstractContextManager[Submission]]


@pytest.fixture(scope="module")
def remote() -> Iterator[Mode]:
    near, far = socket.socketpair()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", SERVER, str(far.fileno())]
    server = subprocess.Popen(command, pass_fds=[far.fileno()], env=env)
    far.close()

    @contextlib.contextmanager
    def start(source: str, **options: Any) -> Iterator[RemoteSubmission]:
        ours, theirs = socket.socketpair()
        socket.send_fds(near, [source.encode()], [theirs.fileno()])
        theirs.close()
        pid = int.from_bytes(near.recv(8), "little")
        try:
            yield RemoteSubmission(ours, **{"grace": 5.0, "on_gone": lambda: kill(pid)} | options)
        finally:
            ours.close()
            kill(pid)

    yield start
    near.close()
    assert server.wait(10) == 0


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def local(source: str, **options: Any) -> Iterator[LocalSubmission]:
    linecache.cache["answer.py"] = (len(source), None, source.splitlines(True), "answer.py")
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "answer.py", "exec"), scope)
    yield LocalSubmission(scope, **options)


def verdict(check: Callable[[Submission], None], source: str, mode: Mode, **options: Any) -> str:
    torch.manual_seed(0)
    with mode(source, **options) as submission:
        try:
            submission.run(torch.manual_seed, 0)
            check(submission)
        except (AssertionError, LearnerError, SeamError, TypeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
    return "passed"


def check_attention(submission: Submission) -> None:
    for shape in [(5, 8), (2, 3, 5, 8)]:
        q, k, v = torch.randn(shape), torch.randn(*shape[:-2], 7, 8), torch.randn(*shape[:-2], 7, 4)
        torch.testing.assert_close(submission.attention(q, k, v), F.scaled_dot_product_attention(q, k, v))
    with pytest.raises(LearnerError) as caught:
        submission.attention(torch.ones(2, 3), torch.ones(2, 4), torch.ones(2, 4))
    assert caught.value.kind == "RuntimeError"


ATTENTION = """
def attention(q, k, v):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ v
"""


def gradients(layer: Any, x: torch.Tensor) -> dict[str, Any]:
    layer(x).square().sum().backward()
    return {name: weight.grad for name, weight in layer.named_parameters()}


def check_lora(submission: Submission) -> None:
    x, b = torch.randn(3, 8), torch.randn(5, 2)
    base = submission.run(nn.Linear, 8, 5)
    plain = F.linear(x, base.weight, base.bias)
    layer = submission.LoRALinear(base, r=2, alpha=8)
    torch.testing.assert_close(layer(x), plain)
    layer.load_state_dict({"B": b}, strict=False)
    tuned = layer(x)
    torch.testing.assert_close(tuned, plain + 4 * (x @ layer.A.T) @ b.T)
    grads = submission.run(gradients, layer, x)
    assert {name for name, grad in grads.items() if grad is not None} == {"A", "B"}
    assert layer.base.weight.grad is None
    assert layer.A.grad.shape == (2, 8)
    torch.testing.assert_close(layer.merge()(x), tuned)


LORA = """
import torch
from torch import nn
class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, r))
        self.scale = alpha / r
    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.A.T) @ self.B.T
    @torch.no_grad()
    def merge(self):
        self.base.weight += self.scale * self.B @ self.A
        return self.base
"""


def check_step(submission: Submission) -> None:
    start, lr = torch.randn(4, 3), 0.01
    expected = nn.Parameter(start.clone())
    optimizer = torch.optim.SGD([expected], lr=lr, momentum=0.9)
    weight, state = submission.keep(start), submission.keep({})
    for _ in range(3):
        expected.grad = torch.randn(4, 3)
        optimizer.step()
        assert submission.step(weight, expected.grad, state, lr) is None
    torch.testing.assert_close(submission.value(weight), expected.detach())
    assert submission.value(state)["steps"] == 3


STEP = """
def step(weight, grad, state, lr):
    state["steps"] = state.get("steps", 0) + 1
    state["velocity"] = 0.9 * state.get("velocity", 0) + grad
    weight.sub_(lr * state["velocity"])
"""


def counting_step() -> object:
    class Step:
        calls = 0

        def __call__(self, ids: list[int]) -> torch.Tensor:
            self.calls += 1
            return torch.eye(10)[(ids[-1] + 1) % 10]

    return Step()


def check_generate(submission: Submission) -> None:
    step, prompt = submission.run(counting_step), submission.keep([3, 4])
    assert submission.generate(step, prompt, 4) == [3, 4, 5, 6, 7, 8]
    assert step.calls == 4
    assert submission.value(prompt) == [3, 4]
    assert submission.generate(step, prompt, 4, stop=6) == [3, 4, 5, 6]


GENERATE = """
def generate(step, ids, n, stop=None):
    ids = list(ids)
    for _ in range(n):
        ids.append(int(step(ids).argmax()))
        if ids[-1] == stop:
            break
    return ids
"""


def counted_numbers(stop: int) -> object:
    class Numbers:
        taken = 0

        def __iter__(self) -> Any:
            while self.taken != stop:
                self.taken += 1
                yield self.taken - 1

    return Numbers()


def check_shuffle(submission: Submission) -> None:
    few = list(submission.shuffle_buffer(submission.run(counted_numbers, 30), 8))
    assert sorted(few) == list(range(30))
    assert few != sorted(few)
    endless = submission.run(counted_numbers, -1)
    first = list(islice(submission.shuffle_buffer(endless, 8), 20))
    assert len(set(first)) == 20
    assert endless.taken <= 28


SHUFFLE = """
def shuffle_buffer(stream, size):
    buffer = []
    for item in stream:
        buffer.append(item)
        if len(buffer) == size:
            yield buffer.pop(len(buffer) // 2)
    yield from reversed(buffer)
"""

CASES: dict[str, tuple[Callable[[Submission], None], str, list[tuple[str, str]]]] = {
    "attention": (check_attention, ATTENTION, [("dim=-1", "dim=-2"), ("q.shape[-1]", "q.shape[-2]"), ("@ v", "@ w")]),
    "lora": (check_lora, LORA, [("requires_grad_(False)", "requires_grad_(True)"), ("+= self.scale *", "+=")]),
    "step": (check_step, STEP, [("weight.sub_(", "weight = weight.sub("), ('.get("steps", 0)', '["steps"]')]),
    "generate": (check_generate, GENERATE, [("ids = list(ids)", "pass"), ("        if ids", "        step(ids)\n        if ids")]),
    "shuffle": (check_shuffle, SHUFFLE, [("in stream:", "in list(stream):"), ("    yield from reversed(buffer)\n", "")]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_both_modes_give_the_same_verdict(name: str, remote: Mode) -> None:
    check, right, edits = CASES[name]
    assert (verdict(check, right, local), verdict(check, right, remote)) == ("passed", "passed")
    for old, new in edits:
        assert old in right
        here = verdict(check, right.replace(old, new), local, seconds=0.5)
        assert here != "passed"
        assert verdict(check, right.replace(old, new), remote, seconds=0.5) == here


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_errors_output_and_records_are_the_same_in_both_modes(mode: str, remote: Mode) -> None:
    source = "import sys\ndef f(x):\n    print('hello')\n    print('oh', file=sys.stderr)\n    return 1 / x\ndef leave(): sys.exit(1)"
    with (local if mode == "local" else remote)(source) as submission:
        with pytest.raises(LearnerError) as caught:
            submission.f(0)
        error = caught.value
        assert (error.kind, error.message, error.line) == ("ZeroDivisionError", "division by zero", "answer.py:5: return 1 / x")
        assert submission.output == "hello\noh\n"
        with pytest.raises(LearnerError) as caught:
            submission.leave()
        assert caught.value.kind == "SystemExit"
        assert (submission.f(2), submission.has("f"), submission.has("g")) == (0.5, True, False)
        assert [(call.name, call.result, call.error) for call in submission.calls] == [
            ("f", None, "ZeroDivisionError: division by zero"), ("leave", None, "SystemExit: 1"), ("f", 0.5, None)]


HEAD = """
import os, struct, time, torch
from grader.seam import encode
from grader.seam.values import Name, Ref
NUMBER = 3  # of the first call: seeding and looking up the name come before it
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


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_does_not_pass_and_does_not_hang(name: str, remote: Mode) -> None:
    source = (PATCHED if name == "patched comparison" else "") + HEAD + HOSTILE[name]
    started = time.monotonic()
    assert verdict(check_attention, source, remote, seconds=0.3, grace=0.2) != "passed"
    assert time.monotonic() - started < 5


def test_dying_is_not_the_exception_that_a_check_expects(remote: Mode) -> None:
    for body in ("os._exit(0)", "SOCKET.close()", "send(b'x')", "sum(iter(int, 1))"):
        with remote(HEAD + body, seconds=0.2, grace=0.2) as submission, pytest.raises(LearnerGone):
            submission.attention(torch.ones(2, 4), 1, 1)


def test_a_slow_call_keeps_the_process_and_death_is_told_at_once(remote: Mode) -> None:
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
def test_a_loop_over_an_endless_answer_is_bounded(body: str, remote: Mode) -> None:
    with remote(f"import time\ndef numbers():\n    while True: {body}", seconds=0.3) as submission:
        started = time.monotonic()
        with pytest.raises(SeamError):
            list(submission.numbers())
        assert time.monotonic() - started < 3


def test_handles_of_lying_objects_do_not_lie(remote: Mode) -> None:
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


def test_a_handle_of_another_process_is_refused(remote: Mode) -> None:
    with remote("def f(x): return x") as one, remote("def f(x): return x") as other:
        handle = one.f
        with pytest.raises(TypeError, match="another submission"):
            other.f(handle)
        assert handle(1) == 1
