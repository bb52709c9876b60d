"""Plausible wrong answers to p3_5_evaluation, each with what its author should be told; and right answers written another way."""

import itertools
import math
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import torch

from grader.mutation import edit, mutant, variant

SPLIT, F1, COMPARE, ECE = "evaluation-validation-split", "evaluation-accuracy-f1", "evaluation-compare-models", "evaluation-calibration-error"
STRIDED, JUDGE, BUGS = "evaluation-strided-perplexity", "evaluation-judge-agreement", "evaluation-find-the-bugs"

# --------------------------------------------------------------------------------------------- split by group

edit(SPLIT, "counts_groups", "Validation holds the fraction of groups; the fraction is of rows, and groups differ in size.", ("rows >= fraction * len(groups)", "len(held_out) >= fraction * len(names)"))
edit(SPLIT, "one_group_too_many", "It stops only when there are more rows than asked for; exactly fraction × rows is enough.", ("rows >= fraction", "rows > fraction"))
edit(SPLIT, "rounds_the_fraction_down", "The number of rows is rounded down, and validation may get fewer than it should.", ("fraction * len(groups)", "int(fraction * len(groups))"))
edit(SPLIT, "leaves_nothing_to_learn", "Every group may go to validation, and then nothing is left to learn from.", ("names[:-1]", "names"))
edit(SPLIT, "never_shuffles", "The groups come in the order of the rows: draw them with rng.", ("    rng.shuffle(names)\n", ""))
edit(SPLIT, "global_random", "Python's global generator is used; draw with the rng that you are given.", ("rng.shuffle(names)", "random.shuffle(names)"))
edit(SPLIT, "own_seed", "A generator with a seed of its own is used, so every split is the same.", ("rng.shuffle(names)", "random.Random(0).shuffle(names)"))
edit(SPLIT, "sides_swapped", "Validation and training are swapped.", ("return training, validation", "return validation, training"))
edit(SPLIT, "sorts_the_names", "The names of the groups are sorted; they may be of different types, and a name should not matter.", ("list(dict.fromkeys(groups))", "sorted(set(groups))"))
edit(SPLIT, "sorts_the_names_as_text", "The groups are sorted by the text of their names, so other names give another split.", ("list(dict.fromkeys(groups))", "sorted(set(groups), key=str)"))
edit(SPLIT, "shuffles_groups_in_place", "The caller's list of groups is shuffled; leave it as it came.", ("    rng.shuffle(names)\n", "    rng.shuffle(names)\n    if isinstance(groups, list):\n        groups.sort(key=str)\n"))
edit(SPLIT, "large_groups_first", "The groups are taken by size, not by chance alone.", ("    rng.shuffle(names)\n", "    rng.shuffle(names)\n    names.sort(key=lambda name: -sum(group == name for group in groups))\n"))
edit(SPLIT, "counts_training", "It goes on until training would hold the fraction.", ("rows >= fraction", "rows >= (1 - fraction)"))
edit(SPLIT, "group_names_returned", "The names of the groups are returned; return the numbers of their rows.", ("return training, validation", "return [groups[row] for row in training], [groups[row] for row in validation]"))


@mutant(SPLIT, provides="validation_split")
def by_row(groups, fraction, rng):
    """Rows are drawn, so a group is on both sides: draw groups."""
    if not 0 < fraction < 1 or len(set(groups)) < 2:
        raise ValueError
    rows = list(range(len(groups)))
    rng.shuffle(rows)
    cut = math.ceil(fraction * len(rows))
    return sorted(rows[cut:]), sorted(rows[:cut])


@mutant(SPLIT, provides="validation_split")
def large_groups_likelier(groups, fraction, rng):
    """A row is drawn and its group taken, so large groups are likelier: draw among groups."""
    if not 0 < fraction < 1 or len(set(groups)) < 2:
        raise ValueError
    rows = list(range(len(groups)))
    rng.shuffle(rows)
    names = list(dict.fromkeys(groups[row] for row in rows))
    taken = []
    for name in names[:-1]:
        if sum(group in taken for group in groups) < fraction * len(groups):
            taken.append(name)
    return [r for r, g in enumerate(groups) if g not in taken], [r for r, g in enumerate(groups) if g in taken]


@mutant(SPLIT, provides="validation_split")
def a_rotation(groups, fraction, rng):
    """Only the first group is drawn, and the others follow in order: neighbours are held out together."""
    if not 0 < fraction < 1 or len(set(groups)) < 2:
        raise ValueError
    names = list(dict.fromkeys(groups))
    start = rng.randrange(len(names))
    names, taken = names[start:] + names[:start], []
    for name in names[:-1]:
        if sum(group in taken for group in groups) < fraction * len(groups):
            taken.append(name)
    return [r for r, g in enumerate(groups) if g not in taken], [r for r, g in enumerate(groups) if g in taken]


@mutant(SPLIT, provides="validation_split")
def blocks_of_rows(groups, fraction, rng):
    """A run of equal names is taken for a group; the rows of a group may stand anywhere."""
    if not 0 < fraction < 1 or len(set(groups)) < 2:
        raise ValueError
    runs, at = [], 0
    for _, run in itertools.groupby(groups):
        size = len(list(run))
        runs.append(range(at, at + size))
        at += size
    rng.shuffle(runs)
    held = []
    for run in runs[:-1]:
        if len(held) < fraction * len(groups):
            held += run
    return sorted(set(range(len(groups))) - set(held)), sorted(held)


