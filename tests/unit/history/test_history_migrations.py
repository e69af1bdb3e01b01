"""From an older format to the present one: nothing is lost, whatever happens meanwhile."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postgres_bench import Postgres

from jupyter_containeriter.errors import HistoryError
from jupyter_containeriter.history import History, migrations, sqlite

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

#: As the first release made them.
FORMAT_1 = (
    "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE iterations (id TEXT NOT NULL PRIMARY KEY, name TEXT DEFAULT '' NOT NULL, version INTEGER NOT NULL,
    status TEXT DEFAULT '' NOT NULL, started_at {time} NOT NULL, finished_at {time}, think_seconds DOUBLE PRECISION,
    run_seconds DOUBLE PRECISION, capture_seconds DOUBLE PRECISION, build_seconds DOUBLE PRECISION,
    load_seconds DOUBLE PRECISION, start_seconds DOUBLE PRECISION, verify_seconds DOUBLE PRECISION,
    package_to_verified_seconds DOUBLE PRECISION, cycle_seconds DOUBLE PRECISION, engine TEXT DEFAULT '' NOT NULL,
    method TEXT DEFAULT '' NOT NULL, hot BOOLEAN NOT NULL, image_reference TEXT DEFAULT '' NOT NULL,
    image_digest TEXT DEFAULT '' NOT NULL, image_size_bytes BIGINT, sent_bytes BIGINT, base TEXT DEFAULT '' NOT NULL,
    environment_digest TEXT DEFAULT '' NOT NULL, code_digest TEXT DEFAULT '' NOT NULL,
    model_digest TEXT DEFAULT '' NOT NULL, data_digest TEXT DEFAULT '' NOT NULL, parity TEXT DEFAULT '' NOT NULL,
    max_abs_difference DOUBLE PRECISION, params TEXT NOT NULL, metrics TEXT NOT NULL, tags TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL, notebook TEXT DEFAULT '' NOT NULL, "user" TEXT DEFAULT '' NOT NULL,
    host TEXT DEFAULT '' NOT NULL, error TEXT DEFAULT '' NOT NULL, UNIQUE (name, version))""",
    "INSERT INTO meta VALUES ('schema_version', '1')",
    "INSERT INTO meta VALUES ('id', 'first-id')",
)
ROW = (
    "INSERT INTO iterations (id, name, version, status, started_at, hot, params, metrics, tags, note, host) VALUES "
    "('row-{number}', 'churn', {number}, 'running', '2030-01-02 03:04:05.000000', {hot}, '{{\"depth\": 3}}', '{{}}', "
    "'{{}}', 'kept', 'here')"
)
ROWS, COLUMNS = 200, 37


def statements(time_type: str, hot: str) -> list[str]:
    """Return what makes a history of format 1 with rows."""
    rows = [ROW.format(number=number, hot=hot) for number in range(1, ROWS + 1)]
    return [*(statement.format(time=time_type) for statement in FORMAT_1), *rows]


