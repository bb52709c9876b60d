"""Further checks for p3_5_evaluation, which learners don't see."""

import math

from grader.checks.p3_5_evaluation import (
    BUGS,
    ROWS,
    binned_gap,
    compare,
    disagree,
    documents,
    drawn,
    f1_by_class,
    judged,
    judgements,
    labels_of,
    measured,
    quantiles,
    script_of,
    scripted,
    splits_of,
    surely,
    token_by_token,
    uneven,
    whole,
)
from grader.judge import Exercise, core, expect


class TestHiddenValidationSplit(Exercise, id="evaluation-validation-split", hidden=True):
    @core
    def test_many_groups(self, submission, dice):
        """Thirty groups of different sizes, named by texts and tuples, are split whole."""
        names = [f"g{n}" for n in range(15)] + [(n, None) for n in range(15)]
        cases = [(uneven(dice, names), fraction, dice.randrange(1 << 30)) for fraction in (0.03, 0.2, 0.5, 0.97)]
        for (groups, fraction, _), (result, *_) in zip(cases, submission.run(splits_of, submission.validation_split, cases), strict=True):
            whole(result, groups, fraction)

    def test_one_row_a_group(self, submission, dice):
        """With one row a group the share is met exactly."""
        cases = [(list(range(n)), 0.5, dice.randrange(99)) for n in (2, 4, 10)]
        expect.equal([len(result[1]) for result, *_ in submission.run(splits_of, submission.validation_split, cases)], [1, 2, 5], called="rows of validation")


class TestHiddenAccuracyF1(Exercise, id="evaluation-accuracy-f1", hidden=True):
    def test_one_row(self, submission):
        """One row is right or wrong, and has one class or two."""
        cases = [(["a"], ["a"]), (["a"], ["b"]), ([3], [3], [3, 4]), ([3], [4], [4])]
        compare(submission.each("f1_macro", cases), [1.0, 0.0, 1.0, 0.0], "a class on one side only counts as 0")

    def test_many_classes(self, submission, dice):
        """Fifty classes, most of them rare."""
        cases = [(labels_of(dice, range(50), 80), labels_of(dice, range(40), 80)) for _ in range(3)]
        compare(submission.each("f1_macro", cases), [f1_by_class(*case) for case in cases], "every class on either side counts")


class TestHiddenCompareModels(Exercise, id="evaluation-compare-models", hidden=True):
    def test_other_levels(self, submission, dice):
        """Narrow and wide levels, an even and an odd number of draws."""
        for level, draws in ((0.99, 30), (0.1, 31), (0.68, 3)):
            seen = submission.run(drawn, submission.bootstrap_ci, ROWS[1:4], dice.randrange(1 << 30), (level, draws))
            expect.close(seen["interval"], quantiles(seen["values"], level), atol=1e-9, why="linear interpolation between the two nearest")

    def test_only_disagreement_matters(self, submission, dice):
        """Rows on which both are right or both wrong change nothing, and the models may be swapped."""
        a, b = disagree(dice, 9, 3)
        more_a, more_b = disagree(dice, 9, 3, 50, 20)
        results = list(submission.each("mcnemar", [(a, b), (more_a, more_b), (b, a)]))
        compare(results, [299 / 2048] * 3, "count the rows on which exactly one is right")


class TestHiddenCalibrationError(Exercise, id="evaluation-calibration-error", hidden=True):
    def test_many_bins(self, submission, dice):
        """Hundreds of bins, most of them empty."""
        cases = [(*surely(dice, 40), bins) for bins in (64, 333, 1000)]
        compare(submission.each("expected_calibration_error", cases), [binned_gap(*case) for case in cases], "empty bins add nothing")


class TestHiddenStridedPerplexity(Exercise, id="evaluation-strided-perplexity", hidden=True):
    @core
    def test_a_long_document(self, submission, dice):
        """A document of 150 tokens beside short ones."""
        cases = [(documents(dice, [150, 2, 31, 0]), window, stride) for window, stride in ((32, 31), (10, 1), (17, 8))]
        for case, (result, calls, _) in zip(cases, submission.run(measured, submission.perplexity_over, cases), strict=True):
            want, windows = token_by_token(*case)
            expect.close(result, want, rtol=1e-7, why="each token but the first of a document counts once")
            expect.equal(sorted(calls), windows, called="the windows that the model reads")


class TestHiddenJudgeAgreement(Exercise, id="evaluation-judge-agreement", hidden=True):
    def test_people_who_call_ties(self, submission, dice):
        """People who mostly call a tie, and a judge that mostly does."""
        cases = [(labels_of(dice, ["tie", "tie", "A"], 15), *judgements(dice, 15, ("tie", "tie", "first", "second"))[1:]) for _ in range(6)]
        for case, got in zip(cases, submission.each("judge_agreement", cases), strict=True):
            expect.close({name: float(value) for name, value in got.items()}, judged(*case), atol=1e-9)

    def test_nan_for_no_variation(self, submission):
        """People and judge who always call a tie leave κ undefined."""
        (got,) = submission.each("judge_agreement", [(["tie"] * 3, ["first"] * 3, ["first"] * 3)])
        expect.true(math.isnan(got["kappa"]), "κ is 0/0 here, and NaN", got=got)


class TestHiddenBugs(Exercise, id="evaluation-find-the-bugs", hidden=True):
    def test_other_data(self, submission, dice):
        """On other data none of the five bugs shows."""
        wrong, _ = scripted(submission, script_of(submission), 1000 + dice.randrange(1000))
        expect.equal(sorted(wrong), [], called=f"what is still wrong, of {', '.join(BUGS)}")
