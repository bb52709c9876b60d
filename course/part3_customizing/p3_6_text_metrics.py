# %% [markdown]
# # Text metrics: ROUGE, BLEU and chrF, and how to fool them
#
# Lesson 5 compared answers with the right ones and counted. A summary or a translation has no single right answer: two people write two texts, and both are good.
# So one counts something else: how many of a text's words also stand in a *reference*, a good answer to the same task that a person has written.
#
# SmolLM2 summarises sixteen short reports, all in one batch. One of them, with our own summary, the reference, beside it:

# %% demo
import re

from handbook import load_lm, plots
from handbook.summaries import REPORTS, write_summaries

lm = load_lm()
written = write_summaries(lm, [report.text for report in REPORTS], max_new_tokens=48)
report, summary = REPORTS[0], written[0]
print("report:   ", report.text, "\n\nreference:", report.references[0])

# %% demo
found = set(re.findall(r"\w+", report.references[0].lower()))
told = summary.split()
plots.token_strip(
    told,
    [float(word.lower().strip(".,") in found) for word in told],
    title="What SmolLM2 wrote",
    value="1 = the word stands in the reference too",
    decimals=0,
)

# %% [markdown]
# In our run more than half of the words stand in the reference. That looks good until you read them:
# the model invents a word, "swishers", and gives the pool in Harrow End the new roof that Brackwell will get.
#
# Counting shared words is cheap and needs no second model, but it does not read: this lesson is about both.
# You build three metrics that papers on summaries and translations report, exactly as the standard packages compute them; then you write a test that finds wrong ones; and then you fool them.
#
# ## What two texts share
#
# An *n-gram* is n words in a row. All these metrics begin with one count: how many n-grams of a text, the *hypothesis*, also stand in the reference.
#
# **Predict before you run.** The hypothesis is "the the the the", the reference "the cat saw the dog". How many of its four words does the reference contain? Is this hypothesis any good?

# %%
hypothesis, reference = "the the the the".split(), "the cat saw the dog".split()
print("words that the reference contains:          ", sum(word in reference for word in hypothesis), "of", len(hypothesis))
print("words that the reference has to offer:      ", min(hypothesis.count("the"), reference.count("the")), "of", len(hypothesis))

# %% [markdown]
# Four of four, if you ask each word alone: a perfect score for nonsense. So matches are *clipped*: the reference offers *the* twice, and so *the* can match twice.
# The same holds the other way round, and for n-grams of every length.
#
# ## Exercise: Clipped n-gram matches · 2 points · ★☆☆
#
# As in earlier lessons, tests of the arguments that are not the point of the exercise are given.

# %% exercise="text-ngram-overlap"
from collections import Counter


def ngram_overlap(hypothesis: list[str], reference: list[str], n: int) -> tuple[int, int, int]:
    """Count the n-grams that a hypothesis shares with a reference, and those that each of them has.

    An n-gram is n words in a row. Two are the same if their words are the same, one by one and in order;
        a word may be any string, empty or with a space in it.
    Returns: (matches, in the hypothesis, in the reference). The last two count every n-gram as often as it occurs.
        An n-gram that occurs a times in the hypothesis and b times in the reference makes min(a, b) matches.
    A text of fewer than n words has no n-grams: its number is 0.
    Raises: ValueError if n < 1 (this test is given).
    Leave both lists as they came.

    >>> ngram_overlap("the the cat sat".split(), "the cat saw the dog".split(), 1)   # the, the, cat
    (3, 4, 5)
    >>> ngram_overlap("the the cat sat".split(), "the cat saw the dog".split(), 2)   # the cat
    (1, 3, 4)

    Source: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation" (clipped counts).
    """
    if n < 1:
        raise ValueError(f"n is {n}; an n-gram has at least one word")
    ### BEGIN SOLUTION
    ours = Counter(tuple(hypothesis[at : at + n]) for at in range(len(hypothesis) - n + 1))
    theirs = Counter(tuple(reference[at : at + n]) for at in range(len(reference) - n + 1))
    matches = sum(min(count, theirs[gram]) for gram, count in ours.items())
    return matches, sum(ours.values()), sum(theirs.values())
    ### END SOLUTION


# %% [markdown]
# **What you should see.** With n = 1 the docstring's example has three matches: both *the* and *cat*. With n = 2 only "the cat" is left: longer n-grams ask for word order.

# %% check="text-ngram-overlap"

# %% [markdown]
# ## ROUGE-N
#
# Divide the matches by the n-grams of the hypothesis, and you have *precision*: how much of what was said is in the reference.
# Divide them by the n-grams of the reference, and you have *recall*: how much of the reference was said. Their harmonic mean is F1, as in lesson 5.
#
# $$P = \frac{\text{matches}}{\text{n-grams of the hypothesis}} \qquad R = \frac{\text{matches}}{\text{n-grams of the reference}} \qquad F_1 = \frac{2PR}{P + R}$$
#
# ROUGE stands for *recall-oriented understudy for gisting evaluation* (Lin 2004). A paper that reports "ROUGE-2" may mean any of the three; today it is usually F1. Check before you compare.
#
# Before anything is counted, the text must be cut into words, and here most differences between packages begin.
# Google's `rouge-score`, which Hugging Face's `evaluate` calls too, puts the text in lower case, takes a–z and digits, and treats all else as a gap:

