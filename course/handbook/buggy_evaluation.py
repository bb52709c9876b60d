"""An evaluation script with five planted bugs, for finding them: its text, its lines with numbers, and how patches apply.

The script is ours. Every bug in it is one that runs, raises nothing, and makes a number better or worse than the truth.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

MOST_PATCHES, MOST_LINES = 8, 14  # numbered lines that may be replaced, and lines that may stand in their place

SCRIPT = '''\
import math
import random


def split(rows, rng):
    """Two lists that hold every row once: to choose with, and to test with. No customer is in both."""
    rows = list(rows)
    rng.shuffle(rows)
    half = len(rows) // 2
    return rows[:half], rows[half:]


def perplexity(rows):
    """The perplexity of all tokens. A row has its mean surprise a token in nats, "nll", and its number of "tokens"."""
    return sum(math.exp(row["nll"]) for row in rows) / len(rows)


def macro_f1(truth, guesses):
    """The mean F1 of every label that is in the truth or among the guesses."""
    scores = []
    for label in sorted(set(truth)):
        hits = sum(t == g == label for t, g in zip(truth, guesses))
        scores.append(2 * hits / (truth.count(label) + guesses.count(label)))
    return sum(scores) / len(scores)


def score(rows, model, threshold):
    """The macro F1 of a model that says "other" where its confidence is below the threshold."""
    sure = [row[model] if row[model + " confidence"] >= threshold else "other" for row in rows]
    return macro_f1([row["truth"] for row in rows], sure)


def interval(rows, thresholds, rng, draws=200):
    """The 95 % interval of a's score minus b's, by the paired bootstrap."""
    gaps = []
    for _ in range(draws):
        for_a, for_b = rng.choices(rows, k=len(rows)), rng.choices(rows, k=len(rows))
        gaps.append(score(for_a, "a", thresholds["a"]) - score(for_b, "b", thresholds["b"]))
    gaps.sort()
    return gaps[int(0.025 * draws)], gaps[int(0.975 * draws)]


def report(rows, seed=0):
    """Choose each model's threshold by its score, then say what both are worth on rows that were not used to choose."""
    rng = random.Random(seed)
    choose, test = split(rows, rng)
    thresholds = {}
    for model in ("a", "b"):
        thresholds[model] = max((0.1, 0.3, 0.5, 0.7, 0.9), key=lambda t: score(test, model, t))
    scores = {model: score(test, model, thresholds[model]) for model in ("a", "b")}
    gap = interval(test, thresholds, rng)
    found = {"thresholds": thresholds, "scores": scores, "gap": gap, "perplexity": perplexity(test)}
    return {"choose": choose, "test": test, **found}
'''


def numbered() -> str:
    """Return the script with a number before each line."""
    return "\n".join(f"{number:2}  {line}".rstrip() for number, line in enumerate(SCRIPT.splitlines(), start=1))


def patched(patches: Mapping[int, str]) -> str:
    """Return the script with each numbered line replaced by its patch, which may be several lines or empty.

    Raises: ValueError if a number is not that of a line, if more than MOST_PATCHES lines are replaced, or if the
    patches together are longer than MOST_LINES lines.
    """
    lines = SCRIPT.splitlines()
    strange = [number for number in patches if not 1 <= number <= len(lines)]
    if strange:
        raise ValueError(f"the script has lines 1 to {len(lines)}, not {strange[0]}")
    longest = sum(len(patch.splitlines()) for patch in patches.values())
    if len(patches) > MOST_PATCHES or longest > MOST_LINES:
        raise ValueError(f"{len(patches)} lines are replaced by {longest}; at most {MOST_PATCHES} by {MOST_LINES}")
    return "\n".join(patches.get(number, line) for number, line in enumerate(lines, start=1)) + "\n"


ROUTES = ("billing", "delivery", "returns")


def sample_rows(seed: int = 0, customers: int = 12) -> list[dict[str, str | float | int]]:
    """Make rows to try the script on: 1 to 5 a customer, two models' guesses, and a language model's surprise."""
    dice = random.Random(seed)
    rows: list[dict[str, str | float | int]] = []
    for customer in range(customers):
        for _ in range(dice.randint(1, 5)):
            truth = dice.choice((*ROUTES, "other"))
            row: dict[str, str | float | int] = {"customer": customer, "truth": truth}
            row |= {"nll": round(dice.uniform(1, 5), 2), "tokens": dice.randint(1, 40)}
            for model, skill in (("a", 0.8), ("b", 0.6)):
                row[model] = truth if dice.random() < skill and truth != "other" else dice.choice(ROUTES)
                sure = dice.random(), dice.random()
                row[f"{model} confidence"] = round(min(sure) if row[model] != truth or dice.random() < 0.2 else max(sure), 2)
            rows.append(row)
    dice.shuffle(rows)
    return rows
