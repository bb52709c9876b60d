"""The codec: every plain value comes back as it went, and no bytes do anything but become a value or one error."""
from __future__ import annotations

import contextlib
import enum
import math
import random
from collections import Counter, OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from grader.seam import CodecError, Limits, decode, encode
from grader.seam.values import ExceptionInfo, Name, Ref, Source

Point = namedtuple("Point", "x y")
PLAIN = [
    None, True, False, ..., 0, 1, -1, 255, -256, 2**63, 10**400, 1.5, float("inf"), 1 - 2j, "", "naïve 🙂\ud800", b"\0\xff",
    [], [True, 1, 1.0], [1, 2, -(2**63)], [2**63, 1], (1, 2), (0.5, -0.5), [(), {}, set()], {1, 2}, frozenset({"a"}),
    {"b": 1, "a": {2: (None,)}}, {(1, 2): 3}, slice(1, None, 2), range(10), range(9, -1, -3), torch.float16, torch.device("cpu"),
    ExceptionInfo("ValueError", "no"),
]  # fmt: skip
TENSORS = {
    "transposed": torch.arange(6.0).reshape(2, 3).T,
    "empty": torch.zeros(0, 4),
    "no dimension": torch.tensor(True),
    "conjugated": torch.tensor([1 + 2j]).conj(),
    "bfloat16": torch.ones(3, dtype=torch.bfloat16),
    "nan": torch.tensor([float("nan"), -0.0, float("inf")]),
    "int64": torch.tensor([[2**62, -1]]),
}


