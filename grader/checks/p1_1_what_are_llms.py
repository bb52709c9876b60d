"""Checks for p1_1_what_are_llms.

Definitions: Hinton et al. 2015, arXiv:1503.02531 (temperature) · Fan et al. 2018, arXiv:1805.04833
(top-k) · Holtzman et al. 2019, arXiv:1904.09751 (top-p). The oracles work on plain Python numbers.
"""

import functools
import itertools
import math

import pytest
import torch
from handbook.use_cases import USE_CASES

from grader.judge import Exercise, core, expect
from grader.judge.show import show

INF = float("inf")
SHAPES = [(4,), (4, 7), (2, 3, 6), (1, 4), (2, 1, 3, 5)]  # no two axes alike; the card shows a row of four in full
SHAPE_NAMES = ["one row", "a batch", "two batch axes", "a batch of one row", "three batch axes"]


def row_by_row(function, logits):
    """Apply a function of one list of numbers to every row of the last axis."""
    rows = [function(row) for row in logits.double().reshape(-1, logits.shape[-1]).tolist()]
    return torch.tensor(rows).reshape(logits.shape)


def with_ruled_out(logits):
    """The same scores, two of them -inf and two equal: what an answer may want to tidy up in place."""
    logits = logits.clone()
    logits[0, 1], logits[-1, 0], logits[0, 2] = -INF, -INF, logits[0, 3]
    return logits


def expect_untouched(submission, function, logits, *rest):
    """The function leaves the tensor that it is given as it came."""
    kept = submission.keep(logits)
    got = function(kept, *rest)
    expect.true(
        isinstance(got, torch.Tensor) and got.shape == logits.shape,
        "the result must be a tensor of the shape of logits",
        got=got,
    )
    after = submission.value(kept)
    expect.true(
        isinstance(after, torch.Tensor) and torch.equal(after, logits),
        "the caller's logits hold other numbers after the call",
        why="a method that ends in _, or an assignment into logits, changes the caller's tensor: work on a new one",
    )


def expect_filtered(got, want, why=""):
    """The filtered scores; the message says which token is wrongly ruled out or kept."""
    if isinstance(got, torch.Tensor) and got.shape == want.shape and got.is_floating_point() and not got.isnan().any():
        lost, left = (got == -INF) & (want != -INF), (want == -INF) & (got != -INF)
        for wrong, sentence in ((lost, "{} must stay, but it is -inf"), (left, "{} must be -inf, but it is not")):
            if wrong.any():
                first = wrong.nonzero()[0].tolist()
                score = f"{int(wrong.sum())} scores are wrong: the first, at {first}," if wrong.sum() > 1 else f"the score at {first}"
                raise expect.Mismatch(sentence.format(score), got=show(got), want=show(want), why=why)
    expect.close(got, want, atol=1e-6, rtol=1e-6, why=why)  # what stays keeps its score


# ---------------------------------------------------------------------------------------------- temperature


def softened(row, temperature):
    """The probabilities of one row, in double precision."""
    best = max(row)
    if temperature == 0:
        return [float(z == best) / row.count(best) for z in row]
    powers = [math.exp((z - best) / temperature) for z in row]
    return [power / sum(powers) for power in powers]


