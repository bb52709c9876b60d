"""Plausible wrong answers to p1_4_attention, each with what its author should be told; and right answers written another way."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from grader.mutation import edit, edit_variant, mutant, variant

ATTENTION = "attention-scaled-dot-product"
SCALE = " / k.shape[-1] ** 0.5"
SOFTMAX = "weights = torch.softmax(scores, dim=-1).nan_to_num(0.0)"
FILL = 'scores = scores.masked_fill(~mask, float("-inf"))'
edit(ATTENTION, "forgets_to_scale", "The scores are not divided by the square root of D.", (SCALE, ""))
edit(ATTENTION, "scales_by_width", "The scores are divided by D itself, not by its square root.", (SCALE, " / k.shape[-1]"))
edit(ATTENTION, "scales_by_length", "The scores are divided by the root of the number of keys, not of the width D.", (SCALE, " / k.shape[-2] ** 0.5"))
edit(ATTENTION, "scales_by_value_width", "The scores are divided by the root of the values' width Dv, not of the keys' width D.", (SCALE, " / v.shape[-1] ** 0.5"))
edit(ATTENTION, "normalises_over_queries", "The softmax runs over the queries; each query's shares must sum to one over the keys.", ("dim=-1", "dim=-2"))
edit(ATTENTION, "masks_after_softmax", "The mask is applied after the softmax, so the remaining shares no longer sum to one.",
     (FILL, "pass"), (SOFTMAX, "weights = torch.softmax(scores, dim=-1) * (1 if mask is None else mask)"))
edit(ATTENTION, "inverts_the_mask", "The mask is read the other way round: True means may read.", ("~mask", "mask"))
edit(ATTENTION, "zeroes_masked_scores", "Masked scores are set to 0, and e^0 = 1 still takes a share; they must become minus infinity.", (FILL, "scores = scores * mask"))
edit(ATTENTION, "nan_on_empty_rows", "A query that may read nothing gives NaN; it must give zeros.", (".nan_to_num(0.0)", ""))
edit(ATTENTION, "averages_on_empty_rows", "A large negative number stands for minus infinity: a query that may read nothing gets the average of all values.",
     ('float("-inf")', "-1e9"))
edit(ATTENTION, "ignores_the_mask", "The mask is never used.", (FILL, "pass"))
edit(ATTENTION, "writes_into_its_input", "The query is scaled in place, which changes the caller's tensor.",
     ("scores = q @ k.transpose(-2, -1)" + SCALE, "scores = q.div_(k.shape[-1] ** 0.5) @ k.transpose(-2, -1)"))
edit(ATTENTION, "checks_only_the_width", "Keys and values of different length are not refused; the docstring promises a ValueError.",
     (" or k.shape[-2] != v.shape[-2]", ""))
edit(ATTENTION, "small_negative_number", "A number such as -60 stands for minus infinity, and a large score beats it; only -inf surely ends with share 0.",
     ('scores.masked_fill(~mask, float("-inf"))', "scores.masked_fill(~mask, -60.0)"),
     (".nan_to_num(0.0)", "\n    weights = weights if mask is None else weights * mask.any(-1, keepdim=True)"))
edit(ATTENTION, "cuts_the_gradient", "The result is detached, so nothing below it can learn; gradients must flow to q, k and v.", ("return weights @ v", "return (weights @ v).detach()"))
edit(ATTENTION, "no_softmax", "The scores are used as shares without a softmax.", (SOFTMAX, "weights = scores / scores.sum(-1, keepdim=True)"))

edit(ATTENTION, "always_float32", "The result is turned into float32; it must have the dtype of q, k and v.", ("return weights @ v", "return (weights @ v).float()"))
edit(ATTENTION, "adds_a_large_number", "A number such as -10000 is added where the mask is False, and a larger score beats it; only -inf surely ends with share 0.",
     (FILL, "scores = (scores - 1e4 * ~mask).masked_fill(~mask.any(-1, keepdim=True), float('-inf'))"))
edit(ATTENTION, "drops_small_shares", "Small shares are set to 0; every allowed key keeps its share.", ("return weights @ v", "return (weights * (weights > 0.02)) @ v"))
edit(ATTENTION, "cuts_the_gradient_of_the_keys", "The keys are detached: no gradient reaches k.", ("q @ k.transpose", "q @ k.detach().transpose"))


def fits(q, k, v):
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError


@mutant(ATTENTION, provides="scaled_dot_product_attention")
def accepts_anything(q, k, v, mask=None):
    """Shapes that do not fit give torch's RuntimeError; the docstring promises a ValueError."""
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out if mask is None else torch.where(mask.any(-1, keepdim=True), out, torch.zeros_like(out))


@mutant(ATTENTION, provides="scaled_dot_product_attention")
def works_without_batch_only(q, k, v, mask=None):
    """The keys are transposed with .T or over the first axes, so batches get mixed up: swap the last two axes."""
    fits(q, k, v)
    s = q @ k.permute(*range(k.ndim - 1, -1, -1)) / q.shape[-1] ** 0.5
    return torch.softmax(s if mask is None else s.masked_fill(~mask, -math.inf), -1).nan_to_num(0.0) @ v


