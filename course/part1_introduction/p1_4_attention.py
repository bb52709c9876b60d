# %% [markdown]
# # Attention: how one token reads another
#
# Lesson 3 turned text into vectors, one for each token, and each alike in every sentence. Here they begin to read each other.
#
# *The trophy didn't fit in the suitcase because it was too big.* (After Levesque, Davis and Morgenstern 2012, *The Winograd Schema Challenge*.)
# You knew at once that "it" was the trophy. Change one word, "too small", and "it" becomes the suitcase.
# Nothing in the word "it" changed: you read the rest of the sentence to decide.
# Attention is the part of a language model that does this reading.

# %% demo
from handbook import load_lm, plots

lm = load_lm()
plots.attention_from(lm, "The trophy didn't fit in the suitcase because it was too big.", token=" it")

# %% [markdown]
# Each bar is how much " it" reads from one token, in the head of SmolLM2 that reads "trophy" most.
# SmolLM2 reads from left to right: at " it" the words "too big" have not come yet, so this is a guess, and with "too small" the bars would be the same.
# A later token, such as the full stop, can read both. And mind that 270 heads were searched for this one: shares show where a head reads, they don't prove
# why the model answers as it does (Jain and Wallace 2019, arXiv:1902.10186). Still, no one programmed any of this. The rest of the notebook builds the mechanism that makes it possible, in small pieces,
# and puts the first of them into the real model.
#
# ## A question, a label, a content
#
# Every token asks a question, the *query* $q$; shows a label, the *key* $k$; and carries content, the *value* $v$.
# A token compares its question to every label, turns the matches into shares that sum to one, and takes that mixture of the contents:
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{QK^\top}{\sqrt{d}}\right)V \qquad \text{(Vaswani et al. 2017, equation 1)}$$
#
# By hand, with two keys and $d = 4$: the question matches the first label with score 4 and the second with 0.

# %%
import torch

scores = torch.tensor([4.0, 0.0])
print("shares without scaling:", [round(share, 3) for share in torch.softmax(scores, -1).tolist()])
print("shares with 1/sqrt(4): ", [round(share, 3) for share in torch.softmax(scores / 4**0.5, -1).tolist()])

# %% [markdown]
# **Predict before you run.** Random queries and keys with $d$ independent entries of mean 0 and variance 1 have scores of variance $d$ (the same paper, section 3.2.1, footnote).
# One query meets 16 keys. What happens to the largest share as $d$ grows from 4 to 1024, with and without the scaling? Say it aloud; then run.

# %% demo
plots.largest_share_by_width(widths=(4, 16, 64, 256, 1024), seed=0)

# %% [markdown]
# Without the scaling one key takes nearly everything. The softmax is then flat around its answer: almost no *gradient* flows back
# (the gradient is what training follows: how the loss changes when a number changes a little), and the model learns only slowly to look elsewhere.
#
# ## Exercise: Scaled dot-product attention · 3 points · ★★☆
#
# A mask says which keys a query may read: `True` = may read. A query that may read nothing gets zeros, not NaN.
# There may be fewer queries than keys: a newly written token, for example, asks once and reads all that came before it.

# %% exercise="attention-scaled-dot-product"
import torch
from torch import Tensor


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mix the values by how well each query matches each key.

    Shapes: q (..., Tq, D) · k (..., Tk, D) · v (..., Tk, Dv) · mask (..., Tq, Tk), bool, True = may read · returns (..., Tq, Dv).
        Leading axes are any number of batch axes, the same for all; Tq and Tk may differ, and so may D and Dv.
        The result has the dtype of q, k and v, which share one.
    Raises: ValueError if q and k differ in D, or k and v in Tk.
    Leave the arguments as they came. A query whose mask row is all False gets zeros. Scores may be very large.
    Gradients flow to q, k and v.

    >>> eye = torch.eye(2); scaled_dot_product_attention(100 * eye, eye, torch.tensor([[1.0], [2.0]]))
    tensor([[1.], [2.]])

    Source: Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    ### BEGIN SOLUTION
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(f"q {tuple(q.shape)}, k {tuple(k.shape)} and v {tuple(v.shape)} do not fit together")
    scores = q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5  # (..., Tq, D) @ (..., D, Tk) -> (..., Tq, Tk)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = torch.softmax(scores, dim=-1).nan_to_num(0.0)  # a row of -inf has no shares: give it none
    return weights @ v  # (..., Tq, Tk) @ (..., Tk, Dv) -> (..., Tq, Dv)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Two queries that each match one key strongly return almost exactly that key's value: 1 and 2.

