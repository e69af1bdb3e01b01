"""What changed between two versions, as a card and as lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.show import words
from jupyter_containeriter.show.html import CODE, FAINT, badge, card, notes_html
from jupyter_containeriter.show.rows import value_text

if TYPE_CHECKING:
    from jupyter_containeriter.comparison import FileChange, VersionChanges

#: A longer diff is better looked at elsewhere.
_LINES = 200
#: Of a digest; as many tell two apart.
_DIGITS = 19
_ADDED = "background:rgba(46,160,67,.18)"
_REMOVED = "background:rgba(248,81,73,.18)"
_GRID = "display:grid;grid-template-columns:110px repeat(3,minmax(0,1fr));gap:2px 14px"

Line = tuple[str, str, str, str]
"""What it is, before, after, and how much that is more or less."""


def compared_card(found: VersionChanges) -> str:
    """Return the card: what differs, by kind; what does not is named in one line."""
    before, after = found.before, found.after
    sections = [
        _section(title, _grid(f"{before.name}:{before.version}", f"{after.name}:{after.version}", lines))
        for title, lines in _tables(found)
        if lines
    ]
    sections += [_section(title, "".join(map(_file_html, files))) for title, files in _files(found)]
    if found.layers is not None:
        rows = "".join(_layer_html(layer.comment, layer.size_bytes, shared=shared) for layer, shared in found.layers)
        sections.append(_section(_layers_told(found), rows))
    same = f'<div style="color:{FAINT};margin-top:8px">The same: {escape(", ".join(found.same))}.</div>'
    title = (
        f"<b>{escape(before.name)}:{before.version}</b> {badge(before.status)} → "
        f"<b>{escape(after.name)}:{after.version}</b> {badge(after.status)}"
    )
    return card(title, "", "".join(sections) + (same if found.same else "") + notes_html(found.unknown))


def compared_text(found: VersionChanges) -> str:
    """Return the same in lines."""
    before, after = found.before, found.after
    lines = [f"{before.name}:{before.version} {before.status} -> {after.name}:{after.version} {after.status}"]
    for title, rows in _tables(found):
        if rows:
            widths = [max(len(row[column]) for row in rows) for column in range(3)]
            lines += [
                "",
                title,
                *(f"  {'  '.join([*map(str.ljust, row[:3], widths), row[3]])}".rstrip() for row in rows),
            ]
    for title, files in _files(found):
        lines += ["", title]
        for file in files:
            lines += [f"  {line}" for line in file.diff[:_LINES]] or [f"  {file.path}: no text, it differs"]
    if found.layers is not None:
        lines += ["", _layers_told(found)]
        for layer, shared in found.layers:
            lines.append(f"  {'shared' if shared else 'new   '}  {words.size(layer.size_bytes):>7}  {layer.comment}")
    if found.same:
        lines += ["", f"the same: {', '.join(found.same)}"]
    return "\n".join([*lines, *found.unknown])


# --- what there is to tell -----------------------------------------------------------------------------------------


def _tables(found: VersionChanges) -> Iterable[tuple[str, list[Line]]]:
    yield "Params", _lines(found.params)
    yield "Metrics", [(*line[:3], _more(*found.metrics[line[0]])) for line in _lines(found.metrics)]
    times = found.phases.items()
    yield "Times", [(name, words.duration(b), words.duration(a), _more(b, a, seconds=True)) for name, (b, a) in times]
    yield "Packages", _lines(found.packages or {})
    yield "What it is made of", [_fact(name, *pair) for name, pair in found.facts.items()]


def _lines(pairs: Mapping[str, tuple[Any, Any]]) -> list[Line]:
    return [(name, _value(before), _value(after), "") for name, (before, after) in pairs.items()]


def _value(value: Any) -> str:
    return "-" if value is None else value_text(value)


def _fact(name: str, before: Any, after: Any) -> Line:
    if name in {"image size", "model size", "bytes sent"}:
        return name, words.size(before), words.size(after), ""
    one, other = (str("-" if value in {None, ""} else value) for value in (before, after))
    return name, one[:_DIGITS], other[:_DIGITS], ""


def _more(before: Any, after: Any, *, seconds: bool = False) -> str:
    if not all(isinstance(value, (int, float)) for value in (before, after)):
        return ""
    difference = after - before
    size = words.duration(abs(difference)) if seconds else f"{abs(difference):.3g}"
    return f"{'+' if difference >= 0 else '-'}{size}"


def _files(found: VersionChanges) -> Iterable[tuple[str, Sequence[FileChange]]]:
    if found.code:
        yield "Code", found.code


def _layers_told(found: VersionChanges) -> str:
    layers = found.layers or ()
    new = [layer.size_bytes for layer, shared in layers if not shared]
    return f"{len(layers) - len(new)} of {len(layers)} layers shared, {words.size(sum(new))} new"


# --- HTML ----------------------------------------------------------------------------------------------------------


def _section(title: str, body: str) -> str:
    return f'<div style="margin-top:10px;font-weight:600">{escape(title)}</div>{body}'


def _grid(before: str, after: str, lines: Iterable[Line]) -> str:
    head = "".join(f'<div style="color:{FAINT}">{escape(text)}</div>' for text in ("", before, after, ""))
    style = "overflow-wrap:anywhere"
    cells = "".join(
        f'<div style="color:{FAINT}">{escape(name)}</div><div style="{style}">{escape(one)}</div>'
        f'<div style="{style};font-weight:600">{escape(other)}</div><div style="color:{FAINT}">{escape(more)}</div>'
        for name, one, other, more in lines
    )
    return f'<div style="{_GRID}">{head}{cells}</div>'


def _file_html(file: FileChange) -> str:
    if not file.diff:
        return f"<div><code>{escape(file.path)}</code>: no text, it differs</div>"
    rest = f"\n… {len(file.diff) - _LINES} more lines" if len(file.diff) > _LINES else ""
    style = (
        f"background:{CODE};color:inherit;border-radius:4px;padding:6px 8px;margin:4px 0 0;overflow-x:auto;"
        "white-space:pre;font:12px/1.4 var(--jp-code-font-family, monospace)"
    )
    lines = "".join(_line_html(line) for line in file.diff[:_LINES])
    return f'<pre style="{style}">{lines}{rest}</pre>'


def _line_html(line: str) -> str:
    header = line.startswith(("---", "+++", "@@"))
    shade = f"color:{FAINT}" if header else {"+": _ADDED, "-": _REMOVED}.get(line[:1], "")
    return f'<div style="{shade};min-height:1.4em">{escape(line)}</div>'


def _layer_html(comment: str, size: int, *, shared: bool) -> str:
    word = f'<span style="color:{FAINT}">shared</span>' if shared else "<b>new</b>"
    return (
        '<div style="display:grid;grid-template-columns:54px 70px minmax(0,1fr);gap:1px 12px">'
        f'<div>{word}</div><div style="text-align:right">{words.size(size)}</div><div>{escape(comment)}</div></div>'
    )
