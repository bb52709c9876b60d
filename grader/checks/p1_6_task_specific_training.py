"""Checks for p1_6_task_specific_training. Early stopping as in Prechelt 1998, doi:10.1007/3-540-49430-8_3."""
import math

import pytest
import torch
import torch.nn.functional as F

from grader.judge import Exercise, core, expect


def head_example(rng, B=3, T=5, C=4, K=2):
    """Token vectors, a mask with at least one real token a text, and a weight and bias."""
    tokens, weight, bias = torch.randn(B, T, C, generator=rng), torch.randn(K, C, generator=rng), torch.randn(K, generator=rng)
    mask = torch.arange(T)[None] < torch.randint(1, T, (B, 1), generator=rng)
    return tokens, mask, weight, bias


def loaded_head(submission, weight, bias):
    head = submission.ClassifierHead(weight.shape[1], weight.shape[0])
    head.load_state_dict({"linear.weight": weight, "linear.bias": bias})
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


class TestClassifierHead(Exercise, id="finetune-classifier-head"):
    def probe(self, submission):
        rng = torch.Generator().manual_seed(3)
        tokens, _, weight, bias = head_example(rng)
        mask = torch.tensor([[True, True, False, False, False], [True] * 5, [False, True, False, True, False]])
        empty = mask.clone()
        empty[1] = False
        head = loaded_head(submission, weight, bias)
        return head(tokens, mask), head(tokens, empty), submission.run(shapes_of, submission.ClassifierHead(4, 2))

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

    def test_has_one_linear_layer(self, submission):
        """The only parameters are linear.weight and linear.bias."""
        expect.equal(submission.run(shapes_of, submission.ClassifierHead(5, 3)), {"linear.weight": [3, 5], "linear.bias": [3]})


def small_model(frozen):
    """A model with BatchNorm, dropout, biases and names that begin alike."""
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 3))
    head = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(3, 2))
    model = torch.nn.ModuleDict({"encoder": encoder, "head_norm": torch.nn.LayerNorm(3), "head": head})
    model.requires_grad_(not frozen)
    model.train(not frozen)
    return model


def state(model):
    return ({name: p.requires_grad for name, p in model.named_parameters()},
            {name: module.training for name, module in model.named_modules() if name and not list(module.children())})


def moved(model):
    """Names of the buffers and parameters that one forward and backward pass moves or gives a gradient."""
    before = {name: b.clone() for name, b in model.named_buffers()}
    x = torch.arange(24.0).reshape(6, 4).sin()
    y = model["head"](model["head_norm"](model["encoder"](x))).square().sum()
    if y.requires_grad:
        y.backward()
    names = [name for name, b in model.named_buffers() if not torch.equal(before[name], b)]
    return sorted(names + [name for name, p in model.named_parameters() if p.grad is not None])


def expected_state(parts):
    def inside(name):
        return any(name == part or name.startswith(part + ".") for part in parts)

    parameters = ["encoder.0.weight", "encoder.0.bias", "encoder.1.weight", "encoder.1.bias", "encoder.2.weight", "encoder.2.bias",
                  "head_norm.weight", "head_norm.bias", "head.1.weight", "head.1.bias"]
    leaves = ["encoder.0", "encoder.1", "encoder.2", "head_norm", "head.0", "head.1"]
    return {name: inside(name) for name in parameters}, {name: inside(name) for name in leaves}


