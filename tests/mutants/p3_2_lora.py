"""Wrong answers and right variants of p3_2_lora."""

import math

import torch
from torch import nn

from grader.mutation import edit, edit_variant, mutant, variant

LINEAR, INJECT, SHARE, SAVE, MERGE, QLORA = (
    "lora-linear",
    "lora-inject",
    "lora-trainable-fraction",
    "lora-save-load",
    "lora-merge",
    "qlora-forward",
)

# ------------------------------------------------------------------------------------------------ the layer

FIRST_A = "base.weight.new_empty(r, inputs).normal_(std=inputs**-0.5)"
FIRST_B = "base.weight.new_zeros(outputs, r)"

edit(LINEAR, "both_zero", "A is zero too: then neither gets a gradient, and nothing ever moves.", (FIRST_A, "base.weight.new_zeros(r, inputs)"))
edit(
    LINEAR,
    "both_random",
    "B is random too, so the new layer does not say what its base says.",
    (FIRST_B, "base.weight.new_empty(outputs, r).normal_()"),
)
edit(
    LINEAR,
    "B_random_A_zero",
    "A is zero and B random; the docstring asks for it the other way round.",
    (FIRST_A, "base.weight.new_zeros(r, inputs)"),
    (FIRST_B, "base.weight.new_empty(outputs, r).normal_()"),
)
edit(LINEAR, "ignores_alpha", "alpha is left out of the scale.", ("self.scale = alpha / r", "self.scale = 1 / r"))
edit(LINEAR, "r_not_in_the_scale", "The scale is alpha; it must be alpha / r.", ("self.scale = alpha / r", "self.scale = alpha"))
edit(
    LINEAR,
    "root_of_r_in_the_scale",
    "The scale is alpha / √r, a later proposal; here it is alpha / r.",
    ("self.scale = alpha / r", "self.scale = alpha / r ** 0.5"),
)
edit(LINEAR, "whole_numbers_only", "alpha // r rounds the scale down.", ("self.scale = alpha / r", "self.scale = alpha // r"))
edit(LINEAR, "leaves_the_base_trainable", "The base layer is not frozen.", ("base.requires_grad_(False)", "base"))
edit(
    LINEAR,
    "leaves_the_bias_trainable",
    "The base layer's weight is frozen, but its bias is not.",
    ("self.base = base.requires_grad_(False)", "self.base = base; base.weight.requires_grad_(False)"),
)
edit(
    LINEAR,
    "copies_the_base",
    "The base is copied: in a model of gigabytes, everything would be there twice.",
    ("self.base = base.requires_grad_(False)", "import copy; self.base = copy.deepcopy(base).requires_grad_(False)"),
)
edit(
    LINEAR,
    "always_float32",
    "A and B are float32, whatever the base is.",
    (FIRST_A, "torch.randn(r, inputs) / inputs**0.5"),
    (FIRST_B, "torch.zeros(outputs, r)"),
    ("(x @ self.A.T) @ self.B.T", "((x.float() @ self.A.T) @ self.B.T).to(x.dtype)"),
)
edit(LINEAR, "A_too_large", "A has standard deviation 1; with 576 inputs the detour begins 24 times too loud.", ("std=inputs**-0.5", "std=1.0"))
edit(LINEAR, "A_all_ones", "A is constant: all r directions are the same one, for ever.", ("normal_(std=inputs**-0.5)", "fill_(inputs**-0.5)"))
edit(
    LINEAR,
    "equal_rows",
    "All rows of A are the same, so they get the same gradients: the change has rank one for ever.",
    (FIRST_A, "base.weight.new_empty(1, inputs).normal_(std=inputs**-0.5).repeat(r, 1)"),
)
edit(
    LINEAR,
    "folds_itself_in",
    "In eval mode the adapter is added to the base weight at every call, and counts once more each time.",
    (
        "return self.base(x) +",
        "if not self.training:\n            with torch.no_grad():\n                self.base.weight += self.scale * self.B @ self.A\n            return self.base(x)\n        return self.base(x) +",
    ),
)
edit(LINEAR, "ignores_the_sign", "alpha may be negative; its sign is lost.", ("self.scale = alpha / r", "self.scale = abs(alpha) / r"))
edit(LINEAR, "A_positive", "A is drawn from 0 to 1 / √I, so its mean is not 0.", ("normal_(std=inputs**-0.5)", "uniform_(0, 3 * inputs**-0.5)"))
edit(
    LINEAR,
    "sets_the_seed",
    "The seed is set, so all layers have the same A.",
    ("self.B =", "torch.manual_seed(0); self.A = nn.Parameter(torch.randn(r, inputs, dtype=base.weight.dtype) / inputs**0.5); self.B ="),
)
edit(LINEAR, "drops_the_base", "Only the detour is returned; the base layer's answer is missing.", ("self.base(x) + ", ""))
edit(
    LINEAR,
    "cuts_the_gradient_to_x",
    "x is detached for the base layer, so the layers below learn from the detour alone.",
    ("self.base(x)", "self.base(x.detach())"),
)
edit(LINEAR, "cuts_the_gradient_of_A", "What A reads is detached, so A never learns.", ("(x @ self.A.T)", "(x @ self.A.T).detach()"))
edit(
    LINEAR,
    "scales_the_base_too",
    "The base layer's answer is scaled as well.",
    ("self.base(x) + self.scale * (x @ self.A.T) @ self.B.T", "self.scale * (self.base(x) + (x @ self.A.T) @ self.B.T)"),
)
edit(
    LINEAR,
    "adds_the_bias_twice",
    "The base layer's bias is added a second time.",
    ("return self.base(x)", "return (0 if self.base.bias is None else self.base.bias) + self.base(x)"),
)
edit(
    LINEAR,
    "only_when_training",
    "In eval mode the adapter is left out.",
    ("return self.base(x) + self.scale", "return self.base(x) + (self.scale if self.training else 0.0)"),
)
edit(
    LINEAR,
    "with_dropout",
    "Some inputs of the detour are dropped at random; the docstring has no dropout.",
    ("(x @ self.A.T)", "(nn.functional.dropout(x, 0.1, self.training) @ self.A.T)"),
)
edit(
    LINEAR,
    "one_more_parameter",
    "The scale is a parameter, and trained with the rest.",
    ("self.scale = alpha / r", "self.scale = nn.Parameter(torch.tensor(alpha / r, dtype=base.weight.dtype))"),
)
edit(
    LINEAR,
    "remembers_the_product",
    "B A is worked out at the first call and kept: training changes A and B, but not what the layer says.",
    (
        "return self.base(x) + self.scale * (x @ self.A.T) @ self.B.T",
        "if not hasattr(self, 'BA'):\n            self.BA = self.B @ self.A\n        return self.base(x) + self.scale * x @ self.BA.T",
    ),
)


