"""Put the packages into a virtual environment: by uv for speed, by pip where uv can't be had or fails."""

from __future__ import annotations

import ast
import shutil
from dataclasses import dataclass
from pathlib import Path

from grader.environment.commands import Say, ask, clean_environment, follow
from grader.environment.errors import cause_of, explain
from grader.environment.torch_source import Torch, switched_on

# pip's setting and the variable through which uv hears of the same.
_FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "constraint": "UV_CONSTRAINT",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
_PRECEDENCE = ("global", "user", "site", ":env:")  # later wins


def pip_settings(python: Path) -> dict[str, str]:
    """What pip's variables and configuration files say, by the setting's name."""
    found: dict[str, str] = {}
    listing = ask([python, "-m", "pip", "config", "list"]).stdout
    rows = [line.partition("=") for line in listing.splitlines() if "=" in line]
    for source in _PRECEDENCE:
        for key, _, value in rows:
            section, _, name = key.partition(".")
            if section == source:
                found[name] = str(ast.literal_eval(value))
    return found


def uv_environment(settings: dict[str, str]) -> dict[str, str]:
    """clean_environment(), with pip's mirrors handed on to uv, which doesn't read pip's settings."""
    out = clean_environment()
    for name, variable in _FOR_UV.items():
        if name in settings and variable not in out:
            out[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(settings[name].split())
    out.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # pip's rule: the best version, from whichever index
    return out


@dataclass(frozen=True)
class Installation:
    """One installation of the project, editable, with all that it needs."""

    root: Path
    venv: Path
    python: Path
    extras: str
    torch: Torch
    settings: dict[str, str]
    say: Say

    @property
    def log(self) -> Path:
        return self.venv / "setup.log"

    def run(self, *, by_pip: bool) -> str:
        """Install, and say which installer did it. Raises SetupError."""
        uv = None if by_pip else self._find_uv()
        if uv and (name := self._by_uv(uv)):
            return name
        command = [str(self.python), "-m", "pip", "install", "--retries", "2", *self._wanted()]
        output = follow(command, self.log, cwd=self.root, env=clean_environment(), say=self.say)
        if output is not None:
            raise explain(output, str(self.log))
        return "pip"

    def _wanted(self) -> list[str]:
        index = ["--extra-index-url", self.torch.index] if self.torch.index else []
        return [*index, "-c", "constraints.txt", "-e", f".[{self.extras}]" if self.extras else "."]

    def _by_uv(self, uv: list[str]) -> str | None:
        """Install by uv, at need from its cache alone. None means that pip should try."""
        command = [*uv, "pip", "install", "--python", str(self.python), "--compile-bytecode", *self._wanted()]
        if switched_on(self.settings.get("no-index", "")):
            command.append("--no-index")
        env = uv_environment(self.settings)
        output = follow(command, self.log, cwd=self.root, env=env, say=self.say)
        if output is None:
            return "uv"
        if cause_of(output) == "space":
            raise explain(output, str(self.log))
        if follow([*command, "--offline"], self.log, cwd=self.root, env=env, say=self.say) is None:
            return "uv, from its cache"
        self.say("uv could not do it; trying pip")
        return None

    def _find_uv(self) -> list[str] | None:
        """The command for uv: the environment's own, put there by pip if need be, or else the machine's."""
        own = [str(self.python), "-m", "uv"]
        get = [str(self.python), "-m", "pip", "install", "--retries", "1", "uv"]
        if ask([*own, "--version"]).returncode == 0 or ask(get).returncode == 0:
            return own
        machine = shutil.which("uv")
        return [machine] if machine else None
