"""Further checks for p1_6_task_specific_training that a learner's copy leaves out."""
import torch

from grader.checks.p1_6_task_specific_training import (
    batches_of,
    head_example,
    loaded_head,
    logits_by_hand,
    right_step,
    stop_by_hand,
    training_run,
    tuple_of,
)
from grader.judge import Exercise, core, expect


class TestHiddenHead(Exercise, id="finetune-classifier-head", hidden=True):
    @core
    def test_any_size(self, submission, rng, dice):
        """Any batch, length, width and number of classes work."""
        tokens, mask, weight, bias = head_example(rng, *(dice.randrange(2, 9) for _ in range(4)))
        expect.close(loaded_head(submission, weight, bias)(tokens, mask), logits_by_hand(tokens, mask, weight, bias))


def nested_model():
    inner = torch.nn.Sequential(torch.nn.Linear(2, 3, bias=False), torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.1)))
    return torch.nn.ModuleDict({"body": inner, "body2": torch.nn.Linear(3, 1)})


def grads_and_modes(model):
    return ({name: p.requires_grad for name, p in model.named_parameters()}, model["body"][1][1].training, model["body2"].training)


class TestHiddenFreeze(Exercise, id="finetune-freeze", hidden=True):
    def test_deep_names_and_names_that_begin_alike(self, submission):
        """A name deep inside the model means that part alone, and \"body\" does not mean \"body2\"."""
        model = submission.run(nested_model)
        expect.equal(submission.freeze(model, ["body.1"]), 12)
        want = {"body.0.weight": False, "body.1.0.weight": True, "body.1.0.bias": True, "body2.weight": False, "body2.bias": False}
        expect.equal(submission.run(grads_and_modes, model), (want, True, False))
        expect.equal(submission.freeze(model, ["body"]), 18)
        expect.equal(submission.freeze(model, ["body2"]), 4)


class TestHiddenStep(Exercise, id="finetune-step", hidden=True):
    def test_eight_batches(self, submission, rng):
        """Eight steps in a row give the losses of the four lines."""
        x, y = batches_of(rng, 8)
        with torch.random.fork_rng():
            want, *_ = training_run(right_step, x, y, 8, "adamw")
        got, *_ = submission.run(training_run, submission.finetune_step, x, y, 8, "adamw")
        expect.close(got, want, atol=1e-3)


class TestHiddenEarlyStopping(Exercise, id="finetune-early-stopping", hidden=True):
    def test_long_histories(self, submission, dice):
        """A long noisy run is stopped at the right epoch."""
        for patience in (1, 2, 5, 12):
            history = [100 / (epoch + 1) + dice.random() * 20 for epoch in range(60)]
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))
