"""What the judge makes of a learner's process that does not play by the rules, told by a far side that is made up."""
from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from grader.fleet import session as module
from grader.fleet.bundle import Bundle, CellTask, Result
from grader.fleet.client import LearnerProcess, WarmServer, WarmServerError
from grader.fleet.learner import READY
from grader.fleet.session import ENDED, HUNG, NONSENSE, Session
from grader.flow.record import graded_notebook
from grader.intake.rebuild import notebook_text
from grader.sandbox.limits import Limits
from grader.seam import LearnerGone, LearnerTimeout, decode, encode
from grader.seam.frames import receive_frame, send_frame
from grader.seam.values import LIMITS
from tests import made_up

Behaviour = Callable[[socket.socket], None]
SHORT = Limits(cell=0.1, call=0.2, total=60.0, printed=100)
SESSIONS: list[Session] = []  # of the test that runs, to be ended after it
CELLS = (CellTask("one", "", "a = 1"), CellTask("two", "exercise-two", "b = 2"))


class FakeServer:
    """Gives out processes that behave as told, one behaviour a life."""

    level = "level 0: made up"

    def __init__(self, *lives: Behaviour, exit: int = 0) -> None:
        self.lives, self.exit, self.given = list(lives), exit, 0

    def learner(self, limits: Limits, seed: int) -> LearnerProcess:
        mine, theirs = socket.socketpair()
        control, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        behave = self.lives[min(self.given, len(self.lives) - 1)]
        self.given += 1
        threading.Thread(target=self._live, args=(behave, theirs, told), daemon=True).start()
        return LearnerProcess(mine, control)

    def _live(self, behave: Behaviour, sock: socket.socket, told: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), sock:
            behave(sock)
        with contextlib.suppress(OSError), told:
            told.send(json.dumps({"exit": self.exit, "cpu": 0.25, "rss": 2048, "memory": False}).encode())


def say(sock: socket.socket, value: Any) -> None:
    send_frame(sock, encode(value, LIMITS))


def wait(sock: socket.socket) -> None:
    """Do nothing until the judge hangs up."""
    while sock.recv(4096):
        pass


def honest(sock: socket.socket) -> None:
    """Run every cell without a word, then wait."""
    say(sock, READY)
    while decode(receive_frame(sock, LIMITS.bytes), LIMITS) is not None:
        say(sock, ("", "", ""))
    say(sock, READY)
    wait(sock)


def answering(frame: bytes) -> Behaviour:
    """Answer the first cell with these bytes as they are."""

    def behave(sock: socket.socket) -> None:
        say(sock, READY)
        receive_frame(sock, LIMITS.bytes)
        sock.sendall(frame)
        wait(sock)

    return behave


def framed(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


def saying(value: Any) -> Behaviour:
    return answering(framed(encode(value, LIMITS)))


def started(*lives: Behaviour, exit: int = 0, cells: tuple[CellTask, ...] = CELLS) -> Session:
    server = cast(WarmServer, FakeServer(*lives, exit=exit))
    session = Session(Bundle("ada", "part1", "p1_1", cells, (), {}, SHORT), server, 0)
    SESSIONS.append(session)
    session.start()
    return session


@pytest.fixture(autouse=True)
def tidy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "GRACE", 0.2)
    yield
    while SESSIONS:
        SESSIONS.pop().end()


def test_an_honest_process_lives_once_and_needs_no_note() -> None:
    session = started(honest)
    assert (session.lives, session.notes, session.skip) == (1, [], {})
    assert session.cells == {name: {"kind": "", "text": "", "printed": ""} for name in ("one", "two")}


@pytest.mark.parametrize(("behave", "why"), [
    (answering(framed(b"")), NONSENSE),
    (answering(framed(b"\x00\xff nonsense" * 10)), NONSENSE),
    (answering(struct.pack("<Q", 2**62) + b"x"), NONSENSE),
    (answering(struct.pack("<Q", 2**63 + 5)), NONSENSE),
    (saying(None), NONSENSE),
    (saying(("", "")), NONSENSE),
    (saying(("", "", "", "")), NONSENSE),
    (saying((1, "", "")), NONSENSE),
    (saying(("", b"", "")), NONSENSE),
    (saying(("", "", None)), NONSENSE),
    (saying({"kind": ""}), NONSENSE),
    (saying([["x"] * 100] * 100), NONSENSE),
    (answering(b""), HUNG),
    (answering(b"\x10"), HUNG),
    (answering(struct.pack("<Q", 1000) + b"half of it"), HUNG),
])
def test_a_wrong_answer_costs_its_cell_and_the_rest_is_run_again(behave: Behaviour, why: str) -> None:
    session = started(behave, honest)
    assert session.skip == {"one": why}
    assert session.cells["one"] == {"kind": ENDED, "text": f"this cell {why}; it was left out", "printed": ""}
    assert session.cells["two"]["kind"] == ""
    assert session.lives == 2
    assert session.notes == [f"a cell of the learner's own: its cell {why}; it was left out and the rest was run"]


