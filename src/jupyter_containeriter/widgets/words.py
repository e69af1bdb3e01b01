"""What a panel says, as HTML: its state, errors with their remedy, and values."""

from __future__ import annotations

from html import escape
from typing import Any

from jupyter_containeriter.errors import ContainerIterError
from jupyter_containeriter.show.html import CODE, FAINT, badge
from jupyter_containeriter.widgets.seen import Seen

#: A value that is longer than this is not read anyway.
_LETTERS = 4000
_ROWS = 20


def state_html(seen: Seen) -> str:
    """Return the line that says what serves, and what is under way."""
    live = seen.live
    if live is None or not live.url:
        said = "has stopped by itself" if live else "not running"
        parts = [f"<b>{escape(seen.name)}</b> {badge(said)}", f'<span style="color:{FAINT}">{_advice(seen)}</span>']
    else:
        proven = f" · parity {escape(live.parity)}" if live.parity else " · nothing proven: no sample was given"
        parts = [
            f"<b>{escape(live.name)}:{live.version}</b> {badge(live.iteration.status)}",
            f'<span style="color:{FAINT}">on {escape(live.engine)}{proven}</span>',
        ]
    if seen.working:
        parts.append(f"{badge('running')} version {seen.newest[0]}: {escape(seen.working)} …")
    return f'<div role="status" style="font-size:14px;line-height:1.6">{" ".join(parts)}</div>'


def _advice(seen: Seen) -> str:
    if seen.live is not None:
        return "Look into its logs, or deploy a version."
    return "Choose a version and deploy it." if seen.versions else "Containerize it to have a version to deploy."


def problem_html(error: BaseException) -> str:
    """Return what went wrong and what to do, for a reader to be told of at once."""
    if isinstance(error, ContainerIterError):
        message, remedy = error.message, error.remedy
    else:
        message, remedy = f"{type(error).__name__}: {error}", ""
    told = f'<div style="color:{FAINT}">→ {escape(remedy)}</div>' if remedy else ""
    return (
        '<div role="alert" style="border-left:3px solid var(--jp-error-color1, #b91c1c);padding:2px 10px;'
        f'line-height:1.5;overflow-wrap:anywhere">{escape(message)}{told}</div>'
    )


def note_html(text: str) -> str:
    """Return something that was done, in one line."""
    return f'<div role="status" style="line-height:1.5;color:{FAINT}">{escape(text)}</div>'


def log_html(text: str) -> str:
    """Return what a server wrote, scrolled to its end."""
    # A column that is filled from below begins there, and stays there when lines are added.
    box = (
        f"background:{CODE};border-radius:4px;padding:8px 10px;max-height:280px;overflow:auto;"
        "display:flex;flex-direction:column-reverse"
    )
    style = (
        "flex:none;color:inherit;background:none;margin:0;white-space:pre-wrap;overflow-wrap:anywhere;"
        "font:12px/1.45 var(--jp-code-font-family, monospace)"
    )
    shown = escape(text.rstrip()) or "Nothing written yet."
    return f'<div role="log" aria-label="Logs" tabindex="0" style="{box}"><pre style="{style}">{shown}</pre></div>'


def value_html(value: Any) -> str:
    """Return a prediction: a table as a table, one of a single row without brackets around it, text as it is."""
    style = (
        "margin:2px 0;max-height:200px;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;"
        "font:13px/1.4 var(--jp-code-font-family, monospace)"
    )
    if type(value).__name__ == "DataFrame":
        return str(value.head(_ROWS).to_html(border=0))
    text = str(_single(value))
    return f'<pre tabindex="0" style="{style}">{escape(text if len(text) <= _LETTERS else f"{text[:_LETTERS]}…")}</pre>'


def _single(value: Any) -> Any:
    plain = value.tolist() if type(value).__name__ in {"ndarray", "Series"} else value
    return plain[0] if isinstance(plain, list) and len(plain) == 1 else plain
