"""Checks for p1_4_attention. Definitions: Vaswani et al. 2017, arXiv:1706.03762; Olsson et al. 2022, arXiv:2209.11895."""
import pytest
import torch
import torch.nn.functional as F

from grader.judge import Exercise, core, expect

# batch, Tq, Tk, D, Dv: all different, so that no swapped axis survives
SHAPES = [((), 3, 5, 4, 2), ((2,), 4, 3, 5, 7), ((2, 3), 1, 6, 2, 3)]
SHAPE_NAMES = ["no batch axis", "one batch axis", "two batch axes"]


def attention_example(shape, rng):
    """Draw q, k, v and a mask that lets every query read at least one key."""
    batch, tq, tk, d, dv = shape
    q, k, v = (torch.randn(*batch, t, n, generator=rng) for t, n in ((tq, d), (tk, d), (tk, dv)))
    mask = torch.rand(*batch, tq, tk, generator=rng) > 0.4
    mask[..., 0] |= ~mask.any(-1)
    return q, k, v, mask


def gradients_of(function, inputs, *rest):
    """What a loss on the result sends back to each input; zeros where nothing arrives."""
    mine = [x.clone().requires_grad_() for x in inputs]
    result = function(*(x * 1 for x in mine), *rest)  # no leaves: an answer that writes in place is told so elsewhere
    if result.requires_grad:
        result.sin().sum().backward()
    return [torch.zeros_like(x) if x.grad is None else x.grad for x in mine]


class TestScaledDotProductAttention(Exercise, id="attention-scaled-dot-product"):
    def probe(self, submission):
        attention = submission.scaled_dot_product_attention
        q, k, v, mask = attention_example(SHAPES[1], torch.Generator().manual_seed(4))
        empty = mask.clone()
        empty[:, 1] = False
        kept = submission.keep(q)
        outputs = [attention(q, k, v, m) for m in (None, mask, empty)]
        attention(kept, k, v)
        large, flow = attention(q * 100, k * 100, v, mask), submission.run(gradients_of, attention, [q, k, v], mask)
        return *outputs, submission.value(kept), attention(q, k[..., :-1], v), attention(q, k, v[..., :-1, :]), large, flow

    @core
    @pytest.mark.parametrize("shape", SHAPES, ids=SHAPE_NAMES)
    def test_matches_the_definition(self, submission, rng, shape):
        """Every query gets the mixture of values that the formula says."""
        q, k, v, _ = attention_example(shape, rng)
        expect.close(submission.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v))

    @pytest.mark.parametrize("shape", SHAPES, ids=SHAPE_NAMES)
    def test_reads_only_what_the_mask_allows(self, submission, rng, shape):
        """Keys with mask False get no share, and the shares of the others still sum to one."""
        q, k, v, mask = attention_example(shape, rng)
        expect.close(submission.scaled_dot_product_attention(q, k, v, mask), F.scaled_dot_product_attention(q, k, v, attn_mask=mask))

    def test_forbidden_values_cannot_leak(self, submission, rng):
        """Changing a value that no query may read changes nothing at all."""
        q, k, v, mask = attention_example(SHAPES[1], rng)
        mask[..., -1], mask[..., 0] = False, True
        changed = v.clone()
        changed[..., -1, :] = 1e6
        before, after = (submission.scaled_dot_product_attention(q, k, x, mask) for x in (v, changed))
        expect.equal(after, before, why="a masked key must end with a share of exactly 0")

    def test_a_query_that_may_read_nothing_gets_zeros(self, submission, rng):
        """A query whose mask row is all False gets zeros, never NaN."""
        q, k, v, mask = attention_example(SHAPES[1], rng)
        mask[0, 1], mask[1, 3] = False, False  # another row in each item of the batch
        got = submission.scaled_dot_product_attention(q, k, v, mask)
        want = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).nan_to_num(0.0)
        want[0, 1], want[1, 3] = 0.0, 0.0
        expect.close(got, want, why="the softmax of a row of only -inf is NaN")

    def test_masked_scores_may_be_the_largest(self, submission, rng):
        """A forbidden key gets no share even where its score is in the thousands."""
        q, k, v, mask = attention_example(SHAPES[1], rng)
        got = submission.scaled_dot_product_attention(q * 30, k * 30, v, mask)
        want = F.scaled_dot_product_attention(q.double() * 30, k.double() * 30, v.double(), attn_mask=mask).float()
        expect.close(got, want, atol=1e-2,
                     why="a finite number in place of minus infinity can lose against a large score")

    def test_gradients_flow(self, submission, rng):
        """A loss on the result sends the right gradients to q, k and v."""
        q, k, v, mask = attention_example(SHAPES[1], rng)
        got = submission.run(gradients_of, submission.scaled_dot_product_attention, [q, k, v], mask)
        mine = [x.clone().requires_grad_() for x in (q, k, v)]
        F.scaled_dot_product_attention(*mine, attn_mask=mask).sin().sum().backward()
        expect.close(got, [x.grad for x in mine], atol=1e-4, why="detach() and no_grad() cut the gradient: nothing below could learn")

    def test_leaves_its_arguments_alone(self, submission, rng):
        """q, k, v and mask are the same after the call as before."""
        inputs = attention_example(SHAPES[1], rng)
        kept = [submission.keep(x) for x in inputs]
        got = submission.scaled_dot_product_attention(*kept)
        expect.true(isinstance(got, torch.Tensor), "the result must be a tensor", got=got)
        for name, handle, before in zip(("q", "k", "v", "mask"), kept, inputs, strict=True):
            expect.equal(submission.value(handle), before, why=f"{name} was changed in place")

    def test_refuses_shapes_that_do_not_fit(self, submission):
        """q and k of different width, or k and v of different length, raise ValueError."""
        expect.raises("ValueError", submission.scaled_dot_product_attention, torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2, 3))
        expect.raises("ValueError", submission.scaled_dot_product_attention, torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(5, 3))