@mutant(LINEAR, provides="LoRALinear")
class BuffersInsteadOfParameters(nn.Module):
    """A and B are plain tensors that ask for gradients, and no parameters: no optimizer finds them, no state_dict saves them."""

    def __init__(self, base, r, alpha):
        super().__init__()
        if r < 1:
            raise ValueError
        self.base, self.scale = base.requires_grad_(False), alpha / r
        self.A = (torch.randn(r, base.in_features).to(base.weight) / base.in_features**0.5).requires_grad_()
        self.B = torch.zeros(base.out_features, r).to(base.weight).requires_grad_()

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.A.T) @ self.B.T


@variant(LINEAR, provides="LoRALinear")
class ByFunctional(nn.Module):
    """Right: F.linear twice, A drawn as nn.Linear draws its weights (uniform, 0.58 / √I)."""

    def __init__(self, base, r, alpha):
        super().__init__()
        if r < 1:
            raise ValueError("r")
        self.base = base
        for p in self.base.parameters():
            p.requires_grad = False
        self.A = nn.Parameter(torch.empty(r, base.in_features, dtype=base.weight.dtype))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.B = nn.Parameter(torch.zeros(base.out_features, r, dtype=base.weight.dtype))
        self.r, self.alpha = r, alpha

    def forward(self, x):
        return self.base(x) + nn.functional.linear(nn.functional.linear(x, self.A), self.B) * self.alpha / self.r


@variant(LINEAR, provides="LoRALinear")
class ByOneWeight(nn.Module):
    """Right, though it forms the whole matrix: the changed weight is put together at every call."""

    def __init__(self, base, r, alpha):
        super().__init__()
        if r < 1:
            raise ValueError("r")
        self.register_module("base", base)
        base.requires_grad_(False)
        self.B = nn.Parameter(torch.zeros_like(base.weight[:, :1]).repeat(1, r))
        self.A = nn.Parameter(torch.randn(r, base.in_features, dtype=base.weight.dtype).div(base.in_features**0.5))
        self.register_buffer("scale", torch.tensor(alpha / r, dtype=base.weight.dtype))

    def forward(self, x):
        return nn.functional.linear(x, self.base.weight + self.scale * self.B @ self.A, self.base.bias)


edit_variant(
    LINEAR,
    "by_einsum",
    "Right: the detour by einsum.",
    ("self.scale * (x @ self.A.T) @ self.B.T", 'torch.einsum("...i,ri,or->...o", x, self.A, self.B) * self.scale'),
)

# ----------------------------------------------------------------------------------------------- injecting

NAMED = 'named = {name for name in linears if name == target or name.endswith(f".{target}")}'
FREEZE = "    model.requires_grad_(False)  # first: the adapters come later and stay trainable\n"
RETURN = "    return replaced"

