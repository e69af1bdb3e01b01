"""How long until a changed model serves correct predictions: our next iteration, and the best way by hand.

Both take the same model, of the same kind and size, to the same engine, one after the other in every round:

ours
    ``Session.containerize``: capture, build, load, start and verify, as the history recorded them.
by hand
    Pickle, ``docker build`` of a Dockerfile that copies the model last (so that all below it is cached),
    ``docker run``, and asking until the first correct prediction comes back. BuildKit where the ``docker`` command has
    it. Its base is made of the very layers below our model; its server is a bare ASGI application on the same uvicorn.

What ran before is stopped outside the timed part. ``first`` is our first iteration with an empty layer cache and no
proof to go by; an engine that holds equal layers already is sent less, as ``sent_bytes`` shows. Run with ``make
bench``; prints one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import pickle
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import urllib3
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from jupyter_containeriter.capture.snapshot import CaptureRequest, capture
from jupyter_containeriter.errors import ContainerIterError
from jupyter_containeriter.image.base import kernel_base
from jupyter_containeriter.image.build import build
from jupyter_containeriter.session import RunOptions, Session
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.types import CONTAINER_ROOT, Image, Layer

OUR_PHASES = ("capture", "build", "load", "start", "verify")
HAND_PHASES = ("pickle", "build", "run", "ready")
#: Gives a pickle of about one megabyte.
TREES = 17
SAMPLE_ROWS = 5
POLL_SECONDS = 0.005
READY_SECONDS = 60.0

SERVER = """\
import json
import pickle

import numpy
import uvicorn

with open("/app/model.pkl", "rb") as file:
    model = pickle.load(file)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    found = scope["method"] == "POST" and scope["path"] == "/predict"
    answer = json.dumps(model.predict(numpy.asarray(json.loads(body))).tolist()) if found else "{}"
    await send({
        "type": "http.response.start",
        "status": 200 if found else 404,
        "headers": [(b"content-type", b"application/json")],
    })
    await send({"type": "http.response.body", "body": answer.encode()})


