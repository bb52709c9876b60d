# %% [markdown]
# # Pretraining objectives: what a model is asked
#
# Lesson 4 built the part that reads, attention, and the mask that says who may read whom. This lesson is about the question that such a network is trained on.
#
# Nobody labels the text that a language model learns from. The text labels itself: hide a piece of it, ask for that piece, and the answer is known.
# What is hidden, and what may be read to find it, is called the *pretraining objective*.
#
# SmolLM2 was pretrained with the simplest one: read the beginning, say the next token.
# You can watch it do so. Each bar is the model's *surprise* at a token that it had to predict. You know surprise from lesson 1, in bits;
# losses are in nats, $-\log p$ with the natural logarithm, and each factor of ten in probability costs the same 2.3 nats more.

# %% demo
from handbook import load_lm
from handbook.plots_objectives import surprise_bars

lm = load_lm()
text = "The capital of France is Paris, the capital of Japan is Tokyo, and the capital of Italy is cheese."
surprise_bars(lm.tokens(text)[1:], lm.token_nll(text))

# %% [markdown]
# Read the bars by what the model could have known:
#
# - The first bar, " capital", is large: after a single word nearly everything may follow.
# - " Paris" and " Tokyo" are nearly free: the model knows these facts, and by the second capital it has seen how the sentence goes.
# - " Japan" is expensive, although nothing is wrong with it: the model can't know which country comes next.
# - " cheese" is the largest. The model is not just unsure, it is sure of something else.
#
# Pretraining does nothing but lower such bars. The smallest SmolLM2 did it over two trillion tokens ([model card](https://huggingface.co/HuggingFaceTB/SmolLM2-135M)).
# Facts, grammar and style are learnt because each of them lowers some bars. (The version you run was tuned to follow instructions afterwards: lesson 1.6 is about that step.)
#
# ## One text, three questions
#
# Three objectives made the three best-known families of models. All three hide tokens and ask for them, by the same loss. They differ in what they hide:

# %% demo
from handbook.plots_objectives import three_objectives

three_objectives(["the", "cat", "sat", "on", "the", "old", "mat", "."], masked=[2, 6], spans=[(1, 3), (5, 6)])

# %% [markdown]
# | | causal (GPT, SmolLM2) | masked (BERT) | spans (T5) |
# |---|---|---|---|
# | what is hidden | everything that comes later | some tokens, about 15 % | some spans, about 15 % of the tokens |
# | a position may read | itself and what is before it | the whole corrupted text | the whole corrupted text, and the target so far |
# | it must say | the next token | the original of each hidden token | the spans, one after the other |
#
# You now build all three batches and the loss, and then train one small network three times.
#
# ## The causal batch
#
# A causal model reads a row of tokens and gives, at every position, a guess at the token that follows. So one row of four tokens is three questions at once:

# %%
row = ["the", "cat", "sat", "down"]
for t in range(len(row) - 1):
    print(f"position {t}: has read {' '.join(row[: t + 1]):12}  must say {row[t + 1]}")

# %% [markdown]
# Rows of one batch have different lengths, and short ones are filled up with padding. Nobody should learn to say padding.
# PyTorch's *cross-entropy* (the mean surprise at the targets, worked out from the logits) leaves out targets of −100, so that is what the target becomes wherever the next token is padding.
#
# **Predict before you run.** A slice of a tensor is a *view*: it shares its memory with the tensor. What do the two lines below print?

# %%
import torch

ids = torch.tensor([5, 8, 3, 0])
targets = ids[1:]
targets[targets == 0] = -100
print("targets", targets.tolist())
print("ids    ", ids.tolist())

# %% [markdown]
# The padding in `ids` is gone too: the next reader of this row would meet a token with the number −100. Keep this in mind.
#
# ## Exercise: A causal batch · 2 points · ★☆☆
#
# Here and below, tests of the arguments that are not the point of the exercise are given. Leave them where they are and write what follows.

# %% exercise="objective-causal-batch"
import torch
from torch import Tensor


