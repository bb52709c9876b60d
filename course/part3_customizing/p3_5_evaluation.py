# %% [markdown]
# # Evaluation: how good is it, and how sure are you?
#
# In the last lessons you adapted a model, prompted it, and had its programs run. Each time a number said that the result was good. This lesson is about that number: where it comes from, how it lies, and how sure you may be of it.
#
# A support mailbox holds 240 threads. Customers write, ask again after a week, forward: a thread has one to five messages, and each repeats the first with another frame around it.
# Two models sort messages by topic, both from MiniLM's vectors: one copies the topic of the *nearest message* that it has seen, the other is a *linear head* as in lesson 1.6.
# Nothing differs between the two halves of this picture but how the messages were split into those to learn from and those to test with:

# %% demo
import random

from handbook import evaluation_lab as lab
from handbook import plots
from handbook.answers import yours_or_ours

mail = lab.mailbox()
by_thread = yours_or_ours("validation_split", globals(), exercise="evaluation-validation-split")
splits = {
    "split by message": lab.by_row(mail, 0.3, random.Random(0)),
    "split by thread": by_thread(mail.threads, 0.3, random.Random(0)),
}
lab.two_splits(mail, mail.y, splits, title="The same models, two splits")

# %% [markdown]
# Split by message, both models are excellent and nearly equal. Split by thread, one of them is right about every second time, and the other is clearly better.
# Which half is true? New mail comes from new threads. So the second.
#
# **Predict before you run.** Now every *thread* gets a topic drawn by lot. There is nothing to learn: an honest accuracy is one in six, 0.17. What does each split report?

# %% demo
lab.two_splits(mail, lab.drawn_topics(mail), splits, title="Topics drawn by lot: nothing can be learnt")

# %% [markdown]
# The split by message reports more than 0.8 for knowing nothing. A message whose sister was learnt from is not a new message; its answer was copied. This is called a *leak*.
# Leaks of this kind come with whatever joins rows: the same customer, patient, document, author, photo session, code repository.
#
# ## A split by groups
#
# The cure is to draw groups, not rows. Groups differ in size, so the share of rows that you asked for is met only roughly:

# %%
groups = ["ann", "bob", "ann", "cleo", "cleo", "ann", "dan"]
for name in dict.fromkeys(groups):
    print(f"{name:5} rows {[row for row, group in enumerate(groups) if group == name]}")

# %% [markdown]
# **Predict before you go on.** You want at least 3 of these 7 rows for validation. Groups come in the order cleo, ann, bob, dan. Which rows do you get?
#
# Cleo's two rows are too few; Ann's three come as a whole; then you have five: rows 0, 2, 3, 4 and 5.
#
# ## Exercise: Split by group · 3 points · ★★☆
#
# Here and below, tests of the arguments that are not the point of the exercise are given.

# %% exercise="evaluation-validation-split"
import random
from collections.abc import Hashable, Sequence


