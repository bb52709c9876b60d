"""Comparisons: what passes, what fails, and whether the message names the first difference."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from grader.judge import expect
from grader.judge.expect import Mismatch
from grader.judge.show import show, show_call
from grader.seam import LearnerError

SAME = [
    (1, 1), (1.0, 1.0 + 1e-7), (None, None), ("a", "a"), ([1, 2], [1, 2]), ({"a": [1.0]}, {"a": [1.0]}),
    (torch.ones(2, 3), torch.ones(2, 3)), (torch.tensor(2.0), 2.0), (torch.ones(2, dtype=torch.float64), torch.ones(2)),
    (np.arange(3), np.arange(3)), (torch.tensor([float("nan")]), torch.tensor([float("nan")])),
]


@pytest.mark.parametrize(("got", "want"), SAME, ids=[show(want)[:30] for _, want in SAME])
def test_equal_values_pass(got, want):
    expect.close(got, want)
    with pytest.raises(Mismatch):
        expect.close("something else", want)


DIFFERENT = [
    (None, torch.ones(2), "NoneType"), (torch.ones(3), torch.ones(2), "shape is (3,)"), (torch.ones(2).int(), torch.ones(2), "int32"),
    (torch.tensor([1.0, float("nan")]), torch.ones(2), "it holds nan where"), (torch.tensor([1.0, 2.0]), torch.ones(2), "1 of 2 numbers are wrong, first at [1]: 2 instead of 1"),
    ([1, 2, 3], [1, 2], "3 items"), ([1, 5], [1, 2], "item 1"), ({"a": 1}, {"b": 1}, "missing"), (True, 1, "bool"), (float("nan"), 1.0, "NaN"),
    (float("inf"), 1.0, "infinite"), (torch.ones(2).bool(), torch.ones(2).long(), "bool"), ("b", "a", "value is wrong"),
    (np.ones(2), torch.ones(2), "NumPy array"), (torch.ones(1, 2), torch.ones(2), "shape"), ({"a": 1, "b": 2}, {"a": 1}, "should not be there"),
]


@pytest.mark.parametrize(("got", "want", "words"), DIFFERENT, ids=[words for *_, words in DIFFERENT])
def test_the_first_difference_is_named(got, want, words):
    with pytest.raises(Mismatch) as caught:
        expect.close(got, want, why="because")
    assert words in caught.value.problem
    assert caught.value.why == "because"


def test_equal_is_strict_about_kinds():
    expect.equal([1, 2], [1, 2])
    for got, want in ((1.0, 1), ((1, 2), [1, 2]), (True, 1), ([1, 2 + 1e-9], [1, 2.0])):
        with pytest.raises(Mismatch):
            expect.equal(got, want)


def test_true_needs_a_bool_that_this_side_computed():
    expect.true(1 < 2, "fine")
    with pytest.raises(Mismatch, match="not so"):
        expect.true(False, "not so")
    with pytest.raises(TypeError):
        expect.true([1], "a list is not a bool")


def raising(kind):
    def function(*args):
        raise LearnerError(kind, "told")

    return function


@pytest.mark.parametrize("compare", [
    lambda **words: expect.close(1.0, 2.0, **words), lambda **words: expect.equal(1, 2, **words), lambda **words: expect.true(False, "not so", **words),
], ids=["close", "equal", "true"])
def test_a_check_can_say_what_was_called(compare):
    with pytest.raises(Mismatch) as caught:
        compare(called="the gradient of x, for a loss on f(x)")
    assert caught.value.called == "the gradient of x, for a loss on f(x)"
    with pytest.raises(Mismatch) as caught:
        compare()
    assert not caught.value.called


def test_raises_wants_this_very_exception():
    expect.raises("ValueError", raising("ValueError"))
    with pytest.raises(Mismatch, match="TypeError"):
        expect.raises("ValueError", raising("TypeError"))
    with pytest.raises(Mismatch, match="returned"):
        expect.raises("ValueError", lambda: 3)
    with pytest.raises(LearnerError):
        expect.raises("ValueError", raising("NotImplementedError"))


def test_values_are_shown_short():
    assert show(torch.zeros(30, 40)).startswith("float32 tensor 30×40: [[0. 0.")
    assert len(show(torch.randn(100, 100))) < 400
    assert show(list(range(100))).startswith("list of 100: [0, 1, 2")
    assert len(show("x" * 10_000)) <= 300
    assert show_call("f", (torch.zeros(2, 3), 4), {"k": [1]}) == "f(float32 2×3, 4, k=[1])"