edit(
    INJECT,
    "letters_instead_of_steps",
    'Names are compared by letters, so "q" names "faq" too; compare whole steps.',
    (NAMED, "named = {name for name in linears if name.endswith(target)}"),
)
edit(
    INJECT,
    "substring",
    "A target that stands anywhere in the name is taken; it must be its end.",
    (NAMED, "named = {name for name in linears if target in name}"),
)
edit(
    INJECT,
    "any_step",
    "A target that is any step of the name is taken; it must be the end.",
    (NAMED, 'named = {name for name in linears if f".{target}." in f".{name}."}'),
)
edit(
    INJECT,
    "last_step_only",
    'Only the last step is compared, so a target of two steps, "attn.o", names nothing.',
    (NAMED, 'named = {name for name in linears if name.split(".")[-1] == target}'),
)
edit(INJECT, "full_names_only", "Only full names match.", (NAMED, "named = {name for name in linears if name == target}"))
edit(
    INJECT,
    "misses_top_level_names",
    'A layer right at the root, whose full name is "q", is missed.',
    (NAMED, 'named = {name for name in linears if name.endswith(f".{target}")}'),
)
edit(
    INJECT,
    "misses_nested_names",
    "Only the model's direct parts are looked at; the layers are deeper.",
    ("in model.named_modules() if isinst", "in model.named_children() if isinst"),
)
edit(INJECT, "replaces_everything", "All linear layers are replaced, the head too.", (NAMED, "named = set(linears)"))
edit(
    INJECT,
    "spares_the_head",
    'Layers called "out" are left alone even if a target names them; the caller decides.',
    (
        "replaced = [name for name in linears if name in chosen]",
        'replaced = [name for name in linears if name in chosen and not name.endswith("out")]',
    ),
)
edit(
    INJECT,
    "freezes_afterwards",
    "The model is frozen after the adapters went in, and they are frozen with it.",
    (FREEZE, ""),
    (RETURN, "    model.requires_grad_(False)\n    return replaced"),
)
edit(INJECT, "does_not_freeze", "What is not replaced stays trainable.", (FREEZE, ""))
edit(
    INJECT,
    "freezes_only_the_old_layers",
    "Only the replaced layers are frozen; embeddings, norms and the rest stay trainable.",
    (FREEZE, "    for name in chosen: linears[name].requires_grad_(False)\n"),
)
edit(
    INJECT,
    "thaws_all_that_is_new",
    "Everything inside the new layers is set to trainable; leave what layer() made as it is.",
    (
        RETURN,
        "    for name in replaced:\n        for part in model.get_submodule(name).children(): part.requires_grad_(False)\n        for p in model.get_submodule(name).parameters(recurse=False): p.requires_grad_(True)\n    return replaced",
    ),
)
edit(
    INJECT,
    "forgives_a_misspelt_target",
    "A target that names nothing is ignored, and one trains less than one believes.",
    ("if not named:", "if False:"),
)
edit(
    INJECT,
    "complains_only_if_nothing_matches",
    "An error comes only if no target at all names a layer; each of them must.",
    ("if not named:", "if not any(name.endswith(target) for name in linears for target in targets):"),
)
edit(
    INJECT,
    "freezes_before_it_complains",
    "The model is frozen although the call fails.",
    (FREEZE, ""),
    ("    linears = {", "    model.requires_grad_(False)\n    linears = {"),
)
edit(
    INJECT,
    "replaces_before_it_complains",
    "Targets are worked off one by one, so the first layers are replaced before the bad target is found.",
    (
        "        chosen |= named\n",
        "        chosen |= named\n        for name in named:\n            parent, _, last = name.rpartition('.')\n            setattr(model.get_submodule(parent), last, layer(linears[name], r, alpha))\n",
    ),
    (
        '        parent, _, last = name.rpartition(".")\n        setattr(model.get_submodule(parent), last, layer(linears[name], r, alpha))\n    return',
        "        pass\n    return",
    ),
)
edit(
    INJECT,
    "swaps_r_and_alpha",
    "layer is called with alpha and r in the wrong order.",
    ("layer(linears[name], r, alpha)", "layer(linears[name], alpha, r)"),
)
edit(
    INJECT,
    "ignores_layer",
    "The argument layer is ignored, and the Adapter always used.",
    ("layer(linears[name], r, alpha)", "Adapter(linears[name], r, alpha)"),
)
edit(
    INJECT,
    "one_layer_for_all",
    "The first new layer is put in everywhere; each place needs its own.",
    (
        "setattr(model.get_submodule(parent), last, layer(linears[name], r, alpha))",
        "shared = layer(linears[name], r, alpha) if name == replaced[0] else shared\n        setattr(model.get_submodule(parent), last, shared)",
    ),
)
edit(INJECT, "switches_to_eval", "The model is left in eval mode; nothing else of it may change.", (RETURN, "    model.eval()\n    return replaced"))
edit(
    INJECT,
    "copies_the_old_layer",
    "A copy of the old layer goes in; it must be the very object.",
    ("layer(linears[name], r, alpha)", "layer(__import__('copy').deepcopy(linears[name]), r, alpha)"),
)
edit(
    INJECT,
    "sorts_the_names",
    'The names are sorted as text, where "layers.10" comes before "layers.2"; keep the model\'s order.',
    (RETURN, "    return sorted(replaced)"),
)
edit(
    INJECT,
    "order_of_the_targets",
    "The names follow the order of the targets; they must follow the model's.",
    (
        "replaced = [name for name in linears if name in chosen]",
        'replaced = list(dict.fromkeys(name for target in targets for name in linears if name == target or name.endswith(f".{target}")))',
    ),
)
edit(INJECT, "counts_instead_of_names", "The number of replaced layers is returned, not their names.", (RETURN, "    return len(replaced)"))
edit(
    INJECT,
    "last_steps_only_returned",
    "The names that are returned are only their last steps.",
    (RETURN, '    return [name.split(".")[-1] for name in replaced]'),
)
edit(INJECT, "all_kinds_of_modules", "Modules that are no linear layers are replaced too.", ("if isinstance(module, nn.Linear)}", "if name}"))
edit(
    INJECT,
    "spares_frozen_layers",
    "Layers that were frozen before are passed over.",
    ("if isinstance(module, nn.Linear)}", "if isinstance(module, nn.Linear) and module.weight.requires_grad}"),
)
edit(
    INJECT,
    "sets_dotted_attributes",
    "The new layer is set on the model under the dotted name, where nobody calls it.",
    ("setattr(model.get_submodule(parent), last, layer(linears[name], r, alpha))", "model.__dict__[name] = layer(linears[name], r, alpha)"),
)
edit(
    INJECT,
    "only_the_first",
    "Each target replaces only the first layer that it names.",
    ("        chosen |= named\n", "        chosen |= {next(name for name in linears if name in named)}\n"),
)


@mutant(INJECT, provides="inject_lora")
def wraps_twice(model, targets, r, alpha, layer=None):
    """A layer that two targets name is wrapped twice, an adapter around an adapter; collect the names first."""
    from handbook.adapter_lab import Adapter

    found = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    hits = [name for target in targets for name in found if name == target or name.endswith("." + target)]
    if any(not any(name == target or name.endswith("." + target) for name in found) for target in targets):
        raise ValueError
    model.requires_grad_(False)
    for name in hits:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, (layer or Adapter)(model.get_submodule(name), r, alpha))
    return [name for name in found if name in hits]