@variant(ATTENTION, provides="scaled_dot_product_attention")
def by_einsum(q, k, v, mask=None):
    """Right: einsum and an explicit exponential with the maximum taken out."""
    fits(q, k, v)
    s = torch.einsum("...td,...sd->...ts", q, k) / math.sqrt(q.shape[-1])
    m = torch.ones_like(s, dtype=torch.bool) if mask is None else mask
    s = s.masked_fill(~m, -math.inf)
    e = torch.exp(s - s.amax(-1, keepdim=True).clamp(min=torch.finfo(s.dtype).min)) * m
    return torch.einsum("...ts,...sv->...tv", e / e.sum(-1, keepdim=True).clamp(min=1e-30), v)


@variant(ATTENTION, provides="scaled_dot_product_attention")
def by_library(q, k, v, mask=None):
    """Right: torch's own kernel, with the empty rows put right."""
    fits(q, k, v)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out if mask is None else torch.where(mask.any(-1, keepdim=True), out, torch.zeros_like(out))


MASK = "attention-causal-mask"
TRIL = "torch.ones(n, n, dtype=torch.bool).tril()"
edit(MASK, "hides_itself", "The diagonal is False: a token must read itself too.", (".tril()", ".tril(-1)"))
edit(MASK, "shows_the_future", "The triangle is the upper one: queries read the future instead of the past.", (".tril()", ".triu()"))
edit(MASK, "marks_what_is_forbidden", "True marks what is forbidden; here True means may read.", (".tril()", ".triu(1)"))
edit(MASK, "peeks_one_ahead", "Each token reads one token too far into the future.", (".tril()", ".tril(1)"))
edit(MASK, "numbers_instead_of_bool", "The mask holds numbers; it must be bool.", (", dtype=torch.bool", ""))
edit(MASK, "shows_everything", "Every token reads every token.", (".tril()", ""))
edit(MASK, "only_the_neighbour", "Each token reads only itself and the one before it, not the whole past.", (TRIL, f"{TRIL} & {TRIL}.triu(-1)"))
edit(MASK, "longest_text", "The mask is made for a fixed longest text; any n must work.", (TRIL, "torch.ones(64, 64, dtype=torch.bool).tril()[:n, :n]"))
edit(MASK, "window", "Each token reads only the last few tokens, not the whole past.", (TRIL, f"{TRIL}.triu(-15)"))
edit(MASK, "keeps_one_tensor", "The same tensor is handed out again and again: whoever changes it changes it for all. Make a new one each time.",
     (f"return {TRIL}", f"kept = causal_mask.__dict__\n    return kept.setdefault(n, {TRIL})"))
edit(MASK, "fails_without_tokens", "No tokens (n = 0) must give an empty mask of shape (0, 0).", (TRIL, f"{TRIL} if n else torch.ones(1, 1, dtype=torch.bool)"))


@variant(MASK, provides="causal_mask")
def by_comparison(n):
    """Right: compare row and column numbers."""
    return torch.arange(n).unsqueeze(1) >= torch.arange(n)


@variant(MASK, provides="causal_mask")
def by_loops(n):
    """Right: two plain loops."""
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(i + 1):
            mask[i, j] = True
    return mask


HEADS = "attention-heads"
SPLIT = "x.reshape(B, T, n_heads, C // n_heads).transpose(1, 2)"
MERGE = "x.transpose(1, 2).reshape(B, T, H * D)"
edit(HEADS, "view_without_transpose", "The tensor is only reshaped: tokens and heads get mixed. Swap the time axis and the head axis.",
     (SPLIT, "x.reshape(B, n_heads, T, C // n_heads)"))
edit(HEADS, "interleaves_the_heads", "Every H-th number goes to a head; a head is D neighbouring numbers.",
     (SPLIT, "x.reshape(B, T, C // n_heads, n_heads).permute(0, 3, 1, 2)"))
edit(HEADS, "swaps_time_and_width", "The result is (B, H, D, T); it must be (B, H, T, D).", (SPLIT, SPLIT + ".transpose(2, 3)"))
edit(HEADS, "forgets_to_swap_at_all", "The result is (B, T, H, D); the head axis must come before the time axis.", (SPLIT, "x.reshape(B, T, n_heads, C // n_heads)"))
edit(HEADS, "takes_size_for_number", "n_heads is used as the size of a head; it is their number.",
     (SPLIT, "x.reshape(B, T, C // n_heads, n_heads).transpose(1, 2)"))
edit(HEADS, "glues_without_swapping", "The heads are glued without swapping the axes back: numbers of different tokens end up in one.", (MERGE, "x.reshape(B, T, H * D)"))
edit(HEADS, "glues_interleaved", "The heads are interleaved when they are glued; each head's numbers must stay neighbours.", (MERGE, "x.permute(0, 2, 3, 1).reshape(B, T, H * D)"))
edit(HEADS, "views_after_the_swap", "view fails after a swap of axes, because the numbers no longer lie in that order in memory; use reshape.",
     (MERGE, MERGE.replace("reshape", "view")))
edit(HEADS, "flattens_the_batch_into_heads", "view over batch and tokens together fails on a tensor that is not contiguous in memory; use reshape.",
     (SPLIT, "x.view(B * T, n_heads, C // n_heads).view(B, T, n_heads, C // n_heads).transpose(1, 2)"))
edit(HEADS, "cuts_off_the_rest", "A width that does not divide is cut off; the docstring promises a ValueError.",
     ('raise ValueError(f"{C} numbers can\'t be cut into {n_heads} equal heads")', "x = x[..., : C - C % n_heads]\n        C = x.shape[-1]"))


