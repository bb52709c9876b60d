"""Checks for p1_4_attention. Definitions: Vaswani et al. 2017, arXiv:1706.03762; Olsson et al. 2022, arXiv:2209.11895."""
import pytest
import torch
import torch.nn.functional as F

from grader.judge import Exercise, core, expect

# batch, Tq, Tk, D, Dv: all different, so that no swapped axis survives; then one where all are the same
SHAPES = [((), 3, 5, 4, 2), ((2,), 4, 3, 5, 7), ((2, 3), 1, 6, 2, 3), ((2,), 4, 4, 4, 4)]
SHAPE_NAMES = ["no batch axis", "one batch axis", "two batch axes", "all sizes equal"]
CUT = "detach() and no_grad() cut the gradient: nothing below could learn"


def attention_example(shape, rng):
    """Draw q, k, v and a mask that lets every query read at least one key."""
    batch, tq, tk, d, dv = shape
    q, k, v = (torch.randn(*batch, t, n, generator=rng) for t, n in ((tq, d), (tk, d), (tk, dv)))
    mask = torch.rand(*batch, tq, tk, generator=rng) > 0.4
    mask[..., 0] |= ~mask.any(-1)
    return q, k, v, mask


def whole_numbers(*shape, size, rng):
    """Whole numbers -4 to 4 times `size`: their products and sums are exact, so scores tie or are far apart."""
    return size * torch.randint(-4, 5, shape, generator=rng).float()


# What these helpers do is told in the learner's words by `called`


def gradients_of(function, inputs, *rest):
    """What a loss on the result sends back to each input; zeros where nothing arrives; PyTorch's words where it refuses."""
    mine = [x.clone().requires_grad_() for x in inputs]
    result = function(*(x * 1 for x in mine), *rest)  # no leaves: an answer that writes in place is told so elsewhere
    if result.requires_grad:
        try:
            result.sin().sum().backward()
        except RuntimeError as error:
            return str(error)[:90]
    return [torch.zeros_like(x) if x.grad is None else x.grad for x in mine]


def same_gradients(got, want, names, call):
    """Each gradient is that of the oracle; `call` is what the loss was on."""
    expect.true(not isinstance(got, str), f"backward() stops: {got}", called=f"{call}, then backward() of a loss on it",
                why="a tensor that backward() needs was changed in place (+=, a name that ends in _): make a new one instead")
    for name, mine, theirs in zip(names, got, want, strict=True):
        called = f"the gradient of {name}, for a loss on {call}"
        expect.true(bool(mine.abs().sum() > 0), f"no gradient reaches {name}", called=called, why=CUT)
        expect.close(mine, theirs, atol=1e-4, called=called, why="somewhere on the way a part is detached, or changed in place")


def dtype_of(function, *inputs):
    return str(function(*inputs).dtype)


def same_dtype(got, want, call):
    """The kind of number of a result is that of the input."""
    expect.equal(got, want, called=f"({call}).dtype", why="the result has the dtype of the input: no .float() on the way")


def unchanged(submission, function, inputs, names, call, *rest):
    """Call and see whether an input was changed in place. Returns the result."""
    kept = [submission.keep(x) for x in inputs]
    got = function(*kept, *rest)
    expect.true(isinstance(got, torch.Tensor), "the result must be a tensor", got=got, called=call)
    for name, handle, before in zip(names, kept, inputs, strict=True):
        expect.equal(submission.value(handle), before, called=f"{name}, after {call}", why=f"{name} was changed in place")
    return got


def if_alike(got, want, why):
    """A cause that fits only where shape and kind of number are right."""
    return why if isinstance(got, torch.Tensor) and got.shape == want.shape and got.dtype == want.dtype else ""