# %%
import re

for text in ("The mayor's 3,000 e-mails.", "Café_Noir, U.S.A."):
    print(text, "→", re.findall("[a-z0-9]+", text.lower()))

# %% [markdown]
# "3,000" is two words and "Café" loses its accent's letter. That is good enough for English and useless for Greek. A package can also cut *swimmers* to *swimmer* first (stemming); we don't, and neither does `rouge-score` unless it is told to.
#
# **Predict before you run.** You hand in the whole report as its own summary. Is its precision high or low? Its recall? And what about the first three words of the reference?

# %% demo
from handbook.answers import yours_or_ours

rouge = yours_or_ours("rouge_n", globals(), exercise="text-rouge-n")
reference = report.references[0]
tries = {
    "SmolLM2": summary,
    "the whole report": report.text,
    "three words": " ".join(reference.split()[:3]),
    "first sentence": report.lead,
}
print({name: f"{len(text.split())} words" for name, text in tries.items()})

# %% demo
scores = list(zip(*(rouge(text, reference, 1) for text in tries.values()), strict=True))
plots.bars(
    list(tries),
    dict(zip(("precision", "recall", "F1"), scores, strict=True)),
    title="Four summaries of one report, ROUGE-1",
    xlabel="score (0 to 1)",
    ylabel="summary",
)

# %% [markdown]
# Recall alone rewards whoever says everything; precision alone rewards whoever says next to nothing. F1 punishes both. (Until your own `rouge_n` passes its check, this cell uses the course's.)
#
# ## Exercise: ROUGE-N · 2 points · ★☆☆

# %% exercise="text-rouge-n"
import re
from collections import Counter


def rouge_n(hypothesis: str, reference: str, n: int = 1) -> tuple[float, float, float]:
    """Score a text by the n-grams that it shares with a reference: precision, recall and F1.

    Words: put the text in lower case (str.lower); every unbroken run of the letters a to z and the digits 0 to 9 is a
        word; everything else, accents and underscores included, separates words. No stemming.
    Matches are clipped: an n-gram that occurs a times in one text and b times in the other makes min(a, b).
    Returns: (precision, recall, F1), floats from 0 to 1, in this order, as a plain tuple. Precision divides the matches
        by the n-grams of the hypothesis, recall by those of the reference, F1 = 2PR / (P + R).
        What would be a division by zero is 0.0: a text without n-grams scores 0 in all three, also against itself.
    Raises: ValueError if n < 1 (this test is given).
    The result equals rouge-score's RougeScorer([f"rouge{n}"], use_stemmer=False). Do not round.

    >>> rouge_n("The old pool: closed!", "The pool is closed, and the old bus runs.")     # 4 of 4, 4 of 9
    (1.0, 0.4444444444444444, 0.6153846153846153)

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".
    """
    if n < 1:
        raise ValueError(f"n is {n}; an n-gram has at least one word")
    ### BEGIN SOLUTION
    ours, theirs = (re.findall(r"[a-z0-9]+", text.lower()) for text in (hypothesis, reference))
    ours = Counter(tuple(ours[at : at + n]) for at in range(len(ours) - n + 1))
    theirs = Counter(tuple(theirs[at : at + n]) for at in range(len(theirs) - n + 1))
    matches = sum((ours & theirs).values())  # & takes the smaller count of each n-gram
    if not matches:
        return 0.0, 0.0, 0.0
    precision, recall = matches / sum(ours.values()), matches / sum(theirs.values())
    return precision, recall, 2 * precision * recall / (precision + recall)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example every word of the hypothesis stands in the reference, so precision is 1; the reference has nine words, so recall is 4/9.

# %% check="text-rouge-n"

# %% [markdown]
# **What it means in the real package.** Score all sixteen summaries with your function and with `rouge-score`, and look at the largest difference:

# %% demo
rouge = yours_or_ours("rouge_n", globals(), exercise="text-rouge-n")
try:
    from rouge_score.rouge_scorer import RougeScorer
except ImportError:
    print("The package rouge-score is not installed here; `pip install rouge-score` adds it. Nothing below needs it.")
else:
    scorer = RougeScorer(["rouge2"], use_stemmer=False)
    triples = []
    for text, report in zip(written, REPORTS, strict=True):
        triples += zip(rouge(text, report.references[0], 2), scorer.score(report.references[0], text)["rouge2"], strict=True)
    print(f"{len(triples)} numbers compared, largest difference {max(abs(mine - theirs) for mine, theirs in triples):.0e}")

# %% [markdown]
# ## ROUGE-L: words in the same order
#
# Bigrams ask for neighbours. Put one word between two others and both bigrams around it are gone. ROUGE-L is more patient.
# It looks for the longest *common subsequence*: words that both texts have in the same order, with anything in between.
#
# **Predict before you run.** How many words is the longest common subsequence of these two texts? And the longest run without a gap?

