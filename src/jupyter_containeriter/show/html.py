"""The pieces of HTML cards. Colours come from JupyterLab's theme where there is one, so they fit light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

BORDER = "var(--jp-border-color2, #d0d7de)"
FAINT = "var(--jp-content-font-color2, #57606a)"
CODE = "var(--jp-layout-color2, #f3f4f6)"
_CARD = (
    f"border:1px solid {BORDER};border-radius:6px;padding:10px 14px;max-width:760px;"
    "font:13px/1.5 var(--jp-ui-font-family, system-ui, sans-serif);color:var(--jp-content-font-color1, inherit)"
)
_BADGES = {
    "verified": ("#1a7f37", "#ffffff"),
    "deployed": ("#9a6700", "#ffffff"),
    "built": ("#57606a", "#ffffff"),
    "failed": ("#b91c1c", "#ffffff"),
    "interrupted": ("#57606a", "#ffffff"),
    "running": ("#0969da", "#ffffff"),
    "ok": ("#1a7f37", "#ffffff"),
    "warning": ("#9a6700", "#ffffff"),
    "error": ("#b91c1c", "#ffffff"),
}


def card(title: str, status: str, body: str) -> str:
    """Return a card: a title (HTML), a status as its badge where there is one, and a body (HTML)."""
    marked = f"{title} {badge(status)}" if status else title
    return f'<div class="containeriter-card" style="{_CARD}"><div style="font-size:14px">{marked}</div>{body}</div>'


def badge(status: str) -> str:
    """Return a status as a coloured word."""
    background, colour = _BADGES.get(status, ("#57606a", "#ffffff"))
    style = f"background:{background};color:{colour};border-radius:9px;padding:1px 8px;font-size:12px"
    return f'<span style="{style}">{escape(status)}</span>'


def table(rows: Iterable[tuple[str, str]]) -> str:
    """Return rows of a key (text) and a value (HTML)."""
    cells = "".join(
        f'<div style="color:{FAINT};white-space:nowrap">{escape(key)}</div><div style="min-width:0">{value}</div>'
        for key, value in rows
    )
    return f'<div style="display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin-top:6px">{cells}</div>'


def notes_html(notes: Sequence[str]) -> str:
    """Return notes, one below the other."""
    return "".join(f'<div style="margin-top:6px">{escape(note)}</div>' for note in notes)


def swatches(colours: Iterable[tuple[str, str]]) -> str:
    """Return a legend: words (text) with their colours."""
    return "".join(
        f'<span style="margin-right:14px;white-space:nowrap"><span style="display:inline-block;width:9px;height:9px;'
        f'border-radius:2px;background:{colour};margin-right:5px"></span>{escape(word)}</span>'
        for word, colour in colours
    )


def command(line: str) -> str:
    """Return what can be typed into a shell."""
    style = (
        f"background:{CODE};color:inherit;border-radius:4px;padding:6px 8px;margin:8px 0 0;overflow-x:auto;"
        "white-space:pre;font:12px/1.4 var(--jp-code-font-family, monospace)"
    )
    return f'<pre style="{style}">{escape(line)}</pre>'