@variant(SPLIT, provides="validation_split")
def by_random_keys(groups, fraction, rng):
    """Right: a random key for each group, and a dict of rows."""
    if not 0 < fraction < 1 or len(set(groups)) < 2:
        raise ValueError
    rows_of = defaultdict(list)
    for row, group in enumerate(groups):
        rows_of[group].append(row)
    keyed = {name: rng.random() for name in rows_of}
    order = sorted(rows_of, key=keyed.get)
    validation = []
    while len(validation) < fraction * len(groups) and len(order) > 1:
        validation += rows_of[order.pop()]
    return sorted(row for name in order for row in rows_of[name]), sorted(validation)


@variant(SPLIT, provides="validation_split")
def by_sampling(groups, fraction, rng):
    """Right: rng.sample, then the shortest sufficient beginning."""
    if not 0 < fraction < 1 or len(set(groups)) < 2:
        raise ValueError
    sizes = Counter(groups)
    names = rng.sample(list(sizes), len(sizes))
    total = list(itertools.accumulate(sizes[name] for name in names))
    count = min(next(k for k, n in enumerate(total, start=1) if n >= fraction * len(groups)), len(names) - 1)
    held = set(names[:count])
    where = [[], []]
    for row, group in enumerate(groups):
        where[group in held].append(row)
    return tuple(where)


# ------------------------------------------------------------------------------------------ accuracy, macro F1

edit(F1, "classes_of_the_truth", "A class that is guessed but never true is forgotten; it counts, with an F1 of 0.", ("{*truth, *guesses} if", "{*truth} if"))
edit(F1, "classes_of_the_guesses", "A class that is never guessed is forgotten, and the model's worst fault with it.", ("{*truth, *guesses} if", "{*guesses} if"))
edit(F1, "classes_on_both_sides", "Only classes on both sides are in the mean; one that is on one side counts with 0.", ("{*truth, *guesses} if", "{*truth} & {*guesses} if"))
edit(F1, "absent_is_zero", "A class that occurs nowhere counts as 0; it is 0/0 and left out.", ("        if mentions:\n            scores.append(2 * hits / mentions)", "        scores.append(2 * hits / max(mentions, 1))"))
edit(F1, "absent_is_one", "A class that occurs nowhere counts as 1; it is 0/0 and left out.", ("        if mentions:\n            scores.append(2 * hits / mentions)", "        scores.append(2 * hits / mentions if mentions else 1.0)"))
edit(F1, "zeros_left_out", "A class with an F1 of 0 is left out of the mean.", ("        if mentions:", "        if hits:"))
edit(F1, "divides_by_all_classes", "The sum is divided by the number of classes asked for, those left out included.", ("    return sum(scores) / len(scores)", "    return sum(scores) / len(classes or {*truth, *guesses})"))
edit(F1, "forgets_the_two", "The 2 in 2·TP is missing.", ("2 * hits / mentions", "hits / mentions"))
edit(F1, "intersection_over_union", "TP / (TP + FP + FN) is another measure; F1 counts the hits twice.", ("2 * hits / mentions", "hits / (mentions - hits)"))
edit(F1, "ignores_classes", "The argument classes is ignored.", (" if classes is None else classes:", ":"))
edit(F1, "drops_other_rows", "Rows of other classes are dropped; they still are false alarms and misses.", ("    scores = []\n", "    pairs = [(g, t) for g, t in zip(guesses, truth, strict=True) if classes is None or (g in classes and t in classes)]\n    guesses, truth = [g for g, _ in pairs], [t for _, t in pairs]\n    scores = []\n"))
edit(F1, "zero_without_classes", "If no class is left, 0 is returned; the docstring promises a ValueError.", ('        raise ValueError(f"none of the classes {classes} occurs")', "        return 0.0"))
edit(F1, "percent", "Accuracy is a share, 0 to 1, not a percentage.", ("/ len(truth)\n", "/ len(truth) * 100\n"))
edit(F1, "accuracy_counts_errors", "The share of wrong answers is returned.", ("sum(guess == true for", "sum(guess != true for"))
edit(F1, "compares_with_is", "Values are compared with `is`, which asks for the same object.", ("sum(guess == true for", "sum(guess is true for"))
edit(F1, "sorts_in_place", "The lists are sorted, so guesses and truth no longer belong together.", ("    scores = []\n", "    guesses.sort(key=str)\n    scores = []\n"))
edit(F1, "recall_only", "This is the mean recall; F1 looks at false alarms too.", ("2 * hits / mentions", "hits / max(sum(true == name for true in truth), 1)"))
edit(F1, "precision_only", "This is the mean precision; F1 looks at misses too.", ("2 * hits / mentions", "hits / max(sum(guess == name for guess in guesses), 1)"))


@mutant(F1, provides="f1_macro")
def micro(guesses, truth, classes=None):
    """Hits are counted over all classes together (micro); macro is the mean over classes."""
    if len(guesses) != len(truth) or not truth:
        raise ValueError
    names = set(truth) | set(guesses) if classes is None else classes
    hits = sum(g == t and g in names for g, t in zip(guesses, truth, strict=True))
    mentions = sum(g in names for g in guesses) + sum(t in names for t in truth)
    if not mentions:
        raise ValueError
    return 2 * hits / mentions


@mutant(F1, provides="f1_macro")
def weighted(guesses, truth, classes=None):
    """Each class weighs as many as its rows; in the macro mean all weigh the same."""
    if len(guesses) != len(truth) or not truth:
        raise ValueError
    names = set(truth) | set(guesses) if classes is None else set(classes)
    total = sum(t in names for t in truth)
    if not names & {*truth, *guesses}:
        raise ValueError
    return sum(2 * sum(g == t == n for g, t in zip(guesses, truth, strict=True)) / (guesses.count(n) + truth.count(n)) * truth.count(n) for n in names & {*truth, *guesses}) / max(total, 1)


