"""What was done: timed, read, drawn, compared, brought back."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.api import kernel
from jupyter_containeriter.arguments import check
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.show.live import watched

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jupyter_containeriter.comparison import VersionChanges
    from jupyter_containeriter.exchange import Exported, Merged
    from jupyter_containeriter.progress import Progress
    from jupyter_containeriter.restoring import Restored
    from jupyter_containeriter.road.timed import TimedIteration
    from jupyter_containeriter.show.iterations import Iterations
    from jupyter_containeriter.show.report import Report


def iteration(
    name: str,
    *,
    method: str,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    note: str = "",
) -> TimedIteration:
    """Time any other way of deploying a model into the same history, so that ways can be compared.

    Parameters
    ----------
    name
        The model's name, whose versions are counted on.
    method
        How it is deployed, in words: ``"docker build"``.
    params, metrics, tags, note
        Kept with the iteration; they may be set within the block, too.

    Returns
    -------
    TimedIteration
        A block: ``with citer.iteration("churn", method="docker build") as it:``. In it, ``with it.phase("build"):``
        times a phase, ``it.check(expected, got)`` compares predictions, and ``it.done()`` ends the time before the
        block does. A block that raises is recorded as failed, one that is interrupted as interrupted.

    Raises
    ------
    BusyError
        The name is being worked on; by the block, when it begins.
    """
    check(name=name, params=params, metrics=metrics, tags=tags, note=note)
    check(method=method)
    given = {"params": dict(params or {}), "metrics": dict(metrics or {}), "tags": dict(tags or {}), "note": note}
    return kernel.session().iteration(name, method, notebook=kernel.notebook_name(), **given)


def iterations(name: str | None = None, last: int | None = None, *, where: str | None = None) -> Iterations:
    """Return the history as a typed DataFrame, one row an iteration, oldest first; a notebook shows the newest first.

    Parameters
    ----------
    name
        Only this model.
    last
        Only the last ones.
    where
        Only those where this is true: a pandas query over columns, metrics and params by their names, for example
        ``"accuracy > 0.9 and status == 'verified'"``.
    """
    check(name=name, last=last, where=where)
    if last is not None and last < 1:
        raise UsageError("--last must be at least 1.", "Leave it out for the whole history.")
    return kernel.session().iterations(name, last, where)


def compare(name: str, before: int, after: int) -> VersionChanges:
    """Tell what changed from one version of a model to another: params, metrics, times, packages, code, data, layers.

    What is no longer known, because an image is gone, is said in the answer.

    Raises
    ------
    NotFoundError
        There is no such version.
    """
    check(model=name, version=before)
    check(version=after)
    return kernel.session().compare(name, int(before), int(after))


def restore(reference: str) -> Any:
    """Bring the model of ``NAME[:VERSION]`` back from its image, and return it.

    How this kernel differs is told before anything is loaded; in the end its predictions of the stored sample are
    compared with those of then.

    Raises
    ------
    NotFoundError
        There is no such version, or its image is no longer in the layer cache.
    RestoreError
        It cannot be loaded in this kernel.
    """
    check(reference=reference)
    restored = run_restore(reference)
    if restored.failed:
        # Who only gets the object would not know.
        warnings.warn(restored.text(), stacklevel=2)
    return restored.model


def run_restore(reference: str, variable: str = "") -> Restored:
    """Restore with progress shown; ``variable`` is what the model will be called."""
    from jupyter_containeriter.restoring import PHASES

    def call(progress: Progress) -> Restored:
        return kernel.session().restore(reference, progress).named(variable)

    return watched(f"Restoring {reference}", call, phases=PHASES)


def plot(
    kind: str = "phases",
    name: str | None = None,
    *,
    metric: str | None = None,
    better: str | None = None,
    by: str | None = None,
) -> Figure:
    """Draw the history; returns a matplotlib Figure with the finding as its title.

    Parameters
    ----------
    kind
        ``phases`` (where the time went), ``trend`` (how long iterations take, with the running median), ``rhythm`` (by
        weekday and hour), ``metric`` (over iterations and over time spent), ``compare`` (methods or other groups),
        ``dora`` (deployments, lead time, failures, time to restore by week) or ``overhead`` (from load tests).
    name
        Only this model; all without it.
    metric
        Of ``metric``: which one; the first one recorded by default.
    better
        Of ``metric``: ``"higher"`` or ``"lower"``; by the metric's name where not given.
    by
        Of ``compare``: a column, or the key of a tag; ``method`` by default.

    Raises
    ------
    NotFoundError
        There is no such model in the history.
    UsageError
        There is no such kind, metric or group, or the kind takes no such option.
    """
    check(kind=kind, name=name, metric=metric, better=better, by=by)
    return kernel.session().plot(kind, name, metric=metric, better=better, by=by)


def report(name: str, path: str | os.PathLike[str] = "") -> Report:
    """Write the history of a model as one HTML page to send: findings, charts, iterations, definitions.

    Parameters
    ----------
    name
        The model's name.
    path
        The file, ``NAME-report.html`` by default. An earlier report is replaced, anything else is not.

    Raises
    ------
    NotFoundError
        There is no such model in the history.
    UsageError
        The file cannot be written, or is something else than a report.
    """
    check(model=name, path=path)
    return kernel.session().report(name, os.fspath(path))


def export(path: str | os.PathLike[str], name: str | None = None) -> Exported:
    """Write the iterations of one model or of all to ``….parquet`` or ``….csv``, in place of what is there.

    :func:`merge` brings them back exactly: mappings are JSON text, times have their zone.

    Raises
    ------
    NotFoundError
        There is no such model.
    UsageError
        The path ends otherwise or cannot be written, or the extra ``parquet`` is not installed.
    """
    check(path=path, name=name)
    return kernel.session().export(os.fspath(path), name)


def merge(source: str | os.PathLike[str]) -> Merged:
    """Bring in what another history holds and this one does not; nothing is there twice, however often it is merged.

    Parameters
    ----------
    source
        A history (a file, or ``postgresql://user@host/database``), or what :func:`export` wrote.

    Raises
    ------
    UsageError
        There is no such file, or it holds no history.
    HistoryError
        One of the two cannot be used now.
    """
    check(path=source)
    return kernel.session().merge(os.fspath(source))
