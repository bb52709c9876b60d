# %% [markdown]
# # Infrastructure: what a training run needs
#
# Lesson 5 split a model over ranks. This lesson asks how many ranks, of what kind, for how long, and for how much money.
# You write six calculators, each a few lines long, and hold them against runs whose bills were published.
#
# Start with the machine in front of you. A matrix product of $n \times n$ matrices takes $2n^3$ *floating-point operations* (FLOPs): $n$ multiplications and about as many additions for each of the $n^2$ results.
# Divide by the time, and you have FLOP/s, the speed that counts here, because nearly all the work of a transformer is matrix products.
#
# **Predict before you run.** An NVIDIA H100 is said to do 989 TFLOP/s (one TFLOP/s is $10^{12}$ FLOP/s). How many cores like the one you run on is one H100 worth: ten, a hundred, some thousands?

# %% demo
import torch

from handbook.compute_tables import ACCELERATORS, LOOKED_UP
from handbook.infrastructure_lab import matmul_speed
from handbook.plots_infrastructure import speed_ladder

torch.set_num_threads(1)
here = {"this machine, one core, fp32": matmul_speed(512), "this machine, one core, bf16": matmul_speed(512, torch.bfloat16)}
speed_ladder(here, list(ACCELERATORS.values()))

# %% demo
from handbook.infrastructure_lab import years

llama = 6 * 7e9 * 2e12  # FLOPs for 7 billion parameters and 2 trillion tokens; why 6, you will see
fastest = max(here.values())
print("Llama 2 7B on one core of this machine:", years(llama / fastest))
print("on one H100 at its peak:               ", years(llama / 989.4e12))
print(f"one H100 is worth {989.4e12 / fastest:,.0f} such cores")

# %% [markdown]
# The scale is logarithmic: each line of the grid is ten times as fast as the one to its left. A larger processor helps, but no single chip does it. That is why the runs of this lesson use hundreds or thousands of them.
#
# ## Reading a data sheet
#
# Here is the table behind the picture. The figures were looked up in the month that the cell prints, and the source of each row is in `handbook/data/accelerators.toml`.

# %% demo
print(f"looked up in {LOOKED_UP}; peaks in TFLOP/s, dense\n")
print(f"{'':22}{'fp32':>7}{'tf32':>7}{'16 bit':>8}{'fp8':>7}{'memory':>9}{'bandwidth':>12}{'FLOPs a byte':>14}")
for chip in ACCELERATORS.values():
    cells = [chip.tflops.get("fp32"), chip.tflops.get("tf32"), chip.half, chip.tflops.get("fp8")]
    shown = [f"{cell:g}" if cell else "–" for cell in cells]
    print(f"{chip.name:22}{shown[0]:>7}{shown[1]:>7}{shown[2]:>8}{shown[3]:>7}{chip.memory:>6g} GB{chip.bandwidth:>7g} GB/s{chip.half * 1e3 / chip.bandwidth:14.0f}")

# %% [markdown]
# Four things to know when you read such a sheet:
#
# - **The peak depends on the number format.** On one and the same H100, bf16 is fifteen times as fast as fp32. Training uses 16-bit numbers for the products, and 32-bit numbers only where it must.
# - **"With sparsity" doubles the number.** It holds for matrices half of whose entries are zero in a fixed pattern. Yours are dense: halve it.
# - **Memory and bandwidth matter as much.** The last column is what a chip can calculate in the time in which one byte arrives. A product that does less than this with each byte waits for memory, not for arithmetic.
# - **GPU or TPU?** A GPU is a general parallel processor with units for matrix products added. A TPU is built around one or a few large grids of multipliers, and its chips come wired to each other in a torus. You can buy GPUs, and rent them anywhere; TPUs and Trainium are for the most part rented from the cloud that makes them.
#   Transformers run on all of them; the compiler and the libraries differ (lesson 1).
#
# Small products leave a fast processor idle. Watch it on yours:

# %% demo
from handbook import plots

sizes = [8, 16, 32, 64, 128, 256, 512]
speeds = {"fp32": [matmul_speed(n) / 1e9 for n in sizes], "bf16": [matmul_speed(n, torch.bfloat16) / 1e9 for n in sizes]}
plots.lines(sizes, speeds, title="Large products use the processor, small ones do not", xlabel="n, for a product of n × n matrices", ylabel="GFLOP/s", logx=True)

# %% [markdown]
# A product of tiny matrices reaches a small part of the speed of a large one. A GPU needs far larger matrices than a CPU core before it is busy. So batches are made large, and a model that is split over too many chips runs slower on each of them.
#
# ## Does it fit?
#
# Time can be bought, memory can't be overdrawn: a run that does not fit does not start. Lesson 5 counted 16 bytes a parameter for Adam in mixed precision. By hand, for 7 billion parameters:

# %%
parameters = 7_000_000_000
for part, size in {"weights, bf16": 2, "gradients, bf16": 2, "optimizer: a fp32 copy and two running means": 12}.items():
    print(f"{part:45} {size:3} bytes × 7e9 = {size * parameters / 1e9:5.0f} GB")
print(f"{'together':45} {'':16}{16 * parameters / 1e9:5.0f} GB = {16 * parameters / 2**30:.0f} GiB")

# %% [markdown]
# Mind the unit. A GB is $10^9$ bytes, and data sheets use it; a GiB is $2^{30}$ bytes, 7 % more. Mix them up, and you are wrong by more than 5 GB on an 80 GB GPU.
#
# The rest of the memory goes to *activations*: what the forward pass keeps so that the backward pass can use it. Their number grows with the tokens in flight, not with the parameters.
# For a layer of width $C$ with $H$ heads, on sequences of $T$ tokens, Korthikanti et al. count (in 16-bit numbers, in bytes a token)
#
# $$C \cdot (34 + 5\,H\,T/C)$$
#
# The 34 are inputs and outputs of the matrix products, the second part is the attention scores, one number for each pair of tokens and head. There are three ways to pay:
#
# | recompute | what is kept, in bytes a token and layer | what is done again |
# |---|---|---|
# | none | $C\,(34 + 5HT/C)$ | nothing |
# | selective | $34\,C$ | the attention scores |
# | full | $2\,C$: the input of the layer | the whole forward pass |
#
# (Attention as it is computed today, without ever storing the scores, counts as selective.)
#
# **Predict before you run.** For Llama 2 7B ($C$ = 4096, $H$ = 32, $T$ = 4096), which is larger: the 34 or the scores?

