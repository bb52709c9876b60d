"""Hidden checks for p2_3_data_mixing: other data, and properties that an answer must have."""

import itertools
import math

from grader.checks.p2_3_data_mixing import (
    ONE,
    all_replaced,
    augmented,
    best_r,
    by_comparing,
    exact_weights,
    independence,
    orders_drawn,
    sides,
    some_texts,
    taken,
)
from grader.judge import Exercise, core, expect


class TestHiddenAugment(Exercise, id="mix-augment", hidden=True):
    """More of mix-augment."""

    @core
    def test_other_texts(self, submission, dice):
        """Words of another table, in other surroundings, with and without names."""
        table = {"kind": ["gentle"], "boat": ["ship"], "gentle": ["mild"], "ß": ["sz"], "naïve": ["green"]}
        words = [
            "Kind",
            "kind",
            "KIND",
            "mankind",
            "boat's",
            "Boat",
            "kind-boat",
            "naïve",
            "Naïve;",
            "\tgentle",
            "boat9",
            "kindly",
            '"boat"',
            "Miss Kind",
            "ß",
        ]
        cases = [
            (dice.choice(("", " ")).join(dice.choices(words, k=15)), 3, {"synonyms": table, "keep": keep, "p": 1.0})
            for keep in (["Miss Kind"], ["boat's"], [], ["Kind", "naïve"])
            for _ in range(3)
        ]
        for (text, _, options), mine in zip(cases, submission.run(augmented, submission.augment, cases), strict=True):
            expect.equal(
                mine,
                all_replaced(text, table, options["keep"]),
                why="whole words, names protected, the rest as it was",
                called=f"augment of {text!r}",
            )

    def test_nothing_else_ever_changes(self, submission, dice):
        """At any p, what differs from the original is a word that may be replaced, by one of its synonyms."""
        text = "Old house, OLD gold; quick! Old House 1.5 aged"
        spaced = text.split(" ")
        full = all_replaced(text, {**ONE, "quick": ["fast"]}, ["Old House"]).split(" ")
        for mine in submission.run(
            augmented,
            submission.augment,
            [(text, seed, {"synonyms": {**ONE, "quick": ["fast"]}, "keep": ["Old House"], "p": 0.5}) for seed in dice.sample(range(10**6), 10)],
        ):
            parts = mine.split(" ") if isinstance(mine, str) else []
            expect.true(
                len(parts) == len(spaced) and all(part in pair for part, pair in zip(parts, zip(spaced, full, strict=True), strict=True)),
                "something else was changed",
                got=mine,
            )


class TestHiddenMixtureWeights(Exercise, id="mix-weights", hidden=True):
    """More of mix-weights."""

    @core
    def test_other_mixtures(self, submission, dice):
        """Many sources at many temperatures and limits."""
        cases = [
            (
                {f"s{k}": dice.choice((0, 1, 7, 10**3, 10**7)) + k for k in range(dice.randint(2, 12))},
                dice.choice((0.05, 0.8, 1.0, 1 / 0.3, 40.0, math.inf)),
                dice.choice((None, 3, 500)),
            )
            for _ in range(12)
        ]
        for case, got in zip(cases, submission.each("mixture_weights", cases), strict=True):
            expect.close(got, exact_weights(*case), atol=1e-9, rtol=1e-6, why="min(n, limit) to the power of 1 / temperature, divided by the sum")

    def test_a_higher_temperature_evens_out(self, submission):
        """The smallest source's share never falls as the temperature rises."""
        shares = [
            got["small"] for got in submission.each("mixture_weights", [({"big": 10**6, "small": 10}, t) for t in (0.5, 1, 2, 5, 50, math.inf)])
        ]
        expect.true(shares == sorted(shares) and shares[0] < shares[-1], "a higher temperature must favour the small source", got=shares)


