"""Checks for p1_6_task_specific_training."""
import math

import pytest
import torch
import torch.nn.functional as F

from grader.judge import Exercise, core, expect
from grader.seam import LearnerError


def head_example(rng, B=3, T=5, C=4, K=2):
    """Token vectors, a mask with at least one real token a text, and a weight and bias."""
    tokens, weight, bias = torch.randn(B, T, C, generator=rng), torch.randn(K, C, generator=rng), torch.randn(K, generator=rng)
    mask = torch.arange(T)[None] < torch.randint(1, max(T, 2), (B, 1), generator=rng)
    return tokens, mask, weight, bias


def loaded_head(submission, weight, bias):
    """A head with these weights. One that has other parameters ends here, with a sentence instead of an error of ours."""
    head = submission.ClassifierHead(weight.shape[1], weight.shape[0])
    want = {"linear.weight": list(weight.shape), "linear.bias": list(bias.shape)}
    expect.equal(submission.run(shapes_of, head), want, called=f"ClassifierHead({weight.shape[1]}, {weight.shape[0]}).named_parameters()",
                 why="call the layer self.linear, an nn.Linear(d_model, n_classes) with a bias, and add no other")
    head.load_state_dict({"linear.weight": weight, "linear.bias": bias}, strict=False)  # buffers are no parameters
    return head


def mean_by_hand(tokens, mask):
    """One text at a time, over its real tokens alone, in double precision."""
    chosen = [vectors[real].double() for vectors, real in zip(tokens, mask, strict=True)]
    return torch.stack([vectors.sum(0) / max(len(vectors), 1) for vectors in chosen])


def logits_by_hand(tokens, mask, weight, bias):
    return (mean_by_hand(tokens, mask) @ weight.double().T + bias.double()).to(tokens.dtype)


def shapes_of(module):
    return {name: list(p.shape) for name, p in module.named_parameters()}


def gradients(head, tokens, mask, direction):
    """The gradients of the logits, summed along a direction, by what they are gradients of; None where none arrives."""
    head.zero_grad()
    tokens = tokens.clone().requires_grad_()
    total = (head(tokens * 1, mask) * direction).sum()
    if total.requires_grad:
        total.backward()
    return {"tokens": tokens.grad, "linear.weight": head.linear.weight.grad, "linear.bias": head.linear.bias.grad}


def in_float64(head, tokens, mask):
    """The logits of a head in double precision, for tokens that are not contiguous in memory."""
    stored = tokens.double().transpose(1, 2).contiguous()
    return head.double()(stored.transpose(1, 2), mask)


