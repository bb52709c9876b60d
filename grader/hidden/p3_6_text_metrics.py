"""Hidden checks for p3_6_text_metrics: other texts, other mistakes, and properties that an answer must have."""

from grader.checks.p3_6_text_metrics import (
    CLOSE,
    MIXED,
    WORDS,
    bleu_of,
    chrf_of,
    compare,
    corpus,
    liked,
    must_alarm,
    must_be_silent,
    overlap_of,
    rouge_l_of,
    rouge_n_of,
    sentence,
    unchanged,
)
from grader.judge import Exercise, expect

LETTERS = "abcdef ABC.,-\t\u00e9\u00df"
ODD = ["a", "a b", "b", "", "A", "a.", "a\tb", "\tb"]


def messy(dice, size):
    """A corpus with empty, short and repeated hypotheses, odd white space, punctuation, capitals, and references of all lengths."""
    hypotheses, references = corpus(dice, size, 3, MIXED[:7])
    texts = [" ".join(sentence(dice, MIXED, size, size)) for size in (0, 1, 3, 5, 9)]
    hypotheses = ["", dice.choice(texts[1:3]), *(text.replace(" ", dice.choice(["  ", " \n", " "]), 1) for text in hypotheses)]
    references = [[dice.choice(texts[1:]), *dice.sample(texts, 2)], dice.sample(texts, 3), *references]
    first = " ".join(dice.sample(WORDS, 5))
    return [*hypotheses, first, first], [*references, [first.capitalize()], [f"{first} {WORDS[0]}"]]  # the same sentence twice


class TestHiddenNgramOverlap(Exercise, id="text-ngram-overlap", hidden=True):
    """More of text-ngram-overlap."""

    def test_a_text_with_itself(self, submission, dice):
        """A text shares all its n-grams with itself, and as many with another as that one with it."""
        texts = [sentence(dice, WORDS[:5], 3, 30) for _ in range(3)]
        compare(submission, "ngram_overlap", [(one, other, n) for one in texts for other in texts for n in (1, 2)], overlap_of, "min(a, b) matches for each n-gram")

    def test_odd_words(self, submission, dice):
        """Words that are empty, hold white space or punctuation, or differ in case only."""
        compare(submission, "ngram_overlap", [(sentence(dice, ODD, 6, 20), sentence(dice, ODD, 6, 20), n) for n in (1, 2, 2, 3)], overlap_of, "compare tuples of words as they are")

    def test_many_orders(self, submission, dice):
        """n up to 7, on texts of three words."""
        words = dice.sample(WORDS, 3)
        compare(submission, "ngram_overlap", [(sentence(dice, words, 0, 12), sentence(dice, words, 0, 12), n) for n in range(1, 8)], overlap_of, "n words in a row")


class TestHiddenRougeN(Exercise, id="text-rouge-n", hidden=True):
    """More of text-rouge-n."""

    def test_texts_of_random_characters(self, submission, dice):
        """Random characters, with punctuation and capitals."""
        cases = [("".join(sentence(dice, "aB1s .,-\n\u00e9\u00df_", 0, 40)), "".join(sentence(dice, "Ab1s .,'\t\u00e9\u00df_", 0, 40)), n) for n in (1, 1, 1, 2, 2, 3)]
        cases += [("", ""), ("-", "\u00e9"), ("b", "b", 2), ("B1\nb1", "b1 B1", 2)]
        compare(submission, "rouge_n", cases, rouge_n_of, "words are runs of a to z and 0 to 9 in the lower-cased text")

    def test_longer_texts(self, submission, dice):
        """Texts of some sixty words, n = 1 to 4."""
        cases = [(" ".join(sentence(dice, WORDS[:8], 50, 60)), " ".join(sentence(dice, WORDS[:8], 40, 70)), n) for n in (1, 2, 3, 4)]
        compare(submission, "rouge_n", cases, rouge_n_of, "clipped matches, divided by all n-grams")


class TestHiddenRougeL(Exercise, id="text-rouge-l", hidden=True):
    """More of text-rouge-l."""

    def test_texts_of_random_characters(self, submission, dice):
        """Random characters, with punctuation and capitals."""
        cases = [("".join(sentence(dice, "aB1s .,-\n\u00e9\u00df_", 0, 40)), "".join(sentence(dice, "Ab1s .,'\t\u00e9\u00df_", 0, 40))) for _ in range(6)]
        cases += [("", ""), ("-", "\u00e9"), ("B1\nb1", "b1. B1")]
        compare(submission, "rouge_l", cases, rouge_l_of, "words are runs of a to z and 0 to 9 in the lower-cased text")

    def test_texts_of_very_different_length(self, submission, dice):
        """A few words against many."""
        cases = [(" ".join(sentence(dice, WORDS[:9], 2, 6)), " ".join(sentence(dice, WORDS[:9], 120, 150))) for _ in range(3)]
        compare(submission, "rouge_l", [*cases, *((b, a) for a, b in cases)], rouge_l_of, "the longest sequence in the same order, wherever it stands")


