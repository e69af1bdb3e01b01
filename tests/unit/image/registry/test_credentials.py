"""Credentials come from where ``docker login`` and ``podman login`` leave them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from jupyter_containeriter.errors import RegistryError
from jupyter_containeriter.image.registry.credentials import Credentials, find_credentials

_HOST = "registry.example.com"


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document))


def _logins(user: str, host: str = _HOST) -> dict[str, object]:
    return {"auths": {host: {"auth": base64.b64encode(f"{user}:se:same".encode()).decode()}}}


def test_nobody_logged_in() -> None:
    """No file, no credentials."""
    assert find_credentials(_HOST) is None


@pytest.mark.parametrize("key", [_HOST, f"https://{_HOST}", f"https://{_HOST}/v2/"])
def test_dockers_login_is_found(tmp_path: Path, key: str) -> None:
    """The key may be a host or a URL, as older Dockers wrote it."""
    _write(tmp_path / "DOCKER_CONFIG/config.json", _logins("ada", key))
    assert find_credentials(_HOST) == Credentials("ada", "se:same")
    assert find_credentials("other.example.com") is None


def test_docker_hubs_login_is_found_under_its_old_name(tmp_path: Path) -> None:
    """Docker Hub's key is the URL of its first API."""
    _write(tmp_path / "DOCKER_CONFIG/config.json", _logins("ada", "https://index.docker.io/v1/"))
    assert find_credentials("docker.io") == Credentials("ada", "se:same")


def test_an_identity_token_is_found(tmp_path: Path) -> None:
    """A login may leave a token instead of a password."""
    _write(tmp_path / "DOCKER_CONFIG/config.json", {"auths": {_HOST: {"auth": "", "identitytoken": "long"}}})
    assert find_credentials(_HOST) == Credentials(identity_token="long")


@pytest.mark.parametrize("place", ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"])
def test_podmans_login_is_found(tmp_path: Path, place: str) -> None:
    """Where Docker knows nothing, Podman's file is read."""
    _write(tmp_path / place / "containers/auth.json", _logins("grace"))
    assert find_credentials(_HOST) == Credentials("grace", "se:same")


def test_a_file_that_is_named_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``REGISTRY_AUTH_FILE`` comes before Docker's login."""
    _write(tmp_path / "DOCKER_CONFIG/config.json", _logins("ada"))
    _write(tmp_path / "named/auth.json", _logins("grace"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "named/auth.json"))
    assert find_credentials(_HOST) == Credentials("grace", "se:same")


def _namespaces(*keys: str) -> dict[str, object]:
    """Return logins whose users are called as their keys."""
    return {"auths": {key: {"auth": base64.b64encode(f"{key}:sesame".encode()).decode()} for key in keys}}


@pytest.mark.parametrize(
    ("repository", "user"),
    [
        ("a/b", f"{_HOST}/a/b"),
        ("a/b/c", f"{_HOST}/a/b"),
        ("a/c", f"{_HOST}/a"),
        ("ab/c", _HOST),
        ("x", _HOST),
    ],
)
def test_the_longest_key_that_fits_counts(tmp_path: Path, repository: str, user: str) -> None:
    """A login may be for a repository, a namespace or the host (containers-auth.json(5))."""
    keys = (f"{_HOST}/a", f"{_HOST}/a/b", _HOST)
    _write(tmp_path / "XDG_CONFIG_HOME/containers/auth.json", _namespaces(*keys))
    assert find_credentials(f"{_HOST}/{repository}") == Credentials(user, "sesame")


@pytest.mark.parametrize("name", [_HOST, f"{_HOST}/b/x"])
def test_another_namespace_s_login_is_not_used(tmp_path: Path, name: str) -> None:
    """Who logged in to one namespace is nobody to the others."""
    _write(tmp_path / "XDG_CONFIG_HOME/containers/auth.json", _namespaces(f"{_HOST}/a"))
    assert find_credentials(name) is None


def test_a_login_of_the_host_is_for_every_repository(tmp_path: Path) -> None:
    """In the form that older Dockers wrote, too."""
    _write(tmp_path / "DOCKER_CONFIG/config.json", _logins("ada", f"https://{_HOST}/v1/"))
    assert find_credentials(f"{_HOST}/a/b") == Credentials("ada", "se:same")


@pytest.mark.parametrize("settings", [{"credsStore": "test"}, {"credHelpers": {_HOST: "test"}}])
def test_a_credential_helper_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    """A helper may be for all hosts or for one."""
    _helper(tmp_path, monkeypatch, 'cat >/dev/null; echo \'{"Username": "ada", "Secret": "kept"}\'')
    _write(tmp_path / "DOCKER_CONFIG/config.json", settings)
    assert find_credentials(_HOST) == Credentials("ada", "kept")


def test_a_helper_that_fails_is_told_without_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a helper prints may be a secret."""
    _helper(tmp_path, monkeypatch, "echo sesame; exit 1")
    _write(tmp_path / "DOCKER_CONFIG/config.json", {"credsStore": "test"})
    with pytest.raises(RegistryError, match=r"helper .* fails") as caught:
        find_credentials(_HOST)
    assert "sesame" not in str(caught.value)


def test_a_helper_that_is_not_installed_is_told(tmp_path: Path) -> None:
    """A configuration copied from another machine may name one."""
    _write(tmp_path / "DOCKER_CONFIG/config.json", {"credsStore": "of-another-machine"})
    with pytest.raises(RegistryError, match=r"helper .* fails") as caught:
        find_credentials(_HOST)
    assert "Install" in caught.value.remedy


@pytest.mark.parametrize("auth", ["no base64", "bm9jb2xvbg==", 5])
def test_a_damaged_file_is_told(tmp_path: Path, auth: object) -> None:
    """A file that cannot be read is an error with a remedy, not a login as nobody."""
    _write(tmp_path / "DOCKER_CONFIG/config.json", {"auths": {_HOST: {"auth": auth}}})
    with pytest.raises(RegistryError, match="cannot be read"):
        find_credentials(_HOST)


def _helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = tmp_path / "bin/docker-credential-test"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
