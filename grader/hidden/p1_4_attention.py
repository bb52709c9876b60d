"""Further checks for p1_4_attention that a learner's copy leaves out: other sizes, other properties."""
import torch
import torch.nn.functional as F

from grader.checks.p1_4_attention import (
    NAMES,
    by_hand,
    cut_by_hand,
    four_layers,
    gated_by_hand,
    gated_weights,
    induction_by_hand,
    loaded_gates,
    loaded_layer,
    reference_multi_head,
    weights_of,
    whole_numbers,
)
from grader.judge import Exercise, expect


class TestHiddenAttention(Exercise, id="attention-scaled-dot-product", hidden=True):
    def test_large_scores_stay_finite(self, submission, rng):
        """Scores of a million give shares, not NaN, with and without a mask."""
        q, k = (whole_numbers(3, t, 16, size=400.0, rng=rng) for t in (5, 7))
        v, mask = torch.randn(3, 7, 2, generator=rng), torch.rand(3, 5, 7, generator=rng) > 0.7
        want = F.scaled_dot_product_attention(q.double(), k.double(), v.double(), attn_mask=mask).float().masked_fill(~mask.any(-1, keepdim=True), 0.0)
        expect.close(submission.scaled_dot_product_attention(q, k, v, mask), want, atol=1e-4)

    def test_the_order_of_keys_does_not_matter(self, submission, rng):
        """Shuffling keys and values together changes nothing."""
        q, k, v = (torch.randn(n, 4, generator=rng) for n in (3, 6, 6))
        order = torch.randperm(6, generator=rng)
        expect.close(submission.scaled_dot_product_attention(q, k[order], v[order]), F.scaled_dot_product_attention(q, k, v))

    def test_random_sizes(self, submission, rng, dice):
        """Any sizes work, three batch axes included."""
        tq, tk, d, dv = dice.sample(range(1, 9), 4)
        q, k, v = (torch.randn(1, 2, 2, t, n, generator=rng) for t, n in ((tq, d), (tk, d), (tk, dv)))
        expect.close(submission.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v))

    def test_one_number_of_each_and_many_values(self, submission, rng):
        """Keys of one number and values of twenty work, and so does a long text."""
        for batch, tq, tk, d, dv in (((), 2, 3, 1, 20), ((1,), 130, 140, 3, 2)):
            q, k, v = (torch.randn(*batch, t, n, generator=rng) for t, n in ((tq, d), (tk, d), (tk, dv)))
            mask = (torch.rand(*batch, tq, tk, generator=rng) > 0.5) | (torch.arange(tk) == tk - 1)
            expect.close(submission.scaled_dot_product_attention(q, k, v, mask), F.scaled_dot_product_attention(q, k, v, attn_mask=mask), atol=1e-4)


class TestHiddenCausalMask(Exercise, id="attention-causal-mask", hidden=True):
    def test_any_number_of_tokens(self, submission, dice):
        """Query i may read i + 1 keys, whatever the number of tokens."""
        n = dice.randrange(150, 350)
        got = submission.causal_mask(n)
        expect.equal(got, torch.arange(n)[:, None] >= torch.arange(n)[None, :])


class TestHiddenHeads(Exercise, id="attention-heads", hidden=True):
    def test_split_then_merge_changes_nothing(self, submission, rng, dice):
        """Merging what was split gives back the same tensor, for any sizes."""
        heads, size, T = dice.randrange(6, 20), dice.randrange(2, 9), dice.randrange(31, 80)
        x = torch.randn(3, T, heads * size, generator=rng)
        split = submission.split_heads(x, heads)
        expect.equal(split, cut_by_hand(x, heads))
        expect.equal(submission.merge_heads(split), x)


class TestHiddenMultiHead(Exercise, id="attention-multi-head", hidden=True):
    def test_one_token_and_long_sequences(self, submission, rng):
        """A single token reads itself; forty tokens work like five."""
        weights = [torch.randn(8, 8, generator=rng) / 3 for _ in NAMES]
        for T in (1, 40):
            x = torch.randn(3 if T == 40 else 1, T, 8, generator=rng)
            expect.close(loaded_layer(submission, weights, 4)(x), reference_multi_head(x, weights, 4), atol=1e-4)


class TestHiddenNorms(Exercise, id="attention-norms", hidden=True):
    def test_scaling_a_token_changes_nothing(self, submission, rng):
        """Ten times the token gives the same result, and layer norm does not see a shift."""
        x, one, zero = torch.randn(4, 16, generator=rng) + 0.5, torch.ones(16), torch.zeros(16)
        plain = submission.layer_norm(x, one, zero)
        expect.close(plain, F.layer_norm(x, (16,)), atol=1e-4)
        expect.close(submission.layer_norm(10 * x + 3, one, zero), plain, atol=1e-3)
        expect.close(submission.rms_norm(10 * x, one), F.rms_norm(x, (16,), one, 1e-5), atol=1e-3)

    def test_any_sizes(self, submission, rng, dice):
        """Tokens of any width work, each with weights of its own."""
        C = dice.randrange(30, 90)
        x, w, b = torch.randn(2, 3, 4, C, generator=rng) * 5 + 1, torch.randn(C, generator=rng), torch.randn(C, generator=rng)
        expect.close(submission.layer_norm(x, w, b), F.layer_norm(x, (C,), w, b), atol=1e-4)
        expect.close(submission.rms_norm(x, w, 0.3), F.rms_norm(x, (C,), w, 0.3), atol=1e-4)


class TestHiddenFeedForward(Exercise, id="attention-feed-forward", hidden=True):
    def test_other_sizes(self, submission, rng, dice):
        """Any width, any number of hidden numbers and any number of tokens work."""
        weights = gated_weights(dice.randrange(1, 9), dice.randrange(9, 40), rng, 0.5)
        x = torch.randn(dice.randrange(1, 4), dice.randrange(1, 40), weights[0].shape[1], generator=rng)
        expect.close(loaded_gates(submission, weights)(x), gated_by_hand(x, weights), atol=1e-4)

    def test_tokens_do_not_mix(self, submission, rng):
        """Each token is worked on by itself: another token changes nothing."""
        weights, x = gated_weights(4, 6, rng), torch.randn(2, 5, 4, generator=rng)
        layer = loaded_gates(submission, weights)
        expect.close(layer(x)[1, 2], layer(x[1:, 2:3])[0, 0], atol=1e-5)


class TestHiddenBlock(Exercise, id="attention-block", hidden=True):
    def test_two_blocks_in_a_row(self, submission, rng, dice):
        """Two blocks stacked are the two steps, twice."""
        first, second = (submission.run(four_layers, 4, dice.randrange(10**6)) for _ in range(2))
        x = torch.randn(1, 5, 4, generator=rng)
        want = by_hand(by_hand(x, submission.run(weights_of, first)), submission.run(weights_of, second))
        blocks = [submission.TransformerBlock(s[0], s[1], s[2], s[3]) for s in (first, second)]
        expect.close(blocks[1](blocks[0](x)), want, atol=1e-3)


class TestHiddenInduction(Exercise, id="attention-induction", hidden=True):
    def test_other_sizes(self, submission, rng, dice):
        """Other vocabularies and lengths work."""
        V = dice.randrange(12, 90)
        x = torch.randn(3, dice.randrange(9, 30), 2 * V, generator=rng) / 4
        expect.close(submission.InductionHead(V, strength=0.7)(x), induction_by_hand(x, V, 0.7), atol=1e-4)