class TestScaledDotProductAttention(Exercise, id="attention-scaled-dot-product"):
    def probe(self, submission):
        attention, rng = submission.scaled_dot_product_attention, torch.Generator().manual_seed(4)
        q, k, v, mask = attention_example(SHAPES[1], rng)
        empty = mask.clone()
        empty[:, 1] = False
        kept = submission.keep(q)
        outputs = [attention(q, k, v, m) for m in (None, mask, empty)]
        attention(kept, k, v)
        large, flow = attention(q * 100, k * 100, v, mask), submission.run(gradients_of, attention, [q, k, v], mask)
        exact = attention(whole_numbers(3, 16, size=100.0, rng=rng), whole_numbers(3, 16, size=100.0, rng=rng), v[0], torch.ones(3, 3).tril().bool())
        return (*outputs, submission.value(kept), attention(q, k[..., :-1], v), attention(q, k, v[..., :-1, :]), large, flow, exact,
                attention(q[0] * 3, k[0] * 3, v[0] * 1000), submission.run(dtype_of, attention, q.double(), k.double(), v.double()))

    @core
    @pytest.mark.parametrize("shape", SHAPES, ids=SHAPE_NAMES)
    def test_matches_the_definition(self, submission, rng, shape):
        """Every query gets the mixture of values that the formula says."""
        q, k, v, _ = attention_example(shape, rng)
        expect.close(submission.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v))

    @pytest.mark.parametrize("shape", SHAPES, ids=SHAPE_NAMES)
    def test_reads_only_what_the_mask_allows(self, submission, rng, shape):
        """Keys with mask False get no share, and the shares of the others still sum to one; the next call forgets the mask."""
        q, k, v, mask = attention_example(shape, rng)
        expect.close(submission.scaled_dot_product_attention(q, k, v, mask), F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
        expect.close(submission.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v), why="a mask of an earlier call is still in use")

    def test_forbidden_values_cannot_leak(self, submission, rng):
        """Changing a value that no query may read changes nothing at all."""
        q, k, v, mask = attention_example(SHAPES[1], rng)
        mask[..., -1], mask[..., 0] = False, True
        changed = v.clone()
        changed[..., -1, :] = 1e6
        before, after = (submission.scaled_dot_product_attention(q, k, x, mask) for x in (v, changed))
        expect.true(isinstance(after, torch.Tensor), "the result must be a tensor", got=after)
        expect.equal(after, before, why="a masked key must end with a share of exactly 0")

    def test_a_query_that_may_read_nothing_gets_zeros(self, submission, rng):
        """A query whose mask row is all False gets zeros, never NaN."""
        q, k, v, mask = attention_example(SHAPES[1], rng)
        mask[0, 1], mask[1, 3] = False, False  # another row in each item of the batch
        got = submission.scaled_dot_product_attention(q, k, v, mask)
        want = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).nan_to_num(0.0)
        want[0, 1], want[1, 3] = 0.0, 0.0
        expect.close(got, want, why="the softmax of a row of only -inf is NaN")
        for only in (torch.zeros_like(mask), torch.zeros_like(mask).index_fill_(2, torch.tensor([1]), True).logical_and_(torch.arange(4)[:, None] == 2)):
            got = submission.scaled_dot_product_attention(q, k, v, only)  # no pair is allowed, or query 2 reads key 1 and no other reads anything
            expect.close(got, (only.float() @ v), why="the mask is left out when it allows next to nothing")

    def test_large_scores_are_no_trouble(self, submission, rng):
        """Scores of many thousands give shares, not NaN, and a forbidden key gets none however large its score is."""
        q, k = (whole_numbers(2, t, 16, size=100.0, rng=rng) for t in (6, 5))  # divided by 4, and by 2 twice, without rounding
        v = torch.randn(2, 5, 3, generator=rng)
        mask = torch.rand(2, 6, 5, generator=rng) > 0.6
        mask[..., 0] |= ~mask.any(-1)
        for given in (None, mask):
            want = F.scaled_dot_product_attention(q.double(), k.double(), v.double(), attn_mask=given).float()
            expect.close(submission.scaled_dot_product_attention(q, k, v, *([] if given is None else [given])), want, atol=1e-4,
                         why="exp of a large number is infinite" if given is None else "a finite number in place of minus infinity can lose against a large score")

    def test_small_shares_count(self, submission, rng):
        """With fifty keys a share of a hundred-thousandth still counts, where the value is large."""
        q, k, v, mask = attention_example(((2,), 9, 50, 3, 4), rng)
        v = 1000 * v
        expect.close(submission.scaled_dot_product_attention(3 * q, k, v, mask), F.scaled_dot_product_attention(3 * q, k, v, attn_mask=mask), atol=1e-2,
                     why="small shares are cut off, or rounded too early")

    @core
    def test_gradients_flow(self, submission, rng):
        """A loss on the result sends the right gradients to q, k and v."""
        q, k, v, mask = attention_example(SHAPES[1], rng)
        got = submission.run(gradients_of, submission.scaled_dot_product_attention, [q, k, v], mask)
        mine = [x.clone().requires_grad_() for x in (q, k, v)]
        F.scaled_dot_product_attention(*mine, attn_mask=mask).sin().sum().backward()
        same_gradients(got, [x.grad for x in mine], ("q", "k", "v"), "scaled_dot_product_attention(q, k, v, mask)")

    def test_keeps_the_dtype(self, submission, rng):
        """From float64 inputs comes a float64 result."""
        q, k, v, mask = attention_example(SHAPES[0], rng)
        got = submission.run(dtype_of, submission.scaled_dot_product_attention, q.double(), k.double(), v.double(), mask)
        same_dtype(got, "torch.float64", "scaled_dot_product_attention(q.double(), k.double(), v.double(), mask)")

    def test_leaves_its_arguments_alone(self, submission, rng):
        """q, k, v and mask are the same after the call as before."""
        unchanged(submission, submission.scaled_dot_product_attention, attention_example(SHAPES[1], rng), ("q", "k", "v", "mask"),
                  "scaled_dot_product_attention(q, k, v, mask)")

    def test_refuses_shapes_that_do_not_fit(self, submission):
        """q and k of different width, or k and v of different length, raise ValueError."""
        for q, k, v in (((2, 3), (2, 4), (2, 3)), ((2, 4), (2, 3), (2, 3)), ((2, 3), (4, 3), (5, 3)), ((2, 3), (5, 3), (4, 3))):
            expect.raises("ValueError", submission.scaled_dot_product_attention, torch.zeros(q), torch.zeros(k), torch.zeros(v))


def changed_and_made_again(make, n):
    """Write into one result, then ask for another."""
    first = make(n)
    first.logical_not_()
    return make(n)


class TestCausalMask(Exercise, id="attention-causal-mask"):
    def probe(self, submission):
        return [*(submission.causal_mask(n) for n in (0, 1, 2, 5, 24)), submission.run(changed_and_made_again, submission.causal_mask, 3),
                submission.causal_mask(90).sum()]

    @core
    @pytest.mark.parametrize("n", [1, 2, 5, 8])
    def test_shows_each_token_itself_and_the_past(self, submission, n):
        """Row i is True for columns 0 to i and False after, as bool."""
        want = torch.tensor([[j <= i for j in range(n)] for i in range(n)])
        expect.equal(submission.causal_mask(n), want)

    @core
    @pytest.mark.parametrize("n", [33, 130, 300])
    def test_long_texts(self, submission, n):
        """With hundreds of tokens the last one still reads all before it, and none reads ahead."""
        got = submission.causal_mask(n)
        expect.equal(got, torch.arange(n)[:, None] >= torch.arange(n)[None, :])

    def test_no_tokens_make_an_empty_mask(self, submission):
        """Zero tokens give an empty mask of shape (0, 0)."""
        expect.equal(submission.causal_mask(0), torch.zeros(0, 0, dtype=torch.bool))

    def test_every_mask_is_a_new_one(self, submission):
        """Writing into one mask does not change the next."""
        got = submission.run(changed_and_made_again, submission.causal_mask, 4)
        expect.equal(got, torch.ones(4, 4).tril().bool(), called="causal_mask(4), after an earlier causal_mask(4) was changed", why="the same tensor is handed out again")


def cut_by_hand(x, n_heads):
    """Heads by slices: an oracle that can't confuse the axes."""
    size = x.shape[-1] // n_heads
    return torch.stack([x[:, :, h * size : (h + 1) * size] for h in range(n_heads)], dim=1)


def numbered(B, T, C):
    """Numbers that say where they come from: 105 stands in text 1, token 0, place 5; 12 in text 0, token 1, place 2."""
    return torch.stack([torch.stack([100.0 * b + 10 * t + torch.arange(C) for t in range(T)]) for b in range(B)])


