"""Checks for p3_6_text_metrics.

Definitions: Lin 2004 (ROUGE) · Papineni et al. 2002 (BLEU) · Popović 2015 (chrF), with the settings of rouge-score and
sacrebleu that the exercises name. `tests/course/test_p3_6_text_metrics_oracles.py` compares the oracles here with both.
"""

import bisect
import inspect
import math

import pytest

from grader.judge import Exercise, core, expect

CLOSE = {"atol": 1e-6, "rtol": 1e-9}
WORDS = """the old ferry will run again from spring on because people paid for its new engine and mayor says that nobody
lost money when council closed pool last winter so swimmers took bus""".split()
TEXTS = [  # what separates words, and what does not
    ("The Ferry, again!", "the ferry AGAIN and again"),
    ("It's 3,000 e-mails.", "its 3000 e mails; it s 3 000"),
    ("caf\u00e9_noir\tno.7\nU.S.A.", "caf noir no 7 u s a"),
    ("Stra\u00dfe \u03b1\u03b2 x\u00b2 \u0130stanbul", "stra e x i stanbul"),
    ("\u0663 B2B\u2014c3po", "b2b c3po B 2 B"),
    ("dogs runs", "dog run dogs"),
]
WRITTEN = [  # sentences as people write them: capitals, numbers, line breaks, repeated words
    ("The mayor said the pool, the old one, re-opens in May.\nTickets cost 3,000 in all.", "In May the old pool re-opens: the mayor's ticket costs 3 euros, not 3000. The caf\u00e9 stays shut."),
    ("Caf\u00e9_owners paid 12 euros, 12 times!\nThe Caf\u00e9 is theirs", "The caf\u00e9 owners paid; the others paid 12. It's the owners' caf\u00e9."),
    ("A ferry, a bus, a train.", "a train and a bus, then a ferry\nand a train again"),
]
MIXED = ["pool", "pool,", "Pool", "e-mail", "it's", "its", "end.", "end", *WORDS[:6]]
EMPTY = [("", ""), ("", "a b"), ("a b", ""), ("?! \u2014", "a"), ("a", "\n"), ("...", "..."), ("a b", "c d")]


def grams(items, n):
    """The n-grams of a list or a text, in order."""
    return [tuple(items[at : at + n]) for at in range(len(items) - n + 1)]


def crossed_out(ours, theirs):
    """How many of ours can be matched when each of theirs is crossed out once it has been used."""
    left, found = list(theirs), 0
    for gram in ours:
        if gram in left:
            left.remove(gram)
            found += 1
    return found


def words_in(text):
    """The words of a text for ROUGE, one character at a time."""
    return "".join(c if c in "abcdefghijklmnopqrstuvwxyz0123456789" else " " for c in text.lower()).split()


def three_scores(found, ours, theirs):
    """Precision, recall and F1 of so many matches; F1 by the other formula, 2m / (a + b)."""
    return (found / ours, found / theirs, 2 * found / (ours + theirs)) if found else (0.0, 0.0, 0.0)


def rouge_n_of(hypothesis, reference, n=1):
    """ROUGE-N by crossing out."""
    ours, theirs = (grams(words_in(text), n) for text in (hypothesis, reference))
    return three_scores(crossed_out(ours, theirs), len(ours), len(theirs))


def longest_in_order(one, other):
    """The longest common subsequence, as a longest rising sequence of places (Hunt and Szymanski 1977)."""
    ends = []
    for word in one:
        for place in reversed([at for at, theirs in enumerate(other) if theirs == word]):
            at = bisect.bisect_left(ends, place)
            ends[at : at + 1] = [place]
    return len(ends)


def rouge_l_of(hypothesis, reference):
    """ROUGE-L by rising places."""
    ours, theirs = words_in(hypothesis), words_in(reference)
    return three_scores(longest_in_order(ours, theirs), len(ours), len(theirs))


def sentence(dice, words, low, high):
    """Words drawn with repetition; short lists repeat often."""
    return [dice.choice(words) for _ in range(dice.randint(low, high))]


def compare(submission, name, cases, oracle, why):
    """Every case's result against the oracle's."""
    for got, case in zip(submission.each(name, cases), cases, strict=True):
        expect.close(got, oracle(*case), **CLOSE, why=why)


def call_and_show(function, args):
    """The arguments after the call (runs on the learner's side)."""
    function(*args)
    return args


def unchanged(submission, name, args, what):
    """The arguments are the same after the call as before."""
    got = submission.run(call_and_show, submission[name], args)
    expect.equal(list(got), list(args), why=f"{what} belong to the caller: work on your own copies", called=f"{name}(...)")


# ---------------------------------------------------------------------------------------------- n-gram overlap


def overlap_of(hypothesis, reference, n):
    """The three numbers by crossing out."""
    ours, theirs = grams(hypothesis, n), grams(reference, n)
    return crossed_out(ours, theirs), len(ours), len(theirs)