def validation_split(groups: Sequence[Hashable], fraction: float, rng: random.Random) -> tuple[list[int], list[int]]:
    """Split row numbers into training and validation so that no group is on both sides.

    groups[i] is the group of row i: any hashable value, such as a number, a text, None or a tuple, also mixed. The rows of a
        group may stand anywhere.
    Groups go to validation whole, in random order, until it holds at least fraction × len(groups) rows, and then no more.
        One group always stays in training. Each group is as likely as any other to be drawn, whatever its size or name:
        with other names for the same groups, the same state of the generator gives the same split.
    Returns: (training, validation), lists of row numbers from 0 on, each ascending; every row is in one of them, once.
    All chance comes from rng: the same state gives the same split, and Python's global generator stays as it is.
    Raises: ValueError if fraction is not between 0 and 1, both excluded, or if there are fewer than 2 groups (these tests are given).
    Leave groups as it came.

    >>> validation_split(["ann", "ann", "ann"] + ["bob"] * 3, 0.1, random.Random(1)) in [([0, 1, 2], [3, 4, 5]), ([3, 4, 5], [0, 1, 2])]
    True

    Source: Kaufman et al. 2012, "Leakage in Data Mining", doi:10.1145/2382577.2382579, on leaks of this kind.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, not {fraction}")
    if len(set(groups)) < 2:
        raise ValueError("it takes two groups to split")
    ### BEGIN SOLUTION
    names = list(dict.fromkeys(groups))  # in the order of their first rows: a set has no order to rely on
    rng.shuffle(names)
    held_out: set[Hashable] = set()
    rows = 0
    for name in names[:-1]:
        if rows >= fraction * len(groups):
            break
        held_out.add(name)
        rows += sum(group == name for group in groups)
    training = [row for row, group in enumerate(groups) if group not in held_out]
    validation = [row for row, group in enumerate(groups) if group in held_out]
    return training, validation
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Whole groups on each side, and other ones with another seed: `validation_split(groups, 0.4, random.Random(1))` on the seven rows above.

# %% check="evaluation-validation-split"

# %% [markdown]
# **What it means in the real model.** One split is one draw. Here are twenty of each kind, with the linear head:

# %% demo
split_of = yours_or_ours("validation_split", globals(), exercise="evaluation-validation-split")
draws = {"split by message": [], "split by thread": []}
for seed in range(20):
    for name, (learn, test) in {"split by message": lab.by_row(mail, 0.3, random.Random(seed)), "split by thread": split_of(mail.threads, 0.3, random.Random(seed))}.items():
        guess = lab.head_probs(mail.x[learn], mail.y[learn], mail.x[test], steps=40).argmax(-1)
        draws[name].append(float((guess == mail.y[test]).float().mean()))
plots.histogram(draws, title="Twenty splits of the same mailbox", xlabel="accuracy of the linear head", ylabel="number of splits", bins=24)

# %% [markdown]
# The two don't overlap. Note also how wide each of them is: a single split moves the accuracy by several hundredths.
#
# A set that you choose with is used up by choosing: the best of many candidates was also the luckiest. So there are three sets. You learn from the first, choose by the second (*validation*), and open the third (*test*) once, at the end.
#
# ## One number for many classes
#
# *Accuracy* is the share of right answers. It counts rows, so large classes decide it. The *F1* of a class looks at that class alone:
# with TP rows rightly said to be of the class, FP wrongly said to be, and FN of the class but missed, it is $\frac{2\,TP}{2\,TP + FP + FN}$. *Macro* F1 is the plain mean over classes.
#
# **Predict before you run.** Ninety messages are about billing and ten about fraud. A model says "billing", always. What are its accuracy and its macro F1?

# %%
TP, FP, FN = 90, 10, 0
print("accuracy       ", 90 / 100)
print("F1 of billing  ", round(2 * TP / (2 * TP + FP + FN), 3))
print("F1 of fraud    ", 2 * 0 / (2 * 0 + 0 + 10))
print("macro F1       ", round((2 * TP / (2 * TP + FP + FN) + 0) / 2, 3))

# %% [markdown]
# Now the trap. *Fraud* was never guessed. If you average over the classes among the guesses, the macro F1 is 0.947, and the model's worst fault has vanished. The same happens to a class that is guessed but never true.
# Both must count, with an F1 of 0. Only a class that occurs on neither side says nothing: 0/0.
#
# ## Exercise: Accuracy and macro F1 · 2 points · ★☆☆

# %% exercise="evaluation-accuracy-f1"
from collections.abc import Hashable, Sequence


def accuracy(guesses: Sequence[Hashable], truth: Sequence[Hashable]) -> float:
    """Return the share of rows whose guess is the truth, 0 to 1.

    Guesses and truth may be numbers, texts, or any other hashable values.
    Raises: ValueError if there are no rows, or if guesses and truth differ in length (this test is given).

    >>> accuracy(["a", "b", "b", "a"], ["a", "b", "a", "a"])
    0.75
    """
    if len(guesses) != len(truth) or not truth:
        raise ValueError(f"{len(guesses)} guesses for {len(truth)} rows")
    ### BEGIN SOLUTION
    return sum(guess == true for guess, true in zip(guesses, truth, strict=True)) / len(truth)
    ### END SOLUTION


def f1_macro(guesses: Sequence[Hashable], truth: Sequence[Hashable], classes: Sequence[Hashable] | None = None) -> float:
    """Return the plain mean of the F1 of each class, 0 to 1; F1 is 2·TP / (2·TP + FP + FN).

    `classes`: the classes to average over, each once. None: every class that occurs in the truth or among the guesses.
    A class that occurs on one side only counts, with an F1 of 0. A class that occurs on neither side is left out.
    Rows whose guess or truth is not among `classes` still count as FP or FN of those that are.
    Classes are any hashable values, also mixed. Leave all arguments as they came.
    Raises: ValueError as accuracy does (this test is given), or if no class is left to average over.

    >>> round(f1_macro(["a", "b", "b", "a"], ["a", "b", "a", "a"]), 4)     # 4/5 and 2/3
    0.7333

    Source: van Rijsbergen 1979, "Information Retrieval", chapter 7. As sklearn.metrics.f1_score(truth, guesses, average="macro",
        zero_division=nan, labels=classes) has it.
    """
    if len(guesses) != len(truth) or not truth:
        raise ValueError(f"{len(guesses)} guesses for {len(truth)} rows")
    ### BEGIN SOLUTION
    scores = []
    for name in {*truth, *guesses} if classes is None else classes:
        hits = sum(guess == true == name for guess, true in zip(guesses, truth, strict=True))
        mentions = sum(guess == name for guess in guesses) + sum(true == name for true in truth)  # 2·TP + FP + FN
        if mentions:
            scores.append(2 * hits / mentions)
    if not scores:
        raise ValueError(f"none of the classes {classes} occurs")
    return sum(scores) / len(scores)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** `f1_macro(["billing"] * 100, ["billing"] * 90 + ["fraud"] * 10)` gives 0.474, not 0.947.

# %% check="evaluation-accuracy-f1"

# %% [markdown]
# **What it means in the real model.** Rare topics suffer most from little data. Let the head learn from all billing mail, but from only five messages of each other topic:

# %% demo
accuracy_of, f1_of = (yours_or_ours(name, globals(), exercise="evaluation-accuracy-f1") for name in ("accuracy", "f1_macro"))
learn, test = split_of(mail.threads, 0.3, random.Random(0))
few = [row for topic in range(1, 6) for row in [row for row in learn if mail.y[row] == topic][:5]] + [row for row in learn if mail.y[row] == 0]
mostly_billing = [row for row in test if mail.y[row] == 0] + [row for row in test if mail.y[row] != 0][::12]
guess = lab.head_probs(mail.x[few], mail.y[few], mail.x[mostly_billing]).argmax(-1).tolist()
truth = mail.y[mostly_billing].tolist()
print(f"{len(truth)} messages, {truth.count(0)} of them on billing")
print(f"accuracy {accuracy_of(guess, truth):.2f} · macro F1 {f1_of(guess, truth):.2f}")

# %% [markdown]
# Accuracy praises what macro F1 does not. Neither is the true one: say which errors cost you something, then choose.
#
# ## How sure are you?
#
# Two models are tested on the same rows. One is right more often. Would it be so on the next rows too? Take the head against the nearest message, on a small test set:

# %% demo
small = test[:80]
head = (lab.head_probs(mail.x[learn], mail.y[learn], mail.x[small]).argmax(-1) == mail.y[small]).tolist()
near = (lab.nearest(mail.x[learn], mail.y[learn], mail.x[small]) == mail.y[small]).tolist()
for name, row_test in {"both right": lambda a, b: a and b, "head only": lambda a, b: a and not b, "nearest only": lambda a, b: b and not a, "neither": lambda a, b: not a and not b}.items():
    print(f"{name:13} {sum(map(row_test, head, near)):3} of {len(small)} messages")

# %% [markdown]
# The rows on which both are right, or both wrong, say nothing about which is better. Two tools use this.
#
# *McNemar's test* looks only at the $n = b + c$ rows on which exactly one is right. If the models were equally good, each such row would be a fair coin.
# How often do $n$ fair coins fall at least as unevenly as $b$ to $c$? That share is the p-value: $\min\!\big(1,\ 2\sum_{k=0}^{\min(b,c)} \binom{n}{k} / 2^n\big)$.
#
# **Predict before you run.** One model alone is right 8 times, the other alone 2 times. Is that good evidence?

# %%
import math

print("p =", 2 * sum(math.comb(10, k) for k in range(3)) / 2**10)

# %% [markdown]
# Eleven times in a hundred, coins do that. Not good evidence.
#
# The *bootstrap* answers another question: how large is the difference? You can't draw new rows from the world, so draw from the rows that you have, with replacement, as many as there are. Compute the difference; do it a thousand times.
# The middle 95 % of the results is an interval.
# A row carries both models' results along. Drawn separately, the models would meet different rows, and the noise that they share would no longer cancel.
#
# ## Exercise: Interval and test · 4 points · ★★☆

# %% exercise="evaluation-compare-models"
import math
import random
from collections.abc import Callable, Sequence
from typing import Any


def bootstrap_ci(
    rows: Sequence[Any], statistic: Callable[[list[Any]], float], rng: random.Random, level: float = 0.95, draws: int = 1000
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a statistic, (low, high).

    Each of the `draws` draws takes len(rows) rows with replacement, each row equally likely every time. A row stays whole (it may
        be a pair: the results of two models). `statistic` gets the drawn rows as a list and gives a number; it is called once a
        draw, never otherwise.
    low and high are the (1 - level) / 2 and (1 + level) / 2 quantiles of these numbers, with linear interpolation between the two
        nearest in order, as NumPy's and torch's quantile do: of m sorted numbers, quantile q stands at place q · (m - 1) from 0.
    All chance comes from rng; Python's global generator stays as it is. Leave rows as it came.
    Raises: ValueError if rows is empty, level not between 0 and 1, or draws below 1 (this test is given).

    >>> bootstrap_ci([7.0, 7.0, 7.0], lambda rows: sum(rows) / len(rows), random.Random(0))
    (7.0, 7.0)

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap".
    """
    if not rows or not 0 < level < 1 or draws < 1:
        raise ValueError(f"{len(rows)} rows, level {level}, {draws} draws")
    ### BEGIN SOLUTION
    found = sorted(statistic(rng.choices(rows, k=len(rows))) for _ in range(draws))

    def quantile(q: float) -> float:
        place = q * (draws - 1)
        below = math.floor(place)
        above = min(below + 1, draws - 1)
        return found[below] + (place - below) * (found[above] - found[below])

    return quantile((1 - level) / 2), quantile((1 + level) / 2)
    ### END SOLUTION


