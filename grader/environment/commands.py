"""Run other programs with the learner's mirrors and proxies, but without settings that would misplace packages."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

Say = Callable[[str], None]

# The settings of pip and uv that say where packages come from. The others (user, target, system …) must go.
_KEPT = re.compile(
    "(PIP|UV)_(INDEX|DEFAULT_INDEX|EXTRA_INDEX|FIND_LINKS|NO_INDEX|OFFLINE|CACHE_DIR|NO_CACHE|CERT|CLIENT_CERT|PROXY"
    "|TRUSTED_HOST|TIMEOUT|DEFAULT_TIMEOUT|HTTP|RETRIES|CONFIG_FILE|CONSTRAINT|KEYRING|NATIVE_TLS|SYSTEM_CERTS|INSECURE"
    "|LINK_MODE|CONCURRENT)"
)
# Of an installer's many lines, those that show that it gets on.
_TELLING = re.compile(
    r"\s*((Resolved|Prepared|Installed|Installing collected)\b.{0,60}|Downloading \S+ \([\d.]+ ?Mi?B\))"
)


def clean_environment() -> dict[str, str]:
    """Copy the environment variables, less those that would lead an installer or Python astray."""
    gone = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX"}
    gone |= {name for name in os.environ if name.startswith(("PIP_", "UV_")) and not _KEPT.match(name)}
    out = {name: value for name, value in os.environ.items() if name not in gone}
    return out | {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def ask(command: Sequence[str | Path], *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a short command and keep what it prints. A program that is not there counts as failed."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd, env=clean_environment())
    except OSError as error:
        return subprocess.CompletedProcess(words, 127, "", str(error))


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """The line in which a failed command most likely gives its reason."""
    return ((done.stderr.strip() or done.stdout.strip()).splitlines() or ["it gave no reason"])[-1]


def follow(command: Sequence[str], log: Path, *, cwd: Path, env: dict[str, str], say: Say) -> str | None:
    """Run a long command: all that it prints goes to the log, and its telling lines to `say`.

    Returns None if it succeeded, else what it printed.
    """
    lines = []
    with log.open("a", encoding="utf-8") as record:
        record.write(f"$ {' '.join(command)}\n")
        with subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                record.write(line)
                lines.append(line)
                if telling := _TELLING.match(line):
                    say(telling.group().strip())
    return None if process.returncode == 0 else "".join(lines)