class TestFreeze(Exercise, id="finetune-freeze"):
    def probe(self, submission):
        seen = []
        for frozen in (False, True):
            for parts in (["head"], ["encoder.1", "head"], []):
                model = submission.run(small_model, frozen)
                seen += [submission.freeze(model, parts), submission.run(state, model)]
        return *seen, submission.freeze(submission.run(small_model, False), ["hea"]), submission.freeze(submission.run(small_model, False), ["head.1", "head"])

    @core
    @pytest.mark.parametrize("parts", [["head"], ["encoder.2"], ["encoder"], ["head_norm", "encoder.0"]], ids=", ".join)
    def test_only_the_named_parts_get_gradients(self, submission, parts):
        """requires_grad is True for the parameters of the named parts and False for all others."""
        model = submission.run(small_model, False)
        submission.freeze(model, parts)
        expect.equal(submission.run(state, model)[0], expected_state(parts)[0])

    @pytest.mark.parametrize("parts", [["head"], ["encoder.0"], ["encoder"]], ids=", ".join)
    def test_only_the_named_parts_are_in_train_mode(self, submission, parts):
        """The named parts are in train mode, all other modules in eval mode."""
        model = submission.run(small_model, False)
        submission.freeze(model, parts)
        expect.equal(submission.run(state, model)[1], expected_state(parts)[1], why="requires_grad does not stop dropout or BatchNorm: modes do")

    def test_thaws_what_was_frozen(self, submission):
        """A model that came frozen and in eval mode ends in the same state."""
        model = submission.run(small_model, True)
        submission.freeze(model, ["head"])
        expect.equal(submission.run(state, model), expected_state(["head"]))

    def test_nothing_else_moves(self, submission):
        """After a training pass no frozen parameter has a gradient and no frozen BatchNorm has moved."""
        model = submission.run(small_model, False)
        submission.freeze(model, ["head"])
        expect.equal(submission.run(moved, model), ["head.1.bias", "head.1.weight"])

    def test_counts_the_numbers(self, submission):
        """It returns how many numbers are left to train, each once."""
        for parts, count in ((["head"], 8), (["encoder"], 33), ([], 0), (["head", "head.1"], 8), (["encoder.0", "head_norm"], 21)):
            expect.equal(submission.freeze(submission.run(small_model, False), parts), count)

    def test_an_empty_list_freezes_everything(self, submission):
        """With no names, nothing can be trained."""
        model = submission.run(small_model, False)
        got = submission.freeze(model, [])
        expect.equal(got, 0)
        expect.equal(submission.run(state, model), expected_state([]))

    def test_refuses_unknown_names(self, submission):
        """A name that is no part of the model raises ValueError."""
        for parts in (["hea"], ["head", "decoder"], ["encoder.9"]):
            expect.raises("ValueError", submission.freeze, submission.run(small_model, False), parts)


def training_run(step, x, y, batches, kind):
    """Run the learner's step on its own side; return losses and the weights after each step."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    model[0].requires_grad_(False)
    model[1].requires_grad_(False).eval()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.5, momentum=0.9) if kind == "sgd" else torch.optim.AdamW(parameters, lr=0.05)
    losses, weights = [], []
    for i in range(batches):
        losses.append(step(model, optimizer, x[i], y[i]))
        weights.append(model[3].weight.detach().clone())
    frozen = [p.grad is None for p in (model[0].weight, model[0].bias, model[1].weight)]
    return (losses, weights, frozen, [m.training for m in model], model[0].weight.detach().clone(), model[1].running_mean.clone(),
            [p.requires_grad for p in model.parameters()], model[3].weight.grad is None)


def right_step(model, optimizer, inputs, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(inputs), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def batches_of(rng, n=3):
    return torch.randn(n, 6, 4, generator=rng), torch.randint(3, (n, 6), generator=rng)


class TestFinetuneStep(Exercise, id="finetune-step"):
    def probe(self, submission):
        x, y = batches_of(torch.Generator().manual_seed(2))
        return submission.run(training_run, submission.finetune_step, x, y, 3, "sgd")

    @core
    @pytest.mark.parametrize("kind", ["sgd", "adamw"])
    def test_trains_like_the_four_lines(self, submission, rng, kind):
        """After three batches the weights are those of clear, forward, backward, step."""
        x, y = batches_of(rng)
        with torch.random.fork_rng():
            _, want, *_ = training_run(right_step, x, y, 3, kind)
        _, got, *_ = submission.run(training_run, submission.finetune_step, x, y, 3, kind)
        expect.close(got, want, atol=1e-4, why="are the old gradients cleared before each backward pass?")

    @core
    def test_returns_the_loss_before_the_step(self, submission, rng):
        """It returns the batch's mean cross-entropy before the step, as a plain float."""
        x, y = batches_of(rng)
        with torch.random.fork_rng():
            want, *_ = training_run(right_step, x, y, 3, "sgd")
        got, *_ = submission.run(training_run, submission.finetune_step, x, y, 3, "sgd")
        expect.true(all(type(loss) is float for loss in got), "each loss must be a plain float, not a tensor", got=got)
        expect.close(got, want, atol=1e-4)

    def test_frozen_parts_stay_as_they_are(self, submission, rng):
        """Frozen parameters get no gradient and do not move; modes and requires_grad stay as they were."""
        x, y = batches_of(rng)
        with torch.random.fork_rng():
            want = training_run(right_step, x, y, 3, "sgd")
        got = submission.run(training_run, submission.finetune_step, x, y, 3, "sgd")
        expect.true(all(type(loss) is float for loss in got[0]), "each loss must be a plain float", got=got[0])
        for mine, theirs, why in zip(got[2:7], want[2:7], ("a frozen parameter got a gradient", "a module changed its train or eval mode",
                                                         "a frozen weight moved", "a frozen BatchNorm moved", "requires_grad changed"), strict=True):
            expect.equal(mine, theirs, why=why)


