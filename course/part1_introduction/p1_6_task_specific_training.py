# %% [markdown]
# # From a pretrained model to your task
#
# A shop gets 240 messages a day: invoices, parcels, broken things, lost passwords. Someone must sort them into six heaps.
# You have a sentence encoder that learned from a billion pairs of texts, and it has never seen your shop.
# How many messages must you label by hand before it can sort the rest?

# %% demo
from handbook import load_encoder
from handbook.transfer_lab import topic_map, untrained_encoder

encoder, untrained = load_encoder(), untrained_encoder(seed=0)
topic_map(untrained, "Tickets seen by an encoder with random weights")

# %% demo
topic_map(encoder, "The same tickets seen by pretrained MiniLM")

# %% [markdown]
# Both encoders have the same shape. The first has random weights. The second learned from more than a billion pairs of texts that belong together
# (model card of all-MiniLM-L6-v2, 2021; the method is that of Reimers and Gurevych 2019, arXiv:1908.10084). Neither has seen a label of ours, and yet the second has begun to sort.
#
# That is the bargain behind almost every language model in use: *pretrain* once, on much text and no labels; then *fine-tune* for a task, with few labels.
#
# **Predict before you run.** With 1, 2, 4 … 32 labelled tickets a topic, how often does a linear head on each encoder name the right topic? Guessing gets 1 in 6.

# %% demo
from handbook import plots
from handbook.transfer_lab import accuracy_by_labels

counts = [1, 2, 4, 8, 16, 32]
accuracy = accuracy_by_labels({"pretrained": encoder, "random weights": untrained}, counts)
plots.lines(counts, {**accuracy, "guessing": [1 / 6] * len(counts)}, xlabel="labelled tickets a topic", ylabel="accuracy on unseen tickets (0 to 1)",
            title="What pretraining is worth, in labels", logx=True,
            alt="The pretrained encoder's accuracy rises from about 0.4 to 0.8; the random one's stays below 0.4.")

# %% demo
print("labels a topic   labels in all   pretrained   random weights")
for count, pretrained, random in zip(counts, accuracy["pretrained"], accuracy["random weights"], strict=True):
    print(f"{count:>14} {6 * count:>15} {pretrained:>12.2f} {random:>16.2f}")

# %% [markdown]
# So how many must you label? With 12 in all, about half of the rest land on the right heap; with 192, about four in five. What an error costs you decides where to stop. Two labels a topic on the pretrained encoder beat thirty-two on the random one.
# The encoder stayed frozen all the time: only a small linear *head* was trained. You will now write the four pieces of that training.
#
# ## One vector from many tokens
#
# An encoder gives one vector a token. A sentence of five tokens in a batch whose longest has eight comes with three vectors of padding, and padding means nothing.

# %%
import torch

tokens = torch.tensor([[[2.0], [4.0], [9.0], [9.0]]])  # (B=1, T=4, C=1): two real tokens, two of padding
mask = torch.tensor([[True, True, False, False]])
print("mean over all:", tokens.mean(1).item(), "  mean over the real ones:", tokens[mask].mean().item())

# %% [markdown]
# ## Exercise: A head that reads one answer from many tokens · 2 points · ★★☆

# %% exercise="finetune-classifier-head"
import torch
from torch import Tensor, nn


