# %% [markdown]
# # Mixing data: more, better, or once more
#
# Lesson 2.2 cleaned the text, and now there is less of it. This lesson is about what you can do then: write variations of what you have, mix several sources, read the good part more than once, or put up with noise.
#
# The choice stays visible in the model for ever. Here SmolLM2 reads eight pieces of small talk that say the same in eight languages, a short story, and a function in Python.
#
# **Predict before you run.** Which text surprises it least? Where do you expect the languages?

# %% demo
from handbook import load_lm
from handbook import mixing_lab as lab

lab.surprise_by_source(load_lm())

# %% [markdown]
# The bars are an imprint of the mixture: SmolLM2 was fed English web pages and code (Ben Allal et al. 2025), and what came rarely stayed strange. Nobody forbade it Finnish. It was a matter of shares.
#
# ## More data: augmentation
#
# Suppose that you have forty labelled support tickets. *Augmentation* makes new ones out of them by changes that leave the label true. The simplest change puts a synonym in place of a word.
# Simple, and easy to get wrong. **Predict before you run:** what is spoilt in each line?

# %%
ticket = "My gold lamp, ordered at Old Mill Lighting, is old and not broken."
print(ticket.replace("old", "aged"))
print(ticket.replace("Old", "Aged"))
print(ticket.replace("not ", ""))

# %% [markdown]
# The first makes "gaged" of "gold", and a careless pattern hits inside words. The second renames a shop: a model that learns to find shops is now taught one that does not exist.
# The third drops a word at random, as some recipes do, and turns the complaint around: its label is no longer true.
#
# So names have to be protected, words have to be whole, and nothing may be removed that carries the meaning.
#
# ## Exercise: Augmentation that keeps the label · 3 points · ★★☆

# %% exercise="mix-augment"
import random
import re
from collections.abc import Mapping, Sequence

SYNONYMS = {"old": ("aged", "worn"), "quick": ("fast",), "fast": ("quick", "speedy"), "broken": ("damaged", "faulty"), "buy": ("purchase",)}


