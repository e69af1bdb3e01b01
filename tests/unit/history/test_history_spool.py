"""While a history cannot be used: rows wait, reads tell what waits, and later everything is written."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from postgres_bench import Postgres

from jupyter_containeriter.errors import HistoryError
from jupyter_containeriter.history import History
from jupyter_containeriter.history.database import Database
from jupyter_containeriter.history.postgres import PostgresDatabase
from jupyter_containeriter.history.spool import Spool
from jupyter_containeriter.types import Event, Iteration, LoadLevel

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Outage:
    """A place that can be made unusable, and usable again."""

    def __init__(self, location: Path | str, server: Postgres | None) -> None:
        self.location = location
        self._server = server

    def begin(self) -> None:
        """Put something else in its place, or take the database away."""
        if isinstance(self.location, Path):
            if self.location.exists():
                self.location.rename(self.location.with_suffix(".away"))
            self.location.write_text("something else")
        else:
            self._rename(self._name, f"{self._name}_away")

    def end(self) -> None:
        """Bring back what was there."""
        if isinstance(self.location, Path):
            self.location.unlink()
            away = self.location.with_suffix(".away")
            if away.exists():
                away.rename(self.location)
        else:
            self._rename(f"{self._name}_away", self._name)

    @property
    def _name(self) -> str:
        return str(self.location).rpartition("/")[2]

    def _rename(self, before: str, after: str) -> None:
        assert self._server is not None
        self._server.execute("postgres", f"ALTER DATABASE {before} ALLOW_CONNECTIONS false")
        self._server.execute(
            "postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{before}'"
        )
        self._server.execute("postgres", f"ALTER DATABASE {before} RENAME TO {after}")
        self._server.execute("postgres", f"ALTER DATABASE {after} ALLOW_CONNECTIONS true")


@pytest.fixture
def outage(location: Path | str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Outage:
    """Give the place of the history, with what breaks and mends it."""
    monkeypatch.setattr(PostgresDatabase, "pause_seconds", 0)
    if isinstance(location, Path):
        location.parent.mkdir(parents=True)
        return Outage(location, None)
    return Outage(location, request.getfixturevalue("postgres"))


@pytest.fixture
def history(outage: Outage, tmp_path: Path) -> Iterator[History]:
    """Give a history with a spool."""
    store = History(outage.location, tmp_path / "spool", "us")
    yield store
    store.close()


def begin(history: History, name: str = "churn", **fields: Any) -> Iteration:
    """Begin an iteration at a fixed time."""
    return history.begin(name, started_at=NOW, **fields)


def finish(history: History, iteration: Iteration, **fields: Any) -> Iteration:
    """Write that an iteration ended well."""
    done = replace(iteration, status="verified", finished_at=NOW + timedelta(seconds=9), image_digest="sha256:1")
    done = replace(done, **fields)
    history.update(done)
    return done


def level(test: str = "t") -> LoadLevel:
    """Return a level of a load test."""
    return LoadLevel(f"level-{test}", test, "churn", 1, "docker", NOW, 4, 2.0, 9, 0, 0, 4.5)


def event(version: int = 1) -> Event:
    """Return an event."""
    return Event(f"event-{version}", "churn", version, None, "rollback", NOW, 0.5)


def waiting_files(tmp_path: Path) -> list[Path]:
    """Return the files of the rows that wait."""
    return list((tmp_path / "spool").glob("*/*.json"))


def test_nothing_waits_while_all_is_well(history: History, tmp_path: Path) -> None:
    """A history that can be used leaves no row in the spool, and says nothing."""
    finish(history, begin(history))
    assert waiting_files(tmp_path) == []
    assert history.remarks() == []


def test_whole_iteration_waits_and_is_written_later(history: History, outage: Outage, tmp_path: Path) -> None:
    """An iteration begun and ended while the history is away is written by the next use, as if nothing had been."""
    outage.begin()
    done = finish(history, begin(history), params={"depth": 3}, metrics={"loss": float("inf")}, note="ä\udce9")
    assert (done.version, done.owner) == (1, "us")
    outage.end()
    found = history.get("churn", 1)
    assert found == replace(done, note="ä\\udce9")
    assert waiting_files(tmp_path) == []
    assert history.frame()["version"].tolist() == [1]


def test_outage_in_the_middle_loses_nothing(history: History, outage: Outage) -> None:
    """The end of an iteration that began before waits as well."""
    begun = begin(history)
    outage.begin()
    done = finish(history, begun)
    assert history.by_ids([begun.id]) == {begun.id: done}
    outage.end()
    assert history.get("churn", 1) == done


def test_another_kernel_writes_what_waits(history: History, outage: Outage, tmp_path: Path) -> None:
    """What a kernel that ended left is written by the next one that uses the history."""
    outage.begin()
    done = finish(history, begin(history))
    history.close()
    outage.end()
    other = History(outage.location, tmp_path / "spool", "us")
    assert other.by_ids([done.id]) == {done.id: done}
    other.close()


def test_person_is_told_once(history: History, outage: Outage) -> None:
    """One sentence says what is wrong and one that it is well again, however often the history was asked."""
    outage.begin()
    finish(history, begin(history))
    finish(history, begin(history))
    (told,) = history.remarks()
    assert history.shown in told
    assert "is written to it later" in told
    assert history.remarks() == []
    outage.end()
    assert history.names() == ["churn"]
    (told,) = history.remarks()
    assert "works again: 2 rows that waited for it are written now" in told


def test_second_outage_is_told_again(history: History, outage: Outage) -> None:
    """An outage in which nothing had to wait is over all the same, and the next one is told."""
    assert history.id
    for _ in range(2):
        outage.begin()
        assert history.names() == []
        assert len(history.remarks()) == 1
        outage.end()
        assert history.names() == []
        assert history.remarks() == []


def test_an_outage_is_told_beside_a_row_that_is_not_taken(
    history: History, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that the database does not take is one thing to tell, and a database that is gone another one."""

    def refuse(*_: Any) -> None:
        raise HistoryError("It does not fit.")

    outage.begin()
    finish(history, begin(history))
    other = History(outage.location, history._spool.directory.parent)  # type: ignore[union-attr]
    outage.end()
    monkeypatch.setattr(Database, "put", refuse)
    assert other.names() == ["churn"]
    assert ["It does not fit." in told for told in other.remarks()] == [True]
    outage.begin()
    assert other.names() == ["churn"]
    assert ["is written to it later" in told for told in other.remarks()] == [True]
    outage.end()
    other.close()


