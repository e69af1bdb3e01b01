"""Who a person is to a registry: what ``docker login`` and ``podman login`` left, and credential helpers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_containeriter.errors import RegistryError


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name with a password, or an identity token (OAuth2 refresh token). They never show themselves."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


def find_credentials(name: str) -> Credentials | None:
    """Return the credentials for ``HOST/REPOSITORY``, None where a person never logged in.

    Looked at in this order: the file that ``REGISTRY_AUTH_FILE`` names, Docker's ``config.json`` (in ``DOCKER_CONFIG``
    or ``~/.docker``) with its ``credHelpers`` and ``credsStore``, and Podman's ``auth.json``. A login may be for a
    namespace of a registry: in each file the longest key that fits counts, and the host's last. Formats:
    ``docker login`` in Docker's reference, ``containers-auth.json(5)``.

    Raises
    ------
    RegistryError
        A file cannot be read, or a credential helper fails.
    """
    from docker import auth
    from docker.errors import DockerException, InvalidConfigFile

    host = name.partition("/")[0]
    for path in _files():
        try:
            # None lets docker-py look where Docker itself does.
            with warnings.catch_warnings():
                # docker-py warns of a helper that is not installed, and fails then: that is said below.
                warnings.simplefilter("ignore")
                found = _longest(auth.load_config(path and str(path)), name)
        except (InvalidConfigFile, ValueError, TypeError, AttributeError) as error:
            raise RegistryError(
                f"The credentials for {host} cannot be read from {path or 'the configuration of Docker'}.",
                f"Log in again: docker login {host}",
            ) from error
        except DockerException as error:
            # What the helper wrote may be a secret, so it stays out of the message.
            raise RegistryError(
                f"The credential helper that Docker's config.json names for {host} fails.",
                f"Install or repair it, or remove it there (credsStore, credHelpers) and log in: docker login {host}",
            ) from error
        if found:
            return found
    return None


def _longest(config: Any, name: str) -> Credentials | None:
    """Look for a repository, its namespaces and then its host in what docker-py read from a file."""
    place = name
    while "/" in place:
        if found := _credentials(config.auths.get(place) or {}):
            return found
        place = place.rpartition("/")[0]
    # docker-py would take any key of the host, and so the login of another namespace.
    config["auths"] = {key: entry for key, entry in config.auths.items() if _is_of_host(key)}
    return _credentials(config.resolve_authconfig(place) or {})


def _is_of_host(key: str) -> bool:
    """Whether a key is for all of a registry: a host, or a URL as older Dockers wrote it."""
    return "://" in key or "/" not in key.rstrip("/")


def _files() -> Iterator[Path | None]:
    if explicit := os.environ.get("REGISTRY_AUTH_FILE"):
        yield Path(explicit)
    yield None
    directories = [os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("XDG_CONFIG_HOME") or "~/.config"]
    if hasattr(os, "getuid"):
        directories.insert(1, f"/run/containers/{os.getuid()}")
    for directory in filter(None, directories):
        path = Path(directory).expanduser() / "containers" / "auth.json"
        if path.exists():
            yield path


def _credentials(found: dict[str, Any]) -> Credentials | None:
    # Files are read with lower-case keys, helpers answer with capitals.
    entry = {key.lower(): value or "" for key, value in found.items()}
    credentials = Credentials(entry.get("username", ""), entry.get("password", ""), entry.get("identitytoken", ""))
    return credentials if credentials != Credentials() else None