def augment(
    text: str,
    rng: random.Random,
    synonyms: Mapping[str, Sequence[str]] = SYNONYMS,
    keep: Sequence[str] = (),
    p: float = 0.3,
) -> str:
    """Return the text with some of its words replaced by synonyms, so that its label stays true.

    A word is an unbroken run of letters, of any alphabet: "old-time" and "it's" hold two each.
    - A word that is a key of `synonyms` when written in lower case (str.lower) is replaced with chance p, each one by a draw
      of its own, by one of its synonyms; all of them are equally likely. What was put in is not replaced again.
    - If the word begins with a capital, so does what replaces it; the rest of the synonym stays as it is in the table.
    - `keep` lists names as they stand in the text. Wherever one occurs, in the same case and not as a part of longer words,
      none of its words is replaced. Names may hold spaces and signs ("Dr. Old", "C++") and may overlap.
    - All else stays as it is: other words, spaces, punctuation, digits. The arguments are left as they are.
    All chance comes from rng: equal states give equal texts, and the state moves on.
    Raises: ValueError if p is not between 0 and 1 (this test is given).

    >>> augment("Old gold? The Old Mill is old.", random.Random(0), {"old": ["aged"]}, keep=["Old Mill"], p=1.0)
    'Aged gold? The Old Mill is aged.'

    Source: synonym replacement as in Wei and Zou 2019, "EDA", arXiv:1901.11196, with names protected.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"a chance lies between 0 and 1, not at {p}")
    ### BEGIN SOLUTION
    letter = r"[^\W\d_]"
    kept: set[int] = set()
    for name in keep:
        for found in re.finditer(rf"(?<!{letter}){re.escape(name)}(?!{letter})", text):
            kept.update(range(*found.span()))

    def replaced(found):
        word = found[0]
        choices = synonyms.get(word.lower())
        if not choices or found.start() in kept or rng.random() >= p:
            return word
        new = rng.choice(choices)
        return new[0].upper() + new[1:] if word[0].isupper() else new

    return re.sub(rf"{letter}+", replaced, text)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example "gold" and the name stay, and the first word keeps its capital. With p = 0 the text comes back unchanged.

# %% check="mix-augment"

# %% [markdown]
# **What it means for a real model.** Does it help? Here a linear head on MiniLM learns to sort tickets into six topics, from four tickets a topic; then from the same ones with four variations of each.
#
# **Predict before you run.** Five times the data: what becomes of the accuracy?

# %% demo
from handbook import load_encoder, plots
from handbook.answers import yours_or_ours

vary = yours_or_ours("augment", globals(), exercise="mix-augment")
tickets = lab.Tickets(load_encoder())
plain = tickets.accuracy()
varied = tickets.accuracy(lambda text, rng: vary(text, rng, synonyms=lab.TICKET_SYNONYMS, p=0.8))
lab.accuracy_bars({"24 tickets": plain, "and 96 variations": varied})

# %% [markdown]
# Next to nothing happens. MiniLM has read so much that it knows *charged* and *billed* for neighbours; a variation tells it what it knew. New tickets would tell it more.
# Augmentation pays where it adds what the model lacks: for models trained from little, for spellings and formats that your users write and your data doesn't, and to balance a bias.
# Measure it, as you did here, before you believe in it.
#
# ## Several sources: who gets how much?
#
# A corpus of 8,000 English, 200 Finnish and 10 Swahili documents: read in proportion, Swahili is one document in 821. Read in equal parts, each Swahili document is seen hundreds of times before the English ones are through.
# *Temperature* moves between the two: shares are proportional to $n^{1/T}$.

# %%
sizes = {"English": 8000, "Finnish": 200, "Swahili": 10}
for temperature in (1, 2, 5, 100):
    powers = {name: n ** (1 / temperature) for name, n in sizes.items()}
    print(f"T = {temperature:3}:", {name: round(power / sum(powers.values()), 3) for name, power in powers.items()})

# %% [markdown]
# mT5 was trained on 101 languages with the exponent $1/T = 0.3$ (Xue et al. 2021). T5 had used a second brake: a *limit* on what the size of a source may count for (Raffel et al. 2020).
#
# ## Exercise: Mixture weights · 2 points · ★☆☆

# %% exercise="mix-weights"
import math
from collections.abc import Mapping


def mixture_weights(sizes: Mapping[str, int], temperature: float = 1.0, limit: int | None = None) -> dict[str, float]:
    """Return the share of every source in a mixture; the shares sum to 1, in the order of `sizes`.

    A source of n documents counts as min(n, limit), or n if there is no limit. Shares are proportional to that number to the
        power of 1 / temperature. So temperature 1 is in proportion, math.inf is in equal parts, and close to 0 the
        largest source takes all (equally large ones share it).
    A source without documents has share 0.0 at every temperature.
    Sizes reach 10 ** 15 and temperatures 0.001, and nothing may overflow. Leave `sizes` as it came.
    Raises: ValueError if the temperature or the limit is not above 0, a size is negative, or all are 0 (this test is given).

    >>> mixture_weights({"web": 900, "books": 100, "lost": 0}, temperature=2.0)
    {'web': 0.75, 'books': 0.25, 'lost': 0.0}

    Source: Raffel et al. 2020, arXiv:1910.10683 (temperature and limit); Xue et al. 2021, arXiv:2010.11934.
    """
    if not temperature > 0 or (limit is not None and limit <= 0) or min(sizes.values(), default=0) < 0 or not any(sizes.values()):
        raise ValueError("a temperature and a limit above 0, and a source that holds something, are needed")
    ### BEGIN SOLUTION
    logs = {name: math.log(min(n, limit or n)) / temperature for name, n in sizes.items() if n > 0}
    largest = max(logs.values())
    powers = {name: math.exp(logs[name] - largest) if name in logs else 0.0 for name in sizes}
    total = sum(powers.values())
    return {name: power / total for name, power in powers.items()}
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example the roots are 30 and 10, so the shares are three quarters and one quarter. (Yours may differ in the last digit.)

# %% check="mix-weights"

# %% [markdown]
# **What it means for a real corpus.** A higher temperature is not free. Suppose a run reads 4,105 documents of the corpus above. How often is each one read?

# %% demo
shares_of = yours_or_ours("mixture_weights", globals(), exercise="mix-weights")
temperatures = [1, 1.5, 2, 3, 5, 10]
passes = {name: [4105 * shares_of(sizes, t)[name] / n for t in temperatures] for name, n in sizes.items()}
plots.lines(
    temperatures,
    passes,
    title="Small sources pay for their share with repetition",
    xlabel="temperature",
    ylabel="times that a document is read",
    logy=True,
)

# %% [markdown]
# At temperature 5 every Swahili document is read more than sixty times. What such repetition is worth, you will measure below.
#
# ## Mixing as a stream
#
# Shares are a plan. To carry it out you need a stream: documents one after the other, from sources that may not fit into memory or never end. Each step draws a source and takes its next document.
#
# **Predict before you run.** Three documents of A and one of B, alternating as in a zip fastener: what is the last pair, and what happened to the rest of A?

# %%
print(list(zip(["a1", "a2", "a3"], ["b1"], strict=False)))

# %% [markdown]
# A source that ends must not end the mixture. It starts again: its next *pass*, or *epoch*, begins.
# And a run of weeks will be interrupted. To resume, the same seed must give the same stream, from any point on.
#
# ## Exercise: A stream of mixed documents · 4 points · ★★★

# %% exercise="mix-sample"
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def sample_mixture(sources: Mapping[str, Iterable[Any]], weights: Mapping[str, float], seed: int, skip: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield (name of the source, item) for ever, in a random mixture of the sources.

    Args: sources[name] can be iterated again and again, as a list can; it may be endless · weights[name] is proportional to
        the chance that an item comes from this source; the weights need not sum to 1 · seed is an int.
    - Every item's source is drawn anew, whatever was drawn before. Then the source's next item follows, in its own order.
    - A source that has ended begins again with iter(source). All items are yielded, None and 0 too.
    - Streaming: no item of a source is read before it is to be yielded (or skipped), and a source that is never drawn, such
      as one of weight 0, is never opened.
    - Reproducible: the same sources, weights and seed give the same pairs, whatever other random numbers are drawn
      meanwhile; nobody else's random state is touched. Another seed draws the sources in another order.
    - With skip = n the first n pairs are left out: the stream goes on from there as it would have without a break.
    Raises, at the latest when the first item is asked for: ValueError if the names of sources and weights differ, a weight is
        negative, or none is above 0 (this test is given). ValueError as well when a source that is drawn has no items at all.

    Source: weights and seed as in `interleave_datasets` of Hugging Face's datasets, but without an end, and resumable.

    >>> stream = sample_mixture({"a": [1, 2], "b": "xyz"}, {"a": 0, "b": 7}, seed=5, skip=2)
    >>> [next(stream) for _ in range(3)]
    [('b', 'z'), ('b', 'x'), ('b', 'y')]
    """
    if set(sources) != set(weights) or min(weights.values(), default=0) < 0 or not any(weights.values()):
        raise ValueError("each source needs a weight of 0 or more, and one of them more than 0")
    ### BEGIN SOLUTION
    end = object()  # no item can be this object
    rng = random.Random(seed)
    names = list(sources)
    shares = [weights[name] for name in names]
    iterators: dict[str, Iterator[Any]] = {}
    done = 0
    while True:
        name = rng.choices(names, shares)[0]
        item = next(iterators[name], end) if name in iterators else end
        if item is end:
            iterators[name] = iter(sources[name])
            item = next(iterators[name], end)
        if item is end:
            raise ValueError(f"the source {name} is empty")
        if done >= skip:
            yield name, item
        done += 1
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example "a" has weight 0, and two of "xyz" are skipped. If your first item is an error about `StopIteration`: inside a generator, it has to be caught.

