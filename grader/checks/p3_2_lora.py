"""Checks for p3_2_lora.

Definitions: Hu et al. 2021, arXiv:2106.09685 (LoRA) · Dettmers et al. 2023, arXiv:2305.14314 (4-bit weights below it).
"""
import zlib

import torch
from torch import nn

from grader.judge import Exercise, core, expect


def normal(rng, *shape, dtype=torch.float32):
    return torch.randn(shape, generator=rng, dtype=dtype)


def adapted(x, W, b, A, B, alpha):
    """What a linear layer and its adapter say, in double precision: the change as a sum of outer products, one a direction."""
    x, W, A, B = (value.double() for value in (x, W, A, B))
    changed = W + alpha / len(A) * sum(torch.outer(B[:, at], A[at]) for at in range(len(A)))
    return torch.einsum("...i,oi->...o", x, changed) + (0 if b is None else b.double())


def digits(got, want):
    """What `got` lacks behind the sixth digit, made visible for a probe."""
    return gist(1e6 * (got.double() - want.double()), 3) if isinstance(got, torch.Tensor) and got.shape == want.shape else type(got).__name__


def gist(value, places=None):
    """Little that tells much, for a probe: a tensor's shape, dtype and sum of unequally weighted entries; a text's checksum."""
    if isinstance(value, torch.Tensor):
        total = float((value.detach().double().flatten() * torch.arange(value.numel()).add(1).double().cos()).sum())
        return [f"{value.dtype} {list(value.shape)}"[6:], total if places is None else round(total, places)]
    if isinstance(value, list | tuple):
        return [gist(item) for item in value]
    if isinstance(value, dict):
        return [zlib.crc32(repr(list(value)).encode()), *map(gist, value.values())]
    return zlib.crc32(repr(value).encode()) if isinstance(value, str) else value


# ------------------------------------------------------------------------------------------------ the layer


def study(Layer, cases, keys):
    """What there is to see of layers, before and after they get the weights A and B: the entries `keys` for each case (runs on the learner's side)."""
    found = []
    for W, b, r, alpha, x, A, B, g in cases:
        base, seen, seed = nn.Linear(W.shape[1], W.shape[0], bias=b is not None).to(W.dtype), {}, torch.initial_seed()
        with torch.no_grad():
            base.weight.copy_(W)
            if b is not None:
                base.bias.copy_(b)
        layer, again = Layer(base, r, alpha), Layer(base, r, alpha)
        Layer(nn.Linear(2, 2), r + 2, alpha + 5)  # another layer has another scale, and must not change this one's
        parameters = dict(layer.named_parameters())
        seen["parameters"] = {name: [*p.shape] + ["trainable"] * p.requires_grad for name, p in sorted(parameters.items())}
        seen.update(same=layer.base is base, dtypes=sorted({str(p.dtype) for p in parameters.values()}), seed=seed == torch.initial_seed())
        seen.update({"A": layer.A.detach().clone(), "other A": again.A.detach().clone(), "B": layer.B.detach().clone()})
        for key in ("start", "tuned"):
            if key == "tuned":
                with torch.no_grad():
                    layer.A.copy_(A)
                    layer.B.copy_(B)
                layer.zero_grad()
            leaf = x.clone().requires_grad_()
            out = layer(leaf)
            seen[key] = out.detach().clone()
            if out.requires_grad:
                (out * g).sum().backward()
            seen[key + " gradients"] = {"A": layer.A.grad, "B": layer.B.grad, "x": leaf.grad}
            seen[key + " gradients"] = {name: None if value is None else value.clone() for name, value in seen[key + " gradients"].items()}
        layer.eval()
        given = x.clone()
        layer(given)
        seen["eval"], seen["x kept"] = layer(given).detach(), torch.equal(given, x)
        seen["base"] = [base.weight.detach().clone(), None if base.bias is None else base.bias.detach().clone()]
        found.append({key: seen[key] for key in keys})
    return found


def layer_case(rng, inputs=5, outputs=3, r=2, lead=(4,), bias=True, dtype=torch.float32):
    """Random arguments for `study`, all but the class, r and alpha."""
    W, b = normal(rng, outputs, inputs, dtype=dtype), normal(rng, outputs, dtype=dtype) if bias else None
    return {"W": W, "b": b, "x": normal(rng, *lead, inputs, dtype=dtype), "A": normal(rng, r, inputs, dtype=dtype), "B": normal(rng, outputs, r, dtype=dtype),
            "g": normal(rng, *lead, outputs, dtype=dtype)}


def studied(submission, cases, *keys):
    """`study` of pairs (case, alpha), all in one call."""
    rows = [(case["W"], case["b"], len(case["A"]), alpha, case["x"], case["A"], case["B"], case["g"]) for case, alpha in cases]
    return submission.run(study, submission.LoRALinear, rows, list(keys))


def said(case, alpha):
    """What the layer of this case must say, in its own dtype."""
    return adapted(case["x"], case["W"], case["b"], case["A"], case["B"], alpha).to(case["W"].dtype)


