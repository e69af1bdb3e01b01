"""Iterations to read: one row each, newest first, as an HTML table and as lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from jupyter_containeriter.analytics.changes import changed
from jupyter_containeriter.analytics.direction import best
from jupyter_containeriter.analytics.palette import COLORS
from jupyter_containeriter.plurals import counted
from jupyter_containeriter.show import words
from jupyter_containeriter.show.html import BORDER, FAINT, badge, swatches
from jupyter_containeriter.types import CALL_PHASES, PHASES

#: More rows than these nobody reads.
SHOWN = 30
#: Of a mapping with many entries, and of an error or a note.
_ENTRIES, _LETTERS = 5, 180
#: The widest bar, in pixels; a quick call is still to be seen.
_BAR, _LEAST = 130, 4

_RIGHT = "var(--jp-success-color1, #1a7f37)"
_WRONG = "var(--jp-error-color1, #d1242f)"
_DOUBTFUL = "var(--jp-warn-color1, #9a6700)"
#: Marks before the words of parity: colour alone tells nothing to many.
_PARITY = {
    "exact": ("✓ exact", _RIGHT),
    "close": ("≈ close", _RIGHT),
    "failed": ("✗ differs", _WRONG),
    "nondeterministic": ("~ nondeterministic", _DOUBTFUL),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One iteration as it is shown.

    ``values`` are its columns; ``before`` the params of the version before it, None where there is none.
    """

    values: Mapping[str, Any]
    before: Mapping[str, Any] | None

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    @property
    def label(self) -> str:
        """``NAME:VERSION``."""
        return f"{self['name']}:{self['version']}"

    @property
    def at(self) -> datetime:
        """When it ended, or began where it did not."""
        at: datetime = self["finished_at"] or self["started_at"]
        return at

    @property
    def params(self) -> Mapping[str, Any]:
        """Its params."""
        return self["params"] or {}

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Its metrics."""
        return self["metrics"] or {}

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Params that are not those of the version before; none where this one has none at all."""
        return changed(self.before, self.params) if self.before and self.params else {}

    @property
    def call_seconds(self) -> float:
        """What the call took, as far as it got."""
        return sum(self[f"{phase}_seconds"] or 0.0 for phase in CALL_PHASES)

    @property
    def parity(self) -> tuple[str, str]:
        """Parity in a word with a mark, and its colour."""
        word, colour = _PARITY.get(self["parity"] or "", ("· not proven", FAINT))
        distance = self["max_abs_difference"]
        return (f"{word}, {distance:.1e}" if self["parity"] == "close" and distance else word), colour

    @property
    def way(self) -> str:
        """Where it runs, and how it got there."""
        other = self["method"] if self["method"] not in {None, "", "containeriter"} else ""
        return " · ".join(filter(None, (other, self["engine"], "hot" if self["hot"] else "")))


def rows_html(rows: Sequence[Row], count: int, now: datetime) -> str:
    """Return the table; ``count`` is how many iterations there are in all."""
    if not rows:
        return f'<div style="color:{FAINT}">{_nothing()}</div>'
    heads = ("Version", "When", "Outcome", "Phases", "Took", "Metrics", "Params")
    best_of = _best(rows)
    longest = max(row.call_seconds for row in rows) or 1.0
    body = "".join(_row(row, best_of, longest, now) for row in rows)
    head = "".join(f'<th style="{_CELL};color:{FAINT};font-weight:600">{name}</th>' for name in heads)
    return (
        f'<div class="containeriter-iterations" style="{_FONT}">'
        f'<div style="color:{FAINT};font-size:12px;margin-bottom:4px">{swatches(_legend(rows))}</div>'
        f'<div style="overflow-x:auto"><table style="{_TABLE}"><thead><tr style="background:none">{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        f'<div style="color:{FAINT};margin-top:6px">{escape(_more(len(rows), count))}</div></div>'
    )


