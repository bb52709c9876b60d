"""Plausible wrong answers to p2_6_infrastructure, each with what its author should be told; and right answers written another way."""

import itertools
import math

from grader.mutation import edit, edit_variant, mutant, variant

MEMORY, FLOPS, COST = "infra-training-memory", "infra-training-flops", "infra-time-and-cost"
PLAN, SAVE, CLOUD = "infra-plan-parallelism", "infra-checkpoint-interval", "infra-cheapest-cloud"

# ---------------------------------------------------------------------------------------------- memory

edit(MEMORY, "twelve_bytes", "The optimizer is given 8 bytes a parameter, 12 in all: its fp32 copy of the weights is missing.", ("12 * n /", "8 * n /"))
edit(MEMORY, "counts_gibibytes", "The bytes are divided by 2**30: that gives GiB. Data sheets and this function use GB, 10**9 bytes.", ("size / 1e9", "size / 2**30"))
edit(MEMORY, "counts_accumulation", "All micro-batches are taken to be in memory at once; only one is. Divide the batch by accumulation.", ("batch // accumulation *", "batch *"))
edit(MEMORY, "gradients_for_each_micro_batch", "Each micro-batch is given gradients of its own; they are added up in one place.",
     ('"gradients": 2 * n /', '"gradients": accumulation * 2 * n /'))
edit(MEMORY, "multiplies_by_accumulation", "accumulation multiplies the micro-batch; it is the number of parts that the batch is cut into.", ("batch // accumulation *", "batch * accumulation *"))
edit(MEMORY, "gradients_in_fp32", "Gradients are counted with 4 bytes; here they are 16-bit numbers, 2 bytes.", ('"gradients": 2 * n', '"gradients": 4 * n'))
edit(MEMORY, "weights_in_fp32", "Weights are counted with 4 bytes; the copy in fp32 is part of the optimizer's 12.", ('"weights": 2 * n', '"weights": 4 * n'))
edit(MEMORY, "shards_weights_first", "ZeRO is applied in the wrong order: level 1 is the optimizer, level 2 adds the gradients, level 3 the weights.",
     ("ranks if zero >= 3", "ranks if zero >= 0 + 1"), ("12 * n / (ranks if zero >= 1", "12 * n / (ranks if zero >= 3"))
edit(MEMORY, "one_level_only", "Each level shards one part alone; the levels add up, so level 2 shards optimizer and gradients.",
     ("ranks if zero >= 1", "ranks if zero == 1"), ("ranks if zero >= 2", "ranks if zero == 2"))
edit(MEMORY, "shards_without_zero", "The optimizer is divided by the ranks even at level 0, where each GPU holds all of it.", ("ranks if zero >= 1", "ranks if zero >= 0"))
edit(MEMORY, "level_off_by_one", "The levels are one too low: gradients are sharded from level 2 on, not from level 1.", ("ranks if zero >= 2", "ranks if zero >= 1"))
edit(MEMORY, "shards_activations", "ZeRO divides the activations too; each rank reads its own sequences and keeps their activations.",
     ('config["layers"] * width * factor,', 'config["layers"] * width * factor / (ranks if zero else 1),'))
edit(MEMORY, "forgets_the_layers", "Activations are counted for one layer; every layer keeps its own.", ('* config["layers"] * width * factor', "* width * factor"))
edit(MEMORY, "forgets_the_sequence", "Activations are counted for each sequence, not for each token: multiply by the sequence length.", ("accumulation * sequence *", "accumulation *"))
edit(MEMORY, "forgets_the_scores", "The attention scores are missing, which are kept when nothing is recomputed.", ('34 + 5 * config["heads"] * sequence / width', "34"))
edit(MEMORY, "scores_without_heads", "The scores are counted once; each head has its own.", ('5 * config["heads"] * sequence / width', "5 * sequence / width"))
edit(MEMORY, "selective_keeps_scores", "Selective recomputation keeps the scores here, although it is they that are recomputed.",
     ('"selective": 34,', '"selective": 34 + 5 * config["heads"] * sequence / width,'))
edit(MEMORY, "full_keeps_nothing", "Full recomputation keeps nothing here; the input of each layer stays, 2 bytes a number.", ('"full": 2}', '"full": 0}'))
edit(MEMORY, "total_without_activations", "The total leaves the activations out.", ('sum(memory.values())', 'sum(memory.values()) - memory["activations"]'))
edit(MEMORY, "tells_bytes", "The sizes are in bytes; the docstring asks for GB.", ("size / 1e9", "size / 1"))


