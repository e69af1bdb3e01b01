"""What the arguments of the Python functions may be, and how that is said."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from jupyter_containeriter.errors import UsageError

_TEXT = ((str,), "a text")
_NONE = type(None)
_COUNT = ((Integral, _NONE), "a whole number")
_MAPPING = ((Mapping, _NONE), "a mapping, for example {'key': 1}")
_PACKAGES = ((Sequence,), "a list of package names")

#: What an argument may be, and how that is said.
_WANTED: dict[str, tuple[tuple[type, ...], str]] = {
    "name": ((str, _NONE), "a text, for example 'churn'"),
    "predict": ((str, Callable, _NONE), "the name of a method, or a function f(model, data)"),  # type: ignore[dict-item]
    "metrics": _MAPPING,
    "params": _MAPPING,
    "tags": _MAPPING,
    "note": _TEXT,
    "engine": ((str, _NONE), "'docker', 'sandbox', 'process' or 'auto'"),
    "base": ((str, _NONE), "'kernel' or the name of an image, for example 'python:3.12-slim'"),
    "platform": ((str, _NONE), "'linux/amd64' or 'linux/arm64'"),
    "memory": ((str, _NONE), "a text with a unit, for example '2g'"),
    "cpus": ((Real, _NONE), "a number, for example 2 or 0.5"),
    "gpus": ((str, Integral, _NONE), "'all' or a count"),
    "port": _COUNT,
    "token": ((bool,), "True or False"),
    "deploy": ((bool,), "True or False"),
    "fresh": ((bool,), "True or False"),
    "include": _PACKAGES,
    "exclude": _PACKAGES,
    "allow_data": ((bool,), "True or False"),
    "allow_secrets": ((bool,), "True or False"),
    "package": ((str,), "the name of a package"),
    "namespace": _MAPPING,
    "reference": ((str,), "a text, for example 'churn:2'"),
    "budget": ((str, _NONE), "a text with a unit, for example '5g'"),
    "dry_run": ((bool,), "True or False"),
    "to": _COUNT,
    "last": _COUNT,
    "model": ((str,), "the name of a model, for example 'churn'"),
    "version": ((Integral,), "the number of a version"),
    "where": ((str, _NONE), "a text, for example 'accuracy > 0.9'"),
    "target": ((str,), "a text, for example 'registry.example.com/team/churn'"),
    "method": ((str,), "a text, for example 'docker build'"),
    "path": ((str, os.PathLike), "a path, for example 'churn.tar' or 'churn/'"),
    "kind": _TEXT,
    "metric": ((str, _NONE), "the name of a metric"),
    "better": ((str, _NONE), "'higher' or 'lower'"),
    "by": ((str, _NONE), "a column such as 'engine', or the key of a tag"),
    "seconds": ((Real,), "a number, for example 3"),
    "connections": ((Sequence, Integral), "whole numbers, for example (1, 4, 16)"),
    "connection": ((Integral,), "whole numbers, for example (1, 4, 16)"),
}


def check(**given: Any) -> None:
    """Refuse the first argument that is not of its kind.

    Raises
    ------
    UsageError
        It says which argument, what it is and what to give.
    """
    for argument, value in given.items():
        kinds, wanted = _WANTED[argument]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise UsageError(f"{argument}={value!r} is of type {type(value).__name__}.", f"Give {wanted}.")


def packages(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return names of packages; a text is one name."""
    found = (names,) if isinstance(names, str) else tuple(names)
    for name in found:
        check(package=name)
    return found
