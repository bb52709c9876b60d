"""Checks for p3_2_lora.

Definitions: Hu et al. 2021, arXiv:2106.09685 (LoRA) · Dettmers et al. 2023, arXiv:2305.14314 (4-bit weights below it).
"""
import pytest
import torch
from torch import nn

from grader.judge import Exercise, core, expect


def normal(rng, *shape, dtype=torch.float32):
    return torch.randn(*shape, generator=rng, dtype=dtype)


def adapted(x, W, b, A, B, alpha):
    """What a linear layer and its adapter say, one row of x at a time, in double precision."""
    x, W, A, B = (value.double() for value in (x, W, A, B))
    rows = [W @ row + (alpha / A.shape[0]) * (B @ (A @ row)) + (0 if b is None else b.double()) for row in x.reshape(-1, x.shape[-1])]
    return torch.stack(rows).reshape(*x.shape[:-1], W.shape[0])


def digits(got, want):
    """What `got` lacks behind the sixth digit, made visible for a probe."""
    return 1e6 * (got.double() - want.double()) if isinstance(got, torch.Tensor) and got.shape == want.shape else got


# ------------------------------------------------------------------------------------------------ the layer


def study(Layer, W, b, r, alpha, x, A, B, g):
    """What there is to see of one layer, before and after it gets the weights A and B (runs on the learner's side)."""
    base = nn.Linear(W.shape[1], W.shape[0], bias=b is not None).to(W.dtype)
    with torch.no_grad():
        base.weight.copy_(W)
        if b is not None:
            base.bias.copy_(b)
    layer, again = Layer(base, r, alpha), Layer(base, r, alpha)
    Layer(nn.Linear(2, 2), r + 2, alpha + 5)  # another layer has another scale, and must not change this one's
    seen = {"same": layer.base is base, "shapes": {name: list(p.shape) for name, p in layer.named_parameters()},
            "dtypes": sorted({str(p.dtype) for p in layer.parameters()}), "trainable": sorted(n for n, p in layer.named_parameters() if p.requires_grad),
            "A": layer.A.detach().clone(), "other A": again.A.detach().clone(), "B": layer.B.detach().clone()}

    def step(key):
        layer.zero_grad()
        leaf = x.clone().requires_grad_()
        out = layer(leaf)
        seen[key] = out.detach().clone()
        if out.requires_grad:
            (out * g).sum().backward()
        seen[key + " gradients"] = {"A": layer.A.grad, "B": layer.B.grad, "x": leaf.grad}

    step("start")
    with torch.no_grad():
        layer.A.copy_(A)
        layer.B.copy_(B)
    step("tuned")
    seen["eval"] = layer.eval()(x).detach()
    seen["weight"], seen["bias"] = base.weight.detach().clone(), None if base.bias is None else base.bias.detach().clone()
    return seen


def layer_case(rng, inputs=5, outputs=3, r=2, lead=(4,), bias=True, dtype=torch.float32):
    """Random arguments for `study`, all but the class, r and alpha."""
    W, b = normal(rng, outputs, inputs, dtype=dtype), normal(rng, outputs, dtype=dtype) if bias else None
    return {"W": W, "b": b, "x": normal(rng, *lead, inputs, dtype=dtype), "A": normal(rng, r, inputs, dtype=dtype), "B": normal(rng, outputs, r, dtype=dtype),
            "g": normal(rng, *lead, outputs, dtype=dtype)}


def studied(submission, case, alpha, r=None):
    return submission.run(study, submission.LoRALinear, case["W"], case["b"], r or case["A"].shape[0], alpha, case["x"], case["A"], case["B"], case["g"])