def test_versions_lie_above_what_is_known(history: History, outage: Outage) -> None:
    """A version that is given meanwhile follows those that were given here before, of that name."""
    for _ in range(3):
        begin(history)
    begin(history, "fraud")
    outage.begin()
    assert [begin(history, name).version for name in ("churn", "churn", "fraud", "new")] == [4, 5, 2, 1]


def test_versions_lie_above_what_runs(outage: Outage, tmp_path: Path) -> None:
    """A version that is given meanwhile follows what is known from elsewhere."""
    store = History(outage.location, tmp_path / "spool", known=lambda _name: 7)
    outage.begin()
    assert [begin(store).version, begin(store).version] == [8, 9]
    store.close()


def test_taken_version_is_not_overwritten(history: History, outage: Outage, tmp_path: Path) -> None:
    """Where somebody else got the version meanwhile, the row that waited gets the next free one, and that is told."""
    other = History(outage.location, tmp_path / "elsewhere", "them")
    begin(other)
    outage.begin()
    late = finish(history, begin(history))
    assert late.version == 1
    outage.end()
    assert begin(other).version == 2
    assert history.by_ids([late.id])[late.id].version == 3
    assert any("churn:1 is churn:3 in the history" in remark for remark in history.remarks())
    # The kernel that holds the old number goes on writing to its own row.
    finish(history, late, note="more")
    assert [row.note for row in (history.get("churn", 1), history.get("churn", 3)) if row] == ["", "more"]
    other.close()


def test_id_stays_while_away(history: History, outage: Outage, tmp_path: Path) -> None:
    """Containers get the label of the history also while it cannot be asked, in another kernel, too."""
    first = history.id
    outage.begin()
    other = History(outage.location, tmp_path / "spool")
    assert (history.id, other.id) == (first, first)
    other.close()