class TestHiddenSampleMixture(Exercise, id="mix-sample", hidden=True):
    """More of mix-sample."""

    @core
    def test_pieces_make_the_whole(self, submission, dice):
        """Streams resumed again and again, put together, are the stream without a break, and its items come in order."""
        sources = {f"s{k}": [f"{k}.{at}" for at in range(k)] for k in range(1, 7)}
        weights, seed = {name: dice.uniform(0.2, 3) for name in sources}, dice.randrange(1 << 30)
        whole, *pieces = submission.run(taken, submission.sample_mixture, [(sources, weights, seed, {"skip": 12 * k}) for k in range(6)], 72)
        expect.equal([pair for piece in ([whole, *pieces]) for pair in piece[:12]], whole, why="what is skipped is drawn and read as well")
        for name, source in sources.items():
            mine = [item for each, item in whole if each == name]
            expect.equal(mine, (source * 72)[: len(mine)], why="go on where this source was left, and open it again at its end")

    def test_many_seeds(self, submission, dice):
        """Seeds that are near each other or far apart give orders of their own."""
        seeds = sorted({dice.randrange(1 << 30) for _ in range(24)} | {*range(12)})
        orders = submission.run(orders_drawn, submission.sample_mixture, {"p": [0], "q": "12"}, {"p": 2, "q": 3}, seeds, 90)
        expect.true(len(set(orders)) == len(seeds), "different seeds gave the same order of sources", why="seed your generator with `seed`, as it is")

    def test_undisturbed(self, submission, dice):
        """A stream is the same whether it is read alone, in turns with another, or while others draw random numbers."""
        case = ({"p": [0], "q": "12"}, {"p": 2, "q": 3}, dice.randrange(1 << 30))
        streams, one, two, _ = submission.run(independence, submission.sample_mixture, case, 40)
        expect.true(streams[0] == streams[1] == one == two, "other draws changed the stream", why="a random.Random(seed) of the stream's own")


class TestHiddenEpochsPenalty(Exercise, id="mix-epochs-penalty", hidden=True):
    """More of mix-epochs-penalty."""

    @core
    def test_other_measurements(self, submission, dice):
        """Other constants, with errors."""
        cases = []
        for r in (0.6, 4.0, 25.0, 120.0):
            epochs = [dice.uniform(1.2, 5 * r + 2) for _ in range(7)]
            cases.append((epochs, [(1 + r * (1 - math.exp(-(e - 1) / r))) * dice.uniform(0.85, 1.15) for e in epochs]))
        for case, got in zip(cases, submission.each("epochs_penalty", cases), strict=True):
            expect.close(got, best_r(*case), rtol=0.015, atol=0.0, why="the smallest sum of squares over the whole range")


class TestHiddenSplitByGroup(Exercise, id="mix-split-by-group", hidden=True):
    """More of mix-split-by-group."""

    @core
    def test_a_growing_corpus(self, submission, dice):
        """As documents arrive one batch after another, no group ever changes sides."""
        arrivals, seen, seed = [f"customer/{dice.randrange(300)}" for _ in range(360)], {}, dice.randrange(1 << 30)
        corpora = [dice.sample(arrivals[:number], number) for number in range(60, 361, 60)]
        for groups, answer in zip(corpora, submission.each("split_by_group", [(groups, 0.35, seed) for groups in corpora]), strict=True):
            for group, side in sides(answer, groups).items():
                expect.true(seen.setdefault(group, side) == side, f"the group {group} changed sides as the corpus grew")

    def test_other_names(self, submission, dice):
        """Long names that share most of their letters, and names of the same letters, are groups of their own."""
        stem = dice.choice(("archive/2024/northern-office/", "the same long title, part after part, "))
        letters = ["".join(order) for order in itertools.permutations("abcdef")][:300]
        for names in ([f"{stem}{at:04}" for at in range(300)], [f"{at:04}{stem}" for at in range(300)], letters):
            found = sides(submission.split_by_group(names, 0.5, dice.randrange(1 << 30)), names)
            expect.true(100 <= sum(found.values()) <= 200, f"of 300 groups such as {names[7]!r}, {sum(found.values())} are in the test at share 0.5")


class TestHiddenContaminated(Exercise, id="mix-contaminated", hidden=True):
    """More of mix-contaminated."""

    @core
    def test_other_texts(self, submission, dice):
        """Longer texts in other words, short ones and empty ones among them."""
        vocabulary = ["été", "42", "it's", "co-op", "the", "THE", "ß", "a"]
        cases = [(some_texts(dice, vocabulary, 6, 0, 18), some_texts(dice, vocabulary, 12, 0, 12), n) for n in (2, 3, 4, 5, 9)]
        for case, got in zip(cases, submission.each("contaminated", cases), strict=True):
            expect.equal(got, by_comparing(*case), why="runs of n whole words, inside one training text")