class TestHeads(Exercise, id="attention-heads"):
    def probe(self, submission):
        x, y = torch.arange(2 * 3 * 8.0).reshape(2, 3, 8), torch.arange(2 * 4 * 3 * 2.0).reshape(2, 4, 3, 2)
        kept = submission.keep(x), submission.keep(y)
        submission.split_heads(kept[0], 2), submission.merge_heads(kept[1])
        return (submission.split_heads(x, 4), submission.split_heads(x, 1), submission.split_heads(x, 3), submission.merge_heads(y),
                submission.run(split_transposed, submission.split_heads, torch.arange(2 * 6 * 3.0).reshape(2, 6, 3)),
                submission.run(gradients_of, submission.split_heads, [x], 4), submission.run(gradients_of, submission.merge_heads, [y]),
                submission.split_heads(x, 16), submission.split_heads(x.long(), 2), submission.merge_heads(y.long()), *map(submission.value, kept))

    @core
    @pytest.mark.parametrize("heads", [2, 3])
    def test_head_h_holds_its_own_numbers(self, submission, heads):
        """Head h of a token holds numbers h·D to (h+1)·D of that token, in their order."""
        x = numbered(2, 2, 6)
        got, want = submission.split_heads(x, heads), cut_by_hand(x, heads)
        expect.equal(got, want, why=if_alike(got, want, "a view alone mixes tokens and heads: the axes must be swapped"), called=f"split_heads(x, {heads}), x = {x.int().tolist()}")

    @core
    @pytest.mark.parametrize("heads", [2, 3])
    def test_merging_puts_every_number_back(self, submission, heads):
        """merge_heads gives each token its heads one after the other."""
        x = numbered(2, 2, 6)
        got = submission.merge_heads(cut_by_hand(x, heads))
        expect.equal(got, x, why=if_alike(got, x, "swap the axes back before you glue"), called=f"merge_heads(x), x = {cut_by_hand(x, heads).int().tolist()}")

    @pytest.mark.parametrize(("B", "T", "heads", "size"), [(1, 6, 4, 3), (3, 1, 2, 5), (2, 40, 12, 24), (2, 7, 5, 1), (5, 2, 3, 2)], ids=["one text", "one token", "a long text", "one number a head", "five texts"])
    def test_other_sizes(self, submission, rng, B, T, heads, size):
        """One text or several, one token or thirty, two heads or twelve: every number lands where it belongs."""
        x = torch.randn(B, T, heads * size, generator=rng)
        expect.equal(submission.split_heads(x, heads), cut_by_hand(x, heads))
        expect.equal(submission.merge_heads(cut_by_hand(x, heads)), x)

    def test_one_head_is_the_whole_token(self, submission, rng):
        """One head keeps all numbers; as many heads as numbers keep one each."""
        x = torch.randn(3, 2, 4, generator=rng)
        expect.equal(submission.split_heads(x, 1), x.unsqueeze(1))
        expect.equal(submission.split_heads(x, 4), x.transpose(1, 2).unsqueeze(-1))

    @pytest.mark.parametrize("dtype", [torch.int64, torch.float64], ids=["int64", "float64"])
    def test_keeps_the_dtype(self, submission, dtype):
        """Whole numbers stay whole numbers, and float64 stays float64."""
        name = str(dtype)
        same_dtype(submission.run(dtype_of, submission.split_heads, torch.ones(1, 2, 4, dtype=dtype), 2), name, f"split_heads(x.to({name}), 2)")
        same_dtype(submission.run(dtype_of, submission.merge_heads, torch.ones(1, 2, 3, 4, dtype=dtype)), name, f"merge_heads(x.to({name}))")

    def test_works_on_tensors_that_are_not_contiguous(self, submission, rng):
        """A transposed tensor is cut and glued like any other."""
        x = torch.randn(2, 12, 5, generator=rng)
        expect.equal(submission.run(split_transposed, submission.split_heads, x), cut_by_hand(x.transpose(1, 2), 3), called="split_heads(x.transpose(1, 2), 3)")

    def test_merging_works_on_tensors_that_are_not_contiguous(self, submission, rng):
        """Heads whose numbers lie in another order in memory are glued like any other."""
        x = torch.randn(2, 5, 3, 4, generator=rng)  # (B, T, H, D), swapped on the far side
        expect.equal(submission.run(merge_swapped, submission.merge_heads, x), x.reshape(2, 5, 12), called="merge_heads(x.transpose(1, 2))")

    @core
    def test_gradients_flow(self, submission, rng):
        """A loss on the result sends a gradient back through both functions."""
        x, y = torch.randn(2, 3, 8, generator=rng), torch.randn(2, 4, 3, 2, generator=rng)
        same_gradients(submission.run(gradients_of, submission.split_heads, [x], 4), [x.cos()], ["x"], "split_heads(x, 4)")
        same_gradients(submission.run(gradients_of, submission.merge_heads, [y]), [y.cos()], ["x"], "merge_heads(x)")

    def test_leaves_its_input_alone(self, submission, rng):
        """x is the same after the call as before, in both functions."""
        unchanged(submission, submission.split_heads, [torch.randn(2, 3, 8, generator=rng)], ["x"], "split_heads(x, 4)", 4)
        unchanged(submission, submission.merge_heads, [torch.randn(2, 4, 3, 2, generator=rng)], ["x"], "merge_heads(x)")

    def test_refuses_a_width_that_does_not_divide(self, submission):
        """A width that is no multiple of the number of heads raises ValueError, also with more heads than numbers."""
        for width, heads in ((10, 4), (4, 6), (7, 2)):
            expect.raises("ValueError", submission.split_heads, torch.zeros(1, 2, width), heads)


def split_transposed(split, x):
    return split(x.transpose(1, 2), 3)


def merge_swapped(merge, x):
    return merge(x.transpose(1, 2))


def attend_by_hand(x, weights, heads):
    """Multi-head attention written head by head, in the dtype of x; gradients flow."""
    wq, wk, wv, wo = weights
    size = x.shape[-1] // heads
    past = torch.ones(x.shape[1], x.shape[1]).tril().bool()
    parts = []
    for h in range(heads):
        q, k, v = (x @ w[h * size : (h + 1) * size].T for w in (wq, wk, wv))
        scores = (q @ k.mT / size**0.5).masked_fill(~past, float("-inf"))
        parts.append(scores.softmax(-1) @ v)
    return torch.cat(parts, -1) @ wo.T


def reference_multi_head(x, weights, heads):
    return attend_by_hand(x.double(), [w.double() for w in weights], heads).float()


NAMES = ("q_proj", "k_proj", "v_proj", "o_proj")


def loaded_layer(submission, weights, heads):
    width = weights[0].shape[0]
    layer = submission.MultiHeadAttention(width, heads)
    expect.equal(submission.run(parameter_shapes, layer), {f"{name}.weight": [width, width] for name in NAMES}, why="name the layers as the docstring does",
                 called=f"MultiHeadAttention({width}, {heads}).named_parameters(), as name: shape")
    layer.load_state_dict({f"{name}.weight": w for name, w in zip(NAMES, weights, strict=True)}, strict=False)  # a mask kept as a buffer is fine
    return layer


def parameter_shapes(layer):
    return {name: list(p.shape) for name, p in layer.named_parameters()}


def in_double(layer, x):
    return str(layer.double()(x.double()).dtype)