class TestNgramOverlap(Exercise, id="text-ngram-overlap"):
    """Exercise text-ngram-overlap."""

    def probe(self, submission):
        """Repeats on either side, order, short and empty texts, words with spaces, and the arguments afterwards."""
        cases = [
            ("a a a b".split(), "a b a c a".split(), 1), ("a b a b".split(), "a b c".split(), 2), ("a b c d".split(), "b a d c".split(), 2),
            (["ab", "c", ""], ["a", "bc", ""], 2), (["a b", "c"], ["a", "b c"], 2), ([], ["a"], 1), (["a"], [], 3), (["a", "b"], ["a", "b"], 2),
            ("a b c d e".split(), "c d e a b".split(), 3), (["A", "b."], ["a", "b"], 1), ("x y".split(), "a x b y c x y".split(), 1), ([" a", "b\n"], ["a", "b"], 1),
        ]
        return [*(submission.ngram_overlap(*case) for case in cases), submission.run(call_and_show, submission.ngram_overlap, [["b", "a"], ["a", "b"], 1])]

    @core
    @pytest.mark.parametrize("n", [1, 2, 3], ids=["words", "pairs", "threes"])
    def test_counts_what_both_have(self, submission, dice, n):
        """Where no word repeats: how many n-grams both texts have, how many the hypothesis has, how many the reference has."""
        cases = []
        for _ in range(6):
            reference = dice.sample(WORDS, dice.randint(5, 12))
            at = dice.randint(0, 2)
            cases.append((dice.sample([w for w in WORDS if w not in reference], dice.randint(0, 3)) + reference[at : at + dice.randint(2, 9)], reference, n))
        compare(submission, "ngram_overlap", cases, overlap_of, "a text of T words has T - n + 1 n-grams; return (matches, hypothesis, reference)")

    def test_clips_what_the_hypothesis_repeats(self, submission, dice):
        """An n-gram that the hypothesis repeats matches only as often as the reference has it."""
        one, two, three = dice.sample(WORDS, 3)
        cases = [([one] * 5, [two, one, three, one], 1), ([one, two] * 4, [one, two, three], 2), ([one] * 6, [one] * 3 + [two], 3), ([one, one, two], [two, one], 1)]
        compare(submission, "ngram_overlap", cases, overlap_of, "min(a, b) matches for each n-gram: the reference runs out")

    def test_clips_what_the_reference_repeats(self, submission, dice):
        """An n-gram that the reference repeats matches only as often as the hypothesis has it, and counts in full in the totals."""
        one, two, three = dice.sample(WORDS, 3)
        cases = [([two, one, three, one], [one] * 5, 1), ([one, two, three], [one, two] * 4, 2), ([one] * 3 + [two], [one] * 6, 3), ([one, one], [one, one], 1)]
        compare(submission, "ngram_overlap", cases, overlap_of, "min(a, b) matches for each n-gram; the totals count every n-gram, repeated ones too")

    def test_order_counts_inside_an_ngram(self, submission, dice):
        """The same words in another order are another n-gram, and neighbours in one text need not be neighbours in the other."""
        a, b, c, d = dice.sample(WORDS, 4)
        cases = [([a, b], [b, a], 2), ([a, b, c], [c, b, a], 3), ([a, b, c, d], [a, c, b, d], 2), ([a, b, c], [a, d, c], 2), ([a, b, c, d], [c, d, a, b], 2)]
        compare(submission, "ngram_overlap", cases, overlap_of, "an n-gram is a tuple of words in order, not a set of words")

    def test_words_stay_apart(self, submission):
        """Words are compared one by one: joined together, different n-grams may look the same. Case and punctuation count."""
        cases = [(["ab", "c"], ["a", "bc"], 2), (["a b", "c"], ["a", "b c"], 2), (["", "a"], ["a", ""], 2), (["", ""], ["", "", ""], 1),
                 (["The", "end."], ["the", "end"], 1), (["a\tb", "c_d"], ["a", "b\tc_d"], 2), (["a,b", "c"], ["a", "b,c"], 2), ([" a", "b\n"], ["a", "b"], 1)]
        compare(submission, "ngram_overlap", cases, overlap_of, "compare tuples of the words as they are, not joined, lower-cased or stripped texts")

    def test_short_texts_have_no_ngrams(self, submission):
        """A text of fewer than n words has 0 n-grams, one of exactly n words has 1, and an empty one has none."""
        cases = [([], [], 1), ([], ["a"], 1), (["a"], [], 1), (["a"], ["a", "b"], 2), (["a", "b"], ["a"], 2), (["a", "b"], ["a", "b"], 2), (["a"], ["a"], 4)]
        compare(submission, "ngram_overlap", cases, overlap_of, "the number of n-grams is max(T - n + 1, 0)")

    def test_long_random_texts(self, submission, dice):
        """Texts with many repeats, n up to 5."""
        cases = [(sentence(dice, WORDS[:4], 0, 25), sentence(dice, WORDS[:4], 0, 25), n) for n in (1, 1, 2, 2, 3, 4, 5)]
        compare(submission, "ngram_overlap", cases, overlap_of, "clip each n-gram on its own, then add up")

    def test_leaves_its_arguments_alone(self, submission):
        """Both lists are the same after the call as before."""
        unchanged(submission, "ngram_overlap", [["b", "a", "b"], ["a", "b", "c", "a"], 1], "the lists")


# --------------------------------------------------------------------------------------------------- ROUGE-N


class TestRougeN(Exercise, id="text-rouge-n"):
    """Exercise text-rouge-n."""

    def probe(self, submission):
        """The word cases, the empty cases, repeats, orders and n from 1 to 4."""
        cases = [*TEXTS, *EMPTY, ("a a a b", "a b a c a"), ("a b a b", "a b c", 2), ("b a c", "a b c d", 2), ("a b", "a b", 3), ("a b c d", "x a b c d", 3),
                 ("a b c d", "a b c e"), ("one two\nthree four five", "two three four", 2), ("a b c d e", "a b c d", 4)]
        return [submission.rouge_n(*case) for case in cases]

    @core
    def test_precision_recall_and_f1(self, submission, dice):
        """Where no word repeats: matches / words of the hypothesis, matches / words of the reference, and their harmonic mean."""
        cases = []
        for size in (4, 6, 9):
            reference = dice.sample(WORDS, size)
            kept = dice.sample(reference, dice.randint(1, size - 1))
            added = dice.sample([word for word in WORDS if word not in reference], dice.choice([5, 7]))
            cases += [(" ".join(kept + added), " ".join(reference)), (" ".join(kept), " ".join(reference)), (" ".join(reference), " ".join(kept))]
        compare(submission, "rouge_n", cases, rouge_n_of, "precision divides by the hypothesis, recall by the reference; F1 = 2PR / (P + R)")

    def test_longer_ngrams(self, submission, dice):
        """With n = 2, 3, 4 it counts words in a row, in order; all totals shrink with n."""
        cases = []
        for n in (2, 3, 4):
            reference = dice.sample(WORDS, 9)
            cases += [(" ".join(reference[1:7] + [WORDS[0]] + reference[8:]), " ".join(reference), n), (" ".join(reversed(reference)), " ".join(reference), n)]
        compare(submission, "rouge_n", cases, rouge_n_of, "a text of T words has T - n + 1 n-grams, and the order inside one counts")

    def test_clips(self, submission, dice):
        """What one text repeats matches only as often as the other has it."""
        one, two, three = dice.sample(WORDS, 3)
        cases = [(f"{one} " * 6, f"{one} {two} {one} {three}"), (f"{two} {one} {three} {one}", f"{one} " * 6), (f"{one} {two} " * 4, f"{one} {two} {three}", 2),
                 *((" ".join(sentence(dice, WORDS[:4], 1, 20)), " ".join(sentence(dice, WORDS[:4], 1, 20)), n) for n in (1, 1, 2, 2, 3))]
        compare(submission, "rouge_n", cases, rouge_n_of, "min(a, b) matches for each n-gram, not a set of them and not one match for each that is found")

    def test_case_and_punctuation(self, submission):
        """Words are runs of a to z and 0 to 9 in the lower-cased text; apostrophes, accents, underscores and line breaks separate them."""
        cases = [*TEXTS, *((theirs, ours) for ours, theirs in TEXTS), *((*pair, 2) for pair in TEXTS[:4])]
        compare(submission, "rouge_n", cases, rouge_n_of, r"re.findall('[a-z0-9]+', text.lower()): neither split() nor \w, which takes accents and underscores too")

    def test_does_not_stem(self, submission):
        """Plural and singular are different words, and so are a word and its beginning."""
        cases = [("dogs", "dog"), ("running ran", "run runs running"), ("swimmers", "swimmer swim"), ("in", "inside"), ("1", "10 01")]
        compare(submission, "rouge_n", cases, rouge_n_of, "two words are the same only if all their characters are")

    def test_nothing_to_count(self, submission):
        """Empty texts, punctuation alone, texts shorter than n and texts with nothing in common score 0 in all three."""
        cases = [*EMPTY, ("a", "a", 2), ("a b", "a b", 3), ("a b c", "a b", 3), ("a", "a b c", 2)]
        compare(submission, "rouge_n", cases, rouge_n_of, "a division by zero gives 0.0; two empty texts have nothing in common")

    def test_sentences_as_people_write_them(self, submission):
        """Whole sentences with capitals, numbers, accents, line breaks and repeated words, for n = 1 and 2."""
        cases = [(*pair, n) for ours, theirs in WRITTEN for pair in ((ours, theirs), (theirs, ours)) for n in (1, 2)]
        compare(submission, "rouge_n", cases, rouge_n_of, "cut the words as the docstring says, across lines, then clip; precision belongs to the first text")

    def test_does_not_round(self, submission):
        """All digits are returned."""
        compare(submission, "rouge_n", [("a b c d e f g", "a x y"), ("a x y", "a b c d e f g"), ("a b c", "b c d e f g h i j k l m n", 2)], rouge_n_of, "return the quotients as they are")


