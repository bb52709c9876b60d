"""Checks for p3_5_evaluation.

Definitions: Efron and Tibshirani 1993 (bootstrap) · McNemar 1947 · Guo et al. 2017, arXiv:1706.04599 (calibration) ·
Cohen 1960 (kappa) · Zheng et al. 2023, arXiv:2306.05685 (order of answers).
"""

import math
import random
from collections import Counter
from fractions import Fraction

import torch
from handbook.buggy_evaluation import MOST_LINES, MOST_PATCHES, patched, sample_rows

from grader.judge import Exercise, core, expect


def compare(results, wants, why):
    """Each result of `submission.each` with what it should be."""
    for got, want in zip(results, wants, strict=True):
        expect.close(got, want, atol=1e-9, rtol=1e-7, why=why)


def labels_of(dice, names, rows):
    return [dice.choice(names) for _ in range(rows)]


# --------------------------------------------------------------------------------------------- split by group


def splits_of(split, cases):
    """Split each (groups, fraction, seed) twice; what came, and what was left alone (runs on the learner's side)."""
    found = []
    for groups, fraction, seed in cases:
        given, before = list(groups), random.getstate()
        first = split(given, fraction, random.Random(seed))
        found.append([first, split(given, fraction, random.Random(seed)) == first, given == groups, random.getstate() == before])
    return found


def tally(split, groups, fraction, seeds):
    """How often each validation set comes up (runs on the learner's side)."""
    sets = [tuple(split(list(groups), fraction, random.Random(seed))[1]) for seed in seeds]
    return [[list(rows), sets.count(rows)] for rows in sorted(set(sets))]


def whole(result, groups, fraction):
    """Whether the two sides are what the docstring says, or a sentence about what is wrong."""
    expect.true(isinstance(result, tuple | list) and len(result) == 2 and all(isinstance(side, list) for side in result), "it must return two lists: training and validation", got=result)
    training, validation = result
    expect.equal(sorted([*training, *validation]), list(range(len(groups))), called="all row numbers of both sides", why="every row is on one side, once")
    expect.true(training == sorted(training) and validation == sorted(validation), "the row numbers of a side do not ascend", got=result)
    both = {groups[row] for row in training} & {groups[row] for row in validation}
    expect.true(not both, f"group {next(iter(both), None)!r} is on both sides", why="draw groups, not rows")
    expect.true(bool(training and validation), "one side has no rows", got=result)
    sizes = Counter(groups[row] for row in validation)
    alone = len({groups[row] for row in training}) == 1
    expect.true(len(validation) >= fraction * len(groups) or alone, f"validation has {len(validation)} of {len(groups)} rows; {fraction} was asked for", why="go on until it holds at least fraction × len(groups) rows: count rows, not groups")
    expect.true(len(validation) - max(sizes.values()) < fraction * len(groups), f"validation has {len(validation)} of {len(groups)} rows, a group more than it takes for {fraction}", why="stop as soon as there are enough rows")


def uneven(dice, names):
    groups = [name for name in names for _ in range(dice.randint(1, 5))]
    dice.shuffle(groups)
    return groups


class TestValidationSplit(Exercise, id="evaluation-validation-split"):
    """Exercise evaluation-validation-split."""

    def probe(self, submission):
        """Uneven groups, edges of the fraction, mixed names, and how often each set is drawn."""
        groups = ["b", "a", "b", "c", "c", "b", "d", "e", "e", "e"]
        cases = [(groups, 0.25, 1), (groups, 0.3, 2), (groups, 0.95, 3), ([4, 4, 9, 9, 1, 1, 7, 7], 0.25, 4), ([None, ("x", 1), 3, "x", 3], 0.5, 5)]
        return (
            [submission.run(splits_of, submission.validation_split, [case]) for case in cases],
            submission.run(tally, submission.validation_split, ["a"] * 4 + ["b", "c", "d"], 0.1, list(range(40))),
            *[submission.run(splits_of, submission.validation_split, [(groups, fraction, 1)]) for fraction in (0.0, 1.0)],
            submission.run(splits_of, submission.validation_split, [(["a", "a"], 0.5, 1)]),
        )

    @core
    def test_groups_stay_together(self, submission, dice):
        """No group is on both sides, every row is on one, and validation has the rows that were asked for, no group more."""
        cases = [(uneven(dice, range(dice.randint(2, 9))), dice.choice([0.1, 0.25, 0.4, 0.5, 0.7]), dice.randrange(1 << 30)) for _ in range(30)]
        for (groups, fraction, _), (result, *_) in zip(cases, submission.run(splits_of, submission.validation_split, cases), strict=True):
            whole(result, groups, fraction)

    @core
    def test_the_draw_is_random(self, submission, dice):
        """With other seeds other groups are held out."""
        found = submission.run(tally, submission.validation_split, list("abcdefgh") * 2, 0.25, [dice.randrange(1 << 30) for _ in range(20)])
        expect.true(len(found) >= 5, f"20 seeds gave {len(found)} different splits of 8 groups", why="shuffle the groups with rng")

    def test_every_group_is_as_likely(self, submission, dice):
        """Large and small groups are drawn equally often, and so is each pair of groups."""
        seeds = [dice.randrange(1 << 40) for _ in range(600)]
        for groups, fraction, sets in ((["a"] * 5 + ["b", "c", "d"], 0.1, 4), ([1, 2, 3, 4] * 2, 0.5, 6)):
            found = submission.run(tally, submission.validation_split, groups, fraction, seeds)
            low, high = (600 / sets + 6.5 * sign * math.sqrt(600 / sets) for sign in (-1, 1))
            expect.true(len(found) == sets and all(low < times < high for _, times in found), f"{sets} validation sets should come up about equally often in 600 draws", got=found, why="a group counts once in the draw, however many rows it has")

    def test_stops_at_the_fraction(self, submission, dice):
        """Exactly fraction × rows is enough, and one group always stays in training."""
        pairs = [4, 4, 9, 9, 1, 1, 7, 7]
        cases = [(pairs, 0.25, dice.randrange(99)), (pairs, 0.5, dice.randrange(99)), (pairs, 0.26, dice.randrange(99)), (pairs, 0.99, dice.randrange(99)), (["x", "y"], 0.9, 3), ([*"xxxxxxxxxy"], 0.5, 4)]
        found = [len(result[1]) for result, *_ in submission.run(splits_of, submission.validation_split, cases)]
        expect.equal(found[:5], [2, 4, 4, 6, 1], called="rows of validation", why="go on while there are fewer rows than fraction × len(groups), and leave one group")
        expect.true(found[5] in (1, 9), "of two groups one must be held out, whichever comes first", got=found[5])

    def test_any_names(self, submission, dice):
        """Groups may have any hashable names, and other names give the same split."""
        plain = uneven(dice, range(6))
        others = [None, "-7", (2, "x"), -7, "None", 3.5]
        mixed, texts = [others[group] for group in plain], [f"{9 - group}" for group in plain]
        found = submission.run(splits_of, submission.validation_split, [(names, 0.4, seed) for seed in range(11, 16) for names in (plain, mixed, texts)])
        for at in range(0, len(found), 3):
            one, two, three = (result for result, *_ in found[at : at + 3])
            whole(two, mixed, 0.4)
            expect.true(one == two == three, "the same groups under other names are split otherwise", got=two, why="don't sort the names, and don't rely on the order of a set: dict.fromkeys keeps the order of first rows")

    def test_all_chance_comes_from_rng(self, submission, dice):
        """The same state gives the same split, the global generator is untouched, and groups stays as it came."""
        groups = uneven(dice, "abcdefghij")
        for _, again, same, untouched in submission.run(splits_of, submission.validation_split, [(groups, 0.3, seed) for seed in range(8)]):
            expect.true(again, "the same state of rng gave two different splits", why="draw with the rng that you are given")
            expect.true(same, "groups was changed", why="work on a list of your own")
            expect.true(untouched, "Python's global random generator was used or seeded")


