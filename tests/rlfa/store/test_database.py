"""Opening a database, and what stands in the way."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from rlfa.store.database import Store, StoreError
from rlfa.store.tables import Base


def test_migrations_make_the_tables_that_the_code_maps(store: Store) -> None:
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_opening_again_changes_nothing(store: Store, url: str) -> None:
    Store.open(url).close()
    with store.reading() as session:
        assert session.scalar(sa.text("SELECT version_num FROM alembic_version")) == "0001"


def test_sqlite_writes_ahead_and_waits_for_others(store: Store) -> None:
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000


def test_database_of_a_newer_version_is_refused(store: Store, url: str) -> None:
    with store.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="found revision '9999', allowed: at most '0001'; use a newer rlfa"):
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


def test_reader_refuses_to_make_a_database(url: str) -> None:
    with pytest.raises(StoreError, match="found no such file"):
        Store.open(url, must_exist=True)


@pytest.mark.parametrize("bad", ["rlfa.db", "oracle2:///x"], ids=["no url", "no such dialect"])
def test_wrong_url_is_one_clear_line(bad: str) -> None:
    with pytest.raises(StoreError, match="allowed:"):
        Store.open(bad)


def test_password_is_not_in_the_message() -> None:
    with pytest.raises(StoreError) as caught:
        Store.open("sqlite://user:secret@host/x")
    assert "secret" not in str(caught.value)


def test_failed_transaction_leaves_nothing(store: Store) -> None:
    twice = "INSERT INTO agents VALUES ('a', '', '', '', '', '', '', 0)"

    def write() -> None:
        with store.transaction() as session:
            session.execute(sa.text(twice))
            session.execute(sa.text(twice))

    with pytest.raises(StoreError, match="UNIQUE"):
        write()
    with store.reading() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM agents")) == 0


def test_reader_is_not_kept_waiting_by_a_writer(store: Store) -> None:
    with store.transaction() as writer:
        writer.execute(sa.text("INSERT INTO agents VALUES ('a', '', '', '', '', '', '', 0)"))
        with store.reading() as reader:
            assert reader.scalar(sa.text("SELECT count(*) FROM agents")) == 0


def test_error_survives_pickling() -> None:
    error = StoreError("here", "this", "that")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "here: found this, allowed: that"
