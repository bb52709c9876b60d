"""Checks for p1_5_pretraining_objectives.

Definitions: Radford et al. 2018 (causal) · Devlin et al. 2019, arXiv:1810.04805 (masked) ·
Raffel et al. 2020, arXiv:1910.10683, section 3.1.4 (spans) · Jelinek et al. 1977 (perplexity).
"""

import math

import pytest
import torch

from grader.judge import Exercise, core, expect

ODDS = 1e-9  # how often, at most, chance alone may take a right answer out of a range that `near` allows


def two_parts(result, what):
    """The two things that an answer must return, or a sentence about what came instead."""
    expect.true(isinstance(result, tuple | list) and len(result) == 2, f"it must return two things: {what}", got=result)
    return result


# ---------------------------------------------------------------------------------------------- causal batch


def next_tokens(ids, pad_id=None):
    """Inputs and targets, one row and one position at a time."""
    rows = ids.reshape(-1, ids.shape[-1]).tolist()
    inputs = [row[:-1] for row in rows]
    targets = [[-100 if token == pad_id else token for token in row[1:]] for row in rows]
    shape = (*ids.shape[:-1], ids.shape[-1] - 1)
    return tuple(torch.tensor(part, dtype=torch.int64).reshape(shape) for part in (inputs, targets))


def padded(rng, lengths, pad_id):
    """Rows of random ids, never pad_id, filled up with pad_id on the right."""
    ids = torch.randint(20, 90, (len(lengths), max(lengths)), generator=rng)
    for row, length in zip(ids, lengths, strict=True):
        row[length:] = pad_id
    return ids


class TestCausalLmBatch(Exercise, id="objective-causal-batch"):
    """Exercise objective-causal-batch."""

    def probe(self, submission):
        """Ragged rows with padding 0 and 3, a bare row, one token alone; the dtypes, and what is left of the argument."""
        ids = torch.tensor([[5, 8, 3, 0], [7, 2, 0, 0], [4, 6, 9, 11]])
        kept, plain = submission.keep(ids), submission.causal_lm_batch(ids)
        return (
            plain,
            [str(getattr(part, "dtype", "")) for part in plain] if isinstance(plain, tuple | list) else [],
            submission.causal_lm_batch(kept, 0),
            submission.value(kept),
            submission.causal_lm_batch(ids, 3),
            submission.causal_lm_batch(ids[0]),
            submission.causal_lm_batch(ids[:, :1]),
            submission.causal_lm_batch(ids[:, :2], 2),
            submission.causal_lm_batch(ids[:1]),
            submission.causal_lm_batch(torch.tensor([9, 70_000, 70_001, 70_000]), 70_000),
            submission.causal_lm_batch(torch.tensor([9, 2**24, 2**24 + 1, 2**24 + 3])),
        )

    @core
    @pytest.mark.parametrize("shape", [(7,), (1, 6), (3, 5), (2, 3, 4)], ids=["one row", "a batch of one", "a batch", "two batch axes"])
    def test_the_target_is_the_token_that_follows(self, submission, rng, shape):
        """The model reads all tokens but the last, and each position's target is the next token of the same row."""
        for _ in range(2):  # the second call must not remember the first
            ids = torch.randint(10, 500, shape, generator=rng)
            inputs, targets = two_parts(submission.causal_lm_batch(ids), "inputs and targets")
            want_inputs, want_targets = next_tokens(ids)
            expect.close(inputs, want_inputs, why="the inputs are every token but the last of each row")
            expect.close(targets, want_targets, why="the target at position t is the token at position t + 1")

    @core
    @pytest.mark.parametrize("pad_id", [0, 3], ids=["pad id 0", "pad id 3"])
    def test_padding_is_not_a_target(self, submission, rng, pad_id):
        """A target that is padding becomes −100, also when the padding id is 0; the inputs keep their padding."""
        batch = padded(rng, [6, 2, 4, 5], pad_id)
        for ids in (batch, batch[1], batch[1:2], batch.reshape(2, 2, 6)):
            inputs, targets = two_parts(submission.causal_lm_batch(ids, pad_id=pad_id), "inputs and targets")
            want_inputs, want_targets = next_tokens(ids, pad_id)
            expect.close(targets, want_targets, why="every target that is pad_id must be −100, and no other")
            expect.close(inputs, want_inputs, why="the −100 belongs in the targets only; is your slice a view on ids?")

    def test_padding_by_any_id(self, submission, rng):
        """The padding id may be large, and may lie between other ids: only that very id is padding."""
        low = 1 << 24  # from here on a float32 can't tell neighbours apart
        ids = torch.randint(low, low + 4, (3, 9), generator=rng)
        ids[:, 4:6] = torch.tensor([low + 1, low + 3])
        inputs, targets = two_parts(submission.causal_lm_batch(ids, pad_id=low + 1), "inputs and targets")
        want_inputs, want_targets = next_tokens(ids, low + 1)
        expect.close(targets, want_targets, why="a target is padding if it equals pad_id: ==, not `is`, < or a rounded number")
        expect.close(inputs, want_inputs, why="the inputs are the ids as they are")

    def test_without_a_pad_id_every_target_counts(self, submission, rng):
        """With pad_id=None no id is treated as padding, 0 included."""
        ids = padded(rng, [6, 2, 4], 0)
        _, targets = two_parts(submission.causal_lm_batch(ids), "inputs and targets")
        expect.close(targets, next_tokens(ids)[1], why="no padding id was given, so 0 is an id like all others")

    def test_padding_on_the_left_is_read_but_not_predicted(self, submission, rng):
        """What counts is the target, not the input: the first real token after padding is predicted."""
        ids = padded(rng, [5, 2, 3], 1).flip(-1)
        _, targets = two_parts(submission.causal_lm_batch(ids, pad_id=1), "inputs and targets")
        expect.close(targets, next_tokens(ids, 1)[1], why="ask of each target, one by one, whether it is pad_id; its neighbours do not matter")

    def test_keeps_the_type(self, submission, rng):
        """Inputs and targets are int64, with and without padding: cross-entropy refuses int32."""
        for pad_id in (None, 0):
            for part in two_parts(submission.causal_lm_batch(padded(rng, [4, 2], 0), pad_id=pad_id), "inputs and targets"):
                expect.true(getattr(part, "dtype", None) == torch.int64, "it must be int64, as ids is", got=part)

    def test_leaves_its_argument_alone(self, submission, rng):
        """The ids are the same after the call as before."""
        ids = padded(rng, [4, 2, 3], 0)
        kept = submission.keep(ids)
        submission.causal_lm_batch(kept, pad_id=0)
        expect.close(submission.value(kept), ids, why="a slice is a view: writing −100 into it writes into ids")

    def test_refuses_a_single_token(self, submission):
        """Two tokens are one question; one token alone, or none, has nothing that follows it: ValueError."""
        result = two_parts(submission.causal_lm_batch(torch.tensor([[4, 6]])), "inputs and targets")
        expect.close(list(result), [torch.tensor([[4]]), torch.tensor([[6]])], why="with T = 2 each row has one input and one target")
        for ids in (torch.tensor([[4], [5]]), torch.tensor([4]), torch.tensor([[[4]], [[5]]]), torch.ones(2, 0, dtype=torch.int64)):
            expect.raises("ValueError", submission.causal_lm_batch, ids, why="T is the size of the last axis, whatever the others are")


