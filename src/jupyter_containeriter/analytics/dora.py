"""Deployment frequency, lead time, change failure rate and time to restore, week by week (dora.dev)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jupyter_containeriter.plurals import counted

from .look import INK, blank, dress, duration, no_iterations, say_within, scale_times, subject
from .palette import COLORS, FAILED
from .rows import ended, promoted, seconds, statuses

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_HEIGHT = 4.8
_SHOWN = 52
_KEYS = ["name", "version"]


def dora_changes(frame: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Return every change, whether it failed, and how long it took until the name was served well again.

    A *change* is an iteration that ended verified, deployed or failed. A *change failure* is a failed one, or one that
    went into service and was rolled back later: by a rollback, or by deploying an earlier version in its place. It is
    *restored* at the next rollback of its name, or when the next iteration goes into service that is not rolled back
    itself; the time counts from the end of the failed iteration, or from when the version that was rolled back last
    went into service.

    Parameters
    ----------
    frame
        Iterations, with ``name``, ``version``, ``status``, ``finished_at`` and ``lead_seconds``.
    events
        Events, with the columns :data:`~jupyter_containeriter.types.EVENT_COLUMNS`.

    Returns
    -------
    DataFrame
        By their ends: ``name``, ``version``, ``ended`` (UTC), ``deployed``, ``failure``, ``lead_seconds``,
        ``restore_seconds`` (NaN of those that did not fail, or that are not restored yet).
    """
    good = promoted(frame)
    rows = pd.DataFrame(
        {
            "name": frame["name"].astype(str),
            "version": pd.to_numeric(frame["version"]).astype("Int64"),
            "ended": ended(frame),
            "deployed": good,
            "lead_seconds": seconds(frame, "lead_seconds").where(good),
        }
    )
    rows = rows[(good | (statuses(frame) == "failed")) & rows["ended"].notna()]
    rows = rows.sort_values("ended", kind="stable").reset_index(drop=True)
    back = _rollbacks(events)
    last = back.groupby(_KEYS, as_index=False)["happened_at"].max() if len(back) else back
    rows = rows.merge(last, how="left", on=_KEYS)
    rolled_back = rows.pop("happened_at").notna() & rows["deployed"]
    rows["failure"] = ~rows["deployed"] | rolled_back
    began = _last_in_service(rows, events, back).where(rolled_back, rows["ended"])
    rows["restore_seconds"] = _until_restored(rows, began, back).where(rows["failure"])
    return rows


def _events(events: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": events["name"].astype(str),
            "version": pd.to_numeric(events["version"]).astype("Int64"),
            "previous": pd.to_numeric(events["previous"]).astype("Int64"),
            "kind": events["kind"].astype(str),
            "happened_at": pd.to_datetime(events["happened_at"], utc=True),
        }
    )


def _rollbacks(events: pd.DataFrame) -> pd.DataFrame:
    """Return name, the version that was rolled back, and when."""
    found = _events(events)
    earlier = (found["version"] < found["previous"]).fillna(value=False).astype(bool)
    back = (found["kind"] == "rollback") | ((found["kind"] == "deploy") & earlier)
    found = found[back & found["previous"].notna()]
    return pd.DataFrame({"name": found["name"], "version": found["previous"], "happened_at": found["happened_at"]})


