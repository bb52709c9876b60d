"""When work was handed in, whose number the LMS has for it, and files that no one may open."""
from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from grader.folders import Folders, read_json
from grader.intake import collect
from tests import made_up
from tests.made_up import PART, STEM, data, solved

FILE = f"{STEM}.ipynb"


def record(tmp_path: Path, student: str = "ada") -> dict[str, object]:
    folders = Folders(tmp_path / "build")
    collect(tmp_path / "in", made_up.library(), folders)
    return read_json(folders.intake / student / f"{PART}.json")


def hand_in(tmp_path: Path, *path: str) -> Path:
    file = tmp_path.joinpath("in", *path, FILE)
    file.parent.mkdir(parents=True)
    file.write_bytes(data(solved()))
    return file.parent


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("timestamp.txt", "2026-11-20 17:05:09.123456 UTC\n", "2026-11-20T17:05:09+00:00"),
    ("timestamp.txt", "2026-11-20 17:05:09 UTC", "2026-11-20T17:05:09+00:00"),
    ("manifest.json", json.dumps({"made": "2026-11-21 08:00:00 UTC"}), "2026-11-21T08:00:00+00:00"),
])
def test_the_time_is_that_of_the_exchange_or_of_the_manifest(tmp_path, name, text, expected):
    (hand_in(tmp_path, "ada", PART) / name).write_text(text, encoding="utf-8")
    assert record(tmp_path)["lessons"][STEM]["submitted_at"] == expected


@pytest.mark.parametrize(("name", "text"), [("timestamp.txt", "yesterday"), ("manifest.json", "{"), ("manifest.json", '{"made": 7}'),
                                            ("manifest.json", "[]")])
def test_a_time_that_can_not_be_read_is_unknown(tmp_path, name, text):
    (hand_in(tmp_path, "ada", PART) / name).write_text(text, encoding="utf-8")
    assert "submitted_at" not in record(tmp_path)["lessons"][STEM]


def test_a_files_own_time_says_nothing(tmp_path):
    hand_in(tmp_path, "ada")
    assert "submitted_at" not in record(tmp_path)["lessons"][STEM]


def test_another_students_time_is_not_taken(tmp_path):
    (hand_in(tmp_path, "ada", PART) / "timestamp.txt").write_text("2026-11-20 17:05:09 UTC", encoding="utf-8")
    hand_in(tmp_path, "bob", PART)
    assert "submitted_at" not in record(tmp_path, "bob")["lessons"][STEM]


def test_a_zip_brings_its_own_manifest(tmp_path):
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / f"ada-{PART}.zip", "w") as archive:
        archive.writestr(f"{PART}/{FILE}", data(solved()))
        archive.writestr("manifest.json", json.dumps({"made": "2026-11-21 08:00:00 UTC"}))
    assert record(tmp_path)["lessons"][STEM]["submitted_at"] == "2026-11-21T08:00:00+00:00"


def test_the_number_of_the_lms_is_kept(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / f"doejane_4711_99_{FILE}").write_bytes(data(solved()))
    assert record(tmp_path, "doejane")["lms_id"] == "4711"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_opened_and_is_named(tmp_path):
    place = hand_in(tmp_path, "ada")
    os.mkfifo(place / "p1_2_products.ipynb")
    os.mkfifo(place / "work.zip")
    collected = collect(tmp_path / "in", made_up.library(), Folders(tmp_path / "build"))
    assert collected.students == ("ada",)
    assert [row.message for row in collected.findings].count("this is a pipe, a socket or a device; it was not opened") == 2