# --------------------------------------------------------------------------------------------------- ROUGE-L

IN_ORDER = "the longest sequence of words that both have in the same order, gaps allowed"


class TestRougeL(Exercise, id="text-rouge-l"):
    """Exercise text-rouge-l."""

    def probe(self, submission):
        """The word cases, the empty cases, and texts on which runs, sets, greedy matching and real answers differ."""
        cases = [*TEXTS, *EMPTY, ("a b c d", "d c b a"), ("x a b", "a b x"), ("a b x", "x a b"), ("a x b y c", "a b c"), ("a b c", "a x b y c z"), ("the the the cat", "the cat"),
                 ("the cat", "the the cat the"), ("a b c d e f", "c d a b e x f g"), ("one two. three four.", "three two. one four."), ("a b c", "a b d"),
                 ("a b a c b d", "b d c a b a"), ("a b", "a b c d e f g h i j"), ("b a", "a b"), ("a b c d", "b c d a"),
                 ("x y z a b c d", "a q b q c q d x y z"), (" ".join(f"w{k % 50}" for k in range(120)), " ".join(f"w{k}" for k in range(60)) + " w40 w5 w19")]
        return [submission.rouge_l(*case) for case in cases]

    @core
    def test_words_in_the_same_order(self, submission, dice):
        """Where no word repeats: the longest common subsequence by the words of each text, and F1; words in between do not matter."""
        cases = []
        for size in (5, 7, 9):
            reference = dice.sample(WORDS, size)
            kept = [word for word in reference if dice.random() < 0.6] or reference[:2]
            others = dice.sample([word for word in WORDS if word not in reference], size)
            woven = [word for pair in zip(kept, others, strict=False) for word in pair]
            cases += [(" ".join(woven), " ".join(reference)), (" ".join(reference), " ".join(woven)), (" ".join(reference[1:3] + others[:2]), " ".join(reference))]
        compare(submission, "rouge_l", cases, rouge_l_of, IN_ORDER + "; then divide by the words of the hypothesis and of the reference")

    def test_order_counts(self, submission, dice):
        """Shared words in another order do not all count."""
        eight = dice.sample(WORDS, 8)
        cases = [(" ".join(eight[:4]), " ".join(reversed(eight[:4]))), *((" ".join(dice.sample(eight, 8)), " ".join(eight)) for _ in range(12))]
        compare(submission, "rouge_l", cases, rouge_l_of, IN_ORDER + ": lines between equal words may not cross")

    def test_the_first_match_is_not_always_the_best(self, submission, dice):
        """Taking each word at its first match can block a longer sequence."""
        x, *rest = dice.sample(WORDS, 7)
        one, other = " ".join([x, *rest]), " ".join([*rest, x])
        half = " ".join([*rest[3:], x, *rest[:3]])
        cases = [(one, other), (other, one), (half, " ".join(rest)), (" ".join([x, *rest[:2], x]), " ".join([*rest[:2], x, x]))]
        compare(submission, "rouge_l", cases, rouge_l_of, IN_ORDER + ": try both, with and without a match, as the table does")

    def test_repeated_words(self, submission, dice):
        """Words that repeat are used once for each place; random texts of few different words."""
        cases = [(" ".join(sentence(dice, WORDS[:k], 1, 14)), " ".join(sentence(dice, WORDS[:k], 1, 14))) for k in (1, 2, 2, 3, 3, 4, 4, 6)]
        compare(submission, "rouge_l", cases, rouge_l_of, IN_ORDER + ", each place used at most once")

    def test_case_and_punctuation(self, submission):
        """Words are runs of a to z and 0 to 9 in the lower-cased text; sentences and lines have no meaning."""
        cases = [*TEXTS, *((theirs, ours) for ours, theirs in TEXTS), ("One two.\nThree four.", "three two. one. Four"), ("one two. three", "three one. two")]
        compare(submission, "rouge_l", cases, rouge_l_of, "re.findall('[a-z0-9]+', text.lower()), on the whole text")

    def test_does_not_stem(self, submission):
        """Plural and singular are different words, and so are a word and its beginning."""
        cases = [("dogs ran in", "dog run inside"), ("a swimmer swims", "a swim swimmer"), ("1 10", "01 100 10"), ("the pools open", "the pool opens"), ("inside", "in side")]
        compare(submission, "rouge_l", cases, rouge_l_of, "two words are the same only if all their characters are")

    def test_nothing_in_common(self, submission):
        """Empty texts, punctuation alone and texts without a common word score 0 in all three."""
        compare(submission, "rouge_l", EMPTY, rouge_l_of, "a division by zero gives 0.0; two empty texts have nothing in common")

    def test_sentences_as_people_write_them(self, submission):
        """Whole sentences with capitals, numbers, accents, line breaks and repeated words."""
        compare(submission, "rouge_l", [*WRITTEN, *((theirs, ours) for ours, theirs in WRITTEN)], rouge_l_of, IN_ORDER + ", over the whole text; precision belongs to the first text")

    def test_long_texts(self, submission, dice):
        """Two texts of 300 words take less than a second, and count to their ends."""
        long = sentence(dice, WORDS, 300, 300)
        cases = [(" ".join(long), " ".join(sentence(dice, WORDS, 290, 300))), (" ".join(long[-9:]), " ".join(long[:9] + long))]
        compare(submission, "rouge_l", cases, rouge_l_of, "fill a table of (words + 1) × (words + 1); a recursion without memory never ends")


# -------------------------------------------------------------------------------------------- write the test


def cut_words(text, mistake):
    """The words of a text, cut as this mistake cuts them."""
    import re

    if mistake == "spaces":
        return text.lower().split()
    patterns = {"case": "[A-Za-z0-9]+", "digits": "[a-z]+", "letters of all languages": r"\w+", "characters": "[a-z0-9]"}
    words = re.findall(patterns.get(mistake, "[a-z0-9]+"), text if mistake == "case" else text.lower())
    if mistake == "stemming":
        return [word.removesuffix("s") if len(word) > 3 else word for word in words]
    return {"distinct words": list(dict.fromkeys(words)), "cut off": words[:20], "last word": words[:-1]}.get(mistake, words)


def matched(one, other, mistake):
    """How many words match, counted as this mistake counts them."""
    if mistake == "any order":
        return sum(min(one.count(word), other.count(word)) for word in set(one))
    if mistake == "used again":
        return sum(word in other for word in one)
    if mistake == "greedy":
        at, found = 0, 0
        for word in one:
            if word in other[at:]:
                at, found = other.index(word, at) + 1, found + 1
        return found
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, word in enumerate(one):
        for j, theirs in enumerate(other):
            if word == theirs:
                table[i + 1][j + 1] = table[i][j] + 1
            elif mistake != "one run":
                table[i + 1][j + 1] = max(table[i][j + 1], table[i + 1][j])
    return max(map(max, table)) if mistake == "one run" else table[-1][-1]


