"""Plausible wrong answers to p3_6_text_metrics, each with what its author should be told; and right answers written another way."""

import functools
import math
import re
from collections import Counter, defaultdict

from grader.mutation import edit, edit_variant, mutant, variant

OVERLAP, ROUGE_N, ROUGE_L, TEST = "text-ngram-overlap", "text-rouge-n", "text-rouge-l", "rouge-write-the-test"
BLEU, CHRF, FOOLED = "text-bleu", "text-chrf", "metric-fooled"

# -------------------------------------------------------------------------------------------- n-gram overlap

edit(OVERLAP, "does_not_clip", "A word that the hypothesis repeats matches every time; min(a, b) matches for each n-gram.",
     ("sum(min(count, theirs[gram]) for gram, count in ours.items())", "sum(count for gram, count in ours.items() if gram in theirs)"))
edit(OVERLAP, "counts_the_reference_instead", "Matches are counted as often as the reference has the n-gram; min(a, b) matches for each n-gram.",
     ("sum(min(count, theirs[gram]) for gram, count in ours.items())", "sum(theirs[gram] for gram in ours)"))
edit(OVERLAP, "compares_sets", "Every n-gram matches once, however often both texts have it; repeated n-grams count as often as both have them.",
     ("sum(min(count, theirs[gram]) for gram, count in ours.items())", "len(ours.keys() & theirs.keys())"))
edit(OVERLAP, "counts_different_ngrams", "The totals count different n-grams; an n-gram that occurs three times counts three times.",
     ("sum(ours.values()), sum(theirs.values())", "len(ours), len(theirs)"))
edit(OVERLAP, "swaps_the_totals", "The totals are swapped: first the hypothesis's, then the reference's.",
     ("sum(ours.values()), sum(theirs.values())", "sum(theirs.values()), sum(ours.values())"))
edit(OVERLAP, "misses_the_last", "The last n-gram of the hypothesis is missing; there are T - n + 1 of them.", ("range(len(hypothesis) - n + 1)", "range(len(hypothesis) - n)"))
edit(OVERLAP, "misses_the_last_of_the_reference", "The last n-gram of the reference is missing; there are T - n + 1 of them.",
     ("range(len(reference) - n + 1)", "range(len(reference) - n)"))
edit(OVERLAP, "keeps_stubs_at_the_end", "Slices at the end are shorter than n words, and count as n-grams.",
     ("range(len(hypothesis) - n + 1)", "range(len(hypothesis))"), ("range(len(reference) - n + 1)", "range(len(reference))"))
edit(OVERLAP, "always_words", "Single words are counted whatever n is.",
     ("hypothesis[at : at + n]", "hypothesis[at : at + 1]"), ("reference[at : at + n]", "reference[at : at + 1]"))
edit(OVERLAP, "joins_without_a_gap", "Joined words look the same where the n-grams are not: “ab c” and “a bc”. Use tuples.",
     ("tuple(hypothesis[at : at + n])", '"".join(hypothesis[at : at + n])'), ("tuple(reference[at : at + n])", '"".join(reference[at : at + n])'))
edit(OVERLAP, "joins_with_spaces", "A word may hold a space, so joined n-grams can look the same. Use tuples.",
     ("tuple(hypothesis[at : at + n])", '" ".join(hypothesis[at : at + n])'), ("tuple(reference[at : at + n])", '" ".join(reference[at : at + n])'))
edit(OVERLAP, "forgets_the_order_inside", "The words of an n-gram are sorted or put into a set; their order counts.",
     ("tuple(hypothesis[at : at + n])", "tuple(sorted(hypothesis[at : at + n]))"), ("tuple(reference[at : at + n])", "tuple(sorted(reference[at : at + n]))"))
edit(OVERLAP, "cuts_into_blocks", "The text is cut into blocks of n; n-grams overlap, and one begins at every word.",
     ("range(len(hypothesis) - n + 1)", "range(0, len(hypothesis) - n + 1, n)"), ("range(len(reference) - n + 1)", "range(0, len(reference) - n + 1, n)"))
edit(OVERLAP, "lowers_the_words", "The words are lower-cased; they are compared as they are.",
     ("    ours = Counter", "    hypothesis, reference = [w.lower() for w in hypothesis], [w.lower() for w in reference]\n    ours = Counter"))
edit(OVERLAP, "strips_the_words", "White space is taken off the words; they are compared as they are.",
     ("    ours = Counter", "    hypothesis, reference = ([word.strip() for word in words] for words in (hypothesis, reference))\n    ours = Counter"))
edit(OVERLAP, "sorts_the_lists", "The caller's list is sorted in place.", ("    ours = Counter", "    hypothesis.sort()\n    ours = Counter"))
edit(OVERLAP, "negative_totals", "The totals are T - n + 1 by formula, which is negative or 0 too early for short texts.",
     ("sum(ours.values()), sum(theirs.values())", "len(hypothesis) - n + 1, len(reference) - n + 1"))


@mutant(OVERLAP, provides="ngram_overlap")
def any_n_words(hypothesis, reference, n):
    """N-grams with gaps are counted: every choice of n words in order. The words must stand in a row."""
    import itertools

    ours, theirs = (Counter(itertools.combinations(words[:20], n)) for words in (hypothesis, reference))
    return sum((ours & theirs).values()), max(len(hypothesis) - n + 1, 0), max(len(reference) - n + 1, 0)


@variant(OVERLAP, provides="ngram_overlap")
def by_crossing_out(hypothesis, reference, n):
    """Right: n-grams by zip, and each match crossed out of a copy of the reference's."""
    if n < 1:
        raise ValueError("n")
    ours = list(zip(*[hypothesis[k:] for k in range(n)], strict=False))
    theirs = list(zip(*[reference[k:] for k in range(n)], strict=False))
    left, matches = theirs.copy(), 0
    for gram in ours:
        if gram in left:
            left.remove(gram)
            matches += 1
    return matches, len(ours), len(theirs)


@variant(OVERLAP, provides="ngram_overlap")
def by_intersection(hypothesis, reference, n):
    """Right: the intersection of two Counters, and totals by formula."""
    if n < 1:
        raise ValueError("n")
    ours, theirs = (Counter(tuple(words[at : at + n]) for at in range(len(words) - n + 1)) for words in (hypothesis, reference))
    return (ours & theirs).total(), max(0, len(hypothesis) - n + 1), max(0, len(reference) - n + 1)


@variant(OVERLAP, provides="ngram_overlap")
def by_dictionaries(hypothesis, reference, n):
    """Right: plain dictionaries and while loops."""
    if n < 1:
        raise ValueError("n")
    counts = []
    for words in (hypothesis, reference):
        count, at = defaultdict(int), 0
        while at + n <= len(words):
            count[repr(words[at : at + n])] += 1
            at += 1
        counts.append(count)
    matches = sum(min(counts[0][gram], counts[1][gram]) for gram in list(counts[0]))
    return [matches, sum(counts[0].values()), sum(counts[1].values())]


# --------------------------------------------------------------------------------------------------- ROUGE-N

PAIR = "for text in (hypothesis, reference))\n    ours = Counter"
edit(ROUGE_N, "does_not_clip", "A word that the hypothesis repeats matches every time; min(a, b) matches for each n-gram.",
     ("sum((ours & theirs).values())  #", "sum(count for gram, count in ours.items() if gram in theirs)  #"))