@mutant(F1, provides="f1_macro")
def of_the_means(guesses, truth, classes=None):
    """F1 of the mean precision and the mean recall; it must be the mean of the classes' F1."""
    if len(guesses) != len(truth) or not truth:
        raise ValueError
    names = [n for n in (set(truth) | set(guesses) if classes is None else classes) if n in truth or n in guesses]
    if not names:
        raise ValueError
    hits = [sum(g == t == n for g, t in zip(guesses, truth, strict=True)) for n in names]
    p = sum(h / max(guesses.count(n), 1) for h, n in zip(hits, names, strict=True)) / len(names)
    r = sum(h / max(truth.count(n), 1) for h, n in zip(hits, names, strict=True)) / len(names)
    return 2 * p * r / (p + r) if p + r else 0.0


@variant(F1, provides="f1_macro")
def by_precision_and_recall(guesses, truth, classes=None):
    """Right: precision and recall of each class, from counters."""
    if len(guesses) != len(truth) or not truth:
        raise ValueError
    said, real = Counter(guesses), Counter(truth)
    both = Counter(g for g, t in zip(guesses, truth, strict=True) if g == t)
    names = dict.fromkeys(truth) | dict.fromkeys(guesses) if classes is None else [n for n in classes if said[n] or real[n]]
    scores = []
    for n in names:
        p, r = both[n] / said[n] if said[n] else 0.0, both[n] / real[n] if real[n] else 0.0
        scores.append(2 * p * r / (p + r) if p + r else 0.0)
    if not scores:
        raise ValueError("no class")
    return float(np.mean(scores))


@variant(F1, provides="f1_macro")
def by_sets(guesses, truth, classes=None):
    """Right: sets of row numbers, and a tensor for the mean."""
    if len(guesses) != len(truth) or not truth:
        raise ValueError
    scores = []
    for n in {*guesses, *truth} if classes is None else classes:
        a, b = {i for i, g in enumerate(guesses) if g == n}, {i for i, t in enumerate(truth) if t == n}
        if a | b:
            scores.append(2 * len(a & b) / (len(a) + len(b)))
    if scores == []:
        raise ValueError("no class")
    return torch.tensor(scores, dtype=torch.float64).mean().item()


# ---------------------------------------------------------------------------------------- bootstrap and McNemar

edit(COMPARE, "without_replacement", "The rows are drawn without replacement, so each draw is the same rows in another order.", ("rng.choices(rows, k=len(rows))", "rng.sample(list(rows), k=len(rows))"))
edit(COMPARE, "half_the_rows", "A draw has fewer rows than there are, so the interval is too wide.", ("k=len(rows)", "k=max(len(rows) // 2, 1)"))
edit(COMPARE, "one_row_fewer", "A draw has one row fewer than there are.", ("k=len(rows)", "k=max(len(rows) - 1, 1)"))
edit(COMPARE, "never_sorts", "The results are not sorted.", ("found = sorted(statistic(rng.choices(rows, k=len(rows))) for _ in range(draws))", "found = [statistic(rng.choices(rows, k=len(rows))) for _ in range(draws)]"))
edit(COMPARE, "no_interpolation", "The quantile is cut down to a whole place; interpolate between the two nearest.", ("found[below] + (place - below) * (found[above] - found[below])", "found[below]"))
edit(COMPARE, "places_to_draws", "Quantile q of m numbers stands at place q · (m − 1), not q · m.", ("place = q * (draws - 1)", "place = min(q * draws, draws - 1)"))
edit(COMPARE, "one_sided", "Each end cuts off 1 − level; both together must.", ("quantile((1 - level) / 2), quantile((1 + level) / 2)", "quantile(1 - level), quantile(level)"))
edit(COMPARE, "high_first", "The ends are swapped: low comes first.", ("quantile((1 - level) / 2), quantile((1 + level) / 2)", "quantile((1 + level) / 2), quantile((1 - level) / 2)"))
edit(COMPARE, "ignores_level", "The level is always 0.95.", ("    def quantile(q: float) -> float:\n", "    level = 0.95\n\n    def quantile(q: float) -> float:\n"))
edit(COMPARE, "ignores_draws", "The number of draws is always 1000.", ("    found = sorted", "    draws = 1000\n    found = sorted"))
edit(COMPARE, "global_random", "Python's global generator draws; use the rng that you are given.", ("rng.choices(rows", "random.choices(rows"))
edit(COMPARE, "seeds_itself", "rng is seeded, so every interval is the same.", ("    found = sorted", "    rng.seed(0)\n    found = sorted"))
edit(COMPARE, "the_first_row_stays", "The first row is in every draw; each place is drawn.", ("rng.choices(rows, k=len(rows))", "[rows[0], *rng.choices(rows, k=len(rows) - 1)]"))
edit(COMPARE, "counts_the_rows_as_they_are", "The statistic of the rows as they are is mixed in; only draws count.", ("for _ in range(draws))", "for _ in range(draws - 1))\n    found = sorted([*found, statistic(list(rows))])"))
edit(COMPARE, "normal_interval", "Mean ± 1.96 standard deviations is another interval, with another shape.", ("    return quantile((1 - level) / 2), quantile((1 + level) / 2)", "    centre = sum(found) / draws\n    wide = 1.96 * (sum((x - centre) ** 2 for x in found) / draws) ** 0.5\n    return centre - wide, centre + wide"))
edit(COMPARE, "p_above_one", "Doubling gives more than 1 if both counts are equal; p is at most 1.", ("min(1.0, 2 * ways / 2**n)", "2 * ways / 2**n"))
edit(COMPARE, "half_p", "The test is two-sided: double the tail.", ("2 * ways / 2**n", "ways / 2**n"))
edit(COMPARE, "counts_all_rows", "Rows on which both are right, or both wrong, are counted as coins.", ("n = only_a + only_b", "n = len(a_right)"))
edit(COMPARE, "stops_before", "The sum ends one term early: min(b, c) itself belongs to it.", ("min(only_a, only_b) + 1", "min(only_a, only_b)"))
edit(COMPARE, "looks_one_way", "Only the rows that the first model alone got right are taken for the tail.", ("min(only_a, only_b) + 1", "only_a + 1"))
edit(COMPARE, "too_small_for_a_float", "0.5 ** n is 0 for large n; stay with whole numbers until the last division.", ("2 * ways / 2**n", "2 * ways * 0.5**n if n < 1000 else 0.0"))


