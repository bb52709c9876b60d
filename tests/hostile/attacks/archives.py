"""Attacks by the files that are handed in: bombs, paths that lead out, links, names of others, files that are none."""
from __future__ import annotations

import io
import json
import os
import zipfile

from tests.hostile import harm
from tests.hostile.attack import NEIGHBOUR, attack
from tests.hostile.harm import FORGED

MASK = dict(lesson="p1_4_attention", exercise="attention-causal-mask")
NAME = "p1_4_attention.ipynb"


def zipped(path, members):
    """Write a zip; names and attributes are taken as they are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)


def zeros(megabytes):
    """A zip with one notebook of so many megabytes of zeros, in memory."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open(NAME, "w", force_zip64=True) as member:
        for _ in range(megabytes):
            member.write(bytes(1 << 20))
    return file.getvalue()


@attack(**MASK, earns=0.0, says=r"more than \d+ MB|is empty")
def unpacks_to_a_gigabyte(answer):
    """Hands in a zip of a megabyte with a notebook of a gigabyte."""
    return {"files": lambda folder, text: (folder / "work.zip").write_bytes(zeros(1024))}


@attack(**MASK, earns=0.0, says=r"more than \d+ MB|is empty|nested too deeply|not one of them")
def unpacks_again_and_again(answer):
    """Hands in a zip of zips of zips, a gigabyte together."""

    def write(folder, text):
        inner = zeros(250)
        middle = io.BytesIO()
        zipped(middle, [(f"{number}.zip", inner) for number in range(2)])
        zipped(folder / "work.zip", [(f"{number}.zip", middle.getvalue()) for number in range(2)])

    return {"files": write}


@attack(**MASK, earns=0.0, says=r"nested too deeply")
def nests_zips_without_end(answer):
    """Hands in its notebook in forty zips, one in the other."""

    def write(folder, text):
        data, name = text.encode(), NAME
        for _ in range(40):
            file = io.BytesIO()
            zipped(file, [(name, data)])
            data, name = file.getvalue(), "inner.zip"
        (folder / "work.zip").write_bytes(data)

    return {"files": write}


@attack(**MASK, earns=None, says=r"leads out of the zip", harm=harm.forged)
def climbs_out_of_the_zip(answer):
    """Hands in a zip whose paths lead to the neighbour's work: upwards, from the root, with a drive, with back strokes."""

    def write(folder, text):
        target = f"submitted/{NEIGHBOUR}/part1_introduction/{NAME}"
        ways = [f"../../{target}", f"../../build/{target}", "/tmp/out-of-the-zip.ipynb", f"C:\\{target}", f"..\\..\\{target}", f"a/../../../{target}"]
        zipped(folder / "work.zip", [*((way, FORGED) for way in ways), (NAME, text)])

    return {"files": write}


@attack(**MASK, earns=0.0, says=r"this is a link", harm=harm.forged)
def zips_a_link(answer):
    """Hands in a zip with a link to the neighbour's notebook under the name of its own."""

    def write(folder, text):
        link = zipfile.ZipInfo(NAME)
        link.create_system, link.external_attr = 3, 0o120777 << 16
        zipped(folder / "work.zip", [(link, f"../{NEIGHBOUR}/{NAME}")])

    return {"files": write}


@attack(**MASK, earns=0.0, says=r"this is a link")
def hands_in_a_link(answer):
    """Hands in a link to the neighbour's notebook, and a link to the folder that holds it."""

    def write(folder, text):
        for path in folder.parent.glob(f"{NEIGHBOUR}/{NAME}"):
            (folder / NAME).symlink_to(path)
            (folder / "more").symlink_to(path.parent, target_is_directory=True)
        if not (folder / NAME).is_symlink():
            (folder / NAME).symlink_to(f"../{NEIGHBOUR}/{NAME}")

    return {"files": write}


@attack(**MASK, earns=0.0, says=r"not a (plain )?file|can't be read|pipe|not read")
def hands_in_a_pipe(answer):
    """Hands in a pipe under the name of a notebook: whoever opens it waits for ever."""
    return {"files": lambda folder, text: os.mkfifo(folder / NAME)}


@attack(**MASK, earns=None, says=r"attack|passed|different submissions|more than one", harm=harm.forged)
def claims_to_be_another(answer):
    """Hands in a manifest and a zip by the neighbour's name, in its own folder."""

    def write(folder, text):
        manifest = json.dumps({"student": NEIGHBOUR, "part": "part1_introduction", "lessons": {}, "forged": FORGED})
        zipped(folder / f"{NEIGHBOUR}-part1_introduction.zip", [("manifest.json", manifest), (f"{NEIGHBOUR}/{NAME}", text)])

    return {"files": write}


@attack(**MASK, earns=0.0, says=r"more than \d+ files|not a notebook|stops in the middle|damaged")
def hands_in_very_many_files(answer):
    """Hands in a zip of 12,000 broken notebooks."""
    return {"files": lambda folder, text: zipped(folder / "work.zip", [(f"{number}/{NAME}", "{") for number in range(12_000)])}


@attack(**MASK, earns=0.0, says=r"locked with a password|damaged|can't be read")
def locks_its_zip(answer):
    """Hands in a zip that says it is locked, with a wrong checksum and a method that nobody knows."""

    def write(folder, text):
        file = io.BytesIO()
        zipped(file, [(NAME, text)])
        data = bytearray(file.getvalue())
        for start, flag, method in ((data.find(b"PK\x03\x04"), 6, 8), (data.find(b"PK\x01\x02"), 8, 10)):
            data[start + flag] |= 1
            data[start + method] = 77
        (folder / "work.zip").write_bytes(data)

    return {"files": write}


@attack(**MASK, earns=0.0, says=r"nested too deeply|damaged|not a notebook")
def nests_beyond_json(answer):
    """Hands in a file of 500,000 opening brackets, and one with a number of a million digits."""

    def write(folder, text):
        (folder / NAME).write_text('{"cells": ' + "[" * 500_000)
        (folder / f"copy of {NAME}").write_text('{"cells": [], "nbformat": ' + "9" * 1_000_000 + "}")

    return {"files": write}


@attack(**MASK, earns=0.0, says=r"not a notebook|not text|archive or a PDF|web page|is empty")
def hands_in_what_is_no_notebook(answer):
    """Hands in a program, a PDF, a web page and zeros under names of notebooks."""

    def write(folder, text):
        for number, data in enumerate((b"\x7fELF" + bytes(range(256)), b"%PDF-1.7\n", b"<html><script>hostile()</script>", bytes(4096))):
            (folder / f"{number}-{NAME}").write_bytes(data)

    return {"files": write}


@attack(**MASK, earns=None, says=r"passed|more than one|renamed|refused")
def names_files_oddly(answer):
    """Hands in a zip with names that hold line breaks, marks of direction, formulas and 4,000 letters."""

    def write(folder, text):
        odd = [f"=1+1|cmd{NAME}", f"a\nb\r\x1b[2J{NAME}", f"\u202e{NAME}", "x" * 4_000 + NAME, f"-rf {NAME}", f"con/{NAME}", f"$(touch x){NAME}"]
        zipped(folder / "work.zip", [*((name, text) for name in odd), (NAME, text)])

    return {"files": write}