edit(HEADS, "only_views_both_ways", "Both functions only reshape, so a round trip looks right, yet head 0 holds whole tokens: the time axis and the head axis must be swapped, in both.",
     (SPLIT, "x.reshape(B, n_heads, T, C // n_heads)"), (MERGE, "x.reshape(B, T, H * D)"))
edit(HEADS, "interleaves_both_ways", "Every H-th number goes to a head, and is put back so: a round trip looks right, yet a head must be D neighbouring numbers.",
     (SPLIT, "x.reshape(B, T, C // n_heads, n_heads).permute(0, 3, 1, 2)"), (MERGE, "x.permute(0, 2, 3, 1).reshape(B, T, H * D)"))
edit(HEADS, "never_swaps", "The head axis never comes before the time axis, in neither function: the shape between them is (B, H, T, D).",
     (SPLIT, "x.reshape(B, T, n_heads, C // n_heads)"), ("B, H, T, D = x.shape\n    return " + MERGE, "B, T, H, D = x.shape\n    return x.reshape(B, T, H * D)"))
edit(HEADS, "counts_the_heads_from_behind", "The heads come in reverse order: head 0 holds the first D numbers.", (SPLIT, SPLIT + ".flip(1)"))
edit(HEADS, "more_heads_than_numbers", "More heads than numbers are not refused: 4 numbers can't be cut into 6 heads.", ("if C % n_heads:", "if n_heads < C and C % n_heads:"))
edit(HEADS, "always_float32", "The numbers are turned into float32; both functions only move them and must keep their dtype.",
     (SPLIT, SPLIT.replace("x.", "x.float().", 1)), (MERGE, MERGE.replace("x.", "x.float().", 1)))
edit(HEADS, "splits_without_gradient", "The tensor is detached before it is split: nothing below can learn.", (SPLIT, SPLIT.replace("x.reshape", "x.detach().reshape")))


@variant(HEADS, provides="split_heads")
def by_slices(x, n_heads):
    """Right: slices, stacked."""
    if x.shape[-1] % n_heads:
        raise ValueError("does not divide")
    return torch.stack(x.chunk(n_heads, dim=-1), dim=1)