# %% demo
from handbook.plots_metrics import word_links

one = "in April the old ferry will sail again".split()
other = "the old ferry will run again in April".split()
word_links(one, other, [(2, 0), (3, 1), (4, 2), (5, 3), (7, 5)], title="The longest common subsequence: five words")

# %% [markdown]
# Five: *the old ferry will … again*. A run without a gap stops at four. "in April" can't be added, for its line would cross the others.
# So $P = R = 5/8$. Precision and recall are as before, with the length of the subsequence as the matches, and the words of each text as the totals.
#
# How do you find the longest one among all subsequences? There are 2ⁿ of them. Look at the last word of each text instead:
#
# - They are the same: it belongs to a longest subsequence. What is left is the same question about both texts without it.
# - They differ: at least one of them is not needed. Take the better answer of two shorter questions: the first text without its last word, and the second without its last word.
#
# Every question is about a beginning of one text and a beginning of the other. So there are only (words + 1) × (words + 1) different ones, each answered from its neighbours: fill a table.
#
# ## Exercise: ROUGE-L · 3 points · ★★☆

# %% exercise="text-rouge-l"
import re


def rouge_l(hypothesis: str, reference: str) -> tuple[float, float, float]:
    """Score a text by the longest sequence of words that it has in common with a reference, gaps allowed.

    Words: put the text in lower case (str.lower); every unbroken run of the letters a to z and the digits 0 to 9 is a
        word; everything else separates words. No stemming. Sentences and line breaks have no meaning.
    A common subsequence is made of words that stand in both texts in the same order, with any words between them.
        Each place in a text is used at most once.
    Returns: (precision, recall, F1), floats from 0 to 1, in this order, as a plain tuple: the length of the longest common
        subsequence divided by the words of the hypothesis, divided by the words of the reference, and
        F1 = 2PR / (P + R). Nothing in common, or a text without words: all three are 0.0.
    Two texts of 300 words take less than a second.
    The result equals rouge-score's RougeScorer(["rougeL"], use_stemmer=False). Do not round.

    >>> rouge_l("Police closed the old bridge.", "The police closed a very old bridge")   # police closed old bridge
    (0.8, 0.5714285714285714, 0.6666666666666666)

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".
    """
    ### BEGIN SOLUTION
    ours, theirs = (re.findall(r"[a-z0-9]+", text.lower()) for text in (hypothesis, reference))
    row = [0] * (len(theirs) + 1)  # row[j]: longest for the words of ours so far and the first j of theirs
    for word in ours:
        last, row = row, [0]
        for j, other in enumerate(theirs):
            row.append(last[j] + 1 if word == other else max(last[j + 1], row[j]))
    longest = row[-1]
    if longest == 0:
        return 0.0, 0.0, 0.0
    precision, recall = longest / len(ours), longest / len(theirs)
    return precision, recall, 2 * precision * recall / (precision + recall)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example shares four words in order: 4 of 5 and 4 of 7.

# %% check="text-rouge-l"

# %% [markdown]
# ## Write the test
#
# You have just passed somebody else's test. Now change sides.
# A review of work that uses ROUGE found thousands of papers whose package has defects, so that its scores are provably wrong (Grusky 2023, "Rogue Scores"). So test an implementation before you trust it, your own too.
#
# A test may fail in two ways. It is *silent* about something wrong, or it raises a *false alarm* about something right.
#
# **Predict before you run.** Here are a right F1 and a wrong one, the plain mean. Which of the three tests tells them apart without a false alarm?

# %%
implementations = {"right": lambda p, r: 2 * p * r / (p + r), "wrong": lambda p, r: (p + r) / 2}
for name, f1 in implementations.items():
    tests = f1(0.5, 0.5) == 0.5, f1(0.2, 0.8) == 0.32, abs(f1(0.2, 0.8) - 0.32) < 1e-6
    print(f"{name}: ", *("silent" if passed else "alarm " for passed in tests), sep="   ")

# %% [markdown]
# The first test is silent about both: equal precision and recall hide the mistake. The second sounds the alarm about both, for the right answer is 0.32000000000000006. The third is a test.
#
# So choose examples on which mistakes *show*, work out the right result by hand, and compare with a tolerance.
#
# ## Exercise: Write the test for ROUGE-L · 4 points · ★★☆
#
# Your test is tried on right implementations of ROUGE-L and on wrong ones, most of which you could meet in a real repository. You earn marks for each wrong one that it catches, and none at all if it condemns a right one.

# %% exercise="rouge-write-the-test"
from collections.abc import Callable


