"""`grader …` and `python -m grader …`."""
from __future__ import annotations

from grader.cli import cli


def main() -> None:
    """Run the command line."""
    cli(prog_name="grader")


if __name__ == "__main__":
    main()
