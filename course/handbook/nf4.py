"""Four-bit weights as QLoRA stores them: sixteen levels for numbers that are normally distributed, and a scale a block.

Source: Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs", arXiv:2305.14314. Here a block is a run of
neighbours in one row of the matrix. The paper's second idea, to quantize the scales as well, is left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Forward = Callable[..., Tensor]


def nf4_levels() -> Tensor:
    """Return the 16 levels of NormalFloat, ascending from -1 to 1. Shapes: returns (16,), float32.

    They are quantiles of the normal distribution: seven below zero, zero itself, eight above, so that each level is
    used about equally often.
    """
    quantile: Forward = torch.distributions.Normal(0.0, 1.0).icdf
    edge = 0.9677083  # as in the code that its authors published: the outermost level is not infinity
    below = -quantile(torch.linspace(edge, 0.5, 8)[:-1])
    above = quantile(torch.linspace(edge, 0.5, 9)[:-1])
    levels = torch.cat([below, torch.zeros(1), above]).sort().values
    return levels / levels.abs().max()


def quantize(weight: Tensor, block: int = 64) -> tuple[Tensor, Tensor]:
    """Round every weight to the nearest level of its block's scale, two weights a byte.

    Shapes: weight (O, I), I a multiple of `block`, which is even · returns packed (O, I / 2), uint8, the left one of two
    neighbours in the upper four bits, and absmax (O, I / block), the largest magnitude in each block.
    """
    outputs, inputs = weight.shape
    blocks = weight.detach().reshape(outputs, inputs // block, block)
    absmax = blocks.abs().amax(-1)
    levels = nf4_levels().to(weight)
    scaled = (blocks / absmax.clamp(min=1e-12).unsqueeze(-1)).contiguous()
    codes = torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2).to(torch.uint8).reshape(outputs, inputs)
    return codes[:, 0::2] << 4 | codes[:, 1::2], absmax


class FourBitLoRA(nn.Module):
    """A linear layer with 4-bit weights and an adapter; `forward_rule` is the function that puts them together.

    Only A (r, I) and B (O, r) can be trained. The base layer's weights are quantized and let go; it has no bias.
    """

    packed: Tensor
    absmax: Tensor
    levels: Tensor

    def __init__(self, base: nn.Linear, r: int, alpha: float, forward_rule: Forward, block: int = 64) -> None:
        super().__init__()
        packed, absmax = quantize(base.weight, block)
        for name, value in {"packed": packed, "absmax": absmax, "levels": nf4_levels().to(base.weight)}.items():
            self.register_buffer(name, value)
        self.A = nn.Parameter(torch.randn(r, base.in_features).to(base.weight) / base.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(base.out_features, r).to(base.weight))
        self.alpha, self.forward_rule = alpha, forward_rule

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: x (..., I) · returns (..., O)."""
        return self.forward_rule(x, self.packed, self.absmax, self.levels, self.A, self.B, self.alpha)
