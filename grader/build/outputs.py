"""What a run leaves in a notebook, made the same on every machine, and what must not be in it."""
from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from grader.build.notebook import Notebook

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def plain(text: str) -> str:
    """Text without terminal colours."""
    return _COLOUR.sub("", text)


def tidy(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs in nbformat's form: neighbouring prints joined, memory addresses and transient fields left out."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        output.pop("transient", None)
        if output["output_type"] == "stream":
            output["text"] = _ADDRESS.sub("0x…", "".join(output["text"]))
            if joined and joined[-1]["output_type"] == "stream" and joined[-1]["name"] == output["name"]:
                joined[-1]["text"] += output["text"]
                continue
        joined.append(output)
    for output in joined:
        if output["output_type"] == "stream":
            output["text"] = output["text"].splitlines(keepends=True)
        elif "data" in output:
            output["data"] = {kind: _lines(kind, value) for kind, value in output["data"].items()}
    return joined


def complaint(cell: Notebook, private: Iterable[str]) -> str:
    """Why a cell's outputs may not be published: a path of this machine, or a check that did not pass. "" if they may."""
    texts = [text for output in cell["outputs"] for text in _texts(output)]
    for place in private:
        if len(place) > 3 and any(f"{place}/" in text or f"{place}\\" in text for text in texts):
            return f"its output shows a folder of this machine ({place}); print something else"
    mark = cell["metadata"].get("nbgrader", {})
    if mark.get("grade") and texts_of_result(cell) != f"{mark['points']:.2f}":
        card = "\n".join(re.sub(r"<[^>]+>", " ", text) for text in texts)
        return f"our own answer does not pass its check; run `grader mutants` and mend the one or the other\n\n{card}"
    return ""


def texts_of_result(cell: Notebook) -> str:
    """The plain text of what a cell returned; for a check it is the points."""
    results = [output["data"] for output in cell["outputs"] if output["output_type"] == "execute_result"]
    return "".join(results[-1].get("text/plain", "")) if results else ""


def carry_over(fresh: Notebook, old: Notebook) -> None:
    """Give a newly built notebook the outputs that an earlier run left in the same cells."""
    kept = {cell["id"]: cell for cell in old["cells"] if cell["cell_type"] == "code"}
    for cell in fresh["cells"]:
        if cell["cell_type"] == "code" and cell["id"] in kept:
            cell["outputs"], cell["execution_count"] = kept[cell["id"]]["outputs"], kept[cell["id"]]["execution_count"]


def without_outputs(notebook: Notebook) -> Notebook:
    """The same notebook as if it had never run."""
    bare = {**notebook, "cells": [dict(cell) for cell in notebook["cells"]]}
    for cell in bare["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return bare


def _texts(output: dict[str, Any]) -> list[str]:
    if output["output_type"] == "stream":
        return ["".join(output["text"])]
    return ["".join(value) for kind, value in output.get("data", {}).items() if kind.startswith("text/")]


def _lines(kind: str, value: Any) -> Any:
    if not isinstance(value, str) or kind.endswith("json"):
        return value
    if kind.startswith("text/"):
        value = _ADDRESS.sub("0x…", value)
    return value.splitlines(keepends=True)