edit(ROUGE_N, "compares_sets", "Every n-gram matches once, however often both texts have it.", ("sum((ours & theirs).values())  #", "len(ours & theirs)  #"))
edit(ROUGE_N, "returns_recall_as_f1", "The third number is recall; F1 is 2PR / (P + R).",
     ("return precision, recall, 2 * precision * recall / (precision + recall)", "return precision, recall, recall"))
edit(ROUGE_N, "swaps_precision_and_recall", "Precision and recall are swapped: precision divides by the n-grams of the hypothesis.",
     ("precision, recall = matches", "recall, precision = matches"))
edit(ROUGE_N, "takes_the_plain_mean", "F1 is the harmonic mean, 2PR / (P + R), not the plain one.",
     ("2 * precision * recall / (precision + recall)", "(precision + recall) / 2"))
edit(ROUGE_N, "forgets_the_two", "PR / (P + R) is half of F1.", ("2 * precision * recall / (", "precision * recall / ("))
edit(ROUGE_N, "keeps_case", "Capitals make other words; put the text in lower case first.", ("text.lower()", "text"))
edit(ROUGE_N, "splits_at_spaces", "Punctuation stays on the words; a word is a run of a to z and 0 to 9.", ('re.findall(r"[a-z0-9]+", text.lower())', "text.lower().split()"))
edit(ROUGE_N, "takes_all_letters", r"\w takes accents, other scripts and underscores too; only a to z and 0 to 9 count.", ("[a-z0-9]+", r"\w+"))
edit(ROUGE_N, "drops_digits", "Numbers are words too.", ("[a-z0-9]+", "[a-z]+"))
edit(ROUGE_N, "deletes_punctuation", "Punctuation is deleted, so “e-mail” becomes one word; it separates words.",
     ('re.findall(r"[a-z0-9]+", text.lower())', 're.sub(r"[^a-z0-9\\s]", "", text.lower()).split()'))
edit(ROUGE_N, "stems", "A final s is cut off; there is no stemming.",
     ('re.findall(r"[a-z0-9]+", text.lower())', '[w.removesuffix("s") for w in re.findall(r"[a-z0-9]+", text.lower())]'))
edit(ROUGE_N, "ignores_n", "Single words are counted whatever n is.", ("tuple(ours[at : at + n]) for at in range(len(ours) - n + 1)", "ours"),
     ("tuple(theirs[at : at + n]) for at in range(len(theirs) - n + 1)", "theirs"))
edit(ROUGE_N, "divides_by_words", "With n > 1 precision and recall are divided by the number of words, n - 1 too many.",
     ("sum(ours.values()), matches / sum(theirs.values())", "(sum(ours.values()) + n - 1), matches / (sum(theirs.values()) + n - 1)"))
edit(ROUGE_N, "divides_by_different_ngrams", "The totals count different n-grams; repeated ones count every time.",
     ("sum(ours.values()), matches / sum(theirs.values())", "len(ours), matches / len(theirs)"))
edit(ROUGE_N, "breaks_on_nothing", "Texts without common n-grams divide by zero; all three are 0.0 then.", ("if not matches:", "if False:"))
edit(ROUGE_N, "calls_two_empty_texts_equal", "Two texts without n-grams score 1; they score 0 in all three.",
     ("        return 0.0, 0.0, 0.0", "        return (0.0, 0.0, 0.0) if ours or theirs else (1.0, 1.0, 1.0)"))
edit(ROUGE_N, "counts_from_two", "The default is n = 2; it is 1.", ("n: int = 1", "n: int = 2"))
edit(ROUGE_N, "rounds", "The scores are rounded.", ("return precision, recall, 2 * precision * recall / (precision + recall)",
     "return round(precision, 2), round(recall, 2), round(2 * precision * recall / (precision + recall), 2)"))
edit(ROUGE_N, "per_cent", "The scores are per cent; they are from 0 to 1.", ("matches / sum(ours.values()), matches / sum", "100 * matches / sum(ours.values()), 100 * matches / sum"))


@mutant(ROUGE_N, provides="rouge_n")
def line_by_line(hypothesis, reference, n=1):
    """N-grams are counted line by line; they reach across line breaks and sentences."""
    if n < 1:
        raise ValueError("n")
    lists = []
    for text in (hypothesis, reference):
        lines = [re.findall("[a-z0-9]+", line) for line in text.lower().split("\n")]
        lists.append(Counter(tuple(words[at : at + n]) for words in lines for at in range(len(words) - n + 1)))
    return scores_of((lists[0] & lists[1]).total(), lists[0].total(), lists[1].total())


def scores_of(found, ours, theirs):
    """Precision, recall, F1."""
    return (found / ours, found / theirs, 2 * found / (ours + theirs)) if found else (0.0, 0.0, 0.0)


@variant(ROUGE_N, provides="rouge_n")
def by_translation(hypothesis, reference, n=1):
    """Right: everything else becomes a space; F1 from the counts."""
    if n < 1:
        raise ValueError("n")
    a, b = (re.sub("[^a-z0-9]", " ", text.lower()).split() for text in (hypothesis, reference))
    ours, theirs = (Counter(zip(*(words[k:] for k in range(n)), strict=False)) for words in (a, b))
    return scores_of((ours & theirs).total(), ours.total(), theirs.total())


@variant(ROUGE_N, provides="rouge_n")
def as_the_package(hypothesis, reference, n=1):
    """Right: zero denominators replaced by 1, and a joined text as the key."""
    if n < 1:
        raise ValueError("n")
    counts = []
    for text in (hypothesis, reference):
        words = [word for word in re.split("[^a-z0-9]+", text.lower()) if word]
        counts.append(Counter(" ".join(words[at : at + n]) for at in range(len(words) - n + 1)))
    found = sum(min(counts[0][gram], counts[1][gram]) for gram in counts[1])
    p, r = found / max(counts[0].total(), 1), found / max(counts[1].total(), 1)
    return p, r, 2 * p * r / (p + r) if p + r > 0 else 0.0


# --------------------------------------------------------------------------------------------------- ROUGE-L

ROW = "row.append(last[j] + 1 if word == other else max(last[j + 1], row[j]))"
edit(ROUGE_L, "finds_a_run", "It looks for the longest run without a gap; a subsequence may have gaps.",
     ("row = [0] * (len(theirs) + 1)  #", "best, row = 0, [0] * (len(theirs) + 1)  #"), (ROW, "row.append(last[j] + 1 if word == other else 0)\n        best = max(best, *row)"),
     ("longest = row[-1]", "longest = best"))
edit(ROUGE_L, "forgets_the_order", "It counts common words in any order; they must stand in the same order.",
     ("longest = row[-1]", "longest = sum(min(ours.count(word), theirs.count(word)) for word in set(ours))"))
edit(ROUGE_L, "returns_recall_as_f1", "The third number is recall; F1 is 2PR / (P + R).",
     ("return precision, recall, 2 * precision * recall / (precision + recall)", "return precision, recall, recall"))
edit(ROUGE_L, "swaps_precision_and_recall", "Precision and recall are swapped: precision divides by the words of the hypothesis.",
     ("precision, recall = longest", "recall, precision = longest"))
edit(ROUGE_L, "takes_the_plain_mean", "F1 is the harmonic mean, 2PR / (P + R), not the plain one.", ("2 * precision * recall / (precision + recall)", "(precision + recall) / 2"))
edit(ROUGE_L, "divides_by_the_longer", "Both are divided by the length of the longer text.",
     ("longest / len(ours), longest / len(theirs)", "(longest / max(len(ours), len(theirs)),) * 2"))