# %% check="attention-scaled-dot-product"

# %% [markdown]
# **What it means in the real model.** SmolLM2 runs this function in 30 layers for every token.
# The next cell takes the library's own kernel out of the model and puts yours in (ours, while yours does not pass yet).
# (SmolLM2's three key and value heads are repeated for its nine query heads before your function sees them.)
# The continuation must not change by a letter.
#
# One thing this function can't see: order. Shuffle keys and values together, and every result stays the same. SmolLM2 knows which token came first
# only because queries and keys have been turned by their position before they meet (RoPE, lesson 3), and because of the mask that comes next.

# %% demo
from handbook.answers import yours_or_ours
from handbook.attention_lab import with_attention

attention = yours_or_ours("scaled_dot_product_attention", globals(), exercise="attention-scaled-dot-product")
prompt = "The capital of France is"
before = lm.generate(prompt, max_new_tokens=12)
with with_attention(lm, attention) as calls:
    after = lm.generate(prompt, max_new_tokens=12)
print(f"library:  {before!r}\nreplaced: {after!r}\nsame: {before == after}, after {calls.count} calls of the function put in")

# %% [markdown]
# ## The future is not there yet
#
# A language model learns by predicting each token from the ones before it. If token 3 could read token 4, the answer would be in the question.
# So query $i$ may read keys $0 \dots i$ and nothing later.
#
# ## Exercise: A mask that hides the future · 1 point · ★☆☆

# %% exercise="attention-causal-mask"
import torch
from torch import Tensor


def causal_mask(n: int) -> Tensor:
    """Say which of n tokens may read which: every token itself and the ones before it.

    Shapes: returns (n, n), bool; row i is query i, column j is key j; True = may read. n ≥ 0, up to thousands.
    Every call gives a tensor of its own.

    >>> causal_mask(2).tolist()
    [[True, False], [True, True]]

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.3.
    """
    ### BEGIN SOLUTION
    return torch.ones(n, n, dtype=torch.bool).tril()
    ### END SOLUTION


# %% [markdown]
# **What you should see.** A staircase: the first row has one `True`, the last row has only `True`.

# %% check="attention-causal-mask"

# %% [markdown]
# **What it means in the real model.** Change the last word of a sentence. What SmolLM2 predicts after every earlier word must stay the same.
# **Predict before you run:** at which positions will the prediction move? (A *logit* is the score of a next token, before the softmax.)

# %% demo
ids = lm.encode("The cat sat on the mat")
changed = ids[:-1] + lm.encode(" moon")[-1:]
moved = (lm.logits(ids) - lm.logits(changed)).abs().amax(-1)  # (T, V) -> (T,)
for token, size in zip(lm.tokens("The cat sat on the mat"), moved.tolist(), strict=True):
    print(f"{token!r:>8}  largest change of a logit: {size:.4f}")

# %% [markdown]
# ## Several questions at once
#
# One softmax gives one mixture. A word often needs several: its verb, its adjective, the word it repeats.
# So the $C$ numbers of a token are cut into $H$ heads of $D = C / H$ numbers, and each head attends by itself.
#
# **Predict before you run.** These are the nine heads of one layer of SmolLM2. Will they look alike? How would a head look that always reads the token before?

# %% demo
from handbook.attention_lab import attention_heads

attention_heads(lm, "The trophy didn't fit in the suitcase because it was too big.", layer=16)

# %% [markdown]
# One layer, one sentence, and different habits. Head 0 reads the token before: a bright line just below the diagonal. Heads 1 to 4 give the first token
# more than half of their attention on average, and head 3 is the one from the start of this page. (The bright first column is real: many heads rest on the first token when they have nothing to look for. Xiao et al. 2023, arXiv:2309.17453, call it an attention sink.)
#
# The cut is only bookkeeping, and it is where most first attempts go wrong. On paper, with two tokens, $C = 4$ and $H = 2$:

