# %% [markdown]
# # Tokens and embeddings: what a model sees instead of text
#
# In the last lesson you counted words. But a language model never sees a word, nor a letter. Before it starts, a small program, the *tokenizer*,
# cuts your text into pieces, *tokens*, and gives each one a number. The model sees the numbers, and only the numbers.

# %% demo
from handbook import load_lm, token_lab

lm = load_lm()
token_lab.token_strips(lm, ["A strawberry", "strawberry", "STRAWBERRY", "It costs 1234.50 euros", "Hello, world!  hello"])

# %% [markdown]
# Each box is one token of SmolLM2. One word has three spellings here, and they share no token: " strawberry" with its space is one,
# "strawberry" without it is three, in capitals it is five. Digits always stand alone. For the model these are different things, and whatever they
# have in common it has to learn.
#
# Who decided on these cuts? No one: they were *learned* from text, by a simple program. You write it in this lesson, in four functions,
# and at the end of them yours cuts a word exactly as SmolLM2's own does. Then you follow the numbers into the model: what a token's number fetches (an *embedding*),
# what lies close to it, and how the model knows which token came first.
#
# ## Start from bytes
#
# There are too many words to number them all, and new ones appear every day. There are 256 bytes, and every text in every script is made of them:

# %%
for character in ["a", "é", "한", "🙂"]:
    print(character, list(character.encode("utf-8")))

# %% [markdown]
# So a tokenizer that knows all 256 bytes can never meet an unknown character. But bytes alone make long sequences, and a model pays for every step.
# *Byte-pair encoding* shortens them: find the pair of neighbours that occurs most often, make it one token, and repeat
# (Gage 1994 for compression; Sennrich et al. 2016, arXiv:1508.07909, for language; Wang et al. 2019, arXiv:1909.03341, on bytes).
#
# **Predict before you run.** In "she sells sea shells", which two characters stand next to each other most often? And how often? Write it down; then run.

# %%
from collections import Counter

text = "she sells sea shells"
neighbours = [text[at : at + 2] for at in range(len(text) - 1)]
print(Counter(neighbours).most_common(5))

# %% [markdown]
# Did you think of the space? To the program it is a byte like any other, and so tokens of real models often begin with one.
#
# ## Exercise: Count neighbouring pairs · 2 points · ★☆☆
#
# One question needs an answer before you count. In `7, 7, 7`, does the pair `(7, 7)` stand once or twice? A merge could join only one of the two.
# The published algorithm counts positions, so: twice. It matters only for runs of one token, and it keeps the count simple.

# %% exercise="bpe-pair-counts"
def pair_counts(ids: list[int]) -> dict[tuple[int, int], int]:
    """Count how often each token id is directly followed by which.

    Args: ids is a list of any length, also 0 or 1. Ids above 255 occur too, once merges have made new tokens.
    Returns: {(left, right): count}, with the pairs that occur and no others. Fewer than two ids hold no pair.
    Every position counts, also where pairs overlap: 7, 7, 7 holds (7, 7) at position 0 and at position 1.
    Leave ids as they came.

    >>> pair_counts([1, 2, 1, 2, 3])
    {(1, 2): 2, (2, 1): 1, (2, 3): 1}
    >>> pair_counts([7, 7, 7])
    {(7, 7): 2}

    Source: Sennrich et al. 2016, arXiv:1508.07909, Algorithm 1.
    """
    ### BEGIN SOLUTION
    counts: dict[tuple[int, int], int] = {}
    for at in range(len(ids) - 1):
        pair = (ids[at], ids[at + 1])
        counts[pair] = counts.get(pair, 0) + 1
    return counts
    ### END SOLUTION


# %% [markdown]
# **What you should see.** n ids have n − 1 neighbouring pairs, so all your counts together make n − 1.

# %% check="bpe-pair-counts"

# %% [markdown]
# ## Exercise: Merge a pair · 2 points · ★☆☆
#
# The winner becomes one token. This time an id that was used is used up: `7, 7, 7` becomes the new token and one 7 that is left over.