@mutant(INJECT, provides="inject_lora")
def walks_while_it_changes(model, targets, r, alpha, layer=None):
    """The walk goes on inside the new layers, where the old layer has a new name and is wrapped again; list the layers first."""
    from handbook.adapter_lab import Adapter

    def hit(name, target):
        return name == target or name.endswith("." + target)

    linears = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    if any(not any(hit(name, target) for name in linears) for target in targets):
        raise ValueError
    model.requires_grad_(False)
    done = []

    def walk(parent, path):
        for last, part in list(parent.named_children()):
            name = f"{path}{last}"
            if isinstance(part, nn.Linear) and any(hit(name, target) for target in targets):
                setattr(parent, last, (layer or Adapter)(part, r, alpha))
                done.append(name)
            walk(getattr(parent, last), f"{name}.")

    walk(model, "")
    return done


@variant(INJECT, provides="inject_lora")
def by_recursion(model, targets, r, alpha, layer=None):
    """Right: recursion over children, steps compared as lists."""
    from handbook.adapter_lab import Adapter

    def places(parent, path=()):
        for last, part in parent.named_children():
            if isinstance(part, nn.Linear):
                yield parent, last, part, (*path, last)
            yield from places(part, (*path, last))

    def hit(path, target):
        steps = tuple(target.split("."))
        return path[-len(steps) :] == steps

    found = list(places(model))
    for target in targets:
        if not any(hit(path, target) for *_, path in found):
            raise ValueError(target)
    for p in model.parameters():
        p.requires_grad = False
    done = []
    for parent, last, part, path in found:
        if any(hit(path, target) for target in targets):
            parent._modules[last] = (layer or Adapter)(part, r, alpha)
            done.append(".".join(path))
    return done


@variant(INJECT, provides="inject_lora")
def by_pattern(model, targets, r, alpha, layer=None):
    """Right: a regular expression, and set_submodule."""
    import re

    from handbook.adapter_lab import Adapter

    names = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    patterns = [re.compile(rf"(?:.*\.)?{re.escape(target)}") for target in targets]
    if not all(any(pattern.fullmatch(name) for name in names) for pattern in patterns):
        raise ValueError("a target without a layer")
    model.requires_grad_(False)
    names = [name for name in names if any(pattern.fullmatch(name) for pattern in patterns)]
    for name in names:
        model.set_submodule(name, (layer or Adapter)(model.get_submodule(name), r, alpha))
    return names


# ------------------------------------------------------------------------------------------- trainable share

edit(
    SHARE,
    "counts_tensors",
    "Tensors are counted, not their entries.",
    ("total = sum(p.numel() for", "total = sum(1 for"),
    ("trainable = sum(p.numel() for", "trainable = sum(1 for"),
)
edit(
    SHARE,
    "trainable_over_frozen",
    "The trainable numbers are divided by the frozen ones, not by all.",
    ("trainable / total if total else 0.0", "trainable / (total - trainable) if total > trainable else float(total > 0)"),
)
edit(SHARE, "frozen_share", "This is the share of the frozen numbers.", ("if p.requires_grad)", "if not p.requires_grad)"))
edit(SHARE, "in_percent", "The share is from 0 to 1, not in percent.", ("trainable / total if", "100 * trainable / total if"))
edit(
    SHARE,
    "rounded",
    "The share is rounded, and half a percent of a small adapter is gone.",
    ("trainable / total if", "round(trainable / total, 3) if"),
)
edit(
    SHARE,
    "shared_counts_twice",
    "A shared tensor counts once a module.",
    ("total = sum(p.numel() for p in model.parameters())", "total = sum(p.numel() for _, p in model.named_parameters(remove_duplicate=False))"),
)
edit(
    SHARE,
    "state_dict",
    "state_dict() holds the buffers too, and a shared tensor twice.",
    ("for p in model.parameters())\n", "for p in model.state_dict().values())\n"),
)
edit(
    SHARE,
    "buffers_too",
    "Buffers are counted as parameters.",
    ("total = sum(p.numel() for p in model.parameters())", "total = sum(p.numel() for p in [*model.parameters(), *model.buffers()])"),
)
edit(SHARE, "divides_by_zero", "A model without parameters ends in a division by zero; its share is 0.0.", (" if total else 0.0", ""))
edit(SHARE, "full_for_an_empty_model", "A model without parameters has a share of 0.0.", ("else 0.0", "else 1.0"))
edit(
    SHARE,
    "a_count",
    "The number of trainable parameters is returned, not the share.",
    ("return trainable / total if total else 0.0", "return float(trainable)"),
)
edit(
    SHARE,
    "first_axis_only",
    "len() of a tensor is the size of its first axis; numel() counts all entries.",
    ("total = sum(p.numel()", "total = sum(len(p)"),
    ("trainable = sum(p.numel()", "trainable = sum(len(p)"),
)
edit(
    SHARE,
    "direct_parts_only",
    "Parameters of the model itself, outside all parts, are missed.",
    ("total = sum(p.numel() for p in model.parameters())", "total = sum(p.numel() for part in model.children() for p in part.parameters())"),
)
edit(SHARE, "an_int_for_nothing", "The share is a float, also when it is zero.", ("else 0.0", "else 0"))
edit(
    SHARE,
    "freezes_what_it_counts",
    "The model is frozen by counting it.",
    ("    return trainable", "    model.requires_grad_(False)\n    return trainable"),
)


@variant(SHARE, provides="trainable_fraction")
def by_a_loop(model):
    """Right: one loop, with the identity of every tensor noted."""
    met, counts = set(), {True: 0, False: 0}
    for part in model.modules():
        for p in part._parameters.values():
            if p is not None and id(p) not in met:
                met.add(id(p))
                counts[p.requires_grad] += p.numel()
    return counts[True] / max(sum(counts.values()), 1)


@variant(SHARE, provides="trainable_fraction")
def by_vector(model):
    """Right: a vector of ones and zeros, and its mean in double precision."""
    flags = [torch.full((p.numel(),), float(p.requires_grad), dtype=torch.float64) for p in model.parameters()]
    every = torch.cat(flags) if flags else torch.empty(0)
    return every.mean().item() if len(every) else 0.0


