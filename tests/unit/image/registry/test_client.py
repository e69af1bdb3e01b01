"""What the client does when a registry fails, lies or sends it elsewhere; a real one does not do so on demand."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from fake_server import Answer, Request, serve

from jupyter_containeriter.errors import DamagedLayerError, NotFoundError, RegistryError
from jupyter_containeriter.image.registry import Registry
from jupyter_containeriter.image.registry.credentials import Credentials
from jupyter_containeriter.image.registry.transport import Transport

_CONTENT = b"0123456789" * 100_000
_DIGEST = "sha256:" + hashlib.sha256(_CONTENT).hexdigest()
_UPLOAD = "/v2/x/blobs/uploads/1"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """Return a file with the content of a layer."""
    path = tmp_path / "layer"
    path.write_bytes(_CONTENT)
    return path


def _anonymous(_: str) -> None:
    return None


def _ada(_: str) -> Credentials:
    return Credentials("ada", "sesame")


# --- failures ------------------------------------------------------------------------------------------------------


def test_a_failure_of_the_moment_is_tried_again() -> None:
    """An overloaded registry, a broken connection and a short rate limit are waited for."""
    answers = [Answer(503), None, Answer(429), Answer(200, body=_CONTENT)]
    with serve(lambda _: answers.pop(0)) as server:
        assert b"".join(Registry(server.host, _anonymous).blob("x", _DIGEST)) == _CONTENT


def test_a_failure_that_stays_is_told_in_the_registrys_own_words() -> None:
    """What the registry says about its failure is in the message."""
    body = b'{"errors":[{"code":"UNKNOWN","message":"the database is away"}]}'
    with serve(lambda _: Answer(500, body=body)) as server, pytest.raises(RegistryError, match="database is away"):
        Registry(server.host, _anonymous).manifest("x", "1")


def test_a_long_rate_limit_is_told_at_once() -> None:
    """Nobody waits for an hour; the remedy names the login that raises the limit."""
    with serve(lambda _: Answer(429, {"Retry-After": "3600"})) as server:
        with pytest.raises(RegistryError, match="too many requests") as caught:
            Registry(server.host, _anonymous).manifest("x", "1")
        assert len(server.asked("GET")) == 1
    assert f"docker login {server.host}" in caught.value.remedy


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Answer(507), "no room left"),
        (Answer(500, body=b'{"errors":[{"detail":"write: no space left on device"}]}'), "no room left"),
        (Answer(403), "forbids"),
        (Answer(413), "size"),
        (Answer(302, {"Location": "/elsewhere"}), "status 302"),
    ],
)
def test_a_refusal_says_what_it_means(answer: Answer, complaint: str) -> None:
    """Each status has a meaning; a full disk is told by what a failure says."""
    with serve(lambda _: answer) as server, pytest.raises(RegistryError, match=complaint):
        Registry(server.host, _anonymous).put_manifest("x", "1", "type", b"{}")


def test_what_is_not_there_is_not_found() -> None:
    """A missing image is the person's affair, not a failure."""
    with serve(lambda _: Answer(404)) as server, pytest.raises(NotFoundError, match="x:1 is not in the registry"):
        Registry(server.host, _anonymous).manifest("x", "1")


def test_a_redirect_in_circles_ends() -> None:
    """A registry that sends requests back to itself is told from one that is slow."""
    with serve(lambda r: Answer(307, {"Location": r.path})) as server, pytest.raises(RegistryError, match="circles"):
        Registry(server.host, _anonymous).manifest("x", "1")


def test_docker_hub_is_asked_where_its_api_is() -> None:
    """The name in references is not that of the server."""
    assert Transport("docker.io").origin == "https://registry-1.docker.io"


# --- digests -------------------------------------------------------------------------------------------------------


def test_a_blob_with_another_content_is_refused() -> None:
    """What has not the digest is not accepted."""
    with serve(lambda _: Answer(body=b"other")) as server, pytest.raises(RegistryError, match="digest promises"):
        list(Registry(server.host, _anonymous).blob("x", _DIGEST))