@mutant(COMPARE, provides="bootstrap_ci")
def rows_taken_apart(rows, statistic, rng, level=0.95, draws=1000):
    """The items of a row are drawn independently, so two models meet different rows; a row stays whole."""
    if not rows or not 0 < level < 1 or draws < 1:
        raise ValueError
    if isinstance(rows[0], list | tuple):
        values = [statistic([list(row) for row in zip(*(rng.choices(column, k=len(rows)) for column in zip(*rows, strict=True)), strict=True)]) for _ in range(draws)]
    else:
        values = [statistic(rng.choices(rows, k=len(rows))) for _ in range(draws)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@mutant(COMPARE, provides="mcnemar")
def chi_squared(a_right, b_right):
    """The chi-squared approximation is far off for few rows; the docstring asks for the exact p."""
    if len(a_right) != len(b_right):
        raise ValueError
    b, c = (sum(x and not y for x, y in zip(one, two, strict=True)) for one, two in ((a_right, b_right), (b_right, a_right)))
    return math.erfc(math.sqrt((b - c) ** 2 / (b + c) / 2)) if b + c else 1.0


@mutant(COMPARE, provides="mcnemar")
def mid_p(a_right, b_right):
    """The last term counts only half (mid-p); the docstring's sum counts it whole."""
    if len(a_right) != len(b_right):
        raise ValueError
    b, c = (sum(x and not y for x, y in zip(one, two, strict=True)) for one, two in ((a_right, b_right), (b_right, a_right)))
    n, k = b + c, min(b, c)
    return min(1.0, (2 * sum(math.comb(n, i) for i in range(k + 1)) - math.comb(n, k)) / 2**n)


@variant(COMPARE, provides="bootstrap_ci")
def by_numpy(rows, statistic, rng, level=0.95, draws=1000):
    """Right: row numbers by randrange, and NumPy's quantile."""
    if not rows or not 0 < level < 1 or draws < 1:
        raise ValueError
    values = []
    for _ in range(draws):
        values.append(statistic([rows[rng.randrange(len(rows))] for _ in rows]))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@variant(COMPARE, provides="bootstrap_ci")
def by_torch(rows, statistic, rng, level=0.95, draws=1000):
    """Right: int(random · N) for the row, torch's quantile."""
    if not rows or not 0 < level < 1 or draws < 1:
        raise ValueError
    values = torch.tensor([statistic([rows[int(rng.random() * len(rows))] for _ in range(len(rows))]) for _ in range(draws)], dtype=torch.float64)
    return torch.quantile(values, 0.5 - level / 2).item(), torch.quantile(values, 0.5 + level / 2).item()


@variant(COMPARE, provides="mcnemar")
def by_fractions(a_right, b_right):
    """Right: a Counter of pairs and the share of uneven outcomes in fractions."""
    if len(a_right) != len(b_right):
        raise ValueError
    table = Counter(zip(a_right, b_right, strict=True))
    n, gap = table[True, False] + table[False, True], abs(table[True, False] - table[False, True])
    return float(min(Fraction(sum(math.comb(n, k) for k in range(n + 1) if abs(n - 2 * k) >= gap), 2**n), Fraction(1)))


# --------------------------------------------------------------------------------------------------- calibration

edit(ECE, "gap_of_each_answer", "The absolute value is taken for each answer; in a bin too sure and too unsure cancel.", ("gaps[at] += bool(right) - sure", "gaps[at] += abs(bool(right) - sure)"))
edit(ECE, "no_absolute_value", "Without the absolute value the bins cancel each other.", ("sum(map(abs, gaps))", "sum(gaps)"))
edit(ECE, "edges_above", "A confidence on an edge goes to the bin above; bins are closed on the right.", ("max(math.ceil(sure * bins) - 1, 0)", "min(int(sure * bins), bins - 1)"))
edit(ECE, "zero_in_the_last_bin", "A confidence of 0 gets index −1, the last bin; it belongs to the first.", ("max(math.ceil(sure * bins) - 1, 0)", "math.ceil(sure * bins) - 1"))
edit(ECE, "always_ten_bins", "The argument bins is ignored.", ("    gaps = [0.0] * bins", "    bins = 10\n    gaps = [0.0] * bins"))
edit(ECE, "rounds_to_bins", "Confidences are rounded to the nearest edge, so bins are shifted by half.", ("math.ceil(sure * bins) - 1, 0)", "round(sure * bins) - 1, 0)"))
edit(ECE, "sorts_its_argument", "The confidences are sorted in place and no longer belong to their answers.", ("    gaps = [0.0]", "    confidences.sort()\n    gaps = [0.0]"))
edit(ECE, "squared", "The gaps are squared; the error is a mean of absolute gaps.", ("sum(map(abs, gaps)) / len(confidences)", "(sum(gap * gap for gap in gaps)) ** 0.5 / len(confidences)"))
edit(ECE, "divides_by_bins", "The sum is divided by the number of bins; divide by the number of answers.", ("sum(map(abs, gaps)) / len(confidences)", "sum(map(abs, gaps)) / bins"))
edit(ECE, "half_up", "The share wrong is compared with the confidence; it is the share right.", ("bool(right) - sure", "(not right) - sure"))


def _bins(confidences, correct, bins):
    if len(confidences) != len(correct) or not confidences or bins < 1 or not all(0 <= c <= 1 for c in confidences):
        raise ValueError
    placed = defaultdict(list)
    for c, r in zip(confidences, correct, strict=True):
        placed[max(math.ceil(c * bins) - 1, 0)].append((c, r))
    return placed


@mutant(ECE, provides="expected_calibration_error")
def plain_mean_of_bins(confidences, correct, bins=10):
    """All bins weigh the same; each weighs as many as its answers."""
    placed = _bins(confidences, correct, bins)
    return sum(abs(sum(r for _, r in part) - sum(c for c, _ in part)) / len(part) for part in placed.values()) / len(placed)


@mutant(ECE, provides="expected_calibration_error")
def middle_of_the_bin(confidences, correct, bins=10):
    """The share right is compared with the middle of the bin; compare it with the mean confidence in it."""
    return sum(abs(sum(r for _, r in part) - len(part) * (b + 0.5) / bins) for b, part in _bins(confidences, correct, bins).items()) / len(correct)


@mutant(ECE, provides="expected_calibration_error")
def the_largest_gap(confidences, correct, bins=10):
    """The largest gap is returned (maximum calibration error); the expected one is a weighted mean."""
    return max(abs(sum(r for _, r in part) - sum(c for c, _ in part)) / len(part) for part in _bins(confidences, correct, bins).values())


@mutant(ECE, provides="expected_calibration_error")
def bins_of_equal_number(confidences, correct, bins=10):
    """The bins hold equally many answers; they must have equal width."""
    _bins(confidences, correct, bins)
    order = sorted(range(len(correct)), key=lambda i: confidences[i])
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(abs(sum(correct[i] for i in part) - sum(confidences[i] for i in part)) for part in parts) / len(correct))