def causal_lm_batch(ids: Tensor, pad_id: int | None = None) -> tuple[Tensor, Tensor]:
    """Cut token ids into what a causal language model reads and what it must say next.

    Shapes: ids (..., T), int64, any number of batch axes or none · returns (inputs, targets), both (..., T - 1), int64.
    The inputs are all tokens but the last of each row. The target at position t is the token at t + 1 of the same row.
    Where that token is `pad_id`, the target is -100, which PyTorch's cross-entropy leaves out. Any id can be pad_id, 0 too;
        with None every target counts. The inputs keep their padding.
    Raises: ValueError if T < 2 (this test is given).
    Leave ids as it came.

    >>> causal_lm_batch(torch.tensor([[5, 8, 3, 0]]), pad_id=0)
    (tensor([[5, 8, 3]]), tensor([[   8,    3, -100]]))

    Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training".
    """
    if ids.shape[-1] < 2:
        raise ValueError(f"a row of {ids.shape[-1]} token has nothing to predict")
    ### BEGIN SOLUTION
    inputs, targets = ids[..., :-1], ids[..., 1:].clone()  # (..., T) -> twice (..., T - 1)
    if pad_id is not None:
        targets[targets == pad_id] = -100
    return inputs, targets
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Print `causal_lm_batch(torch.tensor([[5, 8, 3, 0]]), pad_id=0)`: each target is the input one place to its right, and the padding has become −100.

# %% check="objective-causal-batch"

# %% [markdown]
# ## The causal loss
#
# The loss is the mean of the bars in the first picture: $-\frac{1}{N}\sum \log p(\text{token}_{t+1} \mid \text{tokens}_{\le t})$ over the $N$ tokens that count.
# Two things go wrong here more often than anywhere else, and neither raises an error.
#
# *The shift.* Some code shifts in the batch, as you just did. Other code, Transformers among it, hands the unshifted ids to the loss and shifts there.
# Shift exactly once. Without any shift the model is asked for the token it has just read, and its loss falls to almost nothing.
# With two shifts it must say the token after the next, and its loss stays high.
#
# *The denominator.* By hand, with a vocabulary of three tokens and scores that are all equal, so that each token costs $\log 3 = 1.0986$ nats:

# %%
from torch import nn

targets = torch.tensor([2, 0, 1, -100, -100, -100])  # three tokens and three places of padding
nll = nn.functional.cross_entropy(torch.zeros(6, 3), targets, ignore_index=-100, reduction="none")
print("each position     ", [round(x, 4) for x in nll.tolist()])
print("divided by 6      ", round(float(nll.sum() / 6), 4), " <- padding makes the model look better than it is")
print("divided by 3      ", round(float(nll.sum() / 3), 4))

# %% [markdown]
# **Predict before you run.** One row has 9 tokens to predict and a loss of 1 nat each; another has 1 token and a loss of 5 nats. What is the loss of the batch: 3, or less?

# %%
print("mean of the two rows    ", (1.0 + 5.0) / 2)
print("mean over the ten tokens", (9 * 1.0 + 1 * 5.0) / 10)

# %% [markdown]
# The mean over tokens is what the formula says. The mean of rows gives the lonely token nine times the weight of the others.
# The same slip was found in widely used training code in October 2024, between the parts into which a large batch is cut to fit the memory ([transformers #34191](https://github.com/huggingface/transformers/pull/34191)).
#
# ## Exercise: The causal loss · 3 points · ★★☆
#
# This function gets the ids unshifted, so the shift is yours to make.
# Training asks the loss for its *gradient* (which way to change each weight) by `loss.backward()`. So compute it from the logits with tensor operations, all the way.

# %% exercise="objective-causal-loss"
import torch
from torch import Tensor


