"""A load test in words: the finding, what it rests on, the card and the lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.analytics.saturation import saturation
from jupyter_containeriter.plurals import counted
from jupyter_containeriter.show import words
from jupyter_containeriter.show.html import BORDER, FAINT, card, notes_html

if TYPE_CHECKING:
    from jupyter_containeriter.measurement import LoadTest
    from jupyter_containeriter.traffic import Tick

#: From here on the generator may be what limits.
_BUSY = 0.9
#: Parts of all cores that are as good as all, and cores that others may use without a word (engines have a proxy).
_FULL, _OTHERS = 0.9, 0.5
# All said: pages without a doctype hand neither colour nor font down to a table, and Jupyter centres it.
_TABLE = "table-layout:auto;border-collapse:collapse;margin:6px 0 0;color:inherit;font:inherit"
_COLUMNS = ("connections", "requests/s", "p50", "p90", "p99", "max", "errors", "CPU", "memory")


def under_way(tick: Tick) -> str:
    """Say how far the requests are."""
    answers = f"{tick.answers:,} answers" if tick.phase == "measuring" else "warming up"
    return f"{_connections(tick.connections)}: {answers}"


def finding(test: LoadTest) -> str:
    """Say in one sentence what the container costs and how much it takes."""
    busy = "measured on a busy machine" if _others(test) else ""
    return "; ".join(filter(None, (_cost(test), _saturation(test), _errors(test), _end(test), busy)))


def load_test_card(test: LoadTest) -> str:
    """Return the card: the finding, a row for each number of connections, and what it rests on."""
    head = "".join(f'<th style="{_cell(faint=True)}">{name}</th>' for name in _COLUMNS)
    cells = ("".join(f'<td style="{_cell()}">{escape(text)}</td>' for text in row) for row in _rows(test))
    rows = "".join(f"<tr>{row}</tr>" for row in cells)
    body = f'<div style="margin-top:6px"><b>{escape(_capital(finding(test)))}</b></div>'
    body += f'<div style="overflow-x:auto"><table style="{_TABLE}">'
    body += f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    body += f'<div style="color:{FAINT}">{notes_html(list(_notes(test)))}</div>'
    title = f"<b>{escape(test.name)}:{test.version}</b> under load on {escape(test.engine)}"
    return card(title, "failed" if test.failed else "", body)


def load_test_text(test: LoadTest) -> str:
    """Return the same in lines."""
    rows = [_COLUMNS, *_rows(test)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([f"{test.name}:{test.version} on {test.engine}: {finding(test)}", *lines, *_notes(test)])


# --- the finding ----------------------------------------------------------------------------------------------------


def _cost(test: LoadTest) -> str:
    answered = test.frame[test.frame["requests"] > 0]
    if answered.empty:
        return "container answers no request"
    first = answered.iloc[0]
    where = "at the median"
    if first["connections"] > 1:  # queueing counts, too
        where += f" with {_connections(first['connections'])}"
    if test.kernel is None:
        return f"container answers in {words.latency(first['p50_seconds'])} {where}"
    added = float(first["added_p50_seconds"])
    if abs(added) <= test.kernel.drift_seconds:
        return f"container adds nothing that shows {where}"
    if added < 0:
        return f"container is {words.latency(-added)} faster than the kernel {where}"
    return f"container adds {words.latency(added)} {where}"


def _saturation(test: LoadTest) -> str:
    whole = test.frame.iloc[:-1] if test.ended else test.frame
    answered = whole[whole["requests"] > 0]
    if answered.empty:
        return ""
    best = f"{answered['requests_per_second'].max():,.0f} requests/s"
    if len(answered) == 1:
        return best
    point = saturation(answered)
    if point is None:
        return f"not saturated up to {_connections(answered['connections'].max())} ({best})"
    return f"saturates at {_connections(point)} ({best})"


def _errors(test: LoadTest) -> str:
    failed, answered = int(test.frame["errors"].sum()), int(test.frame["requests"].sum())
    if not failed:
        return ""
    share = 100 * failed / (failed + answered)
    # The title of the chart is broken into lines, but not between a number and its unit.
    told = f"{share:.0f}\u00a0% of requests" if share >= 1 else f"{failed:,} of {failed + answered:,} requests"
    return f"{told} failed"


def _end(test: LoadTest) -> str:
    return f"it went away at {_connections(test.frame['connections'].iloc[-1])}" if test.ended else ""


# --- what it rests on -----------------------------------------------------------------------------------------------


def _notes(test: LoadTest) -> Iterator[str]:
    if test.ended:
        yield test.ended
    for connections, statuses in zip(test.frame["connections"], test.frame["statuses"], strict=True):
        if statuses:
            yield f"With {_connections(connections)} requests failed ({statuses})."
    yield _sent(test)
    yield _compared(test)
    yield f"Requests come from this machine and share its {_cores()} cores with the container."
    if others := _others(test):
        yield (
            f"The machine was full: other processes used up to {others:.1f} of its {_cores()} cores meanwhile. "
            "On a quiet one the figures are better."
        )
    busy = test.frame[test.frame["generator_cpu_fraction"] > _BUSY]
    if not busy.empty:
        yield (
            f"From {_connections(busy['connections'].iloc[0])} on the load generator was busy itself: "
            "the container may take more than was measured."
        )


def _others(test: LoadTest) -> float:
    """Return how many cores other processes used at most while the machine was full; 0 where it was not, by others.

    Nobody can see it in the latencies, which it makes worse all the same.
    """
    own = test.frame["cpu_fraction"] + test.frame["generator_cpu_fraction"]
    others = (test.frame["machine_cpu_fraction"] - own)[test.frame["machine_cpu_fraction"] > _FULL * _cores()]
    return float(others.max()) if others.max() > _OTHERS else 0.0


def _cores() -> int:
    return os.cpu_count() or 1


def _sent(test: LoadTest) -> str:
    if not test.rows:
        return "Each request is the whole sample, which cannot be sent row by row."
    rows = f"the sample's {test.rows:,} rows in turn" if test.rows > 1 else "the sample's only row"
    return f"One row a request ({rows}); latency is from writing the request to its complete answer."


def _compared(test: LoadTest) -> str:
    if test.kernel is None:
        return (
            "No comparison with the kernel: this one does not hold the model that "
            f"{test.name}:{test.version} was containerized from, or it has changed since."
        )
    middle, drift = words.latency(test.kernel.p50_seconds), words.latency(test.kernel.drift_seconds)
    return (
        f"In the kernel the same takes {middle} at the median ({test.kernel.calls:,} predictions, before and after; "
        f"these medians are {drift} apart)."
    )


# --- the table ------------------------------------------------------------------------------------------------------


def _rows(test: LoadTest) -> Iterator[tuple[str, ...]]:
    for row in test.frame.to_dict("records"):
        latencies = (_latency(row[f"{which}_seconds"]) for which in ("p50", "p90", "p99", "max"))
        memory = row["memory_bytes"]
        yield (
            f"{row['connections']:,}",
            _known(row["requests_per_second"], "{:,.0f}"),
            *latencies,
            f"{row['errors']:,}",
            _known(row["cpu_fraction"], "{:.2f} cores"),
            "-" if _is_missing(memory) else words.size(int(memory)),
        )


def _latency(value: float) -> str:
    return "-" if _is_missing(value) else words.latency(value)


def _known(value: float, form: str) -> str:
    return "-" if _is_missing(value) else form.format(value)


def _is_missing(value: Any) -> bool:
    import pandas as pd

    return bool(pd.isna(value))


def _connections(count: int) -> str:
    return counted(count, "connection")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cell(*, faint: bool = False) -> str:
    color = f"color:{FAINT};font-weight:normal;" if faint else ""
    return f"{color}padding:2px 12px 2px 0;text-align:right;border-bottom:1px solid {BORDER};white-space:nowrap"
