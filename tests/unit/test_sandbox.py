"""The parts of the sandbox, each alone: limits, what is shown, the levels, and what happens where something is missing."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.sandbox import cgroup, jail, level, limits, seccomp
from grader.sandbox.level import HELP, Level, probe
from grader.sandbox.limits import MIB, Limits

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox is for Linux")
SEEN = """
import json, resource, sys
from grader.sandbox.limits import Limits, apply
apply(Limits(**json.loads(sys.argv[1])))
names = ("CORE", "NOFILE", "FSIZE", "CPU", "AS", "NPROC")
try:
    bytearray(400 << 20)
    full = False
except MemoryError:
    full = True
print(json.dumps({"full": full, **{name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in names}}))
"""


def applied(chosen: Limits) -> dict[str, list[int]]:
    """What the limits are in a process that has set them."""
    done = subprocess.run([sys.executable, "-c", SEEN, json.dumps(chosen.as_json())], capture_output=True, text=True, check=True, timeout=60)
    return dict(json.loads(done.stdout))


@linux
def test_limits_hold_in_the_process_that_sets_them() -> None:
    seen = applied(Limits(memory=300, processes=20, open_files=64, file_size=3, cpu=40))
    assert [seen[name] for name in ("CORE", "NOFILE", "FSIZE", "CPU", "NPROC")] == [[0, 0], [64, 64], [3 * MIB] * 2, [40, 40], [20, 20]]
    assert 300 * MIB < seen["AS"][0] < 2000 * MIB
    assert seen["full"], "400 MiB were to be had within 300"


@linux
def test_limits_never_ask_for_more_than_this_account_may() -> None:
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    seen = applied(Limits(open_files=2**40))
    assert seen["NOFILE"] == [most, most] if most != resource.RLIM_INFINITY else seen["NOFILE"][0] > 0


def test_limits_are_plain_data() -> None:
    chosen = Limits(memory=7, cell=1.5)
    assert Limits(**json.loads(json.dumps(chosen.as_json()))) == chosen
    with pytest.raises(TypeError):
        Limits(unheard_of=1)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A course with everything that must not be seen; it lies below /tmp where pytest's folders do."""
    for name in ("grader/checks", "grader/hidden", "course/handbook", "course/part1_one", "course/part2_two", "solutions", "tests", ".git", "build",
                 ".venv/lib/python3/site-packages", "cache/models"):
        (tmp_path / "repo" / name).mkdir(parents=True)
    return tmp_path / "repo"


def shown(repo: Path, monkeypatch: pytest.MonkeyPatch, prefix: Path, base: Path, *entries: Path) -> tuple[Path, ...]:
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(sys, "base_prefix", str(base))
    monkeypatch.setattr(sys, "path", ["", str(repo), *map(str, entries)])
    return jail.visible_folders(repo, repo / "course" / "handbook", [repo / "cache" / "models", repo / "cache" / "nowhere"])


def seen(path: Path, folders: tuple[Path, ...], secrets: tuple[Path, ...]) -> bool:
    """Whether a path is in the jail and not covered there."""
    return any(path.is_relative_to(folder) for folder in folders) and not any(path.is_relative_to(secret) for secret in secrets)


