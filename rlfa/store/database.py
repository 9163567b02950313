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

from rlfa.errors import RlfaError

BUSY_TIMEOUT_MS = 10_000  # another process's transaction is short; past this something is stuck
_READING = "rlfa_reading"
_MIGRATIONS = Path(__file__).parent / "migrations"


class StoreError(RlfaError):
    """The database can't be opened, read or written."""

    def __init__(self, where: str, found: object, allowed: str) -> None:
        super().__init__(where, found, allowed)

    def __str__(self) -> str:
        return "{}: found {}, allowed: {}".format(*self.args)


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
        where = parsed.render_as_string(hide_password=True)
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
            where = self.engine.url.render_as_string(hide_password=True)
            raise StoreError(where, _first_line(error), "a database that can be read and written") from error

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise StoreError("database", repr(url), "an SQLAlchemy URL such as sqlite:///rlfa.db") from error


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
        engine = sa.create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError("database", str(error), "sqlite, or postgresql with its driver installed") from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _set_pragmas)
        sa.event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Readers beside one writer, and a wait instead of an error; transactions begin when we say so."""
    connection.isolation_level = None  # the driver would begin late, and let two writers collide
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a swap that was announced must survive a power cut
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    """A writer takes the lock at once: one that only found out later could no longer wait for it."""
    reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _migrate(engine: Engine, where: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    with engine.begin() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        known = {revision.revision for revision in script.walk_revisions()}
        if current is not None and current not in known:
            raise StoreError(where, f"revision {current!r}", f"at most {script.get_current_head()!r}; use a newer rlfa")
        if current != script.get_current_head():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _first_line(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