def check_rouge_l(rouge_l: Callable[[str, str], tuple[float, float, float]]) -> None:
    """Test an implementation of ROUGE-L: raise AssertionError if it is wrong, return None if it is right.

    `rouge_l(hypothesis, reference)` must do what the exercise before this one says. In short:
        Words are the runs of a to z and 0 to 9 in the lower-cased text; the rest separates. No stemming.
        The longest common subsequence counts: the same order, gaps allowed, each place used once.
        It returns a tuple (precision, recall, F1) of floats, 0 to 1, not rounded: the length divided by the words of the
        hypothesis, by those of the reference, and 2PR / (P + R). With nothing in common, or without words, all are 0.
    A right implementation may be off by rounding errors, up to 1e-9, where a score is not exactly 0 or 1, and its tuple may be
        a named tuple: accept what differs by less than 1e-6. For your test, what is off by more than 1e-4 is wrong.
    If rouge_l itself raises an exception on texts that it must accept, let that exception through, or raise AssertionError.
    Do not rely on a function of an earlier cell. Give rouge_l only pairs of strings. The test takes less than a second.

    >>> check_rouge_l(lambda hypothesis, reference: (1.0, 1.0, 1.0))
    Traceback (most recent call last):
    ...
    AssertionError: ...

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".
    """
    ### BEGIN SOLUTION
    cases = [  # hypothesis, reference, length of the longest common subsequence, words of each
        ("the old ferry runs again", "the old ferry runs again", 5, 5, 5),
        ("in april the old ferry will sail again today", "the old ferry will run again in april", 5, 9, 8),  # gaps and order
        ("a b c d", "d c b a", 1, 4, 4),  # only the order is wrong
        ("x a b", "a b x", 2, 3, 3),  # taking the first match you meet gives 1
        ("the the the cat", "the cat", 2, 4, 2),  # each place once
        ("the cat and the dog", "the dog and the cat", 3, 5, 5),  # words repeat
        ("the bus", "the old bus and the ferry", 2, 2, 6),  # the hypothesis is the shorter one
        ("Police: e-mail, 3,000 left!", "police e mail 3 000 stayed", 5, 6, 6),  # case, punctuation, digits
        ("caf\u00e9 snake_case", "caf snake case", 3, 3, 3),  # only a to z are letters
        ("dogs ran", "dog runs", 0, 2, 2),  # no stemming, no characters
        ("one two.\nthree.", "three one. two", 2, 3, 3),  # sentences do not matter
        (" ".join(f"w{i}" for i in range(60)) + " end", "start w1 w30 w59 end", 4, 61, 5),  # long texts count to the end
        ("", "", 0, 1, 1),
        ("", "a", 0, 1, 1),
        ("a", "?!", 0, 1, 1),
    ]
    for hypothesis, reference, longest, ours, theirs in cases:
        precision, recall = longest / ours, longest / theirs
        f1 = 2 * precision * recall / (precision + recall) if longest else 0.0
        got = rouge_l(hypothesis, reference)
        assert isinstance(got, tuple), f"{got!r} is no tuple"
        for name, mine, want in zip(("precision", "recall", "F1"), got, (precision, recall, f1), strict=True):
            assert abs(mine - want) < 1e-6, f"{name} of {hypothesis!r} against {reference!r} is {mine}, not {want}"
    ### END SOLUTION


# %% [markdown]
# **What you should see.** `check_rouge_l(rouge_l)` returns without a word, and the docstring's example raises an AssertionError. The card names the planted mistakes that your test let through: each is an idea for one more example.

# %% check="rouge-write-the-test"

# %% [markdown]
# **What it means for real metrics.** Many mistakes hide in the texts that you would never write yourself: empty ones, punctuation alone, one word repeated. Models write them every day.
#
# *A good place for a break: summaries are done, and translation begins here.*
#
# ## BLEU: the whole corpus at once
#
# BLEU was made for translation (Papineni et al. 2002). It takes the clipped precisions of 1-, 2-, 3- and 4-grams, multiplies them and draws the fourth root. There is no recall.
# What stops a system from handing in three safe words? A *brevity penalty*, for texts shorter than their references:
#
# $$\text{BLEU} = 100 \cdot \text{BP} \cdot \exp\Big(\tfrac14 \sum_{n=1}^{4} \log p_n\Big) \qquad \text{BP} = \begin{cases} 1 & c \ge r \\ e^{\,1 - r/c} & c < r \end{cases}$$
#
# Here $c$ is the number of words of all hypotheses and $r$ that of their references. Everything is summed over the corpus before anything is divided.
#
# **Predict before you run.** Two sentences, one translated perfectly (10 words), one with a single matching word and no matching bigram (30 words). Both are as long as their references. What is the mean of the two BLEUs? And the BLEU of both together?

# %%
import math

matches = [10 + 1, 9 + 0, 8 + 0, 7 + 0]
totals = [10 + 30, 9 + 29, 8 + 28, 7 + 27]
precisions = [m / t for m, t in zip(matches, totals, strict=True)]
print("mean of the two: ", (100 + 0) / 2)
print("of both together:", round(100 * math.prod(precisions) ** 0.25, 1), " from", [round(p, 3) for p in precisions])