# ----------------------------------------------------------------------------------------------- causal loss


def surprise(logits, ids, ignore_index=-100):
    """The mean of −log p over the counted tokens, one at a time, in float64."""
    nll = []
    for row, tokens in zip(logits.double(), ids.tolist(), strict=True):
        for scores, token in zip(row[:-1], tokens[1:], strict=True):
            if token != ignore_index:
                nll.append(float(torch.logsumexp(scores, 0) - scores[token]))
    return torch.tensor(sum(nll) / len(nll) if nll else 0.0)


def scored(rng, lengths, V, filler=-100):
    """Logits (B, T, V) and ids (B, T) that end in filler after each row's length."""
    ids = torch.randint(1, V, (len(lengths), max(lengths)), generator=rng)
    for row, length in zip(ids, lengths, strict=True):
        row[length:] = filler
    return 2 * torch.randn(*ids.shape, V, generator=rng), ids


def gradient_of(loss_function, logits, ids):
    """The gradient that reaches the logits (runs on the learner's side)."""
    leaf = logits.clone().requires_grad_(True)
    loss = loss_function(leaf, ids)
    if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
        return "no way back"
    loss.backward()
    return leaf.grad


def connected(gradient):
    """Name the loss that is cut off from the logits, or is no tensor, before numbers are compared."""
    expect.true(
        isinstance(gradient, torch.Tensor),
        "the loss is not connected to the logits, so backward() can't reach them",
        why="compute it from the logits, with no .item() and no .detach(); a zero that is connected is logits.sum() * 0",
    )
    return gradient


class TestCausalLmLoss(Exercise, id="objective-causal-loss"):
    """Exercise objective-causal-loss."""

    def probe(self, submission):
        """Full rows, ragged rows, nothing to count, huge logits, another filler, the gradient, two misfits."""
        logits, ids = scored(torch.Generator().manual_seed(5), [4, 2], 5)
        full = ids.clamp(min=0)
        kept = submission.keep(ids)
        submission.causal_lm_loss(logits, kept)
        return (
            submission.causal_lm_loss(logits, full),
            submission.causal_lm_loss(logits, ids),
            submission.causal_lm_loss(logits, torch.full_like(ids, -100)),
            submission.causal_lm_loss(1000 * logits, ids),
            submission.causal_lm_loss(logits, full, 0),
            submission.causal_lm_loss(logits, ids.flip(-1)),
            submission.run(gradient_of, submission.causal_lm_loss, logits, ids),
            submission.run(gradient_of, submission.causal_lm_loss, logits, torch.full_like(ids, -100)),
            submission.causal_lm_loss(logits[:, :-1], full),
            submission.causal_lm_loss(logits, full[:1]),
            submission.value(kept),
            submission.causal_lm_loss(logits, torch.tensor([[1, 2, -100, -100], [1, -100, -100, -100]])),
            submission.causal_lm_loss(logits, full, 2),
            submission.causal_lm_loss(1e4 * torch.nn.functional.one_hot(full.roll(-1, 1), 5) * torch.tensor([[[1.0], [0], [1], [0]]]), full),
            submission.causal_lm_loss(logits + torch.tensor([[[0.0], [-500], [300], [0]]]), ids),
        )

    @core
    @pytest.mark.parametrize("shape", [(1, 4, 6), (5, 7, 4), (2, 2, 9)], ids=["one row", "five rows", "two tokens"])
    def test_scores_the_token_that_follows(self, submission, rng, shape):
        """The logits at position t are judged by the token at t + 1; the loss is the mean over all tokens, in nats."""
        logits = 2 * torch.randn(*shape, generator=rng)
        ids = torch.randint(shape[-1], shape[:2], generator=rng)
        expect.close(
            submission.causal_lm_loss(logits, ids),
            surprise(logits, ids),
            why="compare logits[:, :-1] with ids[:, 1:], and take the mean of −log p of the right token",
        )

    @core
    def test_padding_does_not_count(self, submission, rng):
        """Ignored positions add nothing to the sum and nothing to the number of tokens that it is divided by."""
        for lengths in ([6, 2, 3], [5, 1, 4], [4, 0, 6, 3], [1, 2, 0]):  # rows of one token, or of padding alone, count for nothing
            logits, ids = scored(rng, lengths, 5)
            expect.close(
                submission.causal_lm_loss(logits, ids),
                surprise(logits, ids),
                why="divide by the number of tokens that count, not by B × (T − 1) and not row by row",
            )

    def test_every_token_weighs_the_same(self, submission, rng):
        """A batch of ragged rows gives the token-weighted mean of its rows' losses, not the plain mean."""
        logits, ids = scored(rng, [9, 2], 4)
        logits[1] *= 3.0  # the short row has another loss than the long one
        expect.close(
            submission.causal_lm_loss(logits, ids),
            surprise(logits, ids),
            why="a token of a short row weighs as much as any other",
        )

    def test_what_counts_is_the_target(self, submission, rng):
        """After ignored positions at the start of a row, its first real token is scored."""
        logits, ids = scored(rng, [5, 2, 3], 6)
        ids = ids.flip(-1)
        expect.close(
            submission.causal_lm_loss(logits, ids),
            surprise(logits, ids),
            why="ask of each token in ids[:, 1:], one by one, whether it is ignore_index; its neighbours do not matter",
        )

    def test_another_ignore_index(self, submission, rng):
        """Any id can be the one to ignore, and then −100 is not special."""
        for filler in (0, 3):  # 3 also stands inside the rows, between smaller and larger ids
            logits, ids = scored(rng, [5, 2, 8], 6, filler=filler)
            expect.close(
                submission.causal_lm_loss(logits, ids, ignore_index=filler),
                surprise(logits, ids, filler),
                why="use the argument ignore_index, not the number −100; an id is ignored only if it equals it",
            )

    def test_nothing_to_count_gives_zero(self, submission, rng):
        """A batch in which no target is left has loss 0 and gradient 0, not NaN: all ignored, or rows of one token."""
        for lengths, filler in (([4, 4], -100), ([1, 1, 1], 0)):
            logits, ids = scored(rng, lengths, 5)
            ids = torch.full_like(ids, filler)
            expect.close(submission.causal_lm_loss(logits, ids), torch.tensor(0.0), why="0 / 0 is NaN: guard the division")
            got = submission.run(gradient_of, submission.causal_lm_loss, logits, ids)
            expect.close(connected(got), torch.zeros_like(logits), why="a NaN that is replaced after the division still has a NaN gradient")

    def test_large_logits_stay_finite(self, submission, rng):
        """Logits of ten thousand give a finite loss, and the right one: a level that all scores of a position share changes nothing."""
        ids = torch.randint(5, (2, 4), generator=rng)
        sure = torch.nn.functional.one_hot((ids.roll(-1, 1) + 1) % 5, 5).float()  # sure of a wrong token, everywhere
        level = torch.tensor([1e4, -1e4, 0.0, 5e3]).reshape(1, 4, 1)
        for logits in (1e4 * sure, 4 * sure + level, 1e4 * sure - 1e4):
            expect.close(
                submission.causal_lm_loss(logits, ids),
                surprise(logits, ids),
                why="log(softmax(x)) underflows to −inf, and exp(x) overflows; log_softmax does neither",
            )

    def test_certain_tokens_count(self, submission, rng):
        """A token that the model was sure of has surprise 0, and still counts in the number that you divide by."""
        logits, ids = scored(rng, [6, 4], 5)
        logits[0, :4] = 1e4 * torch.nn.functional.one_hot(ids[0, 1:5], 5)
        expect.close(
            submission.causal_lm_loss(logits, ids),
            surprise(logits, ids),
            why="count the targets that are not ignored, not the surprises that are not 0",
        )

    def test_leaves_its_arguments_alone(self, submission, rng):
        """Logits and ids are the same after the call as before."""
        logits, ids = scored(rng, [5, 3], 4)
        kept = [submission.keep(value) for value in (logits, ids)]
        submission.causal_lm_loss(*kept)
        for handle, before in zip(kept, (logits, ids), strict=True):
            expect.close(submission.value(handle), before, why="the model's scores and text belong to the caller: make new tensors")

    @core
    def test_the_gradient_reaches_the_logits(self, submission, rng):
        """backward() gives each logit p − 1 for the right token and p for the others, over the number that counts."""
        logits, ids = scored(rng, [4, 2, 3], 5)
        counted = ids[:, 1:] != -100
        right = torch.nn.functional.one_hot(ids[:, 1:].clamp(min=0), 5)
        want = torch.zeros_like(logits)
        want[:, :-1] = (logits[:, :-1].softmax(-1) - right) * counted[..., None] / counted.sum()
        expect.close(
            connected(submission.run(gradient_of, submission.causal_lm_loss, logits, ids)),
            want,
            atol=1e-6,
            why="each counted position sends (p − right) / number counted; the last position and ignored ones send 0",
        )

    def test_refuses_logits_and_ids_that_do_not_fit(self, submission):
        """Logits and ids of different B or T are a ValueError."""
        expect.close(submission.causal_lm_loss(torch.zeros(2, 4, 5), torch.ones(2, 4, dtype=torch.int64)), torch.tensor(math.log(5)), why="these fit")
        for B, T in ((2, 3), (2, 5), (3, 4), (1, 4), (4, 2)):  # short, long, too many rows, one that would broadcast, as many ids in all
            ids = torch.ones(B, T, dtype=torch.int64)
            expect.raises("ValueError", submission.causal_lm_loss, torch.zeros(2, 4, 5), ids, why="compare B and T first")


