# %% [markdown]
# # From counting words to pretrained transformers
#
# In the lesson before, a model gave you a probability for every next token. Where do such probabilities come from?
#
# In 1948 Claude Shannon described a game with a book. Pick a word at random, look for that word elsewhere in the book, and write down the word after it. Then again from there.
# The result read almost like English (Shannon 1948, *A Mathematical Theory of Communication*, which tells the game for letters and does the like with words).
# That was a language model: one word of memory, and a book for a brain.
#
# Seventy years later the book has become hundreds of billions of numbers. The question never changed: **what comes next?**

# %% demo
from handbook.history import draw_timeline

draw_timeline()

# %% [markdown]
# Each point is the largest model of one paper (the sources are in `handbook/history.py`). Look at the vertical axis: every line of the grid is a factor of ten.
# Look at the colours too: among the models chosen here, all after 2020 are of one kind, the decoder (the three kinds are explained below).
# The last point is the large sister of SmolLM2-135M, the model of this course.
#
# In this lesson you measure three generations of answers on the same text, learn to weigh a transformer by its configuration, and see what pretraining saves.
#
# ## Generation one: count
#
# Take short stories. Cut them into words. For every two words in a row, count what came next:

# %%
from collections import Counter

words = "the fox saw the hen and the fox ran".split()
pairs = Counter(zip(words, words[1:], strict=False))
print({pair: number for pair, number in pairs.items() if pair[0] == "the"})

# %% [markdown]
# After "the" came "fox" twice and "hen" once. A *bigram model*, which counts pairs and so remembers one word, says: "fox", with probability 2/3.
# An *n-gram model* counts pieces of n words: it remembers n − 1.
#
# ## Exercise: Count n-grams · 2 points · ★☆☆

# %% exercise="history-ngram-train"
from collections.abc import Hashable
from typing import Any


def train_ngram(tokens: list[Hashable], n: int) -> dict[str, Any]:
    """Count which token follows which context of n - 1 tokens.

    Args: tokens is a text as a list, words or ids, which can be sorted; "The" and "the" are two tokens. n ≥ 1 is the length of the pieces that are counted.
    Returns: {"n": n, "vocabulary": the different tokens in sorted order, a list, "counts": counts}, where counts maps each context, a tuple of
        n - 1 tokens, to {next token: how often}. For n = 1 there is one context, the empty tuple. Contexts never seen are not in it, nor tokens with
        a count of 0. The last n - 1 tokens have nothing after them: they start no context of their own. Leave tokens as they came.
    Raises: ValueError if n < 1 or if there are fewer than n tokens.

    >>> train_ngram(["a", "b", "a", "b", "c"], 2)["counts"]
    {('a',): {'b': 2}, ('b',): {'a': 1, 'c': 1}}

    Source: Shannon 1948, "A Mathematical Theory of Communication".
    """
    ### BEGIN SOLUTION
    if n < 1 or len(tokens) < n:
        raise ValueError(f"{len(tokens)} tokens can't be cut into pieces of {n}")
    counts: dict[tuple, dict] = {}
    for i in range(n - 1, len(tokens)):
        context = tuple(tokens[i - n + 1 : i])
        after = counts.setdefault(context, {})
        after[tokens[i]] = after.get(tokens[i], 0) + 1
    return {"n": n, "vocabulary": sorted(set(tokens)), "counts": counts}
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In "a b c" there are two pairs, so the last letter is counted too. For the fox: `{"fox": 2, "hen": 1}` after `("the",)`.

# %% check="history-ngram-train"

# %% [markdown]
# ## How good is a guess? Perplexity
#
# A model that gives the words that really came probabilities $p_1 \dots p_N$ has the perplexity
#
# $$\mathrm{PPL} = \exp\!\Big(-\frac{1}{N}\sum_{i=1}^{N} \ln p_i\Big)$$
#
# It reads as "how many equally likely words the model hesitates between". A model that knows nothing hesitates between all $V$.
# One word that the model held to be nearly impossible ruins the mean, and a wholly impossible one makes it infinite, because $\ln 0 = -\infty$:

# %%
import math

for p in ([0.5, 0.25], [0.5, 0.25, 1e-9]):
    print(p, "perplexity", round(math.exp(-sum(map(math.log, p)) / len(p)), 1))