class TestClassifierHead(Exercise, id="finetune-classifier-head"):
    def probe(self, submission):
        rng = torch.Generator().manual_seed(3)
        tokens, _, weight, bias = head_example(rng)
        mask = torch.tensor([[True, True, False, False, False], [True] * 5, [False, True, False, True, False]])
        empty = mask.clone()
        empty[1] = False
        first, head = submission.ClassifierHead(4, 2), submission.ClassifierHead(4, 2)
        seeds = torch.equal(submission.value(first.linear.weight), submission.value(head.linear.weight))
        head.load_state_dict({"linear.weight": weight, "linear.bias": bias}, strict=False)
        kept = submission.keep(tokens)
        seen = (head(tokens, mask), head(tokens, empty), submission.run(shapes_of, head), submission.run(gradients, head, tokens, mask, torch.arange(6.0).view(3, 2)), seeds)
        head(kept, mask)
        head.eval()
        return (*seen, submission.value(kept), head(tokens, mask), head(100 * tokens, mask), submission.ClassifierHead(4, 1)(tokens, mask).shape,
                head(tokens.repeat(1, 60, 1)[:, :299], torch.ones(3, 299, dtype=torch.bool)), submission.run(in_float64, head, tokens, mask))

    @core
    def test_has_one_linear_layer(self, submission):
        """The only parameters are linear.weight and linear.bias."""
        expect.equal(submission.run(shapes_of, submission.ClassifierHead(5, 3)), {"linear.weight": [3, 5], "linear.bias": [3]},
                     called="ClassifierHead(5, 3).named_parameters()",
                     why="call the layer self.linear, an nn.Linear(d_model, n_classes) with a bias, and add no other")

    @core
    @pytest.mark.parametrize("size", [(3, 5, 4, 2), (1, 7, 3, 6), (4, 2, 6, 3)], ids=["three texts", "one text", "short texts"])
    def test_averages_the_real_tokens(self, submission, rng, size):
        """The logits are the linear layer of the mean over each text's own real tokens."""
        tokens, mask, weight, bias = head_example(rng, *size)
        head = loaded_head(submission, weight, bias)
        for batch in (tokens, tokens.flip(0) * 100):  # the same head must look again at every batch
            want = logits_by_hand(batch, mask, weight, bias)
            try:
                got = head(batch, mask)
            except LearnerError as error:
                if "cannot be multiplied" not in error.message:
                    raise
                expect.true(False, f"{error.kind}: {error.message}; the layer must be given (B, C)", why="tokens[mask] is one heap (N, C) of the real tokens of "
                            "all texts: which token belongs to which text is lost, and mean(1) of it averages C away, not T")
            expect.close(got, want, why=_pooling(got, batch, mask, weight, bias))

    @core
    def test_real_tokens_may_stand_anywhere(self, submission, rng):
        """Padding may stand in front or between: the mask decides, not the position."""
        tokens, _, weight, bias = head_example(rng)
        tokens[0, 2] = 0.0  # a real token may be a vector of zeros
        mask = torch.tensor([[False, True, True, False, True], [False, False, False, False, True], [True, False, True, False, False]])
        expect.close(loaded_head(submission, weight, bias)(tokens, mask), logits_by_hand(tokens, mask, weight, bias))

    @core
    @pytest.mark.parametrize("mode", ["train", "eval"])
    def test_gradients_reach_the_real_tokens(self, submission, rng, mode):
        """A gradient flows back to every real token, its share of the mean, none to the padding, and to the layer's own weight and bias."""
        tokens, mask, weight, bias = head_example(rng)
        direction = torch.randn(3, 2, generator=rng)
        share = mask / mask.sum(1, keepdim=True)  # (B, T): 1/n at each real token
        want = {"tokens": share.unsqueeze(-1) * (direction @ weight).unsqueeze(1), "linear.weight": (direction.T.double() @ mean_by_hand(tokens, mask)).float(),
                "linear.bias": direction.sum(0)}
        head = loaded_head(submission, weight, bias)
        head.train(mode == "train")
        got = submission.run(gradients, head, tokens, mask, direction)
        for name, gradient in want.items():
            expect.close(got[name], gradient, called=f"head(tokens, mask) in {mode} mode, then backward(): the gradient of {name}",
                         why="no gradient arrives after detach() or under torch.no_grad(): the encoder, or the head, could never learn" if got[name] is None else "")

    def test_padding_changes_nothing(self, submission, rng):
        """More padding, whatever stands in it, leaves the logits as they were."""
        tokens, mask, weight, bias = head_example(rng)
        head = loaded_head(submission, weight, bias)
        longer = torch.cat([tokens.masked_fill(~mask.unsqueeze(-1), 99.0), 99 * torch.ones(3, 4, 4)], 1)
        expect.close(head(longer, F.pad(mask, (0, 4), value=False)), head(tokens, mask))

    def test_a_text_without_tokens_gets_the_bias(self, submission, rng):
        """A text whose mask is all False gets the bias as logits, never NaN."""
        tokens, mask, weight, bias = head_example(rng)
        mask[1] = False
        head = loaded_head(submission, weight, bias)
        for empty in (mask, torch.zeros_like(mask)):
            expect.close(head(tokens, empty), logits_by_hand(tokens, empty, weight, bias))

    @pytest.mark.parametrize("size", [(1, 1, 1, 1), (3, 1, 4, 2), (2, 5, 4, 1), (2, 5, 1, 3), (70, 4, 3, 2)],
                             ids=["all one", "one token", "one class", "one number a token", "seventy texts"])
    def test_sizes_of_one_and_of_many(self, submission, rng, size):
        """A batch, text, width or class count of one keeps its axis, and every text of a large batch is scored."""
        tokens, mask, weight, bias = head_example(rng, *size)
        expect.close(loaded_head(submission, weight, bias)(tokens, mask), logits_by_hand(tokens, mask, weight, bias))

    def test_long_texts(self, submission, rng):
        """A text of 601 tokens is read to its end, and all of them are counted."""
        tokens, _, weight, bias = head_example(rng, 2, 700)
        tokens[:, 500:] += 3
        mask = torch.arange(700)[None] < torch.tensor([[601], [301]])
        expect.close(loaded_head(submission, weight, bias)(tokens, mask), logits_by_hand(tokens, mask, weight, bias))

    def test_double_precision(self, submission, rng):
        """In float64, and for tokens that are a transposed view, the logits are float64 and the exact mean."""
        tokens, mask, weight, bias = head_example(rng)
        got = submission.run(in_float64, loaded_head(submission, weight, bias), tokens, mask)
        called = "head.double()(tokens, mask), tokens a float64 view that is not contiguous"
        expect.equal(str(getattr(got, "dtype", type(got).__name__)), "torch.float64", called=called, why="the logits have the dtype of the tokens")
        expect.close(got, logits_by_hand(tokens.double(), mask, weight, bias), atol=1e-7, rtol=1e-7, called=called,
                     why="rounded on the way, or something is added to the number of tokens")
        single = loaded_head(submission, weight, bias)(tokens, mask)
        expect.equal(str(getattr(single, "dtype", type(single).__name__)), "torch.float32", why="the logits have the dtype of the tokens")

    def test_every_head_has_its_own_layer(self, submission, rng):
        """Two heads of one size start with different random weights, and loading one leaves the other alone."""
        first, second = submission.ClassifierHead(4, 3), submission.ClassifierHead(4, 3)
        before = submission.value(second.linear.weight)
        expect.true(not torch.equal(submission.value(first.linear.weight), before), "two new heads hold the same weights",
                    why="leave the random seed and PyTorch's own starting weights alone, and give each head a layer of its own")
        first.load_state_dict({"linear.weight": torch.ones(3, 4), "linear.bias": torch.zeros(3)}, strict=False)
        expect.equal(submission.value(second.linear.weight), before, why="weights loaded into one head have changed the other")
        large = submission.ClassifierHead(100, 1000).linear
        for name in ("weight", "bias"):
            spread = float(submission.value(getattr(large, name)).std()) * 3**0.5
            expect.true(abs(spread - 0.1) < 0.01, f"the starting {name} is not that of nn.Linear: even between -1/√C and 1/√C", got=spread,
                        called=f"ClassifierHead(100, 1000).linear.{name}.std() * 3**0.5, which should be 0.1", why="leave PyTorch's own starting weights alone")

    def test_leaves_its_arguments_and_modes_alone(self, submission, rng):
        """Tokens and mask are the same after the call as before, and eval mode gives the same logits."""
        tokens, mask, weight, bias = head_example(rng)
        head = loaded_head(submission, weight, bias)
        kept, kept_mask = submission.keep(tokens), submission.keep(mask)
        head(kept, kept_mask)
        expect.equal(submission.value(kept), tokens, why="the padding of the caller's batch was overwritten")
        expect.equal(submission.value(kept_mask), mask, why="the caller's mask was changed")
        head.eval()
        expect.close(head(tokens, mask), logits_by_hand(tokens, mask, weight, bias), why="in eval mode too the logits are raw scores")