def causal_lm_loss(logits: Tensor, ids: Tensor, ignore_index: int = -100) -> Tensor:
    """Average a causal model's surprise at each token, given the tokens before it, in nats.

    Shapes: logits (B, T, V), float · ids (B, T), int64, in 0 ... V - 1 or ignore_index · returns a scalar tensor, float,
        connected to the logits so that backward() works.
    logits[:, t] are the scores for the token at t + 1: the last position's logits and the first token of a row are not used.
    A token equal to `ignore_index` is not predicted: it counts neither in the sum nor in the number you divide by.
        All other tokens weigh the same, whatever their row. If none is left, the loss is 0, and so is its gradient.
    The result is finite also for logits of ten thousand.
    Raises: ValueError if logits and ids differ in B or in T (this test is given).
    Leave logits and ids as they came.

    >>> causal_lm_loss(torch.zeros(1, 4, 3), torch.tensor([[0, 2, 1, -100]]))   # log 3, from two tokens
    tensor(1.0986)

    Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training".
    """
    if logits.shape[:2] != ids.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and ids {tuple(ids.shape)} do not fit together")
    ### BEGIN SOLUTION
    scores, targets = logits[:, :-1], ids[:, 1:]  # (B, T - 1, V) and (B, T - 1): position t speaks about token t + 1
    counted = targets != ignore_index
    log_probs = torch.log_softmax(scores, dim=-1)[counted]  # (N, V): only what counts
    nll = -log_probs.gather(-1, targets[counted].unsqueeze(-1))  # (N, 1)
    return nll.sum() / max(nll.numel(), 1)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example gives 1.0986: two tokens count, each costs $\log 3$, and the padding costs nothing.

# %% check="objective-causal-loss"

# %% [markdown]
# **What it means in the real model.** Give SmolLM2 two sentences of different length in one padded batch.
# Transformers computes its own loss when it gets labels. The two numbers must agree.

# %% demo
from handbook.answers import yours_or_ours

loss_of = yours_or_ours("causal_lm_loss", globals(), exercise="objective-causal-loss")
rows = [lm.encode("The cat sat on the mat."), lm.encode(text)]
labels = torch.full((2, len(rows[1])), -100)
for label, row in zip(labels, rows, strict=True):
    label[: len(row)] = torch.tensor(row)
with torch.no_grad():
    out = lm.model(input_ids=labels.clamp(min=0), labels=labels)
print(f"your loss {loss_of(out.logits, labels).item():.5f} · Transformers' loss {out.loss.item():.5f}")

# %% [markdown]
# ## Perplexity of many batches
#
# You met perplexity in lesson 2: the exponential of the mean surprise, the number of equally likely tokens that the model hesitates between.
# New here: a test set is never one batch. You get a mean and a count per batch and must put them together. SmolLM2 reads one long dull text and one short strange one:

# %% demo
import math

texts = ["One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen.", "Cheese sings blue."]
token_nll = [lm.loss(t) for t in texts]
counts = [len(lm.token_nll(t)) for t in texts]
for t, nll, n in zip(texts, token_nll, counts, strict=True):
    print(f"{n:3} tokens · {nll:5.2f} nats a token · perplexity {math.exp(nll):9.1f} · {t[:30]}")

# %% [markdown]
# **Predict before you run.** Is the perplexity of both texts together nearer to the upper or to the lower of the two? And their plain average?

# %% demo
together = math.exp(sum(nll * n for nll, n in zip(token_nll, counts, strict=True)) / sum(counts))
print(f"average of the two perplexities {sum(map(math.exp, token_nll)) / 2:9.1f}")
print(f"perplexity of all tokens        {together:9.1f}")

# %% [markdown]
# The average of perplexities is ruled by its largest part, here a handful of tokens. It also changes when you cut the same text into other batches, and then no two people can compare results.
#
# ## Exercise: Perplexity over batches · 2 points · ★☆☆
#
# In lesson 2 you computed the perplexity of one text from its probabilities. This time the surprise is given, and putting batches together is the task: unequal ones, empty ones, impossible tokens.

# %% exercise="objective-perplexity"
import math