# -------------------------------------------------------------------------------------------- save and load

COPY = 'return {name: p.detach().clone() for name, p in model.named_parameters() if name.split(".")[-1] in ("A", "B")}'
SAVED = COPY[COPY.index("for name") : -1]
WRITE = "    with torch.no_grad():\n        for name, p in own.items():\n            p.copy_(state[name])\n"

edit(SAVE, "saves_the_tensors_themselves", "detach() shares the memory: training on changes what was saved.", ("p.detach().clone()", "p.detach()"))
edit(
    SAVE,
    "saves_parameters",
    "The copies are parameters or hang on the model's gradients; save plain tensors.",
    ("p.detach().clone()", "nn.Parameter(p.detach().clone())"),
)
edit(SAVE, "saves_with_a_history", "clone() without detach() keeps the copies tied to the model's gradients.", ("p.detach().clone()", "p.clone()"))
edit(
    SAVE,
    "saves_everything",
    "All parameters are saved, the base model's too.",
    (COPY, "return {name: p.detach().clone() for name, p in model.named_parameters()}"),
)
edit(
    SAVE,
    "saves_what_can_be_trained",
    "What can be trained is saved; frozen adapters are left out, and trainable heads are in.",
    (COPY, "return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}"),
)
edit(
    SAVE,
    "any_name_with_an_A",
    'Names that only end in the letter, such as "head.NA", are saved too.',
    (COPY, 'return {name: p.detach().clone() for name, p in model.named_parameters() if name.endswith(("A", "B"))}'),
)
edit(
    SAVE,
    "any_step_called_A",
    'A step in the middle, "A.weight", does not make an adapter.',
    (COPY, 'return {name: p.detach().clone() for name, p in model.named_parameters() if {"A", "B"} & set(name.split("."))}'),
)
edit(
    SAVE,
    "misses_the_root",
    'The names "A" and "B" without a dot are missed.',
    (COPY, 'return {name: p.detach().clone() for name, p in model.named_parameters() if name.endswith((".A", ".B"))}'),
)
edit(
    SAVE,
    "saves_buffers_too",
    "A buffer called A is no parameter.",
    (COPY, 'return {name: p.detach().clone() for name, p in model.state_dict().items() if name.split(".")[-1] in ("A", "B")}'),
)
edit(
    SAVE,
    "saves_only_A",
    "Only the As are saved.",
    (COPY, 'return {name: p.detach().clone() for name, p in model.named_parameters() if name.split(".")[-1] == "A"}'),
)
edit(
    SAVE,
    "short_names",
    "Only the last steps are kept as names, so all layers write to the same two keys.",
    (COPY, 'return {name.split(".")[-1]: p.detach().clone() for name, p in model.named_parameters() if name.split(".")[-1] in ("A", "B")}'),
)
edit(SAVE, "saves_in_half_precision", "The saved values are rounded to float16.", ("p.detach().clone()", "p.detach().half().to(p.dtype).clone()"))
edit(SAVE, "always_saves_float32", "The dtype of the saved tensors must be the model's.", ("p.detach().clone()", "p.detach().clone().float()"))
edit(
    SAVE,
    "freezes_while_saving",
    "detach_() or requires_grad_(False) on the model's own parameter stops its training.",
    (COPY, "state = " + COPY.removeprefix("return ") + "\n    for name, p in model.named_parameters(): p.requires_grad_(False)\n    return state"),
)
edit(
    SAVE,
    "ignores_missing_names",
    "A name that is missing in the state is passed over.",
    ("own.keys() != state.keys()", "not state.keys() <= own.keys()"),
    ("p.copy_(state[name])", "p.copy_(state.get(name, p))"),
    ("    for name, p in own.items():\n        if p.shape", "    for name, p in own.items():\n        if name in state and p.shape"),
)
edit(SAVE, "ignores_extra_names", "A name too many in the state is passed over.", ("own.keys() != state.keys()", "not own.keys() <= state.keys()"))
edit(
    SAVE,
    "not_strict",
    "load_state_dict(strict=False) accepts any names.",
    ("if own.keys() != state.keys():", "if False:"),
    (
        "    for name, p in own.items():\n        if p.shape != state[name].shape:",
        "    for name, p in own.items():\n        if name in state and p.shape != state[name].shape:",
    ),
    ("p.copy_(state[name])", "p.copy_(state[name] if name in state else p)"),
)
edit(
    SAVE,
    "counts_the_names",
    "Only the number of names is compared.",
    ("own.keys() != state.keys()", "len(own) != len(state)"),
    (
        "    for name, p in own.items():\n        if p.shape != state[name].shape:",
        "    for name, p in own.items():\n        if p.shape != state.get(name, p).shape:",
    ),
    ("p.copy_(state[name])", "p.copy_(state.get(name, p))"),
)
edit(
    SAVE,
    "by_order",
    "The values go in by their order in the dict, not by their names.",
    (
        WRITE,
        "    with torch.no_grad():\n        for p, value in zip(own.values(), state.values()):\n            if p.shape == value.shape: p.copy_(value)\n",
    ),
)
edit(
    SAVE,
    "broadcasts",
    "A smaller tensor is spread over a larger parameter; compare the shapes.",
    (
        "if p.shape != state[name].shape:",
        "if state[name].dim() > p.dim() or any(a not in (1, b) for a, b in zip(state[name].shape[::-1], p.shape[::-1])):",
    ),
)
edit(
    SAVE,
    "compares_sizes_only",
    "Only the number of entries is compared; (2, 4) is not (4, 2).",
    ("if p.shape != state[name].shape:", "if p.numel() != state[name].numel():"),
    ("p.copy_(state[name])", "p.copy_(state[name].reshape(p.shape))"),
)
edit(
    SAVE,
    "writes_before_it_checks",
    "Shapes are compared while writing, so a bad file leaves half of the adapter changed.",
    (WRITE, ""),
    ('in the saved adapter")\n', 'in the saved adapter")\n        with torch.no_grad():\n            p.copy_(state[name])\n'),
)
edit(
    SAVE,
    "puts_in_new_parameters",
    "New parameters are put in; the optimizer still trains the old ones.",
    (
        WRITE,
        "    for name, p in own.items():\n        parent, _, last = name.rpartition('.')\n        setattr(model.get_submodule(parent), last, nn.Parameter(state[name].clone().to(p.dtype), requires_grad=p.requires_grad))\n",
    ),
)
edit(
    SAVE,
    "shares_memory_with_the_state",
    "p.data = state[name] makes both share memory: training changes the saved state.",
    ("p.copy_(state[name])", "p.data = state[name]"),
)
edit(SAVE, "changes_the_dtype", "p.data = … takes over the dtype of the saved tensors.", ("p.copy_(state[name])", "p.data = state[name].clone()"))
edit(
    SAVE,
    "thaws_while_loading",
    "Frozen adapters become trainable by loading.",
    ("p.copy_(state[name])", "p.copy_(state[name]); p.requires_grad_(True)"),
)
edit(SAVE, "adds_to_what_is_there", "The saved values are added to those that are there.", ("p.copy_(state[name])", "p.add_(state[name])"))
edit(SAVE, "empties_the_state", "The state is emptied by loading it.", ("p.copy_(state[name])", "p.copy_(state.pop(name))"))
edit(
    SAVE,
    "skips_frozen_adapters",
    "Adapters that can't be trained now are not loaded.",
    ("p.copy_(state[name])", "p.copy_(state[name] if p.requires_grad else p)"),
)
edit(
    SAVE,
    "zeroes_the_state",
    "The saved values are set to zero after loading; state stays as it came.",
    ("p.copy_(state[name])", "p.copy_(state[name]); state[name].zero_()"),
)
edit(
    SAVE,
    "swallows_the_errors",
    "The error is printed, and the call ends as if all were well.",
    ('        raise ValueError(f"these names', '        return print(f"these names'),
)