class TestMultiHeadAttention(Exercise, id="attention-multi-head"):
    def probe(self, submission):
        rng = torch.Generator().manual_seed(5)
        shapes = submission.run(parameter_shapes, submission.MultiHeadAttention(6, 3))
        if shapes != {f"{name}.weight": [6, 6] for name in NAMES}:
            return shapes
        weights = [torch.randn(6, 6, generator=rng) for _ in NAMES]
        x = torch.randn(2, 5, 6, generator=rng)
        layer = loaded_layer(submission, weights, 3)
        long = torch.randn(1, 70, 6, generator=rng)
        return (layer(x), layer(x * 30), layer(long)[:, -3:], loaded_layer(submission, weights, 1)(x),
                submission.MultiHeadAttention(6, 4), submission.run(gradients_of, layer, [x]), submission.run(in_double, submission.MultiHeadAttention(6, 3), x))

    @core
    @pytest.mark.parametrize(("width", "heads"), [(6, 3), (12, 2), (4, 1), (5, 5)], ids=["three heads", "two heads", "one head", "heads of one number"])
    def test_equals_the_reference_with_given_weights(self, submission, rng, width, heads):
        """With given weights the result is that of the formula, head by head."""
        weights = [torch.randn(width, width, generator=rng) / width**0.5 for _ in NAMES]
        x = torch.randn(2, 5, width, generator=rng)
        expect.close(loaded_layer(submission, weights, heads)(x), reference_multi_head(x, weights, heads))

    def test_large_scores(self, submission, rng):
        """Scores of many thousands give shares, not NaN, and the future gets none however large its score is."""
        weights = [*(whole_numbers(32, 32, size=10.0, rng=rng) for _ in range(2)), *(torch.randn(32, 32, generator=rng) / 9 for _ in range(2))]
        x = whole_numbers(2, 7, 32, size=1.0, rng=rng)
        expect.close(loaded_layer(submission, weights, 2)(x), reference_multi_head(x, weights, 2), atol=1e-4,
                     why="a finite number in place of minus infinity can lose against a large score")

    def test_long_texts(self, submission, rng):
        """A text of 1100 tokens works like a short one."""
        weights = [torch.randn(4, 4, generator=rng) for _ in NAMES]
        x = torch.randn(1, 1100, 4, generator=rng)
        expect.close(loaded_layer(submission, weights, 2)(x), reference_multi_head(x, weights, 2), atol=1e-4, why="a mask of fixed size, or a window, is too short for it")

    def test_one_layer_reads_many_texts(self, submission, rng):
        """The same layer reads texts of different lengths one after the other, in training and in evaluation."""
        weights = [torch.randn(6, 6, generator=rng) / 2 for _ in NAMES]
        layer = loaded_layer(submission, weights, 2)
        for mode in (layer.train, layer.eval):
            mode()
            for B, T in ((1, 3), (2, 6), (2, 6), (1, 4), (3, 1)):
                x = torch.randn(B, T, 6, generator=rng)
                expect.close(layer(x), reference_multi_head(x, weights, 2), why="something is kept from an earlier call, or depends on the mode")

    def test_the_future_changes_nothing(self, submission, rng):
        """Changing token t leaves the results of all tokens before it as they were, to within rounding."""
        weights = [torch.randn(6, 6, generator=rng) for _ in NAMES]
        layer, x = loaded_layer(submission, weights, 2), torch.randn(2, 7, 6, generator=rng)
        before = layer(x)
        for t in (1, 4, 6):
            changed = x.clone()
            changed[:, t] += 1.0
            after = layer(changed)
            expect.close(after[:, :t], before[:, :t], atol=1e-6, why=f"a token before position {t} reads the future")
            expect.true(bool((after[:, t] - before[:, t]).abs().max() > 1e-4), f"token {t} must read itself, but its result did not change")

    def test_has_four_square_layers_and_nothing_else(self, submission):
        """The parameters are q_proj, k_proj, v_proj and o_proj, square and without biases."""
        layer = submission.MultiHeadAttention(8, 2)
        expect.equal(submission.run(parameter_shapes, layer), {f"{name}.weight": [8, 8] for name in NAMES}, called="MultiHeadAttention(8, 2).named_parameters(), as name: shape")

    @core
    def test_learns_in_all_four_layers(self, submission, rng):
        """A loss on the result sends a gradient to every layer."""
        gradients = submission.run(gradient_sizes, submission.MultiHeadAttention(6, 3), torch.randn(2, 4, 6, generator=rng))
        for name in NAMES:
            expect.true(gradients.get(f"{name}.weight", 0.0) > 0.0, f"no gradient reaches {name}", got=gradients, why=CUT,
                        called="a loss on MultiHeadAttention(6, 3)(x), then backward(): the size of each gradient")

    @core
    def test_gradients_flow_to_x(self, submission, rng):
        """A loss on the result sends the right gradient to x, so that layers below can learn too."""
        weights = [torch.randn(6, 6, generator=rng) / 2 for _ in NAMES]
        x = torch.randn(2, 4, 6, generator=rng)
        mine = x.clone().requires_grad_()
        attend_by_hand(mine, weights, 3).sin().sum().backward()
        same_gradients(submission.run(gradients_of, loaded_layer(submission, weights, 3), [x]), [mine.grad], ["x"], "MultiHeadAttention(6, 3)(x)")

    def test_keeps_the_dtype_and_its_input(self, submission, rng):
        """With float64 weights and x the result is float64, and x is the same after the call as before."""
        x = torch.randn(2, 3, 6, generator=rng)
        same_dtype(submission.run(in_double, submission.MultiHeadAttention(6, 3), x), "torch.float64", "MultiHeadAttention(6, 3).double()(x.double())")
        unchanged(submission, submission.MultiHeadAttention(6, 3), [x], ["x"], "MultiHeadAttention(6, 3)(x)")

    def test_refuses_a_width_that_does_not_divide(self, submission):
        """A width that is no multiple of the number of heads raises ValueError when the layer is made."""
        for width, heads in ((10, 4), (4, 6)):
            expect.raises("ValueError", submission.MultiHeadAttention, width, heads)


def gradient_sizes(layer, x):
    layer(x).square().sum().backward()
    return {name: 0.0 if p.grad is None else float(p.grad.abs().sum()) for name, p in layer.named_parameters()}


NORM_SHAPES, NORM_NAMES = [(4, 5), (6,), (2, 3, 7), (2, 1, 3, 2, 4)], ["two axes", "one token", "three axes", "five axes"]


def layer_norm_by_hand(x, w, b, eps=1e-5):
    centred = x.double() - x.double().mean(-1, keepdim=True)
    return (centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt() * w.double() + b.double()).float()