def scored(found, a, b, mistake):
    """The three scores of so many matches among a and b words, worked out as this mistake does."""
    import collections

    p, r = (found / a, found / b) if found or mistake == "crash" else (0.0, 0.0)
    f1 = 2 * p * r / (p + r) if found else 0.0
    if mistake == "named tuple":
        return collections.namedtuple("Score", ["precision", "recall", "fmeasure"])(p, r, f1)
    results = {
        "recall as F1": (p, r, r), "swapped": (r, p, f1), "plain mean": (p, r, (p + r) / 2), "percent": (100 * p, 100 * r, 100 * f1),
        "rounded": (round(p, 2), round(r, 2), round(f1, 2)), "beta": (p, r, 2.44 * p * r / (r + 1.44 * p) if found else 0.0),
        "constant": (1.0, 1.0, 1.0), "empty is perfect": (p, r, f1) if a or b else (1.0, 1.0, 1.0), "F1 first": (f1, p, r), "precision twice": (p, p, f1), "recall twice": (r, r, f1),
        "the longer": (found / max(a, b, 1), r, f1), "geometric mean": (p, r, (p * r) ** 0.5),
        "rounding errors": tuple(score * (1 - 3e-10 * (score < 1)) for score in (p, r, f1)),
    }
    return results.get(mistake, (p, r, f1))


def mistaken_rouge_l(hypothesis, reference, mistake):
    """ROUGE-L with one mistake, or with none."""
    one, other = cut_words(hypothesis, mistake), cut_words(reference, mistake)
    found = matched(one, other, mistake)
    if mistake == "sentences":
        parts = zip(hypothesis.split("."), reference.split("."), strict=False)
        found = sum(matched(cut_words(mine, ""), cut_words(theirs, ""), "") for mine, theirs in parts)
    return scored(found, len(one), len(other), mistake)


MISTAKEN = "\n".join(map(inspect.getsource, (cut_words, matched, scored, mistaken_rouge_l)))


def verdict(check, mistake, source):
    """What the learner's test says about an implementation with one mistake, or with none (runs on the learner's side)."""
    scope = {}
    exec(source, scope)

    def rouge_l(hypothesis, reference):
        return scope["mistaken_rouge_l"](hypothesis, reference, mistake)

    try:
        check(rouge_l)
    except NotImplementedError:
        raise
    except Exception as error:
        return type(error).__name__, str(error)[:200]
    return "silent", ""


COMMON_MISTAKES = ["one run", "any order", "recall as F1", "swapped", "plain mean", "case", "spaces", "greedy", "crash", "empty is perfect",
                   "characters", "digits", "rounded", "percent", "used again", "distinct words", "beta", "constant", "precision twice", "recall twice"]


def must_be_silent(submission, kind):
    """A right implementation passes the learner's test."""
    said, message = submission.run(verdict, submission.check_rouge_l, kind, MISTAKEN)
    expect.true(said == "silent", "your test condemns a right implementation", got=f"{said}: {message}", why="check your expected results by hand; compare with abs(got - want) < 1e-6",
                called=f"check_rouge_l(a right rouge_l: {kind})")


def must_alarm(submission, reasons, allowed=("AssertionError",)):
    """Every wrong implementation {mistake: what it takes to see it} fails the learner's test."""
    check = submission.check_rouge_l
    for (said, message), why in zip(submission.each(verdict, [(check, mistake, MISTAKEN) for mistake in reasons]), reasons.values(), strict=True):
        expect.true(said in allowed, "your test let a wrong implementation through" if said == "silent" else "your test must raise AssertionError",
                    got=f"{said}: {message}".removesuffix(": "), why=why, called="check_rouge_l(a wrong rouge_l)")


class TestCheckRougeL(Exercise, id="rouge-write-the-test"):
    """Exercise rouge-write-the-test."""

    def probe(self, submission):
        """What the test says about right implementations and about each planted mistake."""
        kinds = ["a table", "rounding errors", "named tuple", *COMMON_MISTAKES, "stemming", "letters of all languages", "cut off", "last word", "sentences", "F1 first", "the longer", "geometric mean"]
        check = submission.check_rouge_l
        said = [submission.run(verdict, check, kind, MISTAKEN) for kind in kinds]
        return [answer[0] if isinstance(answer, tuple | list) and len(answer) == 2 else answer for answer in said]

    @core
    def test_stays_silent_about_a_right_one(self, submission):
        """The test returns without an exception for a right implementation."""
        must_be_silent(submission, "a table")

    @core
    def test_allows_rounding_errors(self, submission):
        """A right implementation that is off by less than 1e-9 passes."""
        must_be_silent(submission, "rounding errors")

    @core
    def test_allows_a_named_tuple(self, submission):
        """A right implementation that returns a named tuple, as rouge-score does, passes."""
        must_be_silent(submission, "named tuple")

    @core
    def test_catches_something(self, submission):
        """The test raises AssertionError for at least one of the planted mistakes."""
        check = submission.check_rouge_l
        said = [kind for kind, _ in submission.each(verdict, [(check, mistake, MISTAKEN) for mistake in COMMON_MISTAKES])]
        expect.true("AssertionError" in said, "your test finds nothing wrong with any wrong implementation", why="call rouge_l on two texts and assert what must come back",
                    called="check_rouge_l(wrong ones)")

    def test_catches_one_run_without_gaps(self, submission):
        """Catches an implementation that looks for the longest run of words without a gap."""
        must_alarm(submission, {"one run": "you need two texts whose common words have others in between"})

    def test_catches_words_in_any_order(self, submission):
        """Catches an implementation that counts common words in any order."""
        must_alarm(submission, {"any order": "you need two texts with the same words in another order"})

    def test_catches_recall_returned_as_f1(self, submission):
        """Catches an implementation that returns recall in the place of F1."""
        must_alarm(submission, {"recall as F1": "you need two texts of different lengths, and a look at F1"})

    def test_catches_precision_and_recall_swapped(self, submission):
        """Catches an implementation that swaps precision and recall."""
        must_alarm(submission, {"swapped": "you need two texts of different lengths, and a look at each number"})

    def test_catches_the_plain_mean(self, submission):
        """Catches an implementation whose F1 is the plain mean of precision and recall."""
        must_alarm(submission, {"plain mean": "you need a case where precision and recall differ, and F1 worked out by hand"})

    def test_catches_f1_that_leans_on_recall(self, submission):
        """Catches an implementation whose F weighs recall more than precision, as chrF's does."""
        must_alarm(submission, {"beta": "you need a case where precision and recall differ, and F1 worked out by hand"})

    def test_catches_precision_returned_as_recall(self, submission):
        """Catches an implementation whose precision is right and is returned as recall too."""
        must_alarm(submission, {"precision twice": "you need two texts of different lengths, and a look at each number"})

    def test_catches_recall_returned_as_precision(self, submission):
        """Catches an implementation whose recall is right and is returned as precision too."""
        must_alarm(submission, {"recall twice": "you need two texts of different lengths, and a look at each number"})

    def test_catches_case(self, submission):
        """Catches an implementation for which capitals matter."""
        must_alarm(submission, {"case": "you need a word with a capital in one text and without it in the other"})

    def test_catches_punctuation(self, submission):
        """Catches an implementation that leaves punctuation on the words."""
        must_alarm(submission, {"spaces": "you need a full stop, a comma or an apostrophe at a common word"})

    def test_catches_digits_left_out(self, submission):
        """Catches an implementation that does not count numbers as words."""
        must_alarm(submission, {"digits": "you need a text with a number in it"})

    def test_catches_greedy_matching(self, submission):
        """Catches an implementation that takes each word at its first match, also where that blocks a longer sequence."""
        must_alarm(submission, {"greedy": "you need a first word that stands last in the other text"})

    def test_catches_places_used_again(self, submission):
        """Catches implementations that use one place for several words, or drop repeated words."""
        must_alarm(submission, {"used again": "you need a word that one text repeats and the other has once", "distinct words": "you need a word that a text repeats"})

    def test_catches_trouble_with_empty_texts(self, submission):
        """Catches implementations that divide by zero on empty texts, or call two empty texts a perfect match."""
        must_alarm(submission, {"crash": "you need an empty text", "empty is perfect": "you need two texts without words"}, allowed=("AssertionError", "ZeroDivisionError"))

    def test_catches_characters(self, submission):
        """Catches an implementation that compares characters, not words."""
        must_alarm(submission, {"characters": "you need different words that share letters"})

    def test_catches_another_scale(self, submission):
        """Catches implementations that return per cent, round to two digits, or always answer 1."""
        must_alarm(submission, {"percent": "compare with the numbers from 0 to 1", "rounded": "you need a result such as 2/3, and a tolerance that is not too wide", "constant": "you need two different texts"})


