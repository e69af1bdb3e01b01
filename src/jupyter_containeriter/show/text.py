"""Plain lines, for terminals and for ``print``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jupyter_containeriter.show import words

if TYPE_CHECKING:
    from jupyter_containeriter.deployment import Deployment
    from jupyter_containeriter.settings import Setting
    from jupyter_containeriter.types import Finding

_MARKS = {"ok": "ok     ", "warning": "WARNING", "error": "ERROR  "}


def deployment_text(deployment: Deployment) -> str:
    """Describe a deployment in a few lines."""
    iteration = deployment.iteration
    timed = ", ".join(f"{name} {words.seconds(value)}" for name, value in deployment.seconds.items())
    lines = [
        f"{deployment.name}:{deployment.version} {iteration.status} on {deployment.engine}",
        f"  parity  {f'{iteration.parity}: ' if iteration.parity else ''}{words.parity(iteration)}",
        f"  image   {deployment.image} ({words.size(iteration.image_size_bytes)})",
        *([f"  sent    {words.sent(deployment.load)}"] if deployment.load else []),
        f"  time    {words.seconds(deployment.total)} {words.took(deployment)} ({timed})",
    ]
    if deployment.url:
        lines += [f"  url     {deployment.url}", f"  try     {deployment.curl}"]
    elif deployment.container is not None:
        lines.append("  url     not running")
    return "\n".join(lines)


def deployments_text(deployments: Sequence[Deployment]) -> str:
    """List what runs, one line each."""
    if not deployments:
        return "Nothing runs. Start with %containerize MODEL --sample X[:5]."
    return "\n".join(
        f"{d.name}:{d.version:<4} {d.iteration.status:<9} {d.engine:<8} {d.url or 'not running'}" for d in deployments
    )


def findings_text(findings: Sequence[Finding]) -> str:
    """List the doctor's findings, each with its remedy."""
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.status]} {finding.topic}: {finding.message}")
        if finding.remedy:
            lines.append(f"          -> {finding.remedy}")
    return "\n".join(lines)


def settings_text(settings: Sequence[Setting]) -> str:
    """List the settings, one line each: name, value, what gave it, and the variable that could."""
    rows = [(s.name, words.setting(s), s.source, s.variable) for s in settings]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join((*(map(str.ljust, row[:3], widths)), row[3])) for row in rows)
