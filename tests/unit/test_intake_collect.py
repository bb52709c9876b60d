"""Folders, flat LMS downloads and zips all end in `submitted/<student>/<part>/<lesson>.ipynb`, and nothing is lost."""
from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from grader.folders import Folders
from grader.intake import Collected, collect
from grader.intake.storing import refresh
from tests import made_up
from tests.made_up import PART, STEM, data, lesson, solved

FILE = f"{STEM}.ipynb"
OTHER = "p1_2_products"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "build")


def put(root: Path, *paths: str, content: bytes | None = None) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data(solved()) if content is None else content)
    return root


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def run(root: Path, folders: Folders, **options: Any) -> Collected:
    return collect(root, made_up.library(), folders, **options)


def found(folders: Folders) -> list[str]:
    return sorted(path.relative_to(folders.submitted).as_posix() for path in folders.submitted.rglob("*.ipynb"))


def said(collected: Collected) -> str:
    rows = [finding.message for finding in collected.findings]
    rows += [finding["message"] for parts in collected.records.values() for record in parts.values()
             for lesson_row in record["lessons"].values() for finding in lesson_row["findings"]]
    return "\n".join(rows)


LAYOUTS = {
    "a folder each": (f"ada/{FILE}", "ada"),
    "with the part's folder": (f"ada/{PART}/{FILE}", "ada"),
    "nbgrader's folder": (f"submitted/ada/{PART}/{FILE}", "ada"),
    "flat": (f"ada_{FILE}", "ada"),
    "flat with an underscore": (f"ada_love_{FILE}", "ada_love"),
    "canvas": (f"adalovelace_12345_67890_{FILE}", "adalovelace"),
    "canvas, late, second try": (f"adalovelace_late_12345_67890_{STEM}-1.ipynb", "adalovelace"),
    "moodle": (f"Ada Lovelace_123456_assignsubmission_file_/{FILE}", "Ada-Lovelace"),
    "named after the student": ("ada.ipynb", "ada"),
    "browser's second download": (f"ada/{STEM} (1).ipynb", "ada"),
    "colab's copy": (f"ada/Copy of {FILE}", "ada"),
    "another name": ("ada/homework final v2.ipynb", "ada"),
    "saved as text": (f"ada/{FILE}.txt", "ada"),
    "upper case": ("ada/HOMEWORK.IPYNB", "ada"),
}


