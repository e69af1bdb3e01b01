"""The cell of ``%%iteration``: run as any other cell of the notebook, inside a block that times it."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.magic_arguments import MagicParser, evaluate, number, pairs, unquoted

if TYPE_CHECKING:
    from jupyter_containeriter.road.timed import TimedIteration

_ABSENT = object()


def iteration_parser() -> MagicParser:
    """Return the parser of the magic's line."""
    parser = MagicParser("%%iteration", "Time a cell that deploys a model by any other way.")
    add = parser.add_argument
    add("name", metavar="NAME", help="name of the model, whose versions are counted on")
    add("--method", metavar="TEXT", required=True, help='how the cell deploys it, for example "docker build"')
    add("--metric", metavar="KEY=EXPR", action="append", default=[], help="a number; evaluated after the cell")
    add("--param", metavar="KEY=EXPR", action="append", default=[], help="a value; evaluated after the cell")
    add("--tag", metavar="KEY=VALUE", action="append", default=[], help="a text kept with the iteration")
    add("--note", metavar="TEXT", default="", help="a note kept with the iteration")
    return parser


def run_iteration(shell: InteractiveShell, line: str, cell: str) -> Any:
    """Time a cell, in which ``it`` is the block; return the value of its last line, if that is an expression."""
    from jupyter_containeriter import api

    arguments = iteration_parser().parse_line(line)
    tags = pairs("--tag", arguments.tag, lambda _, text: unquoted(text))
    block = api.iteration(arguments.name, method=arguments.method, tags=tags, note=arguments.note)
    parts = _compiled(shell, cell)
    # Whatever is above is this extension's and IPython's: an error of the cell shows the cell.
    __tracebackhide__ = "__ipython_bottom__"
    before = shell.user_ns.get("it", _ABSENT)
    wrong: UsageError | None = None
    try:
        with block as it:
            shell.user_ns["it"] = it
            value = _run(shell, *parts)
            it.done()
            wrong = _evaluate(it, arguments, shell.user_ns)
    finally:
        if shell.user_ns.get("it") is block:
            _restore(shell.user_ns, before)
    if wrong is not None:
        raise wrong
    return None if cell.rstrip().endswith(";") else value


def _compiled(shell: InteractiveShell, cell: str) -> tuple[Any, Any]:
    """Compile all but the last expression, and that one, as IPython compiles cells: errors show their lines."""
    untyped: Any = shell
    source = untyped.transform_cell(cell)
    file = shell.compile.cache(source, shell.execution_count, raw_code=cell)
    tree = shell.compile.ast_parse(source, filename=file)
    tree = untyped.transform_ast(tree)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    expression = None if last is None else compile(ast.Expression(last.value), file, "eval")
    return compile(tree, file, "exec"), expression


def _run(shell: InteractiveShell, statements: Any, expression: Any) -> Any:
    __tracebackhide__ = "__ipython_bottom__"
    exec(statements, shell.user_ns)  # noqa: S102 (the person's own cell)
    return None if expression is None else eval(expression, shell.user_ns)  # noqa: S307 (as above)


def _evaluate(it: TimedIteration, arguments: Any, namespace: dict[str, Any]) -> UsageError | None:
    """Set what the line asks for; a mistake in it does not undo the deployment, and is told once that is recorded."""
    read = partial(evaluate, namespace=namespace)
    wrong: UsageError | None = None
    for option, items in (("--param", arguments.param), ("--metric", arguments.metric)):
        for item in items:
            try:
                if option == "--param":
                    it.params.update(pairs(option, [item], lambda _, text: read("--param", text)))
                else:
                    it.metrics.update(
                        pairs(option, [item], lambda key, text: number("--metric", key, read("--metric", text)))
                    )
            except UsageError as error:
                wrong = wrong or error
    return wrong


def _restore(namespace: dict[str, Any], before: Any) -> None:
    if before is _ABSENT:
        del namespace["it"]
    else:
        namespace["it"] = before
