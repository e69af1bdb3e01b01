"""Where an image was pushed or saved, as a card and as lines."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from jupyter_containeriter.show import words
from jupyter_containeriter.show.html import card, command, table

if TYPE_CHECKING:
    from jupyter_containeriter.shipping import Pushed, Saved


def pushed_card(pushed: Pushed) -> str:
    """Return the card of a push: where it is, what travelled, how to run it."""
    rows = [
        ("Registry", f"<code>{escape(pushed.target.name)}:{escape(pushed.target.tag)}</code>"),
        ("Digest", _digest(pushed.target.digest)),
        ("Sent", escape(_sent(pushed))),
        ("Time", words.seconds(pushed.seconds)),
    ]
    return _card(f"<b>{escape(pushed.name)}:{pushed.version}</b> pushed", rows, pushed.commands)


def pushed_text(pushed: Pushed) -> str:
    """Return the same in lines."""
    rows = [
        ("registry", f"{pushed.target.name}:{pushed.target.tag}"),
        ("digest", pushed.target.digest),
        ("sent", _sent(pushed)),
        ("time", words.seconds(pushed.seconds)),
    ]
    return _text(f"{pushed.name}:{pushed.version} pushed", rows, pushed.commands)


def saved_card(saved: Saved) -> str:
    """Return the card of a saved image."""
    rows = [("File", f"<code>{escape(str(saved.path))}</code> · {_size(saved)}"), ("Digest", _digest(saved.digest))]
    return _card(f"<b>{escape(saved.name)}:{saved.version}</b> saved", rows, saved.commands)


def saved_text(saved: Saved) -> str:
    """Return the same in lines."""
    rows = [("file", f"{saved.path} ({_size(saved)})"), ("digest", saved.digest)]
    return _text(f"{saved.name}:{saved.version} saved", rows, saved.commands)


def _sent(pushed: Pushed) -> str:
    layers = pushed.layers_sent + pushed.layers_reused
    return f"{words.size(pushed.sent_bytes)} sent, {pushed.layers_reused} of {layers} layers were there"


def _size(saved: Saved) -> str:
    return f"{words.size(saved.size_bytes)}{', in place of the file that was there' if saved.replaced else ''}"


def _digest(digest: str) -> str:
    return f'<code style="overflow-wrap:anywhere">{escape(digest)}</code>'


def _card(title: str, rows: Sequence[tuple[str, str]], commands: Sequence[str]) -> str:
    return card(title, "", table(rows) + command("\n".join(commands)))


def _text(title: str, rows: Sequence[tuple[str, str]], commands: Sequence[str]) -> str:
    lines = [f"  {key:<9} {value}" for key, value in rows]
    return "\n".join([title, *lines, *(f"  {'run' if not index else '':<9} {c}" for index, c in enumerate(commands))])
