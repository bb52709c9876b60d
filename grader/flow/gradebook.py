"""Which gradebook, SQLite or PostgreSQL, and what to do if it can't be opened.

HANDBOOK_GRADEBOOK names it by URL; else CourseDirectory.db_url of nbgrader_config.py does, if that is a PostgreSQL; else
it is `gradebook.db` in the build folder. In a URL, a user's or password's own signs are quoted: `@` is `%40`.

    postgresql://ada:secret@localhost:5432/handbook
    postgresql:///handbook?host=/var/run/postgresql

What nbgrader 0.9.6 does with PostgreSQL (tried on 15, SQLAlchemy 2.1, psycopg2 2.9):

- Tables are made in an empty database, and its version is stamped as in SQLite, so `nbgrader db upgrade` has nothing to
  do there and says so. In a database that holds anybody else's table the stamp is left out, and upgrading would fail
  later: therefore we refuse such a database and ask for an empty one.
- `nbgrader db upgrade` can't read a URL with a percent sign in it; give the user a password of letters and digits.
- SQLAlchemy 2.1 takes `postgresql://` for psycopg 3, where it took psycopg2 before: we write the driver into the URL.
- Making tables, the course, a student or a submission is "look, then insert": of two graders at once, one fails. So
  there is one writer at a time: whoever opens the gradebook here holds an advisory lock of the course in the database
  (it needs a session of its own: no pooler in front that parts sessions, such as PgBouncer's transaction mode).
"""
from __future__ import annotations

import contextlib
import importlib.util
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VARIABLE = "HANDBOOK_GRADEBOOK"
DRIVERS = {"psycopg2": "psycopg2", "psycopg": "psycopg"}  # by the name in a URL, in the order of preference
INSTALL = "install the driver with `pip install psycopg2-binary`, then try again"
PATIENCE = 300  # seconds that a grader waits for another one
CONNECT_SECONDS = 10
MARK = "alembic_version"
UNREACHABLE = ("refused", "timeout", "timed out", "no such file", "could not translate", "not known", "unreachable", "resolve")


class GradebookError(Exception):
    """The gradebook can't be used; the message says why and what to do. It never holds a password."""


def gradebook_url(folder_default: Path, configured: str = "") -> str:
    """The URL of this course's gradebook. Raises GradebookError for one that can't be used.

    Args: folder_default is the SQLite file of the build folder; configured is nbgrader_config.py's db_url.
    """
    named = os.environ.get(VARIABLE, "").strip()
    url = named or (configured if _is_postgres(configured) else "")
    if not url:
        return f"sqlite:///{folder_default.resolve().as_posix()}"
    if url.startswith("sqlite:///"):
        return url
    if not _is_postgres(url):
        raise GradebookError(f"{VARIABLE} must begin with postgresql:// or sqlite:///; mend it or unset it")
    return with_driver(url)


def with_driver(url: str) -> str:
    """A PostgreSQL URL that names an installed driver. Raises GradebookError."""
    kind, _, rest = url.partition("://")
    driver = kind.partition("+")[2]
    installed = [name for name, module in DRIVERS.items() if importlib.util.find_spec(module) is not None]
    if driver and driver not in installed:
        raise GradebookError(f"the gradebook is in PostgreSQL, and Python has no {driver}; {INSTALL}")
    if not installed:
        raise GradebookError(f"the gradebook is in PostgreSQL, and Python has no driver for it; {INSTALL}")
    return f"postgresql+{driver or installed[0]}://{rest}"


def _is_postgres(url: str) -> bool:
    return url.partition("://")[0].partition("+")[0] in ("postgresql", "postgres") and "://" in url


class Writer:
    """The one writer of a gradebook: in PostgreSQL it holds the course's lock while the block runs; SQLite locks itself.

    It may be entered again inside its own block. Raises GradebookError if the database can't be reached.
    """

    def __init__(self, url: str, course: str) -> None:
        self.url, self.course = url, course
        self.shared = url.startswith("postgresql")  # several graders may use it at once
        self.depth = 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        if self.depth or not self.shared:
            yield
            return
        from sqlalchemy.exc import OperationalError

        with _connection(self.url) as connection:
            self._wait(connection)
            _check_tables(connection, self.url)
            self.depth += 1
            try:
                yield
            except OperationalError as error:
                text = f"the connection to the gradebook was lost ({_first(error)})"
                raise GradebookError(f"{text}; what was recorded before is kept: run it again") from None
            finally:
                self.depth -= 1

    def _wait(self, connection: Any) -> None:
        """Take the lock; the end of the connection gives it back, even if this process is killed."""
        from sqlalchemy import text
        from sqlalchemy.exc import OperationalError

        try:
            connection.execute(text(f"SET lock_timeout = '{PATIENCE}s'"))
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": zlib.crc32(self.course.encode())})
        except OperationalError:
            raise GradebookError(f"another grader has held the gradebook for {PATIENCE} s; look for one that hangs, end it, then try again") from None


@contextlib.contextmanager
def _connection(url: str) -> Iterator[Any]:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, DBAPIError
    from sqlalchemy.pool import NullPool

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise GradebookError("the gradebook's URL can't be read; write postgresql://USER:PASSWORD@HOST:5432/DATABASE, "
                             "with signs such as @ / : in the password quoted (%40 %2F %3A)") from None
    engine = create_engine(parsed, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": CONNECT_SECONDS})
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise GradebookError(_why(str(error.orig), parsed)) from None
    with connection:
        yield connection
    engine.dispose()


def _check_tables(connection: Any, url: str) -> None:
    """Refuse a database with tables but without nbgrader's stamp: what else is in it would keep it from ever being upgraded."""
    from sqlalchemy import inspect, make_url

    names = set(inspect(connection).get_table_names())
    if names and MARK not in names:
        raise GradebookError(f"the database {make_url(url).database} holds tables that are no gradebook ({', '.join(sorted(names)[:3])}); "
                             "make an empty one with `createdb`, and name that")


def _why(said: str, url: Any) -> str:
    """What the driver says, in words that end with what to do. Servers that speak another language are quoted."""
    place = f"{url.host or 'this machine'}:{url.port or 5432}"
    text = said.lower()
    if "does not exist" in text and "database" in text:
        return f"the server at {place} has no database {url.database}; make it with `createdb {url.database}`, then try again"
    if "password" in text or "authentication" in text or "role" in text:
        return f"the server at {place} does not let the user {url.username} in; look at user and password in the gradebook's URL"
    if any(words in text for words in UNREACHABLE):
        return f"there is no PostgreSQL at {place}; start the server, or mend host and port in the gradebook's URL"
    return f"the gradebook at {place} can't be opened ({hidden(' '.join(said.split())[:300], url)}); mend that, then try again"


def _first(error: Exception) -> str:
    return str(getattr(error, "orig", error)).strip().partition("\n")[0][:200]


def hidden(text: str, url: Any) -> str:
    """A text without the URL's password, quoted or not."""
    from urllib.parse import quote

    for secret in filter(None, (url.password, quote(url.password or "", safe=""))):
        text = text.replace(secret, "***")
    return text
