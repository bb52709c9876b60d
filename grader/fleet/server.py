"""The warm server: loads the heavy libraries and models once, then forks one shut-in child for each submission.

One child is always ahead: it is shut in already and waits for its submission, because most of that time is waiting for
the system. A request with other limits gets a new one.

Started as `python -m grader.fleet.server` by client.py, with its settings as JSON on standard input. A request is one
message on a Unix socket: a header (limits and seed), and with it one end of the socket on which the child will talk to
the judge. Cells, answers and checks go over that socket, never through this process: children inherit its memory.

To the requester it answers with one message when the child has ended: exit code, CPU seconds, largest memory, and
whether the memory limit was hit. If the requester hangs up first, the child is ended.
"""
from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.fleet.client import GROUP
from grader.fleet.preload import preload, seed_all
from grader.sandbox import cgroup, jail, seccomp, syscalls
from grader.sandbox.isolate import Isolation, become_learner
from grader.sandbox.level import WORDS
from grader.sandbox.limits import Limits

HEADER_LIMIT = 1 << 14
CHILD_BROKE = 71


@dataclass
class Child:
    """One process for a submission: its limits, how to hand it the submission, and whom to tell when it ends."""

    pid: int
    limits: Limits
    group: str
    waiting: socket.socket
    connection: socket.socket | None = None


