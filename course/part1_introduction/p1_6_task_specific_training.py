# %% [markdown]
# # From a pretrained model to your task
#
# Lesson 5 pretrained a network on text that nobody had labelled. Here it is put to work.
# A shop gets 240 messages a day: invoices, parcels, broken things, lost passwords. Someone must sort them into six heaps.
# You have a sentence encoder that learned from a billion pairs of texts, and it has never seen your shop.
# How many messages must you label by hand before it can sort the rest?
#
# **Predict before you run.** With 1, 2, 4 … 32 labelled tickets a topic, how often does a linear head name the right topic of a ticket that it has not seen? Guessing gets 1 in 6.
# The head reads the pretrained encoder, or one of the same shape with random weights, or no encoder at all: just how often each word occurs (a *bag of words*).

# %% demo
from handbook import load_encoder, plots
from handbook.transfer_lab import BagOfWords, accuracy_by_labels, topic_maps, untrained_encoder

encoder, untrained = load_encoder(), untrained_encoder(seed=0)
counts = [1, 2, 4, 8, 16, 32]
accuracy = accuracy_by_labels({"pretrained": encoder, "random weights": untrained, "bag of words": BagOfWords()}, counts)
plots.lines(counts, {**accuracy, "guessing": [1 / 6] * len(counts)}, xlabel="labelled tickets a topic", ylabel="accuracy on unseen tickets (0 to 1)",
            title="What pretraining is worth, in labels", logx=True,
            alt="The pretrained encoder's accuracy rises from about 0.4 to 0.8; random weights and a bag of words stay at about 0.4 or below.")

# %% demo
print("labels a topic   labels in all   pretrained   random weights   bag of words")
for count, *shares in zip(counts, *accuracy.values(), strict=True):
    print(f"{count:>14} {6 * count:>15} {shares[0]:>12.2f} {shares[1]:>16.2f} {shares[2]:>14.2f}")

# %% [markdown]
# So how many must you label? With 12 in all, about half of the rest land on the right heap; with 192, about four in five. What an error costs you decides where to stop.
# Two labels a topic on the pretrained encoder beat thirty-two on random weights, and thirty-two on words alone. (Each number is the mean over five draws, tested on 48 tickets a draw: one ticket is 0.02.)
#
# That is the bargain behind almost every language model in use: *pretrain* once, on much text; then *fine-tune* for a task, with few labels. This encoder, all-MiniLM-L6-v2, had two rounds of the first:
# a model pretrained on plain text went on to learn from more than a billion pairs of texts that belong together, some of them from labelled collections (its *model card*, the page that describes a published model; the method is that of Reimers and Gurevych 2019, arXiv:1908.10084).
# It has seen no label of ours. Has it begun to sort all the same?

# %% demo
topic_maps({"random weights": untrained, "pretrained": encoder})

# %% [markdown]
# Two directions of 384 are drawn, those in which the tickets differ most (the first two *principal components*). On the right *billing*, *technical*, *advice* and *account* lean to four different sides; *delivery* and *returns* overlap here and need the other 382 directions, which the head can use and your eye can't.
#
# In the curve above the encoder stayed frozen: only a small linear *head* was trained. You will now write the four pieces of that training, and then train a layer of the encoder too.
#
# ## One vector from many tokens
#
# An encoder gives one vector a token. A sentence of five tokens in a batch whose longest has eight comes with three vectors of padding, and padding means nothing.

# %%
import torch

tokens = torch.tensor([[[2.0], [4.0], [9.0], [9.0]], [[1.0], [1.0], [7.0], [9.0]]])  # (B=2, T=4, C=1): two texts
mask = torch.tensor([[True, True, False, False], [True, True, True, False]])
print("mean over all four:       ", tokens.mean(1).flatten().tolist())
print("mean over the real ones:  ", [3.0, 3.0], " by hand: (2 + 4) / 2 and (1 + 1 + 7) / 3")
print("tokens[mask]:             ", tokens[mask].flatten().tolist(), " one heap of five: whose is which?")

# %% [markdown]
# `tokens[mask]` throws the real tokens of all texts on one heap. With one text that does no harm; with two, each needs a mean of its own.
#
# ## Exercise: A head that reads one answer from many tokens · 2 points · ★★☆

# %% exercise="finetune-classifier-head"
import torch
from torch import Tensor, nn


