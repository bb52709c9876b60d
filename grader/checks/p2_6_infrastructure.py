"""Checks for p2_6_infrastructure.

Definitions: Rajbhandari et al. 2019, arXiv:1910.02054 and Korthikanti et al. 2022, arXiv:2205.05198 (memory) · Chowdhery et al. 2022,
arXiv:2204.02311 (FLOPs, utilisation) · Narayanan et al. 2021, arXiv:2104.04473 (plans) · Young 1974 (checkpoints).
"""

import math

import pytest

from grader.judge import Exercise, core, expect

KINDS = ("none", "selective", "full")
MODEL = {"parameters": 3_000_000_000, "layers": 10, "width": 1536, "heads": 12, "sequence": 700}


def some_model(dice, **fixed):
    """A model of random shape; parameters and shape need not go together."""
    heads = dice.choice([2, 4, 6, 8, 12])
    return {
        "parameters": dice.randrange(10**8, 10**11), "layers": dice.randint(3, 40), "width": heads * dice.choice([32, 64, 96]),
        "heads": heads, "sequence": dice.randrange(100, 5000), **fixed,
    }  # fmt: skip


def kept_bytes(model, recompute):
    """Bytes of activations that one token leaves on one layer."""
    if recompute == "full":
        return 2 * model["width"]
    scores = 5 * model["heads"] * model["sequence"] if recompute == "none" else 0
    return 34 * model["width"] + scores


def same(got, want, why, called="", *, rtol=1e-6):
    """Dicts of numbers, equal up to rounding."""
    expect.true(isinstance(got, dict), "it must return a dict", got=got, called=called)
    expect.close(got, want, atol=1e-9, rtol=rtol, why=why, called=called)


def in_short(got, *keys):
    """A dict as the list of these values, so that fingerprints stay small; anything else as it is."""
    return [got.get(key) for key in keys] + [len(got)] if isinstance(got, dict) else got


# --------------------------------------------------------------------------------------------- memory


def memory_bill(config, batch, accumulation=1, zero=0, ranks=1, recompute="none"):
    """What is in memory, in GB, part by part."""
    shards = {"weights": (2, 3), "gradients": (2, 2), "optimizer": (12, 1)}  # bytes, and the level that shards it
    bill = {part: size * config["parameters"] / (ranks if zero >= level else 1) / 1e9 for part, (size, level) in shards.items()}
    tokens = batch / accumulation * config["sequence"]
    bill["activations"] = tokens * config["layers"] * kept_bytes(config, recompute) / 1e9
    return {**bill, "total": math.fsum(bill.values())}


class TestTrainingMemory(Exercise, id="infra-training-memory"):
    """Exercise infra-training-memory."""

    def agree(self, submission, cases, why):
        for case, got in zip(cases, submission.each("training_memory", cases), strict=True):
            same(got, memory_bill(*case), why)

    def probe(self, submission):
        """The three kinds of recomputation, micro-batches, the levels of ZeRO, three refusals."""
        cases = [(MODEL, 6, 1, 0, 1, kind) for kind in KINDS] + [(MODEL, 6, 3), (MODEL, 12, 2, 0, 5), (MODEL, 1)]
        cases += [(MODEL, 2, 1, zero, 6, "selective") for zero in (1, 2, 3)] + [({**MODEL, "heads": 3, "width": 900}, 4, 4, 3, 2)]
        cases += [(MODEL, 5, 2), (MODEL, 4, 1, 4), (MODEL, 4, 1, 0, 1, "some")]
        kept = submission.keep(dict(MODEL))
        submission.training_memory(kept, 4)
        parts = ("weights", "gradients", "optimizer", "activations", "total")
        return [*(in_short(got, *parts) for got in submission.each("training_memory", cases)), in_short(submission.value(kept), *sorted(MODEL))]

    @core
    def test_sixteen_bytes_a_parameter(self, submission, dice):
        """Weights, gradients and optimizer take 2, 2 and 12 bytes a parameter, in GB of 10⁹ bytes."""
        model = some_model(dice, parameters=5_000_000_000)
        got = submission.training_memory(model, 2)
        expect.true(isinstance(got, dict), "it must return a dict", got=got)
        for part, want in (("weights", 10.0), ("gradients", 10.0), ("optimizer", 60.0)):
            expect.close(got.get(part), want, atol=1e-9, rtol=1e-6, why="a GB is 10⁹ bytes; the optimizer holds a copy of the weights and two means, 4 bytes each")

    @core
    @pytest.mark.parametrize("kind", KINDS)
    def test_activations(self, submission, dice, kind):
        """Each layer keeps, for each token in flight, what this kind of recomputation leaves; the total is the sum of the parts."""
        cases = [(some_model(dice), dice.randint(1, 9), 1, 0, 1, kind) for _ in range(4)]
        self.agree(submission, cases, "tokens in flight × layers × bytes that a layer keeps of each token")

    def test_one_micro_batch_at_a_time(self, submission, dice):
        """Micro-batches come one after the other: only one of them is in memory, and gradients are added up in one place."""
        cases = [(some_model(dice), 12 * dice.randint(1, 4), parts, 0, 1, "selective") for parts in (1, 2, 3, 4, 6, 12)]
        self.agree(submission, cases, "the activations are those of batch / accumulation sequences; nothing else changes")

    def test_the_first_level_of_zero(self, submission, dice):
        """Level 1 shards the optimizer and nothing else."""
        self.agree(submission, [(some_model(dice), 2, 1, 1, ranks, dice.choice(KINDS)) for ranks in (1, 2, 7, 64)], "level 1 divides only the optimizer by the number of ranks")

    @pytest.mark.parametrize("zero", [2, 3])
    def test_higher_levels_of_zero(self, submission, dice, zero):
        """Level 2 shards optimizer and gradients, level 3 also the weights; activations never."""
        cases = [(some_model(dice), 2, 1, zero, ranks, dice.choice(KINDS)) for ranks in (1, 2, 7, 64)]
        self.agree(submission, cases, "level n divides the last n of weights, gradients, optimizer by the number of ranks")

    def test_without_zero_ranks_do_not_matter(self, submission, dice):
        """At level 0 every GPU holds all of it, however many GPUs there are."""
        self.agree(submission, [(some_model(dice), 2, 1, 0, ranks) for ranks in (2, 16)], "plain data parallel training copies everything")

    def test_what_may_be_left_out(self, submission, dice):
        """Without further arguments: one micro-batch, no ZeRO, no recomputation."""
        self.agree(submission, [(some_model(dice), dice.randint(1, 5)) for _ in range(2)], "the defaults are in the stub")

    def test_refuses_what_does_not_exist(self, submission):
        """Uneven micro-batches, unknown levels and unknown kinds of recomputation raise ValueError."""
        self.agree(submission, [(MODEL, 4, 2, 3, 1, "full")], "all of these exist")
        for case in ((MODEL, 5, 2), (MODEL, 4, 1, 4), (MODEL, 4, 1, 0, 1, "half")):
            expect.raises("ValueError", submission.training_memory, *case, why="these tests were given; leave them where they are")

    def test_leaves_config_alone(self, submission):
        """The config is the same after the call as before."""
        kept = submission.keep(dict(MODEL))
        submission.training_memory(kept, 4, 2, 1, 4)
        expect.equal(submission.value(kept), MODEL, why="it belongs to the caller")


