"""Bearer tokens and promotions on disk."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from jupyter_containeriter.handles import Handle, HandleStore, Promise, new_token, token_environment
from jupyter_containeriter.types import Container


def test_only_the_owner_can_read_tokens(tmp_path: Path) -> None:
    """Files and their directory are closed to everybody else."""
    directory = tmp_path / "tokens"
    HandleStore(directory).save("c1", Handle("secret"))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "c1").stat().st_mode) == 0o600


def test_tokens_are_read_by_other_kernels(tmp_path: Path) -> None:
    """What one store saved another one reads."""
    HandleStore(tmp_path).save("c1", Handle("secret"))
    assert HandleStore(tmp_path).read("c1").token == "secret"


def test_a_saved_token_replaces_the_one_before(tmp_path: Path) -> None:
    """Saving again leaves nothing of a longer token before."""
    store = HandleStore(tmp_path)
    store.save("c1", Handle("a long secret"))
    store.save("c1", Handle("short"))
    assert store.read("c1").token == "short"


def test_forgotten_tokens_are_gone(tmp_path: Path) -> None:
    """A forgotten token leaves no file, and forgetting twice is no error."""
    store = HandleStore(tmp_path)
    store.save("c1", Handle("secret"))
    store.forget("c1")
    store.forget("c1")
    assert store.read("c1").token == ""
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_container_has_no_token(tmp_path: Path) -> None:
    """Reading before anything was saved gives an empty token."""
    assert HandleStore(tmp_path / "none").read("c1").token == ""


def test_servers_get_the_digest_only() -> None:
    """The environment of a server recognises the token without holding it."""
    token = new_token()
    assert token_environment(token) == {"CONTAINERITER_TOKEN_SHA256": hashlib.sha256(token.encode()).hexdigest()}
    assert token_environment("") == {}


def test_tokens_differ() -> None:
    """Every token is new and long."""
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 32


def test_the_container_promoted_last_is_known_to_other_kernels(tmp_path: Path) -> None:
    """A promotion is durable, and the last one of a name counts."""
    HandleStore(tmp_path).promote("churn", Promise("c1"))
    HandleStore(tmp_path).promote("churn", Promise("c2"))
    assert HandleStore(tmp_path).promise("churn") == Promise("c2")
    assert HandleStore(tmp_path).promise("other") is None


def test_a_note_of_an_early_version_is_understood(tmp_path: Path) -> None:
    """Where only the container's id was noted, the container serves what it was started with."""
    (tmp_path / "promoted").mkdir()
    (tmp_path / "promoted" / "churn").write_text("c1")
    assert HandleStore(tmp_path).promise("churn") == Promise("c1")


def test_what_was_loaded_into_a_container_is_what_it_serves(tmp_path: Path) -> None:
    """A container's version, schema and example are those of the version it was told to switch to."""
    store = HandleStore(tmp_path)
    store.save("c1", Handle("secret", {"inputs": 1}, "one"))
    store.promote("churn", Promise("c1", "id-2", 2, {"inputs": 2}, "two"))
    promise = store.promise("churn")
    assert promise is not None
    started = Container("c1", "churn", 1, "id-1", "history", "docker", "churn:1", "sha256:", True, 1, None)
    serves = promise.applied(started)
    assert (serves.version, serves.iteration) == (2, "id-2")
    assert store.serving(serves) == Handle("secret", {"inputs": 2}, "two")
    assert store.serving(started) == store.read("c1")


def test_a_damaged_handle_is_an_empty_one(tmp_path: Path) -> None:
    """A half-written file gives no token instead of an error."""
    (tmp_path / "c1").write_text('{"token": ')
    assert HandleStore(tmp_path).read("c1") == Handle()


def test_what_no_container_and_no_name_needs_is_told(tmp_path: Path) -> None:
    """Tokens of containers that are gone are listed, and notes of names of which nothing is there."""
    store = HandleStore(tmp_path)
    for container in ("c1", "c2"):
        store.save(container, Handle("secret", engine="unix:///a"))
    for name, container in {"churn": "c1", "fraud": "c2"}.items():
        store.promote(name, Promise(container))
    assert store.unused({"c1"}, {"churn"}, {"unix:///a"}) == [tmp_path / "c2", tmp_path / "promoted" / "fraud"]


@pytest.mark.parametrize("engine", ["unix:///b", ""])
def test_what_an_engine_that_was_not_asked_may_run_is_used(tmp_path: Path, engine: str) -> None:
    """A token stays, with the note of its promotion, unless the very engine that had it says it is gone."""
    store = HandleStore(tmp_path)
    store.save("c1", Handle("secret", engine=engine))
    store.promote("churn", Promise("c1"))
    assert store.unused(set(), set(), {"unix:///a"}) == []


def test_half_written_files_are_unused(tmp_path: Path) -> None:
    """What a killed process was writing is nobody's, whatever engine was asked."""
    store = HandleStore(tmp_path)
    store.promote("churn", Promise("c1"))
    halves = [tmp_path / ".c1.4711", tmp_path / "promoted" / ".churn.4711"]
    for half in halves:
        half.write_text("{")
    assert store.unused(set(), {"churn"}, set()) == halves


def test_where_a_name_was_promoted_is_known(tmp_path: Path) -> None:
    """The engine of a name is that of its promoted container."""
    store = HandleStore(tmp_path)
    assert store.engine("churn") == ""
    store.save("c1", Handle(engine="unix:///a"))
    store.promote("churn", Promise("c1"))
    assert store.engine("churn") == "unix:///a"


def test_tokens_are_listed_by_container(tmp_path: Path) -> None:
    """Every token is known by its container; a deployment without one has none, and promotions are no tokens."""
    store = HandleStore(tmp_path / "handles")
    assert store.tokens() == {}
    store.save("abcdefghijklmnop", Handle(token="secret"))
    store.save("open", Handle(manager="key"))
    store.promote("churn", Promise("open"))
    assert store.tokens() == {
        "the token of container abcdefghijkl": "secret",
        "the management token of container open": "key",
    }