@variant(HEADS, provides="split_heads")
def by_unflatten(x, n_heads):
    """Right: unflatten and permute."""
    if x.shape[-1] % n_heads != 0:
        raise ValueError(f"{x.shape[-1]} and {n_heads}")
    return x.unflatten(-1, (n_heads, x.shape[-1] // n_heads)).permute(0, 2, 1, 3)


@variant(HEADS, provides="merge_heads")
def by_concatenation(x):
    """Right: one head after the other."""
    return torch.cat([x[:, h] for h in range(x.shape[1])], dim=-1)


MULTI = "attention-multi-head"
QKV = "q, k, v = (p(x).reshape(B, T, self.n_heads, -1).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))"
ATTEND = "y = F.scaled_dot_product_attention(q, k, v, is_causal=True)"
OUT = "self.o_proj(y.transpose(1, 2).reshape(B, T, C))"
edit(MULTI, "reads_the_future", "There is no causal mask: tokens read the future.", (", is_causal=True", ""))
edit(MULTI, "one_big_head", "All heads attend as one: the projections are not cut, so the scores are divided by the root of C.",
     (QKV, QKV.replace("self.n_heads, -1", "1, -1")))
edit(MULTI, "view_without_transpose", "The projections are reshaped to heads without swapping time and head axes.",
     (QKV, QKV.replace("reshape(B, T, self.n_heads, -1).transpose(1, 2)", "reshape(B, self.n_heads, T, -1)")))
edit(MULTI, "glues_without_swapping", "The heads are glued without swapping the axes back.", (OUT, "self.o_proj(y.reshape(B, T, C))"))
edit(MULTI, "forgets_the_output_layer", "o_proj is made but never used.", (OUT, "y.transpose(1, 2).reshape(B, T, C)"))
edit(MULTI, "scales_by_model_width", "The scores are divided by the root of C; a head's width is D = C / H.", ("is_causal=True", "is_causal=True, scale=C ** -0.5"))
edit(MULTI, "keys_as_values", "The keys are used as values too.", (ATTEND, ATTEND.replace("(q, k, v", "(q, k, k")))
edit(MULTI, "swaps_query_and_key", "Queries and keys are swapped: each token answers instead of asking.", (ATTEND, ATTEND.replace("(q, k, v", "(k, q, v")))
edit(MULTI, "small_negative_number", "A number such as -50 stands for minus infinity, and a large score in the future beats it.",
     (ATTEND, "s = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -50.0)\n        y = s.softmax(-1) @ v"))
edit(MULTI, "fixed_longest_text", "The mask is made for 64 tokens at most; any length must work.",
     (ATTEND, "m = torch.ones(64, 64, dtype=torch.bool).tril()[:T, :T]\n        y = F.scaled_dot_product_attention(q, k, v, attn_mask=m)"))
edit(MULTI, "has_biases", "The layers have biases; the docstring says bias=False.", ("bias=False) for", "bias=True) for"))
edit(MULTI, "adds_the_input", "The input is added to the result; the residual belongs to the block, not to the attention layer.", (OUT, OUT + " + x"))
edit(MULTI, "hides_itself", "The diagonal is masked: a token must read itself too.",
     (ATTEND, "y = F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(T, T, dtype=torch.bool).tril(-1)).nan_to_num(0.0)"))
edit(MULTI, "accepts_any_width", "A width that does not divide is not refused; the docstring promises a ValueError when the layer is made.",
     ("if d_model % n_heads:", "if False:"))
edit(MULTI, "forgets_to_scale", "The scores are not divided by the square root of D.", ("is_causal=True", "is_causal=True, scale=1.0"))
edit(MULTI, "scales_by_number_of_heads", "The scores are divided by the root of the number of heads; it must be the root of a head's width D.", ("is_causal=True", "is_causal=True, scale=self.n_heads**-0.5"))
edit(MULTI, "upper_triangle", "The triangle is the upper one: tokens read the future instead of the past.",
     (ATTEND, ATTEND.replace("is_causal=True", "attn_mask=torch.ones(T, T, dtype=torch.bool).triu()")))
edit(MULTI, "masks_after_softmax", "The mask is applied after the softmax, so the shares no longer sum to one.", (ATTEND, "y = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1).tril() @ v"))
edit(MULTI, "zeroes_masked_scores", "Scores of the future are set to 0, and e^0 = 1 still takes a share; they must become minus infinity.",
     (ATTEND, "y = (q @ k.mT / q.shape[-1] ** 0.5).tril().softmax(-1) @ v"))
edit(MULTI, "swaps_keys_and_values", "Keys and values are swapped: the shares come from v_proj, and the contents from k_proj.", (ATTEND, ATTEND.replace("(q, k, v", "(q, v, k")))
edit(MULTI, "interleaves_the_heads", "Every H-th number goes to a head; head h holds the neighbouring numbers h * D : (h + 1) * D.",
     (QKV, QKV.replace("self.n_heads, -1).transpose(1, 2)", "-1, self.n_heads).permute(0, 3, 1, 2)")), (OUT, "self.o_proj(y.permute(0, 2, 3, 1).reshape(B, T, C))"))
edit(MULTI, "heads_as_tokens", "The heads are not swapped with the time axis, so the heads of one token attend to each other instead of tokens.",
     (QKV, QKV.replace(".transpose(1, 2)", "")), (OUT, "self.o_proj(y.reshape(B, T, C))"))
edit(MULTI, "one_parameter_more", "There is a parameter besides the four layers; the docstring allows none.",
     ("self.n_heads = n_heads", "self.n_heads = n_heads\n        self.strength = nn.Parameter(torch.ones(1))"))
edit(MULTI, "cuts_the_gradient", "x is detached: the four layers learn, but nothing below them can.", (QKV, "x = x.detach()\n        " + QKV))
edit(MULTI, "keeps_its_first_mask", "The mask of the first text is kept and used for later ones of another length; one layer reads texts of any length.",
     (ATTEND, "self.m = getattr(self, 'm', torch.ones(T, T, dtype=torch.bool).tril())\n"
              "        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.m if len(self.m) == T else None)"))
edit_variant(MULTI, "keeps_its_mask", "Right: the mask is kept as a buffer and made anew for longer texts.",
             ("self.n_heads = n_heads", "self.n_heads = n_heads\n        self.register_buffer('allowed', torch.ones(8, 8, dtype=torch.bool).tril())"),
             (ATTEND, "m = self.allowed[:T, :T] if T <= 8 else torch.ones(T, T, dtype=torch.bool).tril()\n        y = F.scaled_dot_product_attention(q, k, v, attn_mask=m)"))
edit_variant(MULTI, "written_out", "Right: scores, mask and softmax written out.",
             (ATTEND, "s = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), float('-inf'))\n        y = s.softmax(-1) @ v"))


@variant(MULTI, provides="MultiHeadAttention")
class HeadByHead(nn.Module):
    """Right: a plain loop over the heads."""

    def __init__(self, d_model, n_heads):
        super().__init__()
        if d_model % n_heads:
            raise ValueError("does not divide")
        self.h = n_heads
        self.q_proj = nn.Linear(d_model, d_model, bias=False)
        self.k_proj = nn.Linear(d_model, d_model, bias=False)
        self.v_proj = nn.Linear(d_model, d_model, bias=False)
        self.o_proj = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x):
        done, t = [], x.shape[1]
        future = torch.triu(torch.full((t, t), -math.inf), 1)
        for q, k, v in zip(*(p(x).chunk(self.h, -1) for p in (self.q_proj, self.k_proj, self.v_proj)), strict=True):
            done.append(torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]) + future, -1) @ v)
        return self.o_proj(torch.cat(done, -1))


NORMS = "attention-norms"
LN = "(x - mean) / (variance + eps).sqrt() * weight + bias"
RMS = "x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight"
edit(NORMS, "eps_outside_the_root", "eps is added to the standard deviation; in both norms it belongs inside the root.",
     (LN, "(x - mean) / (variance.sqrt() + eps) * weight + bias"), (RMS, "x / (x.pow(2).mean(-1, keepdim=True).sqrt() + eps) * weight"))
edit(NORMS, "unbiased_variance", "The variance divides by C - 1; layer norm divides by C.", ("unbiased=False", "unbiased=True"))
edit(NORMS, "over_the_tokens", "The mean and variance run over the tokens instead of the numbers of one token.",
     ("mean = x.mean(-1, keepdim=True)", "mean = x.mean(max(-2, -x.ndim), keepdim=True)"), ("x.var(-1, ", "x.var(max(-2, -x.ndim), "))
edit(NORMS, "over_everything", "One mean and variance are taken over all tokens together.",
     ("x.mean(-1, keepdim=True)  #", "x.mean()  #"), ("x.var(-1, keepdim=True, unbiased=False)", "x.var(unbiased=False)"))