# ---------------------------------------------------------------------------------------------- FLOPs


def all_flops(config, tokens, recompute="none"):
    """FLOPs, one kind of work after the other: what the weights do, then what the scores do."""
    active = config.get("active_parameters", config["parameters"])
    passes = {"none": (3, 3), "selective": (3, 4), "full": (4, 4)}[recompute]  # how often: weights, scores
    return tokens * (passes[0] * 2 * active + passes[1] * config["layers"] * 4 * config["sequence"] * config["width"])


class TestTrainingFlops(Exercise, id="infra-training-flops"):
    """Exercise infra-training-flops."""

    def agree(self, submission, cases, why):
        for case, got in zip(cases, submission.each("training_flops", cases), strict=True):
            expect.close(got, float(all_flops(*case)), atol=0.0, rtol=1e-9, why=why)

    def probe(self, submission):
        """The three kinds, short and long sequences, a mixture of experts, other tokens; one refusal."""
        long, experts = {**MODEL, "sequence": 50_000}, {**MODEL, "active_parameters": 400_000_000}
        cases = [(model, 1000, kind) for model in (MODEL, long, experts) for kind in KINDS] + [(MODEL, 1), (MODEL, 2e12), (MODEL, 7, "half")]
        kept = submission.keep({**MODEL, "active_parameters": 400_000_000})
        submission.training_flops(kept, 10)
        return [*submission.each("training_flops", cases), len(submission.value(kept))]

    @core
    def test_weights_and_scores(self, submission, dice):
        """Training takes three forward passes, and a forward pass is weights and scores."""
        cases = [(some_model(dice), dice.randrange(1, 10**6)) for _ in range(4)] + [(some_model(dice, sequence=10**6), 10)]
        self.agree(submission, cases, "for each token: 3 · (2 · parameters + 4 · layers · sequence · width)")

    @core
    @pytest.mark.parametrize("kind", ["selective", "full"])
    def test_recomputation(self, submission, dice, kind):
        """Selective recomputation does the scores of the forward pass once more, full recomputation the whole forward pass."""
        cases = [(some_model(dice, sequence=length), 1000, kind) for length in (50, 2000, 10**6)]
        self.agree(submission, cases, "what is recomputed is a part of the forward pass, and it is done once more")

    def test_tokens(self, submission, dice):
        """Twice the tokens, twice the work; the number of tokens may be a float such as 2e12."""
        model = some_model(dice)
        self.agree(submission, [(model, tokens) for tokens in (1, 2, 1000, 2e12)], "every token costs the same")

    def test_a_mixture_of_experts(self, submission, dice):
        """A token meets the active parameters only, also when it is recomputed."""
        cases = [(some_model(dice, active_parameters=dice.randrange(10**7, 10**8)), 500, kind) for kind in KINDS]
        self.agree(submission, cases, "where the config has active_parameters, they count in place of parameters")

    def test_leaves_config_alone(self, submission):
        """The config is the same after the call as before."""
        config = {**MODEL, "active_parameters": 10**8}
        kept = submission.keep(dict(config))
        submission.training_flops(kept, 10)
        expect.equal(submission.value(kept), config, why="it belongs to the caller")

    def test_refuses_unknown_recomputation(self, submission):
        """An unknown kind of recomputation raises ValueError."""
        self.agree(submission, [(MODEL, 10, "full")], "this one exists")
        expect.raises("ValueError", submission.training_flops, MODEL, 10, "half", why="this test was given")


