"""Any other way of deploying, timed as an iteration of the same history: a block of code, whatever it does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from jupyter_containeriter.errors import HistoryError, ParityError, UsageError
from jupyter_containeriter.lead import roots
from jupyter_containeriter.names import check_name
from jupyter_containeriter.parity import compare
from jupyter_containeriter.progress import PhaseTimes, Silent
from jupyter_containeriter.road.record import Record
from jupyter_containeriter.types import CALL_PHASES, Comparison

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

#: What no phase claims counts to this one: what a block does first of all is to make something that can be deployed.
_REST = "build"

#: The name that is timed here; threads and tasks have each their own.
_timing: ContextVar[str] = ContextVar("timing", default="")

_WORST_LAST = ("exact", "close", "nondeterministic", "failed")


@dataclass(eq=False)
class TimedIteration:
    """A block that deploys a model by another way; a context manager.

    Parameters
    ----------
    session
        Gives the history, the clock and the locks.
    name
        The model's name: its versions are counted on.
    method
        How it is deployed, in words: ``"docker build"``.
    params, metrics, tags, note
        Written into the history; they may be changed within the block.
    notebook
        Name of the notebook.
    cells
        Whether there are cells, and time before the block; not in a shell.
    """

    session: Session = field(repr=False)
    name: str
    method: str
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    note: str = ""
    notebook: str = ""
    cells: bool = True
    _record: Record | None = field(default=None, init=False, repr=False)
    _times: PhaseTimes = field(init=False, repr=False)
    _held: ExitStack = field(init=False, repr=False)
    _comparisons: list[Comparison] = field(default_factory=list, init=False, repr=False)
    _phase: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.method.strip() or self.method == "containeriter":
            raise UsageError(
                f"method={self.method!r} does not say how it is deployed.", 'For example method="docker build".'
            )

    def __enter__(self) -> Self:
        if around := _timing.get():
            raise UsageError(f"An iteration of {around} is being timed already.", "End that block first.")
        self.session.reconciler.reconcile()
        with ExitStack() as held:
            held.enter_context(self.session.locks.exclusive(self.name))
            self._comparisons.clear()
            self._times = PhaseTimes(Silent(), rest=_REST)
            self._record = Record.begin(
                self.session, self._times, self.name, method=self.method, notebook=self.notebook, **self._written()
            )
            self._record.look_back(partial(roots, self._variable))
            _timing.set(self.name)
            # Not reset by a token: a block may be left in another context than it was entered in.
            held.callback(_timing.set, "")
            self._held = held.pop_all()
        self._record.restart(cells=self.cells)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._held:
            self.done()
            wrong = self._note_what_is_known()
            if error is not None:
                # What the block raised says more than a history that cannot be written.
                with suppress(HistoryError):
                    self._row.fail(error)
                return
            self._finish()
        for remark in self.session.history.remarks():
            warnings.warn(remark, stacklevel=2)
        if wrong is not None:
            raise wrong

    def _finish(self) -> None:
        """End a block that raised nothing; predictions that differ are no less wrong for an error that was caught."""
        failed = [one for one in self._comparisons if one.parity == "failed"]
        if failed:
            self._row.finish("failed", self._different(failed[0]))
        else:
            self._row.finish("verified" if self._comparisons else "deployed")

    @property
    def seconds(self) -> float:
        """Seconds of the block so far, or of all of it once it has ended."""
        return self._times.total

    @property
    def version(self) -> int:
        """The version of the name that this iteration is."""
        return self._row.iteration.version

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a part of the block as a phase: ``capture``, ``build``, ``load``, ``start`` or ``verify``.

        What no phase claims counts as ``build``.
        """
        if name not in CALL_PHASES:
            raise UsageError(f"{name!r} is no phase.", f"Phases are {', '.join(CALL_PHASES)}.")
        if self._phase:
            raise UsageError(f"The phase {self._phase} has not ended.", "Phases follow one another.")
        if self._row.is_over:
            raise UsageError("The deployment is done: nothing is timed any more.", "Time phases before done().")
        self._phase = name
        try:
            with self._times.phase(name):
                yield
        finally:
            self._phase = ""

    def check(self, expected: Any, got: Any) -> Comparison:
        """Compare what the deployed model predicts with what it should; the iteration is ``verified`` by that.

        Parameters
        ----------
        expected
            What the notebook predicts.
        got
            What came back. A list, as JSON brings it, is compared by value with an array.

        Raises
        ------
        ParityError
            They differ by more than rounding. The iteration ends ``failed``, also where this is caught.
        """
        if isinstance(got, list) and hasattr(expected, "tolist"):
            expected = expected.tolist()
        comparison = compare(expected, got, sides=("expected", "got"))
        self._comparisons.append(comparison)
        worst = max(self._comparisons, key=lambda one: _WORST_LAST.index(one.parity))
        known = [one.max_abs_difference for one in self._comparisons if one.max_abs_difference is not None]
        self._row.note(parity=worst.parity, max_abs_difference=max(known, default=None))
        if comparison.parity == "failed":
            raise ParityError(
                self._different(comparison),
                "Look at what was deployed: code, packages or data differ from the notebook's.",
            )
        return comparison

    def _different(self, comparison: Comparison) -> str:
        rows = "\n".join(f"  {line}" for line in comparison.differences)
        return f"{self.name}:{self.version} predicts something else than expected:\n{rows}"

    def done(self) -> None:
        """Say that the deployment is done: what the block does from here on is not timed."""
        self._row.end()

    @property
    def _row(self) -> Record:
        if self._record is None:
            raise UsageError(
                "The iteration has not begun.", f"Use it as a block: with citer.iteration({self.name!r}, …)."
            )
        return self._record

    @property
    def _variable(self) -> str:
        """The expression that gave the model when it was containerized last, else the name as a variable's."""
        return self.session.kernel_models.label(self.name) or self.name.replace("-", "_").replace(".", "_")

    def _written(self) -> dict[str, Any]:
        return {
            "params": dict(self.params),
            "metrics": dict(self.metrics),
            "tags": {key: str(value) for key, value in self.tags.items()},
            "note": str(self.note),
        }

    def _note_what_is_known(self) -> UsageError | None:
        """Note what the block has set; what is of no use is left out and returned as the error it is."""
        wrong: UsageError | None = None
        for word in ("params", "metrics", "tags"):
            given = getattr(self, word)
            if not isinstance(given, Mapping):
                wrong = UsageError(f"{word} was set to {given!r}, a {type(given).__name__}.", "Give a mapping.")
                setattr(self, word, {})
        fields = self._written()
        numbers, odd = _numbers(fields.pop("metrics"))
        self._row.note(**fields, metrics=numbers)
        return wrong or odd


def _numbers(metrics: Mapping[str, Any]) -> tuple[dict[str, float], UsageError | None]:
    numbers: dict[str, float] = {}
    wrong: UsageError | None = None
    for key, value in metrics.items():
        try:
            numbers[str(key)] = float(value)
        except (TypeError, ValueError):
            wrong = UsageError(
                f"metrics {key}: {value!r} is a {type(value).__name__}, not a number.", "Give one number."
            )
    return numbers, wrong