edit(NORMS, "layer_norm_keeps_the_mean", "layer_norm does not take the mean away.", (LN, LN.replace("(x - mean)", "x")))
edit(NORMS, "rms_norm_takes_the_mean_away", "rms_norm takes the mean away; only layer_norm does that.",
     (RMS, "(x - x.mean(-1, keepdim=True)) / ((x - x.mean(-1, keepdim=True)).pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight"))
edit(NORMS, "divides_by_the_variance", "layer_norm divides by the variance; it must be its square root.", (LN, LN.replace(".sqrt()", "")))
edit(NORMS, "divides_by_the_length", "rms_norm divides by the root of the sum of squares; it must be the mean of squares.", (RMS, RMS.replace(".mean(", ".sum(")))
edit(NORMS, "forgets_the_weight", "rms_norm does not use its weight.", (RMS, RMS.removesuffix(" * weight")))
edit(NORMS, "forgets_the_bias", "layer_norm does not add its bias.", (LN, LN.removesuffix(" + bias")))
edit(NORMS, "mean_of_squares_minus_square_of_mean", "The variance is computed as mean of squares minus square of the mean, which loses all digits when the mean is large.",
     ("variance = x.var(-1, keepdim=True, unbiased=False)", "variance = (x.pow(2).mean(-1, keepdim=True) - mean.pow(2)).clamp(min=0)"))
edit(NORMS, "cuts_the_gradient", "The result of layer_norm is detached: nothing below it can learn.", (LN, "((x - mean) / (variance + eps).sqrt()).detach() * weight + bias"))
edit(NORMS, "another_default_eps", "The default of eps is not 1e-5 in both functions.",
     ("def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5)", "def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-8)"),
     ("def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-5)", "def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-8)"))
edit(NORMS, "fixed_eps", "eps is written into the code; the argument is ignored.", (LN, LN.replace("eps", "1e-5")), (RMS, RMS.replace("eps", "1e-5")))
edit(NORMS, "over_everything_in_both", "One mean is taken over all tokens together, in both functions: each token has its own, with dim=-1 and keepdim=True.",
     ("x.mean(-1, keepdim=True)  #", "x.mean()  #"), ("x.var(-1, keepdim=True, unbiased=False)", "x.var(unbiased=False)"), (RMS, RMS.replace("mean(-1, keepdim=True)", "mean()")))
edit(NORMS, "over_everything_and_unbiased", "One mean and variance are taken over all tokens together (each token has its own: dim=-1, keepdim=True), and the variance divides by one less than the number.",
     ("x.mean(-1, keepdim=True)  #", "x.mean()  #"), ("x.var(-1, keepdim=True, unbiased=False)", "x.var()"))
edit(NORMS, "over_everything_and_unbiased_in_both", "One mean and variance are taken over all tokens together, in both functions (each token has its own: dim=-1, keepdim=True); "
     "and layer norm's variance divides by one less than the number.",
     ("x.mean(-1, keepdim=True)  #", "x.mean()  #"), ("x.var(-1, keepdim=True, unbiased=False)", "x.var()"), (RMS, RMS.replace("mean(-1, keepdim=True)", "mean()")))
edit(NORMS, "rms_over_everything", "rms_norm takes one mean square over all tokens together: each token has its own, with dim=-1 and keepdim=True.", (RMS, RMS.replace("mean(-1, keepdim=True)", "mean()")))
edit(NORMS, "layer_norm_eps_outside", "layer_norm adds eps to the standard deviation; it belongs to the variance, inside the root.", (LN, "(x - mean) / (variance.sqrt() + eps) * weight + bias"))
edit(NORMS, "rms_norm_eps_outside", "rms_norm adds eps to the root; it belongs to the mean square, inside the root.", (RMS, "x / (x.pow(2).mean(-1, keepdim=True).sqrt() + eps) * weight"))
edit(NORMS, "always_float32", "The result is turned into float32; it must have the dtype of x.", (LN, f"({LN}).float()"), (RMS, f"({RMS}).float()"))
edit(NORMS, "cuts_the_gradient_of_the_weight", "weight is detached, so it can never learn.", (RMS, RMS.replace("* weight", "* weight.detach()")))
edit(NORMS, "takes_size_for_constant", "The mean square is detached: the gradient of x must also pass through the size that x is divided by.", (RMS, RMS.replace("x.pow", "x.detach().pow")))
edit(NORMS, "changes_x", "layer_norm changes x in place.", (LN, "x.sub_(mean) / (variance + eps).sqrt() * weight + bias"))


@variant(NORMS, provides="layer_norm")
def by_torch(x, weight, bias, eps=1e-5):
    """Right: torch's own layer norm."""
    return F.layer_norm(x, x.shape[-1:], weight, bias, eps)


@variant(NORMS, provides="layer_norm")
def by_sums(x, weight, bias, eps=1e-5):
    """Right: plain sums divided by C."""
    n = x.shape[-1]
    d = x - (x.sum(-1) / n).unsqueeze(-1)
    return bias + weight * d * torch.rsqrt((d * d).sum(-1, keepdim=True) / n + eps)


@variant(NORMS, provides="rms_norm")
def by_rsqrt(x, weight, eps=1e-5):
    """Right: rsqrt, in double precision and back."""
    wide = x.double()
    return (wide * torch.rsqrt((wide**2).mean(dim=-1, keepdim=True) + eps) * weight).to(x.dtype)