def mcnemar(a_right: Sequence[bool], b_right: Sequence[bool]) -> float:
    """Return the exact two-sided p-value of McNemar's test, 0 to 1.

    a_right[i] and b_right[i] say whether each model is right on row i. With b rows on which only the first is right, c on which only
        the second is, and n = b + c: p = min(1, 2 · Σ C(n, k) / 2^n for k = 0 … min(b, c)). If there is no such row, p is 1.
    Exact also for n of several thousands, where 0.5 ** n is no longer a number that a float can hold.
    Raises: ValueError if the two differ in length (this test is given).

    >>> mcnemar([True] * 8 + [False] * 2 + [True] * 30, [False] * 8 + [True] * 2 + [True] * 30)
    0.109375

    Source: McNemar 1947, doi:10.1007/BF02295996.
    """
    if len(a_right) != len(b_right):
        raise ValueError(f"{len(a_right)} results against {len(b_right)}")
    ### BEGIN SOLUTION
    only_a = sum(bool(a) and not b for a, b in zip(a_right, b_right, strict=True))
    only_b = sum(bool(b) and not a for a, b in zip(a_right, b_right, strict=True))
    n = only_a + only_b
    ways = sum(math.comb(n, k) for k in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * ways / 2**n)  # whole numbers until the last division: they can't overflow
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example of `mcnemar` gives 0.109375, and the thirty rows on which both are right change nothing.