@pytest.mark.parametrize(("exit", "why"), [
    (0, "ended its process (exit code 0)"), (3, "ended its process (exit code 3)"), (152, "used up its processor time"),
    (159, "used a forbidden system call"), (-9, "ended its process (exit code -9)")])
def test_a_process_that_ends_in_a_cell_is_told_by_its_exit_code(exit: int, why: str) -> None:
    def dies(sock: socket.socket) -> None:
        say(sock, READY)
        receive_frame(sock, LIMITS.bytes)

    session = started(dies, honest, exit=exit)
    assert session.skip == {"one": why}


def test_each_life_leaves_out_one_more_cell_and_then_it_ends() -> None:
    cells = tuple(CellTask(f"cell-{number}", "", "") for number in range(6))
    session = started(saying(None), cells=cells)  # every life answers its first cell with nonsense
    assert session.lives == len(cells) + 1
    assert set(session.skip) == {cell.id for cell in cells}


@pytest.mark.parametrize("sock_does", [lambda sock: None, lambda sock: say(sock, "unshare: Operation not permitted"),
                                       lambda sock: sock.sendall(b"\xff" * 100)])
def test_a_process_that_is_not_shut_in_runs_nothing(sock_does: Behaviour) -> None:
    with pytest.raises(WarmServerError, match=r"could not be shut in \(.+\); see `grader doctor`"):
        started(sock_does)


def test_a_flood_is_cut_to_size_and_made_fit_for_a_file() -> None:
    session = started(saying(("K" * 9000, "t\x1b[2J\n\ud800" + "t" * 9000, "p\ud800" * 5000)), cells=CELLS[:1])
    row = session.cells["one"]
    assert len(row["kind"]) == module.KIND
    assert len(row["text"]) == module.TEXT
    assert len(row["printed"]) <= SHORT.printed + module.MARK
    assert "\x1b" not in row["text"]
    assert all(text.encode("utf-8") for text in row.values())
    result = Result("ada/part1_numbers/p1_1_sums", cells={"answer-one": row})
    text = notebook_text(graded_notebook(made_up.lesson(), made_up.STEM, made_up.PART, result, {}))
    assert "K" * module.KIND in text
    assert text.encode("utf-8")


def test_answers_that_nobody_asked_for_are_no_answers_to_checks() -> None:
    def eager(sock: socket.socket) -> None:
        say(sock, READY)
        while decode(receive_frame(sock, LIMITS.bytes), LIMITS) is not None:
            say(sock, ("", "", ""))
        say(sock, READY)
        receive_frame(sock, LIMITS.bytes)
        say(sock, ("", "", ""))
        wait(sock)

    session = started(eager, honest)
    with pytest.raises(LearnerGone, match="nonsense"):
        session.submission().run(abs, -1)
    assert session.process is None
    assert "during a check" in session.notes[-1]


def test_more_than_one_answer_at_once_is_nonsense() -> None:
    two = struct.pack("<Q", 1) + b"0" + struct.pack("<Q", 1) + b"0"
    session = started(answering(two), honest)
    assert NONSENSE in session.cells["one"]["text"]
    assert session.skip == {"one": NONSENSE}


def test_a_process_that_ends_after_its_last_cell_is_found_out_by_the_first_check() -> None:
    def short(sock: socket.socket) -> None:
        say(sock, READY)
        for _ in CELLS:
            receive_frame(sock, LIMITS.bytes)
            say(sock, ("", "", ""))

    session = started(short, exit=9)
    session.begin()
    for _ in range(module.DEATHS):
        with pytest.raises(LearnerGone):
            session.submission().run(abs, -1)
    lives = session.lives
    with pytest.raises(LearnerGone):
        session.submission().run(abs, -1)
    assert session.lives == lives, "it was started again after its last life"
    session.begin()  # another exercise, another chance
    with pytest.raises(LearnerGone):
        session.submission().run(abs, -1)
    assert session.lives == lives + 1


def test_an_exercise_has_only_so_much_time() -> None:
    session = started(honest)
    session.deadline = 0.0
    with pytest.raises(LearnerTimeout, match="took more than 60 s"):
        session.submission()


def test_ending_twice_is_ending_once() -> None:
    session = started(honest)
    ended = session.end()
    assert ended is not None
    assert (ended.exit, ended.cpu, ended.rss, ended.memory) == (0, 0.25, 2.0, False)
    assert session.end() is None
    session.close()


def test_a_process_that_is_left_is_not_waited_for() -> None:
    session = started(honest)
    session.close()
    assert session.process is None
    assert session.end() is None
