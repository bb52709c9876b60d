"""Tensors and arrays as (dtype name, shape, bytes), for the codec."""
from __future__ import annotations

import re
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from grader.seam.values import CodecError

MAX_DIMENSIONS = 32
MAX_SIDE = 1 << 40


class Parts(NamedTuple):
    """An array taken apart."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


DTYPES: dict[str, torch.dtype] = {
    name: getattr(torch, name)
    for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
                 "complex64", "complex128")
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
_NUMPY = re.compile(r"[<|]([iu][1248]|f[248]|c8|c16|b1)")


def is_plain(value: torch.Tensor | NDArray[Any]) -> bool:
    """Tell plain numbers from what must stay behind: sparse, meta or quantized tensors, text and object arrays."""
    if isinstance(value, np.ndarray):
        return _NUMPY.fullmatch(value.dtype.str) is not None
    return value.layout is torch.strided and not value.is_meta and value.dtype in NAMES


def take_apart(value: torch.Tensor | NDArray[Any], room: int) -> Parts:
    """Copy the numbers out. Raises CodecError, before copying, if they need more than `room` bytes."""
    if isinstance(value, np.ndarray):
        _check_room(value.size * value.itemsize, room)
        return Parts(value.dtype.str, value.shape, np.ndarray.tobytes(value))
    with torch._C.DisableTorchFunctionSubclass():  # a subclass may lie about its shape
        plain = value.as_subclass(torch.Tensor).detach().resolve_conj().resolve_neg()
        _check_room(plain.numel() * plain.element_size(), room)  # an expanded tensor may be huge
        flat = plain.cpu().contiguous().reshape(-1)
        data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        return Parts(NAMES[plain.dtype], tuple(plain.shape), data)


def gradient(value: torch.Tensor) -> tuple[bool, torch.Tensor | None]:
    """Return requires_grad and .grad, read from `value` itself: its as_subclass() alias is no leaf and has no .grad."""
    with torch._C.DisableTorchFunctionSubclass():
        grad = _own(value, "grad") if _own(value, "is_leaf") else None
        return _own(value, "requires_grad"), None if grad is None else grad.detach()


def _own(value: torch.Tensor, name: str) -> Any:
    """torch.Tensor's own attribute, whatever a subclass says."""
    return getattr(torch.Tensor, name).__get__(value)


def build_array(parts: Parts) -> NDArray[Any]:
    """Put a NumPy array together again. Raises CodecError if the parts don't fit each other."""
    if not _NUMPY.fullmatch(parts.dtype):
        raise CodecError("unknown dtype")
    dtype = np.dtype(parts.dtype)
    _check_parts(parts, dtype.itemsize)
    try:
        flat = np.frombuffer(bytearray(parts.data), dtype=dtype) if parts.data else np.empty(0, dtype)
        return flat.reshape(parts.shape)
    except ValueError as error:
        raise CodecError(f"bad array: {error}") from None


def build_tensor(parts: Parts, wants_grad: bool, grad: object) -> torch.Tensor:
    """Put a tensor together again, with its gradient. Raises CodecError if the parts don't fit each other."""
    if parts.dtype not in DTYPES:
        raise CodecError("unknown dtype")
    dtype = DTYPES[parts.dtype]
    _check_parts(parts, dtype.itemsize)
    flat = torch.frombuffer(bytearray(parts.data), dtype=dtype) if parts.data else torch.empty(0, dtype=dtype)
    try:
        tensor = flat.reshape(parts.shape).requires_grad_(wants_grad)
        if grad is not None:
            tensor.grad = grad  # type: ignore[assignment]  # torch refuses what does not fit
        return tensor
    except (RuntimeError, TypeError) as error:
        raise CodecError(f"bad tensor: {error}") from None


def _check_room(size: int, room: int) -> None:
    if size > room:
        raise CodecError(f"a tensor of {size} bytes is too large to send")


def _check_parts(parts: Parts, item_size: int) -> None:
    if len(parts.shape) > MAX_DIMENSIONS or any(side >= MAX_SIDE for side in parts.shape):
        raise CodecError("bad shape")
    if prod(parts.shape) * item_size != len(parts.data):
        raise CodecError("shape does not fit the data")
    if parts.dtype in ("bool", "|b1") and parts.data.translate(None, b"\0\1"):
        raise CodecError("a bool is neither 0 nor 1")