# ------------------------------------------------------------------------------------------------------ BLEU


def bleu_of(hypotheses, references):
    """BLEU from its definition, counting each n-gram with list.count."""
    shares, c, r = [], 0, 0
    for hypothesis, texts in zip(hypotheses, references, strict=True):
        own = len(hypothesis.split())
        lengths = sorted(len(text.split()) for text in texts)
        c, r = c + own, r + min(lengths, key=lambda length: abs(length - own))  # min takes the first, so the shorter
    for n in range(1, 5):
        found = total = 0
        for hypothesis, texts in zip(hypotheses, references, strict=True):
            ours, theirs = grams(hypothesis.split(), n), [grams(text.split(), n) for text in texts]
            total += len(ours)
            found += sum(min(ours.count(gram), max(other.count(gram) for other in theirs)) for gram in set(ours))
        shares.append(found / total if total else 0.0)
    return 100 * min(1.0, math.exp(1 - r / c)) * math.prod(shares) ** 0.25 if min(shares) else 0.0


def noisy(dice, words, share=0.25):
    """A copy of a sentence: its first five words stay as they are, of the others some are replaced, left out or doubled."""
    tail = [dice.choice([dice.choice(WORDS), "", f"{word} {word}"]) if dice.random() < share else word for word in words[5:]]
    return " ".join(filter(None, words[:5] + tail))


def corpus(dice, size, most=1, words=WORDS):
    """Hypotheses and references, of which some are worded alike."""
    hypotheses, references = [], []
    for _ in range(size):
        texts = [sentence(dice, words, 6, 12) for _ in range(dice.randint(1, most))]
        hypotheses.append(noisy(dice, dice.choice(texts)))
        references.append([" ".join(text) for text in texts])
    return hypotheses, references


