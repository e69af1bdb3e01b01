"""Try it: a row of the sample as a form, the container's prediction, and the kernel's beside it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets

from jupyter_containeriter.capture.snapshot import read_sample
from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.errors import ContainerIterError
from jupyter_containeriter.parity import compare
from jupyter_containeriter.road.stored import stored_document
from jupyter_containeriter.serving.answers import plain_answer
from jupyter_containeriter.show import words
from jupyter_containeriter.show.html import BORDER, FAINT, badge
from jupyter_containeriter.widgets.rows import Form, form_of
from jupyter_containeriter.widgets.seen import Seen
from jupyter_containeriter.widgets.words import note_html, problem_html, value_html

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

_ROW_KINDS = frozenset({"dataframe", "series", "ndarray", "torch", "jax", "sparse", "list"})


class Trying:
    """The section that predicts."""

    title = "Try it"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seen: Seen | None = None
        self._form: Form | None = None
        self._sample: Any = None
        self._row = ipywidgets.Dropdown(description="Sample row", tooltip="The row of the sample that fills the form")
        self._predict = ipywidgets.Button(description="Predict", button_style="primary", tooltip="Ask the container")
        self._result = ipywidgets.HTML()
        self._row.observe(lambda _: self._fill(), "value")
        self._predict.on_click(lambda _: self._asked())
        self.box = ipywidgets.VBox()

    def open(self, seen: Seen) -> None:
        """Make the form, unless it is made."""
        self.show(seen)

    def show(self, seen: Seen) -> None:
        """Make the form anew where another version serves."""
        if self._seen is not None and self._seen.identity == seen.identity:
            return
        self._seen = seen
        if seen.live is None or not seen.serving:
            self.box.children = (ipywidgets.HTML(note_html("Nothing runs that could predict: deploy a version.")),)
            return
        self._sample = self._stored_sample(seen.live)
        count = self._count(seen.live)
        self._row.options = [(f"{place + 1} of {count}", place) for place in range(count)]
        self._row.value = 0 if count else None
        self._fill()

    def poll(self, seen: Seen) -> None:
        """Nothing changes here by itself."""

    def _stored_sample(self, live: Deployment) -> Any:
        if not live.schema:
            return None
        _, document = stored_document(self._session.cache, live.iteration)
        return read_sample(document)[0] if document.get("sample") else None

    def _count(self, live: Deployment) -> int:
        if self._sample is None or not live.schema or live.schema["inputs"]["kind"] not in _ROW_KINDS:
            return 0
        shape = getattr(self._sample, "shape", None)
        return int(shape[0] if shape is not None else len(self._sample)) if shape != () else 0

    def _fill(self) -> None:
        assert self._seen is not None
        live = self._seen.live
        if live is None:
            return
        self._result.value = ""
        place = self._row.value
        rows = self._sample if place is None else _one_row(self._sample, place)
        self._form = form_of(live.schema["inputs"] if live.schema and self._sample is not None else None, rows)
        chooser = [self._row] if len(self._row.options) > 1 else []
        before = self.box.children
        self.box.children = (ipywidgets.HBox([*chooser, self._predict]), self._form.widget, self._result)
        for widget in before:
            if widget is not self._result:
                _close(widget, keep=(self._row, self._predict))

    def _asked(self) -> None:
        assert self._seen is not None
        live, form = self._seen.live, self._form
        if live is None or form is None:
            return
        self._predict.disabled = True
        try:
            self._result.value = _answers_html(self._session, live, form.value())
        except Exception as error:  # noqa: BLE001 (the model's own code; whatever it is, the person is told)
            self._result.value = problem_html(error)
        finally:
            self._predict.disabled = False


def _close(widget: Any, keep: tuple[Any, ...]) -> None:
    """Forget a widget and what it is made of; the kernel and the page would keep them for ever."""
    for part in getattr(widget, "children", ()):
        _close(part, keep)
    if widget not in keep:
        for part in (widget.layout, getattr(widget, "style", None), widget):
            if part is not None:
                part.close()


def _one_row(sample: Any, place: int) -> Any:
    return (sample.iloc if hasattr(sample, "iloc") else sample)[place : place + 1]


def _answers_html(session: Session, live: Deployment, data: Any) -> str:
    got, seconds = _timed(live.predict, data)
    cells = [_cell("Container", value_html(got), seconds)]
    predict = session.kernel_models.find(live.name, live.iteration.id)
    if predict is None:
        verdict = note_html(f"This kernel does not hold the model of {live.name}:{live.version} to compare with.")
        return _side_by_side(cells) + verdict
    try:
        expected, took = _timed(lambda rows: plain_answer(predict(rows)), copy.deepcopy(data))
    except ContainerIterError as error:
        return _side_by_side([*cells, _cell("This kernel", problem_html(error), None)])
    cells.append(_cell("This kernel", value_html(expected), took))
    return _side_by_side(cells) + _verdict(live, expected, got)


def _timed(predict: Callable[[Any], Any], data: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    answer = predict(data)
    return answer, time.perf_counter() - began


def _verdict(live: Deployment, expected: Any, got: Any) -> str:
    found = compare(expected, got, deterministic=live.parity != "nondeterministic")
    if found.parity == "failed":
        told = f"{badge('failed')} The two are different: {escape('; '.join(found.differences))}"
    elif found.parity == "close":
        told = f"{badge('ok')} Equal within float tolerance (largest difference {found.max_abs_difference:.3g})."
    elif found.parity == "nondeterministic":
        told = f"{badge('ok')} Alike; the model contradicts itself, so that only shape, type and range can be compared."
    else:
        told = f"{badge('ok')} Equal."
    return f'<div role="status" style="margin-top:4px">{told}</div>'


def _cell(title: str, html: str, seconds: float | None) -> str:
    time_html = f' <span style="color:{FAINT}">{words.latency(seconds)}</span>' if seconds is not None else ""
    style = f"flex:1 1 240px;min-width:0;border:1px solid {BORDER};border-radius:4px;padding:4px 10px;overflow:auto"
    return f'<div style="{style}"><b>{title}</b>{time_html}{html}</div>'


def _side_by_side(cells: list[str]) -> str:
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px;margin-top:4px">{"".join(cells)}</div>'