# ------------------------------------------------------------------------------------------ accuracy, macro F1


def f1_by_class(guesses, truth, classes=None):
    """The mean F1, by precision and recall in fractions."""
    scores = []
    for name in classes if classes is not None else set(guesses) | set(truth):
        said, real = {i for i, g in enumerate(guesses) if g == name}, {i for i, t in enumerate(truth) if t == name}
        if not said and not real:
            continue
        hits = len(said & real)
        precision, recall = Fraction(hits, max(len(said), 1)), Fraction(hits, max(len(real), 1))
        scores.append(2 * precision * recall / (precision + recall) if hits else Fraction(0))
    return float(sum(scores) / len(scores))


def classified(dice, rows=0):
    """Guesses and truth over overlapping sets of classes, so that some are absent on one side."""
    names = dice.choice([["a", "b", "c", "d", "e"], [3, 0, -2, 7], [None, "x", 4, (1, 2)]])
    rows = rows or dice.randint(1, 15)
    return labels_of(dice, dice.sample(names, 3), rows), labels_of(dice, dice.sample(names, 3), rows)


class TestAccuracyF1(Exercise, id="evaluation-accuracy-f1"):
    """Exercise evaluation-accuracy-f1."""

    def probe(self, submission):
        """Two classes, a class absent on either side or both, classes given, nothing right, bad input."""
        a, b = list("aabcbaad"), list("abbcbabe")
        cases = [(a, b), (a, b, ["a", "b"]), (a, b, ["a", "z"]), (a, b, ["z"]), (a, b, ["d"]), (list("aa"), list("bb")), ([], []), (["a"], ["a"]), (["a"] * 10, ["a"] * 9 + ["b"]), (["a"] * 9 + ["b"], ["a"] * 10), ([None, 3], [None, "x"])]
        return [submission.accuracy(*case[:2]) for case in cases[::5]], [submission.f1_macro(*case) for case in cases], submission.accuracy(["a"], ["a", "b"]), submission.accuracy([1000, 2000, 9], [1000, 2000, 8])

    @core
    def test_accuracy(self, submission, dice):
        """Accuracy is the share of rows on which guess and truth are equal."""
        cases = [classified(dice) for _ in range(20)]
        cases += [(list("aab"), list("aab")), (["a"], ["b"])]
        wants = [sum(g == t for g, t in zip(*case, strict=True)) / len(case[0]) for case in cases]
        compare(submission.each("accuracy", cases), wants, "divide the number of equal rows by the number of all rows")

    @core
    def test_every_class_weighs_the_same(self, submission, dice):
        """Macro F1 is the plain mean of the F1 of each class, where all classes occur on both sides."""
        cases = []
        for _ in range(20):
            names = "abcd"[: dice.randint(1, 4)]
            cases.append((list(names) + labels_of(dice, names, 9), dice.sample(names, len(names)) + labels_of(dice, names[:1] * 3 + names, 9)))
        compare(submission.each("f1_macro", cases), [f1_by_class(*case) for case in cases], "F1 of each class by itself, then their plain mean")

    def test_a_class_on_one_side_counts(self, submission, dice):
        """A class that is never guessed, or guessed and never true, has an F1 of 0 and is in the mean."""
        cases = [classified(dice) for _ in range(30)] + [(["a"] * 100, ["a"] * 90 + ["b"] * 10), (["a"] * 9 + ["b"], ["a"] * 10), (["x", "y"], ["y", "x"])]
        compare(submission.each("f1_macro", cases), [f1_by_class(*case) for case in cases], "without `classes` the mean runs over every class in the truth or among the guesses")

    def test_a_class_on_no_side_is_left_out(self, submission, dice):
        """A class of `classes` that occurs nowhere doesn't change the mean."""
        cases = [(*pair, [*dict.fromkeys([*pair[0], *pair[1]]), "nowhere", 99]) for pair in (classified(dice) for _ in range(15))]
        compare(submission.each("f1_macro", cases), [f1_by_class(*case) for case in cases], "0/0 is no F1: leave the class out, it is neither 0 nor 1")

    def test_only_the_classes_asked_for(self, submission, dice):
        """`classes` says what the mean runs over; other rows still are false alarms and misses."""
        cases = []
        for _ in range(20):
            pair = classified(dice, 12)
            cases.append((*pair, dice.sample(sorted({*pair[0], *pair[1]}, key=repr), 2) if len({*pair[0], *pair[1]}) > 1 else None))
        compare(submission.each("f1_macro", cases), [f1_by_class(*case) for case in cases], "do not drop rows; average over fewer classes")

    def test_leaves_its_arguments_alone(self, submission):
        """Guesses, truth and classes are the same after the call."""
        given = [list("bbaac"), list("cabab"), ["c", "a"]]
        kept = [submission.keep(value) for value in given]
        submission.f1_macro(*kept)
        submission.accuracy(*kept[:2])
        for handle, value in zip(kept, given, strict=True):
            expect.equal(submission.value(handle), value, why="do not sort or shorten what you are given")

    def test_refuses_what_has_no_mean(self, submission):
        """No rows, lists of different lengths, or no class that occurs: ValueError."""
        for name, *case in (("accuracy", [], []), ("accuracy", ["a"], ["a", "a"]), ("f1_macro", [], []), ("f1_macro", ["a", "a"], ["a"]), ("f1_macro", ["a"], ["a"], ["b"]), ("f1_macro", ["a"], ["a"], [])):
            expect.raises("ValueError", submission[name], *case)


