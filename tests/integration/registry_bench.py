"""Real registries for tests: Debian's ``docker-registry`` (the Distribution project) on 127.0.0.1."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from notebook_bench import missing, until

USER, PASSWORD = "ada", "sesame"

#: ``htpasswd -nbB ada sesame``
_HTPASSWD = "ada:$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\n"


@dataclass
class RealRegistry:
    """A registry process and what it was asked."""

    host: str
    directory: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def log(self) -> str:
        """Return what it wrote."""
        return (self.directory / "log").read_text()

    def requests(self, method: str = "") -> list[tuple[str, str, int]]:
        """Return method, path and status of each request, oldest first."""
        found = re.findall(r'"(\w+) (\S+) HTTP/1\.1" (\d+) ', self.log)
        return [(verb, path, int(status)) for verb, path, status in found if method in {"", verb}]

    def stored(self, digest: str) -> Path:
        """Return where the registry keeps the content of a digest."""
        name = digest.removeprefix("sha256:")
        return self.directory / "storage/docker/registry/v2/blobs/sha256" / name[:2] / name / "data"

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(10)


def start_registry(
    directory: Path, *, http: Mapping[str, Any] | None = None, auth: Mapping[str, Any] | None = None, port: int = 0
) -> RealRegistry:
    """Start a registry that keeps everything in a directory; any free port by default."""
    program = shutil.which("docker-registry") or missing("docker-registry is not installed")
    directory.mkdir(parents=True, exist_ok=True)
    document = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of a test", **(http or {})},
        **({"auth": auth} if auth else {}),
    }
    # JSON is YAML.
    (directory / "config.yml").write_text(json.dumps(document))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(directory / "config.yml")], stdout=log, stderr=log)
    found = until(lambda: _listening(directory, process))
    return RealRegistry(found, directory, process)


def _listening(directory: Path, process: subprocess.Popen[bytes]) -> str:
    log = (directory / "log").read_text()
    assert process.poll() is None, log
    found = re.search(r"listening on (127\.0\.0\.1:\d+)", log)
    return found[1] if found else ""


def password_file(directory: Path) -> Mapping[str, Any]:
    """Return the configuration of a registry that lets in one person only, by Basic authentication."""
    path = directory / "htpasswd"
    path.write_text(_HTPASSWD)
    return {"htpasswd": {"realm": "test", "path": str(path)}}


def log_in(directory: Path, host: str, password: str = PASSWORD) -> None:
    """Write what ``docker login`` writes without a credential store."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


# --- TLS and tokens ------------------------------------------------------------------------------------------------


def make_authority(directory: Path) -> tuple[Path, Mapping[str, Any]]:
    """Make a certificate authority; return its certificate, and the configuration of a registry that it vouches for."""
    directory.mkdir(parents=True)
    authority, key, request = directory / "ca.crt", directory / "server.key", directory / "server.csr"
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-sha256")
    _openssl(
        *new, "-x509", "-days", "2", "-subj", "/CN=test CA", "-keyout", f"{directory}/ca.key", "-out", str(authority)
    )
    _openssl(*new, "-subj", "/CN=registry", "-keyout", str(key), "-out", str(request))
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1")
    signed = ("-CA", str(authority), "-CAkey", f"{directory}/ca.key", "-CAcreateserial", "-days", "2")
    certificate = directory / "server.crt"
    _openssl("x509", "-req", "-in", str(request), *signed, "-extfile", f"{directory}/names", "-out", str(certificate))
    return authority, {"tls": {"certificate": str(certificate), "key": str(key)}}


class TokenServer:
    """An authorization server: whoever knows the password gets the token for what is asked.

    Its tokens are JSON Web Tokens as the Distribution project's specification wants them, signed by openssl.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self._key, self._certificate = directory / "key.pem", directory / "certificate.pem"
        new = ("req", "-newkey", "rsa:2048", "-nodes", "-sha256", "-x509", "-days", "2", "-subj", "/CN=issuer")
        _openssl(*new, "-keyout", str(self._key), "-out", str(self._certificate))
        #: Scopes that were asked for, with the name of whoever asked.
        self.granted: list[tuple[str, str]] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def configuration(self) -> Mapping[str, Any]:
        """What a registry needs to know."""
        realm = f"http://127.0.0.1:{self._server.server_port}/token"
        return {
            "token": {
                "realm": realm,
                "service": "the registry",
                "issuer": "the issuer",
                "rootcertbundle": str(self._certificate),
            }
        }

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        scopes = parse_qs(urlsplit(request.path).query).get("scope", [])
        allowed = request.headers.get("Authorization") == f"Basic {known}"
        self.granted += [(USER, scope) for scope in scopes if allowed]
        body = json.dumps({"token": self._token(scopes), "expires_in": 300}).encode() if allowed else b"{}"
        request.send_response(200 if allowed else 401)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def _token(self, scopes: list[str]) -> str:
        now = int(time.time())
        access = [dict(zip(("type", "name", "actions"), scope.split(":"), strict=True)) for scope in scopes]
        claims = {
            "iss": "the issuer",
            "sub": USER,
            "aud": "the registry",
            "exp": now + 300,
            "nbf": now - 10,
            "iat": now,
            "jti": f"{now}-{len(self.granted)}",
            "access": [{**one, "actions": one["actions"].split(",")} for one in access],
        }
        lines = self._certificate.read_text().strip().splitlines()[1:-1]
        header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(lines)]}
        parts = [_base64url(json.dumps(part).encode()) for part in (header, claims)]
        signature = _openssl("dgst", "-sha256", "-sign", str(self._key), content=".".join(parts).encode())
        return ".".join([*parts, _base64url(signature)])


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _openssl(*arguments: str, content: bytes = b"") -> bytes:
    program = shutil.which("openssl") or missing("openssl is not installed")
    return subprocess.run([program, *arguments], input=content, capture_output=True, check=True).stdout


# --- bad lines -----------------------------------------------------------------------------------------------------


class BadLine:
    """Stands before a registry; after some bytes of clients (or of the registry), once, it breaks or stalls."""

    def __init__(self, host: str, after_bytes: int, *, stall: bool = False, downstream: bool = False) -> None:
        self._target = int(host.rpartition(":")[2])
        self._left = after_bytes
        self._stall = stall
        self._downstream = downstream
        #: Set when it has happened.
        self.happened = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End every connection."""
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                threading.Thread(target=self._pass, args=(client, server, not self._downstream), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, self._downstream), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                if counted and not self.happened.is_set():
                    self._left -= len(piece)
                    if self._left < 0:
                        self.happened.set()
                        if self._stall:
                            return
                        break
                target.sendall(piece)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def bad_line(host: str, after_bytes: int, **behaviour: bool) -> Iterator[BadLine]:
    """Stand before a registry as long as the block runs."""
    line = BadLine(host, after_bytes, **behaviour)
    try:
        yield line
    finally:
        line.close()
