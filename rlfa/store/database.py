"""The database: opened, brought to the newest revision, and handed out one transaction at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from rlfa.errors import NotAllowedError

BUSY_TIMEOUT_MS = 10_000  # another process's transaction is short; past this something is stuck
CONNECT_TIMEOUT_S = 5  # for a server that is away: the caller tries again
STATEMENT_TIMEOUT_MS = 30_000
IDLE_TIMEOUT_MS = 60_000  # a client that hangs within a transaction gives its lock back
WRITER_LOCK = 0x726C6661  # of PostgreSQL's advisory locks the one of whoever writes: "rlfa"
_READING = "rlfa_reading"
_MIGRATIONS = Path(__file__).parent / "migrations"


class StoreError(NotAllowedError):
    """The database can't be opened, read or written."""


@dataclass(frozen=True, slots=True)
class Store:
    """An open database; safe to share between threads."""

    engine: Engine

    @classmethod
    def open(cls, url: str, *, must_exist: bool = False) -> Store:
        """Connect, and migrate to the newest revision.

        Args:
            url: SQLAlchemy URL; `sqlite:///PATH` makes the file and its folder.
            must_exist: refuse to make a new SQLite file.

        Raises:
            StoreError: no such database, a folder that can't be written, a revision newer than this program.
        """
        parsed = _parse(url)
        where = _shown(parsed)
        _refuse_missing(parsed, where) if must_exist else _make_folder(parsed, where)
        try:
            engine = _engine(parsed)
            _migrate(engine, where)
        except SQLAlchemyError as error:
            raise StoreError(where, _first_line(error), "a database that can be read and written") from error
        return cls(engine)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database and changes nothing; it waits for no writer.

        Raises:
            StoreError: the database refused.
        """
        with self._session(self.engine.execution_options(**{_READING: True})) as session:
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back on an error.

        Raises:
            StoreError: the database refused.
        """
        with self._session(self.engine) as session:
            yield session

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        try:
            with Session(engine) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            where = _shown(self.engine.url)
            raise StoreError(where, _first_line(error), "a database that can be read and written") from error

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError("database", repr(url), "an SQLAlchemy URL such as sqlite:///rlfa.db") from error
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _file(url: URL) -> Path | None:
    """The file of an SQLite database; None for one elsewhere, or in memory."""
    is_file = url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}
    return Path(str(url.database)) if is_file else None


def _refuse_missing(url: URL, where: str) -> None:
    file = _file(url)
    if file is not None and not file.exists():
        raise StoreError(where, "no such file", "a database that the service has made")


def _make_folder(url: URL, where: str) -> None:
    file = _file(url)
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(where, error.strerror, "a folder that can be written") from error


def _engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() == "postgresql":
            # A connection that has died with its server is noticed and made anew before a transaction begins.
            engine = sa.create_engine(url, pool_pre_ping=True, connect_args=_postgres_arguments())
            sa.event.listen(engine, "begin", _begin_postgres)
            return engine
        engine = sa.create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        allowed = "sqlite, or postgresql with its driver: pip install 'rlfa[postgres]'"
        raise StoreError("database", str(error), allowed) from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _set_pragmas)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgres_arguments() -> dict[str, object]:
    """Every wait has an end, also for a server whose machine went away without a word."""
    bounds = {
        "lock_timeout": BUSY_TIMEOUT_MS,
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT_MS,
    }
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": " ".join(f"-c {name}={value}" for name, value in bounds.items()),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": STATEMENT_TIMEOUT_MS,
    }


def _set_pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Readers beside one writer, and a wait instead of an error; transactions begin when we say so."""
    connection.isolation_level = None  # the driver would begin late, and let two writers collide
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a swap that was announced must survive a power cut
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    """A writer takes the lock at once: one that only found out later could no longer wait for it."""
    connection.exec_driver_sql("BEGIN" if _is_reading(connection) else "BEGIN IMMEDIATE")


def _begin_postgres(connection: sa.Connection) -> None:
    """As on SQLite: readers see one state, and one writes at a time, so that `seq` grows in the order of commits."""
    if _is_reading(connection):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")


def _is_reading(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get(_READING, False))


def _migrate(engine: Engine, where: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    newest = script.get_current_head()
    # Looked at first without the writers' lock: whoever only reads a database waits for nobody.
    with engine.execution_options(**{_READING: True}).begin() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == newest:
        return
    if current not in {None, *(revision.revision for revision in script.walk_revisions())}:
        raise StoreError(where, f"revision {current!r}", f"at most {newest!r}; use a newer rlfa")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _first_line(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