# ---------------------------------------------------------------------------------------- bootstrap and McNemar


def drawn(interval, rows, seed, options):
    """What the statistic was given and gave, and what came back (runs on the learner's side)."""
    samples, values, given, before = [], [], list(rows), random.getstate()

    def statistic(sample):
        samples.append(list(sample) if isinstance(sample, list) else [type(sample).__name__])
        values.append(math.sin(sum((place + 1) * row[1] for place, row in enumerate(list(sample)))))
        return values[-1]

    result = interval(given, statistic, random.Random(seed), *options)
    lengths = sorted({len(sample) for sample in samples})
    places = [[row[0] for row in sample] for sample in samples[:400]] if len(options) and options[1] in (1, 6, 4, 400) else []
    whole_rows = all(row in rows for sample in samples for row in sample)
    return {"interval": list(result), "values": values, "lengths": lengths, "places": places, "whole": whole_rows, "kept": given == rows and random.getstate() == before}


def simple_interval(interval, rows, seeds):
    """The interval of the mean for several seeds (runs on the learner's side)."""
    return [list(interval(list(rows), lambda sample: sum(sample) / len(sample), random.Random(seed), 0.9, 60)) for seed in seeds]


def quantiles(values, level):
    return torch.quantile(torch.tensor(values, dtype=torch.float64), torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)).tolist()


def disagree(dice, only_a, only_b, both=0, neither=0):
    rows = [(True, False)] * only_a + [(False, True)] * only_b + [(True, True)] * both + [(False, False)] * neither
    dice.shuffle(rows)
    return [a for a, _ in rows], [b for _, b in rows]


def coins(a, b):
    """McNemar's p by whole numbers."""
    n = a + b
    ways, term = 0, 1
    for k in range(min(a, b) + 1):
        ways += term
        term = term * (n - k) // (k + 1)
    return float(min(Fraction(1), Fraction(2 * ways, 2**n)))


ROWS = [[at, at * at / 7 + 0.3] for at in range(5)]