# %%
x = torch.tensor([[[1, 2, 3, 4], [5, 6, 7, 8]]])  # (B=1, T=2, C=4)
print("head 0 of token 0 holds", x[0, 0, :2].tolist(), "and head 0 of token 1 holds", x[0, 1, :2].tolist())
print("a plain view(1, 2, 2, 2) would give head 0:", x.view(1, 2, 2, 2)[0, 0].tolist())

# %% [markdown]
# The view puts all of token 0 into head 0. It runs without an error, the loss even falls, and nothing warns you.
#
# ## Exercise: Cut into heads, and glue together again · 2 points · ★★☆

# %% exercise="attention-heads"
import torch
from torch import Tensor


def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """Cut each token's C numbers into n_heads neighbouring groups of D = C / n_heads.

    Shapes: x (B, T, C) · returns (B, H, T, D); head h of token t is x[b, t, h * D : (h + 1) * D].
    Raises: ValueError if C is not a multiple of n_heads (n_heads ≥ 1).
    x may be of any dtype, which the result keeps, and need not be contiguous in memory. It is left as it came. Gradients flow to it.

    >>> split_heads(torch.tensor([[[1, 2, 3, 4], [5, 6, 7, 8]]]), 2).tolist()
    [[[[1, 2], [5, 6]], [[3, 4], [7, 8]]]]

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
    """
    ### BEGIN SOLUTION
    B, T, C = x.shape
    if C % n_heads:
        raise ValueError(f"{C} numbers can't be cut into {n_heads} equal heads")
    return x.reshape(B, T, n_heads, C // n_heads).transpose(1, 2)  # (B, T, H, D) -> (B, H, T, D)
    ### END SOLUTION


def merge_heads(x: Tensor) -> Tensor:
    """Glue the heads of each token together again: the inverse of split_heads.

    Shapes: x (B, H, T, D), of any dtype, contiguous or not · returns (B, T, H * D), of the same dtype.
    x is left as it came. Gradients flow to it.

    >>> merge_heads(torch.tensor([[[[1, 2], [5, 6]], [[3, 4], [7, 8]]]])).tolist()
    [[[1, 2, 3, 4], [5, 6, 7, 8]]]
    """
    ### BEGIN SOLUTION
    B, H, T, D = x.shape
    return x.transpose(1, 2).reshape(B, T, H * D)  # (B, T, H, D) -> (B, T, C)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Splitting and merging gives back what you started with, and head 0 of the paper example is `[[1, 2], [5, 6]]`.

# %% check="attention-heads"

# %% [markdown]
# ## Put together: multi-head self-attention
#
# Four matrices make the whole layer. Three turn each token into its query, key and value; the fourth mixes the heads' results
# (the product with $W^O$ is what the layer `o_proj` does):
#
# $$\mathrm{MultiHead}(X) = \mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_H)\,W^O \qquad \text{(Vaswani et al. 2017, section 3.2.2)}$$
#
# The stub names the four layers as SmolLM2 does. Its real weights would not fit yours: SmolLM2 lets three query heads share one key and value head
# (*grouped-query attention*, Ainslie et al. 2023, arXiv:2305.13245) to save memory, and it turns queries and keys by their position (lesson 3).
# You may use `torch.nn.functional.scaled_dot_product_attention`, or write the attention out; both are right.
#
# ## Exercise: Multi-head self-attention as a module · 3 points · ★★★

# %% exercise="attention-multi-head"
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    """Causal self-attention with several heads.

    Args: d_model is the width C of a token; n_heads is the number H of heads. Raises ValueError if C is not a multiple of H.
    Layers: q_proj, k_proj, v_proj, o_proj, each nn.Linear(C, C, bias=False); no other parameters (buffers are fine).
    Call: x (B, T, C) -> (B, T, C), of the dtype of x and the weights. Token t reads tokens 0 … t, itself included. Head h works on the numbers
        h * D : (h + 1) * D of each projection, its scores are divided by the square root of D = C / H, and o_proj acts on the glued heads.
        One layer reads texts of any length, one after the other. Scores may be very large. No dropout.
        x is left as it came. Gradients flow to x and to all four layers.

    >>> MultiHeadAttention(8, 2)(torch.zeros(1, 3, 8)).shape
    torch.Size([1, 3, 8])

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
    """

    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        if d_model % n_heads:
            raise ValueError(f"width {d_model} can't be cut into {n_heads} equal heads")
        self.n_heads = n_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(d_model, d_model, bias=False) for _ in range(4))
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        B, T, C = x.shape
        q, k, v = (p(x).reshape(B, T, self.n_heads, -1).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))  # (B, H, T, D)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(B, T, C))  # (B, H, T, D) -> (B, T, C)
        ### END SOLUTION