# %% check="evaluation-compare-models"

# %% [markdown]
# **What it means in the real model.** The 80 messages from above, once with the models' results kept together, once drawn apart:

# %% demo
interval_of, p_of = (yours_or_ours(name, globals(), exercise="evaluation-compare-models") for name in ("bootstrap_ci", "mcnemar"))
rng, pairs = random.Random(0), [(float(a), float(b)) for a, b in zip(head, near, strict=True)]
low, high = interval_of(pairs, lambda rows: sum(a - b for a, b in rows) / len(rows), rng)
apart = interval_of(pairs, lambda rows: (sum(a for a, _ in rows) - sum(b for _, b in rng.choices(pairs, k=len(pairs)))) / len(rows), rng)
print(f"head − nearest: {sum(a - b for a, b in pairs) / len(pairs):+.3f} · p = {p_of(head, near):.4f}")
print(f"rows kept together: {low:+.3f} to {high:+.3f}, {high - low:.3f} wide")
print(f"drawn apart:        {apart[0]:+.3f} to {apart[1]:+.3f}, {apart[1] - apart[0]:.3f} wide")

# %% [markdown]
# In our run p is above 0.1, and the interval reaches down to zero: 80 messages are too few to say that the head is better, though the first picture shows that it is.
# Drawn apart, the interval is wider still: you'd need more data to see the same difference.
# One thing is still too good here. Messages of one thread are near-copies, so 80 messages are fewer than 80 independent rows. To be strict, draw threads, as the split did: each row of `rows` may be a whole thread.
#
# ## Does it know when it is wrong?
#
# A model that says 0.9 should be right nine times in ten. Then it is *calibrated*, and you can send its unsure cases to a person. The head's probability for its guess, on all test messages of other threads and on those of a leaking split:

# %% demo
def confidences(rows_to_learn, rows_to_test):
    """How sure the head is of each guess, and whether it is right."""
    probs = lab.head_probs(mail.x[rows_to_learn], mail.y[rows_to_learn], mail.x[rows_to_test])
    sure, guess = probs.max(-1)
    return sure.clamp(0, 1).tolist(), (guess == mail.y[rows_to_test]).tolist()


sure, right = confidences(learn, test)
lab.reliability(sure, right, title="How sure, and how often right (split by thread)")

# %% [markdown]
# Points below the line: surer than right. Each point is a *bin* of answers with about the same confidence; the number below it says how many.
# The *expected calibration error* (ECE) is the mean distance from the line, each bin weighing as many as its answers: $\sum_b \frac{n_b}{N}\,\lvert \text{share right}_b - \text{mean confidence}_b \rvert$. By hand, with two bins:

# %%
answers = [(0.9, True), (0.8, False), (0.7, True), (0.4, True)]  # how sure, and whether right
upper = abs(2 / 3 - (0.9 + 0.8 + 0.7) / 3)
lower = abs(1 / 1 - 0.4)
print(f"bin up to 0.5: {lower:.3f} · above: {upper:.3f} · ECE = 1/4 · {lower:.3f} + 3/4 · {upper:.3f} = {lower / 4 + 3 * upper / 4:.4f}")

