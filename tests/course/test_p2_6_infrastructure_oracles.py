"""The reference answers of lesson p2_6 agree with the oracles of its checks, with PyTorch's FLOP counter, and with simulated runs."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from handbook import training_lab
from handbook.compute_tables import ACCELERATORS, OFFERS, RUNS, SEEN_PRICES, SHAPES
from handbook.infrastructure_lab import count_flops, lost_by_interval

from grader.checks import p2_6_infrastructure as checks
from grader.mutation import references, run_source


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    scope: dict[str, Any] = {}
    for name, source in references("p2_6_infrastructure").items():
        scope |= run_source(source, f"{name}.py")
    return scope


def test_memory_and_flops(answers: dict[str, Any]) -> None:
    dice = random.Random(1)
    for _ in range(200):
        model, kind = checks.some_model(dice), dice.choice(checks.KINDS)
        case = (model, 12, dice.choice([1, 2, 3, 12]), dice.randint(0, 3), dice.randint(1, 99), kind)
        assert answers["training_memory"](*case) == pytest.approx(checks.memory_bill(*case))
        assert answers["training_flops"](model, 1000, kind) == pytest.approx(checks.all_flops(model, 1000, kind))


def test_plans(answers: dict[str, Any]) -> None:
    dice = random.Random(2)
    for _ in range(200):
        case = checks.puzzle(dice)
        assert answers["plan_parallelism"](*case) == pytest.approx(checks.right_plan(*case))


def test_offers(answers: dict[str, Any]) -> None:
    dice = random.Random(3)
    for _ in range(200):
        case = checks.some_offers(dice), {**checks.JOB, "gpus": dice.randint(1, 200), "deadline": dice.uniform(100, 2000), "regions": dice.choice([None, ["us"]])}
        found, want = answers["cheapest_cloud"](*case), checks.right_offer(*case)
        assert (found is None) == (want is None)
        if found:
            assert found.pop("name") == want.pop("name")
            assert found == pytest.approx(want)


def test_flops_equal_the_counter_of_pytorch(answers: dict[str, Any]) -> None:
    stories = training_lab.all_stories()
    model = training_lab.gpt(stories, d_model=32, layers=2, context=40)
    ids = torch.randint(50, (2, 40))
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2 and "position" not in name)
    config = {"parameters": matrices, "layers": len(model.blocks), "width": model.token.weight.shape[1], "sequence": 40}
    assert answers["training_flops"](config, ids.numel()) == count_flops(model, ids)


def test_the_square_root_rule_is_best_in_simulation(answers: dict[str, Any]) -> None:
    best, lost = answers["checkpoint_interval"](40.0, 0.1)
    shares = lost_by_interval([best / 4, best, best * 4], work=400, mtbf=40.0, cost=0.1, restart=0.0, runs=60)
    assert shares[1] < min(shares[0], shares[2])
    assert abs(shares[1] - lost) < 0.03


def test_tables_name_their_sources() -> None:
    for row in [*ACCELERATORS.values(), *RUNS, *SEEN_PRICES]:
        assert row.source
    assert all(run.accelerator in ACCELERATORS for run in RUNS)
    assert set(SHAPES) <= {run.model for run in RUNS}
    assert len({offer["name"] for offer in OFFERS}) == len(OFFERS)
