"""Plausible wrong answers to p1_6_task_specific_training, and right answers written another way."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from grader.mutation import edit, edit_variant, mutant, variant

HEAD = "finetune-classifier-head"
MEAN = "mean = (tokens * real).sum(1) / real.sum(1).clamp(min=1)"
edit(HEAD, "averages_the_padding", "The mean runs over the padding too; only tokens where the mask is True count.", (MEAN, "mean = tokens.mean(1)"))
edit(HEAD, "divides_by_the_length", "The sum leaves the padding out but is divided by T, the padded length; divide by the number of real tokens.", (MEAN, "mean = (tokens * real).mean(1)"))
edit(HEAD, "sums_instead_of_averaging", "The real tokens are summed; they must be averaged.", (MEAN, "mean = (tokens * real).sum(1)"))
edit(HEAD, "inverts_the_mask", "The mask is read the other way round; True is a real token.", ("mask.unsqueeze(-1)", "(~mask).unsqueeze(-1)"))
edit(HEAD, "takes_the_first_token", "Only the first token is read; the head averages all real tokens.", (MEAN, "mean = tokens[:, 0]"))
edit(HEAD, "nan_without_tokens", "A text without a real token gives NaN (0 divided by 0); its logits must be the bias.", (".clamp(min=1)", ""))
edit(HEAD, "returns_probabilities", "It returns probabilities; cross-entropy wants raw scores.", ("return self.linear(mean)", "return self.linear(mean).softmax(-1)"))
edit(HEAD, "no_bias", "The linear layer has no bias; nn.Linear(d_model, n_classes) has one unless told otherwise.", ("nn.Linear(d_model, n_classes)", "nn.Linear(d_model, n_classes, bias=False)"))
edit(HEAD, "takes_the_maximum", "It takes the largest value of each number over the tokens; the head averages.",
     (MEAN, "mean = tokens.masked_fill(real == 0, -1e9).amax(1)"))
edit(HEAD, "averages_over_the_batch", "The number of real tokens is that of the whole batch; each text has its own.", (MEAN, "mean = (tokens * real).sum(1) / real.sum().clamp(min=1) * len(tokens)"))
edit(HEAD, "cuts_the_gradient", "No gradient reaches the tokens, after detach() or under no_grad(); the encoder below must be able to learn.", (MEAN, MEAN.replace("mean = ", "mean = (") + ").detach()"))
edit(HEAD, "overwrites_the_batch", "The padding of the caller's tokens is set to zero in place; leave tokens as they came.", (MEAN, "tokens[~mask] = 0\n        " + MEAN))
edit(HEAD, "softmax_in_eval_mode", "It returns probabilities in eval mode; it returns raw scores in both modes.",
     ("return self.linear(mean)", "return self.linear(mean) if self.training else self.linear(mean).softmax(-1)"))
edit(HEAD, "throws_all_texts_on_one_heap", "tokens[mask] is one heap of the real tokens of all texts, so that every text gets the same mean; each text has its own.",
     (MEAN, "mean = tokens[mask].mean(0).expand(len(tokens), -1)"))
edit(HEAD, "cuts_the_layers_gradient", "No gradient reaches the layer's own weight, because it is detached; the head must learn.",
     ("return self.linear(mean)", "return mean @ self.linear.weight.detach().T + self.linear.bias"))
edit(HEAD, "cuts_long_texts", "Long texts are cut; every real token counts.", ("real = mask", "tokens, mask = tokens[:, :256], mask[:, :256]\n        real = mask"))
edit(HEAD, "takes_the_front", "The first n vectors are averaged, n being the number of real tokens; padding may stand in front or between, so let the mask choose.",
     (MEAN, "mean = torch.stack([row[: int(n)].sum(0) / max(int(n), 1) for row, n in zip(tokens, mask.sum(1), strict=True)])"))
edit(HEAD, "drops_an_axis_of_one", "With a single class the last axis is squeezed away; logits are always (B, K).", ("return self.linear(mean)", "return self.linear(mean).squeeze(-1)"))
edit(HEAD, "sets_the_seed", "The random seed is set in __init__, so that all heads start with the same weights; leave it alone.",
     ("self.linear = nn.Linear(d_model, n_classes)", "torch.manual_seed(0)\n        self.linear = nn.Linear(d_model, n_classes)"))
edit(HEAD, "adds_to_the_count", "Something is added to the number of tokens to avoid a division by 0, which makes every mean too small; use clamp(min=1).",
     ("real.sum(1).clamp(min=1)", "(real.sum(1) + 1e-3)"))
edit_variant(HEAD, "scores_then_averages", "Right: the linear layer has no bias to average away, so each token is scored first.",
             ("return self.linear(mean)", "return mean @ self.linear.weight.T + self.linear.bias"))


@variant(HEAD, provides="ClassifierHead")
class OneTextAtATime(nn.Module):
    """Right: a loop over the texts."""

    def __init__(self, d_model, n_classes):
        super().__init__()
        self.linear = nn.Linear(d_model, n_classes)

    def forward(self, tokens, mask):
        means = [row[real].mean(0) if real.any() else torch.zeros_like(row[0]) for row, real in zip(tokens, mask, strict=True)]
        return self.linear(torch.stack(means))


FREEZE = "finetune-freeze"
edit(FREEZE, "forgets_the_modes", "The modes are never set; named parts go into train mode, all others into eval mode, or a frozen BatchNorm keeps moving.",
     ("    model.eval()\n", ""), ("        modules[name].train()\n", ""))
edit(FREEZE, "leaves_everything_in_train_mode", "The frozen parts are left in train mode, so their BatchNorm statistics move; put them into eval mode.",
     ("model.eval()", "model.train()"))
edit(FREEZE, "leaves_everything_in_eval_mode", "The trained parts are in eval mode, so their dropout is off; put them into train mode.", ("        modules[name].train()\n", ""))
edit(FREEZE, "freezes_the_head_too", "All parameters are frozen, the named ones too; those of the named parts have requires_grad True.", ("            parameter.requires_grad_(True)", "            pass"))
edit(FREEZE, "trains_everything", "Nothing is frozen; all parameters outside the named parts have requires_grad False.", ("        parameter.requires_grad_(False)", "        pass"))
edit(FREEZE, "leaves_biases_training", "Only weights are frozen and biases go on training; freeze every parameter outside the named parts.",
     ("for parameter in model.parameters():\n        parameter", "for parameter in (p for p in model.parameters() if p.ndim > 1):\n        parameter"))
edit(FREEZE, "counts_tensors", "It counts tensors; it must count the numbers in them.", ("sum(parameter.numel() for", "sum(1 for"))
edit(FREEZE, "counts_the_frozen_ones", "It counts the frozen numbers; it must count the trainable ones.", ("if parameter.requires_grad)", "if not parameter.requires_grad)"))
edit(FREEZE, "counts_nested_names_twice", "Numbers that two named parts share are counted twice; each counts once.",
     ("return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)",
      "return sum(p.numel() for name in trainable for p in modules[name].parameters())"))
edit(FREEZE, "ignores_unknown_names", "An unknown name is passed over in silence; it must raise ValueError.",
     ("raise ValueError(f\"the model has no part called {name!r}\")", "return 0"))
edit(FREEZE, "message_without_the_name", "The message of the ValueError does not hold the unknown name; say which name it is.",
     ("raise ValueError(f\"the model has no part called {name!r}\")", "raise ValueError(\"unknown part\")"))
edit(FREEZE, "leaves_the_model_in_train_mode", "The model itself, or a part around a named one, is left in train mode; all but the named parts are in eval mode.",
     ("    model.eval()\n", "    model.eval()\n    model.training = True\n"))
edit(FREEZE, "sets_the_model_free", "The empty name, which means the whole model, is accepted; it must raise ValueError.", ("if not name or name", "if name"))
edit(FREEZE, "switches_batchnorm_off", "track_running_stats of BatchNorm is changed; eval mode is enough, and settings stay as they are.",
     ("    model.eval()\n", "    model.eval()\n    for part in model.modules():\n        if hasattr(part, 'track_running_stats'):\n            part.track_running_stats = False\n"))
edit(FREEZE, "sets_dropout_to_zero", "The rate of dropout is set to 0; eval mode is enough, and settings stay as they are.",
     ("    model.eval()\n", "    model.eval()\n    for part in model.modules():\n        if hasattr(part, 'p'):\n            part.p = 0.0\n"))


@mutant(FREEZE, provides="freeze")
def accepts_parameter_names(model, trainable):
    """The name of a parameter is accepted; only submodules can be named, all else must raise ValueError."""
    modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
    for name in trainable:
        if not name or (name not in modules and name not in parameters):
            raise ValueError(name)
    model.eval().requires_grad_(False)
    for name in trainable:
        (modules[name].train() if name in modules else parameters[name]).requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@mutant(FREEZE, provides="freeze")
def treats_leaves_only(model, trainable):
    """Only modules without parts inside are treated; a module with parts can have parameters of its own, and a mode."""
    modules = dict(model.named_modules())
    for name in trainable:
        if not name or name not in modules:
            raise ValueError(name)
    for name, module in modules.items():
        if not list(module.children()):
            inside = any(name == part or name.startswith(part + ".") for part in trainable)
            module.train(inside).requires_grad_(inside)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@mutant(FREEZE, provides="freeze")
def treats_children_only(model, trainable):
    """Only the children of the model are frozen; parameters of the model itself must be frozen too."""
    modules = dict(model.named_modules())
    for name in trainable:
        if not name or name not in modules:
            raise ValueError(name)
    model.training = False
    for child in model.children():
        child.eval().requires_grad_(False)
    for name in trainable:
        modules[name].train().requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@mutant(FREEZE, provides="freeze")
def counts_shared_weights_twice(model, trainable):
    """A weight that two layers share is counted twice; each number counts once."""
    modules = dict(model.named_modules())
    for name in trainable:
        if not name or name not in modules:
            raise ValueError(name)
    model.eval().requires_grad_(False)
    for name in trainable:
        modules[name].train().requires_grad_(True)
    return sum(p.numel() for _, p in model.named_parameters(remove_duplicate=False) if p.requires_grad)


@mutant(FREEZE, provides="freeze")
def by_prefix(model, trainable):
    """Names are compared by their beginning, so that "head" also means "head_norm"; it means that part and what is inside it."""
    for name in trainable:
        if not any(n.startswith(name) for n, _ in model.named_modules()):
            raise ValueError(name)
    model.eval()
    for name, module in model.named_modules():
        if name and any(name.startswith(part) for part in trainable):
            module.training = True
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(name.startswith(part) for part in trainable))
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@mutant(FREEZE, provides="freeze")
def by_top_level_only(model, trainable):
    """Only the outermost parts can be named; a name such as "encoder.1" must work too."""
    for name in trainable:
        if name not in dict(model.named_children()):
            raise ValueError(name)
    for name, child in model.named_children():
        child.requires_grad_(name in trainable)
        child.train(name in trainable)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@mutant(FREEZE, provides="freeze")
def changes_before_it_refuses(model, trainable):
    """The model is frozen first and the names are checked later, so that a refused call leaves it changed; check all names first."""
    modules = dict(model.named_modules())
    model.eval().requires_grad_(False)
    for name in trainable:
        if not name or name not in modules:
            raise ValueError(name)
        modules[name].train().requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@mutant(FREEZE, provides="freeze")
def refuses_parts_without_parameters(model, trainable):
    """A part without parameters, such as a dropout, is refused; look names up in named_modules(), not in named_parameters()."""
    for name in trainable:
        if not name or not any(n.startswith(name + ".") for n, _ in model.named_parameters()):
            raise ValueError(name)
    model.eval().requires_grad_(False)
    for name in trainable:
        model.get_submodule(name).train().requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@mutant(FREEZE, provides="freeze")
def by_any_piece_of_the_path(model, trainable):
    """A name is found anywhere in a path, so that "head" also means "old.head"; a name is the whole path from the model on."""
    modules = dict(model.named_modules())
    for name in trainable:
        if not name or name not in modules:
            raise ValueError(name)

    def inside(path):
        return any(f".{part}." in f".{path}." for part in trainable)

    for name, module in modules.items():
        module.training = inside(name)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(inside(name))
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@mutant(FREEZE, provides="freeze")
def replaces_the_parameters(model, trainable):
    """Every parameter is replaced by a new one, so that an optimizer built before holds the old ones; set requires_grad of those that are there."""
    modules = dict(model.named_modules())
    for name in trainable:
        if not name or name not in modules:
            raise ValueError(name)
    model.eval()
    new = {p: nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()}
    for module in modules.values():
        module._parameters.update({key: new[p] for key, p in module._parameters.items() if p is not None})
    for name in trainable:
        modules[name].train().requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


edit(FREEZE, "sorts_the_names", "The caller's list of names is sorted; leave it as it came.", ("    model.eval()\n", "    model.eval()\n    getattr(trainable, 'sort', list)()\n"))


@variant(FREEZE, provides="freeze")
def by_get_submodule(model, trainable):
    """Right: the parts are looked up by get_submodule."""
    parts = []
    for name in trainable:
        try:
            parts.append(model.get_submodule(name or "no part"))
        except AttributeError as error:
            raise ValueError(f"{name}: {error}") from None
    model.requires_grad_(False).eval()
    for part in parts:
        part.requires_grad_(True).train()
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@variant(FREEZE, provides="freeze")
def by_dotted_names(model, trainable):
    """Right: parameter and module names are compared with the dot."""
    names = [name for name, _ in model.named_modules() if name]
    wrong = set(trainable) - set(names)
    if wrong:
        raise ValueError(f"unknown: {wrong}")

    def inside(name):
        return any(name == part or name.startswith(part + ".") for part in trainable)

    count = 0
    for name, module in model.named_modules():
        module.training = bool(name) and inside(name)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = inside(name)
        count += parameter.numel() if inside(name) else 0
    return count


STEP = "finetune-step"
ZERO = "    optimizer.zero_grad()\n"
LOSS = "loss = F.cross_entropy(model(inputs), labels)"
edit(STEP, "forgets_zero_grad", "The old gradients are never cleared, so every step repeats all steps before it; clear them before the backward pass.", (ZERO, ""))
edit(STEP, "clears_too_late", "There is no gradient at the step: backward is missing, or the gradients are cleared after it; the order is clear, forward, backward, step.",
     (ZERO, ""), ("    loss.backward()\n", "    loss.backward()\n    optimizer.zero_grad()\n"))
edit(STEP, "steps_before_backward", "The step comes before the backward pass, so it uses no gradient of this batch; go backward first.",
     (ZERO, ""), ("    loss.backward()\n    optimizer.step()\n", "    optimizer.step()\n    optimizer.zero_grad()\n    loss.backward()\n"))
edit(STEP, "clears_after_the_step_only", "The gradients are cleared only after the step, so what was there before the first call counts; clear them before the backward pass.",
     (ZERO, ""), ("    optimizer.step()\n", "    optimizer.step()\n    optimizer.zero_grad()\n"))
edit(STEP, "clears_one_group_only", "Only the first group of parameters is cleared; optimizer.zero_grad() clears all groups.",
     (ZERO, "    for parameter in optimizer.param_groups[0]['params']:\n        parameter.grad = None\n"))
edit(STEP, "forward_only", "The loss is computed and nothing is trained; after it come the backward pass and the step.", (ZERO, ""), ("    loss.backward()\n    optimizer.step()\n", ""))
edit(STEP, "clips_the_gradients", "The gradients are clipped before the step; the docstring asks for none of that.",
     ("    optimizer.step()\n", "    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n    optimizer.step()\n"))
edit(STEP, "calls_the_model_twice", "The model is called twice, so a live BatchNorm counts the batch twice; call it once.", (LOSS, "model(inputs)\n    " + LOSS))
edit(STEP, "forgets_the_step", "The optimizer never steps; after the backward pass comes optimizer.step().", ("    optimizer.step()\n", ""))
edit(STEP, "softmax_twice", "Cross-entropy is given probabilities; it takes raw logits and does the softmax itself.", ("model(inputs), labels", "model(inputs).softmax(-1), labels"))
edit(STEP, "sums_the_batch", "The losses of the batch are summed; they must be averaged.", ("model(inputs), labels)", "model(inputs), labels, reduction='sum')"))
edit(STEP, "returns_the_loss_after", "The returned loss is that after the step; it must be the one before.", ("return loss.item()", "return F.cross_entropy(model(inputs), labels).item()"))
edit(STEP, "returns_a_tensor", "The loss is returned as a tensor, which keeps the whole graph alive; return a float.", ("return loss.item()", "return loss"))
edit(STEP, "sets_train_mode", "model.train() is called, so frozen BatchNorm layers move again; leave the modes as they are.", (ZERO, ZERO + "    model.train()\n"))
edit(STEP, "thaws_everything", "requires_grad is set for all parameters, so frozen ones get gradients; leave it as it is.", (ZERO, ZERO + "    model.requires_grad_(True)\n"))
edit(STEP, "returns_the_accuracy", "It returns the share of right answers; it must return the loss.",
     ("return loss.item()", "return (model(inputs).argmax(-1) == labels).float().mean().item()"))
edit(STEP, "cuts_the_batch", "Only the first 32 texts of a batch are used; all of them count.", (LOSS, "inputs, labels = inputs[:32], labels[:32]\n    " + LOSS))
edit(STEP, "skips_large_losses", "A batch with a large loss is skipped; every batch makes one step.", ("    loss.backward()\n", "    if loss.item() > 10:\n        return loss.item()\n    loss.backward()\n"))
edit(STEP, "sets_the_seed", "The random seed is set in every step, so that dropout would drop the same numbers each time; leave it alone.", (ZERO, "    torch.manual_seed(0)\n" + ZERO))
edit(STEP, "smooths_the_labels", "The labels are smoothed; the loss is the plain cross-entropy.", ("model(inputs), labels)", "model(inputs), labels, label_smoothing=0.1)"))
edit(STEP, "changes_the_inputs", "The caller's inputs are changed in place; leave them as they came.", ("    optimizer.step()\n", "    optimizer.step()\n    inputs.sub_(inputs.mean())\n"))
edit_variant(STEP, "clears_at_the_end", "Right: the gradients are cleared before and after.", ("    return loss.item()", "    value = float(loss)\n    optimizer.zero_grad(set_to_none=True)\n    return value"))


@variant(STEP, provides="finetune_step")
def by_log_softmax(model, optimizer, inputs, labels):
    """Right: the cross-entropy is written out."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
    loss = -F.log_softmax(model(inputs), -1)[torch.arange(len(labels)), labels].mean()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


