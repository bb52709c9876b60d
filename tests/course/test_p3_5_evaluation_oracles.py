"""The reference answers and the checks' oracles of lesson p3_5 against scikit-learn and NumPy, on many generated cases."""

import math
import random
import warnings

import numpy as np
import pytest

from grader.checks import p3_5_evaluation as checks
from grader.mutation import references, run_source

LESSON = "p3_5_evaluation"


def reference(exercise: str, name: str):
    return run_source(references(LESSON)[exercise], f"{exercise}.py")[name]


def test_accuracy_and_macro_f1_equal_sklearn():
    metrics = pytest.importorskip("sklearn.metrics")
    ours, f1, dice = reference("evaluation-accuracy-f1", "accuracy"), reference("evaluation-accuracy-f1", "f1_macro"), random.Random(1)
    for _ in range(150):
        rows = dice.randint(1, 20)
        guesses, truth = checks.labels_of(dice, "abcde", rows), checks.labels_of(dice, "bcdef"[: dice.randint(1, 5)], rows)
        assert ours(guesses, truth) == pytest.approx(metrics.accuracy_score(truth, guesses))
        for classes in (None, [*sorted({*guesses, *truth})[:2], "z"]):
            theirs = metrics.f1_score(truth, guesses, average="macro", labels=classes, zero_division=np.nan)
            assert f1(guesses, truth, classes) == pytest.approx(theirs)
            assert checks.f1_by_class(guesses, truth, classes) == pytest.approx(theirs)


def test_kappa_equals_sklearn():
    metrics = pytest.importorskip("sklearn.metrics")
    kappa, dice = reference("evaluation-judge-agreement", "cohen_kappa"), random.Random(2)
    for _ in range(200):
        rows = dice.randint(1, 15)
        a, b = checks.labels_of(dice, "ABC"[: dice.randint(1, 3)], rows), checks.labels_of(dice, "ABC"[: dice.randint(1, 3)], rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn warns of 0/0, which is among the cases
            theirs = metrics.cohen_kappa_score(a, b)
        assert kappa(a, b) == pytest.approx(theirs, nan_ok=True)
        assert checks.kappa_of(a, b) == pytest.approx(theirs, nan_ok=True)


def test_calibration_error_equals_sklearns_curve():
    calibration = pytest.importorskip("sklearn.calibration")
    ours, dice = reference("evaluation-calibration-error", "expected_calibration_error"), random.Random(3)
    for number in range(200):
        bins = dice.choice([1, 2, 4, 8]) if number % 2 else dice.randint(1, 20)
        sure, right = checks.surely(dice, dice.randint(2, 40), bins if number % 2 else None)
        right[:2] = [True, False]
        share, mean = calibration.calibration_curve(right, sure, n_bins=bins, strategy="uniform")
        edges = np.linspace(0.0, 1.0, bins + 1)
        counts = np.bincount(np.searchsorted(edges[1:-1], sure), minlength=bins)
        theirs = float((np.abs(share - mean) * counts[counts > 0]).sum() / len(sure))
        assert ours(sure, right, bins) == pytest.approx(theirs, abs=1e-12)
        assert checks.binned_gap(sure, right, bins) == pytest.approx(theirs, abs=1e-12)


def test_mcnemar_equals_scipys_binomial_test():
    stats = pytest.importorskip("scipy.stats")
    ours, dice = reference("evaluation-compare-models", "mcnemar"), random.Random(4)
    for _ in range(200):
        b, c = dice.randint(0, 25), dice.randint(0, 25)
        theirs = float(stats.binomtest(b, b + c).pvalue) if b + c else 1.0
        assert ours(*checks.disagree(dice, b, c, dice.randint(0, 5), 2)) == pytest.approx(theirs)
        assert checks.coins(b, c) == pytest.approx(theirs)


def test_bootstrap_ends_equal_numpys_quantiles():
    ours, dice = reference("evaluation-compare-models", "bootstrap_ci"), random.Random(5)
    for _ in range(100):
        values, level = [], dice.uniform(0.01, 0.99)

        def statistic(sample, values=values):
            values.append(sum(sample) / len(sample))
            return values[-1]

        ends = ours([dice.random() for _ in range(dice.randint(1, 8))], statistic, dice, level, dice.randint(1, 60))
        assert ends == pytest.approx(tuple(np.quantile(values, [(1 - level) / 2, (1 + level) / 2])))


def test_strided_perplexity_equals_token_by_token():
    ours, dice = reference("evaluation-strided-perplexity", "perplexity_over"), random.Random(6)
    for _ in range(200):
        window = dice.randint(2, 9)
        case = checks.documents(dice, [dice.randint(0, 25) for _ in range(3)] + [2]), window, dice.randint(1, window - 1)
        ((result, calls, kept),) = checks.measured(ours, [case])
        want, windows = checks.token_by_token(*case)
        assert math.isclose(result, want, rel_tol=1e-9)
        assert sorted(calls) == windows
        assert kept