# %% [markdown]
# **Predict before you go on.** A model is right on 75 % of the rows and says 0.75 each time. What is its ECE? Is it useful?
#
# Its ECE is 0, and it knows nothing about which answers are wrong. Calibration is not accuracy, and not resolution.
#
# ## Exercise: Expected calibration error · 2 points · ★★☆

# %% exercise="evaluation-calibration-error"
import math
from collections.abc import Sequence


def expected_calibration_error(confidences: Sequence[float], correct: Sequence[bool], bins: int = 10) -> float:
    """Return the expected calibration error, 0 to 1.

    confidences[i], 0 to 1, is how sure the model was of answer i; correct[i] says whether it was right.
    [0, 1] is cut into `bins` bins of equal width, open on the left and closed on the right: bin b of 0 … bins - 1 holds confidences
        above b / bins and up to (b + 1) / bins; 0 belongs to the first.
    The result is the sum over bins that are not empty of (answers in the bin / all answers) × |share right - mean confidence|.
    Raises: ValueError if there are no answers or the two differ in length, bins is below 1, or a confidence is not from 0 to 1
        (these tests are given).
    Leave both as they came.

    >>> round(expected_calibration_error([0.9, 0.8, 0.7, 0.4], [True, False, True, True], bins=2), 4)
    0.25

    Source: Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning"; Guo et al. 2017, arXiv:1706.04599.
    """
    if len(confidences) != len(correct) or not confidences or bins < 1 or not all(0 <= sure <= 1 for sure in confidences):
        raise ValueError(f"{len(confidences)} confidences from 0 to 1, {len(correct)} results, {bins} bins")
    ### BEGIN SOLUTION
    gaps = [0.0] * bins  # of each bin: the number right minus the sum of confidences
    for sure, right in zip(confidences, correct, strict=True):
        at = max(math.ceil(sure * bins) - 1, 0)
        gaps[at] += bool(right) - sure
    return sum(map(abs, gaps)) / len(confidences)  # n_b / N · |gap / n_b|: the n_b cancel
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example gives 0.25, as by hand.

# %% check="evaluation-calibration-error"

# %% demo
ece_of = yours_or_ours("expected_calibration_error", globals(), exercise="evaluation-calibration-error")
for name, (to_learn, to_test) in {"split by message": lab.by_row(mail, 0.3, random.Random(0)), "split by thread": (learn, test)}.items():
    sure, right = confidences(to_learn, to_test)
    print(f"{name:17} accuracy {sum(right) / len(right):.2f} · mean confidence {sum(sure) / len(sure):.2f} · ECE {ece_of(sure, right):.3f}")

# %% [markdown]
# By message the head seems calibrated. By thread it is as sure as before, and right less often. A threshold set on the leaking split would let wrong answers through.
# (The usual cure is to divide the scores by one number, the *temperature*, chosen on validation data: Guo et al. 2017.)
#
# ## Perplexity depends on the window
#
# For a language model there is nothing to split off but text. You measured its perplexity in lessons 1.2 and 1.5. But a text may be longer than what the model reads at once, so you cut it into windows, and the first tokens of each window are read with almost nothing before them.
#
# **Predict before you run.** SmolLM2 reads one news report of ours, cut into windows of 8, 16, … tokens. By what factor does its perplexity differ between the smallest and the largest window?

# %% demo
from handbook import load_lm
from handbook.texts import NEWS

lm = load_lm()
report = lm.encode(NEWS)
windows = [8, 16, 32, 64, len(report)]


def cut_up(ids, window):
    """The perplexity if each window is read by itself, its first token left out."""
    parts = [lm.token_nll(ids[at : at + window]) for at in range(0, len(ids) - 1, window) if len(ids[at : at + window]) > 1]
    return math.exp(sum(float(part.sum()) for part in parts) / sum(map(len, parts)))


plots.bars([str(window) for window in windows], [cut_up(report, window) for window in windows], title="One model, one text", xlabel="perplexity", ylabel="window (tokens)", decimals=1)

# %% [markdown]
# The same model on the same text. Papers that compare perplexities must use the same windows.
#
# A better way: let windows *overlap*. The next window starts `stride` tokens further on; what it shares with the one before is context, already scored. Only the tokens that are new in it count:

# %%
window, stride, length = 5, 2, 9
scored = 1  # the first token has nothing before it
for start in range(0, length, stride):
    end = min(start + window, length)
    print(f"reads tokens {start}–{end - 1}, scores {scored}–{end - 1}")
    scored = end
    if end == length:
        break

# %% [markdown]
# Each token but the first is scored once. From the second window on it has at least window − stride tokens before it. A small stride costs more runs of the model.
#
# ## Exercise: Strided perplexity · 3 points · ★★★