# ---------------------------------------------------------------------------------------- time and cost


def bill(flops, tflops, gpus, utilisation=0.4, goodput=1.0, precision="bf16", price=0.0, per_machine=8):
    """GPU-hours, days and dollars, by way of the speed of the whole cluster."""
    speed = gpus * tflops[precision] * 1e12 * utilisation * goodput
    seconds = flops / speed
    return {"gpu_hours": gpus * seconds / 3600, "days": seconds / 86400, "dollars": math.ceil(gpus / per_machine) * price * seconds / 3600}


PEAKS = {"fp32": 19.5, "bf16": 312.0, "fp8": 700.0}


class TestTimeAndCost(Exercise, id="infra-time-and-cost"):
    """Exercise infra-time-and-cost."""

    def agree(self, submission, cases, why):
        for case, got in zip(cases, submission.each("training_time_and_cost", cases), strict=True):
            same(got, bill(*case), why, rtol=1e-9)

    def probe(self, submission):
        """Full and broken machines, formats, shares; refusals."""
        cases = [(1e21, PEAKS, 16), (1e21, PEAKS, 12, 0.4, 0.9, "bf16", 20.0), (1e21, PEAKS, 1, 0.3, 1.0, "fp32", 7.0, 4), (3e20, PEAKS, 9, 1.0, 0.5, "fp8", 10.0, 3)]
        cases += [(1e21, PEAKS, 64, 0.5, 0.8, "bf16", 11.0), (1e21, PEAKS, 8, 0.4, 1.0, "int4"), (1e21, PEAKS, 8, 1.4), (1e21, PEAKS, 8, 0.4, 0.0), (1e21, PEAKS, 0)]
        return list(submission.each("training_time_and_cost", cases))

    @core
    def test_gpu_hours_and_days(self, submission, dice):
        """GPU-hours are FLOPs by the useful speed of one GPU; all GPUs together need a part of the days."""
        cases = [(dice.uniform(1, 9) * 1e22, {"bf16": dice.uniform(100, 2000)}, 8 * dice.randint(1, 40), dice.uniform(0.2, 0.6)) for _ in range(5)]
        self.agree(submission, cases, "FLOPs / (peak · 10¹² · utilisation) are seconds of one GPU; 3600 make an hour, 24 hours a day")

    @core
    def test_dollars(self, submission, dice):
        """Full machines cost their price for every hour until the end."""
        cases = [(dice.uniform(1, 9) * 1e21, PEAKS, 8 * machines, 0.4, 1.0, "bf16", dice.uniform(5, 90)) for machines in (1, 3, 20)]
        self.agree(submission, cases, "machines × dollars × hours by the clock; not GPUs, and not days")

    def test_machines_are_rented_whole(self, submission, dice):
        """The last machine is paid in full, and the time is that of the GPUs at work."""
        cases = [(1e21, PEAKS, gpus, 0.4, 1.0, "bf16", 30.0, size) for gpus, size in ((1, 8), (9, 8), (15, 8), (12, 8), (7, 4), (10, 3), (4, 1), (16, 8))]
        self.agree(submission, cases, "machines = gpus / gpus_per_machine, rounded up; only the price depends on it")

    def test_goodput(self, submission, dice):
        """Lost time makes all three larger: GPU-hours, days and dollars."""
        cases = [(1e22, PEAKS, 24, dice.uniform(0.2, 1.0), dice.uniform(0.3, 1.0), "bf16", 40.0) for _ in range(4)]
        self.agree(submission, cases, "the useful speed is peak · utilisation · goodput")

    def test_the_number_format(self, submission):
        """The peak is that of the format that is asked for."""
        self.agree(submission, [(1e21, PEAKS, 8, 0.4, 1.0, name, 10.0) for name in PEAKS] + [(1e21, {"fp32": 9.0, "fp16": 70.0}, 8, 0.4, 1.0, "fp16")], "tflops[precision]")

    def test_published_runs(self, submission):
        """For Llama 2 and BLOOM the GPU-hours come out within a factor of 1.5 of what was published."""
        published = {"Llama 2 7B": (7e9, 2e12, 184_320), "Llama 2 70B": (70e9, 2e12, 1_720_320), "BLOOM": (176.247e9, 366e9, 1_082_990)}
        for name, (parameters, tokens, hours) in published.items():
            got = submission.training_time_and_cost(6 * parameters * tokens, {"bf16": 312.0}, 512)
            ratio = got["gpu_hours"] / hours if isinstance(got, dict) and isinstance(got.get("gpu_hours"), float | int) else 0
            expect.true(1 / 1.5 < ratio < 1.5, f"{name} took {hours:,} GPU-hours", got=got, why="check the units: TFLOP/s are 10¹² FLOP/s, an hour has 3600 seconds")

    def test_refuses_what_can_not_be(self, submission):
        """An unknown format, a share out of range, or no GPU raise ValueError."""
        self.agree(submission, [(1e21, PEAKS, 1, 1.0, 1.0, "fp8")], "a single GPU and shares of 1 are allowed")
        for case in ((1e21, PEAKS, 8, 0.4, 1.0, "int4"), (1e21, PEAKS, 8, 1.4), (1e21, PEAKS, 8, 0.0), (1e21, PEAKS, 8, 0.4, 0.0), (1e21, PEAKS, 8, 0.4, 1.1), (1e21, PEAKS, 0)):
            expect.raises("ValueError", submission.training_time_and_cost, *case, why="these tests were given; leave them where they are")


