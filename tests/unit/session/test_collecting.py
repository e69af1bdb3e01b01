"""Disk is given back: old versions go, what is needed stays."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_containeriter.diagnosis import examine
from jupyter_containeriter.errors import BusyError, EngineError, NotFoundError
from jupyter_containeriter.handles import Handle, Promise
from jupyter_containeriter.image.build import described_image, stored_image
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.show.garbage import Collected
from jupyter_containeriter.testing import FakeEngine
from jupyter_containeriter.types import Image, RunSpec

if TYPE_CHECKING:
    from session_bench import Lab

_LONG_AGO = time.time() - 365 * 24 * 3600


class Notes:
    """Hears what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def started(self, phase: str) -> None:
        """Hear nothing."""

    def ended(self, phase: str, seconds: float) -> None:
        """Hear nothing."""

    def note(self, text: str) -> None:
        """Hear a note."""
        self.notes.append(text)


@pytest.fixture
def disk(lab: Lab, make_lab: Callable[[Path], Lab], tmp_path: Path) -> Lab:
    """Give a lab whose cache is its own, but need not be built anew: it begins with the layers of the shared one."""
    lab.session.containerize(lab.request(name="warm"))
    lab.session.undeploy("warm")
    lab.session.history.delete(lab.row(1, "warm").id)
    shared = lab.session.cache.directory
    shutil.copytree(
        shared, tmp_path / "cache", copy_function=os.link, ignore=shutil.ignore_patterns("histories", "*.lock")
    )
    disk = make_lab(tmp_path / "cache")
    # What is there belongs to no version of this lab, and is no concern of these tests.
    disk.session.gc(None)
    return disk


def _labels(found: Collected) -> list[str]:
    return [label for label, _ in found.removed]


def _image(lab: Lab, version: int, name: str = "churn") -> Image:
    row = lab.row(version, name)
    image = described_image(row.image_digest, row.image_reference, lab.session.cache)
    assert image is not None
    return image


def _is_stored(lab: Lab, version: int) -> bool:
    row = lab.row(version)
    return stored_image(row.image_digest, row.image_reference, lab.session.cache) is not None


def _used(lab: Lab) -> int:
    return sum(lab.session.garbage.usage.bytes())


def test_old_versions_go_and_what_rolls_back_stays(disk: Lab) -> None:
    """With no room at all the live version and the two before it stay; older ones leave cache and engine."""
    for k in range(1, 6):
        disk.containerize(k)
    images = {version: _image(disk, version) for version in range(1, 6)}
    found = disk.session.gc(0)
    assert _labels(found) == ["churn:1", "churn:2"]
    assert dict(found.kept) == {
        "churn:3": "%rollback leads to it",
        "churn:4": "%rollback leads to it",
        "churn:5": "it runs",
    }
    assert [version for version in images if disk.engine.holds(images[version])] == [3, 4, 5]
    assert [version for version in images if _is_stored(disk, version)] == [3, 4, 5]
    assert [disk.session.rollback("churn").version for _ in range(2)] == [4, 3]
    assert disk.session.history.names() == ["churn"]
    assert [disk.row(version).status for version in range(1, 6)] == ["verified"] * 5


def test_what_the_running_container_was_started_from_stays(disk: Lab) -> None:
    """It serves a later version, and still reads the files of the image it was started from."""
    for k in range(1, 7):
        disk.containerize(k, fresh=k == 2)
    found = disk.session.gc(0)
    assert dict(found.kept)["churn:2"] == "the container that runs was started from it"
    assert _labels(found) == ["churn:1", "churn:3"]


def test_a_version_that_was_removed_says_so(disk: Lab) -> None:
    """Deploying what was removed is refused with the remedy; the same model can be containerized again."""
    for k in range(1, 5):
        disk.containerize(k)
    disk.session.gc(0)
    for call in (lambda: disk.session.deploy("churn:1"), lambda: disk.session.inspect("churn:1")):
        with pytest.raises(NotFoundError, match="no longer in the layer cache") as caught:
            call()
        assert caught.value.remedy == "Containerize the model again."
    assert disk.versions() == [4]
    assert disk.containerize(1).version == 5