@variant(SAVE, provides="lora_state_dict")
def by_modules(model):
    """Right: module by module."""
    state = {}
    for path, part in model.named_modules():
        for letter in "AB":
            if part._parameters.get(letter) is not None:
                state[f"{path}.{letter}".lstrip(".")] = torch.clone(part._parameters[letter].data)
    return state


@variant(SAVE, provides="load_lora_state_dict")
def by_load_state_dict(model, state):
    """Right: PyTorch's own load_state_dict, after a strict comparison."""
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters() if name.rpartition(".")[2] in {"A", "B"}}
    if shapes != {name: tuple(value.shape) for name, value in state.items()}:
        raise ValueError("another adapter")
    model.load_state_dict(state, strict=False)


# ------------------------------------------------------------------------------------------------- merging

WEIGHT = "merged.weight.copy_(base.weight + alpha / A.shape[0] * B @ A)"

edit(MERGE, "ignores_alpha", "alpha is left out.", ("alpha / A.shape[0] * B @ A", "B @ A / A.shape[0]"))
edit(MERGE, "r_not_in_the_scale", "The scale is alpha; it must be alpha / r.", ("alpha / A.shape[0] * B", "alpha * B"))
edit(MERGE, "r_from_the_wrong_axis", "r is the size of A's first axis, not of its second.", ("alpha / A.shape[0]", "alpha / A.shape[1]"))
edit(MERGE, "r_from_B_rows", "r is the size of B's second axis, not of its first.", ("alpha / A.shape[0]", "alpha / B.shape[0]"))
edit(MERGE, "root_of_r", "The scale is alpha / √r; here it is alpha / r.", ("alpha / A.shape[0]", "alpha / A.shape[0] ** 0.5"))
edit(MERGE, "rounds_the_scale", "alpha // r rounds the scale down.", ("alpha / A.shape[0]", "alpha // A.shape[0]"))
edit(MERGE, "subtracts", "The adapter is subtracted.", ("base.weight + alpha", "base.weight - alpha"))
edit(MERGE, "only_the_adapter", "The base weight is missing.", ("base.weight + alpha", "alpha"))
edit(
    MERGE,
    "in_place",
    "The base weight itself is changed: a second call counts the adapter twice.",
    (WEIGHT, "base.weight += alpha / A.shape[0] * B @ A; merged.weight.copy_(base.weight)"),
)
edit(
    MERGE,
    "returns_the_base",
    "The base layer itself is changed and returned; the docstring asks for a new one.",
    (WEIGHT, "base.weight += alpha / A.shape[0] * B @ A; return base"),
)
edit(
    MERGE,
    "drops_the_bias",
    "The base layer's bias is lost.",
    ("bias=base.bias is not None", "bias=False"),
    ("if base.bias is not None:", "if False:"),
)
edit(MERGE, "random_bias", "The new layer keeps the random bias that it was made with.", ("merged.bias.copy_(base.bias)", "pass"))
edit(
    MERGE,
    "always_a_bias",
    "The new layer has a bias where the base has none.",
    ("bias=base.bias is not None", "bias=True"),
    ("if base.bias is not None:\n            merged.bias.copy_(base.bias)", "merged.bias.copy_(0 * merged.bias if base.bias is None else base.bias)"),
)
edit(
    MERGE,
    "scales_the_bias",
    "The bias is scaled like the adapter.",
    ("merged.bias.copy_(base.bias)", "merged.bias.copy_(base.bias * alpha / A.shape[0])"),
)
edit(MERGE, "adds_the_bias_twice", "The bias is counted twice.", ("merged.bias.copy_(base.bias)", "merged.bias.copy_(2 * base.bias)"))
edit(
    MERGE,
    "shares_the_bias",
    "The bias is the base layer's own: changing one changes both.",
    ("merged.bias.copy_(base.bias)", "merged.bias = base.bias"),
)
edit(
    MERGE,
    "always_float32",
    "The result is worked out in float32, and digits are lost.",
    (WEIGHT, "merged.weight.copy_(base.weight.float() + alpha / A.shape[0] * B.float() @ A.float())"),
)
edit(MERGE, "makes_float32", "The new layer is float32, whatever the base is.", (", dtype=base.weight.dtype", ""))
edit(
    MERGE,
    "A_times_B_where_it_fits",
    "B @ A is the change; A.T @ B.T is its transpose, and fits only a square layer.",
    ("B @ A)", "(A.T @ B.T if A.shape[1] == B.shape[0] else B @ A))"),
)
edit(
    MERGE,
    "keeps_a_history",
    "The weight still hangs on A and B; an optimizer refuses such a tensor.",
    (
        WEIGHT,
        "torch.set_grad_enabled(True); w = base.weight + alpha / A.shape[0] * B @ A; del merged.weight; merged.weight = w; torch.set_grad_enabled(False)",
    ),
)
edit(
    MERGE,
    "scales_the_caller",
    "B is scaled in place: the second call scales it again.",
    (WEIGHT, "B *= alpha / A.shape[0]; merged.weight.copy_(base.weight + B @ A)"),
)
edit(MERGE, "zeroes_the_adapter", "The adapter is set to zero after it was folded in; leave it as it came.", (WEIGHT, WEIGHT + "; B.zero_()"))
edit(
    MERGE,
    "remembers_the_first",
    "The layer is kept and given again for the same base, whatever A, B and alpha are.",
    ("def merge_lora(", "made = {}\n\n\ndef merge_lora("),
    ("    return merged", "    return made.setdefault(base, merged)"),
)
edit(
    MERGE,
    "freezes_the_adapter",
    "A and B can no longer be trained after the call.",
    (WEIGHT, WEIGHT + "; A.requires_grad_(False); B.requires_grad_(False)"),
)
edit(MERGE, "first_direction_only", "Only the first of the r directions is folded in.", ("B @ A)", "B[:, :1] @ A[:1])"))