def _pooling(got, tokens, mask, weight, bias):
    """The likeliest cause, from what other ways of pooling would give."""
    real = mask.unsqueeze(-1)
    causes = [((tokens * real).mean(1), "mean(1) divides by T, padding included, even where the padding is set to zero: divide by the number of real tokens"),
              (tokens.mean(1), "the padding is averaged too"),
              (tokens[mask].mean(0).expand(len(tokens), -1), "tokens[mask] throws the real tokens of all texts on one heap: which token belongs to which text is lost")]
    for mean, cause in causes:
        if isinstance(got, torch.Tensor) and got.shape == (len(tokens), len(bias)) and torch.allclose(got, mean @ weight.T + bias, atol=1e-4, rtol=1e-3):
            return cause
    return ""


def small_model(frozen):
    """A model with BatchNorm, dropout, biases and names that begin alike."""
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 3))
    head = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(3, 2))
    model = torch.nn.ModuleDict({"encoder": encoder, "head_norm": torch.nn.LayerNorm(3), "head": head})
    encoder[1].running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))  # it has seen something already
    encoder[1].num_batches_tracked.fill_(5)
    model.requires_grad_(not frozen)
    model.train(not frozen)
    return model


def whole_model():
    """Parameters that belong to no leaf: of the model itself and of an attention with parts; and a weight that two layers share."""
    torch.manual_seed(0)
    model = torch.nn.ModuleDict({"attention": torch.nn.MultiheadAttention(4, 2), "table": torch.nn.Embedding(5, 4), "output": torch.nn.Linear(4, 5, bias=False)})
    model.register_parameter("cls", torch.nn.Parameter(torch.zeros(1, 4)))
    model["output"].weight = model["table"].weight
    return model


def state(model):
    """requires_grad of every parameter, and the mode of every module, the model itself among them."""
    return ({name: p.requires_grad for name, p in model.named_parameters()},
            {name or "the model itself": "train" if module.training else "eval" for name, module in model.named_modules()})


def twins():
    """Names that come back elsewhere, or begin alike with a digit, in three depths."""
    torch.manual_seed(0)
    old = torch.nn.ModuleDict({"head": torch.nn.Linear(2, 1), "body": torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.1))})
    return torch.nn.ModuleDict({"head": torch.nn.Linear(2, 3), "old": old, "layers": torch.nn.ModuleList(torch.nn.Linear(1, 1) for _ in range(12))})


def contents(model):
    """All that freezing must not change: weights, statistics and settings."""
    settings = {f"{name}.{key}": getattr(module, key) for name, module in model.named_modules()
                for key in ("p", "momentum", "eps", "track_running_stats") if hasattr(module, key)}
    return settings, {name: value.clone() for name, value in model.state_dict().items()}


def touched(freeze, model, parts):
    """Call freeze on a model whose parameters all have a gradient already: what it did to them, and to PyTorch's own switch."""
    before = list(model.named_parameters())
    for _, p in before:
        p.grad = torch.ones_like(p)
    freeze(model, parts)
    after = dict(model.named_parameters())
    return {"replaced parameters": [name for name, p in before if after.get(name) is not p], "gradients still enabled": torch.is_grad_enabled(),
            "lost gradients": [name for name, _ in before if after[name].grad is None or not bool(after[name].grad.eq(1).all())]}


def names_it(freeze, model, parts, name):
    """Whether the refusal's message holds the name; None if there is no refusal."""
    try:
        freeze(model, parts)
    except ValueError as error:
        return name in str(error)
    return None


def moved(model):
    """Names of the buffers and parameters that one forward and backward pass moves or gives a gradient."""
    before = {name: b.clone() for name, b in model.named_buffers()}
    x = torch.arange(24.0).reshape(6, 4).sin()
    y = model["head"](model["head_norm"](model["encoder"](x))).square().sum()
    if y.requires_grad:
        y.backward()
    names = [name for name, b in model.named_buffers() if not torch.equal(before[name], b)]
    return sorted(names + [name for name, p in model.named_parameters() if p.grad is not None])


PARAMETERS = ["encoder.0.weight", "encoder.0.bias", "encoder.1.weight", "encoder.1.bias", "encoder.2.weight", "encoder.2.bias",
              "head_norm.weight", "head_norm.bias", "head.1.weight", "head.1.bias"]
MODULES = ["the model itself", "encoder", "encoder.0", "encoder.1", "encoder.2", "head_norm", "head", "head.0", "head.1"]
WHOLE = (["cls", "attention.in_proj_weight", "attention.in_proj_bias", "attention.out_proj.weight", "attention.out_proj.bias", "table.weight"],
         ["the model itself", "attention", "attention.out_proj", "table", "output"])
