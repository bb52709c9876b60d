"""What the warm server loads before its first fork, so that no child has to."""
from __future__ import annotations

import random

LIBRARIES = ("torch", "numpy", "matplotlib.pyplot", "transformers", "peft", "handbook", "handbook.plots", "handbook.texts", "grader.fleet.learner")


def seed_all(seed: int) -> None:
    """Start all random numbers anew: a fork inherits them."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def preload(models: bool) -> list[str]:
    """Import what lessons import, and load the models where they have been fetched. Returns what could not be had."""
    import importlib

    missing = []
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    import torch
    import transformers

    from grader.fleet.weights import map_weights

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    transformers.logging.set_verbosity_error()
    _use_once()
    if models:
        import handbook.models

        for load in (handbook.models.load_lm, handbook.models.load_encoder):
            try:
                map_weights([load().model])
            except Exception as error:
                missing.append(f"{load.__name__}: {error}")
    return missing


def _use_once() -> None:
    """What torch imports at its first use, every child would import again: printing, einsum, autograd, an optimiser's step."""
    import torch
    from torch.nn import functional

    table = torch.nn.Embedding(5, 4)
    for kind in (torch.optim.SGD, torch.optim.AdamW):
        optimizer = kind(table.parameters(), lr=0.1)
        functional.cross_entropy(torch.einsum("td,vd->tv", table(torch.arange(3)), table.weight), torch.arange(3)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    torch.multinomial(table.weight.detach().softmax(-1).sort().values.cumsum(-1), 2).topk(1)
    str(table.weight)