class TestLoRALinear(Exercise, id="lora-linear"):
    """Exercise lora-linear."""

    def probe(self, submission):
        rng = torch.Generator().manual_seed(2)
        cases = [(layer_case(rng), 6), (layer_case(rng, 7, 4, 3, (2, 3), False, torch.float64), 1.5), (layer_case(rng, 4, 6, 1, ()), -1), (layer_case(rng, 300, 2, 60, (1,)), 60)]
        seen = []
        for case, alpha in cases:
            found = studied(submission, [(case, alpha)], "same", "parameters", "dtypes", "seed", "A", "other A", "B", "start", "start gradients", "tuned", "tuned gradients", "eval", "x kept", "base")
            if not isinstance(found, list):
                seen.append(found)
                continue
            one = found[0]
            A, other, first = one.pop("A"), one.pop("other A"), one.pop("start gradients")
            drawn = [str(A.dtype), bool(A.any()), len(A.unique(dim=0)), torch.equal(A, other), bool((A < 0).any()), A.numel() < 999 or (0.5 < float(A.std()) * 300**0.5 < 2, abs(float(A.mean())) < 0.01)]
            moved = {name: None if value is None else bool(value.any()) for name, value in first.items()}
            words = gist(repr([drawn, moved, *(one.pop(key) for key in ("same", "parameters", "dtypes", "seed", "x kept"))]))
            seen.append([words, [] if A.numel() > 999 else gist([one[key] for key in ("B", "start", "tuned", "eval", "base")] + list(one["tuned gradients"].values()))])
        return seen

    @core
    def test_starts_as_the_base_layer(self, submission, rng):
        """A new layer says exactly what its base says, and B is zero."""
        cases = [(layer_case(rng, bias=bias), 8) for bias in (True, False)]
        for (case, _), seen in zip(cases, studied(submission, cases, "start", "B"), strict=True):
            where = "a bias" if case["b"] is not None else "no bias"
            want = torch.nn.functional.linear(case["x"], case["W"], case["b"])
            expect.close(seen["start"], want, why="B starts at zeros, so that B A x is zero", called=f"LoRALinear(base, 2, 8)(x), where base has {where}")
            expect.close(seen["B"], torch.zeros(3, 2), atol=0, called="LoRALinear(base, 2, 8).B", why="exactly zero")

    @core
    def test_adds_the_detour(self, submission, rng, dice):
        """With weights in A and B it says base(x) + alpha / r · x Aᵀ Bᵀ, in train and in eval mode, as often as it is called."""
        alphas = dice.sample([0.5, dice.choice([3.0, 7]), 16, -2], 4)
        sizes = [(5, 3, 2, (4,)), (3, 6, 1, (2, 3)), (6, 4, 3, ()), (4, 3, 2, (1,))]
        cases = [(layer_case(rng, *size), alpha) for size, alpha in zip(sizes, alphas, strict=True)]
        for (case, alpha), seen in zip(cases, studied(submission, cases, "tuned", "eval", "x kept"), strict=True):
            for key, mode in (("tuned", ""), ("eval", ", the second time in eval mode")):
                expect.close(seen[key], said(case, alpha), called=f"LoRALinear(base, {len(case['A'])}, {alpha})(x) with new A and B{mode}; x is {tuple(case['x'].shape)}",
                             why="x goes through A, then B, times alpha / r; A and B are read at every call")
            expect.true(seen["x kept"], "x must stay as it came", called="x after the calls")

    @core
    def test_only_the_adapter_is_trained(self, submission, rng):
        """The parameters are A (r, I), B (O, r) and those of the very base layer, which keeps its values; only A and B require a gradient."""
        case = layer_case(rng, 7, 4, 3)
        seen = studied(submission, [(case, 4)], "parameters", "same", "base")[0]
        want = {"A": [3, 7, "trainable"], "B": [4, 3, "trainable"], "base.bias": [4], "base.weight": [4, 7]}
        expect.equal(seen["parameters"], want, called="the parameters of LoRALinear(base, 3, 4)", why="freeze the base, its bias too; A and B are the only new nn.Parameters")
        expect.true(seen["same"], "layer.base must be the layer that was given: a copy of every layer is a second model in memory", called="LoRALinear(base, 3, 4).base")
        expect.close(seen["base"], [case["W"], case["b"]], called="the base layer's weight and bias at the end", why="the base layer's weights must stay as they are")

    @core
    def test_both_matrices_get_their_gradients(self, submission, rng):
        """The gradients of A, B and x are those of the formula; at the start, B gets one already."""
        cases = [(layer_case(rng, r=r), 6) for r in (1, 2, 4)]
        for (case, alpha), seen in zip(cases, studied(submission, cases, "A", "start gradients", "tuned gradients"), strict=True):
            x, g, A, B, W = (case[key] for key in "xgABW")
            s = alpha / len(A)
            want = {"B": s * g.T @ (x @ A.T), "A": s * (g @ B).T @ x, "x": g @ W + s * (g @ B) @ A}
            for name, gradient in want.items():
                got = seen["tuned gradients"][name]
                expect.close(got, gradient, called=f"the gradient of {name} after (layer(x) * g).sum().backward()",
                             why="no gradient arrives after detach() or under no_grad()" if got is None else "", atol=1e-4)
            first = seen["start gradients"]["B"]
            expect.true(isinstance(first, torch.Tensor) and bool(first.any()), "at the start the gradient of B must not be zero: if A is zero too, nothing ever moves", got=first, called="the gradient of B in a new layer")
            expect.true(len(seen["A"].unique(dim=0)) == len(A), "the rows of A must differ: equal ones get equal gradients, and stay one direction for ever", got=seen["A"], called="the A of a new layer")

    def test_every_layer_draws_its_own(self, submission, rng):
        """A is random, and other in each layer; nobody sets the seed."""
        seen = studied(submission, [(layer_case(rng), 4)], "A", "other A", "seed")[0]
        expect.true(bool(seen["A"].any(dim=1).all()), "A must be random, each of its rows", got=seen["A"], called="the A of a new layer")
        expect.true(not torch.equal(seen["A"], seen["other A"]), "two layers must have different A: draw without setting a seed", called="the A of two layers over one base")
        expect.true(seen["seed"], "PyTorch's seed must stay as it was: no torch.manual_seed", called="torch.initial_seed() before and after LoRALinear(base, 2, 4)")

    def test_how_large_it_starts(self, submission, rng):
        """The entries of A have mean 0 and a standard deviation of about 1 / √I."""
        widths = (64, 400)
        for width, seen in zip(widths, studied(submission, [(layer_case(rng, width, 2, 50), 4) for width in widths], "A"), strict=True):
            A = seen["A"]
            expect.true(0.5 < float(A.std()) * width**0.5 < 2, f"with I = {width} the standard deviation of A must be about {width**-0.5:.3g}", got=float(A.std()))
            expect.true(abs(float(A.mean())) < 0.2 * width**-0.5, "the mean of A must be about 0", got=float(A.mean()))

    def test_works_in_double_precision(self, submission, rng):
        """Over a float64 layer A and B are float64 too, and so is the result."""
        case = layer_case(rng, dtype=torch.float64)
        seen = studied(submission, [(case, 4)], "dtypes", "tuned")[0]
        expect.equal(seen["dtypes"], ["torch.float64"], called="the dtypes of LoRALinear(base in float64, 2, 4)")
        expect.close(seen["tuned"], said(case, 4), atol=1e-12, rtol=1e-9, called="LoRALinear(base in float64, 2, 4)(x) with new A and B")