class TestCausalMask(Exercise, id="attention-causal-mask"):
    def probe(self, submission):
        return [submission.causal_mask(n) for n in (0, 1, 2, 5)]

    @core
    @pytest.mark.parametrize("n", [1, 2, 5, 8])
    def test_shows_each_token_itself_and_the_past(self, submission, n):
        """Row i is True for columns 0 to i and False after, as bool."""
        want = torch.tensor([[j <= i for j in range(n)] for i in range(n)])
        expect.equal(submission.causal_mask(n), want)

    def test_no_tokens_make_an_empty_mask(self, submission):
        """Zero tokens give an empty mask of shape (0, 0)."""
        expect.equal(submission.causal_mask(0), torch.zeros(0, 0, dtype=torch.bool))


def cut_by_hand(x, n_heads):
    """Heads by slices: an oracle that can't confuse the axes."""
    size = x.shape[-1] // n_heads
    return torch.stack([x[:, :, h * size : (h + 1) * size] for h in range(n_heads)], dim=1)


class TestHeads(Exercise, id="attention-heads"):
    def probe(self, submission):
        x, y = torch.arange(2 * 3 * 8.0).reshape(2, 3, 8), torch.arange(2 * 4 * 3 * 2.0).reshape(2, 4, 3, 2)
        return (submission.split_heads(x, 4), submission.split_heads(x, 1), submission.split_heads(x, 3), submission.merge_heads(y),
                submission.run(split_transposed, submission.split_heads, torch.arange(2 * 6 * 3.0).reshape(2, 6, 3)),
                submission.run(gradients_of, submission.split_heads, [x], 4), submission.run(gradients_of, submission.merge_heads, [y]))

    @core
    @pytest.mark.parametrize("heads", [2, 3, 6])
    def test_head_h_holds_its_own_numbers(self, submission, rng, heads):
        """Head h of a token holds numbers h·D to (h+1)·D of that token, in their order."""
        x = torch.randn(2, 5, 12, generator=rng)
        expect.equal(submission.split_heads(x, heads), cut_by_hand(x, heads), why="a view alone mixes tokens and heads: the axes must be swapped")

    @pytest.mark.parametrize("heads", [2, 3, 6])
    def test_merging_puts_every_number_back(self, submission, rng, heads):
        """merge_heads gives each token its heads one after the other."""
        x = torch.randn(2, 5, 12, generator=rng)
        expect.equal(submission.merge_heads(cut_by_hand(x, heads)), x, why="swap the axes back before you glue")

    def test_one_head_is_the_whole_token(self, submission, rng):
        """One head keeps all numbers; as many heads as numbers keep one each."""
        x = torch.randn(3, 2, 4, generator=rng)
        expect.equal(submission.split_heads(x, 1), x.unsqueeze(1))
        expect.equal(submission.split_heads(x, 4), x.transpose(1, 2).unsqueeze(-1))

    def test_works_on_tensors_that_are_not_contiguous(self, submission, rng):
        """A transposed tensor is cut and glued like any other."""
        x = torch.randn(2, 12, 5, generator=rng)
        expect.equal(submission.run(split_transposed, submission.split_heads, x), cut_by_hand(x.transpose(1, 2), 3))

    def test_merging_works_on_tensors_that_are_not_contiguous(self, submission, rng):
        """Heads whose numbers lie in another order in memory are glued like any other."""
        x = torch.randn(2, 5, 3, 4, generator=rng)  # (B, T, H, D), swapped on the far side
        expect.equal(submission.run(merge_swapped, submission.merge_heads, x), x.reshape(2, 5, 12))

    def test_gradients_flow(self, submission, rng):
        """A loss on the result sends a gradient back through both functions."""
        x, y = torch.randn(2, 3, 8, generator=rng), torch.randn(2, 4, 3, 2, generator=rng)
        got = submission.run(gradients_of, submission.split_heads, [x], 4) + submission.run(gradients_of, submission.merge_heads, [y])
        expect.close(got, [x.cos(), y.cos()], why="detach() cuts the gradient")

    def test_refuses_a_width_that_does_not_divide(self, submission):
        """A width that is no multiple of the number of heads raises ValueError."""
        expect.raises("ValueError", submission.split_heads, torch.zeros(1, 2, 10), 4)