# ------------------------------------------------------------------------------------------------ perplexity


def branching(token_nll, counts):
    """Perplexity as the geometric mean of 1/p over all tokens, counted one by one."""
    each = [nll for nll, count in zip(token_nll, counts, strict=True) for _ in range(count)]
    return math.exp(math.fsum(each) / len(each))


class TestPerplexity(Exercise, id="objective-perplexity"):
    """Exercise objective-perplexity."""

    def probe(self, submission):
        """Uneven batches, one batch, an empty batch, an impossible token, no tokens, lengths that differ, long texts, the lists."""
        kept = [submission.keep(value) for value in ([3.0, 1.0, 2.0], [4, 0, 1])]
        submission.perplexity(*kept)
        near_one = submission.perplexity([0.00123], [3])
        return (
            submission.perplexity([1.0, 3.0], [30, 10]),
            submission.perplexity([2.0], [7]),
            submission.perplexity([0.5, math.nan, 2.0], [4, 0, 1]),
            submission.perplexity([1.0, math.inf], [4, 1]),
            submission.perplexity([1.0, math.inf], [4, 0]),
            submission.perplexity([300.0], [2]),
            submission.perplexity([], []),
            submission.perplexity([1.0], [0]),
            submission.perplexity([1.0, 2.0], [3]),
            submission.perplexity([1.0, 2.0], [3, -1]),
            submission.perplexity([0.0, 2.0], [1, 3]),
            submission.perplexity([1.0, 1.0, 2.0], [3, 3, 3]),
            100_000 * (near_one - 1) if isinstance(near_one, float) else near_one,
            submission.perplexity([2.0, 3.0], [3000, 1000]),
            *(submission.value(value) for value in kept),
        )

    @core
    def test_every_token_weighs_the_same(self, submission, dice):
        """The mean surprise is taken over tokens, however they were batched, and then exponentiated once."""
        token_nll = [dice.uniform(0.1, 1.5), dice.uniform(2.0, 4.0), dice.uniform(0.5, 3.0)]
        counts = [dice.randint(20, 40), dice.randint(2, 6), dice.randint(7, 15)]
        expect.close(
            submission.perplexity(token_nll, counts),
            branching(token_nll, counts),
            why="weigh each batch's mean by its number of tokens; exponentiate the mean, do not average perplexities",
        )

    def test_a_fair_choice_of_n_has_perplexity_n(self, submission, dice):
        """A model that spreads its probability evenly over n tokens has perplexity n."""
        n = dice.randint(3, 50_000)
        expect.close(submission.perplexity([math.log(n)] * 2, [3, 8]), float(n), why="the surprise is in nats: the base is e")

    @core
    def test_batching_does_not_matter(self, submission, dice):
        """Splitting a batch in two, or giving the batches in another order, changes nothing."""
        a, b, c = (dice.uniform(0.2, 4.0) for _ in range(3))
        whole = branching([a, b, c], [6, 1, 9])
        expect.close(submission.perplexity([a, b, a, c], [2, 1, 4, 9]), whole, why="one token, one vote")
        expect.close(submission.perplexity([c, a, b], [9, 6, 1]), whole, why="one token, one vote")
        expect.close(submission.perplexity([a, a, b, c, a], [2, 2, 1, 9, 2]), whole, why="two batches that are alike are still two")
        expect.close(submission.perplexity([b], [1]), math.exp(b), why="one token is a text too")

    def test_many_tokens(self, submission, dice):
        """A test set of a hundred thousand tokens is no harder than one of ten."""
        token_nll, counts = [dice.uniform(2.0, 4.0), dice.uniform(5.0, 7.0)], [70_000, 30_000]
        want = math.exp(0.7 * token_nll[0] + 0.3 * token_nll[1])
        expect.close(
            submission.perplexity(token_nll, counts), want, rtol=1e-5, why="a product of so many probabilities is 0 to a computer: add surprises"
        )

    def test_a_nearly_certain_model(self, submission):
        """A surprise of 0 counts like any other, and a perplexity just above 1 is not rounded."""
        expect.close(
            submission.perplexity([0.0, 2.0], [3, 1]), math.exp(0.5), why="a batch with mean 0 has tokens too: leave out batches by their count"
        )
        for token_nll, counts in (([0.00123, 0.00456], [3, 1]), ([0.0], [5])):
            want = branching(token_nll, counts)
            expect.close(submission.perplexity(token_nll, counts), want, atol=0.0, rtol=5e-6, why="return the number as it is, not rounded")

    def test_a_batch_without_tokens_says_nothing(self, submission, dice):
        """A batch of 0 tokens is left out, wherever it stands, even where its mean is NaN or infinite."""
        a, b = dice.uniform(0.2, 2.0), dice.uniform(2.0, 4.0)
        for empty in (9.0, math.nan, math.inf):
            for token_nll, counts in (([a, empty, b], [3, 0, 2]), ([empty, a, b], [0, 3, 2]), ([a, b, empty, empty], [3, 2, 0, 0])):
                expect.close(
                    submission.perplexity(token_nll, counts),
                    branching([a, b], [3, 2]),
                    why="0 × NaN is NaN: skip batches of 0 tokens",
                )

    def test_an_impossible_token_makes_it_infinite(self, submission):
        """One token that the model held for impossible has infinite surprise: the perplexity is infinite."""
        for token_nll, counts in (([1.0, math.inf, 0.5], [5, 1, 3]), ([math.inf, 1.0], [2, 300]), ([math.inf], [1])):
            expect.close(submission.perplexity(token_nll, counts), math.inf, why="infinite surprise must not be dropped")

    def test_a_large_perplexity_is_a_number(self, submission):
        """Means of up to 700 nats give a finite perplexity."""
        for mean in (60.0, 300.0, 690.0, 700.0):
            expect.close(
                submission.perplexity([mean, mean], [2, 3]), math.exp(mean), rtol=1e-6, why="exp(700) is still a number; in float32 it is not"
            )

    def test_leaves_its_lists_alone(self, submission):
        """Both lists are the same after the call as before."""
        lists = [3.0, 1.0, 2.0], [4, 0, 1]
        kept = [submission.keep(value) for value in lists]
        submission.perplexity(*kept)
        for handle, before in zip(kept, lists, strict=True):
            expect.equal(submission.value(handle), before, why="make a new list of the batches that count; do not delete or sort in the caller's")

    def test_refuses_what_has_no_mean(self, submission):
        """No tokens at all, lists of different length, or a negative count are a ValueError."""
        expect.close(submission.perplexity([0.0], [1]), 1.0, why="one certain token is enough")
        for token_nll, counts in (
            ([], []),
            ([1.0, 2.0], [0, 0]),
            ([1.0, 2.0], [3]),
            ([1.0], [3, 4]),
            ([1.0, 2.0], [3, -1]),
            ([1.0, 2.0, 1.0], [-1, 3, 2]),
            ([1.0, 2.0], [2, -2]),
        ):
            expect.raises("ValueError", submission.perplexity, token_nll, counts)


