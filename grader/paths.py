"""Where everything lives, seen from this file, so that it works from any working folder."""
from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COURSE = ROOT / "course"
SOLUTIONS = ROOT / "solutions"
EXERCISES = ROOT / "exercises"
CHECKS = ROOT / "grader" / "checks"
HIDDEN = ROOT / "grader" / "hidden"
MUTANTS = ROOT / "tests" / "mutants"
BUILD = Path(os.environ.get("HANDBOOK_BUILD", ROOT / "build"))
