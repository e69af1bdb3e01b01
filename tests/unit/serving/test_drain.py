"""A server that is told to end answers what it was asked."""

from __future__ import annotations

import http.client
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle

from jupyter_containeriter.engines import _supervisor, docker, sandbox
from jupyter_containeriter.serving import web

from .conftest import Client, Running, loaded, serving_of, write_root

Start = Callable[..., Running]

BODY = b'{"inputs": [1.0]}'
CLIENTS = 8


# The processes cannot import this module, so its functions travel by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def wait_for(place: str) -> Any:
    """Return a model that notes that it predicts, and waits to be told to go on."""

    def predict(data: Any) -> Any:
        from pathlib import Path
        from time import sleep

        Path(place, "entered").touch()
        while not Path(place, "go").exists():
            sleep(0.001)
        return data

    return predict


def echo(data: Any) -> Any:
    """Predict what it gets."""
    return data


def connect(server: Running) -> http.client.HTTPConnection:
    """Open a connection."""
    return http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)


def ask(line: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """Predict, and read the answer."""
    line.request("POST", "/invocations", BODY, {"Content-Type": "application/json"})
    answer = line.getresponse()
    answer.read()
    return answer


def test_what_is_predicted_and_what_waits_is_answered(tmp_path: Path, start: Start) -> None:
    """A request that is being predicted and those behind it get their answers; then the process ends as it was told."""
    server = start(write_root(tmp_path / "root", wait_for(str(tmp_path))))
    answers: list[http.client.HTTPResponse] = []
    clients = [threading.Thread(target=lambda: answers.append(ask(connect(server)))) for _ in range(3)]
    for client in clients:
        client.start()
    line = connect(server)
    while b"containeriter_requests_in_flight 4" not in metrics(line) or not (tmp_path / "entered").exists():
        pass
    server.process.terminate()
    line.close()
    while ready(server):
        pass
    (tmp_path / "go").touch()
    for client in clients:
        client.join(30)
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert {answer.headers["Connection"] for answer in answers} == {"close"}
    assert server.process.wait(30) == 143


def metrics(line: http.client.HTTPConnection) -> bytes:
    """Return the metrics."""
    line.request("GET", "/metrics")
    return line.getresponse().read()


def ready(server: Running) -> bool:
    """Tell whether the server takes requests."""
    line = connect(server)
    try:
        line.request("GET", "/v2/health/ready")
        return line.getresponse().status == 200
    except OSError:
        return False
    finally:
        line.close()


def test_nothing_is_lost_under_load(tmp_path: Path, start: Start) -> None:
    """Clients that ask without pause get an answer to whatever they ask, until they are told that it was the last."""
    server = start(write_root(tmp_path, echo, sample=[1.0, 2.0]))
    warm = threading.Barrier(CLIENTS + 1)
    lost: list[Exception] = []
    last: list[int] = []

    def keep_asking() -> None:
        line = connect(server)
        line.connect()
        try:
            for count in range(100_000):
                answer = ask(line)
                assert answer.status == 200
                if answer.will_close:
                    last.append(count)
                    return
                if count == 20:
                    warm.wait(30)
        except (OSError, http.client.HTTPException, AssertionError) as error:
            lost.append(error)

    clients = [threading.Thread(target=keep_asking) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    warm.wait(30)
    server.process.terminate()
    for client in clients:
        client.join(30)
    assert (lost, len(last)) == ([], CLIENTS)
    assert server.process.wait(30) == 143


def test_a_server_that_ends_is_not_ready() -> None:
    """From the signal on, readiness says so; predictions are still answered, each as the last of its connection."""
    client = Client(serving_of(loaded(list)))
    client.service.draining = True
    for path in ("/v2/health/ready", "/ping"):
        assert client("GET", path).status == 503
    assert client("GET", "/v2/health/live").status == 200
    answer = client("POST", "/invocations", BODY)
    assert (answer.status, answer.headers["connection"]) == (200, "close")


def test_engines_wait_longer_than_a_server_drains() -> None:
    """Nothing is killed that would have ended by itself."""
    assert web.DRAIN_SECONDS < docker._GRACE_SECONDS == _supervisor.GRACE_SECONDS < sandbox._STOP_SECONDS