class TestLoRALinear(Exercise, id="lora-linear"):
    """Exercise lora-linear."""

    def probe(self, submission):
        rng = torch.Generator().manual_seed(2)
        seen = []
        for case, alpha in ((layer_case(rng), 6), (layer_case(rng, 7, 4, 3, (2, 3), False, torch.float64), 1.5), (layer_case(rng, 4, 6, 1, ()), 1)):
            found = studied(submission, case, alpha)
            if isinstance(found, dict):
                drawn, other = found.pop("A"), found.pop("other A")
                found["draws"] = (drawn.shape, drawn.dtype == case["W"].dtype, bool(drawn.any()), torch.equal(drawn, other), bool((drawn < 0).any()))
                found["start gradients"] = {name: None if value is None else bool(value.any()) for name, value in found["start gradients"].items()}
            seen.append(found)
        wide = studied(submission, layer_case(rng, 300, 4, 60), 60)
        scale = float(wide["A"].std()) * 300**0.5 if isinstance(wide, dict) else 0.0
        return seen, 0.5 < scale < 2, isinstance(wide, dict) and abs(float(wide["A"].mean())) < 0.01

    @core
    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
    def test_starts_as_the_base_layer(self, submission, rng, bias):
        """A new layer says exactly what its base says, and B is zero."""
        case = layer_case(rng, bias=bias)
        seen = studied(submission, case, 8)
        want = torch.nn.functional.linear(case["x"], case["W"], case["b"])
        expect.close(seen["start"], want, why="B starts at zeros, so that B A x is zero", called="LoRALinear(base, 2, 8)(x)")
        expect.close(seen["B"], torch.zeros(3, 2), atol=0, called="LoRALinear(base, 2, 8).B", why="exactly zero")

    @core
    @pytest.mark.parametrize("size", [(5, 3, 2, (4,)), (3, 6, 1, (2, 3)), (6, 4, 3, ()), (4, 3, 2, (1,))], ids=["a batch", "batch and time, rank 1", "one vector, rank 3", "a batch of one"])
    def test_adds_the_detour(self, submission, rng, dice, size):
        """With weights in A and B it says base(x) + alpha / r · x Aᵀ Bᵀ, in train and in eval mode."""
        case, alpha = layer_case(rng, *size), dice.choice([0.5, 3.0, 7, 16, -2])
        seen = studied(submission, case, alpha)
        want = adapted(case["x"], case["W"], case["b"], case["A"], case["B"], alpha).float()
        r = size[2]
        for key in ("tuned", "eval"):
            expect.close(seen[key], want, called=f"LoRALinear(base, {r}, {alpha})(x) with new A and B",
                         why="x goes through A, then B, times alpha / r; A and B are read at every call")

    @core
    def test_only_the_adapter_is_trained(self, submission, rng):
        """Of the layer's parameters only A and B require a gradient; the base is frozen, its bias too."""
        seen = studied(submission, layer_case(rng), 4)
        expect.equal(seen["trainable"], ["A", "B"], called="the trainable parameters of LoRALinear(base, 2, 4)")

    @core
    def test_both_matrices_get_their_gradients(self, submission, rng):
        """The gradients of A, B and x are those of the formula."""
        for r in (1, 2, 4):
            case = layer_case(rng, r=r)
            seen, s = studied(submission, case, 6)["tuned gradients"], 6 / r
            x, g, A, B, W = (case[key] for key in "xgABW")
            want = {"B": s * g.T @ (x @ A.T), "A": s * (g @ B).T @ x, "x": g @ W + s * (g @ B) @ A}
            for name, gradient in want.items():
                expect.close(seen[name], gradient, called=f"the gradient of {name} after (layer(x) * g).sum().backward()",
                             why="no gradient arrives after detach() or under no_grad()" if seen[name] is None else "", atol=1e-4)

    def test_the_first_step_can_move_something(self, submission, rng):
        """A is random, so that B has a gradient at once; if both were zero, nothing would ever move."""
        seen = studied(submission, layer_case(rng), 4)
        gradient = seen["start gradients"]["B"]
        expect.true(bool(seen["A"].all()), "every entry of A must be random, not zero", got=seen["A"])
        expect.true(isinstance(gradient, torch.Tensor) and bool(gradient.any()), "at the start the gradient of B must not be zero", got=gradient)
        expect.true(not torch.equal(seen["A"], seen["other A"]), "two layers must have different A: draw without setting a seed")

    def test_how_large_it_starts(self, submission, rng):
        """The entries of A have mean 0 and a standard deviation of about 1 / √I."""
        for width in (64, 400):
            A = studied(submission, layer_case(rng, width, 2, 50), 4)["A"]
            expect.true(0.5 < float(A.std()) * width**0.5 < 2, f"with I = {width} the standard deviation of A must be about {width**-0.5:.3g}", got=float(A.std()))
            expect.true(abs(float(A.mean())) < 0.2 * width**-0.5, "the mean of A must be about 0", got=float(A.mean()))

    def test_has_no_other_parameters(self, submission, rng):
        """The parameters are A (r, I), B (O, r) and the base layer's, of which it keeps the very object and the values."""
        case = layer_case(rng, 7, 4, 3)
        seen = studied(submission, case, 4)
        expect.equal(seen["shapes"], {"A": [3, 7], "B": [4, 3], "base.weight": [4, 7], "base.bias": [4]}, called="LoRALinear(base, 3, 4).named_parameters()")
        expect.true(seen["same"], "layer.base must be the layer that was given, not a copy of it")
        expect.close([seen["weight"], seen["bias"]], [case["W"], case["b"]], why="the base layer's weights must stay as they are")

    def test_works_in_double_precision(self, submission, rng):
        """Over a float64 layer A and B are float64 too, and so is the result."""
        case = layer_case(rng, dtype=torch.float64)
        seen = studied(submission, case, 4)
        expect.equal(seen["dtypes"], ["torch.float64"], called="the dtypes of LoRALinear(base in float64, 2, 4)")
        expect.close(seen["tuned"], adapted(case["x"], case["W"], case["b"], case["A"], case["B"], 4), atol=1e-12, rtol=1e-9)


# ----------------------------------------------------------------------------------------------- injecting


def inject_and_look(inject, names, targets, r, alpha, default, freeze=""):
    """Build modules under the given names, inject, and tell what has become of them (runs on the learner's side)."""
    model, made = nn.Module(), []
    for name, kind in names:
        parent = model
        for step in name.split(".")[:-1]:
            if step not in parent._modules:
                parent.add_module(step, nn.Module())
            parent = parent._modules[step]
        part = {"linear": lambda: nn.Linear(3, 2), "narrow": lambda: nn.Linear(2, 4, bias=False), "embedding": lambda: nn.Embedding(3, 2),
                "norm": lambda: nn.LayerNorm(3), "conv": lambda: nn.Conv1d(3, 2, 1), "group": lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))}[kind]()
        parent.add_module(name.split(".")[-1], part)
    if freeze:
        model.get_submodule(freeze).requires_grad_(False)
    before, was = dict(model.named_modules()), sorted(name for name, p in model.named_parameters() if p.requires_grad)

    class Wrapped(nn.Module):
        def __init__(self, base, r, alpha):
            super().__init__()
            made.append([next((name for name, module in before.items() if module is base), "a copy"), r, alpha])
            self.inner, self.gain, self.still = base, nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1), requires_grad=False)

    try:
        result = inject(model, targets, r, alpha) if default else inject(model, targets, r, alpha, layer=Wrapped)
    except ValueError:
        result = "ValueError"
    kinds = {}
    for name, module in before.items():
        try:
            now = model.get_submodule(name)
        except AttributeError:
            now = None
        kinds[name] = "same" if now is module else "nothing" if now is None else type(now).__name__
    return {"result": result if isinstance(result, list) else str(result), "made": made, "now": kinds, "was": was, "trainable": sorted(name for name, p in model.named_parameters() if p.requires_grad),
            "modes": sorted({before[name].training for name in before if before[name].__class__ is not Wrapped})}