# %% [markdown]
# A longer memory meets more contexts that it has never seen. The oldest cure is to add a little count $k$ to every word of the vocabulary (*add-k smoothing*):
#
# $$P(w \mid c) = \frac{\mathrm{count}(c, w) + k}{\sum_{w'} \mathrm{count}(c, w') + k\,V}$$
#
# **Predict before you run the check:** in a context that was never seen, what does this formula give every word?
#
# ## Exercise: Perplexity with add-k smoothing · 3 points · ★★☆

# %% exercise="history-ngram-perplexity"
import math
from typing import Any


def ngram_perplexity(model: dict[str, Any], tokens: list, k: float = 1.0) -> float:
    """Measure how well an n-gram model predicts a text.

    Args: model as returned by train_ngram: {"n", "vocabulary", "counts"}; tokens is the text; k > 0 is added to every count.
    Every token that has n - 1 tokens before it in the text is predicted once, with P(w | c) = (count(c, w) + k) / (count(c) + k V), where V is the size
        of the vocabulary and count(c) the sum of all counts in context c. A context that was never seen has only zero counts.
    Leave the model and the tokens as they came: measuring teaches the model nothing.
    Returns: exp of the mean negative natural logarithm, a float ≥ 1, also for texts of many thousand tokens.
    Raises: ValueError if k ≤ 0, if the text has fewer than n tokens, or if a token of the text is not in the vocabulary.

    >>> ngram_perplexity({"n": 1, "vocabulary": ["a", "b"], "counts": {(): {"a": 3, "b": 1}}}, ["a", "a"], k=1.0)  # P(a) = 4/6
    1.5

    Source: Jurafsky and Martin, "Speech and Language Processing", 3rd edition draft, the chapter on n-gram language models.
    """
    ### BEGIN SOLUTION
    n, vocabulary, counts = model["n"], set(model["vocabulary"]), model["counts"]
    if k <= 0 or len(tokens) < n or not vocabulary.issuperset(tokens):
        raise ValueError("k must be positive, the text at least n tokens long, and all of them in the vocabulary")
    total = 0.0
    for i in range(n - 1, len(tokens)):
        seen = counts.get(tuple(tokens[i - n + 1 : i]), {})
        total += math.log((seen.get(tokens[i], 0) + k) / (sum(seen.values()) + k * len(vocabulary)))
    return math.exp(-total / (len(tokens) - n + 1))
    ### END SOLUTION


# %% [markdown]
# **What you should see.** A model that has seen nothing of a context hesitates between all V words: perplexity V.

# %% check="history-ngram-perplexity"

# %% [markdown]
# **On stories that were not counted.** The stories are split in three: 600 to count (*training*), 60 to choose n and k with (*validation*), 60 to report with (*test*).
# **Predict before you run:** does the perplexity always fall when the memory grows?

# %% demo
from handbook import plots
from handbook.answers import yours_or_ours
from handbook.history import story_corpus

train = yours_or_ours("train_ngram", globals(), exercise="history-ngram-train")
perplexity = yours_or_ours("ngram_perplexity", globals(), exercise="history-ngram-perplexity")
corpus = story_corpus()
models = {n: train(corpus.train, n) for n in range(1, 7)}
by_k = {k: {n: perplexity(model, corpus.valid, k=k) for n, model in models.items()} for k in (1, 0.01)}
plots.lines(list(models), {f"k = {k}": list(row.values()) for k, row in by_k.items()}, title="n-gram models on the 60 validation stories",
            logy=True, xlabel="n, words in a piece", ylabel="perplexity", alt="With k = 0.01 perplexity falls from 134 at n = 1 to 2.5 at n = 3 and rises to 4.2 at n = 6. With k = 1 it falls to 10 and rises to 26.")
for k, row in by_k.items():
    print(f"V = {len(corpus.words)}, k = {k:<5}", "  ".join(f"n = {n}: {value:6.2f}" for n, value in row.items()))