class TestCompareModels(Exercise, id="evaluation-compare-models"):
    """Exercise evaluation-compare-models."""

    def probe(self, submission):
        """Short bootstraps, and p-values of a few tables."""
        dice = random.Random(8)
        runs = [submission.run(drawn, submission.bootstrap_ci, ROWS[:n], 3, options) for n, options in ((4, (0.9, 6)), (3, (0.5, 4)), (1, (0.95, 1)))]
        first = submission.run(drawn, submission.bootstrap_ci, ROWS[:2], 3, ())
        size = [len(first["values"]), first["interval"]] if isinstance(first, dict) else first
        tables = [(8, 2, 30), (2, 8), (5, 5), (0, 0, 4), (1, 0), (4, 5, 1), (1100, 1000)]
        return runs, size, submission.run(simple_interval, submission.bootstrap_ci, [1.0, 4.0, 9.0], [1, 2]), [submission.mcnemar(*disagree(dice, *table)) for table in tables], submission.bootstrap_ci([], None, None)

    @core
    def test_draws_with_replacement(self, submission, dice):
        """Each draw has as many rows as there are, each one equally likely at each place, and whole."""
        seen = submission.run(drawn, submission.bootstrap_ci, ROWS, dice.randrange(1 << 30), (0.9, 400))
        expect.equal(seen["lengths"], [5], called="how many rows the statistic gets, in a list", why="as many as there are rows")
        expect.true(seen["whole"], "the statistic got something that is no list of rows", why="a row stays whole, and the rows come as a list")
        for place in range(5):
            for row in range(5):
                times = sum(sample[place] == row for sample in seen["places"])
                expect.true(80 - 55 < times < 80 + 55, f"row {row} stood at place {place} {times} times in 400 draws of 5 rows; about 80 were expected", why="draw with replacement, each row with the same chance")
        distinct = sum(len(set(sample)) for sample in seen["places"]) / 400
        expect.true(3.1 < distinct < 3.63, f"a draw of 5 has {distinct:.2f} different rows on average; 3.36 were expected", why="each place is drawn by itself")

    @core
    def test_quantiles_of_what_was_seen(self, submission, dice):
        """The ends of the interval are the interpolated quantiles of the statistic's results."""
        interval = submission.bootstrap_ci
        for level, draws in ((0.95, 21), (0.5, 40), (0.8, 2), (0.8, 33), (0.3, 10)):
            seen = submission.run(drawn, interval, ROWS, dice.randrange(1 << 30), (level, draws))
            expect.equal(len(seen["values"]), draws, called="how often the statistic is called", why="once a draw, never otherwise")
            expect.close(seen["interval"], quantiles(seen["values"], level), atol=1e-9, why="sort the results; quantile q is at place q · (draws − 1), between two of them if that is no whole number")

    def test_defaults(self, submission, dice):
        """Without options there are 1000 draws and a level of 0.95."""
        seen = submission.run(drawn, submission.bootstrap_ci, ROWS[:4], dice.randrange(1 << 30), ())
        expect.equal(len(seen["values"]), 1000, called="the number of draws")
        expect.close(seen["interval"], quantiles(seen["values"], 0.95), atol=1e-9)

    def test_one_row_one_draw(self, submission):
        """One row gives an interval without width, and so does one draw; nothing to draw from: ValueError."""
        seen = submission.run(drawn, submission.bootstrap_ci, ROWS[:1], 1, (0.9, 7))
        expect.close(seen["interval"], [seen["values"][0]] * 2, atol=1e-9)
        runs = [submission.run(drawn, submission.bootstrap_ci, ROWS, seed, (0.9, 1)) for seed in (1, 2)]
        for seen in runs:
            expect.close(seen["interval"], [seen["values"][0]] * 2, atol=1e-9)
        expect.true(any(seen["places"] != [[0, 1, 2, 3, 4]] for seen in runs), "two single draws gave the rows as they are, in order", why="every number comes from a draw")
        expect.raises("ValueError", submission.bootstrap_ci, [], None, None)

    def test_all_chance_comes_from_rng(self, submission):
        """The same state gives the same interval, another state another one, and nothing else is changed."""
        rows = [1.0, 2.5, 4.0, 9.0, 11.0, 17.0]
        found = submission.run(simple_interval, submission.bootstrap_ci, rows, [5, 6, 7, 5])
        expect.equal(found[3], found[0], called="the interval with the same state of rng once more")
        expect.true(found[0] != found[1] or found[1] != found[2], "three states of rng gave one and the same interval", why="draw with the rng that you are given, and don't seed it")
        expect.true(submission.run(drawn, submission.bootstrap_ci, ROWS, 2, (0.9, 9))["kept"], "rows or Python's global generator was changed")

    @core
    def test_mcnemar(self, submission, dice):
        """The p-value is that of fair coins on the rows where exactly one model is right."""
        tables = [(dice.randint(0, 12), dice.randint(0, 12), dice.randint(0, 9), dice.randint(0, 9)) for _ in range(25)] + [(1, 0), (0, 1), (0, 6), (7, 0, 3)]
        results = submission.each("mcnemar", [disagree(dice, *table) for table in tables])
        compare(results, [coins(*table[:2]) for table in tables], "count the rows on which exactly one is right, sum C(n, k) up to the smaller count, double it, divide by 2^n")

    def test_mcnemar_without_evidence(self, submission, dice):
        """As many one way as the other, or no disagreement at all: p is 1, never more."""
        results = submission.each("mcnemar", [disagree(dice, *table) for table in ((4, 4, 2), (1, 1), (0, 0, 5, 5), (6, 5), (0, 0))])
        compare(results, [1.0] * 5, "p is at most 1, and 1 if there is nothing to compare")

    def test_mcnemar_of_many_rows(self, submission, dice):
        """Thousands of disagreements give the exact p too."""
        tables = [(1540, 1460, 10), (1200, 1300)]
        compare(submission.each("mcnemar", [disagree(dice, *table) for table in tables]), [coins(*table[:2]) for table in tables], "0.5 ** 3000 is 0 as a float: stay with whole numbers until the last division")
        expect.raises("ValueError", submission.mcnemar, [True], [True, False])


# --------------------------------------------------------------------------------------------------- calibration


def binned_gap(confidences, correct, bins=10):
    """The calibration error, bin after bin."""
    total = 0.0
    for b in range(bins):
        inside = [(c, r) for c, r in zip(confidences, correct, strict=True) if b / bins < c <= (b + 1) / bins or (b == 0 and c == 0)]
        if inside:
            total += len(inside) / len(correct) * abs(sum(r for _, r in inside) / len(inside) - sum(c for c, _ in inside) / len(inside))
    return total


def surely(dice, rows, bins=None):
    confidences = [dice.randint(0, 2 * bins) / (2 * bins) for _ in range(rows)] if bins else [dice.random() ** dice.choice([0.3, 1, 3]) for _ in range(rows)]
    return confidences, [dice.random() < 0.6 for _ in range(rows)]


class TestCalibrationError(Exercise, id="evaluation-calibration-error"):
    """Exercise evaluation-calibration-error."""

    def probe(self, submission):
        """Random answers, edges of the bins, 0 and 1, one bin, one answer, bad input."""
        dice = random.Random(4)
        cases = [(*surely(dice, 40),), (*surely(dice, 30, 4), 4), (*surely(dice, 9), 1), ([0.0, 1.0], [True, False]), ([0.25, 0.2, 0.3], [True, False, False], 4), ([0.0, 0.1], [True, False], 2), ([0.6], [True]), ([0.35], [False], 3)]
        kept = submission.keep([0.9, 0.2, 0.5])
        submission.expected_calibration_error(kept, [True, False, True])
        return [submission.expected_calibration_error(*case) for case in cases], submission.expected_calibration_error([], []), submission.value(kept)

    @core
    def test_the_definition(self, submission, dice):
        """The gaps of the bins, weighed by their answers, for 10 bins and for other numbers."""
        cases = [surely(dice, dice.randint(1, 60)) for _ in range(15)] + [(*surely(dice, 30), dice.choice([2, 3, 7, 15, 20])) for _ in range(15)]
        compare(submission.each("expected_calibration_error", cases), [binned_gap(*case) for case in cases], "each bin: |share right − mean confidence|, times its share of all answers")

    @core
    def test_a_gap_of_a_bin_not_of_an_answer(self, submission, dice):
        """Inside a bin, being too sure and too unsure cancel; between bins they don't."""
        cases = [([0.75] * 8, [True] * 6 + [False] * 2), ([0.5, 1.0], [True, False], 1), ([0.2, 0.9], [True, False], 2), ([0.95] * 4 + [0.15] * 4, [True, False] * 4)]
        compare(submission.each("expected_calibration_error", cases), [binned_gap(*case) for case in cases], "the absolute value is taken once for each bin")

    def test_edges_of_the_bins(self, submission, dice):
        """A confidence on an edge belongs to the bin below; 0 belongs to the first bin and 1 to the last."""
        cases = [(*surely(dice, 25, bins), bins) for bins in (2, 4, 8, 16) for _ in range(3)]
        cases += [([0.5, 0.4, 0.6], [True, False, False], 2), ([0.0, 0.2], [True, False], 2), ([0.0, 0.9], [False, True], 2), ([1.0, 0.9], [False, True], 2), ([0.0], [True], 8)]
        compare(submission.each("expected_calibration_error", cases), [binned_gap(*case) for case in cases], "bins are open on the left and closed on the right, and 0 belongs to the first")

    def test_one_bin(self, submission, dice):
        """With one bin the error is |share right − mean confidence| of all answers."""
        cases = [(*surely(dice, 12), 1) for _ in range(5)]
        compare(submission.each("expected_calibration_error", cases), [binned_gap(*case) for case in cases], "one bin holds all answers")

    def test_large_and_small_bins(self, submission, dice):
        """A bin of many answers weighs more than a bin of few."""
        cases = [([0.95] * n + [0.35], [dice.random() < 0.5 for _ in range(n + 1)]) for n in (3, 9, 27)]
        compare(submission.each("expected_calibration_error", cases), [binned_gap(*case) for case in cases], "weigh each bin by its share of all answers")

    def test_leaves_its_arguments_alone(self, submission, dice):
        """Order doesn't matter, and both lists are as they came."""
        sure, right = surely(dice, 20)
        kept = [submission.keep(sure), submission.keep(right)]
        expect.close(submission.expected_calibration_error(*kept), binned_gap(sure, right), atol=1e-9)
        expect.equal([submission.value(handle) for handle in kept], [sure, right], why="do not sort what you are given")
        for case in (([], []), ([0.5], [True, False]), ([0.5], [True], 0), ([1.5], [True])):
            expect.raises("ValueError", submission.expected_calibration_error, *case)