NET = [("embed", "embedding"), ("layers.0.attn.q", "linear"), ("layers.0.attn.faq", "linear"), ("layers.0.attn.o", "linear"), ("layers.0.mlp.o", "narrow"),
       ("layers.0.norm", "norm"), ("layers.1.attn.q", "linear"), ("layers.1.attn.o", "linear"), ("layers.1.attn_o", "linear"), ("layers.10.attn.q", "linear"), ("head.q", "conv"),
       ("head.out", "narrow"), ("q", "linear")]


def chosen_of(names, targets):
    """The linear layers that the targets name, by comparing the steps of the names from the back."""
    tails = [target.split(".") for target in targets]
    return [name for name, kind in names if kind in ("linear", "narrow") and any(name.split(".")[-len(tail):] == tail for tail in tails)]


def expect_injected(submission, names, targets, r=2, alpha=4, why="", **options):
    """The chosen layers wrapped once each with r and alpha, all others the same, and only the new parameters trainable."""
    want, seen = chosen_of(names, targets), submission.run(inject_and_look, submission.inject_lora, names, targets, r, alpha, False, **options)
    called = f"inject_lora(model, {targets}, {r}, {alpha}, layer=Wrapped)"
    expect.equal(seen["result"], want, called=called, why=why or "a target is a full name or its end, in whole steps")
    replaced = {name for name, kind in seen["now"].items() if kind != "same"}
    expect.equal(sorted(replaced), sorted(want), called=f"the parts that have changed after {called}", why="set the new layer on its parent, at the same name")
    expect.equal(sorted(seen["made"]), sorted([name, r, alpha] for name in want), called=f"the calls of layer in {called}", why="layer(old, r, alpha), once for each")
    expect.equal(seen["trainable"], sorted(f"{name}.gain" for name in want), called=f"what can be trained after {called}",
                 why="freeze the whole model first, and put the new layers in after that")
    expect.equal(seen["modes"], [True], called=f"whether the parts are in train mode after {called}", why="nothing else of the model changes")


class TestInjectLora(Exercise, id="lora-inject"):
    """Exercise lora-inject."""

    def probe(self, submission):
        cases = [["q"], ["attn.o"], ["layers.1.attn.q", "o"], ["out"], ["q", "attn.q"], ["zz", "q"], ["norm"], ["faq"], ["1.attn.q"], ["layers.0.attn.o"], [], ["attn"], ["rs.1.attn.q"]]
        seen = [submission.run(inject_and_look, submission.inject_lora, NET, targets, 3, 5, False) for targets in cases]
        seen.append(submission.run(inject_and_look, submission.inject_lora, NET, ["q"], 3, 5, True))
        seen.append(submission.run(inject_and_look, submission.inject_lora, [("seq", "group"), ("x.0", "linear")], ["0", "seq.2"], 3, 5, False))
        seen.append(submission.run(inject_and_look, submission.inject_lora, NET, ["attn.q"], 1, 0.5, False, "layers.1"))
        seen.append(submission.run(inject_and_look, submission.inject_lora, [("a", "linear"), ("ab.a", "linear"), ("ab.aa", "linear"), ("ab.c.a", "linear")], ["a", "ab.a"], 1, 1, False))
        seen.append(submission.run(inject_and_look, submission.inject_lora, [("a", "linear"), ("b.inner", "linear")], ["a", "inner"], 1, 1, False))
        return seen

    @core
    def test_wraps_what_is_named(self, submission, dice):
        """Every linear layer with a named end is wrapped where it stands, however deep; nothing else is touched."""
        r, alpha = dice.randrange(1, 9), dice.randrange(10, 40)
        for targets in (["q"], ["out"], ["faq", "o"], ["layers.10.attn.q"]):
            expect_injected(submission, NET, targets, r, alpha)

    @core
    def test_whole_steps(self, submission):
        """A target may have several steps, and matches whole steps only: "q" is not the end of "faq"."""
        for targets in (["attn.o"], ["1.attn.q"], ["attn.q", "mlp.o"]):
            expect_injected(submission, NET, targets)

    @core
    def test_the_rest_is_frozen(self, submission):
        """Only what the new layers make can be trained; embeddings, norms, the head and the old layers are frozen."""
        seen = submission.run(inject_and_look, submission.inject_lora, NET, ["attn.q"], 2, 4, False)
        expect.equal(seen["trainable"], ["layers.0.attn.q.gain", "layers.1.attn.q.gain", "layers.10.attn.q.gain"], called='what can be trained after inject_lora(model, ["attn.q"], 2, 4, layer=Wrapped)',
                     why="freeze the whole model first, and leave what layer() made as it is")

    def test_names_that_match_twice(self, submission):
        """A layer that two targets name is wrapped once, and the names come in the order of the model."""
        for targets in (["attn.q", "q"], ["o", "layers.0.attn.o"], ["out", "q"], ["q", "q"]):
            expect_injected(submission, NET, targets, why="each layer once, in the order of model.named_modules()")
        expect_injected(submission, [("a", "linear"), ("b.inner", "linear")], ["a", "inner"], why="inside its wrapper the old layer has a new name: list the layers first")

    def test_numbered_parts(self, submission):
        """The parts of an nn.Sequential, called "0", "1", …, are reached too."""
        flat = [("seq.0", "linear"), ("seq.1", "norm"), ("seq.2", "linear"), ("x.0", "narrow")]
        expect_injected(submission, flat, ["0"])
        seen = submission.run(inject_and_look, submission.inject_lora, [("a.seq", "group"), ("b", "group")], ["seq.2", "0"], 2, 4, False)
        expect.equal(seen["result"], ["a.seq.0", "a.seq.2", "b.0"], called='inject_lora(model, ["seq.2", "0"], 2, 4, layer=Wrapped)')
        expect.equal(seen["now"]["a.seq.2"], "Wrapped", called="a.seq[2] after inject_lora")

    def test_only_linear_layers(self, submission):
        """A convolution, a norm or a whole group with that name stays as it is."""
        expect_injected(submission, NET, ["q"], why="head.q is a convolution: only nn.Linear is replaced")
        expect_injected(submission, [("a", "group"), ("b.a", "linear"), ("c.a", "norm"), ("d.a", "embedding")], ["a"])

    def test_a_target_without_a_layer(self, submission):
        """A target that names no linear layer is a ValueError, and the model stays as it was, trainable and unchanged."""
        for targets in (["zz"], ["q", "zz"], ["zz", "q"], ["norm"], ["attn"], ["ut"], ["Q"]):
            seen = submission.run(inject_and_look, submission.inject_lora, NET, targets, 2, 4, False)
            called = f"inject_lora(model, {targets}, 2, 4, layer=Wrapped)"
            expect.equal(seen["result"], "ValueError", called=called, why="each target must name at least one nn.Linear")
            expect.equal(set(seen["now"].values()), {"same"}, called=f"the model after {called}", why="look at all targets before you replace anything")
            expect.equal(seen["trainable"], seen["was"], called=f"what can be trained after {called}", why="the model must not be frozen when the call fails")

    def test_the_default_layer(self, submission):
        """Without the argument layer, handbook's Adapter is used."""
        seen = submission.run(inject_and_look, submission.inject_lora, NET, ["mlp.o", "out"], 3, 6, True)
        expect.equal(seen["result"], ["layers.0.mlp.o", "head.out"], called='inject_lora(model, ["mlp.o", "out"], 3, 6)')
        expect.equal(seen["now"]["head.out"], "Adapter", called="the type of head.out after inject_lora")
        expect.equal(seen["trainable"], sorted(f"{name}.{part}.weight" for name in seen["result"] for part in ("up", "down")), called="what can be trained then")

    def test_a_model_that_is_partly_frozen(self, submission):
        """Layers that were frozen before are wrapped like all others."""
        expect_injected(submission, NET, ["attn.q"], freeze="layers.1")