# ----------------------------------------------------------------------------------------------- injecting


def inject_and_look(inject, cases, default):
    """Build modules under the given names, inject, and tell what has become of them, for each case (runs on the learner's side)."""
    found = []
    for names, targets, r, alpha, freeze in cases:
        model, made = nn.Module(), []
        for name, kind in names:
            parent = model
            for step in name.split(".")[:-1]:
                if step not in parent._modules:
                    parent.add_module(step, nn.Module())
                parent = parent._modules[step]
            part = {"linear": lambda: nn.Linear(3, 2), "narrow": lambda: nn.Linear(2, 4, bias=False), "embedding": lambda: nn.Embedding(3, 2), "norm": lambda: nn.LayerNorm(3),
                    "conv": lambda: nn.Conv1d(3, 2, 1), "group": lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))}[kind]()
            parent.add_module(name.split(".")[-1], part)
        if freeze:
            model.get_submodule(freeze).requires_grad_(False).eval()
        before, was = dict(model.named_modules()), {name: p.requires_grad for name, p in model.named_parameters()}
        modes = {name: part.training for name, part in before.items()}

        class Wrapped(nn.Module):
            def __init__(self, base, r, alpha, before=before, made=made):
                super().__init__()
                made.append([next((name for name, module in before.items() if module is base), "a copy"), r, alpha])
                self.inner, self.gain, self.still = base, nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1), requires_grad=False)

        given = list(targets)
        try:
            result = inject(model, given, r, alpha) if default else inject(model, given, r, alpha, layer=Wrapped)
        except ValueError:
            result = "ValueError"
        now = dict(model.named_modules())
        changed = {name: type(now[name]).__name__ if name in now else "nothing" for name, module in before.items() if now.get(name) is not module}
        after = {name: p.requires_grad for name, p in model.named_parameters()}
        found.append({"result": result if isinstance(result, list) else str(result), "made": sorted(made), "changed": changed,
                      "trainable": "as before" if after == was else sorted(name for name, free in after.items() if free),
                      "kept": given == list(targets) and modes == {name: part.training for name, part in before.items()}})
    return found


NET = [("embed", "embedding"), ("layers.0.attn.q", "linear"), ("layers.0.attn.faq", "linear"), ("layers.0.attn.o", "linear"), ("layers.0.mlp.o", "narrow"),
       ("layers.0.norm", "norm"), ("layers.1.attn.q", "linear"), ("layers.1.attn.o", "linear"), ("layers.1.attn_o", "linear"), ("layers.10.attn.q", "linear"), ("head.q", "conv"),
       ("head.out", "narrow"), ("q", "linear")]
FLAT = [("seq.0", "linear"), ("seq.1", "norm"), ("seq.2", "linear"), ("x.0", "narrow")]


def chosen_of(names, targets):
    """The linear layers that the targets name, by comparing the steps of the names from the back."""
    tails = [target.split(".") for target in targets]
    return [name for name, kind in names if kind in ("linear", "narrow") and any(name.split(".")[-len(tail):] == tail for tail in tails)]


def injected(submission, cases, default=False):
    """`inject_and_look` of cases (names, targets, …) that may leave out r = 2, alpha = 4 and freeze = "", all in one call."""
    rows = [(*case, *(2, 4, "")[len(case) - 2:]) for case in cases]
    return list(zip(rows, submission.run(inject_and_look, submission.inject_lora, rows, default), strict=True))


def expect_injected(submission, cases, why=""):
    """In every case the chosen layers are wrapped once each with r and alpha, all others the same, and only the new parameters trainable."""
    for (names, targets, r, alpha, _), seen in injected(submission, cases):
        want, called = chosen_of(names, targets), f"inject_lora(model, {targets}, {r}, {alpha}, layer=Wrapped)"
        expect.equal(seen["result"], want, called=called, why=why or "a target is a full name or its end, in whole steps")
        expect.equal(sorted(seen["changed"]), sorted(want), called=f"the parts that have changed after {called}", why="set the new layer on its parent, at the same name")
        expect.equal(seen["made"], sorted([name, r, alpha] for name in want), called=f"the calls of layer in {called}", why="layer(old, r, alpha), once for each")
        expect.equal(seen["trainable"], sorted(f"{name}.gain" for name in want), called=f"what can be trained after {called}",
                     why="freeze the whole model first, and put the new layers in after that, as layer() made them")
        expect.true(seen["kept"], "the list of targets and every part's train or eval mode must stay as they were", why="nothing else of the model changes", called=f"targets and the modes after {called}")


