"""The store: versions, rows and what is found again."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jupyter_containeriter.history import History
from jupyter_containeriter.types import Iteration

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def begin(history: History, name: str = "churn", **fields: Any) -> Iteration:
    """Begin an iteration at a fixed time."""
    return history.begin(name, started_at=NOW, **fields)


def test_package_import_is_light() -> None:
    """Importing the package and making a History imports neither SQLAlchemy nor pandas."""
    code = (
        "import sys, pathlib; from jupyter_containeriter.history import History; History(pathlib.Path('x'));"
        "print({'sqlalchemy', 'pandas'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_opens_on_first_use(tmp_path: Path) -> None:
    """Making a History does not touch the disk."""
    History(tmp_path / "below" / "history.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_id_stays(history: History) -> None:
    """A history keeps the id it was created with."""
    again = History(history.location)
    assert len(history.id) == 32
    assert again.id == history.id
    again.close()


def test_ids_differ(history: History, tmp_path: Path) -> None:
    """Two histories have different ids."""
    other = History(tmp_path / "other.sqlite")
    assert other.id != history.id
    other.close()


def test_empty_file_becomes_a_history(tmp_path: Path) -> None:
    """An empty file is filled, as it holds nothing that could be lost."""
    path = tmp_path / "history.sqlite"
    path.touch()
    store = History(path)
    assert begin(store).version == 1
    store.close()


def test_table_holds_every_field() -> None:
    """The table has exactly the fields of an Iteration, in order."""
    from jupyter_containeriter.history.schema import iterations

    assert [column.name for column in iterations.columns] == [field.name for field in fields(Iteration)]


def test_versions_count_per_name(history: History) -> None:
    """Versions count from 1, for each name on its own."""
    assert [begin(history, name).version for name in ("churn", "churn", "fraud", "churn")] == [1, 2, 1, 3]


def test_failed_versions_are_not_given_again(history: History) -> None:
    """The version of an iteration that failed stays taken."""
    history.update(replace(begin(history), status="failed"))
    assert begin(history).version == 2


def test_begin_records_running(history: History) -> None:
    """What has begun is in the history at once, as running, with the fields given."""
    begun = begin(history, host="here", params={"depth": 3})
    assert begun.status == "running"
    assert history.get("churn", 1) == begun


def test_begin_refuses_unknown_fields(history: History) -> None:
    """A field that an Iteration does not have is refused."""
    with pytest.raises(TypeError):
        begin(history, colour="red")


def test_update_writes_every_field(history: History) -> None:
    """An update writes every field, and all of them are read back as they were."""
    begun = begin(history)
    seconds: dict[str, Any] = {field.name: 1.25 for field in fields(Iteration) if field.name.endswith("_seconds")}
    texts: dict[str, Any] = {field.name: f"a {field.name}" for field in fields(Iteration) if field.default == ""}
    done = replace(
        begun,
        status="verified",
        finished_at=NOW + timedelta(seconds=3),
        hot=True,
        image_size_bytes=5 * 1024**3,
        sent_bytes=2**40,
        max_abs_difference=1e-9,
        params={"depth": 3},
        metrics={"auc": 0.91},
        tags={"team": "risk"},
        **seconds,
        **texts,
    )
    history.update(done)
    assert history.get("churn", 1) == done


def test_update_without_row_writes_it_anew(history: History) -> None:
    """An iteration that is gone from the history is not lost; where its version is taken it gets the next one."""
    begun = begin(history)
    history.delete(begun.id)
    taken = begin(history)
    history.update(replace(begun, status="verified"))
    assert history.get("churn", 1) == taken
    assert history.get("churn", 2) == replace(begun, version=2, status="verified")


def test_delete_gives_the_version_free(history: History) -> None:
    """A deleted iteration is gone and its version is given again."""
    history.delete(begin(history).id)
    assert history.get("churn", 1) is None
    assert begin(history).version == 1


def test_times_are_utc(history: History) -> None:
    """A time in another zone is read back as the same moment, in UTC."""
    history.begin("churn", started_at=NOW.astimezone(timezone(timedelta(hours=5))))
    found = history.get("churn", 1)
    assert found is not None
    assert (found.started_at, found.started_at.tzinfo) == (NOW, UTC)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array(3), 3),
        ((1, np.int8(2)), [1, 2]),
        ({"deep": np.float64(1.5)}, {"deep": 1.5}),
        (None, None),
        (1 + 2j, "(1+2j)"),
        (Path("a/b"), "a/b"),
        (np.array([1, 2]), "[1 2]"),
    ],
)
def test_odd_values_are_stored(history: History, value: object, stored: object) -> None:
    """Numbers of any library stay numbers; what JSON does not know becomes text."""
    begin(history, params={"value": value})
    found = history.get("churn", 1)
    assert found is not None
    assert found.params == {"value": stored}
    assert type(found.params["value"]) is type(stored)


def test_nan_metric_is_stored(history: History) -> None:
    """A metric that is not a number is still a float."""
    begin(history, metrics={"loss": float("nan")})
    found = history.get("churn", 1)
    assert found is not None
    assert np.isnan(found.metrics["loss"])


def test_value_that_contains_itself_is_stored(history: History) -> None:
    """A parameter that contains itself is stored as its text."""
    loop: list[object] = []
    loop.append(loop)
    begin(history, params={"loop": loop})
    found = history.get("churn", 1)
    assert found is not None
    assert found.params == {"loop": "[[...]]"}


def test_text_with_lone_surrogates_is_stored(history: History) -> None:
    """The name of a notebook that is not UTF-8 on disk does not stop the record."""
    begin(history, notebook="caf\udce9.ipynb")
    found = history.get("churn", 1)
    assert found is not None
    assert found.notebook == "caf\\udce9.ipynb"


def test_latest_takes_the_highest_with_a_status(history: History) -> None:
    """The latest version is the highest one with a status that counts."""
    for status in ("verified", "deployed", "failed"):
        history.update(replace(begin(history), status=status, image_digest="sha256:1"))
    found = history.latest("churn", {"verified", "deployed"})
    assert found is not None
    assert found.version == 2


def test_latest_looks_below_a_version(history: History) -> None:
    """With ``before``, only lower versions count."""
    for _ in range(3):
        history.update(replace(begin(history), status="verified", image_digest="sha256:1"))
    found = history.latest("churn", ["verified"], before=3)
    assert found is not None
    assert found.version == 2


def test_latest_has_an_image(history: History) -> None:
    """What was deployed by another way cannot be run from here."""
    history.update(replace(begin(history), status="deployed", method="docker build"))
    assert history.latest("churn", ["deployed"]) is None


def test_latest_of_nothing_is_none(history: History) -> None:
    """Without a version that counts there is no latest one."""
    begin(history)
    assert history.latest("churn", ["verified"]) is None


def test_running_are_those_of_the_owner(history: History) -> None:
    """With an owner, iterations of another one on this host are left out; those that noted none are not."""
    ours = begin(history, host="here", owner="us")
    begin(history, host="here", owner="them")
    older = begin(history, host="here")
    assert sorted(row.version for row in history.running("here", "us")) == [ours.version, older.version]


def test_owner_is_noted(location: Path | str) -> None:
    """Who uses a history is noted with each iteration that begins."""
    store = History(location, owner="us")
    assert begin(store).owner == "us"
    store.close()


def test_zero_bytes_are_stored(history: History) -> None:
    """Text with a zero byte, which some databases refuse, does not stop the record."""
    begin(history, note="a\0b", params={"text": "a\0b"})
    found = history.get("churn", 1)
    assert found is not None
    assert (found.note, found.params) == ("a\\x00b", {"text": "a\0b"})


def test_running_are_those_of_the_host(history: History) -> None:
    """Only this host's iterations that have not ended are running."""
    ours = begin(history, host="here")
    begin(history, host="elsewhere")
    history.update(replace(begin(history, host="here"), status="verified"))
    assert history.running("here") == [ours]


