"""Errors: two lines in a notebook, with what to do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_containeriter import errors
from jupyter_containeriter.errors import ContainerIterError, DamagedLayerError, IterationInterruptedError

_CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ContainerIterError)]


def _made(kind: type[ContainerIterError]) -> ContainerIterError:
    return kind("sha256:0123456789abcdef") if kind is DamagedLayerError else kind("It broke.")  # type: ignore[call-arg]


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """Give a shell of its own."""
    shell = InteractiveShell()
    yield shell
    shell.history_manager.end_session()  # type: ignore[union-attr]


def test_every_error_is_walked() -> None:
    """No subclass hides in another module."""
    known = set(_CLASSES)
    queue = [ContainerIterError]
    while queue:
        kind = queue.pop()
        queue += kind.__subclasses__()
        assert kind in known


@pytest.mark.parametrize("kind", _CLASSES)
def test_every_error_has_a_remedy(kind: type[ContainerIterError]) -> None:
    """An error without a word about what to do does not exist."""
    error = _made(kind)
    assert error.remedy.endswith((".", ")"))
    assert error.message
    assert str(error) == f"{error.message}\n  -> {error.remedy}"


@pytest.mark.parametrize("kind", _CLASSES)
def test_every_error_is_two_lines_in_a_notebook(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], kind: type[ContainerIterError]
) -> None:
    """A cell that fails on purpose shows message and remedy instead of a traceback, and counts as failed."""
    shell.user_ns["error"] = _made(kind)
    result = shell.run_cell("def f():\n    raise error\nf()")
    shown = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert shown == [f"{kind.__name__}: {_made(kind).message}", f"  -> {_made(kind).remedy}"]
    assert not result.success


def test_a_better_remedy_replaces_the_default() -> None:
    """The place that raises may know better."""
    assert ContainerIterError("It broke.", "Mend it.").remedy == "Mend it."


def test_an_interrupt_stays_an_interrupt() -> None:
    """Code that catches ordinary exceptions is not asked about ours, code that catches interrupts is."""
    assert issubclass(IterationInterruptedError, KeyboardInterrupt)