@variant(ECE, provides="expected_calibration_error")
def bin_by_bin(confidences, correct, bins=10):
    """Right: a loop over bins, comparing with both edges."""
    if len(confidences) != len(correct) or not confidences or bins < 1 or not all(0 <= c <= 1 for c in confidences):
        raise ValueError
    error = 0.0
    for b in range(bins):
        inside = [i for i, c in enumerate(confidences) if (c > b / bins or (b == 0 and c == 0)) and c <= (b + 1) / bins]
        if inside:
            error += len(inside) / len(correct) * abs(sum(correct[i] for i in inside) / len(inside) - sum(confidences[i] for i in inside) / len(inside))
    return error


@variant(ECE, provides="expected_calibration_error")
def by_bucketize(confidences, correct, bins=10):
    """Right: torch.bucketize and scatter, in float64."""
    if len(confidences) != len(correct) or not confidences or bins < 1 or not all(0 <= c <= 1 for c in confidences):
        raise ValueError
    c, r = torch.tensor(confidences, dtype=torch.float64), torch.tensor(correct, dtype=torch.float64)
    at = torch.bucketize(c, torch.arange(1, bins, dtype=torch.float64) / bins)
    return float(torch.zeros(bins, dtype=torch.float64).index_add_(0, at, r - c).abs().sum() / len(c))


# -------------------------------------------------------------------------------------------- strided perplexity

edit(STRIDED, "scores_the_overlap_again", "Each window counts all of its tokens, so the overlap counts twice.", ("new = end - done", "new = end - start - 1"))
edit(STRIDED, "counts_stride_each_time", "The last window may have fewer new tokens than stride.", ("new = end - done", "new = end - done if start == 0 else stride"))
edit(STRIDED, "first_tokens_of_the_window", "The new tokens are the last of a window, not its first.", ("[-new:]", "[:new]"))
edit(STRIDED, "drops_the_end", "The last, shorter window is left out, and the end of the document with it.", ("while done < len(ids):", "while start + window <= len(ids) or start == 0 < len(ids) - 1 and done < len(ids):"))
edit(STRIDED, "reads_to_the_last_start", "It goes on after the end was reached, with windows that have nothing new.", ("            total += sum(surprise(ids[start:end])[-new:])", "            total += sum(surprise(ids[start:end])[-new:])\n            if end == len(ids) and end - start > stride + 1:\n                surprise(ids[start + stride :])"))
edit(STRIDED, "window_one_short", "The windows hold one token fewer than they may.", ("min(start + window, len(ids))", "min(start + max(window - 1, 2), len(ids))"))
edit(STRIDED, "window_one_long", "The windows hold one token more than the model reads.", ("min(start + window, len(ids))", "min(start + window + 1, len(ids))"))
edit(STRIDED, "no_overlap", "The stride is not used: windows follow each other without overlap.", ("start, done = start + stride, end", "start, done = end - 1, end"))
edit(STRIDED, "counts_the_first_token", "The first token of a document is counted, though nothing predicts it.", ("count += new", "count += new + (start == 0)"))
edit(STRIDED, "forgets_exp", "The mean surprise is returned; perplexity is its exponential.", ("return math.exp(total / count)", "return total / count"))
edit(STRIDED, "two_to_the_power", "The surprise is in nats: the base is e, not 2.", ("math.exp(total / count)", "2 ** (total / count)"))
edit(STRIDED, "one_for_nothing", "Without a token that counts there is no perplexity; the docstring promises a ValueError.", ('        raise ValueError("no token has another one before it")', "        return 1.0"))
edit(STRIDED, "calls_for_single_tokens", "The model is called for documents of one token.", ("        start, done = 0, 1", "        if len(ids) == 1:\n            surprise(ids)\n        start, done = 0, 1"))
edit(STRIDED, "eats_the_corpus", "The documents are emptied on the way; leave the corpus as it came.", ("            start, done = start + stride, end", "            start, done = start + stride, end\n            if done == len(ids):\n                ids.pop()"))
edit(STRIDED, "only_the_first_document", "Only the first document is read.", ("for ids in corpus:", "for ids in corpus[:1]:"))


