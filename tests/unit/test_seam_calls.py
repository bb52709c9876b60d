"""What a check can do with `submission`: the record of its calls, probes, in-place changes, and tolerant probing."""
from __future__ import annotations

import collections
import copy
import functools
import itertools
import math
import operator
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from grader.seam import (
    Handle,
    LearnerError,
    LearnerTimeout,
    LocalSubmission,
    MissingAttribute,
    Raised,
    SeamError,
    tolerant,
)

SOURCE = """
import dataclasses, enum
def double(x): return 2 * x
def fail(x): raise KeyError(x)
def adder(n): return lambda x: x + n
def loop():
    while True: pass
def extend(items): items.append(9); return None
def numbers():
    yield 1
    raise ValueError("no more")
def endless():
    while True: yield 1
class Layer:
    width = 3
    def __call__(self, x): return x + self.width
    def scale(self, x, by=1): return x * by
    def __len__(self): return self.width
    def __getitem__(self, i): return [10, 20, 30][i]
def pair(): return Layer(), 1
class Colour(enum.Enum):
    RED = 1
@dataclasses.dataclass
class Config:
    width: int = 3
_private, run, answer = 1, 2, 42
"""


@pytest.fixture
def submission() -> LocalSubmission:
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(SOURCE, "answer.py", "exec"), scope)
    return LocalSubmission(scope, seconds=0.1)


def test_names_are_read_plain_or_as_handles(submission: LocalSubmission) -> None:
    assert (submission.answer, submission["_private"], submission["run"]) == (42, 1, 2)
    assert type(submission.double) is Handle
    assert (submission.Colour.RED.value, submission.Config().width) == (1, 3)
    assert [submission.has(name) for name in ("answer", "nothing", "print")] == [True, False, False]
    with pytest.raises(LearnerError, match="`nothing` is not defined") as caught:
        submission.nothing(1)
    assert (caught.value.kind, caught.value.line) == ("NameError", "")
    with pytest.raises(AttributeError):
        _ = submission._private


def test_handles_behave_like_their_object(submission: LocalSubmission) -> None:
    layer = submission.Layer()
    assert (layer(1), layer.width, layer[1], len(layer), layer.scale(2, by=3)) == (4, 3, 20, 3, 6)
    assert list(layer) == [10, 20, 30]
    assert 20 in layer
    assert hasattr(layer, "width")
    assert not hasattr(layer, "height")
    assert not hasattr(layer, "__array_interface__")
    with pytest.raises(MissingAttribute):
        _ = layer.height
    with pytest.raises(LearnerError, match="IndexError"):
        _ = layer[7]
    generator = submission.numbers()
    assert next(generator) == 1
    with pytest.raises(LearnerError, match="no more"):
        next(generator)
    with pytest.raises(StopIteration):
        next(generator)


def test_handles_refuse_to_be_compared_copied_or_believed(submission: LocalSubmission) -> None:
    layer = submission.Layer()
    for claim in (lambda: layer == 1, lambda: layer != 1, lambda: bool(layer), lambda: layer < 1, lambda: {layer},
                  lambda: copy.copy(layer), lambda: copy.deepcopy(layer), lambda: submission.endless() == 1):
        with pytest.raises(TypeError):
            claim()
    assert not isinstance(layer, torch.Tensor | int)


def test_calls_are_remembered_by_the_names_a_learner_knows(submission: LocalSubmission) -> None:
    submission.double(4)
    layer = submission.Layer()
    layer(1)
    layer.scale(2, by=3)
    submission.adder(1)(2)
    submission.run(nn.Linear, 2, 2)
    assert [(call.name, call.args, call.kwargs) for call in submission.calls] == [
        ("double", (4,), {}), ("Layer", (), {}), ("Layer(…)", (1,), {}), ("Layer(…).scale", (2,), {"by": 3}),
        ("adder", (1,), {}), ("adder(…)", (2,), {})]
    assert [call.result for call in submission.calls if type(call.result) is int] == [8, 4, 6, 3]
    assert all(call.error is None and 0 < call.seconds < 1 for call in submission.calls)
    assert repr(submission.double) == "<function double>"
    assert repr(layer) == "<Layer object>"


