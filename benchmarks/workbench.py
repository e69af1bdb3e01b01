"""What every comparison needs: a directory and names that go away, a ``docker`` command, a stop watch."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
import urllib3

from jupyter_containeriter.errors import ContainerIterError

POLL_SECONDS = 0.005
READY_SECONDS = 120.0


class UnavailableError(Exception):
    """A rival cannot be measured here; the message says why."""


def log(text: str) -> None:
    """Tell how it goes, beside the result."""
    print(text, file=sys.stderr, flush=True)


def kept_directory() -> Path:
    """Return where rivals' environments stay from one run to the next."""
    return platformdirs.user_cache_path("jupyter_containeriter-bench", ensure_exists=True)


def command(text: str, measure: Callable[[int | None], dict[str, Any]]) -> int:
    """Be a program that measures and prints one JSON object.

    Parameters
    ----------
    text
        What it is, for ``--help``.
    measure
        Takes the number of rounds, None for its own default.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="rounds")
    runs = parser.parse_args().runs
    # A stop from outside cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(json.dumps(measure(runs), indent=2))
    except ContainerIterError as error:
        log(f"{error}")
        return 1
    except KeyboardInterrupt:
        log("Interrupted; everything is removed.")
        return 130
    return 0


def judged(value: float, *, least: float | None = None, most: float | None = None) -> dict[str, Any]:
    """Return a figure beside what we want it to be."""
    met = (least is None or value >= least) and (most is None or value <= most)
    goal = f"at least {least:g}" if least is not None else f"at most {most:g}"
    return {"value": round(value, 3), "goal": goal, "met": met}


# --- time ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """One model on its way: seconds of each phase and in total; ``notes`` are other figures."""

    phases: dict[str, float]
    total: float
    notes: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """Return all of it."""
        return {**self.phases, "total": self.total, **self.notes}


class Watch:
    """Measures phases, one after the other."""

    def __init__(self) -> None:
        self._marks = [time.monotonic()]
        self._names: list[str] = []

    def lap(self, name: str) -> None:
        """End a phase."""
        self._marks.append(time.monotonic())
        self._names.append(name)

    def trial(self) -> Trial:
        """Return all phases."""
        seconds = [after - before for before, after in itertools.pairwise(self._marks)]
        return Trial(dict(zip(self._names, seconds, strict=True)), self._marks[-1] - self._marks[0])


def middle(trials: Sequence[Trial]) -> dict[str, float]:
    """Return the median of each figure."""
    all_figures = [trial.figures() for trial in trials]
    return rounded({name: statistics.median(one[name] for one in all_figures) for name in all_figures[0]})


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Return figures to the fourth decimal place."""
    return {name: round(value, 4) for name, value in figures.items()}


# --- HTTP ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A request for a prediction, and what the right answer is."""

    path: str
    body: Any
    answer: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        return json.dumps(self.body).encode()


def await_answer(port: int, question: Question, logs: Callable[[], str]) -> None:
    """Ask until the right answer comes; a wrong one, or none for too long, ends everything."""
    pool = urllib3.PoolManager(retries=False, timeout=5)
    url = f"http://127.0.0.1:{port}{question.path}"
    headers = {"Content-Type": "application/json", **question.headers}
    said, began = "nothing", time.monotonic()
    while time.monotonic() - began < READY_SECONDS:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            response = pool.request("POST", url, body=question.content, headers=headers)
            said = f"{response.status} {response.data[:300]!r}"
            if response.status == 200:
                if json.loads(response.data) == question.answer:
                    return
                raise SystemExit(f"{url} answers {said} instead of {question.answer}.")
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"{url} answers {said} after {READY_SECONDS:g} s; its log: {logs()}")


def free_port() -> int:
    """Return a port that is free now: a person knows theirs, and asking the engine for it would cost time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- the docker command --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Builder:
    """A ``docker`` command and the builder it uses."""

    command: str
    name: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make it, or whatever runs the first ``docker`` on the path, use this builder."""
        path = os.pathsep.join((os.path.dirname(self.command), os.environ["PATH"]))  # noqa: PTH120
        return {**os.environ, "PATH": path, "DOCKER_BUILDKIT": "0" if self.name == "classic" else "1"}

    def run(self, *arguments: str) -> str:
        """Run a verb of ``docker``; a failure shows its words."""
        return run([self.command, *arguments], self.environment)

    def succeeds(self, *arguments: str, patience: float | None = None) -> bool:
        """Whether a verb of ``docker`` succeeds."""
        command = [self.command, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False, timeout=patience)
        return done.returncode == 0


def run(command: Sequence[str | Path], environment: Mapping[str, str], directory: Path | None = None) -> str:
    """Run a command and return what it says; a failure shows its words and ends everything."""
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-5000:]}{done.stderr[-5000:]}")
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
        if builder.succeeds("build", "--quiet", "--output", f"type=local,dest={context / 'out'}", str(context)):
            return builder
    return Builder(commands[0], "classic")


class Served:
    """Runs containers of a ``docker`` command, one at a time.

    Parameters
    ----------
    builder
        The command.
    repository
        Name of the images.
    port
        Where they listen, inside.
    """

    def __init__(self, builder: Builder, repository: str, port: int) -> None:
        self._builder = builder
        self._repository = repository
        self._inner_port = port
        self._tags: list[str] = []
        self._container = ""

    def new_tag(self) -> str:
        """Return the name of one more image."""
        self._tags.append(f"{self._repository}:{len(self._tags) + 1}")
        return self._tags[-1]

    def run(self, tag: str, question: Question, watch: Watch) -> None:
        """Run an image and ask until the right answer comes; then stop, outside the timed part."""
        port = free_port()
        self._container = self._builder.run("run", "-d", "--rm", "-p", f"127.0.0.1:{port}:{self._inner_port}", tag)
        watch.lap("run")
        await_answer(port, question, lambda: self._builder.run("logs", self._container))
        watch.lap("ready")
        self.stop()

    def stop(self) -> None:
        """Stop what runs."""
        if self._container:
            self._builder.run("rm", "--force", self._container)
            self._container = ""

    def clean(self) -> None:
        """Stop what runs and remove the images."""
        self.stop()
        for tag in self._tags:
            self._builder.succeeds("rmi", tag)


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
        for _ in range(30):
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


def directory(stack: contextlib.ExitStack) -> Path:
    """Return a directory for this run."""
    kept = tempfile.TemporaryDirectory(prefix="containeriter-", ignore_cleanup_errors=True)
    return Path(stack.enter_context(kept))


def workbench(stack: contextlib.ExitStack) -> tuple[Path, str, Any]:
    """Return a directory, a word for the names of this run, and Docker; what gets that name is removed."""
    import docker

    word = f"bench-{secrets.token_hex(3)}"
    api = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
    stack.callback(api.close)
    path = directory(stack)
    stack.callback(Traces(api).remove, f"localhost/containeriter/{word}*", f"localhost/{word}/*")
    return path, word, api