def perplexity(token_nll: list[float], counts: list[int]) -> float:
    """Combine the losses of several batches into the perplexity of all their tokens.

    Args: token_nll[i] is the mean surprise a token in batch i, in nats: 0 to 700, or infinite · counts[i] is its number of tokens.
    Returns: exp of the mean surprise over all tokens, each token weighing the same, so that batching makes no difference; 1 or more.
    A batch of 0 tokens is left out, whatever its mean (which is NaN as a rule). An infinite mean of a batch with tokens
        makes the perplexity infinite.
    Raises: ValueError if the lists differ in length or a count is negative (these tests are given), or if there are no tokens at all.
    Leave both lists as they came, and do not round.

    >>> round(perplexity([math.log(2), math.log(16)], [3, 1]), 4)     # 2 · 2 · 2 · 16 = 128, and its fourth root
    3.3636

    Source: Jelinek et al. 1977, "Perplexity - a measure of the difficulty of speech recognition tasks", doi:10.1121/1.2016299.
    """
    if len(token_nll) != len(counts) or any(count < 0 for count in counts):
        raise ValueError(f"{len(token_nll)} means and counts {counts} do not fit together")
    ### BEGIN SOLUTION
    scored = [(nll, count) for nll, count in zip(token_nll, counts, strict=False) if count > 0]
    if not scored:
        raise ValueError("there are no tokens")
    mean = sum(nll * count for nll, count in scored) / sum(count for _, count in scored)
    return math.exp(mean)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example gives 3.3636. The average of the two perplexities, 2 and 16, would be 9.

# %% check="objective-perplexity"

# %% [markdown]
# **What it means in the real model.** A perplexity belongs to a tokenizer: fewer, longer tokens cost more each. Compare it only between models that cut the text in the same way.
#
# To compare across tokenizers the field uses *bits per byte*: all the surprise of a text, in bits, divided by its length in bytes (Gao et al. 2020, The Pile, arXiv:2101.00027).
# However a model cuts a text, its bytes stay the same. (The first token is read here and not predicted, so its bytes don't count.)

# %% demo
for t, nll, n in zip(texts, token_nll, counts, strict=True):
    print(f"{nll * n / math.log(2) / len(t.removeprefix(lm.tokens(t)[0]).encode()):5.2f} bits a byte · {t[:30]}")

# %% [markdown]
# *A good place for a break: the causal model is done, and the other two begin here.*
#
# ## The masked batch
#
# A causal model reads from one side only. BERT reads from both, so it can't be asked for the next token: it would see it.
# Instead some tokens are *chosen*, about 15 %, and the model must name the original of each.
#
# If every chosen token became `[MASK]`, the model would learn one thing that is useless later: look at the text only when you see `[MASK]`. Real text has none.
# So the chosen tokens have three fates (Devlin et al. 2019, arXiv:1810.04805):
#
# | chance | the model reads | so it must |
# |---|---|---|
# | 80 % | `[MASK]` | guess from the context |
# | 10 % | a random token | doubt what it sees |
# | 10 % | the token itself | give an account of normal tokens too |
#
# By hand, with the fates already drawn:

# %%
words = ["the", "cat", "sat", "on", "the", "old", "mat"]
fate = {2: "[MASK]", 4: "piano", 6: "mat"}  # masked, random, unchanged
print("reads ", [fate.get(t, word) for t, word in enumerate(words)])
print("labels", [word if t in fate else -100 for t, word in enumerate(words)])

# %% [markdown]
# The last one is the trap: "mat" is unchanged and still has a label. Whether a token has a label depends on whether it was chosen, never on how it looks.
#
# **Predict before you run.** In a text of 10,000 tokens with $p = 0.15$: how many tokens have a label, and how many look different from the original?

# %%
print("with a label   ", 10_000 * 0.15)
print("look different ", 10_000 * 0.15 * 0.9, "(a little less: a random token is now and then the original)")

# %% [markdown]
# ## Exercise: A masked batch · 4 points · ★★★
#
# Random numbers come from a `torch.Generator` that the caller seeds. Draw from nothing else, and a run can be repeated exactly:

# %%
rng = torch.Generator().manual_seed(7)
print(torch.rand(3, generator=rng).tolist(), torch.randint(100, (3,), generator=rng).tolist())

# %% exercise="objective-masked-batch"
from collections.abc import Collection

import torch
from torch import Tensor