# %% [markdown]
# It falls, and then it rises: six words in a row are seldom seen twice, so the counts run dry. For a table of counts, "the fox ran" and "the hare ran" have nothing in common.
#
# The choice of k decides how much. With k = 1 every context gets V made-up counts, one a word, and a long context has seldom been seen that often. A small k leaves more room for what was seen.
#
# You have just used the validation stories to choose. A set that was used to choose can't be used to report: the winner is partly the luckiest, so its score is too good.
# That is what the third set is for. Nothing has looked at it yet.
#
# ## Generations two and three: vectors, then attention
#
# Bengio et al. (2003, *A Neural Probabilistic Language Model*, JMLR 3) gave every word a vector, so that words used alike could share what was learned. But the memory stayed a few words long; the model below has three.
# Ten years later word2vec (Mikolov et al. 2013, arXiv:1301.3781) learned such vectors from more than a billion words, cheaply enough for everyone to use.
# Recurrent networks of a kind called LSTM read one word at a time and carried a memory along; in *sequence to sequence* (Sutskever et al. 2014, arXiv:1409.3215) one read a sentence into a single vector and another wrote the translation from it.
# One vector is narrow for a long sentence, so Bahdanau et al. (2014, arXiv:1409.0473) let the writer look back at all words of the input and weigh them anew at every step: *attention*.
# The transformer (Vaswani et al. 2017, arXiv:1706.03762) kept the attention and dropped the recurrence. A word looks at the others directly (where text is written: at all words before it), and nothing has to wait for the word before,
# so it trains on all positions at once, which is what made the sizes above affordable.
#
# *Training* means: show the model a text, measure how badly it predicts the next words (the *loss*), and nudge every number in it a little in the direction that lowers the loss; then again, with the next text.
# That direction is called the *gradient*. Nobody counts anything. Here are 2003 and 2017 in one cell, on the same stories, and all three are reported on the test stories:

# %% demo
from handbook.history import attention_perplexity, neural_ngram_perplexity

best_k, best_n = min(((k, n) for k in by_k for n in models), key=lambda pair: by_k[pair[0]][pair[1]])
results = {f"counts, n = {best_n}, k = {best_k}": perplexity(models[best_n], corpus.test, k=best_k), "vectors of 3 words": neural_ngram_perplexity(corpus),
           "attention over 64 words": attention_perplexity(corpus)}
plots.bars(list(results), list(results.values()), title="Three generations on the same 60 test stories", xlabel="perplexity", ylabel="model",
           alt="Counts reach 2.5, vectors 1.8, attention 1.7; lower is better.")

# %% [markdown]
# The stories are tiny and regular, so all three do well. Their order here is that of the history, and it rests on one draw of stories and on three models of very different make.
# Try `story_corpus(seed=1)`: does the order hold?
#
# ## Weigh a transformer
#
# "175 billion parameters" is not a secret of its makers. It follows from five or six numbers in a configuration, and you can compute it.
# Here is one layer. Lesson 4 builds each box; here you only weigh them.
#
# ```text
# tokens in      one vector of C numbers for each token
#    │
#    ├────► norm [C] ──► attention: queries [C×I]  keys [C×I]  values [C×I]  the way back [I×C]
#    +◄────────────────────┘
#    │
#    ├────► norm [C] ──► feed-forward: [C×F] then [F×C]
#    +◄────────────────────┘
#    ▼
# tokens out     C numbers each again; the next layer is built alike, with numbers of its own
# ```
#
# In brackets stands how many numbers a box holds. They are the same for all tokens, so the length of the text does not matter. (Some models put the norms after the boxes; it changes nothing in the count.)
#
# - A *stack* is layers on top of each other. An **encoder** is a stack in which every token may read the whole text.
# - A **decoder** is a stack in which a token may read only itself and what stands before, so that it can write.
# - **Cross-attention** is how the two work together: in each layer of the decoder, its tokens also read the encoder's.
# - **Relative buckets** are a small table of numbers: one for each range of distances between two tokens and each head, added when one token reads another.
#
# | part | what it is | what it holds |
# |---|---|---|
# | linear layer $a \to b$ | multiplies by a table | $ab$ weights, and $b$ biases if it has any |
# | embedding table | one row for each word; perhaps one for each position and each kind of segment | rows × $C$, where $C$ is the width of a token's vector |
# | attention | lets tokens read each other, through several *heads* at once | four linear layers: queries, keys, values ($C \to I$), and the way back ($I \to C$) |
# | cross-attention | attention of a decoder on what an encoder has read | the same once more |
# | fewer heads for keys and values | several heads of queries share one head of keys and values (*grouped-query attention*) | keys and values are $C \to I \cdot$ kv_heads / heads |
# | feed-forward | works on each token alone | two linear layers, $C \to F \to C$ |
# | gate | decides, number by number, what of $F$ passes (*SwiGLU* and its relatives) | one more linear layer, $C \to F$ |
# | norm | rescales a vector | $C$ weights, and $C$ biases if it has any |
# | relative buckets | T5's way to say how far apart two tokens are | buckets × heads |
# | pooler | BERT's last linear layer, for the whole text | a linear layer $C \to C$ |
# | output layer | scores every word of the vocabulary | vocab × $C$, or nothing new if it is *tied*: the embedding table used again |
#
# Take the smallest case: ten words, vectors of four numbers, one layer, no biases, the output tied.