class TestInjectLora(Exercise, id="lora-inject"):
    """Exercise lora-inject."""

    def probe(self, submission):
        targets = [["q"], ["attn.o"], ["layers.1.attn.q", "o"], ["out"], ["q", "attn.q"], ["zz", "q"], ["norm"], ["faq"], ["1.attn.q"], ["layers.0.attn.o"], [], ["attn"], ["rs.1.attn.q"]]
        cases = [(NET, each, 3, 5, "") for each in targets] + [
            (NET, ["attn.q"], 1, 0.5, "layers.1"), ([("seq", "group"), ("x.0", "linear")], ["0", "seq.2"], 3, 5, ""), ([("a", "linear"), ("b.inner", "linear")], ["a", "inner"], 1, 1, ""),
            ([("a", "linear"), ("ab.a", "linear"), ("ab.aa", "linear"), ("ab.c.a", "linear")], ["a", "ab.a"], 1, 1, "")]
        seen = [submission.run(inject_and_look, submission.inject_lora, [case], False) for case in cases]
        seen.append(submission.run(inject_and_look, submission.inject_lora, [(NET, ["q"], 3, 5, "")], True))
        return [gist(repr(each)) if isinstance(each, list) else each for each in seen]

    @core
    def test_wraps_what_is_named(self, submission, dice):
        """Every linear layer with a named end is wrapped where it stands, however deep; all else is the same, and frozen."""
        r, alpha = dice.randrange(1, 9), dice.choice([0.5, 12, 33])
        expect_injected(submission, [(names, targets, r, alpha) for names, targets in ((NET, ["q"]), (NET, ["faq", "o"]), (NET, ["out"]), (FLAT, ["0"]))])

    @core
    def test_whole_steps(self, submission):
        """A target may have several steps, and matches whole steps only: "q" is not the end of "faq"."""
        expect_injected(submission, [(NET, targets) for targets in (["attn.o"], ["1.attn.q"], ["layers.10.attn.q", "mlp.o"])] + [(FLAT, ["seq.2"])])

    @core
    def test_nothing_is_wrapped_twice(self, submission):
        """A layer that two targets name is wrapped once."""
        expect_injected(submission, [(NET, ["attn.q", "q"]), (NET, ["out", "out"]), ([("a", "linear"), ("b.inner", "linear")], ["a", "inner"])],
                        why="collect the layers before you replace any: inside its wrapper the old layer has a new name")

    def test_the_order_of_the_names(self, submission):
        """The names come in the order of the model, not of the targets or the alphabet."""
        expect_injected(submission, [(NET, ["out", "q"]), (NET, ["o", "layers.0.attn.q"])], why="in the order of model.named_modules()")

    def test_only_linear_layers(self, submission):
        """A convolution, a norm or a whole group with that name stays as it is."""
        expect_injected(submission, [(NET, ["q"]), ([("a", "group"), ("b.a", "linear"), ("c.a", "norm"), ("d.a", "embedding")], ["a"])], why="only nn.Linear is replaced")

    @core
    def test_a_target_without_a_layer(self, submission):
        """A target that names no linear layer is a ValueError, also if others name one."""
        for (_, targets, *_), seen in injected(submission, [(NET, targets) for targets in (["zz"], ["q", "zz"], ["norm"], ["zz", "q"])]):
            expect.equal(seen["result"], "ValueError", called=f"inject_lora(model, {targets}, 2, 4, layer=Wrapped)", why="each target must name at least one nn.Linear")

    def test_a_failed_call_changes_nothing(self, submission):
        """After the ValueError the model is as it was, as trainable and unchanged; a part of a step or a group names no layer."""
        for (_, targets, *_), seen in injected(submission, [(NET, targets) for targets in (["q", "zz"], ["attn"], ["ut"], ["Q"])]):
            called = f"inject_lora(model, {targets}, 2, 4, layer=Wrapped)"
            expect.equal(seen["result"], "ValueError", called=called, why="each target must name at least one nn.Linear")
            expect.equal(seen["changed"], {}, called=f"the parts that have changed after {called}", why="look at all targets before you replace anything")
            expect.equal(seen["trainable"], "as before", called=f"what can be trained after {called}", why="the model must not be frozen when the call fails")

    def test_the_default_layer(self, submission):
        """Without the argument layer, handbook's Adapter is used."""
        _, seen = injected(submission, [(NET, ["mlp.o", "out"], 3, 6)], default=True)[0]
        expect.equal(seen["result"], ["layers.0.mlp.o", "head.out"], called='inject_lora(model, ["mlp.o", "out"], 3, 6)')
        expect.equal(seen["changed"].get("head.out"), "Adapter", called="the type of head.out after inject_lora")
        expect.equal(seen["trainable"], sorted(f"{name}.{part}.weight" for name in seen["result"] for part in ("up", "down")), called="what can be trained then")

    def test_a_model_that_is_partly_frozen(self, submission):
        """Layers that were frozen, or in eval mode, before are wrapped like all others."""
        expect_injected(submission, [(NET, ["attn.q"], 2, 4, "layers.1")])


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


