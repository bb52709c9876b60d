"""Further checks for p3_2_lora that a learner's copy leaves out."""
import torch

from grader.checks.p3_2_lora import (
    adapter_names,
    expect_forward,
    expect_injected,
    four_bit_case,
    layer_case,
    merged,
    normal,
    said,
    share_of,
    stored_by,
    studied,
)
from grader.judge import Exercise, core, expect


def any_layers(rng, dice, *leads):
    """Pairs (case, alpha) of any size and rank, one for each of the axes in front."""
    return [(layer_case(rng, dice.randrange(2, 30), dice.randrange(2, 30), dice.randrange(1, 8), lead, dice.random() < 0.5), dice.uniform(0.1, 40)) for lead in leads]


class TestHiddenLinear(Exercise, id="lora-linear", hidden=True):
    @core
    def test_any_size(self, submission, rng, dice):
        """Any size, rank and number of axes work."""
        cases = any_layers(rng, dice, (1,), (2, 1, 3))
        for (case, alpha), seen in zip(cases, studied(submission, cases, "tuned", "start"), strict=True):
            expect.close(seen["tuned"], said(case, alpha), atol=1e-3)
            expect.close(seen["start"], torch.nn.functional.linear(case["x"], case["W"], case["b"]))


def real_names(layers):
    """The names of a transformer like SmolLM2's, in the order of the model."""
    kinds = [("self_attn.q_proj", "linear"), ("self_attn.v_proj", "linear"), ("mlp.up_proj", "narrow"), ("mlp.act", "norm"), ("input_norm", "norm")]
    return [("model.embed", "embedding"), *[(f"model.layers.{at}.{name}", kind) for at in layers for name, kind in kinds], ("lm_head", "narrow")]


class TestHiddenInject(Exercise, id="lora-inject", hidden=True):
    @core
    def test_a_transformer(self, submission, dice):
        """In a model with the names of SmolLM2's parts the right layers are wrapped, and only these."""
        number = dice.randrange(2, 9)
        names = real_names([0, 1, number, 10, 11])
        targets = (["q_proj", "v_proj"], [f"layers.{number}.mlp.up_proj", "model.layers.11.self_attn.q_proj"], ["lm_head"], ["1.self_attn.v_proj"])
        expect_injected(submission, [(names, each, dice.randrange(2, 9), dice.randrange(10, 20)) for each in targets])


class TestHiddenShare(Exercise, id="lora-trainable-fraction", hidden=True):
    @core
    def test_many_tensors(self, submission, dice):
        """Tensors of any number of axes are counted by their entries."""
        parts = [(tuple(dice.randrange(1, 5) for _ in range(dice.randrange(4))), dice.random() < 0.5) for _ in range(20)] + [((2, 2), True), ((6,), False)]
        sizes = [torch.ones(shape).numel() for shape, _ in parts]
        want = sum(size for size, (_, free) in zip(sizes, parts, strict=True) if free) / (sum(sizes) + 5)
        got, *_ = submission.run(share_of, submission.trainable_fraction, parts, False, True, 5)
        expect.close(got, want, atol=1e-9, rtol=1e-6)


class TestHiddenSaveAndLoad(Exercise, id="lora-save-load", hidden=True):
    @core
    def test_round_trip(self, submission, rng, dice):
        """What one model saved, another of the same shape becomes."""
        rows = [(f"deep.{at}.part.{letter}", tuple(dice.randrange(1, 5) for _ in range(2))) for at in range(6) for letter in ("A", "B", "base.weight")]
        first, second = ([(name, normal(rng, *shape), dice.random() < 0.5) for name, shape in rows] for _ in range(2))
        state = stored_by(submission, [(first, None)])[0]["state"]
        seen = stored_by(submission, [(second, state)])[0]
        mine = set(adapter_names(first))
        expect.close(seen["changed"], {name: value for name, value, _ in first if name in mine})


class TestHiddenMerge(Exercise, id="lora-merge", hidden=True):
    @core
    def test_any_size(self, submission, rng, dice):
        """Any size, rank and number of axes work."""
        cases = any_layers(rng, dice, (1,), (2, 3))
        for (case, alpha), seen in zip(cases, merged(submission, cases), strict=True):
            expect.close(seen["says"], said(case, alpha), atol=1e-3)
            expect.close(seen["again"], seen["says"], atol=1e-5)


class TestHiddenQlora(Exercise, id="qlora-forward", hidden=True):
    @core
    def test_any_size(self, submission, rng, dice):
        """Any size, block and rank work."""
        sizes = [(dice.choice([2, 4, 5, 10]), 2 * dice.randrange(1, 5)) for _ in range(3)]
        cases = [four_bit_case(rng, dice.randrange(1, 12), K * blocks, K, dice.randrange(1, 5), (2, 3)) for K, blocks in sizes]
        expect_forward(submission, [(case, dice.uniform(0.5, 20)) for case in cases], atol=1e-3)
