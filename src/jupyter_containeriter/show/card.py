"""HTML cards. Colours come from JupyterLab's theme where there is one, so they fit light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from jupyter_containeriter.analytics.palette import COLORS
from jupyter_containeriter.show import words
from jupyter_containeriter.types import CALL_PHASES

if TYPE_CHECKING:
    from jupyter_containeriter.deployment import Deployment
    from jupyter_containeriter.settings import Setting
    from jupyter_containeriter.types import Finding

_BORDER = "var(--jp-border-color2, #d0d7de)"
_FAINT = "var(--jp-content-font-color2, #57606a)"
_CODE = "var(--jp-layout-color2, #f3f4f6)"
_CARD = (
    f"border:1px solid {_BORDER};border-radius:6px;padding:10px 14px;max-width:760px;"
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


def deployment_card(deployment: Deployment) -> str:
    """Return the card of a deployment: what runs, where, what was proven, what it cost."""
    iteration = deployment.iteration
    image = f"<code>{escape(deployment.image)}</code> · {words.size(iteration.image_size_bytes)}"
    rows = [("Parity", escape(words.parity(iteration)))]
    if deployment.container is not None:
        rows.append(("URL", _link(deployment)))
    rows.append(("Image", image))
    if deployment.load is not None:
        rows.append(("Sent", escape(words.sent(deployment.load))))
    if iteration.metrics:
        rows.append(("Metrics", escape(", ".join(f"{key} {value:.4g}" for key, value in iteration.metrics.items()))))
    if iteration.note:
        rows.append(("Note", escape(iteration.note)))
    title = f"<b>{escape(deployment.name)}:{deployment.version}</b> on {escape(deployment.engine)}"
    body = _table(rows) + _phases(
        deployment.seconds, f"<b>{words.seconds(deployment.total)}</b> {words.took(deployment)}"
    )
    if deployment.url:
        body += _command(deployment.curl)
    return _card(title, iteration.status, body)


def progress_card(title: str, seconds: Mapping[str, float], current: str, notes: Sequence[str]) -> str:
    """Return the card of a call that is at work: phases done, the one under way, and what is worth telling."""
    steps = []
    for phase in CALL_PHASES:
        known = phase in seconds
        mark = "●" if phase == current else "✓" if known else "○"
        weight = "600" if phase == current else "400"
        shade = "inherit" if known else _FAINT
        time = f" {words.seconds(seconds[phase])}" if known else ""
        steps.append(f'<span style="margin-right:16px;font-weight:{weight};color:{shade}">{mark} {phase}{time}</span>')
    body = f'<div style="margin-top:6px">{"".join(steps)}</div>{notes_html(notes)}'
    return _card(f"<b>{escape(title)}</b>", "running", body)


def failure_card(title: str, status: str, seconds: Mapping[str, float], notes: Sequence[str]) -> str:
    """Return what stays of the progress card when the call fails; the error itself is shown below it."""
    told = f"ended after <b>{words.seconds(sum(seconds.values()))}</b>"
    return _card(f"<b>{escape(title)}</b>", status, _phases(seconds, told) + notes_html(notes))


def findings_card(findings: Iterable[Finding]) -> str:
    """Return the doctor's findings as a table."""
    rows = []
    for finding in findings:
        remedy = f'<div style="color:{_FAINT}">→ {escape(finding.remedy)}</div>' if finding.remedy else ""
        rows.append((finding.topic, f"{_badge(finding.status)} {escape(finding.message)}{remedy}"))
    return _card("<b>Doctor</b>", "", _table(rows))


def settings_card(settings: Iterable[Setting]) -> str:
    """Return the settings as a table."""
    rows = [
        (
            s.name,
            f"<b>{escape(words.setting(s))}</b> ({s.source}) · <code>{s.variable}</code>"
            f'<div style="color:{_FAINT}">{escape(s.help)}</div>',
        )
        for s in settings
    ]
    return _card("<b>Settings</b>", "", _table(rows))


def deployments_card(deployments: Sequence[Deployment], note: str = "") -> str:
    """Return what runs now as a table."""
    rows = [
        (f"{d.name}:{d.version}", f"{_badge(d.iteration.status)} {_link(d)} on {escape(d.engine)}") for d in deployments
    ]
    hint = '<div style="margin-top:6px">Nothing runs. Start with <code>%containerize MODEL --sample X[:5]</code>.</div>'
    return _card("<b>Deployments</b>", "", (_table(rows) if rows else hint) + notes_html([note] if note else []))


def _link(deployment: Deployment) -> str:
    url = escape(deployment.url)
    return f'<a href="{url}">{url}</a>' if url else "<b>not running</b>"


def _card(title: str, status: str, body: str) -> str:
    badge = f" {_badge(status)}" if status else ""
    return (
        f'<div class="containeriter-card" style="{_CARD}"><div style="font-size:14px">{title}{badge}</div>{body}</div>'
    )


def _badge(status: str) -> str:
    background, colour = _BADGES.get(status, ("#57606a", "#ffffff"))
    style = f"background:{background};color:{colour};border-radius:9px;padding:1px 8px;font-size:12px"
    return f'<span style="{style}">{escape(status)}</span>'


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(
        f'<div style="color:{_FAINT};white-space:nowrap">{escape(key)}</div><div style="min-width:0">{value}</div>'
        for key, value in rows
    )
    return f'<div style="display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin-top:6px">{cells}</div>'


def _phases(seconds: Mapping[str, float], told: str) -> str:
    whole = sum(seconds.values())
    if not whole:
        return ""
    bar = "".join(
        f'<div title="{phase} {words.seconds(value)}" style="width:{100 * value / whole:.2f}%;'
        f'background:{COLORS[phase]}"></div>'
        for phase, value in seconds.items()
    )
    legend = "".join(
        f'<span style="margin-right:14px;white-space:nowrap"><span style="display:inline-block;width:9px;height:9px;'
        f'border-radius:2px;background:{COLORS[phase]};margin-right:5px"></span>{phase} {words.seconds(value)}</span>'
        for phase, value in seconds.items()
    )
    return (
        f'<div style="margin-top:8px">{told}</div>'
        f'<div style="display:flex;height:10px;border-radius:3px;overflow:hidden;margin:3px 0 4px">{bar}</div>'
        f'<div style="color:{_FAINT};font-size:12px">{legend}</div>'
    )


def _command(curl: str) -> str:
    style = (
        f"background:{_CODE};color:inherit;border-radius:4px;padding:6px 8px;margin:8px 0 0;overflow-x:auto;"
        "white-space:pre;font:12px/1.4 var(--jp-code-font-family, monospace)"
    )
    return f'<pre style="{style}">{escape(curl)}</pre>'


def notes_html(notes: Sequence[str]) -> str:
    """Return notes, one below the other."""
    return "".join(f'<div style="margin-top:6px">{escape(note)}</div>' for note in notes)