# %% [markdown]
# **What you should see.** A layer of width 8 has 4 × 64 = 256 parameters, and changing token 4 leaves the results of tokens 0 to 3 as they were.

# %% check="attention-multi-head"

# %% [markdown]
# ## Keep the numbers in range
#
# Each layer adds to what the tokens carry, so the numbers tend to grow on the way up. Look at SmolLM2:

# %% demo
from handbook.attention_lab import residual_size_by_layer

residual_size_by_layer(lm, "The trophy didn't fit in the suitcase because it was too big.")

# %% [markdown]
# The median token grows with nearly every layer. The first token jumps far higher in the middle layers and falls at the end: such *massive activations* go with the attention
# sink above (Sun et al. 2024, arXiv:2402.17762).
#
# Before each layer reads, a *norm* brings every token back to a fixed size. Layer norm takes away the token's mean and divides by its standard deviation;
# RMS norm, which SmolLM2 and Llama use, only divides by the root of the mean square:
#
# $$\mathrm{LN}(x) = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \odot w + b \qquad \mathrm{RMS}(x) = \frac{x}{\sqrt{\frac{1}{C}\sum_i x_i^2 + \epsilon}} \odot w$$
#
# $\mu$ and $\sigma^2$ are taken over the $C$ numbers of one token, and $\sigma^2$ divides by $C$.

# %%
token = torch.tensor([3.0, 4.0])
print("mean", token.mean().item(), " variance", token.var(unbiased=False).item(), " root mean square", token.pow(2).mean().sqrt().item())

# %% [markdown]
# ## Exercise: Layer norm and RMS norm · 2 points · ★☆☆