# ------------------------------------------------------------------------------------------- trainable share


def share_of(fraction, parts, tie, buffers, lone):
    """Build a model of tensors [(shape, trainable)], ask for the fraction, and tell whether the model has changed."""
    model = nn.Module()
    for at, (shape, trainable) in enumerate(parts):
        holder = nn.Module()
        dtype = (torch.float32, torch.float64, torch.float16)[at % 3]
        holder.register_parameter(("weight", "bias", "A")[at % 3], nn.Parameter(torch.ones(shape, dtype=dtype), requires_grad=trainable))
        model.add_module(f"part{at}", holder)
    if tie:
        model.tied = nn.Module()
        model.tied.again = model.part0.weight
    if buffers:
        model.register_buffer("running", torch.ones(1000))
    if lone:
        model.alone = nn.Parameter(torch.ones(lone), requires_grad=False)
    before = [p.requires_grad for p in model.parameters()]
    result = fraction(model)
    return result, before == [p.requires_grad for p in model.parameters()], type(result).__name__


class TestTrainableFraction(Exercise, id="lora-trainable-fraction"):
    """Exercise lora-trainable-fraction."""

    def probe(self, submission):
        mixed = [((3, 4), True), ((5,), False), ((2, 2, 2), True), ((7, 1), False)]
        cases = [(mixed, False, False, 0), (mixed, True, False, 0), (mixed, False, True, 0), (mixed, False, False, 50), ([], False, True, 0), (mixed[:1], False, False, 0),
                 (mixed[1:2], False, False, 0), ([((300, 300), False), ((1,), True)], False, False, 0), ([((), True), ((0,), True), ((3,), False)], False, False, 0)]
        return [submission.run(share_of, submission.trainable_fraction, *case) for case in cases]

    def _expect(self, submission, parts, why="", tie=False, buffers=False, lone=0):
        sizes = [(int(torch.tensor(shape).prod()), trainable) for shape, trainable in parts] + [(lone, False)]
        total = sum(size for size, _ in sizes)
        want = sum(size for size, trainable in sizes if trainable) / total if total else 0.0
        got, unchanged, _ = submission.run(share_of, submission.trainable_fraction, parts, tie, buffers, lone)
        expect.true(type(got) is float, "the share must be a float", got=got)
        expect.close(got, want, atol=1e-9, rtol=1e-6, why=why, called=f"trainable_fraction(a model of {parts}{' and a shared tensor' * tie}{' and a buffer' * buffers})")
        expect.true(unchanged, "the model must stay as it came")

    @core
    def test_counts_numbers(self, submission, dice):
        """The share is trainable entries over all entries: not over tensors, and not over the frozen ones."""
        for _ in range(4):
            parts = [((dice.randrange(2, 9), dice.randrange(2, 9)), dice.random() < 0.5) for _ in range(4)]
            self._expect(submission, [((3, 11), True), ((2,), False), *parts], why="count entries with numel(), and divide by all of them")

    def test_shared_tensors_count_once(self, submission):
        """A tensor that two modules share counts once, trainable or frozen."""
        for trainable in (True, False):
            self._expect(submission, [((4, 3), trainable), ((5,), not trainable)], tie=True, why="model.parameters() gives each parameter once")

    def test_buffers_are_no_parameters(self, submission):
        """A buffer does not count."""
        self._expect(submission, [((4, 3), True), ((5,), False)], buffers=True, why="model.state_dict() holds buffers too")

    def test_parameters_of_the_model_itself(self, submission):
        """A parameter that belongs to no sub-module counts too."""
        self._expect(submission, [((2, 2), True)], lone=12)

    def test_small_shares_are_not_rounded(self, submission):
        """One number of a hundred thousand is a share of 0.00001."""
        self._expect(submission, [((400, 250), False), ((1,), True)])

    def test_all_none_and_nothing(self, submission):
        """Everything trainable is 1.0, everything frozen 0.0, and a model without parameters 0.0."""
        for parts in ([((2, 3), True)], [((2, 3), False)], []):
            self._expect(submission, parts, why="without a parameter there is nothing to divide by" if not parts else "")