edit(ROUGE_L, "keeps_case", "Capitals make other words; put the text in lower case first.", ("text.lower()", "text"))
edit(ROUGE_L, "splits_at_spaces", "Punctuation stays on the words; a word is a run of a to z and 0 to 9.", ('re.findall(r"[a-z0-9]+", text.lower())', "text.lower().split()"))
edit(ROUGE_L, "takes_all_letters", r"\w takes accents, other scripts and underscores too; only a to z and 0 to 9 count.", ("[a-z0-9]+", r"\w+"))
edit(ROUGE_L, "drops_digits", "Numbers are words too.", ("[a-z0-9]+", "[a-z]+"))
edit(ROUGE_L, "compares_characters", "The longest common subsequence of characters is taken; it is of words.", ("[a-z0-9]+", "[a-z0-9]"))
edit(ROUGE_L, "uses_places_twice", "A match looks at the cell above, not the one above and to the left, so one place is used for several words.",
     ("last[j] + 1 if word", "last[j + 1] + 1 if word"))
edit(ROUGE_L, "looks_to_one_side", "Without a match only one neighbour is asked; take the larger of two.", ("max(last[j + 1], row[j])", "last[j + 1]"))
edit(ROUGE_L, "looks_to_the_other_side", "Without a match only the cell to the left is asked; take the larger of two.", ("max(last[j + 1], row[j])", "row[j]"))
edit(ROUGE_L, "misses_the_last_word", "The last word of the reference is left out of the table.", ("longest = row[-1]", "longest = row[max(len(theirs) - 1, 0)]"))
edit(ROUGE_L, "breaks_on_nothing", "Texts without common words divide by zero; all three are 0.0 then.", ("if longest == 0:", "if False:"))
edit(ROUGE_L, "calls_two_empty_texts_equal", "Two texts without words score 1; they score 0 in all three.",
     ("        return 0.0, 0.0, 0.0", "        return (0.0, 0.0, 0.0) if ours or theirs else (1.0, 1.0, 1.0)"))
edit(ROUGE_L, "cuts_long_texts", "Only the first 100 words are read.", ("text.lower())", "text.lower())[:100]"))
edit(ROUGE_L, "drops_repeated_words", "Repeated words are dropped before comparing.",
     ('re.findall(r"[a-z0-9]+", text.lower())', 'list(dict.fromkeys(re.findall(r"[a-z0-9]+", text.lower())))'))


@mutant(ROUGE_L, provides="rouge_l")
def takes_the_first_match(hypothesis, reference):
    """Each word is taken at its first match after the last one, which can block a longer sequence."""
    ours, theirs = (re.findall("[a-z0-9]+", text.lower()) for text in (hypothesis, reference))
    at = found = 0
    for word in ours:
        if word in theirs[at:]:
            at = theirs.index(word, at) + 1
            found += 1
    return scores_of(found, len(ours), len(theirs))


@mutant(ROUGE_L, provides="rouge_l")
def near_the_diagonal(hypothesis, reference):
    """Cells far from the diagonal are skipped to save time; a common word may stand at the beginning of one text and at the end of the other."""
    ours, theirs = (re.findall("[a-z0-9]+", text.lower()) for text in (hypothesis, reference))
    row = [0] * (len(theirs) + 1)
    for i, word in enumerate(ours):
        last = list(row)
        for j, other in enumerate(theirs):
            if abs(i - j) <= 50:
                row[j + 1] = last[j] + 1 if word == other else max(last[j + 1], row[j])
            else:
                row[j + 1] = last[j + 1]
    if not row[-1]:
        return 0.0, 0.0, 0.0
    precision, recall = row[-1] / len(ours), row[-1] / len(theirs)
    return precision, recall, 2 * precision * recall / (precision + recall)


@mutant(ROUGE_L, provides="rouge_l")
def by_difflib(hypothesis, reference):
    """difflib finds long runs first, not the longest common subsequence."""
    import difflib

    ours, theirs = (re.findall("[a-z0-9]+", text.lower()) for text in (hypothesis, reference))
    blocks = difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    return scores_of(sum(block.size for block in blocks), len(ours), len(theirs))


@mutant(ROUGE_L, provides="rouge_l")
def without_memory(hypothesis, reference):
    """The same questions are asked over and over: with 30 words it runs for years. Remember the answers in a table."""
    ours, theirs = (re.findall("[a-z0-9]+", text.lower()) for text in (hypothesis, reference))

    def longest(i, j):
        if i == 0 or j == 0:
            return 0
        if ours[i - 1] == theirs[j - 1]:
            return longest(i - 1, j - 1) + 1
        return max(longest(i - 1, j), longest(i, j - 1))

    if min(len(ours), len(theirs)) > 40:
        raise TimeoutError("this would take years")
    return scores_of(longest(len(ours), len(theirs)), len(ours), len(theirs)) if len(ours) * len(theirs) < 120 else by_rising_places(hypothesis, reference)


@mutant(ROUGE_L, provides="rouge_l")
def sentence_by_sentence(hypothesis, reference):
    """The texts are cut into sentences and these compared one by one; sentences have no meaning here."""
    parts = [[re.findall("[a-z0-9]+", part) for part in re.split(r"[.\n]", text.lower())] for text in (hypothesis, reference)]
    found = sum(round(by_rising_places(" ".join(a), " ".join(b))[0] * len(a)) for a, b in zip(*parts, strict=False))
    return scores_of(found, *(sum(map(len, part)) for part in parts))


@variant(ROUGE_L, provides="rouge_l")
def by_rising_places(hypothesis, reference):
    """Right: the longest rising sequence of places."""
    import bisect

    ours, theirs = (re.findall("[a-z0-9]+", text.lower()) for text in (hypothesis, reference))
    ends = []
    for word in ours:
        for place in [at for at in range(len(theirs) - 1, -1, -1) if theirs[at] == word]:
            at = bisect.bisect_left(ends, place)
            ends[at : at + 1] = [place]
    return scores_of(len(ends), len(ours), len(theirs))


@variant(ROUGE_L, provides="rouge_l")
def by_a_full_table(hypothesis, reference):
    """Right: a full table, filled from the end."""
    a, b = (re.sub("[^a-z0-9]", " ", text.lower()).split() for text in (hypothesis, reference))
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            table[i][j] = table[i + 1][j + 1] + 1 if a[i] == b[j] else max(table[i + 1][j], table[i][j + 1])
    p, r = table[0][0] / max(len(a), 1), table[0][0] / max(len(b), 1)
    return p, r, 2 * p * r / (p + r) if p else 0.0


@variant(ROUGE_L, provides="rouge_l")
def with_memory(hypothesis, reference):
    """Right: a recursion that remembers, with room for long texts."""
    import sys

    ours, theirs = (re.findall("[a-z0-9]+", text.lower()) for text in (hypothesis, reference))
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 5000))

    @functools.cache
    def longest(i, j):
        if i == 0 or j == 0:
            return 0
        return longest(i - 1, j - 1) + 1 if ours[i - 1] == theirs[j - 1] else max(longest(i - 1, j), longest(i, j - 1))

    for i in range(0, len(ours), 50):
        longest(i, len(theirs))
    found = longest(len(ours), len(theirs))
    sys.setrecursionlimit(before)
    return scores_of(found, len(ours), len(theirs))


