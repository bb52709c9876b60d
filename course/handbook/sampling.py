"""Temperature, top-k and top-p as the Transformers library does them, for demonstrations that can't wait for yours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def next_token_distribution(logits: Tensor, temperature: float) -> Tensor:
    """Return the probabilities at a temperature above 0. Shapes: logits (..., V) · returns (..., V)."""
    from transformers.generation.logits_process import TemperatureLogitsWarper

    return _filtered(TemperatureLogitsWarper(float(temperature)), logits).softmax(-1)


def top_k_filter(logits: Tensor, k: int) -> Tensor:
    """Return the scores with all but the k highest set to -inf. Shapes: logits (..., V) · returns (..., V)."""
    from transformers.generation.logits_process import TopKLogitsWarper

    return _filtered(TopKLogitsWarper(k), logits)


def top_p_filter(logits: Tensor, p: float) -> Tensor:
    """Return the scores with all outside the nucleus set to -inf. Shapes: logits (..., V) · returns (..., V)."""
    from transformers.generation.logits_process import TopPLogitsWarper

    return _filtered(TopPLogitsWarper(float(p)), logits)


def _filtered(warper: Any, logits: Tensor) -> Tensor:
    """Call one of the library's filters, which want a batch of rows and look at no ids."""
    rows: Tensor = warper(None, logits.reshape(-1, logits.shape[-1]))  # (..., V) -> (B, V)
    return rows.reshape(logits.shape)