def _documents(surprise, corpus, window, stride):
    if not 1 <= stride < window:
        raise ValueError
    for ids in corpus:
        start, done, sums = 0, 1, []
        while done < len(ids):
            end = min(start + window, len(ids))
            sums.append((sum(surprise(ids[start:end])[done - end :]), end - done))
            start, done = start + stride, end
        if sums:
            yield sums


@mutant(STRIDED, provides="perplexity_over")
def mean_of_documents(surprise, corpus, window, stride):
    """Each document weighs the same; each token must."""
    means = [sum(s for s, _ in sums) / sum(n for _, n in sums) for sums in _documents(surprise, corpus, window, stride)]
    if not means:
        raise ValueError
    return math.exp(sum(means) / len(means))


@mutant(STRIDED, provides="perplexity_over")
def mean_of_perplexities(surprise, corpus, window, stride):
    """The perplexities of windows are averaged; take exp once, at the end, of the mean over tokens."""
    found = [math.exp(s / n) for sums in _documents(surprise, corpus, window, stride) for s, n in sums]
    if not found:
        raise ValueError
    return sum(found) / len(found)


@mutant(STRIDED, provides="perplexity_over")
def mean_of_windows(surprise, corpus, window, stride):
    """The means of windows are averaged, though the windows count different numbers of tokens."""
    means = [s / n for sums in _documents(surprise, corpus, window, stride) for s, n in sums]
    if not means:
        raise ValueError
    return math.exp(sum(means) / len(means))


@mutant(STRIDED, provides="perplexity_over")
def one_long_text(surprise, corpus, window, stride):
    """The documents are joined to one text, so a document is read after the one before it."""
    sums = [pair for sums in _documents(surprise, [[token for ids in corpus for token in ids]], window, stride) for pair in sums]
    if not sums:
        raise ValueError
    return math.exp(sum(s for s, _ in sums) / sum(n for _, n in sums))


@variant(STRIDED, provides="perplexity_over")
def by_ranges(surprise, corpus, window, stride):
    """Right: a list of all counted surprises, from a range of starts."""
    if not 1 <= stride < window:
        raise ValueError
    nll = []
    for ids in corpus:
        if len(ids) < 2:
            continue
        for start in range(0, max(len(ids) - window, 0) + stride, stride):
            part = surprise(ids[start : start + window])
            nll.extend(part if start == 0 else part[window - stride - 1 :])
    if not nll:
        raise ValueError("nothing to count")
    return float(np.exp(np.mean(nll)))


@variant(STRIDED, provides="perplexity_over")
def by_a_table(surprise, corpus, window, stride):
    """Right: a table of the first surprise seen at each place."""
    if stride < 1 or stride >= window:
        raise ValueError
    seen = {}
    for number, ids in enumerate(corpus):
        for start in itertools.count(0, stride):
            if len(ids) < 2:
                break
            for i, nll in enumerate(surprise(list(ids)[start : start + window])):
                seen.setdefault((number, start + 1 + i), nll)
            if start + window >= len(ids):
                break
    if not seen:
        raise ValueError("nothing to count")
    return math.exp(math.fsum(seen.values()) / len(seen))


# ---------------------------------------------------------------------------------------------------------- judge