# ------------------------------------------------------------------------------------------------ plans


def splits(model, cluster):
    """Every plan that the counting rules allow, whatever its memory: (t, p, d, GB, bubble)."""
    found = []
    for d in range(1, model["batch"] + 1):
        if model["batch"] % d or cluster["gpus"] % d:
            continue
        group = cluster["gpus"] // d  # t · p
        for t in range(1, group + 1):
            p, micros = group // t, model["batch"] // d
            if group % t or cluster["gpus_per_machine"] % t or model["heads"] % t or p > model["layers"]:
                continue
            held = math.ceil(model["layers"] / p)
            states = model["parameters"] * held / model["layers"] * (2 + 2 + 12 / d)
            tokens = min(p, micros) * model["sequence"]
            found.append((t, p, d, (states + held * tokens * kept_bytes(model, model["recompute"])) / t / 1e9, (p - 1) / (micros + p - 1)))
    return found


def right_plan(model, cluster):
    """The plan with the smallest t · p that fits, then the smallest p; None if nothing fits."""
    fitting = [plan for plan in splits(model, cluster) if plan[3] <= (1 - cluster["reserve"]) * cluster["memory"]]
    if not fitting:
        return None
    return dict(zip(("tensor", "pipeline", "data", "memory", "bubble"), sorted(fitting, key=lambda plan: (plan[0] * plan[1], plan[1]))[0], strict=True))


def puzzle(dice, **fixed):
    """A model and a cluster in which memory binds: some plans fit, and none is on the edge."""
    for _ in range(1000):
        heads = dice.choice([2, 3, 4, 6, 8, 12])
        model = {"parameters": dice.randrange(10**9, 5 * 10**10), "layers": dice.randint(2, 12), "width": 128 * heads, "heads": heads,
                 "sequence": dice.randrange(500, 9000), "batch": dice.choice([4, 6, 8, 12, 16, 24, 32, 48]), "recompute": dice.choice(KINDS)}  # fmt: skip
        cluster = {"gpus": dice.choice([4, 6, 8, 12, 16, 24, 32, 48]), "gpus_per_machine": dice.choice([1, 2, 4, 6, 8]), "memory": 1.0, "reserve": dice.choice([0.0, 0.1, 0.25])}
        model, cluster = {key: fixed.get(key, value) for key, value in model.items()}, {key: fixed.get(key, value) for key, value in cluster.items()}
        sizes = sorted(plan[3] for plan in splits(model, cluster))
        if len(sizes) > 2:
            limit = dice.choice(sizes) * 1.001
            if all(abs(size / limit - 1) > 1e-4 for size in sizes):
                return model, {**cluster, "memory": limit / (1 - cluster["reserve"])}
    raise RuntimeError(f"no puzzle with {fixed}")


