"""Values into bytes. What a type's own methods say is not believed: the built-in base class reads the value."""
from __future__ import annotations

import enum
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from grader.seam import arrays
from grader.seam.values import CodecError, ExceptionInfo, Limits, Name, Ref, Source, Token, safe_str

Replace = Callable[[object], Token]
Put = Callable[["Writer", Any, int], None]

TENSOR_COST = 20  # items that one tensor or array counts for: it costs far more than an int
MAX_TEXT = 200  # characters of an exception's or a type's name
_INT64 = 1 << 63  # one more than the largest end of a range
_LENGTH = struct.Struct("<I").pack


class Writer:
    """One message under construction."""

    def __init__(self, limits: Limits, replace: Replace | None) -> None:
        self.limits, self.replace = limits, replace
        self.max_items, self.max_depth, self.max_bytes = limits.items, limits.depth, limits.bytes
        self.parts: list[bytes] = []
        self.size = self.items = 0

    def put(self, value: object, depth: int) -> None:
        """Add one value."""
        self.items += 1
        if self.items > self.max_items:
            self.count(0)
        if depth > self.max_depth:
            raise CodecError("the value is nested too deeply")
        (_EXACT.get(type(value)) or _by_kind(type(value)))(self, value, depth)

    def count(self, items: int) -> None:
        self.items += items
        if self.items > self.limits.items:
            raise CodecError(f"the value has more than {self.limits.items} items")

    def raw(self, part: bytes) -> None:
        self.size += len(part)
        if self.size > self.max_bytes:
            raise CodecError(f"the value needs more than {self.max_bytes} bytes")
        self.parts.append(part)

    def block(self, tag: bytes, *blocks: bytes) -> None:
        start = tag
        for block in blocks:
            self.raw(start + _LENGTH(len(block)))
            self.raw(block)
            start = b""

    def put_constant(self, value: object, depth: int) -> None:
        self.raw(b"0" if value is None else b"1" if value is True else b"2" if value is False else b"3")

    def put_scalar(self, value: Any, depth: int) -> None:
        """A NumPy number, as the Python number that it is."""
        kind = {"b": bool, "i": int, "u": int, "f": float, "c": complex}.get(value.dtype.kind)
        self.put_token(value, depth) if kind is None else self.put(kind(value), depth)

    def put_integer(self, value: int, depth: int) -> None:
        size = int.bit_length(value) // 8 + 1
        if size > self.limits.int_bytes:
            raise CodecError("an integer is too large")
        self.raw(b"i" + _LENGTH(size) + int.to_bytes(value, size, "little", signed=True))

    def put_real(self, value: float, depth: int) -> None:
        self.raw(b"f" + struct.pack("<d", value))

    def put_complex(self, value: complex, depth: int) -> None:
        self.raw(b"j" + struct.pack("<2d", value.real, value.imag))

    def put_text(self, value: str, depth: int) -> None:
        text = str.__str__(value).encode("utf-8", "surrogatepass")
        self.raw(b"s" + _LENGTH(len(text)) + text)

    def put_binary(self, value: bytes | bytearray, depth: int) -> None:
        self.block(b"b", bytes(value))

    def put_list(self, value: Any, depth: int) -> None:
        self.put_sequence(b"l", b"LF", [*list.__iter__(value)], depth)

    def put_tuple(self, value: Any, depth: int) -> None:
        self.put_sequence(b"t", b"UW", [*tuple.__iter__(value)], depth)

    def put_set(self, value: Any, depth: int) -> None:
        self.put_sequence(b"S", b"", [*set.__iter__(value)], depth)

    def put_frozenset(self, value: Any, depth: int) -> None:
        self.put_sequence(b"Z", b"", [*frozenset.__iter__(value)], depth)

    def put_sequence(self, tag: bytes, packed: bytes, items: Any, depth: int) -> None:
        if len(items) > self.limits.items:
            raise CodecError(f"the value has more than {self.limits.items} items")
        kinds = set(map(type, items)) if packed else set()
        numbers = _pack(items, kinds)  # token ids and probabilities, for speed
        if numbers is not None:
            self.count(len(items))
            self.block(packed[:1] if int in kinds else packed[1:], numbers)
            return
        self.raw(tag + _LENGTH(len(items)))
        for item in items:
            self.put(item, depth + 1)

    def put_dict(self, value: Any, depth: int) -> None:
        # an OrderedDict keeps an order of its own, which move_to_end() changes
        pairs = OrderedDict.items(value) if issubclass(type(value), OrderedDict) else dict.items(value)
        self.raw(b"d" + _LENGTH(len(pairs)))
        depth += 1
        for key, item in pairs:
            self.put(key, depth)
            self.put(item, depth)

    def put_slice(self, value: Any, depth: int) -> None:
        self.raw(b"c")
        for item in (value.start, value.stop, value.step):
            self.put(item, depth + 1)

    def put_range(self, value: Any, depth: int) -> None:
        ends = (value.start, value.stop, value.step)
        if not all(-_INT64 <= end < _INT64 for end in ends) or value[self.limits.items :]:
            raise CodecError("a range is too long")  # a check may well build a list of it
        self.raw(b"r" + struct.pack("<3q", *ends))

    def put_array(self, value: Any, depth: int) -> None:
        if not arrays.is_plain(value):
            self.put_token(value, depth)
            return
        self.count(TENSOR_COST)
        parts = arrays.take_apart(value, self.limits.bytes - self.size)
        shape = struct.pack(f"<{len(parts.shape)}Q", *parts.shape)
        is_tensor = issubclass(type(value), torch.Tensor)
        self.block(b"T" if is_tensor else b"A", _utf8(parts.dtype), shape, parts.data)
        if is_tensor:
            for item in arrays.gradient(value):
                self.put(item, depth + 1)

    def put_dtype(self, value: torch.dtype, depth: int) -> None:
        self.block(b"D", _utf8(str(value).removeprefix("torch.")))

    def put_device(self, value: torch.device, depth: int) -> None:
        self.block(b"V", _utf8(str(value)))

    def put_exception(self, value: BaseException, depth: int) -> None:
        self.block(b"E", _utf8(type(value).__name__[:MAX_TEXT]), _utf8(safe_str(value)))

    def put_exception_info(self, value: ExceptionInfo, depth: int) -> None:
        self.block(b"E", _utf8(value.kind[:MAX_TEXT]), _utf8(value.message))

    def put_token(self, value: object, depth: int) -> None:
        if not isinstance(value, Ref | Name | Source):
            if self.replace is None:
                raise CodecError(f"a {type(value).__name__} can't cross")
            value = self.replace(value)
        if isinstance(value, Ref):
            self.block(b"R", struct.pack("<Q", value.id), _utf8(value.type_name[:MAX_TEXT]))
        elif isinstance(value, Name):
            self.block(b"G", _utf8(value.path))
        else:
            self.block(b"P", _utf8(value.name), _utf8(value.text))