# -------------------------------------------------------------------------------------------- write the test

COMPARE = 'assert abs(mine - want) < 1e-6, f"{name} of {hypothesis!r} against {reference!r} is {mine}, not {want}"'
edit(TEST, "compares_exactly", "Compared with ==: a right implementation that divides in another order is condemned. Allow 1e-6.", ("abs(mine - want) < 1e-6", "mine == want"))
edit(TEST, "allows_too_much", "A tolerance of a quarter lets most mistakes through.", ("abs(mine - want) < 1e-6", "abs(mine - want) < 0.25"))
edit(TEST, "forgets_abs", "Without abs() every result that is too small passes.", ("abs(mine - want) < 1e-6", "mine - want < 1e-6"))
edit(TEST, "refuses_named_tuples", "type(got) is tuple condemns a named tuple, which is a tuple too.", ("isinstance(got, tuple)", "type(got) is tuple"))
edit(TEST, "looks_at_f1_only", "Only F1 is compared; precision and recall may be swapped or wrong.",
     ("zip((\"precision\", \"recall\", \"F1\"), got, (precision, recall, f1), strict=True)", "[(\"F1\", got[2], f1)]"))
edit(TEST, "looks_at_two_only", "F1 is not compared.",
     ("zip((\"precision\", \"recall\", \"F1\"), got, (precision, recall, f1), strict=True)", "zip((\"precision\", \"recall\"), got, (precision, recall), strict=False)"))
edit(TEST, "swaps_its_own_arguments", "The test swaps hypothesis and reference, and so condemns right implementations.", ("got = rouge_l(hypothesis, reference)", "got = rouge_l(reference, hypothesis)"))
edit(TEST, "raises_another_error", "A wrong result raises ValueError; the docstring asks for AssertionError.", (COMPARE, "if abs(mine - want) >= 1e-6: raise ValueError(name)"))
edit(TEST, "asserts_a_tuple", "assert (condition, message) in brackets is a tuple, and a tuple is always true.",
     (COMPARE, "assert bool((abs(mine - want) < 1e-6, name))"))
edit(TEST, "swallows_its_errors", "The test catches its own AssertionError.",
     ("        got = rouge_l(hypothesis, reference)\n", "        got = rouge_l(hypothesis, reference)\n        if abs(got[0] - precision) > 1e-6: continue\n"))


@mutant(TEST, provides="check_rouge_l")
def never_alarms(rouge_l):
    """The test calls the function and asserts nothing."""
    rouge_l("a b", "b c")


@mutant(TEST, provides="check_rouge_l")
def always_alarms(rouge_l):
    """The test condemns everything, right implementations too."""
    raise AssertionError("wrong")


@mutant(TEST, provides="check_rouge_l")
def identical_texts_only(rouge_l):
    """Only identical texts are tried, on which most mistakes don't show."""
    assert all(abs(x - 1) < 1e-6 for x in rouge_l("the cat sat on the mat", "the cat sat on the mat"))


@mutant(TEST, provides="check_rouge_l")
def one_clean_example(rouge_l):
    """One example, with lower-case words, no repeats and no order to get wrong."""
    assert all(abs(x - y) < 1e-6 for x, y in zip(rouge_l("a b c d", "a b c d e"), (1.0, 0.8, 8 / 9), strict=True))


@mutant(TEST, provides="check_rouge_l")
def ranges_only(rouge_l):
    """The test asks whether the numbers lie between 0 and 1, which most wrong ones do."""
    for pair in (("a b c", "a x c"), ("", ""), ("A.", "a")):
        assert all(0 <= x <= 1 for x in rouge_l(*pair))


@mutant(TEST, provides="check_rouge_l")
def wants_stemming(rouge_l):
    """The test expects “dogs” and “dog” to match, and so condemns right implementations."""
    assert rouge_l("dogs", "dog")[2] > 0.99


@mutant(TEST, provides="check_rouge_l")
def wants_one_for_empty_texts(rouge_l):
    """The test expects 1 for two empty texts; the definition says 0."""
    assert rouge_l("", "") == (1.0, 1.0, 1.0)
    assert rouge_l("a", "b") == (0.0, 0.0, 0.0)


@mutant(TEST, provides="check_rouge_l")
def order_of_the_results_left_out(rouge_l):
    """The three results are sorted before they are compared, so swapped ones pass; compare each with its own."""
    for hypothesis, reference, want in (
        ("a b c", "a x b y c z", (0.5, 2 / 3, 1)), ("x a b", "a b x", (2 / 3,) * 3), ("The 3 cats, the", "the 3 cats", (3 / 4, 6 / 7, 1)), ("", "", (0, 0, 0)), ("dog cats", "dogs cat", (0, 0, 0)),
    ):
        for mine, wanted in zip(sorted(rouge_l(hypothesis, reference)), want, strict=True):
            assert abs(mine - wanted) < 1e-6


@mutant(TEST, provides="check_rouge_l")
def no_empty_texts(rouge_l):
    """Empty texts are never tried."""
    compare_all(rouge_l, [("a X c, 1 e", "a b c 1 d e f", 4, 5, 7), ("x a b", "a b x", 2, 3, 3), ("the the cat", "the cat", 2, 3, 2), ("dogs", "dog", 0, 1, 1)])


@mutant(TEST, provides="check_rouge_l")
def clean_words_only(rouge_l):
    """All examples are lower-case words without punctuation, digits or accents."""
    compare_all(rouge_l, [("a x c q e", "a b c d e f", 3, 5, 6), ("x a b", "a b x", 2, 3, 3), ("the the cat", "the cat", 2, 3, 2), ("", "", 0, 1, 1), ("dog", "good", 0, 1, 1)])


@mutant(TEST, provides="check_rouge_l")
def no_gaps(rouge_l):
    """Common words always stand side by side, so a run passes for a subsequence."""
    compare_all(rouge_l, [("X, a b", "a b x 1", 2, 3, 4), ("1 the the", "1 the", 2, 3, 2), ("", "", 0, 1, 1), ("b a", "a b", 1, 2, 2), ("dog", "good", 0, 1, 1), ("a b!", "c a b", 2, 2, 3)])


@mutant(TEST, provides="check_rouge_l")
def no_order(rouge_l):
    """The words are always in the same order, so a count of common words passes."""
    compare_all(rouge_l, [("X, a b", "x c a 1 b", 3, 3, 5), ("1 the the", "1 the", 2, 3, 2), ("", "", 0, 1, 1), ("dog", "good", 0, 1, 1)])


@mutant(TEST, provides="check_rouge_l")
def compares_with_rouge_1(rouge_l):
    """The test's own oracle is ROUGE-1: it agrees with the implementation that forgets the order."""
    for one, other in (("a b c", "c b a"), ("A x, b", "b a 1"), ("", "")):
        ours, theirs = (Counter(re.findall("[a-z0-9]+", text.lower())) for text in (one, other))
        want = scores_of((ours & theirs).total(), ours.total(), theirs.total())
        assert all(abs(x - y) < 1e-6 for x, y in zip(rouge_l(one, other), want, strict=True))


def compare_all(rouge_l, cases):
    """Assert the three scores of every case."""
    for hypothesis, reference, longest, ours, theirs in cases:
        want = scores_of(longest, ours, theirs)
        for mine, theirs_ in zip(rouge_l(hypothesis, reference), want, strict=True):
            assert abs(mine - theirs_) < 1e-6