# -------------------------------------------------------------------------------------------- save and load


def with_parameters(parts):
    """A model with parameters of these dotted names, values and freedom, and one buffer called A (built on the learner's side)."""
    model = nn.Module()
    for name, value, trainable in parts:
        parent = model
        for step in name.split(".")[:-1]:
            if step not in parent._modules:
                parent.add_module(step, nn.Module())
            parent = parent._modules[step]
        parent.register_parameter(name.split(".")[-1], nn.Parameter(value.clone(), requires_grad=trainable))
    model.add_module("stats", nn.Module())
    model.stats.register_buffer("A", torch.ones(2))
    return model


def saved_then_trained(save, model):
    """What was saved, as it is after the model has been trained on (runs on the learner's side)."""
    was = [p.requires_grad for p in model.parameters()]
    state = save(model)
    plain = {name: type(value) is torch.Tensor and not value.requires_grad for name, value in state.items()}
    untouched = was == [p.requires_grad for p in model.parameters()]
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1)
    return {name: value.detach() for name, value in state.items()}, plain, untouched, sorted({str(value.dtype) for value in state.values()})


def loaded(load, model, state):
    """What loading has done, and whether model and state share memory afterwards (runs on the learner's side)."""
    before, given = dict(model.named_parameters()), {name: value.clone() for name, value in state.items()}
    try:
        result = "None" if load(model, given) is None else "a value"
    except ValueError:
        result = "ValueError"
    after = dict(model.named_parameters())
    seen = {"result": result, "values": {name: p.detach().clone() for name, p in after.items()}, "buffer": model.stats.A.clone(),
            "same": list(before) == list(after) and all(after[name] is p for name, p in before.items()),
            "trainable": sorted(name for name, p in after.items() if p.requires_grad), "dtypes": sorted({str(p.dtype) for p in after.values()})}
    with torch.no_grad():
        for p in after.values():
            p.add_(1)
    seen["given"] = given
    return seen


def parts_of(rng, r=2, more=()):
    """Parameters of a small model with three adapters, one of them frozen, and of names that only look like one."""
    rows = [("layers.0.q.A", (r, 3), True), ("layers.0.q.B", (4, r), True), ("layers.0.q.base.weight", (4, 3), False), ("layers.0.q.base.bias", (4,), False),
            ("layers.10.mlp.up.A", (r, 2), False), ("layers.10.mlp.up.B", (5, r), False), ("head.NA", (2,), True), ("head.B2", (2, 2), True), ("tail.A.weight", (3,), True),
            ("head.lora_A", (1, 2), True), ("B", (2, r), True), ("x.AB", (2,), False), ("x.b", (3,), True), *more]
    return [(name, normal(rng, *shape), trainable) for name, shape, trainable in rows]


def adapter_names(parts):
    return [name for name, _, _ in parts if name in ("A", "B") or name[-2:] in (".A", ".B")]


