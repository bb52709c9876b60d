"""Further checks for p3_2_lora that a learner's copy leaves out."""
import torch

from grader.checks.p3_2_lora import (
    adapted,
    adapter_names,
    expect_injected,
    four_bit_case,
    layer_case,
    loaded,
    merge_and_look,
    normal,
    saved_then_trained,
    share_of,
    studied,
    with_parameters,
)
from grader.judge import Exercise, core, expect


class TestHiddenLinear(Exercise, id="lora-linear", hidden=True):
    @core
    def test_any_size(self, submission, rng, dice):
        """Any size, rank and number of axes work."""
        for lead in ((1,), (2, 1, 3)):
            case, alpha = layer_case(rng, dice.randrange(2, 30), dice.randrange(2, 30), dice.randrange(1, 8), lead, dice.random() < 0.5), dice.uniform(0.1, 40)
            seen = studied(submission, case, alpha)
            want = adapted(case["x"], case["W"], case["b"], case["A"], case["B"], alpha).float()
            expect.close(seen["tuned"], want, atol=1e-3)
            expect.close(seen["start"], torch.nn.functional.linear(case["x"], case["W"], case["b"]))


def real_names(layers):
    """The names of a transformer like SmolLM2's, in the order of the model."""
    kinds = [("self_attn.q_proj", "linear"), ("self_attn.v_proj", "linear"), ("mlp.up_proj", "narrow"), ("mlp.act", "norm"), ("input_norm", "norm")]
    return [("model.embed", "embedding"), *[(f"model.layers.{at}.{name}", kind) for at in range(layers) for name, kind in kinds], ("lm_head", "narrow")]


class TestHiddenInject(Exercise, id="lora-inject", hidden=True):
    @core
    def test_a_transformer(self, submission, dice):
        """In a model with the names of SmolLM2's parts the right layers are wrapped, and only these."""
        names = real_names(12)
        for targets in (["q_proj", "v_proj"], [f"layers.{dice.randrange(2, 9)}.mlp.up_proj", "model.layers.11.self_attn.q_proj"], ["lm_head"], ["1.self_attn.v_proj"]):
            expect_injected(submission, names, targets, dice.randrange(2, 9), dice.randrange(10, 20))


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
        rows = [(f"deep.{at}.part.{letter}", tuple(dice.randrange(1, 5) for _ in range(2))) for at in range(12) for letter in ("A", "B", "base.weight")]
        first, second = ([(name, normal(rng, *shape), dice.random() < 0.5) for name, shape in rows] for _ in range(2))
        state, *_ = submission.run(saved_then_trained, submission.lora_state_dict, submission.run(with_parameters, first))
        seen = submission.run(loaded, submission.load_lora_state_dict, submission.run(with_parameters, second), state)
        mine = set(adapter_names(first))
        want = {name: (value if name in mine else other) for (name, value, _), (_, other, _) in zip(first, second, strict=True)}
        expect.close(seen["values"], want)


class TestHiddenMerge(Exercise, id="lora-merge", hidden=True):
    @core
    def test_any_size(self, submission, rng, dice):
        """Any size, rank and number of axes work."""
        for lead in ((1,), (2, 3)):
            case, alpha = layer_case(rng, dice.randrange(2, 30), dice.randrange(2, 30), dice.randrange(1, 8), lead, dice.random() < 0.5), dice.uniform(0.1, 40)
            seen = submission.run(merge_and_look, submission.merge_lora, case["W"], case["b"], case["A"], case["B"], alpha, case["x"])
            expect.close(seen["says"], adapted(case["x"], case["W"], case["b"], case["A"], case["B"], alpha).float(), atol=1e-3)
            expect.close(seen["again"], seen["says"], atol=1e-5)


class TestHiddenQlora(Exercise, id="qlora-forward", hidden=True):
    @core
    def test_any_size(self, submission, rng, dice):
        """Any size, block and rank work."""
        for _ in range(3):
            K, blocks = dice.choice([2, 4, 5, 10]), 2 * dice.randrange(1, 5)
            arguments, W = four_bit_case(rng, dice.randrange(1, 12), K * blocks, K, dice.randrange(1, 5), (2, 3))
            alpha = dice.uniform(0.5, 20)
            expect.close(submission.qlora_forward(*arguments, alpha), adapted(arguments[0], W, None, *arguments[4:], alpha).float(), atol=1e-3)