# %% exercise="evaluation-strided-perplexity"
import math
from collections.abc import Callable, Sequence


def perplexity_over(surprise: Callable[[list[int]], Sequence[float]], corpus: Sequence[list[int]], window: int, stride: int) -> float:
    """Return a language model's perplexity over documents that may be longer than what it reads at once.

    surprise(ids) is the model: it gives len(ids) - 1 numbers, in nats; number i is the surprise at ids[i + 1] after ids[0] … ids[i].
        It is called on a list of 2 to `window` tokens, slices of one document.
    In each document the windows start at 0, stride, 2 · stride, … and hold `window` tokens, or fewer where the document ends; the first window that
        reaches the end is the last. A window counts only the tokens that no earlier window has held, so each token of a document
        but its first counts once. Documents of fewer than 2 tokens are left out, and the model isn't called for them.
    Returns: exp of the mean surprise over all tokens that count, in all documents, each token weighing the same.
    Raises: ValueError if not 1 <= stride < window (this test is given), or if no token counts.
    Leave the corpus as it came.

    >>> round(perplexity_over(lambda ids: [math.log(4)] * (len(ids) - 1), [[1, 2, 3, 4, 5, 6], [7, 8]], 4, 2), 4)
    4.0

    Source: the guide "Perplexity of fixed-length models" in the documentation of Hugging Face Transformers.
    """
    if not 1 <= stride < window:
        raise ValueError(f"a stride of {stride} does not fit a window of {window}")
    ### BEGIN SOLUTION
    total, count = 0.0, 0
    for ids in corpus:
        start, done = 0, 1  # done: tokens that count already, or never
        while done < len(ids):
            end = min(start + window, len(ids))
            new = end - done
            total += sum(surprise(ids[start:end])[-new:])
            count += new
            start, done = start + stride, end
    if not count:
        raise ValueError("no token has another one before it")
    return math.exp(total / count)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** A model that is always torn between four tokens has a perplexity of 4, whatever the window.

# %% check="evaluation-strided-perplexity"

# %% demo
over = yours_or_ours("perplexity_over", globals(), exercise="evaluation-strided-perplexity")
runs = []


def surprise(ids):
    runs.append(len(ids))
    return lm.token_nll(ids).tolist()


for stride in (31, 16, 8):
    runs.clear()
    print(f"window 32, stride {stride:2}: perplexity {over(surprise, [report], 32, stride):6.1f} in {len(runs):2} runs of the model")
print(f"all at once:           perplexity {cut_up(report, len(report)):6.1f} in  1 run")

# %% [markdown]
# A smaller stride comes nearer to what the model can do when it reads everything, and costs more runs. Say which window and stride you used.
#
# ## A model as the judge
#
# Free answers have no label. Many teams let a large model judge: here are two answers, which is better? A judge is an instrument like any other, so test it before you believe it.
# Sixteen easy questions, each with a right and a plainly wrong answer. SmolLM2 judges each pair twice: right answer first, then second.
#
# **Predict before you run.** How often does it pick the right answer in each order?

# %% demo
forward = [lab.verdict(lm, question, right, wrong) for question, right, wrong in lab.PAIRS]
swapped = [lab.verdict(lm, question, wrong, right) for question, right, wrong in lab.PAIRS]
print(f"right answer first:  says first {forward.count('first'):2} times, second {forward.count('second'):2} times")
print(f"right answer second: says first {swapped.count('first'):2} times, second {swapped.count('second'):2} times")

# %% [markdown]
# Shown in one order only, this judge would look either good or hopeless. In truth it mostly picks a place. Large judges do it less, but they do it ([Zheng et al. 2023](https://arxiv.org/abs/2306.05685)).
# So ask in both orders, and believe only a winner that both name.
#
# How well does the judge agree with people? Raw agreement flatters: two raters who say "A" nine times in ten agree often by chance alone. *Cohen's κ* takes chance off:
# $\kappa = \frac{p_o - p_e}{1 - p_e}$, where $p_o$ is the share of pairs on which they agree, and $p_e$ the share to be expected if each drew by lot from their own verdicts.

# %%
human = ["A"] * 9 + ["B"]
judge = ["B"] + ["A"] * 9
observed, expected = 8 / 10, 0.9 * 0.9 + 0.1 * 0.1
print(f"agreement {observed:.2f}, by chance {expected:.2f}, κ = {(observed - expected) / (1 - expected):.3f}")

# %% [markdown]
# They agree on 80 %, and that is a little *less* than chance would give.
#
# ## Exercise: Test the judge · 3 points · ★★☆

# %% exercise="evaluation-judge-agreement"
from collections.abc import Hashable, Sequence