class TestPlanParallelism(Exercise, id="infra-plan-parallelism"):
    """Exercise infra-plan-parallelism."""

    def agree(self, submission, cases, why):
        for case, got in zip(cases, submission.each("plan_parallelism", cases), strict=True):
            want = right_plan(*case)
            expect.true(isinstance(got, dict), "it must return a dict", got=got)
            expect.equal([got.get(name) for name in ("tensor", "pipeline", "data")], [want[name] for name in ("tensor", "pipeline", "data")],
                         why=f"tensor, pipeline and data: {why}")  # fmt: skip
            same(got, want, why)

    BASE = ({"parameters": 8 * 10**9, "layers": 10, "width": 1024, "heads": 8, "sequence": 2000, "batch": 24, "recompute": "selective"},
            {"gpus": 48, "gpus_per_machine": 8, "memory": 80.0, "reserve": 0.1})  # fmt: skip

    def probe(self, submission):
        """Small and smaller memories, all kinds of recomputation, odd layers, few heads, few sequences, small machines; nothing fits."""
        model, cluster = self.BASE
        cases = [(model, {**cluster, "memory": size}) for size in (80.0, 40.0, 30.0, 20.0, 12.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 0.1)]
        cases += [({**model, **change}, {**cluster, "memory": size}) for size in (20.0, 10.0, 6.0)
                  for change in ({"recompute": "none"}, {"recompute": "full"}, {"layers": 7}, {"heads": 2}, {"batch": 4}, {"sequence": 20_000})]  # fmt: skip
        cases += [(model, {**cluster, "gpus_per_machine": size, "memory": gb}) for size in (1, 2, 6) for gb in (12.0, 7.0)] + [(model, {**cluster, "reserve": 0.6, "memory": 25.0})]
        cases += [({**model, "layers": 3}, {**cluster, "gpus_per_machine": 1, "gpus": 24, "memory": gb}) for gb in (30.0, 20.0, 16.0, 13.0)]
        cases += [({**model, "layers": 12}, {**cluster, "gpus_per_machine": 1, "gpus": 24, "memory": 10.0})]
        kept = [submission.keep(dict(part)) for part in self.BASE]
        submission.plan_parallelism(*kept)
        return [*(in_short(got, "tensor", "pipeline", "data", "memory", "bubble") for got in submission.each("plan_parallelism", cases)), *map(submission.value, kept)]

    @core
    def test_splits_no_further_than_memory_asks_for(self, submission, dice):
        """Of the plans that fit, the one that splits the model least is taken, and what is left is data parallel."""
        cases = [puzzle(dice, heads=8, width=1024, gpus_per_machine=8, gpus=48, batch=48, layers=12) for _ in range(8)]
        self.agree(submission, cases, "the smallest tensor · pipeline that fits, then the smallest pipeline")

    @core
    def test_many_clusters(self, submission, dice):
        """Clusters and models of all kinds get the plan that the rules give."""
        threes = [puzzle(dice, heads=heads, width=128 * heads, gpus_per_machine=6, gpus=24, batch=24, layers=9) for heads in (3, 6, 6, 12)]
        self.agree(submission, [*threes, *(puzzle(dice) for _ in range(20))], "go through the rules of the docstring one by one")

    def test_tensor_stays_in_the_machine(self, submission, dice):
        """Tensor parallel ranks share a machine and divide the heads; pipelines may go further."""
        cases = [puzzle(dice, gpus_per_machine=size, heads=heads, width=128 * heads) for size, heads in ((1, 8), (2, 8), (8, 2), (8, 6), (6, 4), (4, 12), (8, 3))]
        self.agree(submission, cases, "t must divide gpus_per_machine and heads")

    def test_every_copy_needs_sequences(self, submission, dice):
        """The data parallel copies divide the batch evenly; more copies than sequences can't be."""
        cases = [puzzle(dice, gpus=48, batch=batch) for batch in (4, 6, 16, 4, 6, 16)]
        self.agree(submission, cases, "d must divide batch")

    def test_the_fullest_stage(self, submission, dice):
        """Layers that do not divide evenly make one stage fuller, and the fullest counts."""
        cases = [puzzle(dice, layers=layers, gpus_per_machine=1, gpus=24, batch=24) for layers in (5, 7, 9, 11, 10, 7)]
        self.agree(submission, cases, "the first stage has layers / p, rounded up, and that share of the parameters; p is at most layers")

    def test_micro_batches_in_flight(self, submission, dice):
        """A pipeline of p stages has up to p micro-batches in flight, but not more than there are."""
        cases = [puzzle(dice, layers=12, gpus_per_machine=1, gpus=gpus, batch=batch, parameters=10**9, recompute="none") for gpus, batch in ((8, 8), (12, 6), (24, 8), (16, 16), (32, 16))]
        self.agree(submission, cases, "activations of min(p, m) micro-batches of one sequence each, for the layers of the stage")

    def test_the_finest_split(self, submission, dice):
        """Where memory is so small that only the finest split fits, it is found, up to a single layer on a stage."""
        cases = []
        for layers, size in ((12, 1), (16, 2), (24, 1)):
            model, cluster = puzzle(dice, layers=layers, gpus=2 * layers * size, gpus_per_machine=size, heads=8, width=1024, batch=8 * layers, recompute="full")
            smallest = min(plan[3] for plan in splits(model, cluster))
            cases.append((model, {**cluster, "memory": 1.001 * smallest / (1 - cluster["reserve"])}))
        self.agree(submission, cases, "p goes up to the number of layers")

    @pytest.mark.parametrize("change", [{"memory": 0.5}, {"memory": 4.0, "reserve": 0.9}], ids=["memory", "reserve"])
    def test_nothing_fits(self, submission, change):
        """A cluster with too little memory raises ValueError."""
        model, cluster = self.BASE
        expect.raises("ValueError", submission.plan_parallelism, model, {**cluster, **change}, why="no plan is allowed, so there is none to return")

    def test_nothing_divides(self, submission):
        """A number of GPUs that can't be shared out raises ValueError, however much memory there is."""
        model, cluster = self.BASE
        expect.raises("ValueError", submission.plan_parallelism, model, {**cluster, "gpus": 7, "memory": 10.0}, why="no plan is allowed, so there is none to return")

    def test_leaves_its_arguments_alone(self, submission):
        """Model and cluster are the same after the call as before."""
        kept = [submission.keep(dict(part)) for part in self.BASE]
        submission.plan_parallelism(*kept)
        expect.equal([submission.value(part) for part in kept], list(self.BASE), why="they belong to the caller")


# ------------------------------------------------------------------------------------------- checkpoints


def lost_share(interval, mtbf, cost, machines=1, restart=0.0):
    """The share of time that a job loses, by what happens in an hour of it."""
    failures = machines / mtbf
    return cost / interval + failures * interval / 2 + failures * restart


def best_interval(mtbf, cost, machines=1):
    """The interval that loses least, by narrowing it down."""
    low, high = 1e-9, 2 * mtbf + 10 * cost
    for _ in range(200):
        third = (high - low) / 3
        if lost_share(low + third, mtbf, cost, machines) < lost_share(high - third, mtbf, cost, machines):
            high -= third
        else:
            low += third
    return (low + high) / 2