def mlm_batch(ids: Tensor, rng: torch.Generator, p: float, mask_id: int, vocab_size: int, special_ids: Collection[int]) -> tuple[Tensor, Tensor]:
    """Hide some tokens and keep the originals as labels, as BERT does.

    Shapes: ids (B, T), int64 · returns (inputs, labels), two new tensors, (B, T), int64.
    Each token is chosen with chance p, by a draw of its own. A token whose id is in special_ids (a list, tuple or set, maybe empty)
        is never chosen.
    labels: the original id where a token was chosen, -100 everywhere else.
    inputs: a chosen token becomes, by a second draw of its own, mask_id with chance 0.8, a random id with chance 0.1, and stays as it is
        with chance 0.1. Tokens that were not chosen stay. A random id is uniform over 0 ... vocab_size - 1, a new draw for each token;
        it may happen to be the original, mask_id or a special id.
    rng: a torch.Generator, the only source of randomness: torch's global generator is neither used nor seeded.
        Equal states give equal batches; each call goes on drawing from it.
    Raises: ValueError if p is not in 0 ... 1 (this test is given).
    Leave ids as it came.

    >>> mlm_batch(torch.tensor([[1, 7, 8, 2]]), torch.Generator().manual_seed(0), 1.0, mask_id=4, vocab_size=30, special_ids=[1, 2])[1]
    tensor([[-100,    7,    8, -100]])

    Source: Devlin et al. 2019, arXiv:1810.04805: the masked language model.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; a chance lies in 0 ... 1")
    ### BEGIN SOLUTION
    special = torch.isin(ids, torch.tensor(list(special_ids), dtype=ids.dtype))
    draw = torch.rand(ids.shape, generator=rng)
    chosen = (draw < p) & ~special
    labels = ids.masked_fill(~chosen, -100)
    fate = torch.rand(ids.shape, generator=rng)
    random_ids = torch.randint(vocab_size, ids.shape, generator=rng)
    inputs = ids.masked_fill(chosen & (fate < 0.8), mask_id)
    inputs = torch.where(chosen & (fate >= 0.9), random_ids, inputs)
    return inputs, labels
    ### END SOLUTION


# %% [markdown]
# **What you should see.** With p = 1 every ordinary token has a label, and the special tokens 1 and 2 have −100.
# The chances are chances, not quotas: of ten tokens, now none is chosen and now three are. The check counts over many tokens and allows for luck: a right answer fails it less than once in a million runs.

# %% check="objective-masked-batch"

# %% [markdown]
# Here is your batch on stories from the course's own small grammar. The numbers differ from 80, 10 and 10 by chance, and by the random tokens that happen to hit.

# %% demo
from handbook.plots_objectives import fates_of_chosen
from handbook.story_words import StoryWords

stories = StoryWords.from_grammar(4000, seed=1)
hide_tokens = yours_or_ours("mlm_batch", globals(), exercise="objective-masked-batch")
inputs, labels = hide_tokens(stories.ids, torch.Generator().manual_seed(2), 0.15, stories.mask_id, len(stories.words), stories.special_ids)
print(stories.text(inputs[0]))
fates_of_chosen(stories.ids, inputs, labels, stories.mask_id)

# %% [markdown]
# ## Spans and sentinels
#
# BERT names each hidden token in its place, so it always knows how many tokens are missing. T5 hides whole *spans* and does not tell their length:
# each span leaves one *sentinel* behind, a special token, and the target spells out what every sentinel stands for.

# %%
print("text   : the cat sat on the old mat .")
print("inputs : the <X> on the <Y> mat .")
print("targets: <X> cat sat <Y> old <Z>")

# %% [markdown]
# Two details matter. Every span has a sentinel of its own: with one sentinel for all, the model could not tell which gap it is filling.
# And the target ends with one more sentinel, here `<Z>`, which says: the last span is over.
#
# **Predict before you run.** The final T5 models hide 15 % of the tokens, in spans of 3 on average (Raffel et al. 2020, arXiv:1910.10683). Of a text of 1,000 tokens, how many tokens are in the inputs, and how many in the targets?

# %%
hidden, spans = 150, 150 // 3
print("inputs ", 1000 - hidden + spans, "· targets", hidden + spans + 1)

# %% [markdown]
# The target is a fifth of the text: short, and so cheap to train on.
#
# ## Exercise: Spans and sentinels · 3 points · ★★☆


# %% exercise="objective-t5-spans"
def t5_spans(ids: list[int], spans: list[tuple[int, int]], sentinels: list[int]) -> tuple[list[int], list[int]]:
    """Move spans of a text into a target and leave a sentinel in place of each, as T5 does.

    Args: ids is one text · spans are (start, end) positions in ids, half-open as in ids[start:end], in any order; they may touch,
        and each keeps its own sentinel even then (a rule of this course; T5's own code joins spans that touch) · sentinels are used in the order of their list; some may be left over.
    Returns: (inputs, targets), two new lists.
        inputs: the text, with the first span in it replaced by sentinels[0], the next by sentinels[1], and so on.
        targets: for each span, in the order of the text, its sentinel and its tokens; at the end the next unused sentinel.
        Without spans the inputs are the text, and the targets [sentinels[0]].
    Raises: ValueError if a span does not start before its end or reaches outside the text (a negative start too), if spans overlap,
        or if there are fewer than len(spans) + 1 sentinels (these tests are given).
    Leave the arguments as they came.

    >>> t5_spans([11, 12, 13, 14, 15, 16], [(1, 3), (4, 5)], [99, 98, 97])
    ([11, 99, 14, 98, 16], [99, 12, 13, 98, 15, 97])

    Source: Raffel et al. 2020, arXiv:1910.10683, section 3.1.4 and figure 2.
    """
    if len(sentinels) < len(spans) + 1:
        raise ValueError(f"{len(spans)} spans need {len(spans) + 1} sentinels; there are {len(sentinels)}")
    if not all(0 <= start < end <= len(ids) for start, end in spans):
        raise ValueError(f"one of the spans {spans} is empty or leaves the text of {len(ids)} tokens")
    hidden = [position for start, end in spans for position in range(start, end)]
    if len(set(hidden)) < len(hidden):
        raise ValueError(f"two of the spans {spans} overlap")
    ### BEGIN SOLUTION
    spans = sorted(spans)
    inputs: list[int] = []
    targets: list[int] = []
    at = 0  # where the last span ended
    for (start, end), sentinel in zip(spans, sentinels, strict=False):
        inputs += [*ids[at:start], sentinel]
        targets += [sentinel, *ids[start:end]]
        at = end
    return inputs + ids[at:], [*targets, sentinels[len(spans)]]
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example 12, 13 and 15 have moved to the target. Put the target's pieces back in place of their sentinels and you have the text again: nothing is lost.

# %% check="objective-t5-spans"

# %% [markdown]
# ## The same network, three times
#
# Now train. The network is always the same: one small transformer block with the same first weights, on the beginnings of 4,000 stories.
# Only the batch changes: the inputs, the labels, and the mask that says who may read whom.

# %% demo
from handbook.tiny import reads_the_past

shift_tokens = yours_or_ours("causal_lm_batch", globals(), exercise="objective-causal-batch")
rng = torch.Generator().manual_seed(3)


def causal_batch():
    inputs, labels = shift_tokens(stories.draw(24, rng), pad_id=stories.pad_id)
    return inputs, labels, reads_the_past(inputs.shape[1])


def masked_batch():
    inputs, labels = hide_tokens(stories.draw(24, rng), rng, 0.15, stories.mask_id, len(stories.words), stories.special_ids)
    return inputs, labels, torch.ones(inputs.shape[1], inputs.shape[1], dtype=torch.bool)


# %% [markdown]
# T5 has an encoder and a decoder. One network can do it too, as a *prefix language model*, which the T5 paper also tries:
# put inputs and targets in one row, let every position read all inputs, and score the targets only.

# %% demo
cut_spans = yours_or_ours("t5_spans", globals(), exercise="objective-t5-spans")


def span_batch():
    pairs = [cut_spans(row, stories.random_spans(rng), list(stories.sentinels)) for row in stories.draw(24, rng).tolist()]
    prefix = len(pairs[0][0])
    rows = torch.tensor([inputs + targets for inputs, targets in pairs])
    labels = rows[:, 1:].clone()
    labels[:, : prefix - 1] = -100  # the inputs are given, not asked for
    return rows[:, :-1], labels, reads_the_past(rows.shape[1] - 1, prefix)


print(reads_the_past(5, prefix=3).int())  # a line for each position that reads, a column for each that is read


# %% [markdown]
# **Predict before you run.** Each batch holds 24 story beginnings of 48 words. How many questions does each objective ask about them?

# %% demo
makers = {"causal": causal_batch, "masked": masked_batch, "spans": span_batch}
asked = {name: int((make_batch()[1] != -100).sum()) for name, make_batch in makers.items()}
for name, number in asked.items():
    print(f"{name:7} {number:5} questions in a batch of {24 * 48} words")

# %% [markdown]
# A causal batch asks about nearly every word; the others about one word in five to seven (the sentinels count as questions too). For the same reading, causal training gets the most answers back.
#
# **Predict once more.** Which loss falls fastest? And will the three curves end at the same height?

# %% demo
from handbook.plots_objectives import loss_curves
from handbook.tiny import TinyTransformer, train

networks, curves = {}, {}
for name, make_batch in makers.items():
    networks[name] = TinyTransformer(len(stories.words))
    curves[name] = train(networks[name], make_batch, steps=400)
loss_curves(curves, guessing=math.log(len(stories.words)))

# %% [markdown]
# The causal loss falls first: it has the most questions a step. Its end is a floor, not a failure: which name or which place comes next is the story-teller's free choice, and no training predicts it.
# The heights can't be compared: the three ask different questions. Compare each curve with itself instead.
#
# **Predict before you run.** How many steps does each network need for four fifths of the way from guessing to its own end? And how many questions?

# %% demo
for name, losses in curves.items():
    smooth = [sum(losses[at - 5 : at + 5]) / 10 for at in range(5, 396)]  # single batches are noisy
    goal = 0.2 * math.log(len(stories.words)) + 0.8 * smooth[-1]
    steps = next(at for at, loss in enumerate(smooth, start=5) if loss <= goal)
    print(f"{name:7} {steps:4} steps × {asked[name]:5} questions = {steps * asked[name]:7,} questions")

# %% [markdown]
# In steps the causal network is about three times as fast. In questions it is the slowest: six times as many questions do not make a step six times as good.
#
# ## What each of them can do
#
# Take 300 new stories and hide one word in each. The causal network sees what is before the word, the masked one sees both sides.
#
# **Predict before you run.** A story begins: "Once there ___ two kind otters called Carlo and Oskar. They lived by a quiet lake …"
# Who finds *was or were* more often? Who finds the trait, *kind*? Who finds *They*?

# %% demo
from handbook import plots
from handbook.story_words import chance_reading_all, chance_reading_left

new = StoryWords.from_grammar(300, seed=9, words=stories.words)
places = new.places()
left = [chance_reading_left(networks["causal"], new.ids, place) for place in places.values()]
both = [chance_reading_all(networks["masked"], new.ids, place, new.mask_id) for place in places.values()]
found = {"causal: reads the left side": left, "masked: reads both sides": both}
plots.bars(list(places), found, title="Who finds the hidden word", xlabel="mean probability of the right word", ylabel="hidden word")

# %% [markdown]
# - *was or were* depends on words that come after it. The causal network can only go by how common each is; the masked one reads the answer off the next word.
# - The trait, one of eight, shows only in the plot that follows. All that the left side betrays is *honest*, by the *an* before it. Otherwise the causal network must guess: one in five on average, however long you train it. The masked one does better, and is not finished learning.
# - *he, she or they* depends on the name before it. Both can see it, and the causal network has had far more questions about it.
#
# The causal network has another gift. It can write: say a word, read it back, say the next. That is its training objective, run as a loop.
# The span network also says word after word, but into the gaps, and it decides by a sentinel when a gap is full:

# %% demo
from handbook.tiny import extend

start = [stories.id_of[word] for word in ("Long", "ago", "there")]
print("causal:", stories.text(torch.tensor(extend(networks["causal"], start, 45, rng=torch.Generator().manual_seed(1)))))
inputs, targets = cut_spans(new.ids[0].tolist(), [(9, 12), (28, 31)], list(new.sentinels))
filled = extend(networks["spans"], inputs, len(targets), prefix=len(inputs))[len(inputs) :]
print("\nspans reads:", new.text(torch.tensor(inputs)))
print("spans says: ", new.text(torch.tensor(filled)), "\noriginal:   ", new.text(torch.tensor(targets)))

# %% [markdown]
# Compare its answer with the original. What fits the words next to a gap is learnt first; what depends on a name further away comes later.
#
# ## What it means in the real models
#
# | | GPT, SmolLM2 | BERT | T5 |
# |---|---|---|---|
# | objective | causal | masked | spans |
# | questions in a text of 1,000 tokens | 999 | about 150 | about 150, and the sentinels |
# | sees the right side of a gap | no | yes | yes |
# | writes text | yes, as trained | no | yes, into the gaps |
# | used for (as of 2025) | chat, code, writing | search, classification, tagging | translation, summaries |
#
# Causal models carry the assistants of 2025: nearly every token is a question, and using the model is the same act as training it. Encoders read both sides and serve where a text must be understood once and written never.
# The borders are not fixed: a causal model learns to fill gaps when the middle of some texts is moved to their end (Bavarian et al. 2022), and UL2 trains one model with a mixture of objectives (Tay et al. 2022).
#
# ## Recap
#
# - A pretraining objective is made of three things: what is hidden, who may read what, and which positions are scored. −100 marks the positions that are not.
# - Causal: the target is the next token. Shift once, in the batch or in the loss.
# - The loss is a mean over the tokens that count, all of them alike: not over padding, not over rows, not over batches.
# - Perplexity is the exponential of that mean, taken once, at the end.
# - Masked: choose, then decide the fate by a second draw; a label depends on the choice alone.
# - Spans: one sentinel for each gap, and one to end the target.
# - Losses of different objectives answer different questions. Do not compare them.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. A row has 6 tokens, and the last 2 are padding. How many targets of the causal batch count, and by what is the loss divided?</summary>
#
# Three: the second, third and fourth token, each asked of the position before it. The sum is divided by 3, not by 5 positions and not by the number of rows.
# </details>
#
# <details><summary>2. A chosen token looks just as it did before. Does it have a label, and why does BERT's recipe want such tokens?</summary>
#
# Yes: a label depends on the choice alone. So the model must give an account of normal tokens too, and not only where it sees `[MASK]`.
# </details>
#
# <details><summary>3. A causal model ends at a loss of 1.5 nats a token, a masked one at 0.9. Which has learnt more?</summary>
#
# That can't be told. They answer different questions: one reads only the left side, the other both. Compare each with itself, or both at one task.
# </details>
#
# **Next.** A pretrained network has learnt to answer the question that the text asks of itself. In lesson 6 you ask it a question of your own, with few labels: a head, what to freeze, and when to stop.
#
# ## Further reading
#
# - Radford et al. 2018, [Improving Language Understanding by Generative Pre-Training](https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf): the causal objective, and what it is good for afterwards.
# - Devlin et al. 2019, [BERT](https://arxiv.org/abs/1810.04805), arXiv:1810.04805: the masked objective.
# - Raffel et al. 2020, [T5](https://arxiv.org/abs/1910.10683), arXiv:1910.10683: compares objectives, mask shapes and span lengths one at a time.
# - Wettig et al. 2023, [Should You Mask 15 % in Masked Language Modeling?](https://arxiv.org/abs/2202.08005), arXiv:2202.08005: more is better for larger models; revisits 80-10-10.
# - Bavarian et al. 2022, [Efficient Training of Language Models to Fill in the Middle](https://arxiv.org/abs/2207.14255), arXiv:2207.14255.
# - Tay et al. 2022, [UL2: Unifying Language Learning Paradigms](https://arxiv.org/abs/2205.05131), arXiv:2205.05131.
