"""Further checks for p1_4_attention that a learner's copy leaves out: other sizes, other properties."""
import torch
import torch.nn.functional as F

from grader.checks.p1_4_attention import NAMES, by_hand, cut_by_hand, four_layers, induction_by_hand, loaded_layer, reference_multi_head, weights_of
from grader.judge import Exercise, core, expect


class TestHiddenAttention(Exercise, id="attention-scaled-dot-product", hidden=True):
    def test_large_scores_stay_finite(self, submission, rng):
        """Scores in the thousands give shares, not NaN."""
        q, k, v = (torch.randn(2, 4, 3, generator=rng) * size for size in (40, 40, 1))
        expect.close(submission.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q.double(), k.double(), v.double()).float(), atol=1e-2)

    def test_the_order_of_keys_does_not_matter(self, submission, rng):
        """Shuffling keys and values together changes nothing."""
        q, k, v = (torch.randn(n, 4, generator=rng) for n in (3, 6, 6))
        order = torch.randperm(6, generator=rng)
        expect.close(submission.scaled_dot_product_attention(q, k[order], v[order]), submission.scaled_dot_product_attention(q, k, v))

    @core
    def test_random_sizes(self, submission, rng, dice):
        """Any sizes work, three batch axes included."""
        tq, tk, d, dv = dice.sample(range(1, 9), 4)
        q, k, v = (torch.randn(1, 2, 2, t, n, generator=rng) for t, n in ((tq, d), (tk, d), (tk, dv)))
        expect.close(submission.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v))


class TestHiddenCausalMask(Exercise, id="attention-causal-mask", hidden=True):
    @core
    def test_any_number_of_tokens(self, submission, dice):
        """Query i may read i + 1 keys, whatever the number of tokens."""
        n = dice.randrange(9, 40)
        got = submission.causal_mask(n)
        expect.equal(got, torch.arange(n)[:, None] >= torch.arange(n)[None, :])


class TestHiddenHeads(Exercise, id="attention-heads", hidden=True):
    def test_split_then_merge_changes_nothing(self, submission, rng, dice):
        """Merging what was split gives back the same tensor, for any sizes."""
        heads, size, T = dice.randrange(2, 6), dice.randrange(1, 6), dice.randrange(1, 8)
        x = torch.randn(3, T, heads * size, generator=rng)
        split = submission.split_heads(x, heads)
        expect.equal(split, cut_by_hand(x, heads))
        expect.equal(submission.merge_heads(split), x)


class TestHiddenMultiHead(Exercise, id="attention-multi-head", hidden=True):
    def test_one_token_and_long_sequences(self, submission, rng):
        """A single token reads itself; forty tokens work like five."""
        weights = [torch.randn(8, 8, generator=rng) / 3 for _ in NAMES]
        for T in (1, 40):
            x = torch.randn(1, T, 8, generator=rng)
            expect.close(loaded_layer(submission, weights, 4)(x), reference_multi_head(x, weights, 4), atol=1e-4)


class TestHiddenNorms(Exercise, id="attention-norms", hidden=True):
    def test_scaling_a_token_changes_nothing(self, submission, rng):
        """Ten times the token gives the same result, and layer norm does not see a shift."""
        x, one, zero = torch.randn(4, 16, generator=rng) + 0.5, torch.ones(16), torch.zeros(16)
        plain = submission.layer_norm(x, one, zero)
        expect.close(plain, F.layer_norm(x, (16,)), atol=1e-4)
        expect.close(submission.layer_norm(10 * x + 3, one, zero), plain, atol=1e-3)
        expect.close(submission.rms_norm(10 * x, one), submission.rms_norm(x, one), atol=1e-3)


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
        """Any vocabulary and length work."""
        V = dice.randrange(2, 12)
        x = torch.randn(2, dice.randrange(2, 9), 2 * V, generator=rng)
        expect.close(submission.InductionHead(V, strength=0.7)(x), induction_by_hand(x, V, 0.7), atol=1e-4)