def test_by_ids_leaves_out_unknown_ones(history: History) -> None:
    """Iterations are found by id, and unknown ids are left out."""
    first, second = begin(history), begin(history)
    begin(history)
    assert history.by_ids([first.id, second.id, "unknown"]) == {first.id: first, second.id: second}


def test_names_are_sorted_and_single(history: History) -> None:
    """Every model is named once, in order."""
    for name in ("fraud", "churn", "fraud"):
        begin(history, name)
    assert history.names() == ["churn", "fraud"]


def test_closed_history_opens_again(history: History) -> None:
    """A closed history is opened again by the next use."""
    begin(history)
    history.close()
    assert history.names() == ["churn"]


def test_file_moved_aside_starts_a_new_history(tmp_path: Path) -> None:
    """When the file was moved aside while it was open, a new history is started in its place."""
    path = tmp_path / "history.sqlite"
    store = History(path)
    begin(store)
    first = store.id
    path.rename(path.with_suffix(".aside"))
    assert begin(store).version == 1
    assert store.id != first
    assert path.exists()
    store.close()


def test_many_threads_share_a_history(history: History) -> None:
    """Threads that begin at the same time get different versions."""
    versions: list[int] = []
    threads = [threading.Thread(target=lambda: versions.append(begin(history).version)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == list(range(1, 17))


PROCESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from jupyter_containeriter.history import History, sqlite, postgres  # the slow import comes before the start sign
history = History(sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(history.id, *(history.begin("churn", started_at=datetime.now(UTC)).version for _ in range(25)))
"""


def test_processes_get_different_versions(location: Path | str) -> None:
    """Processes that create the same history and begin at the same time share its id, and no version."""
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, location], stdin=-1, stdout=-1, stderr=-1, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate() for process in processes]
    assert [errors for _, errors in outputs] == [""] * 4
    words = [output.split() for output, _ in outputs]
    assert len({ids for ids, *_ in words}) == 1
    assert sorted(int(version) for _, *versions in words for version in versions) == list(range(1, 101))


def test_rows_with_an_image_are_found(history: History) -> None:
    """What was built is listed oldest first, and counted by image and engine."""
    begin(history)
    second, third = (begin(history, engine="docker") for _ in range(2))
    for row in (second, third):
        history.update(replace(row, image_digest="sha256:1", status="verified"))
    assert [row.version for row in history.imaged()] == [2, 3]
    assert history.images() == [("sha256:1", "docker")]