def stored(save, load, jobs):
    """Build a model for each job (parts, state), save from it if state is None, or load state into it; then train on, and tell (runs on the learner's side)."""
    found = []
    for parts, state in jobs:
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
        before, given, seen = dict(model.named_parameters()), {name: value.clone() for name, value in (state or {}).items()}, {}
        try:
            if state is None:
                given = save(model)
                seen["kinds"] = sorted({type(value).__name__ + " that requires a gradient" * value.requires_grad for value in given.values()})
            else:
                seen["result"] = "None" if load(model, given) is None else "a value"
        except ValueError:
            seen["result"] = "ValueError"
        after = dict(model.named_parameters())
        was = {name: value for name, value, _ in parts}
        seen["changed"] = {name: p.detach().clone() for name, p in after.items() if name not in was or p.dtype != was[name].dtype or not torch.equal(p.detach(), was[name])}
        seen["same"] = list(before) == list(after) and all(after[name] is p for name, p in before.items())
        seen["free"] = [p.requires_grad for p in after.values()] == [trainable for _, _, trainable in parts] and bool((model.stats.A == 1).all())
        with torch.no_grad():
            for p in after.values():
                p.add_(1)
        seen["state"] = {name: value.detach().clone() for name, value in given.items()}
        found.append(seen)
    return found


def parts_of(rng, r=2, more=(), dtype=torch.float32):
    """Parameters of a small model with three adapters, one of them frozen, and of names that only look like one; in the order of named_parameters()."""
    rows = [("B", (2, r), True), *more, ("layers.0.q.A", (r, 3), True), ("layers.0.q.B", (4, r), True), ("layers.0.q.base.weight", (4, 3), False), ("layers.10.mlp.up.A", (r, 2), False),
            ("layers.10.mlp.up.B", (5, r), False), ("head.NA", (2,), True), ("head.B2", (2, 2), True), ("head.lora_A", (1, 2), True), ("tail.A.weight", (3,), True), ("x.AB", (2,), False), ("x.b", (3,), True)]
    return [(name, normal(rng, *shape, dtype=dtype), trainable) for name, shape, trainable in rows]


def adapter_names(parts):
    return [name for name, _, _ in parts if name in ("A", "B") or name[-2:] in (".A", ".B")]


def state_for(rng, parts, dtype=torch.float32, **shapes):
    """Other values for the adapters of these parts, where `shapes` says so in another shape."""
    return {name: normal(rng, *shapes.get(name, value.shape), dtype=dtype) for name, value, _ in parts if name in adapter_names(parts)}


def stored_by(submission, jobs):
    return submission.run(stored, submission.lora_state_dict, submission.load_lora_state_dict, jobs)