# %% exercise="attention-norms"
import torch
from torch import Tensor


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Bring each token to mean 0 and variance 1, then scale and shift it.

    Shapes: x (..., C), any number of axes, contiguous or not · weight (C,) · bias (C,) · returns (..., C), of the dtype of x, weight and bias.
    The variance divides by C, not C - 1; eps ≥ 0 is added to the variance, inside the root. Numbers around 1000 lose no precision:
    take the mean away before you square. x, weight and bias are left as they came. Gradients flow to all three.

    >>> layer_norm(torch.tensor([1.0, 3.0]), torch.ones(2), torch.zeros(2), eps=0.0).tolist()
    [-1.0, 1.0]

    Source: Ba et al. 2016, "Layer Normalization", arXiv:1607.06450.
    """
    ### BEGIN SOLUTION
    mean = x.mean(-1, keepdim=True)  # (..., C) -> (..., 1)
    variance = x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / (variance + eps).sqrt() * weight + bias
    ### END SOLUTION


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    """Bring each token to mean square 1, then scale it. The mean is not taken away.

    Shapes: x (..., C), any number of axes, contiguous or not · weight (C,) · returns (..., C), of the dtype of x and weight.
    eps ≥ 0 is added to the mean square, inside the root. x and weight are left as they came. Gradients flow to both.

    >>> rms_norm(torch.tensor([3.0, 3.0]), torch.tensor([1.0, 2.0]), eps=0.0).tolist()
    [1.0, 2.0]

    Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467.
    """
    ### BEGIN SOLUTION
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight
    ### END SOLUTION


# %% [markdown]
# **What you should see.** A token of equal numbers becomes all zeros under layer norm and all ones under RMS norm.

# %% check="attention-norms"

# %% [markdown]
# **What it means in the real model.** Layer 5 of SmolLM2 begins with an RMS norm. The next cell gives your function what really arrives there.
# **Predict before you run:** the first and the last token differ in size. Which root mean square has each after the norm, with a weight of ones?

# %% demo
from handbook.attention_lab import norm_traffic, rms_norm_by_library

rms = yours_or_ours("rms_norm", globals(), default=rms_norm_by_library, exercise="attention-norms")
weight, eps, read, wrote = norm_traffic(lm, "The trophy didn't fit in the suitcase because it was too big.", layer=5)
print(f"largest difference to the model's own: {(rms(read, weight, eps) - wrote).abs().max():.1e}")
for name, token in (("first token", 0), ("last token", -1)):
    after = rms(read, torch.ones_like(weight), eps)
    print(f"{name}: root mean square {read[0, token].pow(2).mean().sqrt():.2f} before, {after[0, token].pow(2).mean().sqrt():.2f} after")

# %% [markdown]
# ## Each token by itself: the feed-forward layer
#
# Attention carries contents from token to token. What a token does with what it has read happens in the *feed-forward* layer, which works on every token alone.
# It widens the token, bends it, and brings it back to its width. The bend is a function that is not linear: without one, two linear layers in a row are no more than a single one.
# SmolLM2 and Llama use *SwiGLU*, with three matrices: `up` makes the wider token, `gate` says of each of its numbers how far it may pass, and `down` leads back:
#
# $$\mathrm{FeedForward}(x) = W_{down}\big(\mathrm{silu}(W_{gate}\,x) \odot W_{up}\,x\big) \qquad \mathrm{silu}(z) = z \cdot \mathrm{sigmoid}(z) \qquad \text{(Shazeer 2020)}$$
#
# By hand, with one number: a gate of −4, 0 and 4, and 10 to let through.

# %%
gate = torch.tensor([-4.0, 0.0, 4.0])
print("silu of the gate:", [round(number, 2) for number in torch.nn.functional.silu(gate).tolist()])
print("what passes:     ", [round(number, 2) for number in (torch.nn.functional.silu(gate) * 10).tolist()])

# %% [markdown]
# A gate far below zero lets next to nothing pass; a gate above zero lets the number pass, and makes it larger.
#
# ## Exercise: A gated feed-forward layer · 2 points · ★★☆

# %% exercise="attention-feed-forward"
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FeedForward(nn.Module):
    """Work on each token by itself: widen it, let a gate decide what passes, bring it back to its width (SwiGLU).

    Args: width is the number C of a token; hidden is the number F of the wider layer, smaller or larger than C.
    Layers: gate_proj and up_proj, each nn.Linear(C, F, bias=False); down_proj, nn.Linear(F, C, bias=False); no other parameters.
    Call: x (..., C) -> (..., C), of the dtype of x: down_proj(silu(gate_proj(x)) * up_proj(x)), where silu(z) = z * sigmoid(z).
        Nothing else happens: no norm, no dropout, and x is not added (that is the block's work). x is left as it came.
        Numbers in the hundreds stay exact. Gradients flow to x and to all three layers.

    >>> FeedForward(2, 3)(torch.zeros(1, 4, 2)).shape
    torch.Size([1, 4, 2])

    Source: Shazeer 2020, arXiv:2002.05202.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        passed = F.silu(self.gate_proj(x)) * self.up_proj(x)  # (..., C) -> (..., F)
        return self.down_proj(passed)  # (..., F) -> (..., C)
        ### END SOLUTION


# %% [markdown]
# **What you should see.** Zeros go in and zeros come out, and a layer of width 2 with 3 hidden numbers has 18 parameters.

# %% check="attention-feed-forward"

# %% [markdown]
# **What it means in the real model.** The three names are those of SmolLM2, and this time its weights fit. The next cell loads those of layer 0 into your class
# (into ours, while yours does not pass yet), gives it what the model's own layer read, and compares.
# **Predict before you run:** which share of SmolLM2's parameters sits in feed-forward layers: a tenth, a third, or more than half?

# %% demo
from handbook.attention_lab import GatedFeedForward, feed_forward_traffic

FeedForwardLayer = yours_or_ours("FeedForward", globals(), default=GatedFeedForward, exercise="attention-feed-forward")
theirs, read, wrote = feed_forward_traffic(lm, "The trophy didn't fit in the suitcase because it was too big.", layer=0)
mine = FeedForwardLayer(width=576, hidden=1536).to(read.dtype)
mine.load_state_dict(theirs)
with torch.no_grad():
    print(f"largest difference: {(mine(read) - wrote).abs().max():.1e}, where the largest number is {wrote.abs().max():.1f}")
print(f"feed-forward layers hold {30 * sum(weight.numel() for weight in theirs.values()) / lm.parameters:.0%} of all parameters")

# %% [markdown]
# ## The block
#
# A transformer is one block, repeated. Each block takes two steps: the tokens read each other (attention), then each is worked on by itself (feed-forward).
# Each step *adds* its result to what the token already carries, the *residual stream*:
#
# $$x \leftarrow x + \mathrm{Attention}(\mathrm{norm}_1(x)) \qquad x \leftarrow x + \mathrm{FeedForward}(\mathrm{norm}_2(x))$$
#
# The norm stands *before* each step ("pre-norm"), off the straight road. The 2017 transformer had it after the addition ("post-norm").
# Xiong et al. 2020 (arXiv:2002.04745) found that post-norm starts with large gradients near the output and needs a learning-rate warm-up; with pre-norm they could leave it out.
# Your block is handed its four parts ready-made, so it works with any of them, yours or others.
#
# ## Exercise: A pre-norm transformer block · 2 points · ★★☆

# %% exercise="attention-block"
import torch
from torch import Tensor, nn


class TransformerBlock(nn.Module):
    """Two steps on the residual stream, each behind its own norm: attention, then feed-forward.

    Args: attention, feed_forward, norm_1, norm_2 are modules that map (B, T, C) to (B, T, C). Keep these very modules (no copies, nothing
        in them changed) as attributes of these names, so that their parameters are the parameters of the block; it has no others.
    Call: x (B, T, C) -> (B, T, C), of the dtype of x, the same in training and in evaluation mode. The first step reads norm_1 of x and adds to x; the second reads norm_2 of the result and adds to that result.
        x itself is left as it came. Gradients flow to x through both steps and past them.

    >>> block = TransformerBlock(nn.Identity(), nn.Identity(), nn.Identity(), nn.Identity()); block(torch.ones(1, 1, 2)).tolist()
    [[[4.0, 4.0]]]

    Source: Xiong et al. 2020, arXiv:2002.04745 (pre-LN).
    """

    def __init__(self, attention: nn.Module, feed_forward: nn.Module, norm_1: nn.Module, norm_2: nn.Module) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.attention, self.feed_forward = attention, feed_forward
        self.norm_1, self.norm_2 = norm_1, norm_2
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))
        ### END SOLUTION


