"""The set-up's decisions, without making an environment, and environment.yml without conda."""

import re
import shutil
import sys
import tomllib
import urllib.request
from collections import namedtuple
from pathlib import Path

import pytest
import yaml
from handbook.models import cache_dir
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from grader.environment import space, torch_source, venv
from grader.environment.commands import clean_environment
from grader.environment.errors import SetupError, cause_of, explain
from grader.environment.install import uv_environment
from grader.paths import ROOT

CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
NOT_PACKAGES = {"python", "pip"}


def conda_environment():
    """environment.yml as (range by conda's name, lines for pip)."""
    lines = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    conda = {}
    for line in lines:
        if isinstance(line, str):
            found = re.fullmatch(r"([a-z0-9][a-z0-9._-]*)((?:[<>=!]=?|~=)[0-9.*]+(?:,[<>=!]=?[0-9.*]+)*)?", line)
            assert found, f"conda would not read {line!r}"
            conda[found[1]] = SpecifierSet(found[2] or "")
    return conda, next(line["pip"] for line in lines if isinstance(line, dict))


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_environment_yml_has_the_ranges_of_pyproject():
    conda, pip = conda_environment()
    have = {CONDA_NAMES.get(name, name): spec for name, spec in conda.items() if name not in NOT_PACKAGES}
    have |= {found.name: found.specifier for found in map(Requirement, pip[:-1])}
    want = {found.name: found.specifier for found in map(Requirement, project()["dependencies"])}
    assert have == want


def test_environment_yml_ends_with_the_project_itself_and_names_its_pythons():
    conda, pip = conda_environment()
    assert pip[-1] == "-e ."
    for minor, good in ((10, False), (11, True), (12, True), (13, True)):
        assert conda["python"].contains(f"3.{minor}.1") is good
        assert SpecifierSet(project()["requires-python"]).contains(f"3.{minor}.1") is good


def test_the_constraints_lie_within_the_ranges():
    ranges = {found.name: found.specifier for found in map(Requirement, project()["dependencies"])}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    pins = [Requirement(line) for line in lines]
    assert [pin.name for pin in pins] == ["torch"]
    assert ranges["torch"].contains(Version(str(pins[0].specifier).removeprefix("==")))


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (
            "error: Failed to fetch: `https://index.example/simple/torch/`\n  dns error: failed to lookup address",
            "network",
        ),
        ("ERROR: No matching distribution found for hatchling>=1.25", "network"),
        ("NewConnectionError: Failed to establish a new connection: [Errno 111] Connection refused", "network"),
        ("Because click was not found in the provided package locations", "network"),
        ("OSError: [Errno 28] No space left on device", "space"),
        ("error: failed to write: No space left on device (os error 28)", "space"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "hash"),
        ("error: Hash mismatch for `click==8.1`", "hash"),
        ("error: command 'gcc' failed: No such file or directory", "other"),
    ],
)
def test_an_installers_words_are_understood(output, cause):
    assert cause_of(output) == cause
    text = str(explain(output, "setup.log"))
    assert "setup.log" in text
    assert re.search(r"\nNext: .*run the same command again", text)


def test_settings_that_misplace_packages_are_dropped_and_mirrors_kept(monkeypatch):
    bad = {"PIP_USER": "1", "PIP_TARGET": "/x", "UV_SYSTEM_PYTHON": "1", "UV_PYTHON": "3.9", "PYTHONPATH": "/x"}
    good = {"PIP_INDEX_URL": "https://mirror/simple", "UV_CACHE_DIR": "/cache", "HTTPS_PROXY": "http://proxy"}
    for name, value in (bad | good).items():
        monkeypatch.setenv(name, value)
    env = clean_environment()
    assert {name: env.get(name) for name in good} == good
    assert {name for name in bad if name in env} == {"PIP_USER"}
    assert env["PIP_USER"] == "0"


