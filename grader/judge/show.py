"""Values as a learner should see them in a message: short, with the shape first."""
from __future__ import annotations

from typing import Any

import numpy as np
import torch

NUMBERS = 12  # how many numbers of a tensor a message shows
WIDTH = 300  # characters of any value in a message


def show(value: Any) -> str:
    """A value in a line or two: `float32 tensor 2×3: [[…]]`, `list of 4: [1, 2, 3, 4]`, `None`."""
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array {_shape(value.shape)}: {_cut(np.array2string(value, precision=4, threshold=NUMBERS))}"
    if isinstance(value, list | tuple | set | frozenset | dict) and len(value) > 8:
        return f"{type(value).__name__} of {len(value)}: {_cut(_items(value))}"
    if isinstance(value, list | tuple) and any(isinstance(item, torch.Tensor) for item in value):
        return _cut(f"{type(value).__name__} of ({', '.join(show(item) for item in value)})")
    if isinstance(value, float):
        short = f"{value:.6g}"
        return short if any(sign in short for sign in ".en") else f"{short}.0"
    return _cut(repr(value))


def show_call(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """A call in one line, tensors by their shape when they are large."""
    parts = [_argument(value) for value in args] + [f"{key}={_argument(value)}" for key, value in kwargs.items()]
    return _cut(f"{name}({', '.join(parts)})", 400)


def _argument(value: Any) -> str:
    if isinstance(value, torch.Tensor | np.ndarray):
        size = int(np.prod(tuple(value.shape)))
        kind = str(value.dtype).removeprefix("torch.")
        return _cut(str(value.tolist()), 80) if 0 < size <= 4 else f"{kind} {_shape(tuple(value.shape))}"
    if isinstance(value, list | tuple | dict | str) and len(repr(value)) > 80:
        return f"{type(value).__name__} of {len(value)}: {_cut(repr(value), 70)}"
    return _cut(repr(value), 120)


def _tensor(value: torch.Tensor) -> str:
    kind = str(value.dtype).removeprefix("torch.")
    if value.ndim == 0:
        return f"{kind} tensor: {value.item():.6g}" if value.is_floating_point() else f"{kind} tensor: {value.item()}"
    numbers = np.array2string(value.detach().float().numpy(), precision=4, threshold=NUMBERS, edgeitems=2, suppress_small=True) \
        if value.is_floating_point() else np.array2string(value.detach().numpy(), threshold=NUMBERS, edgeitems=2)
    return f"{kind} tensor {_shape(tuple(value.shape))}: {_cut(' '.join(numbers.split()).replace('[ ', '[').replace(' ]', ']'))}"


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) if len(shape) > 1 else f"of {shape[0]}" if shape else "(one number)"


def _items(value: Any) -> str:
    return repr(dict(list(value.items())[:6]) if isinstance(value, dict) else list(value)[:8])[:-1] + ", …"


def _cut(text: str, width: int = WIDTH) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