# %% check="mix-sample"

# %% [markdown]
# ## Noisy and large, or clean and small?
#
# Now the question of this lesson. You have 20 clean stories, or 3,500 in which a fifth of the words has been replaced at random. The compute is the same: 300 steps of a small model, 235,200 words.
# The few are read 111 times, the many less than once.

# %% demo
few, many = lab.clean_stories(20), lab.noisy_stories(3500)
budget = 300 * lab.STEP_WORDS
for name, source in (("few, clean", few), ("many, noisy", many)):
    print(f"{name:12} {len(source):5} stories, {lab.words_in(source):7,} words, read {budget / lab.words_in(source):6.1f} times")
print("\nclean:", few.texts[0][:90], "\nnoisy:", many.texts[0][:90])

# %% [markdown]
# **Predict before you run.** Both models are tested on clean stories that neither has seen. Who is ahead after 100 steps? After 300? And could a half-and-half mixture beat both?

# %% demo
mix = yours_or_ours("sample_mixture", globals(), exercise="mix-sample")
corpora, test = {"few, clean": few, "many, noisy": many}, lab.held_out()
runs = {name: lab.train_on(lab.only(source, name), test) for name, source in corpora.items()}
runs["half of each"] = lab.train_on(mix(corpora, {"few, clean": 1, "many, noisy": 1}, 0), test)
lab.curves(runs, "Which data is best depends on the compute")

