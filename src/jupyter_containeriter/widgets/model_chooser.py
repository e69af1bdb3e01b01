"""A choice among the models of the notebook, which containerizes with a click."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets

from jupyter_containeriter.api import candidates, kernel
from jupyter_containeriter.capture.snapshot import CaptureRequest
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.magic_arguments import evaluate, number, split_line
from jupyter_containeriter.names import check_name
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.show.html import FAINT
from jupyter_containeriter.show.live import show_output
from jupyter_containeriter.widgets.acting import Acts
from jupyter_containeriter.widgets.address import Line
from jupyter_containeriter.widgets.model_panel import namespace_of_notebook, panel_of
from jupyter_containeriter.widgets.words import note_html

if TYPE_CHECKING:
    from jupyter_containeriter.api.choices import Choices
    from jupyter_containeriter.capture.candidates import Model
    from jupyter_containeriter.progress import Progress

_NOTHING = (
    "<div>No variable of this notebook holds a model.</div>"
    f'<div style="color:{FAINT}">→ Run the cells that fit one, then press Refresh. Whatever has a method '
    "<code>predict</code> counts; what has another one is containerized with "
    "<code>%containerize NAME --predict METHOD</code>.</div>"
)
_FITTED = {True: "fitted", False: "not fitted yet", None: "fitted or not: it does not tell"}
_WIDE = {"style": {"description_width": "70px"}, "layout": {"width": "460px", "max_width": "100%"}}


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be containerized, in the words of the magic.

    Attributes
    ----------
    variable
        The model.
    name
        What it is to be called.
    sample
        The expression of its sample, "" for none.
    metric
        The expression of a metric, "" for none.
    """

    variable: str
    name: str
    sample: str = ""
    metric: str = ""

    @property
    def line(self) -> str:
        """The line that does the same in a cell."""
        words = ["%containerize", self.variable, "--name", self.name]
        words += ["--sample", _word(self.sample)] if self.sample else []
        words += ["--metric", f"{self.metric}={self.metric}"] if self.metric else []
        return " ".join(words)

    def request(self, namespace: Mapping[str, Any]) -> CaptureRequest:
        """Return what is to be captured."""
        return CaptureRequest(
            check_name(self.name),
            evaluate("MODEL", self.variable, namespace),
            self.variable,
            dict(namespace),
            evaluate("--sample", self.sample, namespace) if self.sample else None,
        )

    def options(self, namespace: Mapping[str, Any]) -> RunOptions:
        """Return how it is to run, and what is kept with it."""
        told = {self.metric: evaluate("--metric", self.metric, namespace)} if self.metric else {}
        metrics = {key: number("--metric", key, value) for key, value in told.items()}
        return RunOptions(metrics=metrics, notebook=kernel.notebook_name())


class Chooser:
    """Shows the models of the notebook, and containerizes the chosen one as the magic does."""

    def __init__(self) -> None:
        self._found: dict[str, Model] = {}
        self._model = ipywidgets.Dropdown(description="Model", tooltip="The variable that holds the model", **_WIDE)
        self._name = ipywidgets.Text(description="Name", tooltip="What the model is called from now on", **_WIDE)
        self._sample = ipywidgets.Combobox(
            description="Sample",
            tooltip="Rows to predict here and in the container: choose, or write an expression",
            placeholder="none: nothing is proven",
            **_WIDE,
        )
        self._metric = ipywidgets.Dropdown(description="Metric", tooltip="A number kept with the iteration", **_WIDE)
        self._go = ipywidgets.Button(
            description="Containerize", button_style="primary", tooltip="Containerize the model and prove it"
        )
        self._refresh = ipywidgets.Button(description="Refresh", tooltip="Look again for models")
        self._line = Line()
        self._acts = Acts()
        self._acts.guard(self._go, self._refresh)
        self._form = ipywidgets.VBox()
        self._result = ipywidgets.VBox()
        self.widget = ipywidgets.VBox([self._form, self._acts.box, self._result])
        self.widget.add_class("containeriter-panel")
        self._model.observe(lambda _: self._chosen(), "value")
        for field in (self._name, self._sample, self._metric):
            field.observe(lambda _: self._write(), "value")
        self._go.on_click(lambda _: self.containerize())
        self._refresh.on_click(lambda _: self.refresh())
        self.refresh()

    @property
    def choice(self) -> Choice:
        """What is chosen now."""
        name, sample = self._name.value.strip(), self._sample.value.strip()
        return Choice(self._model.value, name, sample, self._metric.value or "")

    def refresh(self) -> None:
        """Look again for models; what was chosen stays, where it is still there."""
        choices, chosen = candidates(), self._model.value
        self._found = {model.variable: model for model in choices.found.models}
        if not self._found:
            self._form.children = (ipywidgets.HTML(_NOTHING), self._refresh)
            return
        metric = self._metric.value
        self._metric.options = _metrics(choices)
        self._metric.value = metric if metric in dict(self._metric.options).values() else ""
        self._model.options = [(_described(model), model.variable) for model in choices.found.models]
        self._model.value = chosen if chosen in self._found else next(iter(self._found))
        self._chosen()
        buttons = ipywidgets.HBox([self._go, self._refresh])
        self._form.children = (self._model, self._name, self._sample, self._metric, self._line, buttons)

    def containerize(self) -> None:
        """Containerize what is chosen, and show its panel."""
        choice = self.choice

        def call(progress: Progress) -> str:
            namespace = namespace_of_notebook()
            request, options = choice.request(namespace), choice.options(namespace)
            deployment = kernel.session().containerize(request, options, progress)
            return note_html(f"{deployment.name}:{deployment.version} {deployment.iteration.status}.")

        if self._acts.run(f"Containerizing {choice.name}", call):
            self._result.children = (panel_of(choice.name).widget,)

    def _chosen(self) -> None:
        model = self._found.get(self._model.value)
        if model is None:
            return
        self._name.value = model.name
        self._sample.options = model.samples
        self._sample.value = model.samples[0] if model.samples else ""
        self._write()

    def _write(self) -> None:
        # While options are set, nothing is chosen for a moment.
        if self._model.value is not None:
            self._line.text = self.choice.line

    def _ipython_display_(self) -> None:
        text = "A choice among the models of the notebook: it needs a kernel. Run citer.chooser()."
        show_output({**self.widget._repr_mimebundle_(), "text/plain": text})

    def __repr__(self) -> str:
        return f"<Chooser among {', '.join(self._found) or 'no models'}>"


def _described(model: Model) -> str:
    library = f" ({model.library})" if model.library else ""
    return f"{model.variable} · {model.type}{library} · {_FITTED[model.fitted]}"


def _metrics(choices: Choices) -> list[tuple[str, str]]:
    return [("none", ""), *((f"{m.expression} = {m.value:.4g}", m.expression) for m in choices.found.metrics)]


def _word(expression: str) -> str:
    """Return an expression as one word of a line: in quotes, where it has spaces outside brackets."""
    try:
        whole = len(split_line(expression)) == 1
    except UsageError:
        return expression
    quote = "'" if '"' in expression else '"'
    return expression if whole else f"{quote}{expression}{quote}"