def cohen_kappa(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """Return Cohen's κ of two raters, -1 to 1: (observed - expected) / (1 - expected).

    observed is the share of items on which they say the same; expected is the sum over verdicts of (a's share of it × b's share of it).
    If both say one and the same thing throughout, chance explains all and κ is 0/0: return NaN.
    Verdicts may be any hashable values.
    Raises: ValueError if there are no items or the two differ in length (this test is given).

    >>> round(cohen_kappa(["A", "A", "B", "B"], ["A", "B", "B", "B"]), 4)
    0.5

    Source: Cohen 1960, "A Coefficient of Agreement for Nominal Scales", doi:10.1177/001316446002000104.
    """
    if len(a) != len(b) or not a:
        raise ValueError(f"{len(a)} verdicts against {len(b)}")
    ### BEGIN SOLUTION
    n = len(a)
    agree = sum(x == y for x, y in zip(a, b, strict=True))
    chance = sum(list(a).count(verdict) * list(b).count(verdict) for verdict in set(a))  # n² times the share
    return (n * agree - chance) / (n * n - chance) if chance < n * n else float("nan")
    ### END SOLUTION


def judge_agreement(human: Sequence[str], forward: Sequence[str], swapped: Sequence[str]) -> dict[str, float]:
    """Say how far a judge of answers A and B agrees with people, with itself, and with a place.

    human[i] is a person's verdict on pair i: "A", "B" or "tie".
    forward[i] is the judge's, "first", "second" or "tie", when A is shown first; swapped[i] when B is shown first.
    Returns a dict of three numbers:
        "consistency": the share of pairs on which both orders name the same winner, or both a tie; 0 to 1.
        "position_bias": (number of "first" - number of "second") / number of all verdicts, both orders together; 1 if the judge always
            says "first", -1 if always "second".
        "kappa": Cohen's κ between the people and the judge, whose verdict on a pair is the one that both orders name,
            and "tie" if they differ.
    Raises: ValueError if there are no pairs or the three differ in length (this test is given).
    Leave all three as they came.

    >>> judge_agreement(["A", "B"], ["first", "first"], ["second", "first"])
    {'consistency': 1.0, 'position_bias': 0.5, 'kappa': 1.0}

    Source: Zheng et al. 2023, arXiv:2306.05685, on judges and the order of answers.
    """
    if not len(human) == len(forward) == len(swapped) or not human:
        raise ValueError(f"{len(human)}, {len(forward)} and {len(swapped)} verdicts do not fit together")
    ### BEGIN SOLUTION
    in_forward, in_swapped = {"first": "A", "second": "B", "tie": "tie"}, {"first": "B", "second": "A", "tie": "tie"}
    winners = [(in_forward[one], in_swapped[two]) for one, two in zip(forward, swapped, strict=True)]
    judged = [one if one == two else "tie" for one, two in winners]
    said = [*forward, *swapped]
    return {
        "consistency": sum(one == two for one, two in winners) / len(winners),
        "position_bias": (said.count("first") - said.count("second")) / len(said),
        "kappa": cohen_kappa(human, judged),
    }
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example the judge says "first" three times of four, and is right each time: B was first then.

# %% check="evaluation-judge-agreement"

# %% demo
agreement_of = yours_or_ours("judge_agreement", globals(), exercise="evaluation-judge-agreement")
people = ["B" if number % 4 == 3 else "A" for number in range(len(lab.PAIRS))]  # in every fourth pair the right answer is B
as_a_first = [second if who == "B" else first for who, first, second in zip(people, forward, swapped, strict=True)]
as_b_first = [first if who == "B" else second for who, first, second in zip(people, forward, swapped, strict=True)]
for name, value in agreement_of(people, as_a_first, as_b_first).items():
    print(f"{name:14} {value:+.2f}")

# %% [markdown]
# A strong preference for one place, low consistency: not a judge to use. The test took two rounds over sixteen pairs that you know the answer to. Do it for any judge, a large one too.
#
# ## Find the bugs
#
# A colleague compares two models that route customers' messages, and hands you this script. It runs, and its report looks fine. Five bugs are planted in it; you've met each of them in this lesson.

# %%
from handbook import buggy_evaluation

print(buggy_evaluation.numbered())

# %% [markdown]
# A row is a message: its customer, its true route ("other" if a person must read it), the guess and the confidence of models *a* and *b*, and how a language model took it (mean surprise, number of tokens):

# %%
rows = buggy_evaluation.sample_rows()
print(len(rows), "rows, the first:", rows[0])

# %% [markdown]
# **Predict before you go on.** Follow the rows: who is drawn, who chooses, who is tested? Then follow the means: a mean of what? Write down what you suspect. Not everything that looks odd is wrong; each bug breaks what a docstring promises.
#
# A patch is the new text of a line, with its indentation. `"    a\n    b"` puts two lines in place of one:

# %%
print(buggy_evaluation.patched({9: "    half = len(rows) // 3"}).splitlines()[8])

# %% [markdown]
# ## Exercise: Find the bugs · 4 points · ★★★

# %% exercise="evaluation-find-the-bugs"
def find_bugs() -> dict[int, str]:
    """Return patches that mend the five bugs of handbook.buggy_evaluation.SCRIPT: {line number: the line as it should be}.

    Line numbers are those of handbook.buggy_evaluation.numbered(), from 1 on, and always those of the unpatched script. A patch
        has the indentation that the line needs. It may be several lines with "\\n" between them, or "" for none: so lines can
        be added, removed, or swapped.
    At most 8 lines may be replaced, by at most 14 lines in all.
    The script is patched and run on small data, and judged by what it does: any patch that mends a bug is right. What the script
        does well must stay: the names and arguments of its functions and what they return; a split drawn from rng, with between a fifth and
        four fifths of the rows on each side where there are many small customers; the five thresholds to choose from, the best by
        score; intervals of 95 % with rows drawn at random.

    >>> find_bugs()  # doctest: +SKIP
    {9: "    half = len(rows) // 3", ...}

    Source: this course wrote the script.
    """
    ### BEGIN SOLUTION
    return {
        8: '    customers = list(dict.fromkeys(row["customer"] for row in rows))\n    rng.shuffle(customers)',
        9: "    half = set(customers[: len(customers) // 2])",
        10: '    return [row for row in rows if row["customer"] in half], [row for row in rows if row["customer"] not in half]',
        15: '    return math.exp(sum(row["nll"] * row["tokens"] for row in rows) / sum(row["tokens"] for row in rows))',
        21: "    for label in sorted({*truth, *guesses}):",
        37: "        for_a = for_b = rng.choices(rows, k=len(rows))",
        49: "        thresholds[model] = max((0.1, 0.3, 0.5, 0.7, 0.9), key=lambda t: score(choose, model, t))",
    }
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The check names what the patched script still does wrong, not where.

# %% check="evaluation-find-the-bugs"

# %% [markdown]
# Two of the five flatter the models (the leak and the threshold), one hides a fault (the absent label), one makes the numbers depend on how text is cut, and one throws away evidence. None raises an error.
#
# ## Recap
#
# - Split by what joins rows: thread, customer, document. New data will come from new ones.
# - Learn, choose and test on three sets. Choosing uses a set up.
# - Accuracy counts rows, macro F1 counts classes. A class on one side only counts, with 0.
# - Compare models on the same rows: keep pairs together in the bootstrap; McNemar looks only at the rows on which they differ.
# - Calibrated means as sure as right. A leak makes a model look calibrated too.
# - Perplexity: each token once, the same weight for each, and say the window and stride.
# - A judge is tested in both orders, and against people by κ.
#
# **Limits.** Our threads are made of frames round one text, so the leak is as bad as leaks get. The intervals cover the chance of drawing rows, not a change of the world, and not labels that are wrong.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. A model for X-ray images is split by image; each patient has about five. What will be wrong with its accuracy, and in which direction?</summary>
#
# Images of one patient are on both sides, so the model can recognise patients. The accuracy is too high for new patients. Split by patient.
# </details>
#
# <details><summary>2. Two models are right on 900 and 910 of the same 1000 rows. What do you need to know to compute McNemar's p-value?</summary>
#
# On how many rows exactly one of them is right. Is it 10 rows to 0, p is 0.002; is it 60 to 50, p is about 0.4.
# </details>
#
# <details><summary>3. A judge always says "first". What are its consistency, its position bias, and its κ with people who never call a tie?</summary>
#
# Consistency 0: the winner changes with the order. Position bias 1. Every pair ends as a tie, so it never agrees with people, and chance wouldn't either: κ is 0.
# </details>
#
# **Next.** Everything here compared an answer with the right one, or a guess with a label. A summary has no single right text. Lesson 6 builds the metrics that count shared words, and fools them.
#
# ## Further reading
#
# - Efron and Tibshirani 1993, *An Introduction to the Bootstrap*, Chapman & Hall.
# - Guo et al. 2017, [On Calibration of Modern Neural Networks](https://arxiv.org/abs/1706.04599), arXiv:1706.04599.
# - Dror et al. 2018, [The Hitchhiker's Guide to Testing Statistical Significance in Natural Language Processing](https://aclanthology.org/P18-1128/).
# - Zheng et al. 2023, [Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena](https://arxiv.org/abs/2306.05685), arXiv:2306.05685.
# - Kapoor and Narayanan 2022, [Leakage and the Reproducibility Crisis in ML-based Science](https://arxiv.org/abs/2207.07048), arXiv:2207.07048.
# - Hugging Face, [Perplexity of fixed-length models](https://huggingface.co/docs/transformers/perplexity).
