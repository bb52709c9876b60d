"""Hidden checks for p2_6_infrastructure: other models and clusters, and properties that an answer must have."""

import math

from grader.checks.p2_6_infrastructure import (
    JOB,
    OFFER,
    PEAKS,
    all_flops,
    bill,
    memory_bill,
    outcome,
    puzzle,
    right_plan,
    same,
    some_model,
    some_offers,
)
from grader.judge import Exercise, expect


class TestHiddenTrainingMemory(Exercise, id="infra-training-memory", hidden=True):
    """More of infra-training-memory."""

    def test_large_models(self, submission, dice):
        """Large models, all choices at once."""
        kinds = dice.sample(["none", "selective", "full", "selective"], 4)
        cases = [(some_model(dice, parameters=dice.randrange(10**11, 10**12)), 24, dice.choice([2, 8]), zero, dice.randint(2, 500), kind) for zero, kind in enumerate(kinds)]
        for case, got in zip(cases, submission.each("training_memory", cases), strict=True):
            same(got, memory_bill(*case), "go through the docstring part by part")

    def test_widths_do_not_matter_for_scores(self, submission, dice):
        """What the scores keep depends on heads and sequence, not on the width."""
        slim, wide = (some_model(dice, parameters=10**9, layers=4, heads=8, sequence=1000, width=width) for width in (256, 2048))
        none, kept = ([got["activations"] for got in submission.each("training_memory", [(m, 2, 1, 0, 1, kind) for m in (slim, wide)])] for kind in ("none", "selective"))
        expect.close(none[0] - kept[0], none[1] - kept[1], atol=1e-9, rtol=1e-6, why="width · 5 · heads · sequence / width has no width left in it")


class TestHiddenTrainingFlops(Exercise, id="infra-training-flops", hidden=True):
    """More of infra-training-flops."""

    def test_known_models(self, submission):
        """GPT-3 comes out near what its authors published; full recomputation is a third more."""
        gpt3 = {"parameters": 175 * 10**9, "layers": 96, "width": 12288, "heads": 96, "sequence": 2048}
        plain, full = submission.each("training_flops", [(gpt3, 300e9), (gpt3, 300e9, "full")])
        expect.close(plain, 3.14e23, atol=0.0, rtol=0.05, why="6 · 175e9 · 300e9 and the scores")
        expect.close(full / plain, 4 / 3, why="four forward passes instead of three")

    def test_small_models(self, submission, dice):
        """Tiny models, where the scores are most of the work."""
        cases = [({"parameters": 10, "layers": 7, "width": 3, "heads": 1, "sequence": 11, "active_parameters": active}, 13, kind) for active in (5, 10) for kind in ("none", "selective", "full")]
        for case, got in zip(cases, submission.each("training_flops", cases), strict=True):
            expect.close(got, all_flops(*case), atol=0.0, rtol=1e-9, why="weights and scores")


class TestHiddenTimeAndCost(Exercise, id="infra-time-and-cost", hidden=True):
    """More of infra-time-and-cost."""

    def test_everything_at_once(self, submission, dice):
        """Odd numbers of GPUs, all shares, other machines."""
        cases = [(dice.uniform(1e20, 1e24), PEAKS, dice.randint(1, 3000), dice.uniform(0.1, 1), dice.uniform(0.1, 1), dice.choice(list(PEAKS)), dice.uniform(1, 99), dice.choice([1, 4, 7, 16])) for _ in range(8)]
        for case, got in zip(cases, submission.each("training_time_and_cost", cases), strict=True):
            same(got, bill(*case), "go through the docstring part by part")


class TestHiddenPlanParallelism(Exercise, id="infra-plan-parallelism", hidden=True):
    """More of infra-plan-parallelism."""

    def test_more_clusters(self, submission, dice):
        """Other clusters, with many layers and small batches."""
        cases = [puzzle(dice, layers=dice.choice([13, 16, 31]), gpus=dice.choice([16, 40, 64])) for _ in range(8)]
        for case, got in zip(cases, submission.each("plan_parallelism", cases), strict=True):
            want = right_plan(*case)
            expect.equal([got.get(name) for name in ("tensor", "pipeline", "data")], [want[name] for name in ("tensor", "pipeline", "data")], why="go through the rules of the docstring")
            same(got, want, "memory of the first stage, and the bubble of lesson 2.5")


