# %% [markdown]
# # What a large language model is, and what it is good for
#
# Somebody starts a story: *Once upon a time, there was a little …*
# You already have a word in mind, and a second one in case the first is wrong.
# A language model of the kind that writes does exactly this, and nothing else. It reads a text and says how likely every possible next piece is.
# (Lesson 5 meets its relatives, which fill gaps instead.)
# Below, a real one does it four times in a row: SmolLM2-135M-Instruct, the small model that accompanies this course, its *weights* (the numbers that it consists of) rounded to 4 bits each to be small.
# Each time the likeliest piece, in blue, is put at the end of the text.

# %% demo
from handbook import load_lm, plots
from handbook.plots_next_token import token_by_token

lm = load_lm()
token_by_token(lm, "Once upon a time, there was a little", steps=4, k=5)

# %% [markdown]
# Look at how different the four panels are. Sometimes the model is nearly sure, sometimes it has no favourite.
# Both are right: after "there was a little" many words fit.
# The pieces are called *tokens*. In English text like this most are whole words with the space before them, shown as `␣`; the lesson on tokens makes them.
#
# ## The definition
#
# A **language model** is a function. It takes a list of tokens $x_1 \dots x_{t-1}$ and returns a probability for every token of its vocabulary to be the next, $x_t$.
# From this one function the probability of a whole text follows, one token after the other:
#
# $$P(x_1, \dots, x_T) = \prod_{t=1}^{T} P(x_t \mid x_1, \dots, x_{t-1})$$
#
# **Large** says how the function is written down: as a neural network with very many numbers, its *parameters*, found by training on very much text.
# On paper, for a text of three tokens:

# %%
import math

steps = {"The": 0.20, " cat": 0.05, " sleeps": 0.10}  # P(token | everything before it)
probability = math.prod(steps.values())
surprise = [-math.log2(p) for p in steps.values()]  # in bits: 1 bit is one fair coin
print(f"P(text) = {probability:.4f}; surprise in bits: {', '.join(f'{s:.1f}' for s in surprise)}, together {sum(surprise):.1f}")

# %% [markdown]
# Products of many small numbers soon become too small to store, so one adds logarithms. A token of probability $p$ costs $-\log_2 p$ bits of *surprise* (with ln instead of log2: *nats*; 1 nat is 1.44 bits).
#
# **Predict before you run.** The two sentences below have the same words. Which one surprises SmolLM2 more, and at which word does it notice?
# (The first token of each gets no number: the model needs something to read before it can predict.)

# %% demo
print(f"{lm.parameters:,} parameters; {lm.next_token_logits('The').numel():,} tokens in the vocabulary")
for sentence in ("Then she put the book on the table.", "Then she put the table on the book."):
    bits = lm.token_nll(sentence) / math.log(2)  # nll: negative log-likelihood, the surprise in nats
    plots.token_strip(lm.tokens(sentence)[1:], bits, title=f"{sentence} {bits.sum():.0f} bits", value="surprise of each token after the first, in bits",
                      decimals=1, limits=(0, 12))

# %% [markdown]
# Up to *the* both cost the same. In the second, *table* is already a little odd, and the largest surprise sits where the sense breaks: at the last noun.
# Nobody told the model what books and tables are. It has read that books are put on tables far more often than tables on books.
# That is the strength of such a model, and its weakness: it knows what *tends to be written*.
#
# ## From scores to probabilities
#
# The network itself gives no probabilities. It gives one *score* for each token, a **logit**: any number, larger means likelier.
# The softmax turns scores into probabilities, and a **temperature** $T$ decides how far apart they come to lie (Hinton et al. 2015):
#
# $$p_i = \frac{e^{z_i / T}}{\sum_j e^{z_j / T}}$$
#
# By hand, for three scores:

# %%
scores = [2.0, 1.0, 0.0]
for T in (1.0, 0.5, 4.0):
    powers = [math.exp(z / T) for z in scores]
    print(f"T = {T}: " + ", ".join(f"{x / sum(powers):.3f}" for x in powers))