def test_made_up_id_stays_known(history: History, outage: Outage, tmp_path: Path) -> None:
    """Where the history was never seen its id is made up; what was labelled with that one is still found later."""
    outage.begin()
    made_up = history.id
    finish(history, begin(history))
    outage.end()
    again = History(outage.location, tmp_path / "spool")
    assert again.ids[0] == again.id != made_up
    assert again.ids[1:] == [made_up]
    again.close()


def test_reads_tell_what_waits(history: History, outage: Outage) -> None:
    """Every read of rows knows those that wait."""
    outage.begin()
    first, second = finish(history, begin(history)), begin(history, host="here")
    assert history.get("churn", 1) == first
    assert history.get("churn", 3) is None
    assert history.latest("churn", ["verified"]) == first
    assert history.latest("churn", ["verified"], before=1) is None
    assert history.running("here", "us") == [second]
    assert history.running("here", "them") == []
    assert history.names() == ["churn"]
    assert not history.is_complete
    with pytest.raises(HistoryError):
        history.imaged()  # What is needed cannot be told from garbage now.


def test_frame_tells_what_waits(history: History, outage: Outage) -> None:
    """A frame of what waits has the same columns and types, and a warning says that the rest is missing."""
    whole = history.frame()
    outage.begin()
    finish(history, begin(history))
    begin(history, "fraud")
    with pytest.warns(UserWarning, match="Only what waits"):
        frame = history.frame()
    assert frame.dtypes.astype(str).tolist() == whole.dtypes.astype(str).tolist()
    assert frame["name"].tolist() == ["fraud", "churn"]  # in the order in which they ended
    with pytest.warns(UserWarning, match="Only what waits"):
        assert history.frame("churn", columns=["version"])["version"].tolist() == [1]
    with pytest.warns(UserWarning, match="Only what waits"):
        assert history.events("churn").empty  # None waits, and the report shows both.
    outage.end()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(history.frame()) == 2