class TestSaveAndLoad(Exercise, id="lora-save-load"):
    """Exercise lora-save-load."""

    def _save(self, submission, parts):
        return submission.run(saved_then_trained, submission.lora_state_dict, submission.run(with_parameters, parts))

    def _load(self, submission, parts, state):
        return submission.run(loaded, submission.load_lora_state_dict, submission.run(with_parameters, parts), state)

    def probe(self, submission):
        rng = torch.Generator().manual_seed(4)
        parts = parts_of(rng)
        state = {name: normal(rng, *value.shape) for name, value, _ in parts if name in adapter_names(parts)}
        fewer = dict(list(state.items())[1:])
        states = [state, fewer, {**state, "z.A": torch.ones(2)}, {**state, "head.NA": torch.ones(2)}, {**state, "B": torch.ones(2, 3)}, {**state, "B": torch.ones(1, 2)},
                  dict(reversed(state.items())), {}, {name: value.double() for name, value in state.items()}, {**fewer, "layers.0.q.a": torch.ones(2, 3)},
                  {**state, "B": torch.ones(4)}, {**state, "layers.10.mlp.up.B": torch.ones(2, 5)}]
        saved = self._save(submission, parts)
        return [digits(saved[0].get("B") if isinstance(saved, tuple | list) else None, parts[10][1]), self._save(submission, parts), self._save(submission, parts[:4]), self._save(submission, parts[6:10]),
                self._save(submission, [(name, value.double(), free) for name, value, free in parts]), *(self._load(submission, parts, each) for each in states),
                self._load(submission, parts[6:10], {}), self._load(submission, parts[6:10], state)]

    @core
    def test_saves_the_adapters(self, submission, rng):
        """What is saved are the parameters called A and B, by their full names, frozen or not, and nothing else."""
        for parts in (parts_of(rng), parts_of(rng, 3, [("A", (3, 4), False)]), parts_of(rng)[6:10]):
            state, *_ = self._save(submission, parts)
            expect.equal(sorted(state), sorted(adapter_names(parts)), called="the names in lora_state_dict(model)", why="the last step of the name must be A or B; buffers are no parameters")

    @core
    def test_saves_a_copy(self, submission, rng):
        """What was saved is the same after further training: plain tensors, of the same dtype, without gradients."""
        for dtype in (torch.float32, torch.float64):
            parts = [(name, value.to(dtype), free) for name, value, free in parts_of(rng)]
            state, plain, untouched, dtypes = self._save(submission, parts)
            want = {name: value for name, value, _ in parts if name in adapter_names(parts)}
            expect.close(state, want, called="lora_state_dict(model), looked at after training on", why="clone(): detach() alone shares the memory")
            expect.equal(dtypes, [str(dtype)], called="the dtypes in lora_state_dict(model)")
            expect.true(all(plain.values()), "what is saved must be plain tensors that require no gradient, not parameters", got=plain)
            expect.true(untouched, "saving must not freeze or thaw anything in the model")

    @core
    def test_loads_into_the_adapters(self, submission, rng):
        """Loading puts every saved value into the parameter of its name, and leaves all else as it was."""
        parts = parts_of(rng)
        state = {name: normal(rng, *value.shape) for name, value, _ in parts if name in adapter_names(parts)}
        for given in (state, dict(reversed(state.items()))):
            seen = self._load(submission, parts, given)
            expect.equal(seen["result"], "None", called="load_lora_state_dict(model, state)", why="these names and shapes are right")
            expect.close(seen["values"], {name: given.get(name, value) for name, value, _ in parts}, called="the parameters after load_lora_state_dict(model, state)",
                         why="go by the names, not by the order")
            expect.close(seen["buffer"], torch.ones(2), called="a buffer after loading")

    def test_loads_in_place(self, submission, rng):
        """The parameters stay the same objects, as trainable as before, and share no memory with the state."""
        parts = parts_of(rng)
        state = {name: normal(rng, *value.shape) for name, value, _ in parts if name in adapter_names(parts)}
        seen = self._load(submission, parts, state)
        expect.true(seen["same"], "every parameter must stay the same object: an optimizer holds the old ones", why="param.copy_(value) under torch.no_grad()")
        expect.equal(seen["trainable"], sorted(name for name, _, free in parts if free), called="what can be trained after loading")
        expect.close(seen["given"], state, called="the state, after loading it and training on", why="copy the values; state must stay as it came")

    def test_keeps_the_dtype(self, submission, rng):
        """A float32 state goes into a float64 model, which stays float64, and the other way round."""
        for here, there in ((torch.float64, torch.float32), (torch.float32, torch.float64)):
            parts = [(name, value.to(here), free) for name, value, free in parts_of(rng)]
            state = {name: normal(rng, *value.shape, dtype=there) for name, value, _ in parts if name in adapter_names(parts)}
            seen = self._load(submission, parts, state)
            expect.equal({str(value.dtype) for value in seen["values"].values()}, {str(here)}, called=f"the dtypes after loading {there} into {here}")
            expect.close(seen["values"]["B"], state["B"].to(here), called="B after loading")

    @pytest.mark.parametrize("case", ["one missing", "one too many", "no adapter's name", "nothing", "misspelt"])
    def test_refuses_other_names(self, submission, rng, case):
        """If a name is missing or one too many, it is a ValueError and nothing has changed."""
        parts = parts_of(rng)
        state = {name: normal(rng, *value.shape) for name, value, _ in parts if name in adapter_names(parts)}
        first = next(iter(state))
        given = {"one missing": {name: value for name, value in state.items() if name != "B"}, "one too many": {**state, "z.A": torch.ones(2, 3)},
                 "no adapter's name": {**state, "head.NA": torch.ones(2)}, "nothing": {}, "misspelt": {("layers.0.k.A" if name == first else name): value for name, value in state.items()}}[case]
        self._refused(self._load(submission, parts, given), parts, f"load_lora_state_dict(model, state), {case}")

    def test_refuses_other_shapes(self, submission, rng):
        """If a shape differs, the rank or the width, it is a ValueError and nothing has changed."""
        for shapes in ({"B": (2, 3)}, {"layers.0.q.B": (2, 4)}, {"layers.10.mlp.up.A": (3, 2), "layers.10.mlp.up.B": (5, 3)}, {"layers.10.mlp.up.B": (10,)}):
            self._refuses(submission, rng, shapes)

    def test_refuses_shapes_that_would_be_spread(self, submission, rng):
        """A smaller tensor that PyTorch would repeat over a larger parameter is refused too."""
        for shapes in ({"B": (1, 2)}, {"B": (2,)}, {"B": ()}, {"layers.10.mlp.up.B": (5, 1)}):
            self._refuses(submission, rng, shapes)

    def _refuses(self, submission, rng, shapes):
        parts = parts_of(rng)
        state = {name: torch.ones(shapes.get(name, value.shape)) for name, value, _ in parts if name in adapter_names(parts)}
        self._refused(self._load(submission, parts, state), parts, f"load_lora_state_dict(model, state) with {shapes}")

    def _refused(self, seen, parts, called):
        expect.equal(seen["result"], "ValueError", called=called, why="compare all names and all shapes")
        expect.close(seen["values"], {name: value for name, value, _ in parts}, called=f"the parameters after {called}", why="look at everything before you write anything")


# ------------------------------------------------------------------------------------------------- merging


def merge_and_look(merge, W, b, A, B, alpha, x):
    """Merge twice and give all that there is to see (runs on the learner's side)."""
    base = nn.Linear(W.shape[1], W.shape[0], bias=b is not None).to(W.dtype).requires_grad_(False)
    base.weight.copy_(W)
    if b is not None:
        base.bias.copy_(b)
    A, B = nn.Parameter(A.clone()), nn.Parameter(B.clone())
    first, second = merge(base, A, B, alpha), merge(base, A, B, alpha)
    seen = {"type": type(first).__name__, "says": first(x).detach(), "again": second(x).detach(), "bias": first.bias is not None,
            "parameter": isinstance(first.weight, nn.Parameter) and first.weight.is_leaf, "parts": {name: list(p.shape) for name, p in first.named_parameters()},
            "size": [first.in_features, first.out_features], "own": [p.detach().clone() for p in (base.weight, A, B)], "eval": first.eval()(x).detach()}
    with torch.no_grad():
        for p in first.parameters():
            p.add_(1)
    seen["base after"] = [base.weight.detach().clone(), None if base.bias is None else base.bias.detach().clone()]
    return seen