# %%
print("34 against", 5 * 32 * 4096 / 4096)

# %% [markdown]
# ## Exercise: The memory of a training run · 3 points · ★★☆
#
# As before, tests of the arguments that are not the point are given. Leave them where they are and write what follows.

# %% exercise="infra-training-memory"
def training_memory(config: dict, batch: int, accumulation: int = 1, zero: int = 0, ranks: int = 1, recompute: str = "none") -> dict[str, float]:
    """Work out what fills the memory of one GPU in mixed-precision training with Adam, in GB of 10**9 bytes.

    Args: config has "parameters", "layers", "width", "heads" and "sequence" (tokens in each sequence), all int ·
        batch sequences are what this GPU reads for one optimizer step, in `accumulation` micro-batches, one after the other ·
        zero is the level of ZeRO, 0 to 3, over `ranks` GPUs · recompute is "none", "selective" or "full".
    Returns: {"weights", "gradients", "optimizer", "activations", "total"}, floats, in GB.
        Weights and gradients take 2 bytes a parameter each, the optimizer 12. ZeRO divides by `ranks`: from level 1 on the
        optimizer, from level 2 on also the gradients, at level 3 also the weights.
        Activations: only one micro-batch is in memory at a time. For each of its tokens each layer keeps
        width * (34 + 5 * heads * sequence / width) bytes with "none", 34 * width with "selective", 2 * width with "full".
        Nothing else is counted.
    Raises: ValueError if batch does not divide into accumulation equal parts, or zero or recompute is unknown (these tests are given).
    Leave config as it came.

    >>> config = {"parameters": 10**9, "layers": 10, "width": 1000, "heads": 4, "sequence": 500}
    >>> training_memory(config, batch=8, accumulation=2)
    {'weights': 2.0, 'gradients': 2.0, 'optimizer': 12.0, 'activations': 0.88, 'total': 16.88}

    Source: Rajbhandari et al. 2019, arXiv:1910.02054 (16 bytes, ZeRO); Korthikanti et al. 2022, arXiv:2205.05198 (activations).
    """
    if batch % accumulation or zero not in (0, 1, 2, 3) or recompute not in ("none", "selective", "full"):
        raise ValueError(f"no such run: batch {batch} in {accumulation} parts, ZeRO level {zero}, recompute {recompute!r}")
    ### BEGIN SOLUTION
    n, width, sequence = config["parameters"], config["width"], config["sequence"]
    factor = {"none": 34 + 5 * config["heads"] * sequence / width, "selective": 34, "full": 2}[recompute]
    memory = {
        "weights": 2 * n / (ranks if zero >= 3 else 1),
        "gradients": 2 * n / (ranks if zero >= 2 else 1),
        "optimizer": 12 * n / (ranks if zero >= 1 else 1),
        "activations": batch // accumulation * sequence * config["layers"] * width * factor,
    }
    memory["total"] = sum(memory.values())
    return {part: size / 1e9 for part, size in memory.items()}
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example, 4 sequences of 500 tokens are in flight at a time: 2,000 tokens × 10 layers × 1,000 × (34 + 10) bytes are 0.88 GB. With `accumulation=4` it is half of that.

# %% check="infra-training-memory"

# %% [markdown]
# Now one real model, five ways, on an 80 GB GPU. One sequence at a time unless the label says otherwise.
#
# **Predict before you run.** Which of the five fits?

# %% demo
from handbook.answers import yours_or_ours
from handbook.compute_tables import SHAPES
from handbook.plots_infrastructure import memory_bars

memory_of = yours_or_ours("training_memory", globals(), exercise="infra-training-memory")
llama_7b, sharded = SHAPES["Llama 2 7B"], {"zero": 1, "ranks": 8, "recompute": "selective"}
bills = {"as it comes": memory_of(llama_7b, 1), "selective recomputation": memory_of(llama_7b, 1, recompute="selective")}
bills["and ZeRO-1 over 8 GPUs"] = memory_of(llama_7b, 1, **sharded)
bills["the same, 4 sequences"] = memory_of(llama_7b, 4, **sharded)
bills["4 in 4 micro-batches"] = memory_of(llama_7b, 4, 4, **sharded)
memory_bars(bills, 80, "an 80 GB GPU")

# %% [markdown]
# Two of the five fit. The largest part of the first bar that you can avoid are attention scores, and recomputing them costs little, as you will see next. Sharding the optimizer does the rest. Micro-batches give back what a larger batch took: the last bar equals the third.
#
# ## How much work is it?
#
# Each weight takes part in one multiplication and one addition for each token: 2 FLOPs. The attention scores have no weights of their own; their products cost $4\,T\,C$ FLOPs a token and layer (two products, each with $2\,T\,C$).
# The backward pass does twice the work of the forward pass, for it needs two gradients, one for the weights and one for the input. So a step costs three forward passes.
#
# Count it for the small GPT of lesson 4, and let PyTorch count too:

# %% demo
from handbook import training_lab as lab
from handbook.infrastructure_lab import count_flops

stories = lab.all_stories()
small = lab.gpt(stories)
ids = torch.randint(300, (16, 64))
n, L, T, C = lab.parameters(small), 4, 64, 128
by_rule = 3 * (2 * n + 4 * L * T * C) * ids.numel()
counted = count_flops(small, ids)
print(f"by the rule {by_rule:,}\ncounted     {counted:,}\nthe rule is {100 * (by_rule / counted - 1):+.1f} % off")

# %% [markdown]
# The rule is a little high because it takes all parameters for weights of matrix products; positions, norms and biases are none. For large models the difference vanishes.
#
# The well-known short form, $6 \cdot N \cdot$ tokens, leaves the scores out. **Predict before you run.** How much is missing for Llama 2 7B, with sequences of 4,096 tokens? And for a sequence of 128,000?