def rms_norm_by_hand(x, w, eps=1e-5):
    return (x.double() / (x.double().pow(2).mean(-1, keepdim=True) + eps).sqrt() * w.double()).float()


def on_transposed(norm, x, *rest):
    return norm(x.transpose(1, 2), *rest)


def mixing(function, got, x, *rest):
    """The cause, if a token gives another result without the others beside it."""
    alone = function(x[:1], *rest) if x.ndim > 1 else got
    if not all(isinstance(value, torch.Tensor) for value in (got, alone)) or alone.shape[1:] != got.shape[1:] or torch.allclose(alone[0], got[0], atol=1e-4):
        return ""
    return "every token has its own mean: average over the last axis only, with dim=-1 and keepdim=True"


class TestNorms(Exercise, id="attention-norms"):
    def probe(self, submission):
        x = torch.tensor([[[3.0, 4.0, -1.0], [0.5, 0.5, 0.5]], [[1e-3, 0.0, 2e-3], [10.0, -2.0, 7.0]]])
        w, b = torch.tensor([1.0, 2.0, -1.0]), torch.tensor([0.1, 0.0, 0.3])
        kept = submission.keep(x)
        submission.layer_norm(kept, w, b)
        return (submission.layer_norm(x + 1000, w, b), submission.run(gradients_of, submission.layer_norm, [x, w, b]),
                submission.run(gradients_of, submission.rms_norm, [x, w]), submission.value(kept), submission.layer_norm(x, w, b), submission.rms_norm(x, w),
                submission.layer_norm(x, w, b, 0.1), submission.rms_norm(x, w, 0.1), submission.layer_norm(x[0, 0], w, b), submission.rms_norm(x[0, 0], w),
                submission.run(dtype_of, submission.layer_norm, x.double(), w.double(), b.double()), submission.run(dtype_of, submission.rms_norm, x.double(), w.double()))

    @core
    @pytest.mark.parametrize("shape", NORM_SHAPES, ids=NORM_NAMES)
    def test_layer_norm_matches_torch(self, submission, rng, shape):
        """layer_norm gives each token mean 0 and variance 1, then scales and shifts it."""
        x, w, b = (torch.randn(*s, generator=rng) for s in (shape, shape[-1:], shape[-1:]))
        x = 3 * x + 2  # a mean that matters
        got = submission.layer_norm(x, w, b)
        expect.close(got, F.layer_norm(x, shape[-1:], w, b, 1e-5), why=mixing(submission.layer_norm, got, x, w, b), called=f"layer_norm(x, weight, bias), x {'×'.join(map(str, shape))}")

    @core
    @pytest.mark.parametrize("shape", NORM_SHAPES, ids=NORM_NAMES)
    def test_rms_norm_matches_the_formula(self, submission, rng, shape):
        """rms_norm divides each token by the root of its mean square, then scales it."""
        x, w = (torch.randn(*s, generator=rng) for s in (shape, shape[-1:]))
        x = 3 * x + 2
        got = submission.rms_norm(x, w)
        expect.close(got, rms_norm_by_hand(x, w), why=mixing(submission.rms_norm, got, x, w), called=f"rms_norm(x, weight), x {'×'.join(map(str, shape))}")

    def test_eps_stands_inside_the_root(self, submission, rng):
        """On tiny numbers and with a large eps, eps is added to the variance or mean square inside the root."""
        x, one, zero = 1e-2 * torch.randn(3, 8, generator=rng), torch.ones(8), torch.zeros(8)
        for eps in (1e-5, 0.5, 0.0):
            x = x if eps else x / 100  # so small that any eps at all would show
            expect.close(submission.layer_norm(x, one, zero, eps), layer_norm_by_hand(x, one, zero, eps), atol=1e-6, why="eps is added to the variance, before the root is taken")
            expect.close(submission.rms_norm(x, one, eps), rms_norm_by_hand(x, one, eps), atol=1e-6, why="eps is added to the mean square, before the root is taken")

    def test_a_large_mean_does_not_hurt(self, submission, rng):
        """Numbers around 1000 lose no precision: the mean is taken away before squaring."""
        x = torch.randn(3, 6, generator=rng) + 1000
        expect.close(submission.layer_norm(x, torch.ones(6), torch.zeros(6)), layer_norm_by_hand(x, torch.ones(6), torch.zeros(6)), atol=2e-2)

    def test_a_wide_token_with_one_large_number(self, submission, rng):
        """In a token of 600 numbers one large number stays large: nothing is cut off."""
        x, w, b = torch.randn(2, 600, generator=rng), torch.randn(600, generator=rng) + 2, torch.randn(600, generator=rng)
        x[:, 77] = 50_000.0
        expect.close(submission.layer_norm(x, w, b), layer_norm_by_hand(x, w, b), atol=1e-4)
        expect.close(submission.rms_norm(x, w), rms_norm_by_hand(x, w), atol=1e-4)

    @core
    def test_gradients_flow(self, submission, rng):
        """A loss on the result sends the right gradients to x, weight and bias."""
        x, w, b = torch.randn(3, 5, generator=rng), torch.randn(5, generator=rng), torch.randn(5, generator=rng)
        mine = [value.clone().requires_grad_() for value in (x, w, b)]
        F.layer_norm(mine[0], (5,), mine[1], mine[2], 1e-5).sin().sum().backward()
        same_gradients(submission.run(gradients_of, submission.layer_norm, [x, w, b]), [value.grad for value in mine], ("x", "weight", "bias"), "layer_norm(x, weight, bias)")
        other, scale = x.clone().requires_grad_(), w.clone().requires_grad_()
        (other / (other.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * scale).sin().sum().backward()
        same_gradients(submission.run(gradients_of, submission.rms_norm, [x, w]), [other.grad, scale.grad], ("x", "weight"), "rms_norm(x, weight)")

    def test_tokens_do_not_mix(self, submission, rng):
        """Each token is normalised by itself: another token in the batch changes nothing."""
        x, w, b = torch.randn(3, 5, generator=rng), torch.randn(5, generator=rng), torch.randn(5, generator=rng)
        for name, rest in (("layer_norm", (w, b)), ("rms_norm", (w,))):
            expect.close(submission[name](x, *rest)[1], submission[name](x[1:2], *rest)[0], atol=1e-6, called=f"{name}(x, …)[1], and {name}(x[1:2], …)[0]",
                         why="every token has its own mean: average over the last axis only, with dim=-1 and keepdim=True")

    def test_works_on_tensors_that_are_not_contiguous(self, submission, rng):
        """A transposed tensor is normalised like any other."""
        x, w, b = torch.randn(2, 5, 3, generator=rng), torch.randn(5, generator=rng), torch.randn(5, generator=rng)
        expect.close(submission.run(on_transposed, submission.layer_norm, x, w, b), layer_norm_by_hand(x.transpose(1, 2), w, b), called="layer_norm(x.transpose(1, 2), weight, bias)")
        expect.close(submission.run(on_transposed, submission.rms_norm, x, w), rms_norm_by_hand(x.transpose(1, 2), w), called="rms_norm(x.transpose(1, 2), weight)")

    def test_equal_numbers_are_no_trouble(self, submission):
        """A token of equal numbers becomes the bias under layer norm, and zeros stay zeros under RMS norm."""
        w, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, -1.0, 2.0])
        expect.close(submission.layer_norm(torch.full((2, 3), 7.0), w, b), b.expand(2, 3).clone(), atol=1e-4)
        expect.close(submission.rms_norm(torch.zeros(2, 3), w), torch.zeros(2, 3))

    def test_keeps_the_dtype(self, submission, rng):
        """From float64 inputs comes a float64 result."""
        x, w, b = (torch.randn(*shape, generator=rng).double() for shape in ((2, 4), (4,), (4,)))
        same_dtype(submission.run(dtype_of, submission.layer_norm, x, w, b), "torch.float64", "layer_norm(x.double(), weight.double(), bias.double())")
        same_dtype(submission.run(dtype_of, submission.rms_norm, x, w), "torch.float64", "rms_norm(x.double(), weight.double())")

    def test_leaves_its_arguments_alone(self, submission, rng):
        """x, weight and bias are the same after the call as before."""
        x, w, b = torch.randn(2, 4, generator=rng), torch.randn(4, generator=rng), torch.randn(4, generator=rng)
        unchanged(submission, submission.layer_norm, (x, w, b), ("x", "weight", "bias"), "layer_norm(x, weight, bias)")
        unchanged(submission, submission.rms_norm, (x, w), ("x", "weight"), "rms_norm(x, weight)")

    def test_eps_is_a_hundred_thousandth_unless_said(self, submission, rng):
        """Without an argument eps is 1e-5: on tiny numbers it decides."""
        x, one, zero = 1e-3 * torch.randn(3, 8, generator=rng), torch.ones(8), torch.zeros(8)
        expect.close(submission.layer_norm(x, one, zero), layer_norm_by_hand(x, one, zero))
        expect.close(submission.rms_norm(x, one), rms_norm_by_hand(x, one))