# %% [markdown]
# **Predict before you run anything.** Can a temperature make the second-best token the likeliest one?
# What is left when $T$ goes to 0, and what when it grows without end? Write your three answers down; the docstring below and the picture after it settle them.
#
# ## A short bridge to PyTorch
#
# The exercises use *tensors*, PyTorch's arrays. This one cell holds all that they need; if you know NumPy, `dim` is its `axis`.
# **Predict** the shape of `x.sum(-1)` before you run it.

# %%
import torch

x = torch.tensor([[1.0, 2.0, 5.0], [4.0, 3.0, 1.0]])  # shape (2, 3): two rows of three scores
totals = x.sum(-1)  # (2, 3) -> (2,): the last axis is summed away
column = x.sum(-1, keepdim=True)  # (2, 3) -> (2, 1): it stays, with length 1
print("shapes:", tuple(totals.shape), "and with keepdim", tuple(column.shape))
print("each row by its own sum:", (x / column).tolist())  # (2, 3) / (2, 1): the one column serves all three

small = x < 3  # a mask: (2, 3) of True and False
print("masked_fill:", x.masked_fill(small, 0.0).tolist())
print("torch.where:", torch.where(small, torch.tensor(0.0), x).tolist())  # the same: where small take 0, elsewhere x

copy = x.clone()  # numbers of its own
copy[0, 0] = 100.0
print("x keeps its", x[0, 0].item())

# %% [markdown]
# `x / totals` is an error: PyTorch lines shapes up at their last axis, and 3 does not fit 2. With `keepdim=True` the shapes are (2, 3) and (2, 1), and an axis of length 1 fits any.
# Methods whose name ends in `_`, and assignments such as `x[0, 0] = …`, change the tensor itself; if it is the caller's, work on a `.clone()`.
#
# `(..., V)` in a docstring means any number of axes in front, or none: (V,) is one row of scores, (B, V) a *batch* of B rows.
# Write for the last axis, `dim=-1`, and it works for all of them.
#
# ## Exercise: From scores to probabilities · 2 points · ★★☆

# %% exercise="sampling-next-token-distribution"
import torch
from torch import Tensor


def next_token_distribution(logits: Tensor, temperature: float) -> Tensor:
    """Turn scores into probabilities, sharpened or flattened by a temperature.

    Shapes: logits (..., V), float · returns (..., V), float; each row of the last axis sums to 1. Leading axes are any number of batch axes.
    logits are between -10,000 and 10,000, or -inf: a token that is ruled out and gets probability 0. Each row has at least one finite score.
    temperature is 0, or from 0.001 to 1,000,000. At 0 return the limit: the highest score of each row gets probability 1,
        and if several are exactly equal to it, they share equally.
    The result never holds NaN or infinity. Leave logits as they came.
    Raises: ValueError if temperature is negative.

    >>> next_token_distribution(torch.tensor([3.0, 1.0, 3.0]), 0)
    tensor([0.5000, 0.0000, 0.5000])

    Source: Hinton et al. 2015, arXiv:1503.02531 (the softmax with a temperature).
    """
    ### BEGIN SOLUTION
    if temperature < 0:
        raise ValueError(f"temperature is {temperature}; it must be 0 or more")
    if temperature == 0:
        top = logits == logits.amax(dim=-1, keepdim=True)  # (..., V), True for the highest of each row
        return top / top.sum(dim=-1, keepdim=True)
    return torch.softmax(logits / temperature, dim=-1)  # torch's softmax takes the maximum out first, so exp can't overflow
    ### END SOLUTION


# %% [markdown]
# **What you should see.** `next_token_distribution(torch.tensor([2.0, 1.0, 0.0]), 0.5)` gives the second line of the paper example: 0.867, 0.117, 0.016.

# %% check="sampling-next-token-distribution"