def split_transposed(split, x):
    return split(x.transpose(1, 2), 3)


def merge_swapped(merge, x):
    return merge(x.transpose(1, 2))


def reference_multi_head(x, weights, heads):
    """Multi-head attention written head by head, in float64."""
    x, (wq, wk, wv, wo) = x.double(), (w.double() for w in weights)
    size = x.shape[-1] // heads
    past = torch.ones(x.shape[1], x.shape[1]).tril().bool()
    parts = []
    for h in range(heads):
        q, k, v = (x @ w[h * size : (h + 1) * size].T for w in (wq, wk, wv))
        scores = (q @ k.mT / size**0.5).masked_fill(~past, float("-inf"))
        parts.append(scores.softmax(-1) @ v)
    return (torch.cat(parts, -1) @ wo.T).float()


NAMES = ("q_proj", "k_proj", "v_proj", "o_proj")


def loaded_layer(submission, weights, heads):
    width = weights[0].shape[0]
    layer = submission.MultiHeadAttention(width, heads)
    expect.equal(submission.run(parameter_shapes, layer), {f"{name}.weight": [width, width] for name in NAMES}, why="name the layers as the docstring does")
    layer.load_state_dict({f"{name}.weight": w for name, w in zip(NAMES, weights, strict=True)}, strict=False)  # a mask kept as a buffer is fine
    return layer


def parameter_shapes(layer):
    return {name: list(p.shape) for name, p in layer.named_parameters()}


class TestMultiHeadAttention(Exercise, id="attention-multi-head"):
    def probe(self, submission):
        rng = torch.Generator().manual_seed(5)
        weights = [torch.randn(6, 6, generator=rng) for _ in NAMES]
        x = torch.randn(2, 5, 6, generator=rng)
        layer = loaded_layer(submission, weights, 3)
        long = torch.randn(1, 70, 6, generator=rng)
        return (layer(x), layer(x * 30), layer(long)[:, -3:], loaded_layer(submission, weights, 1)(x), submission.run(parameter_shapes, submission.MultiHeadAttention(6, 3)),
                submission.MultiHeadAttention(6, 4))

    @core
    @pytest.mark.parametrize(("width", "heads"), [(6, 3), (12, 2), (4, 1)], ids=["three heads", "two heads", "one head"])
    def test_equals_the_reference_with_given_weights(self, submission, rng, width, heads):
        """With given weights the result is that of the formula, head by head."""
        weights = [torch.randn(width, width, generator=rng) / width**0.5 for _ in NAMES]
        x = torch.randn(2, 5, width, generator=rng)
        expect.close(loaded_layer(submission, weights, heads)(x), reference_multi_head(x, weights, heads))

    def test_large_scores_and_long_texts(self, submission, rng):
        """Scores in the hundreds and a text of 300 tokens work like small ones."""
        weights = [torch.randn(4, 4, generator=rng) * size for size in (30, 30, 1, 1)]
        for x in (torch.randn(2, 5, 4, generator=rng), torch.randn(1, 300, 4, generator=rng) / 10):
            expect.close(loaded_layer(submission, weights, 2)(x), reference_multi_head(x, weights, 2), atol=1e-2, rtol=1e-2)

    def test_the_future_changes_nothing(self, submission, rng):
        """Changing token t leaves the results of all tokens before it exactly as they were."""
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
        expect.equal(submission.run(parameter_shapes, layer), {f"{name}.weight": [8, 8] for name in NAMES})

    def test_learns_in_all_four_layers(self, submission, rng):
        """A loss on the result sends a gradient to every layer."""
        gradients = submission.run(gradient_sizes, submission.MultiHeadAttention(6, 3), torch.randn(2, 4, 6, generator=rng))
        for name in NAMES:
            expect.true(gradients.get(f"{name}.weight", 0.0) > 0.0, f"no gradient reaches {name}", got=gradients)

    def test_refuses_a_width_that_does_not_divide(self, submission):
        """A width that is no multiple of the number of heads raises ValueError when the layer is made."""
        expect.raises("ValueError", submission.MultiHeadAttention, 10, 4)