def test_a_manifest_with_another_content_is_refused() -> None:
    """A manifest asked for by digest has it."""
    with serve(lambda _: Answer(body=b"other")) as server, pytest.raises(RegistryError, match="digest promises"):
        Registry(server.host, _anonymous).manifest("x", _DIGEST)


@pytest.mark.parametrize("digest", ["sha512:" + "0" * 128, "md5:" + "0" * 32])
def test_what_cannot_be_proven_is_not_asked_for(digest: str) -> None:
    """A digest of another kind than SHA-256 accepts no content at all."""
    with serve(lambda _: Answer(body=b"anything")) as server:
        registry = Registry(server.host, _anonymous)
        for ask in (registry.manifest, lambda *wanted: list(registry.blob(*wanted))):
            with pytest.raises(RegistryError, match="cannot be proven"):
                ask("a/b", digest)
        assert not server.requests


def test_a_manifest_of_any_size_is_not_read() -> None:
    """The specification lets a manifest have 4 MiB."""
    huge = Answer(body=bytes(5 * 1024 * 1024))
    with serve(lambda _: huge) as server, pytest.raises(RegistryError, match="larger than 4 MiB"):
        Registry(server.host, _anonymous).manifest("x", "1")


def test_a_download_goes_on_where_it_broke() -> None:
    """The rest of a blob is asked for, not all of it."""

    def answer(request: Request) -> Answer:
        if "Range" not in request.headers:
            return Answer(200, {"Content-Length": str(len(_CONTENT)), "Connection": "close"}, _CONTENT[:1000])
        begin = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        return Answer(206, body=_CONTENT[begin:])

    with serve(answer) as server:
        assert b"".join(Registry(server.host, _anonymous).blob("x", _DIGEST)) == _CONTENT
        assert [r.headers.get("Range") for r in server.asked("GET")] == [None, "bytes=1000-"]


# --- uploads -------------------------------------------------------------------------------------------------------


def test_an_upload_goes_on_from_what_has_arrived(layer: Path) -> None:
    """The registry says how much it has, and hears the rest."""
    arrived = bytearray()

    def answer(request: Request) -> Answer | None:
        if request.method == "POST":
            return Answer(202, {"Location": f"{_UPLOAD}?state=a"})
        if request.method == "PATCH" and not arrived:
            arrived.extend(request.body[:70_000])
            return None
        if request.method == "GET":
            return Answer(204, {"Location": f"{_UPLOAD}?state=b", "Range": f"0-{len(arrived) - 1}"})
        if request.method == "PATCH":
            arrived.extend(request.body)
            return Answer(202, {"Location": f"{_UPLOAD}?state=c"})
        return Answer(201)

    with serve(answer) as server:
        told: list[int] = []
        Registry(server.host, _anonymous).upload_blob("x", _DIGEST, len(_CONTENT), layer, told.append)
        ranges = [r.headers["Content-Range"] for r in server.asked("PATCH")]
        (finish,) = server.asked("PUT")
    assert bytes(arrived) == _CONTENT
    assert ranges == [f"0-{len(_CONTENT) - 1}", f"70000-{len(_CONTENT) - 1}"]
    assert finish.path == f"{_UPLOAD}?state=c&digest={_DIGEST.replace(':', '%3A')}"
    assert told[-1] == len(_CONTENT)


def test_an_upload_whose_last_answer_was_lost_is_complete(layer: Path) -> None:
    """A blob that is there needs no second upload."""

    def answer(request: Request) -> Answer | None:
        return {
            "POST": Answer(202, {"Location": _UPLOAD}),
            "PATCH": Answer(202, {"Location": _UPLOAD}),
            "PUT": None,
            "GET": Answer(404),
            "HEAD": Answer(200),
        }[request.method]

    with serve(answer) as server:
        Registry(server.host, _anonymous).upload_blob("x", _DIGEST, len(_CONTENT), layer)
        assert len(server.asked("PATCH")) == 1


def test_an_upload_that_never_works_ends(layer: Path) -> None:
    """Attempts are counted."""

    def answer(request: Request) -> Answer:
        return Answer(202, {"Location": _UPLOAD}) if request.method == "POST" else Answer(500)

    with serve(answer) as server, pytest.raises(RegistryError, match="status 500"):
        Registry(server.host, _anonymous).upload_blob("x", _DIGEST, len(_CONTENT), layer)