# %% exercise="bpe-merge"
def merge(ids: list[int], pair: tuple[int, int], new_id: int) -> list[int]:
    """Replace a pair of neighbouring ids by one new id, wherever it stands.

    Args: ids is a list of any length, also 0 or 1. pair is (left, right), which may be twice the same id.
        new_id is an id that does not occur in ids.
    Returns: a new list. Go from left to right; an id that has been merged is used up and can't be part of the next pair.
    Leave ids as they came.

    >>> merge([5, 1, 2, 1, 2, 1], (1, 2), 300)
    [5, 300, 300, 1]
    >>> merge([7, 7, 7, 7, 7], (7, 7), 256)
    [256, 256, 7]

    Source: Sennrich et al. 2016, arXiv:1508.07909, Algorithm 1.
    """
    ### BEGIN SOLUTION
    merged: list[int] = []
    at = 0
    while at < len(ids):
        if tuple(ids[at : at + 2]) == pair:  # at the last id this slice is too short to be equal
            merged.append(new_id)
            at += 2
        else:
            merged.append(ids[at])
            at += 1
    return merged
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Every merge makes the list shorter by one. Put each new id back as its pair, and you have the old list again.

# %% check="bpe-merge"

# %% [markdown]
# ## Count, merge, repeat
#
# Here are both steps, over and over, on one line of text. Every row is the text after one more merge.
#
# **Predict before you run.** The first row has 37 tokens, one for each byte. How many are left after seven merges: about 30, about 25, or fewer than 20?

# %% demo
token_lab.text_shrinks("she sells sea shells by the sea shore", n_merges=7)

# %% [markdown]
# Seven merges halve the sequence. Early merges are worth most; later ones join what was joined before, so tokens grow, here even across spaces.
#
# ## Exercise: Learn the merges · 3 points · ★★☆
#
# What comes out of training is the list of merges, in order. It is all that a tokenizer has to remember: SmolLM2's is such a list too, only longer.
# When two pairs are equally frequent, any rule will do, but there must be one, or two runs give two tokenizers.
# Ours: the smaller pair wins. The `tokenizers` library has the same rule on its own ids, which number some bytes differently, the space for one.
# Others differ again: minbpe takes the pair that it saw first, Stanford's CS336 the greater pair of byte strings.

# %% exercise="bpe-train"
from handbook.bpe import count_pairs, replace_pair  # our pair_counts and merge, if you would rather not rely on yours


def train_bpe(text: str, n_merges: int) -> list[tuple[int, int]]:
    """Learn from a text which pairs of tokens to merge.

    Start with the UTF-8 bytes of the text, each byte a token with an id from 0 to 255. Then, n_merges times:
    count the neighbouring pairs at every position, take the most frequent pair, write it down,
    and replace it everywhere, from left to right, by a new token. The first new token is 256, the next 257, and so on.

    Ties: of equally frequent pairs take the one with the smaller left id; if these are equal too, the smaller right id.
    Stop early when no pair occurs at least twice: such a merge saves nothing. The list is then shorter than n_merges.
    Nothing is cut beforehand: merges may cross spaces and line ends. n_merges is 0 or more.
    Returns: the pairs in the order learned, so that merges[r] is the pair that became token 256 + r. r is its *rank*.

    >>> train_bpe("she sells sea shells", 3)  # " s" stands there three times; then "el" and "ls" win by the rule for ties
    [(32, 115), (101, 108), (108, 115)]

    Source: Sennrich et al. 2016, arXiv:1508.07909, Algorithm 1; on bytes: Wang et al. 2019, arXiv:1909.03341.
    """
    ### BEGIN SOLUTION
    ids = list(text.encode("utf-8"))
    merges: list[tuple[int, int]] = []
    for new_id in range(256, 256 + n_merges):
        counts = count_pairs(ids)
        most = max(counts.values(), default=0)
        if most < 2:
            break
        pair = min(pair for pair, count in counts.items() if count == most)
        merges.append(pair)
        ids = replace_pair(ids, pair, new_id)
    return merges
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The first pair is `(32, 115)`: a space and an "s", which three words begin with. "abc" gives no merge at all.

# %% check="bpe-train"