def same(left: Any, right: Any) -> bool:
    """Equal in type, order and value, all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same([*left.items()], [*right.items()])
    return bool(left == right)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20].encode("ascii", "replace").decode())
def test_plain_values_come_back_as_they_went(value: Any) -> None:
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("as_array", [False, True])
def test_tensors_and_arrays_come_back_as_they_went(name: str, as_array: bool) -> None:
    tensor = TENSORS[name]
    if as_array:
        if tensor.dtype is torch.bfloat16:
            tensor = tensor.float()
        array = tensor.resolve_conj().numpy()
        again = decode(encode(array))
        assert (again.dtype, again.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(again, array)
        assert again.flags.writeable
        return
    again = decode(encode(tensor))
    assert (again.dtype, again.shape) == (tensor.dtype, tensor.shape)
    torch.testing.assert_close(again, tensor, rtol=0, atol=0, equal_nan=True, check_stride=False)


def test_a_gradient_travels_with_its_tensor() -> None:
    leaf = torch.nn.Parameter(torch.ones(2))
    (3 * leaf).sum().backward()
    again = decode(encode([leaf, leaf * 2, torch.ones(2)]))
    assert [tensor.requires_grad for tensor in again] == [True, True, False]
    assert again[0].grad.tolist() == [3, 3]
    assert type(again[0]) is torch.Tensor


def test_subclasses_arrive_as_their_base() -> None:
    moved = OrderedDict(a=1, b=2)
    moved.move_to_end("a")
    counts, lists = Counter("aab"), defaultdict(list, {1: [2]})
    pairs = [(np.int8(3), 3), (np.float32(0.5), 0.5), (np.bool_(True), True), (np.complex64(1j), 1j), (np.str_("a"), "a"),
             (torch.Size([2, 3]), (2, 3)), (Point(1, 2), (1, 2)), (moved, {"b": 2, "a": 1}), (counts, {"a": 2, "b": 1}),
             (lists, {1: [2]}), (bytearray(b"x"), b"x"), (type("Ids", (list,), {"__iter__": None})([1]), [1])]  # fmt: skip
    for value, plain in pairs:
        assert same(decode(encode(value)), plain), value


def test_nan_and_minus_zero_keep_their_bits() -> None:
    nan, zero = decode(encode([float("nan"), -0.0]))
    assert math.isnan(nan)
    assert math.copysign(1, zero) == -1


def test_an_exception_arrives_as_its_text() -> None:
    assert decode(encode(ValueError("no"))) == ExceptionInfo("ValueError", "no")


class Colour(enum.IntEnum):
    RED = 1


@dataclass
class Config:
    width: int = 3


class Liar:
    """Claims to be an int."""

    __class__ = int  # type: ignore[assignment]


@pytest.mark.parametrize("value", [Colour.RED, Config(), Liar(), object(), len, iter([1]), np.timedelta64(1, "s"), np.array(["a"]), Ref,
                                   torch.ones(2).to_sparse(), torch.ones(2, device="meta")], ids=lambda value: type(value).__name__)
def test_objects_stay_behind(value: Any) -> None:
    with pytest.raises(CodecError):
        encode(value)
    with pytest.raises(CodecError):
        encode([1, {"a": value}])
    seen = decode(encode((1, value), replace=lambda value: Ref(7, "X")), resolve=lambda token: token)
    assert seen == (1, Ref(7, "X"))


def test_tokens_are_refused_where_none_is_expected() -> None:
    for token in (Ref(1, "X"), Name("builtins:exit"), Source("f", "def f(): pass")):
        assert decode(encode(token), resolve=lambda token: token) == token
        with pytest.raises(CodecError):
            decode(encode(token))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [[0] * 300_001, [None] * 300_001, 1 << 200_000, nested(50), range(10**6), range(2**70),
                                   torch.zeros(1).expand(5 << 28), "x" * (65 << 20)],
                         ids=["ints", "texts", "integer", "deep", "range", "long range", "tensor", "text"])
def test_what_is_too_large_is_refused_on_both_sides(value: Any) -> None:
    with pytest.raises(CodecError):
        encode(value)
    if not isinstance(value, torch.Tensor) and value != range(2**70):
        generous = Limits(depth=100, items=10**7, int_bytes=10**6, bytes=10**9)
        sent = encode(value, generous)
        assert len(sent) < 10**8
        with pytest.raises(CodecError):
            decode(sent)


def test_keys_crafted_to_collide_are_refused() -> None:
    crafted = {i * (2**61 - 1) for i in range(5000)}
    with pytest.raises(CodecError, match="hash"):
        decode(encode(crafted))


def random_value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(11 if depth < 4 else 6)
    if kind < 6:
        return [None, rng.random() < 0.5, rng.randint(-(2**70), 2**70), rng.gauss(0, 1), str(rng.random()), rng.randbytes(3)][kind]
    items = [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 10:
        return {str(index): item for index, item in enumerate(items)}
    return items if kind % 2 else tuple(items)


def test_random_values_come_back_as_they_went() -> None:
    rng = random.Random(0)
    for _ in range(500):
        value = random_value(rng)
        assert same(decode(encode(value)), value)


def test_malformed_bytes_give_one_kind_of_error() -> None:
    rng = random.Random(0)
    good = encode([*PLAIN, torch.randn(3, 4, requires_grad=True), np.ones((2, 2)), Ref(1, "X")], replace=lambda value: value)
    refused = 0
    for _ in range(5000):
        bad = bytearray(good[: rng.randrange(len(good))] if rng.random() < 0.3 else good)
        for _ in range(rng.randrange(1, 4)):
            if bad:
                bad[rng.randrange(len(bad))] = rng.randrange(256)
        try:
            decode(bytes(bad), resolve=lambda token: token)
        except CodecError:
            refused += 1
    assert refused > 2500


def test_random_bytes_give_one_kind_of_error() -> None:
    rng = random.Random(1)
    tags = b"0123ijfsbltSZLUFWdcrTADVERGP"
    for _ in range(5000):
        with contextlib.suppress(CodecError):
            decode(bytes(rng.choice(tags) if rng.random() < 0.3 else rng.choice(b"\0\0\0\1\2\xff") for _ in range(40)))
    with pytest.raises(CodecError, match="left over"):
        decode(encode(1) + b"0")
