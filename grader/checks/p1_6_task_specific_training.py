"""Checks for p1_6_task_specific_training. Early stopping with patience as in Goodfellow et al. 2016, "Deep Learning", algorithm 7.1."""
import math

import pytest
import torch
import torch.nn.functional as F

from grader.judge import Exercise, core, expect
from grader.seam import LearnerError


def head_example(rng, B=3, T=5, C=4, K=2):
    """Token vectors, a mask with at least one real token a text, and a weight and bias."""
    tokens, weight, bias = torch.randn(B, T, C, generator=rng), torch.randn(K, C, generator=rng), torch.randn(K, generator=rng)
    mask = torch.arange(T)[None] < torch.randint(1, T, (B, 1), generator=rng)
    return tokens, mask, weight, bias


def loaded_head(submission, weight, bias):
    """A head with these weights. One that has other parameters ends here, with a sentence instead of an error of ours."""
    head = submission.ClassifierHead(weight.shape[1], weight.shape[0])
    want = {"linear.weight": list(weight.shape), "linear.bias": list(bias.shape)}
    expect.equal(submission.run(shapes_of, head), want, why="call the layer self.linear, an nn.Linear(d_model, n_classes) with a bias, and add no other")
    head.load_state_dict({"linear.weight": weight, "linear.bias": bias}, strict=False)  # buffers are no parameters
    return head


def logits_by_hand(tokens, mask, weight, bias):
    """One text at a time, over its real tokens alone."""
    rows = []
    for vectors, real in zip(tokens.double(), mask, strict=True):
        chosen = vectors[real]
        mean = chosen.sum(0) / max(len(chosen), 1)
        rows.append(weight.double() @ mean + bias.double())
    return torch.stack(rows).float()


def shapes_of(module):
    return {name: list(p.shape) for name, p in module.named_parameters()}


def gradient_at_tokens(head, tokens, mask, direction):
    """The gradient of the logits, summed along a direction, with respect to the tokens; None if none arrives."""
    tokens = tokens.clone().requires_grad_()
    (head(tokens * 1, mask) * direction).sum().backward()
    return tokens.grad


