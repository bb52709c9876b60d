"""Which level of isolation this machine reaches: tried, not guessed."""
from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

WORDS = {0: "none", 1: "resource limits", 2: "namespaces", 3: "namespaces and a filter of system calls",
         4: "namespaces, a filter of system calls and a control group"}
NEEDED = 2
SECONDS = 60
HELP = ("Class grading needs Linux with user namespaces (on Ubuntu 24.04: `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`; in Docker: "
        "`--security-opt seccomp=unconfined`). Where that can't be had, say `--no-sandbox` "
        "(on other systems: `--plain`): then every submission can read and change what you can.")


@dataclass(frozen=True)
class Level:
    """The level that was reached, and why not the next one."""

    number: int
    why: str = ""

    def __str__(self) -> str:
        return f"level {self.number}: {WORDS[self.number]}"

    @property
    def enough(self) -> bool:
        """Whether strangers' code may run in it."""
        return self.number >= NEEDED


def probe() -> Level:
    """Start a process that shuts itself in, and see how far it comes."""
    if not sys.platform.startswith("linux"):
        return Level(0, f"{sys.platform} has no sandbox that this grader knows; only Linux has")
    try:
        done = subprocess.run([sys.executable, "-m", "grader.sandbox.level"], capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return Level(1, f"the sandbox did not start within {SECONDS} s")
    if done.returncode != 0 or not done.stdout.strip():
        words = (done.stderr or "").strip().splitlines()
        return Level(1, words[-1] if words else "the sandbox could not be started")
    number, _, why = done.stdout.strip().partition(" ")
    return Level(int(number), why)


def _try_here() -> str:
    from grader.sandbox import cgroup, seccomp, syscalls
    from grader.sandbox.isolate import Isolation, become_learner
    from grader.sandbox.limits import Limits

    rules = seccomp.build()
    groups = cgroup.open_groups(f"handbook-probe-{os.getpid()}")
    if os.getuid() == 0:
        syscalls.unshare(syscalls.NEWNS)
        syscalls.mount("none", "/", flags=syscalls.RECURSIVE | syscalls.PRIVATE)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            become_learner(Isolation(True, rules), Limits(), writer)
            os.write(writer, b"in")
        except Exception as error:  # whatever it is, it is why this machine does not get further
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as file:
        said = file.read()
    os.waitpid(child, 0)
    grouped = bool(groups.folders)
    groups.close()
    if said != "in":
        return f"1 {said or 'the kernel refuses namespaces'}"
    if rules is None:
        return "2 libseccomp or pyseccomp is not installed"
    return "4 " if grouped else "3 this account may not make control groups"


if __name__ == "__main__":
    print(_try_here())