# %% [markdown]
# Only the second is BLEU: a long sentence weighs more than a short one. The mean of sentences has another flaw: a single sentence often has no matching 4-gram, and then its BLEU is 0, however good its words.
#
# Two more rules. With several references a hypothesis may draw on all of them: an n-gram is clipped at the *largest* count that any one reference has. And $r$ takes, for each hypothesis, the reference whose length is *closest* to it, the shorter one on a tie.
#
# ## Exercise: Corpus BLEU · 4 points · ★★★
#
# `sacrebleu` is the standard package; it also cuts text into words in its own way ("13a") and smooths zeros unless it is told not to. You build the plain definition: words between white space, no smoothing.

# %% exercise="text-bleu"
import math
from collections import Counter


def bleu(hypotheses: list[str], references: list[list[str]]) -> float:
    """Score a corpus of translations by clipped n-gram precision and a brevity penalty, 0 to 100.

    references[i] holds the references of hypotheses[i], one or more; their number may differ from one i to the next.
    Words: what str.split() gives, in the case and with the punctuation that they have.
    For n = 1, 2, 3, 4: p_n = matches / n-grams of the hypotheses, both summed over the whole corpus before dividing.
        An n-gram that occurs a times in a hypothesis makes min(a, b) matches, b being the largest number of times that any
        single reference of this hypothesis has it.
    c is the number of words of all hypotheses. r is the sum, over the hypotheses, of the length in words of the reference that
        is closest in length to the hypothesis; of two that are equally close, the shorter.
    Returns: 100 · BP · (p_1 · p_2 · p_3 · p_4)^(1/4), a float; BP = 1 if c >= r, else exp(1 - r / c).
        No smoothing: if any p_n is 0, or there are no n-grams of that length in the whole corpus, BLEU is 0.0.
        A hypothesis that is empty or short only adds less: the corpus decides.
    Raises: ValueError if the lists differ in length, are empty, or a hypothesis has no reference (this test is given).
    Leave both lists as they came. Do not round. The result equals
        sacrebleu.BLEU(tokenize="none", smooth_method="none").corpus_score (which takes its references transposed).

    >>> round(bleu(["the old ferry will sail again in spring"], [["the old ferry will sail again in April this year"]]), 4)
    65.4891
    >>> bleu(["an old ferry"], [["the old ferry"]])                        # no trigram matches
    0.0

    Source: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation".
    """
    if not hypotheses or len(hypotheses) != len(references) or not all(references):
        raise ValueError(f"{len(hypotheses)} hypotheses and {len(references)} lists of references do not fit together")
    ### BEGIN SOLUTION
    def ngrams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
        return Counter(tuple(words[at : at + n]) for at in range(len(words) - n + 1))

    matches, totals, c, r = [0] * 4, [0] * 4, 0, 0
    for hypothesis, texts in zip(hypotheses, references, strict=True):
        ours, theirs = hypothesis.split(), [text.split() for text in texts]
        c += len(ours)
        r += min((abs(len(words) - len(ours)), len(words)) for words in theirs)[1]
        for n in range(1, 5):
            counts, limits = ngrams(ours, n), Counter()
            for words in theirs:
                limits |= ngrams(words, n)  # | keeps the larger count of each n-gram
            matches[n - 1] += sum((counts & limits).values())
            totals[n - 1] += sum(counts.values())
    if 0 in matches:
        return 0.0
    penalty = 1.0 if c >= r else math.exp(1 - r / c)
    return 100 * penalty * math.exp(sum(math.log(m / t) for m, t in zip(matches, totals, strict=True)) / 4)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the first example seven of eight words match, six of seven bigrams, and so on; the hypothesis is two words short, which costs a factor of $e^{1 - 10/8} \approx 0.78$.

# %% check="text-bleu"

# %% [markdown]
# **What it means in practice.** "BLEU 30" says little without its settings. The same texts, scored by `sacrebleu` in three ways. Every report has a second summary by us, in other words. These are the hypotheses here:

# %% demo
ours = yours_or_ours("bleu", globals(), exercise="text-bleu")
second = [report.references[1] for report in REPORTS]
first = [[report.references[0]] for report in REPORTS]
print(f"yours                                          {ours(second, first):.4f}")

# %% demo
settings = {"words between spaces, no smoothing": {"tokenize": "none", "smooth_method": "none"}, "its own words (13a)": {}}
settings["its own words, lower case"] = {"lowercase": True}
try:
    import sacrebleu
except ImportError:
    print("The package sacrebleu is not installed here; `pip install sacrebleu` adds it. Nothing below needs it.")
else:
    for name, options in settings.items():
        metric = sacrebleu.BLEU(**options)
        print(f"sacrebleu, {name:35} {metric.corpus_score(second, [[text for [text] in first]]).score:.4f}")

# %% [markdown]
# This is why `sacrebleu` prints a *signature* with every score, and why you quote it (Post 2018).
#
# Look at the height, too. Both texts are good summaries, and one gets a BLEU of a few points against the other.
#
# ## chrF: letters instead of words
#
# Some languages put into one word what English says in four. A wrong ending then costs a whole word, and all n-grams around it:

