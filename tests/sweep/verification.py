"""One estimator to a verified container, in a process that works through many of them."""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from dataclasses import dataclass

from estimators import NotFittedError, fit


@dataclass(frozen=True)
class Outcome:
    """What became of one estimator in one form."""

    estimator: str
    form: str
    outcome: str
    call: str = ""
    reason: str = ""
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """Estimator and form."""
        return f"{self.estimator} ({self.form})"


def prepare(directory: str) -> None:
    """Make a worker's place: a history of its own, the layer cache that all share, nothing on the screen."""
    os.environ["CONTAINERITER_CACHE_DIR"] = f"{directory}/cache"
    os.environ["CONTAINERITER_DATA_DIR"] = f"{directory}/data-{os.getpid()}"
    warnings.simplefilter("ignore")


def verify(kind: type, form: str) -> Outcome:
    """Fit an estimator, take it to a container, and stop that again."""
    import jupyter_containeriter as citer

    try:
        fitted = fit(kind, form)
    except NotFittedError as error:
        return Outcome(kind.__name__, form, "not fitted", reason=str(error))
    name = f"{kind.__name__}-{form}".lower()
    begin = time.monotonic()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            deployment = citer.containerize(
                fitted.model, name=name, sample=fitted.sample, predict=fitted.call, engine="sandbox"
            )
            deployment.stop()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what became of this one)
        return Outcome(kind.__name__, form, "failed", fitted.call, f"{type(error).__name__}: {error}")
    seconds = time.monotonic() - begin
    parity = deployment.parity
    if parity not in ("exact", "close"):
        return Outcome(kind.__name__, form, "failed", fitted.call, f"parity is {parity}", seconds)
    return Outcome(kind.__name__, form, parity, fitted.call, seconds=seconds)