STOP = "finetune-early-stopping"
edit(STOP, "keeps_the_last", "It keeps the epoch at which training stops; it must keep the best one.", ("return kept, stopped", "return stopped, stopped"))
edit(STOP, "ties_count_as_better", "An equal loss counts as a new best; only a strictly lower one does.", ("loss < best", "loss <= best"))
edit(STOP, "waits_one_epoch_too_long", "It waits one epoch too long: patience epochs without a new best are enough.", ("if waited == patience", "if waited > patience"))
edit(STOP, "never_starts_to_wait_again", "The waiting is counted over the whole run; a new best starts the count again.", ("best, kept, waited = loss, epoch, 0", "best, kept = loss, epoch"))
edit(STOP, "prefers_the_highest", "It keeps the highest loss; a lower loss is better.", ("loss < best", "loss > best"), ("best, kept, waited = math.inf", "best, kept, waited = -math.inf"))
edit(STOP, "counts_from_one", "Epochs are counted from 1; they are counted from 0.", ("enumerate(history)", "enumerate(history, start=1)"))
edit(STOP, "fixed_patience", "The patience is fixed at 3; the argument is ignored.", ("if waited == patience", "if waited == 3"))
edit(STOP, "answers_without_epochs", "No epochs, or a patience below 1, is accepted; it must raise ValueError.", ("raise ValueError(\"at least one epoch and a patience of at least 1 are needed\")", "return -1, -1"))
edit(STOP, "minus_infinity_is_best", "A loss of minus infinity is taken for a new best; a loss that is not finite never is.", ("math.isfinite(loss) and loss < best", "loss < best"))
edit(STOP, "asks_for_a_margin", "A loss must be lower by a margin to count; every strictly lower loss is a new best.", ("loss < best", "loss < best - 1e-3"))
edit(STOP, "takes_the_absolute_value", "Losses are compared without their sign; a negative loss is lower than all positive ones.", ("loss < best", "abs(loss) < best"))
edit(STOP, "accepts_a_negative_patience", "A patience of 0 is refused and a negative one is not; both must raise ValueError.", ("if not history or patience < 1", "if not history or patience == 0"))
edit(STOP, "starts_from_a_number", "The best loss starts at a fixed number, so that losses above it are never a best; start at infinity.", ("best, kept, waited = math.inf", "best, kept, waited = 1e9"))
edit(STOP, "zero_is_no_loss", "A loss of exactly 0 is taken for none, because 0 counts as False; only what is not finite is no loss.", ("math.isfinite(loss) and", "loss and math.isfinite(loss) and"))
edit(STOP, "compares_by_is", "Counters are compared by `is`, which fails for numbers above 256; compare by ==.", ("if waited == patience", "if waited is patience"))
edit(STOP, "looks_close_enough", "Losses that are close count as equal; every strictly lower loss is a new best.", ("loss < best", "loss < best and not math.isclose(loss, best)"))
edit(STOP, "reads_a_hundred", "Only the first hundred epochs are read.", ("enumerate(history)", "enumerate(history[:100])"))
edit(STOP, "cuts_the_history", "The list of losses is cut at the stop; leave it as it came.", ("            stopped = epoch\n", "            stopped = epoch\n            del history[epoch + 1 :]\n"))