# %%
for one, other in (("den alten Häusern", "die alten Häuser"), ("vanhoissa taloissamme", "vanhassa talossamme")):
    shared = set(one.split()) & set(other.split())
    letters = len(set(zip(one, one[1:], strict=False)) & set(zip(other, other[1:], strict=False)))
    print(f"{one} / {other}:  words in common {len(shared)}, pairs of letters in common {letters}")

# %% [markdown]
# chrF (Popović 2015) counts n-grams of *characters*, n = 1 to 6, after taking all white space out. Precision and recall are averaged over n. β says how much more recall weighs; `sacrebleu` takes β = 2:
#
# $$\text{chrF} = 100 \cdot \frac{(1 + \beta^2)\, P R}{\beta^2 P + R}$$
#
# **Predict before you run.** A translation says half of the reference, and says it perfectly: P = 1, R = 0.5. What are F1 and F2? And the other way round, P = 0.5, R = 1?

# %%
for p, r in ((1.0, 0.5), (0.5, 1.0)):
    print(f"P {p}  R {r}   F1 {2 * p * r / (p + r):.3f}   F2 {5 * p * r / (4 * p + r):.3f}")

# %% [markdown]
# F2 stays near recall: leaving something out costs more than saying too much.
#
# ## Exercise: chrF · 3 points · ★★☆

# %% exercise="text-chrf"
from collections import Counter


def chrf(hypothesis: str, references: list[str], n: int = 6, beta: float = 2.0) -> float:
    """Score a text by the character n-grams that it shares with a reference, 0 to 100.

    First all white space is taken out of both texts (what str.split() splits at). Case and punctuation stay.
    For each k = 1 ... n: precision = clipped matches / k-grams of the hypothesis, recall = clipped matches / k-grams of the
        reference. A k for which either text has no k-gram, being too short, is left out altogether.
    P and R are the plain means of these precisions and recalls over the k that are left; only then
        F = (1 + beta²) · P · R / (beta² · P + R). It is 0.0 if nothing matches, or no k is left.
    Returns: 100 · F, a float; with several references, that of the reference with the largest F.
    Raises: ValueError if there is no reference or n < 1 (this test is given). beta is 0 or more.
    Leave references as it came. Do not round. The result equals
        sacrebleu.CHRF(char_order=n, word_order=0, beta=beta).sentence_score(hypothesis, references).

    >>> round(chrf("the old house", ["the older houses"]), 4)
    51.3414
    >>> round(chrf("ab", ["a b!"]), 4)                     # k = 1: 2 of 2, 2 of 3 · k = 2: 1 of 1, 1 of 2
    63.6364

    Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation".
    """
    if not references or n < 1:
        raise ValueError(f"{len(references)} references and n = {n}; there must be at least one, and n-grams of at least one")
    ### BEGIN SOLUTION
    def ngrams(text: str, k: int) -> Counter[str]:
        letters = "".join(text.split())
        return Counter(letters[at : at + k] for at in range(len(letters) - k + 1))

    best = 0.0
    for reference in references:
        pairs = [(ngrams(hypothesis, k), ngrams(reference, k)) for k in range(1, n + 1)]
        pairs = [(ours, theirs) for ours, theirs in pairs if ours and theirs]
        if not pairs:
            continue
        matches = [sum((ours & theirs).values()) for ours, theirs in pairs]
        precision = sum(m / sum(ours.values()) for m, (ours, _) in zip(matches, pairs, strict=True)) / len(pairs)
        recall = sum(m / sum(theirs.values()) for m, (_, theirs) in zip(matches, pairs, strict=True)) / len(pairs)
        if precision > 0:
            best = max(best, (1 + beta**2) * precision * recall / (beta**2 * precision + recall))
    return 100 * best
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the second example k = 3 is left out, for "ab" has no three letters: P = (1 + 1) / 2 and R = (2/3 + 1/2) / 2.

# %% check="text-chrf"

# %% [markdown]
# **What it means in the real languages.** The same pairs as above, by words and by letters. Why is BLEU bound to be 0 here?

# %% demo
by_letters = yours_or_ours("chrf", globals(), exercise="text-chrf")
for one, other in (("den alten Häusern", "die alten Häuser"), ("vanhoissa taloissamme", "vanhassa talossamme")):
    print(f"{one:22} / {other:20}  BLEU {ours([one], [[other]]):5.1f}   chrF {by_letters(one, [other]):5.1f}")

# %% [markdown]
# No text here has four words, so there is no 4-gram to match: BLEU is made for a corpus. chrF gives a sensible number even for two words.
#
# ## How good are SmolLM2's summaries?
#
# Score three kinds of summary against our first references: the model's, our second ones, and the *lead*, which copies the report's first sentence and thinks nothing.
# Sixteen reports are few, so every mean gets an interval by bootstrap, as in lesson 5: draw sixteen reports with replacement, take the mean, and do it 2,000 times.
#
# **Predict before you run.** Who wins: the model, the lead, or our second summary? Whose interval is widest?

# %% demo
import random

from handbook.plots_metrics import intervals