class TestMergeLora(Exercise, id="lora-merge"):
    """Exercise lora-merge."""

    def _merged(self, submission, case, alpha):
        return submission.run(merge_and_look, submission.merge_lora, case["W"], case["b"], case["A"], case["B"], alpha, case["x"])

    def probe(self, submission):
        rng = torch.Generator().manual_seed(6)
        cases = [(layer_case(rng), 6), (layer_case(rng, bias=False), 3), (layer_case(rng, 4, 4, 3), 1.5), (layer_case(rng, 3, 6, 1, dtype=torch.float64), 2), (layer_case(rng, 3, 2, 5), -4)]
        seen, (case, alpha) = [self._merged(submission, case, alpha) for case, alpha in cases], cases[3]
        want = adapted(case["x"], case["W"], case["b"], case["A"], case["B"], alpha)
        return seen, digits(seen[3]["says"] if isinstance(seen[3], dict) else None, want)

    @core
    @pytest.mark.parametrize("size", [(5, 3, 2), (3, 6, 1), (4, 4, 3), (2, 3, 6)], ids=["rank 2", "rank 1", "square", "rank above the size"])
    def test_says_the_same(self, submission, rng, dice, size):
        """The new layer says what base and adapter say together, with alpha / r, in train and in eval mode."""
        case, alpha = layer_case(rng, *size), dice.choice([0.5, 5, 16, -7.5])
        seen = self._merged(submission, case, alpha)
        want = adapted(case["x"], case["W"], case["b"], case["A"], case["B"], alpha).float()
        called = f"merge_lora(base, A, B, {alpha})(x) with r = {size[2]}"
        expect.close(seen["says"], want, called=called, why="the weight is base.weight + alpha / r * B @ A; the bias stays")
        expect.close(seen["eval"], want, called=f"{called}, in eval mode")

    def test_without_a_bias(self, submission, rng):
        """The new layer has a bias if and only if the base layer has one."""
        for bias in (True, False):
            case = layer_case(rng, bias=bias)
            seen = self._merged(submission, case, 4)
            expect.equal(seen["bias"], bias, called=f"whether merge_lora(base, A, B, 4) has a bias, where base has {'one' if bias else 'none'}")
            expect.close(seen["says"], adapted(case["x"], case["W"], case["b"], case["A"], case["B"], 4).float())

    def test_twice_is_the_same(self, submission, rng):
        """A second call gives the same layer, and base, A and B are as they were."""
        case = layer_case(rng)
        seen = self._merged(submission, case, 4)
        expect.close(seen["again"], adapted(case["x"], case["W"], case["b"], case["A"], case["B"], 4).float(), called="the second merge_lora(base, A, B, 4)(x)",
                     why="if the base weight is changed in place, the adapter counts double")
        expect.close(seen["own"], [case["W"], case["A"], case["B"]], called="base.weight, A and B after merge_lora")

    def test_is_a_plain_layer(self, submission, rng):
        """The result is an nn.Linear with a weight and a bias of its own, which share no memory with the base's."""
        case = layer_case(rng, 7, 4, 3)
        seen = self._merged(submission, case, 4)
        expect.equal(seen["type"], "Linear", called="the type of merge_lora(base, A, B, 4)")
        expect.equal(seen["parts"], {"weight": [4, 7], "bias": [4]}, called="the parameters of merge_lora(base, A, B, 4)")
        expect.equal(seen["size"], [7, 4], called="in_features and out_features")
        expect.true(seen["parameter"], "the weight must be an nn.Parameter without a gradient history", why="work under torch.no_grad(), and copy the result into the new layer")
        expect.close(seen["base after"], [case["W"], case["b"]], called="the base layer after the merged one was changed", why="copy the bias too: an assigned one is shared")

    def test_works_in_double_precision(self, submission, rng):
        """The dtype is that of the base layer, and no digits are lost on the way."""
        for bias in (True, False):
            case = layer_case(rng, bias=bias, dtype=torch.float64)
            want = adapted(case["x"], case["W"], case["b"], case["A"], case["B"], 4)
            expect.close(self._merged(submission, case, 4)["says"], want, atol=1e-12, rtol=1e-9, called="merge_lora(base in float64, A, B, 4)(x)")


# ------------------------------------------------------------------------------------------------ four bits