class ClassifierHead(nn.Module):
    """Average the real tokens of each text, then score every class with one linear layer.

    Args: d_model is the width C of a token vector; n_classes is the number K of classes.
    Layers: linear, an nn.Linear(C, K) with a bias, as PyTorch makes it, for each head its own; no other parameters.
    Call: tokens (B, T, C), float32 or float64, any memory layout; mask (B, T), bool, True = a real token, wherever it stands
        -> logits (B, K) in the dtype of the tokens: raw scores, no softmax.
        The mean is the plain one: nothing is added to the number of tokens. A text without a single real token is
        averaged to zeros, so that its logits are the bias.
    Logits and gradients are the same in train and in eval mode. Gradients flow to the layer and to the real tokens, so that an
    encoder below can learn too. Leave tokens, mask and the random seed as they came.

    >>> ClassifierHead(3, 2)(torch.ones(1, 5, 3), torch.ones(1, 5, dtype=torch.bool)).shape
    torch.Size([1, 2])

    Source: mean pooling as in Reimers and Gurevych 2019, arXiv:1908.10084.
    """

    def __init__(self, d_model: int, n_classes: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.linear = nn.Linear(d_model, n_classes)
        ### END SOLUTION

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        real = mask.unsqueeze(-1).to(tokens.dtype)  # (B, T) -> (B, T, 1)
        mean = (tokens * real).sum(1) / real.sum(1).clamp(min=1)  # (B, C)
        return self.linear(mean)
        ### END SOLUTION


# %% [markdown]
# **What you should see.** The logits of a sentence stay the same however much padding stands behind it.

# %% check="finetune-classifier-head"

# %% [markdown]
# **What it means in the real model.** The same sentence, alone and in a batch with a long one. MiniLM pads the short one; your head must not notice.

# %% demo
from handbook.answers import yours_or_ours

Head = yours_or_ours("ClassifierHead", globals(), exercise="finetune-classifier-head")
head, short = Head(384, 6), "Where is my parcel?"
for batch in ([short], [short, "I paid twice for the same lamp last week and nobody has answered any of my three letters about it."]):
    inputs = encoder.tokenizer(batch, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = encoder.model(**inputs).last_hidden_state
        print(tuple(states.shape), [round(x, 4) for x in head(states, inputs["attention_mask"].bool())[0].tolist()])

# %% [markdown]
# ## What may move
#
# Fine-tuning the head alone is cheap, and nothing that the encoder knows can be lost. So the rest is *frozen*.
# Two things can move while a model trains. Parameters move when they have a gradient. And a BatchNorm layer keeps running averages of what it sees,
# which move whenever it is in train mode, gradient or not. Watch it happen:

# %%
import torch
from torch import nn

norm = nn.BatchNorm1d(2)
norm.requires_grad_(False)  # "frozen"
norm(torch.full((4, 2), 5.0))
print("after one batch in train mode, the running mean is", norm.running_mean.tolist())

# %% [markdown]
# ## Exercise: Freeze everything but what you train · 3 points · ★★☆

# %% exercise="finetune-freeze"
from collections.abc import Sequence

from torch import nn


def freeze(model: nn.Module, trainable: Sequence[str]) -> int:
    """Leave only the named parts of a model to be trained, and say how many numbers that is.

    Args: model is changed in place; trainable, a list or tuple, names submodules as in model.named_modules(), e.g. "head" or
        "encoder.layers.3". A name is a whole path and means that submodule and all inside it: "head" means neither "head_norm" nor
        "old.head". A name may stand there twice, and a part without parameters, such as a dropout, may be named.
    After the call: parameters of the named parts have requires_grad True and those parts are in train mode;
        all other parameters have requires_grad False and all other modules, the model itself among them, are in eval mode,
        whatever they were before, so that no BatchNorm statistic outside the named parts can move. Nothing else changes: not the weights, the gradients that are
        there, the settings of a layer, or the list of names; no parameter is replaced by a new one.
    Returns: the number of trainable numbers (a 2 × 3 weight counts 6, and one that two layers share counts once), an int.
    Raises: ValueError if a name is no submodule of the model, a parameter's name among them; the message holds the name, and the model
        is as it was. The empty name "", which PyTorch uses for the model itself, is refused too. An empty list freezes everything.

    >>> freeze(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), ["1"])
    8

    Source: a frozen encoder as in the feature-based approach of Devlin et al. 2019, arXiv:1810.04805;
        some layers only, as in gradual unfreezing, Howard and Ruder 2018, arXiv:1801.06146.
    """
    ### BEGIN SOLUTION
    modules = dict(model.named_modules())
    for name in trainable:
        if not name or name not in modules:
            raise ValueError(f"the model has no part called {name!r}")
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for name in trainable:
        modules[name].train()
        for parameter in modules[name].parameters():
            parameter.requires_grad_(True)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** For two linear layers of 15 and 8 numbers, training the second alone leaves 8.

# %% check="finetune-freeze"

# %% [markdown]
# **What it means in the real model.** MiniLM with a head of six classes: how much of it do you train?

# %% demo
freeze_parts = yours_or_ours("freeze", globals(), exercise="finetune-freeze")
classifier = nn.ModuleDict({"encoder": encoder.model, "head": Head(384, 6)})
total = sum(parameter.numel() for parameter in classifier.parameters())
for parts in (["head"], ["head", "encoder.encoder.layer.5"], ["head", "encoder"]):
    share = freeze_parts(classifier, parts) / total
    print(f"{' + '.join(parts):<35} {share:8.3%} of {total:,} numbers")
freeze_parts(classifier, [])  # the encoder is used again below: nothing in it may move
encoder.model.eval();  # its usual state

# %% [markdown]
# **The commonest way to lose it again.** Many training loops call `model.train()` at the top of every epoch (one *epoch* is one pass over all labelled texts). That sets train mode everywhere, in the frozen parts too, and their BatchNorm and dropout wake up:

# %%
model = nn.ModuleDict({"encoder": nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), "head": nn.Linear(2, 2)}).requires_grad_(False).eval()
model["head"].requires_grad_(True).train()  # what freeze(model, ["head"]) does
model.train()  # … and the top of an epoch
print("after model.train(): BatchNorm in train mode?", model["encoder"][1].training, "  requires_grad?", model["encoder"][0].weight.requires_grad)

# %% [markdown]
# So call `freeze(model, [...])` again in its place, or only `model["head"].train()`. And build the optimizer *after* freezing, from the parameters that may move:
# one that was built before holds the frozen ones too, keeps memory for them once they have had a gradient, and still moves those that have an old gradient.

# %% [markdown]
# ## One step
#
# A training step is four lines: clear the old gradients, go forward, go backward, step. A slip in them often makes no error at all:
# without clearing the old gradients, every step repeats all steps before it.
#
# ## Exercise: One step of fine-tuning · 2 points · ★☆☆

# %% exercise="finetune-step"
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def finetune_step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, labels: Tensor) -> float:
    """Train a classifier on one batch and return the loss that it had before this step.

    Args: model maps inputs to logits (B, K), B ≥ 1; optimizer holds the parameters that may move; labels (B,), int64, 0 to K - 1.
    The loss is the mean cross-entropy of the batch, in nats. Gradients that were there before the call, whoever left them, must not count.
    Call the model once: a BatchNorm in train mode counts every call. Change the gradients in no way before the step, and skip none.
    Leave requires_grad and train/eval modes as they are: a frozen parameter gets no gradient and does not move.
    Leave inputs, labels, the learning rate and the random seed as they are, too.
    Returns: a plain float, not rounded.

    >>> model = nn.Linear(2, 2); finetune_step(model, torch.optim.SGD(model.parameters(), lr=0.1), torch.zeros(1, 2), torch.tensor([0])) > 0
    True

    Source: cross-entropy for classification as in Devlin et al. 2019, arXiv:1810.04805.
    """
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    loss = F.cross_entropy(model(inputs), labels)
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The same batch twice: the second loss is lower than the first.