rouge = yours_or_ours("rouge_n", globals(), exercise="text-rouge-n")
in_order = yours_or_ours("rouge_l", globals(), exercise="text-rouge-l")
metrics = {
    "ROUGE-1": lambda text, reference: 100 * rouge(text, reference, 1)[2],
    "ROUGE-2": lambda text, reference: 100 * rouge(text, reference, 2)[2],
    "ROUGE-L": lambda text, reference: 100 * in_order(text, reference)[2],
    "chrF": lambda text, reference: by_letters(text, [reference]),
}
writers = {"first sentence": [report.lead for report in REPORTS], "our second": second, "SmolLM2": written}

# %% demo
def bootstrap(values, draws=2000, seed=0):
    """The mean of the values, and the middle 95 % of the means of random draws."""
    dice = random.Random(seed)
    means = sorted(sum(dice.choices(values, k=len(values))) / len(values) for _ in range(draws))
    return sum(values) / len(values), means[draws // 40], means[-draws // 40]


# %% demo
scores = {
    name: {metric: [f(text, reference) for text, [reference] in zip(texts, first, strict=True)] for metric, f in metrics.items()}
    for name, texts in writers.items()
}
intervals(
    list(metrics),
    {name: [bootstrap(of_metric[metric]) for metric in metrics] for name, of_metric in scores.items()},
    title="Sixteen summaries, and 95 % intervals",
    xlabel="mean score (0 to 100)",
)

# %% [markdown]
# In our run copying the first sentence beats both, and by ROUGE-2 and ROUGE-L a good summary in other words is no better than a model that invents things.
# The model's interval is the widest: some of its summaries copy the report, others have nothing to do with it.
# Newspapers put what matters first, so the lead is a strong baseline on news; a result without it means little.
# (Our first references also keep close to the first sentences. The data card in `handbook.summaries` says so: read such cards before you believe a picture.)
#
# Where two intervals overlap, as the model's and our second summaries' do, they leave it open who is ahead. Ask about the *difference*, report by report, because hard reports are hard for both. Here for the lead and the model:

# %% demo
for metric in metrics:
    gaps = [lead - model for lead, model in zip(scores["first sentence"][metric], scores["SmolLM2"][metric], strict=True)]
    mean, low, high = bootstrap(gaps)
    print(f"{metric}: the first sentence is {mean:4.1f} points ahead, interval {low:5.1f} to {high:5.1f}")

# %% [markdown]
# Where an interval contains 0, sixteen reports can't tell who is ahead.
#
# Metrics of shared words rank writers who work in the same way. They can't tell another wording from a mistake. Read a dozen outputs before you believe a mean; begin with the two that ROUGE-2 likes best and the two that it likes least:

# %% demo
ranked = sorted(zip(scores["SmolLM2"]["ROUGE-2"], written, strict=True), reverse=True)
for score, text in ranked[:2] + ranked[-2:]:
    print(f"{score:4.1f}  {text}\n")

# %% [markdown]
# ## Fool the metric
#
# Now show it on purpose. Change one word of a reference into its opposite, and the summary says what is false. How high does it score?
#
# Which word should you change? An inner word breaks two bigrams, the last one only one. A long word costs more letters than a short one. You need not know: try them all and let the metric itself tell you which lie it likes best.
# This is a *black-box search*, and it is how people find weaknesses of metrics and models that they can call but not open.
#
# **Predict.** A reference has 20 different words, and one of them becomes its opposite. What is ROUGE-1's F1?
#
# ## Exercise: The best-liked lie · 2 points · ★☆☆

# %% exercise="metric-fooled"
from collections.abc import Callable


def metric_fooled(reference: str, opposites: dict[str, str], score: Callable[[str, str], float]) -> str:
    """Write a false summary that a metric likes: the reference with exactly one word turned into its opposite.

    opposites maps a word to what replaces it, one word or several: {"rose": "did not rise"}.
    Words are what reference.split() gives. A word has an opposite if it is a key as it stands: case and punctuation count,
        and a key inside a longer word does not. A word that occurs twice can be replaced in either place, never in both.
    Every place with such a word gives one candidate: all words of the reference joined by single spaces, one replaced.
    Returns: the candidate with the largest score(candidate, reference), reference as it came; of equals, that whose change
        comes first in the text. Scores may be any finite numbers, negative ones too.
    Raises: ValueError if no word of the reference has an opposite: write this test yourself.
    Leave opposites as it came.

    >>> shares = lambda summary, reference: len(set(summary.split()) & set(reference.split()))
    >>> metric_fooled("prices rose and then prices fell", {"prices": "wages", "rose": "fell", "fell": "rose"}, shares)
    'wages rose and then prices fell'

    Source: this course; a greedy search over single words, as in Jin et al. 2020, arXiv:1907.11932, but for one word and a metric.
    """
    ### BEGIN SOLUTION
    words = reference.split()
    lies = [
        " ".join([*words[:at], opposites[word], *words[at + 1 :]]) for at, word in enumerate(words) if word in opposites
    ]
    if not lies:
        raise ValueError("no word of the reference has an opposite")
    return max(lies, key=lambda lie: score(lie, reference))  # of equals, max takes the first
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the example, changing one *prices* leaves the other, so the set of shared words stays whole. To change *rose* or *fell* costs a word.

# %% check="metric-fooled"

# %% [markdown]
# **What it means for the real metrics.** For every report, take the lie that ROUGE-2 likes best, and our second summary, which is honest. Then ask all metrics, and a sentence encoder too: MiniLM compares meanings as vectors (lesson 1.3).
#
# **Predict before you run.** Will the encoder see that the lie is false?

# %% demo
from handbook import load_encoder
from handbook.summaries import OPPOSITES

fool = yours_or_ours("metric_fooled", globals(), exercise="metric-fooled")
lies = [fool(reference, OPPOSITES, metrics["ROUGE-2"]) for [reference] in first]
for [reference], lie in list(zip(first, lies, strict=True))[:3]:
    print(f"reference: {reference}\nlie:       {lie}\n")

# %% demo
encoder = load_encoder()
target = encoder.encode([reference for [reference] in first])
rows = {}
for name, texts in {"a lie": lies, "honest, in other words": second}.items():
    of_metric = [[f(text, reference) for text, [reference] in zip(texts, first, strict=True)] for f in metrics.values()]
    cosines = 100 * (encoder.encode(texts) * target).sum(-1)  # (16,): the vectors have length 1
    rows[name] = [bootstrap(values) for values in (*of_metric, cosines.tolist())]
unit = "mean score (0 to 100; MiniLM: 100 × cosine)"
intervals([*metrics, "MiniLM"], rows, title="Sixteen lies and sixteen honest summaries", xlabel=unit)

# %% [markdown]
# With one word of twenty changed, F1 is 19/20. Every metric prefers the lies, and the encoder does too: a word and its opposite stand in the same sentences, so their vectors are near.
# None of them asks whether a text is *true*.
#
# That question needs another instrument: questions about the report that the summary must answer, a model that judges whether the report implies the summary, or a reader. A judge model has biases of its own, position bias among them (lesson 5).
#
# ## Recap
#
# - Matches are clipped: a reference offers an n-gram as often as it has it.
# - ROUGE-N and ROUGE-L give precision, recall and F1. Say which one you report. ROUGE-L is a subsequence: in order, with gaps.
# - BLEU sums over the corpus, then divides, then takes the geometric mean; the brevity penalty stands in for recall.
# - chrF counts letters, and so forgives endings.
# - A score without its settings can't be compared. Quote the package and its options.
# - A test needs examples on which mistakes show, right results worked out by hand, and a tolerance.
# - Report a baseline and an interval. Shared words are not truth.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. The hypothesis is "a a a b", the reference "a b a". What are ROUGE-1's precision and recall?</summary>
#
# *a* matches min(3, 2) = 2 times, *b* once: three matches. Precision 3/4, recall 3/3.
# </details>
#
# <details><summary>2. A system leaves half of its sentences empty and translates the rest perfectly, with one reference each. What limits its BLEU?</summary>
#
# All four precisions are 1, for empty hypotheses have no n-grams. The brevity penalty does the work: if both halves are equally long, r = 2c and BP = e⁻¹ ≈ 0.37.
# </details>
#
# <details><summary>3. Your test for ROUGE-L compares one pair of identical texts. Name three wrong implementations that pass it.</summary>
#
# Precision and recall swapped; recall returned as F1; the longest run without gaps; shared words in any order; case that matters. On identical texts all of them give 1.
# </details>
#
# **Next.** You can now measure what a change does to a model's text, and say how sure you are. Part 4 makes models smaller and faster: pruning comes first, and the question is always what it costs.
#
# ## Further reading
#
# - Lin 2004, [ROUGE: A Package for Automatic Evaluation of Summaries](https://aclanthology.org/W04-1013/).
# - Papineni et al. 2002, [BLEU: a Method for Automatic Evaluation of Machine Translation](https://aclanthology.org/P02-1040/).
# - Popović 2015, [chrF: character n-gram F-score for automatic MT evaluation](https://aclanthology.org/W15-3049/).
# - Post 2018, [A Call for Clarity in Reporting BLEU Scores](https://arxiv.org/abs/1804.08771), arXiv:1804.08771: why `sacrebleu` exists.
# - Grusky 2023, "Rogue Scores", ACL 2023, long papers: a review of how ROUGE is computed and reported.
# - Fabbri et al. 2021, [SummEval: Re-evaluating Summarization Evaluation](https://arxiv.org/abs/2007.12626), TACL, arXiv:2007.12626: metrics compared with human judgements.
# - Zhang et al. 2020, [BERTScore](https://arxiv.org/abs/1904.09675), ICLR 2020, arXiv:1904.09675: vectors instead of words.
# - Jin et al. 2020, [Is BERT Really Robust?](https://arxiv.org/abs/1907.11932), AAAI 2020, arXiv:1907.11932: a search over words, as in your last exercise, that fools classifiers.
