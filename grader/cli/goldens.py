"""The author's verb `goldens`: compare the reports of the six model submissions with the accepted ones."""
from __future__ import annotations

import json
import os
import subprocess
import sys

import click

from grader import paths

TEST = "tests/e2e/test_round_trip.py"
FOLDER = "tests/golden"


@click.command()
@click.option("--accept", is_flag=True, help="Take the reports of this run as the right ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the accepted reports as JSON.")
def goldens(accept: bool, as_json: bool) -> None:
    """Grade the six model submissions and compare their reports with tests/golden/, which takes some minutes.

    Exit codes: 0 the reports are as accepted, or were accepted now · 1 a report differs · 2 this copy has no tests.
    """
    if not (paths.ROOT / TEST).is_file():
        click.echo("grader: this copy of the course has no tests; get the whole repository and try again", err=True)
        sys.exit(2)
    environment = {**os.environ, **({"HANDBOOK_ACCEPT_GOLDENS": "1"} if accept else {})}
    command = [sys.executable, "-m", "pytest", "-q", TEST, "-k", "reports_are_as_accepted"]
    done = subprocess.run(command, cwd=paths.ROOT, env=environment, stdout=sys.stderr, check=False)
    reports = {path.parent.name: path for path in sorted((paths.ROOT / FOLDER).glob("*/report.json"))}
    if as_json:
        table = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in reports.items()}
        click.echo(json.dumps(table, indent=1, ensure_ascii=False))
    elif done.returncode == 0:
        click.echo(f"{len(reports)} reports " + (f"written to {FOLDER}; look at the difference, then commit it" if accept else "are as accepted"))
    else:
        click.echo("a report differs (see above); mend it, or take the new ones with `grader goldens --accept`", err=True)
    sys.exit(1 if done.returncode else 0)