TWINS = ([f"{name}.{kind}" for name in ("head", "old.head", "old.body.0", *(f"layers.{i}" for i in range(12))) for kind in ("weight", "bias")],
         ["the model itself", "head", "old", "old.head", "old.body", "old.body.0", "old.body.1", "layers", *(f"layers.{i}" for i in range(12))])


def expected_state(parts, parameters=PARAMETERS, modules=MODULES):
    def inside(name):
        return any(name == part or name.startswith(part + ".") for part in parts)

    return {name: inside(name) for name in parameters}, {name: "train" if inside(name) else "eval" for name in modules}


def expect_state(got, parts, *lists, only=(0, 1), called=""):
    """Both halves of the state, or the one in `only`; a failure shows the names that differ, and no others."""
    want = expected_state(parts, *lists)
    called = called or f"freeze(model, {parts})"
    if 0 in only:
        wrong = [name for name in want[0] if got[0].get(name) is not want[0][name]]
        expect.equal({f"requires_grad of {name}": got[0].get(name) for name in wrong}, {f"requires_grad of {name}": want[0][name] for name in wrong},
                     called=called, why=_cause_of_gradients(wrong, want[0], parts))
    if 1 in only:
        wrong = [name for name in want[1] if got[1].get(name) != want[1][name]]
        expect.equal({f"mode of {name}": got[1].get(name) for name in wrong}, {f"mode of {name}": want[1][name] for name in wrong},
                     called=called, why=_cause_of_modes(wrong, want[1], parts))


def _cause_of_gradients(wrong, want, parts):
    for name in wrong:
        for part in parts:
            if not want[name] and name.startswith(part):
                return f'startswith("{part}") takes {name} too: ask for the name itself, or for one that begins with "{part}."'
    if any(want[name] for name in wrong):
        return "the parameters of the named parts, and of all parts inside them, have requires_grad True"
    return "model.parameters() reaches every parameter; children() and leaves don't"


def _cause_of_modes(wrong, want, parts):
    if any(want[name] == "train" for name in wrong):
        return "the named parts, and all parts inside them, must be put into train mode: a model may come in eval mode, and eval() on the model reaches them too"
    for name in wrong:
        if any(name.startswith(part) for part in parts):
            return f'startswith takes {name} too: compare with the dot, "{parts[0]}."'
    return "requires_grad does not stop dropout or BatchNorm, modes do; a part around a named one is in eval mode as well"


