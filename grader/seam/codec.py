"""A closed, bounded encoding of plain values, used in both directions across the seam.

Nothing that is decoded can run code: the reader knows a fixed set of tags and builds each value itself.

    0 1 2 3  None True False ...         i f j    int float complex        s b    str bytes
    l t S Z  list tuple set frozenset    L U F W  list, tuple of int, float  d    dict, in its order
    c r      slice range                 T A      tensor array             D V    torch dtype, device
    E        exception, as its text      R G P    Ref, Name, Source, which stand for objects
"""
from __future__ import annotations

from typing import Any

from grader.seam.reader import Reader, Resolve
from grader.seam.values import LIMITS, CodecError, Limits
from grader.seam.writer import Replace, Writer


def encode(value: object, limits: Limits = LIMITS, replace: Replace | None = None) -> bytes:
    """Turn a value into bytes.

    `replace` gives a Ref, Name or Source for what is not plain. Raises CodecError for what is too large, too deep or,
    without `replace`, not plain.
    """
    writer = Writer(limits, replace)
    writer.put(value, 0)
    return b"".join(writer.parts)


def decode(data: bytes, limits: Limits = LIMITS, resolve: Resolve | None = None) -> Any:
    """Turn bytes back into a value; `resolve` says what a token stands for. Raises CodecError for any other bytes."""
    if len(data) > limits.bytes:
        raise CodecError("message too large")
    reader = Reader(data, limits, resolve)
    value = reader.get(0)
    if reader.at != len(data):
        raise CodecError("bytes left over")
    return value