def test_calls_that_fail_are_remembered_with_their_error(submission: LocalSubmission) -> None:
    with pytest.raises(LearnerError):
        submission.fail("a")
    with pytest.raises(LearnerTimeout):
        submission.loop()
    assert [(call.name, call.result, call.error) for call in submission.calls] == [
        ("fail", None, "KeyError: 'a'"), ("loop", None, "no answer within 0.1 s")]


def test_many_calls_by_one_message_count_as_calls_of_their_own(submission: LocalSubmission) -> None:
    taken = submission.each("double", [(1,), (torch.ones(2),), ("a",)])
    assert submission.calls == []
    assert [next(taken), next(taken).tolist(), next(taken)] == [2, [2.0, 2.0], "aa"]
    assert [(call.name, call.args[0]) for call in submission.calls][::2] == [("double", 1), ("double", "a")]
    layer, = submission.each("Layer", [()])
    assert list(submission.each(layer, [(1,), (2,)])) == [4, 5]
    assert submission.calls[-1].name == "Layer(…)"
    assert list(submission.each("double", [])) == []


def test_one_of_many_calls_raises_when_its_result_is_taken(submission: LocalSubmission) -> None:
    taken = submission.each("double", [(1,), (None,), (3,)])
    assert next(taken) == 2
    with pytest.raises(LearnerError) as caught:
        next(taken)
    assert (caught.value.kind, caught.value.line[:11]) == ("TypeError", "answer.py:3")
    assert next(taken) == 6
    assert [call.error and call.error[:9] for call in submission.calls] == [None, "TypeError", None]
    with pytest.raises(LearnerError, match="not defined"):
        submission.each("nothing", [(1,)])
    with pytest.raises(LearnerTimeout):
        submission.each("loop", [()])
    assert [(call.name, call.args) for call in submission.calls[-2:]] == [("nothing", (1,)), ("loop", ())]
    soft = tolerant(submission)
    assert list(soft.each("double", [(1,), (None,), (3,)])) == [2, Raised("TypeError"), 6]
    assert list(soft.each("nothing", [(1,), (2,)])) == [Raised("NameError")] * 2


def test_a_probe_given_the_learners_object_is_remembered_and_the_record_is_bounded(submission: LocalSubmission) -> None:
    assert submission.run(width_of, submission.Layer()) == 3
    assert submission.calls[-1].name == "width_of"
    for number in range(200):
        submission.double(number)
    assert len(submission.calls) == 50
    assert submission.calls[-1].args == (199,)


@pytest.mark.parametrize("value", [[1], {"a": 1}, torch.ones(2, 3), np.ones(2), {3}], ids=lambda value: type(value).__name__)
def test_keep_shows_changes_in_place(submission: LocalSubmission, value: Any) -> None:
    kept = submission.keep(value)
    submission.run(change, kept)
    after = submission.value(kept)
    assert type(after) is type(value)
    assert str(after) != str(value)
    assert str(submission.value(submission.keep(value))) == str(value)


def change(value: Any) -> None:
    if isinstance(value, list):
        value.append(9)
    elif isinstance(value, dict):
        value["b"] = 9
    elif isinstance(value, set):
        value.add(9)
    else:
        value += 1


def width_of(layer: Any) -> int:
    return layer.width


def decides(layer: Any) -> None:
    assert layer.width


def needs_a_helper(layer: Any) -> int:
    return width_of(layer)


def self_contained(value: float) -> list[Any]:
    import json

    class Box:
        label = "x"

        def get(self) -> float:
            return math.sqrt(value) + F.relu(torch.tensor(-1.0)).item()  # type: ignore[name-defined]  # noqa: F821

    def again(times: int) -> float:
        return Box().get() if times == 0 else again(times - 1)

    return [again(3), Box.label, json.dumps(1), len(list(itertools.islice(itertools.count(), 2)))]