# %% [markdown]
# **What it means in the real model.** The `tokenizers` library, on which `transformers` relies, learns the same merges from the same text.
# (The text below is small letters only: the library numbers those in the same order as bytes, so that ties fall alike. With spaces they might not.)

# %% demo
from handbook import bpe
from handbook.answers import yours_or_ours

train_yours = yours_or_ours("train_bpe", globals(), bpe.train, exercise="bpe-train")
line = "thebetterthewinterthehotterthesummer" * 3
library, yours = token_lab.library_merges(line, 12), token_lab.spelled(train_yours(line, 12))
print("library:", library)
print("yours:  ", yours)
print("the same:", library == yours)

# %% [markdown]
# How far should one go? More merges make shorter sequences, and a larger table that has to be learned. The next picture trains on English stories
# and measures how many bytes one token holds, on new stories of the same kind and on other text.
#
# **Predict before you run.** Which curve stays lowest: English customer messages, German, or Python code?

# %% demo
token_lab.bytes_per_token(n_merges=400, seed=0)

# %% [markdown]
# Merges that are learned from one kind of text do little for another.
#
# ## Encode and decode
#
# A new text is cut with the merges that were learned. The order matters. Suppose that `b c` was learned before `a b`. Then in "abc" the merge of
# rank 0 takes the "b", and nothing is left for rank 1:

# %%
from handbook import bpe  # our own byte-pair encoding, so that this cell works whatever you have done so far

first, second = (98, 99), (97, 98)  # bc and ab
print("bc learned first:", bpe.pieces_of("abc", [first, second]))
print("ab learned first:", bpe.pieces_of("abc", [second, first]))

# %% [markdown]
# Reading from left to right and merging the first pair that you know would give "ab", "c" both times. It would still decode correctly, and that is what makes this mistake
# so hard to see: the model would get tokens that it was never trained on.
#
# Decoding has a trap of its own. A token is a piece of *bytes*, and may end in the middle of a character:

# %%
merges = bpe.train("🙂🙃🙂🙃🙂", 2)
print("one emoji is", bpe.pieces_of("🙂", merges))
print("each token turned to text by itself:", [bpe.vocabulary(merges)[token].decode("utf-8", errors="replace") for token in bpe.encode("🙂", merges)])

# %% [markdown]
# So `decode` gives back bytes, exactly those that went in, whether they are text or not. To get text, decode the whole once, at the end.
#
# ## Exercise: Encode and decode · 4 points · ★★☆

# %% exercise="bpe-encode-decode"
from handbook.bpe import replace_pair  # our merge, if you would rather not rely on yours


def encode(data: str | bytes, merges: list[tuple[int, int]]) -> list[int]:
    """Turn text, or any bytes, into token ids.

    Args: data is a str, which stands for its UTF-8 bytes, or bytes, which need not be valid UTF-8.
        merges is a list as train_bpe returns it: merges[r] is the pair of ids that became token 256 + r, built from
        bytes and from tokens of smaller rank.
    Returns: the ids that are left when merge 0 has been applied wherever its pair stands (from left to right, as in merge),
        then merge 1, and so on to the last. Rank decides, not the place in the text and not the length of the token.
    Leave merges as they came.

    >>> encode("abc", [(98, 99), (97, 98)])
    [97, 256]

    Source: Sennrich et al. 2016, arXiv:1508.07909; on bytes as in Radford et al. 2019 (GPT-2), Input Representation.
    """
    ### BEGIN SOLUTION
    ids = list(data.encode("utf-8") if isinstance(data, str) else data)
    for rank, pair in enumerate(merges):
        ids = replace_pair(ids, pair, 256 + rank)
    return ids
    ### END SOLUTION


def decode(ids: list[int], merges: list[tuple[int, int]]) -> bytes:
    """Turn token ids back into bytes: decode(encode(data, merges), merges) is data, byte for byte.

    Args: ids are any ids of the vocabulary, also in an order that encode would never give. merges as in encode.
    Returns: bytes, not text: a token may hold part of a character. For text, decode the whole:
        decode(ids, merges).decode("utf-8", errors="replace").
    Raises: ValueError if an id is below 0 or above 255 + len(merges).
    Leave ids and merges as they came.

    >>> decode([97, 256], [(98, 99), (97, 98)])
    b'abc'
    """
    ### BEGIN SOLUTION
    pieces = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        pieces.append(pieces[left] + pieces[right])
    unknown = [token for token in ids if not 0 <= token < len(pieces)]
    if unknown:
        raise ValueError(f"these ids are not in the vocabulary: {unknown}")
    return b"".join(pieces[token] for token in ids)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Emoji, Hangul and single stray bytes such as `b"\xff"` come back unchanged, with any merges.