@variant(TEST, provides="check_rouge_l")
def by_an_oracle(rouge_l):
    """Right: an implementation of its own, compared on random texts and on chosen ones."""
    import random

    dice = random.Random(5)
    texts = ["", "?!", "A", "a, b. 3,000", "caf\u00e9 _x", "dogs", "dog s", "the the the", "x a b", "a b x", "one. two", "two. one", "x " * 25 + "end", "start end"]
    texts += [" ".join(dice.choices(["a", "b", "c", "ab", "B", "1", "x."], k=dice.randint(1, 9))) for _ in range(20)]
    for one in texts:
        for other in texts:
            got, want = rouge_l(one, other), by_rising_places(one, other)
            assert math.dist(tuple(got), want) < 1e-6, (one, other)


@variant(TEST, provides="check_rouge_l")
def by_pytest(rouge_l):
    """Right: pytest.approx, and a few examples that show a lot each."""
    import pytest

    approx = pytest.approx
    assert rouge_l("x A, b. x q", "a b, 7 x") == approx((3 / 5, 3 / 4, 2 / 3)), "gap, order, case"
    assert rouge_l("7 a the the", "The 7 b the c d") == approx((0.5, 1 / 3, 0.4)), "repeats"
    assert rouge_l("b x a", "a b") == approx((1 / 3, 1 / 2, 0.4)), "order"
    assert rouge_l("on no", "noon 1") == approx((0, 0, 0)), "letters"
    assert rouge_l("", "") == approx((0, 0, 0)), "empty"
    assert rouge_l("a c b", "a x b y") == approx((2 / 3, 1 / 2, 4 / 7)), "gaps"
    assert rouge_l("the the the cats caf\u00e9", "the cat caf") == approx((2 / 5, 2 / 3, 1 / 2)), "once each, no stemming"
    words = [f"w{k}" for k in range(40)]
    assert rouge_l(" ".join(words), ". ".join(words[20:])) == approx((0.5, 1, 2 / 3)), "long, sentences"
    assert rouge_l("a. b c", "b. a c") == approx((2 / 3, 2 / 3, 2 / 3)), "sentences"
    assert rouge_l("q a b", "a b q") == approx((2 / 3, 2 / 3, 2 / 3)), "not greedy"


edit_variant(TEST, "collects_all_alarms", "Right: goes through all examples and raises one AssertionError at the end.",
             ("for hypothesis, reference, longest, ours, theirs in cases:", "wrong = []\n    for hypothesis, reference, longest, ours, theirs in cases:"),
             (COMPARE, "if not abs(mine - want) < 1e-6: wrong.append((hypothesis, name))\n    if wrong: raise AssertionError(str(wrong))"))

# ------------------------------------------------------------------------------------------------------ BLEU

edit(BLEU, "does_not_clip", "An n-gram that a hypothesis repeats matches every time; it matches as often as a reference has it.",
     ("sum((counts & limits).values())", "sum(count for gram, count in counts.items() if gram in limits)"))
edit(BLEU, "compares_sets", "Every n-gram matches once, however often both have it.", ("sum((counts & limits).values())", "len(counts & limits)"))
edit(BLEU, "clips_at_the_sum", "The references' counts are added up; clip at the largest count in any single reference.", ("limits |= ngrams(words, n)  #", "limits += ngrams(words, n)  #"))
edit(BLEU, "clips_at_the_smallest", "An n-gram must stand in all references; any one of them is enough.",
     ("limits |= ngrams(words, n)  #", "limits = limits & ngrams(words, n) if words is not theirs[0] else ngrams(words, n)  #"))
edit(BLEU, "reads_the_first_reference", "Only the first reference is read.", ("theirs = hypothesis.split(), [text.split() for text in texts]", "theirs = hypothesis.split(), [texts[0].split()]"))
edit(BLEU, "has_no_brevity_penalty", "There is no brevity penalty: a few safe words score high.", ("penalty = 1.0 if c >= r else math.exp(1 - r / c)", "penalty = 1.0"))
edit(BLEU, "punishes_length", "Longer texts are punished too; BP is 1 whenever c >= r.", ("1.0 if c >= r else math.exp(1 - r / c)", "math.exp(-abs(1 - r / c))"))
edit(BLEU, "rewards_length", "exp(1 - r / c) is above 1 for long texts; BP is never above 1.", ("1.0 if c >= r else math.exp(1 - r / c)", "math.exp(1 - r / c)"))
edit(BLEU, "divides_upside_down", "BP uses c / r where r / c belongs.", ("math.exp(1 - r / c)", "math.exp(1 - c / r) if c > r else math.exp(c / r - 1)"))
edit(BLEU, "penalty_is_a_ratio", "BP is c / r; it is exp(1 - r / c).", ("else math.exp(1 - r / c)", "else c / r"))
edit(BLEU, "shortest_reference", "r takes the shortest reference; it takes the closest in length.", ("min((abs(len(words) - len(ours)), len(words)) for words in theirs)[1]", "min(len(words) for words in theirs)"))
edit(BLEU, "longest_reference", "r takes the longest reference; it takes the closest in length.", ("min((abs(len(words) - len(ours)), len(words)) for words in theirs)[1]", "max(len(words) for words in theirs)"))
edit(BLEU, "mean_reference", "r takes the mean length of the references; it takes the closest.", ("min((abs(len(words) - len(ours)), len(words)) for words in theirs)[1]", "sum(len(words) for words in theirs) / len(theirs)"))
edit(BLEU, "longer_on_a_tie", "Of two equally close lengths the longer is taken; take the shorter.", ("(abs(len(words) - len(ours)), len(words))", "(abs(len(words) - len(ours)), -len(words), len(words))"), ("for words in theirs)[1]", "for words in theirs)[2]"))
edit(BLEU, "first_on_a_tie", "Of two equally close lengths the first in the list is taken; take the shorter.",
     ("min((abs(len(words) - len(ours)), len(words)) for words in theirs)[1]", "len(min(theirs, key=lambda words: abs(len(words) - len(ours))))"))
edit(BLEU, "smooths", "Zero counts are smoothed to a small number; without smoothing BLEU is 0 then.",
     ("    if 0 in matches:\n        return 0.0\n", "    if not matches[0]:\n        return 0.0\n    matches, totals = [m or 0.1 for m in matches], [t or 1 for t in totals]\n"))
edit(BLEU, "adds_one", "One is added to matches and totals of n > 1; there is no smoothing.",
     ("    if 0 in matches:\n", "    matches, totals = [m + (k > 0) for k, m in enumerate(matches)], [t + (k > 0) for k, t in enumerate(totals)]\n    if 0 in matches:\n"))
edit(BLEU, "drops_zero_orders", "Orders without matches are left out of the mean; a zero makes BLEU zero.",
     ("    if 0 in matches:\n        return 0.0\n", "    if not matches[0]:\n        return 0.0\n    pairs = [(m, t) for m, t in zip(matches, totals, strict=True) if m]\n"
      "    return 100 * (1.0 if c >= r else math.exp(1 - r / c)) * math.exp(sum(math.log(m / t) for m, t in pairs) / len(pairs))\n"))
edit(BLEU, "breaks_on_zero", "log 0 raises an error; BLEU is 0.0 then.", ("if 0 in matches:", "if False:"))
edit(BLEU, "takes_the_plain_mean", "The four precisions are averaged; take the geometric mean.",
     ("math.exp(sum(math.log(m / t) for m, t in zip(matches, totals, strict=True)) / 4)", "sum(m / t for m, t in zip(matches, totals, strict=True)) / 4"))
