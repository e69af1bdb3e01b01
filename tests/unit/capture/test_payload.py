"""Pickling: equal models give equal bytes, and what cannot leave the kernel is named."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.capture.parts import Parts
from jupyter_containeriter.capture.payload import Payload, pickle_object
from jupyter_containeriter.errors import CaptureError

Cell = Callable[[str], dict[str, Any]]

_NOTEBOOK = '''
import enum, math
from dataclasses import dataclass

LIMIT = 3

class Colour(enum.Enum):
    RED = 1

@dataclass
class Base:
    """A base."""
    k: int = 2

class Model(Base):
    colours = (Colour.RED,)
    words = {"yes", "no", "maybe"}
    groups = {"a": frozenset({b"x", b"y", b"z"}), "b": {("u", "v"), ("w", None)}, "c": {int, float, dict}}

    def predict(self, rows):
        import json
        known = [row for row in rows if row in {"a", "b", "c", "d", "e"}]
        return [math.sqrt(self.k) * LIMIT + helper(row) for row in rows]

def helper(row):
    return (lambda x: x + 1)(1)

model = Model()
'''

_SCRIPT = f"""
import sys
from jupyter_containeriter.capture.parts import Parts
from jupyter_containeriter.capture.payload import pickle_object
cell = {_NOTEBOOK!r}
exec(compile(cell, sys.argv[1], "exec"))
payload = pickle_object(model, "model", Parts())
print(payload.digest, payload.code_digest, sorted(payload.modules))
"""


_LOAD = """
import sys
from jupyter_containeriter.serving.parts import Parts, unpickle
print(unpickle(sys.stdin.buffer, Parts(None, [])).predict(["a"]))
"""


def pickled(value: Any) -> Payload:
    """Pickle a model."""
    return pickle_object(value, "model", Parts())


def test_two_kernels_give_the_same_bytes() -> None:
    """Notebook classes, enumerations and functions pickle the same whatever kernel and cell they come from."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", _SCRIPT, f"/tmp/ipykernel_{number}/{number}.py"],
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in (1, 2)
    ]
    assert runs[0] == runs[1]
    assert "'json'" in runs[0]
    assert "'math'" in runs[0]


def test_a_pickled_model_works_without_the_notebook(cell: Cell) -> None:
    """Notebook classes travel by value, with what they refer to."""
    data = pickled(cell(_NOTEBOOK)["model"]).data
    run = subprocess.run([sys.executable, "-c", _LOAD], input=data, capture_output=True, check=True)
    assert run.stdout.decode().startswith("[6.24264")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return rows", "return rows[:1]"),
        ("return 1", "return 2"),
        ("return rows == 'a'", "return rows == 'b'"),
        ("return rows in {'a', 'b'}", "return rows in {'a', 'c'}"),
        ("return math.sin(rows)", "return math.cos(rows)"),
        ("return [row for row in rows]", "return [row + 1 for row in rows]"),
    ],
)
def test_other_code_has_another_digest(cell: Cell, before: str, after: str) -> None:
    """A change of notebook code is seen, in names, constants and inner functions."""
    digests = [pickled(cell(f"def f(rows):\n    {body}")["f"]).code_digest for body in (before, after)]
    assert digests[0] != digests[1]


def test_where_code_stands_does_not_matter(cell: Cell) -> None:
    """Code moved down in its cell has the same digest."""
    one, two = cell("def f(x):\n    return x"), cell("\n\n\n# moved\ndef f(x):\n    return x")
    assert pickled(one["f"]).code_digest == pickled(two["f"]).code_digest


def test_values_carry_no_code() -> None:
    """A model of an installed package has no code of the notebook."""
    payload = pickled({"a": [1, 2]})
    assert payload.code_digest == ""
    assert pickle.loads(payload.data) == {"a": [1, 2]}


def test_modules_are_traced(cell: Cell) -> None:
    """Modules of attributes, of globals and of imports inside functions are known, whichever way they are used."""
    namespace = cell(
        "import decimal, fractions\n"
        "class M:\n"
        "    def __init__(self): self.a = decimal.Decimal(1)\n"
        "    def predict(self, x):\n"
        "        def inner():\n"
        "            import colorsys\n"
        "            from xml.dom import minidom\n"
        "        return fractions.Fraction(x)\n"
        "model = M()"
    )
    modules = pickled(namespace["model"]).modules
    assert {"decimal", "fractions", "colorsys", "xml.dom"} <= modules


class _Holder:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


def _generator() -> Any:
    yield 1


def _raising(error: Exception) -> Any:
    class Raising:
        def __reduce__(self) -> Any:
            raise error

    return Raising()