def rows_text(rows: Sequence[Row], count: int, now: datetime) -> str:
    """Return the same in lines; what does not fit into one is told below it."""
    if not rows:
        return _nothing()
    lines = [("version", "when", "status", "parity", "took", "cycle", "metrics", "params changed")]
    best_of = _best(rows)
    for row in rows:
        took = words.duration(row["package_to_verified_seconds"] or row.call_seconds or None)
        own = best_of[row["name"]]
        metrics = (f"{name} {value_text(v)}{'*' if _is_best(name, v, own) else ''}" for name, v in _few(row.metrics))
        changes = (
            f"{name} {value_text(after)} (was {value_text(before)})" for name, (before, after) in _few(row.changes)
        )
        cells = (row.label, words.ago(row.at, now), row["status"], row.parity[0], took)
        lines.append((*cells, words.duration(row["cycle_seconds"]), ", ".join(metrics), ", ".join(changes)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    shown = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    for number, row in reversed([*enumerate(rows, 1)]):
        told = [_short(text) for text in (row["note"], row["error"] and f"error: {row['error']}") if text]
        shown[number + 1 : number + 1] = [f"    {text}" for text in told]
    rest = f"\n{_more(len(rows), count)}" if count > len(rows) else ""
    return "\n".join(shown) + rest


# --- pieces --------------------------------------------------------------------------------------------------------

_FONT = "font:13px/1.45 var(--jp-ui-font-family, system-ui, sans-serif);color:var(--jp-content-font-color1, inherit)"
#: JupyterLab lays tables out with columns of one width, whatever is in them.
_TABLE = "table-layout:auto;border-collapse:collapse;width:100%;margin:0;font-size:13px;border:none"
_CELL = "text-align:left;vertical-align:top;padding:5px 14px 3px 0;border:none"


def _row(row: Row, best_of: Mapping[str, Mapping[str, float]], longest: float, now: datetime) -> str:
    status, (parity, colour) = row["status"], row.parity
    proven = f'<div style="color:{colour};white-space:nowrap">{escape(parity)}</div>'
    cells = (
        f'<b style="white-space:nowrap">{escape(row.label)}</b>',
        _when(row.at, now),
        f"{badge(status)}{proven if status not in {'failed', 'interrupted', 'running'} or row['parity'] else ''}"
        f"{_faint(escape(row.way))}",
        _bars(row, longest),
        _times(row),
        _metrics(row, best_of[row["name"]]),
        _params(row),
    )
    told = _told(row)
    below = f'<tr style="background:none"><td style="{_CELL}"></td><td colspan="6" style="{_CELL}">{told}</td></tr>'
    return (
        f'<tr style="background:none;border-top:1px solid {BORDER}">'
        + "".join(f'<td style="{_CELL};white-space:normal">{cell}</td>' for cell in cells)
        + f"</tr>{below if told else ''}"
    )


def _when(at: datetime, now: datetime) -> str:
    """Return how long ago, and when; the exact time where the pointer rests."""
    exact = f"{at:%d %b %H:%M}" if at.year == now.year else f"{at:%d %b %Y}"
    return (
        f'<div title="{at:%Y-%m-%d %H:%M:%S} UTC" style="white-space:nowrap">{words.ago(at, now)}'
        f"{_faint(f'{exact} UTC')}</div>"
    )


def _bars(row: Row, longest: float) -> str:
    """Return the phases of the call, on the scale of the longest one; below, its share of the whole cycle."""
    call = row.call_seconds
    if not call:
        return ""
    width = max(_LEAST, _BAR * call / longest)
    phases = {phase: row[f"{phase}_seconds"] or 0.0 for phase in PHASES}
    told = ", ".join(f"{phase} {words.duration(value)}" for phase, value in phases.items() if value)
    upper = _bar({phase: phases[phase] for phase in CALL_PHASES}, width, 10)
    lower = _bar({"think": phases["think"], "run": phases["run"], "call": call}, _BAR, 3)
    label = f'role="img" aria-label="{escape(told)}" title="{escape(told)}"'
    return f'<div {label} style="width:{_BAR}px;padding-top:4px">{upper}{lower}</div>'


def _bar(parts: Mapping[str, float], width: float, height: int) -> str:
    whole = sum(parts.values()) or 1.0
    pieces = "".join(
        f'<div style="width:{100 * value / whole:.2f}%;background:{_color(part)}"></div>'
        for part, value in parts.items()
        if value
    )
    return (
        f'<div style="display:flex;width:{width:.0f}px;height:{height}px;margin-bottom:3px;border-radius:2px;'
        f'overflow:hidden">{pieces}</div>'
    )


def _color(part: str) -> str:
    return COLORS["build"] if part == "call" else COLORS.get(part, COLORS["other"])


def _legend(rows: Iterable[Row]) -> list[tuple[str, str]]:
    there = [phase for phase in PHASES if any(row[f"{phase}_seconds"] for row in rows)]
    return [(phase, COLORS[phase]) for phase in there]


def _times(row: Row) -> str:
    lines = (
        ("verified in", row["package_to_verified_seconds"]),
        ("cycle", row["cycle_seconds"]),
        ("lead time", row["lead_seconds"]),
    )
    return "".join(
        f'<div style="white-space:nowrap"><span style="color:{FAINT}">{what}</span> {words.duration(value)}</div>'
        for what, value in lines
        if value is not None
    )


def _metrics(row: Row, best_of: Mapping[str, float]) -> str:
    lines = []
    for name, value in _few(row.metrics):
        mark = _is_best(name, value, best_of)
        shown = f'<b title="the best of those shown">{value_text(value)} ★</b>' if mark else escape(value_text(value))
        lines.append(f'<div style="white-space:nowrap"><span style="color:{FAINT}">{escape(name)}</span> {shown}</div>')
    return "".join(lines) + _rest(row.metrics)


def _params(row: Row) -> str:
    changes = row.changes
    lines = [
        f'<div style="max-width:230px;overflow-wrap:anywhere"><b>{escape(name)} {_gone(after)}</b> '
        f'<span style="color:{FAINT}">← {_gone(before)}</span></div>'
        for name, (before, after) in _few(changes)
    ]
    same = {name: value for name, value in row.params.items() if name not in changes}
    told = escape(", ".join(f"{name} {value_text(value)}" for name, value in same.items()))
    if row.before is None:
        shown = (f"<div>{escape(name)} {escape(value_text(value))}</div>" for name, value in _few(same))
        return "".join(shown) + _rest(same)
    unchanged = (
        f'<div style="color:{FAINT};white-space:nowrap" title="{told}">{len(same)} unchanged</div>' if same else ""
    )
    return "".join(lines) + _rest(changes) + unchanged


def _gone(value: Any) -> str:
    return "<i>none</i>" if value is None else escape(value_text(value))


def _told(row: Row) -> str:
    note = f'<div style="overflow-wrap:anywhere">{escape(_short(row["note"]))}</div>' if row["note"] else ""
    if not row["error"]:
        return note
    full = escape(row["error"][:2000])
    return (
        f'{note}<div style="color:{_WRONG};overflow-wrap:anywhere" title="{full}">{escape(_short(row["error"]))}</div>'
    )


def _faint(text: str) -> str:
    return f'<div style="color:{FAINT};font-size:12px;white-space:nowrap">{text}</div>' if text else ""


def _few(mapping: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [*mapping.items()][:_ENTRIES]


def _rest(mapping: Mapping[str, Any]) -> str:
    return _faint(f"… {len(mapping) - _ENTRIES} more") if len(mapping) > _ENTRIES else ""


def value_text(value: Any) -> str:
    """Return a param or a metric in short."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else f"{value:.4g}"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _short(text: str) -> str:
    """Return the beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LETTERS else f"{line[: _LETTERS - 1]}…"


def _best(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return the best value of each metric, for each model: that of a version that failed its proof does not count."""
    found: dict[str, dict[str, float]] = {}
    for model in dict.fromkeys(row["name"] for row in rows):
        good = [row for row in rows if row["name"] == model and row["status"] not in {"failed", "interrupted"}]
        names = dict.fromkeys(name for row in good for name in row.metrics)
        values = {name: best(name, (row.metrics.get(name) for row in good)) for name in names}
        found[model] = {name: value for name, value in values.items() if value is not None}
    return found


def _is_best(name: str, value: Any, best_of: Mapping[str, float]) -> bool:
    return name in best_of and value == best_of[name]


def _more(shown: int, count: int) -> str:
    if count == shown:
        return f"{counted(count, 'iteration')}; an ordinary DataFrame otherwise"
    return f"… {count - shown:,} more: the DataFrame has all {count:,}"


def _nothing() -> str:
    return "No such iterations yet."