edit(BLEU, "forgets_the_root", "The four precisions are multiplied, and no fourth root is drawn.", ("strict=True)) / 4)", "strict=True)))"))
edit(BLEU, "stops_at_three", "Only n = 1, 2, 3 are counted.", ("[0] * 4, [0] * 4, 0, 0", "[0] * 3, [0] * 3, 0, 0"), ("range(1, 5)", "range(1, 4)"), ("strict=True)) / 4)", "strict=True)) / 3)"))
edit(BLEU, "from_zero_to_one", "The result is from 0 to 1; BLEU is from 0 to 100.", ("return 100 * penalty", "return penalty"))
edit(BLEU, "lowers_the_words", "The texts are lower-cased; case counts here.", ("hypothesis.split(), [text.split()", "hypothesis.lower().split(), [text.lower().split()"))
edit(BLEU, "strips_punctuation", "Punctuation is cut off; words are what str.split() gives.",
     ("hypothesis.split(), [text.split()", "hypothesis.replace('.', '').replace('-', ' ').split(), [text.replace('.', '').replace('-', ' ').split()"))
edit(BLEU, "splits_at_single_spaces", "split(' ') makes empty words of several spaces; use split() without an argument.", ("hypothesis.split(), [text.split()", "hypothesis.split(' '), [text.split(' ')"))
edit(BLEU, "skips_empty_hypotheses", "Empty hypotheses are skipped, with their references; the length of these belongs to r.", ("        c += len(ours)\n", "        if not ours: continue\n        c += len(ours)\n"))
edit(BLEU, "skips_short_hypotheses", "Hypotheses of fewer than four words are skipped; they count with the n-grams that they have.", ("        c += len(ours)\n", "        if 0 < len(ours) < 4: continue\n        c += len(ours)\n"))
edit(BLEU, "pools_the_references", "The references of all sentences are put together; a hypothesis may only draw on its own.",
     ("for words in theirs:", "for words in [text.split() for group in references for text in group]:"))
edit(BLEU, "drops_repeated_sentences", "A hypothesis that stands in the corpus twice is counted once; every sentence adds what it has.",
     ("zip(hypotheses, references, strict=True)", "{text: (text, texts) for text, texts in zip(hypotheses, references, strict=True)}.values()"))
edit(BLEU, "clips_at_the_closest_reference", "Only the reference of the closest length is read for matches; an n-gram may match in any of them.",
     ("for words in theirs:", "for words in [min(theirs, key=lambda words: (abs(len(words) - len(ours)), len(words)))]:"))
edit(BLEU, "sorts_the_callers_lists", "The caller's lists of references are sorted in place.", ("        c += len(ours)\n", "        texts.sort()\n        c += len(ours)\n"))


def per_sentence(hypothesis, texts):
    """Matches and totals for n = 1 to 4, c and r of one sentence."""
    ours, theirs = hypothesis.split(), [text.split() for text in texts]
    matches, totals = [], []
    for n in range(1, 5):
        counts = Counter(zip(*(ours[k:] for k in range(n)), strict=False))
        limits = [Counter(zip(*(words[k:] for k in range(n)), strict=False)) for words in theirs]
        matches.append(sum(min(count, max(limit[gram] for limit in limits)) for gram, count in counts.items()))
        totals.append(counts.total())
    return matches, totals, len(ours), min((abs(len(words) - len(ours)), len(words)) for words in theirs)[1]


def from_counts(matches, totals, c, r):
    """BLEU from the ten numbers."""
    return 0.0 if 0 in matches else 100 * min(1.0, math.exp(1 - r / c)) * math.prod(m / t for m, t in zip(matches, totals, strict=True)) ** 0.25


@mutant(BLEU, provides="bleu")
def averages_sentences(hypotheses, references):
    """BLEU is worked out for each sentence and averaged; sum matches and totals over the corpus first."""
    if not hypotheses or len(hypotheses) != len(references) or not all(references):
        raise ValueError
    return sum(from_counts(*per_sentence(h, r)) for h, r in zip(hypotheses, references, strict=True)) / len(hypotheses)


@mutant(BLEU, provides="bleu")
def averages_precisions(hypotheses, references):
    """The precisions of the sentences are averaged for each n; sum matches and totals, then divide once."""
    if not hypotheses or len(hypotheses) != len(references) or not all(references):
        raise ValueError
    rows = [per_sentence(h, r) for h, r in zip(hypotheses, references, strict=True)]
    shares = [sum(row[0][k] / max(row[1][k], 1) for row in rows) / len(rows) for k in range(4)]
    c, r = sum(row[2] for row in rows), sum(row[3] for row in rows)
    return 100 * min(1.0, math.exp(1 - r / c)) * math.prod(shares) ** 0.25 if min(shares) else 0.0


@mutant(BLEU, provides="bleu")
def penalises_each_sentence(hypotheses, references):
    """The brevity penalty is worked out for each sentence and averaged; there is one for the corpus."""
    if not hypotheses or len(hypotheses) != len(references) or not all(references):
        raise ValueError
    rows = [per_sentence(h, r) for h, r in zip(hypotheses, references, strict=True)]
    matches, totals = ([sum(row[part][k] for row in rows) for k in range(4)] for part in (0, 1))
    penalty = sum(min(1.0, math.exp(1 - row[3] / row[2])) if row[2] else 0.0 for row in rows) / len(rows)
    return penalty * from_counts(matches, totals, 1, 1)


@mutant(BLEU, provides="bleu")
def transposes_the_references(hypotheses, references):
    """references[i] is read as the i-th reference of every hypothesis, as sacrebleu has it; here it belongs to hypotheses[i]."""
    if not hypotheses or len(hypotheses) != len(references) or not all(references):
        raise ValueError
    most = max(map(len, references))
    columns = [[refs[k] for refs in references if k < len(refs)] for k in range(most)]
    return by_ten_numbers(hypotheses[: len(columns)], columns[: len(hypotheses)])


@variant(BLEU, provides="bleu")
def by_ten_numbers(hypotheses, references):
    """Right: ten numbers a sentence, added up as vectors."""
    if not hypotheses or len(hypotheses) != len(references) or not all(references):
        raise ValueError("do not fit")
    rows = [per_sentence(h, r) for h, r in zip(hypotheses, references, strict=True)]
    matches, totals = ([sum(row[part][k] for row in rows) for k in range(4)] for part in (0, 1))
    c, r = sum(row[2] for row in rows), sum(row[3] for row in rows)
    return from_counts(matches, totals, c, r)


@variant(BLEU, provides="bleu")
def by_logarithms(hypotheses, references):
    """Right: log BP plus the mean of the logs, with a guard for zeros; one n after the other."""
    if not hypotheses or len(hypotheses) != len(references) or any(not refs for refs in references):
        raise ValueError("do not fit")
    rows = [per_sentence(h, r) for h, r in zip(hypotheses, references, strict=True)]
    c, r = sum(row[2] for row in rows), sum(row[3] for row in rows)
    total = 0.0
    for k in range(4):
        hit, all_of = sum(row[0][k] for row in rows), sum(row[1][k] for row in rows)
        if all_of == 0 or hit == 0:
            return 0.0
        total += (math.log(hit) - math.log(all_of)) / 4
    return 100.0 * math.exp(min(0.0, 1 - r / c) + total)


