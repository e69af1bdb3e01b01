"""The report of a model's history: its findings, charts and iterations as one HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_containeriter import analytics
from jupyter_containeriter.errors import NotFoundError, UsageError
from jupyter_containeriter.show.report import MARK, Chart, Report, report_page

if TYPE_CHECKING:
    from pandas import DataFrame

    from jupyter_containeriter.session import Session
    from jupyter_containeriter.show.iterations import Iterations

_METRICS = 6


def report(session: Session, name: str, path: str = "") -> Report:
    """Write what there is to tell of a model's iterations.

    Parameters
    ----------
    session
        Has the history.
    name
        The model.
    path
        The HTML file, ``NAME-report.html`` in the working directory by default. An earlier report is replaced,
        anything else is not.

    Raises
    ------
    NotFoundError
        There is no such model in the history.
    UsageError
        The file cannot be written, or is something else than a report.
    """
    iterations = _iterations(session, name)
    target = Path(path or f"{name}-report.html").expanduser()
    _check(target)
    page, findings = _drawn(session, name, iterations)
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}.", "Give another PATH.") from error
    return Report(name, str(target), findings)


def page(session: Session, name: str) -> str:
    """Return the page itself, for whoever shows it without a file.

    Raises
    ------
    NotFoundError
        There is no such model in the history.
    """
    return _drawn(session, name, _iterations(session, name))[0]


def _iterations(session: Session, name: str) -> Iterations:
    iterations = session.iterations(name)
    if iterations.empty:
        raise NotFoundError(f"There is no iteration of {name}.", f"Make one: %containerize MODEL --name {name}.")
    return iterations


def _drawn(session: Session, name: str, iterations: Iterations) -> tuple[str, tuple[str, ...]]:
    """Return the page, and what its charts say."""
    charts = list(_charts(session, name, iterations))
    text = report_page(name, charts, iterations.html(), datetime.now(UTC))
    return text, tuple(chart.finding for chart in charts)


def _check(target: Path) -> None:
    """Raise UsageError where something is that nobody wants to lose."""
    if target.is_dir():
        raise UsageError(f"{target} is a directory.", f"Name a file in it: {target / 'report.html'}.")
    try:
        with target.open(encoding="utf-8", errors="replace") as file:
            ours = file.read(len(MARK)) in {MARK, ""}
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}.", "Give another PATH.") from error
    if not ours:
        raise UsageError(f"{target} is there already, and is not a report.", "Give another PATH, or remove it.")


def _charts(session: Session, name: str, frame: DataFrame) -> Iterator[Chart]:
    """Draw every kind of chart that has something to show."""
    events, loads = session.history.events(name), session.history.loads(name)
    for kind, options in _wanted(frame):
        figure: Any = analytics.plot(kind, frame, name, events=events, loads=loads, **options)
        # A figure without a title only says how to get data.
        if figure.get_suptitle():
            yield Chart(figure.get_suptitle().replace("\n", " "), figure._repr_png_()[0])


def _wanted(frame: DataFrame) -> Iterator[tuple[str, dict[str, str]]]:
    """Return kinds and their options: each metric, and each way in which iterations can be compared."""
    from jupyter_containeriter.analytics.metric import metric_names

    for kind in analytics.KINDS:
        if kind == "metric":
            yield from (("metric", {"metric": metric}) for metric in metric_names(frame)[:_METRICS])
        elif kind == "compare":
            yield from (("compare", {"by": by}) for by in ("method", "engine") if _several(frame, by))
        else:
            yield kind, {}


def _several(frame: DataFrame, column: str) -> bool:
    return int(frame[column].replace("", None).nunique()) > 1
