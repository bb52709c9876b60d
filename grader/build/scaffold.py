"""Begin a lesson: its five files from templates, and its place in its part."""
from __future__ import annotations

import re
from pathlib import Path

from grader.build.layout import BuildError, Layout
from grader.course import Course, load_course
from grader.folders import write_whole

TEMPLATES = Path(__file__).parent / "templates"
_STEM = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)+$")


def scaffold(layout: Layout, stem: str, *, title: str = "", part: str = "") -> list[str]:
    """Write a new lesson's files; return their paths. Raises BuildError if one exists, or no part fits."""
    if not _STEM.match(stem):
        raise BuildError(f"{stem!r} can't be a lesson's name; take something like p1_7_decoding")
    course = layout.load()
    folder = layout.course / _part(course, stem, part)
    targets = {
        "lesson.py.txt": folder / f"{stem}.py",
        "lesson.toml.txt": folder / f"{stem}.toml",
        "checks.py.txt": layout.checks / f"{stem}.py",
        "hidden.py.txt": layout.hidden / f"{stem}.py",
        "mutants.py.txt": layout.mutants / f"{stem}.py",
    }
    there = [path for path in targets.values() if path.exists()]
    if there:
        raise BuildError(f"{there[0].relative_to(layout.root).as_posix()} is there already; choose another name, or edit it")
    topic = re.sub(r"^p\d+_\d+_", "", stem)
    words = {"@STEM@": stem, "@TITLE@": title or topic.replace("_", " ").capitalize(), "@ID@": f"{topic.replace('_', '-')}-first"}
    listed = _listed((folder / "part.toml").read_text(encoding="utf-8"), stem, folder)
    for template, path in targets.items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        for mark, value in words.items():
            text = text.replace(mark, value)
        write_whole(path, text)
    write_whole(folder / "part.toml", listed)
    load_course.cache_clear()
    return [path.relative_to(layout.root).as_posix() for path in [*targets.values(), folder / "part.toml"]]


def _part(course: Course, stem: str, part: str) -> str:
    """The part's folder: as asked for, or the one whose number the stem begins with."""
    number = re.match(r"p(\d+)_", stem)
    names = [known.stem for known in course.parts]
    fitting = [name for name in names if name == part or (not part and number and re.match(rf"part{number[1]}(_|$)", name))]
    if len(fitting) != 1:
        raise BuildError(f"no part of the course fits {part or stem!r}; it has {', '.join(names)}. Say which with --part, or begin a new part "
                         "in course/course.toml")
    return fitting[0]


def _listed(table: str, stem: str, folder: Path) -> str:
    """The part's table with the new lesson as its last."""
    found = re.search(r"^lessons\s*=\s*\[(?P<names>[^\]]*)\]", table, re.M)
    if found is None:
        raise BuildError(f"{folder.name}/part.toml has no `lessons = [...]`; add it and run this again")
    names = [*re.findall(r'"([^"]+)"', found["names"]), stem]
    body = "".join(f'  "{name}",\n' for name in names)
    return table[: found.start()] + f"lessons = [\n{body}]" + table[found.end():]