# %% [markdown]
# There is no answer without a budget:
#
# - **Little compute: quality wins.** Up to about step 150 the few clean stories are ahead, far ahead of the noisy ones. Noise has to be averaged away, and that takes steps.
# - **Much compute: quantity wins.** The clean model learns its 20 stories by heart: then its loss on new stories rises. The noisy one keeps falling, and some 60 steps later it is ahead.
# - **The mixture wins in the end.** The clean half shows what is right, the noisy half brings names and turns that the 20 stories lack.
#
# We chose the number of stories and the noise so that all of this fits into 300 steps, and you see one run of each. With more clean stories the crossing comes later, and with worse noise it may never come.
#
# Large corpora are built on this trade. Goyal et al. (2024) find the same crossing for models of pictures and their captions: the right strictness of a filter depends on the compute.
#
# ## What a repetition is worth
#
# The clean model lived on repetition, and for a while that went well. How long? Muennighoff et al. (2023) trained some 400 models to find out. Their formula: the first pass is worth one pass of fresh data, and each further pass is worth less than the one before, by a factor that stays the same.
# With $r^*$, the scale of that decay in passes, $e$ passes are worth as much as
#
# $$1 + r^* \left(1 - \exp\left(-\frac{e - 1}{r^*}\right)\right)$$
#
# passes of fresh data. Their fit was $r^* \approx 15.4$:

# %%
import math

r_star = 15.387756  # as in the authors' repository, huggingface/datablations
for epochs in (1, 2, 4, 16, 40, 1000):
    print(f"{epochs:4} passes are worth {1 + r_star * (1 - math.exp(-(epochs - 1) / r_star)):5.2f}")

# %% [markdown]
# Four passes are nearly as good as four times the data. After forty, reading on is almost a waste; and all the passes in the world are worth about 16 fresh ones.
#
# ## Exercise: What a repetition is worth · 3 points · ★★☆
#
# Two functions: the formula, and the fit that finds $r^*$ from measurements.

# %% exercise="mix-epochs-penalty"
import math
from collections.abc import Sequence

R_MIN, R_MAX = 0.1, 1000.0


def effective_epochs(epochs: float, r_star: float) -> float:
    """Return how many passes of fresh data are worth as much as `epochs` passes over the same data.

    Up to one pass nothing is repeated, and the answer is `epochs` itself. Beyond, it is
        1 + r_star * (1 - exp(-(epochs - 1) / r_star)).

    >>> round(effective_epochs(4, 15.387756), 2)
    3.73
    """
    ### BEGIN SOLUTION
    if epochs <= 1:
        return epochs
    return 1 + r_star * (1 - math.exp(-(epochs - 1) / r_star))
    ### END SOLUTION


def epochs_penalty(epochs: Sequence[float], worth: Sequence[float]) -> float:
    """Fit r_star to measurements: epochs[i] passes over the same data were worth as much as worth[i] passes of fresh data.

    Returns: the r_star from R_MIN to R_MAX with the smallest sum of squared differences between worth[i] and
        effective_epochs(epochs[i], r_star), to within 1 %. A large one means that repetition costs little.
    Measurements come in any order, and may hold an error; where no r_star fits better than the end of the range, it is that end.
    Raises: ValueError if the lengths differ, or nothing was repeated (this test is given).

    >>> round(epochs_penalty([1, 4, 16, 64], [1.0, 3.73, 10.58, 16.13]), 1)
    15.4

    Source: Muennighoff et al. 2023, "Scaling Data-Constrained Language Models", arXiv:2305.16264.
    """
    if len(epochs) != len(worth) or not any(e > 1 for e in epochs):
        raise ValueError("give one worth for each number of epochs, at least one of them above 1")
    ### BEGIN SOLUTION

    def error(log_r):
        return sum((effective_epochs(e, math.exp(log_r)) - w) ** 2 for e, w in zip(epochs, worth, strict=True))

    low, high = math.log(R_MIN), math.log(R_MAX)
    for _ in range(5):  # each grid is twenty times as fine as the one before
        step = (high - low) / 40
        best = min((low + i * step for i in range(41)), key=error)
        low, high = max(low, best - step), min(high, best + step)
    return math.exp(best)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example gives the authors' 15.4 back.