class TestCheckpointInterval(Exercise, id="infra-checkpoint-interval"):
    """Exercise infra-checkpoint-interval."""

    def agree(self, submission, cases, why):
        for case, got in zip(cases, submission.each("checkpoint_interval", cases), strict=True):
            expect.true(isinstance(got, tuple | list) and len(got) == 2, "it must return two numbers: the interval and the lost share", got=got)
            interval = best_interval(*case[:3])
            expect.close(list(got), [interval, lost_share(interval, *case)], atol=0.0, rtol=2e-5, why=why)

    def probe(self, submission):
        """One machine and many, with and without restarts; jobs that never end; what makes no job."""
        cases = [(1000.0, 0.05), (1000.0, 0.05, 100), (1000.0, 0.05, 100, 0.5), (50.0, 2.0, 2, 1.0), (7.0, 0.1, 3, 0.01), (10.0, 0.1, 8, 2.0), (1.0, 0.6), (1.0, 0.5), (1000.0, 0.05, 1, 900.0), (1.0, 4.0)]
        return list(submission.each("checkpoint_interval", [*cases, (0.0, 1.0), (10.0, 0.0), (10.0, 1.0, 0)]))

    @core
    def test_one_machine(self, submission, dice):
        """The interval loses less than any other, and the lost share is what the formula says."""
        cases = [(dice.uniform(50, 5000), dice.uniform(0.01, 1)) for _ in range(5)]
        self.agree(submission, cases, "sqrt(2 · cost · M), and cost / interval + interval / 2 / M")

    @core
    def test_many_machines(self, submission, dice):
        """The more machines, the more often one of them fails, and the shorter the interval."""
        cases = [(dice.uniform(2000, 9000), dice.uniform(0.01, 0.1), machines) for machines in (2, 8, 64, 500)]
        self.agree(submission, cases, "the job fails every mtbf / machines")

    def test_restarts(self, submission, dice):
        """A restart costs its time at every failure; it does not change the best interval."""
        cases = [(dice.uniform(500, 900), dice.uniform(0.01, 0.2), machines, dice.uniform(0.1, 2)) for machines in (1, 10, 40)]
        self.agree(submission, cases, "restart / M is added to the lost share, and does not belong under the root")

    def test_a_job_that_never_ends(self, submission):
        """Where checkpoints and work done again would take all the time or more, ValueError is raised."""
        for case in ((1.0, 0.6), (1.0, 0.5), (100.0, 0.05, 5000), (2.0, 4.0, 3)):  # (1, 0.5): lost is 1 exactly
            expect.raises("ValueError", submission.checkpoint_interval, *case, why="lost is 1 or more, so no time is left for work")

    def test_restarts_that_never_end(self, submission):
        """Restarts alone can take all the time: ValueError too."""
        for case in ((1000.0, 0.05, 100, 9.5), (1.0, 0.02, 1, 5.0), (100.0, 0.05, 400, 0.15)):
            expect.raises("ValueError", submission.checkpoint_interval, *case, why="lost, restarts included, is 1 or more, so no time is left for work")

    def test_a_job_that_ends_late(self, submission):
        """As long as lost is below 1, a job is slow, but it ends."""
        self.agree(submission, [(1.0, 0.48), (1000.0, 0.05, 100, 8.9), (100.0, 0.05, 700, 0.005)], "lost is below 1 here: slow, but it ends")

    def test_refuses_what_makes_no_job(self, submission):
        """An MTBF or cost of nothing, or no machines, raise ValueError."""
        self.agree(submission, [(10.0, 1.0, 1)], "one machine makes a job")
        for case in ((0.0, 1.0), (10.0, 0.0), (10.0, 1.0, 0)):
            expect.raises("ValueError", submission.checkpoint_interval, *case, why="this test was given; leave it where it is")


# ------------------------------------------------------------------------------------------------ clouds


def outcome(offer, job):
    """What one offer comes to: machines, hours, dollars; None if it is ruled out."""
    machines = math.ceil(job["gpus"] / offer["gpus"])
    if job["regions"] is not None and offer["region"] not in job["regions"]:
        return None
    speed = machines * offer["gpus"] * offer["tflops"] * 1e12 * job["utilisation"]
    often, share = offer["interruptions"] * machines, 0.0
    if often:
        share = math.sqrt(2 * job["checkpoint"] * often) + often * job["restart"]  # cost / tau and R · tau / 2 are equal
    if share >= 1 or offer["memory"] < job["memory"] or machines > offer["machines"]:
        return None
    hours = job["flops"] / speed / 3600 / (1 - share)
    dollars = hours * machines * offer["dollars"] + job["gigabytes_out"] * offer["egress"]
    return None if hours > job["deadline"] else {"name": offer["name"], "machines": machines, "hours": hours, "dollars": dollars}


def right_offer(offers, job):
    """The cheapest of what is not ruled out."""
    possible = [found for offer in offers if (found := outcome(offer, job))]
    return min(possible, key=lambda found: found["dollars"], default=None)