def test_a_history_that_only_takes_no_rows_is_read_with_what_waits(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the database still answers but takes nothing (a full disk), reads prefer what waits to what it has."""
    first, second = (finish(history, begin(history)) for _ in range(2))
    begun = begin(history)

    def full(*_: Any) -> None:
        raise HistoryError("The disk is full.")

    with monkeypatch.context() as patch:
        for write in ("begin", "update", "put", "add"):
            patch.setattr(Database, write, full)
        done = finish(history, begun)
        fourth = finish(history, begin(history), note="the fourth")
        history.record_event(event())
        assert [history.get("churn", version) for version in (1, 2, 3, 4)] == [first, second, done, fourth]
        assert history.latest("churn", ["verified"]) == fourth
        frame = history.frame("churn", columns=["version", "status", "note"])
        assert frame["version"].tolist() == [1, 2, 3, 4]
        assert set(frame["status"]) == {"verified"}
        assert history.frame("churn", last=1)["note"].tolist() == ["the fourth"]
        assert len(history.events("churn")) == 1
        assert history.events("fraud").empty
    assert len(history.frame()) == 4
    assert not history.waiting


def test_keeping_and_delivering_do_not_wait_for_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one thread delivers, what another one has to keep is kept on the disk right after."""
    kept: list[bool] = []
    waits = threading.Event()
    spool = Spool(tmp_path, "here")
    keeping = threading.Thread(target=lambda: kept.append(spool.keep(event())))
    held = spool.held

    def telling(seconds: float = 60) -> AbstractContextManager[None]:
        if threading.current_thread() is keeping:
            waits.set()
        return held(seconds)

    with spool.held():
        monkeypatch.setattr(spool, "held", telling)
        keeping.start()
        assert waits.wait(10)
        looking = threading.Thread(target=spool.waiting, daemon=True)
        looking.start()
        looking.join(10)
        stuck = looking.is_alive()
    keeping.join(60)
    assert (stuck, kept) == (False, [True])


def test_frame_without_anything_is_an_error(history: History, outage: Outage) -> None:
    """Where nothing can be shown, the error says why."""
    begin(history)
    outage.begin()
    with pytest.raises(HistoryError):
        history.frame()


def test_events_and_load_tests_wait(history: History, outage: Outage) -> None:
    """Events and load tests wait like iterations."""
    outage.begin()
    history.record_event(event())
    history.record_load([level("a"), level("b")])
    with pytest.warns(UserWarning, match="Only what waits"):
        assert (len(history.events()), len(history.loads("churn"))) == (1, 2)
    outage.end()
    assert (len(history.events()), len(history.loads())) == (1, 2)


def test_forgotten_iteration_is_forgotten_later(history: History, outage: Outage) -> None:
    """An iteration that turned out to record nothing goes, also where its row could not be reached."""
    begun = begin(history)
    outage.begin()
    history.delete(begun.id)
    wrong = begin(history)
    history.delete(wrong.id)
    assert history.by_ids([begun.id, wrong.id]) == {}
    outage.end()
    assert history.by_ids([begun.id, wrong.id]) == {}
    assert history.names() == []


def test_row_that_ended_is_not_set_back(history: History, outage: Outage, tmp_path: Path) -> None:
    """What waits of the beginning of an iteration does not overwrite its end."""
    begun = begin(history)
    done = finish(history, begun)
    Spool(tmp_path / "spool", history.shown).keep(begun)
    assert history.get("churn", 1) == done
    assert waiting_files(tmp_path) == []


def test_damaged_file_in_the_spool_is_left_alone(history: History, outage: Outage, tmp_path: Path) -> None:
    """A row that cannot be read stays where it is, and the others are written."""
    outage.begin()
    finish(history, begin(history))
    (first,) = waiting_files(tmp_path)
    first.with_name("half.json").write_text('{"kind": "Iter')
    first.with_name("newer.json").write_text(json.dumps({"kind": "Iteration", "fields": {"colour": "red"}}))
    outage.end()
    assert history.names() == ["churn"]
    assert sorted(path.name for path in waiting_files(tmp_path)) == ["half.json", "newer.json"]


def test_without_room_rows_are_kept_in_memory(outage: Outage, tmp_path: Path) -> None:
    """Where the spool cannot be written either, rows wait in memory, and the person is told."""
    (tmp_path / "file").write_text("no directory")
    store = History(outage.location, tmp_path / "file" / "spool")
    outage.begin()
    done = finish(store, begin(store))
    assert store.get("churn", 1) == done
    assert any("kept in memory" in remark for remark in store.remarks())
    assert store.id == store.id
    outage.end()
    assert store.frame()["status"].tolist() == ["verified"]
    store.close()


def fill(path: Path) -> None:
    """Write until not a byte is left."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk takes a mount, which takes root")
def test_full_disk_loses_nothing(tmp_path: Path) -> None:
    """On a disk without a free byte for history and spool, what happened is written once there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        store = History(disk / "history.sqlite", disk / "spool")
        begun = begin(store)
        filling = disk / "filling"
        fill(filling)
        done = finish(store, begun, note="x" * 100_000)
        late = finish(store, begin(store), note="y" * 100_000)
        assert store.by_ids([begun.id, late.id]) == {begun.id: done, late.id: late}
        assert any("disk is full" in remark for remark in store.remarks())
        filling.unlink()
        assert len(store.frame()) == 2
        assert store.get("churn", 2) == late
        store.close()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_server_that_is_restarted(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends in the middle of an iteration and is back later: both ends of it are in its history."""
    monkeypatch.setattr(PostgresDatabase, "pause_seconds", 0)
    store = History(postgres.database(), tmp_path / "spool")
    begun = begin(store)
    postgres.stop()
    try:
        done = finish(store, begun)
        late = finish(store, begin(store))
        told = store.remarks()
    finally:
        postgres.start()
    assert len(told) == 1
    assert store.by_ids([begun.id, late.id]) == {begun.id: done, late.id: late}
    store.close()


def test_server_that_does_not_answer_is_not_asked_each_time(postgres: Postgres, tmp_path: Path) -> None:
    """Once a server could not be reached it is left alone for a while, so that an iteration is not held up."""
    tried = []

    class Counting(PostgresDatabase):
        def open(self) -> Any:
            tried.append(1)
            return super().open()

    store = History(postgres.address("nothing_there"), tmp_path / "spool")
    store._database.place = Counting(postgres.address("nothing_there"))
    finish(store, begin(store))
    assert store.names() == ["churn"]
    assert len(tried) == 1
