"""Numbers and states in words, the same in cards and in lines."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from jupyter_containeriter.bytesize import size_text
from jupyter_containeriter.types import Iteration, LoadReport

if TYPE_CHECKING:
    from jupyter_containeriter.deployment import Deployment
    from jupyter_containeriter.settings import Setting

_PARITY = {
    "exact": "predicts exactly what the notebook predicted",
    "close": "predicts what the notebook predicted, within float tolerance",
    "nondeterministic": "the model contradicts itself in the notebook, so only shape, type and range were checked",
    "": "no --sample was given, so nothing was proven",
}


def size(count: int | None) -> str:
    """Return a size in decimal units: ``289 MB``."""
    return "unknown" if count is None else size_text(count)


def seconds(value: float | None) -> str:
    """Return a time: ``0.95 s``, ``12 ms``."""
    if value is None:
        return "-"
    return f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.0f} ms"


def duration(value: float | None) -> str:
    """Return a time of any length: ``0.95 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if value is None or value < 60:
        return seconds(value)
    whole = round(value)
    for unit, size, less, smaller in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            count, rest = divmod(whole, size)
            return f"{count} {unit} {rest // smaller} {less}" if rest >= smaller else f"{count} {unit}"
    return seconds(value)


def ago(then: datetime, now: datetime) -> str:
    """Return how long ago something was: ``just now``, ``3 min ago``, ``2 days ago``."""
    passed = (now - then).total_seconds()
    if passed < 0:
        return "in the future"
    for unit, size in (("day", 86400), ("h", 3600), ("min", 60)):
        if passed >= size:
            count = int(passed // size)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "just now"


def latency(value: float) -> str:
    """Return a short time with two or three digits that count: ``0.42 ms``, ``12 ms``, ``1.3 s``."""
    if value >= 1:
        return f"{value:.1f} s"
    milliseconds = value * 1000
    digits = 0 if milliseconds >= 10 else 1 if milliseconds >= 1 else 2
    if milliseconds >= 0.1:
        return f"{milliseconds:.{digits}f} ms"
    return f"{milliseconds * 1000:.{0 if milliseconds >= 0.01 else 1}f} µs"


def parity(iteration: Iteration) -> str:
    """Say what was proven."""
    if iteration.status == "built" and not iteration.parity:
        proven = "; in a clean process it predicted the same" if iteration.data_digest else ""
        return f"built, not deployed{proven}"
    text = _PARITY.get(iteration.parity, iteration.parity)
    if iteration.parity == "close" and iteration.max_abs_difference is not None:
        text += f" (largest difference {iteration.max_abs_difference:.3g})"
    return text


def sent(load: LoadReport | None) -> str:
    """Say how much went to the engine, and what it had already."""
    if load is None:
        return ""
    layers = load.layers_sent + load.layers_reused
    if load.method == "present":
        return f"nothing sent, all {layers} layers were there"
    return f"{size(load.sent_bytes)} sent, {load.layers_reused} of {layers} layers reused"


def took(deployment: Deployment) -> str:
    """Say what the total time of a deployment is of."""
    way = ", into the running container" if deployment.hot and deployment.container is not None else ""
    if deployment.redeployed:
        return f"to deploy it again{way}"
    return ("package to verified" if deployment.iteration.status == "verified" else "in all") + way


def setting(found: Setting) -> str:
    """Return a setting's value as it is written; "-" where it is empty or none."""
    return "-" if found.value in {None, ""} else str(found.value)
