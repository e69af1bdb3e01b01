"""MLflow and BentoML, each from PyPI in an environment of its own, used as their documents say.

The environments are made once, below the user's cache directory, and used again; telemetry is off. Their models are
fitted and saved by a kernel of their own, so that what is timed is what a person in that environment would wait for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from workbench import Builder, Question, Served, Trial, Watch, kept_directory, log, run

HERE = Path(__file__).parent
SERVICES = HERE / "bento"
#: What is installed beside scikit-learn, which is the release that this project's models are of.
REQUIREMENTS = {
    "mlflow": ["mlflow>=3,<4"],
    # It asks for uv when it builds, and would install it then.
    "bentoml": ["bentoml>=1.4,<2", "uv"],
}
QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class Environment:
    """A rival's environment; made where it is not there yet.

    Parameters
    ----------
    name
        ``mlflow`` or ``bentoml``.
    home
        Where BentoML keeps models of this run.
    """

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        requirements = [*REQUIREMENTS[name], f"scikit-learn=={version('scikit-learn')}"]
        word = hashlib.sha256(json.dumps([sys.version, requirements]).encode()).hexdigest()[:8]
        self._root = kept_directory() / f"{name}-{word}"
        self.variables = {**os.environ, **QUIET, "BENTOML_HOME": str(home)}
        self.variables["PATH"] = os.pathsep.join((str(self._root / "bin"), os.environ["PATH"]))
        self._make(requirements)

    def _make(self, requirements: list[str]) -> None:
        done = self._root / "done"
        if done.exists():
            return
        log(f"installing {' '.join(requirements)}, once")
        shutil.rmtree(self._root, ignore_errors=True)
        run([sys.executable, "-m", "venv", self._root], os.environ)
        run([self.program("python"), "-m", "pip", "install", "--quiet", *requirements], os.environ)
        done.touch()

    def program(self, name: str) -> str:
        """Return the path of a program."""
        return str(self._root / "bin" / name)

    def version(self) -> str:
        """Return the rival's version."""
        words = f"import importlib.metadata as m; print(m.version({self.name!r}))"
        return run([self.program("python"), "-c", words], self.variables)


class Kernel:
    """A running :mod:`rival_kernel`.

    Parameters
    ----------
    environment
        Of the rival.
    """

    def __init__(self, environment: Environment) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [environment.program("python"), str(HERE / "rival_kernel.py"), environment.name],
            env=environment.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def ask(self, **job: Any) -> dict[str, Any]:
        """Have it fit or save."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise SystemExit(f"A rival's kernel ended: {self._log.read()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        self._process.communicate()
        self._log.close()


def mlflow_question(found: dict[str, Any]) -> Question:
    """Return a request of MLflow's scoring protocol."""
    return Question("/invocations", {"inputs": found["sample"]}, {"predictions": found["predictions"]})


def bentoml_question(found: dict[str, Any]) -> Question:
    """Return a request of the service in ``bento/``."""
    return Question("/predict", {"data": found["sample"]}, found["predictions"])


class MlflowImages(Served):
    """``save_model``, ``mlflow models build-docker``, ``docker run``.

    Parameters
    ----------
    environment
        Of MLflow.
    builder
        The ``docker`` command that it is to find.
    directory
        For models.
    repository
        Name of the images it builds.
    """

    def __init__(self, environment: Environment, builder: Builder, directory: Path, repository: str) -> None:
        super().__init__(builder, repository, 8080)
        self._environment = environment
        self._directory = directory
        self._kernel = Kernel(environment)

    #: What is not as it is shipped.
    changes: ClassVar[list[str]] = [
        "Saved as a pickle: what it saves by default (skops) refuses to load trees.",
        "--env-manager local: its default fetches Python's source from GitHub and builds it; this takes less time.",
    ]

    @staticmethod
    def base_images() -> list[str]:
        """Return what its Dockerfile asks for."""
        return [f"python:{platform.python_version()}-slim"]

    def trial(self, seed: int) -> Trial:
        """Save, build, run, and ask until the prediction is right."""
        question = mlflow_question(self._kernel.ask(do="forest", seed=seed))
        place, tag = str(self._directory / f"model-{seed}"), self.new_tag()
        program = self._environment.program("mlflow")
        watch = Watch()
        self._kernel.ask(do="save", place=place)
        watch.lap("save")
        words = ["--model-uri", place, "--name", tag, "--env-manager", "local"]
        run([program, "models", "build-docker", *words], docker_variables(self._environment, self._builder))
        watch.lap("build")
        self.run(tag, question, watch)
        shutil.rmtree(place)
        return watch.trial()

    def clean(self) -> None:
        """Leave nothing."""
        self._kernel.close()
        super().clean()


class BentoImages(Served):
    """``save_model``, ``bentoml build``, ``bentoml containerize``, ``docker run``; parameters as of MLflow."""

    def __init__(self, environment: Environment, builder: Builder, directory: Path, repository: str) -> None:
        super().__init__(builder, repository, 3000)
        self._environment = environment
        self._services = directory / "bento"
        shutil.copytree(SERVICES, self._services)
        self._kernel = Kernel(environment)

    #: What is not as it is shipped.
    changes: ClassVar[list[str]] = []

    @staticmethod
    def base_images() -> list[str]:
        """Return what its Dockerfile asks for."""
        return ["python:{}.{}-slim".format(*platform.python_version_tuple())]

    def trial(self, seed: int) -> Trial:
        """Save, build, containerize, run, and ask until the prediction is right."""
        question = bentoml_question(self._kernel.ask(do="forest", seed=seed))
        variables, tag = docker_variables(self._environment, self._builder), self.new_tag()
        program = self._environment.program("bentoml")
        watch = Watch()
        self._kernel.ask(do="save", place="bench")
        watch.lap("save")
        bento = run([program, "build", "--output", "tag"], variables, self._services).rpartition("__tag__:")[2]
        watch.lap("build")
        run([program, "containerize", bento, "--image-tag", tag], variables)
        watch.lap("containerize")
        self.run(tag, question, watch)
        return watch.trial()

    def clean(self) -> None:
        """Leave nothing."""
        self._kernel.close()
        super().clean()


def docker_variables(environment: Environment, builder: Builder) -> dict[str, str]:
    """Return a rival's variables, with this ``docker`` first on its path."""
    path = os.pathsep.join((builder.environment["PATH"], environment.variables["PATH"]))
    return {**environment.variables, "DOCKER_BUILDKIT": builder.environment["DOCKER_BUILDKIT"], "PATH": path}


@contextlib.contextmanager
def kernel(environment: Environment) -> Iterator[Kernel]:
    """Give a kernel that ends with the block."""
    one = Kernel(environment)
    try:
        yield one
    finally:
        one.close()
