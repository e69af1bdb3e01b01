"""The history of a model as one page to send: no scripts, nothing from elsewhere, light and dark."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from jupyter_containeriter.show.html import card, table
from jupyter_containeriter.show.shown import Shown

#: The first line of every report: what begins with it may be replaced by a newer one.
MARK = "<!-- jupyter_containeriter: report of a history -->"

# The table of iterations asks JupyterLab's theme for its colours; here they are the page's own.
_LIGHT = (
    "--page:#ffffff;--ink:#24292f;--jp-border-color2:#d0d7de;--jp-content-font-color2:#57606a;"
    "--jp-layout-color2:#f3f4f6"
)
_DARK = (
    "--page:#0d1117;--ink:#e6edf3;--jp-border-color2:#30363d;--jp-content-font-color2:#9198a1;--jp-layout-color2:#161b22;"
    "--jp-success-color1:#3fb950;--jp-error-color1:#f85149;--jp-warn-color1:#d29922"
)
_STYLE = f"""
:root {{ color-scheme: light dark; {_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
body {{ background: var(--page); color: var(--ink); --jp-content-font-color1: var(--ink); max-width: 960px;
  margin: 0 auto; padding: 24px 16px 48px; font: 15px/1.5 system-ui, sans-serif }}
h1 {{ font-size: 26px; margin: 0 }} h2 {{ font-size: 19px; margin: 36px 0 10px }}
p.faint {{ color: var(--jp-content-font-color2); margin: 4px 0 }}
figure {{ margin: 0 0 18px }}
figure img {{ width: 100%; height: auto; background: #ffffff; border-radius: 8px; display: block;
  border: 1px solid var(--jp-border-color2); box-sizing: border-box }}
dt {{ font-weight: 600; margin-top: 10px }} dd {{ margin: 0 }}
a {{ color: inherit }}
"""

_DEFINITIONS = (
    ("Iteration", "From the end of the previous one of this model to its own end: thinking, running cells, packaging, "
     "starting, checking that the container predicts what the notebook predicted (verified)."),
    ("Cycle", "All of that. Package to verified is the part after the command to deploy was given."),
    ("Running median", "The median of the last iterations that ended well (how many, the legend says), with its 95 % "
     "interval from order statistics, which assumes nothing of the distribution."),
    ("Difference of medians", "With the 95 % percentile interval of 9,999 bootstrap resamples; none for fewer than six "
     "iterations of a kind."),
    ("Time spent", "The sum of the cycles so far; a kernel's idle time counts for an hour a cycle at most."),
    ("Deployment frequency", "Iterations that went into service, by ISO week."),
    ("Lead time", "From the end of the cell that changed the model last until it was verified; the median."),
    ("Change failure rate", "Iterations that failed or were rolled back later, of all in service or failed."),
    ("Time to restore", "From the end of a failed change until a good version went into service again; the median."),
    ("Overhead", "What the container adds to the kernel's own prediction of the same rows, at the median."),
)  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """A picture and what it says: its finding, and the bytes of a PNG."""

    finding: str
    png: bytes


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """A report that was written.

    Attributes
    ----------
    name
        The model.
    path
        The file.
    findings
        What its charts say.
    """

    name: str
    path: str
    findings: tuple[str, ...]

    def html(self) -> str:
        """Return the card: where it is, and what it says."""
        rows = [("File", f"<code>{escape(self.path)}</code>")]
        rows += [("", escape(finding)) for finding in self.findings]
        return card(f"<b>Report of {escape(self.name)}</b>", "", table(rows))

    def text(self) -> str:
        """Return where it is, and what it says."""
        return "\n".join([f"Report of {self.name} written to {self.path}:", *(f"  {line}" for line in self.findings)])

    def document(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {"name": self.name, "path": self.path, "findings": list(self.findings)}


def report_page(name: str, charts: Sequence[Chart], iterations: str, made: datetime) -> str:
    """Return the page.

    Parameters
    ----------
    name
        The model.
    charts
        What is drawn, in order.
    iterations
        The table of iterations, as HTML.
    made
        When the report was made.
    """
    findings = "".join(f"<li>{escape(chart.finding)}</li>" for chart in charts)
    figures = "".join(_figure(chart) for chart in charts)
    definitions = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in _DEFINITIONS)
    return f"""{MARK}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(name)}: history of iterations</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(name)}</h1>
<p class="faint">History of iterations, {made:%d %B %Y, %H:%M} UTC. Made with jupyter_containeriter.</p>
<h2>In short</h2>
<ul>{findings}</ul>
<h2>Charts</h2>
{figures}
<h2>Iterations</h2>
{iterations}
<h2>What the words mean</h2>
<dl>{definitions}</dl>
</body>
</html>
"""


def _figure(chart: Chart) -> str:
    data = base64.b64encode(chart.png).decode()
    return f'<figure><img alt="{escape(chart.finding)}" src="data:image/png;base64,{data}"></figure>\n'