GATED = "attention-feed-forward"
PASSED = "passed = F.silu(self.gate_proj(x)) * self.up_proj(x)"
DOWN = "return self.down_proj(passed)"
GATE = "self.gate_proj = nn.Linear(width, hidden, bias=False)"
edit(GATED, "bends_the_wrong_branch", "silu is applied to up_proj(x); it belongs to the gate.", (PASSED, "passed = self.gate_proj(x) * F.silu(self.up_proj(x))"))
edit(GATED, "bends_both_branches", "silu is applied to both branches; only the gate is bent.", (PASSED, "passed = F.silu(self.gate_proj(x)) * F.silu(self.up_proj(x))"))
edit(GATED, "bends_the_product", "silu is applied to the product; it belongs to the gate alone, before the product.", (PASSED, "passed = F.silu(self.gate_proj(x) * self.up_proj(x))"))
edit(GATED, "gelu", "The bend is GELU; SwiGLU uses silu(z) = z * sigmoid(z).", (PASSED, PASSED.replace("silu", "gelu")))
edit(GATED, "sigmoid", "The gate is a sigmoid; silu(z) is z * sigmoid(z).", (PASSED, PASSED.replace("F.silu", "torch.sigmoid")))
edit(GATED, "relu", "The bend is ReLU; SwiGLU uses silu(z) = z * sigmoid(z).", (PASSED, PASSED.replace("silu", "relu")))
edit(GATED, "adds_the_branches", "The branches are added; the gate multiplies.", (PASSED, PASSED.replace("* self", "+ self")))
edit(GATED, "no_bend", "There is no silu at all.", (PASSED, "passed = self.gate_proj(x) * self.up_proj(x)"))
edit(GATED, "no_gate", "gate_proj is made but never used.", (PASSED, "passed = F.silu(self.up_proj(x))"))
edit(GATED, "adds_the_input", "x is added to the result; that addition belongs to the block.", (DOWN, DOWN + " + x"))
edit(GATED, "has_biases", "The layers have biases; the docstring says bias=False.",
     (GATE, GATE.replace("False", "True")), ("self.up_proj = nn.Linear(width, hidden, bias=False)", "self.up_proj = nn.Linear(width, hidden)"),
     ("nn.Linear(hidden, width, bias=False)", "nn.Linear(hidden, width)"))
edit(GATED, "fixed_hidden", "The wider layer is always four times as wide; its width is the argument hidden.", (GATE, "hidden = 4 * width\n        " + GATE))
edit(GATED, "swaps_width_and_hidden", "width and hidden are swapped: the first argument is the width of a token.", ("width: int, hidden: int", "hidden: int, width: int"))
edit(GATED, "one_matrix_for_both", "gate_proj and up_proj share one matrix; they are two.", (GATE, GATE), ("        self.down_proj =", "        self.up_proj.weight = self.gate_proj.weight\n        self.down_proj ="))
edit(GATED, "cuts_the_gradient", "The gate is detached, so gate_proj can never learn.", (PASSED, "passed = F.silu(self.gate_proj(x)).detach() * self.up_proj(x)"))
edit(GATED, "drops_out", "There is a dropout; this layer has none.", (DOWN, "return F.dropout(self.down_proj(passed), 0.1, self.training)"))
edit(GATED, "exponential_overflows", "exp of a large gate is infinite, and infinite divided by infinite is NaN; use F.silu or torch.sigmoid.",
     (PASSED, "z = self.gate_proj(x)\n        passed = z * z.exp() / (1 + z.exp()) * self.up_proj(x)"))
edit(GATED, "always_float32", "The result is turned into float32; it must have the dtype of x.", (DOWN, DOWN + ".float()"))
edit(GATED, "changes_x", "x is changed in place.", (PASSED, PASSED + "\n        x.data.mul_(2)"))
edit_variant(GATED, "silu_written_out", "Right: z * sigmoid(z), the branches the other way round.",
             (PASSED, "z = self.gate_proj(x)\n        passed = self.up_proj(x) * (z * torch.sigmoid(z))"))


@variant(GATED, provides="FeedForward")
class GatesByMatrix(nn.Module):
    """Right: the weights used as matrices, silu as a module."""

    def __init__(self, width, hidden):
        super().__init__()
        self.bend = nn.SiLU()
        self.down_proj = nn.Linear(hidden, width, bias=False)
        self.gate_proj, self.up_proj = (nn.Linear(width, hidden, bias=False) for _ in range(2))

    def forward(self, x):
        wide = torch.einsum("...c,fc->...f", x, self.up_proj.weight) * self.bend(x @ self.gate_proj.weight.T)
        return F.linear(wide, self.down_proj.weight)


BLOCK = "attention-block"
STEP_1 = "x = x + self.attention(self.norm_1(x))"
STEP_2 = "return x + self.feed_forward(self.norm_2(x))"
edit(BLOCK, "post_norm", "The norms stand after the additions (post-norm); pre-norm puts them before each step.",
     (STEP_1, "x = self.norm_1(x + self.attention(x))"), (STEP_2, "return self.norm_2(x + self.feed_forward(x))"))
edit(BLOCK, "norm_after_the_step", "The norm stands after each step; it must stand before it.",
     (STEP_1, "x = x + self.norm_1(self.attention(x))"), (STEP_2, "return x + self.norm_2(self.feed_forward(x))"))
