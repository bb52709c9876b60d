"""What crosses the seam besides plain values: limits, the codec's one error, and tokens for what stays behind."""
from __future__ import annotations

from dataclasses import dataclass


class CodecError(ValueError):
    """The one error for a value that can't be encoded and for bytes that can't be decoded."""


@dataclass(frozen=True)
class Limits:
    """How large a message may be, whoever sent it."""

    depth: int = 40
    items: int = 300_000
    bytes: int = 64 << 20
    int_bytes: int = 1 << 14
    equal_hashes: int = 1000  # crafted keys that share one hash make dict building quadratic


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Ref:
    """An object that stays on the learner's side."""

    id: int
    type_name: str


@dataclass(frozen=True, slots=True)
class Name:
    """An importable object, such as `torch.nn.modules.linear:Linear` (judge to learner only)."""

    path: str


@dataclass(frozen=True, slots=True)
class Source:
    """A function written by the check's author, as text (judge to learner only)."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ExceptionInfo:
    """An exception that was handed over as a value."""

    kind: str
    message: str


Token = Ref | Name | Source

# what the far side does itself, without importing anything
IDENTITY, LOOKUP, HAS, EACH = Name("seam:identity"), Name("seam:lookup"), Name("seam:has"), Name("seam:each")


def safe_str(value: object, size: int = 2000) -> str:
    """Return str(value), cut to size; a `__str__` that fails does no harm."""
    try:
        return str.__str__(str(value))[:size]
    except Exception:
        return "<its __str__ fails>"