# %%
C, F = 4, 8
parts = {"embedding table, 10 rows of C": 10 * C, "attention: queries, keys, values, the way back": 3 * C * C + C * C,
         "feed-forward, C -> F -> C": C * F + F * C, "two norms": 2 * C}
for name, numbers in parts.items():
    print(f"{numbers:>4}  {name}")
print(f"{sum(parts.values()):>4}  together")

# %% [markdown]
# The same two lines of arithmetic, at the size of GPT-2 (its biases, norms and embeddings left out):

# %%
C, F, layers = 768, 3072, 12
print(f"GPT-2 small, attention and feed-forward weights alone: {layers * (4 * C * C + 2 * C * F):,}")

# %% [markdown]
# ## Exercise: Count the numbers in a transformer · 3 points · ★★☆

# %% exercise="history-count-parameters"
from typing import Any


def count_parameters(config: dict[str, Any]) -> int:
    """Count the trainable numbers of a transformer from its configuration.

    config holds ints (0 = has none) and bools. All keys but the last two are always present:
        vocab, positions, segments     rows of the embedding tables, each row of d_model numbers; once, also in an encoder-decoder
        d_model (C), d_ff (F)          width of a token, width inside the feed-forward part
        heads, inner (I)               number of heads, and heads × width of a head, all heads together (often I = C, but not always)
        layers, decoder_layers         how many; decoder_layers > 0 means an encoder (layers) and a decoder (decoder_layers) with cross-attention.
                                       With layers = 0 you count the other parts alone
        biases                         whether linear layers and norms have biases
        embedding_norm, final_norm     one norm after the embeddings; a norm at the end of every stack (an encoder-decoder has two stacks, else one)
        relative_buckets               rows of a table of relative_buckets × heads numbers, one table per stack
        pooler                         one linear layer C -> C at the end
        tied                           whether the output layer C -> vocab (never with a bias) is the embedding table itself
        kv_heads                       may be missing: how many heads have keys and values of their own, in every attention. Missing = heads. It divides heads
        gated                          may be missing: whether every feed-forward part has a gate. Missing = False
    A linear layer a -> b has a·b numbers, plus b if biases. A norm has C, plus C if biases. Attention is three linear layers C -> I (queries, keys, values) and one I -> C;
    with fewer kv_heads, keys and values are C -> I · kv_heads / heads each, and the other two are as before. Feed-forward is C -> F and F -> C, with a gate one more C -> F. A layer is attention, feed-forward and 2 norms; a decoder layer of an encoder-decoder has one more attention and one more norm.

    >>> count_parameters(dict(vocab=10, positions=0, segments=0, d_model=4, d_ff=8, heads=2, inner=4, layers=1, decoder_layers=0, biases=False,
    ...                       embedding_norm=False, final_norm=False, relative_buckets=0, pooler=False, tied=True))  # 40 + 64 + 64 + 8
    176

    Leave the configuration as it came. Returns: an int.

    Source: Radford et al. 2019 (GPT-2); Devlin et al. 2019, arXiv:1810.04805 (BERT); Raffel et al. 2020, arXiv:1910.10683 (T5);
        Ainslie et al. 2023, arXiv:2305.13245 (fewer heads for keys and values); Shazeer 2020, arXiv:2002.05202 (the gate).
    """
    ### BEGIN SOLUTION
    C, F, inner = config["d_model"], config["d_ff"], config["inner"]

    def linear(a: int, b: int) -> int:
        return a * b + (b if config["biases"] else 0)

    norm = 2 * C if config["biases"] else C
    narrow = inner * config.get("kv_heads", config["heads"]) // config["heads"]
    attention = linear(C, inner) + 2 * linear(C, narrow) + linear(inner, C)
    feed_forward = (2 if config.get("gated") else 1) * linear(C, F) + linear(F, C)
    layer = attention + feed_forward + 2 * norm
    stacks = 2 if config["decoder_layers"] else 1
    total = (config["vocab"] + config["positions"] + config["segments"]) * C
    total += config["layers"] * layer + config["decoder_layers"] * (layer + attention + norm)
    total += norm * config["embedding_norm"] + stacks * (norm * config["final_norm"] + config["relative_buckets"] * config["heads"])
    total += linear(C, C) if config["pooler"] else 0
    return total + (0 if config["tied"] else config["vocab"] * C)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** GPT-2 small has 124,439,808 numbers, BERT-base 109,482,240 and T5-small 60,506,624, to the last one.