@pytest.mark.parametrize("damage", [b"short", _CONTENT[:-1] + b"x"])
def test_a_damaged_layer_is_found(layer: Path, damage: bytes) -> None:
    """A file that is too short, or that the registry refuses for its digest, is called damaged."""
    layer.write_bytes(damage)

    def answer(request: Request) -> Answer:
        return Answer(400) if request.method == "PUT" else Answer(202, {"Location": _UPLOAD})

    with serve(answer) as server, pytest.raises(DamagedLayerError):
        Registry(server.host, _anonymous).upload_blob("x", _DIGEST, len(_CONTENT), layer)


def test_a_mount_that_is_refused_is_no_error() -> None:
    """Whoever may not read another repository can still upload."""
    with serve(lambda _: Answer(403)) as server:
        assert not Registry(server.host, _anonymous).mount_blob("x", _DIGEST, "y")


@pytest.mark.parametrize("status", [202, 404, 401])
def test_an_upload_begun_instead_of_a_mount_is_cancelled(status: int) -> None:
    """The registry need not keep what nobody will send; that it cannot forget is no error."""

    def answer(request: Request) -> Answer:
        return Answer(202, {"Location": _UPLOAD}) if request.method == "POST" else Answer(status)

    with serve(answer) as server:
        assert not Registry(server.host, _anonymous).mount_blob("x", _DIGEST, "y")
        assert [r.path for r in server.asked("DELETE")] == [_UPLOAD]


# --- addresses that are none ---------------------------------------------------------------------------------------

_NO_ADDRESSES = ("https://[x/", "http://localhost:99999/", "https://a b/", "http://\u00b2\u2044[/")


@pytest.mark.parametrize("address", _NO_ADDRESSES)
def test_a_redirect_to_no_address_is_told(address: str) -> None:
    """Whatever a registry sends as an address, the error is one of ours."""
    location = address.encode("utf-8").decode("latin-1")
    with serve(lambda _: Answer(307, {"Location": location})) as server, pytest.raises(RegistryError, match="is none"):
        Registry(server.host, _anonymous).manifest("x", "1")


@pytest.mark.parametrize("address", [*_NO_ADDRESSES, "", "/token"])
def test_an_authorization_server_at_no_address_is_told(address: str) -> None:
    """With an identity token, too."""
    challenge = {"WWW-Authenticate": f'Bearer realm="{address}"'.encode().decode("latin-1")}
    with serve(lambda _: Answer(401, challenge)) as server:
        for credentials in (Credentials("ada", "sesame"), Credentials(identity_token="sesame")):
            with pytest.raises(RegistryError, match="is none"):
                Registry(server.host, lambda _, found=credentials: found).manifest("x", "1")


@pytest.mark.parametrize("address", _NO_ADDRESSES)
def test_an_upload_to_no_address_is_told(layer: Path, address: str) -> None:
    """Nothing is sent."""
    location = address.encode("utf-8").decode("latin-1")
    with serve(lambda _: Answer(202, {"Location": location})) as server:
        with pytest.raises(RegistryError, match="is none"):
            Registry(server.host, _anonymous).upload_blob("x", _DIGEST, len(_CONTENT), layer)
        assert not server.asked("PATCH")


def test_a_pause_that_is_no_number_is_not_read() -> None:
    """What looks like a digit need not be one."""
    answers = [Answer(503, {"Retry-After": "\u00b2"}), Answer(body=_CONTENT)]
    with serve(lambda _: answers.pop(0)) as server:
        assert b"".join(Registry(server.host, _anonymous).blob("x", _DIGEST)) == _CONTENT


# --- secrets -------------------------------------------------------------------------------------------------------


def _protected(request: Request) -> Answer | None:
    """Answer who does not log in as Basic authentication wants it; None for whoever does."""
    if request.headers.get("Authorization") == "Basic YWRhOnNlc2FtZQ==":
        return None
    return Answer(401, {"WWW-Authenticate": 'Basic realm="test"'})