def test_the_oldest_go_first_and_no_more_than_needed(disk: Lab) -> None:
    """A budget just below what is used costs one version."""
    for k in range(1, 7):
        disk.containerize(k)
    used = _used(disk)
    found = disk.session.gc(used - 1)
    assert _labels(found) == ["churn:1"]
    assert found.after < used
    assert _used(disk) == found.after == used - found.freed


def test_a_dry_run_tells_the_same_and_removes_nothing(disk: Lab) -> None:
    """What a dry run says is what happens, and it does not happen."""
    for k in range(1, 6):
        disk.containerize(k)
    used, image = _used(disk), _image(disk, 1)
    told = disk.session.gc(0, dry_run=True)
    assert (_used(disk), disk.engine.holds(image), _is_stored(disk, 1)) == (used, True, True)
    assert replace(told, dry_run=False) == disk.session.gc(0)


def test_the_newest_stays_when_nothing_runs(disk: Lab) -> None:
    """Of a model that was stopped, the newest version stays; a built one counts."""
    for k in (1, 2, 3):
        disk.containerize(k)
    disk.containerize(4, deploy=False)
    disk.session.undeploy("churn")
    found = disk.session.gc(0)
    assert dict(found.kept) == {"churn:4": "the newest version"}
    assert disk.session.deploy("churn").version == 4


def test_after_a_rollback_both_ends_stay(disk: Lab) -> None:
    """The newest version stays although an older one runs."""
    for k in range(1, 7):
        disk.containerize(k)
    disk.session.rollback("churn", to=4)
    assert _labels(disk.session.gc(0)) == ["churn:1", "churn:5"]


def test_a_tagged_version_stays(disk: Lab) -> None:
    """A version tagged keep is a saved reference."""
    disk.containerize(1, tags={"keep": "paper"})
    for k in (2, 3, 4, 5):
        disk.containerize(k)
    found = disk.session.gc(0)
    assert _labels(found) == ["churn:2"]
    assert dict(found.kept)["churn:1"] == "tagged keep=paper"


def test_equal_content_goes_once_with_all_its_versions(disk: Lab) -> None:
    """Versions of equal content are one; while one of them is needed, none goes."""
    for k in (1, 1, 2, 3, 4, 5):
        disk.containerize(k)
    images = [_image(disk, version) for version in (1, 2)]
    found = disk.session.gc(0)
    assert _labels(found) == ["churn:1, churn:2", "churn:3"]
    assert not any(disk.engine.holds(image) for image in images)


def test_equal_content_that_is_live_stays(disk: Lab) -> None:
    """An old version with the content of the live one stays with it."""
    for k in (1, 2, 3, 4, 1):
        disk.containerize(k)
    assert _labels(disk.session.gc(0)) == ["churn:2"]
    assert _is_stored(disk, 1)


def test_a_name_that_another_kernel_works_on_stays(disk: Lab) -> None:
    """Nothing goes from under an iteration or a deployment of another kernel."""
    for k in range(1, 5):
        disk.containerize(k)
    with disk.kernel().locks.exclusive("churn"):
        found = disk.session.gc(0)
    assert not found.removed
    assert set(dict(found.kept).values()) == {"another kernel works on this name"}


def test_what_a_running_iteration_uses_stays(disk: Lab) -> None:
    """A layer that an iteration of another kernel has just used stays, although its version goes."""
    for k in range(1, 5):
        disk.containerize(k)
    image = _image(disk, 1)
    for layer in image.layers:
        os.utime(layer.path, (_LONG_AGO, _LONG_AGO))
    other = disk.kernel()
    with other.locks.exclusive("fraud"):
        other.history.begin("fraud", started_at=datetime.now(UTC) - timedelta(seconds=1), host=other.host)
        model, code = image.layers[-2:]
        other.cache.use(model.digest)
        assert _labels(disk.session.gc(0)) == ["churn:1"]
    assert model.path.exists()
    assert not code.path.exists()