# %% [markdown]
# **What it means in the real model.** The order of the tokens never changes; only the distances do.
# Towards 0 the best token takes everything; without end, all tokens come to hold the same.
# A low temperature writes what is safe, a high one what is rare. Here is a text that has no best next word. Compare what the five best hold together, colour by colour.

# %% demo
from handbook import sampling
from handbook.answers import yours_or_ours

distribution = yours_or_ours("next_token_distribution", globals(), sampling.next_token_distribution, exercise="sampling-next-token-distribution")
logits = lm.next_token_logits("My favourite colour is")
top = logits.topk(5).indices
plots.bars([plots.visible(lm.decode([int(i)])) for i in top], {f"T = {T}": distribution(logits, T)[top] for T in (0.5, 1.0, 2.0)},
           title="After “My favourite colour is”, at three temperatures", xlabel="probability", ylabel="next token", decimals=3)

# %% [markdown]
# ## The long tail
#
# To *write*, the model must choose: one draws a token by its probability.
# But there are tens of thousands of tokens, and almost all of them are nonsense at any given place. Each has a tiny probability.
#
# **Predict before you run.** After "My favourite colour is", how much probability do the tokens outside the best 100 hold *together*?
# If you draw 60 tokens, one after the other, how often do you expect one of those?

# %% demo
probabilities = torch.softmax(logits, -1).sort(descending=True).values
outside = probabilities[100:].sum().item()
print(f"the {len(probabilities) - 100:,} tokens outside the best 100 hold {outside:.0%} together; the largest of them {probabilities[100]:.4f}")
print(f"at this rate, 60 draws would land there about {60 * outside:.0f} times")

# %% [markdown]
# Every one of those draws can derail a text, because the model must go on from whatever stands there.
# So one rules tokens out before drawing: their score becomes $-\infty$, and the softmax gives them 0.
#
# The simplest rule is **top-k**: keep the $k$ best scores. On paper, with $k = 2$ and the scores 5, 1, 4, 4, 2: two scores of 4 tie for the second place.
# Nothing says which of them is better, so this course keeps both.
#
# ## Exercise: Keep the k best · 2 points · ★★☆

# %% exercise="sampling-top-k"
import torch
from torch import Tensor


def top_k_filter(logits: Tensor, k: int) -> Tensor:
    """Rule out every token but the k best: set its score to -inf.

    Shapes: logits (..., V), float · returns (..., V), float. Leading axes are any number of batch axes; each row of the last axis is treated by itself.
    A token stays if its score is at least the k-th highest of its row; so all that are exactly equal to the k-th stay too.
    What stays keeps its score and its place. k may be larger than V: then everything stays. Scores of -inf may come in, and remain -inf.
    Leave logits as they came.
    Raises: ValueError if k is less than 1.

    >>> top_k_filter(torch.tensor([5.0, 1.0, 4.0, 4.0, 2.0]), 2)
    tensor([5., -inf, 4., 4., -inf])

    Source: Fan et al. 2018, arXiv:1805.04833 (drawing from the k likeliest tokens); the rule for ties is this course's.
    """
    ### BEGIN SOLUTION
    if k < 1:
        raise ValueError(f"k is {k}; at least one token must stay")
    kth = logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]  # (..., V) -> (..., 1)
    return logits.masked_fill(logits < kth, float("-inf"))
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Three scores of the paper example stay, although $k$ is 2.

# %% check="sampling-top-k"

# %% [markdown]
# **What it means in the real model.** One $k$ for all places is a poor fit. The next cell keeps five tokens after each of three texts.
# **Predict before you run:** after which text do the five hold nearly everything, and after which the least?

# %% demo
keep_k = yours_or_ours("top_k_filter", globals(), sampling.top_k_filter, exercise="sampling-top-k")
PROMPTS = ("The doctor told the patient to take the medicine twice a", "The capital of France is", "My favourite colour is")
for prompt in PROMPTS:
    logits = lm.next_token_logits(prompt)
    kept = keep_k(logits, 5).isfinite()
    print(f"{torch.softmax(logits, -1)[kept].sum():6.1%} of the probability is in the best five after: {prompt}")

