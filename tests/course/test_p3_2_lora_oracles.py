"""The lesson on LoRA against other authorities: peft, PyTorch's own products, and the NF4 table as published."""

import copy
import random

import torch
from handbook.nf4 import nf4_levels, quantize
from torch import nn

from grader.checks.p3_2_lora import adapted, four_bit_case, layer_case
from grader.mutation import references, run_source

SOURCES = references("p3_2_lora")
PUBLISHED = [-1.0, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0.0, 0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.7230, 1.0]


def answer(exercise, name):
    return run_source(SOURCES[exercise], f"{exercise}.py")[name]


def test_layer_and_merge_equal_peft_and_the_oracle():
    from peft import get_peft_model
    from peft.tuners.lora import LoraConfig

    Layer, merge = answer("lora-linear", "LoRALinear"), answer("lora-merge", "merge_lora")
    rng, dice = torch.Generator().manual_seed(1), random.Random(1)
    for number in range(100):
        r, alpha, bias = dice.randrange(1, 5), dice.choice([1, 4, 7, 16]), dice.random() < 0.5
        case = layer_case(rng, dice.randrange(2, 9), dice.randrange(2, 9), r, bias=bias)
        base = nn.Linear(*reversed(case["W"].shape), bias=bias)
        with torch.no_grad():
            base.weight.copy_(case["W"])
            if bias:
                base.bias.copy_(case["b"])
        ours = Layer(base, r, alpha)
        want = adapted(case["x"], case["W"], case["b"], case["A"], case["B"], alpha).float()
        with torch.no_grad():
            ours.A.copy_(case["A"])
            ours.B.copy_(case["B"])
            if number < 10:  # peft takes its time
                config = LoraConfig(r=r, lora_alpha=alpha, target_modules=["0"])
                theirs = get_peft_model(nn.Sequential(copy.deepcopy(base)), config)
                inner = theirs.base_model.model[0]
                inner.lora_A["default"].weight.copy_(case["A"])
                inner.lora_B["default"].weight.copy_(case["B"])
                torch.testing.assert_close(theirs(case["x"]), want, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(ours(case["x"]), want, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(merge(base, ours.A, ours.B, alpha)(case["x"]), want, atol=1e-4, rtol=1e-4)


def test_four_bit_forward_equals_the_oracle():
    forward = answer("qlora-forward", "qlora_forward")
    rng, dice = torch.Generator().manual_seed(2), random.Random(2)
    for _ in range(150):
        K, blocks = dice.randrange(1, 6), 2 * dice.randrange(1, 4)
        arguments, W = four_bit_case(rng, dice.randrange(1, 6), K * blocks, K, dice.randrange(1, 4))
        torch.testing.assert_close(forward(*arguments, 3), adapted(arguments[0], W, None, *arguments[4:], 3).float(), atol=1e-4, rtol=1e-4)


def test_nf4_levels_are_the_published_ones():
    torch.testing.assert_close(nf4_levels(), torch.tensor(PUBLISHED), atol=6e-5, rtol=0)


def test_quantize_takes_the_nearest_level():
    weight = torch.randn(6, 128, generator=torch.Generator().manual_seed(3))
    packed, absmax = quantize(weight, 32)
    forward = answer("qlora-forward", "qlora_forward")
    rounded = forward(torch.eye(128), packed, absmax, nf4_levels(), torch.zeros(1, 128), torch.zeros(6, 1), 1).T
    scale = absmax.repeat_interleave(32, dim=1)
    distances = (weight / scale).unsqueeze(-1) - nf4_levels()
    torch.testing.assert_close((weight - rounded).abs(), distances.abs().amin(-1) * scale, atol=1e-6, rtol=1e-5)