def four_bit_case(rng, outputs=3, inputs=8, K=4, r=2, lead=(4,), dtype=torch.float32):
    """Random codes, scales, levels and adapter; W is the weight matrix, put together one number at a time."""
    codes = torch.randint(16, (outputs, inputs), generator=rng)
    packed = (16 * codes[:, 0::2] + codes[:, 1::2]).to(torch.uint8)
    levels, absmax = normal(rng, 16, dtype=dtype), normal(rng, outputs, inputs // K, dtype=dtype).abs() + 0.5
    W = torch.tensor([[float(levels[codes[o, i]]) * float(absmax[o, i // K]) for i in range(inputs)] for o in range(outputs)], dtype=torch.float64)
    x, A, B = normal(rng, *lead, inputs, dtype=dtype), normal(rng, r, inputs, dtype=dtype), normal(rng, outputs, r, dtype=dtype)
    return (x, packed, absmax, levels, A, B), W


def gradients_and_arguments(forward, x, packed, absmax, levels, A, B, alpha, g):
    """The gradients of x, A and B, and the names of arguments that are no longer as they were (runs on the learner's side)."""
    leaves = [value.clone().requires_grad_() for value in (x, A, B)]
    rest = [value.clone() for value in (packed, absmax, levels)]
    out = forward(leaves[0], *rest, leaves[1], leaves[2], alpha)
    (out * g).sum().backward()
    names, before = ("x", "A", "B", "packed", "absmax", "levels"), (x, A, B, packed, absmax, levels)
    return [leaf.grad for leaf in leaves], [name for name, now, was in zip(names, (*leaves, *rest), before, strict=True) if not torch.equal(now.detach(), was)]


class TestQloraForward(Exercise, id="qlora-forward"):
    """Exercise qlora-forward."""

    def probe(self, submission):
        rng = torch.Generator().manual_seed(8)
        seen = []
        for options, alpha in (({}, 6), ({"K": 1, "r": 1}, 3), ({"outputs": 5, "inputs": 12, "K": 12, "r": 3}, 1), ({"inputs": 6, "K": 3, "lead": ()}, 2), ({"lead": (2, 3)}, 4), ({"outputs": 1, "inputs": 2, "K": 2}, 2),
                               ({"dtype": torch.float64}, 5), ({"outputs": 16, "inputs": 16, "K": 2}, 8), ({"outputs": 8, "inputs": 256, "K": 32, "r": 4, "lead": (1,)}, 8)):
            arguments, W = four_bit_case(rng, **options)
            seen.append(submission.qlora_forward(*arguments, alpha))
            if "dtype" in options:
                seen.append(digits(seen[-1], adapted(arguments[0], W, None, *arguments[4:], alpha)))
            seen.append(submission.run(gradients_and_arguments, submission.qlora_forward, *arguments, alpha, torch.ones(*arguments[0].shape[:-1], len(arguments[1]))))
        return seen

    def _expect(self, submission, rng, alpha=6, why="", dtype=torch.float32, **options):
        arguments, W = four_bit_case(rng, dtype=dtype, **options)
        x, *_, A, B = arguments
        exact = {"atol": 1e-11, "rtol": 1e-9} if dtype == torch.float64 else {"atol": 1e-4}
        expect.close(submission.qlora_forward(*arguments, alpha), adapted(x, W, None, A, B, alpha).to(dtype), why=why, **exact)

    @core
    def test_the_weights_are_unpacked(self, submission, rng):
        """With a silent adapter the result is x Wᵀ: two codes a byte, left one above, each a level times its block's scale."""
        for options in ({}, {"outputs": 2, "inputs": 12, "K": 6}, {"outputs": 5, "inputs": 4, "K": 4}):
            (x, packed, absmax, levels, A, B), W = four_bit_case(rng, **options)
            expect.close(submission.qlora_forward(x, packed, absmax, levels, A, 0 * B, 4), (x.double() @ W.T).float(), atol=1e-4,
                         why="the left weight of a pair is byte >> 4, the right one byte & 15; levels[code] times the scale of block i // K")

    @core
    def test_the_adapter_is_added(self, submission, rng, dice):
        """The adapter adds alpha / r · x Aᵀ Bᵀ, for any rank."""
        for r in (1, 2, 5):
            self._expect(submission, rng, dice.choice([3, 8, 0.5, -3]), r=r, why="x through A, then B, times alpha / r")

    @pytest.mark.parametrize("lead", [(), (1,), (2, 3), (2, 1, 3)], ids=["one vector", "a batch of one", "batch and time", "three axes"])
    def test_any_axes_in_front(self, submission, rng, lead):
        """x may have any number of axes before its last."""
        self._expect(submission, rng, lead=lead)

    @pytest.mark.parametrize("size", [(3, 8, 8), (4, 6, 1), (2, 6, 3), (8, 8, 2), (1, 2, 2), (16, 4, 2), (3, 128, 64)], ids=str)
    def test_any_block(self, submission, rng, size):
        """The block may be a whole row, a single weight, an odd number, or anything else that divides I."""
        outputs, inputs, K = size
        self._expect(submission, rng, outputs=outputs, inputs=inputs, K=K, why="K = I / absmax.shape[1]; blocks are runs of neighbours in one row")

    def test_all_codes(self, submission):
        """Every code from 0 to 15 means its own level, in both halves of a byte."""
        levels = torch.arange(16).flip(0) ** 2 / 8 - 3
        packed = torch.arange(256).to(torch.uint8).reshape(32, 8)
        x, nothing = torch.eye(16), (torch.zeros(1, 16), torch.zeros(32, 1))
        want = torch.tensor([[float(levels[int(byte) // 16 if half == 0 else int(byte) % 16]) for byte in row for half in (0, 1)] for row in packed])
        expect.close(submission.qlora_forward(x, packed, torch.ones(32, 2), levels, *nothing, 1), want.T, why="codes are 0 to 15, without a sign; levels is any table of sixteen numbers")

    def test_works_in_double_precision(self, submission, rng):
        """In float64 the result is float64, to the last digits."""
        self._expect(submission, rng, dtype=torch.float64)

    @core
    def test_gradients_reach_the_adapter(self, submission, rng):
        """Gradients reach A, B and x, as the formula says, and no argument is changed."""
        (x, packed, absmax, levels, A, B), W = four_bit_case(rng, r=2)
        g, W = normal(rng, 4, 3), W.float()
        (gx, gA, gB), changed = submission.run(gradients_and_arguments, submission.qlora_forward, x, packed, absmax, levels, A, B, 6, g)
        for name, got, want in (("A", gA, 3 * (g @ B).T @ x), ("B", gB, 3 * g.T @ (x @ A.T)), ("x", gx, g @ W + 3 * (g @ B) @ A)):
            expect.close(got, want, atol=1e-4, called=f"the gradient of {name}", why="no gradient arrives after detach() or under no_grad()" if got is None else "")
        expect.equal(changed, [], called="the arguments that qlora_forward has changed", why="all arguments must stay as they came")