class ClassifierHead(nn.Module):
    """Average the real tokens of each text, then score every class with one linear layer.

    Args: d_model is the width C of a token vector; n_classes is the number K of classes.
    Layers: linear, an nn.Linear(C, K) with a bias; no other parameters.
    Call: tokens (B, T, C), mask (B, T), bool, True = a real token -> logits (B, K): raw scores, no softmax.
        A text without a single real token is averaged to zeros, so that its logits are the bias.
    The logits are the same in train and in eval mode. Gradients flow to the real tokens, so that an encoder below can learn too.
    Leave tokens and mask as they came.

    >>> ClassifierHead(3, 2)(torch.ones(1, 5, 3), torch.ones(1, 5, dtype=torch.bool)).shape
    torch.Size([1, 2])

    Source: mean pooling as in Reimers and Gurevych 2019, arXiv:1908.10084, section 3.
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
# Fine-tuning the head alone is cheap, and safe: 240 tickets can't spoil what a billion pairs taught. So the rest is *frozen*.
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

    Args: model is changed in place; trainable names submodules as in model.named_modules(), e.g. "head" or "encoder.layers.3".
        A name means that submodule and all inside it, and nothing else: "head" does not mean "head_norm".
    After the call: parameters of the named parts have requires_grad True and those parts are in train mode;
        all other parameters have requires_grad False and all other modules, the model itself among them, are in eval mode,
        whatever they were before, so that no BatchNorm statistic outside the named parts can move. Nothing else changes.
    Returns: the number of trainable numbers (a 2 × 3 weight counts 6, and one that two layers share counts once), an int.
    Raises: ValueError if a name is no submodule of the model, a parameter's name among them; the message holds the name. The empty name "",
        which PyTorch uses for the model itself, is refused too. An empty list freezes everything.

    >>> freeze(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), ["1"])
    8

    Source: a frozen encoder as in Devlin et al. 2019, arXiv:1810.04805, section 5.3 (feature-based approach);
        some layers only, as in gradual unfreezing, Howard and Ruder 2018, arXiv:1801.06146, section 3.3.
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

    Args: model maps inputs to logits (B, K); optimizer holds the parameters that may move; labels (B,), int64, 0 to K - 1.
    The loss is the mean cross-entropy of the batch, in nats. Gradients that were there before the call, whoever left them, must not count.
    Call the model once: a BatchNorm in train mode counts every call. Change the gradients in no way before the step.
    Leave requires_grad and train/eval modes as they are: a frozen parameter gets no gradient and does not move.
    Returns: a plain float.

    >>> model = nn.Linear(2, 2); finetune_step(model, torch.optim.SGD(model.parameters(), lr=0.1), torch.zeros(1, 2), torch.tensor([0])) > 0
    True

    Source: cross-entropy for classification as in Devlin et al. 2019, arXiv:1810.04805, section 4.1.
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
from handbook.transfer_lab import ticket_split

step = yours_or_ours("finetune_step", globals(), exercise="finetune-step")
tickets = ticket_split(encoder, per_label=8, seed=0)
torch.manual_seed(0)
model = nn.Linear(384, 6)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
losses = [step(model, optimizer, tickets.x, tickets.y) for _ in range(60)]
right = (model(tickets.x_test).argmax(-1) == tickets.y_test).float().mean().item()
plots.lines(range(60), {"loss": losses}, xlabel="step", ylabel="loss (nats)", title=f"A linear head on frozen MiniLM: {right:.0%} right on unseen tickets",
            alt="The loss falls from about 1.8 nats, the value of guessing among six, towards zero.")

# %% [markdown]
# ## When to stop
#
# The loss above is that of the tickets the head learned from. It falls, and it says nothing about new tickets. The loss on held-out tickets tells another story.
# **Predict before you run:** a bigger head, 4 labels a topic, two tickets a step, 80 epochs. Where is the loss on 36 held-out tickets lowest? Does it fall smoothly until there?

# %% demo
from handbook.transfer_lab import overfit

history = overfit(ticket_split(encoder, per_label=4, seed=1), epochs=80)
plots.lines(range(80), history, xlabel="epoch", ylabel="loss (nats)", title="Learned from, and held out",
            alt="The loss on what was learned falls towards zero. The held-out loss falls with small bumps, is lowest at about 0.9 after some 26 epochs, then rises to about 1.6.")

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

    Source: Goodfellow, Bengio and Courville 2016, "Deep Learning", section 7.8, algorithm 7.1 (the rule with patience).
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
held_out = history["held out"]
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
# - Frozen means no gradient *and* no moving statistics.
# - A step is: clear, forward, backward, step. Keep the checkpoint that was best on data it did not learn from, and have patience with its bumps.
#
# **Limits.** 240 short tickets of one style, written for this course: good for seeing the effect, too few for a claim about your own data.
#
# **Further reading.** Devlin et al. 2019, *BERT*, arXiv:1810.04805 · Howard and Ruder 2018, *Universal Language Model Fine-tuning for Text Classification*, arXiv:1801.06146 ·
# Reimers and Gurevych 2019, *Sentence-BERT*, arXiv:1908.10084 · Goodfellow, Bengio and Courville 2016, *Deep Learning*, section 7.8 · Prechelt 1998, *Early Stopping - But When?*, doi:10.1007/3-540-49430-8_3.
