"""A PostgreSQL server of its own for a test: from the system's package, in a temporary folder, gone afterwards."""
from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

USER, PASSWORD = "grader", "not/a:secret@all%"  # what must be quoted in a URL, on purpose
START_SECONDS = "60"


@dataclass(frozen=True)
class Postgres:
    """A running server. Databases in it are made and asked by `sql`."""

    programs: Path
    folder: Path
    port: int

    def url(self, database: str, *, password: str = PASSWORD, port: int | None = None) -> str:
        """The URL of one of its databases."""
        return f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{port or self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> list[str]:
        """Run a statement as the server's owner. Returns the rows as lines, columns parted by `|`."""
        command = [str(self.programs / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
                   "-U", USER, "-d", database, "-c", statement]  # fmt: skip
        done = subprocess.run(command, env={**os.environ, "PGPASSWORD": PASSWORD}, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.splitlines()


def why_not() -> str:
    """Why no server can be started here, or an empty text."""
    if _programs() is None:
        return "PostgreSQL's server is not installed (Debian: apt install postgresql)"
    if _is_root() and _as_postgres() is None:
        return "PostgreSQL refuses to run as root, and there is no user postgres to run it as"
    return ""


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a server that listens on a free port of this machine, with one user who may do everything."""
    programs = _programs()
    assert programs is not None, why_not()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    data, password, port = folder / "data", folder / "password", _free_port()
    password.write_text(f"{PASSWORD}\n")
    if _is_root():
        for path in (folder, password):
            shutil.chown(path, "postgres")
    control = [*(_as_postgres() or []), str(programs / "pg_ctl"), "-D", str(data), "-w", "-t", START_SECONDS, "-l", str(folder / "log")]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off -c max_connections=40"
    try:
        init = [str(programs / "initdb"), "-D", str(data), "-U", USER, f"--pwfile={password}", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
        _run([*(_as_postgres() or []), *init], folder)
        _run([*control, "-o", options, "start"], folder)
        yield Postgres(programs, folder, port)
    finally:
        if (data / "postmaster.pid").exists():
            _run([*control, "-m", "immediate", "stop"], folder)
        shutil.rmtree(folder)


def _run(command: list[str], folder: Path) -> None:
    """Run one of the server's programs; what a server that stays says goes to a file, or this would wait for its end."""
    with (folder / "said").open("w+") as said:
        code = subprocess.run(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=120).returncode
        said.seek(0)
        assert code == 0, said.read()[-2000:]


def _programs() -> Path | None:
    """Where initdb and pg_ctl are; Debian keeps them off the PATH, a folder a version."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return next((folder for folder in reversed(folders) if (folder / "pg_ctl").exists() and (folder / "initdb").exists()), None)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _as_postgres() -> list[str] | None:
    """How to run a program as the user postgres; None where that can't be done or need not be done."""
    if not _is_root():
        return None
    import pwd

    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return None
    return ["runuser", "-u", "postgres", "--"] if shutil.which("runuser") else None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