GATED = ("gate_proj", "up_proj", "down_proj")


def gated_weights(width, hidden, rng, size=1.0):
    return [torch.randn(*shape, generator=rng) * size for shape in ((hidden, width), (hidden, width), (width, hidden))]


def gated_by_hand(x, weights):
    """The feed-forward layer written out, in float64."""
    gate, up, down = (w.double() for w in weights)
    opening = x.double() @ gate.T
    return ((opening / (1 + (-opening).exp()) * (x.double() @ up.T)) @ down.T).float()


def loaded_gates(submission, weights):
    hidden, width = weights[0].shape
    layer = submission.FeedForward(width, hidden)
    expect.equal(submission.run(parameter_shapes, layer), {f"{name}.weight": list(w.shape) for name, w in zip(GATED, weights, strict=True)},
                 why="name the layers as the docstring does, without biases", called=f"FeedForward({width}, {hidden}).named_parameters(), as name: shape")
    layer.load_state_dict({f"{name}.weight": w for name, w in zip(GATED, weights, strict=True)}, strict=False)
    return layer


class TestFeedForward(Exercise, id="attention-feed-forward"):
    def probe(self, submission):
        rng = torch.Generator().manual_seed(6)
        shapes = submission.run(parameter_shapes, submission.FeedForward(3, 5))
        if shapes != {"gate_proj.weight": [5, 3], "up_proj.weight": [5, 3], "down_proj.weight": [3, 5]}:
            return shapes
        layer, x = loaded_gates(submission, gated_weights(3, 5, rng)), torch.randn(2, 4, 3, generator=rng)
        kept = submission.keep(x)
        layer(kept)
        return (layer(x), layer(x[0, 0]), layer(x * 300), loaded_gates(submission, gated_weights(4, 2, rng))(x.new_ones(1, 4)), submission.value(kept),
                submission.run(gradients_of, layer, [x]), submission.run(gradient_sizes, layer, x),
                submission.run(in_double, submission.FeedForward(3, 5), x))

    @core
    @pytest.mark.parametrize(("width", "hidden"), [(3, 7), (6, 2), (4, 4)], ids=["wider", "narrower", "as wide"])
    def test_equals_the_formula_with_given_weights(self, submission, rng, width, hidden):
        """With given weights the result is down_proj(silu(gate_proj(x)) * up_proj(x))."""
        weights = gated_weights(width, hidden, rng)
        x = torch.randn(2, 5, width, generator=rng)
        expect.close(loaded_gates(submission, weights)(x), gated_by_hand(x, weights))

    def test_any_number_of_axes(self, submission, rng):
        """One layer reads a token alone, tokens behind three axes, or a batch of texts, in training and in evaluation."""
        weights = gated_weights(3, 5, rng)
        layer = loaded_gates(submission, weights)
        for mode in (layer.train, layer.eval):
            mode()
            for shape in ((3,), (4, 3), (1, 1, 3), (2, 1, 4, 3)):
                x = torch.randn(*shape, generator=rng)
                expect.close(layer(x), gated_by_hand(x, weights))

    def test_large_numbers_are_no_trouble(self, submission, rng):
        """Gates of several hundred, above and below zero, give ordinary numbers, not NaN, and nothing is cut off."""
        weights = gated_weights(3, 5, rng)
        x = 100 * torch.randn(2, 4, 3, generator=rng)
        want = gated_by_hand(x, weights)
        expect.close(loaded_gates(submission, weights)(x), want, atol=1e-5 * float(want.abs().max()), why="exp of a large number is infinite; F.silu takes care of it")

    @core
    def test_gradients_flow(self, submission, rng):
        """A loss on the result sends the right gradients to x and to all three layers."""
        weights, x = gated_weights(3, 5, rng, 0.5), torch.randn(2, 4, 3, generator=rng)
        mine, copies = x.clone().requires_grad_(), [w.clone().requires_grad_() for w in weights]
        F.linear(F.silu(F.linear(mine, copies[0])) * F.linear(mine, copies[1]), copies[2]).sin().sum().backward()
        layer = loaded_gates(submission, weights)
        same_gradients(submission.run(gradients_of, layer, [x]), [mine.grad], ["x"], "FeedForward(3, 5)(x)")
        sizes = submission.run(gradient_sizes, loaded_gates(submission, weights), x)
        for name in GATED:
            expect.true(sizes.get(f"{name}.weight", 0.0) > 0.0, f"no gradient reaches {name}", got=sizes, why=CUT,
                        called="a loss on FeedForward(3, 5)(x), then backward(): the size of each gradient")

    def test_keeps_the_dtype(self, submission, rng):
        """With float64 weights and x the result is float64."""
        x = torch.randn(2, 3, generator=rng)
        same_dtype(submission.run(in_double, submission.FeedForward(3, 5), x), "torch.float64", "FeedForward(3, 5).double()(x.double())")

    def test_leaves_its_input_alone(self, submission, rng):
        """x is the same after the call as before."""
        unchanged(submission, submission.FeedForward(3, 5), [torch.randn(2, 4, 3, generator=rng)], ["x"], "FeedForward(3, 5)(x)")