@mutant(MEMORY, provides="training_memory")
def always_selective(config, batch, accumulation=1, zero=0, ranks=1, recompute="none"):
    """The argument recompute is ignored: 34 bytes a number of the width, whatever is recomputed."""
    if batch % accumulation or zero not in (0, 1, 2, 3) or recompute not in ("none", "selective", "full"):
        raise ValueError
    sizes = [(2, 3), (2, 2), (12, 1)]
    bill = [size * config["parameters"] / (ranks if zero >= level else 1) / 1e9 for size, level in sizes]
    bill.append(batch // accumulation * config["sequence"] * config["layers"] * 34 * config["width"] / 1e9)
    return dict(zip(("weights", "gradients", "optimizer", "activations", "total"), [*bill, sum(bill)], strict=True))


@mutant(MEMORY, provides="training_memory")
def writes_into_the_config(config, batch, accumulation=1, zero=0, ranks=1, recompute="none"):
    """Intermediate results are written into the config, which belongs to the caller."""
    if batch % accumulation or zero not in (0, 1, 2, 3) or recompute not in ("none", "selective", "full"):
        raise ValueError
    config["factor"] = {"none": 34 + 5 * config["heads"] * config["sequence"] / config["width"], "selective": 34, "full": 2}[recompute]
    sizes = [(2, 3), (2, 2), (12, 1)]
    bill = [size * config["parameters"] / (ranks if zero >= level else 1) / 1e9 for size, level in sizes]
    bill.append(batch // accumulation * config["sequence"] * config["layers"] * config["width"] * config["factor"] / 1e9)
    return dict(zip(("weights", "gradients", "optimizer", "activations", "total"), [*bill, sum(bill)], strict=True))


@variant(MEMORY, provides="training_memory")
def part_by_part(config, batch, accumulation=1, zero=0, ranks=1, recompute="none"):
    """Right: one part after the other, scores counted apart."""
    if batch % accumulation or zero not in (0, 1, 2, 3) or recompute not in ("none", "selective", "full"):
        raise ValueError
    billions = config["parameters"] * 1e-9
    weights, gradients, optimizer = 2 * billions, 2 * billions, 12 * billions
    if zero > 0:
        optimizer /= ranks
    if zero > 1:
        gradients /= ranks
    if zero > 2:
        weights /= ranks
    tokens = batch / accumulation * config["sequence"]
    activations = tokens * config["layers"] * (2 if recompute == "full" else 34) * config["width"]
    if recompute == "none":
        activations += tokens * config["layers"] * 5 * config["heads"] * config["sequence"]
    activations *= 1e-9
    total = weights + gradients + optimizer + activations
    return {"total": total, "activations": activations, "optimizer": optimizer, "gradients": gradients, "weights": weights}


edit_variant(MEMORY, "counts_in_gigabytes_first", "Right: parameters in billions from the start, all else in GB at the end.", ('n, width, sequence = config["parameters"],', 'n, width, sequence = float(config["parameters"]),'))

# ----------------------------------------------------------------------------------------------- FLOPs

FORWARDS = "tokens * (3 * (weights + scores) + again)"
edit(FLOPS, "forward_only", "Only the forward pass is counted; the backward pass takes twice as much again.", ("3 * (weights + scores)", "1 * (weights + scores)"))
edit(FLOPS, "backward_like_forward", "The backward pass is counted like the forward pass; it takes twice as much, for it needs two gradients.", ("3 * (weights + scores)", "2 * (weights + scores)"))
edit(FLOPS, "counts_multiplications_only", "Each weight is counted once a token; a multiplication and an addition are two FLOPs.", ("weights = 2 *", "weights = 1 *"))
edit(FLOPS, "forgets_the_scores", "The attention scores are left out: this is the short form, 6 · parameters · tokens.", (FORWARDS, 'tokens * (3 * weights + {"none": 0, "selective": 0, "full": weights}[recompute])'))
edit(FLOPS, "scores_in_the_forward_only", "The backward pass of the scores is missing; it takes twice their forward pass.", ("3 * (weights + scores)", "3 * weights + scores"))
edit(FLOPS, "scores_of_one_product", "The scores are counted with 2 · sequence · width; there are two products, so 4.", ("scores = 4 *", "scores = 2 *"))
edit(FLOPS, "scores_of_one_layer", "The scores are counted for one layer; every layer has its own.", ('4 * config["layers"] * config["sequence"]', '4 * config["sequence"]'))
edit(FLOPS, "scores_without_sequence", "The scores don't grow with the sequence here; each token is compared with all of its sequence.", ('config["layers"] * config["sequence"] *', 'config["layers"] *'))
edit(FLOPS, "scores_squared", "The sequence length stands squared, but FLOPs are counted for each token: once is enough.", ('config["sequence"] *', 'config["sequence"] ** 2 *'))
edit(FLOPS, "all_experts", "All parameters are counted, although a token meets only the active ones.", ('config.get("active_parameters", config["parameters"])', 'config["parameters"]'))
edit(FLOPS, "takes_active_parameters_out", "active_parameters is taken out of the config with pop, and is missing there afterwards.",
     ('config.get("active_parameters", config["parameters"])', 'config.pop("active_parameters", config["parameters"])'))
edit(FLOPS, "needs_active_parameters", "A config without active_parameters fails; most models have none, and then all parameters count.",
     ('config.get("active_parameters", config["parameters"])', 'config["active_parameters"]'))
edit(FLOPS, "selective_does_weights", "Selective recomputation repeats the weights instead of the scores.", ('"selective": scores', '"selective": weights'))
edit(FLOPS, "full_repeats_the_step", "Full recomputation repeats the whole step; it repeats the forward pass.", ('"full": weights + scores', '"full": 3 * (weights + scores)'))
edit(FLOPS, "full_forgets_scores", "Full recomputation repeats the weights only; the scores belong to the forward pass too.", ('"full": weights + scores', '"full": weights'))
edit(FLOPS, "selective_is_free", "Selective recomputation costs nothing here; the scores are done once more.", ('"selective": scores', '"selective": 0'))
edit(FLOPS, "full_is_free", "Recomputation costs nothing here; the forward pass is done once more.", ('"full": weights + scores', '"full": 0'))
edit(FLOPS, "repeats_both_ways", "What is recomputed is counted three times; it is forward work, done once more.", ("+ again)", "+ 3 * again)"))
edit(FLOPS, "of_one_token", "The FLOPs of one token are returned: multiply by the tokens.", ("tokens * (3", "1 * (3"))
edit(FLOPS, "in_teraflops", "The result is in TFLOPs; the docstring asks for FLOPs.", (FORWARDS, FORWARDS + " / 1e12"))
edit(FLOPS, "recompute_per_run", "What is recomputed is added once for the whole run, not for each token.", (FORWARDS, "tokens * 3 * (weights + scores) + again"))


@variant(FLOPS, provides="training_flops")
def by_passes(config, tokens, recompute="none"):
    """Right: by the number of forward passes, four for full recomputation."""
    if recompute not in ("none", "selective", "full"):
        raise ValueError
    passes = 4 if recompute == "full" else 3
    active = config["active_parameters"] if "active_parameters" in config else config["parameters"]
    products = 4 * config["sequence"] * config["width"] * config["layers"]
    return float(2 * active * passes * tokens + products * tokens * (passes + (recompute == "selective")))


edit_variant(FLOPS, "six_and_twelve", "Right: 6 a parameter and 12 for the scores.", (FORWARDS, "tokens * (3 * weights + 3 * scores) + tokens * again"))

# -------------------------------------------------------------------------------------- time and cost

edit(COST, "in_seconds", "Seconds are returned as hours: divide by 3600.", ("* utilisation * goodput) / 3600", "* utilisation * goodput)"))
edit(COST, "forgets_tera", "The peak is in TFLOP/s, 10**12 FLOP/s; here it is taken for FLOP/s.", ("tflops[precision] * 1e12 *", "tflops[precision] *"))
edit(COST, "giga_for_tera", "TFLOP/s are taken for 10**9 FLOP/s; tera is 10**12.", ("tflops[precision] * 1e12 *", "tflops[precision] * 1e9 *"))
edit(COST, "runs_at_the_peak", "The utilisation is ignored: no run reaches the peak.", ("1e12 * utilisation * goodput", "1e12 * goodput"))
edit(COST, "multiplies_by_utilisation", "A low utilisation makes the run shorter here; it makes it longer.", ("flops / (tflops[precision] * 1e12 * utilisation * goodput)", "flops * utilisation / (tflops[precision] * 1e12 * goodput)"))
edit(COST, "ignores_goodput", "The lost time is left out: divide by the goodput too.", ("* utilisation * goodput", "* utilisation"))
edit(COST, "goodput_only_by_the_clock", "Lost time makes the days longer, but is left out of the GPU-hours; the GPUs are busy or waiting all the same.",
     ('"gpu_hours": gpu_hours', '"gpu_hours": gpu_hours * goodput'))
edit(COST, "goodput_is_free", "Lost time is not paid here; the machines are rented until the end.", ("dollars_per_machine_hour * hours}", "dollars_per_machine_hour * hours * goodput}"))
edit(COST, "always_bf16", "The peak is always that of bf16, whatever precision is asked for.", ("tflops[precision] *", 'tflops.get("bf16", tflops[precision]) *'))
edit(COST, "the_fastest_format", "The highest peak is taken, whatever precision is asked for.", ("tflops[precision] *", "max(tflops.values()) *"))
edit(COST, "days_of_one_gpu", "The days are those of a single GPU: divide by the number of GPUs.", ("hours = gpu_hours / gpus", "hours = gpu_hours"))
edit(COST, "tells_hours", "Hours are returned as days: divide by 24.", ("hours / 24", "hours"))
edit(COST, "broken_machines", "Parts of machines are rented; round the number of machines up.", ("-(-gpus // gpus_per_machine)", "gpus / gpus_per_machine"))
edit(COST, "rounds_machines_down", "The last machine is left out when it is not full: round up, not down.", ("-(-gpus // gpus_per_machine)", "max(1, gpus // gpus_per_machine)"))
edit(COST, "one_machine_too_many", "A machine too many is paid when all are full: 16 GPUs are two machines of 8.", ("-(-gpus // gpus_per_machine)", "gpus // gpus_per_machine + 1"))
edit(COST, "pays_for_each_gpu", "The price is that of a machine, and is asked for each GPU here.", ("machines * dollars", "gpus * dollars"))
edit(COST, "pays_by_the_day", "The price of an hour is asked once a day: multiply by hours.", ("dollars_per_machine_hour * hours}", "dollars_per_machine_hour * hours / 24}"))
edit(COST, "pays_gpu_hours", "Machines are multiplied by GPU-hours, which count every GPU already: multiply by the hours on the clock.", ("dollars_per_machine_hour * hours}", "dollars_per_machine_hour * gpu_hours}"))
edit(COST, "machines_of_eight", "Machines always have 8 GPUs here; gpus_per_machine says how many.", ("-(-gpus // gpus_per_machine)", "-(-gpus // 8)"))
edit(COST, "idle_gpus_work", "The idle GPUs of the last machine work too; only `gpus` do, the rest is paid and waits.",
     ("hours = gpu_hours / gpus\n    machines = -(-gpus // gpus_per_machine)", "machines = -(-gpus // gpus_per_machine)\n    hours = gpu_hours / (machines * gpus_per_machine)"))


@variant(COST, provides="training_time_and_cost")
def by_the_cluster(flops, tflops, gpus, utilisation=0.4, goodput=1.0, precision="bf16", dollars_per_machine_hour=0.0, gpus_per_machine=8):
    """Right: from the speed of the whole cluster."""
    if precision not in tflops or not 0 < utilisation <= 1 or not 0 < goodput <= 1 or gpus < 1:
        raise ValueError
    useful = gpus * tflops[precision] * utilisation * goodput * 10**12
    days = flops / useful / 60 / 60 / 24
    return {"days": days, "gpu_hours": days * 24 * gpus, "dollars": days * 24 * math.ceil(gpus / gpus_per_machine) * dollars_per_machine_hour}


edit_variant(COST, "rounds_up_otherwise", "Right: rounding up by adding before dividing.", ("-(-gpus // gpus_per_machine)", "(gpus + gpus_per_machine - 1) // gpus_per_machine"))

# ----------------------------------------------------------------------------------------------- plans

RULES = 'cluster["gpus_per_machine"] % t or H % t or gpus % (t * p) or batch % (gpus // (t * p))'
edit(PLAN, "tensor_leaves_the_machine", "Tensor parallel ranks lie on several machines, where links are slow: t must divide gpus_per_machine.",
     ('for t in range(1, cluster["gpus_per_machine"] + 1)', "for t in range(1, gpus + 1)"), (RULES, "H % t or gpus % (t * p) or batch % (gpus // (t * p))"))
edit(PLAN, "splits_heads", "Heads are cut in two: t must divide the number of heads.", (RULES, 'cluster["gpus_per_machine"] % t or gpus % (t * p) or batch % (gpus // (t * p))'))
edit(PLAN, "odd_tensor", "t need not divide the machine here, so a group of ranks lies across two machines.", (RULES, "H % t or gpus % (t * p) or batch % (gpus // (t * p))"))
edit(PLAN, "more_copies_than_sequences", "There are more copies than sequences, or shares of unequal size: d must divide batch.", (RULES, 'cluster["gpus_per_machine"] % t or H % t or gpus % (t * p)'))
edit(PLAN, "layers_divide_evenly", "Only stages with equally many layers are tried; the docstring lets the first stage have more.", ("gpus % (t * p) or batch", "L % p or gpus % (t * p) or batch"))
edit(PLAN, "rounds_layers_down", "The stage is taken to have layers / p rounded down; the first stage has the most, rounded up.", ("-(-L // p)", "L // p"))
edit(PLAN, "average_stage", "The average stage is counted, not the fullest: round layers / p up.", ("-(-L // p)", "L / p"))
edit(PLAN, "power_of_two_pipelines", "Only powers of two are tried as numbers of stages; every p that divides will do.", ("gpus % (t * p) or batch", "p & (p - 1) or gpus % (t * p) or batch"))
edit(PLAN, "no_pipeline", "Pipelines are never tried.", ("for p in range(1, L + 1)", "for p in (1,)"))
edit(PLAN, "no_tensor", "Tensor parallel is never tried.", ('for t in range(1, cluster["gpus_per_machine"] + 1)', "for t in (1,)"))
edit(PLAN, "pipeline_one_short", "p stops one short of the number of layers; a stage of a single layer is allowed.", ("for p in range(1, L + 1)", "for p in range(1, L)"))
edit(PLAN, "pipelines_inside_a_machine", "No more than eight stages are tried; pipelines may go through many machines, up to a stage for each layer.", ("for p in range(1, L + 1)", "for p in range(1, min(L, 8) + 1)"))
edit(PLAN, "pipeline_first", "Of two equal splits the one with more stages is taken; tensor parallel has no bubble and wins the tie.",
     ("plans.append((t * p, p, t,", "plans.append((t * p, -p, t,"), ("_, p, t, d, memory, bubble = min(plans)", "_, p, t, d, memory, bubble = min(plans)\n    p = -p"))
edit(PLAN, "least_memory", "The plan that needs least memory is taken, the finest split; split no further than needed.", ("min(plans)", "min(plans, key=lambda plan: plan[4])"))
edit(PLAN, "smallest_pipeline", "The smallest pipeline is taken first; the smallest t · p comes first, and the pipeline settles ties.", ("min(plans)", "min(plans, key=lambda plan: (plan[1], plan[0]))"))
edit(PLAN, "fewest_bubbles", "The plan with the smallest bubble is taken; the rule is the smallest t · p.", ("min(plans)", "min(plans, key=lambda plan: (plan[5], plan[0]))"))
edit(PLAN, "no_reserve", "The reserve is ignored, and the memory filled to the last byte.", ('(1 - cluster["reserve"]) * cluster["memory"]', 'cluster["memory"]'))
edit(PLAN, "fills_the_reserve", "Only the reserve is used; it is the share to keep free.", ('(1 - cluster["reserve"]) * cluster["memory"]', '(cluster["reserve"] or 1) * cluster["memory"]'))
edit(PLAN, "whole_optimizer", "Every copy holds the whole optimizer; ZeRO-1 divides its 12 bytes by d.", ("(4 + 12 / d)", "(4 + 12)"))
edit(PLAN, "shards_everything", "ZeRO-1 divides the optimizer only; here weights and gradients are divided by d too.", ("(4 + 12 / d)", "(16 / d)"))
edit(PLAN, "tensor_leaves_states_whole", "Tensor parallel does not divide the states here; each rank holds 1 / t of them.", ("N * stage / L / t *", "N * stage / L *"))
edit(PLAN, "tensor_leaves_activations_whole", "Tensor parallel does not divide the activations here; each rank holds 1 / t of them.", ("T * C * factor / t", "T * C * factor"))
edit(PLAN, "one_micro_batch_in_flight", "One micro-batch is taken to be in flight; the first stage has min(p, m) of them.", ("stage * min(p, m) * T", "stage * T"))
edit(PLAN, "all_micro_batches_in_flight", "All m micro-batches are taken to be in flight; the first of them comes back after p.", ("stage * min(p, m)", "stage * m"))
edit(PLAN, "always_p_in_flight", "p micro-batches are taken to be in flight, even if there are fewer.", ("stage * min(p, m)", "stage * p"))
edit(PLAN, "ignores_recompute", "The kind of recomputation is ignored.", ('[model["recompute"]]', '["selective"]'))
edit(PLAN, "counts_gibibytes", "Memory is counted in GiB and compared with GB.", ("(states + activations) / 1e9", "(states + activations) / 2**30"))
edit(PLAN, "bubble_of_p", "The bubble has p + m in its denominator; m micro-batches through p stages take m + p − 1 turns.", ("memory, (p - 1) / (m + p - 1)", "memory, (p - 1) / (m + p)"))
edit(PLAN, "bubble_by_work", "The bubble is given as a part of the working time; it is asked as a share of the whole.", ("memory, (p - 1) / (m + p - 1)", "memory, (p - 1) / m"))
edit(PLAN, "bubble_of_the_batch", "The bubble is worked out with the whole batch; a pipeline gets batch / d micro-batches.", ("memory, (p - 1) / (m + p - 1)", "memory, (p - 1) / (batch + p - 1)"))
edit(PLAN, "returns_none", "None is returned where nothing fits; the docstring asks for a ValueError.", ('raise ValueError("no plan fits")', "return None"))
edit(PLAN, "takes_the_first", "The first plan that fits is taken, in the order of the loops; compare all that fit.", ("min(plans)", "plans[0]"))
edit(PLAN, "takes_the_last", "The last plan that fits is taken; compare all that fit.", ("min(plans)", "plans[-1]"))


@variant(PLAN, provides="plan_parallelism")
def grows_the_group(model, cluster):
    """Right: tries groups of 1, 2, 3 … GPUs and returns at the first that fits, widest tensor first."""
    L = model["layers"]
    per_layer = {"none": 34 * model["width"] + 5 * model["heads"] * model["sequence"], "selective": 34 * model["width"], "full": 2 * model["width"]}
    for group in range(1, cluster["gpus"] + 1):
        d, rest = divmod(cluster["gpus"], group)
        if rest or model["batch"] % d:
            continue
        for t in range(group, 0, -1):
            if group % t or math.gcd(cluster["gpus_per_machine"], model["heads"]) % t or group // t > L:
                continue
            p, m = group // t, model["batch"] // d
            deepest = max(len(range(stage, L, p)) for stage in range(p))
            memory = deepest / t * (model["parameters"] / L * (4 + 12 / d) + min(p, m) * model["sequence"] * per_layer[model["recompute"]]) / 1e9
            if memory <= cluster["memory"] - cluster["reserve"] * cluster["memory"]:
                return {"tensor": t, "pipeline": p, "data": d, "memory": memory, "bubble": 1 - m / (m + p - 1)}
    raise ValueError


@variant(PLAN, provides="plan_parallelism")
def by_product(model, cluster):
    """Right: all combinations from itertools, sorted before the first that fits is taken."""
    t_all, p_all = range(1, cluster["gpus"] + 1), range(1, model["layers"] + 1)
    for t, p in sorted(itertools.product(t_all, p_all), key=lambda pair: (pair[0] * pair[1], pair[1])):
        fair = cluster["gpus_per_machine"] % t == model["heads"] % t == cluster["gpus"] % (t * p) == 0
        d = cluster["gpus"] // (t * p)
        if not fair or model["batch"] % d:
            continue
        m, held = model["batch"] // d, math.ceil(model["layers"] / p)
        factor = 2 if model["recompute"] == "full" else 34 + (5 * model["heads"] * model["sequence"] / model["width"] if model["recompute"] == "none" else 0)
        size = held * (model["parameters"] * (2 + 2 + 12 / d) / model["layers"] + min(p, m) * model["sequence"] * model["width"] * factor) / t / 10**9
        if size <= (1 - cluster["reserve"]) * cluster["memory"]:
            return dict(tensor=t, pipeline=p, data=d, memory=size, bubble=(p - 1) / (m + p - 1))
    raise ValueError("too small a cluster")


# ----------------------------------------------------------------------------------------- checkpoints

LOST = "cost / interval + (interval / 2 + restart) / between"
edit(SAVE, "forgets_the_two", "The 2 under the root is missing: half an interval is lost at a failure, not all of it.", ("(2 * cost * between)", "(cost * between)"))
edit(SAVE, "forgets_the_root", "The root is missing.", ("** 0.5", "** 1"))
edit(SAVE, "mtbf_of_one_machine", "The MTBF of one machine is taken for that of the job; the job stops when any machine fails.", ("between = mtbf / machines", "between = mtbf"))
edit(SAVE, "multiplies_by_machines", "More machines make the job more reliable here; divide the MTBF by their number.", ("between = mtbf / machines", "between = mtbf * machines"))
edit(SAVE, "root_of_machines", "The MTBF is divided by the root of the machines; each machine adds its own failures, so by their number.", ("between = mtbf / machines", "between = mtbf / machines**0.5"))
edit(SAVE, "each_machine_saves", "The cost is multiplied by the number of machines; they save at the same time.", ("(2 * cost * between)", "(2 * cost * machines * between)"))
edit(SAVE, "loses_whole_intervals", "A whole interval is lost at each failure here; on average it is half of one.", (LOST, "cost / interval + (interval + restart) / between"))
edit(SAVE, "forgets_saving", "The time that saving takes is left out of the lost share.", (LOST, "(interval / 2 + restart) / between"))
edit(SAVE, "forgets_restarts", "The restarts are left out of the lost share.", (LOST, "cost / interval + interval / 2 / between"))
edit(SAVE, "restart_under_the_root", "The restart changes the interval here; it costs the same whatever the interval is.", ("(2 * cost * between)", "(2 * (cost + restart) * between)"))
edit(SAVE, "restart_at_each_checkpoint", "The restart is paid at each checkpoint; it is paid at each failure.", (LOST, "(cost + restart) / interval + interval / 2 / between"))
edit(SAVE, "restart_as_a_share", "The restart is added as it is; it comes once every M, so restart / M.", (LOST, "cost / interval + interval / 2 / between + restart"))
edit(SAVE, "halves_the_restart", "Half a restart is counted at each failure; half belongs to the interval only.", (LOST, "cost / interval + (interval + restart) / 2 / between"))
edit(SAVE, "never_gives_up", "A job that would lose all its time gets an answer; the docstring asks for a ValueError.", ("if lost >= 1:", "if False:"))
edit(SAVE, "gives_up_above_two", "Only a loss above 2 is refused; at 1 no time is left.", ("if lost >= 1:", "if lost > 2:"))
edit(SAVE, "gives_up_early", "A job that loses more than half its time is refused; it still ends.", ("if lost >= 1:", "if lost >= 0.5:"))
edit(SAVE, "forgets_restarts_when_giving_up", "Restarts alone can take all the time: test the lost share with them.", ("if lost >= 1:", "if lost - restart / between >= 1:"))
edit(SAVE, "in_percent", "The share is given in per cent.", ("return interval, lost", "return interval, 100 * lost"))
edit(SAVE, "subtracts_the_cost", "The cost is taken off the interval; that belongs to Daly's refinement, which also adds two terms.", ("return interval, lost", "return interval - cost, lost"))
edit(SAVE, "clips_the_loss", "The lost share is cut at 1 where an error is asked for.", ('if lost >= 1:\n        raise ValueError(f"failures every {between:.3g} eat all the time")', "lost = min(lost, 1.0)"))


@variant(SAVE, provides="checkpoint_interval")
def by_failure_rate(mtbf, cost, machines=1, restart=0.0):
    """Right: by the rate of failures; at the optimum both parts are equal."""
    if mtbf <= 0 or cost <= 0 or machines < 1:
        raise ValueError
    rate = machines / mtbf
    lost = math.sqrt(2 * cost * rate) + restart * rate
    if not lost < 1:
        raise ValueError
    return [math.sqrt(2 * cost / rate), lost]


edit_variant(SAVE, "adds_in_another_order", "Right: the restart apart.", (LOST, "restart / between + interval / (2 * between) + cost / interval"))

# ---------------------------------------------------------------------------------------------- clouds

RATE = 'offer["interruptions"] * machines'
LOSS = 'job["checkpoint"] / tau + rate * (tau / 2 + job["restart"])'
edit(CLOUD, "ignores_interruptions", "Interruptions are ignored, so spot always looks cheap: work out the lost share.", ("if rate > 0:", "if False:"))
edit(CLOUD, "one_machine_interrupts", "The rate is that of one machine; any of the machines stops the whole job, so multiply by their number.", (RATE, 'offer["interruptions"]'))
edit(CLOUD, "forgets_restarts", "Restarts are free here; each interruption costs one.", (LOSS, 'job["checkpoint"] / tau + rate * tau / 2'))
edit(CLOUD, "forgets_saving", "Half of the loss is missing: saving costs checkpoint / tau, and the work that is done again costs as much.", (LOSS, 'rate * (tau / 2 + job["restart"])'))
edit(CLOUD, "forgets_the_two", "The 2 under the root is missing.", ('(2 * job["checkpoint"] / rate)', '(job["checkpoint"] / rate)'))
edit(CLOUD, "adds_the_loss", "The work grows by the factor 1 + lost; the lost share is a share of the whole time, so divide by 1 − lost.", ("        hours = work / (1 - lost)\n        dollars", "        hours = work * (1 + lost)\n        dollars"))
edit(CLOUD, "goes_negative", "An offer that loses more than all its time is not ruled out, and its hours become negative.", ("if lost >= 1:", "if lost == 1:"))
edit(CLOUD, "clips_the_loss", "A loss above 1 is cut to 0.99, so a job that never ends has a price; rule the offer out.", ("        if lost >= 1:\n            continue\n", "        lost = min(lost, 0.99)\n"))
edit(CLOUD, "only_restarts_end_it", "Only the restarts are compared with 1; checkpoints and work done again take their share too.", ("if lost >= 1:", 'if rate * job["restart"] >= 1:'))
edit(CLOUD, "lost_time_is_free", "The lost hours are not paid here; the machines are rented all the same.", ("        dollars = hours * machines", "        dollars = work * machines"))
edit(CLOUD, "deadline_without_losses", "The deadline is tested before the lost time is added.", ("if hours <= job", "if work <= job"))
edit(CLOUD, "ignores_the_deadline", "The deadline is ignored.", ('if hours <= job["deadline"] and (', "if ("))
edit(CLOUD, "ignores_memory", "GPUs with too little memory are taken.", ('offer["memory"] < job["memory"] or ', ""))
edit(CLOUD, "wants_more_memory", "A GPU with exactly the memory asked for is ruled out; it will do.", ('offer["memory"] < job["memory"]', 'offer["memory"] <= job["memory"]'))
edit(CLOUD, "ignores_the_region", "Offers in other regions are taken.", ("or wrong_place or", "or"))
edit(CLOUD, "none_is_no_region", "regions=None rules out everything; it means any region.", ('job["regions"] is not None and offer["region"] not in job["regions"]', 'offer["region"] not in (job["regions"] or [])'))
edit(CLOUD, "empty_is_any_region", "An empty list of regions is taken for any region; only None is.", ('job["regions"] is not None and', 'job["regions"] and'))
edit(CLOUD, "ignores_how_many_there_are", "More machines are rented than there are.", (' or machines > offer["machines"]', ""))
edit(CLOUD, "wants_a_spare_machine", "An offer with exactly enough machines is ruled out; it will do.", ('machines > offer["machines"]', 'machines >= offer["machines"]'))
edit(CLOUD, "rounds_machines_down", "The number of machines is rounded down, so there are fewer GPUs than the job asks for.", ('-(-job["gpus"] // offer["gpus"])', 'max(1, job["gpus"] // offer["gpus"])'))
edit(CLOUD, "leaves_gpus_idle", "Only as many GPUs work as the job asked for; all GPUs of the rented machines do.", ('machines * offer["gpus"] * offer["tflops"]', 'job["gpus"] * offer["tflops"]'))
edit(CLOUD, "runs_at_the_peak", "The utilisation is ignored.", ('1e12 * job["utilisation"] * 3600', "1e12 * 3600"))
edit(CLOUD, "in_seconds", "The work is counted in seconds and paid as hours.", ('job["utilisation"] * 3600', 'job["utilisation"]'))
edit(CLOUD, "cheapest_hour", "The offer with the cheapest machine hour is taken; a fast machine may finish for less.", ('dollars < best["dollars"]', 'offer["dollars"] < price'),
     ('best = {"name"', 'price = offer["dollars"]\n            best = {"name"'))
edit(CLOUD, "fastest", "The fastest offer is taken, not the cheapest.", ('dollars < best["dollars"]', 'hours < best["hours"]'))
edit(CLOUD, "price_of_one_machine", "Only one machine is paid.", ('hours * machines * offer["dollars"]', 'hours * offer["dollars"]'))
edit(CLOUD, "pays_for_gpus", "The price of a machine is asked for each GPU.", ('hours * machines * offer["dollars"]', 'hours * machines * offer["gpus"] * offer["dollars"]'))
edit(CLOUD, "ignores_egress", "The data that is taken home is not paid.", (' + job["gigabytes_out"] * offer["egress"]', ""))
edit(CLOUD, "egress_from_each_machine", "The egress is paid for each machine; the files leave once.", ('job["gigabytes_out"] *', 'machines * job["gigabytes_out"] *'))
edit(CLOUD, "decides_without_egress", "The egress is added to the price, but the offers are compared without it.", ('dollars < best["dollars"]', 'hours * machines * offer["dollars"] < price'),
     ('best = {"name"', 'price = hours * machines * offer["dollars"]\n            best = {"name"'))
edit(CLOUD, "last_of_the_cheapest", "Of offers that cost the same the last is taken; the docstring asks for the first.", ('dollars < best["dollars"]', 'dollars <= best["dollars"]'))
edit(CLOUD, "first_that_will_do", "The first offer that will do is taken; compare all of them.", ('(best is None or dollars < best["dollars"])', "best is None"))
edit(CLOUD, "raises_for_nothing", "An error is raised where no offer will do; the docstring asks for None.", ("    return best", '    if best is None:\n        raise ValueError("nothing")\n    return best'))
edit(CLOUD, "saves_without_need", "Checkpoints are saved on demand too, every ten of their lengths, although nothing interrupts the job.", ("lost, rate = 0.0,", "lost, rate = 0.1,"))


@mutant(CLOUD, provides="cheapest_cloud")
def sorts_the_offers_in_place(offers, job):
    """The list of offers is sorted in place, and belongs to the caller."""
    offers.sort(key=lambda offer: offer["dollars"], reverse=True)
    best = None
    for offer in offers:
        machines = -(-job["gpus"] // offer["gpus"])
        if offer["memory"] < job["memory"] or (job["regions"] is not None and offer["region"] not in job["regions"]) or machines > offer["machines"]:
            continue
        rate = offer["interruptions"] * machines
        lost = (2 * job["checkpoint"] * rate) ** 0.5 + rate * job["restart"]
        if lost < 1:
            hours = job["flops"] / (machines * offer["gpus"] * offer["tflops"] * 1e12 * job["utilisation"] * 3600) / (1 - lost)
            dollars = hours * machines * offer["dollars"] + job["gigabytes_out"] * offer["egress"]
            if hours <= job["deadline"] and (best is None or dollars < best["dollars"]):
                best = {"name": offer["name"], "machines": machines, "hours": hours, "dollars": dollars}
    return best


@variant(CLOUD, provides="cheapest_cloud")
def by_a_helper(offers, job):
    """Right: a helper for one offer, then min(), which takes the first of equals."""

    def worked_out(offer):
        machines = math.ceil(job["gpus"] / offer["gpus"])
        rate = machines * offer["interruptions"]
        lost = math.sqrt(2 * job["checkpoint"] * rate) + rate * job["restart"]
        fits = offer["memory"] >= job["memory"] and offer["machines"] >= machines and lost < 1
        if not fits or (job["regions"] is not None and offer["region"] not in job["regions"]):
            return None
        seconds = job["flops"] / (machines * offer["gpus"] * offer["tflops"] * 10**12 * job["utilisation"])
        hours = seconds / 3600 / (1 - lost)
        if hours > job["deadline"]:
            return None
        return {"name": offer["name"], "dollars": machines * hours * offer["dollars"] + offer["egress"] * job["gigabytes_out"], "hours": hours, "machines": machines}

    return min(filter(None, map(worked_out, offers)), key=lambda found: found["dollars"], default=None)


edit_variant(CLOUD, "by_infinity", "Right: compares with infinity instead of None.", ('(best is None or dollars < best["dollars"])', 'dollars < (best or {"dollars": float("inf")})["dollars"]'))