# %% check="finetune-step"

# %% [markdown]
# **See it learn.** Your step, sixty times, on 8 labelled tickets a topic.

# %% demo
from handbook.transfer_lab import accuracy as share_right
from handbook.transfer_lab import ticket_split

step = yours_or_ours("finetune_step", globals(), exercise="finetune-step")
tickets = ticket_split(encoder, per_label=8, seed=0)
torch.manual_seed(0)
model = nn.Linear(384, 6)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
losses = [step(model, optimizer, tickets.x, tickets.y) for _ in range(60)]
right = share_right(model, tickets.x_test, tickets.y_test)
plots.lines(range(60), {"loss": losses}, xlabel="step", ylabel="loss (nats)", title=f"A linear head on frozen MiniLM: {right:.0%} right on unseen tickets",
            alt="The loss falls from about 1.8 nats, the value of guessing among six, towards zero.")

# %% [markdown]
# ## Train a layer of the encoder too
#
# The head can only use what the encoder offers. Now the top one of MiniLM's six layers may move as well. A pretrained weight is worth something, so it gets a small *learning rate*, the length of a step:
# Devlin et al. 2019 (arXiv:1810.04805, appendix A.3) try 2e-5 to 5e-5 for a whole BERT. A fresh head knows nothing and gets 0.01. One optimizer can hold both, as two *groups* of parameters.
#
# **Predict before you run.** 8 labels a topic, eight epochs, three draws of the tickets. Which learning rate of the layer gives the best accuracy on unseen tickets: none (frozen), 1e-4, or 1e-2, that of the head?

