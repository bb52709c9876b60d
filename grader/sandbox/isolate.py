"""One submission's own namespaces, scratch space, user and limits: what a fork of the warm server does first.

Two processes come out of it. The outer one stays behind and only waits: it runs nothing of the learner's. The inner one
is process 1 of its own process namespace, so that its end is the end of everything it has started.
"""
from __future__ import annotations

import contextlib
import os
import signal
import socket
from dataclasses import dataclass
from typing import Any

from grader.sandbox import limits as resource_limits
from grader.sandbox import syscalls
from grader.sandbox.limits import Limits

USER = 64_123  # whom a submission runs as when the grader is root: an account that owns nothing
WORK = "/tmp/work"
OUTER_FAILED = 70
ALL = syscalls.NEWUSER | syscalls.NEWNS | syscalls.NEWPID | syscalls.NEWNET | syscalls.NEWIPC | syscalls.NEWUTS


@dataclass(frozen=True)
class Isolation:
    """How far the warm server's children are shut in. Without namespaces only resource limits hold."""

    namespaces: bool
    filter: Any = None
    below_tmp: tuple[str, ...] = ()  # folders of the course and of Python that lie in /tmp, and must be seen in the new one


def become_learner(isolation: Isolation, limits: Limits, keep: int) -> None:
    """Shut this process in; returns in the inner process only. `keep` is the one file that stays open.

    Raises OSError where the machine does not allow it.
    """
    _close_others(keep)
    os.setsid()
    _forget_signals()
    if isolation.namespaces:
        _enter_namespaces(limits, keep, isolation.below_tmp)
    resource_limits.apply(limits)
    if isolation.namespaces:
        syscalls.drop_privileges()
    if isolation.filter is not None:
        isolation.filter.load()


def _enter_namespaces(limits: Limits, keep: int, below_tmp: tuple[str, ...]) -> None:
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
        syscalls.set_dumpable()
    user, group = os.getuid(), os.getgid()
    syscalls.unshare(ALL)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until the outer process can pass it on
    inner = os.fork()
    if inner:
        _wait_for(inner, keep)
    syscalls.die_with_parent(signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.setsid()  # else kill(0) would reach the outer process
    scratch = f"size={limits.scratch}m,mode=700"
    plain = syscalls.NOSUID | syscalls.NODEV
    opened = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in below_tmp}
    syscalls.mount("tmpfs", "/tmp", "tmpfs", plain, scratch)
    for path, file in opened.items():
        os.makedirs(path)
        syscalls.mount(f"/proc/self/fd/{file}", path, flags=syscalls.BIND | syscalls.RECURSIVE)  # stays read-only: an outer namespace made it so
        os.close(file)
    try:
        syscalls.mount("proc", "/proc", "proc", plain | syscalls.NOEXEC)
    except OSError:  # some containers cover parts of /proc: then there is none at all
        syscalls.mount("tmpfs", "/proc", "tmpfs", plain | syscalls.NOEXEC, "size=4k")
    syscalls.mount("tmpfs", "/dev/shm", "tmpfs", plain, scratch)
    os.mkdir(WORK)
    os.chdir(WORK)
    socket.sethostname("learner")


def _wait_for(inner: int, keep: int) -> None:
    """The outer process: end the inner one when told to, and end as it ended."""
    os.close(keep)

    def stop(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(inner, signal.SIGKILL)

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    syscalls.die_with_parent(signal.SIGTERM)
    if os.getppid() == 1:
        stop()
    while True:
        with contextlib.suppress(InterruptedError):
            _, status = os.waitpid(inner, 0)
            break
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _close_others(keep: int) -> None:
    os.closerange(3, keep)
    os.closerange(keep + 1, 4096)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    if null > 2:
        os.close(null)


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _write(path: str, text: str) -> None:
    with open(path, "wb") as file:  # bytes: the learner's user may not be able to read a codec that is not imported yet
        file.write(text.encode())