# ------------------------------------------------------------------------------------------------------ chrF

F_BETA = "(1 + beta**2) * precision * recall / (beta**2 * precision + recall)"
edit(CHRF, "keeps_spaces", "Spaces stay in the texts; take all white space out first.", ('"".join(text.split())', "text"))
edit(CHRF, "takes_out_spaces_only", "Only spaces are taken out; tabs, line breaks and other white space go too.", ('"".join(text.split())', 'text.replace(" ", "")'))
edit(CHRF, "strips_the_ends", "White space is taken off the ends only.", ('"".join(text.split())', "text.strip()"))
edit(CHRF, "lowers_the_case", "The texts are lower-cased; capitals stay.", ("text.split())", "text.lower().split())"))
edit(CHRF, "does_not_clip", "An n-gram that the hypothesis repeats matches every time.", ("sum((ours & theirs).values()) for", "sum(count for gram, count in ours.items() if gram in theirs) for"))
edit(CHRF, "compares_sets", "Every n-gram matches once, however often both have it.", ("sum((ours & theirs).values()) for", "len(ours & theirs) for"))
edit(CHRF, "beta_is_one", "F1 is returned; recall weighs beta² times.", (F_BETA, "2 * precision * recall / (precision + recall)"))
edit(CHRF, "beta_stays_two", "beta is taken as 2 whatever the argument says.", (F_BETA, "5 * precision * recall / (4 * precision + recall)"))
edit(CHRF, "beta_at_recall", "beta² stands at recall in the denominator, which makes precision weigh more.", ("(beta**2 * precision + recall)", "(precision + beta**2 * recall)"))
edit(CHRF, "beta_not_squared", "beta is not squared.", (F_BETA, "(1 + beta) * precision * recall / (beta * precision + recall)"))
edit(CHRF, "ends_before_n", "k stops before n.", ("range(1, n + 1)]", "range(1, max(n, 2))]"))
edit(CHRF, "stops_at_six", "n is ignored; k runs to 6.", ("range(1, n + 1)]", "range(1, 7)]"))
edit(CHRF, "starts_at_two", "k begins at 2.", ("range(1, n + 1)]", "range(2, n + 1)]"))
edit(CHRF, "only_n", "Only k = n is counted, not the mean over 1 to n.", ("range(1, n + 1)]", "range(n, n + 1)]"))
edit(CHRF, "divides_by_n", "The sums are divided by n, though some k are left out.", ("zip(matches, pairs, strict=True)) / len(pairs)\n        recall", "zip(matches, pairs, strict=True)) / n\n        recall"),
     ("zip(matches, pairs, strict=True)) / len(pairs)\n        if", "zip(matches, pairs, strict=True)) / n\n        if"))
edit(CHRF, "reads_the_first_reference", "Only the first reference is read.", ("for reference in references:", "for reference in references[:1]:"))
edit(CHRF, "reads_the_last_reference", "The last reference decides; the best one does.", ("best = max(best, ", "best = ("))
edit(CHRF, "averages_references", "The references' scores are averaged; the best one counts.", ("best = max(best, ", "best += (1 / len(references)) * ("))
edit(CHRF, "from_zero_to_one", "The result is from 0 to 1; it is from 0 to 100.", ("return 100 * best", "return best"))
edit(CHRF, "breaks_on_nothing", "Texts that share nothing divide by zero; the score is 0.0 then.", ("if precision > 0:", "if True:"))
edit(CHRF, "counts_words", "Words are compared; chrF compares characters.", ('letters = "".join(text.split())', "letters = tuple(text.split())"))
edit(CHRF, "gives_up_at_an_empty_reference", "One reference without characters makes the score 0; it is one candidate among the others.", ("            continue\n", "            return 0.0\n"))
edit(CHRF, "sorts_the_references", "The caller's list of references is sorted in place.", ("    best = 0.0\n", "    best = 0.0\n    references.sort(key=len)\n"))
edit(CHRF, "asks_the_hypothesis_only", "A k is left out only if the hypothesis is too short; either text decides.",
     ("if ours and theirs]", "if ours]"), ("sum(theirs.values()) for m, (_, theirs)", "max(sum(theirs.values()), 1) for m, (_, theirs)"))
edit(CHRF, "asks_the_reference_only", "A k is left out only if the reference is too short; either text decides.",
     ("if ours and theirs]", "if theirs]"), ("sum(ours.values()) for m, (ours, _)", "max(sum(ours.values()), 1) for m, (ours, _)"))


@mutant(CHRF, provides="chrf")
def averages_f(hypothesis, references, n=6, beta=2.0):
    """F is worked out for each k and averaged; average precision and recall first, then make one F."""
    if not references or n < 1:
        raise ValueError
    best = 0.0
    for reference in references:
        rows = chrf_rows(hypothesis, reference, n)
        scores = [(1 + beta**2) * (m / a) * (m / b) / (beta**2 * m / a + m / b) if m else 0.0 for m, a, b in rows]
        best = max(best, sum(scores) / max(len(scores), 1))
    return 100 * best


@mutant(CHRF, provides="chrf")
def sums_before_dividing(hypothesis, references, n=6, beta=2.0):
    """Matches and totals are summed over k before dividing; average the precisions of the k instead."""
    if not references or n < 1:
        raise ValueError
    sums = [[sum(column) for column in zip(*chrf_rows(hypothesis, reference, n), strict=True)] or [0, 1, 1] for reference in references]
    return max(100 * (1 + beta**2) * m / (beta**2 * b + a) for m, a, b in sums)


@mutant(CHRF, provides="chrf")
def merges_references(hypothesis, references, n=6, beta=2.0):
    """The references are glued together into one; score each on its own."""
    if not references or n < 1:
        raise ValueError
    return by_rows(hypothesis, [" ".join(references)], n, beta)


def chrf_rows(hypothesis, reference, n):
    """Matches, n-grams of the hypothesis, n-grams of the reference, for each k that both have."""
    a, b = ("".join(text.split()) for text in (hypothesis, reference))
    rows = []
    for k in range(1, min(n, len(a), len(b)) + 1):
        ours, theirs = (Counter(text[at : at + k] for at in range(len(text) - k + 1)) for text in (a, b))
        rows.append(((ours & theirs).total(), ours.total(), theirs.total()))
    return rows


@variant(CHRF, provides="chrf")
def by_rows(hypothesis, references, n=6, beta=2.0):
    """Right: rows of three numbers, and F from reciprocals."""
    if not references or n < 1:
        raise ValueError("references")
    scores = []
    for reference in references:
        rows = chrf_rows(hypothesis, reference, n)
        if not any(m for m, _, _ in rows):
            scores.append(0.0)
            continue
        p, r = sum(m / a for m, a, _ in rows) / len(rows), sum(m / b for m, _, b in rows) / len(rows)
        scores.append((1 + beta * beta) / (1 / p + beta * beta / r))
    return max(scores) * 100