# The paper (Radford et al. 2019, *Language Models are Unsupervised Multitask Learners*) prints 117M for this GPT-2, and the released weights hold 124 million: a reason to count for yourself.

# %% check="history-count-parameters"

# %% [markdown]
# **The model of this course on the scales.** It is a decoder with a gate, and nine heads of queries share three of keys and values. Does your count agree with the weights themselves?

# %% demo
from handbook import load_lm

count = yours_or_ours("count_parameters", globals(), exercise="history-count-parameters")
real = load_lm().model
said = real.config
smol = {"vocab": said.vocab_size, "positions": 0, "segments": 0, "d_model": said.hidden_size, "d_ff": said.intermediate_size, "heads": said.num_attention_heads,
        "inner": said.num_attention_heads * said.head_dim, "kv_heads": said.num_key_value_heads, "gated": True, "layers": said.num_hidden_layers, "decoder_layers": 0,
        "biases": said.attention_bias, "embedding_norm": False, "final_norm": True, "relative_buckets": 0, "pooler": False, "tied": said.tie_word_embeddings}
print(f"from the configuration {count(smol):,}")
print(f"from the weights       {sum(weights.numel() for weights in real.parameters()):,}")
print(f"without sharing heads  {count({**smol, 'kv_heads': smol['heads']}):,}")

# %% [markdown]
# **GPT-3, from its table.** The paper (Brown et al. 2020, arXiv:2005.14165) gives eight configurations and sizes rounded to two or three digits.
# Which of your counts round to what is printed? The last line is ours: the 1.3B row with 16 heads instead of 24.

# %% demo
shared = {"vocab": 50257, "positions": 2048, "segments": 0, "decoder_layers": 0, "biases": True, "embedding_norm": False, "final_norm": True,
          "relative_buckets": 0, "pooler": False, "tied": True}
table = [("125M", 12, 768, 12, 64), ("350M", 24, 1024, 16, 64), ("760M", 24, 1536, 16, 96), ("1.3B", 24, 2048, 24, 128), ("2.7B", 32, 2560, 32, 80),
         ("6.7B", 32, 4096, 32, 128), ("13B", 40, 5140, 40, 128), ("175B", 96, 12288, 96, 128), ("1.3B", 24, 2048, 16, 128)]
for said, layers, width, heads, size in table:
    ours = count({**shared, "layers": layers, "d_model": width, "d_ff": 4 * width, "heads": heads, "inner": heads * size})
    rounded = round(ours / {"M": 1e6, "B": 1e9}[said[-1]], 1 if "." in said else 0)
    print(f"{said:>5} {ours:>16,}   width {width:>5}, heads x size {heads * size:>5}" + ("" if rounded == float(said[:-1]) else f"   <- {rounded:g}{said[-1]}"))

# %% [markdown]
# Six of the eight rows round to what is printed. 350M is 356M, rounded down. The 1.3B row is off by a sixth: with 24 heads of 128 numbers its attention
# is wider than the model. With 16 heads it fits. The 13B row hides a second slip under its rounding: 40 heads of 128 make 5120, and the printed width is 5140.
# In the six other rows the two are equal. A published table can hold a slip, and a few lines of arithmetic find it.
#
# ## Three kinds of transformer
#
# The 2017 transformer read a whole sentence and then wrote its translation. Its two halves soon went separate ways.
#
# | model | published | what a token may look at | what it learns to predict | builds on |
# |---|---|---|---|---|
# | Transformer | 2017-06 | the whole input, then what is written so far | a translation | – |
# | GPT | 2018-06 | what stands before | the next token | Transformer |
# | BERT | 2018-10 | the whole text | hidden tokens | Transformer |
# | GPT-2 | 2019-02 | what stands before | the next token | GPT |
# | T5 | 2019-10 | the whole input, then what is written so far | hidden spans | Transformer, BERT |
# | GPT-3 | 2020-05 | what stands before | the next token | GPT-2 |
#
# ## Exercise: A timeline of milestones · 2 points · ★☆☆