class TestClassifierHead(Exercise, id="finetune-classifier-head"):
    def probe(self, submission):
        rng = torch.Generator().manual_seed(3)
        tokens, _, weight, bias = head_example(rng)
        mask = torch.tensor([[True, True, False, False, False], [True] * 5, [False, True, False, True, False]])
        empty = mask.clone()
        empty[1] = False
        head = submission.ClassifierHead(4, 2)
        head.load_state_dict({"linear.weight": weight, "linear.bias": bias}, strict=False)
        kept = submission.keep(tokens)
        seen = (head(tokens, mask), head(tokens, empty), submission.run(shapes_of, head), submission.run(gradient_at_tokens, head, tokens, mask, torch.arange(6.0).view(3, 2)))
        head(kept, mask)
        head.eval()
        return *seen, submission.value(kept), head(tokens, mask)

    @core
    def test_has_one_linear_layer(self, submission):
        """The only parameters are linear.weight and linear.bias."""
        expect.equal(submission.run(shapes_of, submission.ClassifierHead(5, 3)), {"linear.weight": [3, 5], "linear.bias": [3]},
                     why="call the layer self.linear, an nn.Linear(d_model, n_classes) with a bias, and add no other")

    @core
    @pytest.mark.parametrize("size", [(3, 5, 4, 2), (1, 7, 3, 6), (4, 2, 6, 3)], ids=["three texts", "one text", "short texts"])
    def test_averages_the_real_tokens(self, submission, rng, size):
        """The logits are the linear layer of the mean over each text's own real tokens."""
        tokens, mask, weight, bias = head_example(rng, *size)
        expect.close(loaded_head(submission, weight, bias)(tokens, mask), logits_by_hand(tokens, mask, weight, bias))

    def test_padding_changes_nothing(self, submission, rng):
        """More padding, whatever stands in it, leaves the logits as they were."""
        tokens, mask, weight, bias = head_example(rng)
        head = loaded_head(submission, weight, bias)
        longer = torch.cat([tokens.masked_fill(~mask.unsqueeze(-1), 99.0), 99 * torch.ones(3, 4, 4)], 1)
        expect.close(head(longer, F.pad(mask, (0, 4), value=False)), head(tokens, mask))

    def test_real_tokens_may_stand_anywhere(self, submission, rng):
        """Padding may stand in front or between: the mask decides, not the position."""
        tokens, _, weight, bias = head_example(rng)
        mask = torch.tensor([[False, True, True, False, True], [False, False, False, False, True], [True, False, True, False, False]])
        expect.close(loaded_head(submission, weight, bias)(tokens, mask), logits_by_hand(tokens, mask, weight, bias))

    def test_a_text_without_tokens_gets_the_bias(self, submission, rng):
        """A text whose mask is all False gets the bias as logits, never NaN."""
        tokens, mask, weight, bias = head_example(rng)
        mask[1] = False
        expect.close(loaded_head(submission, weight, bias)(tokens, mask), logits_by_hand(tokens, mask, weight, bias))

    def test_gradients_reach_the_real_tokens(self, submission, rng):
        """A gradient flows back to every real token, its share of the mean, and none to the padding."""
        tokens, mask, weight, bias = head_example(rng)
        direction = torch.randn(3, 2, generator=rng)
        share = mask / mask.sum(1, keepdim=True)  # (B, T): 1/n at each real token
        want = share.unsqueeze(-1) * (direction @ weight).unsqueeze(1)
        got = submission.run(gradient_at_tokens, loaded_head(submission, weight, bias), tokens, mask, direction)
        expect.close(got, want, why="no gradient arrives after detach() or under torch.no_grad(): the encoder could never learn" if got is None else "")

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


def small_model(frozen):
    """A model with BatchNorm, dropout, biases and names that begin alike."""
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 3))
    head = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(3, 2))
    model = torch.nn.ModuleDict({"encoder": encoder, "head_norm": torch.nn.LayerNorm(3), "head": head})
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


def contents(model):
    """All that freezing must not change: weights, statistics and settings."""
    settings = {f"{name}.{key}": getattr(module, key) for name, module in model.named_modules()
                for key in ("p", "momentum", "track_running_stats") if hasattr(module, key)}
    return settings, {name: value.clone() for name, value in model.state_dict().items()}


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


def expected_state(parts, parameters=PARAMETERS, modules=MODULES):
    def inside(name):
        return any(name == part or name.startswith(part + ".") for part in parts)

    return {name: inside(name) for name in parameters}, {name: "train" if inside(name) else "eval" for name in modules}