# %% check="bpe-encode-decode"

# %% [markdown]
# **What it means in the real model.** The next cell takes the merges out of SmolLM2's tokenizer, gives them to your `encode` (ours, while yours does not pass yet),
# and compares the pieces with those of the real one. It gets words, not sentences: you see why below.

# %% demo
encode_yours = yours_or_ours("encode", globals(), bpe.encode, exercise="bpe-encode-decode")
merges = bpe.merges_of(lm.tokenizer)
pieces = bpe.vocabulary(merges)
print(f"SmolLM2 has {len(merges):,} merges")
for word in [" tokenization", "strawberry", " unbelievably", "naïve", "안녕", "🙂"]:
    yours, theirs = [bpe.readable(pieces[token]) for token in encode_yours(word, merges)], token_lab.real_pieces(lm, word)
    print(f"{word!r:>16}  {yours}  {'as SmolLM2 does' if yours == theirs else theirs}")

# %% [markdown]
# ### Around the merges: cut first, and keep some tokens apart
#
# Two more steps belong to a real tokenizer. Before any merge, a fixed rule (a regular expression) cuts the text into words, digits and signs: *pre-tokenisation*.
# No merge crosses a cut, which keeps "dog", "dog!" and "dog?" from becoming three tokens. Beside the merges stand a few *special tokens*.
# They are made of no bytes: the tokenizer looks for their names in the text before it cuts. `<|endoftext|>` stands between two texts in training;
# `<|im_start|>` and `<|im_end|>` go around each turn of a conversation. A chat is therefore one row of ids like any other text, laid out by a *chat template*.
#
# **Predict before you run.** A user types `Bye<|im_end|>`, the name of the token that ends a turn. Is that many tokens, or is it the real mark?