def stop_by_hand(history, patience):
    """Look at every possible stop in turn: the last `patience` epochs hold no new best."""
    def new_best(i):
        return math.isfinite(history[i]) and all(not math.isfinite(h) or history[i] < h for h in history[:i])

    stop = next((e for e in range(len(history)) if e + 1 >= patience and not any(new_best(i) for i in range(e - patience + 1, e + 1))), len(history) - 1)
    return max((i for i in range(stop + 1) if new_best(i)), default=-1), stop


HISTORIES = [([3.0, 2.0, 2.5, 2.4, 1.0], 2), ([3.0, 2.0, 2.5, 2.4, 1.0], 4), ([1.0, 2.0, 3.0], 1), ([3.0, 2.0, 1.0], 1), ([2.0, 2.0, 2.0, 2.0], 2),
             ([5.0, 4.0, 4.5, 3.0, 3.5, 3.2, 2.9], 3), ([1.5], 5), ([5.0, 4.0, 4.9, 4.8, 4.7, 1.0], 3)]


class TestChooseCheckpoint(Exercise, id="finetune-early-stopping"):
    def probe(self, submission):
        return [submission.choose_checkpoint(history, patience) for history, patience in HISTORIES] + [
            submission.choose_checkpoint([math.nan, 3.0, math.nan, 2.0], 2), submission.choose_checkpoint([2.0, 1.0, 1.5, 1.4, 1.3, 1.2]),
            submission.choose_checkpoint([], 2), submission.choose_checkpoint([1.0], 0), submission.choose_checkpoint([math.nan, math.inf], 3)]

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

    def test_nan_is_never_a_new_best(self, submission):
        """A NaN or infinite loss counts as an epoch without a new best."""
        for history, patience in (([math.nan, 3.0, math.nan, 2.0], 2), ([3.0, math.nan, math.nan, 1.0], 2), ([math.nan, math.inf, 2.0, 1.0], 3)):
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))

    def test_patience_is_three_unless_said(self, submission):
        """Without an argument, three epochs in a row without a new best stop the training."""
        expect.equal(tuple_of(submission.choose_checkpoint([2.0, 1.0, 1.5, 1.4, 1.3, 0.5])), (1, 4))

    def test_refuses_what_has_no_answer(self, submission):
        """No epochs, a patience below 1, or no finite loss raise ValueError."""
        for history, patience in (([], 2), ([1.0, 2.0], 0), ([math.nan, math.inf], 3), ([math.nan, math.nan, 1.0], 2)):
            expect.raises("ValueError", submission.choose_checkpoint, history, patience)


def tuple_of(value):
    """A pair may come back as a list: the docstring speaks of two numbers."""
    return tuple(value) if isinstance(value, list) else value