# %%
N, L, C = 7e9, 32, 4096
for T in (4096, 128_000):
    print(f"T = {T:7,}: the scores add {100 * 12 * L * T * C / (6 * N):.0f} % to 6 N")

# %% [markdown]
# ## Exercise: The FLOPs of a training run · 2 points · ★☆☆


# %% exercise="infra-training-flops"
def training_flops(config: dict, tokens: float, recompute: str = "none") -> float:
    """Count the floating-point operations of training a decoder-only transformer on `tokens` tokens.

    Args: config has "parameters", "layers", "width" and "sequence" (tokens in each sequence). A mixture of experts also has
        "active_parameters", the ones that each token meets; these then count in place of "parameters" ·
        recompute is "none", "selective" or "full".
    Returns: FLOPs, a number. The forward pass of one token takes
        weights: 2 * parameters, and scores: 4 * layers * sequence * width.
        (The scores are counted in full, as is usual, although a causal mask needs only half of them.)
        The backward pass takes twice as much as the forward pass. With "selective" the scores part of the forward pass is
        done once more, with "full" the whole forward pass.
    Raises: ValueError if recompute is unknown (this test is given). Leave config as it came.

    >>> config = {"parameters": 1000, "layers": 2, "width": 10, "sequence": 5}
    >>> training_flops(config, tokens=100)                       # 100 · 3 · (2000 + 400)
    720000
    >>> training_flops(config, 100, "selective"), training_flops(config, 100, "full")
    (760000, 960000)

    Source: Kaplan et al. 2020, arXiv:2001.08361 (6 a parameter and token); Chowdhery et al. 2022, arXiv:2204.02311 (with the scores).
    """
    if recompute not in ("none", "selective", "full"):
        raise ValueError(f"unknown recomputation {recompute!r}")
    ### BEGIN SOLUTION
    weights = 2 * config.get("active_parameters", config["parameters"])
    scores = 4 * config["layers"] * config["sequence"] * config["width"]
    again = {"none": 0, "selective": scores, "full": weights + scores}[recompute]
    return tokens * (3 * (weights + scores) + again)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Full recomputation costs a third more than none, whatever the model. Selective recomputation costs a part of the scores only.

# %% check="infra-training-flops"

# %% [markdown]
# GPT-3's authors published their own count. Compare, and see what the two kinds of recomputation would add:

# %% demo
from handbook.compute_tables import RUNS

flops_of = yours_or_ours("training_flops", globals(), exercise="infra-training-flops")
gpt3 = next(run for run in RUNS if run.model == "GPT-3 175B")
print(f"GPT-3, published: {gpt3.flops:.3g} FLOPs")
for recompute in ("none", "selective", "full"):
    print(f"{recompute:10} {flops_of(SHAPES['GPT-3 175B'], gpt3.tokens, recompute):.3g}")

# %% [markdown]
# Without recomputation you are within a few per cent of the paper. Note the price of "selective": about one per cent, for most of the activations.
#
# ## Days and dollars
#
# No run reaches the peak. The share that it does reach, useful FLOPs by peak, is called *model FLOPs utilisation*, MFU (Chowdhery et al. 2022). "Useful" means: recomputed work does not count, or wasting time would look like speed.
#
# What is the MFU of a training step on this machine? Here the peak is the fastest matrix product that was measured above.

# %% demo
from handbook.infrastructure_lab import step_seconds

seconds = step_seconds(small, ids)
print(f"{counted / 1e9:.2f} GFLOPs in {1000 * seconds:.0f} ms: {counted / seconds / 1e9:.0f} GFLOP/s, {100 * counted / seconds / here['this machine, one core, fp32']:.0f} % of the fastest product")

# %% [markdown]
# The rest goes to small products, to everything that is not a product, and to the optimizer. On a cluster, waiting for messages comes on top, and you will see that 40 % is a good result for a large run.
#
# A second share lies between the plan and the clock. *Goodput* is the share of the time in which the run makes progress: not while it saves, restarts, or does again what a failure destroyed. You will calculate it below.
#
# By hand: $10^{21}$ FLOPs, on 12 GPUs with a peak of 300 TFLOP/s, at 40 % utilisation and 90 % goodput. A machine with 8 GPUs costs \$20 an hour.

# %%
gpu_hours = 1e21 / (300e12 * 0.4 * 0.9) / 3600
hours = gpu_hours / 12
print(f"{gpu_hours:.0f} GPU-hours, {hours:.0f} hours by the clock, 2 machines × {hours:.0f} h × $20 = ${2 * hours * 20:,.0f}")

# %% [markdown]
# Twelve GPUs are a machine and a half, but two are paid: clouds rent whole machines.
#
# ## Exercise: Days and dollars · 3 points · ★★☆