@mutant(STOP, provides="choose_checkpoint")
def looks_into_the_future(history, patience=3):
    """It keeps the best of all epochs, also of those after the stop that were never trained."""
    if not history or patience < 1 or not any(map(math.isfinite, history)):
        raise ValueError
    best, waited, stopped = math.inf, 0, len(history) - 1
    for epoch, loss in enumerate(history):
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited == patience:
            stopped = epoch
            break
    return history.index(min(h for h in history if math.isfinite(h))), stopped


@mutant(STOP, provides="choose_checkpoint")
def compares_with_the_epoch_before(history, patience=3):
    """Each loss is compared with that of the epoch before; it must be compared with the best so far."""
    if not history or patience < 1:
        raise ValueError
    waited, stopped, before = 0, len(history) - 1, math.inf
    for epoch, loss in enumerate(history):
        waited = 0 if loss < before else waited + 1
        before = loss
        if waited == patience:
            stopped = epoch
            break
    seen = [h if math.isfinite(h) else math.inf for h in history[: stopped + 1]]
    if min(seen) == math.inf:
        raise ValueError
    return seen.index(min(seen)), stopped


@mutant(STOP, provides="choose_checkpoint")
def nan_as_a_new_best(history, patience=3):
    """A NaN loss is taken for a new best; comparisons with NaN are always false, so ask whether the loss is finite."""
    if not history or patience < 1:
        raise ValueError
    best, kept, waited = math.inf, -1, 0
    for epoch, loss in enumerate(history):
        if loss >= best:
            waited += 1
        else:
            best, kept, waited = loss, epoch, 0
        if waited == patience:
            return kept, epoch
    if kept < 0:
        raise ValueError
    return kept, len(history) - 1


