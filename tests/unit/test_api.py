"""The Python functions, before a session hears of them."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from typing import Any

import pytest

import jupyter_containeriter as citer
from jupyter_containeriter import api
from jupyter_containeriter.errors import ContainerIterError, UsageError


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("name", 5),
        ("predict", 5),
        ("metrics", [1]),
        ("params", "a=1"),
        ("tags", ["a"]),
        ("note", None),
        ("engine", 3),
        ("memory", 2),
        ("cpus", "2"),
        ("gpus", 1.5),
        ("port", "80"),
        ("port", True),
        ("token", "secret"),
        ("include", 5),
        ("exclude", [5]),
        ("namespace", []),
    ],
)
def test_arguments_of_another_type_are_named(argument: str, value: Any) -> None:
    """An argument that cannot be meant is refused by its name, with what to give."""
    with pytest.raises(UsageError) as caught:
        api.containerize(max, **{argument: value})
    assert f"={value!r} is of type" in caught.value.message or "=5 is of type int" in caught.value.message
    assert caught.value.remedy.startswith("Give ")


def test_what_can_be_meant_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count of GPUs may be a number, one package a text, and limits whole numbers."""
    heard: list[Any] = []
    monkeypatch.setattr(api.deploying, "run_containerize", lambda *given: heard.extend(given))
    api.containerize(max, gpus=2, cpus=2, include="numpy", exclude=["pandas"])
    request, options = heard
    assert (options.gpus, options.cpus) == ("2", 2.0)
    assert (request.include, request.exclude) == (("numpy",), ("pandas",))


def test_other_verbs_name_arguments_too() -> None:
    """References, versions and counts of another type are refused as well."""
    calls: list[Any] = [
        lambda: api.deploy(5),  # type: ignore[arg-type]
        lambda: api.rollback("churn", "1"),  # type: ignore[arg-type]
        lambda: api.undeploy(5),  # type: ignore[arg-type]
        lambda: api.iterations(last="1"),  # type: ignore[arg-type]
        lambda: api.plot(5),  # type: ignore[arg-type]
        lambda: api.plot("metric", metric=5),  # type: ignore[arg-type]
        lambda: api.report(5),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(UsageError, match="is of type"):
            call()


def test_no_module_has_the_name_of_a_verb() -> None:
    """Python binds a module in its package when it is imported: the function of that name would be gone."""
    assert not {module.name for module in pkgutil.iter_modules(citer.__path__)} & set(citer._VERBS)


def test_the_last_none_are_refused() -> None:
    """Fewer iterations than one cannot be asked for."""
    with pytest.raises(UsageError, match="--last must be at least 1"):
        citer.iterations(last=0)


def test_errors_are_at_hand() -> None:
    """The errors are reached from the package, which imports them when they are asked for."""
    assert citer.ContainerIterError is ContainerIterError
    code = (
        "import sys, jupyter_containeriter as citer; assert 'jupyter_containeriter.errors' not in sys.modules;"
        "assert issubclass(citer.errors.UsageError, citer.ContainerIterError)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "given",
    [{"seconds": "3"}, {"seconds": True}, {"connections": "1,4"}, {"connections": 1.5}, {"connections": (1, "4")}],
)
def test_wrong_kinds_of_load_are_refused(given: dict[str, Any]) -> None:
    """Before anything is looked for, with what to give instead."""
    with pytest.raises(UsageError, match="is of type") as caught:
        api.loadtest("churn", **given)
    assert "for example" in caught.value.remedy
