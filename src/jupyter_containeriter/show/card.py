"""The HTML cards of deployments, progress, findings and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.analytics.palette import COLORS
from jupyter_containeriter.show import words
from jupyter_containeriter.show.html import FAINT, badge, card, command, notes_html, swatches, table
from jupyter_containeriter.show.rows import value_text

if TYPE_CHECKING:
    from jupyter_containeriter.deployment import Deployment
    from jupyter_containeriter.settings import Setting
    from jupyter_containeriter.types import Finding

#: A card shows so many params that changed.
_CHANGES = 5


def deployment_card(deployment: Deployment) -> str:
    """Return the card of a deployment: what runs, where, what was proven, what it cost."""
    iteration = deployment.iteration
    image = f"<code>{escape(deployment.image)}</code> · {words.size(iteration.image_size_bytes)}"
    rows = [("Parity", escape(words.parity(iteration)))]
    if deployment.container is not None:
        docs = f' · <a href="{escape(deployment.docs)}" target="_blank" rel="noopener noreferrer">docs</a>'
        rows.append(("URL", _link(deployment) + (docs if deployment.docs else "")))
    hint = f"%containeriter inspect {deployment.name}:{deployment.version}"
    rows.append(("Image", f'{image} <code style="color:{FAINT}">{escape(hint)}</code>'))
    if deployment.load is not None:
        rows.append(("Sent", escape(words.sent(deployment.load))))
    if deployment.changes:
        rows.append(("Changed", escape(_changes(deployment.changes))))
    if iteration.metrics:
        rows.append(("Metrics", escape(", ".join(f"{key} {value:.4g}" for key, value in iteration.metrics.items()))))
    if iteration.note:
        rows.append(("Note", escape(iteration.note)))
    title = f"<b>{escape(deployment.name)}:{deployment.version}</b> on {escape(deployment.engine)}"
    body = table(rows) + _phases(
        deployment.seconds, f"<b>{words.seconds(deployment.total)}</b> {words.took(deployment)}"
    )
    if deployment.url:
        body += command(deployment.curl)
    return card(title, iteration.status, body)


def _changes(changes: Mapping[str, tuple[Any, Any]]) -> str:
    """Return params that changed, each with its value before and after; only the first of many."""
    told = [f"{name} {value_text(before)} → {value_text(after)}" for name, (before, after) in changes.items()]
    more = len(told) - _CHANGES
    return ", ".join([*told[:_CHANGES], f"and {more} more"] if more > 0 else told)


def progress_card(
    title: str, phases: Sequence[str], seconds: Mapping[str, float], current: str, notes: Sequence[str]
) -> str:
    """Return the card of a call that is at work: phases done, the one under way, and what is worth telling."""
    steps = []
    for phase in phases:
        known = phase in seconds
        mark = "●" if phase == current else "✓" if known else "○"
        weight = "600" if phase == current else "400"
        shade = "inherit" if known else FAINT
        time = f" {words.seconds(seconds[phase])}" if known else ""
        steps.append(f'<span style="margin-right:16px;font-weight:{weight};color:{shade}">{mark} {phase}{time}</span>')
    body = f'<div style="margin-top:6px">{"".join(steps)}</div>{notes_html(notes)}'
    return card(f"<b>{escape(title)}</b>", "running", body)


def failure_card(title: str, status: str, seconds: Mapping[str, float], notes: Sequence[str]) -> str:
    """Return what stays of the progress card when the call fails; the error itself is shown below it."""
    told = f"ended after <b>{words.seconds(sum(seconds.values()))}</b>"
    return card(f"<b>{escape(title)}</b>", status, _phases(seconds, told) + notes_html(notes))


def findings_card(findings: Iterable[Finding]) -> str:
    """Return the doctor's findings as a table."""
    rows = []
    for finding in findings:
        remedy = f'<div style="color:{FAINT}">→ {escape(finding.remedy)}</div>' if finding.remedy else ""
        rows.append((finding.topic, f"{badge(finding.status)} {escape(finding.message)}{remedy}"))
    return card("<b>Doctor</b>", "", table(rows))


def settings_card(settings: Iterable[Setting]) -> str:
    """Return the settings as a table."""
    rows = [
        (
            s.name,
            f"<b>{escape(words.setting(s))}</b> ({s.source}) · <code>{s.variable}</code>"
            f'<div style="color:{FAINT}">{escape(s.help)}</div>',
        )
        for s in settings
    ]
    return card("<b>Settings</b>", "", table(rows))


def deployments_card(deployments: Sequence[Deployment], note: str = "") -> str:
    """Return what runs now as a table."""
    rows = [
        (f"{d.name}:{d.version}", f"{badge(d.iteration.status)} {_link(d)} on {escape(d.engine)}") for d in deployments
    ]
    hint = '<div style="margin-top:6px">Nothing runs. Start with <code>%containerize MODEL --sample X[:5]</code>.</div>'
    return card("<b>Deployments</b>", "", (table(rows) if rows else hint) + notes_html([note] if note else []))


def _link(deployment: Deployment) -> str:
    url = escape(deployment.url)
    return f'<a href="{url}">{url}</a>' if url else "<b>not running</b>"


def _color(phase: str) -> str:
    return COLORS.get(phase, COLORS["other"])


def _phases(seconds: Mapping[str, float], told: str) -> str:
    whole = sum(seconds.values())
    if not whole:
        return ""
    bar = "".join(
        f'<div title="{phase} {words.seconds(value)}" style="width:{100 * value / whole:.2f}%;'
        f'background:{_color(phase)}"></div>'
        for phase, value in seconds.items()
    )
    legend = swatches((f"{phase} {words.seconds(value)}", _color(phase)) for phase, value in seconds.items())
    return (
        f'<div style="margin-top:8px">{told}</div>'
        f'<div style="display:flex;height:10px;border-radius:3px;overflow:hidden;margin:3px 0 4px">{bar}</div>'
        f'<div style="color:{FAINT};font-size:12px">{legend}</div>'
    )
