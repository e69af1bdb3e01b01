"""What is needed to talk to a container again, and which container of a name was promoted.

Kept in files that only their owner can read: a token opens the deployment. Engines and containers see its digest alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from jupyter_containeriter.errors import EngineError
from jupyter_containeriter.types import Container


@dataclass(frozen=True, slots=True)
class Handle:
    """How to talk to a container.

    Attributes
    ----------
    token
        The bearer token, "" for a deployment without one.
    schema
        The ``signature`` of its snapshot, None without a sample.
    example
        Body of a request to ``/invocations``: one row of the sample as JSON, or "".
    options
        How it was asked to run: ``memory``, ``cpus``, ``gpus``, ``port``, ``token``.
    engine
        The endpoint of the engine that runs it, "" where an early version did not note it.
    manager
        The token that may replace its model, "" where its server knows none.
    traits
        What it fixed when it started; a version with other traits needs another container.
    """

    token: str = ""
    schema: Mapping[str, Any] | None = None
    example: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    engine: str = ""
    manager: str = ""
    traits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Promise:
    """Which container serves a name, and which version it is to serve.

    Attributes
    ----------
    container
        Its id.
    iteration, version
        Of the version that was loaded into it while it ran; "" and 0 for the one it was started with.
    schema, example
        As in :class:`Handle`, of that version.
    """

    container: str
    iteration: str = ""
    version: int = 0
    schema: Mapping[str, Any] | None = None
    example: str = ""

    def applied(self, container: Container) -> Container:
        """Return the container as what it serves, not as what it was started with."""
        if container.id != self.container or not self.iteration:
            return container
        return replace(container, iteration=self.iteration, version=self.version)


class HandleStore:
    """A directory with one file for each container, and one for each name that says which container is promoted.

    Parameters
    ----------
    directory
        Created on first use, readable by its owner only.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        #: Where promises are kept: a file for each name, written anew when something else is to serve it.
        self.promoted = directory / "promoted"

    def save(self, container_id: str, handle: Handle) -> None:
        """Keep a container's handle.

        Raises
        ------
        EngineError
            The directory cannot be written: free some space, or choose another one.
        """
        self._write(self._directory / container_id, json.dumps(asdict(handle)))

    def read(self, container_id: str) -> Handle:
        """Return a container's handle, an empty one where there is none."""
        try:
            return Handle(**_known(Handle, (self._directory / container_id).read_text()))
        except (FileNotFoundError, ValueError):
            return Handle()

    def tokens(self) -> dict[str, str]:
        """Return every token there is, by how it is called in messages."""
        names = [path.name for path in self._directory.glob("*") if path.is_file() and not path.name.startswith(".")]
        handles = {name[:12]: self.read(name) for name in names}
        ordinary = {f"the token of container {name}": handle.token for name, handle in handles.items()}
        managing = {f"the management token of container {name}": handle.manager for name, handle in handles.items()}
        return {called: token for called, token in {**ordinary, **managing}.items() if token}

    def forget(self, container_id: str) -> None:
        """Remove a container's handle."""
        (self._directory / container_id).unlink(missing_ok=True)

    def promote(self, name: str, promise: Promise) -> None:
        """Note durably what serves the name from now on."""
        self._write(self.promoted / name, json.dumps(asdict(promise)))

    def promise(self, name: str) -> Promise | None:
        """Return what was promoted last, None where nothing was."""
        try:
            text = (self.promoted / name).read_text()
        except FileNotFoundError:
            return None
        # Early versions noted the container's id and nothing else.
        if not text.startswith("{"):
            return Promise(text) if text else None
        return Promise(**_known(Promise, text))

    def promises(self) -> dict[str, Promise]:
        """Return what was promised, by name."""
        names = [path.name for path in self.promoted.glob("*") if not self._is_half(path)]
        return {name: promise for name in sorted(names) if (promise := self.promise(name)) is not None}

    def release(self, name: str) -> None:
        """Forget what was promised for a name: it is not to be served any more."""
        (self.promoted / name).unlink(missing_ok=True)

    def serving(self, container: Container) -> Handle:
        """Return a container's handle, with schema and example of the version that it serves now."""
        handle, promise = self.read(container.id), self.promise(container.name)
        if promise is None or promise.container != container.id or promise.iteration != container.iteration:
            return handle
        return replace(handle, schema=promise.schema, example=promise.example)

    def engine(self, name: str) -> str:
        """Return the endpoint of the engine that runs what was promoted last; "" where that is not known."""
        promise = self.promise(name)
        return self.read(promise.container).engine if promise else ""

    def unused(self, containers: Collection[str], names: Collection[str], engines: Collection[str]) -> list[Path]:
        """Return the files of containers that are gone, and of names of which nothing is there.

        Parameters
        ----------
        containers, names
            What there is, as the engines told.
        engines
            The endpoints of those that were asked. What runs on another one, or nobody knows where, may be there: its
            token exists nowhere else.
        """
        gone = [
            path for path in self._directory.glob("*") if path.is_file() and self._is_gone(path, containers, engines)
        ]
        left = {path.name for path in self._directory.glob("*") if path not in gone}
        promoted = (path for path in self.promoted.glob("*") if path.name not in names)
        return [*gone, *(path for path in promoted if self._is_half(path) or self._container(path.name) not in left)]

    def _container(self, name: str) -> str:
        promise = self.promise(name)
        return promise.container if promise else ""

    def _is_gone(self, path: Path, containers: Collection[str], engines: Collection[str]) -> bool:
        if self._is_half(path):
            return True
        return path.name not in containers and self.read(path.name).engine in engines

    @staticmethod
    def _is_half(path: Path) -> bool:
        """Whether it is what a killed process was writing."""
        return path.name.startswith(".")

    def _write(self, path: Path, text: str) -> None:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(exist_ok=True, mode=0o700)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise EngineError(
                f"The deployment's token cannot be kept in {self._directory}: {error}.",
                "Free some disk space, or point CONTAINERITER_DATA_DIR to another disk.",
            ) from error


def _known(kind: type[Handle] | type[Promise], text: str) -> dict[str, Any]:
    """Return the members of an object that this release knows; a newer one may have written more."""
    names = {member.name for member in fields(kind)}
    return {name: value for name, value in json.loads(text).items() if name in names}


def new_token() -> str:
    """Return 192 bits of randomness, as text for a URL or header."""
    return secrets.token_urlsafe(24)


def token_environment(token: str, manager: str = "") -> dict[str, str]:
    """Return what the server must know to recognise the ordinary token and that of whoever deployed it."""
    tokens = {"CONTAINERITER_TOKEN_SHA256": token, "CONTAINERITER_MANAGEMENT_TOKEN_SHA256": manager}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in tokens.items() if text}
