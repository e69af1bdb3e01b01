"""What is said where a PostgreSQL server cannot be used, and that a password is never shown."""

from __future__ import annotations

import sys
import traceback
from datetime import UTC, datetime

import pytest
from postgres_bench import PASSWORD, Postgres

from jupyter_containeriter.addresses import Address, shown_address
from jupyter_containeriter.errors import HistoryError, UsageError
from jupyter_containeriter.history import History
from jupyter_containeriter.settings import ContainerIter

NOW = datetime(2030, 1, 2, tzinfo=UTC)


def refusal(location: str) -> HistoryError:
    """Return the error of a history that cannot be used; no part of it holds the password."""
    store = History(location)
    with pytest.raises(HistoryError) as caught:
        store.begin("churn", started_at=NOW)
    store.close()
    said = f"{caught.value} {caught.value!r} {store.shown}"
    assert PASSWORD not in said
    assert "s3cret" not in said
    assert store.shown in caught.value.message
    return caught.value


def test_missing_database_is_named(postgres: Postgres) -> None:
    """A database that does not exist is to be created."""
    error = refusal(postgres.address("nothing_there"))
    assert "no such database" in error.message
    assert "createdb" in error.remedy


def test_wrong_password_is_refused(postgres: Postgres) -> None:
    """A refused login says where a password can be kept."""
    error = refusal(postgres.address("postgres", password="s3cret-wrong"))
    assert "refused the user or the password" in error.message
    assert "~/.pgpass" in error.remedy


def test_unknown_user_is_refused(postgres: Postgres) -> None:
    """A user that the server does not know is refused in the same way."""
    assert "refused the user" in refusal(postgres.address("postgres", user="nobody")).message


def test_missing_server_is_named() -> None:
    """Where no server answers, it is to be started, or the address corrected."""
    error = refusal("postgresql://ada:s3cret@127.0.0.1:1/team")
    assert "cannot be reached" in error.message
    assert "Start the server" in error.remedy


def test_missing_host_is_named() -> None:
    """A host that has no address cannot be reached."""
    assert "cannot be reached" in refusal("postgresql://ada:s3cret@nowhere.invalid/team").message


def test_missing_rights_are_named(postgres: Postgres) -> None:
    """A user who may not create tables is told what to have granted."""
    location = postgres.database()
    name = location.rpartition("/")[2]
    postgres.execute(location, f"CREATE ROLE reader_{name} LOGIN PASSWORD 's3cret'")
    postgres.execute(location, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    error = refusal(postgres.address(name, f"reader_{name}", "s3cret"))
    assert "rights of this user do not suffice" in error.message
    assert "GRANT" in error.remedy


def test_missing_driver_is_named(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the extra is named that brings it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "jupyter_containeriter[postgres]" in refusal(postgres.address("postgres")).remedy


def test_tables_of_something_else_are_left_alone(postgres: Postgres) -> None:
    """A database that has a table of the same name for something else is refused, and not changed."""
    location = postgres.database()
    postgres.execute(location, "CREATE TABLE events (colour text)")
    assert "something else" in refusal(location).message
    assert postgres.execute(location, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(1,)]


def test_other_tables_are_no_obstacle(postgres: Postgres) -> None:
    """A database may hold other tables beside ours."""
    location = postgres.database()
    postgres.execute(location, "CREATE TABLE customers (name text)")
    store = History(location)
    assert store.begin("churn", started_at=NOW).version == 1
    store.close()


def test_newer_tables_say_upgrade(postgres: Postgres) -> None:
    """The remedy for a newer history is an upgrade."""
    location = postgres.database()
    store = History(location)
    assert store.id
    store.close()
    postgres.execute(location, "UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    assert "Upgrade" in refusal(location).remedy


def test_connection_that_broke_is_made_again(postgres: Postgres) -> None:
    """A connection that the server ended between two uses is no error."""
    location = postgres.database()
    store = History(location)
    store.begin("churn", started_at=NOW)
    name = location.rpartition("/")[2]
    postgres.execute("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    assert store.names() == ["churn"]
    store.close()


def test_traceback_shows_no_password(postgres: Postgres) -> None:
    """Neither do the errors below ours show the password."""
    store = History(postgres.address("nothing_there"))
    with pytest.raises(HistoryError) as caught:
        store.names()
    text = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in text
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://ada:s3cret@db:5433/team", "postgresql://ada@db:5433/team"),
        ("postgresql://ada:s3/c?r@et@db/team?sslmode=require", "postgresql://ada@db/team?sslmode=require"),
        ("postgresql://ada@db/team?password=s3cret", "postgresql://ada@db/team"),
        ("postgresql:///team?host=/run/postgresql", "postgresql:///team?host=/run/postgresql"),
        ("ada:s3cret@db", "ada@db"),
        ("", ""),
    ],
)
def test_addresses_are_shown_without_password(address: str, shown: str) -> None:
    """Whatever is left out or not quoted: a password is never shown."""
    assert shown_address(address) == shown
    assert repr(Address(address)) == repr(shown)


@pytest.mark.parametrize(
    "address", ["ada:s3cret@db", "mysql://ada:s3cret@db/team", "postgresql://ada:s3cret@db:x/team"]
)
def test_other_addresses_are_refused(address: str) -> None:
    """What is no address of a PostgreSQL server is refused, without showing the password."""
    with pytest.raises(UsageError) as caught:
        History(address).names()
    assert "s3cret" not in str(caught.value)


def test_setting_is_shown_without_password() -> None:
    """Neither the table of settings nor traitlets' help shows the password of the history."""
    settings = ContainerIter(history="postgresql://ada:s3cret@db/team")
    assert settings.history_location == "postgresql://ada:s3cret@db/team"
    (setting,) = [setting for setting in settings.table() if setting.name == "history"]
    assert setting.value == "postgresql://ada@db/team"
    assert "s3cret" not in f"{settings.table()} {settings.class_get_help(settings)}"
