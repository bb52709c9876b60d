"""The set-up cell: quick and quiet when all is there, calm and helpful when not, careful on Colab."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from handbook import bootstrap
from handbook.bootstrap import NotReadyError, ready

VERSIONS = dict.fromkeys(bootstrap.NEEDED, "99.0") | {"gguf": "0.19.0"}


@pytest.fixture
def installed(monkeypatch):
    """The distributions that the kernel seems to have; a test changes them."""
    versions = dict(VERSIONS)
    monkeypatch.setattr(bootstrap, "version", versions.get)
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    for variable, value in bootstrap.SETTINGS.items():
        monkeypatch.setenv(variable, value)
    return versions


@pytest.fixture
def colab(installed, monkeypatch):
    """A Colab kernel; returns the commands that were run there instead of running them."""
    commands: list[list[str]] = []

    def run(command, **_):
        commands.append(command)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab-x")
    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    return commands


def test_one_line_when_all_is_there(installed, capsys):
    ready()
    out = capsys.readouterr().out
    assert out.startswith("Ready: Python 3.")
    assert "torch 99.0" in out
    assert out.count("\n") == 1


def test_one_thread_unless_the_user_chose(installed, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    ready()
    assert bootstrap.os.environ["OMP_NUM_THREADS"] == "3"
    monkeypatch.delenv("OMP_NUM_THREADS")
    ready()
    assert bootstrap.os.environ["OMP_NUM_THREADS"] == "1"


def test_nothing_when_asked_to_be_quiet(installed, capsys):
    ready(quiet=True)
    assert capsys.readouterr().out == ""


def test_nbgrader_and_gguf_are_not_needed_at_home(installed, capsys):
    installed.pop("gguf")
    ready()
    assert capsys.readouterr().out


def test_what_is_missing_or_old_is_named_with_the_next_step(installed, monkeypatch):
    monkeypatch.setattr(bootstrap.subprocess, "run", lambda *_, **__: pytest.fail("nothing is installed at home"))
    installed.pop("transformers")
    installed["torch"] = "2.5.1+cu121"
    with pytest.raises(NotReadyError) as caught:
        ready()
    message = str(caught.value)
    assert "transformers is missing" in message
    assert "torch 2.5.1+cu121 is too old: 2.6 or newer" in message
    assert "make lab" in message
    assert caught.value._render_traceback_() == [message]


def test_the_oldest_allowed_version_is_allowed(installed):
    installed["torch"] = "2.6.0"
    installed["transformers"] = "5.15.0.dev0"
    assert bootstrap.problems() == []


def test_an_old_python_is_named(installed, monkeypatch):
    monkeypatch.setattr(bootstrap, "PYTHON", (3, 99))
    with pytest.raises(NotReadyError, match=r"too old: 3\.99 or newer"):
        ready()


def test_on_colab_only_what_is_missing_is_installed_and_nothing_moves(installed, colab, capsys):
    installed.pop("gguf")
    ready()
    (command,) = colab
    assert "--no-deps" in command
    assert command[-1] == "gguf==0.19.0"
    assert not any("torch" in word or "nbgrader" in word for word in command)
    assert "installed gguf==0.19.0" in capsys.readouterr().out


def test_on_colab_nothing_is_installed_twice(colab):
    ready()
    assert colab == []


def test_on_colab_a_failing_pip_is_told_calmly(installed, colab, monkeypatch):
    installed.pop("gguf")
    failed = SimpleNamespace(returncode=1, stderr="noise\nERROR: no route to host\n")
    monkeypatch.setattr(bootstrap.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(NotReadyError, match="no route to host"):
        ready()


def test_nothing_heavy_is_imported():
    code = "import sys; from handbook import bootstrap; bootstrap.ready(quiet=True); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "handbook.bootstrap" in loaded
    assert loaded.isdisjoint({"torch", "transformers", "numpy", "matplotlib", "handbook.models", "handbook.texts"})
    assert done.stderr == ""


def test_the_package_gives_its_parts_when_asked():
    import handbook

    assert handbook.bootstrap is bootstrap
    assert set(dir(handbook)) >= {"load_lm", "load_encoder", "plots", "texts"}
    with pytest.raises(AttributeError, match="no attribute 'load_bert'"):
        _ = handbook.load_bert