class Server:
    """Fork a child for each request and see to its end."""

    def __init__(self, listener: socket.socket, lifeline: int, isolation: Isolation, groups: cgroup.Groups) -> None:
        self.listener, self.lifeline, self.isolation, self.groups = listener, lifeline, isolation, groups
        self.children: dict[int, Child] = {}
        self.spare: Child | None = None  # the one that is ahead
        self.waiting: set[socket.socket] = set()  # connected, but without a request as yet
        self.count, self.pid = 0, os.getpid()
        self.selector = selectors.DefaultSelector()
        self.alarm, alarm = os.pipe()
        for end in (self.alarm, alarm):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started this; with them it ends
        for file in (listener, lifeline, self.alarm):
            self.selector.register(file, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until the process that started this one is gone."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    self.waiting.add(connection)
                    self.selector.register(connection, selectors.EVENT_READ)
                elif key.fileobj == self.lifeline:
                    self.close()
                    return
                elif key.fileobj == self.alarm:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self.alarm, 4096)
                elif key.fileobj in self.waiting:
                    assert isinstance(key.fileobj, socket.socket)
                    self._request(key.fileobj)
                else:
                    self._hung_up(key.fileobj)
            self._reap()

    def close(self) -> None:
        """End every child."""
        for pid in self.children:
            _end(pid)
        for pid in list(self.children):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self.groups.close()

    def _request(self, connection: socket.socket) -> None:
        self.waiting.discard(connection)
        files: list[int] = []
        try:
            header, files, _, _ = socket.recv_fds(connection, HEADER_LIMIT, 1)
            if not header or len(files) != 1:
                raise ValueError("no request")
            request = json.loads(header)
            self._fork(connection, files[0], Limits(**request["limits"]), int(request["seed"]), request.get("core"))
        except (OSError, ValueError, TypeError, KeyError):  # one request that can't be served is no reason to end
            self.selector.unregister(connection)
            connection.close()
        finally:
            for file in files:
                os.close(file)

    def _fork(self, connection: socket.socket, file: int, limits: Limits, seed: int, core: int | None) -> None:
        words = json.dumps({"seed": seed, "core": core}).encode()
        child, self.spare = self.spare, None
        if child is None or not _hand_over(child, limits, words, file):
            child = self._prepare(limits)
            if not _hand_over(child, limits, words, file):
                raise OSError("a child ended before it began")
        child.connection = connection
        self.spare = self._prepare(limits)

    def _prepare(self, limits: Limits) -> Child:
        """A child that shuts itself in and then waits for a submission."""
        self.count += 1
        group = f"job-{self.count}" if self.groups.folders else ""
        if group:
            self.groups.make(group, limits)
        mine, its = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            self.groups.remove(group)
            mine.close()
            raise
        finally:
            if os.getpid() == self.pid:
                its.close()
        if pid == 0:
            self._child(its, limits, group)
        self.children[pid] = Child(pid, limits, group, mine)
        return self.children[pid]

    def _child(self, waiting: socket.socket, limits: Limits, group: str) -> None:
        from grader.fleet.learner import answer, refuse

        code, trouble = CHILD_BROKE, ""
        try:
            try:
                if group:
                    self.groups.enter(group, os.getpid())
                become_learner(self.isolation, limits, waiting.fileno())
            except OSError as error:
                trouble = str(error)
            words, files, _, _ = socket.recv_fds(waiting, HEADER_LIMIT, 1)
            waiting.close()
            if not files:  # nobody needs it
                os._exit(0)
            sock, told = socket.socket(fileno=files[0]), json.loads(words)
            if trouble:
                refuse(sock, trouble)
                os._exit(CHILD_BROKE)
            if told["core"] is not None:
                os.sched_setaffinity(0, {told["core"]})
            seed_all(told["seed"])
            answer(sock)
            code = 0
        except SystemExit:
            code = 0
        finally:
            os._exit(code)

    def _hung_up(self, connection: Any) -> None:
        self.selector.unregister(connection)
        for pid, child in self.children.items():
            if child.connection is connection:
                _end(pid)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self.children.pop(pid, None)
            if child is None:
                continue
            short = self.groups.remove(child.group) if child.group else False
            child.waiting.close()
            if child is self.spare:
                self.spare = None
            if child.connection is None:
                continue
            with contextlib.suppress(KeyError):
                self.selector.unregister(child.connection)
            said = {"exit": os.waitstatus_to_exitcode(status), "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss, "memory": short}
            with contextlib.suppress(OSError):
                child.connection.send(json.dumps(said).encode())
            child.connection.close()


def _hand_over(child: Child, limits: Limits, words: bytes, file: int) -> bool:
    """Give a waiting child its submission; False, and the child goes, if it has other limits or has ended."""
    try:
        if child.limits == limits:
            socket.send_fds(child.waiting, [words], [file])
            return True
    except OSError:  # it was ended from outside
        return False
    finally:
        child.waiting.close()
    return False


def _end(pid: int) -> None:
    """The outer process of a child passes this on to the inner one, as SIGKILL; without namespaces its session is killed."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not _SHUT_IN:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


_SHUT_IN = True


def main() -> None:
    """Shut in, load, say "ready" as one line of JSON, and serve."""
    global _SHUT_IN
    settings = json.load(sys.stdin)
    listener, lifeline = socket.socket(fileno=settings["listener"]), int(settings["lifeline"])
    groups = cgroup.open_groups(f"{GROUP}-{os.getpid()}") if settings["sandbox"] else cgroup.Groups()
    rules = seccomp.build() if settings["sandbox"] else None
    _SHUT_IN = bool(settings["sandbox"])
    if _SHUT_IN:
        _enter_jail(settings)
    missing = preload(settings["models"])
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what loading has used and freed would be copied at every fork
    gc.freeze()
    level = (4 if groups.folders and rules is not None else 3 if rules is not None else 2) if _SHUT_IN else 1
    print(json.dumps({"level": level, "words": f"level {level}: {WORDS[level]}", "missing": missing}), flush=True)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    Server(listener, lifeline, Isolation(_SHUT_IN, rules, tuple(name for name in settings["folders"] if name.startswith("/tmp/"))), groups).run()


def _enter_jail(settings: dict[str, Any]) -> None:
    user, group = os.getuid(), os.getgid()
    syscalls.unshare(syscalls.NEWNS | (0 if user == 0 else syscalls.NEWUSER))
    if user:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
    jail.enter(settings["root"], [Path(name) for name in settings["folders"]], [Path(name) for name in settings["secrets"]])


if __name__ == "__main__":
    main()