class TestHiddenCheckRougeL(Exercise, id="rouge-write-the-test", hidden=True):
    """More of rouge-write-the-test."""

    def test_stays_silent_again(self, submission):
        """The test may be run twice on a right implementation."""
        must_be_silent(submission, "a table")
        must_be_silent(submission, "rounding errors")

    def test_catches_stemming_or_foreign_letters(self, submission):
        """Catches an implementation that cuts off a final s, and one that takes accents for letters."""
        must_alarm(submission, {"stemming": "you need a plural in one text and its singular in the other", "letters of all languages": "you need a word with an accent, or with an underscore"})

    def test_catches_lost_words(self, submission):
        """Catches an implementation that reads only the first twenty words, and one that forgets the last."""
        must_alarm(submission, {"cut off": "you need a text of more than twenty words", "last word": "you need a common word at the end"})

    def test_catches_other_formulas(self, submission):
        """Catches an implementation that returns F1 first, one that divides by the longer text, and one with the geometric mean."""
        why = "you need a case where all three numbers differ, and the hypothesis is the shorter text"
        must_alarm(submission, dict.fromkeys(("F1 first", "the longer", "geometric mean"), why))

    def test_catches_sentence_by_sentence(self, submission):
        """Catches an implementation that compares the first sentence with the first, the second with the second."""
        must_alarm(submission, {"sentences": "you need two texts of two sentences, with a common word in different ones"})


class TestHiddenBleu(Exercise, id="text-bleu", hidden=True):
    """More of text-bleu."""

    def test_larger_corpora(self, submission, dice):
        """Ten sentences, up to four references, few and many different words."""
        compare(submission, "bleu", [*(corpus(dice, 10, 4, WORDS[:k]) for k in (4, 8, 30)), messy(dice, 6)], bleu_of, "ten sums over the corpus, then one division for each n")

    def test_messy_corpora(self, submission, dice):
        """Empty and short sentences, odd white space, punctuation and capitals, references of all lengths; none of the lists changes."""
        cases = [messy(dice, size) for size in (1, 2, 3, 5)]
        compare(submission, "bleu", cases, bleu_of, "sentences add what they have; words are what str.split() gives")
        unchanged(submission, "bleu", list(cases[0]), "the lists")

    def test_zeros_and_ties(self, submission, dice):
        """Small corpora that score 0, and references that are equally close in length."""
        words = dice.sample(WORDS, 14)
        small = [([" ".join(words[:size])], [[" ".join(words[:size])], [" ".join(reversed(words[:5]))]][:1]) for size in (1, 2, 3, 4)]
        lost = [([" ".join([*words[:3], words[5], *words[3:5]])], [[" ".join(words[:5])]]), ([" ".join(words[:6:2])] * 3, [[" ".join(words)]] * 3)]
        ties = [([" ".join(words[:9])], [[" ".join(words[: 9 + k]), " ".join(words[: 9 - k])]]) for k in (1, 2, 4)]
        compare(submission, "bleu", [*small, *lost, *ties], bleu_of, "a zero makes BLEU 0; of two equally close references the shorter counts")

    def test_order_of_sentences_does_not_matter(self, submission, dice):
        """Sentences and references in another order give the same BLEU."""
        hypotheses, references = corpus(dice, 6, 3)
        order = dice.sample(range(6), 6)
        turned = [references[k][::-1] for k in order]
        first, second = submission.each("bleu", [(hypotheses, references), ([hypotheses[k] for k in order], turned)])
        expect.close(first, bleu_of(hypotheses, references), **CLOSE, why="sum over the corpus")
        expect.close(second, first, **CLOSE, why="neither the order of sentences nor that of references matters")


class TestHiddenChrf(Exercise, id="text-chrf", hidden=True):
    """More of text-chrf."""

    def test_random_texts(self, submission, dice):
        """Random characters with spaces, capitals and punctuation; one to three references; other n and beta."""
        cases = []
        for n, beta in ((6, 2.0), (6, 2.0), (4, 1.0), (7, 0.5), (1, 3.0)):
            texts = ["".join(sentence(dice, LETTERS, 0, 30)) for _ in range(4)]
            cases.append((texts[0], texts[1 : dice.randint(2, 4)], n, beta))
        cases += [("", texts[:2]), (texts[0], ["", " \n", texts[0] + "\u00e9", texts[0] + "\n\u00df"]), ("\u00e9\u00df\u00e9", ["e\u00df", "\u00c9SS\u00e9"])]
        compare(submission, "chrf", cases, chrf_of, "means of precision and recall over the k that both texts have, then one F")

    def test_sentences(self, submission, dice):
        """Sentences of real words."""
        cases = [(" ".join(sentence(dice, WORDS, 5, 9)), [" ".join(sentence(dice, WORDS, 5, 9)) for _ in range(2)]) for _ in range(3)]
        compare(submission, "chrf", cases, chrf_of, "characters without white space, n = 1 to 6, the best reference")


class TestHiddenMetricFooled(Exercise, id="metric-fooled", hidden=True):
    """More of metric-fooled."""

    def test_long_texts(self, submission, dice):
        """Texts of thirty words with repeats, and opposites of several words."""
        cases = []
        for gap in (" ", "  ", "\n"):
            words = ["The", *sentence(dice, WORDS[:8], 25, 30), "old,"]
            opposites = {word: f"no {word} at all" for word in WORDS[:3]} | {WORDS[5]: WORDS[6]}
            cases.append((gap.join(words), opposites, None))
        liked(submission, dice, cases, "one candidate for each place, all scored, the largest returned")

    def test_many_equal_scores(self, submission, dice):
        """Whole and broken scores, many of them equal, negative ones too."""
        cases = []
        for low, high in ((-2, 1), (0, 3), (-4, -2)):
            words = dice.sample(WORDS, 9)
            opposites = {word: dice.choice("amz") * dice.randint(1, 9) for word in dice.sample(words, 9)}
            scores = [dice.randint(low, high) + dice.choice([0, 0.25, 2e-4]) for _ in words]
            cases.append((" ".join(words), opposites, scores))
        liked(submission, dice, cases, "the largest score, and of equals the first in the text")