# %% demo
cuts = lm.tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("I'll pay 45 euros, ok?")
print("cut before any merge:", [piece.replace("Ġ", " ") for piece, _ in cuts])  # Ġ is how this tokenizer writes a space
print("special tokens:      ", dict(zip(lm.tokenizer.all_special_tokens, lm.tokenizer.all_special_ids, strict=True)))
chat = lm.tokenizer.apply_chat_template([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi!"}], tokenize=False)
print("a chat of two turns: ", lm.tokens(chat))
print("as ids:              ", lm.encode(chat), "\n")
print("as it comes:         ", lm.tokens("Bye<|im_end|>"))
print("as plain text:       ", lm.tokens(lm.tokenizer.encode("Bye<|im_end|>", split_special_tokens=True)))

# %% [markdown]
# It is the real mark: by default, whoever may write the text may also end the turn and open another, say one of the system. So a program that passes on
# other people's text encodes it as plain text (`split_special_tokens=True`) and puts the marks around it itself, as ids. The chat template alone does not protect you: it pastes texts together.
#
# ### What a token costs, and whom
#
# You pay a language model by the token, and its window (how much text it can read at once) is measured in tokens. So the choice of the text
# that a tokenizer learns from is a choice about people. The next picture cuts the same four everyday sentences, in fifteen languages, with SmolLM2's tokenizer.
#
# **Predict before you run.** How many times as many tokens as English does the most expensive language need?

# %% demo
token_lab.cost_by_language(lm)

# %% [markdown]
# English is cheapest here. Text in a script that few merges were learned from falls apart, in places down to single bytes.
# Petrov et al. 2023 (arXiv:2305.15425) find lengths that differ up to 15 times between languages, in tokenizers that are in use.
#
# Numbers are the other surprise. All of these are one million two hundred and thirty-four thousand five hundred and sixty-seven:

# %% demo
from handbook import plots, texts

plots.bars(list(texts.NUMBERS), [len(lm.tokens(written)) for written in texts.NUMBERS.values()], decimals=0,
           title="One number, twelve notations (SmolLM2)", xlabel="tokens", ylabel="notation")
plots.token_strip(lm.tokens(texts.NUMBERS["commas"]))

# %% [markdown]
# SmolLM2 cuts every digit off by itself. Others keep groups of up to three, and then it matters from which end they are counted:
# Singh and Strouse 2024 (arXiv:2402.14903) find that GPT-3.5 and GPT-4 add better when commas force the groups to start from the right.
#
# *A good place to stop and come back to: the first half ends here. From now on the tokenizer is done, and you need nothing of it but the ids.*
#
# ## From numbers to vectors
#
# A token id is a name tag. That 300 is close to 301 means nothing. So the first thing a model does with an id is to fetch a row of a table, its *embedding*: a list of
# numbers that training has moved to where it is useful. By hand, with four tokens and two numbers each:

# %%
import torch

table = torch.tensor([[0.0, 0.0], [1.0, 0.5], [0.75, 0.5], [-1.0, 0.25]])  # (V=4, C=2)
one_hot = torch.tensor([0.0, 0.0, 1.0, 0.0])
print("row 2:", table[2].tolist(), " and as a matrix product:", (one_hot @ table).tolist())

# %% [markdown]
# Fetching a row is the same as multiplying by a vector with a single 1, only without all the multiplications by 0. That is why a table can be trained like any other weight.
#
# ## Exercise: Look up embeddings · 2 points · ★☆☆
#
# One line does it, nearly. Python counts −1 from the end, so a wrong id can fetch a vector without a word of warning: yours must not.

# %% exercise="embedding-lookup"
import torch
from torch import Tensor


def embedding_lookup(table: Tensor, ids: Tensor) -> Tensor:
    """Fetch the vector of each token id.

    Shapes: table (V, C), float, row v belongs to token v · ids (...), int64, any number of axes, also none, also empty
        · returns (..., C), with the dtype of table.
    Gradients flow from the result to the rows that were fetched; a row that was fetched twice gets the sum of both.
    Raises: IndexError if any id is below 0, or V or more.
    Leave table and ids as they came.

    >>> embedding_lookup(torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), torch.tensor([2, 0, 2])).tolist()
    [[4.0, 5.0], [0.0, 1.0], [4.0, 5.0]]

    Source: Vaswani et al. 2017, arXiv:1706.03762, Embeddings and Softmax (without its factor of √C).
    """
    ### BEGIN SOLUTION
    V = table.shape[0]
    if ((ids < 0) | (ids >= V)).any():
        raise IndexError(f"ids must be from 0 to {V - 1}")
    return table[ids]  # (...) -> (..., C)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** A batch of ids of shape (B, T) becomes vectors of shape (B, T, C). The same id gives the same vector, wherever it stands.

# %% check="embedding-lookup"

# %% [markdown]
# **What it means in the real model.** The table is no small thing:

# %% demo
table = lm.model.get_input_embeddings().weight
V, C = table.shape
print(f"SmolLM2's table: {V:,} tokens × {C} numbers = {table.numel():,} of {lm.parameters:,} weights ({table.numel() / lm.parameters:.0%})")

# %% [markdown]
# That is the price of a large vocabulary. Now you see why no one learns a million merges.
#
# ## What lies nearby
#
# Nobody told the table what words mean. Yet tokens that are used alike end up in similar directions, because the model has to treat them alike.
# To find out, you have to compare vectors, and the first idea is the dot product. Take the row of "Monday", and look for the rows with the largest dot product.
#
# **Predict before you run.** What stands beside "Monday"? And how many words are at least their own best match: nearly all, half, or fewer than one in ten?

# %% demo
words = ["Monday", "guitar", "three", "bank"]
token_lab.matches_by_dot_product(lm, words, sample=2000, seed=0)
token_lab.lengths_of_rows(lm, [*words, "strugg"])

# %% [markdown]
# A dot product rewards length, and a few rows are very long. " strugg" is one of them: a step on the way to " struggle", " struggling" and their like. The merges need it,
# but whole words use it up, so it probably stood alone only rarely in training. Such tokens have a literature of their own (Land and Bartolo 2024, arXiv:2405.05417).
#
# The *cosine* leaves lengths out and compares directions only.
#
# ## Exercise: Nearest neighbours by cosine · 3 points · ★★☆
#
# $$\cos(a, b) = \frac{a \cdot b}{\lVert a \rVert \, \lVert b \rVert}$$

# %% exercise="embedding-neighbours"
import torch
from torch import Tensor


def cosine_neighbours(vector: Tensor, table: Tensor, k: int) -> list[tuple[int, float]]:
    """Find the k rows of a table whose direction is closest to that of a vector.

    Shapes: vector (C,), float, not all zeros · table (N, C), float · k is 0 or more.
    Returns: (row number in table, cosine) for each neighbour as plain Python numbers, largest cosine first.
        If fewer than k rows can be returned, all of them are. Rows of equal cosine may come in any order.
    A row that is exactly equal to vector is the vector itself and no neighbour: leave out every such row, and only those.
        A row that points the same way but is longer or shorter is a neighbour, with cosine 1.
    A row of zeros has no direction; its cosine counts as 0, not as NaN.
    Leave vector and table as they came.

    >>> found = cosine_neighbours(torch.tensor([1.0, 0.0]), torch.tensor([[1.0, 0.0], [3.0, 4.0], [0.0, 2.0]]), k=2)
    >>> [(row, round(cosine, 3)) for row, cosine in found]
    [(1, 0.6), (2, 0.0)]

    Source: neighbours of word vectors by cosine as in Mikolov et al. 2013, arXiv:1301.3781.
    """
    ### BEGIN SOLUTION
    lengths = table.norm(dim=-1) * vector.norm()  # (N,)
    cosines = table @ vector / torch.where(lengths > 0, lengths, 1.0)  # (N, C) @ (C,) -> (N,)
    itself = (table == vector).all(dim=-1)  # (N,)
    order = cosines.argsort(descending=True)
    order = order[~itself[order]][:k]
    return list(zip(order.tolist(), cosines[order].tolist(), strict=True))
    ### END SOLUTION


# %% [markdown]
# **What you should see.** No cosine is above 1 or below −1, and the row numbers are those of the table you were given.

# %% check="embedding-neighbours"

# %% [markdown]
# **What it means in the real model.** First the same words in SmolLM2's table, then a few more in the table of MiniLM, a small model that compares sentences:

# %% demo
from handbook import load_encoder

near = yours_or_ours("cosine_neighbours", globals(), token_lab.cosine_neighbours, exercise="embedding-neighbours")
rows, names = token_lab.words_of(lm)
for word in words:
    print(f"{word:>7}: " + "  ".join(f"{names[row]} {cosine:.2f}" for row, cosine in near(rows[names.index(word)], rows, 5)))

# %% demo
encoder = load_encoder()
rows = encoder.token_table()
names = encoder.tokenizer.convert_ids_to_tokens(range(len(rows)))
for word in ["king", "paris", "happy", "bank"]:
    found = near(rows[names.index(word)], rows, 6)
    print(f"{word:>7}: " + "  ".join(f"{names[row]} {cosine:.2f}" for row, cosine in found))

# %% [markdown]
# Look at "happy": its opposite is among its neighbours, because opposites are used in the same places. Near does not mean equal.
# Look at "bank": only money. A table has one row for a token, and can't hold the bank of a river beside it. What can is the rest of the model, which reads the neighbours.
# Here are whole sentences, after all layers:

# %% demo
token_lab.sentence_similarity(encoder, [
    "The bank was muddy after the flood.", "The river's edge was wet and slippery.",
    "The bank raised its interest rate.", "She opened a savings account.", "The guitar is out of tune."])

# %% [markdown]
# Sentences 1 and 3 share the word "bank"; sentences 1 and 2 share no such word, only the place. The encoder puts the place above the word.
#
# ## Which token came first?
#
# One thing is missing. Attention, the next lesson, compares every token with every other, and nothing in that comparison says where they stand.
# Without a causal mask (which hides from each token what comes after it) "dog bites man" and "man bites dog" are then the same three vectors. With the mask some order leaks through,
# and a model that was trained without positions learns to use it (Haviv et al. 2022, arXiv:2203.16634; Kazemnejad et al. 2023, arXiv:2305.19466).
#
# SmolLM2, like most open language models of 2025, says it outright, by *rotary position embeddings*, RoPE (Su et al. 2021, arXiv:2104.09864):
# it turns each vector by an angle that grows with its position. Like the hands of a clock, some pairs of numbers turn quickly and some slowly:

# %% demo
token_lab.hands_of_the_clock(pairs=(0, 2, 4, 8), steps=4)

# %% [markdown]
# Two numbers make one hand. Turn $(a, b)$ by the angle $\varphi$ and you get $(a \cos\varphi - b \sin\varphi,\; a \sin\varphi + b \cos\varphi)$. For example the hand $(1, 0)$, at
# positions 0 to 3, one radian a step; and the dot product between neighbours, wherever they stand:

# %%
import math

hands = [(math.cos(position), math.sin(position)) for position in range(4)]
print([(round(a, 2), round(b, 2)) for a, b in hands])
print("dot products of neighbours:", [round(hands[t][0] * hands[t + 1][0] + hands[t][1] * hands[t + 1][1], 4) for t in range(3)])

# %% [markdown]
# **That is the trick.** Turning both vectors by the same angle leaves their dot product as it was. So the score of a query at position $m$ and a key at position $n$ depends
# on $m - n$ only: how far apart they are, not where they stand.
#
# ## Exercise: Rotary position embedding · 4 points · ★★☆
#
# Which two numbers make a pair? There are two conventions, and weights trained with one do not work with the other. The paper pairs neighbours, numbers $2i$ and $2i + 1$.
# The `transformers` library, for SmolLM2 and all Llama models, pairs number $i$ with number $i + D/2$ (huggingface/transformers#25199). **We take the second,** so that your function fits the real model.

# %% exercise="rope"
import torch
from torch import Tensor


def rope(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    """Turn pairs of numbers of each vector by angles that grow with its position.

    Shapes: x (..., T, D), float, any number of leading axes; D is even · positions (T,), int64 or float · returns (..., T, D).
    Number i and number i + D/2 make a pair, for i = 0 … D/2 - 1. With the angle φ = positions[t] * base ** (-2 * i / D):
        out[..., t, i]       = x[..., t, i] * cos φ - x[..., t, i + D/2] * sin φ
        out[..., t, i + D/2] = x[..., t, i] * sin φ + x[..., t, i + D/2] * cos φ
    positions[t] is the position of vector t: any numbers in any order, also with gaps, repeated or negative.
    The result has the dtype of x. Compute in float64 where x is float64, and in float32 where it is float32, float16 or bfloat16.
    Gradients flow to x.
    Raises: ValueError if D is odd, or if positions does not have exactly T numbers.
    Leave the arguments as they came.

    >>> x = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    >>> [[round(number, 2) for number in row] for row in rope(x, torch.tensor([0, 1])).tolist()]
    [[1.0, 0.0, 0.0, 0.0], [0.54, 0.0, 0.84, 0.0]]

    Source: Su et al. 2021, arXiv:2104.09864, with the pairs ordered as in the transformers library.
    """
    ### BEGIN SOLUTION
    T, D = x.shape[-2:]
    if D % 2 or positions.shape != (T,):
        raise ValueError(f"x {tuple(x.shape)} needs an even width and {T} positions, not {tuple(positions.shape)}")
    kind = torch.promote_types(x.dtype, torch.float32)  # float64 stays, half precision becomes float32
    speeds = base ** (-torch.arange(0, D, 2, dtype=kind) / D)  # (D/2,), in radians per position
    angles = positions.to(kind)[:, None] * speeds  # (T, 1) * (D/2,) -> (T, D/2)
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., : D // 2].to(kind), x[..., D // 2 :].to(kind)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1).to(x.dtype)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Position 0 changes nothing, no vector changes its length, and in the example the 1 has turned by one radian, into number 2: that is its partner, since D/2 = 2.

# %% check="rope"

# %% [markdown]
# Every pixel below is the dot product of one query and one key, the same two vectors all over, at positions $m$ and $n$.
# The stripes say it all: along a diagonal the distance is the same, and so is the score.

# %% demo
turn = yours_or_ours("rope", globals(), token_lab.rope, exercise="rope")
token_lab.scores_by_position(turn, n=32, seed=0)

# %% [markdown]
# **What it means in the real model.** The next cell puts your function into every layer of SmolLM2, in place of its own, and measures the *perplexity* on a short news report. You know it from the last lesson:
# between how many equally likely tokens the model hesitates, on average. (Tokens differ between tokenizers: to compare models that do not share one, count bits per byte of text.)
# Then three experiments: all positions shifted by 1000, every token at position 0, and neighbours paired as in the paper.
# **Predict before you run:** which of the four leave the model as good as it was?

# %% demo
token_lab.positions_swapped(lm, turn, texts.NEWS)

# %% [markdown]
# Your function is as good as the model's own. The shift changes nothing, because only distances count. Without positions, or with other pairs than in training, the model
# loses most of what it knows, although every shape fits and nothing raises an error. It was trained with RoPE and relies on it; this says nothing about a model that was trained without.
# And that is why the convention stands in the docstring.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. You know the merges b c (rank 0) and a b (rank 1). Which tokens does "abcab" become, and why is "ab", "c", "ab" wrong, although it decodes to the same text?</summary>
#
# "a", "bc", "ab". Rank decides: b c was learned first and uses up the first b. The model was trained on text that was cut this way; other cuts are strange to it.
# </details>
#
# <details><summary>2. Why does decode return bytes, and when do you turn them into text?</summary>
#
# A token may hold only a part of a character, for example half an emoji. Join the bytes of all tokens first, then turn the whole into text, once.
# </details>
#
# <details><summary>3. Under RoPE, a query at position 1005 meets a key at position 1000. At which other positions would they get the same score? And at which without RoPE?</summary>
#
# Wherever the query stands five places behind the key, for example at 5 and 0: turning both by the same angle leaves their dot product as it was.
# Without RoPE the score is the same at all positions, so it says nothing about them.
# </details>
#
# Now the model has vectors that say what each token is and where it stands. In the next lesson, attention, they begin to read each other.

# %% [markdown]
# ## What to keep
#
# - A tokenizer starts from bytes, so nothing is unknown to it; merges, learned in order, make sequences short. Rank decides, when a text is cut.
# - What is short depends on the text that the tokenizer was trained on. People who write otherwise pay more.
# - A token is a piece of bytes. Turn bytes into text at the end, never token by token.
# - Real tokenizers cut before they merge, and have special tokens. Encode other people's text so that it can't bring its own.
# - An embedding is a row of a table, one for each token, whatever the context. Compare rows by their cosine.
# - RoPE turns pairs of numbers by position, and so makes scores depend on distance. Pairing and base belong to the weights.
#
# ## Read further
#
# - Sennrich, Haddow and Birch 2016, *Neural machine translation of rare words with subword units*, arXiv:1508.07909. Its Algorithm 1 is this lesson's first half.
# - Wang, Cho and Gu 2019, *Neural machine translation with byte-level subwords*, arXiv:1909.03341.
# - Petrov et al. 2023, *Language model tokenizers introduce unfairness between languages*, arXiv:2305.15425.
# - Singh and Strouse 2024, *Tokenization counts: the impact of tokenization on arithmetic in frontier LLMs*, arXiv:2402.14903.
# - Land and Bartolo 2024, *Fishing for Magikarp*, arXiv:2405.05417: how to find tokens that the model hardly met in training.
# - Mikolov et al. 2013, *Efficient estimation of word representations in vector space*, arXiv:1301.3781; Reimers and Gurevych 2019, *Sentence-BERT*, arXiv:1908.10084.
# - Ethayarajh 2019, *How contextual are contextualized word representations?*, arXiv:1909.00512: what becomes of a token's vector in the layers.
# - Su et al. 2021, *RoFormer: enhanced transformer with rotary position embedding*, arXiv:2104.09864.
# - Ben Allal et al. 2025, *SmolLM2*, arXiv:2502.02737: the model that you have been looking into.