@variant(CHRF, provides="chrf")
def by_crossing_out_letters(hypothesis, references, n=6, beta=2.0):
    """Right: lists of n-grams, each match crossed out."""
    if n < 1 or len(references) == 0:
        raise ValueError("n")

    def one(a, b):
        ps, rs = [], []
        for k in range(1, n + 1):
            ours, theirs = ([text[at : at + k] for at in range(len(text) - k + 1)] for text in (a, b))
            if ours and theirs:
                left = theirs.copy()
                for gram in ours:
                    if gram in left:
                        left.remove(gram)
                found = len(theirs) - len(left)
                ps.append(found / len(ours))
                rs.append(found / len(theirs))
        if not sum(ps):
            return 0
        p, r = sum(ps) / len(ps), sum(rs) / len(rs)
        return 100 * (1 + beta**2) * p * r / (beta**2 * p + r)

    bare = ["".join(c for c in text if not c.isspace()) for text in (hypothesis, *references)]
    return max(one(bare[0], text) for text in bare[1:])


# ------------------------------------------------------------------------------------------- the best-liked lie

edit(FOOLED, "takes_the_smallest", "The candidate with the smallest score is returned.", ("return max(lies", "return min(lies"))
edit(FOOLED, "takes_the_first", "The first candidate is returned; nobody asked the metric.", ("return max(lies, key=lambda lie: score(lie, reference))", "return lies[0]"))
edit(FOOLED, "swaps_the_metrics_arguments", "score gets the reference first; the candidate comes first.", ("score(lie, reference)", "score(reference, lie)"))
edit(FOOLED, "takes_the_last_of_equals", "Of equal scores the last is returned; the first in the text counts.", ("return max(lies, key", "return max(reversed(lies), key"))
edit(FOOLED, "no_error_without_opposites", "Without an opposite the reference itself comes back; the docstring promises a ValueError.", ('raise ValueError("no word of the reference has an opposite")', "return reference"))
edit(FOOLED, "another_error", "Without an opposite another error is raised than the ValueError that the docstring promises.", ("raise ValueError(", "raise KeyError("))
edit(FOOLED, "scores_the_joined_reference", "score gets the words joined again, not the reference as it came.", ("score(lie, reference)", 'score(lie, " ".join(words))'))
edit(FOOLED, "ignores_case", "Words are lower-cased before they are looked up; they count as they stand.", ("opposites[word], *words", "opposites[word.lower()], *words"), ("if word in opposites", "if word.lower() in opposites"))
edit(FOOLED, "strips_punctuation", "Punctuation is taken off before the word is looked up; words count as they stand.", ("opposites[word], *words", 'opposites[word.strip(".,")], *words'), ("if word in opposites", 'if word.strip(".,") in opposites'))
edit(FOOLED, "empties_the_dictionary", "Opposites are popped from the caller's dictionary.", ("opposites[word], *words", "opposites.pop(word), *words"))
edit(FOOLED, "splits_at_single_spaces", "split(' ') keeps empty words and line breaks; use split().", ("words = reference.split()", "words = reference.split(' ')"))
edit(FOOLED, "drops_the_word", "The word is left out; it must be replaced by its opposite.", ("*words[:at], opposites[word], *words", "*words[:at], *words"))
edit(FOOLED, "keeps_the_word_too", "The opposite is added after the word; it takes the word's place.", ("*words[:at], opposites[word], *words", "*words[: at + 1], opposites[word], *words"))
edit(FOOLED, "considers_the_truth", "The reference itself is among the candidates, and it may win.", ("return max(lies", 'return max([*lies, " ".join(words)]'))
edit(FOOLED, "single_words_only", "Opposites of several words are left out; “did not rise” is an opposite too.", ("if word in opposites", "if word in opposites and ' ' not in opposites[word]"))
edit(FOOLED, "misses_the_last_word", "The last word is never replaced.", ("enumerate(words) if", "enumerate(words[:-1]) if"))


@mutant(FOOLED, provides="metric_fooled")
def replaces_everywhere(reference, opposites, score):
    """A word is replaced wherever it stands; only one place may change."""
    words = reference.split()
    lies = [" ".join(opposites[word] if w == word else w for w in words) for word in words if word in opposites]
    if not lies:
        raise ValueError
    return max(lies, key=lambda lie: score(lie, reference))


@mutant(FOOLED, provides="metric_fooled")
def replaces_inside_words(reference, opposites, score):
    """str.replace changes the first match, also inside a longer word or at the wrong place."""
    words = reference.split()
    lies = [" ".join(words).replace(word, opposites[word], 1) for word in words if word in opposites]
    if not lies:
        raise ValueError
    return max(lies, key=lambda lie: score(lie, reference))


@mutant(FOOLED, provides="metric_fooled")
def finds_the_first_place(reference, opposites, score):
    """words.index finds the first place of a word that occurs twice; the second is never tried."""
    words = reference.split()
    lies = []
    for word in words:
        if word in opposites:
            at = words.index(word)
            lies.append(" ".join([*words[:at], opposites[word], *words[at + 1 :]]))
    if not lies:
        raise ValueError
    return max(lies, key=lambda lie: score(lie, reference))


@mutant(FOOLED, provides="metric_fooled")
def changes_all_words(reference, opposites, score):
    """Every word with an opposite is replaced at once; two lies can make a truth."""
    words = reference.split()
    if not any(word in opposites for word in words):
        raise ValueError
    return " ".join(opposites.get(word, word) for word in words)


@mutant(FOOLED, provides="metric_fooled")
def changes_pile_up(reference, opposites, score):
    """The second candidate still has the first one's change; begin each from the reference."""
    words = reference.split()
    lies = []
    for at, word in enumerate(list(words)):
        if word in opposites:
            words[at] = opposites[word]
            lies.append(" ".join(words))
    if not lies:
        raise ValueError
    return max(lies, key=lambda lie: score(lie, reference))


@mutant(FOOLED, provides="metric_fooled")
def starts_from_zero(reference, opposites, score):
    """The best score so far begins at 0, so that negative scores never win."""
    words = reference.split()
    best, kept = 0, None
    for at, word in enumerate(words):
        if word in opposites:
            lie = " ".join([*words[:at], opposites[word], *words[at + 1 :]])
            kept = lie if kept is None else kept
            if score(lie, reference) > best:
                best, kept = score(lie, reference), lie
    if kept is None:
        raise ValueError
    return kept


@mutant(FOOLED, provides="metric_fooled")
def goes_by_the_dictionary(reference, opposites, score):
    """Candidates come in the order of the dictionary, and so equal scores are settled by it; go through the text."""
    words = reference.split()
    lies = [" ".join([*words[:at], new, *words[at + 1 :]]) for old, new in opposites.items() for at, word in enumerate(words) if word == old]
    if not lies:
        raise ValueError
    return max(lies, key=lambda lie: score(lie, reference))


@variant(FOOLED, provides="metric_fooled")
def by_a_loop(reference, opposites, score):
    """Right: a loop that keeps the best so far."""
    words, best = reference.split(), None
    for at in range(len(words)):
        if words[at] not in opposites:
            continue
        changed = words.copy()
        changed[at] = opposites[words[at]]
        lie = " ".join(changed)
        value = score(lie, reference)
        if best is None or value > best[0]:
            best = (value, lie)
    if best is None:
        raise ValueError("no opposite")
    return best[1]


@variant(FOOLED, provides="metric_fooled")
def by_sorting(reference, opposites, score):
    """Right: sorted by score, a sort being stable."""
    words = reference.split()
    places = [at for at, word in enumerate(words) if word in opposites]
    if len(places) == 0:
        raise ValueError("no opposite")
    lies = [" ".join([*words[:at], opposites[words[at]], *words[at + 1 :]]) for at in places]
    return sorted(lies, key=lambda lie: -score(lie, reference))[0]