class TestSaveAndLoad(Exercise, id="lora-save-load"):
    """Exercise lora-save-load."""

    def probe(self, submission):
        rng = torch.Generator().manual_seed(4)
        parts = parts_of(rng)
        state = state_for(rng, parts)
        fewer, few = dict(list(state.items())[1:]), parts[6:10]
        states = [None, state, fewer, {**state, "z.A": torch.ones(2)}, {**state, "head.NA": torch.ones(2)}, {**state, "B": torch.ones(2, 3)}, {**state, "B": torch.ones(1, 2)}, dict(reversed(state.items())), {},
                  {name: value.double() for name, value in state.items()}, {**fewer, "layers.0.q.a": torch.ones(2, 3)}, {**state, "B": torch.ones(4)}, {**state, "layers.10.mlp.up.B": torch.ones(2, 5)}]
        jobs = [(parts, each) for each in states] + [(parts_of(rng, dtype=torch.float64), None), (parts[:4], None), (few, None), (few, {}), (few, state)]
        seen = [stored_by(submission, [job]) for job in jobs]
        told = []
        for each in seen:
            if isinstance(each, list):
                changed, after = each[0].pop("changed"), each[0].pop("state")
                tensors = [*changed.values(), *after.values()]
                total = sum((at + 1) * float(value.double().sum()) for at, value in enumerate(tensors))
                each = [gist(repr([each[0], list(changed), list(after), [(str(value.dtype), list(value.shape)) for value in tensors]])), total]
            told.append(each)
        first = stored_by(submission, [(parts, None)])
        return told, digits(first[0]["state"].get("B") if isinstance(first, list) else None, parts[0][1])

    @core
    def test_saves_the_adapters(self, submission, rng):
        """What is saved are the parameters called A and B, by their full names, frozen or not, and nothing else."""
        models = (parts_of(rng), parts_of(rng, 3, [("A", (3, 4), False)]), parts_of(rng)[6:10])
        for parts, seen in zip(models, stored_by(submission, [(parts, None) for parts in models]), strict=True):
            expect.equal(sorted(seen["state"]), sorted(adapter_names(parts)), called="the names in lora_state_dict(model)", why="the last step of the name must be A or B; buffers are no parameters")

    @core
    def test_saves_a_copy(self, submission, rng):
        """What was saved is the same after further training: plain tensors, of the same dtype, without gradients."""
        models = [parts_of(rng, dtype=dtype) for dtype in (torch.float32, torch.float64)]
        for parts, seen in zip(models, stored_by(submission, [(parts, None) for parts in models]), strict=True):
            want = {name: value for name, value, _ in parts if name in adapter_names(parts)}
            exact = {"atol": 0, "rtol": 0}
            expect.equal({str(value.dtype) for value in seen["state"].values()}, {str(parts[0][1].dtype)}, called="the dtypes in lora_state_dict(model)")
            expect.close(seen["state"], want, called="lora_state_dict(model), looked at after training on", why="clone(): detach() alone shares the memory", **exact)
            expect.equal(seen["kinds"], ["Tensor"], called="what lora_state_dict(model) holds", why="plain tensors that require no gradient: detach() and clone()")
            expect.true(seen["same"] and seen["free"] and not seen["changed"], "saving must not change, freeze or thaw anything in the model")

    @core
    def test_loads_into_the_adapters(self, submission, rng):
        """Loading puts every saved value into the parameter of its name, which stays the same object, and leaves all else as it was."""
        parts = parts_of(rng)
        state = state_for(rng, parts)
        for seen in stored_by(submission, [(parts, state), (parts, dict(reversed(state.items())))]):
            expect.equal(seen["result"], "None", called="load_lora_state_dict(model, state)", why="these names and shapes are right")
            expect.close(seen["changed"], {name: state[name] for name, *_ in parts if name in state}, called="the parameters that load_lora_state_dict(model, state) has changed",
                         why="go by the names, not by the order", atol=0, rtol=0)
            expect.true(seen["same"], "every parameter must stay the same object: an optimizer holds the old ones", why="param.copy_(value) under torch.no_grad()")

    @core
    def test_refuses_other_names(self, submission, rng):
        """If a name is missing or one too many, it is a ValueError and nothing has changed."""
        parts = parts_of(rng)
        state = state_for(rng, parts)
        first = next(iter(state))
        self._refused(submission, parts, {
            "one missing": {name: value for name, value in state.items() if name != "B"}, "one too many": {**state, "z.A": torch.ones(2, 3)}, "nothing": {},
            "no adapter's name": {**state, "head.NA": torch.ones(2)}, "misspelt": {("layers.0.k.A" if name == first else name): value for name, value in state.items()}})

    @core
    def test_refuses_other_shapes(self, submission, rng):
        """If a shape differs, it is a ValueError and nothing has changed, also where PyTorch would repeat a smaller tensor."""
        parts = parts_of(rng)
        changes = ({"B": (2, 3)}, {"layers.0.q.B": (2, 4)}, {"layers.10.mlp.up.A": (3, 2), "layers.10.mlp.up.B": (5, 3)}, {"layers.10.mlp.up.B": (10,)},
                   {"B": (1, 2)}, {"B": (2,)}, {"B": ()}, {"layers.10.mlp.up.B": (5, 1)})
        self._refused(submission, parts, {f"with {shapes}": state_for(rng, parts, **shapes) for shapes in changes})

    def test_keeps_the_dtype(self, submission, rng):
        """A float32 state goes into a float64 model, which stays float64, and the other way round."""
        pairs = [(torch.float64, torch.float32), (torch.float32, torch.float64)]
        jobs = [(parts, state_for(rng, parts, there)) for here, there in pairs for parts in [parts_of(rng, dtype=here)]]
        for (here, there), (_, state), seen in zip(pairs, jobs, stored_by(submission, jobs), strict=True):
            expect.equal({str(value.dtype) for value in seen["changed"].values()}, {str(here)}, called=f"the dtypes after loading {there} into {here}")
            expect.close(seen["changed"].get("B"), state["B"].to(here), called="B after loading")

    def test_keeps_to_itself(self, submission, rng):
        """What could be trained still can, what could not still can't, and model and state share no memory afterwards."""
        parts = parts_of(rng)
        state = state_for(rng, parts)
        seen = stored_by(submission, [(parts, state)])[0]
        expect.true(seen["free"], "loading must not freeze or thaw any parameter, and must leave buffers alone")
        expect.close(seen["state"], state, called="the state, after loading it and training on", why="copy the values; state must stay as it came")

    def _refused(self, submission, parts, states):
        for what, seen in zip(states, stored_by(submission, [(parts, state) for state in states.values()]), strict=True):
            called = f"load_lora_state_dict(model, state), {what}"
            expect.equal(seen["result"], "ValueError", called=called, why="compare all names and all shapes")
            expect.equal(sorted(seen["changed"]), [], called=f"the parameters that have changed after {called}", why="look at everything before you write anything")


# ------------------------------------------------------------------------------------------------- merging


def merge_and_look(merge, cases):
    """Merge twice in each case and give all that there is to see (runs on the learner's side)."""
    found = []
    for W, b, A, B, alpha, x in cases:
        base = nn.Linear(W.shape[1], W.shape[0], bias=b is not None).to(W.dtype).requires_grad_(False)
        base.weight.copy_(W)
        if b is not None:
            base.bias.copy_(b)
        A, B = nn.Parameter(A.clone()), nn.Parameter(B.clone())
        first, second, louder = merge(base, A, B, alpha), merge(base, A, B, alpha), merge(base, A, B, 2 * alpha)
        seen = {"type": type(first).__name__, "says": first(x).detach(), "louder": louder(x).detach(), "bias": first.bias is not None,
                "parameter": isinstance(first.weight, nn.Parameter) and first.weight.is_leaf, "parts": {name: list(p.shape) for name, p in first.named_parameters()},
                "size": [first.in_features, first.out_features], "own": [p.detach().clone() for p in (base.weight, A, B)], "eval": first.eval()(x).detach()}
        with torch.no_grad():
            for p in first.parameters():
                p.add_(1)
        seen["again"], seen["flags"] = second(x).detach(), [p.requires_grad for p in (base.weight, A, B)]
        seen["base after"] = [base.weight.detach().clone(), None if base.bias is None else base.bias.detach().clone()]
        found.append(seen)
    return found