uvicorn.run(app, host="0.0.0.0", port=8080, log_level="warning", access_log=False, lifespan="off")
"""

DOCKERFILE = """\
FROM {base}
ENV PYTHONPATH={root}/site-packages PYTHONDONTWRITEBYTECODE=1
COPY server.py /app/server.py
CMD ["{interpreter}", "/app/server.py"]
COPY model.pkl /app/model.pkl
"""


@dataclass(frozen=True)
class Trial:
    """One model on its way: seconds of each phase and in total."""

    phases: dict[str, float]
    total: float
    sent_bytes: int | None = None


@dataclass(frozen=True)
class Rounds:
    """All trials; ``ours`` and ``hand`` hold one of each round."""

    first: Trial
    ours: list[Trial] = field(default_factory=list)
    hand: list[Trial] = field(default_factory=list)


# --- the model -----------------------------------------------------------------------------------------------------


def new_model(seed: int) -> tuple[Any, np.ndarray]:
    """Fit a forest; each seed gives another one of the same size. Returns it with a few rows to predict."""
    x, y = load_digits(return_X_y=True)
    return RandomForestClassifier(TREES, random_state=seed).fit(x, y), x[:SAMPLE_ROWS]


# --- ours ----------------------------------------------------------------------------------------------------------


class Ours:
    """Iterations of this project.

    Parameters
    ----------
    directory
        Holds history and layer cache; empty, so that the first iteration starts cold.
    name
        Of the model.
    """

    def __init__(self, directory: Path, name: str) -> None:
        settings = ContainerIter(data_dir=str(directory / "data"), cache_dir=str(directory / "cache"), engine="docker")
        self.session = Session(settings)
        self.name = name

    def trial(self, model: Any, sample: np.ndarray) -> Trial:
        """Walk the road once. What ran before is stopped after the end of the recorded time."""
        deployment = self.session.containerize(self.request(model, sample), RunOptions())
        row = deployment.iteration
        if row.parity != "exact":
            raise SystemExit(f"{self.name}:{row.version} was to be exact, but is {row.parity or 'not verified'}.")
        phases = {phase: getattr(row, f"{phase}_seconds") for phase in OUR_PHASES}
        return Trial(phases, row.package_to_verified_seconds or 0.0, row.sent_bytes)

    def request(self, model: Any, sample: np.ndarray) -> CaptureRequest:
        """Return what a person would type as ``%containerize model --sample X[:5]``."""
        return CaptureRequest(self.name, model, "model", {}, sample)

    def lower_layers(self, model: Any, sample: np.ndarray, reference: str) -> tuple[Image, str]:
        """Return the image below our model (base and environment alone), and the path of its interpreter."""
        base = kernel_base(self.session.cache)
        snapshot = capture(self.request(model, sample), self.session.workspace)
        image = build(snapshot, base, self.session.cache, reference)
        kept = tuple(layer for layer in image.layers if layer.role in {"base", "environment"})
        return plain_image(image, kept, reference), base.interpreter

    def clean(self) -> None:
        """Stop what runs."""
        for engine, container in self.session.live(self.name):
            self.session.remove(engine, container)


def plain_image(image: Image, layers: tuple[Layer, ...], reference: str) -> Image:
    """Return an image of some layers of another, without its user, entry point and labels."""
    config = json.loads(image.config)
    environment = config["config"]["Env"]
    config["config"] = {"Env": environment}
    config["rootfs"]["diff_ids"] = [layer.digest for layer in layers]
    config["history"] = config["history"][: len(layers)]
    config_bytes = json.dumps(config).encode()
    manifest = json.loads(image.manifest)
    manifest["config"].update(digest=digest_of(config_bytes), size=len(config_bytes))
    manifest["layers"] = manifest["layers"][: len(layers)]
    manifest_bytes = json.dumps(manifest).encode()
    return replace(
        image,
        reference=reference,
        layers=layers,
        config=config_bytes,
        config_digest=digest_of(config_bytes),
        manifest=manifest_bytes,
        digest=digest_of(manifest_bytes),
    )


def digest_of(content: bytes) -> str:
    """Return an OCI digest."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