class TestBleu(Exercise, id="text-bleu"):
    """Exercise text-bleu."""

    def probe(self, submission):
        """One sentence and several, repeats, short and empty ones, several references, ties of length, case, zeros."""
        long, short = "a b c d e f g h", "a b c d e"
        cases = [
            ([long], [[long]]), ([short], [[long]]), ([long], [[short]]), (["a a a a a a b c d e"], [[long]]), ([long, "x y"], [[long], ["y x"]]), (["a b c x"], [[long]]),
            (["", long], [["a"], [long]]), ([""], [["a"]]), (["a b c"], [["a b c"]]), ([short], [["a b c d", "a b c d e f"]]), ([short, "q"], [["a b c d e f g", "x y z"], ["q r s t"]]),
            (["a b c d a b"], [["a b c d x", "x a b a b"]]), (["A b c d e."], [["a b c d e .", "A b c d e f"]]), ([short, long], [[short + " x y"], ["z " + long[2:]]]),
            ([long, "a b"], [[long + " i j k"], ["a b"]]), (["a b\tc  d\ne"], [[short]]), ([short + " f"], [[short, long + " i j k l m"]]), ([long, "q w e"], [[long], ["q w e r"]]),
            ([short] * 3, [[short], ["a b c d", "x"], [long]]), (["a b c d", "e f"], [["a b c d"], ["e"]]), (["a a b c d e"], [["a b c d e", "a b c d e"]]), (["A b c d e"], [["a b c d e"]]), ([], []), ([short], [[]]), ([short], []),
        ]
        return [*(submission.bleu(*case) for case in cases), submission.run(call_and_show, submission.bleu, [["b a", "a"], [["b", "a b"], ["c"]]])]

    @core
    def test_four_precisions_and_their_mean(self, submission, dice):
        """One sentence, as long as its reference: 100 times the geometric mean of four precisions; a copy scores 100."""
        cases = []
        for size in (8, 10, 13):
            reference = dice.sample(WORDS, size)
            other = [word for word in WORDS if word not in reference]
            at = dice.choice([0, 1, size - 2, size - 1])
            hypothesis = [*reference[:at], dice.choice(other), *reference[at + 1 :]]
            cases += [([" ".join(hypothesis)], [[" ".join(reference)]]), ([" ".join(reference)], [[" ".join(reference)]])]
        compare(submission, "bleu", cases, bleu_of, "100 · (p_1 · p_2 · p_3 · p_4)^(1/4), each p_n the share of n-grams that match")

    def test_brevity_penalty(self, submission, dice):
        """A hypothesis shorter than its reference is scaled by exp(1 - r / c); a longer one is not."""
        words = dice.sample(WORDS, 12)
        other = [word for word in WORDS if word not in words]
        cases = [([" ".join(words[:keep])], [[" ".join(words)]]) for keep in (5, 8, 11)] + [([" ".join(words + other[:3])], [[" ".join(words)]])]
        compare(submission, "bleu", cases, bleu_of, "BP = exp(1 - r / c) if c < r, else 1; c and r are numbers of words")

    @core
    def test_clips(self, submission, dice):
        """An n-gram that a hypothesis repeats matches only as often as the reference has it, and not against other sentences' references."""
        one, *rest = dice.sample(WORDS, 9)
        cases = [([" ".join([one, one, one, *rest])], [[" ".join([one, *rest])]]), ([" ".join(rest[:5] * 2)], [[" ".join(rest)]]),
                 ([" ".join(rest), " ".join(rest[:6])], [[" ".join(rest)], [" ".join(reversed(rest))]])]
        compare(submission, "bleu", cases, bleu_of, "min(a, b) matches for each n-gram, sentence by sentence")

    def test_sums_over_the_corpus(self, submission, dice):
        """Matches and totals are summed over all sentences before dividing: neither BLEUs nor precisions of sentences are averaged."""
        words = dice.sample(WORDS, 20)
        good, bad = " ".join(words[:10]), " ".join(words[10:14])
        cases = [([good, bad], [[good], [" ".join(reversed(words[10:14]))]]), ([bad, good], [[" ".join([*words[10:12], *words[:2]])], [good]]), ([good, bad, bad], [[good], [bad], [words[0]]]), corpus(dice, 3), corpus(dice, 6, 2)]
        compare(submission, "bleu", cases, bleu_of, "add up matches and totals of every n over the whole corpus, then divide once")

    def test_one_brevity_penalty_for_the_corpus(self, submission, dice):
        """A long hypothesis makes up for a short one: c and r are sums over the corpus."""
        words = dice.sample(WORDS, 16)
        full, part = " ".join(words[:8]), " ".join(words[8:13])
        cases = [([full + " " + words[15], part], [[full], [part + " " + words[13]]]), ([full, part], [[full], [" ".join(words[8:])]]), ([part, full + " x y z w"], [[part + " a b"], [full]])]
        compare(submission, "bleu", cases, bleu_of, "BP is worked out once, from the words of all hypotheses and all references")

    def test_draws_on_all_references(self, submission, dice):
        """An n-gram may match in any reference of its sentence, as often as the one that has it most: not the first one's count, nor the sum."""
        one, *rest = dice.sample(WORDS, 12)
        text, twice = " ".join(rest), " ".join([one, one, *rest[:6]])
        cases = [([text], [[" ".join([*rest[:5], one]), " ".join([one, *rest[5:]])]]), ([text], [[" ".join([one, *rest[4:]]), " ".join(rest[:6]), one]]),
                 ([" ".join([one, one, one, *rest[:5]])], [[twice, " ".join([one, *rest[3:9]])]]), ([twice], [[" ".join([one, *rest[:7]])] * 2]), corpus(dice, 3, 4, WORDS[:5]), corpus(dice, 4, 3, WORDS[:9])]
        compare(submission, "bleu", cases, bleu_of, "look into every reference of this hypothesis; b is the largest count of the n-gram in any single one")

    def test_the_closest_reference_length(self, submission, dice):
        """r takes the length closest to the hypothesis, the shorter one on a tie, in any order of the references."""
        words = dice.sample(WORDS, 14)
        text = lambda size: " ".join(words[:size])  # noqa: E731
        cases = []
        for own, lengths in ((7, (5, 12)), (7, (8, 14)), (8, (6, 10)), (8, (5, 9, 13)), (6, (12, 9, 5))):
            cases += [([text(own)], [[text(size) for size in order]]) for order in (lengths, lengths[::-1])]
        compare(submission, "bleu", cases, bleu_of, "min over (distance, length) for each hypothesis; neither the first, the shortest nor the longest")

    def test_no_match_is_zero(self, submission, dice):
        """If no 4-gram of the corpus matches, or no word, BLEU is 0.0: no smoothing, and the zero is not left out."""
        a, b, c, d, e = dice.sample(WORDS, 5)
        cases = [([f"{a} {b} {c} {e} {d}"], [[f"{a} {b} {c} {d} {e}"]]), ([f"{a} {b} {c} {d}"], [[e]]), ([f"{a} {b} {c} {e}", f"{b} {a} {d} {c}"], [[f"{a} {b} {c} {d}"], [f"{b} {a} {d} {e}"]])]
        compare(submission, "bleu", cases, bleu_of, "log 0 is not defined, and a product with a zero is 0: return 0.0")

    def test_no_ngrams_is_zero(self, submission, dice):
        """If no hypothesis has four words, BLEU is 0.0, also for perfect copies: the orders stay 1 to 4."""
        a, b, c, d, e = dice.sample(WORDS, 5)
        cases = [([f"{a} {b} {c}"], [[f"{a} {b} {c}"]]), ([a], [[a]]), ([a, f"{b} {c}"], [[a], [f"{b} {c}"]]), ([f"{a} {b}"], [[f"{a} {b} {c} {d} {e}"]])]
        compare(submission, "bleu", cases, bleu_of, "0 of 0 n-grams counts as 0; fewer orders are not used")

    def test_empty_and_short_hypotheses(self, submission, dice):
        """Empty and short sentences add what they have; a corpus of empty hypotheses, or one with empty references, does not break."""
        words = dice.sample(WORDS, 12)
        full = " ".join(words[:9])
        cases = [(["", full], [[words[9]], [full]]), ([full, words[10]], [[full], [" ".join(words[9:])]]), ([f"{words[9]} {words[10]}", full], [[words[10]], [full]]), ([""], [["a b"]]), (["", ""], [["a"], ["b"]]),
                 ([full, words[9]], [[full], [""]]), ([full], [["", full]]), ([""], [[""]]), (["", full], [["", "a b"], [full]]), ([words[9], full], [["", "a b"], [full]])]
        compare(submission, "bleu", cases, bleu_of, "a sentence without n-grams adds 0 to matches and totals, and its length to c and r")

    def test_words_as_they_stand(self, submission, dice):
        """Words are what str.split() gives: case and punctuation count, several spaces and line breaks do not."""
        words = dice.sample([word for word in WORDS if len(word) > 2], 9)
        full = " ".join(words)
        cases = [([full], [[full + "."]]), ([full.capitalize()], [[full]]), (["  " + "  ".join(words[:5]) + "\n\t" + " ".join(words[5:]) + " "], [[full]]), ([full.replace(" ", "-", 1)], [[full]]), ([full + "."], [[full]]), ([full + "."], [[full + "."]]), ([full + " ."], [[full]]),
                 ([full + " \u00e9t\u00e9"], [[full + " ete \u00e9t\u00e9"]])]
        compare(submission, "bleu", cases, bleu_of, "str.split() without an argument, and nothing else")

    def test_all_rules_together(self, submission, dice):
        """One corpus, and the same turned round, with everything in it: repeats, capitals, short and empty sentences, references of several lengths."""
        cases = []
        for _ in range(2):
            one, *w = dice.sample([word for word in WORDS if len(word) > 2], 20)
            sentences = [
                (" ".join(w[:9]), [" ".join(w[:9])]),
                ("", [" ".join(w[9:15])]),
                (" ".join([one, one, *w[:5]]), [" ".join([one, *w[:9]]), " ".join([one, *w[3:6]])]),  # lengths 10 and 4 for 7: a tie
                (" ".join(w[9:15]).capitalize() + ".", [" ".join(w[9:11]), " ".join(w[9:16])]),  # 2 and 7 for 6
                *[(" ".join(w[15:17]), [" ".join([*w[15:17], one])])] * 2,  # the same sentence again counts again
            ]
            for rows in (sentences, [(mine, texts[::-1]) for mine, texts in reversed(sentences)]):
                cases.append(([mine for mine, _ in rows], [texts for _, texts in rows]))
        compare(submission, "bleu", cases, bleu_of, "find the rule among the other checks first; if they all pass, see what one sentence leaves behind for the next")

    def test_leaves_its_arguments_alone(self, submission):
        """Both lists are the same after the call as before."""
        unchanged(submission, "bleu", [["b a c d e", "a"], [["b a c d e f", "a b"], ["c", "a a"]]], "the lists")


# ------------------------------------------------------------------------------------------------------ chrF


def chrf_of(hypothesis, references, n=6, beta=2.0):
    """chrF from its definition, by crossing out; the mean over orders first, then one F."""
    scores = [0.0]
    for reference in references:
        ours, theirs = ([c for c in text if not c.isspace()] for text in (hypothesis, reference))
        orders = [k for k in range(1, n + 1) if k <= min(len(ours), len(theirs))]
        found = [crossed_out(grams(ours, k), grams(theirs, k)) for k in orders]
        if sum(found):
            p = math.fsum(m / (len(ours) - k + 1) for m, k in zip(found, orders, strict=True)) / len(orders)
            r = math.fsum(m / (len(theirs) - k + 1) for m, k in zip(found, orders, strict=True)) / len(orders)
            scores.append((1 + beta * beta) / (1 / p + beta * beta / r))
    return 100 * max(scores)