# %% check="mix-epochs-penalty"

# %% [markdown]
# **What it means in your model.** You have the run on 20 stories. One more, on clean stories of which hardly any comes twice, says how much fresh data gives the same loss.
#
# **Predict before you run.** Will your $r^*$ be 15?

# %% demo
runs["many, clean"] = lab.train_on(lab.only(lab.clean_stories(3500), "fresh"), test, steps=150)
passes, worth = lab.worth_of_passes(runs["few, clean"], runs["many, clean"], few)
fit_penalty, effective = (yours_or_ours(name, globals(), exercise="mix-epochs-penalty") for name in ("epochs_penalty", "effective_epochs"))
r_star = fit_penalty(passes, worth)
lab.worth_picture(passes, {"measured": worth, f"fitted, r* = {r_star:.0f}": [effective(e, r_star) for e in passes], "if all were fresh": passes})

# %% [markdown]
# The shape is there: worth grows and levels off. The number is another: it depends on the model, the data and the optimizer, and yours is a tiny model on simple stories, measured at a few points. Fit your own.
#
# And look at the misfit. Repetition is worth more than the formula says at first, and then breaks off faster. The formula never falls, but your loss on new stories rose: the measured points end where it did.
# More repetition than that is not worthless but harmful.
#
# ## The honest test: groups stay together
#
# All of this was judged on held-out stories. Had copies of the training stories been among them, the verdict would have been another. Here are the three models, tested on clean new stories, and on a test set of which half was also in the few.
#
# **Predict before you run.** On new stories the clean model is the worst of the three. And in the second test?

# %% demo
leaky = [*test[:20], *few.texts]
judged = ("few, clean", "many, noisy", "half of each")
losses = {
    "new stories": [lab.loss_on(runs[name].model, test) for name in judged],
    "half of them copies": [lab.loss_on(runs[name].model, leaky) for name in judged],
}
plots.bars(list(judged), losses, title="A leak changes the order", xlabel="test loss (nats a word)", ylabel="trained on")

# %% [markdown]
# Measured honestly, noise and quantity beat the few clean stories. On the leaky test the few beat them clearly: half of what is asked, that model knows by heart.
# The leak did not add some noise to the result. It turned their order round.
#
# Leaks start with the split. Copies, chapters of one book, tickets of one customer: whatever belongs together has to land on one side *together*, as a *group*. In lesson 2.2 you found such groups as near duplicates.
#
# **Predict before you run.** A colleague puts a group into the test if `hash(name) % 100 < 20`. Here Python starts three times and works out that number for the same name. Is it the same?

# %% demo
import os
import subprocess
import sys

