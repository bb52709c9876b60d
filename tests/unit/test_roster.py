"""Who is missing and whom nobody knows, from whatever CSV an instructor has."""
from __future__ import annotations

from pathlib import Path

import pytest

from grader.intake.roster import Compared, RosterError, compare, read_roster


@pytest.mark.parametrize("text", [
    "ada\nbob\n\nCy Müller\n",
    "student\nada\nbob\nCy Müller\n",
    "Number,Student ID,Group\n1,ada,x\n2,bob,x\n3,Cy Müller,y\n",
    "\ufeffname;username\nA;ada\nB;bob\nC;Cy Müller\n",
    "ada,first group\nbob,second\nCy Müller,\nada,again\n",
])
def test_forms(text: str, tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    path.write_text(text, encoding="utf-8")
    assert read_roster(path) == ("ada", "bob", "Cy-Müller")


@pytest.mark.parametrize(("data", "says"), [(b"", "names nobody"), (b"student\n", "names nobody"), (b"\xff\xfe\xff", "save it as CSV in UTF-8")])
def test_useless_files_say_what_to_do(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    path.write_bytes(data)
    with pytest.raises(RosterError, match=says):
        read_roster(path)


def test_missing_and_unknown_with_the_likely_name() -> None:
    found = compare(("adalovelace", "bob", "cy"), ("bob", "ada-lovelace", "zzz"))
    assert found == Compared(("adalovelace", "cy"), {"ada-lovelace": "adalovelace", "zzz": ""})