class TestChrf(Exercise, id="text-chrf"):
    """Exercise text-chrf."""

    def probe(self, submission):
        """Equal and different texts, spaces, case, short and empty ones, several references, n and beta."""
        cases = [
            ("the old house", ["the older houses"]), ("the older houses", ["the old house"]), ("ab", ["a b!"]), ("abcdefgh", ["abcdefgh"]), ("a b\tc\nd e  f g", ["abc defgh"]),
            ("The Old.", ["the old"]), ("aaaa", ["aa"]), ("aa", ["aaaa"]), ("", ["abc"]), ("abc", [""]), ("", [""]), (" ", [" "]), ("abc", ["xyz"]), ("a", ["a"]), ("ab", ["abcdefghij"]),
            ("abcdefghij", ["ab"]), ("abcd", ["abxx", "abcx"]), ("abcd", ["abcx", "abxx"]), ("abcd", ["", "abcd"]), ("abcdefg", ["abcfg", "abcdefghijk"]), ("abcdef", ["abcxef"], 2), ("abcdef", ["abcxef"], 1),
            ("abcdefghijkl", ["abcdefghijk"], 9), ("abcde", ["abc"], 3, 1.0), ("abcde", ["abc"], 3, 3.0), ("abcde", ["abc"], 6, 0.0), ("abcde", ["abc"], 2, 0.5), ("abc", [], 6), ("abc", ["abc"], 0),
            ("stra\u00dfe \u00e9", ["strasse e"]), ("abab", ["ba"]), ("abc", ["cba"]),
        ]
        return [*(submission.chrf(*case) for case in cases), submission.run(call_and_show, submission.chrf, ["b", ["b a c", "a b"]])]

    @core
    def test_characters_of_one_reference(self, submission, dice):
        """Without spaces and with one reference: precision and recall averaged over n = 1 to 6, then one F with beta 2; a copy scores 100."""
        cases = []
        for _ in range(4):
            reference = "".join(dice.sample("abcdefghijklmnopqrstuvwxyz", 14))
            at = dice.randint(7, 9)
            cases += [(reference[:at] + "0123"[: dice.randint(1, 4)] + reference[at:], [reference]), (reference[: at + 2], [reference]), (reference, [reference])]
        compare(submission, "chrf", cases, chrf_of, "characters, not words; P and R are means over n = 1 to 6; F = 5PR / (4P + R), times 100")

    def test_recall_weighs_more(self, submission, dice):
        """Swapping hypothesis and reference changes the score: beta² multiplies P in the denominator."""
        text = "".join(dice.sample("abcdefghijklmnopqrstuvwxyz", 20))
        cases = [(text[:8], [text]), (text, [text[:8]]), (text[:12], [text[4:]]), (text[4:], [text[:12]])]
        compare(submission, "chrf", cases, chrf_of, "F = (1 + beta²) · P · R / (beta² · P + R)")

    def test_white_space_is_taken_out(self, submission, dice):
        """Spaces, tabs and line breaks are taken out of both texts, so that n-grams reach across words."""
        words = dice.sample(WORDS, 5)
        cases = [(" ".join(words), ["".join(words)]), ("".join(words), ["\n".join(words)]), ("  ".join(words[:4]), ["\t" + " ".join(words) + " "]), ("a\u00a0b c\u2003d", ["ab cde"])]
        compare(submission, "chrf", cases, chrf_of, '"".join(text.split()), for hypothesis and reference')

    def test_case_and_punctuation_stay(self, submission, dice):
        """Capitals, accents and punctuation are characters like all others."""
        word, other = dice.sample([word for word in WORDS if len(word) > 3], 2)
        cases = [(word.upper() + other, [word + other]), (f"{word}, {other}!", [f"{word} {other}"]), (word + "\u00e9", [word + "e"]), (f"{word}_{other}", [f"{word}-{other}"]), (word.upper() + "\u00df", [word + "SS"])]
        compare(submission, "chrf", cases, chrf_of, "nothing but white space is taken out or changed")

    def test_clips(self, submission, dice):
        """A character n-gram that one text repeats matches only as often as the other has it."""
        letters = [sentence(dice, "ab", 1, 15) for _ in range(12)]
        cases = [("aaaaaaaa", ["aaa"]), ("aaa", ["aaaaaaaa"]), *(("".join(one), ["".join(other)]) for one, other in zip(letters[::2], letters[1::2], strict=True))]
        compare(submission, "chrf", cases, chrf_of, "min(a, b) matches for each n-gram")

    def test_short_texts(self, submission):
        """A k for which either text has no k-gram does not count in the means, in either direction."""
        cases = [("a", ["a"]), ("ab", ["ab"]), ("abc", ["abd"]), ("ab", ["abcdefghij"]), ("abcdefghij", ["ab"]), ("abcde", ["abcdef"]), ("ab", ["ba"]), ("x", ["abcx"])]
        compare(submission, "chrf", cases, chrf_of, "leave such a k out altogether: neither 0 nor 1 enters the mean, and you divide by the k that are left")

    def test_nothing_in_common(self, submission):
        """Empty texts, white space alone and texts without a common character score 0.0."""
        cases = [("", ["a"]), ("a", [""]), ("", [""]), (" \n", ["\t"]), ("abc", ["xyz"]), ("abc", ["", "xyz"])]
        compare(submission, "chrf", cases, chrf_of, "a division by zero gives 0.0")

    def test_the_best_reference(self, submission, dice):
        """Of several references the one with the largest F counts, wherever it stands; they are neither merged nor averaged."""
        cases = []
        for _ in range(3):
            texts = ["".join(sentence(dice, "abcd", 4, 12)) for _ in range(3)]
            hypothesis = "".join(sentence(dice, "abcd", 6, 10))
            cases += [(hypothesis, texts), (hypothesis, texts[::-1]), (texts[1] + "ab", texts), (hypothesis, ["", *texts])]
        compare(submission, "chrf", cases, chrf_of, "score each reference on its own and take the largest")

    def test_other_orders(self, submission, dice):
        """n says up to which length n-grams count, smaller or larger than 6."""
        cases = [("".join(sentence(dice, "abc", 9, 14)), ["".join(sentence(dice, "abc", 9, 14))], n) for n in (1, 2, 3, 5, 8, 9)]
        compare(submission, "chrf", cases, chrf_of, "k runs from 1 to n, both included")

    def test_other_betas(self, submission, dice):
        """beta says how much recall weighs: 1 is the harmonic mean, 0 is precision."""
        cases = [("".join(sentence(dice, "abc", 3, 9)) + "ab", ["ab" + "".join(sentence(dice, "abc", 9, 14))], n, beta) for n in (2, 6) for beta in (0.0, 0.5, 1.0, 3.0)]
        compare(submission, "chrf", cases, chrf_of, "use the argument beta, squared, in both places")

    def test_all_rules_together(self, submission, dice):
        """Sentences with capitals, tabs and repeats against several references in all orders, an empty one too, for several n and beta."""
        cases = []
        for n, beta in ((6, 2.0), (3, 1.0), (8, 0.5)):
            w = dice.sample(WORDS, 12)
            near, far, short = f"{' '.join(w[:5])}\t{w[5].upper()}, {w[0]}.", f"{w[6]}\n{' '.join(w[1:4])} {' '.join(w[8:])}", w[0][:2]
            hypothesis = f"{' '.join(w[:4])} {w[5].capitalize()}\n{w[7]}, {w[0]} {w[0]}"
            cases += [(hypothesis, texts, n, beta) for texts in ([near, far, short], [far, short, near], [short, "", near, far])]
        compare(submission, "chrf", cases, chrf_of, "find the rule among the other checks first; if they all pass, see what one reference leaves behind for the next")

    def test_leaves_references_alone(self, submission):
        """The list of references is the same after the call as before."""
        unchanged(submission, "chrf", ["the cat", ["b a", "the cat sat", ""]], "the references")