def test_uv_hears_of_pips_mirrors_but_its_own_settings_win(monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mine/simple")
    for name in ("UV_FIND_LINKS", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    env = uv_environment({"index-url": "https://mirror/simple", "find-links": "/wheels /more", "cert": "/ca.pem"})
    assert env["UV_DEFAULT_INDEX"] == "https://mine/simple"
    assert env["UV_FIND_LINKS"] == "/wheels,/more"
    assert env["SSL_CERT_FILE"] == "/ca.pem"


def linux(monkeypatch, *, driver, index):
    """Pretend to be on Linux with or without an NVIDIA driver and PyTorch's CPU index."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi" if driver else None)
    monkeypatch.setattr(torch_source, "_answers", lambda address: index)


def test_pytorch_without_a_gpu_is_the_cpu_build(monkeypatch):
    linux(monkeypatch, driver=False, index=True)
    assert torch_source.choose_torch("auto", {}, "3.12.1").index == torch_source.CPU_INDEX


def test_pytorch_with_a_gpu_comes_from_pypi(monkeypatch):
    linux(monkeypatch, driver=True, index=True)
    found = torch_source.choose_torch("auto", {}, "3.12.1")
    assert (found.index, found.bytes) == (None, torch_source.LARGE)


def test_pytorch_falls_back_to_pypi_unless_the_cpu_build_was_asked_for(monkeypatch):
    linux(monkeypatch, driver=False, index=False)
    assert torch_source.choose_torch("auto", {}, "3.12.1").bytes == torch_source.LARGE
    with pytest.raises(SetupError, match="make lab TORCH=pypi"):
        torch_source.choose_torch("cpu", {}, "3.12.1")


def test_a_local_wheel_of_pytorch_is_taken_only_by_the_python_it_is_for(monkeypatch, tmp_path):
    linux(monkeypatch, driver=False, index=False)
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    settings = {"find-links": str(tmp_path)}
    assert torch_source.choose_torch("auto", settings, "3.11.7").bytes == torch_source.SMALL
    assert torch_source.choose_torch("auto", settings, "3.13.0").bytes == torch_source.LARGE


def test_no_index_means_that_no_index_is_asked(monkeypatch):
    linux(monkeypatch, driver=False, index=True)

    def ask(*_args, **_more):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(urllib.request, "urlopen", ask)
    assert torch_source.choose_torch("auto", {"no-index": "true"}, "3.12.1").index is None


Usage = namedtuple("Usage", "total used free")


def test_what_goes_on_one_disk_is_added_up(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(9e9, 6e9, 3e9))
    needs = [(tmp_path / "a" / "venv", 2_500_000_000, "the packages"), (tmp_path / "b", 900_000_000, "the models")]
    space.require_space(needs[:1])
    space.require_space(needs[1:])
    with pytest.raises(SetupError, match=r"3\.0 GB free; the packages and the models need 3\.4 GB") as raised:
        space.require_space(needs)
    assert "Next: free some space" in str(raised.value)


def test_the_space_check_looks_where_the_models_go(monkeypatch, tmp_path):
    assert space.model_cache() == cache_dir()
    monkeypatch.setenv("HANDBOOK_CACHE", str(tmp_path))
    assert space.model_cache() == cache_dir() == tmp_path


@pytest.fixture
def made(tmp_path, monkeypatch):
    """An environment that was set up, but for the packages: (its folder, the project's)."""
    root = tmp_path / "project"
    root.mkdir()
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, root)
    folder = tmp_path / "venv"
    folder.mkdir()
    (folder / "pyvenv.cfg").touch()
    monkeypatch.setattr(venv, "version_of", lambda place: "3.12.1")
    venv.finish(folder, root, torch="auto", dev=False)
    return folder, root


def test_a_finished_environment_is_ready_and_stays_so(made):
    folder, root = made
    assert venv.is_ready(folder, root, torch="auto", dev=False)
    assert not venv.is_ready(folder, root, torch="auto", dev=True)
    venv.finish(folder, root, torch="auto", dev=True)
    venv.finish(folder, root, torch="auto", dev=False)
    assert venv.is_ready(folder, root, torch="auto", dev=True)


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_requirement_is_noticed(made, name):
    folder, root = made
    with (root / name).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert not venv.is_ready(folder, root, torch="auto", dev=False)
    assert venv.why_afresh(folder, "auto") is None


@pytest.mark.parametrize(("version", "reason"), [(None, "does not run"), ("3.10.13", "its Python is 3.10.13")])
def test_a_python_that_is_gone_or_too_old_means_a_new_environment(made, monkeypatch, version, reason):
    folder, root = made
    monkeypatch.setattr(venv, "version_of", lambda place: version)
    assert not venv.is_ready(folder, root, torch="auto", dev=False)
    assert reason in venv.why_afresh(folder, "auto")


def test_an_environment_that_works_is_kept_whichever_python_asks(made, monkeypatch):
    folder, _ = made
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert venv.why_afresh(folder, "auto") is None


def test_a_moved_folder_an_interruption_and_another_pytorch_mean_a_new_environment(made):
    folder, root = made
    assert "PyTorch" in venv.why_afresh(folder, "pypi")
    moved = folder.rename(folder.with_name("elsewhere"))
    assert "moved" in venv.why_afresh(moved, "auto")
    (moved / venv.UNDER_WAY).touch()
    assert "did not finish" in venv.why_afresh(moved, "auto")
    assert not venv.is_ready(moved, root, torch="auto", dev=False)


def test_a_damaged_stamp_is_no_stamp(made):
    folder, root = made
    (folder / venv.STAMP).write_text("[not json", encoding="utf-8")
    assert not venv.is_ready(folder, root, torch="auto", dev=False)
    assert venv.why_afresh(folder, "auto") is None


def test_a_folder_of_someone_elses_is_never_removed(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SetupError, match="is not a virtual environment"):
        venv.why_afresh(tmp_path, "auto")
    assert Path(tmp_path / "thesis.tex").exists()