def test_a_redirect_to_another_host_learns_no_credentials() -> None:
    """A storage service serves the layer and sees no password."""
    with serve(lambda _: Answer(body=_CONTENT)) as storage:
        target = {"Location": f"http://{storage.host}/layer"}
        with serve(lambda request: _protected(request) or Answer(307, target)) as server:
            assert b"".join(Registry(server.host, _ada).blob("x", _DIGEST)) == _CONTENT
        (request,) = storage.asked("GET")
    assert "Authorization" not in request.headers


@pytest.mark.parametrize("credentials", [Credentials("ada", "sesame"), Credentials(identity_token="sesame")], ids=repr)
@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_a_challenge_of_a_redirect_s_target_is_not_answered(scheme: str, credentials: Credentials) -> None:
    """A host that the registry redirects to could otherwise have the credentials sent wherever it likes."""
    with serve(lambda _: Answer(body=b'{"token":"granted"}')) as third:
        challenge = {"WWW-Authenticate": f'{scheme} realm="http://{third.host}/token",service="x"'}
        with serve(lambda _: Answer(401, challenge)) as second:
            target = {"Location": f"http://{second.host}/layer"}
            with serve(lambda _: Answer(307, target)) as server, pytest.raises(RegistryError, match="does not let"):
                Registry(server.host, lambda _: credentials).manifest("x", "1")
            assert all("Authorization" not in request.headers for request in (*server.requests, *second.requests))
        assert not third.requests


def test_a_challenge_of_a_redirect_s_target_is_not_answered_after_a_login() -> None:
    """Nor is it taken for a refusal of the credentials."""
    with serve(lambda _: Answer(401, {"WWW-Authenticate": "Basic"})) as storage:
        target = {"Location": f"http://{storage.host}/layer"}
        with (
            serve(lambda request: _protected(request) or Answer(307, target)) as server,
            pytest.raises(RegistryError, match="does not let"),
        ):
            Registry(server.host, _ada).manifest("x", "1")
        assert [r.headers.get("Authorization") for r in storage.requests] == [None]


def test_credentials_are_those_of_the_repository(layer: Path) -> None:
    """One registry may know a person under several names; a mount is asked for by who writes."""
    asked: list[str] = []

    def find(name: str) -> None:
        asked.append(name)

    with serve(lambda _: Answer(401, {"WWW-Authenticate": 'Basic realm="test"'})) as server:
        registry = Registry(server.host, find)
        for ask in (registry.has_blob, registry.manifest):
            with pytest.raises(RegistryError):
                ask("a/b", _DIGEST)
        registry.mount_blob("c/d", _DIGEST, "a/b")
    assert asked == [f"{server.host}/a/b", f"{server.host}/c/d"]


def test_an_upload_sent_elsewhere_learns_no_credentials(layer: Path) -> None:
    """The registry may have a layer sent to another host, which sees no password."""

    def store(request: Request) -> Answer:
        return Answer(201) if request.method == "PUT" else Answer(202, {"Location": "/next"})

    with serve(store) as storage:
        target = {"Location": f"http://{storage.host}/upload"}
        with serve(lambda request: _protected(request) or Answer(202, target)) as server:
            Registry(server.host, _ada).upload_blob("x", _DIGEST, len(_CONTENT), layer)
        assert [r.method for r in storage.requests] == ["PATCH", "PUT"]
        assert not any("Authorization" in request.headers for request in storage.requests)


def test_a_redirect_to_plain_http_elsewhere_is_refused() -> None:
    """Encryption is not given up by a redirect."""
    target = {"Location": "http://storage.example.com/layer"}
    complaint = r"storage\.example\.com:80, which is not encrypted"
    with serve(lambda _: Answer(307, target)) as server, pytest.raises(RegistryError, match=complaint):
        list(Registry(server.host, _anonymous).blob("x", _DIGEST))


def test_an_authorization_server_over_plain_http_elsewhere_is_refused() -> None:
    """Credentials never travel unencrypted to another machine."""
    challenge = {"WWW-Authenticate": 'Bearer realm="http://auth.example.com/token",service="x"'}
    with serve(lambda _: Answer(401, challenge)) as server, pytest.raises(RegistryError, match="not encrypted"):
        Registry(server.host, _ada).manifest("x", "1")


