"""Old versions leave the disk and the engine; what runs and what it rolls back to stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from notebook_bench import ENGINES, WAIT_SECONDS, Lab, Notebook, need

from jupyter_containeriter.engines.docker import docker_engine
from jupyter_containeriter.image.build import stored_image
from jupyter_containeriter.image.cache import LayerCache

NewName = Callable[[str], str]


# Not the cache of the other tests: garbage waits until every history that builds on a cache can be asked, and some of
# theirs are broken on purpose. Equal content is one image for all labs of a cache: every test has a name of its own.


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Lab]:
    """Return a function that makes labs with a cache of their own."""
    cache = tmp_path_factory.mktemp("cache")
    return lambda: Lab(tmp_path_factory.mktemp("lab"), cache)


def _iterate(notebook: Notebook, name: str, versions: range, options: str = "") -> None:
    for version in versions:
        notebook.ok(f"mean.version = {version}\nlive = %containerize mean --name {name} --sample rows {options}")


def _stored(lab: Lab, name: str) -> list[int]:
    """Return the versions whose image is whole in the cache."""
    cache = LayerCache(lab.cache)
    rows = lab.rows(name)
    return [row["version"] for row in rows if stored_image(row["image_digest"], row["image_reference"], cache)]


@pytest.fixture
def daemon() -> Iterator[Any]:
    """Speak to Docker directly; what somebody else tagged there is removed."""
    import docker

    client = docker.APIClient(docker_engine().describe().endpoint, version="auto")
    yield client
    for summary in client.images(filters={"reference": "localhost/somebody-else/*"}):
        for tag in summary["RepoTags"] or ():
            client.remove_image(tag)
    client.close()


def _tags(daemon: Any, name: str) -> set[int]:
    summaries = daemon.images(filters={"reference": f"localhost/containeriter/{name}"})
    return {int(tag.rpartition(":")[2]) for summary in summaries for tag in summary["RepoTags"] or ()}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("options", "gone"), [("--fresh", {1, 2}), ("", {2})], ids=["fresh", "hot"])
def test_old_versions_go_and_the_others_still_run(
    request: pytest.FixtureRequest, lab: Lab, new_name: NewName, engine: str, options: str, gone: set[int]
) -> None:
    """After giving disk back the live version answers, two rollbacks work, and an older version says it is gone.

    The version that the running container was started from stays: its files are those that the server reads.
    """
    name = new_name(f"old-{engine}-{len(gone)}")
    notebook = lab.open(need(request, engine))
    _iterate(notebook, name, range(1, 6), options)
    told = notebook.ok("found = %containeriter gc --budget 0 --dry-run\nfound")
    assert f"{name}:2" in told.html
    assert _stored(lab, name) == [1, 2, 3, 4, 5]
    notebook.ok("found = %containeriter gc --budget 0")
    assert notebook.value("[label for label, _ in found.removed]") == [f"{name}:{version}" for version in gone]
    assert notebook.value("found.freed") > 0
    assert set(_stored(lab, name)) == {1, 2, 3, 4, 5} - gone
    assert notebook.value("live.predict(rows)") == [1.5, 4.0]
    for version in (4, 3):
        notebook.ok(f"live = %rollback {name}")
        assert notebook.value("[live.version, live.predict(rows)]") == [version, [1.5, 4.0]]
    refusal = notebook.run(f"%deploy {name}:2").refusal()
    assert (refusal.kind, refusal.remedy) == ("NotFoundError", "Containerize the model again.")
    assert [container.version for container in lab.containers(name)] == [3]
    assert lab.statuses(name) == ["verified"] * 5


@pytest.mark.engine
def test_docker_s_list_shrinks_and_others_images_stay(
    labs: Callable[[], Lab], new_name: NewName, docker_running: None, daemon: Any
) -> None:
    """Docker forgets removed versions; images of another history and of somebody else stay, and both still run."""
    name, theirs = new_name("listed"), new_name("theirs")
    mine, other = labs(), labs()
    try:
        notebook = mine.open("docker")
        _iterate(notebook, name, range(1, 5), "--fresh")
        _iterate(other.open("docker"), theirs, range(1, 5))
        daemon.tag(f"localhost/containeriter/{name}:1", "localhost/somebody-else/model", "1")
        before = _tags(daemon, theirs)
        notebook.ok("%containeriter gc --budget 0")
        assert _tags(daemon, name) == {2, 3, 4}
        assert _tags(daemon, theirs) == before == {1, 2, 3, 4}
        assert daemon.images("localhost/somebody-else/model")
        assert _stored(other, theirs) == [1, 2, 3, 4]
        assert [container.running for container in other.containers(theirs)] == [True]
    finally:
        for lab in (mine, other):
            lab.close()


def test_the_sandbox_s_layers_shrink(request: pytest.FixtureRequest, lab: Lab, new_name: NewName) -> None:
    """Layers that only removed versions had are no longer unpacked; those of the live one are."""
    name = new_name("unpacked")
    notebook = lab.open(need(request, "sandbox"))
    _iterate(notebook, name, range(1, 5), "--fresh")
    unpacked = lab.data / "sandbox" / "layers"
    gone = [layer.digest.removeprefix("sha256:") for layer in lab.image(name, 1).layers[-2:]]
    assert all((unpacked / digest).exists() for digest in gone)
    notebook.ok("%containeriter gc --budget 0")
    left = {path.name for path in unpacked.iterdir()}
    assert not left & set(gone)
    assert {layer.digest.removeprefix("sha256:") for layer in lab.image(name, 4).layers} <= left


@pytest.mark.parametrize("engine", ENGINES)
def test_an_iteration_keeps_a_small_budget(
    request: pytest.FixtureRequest, lab: Lab, new_name: NewName, engine: str
) -> None:
    """With a budget that is too small each iteration removes what it may, and is verified all the same."""
    name = new_name(f"budget-{engine}")
    notebook = lab.open(need(request, engine), CONTAINERITER_DISK_BUDGET="1b")
    _iterate(notebook, name, range(1, 5))
    assert _stored(lab, name) == [1, 2, 3, 4]
    shown = notebook.ok(f"mean.version = 5\nlive = %containerize mean --name {name} --sample rows\nlive")
    assert "1 old version removed" in shown.html
    # The first one is what the running container was started from.
    assert _stored(lab, name) == [1, 3, 4, 5]
    assert notebook.value("live.predict(rows)") == [1.5, 4.0]


def test_two_kernels_may_be_short_of_disk_at_once(request: pytest.FixtureRequest, lab: Lab, new_name: NewName) -> None:
    """Kernels that iterate and remove at the same time, on one cache, never take anything from each other."""
    names = [new_name("left"), new_name("right")]
    need(request, "sandbox")
    notebooks = [lab.open("sandbox", CONTAINERITER_DISK_BUDGET="1b") for _ in names]
    for version in range(1, 7):
        cells = [
            notebook.start(f"mean.version = {version}\nlive = %containerize mean --name {name} --sample rows")
            for notebook, name in zip(notebooks, names, strict=True)
        ]
        for cell in cells:
            cell.result(WAIT_SECONDS).succeeded()
    for notebook, name in zip(notebooks, names, strict=True):
        assert lab.statuses(name) == ["verified"] * 6
        assert set(_stored(lab, name)) >= {4, 5, 6}
        notebook.ok(f"live = %rollback {name}")
        assert notebook.value("[live.version, live.predict(rows)]") == [5, [1.5, 4.0]]