# %% [markdown]
# **What you should see.** With four identities, 1 becomes 2 and then 4: each step adds what it read.

# %% check="attention-block"

# %% [markdown]
# **See it learn.** One block, trained here on stories from a small grammar: once as it is, and once with the attention taken out, so that each token sees only itself.
# **Predict before you run:** which of the two learns more, and does the other learn nothing? (The loss is the mean surprise, $-\ln p$ of each token, in nats.)

# %% demo
from handbook.attention_lab import train_one_block

curves = {name: train_one_block(with_attention=with_it, steps=300, seed=0) for name, with_it in (("with attention", True), ("without", False))}
plots.lines(range(300), curves, xlabel="training step", ylabel="loss (nats per token)", title="One block on small stories",
            alt="Both losses fall; the curve with attention ends lower.")

# %% demo
for name, curve in curves.items():
    print(f"{name:>15}: {sum(curve[-10:]) / 10:.2f} nats per token over the last ten steps")

# %% [markdown]
# Without attention the block can still learn which word tends to follow which. With it, a word also depends on what came earlier.
#
# ## A head you can read: induction
#
# Some heads do one job so plainly that you can write their weights by hand. In "… A B … A", an *induction head* says: B.
# Two layers share the work. A first head writes into every position which token came *before* it. A second head then looks, from the last A,
# for a position that says "before me was A", and copies the token that stands there: B. (Olsson et al. 2022, arXiv:2209.11895.)
#
# Does SmolLM2 have such heads? Feed it 24 random tokens twice. A head that does induction reads, from each token of the second half,
# the token that came *after* the same token in the first half. (It can know what came before because positions are part of queries and keys: see above.)
# **Predict before you run:** 30 layers have 270 heads. How many of them will do this with more than half of their attention, and in which layers?

# %% demo
from handbook.attention_lab import induction_scores

scores = induction_scores(lm, length=24, seed=0)  # (layers, heads)
layer, head = divmod(int(scores.argmax()), scores.shape[1])
print(f"strongest: layer {layer}, head {head}: {scores[layer, head]:.0%} of its attention goes where induction says")
plots.heatmap(scores, xlabel="head", ylabel="layer", title="Share of attention that does induction in SmolLM2", value="share of attention",
              alt="Most of the 270 heads are near zero; a few between layers 17 and 24 are far above, the strongest at 0.9.")