class TestFreeze(Exercise, id="finetune-freeze"):
    def probe(self, submission):
        seen = []
        for make, frozen, parts in ((small_model, False, ["head"]), (small_model, False, ["encoder.1", "head"]), (small_model, False, []), (small_model, True, ["head"]),
                                    (small_model, True, ["encoder.1", "head"]), (whole_model, None, ["attention"]), (whole_model, None, ["table", "output"])):
            model = submission.run(make) if frozen is None else submission.run(make, frozen)
            seen += [submission.freeze(model, parts), submission.run(state, model), submission.run(contents, model)[0]]
        fresh = [submission.run(small_model, False) for _ in range(5)]
        return (*seen, submission.freeze(fresh[0], ["hea"]), submission.freeze(fresh[1], ["head.1", "head"]), submission.freeze(fresh[2], ["head.1.weight"]),
                submission.freeze(fresh[3], [""]), submission.run(names_it, submission.freeze, fresh[4], ["head", "decoder"], "decoder"))

    @core
    @pytest.mark.parametrize("parts", [["head"], ["encoder.2"], ["encoder"], ["head_norm", "encoder.0"]], ids=", ".join)
    def test_only_the_named_parts_get_gradients(self, submission, parts):
        """requires_grad is True for the parameters of the named parts and False for all others."""
        model = submission.run(small_model, False)
        submission.freeze(model, parts)
        expect.equal(submission.run(state, model)[0], expected_state(parts)[0], why=f"this is requires_grad by name after freeze(model, {parts})")

    @core
    @pytest.mark.parametrize("parts", [["head"], ["encoder.0"], ["encoder"]], ids=", ".join)
    def test_only_the_named_parts_are_in_train_mode(self, submission, parts):
        """The named parts are in train mode, all other modules in eval mode."""
        model = submission.run(small_model, False)
        submission.freeze(model, parts)
        expect.equal(submission.run(state, model)[1], expected_state(parts)[1],
                     why=f"these are the modes after freeze(model, {parts}); requires_grad does not stop dropout or BatchNorm, modes do")

    @pytest.mark.parametrize("parts", [["attention"], ["table", "output"], []], ids=", ".join)
    def test_parts_with_parameters_of_their_own(self, submission, parts):
        """Parameters of the model itself, or of a part that has parts inside, are frozen or trained like all others."""
        model = submission.run(whole_model)
        submission.freeze(model, parts)
        expect.equal(submission.run(state, model), expected_state(parts, *WHOLE),
                     why=f"these are requires_grad and modes after freeze(model, {parts}); model.parameters() and model.modules() reach all of them, children() and leaves don't")

    def test_thaws_what_was_frozen(self, submission):
        """A model that came frozen and in eval mode ends in the same state."""
        model = submission.run(small_model, True)
        submission.freeze(model, ["head"])
        expect.equal(submission.run(state, model), expected_state(["head"]), why="the model came frozen and in eval mode; then freeze(model, ['head'])")

    def test_nothing_else_moves(self, submission):
        """After a training pass no frozen parameter has a gradient and no frozen BatchNorm has moved."""
        model = submission.run(small_model, False)
        submission.freeze(model, ["head"])
        expect.equal(submission.run(moved, model), ["head.1.bias", "head.1.weight"], why="this is what moved or got a gradient after freeze(model, ['head'])")

    def test_nothing_else_is_changed(self, submission):
        """Weights, statistics and the settings of dropout and BatchNorm are the same after the call as before."""
        model = submission.run(small_model, False)
        before = submission.run(contents, model)
        submission.freeze(model, ["head"])
        expect.equal(submission.run(contents, model), before, why="freeze sets requires_grad and modes, nothing else")

    def test_counts_the_numbers(self, submission):
        """It returns how many numbers are left to train, each once, as an int."""
        for parts, count in ((["head"], 8), (["encoder"], 33), ([], 0), (["head", "head.1"], 8), (["encoder.0", "head_norm"], 21)):
            expect.equal(submission.freeze(submission.run(small_model, False), parts), count, why=f"for the parts {parts}")
        for parts, count in ((["attention"], 80), (["table", "output"], 20)):
            got = submission.freeze(submission.run(whole_model), parts)
            expect.equal(got, count, why=f"for the parts {parts}; a weight that two layers share counts once")
            expect.true(type(got) is int, "the count must be an int", got=got)

    def test_an_empty_list_freezes_everything(self, submission):
        """With no names, nothing can be trained."""
        model = submission.run(small_model, False)
        got = submission.freeze(model, [])
        expect.equal(got, 0)
        expect.equal(submission.run(state, model), expected_state([]), why="after freeze(model, [])")

    def test_refuses_unknown_names(self, submission):
        """A name that is no part of the model, or is empty, raises ValueError, and the message holds the name."""
        for parts in (["hea"], ["head", "decoder"], ["encoder.9"], ["head.1.weight"], [""]):
            expect.raises("ValueError", submission.freeze, submission.run(small_model, False), parts, why=f"the parts were {parts}")
            try:
                submission.freeze(submission.run(small_model, False), parts)
            except LearnerError as error:
                expect.true(parts[-1] in error.message, f"the message must hold the name {parts[-1]!r}", got=error.message)


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