class TestFreeze(Exercise, id="finetune-freeze"):
    def probe(self, submission):
        seen = []
        for make, frozen, parts in ((small_model, False, ["head"]), (small_model, False, ["encoder.1", "head"]), (small_model, False, []), (small_model, True, ["head"]),
                                    (small_model, True, ["encoder.1", "head"]), (whole_model, None, ["attention"]), (whole_model, None, ["table", "output"]),
                                    (twins, None, ["layers.1", "old.body.0"]), (twins, None, ["head"])):
            model = submission.run(make) if frozen is None else submission.run(make, frozen)
            seen += [submission.freeze(model, parts), submission.run(state, model), submission.run(contents, model)[0]]
        seen += [submission.freeze(model, ["layers"]), submission.run(state, model)[0]["head.bias"]]
        fresh = [submission.run(small_model, False) for _ in range(9)]
        names = submission.keep(["head", "encoder.2"])
        return (*seen, submission.freeze(fresh[0], ["hea"]), submission.freeze(fresh[1], ["head.1", "head"]), submission.freeze(fresh[2], ["head.1.weight"]),
                submission.freeze(fresh[3], [""]), submission.run(names_it, submission.freeze, fresh[4], ["head", "decoder"], "decoder"),
                submission.run(names_it, submission.freeze, fresh[4], ["decoder", "head"], "decoder"), submission.run(state, fresh[4])[1]["encoder"],
                submission.freeze(fresh[5], ["head.0"]), submission.freeze(fresh[5], (" head",)), submission.freeze(fresh[6], ("head", "head")),
                submission.freeze(fresh[7], names), submission.value(names), submission.run(touched, submission.freeze, fresh[8], ["head"]))

    @core
    @pytest.mark.parametrize("parts", [["head"], ["encoder.2"], ["encoder"], ["head_norm", "encoder.0"]], ids=", ".join)
    def test_only_the_named_parts_get_gradients(self, submission, parts):
        """requires_grad is True for the parameters of the named parts and False for all others."""
        model = submission.run(small_model, False)
        submission.freeze(model, parts)
        expect_state(submission.run(state, model), parts, only=(0,))

    @core
    @pytest.mark.parametrize("parts", [["head"], ["encoder.0"], ["encoder"], ["head", "encoder.1"]], ids=", ".join)
    def test_only_the_named_parts_are_in_train_mode(self, submission, parts):
        """The named parts are in train mode, all other modules in eval mode."""
        model = submission.run(small_model, False)
        submission.freeze(model, parts)
        expect_state(submission.run(state, model), parts, only=(1,))

    @pytest.mark.parametrize("parts", [["attention"], ["table", "output"], []], ids=", ".join)
    def test_parts_with_parameters_of_their_own(self, submission, parts):
        """Parameters of the model itself, or of a part that has parts inside, are frozen or trained like all others."""
        model = submission.run(whole_model)
        submission.freeze(model, parts)
        expect_state(submission.run(state, model), parts, *WHOLE)

    @pytest.mark.parametrize("parts", [["head"], ["layers.1"], ["old.head", "layers.11"], ["old.body.0"], ["old"]], ids=", ".join)
    def test_a_name_means_one_part(self, submission, parts):
        """A name is the whole path: "head" is not "old.head", "layers.1" is not "layers.10", and a part three levels deep can be named."""
        model = submission.run(twins)
        submission.freeze(model, parts)
        expect_state(submission.run(state, model), parts, *TWINS)

    @core
    def test_thaws_what_was_frozen(self, submission):
        """A model that came frozen and in eval mode ends in the same state."""
        model = submission.run(small_model, True)
        submission.freeze(model, ["head"])
        expect_state(submission.run(state, model), ["head"], called="freeze(model, ['head']), after the model came frozen and in eval mode")

    def test_a_second_call_starts_afresh(self, submission):
        """A second call with other names leaves nothing of the first."""
        model = submission.run(small_model, False)
        for parts, count in ((["encoder"], 33), (("head", "head_norm"), 14)):
            expect.equal(submission.freeze(model, parts), count, called=f"freeze(model, {parts}), the names as a {type(parts).__name__}")
            expect_state(submission.run(state, model), parts, called=f"freeze(model, {parts}), the second call on this model" if len(parts) == 2 else "")

    def test_nothing_else_moves(self, submission):
        """After a training pass no frozen parameter has a gradient and no frozen BatchNorm has moved."""
        model = submission.run(small_model, False)
        submission.freeze(model, ["head"])
        expect.equal(submission.run(moved, model), ["head.1.bias", "head.1.weight"], called="freeze(model, ['head']), then one forward and backward pass",
                     why="this is what moved or got a gradient")

    def test_nothing_else_is_changed(self, submission):
        """Weights, statistics, gradients and the settings of dropout and BatchNorm are the same after the call as before."""
        model = submission.run(small_model, False)
        before = submission.run(contents, model)
        got = submission.run(touched, submission.freeze, model, ["head"])
        called, why = "freeze(model, ['head'])", "freeze sets requires_grad and modes, nothing else"
        expect.equal(submission.run(contents, model), before, called=called, why=why)
        expect.equal(got, {"replaced parameters": [], "gradients still enabled": True, "lost gradients": []}, called=called, why=why)

    def test_counts_the_numbers(self, submission):
        """It returns how many numbers are left to train, each once, as an int."""
        for parts, count in ((["head"], 8), (["encoder"], 33), ([], 0), (["head", "head.1"], 8), (["encoder.0", "head_norm"], 21), (["head", "head"], 8), (["head.0"], 0),
                             (["encoder.1", "head_norm"], 12)):
            expect.equal(submission.freeze(submission.run(small_model, False), parts), count, called=f"freeze(model, {parts})")
        for parts, count in ((["attention"], 80), (["table", "output"], 20)):
            got = submission.freeze(submission.run(whole_model), parts)
            expect.equal(got, count, called=f"freeze(model, {parts})", why="a weight that two layers share counts once")

    def test_an_empty_list_freezes_everything(self, submission):
        """With no names, nothing can be trained."""
        model = submission.run(small_model, False)
        expect.equal(submission.freeze(model, []), 0, called="freeze(model, [])")
        expect_state(submission.run(state, model), [])

    def test_leaves_the_names_alone(self, submission):
        """The list of names is the same after the call as before."""
        names = submission.keep(["head", "encoder.2"])
        submission.freeze(submission.run(small_model, False), names)
        expect.equal(submission.value(names), ["head", "encoder.2"], called="freeze(model, names)", why="the caller's list was changed")

    def test_refuses_unknown_names(self, submission):
        """A name that is no part of the model, or is empty, raises ValueError, and the message holds the name."""
        for parts, name in ((["hea"], "hea"), (["head", "decoder"], "decoder"), (["decoder", "head"], "decoder"), (["encoder.9"], "encoder.9"),
                            (["head.1.weight"], "head.1.weight"), ([""], ""), (["Head"], "Head"), ([" head"], " head")):
            expect.raises("ValueError", submission.freeze, submission.run(small_model, False), parts, says=name, why=f"the parts were {parts}")

    def test_a_refused_call_changes_nothing(self, submission):
        """After the ValueError the model is as it was."""
        for frozen in (False, True):
            model = submission.run(small_model, frozen)
            before = submission.run(state, model)
            expect.raises("ValueError", submission.freeze, model, ["head", "decoder"])
            parts = [] if frozen else ["encoder", "head_norm", "head", "the model itself"]
            expect_state(before, parts)
            expect_state(submission.run(state, model), parts, called="freeze(model, ['head', 'decoder']), which raises ValueError")