# %% [markdown]
# Now build the second head yourself. The residual stream is given: the first $V$ numbers say which token stands here (one-hot),
# the last $V$ say which token came before (one-hot; zeros at the first position).
#
# ## Exercise: An induction head, set by hand · 3 points · ★★★

# %% exercise="attention-induction"
import torch
from torch import Tensor, nn


class InductionHead(nn.Module):
    """One attention head whose weights are set so that it continues repeated sequences.

    Args: vocab_size is V; strength multiplies the match of query and key.
    Call: x (B, T, 2 * V), float32, any numbers -> (B, T, V). x[..., :V] says which token stands here, x[..., V:] which token came before it.
        The query is what stands here, the key is what came before, the value is what stands here.
        Position t reads positions 0 … t with shares softmax(strength * query · key) and returns that mixture of the values.
        There is no other scaling. Where nothing matches, all scores tie and the shares are equal. strength may be 0 to 1000.
        Matrices, or slices of x: both are fine. One head reads texts of any length. x is left as it came. Gradients flow to it.

    With tokens 0 1 2 0 (V = 3), x as described and a large strength, the result at the last position is close to [0, 1, 0]:
    after 0 came 1.

    Source: Olsson et al. 2022, arXiv:2209.11895.
    """

    def __init__(self, vocab_size: int, strength: float = 20.0) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        here, nothing = torch.eye(vocab_size), torch.zeros(vocab_size, vocab_size)
        self.strength = strength
        self.register_buffer("W_q", torch.cat([here, nothing]))  # (2V, V): what stands here
        self.register_buffer("W_k", torch.cat([nothing, here]))  # (2V, V): what came before
        self.register_buffer("W_v", torch.cat([here, nothing]))
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        q, k, v = x @ self.W_q, x @ self.W_k, x @ self.W_v  # each (B, T, V)
        scores = self.strength * q @ k.transpose(-2, -1)  # (B, T, T)
        T = x.shape[1]
        scores = scores.masked_fill(~torch.ones(T, T, dtype=torch.bool).tril(), float("-inf"))
        return torch.softmax(scores, dim=-1) @ v
        ### END SOLUTION


# %% [markdown]
# **What you should see.** On a sequence that repeats, the head predicts every token of the second round.

# %% check="attention-induction"

# %% [markdown]
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. A query may read two of four keys. Which score do the other two get before the softmax, and what goes wrong if you set their shares to 0 after it?</summary>
#
# Minus infinity: its share is exactly 0. After the softmax it is too late: the two shares that stay no longer sum to one.
# </details>
#
# <details><summary>2. Why is x.view(B, H, T, D) not the same as cutting into heads, although the shape is right?</summary>
#
# A view keeps the numbers in their order in memory, token after token, so the first "head" is filled with whole tokens. Cut the last axis in two first, then swap the time axis and the head axis.
# </details>
#
# <details><summary>3. In a pre-norm block, what stands between x at the bottom and the sum at the top if both steps give zeros? And which step lets tokens read each other?</summary>
#
# Nothing: x comes out as it went in. Only attention carries contents between tokens; norms and feed-forward layers see one token at a time.
# </details>
#
# You can now build everything between the vectors and the next token. What should such a network be asked while it learns? Lesson 5: pretraining objectives.

# %% [markdown]
# ## Recap
#
# - Attention compares a query to keys, turns the matches into shares, and mixes values. The division by $\sqrt{d}$ keeps the shares soft.
# - The causal mask makes a predictor out of it; heads let a token ask several things at once.
# - Norms keep the numbers in range, the feed-forward layer works on each token alone, additions keep the road open, and a block is both steps together.
# - Some heads can be read, and written, by hand.
#
# **Further reading.** Vaswani et al. 2017, *Attention Is All You Need*, arXiv:1706.03762 · Xiong et al. 2020, *On Layer Normalization in the Transformer Architecture*, arXiv:2002.04745 ·
# Shazeer 2020, *GLU Variants Improve Transformer*, arXiv:2002.05202 ·
# Olsson et al. 2022, *In-context Learning and Induction Heads*, arXiv:2209.11895 · Xiao et al. 2023, *Efficient Streaming Language Models with Attention Sinks*, arXiv:2309.17453.
