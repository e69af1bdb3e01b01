"""Logs and usage of what runs, live while the section is open."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable

import ipywidgets
import urllib3

from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.show import words
from jupyter_containeriter.show.html import FAINT
from jupyter_containeriter.widgets.seen import Seen
from jupyter_containeriter.widgets.spark import spark_html
from jupyter_containeriter.widgets.words import log_html, note_html, problem_html

_LINES = 200
#: A section nobody has touched for so long stops asking: the page may be gone without a word.
_PATIENCE_SECONDS = 600.0
_POINTS = 120
_NOTHING = "Nothing runs."
_COUNTED = re.compile(r'^containeriter_requests_total\{[^}]*route="(?:infer|invocations)"[^}]*\} (\S+)$', re.MULTILINE)


class Live:
    """What is asked every second until it has been open for long, and on from there at the press of a button.

    Parameters
    ----------
    now
        The time, in seconds.
    """

    title = ""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = now()
        self._seen: Seen | None = None
        self._shown = ipywidgets.HTML()
        self._further = ipywidgets.Button(description="Go on", tooltip=f"Follow the {self.title.lower()} again")
        self._further.layout.display = "none"
        self._further.on_click(lambda _: self._resume())
        self.box = ipywidgets.VBox([self._shown, self._further])

    def open(self, seen: Seen) -> None:
        """Begin with what runs now."""
        self._take(seen)
        self._resume()

    def show(self, seen: Seen) -> None:
        """Go on with what runs now; this is nobody's sign of life."""
        self._take(seen)

    def _take(self, seen: Seen) -> None:
        if self._seen is None or self._seen.identity != seen.identity:
            self.forget()
        self._seen = seen

    def poll(self, seen: Seen) -> None:
        """Ask once more, as long as somebody may be looking."""
        if self._now() - self._began > _PATIENCE_SECONDS:
            self._further.layout.display = ""
            return
        live = seen.live
        try:
            self._shown.value = self.html(live) if live and live.container else note_html(_NOTHING)
        except Exception as error:  # noqa: BLE001 (a container that ends is no surprise here)
            self._shown.value = problem_html(error)

    def forget(self) -> None:
        """Begin anew: something else runs."""

    def html(self, live: Deployment) -> str:
        """Ask, and return what there is to see."""
        raise NotImplementedError

    def _resume(self) -> None:
        self._began = self._now()
        self._further.layout.display = "none"
        if self._seen is not None:
            self.poll(self._seen)


class Logs(Live):
    """What the server wrote."""

    title = "Logs"

    def html(self, live: Deployment) -> str:
        """Return its last lines."""
        return log_html(live.logs(_LINES))


class Usage(Live):
    """CPU, memory and requests, as numbers and as lines."""

    title = "Usage"

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=1, read=2))
        self.forget()
        super().__init__(now)

    def forget(self) -> None:
        """Begin anew."""
        self._cpu, self._memory, self._rate = (deque[float](maxlen=_POINTS) for _ in range(3))
        self._last: tuple[float, float] | None = None

    def html(self, live: Deployment) -> str:
        """Measure, and return what was measured so far."""
        stats = live.stats()
        self._cpu.append(stats.cpu_percent)
        self._memory.append(float(stats.memory_bytes))
        rate = self._requests_a_second(live)
        parts = [
            spark_html("CPU", f"{stats.cpu_percent:.0f} % of a core", self._cpu, "#218bff"),
            spark_html("Memory", _of(stats.memory_bytes, stats.memory_limit_bytes), self._memory, "#a475f9"),
        ]
        if rate is not None:
            self._rate.append(rate)
        said = f"{rate:.1f} a second" if rate is not None else "counting …"
        parts.append(spark_html("Requests", said, self._rate, "#2da44e"))
        grid = "display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:8px 16px"
        span = f'<div style="color:{FAINT};font-size:12px">{_span(self._cpu)}</div>'
        return f'<div style="{grid}">{"".join(parts)}</div>{span}'

    def _requests_a_second(self, live: Deployment) -> float | None:
        """Return the predictions a second since it was asked last, None the first time."""
        headers = {"Authorization": f"Bearer {live.token}"} if live.token else {}
        response = self._pool.request("GET", f"{live.url}/metrics", headers=headers)
        count, now = sum(map(float, _COUNTED.findall(response.data.decode()))), self._now()
        last, self._last = self._last, (now, count)
        if last is None or now <= last[0]:
            return None
        return max(0.0, (count - last[1]) / (now - last[0]))


def _of(used: int, limit: int) -> str:
    return f"{words.size(used)} of {words.size(limit)}" if limit else words.size(used)


def _span(values: deque[float]) -> str:
    return f"the last {len(values)} seconds" if len(values) > 1 else "measured every second"