@mutant(MERGE, provides="merge_lora")
class AWrapper(nn.Module):
    """A module that adds the two at every call is no merged layer; the result must be one nn.Linear."""

    def __init__(self, base, A, B, alpha):
        super().__init__()
        self.weight, self.bias = nn.Parameter(base.weight.detach() + alpha / len(A) * (B @ A).detach()), base.bias
        self.in_features, self.out_features = base.in_features, base.out_features

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias)


@variant(MERGE, provides="merge_lora")
def by_deepcopy(base, A, B, alpha):
    """Right: a deep copy, and addmm_ into its weight."""
    import copy

    merged = copy.deepcopy(base)
    merged.weight.data.addmm_(B.detach(), A.detach(), alpha=alpha / B.shape[1])
    return merged


@variant(MERGE, provides="merge_lora")
def by_new_parameters(base, A, B, alpha):
    """Right: outer products one by one, and new parameters."""
    out_features, in_features = base.weight.shape
    weight = base.weight.detach().clone()
    for row, column in zip(A.detach(), B.detach().T, strict=True):
        weight += torch.outer(column, row) * (alpha / A.shape[0])
    merged = nn.Linear(in_features, out_features, bias=False)
    merged.weight = nn.Parameter(weight, requires_grad=False)
    if base.bias is not None:
        merged.bias = nn.Parameter(base.bias.detach().clone())
    return merged


# ------------------------------------------------------------------------------------------------ four bits

CODES = "codes = torch.stack([packed >> 4, packed & 15], dim=-1).flatten(1).long()"