# %% demo
from handbook.transfer_lab import TopLayer, train_on_tickets

print("lr of the layer   loss learned from   lowest validation loss   accuracy on the test set, 3 draws and mean")
for rate in (0.0, 1e-4, 1e-2):
    runs = []
    for seed in range(3):
        torch.manual_seed(seed)
        model = TopLayer(encoder, Head(384, 6))  # a copy of the layer: the encoder itself stays as it is
        freeze_parts(model, ["head", "layer"] if rate else ["head"])
        groups = [{"params": list(model.head.parameters()), "lr": 1e-2}, {"params": list(model.layer.parameters()), "lr": rate}][: 2 if rate else 1]
        runs.append(train_on_tickets(model, torch.optim.AdamW(groups, weight_decay=0.0), step, per_label=8, seed=seed))
    mean = {key: sum(run[key] for run in runs) / 3 for key in runs[0]}
    print(f"{rate or 'frozen':>15} {mean['learned from']:>19.3f} {mean['validation']:>24.2f}  ", *(f"{run['test']:.2f} " for run in runs), f" mean {mean['test']:.2f}")

# %% [markdown]
# What came out, and what did not: with 1e-4 the layer learns its tickets better and the validation loss is a little lower, but on the test set it wins in one draw, loses in another, and is ahead by a ticket or two of 144 in all. So few labels are no proof that it is worth its cost, which is training 1.8 million numbers in place of 2,310.
# With 1e-2 it is behind in every draw: the layer loses some of what pretraining gave it. The loss on what it learned from looks fine, the validation loss does not. More labels, or a task farther from what the encoder knows, may turn the answer round: measure it on your own data, and choose the learning rate with the validation set.
#
# ## When to stop
#
# The training loss falls, and it says nothing about new tickets. The loss on held-out tickets tells another story.
# Those that tell you when to stop are used to *choose*, and the best of many looks better than it is. So the tickets are split in three: some to learn from, some to choose with (*validation*), and some to report with (*test*), which are looked at once, at the end.
# **Predict before you run:** a bigger head, 4 labels a topic, two tickets a step, 80 epochs. Where is the loss on 36 validation tickets lowest? Does it fall smoothly until there?

# %% demo
from handbook.transfer_lab import overfit

history = overfit(ticket_split(encoder, per_label=4, seed=4), epochs=80)
plots.lines(range(80), history, xlabel="epoch", ylabel="loss (nats)", title="Learned from, and held out",
            alt="The loss on what was learned falls towards zero. The validation loss falls with bumps, is lowest at about 1.1 after some 32 epochs, then rises to about 1.3.")

# %% [markdown]
# *Early stopping* keeps the checkpoint of the best held-out loss, and gives up when nothing was better for a while, the *patience*.
# By hand, with patience 2 and losses 3, 2, 2.5, 2.4, 1: after epoch 1 (loss 2) come two epochs that are no better, so training stops after epoch 3
# and epoch 1 is kept. The 1 at the end is never seen: you can't choose a checkpoint that you did not train.
#
# ## Exercise: Which checkpoint to keep · 2 points · ★★☆

# %% exercise="finetune-early-stopping"
import math