# -------------------------------------------------------------------------------------------- strided perplexity


def measured(over, cases):
    """The perplexity of each (corpus, window, stride) under a model that depends on what it has read, and its calls (learner's side)."""
    found = []
    for corpus, window, stride in cases:
        calls, given = [], [list(ids) for ids in corpus]

        def surprise(ids, calls=calls):
            calls.append(list(ids))
            return [1.5 / (i + 1) + 0.1 * ((ids[i + 1] * 7 + ids[i] * 3 + ids[0]) % 23) for i in range(len(ids) - 1)]

        result = over(surprise, given, window, stride)
        found.append([result, calls, given == [list(ids) for ids in corpus]])
    return found


def token_by_token(corpus, window, stride):
    """The perplexity, each token by itself in the first window that holds it; and the windows."""
    nll, windows = [], []
    for ids in corpus:
        starts = set()
        for at in range(1, len(ids)):
            start = max(0, -((window - at - 1) // stride)) * stride
            starts.add(start)
            i = at - 1 - start
            nll.append(1.5 / (i + 1) + 0.1 * ((ids[at] * 7 + ids[at - 1] * 3 + ids[start]) % 23))
        windows += [ids[start : start + window] for start in starts]
    return math.exp(sum(nll) / len(nll)), sorted(windows)


def documents(dice, lengths):
    return [[dice.randrange(100) for _ in range(length)] for length in lengths]


class TestStridedPerplexity(Exercise, id="evaluation-strided-perplexity"):
    """Exercise evaluation-strided-perplexity."""

    def probe(self, submission):
        """A long document, short and empty ones, several strides; one window each way of the edge; nothing to count."""
        dice = random.Random(3)
        cases = [(documents(dice, [9]), 5, 2), (documents(dice, [7, 2, 0, 1, 12]), 4, 3), (documents(dice, [5, 6]), 5, 4), (documents(dice, [8]), 4, 1), (documents(dice, [3, 4]), 9, 4), (documents(dice, [10, 3]), 4, 2)]
        return [submission.run(measured, submission.perplexity_over, [case]) for case in cases], submission.run(measured, submission.perplexity_over, [([[1], []], 4, 2)]), submission.run(measured, submission.perplexity_over, [([[1, 2]], 4, 4)])

    def _same(self, submission, cases, why):
        for case, (result, calls, kept) in zip(cases, submission.run(measured, submission.perplexity_over, cases), strict=True):
            want, windows = token_by_token(*case)
            expect.close(result, want, atol=1e-9, rtol=1e-7, called=f"perplexity_over(…, documents of {[len(ids) for ids in case[0]]} tokens, window={case[1]}, stride={case[2]})", why=why)
            yield sorted(calls), windows, kept

    @core
    def test_one_window_a_document(self, submission, dice):
        """Documents that fit into the window are read once, and every token weighs the same."""
        cases = [(documents(dice, [dice.randint(2, 9) for _ in range(4)]), 9, dice.randint(1, 8)) for _ in range(10)]
        list(self._same(submission, cases, "exp of the sum of all surprises over their number, not a mean of documents"))

    @core
    def test_overlapping_windows(self, submission, dice):
        """In a long document each token but the first counts once, in the first window that holds it."""
        cases = [(documents(dice, [dice.randint(6, 25)]), window, dice.randint(1, window - 1)) for window in (2, 3, 4, 5, 5, 6, 6) for _ in range(3)]
        list(self._same(submission, cases, "from the second window on only the tokens count that no earlier one has held: the last ones"))

    def test_long_and_short_together(self, submission, dice):
        """Long and short documents, some of one token or none, give the token-weighted mean."""
        cases = [(documents(dice, [dice.choice([0, 1, 2, 3, 8, 15]) for _ in range(5)] + [6]) + [[5, 1, 8], [5, 1, 8]], dice.randint(3, 7), 2) for _ in range(12)]
        list(self._same(submission, cases, "a token of a short document weighs as much as any other; documents of fewer than 2 tokens have none that counts"))

    def test_the_edge_of_a_document(self, submission, dice):
        """A document that ends with a window, or a token before or after it, is read to its end and not further."""
        cases = [(documents(dice, [length]), 5, stride) for stride in (2, 3, 4) for length in (4, 5, 6, 7, 8, 9, 10, 11)]
        list(self._same(submission, cases, "the first window that reaches the end is the last; its new tokens may be fewer than stride"))

    def test_reads_what_it_needs(self, submission, dice):
        """The model reads the windows at 0, stride, 2 · stride, … up to the first that reaches the end, and no others."""
        cases = [(documents(dice, [dice.randint(0, 20), 1, dice.randint(2, 20)]), window, dice.randint(1, window - 1)) for window in (3, 5, 8) for _ in range(3)]
        for calls, windows, kept in self._same(submission, cases, "see what each window holds"):
            expect.equal(calls, windows, called="the windows that the model reads", why="slices of one document of at most `window` tokens, the next one `stride` further on")
            expect.true(kept, "the corpus was changed")

    def test_nothing_to_count(self, submission):
        """Without a token that has another before it there is no perplexity, and a stride must be shorter than the window: ValueError."""
        for case in (([[4], [], [7]], 5, 2), ([], 5, 2), ([[1, 2, 3]], 3, 3), ([[1, 2, 3]], 3, 0)):
            expect.raises("ValueError", submission.run, measured, submission.perplexity_over, [case])


# ---------------------------------------------------------------------------------------------------------- judge


def kappa_of(a, b):
    """Cohen's κ in fractions; None where it is 0/0."""
    n = len(a)
    observed = Fraction(sum(x == y for x, y in zip(a, b, strict=True)), n)
    expected = sum(Fraction(p, n) * Fraction(Counter(b)[verdict], n) for verdict, p in Counter(a).items())
    return float((observed - expected) / (1 - expected)) if expected != 1 else float("nan")


def judged(human, forward, swapped):
    """The three numbers, pair after pair."""
    same = first = 0
    final = []
    for one, two in zip(forward, swapped, strict=True):
        agree = one == two == "tie" or {one, two} == {"first", "second"}
        same += agree
        final.append({"first": "A", "second": "B", "tie": "tie"}[one] if agree else "tie")
        first += sum({"first": 1, "second": -1, "tie": 0}[said] for said in (one, two))
    return {"consistency": same / len(human), "position_bias": first / (2 * len(human)), "kappa": kappa_of(human, final)}


def judgements(dice, n, places=("first", "second", "tie")):
    return labels_of(dice, ["A", "A", "B", "tie"], n), labels_of(dice, places, n), labels_of(dice, places, n)


class TestJudgeAgreement(Exercise, id="evaluation-judge-agreement"):
    """Exercise evaluation-judge-agreement."""

    def probe(self, submission):
        """κ of small tables, an undefined one, and judges with and without a bias."""
        dice = random.Random(7)
        tables = [(list("AABBA"), list("ABBBA")), (["x"] * 3, ["x"] * 3), (["x"] * 3, ["y"] * 3), (list("ABC"), list("BCA")), ([1, 2, 1], [1, 2, 1]), (["A"] * 9 + ["B"], ["B"] + ["A"] * 9), ([], [])]
        cases = [judgements(dice, 9), (["A"] * 3, ["first"] * 3, ["first"] * 3), (["A", "B", "tie"], ["first", "second", "tie"], ["second", "first", "tie"]), (["A", "A"], ["second"] * 2, ["first"] * 2), (["A"], ["first"], ["second"]), (["B"] * 2, ["second"] * 2, ["second", "tie"]), judgements(dice, 5, ("first", "first", "tie"))]
        kept = submission.keep(["first", "tie"])
        submission.judge_agreement(["A", "B"], kept, ["second", "second"])
        return [submission.cohen_kappa(*table) for table in tables], [submission.judge_agreement(*case) for case in cases], submission.judge_agreement(["A"], [], []), submission.value(kept)

    @core
    def test_kappa(self, submission, dice):
        """Cohen's κ takes away the agreement that chance explains, from each rater's own shares."""
        cases = [(labels_of(dice, "AAAB", n), labels_of(dice, "AB", n)) for n in (6, 9, 14, 30)] + [(labels_of(dice, names, 12), labels_of(dice, names[1:], 12)) for names in ([1, 2, 3, 4], [None, "x", "y", 7], list("ABCDE")) for _ in range(4)]
        cases = [case for case in cases if len({*case[0], *case[1]}) > 1] + [(["A", "A", "B", "B"], ["A", "B", "B", "B"]), (["A"] * 9 + ["B"], ["B"] + ["A"] * 9)]
        compare(submission.each("cohen_kappa", cases), [kappa_of(*case) for case in cases], "expected agreement: for each verdict a's share times b's share, summed")

    def test_kappa_at_its_ends(self, submission):
        """Perfect agreement is 1, none may be below 0, and one verdict throughout is NaN; a constant rater against a varied one is 0."""
        cases = [(list("AB"), list("AB")), (list("AB"), list("BA")), (["A"] * 4, ["A"] * 4), (["A"] * 3, list("ABA")), (["x"] * 2, ["y"] * 2), (["tie"] * 7, ["tie"] * 7)]
        compare(submission.each("cohen_kappa", cases), [kappa_of(*case) for case in cases], "1 − expected is 0 only if both say the same one thing")
        for case in (([], []), (["A"], ["A", "B"])):
            expect.raises("ValueError", submission.cohen_kappa, *case)

    def _numbers(self, submission, cases, *names, why=""):
        for case, got in zip(cases, submission.each("judge_agreement", cases), strict=True):
            expect.true(isinstance(got, dict) and sorted(got) == ["consistency", "kappa", "position_bias"], "it must return a dict with consistency, position_bias and kappa", got=got)
            want = judged(*case)
            for name in names:
                expect.close(got[name], want[name], atol=1e-9, called=f"judge_agreement(...)[{name!r}]", why=why)

    @core
    def test_the_winner_of_both_orders(self, submission, dice):
        """The judge's verdict is the winner that both orders name, else a tie; κ compares it with the people's."""
        cases = [judgements(dice, 12, places) for places in (("first", "second", "tie"), ("first", "second"), ("second", "tie", "first")) for _ in range(6)]
        self._numbers(submission, cases, "kappa", why='when B is shown first, "first" means B; a winner counts only if both orders name it')

    def test_consistency(self, submission, dice):
        """Consistent is a pair with the same winner in both orders, or a tie in both."""
        self._numbers(submission, [judgements(dice, dice.randint(1, 12)) for _ in range(15)], "consistency", why="compare the winners, not the places: the same place twice is two different winners")

    def test_position_bias(self, submission, dice):
        """The bias is the surplus of "first" over "second", of all verdicts in both orders, ties included."""
        cases = [judgements(dice, dice.randint(1, 12), places) for places in (("first", "second", "tie"), ("first", "first", "tie"), ("second",), ("first",), ("tie",)) for _ in range(3)]
        self._numbers(submission, cases, "position_bias", why="it is counted on places, with a sign, and divided by twice the number of pairs")

    def test_judges_without_a_bias(self, submission, dice):
        """A judge that always finds the better answer has no bias, and one that always names one place has only that."""
        human = labels_of(dice, "AB", 9) + ["A", "B"]
        place = {"A": "first", "B": "second"}
        right = (human, [place[who] for who in human], [place["B" if who == "A" else "A"] for who in human])
        self._numbers(submission, [right, (human, right[2], right[1]), (human, ["first"] * 11, ["first"] * 11), (human, ["second"] * 11, ["second"] * 11)], "consistency", "position_bias", "kappa")

    def test_leaves_its_arguments_alone(self, submission, dice):
        """All three lists are as they came; lists of different lengths, or none: ValueError."""
        given = judgements(dice, 7)
        kept = [submission.keep(value) for value in given]
        submission.judge_agreement(*kept)
        expect.equal([submission.value(handle) for handle in kept], list(given))
        for case in (([], [], []), (["A"], ["first"], []), (["A"], ["first", "tie"], ["first"])):
            expect.raises("ValueError", submission.judge_agreement, *case)


# -------------------------------------------------------------------------------------------------- find the bugs

BUGS = ("leak", "perplexity", "absent", "paired", "tuned")
GRID = (0.1, 0.3, 0.5, 0.7, 0.9)


def run_script(source, cases):
    """Call functions of the script; a split or a report comes back with the ids of its rows (runs on the learner's side)."""
    found = []
    for name, args, seed in cases:
        scope = {"__name__": "script"}
        try:
            exec(compile(source, "<the patched script>", "exec"), scope)
            if name == "quick report":
                scope["interval"] = lambda *args, **kwargs: (0.0, 0.0)
            options = [random.Random(seed)] if name in ("split", "interval") else [seed] if "report" in name else []
            result = scope[name.split()[-1]](*args, *options)
            if name == "split":
                result = [[row["id"] for row in side] for side in result]
            if "report" in name:
                result = {key: [row["id"] for row in value] if key in ("choose", "test") else value for key, value in result.items()}
            found.append(list(result) if isinstance(result, tuple) else result)
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def script_of(submission):
    """The patched script, or a sentence about why the patches can't be applied."""
    patches = submission.find_bugs()
    good = isinstance(patches, dict) and all(type(number) is int and isinstance(patch, str) for number, patch in patches.items())
    expect.true(good, "find_bugs must return a dict from line numbers (int) to lines (str)", got=patches)
    try:
        source = patched(patches)
    except ValueError as error:
        expect.true(False, str(error), why=f"patch what is wrong, not the script: at most {MOST_PATCHES} lines, by at most {MOST_LINES}")
    try:
        compile(source, "<the patched script>", "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "text", None) or ""
        expect.true(False, f"the patched script is not valid Python: {type(error).__name__}: {getattr(error, 'msg', error)}, at `{line.rstrip()}`", why="a patch needs the indentation of its place")
    return source


def numbered_rows(seed, customers=12):
    return [{**row, "id": at} for at, row in enumerate(sample_rows(seed, customers))]


def worth(rows, model, threshold, both=True):
    """The macro F1 of a model at a threshold; with both=False over the labels of the truth only, as the script came."""
    guesses, truth = [row[model] if row[f"{model} confidence"] >= threshold else "other" for row in rows], [row["truth"] for row in rows]
    return f1_by_class(guesses, truth, None if both else sorted(set(truth)))


def scripted(submission, source, seed):
    """Run the script on small data: {bug: sentence} of what is still wrong, and the results that other checks read."""
    rows = numbered_rows(seed)
    same = [{**row, "b": row["a"], "b confidence": row["a confidence"]} for row in rows[:20]]
    tokens = [{"nll": n, "tokens": t} for n, t in ((1.0, 9), (4.0, 1), (2.5, 3))]
    labels = [(list("aab"), list("aac")), (list("ab"), list("aa")), (list("aaab"), list("abaa")), (list("xy"), list("zz"))]
    cases = [("split", [rows], s) for s in range(4)] + [("perplexity", [part], 0) for part in (tokens, tokens[:1], tokens[1:])]
    cases += [("macro_f1", list(pair), 0) for pair in labels] + [("interval", [same, {"a": 0.3, "b": 0.3}], s) for s in range(2)]
    cases += [("quick report", [rows], s) for s in range(5)]
    found = submission.run(run_script, source, cases)
    splits, perplexities, means, intervals, reports = found[:4], found[4:7], found[7:11], found[11:13], found[13:]
    wrong = {}
    who = {row["id"]: row["customer"] for row in rows}
    if not all(isinstance(s, list) and len(s) == 2 and all(s) and not {who[i] for i in s[0]} & {who[i] for i in s[1]} for s in splits):
        wrong["leak"] = "a customer's rows are on both sides of the split, or a side is empty"
    want = [math.exp(sum(r["nll"] * r["tokens"] for r in part) / sum(r["tokens"] for r in part)) for part in (tokens, tokens[:1], tokens[1:])]
    if not close_to(perplexities, want):
        wrong["perplexity"] = f"the perplexity of 9 tokens at 1 nat, 1 at 4 nats and 3 at 2.5 nats should be {want[0]:.4f}; the script says {perplexities[0]}"
    if not close_to(means, [f1_by_class(g, t) for t, g in labels]):
        wrong["absent"] = f"the macro F1 of the guesses a, a, c for the truth a, a, b should be 1/3; the script says {means[0]}"
    if not close_to([end for pair in intervals if isinstance(pair, list) for end in pair], [0.0] * 4):
        wrong["paired"] = f"two models with the same answers differ by 0 on any rows; their interval is {intervals[0]}"
    if not all(well_tuned(rows, report) for report in reports):
        wrong["tuned"] = "the thresholds are not those that are best on the rows to choose with"
    return wrong, {"rows": rows, "splits": splits, "reports": reports}


def close_to(got, want):
    return len(got) == len(want) and all(isinstance(g, int | float) and math.isclose(g, w, rel_tol=1e-7, abs_tol=1e-9) for g, w in zip(got, want, strict=True))


def well_tuned(rows, report):
    """Whether each threshold of the report is the best of the five on the rows to choose with."""
    if not isinstance(report, dict):
        return False
    choose = [rows[at] for at in report["choose"]]
    return all(any(worth(choose, model, report["thresholds"][model], both) >= max(worth(choose, model, t, both) for t in GRID) - 1e-9 for both in (True, False)) for model in "ab")


class TestFindTheBugs(Exercise, id="evaluation-find-the-bugs"):
    """Exercise evaluation-find-the-bugs."""

    def probe(self, submission):
        """What the patched script says on small data; the patches themselves where they can't be applied."""
        patches = submission.find_bugs()
        try:
            source = patched(patches)
        except (ValueError, TypeError, AttributeError):
            return patches
        rows = numbered_rows(3, 5)
        same = [{**row, "b": row["a"], "b confidence": row["a confidence"]} for row in rows]
        cases = [("split", [rows], 1), ("split", [rows], 2), ("perplexity", [rows[:3]], 0), ("macro_f1", [list("aab"), list("aac")], 0), ("macro_f1", [list("ab"), list("aa")], 0), ("interval", [same, {"a": 0.3, "b": 0.3}], 1), ("interval", [rows, {"a": 0.3, "b": 0.3}], 1), ("report", [rows], 1), *[("quick report", [numbered_rows(6)], s) for s in range(5)], ("score", [rows, "a", 0.6], 0), ("macro_f1", [list("xy"), list("zz")], 0)]
        return submission.run(run_script, source, cases)

    @core
    def test_the_patched_script_runs_and_is_better(self, submission, dice):
        """The patches are few, fit the script, and at least one of its bugs is gone."""
        wrong, _ = scripted(submission, script_of(submission), dice.randrange(1000))
        expect.true(len(wrong) < len(BUGS), "all five bugs are still there", why="find one at a time: each is something that a docstring in the script promises")

    @core
    def test_the_rest_still_works(self, submission, dice):
        """Split, score, interval and report do what they did, bugs aside."""
        source, rows = script_of(submission), numbered_rows(dice.randrange(1000), 30)
        clear = [{**row, "a": "x", "truth": "x", "b": "y", "a confidence": 1.0, "b confidence": 1.0} for row in rows[:9]]
        mixed = rows[:40]
        cases = [("split", [rows], s) for s in (1, 2, 3, 4, 1)] + [("score", [clear, model, 0.5], 0) for model in "ab"] + [("interval", [clear, {"a": 0.5, "b": 0.5}], 1), ("interval", [mixed, {"a": 0.1, "b": 0.1}], 1), ("report", [rows], 5)]
        found = submission.run(run_script, source, cases)
        broken = next((result for result in found if isinstance(result, str)), "")
        expect.true(not broken, f"a function of the patched script raises {broken}")
        for choose, test in found[:4]:
            expect.equal(sorted(choose + test), list(range(len(rows))), called="the ids on both sides of split", why="every row is on one side, once")
            expect.true(0.2 <= len(choose) / len(rows) <= 0.8, f"{len(choose)} of {len(rows)} rows are there to choose with", why="keep the split near a half")
        expect.true(found[0] == found[4] and len({str(sorted(side[0])) for side in found[:4]}) > 2, "split is no longer drawn from rng")
        expect.close(found[5:8], [1.0, 0.0, [1.0, 1.0]], called="two scores and the interval of a model that is always right against one that never is")
        low, high = found[8]
        expect.true(0.1 < high - low < 0.8 and low < high, "the interval of two models that differ is too narrow or too wide", got=found[8])
        self._report(found[9], rows)

    def _report(self, report, rows):
        expect.equal(sorted(report), ["choose", "gap", "perplexity", "scores", "test", "thresholds"], called="the keys of the report")
        expect.true(all(report["thresholds"][model] in GRID for model in "ab"), "a threshold is none of the five", got=report["thresholds"])
        expect.true(not set(report["choose"]) & set(report["test"]), "rows that were used to choose are tested too", why="what the report says must come from rows that were not used to choose")
        test = [rows[at] for at in report["test"]]
        for model in "ab":
            fair = [worth(test, model, report["thresholds"][model], both) for both in (True, False)]
            expect.true(any(math.isclose(report["scores"][model], value, abs_tol=1e-9) for value in fair), "a score of the report is not that of the test rows at its threshold", got=report["scores"])
        expect.true(math.isfinite(report["perplexity"]) and len(report["gap"]) == 2, "the report's gap or perplexity is gone", got=report["gap"])

    def test_customers_are_on_one_side(self, submission, dice):
        """No customer is both among the rows to choose with and among the rows to test with."""
        self._mended(submission, dice, "leak", "new messages come from new customers: draw customers, not rows")

    def test_every_token_weighs_the_same(self, submission, dice):
        """The perplexity is exp of the mean surprise over all tokens."""
        self._mended(submission, dice, "perplexity", "exp comes last, and a row weighs as much as it has tokens")

    def test_absent_labels_count(self, submission, dice):
        """A label that is only guessed is in the mean, with an F1 of 0."""
        self._mended(submission, dice, "absent", "over which labels does the mean run?")

    def test_models_meet_the_same_rows(self, submission, dice):
        """Each draw of the bootstrap gives both models the same rows."""
        self._mended(submission, dice, "paired", "a paired bootstrap draws rows once, for both models")

    def test_thresholds_are_not_chosen_on_the_test(self, submission, dice):
        """The thresholds are chosen on the rows that are there for choosing."""
        self._mended(submission, dice, "tuned", "the test rows are opened once, at the end")

    def _mended(self, submission, dice, bug, why):
        wrong, _ = scripted(submission, script_of(submission), dice.randrange(1000))
        expect.true(bug not in wrong, wrong.get(bug, ""), why=why)