# %% exercise="history-timeline"
def timeline(cards: list[dict]) -> list[dict]:
    """Bring milestone cards into order and name what each model is.

    A card has: model (str, no two alike) · published ("YYYY-MM") · sees ("before", "all" or "all, then before") · predicts ("next token", "hidden tokens",
        "hidden spans" or "translation") · builds_on (a list of names of models).
    Returns: one dict a card, sorted by date, the earliest first, cards of the same month in the order in which they came. Keys: year (int), model (str),
        architecture: "decoder" for "before", "encoder" for "all", "encoder-decoder" for "all, then before";
        objective: "causal" for "next token", "masked" for "hidden tokens", "span corruption" for "hidden spans", "translation" for "translation".
    Raises: ValueError if a card builds on a model that is not among the cards, or that was not published in an earlier month than the card.
    Leave the cards as they came.

    >>> timeline([{"model": "GPT", "published": "2018-06", "sees": "before", "predicts": "next token", "builds_on": []}])
    [{'year': 2018, 'model': 'GPT', 'architecture': 'decoder', 'objective': 'causal'}]

    Source: Raffel et al. 2020, arXiv:1910.10683, which compares architectures and objectives.
    """
    ### BEGIN SOLUTION
    architectures = {"before": "decoder", "all": "encoder", "all, then before": "encoder-decoder"}
    objectives = {"next token": "causal", "hidden tokens": "masked", "hidden spans": "span corruption", "translation": "translation"}
    dates = {card["model"]: card["published"] for card in cards}
    rows = []
    for card in sorted(cards, key=lambda card: card["published"]):
        for older in card["builds_on"]:
            if older not in dates or dates[older] >= card["published"]:
                raise ValueError(f"{card['model']} can't build on {older}")
        rows.append({"year": int(card["published"][:4]), "model": card["model"], "architecture": architectures[card["sees"]],
                     "objective": objectives[card["predicts"]]})
    return rows
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The six models of the table, from the Transformer to GPT-3; BERT is an encoder, T5 has both halves.

# %% check="history-timeline"

# %% [markdown]
# **Why decoders, at the large sizes?** Two reasons are often given. A decoder gets a loss at every token of a text, where BERT learns from the 15% that were hidden (Devlin et al. 2019).
# And a task can be put to it as text to continue, without further training (Brown et al. 2020). Neither proves that nothing else would have worked.
#
# **And since then?** A model that continues text is not yet one that answers. *Instruction tuning* trains it further on tasks written out as instructions with their answers (FLAN, Wei et al. 2021, arXiv:2109.01652).
# InstructGPT (Ouyang et al. 2022, arXiv:2203.02155) added people's rankings of its answers: people preferred its 1.3 billion numbers to GPT-3's 175 billion. The instruct model that you ran in lesson 1 was tuned on instructions too (Ben Allal et al. 2025, arXiv:2502.02737).
#
# ## What pretraining saves
#
# *Pretraining* is training on much general text; *fine-tuning* goes on from there with a little text of the kind you need.
# The same small transformer learns to write support tickets, letter by letter: once from random weights, once after it has been trained on 600 stories.
#
# The **loss** is the mean surprise at what really came, $-\ln p$, in *nats*: 1 nat is 1.44 bits, and exp(loss) is the perplexity, here per letter. A training *window* is a piece of text shown once.
# **Predict before you run:** the stories hold no tickets. Do they help?

# %% demo
from handbook.history import tuning_curves

curves = tuning_curves()
plots.lines([x for x, _ in curves["pretrained"]], {name: [y for _, y in curve] for name, curve in curves.items()}, xlabel="training windows seen (64 letters each)",
            ylabel="loss on unseen tickets (nats a letter)", title="The same model, with and without pretraining",
            alt="Both losses fall; the pretrained model starts lower and stays lower at every number of windows.")

# %% [markdown]
# Read the picture sideways: at a given loss, how many windows has each model seen? The difference is what pretraining saved you.
# These are windows *seen*, not different ones: the tickets to learn from are short, and 1536 windows of 64 letters read them about ten times.
#
# ## Exercise: What pretraining saves, in examples seen · 2 points · ★★☆

# %% exercise="history-pretraining-gain"
import math


