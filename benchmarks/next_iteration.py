"""How long until a changed model serves correct predictions: our next iteration, by hand, and with rivals.

All take a new model of the same kind and size to the same engine, one after the other in every round; who goes first
changes. One iteration of each way is run before and not counted (``first``), so that every cache is warm:

ours hot
    ``Session.containerize``: capture, build, load, start and verify, as the history recorded them. The server that runs
    takes the new model in; the image is built and loaded as well. ``call`` is how long the call took, with what it does
    after the model is verified. For its first one layer cache and history are empty; an engine that holds equal layers
    already is sent less, as ``sent_bytes`` shows.
ours fresh
    The same with ``fresh=True``: a new container from the new image.
by hand
    Pickle, ``docker build`` of a Dockerfile that copies the model last (so that all below it is cached),
    ``docker run``, and asking until the first correct prediction comes back. BuildKit where the ``docker`` command has
    it. Its base is made of the very layers below our model; its server is a bare ASGI application on the same uvicorn.
mlflow
    ``save_model``, ``mlflow models build-docker``, ``docker run``, and asking.
bentoml
    ``save_model``, ``bentoml build``, ``bentoml containerize``, ``docker run``, and asking.

Rivals are installed from PyPI and used as they come, with the commands they document; ``changes`` says what had to be
different. Their base images are pulled; what cannot be pulled is made here (``slim_base.py``). A rival that cannot be
measured is reported with the reason. What ran before is stopped outside the timed part.

Run with ``make bench``; prints one JSON object.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import statistics
import sys
from pathlib import Path
from typing import Any, Protocol

from by_hand import ByHand
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter
from models import forest
from ours import Ours
from rivals import BentoImages, Environment, MlflowImages
from slim_base import SlimBase
from workbench import Builder, Trial, UnavailableError, command, find_builder, judged, log, middle, rounded, workbench

OURS, FRESH, HAND = "ours hot", "ours fresh", "by hand"
RIVALS: dict[str, type[MlflowImages | BentoImages]] = {"mlflow": MlflowImages, "bentoml": BentoImages}
ROUNDS = 7
#: How many times as fast as another way we want to be.
GOALS = {HAND: 9.0}


class Way(Protocol):
    """A way from a model to a container."""

    def trial(self, seed: int) -> Trial:
        """Take a new model all the way."""

    def clean(self) -> None:
        """Leave nothing behind."""


class Race:
    """All ways, their trials, and what is to be known of them.

    Parameters
    ----------
    stack
        Cleans up.
    """

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._seeds = iter(range(1_000_000))
        self.ways: dict[str, Way] = {}
        self.first: dict[str, Trial] = {}
        self.trials: dict[str, list[Trial]] = {}
        self.about: dict[str, dict[str, Any]] = {}

    def enter(self, name: str, way: Way, **about: Any) -> None:
        """Let a way take part, after an iteration that does not count."""
        log(f"{name}, the first time")
        self._stack.callback(way.clean)
        self.first[name] = way.trial(next(self._seeds))
        self.ways[name], self.trials[name], self.about[name] = way, [], about

    def round(self, index: int) -> None:
        """Take one new model each way; no two get the same one, so nobody finds it in a cache."""
        names = list(self.ways)
        start = index % len(names)
        for name in names[start:] + names[:start]:
            self.trials[name].append(self.ways[name].trial(next(self._seeds)))
        log(f"round {index + 1}: " + ", ".join(f"{name} {self.trials[name][-1].total:.3f} s" for name in names))


def compare(runs: int | None) -> dict[str, Any]:
    """Run all ways in turn and return the figures."""
    with contextlib.ExitStack() as stack:
        directory, word, api = workbench(stack)
        race = Race(stack)
        session = Session(session_settings(directory))
        ours = Ours(session, word, RunOptions())
        race.enter(OURS, ours)
        race.enter(FRESH, Ours(session, f"{word}-fresh", RunOptions(fresh=True)))
        builder = find_builder(directory)
        image, interpreter = ours.lower_layers(0, f"localhost/{word}/base:1")
        session.engine().load(image)
        race.enter(HAND, ByHand(builder, directory / "context", image.reference, interpreter, f"localhost/{word}/hand"))
        base = SlimBase(builder, directory / "slim", f"localhost/{word}/slim:1")
        stack.callback(base.remove)
        for name in RIVALS:
            enter_rival(race, name, builder, base, directory / name, f"localhost/{word}/{name}")
        for index in range(runs or ROUNDS):
            race.round(index)
        return {"machine": machine(builder, api), **report(race)}


def enter_rival(race: Race, name: str, builder: Builder, base: SlimBase, directory: Path, repository: str) -> None:
    """Let a rival take part, or note why it cannot."""
    directory.mkdir()
    environment = Environment(name, directory / "home")
    rival = RIVALS[name]
    try:
        changes = base.provide(rival.base_images())
    except UnavailableError as error:
        race.about[name] = {"not_measured": str(error)}
        return
    way = rival(environment, builder, directory, repository)
    race.enter(name, way, version=environment.version(), changes=[*rival.changes, *changes])


def session_settings(directory: Path) -> ContainerIter:
    """Return settings with an empty history and an empty layer cache."""
    return ContainerIter(data_dir=str(directory / "data"), cache_dir=str(directory / "cache"), engine="docker")


def machine(builder: Builder, api: Any) -> dict[str, Any]:
    """Return where this was measured."""
    return {
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "docker_engine": api.version()["Version"],
        "docker_command": builder.run("version", "--format", "{{.Client.Version}}"),
        "builder": builder.name,
        "python": sys.version.split()[0],
    }


def report(race: Race) -> dict[str, Any]:
    """Return all figures; seconds unless the name says otherwise."""
    ways = {
        name: {
            **race.about[name],
            "first": rounded(race.first[name].figures()),
            "median": middle(trials),
            "totals": [round(trial.total, 4) for trial in trials],
        }
        for name, trials in race.trials.items()
    }
    return {
        "model_bytes": len(pickle.dumps(forest(0)[0], protocol=pickle.HIGHEST_PROTOCOL)),
        "rounds": len(race.trials[OURS]),
        "seconds": {**race.about, **ways},
        "ratios": {f"{name} / {OURS}": ratio(race, name) for name in race.trials if name != OURS},
    }


def ratio(race: Race, name: str) -> dict[str, Any]:
    """Return how many times as long another way takes."""
    mine, theirs = ([trial.total for trial in race.trials[way]] for way in (OURS, name))
    value = statistics.median(theirs) / statistics.median(mine)
    found = judged(value, least=GOALS[name]) if name in GOALS else {"value": round(value, 3)}
    rounds = statistics.median(other / own for own, other in zip(mine, theirs, strict=True))
    return {**found, "median_of_rounds": round(rounds, 3)}


if __name__ == "__main__":
    sys.exit(command(__doc__, compare))