class TestNextTokenDistribution(Exercise, id="sampling-next-token-distribution"):
    """Exercise sampling-next-token-distribution."""

    def probe(self, submission):
        """Ordinary rows at several temperatures, extremes, ties, ruled-out tokens; and what is left of the argument."""
        f = submission.next_token_distribution
        x = torch.tensor([[2.0, 1.0, 0.0], [-1.0, 3.0, 2.5]])
        far_apart, tied = (
            torch.tensor([[900.0, 899.0], [-50.0, -900.0]]),
            torch.tensor([[3.0, 1.0, 3.0], [0.0, -1.0, -2.0]]),
        )
        ruled_out, kept = torch.tensor([1.0, -INF, 0.0]), submission.keep(x)
        nearly_tied, close = torch.tensor([4.0, 4.0 - 2e-6]), torch.tensor([0.003, 0.002, 0.0])
        warm = f(ruled_out, 2.0)
        return (
            f(x, 1.0),
            f(x, 0.5),
            f(kept, 3.0),
            submission.value(kept),
            f(far_apart, 0.001),
            f(far_apart, 1.0),
            f(tied, 0),
            warm,
            (warm == 0).tolist() if isinstance(warm, torch.Tensor) else None,
            f(ruled_out, 0),
            f(x, 1e6),
            f(x, -1.0),
            f(x, -0.001),
            f(x.reshape(1, 2, 3), 0.7),
            f(x, 0.0),
            f(1e4 * x, 1e6),
            f(nearly_tied, 0),
            f(close, 0.001),
            f(ruled_out, 1e6),
        )

    @core
    @pytest.mark.parametrize("shape", SHAPES, ids=SHAPE_NAMES)
    def test_divides_the_scores_before_the_softmax(self, submission, rng, dice, shape):
        """Each probability is what the formula says, at temperatures around 1."""
        for temperature in (1.0, 1, 2, round(dice.uniform(0.3, 0.8), 2), round(dice.uniform(1.5, 4.0), 2)):
            logits = (12 * torch.randn(shape, generator=rng)).round() / 4  # quarters: short to read on a card
            got = submission.next_token_distribution(logits, temperature)
            expect.close(
                got,
                row_by_row(lambda row, T=temperature: softened(row, T), logits),
                atol=1e-5,
                why="divide the scores, not the probabilities, and take the softmax over the last axis",
            )

    def test_a_low_temperature_leaves_the_best_alone(self, submission, rng):
        """At a temperature of 0.001 the best token has probability 1, and nothing overflows."""
        logits = (100 * torch.randn(4, 6, generator=rng)).clamp(-350, 350)
        logits[1] = (40 * logits[1]).clamp(min=-10_000)  # scores of any size that the docstring allows
        peaks = torch.tensor([[410.0], [9_900.0], [430.0], [440.0]]) + 20 * torch.rand(4, 1, generator=rng)
        logits.scatter_(-1, logits.argmax(-1, keepdim=True), peaks)
        logits[1, (logits[1].argmax() + 1) % 6] = 9_000.0
        expect.close(
            submission.next_token_distribution(logits, 0.001),
            row_by_row(lambda row: softened(row, 0), logits),
            atol=5e-7,
            rtol=0,  # e^0 / e^0 is 1 to the last digit
            why="exp of a large number is infinite: take each row's largest score away first, or use torch.softmax; and add nothing to the sum below the line",
        )

    def test_a_low_temperature_is_used_as_it_is(self, submission, dice):
        """At 0.001, scores that are only thousandths apart still share the probability."""
        row = [0.003, 0.002, 0.001, 0.0]
        dice.shuffle(row)
        expect.close(
            submission.next_token_distribution(torch.tensor(row), 0.001),
            torch.tensor(softened(row, 0.001)),
            atol=2e-3,  # logarithms of probabilities in single precision are off by 1e-7, a thousandfold here
            why="0.001 is a temperature like any other: only 0 needs a branch of its own, and nothing may be added to it",
        )

    def test_rows_far_apart_stay_ordinary(self, submission, rng):
        """Scores in the thousands, above or below zero, give ordinary probabilities in every row."""
        logits = torch.randn(3, 5, generator=rng) + torch.tensor([[9000.0], [0.0], [-9000.0]])
        expect.close(
            submission.next_token_distribution(logits, 1.0),
            row_by_row(lambda row: softened(row, 1.0), logits),
            atol=1e-3,
            why="the number taken away must be the row's own maximum",
        )

    def test_a_high_temperature_makes_all_equal(self, submission, rng):
        """At a temperature of 1,000,000 every token is equally likely."""
        logits = 5 * torch.randn(3, 8, generator=rng)
        expect.close(
            submission.next_token_distribution(logits, 1e6),
            torch.full((3, 8), 1 / 8),
            atol=1e-4,
            why="a high temperature flattens; do you multiply by it?",
        )

    def test_a_high_temperature_is_used_as_it_is(self, submission, dice):
        """At 100,000 and more, scores that are thousands apart still differ a little in probability."""
        row = [10_000.0, 4_000.0, 0.0, -10_000.0]
        dice.shuffle(row)
        for temperature in (1e5, 1e6):
            expect.close(
                submission.next_token_distribution(torch.tensor(row), temperature),
                torch.tensor(softened(row, temperature)),
                why="a high temperature is a temperature like any other: divide by it, and put no other number in its place",
            )

    def test_temperature_zero_is_the_limit(self, submission, rng, dice):
        """At 0 the highest score of each row gets everything, and scores that tie for it share equally."""
        logits = torch.randn(3, 6, generator=rng)
        logits[1, dice.sample(range(6), 3)] = 4.0
        logits[2] = -7.0
        for scores, zero in ((logits, 0), (logits[None].flip(-1), 0.0), (logits[1], 0.0), (logits[:1], 0), (logits[:, None], 0)):
            expect.close(
                submission.next_token_distribution(scores, zero),
                row_by_row(lambda row: softened(row, 0), scores),
                why="the limit of the softmax gives tied scores equal shares, in each row by itself; dividing by 0 or 0.0 gives NaN",
            )
        for gap in (2e-6, 2.4e-7):  # the second is one step of float32
            expect.close(
                submission.next_token_distribution(torch.tensor([4.0, 4.0 - gap, 1.0]), 0),
                torch.tensor([1.0, 0.0, 0.0]),
                why=f"the scores here are 4, {4 - gap} and 1: only equal scores tie, so ask for == and not for nearly equal",
            )

    def test_ruled_out_tokens_get_nothing(self, submission, rng, dice):
        """A score of -inf has probability 0, and the others share the rest, at every temperature, 0 included."""
        logits = torch.randn(2, 6, generator=rng)
        logits[0, dice.sample(range(6), 4)] = -INF
        for temperature in (0, 0.8, 2.0, 1e6):
            got = submission.next_token_distribution(logits, temperature)
            expect.close(
                got,
                row_by_row(lambda row, T=temperature: softened(row, T), logits),
                why="e to the power of -inf is 0 by itself: put no other number in the place of -inf",
            )
            expect.true(
                bool((got[logits == -INF] == 0).all()),
                f"at a temperature of {temperature} a score of -inf has a probability that is small, but not 0",
                got=got,
                why="a token that is ruled out can never be drawn: add nothing to a probability, and give no exponent a lower end",
            )

    def test_refuses_a_negative_temperature(self, submission):
        """A negative temperature raises ValueError, however near to 0 it is."""
        for temperature in (-0.5, -1e-3, -1, -1e6):
            expect.raises("ValueError", submission.next_token_distribution, torch.tensor([1.0, 2.0]), temperature)

    def test_leaves_the_scores_alone(self, submission, rng):
        """logits are the same after the call as before."""
        for temperature in (0.5, 0):
            logits = with_ruled_out(torch.randn(2, 4, generator=rng))
            expect_untouched(submission, submission.next_token_distribution, logits, temperature)


# ---------------------------------------------------------------------------------------------- top-k


def best_k(row, k):
    """One row with all but the k best ruled out, those that tie with the k-th kept."""
    kth = sorted(row, reverse=True)[min(k, len(row)) - 1]
    return [z if z >= kth else -INF for z in row]