def gradient_sizes(layer, x):
    layer(x).square().sum().backward()
    return {name: 0.0 if p.grad is None else float(p.grad.abs().sum()) for name, p in layer.named_parameters()}


class TestNorms(Exercise, id="attention-norms"):
    def probe(self, submission):
        x = torch.tensor([[[3.0, 4.0, -1.0], [0.5, 0.5, 0.5]], [[1e-3, 0.0, 2e-3], [10.0, -2.0, 7.0]]])
        w, b = torch.tensor([1.0, 2.0, -1.0]), torch.tensor([0.1, 0.0, 0.3])
        kept = submission.keep(x)
        submission.layer_norm(kept, w, b)
        return (submission.layer_norm(x + 1000, w, b), submission.run(gradients_of, submission.layer_norm, [x], w, b),
                submission.run(gradients_of, submission.rms_norm, [x], w), submission.value(kept), submission.layer_norm(x, w, b), submission.rms_norm(x, w), submission.layer_norm(x, w, b, 0.1), submission.rms_norm(x, w, 0.1),
                submission.layer_norm(x[0, 0], w, b), submission.rms_norm(x[0, 0], w))

    @core
    @pytest.mark.parametrize("shape", [(6,), (4, 5), (2, 3, 7)], ids=["one token", "two axes", "three axes"])
    def test_layer_norm_matches_torch(self, submission, rng, shape):
        """layer_norm gives each token mean 0 and variance 1, then scales and shifts it."""
        x, w, b = (torch.randn(*s, generator=rng) for s in (shape, shape[-1:], shape[-1:]))
        x = 3 * x + 2  # a mean that matters
        expect.close(submission.layer_norm(x, w, b), F.layer_norm(x, shape[-1:], w, b, 1e-5))

    @core
    @pytest.mark.parametrize("shape", [(6,), (4, 5), (2, 3, 7)], ids=["one token", "two axes", "three axes"])
    def test_rms_norm_matches_the_formula(self, submission, rng, shape):
        """rms_norm divides each token by the root of its mean square, then scales it."""
        x, w = (torch.randn(*s, generator=rng) for s in (shape, shape[-1:]))
        x = 3 * x + 2
        want = (x.double() / (x.double() ** 2).mean(-1, keepdim=True).add(1e-5).sqrt() * w.double()).float()
        expect.close(submission.rms_norm(x, w), want)

    def test_eps_stands_inside_the_root(self, submission, rng):
        """On tiny numbers and with a large eps, eps is added to the variance or mean square inside the root."""
        x, one, zero = 1e-2 * torch.randn(3, 8, generator=rng), torch.ones(8), torch.zeros(8)
        wide = x.double()
        for eps in (1e-5, 0.5):
            centred = wide - wide.mean(-1, keepdim=True)
            expect.close(submission.layer_norm(x, one, zero, eps), (centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()).float(), atol=1e-6)
            expect.close(submission.rms_norm(x, one, eps), (wide / (wide.pow(2).mean(-1, keepdim=True) + eps).sqrt()).float(), atol=1e-6)

    def test_a_large_mean_does_not_hurt(self, submission, rng):
        """Numbers around 1000 lose no precision: the mean is taken away before squaring."""
        x = torch.randn(3, 6, generator=rng) + 1000
        wide = x.double()
        want = ((wide - wide.mean(-1, keepdim=True)) / (wide.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()).float()
        expect.close(submission.layer_norm(x, torch.ones(6), torch.zeros(6)), want, atol=2e-2)

    def test_gradients_flow(self, submission, rng):
        """A loss on the result sends the right gradient to x."""
        x, w, b = torch.randn(3, 5, generator=rng), torch.randn(5, generator=rng), torch.randn(5, generator=rng)
        mine = x.clone().requires_grad_()
        F.layer_norm(mine, (5,), w, b, 1e-5).sin().sum().backward()
        expect.close(submission.run(gradients_of, submission.layer_norm, [x], w, b), [mine.grad], atol=1e-4, why="detach() cuts the gradient")
        other = x.clone().requires_grad_()
        (other / (other.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * w).sin().sum().backward()
        expect.close(submission.run(gradients_of, submission.rms_norm, [x], w), [other.grad], atol=1e-4, why="detach() cuts the gradient")

    def test_tokens_do_not_mix(self, submission, rng):
        """Each token is normalised by itself: another token in the batch changes nothing."""
        x, w, b = torch.randn(3, 5, generator=rng), torch.randn(5, generator=rng), torch.randn(5, generator=rng)
        for function, rest in ((submission.layer_norm, (w, b)), (submission.rms_norm, (w,))):
            expect.close(function(x, *rest)[1], function(x[1:2], *rest)[0], atol=1e-6)

    def test_equal_numbers_are_no_trouble(self, submission):
        """A token of equal numbers becomes the bias under layer norm, and zeros stay zeros under RMS norm."""
        w, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, -1.0, 2.0])
        expect.close(submission.layer_norm(torch.full((2, 3), 7.0), w, b), b.expand(2, 3).clone(), atol=1e-4)
        expect.close(submission.rms_norm(torch.zeros(2, 3), w), torch.zeros(2, 3))

    def test_leaves_its_arguments_alone(self, submission, rng):
        """x, weight and bias are the same after the call as before."""
        x, w, b = torch.randn(2, 4, generator=rng), torch.randn(4, generator=rng), torch.randn(4, generator=rng)
        for name, inputs in (("layer_norm", (x, w, b)), ("rms_norm", (x, w))):
            kept = [submission.keep(value) for value in inputs]
            got = submission[name](*kept)
            expect.true(isinstance(got, torch.Tensor), "the result must be a tensor", got=got)
            for title, handle, before in zip(("x", "weight", "bias"), kept, inputs, strict=False):
                expect.equal(submission.value(handle), before, why=f"{name} changed {title} in place")

    def test_eps_is_a_hundred_thousandth_unless_said(self, submission, rng):
        """Without an argument eps is 1e-5: on tiny numbers it decides."""
        x = 1e-3 * torch.randn(3, 8, generator=rng)
        wide = x.double()
        centred = wide - wide.mean(-1, keepdim=True)
        expect.close(submission.layer_norm(x, torch.ones(8), torch.zeros(8)), (centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()).float(), atol=1e-5)
        expect.close(submission.rms_norm(x, torch.ones(8)), (wide / (wide.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()).float(), atol=1e-5)


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
        return block(x), block(kept), submission.value(kept), submission.run(named_shapes, block), submission.run(gradients_of, block, [x]), submission.run(are_the_same, block, layers)

    @core
    def test_two_steps_each_behind_its_norm(self, submission, rng, dice):
        """The block adds attention of norm_1, then feed-forward of norm_2 of the result."""
        layers = submission.run(four_layers, 5, dice.randrange(10**6))
        x = torch.randn(2, 3, 5, generator=rng)
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        expect.close(block(x), by_hand(x, submission.run(weights_of, layers)), atol=1e-4)

    def test_the_straight_road_is_open(self, submission, rng, dice):
        """With steps that give zero, x comes out as it went in."""
        layers = submission.run(four_layers, 4, dice.randrange(10**6))
        submission.run(silence, layers)
        x = torch.randn(2, 3, 4, generator=rng)
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        expect.close(block(x), x, why="nothing but additions may stand between input and output")

    def test_gradients_flow(self, submission, rng, dice):
        """A loss on the result sends a gradient to x, through both steps and past them."""
        layers = submission.run(four_layers, 4, dice.randrange(10**6))
        x = torch.randn(2, 3, 4, generator=rng)
        mine = x.clone().requires_grad_()
        by_hand(mine, submission.run(weights_of, layers)).sin().sum().backward()
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        expect.close(submission.run(gradients_of, block, [x]), [mine.grad], atol=1e-4, why="detach() and no_grad() cut the gradient")

    def test_its_modules_are_its_own(self, submission):
        """The parameters of all four modules are parameters of the block, under the names in the docstring."""
        layers = submission.run(four_layers, 3, 0)
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        want = sorted(f"{name}.{kind}" for name in ("attention", "feed_forward", "norm_1", "norm_2") for kind in ("bias", "weight"))
        expect.equal(submission.run(named_shapes, block), want)

    def test_uses_the_modules_it_was_given(self, submission):
        """block.attention and the others are the very modules that were handed over, not copies."""
        layers = submission.run(four_layers, 3, 0)
        block = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])
        expect.equal(submission.run(are_the_same, block, layers), [True] * 4)

    def test_leaves_its_input_alone(self, submission, rng):
        """x is the same after the call as before."""
        layers = submission.run(four_layers, 3, 0)
        x = torch.randn(1, 2, 3, generator=rng)
        kept = submission.keep(x)
        got = submission.TransformerBlock(layers[0], layers[1], layers[2], layers[3])(kept)
        expect.true(isinstance(got, torch.Tensor), "the result must be a tensor", got=got)
        expect.equal(submission.value(kept), x, why="use x = x + …, not x += …")


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
    return x


