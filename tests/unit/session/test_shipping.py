"""Images saved to files, and pushes that are refused before anything is sent; tests/integration pushes for real."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_containeriter.errors import IterationInterruptedError, NotFoundError, UsageError
from jupyter_containeriter.image.registry import parse_image_reference
from jupyter_containeriter.image.registry.delivery import KnownPlaces
from jupyter_containeriter.progress import Silent
from jupyter_containeriter.shipping import Pushed

if TYPE_CHECKING:
    from session_bench import Lab

_DIGEST = "sha256:" + "0a" * 32


class Told(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.details: list[str] = []
        self.phases: list[str] = []

    def started(self, phase: str) -> None:
        """Remember it."""
        self.phases.append(phase)

    def detail(self, text: str) -> None:
        """Remember it."""
        self.details.append(text)


def _digest_of_archive(path: Path) -> str:
    with tarfile.open(path) as archive:
        file = archive.extractfile("index.json")
        assert file is not None
        return str(json.load(file)["manifests"][0]["digest"])


# --- save ----------------------------------------------------------------------------------------------------------


def test_an_archive_has_the_digest_of_the_history(lab: Lab, tmp_path: Path) -> None:
    """What was recorded is what is saved; the answer tells digest, size and how to load it."""
    lab.containerize(deploy=False)
    progress = Told()
    saved = lab.session.save("churn", str(tmp_path / "churn.tar"), progress)
    assert saved.digest == lab.row(1).image_digest == _digest_of_archive(saved.path)
    assert saved.size_bytes == saved.path.stat().st_size
    assert saved.commands[0] == f"docker load -i {saved.path}"
    assert progress.phases == ["save"]
    assert progress.details[-1].endswith("written")


@pytest.mark.parametrize("exists", [False, True])
def test_a_directory_becomes_a_layout(lab: Lab, tmp_path: Path, exists: bool) -> None:
    """A path that ends with a slash, or an empty directory, is filled with an OCI image layout."""
    lab.containerize(deploy=False)
    if exists:
        (tmp_path / "churn").mkdir()
    saved = lab.session.save("churn", str(tmp_path / "churn") + ("" if exists else "/"))
    index = json.loads((saved.path / "index.json").read_text())
    assert index["manifests"][0]["digest"] == saved.digest == lab.row(1).image_digest
    assert saved.commands[0].endswith(f"oci:{saved.path}:1")


def test_a_file_that_is_replaced_is_told(lab: Lab, tmp_path: Path) -> None:
    """An archive of the same name is replaced, and the answer says so."""
    lab.containerize(deploy=False)
    first = lab.session.save("churn", str(tmp_path / "churn.tar"))
    second = lab.session.save("churn", str(tmp_path / "churn.tar"))
    assert (first.replaced, second.replaced) == (False, True)
    assert "in place of the file that was there" in second.text()
    assert "in place of" not in first.html()


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("churn.tar.gz", "neither a file nor a directory"),
        ("churn", "neither a file nor a directory"),
        ("nowhere/churn.tar", "There is no directory"),
        ("nowhere/churn/", "There is no directory"),
        ("full", "exists already"),
        ("file.txt/", "exists already"),
    ],
)
def test_a_path_that_cannot_be_is_refused(lab: Lab, tmp_path: Path, path: str, complaint: str) -> None:
    """Nothing is written, and what is there stays."""
    lab.containerize(deploy=False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    (tmp_path / "file.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=complaint):
        lab.session.save("churn", f"{tmp_path}/{path}")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_path_is_refused(lab: Lab) -> None:
    """It is not taken for the current directory."""
    lab.containerize(deploy=False)
    with pytest.raises(UsageError, match="path to save to is empty"):
        lab.session.save("churn", "")


def test_an_interrupt_leaves_no_part_behind(lab: Lab, tmp_path: Path) -> None:
    """The file has its name only when it is complete."""
    lab.containerize(deploy=False)
    (tmp_path / "out").mkdir()

    class Impatient(Silent):
        def detail(self, text: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(IterationInterruptedError, match="was not written"):
        lab.session.save("churn", str(tmp_path / "out" / "churn.tar"), Impatient())
    assert not list((tmp_path / "out").iterdir())


# --- what cannot be shipped ----------------------------------------------------------------------------------------


def test_an_image_that_left_the_cache_is_not_found(own_lab: Lab, tmp_path: Path) -> None:
    """Neither saved nor pushed; the remedy is to containerize again."""
    own_lab.containerize(deploy=False)
    for blob in (own_lab.settings.cache_path / "blobs" / "sha256").iterdir():
        blob.unlink()
    for ship in (own_lab.session.save, own_lab.session.push):
        with pytest.raises(NotFoundError, match="no longer in the layer cache") as caught:
            ship("churn", "localhost:1/churn" if ship == own_lab.session.push else str(tmp_path / "churn.tar"))
        assert "Containerize" in caught.value.remedy


def test_a_damaged_layer_is_found_and_built_again_next_time(own_lab: Lab, tmp_path: Path) -> None:
    """The archive is not written; the damaged layer leaves the cache."""
    image = own_lab.session.cache
    own_lab.containerize(deploy=False)
    manifest = json.loads(image.read(own_lab.row(1).image_digest) or b"")
    layer = image.blob(manifest["layers"][-1]["digest"])
    layer.write_bytes(layer.read_bytes()[:-1] + b"x")
    with pytest.raises(NotFoundError, match="damaged"):
        own_lab.session.save("churn", str(tmp_path / "churn.tar"))
    assert not layer.exists()
    assert not (tmp_path / "churn.tar").exists()
    own_lab.containerize(deploy=False)
    assert own_lab.session.save("churn", str(tmp_path / "churn.tar")).version == 2


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("churn", "neither a registry nor a user"),
        ("https://localhost:1/churn", "is a URL"),
        (f"localhost:1/churn@{_DIGEST}", "its digest follows from its bytes"),
        ("localhost:1/Churn", "lower case"),
    ],
)
def test_a_target_that_cannot_be_is_refused(lab: Lab, target: str, complaint: str) -> None:
    """The message says what is wrong before anything is sent."""
    lab.containerize(deploy=False)
    with pytest.raises(UsageError, match=complaint):
        lab.session.push("churn", target)


def test_a_version_that_failed_is_not_shipped(lab: Lab, tmp_path: Path) -> None:
    """What was never proven does not leave this machine."""
    lab.servers.changes.append(_spoil)
    with pytest.raises(Exception, match="predicts something else"):
        lab.containerize()
    with pytest.raises(UsageError, match="never proven"):
        lab.session.save("churn:1", str(tmp_path / "churn.tar"))


def _spoil(outputs: list[dict[str, Any]]) -> None:
    outputs[0]["data"][-1] += 1


# --- what is told --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plain", [False, True])
def test_a_push_tells_how_to_run_exactly_these_bytes(plain: bool) -> None:
    """Every command names the digest; Podman is told where a registry of this machine speaks plain HTTP."""
    target = parse_image_reference(f"localhost:5000/team/churn:3@{_DIGEST}")
    pushed = Pushed("churn", 3, target, 1_500_000, 1, 4, 0.5, plain=plain)
    pull, docker, podman = pushed.commands
    assert pull == f"docker pull localhost:5000/team/churn@{_DIGEST}"
    assert all(command.endswith(f"@{_DIGEST}") for command in pushed.commands)
    assert "--read-only" in docker
    assert ("--tls-verify=false" in podman) == plain
    assert "1.5 MB sent, 4 of 5 layers were there" in pushed.text()
    assert "1.5 MB sent, 4 of 5 layers were there" in pushed.html()
    assert pushed.document()["tag"] == "localhost:5000/team/churn:3"


def test_known_places_survive_a_damaged_file(tmp_path: Path) -> None:
    """A hint that cannot be read or written is no hint, and no error."""
    path = tmp_path / "pushed.json"
    path.write_text("[]")
    known = KnownPlaces(path)
    assert known.of("localhost:1") == {}
    known.add("localhost:1", "a", [_DIGEST])
    known.add("localhost:1", "b", [])
    assert known.of("localhost:1") == {_DIGEST: "a"}
    KnownPlaces(tmp_path / "nowhere" / "pushed.json").add("localhost:1", "a", [_DIGEST])