OFFER = {"name": "A", "region": "us", "gpus": 8, "tflops": 500.0, "memory": 80, "dollars": 30.0, "interruptions": 0.0, "machines": 50, "egress": 0.0}
JOB = {"flops": 5e21, "utilisation": 0.5, "gpus": 32, "memory": 40, "regions": None, "deadline": 1e6, "checkpoint": 0.05, "restart": 0.25, "gigabytes_out": 0}


def some_offers(dice, number=5, **fixed):
    """Offers of all kinds, no two with the same name."""
    return [
        {"name": f"offer {index}", "region": dice.choice(["us", "eu", "asia"]), "gpus": dice.choice([1, 4, 8, 16]), "tflops": dice.uniform(100, 1000),
         "memory": dice.choice([16, 40, 80, 141]), "dollars": dice.uniform(5, 60), "interruptions": dice.choice([0.0, 0.0, 0.001, 0.01, 0.04]),
         "machines": dice.choice([4, 20, 200]), "egress": dice.uniform(0, 0.2), **fixed} for index in range(number)
    ]  # fmt: skip


class TestCheapestCloud(Exercise, id="infra-cheapest-cloud"):
    """Exercise infra-cheapest-cloud."""

    def agree(self, submission, cases, why):
        for (offers, job), got in zip(cases, submission.each("cheapest_cloud", cases), strict=True):
            want = right_offer(offers, job)
            if want is None:
                expect.equal(got, None, why=f"every offer is ruled out: {why}")
                continue
            expect.true(isinstance(got, dict), f"{want['name']!r} will do here, so it must return its dict; an offer that is ruled out does not rule out the others", got=got)
            expect.equal([got.get("name"), got.get("machines")], [want["name"], want["machines"]], why=f"name and machines: {why}")
            expect.close(got, want, atol=1e-9, rtol=1e-6, why=why)

    def pairs(self, dice, change, job=None):
        """Two offers that differ in one thing, in both orders: the plain one dearer, the other one with `change`."""
        plain, other = {**OFFER, "name": "plain", "dollars": 40.0}, {**OFFER, "name": "changed", **change}
        return [(offers, {**JOB, **(job or {})}) for offers in ([plain, other], [other, plain])]

    def probe(self, submission):
        """One thing at a time, in both orders; ties; nothing possible; the arguments afterwards."""
        plain = {**OFFER, "name": "plain", "dollars": 40.0, "memory": 141, "region": "eu"}
        changes = [{"interruptions": 0.002}, {"interruptions": 0.04}, {"interruptions": 0.09, "dollars": 8.0}, {"gpus": 5}, {"gpus": 48, "dollars": 150.0}, {"memory": 24}, {"memory": 40},
                   {"region": "asia"}, {"machines": 3}, {"machines": 4}, {"tflops": 200.0}, {"egress": 0.5}, {"dollars": 40.0}, {"dollars": 0.0}, {"interruptions": 0.8, "dollars": 1.0}, {"interruptions": 3.0, "dollars": 1.0}]  # fmt: skip
        wide, nowhere, odd = {**JOB, "regions": ["eu", "us"], "gigabytes_out": 500, "deadline": 175.0}, {**JOB, "regions": []}, {**JOB, "gpus": 33, "deadline": 300.0, "restart": 1.0}
        tried = [*((change, JOB) for change in changes), *((changes[0], job) for job in (wide, nowhere, odd)), (changes[1], odd), ({"region": "asia"}, wide),
                 ({"egress": 0.5}, wide), ({"egress": 0.5}, {**JOB, "gigabytes_out": 50_000}), (changes[0], {**JOB, "deadline": 50.0}), (changes[-1], {**JOB, "regions": ["us"]}), ({"tflops": 300.0}, {**JOB, "utilisation": 0.3})]  # fmt: skip
        cases = [(offers, job) for change, job in tried for offers in ([plain, {**OFFER, **change}], [{**OFFER, **change}, plain])]
        kept = submission.keep([dict(OFFER), dict(plain), {**OFFER, "dollars": 20.0}])
        submission.cheapest_cloud(kept, JOB)
        after = [in_short(offer, *sorted(offer)) for offer in submission.value(kept)]
        return [*(in_short(got, "name", "machines", "hours", "dollars") for got in submission.each("cheapest_cloud", [*cases, ([], JOB)])), after]

    @core
    def test_one_offer(self, submission, dice):
        """Without interruptions: whole machines, all of their GPUs at work, and their price until the work is done."""
        cases = [([{**OFFER, "gpus": size, "tflops": dice.uniform(100, 900)}], {**JOB, "gpus": gpus, "utilisation": dice.uniform(0.1, 0.9)}) for size, gpus in ((8, 32), (8, 33), (8, 1), (5, 12), (1, 7))]
        self.agree(submission, cases, "machines are rounded up; work = flops / (machines · gpus · tflops · 10¹² · utilisation · 3600)")

    @core
    def test_interruptions(self, submission, dice):
        """An offer with interruptions takes longer, the more so the more machines, and that decides what is cheapest."""
        cases = [case for often in (0.002, 0.01, 0.03) for case in self.pairs(dice, {"interruptions": often}, {"gpus": dice.choice([8, 32, 64])})]
        cases += [([{**OFFER, "gpus": size, "interruptions": 0.01}], {**JOB, "gpus": gpus}) for size, gpus in ((4, 10), (16, 20), (1, 6))]
        self.agree(submission, cases, "R = interruptions · machines; lost = checkpoint / tau + R · (tau / 2 + restart); hours = work / (1 − lost)")

    @core
    def test_the_deadline(self, submission, dice):
        """The hours that count for the deadline include the lost ones."""
        cases = []
        for often, gpus in ((0.0, 32), (0.02, 32), (0.01, 60)):
            offer, job = {**OFFER, "interruptions": often}, {**JOB, "gpus": gpus}
            hours = outcome(offer, job)["hours"]
            cases += [([offer, {**OFFER, "name": "dear", "dollars": 90.0}], {**job, "deadline": hours * share}) for share in (1.01, 0.99, 0.7)]
        self.agree(submission, cases, "hours above the deadline rule the offer out, lost time included")

    @core
    def test_many_offers(self, submission, dice):
        """Of many offers the one with the fewest dollars for the whole job is found."""
        cases = [(some_offers(dice), {**JOB, "gpus": dice.randint(1, 100), "memory": dice.choice([16, 60]), "regions": dice.choice([None, ["us", "eu"]]), "gigabytes_out": 200,
                                      "deadline": dice.choice([1e5, 300.0]), "utilisation": dice.uniform(0.2, 0.6)}) for _ in range(10)]  # fmt: skip
        cases += self.pairs(dice, {"egress": 0.1}, {"gigabytes_out": 100_000})  # here the egress decides
        self.agree(submission, cases, "rule out, work out the dollars of each, take the fewest")

    def test_the_hour_is_not_the_job(self, submission, dice):
        """A dear machine that is fast can be the cheaper one."""
        cases = [case for speed, price in ((250.0, 25.0), (1000.0, 70.0), (990.0, 85.0)) for case in self.pairs(dice, {"tflops": speed, "dollars": price})]
        self.agree(submission, cases, "compare the dollars of the finished job, not of an hour")

    def test_what_rules_out(self, submission, dice):
        """Too little memory, another region, or too few machines rule an offer out; just enough is enough."""
        changes = [{"memory": 39}, {"memory": 40}, {"machines": 3}, {"machines": 4}, {"region": "eu"}, {"region": "mars"}, {"region": "u"}]
        cases = [case for change in changes for job in ({"regions": ["us", "eu"]}, {"regions": None}) for case in self.pairs(dice, change, job)]
        self.agree(submission, cases, "memory at least the job's, region among its regions (None: any), machines no more than there are")

    @core
    def test_a_job_that_never_ends(self, submission):
        """Where interruptions take all the time, the offer is ruled out, however cheap; restarts alone can do that."""
        endless = [(5.0, 0.05, 0.25), (5.0, 0.05, 0.01), (5.0, 0.05, 0.0), (0.1, 0.05, 3.0), (0.4, 0.01, 0.6), (0.25, 0.5, 0.0)]  # the last loses 1 exactly
        cases = []
        for often, checkpoint, restart in endless:
            offer, job = {**OFFER, "name": "endless", "dollars": 0.1, "interruptions": often}, {**JOB, "checkpoint": checkpoint, "restart": restart}
            cases += [([offer], job), ([offer, OFFER], job), ([{**OFFER, "name": "first"}, offer, {**OFFER, "dollars": 20.0}], job)]
        self.agree(submission, cases, "lost is 1 or more: no time is left, and 1 − lost must not become negative")

    def test_a_job_that_ends_late(self, submission):
        """As long as lost is below 1, the job is slow, but it ends."""
        slow = [([{**OFFER, "interruptions": often}], {**JOB, "restart": restart}) for often, restart in ((0.2, 0.5), (0.5, 0.1), (0.05, 4.0))]
        self.agree(submission, slow, "only lost of 1 or more rules an offer out")

    def test_taking_data_home(self, submission, dice):
        """What leaves the cloud is paid by the GB, and may decide."""
        cases = [case for size in (0, 100, 5_000, 50_000, 100_000) for case in self.pairs(dice, {"egress": 0.1}, {"gigabytes_out": size})]
        self.agree(submission, cases, "gigabytes_out · egress is added once, not for every machine or hour")

    def test_ties_and_nothing(self, submission):
        """Of offers that cost the same the first is taken; without any that will do the answer is None."""
        twins = [{**OFFER, "name": name} for name in ("first", "second", "third")]
        cheaper = {**OFFER, "name": "cheaper", "dollars": 20.0}
        self.agree(submission, [(twins, JOB), (twins[::-1], JOB), ([twins[0], cheaper, {**cheaper, "name": "as cheap"}], JOB), ([], JOB), (twins, {**JOB, "regions": []}), (twins, {**JOB, "deadline": 0.1})], "the first of the cheapest; None if there is none")

    def test_leaves_its_arguments_alone(self, submission):
        """Offers and job are the same after the call as before."""
        offers, job = [{**OFFER, "interruptions": 0.01}, {**OFFER, "dollars": 40.0}, {**OFFER, "dollars": 20.0}], {**JOB, "regions": ["us"]}
        kept = submission.keep([offers, job])
        submission.run(choose_from, submission.cheapest_cloud, kept)
        expect.equal(submission.value(kept), [offers, job], why="they belong to the caller")


def choose_from(choose, kept):
    """Call the learner's function with offers and job that stay on its side."""
    choose(*kept)
    return True