# %% [markdown]
# Where the model is sure, five are too many. Where it is not, five throw most of the good tokens away.
#
# **Top-p** fixes the probability instead of the number. It keeps the smallest set of likeliest tokens that together reach $p$, the *nucleus* (Holtzman et al. 2019).
# On paper, with $p = 0.7$:
#
# | token | probability | likelier ones hold together | stays? |
# |---|---|---|---|
# | a | 0.5 | 0 | yes |
# | b | 0.3 | 0.5, which is under 0.7 | yes: without it the set would not reach 0.7 |
# | c | 0.2 | 0.8 | no |
#
# **Predict:** with $p = 0.4$, which tokens stay? And with $p = 0.0001$, is anything left to draw from?

# %%
import torch

probabilities = torch.tensor([0.5, 0.3, 0.2])
before = probabilities.cumsum(0) - probabilities
for p in (0.7, 0.4, 0.0001):
    print(f"p = {p}: stays {[token for token, b in zip('abc', before, strict=True) if b < p]}")

# %% [markdown]
# The token that *crosses* $p$ belongs to the set; leave it out and a sure model ends with nothing at all.
# If the likelier tokens hold *exactly* $p$, the set has reached it and is complete: under $p$ means $<$, not $\le$.
# In this example the tokens happen to be sorted. In a vocabulary they never are.
#
# ## Exercise: Keep the nucleus · 3 points · ★★★

# %% exercise="sampling-top-p"
import torch
from torch import Tensor