def right_step(model, optimizer, inputs, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(inputs), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def batches_of(rng, n=3):
    return torch.randn(n, 6, 4, generator=rng), torch.randint(3, (n, 6), generator=rng)


def both_runs(submission, x, y, kind="sgd", stale=False):
    """What the learner's step did, and what the four lines do."""
    with torch.random.fork_rng():
        want = training_run(right_step, x, y, kind, stale)
    return submission.run(training_run, submission.finetune_step, x, y, kind, stale), want


def likely(got, want, after=""):
    """The likeliest mistake, from where two lists of weights, the first ones included, part."""
    if torch.equal(got[1], got[0]):
        return "the first step did not move the weights"
    if torch.allclose(got[1], want[1], atol=1e-4):
        return "the first step is right and a later one is not: are the old gradients cleared before each backward pass?"
    return after


class TestFinetuneStep(Exercise, id="finetune-step"):
    def probe(self, submission):
        x, y = batches_of(torch.Generator().manual_seed(2))
        return [submission.run(training_run, submission.finetune_step, x, y, "sgd", stale) for stale in (False, True)]

    @core
    @pytest.mark.parametrize("kind", ["sgd", "adamw"])
    def test_trains_like_the_four_lines(self, submission, rng, kind):
        """After three batches the weights are those of clear, forward, backward, step."""
        got, want = both_runs(submission, *batches_of(rng), kind)
        expect.close(got["weights"], want["weights"], atol=1e-4, why=likely(got["weights"], want["weights"]))

    @core
    def test_returns_the_loss_before_the_step(self, submission, rng):
        """It returns the batch's mean cross-entropy before the step, as a plain float."""
        got, want = both_runs(submission, *batches_of(rng))
        expect.true(all(type(loss) is float for loss in got["losses"]), "each loss must be a plain float, not a tensor", got=got["losses"])
        expect.close(got["losses"], want["losses"], atol=1e-4)

    def test_gradients_from_before_do_not_count(self, submission, rng):
        """Gradients that someone else left in the parameters before the first call are cleared."""
        got, want = both_runs(submission, *batches_of(rng), stale=True)
        expect.close(got["weights"], want["weights"], atol=1e-4,
                     why=likely(got["weights"], want["weights"], "every p.grad was full of ones before the first call: is it cleared before the backward pass?"))

    def test_frozen_parts_stay_as_they_are(self, submission, rng):
        """Frozen parameters get no gradient and do not move; modes and requires_grad stay as they were."""
        got, want = both_runs(submission, *batches_of(rng))
        expect.true(all(type(loss) is float for loss in got["losses"]), "each loss must be a plain float", got=got["losses"])
        for key, why in (("frozen parameters with a gradient", "a frozen parameter got a gradient"), ("in train mode", "a module changed its train or eval mode"),
                         ("frozen weights", "a frozen weight moved"), ("frozen statistics", "a frozen BatchNorm moved"), ("requires_grad", "requires_grad changed")):
            expect.equal(got[key], want[key], why=why)

    def test_calls_the_model_once(self, submission, rng):
        """A BatchNorm in train mode sees every batch once, before the step."""
        got, want = both_runs(submission, *batches_of(rng))
        expect.equal(got["calls of the live BatchNorm"], want["calls of the live BatchNorm"], why="this is how often a live BatchNorm was called in three steps")
        expect.close(got["live statistics"], want["live statistics"], atol=1e-4)


def stop_by_hand(history, patience):
    """Look at every possible stop in turn: the last `patience` epochs hold no new best."""
    def new_best(i):
        return math.isfinite(history[i]) and all(not math.isfinite(h) or history[i] < h for h in history[:i])

    stop = next((e for e in range(len(history)) if e + 1 >= patience and not any(new_best(i) for i in range(e - patience + 1, e + 1))), len(history) - 1)
    return max((i for i in range(stop + 1) if new_best(i)), default=-1), stop


HISTORIES = [([3.0, 2.0, 2.5, 2.4, 1.0], 2), ([3.0, 2.0, 2.5, 2.4, 1.0], 4), ([1.0, 2.0, 3.0], 1), ([3.0, 2.0, 1.0], 1), ([2.0, 2.0, 2.0, 2.0], 2),
             ([5.0, 4.0, 4.5, 3.0, 3.5, 3.2, 2.9], 3), ([1.5], 5), ([5.0, 4.0, 4.9, 4.8, 4.7, 1.0], 3)]
SMALL_STEPS, NEGATIVE = ([1.0, 0.9999, 0.9998], 1), ([1.0, -2.0, -1.0, -3.0], 2)
NOT_FINITE = [([math.nan, 3.0, math.nan, 2.0], 2), ([3.0, math.nan, math.nan, 1.0], 2), ([math.nan, math.inf, 2.0, 1.0], 3), ([3.0, -math.inf, 2.0, 1.0], 2)]


class TestChooseCheckpoint(Exercise, id="finetune-early-stopping"):
    def probe(self, submission):
        kept = submission.keep([3.0, 2.0, 2.5, 2.4, 1.0])
        submission.choose_checkpoint(kept, 2)
        return [submission.choose_checkpoint(history, patience) for history, patience in [*HISTORIES, SMALL_STEPS, NEGATIVE, *NOT_FINITE]] + [
            submission.choose_checkpoint([2.0, 1.0, 1.5, 1.4, 1.3, 1.2]), submission.choose_checkpoint([], 2), submission.choose_checkpoint([1.0], 0),
            submission.choose_checkpoint([math.nan, math.inf], 3), submission.value(kept)]

    @core
    def test_keeps_the_best_epoch_seen_and_stops_in_time(self, submission):
        """The kept epoch and the stop follow from the losses, as in the worked example."""
        for history, patience in HISTORIES:
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))

    def test_random_histories(self, submission, dice):
        """On random losses with ties it agrees with looking at every stop in turn."""
        for _ in range(40):
            history = [float(dice.randrange(1, 9)) for _ in range(dice.randrange(1, 12))]
            patience = dice.randrange(1, 5)
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))

    def test_any_lower_loss_is_a_new_best(self, submission):
        """A loss that is lower by very little is a new best, and so is a negative one that is lower."""
        for history, patience in (SMALL_STEPS, NEGATIVE):
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))

    def test_leaves_the_history_alone(self, submission):
        """The losses are the same after the call as before."""
        history = [3.0, 2.0, 2.5, 2.4, 1.0]
        kept = submission.keep(history)
        expect.equal(tuple_of(submission.choose_checkpoint(kept, 2)), (1, 3))
        expect.equal(submission.value(kept), history, why="the list of losses was changed")

    def test_nan_is_never_a_new_best(self, submission):
        """A NaN or infinite loss, of either sign, counts as an epoch without a new best."""
        for history, patience in NOT_FINITE:
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))

    def test_patience_is_three_unless_said(self, submission):
        """Without an argument, three epochs in a row without a new best stop the training."""
        expect.equal(tuple_of(submission.choose_checkpoint([2.0, 1.0, 1.5, 1.4, 1.3, 0.5])), (1, 4))

    def test_refuses_what_has_no_answer(self, submission):
        """No epochs, a patience below 1, or no finite loss raise ValueError."""
        for history, patience in (([], 2), ([1.0, 2.0], 0), ([math.nan, math.inf], 3), ([math.nan, math.nan, 1.0], 2)):
            expect.raises("ValueError", submission.choose_checkpoint, history, patience)


def tuple_of(value):
    """The docstring asks for a tuple; a pair that comes as a list is accepted too."""
    return tuple(value) if isinstance(value, list) else value