class TestMergeLora(Exercise, id="lora-merge"):
    """Exercise lora-merge."""

    def probe(self, submission):
        rng = torch.Generator().manual_seed(6)
        cases = [(layer_case(rng), 6), (layer_case(rng, bias=False), 3), (layer_case(rng, 4, 4, 3), 1.5), (layer_case(rng, 3, 6, 1, dtype=torch.float64), 2), (layer_case(rng, 3, 2, 5), -4)]
        seen = [merged(submission, [each]) for each in cases]
        last = digits(seen[3][0]["says"] if isinstance(seen[3], list) else None, said(*cases[3]))
        told = [each if not isinstance(each, list) else [gist(repr([each[0][key] for key in ("type", "bias", "parameter", "parts", "size", "flags")])),
                                                         gist([each[0][key] for key in ("says", "again", "louder", "own", "base after")])] for each in seen]
        return told, last

    @core
    def test_says_the_same(self, submission, rng, dice):
        """The new layer says what base and adapter say together, with alpha / r, in train and in eval mode."""
        sizes, alphas = ((5, 3, 2), (3, 6, 1), (4, 4, 3), (2, 3, 6)), dice.sample([0.5, 5, 16, -7.5], 4)
        cases = [(layer_case(rng, *size), alpha) for size, alpha in zip(sizes, alphas, strict=True)]
        for (case, alpha), seen in zip(cases, merged(submission, cases), strict=True):
            called = f"merge_lora(base, A, B, {alpha})(x) with r = {len(case['A'])}"
            expect.close(seen["says"], said(case, alpha), called=called, why="the weight is base.weight + alpha / r * B @ A; the bias stays")
            expect.close(seen["eval"], said(case, alpha), called=f"{called}, in eval mode")

    def test_without_a_bias(self, submission, rng):
        """The new layer has a bias if and only if the base layer has one."""
        cases = [(layer_case(rng, bias=bias), 4) for bias in (True, False)]
        for (case, alpha), seen in zip(cases, merged(submission, cases), strict=True):
            bias = case["b"] is not None
            expect.equal(seen["bias"], bias, called=f"whether merge_lora(base, A, B, 4) has a bias, where base has {'one' if bias else 'none'}")
            expect.close(seen["says"], said(case, alpha))

    @core
    def test_twice_is_the_same(self, submission, rng):
        """A second call gives the same again in a layer of its own, and base, A and B are as they were."""
        case = layer_case(rng)
        seen = merged(submission, [(case, 4)])[0]
        expect.close(seen["again"], said(case, 4), called="the second merge_lora(base, A, B, 4)(x), after the first layer was changed",
                     why="make a new layer at every call, and leave the base weight as it is: in place, the adapter counts double")
        expect.close(seen["louder"], said(case, 8), called="merge_lora(base, A, B, 8)(x), after merge_lora(base, A, B, 4)", why="every call works out its own layer")
        expect.close(seen["own"], [case["W"], case["A"], case["B"]], called="base.weight, A and B after merge_lora")
        expect.equal(seen["flags"], [False, True, True], called="whether base.weight, A and B require a gradient after merge_lora", why="leave them as they came")

    def test_is_a_plain_layer(self, submission, rng):
        """The result is an nn.Linear with a weight and a bias of its own, which share no memory with the base's."""
        case = layer_case(rng, 7, 4, 3)
        seen = merged(submission, [(case, 4)])[0]
        expect.equal(seen["type"], "Linear", called="the type of merge_lora(base, A, B, 4)")
        expect.equal(seen["parts"], {"weight": [4, 7], "bias": [4]}, called="the parameters of merge_lora(base, A, B, 4)")
        expect.equal(seen["size"], [7, 4], called="in_features and out_features")
        expect.true(seen["parameter"], "the weight must be an nn.Parameter without a gradient history", why="work under torch.no_grad(), and copy the result into the new layer")
        expect.close(seen["base after"], [case["W"], case["b"]], called="the base layer after the merged one was changed", why="copy the bias too: an assigned one is shared")

    def test_works_in_double_precision(self, submission, rng):
        """The dtype is that of the base layer, and no digits are lost on the way."""
        cases = [(layer_case(rng, bias=bias, dtype=torch.float64), 4) for bias in (True, False)]
        for (case, alpha), seen in zip(cases, merged(submission, cases), strict=True):
            expect.close(seen["says"], said(case, alpha), atol=1e-12, rtol=1e-9, called="merge_lora(base in float64, A, B, 4)(x)")


def merged(submission, cases):
    """`merge_and_look` of pairs (case, alpha), all in one call."""
    return submission.run(merge_and_look, submission.merge_lora, [(case["W"], case["b"], case["A"], case["B"], alpha, case["x"]) for case, alpha in cases])


# ------------------------------------------------------------------------------------------------ four bits