for salt in ("1", "2", "3"):  # unless you fix it, Python takes a random salt at each start
    command = [sys.executable, "-c", "print(hash('story 5') % 100)"]
    print(subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": salt}, capture_output=True, text=True).stdout.strip())

# %% [markdown]
# Python salts the hash of strings each time it starts. A split made with `hash()` puts other groups into the test after every restart: soon the model has trained on all of them.
#
# ## Exercise: Splitting by group · 3 points · ★★☆

# %% exercise="mix-split-by-group"
import hashlib
import random
from collections.abc import Sequence


def split_by_group(groups: Sequence[str], share: float = 0.2, seed: int = 0) -> tuple[list[int], list[int]]:
    """Split examples into training and test so that no group is on both sides.

    Args: groups[i] is the name of the group that example i belongs to.
    Returns: (train, test), the positions of the examples on each side, in ascending order. Every position is in one of them.
    Each group, whatever its name, is in the test with chance `share`, a small one like 0.0002 too. Its side depends on its own name, the share and the seed, and on nothing else:
        not on the other groups, the number or the order of the examples, earlier calls, or hash(), which is another one in
        every run of Python. So a corpus can grow, and no old group changes sides.
    With a larger share, groups move from training to test only. Under another seed the sides are drawn anew.
    Raises: ValueError if the share is not strictly between 0 and 1 (this test is given).

    >>> train, test = split_by_group(["ada", "bob", "ada", "eve"], share=0.5)
    >>> sorted(train + test), (0 in test) == (2 in test)
    ([0, 1, 2, 3], True)

    Source: the aim of scikit-learn's GroupShuffleSplit, reached by a hash, so that no group ever moves.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share must lie between 0 and 1, not at {share}")
    ### BEGIN SOLUTION

    def in_test(group):
        digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64 < share

    test = [at for at, group in enumerate(groups) if in_test(group)]
    held = set(test)
    return [at for at in range(len(groups)) if at not in held], test
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example positions 0 and 2 are on the same side, whichever it is. With few groups the test may well be empty: chance decides for each of them.

# %% check="mix-split-by-group"

# %% [markdown]
# ## Looking for leaks
#
# Often nobody knows the groups: the training text comes from the web, and so, perhaps, did the test. Then you search. Whole texts are the wrong thing to compare, as a copy with one changed word would pass.
# The makers of GPT-3 looked for runs of words, 13 at most, that a test example shares with the training text (Brown et al. 2020).

# %%
train_text = "Slow steps, as they say, reach the end of the road."
test_text = "SLOW STEPS -- as they say -- reach the end of a road!"
print("equal:", train_text == test_text)
print("longest run in common: slow steps as they say reach the end of (9 words)")

# %% [markdown]
# ## Exercise: Is the test in the training data? · 3 points · ★★☆

# %% exercise="mix-contaminated"
import re
from collections.abc import Sequence


def contaminated(train: Sequence[str], test: Sequence[str], n: int = 13) -> list[int]:
    """Find the test texts that share a run of n words with a training text; return their positions, in ascending order.

    Words are the unbroken runs of letters and digits, of any alphabet, of text.casefold(): case, punctuation, underscores and
        spaces don't count, and "don't" is the two words don and t.
    A test text is contaminated if n of its words stand one after the other in one and the same training text too.
    A test text of fewer than n words is contaminated if all of its words stand so in a training text. One without words never is.
    Leave the lists as they came.
    Raises: ValueError if n < 1 (this test is given).

    >>> contaminated(["Slow steps reach the end."], ["No.", "slow STEPS: reach it", "The end", ""], n=3)
    [1, 2]

    Source: after Brown et al. 2020, "Language Models are Few-Shot Learners", arXiv:2005.14165.
    """
    if n < 1:
        raise ValueError("a run has at least one word")
    ### BEGIN SOLUTION

    def words_of(text):
        return re.findall(r"[^\W_]+", text.casefold())

    def runs_of(words, k):
        return {tuple(words[at : at + k]) for at in range(len(words) - k + 1)}

    rows = [words_of(text) for text in train]
    seen: dict[int, set[tuple[str, ...]]] = {}  # length -> all runs of that length in the training texts
    found = []
    for at, words in enumerate(map(words_of, test)):
        k = min(n, len(words))
        if k not in seen:
            seen[k] = set().union(*(runs_of(row, k) for row in rows))
        if k > 0 and runs_of(words, k) & seen[k]:
            found.append(at)
    return found
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example the second text shares a run of three, and the third has two words, both in a row in the training text.

# %% check="mix-contaminated"

# %% [markdown]
# **What it means for a real corpus.** Take the stories of lesson 2.2, cleaned, copies and near copies included, and split them twice: at random, and by the story that they come from.
#
# **Predict before you run.** Which share of the test is contaminated, by each split? Does it matter how long the run is?

# %% demo
from handbook.planted_dirt import pages

split, find = (
    yours_or_ours(name, globals(), exercise=f"mix-{at}") for name, at in (("split_by_group", "split-by-group"), ("contaminated", "contaminated"))
)
stories = [page for page in pages() if page.source >= 0]
by_story = split([f"story {page.source}" for page in stories])
at_random = split([f"page {at}" for at in range(len(stories))])
texts = {name: tuple([stories[at].clean for at in side] for side in sides) for name, sides in (("at random", at_random), ("by story", by_story))}
lab.share_contaminated(find, texts, [8, 13, 20, 30, 40, 60])

# %% [markdown]
# Read it from both ends. Short runs accuse everybody: our stories are told in set phrases, and even in the split by story every test text shares 13 words in a row with some training text. Long runs overlook copies in which a word was changed here and there.
# At 40 words the honest split is clean, and most of the other one is not. A run of 13 may suit the web, not our stories: no n is right for all texts, so look at what is found, at several lengths.
#
# ## What it means in the real models
#
# | question | what is done |
# |---|---|
# | how much of each source? | temperature for languages (mT5); for domains, weights that a small model finds (DoReMi, Xie et al. 2023) |
# | how often may good data come? | a few times without regret; some parts of a mixture are repeated on purpose |
# | quality or quantity? | by the compute: filter hard for a short run, less hard for a long one |
# | can a model write the data? | yes, with another one's knowledge in it; copies of copies lose the rare cases (Shumailov et al. 2024) |
# | is the test clean? | search for shared runs, report both scores: with and without the contaminated examples |
#
# ## Recap
#
# - Augmentation must leave the label true: protect names, replace whole words, drop nothing. Then measure whether it helps.
# - Temperature moves the shares from proportional to equal; the price is repetition of small sources.
# - A mixture is a stream: drawn anew each time, restarted at a source's end, the same for the same seed, resumable.
# - Clean and small wins short runs, noisy and large wins long ones, a mixture often beats both.
# - Passes over the same data are worth less and less, and in the end they harm.
# - Split by group, with a hash that outlives the process; then search for shared runs of words all the same.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. Two sources of 100 and 10,000 documents are mixed at T = 2, and 1,100 documents are read. How often is each document of the small one read?</summary>
#
# The roots are 10 and 100, so its share is 1 in 11: 100 documents are drawn from it, each about once. At T = 1 it would have been 11 documents in all.
# </details>
#
# <details><summary>2. A colleague found that 5,000 hand-picked texts beat 5 million from the web, and wants to train a large model on them. What do you ask?</summary>
#
# At what compute. Few texts win short runs. In a long one they are read hundreds of times, learnt by heart, and overtaken.
# </details>
#
# <details><summary>3. The groups are shuffled by a seeded generator, and the first fifth is the test. What goes wrong when new groups are added next month?</summary>
#
# The shuffle of a longer list is another one: old groups change sides, and what was training text turns up in the test. Decide for each group by its own name.
# </details>
#
# **Next.** The data is chosen, mixed and split. Lesson 2.4 trains on it: the schedule, the optimizer, the search for settings, and whether to start from scratch at all.
#
# ## Further reading
#
# - Muennighoff et al. 2023, [Scaling Data-Constrained Language Models](https://arxiv.org/abs/2305.16264), arXiv:2305.16264; code and fits: [huggingface/datablations](https://github.com/huggingface/datablations).
# - Goyal et al. 2024, [Scaling Laws for Data Filtering](https://arxiv.org/abs/2404.07177), arXiv:2404.07177: how strictly to filter depends on the compute.
# - Wei and Zou 2019, [EDA: Easy Data Augmentation Techniques](https://arxiv.org/abs/1901.11196), arXiv:1901.11196.
# - Xue et al. 2021, [mT5](https://arxiv.org/abs/2010.11934), arXiv:2010.11934: sampling 101 languages.
# - Xie et al. 2023, [DoReMi](https://arxiv.org/abs/2305.10429), arXiv:2305.10429: mixture weights found by a small model.
# - Brown et al. 2020, [Language Models are Few-Shot Learners](https://arxiv.org/abs/2005.14165), arXiv:2005.14165: GPT-3 and its contamination study.
# - Ben Allal et al. 2025, [SmolLM2](https://arxiv.org/abs/2502.02737), arXiv:2502.02737: how the data of your model was mixed.
# - Shumailov et al. 2024, [AI models collapse when trained on recursively generated data](https://www.nature.com/articles/s41586-024-07566-y), Nature 631.
