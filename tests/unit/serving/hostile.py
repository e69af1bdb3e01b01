"""Requests that no well-meaning client sends, made from a seed: malformed, mutilated, huge, slow, lying, odd."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
import math
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

#: How long one answer may take; it ends runs that would hang.
_SECONDS = 60.0

#: Values in place of any other; raw ones stand for JSON that Python would not write.
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 255, 256, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 2**1024, 10**400, 0.5, -0.0),
    *(math.nan, math.inf, -math.inf, 1e308, 5e-324, "", "x", "NaN", "Infinity", "null", "\x00", "\ud800", "ä" * 300),
    *([], {}, [[]], [{}], [None], {"": None}, [[], [[]]], ["a", 1, None, {}], "x" * 5000, list(range(2000))),
    *({"$tuple": [1]}, {"$float": "x"}, {"$decimal": "1e999999999"}, {"$timestamp": ["1", "x"]}, {"$bytes": "?"}),
    *({"$dict": [[[], 1]]}, {"$dict": 5}, {"$missing": "x"}, {"$timedelta": [10**30]}, {"$duration": [1, "x"]}),
    *({"$datetime": "2024-13-01"}, {"$complex": "("}, {"$date": 5}, {"$timestamp": ["1", "datetime64[ns, Nowhere]"]}),
    *([2**62, 2**62], [0, 10**18], [-1], [1, -1], [1.5], ["1"], [10**30], [True], [2**40, 0], [1] * 70),
)
_KEYS = ("", "name", "shape", "data", "datatype", "parameters", "inputs", "outputs", "id", "schema", "binary_data_size")
_DATATYPES = ("BOOL", "INT8", "UINT64", "FP16", "FP32", "FP64", "BYTES", "BF16", "fp64", "object", "M8", "V9999999999")
_PARAMETERS: tuple[Any, ...] = (
    *({"content_type": "json"}, {"content_type": "base64"}, {"content_type": 5}, {"missing": "x"}, {"missing": []}),
    *({"index": "{}"}, {"index": 5}, {"index": '{"levels": [], "names": []}'}, {"binary_data_size": -1}, {"schema": 5}),
    *({"binary_data_size": 10**12}, {"binary_data_size": "8"}, {"schema": "{}"}, {"schema": '{"kind": "ndarray"}'}),
    *({"binary_data_output": True}, {"classification": 3}, {"sequence_id": 1}, [], 5, "x", None),
)


@dataclass(frozen=True)
class Target:
    """What is attacked.

    Attributes
    ----------
    port
        On 127.0.0.1.
    token
        The right one.
    name
        Of the model.
    requests
        Well-formed ones, from which malformed ones are made: paths and bodies.
    """

    port: int
    token: str
    name: str
    requests: Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Attack:
    """Bytes to send, and how.

    Attributes
    ----------
    kind
        For people.
    pieces
        Sent one after the other, with a turn of the loop between them.
    ends
        Whether the sending side is closed after the last piece.
    is_http
        Whether an answer is due: what is no HTTP may as well be answered by the end of the connection.
    """

    kind: str
    pieces: tuple[bytes, ...]
    ends: bool = False
    is_http: bool = True


@dataclass
class Outcome:
    """What came of a run."""

    statuses: dict[int, int] = field(default_factory=dict)
    unanswered: int = 0
    failures: list[str] = field(default_factory=list)

    def note(self, attack: Attack, status: int | None, answer: bytes) -> None:
        """Count an answer; 5xx is a failure, but for 503, and so is silence where an answer is due."""
        if status is None:
            self.unanswered += 1
        else:
            self.statuses[status] = self.statuses.get(status, 0) + 1
        if (status is None and attack.is_http) or (status is not None and status >= 500 and status != 503):
            sent = b"".join(attack.pieces)[:2000]
            self.failures.append(f"{attack.kind}: {status} {answer[-300:]!r}\n  sent {sent!r}")


class Attacker:
    """Makes attacks of all kinds."""

    def __init__(self, target: Target, seed: int) -> None:
        self._target = target
        self._random = random.Random(seed)

    def attacks(self, count: int) -> Iterator[Attack]:
        """Return so many attacks; the same for the same seed."""
        kinds = {
            self._json: 40,
            self._bytes: 8,
            self._csv: 8,
            self._cut: 5,
            self._headers: 12,
            self._binary: 10,
            self._compressed: 3,
            self._framing: 8,
            self._routes: 6,
        }
        for kind in self._random.choices(list(kinds), list(kinds.values()), k=count):
            yield kind()

    # --- bodies ---

    def _request_for(self, ending: str = "") -> tuple[str, Any]:
        """Return a well-formed request, to be changed at will."""
        path, body = self._random.choice([one for one in self._target.requests if one[0].endswith(ending)])
        return path, copy.deepcopy(body)

    def _mutated(self, ending: str = "") -> tuple[str, Any]:
        path, body = self._request_for(ending)
        schema = body.get("parameters", {}).get("schema")
        if schema is not None and self._random.random() < 0.7:
            described = json.loads(schema)
            for _ in range(self._random.choice((1, 1, 2))):
                described = self._mutate(described)
            body["parameters"]["schema"] = json.dumps(described)
            return path, body
        for _ in range(self._random.choice((1, 1, 1, 2, 5))):
            body = self._mutate(body)
        return path, body

    def _mutate(self, value: Any) -> Any:
        """Change one place somewhere below a value."""
        places = list(_places(value))
        holder, key = self._random.choice(places) if places else (None, None)
        if holder is None or self._random.random() < 0.03:
            return copy.deepcopy(self._random.choice(_VALUES))
        deed = self._random.randrange(8)
        if deed == 0:
            del holder[key]
        elif deed == 1 and isinstance(holder, dict):
            holder[self._random.choice((*_KEYS, "x", "__index__"))] = copy.deepcopy(self._random.choice(_VALUES))
        elif deed == 2 and isinstance(holder, list):
            holder.insert(0, copy.deepcopy(holder[key]))
        elif deed == 3 and isinstance(holder, dict):
            holder["parameters"] = copy.deepcopy(self._random.choice(_PARAMETERS))
        elif deed == 4 and isinstance(holder, dict) and "datatype" in holder:
            holder["datatype"] = self._random.choice(_DATATYPES)
        else:
            holder[key] = copy.deepcopy(self._random.choice(_VALUES))
        return value

    def _json(self) -> Attack:
        path, value = self._mutated()
        text = json.dumps(value, ensure_ascii=self._random.random() < 0.5)
        if self._random.random() < 0.05:
            deep = "[" * 10 ** self._random.randrange(2, 6)
            text = self._random.choice((deep, deep + "]" * len(deep), '{"inputs":' + deep + "]" * len(deep) + "}"))
        if self._random.random() < 0.03:
            text = text.replace("1", self._random.choice(("1e999", "-1e999", "9" * 5000, "0x1", "01", "1.", "--1")), 1)
        return Attack("json", (self._post(path, text.encode("utf-8", "surrogatepass")),))

    def _bytes(self) -> Attack:
        path, value = self._request_for()
        body = bytearray(json.dumps(value).encode())
        for _ in range(self._random.randrange(1, 8)):
            place = self._random.randrange(len(body))
            body[place : place + self._random.randrange(3)] = self._random.randbytes(self._random.randrange(4))
        return Attack("bytes", (self._post(path, bytes(body)),))

    def _csv(self) -> Attack:
        cells = ("1", "1.5", "", "NaN", "inf", "x", '"', '""', '"a\nb"', "true", "1e400", "9" * 400, "\x00", "ä", ",,,")
        names = ["age", "city", "member", "visits", "0", "1", "x", ""]
        header = ",".join(self._random.sample(names, self._random.randrange(len(names))))
        rows = [
            ",".join(self._random.choices(cells, k=self._random.randrange(8))) for _ in range(self._random.randrange(5))
        ]
        body = self._random.choice(("\n", "\r\n", "\r", "\n\n")).join([header, *rows]).encode()
        kinds = ("text/csv", "text/csv; charset=utf-8", "text/csv; header=absent", "text/csv; header=", "text/csv;;=;")
        return Attack("csv", (self._post("/invocations", body, {"Content-Type": self._random.choice(kinds)}),))

    def _binary(self) -> Attack:
        """Make a request of the binary tensor extension that lies about its lengths."""
        path, body = self._mutated("/infer")
        inputs = body.get("inputs") if isinstance(body, dict) else None
        for tensor in inputs if isinstance(inputs, list) else ():
            if isinstance(tensor, dict) and self._random.random() < 0.7:
                tensor.pop("data", None)
                tensor["parameters"] = {
                    "binary_data_size": self._random.choice((0, 1, 8, 16, 10**9, -8, 2**70, "8", None))
                }
        text = json.dumps(body).encode("utf-8", "surrogatepass")
        lengths = (len(text), len(text), len(text), len(text) - 1, 0, -1, 10**20, "x", "", "1_0", "\u0661", "+5")
        tail = self._random.randbytes(self._random.choice((0, 1, 7, 16, 64, 4096)))
        headers = {
            "Inference-Header-Content-Length": str(self._random.choice(lengths)),
            "Content-Type": self._random.choice(("application/octet-stream", "application/json")),
        }
        return Attack("binary", (self._post(path, text + tail, headers),))

    def _compressed(self) -> Attack:
        path, value = self._mutated()
        body = json.dumps(value).encode("utf-8", "surrogatepass")
        packed = self._random.choice(
            (
                gzip.compress(body),
                zlib.compress(body),
                gzip.compress(body)[:-5],
                b"\x1f\x8b" + body,
                body,
                gzip.compress(gzip.compress(body)),
                gzip.compress(b" " * 200_000_000, 1) if self._random.random() < 0.02 else b"",
                gzip.compress(body) + b"junk",
            )
        )
        coding = self._random.choice(("gzip", "deflate", "gzip, gzip", "identity", "br", "x" * 50, ""))
        return Attack("compressed", (self._post(path, packed, {"Content-Encoding": coding}),))

    # --- HTTP ---

    def _post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
        return self._request("POST", path, {"Content-Type": "application/json", **(headers or {})}, body)

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
        own = {
            "Host": "127.0.0.1",
            "Authorization": f"Bearer {self._target.token}",
            "Connection": "close",
            "Content-Length": str(len(body)),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**own, **headers}.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("utf-8", "surrogatepass") + body

    def _cut(self) -> Attack:
        """Send less than was announced, or a piece at a time."""
        path, value = self._request_for()
        whole = self._post(path, json.dumps(value).encode())
        if self._random.random() < 0.5:
            return Attack("cut", (whole[: self._random.randrange(1, len(whole))],), ends=True, is_http=False)
        size = self._random.randrange(1, 200)
        return Attack("slow", tuple(whole[place : place + size] for place in range(0, len(whole), size)))

    def _headers(self) -> Attack:
        odd = {
            "Authorization": (
                "",
                "Bearer",
                "Bearer ",
                "Bearer x",
                "Basic eDp5",
                "bearer \u00e9",
                "Bearer " + "x" * 5000,
                "Bearer a b",
            ),
            "Content-Type": (
                "",
                ";",
                "application/json;charset=utf-16",
                "text/plain",
                "multipart/form-data",
                "a/b;c=d",
                "*/*",
                "\u00e4",
            ),
            "Accept": ("", ",,,", "text/html", "application/json;q=0", "*/*;q=x", "application/xml," * 500),
            "Accept-Encoding": ("gzip", "br;q=x", "*;q=0", "gzip;q=0, deflate;q=0.5", ",;,", "x" * 3000),
            "Content-Length": ("-1", "x", "0", "99999999999999999999", "1e3", "5, 5", "0x10"),
            "Host": ("", "evil.example", "\x7f", "a" * 3000),
            "Expect": ("100-continue", "x"),
            "Upgrade": ("websocket", "h2c"),
            "X-Long": ("x" * 10_000, "x" * 60_000, "x" * 100_000),
            "Content-Encoding": ("gzip", "x", "gzip, deflate"),
            "Transfer-Encoding": ("chunked", "gzip", "identity", "chunked, chunked"),
        }
        name = self._random.choice(list(odd))
        path, value = self._request_for()
        headers = {"Content-Type": "application/json", name: self._random.choice(odd[name])}
        if name == "Upgrade":
            headers["Connection"] = "Upgrade, close"
        framed = name not in ("Content-Length", "Transfer-Encoding", "Host", "X-Long")
        body = json.dumps(value).encode()
        return Attack("headers", (self._request("POST", path, headers, body),), ends=not framed, is_http=framed)

    def _framing(self) -> Attack:
        path, value = self._request_for()
        body = json.dumps(value).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._target.token}\r\n".encode()
        chunked = head + b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
        junk = self._random.randbytes(self._random.randrange(1, 300))
        whole = self._random.choice(
            (
                chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
                chunked + b"%x\r\n%s\r\n" % (len(body) + 5, body),
                chunked + b"-5\r\nhello\r\n0\r\n\r\n",
                chunked + b"ffffffffffffffffff\r\nx",
                chunked + b"zz\r\n" + body,
                chunked + b"5;" + b"e" * 5000 + b"\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
                chunked + b"1\r\n[\r\n" * 500 + b"0\r\n\r\n",
                head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n[1,2]",
                head + b"Content-Length: 10\r\n\r\n[1]",
                head + b"Folded: a\r\n b\r\n\r\n",
                head.replace(b"\r\n", b"\n") + b"\n",
                head + b"No colon\r\n\r\n",
                head + b"\x00: x\r\n\r\n",
                b"GET / HTTP/9.9\r\n\r\n",
                b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET http://other/v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + junk,
                b"GET /v2\r\n\r\n",
                b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                b"CONNECT evil:443 HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
                b"\r\n" * 100 + b"GET /ping HTTP/1.0\r\n\r\n",
                junk,
            )
        )
        return Attack("framing", (whole,), ends=True, is_http=False)

    def _routes(self) -> Attack:
        """Ask for what is not there, or not for this token."""
        name = self._target.name
        paths = (
            *(
                "/",
                "//",
                "/v2/",
                "/v2/models",
                f"/v2/models/{name}/",
                f"/v2/models/{name}/versions/9",
                "/v2/models/other",
            ),
            *(f"/v2/models/{name}/versions/%2e%2e/infer", "/../../etc/passwd", "/%00", "/%ff", "/docs/../openapi.json"),
            *("/containeriter/versions", "/containeriter/live", "/containeriter/versions/2", "/v2/repository/index"),
            *(f"/v2/repository/models/{name}/unload", "/v2/models/stats", f"/v2/models/{name}/config", "/metrics?x=1"),
            *("/openapi.json?" + "a" * 5000, "/invocations?x", "/%F0%9F%92%A9", "/a%0d%0aX:y", "/v2/health/../models"),
        )
        methods = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "PROPFIND")
        body = json.dumps(self._random.choice(_VALUES)).encode("utf-8", "surrogatepass")
        return Attack("routes", (self._request(self._random.choice(methods), self._random.choice(paths), {}, body),))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Return every place below a value: what holds it, and under which key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


# --- sending -------------------------------------------------------------------------------------------------------


async def send(port: int, attack: Attack) -> tuple[int | None, bytes]:
    """Send an attack and return the first status, None where nothing was answered, and the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        try:
            for piece in attack.pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if attack.ends:
                writer.write_eof()
        except (ConnectionError, OSError):
            pass  # It need not listen to the end.
        answer = await asyncio.wait_for(_answer(reader), _SECONDS)
    finally:
        writer.close()
    answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    return (int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None), answer


async def _answer(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    try:
        while piece := await reader.read(65536):
            answer += piece
    except ConnectionError:
        pass  # What was sent before is read.
    return bytes(answer)


async def assault(target: Target, *, seed: int, count: int, at_once: int = 16, idle: int = 50) -> Outcome:
    """Send attacks, many at once, while other connections are open that never finish their requests."""
    outcome = Outcome()
    waiting = Attacker(target, seed).attacks(count)
    dawdlers = [await asyncio.open_connection("127.0.0.1", target.port) for _ in range(idle)]
    for place, (_, writer) in enumerate(dawdlers):
        writer.write(b"POST /invocations HTTP/1.1\r\nContent-Length: 1000\r\n"[: 5 + place])

    async def work() -> None:
        for attack in waiting:
            status, answer = await send(target.port, attack)
            outcome.note(attack, status, answer)

    await asyncio.gather(*(work() for _ in range(at_once)))
    for _, writer in dawdlers:
        writer.close()
    return outcome