edit_variant(STOP, "stop_from_the_best", "Right: the stop is `patience` epochs after the best, or the last epoch.", ("return kept, stopped", "return kept, min(kept + patience, len(history) - 1)"))


@variant(STOP, provides="choose_checkpoint")
def by_index_of_best(history, patience=3):
    """Right: the distance to the best epoch is the waiting."""
    if len(history) == 0 or patience < 1:
        raise ValueError("nothing to choose from")
    kept = None
    for epoch, loss in enumerate(history):
        if math.isfinite(loss) and (kept is None or loss < history[kept]):
            kept = epoch
        if epoch - (-1 if kept is None else kept) >= patience:
            break
    if kept is None:
        raise ValueError("no finite loss")
    return (kept, epoch)


@variant(STOP, provides="choose_checkpoint")
def by_running_minimum(history, patience=3):
    """Right: a list of running minima, then the first long plateau."""
    if not history or patience < 1:
        raise ValueError
    clean = [h if math.isfinite(h) else math.inf for h in history]
    fresh = [h < min(clean[:i], default=math.inf) for i, h in enumerate(clean)]
    stop = next((i for i in range(patience - 1, len(clean)) if not any(fresh[i - patience + 1 : i + 1])), len(clean) - 1)
    kept = [i for i in range(stop + 1) if fresh[i]]
    if not kept:
        raise ValueError
    return kept[-1], stop