edit(JUDGE, "raw_agreement", "Raw agreement is returned; κ takes away what chance explains.", ("return (n * agree - chance) / (n * n - chance) if chance < n * n else float(\"nan\")", "return agree / n"))
edit(JUDGE, "chance_is_one_in_k", "Chance agreement is taken as one in the number of verdicts; it depends on the raters' shares.", ("chance = sum(list(a).count(verdict) * list(b).count(verdict) for verdict in set(a))", "chance = n * n / len({*a, *b})"))
edit(JUDGE, "forgets_to_divide", "observed − expected is not yet κ: divide by 1 − expected.", ("(n * agree - chance) / (n * n - chance)", "(n * agree - chance) / (n * n)"))
edit(JUDGE, "shares_of_one_rater", "The expected agreement uses the first rater's shares twice.", ("list(a).count(verdict) * list(b).count(verdict)", "list(a).count(verdict) ** 2"))
edit(JUDGE, "shares_of_both_together", "The expected agreement uses the shares of both raters together (Scott's π).", ("list(a).count(verdict) * list(b).count(verdict) for verdict in set(a)", "(list(a).count(verdict) + list(b).count(verdict)) ** 2 / 4 for verdict in {*a, *b}"))
edit(JUDGE, "undefined_is_one", "κ is 0/0 if both say one thing throughout: NaN, not 1.", ('float("nan")', "1.0"))
edit(JUDGE, "undefined_is_zero", "κ is 0/0 if both say one thing throughout: NaN, not 0.", ('float("nan")', "0.0"))
edit(JUDGE, "never_negative", "κ may be negative: less agreement than by chance.", ("(n * agree - chance) / (n * n - chance)", "max(0, n * agree - chance) / (n * n - chance)"))
edit(JUDGE, "forgets_the_swap", 'When B is shown first, "first" means B.', ('{"first": "B", "second": "A", "tie": "tie"}', '{"first": "A", "second": "B", "tie": "tie"}'))
edit(JUDGE, "both_the_wrong_way", "A and B are exchanged in both orders.", ('in_forward, in_swapped = ', 'in_swapped, in_forward = '))
edit(JUDGE, "believes_the_first_order", "The verdict of the first order counts even if the other order names another winner.", ('one if one == two else "tie" for', 'one for'))
edit(JUDGE, "believes_the_second_order", "The verdict of the second order counts even if the first names another winner.", ('one if one == two else "tie" for', 'two for'))
edit(JUDGE, "a_tie_gives_way", "A tie in one order and a winner in the other is a tie; both orders must name the winner.", ('[one if one == two else "tie" for one, two in winners]', '[one if one == two or two == "tie" else two if one == "tie" else "tie" for one, two in winners]'))
edit(JUDGE, "ties_are_not_consistent", "A tie in both orders is consistent.", ("sum(one == two for one, two in winners)", 'sum(one == two != "tie" for one, two in winners)'))
edit(JUDGE, "consistent_places", "Consistency compares places; the same place twice means two different winners.", ("sum(one == two for one, two in winners)", "sum(one == two for one, two in zip(forward, swapped, strict=True))"))
edit(JUDGE, "bias_without_sign", "The bias has a sign: −1 is always second.", ('(said.count("first") - said.count("second")) / len(said)', 'abs(said.count("first") - said.count("second")) / len(said)'))
edit(JUDGE, "bias_of_one_order", "The bias is counted in one order only, where it can't be told from quality.", ("said = [*forward, *swapped]", "said = [*forward]"))
edit(JUDGE, "bias_without_ties", "Ties are verdicts too: divide by all of them.", ("/ len(said)", '/ max(1, sum(v != "tie" for v in said))'))
edit(JUDGE, "share_of_first", 'The share of "first" is returned; the bias is the surplus over "second".', ('(said.count("first") - said.count("second")) / len(said)', 'said.count("first") / len(said)'))
edit(JUDGE, "divides_by_pairs", "There are two verdicts a pair.", ("/ len(said)", "/ len(human)"))
edit(JUDGE, "kappa_without_ties", "Pairs that the judge calls a tie are left out of κ.", ('cohen_kappa(human, judged)', 'cohen_kappa([h for h, j in zip(human, judged, strict=True) if j != "tie"] or ["A"], [j for j in judged if j != "tie"] or ["A"])'))
edit(JUDGE, "kappa_with_itself", "κ is taken between the two orders; it is to be that with the people.", ("cohen_kappa(human, judged)", "cohen_kappa([one for one, _ in winners], [two for _, two in winners])"))
edit(JUDGE, "writes_into_forward", "The list forward is changed.", ("    said = [*forward, *swapped]", "    said = forward\n    said += swapped"))


@variant(JUDGE, provides="cohen_kappa")
def by_counters(a, b):
    """Right: shares as fractions."""
    if len(a) != len(b) or not a:
        raise ValueError
    n, ca, cb = len(a), Counter(a), Counter(b)
    observed, expected = Fraction(sum(map(lambda x, y: x == y, a, b)), n), sum(Fraction(ca[v] * cb[v], n * n) for v in ca)
    return math.nan if expected == 1 else float((observed - expected) / (1 - expected))


@variant(JUDGE, provides="judge_agreement")
def with_signs(human, forward, swapped):
    """Right: +1 for A, −1 for B, 0 for a tie, and κ by a matrix."""
    if not len(human) == len(forward) == len(swapped) or not human:
        raise ValueError
    sign = {"first": 1, "second": -1, "tie": 0}
    f, s = np.array([sign[v] for v in forward]), np.array([sign[v] for v in swapped])
    final = np.where(f == -s, f, 0)
    people = np.array([{"A": 1, "B": -1, "tie": 0}[v] for v in human])
    table = np.zeros((3, 3))
    np.add.at(table, (people + 1, final + 1), 1 / len(human))
    expected = float(table.sum(0) @ table.sum(1))
    kappa = float("nan") if abs(1 - expected) < 1e-12 else (float(np.trace(table)) - expected) / (1 - expected)
    return {"kappa": kappa, "position_bias": float((f + s).mean() / 2), "consistency": float((f == -s).mean())}


# -------------------------------------------------------------------------------------------------- find the bugs

_SPLIT = '''        8: '    customers = list(dict.fromkeys(row["customer"] for row in rows))\\n    rng.shuffle(customers)',
        9: "    half = set(customers[: len(customers) // 2])",
        10: '    return [row for row in rows if row["customer"] in half], [row for row in rows if row["customer"] not in half]',
'''
_NLL = '''        15: '    return math.exp(sum(row["nll"] * row["tokens"] for row in rows) / sum(row["tokens"] for row in rows))',
'''
_LABELS = '        21: "    for label in sorted({*truth, *guesses}):",\n'
_PAIRS = '        37: "        for_a = for_b = rng.choices(rows, k=len(rows))",\n'
_TUNED = '        49: "        thresholds[model] = max((0.1, 0.3, 0.5, 0.7, 0.9), key=lambda t: score(choose, model, t))",\n'