def distinct(shape, rng):
    """Random scores, at least 0.1 apart within each row, some above and some below zero."""
    order = torch.rand(shape, generator=rng).argsort(-1).float()
    return (order - shape[-1] // 2) * torch.randint(1, 9, (*shape[:-1], 1), generator=rng) / 8  # eighths: short to read on a card


class TestTopK(Exercise, id="sampling-top-k"):
    """Exercise sampling-top-k."""

    def probe(self, submission):
        """Several k, ties at the border, more than there are, ruled-out scores; and what is left of the argument."""
        f = submission.top_k_filter
        x = torch.tensor([[0.5, -1.0, 2.0, 1.0, -3.0], [9.0, 8.0, 7.5, 6.0, 5.0]])
        tied, kept = torch.tensor([4.0, 1.0, 3.0, 4.0, 3.0, 3.0]), submission.keep(x)
        return (
            f(x, 1),
            f(x.flip(0), 2),
            f(torch.tensor([1.5, 1.5 - 1e-5, 2.0]), 2),
            f(torch.tensor([-300.0, 1.0, -200.0]), 2),
            f(torch.ones(3), 2),
            f(kept, 2),
            submission.value(kept),
            f(x, 5),
            f(x, 9),
            f(tied, 1),
            f(tied, 2),
            f(tied, 3),
            f(tied, 4),
            f(torch.tensor([1.0, -INF, -INF, 0.0]), 3),
            f(x.reshape(2, 1, 5), 3),
            f(x, 0),
            f(x, -2),
            f(-tied, 2),
        )

    @core
    @pytest.mark.parametrize("shape", SHAPES, ids=SHAPE_NAMES)
    def test_keeps_the_k_best_of_each_row(self, submission, rng, shape):
        """The k best of each row keep score and place, and every other score is -inf."""
        for k in (*range(1, shape[-1] + 1), 2):
            logits = distinct(shape, rng)
            expect_filtered(
                submission.top_k_filter(logits, k),
                row_by_row(lambda row, k=k: best_k(row, k), logits),
                why="each row has its own k best; what stays keeps score and place, and all others are exactly -inf",
            )

    def test_keeps_all_that_tie_with_the_kth(self, submission, dice):
        """Scores equal to the k-th highest all stay, and nothing below them does, however close."""
        for k in (1, 2, 3, 4, 5):
            row = [3.0, 3.0, 1.5, 1.5, 1.5, 0.0, -2.0]
            dice.shuffle(row)
            expect_filtered(
                submission.top_k_filter(torch.tensor(row), k),
                torch.tensor(best_k(row, k)),
                why="compare with the k-th highest score, counted with its repeats, instead of picking k places",
            )
        for gap in (1e-5, 1.2e-7):  # the second is one step of float32
            nearly = torch.tensor([1.5 - gap, 2.0, 1.5])
            expect_filtered(
                submission.top_k_filter(nearly, 2),
                torch.tensor([-INF, 2.0, 1.5]),
                why=f"the scores here are {1.5 - gap}, 2 and 1.5: only equal scores tie, nearly equal ones do not",
            )
        level = torch.full((2, 5), -1.25)
        expect_filtered(submission.top_k_filter(level, 2), level, why="all five are equal: they all stay")

    def test_compares_scores_however_far_apart(self, submission, dice):
        """Scores hundreds apart have an order too, though their probabilities are all 0."""
        row = [3.0, -200.0, -300.0, -450.0, -1000.0]
        dice.shuffle(row)
        for k in (1, 2, 3):
            expect_filtered(
                submission.top_k_filter(torch.tensor(row), k),
                torch.tensor(best_k(row, k)),
                why="compare the scores themselves: softmax rounds small probabilities to 0, and then they seem to tie",
            )

    def test_a_large_k_keeps_everything(self, submission, rng):
        """With k equal to V or larger nothing changes."""
        logits = torch.randn(2, 5, generator=rng)
        for k in (5, 6, 500):
            expect_filtered(submission.top_k_filter(logits, k), logits, why="there are only V scores: ask for min(k, V) of them")

    def test_what_was_ruled_out_stays_ruled_out(self, submission, dice):
        """Scores of -inf come out as -inf, also if fewer than k others are left."""
        row = [2.0, -INF, 1.0, -INF, -INF, -4.0]
        dice.shuffle(row)
        for k in (2, 3, 5):
            expect_filtered(
                submission.top_k_filter(torch.tensor(row), k),
                torch.tensor(best_k(row, k)),
                why="-inf is the lowest of all scores: if the k-th highest is -inf, every finite score stays",
            )

    def test_refuses_to_keep_nothing(self, submission):
        """A k below 1 raises ValueError."""
        for k in (0, -3):
            expect.raises("ValueError", submission.top_k_filter, torch.tensor([1.0, 2.0, 3.0]), k)

    def test_leaves_the_scores_alone(self, submission, rng):
        """logits are the same after the call as before."""
        expect_untouched(submission, submission.top_k_filter, with_ruled_out(torch.randn(2, 6, generator=rng)), 2)


# ---------------------------------------------------------------------------------------------- top-p


def nucleus(row, p):
    """One row with all outside the nucleus ruled out: a token stays if the strictly better ones hold less than p."""
    shares = softened(row, 1.0)
    before = [sum(share for share, other in zip(shares, row, strict=True) if other > z) for z in row]
    return [z if p == 1 or held < p else -INF for z, held in zip(row, before, strict=True)]


def scores_of(probabilities, dice, shift=0.0):
    """Scores whose softmax is these probabilities, in random order, and the order."""
    order = list(range(len(probabilities)))
    dice.shuffle(order)
    return torch.tensor([math.log(probabilities[i]) + shift for i in order])


class TestTopP(Exercise, id="sampling-top-p"):
    """Exercise sampling-top-p."""

    def probe(self, submission):
        """Several p, sure and unsure rows, ties, large scores, everything kept; and what is left of the argument."""
        f = submission.top_p_filter
        x = torch.tensor([[0.2, 0.5, 0.05, 0.25], [0.01, 0.02, 0.95, 0.02], [0.4, 0.1, 0.3, 0.2]]).log()
        tied, sure = torch.tensor([0.2, 0.3, 0.2, 0.1, 0.2]).log(), torch.tensor([500.0, 0.0, -500.0])
        kept = submission.keep(x)
        return (
            f(x, 0.6),
            f(kept, 0.45),
            submission.value(kept),
            f(x, 0.001),
            f(x, 0.9),
            f(x, 1.0),
            f(tied, 0.4),
            f(tied, 0.75),
            f(sure, 1.0),
            f(sure, 0.5),
            f(torch.zeros(4), 0.3),
            f(torch.tensor([0.0, math.log(2), 0.0]), 0.5),
            f(torch.tensor([1.5, 1.5 - 1e-5]), 0.3),
            f(torch.tensor([9.0, 1.0, 0.0]), 0.9998),
            f(torch.tensor([[3.0, 1.0, 0.0], [0.5, -3.0, 1.0]]), 0.7),
            f(x + 700, 0.7),
            f(x + torch.tensor([[900.0], [-900.0], [0.0]]), 0.7),
            f(torch.tensor([0.0, -INF, 1.0]), 0.9),
            f(x[0], 0.7),
            f(x[:, None], 0.35),
            f(x, 0.0),
            f(x, 1.5),
            f(x, -0.2),
        )

    @core
    @pytest.mark.parametrize("size", [4, 8], ids=["four tokens", "eight tokens"])
    def test_keeps_the_smallest_set_that_reaches_p(self, submission, dice, size):
        """The likeliest tokens stay until together they reach p, the one that crosses p included, in their places."""
        ratio = dice.uniform(0.6, 0.75)
        total = sum(ratio**i for i in range(size))
        shares = [ratio**i / total for i in range(size)]
        for count in (*range(1, size), 2):
            p = round(sum(shares[:count]) - shares[count - 1] / 2, 3)  # halfway through the last one: no rounding matters
            logits = scores_of(shares, dice, shift=dice.choice((-2.0, 3.0)))
            expect_filtered(
                submission.top_p_filter(logits, p),
                row_by_row(lambda row, p=p: nucleus(row, p), logits),
                why="what counts is how much the likelier tokens hold before a token; and put back what you sorted",
            )

    @core
    @pytest.mark.parametrize("shape", SHAPES[1:], ids=SHAPE_NAMES[1:])
    def test_each_row_has_its_own_nucleus(self, submission, dice, shape):
        """A sure row keeps one token while an unsure one beside it keeps many."""
        count, size = math.prod(shape[:-1]), shape[-1]
        rest = [0.02 + i / 100 for i in range(size - 1)]
        rows = [
            scores_of([0.9] + [share / 10 / sum(rest) for share in rest], dice) if row % 2 else distinct_shares(size, dice) for row in range(count)
        ]
        logits = torch.stack(rows).reshape(shape)
        for p in (0.7, 0.35):
            expect_filtered(
                submission.top_p_filter(logits, p),
                row_by_row(lambda row, p=p: nucleus(row, p), logits),
                why="softmax, sum and threshold belong to one row of the last axis; and p bounds a sum, not each probability",
            )
        twice = torch.tensor([[3.0, 1.0, 0.0], [0.5, -3.0, 1.0]])
        expect_filtered(
            submission.top_p_filter(twice, 0.7),
            torch.tensor([[3.0, -INF, -INF], [0.5, -INF, 1.0]]),
            why="the score 1 stands in both rows, and only in the second is it in the nucleus: each row by itself",
        )

    def test_always_keeps_the_best(self, submission, dice):
        """A tiny p keeps the best token, and so does a p that the best token reaches alone."""
        logits = scores_of([0.8, 0.1, 0.06, 0.04], dice)
        for p in (1e-6, 0.01, 0.5, 0.79):
            expect_filtered(
                submission.top_p_filter(logits, p),
                torch.tensor(nucleus(logits.tolist(), p)),
                why="the token that crosses p stays; without it the best one would go first",
            )

    def test_a_p_near_one_still_cuts(self, submission, dice):
        """A p close to 1 keeps nearly everything and cuts the last of the tail."""
        logits = scores_of([0.6, 0.2, 0.1, 0.06, 0.03, 0.008, 0.0017, 0.00022, 0.00008], dice)
        for p in (0.93, 0.975, 0.994, 0.9986, 0.9998, 0.99996):
            expect_filtered(
                submission.top_p_filter(logits, p),
                torch.tensor(nucleus(logits.tolist(), p)),
                why="the set is complete as soon as it reaches p; until then every token stays, however unlikely",
            )

    def test_p_is_used_as_it_is(self, submission, dice):
        """A p a hundred-thousandth below what the likelier tokens hold cuts the next one; a p as much above keeps it."""
        logits = scores_of([0.50003, 0.25001, 0.15003, 0.09993], dice)
        for total in (0.50003, 0.75004, 0.90007):
            for p in (total - 1e-5, total + 1e-5):
                expect_filtered(
                    submission.top_p_filter(logits, p),
                    torch.tensor(nucleus(logits.tolist(), p)),
                    why="add nothing to p, and do not round the probabilities or their sums",
                )

    def test_a_set_that_reaches_p_exactly_is_complete(self, submission, dice):
        """If the likelier tokens hold exactly p, the next one goes."""
        logits = [math.log(2), 0.0, 0.0]  # one half, a quarter, a quarter; in float32 log(2) is a trifle above
        dice.shuffle(logits)
        expect_filtered(
            submission.top_p_filter(torch.tensor(logits), 0.5),
            torch.tensor([z if z > 0 else -INF for z in logits]),
            why="the best token holds 0.5, which is not less than 0.5: compare with <, not with <=",
        )

    def test_equal_scores_stay_or_go_together(self, submission, dice):
        """Tokens with equal scores share one fate."""
        for p in (0.15, 0.4, 0.6, 0.85, 0.97):
            logits = scores_of([0.3, 0.2, 0.2, 0.2, 0.05, 0.05], dice)
            expect_filtered(
                submission.top_p_filter(logits, p),
                torch.tensor(nucleus(logits.tolist(), p)),
                why="a sort puts equal scores in some order, but none of them is better than the other",
            )
        level = torch.full((5,), 1.25)
        expect_filtered(submission.top_p_filter(level, 0.3), level, why="all five are equal: they all stay")
        nearly = torch.tensor([1.5 - 1e-5, 0.0, 1.5])
        expect_filtered(
            submission.top_p_filter(nearly, 0.3),
            torch.tensor([-INF, -INF, 1.5]),
            why="the scores here are 1.49999, 0 and 1.5: only equal scores share one fate, nearly equal ones do not",
        )

    def test_only_differences_between_scores_count(self, submission, dice):
        """A number added to all scores of a row changes nothing about who stays, and rows may lie far apart."""
        shares = [0.5, 0.25, 0.15, 0.1]
        for shifts in ((-700.0,), (900.0,), (-900.0, 900.0, 0.0)):
            logits = torch.stack([scores_of(shares, dice, shift) for shift in shifts])
            expect_filtered(
                submission.top_p_filter(logits, 0.6),
                row_by_row(lambda row: nucleus(row, 0.6), logits),
                why="take the softmax, not just the exponential: that overflows, or vanishes",
            )

    def test_p_of_one_keeps_everything(self, submission, rng):
        """With p = 1 nothing changes, not even for tokens whose probability is too small to see."""
        logits = torch.cat([torch.randn(2, 5, generator=rng), torch.tensor([[-90.0, -400.0], [60.0, -1000.0]])], dim=-1)
        for p in (1.0, 1):
            expect_filtered(submission.top_p_filter(logits, p), logits, why="sums near 1 are rounded; p = 1 needs a branch of its own")

    def test_what_was_ruled_out_stays_ruled_out(self, submission, dice):
        """Scores of -inf come out as -inf and hold no probability, p = 1 included."""
        logits = torch.cat([scores_of([0.6, 0.3, 0.1], dice), torch.tensor([-INF, -INF])])[torch.tensor([3, 0, 1, 4, 2])]
        for p in (0.5, 0.8, 1.0):
            expect_filtered(
                submission.top_p_filter(logits, p),
                torch.tensor(nucleus(logits.tolist(), p)),
                why="-inf has probability 0; do not calculate with it, for 0 times -inf is NaN",
            )

    def test_refuses_a_p_outside_its_range(self, submission):
        """p must be above 0 and at most 1; anything else raises ValueError."""
        for p in (0.0, -0.2, 1.001, 90):
            expect.raises("ValueError", submission.top_p_filter, torch.tensor([1.0, 2.0, 3.0]), p)

    def test_leaves_the_scores_alone(self, submission, rng):
        """logits are the same after the call as before."""
        for p in (0.5, 1.0):
            expect_untouched(submission, submission.top_p_filter, with_ruled_out(torch.randn(2, 6, generator=rng)), p)


def distinct_shares(size, dice):
    """Scores of a flat row: probabilities that differ a little, and whose sums keep away from 0.35 and 0.7."""
    while True:
        weights = [1 + dice.random() for _ in range(size)]
        shares = sorted((weight / sum(weights) for weight in weights), reverse=True)
        sums = list(itertools.accumulate(shares))
        apart = all(left - right > 1e-3 for left, right in itertools.pairwise(shares))
        if apart and all(abs(total - p) > 1e-3 for total in sums for p in (0.35, 0.7)):
            return scores_of(shares, dice)


# ---------------------------------------------------------------------------------------------- the loop

SPREAD = 50  # ids are 0, 50, … 1100: far enough for two equal ones not to be the same object
VOCABULARY = range(0, 23 * SPREAD, SPREAD)


def next_ids(ids, factor):
    """The best and the second-best id after a list of ids: it depends on all of them, their order and their number."""
    mixed = 0
    for index in ids:
        mixed = (mixed * factor + index // SPREAD + 1) % 1009
    best = (mixed + len(ids)) % 23
    return SPREAD * best, SPREAD * ((best + 1 + mixed % 7) % 23)


def make_step(factor):
    """A model for the far side: it records what it reads and says, and stops a loop that never ends."""

    class Step:
        def __init__(self):
            self.read, self.returned, self.odd = [], [], ""

        def __call__(self, ids):
            if len(self.read) >= 150:
                raise RuntimeError("step was called 150 times for fewer tokens: the loop does not end")
            if type(ids) is not list or any(type(index) is not int for index in ids):
                self.odd = f"a {type(ids).__name__}: {ids!r:.60}"
            ids = [int(index) for index in ids]
            self.read.append(ids)
            mixed = 0
            for index in ids:
                mixed = (mixed * factor + index // 50 + 1) % 1009
            best = (mixed + len(ids)) % 23
            scores = torch.arange(1101.0) / 1000
            scores[50 * best], scores[50 * ((best + 1 + mixed % 7) % 23)] = 9.0, 5.0
            self.returned.append(scores.tolist())
            return scores

    return Step()


def make_sampler(place):
    """A sampler for the far side that takes the best (0) or the second best (1), and records its scores."""

    class Sampler:
        def __init__(self):
            self.received, self.peaks = [], []

        def __call__(self, scores):
            self.received.append(scores.tolist())
            self.peaks.append(max(self.received[-1]))
            return int(scores.argsort(descending=True)[place])

    return Sampler()


def make_parrot():
    """A model for the far side that always wants id 400."""
    return lambda ids: torch.nn.functional.one_hot(torch.tensor(400), 1101).float()


def make_failing_step(good):
    """A model for the far side that breaks down after some calls."""
    calls = []

    def step(ids):
        calls.append(1)
        if len(calls) > good:
            raise ArithmeticError("the model broke down")
        return torch.arange(1101.0)

    return step


def gives_back_its_argument(generate, step, sampler):
    """Far side: whether the result for no new tokens is the very list that came in."""
    prompt = [250, 200]
    return generate(step, prompt, 0, None, sampler) is prompt


def continued(prompt, count, eos_id, factor, place=0):
    """What the loop must return."""
    ids = list(prompt)
    for _ in range(count):
        ids.append(next_ids(ids, factor)[place])
        if ids[-1] == eos_id:
            break
    return ids


def run_generate(submission, prompt, count, eos_id, factor, place=0):
    """Call the learner's loop; returns its result, what step read, and how often the sampler was called."""
    step, sampler = submission.run(make_step, factor), submission.run(make_sampler, place)
    result = submission.generate(step, prompt, count, eos_id, sampler)
    return result, step.read, len(sampler.received)


def first_four(scores):
    return f"[{', '.join(f'{score:.4g}' for score in scores[:4])}, …]"


def expect_reads(read, want):
    """step was called with these lists, one after the other."""
    expect.true(len(read) == len(want), f"step was called {len(read)} times for {len(want)} new tokens",
                why="each new token needs one call of step; keep what it returns")
    for number, (mine, theirs) in enumerate(zip(read, want, strict=True), start=1):
        expect.true(mine == theirs, f"call {number} of step read {show(mine)}, and not {show(theirs)}",
                    why="step reads the prompt and every new token so far")


def prompt_from(dice, length):
    return [dice.choice(VOCABULARY) for _ in range(length)]


def prompt_that_passes_by(dice, factor, *, count=5):
    """A prompt and an id that is the best at the second new place, where the second best is chosen, and never chosen."""
    while True:
        prompt = prompt_from(dice, 3)
        chosen = continued(prompt, count, None, factor, place=1)
        best = next_ids(chosen[:4], factor)[0]
        if best not in chosen:
            return prompt, best


def prompt_that_reaches(dice, wanted, factor, *, after=3, before=7, within=8):
    """A prompt without `wanted` whose continuation first has it at new token number `after` or later, up to `before` - 1."""
    while True:
        prompt = [index for index in prompt_from(dice, 4) if index != wanted]
        new = continued(prompt, within, None, factor)[len(prompt) :]
        if prompt and wanted in new[: before - 1] and new.index(wanted) >= after - 1:
            return prompt


class TestGenerate(Exercise, id="generation-loop"):
    """Exercise generation-loop."""

    def probe(self, submission):
        """Ends by number, by eos, by eos 0, not by an eos in the prompt; no new tokens; and the prompt afterwards."""
        cases = [([3, 4], 4, None, 0), ([5], 6, 19, 0), ([1, 2, 3], 0, None, 0), ([5, 16], 3, 16, 0), ([16, 5], 3, 16, 0)]
        cases += [([7, 1, 7], 3, None, 1), ([2], 8, 0, 0), ([2], 8, None, 0), ([9, 9], 1, 5, 1), ([0, 3], 8, 0, 0), ([2], 5, 12, 1), ([2], 8, 20, 0)]
        seen = []
        for places, count, eos_id, place in cases:
            prompt, eos_id = [SPREAD * index for index in places], eos_id and SPREAD * eos_id
            step, sampler = submission.run(make_step, 31), submission.run(make_sampler, place)
            kept = submission.keep(prompt)
            result = submission.generate(step, kept, count, eos_id, sampler)
            peaks = sampler.peaks
            seen.append((result, step.read, peaks, submission.value(kept), step.odd[:7]))
        step, sampler = submission.run(make_step, 31), submission.run(make_sampler, 0)
        same = submission.run(gives_back_its_argument, submission.generate, step, sampler)
        parrot, failing = submission.run(make_parrot), submission.run(make_failing_step, 2)
        again = [submission.generate(parrot, prompt, 8, None, sampler) for prompt in ([100], [250])]
        return seen, same, again, submission.generate(failing, [100], 3, None, sampler)

    @core
    def test_appends_one_token_after_the_other(self, submission, dice):
        """The result is the prompt, then the tokens that step and sampler choose, each from everything before it."""
        for length, count in ((1, 5), (3, 4), (6, 7)):
            prompt, factor = prompt_from(dice, length), dice.randrange(20, 60)
            got, _, _ = run_generate(submission, prompt, count, None, factor)
            expect.equal(
                got,
                continued(prompt, count, None, factor),
                why="step must read all ids so far, and the result starts with the prompt",
            )

    def test_asks_no_more_than_it_needs(self, submission, dice):
        """step reads the prompt, then one token more each time, and both are called once for each new token."""
        prompt, factor = prompt_from(dice, 3), dice.randrange(20, 60)
        _, read, calls = run_generate(submission, prompt, 4, None, factor)
        whole = continued(prompt, 4, None, factor)
        expect_reads(read, [whole[: 3 + i] for i in range(4)])
        expect.true(calls == 4, f"for 4 new tokens the sampler was called {calls} times", why="keep what it returns in a variable")

    def test_the_sampler_chooses(self, submission, dice):
        """A sampler that takes the second best gets the second best each time."""
        prompt, factor = prompt_from(dice, 2), dice.randrange(20, 60)
        got, _, _ = run_generate(submission, prompt, 5, None, factor, place=1)
        expect.equal(
            got,
            continued(prompt, 5, None, factor, place=1),
            why="the choice is the sampler's; do you take the best yourself?",
        )

    def test_hands_the_scores_over_as_they_are(self, submission, dice):
        """The sampler gets exactly what step returned."""
        step, sampler = submission.run(make_step, 31), submission.run(make_sampler, 0)
        submission.generate(step, prompt_from(dice, 2), 3, None, sampler)
        returned, received = step.returned, sampler.received
        expect.true(len(received) == 3, f"for 3 new tokens the sampler was called {len(received)} times")
        for mine, theirs in zip(received, returned, strict=True):
            expect.true(
                len(mine) == len(theirs) and all(abs(a - b) < 1e-6 for a, b in zip(mine, theirs, strict=True)),
                f"step returned {first_four(theirs)}, and the sampler got {first_four(mine)}",
                why="softmax and filters are the sampler's business",
            )

    @core
    @pytest.mark.parametrize("eos_id", [1050, 0], ids=["some id", "id 0"])
    def test_ends_with_the_end_token(self, submission, dice, eos_id):
        """When eos_id is chosen it is kept as the last id, nothing follows, and step is not asked again."""
        factor = dice.randrange(20, 60)
        prompt = prompt_that_reaches(dice, eos_id, factor)
        want = continued(prompt, 12, eos_id, factor)
        got, read, _ = run_generate(submission, prompt, 12, eos_id, factor)
        expect.equal(got, want, why="append the token first, then compare it with eos_id by ==, for `is` asks for the same object; 0 is an id like all others")
        expect.true(len(read) == len(want) - len(prompt), f"step was called {len(read)} times for {len(want) - len(prompt)} new tokens",
                    why="after eos_id step is not asked again")
        prompt = prompt_that_reaches(dice, eos_id, factor, after=1, before=2)
        got, _, _ = run_generate(submission, prompt, 5, eos_id, factor)
        expect.equal(got, [*prompt, eos_id], why="the very first new token may be the end, like any other")

    def test_only_the_chosen_token_ends_it(self, submission, dice):
        """If eos_id has the best score and the sampler takes another token, the text goes on."""
        factor = dice.randrange(20, 60)
        prompt, passed_by = prompt_that_passes_by(dice, factor)
        got, _, _ = run_generate(submission, prompt, 5, passed_by, factor, place=1)
        expect.equal(got, continued(prompt, 5, None, factor, place=1), why="compare the id that the sampler returned with eos_id, not the scores")

    def test_an_end_token_in_the_prompt_ends_nothing(self, submission, dice):
        """Only a new eos_id ends the text, not one that stands in the prompt, last or first."""
        factor = dice.randrange(20, 60)
        prompt = prompt_from(dice, 3)
        while {prompt[0], prompt[-1]} & set(continued(prompt, 3, None, factor)[3:]):
            prompt = prompt_from(dice, 3)
        for eos_id in (prompt[-1], prompt[0]):
            got, _, _ = run_generate(submission, prompt, 3, eos_id, factor)
            expect.equal(got, continued(prompt, 3, None, factor), why="look at the new token only, not at the whole list")

    def test_without_an_end_token_nothing_ends_it(self, submission, dice):
        """With eos_id=None, or one that is never chosen, the loop goes on to max_new_tokens, through 0 and repeated ids."""
        factor = dice.randrange(20, 60)
        prompt = prompt_that_reaches(dice, 0, factor)
        got, _, _ = run_generate(submission, prompt, 9, None, factor)
        expect.equal(got, continued(prompt, 9, None, factor), why="None is no id: nothing may end the text early")
        got, _, _ = run_generate(submission, prompt, 9, 777, factor)
        expect.equal(got, continued(prompt, 9, None, factor), why="777 is never chosen here, and no other id may end the text")
        got = submission.generate(submission.run(make_parrot), [400, 400], 5, None, submission.run(make_sampler, 0))
        expect.equal(got, [400] * 7, why="this step always wants 400; a text that repeats itself goes on like any other")

    def test_lets_errors_through(self, submission, dice):
        """If step raises an error, the caller sees it, and no shorter text comes back in its place."""
        step = submission.run(make_failing_step, 2)
        expect.raises("ArithmeticError", submission.generate, step, prompt_from(dice, 2), 5, None, submission.run(make_sampler, 0),
                      why="catch nothing: half a text without a word of warning is worse than an error")

    def test_each_call_starts_anew(self, submission, dice):
        """The same prompt with another step gives another text: nothing is left over from an earlier call."""
        prompt, factor = prompt_from(dice, 3), dice.randrange(20, 40)
        for other in (factor, factor + 7, factor):
            got, _, _ = run_generate(submission, list(prompt), 5, None, other)
            expect.equal(got, continued(prompt, 5, None, other), why="keep nothing from one call to the next: step decides, and here it is another one")

    def test_no_new_tokens_are_none(self, submission, dice):
        """With max_new_tokens = 0 the prompt comes back and nothing is asked; with 1 there is one more id."""
        prompt, factor = prompt_from(dice, 4), dice.randrange(20, 60)
        got, read, calls = run_generate(submission, prompt, 0, None, factor)
        expect.equal(got, prompt, why="0 is a number of tokens like any other: ask whether one is wanted before you make it")
        expect.true(
            (len(read), calls) == (0, 0),
            f"no token is wanted, and step was called {len(read)} times, the sampler {calls} times",
        )
        got, _, _ = run_generate(submission, prompt, 1, None, factor)
        expect.equal(got, continued(prompt, 1, None, factor))

    def test_takes_and_returns_lists_of_ints(self, submission, dice):
        """step gets a list of ints; the result is a new list of ints, also with max_new_tokens = 0."""
        step, sampler = submission.run(make_step, 31), submission.run(make_sampler, 0)
        same = submission.run(gives_back_its_argument, submission.generate, step, sampler)
        submission.generate(step, [250, 200], 0, None, sampler)  # the call that the card shows
        expect.true(same is False, "with max_new_tokens = 0 the caller's own list came back", why="return a copy, so that the caller may change it")
        got = submission.generate(step, prompt_from(dice, 2), 3, None, sampler)
        expect.true(not step.odd, f"step takes a list of ints, and got {step.odd}", why="hand over the list of all ids so far, as it is")
        expect.true(
            isinstance(got, list) and len(got) == 5 and all(type(index) is int for index in got),
            "the result must be a list of 5 ints",
            got=got,
            why="append what the sampler returned, as it is",
        )

    def test_leaves_the_prompt_alone(self, submission, dice):
        """The caller's list is the same after the call as before."""
        prompt, factor = prompt_from(dice, 3), dice.randrange(20, 60)
        kept = submission.keep(prompt)
        got, _, _ = run_generate(submission, kept, 4, None, factor)
        expect.true(
            isinstance(got, list) and len(got) == 7,
            "the result must be a list of 7 ids: three of the prompt, four new ones",
            got=got,
        )
        after = submission.value(kept)
        expect.true(after == prompt, f"the caller's list was {prompt} before the call and is {show(after)} after it",
                    why="append and += change the caller's list: work on a copy")


# ---------------------------------------------------------------------------------------------- use cases

FIELDS = {
    "personal_data": (True, False),
    "runs_on": ("own servers", "contracted provider", "public service"),
    "harm": ("low", "high"),
    "final_say": ("person", "model"),
    "exact_rule": (True, False),
    "checkable": (True, False),
}
FULL_CARDS = [dict(zip(FIELDS, values, strict=True)) for values in itertools.product(*FIELDS.values())]
UNKNOWN = "insufficient information"


def decide(facts):
    """The five rules, on a card without gaps."""
    if (facts["personal_data"], facts["runs_on"]) == (True, "public service") or (
        facts["harm"],
        facts["final_say"],
    ) == ("high", "model"):
        return "reject"
    if facts["exact_rule"] is True:
        return "use a program"
    return "human review" if facts["harm"] == "high" or facts["checkable"] is False else "go ahead"


def triage(card):
    """The decision on any card: that of all full cards which agree with it."""
    return triage_facts(tuple(card.get(field) for field in FIELDS))


@functools.cache
def triage_facts(facts):
    """The same by the six facts in order; there are 972 ways to know or not to know them, and a class asks for all of them each time."""
    known = {field: fact for field, fact in zip(FIELDS, facts, strict=True) if fact is not None}
    decisions = {decide(full) for full in FULL_CARDS if known.items() <= full.items()}
    return decisions.pop() if len(decisions) == 1 else UNKNOWN


EXTRAS = {"owner": None, "budget": 12_000, "risk": "high", "approved": True, "deadline": "", "notes": "public service"}


def labelled(facts, title, dice):
    """A card: facts under a title and an industry, with two fields that never decide, in random order."""
    extras = dict(dice.sample(list(EXTRAS.items()), 2))
    card = {"title": title["title"], "industry": title["industry"], **extras, **facts}
    return dict(dice.sample(list(card.items()), len(card)))


def with_gaps(facts, names, dice):
    """The same facts with some fields unknown: left out, or None."""
    kept = {field: value for field, value in facts.items() if field not in names}
    return {**kept, **{field: None for field in names if dice.random() < 0.5}}


def expect_decisions(submission, cards, why=""):
    """The decision on each card; the message lists the facts, which the call line has no room for."""
    for card, got in zip(cards, submission.each("triage_use_case", [(card,) for card in cards]), strict=True):
        want = triage(card)
        if isinstance(got, str) and got != want:
            facts = ", ".join(f"{field} {'unknown' if card.get(field) is None else card[field]}" for field in FIELDS)
            raise expect.Mismatch(f"wrong decision for: {facts}", got=show(got), want=show(want), why=why)
        expect.equal(got, want, why=why)


def gap_cards(dice, wanted, count):
    """Cards with one to four unknown fields whose decision passes `wanted`, with facts drawn anew."""
    found = []
    while len(found) < count:
        facts = with_gaps(dice.choice(FULL_CARDS), dice.sample(list(FIELDS), dice.randrange(1, 5)), dice)
        if wanted(triage(facts)):
            found.append(labelled(facts, dice.choice(USE_CASES), dice))
    return found


def only_together():
    """Two-gap cards where only both missing facts together change the decision, for either way to guess the other gap."""
    calm = {"personal_data": False, "runs_on": "own servers", "harm": "low", "final_say": "person", "exact_rule": True, "checkable": True}
    pairs = [("personal_data", "runs_on"), ("harm", "final_say")]
    return [{field: value for field, value in calm.items() if field not in pair} for pair in pairs]


def initial(decision):
    """One letter for each decision, so that a fingerprint of hundreds of cards stays small."""
    return decision[0] if isinstance(decision, str) and decision else "?"


class TestTriage(Exercise, id="use-cases-triage"):
    """Exercise use-cases-triage."""

    def probe(self, submission):
        """The sixteen cards, all full cards, cards with one gap and with many; and one card afterwards."""
        cards = [*USE_CASES, *FULL_CARDS]
        for gap, first in zip(FIELDS, range(6), strict=True):
            cards += [{field: value for field, value in full.items() if field != gap} for full in FULL_CARDS[first::11]]
            cards += [{**full, gap: None} for full in FULL_CARDS[first::13]]
        calm = {"personal_data": False, "runs_on": "own servers", "harm": "low", "final_say": "person"}
        calm |= {"exact_rule": False, "checkable": True}
        cards += [{**calm, "owner": None}]
        cards += [{"title": "Letters", "industry": name, **calm} for name in ("healthcare", "finance", "support", "law")]
        cards += [{}, {"personal_data": True, "runs_on": "public service"}, {"harm": "high", "final_say": "model"}]
        cards += [*only_together(), {"exact_rule": True}, {"harm": "low", "personal_data": False, "exact_rule": True}]
        cards += [{"runs_on": "public service", "harm": "high", "exact_rule": False, "checkable": True}]
        kept = submission.keep({"title": "Letters", "harm": "low", "runs_on": None})
        letters = "".join(map(initial, submission.each("triage_use_case", [(card,) for card in cards])))
        return letters, submission.triage_use_case(kept), submission.value(kept)

    @core
    def test_decides_by_the_rules(self, submission, dice):
        """Cards without gaps, facts drawn anew under every title, get the decision of the first rule that applies."""
        cards = []
        for title in USE_CASES:
            for decision in ("reject", "use a program", "human review", "go ahead"):
                cards.append(labelled(dice.choice([full for full in FULL_CARDS if decide(full) == decision]), title, dice))
        expect_decisions(submission, cards, "ask the five rules in their order, and stop at the first that applies")

    def test_hard_constraints_come_first(self, submission, dice):
        """Personal data in a public service, or high harm with the model's final say, is rejected, come what may."""
        cards = [
            labelled({**dice.choice(FULL_CARDS), **broken, "exact_rule": exact_rule, "checkable": checkable}, dice.choice(USE_CASES), dice)
            for broken in (
                {"personal_data": True, "runs_on": "public service", "harm": "low"},
                {"harm": "high", "final_say": "model", "runs_on": "own servers"},
            )
            for exact_rule, checkable in itertools.product((True, False), repeat=2)
        ]
        expect_decisions(submission, cards, "no later rule and no advantage outweighs a hard constraint")

    def test_each_half_of_a_hard_constraint_is_harmless_alone(self, submission, dice):
        """Personal data elsewhere, a public service without it, or high harm with a person, is not rejected."""
        fine = [
            full
            for full in FULL_CARDS
            if decide(full) != "reject"
            and (full["personal_data"] or full["runs_on"] == "public service" or full["harm"] == "high" or full["final_say"] == "model")
        ]
        expect_decisions(
            submission,
            [labelled(facts, dice.choice(USE_CASES), dice) for facts in dice.sample(fine, 24)],
            "a contracted provider is no public service; one fact alone breaks no hard constraint",
        )

    def test_the_title_never_decides(self, submission, dice):
        """The same facts get the same decision under every title, in every industry, with any other field or none."""
        cards = []
        for facts in dice.sample(FULL_CARDS, 6):
            cards += [labelled(facts, title, dice) for title in USE_CASES]
            cards += [{**facts, name: value} for name, value in EXTRAS.items()]
            cards.append(facts)
        expect_decisions(submission, cards, "decide from the six fields; words in the title and other fields prove nothing")

    def test_asks_when_a_deciding_fact_is_missing(self, submission, dice):
        """If the unknown fields could change the decision, it is "insufficient information"."""
        expect_decisions(
            submission,
            gap_cards(dice, lambda decision: decision == UNKNOWN, 20),
            "unknown is not False: the missing fact could change the decision",
        )
        expect_decisions(
            submission,
            [labelled(facts, dice.choice(USE_CASES), dice) for facts in only_together()],
            "neither gap changes the decision alone, but both together do: try every combination",
        )

    def test_decides_when_the_missing_fact_does_not_matter(self, submission, dice):
        """If every way to fill the gaps leads to the same decision, that is the decision."""
        expect_decisions(
            submission,
            gap_cards(dice, lambda decision: decision != UNKNOWN, 24),
            "try all values of the missing fields: do the decisions differ?",
        )
        bare = [{"personal_data": True, "runs_on": "public service"}, {"harm": "high", "final_say": "model"}]
        expect_decisions(submission, bare, "a broken hard constraint is certain, whatever else is missing")

    def test_absent_and_none_are_the_same(self, submission, dice):
        """A field that is left out and one that is None are both unknown; an empty card is not enough."""
        cards = []
        for facts in dice.sample(FULL_CARDS, 6):
            gap = dice.choice(list(FIELDS))
            without = {field: value for field, value in facts.items() if field != gap}
            cards += [without, {**without, gap: None}]
        expect_decisions(submission, cards, "card.get(field) is None for both kinds of gap")
        expect_decisions(
            submission, [{}, dict.fromkeys(FIELDS), {"title": "Anything", "industry": "law"}], "here every decision is still possible"
        )

    def test_leaves_the_card_alone(self, submission, dice):
        """The card is the same after the call as before."""
        facts = {**dice.choice(FULL_CARDS), "harm": None, "final_say": None}
        card = labelled({field: value for field, value in facts.items() if field != "checkable"}, USE_CASES[0], dice)
        kept = submission.keep(card)
        decision = submission.triage_use_case(kept)
        expect.true(isinstance(decision, str), "the result must be one of the five decisions, a str", got=decision)
        after = submission.value(kept)
        changed = [field for field in {**card, **after} if field not in card or field not in after or card[field] != after[field]]
        expect.true(not changed, f"after the call the caller's card differs in {', '.join(changed)}",
                    why="filling a gap changed the caller's card: work on a copy")
        expect.true(list(after) == list(card), "after the call the fields of the caller's card stand in another order", why="work on a copy")