def test_another_history_on_this_cache_keeps_its_layers(disk: Lab, tmp_path: Path) -> None:
    """Two histories may share a cache: what one removes never harms the other."""
    other = Session(
        ContainerIter(data_dir=str(tmp_path / "other"), cache_dir=str(tmp_path / "cache"), ready_seconds=20.0)
    )
    for k in range(1, 5):
        other.containerize(disk.request(k, name="theirs"), RunOptions())
    for k in range(1, 5):
        disk.containerize(k)
    assert _labels(disk.session.gc(0)) == ["churn:1"]
    assert other.deploy("theirs:1").version == 1
    assert _labels(other.gc(0)) == ["theirs:2", "theirs:3"]
    assert [disk.session.rollback("churn").version for _ in range(2)] == [3, 2]
    other.history.close()


def test_blobs_that_nothing_refers_to_go_when_they_are_old(disk: Lab) -> None:
    """An unknown blob may be of an image that is being built, so only old ones go."""
    disk.containerize()
    young, old = (disk.session.cache.put(content) for content in (b"young", b"old"))
    os.utime(disk.session.cache.blob(old), (_LONG_AGO, _LONG_AGO))
    before = _used(disk)
    found = disk.session.gc(None)
    assert (found.leftover_bytes, found.after) == (3, before - 3)
    assert disk.session.cache.read(young) == b"young"
    assert disk.session.cache.read(old) is None


def test_what_killed_processes_left_goes_when_it_is_old(disk: Lab) -> None:
    """Half written files, proofs and tokens of containers that are gone are removed, but not young ones."""
    disk.containerize()
    cache, data = disk.settings.cache_path, disk.settings.data_path
    live = next(iter(disk.tokens()))
    places = [
        cache / "blobs" / "sha256" / ".new-a",
        cache / "keys" / ".new-b",
        cache / "proofs" / "proof-c",
        cache / "proofs" / "unpacked" / "unpacking-d",
        cache / "wheels" / "cp312" / ".new-e",
        data / "handles" / "gone",
        data / "handles" / "promoted" / "gone",
    ]
    for path in places:
        path.parent.mkdir(parents=True, exist_ok=True)
    for young in (True, False):
        for path in places:
            path.mkdir() if path.name.startswith("proof") else path.write_text("x")
            if path.parent.name == "handles":
                disk.session.handles.save(path.name, Handle("secret", engine=disk.engine.describe().endpoint))
            if not young:
                os.utime(path, (_LONG_AGO, _LONG_AGO))
        disk.session.gc(None)
        assert [path.exists() for path in places] == [young] * len(places)
        for path in places:
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
    os.utime(data / "handles" / live, (_LONG_AGO, _LONG_AGO))
    disk.session.gc(None)
    assert disk.tokens() == {live}


def _wheel(disk: Lab, name: str, age_seconds: float) -> Path:
    path = disk.session.cache.wheels / "cp312" / name
    path.mkdir(parents=True)
    (path / "module.so").write_bytes(bytes(1000))
    os.utime(path, (time.time() - age_seconds, time.time() - age_seconds))
    return path


def test_wheels_are_in_the_budget_and_go_before_versions(disk: Lab) -> None:
    """Above the budget wheels go, the longest unused first and no more than needed; those of today's work stay."""
    for k in range(1, 5):
        disk.containerize(k)
    used, day = _used(disk), 24 * 3600
    older, old, young = (_wheel(disk, f"{n}", age) for n, age in (("a", 3 * day), ("b", 2 * day), ("c", 60)))
    assert _used(disk) == used + 3000
    found = disk.session.gc(used + 2000)
    assert [path.exists() for path in (older, old, young)] == [False, True, True]
    assert (_labels(found), found.leftover_bytes, found.after) == ([], 1000, used + 2000)
    assert _labels(disk.session.gc(used)) == ["churn:1"]
    assert [path.exists() for path in (old, young)] == [False, True]