edit(BUGS, "misses_the_leak", "Customers are still on both sides of the split.", (_SPLIT, ""))
edit(BUGS, "sorts_by_customer", "The rows are sorted by customer and cut in the middle, so one customer is still on both sides.", (_SPLIT, '''        8: '    rows.sort(key=lambda row: row["customer"])',\n'''))
edit(BUGS, "forgets_to_shuffle", "The customers are no longer shuffled: the split must be drawn from rng.", ("\\n    rng.shuffle(customers)", ""))
edit(BUGS, "one_customer", "Only one customer is held out.", ("len(customers) // 2", "1"))
edit(BUGS, "misses_the_perplexity", "Perplexities of rows are still averaged.", (_NLL, ""))
edit(BUGS, "mean_of_means", "exp comes last now, but each row weighs the same: weigh by tokens.", ('math.exp(sum(row["nll"] * row["tokens"] for row in rows) / sum(row["tokens"] for row in rows))', 'math.exp(sum(row["nll"] for row in rows) / len(rows))'))
edit(BUGS, "weighted_perplexities", "The perplexities are weighted by tokens, but still averaged: exp comes last.", ('math.exp(sum(row["nll"] * row["tokens"] for row in rows) / sum(row["tokens"] for row in rows))', 'sum(math.exp(row["nll"]) * row["tokens"] for row in rows) / sum(row["tokens"] for row in rows)'))
edit(BUGS, "forgets_exp", "The mean surprise is returned, without exp.", ('math.exp(sum(row["nll"] * row["tokens"] for row in rows) / sum(row["tokens"] for row in rows))', 'sum(row["nll"] * row["tokens"] for row in rows) / sum(row["tokens"] for row in rows)'))
edit(BUGS, "misses_the_label", "A label that is only guessed is still left out.", (_LABELS, ""))
edit(BUGS, "labels_of_the_guesses", "Now labels that are never guessed are left out.", ("sorted({*truth, *guesses})", "sorted(set(guesses))"))
edit(BUGS, "labels_on_both_sides", "Labels on one side only are left out.", ("sorted({*truth, *guesses})", "sorted(set(guesses) & set(truth))"))
edit(BUGS, "misses_the_pairs", "The two models still meet different rows in the bootstrap.", (_PAIRS, ""))
edit(BUGS, "no_bootstrap", "The rows are no longer drawn: every difference is the same.", ("for_a = for_b = rng.choices(rows, k=len(rows))", "for_a = for_b = rows"))
edit(BUGS, "misses_the_tuning", "The thresholds are still chosen on the test rows.", (_TUNED, ""))
edit(BUGS, "tunes_on_all", "The thresholds are chosen on all rows, the test rows among them.", ("score(choose, model, t)", "score(rows, model, t)"))
edit(BUGS, "tests_on_choose", "The scores are now those of the rows that the thresholds were chosen on.", (_TUNED, '''        46: "    test, choose = split(rows, rng)\\n    test = choose",\n'''))
edit(BUGS, "fixed_threshold", "The threshold is no longer chosen.", ("max((0.1, 0.3, 0.5, 0.7, 0.9), key=lambda t: score(choose, model, t))", "0.5"))
edit(BUGS, "chooses_the_worst", "The worst threshold is chosen.", ("max((0.1", "min((0.1"))
edit(BUGS, "nothing_found", "No line is patched.", ("    return {\n", "    return {} and {\n"))
edit(BUGS, "counts_lines_from_zero", "The line numbers count from 0; the script's lines count from 1.", ("    return {\n", "    return {number - 1: line for number, line in {\n"), ("score(choose, model, t))\",\n    }", "score(choose, model, t))\",\n    }.items()}"))
edit(BUGS, "wrong_indentation", "A patch has lost its indentation; a patch is the whole line, spaces included.", ('"    for label in sorted', '"for label in sorted'))
edit(BUGS, "rewrites_it_all", "The whole script is replaced; patch at most 8 lines.", ("    return {\n", "    return {n: 'pass' for n in range(1, 40)} or {\n"))
edit(BUGS, "breaks_the_score", "score was right: a confidence on the threshold is sure enough.", ("        37: ", "        29: '    sure = [row[model] for row in rows]',\n        37: "))
edit(BUGS, "narrows_the_interval", "The interval was one of 95 %; now it is narrower.", ("        49: ", '        40: "    return gaps[int(0.45 * draws)], gaps[int(0.55 * draws)]",\n        49: '))


@variant(BUGS, provides="find_bugs")
def by_other_lines():
    """Right: each bug mended in another way."""
    return {
        9: '    names = sorted({row["customer"] for row in rows}, key=str)\n    half = rng.sample(names, len(names) // 2)',
        10: '    return [row for row in rows if row["customer"] in half], [row for row in rows if row["customer"] not in half]',
        15: '    tokens = sum(row["tokens"] for row in rows)\n    return math.prod(math.exp(row["nll"] * row["tokens"] / tokens) for row in rows)',
        21: "    for label in set(truth + guesses):",
        38: '        gaps.append(score(for_a, "a", thresholds["a"]) - score(for_a, "b", thresholds["b"]))',
        49: "        thresholds[model] = max((0.9, 0.7, 0.5, 0.3, 0.1), key=lambda t: score(choose, model, t))",
    }


@variant(BUGS, provides="find_bugs")
def by_few_lines():
    """Right: rows are drawn customer by customer, indexes for the bootstrap, test and choose renamed."""
    return {
        9: '    names = list({row["customer"]: 0 for row in rows})',
        10: '    return [r for r in rows if names.index(r["customer"]) % 2], [r for r in rows if names.index(r["customer"]) % 2 == 0]',
        15: '    return 2 ** (sum(row["nll"] / math.log(2) * row["tokens"] for row in rows) / sum(row["tokens"] for row in rows))',
        20: "    scores = [0.0 for label in set(guesses) - set(truth)]",
        37: "        at = [rng.randrange(len(rows)) for _ in rows]\n        for_a, for_b = [rows[i] for i in at], [rows[i] for i in at]",
        46: "    test, choose = split(rows, rng)\n    choose, test = test, choose",
        49: "        thresholds[model] = max((0.1, 0.3, 0.5, 0.7, 0.9), key=lambda t: score(choose, model, t))",
    }