def induction_by_hand(x, V, strength):
    scores = strength * x[..., :V].double() @ x[..., V:].double().mT
    past = torch.ones(x.shape[1], x.shape[1]).tril().bool()
    return (scores.masked_fill(~past, float("-inf")).softmax(-1) @ x[..., :V].double()).float()


class TestInductionHead(Exercise, id="attention-induction"):
    def probe(self, submission):
        tokens = torch.tensor([[0, 1, 2, 0, 1, 1, 3]])
        dense = torch.linspace(-1, 1, 2 * 3 * 8).reshape(2, 3, 8).sin()
        return (submission.InductionHead(4, strength=1000.0)(residual(torch.tensor([[0, 1, 2, 3, 0]]), 4)),
                submission.InductionHead(4, strength=1000.0)(opposites()),
                submission.InductionHead(4)(residual(tokens, 4)), submission.InductionHead(4, strength=2.0)(residual(tokens, 4)),
                submission.InductionHead(4, strength=1.0)(dense))

    @core
    def test_continues_what_it_has_seen(self, submission, rng):
        """In a sequence that repeats, every token of the second round is predicted."""
        V, T = 7, 6
        round_one = torch.stack([torch.randperm(V, generator=rng)[:T] for _ in range(3)])
        tokens = torch.cat([round_one, round_one], 1)
        got = submission.InductionHead(V)(residual(tokens, V))
        expect.close(got, induction_by_hand(residual(tokens, V), V, 20.0), atol=1e-4)

    @pytest.mark.parametrize("strength", [0.0, 1.5, 6.0])
    def test_shares_follow_the_strength(self, submission, rng, strength):
        """The shares are the causal softmax of strength times query times key, with no other scaling."""
        tokens = torch.randint(4, (2, 9), generator=rng)
        expect.close(submission.InductionHead(4, strength)(residual(tokens, 4)), induction_by_hand(residual(tokens, 4), 4, strength), atol=1e-4)

    def test_a_strength_of_a_thousand_is_no_trouble(self, submission, rng):
        """A very large strength gives shares, not NaN, and no future match takes any."""
        tokens = torch.randint(3, (2, 12), generator=rng)
        for x, V in ((residual(tokens, 3), 3), (opposites(), 4)):
            expect.close(submission.InductionHead(V, strength=1000.0)(x), induction_by_hand(x, V, 1000.0), atol=1e-4)

    def test_is_one_attention_head_on_any_stream(self, submission, rng):
        """On numbers that are not one-hot it is still attention with fixed matrices."""
        x = torch.randn(2, 5, 6, generator=rng)
        expect.close(submission.InductionHead(3, strength=1.0)(x), induction_by_hand(x, 3, 1.0), atol=1e-4)

    def test_the_future_changes_nothing(self, submission, rng):
        """Changing the last position leaves the earlier results as they were."""
        x = torch.randn(1, 6, 10, generator=rng)
        changed = x.clone()
        changed[:, -1] += 1.0
        head = submission.InductionHead(5, strength=2.0)
        expect.close(head(changed)[:, :-1], head(x)[:, :-1], atol=1e-6)
