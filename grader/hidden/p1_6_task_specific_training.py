"""Further checks for p1_6_task_specific_training that a learner's copy leaves out."""
import torch

from grader.checks.p1_6_task_specific_training import (
    batches_of,
    both_runs,
    head_example,
    loaded_head,
    logits_by_hand,
    stop_by_hand,
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


def encoder_with_a_token():
    """A transformer layer, whose attention has weights beside those of its parts, and a learned first token at the root."""
    layer = torch.nn.TransformerEncoderLayer(4, 2, dim_feedforward=6)
    model = torch.nn.ModuleDict({"body": torch.nn.ModuleDict({"layer": layer}), "head": torch.nn.Linear(4, 3)})
    model.register_parameter("first", torch.nn.Parameter(torch.zeros(4)))
    return model


def trainable_and_modes(model):
    return (sorted(name for name, p in model.named_parameters() if p.requires_grad), sorted(name for name, module in model.named_modules() if module.training))


class TestHiddenFreeze(Exercise, id="finetune-freeze", hidden=True):
    def test_deep_names_and_names_that_begin_alike(self, submission):
        """A name deep inside the model means that part alone, and \"body\" does not mean \"body2\"."""
        model = submission.run(nested_model)
        expect.equal(submission.freeze(model, ["body.1"]), 12)
        want = {"body.0.weight": False, "body.1.0.weight": True, "body.1.0.bias": True, "body2.weight": False, "body2.bias": False}
        expect.equal(submission.run(grads_and_modes, model), (want, True, False))
        expect.equal(submission.freeze(model, ["body"]), 18)
        expect.equal(submission.freeze(model, ["body2"]), 4)

    def test_a_transformer_layer(self, submission):
        """In a real layer the attention's own weights count, and the learned token at the root stays frozen."""
        model = submission.run(encoder_with_a_token)
        expect.equal(submission.freeze(model, ["head"]), 15)
        expect.equal(submission.run(trainable_and_modes, model), (["head.bias", "head.weight"], ["head"]))
        expect.equal(submission.freeze(model, ["body.layer.self_attn"]), 80)
        expect.equal(submission.run(trainable_and_modes, model),
                     ([f"body.layer.self_attn.{name}" for name in ("in_proj_bias", "in_proj_weight", "out_proj.bias", "out_proj.weight")],
                      ["body.layer.self_attn", "body.layer.self_attn.out_proj"]))


class TestHiddenStep(Exercise, id="finetune-step", hidden=True):
    def test_eight_batches(self, submission, rng):
        """Eight steps in a row give the losses of the four lines."""
        got, want = both_runs(submission, *batches_of(rng, 8), "adamw", stale=True)
        expect.close(got["losses"], want["losses"], atol=1e-3)


class TestHiddenEarlyStopping(Exercise, id="finetune-early-stopping", hidden=True):
    def test_long_histories(self, submission, dice):
        """A long noisy run is stopped at the right epoch."""
        for patience in (1, 2, 5, 12):
            history = [100 / (epoch + 1) + dice.random() * 20 for epoch in range(60)]
            expect.equal(tuple_of(submission.choose_checkpoint(history, patience)), stop_by_hand(history, patience))
