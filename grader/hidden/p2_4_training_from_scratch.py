"""Further checks for p2_4_training_from_scratch that a learner's copy leaves out."""

import math

import torch

from grader.checks.p2_4_training_from_scratch import (
    PLAIN,
    POOR,
    RICH,
    clip_all,
    compare_clips,
    compare_decisions,
    compare_files,
    compare_halving,
    compare_rates,
    compare_runs,
    compare_steps,
    compare_walk,
    gradients,
    loss_curve,
    micro_batch,
    padding_counts,
    played,
    random_card,
    script_of,
    some_grads,
    watched,
    with_base,
    wrong_with,
)
from grader.judge import Exercise, expect


class TestHiddenSchedule(Exercise, id="training-lr-schedule", hidden=True):
    def test_long_runs(self, submission, dice):
        """Long runs, large peaks and a floor above the first steps of the warm-up work too."""
        runs = [(100_000, 2000, 6e-4, 6e-5), (30, 20, 5.0, 4.0), (400, 399, 0.1, 0.05), (17, 1, 1e-5, 0.0)]
        cases = [(step, *run) for run in runs for step in (0, 1, run[1] - 1, run[1], run[1] + 1, (run[0] + run[1]) // 2, run[0] - 2, run[0] - 1, run[0], 3 * run[0]) if step >= 0]
        compare_rates(submission, cases, "the same rule at every length")


class TestHiddenAdamw(Exercise, id="training-adamw-step", hidden=True):
    def test_any_shape_for_many_steps(self, submission, rng, dice):
        """Weights of any shape, for fifteen steps, with options drawn by chance, agree with torch.optim.AdamW."""
        for shape in ((), (1, 4), (2, 3, 2)):
            options = {"lr": dice.uniform(0.001, 0.3), "betas": (dice.uniform(0, 0.99), dice.uniform(0.5, 0.999)), "eps": 10 ** dice.uniform(-8, -1), "weight_decay": dice.uniform(0, 1)}
            compare_walk(submission, torch.randn(shape, generator=rng, dtype=torch.float64), some_grads(rng, shape, 15, torch.float64), options, "every option, at every step", states=True)

    def test_two_weights_in_turns(self, submission, rng):
        """Two weights of one shape can be trained in turns."""
        for _ in range(2):
            compare_walk(submission, torch.randn(4, generator=rng), some_grads(rng, (4,), 3), PLAIN, "everything is in the state; keep nothing between calls")


class TestHiddenClip(Exercise, id="training-clip-gradients", hidden=True):
    def test_sizes_drawn_by_chance(self, submission, rng, dice):
        """Any number of gradients, any norm, any limit; what is not finite is refused."""
        cases = [(gradients(rng, 10 ** dice.uniform(-3, 3), [(dice.randrange(1, 4), 2)] * dice.randrange(1, 6)), 10 ** dice.uniform(-2, 2), bool(n % 2)) for n in range(12)]
        compare_clips(submission, cases, "one factor for all, and only above the limit")
        spoilt = [(torch.ones(2), torch.full((3, 1), bad)) for bad in (math.nan, math.inf)]
        for grads, (norm, after, *_) in zip(spoilt, submission.run(clip_all, submission.clip_gradients, [(list(grads), 9.0, False) for grads in spoilt]), strict=True):
            expect.equal(norm, "ValueError", called="clip_gradients with NaN or infinity in a gradient")
            expect.close(after, list(grads), called="the gradients afterwards")


class TestHiddenStep(Exercise, id="training-accumulate", hidden=True):
    def test_many_ragged_rounds(self, submission, rng, dice):
        """Several calls with momentum, on micro-batches of any size, follow the large batches."""
        rounds = [[micro_batch(rng, dice.randrange(1, 4), dice.randrange(1, 7), 7, dice.uniform(0, 0.8)) for _ in range(dice.randrange(1, 5))] for _ in range(4)]
        compare_steps(submission, rng, rounds, "every token that counts weighs the same", momentum=0.7, stale=True, mode=False)


class TestHiddenHalving(Exercise, id="training-successive-halving", hidden=True):
    def test_drawn_by_chance(self, submission, dice):
        """Any number of candidates and any budget, with ties and diverged candidates among them."""
        cases = []
        for n in range(1, 18):
            curves = [[round(loss, 0) if n % 2 else loss for loss in loss_curve(dice)] for _ in range(n)]
            curves[dice.randrange(n)][dice.randrange(3) :] = [dice.choice([math.nan, math.inf, 0.5])] * 40
            cases.append((curves, n * max((n - 1).bit_length(), 1) + dice.randrange(-1, 120)))
        compare_halving(submission, cases, "the docstring's rule, round by round")


class TestHiddenDecision(Exercise, id="training-scratch-or-finetune", hidden=True):
    def test_drawn_by_chance(self, submission, dice):
        """Three hundred projects, and each obstacle alone beside good and bad ways from scratch."""
        cards = [random_card(dice) for _ in range(300)]
        cards += [with_base({**card, **change}, licensed=False) for card in (RICH, POOR) for change in ({"tokens": 10}, {"flops": 1e25}, {"tokens": 10**13})]
        compare_decisions(submission, cards, "the docstring's rule, word by word")


class TestHiddenCheckpoint(Exercise, id="training-checkpoint", hidden=True):
    def test_all_at_once(self, submission, dice):
        """Over an older file, with a name of its own, a step far on, and an error afterwards: still bit for bit."""
        step = dice.randrange(1000, 10**6)
        (seen,) = played(submission, {"name": "état final.tar", "text": bool(step % 2), "twice": True, "step": step, "fails": True, "used": 3})
        expect.equal([seen["step"], seen["step again"]], [step, step], called="resume(...)")
        compare_runs(seen)
        compare_files(seen["files after the error"], "état final.tar", " after the error")
        expect.true(not seen["written over"], "the new checkpoint was written into the old file")


class TestHiddenBugs(Exercise, id="training-find-the-bugs", hidden=True):
    def test_another_length(self, submission, rng):
        """A longer run with other batches is without all five bugs too."""
        source = script_of(submission)
        seen = watched(submission, source, rng, steps=61, batch_size=3)
        expect.equal(sorted(wrong_with(seen, 61)), [], called="what is still wrong in a run of 61 steps with batches of 3")
        expect.true(not padding_counts(submission, source, rng)[0], "padding counts in the loss")
        expect.equal(len({word for learning, _, words in seen["diary"] if learning for word in words}), 18, called="the number of rows learnt from, of 26")