def test_an_environment_inside_the_course_shows_itself_and_not_the_course(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = repo / ".venv" / "lib" / "python3" / "site-packages"
    folders = shown(repo, monkeypatch, repo / ".venv", Path("/usr"), packages)
    assert folders == (repo / ".venv", repo / "cache" / "models", repo / "course" / "handbook", repo / "grader")
    secrets = jail.secret_folders(repo, repo / "build")
    for name in ("grader/checks/x.py", "grader/hidden/x.py", "course/part1_one/x.py", "course/part2_two", "solutions/x", "tests/x", ".git/x", "build/x"):
        assert not seen(repo / name, folders, secrets), name
    for name in ("grader/seam/x.py", "course/handbook/x.py", "cache/models/x", ".venv/bin/python"):
        assert seen(repo / name, folders, secrets), name


def test_the_systems_python_needs_no_folder_of_its_own(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = shown(repo, monkeypatch, Path("/usr"), Path("/usr"), Path("/usr/lib/python3/dist-packages"))
    assert folders == (repo / "cache" / "models", repo / "course" / "handbook", repo / "grader")


def test_secrets_are_covered_even_where_the_whole_course_is_shown(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = shown(repo, monkeypatch, repo, repo)  # an environment made at the course's root, as conda can
    assert folders == (repo,)
    secrets = jail.secret_folders(repo, repo / "build")
    for name in ("grader/checks", "grader/hidden", "course/part1_one", "solutions", "tests", ".git", "build"):
        assert not seen(repo / name, folders, secrets), name
    assert seen(repo / "course" / "handbook", folders, secrets)


def test_a_linked_folder_is_shown_under_both_names(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = repo / "elsewhere"
    real.mkdir()
    (repo / "linked").symlink_to(real)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "prefix", "/usr")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    folders = jail.visible_folders(repo, repo / "course" / "handbook", [repo / "linked"])
    assert {repo / "linked", real} <= set(folders)


def test_without_its_module_there_is_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    assert seccomp.build() is None


def test_without_control_groups_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    groups = cgroup.open_groups("one")
    assert (groups.version, groups.folders, groups.parents) == (0, {}, {})
    for name in ("memory", "pids"):  # folders that look like groups, but can't be made into some
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    assert cgroup.open_groups("one").folders == {}
    assert list(tmp_path.rglob("one")) == [], "it left its folders behind"
    groups.close()


@linux
def test_a_control_group_is_left_as_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"handbook-test-{os.getpid()}"
    groups = cgroup.open_groups(name)
    if not groups.folders:
        pytest.skip("this account may not make control groups")
    groups.make("job-1", Limits())
    assert all("job-1" in os.listdir(folder) for folder in groups.folders.values())
    assert groups.remove("job-1") is False, "nothing ran in it"
    groups.make("job-2", Limits())
    made = [path for place in ("", "memory", "pids") for path in (cgroup.ROOT / place).glob(name)]
    assert made
    groups.close()
    assert [path for path in made if path.exists()] == []
    groups.close()


def test_levels_in_words() -> None:
    assert str(Level(4)) == "level 4: namespaces, a filter of system calls and a control group"
    assert str(Level(0, "no")) == "level 0: none"
    assert [Level(number).enough for number in range(5)] == [False, False, True, True, True]
    assert "--no-sandbox" in HELP
    assert "--plain" in HELP


def test_grading_by_nbgrader_needs_none_of_what_only_linux_has() -> None:
    code = ("import sys, torch, pytest, click, transformers; sys.platform = 'win32'; sys.modules.update(resource=None, fcntl=None)\n"
            "import grader.cli.grading, grader.flow.autograde, grader.flow.replay, grader.fleet.client, grader.fleet.pool\nprint('imported')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "imported\n", done.stderr


def test_other_systems_have_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    found = probe()
    assert (found.number, found.enough) == (0, False)
    assert "darwin" in found.why


@linux
def test_this_machine_has_a_level_and_the_reason_for_not_the_next() -> None:
    found = probe()
    assert found.number in (1, 2, 3, 4)
    assert bool(found.why) == (found.number < 4), found


@pytest.mark.parametrize(("code", "out", "err", "number", "why"), [
    (1, "", "Traceback\nPermissionError: unshare: Operation not permitted\n", 1, "PermissionError: unshare: Operation not permitted"),
    (-9, "", "", 1, "the sandbox could not be started"),
    (0, "1 unshare: Operation not permitted\n", "", 1, "unshare: Operation not permitted"),
    (0, "2 libseccomp or pyseccomp is not installed\n", "", 2, "libseccomp or pyseccomp is not installed"),
    (0, "4 \n", "", 4, ""),
])
@linux
def test_what_the_trial_says_is_the_level(code: int, out: str, err: str, number: int, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda command, **options: subprocess.CompletedProcess(command, code, out, err))
    assert probe() == Level(number, why)


@linux
def test_a_trial_that_hangs_is_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **options: object) -> None:
        raise subprocess.TimeoutExpired(command, 60)

    monkeypatch.setattr(level.subprocess, "run", hang)
    assert probe() == Level(1, "the sandbox did not start within 60 s")


def test_address_space_counts_what_is_there_already() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("there is no /proc")
    assert limits._address_space() > 10 * MIB