@pytest.fixture
def old(location: Path | str, request: pytest.FixtureRequest) -> Path | str:
    """Give a history of format 1 with rows."""
    if isinstance(location, Path):
        location.parent.mkdir(parents=True)
        with closing(sqlite3.connect(location)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(";".join(statements("DATETIME", "1")))
    else:
        server: Postgres = request.getfixturevalue("postgres")
        server.execute(location, ";".join(statements("TIMESTAMP", "true")))
    return location


def backup(old: Path | str, request: pytest.FixtureRequest) -> tuple[str, int, int]:
    """Return format, rows and columns of the copy that was made before."""
    asked = (
        "SELECT value FROM meta{0} WHERE key = 'schema_version'",
        "SELECT count(*) FROM iterations{0}",
        "SELECT count(*) FROM {1}",
    )
    if isinstance(old, Path):
        words = ("", "pragma_table_info('iterations')")
        with closing(sqlite3.connect(old.with_name(f"{old.name}.format-1"))) as connection:
            answers = [connection.execute(question.format(*words)).fetchone()[0] for question in asked]
    else:
        words = ("_format_1", "information_schema.columns WHERE table_name = 'iterations_format_1'")
        server: Postgres = request.getfixturevalue("postgres")
        answers = [server.execute(old, question.format(*words))[0][0] for question in asked]
    return answers[0], answers[1], answers[2]


def test_rows_are_kept_and_new_ones_have_everything(old: Path | str) -> None:
    """A history of the first format keeps its id and its rows, and takes all that is recorded today."""
    store = History(old)
    assert store.id == "first-id"
    row = store.get("churn", 7)
    assert row is not None
    assert (row.id, row.started_at, row.hot, row.params, row.note) == ("row-7", NOW, True, {"depth": 3}, "kept")
    assert (row.lead_seconds, row.execution_count, row.cell, row.owner) == (None, None, "", "")
    assert store.begin("churn", started_at=NOW, cell="fit()", execution_count=3).version == ROWS + 1
    assert len(store.running("here", "us")) == ROWS
    assert store.events().empty
    assert store.loads().empty
    store.close()


def test_copy_is_made_before(old: Path | str, request: pytest.FixtureRequest) -> None:
    """What was there before is beside it, as it was."""
    store = History(old)
    assert store.names() == ["churn"]
    store.close()
    assert backup(old, request) == ("1", ROWS, COLUMNS)


def test_copy_is_never_overwritten(old: Path | str, request: pytest.FixtureRequest) -> None:
    """A copy from an earlier time stays."""
    if isinstance(old, Path):
        copy = old.with_name(f"{old.name}.format-1")
        copy.write_text("precious")
        History(old).close()
        store = History(old)
        assert store.names() == ["churn"]
        store.close()
        assert copy.read_text() == "precious"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        server.execute(old, "CREATE TABLE iterations_format_1 AS SELECT 'precious' AS text")
        store = History(old)
        assert store.names() == ["churn"]
        store.close()
        assert server.execute(old, "SELECT text FROM iterations_format_1") == [("precious",)]


def test_step_that_fails_changes_nothing(
    old: Path | str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that fails in the middle leaves the old format, and the next one works."""
    steps = migrations._STEPS[1]
    monkeypatch.setitem(migrations._STEPS, 1, (*steps, "ALTER TABLE nothing_there ADD COLUMN x TEXT"))
    with pytest.raises(HistoryError):
        History(old).names()
    monkeypatch.setitem(migrations._STEPS, 1, steps)
    store = History(old)
    assert len(store.frame()) == ROWS
    store.close()
    assert backup(old, request) == ("1", ROWS, COLUMNS)


MIGRATES = """
import os, sys
from pathlib import Path
from jupyter_containeriter.history import History, migrations, sqlite, postgres
if sys.argv[2] == "killed":
    whole = migrations.metadata.create_all
    migrations.metadata.create_all = lambda connection: (whole(connection), os.kill(os.getpid(), 9))
history = History(sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(history.id, len(history.frame()))
"""


def migrating(old: Path | str, how: str) -> subprocess.Popen[str]:
    """Start a process that opens the history once it is told to."""
    process = subprocess.Popen([sys.executable, "-c", MIGRATES, old, how], stdin=-1, stdout=-1, stderr=-1, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_processes_that_migrate_at_once(old: Path | str, request: pytest.FixtureRequest) -> None:
    """Of several processes one migrates, and all of them go on with the result."""
    processes = [migrating(old, "whole") for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate() for process in processes]
    assert outputs == [(f"first-id {ROWS}\n", "")] * 4
    assert backup(old, request) == ("1", ROWS, COLUMNS)


def test_process_killed_in_the_middle(old: Path | str, request: pytest.FixtureRequest) -> None:
    """A process that is killed before its migration is whole leaves the old format; the next one begins again."""
    process = migrating(old, "killed")
    process.communicate("go\n")
    assert process.returncode == -9
    store = History(old)
    assert (store.id, len(store.frame())) == ("first-id", ROWS)
    store.close()
    assert backup(old, request) == ("1", ROWS, COLUMNS)


def test_full_disk_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for the change, the history stays as it is, and the error says that the disk is full."""
    old = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(";".join(statements("DATETIME", "1")))

    def no_more_pages(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    monkeypatch.setattr(sqlite, "_set_pragmas", no_more_pages)
    with pytest.raises(HistoryError, match="disk is full"):
        History(old).names()
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT count(*) FROM iterations").fetchone() == (ROWS,)
        assert connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == ("1",)