def training_run(step, x, y, kind, stale):
    """Run the learner's step on its own side: a frozen layer and BatchNorm, a live BatchNorm, two groups of parameters, large gradients."""
    torch.manual_seed(1)
    model = torch.nn.Sequential()
    for name, module in (("frozen", torch.nn.Linear(4, 5)), ("frozen_norm", torch.nn.BatchNorm1d(5)), ("live_norm", torch.nn.BatchNorm1d(5)),
                         ("body", torch.nn.Linear(5, 6)), ("bend", torch.nn.Tanh()), ("head", torch.nn.Linear(6, 3))):
        model.add_module(name, module)
    model.frozen.requires_grad_(False)
    model.frozen_norm.requires_grad_(False).eval()
    with torch.no_grad():
        model.head.weight.mul_(8)
    groups = [{"params": [*model.live_norm.parameters(), *model.body.parameters()]}, {"params": list(model.head.parameters())}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9) if kind == "sgd" else torch.optim.AdamW(groups, lr=0.05)
    for p in model.parameters():
        if stale and p.requires_grad:
            p.grad = torch.ones_like(p)

    def trained():
        return torch.cat([p.detach().flatten() for group in groups for p in group["params"]])

    losses, weights = [], [trained()]
    for inputs, labels in zip(x, y, strict=True):
        losses.append(step(model, optimizer, inputs, labels))
        weights.append(trained())
    frozen = {name: p for name, p in model.named_parameters() if name.startswith("frozen")}
    return {"losses": losses, "weights": weights, "frozen parameters with a gradient": [name for name, p in frozen.items() if p.grad is not None],
            "in train mode": {name: module.training for name, module in model.named_children()},
            "frozen weights": {name: p.detach().clone() for name, p in frozen.items()}, "frozen statistics": model.frozen_norm.running_mean.clone(),
            "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
            "calls of the live BatchNorm": int(model.live_norm.num_batches_tracked), "live statistics": model.live_norm.running_mean.clone(),
            "gradient of the head at the end": model.head.bias.grad}