def four_layers(width, seed):
    """Four different linear layers with known weights, made on the learner's side."""
    torch.manual_seed(seed)
    return [torch.nn.Linear(width, width) for _ in range(4)]


def weights_of(layers):
    return [(layer.weight.detach().clone(), layer.bias.detach().clone()) for layer in layers]


def by_hand(x, weights):
    attention, feed_forward, norm_1, norm_2 = ((lambda y, w=w, b=b: y @ w.T + b) for w, b in weights)
    x = x + attention(norm_1(x))
    return x + feed_forward(norm_2(x))


def named_shapes(block):
    return sorted(name for name, _ in block.named_parameters())


class TestTransformerBlock(Exercise, id="attention-block"):
    def probe(self, submission):
        layers = submission.run(four_layers, 3, 7)
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        x = torch.tensor([[[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]]])
        kept = submission.keep(x)
        outputs = block(x), block(kept), submission.value(kept)
        block.eval()
        return (*outputs, block(x), submission.run(named_shapes, block), submission.run(gradients_of, block, [x]),
                submission.run(are_the_same, block, layers), submission.run(state_of, layers), submission.run(in_double, block, x))

    @core
    def test_two_steps_each_behind_its_norm(self, submission, rng, dice):
        """The block adds attention of norm_1, then feed-forward of norm_2 of the result."""
        layers = submission.run(four_layers, 5, dice.randrange(10**6))
        weights = submission.run(weights_of, layers)
        x = torch.randn(2, 3, 5, generator=rng)
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        expect.close(block(x), by_hand(x, weights), atol=1e-4, called=CALL)
        block.eval()
        expect.close(block(x), by_hand(x, weights), atol=1e-4, called=f"{CALL}, in evaluation mode")
        x = torch.randn(1, 7, 5, generator=rng)
        expect.close(block(x), by_hand(x, weights), atol=1e-4, called=f"{CALL}, again, with another x")

    def test_the_straight_road_is_open(self, submission, rng, dice):
        """With steps that give zero, x comes out as it went in."""
        layers = submission.run(four_layers, 4, dice.randrange(10**6))
        submission.run(silence, layers)
        x = torch.randn(2, 3, 4, generator=rng)
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        expect.close(block(x), x, why="nothing but additions may stand between input and output", called=f"{CALL}, with attention and feed_forward that give zeros")

    def test_leaves_its_input_alone(self, submission, rng):
        """x is the same after the call as before, and the result has its dtype."""
        layers = submission.run(four_layers, 3, 0)
        x = torch.randn(1, 2, 3, generator=rng)
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        kept = submission.keep(x)
        got = block(kept)
        expect.true(isinstance(got, torch.Tensor), "the result must be a tensor", got=got, called=CALL)
        expect.equal(submission.value(kept), x, why="use x = x + …, not x += …", called=f"x, after {CALL}")
        same_dtype(submission.run(in_double, block, x), "torch.float64", "with float64 modules, block(x.double())")

    @core
    def test_gradients_flow(self, submission, rng, dice):
        """A loss on the result sends a gradient to x, through both steps and past them."""
        layers = submission.run(four_layers, 4, dice.randrange(10**6))
        x = torch.randn(2, 3, 4, generator=rng)
        mine = x.clone().requires_grad_()
        by_hand(mine, submission.run(weights_of, layers)).sin().sum().backward()
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        same_gradients(submission.run(gradients_of, block, [x]), [mine.grad], ["x"], CALL)

    def test_its_modules_are_its_own(self, submission):
        """The parameters of all four modules are parameters of the block, under the names in the docstring."""
        layers = submission.run(four_layers, 3, 0)
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        want = sorted(f"{name}.{kind}" for name in ("attention", "feed_forward", "norm_1", "norm_2") for kind in ("bias", "weight"))
        expect.equal(submission.run(named_shapes, block), want, called="the names in TransformerBlock(attention, feed_forward, norm_1, norm_2).named_parameters()",
                     why="a plain list or tuple hides modules from PyTorch: keep each as an attribute")

    def test_uses_the_modules_it_was_given(self, submission):
        """block.attention and the others are the very modules that were handed over, not copies."""
        layers = submission.run(four_layers, 3, 0)
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        expect.equal(submission.run(are_the_same, block, layers), [True] * 4, called="block.attention is attention, and so on for the other three")

    def test_leaves_the_modules_as_they_are(self, submission, rng):
        """Making and calling the block changes no weight, freezes nothing and switches no module to another mode."""
        layers = submission.run(four_layers, 3, 5)
        before = submission.run(weights_of, layers), submission.run(state_of, layers)
        block, x = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3]), torch.randn(1, 2, 3, generator=rng)
        block(x)
        expect.close(submission.run(weights_of, layers), before[0], called="the weights of the four modules, after the block was made and called")
        expect.equal(submission.run(state_of, layers), before[1], called="(in training mode, requires_grad) of the four modules, after the block was made and called")
        block.eval()
        block(x)
        expect.equal(submission.run(state_of, layers), [[False, True, True]] * 4, called="(in training mode, requires_grad) of the four modules, after block.eval() and block(x)")


CALL = "TransformerBlock(attention, feed_forward, norm_1, norm_2)(x)"


def state_of(layers):
    return [[layer.training, *(p.requires_grad for p in layer.parameters())] for layer in layers]


def are_the_same(block, layers):
    return [mine is given for mine, given in zip((block.attention, block.feed_forward, block.norm_1, block.norm_2), layers, strict=True)]


def silence(layers):
    for layer in layers[:2]:
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)