@pytest.mark.parametrize(("path", "student"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(path: str, student: str, tmp_path: Path, folders: Folders) -> None:
    collected = run(put(tmp_path / "handed-in", path), folders)
    assert f"{student}/{PART}/{FILE}" in found(folders)
    assert student in collected.students
    record = json.loads((folders.intake / student / f"{PART}.json").read_text())
    assert record["lessons"][STEM]["status"] == "rebuilt"
    assert record["lessons"][STEM]["answered"] == ["sum-two", "sum-many"]


@pytest.mark.parametrize("top", ["", "everyone/"])
def test_zips_with_and_without_a_folder_around(top: str, tmp_path: Path, folders: Folders) -> None:
    content = data(solved())
    path = tmp_path / "class.zip"
    path.write_bytes(zipped({f"{top}ada/{FILE}": content, f"{top}bob/{PART}/{FILE}": content, "__MACOSX/ada/._x.ipynb": b"x"}))
    assert run(path, folders).students == ("ada", "bob")
    assert found(folders) == [f"ada/{PART}/{FILE}", f"bob/{PART}/{FILE}"]


def test_zips_that_submit_made_are_read_inside_an_lms_download(tmp_path: Path, folders: Folders) -> None:
    inner = zipped({f"{PART}/{FILE}": data(solved()), "manifest.json": b"{}"})
    root = tmp_path / "handed-in"
    put(root, f"ada_11_22_{PART}.zip", f"bob/{PART}.zip", content=inner)
    path = tmp_path / "download.zip"
    path.write_bytes(zipped({f"cy_33_44_{PART}.zip": inner, f"dan_55_66_{PART}.zip": inner}))
    assert run(root, folders).students == ("ada", "bob")
    assert run(path, folders).students == ("cy", "dan")


def test_two_students_with_one_name_are_kept_apart(tmp_path: Path, folders: Folders) -> None:
    root = put(tmp_path / "handed-in", f"doe_1_2_{FILE}", f"doe_3_4_{FILE}")
    assert run(root, folders).students == ("doe-1", "doe-3")
    other = put(tmp_path / "again", f"a b/{FILE}", f"a-b/{FILE}")
    assert len(run(other, folders).students) == 2


def test_a_file_of_nobody_is_reported_and_can_be_named(tmp_path: Path, folders: Folders) -> None:
    root = put(tmp_path / "handed-in", FILE)
    collected = run(root, folders)
    assert collected.students == ()
    assert "nothing says whose file this is" in said(collected)
    assert "--student" in json.loads((folders.intake / "_unassigned.json").read_text())["findings"][0]["message"]
    assert run(root, folders, student="ada").students == ("ada",)


def test_paths_can_not_leave_the_zip(tmp_path: Path, folders: Folders) -> None:
    content = data(solved())
    path = tmp_path / "class.zip"
    path.write_bytes(zipped({"../evil.ipynb": content, "/etc/evil.ipynb": content, "ada/../../evil.ipynb": content,
                             "C:\\evil.ipynb": content, f"ada\\{FILE}": content}))
    collected = run(path, folders)
    assert collected.students == ("ada",)
    assert said(collected).count("leads out of the zip; refused") == 4
    assert not list(tmp_path.rglob("evil*"))


def test_links_are_not_followed(tmp_path: Path, folders: Folders) -> None:
    root = put(tmp_path / "handed-in", f"ada/{FILE}")
    secret = put(tmp_path, "secret.ipynb") / "secret.ipynb"
    os.symlink(secret, root / "ada" / "linked.ipynb")
    info = zipfile.ZipInfo(f"bob/{FILE}")
    info.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, str(secret))
    (root / "bob.zip").write_bytes(buffer.getvalue())
    collected = run(root, folders)
    assert collected.students == ("ada",)
    assert said(collected).count("this is a link") == 2


def test_damaged_and_locked_zips_and_members_are_reported(tmp_path: Path, folders: Folders) -> None:
    root = put(tmp_path / "handed-in", f"ada/{FILE}")
    (root / "bob.zip").write_bytes(b"PK\x03\x04 not really")
    whole = bytearray(zipped({f"cy/{FILE}": data(solved())}))
    whole[60:70] = b"\xff" * 10
    (root / "cy.zip").write_bytes(bytes(whole))
    collected = run(root, folders)
    assert "ada" in collected.students
    assert "the zip is damaged" in said(collected)
    assert collected.records["cy"][PART]["lessons"][STEM]["status"] == "unreadable"


def test_the_best_of_several_files_is_taken_and_said(tmp_path: Path, folders: Folders) -> None:
    root = put(tmp_path / "handed-in", f"ada/{FILE}")
    put(root, f"ada/{STEM} (1).ipynb", content=data(lesson()))
    put(root, f"ada/{STEM} (2).ipynb", content=b"{")
    collected = run(root, folders)
    row = collected.records["ada"][PART]["lessons"][STEM]
    assert row["source"] == f"ada/{FILE}"
    assert "more than one file for this lesson" in said(collected)
    assert "(1).ipynb" in said(collected)
    assert "damaged" in said(collected) or "stops in the middle" in said(collected)


def test_of_two_equally_full_files_the_later_one_is_taken(tmp_path: Path, folders: Folders) -> None:
    root = put(tmp_path / "handed-in", f"ada/{FILE}", f"ada/{STEM} (1).ipynb")
    os.utime(root / "ada" / FILE, (2e9, 2e9))
    assert run(root, folders).records["ada"][PART]["lessons"][STEM]["source"] == f"ada/{FILE}"


def test_an_unreadable_file_is_recorded_and_never_replaces_a_good_one(tmp_path: Path, folders: Folders) -> None:
    bad = put(tmp_path / "bad", f"ada/{FILE}", content=b"")
    record = run(bad, folders).records["ada"][PART]["lessons"][STEM]
    assert (record["status"], found(folders)) == ("unreadable", [])
    run(put(tmp_path / "good", f"ada/{FILE}"), folders)
    again = run(bad, folders).records["ada"][PART]["lessons"][STEM]
    assert again["status"] == "rebuilt"
    assert again["findings"][-1]["message"].startswith("the new file can't be read; the one collected earlier stays")
    assert found(folders) == [f"ada/{PART}/{FILE}"]


def test_lessons_are_told_by_their_content_first(tmp_path: Path, folders: Folders) -> None:
    table = lesson()
    for cell in table["cells"]:
        cell["id"] = "other-" + cell["id"]
        cell["source"] = cell["source"].replace("add", "product").replace("total", "products").replace("sum-", "product-")
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"]["grade_id"] = cell["metadata"]["nbgrader"]["grade_id"].replace("sum-", "product-")
    library = made_up.library(made_up.pristine(table, OTHER))
    root = put(tmp_path / "handed-in", f"ada/{OTHER}.ipynb")
    put(root, f"bob/{FILE}", content=data(made_up.notebook(made_up.code("1 + 1", "x"))))
    put(root, "cy/holiday.ipynb", content=data(made_up.notebook(made_up.code("1 + 1", "x"))))
    collected = collect(root, library, folders)
    assert found(folders) == [f"ada/{PART}/{FILE}", f"bob/{PART}/{FILE}"]
    assert f"the file is renamed; taken for {STEM} by what is in it" in said(collected)
    assert "no cell of the lesson is in it" in said(collected)
    assert "neither its name nor its cells belong to a lesson" in said(collected)


def test_a_file_with_a_50_mb_output_is_read(tmp_path: Path, folders: Folders) -> None:
    table = solved()
    table["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "y" * 50 * 2**20}]
    collected = run(put(tmp_path / "handed-in", f"ada/{FILE}", content=data(table)), folders)
    assert "the file is 50 MB, most of it outputs" in said(collected)
    assert (folders.submitted / "ada" / PART / FILE).stat().st_size < 10_000


def test_collecting_twice_gives_the_same_bytes(tmp_path: Path, folders: Folders) -> None:
    root = put(tmp_path / "handed-in", f"ada/{FILE}", f"bob_{FILE}")
    run(root, folders)
    before = {path: path.read_bytes() for path in folders.build.rglob("*") if path.is_file()}
    run(root, folders)
    assert before == {path: path.read_bytes() for path in folders.build.rglob("*") if path.is_file()}


def test_one_zip_or_one_notebook_of_one_student(tmp_path: Path, folders: Folders) -> None:
    path = tmp_path / f"ada-{PART}.zip"
    path.write_bytes(zipped({f"{PART}/{FILE}": data(solved()), "manifest.json": b"{}"}))
    assert run(path, folders).students == ("ada",)
    single = put(tmp_path, f"bob_{FILE}") / f"bob_{FILE}"
    assert run(single, folders).students == ("bob",)


def test_answers_move_to_a_lesson_that_was_released_anew(tmp_path: Path, folders: Folders) -> None:
    table = solved()
    table["cells"].insert(2, made_up.code("helper = 1", "own"))
    run(put(tmp_path / "handed-in", f"ada/{FILE}", content=data(table)), folders)
    path = folders.submitted / "ada" / PART / FILE
    before = path.read_bytes()
    assert refresh(folders, "ada", made_up.pristine())["status"] == "rebuilt"
    assert path.read_bytes() == before, "the same release changes nothing"
    newer = lesson()
    newer["cells"][0]["source"] = "# Sums, told better"
    newer["cells"] += [made_up.answer("sum-none", "def nothing():\n    return None", "answer-three"), made_up.check("sum-none", "check-three")]
    row = refresh(folders, "ada", made_up.pristine(newer))
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(path.read_bytes())["cells"]}
    assert cells["title"] == "# Sums, told better"
    assert cells["answer-one"].endswith("a + b")
    assert "check-three" in cells
    assert "helper = 1" in cells.values()
    assert "the lesson was released anew" in str(row["findings"])
    again = path.read_bytes()
    refresh(folders, "ada", made_up.pristine(newer))
    assert path.read_bytes() == again


def answered(first: str = "a + b", second: str = "") -> bytes:
    """The lesson with its first answer, and the second one if it is given."""
    table = lesson()
    table["cells"][2]["source"] = f"def add(a, b):\n    return {first}"
    if second:
        table["cells"][5]["source"] = f"def total(numbers):\n    return {second}"
    return data(table)


def test_an_emptier_file_does_not_replace_a_fuller_one_unless_asked(tmp_path: Path, folders: Folders) -> None:
    run(put(tmp_path / "first", f"ada/{FILE}"), folders)
    full = (folders.submitted / "ada" / PART / FILE).read_bytes()
    stub = put(tmp_path / "second", f"ada/{FILE}", content=data(lesson()))
    for _ in range(2):
        row = run(stub, folders).records["ada"][PART]["lessons"][STEM]
        assert (folders.submitted / "ada" / PART / FILE).read_bytes() == full
        assert row["answered"] == ["sum-two", "sum-many"]
        errors = [finding["message"] for finding in row["findings"] if finding["severity"] == "error"]
        assert len(errors) == 1
        assert "answers 0 exercises, the one collected earlier" in errors[0]
    row = run(stub, folders, replace=True).records["ada"][PART]["lessons"][STEM]
    assert (row["status"], row["answered"]) == ("untouched", [])


def test_a_fuller_or_equal_file_replaces_and_lost_answers_are_named(tmp_path: Path, folders: Folders) -> None:
    run(put(tmp_path / "first", f"ada/{FILE}", content=answered()), folders)
    other = lesson()
    other["cells"][5]["source"] = "def total(numbers):\n    return sum(numbers)"
    row = run(put(tmp_path / "second", f"ada/{FILE}", content=data(other)), folders).records["ada"][PART]["lessons"][STEM]
    assert row["answered"] == ["sum-many"]
    assert "took the place of an earlier one that also answers sum-two" in row["findings"][-1]["message"]
    row = run(put(tmp_path / "third", f"ada/{FILE}"), folders).records["ada"][PART]["lessons"][STEM]
    assert (row["answered"], row["findings"]) == (["sum-two", "sum-many"], [])


def test_everything_is_kept_as_received_once(tmp_path: Path, folders: Folders) -> None:
    root = put(tmp_path / "handed-in", f"ada/{FILE}", f"ada/{STEM} (1).ipynb")
    put(root, f"bob/{FILE}", "bob/notes.txt", content=b"not json")
    put(root, "cy.zip", content=b"PK damaged")
    first = run(root, folders).kept
    assert first is not None
    kept = {path.relative_to(first).as_posix(): path.read_bytes() for path in first.rglob("*") if path.is_file()}
    assert kept == {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert run(root, folders).kept is None
    put(root, f"ada/{FILE}", content=answered())
    second = run(root, folders).kept
    assert second not in (None, first)
    assert [path.relative_to(second).as_posix() for path in second.rglob("*.ipynb")] == [f"ada/{FILE}"]
    assert kept[f"ada/{FILE}"] == (first / "ada" / FILE).read_bytes()


def test_two_people_under_one_name_are_not_mixed_up(tmp_path: Path, folders: Folders) -> None:
    root = tmp_path / "handed-in"
    put(root, f"root-{PART}.zip", content=zipped({f"{PART}/{FILE}": answered()}))
    put(root, f"root-{PART} (1).zip", content=zipped({f"{PART}/{FILE}": answered("b + a")}))
    put(root, f"bob/{FILE}")
    collected = run(root, folders)
    assert collected.students == ("bob",)
    assert found(folders) == [f"bob/{PART}/{FILE}"]
    errors = [str(finding) for finding in collected.findings if finding.severity == "error"]
    assert len(errors) == 1
    assert f"root-{PART}.zip and root-{PART} (1).zip: different submissions under the one name root" in errors[0]


def test_two_stages_of_one_persons_work_are_no_conflict(tmp_path: Path, folders: Folders) -> None:
    root = tmp_path / "handed-in"
    put(root, f"ada-{PART}.zip", content=zipped({f"{PART}/{FILE}": answered()}))
    put(root, f"ada-{PART} (1).zip", content=zipped({f"{PART}/{FILE}": answered("a + b", "sum(numbers)")}))
    for name, code in (("a", "a + b"), ("b", "b + a")):  # within a student's own folder nobody is in doubt
        put(root, f"bob/{name}-{PART}.zip", content=zipped({f"{PART}/{FILE}": answered(code)}))
    assert run(root, folders).students == ("ada", "bob")


def test_moodle_gives_one_id_with_and_without_folders(tmp_path: Path, folders: Folders) -> None:
    flat = put(tmp_path / "flat", f"Cy Müller_1234568_assignsubmission_file_{FILE}")
    put(flat, f"Di Ó_77_assignsubmission_file_di-{PART}.zip", content=zipped({f"{PART}/{FILE}": data(solved())}))
    assert run(flat, folders).students == ("Cy-Müller", "Di-Ó")
    layout = put(tmp_path / "folders", f"Cy Müller_1234568_assignsubmission_file_/{FILE}")
    assert run(layout, folders).students == ("Cy-Müller",)


def test_a_wrong_id_can_be_renamed(tmp_path: Path, folders: Folders) -> None:
    root = put(tmp_path / "handed-in", f"root-{PART}/{FILE}", f"bob/{FILE}")
    collected = run(root, folders, rename={"root": "ada", "cy": "dan"})
    assert (collected.students, collected.renamed) == (("ada", "bob"), ["root"])
    assert "no file here belongs to cy; nothing was renamed" in said(collected)


def test_late_files_stray_files_and_empty_folders_are_named(tmp_path: Path, folders: Folders) -> None:
    root = put(tmp_path / "handed-in", f"ada_LATE_12_34_{FILE}", f"bob/{FILE}")
    put(root, "README.docx", "bob/notes.txt", "dan/essay.pdf", content=b"x")
    (root / "hal").mkdir()
    collected = run(root, folders)
    assert collected.records["ada"][PART]["lessons"][STEM]["late"] is True
    assert "late" not in collected.records["bob"][PART]["lessons"][STEM]
    assert sorted(collected.ignored) == ["README.docx", "bob/notes.txt", "dan/essay.pdf"]
    assert [str(finding) for finding in collected.findings] == [
        "warning: hal: this folder is empty; nothing was collected from it",
        "warning: dan: no notebook is in this folder; nothing was collected from it"]