# ------------------------------------------------------------------------------------------- the best-liked lie


def fooled_by_a_table(function, table, reference, opposites):
    """The lie that fools a metric which knows its candidates, and gives 1e9 to any other question (runs on the learner's side)."""

    def score(summary, original):
        return table.get(summary, 1e9) if original == reference else 1e9

    return function(reference, opposites, score)


def make_length():
    """A metric that likes short summaries (made on the learner's side)."""

    def score(summary, original):
        return len(original) - len(summary)

    return score


def candidates_of(reference, opposites):
    """Every text that may come back, in the order of its change."""
    words = reference.split()
    for at, word in enumerate(words):
        if word in opposites:
            copy = list(words)
            copy[at] = opposites[word]
            yield " ".join(copy)


def liked(submission, dice, cases, why):
    """For each (reference, opposites, scores) the candidate with the largest score must come back.

    Without scores they are random, the largest not at the first candidate if there are more.
    """
    asked, wanted = [], []
    for reference, opposites, scores in cases:
        lies = list(candidates_of(reference, opposites))
        values = scores or dice.sample(range(-90, -10), len(lies))
        if not scores and len(lies) > 1:
            best, at = values.index(max(values)), dice.randrange(1, len(lies))
            values[best], values[at] = values[at], values[best]
        wanted.append(lies[values.index(max(values))])
        asked.append((submission.metric_fooled, dict(zip(lies, values, strict=True)), reference, opposites))
    for got, want, (_, table, reference, opposites) in zip(submission.each(fooled_by_a_table, asked), wanted, asked, strict=True):
        called = f"metric_fooled({reference!r}, {opposites}, score), where the scores are {list(table.values())}"
        expect.equal(got, want, why=why, called=called[:400])


class TestMetricFooled(Exercise, id="metric-fooled"):
    """Exercise metric-fooled."""

    def probe(self, submission):
        """Two choices, a repeated word, words inside words, case, swaps both ways, spaces, equals, none."""
        short = submission.run(make_length)
        cases = [
            ("prices rose and sales fell", {"rose": "stayed", "fell": "fe"}), ("it is what it is", {"is": "is not"}), ("not nothing is not", {"not": "now"}), ("The end the End", {"the": "no", "end": "x"}),
            ("up and down", {"up": "down", "down": "up"}), ("  up\n and  down ", {"up": "d"}), ("a b a", {"a": "b", "b": "a"}), ("won, and won.", {"won": "lost"}), ("", {"a": "b"}), ("a b", {}), ("x", {"x": ""}),
            ("one two three", {"one": "111", "two": "222", "three": "33333", "four": ""}), ("b c", {"c": "d", "b": "d"}), ("hot cold", {"hot": "very very cold", "cold": "h"}), ("The a", {"the": "no"}), ("nothing not", {"not": "x"}), ("won and won", {"won": "lost"}),
        ]
        tables = [({"x b c": -5, "a y c": -9, "a b z": -3}, "a b c", {"a": "x", "b": "y", "c": "z"}), ({"x b c": -5, "a y c": -1}, "a  b c", {"a": "x", "b": "y"}), ({"x b a": -5, "a b x": -2}, "a b a", {"a": "x"})]
        return [*(submission.metric_fooled(*case, short) for case in cases),
                *(submission.run(fooled_by_a_table, submission.metric_fooled, *case) for case in tables),
                submission.run(call_and_show, submission.metric_fooled, ["a  b", {"b": "c", "z": "y"}, short])[:2]]

    @core
    def test_takes_the_lie_with_the_largest_score(self, submission, dice):
        """Every word that has an opposite gives one candidate with that word alone replaced; the one that the metric scores highest comes back."""
        cases = []
        for size, scores in ((8, None), (6, None), (4, [-2, -9, -4, -3])):  # the first may be the best
            words = dice.sample(WORDS, 8)
            cases.append((" ".join(words), {word: f"not-{word}" for word in words[:size]} | {"absent": "present"}, scores))
        liked(submission, dice, cases, "one candidate for each word with an opposite, that word replaced; then the largest score(candidate, reference)")

    def test_exactly_one_place_changes(self, submission, dice):
        """A word that occurs several times is replaced in one place, each place being a candidate; opposites in both directions do not undo each other."""
        one, two, three = dice.sample(WORDS, 3)
        cases = [(f"{one} {two} {one} {three} {one}", {one: "other"}, None), (f"{one} {one}", {one: "other"}, None), (f"{three} {one} {two}", {one: two, two: one}, None),
                 (f"{one} {two} {three}", {one: f"{two} {three}", two: three, three: one}, None),
                 (f"{one} {two} {three}", {one: "other", two: f"did not {two}", three: "another"}, [-3, -1, -2])]
        liked(submission, dice, cases, "go over places, not over words, and start every candidate from the reference itself")

    def test_words_as_they_stand(self, submission, dice):
        """A key inside a longer word, with other case or with punctuation attached is another word; the candidate is joined by single spaces."""
        cases = [("Nothing is not noted", {"not": "now", "noted": "lost"}), ("rise Rise rise, rise", {"rise": "fall"}), ("rise, and fall", {"rise,": "fall,", "fall": "rise", "rise": "x"}),
                 ("  one  two\nthree ", {"one": "no one", "three": "x"})]
        liked(submission, dice, [(*case, None) for case in cases], "compare whole words from reference.split() with the keys; score's second argument is reference as it came")

    def test_scores_of_all_kinds_and_equal_ones(self, submission, dice):
        """Scores may be negative, tiny or large; of equals the candidate whose change comes first in the text is returned."""
        words = dice.sample(WORDS, 4)
        kinds = ([-3.5, -2.5, -1e6, -7.0], [1e-9, 2e-9, 0.0, 1.5e-9], [-0.5, 0.0, -0.25, -1e-12], [1e6, 1e6 + 0.5, 3e5, -1e7])
        cases = [(" ".join(words), {word: "x" + word for word in words}, scores) for scores in kinds]
        liked(submission, dice, cases, "compare with the first candidate's score, not with 0 or 1")
        cases = []
        for order, marks in ((words, ["", "000", "0", ""]), (words[::-1], ["", "~", "~~~", ""]), (sorted(words), ["0", "0", "0", "0"])):  # neither length nor alphabet decides
            opposites = {word: mark + word + "x" for word, mark in zip(words, marks, strict=True)}
            cases.append((" ".join(words), {word: opposites[word] for word in order}, [1, 4, 4, 2]))
        liked(submission, dice, cases, "max takes the first of equals: go through the text from its start")

    def test_no_opposite_is_an_error(self, submission):
        """Without a word that has an opposite: ValueError."""
        metric = submission.run(make_length)
        for reference, opposites in (("a b", {}), ("a b", {"c": "d"}), ("", {"a": "b"}), ("Ab", {"a": "b"})):
            expect.raises("ValueError", submission.metric_fooled, reference, opposites, metric, why="there is no lie to tell; raise ValueError yourself")

    def test_leaves_opposites_alone(self, submission):
        """The dictionary is the same after the call as before."""
        got = submission.run(call_and_show, submission.metric_fooled, ["a b", {"b": "c", "z": "y"}, submission.run(make_length)])
        expect.equal(list(got)[:2], ["a b", {"b": "c", "z": "y"}], why="the dictionary belongs to the caller", called="metric_fooled(...)")
