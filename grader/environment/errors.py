"""What can stop the set-up, said in words that end with the next action."""

from __future__ import annotations

import re

AGAIN = "then run the same command again"


class SetupError(Exception):
    """Something that stopped the set-up, and what to do about it."""

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.what}\nNext: {self.todo}"


def no_space(detail: str) -> SetupError:
    """The disk is full, or would be."""
    return SetupError(
        f"There is not enough free disk space: {detail}.",
        "free some space, or use another disk, by `make lab VENV=/other/disk/venv` for the packages and the variable "
        f"HANDBOOK_CACHE=/other/disk/models for the models; {AGAIN}.",
    )


# What the installers write, by cause; the first that matches decides.
_SIGNS = {
    "space": ("No space left on device", "os error 28", "Errno 28", "[Qq]uota exceeded", "os error 122"),
    "hash": ("does not match the (expected )?hash", "[Hh]ash mismatch", "DO NOT MATCH THE HASHES"),
    "network": (
        "name resolution",
        "[Nn]ame or service not known",
        "nodename nor servname",
        "[Cc]onnection refused",
        "[Cc]onnection(Error| was refused| reset)",
        "ConnectTimeout|timed out",
        "Max retries exceeded",
        "dns error|error sending request|client error",
        "[Ff]ailed to fetch",
        "[Nn]etwork is unreachable",
        "[Nn]etwork (connectivity|access) (is|was) disabled",
        "Tunnel connection failed",
        "not found in the (package registry|cache|provided package locations)",
        "No matching distribution found|Could not find a version",
    ),
}


def cause_of(output: str) -> str:
    """Name the cause of an installer's failure: space, hash, network or other."""
    return next((cause for cause, signs in _SIGNS.items() if re.search("|".join(signs), output)), "other")


def explain(output: str, log: str) -> SetupError:
    """Turn a failed installer's output into an error that a learner can act on."""
    cause = cause_of(output)
    if cause == "space":
        return no_space(f"the installer ran out of it (see {log})")
    if cause == "hash":
        return SetupError(
            f"A downloaded package is not what its index announced: it was changed or damaged on the way (see {log}).",
            f"empty the caches (`pip cache purge`, `uv cache clean`) or try another network or mirror, {AGAIN}.",
        )
    if cause == "network":
        return SetupError(
            f"The packages could not be had: no package index offered them, and no cache holds them (see {log}).",
            "connect to the internet; behind a proxy or a mirror set HTTPS_PROXY or PIP_INDEX_URL, and unset "
            f"PIP_NO_INDEX; {AGAIN}. What was downloaded is kept.",
        )
    tail = "\n".join("    " + line for line in output.strip().splitlines()[-8:])
    return SetupError(
        f"The packages could not be installed. The installer's last words:\n{tail}",
        f"read {log}; if one package is to blame, try another Python (make lab PYTHON=/path/to/python3.12), {AGAIN}.",
    )