def top_p_filter(logits: Tensor, p: float) -> Tensor:
    """Rule out every token outside the nucleus: set its score to -inf.

    Shapes: logits (..., V), float · returns (..., V), float. Leading axes are any number of batch axes; each row of the last axis is treated by itself.
    The probabilities are the softmax of a row. A token stays if all tokens with a strictly higher score hold less than p together.
        So the best token always stays, the one that crosses p stays, and tokens with equal scores stay or go together.
    What stays keeps its score and its place. With p = 1 everything stays, however unlikely.
    logits are between -1000 and 1000, or -inf, which remains -inf. Each row has at least one finite score. Leave logits as they came.
    Raises: ValueError unless 0 < p <= 1.

    >>> top_p_filter(torch.tensor([0.2, 0.5, 0.3]).log(), 0.7)
    tensor([   -inf, -0.6931, -1.2040])

    Source: Holtzman et al. 2019, arXiv:1904.09751 (nucleus sampling); the rule for ties is this course's.
    """
    ### BEGIN SOLUTION
    if not 0 < p <= 1:
        raise ValueError(f"p is {p}; it must be above 0 and at most 1")
    if p == 1:
        return logits.clone()  # a sum near 1 is rounded: do not ask it whether it is less than 1
    ordered = logits.sort(dim=-1, descending=True).values
    probabilities = torch.softmax(ordered, dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities  # (..., V): what the likelier ones hold together
    last = (before < p).sum(dim=-1, keepdim=True) - 1  # (..., 1): the place of the last one that stays
    return logits.masked_fill(logits < ordered.gather(-1, last), float("-inf"))
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example, 0.5 and 0.3 stay where they were, in the second and third place.

# %% check="sampling-top-p"

# %% [markdown]
# **What it means in the real model.** The same $p = 0.9$ keeps one token here and hundreds there. Note the scale: each step of the grid is ten times the one before.

# %% demo
from handbook.plots_next_token import nucleus_sizes

nucleus = yours_or_ours("top_p_filter", globals(), sampling.top_p_filter, exercise="sampling-top-p")
sizes = [int(nucleus(lm.next_token_logits(prompt), 0.9).isfinite().sum()) for prompt in PROMPTS]
nucleus_sizes(["medicine twice a …", "capital of France is …", "favourite colour is …"], sizes, title="How many tokens make up 90% of the probability")

# %% [markdown]
# ## The loop that writes
#
# You now have everything for a writer. Ask for scores, choose a token, put it at the end, ask again.
# By hand, with a "model" that always wants the next number and token 9 as the end:

# %%
def count_on(ids):
    """Scores for 20 tokens (20,): the best is the last id plus one."""
    return torch.nn.functional.one_hot(torch.tensor(ids[-1] + 1), 20).float()


def best(scores):
    return int(scores.argmax())


print("the model reads [6, 7], the chosen token is", best(count_on([6, 7])))
print("the model reads [6, 7, 8], the chosen token is", best(count_on([6, 7, 8])))
print("9 is the end, so the result is [6, 7, 8, 9]")

# %% [markdown]
# The text that the model starts from is the *prompt*; the token that ends a text is called `eos`, "end of sequence".
#
# **Predict:** how many tokens does the model read in total to write 100 new ones after a prompt of 10, if it reads the whole text each time?
# (Part 4 saves most of that work with a *cache*, which keeps what was worked out for earlier tokens. Here you write the plain loop.)
#
# ## Exercise: The loop that writes · 2 points · ★☆☆

# %% exercise="generation-loop"
from collections.abc import Callable

from torch import Tensor


def generate(
    step: Callable[[list[int]], Tensor],
    ids: list[int],
    max_new_tokens: int,
    eos_id: int | None,
    sampler: Callable[[Tensor], int],
) -> list[int]:
    """Continue a prompt, one token at a time.

    Args: step(ids) takes a list (no tensor, no tuple) of all token ids so far, prompt and new ones, and returns the scores (V,) of the next token.
        sampler(scores) takes exactly what step returned and returns the id that is chosen, an int.
        ids is the prompt, a list of at least one id; leave it as it came. max_new_tokens is 0 or more.
        eos_id is the id that ends a text (any id, 0 included), or None: then nothing ends it early.
    Returns: a new list: the prompt, then the new ids. It ends with eos_id if that was chosen, and otherwise after max_new_tokens new ids.
        An eos_id in the prompt ends nothing.
    step and sampler are each called once for every new token, and not more often. With max_new_tokens = 0 a copy of the prompt comes back.
    Nothing is kept from one call to the next, and an error that step or sampler raises is not caught.

    With a step whose best token is always the last id plus one, and a sampler that takes the best (both are in the cell above):
    generate(count_on, [6, 7], 5, 9, best) returns [6, 7, 8, 9].

    Source: the chain of probabilities at the top of this lesson, read from left to right.
    """
    ### BEGIN SOLUTION
    ids = list(ids)  # the caller's prompt stays as it is
    for _ in range(max_new_tokens):
        token = sampler(step(ids))
        ids.append(token)
        if token == eos_id:
            break
    return ids
    ### END SOLUTION


# %% [markdown]
# **What you should see.** `generate(count_on, [6, 7], 5, 9, best)` ends after two new tokens, because 9 is the end; with `None` in place of 9 it goes on to 12.

# %% check="generation-loop"

# %% [markdown]
# The prediction: 10 tokens for the first new one, 11 for the next, … and 109 for the last, 5,950 in all to write 100.
#
# **What it means in the real model.** Put temperature, nucleus and loop together, and SmolLM2 writes with *your* code.
# `torch.multinomial` draws a place by its probability. Mind the order: divide by the temperature first, then filter, so that the nucleus is one of the probabilities that you draw from.
# **Predict before you run:** one of the four texts goes round in circles, one falls apart. Which? And which order keeps more tokens at T = 2?

# %% demo
write = yours_or_ours("generate", globals(), exercise="generation-loop")


def by_drawing(temperature, p, seed=1):
    dice = torch.Generator().manual_seed(seed)
    return lambda scores: int(torch.multinomial(distribution(nucleus(scores / temperature, p), 1.0), 1, generator=dice))  # T first, then the filter


samplers = {"always the best": lambda scores: int(scores.argmax()), "T = 1, p = 0.9": by_drawing(1.0, 0.9), "T = 1, no filter": by_drawing(1.0, 1.0),
            "T = 2, no filter": by_drawing(2.0, 1.0)}
for name, sampler in samplers.items():
    ids = write(lm.next_token_logits, lm.encode("The cat sat on the"), 22, lm.tokenizer.eos_token_id, sampler)
    print(f"{name:>16}: {lm.decode(ids)!r}")

logits = lm.next_token_logits("My favourite colour is")
temperature_first, filter_first = (int(nucleus(z, 0.9).isfinite().sum()) for z in (logits / 2.0, logits))
print(f"T = 2, p = 0.9 after “My favourite colour is”: temperature first keeps {temperature_first:,} tokens, filter first {filter_first:,}")

# %% [markdown]
# Always taking the likeliest token gives text that repeats itself; people do not write the likeliest word each time (Holtzman et al. 2019 measured it).
# A hot, unfiltered draw finds the tail. The useful settings lie between, and which is best depends on the task.
#
# The last line shows why the order matters. A temperature of 2 flattens the probabilities, so more tokens are needed to reach 0.9.
# Filter first, and the same $p = 0.9$ means 0.9 of *other* probabilities than those you draw from.
# The Transformers library divides first and filters afterwards, so compare settings only between programs that agree on the order.
# (For top-k the order makes no difference: a temperature never changes who is among the best k.)
#
# *A good place for a break: you have built the writer. What follows is about what to do with it.*
#
# ## One set of weights, many tasks
#
# Summaries, answers and translations are texts too. Write the task down, and the likeliest continuation is the solution, *if* the model has learnt that much.
# SmolLM2-135M-Instruct has been trained further to follow such requests. Nothing is switched between the calls below: same weights, another prompt.
#
# **Predict before you run.** Rank the four: which will it do best, and which worst?

# %% demo
REPORT = ("The night train from Vienna to Rome stood in the snow for six hours on Tuesday. An avalanche had closed the pass. "
          "Volunteers from the nearest village carried tea and blankets to the 214 passengers. Nobody was hurt, and the line opened again at noon.")
tasks = {"summarise": f"Summarise in one sentence: {REPORT}", "answer": f"{REPORT}\n\nHow many passengers were on the train?",
         "recall": "What is the capital of France?", "translate": "Translate into German: The cat drinks milk."}
for task, prompt in tasks.items():
    print(f"{task:>9}: {lm.chat(prompt, max_new_tokens=36)}")

# %% [markdown]
# The capital is right. The summary is usable, though it mostly copies the first two sentences. The answer is there in the text, and it finds it.
# The translation looks like German and says nothing; the right one is *Die Katze trinkt Milch.*
#
# Why? Ask the model how well it predicts each language in the first place. The next cell gives it one sentence in four languages and counts the surprise.

# %% demo
from handbook.plots_next_token import bits_per_character

bits_per_character(lm, {
    "English": "The snow closed the pass, and the train arrived six hours late.",
    "French": "La neige a fermé le col, et le train est arrivé avec six heures de retard.",
    "Spanish": "La nieve cerró el paso, y el tren llegó con seis horas de retraso.",
    "German": "Der Schnee sperrte den Pass, und der Zug kam mit sechs Stunden Verspätung an.",
}, title="What one sentence costs SmolLM2 in four languages")

# %% [markdown]
# English costs it least by far. (Languages also differ in how much one character says, so read the size of the gap, not its decimals.)
# Three causes come together, and neither cell above can tell them apart:
#
# - **What it read.** Its model card (the page on which its makers describe it) names one language, English. What it has seen of the others came in by the way.
# - **How much it can hold.** It has 135 million numbers for everything: grammar, facts, code, and every language.
# - **How finely it is stored.** This copy keeps 4 bits of each number. What was learned least may suffer most.
#
# Is it size, then? To know, one needs models that differ in nothing but size.
# Brown et al. 2020 (arXiv:2005.14165) trained eight, from 125 million to 175 billion parameters, on the same text, 93% of it English.
# With examples in the prompt, translation gets better as the models grow, in all six directions that they tested.
# The smallest of the eight is about as large as SmolLM2. So size is one cause: with the same text, a larger model keeps more of what is rare in it.
# Is it the cause here? A relative with 13 times the parameters can't tell: by their model cards it has also read more, 11 trillion tokens against 2 trillion.
# You can still see whether both causes together are enough, if your machine reaches the Hugging Face hub
# (it takes about 7 GB of memory): `load_lm("HuggingFaceTB/SmolLM2-1.7B-Instruct").chat(tasks["translate"])`.
#
# ## What it is good for
#
# Every industry has work that is text in, text out. Here are four requests as they come up. **Predict** which answers you could use as they are.

# %% demo
requests = {
    "healthcare": "Note: Patient reports a headache since Monday. No fever. Takes ibuprofen.\n\nSummarize the note in one sentence.",
    "finance": "A loan of 8000 euros costs 6 percent interest a year. How much interest is that in one year?",
    "support": "Write a polite reply to a customer whose parcel is late.",
    "law": "Clause: The tenant may end this agreement by giving 60 days' written notice.\n\nHow many days' notice must the landlord give?",
}
for industry, request in requests.items():
    print(f"{industry:>10}: {' '.join(lm.chat(request, max_new_tokens=50).split())}\n")

# %% [markdown]
# Read them again as the person who must act on them.
#
# - **Healthcare.** The sentence is fluent, and it is not what the note says: the note is no reminder to take anything. A doctor who compares both sees it at once.
# - **Finance.** The method is right and the number is wrong: 6 per cent of 8000 is 480. A calculator does this exactly, for nothing.
# - **Support.** Polite, but it brings up a refund that nobody mentioned, and says that it is no customer service. Someone must read it before it is sent.
# - **Law.** The clause says nothing about the landlord, and that is the right answer. The model goes on about the tenant, as if you had asked for him.
#
# One tiny model proves little about larger ones: expect fewer such mistakes there, and no fewer fluent sentences around them.
# So the first question about a use is not "can it write this?" but: what happens if it is wrong, who notices, and what are we allowed to send where?
#
# ## Exercise: Decide from facts, not from the title · 3 points · ★★☆
#
# Sixteen proposals are in `handbook.use_cases`, four from each of four industries, with the facts that their owners could give. Some facts are missing, as always.
# Your function decides by five published rules. Hard constraints come first: no benefit outweighs them.
# The rules are this course's, kept short; real ones come from law and from your organisation.
# (In the EU, for example, Article 14 of Regulation 2024/1689 demands human oversight of high-risk systems.)
#
# **Predict:** "Tell patients whether a rash is harmless", and "Shorten visit notes for the next doctor". Both are about patients. Will they get the same decision?

# %%
from handbook.use_cases import USE_CASES

for field, value in USE_CASES[0].items():
    print(f"{field:>14}: {value}")

# %% exercise="use-cases-triage"
FIELDS = {
    "personal_data": (True, False),  # does the text speak of people who can be identified?
    "runs_on": ("own servers", "contracted provider", "public service"),  # where the text is sent
    "harm": ("low", "high"),  # what a wrong output does if nobody notices
    "final_say": ("person", "model"),  # who acts on the output
    "exact_rule": (True, False),  # could an ordinary program do the task exactly?
    "checkable": (True, False),  # can the user check the output against a source at hand?
}


def triage_use_case(card: dict) -> str:
    """Decide what to do with a proposed use of a language model, from its facts alone.

    card holds facts by field. Only the six fields of FIELDS decide, each with one of the values listed there.
        All other fields ("title", "industry", …) may be there or not, and never decide.
    Rules: the first that applies gives the decision.
        1. personal_data is True and runs_on is "public service" -> "reject"             (hard constraint)
        2. harm is "high" and final_say is "model"               -> "reject"             (hard constraint)
        3. exact_rule is True                                    -> "use a program"
        4. harm is "high", or checkable is False                 -> "human review"
        5. otherwise                                             -> "go ahead"
    A field that is absent or None is unknown. Think of every way to fill in all unknown fields with values from FIELDS:
        if all of them lead to the same decision, return it; if not, return "insufficient information".
    Leave the card as it came.

    >>> triage_use_case({"title": "Sort mail", "personal_data": False, "runs_on": "public service", "harm": "low",
    ...                  "final_say": "model", "exact_rule": False, "checkable": True})
    'go ahead'
    >>> triage_use_case({"personal_data": True, "runs_on": "public service"})  # rejected whatever the rest may be
    'reject'
    >>> triage_use_case({"personal_data": True})
    'insufficient information'

    Source: the rules are this course's.
    """
    ### BEGIN SOLUTION
    for field, values in FIELDS.items():
        if card.get(field) is None:  # unknown: try each value, and see whether it matters
            decisions = {triage_use_case({**card, field: value}) for value in values}
            return decisions.pop() if len(decisions) == 1 else "insufficient information"
    if card["personal_data"] and card["runs_on"] == "public service":
        return "reject"
    if card["harm"] == "high" and card["final_say"] == "model":
        return "reject"
    if card["exact_rule"]:
        return "use a program"
    if card["harm"] == "high" or not card["checkable"]:
        return "human review"
    return "go ahead"
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Over the sixteen cards all five decisions occur, and the two about patients get different ones.

# %% check="use-cases-triage"

# %% [markdown]
# **What it means in practice.** Here are the sixteen proposals, decided by your rules.
# For each "insufficient information", say which *one* question you would send back to its owner. (One card has two gaps, and only one of them matters.
# Another has a gap and is decided all the same: why?)

# %% demo
triage = yours_or_ours("triage_use_case", globals(), exercise="use-cases-triage")
for card in USE_CASES:
    missing = [field for field, value in card.items() if value is None]
    print(f"{card['industry']:>10}  {card['title']:<53}  {triage(card)}" + (f" (unknown: {', '.join(missing)})" if missing else ""))

# %% [markdown]
# ## Recap
#
# - A language model gives a probability to every possible next token. The probability of a text is the product over its tokens.
# - The network gives scores. A temperature and the softmax make probabilities of them; top-k and top-p cut the tail off.
# - Writing is a loop: score, choose, append. The same weights summarise, answer and translate, each as well as they have learnt it.
# - Fluent is not the same as right. Decide about a use from its facts: data, harm, who has the final say, and whether anyone can check.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. Three scores are 2, 1 and 0. Which probabilities come out as T goes to 0, which as T grows without end, and what never changes in between?</summary>
#
# 1, 0, 0 and then 1/3 each. The order of the tokens never changes.
# </details>
#
# <details><summary>2. Probabilities 0.6, 0.3, 0.1 and p = 0.7: which tokens stay, and why is the second not cut although the two hold more than 0.7?</summary>
#
# The first two. Before the second the likelier ones hold 0.6, which is under 0.7: it is the token that crosses p, and without it the set would not reach p.
# </details>
#
# <details><summary>3. A proposal has an unknown fact. When may you decide all the same?</summary>
#
# When every value that the fact can have leads to the same decision.
# </details>
#
# **Next.** You can turn scores into text. Where do good scores come from? Lesson 2 measures three generations of answers, from counting words to pretrained transformers.
#
# **Further reading.** Hinton, Vinyals and Dean 2015, *Distilling the Knowledge in a Neural Network*, arXiv:1503.02531 (the temperature) ·
# Fan, Lewis and Dauphin 2018, *Hierarchical Neural Story Generation*, arXiv:1805.04833 (top-k) ·
# Holtzman et al. 2019, *The Curious Case of Neural Text Degeneration*, arXiv:1904.09751 (top-p) ·
# Brown et al. 2020, *Language Models are Few-Shot Learners*, arXiv:2005.14165 (what size changes) ·
# Allal et al. 2025, *SmolLM2: When Smol Goes Big*, arXiv:2502.02737 (the model that you used).
