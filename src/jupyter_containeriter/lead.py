"""When the model changed last: lead time runs from the end of the cell that did it.

What a cell changes is read from its source, and from variables that hold another object after it. It is an estimate:
a call that might change what it is given counts as a change, and what functions do to globals is not seen.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

from jupyter_containeriter.clock import CellClock, ExecutedCell

#: So many cells that mention the model are read, newest first.
_CELLS = 100
_WATCHED = 64

# fmt: off
_READING = frozenset((
    "callable", "children", "classification_report", "clone", "confusion_matrix", "containerize", "copy",
    "count_params", "cross_val_predict", "cross_validate", "decision_function", "deepcopy", "describe", "dir",
    "display", "dump", "dumps", "eval", "evaluate", "from_estimator", "from_predictions", "getattr", "getsizeof",
    "hasattr", "hash", "help", "id", "inverse_transform", "isinstance", "issubclass", "items", "iter", "iteration",
    "keys", "kneighbors", "len", "list", "modules", "named_modules", "named_parameters", "parameters",
    "permutation_importance", "permutation_test_score", "print", "repr", "show", "signature", "state_dict",
    "staged_predict", "str", "summary", "transform", "tuple", "type", "values", "vars",
))
# fmt: on
_READING_BEGINS = (
    "predict",
    "get_",
    "is_",
    "has_",
    "plot",
    "to_",
    "save",
    "export",
    "print_",
    "show_",
    "check_",
    "dump_",
)
_READING_ENDS = ("score", "scorer", "_error", "_loss", "_curve", "_plot", "_report", "_importance", "_summary")

#: Magics whose cell or line is Python that runs.
_RUNNING_CODE = frozenset({"time", "timeit", "capture", "prun", "iteration", "memit", "mprun", "lprun", "containerize"})


def model_names(label: str, model: Any, namespace: Mapping[str, Any]) -> frozenset[str]:
    """Return the variables that stand for a model: those that hold it, and those its expression begins with.

    Parameters
    ----------
    label
        The expression that gave the model; a mere name need not be a variable.
    model
        The object.
    namespace
        The notebook's variables.
    """
    holding = {name for name, value in list(namespace.items()) if value is model and not name.startswith("_")}
    return frozenset(holding | (set() if label.isidentifier() else roots(label, namespace)))


def roots(expression: str, namespace: Mapping[str, Any]) -> set[str]:
    """Return the variables that an expression is made of; ``search.best_estimator_`` is made of ``search``."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return set()
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {name for name in names if name in namespace and not isinstance(namespace[name], ModuleType)}


def watch(clock: CellClock, names: Iterable[str], namespace: Mapping[str, Any]) -> None:
    """Let the clock tell from now on which cells give these variables another object."""
    for name in names:
        if name in namespace and (name in clock.watched or len(clock.watched) < _WATCHED):
            clock.watched[name] = id(namespace[name])


def changed_at(clock: CellClock, names: Collection[str], asked: float) -> float | None:
    """Return when the cell that changed one of these variables last had ended, on the monotonic clock.

    Parameters
    ----------
    clock
        Knows the cells.
    names
        The variables.
    asked
        When the call began: that is the moment where the very cell that asks has changed the model.

    Returns
    -------
    float or None
        None where no cell is known to have changed it.
    """
    read = 0
    for cell in reversed(list(clock.cells)):
        if not set(cell.rebound) & set(names):
            if not any(name in cell.source for name in names):
                continue
            read += 1
            if read > _CELLS or not _changes_cached(cell.source, frozenset(names), _transform(clock)):
                continue
        return _end(cell, asked)
    return None


def _end(cell: ExecutedCell, asked: float) -> float:
    return asked if cell.ended is None else min(cell.ended, asked)


def _transform(clock: CellClock) -> Callable[[str], str]:
    return clock.shell.transform_cell if clock.shell is not None else str


def changes(source: str, names: Collection[str], transform: Callable[[str], str] = str) -> bool:
    """Whether code changes one of these variables, or the object that it holds.

    It does where it binds the variable, stores to its attributes or items, calls a method on it that is not known to
    only read, or passes it to a call that is not known to only read. Bodies of functions do not run where they are
    defined.
    """
    return any(_changes(node, names, transform) for node in _executed(_parsed(source, transform)))


#: The next iteration looks at the same cells again.
_changes_cached = functools.lru_cache(maxsize=256)(changes)


def _parsed(source: str, transform: Callable[[str], str]) -> ast.AST:
    """Parse a cell; most need not be transformed, which takes longer than parsing."""
    for rewritten in (str, transform):
        # What cannot be parsed changed nothing: it did not run.
        with suppress(Exception):
            return ast.parse(rewritten(source))
    return ast.Module(body=[], type_ignores=[])


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when the code does, in scopes of the notebook."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults]
        elif isinstance(node, ast.comprehension):
            # Its target is a variable of its own.
            waiting += [node.iter, *node.ifs]
        elif not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _changes(node: ast.AST, names: Collection[str], transform: Callable[[str], str]) -> bool:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return name in names
        case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
            return _root(node) in names
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name in names
        case ast.alias(name=name, asname=other):
            return (other or name.partition(".")[0]) in names
        case ast.Call():
            return _called(node, names) or any(changes(code, names, transform) for code in _run_by(node))
    return False


def _called(call: ast.Call, names: Collection[str]) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if _reads(name):
        return False
    if isinstance(function, ast.Attribute) and _root(function) in names:
        return True
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    # The model itself called, model(x), predicts.
    return any(isinstance(value, ast.Name) and value.id in names for value in given) and name not in names


def _reads(name: str) -> bool:
    return name in _READING or name.startswith(_READING_BEGINS) or name.endswith(_READING_ENDS)


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _run_by(call: ast.Call) -> Iterator[str]:
    """Give the code that a magic runs, as IPython has written the call."""
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in {"run_cell_magic", "run_line_magic", "run_cell"}:
        return
    texts = [value.value for value in call.args if isinstance(value, ast.Constant) and isinstance(value.value, str)]
    if function.attr == "run_cell":
        yield from texts[:1]
    elif texts and texts[0] in _RUNNING_CODE:
        if function.attr == "run_cell_magic":
            yield from texts[2:]
        elif texts[0] not in {"iteration", "containerize"}:
            yield from (_without_options(line) for line in texts[1:2])


def _without_options(line: str) -> str:
    """Return what is left of a magic's line when words are taken away until it is Python."""
    words = line.split(" ")
    while words:
        try:
            ast.parse(code := " ".join(words).strip())
        except (SyntaxError, ValueError):
            words.pop(0)
        else:
            return code
    return ""