@pytest.mark.parametrize(
    ("make", "path", "kind"),
    [
        (lambda: _Holder(lock=threading.Lock()), "model.lock", "lock"),
        (lambda: _Holder(rows=_generator()), "model.rows", "generator"),
        (lambda: _Holder(steps=[1, _Holder(lock=threading.Lock())]), "model.steps[1].lock", "lock"),
        (lambda: _Holder(steps={"a b": (threading.Lock(),)}), "model.steps['a b'][0]", "lock"),
        (lambda: _Holder(fit=_Holder(bad=_raising(RuntimeError("no device")))), "model.fit.bad", "no device"),
        (lambda: _Holder(bad=_raising(OSError("closed"))), "model.bad", "closed"),
        (threading.Lock, "model", "lock"),
    ],
)
def test_what_cannot_be_pickled_is_named(make: Callable[[], Any], path: str, kind: str) -> None:
    """The message names the path to the object that is in the way, and the remedy says what to do with it."""
    with pytest.raises(CaptureError) as caught:
        pickled(make())
    assert caught.value.message.startswith(f"{path} cannot leave the kernel")
    assert kind in caught.value.message
    assert path in caught.value.remedy


def test_an_open_file_is_refused(tmp_path: Path) -> None:
    """An open file is refused, not read and carried along unasked."""
    path = tmp_path / "secret.txt"
    path.write_text("secret")
    with path.open() as file, pytest.raises(CaptureError, match=r"^model\.log cannot leave"):
        pickled(_Holder(log=file))


def test_what_a_closure_holds_is_named(cell: Cell) -> None:
    """A variable held by an inner function is named."""
    namespace = cell(
        "import threading\ndef make():\n    lock = threading.Lock()\n    return lambda x: lock\nmodel = make()"
    )
    with pytest.raises(CaptureError, match="<closure lock>"):
        pickled(namespace["model"])


def test_an_object_within_itself_is_searched_to_an_end() -> None:
    """A model that refers to itself and to a lock ends in an error, not in a search without end."""
    model = _Holder(lock=None)
    model.me, model.lock = model, threading.Lock()
    with pytest.raises(CaptureError):
        pickled(model)


def test_the_open_of_ipython_is_the_ordinary_one() -> None:
    """A function that mentions open() does not bring IPython along, whose guard a notebook calls by that name."""
    from IPython.core.interactiveshell import _modified_open

    namespace: dict[str, Any] = {"__name__": "__main__", "open": _modified_open}
    exec("def read(path):\n    with open(path) as file:\n        return file.read()", namespace)
    payload = pickled(namespace["read"])
    assert not {module for module in payload.modules if module.startswith("IPython")}
    assert pickle.loads(payload.data).__globals__["open"] is open


def test_a_function_of_a_script_does_not_tell_where_the_script_is() -> None:
    """The path of the file that defines a function stays on this machine."""
    names: dict[str, Any] = {"__name__": "__main__", "__file__": "/home/wanda/secret-project/train.py"}
    exec("def predict(rows):\n    return len(rows)", names)
    payload = pickle_object(names["predict"], "predict", Parts())
    assert b"wanda" not in payload.data
    assert pickle.loads(payload.data)([1, 2]) == 2


_CACHES = """
import functools

@functools.lru_cache(maxsize=7, typed=True)
def fib(n):
    "Numbers."
    return n if n < 2 else fib(n - 1) + fib(n - 2)

class Model:
    @functools.cached_property
    def k(self): return 2

    @functools.cache
    def times(self, n): return self.k * n

    def predict(self, rows): return [fib(row) + self.times(row) for row in rows]

model = Model()
"""


def test_functions_with_a_cache_travel(cell: Cell) -> None:
    """A cached function of the notebook, recursive or a method, keeps parameters and attributes; the cache is new."""
    namespace = cell(_CACHES)
    namespace["model"].predict([20])
    payload = pickled(namespace["model"])
    assert pickle.loads(payload.data).predict([10]) == [75]
    assert not {module for module in payload.modules if module.startswith("jupyter_containeriter")}
    fib = pickle.loads(pickled(namespace["fib"]).data)
    assert fib(10) == 55
    assert (fib.cache_parameters(), fib.__name__, fib.__doc__) == ({"maxsize": 7, "typed": True}, "fib", "Numbers.")
    assert fib.cache_info().misses == 11


@pytest.mark.parametrize(
    ("source", "path", "remedy"),
    [
        ("pool = ThreadPoolExecutor()\ndef model(x): return pool", "model.<global pool>", "Create pool inside"),
        (
            "class M:\n    def __init__(self): self.pool = ThreadPoolExecutor()\nmodel = M()",
            "model.pool",
            "__getstate__",
        ),
        ("class M:\n    lock = Lock()\nmodel = M()", "model.<class M>.lock", "None"),
        ("model = ThreadPoolExecutor()", "model", "in place of model._"),
        ("@singledispatch\ndef f(x): return x\ndef model(x): return f(x)", "model.<global f>", "into a module"),
    ],
    ids=["global", "attribute", "class", "itself", "dispatch"],
)
def test_what_is_in_the_way_is_what_the_person_holds(cell: Cell, source: str, path: str, remedy: str) -> None:
    """Not the lock deep inside a library's object is named, but the object, and how it is left out."""
    imports = (
        "from concurrent.futures import ThreadPoolExecutor",
        "from functools import singledispatch",
        "from threading import Lock",
    )
    namespace = cell("\n".join([*imports, source]))
    with pytest.raises(CaptureError) as caught:
        pickled(namespace["model"])
    assert caught.value.message.startswith(f"{path} cannot leave the kernel")
    assert remedy in caught.value.remedy
