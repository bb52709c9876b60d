"""What an export would leave out: work that was collected, or whose checks changed, since it was graded."""
from __future__ import annotations

from collections.abc import Iterable

from grader.flow.jobs import Job, job_fingerprint
from grader.folders import Folders, read_json
from grader.intake.released import library_of_release


def stale(folders: Folders, lessons: Iterable[str] = ()) -> list[str]:
    """The notebooks (`student/part/lesson`) that `grader autograde` would grade now: those without an up-to-date verdict."""
    wanted, library = set(lessons), library_of_release(folders)
    found = []
    for path in sorted(folders.intake.glob("*/*.json")):
        student, part = path.parent.name, path.stem
        handed_in = read_json(path).get("lessons", {})
        graded = read_json(folders.verdicts / student / f"{part}.json").get("lessons", {})
        for pristine in (row for row in library.by_stem.values() if row.part == part and row.stem in handed_in):
            if wanted and pristine.stem not in wanted:
                continue
            job = Job(student, part, pristine, handed_in[pristine.stem], folders.submitted / student / part / f"{pristine.stem}.ipynb")
            if graded.get(pristine.stem, {}).get("fingerprint") != job_fingerprint(job):
                found.append(job.name)
    return found
