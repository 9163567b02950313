"""Opening a database, and what stands in the way."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from rlfa.store.database import Store, StoreError
from rlfa.store.tables import Base
from streams.kafka.embedded import free_port
from tests.postgres import PASSWORD, PostgresServer

REVISION = "0007"
INSERT = (
    "INSERT INTO agents (id, family, genome, card, metrics, checksum, uri, created_at) "
    "VALUES ('a', '', '', '', '', '', '', 0)"
)


def test_migrations_make_the_tables_that_the_code_maps(store: Store) -> None:
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_opening_again_changes_nothing(store: Store, url: str) -> None:
    Store.open(url).close()
    with store.reading() as session:
        assert session.scalar(sa.text("SELECT version_num FROM alembic_version")) == REVISION


def test_sqlite_writes_ahead_and_waits_for_others(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'rlfa.db'}")
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000
    store.close()


def test_postgresql_ends_every_wait(postgres: PostgresServer) -> None:
    store = Store.open(postgres.url())
    with store.reading() as session:
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            assert session.scalar(sa.text(f"SELECT setting FROM pg_settings WHERE name = '{name}'")) != "0"
    store.close()


def test_reader_can_write_nothing_on_postgresql(postgres: PostgresServer) -> None:
    store = Store.open(postgres.url())
    with pytest.raises(StoreError, match="read-only transaction"), store.reading() as session:
        session.execute(sa.text("DELETE FROM agents"))
    store.close()


def test_wrong_password_is_one_clear_line_without_it(postgres: PostgresServer) -> None:
    wrong = postgres.url("postgres").replace(PASSWORD, "guessed")
    with pytest.raises(StoreError, match="password authentication failed") as caught:
        Store.open(wrong)
    assert "\n" not in str(caught.value)
    assert "guessed" not in str(caught.value)


def test_server_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(StoreError, match="Connection refused") as caught:
        Store.open(f"postgresql://rlfa@127.0.0.1:{free_port()}/rlfa")
    assert "\n" not in str(caught.value)


def test_store_goes_on_after_its_server_was_killed_and_started_again() -> None:
    with PostgresServer() as server:
        store = Store.open(server.url())
        server.kill()
        with pytest.raises(StoreError), store.reading() as session:
            session.scalar(sa.text("SELECT 1"))
        server.start()
        with store.transaction() as session:
            assert session.scalar(sa.text("SELECT count(*) FROM ledger")) == 0
        store.close()


def test_new_database_that_is_opened_twice_at_once_is_migrated_once(url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        for store in pool.map(Store.open, [url, url]):
            store.close()


def test_database_of_a_newer_version_is_refused(store: Store, url: str) -> None:
    with store.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=f"found revision '9999', allowed: at most '{REVISION}'; use a newer rlfa"):
        Store.open(url)


def test_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="allowed: a folder that can be written") as caught:
        Store.open(f"sqlite:///{tmp_path / 'file' / 'rlfa.db'}")
    assert "\n" not in str(caught.value)


def test_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "rlfa.db").write_text("not a database, but long enough to look like a broken one" * 20)
    with pytest.raises(StoreError, match="found file is not a database"):
        Store.open(f"sqlite:///{tmp_path / 'rlfa.db'}")


def test_reader_refuses_to_make_a_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="found no such file"):
        Store.open(f"sqlite:///{tmp_path / 'rlfa.db'}", must_exist=True)


@pytest.mark.parametrize("bad", ["rlfa.db", "oracle2:///x"], ids=["no url", "no such dialect"])
def test_wrong_url_is_one_clear_line(bad: str) -> None:
    with pytest.raises(StoreError, match="allowed:"):
        Store.open(bad)


def test_password_is_not_in_the_message() -> None:
    with pytest.raises(StoreError) as caught:
        Store.open("sqlite://user:secret@host/x")
    assert "secret" not in str(caught.value)


def test_failed_transaction_leaves_nothing(store: Store) -> None:

    def write() -> None:
        with store.transaction() as session:
            session.execute(sa.text(INSERT))
            session.execute(sa.text(INSERT))

    with pytest.raises(StoreError, match=r"(?i)unique"):
        write()
    with store.reading() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM agents")) == 0


def test_reader_is_not_kept_waiting_by_a_writer(store: Store) -> None:
    with store.transaction() as writer:
        writer.execute(sa.text(INSERT))
        with store.reading() as reader:
            assert reader.scalar(sa.text("SELECT count(*) FROM agents")) == 0


def test_opening_waits_for_no_writer(store: Store, url: str) -> None:
    with store.transaction():
        Store.open(url).close()


def test_error_survives_pickling() -> None:
    error = StoreError("here", "this", "that")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "here: found this, allowed: that"