def test_a_self_contained_probe_runs_on_the_far_side(submission: LocalSubmission) -> None:
    assert submission.run(self_contained, 4.0) == [2.0, "x", "1", 2]


def test_probes_that_could_not_run_alone_are_refused_on_this_side(submission: LocalSubmission) -> None:
    layer = submission.Layer()

    def closure(x: Any) -> Any:
        return layer, x

    for probe, told in [(decides, "no assert"), (needs_a_helper, "uses width_of"), (closure, "self-contained"),
                        (lambda x: x, "self-contained|source"), (self_contained.__code__, "can't cross")]:
        with pytest.raises(TypeError, match=told):
            submission.run(probe, layer)
    with pytest.raises(TypeError, match="another submission"):
        LocalSubmission({}).run(len, layer)


def test_library_callables_cross_by_name(submission: LocalSubmission) -> None:
    assert submission.run(sorted, [2, 1], key=operator.neg) == [2, 1]
    for function, arguments in [(torch.softmax, (torch.zeros(2), 0)), (nn.functional.relu, (torch.ones(1),)), (math.sqrt, (4,)),
                                (np.sum, ([1, 2],)), (int, ("3",)), (itertools.count, ()), (collections.Counter, ("aab",)),
                                (functools.partial, (int, "3")), (random.seed, (1,)), (np.random.seed, (1,)),
                                (torch.Tensor.add, (torch.ones(1), 1))]:  # fmt: skip
        submission.run(function, *arguments)
    assert submission.run(collections.Counter, "aab") == {"a": 2, "b": 1}


def test_loops_over_endless_objects_end(submission: LocalSubmission) -> None:
    assert list(itertools.islice(submission.endless(), 5)) == [1] * 5
    with pytest.raises(SeamError, match="no end within"):
        list(submission.endless())


def test_tolerant_calls_never_raise(submission: LocalSubmission) -> None:
    soft = tolerant(submission)
    assert soft.double(2) == 4
    assert [soft.fail(1), soft.nothing(1), soft.loop(), soft.Layer()[7], soft.Layer().height, soft.answer.real] == [
        Raised("KeyError"), Raised("NameError"), Raised("LearnerTimeout"), Raised("IndexError"), Raised("AttributeError"), 42]
    layer, one = soft.pair()
    assert (layer(1), layer("a"), one, len(layer), list(layer)) == (4, Raised("TypeError"), 1, 3, [10, 20, 30])
    assert list(soft.numbers()) == [1]
    arrays = soft.run(iter, [np.ones(2), torch.ones(2), len])
    assert [type(next(arrays)) for _ in range(2)] == [np.ndarray, torch.Tensor]
    assert isinstance(next(arrays), Handle)
    with pytest.raises(StopIteration):
        next(arrays)
    assert len(soft.double) == 0
    assert soft.keep([1])[0] == 1
    assert soft.value(soft.fail(1)) == soft.run(width_of, soft.fail(1)) == soft.double([soft.fail(1)]) == Raised("KeyError")
    assert (soft.has("double"), soft.has("nothing")) == (True, False)
    with pytest.raises(LearnerError):
        submission.fail(1)


def test_a_raised_token_gives_itself() -> None:
    token, x = Raised("ValueError"), torch.ones(2)
    for result in (token(1, a=2), token[0], token[1:].shape, token.grad.norm(), -token, token + 1, 2 * token, x - token,
                   token @ x, abs(token), torch.softmax(token, -1), torch.stack([x, token]), x.add(token)):
        assert result is token
    assert (list(token), len(token), token == Raised("ValueError"), token == Raised("KeyError")) == ([], 0, True, False)
    assert copy.deepcopy(token) == token
    with pytest.raises(AttributeError):
        token.kind = "other"  # type: ignore[misc]