def test_wheels_of_another_season_go_without_a_budget(disk: Lab) -> None:
    """What nobody used for long goes; a dry run tells it and leaves it."""
    old, young = (_wheel(disk, f"{n}", days * 24 * 3600) for n, days in (("a", 365), ("b", 30)))
    assert disk.session.gc(None, dry_run=True).leftover_bytes == 1000
    assert old.exists()
    assert disk.session.gc(None).leftover_bytes == 1000
    assert [path.exists() for path in (old, young)] == [False, True]


def test_what_saves_work_is_kept_for_a_season(disk: Lab) -> None:
    """Remembered proofs and unpacked archives go when they are very old, their directory never while it is at work."""
    day = 24 * 3600
    for directory in ("proofs", "unpacked", "clean"):
        for name, age in (("old", 365 * day), ("young", 30 * day)):
            path = disk.session.workspace / directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
            os.utime(path, (time.time() - age, time.time() - age))
        os.utime(path.parent, (_LONG_AGO, _LONG_AGO))
    disk.session.gc(None)
    for directory in ("proofs", "unpacked", "clean"):
        assert {"old", "young"} & {path.name for path in (disk.session.workspace / directory).iterdir()} == {"young"}


def test_killed_midway_leaves_no_half_image(disk: Lab) -> None:
    """The manifest goes first: what is left is no image, and goes another time."""
    for k in range(1, 5):
        disk.containerize(k)
    calls: list[str] = []

    def discard(digest: str) -> None:
        if calls:
            raise KeyboardInterrupt
        calls.append(digest)
        disk.session.cache.blob(digest).unlink()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk.session.cache, "discard", discard)
        with pytest.raises(KeyboardInterrupt):
            disk.session.gc(0)
    assert calls == [disk.row(1).image_digest]
    with pytest.raises(NotFoundError, match="no longer"):
        disk.session.deploy("churn:1")
    assert _labels(disk.session.gc(0)) == []
    assert disk.session.rollback("churn").version == 3


def test_only_one_kernel_at_a_time(disk: Lab) -> None:
    """While one kernel gives disk back, another is told to wait, and an iteration there does without."""
    disk.containerize()
    other = disk.kernel()
    notes = Notes()
    with disk.session.garbage._exclusively():
        with pytest.raises(BusyError, match="giving disk back"):
            other.gc(0)
        disk.settings.disk_budget = "1b"
        other.containerize(disk.request(2), progress=notes)
    assert notes.notes == []


def test_an_iteration_keeps_the_budget(disk: Lab) -> None:
    """After an iteration old versions go where more than the budget is used; one line tells it."""
    for k in range(1, 5):
        disk.containerize(k)
    notes = Notes()
    disk.settings.disk_budget = "1b"
    deployment = disk.containerize(5, notes, fresh=False)
    (note,) = notes.notes
    assert note.startswith("2 old versions removed (")
    assert (deployment.version, disk.row(5).status) == (5, "verified")


def test_an_iteration_within_the_budget_removes_nothing(disk: Lab) -> None:
    """As long as there is room, everything stays and nothing is said."""
    notes = Notes()
    for k in range(1, 6):
        disk.containerize(k, notes, fresh=False)
    assert notes.notes == []
    assert all(_is_stored(disk, version) for version in range(1, 6))


def test_without_a_budget_nothing_goes_by_itself(disk: Lab) -> None:
    """0 means never; asked without a size, gc removes leftovers only and says so."""
    disk.settings.disk_budget = "0"
    for k in range(1, 6):
        disk.containerize(k)
    found = disk.session.gc()
    assert not found.removed
    assert "--budget" in found.text()