def plain_run(step, x, y, start, lr):
    """A linear layer, or embeddings, and SGD, batch by batch: losses and weights, and all else that a step could touch."""
    if x[0].is_floating_point():
        model = torch.nn.Linear(start.shape[1], start.shape[0], bias=False)
        with torch.no_grad():
            model.weight.copy_(start)
    else:  # token ids, whose embeddings are averaged to logits
        model = torch.nn.EmbeddingBag.from_pretrained(start.clone(), freeze=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    torch.manual_seed(7)
    losses, weights, kept = [], [start.clone()], []
    for inputs, labels in zip(x, y, strict=True):
        losses.append(step(model, optimizer, inputs, labels))
        weights.append(model.weight.detach().clone())
        kept += [inputs.detach().clone(), labels.clone(), inputs.requires_grad]
    return {"losses": losses, "weights": weights, "inputs and labels": kept, "seed": torch.initial_seed(), "learning rate": optimizer.param_groups[0]["lr"],
            "types": [type(loss).__name__ for loss in losses]}


def right_step(model, optimizer, inputs, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(inputs), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def batches_of(rng, n=3):
    return torch.randn(n, 6, 4, generator=rng), torch.randint(3, (n, 6), generator=rng)


def both_plain_runs(submission, x, y, start, lr):
    """What the learner's step did to a linear layer, and what the four lines do."""
    with torch.random.fork_rng():
        want = plain_run(right_step, x, y, start, lr)
    return submission.run(plain_run, submission.finetune_step, x, y, start, lr), want


def both_runs(submission, x, y, kind="sgd", stale=False):
    """What the learner's step did, and what the four lines do."""
    with torch.random.fork_rng():
        want = training_run(right_step, x, y, kind, stale)
    return submission.run(training_run, submission.finetune_step, x, y, kind, stale), want


def likely(got, want, after=""):
    """The likeliest mistake, from where two lists of weights, the first ones included, part."""
    if torch.equal(got[1], got[0]):
        return "the first step did not move the weights"
    if torch.allclose(got[1], want[1], atol=2e-5):
        return "the first step is right and a later one is not: are the old gradients cleared before each backward pass?"
    return after


CALLED = "finetune_step(model, optimizer, inputs, labels), three batches of six in a row"


class TestFinetuneStep(Exercise, id="finetune-step"):
    def probe(self, submission):
        x, y = batches_of(torch.Generator().manual_seed(2))
        seen = [submission.run(training_run, submission.finetune_step, x, y, "sgd", stale) for stale in (False, True)]
        start = torch.arange(12.0).view(3, 4).sin()
        for scale, size in ((1.0, 1), (300.0, 3), (1.0, 40)):
            xs = [scale * torch.arange(4.0 * size).view(size, 4).cos()]
            seen.append(submission.run(plain_run, submission.finetune_step, xs, [torch.arange(size) % 3], start, 0.001 if scale > 1 else 0.1))
        return seen

    @core
    @pytest.mark.parametrize("kind", ["sgd", "adamw"])
    def test_trains_like_the_four_lines(self, submission, rng, kind):
        """After three batches the weights are those of clear, forward, backward, step."""
        got, want = both_runs(submission, *batches_of(rng), kind)
        expect.close(got["weights"], want["weights"], atol=2e-5 if kind == "sgd" else 1e-4, why=likely(got["weights"], want["weights"]), called=CALLED)

    @core
    def test_returns_the_loss_before_the_step(self, submission, rng):
        """It returns the batch's mean cross-entropy before the step, as a plain float."""
        got, want = both_runs(submission, *batches_of(rng))
        expect.true(all(type(loss) is float for loss in got["losses"]), "each loss must be a plain float, not a tensor", got=got["losses"], called=CALLED)
        expect.close(got["losses"], want["losses"], atol=1e-5, rtol=1e-5, called=CALLED)

    @core
    def test_gradients_from_before_do_not_count(self, submission, rng):
        """Gradients that someone else left in the parameters before the first call are cleared."""
        got, want = both_runs(submission, *batches_of(rng), stale=True)
        expect.close(got["weights"], want["weights"], atol=1e-4, called="finetune_step(model, optimizer, inputs, labels), every p.grad full of ones before",
                     why=likely(got["weights"], want["weights"], "are the gradients cleared before the backward pass?"))

    @core
    @pytest.mark.parametrize("size", [1, 2, 40], ids="{} texts".format)
    def test_any_batch_size(self, submission, rng, size):
        """One text or forty: all of them count, and the loss is their mean."""
        x, y = torch.randn(2, size, 4, generator=rng), torch.randint(5, (2, size), generator=rng)
        got, want = both_plain_runs(submission, list(x), list(y), torch.randn(5, 4, generator=rng), 0.5)
        called = f"finetune_step(nn.Linear(4, 5), SGD, inputs, labels) twice, {size} text(s) a batch"
        expect.close(got["losses"], want["losses"], called=called)
        expect.close(got["weights"], want["weights"], called=called)

    def test_inputs_may_be_token_ids(self, submission, rng):
        """The model gets the inputs as they are, token ids among them."""
        x, y = torch.randint(7, (2, 6, 5), generator=rng), torch.randint(3, (2, 6), generator=rng)
        got, want = both_plain_runs(submission, list(x), list(y), torch.randn(7, 3, generator=rng), 0.5)
        for key in ("losses", "weights"):
            expect.close(got[key], want[key], called="finetune_step(nn.EmbeddingBag(7, 3), SGD, inputs, labels) twice, inputs int64 6×5")

    @pytest.mark.parametrize("kind", ["large", "small"])
    def test_large_and_small_losses(self, submission, rng, kind):
        """A huge loss makes a step of full size, and one near zero still makes a step."""
        x, start = 30000 * torch.randn(2, 5, 4, generator=rng), 30 * torch.randn(3, 4, generator=rng)
        best, worst = (x @ start.T).argmax(-1), (x @ start.T).argmin(-1)
        if kind == "small":
            x, start = torch.eye(4).repeat(2, 2, 1)[:, :3], 8 * torch.eye(4)[:3]
            best = torch.arange(3).expand(2, 3)
        got, want = both_plain_runs(submission, list(x), list(worst if kind == "large" else best), start, 0.01 if kind == "large" else 0.5)
        called = f"finetune_step(nn.Linear(4, 3), SGD, inputs, labels) twice, the first loss {want['losses'][0]:.3g} nats"
        expect.close(got["losses"], want["losses"], atol=1e-6, called=called, why="the loss comes back as it is")
        moves = [[after - before for before, after in zip(run["weights"], run["weights"][1:], strict=False)] for run in (got, want)]
        expect.close(*moves, atol=1e-6, rtol=1e-2, called=called + ": how far the weights move", why="no clipping and no skipping: every batch makes one full step")

    @core
    def test_frozen_parts_stay_as_they_are(self, submission, rng):
        """Frozen parameters get no gradient and do not move; modes and requires_grad stay as they were."""
        got, want = both_runs(submission, *batches_of(rng))
        for key, why in (("frozen parameters with a gradient", "a frozen parameter got a gradient"), ("in train mode", "a module changed its train or eval mode"),
                         ("frozen weights", "a frozen weight moved"), ("frozen statistics", "a frozen BatchNorm moved"), ("requires_grad", "requires_grad changed")):
            expect.equal(got[key], want[key], why=why, called=CALLED + f": {key}")

    def test_calls_the_model_once(self, submission, rng):
        """A BatchNorm in train mode sees every batch once, before the step."""
        got, want = both_runs(submission, *batches_of(rng))
        expect.equal(got["calls of the live BatchNorm"], want["calls of the live BatchNorm"], called=CALLED, why="this is how often a live BatchNorm was called")
        expect.close(got["live statistics"], want["live statistics"], atol=1e-4, called=CALLED)

    def test_touches_nothing_else(self, submission, rng):
        """Inputs, labels, the learning rate and the random seed are the same after the call as before."""
        x, y = torch.randn(2, 6, 4, generator=rng), torch.randint(1, 3, (2, 6), generator=rng)
        got, want = both_plain_runs(submission, list(x), list(y), torch.randn(3, 4, generator=rng), 0.1)
        for key in ("inputs and labels", "learning rate", "seed"):
            expect.equal(got[key], want[key], called="finetune_step(model, optimizer, inputs, labels)", why=f"{key}: changed by the call")
        expect.equal(got["types"], ["float", "float"], called="finetune_step(model, optimizer, inputs, labels)", why="the loss is a plain float")


def stop_by_hand(history, patience):
    """Look at every possible stop in turn: the last `patience` epochs hold no new best."""
    def new_best(i):
        return math.isfinite(history[i]) and all(not math.isfinite(h) or history[i] < h for h in history[:i])

    fresh = [new_best(i) for i in range(len(history))]
    stop = next((e for e in range(len(history)) if e + 1 >= patience and not any(fresh[e - patience + 1 : e + 1])), len(history) - 1)
    return max((i for i in range(stop + 1) if fresh[i]), default=-1), stop


HISTORIES = [([3.0, 2.0, 2.5, 2.4, 1.0], 2), ([3.0, 2.0, 2.5, 2.4, 1.0], 4), ([1.0, 2.0, 3.0], 1), ([3.0, 2.0, 1.0], 1), ([2.0, 2.0, 2.0, 2.0], 2),
             ([5.0, 4.0, 4.5, 3.0, 3.5, 3.2, 2.9], 3), ([1.5], 5), ([5.0, 4.0, 4.9, 4.8, 4.7, 1.0], 3)]
SMALL_STEPS, NEGATIVE = ([1.0, 0.9999, 0.9998], 1), ([1.0, -2.0, -1.0, -3.0], 2)
ODD = [([1.0, 1 - 1e-12, 1 - 2e-12], 1), ([1.0, 0.0, 0.5, -1.0, -0.5], 2), ([2.0, 0.0, 1.0, 1.0], 1), ([1e300, 1e299, 2e299, 1e298], 2), ([3e6, 2e6, 2.5e6, 2.6e6, 1.0], 2),
       ([0.0, -1e300, -1.0, -1.0], 2)]
NOT_FINITE = [([math.nan, 3.0, math.nan, 2.0], 2), ([3.0, math.nan, math.nan, 1.0], 2), ([math.nan, math.inf, 2.0, 1.0], 3), ([3.0, -math.inf, 2.0, 1.0], 2),
              ([math.nan, math.nan, 1.0], 3), ([3.0, math.inf, math.inf, 1.0], 2), ([3.0, -math.inf, 4.0, 1.0], 2), ([3.0, math.nan, 4.0, math.inf, 1.0], 3)]
UNANSWERABLE = [([], 2), ([1.0, 2.0], 0), ([3.0, 2.0], -1), ([3.0, 2.0, 1.0], -4), ([math.nan, math.inf], 3), ([math.nan, math.nan, 1.0], 2), ([-math.inf, -math.inf], 1)]


def plateau(falling, flat):
    """Losses that fall for a while and then stay above the best."""
    return [1 + 1 / (epoch + 1) for epoch in range(falling)] + [1.9] * flat


class TestChooseCheckpoint(Exercise, id="finetune-early-stopping"):
    def probe(self, submission):
        kept = submission.keep([3.0, math.nan, 2.0, 2.5, 2.4, 1.0])
        submission.choose_checkpoint(kept, 2)
        return [submission.choose_checkpoint(history, patience) for history, patience in [*HISTORIES, SMALL_STEPS, NEGATIVE, *ODD, *NOT_FINITE, *UNANSWERABLE]] + [
            submission.choose_checkpoint([2.0, 1.0, 1.5, 1.4, 1.3, 1.2]), submission.choose_checkpoint(plateau(5, 400), 300),
            submission.choose_checkpoint(plateau(420, 5), 300), submission.value(kept)]

    @core
    def test_keeps_the_best_epoch_seen_and_stops_in_time(self, submission):
        """The kept epoch and the stop follow from the losses, as in the worked example."""
        for history, patience in HISTORIES:
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))

    @core
    def test_random_histories(self, submission, dice):
        """On random losses with ties it agrees with looking at every stop in turn."""
        for _ in range(40):
            history = [float(dice.randrange(0, 9)) for _ in range(dice.randrange(1, 12))]
            patience = dice.randrange(1, 5)
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))

    def test_any_lower_loss_is_a_new_best(self, submission):
        """A loss that is lower by very little is a new best, and so is one that is lower and negative, zero or huge."""
        for history, patience in (SMALL_STEPS, NEGATIVE, *ODD):
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))

    def test_long_runs(self, submission):
        """Hundreds of epochs are read to the end, and a patience in the hundreds is waited for."""
        for history, patience in ((plateau(5, 400), 300), (plateau(420, 5), 300), (plateau(2, 256) + [0.5], 257), (plateau(2, 256) + [0.5], 256)):
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))

    def test_leaves_the_history_alone(self, submission):
        """The losses are the same after the call as before."""
        for history in ([3.0, 2.0, 2.5, 2.4, 1.0], [3.0, math.nan, 2.0, 2.5, math.inf, 1.0]):
            kept = submission.keep(history)
            expect.equal(tuple_of(submission.choose_checkpoint(kept, 2)), stop_by_hand(history, 2))
            expect.close(submission.value(kept), history, why="the list of losses was changed", atol=0.0, rtol=0.0)

    def test_nan_is_never_a_new_best(self, submission, dice):
        """A NaN or infinite loss, of either sign, counts as an epoch without a new best."""
        random = [([float(dice.randrange(9)) if dice.random() < 0.6 else dice.choice([math.nan, math.inf, -math.inf]) for _ in range(9)], 3) for _ in range(30)]
        for history, patience in NOT_FINITE + [case for case in random if stop_by_hand(*case)[0] >= 0]:
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))

    def test_patience_is_three_unless_said(self, submission):
        """Without an argument, three epochs in a row without a new best stop the training."""
        expect.equal(tuple_of(submission.choose_checkpoint([2.0, 1.0, 1.5, 1.4, 1.3, 0.5])), (1, 4))

    def test_refuses_what_has_no_answer(self, submission):
        """No epochs, a patience below 1, or no finite loss up to the stop raise ValueError."""
        for history, patience in UNANSWERABLE:
            expect.raises("ValueError", submission.choose_checkpoint, history, patience)


def tuple_of(value):
    """The docstring asks for a tuple; a pair that comes as a list is accepted too."""
    return tuple(value) if isinstance(value, list) else value
