"""The same checks give the same verdicts, whether the answer runs in this process or in one of its own."""
from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from grader.seam import LearnerError, SeamError, Submission

Mode = Any  # `with mode(source, **options) as submission`, see conftest.py


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
def test_both_modes_give_the_same_verdict(name: str, local: Mode, remote: Mode) -> None:
    check, right, edits = CASES[name]
    assert (verdict(check, right, local), verdict(check, right, remote)) == ("passed", "passed")
    for old, new in edits:
        assert old in right
        here = verdict(check, right.replace(old, new), local, seconds=0.5)
        assert here != "passed"
        assert verdict(check, right.replace(old, new), remote, seconds=0.5) == here


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_errors_output_and_records_are_the_same_in_both_modes(mode: str, request: pytest.FixtureRequest) -> None:
    source = "import sys\ndef f(x):\n    print('hello')\n    print('oh', file=sys.stderr)\n    return 1 / x\ndef leave(): sys.exit(1)"
    with request.getfixturevalue(mode)(source) as submission:
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
        many = submission.each("f", [(4,), (0,), (8,)])
        assert next(many) == 0.25
        with pytest.raises(LearnerError) as caught:
            next(many)
        assert (caught.value.kind, caught.value.line) == ("ZeroDivisionError", "answer.py:5: return 1 / x")
        assert list(submission.each(submission.f, [(8,)])) == [0.125]
