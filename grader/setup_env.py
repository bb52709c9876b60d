"""Set up the course: `python3 grader/setup_env.py`, which `make setup`, `make lab` and `make test` call first.

This file is only the door, and must open on any Python that a machine may have, 2.7 included: no annotations, no
f-strings, no import of ours before the version is known. An old Python hands over to a newer one or says what to do.
Exit codes: 0 ready, 1 something stopped it (the last line says what to do next), 2 wrong options, 130 interrupted.
"""

import glob
import json
import os
import subprocess
import sys

OLDEST = (3, 11)
NAMES = ("python3.13", "python3.12", "python3.11")

if sys.version_info < OLDEST:  # what follows is what an old Python runs
    version = sys.version.split()[0]
    folders = os.environ.get("PATH", os.defpath) + os.pathsep + os.pathsep.join(("/opt/homebrew/bin", "/usr/local/bin"))
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(os.path.expanduser("~"), ".pyenv")
    works = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
    for name in NAMES:
        places = [os.path.join(folder, name) for folder in folders.split(os.pathsep)]
        places += sorted(glob.glob(os.path.join(pyenv, "versions", "*", "bin", name)), reverse=True)
        for place in places:
            if not os.access(place, os.X_OK):
                continue
            with open(os.devnull, "w") as nowhere:
                try:
                    code = subprocess.call([place, "-c", works], stdout=nowhere, stderr=nowhere)
                except OSError:  # not a program after all: look further
                    code = 1
            if code == 0:
                sys.stderr.write("This Python is " + version + ", too old; using " + place + "\n")
                sys.stderr.flush()
                command = [place, os.path.abspath(__file__)]
                command.extend(sys.argv[1:])
                sys.exit(subprocess.call(command))
    what = "The course needs Python 3.11, 3.12 or 3.13; " + sys.executable + " is " + version + ", and none was found."
    todo = (
        "install one (from python.org, or `apt install python3.11 python3.11-venv`, `brew install python@3.12`, "
        "`pyenv install 3.12`), then run the same command again. If it is not on the PATH, name it: "
        "make lab PYTHON=/path/to/python3.12"
    )
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({"ok": False, "error": what, "next": todo}) + "\n")
    sys.stderr.write("\n" + what + "\nNext: " + todo + "\n")
    sys.exit(1)

# The repository instead of this folder, whose module names would hide those of others.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from grader.environment.run import main  # noqa: E402 - only a new Python can read it

if __name__ == "__main__":
    sys.exit(main())
