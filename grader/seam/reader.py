"""Bytes into values. Every length is checked against what is left before anything is built."""
from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

import torch

from grader.seam import arrays
from grader.seam.values import CodecError, ExceptionInfo, Limits, Name, Ref, Source, Token
from grader.seam.writer import MAX_TEXT, TENSOR_COST

Resolve = Callable[[Token], object]
_LENGTH = struct.Struct("<I").unpack_from
_DEVICE = re.compile(r"(cpu|cuda|mps|meta)(:\d{1,2})?")


class Reader:
    """One message being read."""

    def __init__(self, data: bytes, limits: Limits, resolve: Resolve | None) -> None:
        self.data, self.limits, self.resolve = data, limits, resolve
        self.max_items, self.max_depth, self.size = limits.items, limits.depth, len(data)
        self.at = self.items = 0

    def get(self, depth: int) -> Any:
        """Read one value."""
        self.items += 1
        if self.items > self.max_items:
            raise CodecError("too many items")
        if depth > self.max_depth:
            raise CodecError("too deep")
        at = self.at
        read = _TAGS.get(self.data[at : at + 1])
        if read is None:
            raise CodecError("unknown tag" if at < self.size else "message ends too early")
        self.at = at + 1
        return read(self, depth)

    def spend(self, items: int) -> None:
        self.items += items
        if self.items > self.max_items:
            raise CodecError("too many items")

    def take(self, size: int) -> bytes:
        at = self.at
        if size > self.size - at:
            raise CodecError("message ends too early")
        self.at = end = at + size
        return self.data[at:end]

    def count(self) -> int:
        at = self.at
        if at + 4 > self.size:
            raise CodecError("message ends too early")
        self.at = at + 4
        (number,) = _LENGTH(self.data, at)
        return int(number)

    def block(self) -> bytes:
        return self.take(self.count())

    def text(self) -> str:
        try:
            return self.block().decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise CodecError("text is not UTF-8") from None

    def integer(self) -> int:
        number = self.block()
        if len(number) > self.limits.int_bytes:
            raise CodecError("integer too large")
        return int.from_bytes(number, "little", signed=True)

    def many(self, depth: int, each: int = 1) -> list[Any]:
        count = self.count() * each
        if count > self.size - self.at or self.items + count > self.max_items:
            raise CodecError("too many items")
        depth += 1
        return [self.get(depth) for _ in range(count)]

    def packed(self, kind: str) -> tuple[Any, ...]:
        numbers = self.block()
        self.spend(len(numbers) // 8)
        if len(numbers) % 8:
            raise CodecError("bad packed numbers")
        return struct.unpack(f"<{len(numbers) // 8}{kind}", numbers)

    def keys(self, keys: list[Any]) -> list[Any]:
        try:
            distinct = len(set(map(hash, keys)))
        except TypeError:
            raise CodecError("a key or set member is not hashable") from None
        if len(keys) - distinct > self.limits.equal_hashes:
            raise CodecError("too many keys share a hash")
        return keys

    def mapping(self, depth: int) -> dict[Any, Any]:
        flat = self.many(depth, 2)
        return dict(zip(self.keys(flat[::2]), flat[1::2], strict=True))

    def span(self) -> range:
        start, stop, step = struct.unpack("<3q", self.take(24))
        if step == 0 or range(start, stop, step)[self.limits.items :]:
            raise CodecError("bad range")
        return range(start, stop, step)

    def parts(self) -> arrays.Parts:
        self.spend(TENSOR_COST)
        dtype, sides, data = self.text(), self.block(), self.block()
        if len(sides) % 8:
            raise CodecError("bad shape")
        return arrays.Parts(dtype, struct.unpack(f"<{len(sides) // 8}Q", sides), data)

    def tensor(self, depth: int) -> torch.Tensor:
        parts = self.parts()
        wants_grad = self.get(depth + 1) is True
        return arrays.build_tensor(parts, wants_grad, self.get(depth + 1))

    def dtype(self) -> torch.dtype:
        name = self.text()
        if name not in arrays.DTYPES:
            raise CodecError("unknown dtype")
        return arrays.DTYPES[name]

    def device(self) -> torch.device:
        name = self.text()
        if not _DEVICE.fullmatch(name):
            raise CodecError("unknown device")
        return torch.device(name)

    def ref(self) -> Ref:
        number = self.block()
        if len(number) != 8:
            raise CodecError("bad reference")
        return Ref(struct.unpack("<Q", number)[0], self.text()[:MAX_TEXT])

    def token(self, token: Token) -> object:
        if self.resolve is None:
            raise CodecError("a token where none may be")
        return self.resolve(token)


_TAGS: dict[bytes, Callable[[Reader, int], Any]] = {
    b"0": lambda reader, depth: None,
    b"1": lambda reader, depth: True,
    b"2": lambda reader, depth: False,
    b"3": lambda reader, depth: ...,
    b"i": lambda reader, depth: reader.integer(),
    b"f": lambda reader, depth: struct.unpack("<d", reader.take(8))[0],
    b"j": lambda reader, depth: complex(*struct.unpack("<2d", reader.take(16))),
    b"s": lambda reader, depth: reader.text(),
    b"b": lambda reader, depth: reader.block(),
    b"l": lambda reader, depth: reader.many(depth),
    b"t": lambda reader, depth: tuple(reader.many(depth)),
    b"L": lambda reader, depth: [*reader.packed("q")],
    b"U": lambda reader, depth: reader.packed("q"),
    b"F": lambda reader, depth: [*reader.packed("d")],
    b"W": lambda reader, depth: reader.packed("d"),
    b"S": lambda reader, depth: set(reader.keys(reader.many(depth))),
    b"Z": lambda reader, depth: frozenset(reader.keys(reader.many(depth))),
    b"d": lambda reader, depth: reader.mapping(depth),
    b"c": lambda reader, depth: slice(*(reader.get(depth + 1) for _ in range(3))),
    b"r": lambda reader, depth: reader.span(),
    b"T": lambda reader, depth: reader.tensor(depth),
    b"A": lambda reader, depth: arrays.build_array(reader.parts()),
    b"D": lambda reader, depth: reader.dtype(),
    b"V": lambda reader, depth: reader.device(),
    b"E": lambda reader, depth: ExceptionInfo(reader.text(), reader.text()),
    b"R": lambda reader, depth: reader.token(reader.ref()),
    b"G": lambda reader, depth: reader.token(Name(reader.text())),
    b"P": lambda reader, depth: reader.token(Source(reader.text(), reader.text())),
}
