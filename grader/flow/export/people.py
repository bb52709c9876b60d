"""Who a student is for an LMS: its numbers and names, from the LMS's own list of the class and from what intake kept."""
from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.folders import Folders, read_json
from grader.intake.owners import safe_name
from grader.intake.roster import RosterError

FIELDS = {  # a field and the headings that Canvas, Moodle and registrars give it
    "name": ("student", "student name", "name", "full name"),
    "first": ("first name", "firstname"),
    "last": ("last name", "surname", "lastname"),
    "lms_id": ("id", "user id", "userid", "canvas id"),
    "sis_id": ("sis user id", "id number", "idnumber", "student id"),
    "login": ("sis login id", "username", "login"),
    "email": ("email address", "email", "e-mail"),
    "section": ("section",),
}


@dataclass(frozen=True)
class Person:
    """One line of the LMS's list, as far as it tells."""

    name: str = ""
    first: str = ""
    last: str = ""
    lms_id: str = ""
    sis_id: str = ""
    login: str = ""
    email: str = ""
    section: str = ""

    @property
    def keys(self) -> set[str]:
        """The forms under which this person's files may have come in."""
        last, comma, first = (word.strip() for word in self.name.partition(","))
        first, last = (self.first, self.last) if self.last else (first, last) if comma else ("", "")
        names = [self.name, f"{first} {last}", f"{first}{last}", f"{last}{first}", f"{last} {first}"] if last else [self.name]
        short = re.sub(r"[^\w]", "", f"{last}{first}" or self.name)  # Canvas: `doejane_12_34_…`
        ids = [self.sis_id, self.login, self.email, self.email.partition("@")[0]]
        return {_key(word) for word in (*names, short, *ids) if word.strip()}


@dataclass(frozen=True)
class Directory:
    """The class as the LMS knows it; `heads` are the headings of its file, in which Canvas writes its assignments' numbers."""

    people: tuple[Person, ...] = ()
    heads: tuple[str, ...] = ()


def read_directory(path: Path) -> Directory:
    """A CSV that the LMS exported: Canvas's gradebook, or Moodle's grades or participants. Raises RosterError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RosterError(f"{path} can't be read ({error}); export it from your LMS as CSV in UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    people = people_from(rows)
    if not people:
        raise RosterError(f"{path} has no column that names students ({', '.join(names[0] for names in FIELDS.values())}); export it from your LMS")
    return Directory(people, tuple(next(csv.reader([first], delimiter=delimiter))))


def people_from(rows: Iterable[dict[str, Any]]) -> tuple[Person, ...]:
    """The people in rows by heading. Canvas's own rows (points possible, the test student) are left out."""
    people = []
    for row in rows:
        cells = {" ".join(str(head).lower().replace("_", " ").split()): str(value or "").strip() for head, value in row.items()}
        found = {field: next((cells[head] for head in heads if cells.get(head)), "") for field, heads in FIELDS.items()}
        if any(found.values()) and "points possible" not in found["name"].lower() and found["name"] != "Student, Test":
            people.append(Person(**found))
    return tuple(people)


def identify(students: Iterable[str], directory: Directory, folders: Folders) -> dict[str, Person]:
    """The person of each student, by the LMS's number that intake kept, or by a name or id that only one person has."""
    by_key: dict[str, set[Person]] = defaultdict(set)
    by_number: dict[str, set[Person]] = defaultdict(set)
    for person in directory.people:
        for key in person.keys:
            by_key[key].add(person)
        by_number[person.lms_id].add(person)
    found = {}
    for student in students:
        tail = student.rpartition("-")[2]  # intake tells two of one name apart by the LMS's number
        number = lms_number(folders, student) or (tail if tail.isdigit() and tail in by_number else "")
        same = by_number.get(number, set()) if number else set()
        same = same or by_key.get(_key(student), set())
        if len(same) == 1:
            found[student] = next(iter(same))
        elif number and not directory.people:
            found[student] = Person(name=student, lms_id=number)
    return found


def lms_number(folders: Folders, student: str) -> str:
    """The LMS's number for a student, if intake kept one: Canvas's user id, Moodle's participant number."""
    records = (read_json(path) for path in sorted((folders.intake / student).glob("*.json")))
    return next((str(record["lms_id"]) for record in records if record.get("lms_id")), "")


def _key(word: str) -> str:
    return unicodedata.normalize("NFC", safe_name(word)).casefold()
