"""Workers of a dask scheduler, as processes of their own: the same results as here, also when one is lost."""
from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.fleet import cluster as module
from grader.fleet.bundle import Bundle, Result, bundle_of
from grader.fleet.client import RunningServer, WarmServerError
from grader.fleet.cluster import ClusterPool, course_version
from grader.fleet.pool import LocalPool
from grader.fleet.seeds import seed_for
from grader.sandbox.level import probe
from grader.sandbox.limits import Limits
from tests.e2e.classroom import Material, built_lessons
from tests.e2e.waiting import descendants, running, until

distributed = pytest.importorskip("distributed", reason="dask's package `distributed` is not installed")
LEVEL = probe()
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"),  # dask's own libraries warn
              pytest.mark.skipif(not LEVEL.enough, reason=f"this machine has no sandbox: {LEVEL.why}")]
STEM = "p1_4_attention"


@pytest.fixture(scope="module")
def bundles() -> list[Bundle]:
    """Six notebooks: two right, two with one known mistake, one half done, one empty."""
    material = Material.of(next(lesson for lesson in built_lessons() if lesson.stem == STEM))
    answers = material.answers
    first, *_, last = answers
    handed_in = {"right": answers, "right-too": answers, "first-wrong": answers | {first: material.mistake(first)[1]},
                 "last-wrong": answers | {last: material.mistake(last)[1]}, "half": dict(list(answers.items())[: len(answers) // 2]), "empty": {}}
    return [bundle_of(student, material.lesson.part, STEM, material.notebook(mine), {name: seed_for(b"key", student, name) for name in answers}, Limits())
            for student, mine in handed_in.items()]


@pytest.fixture(scope="module")
def local(bundles: list[Bundle]) -> dict[str, Any]:
    """What this process finds out about them."""
    with RunningServer(sandbox=True, models=False) as server, LocalPool(server, 1) as pool:
        return found(list(pool.run(bundles)))


def found(results: list[Result]) -> dict[str, Any]:
    """Verdict and points of each exercise, by notebook; and why, where there are none."""
    table = {}
    for result in results:
        rows = {name: (row["verdict"]["outcome"], row["verdict"]["points"], row["verdict"]["mistake"]) for name, row in result.exercises.items()}
        table[result.name] = result.problem or rows
    assert len(table) == len(results), "a notebook has two results"
    return table


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Any]:
    """A scheduler with two workers, each a process that starts anew if it is ended."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path),
                                  silence_logs=50) as cluster:
        yield cluster


def test_two_workers_find_what_this_process_finds_and_leave_nothing_behind(scheduler: Any, bundles: list[Bundle], local: dict[str, Any]) -> None:
    before = descendants(os.getpid())
    with ClusterPool(scheduler.scheduler_address, sandbox=True) as pool:
        results = list(pool.run(bundles))
        assert list(pool.run([])) == []
    assert found(results) == local
    assert {result.sandbox for result in results} == {str(LEVEL)}
    assert len(local) == len(bundles)
    assert sum(row == {name: ("passed", row[name][1], "") for name in row} for row in local.values()) == 2
    servers = descendants(os.getpid()) - before
    assert servers, "no worker has a server of its own"
    scheduler.close()
    until(lambda: not servers & set(running()), "the workers' servers have ended with them")


def test_a_worker_that_is_killed_loses_nothing(scheduler: Any, bundles: list[Bundle], local: dict[str, Any]) -> None:
    with ClusterPool(scheduler.scheduler_address, sandbox=True) as pool:
        pids = pool.client.run(os.getpid)
        stream = pool.run(bundles)
        results = [next(stream)]
        victim = next(iter(pids.values()))
        os.kill(victim, signal.SIGKILL)
        results += stream
    assert found(results) == local
    assert victim not in running()


def test_a_worker_whose_server_was_ended_starts_another(bundles: list[Bundle], local: dict[str, Any]) -> None:
    first = module.work(bundles[0], course_version(), sandbox=True)
    started = module._servers[True][0]
    try:
        os.kill(started.process.pid, signal.SIGKILL)
        started.process.wait(60)
        second = module.work(bundles[0], course_version(), sandbox=True)
    finally:
        again = module._servers.pop(True)[0]
        again.__exit__(None, None, None)
        module.atexit.unregister(again.__exit__)
        module.atexit.unregister(started.__exit__)
        if again is not started:
            started.__exit__(None, None, None)
    assert again is not started
    assert found([Result(**first)]) == found([Result(**second)]) == {bundles[0].name: local[bundles[0].name]}


def test_a_worker_with_other_checks_grades_nothing(scheduler: Any, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "course_version", lambda: "the version of this side")
    with ClusterPool(scheduler.scheduler_address, sandbox=True) as pool:
        results = list(pool.run(bundles[:2]))
    assert [result.exercises for result in results] == [{}, {}]
    assert all("this worker has other checks" in result.problem and "bring both to the same version" in result.problem for result in results)


def test_the_version_is_that_of_the_checks_and_the_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = course_version()
    assert before == course_version()
    (tmp_path / "p9_9.py").write_text("# another check")
    monkeypatch.setattr(module.paths, "HIDDEN", tmp_path)
    assert course_version() != before


def test_where_nobody_answers_it_says_what_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 1)
    with pytest.raises(WarmServerError, match=r"no dask scheduler answers at tcp://127.0.0.1:9 .*start one with `dask scheduler`"):
        ClusterPool("tcp://127.0.0.1:9", sandbox=True).__enter__()
    with pytest.raises(WarmServerError, match="no dask scheduler answers at nonsense://"):
        ClusterPool("nonsense://x", sandbox=True).__enter__()


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WarmServerError, match="pip install distributed"):
        ClusterPool("tcp://127.0.0.1:9", sandbox=True).__enter__()


def test_a_bundle_and_a_result_are_plain_data(bundles: list[Bundle]) -> None:
    from dataclasses import asdict

    assert json.loads(json.dumps(asdict(bundles[0])))["lesson"] == STEM