# %% exercise="infra-time-and-cost"
def training_time_and_cost(
    flops: float,
    tflops: dict[str, float],
    gpus: int,
    utilisation: float = 0.4,
    goodput: float = 1.0,
    precision: str = "bf16",
    dollars_per_machine_hour: float = 0.0,
    gpus_per_machine: int = 8,
) -> dict[str, float]:
    """Work out how long a training run takes and what it costs.

    Args: flops of the whole run, without recomputation · tflops is the peak of one GPU in 10**12 FLOP/s by number format,
        for example {"fp32": 19.5, "bf16": 312.0} · utilisation is the share of the peak that useful work gets while the run
        makes progress, goodput the share of the time in which it does; both are above 0 and at most 1.
    Returns: {"gpu_hours": hours of one GPU that the whole run takes, lost time included, "days": by the clock, with all GPUs at work,
        "dollars": the price of the rented machines until the end}. Machines are rented whole: the last may be partly used.
    Raises: ValueError if the precision is not in tflops, a share is out of range, or gpus is below 1 (these tests are given).

    >>> bill = training_time_and_cost(1e21, {"bf16": 300.0}, 12, goodput=0.9, dollars_per_machine_hour=20.0)
    >>> {name: round(value, 2) for name, value in bill.items()}
    {'gpu_hours': 2572.02, 'days': 8.93, 'dollars': 8573.39}

    Source: Chowdhery et al. 2022, arXiv:2204.02311 (model FLOPs utilisation).
    """
    if precision not in tflops or not 0 < utilisation <= 1 or not 0 < goodput <= 1 or gpus < 1:
        raise ValueError(f"no such run: {precision} of {sorted(tflops)}, utilisation {utilisation}, goodput {goodput}, {gpus} GPUs")
    ### BEGIN SOLUTION
    gpu_hours = flops / (tflops[precision] * 1e12 * utilisation * goodput) / 3600
    hours = gpu_hours / gpus
    machines = -(-gpus // gpus_per_machine)  # rounded up
    return {"gpu_hours": gpu_hours, "days": hours / 24, "dollars": machines * dollars_per_machine_hour * hours}
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example is the one that you have just done by hand. Twice the GPUs halve the days, and leave GPU-hours and dollars as they are, as long as all machines are full.

# %% check="infra-time-and-cost"

# %% [markdown]
# **The test.** Seven runs below have published GPU-hours. Calculate all of them with one and the same utilisation, 40 %, from nothing but parameters, tokens and the chip.
#
# **Predict before you run.** By what factor will the worst one be off?

# %% demo
from handbook.plots_infrastructure import bills_compared

bill_of = yours_or_ours("training_time_and_cost", globals(), exercise="infra-time-and-cost")
billed = [run for run in RUNS if run.gpu_hours]
calculated = [bill_of(6 * run.parameters * run.tokens, run.chip.tflops, 8)["gpu_hours"] for run in billed]
bills_compared(billed, calculated, band=1.5)

# %% demo
for run, hours in zip(billed, calculated, strict=True):
    print(f"{run.model:15} {run.year}  published {run.gpu_hours:12,.0f}  calculated {hours:12,.0f}  that is {hours / run.gpu_hours:4.2f} ×   MFU {40 * hours / run.gpu_hours:3.0f} %   ({run.source})")

# %% [markdown]
# Six of the seven are within a factor of 1.5: good enough to plan by, and not good enough to sign a contract. All large errors are on the same side: the real runs took longer.
#
# Llama 3 8B is off by more than two. Its card gives only the sum of hours, so what they contain is not known: restarts, tests, long sequences at the end, a batch too small for so many GPUs? BLOOM's GPUs are reported to have done 156 TFLOP/s, half their peak, while they worked ([GENCI](https://www.genci.fr/en/news/bloom-one-largest-open-multilingual-nlp-models-awarded-best-hpc-collaboration-hpc-wire-readers)); over all its hours we count 32 % of useful work. Between the two lie work that is not useful in our sense, such as recomputation, and time in which nothing moved.
# Note also what is missing altogether: failed experiments. Published hours are those of the run that worked.
#
# ## A plan for a cluster
#
# Now split the work. Lesson 5 named three ways: *tensor* parallel (each matrix in $t$ parts), *pipeline* parallel (the layers in $p$ stages), and *data* parallel ($d$ copies of all that). Together they use $t \cdot p \cdot d$ GPUs.
#
# - Tensor parallel ranks exchange activations several times in each layer. This works inside one machine, where GPUs are joined by fast links (NVLink), and hardly ever beyond it.
# - Pipeline stages exchange little, so they may lie on different machines, but they wait in the bubble.
# - Data parallel ranks exchange gradients once a step. It is the cheapest way, but there must be enough sequences for all of them, and the model must fit.
#
# So: split the model no further than memory asks for, and prefer tensor to pipeline (Narayanan et al. 2021). With micro-batches of one sequence, this is what a stage holds:

# %%
layers, stages = 6, 4
print("layers on the fullest stage:", -(-layers // stages), "of", layers)
for micro in (2, 8):
    print(f"{micro} micro-batches: the first stage has {min(stages, micro)} of them in flight before the first comes back")

# %% [markdown]
# A pipeline does not save activations: with fewer layers on a stage there are as many more micro-batches in flight.
#
# ## Exercise: A plan for a cluster · 4 points · ★★★


# %% exercise="infra-plan-parallelism"
def plan_parallelism(model: dict, cluster: dict) -> dict[str, float]:
    """Choose how to split a training run over a cluster: tensor, pipeline and data parallel.

    Args: model has "parameters", "layers", "width", "heads", "sequence", "batch" (sequences that all GPUs together read for one
        step) and "recompute" ("none", "selective" or "full") · cluster has "gpus", "gpus_per_machine", "memory" (GB of each
        GPU, 10**9 bytes) and "reserve" (the share of it to keep free).
    A plan (t, p, d) is allowed if
        t divides gpus_per_machine and heads · p is at most layers · t * p divides gpus, and d = gpus / (t * p) ·
        d divides batch; a pipeline then gets m = batch / d micro-batches of one sequence each ·
        its memory is at most (1 - reserve) * cluster memory.
    Its memory is that of the first stage, which has K layers, layers / p rounded up:
        states: K / layers of the parameters, in t parts, at 2 + 2 + 12 / d bytes each (weights, gradients, ZeRO-1 over d);
        activations: K layers, in t parts, for min(p, m) micro-batches, at sequence * width * factor bytes a layer and micro-batch;
        the factor is 34 + 5 * heads * sequence / width with "none", 34 with "selective", 2 with "full".
    Of the allowed plans the one with the smallest t * p is chosen; among these the one with the smallest p.
    Returns: {"tensor": t, "pipeline": p, "data": d, "memory": GB, "bubble": (p - 1) / (m + p - 1)}; t, p and d are int.
    Raises: ValueError if no plan is allowed.

    >>> model = {"parameters": 10**9, "layers": 6, "width": 1000, "heads": 4, "sequence": 100, "batch": 8, "recompute": "selective"}
    >>> plan_parallelism(model, {"gpus": 4, "gpus_per_machine": 2, "memory": 6.0, "reserve": 0.1})
    {'tensor': 2, 'pipeline': 1, 'data': 2, 'memory': 5.0102, 'bubble': 0.0}

    Source: Narayanan et al. 2021, arXiv:2104.04473; Korthikanti et al. 2022, arXiv:2205.05198. The rule of choice is this course's.
    """
    ### BEGIN SOLUTION
    N, L, H, T, C = (model[name] for name in ("parameters", "layers", "heads", "sequence", "width"))
    factor = {"none": 34 + 5 * H * T / C, "selective": 34, "full": 2}[model["recompute"]]
    gpus, batch = cluster["gpus"], model["batch"]
    plans = []
    for t in range(1, cluster["gpus_per_machine"] + 1):
        for p in range(1, L + 1):
            if cluster["gpus_per_machine"] % t or H % t or gpus % (t * p) or batch % (gpus // (t * p)):
                continue
            d = gpus // (t * p)
            m, stage = batch // d, -(-L // p)
            states = N * stage / L / t * (4 + 12 / d)
            activations = stage * min(p, m) * T * C * factor / t
            memory = (states + activations) / 1e9
            if memory <= (1 - cluster["reserve"]) * cluster["memory"]:
                plans.append((t * p, p, t, d, memory, (p - 1) / (m + p - 1)))
    if not plans:
        raise ValueError("no plan fits")
    _, p, t, d, memory, bubble = min(plans)
    return {"tensor": t, "pipeline": p, "data": d, "memory": memory, "bubble": bubble}
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example a GPU may use 5.4 GB. Unsplit, the model takes 7.02 GB. Two plans have $t \cdot p = 2$, and tensor parallel wins the tie.

# %% check="infra-plan-parallelism"

# %% [markdown]
# Plan three models on machines of eight 80 GB GPUs. A step reads four million tokens for the two smaller ones, and sixteen million for the largest, as their authors did.
#
# **Predict before you run.** Which is the smallest of these clusters on which the 70B model fits: 8, 16, 32 or 64 GPUs?

# %% demo
from handbook.infrastructure_lab import fits

plan_of = yours_or_ours("plan_parallelism", globals(), exercise="infra-plan-parallelism")
machine = {"gpus_per_machine": 8, "memory": 80.0, "reserve": 0.1}
for name, batch, recompute, clusters in (("Llama 2 7B", 1024, "selective", (8, 64)), ("Llama 2 70B", 1024, "selective", (8, 16, 32, 64, 1024)), ("Llama 3.1 405B", 2048, "full", (256, 512, 16384))):
    model = {**SHAPES[name], "batch": batch, "recompute": recompute}
    for gpus in clusters:
        plan = fits(lambda model=model, gpus=gpus: plan_of(model, {**machine, "gpus": gpus}))
        told = f"t = {plan['tensor']}, p = {plan['pipeline']}, d = {plan['data']:3}, {plan['memory']:3.0f} GB, bubble {100 * plan['bubble']:2.0f} %" if plan else "nothing fits"
        print(f"{name:15} on {gpus:6,} GPUs: {told}")

# %% [markdown]
# Look at the last line: with 16,384 GPUs each pipeline gets only four sequences of a step, and more than two fifths of the time is spent waiting. More GPUs need larger batches, or a smarter pipeline.
#
# The authors of Llama 3.1 405B used $t = 8$, $p = 16$ and $d = 128$ on 16,384 GPUs, a finer split than ours, and report an MFU of 41 % (arXiv:2407.21783). Our count knows the large parts of memory only: no buffers for messages, no waste between blocks. And it knows nothing of speed: who splits further has room for activations, and recomputes less. Treat such a plan as the first thing to try.
#
# ## When it fails
#
# A training step needs every GPU. So a job on many machines stops when any one of them does. While Llama 3.1 405B was trained, 419 unexpected interruptions were counted in 54 days on 16,384 GPUs (arXiv:2407.21783).
#
# **Predict before you run.** How long does one of these machines, with eight GPUs, run without an interruption? And the whole cluster?

# %%
machines = 16384 // 8
mtbf_cluster = 54 * 24 / 419
mtbf_machine = mtbf_cluster * machines
print(f"the cluster: {mtbf_cluster:.1f} hours · one machine: {mtbf_machine:,.0f} hours, {mtbf_machine / 24 / 30:.0f} months")

# %% [markdown]
# These times are called *mean time between failures*, MTBF. Machines are reliable; two thousand of them are not: the MTBF of a job is that of a machine, divided by the number of machines.
#
# What helps is a checkpoint (lesson 4). Saving costs time, and not saving costs time: after a failure, everything since the last checkpoint is done again, half an interval on average.
# By hand: a checkpoint takes 0.05 hours, a failure comes every 10 hours, and a restart takes 0.25 hours.

# %%
cost, mtbf, restart = 0.05, 10.0, 0.25
for interval in (0.25, 0.5, 1.0, 2.0, 4.0):
    saving, redoing = cost / interval, (interval / 2 + restart) / mtbf
    print(f"every {interval:4} hours: {100 * saving:4.1f} % saving + {100 * redoing:4.1f} % lost to failures = {100 * (saving + redoing):4.1f} %")

# %% [markdown]
# One cost falls with the interval $\tau$ as $\text{cost}/\tau$, the other grows as $\tau / (2 \cdot \text{MTBF})$. Their sum is smallest where the two are equal: $\tau = \sqrt{2 \cdot \text{cost} \cdot \text{MTBF}}$. This is Young's rule of 1974, also called the Young/Daly formula.
#
# ## Exercise: How often to save · 2 points · ★☆☆


# %% exercise="infra-checkpoint-interval"
def checkpoint_interval(mtbf: float, cost: float, machines: int = 1, restart: float = 0.0) -> tuple[float, float]:
    """Find how long a job should work between two checkpoints, and which share of the time it loses all the same.

    Args: mtbf is the mean time between failures of one machine · cost is the time that saving a checkpoint takes ·
        machines of this kind work on the job, and it stops when any one of them fails · restart is the time from a failure
        until the job works again. All times are in one unit, any.
    Returns: (interval, lost).
        With M = mtbf / machines, interval = sqrt(2 * cost * M), and
        lost = cost / interval + (interval / 2 + restart) / M.
    Raises: ValueError if an argument other than restart is not above 0 (this test is given), and if lost is 1 or more:
        such a job would never end.

    >>> checkpoint_interval(mtbf=1000.0, cost=0.05, machines=100)
    (1.0, 0.1)

    Source: Young 1974, "A first order approximation to the optimum checkpoint interval", Communications of the ACM 17(9).
    """
    if mtbf <= 0 or cost <= 0 or machines < 1:
        raise ValueError(f"MTBF {mtbf}, cost {cost} and {machines} machines make no job")
    ### BEGIN SOLUTION
    between = mtbf / machines
    interval = (2 * cost * between) ** 0.5
    lost = cost / interval + (interval / 2 + restart) / between
    if lost >= 1:
        raise ValueError(f"failures every {between:.3g} eat all the time")
    return interval, lost
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's job fails every 10 hours. It saves every hour and loses a tenth of its time: half of that to saving, half to work that is done again.

# %% check="infra-checkpoint-interval"

# %% [markdown]
# Is a square root to be trusted? Simulate: 60 hours of work, on the cluster from above. How long its checkpoints and restarts took we do not know; 2 and 15 minutes are assumed here.
# The curve is the formula for the lost share, the points are simulated runs in which failures come at random.

# %% demo
from handbook.infrastructure_lab import lost_by_interval
from handbook.plots_infrastructure import interval_curve

interval_of = yours_or_ours("checkpoint_interval", globals(), exercise="infra-checkpoint-interval")
cost, restart = 2 / 60, 15 / 60
best, lost = interval_of(mtbf_machine, cost, machines, restart)
intervals = [best * 2**power for power in (-3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5)]
simulated = lost_by_interval(intervals, work=60, mtbf=mtbf_cluster, cost=cost, restart=restart)
formula = [cost / tau + (tau / 2 + restart) / mtbf_cluster for tau in intervals]
interval_curve(intervals, simulated, formula, best)

# %% [markdown]
# The rule hits the bottom of the valley, and the valley is flat: half or twice the interval costs little. Towards both ends the formula is too gloomy: it counts the cost of saving by the hour of work, and it takes failures to be rare within an interval.
# Daly (2006) corrects this; with an MTBF of 24 hours and checkpoints of 5 minutes his formula gives 117 minutes instead of Young's 120.
#
# What shrinks the loss itself? Cheaper checkpoints: each rank saves its own shard, first to memory nearby, while the training goes on. And faster restarts: here they are a third of the loss.
# Meta reports that more than 90 % of the time was effective (arXiv:2407.21783), so its checkpoints and restarts were cheaper than assumed here.
#
# ## Rent it
#
# Few people own such a cluster. Three large clouds rent them out, and smaller ones, often for less:
#
# | | AWS | Google Cloud | Microsoft Azure |
# |---|---|---|---|
# | a machine with 8 H100 | `p5.48xlarge` | `a3-highgpu-8g` | `Standard_ND96isr_H100_v5` |
# | other chips | Trainium, its own | TPU, its own | AMD MI300X, `Standard_ND96isr_MI300X_v5` |
# | interruptible machines | Spot Instances | Spot VMs | Spot Virtual Machines |
# | warning before one is taken | two minutes | 30 seconds | 30 seconds, by "Scheduled Events" |
#
# (From the documentation of the three clouds and of tools that work with them, looked up in November 2026.)
#
# You can pay in three ways. *On demand*: by the hour, the dearest, if there are any machines left. *Reserved*: you promise to pay for a time, from days to years, and get a lower price and the certainty to have them.
# *Spot*: what nobody else wants at the moment, at a small part of the price (AWS and Google speak of up to 90 or 91 % off), until somebody does.
#
# Prices change faster than lessons. These stood somewhere at the given time:

# %% demo
from handbook.compute_tables import OFFERS, SEEN_PRICES

for price in SEEN_PRICES:
    print(f"{price.when}  {price.what:62} ${price.dollars:5.2f} an hour, ${price.dollars / price.gpus:.2f} a chip")

# %% [markdown]
# So calculate with offers of your own. The eight below are **made up** for this course (November 2026, round figures, no real cloud), but they have the trade-offs of real ones:

# %% demo
print(f"{'':28}{'region':8}{'a machine has':16}{'$/hour':>7}{'there are':>11}{'interrupted every':>20}{'egress $/GB':>13}")
for offer in OFFERS:
    every = f"{1 / offer['interruptions']:,.0f} h" if offer["interruptions"] else "–"
    print(f"{offer['name']:28}{offer['region']:8}{offer['gpus']} × {offer['tflops']:5g} TF   {offer['dollars']:9g}{offer['machines']:11}{every:>20}{offer['egress']:13g}")

# %% [markdown]
# *Egress* is what a cloud asks for data that leaves it. Data comes in free, and the checkpoints that you want to take home do not.
#
# A spot machine that is taken stops the whole job, as a failure does. By hand: 8 machines, each interrupted every 50 hours, checkpoints of 0.05 hours, restarts of 0.25.

# %%
rate = 8 / 50
tau = (2 * 0.05 / rate) ** 0.5
lost = 0.05 / tau + rate * (tau / 2 + 0.25)
print(f"an interruption every {1 / rate:.1f} hours, {100 * lost:.0f} % of the time lost: 100 hours of work take {100 / (1 - lost):.0f}")

# %% [markdown]
# **Predict before you run the demonstration below.** At a third of the price, is spot always cheaper? What if you take ten times as many machines?
#
# ## Exercise: The cheapest offer · 4 points · ★★★


# %% exercise="infra-cheapest-cloud"
def cheapest_cloud(offers: list[dict], job: dict) -> dict | None:
    """Find the offer on which a training job is done for the least money, with interruptions taken into account.

    Args: an offer has "name", "region", "gpus" (on one machine), "tflops" and "memory" (of one GPU: peak in 10**12 FLOP/s,
        GB), "dollars" (a machine and hour), "interruptions" (of one machine in an hour, on average; 0 on demand), "machines"
        (how many there are) and "egress" (dollars for a GB that leaves the cloud) ·
        a job has "flops", "utilisation", "gpus" (so many at least), "memory" (GB that each GPU must have), "regions" (a list of
        those allowed, or None for any), "deadline", "checkpoint" and "restart" (all in hours), and "gigabytes_out".
    Each offer takes machines = job gpus / offer gpus, rounded up, and all their GPUs work:
        work = flops / (GPUs * tflops * 10**12 * utilisation * 3600), in hours.
        With R = interruptions * machines, tau = sqrt(2 * checkpoint / R), the job loses the share
        lost = checkpoint / tau + R * (tau / 2 + restart) of its time, or nothing if R is 0: then no checkpoints are saved.
        So it takes work / (1 - lost) hours, and the price is hours * machines * dollars + gigabytes_out * egress.
    An offer is ruled out if its memory or region does not do, if it has too few machines, if lost is 1 or more, or if the
        hours are above the deadline.
    Returns: {"name", "machines", "hours", "dollars"} of the offer with the fewest dollars, the first of them in the list
        if several cost the same; None if all are ruled out. Leave offers and job as they came.

    >>> offer = {"name": "A", "region": "us", "gpus": 8, "tflops": 500.0, "memory": 80, "dollars": 30.0, "interruptions": 0.0, "machines": 4, "egress": 0.1}
    >>> job = {"flops": 5.76e20, "utilisation": 0.5, "gpus": 10, "memory": 40, "regions": ["us"], "deadline": 99, "checkpoint": 0.05, "restart": 0.25, "gigabytes_out": 100}
    >>> cheapest_cloud([offer], job)
    {'name': 'A', 'machines': 2, 'hours': 40.0, 'dollars': 2410.0}

    Source: the square-root rule, Young 1974. The rest is this course's.
    """
    ### BEGIN SOLUTION
    best = None
    for offer in offers:
        machines = -(-job["gpus"] // offer["gpus"])
        wrong_place = job["regions"] is not None and offer["region"] not in job["regions"]
        if offer["memory"] < job["memory"] or wrong_place or machines > offer["machines"]:
            continue
        lost, rate = 0.0, offer["interruptions"] * machines
        if rate > 0:
            tau = (2 * job["checkpoint"] / rate) ** 0.5
            lost = job["checkpoint"] / tau + rate * (tau / 2 + job["restart"])
        if lost >= 1:
            continue
        work = job["flops"] / (machines * offer["gpus"] * offer["tflops"] * 1e12 * job["utilisation"] * 3600)
        hours = work / (1 - lost)
        dollars = hours * machines * offer["dollars"] + job["gigabytes_out"] * offer["egress"]
        if hours <= job["deadline"] and (best is None or dollars < best["dollars"]):
            best = {"name": offer["name"], "machines": machines, "hours": hours, "dollars": dollars}
    return best
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's job gets 16 GPUs, although it asked for 10, for they come in eights. They do 4 PFLOP/s, so the work takes 40 hours: two machines for \$2,400, and \$10 to take 100 GB home.

# %% check="infra-cheapest-cloud"

# %% [markdown]
# Now let it choose. The job: 7 billion parameters on 200 billion tokens, one-tenth of Llama 2's. Deadlines in days:

# %% demo
cheapest = yours_or_ours("cheapest_cloud", globals(), exercise="infra-cheapest-cloud")
job = {"flops": 6 * 7e9 * 2e11, "utilisation": 0.4, "gpus": 32, "memory": 80, "regions": None, "deadline": 0, "checkpoint": 0.05, "restart": 0.25, "gigabytes_out": 200}
for gpus in (32, 64, 256):
    for days in (4, 10, 30):
        for regions in (None, ["us"]):
            found = cheapest(list(OFFERS), {**job, "gpus": gpus, "deadline": 24 * days, "regions": regions})
            told = f"{found['name']:26}{found['machines']:3} machines {found['hours'] / 24:5.1f} days ${found['dollars']:9,.0f}" if found else "none"
            print(f"{gpus:3} GPUs, {days:2} days, {'in the US' if regions else 'anywhere '}: {told}")

# %% demo
on_demand, spot = (next(offer for offer in OFFERS if offer["name"] == f"cloud C, H100, {kind}") for kind in ("on demand", "spot"))
counts = [1, 2, 4, 8, 16, 32, 64]
price = {
    f"{kind}, ${offer['dollars']:.0f}": [found["dollars"] for count in counts if (found := cheapest([offer], {**job, "gpus": 8 * count, "deadline": 1e9}))]
    for kind, offer in (("on demand", on_demand), ("spot", spot))
}
plots.lines(counts, price, title="The same job on more and more machines of cloud C", xlabel="machines", ylabel="price of the job ($)", logx=True)

# %% [markdown]
# On demand, the price of the job does not depend on the number of machines: twice as many for half the time. On spot, where each of these machines is taken every 12.5 hours, it rises: the more machines, the more often one is taken, and each time all of them wait.
# The line ends where so many interruptions come that nothing is left of the time: the job would never end.
#
# So spot suits small jobs, and jobs that can go on with fewer machines when one is taken. The number that decides is the time from an interruption to work.
#
# ## Scaling up
#
# Put all of it together. Llama 2 70B on 2 trillion tokens, H100 machines, one cluster after the other, each twice as large. The batch stays at four million tokens.
#
# **Predict before you run.** Twice the GPUs, half the days: how far does this hold?

# %% demo
from handbook.infrastructure_lab import doublings

model = {**SHAPES["Llama 2 70B"], "batch": 1024, "recompute": "selective"}
h100 = ACCELERATORS["NVIDIA H100 SXM"]
work = flops_of(model, 2e12)
clusters, days = doublings(256, 32768), {"if nothing were lost": [], "with failures and bubbles": []}
for gpus in clusters:
    plan = plan_of(model, {**machine, "gpus": gpus})
    _, lost = interval_of(mtbf_machine, 2 / 60, gpus // 8, 15 / 60)
    days["if nothing were lost"].append(bill_of(work, h100.tflops, gpus)["days"])
    days["with failures and bubbles"].append(bill_of(work, h100.tflops, gpus, goodput=(1 - lost) * (1 - plan["bubble"]))["days"])
    print(f"{gpus:6,} GPUs: t = {plan['tensor']}, p = {plan['pipeline']}, d = {plan['data']:4}, bubble {100 * plan['bubble']:2.0f} %, lost to failures {100 * lost:2.0f} %")
plots.lines(clusters, days, title="Llama 2 70B again, on more and more GPUs", xlabel="GPUs", ylabel="days", logx=True, logy=True)

# %% [markdown]
# Up to some thousand GPUs the lines lie close together. Then two walls come. Failures take a larger share, as every machine adds its own. And at 8,192 GPUs each copy of the model has a single sequence of the batch left to read: more GPUs can only split the model further, and they wait in the bubble. The last two doublings even make the run longer.
#
# That is what *scaling up* is about. Not adding GPUs, but moving the next wall: larger batches as far as they still help training, faster links, cheaper checkpoints, fewer restarts.
# And small before large: measure MFU on one GPU, then on one machine, then on four, before you rent a thousand. A loss of MFU that you see on one machine is there on all of them.
#
# ## What a 7B and a 70B run need
#
# The bill, by your calculators. Two trillion tokens each, H100 machines at the AWS price of December 2024 from the table of seen prices, 40 % utilisation.

# %% demo
dollars = SEEN_PRICES[0].dollars
for name, gpus in (("Llama 2 7B", 64), ("Llama 2 70B", 512)):
    model = {**SHAPES[name], "batch": 1024, "recompute": "selective"}
    states = memory_of(model, 1, recompute="selective")
    plan = plan_of(model, {**machine, "gpus": gpus})
    interval, lost = interval_of(mtbf_machine, 2 / 60, gpus // 8, 15 / 60)
    work = flops_of(model, 2e12)
    bill = bill_of(work, h100.tflops, gpus, goodput=(1 - lost) * (1 - plan["bubble"]), dollars_per_machine_hour=dollars)
    print(f"{name}: {states['weights'] + states['gradients'] + states['optimizer']:,.0f} GB of states, {work:.2g} FLOPs")
    print(f"   on {gpus} GPUs: t = {plan['tensor']}, p = {plan['pipeline']}, d = {plan['data']}, {plan['memory']:.0f} GB on each")
    print(f"   save every {60 * interval:.0f} minutes, {100 * lost:.1f} % lost · {bill['gpu_hours']:,.0f} GPU-hours, {bill['days']:.0f} days, ${bill['dollars']:,.0f}\n")

# %% [markdown]
# Ten times the parameters on as much text: about ten times the bill. On the 20 tokens a parameter of lesson 4, it would be a hundred times, for the text grows too. And this is one run that works at once, without people, data, storage and tests.
#
# It is also why you will most often start from a model that somebody else has paid for. Part 3 is about that.
#
# **Limits.** Utilisation is an assumption in all of this: measure it, and put your own number in. The memory count leaves out buffers and fragmentation, the failure model takes failures for independent, the offers are made up, and prices are out of date when you read them.
#
# ## Recap
#
# - Memory: 16 bytes a parameter, which ZeRO divides, and activations for the micro-batch in flight, which recomputation shrinks.
# - Work: 6 FLOPs a parameter and token, and $12\,L\,T\,C$ a token for the attention scores.
# - Time: FLOPs by peak × utilisation × goodput. The peak is that of the number format you use, without sparsity. A utilisation of 40 % is a good result, and this one number predicted six of seven published bills within a factor of 1.5.
# - Split no further than memory asks for: tensor inside a machine, then pipeline, the rest data parallel.
# - Save every $\sqrt{2 \cdot \text{cost} \cdot \text{MTBF}}$, with the MTBF of the whole job. The valley is flat.
# - Compare the price of the finished job, not of the hour.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. You halve the micro-batch and double the number of micro-batches. What happens to weights, gradients, optimizer state, activations, and FLOPs?</summary>
#
# The activations halve, all else stays: gradients are added up in one place, and the same tokens are read. (Smaller products may run slower, so the time may grow.)
# </details>
#
# <details><summary>2. A job on 64 machines loses 8 % of its time to failures and checkpoints, with restart time 0. What is lost on 256 machines?</summary>
#
# 16 %. With four times as many failures the best interval halves, and the loss is $\sqrt{2 \cdot \text{cost} / \text{MTBF}}$: it grows with the square root of the machines.
# </details>
#
# <details><summary>3. A sheet says 1,979 TFLOP/s for bf16 on an H100, and your run reaches 400. Is your MFU 20 %?</summary>
#
# No: that number is "with sparsity". Of the dense peak, 989, it is 40 %.
# </details>
#
# **Next.** Part 2 ends here: data, training, and the machines for it. Part 3 takes a model that was trained at this price, and adapts it at a small part of it.
#
# ## Further reading
#
# - Rajbhandari et al. 2019, [ZeRO](https://arxiv.org/abs/1910.02054), arXiv:1910.02054.
# - Korthikanti et al. 2022, [Reducing Activation Recomputation in Large Transformer Models](https://arxiv.org/abs/2205.05198), arXiv:2205.05198.
# - Narayanan et al. 2021, [Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM](https://arxiv.org/abs/2104.04473), arXiv:2104.04473.
# - Chowdhery et al. 2022, [PaLM](https://arxiv.org/abs/2204.02311), arXiv:2204.02311: defines model FLOPs utilisation.
# - Le Scao et al. 2022, [BLOOM](https://arxiv.org/abs/2211.05100), arXiv:2211.05100; Zhang et al. 2022, [OPT](https://arxiv.org/abs/2205.01068), arXiv:2205.01068: large runs, told openly.
# - Grattafiori et al. 2024, [The Llama 3 Herd of Models](https://arxiv.org/abs/2407.21783), arXiv:2407.21783: its infrastructure, and what failed.
# - Young 1974, A first order approximation to the optimum checkpoint interval, Communications of the ACM 17(9). Daly 2006, A higher order estimate of the optimum checkpoint interval for restart dumps, Future Generation Computer Systems 22(3).
# - Bekman, [Machine Learning Engineering](https://github.com/stas00/ml-engineering): accelerators, networks and storage, from practice.