def test_a_name_that_is_not_this_machine_is_spoken_to_over_tls_only() -> None:
    """Plain HTTP is for loopback addresses and localhost; whatever else a name resolves to gets TLS."""
    with serve(lambda _: Answer()) as server:
        port = server.host.rpartition(":")[2]
        # A spelling of 127.0.0.1 that only the resolver understands: a name like any other.
        with pytest.raises(RegistryError, match="does not speak HTTPS"):
            Registry(f"127.1:{port}", _ada).manifest("x", "1")
        assert not server.requests


def test_refused_credentials_are_not_quoted() -> None:
    """The remedy is a new login; the password appears nowhere."""
    refuse = Answer(401, {"WWW-Authenticate": "Basic"})
    with serve(lambda _: refuse) as server, pytest.raises(RegistryError) as caught:
        Registry(server.host, _ada).manifest("x", "1")
    assert "refuses the credentials" in caught.value.message
    assert caught.value.remedy == f"Log in again: docker login {server.host}"
    assert "sesame" not in repr(caught.value) + str(caught.value)
    assert "sesame" not in repr(_ada(""))


def test_proxies_are_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is for other hosts."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serve(lambda _: Answer(body=_CONTENT)) as server:
        assert b"".join(Registry(server.host, _anonymous).blob("x", _DIGEST)) == _CONTENT


def test_a_proxy_that_is_away_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL of a proxy may hold a password."""
    monkeypatch.setenv("https_proxy", "http://ada:sesame@127.0.0.1:1")
    with pytest.raises(RegistryError, match=r"The proxy to registry\.example\.com") as caught:
        Registry("registry.example.com", _anonymous).manifest("x", "1")
    assert "sesame" not in str(caught.value)


# --- tokens --------------------------------------------------------------------------------------------------------


def test_an_identity_token_is_exchanged_for_an_access_token() -> None:
    """OAuth2's form of the token protocol, with the scope of this very request."""
    with serve(lambda _: Answer(body=b'{"access_token":"granted"}')) as issuer:
        realm = f'Bearer realm="http://{issuer.host}/token?a=1",service="the registry",scope="other"'

        def answer(request: Request) -> Answer:
            if request.headers.get("Authorization") == "Bearer granted":
                return Answer(body=b"{}")
            return Answer(401, {"WWW-Authenticate": realm})

        with serve(answer) as server:
            Registry(server.host, lambda _: Credentials(identity_token="sesame")).manifest("x", "1")
        (request,) = issuer.requests
    assert request.method == "POST"
    assert b"grant_type=refresh_token" in request.body
    assert b"refresh_token=sesame" in request.body
    assert b"service=the+registry" in request.body
    assert b"scope=repository%3Ax%3Apull" in request.body


def test_a_token_that_expired_is_replaced_and_an_upload_goes_on(layer: Path) -> None:
    """A token that ends while a layer is sent costs one more attempt."""
    granted = iter(("first", "second", "third"))
    with serve(lambda _: Answer(body=b'{"token":"%s"}' % next(granted).encode())) as issuer:
        challenge = Answer(401, {"WWW-Authenticate": f'Bearer realm="http://{issuer.host}/token"'})

        def answer(request: Request) -> Answer:
            known = request.headers.get("Authorization")
            if request.method == "POST" and known == "Bearer first":
                return Answer(202, {"Location": _UPLOAD})
            if known != "Bearer second":
                return challenge
            return {
                "GET": Answer(204, {"Location": _UPLOAD, "Range": "0-0"}),
                "POST": Answer(202, {"Location": _UPLOAD}),
                "PATCH": Answer(202, {"Location": _UPLOAD}),
                "PUT": Answer(201),
            }[request.method]

        with serve(answer) as server:
            Registry(server.host, _anonymous).upload_blob("x", _DIGEST, len(_CONTENT), layer)
            assert [len(r.body) for r in server.asked("PATCH")] == [len(_CONTENT)] * 2
