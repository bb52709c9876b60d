"""Keep a model's weights where a fork costs nothing: in a file's pages, mapped privately.

A fork copies the page tables of a process's own memory, and half a gigabyte of weights makes that slow. Pages of a
privately mapped file that nobody has written to are left out; whoever writes gets a copy of that page.
"""
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable

import torch

ALIGN = 64  # bytes


def map_weights(models: Iterable[torch.nn.Module]) -> int:
    """Move the parameters and buffers of these models into mapped files. Returns how many bytes were moved."""
    moved = 0
    for model in models:
        by_type: dict[torch.dtype, list[torch.Tensor]] = {}
        for tensor in dict.fromkeys((*model.parameters(), *model.buffers())):
            if tensor.numel() and tensor.is_contiguous():
                by_type.setdefault(tensor.dtype, []).append(tensor)
        for dtype, tensors in by_type.items():
            moved += _move(dtype, tensors)
    return moved


def _move(dtype: torch.dtype, tensors: list[torch.Tensor]) -> int:
    step = ALIGN // dtype.itemsize
    places, total = [], 0
    for tensor in tensors:
        places.append(total)
        total += -(-tensor.numel() // step) * step
    file, path = tempfile.mkstemp()
    try:
        os.truncate(file, total * dtype.itemsize)
        written = torch.from_file(path, shared=True, size=total, dtype=dtype)
        for tensor, place in zip(tensors, places, strict=True):
            written[place : place + tensor.numel()].copy_(tensor.detach().reshape(-1))
        del written
        mapped = torch.from_file(path, shared=False, size=total, dtype=dtype)
    finally:
        os.close(file)
        os.unlink(path)
    for tensor, place in zip(tensors, places, strict=True):
        tensor.data = mapped[place : place + tensor.numel()].view(tensor.shape)
    return total * dtype.itemsize