# --- by hand -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Builder:
    """A ``docker`` command and the builder it uses."""

    command: str
    name: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make it use this builder."""
        return {**os.environ, "DOCKER_BUILDKIT": "0" if self.name == "classic" else "1"}

    def run(self, *arguments: str) -> str:
        """Run a verb of ``docker``; a failure shows its words."""
        done = subprocess.run(
            [self.command, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"docker {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()


def find_builder(directory: Path) -> Builder:
    """Return the first ``docker`` on the path that builds with BuildKit, else the first one as it is."""
    commands = list(dict.fromkeys(filter(None, (shutil.which("docker", path=p) for p in os.get_exec_path()))))
    if not commands:
        raise SystemExit("There is no docker command: install Docker's command line to compare with it.")
    context = directory / "probe"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    for command in commands:
        builder = Builder(command, "BuildKit")
        # Into a directory, not into the engine: no image comes of it.
        probe = [command, "build", "--quiet", "--output", f"type=local,dest={context / 'out'}", str(context)]
        if subprocess.run(probe, env=builder.environment, capture_output=True, check=False).returncode == 0:
            return builder
    return Builder(commands[0], "classic")


class ByHand:
    """A Dockerfile, ``docker build`` and ``docker run``.

    Parameters
    ----------
    builder
        The command.
    directory
        The build context.
    base, interpreter
        The image it builds on, and the Python in there.
    repository
        Name of the images it builds.
    """

    def __init__(self, builder: Builder, directory: Path, base: str, interpreter: str, repository: str) -> None:
        self._builder = builder
        self._context = directory
        self._repository = repository
        self._tags: list[str] = []
        self._container = ""
        directory.mkdir()
        text = DOCKERFILE.format(base=base, root=CONTAINER_ROOT, interpreter=interpreter)
        (directory / "Dockerfile").write_text(text)
        (directory / "server.py").write_text(SERVER)

    def trial(self, model: Any, sample: np.ndarray) -> Trial:
        """Pickle, build, run, and ask until the prediction is right; then stop, outside the timed part."""
        expected = model.predict(sample).tolist()
        body = json.dumps(sample.tolist()).encode()
        tag, port = f"{self._repository}:{len(self._tags) + 1}", free_port()
        self._tags.append(tag)
        marks = [time.monotonic()]
        with (self._context / "model.pkl").open("wb") as file:
            pickle.dump(model, file, protocol=pickle.HIGHEST_PROTOCOL)
        marks.append(time.monotonic())
        self._builder.run("build", "--quiet", "--tag", tag, str(self._context))
        marks.append(time.monotonic())
        self._container = self._builder.run("run", "-d", "--rm", "-p", f"127.0.0.1:{port}:8080", tag)
        marks.append(time.monotonic())
        self._await(f"http://127.0.0.1:{port}/predict", body, expected)
        marks.append(time.monotonic())
        self.stop()
        seconds = [after - before for before, after in itertools.pairwise(marks)]
        return Trial(dict(zip(HAND_PHASES, seconds, strict=True)), marks[-1] - marks[0])

    def _await(self, url: str, body: bytes, expected: list[Any]) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=2)
        began = time.monotonic()
        while time.monotonic() - began < READY_SECONDS:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                response = pool.request("POST", url, body=body, headers={"Content-Type": "application/json"})
                if response.status == 200:
                    if json.loads(response.data) == expected:
                        return
                    raise SystemExit(f"The container made by hand predicts something else: {response.data[:200]!r}")
            time.sleep(POLL_SECONDS)
        raise SystemExit(f"Not ready after {READY_SECONDS:g} s: {self._builder.run('logs', self._container)}")

    def stop(self) -> None:
        """Stop what runs."""
        if self._container:
            self._builder.run("rm", "--force", self._container)
            self._container = ""

    def clean(self) -> None:
        """Stop what runs and remove the images."""
        self.stop()
        for tag in self._tags:
            with contextlib.suppress(SystemExit):
                self._builder.run("rmi", tag)


def free_port() -> int:
    """Return a port that is free now: a person knows theirs, and asking the engine for it would cost time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- leave nothing behind ------------------------------------------------------------------------------------------