edit(QLORA, "swaps_the_halves", "The left weight of a pair is in the upper four bits.", ("[packed >> 4, packed & 15]", "[packed & 15, packed >> 4]"))
edit(
    QLORA,
    "halves_one_after_the_other",
    "All upper halves come first, then all lower ones; the two of a byte are neighbours.",
    (CODES, "codes = torch.cat([packed >> 4, packed & 15], dim=1).long()"),
)
edit(
    QLORA,
    "signed_codes",
    "The codes are read as numbers from −8 to 7; they are 0 to 15.",
    (".flatten(1).long()", ".flatten(1).long(); codes = (codes + 8) % 16"),
)
edit(
    QLORA,
    "codes_are_the_weights",
    "The code itself is used as the weight; it is a place in levels.",
    ("levels[codes]", "(codes.to(x.dtype) / 7.5 - 1)"),
)
edit(
    QLORA,
    "built_in_levels",
    "The levels are sorted first; the code is a place in levels as it is given.",
    ("levels[codes]", "levels.sort().values[codes]"),
)
edit(QLORA, "three_bits", "& 7 loses the highest bit of the lower half.", ("packed & 15]", "packed & 7]"))
edit(QLORA, "forgets_the_scale", "The blocks' scales are left out.", ("blocks * absmax.unsqueeze(-1)", "blocks"))
edit(QLORA, "divides_by_the_scale", "The levels are divided by the scale; that was on the way in.", ("blocks * absmax", "blocks / absmax"))
edit(QLORA, "one_scale_a_row", "The first scale of a row is used for all its blocks.", ("absmax.unsqueeze(-1)", "absmax[:, :1].unsqueeze(-1)"))
edit(QLORA, "one_scale_for_all", "The largest scale is used for all weights.", ("absmax.unsqueeze(-1)", "absmax.max()"))
edit(
    QLORA,
    "scatters_the_blocks",
    "Neighbours get different scales: the blocks are taken with a stride instead of as runs.",
    ("levels[codes].unflatten(1, (absmax.shape[1], -1))", "levels[codes].unflatten(1, (-1, absmax.shape[1]))"),
    ("absmax.unsqueeze(-1)", "absmax.unsqueeze(1)"),
)
edit(
    QLORA,
    "blocks_of_64",
    "The block is taken to be min(64, I); K follows from the shape of absmax.",
    ("absmax.unsqueeze(-1)).flatten(1)", "1).flatten(1) * absmax.repeat_interleave(min(64, codes.shape[1]), 1)[:, : codes.shape[1]]"),
)
edit(QLORA, "scales_of_the_wrong_rows", "The scales are read in the wrong order of rows.", ("absmax.unsqueeze(-1)", "absmax.flip(0).unsqueeze(-1)"))
edit(QLORA, "forgets_the_adapter", "The adapter is left out.", (" + alpha / A.shape[0] * (x @ A.T) @ B.T", ""))
edit(QLORA, "ignores_alpha", "alpha is left out.", ("+ alpha / A.shape[0] * (x", "+ 1 / A.shape[0] * (x"))
edit(QLORA, "ignores_the_sign", "alpha may be negative; its sign is lost.", ("alpha / A.shape[0]", "abs(alpha) / A.shape[0]"))
edit(
    QLORA,
    "levels_of_the_first_call",
    "The levels of the first call are kept; later calls may bring others.",
    ("def qlora_forward(", "kept = []\n\n\ndef qlora_forward("),
    ("levels[codes]", "(kept or kept.append(levels) or kept)[0][codes]"),
)
edit(QLORA, "r_not_in_the_scale", "The scale is alpha; it must be alpha / r.", ("alpha / A.shape[0]", "alpha"))
edit(QLORA, "r_from_the_wrong_axis", "r is the size of A's first axis.", ("alpha / A.shape[0]", "alpha / A.shape[1]"))
edit(
    QLORA,
    "scales_the_base_too",
    "The base's answer is scaled as well.",
    ("x @ W.T + alpha / A.shape[0] * (x @ A.T) @ B.T", "alpha / A.shape[0] * (x @ W.T + (x @ A.T) @ B.T)"),
)
edit(
    QLORA,
    "uint8_as_a_mask",
    "A uint8 tensor in square brackets is taken as a mask; convert the codes by long().",
    (".flatten(1).long()", ".flatten(1)"),
)
edit(
    QLORA,
    "without_gradients",
    "Everything runs under no_grad, so the adapter can't learn.",
    ("return x @ W.T", "torch.set_grad_enabled(False)\n    return x @ W.T"),
)
edit(
    QLORA,
    "cuts_the_gradient_to_x",
    "The base's part is cut off from x, so the layers below learn from the adapter alone.",
    ("return x @ W.T", "return x.detach() @ W.T"),
)
edit(QLORA, "cuts_the_gradient_of_A", "What A reads is detached, so A never learns.", ("(x @ A.T)", "(x @ A.T).detach()"))
edit(
    QLORA,
    "rounds_the_adapter_too",
    "The adapter is folded in and everything rounded to multiples of a sixteenth; only the base is in few bits.",
    ("return x @ W.T + alpha / A.shape[0] * (x @ A.T) @ B.T", "return x @ (W + alpha / A.shape[0] * B @ A).mul(16).round().div(16).T"),
)
edit(
    QLORA,
    "always_float32",
    "Everything is worked out in float32, and digits are lost.",
    (
        "return x @ W.T + alpha / A.shape[0] * (x @ A.T) @ B.T",
        "return (x.float() @ W.T.float() + alpha / A.shape[0] * (x.float() @ A.T.float()) @ B.T.float()).to(x.dtype)",
    ),
)
edit(
    QLORA,
    "two_axes_only",
    "x may have more axes than two; this one flattens them.",
    ("return x @ W.T", "x = x.reshape(-1, x.shape[-1])\n    return x @ W.T"),
)
edit(
    QLORA,
    "unpacks_in_place",
    "packed is shifted in place, and the caller's weights are gone.",
    ("packed >> 4, packed & 15]", "packed.clone() >> 4, packed & 15]"),
    ("    blocks =", "    packed >>= 4\n    blocks ="),
)
edit(
    QLORA,
    "doubles_the_scales",
    "The scales are changed in place; the arguments must stay as they came.",
    ("    return x @", "    absmax.mul_(2)\n    return x @"),
)


@variant(QLORA, provides="qlora_forward")
def by_repeat(x, packed, absmax, levels, A, B, alpha):
    """Right: strided writes into an empty matrix, scales repeated, F.linear."""
    codes = torch.empty(packed.shape[0], 2 * packed.shape[1], dtype=torch.int64)
    codes[:, ::2], codes[:, 1::2] = packed.int() // 16, packed.int() % 16
    weight = torch.take(levels, codes) * absmax.repeat_interleave(codes.shape[1] // absmax.shape[1], dim=1)
    linear = nn.functional.linear
    return linear(x, weight) + linear(linear(x, A), B) * (alpha / B.shape[1])


@variant(QLORA, provides="qlora_forward")
def by_one_matrix(x, packed, absmax, levels, A, B, alpha):
    """Right: row by row with plain Python, then one changed weight."""
    rows = []
    for bytes_of_row, scales in zip(packed.tolist(), absmax, strict=True):
        codes = [half for byte in bytes_of_row for half in divmod(byte, 16)]
        size = len(codes) // len(scales)
        rows.append(torch.stack([levels[code] * scales[at // size] for at, code in enumerate(codes)]))
    return torch.einsum("...i,oi->...o", x, torch.stack(rows) + alpha / len(A) * B @ A)