def _last_in_service(rows: pd.DataFrame, events: pd.DataFrame, back: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    """Return when each change last went into service before its last rollback: by its iteration, or by an event."""
    again = _events(events)
    again = again.loc[again["kind"] != "undeploy", [*_KEYS, "happened_at"]].rename(columns={"happened_at": "again"})
    before = pd.merge_asof(
        back.sort_values("happened_at"),
        again.sort_values("again"),
        left_on="happened_at",
        right_on="again",
        by=_KEYS,
        allow_exact_matches=False,
    )
    latest = before.groupby(_KEYS, as_index=False)["again"].max()
    began = rows.merge(latest, how="left", on=_KEYS)["again"]
    return began.where(began > rows["ended"], rows["ended"])


def _until_restored(rows: pd.DataFrame, began: pd.Series[pd.Timestamp], back: pd.DataFrame) -> pd.Series[float]:
    """Return the seconds from each beginning to the next moment at which something good went into service."""
    good = rows.loc[rows["deployed"] & ~rows["failure"], ["name", "ended"]].set_axis(["name", "at"], axis="columns")
    moments = pd.concat([good, back[["name", "happened_at"]].set_axis(["name", "at"], axis="columns")])
    result = pd.Series(np.nan, index=rows.index)
    for name, some in rows.groupby("name"):
        at = np.sort(_stamps(moments.loc[moments["name"] == name, "at"]))
        from_ = _stamps(began[some.index])
        place = np.searchsorted(at, from_, side="right")
        found = place < len(at)
        result[some.index[found]] = (at[place[found]] - from_[found]) / 1e6
    return result


def _stamps(times: pd.Series[pd.Timestamp]) -> NDArray[np.int64]:
    return times.to_numpy("datetime64[us]").astype("int64")


def dora_metrics(frame: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Return the four key metrics of software delivery for each ISO week (UTC) from the first change to the last.

    Parameters
    ----------
    frame, events
        As for :func:`dora_changes`, which defines what a change and its failure are.

    Returns
    -------
    DataFrame
        One row a week, by its Monday: ``deployments`` (iterations that went into service), ``lead_seconds`` (median of
        these), ``changes``, ``failures``, ``change_failure_rate`` (failures / changes, NaN without changes),
        ``restore_seconds`` (median of this week's failures that were restored, whenever that was).

    References
    ----------
    DORA's metrics of software delivery performance, https://dora.dev/research/.
    """
    rows = dora_changes(frame, events)
    # ISO weeks begin on Monday.
    day = rows["ended"].dt.tz_localize(None).dt.normalize()
    week = day - pd.to_timedelta(day.dt.day_of_week, unit="D")
    grouped = rows.groupby(week.rename("week"))
    found = pd.DataFrame(
        {
            "deployments": grouped["deployed"].sum(),
            "lead_seconds": grouped["lead_seconds"].median(),
            "changes": grouped.size(),
            "failures": grouped["failure"].sum(),
            "restore_seconds": grouped["restore_seconds"].median(),
        }
    )
    if len(found):
        found = found.reindex(pd.date_range(found.index[0], found.index[-1], freq="7D", name="week"))
    counts = ["deployments", "changes", "failures"]
    found[counts] = found[counts].fillna(0).astype("int64")
    found["change_failure_rate"] = found["failures"] / found["changes"].where(found["changes"] > 0)
    return found[["deployments", "lead_seconds", "changes", "failures", "change_failure_rate", "restore_seconds"]]


# --- the picture ----------------------------------------------------------------------------------------------------


def plot_dora(frame: pd.DataFrame, name: str | None = None, *, events: pd.DataFrame) -> Figure:
    """Draw the four key metrics, week by week.

    Parameters
    ----------
    frame
        Iterations.
    name
        Whose they are, where it is only one model.
    events
        Events of the same models.

    Returns
    -------
    Figure
        A panel each. At most the last 52 weeks are drawn; the finding is of all of them.
    """
    if frame.empty:
        return no_iterations(name)
    rows, weeks = dora_changes(frame, events), dora_metrics(frame, events)
    figure = blank(_HEIGHT, _title(frame, rows, len(weeks)))
    panels = figure.subplots(2, 2, sharex=True).ravel()
    weeks = weeks.tail(_SHOWN)
    x = np.arange(len(weeks))
    _draw_bars(panels[0], x, weeks["deployments"].to_numpy("float64"), "deployments", COLORS["build"])
    _draw_times(panels[1], x, weeks["lead_seconds"], "lead time (median)", COLORS["capture"], "none was recorded")
    rates = 100 * weeks["change_failure_rate"].to_numpy("float64")
    _draw_bars(panels[2], x, rates, "change failures", FAILED)
    panels[2].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
    without = "no change failed" if not rows["failure"].any() else "none is restored yet"
    _draw_times(panels[3], x, weeks["restore_seconds"], "time to restore (median)", COLORS["load"], without)
    if not rows["failure"].any():
        say_within(panels[2], without)
    _write_weeks(panels, weeks)
    return figure


def _draw_bars(axes: Axes, x: NDArray[np.int64], heights: NDArray[np.float64], label: str, color: str) -> None:
    axes.bar(x, np.nan_to_num(heights), 0.72, color=color)
    axes.set_ylabel(label, color=INK)
    axes.set_ylim(0, 1.15 * float(np.nan_to_num(heights).max(initial=0)) or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    dress(axes)


def _draw_times(
    axes: Axes, x: NDArray[np.int64], times: pd.Series[float], label: str, color: str, without: str
) -> None:
    """Draw times; a week without one interrupts the line."""
    y = times.to_numpy("float64")
    axes.set_ylabel(label, color=INK)
    dress(axes)
    if not np.isfinite(y).any():
        say_within(axes, without)
        return
    axes.plot(x, y, "o-", color=color, ms=4.5, lw=1.6)
    scale_times(axes, "y", y)


def _write_weeks(panels: NDArray[np.object_], weeks: pd.DataFrame) -> None:
    count = len(weeks)
    every = max(1, -(-count // 6))
    places = list(range(0, count, every))
    labels = [f"{weeks.index[place]:%-d %b\n%Y}" if place == 0 else f"{weeks.index[place]:%-d %b}" for place in places]
    for panel in panels[2:]:
        panel.set_xticks(places, labels)
        panel.set_xlabel("week that begins on Monday (UTC)", color=INK)
    # A single week must not fill the panel.
    panels[0].set_xlim(-0.6, max(count, 8) - 0.4)


def _title(frame: pd.DataFrame, rows: pd.DataFrame, weeks: int) -> str:
    text = f"{subject(frame)}, {counted(weeks, 'week')}"
    if weeks > _SHOWN:
        text += f" (last {_SHOWN} shown)"
    if rows.empty:
        return f"{subject(frame)}: none of {counted(len(frame), 'iteration')} has ended in service or failed"
    deployments = rows["deployed"].sum() / weeks
    often = f"{deployments:,.{0 if deployments >= 10 else 1}f} deployments a week"
    parts = [often if weeks > 1 else counted(int(deployments), "deployment")]
    lead = rows["lead_seconds"].median()
    parts += [f"lead time {duration(lead)}"] if np.isfinite(lead) else []
    parts.append(f"change failure rate {100 * rows['failure'].mean():.0f} %")
    restore = rows["restore_seconds"].median()
    parts += [f"restored in {duration(restore)}"] if np.isfinite(restore) else []
    still = int((rows["failure"] & rows["restore_seconds"].isna()).sum())
    parts += [f"{still:,} not restored yet"] if still else []
    return f"{text}: {', '.join(parts)}"