# ---------------------------------------------------------------------------------------------- masked batch

VOCAB, MASK, SPECIAL = 1000, 3, (0, 1, 2, 3)  # a large vocabulary: a random id is rarely the original


def seeded(seed):
    """A generator on the learner's side."""
    return torch.Generator().manual_seed(seed)


def sentences(rng, rows, length):
    """Rows 1 … 2 of ordinary ids; every other row is padded with 0 in its last third."""
    ids = torch.randint(4, VOCAB, (rows, length), generator=rng)
    ids[:, 0], ids[:, -1] = 1, 2
    ids[::2, -(length // 3) :] = 0
    ids[::2, -(length // 3)] = 2
    return ids


def seed_from(rng):
    return int(torch.randint(1 << 40, (), generator=rng))


def masked(submission, rng, ids, p, *, mask_id=MASK, vocab_size=VOCAB, special_ids=SPECIAL):
    """Call the answer with a fresh generator; returns inputs and labels."""
    result = submission.mlm_batch(ids, submission.run(seeded, seed_from(rng)), p, mask_id, vocab_size, special_ids)
    inputs, labels = two_parts(result, "inputs and labels")
    for part in (inputs, labels):
        expect.true(
            isinstance(part, torch.Tensor) and part.shape == ids.shape and part.dtype == torch.int64,
            "inputs and labels must be int64 tensors of the shape of ids",
            got=part,
        )
    return inputs, labels


def near(count, n, chance, sentence, why):
    """A count out of n draws must fit their chance: by Chernoff's bound a right answer fails once in 1 / ODDS tries, or less."""
    count, n = int(count), int(n)
    expect.true(n > 0, f"{sentence}: there are none to count", why=why)
    parts = (count / n, chance), (1 - count / n, 1 - chance)
    divergence = sum(share * math.log(share / expected) for share, expected in parts if share > 0)
    limit = math.log(2 / ODDS)  # about 6.5 standard deviations
    expect.true(
        n * divergence <= limit,
        f"{sentence}: {count} of {n} (about {n * chance:.0f} ± {math.sqrt(2 * limit * n * chance * (1 - chance)):.0f} expected)",
        why=why,
    )


def many(function, seed, times, ids, *rest):
    """Inputs and labels of many calls in a row with one generator (runs on the learner's side)."""
    rng = torch.Generator().manual_seed(seed)
    results = [function(ids, rng, *rest) for _ in range(times)]
    return torch.stack([inputs for inputs, _ in results]), torch.stack([labels for _, labels in results])


def overwritten(function, seed, ids, *rest):
    """What ids hold after inputs, then labels, have been written over (runs on the learner's side)."""
    inputs, labels = function(ids, torch.Generator().manual_seed(seed), *rest)
    inputs.fill_(-7)
    labels_before = labels.clone()
    labels.fill_(-8)
    return ids, labels_before


def keeps_global_state(function, seed, *rest):
    """Whether torch's global generator stands where it stood before the call (runs on the learner's side)."""
    torch.rand(3)  # else an earlier call with this seed could have left the very state that this one leaves
    before = torch.get_rng_state()
    function(rest[0], torch.Generator().manual_seed(seed), *rest[1:])
    return torch.equal(before, torch.get_rng_state())


def from_a_used_generator(function, seed, ids, *rest):
    """Labels from a generator that has given numbers before, and from a copy of it (runs on the learner's side)."""
    rng = torch.Generator().manual_seed(seed)
    torch.rand(5, generator=rng)
    copy = torch.Generator()
    copy.set_state(rng.get_state())
    return function(ids, rng, *rest)[1], function(ids, copy, *rest)[1]


def disjoint_pairs(events):
    """Pairs of tokens (B, T), each token in one pair: neighbours, neighbouring rows, half a batch apart, ends of a row."""
    B, T = events.shape
    return {
        "neighbours in a row": (events[:, 0::2], events[:, 1::2]),
        "neighbours in a column": (events[0::2], events[1::2]),
        "tokens half a batch apart": (events[: B // 2], events[B // 2 :]),
        "tokens half a row apart": (events[:, : T // 2], events[:, T // 2 :]),
        "tokens mirrored in a row": (events[:, : T // 2], events[:, T // 2 :].flip(-1)),
    }


class TestMlmBatch(Exercise, id="objective-masked-batch"):
    """Exercise objective-masked-batch."""

    def probe(self, submission):
        """Shares rounded to tenths (the draws differ from answer to answer), special tokens, seeds, arguments."""
        ids = sentences(torch.Generator().manual_seed(6), 1500, 12)
        special = torch.isin(ids, torch.tensor(SPECIAL))
        kept, generator = submission.keep(ids), submission.run(seeded, 1)
        first = submission.mlm_batch(kept, generator, 0.4, MASK, VOCAB, SPECIAL)
        second = submission.mlm_batch(ids, generator, 0.4, MASK, VOCAB, SPECIAL)
        again = submission.mlm_batch(ids, submission.run(seeded, 1), 0.4, MASK, VOCAB, SPECIAL)
        few = submission.mlm_batch(torch.full((300, 9), 5), submission.run(seeded, 2), 1.0, 4, 8, [3])
        masks = submission.mlm_batch(torch.full((3, 4), 4), submission.run(seeded, 2), 1.0, 4, 8, [3])
        more = self.habits(submission)
        changed = bool((submission.value(kept) != ids).any())
        outside = submission.mlm_batch(ids[:2], submission.run(seeded, 3), 1.5, MASK, VOCAB, SPECIAL)
        refuses = not isinstance(outside, tuple | list)
        try:
            inputs, labels = first
            chosen = (labels != -100) & ~special  # special tokens would blur the shares
            got, was = inputs[chosen], ids[chosen]
            fates = got == MASK, got == was, (got != MASK) & (got != was)
            shares = [round(float(share.double().mean()), 1) for share in (chosen[~special], *fates)]
            hidden, number = (chosen & (inputs == MASK)).sum(1), chosen.sum(1)
            truths = (
                (labels[special] == -100).all(),
                (labels[chosen] == was).all(),
                (inputs[~chosen] == ids[~chosen]).all(),
                ((hidden > 0) & (hidden < number)).sum() > 300,  # rows of mixed fates
                len(set(map(tuple, chosen.tolist()))) > 100,
                len(set(number.tolist())) > 3,
                torch.equal(inputs, second[0]),
                torch.equal(inputs, again[0]),
                (masks[1] == 4).all(),  # a mask that stands in the text is a token like others
                changed,
                refuses,
            )
            return shares, [bool(truth) for truth in truths], sorted(set(few[0].flatten().tolist())), more
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
            return type(error).__name__, changed, refuses, more

    def habits(self, submission):
        """Which ids are drawn, what is shared, which numbers never vary, and what a call leaves behind."""
        two, one = torch.ones(1500, 8, dtype=torch.int64), torch.ones(2, 5, dtype=torch.int64)
        try:
            inputs = submission.mlm_batch(two, submission.run(seeded, 5), 1.0, 0, 2, [])[0]
            special = submission.mlm_batch(two, submission.run(seeded, 5), 1.0, 9, 3, [2])[0]
            wide = submission.mlm_batch(two, submission.run(seeded, 5), 1.0, 9, 6, [])[0]
            large = submission.mlm_batch(two, submission.run(seeded, 5), 1.0, VOCAB, VOCAB, [])[0]
            half = submission.mlm_batch(two, submission.run(seeded, 5), 0.5, VOCAB, VOCAB, [])[1] != -100
            alone = (large != 1) & (large != VOCAB)
            pairs = alone[:, :-1] & alone[:, 1:]
            number = (submission.run(many, submission.mlm_batch, 4, 60, one, 0.15, VOCAB, VOCAB, [])[1] != -100).sum((1, 2))
            hidden = (submission.run(many, submission.mlm_batch, 4, 60, one, 1.0, VOCAB, VOCAB, [])[0] == VOCAB).sum((1, 2))
            return [
                float((inputs == 0).double().mean()) > 0.87,  # 0.85, and 0.9 if the original is left out
                bool((special == 2).any()),
                int((wide == 0).sum()) > 1.25 * int((wide == 5).sum()),
                int((wide == 0).sum()) < 0.75 * int((wide == 3).sum()),
                int((large[:, :-1] == large[:, 1:])[pairs].sum()) > 9,
                int(pairs.sum()) > 150,  # 105, and 210 if neighbours share a coin
                0.1 < float(half.double().mean()) < 0.9,
                bool((half.any(1) & ~half.all(1)).any()),
                bool((number == 0).any()),
                len(set(number.tolist())) > 1,
                len(set(hidden.tolist())) > 1,
                bool((submission.run(overwritten, submission.mlm_batch, 3, one, 0.0, 9, 6, [])[0] != one).any()),
                submission.run(keeps_global_state, submission.mlm_batch, 3, one, 0.5, 9, 6, []),
            ]
        except Exception as error:  # a wrong answer may return anything
            return type(error).__name__

    @core
    def test_labels_hold_the_hidden_originals(self, submission, rng):
        """Labels are the originals of the chosen tokens and −100 elsewhere; only chosen tokens differ in inputs."""
        ids = sentences(rng, 60, 11)
        inputs, labels = masked(submission, rng, ids, 0.5)
        chosen = labels != -100
        expect.true(
            bool(chosen.any()) and bool((~chosen).any()),
            "with p = 0.5 some tokens are chosen and some are not",
            got=labels,
        )
        expect.close(labels[chosen], ids[chosen], why="a label is the original id, not what the model reads in its place")
        expect.close(inputs[~chosen], ids[~chosen], why="a token that was not chosen (label −100) must stay as it was")
        expect.true(bool((inputs[chosen] == MASK).any()), "most chosen tokens must become mask_id", got=inputs)

    @core
    @pytest.mark.parametrize("p", [0.15, 0.4])
    def test_each_ordinary_token_is_chosen_with_chance_p(self, submission, rng, p):
        """The share of ordinary tokens with a label is p, as far as chance allows."""
        ids = sentences(rng, 600, 100)
        inputs, labels = masked(submission, rng, ids, p)
        ordinary = ~torch.isin(ids, torch.tensor(SPECIAL))
        expect.close(inputs[labels == -100], ids[labels == -100], why="a token that was not chosen (label −100) must stay as it was")
        near(
            (labels[ordinary] != -100).sum(),
            ordinary.sum(),
            p,
            "tokens with a label",
            "choose every ordinary token by a draw of its own, with chance p; the chosen ones all get a label, unchanged ones too",
        )

    @pytest.mark.parametrize("p", [0.0, 1.0])
    def test_none_and_all(self, submission, rng, p):
        """p = 0 chooses nothing and changes nothing; p = 1 chooses every ordinary token."""
        ids = sentences(rng, 5, 9)
        inputs, labels = masked(submission, rng, ids, p)
        ordinary = ~torch.isin(ids, torch.tensor(SPECIAL))
        expect.close(
            labels,
            torch.where(ordinary, ids, -100) if p else torch.full_like(ids, -100),
            why="p is the chance to be chosen",
        )
        if not p:
            expect.close(inputs, ids, why="nothing was chosen, so nothing may change")

    @core
    @pytest.mark.parametrize("kind", [list, tuple, set])
    def test_special_tokens_are_never_chosen(self, submission, rng, kind):
        """No id of special_ids is changed or gets a label, even with p = 1; special_ids may be empty."""
        ids = sentences(rng, 40, 9)
        ids[::3, 2] = MASK  # a text may hold masks
        inputs, labels = masked(submission, rng, ids, 1.0, special_ids=kind(SPECIAL))
        special = torch.isin(ids, torch.tensor(SPECIAL))
        expect.close(labels[special], torch.full_like(ids[special], -100), why="padding and separators carry nothing to learn")
        expect.close(inputs[special], ids[special], why="special tokens must stay as they are")
        _, labels = masked(submission, rng, ids, 1.0, special_ids=kind())
        expect.close(labels, ids, why="special_ids may be empty, and then every token is ordinary, 0 and mask_id too")
        inputs, labels = masked(submission, rng, torch.full((2, 3), 2), 1.0, special_ids=kind([2, 9]))
        expect.close(labels, torch.full((2, 3), -100), why="a batch of special tokens has no labels at all")
        expect.close(inputs, torch.full((2, 3), 2), why="a batch of special tokens stays as it is")

    @core
    @pytest.mark.parametrize("p", [0.15, 0.8])
    def test_eighty_ten_ten(self, submission, rng, p):
        """Of the chosen tokens 80 % become mask_id, 10 % a random id and 10 % stay, as far as chance allows."""
        ids = sentences(rng, 600, 100)
        inputs, labels = masked(submission, rng, ids, p)
        chosen = labels != -100
        n, got, was = chosen.sum(), inputs[chosen], ids[chosen]
        hit = 0.1 / VOCAB  # a random id is mask_id, or the original, once in VOCAB times
        near(
            (got == MASK).sum(),
            n,
            0.8 + hit,
            "chosen tokens that became mask_id",
            "each chosen token becomes mask_id with chance 0.8",
        )
        near(
            (got == was).sum(),
            n,
            0.1 + hit,
            "chosen tokens that stayed",
            "each chosen token stays with chance 0.1, and keeps its label",
        )
        near(
            ((got != was) & (got != MASK)).sum(),
            n,
            0.1 - 2 * hit,
            "chosen tokens that became another id",
            "each chosen token becomes a random id with chance 0.1",
        )

    def test_random_ids_come_from_the_whole_vocabulary(self, submission, rng):
        """A random id is any of 0 … vocab_size − 1, all alike: the original, mask_id and the special ones among them."""
        ids = torch.full((600, 100), 2)
        inputs, labels = masked(submission, rng, ids, 1.0, mask_id=4, vocab_size=6, special_ids=[3])
        expect.close(labels, ids, why="with p = 1 every token has a label, also where the random id happens to be the original")
        expect.true(bool(((inputs >= 0) & (inputs < 6)).all()), "every id must lie in 0 … vocab_size − 1", got=inputs)
        each, names = 0.1 / 6, {2: " (the original)", 3: " (a special id)", 4: " (mask_id)"}
        for token, count in enumerate(torch.bincount(inputs.flatten(), minlength=6).tolist()):
            near(
                count,
                ids.numel(),
                each + {2: 0.1, 4: 0.8}.get(token, 0.0),
                f"tokens that became id {token}{names.get(token, '')}, from a vocabulary of 6",
                "a random id is uniform over 0 … vocab_size − 1, both ends included, and leaves no id out",
            )

    def test_random_ids_of_a_large_vocabulary(self, submission, rng):
        """The random ids spread evenly over a large vocabulary, and are no neighbours of the original."""
        ids = torch.full((600, 100), 600)
        inputs, _ = masked(submission, rng, ids, 1.0, mask_id=VOCAB, special_ids=[])
        drawn = inputs[(inputs != VOCAB) & (inputs != 600)]
        for name, hits, chance in (
            ("in the lower half", drawn < 500, 500 / 999),
            ("in the first tenth", drawn < 100, 100 / 999),
            ("in the last tenth", drawn >= 900, 100 / 999),
            ("even", drawn % 2 == 0, 499 / 999),
        ):
            near(hits.sum(), len(drawn), chance, f"random ids that are {name}", "a random id is uniform over the whole vocabulary")

    @core
    def test_each_token_draws_for_itself(self, submission, rng):
        """What happens to one token says nothing of the others: not its neighbour, not its column, not the same word elsewhere."""
        ids = torch.full((800, 100), 7)  # one word everywhere
        _, labels = masked(submission, rng, ids[:300], 0.5, mask_id=VOCAB)
        inputs, _ = masked(submission, rng, ids, 1.0, mask_id=VOCAB)  # so that no random id is mask_id
        advice = "draw one number for every token of the batch: not one for a row, a column or a word"
        for where, (left, right) in disjoint_pairs(labels != -100).items():
            near((left & right).sum(), left.numel(), 0.25, f"pairs of {where}, both chosen", advice)
        for where, (left, right) in disjoint_pairs(inputs == VOCAB).items():
            near((left & right).sum(), left.numel(), 0.64, f"pairs of {where}, both masked", advice)
        other = 0.1 * (1 - 1 / VOCAB)
        for where, (left, right) in disjoint_pairs(inputs).items():
            both = (left != VOCAB) & (right != VOCAB) & (left != 7) & (right != 7)
            near(both.sum(), both.numel(), other**2, f"pairs of {where}, both random", advice)
            pairs = left[both], right[both]
            near((pairs[0] == pairs[1]).sum(), len(pairs[0]), 1 / (VOCAB - 1), f"pairs of {where}, both random, that got the same id", advice)
            low = (pairs[0] < 500) & (pairs[1] < 500)  # 499 of the 999 ids that can be told from the original
            near(low.sum(), len(low), (499 / 999) ** 2, f"pairs of {where}, both random, that got ids below 500", advice)

    def test_numbers_vary_from_batch_to_batch(self, submission, rng):
        """p and 80 / 10 / 10 are chances, not quotas: ten tokens have now none, now one, now three of a kind."""
        times, seed, other = 500, seed_from(rng), 0.1 * (1 - 1 / VOCAB)
        advice = "let every token draw for itself; do not shuffle a fixed number of marks, and force nothing"
        for shape in ((2, 5), (10, 1)):
            ids = torch.full(shape, 7)
            for p in (0.15, 1.0):
                result = submission.run(many, submission.mlm_batch, seed, times, ids, p, VOCAB, VOCAB, [3])
                inputs, labels = two_parts(result, "inputs and labels")
                number, hidden = (labels != -100).sum((1, 2)), (inputs == VOCAB).sum((1, 2))
                changed = ((inputs != VOCAB) & (inputs != 7)).sum((1, 2))
                if p < 1:
                    near((number == 0).sum(), times, 0.85**10, "batches of ten tokens without a single label, with p = 0.15", advice)
                    near((number == 1).sum(), times, 1.5 * 0.85**9, "batches of ten tokens with one label, with p = 0.15", advice)
                else:
                    near((hidden == 8).sum(), times, 45 * 0.8**8 * 0.2**2, "batches of ten chosen tokens with eight masks", advice)
                    near((changed == 1).sum(), times, 10 * other * (1 - other) ** 9, "batches of ten chosen tokens with one random id", advice)

    def test_one_generator_state_gives_one_batch(self, submission, rng):
        """The same seed gives the same batch, and a second call with the same generator gives another one."""
        ids, seed = sentences(rng, 30, 12), seed_from(rng)
        generator = submission.run(seeded, seed)
        first = submission.mlm_batch(ids, generator, 0.4, MASK, VOCAB, SPECIAL)
        second = submission.mlm_batch(ids, generator, 0.4, MASK, VOCAB, SPECIAL)
        again = submission.mlm_batch(ids, submission.run(seeded, seed), 0.4, MASK, VOCAB, SPECIAL)
        expect.close(list(again), list(first), why="give generator=rng to every draw")
        expect.true(
            not torch.equal(first[1], second[1]),
            "two calls in a row choose the same tokens",
            why="do not seed the generator yourself",
        )
        used, copy = submission.run(from_a_used_generator, submission.mlm_batch, seed, ids, 0.4, MASK, VOCAB, SPECIAL)
        expect.true(
            not torch.equal(used, first[1]),
            "a generator that has been drawn from gives the batch of a fresh one",
            why="the state counts, not the seed",
        )
        expect.true(
            torch.equal(used, copy), "a copy of the generator gives another batch", why="the state of rng alone decides; do not seed anything anew"
        )
        expect.true(
            submission.run(keeps_global_state, submission.mlm_batch, seed, ids, 0.4, MASK, VOCAB, SPECIAL),
            "the call moves or seeds torch's global generator",
            why="rng is the only source of randomness: give generator=rng to every draw, and call no torch.manual_seed",
        )

    def test_leaves_its_argument_alone(self, submission, rng):
        """The ids are the same after the call as before, and both results are new tensors."""
        ids, seed = sentences(rng, 8, 10), seed_from(rng)
        kept = submission.keep(ids)
        submission.mlm_batch(kept, submission.run(seeded, seed), 0.9, MASK, VOCAB, SPECIAL)
        expect.close(submission.value(kept), ids, why="make new tensors: clone before you write")
        for p, special in ((0.0, SPECIAL), (0.5, SPECIAL), (1.0, ())):
            after, labels = two_parts(submission.run(overwritten, submission.mlm_batch, seed, ids, p, MASK, VOCAB, special), "inputs and labels")
            expect.close(after, ids, why="ids change when the results are written to: return new tensors, also where nothing was hidden")
            expect.true(not bool((labels == -7).any()), "labels change when inputs are written to", why="return two tensors, not one twice")

    def test_refuses_an_impossible_p(self, submission, rng):
        """A p below 0 or above 1 is a ValueError."""
        ids = sentences(rng, 2, 9)
        masked(submission, rng, ids, 0.5)
        for p in (-0.1, 1.5, -1, 2):
            expect.raises("ValueError", submission.mlm_batch, ids, submission.run(seeded, 1), p, MASK, VOCAB, SPECIAL)


# ------------------------------------------------------------------------------------------------- T5 spans


def cut(ids, spans, sentinels):
    """The same by walking over the tokens: a sentinel where a span begins, and into the target what a span covers."""
    order = sorted(spans)
    inputs, targets = [], []
    for position, token in enumerate(ids):
        inside = next((n for n, (start, end) in enumerate(order) if start <= position < end), None)
        if inside is None:
            inputs.append(token)
            continue
        if position == order[inside][0]:
            inputs.append(sentinels[inside])
            targets.append(sentinels[inside])
        targets.append(token)
    return inputs, [*targets, sentinels[len(order)]]


def same_parts(result, want, *, why=""):
    inputs, targets = two_parts(result, "inputs and targets")
    expect.equal(inputs, want[0], why=why or "inputs: every span gives way to one sentinel, all other tokens stay")
    expect.equal(targets, want[1], why=why or "targets: for each span its sentinel and its tokens, then the next sentinel")


def extended(function, ids, spans, sentinels):
    """The caller's ids and sentinels after the results have been added to (runs on the learner's side)."""
    inputs, targets = function(ids, spans, sentinels)
    inputs.append(-1)
    targets.append(-1)
    return ids, sentinels


SENTINELS = [907, 903, 950, 911, 920]  # no arithmetic leads from one to the next


class TestT5Spans(Exercise, id="objective-t5-spans"):
    """Exercise objective-t5-spans."""

    def probe(self, submission):
        """Spans in and out of order, touching, at both ends, none, all; wrong ones; repeated tokens; the arguments afterwards."""
        ids = list(range(11, 19))
        kept = [submission.keep(value) for value in (ids, [(5, 7), (1, 2)], SENTINELS)]
        cases = [[(1, 3), (5, 6)], [(2, 5), (5, 6)], [(0, 2), (6, 8)], [], [(0, 8)]]
        wrong = [[(1, 4), (3, 5)], [(2, 2)], [(5, 9)], [(-2, 3)], [(4, 2)]]
        return (
            *(submission.t5_spans(ids, spans, SENTINELS) for spans in cases),
            submission.t5_spans(*kept),
            *(submission.value(value) for value in kept),
            *(submission.t5_spans(ids, spans, SENTINELS) for spans in wrong),
            submission.t5_spans(ids, [(1, 3), (5, 6)], SENTINELS[:2]),
            submission.t5_spans([7, 7, 8, 7, 8, 7, 7], [(3, 5), (5, 6)], SENTINELS),
            submission.t5_spans(ids, [(1, 3), (1, 3)], SENTINELS),
            submission.t5_spans([0, 5, 6, 7, 0, 8, 9, 10, 11, 12, 13, 14], [(10, 11), (2, 4)], SENTINELS),
            submission.run(extended, submission.t5_spans, ids, [], SENTINELS),
        )

    @core
    def test_spans_move_to_the_target(self, submission, dice):
        """Each span gives way to one sentinel, and the target lists each sentinel with the tokens it stands for."""
        ids = [dice.randint(10, 899) for _ in range(12)]
        for spans in ([(1, 3), (5, 6), (8, 11)], [(2, 6)], [(1, 2), (3, 4), (6, 8), (10, 11)]):
            same_parts(submission.t5_spans(ids, spans, SENTINELS), cut(ids, spans, SENTINELS))

    def test_every_span_has_its_own_sentinel(self, submission, dice):
        """Sentinels are used from the first on, one a span and one more to end the target; spare ones stay unused."""
        ids = [dice.randint(10, 899) for _ in range(9)]
        for spans in ([(4, 6)], [(0, 1), (2, 4), (7, 8)]):
            inputs, targets = two_parts(submission.t5_spans(ids, spans, SENTINELS), "inputs and targets")
            used = len(spans)
            expect.equal([token for token in inputs if token >= 900], SENTINELS[:used], why="no sentinel may stand for two spans")
            expect.equal(
                [token for token in targets if token >= 900],
                SENTINELS[: used + 1],
                why="one sentinel more than spans, to end the target",
            )

    @core
    def test_spans_in_any_order(self, submission, dice):
        """The order of the spans in the list does not matter: the first span in the text gets the first sentinel."""
        ids = [dice.randint(10, 899) for _ in range(11)]
        spans = [(6, 8), (0, 2), (3, 4)]
        same_parts(
            submission.t5_spans(ids, spans, SENTINELS),
            cut(ids, spans, SENTINELS),
            why="sort the spans first, then hand out the sentinels",
        )

    @core
    def test_spans_that_touch_or_reach_the_ends(self, submission, dice):
        """Spans at both ends, spans that touch, and a span over everything work like any other."""
        ids = [dice.randint(10, 899) for _ in range(7)]
        for spans in ([(0, 2), (5, 7)], [(1, 3), (3, 4)], [(0, 7)], [(2, 3), (3, 6), (6, 7)]):
            same_parts(submission.t5_spans(ids, spans, SENTINELS), cut(ids, spans, SENTINELS))

    def test_a_long_text(self, submission, dice):
        """Positions of one, two and three digits, and many spans, work alike."""
        ids = [dice.randint(10, 899) for _ in range(420)]
        spans = [(300, 303), (9, 12), (100, 104), (2, 3), (303, 304), (20, 21), (410, 420), (29, 40)]
        sentinels = [950 + 7 * n % 31 for n in range(11)]
        same_parts(
            submission.t5_spans(ids, spans, sentinels),
            cut(ids, spans, sentinels),
            why="positions are numbers: sort them as numbers, compare them with == or <",
        )

    def test_repeated_tokens(self, submission):
        """Positions count, not values: a token that also stands elsewhere is cut out only where its span is; 0 is a token too."""
        for ids in ([7, 7, 8, 7, 8, 7, 7], [0, 0, 8, 0, 8, 8, 0]):
            for spans in ([(2, 4)], [(3, 5), (5, 6)], [(0, 1), (4, 6)]):
                same_parts(
                    submission.t5_spans(ids, spans, SENTINELS),
                    cut(ids, spans, SENTINELS),
                    why="cut by position, ids[start:end]; do not search for the tokens, and do not mark them by a value",
                )

    def test_no_spans(self, submission, dice):
        """Without spans the inputs are the ids and the target is the first sentinel alone."""
        for ids in ([dice.randint(10, 899) for _ in range(5)], []):
            for sentinels in (SENTINELS, SENTINELS[:1]):
                same_parts(
                    submission.t5_spans(ids, [], sentinels),
                    (ids, SENTINELS[:1]),
                    why="nothing is cut, and the first unused sentinel ends the target",
                )

    def test_leaves_its_arguments_alone(self, submission, dice):
        """ids, spans and sentinels are the same after the call as before, and the results are new lists."""
        arguments = [dice.randint(10, 899) for _ in range(8)], [(5, 7), (1, 3)], SENTINELS[:3]
        kept = [submission.keep(value) for value in arguments]
        submission.t5_spans(*kept)
        for handle, before in zip(kept, arguments, strict=True):
            expect.equal(submission.value(handle), before, why="make new lists; sorted() does, .sort() and .pop() do not")
        for spans in ([], arguments[1]):
            after = submission.run(extended, submission.t5_spans, arguments[0], spans, SENTINELS[:3])
            expect.equal(
                list(after), [arguments[0], SENTINELS[:3]], why="the caller's lists grow with the results: copy them, also where there are no spans"
            )

    def test_refuses_spans_that_make_no_sense(self, submission):
        """Spans that overlap, are empty or reach outside are a ValueError."""
        ids = list(range(10, 18))
        same_parts(submission.t5_spans(ids, [(0, 8)], SENTINELS), cut(ids, [(0, 8)], SENTINELS))
        overlapping = [(1, 4), (3, 5)], [(0, 8), (2, 3)], [(4, 6), (0, 2), (5, 7)], [(1, 3), (1, 3)], [(1, 3), (1, 4)], [(6, 8), (2, 7)]
        outside = [(6, 9)], [(-3, 2)], [(-3, 8)], [(-3, -1)], [(8, 9)], [(0, 1), (9, 10)]
        for spans in (*overlapping, *outside, [(2, 2)], [(5, 4)], [(8, 8)], [(0, 0), (3, 4)]):
            expect.raises("ValueError", submission.t5_spans, ids, spans, SENTINELS)

    def test_refuses_too_few_sentinels(self, submission):
        """One sentinel a span and one more are enough; fewer are a ValueError, also without spans."""
        ids = list(range(10, 18))
        for spans in ([(1, 2), (4, 5)], [(3, 4)], []):
            enough = SENTINELS[: len(spans) + 1]
            same_parts(submission.t5_spans(ids, spans, enough), cut(ids, spans, enough))
            expect.raises("ValueError", submission.t5_spans, ids, spans, enough[:-1])