def four_bit_case(rng, outputs=3, inputs=8, K=4, r=2, lead=(4,), dtype=torch.float32):
    """Random codes, scales, levels and adapter; W is the weight matrix, put together one number at a time."""
    codes = torch.randint(16, (outputs, inputs), generator=rng)
    packed = (16 * codes[:, 0::2] + codes[:, 1::2]).to(torch.uint8)
    levels, absmax = normal(rng, 16, dtype=dtype), normal(rng, outputs, inputs // K, dtype=dtype).abs() + 0.5
    table, rows = levels.tolist(), zip(codes.tolist(), absmax.tolist(), strict=True)
    W = torch.tensor([[table[code] * scales[i // K] for i, code in enumerate(row)] for row, scales in rows], dtype=torch.float64)
    x, A, B = normal(rng, *lead, inputs, dtype=dtype), normal(rng, r, inputs, dtype=dtype), normal(rng, outputs, r, dtype=dtype)
    return (x, packed, absmax, levels, A, B), W


def gradients_and_arguments(forward, x, packed, absmax, levels, A, B, alpha, g):
    """The gradients of x, A and B, and the names of arguments that are no longer as they were (runs on the learner's side)."""
    leaves = [value.clone().requires_grad_() for value in (x, A, B)]
    rest = [value.clone() for value in (packed, absmax, levels)]
    plain = [value.clone() for value in (x, A, B)]
    forward(plain[0], *rest, plain[1], plain[2], alpha)
    out = forward(leaves[0], *rest, leaves[1], leaves[2], alpha)
    (out * g).sum().backward()
    names, before = ("x", "A", "B", "packed", "absmax", "levels"), (x, A, B, packed, absmax, levels)
    return [leaf.grad for leaf in leaves], [name for name, now, was in zip(names, (*plain, *rest), before, strict=True) if not torch.equal(now.detach(), was)]


def expect_forward(submission, cases, *, why="", atol=1e-4, rtol=1e-4):
    """In every case ((arguments, W), alpha) the result is that of the definition; all cases in one call."""
    got = submission.each("qlora_forward", [(*arguments, alpha) for (arguments, _), alpha in cases])
    for (((x, *_, A, B), W), alpha), result in zip(cases, got, strict=True):
        expect.close(result, adapted(x, W, None, A, B, alpha).to(x.dtype), why=why, atol=atol, rtol=rtol)


class TestQloraForward(Exercise, id="qlora-forward"):
    """Exercise qlora-forward."""

    def probe(self, submission):
        rng = torch.Generator().manual_seed(8)
        seen = []
        for options, alpha in (({}, 6), ({"K": 1, "r": 1}, -3), ({"outputs": 5, "inputs": 12, "K": 12, "r": 3}, 1), ({"inputs": 6, "K": 3, "lead": ()}, 2), ({"lead": (2, 3)}, 4), ({"outputs": 1, "inputs": 2, "K": 2}, 2),
                               ({"dtype": torch.float64}, 5), ({"outputs": 8, "inputs": 256, "K": 32, "r": 4, "lead": (1,)}, 8)):
            arguments, W = four_bit_case(rng, **options)
            result = submission.qlora_forward(*arguments, alpha)
            seen.append(gist(result))
            if "dtype" in options:
                seen.append(digits(result, adapted(arguments[0], W, None, *arguments[4:], alpha)))
            seen.append(gist(submission.run(gradients_and_arguments, submission.qlora_forward, *arguments, alpha, torch.ones(*arguments[0].shape[:-1], len(arguments[1])))))
        return seen

    @core
    def test_the_weights_are_unpacked(self, submission, rng):
        """With a silent adapter the result is x Wᵀ: two codes a byte, left one above, each a level times its block's scale."""
        cases = [four_bit_case(rng, **options) for options in ({}, {"outputs": 2, "inputs": 12, "K": 6}, {"outputs": 5, "inputs": 4, "K": 4})]
        expect_forward(submission, [((arguments[:5] + (0 * arguments[5],), W), 4) for arguments, W in cases],
                       why="the left weight of a pair is byte >> 4, the right one byte & 15; levels[code] times the scale of block i // K")

    @core
    def test_the_adapter_is_added(self, submission, rng, dice):
        """The adapter adds alpha / r · x Aᵀ Bᵀ, for any rank."""
        expect_forward(submission, [(four_bit_case(rng, r=r), alpha) for r, alpha in zip((1, 2, 5), dice.sample([dice.choice([3, 8]), 0.5, -3], 3), strict=True)], why="x through A, then B, times alpha / r")

    def test_any_axes_in_front(self, submission, rng):
        """x may have any number of axes before its last: none, or three."""
        expect_forward(submission, [(four_bit_case(rng, lead=lead), 6) for lead in ((), (1,), (2, 3), (2, 1, 3))])

    def test_any_block(self, submission, rng):
        """The block may be a whole row, a single weight, an odd number, or anything else that divides I."""
        sizes = ((3, 8, 8), (4, 6, 1), (2, 6, 3), (8, 8, 2), (1, 2, 2), (16, 4, 2), (3, 128, 64))
        expect_forward(submission, [(four_bit_case(rng, *size), 6) for size in sizes], why="K = I / absmax.shape[1]; blocks are runs of neighbours in one row")

    def test_all_codes(self, submission):
        """Every code from 0 to 15 means its own level, in both halves of a byte."""
        levels = torch.arange(16).flip(0) ** 2 / 8 - 3
        packed = torch.arange(256).to(torch.uint8).reshape(32, 8)
        x, nothing, table = torch.eye(16), (torch.zeros(1, 16), torch.zeros(32, 1)), levels.tolist()
        want = torch.tensor([[table[code] for byte in row for code in divmod(byte, 16)] for row in packed.tolist()])
        expect.close(submission.qlora_forward(x, packed, torch.ones(32, 2), levels, *nothing, 1), want.T, why="codes are 0 to 15, without a sign; levels is any table of sixteen numbers")

    def test_works_in_double_precision(self, submission, rng):
        """In float64 the result is float64, to the last digits."""
        expect_forward(submission, [(four_bit_case(rng, dtype=torch.float64), 6)], atol=1e-11, rtol=1e-9)

    @core
    def test_gradients_reach_the_adapter(self, submission, rng):
        """Gradients reach A, B and x, as the formula says, and no argument is changed."""
        (x, packed, absmax, levels, A, B), W = four_bit_case(rng, r=2)
        g, W = normal(rng, 4, 3), W.float()
        (gx, gA, gB), changed = submission.run(gradients_and_arguments, submission.qlora_forward, x, packed, absmax, levels, A, B, 6, g)
        for name, got, want in (("A", gA, 3 * (g @ B).T @ x), ("B", gB, 3 * g.T @ (x @ A.T)), ("x", gx, g @ W + 3 * (g @ B) @ A)):
            expect.close(got, want, atol=1e-4, called=f"the gradient of {name}", why="no gradient arrives after detach() or under no_grad()" if got is None else "")
        expect.equal(changed, [], called="the arguments that qlora_forward has changed", why="all arguments must stay as they came")