def choose_checkpoint(history: list[float], patience: int = 3) -> tuple[int, int]:
    """Say which epoch's checkpoint to keep, and after which epoch training stops.

    Args: history holds the held-out loss after each epoch, in order, epochs counted from 0; patience ≥ 1 is the number of
        epochs in a row without a new best loss after which training stops.
    A new best is strictly lower than all losses before it, by however little; a loss that is NaN or infinite, of either sign, is
        never a new best. Losses may be negative. Leave history as it came. The epoch after which
        training stops is the first one that makes `patience` epochs in a row without a new best, or the last one if none does.
    Returns: (epoch kept, epoch stopped after). Kept is the best epoch up to the stop; later losses were never seen.
    Raises: ValueError if history is empty, if patience < 1, or if no loss up to the stop is finite.

    >>> choose_checkpoint([3.0, 2.0, 2.5, 2.4, 1.0], patience=2)
    (1, 3)

    Source: the rule with patience, as in Goodfellow, Bengio and Courville 2016, "Deep Learning", chapter on regularisation.
    """
    ### BEGIN SOLUTION
    if not history or patience < 1:
        raise ValueError("at least one epoch and a patience of at least 1 are needed")
    best, kept, waited = math.inf, -1, 0
    stopped = len(history) - 1
    for epoch, loss in enumerate(history):
        if math.isfinite(loss) and loss < best:
            best, kept, waited = loss, epoch, 0
        else:
            waited += 1
        if waited == patience:
            stopped = epoch
            break
    if kept < 0:
        raise ValueError("no loss up to the stop is finite")
    return kept, stopped
    ### END SOLUTION


# %% [markdown]
# **What you should see.** `(1, 3)` for the example, and `(4, 4)` with a patience of 4: it waits long enough to see the 1.

# %% check="finetune-early-stopping"

# %% [markdown]
# **On the run above.** **Predict before you run:** which patience falls for a bump, and which costs epochs for nothing?

# %% demo
choose = yours_or_ours("choose_checkpoint", globals(), exercise="finetune-early-stopping")
held_out = history["validation"]
for patience in (1, 3, 10, 80):
    kept, stopped = choose(held_out, patience)
    print(f"patience {patience:>2}: stops after epoch {stopped:>2}, keeps epoch {kept:>2} with loss {held_out[kept]:.3f}")

# %% [markdown]
# A small patience takes the first bump for the end and keeps a worse checkpoint. A large one finds the best and pays for it with epochs.
# When to stop has no answer that fits every curve (Prechelt 1998 compares several rules).
#
# ## Recap
#
# - Pretraining is paid once and used many times: on these tickets two labels a topic with it beat thirty-two without.
# - A head reads one vector a text; padding must not count.
# - Frozen means no gradient *and* no moving statistics. Build the optimizer after freezing, and don't call `model.train()` over it.
# - Pretrained layers get a small learning rate, a fresh head a large one.
# - A step is: clear, forward, backward, step. Keep the checkpoint that was best on data it did not learn from, and have patience with its bumps.
# - A set that was used to choose can't be used to report: learn, validate, test.
#
# **Limits.** 240 short tickets of one style, written for this course: good for seeing the effect, too few for a claim about your own data.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. All parameters of an encoder have requires_grad False. What in it can still move, and what stops that?</summary>
#
# The running statistics of a BatchNorm in train mode. Eval mode stops them; so no `model.train()` over the whole model afterwards.
# </details>
#
# <details><summary>2. Validation losses 2.0, 1.5, 1.6, 1.4, 1.7, 1.8, 1.9 with patience 2. Which epoch is kept, and after which does training stop?</summary>
#
# Epoch 3 (1.4) is kept. Epochs 4 and 5 are no better, so training stops after epoch 5. The bump at epoch 2 was only one epoch long.
# </details>
#
# <details><summary>3. You try ten learning rates and keep the one with the best validation accuracy, 0.86. Why not report 0.86?</summary>
#
# The best of ten is partly the luckiest of ten on that set. Measure the chosen one once, on a test set that no choice has seen.
# </details>
#
# ## What you have built

# %% demo
from handbook.transfer_lab import part_one

part_one()

# %% [markdown]
# Read it from left to right: a text becomes tokens and vectors, attention lets them read each other, a head turns the result into scores, and scores become an answer. Lesson 2 showed how the field came to this shape, and how much each step was worth.
# Below runs what makes it good: a loss, and its gradient.
#
# **Next.** So far the models and the texts were small and given. Part 2 sets up the real thing: which framework, which data and how to clean it, training from scratch, on one machine and on many, and what it costs.
#
# **Further reading.** Devlin et al. 2019, *BERT*, arXiv:1810.04805 · Howard and Ruder 2018, *Universal Language Model Fine-tuning for Text Classification*, arXiv:1801.06146 ·
# Reimers and Gurevych 2019, *Sentence-BERT*, arXiv:1908.10084 · Goodfellow, Bengio and Courville 2016, *Deep Learning*, the chapter on regularisation · Prechelt 1998, *Early Stopping - But When?*, doi:10.1007/3-540-49430-8_3.