class TestHiddenCheckpointInterval(Exercise, id="infra-checkpoint-interval", hidden=True):
    """More of infra-checkpoint-interval."""

    def test_units_do_not_matter(self, submission, dice):
        """In minutes or in hours, the job loses the same share, and the interval is the same time."""
        mtbf, cost, restart = dice.uniform(500, 900), dice.uniform(0.01, 0.1), dice.uniform(0.1, 0.5)
        hours, minutes = submission.each("checkpoint_interval", [(mtbf, cost, 16, restart), (60 * mtbf, 60 * cost, 16, 60 * restart)])
        expect.close([60 * hours[0], hours[1]], list(minutes), rtol=1e-6, why="no constant of the formula has a unit")

    def test_where_it_ends(self, submission, dice):
        """Longer and longer restarts: the job ends as long as lost is below 1."""
        mtbf, cost = dice.uniform(900, 1100), dice.uniform(0.01, 0.05)  # of 100 machines: a failure every ten hours
        free = submission.checkpoint_interval(mtbf, cost, 100)[1]
        slow = [(1 - free) * mtbf / 100 * share for share in (0.5, 0.9, 0.99)]
        for (_, lost), restart in zip(submission.each("checkpoint_interval", [(mtbf, cost, 100, restart) for restart in slow]), slow, strict=True):
            expect.close(lost, free + restart * 100 / mtbf, rtol=1e-6, why="a restart costs its time at every failure")
        expect.raises("ValueError", submission.checkpoint_interval, mtbf, cost, 100, 1.01 * (1 - free) * mtbf / 100, why="lost is 1 or more")

    def test_four_times_the_machines(self, submission, dice):
        """Without restarts, four times the machines lose twice the share."""
        few, many = submission.each("checkpoint_interval", [(5000.0, 0.05, 8), (5000.0, 0.05, 32)])
        expect.close([few[0] / 2, 2 * few[1]], list(many), rtol=1e-6, why="both go with the square root of the machines")


class TestHiddenCheapestCloud(Exercise, id="infra-cheapest-cloud", hidden=True):
    """More of infra-cheapest-cloud."""

    def test_any_order(self, submission, dice):
        """The order of the offers does not matter, as long as no two cost the same."""
        offers, job = some_offers(dice, 6, memory=80, machines=200), {**JOB, "gpus": 24, "gigabytes_out": 300}
        best = min((found for offer in offers if (found := outcome(offer, job))), key=lambda found: found["dollars"], default=None)
        for got in submission.each("cheapest_cloud", [(dice.sample(offers, 6), job) for _ in range(4)]):
            same(got, best, "compare the dollars of the job")

    def test_just_enough(self, submission, dice):
        """Exactly enough memory and machines will do, the first of equals is taken, and only None means any region."""
        memory, machines = dice.choice([24, 80, 141]), dice.randint(2, 9)
        offers = [{**OFFER, "name": name, "memory": memory, "machines": machines} for name in dice.sample("abcdef", 3)]
        job = {**JOB, "memory": memory, "gpus": 8 * machines}
        found, nowhere = submission.each("cheapest_cloud", [(offers, job), (offers, {**job, "regions": []})])
        same(found, outcome(offers[0], job), "at least means that as much is enough; of equals the first counts")
        expect.equal(nowhere, None, why="an empty list of regions allows none")

    def test_halving_the_time(self, submission, dice):
        """With twice the machines on demand, the hours halve and the dollars stay."""
        few, many = submission.each("cheapest_cloud", [([OFFER], {**JOB, "gpus": gpus}) for gpus in (40, 80)])
        expect.close([few["hours"] / 2, few["dollars"]], [many["hours"], many["dollars"]], rtol=1e-6, why="no interruptions, nothing lost")
        expect.true(math.isclose(few["machines"] * 2, many["machines"]), "twice the GPUs are twice the machines here", got=[few["machines"], many["machines"]])