_EXACT: dict[type, Put] = {
    type(None): Writer.put_constant, bool: Writer.put_constant, type(...): Writer.put_constant,
    int: Writer.put_integer, float: Writer.put_real, complex: Writer.put_complex,
    str: Writer.put_text, bytes: Writer.put_binary, bytearray: Writer.put_binary,
    list: Writer.put_list, tuple: Writer.put_tuple, set: Writer.put_set, frozenset: Writer.put_frozenset,
    dict: Writer.put_dict, slice: Writer.put_slice, range: Writer.put_range,
    torch.Tensor: Writer.put_array, np.ndarray: Writer.put_array, torch.dtype: Writer.put_dtype,
    torch.device: Writer.put_device, ExceptionInfo: Writer.put_exception_info,
    Ref: Writer.put_token, Name: Writer.put_token, Source: Writer.put_token,
}  # fmt: skip
_KINDS: list[tuple[type | tuple[type, ...], Put]] = [
    (enum.Enum, Writer.put_token),  # before int and str: members of an enum stay behind
    ((torch.Tensor, np.ndarray), Writer.put_array),
    ((np.bool_, np.number), Writer.put_scalar),
    *((kind, _EXACT[kind]) for kind in (int, float, complex, str, bytes, bytearray)),
    *((kind, _EXACT[kind]) for kind in (list, tuple, set, frozenset, dict)),
    (BaseException, Writer.put_exception),
]


def _pack(items: Any, kinds: set[type]) -> bytes | None:
    """The items as 64-bit numbers, if all of them are ints or all are floats, and fit."""
    if kinds not in ({int}, {float}):
        return None
    try:
        return struct.pack(f"<{len(items)}{'q' if int in kinds else 'd'}", *items)
    except struct.error:
        return None


def _by_kind(kind: type) -> Put:
    """How to write a subclass. By its type, not by isinstance(), which believes `__class__`."""
    return next((put for kinds, put in _KINDS if issubclass(kind, kinds)), Writer.put_token)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