edit(BLOCK, "no_residual_around_attention", "The first step replaces x instead of adding to it.", (STEP_1, STEP_1.replace("x + ", "")))
edit(BLOCK, "no_residual_around_feed_forward", "The second step replaces x instead of adding to it.", (STEP_2, STEP_2.replace("x + ", "")))
edit(BLOCK, "parallel_steps", "Both steps read the same x; the feed-forward step must read the result of the attention step.",
     (STEP_1, "y = self.attention(self.norm_1(x))"), (STEP_2, "return x + y + self.feed_forward(self.norm_2(x))"))
edit(BLOCK, "one_norm_twice", "norm_1 is used for both steps; the second has its own norm.", (STEP_2, STEP_2.replace("norm_2", "norm_1")))
edit(BLOCK, "no_norm_at_all", "The norms are never used.", (STEP_1, "x = x + self.attention(x)"), (STEP_2, "return x + self.feed_forward(x)"))
edit(BLOCK, "adds_what_was_normalised", "Each step adds to the normalised x; the straight road must carry x itself.",
     (STEP_1, "n = self.norm_1(x)\n        x = n + self.attention(n)"), (STEP_2, "n = self.norm_2(x)\n        return n + self.feed_forward(n)"))
edit(BLOCK, "feed_forward_first", "The two steps run in the wrong order: attention comes first.",
     (STEP_1, "x = x + self.feed_forward(self.norm_2(x))"), (STEP_2, "return x + self.attention(self.norm_1(x))"))
edit(BLOCK, "blocks_the_straight_road", "x is detached before the first addition: no gradient passes along the straight road.", (STEP_1, "x = x.detach() + self.attention(self.norm_1(x))"))
edit(BLOCK, "copies_the_modules", "The modules are copied, so training the block leaves the ones that were handed over behind.",
     ("self.attention, self.feed_forward = attention, feed_forward", "import copy\n        self.attention, self.feed_forward = copy.deepcopy(attention), copy.deepcopy(feed_forward)"))
edit(BLOCK, "changes_its_input", "x += changes the caller's tensor; write x = x + ….", (STEP_1, "x += self.attention(self.norm_1(x))"))
edit(BLOCK, "hides_its_modules", "The modules are kept where PyTorch does not find their parameters (a list or tuple); keep each as an attribute of its own.",
     ("self.attention, self.feed_forward = attention, feed_forward\n    self.norm_1, self.norm_2 = norm_1, norm_2".replace("\n    ", "\n        "),
      "object.__setattr__(self, 'attention', attention)\n        object.__setattr__(self, 'feed_forward', feed_forward)\n        self.norm_1, self.norm_2 = norm_1, norm_2"))
edit(BLOCK, "keeps_a_list", "The modules are kept in a plain list, where PyTorch does not find their parameters; keep each as an attribute of its own.",
     ("self.attention, self.feed_forward = attention, feed_forward\n        self.norm_1, self.norm_2 = norm_1, norm_2", "self.parts = [attention, feed_forward, norm_1, norm_2]"),
     (STEP_1, "attention, feed_forward, norm_1, norm_2 = self.parts\n        x = x + attention(norm_1(x))"), (STEP_2, "return x + feed_forward(norm_2(x))"))
edit(BLOCK, "adds_what_was_normalised_first", "The first step adds to the normalised x; the straight road must carry x itself.", (STEP_1, "x = self.norm_1(x)\n        x = x + self.attention(x)"))
edit(BLOCK, "second_step_adds_to_the_first_x", "The second step adds to the x that came in, so the result of attention is lost on the straight road; it must add to the result of the first step.",
     (STEP_1, "h = x + self.attention(self.norm_1(x))"), (STEP_2, "return x + self.feed_forward(self.norm_2(h))"))
edit(BLOCK, "changes_its_input_twice", "Both steps write x += …, which changes the caller's tensor; write x = x + ….", (STEP_1, "x += self.attention(self.norm_1(x))"), (STEP_2, "x += self.feed_forward(self.norm_2(x))\n        return x"))
edit(BLOCK, "swaps_the_norms", "The norms are swapped: norm_1 belongs to attention, norm_2 to feed-forward.", (STEP_1, STEP_1.replace("norm_1", "norm_2")), (STEP_2, STEP_2.replace("norm_2", "norm_1")))
edit(BLOCK, "freezes_its_modules", "The parameters are frozen (requires_grad is False): nothing in the block can learn.",
     ("self.norm_1, self.norm_2 = norm_1, norm_2", "self.norm_1, self.norm_2 = norm_1, norm_2\n        self.requires_grad_(False)"))
edit(BLOCK, "skips_a_step_in_evaluation", "In evaluation mode the second step is left out; both steps run always.", (STEP_2, STEP_2 + " if self.training else x"))
edit_variant(BLOCK, "in_named_steps", "Right: each step on a line of its own.",
             (STEP_1, "normed = self.norm_1(x)\n        h = torch.add(x, self.attention(normed))"), (STEP_2, "return h + self.feed_forward(self.norm_2(h))"))


@variant(BLOCK, provides="TransformerBlock")
class WithModuleDict(nn.Module):
    """Right: a loop over the two steps."""

    def __init__(self, attention, feed_forward, norm_1, norm_2):
        super().__init__()
        self.attention = attention
        self.feed_forward = feed_forward
        self.norm_1 = norm_1
        self.norm_2 = norm_2

    def forward(self, x):
        for norm, step in ((self.norm_1, self.attention), (self.norm_2, self.feed_forward)):
            x = step(norm(x)) + x
        return x


