"""The proof: the model is loaded and predicts its sample in a clean process, by the very code that will serve it."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .inference import read_value, write_value
from .model import load


def prove(root: Path, output: Path) -> None:
    """Load the model, predict the sample, and write what came out.

    Parameters
    ----------
    root
        The directory that holds ``snapshot.json``.
    output
        JSON file to write: ``outputs`` (tensors, or null without a sample) and ``output_schema``, or ``error`` with
        ``type``, ``message``, ``traceback``, ``missing_module`` and ``missing_file``; in any case ``modules`` (the
        top-level names of what was imported), ``sought`` (the modules that were looked for in vain) and ``libraries``
        (paths of the shared libraries that were loaded).

    Notes
    -----
    The result goes to a file because the model may print whatever it likes.
    """
    sought = _Sought()
    sys.meta_path.append(sought)
    try:
        report = _predict_sample(root)
    except BaseException as error:  # noqa: BLE001 - whatever the model raises is what the proof found
        report = {"error": _describe(error)}
    report["modules"] = sorted({name.partition(".")[0] for name, module in sys.modules.items() if module is not None})
    report["sought"] = sorted(sought.names)
    report["libraries"] = _libraries()
    output.write_text(json.dumps(report), encoding="utf-8")


def _libraries() -> list[str]:
    """Read what is mapped (``man 5 proc_pid_maps``); modules load libraries by name that no file says they need."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text(errors="surrogateescape").splitlines() if maps.exists() else []
    paths = {fields[5] for line in lines if len(fields := line.split(maxsplit=5)) == 6}
    return sorted(path for path in paths if ".so" in path.rpartition("/")[2])


class _Sought:
    """The last finder of modules: what comes to it was found by none before."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Note the name; :mod:`importlib` defines the arguments."""
        self.names.add(name)


def _predict_sample(root: Path) -> dict[str, Any]:
    model = load(root)
    outputs = schema = None
    if model.sample is not None:
        outputs, schema = write_value(model, model.predict(read_value(model, model.sample)))
    return {"outputs": outputs, "output_schema": schema}


def _describe(error: BaseException) -> dict[str, Any]:
    from .model import ModelError

    # The model's own exception says more than our wrapper around it.
    shown = error.__cause__ if isinstance(error, ModelError) and error.__cause__ else error
    return {
        "type": type(shown).__name__,
        "message": str(shown),
        "traceback": "".join(traceback.format_exception(shown)),
        "missing_module": next((e.name for e in _chain(error) if isinstance(e, ModuleNotFoundError)), None),
        "missing_file": next((name for e in _chain(error) if (name := _file_of(e))), None),
    }


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error and what led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _file_of(error: BaseException) -> str | None:
    """Return the file that an error says is not there."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
        return os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
    return None
