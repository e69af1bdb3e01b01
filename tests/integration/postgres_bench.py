"""A real PostgreSQL server for tests, on 127.0.0.1 only: it runs from the first test that needs it to the last one."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

USER, PASSWORD = "tester", "s3cret/pass@word"
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=150", "shared_buffers=32MB")
_PASSWORD = "s3cret%2Fpass%40word"


class Postgres:
    """One server.

    Parameters
    ----------
    programs
        The directory of ``initdb`` and ``postgres``.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        secret = self._directory / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:  # it refuses to run as root
            account = pwd.getpwnam("postgres")
            for path in (self._directory, secret):
                os.chown(path, account.pw_uid, account.pw_gid)
        options = ["-D", str(self._data), "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"]
        subprocess.run(self._command("initdb", *options, "--no-sync", "--locale=C"), check=True, capture_output=True)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _command(self, program: str, *options: str) -> list[str]:
        command = [str(self._programs / program), *options]
        if os.geteuid() == 0:
            # Not runuser: it would leave the server behind when it is told to end.
            return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        return command

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        for setting in _QUICK:
            options += ["-c", setting]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", *options), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self._directory / "log").read_text()
            assert time.monotonic() < deadline, (self._directory / "log").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.address("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """End it at once, with every connection; what it holds stays."""
        if self._process is not None:
            # "Fast": it breaks connections, and then ends in order.
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        """End it and remove what it holds."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # "immediate": nothing of it is needed any more
            self._process.wait(60)
        shutil.rmtree(self._directory, ignore_errors=True)

    def address(self, database: str, user: str = USER, password: str = _PASSWORD) -> str:
        """Return the address of a database, with the password."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """Create an empty database and return its address."""
        name = f"history_{uuid.uuid4().hex[:12]}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        return self.address(name)

    def execute(self, database: str, statement: str) -> list[tuple[object, ...]]:
        """Run a statement past the store; ``database`` is a name or an address."""
        import psycopg

        address = database if "://" in database else self.address(database)
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give a server of this process of tests: a skip where a person has none, a failure in CI."""
    programs = [Path(found).parent for found in [shutil.which("postgres")] if found]
    programs += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    programs = [directory for directory in programs if (directory / "initdb").exists()]
    if not programs:
        why = "PostgreSQL is not installed (Debian: postgresql)"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    server = Postgres(programs[0])
    try:
        server.start()
        yield server
    finally:
        server.remove()
