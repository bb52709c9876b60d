"""The oracles of p3_6_text_metrics and its reference answers agree with rouge-score and sacrebleu on hundreds of cases."""
from __future__ import annotations

import random

import pytest

from grader.checks import p3_6_text_metrics as checks
from grader.mutation import references, run_source

rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer", reason="rouge-score is an option of the course, not a need")
sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu is an option of the course, not a need")

TOLERANCE = 1e-6
ALPHABET = "abc AB1 2.,-'_\n\t\u00e9\u00df\u0130\u00b2\u0663 "


@pytest.fixture(scope="module")
def ours():
    """The reference answers by name."""
    names = {}
    for exercise, source in references("p3_6_text_metrics").items():
        names.update(run_source(source, f"{exercise}.py"))
    return names


def texts(seed: int, number: int) -> list[tuple[str, str]]:
    """Pairs of texts: words with repeats, random characters, and the cases of the checks."""
    dice = random.Random(seed)
    pairs = [*checks.TEXTS, *checks.EMPTY]
    for _ in range(number):
        words = checks.WORDS[: dice.choice([2, 4, 12])]
        pairs.append((" ".join(checks.sentence(dice, words, 0, 14)), " ".join(checks.sentence(dice, words, 0, 14))))
        pairs.append(("".join(checks.sentence(dice, ALPHABET, 0, 30)), "".join(checks.sentence(dice, ALPHABET, 0, 30))))
    return pairs


def test_rouge(ours):
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rouge3", "rougeL"], use_stemmer=False)
    for hypothesis, reference in texts(1, 150):
        theirs = scorer.score(reference, hypothesis)
        for n in (1, 2, 3):
            want = pytest.approx(tuple(theirs[f"rouge{n}"]), abs=TOLERANCE)
            assert ours["rouge_n"](hypothesis, reference, n) == want
            assert checks.rouge_n_of(hypothesis, reference, n) == want
        want = pytest.approx(tuple(theirs["rougeL"]), abs=TOLERANCE)
        assert ours["rouge_l"](hypothesis, reference) == want
        assert checks.rouge_l_of(hypothesis, reference) == want


def test_overlap(ours):
    for hypothesis, reference in texts(2, 100):
        for n in (1, 2, 4):
            case = (hypothesis.split(), reference.split(), n)
            assert ours["ngram_overlap"](*case) == checks.overlap_of(*case)


def corpora() -> list[tuple[list[str], list[list[str]]]]:
    """Corpora with one to four references a sentence, odd white space, and empty texts."""
    dice = random.Random(3)
    made = [checks.corpus(dice, dice.randint(1, 6), dice.randint(1, 4), checks.WORDS[: dice.choice([3, 6, 30])]) for _ in range(150)]
    for hypotheses, references_ in list(made[:60]):
        odd = [dice.choice(["", text, text.replace(" ", " \t", 1) + "\n", "x y", text.upper()]) for text in hypotheses]
        made.append((odd, [[*refs, dice.choice(["", "x y", "a b c d"])] for refs in references_]))
    return [*made, ([""], [["a"]]), ([""], [[""]]), (["a b c"], [["a b c"]]), (["a b c d"], [["a b c d"]])]


def test_bleu(ours):
    metric = sacrebleu.BLEU(tokenize="none", smooth_method="none")
    for hypotheses, references_ in corpora():
        most = max(map(len, references_))
        columns = [[refs[k] if k < len(refs) else None for refs in references_] for k in range(most)]
        want = pytest.approx(metric.corpus_score(hypotheses, columns).score, abs=TOLERANCE)
        assert ours["bleu"](hypotheses, references_) == want
        assert checks.bleu_of(hypotheses, references_) == want


@pytest.mark.parametrize(("n", "beta"), [(6, 2), (6, 1), (3, 2), (1, 3), (8, 0)])
def test_chrf(ours, n, beta):
    metric = sacrebleu.CHRF(char_order=n, word_order=0, beta=beta)
    pairs = texts(n, 60)
    for (hypothesis, first), (second, _) in zip(pairs, pairs[::-1], strict=True):
        for references_ in ([first], [first, second], [second, "", first]):
            want = pytest.approx(metric.sentence_score(hypothesis, references_).score, abs=TOLERANCE)
            assert ours["chrf"](hypothesis, references_, n, beta) == want
            assert checks.chrf_of(hypothesis, references_, n, beta) == want
