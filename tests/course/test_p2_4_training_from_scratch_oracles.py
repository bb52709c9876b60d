"""The reference answers of lesson p2_4 against PyTorch's own, on many generated cases."""

import random

import torch
from torch import nn

from grader.mutation import references, run_source

LESSON = "p2_4_training_from_scratch"


def reference(exercise: str, name: str):
    return run_source(references(LESSON)[exercise], f"{exercise}.py")[name]


def test_adamw_equals_torch():
    step, dice, rng = reference("training-adamw-step", "adamw_step"), random.Random(1), torch.Generator().manual_seed(1)
    for _ in range(100):
        options = {"lr": dice.uniform(1e-4, 1), "betas": (dice.random() * 0.99, dice.random() * 0.999), "eps": 10 ** dice.uniform(-9, 0), "weight_decay": dice.random()}
        weight = torch.randn(dice.randrange(1, 4), 2, generator=rng, dtype=torch.float64)
        parameter, state = nn.Parameter(weight.clone()), {}
        optimizer = torch.optim.AdamW([parameter], **options)
        for _ in range(4):
            grad = torch.randn(weight.shape, generator=rng, dtype=torch.float64)
            parameter.grad = grad.clone()
            optimizer.step()
            weight, state = step(weight, grad, state, **options)
            torch.testing.assert_close(weight, parameter.detach(), rtol=1e-10, atol=1e-12)


def test_clipping_equals_torch():
    clip, dice, rng = reference("training-clip-gradients", "clip_gradients"), random.Random(2), torch.Generator().manual_seed(2)
    for _ in range(200):
        shapes = [(dice.randrange(1, 4), dice.randrange(1, 4)) for _ in range(dice.randrange(1, 5))]
        mine, theirs = ([nn.Parameter(torch.zeros(shape)) for shape in shapes] for _ in range(2))
        for one, other in zip(mine, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=rng) * 10 ** dice.uniform(-2, 2)
            other.grad = one.grad.clone()
        limit = 10 ** dice.uniform(-2, 2)
        assert abs(clip(iter(mine), limit) / float(nn.utils.clip_grad_norm_(theirs, limit)) - 1) < 1e-5
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-7)


def test_the_schedule_equals_torchs_cosine():
    rate, dice = reference("training-lr-schedule", "lr_schedule"), random.Random(3)
    for _ in range(50):
        total, peak = dice.randrange(3, 40), dice.uniform(0.1, 2)
        floor = peak * dice.random()
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - 1, eta_min=floor)
        for step in range(total):
            assert abs(rate(step, total, 0, peak, floor) - optimizer.param_groups[0]["lr"]) < 1e-6
            optimizer.step()
            cosine.step()