def pretraining_gain(curve_scratch: list[tuple[float, float]], curve_tuned: list[tuple[float, float]], target: float) -> float | None:
    """Say how many examples fewer a pretrained model has to see until the loss is down to a target.

    Args: a curve is a list of (examples seen, loss), at least one point, with examples rising; the loss may go up and down.
        An example that is seen twice counts twice.
    A curve reaches the target at the first point whose loss is at or below it, or, if the point before is above it, where the straight line between
        the two points crosses it. If the very first point is at or below the target, it is reached at that point's examples.
    Leave the curves as they came.
    Returns: examples seen from scratch minus examples seen after pretraining, a float, 0.0 if they are equal, negative if pretraining was a loss;
        math.inf if only the pretrained curve reaches the target, -math.inf if only the one from scratch does, None if neither does.

    >>> pretraining_gain([(0, 4.0), (100, 2.0)], [(0, 3.0), (100, 1.0)], target=2.5)
    50.0

    Source: after the idea of "effective data transferred", Hernandez et al. 2021, arXiv:2102.01293, who count different data, not examples seen.
    """
    ### BEGIN SOLUTION
    def reached(curve: list[tuple[float, float]]) -> float:
        before = None
        for x, y in curve:
            if y <= target:
                if before is None:
                    return float(x)
                x0, y0 = before
                return x0 + (y0 - target) / (y0 - y) * (x - x0)
            before = (x, y)
        return math.inf

    scratch, tuned = reached(curve_scratch), reached(curve_tuned)
    return None if scratch == tuned == math.inf else scratch - tuned
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the example the line from 4 to 2 crosses 2.5 at 75 examples and the line from 3 to 1 at 25: 50 saved.

# %% check="history-pretraining-gain"

# %% demo
gain = yours_or_ours("pretraining_gain", globals(), exercise="history-pretraining-gain")
for target in (2.9, 2.7, 2.5):
    saved = gain(curves["from scratch"], curves["pretrained"], target)
    print(f"down to {target} nats a letter: " + ("neither model gets there" if saved is None else f"pretraining saves {saved:.0f} windows"))

# %% [markdown]
# ## Recap
#
# - A language model says what comes next; perplexity says how much it hesitates.
# - Counts know only what they have seen. Vectors share what is learned between words, attention lets every word look back as far as it likes.
# - Learn on one set, choose on a second, report on a third.
# - A transformer's size follows from its configuration. Check published figures.
# - Pretraining is paid once; here fine-tuning then needed fewer steps, although the texts differ.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. A bigram model with add-k smoothing meets a context that it has never seen. Which perplexity does it have there, and why?</summary>
#
# V, the size of the vocabulary: all counts are 0, so each word gets k / (k V) = 1/V.
# </details>
#
# <details><summary>2. You try six values of n on a set of stories and keep the best. Why do you need other stories to report its perplexity?</summary>
#
# The best of six is partly the luckiest on those stories. A set that was used to choose says too much good about the choice.
# </details>
#
# <details><summary>3. What does a layer of an encoder-decoder's decoder hold that an encoder's layer does not, and what exists once per stack?</summary>
#
# A second attention (cross-attention) with its own norm. Once per stack: the final norm and the table of relative buckets, where the model has them.
# </details>
#
# **Next.** The counts were fed words, and one word that is not in the list stops them. Lesson 3 cuts text into pieces so that no text is ever unknown, and gives each piece its vector.
#
# **Further reading.** Shannon 1948, *A Mathematical Theory of Communication* · Bengio et al. 2003, *A Neural Probabilistic Language Model*, JMLR 3 · Sutskever et al. 2014, *Sequence to Sequence Learning with Neural Networks*, arXiv:1409.3215 ·
# Bahdanau et al. 2014, *Neural Machine Translation by Jointly Learning to Align and Translate*, arXiv:1409.0473 · Vaswani et al. 2017, *Attention Is All You Need*, arXiv:1706.03762 ·
# Devlin et al. 2019, *BERT*, arXiv:1810.04805 · Raffel et al. 2020, *T5*, arXiv:1910.10683 · Brown et al. 2020, *GPT-3*, arXiv:2005.14165 · Hernandez et al. 2021, *Scaling Laws for Transfer*, arXiv:2102.01293 ·
# Ouyang et al. 2022, *Training language models to follow instructions with human feedback*, arXiv:2203.02155.