INDUCTION = "attention-induction"
W_Q = 'self.register_buffer("W_q", torch.cat([here, nothing]))'
W_K = 'self.register_buffer("W_k", torch.cat([nothing, here]))'
W_V = 'self.register_buffer("W_v", torch.cat([here, nothing]))'
edit(INDUCTION, "finds_itself", "The key is what stands here, so each token finds its own earlier copy instead of what came after it.", (W_K, W_K.replace("[nothing, here]", "[here, nothing]")))
edit(INDUCTION, "swaps_query_and_key", "Query and key are swapped: it looks for what came before the current token.",
     (W_Q, W_Q.replace("[here, nothing]", "[nothing, here]")), (W_K, W_K.replace("[nothing, here]", "[here, nothing]")))
edit(INDUCTION, "copies_the_token_before", "The value is what came before; the head must copy what stands at the position it found.", (W_V, W_V.replace("[here, nothing]", "[nothing, here]")))
edit(INDUCTION, "reads_the_future", "There is no causal mask: it reads the answer in the future.", ("~torch.ones(T, T, dtype=torch.bool).tril()", "torch.zeros(T, T, dtype=torch.bool)"))
edit(INDUCTION, "never_reads_itself", "The current position is masked out; position t reads 0 … t.",
     (".tril(), float", ".tril(-1), float"), ("torch.softmax(scores, dim=-1)", "torch.softmax(scores, dim=-1).nan_to_num(0.0)"))
edit(INDUCTION, "ignores_the_strength", "strength is not used.", ("self.strength * q", "q"))
edit(INDUCTION, "scales_by_width", "The scores are divided by the root of the width; here there is no other scaling.", ("self.strength * q @", "self.strength / q.shape[-1] ** 0.5 * q @"))
edit(INDUCTION, "softmax_over_queries", "The softmax runs over the queries; the shares of one query must sum to one over the keys.", ("dim=-1", "dim=-2"))
edit(INDUCTION, "hard_choice", "It takes the single best match; the shares are a softmax.",
     ("torch.softmax(scores, dim=-1)", "torch.nn.functional.one_hot(scores.argmax(-1), T).float()"))
edit(INDUCTION, "finite_mask", "A number such as -500 hides the future, and a large strength beats it; only -inf is safe.", ('float("-inf")', "-500.0"))
edit(INDUCTION, "exponential_overflows", "exp is taken of the raw scores and overflows at a large strength; take the maximum off first, or use softmax.",
     ("torch.softmax(scores, dim=-1) @ v", "(scores.exp() / scores.exp().sum(-1, keepdim=True)) @ v"))
edit(INDUCTION, "multiplies_twice", "strength multiplies both the query and the key, so it counts twice.", ("self.strength * q @ k", "self.strength * q @ (self.strength * k)"))
edit(INDUCTION, "scales_by_whole_width", "The scores are divided by the root of 2V; here there is no other scaling.", ("self.strength * q @", "self.strength / x.shape[-1] ** 0.5 * q @"))
edit(INDUCTION, "zeros_where_nothing_matches", "Where nothing matches, it returns zeros; there all scores tie, and the softmax gives equal shares.",
     ("torch.softmax(scores, dim=-1)", "(torch.softmax(scores, dim=-1) * (scores > 0).any(-1, keepdim=True))"))
edit(INDUCTION, "another_default", "The default of strength is not 20.", ("strength: float = 20.0", "strength: float = 10.0"))
edit(INDUCTION, "compares_token_numbers", "It compares the likeliest tokens; the head must be attention with fixed matrices, for any numbers in x.",
     ("self.strength * q @ k.transpose(-2, -1)", "self.strength * (q.argmax(-1)[:, :, None] == k.argmax(-1)[:, None, :]).float()"))
edit(INDUCTION, "cuts_the_gradient", "The result is detached; a gradient must flow to x.", ("torch.softmax(scores, dim=-1) @ v", "(torch.softmax(scores, dim=-1) @ v).detach()"))
edit(INDUCTION, "fixed_strength", "The strength is fixed at 20; the argument is ignored.", ("self.strength = strength", "self.strength = 20.0"))


@variant(INDUCTION, provides="InductionHead")
class BySlices(nn.Module):
    """Right: the halves are sliced; the matrices are never written down."""

    def __init__(self, vocab_size, strength=20.0):
        super().__init__()
        self.vocab_size, self.strength = vocab_size, strength

    def forward(self, x):
        here, before = x[..., : self.vocab_size], x[..., self.vocab_size :]
        scores = torch.einsum("bqv,bkv->bqk", here, before) * self.strength
        future = torch.ones_like(scores[0], dtype=torch.bool).triu(1)
        return scores.masked_fill(future, -math.inf).softmax(-1) @ here


@variant(INDUCTION, provides="InductionHead")
class ByLinearLayers(nn.Module):
    """Right: linear layers with fixed weights, the strength inside the query's."""

    def __init__(self, vocab_size, strength=20.0):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(2 * vocab_size, vocab_size, bias=False) for _ in range(3))
        eye, zero = torch.eye(vocab_size), torch.zeros(vocab_size, vocab_size)
        with torch.no_grad():
            self.q.weight.copy_(torch.cat([eye * strength, zero], 1))
            self.k.weight.copy_(torch.cat([zero, eye], 1))
            self.v.weight.copy_(torch.cat([eye, zero], 1))

    def forward(self, x):
        return F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x), is_causal=True, scale=1.0)