class Traces:
    """What is in the engine because of this run: images of ours, and the build cache.

    Parameters
    ----------
    api
        A connected ``docker.APIClient``.
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        self._cache = self._cached()

    def remove(self, *repositories: str) -> None:
        """Remove the images of these repositories, and what the build cache got since."""
        for repository in repositories:
            for image in self._api.images(name=repository):
                for tag in image["RepoTags"] or ():
                    self._try("DELETE", f"/images/{tag}")
        # Records hold each other, the newest first.
        for _ in range(10):
            new = self._cached() - self._cache
            if not new:
                return
            for record in new:
                self._try("POST", "/build/prune?all=1&filters=" + json.dumps({"id": [record]}))

    def _cached(self) -> set[str]:
        return {record["ID"] for record in self._api.df().get("BuildCache") or ()}

    def _try(self, method: str, path: str) -> None:
        # Whatever fails here is only rubbish left: the figures count.
        with contextlib.suppress(Exception):
            self._api.request(method, f"{self._api.base_url}/v{self._api.api_version}{path}", timeout=60)


def log(text: str) -> None:
    """Tell how it goes, beside the result."""
    print(text, file=sys.stderr, flush=True)


# --- the comparison ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def workbench(stack: contextlib.ExitStack) -> Iterator[tuple[Path, str, Any]]:
    """Give a directory, a word for the names of this run, and Docker; remove whatever got that name."""
    import docker

    word = f"bench-{secrets.token_hex(3)}"
    api = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
    stack.callback(api.close)
    directory = Path(
        stack.enter_context(tempfile.TemporaryDirectory(prefix="containeriter-", ignore_cleanup_errors=True))
    )
    traces = Traces(api)
    stack.callback(traces.remove, f"localhost/containeriter/{word}", f"localhost/{word}/base", f"localhost/{word}/hand")
    yield directory, word, api


def compare(runs: int) -> dict[str, Any]:
    """Run both ways in turn and return the figures."""
    with contextlib.ExitStack() as stack, workbench(stack) as (directory, word, api):
        ours = Ours(directory, word)
        stack.callback(ours.clean)
        log("ours, the first iteration")
        model, sample = new_model(0)
        rounds = Rounds(first=ours.trial(model, sample))
        builder = find_builder(directory)
        image, interpreter = ours.lower_layers(model, sample, f"localhost/{word}/base:1")
        ours.session.engine().load(image)
        hand = ByHand(builder, directory / "context", image.reference, interpreter, f"localhost/{word}/hand")
        stack.callback(hand.clean)
        log(f"by hand, the first time, with {builder.name}")
        hand.trial(model, sample)
        for index in range(runs):
            one_round(rounds, ours, hand, index)
        return report(rounds, builder, api)


def one_round(rounds: Rounds, ours: Ours, hand: ByHand, index: int) -> None:
    """Take one new model both ways; who goes first changes from round to round."""
    model, sample = new_model(index + 1)
    ways = [(ours, rounds.ours), (hand, rounds.hand)]
    for way, trials in ways if index % 2 == 0 else reversed(ways):
        trials.append(way.trial(model, sample))
    log(f"round {index + 1}: ours {rounds.ours[-1].total:.3f} s, by hand {rounds.hand[-1].total:.3f} s")


def report(rounds: Rounds, builder: Builder, api: Any) -> dict[str, Any]:
    """Return all figures; seconds unless the name says otherwise."""
    ours, hand = middle(rounds.ours, OUR_PHASES), middle(rounds.hand, HAND_PHASES)
    ratios = [mine.total / theirs.total for mine, theirs in zip(rounds.ours, rounds.hand, strict=True)]
    return {
        "machine": {
            "cores": os.cpu_count(),
            "docker_engine": api.version()["Version"],
            "docker_command": builder.run("version", "--format", "{{.Client.Version}}"),
            "builder": builder.name,
            "python": sys.version.split()[0],
        },
        "model_bytes": len(pickle.dumps(new_model(0)[0], protocol=pickle.HIGHEST_PROTOCOL)),
        "rounds": len(ratios),
        "first": {**rounded(rounds.first), "sent_bytes": rounds.first.sent_bytes},
        "ours": {**ours, "sent_bytes": [trial.sent_bytes for trial in rounds.ours]},
        "by_hand": hand,
        "totals": {
            "ours": [round(t.total, 4) for t in rounds.ours],
            "by_hand": [round(t.total, 4) for t in rounds.hand],
        },
        "ratio_of_medians": round(ours["total"] / hand["total"], 3),
        "median_of_ratios": round(statistics.median(ratios), 3),
    }


def middle(trials: Sequence[Trial], phases: Sequence[str]) -> dict[str, float]:
    """Return the median of each phase, and of the total."""
    medians = {phase: statistics.median(trial.phases[phase] for trial in trials) for phase in phases}
    return rounded(Trial(medians, statistics.median(trial.total for trial in trials)))


def rounded(trial: Trial) -> dict[str, float]:
    """Return phases and total, to a tenth of a millisecond."""
    return {name: round(seconds, 4) for name, seconds in {**trial.phases, "total": trial.total}.items()}


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9, help="rounds (default: 9)")
    runs = max(1, parser.parse_args().runs)
    # A stop from outside cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(json.dumps(compare(runs), indent=2))
    except ContainerIterError as error:
        log(f"{error}")
        return 1
    except KeyboardInterrupt:
        log("Interrupted; everything is removed.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