def test_where_nothing_can_go_it_is_not_tried_again(disk: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget that is too small for what is kept does not cost every iteration a search."""
    disk.settings.disk_budget = "1b"
    disk.containerize(1)
    monkeypatch.setattr(disk.session.garbage, "collect", pytest.fail)
    disk.session.garbage._settled = _used(disk) * 2
    disk.containerize(2)


def test_what_goes_wrong_harms_no_iteration(disk: Lab) -> None:
    """An engine that cannot remove is noted; the iteration is verified all the same."""
    for k in range(1, 5):
        disk.containerize(k)
    disk.settings.disk_budget = "1b"
    notes = Notes()
    disk.engine.fail("remove_image", EngineError("The engine is tired."))
    assert disk.containerize(5, notes, fresh=False).version == 5
    assert notes.notes == ["The disk was not tidied: The engine is tired."]
    assert disk.row(5).status == "verified"


def test_an_engine_that_does_not_answer_may_run_something(disk: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an engine cannot be asked, the version that may run there and what it rolls back to stay."""
    for k in range(1, 6):
        disk.containerize(k)
    disk.session.undeploy("churn")
    monkeypatch.setattr(disk.session.standing, "unreachable", lambda: "Docker does not answer.")
    assert _labels(disk.session.gc(0)) == ["churn:1", "churn:2"]


def test_what_runs_on_an_engine_that_was_not_asked_keeps_its_token(disk: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another engine answers than the one that runs a container, its token and its promotion stay."""
    live = disk.containerize()
    handles = disk.settings.data_path / "handles"
    for path in (handles / live.container.id, handles / "promoted" / "churn"):
        os.utime(path, (_LONG_AGO, _LONG_AGO))
    with monkeypatch.context() as patch:
        patch.setattr(Session, "engines", lambda _: [FakeEngine("another")])
        disk.session.gc(0)
    (found,) = disk.session.deployments()
    assert (found.token, disk.session.handles.promise("churn")) == (live.token, Promise(live.container.id))


def test_what_may_run_on_an_engine_that_was_not_asked_stays(disk: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another engine that answers in its place knows nothing: the promoted version and its predecessors stay."""
    for k in range(1, 5):
        disk.containerize(k)
    disk.containerize(5, deploy=False)
    monkeypatch.setattr(Session, "engines", lambda _: [FakeEngine("another")])
    found = disk.session.gc(0)
    assert _labels(found) == ["churn:1"]
    assert dict(found.kept)["churn:4"] == "it may run on an engine that does not answer"


def test_what_runs_and_what_may_run_elsewhere_both_stay(disk: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older version on the engine that was asked does not make the promoted one elsewhere garbage."""
    for k in range(1, 8):
        disk.containerize(k)
    other = FakeEngine("another")
    image, newest = _image(disk, 3), disk.row(3)
    other.load(image)
    other.run(image, RunSpec("churn", 3, newest.id, disk.session.history.id))
    disk.session.reconciler.reconcile()
    monkeypatch.setattr(Session, "engines", lambda _: [other])
    assert _labels(disk.session.gc(0)) == ["churn:4"]


def test_it_shows_itself(disk: Lab) -> None:
    """Card, lines and JSON tell what went, what stays and why, and what each place holds."""
    for k in range(1, 5):
        disk.containerize(k)
    found = disk.session.gc(0)
    for shown in (found.html(), found.text()):
        assert all(word in shown for word in ("1 old version removed", "layer cache", "churn:1", "it runs"))
    document = found.document()
    assert document["removed"] == [{"version": "churn:1", "size_bytes": found.freed}]
    assert document["used_bytes"] == found.after


@pytest.mark.parametrize(("budget", "status"), [("20g", "ok"), ("1b", "warning"), ("0", "ok")])
def test_the_doctor_tells_the_disk(disk: Lab, budget: str, status: str) -> None:
    """The doctor compares what is used with the budget."""
    disk.containerize()
    disk.settings.disk_budget = budget
    (finding,) = (finding for finding in examine(disk.settings) if finding.topic == "Disk")
    assert finding.status == status
    assert bool(finding.remedy) == (status == "warning")