def residual(tokens, V):
    """Which token stands here, and which came before, as one-hot halves: (B, T) -> (B, T, 2V)."""
    here = F.one_hot(tokens, V).float()
    before = torch.cat([torch.zeros_like(here[:, :1]), here[:, :-1]], 1)
    return torch.cat([here, before], -1)


def opposites():
    """A stream in which every key is the opposite of every query: all allowed scores are far below zero."""
    x = torch.ones(1, 3, 8)
    x[..., 4:] = -1.0
    x[0, 1, 0], x[0, 2, 1] = 2.0, 3.0
    return 10 * x


def induction_scores(x, V, strength):
    """The result, in the dtype of x; gradients flow."""
    scores = strength * x[..., :V] @ x[..., V:].mT
    past = torch.ones(x.shape[1], x.shape[1]).tril().bool()
    return scores.masked_fill(~past, float("-inf")).softmax(-1) @ x[..., :V]


def induction_by_hand(x, V, strength):
    return induction_scores(x.double(), V, strength).float()


class TestInductionHead(Exercise, id="attention-induction"):
    def probe(self, submission):
        tokens = torch.tensor([[0, 1, 2, 0, 1, 1, 3]])
        dense = torch.linspace(-1, 1, 2 * 3 * 8).reshape(2, 3, 8).sin()
        kept = submission.keep(dense)
        submission.InductionHead(4)(kept)
        return (submission.InductionHead(4, strength=1000.0)(residual(torch.tensor([[0, 1, 2, 3, 0]]), 4)),
                submission.InductionHead(4, strength=1000.0)(opposites()),
                submission.InductionHead(4)(residual(tokens, 4)), submission.InductionHead(4, strength=2.0)(residual(tokens, 4)),
                submission.InductionHead(4, strength=1.0)(dense), submission.InductionHead(4)(dense / 5), submission.InductionHead(4, strength=0.0)(dense),
                submission.run(gradients_of, submission.InductionHead(4, strength=1.0), [dense]), submission.value(kept))

    @core
    def test_continues_what_it_has_seen(self, submission, rng):
        """In a sequence that repeats, every token of the second round is predicted, with more than nine tenths."""
        V, T = 7, 6
        round_one = torch.stack([torch.randperm(V, generator=rng)[:T] for _ in range(3)])
        tokens = torch.cat([round_one, round_one], 1)
        got = submission.InductionHead(V)(residual(tokens, V))
        expect.true(isinstance(got, torch.Tensor) and got.shape == (3, 2 * T, V), f"the result must be a tensor of shape {(3, 2 * T, V)}", got=got)
        share = got[:, T : 2 * T - 1].gather(-1, tokens[:, T + 1 :, None])
        expect.true(bool((share > 0.9).all()), f"for tokens {tokens[0].tolist()}, the token that follows gets {[round(number, 2) for number in share[0, :, 0].tolist()]} in the second round",
                    called=f"InductionHead({V})(x)", got=got, why="the query says what stands here, the key what came before, the value what stands here")

    def test_equal_shares_where_nothing_matches(self, submission):
        """Where no key matches, all positions up to here get equal shares."""
        x = residual(torch.tensor([[0, 1, 2, 3, 4, 0]]), 5)
        expect.close(submission.InductionHead(5)(x), induction_by_hand(x, 5, 20.0), why="where all scores tie, the softmax gives equal shares")

    @core
    @pytest.mark.parametrize("strength", [1.5, 6.0, 0.0, 2.5])
    def test_shares_follow_the_strength(self, submission, rng, strength):
        """The shares are the causal softmax of strength times query times key, with no other scaling."""
        tokens = torch.randint(4, (2, 9), generator=rng)
        expect.close(submission.InductionHead(4, strength)(residual(tokens, 4)), induction_by_hand(residual(tokens, 4), 4, strength), atol=1e-4)

    def test_a_strength_of_a_thousand_is_no_trouble(self, submission, rng):
        """A very large strength gives shares, not NaN, and no future match takes any."""
        tokens = torch.randint(3, (2, 12), generator=rng)
        faint = residual(tokens, 3) * 0.05  # 1000 * 0.05 * 0.05 = 2.5: here a strength of 999 or 100 would show
        exact = whole_numbers(2, 7, 8, size=10.0, rng=rng)  # with 900, whose root is whole, all scores are exact
        for x, V, strength in ((residual(tokens, 3), 3, 1000.0), (opposites(), 4, 900.0), (faint, 3, 1000.0), (exact, 4, 900.0)):
            expect.close(submission.InductionHead(V, strength=strength)(x), induction_by_hand(x, V, strength), atol=1e-4)

    def test_a_strength_of_twenty_unless_said(self, submission, rng):
        """Without an argument the strength is 20."""
        x = torch.randn(2, 5, 8, generator=rng) / 4
        expect.close(submission.InductionHead(4)(x), induction_by_hand(x, 4, 20.0), atol=1e-4)

    @pytest.mark.parametrize("V", [3, 1, 40], ids=["three", "one", "forty"])
    def test_is_one_attention_head_on_any_stream(self, submission, rng, V):
        """On numbers that are not one-hot it is still attention with fixed matrices, for any vocabulary."""
        x = torch.randn(2, 5, 2 * V, generator=rng)
        expect.close(submission.InductionHead(V, strength=1.0)(x), induction_by_hand(x, V, 1.0), atol=1e-4)

    def test_long_texts(self, submission, rng):
        """A text of 600 tokens works like a short one, also in a head that has read others before."""
        head = submission.InductionHead(3, strength=1.0)
        for B, T in ((1, 600), (2, 5), (1, 9)):
            x = torch.randn(B, T, 6, generator=rng)
            expect.close(head(x), induction_by_hand(x, 3, 1.0), atol=1e-4)

    def test_the_future_changes_nothing(self, submission, rng):
        """Changing the last position leaves the earlier results as they were."""
        x = torch.randn(1, 6, 10, generator=rng)
        changed = x.clone()
        changed[:, -1] += 1.0
        head = submission.InductionHead(5, strength=2.0)
        expect.close(head(changed)[:, :-1], head(x)[:, :-1], atol=1e-6)

    def test_gradients_flow(self, submission, rng):
        """A loss on the result sends the right gradient to x, and x is the same after the call as before."""
        x = torch.randn(2, 4, 6, generator=rng)
        mine = x.clone().requires_grad_()
        induction_scores(mine, 3, 1.0).sin().sum().backward()
        same_gradients(submission.run(gradients_of, submission.InductionHead(3, strength=1.0), [x]), [mine.grad], ["x"], "InductionHead(3, strength=1.0)(x)")
        unchanged(submission, submission.InductionHead(3), [x], ["x"], "InductionHead(3)(x)")
