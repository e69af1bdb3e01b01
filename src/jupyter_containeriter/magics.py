"""The IPython magics: parse a line, call the API, show what comes back."""

from __future__ import annotations

import argparse
import linecache
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from jupyter_containeriter import verbs
from jupyter_containeriter.clock import kernel_clock
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.history_magics import HistoryMagics
from jupyter_containeriter.hooks import CellEvents
from jupyter_containeriter.magic_arguments import MagicParser, evaluate, helped, number, pairs, unquoted
from jupyter_containeriter.settings import ContainerIter

if TYPE_CHECKING:
    from jupyter_containeriter.options import RunOptions

_CLOCKS = "_containeriter_clocks"


def load(shell: InteractiveShell) -> None:
    """Register magics, settings and the clock that times cells; loading twice is the same as once."""
    if hasattr(shell, _CLOCKS):
        return
    settings = ContainerIter.instance(parent=shell)
    configurables: list[Any] = shell.configurables
    if settings not in configurables:
        configurables.append(settings)
    shell.register_magics(ContainerIterMagics, HistoryMagics)
    events = CellEvents(shell, kernel_clock())
    events.register()
    setattr(shell, _CLOCKS, events)


def unload(shell: InteractiveShell) -> None:
    """Stop timing cells; the magics stay, as IPython cannot forget them."""
    events: CellEvents | None = getattr(shell, _CLOCKS, None)
    if events is not None:
        events.unregister()
        delattr(shell, _CLOCKS)


def _containerize_parser() -> MagicParser:
    parser = MagicParser("%containerize", "Take a model to a running container that is proven to predict the same.")
    add = parser.add_argument
    add("model", metavar="MODEL", help="the model: a variable or expression")
    add("--name", metavar="N", help="name of the model (default: from the variable)")
    add("--sample", metavar="EXPR", help="a few rows to predict, here and in the container")
    add("--expect", metavar="EXPR", help="predictions that must come back, instead of the ones made here")
    add("--metric", metavar="KEY=EXPR", action="append", default=[], help="a number kept with the iteration")
    add("--param", metavar="KEY=EXPR", action="append", default=[], help="a value kept with the iteration")
    add("--tag", metavar="KEY=VALUE", action="append", default=[], help="a text kept with the iteration")
    add("--note", metavar="TEXT", default="", help="a note kept with the iteration")
    add(
        "--predict",
        metavar="ATTR_OR_FUNC",
        help="method of the model, or function f(model, data), to call; an expression, too",
    )
    add("--engine", metavar="E", help="docker, sandbox, process or auto")
    add("--base", metavar="kernel|IMAGE", help="build on this interpreter, or on an image with Python from a registry")
    add("--platform", metavar="P", help="linux/amd64 or linux/arm64 (with --base IMAGE)")
    add("--memory", metavar="SIZE", help="memory limit, for example 1g")
    add("--cpus", metavar="CORES", type=float, help="CPU limit")
    add("--gpus", metavar="all|N", help="GPUs (Docker only)")
    add("--port", metavar="P", type=int, help="port on 127.0.0.1; the name's own by default")
    add("--no-token", action="store_true", help="serve without a bearer token")
    add("--no-deploy", action="store_true", help="build and load the image only")
    add("--fresh", action="store_true", help="start a new container, even where the running one could load the model")
    add("--include", metavar="PKG", action="append", default=[], help="add a package to the image: PKG or PKG[EXTRA]")
    add("--exclude", metavar="PKG", action="append", default=[], help="leave a package out of the image")
    add("--allow-data", action="store_true", help="capture data that hangs on functions, however large")
    add("--allow-secrets", action="store_true", help="capture what looks like a password or key")
    return parser


def _deploy_parser() -> MagicParser:
    parser = MagicParser("%deploy", "Let an earlier version serve again.")
    verbs.deploy_arguments(parser)
    return parser


def _rollback_parser() -> MagicParser:
    parser = MagicParser("%rollback", "Deploy the version before the one that runs.")
    verbs.rollback_arguments(parser)
    return parser


def _undeploy_parser() -> MagicParser:
    parser = MagicParser("%undeploy", "Stop a model's containers; images and history stay.")
    parser.add_argument("name", metavar="NAME", help="name of the model")
    return parser


def _deployments_parser() -> MagicParser:
    return MagicParser("%deployments", "Show what runs now.")


def _loadtest_parser() -> MagicParser:
    parser = MagicParser("%loadtest", "Measure what the container of a model costs.")
    verbs.loadtest_arguments(parser)
    return parser


def _containeriter_parser() -> MagicParser:
    parser = MagicParser(
        "%containeriter",
        "Look into images and after the tool itself.",
        epilog=verbs.listing(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = parser.add_subparsers(metavar="VERB", parser_class=MagicParser, help="one of the verbs below")
    for verb in verbs.VERBS:
        added = words.add_parser(verb.name, description=f"{verb.summary.capitalize()}.")
        verb.arguments(added)
        added.set_defaults(run=verb.run)
    words.add_parser("help", description="List the verbs.")
    return parser


PARSERS: dict[str, Callable[[], MagicParser]] = {
    "containerize": _containerize_parser,
    "deploy": _deploy_parser,
    "rollback": _rollback_parser,
    "undeploy": _undeploy_parser,
    "deployments": _deployments_parser,
    "loadtest": _loadtest_parser,
    "containeriter": _containeriter_parser,
}


@magics_class
class ContainerIterMagics(Magics):
    """The magics. The API is imported when one is used, so that loading the extension costs nothing."""

    @line_cell_magic
    @no_var_expand  # The line holds Python of its own: {…} is a dict or part of a text, $ a character.
    @helped(_containerize_parser)
    def containerize(self, line: str, cell: str | None = None) -> Any:
        """Containerize a model; with a cell, the cell defines ``predict(model, data)``."""
        from jupyter_containeriter import api
        from jupyter_containeriter.capture.snapshot import CaptureRequest
        from jupyter_containeriter.names import name_from

        arguments = _containerize_parser().parse_line(line)
        assert self.shell is not None
        namespace = dict(self.shell.user_ns)
        read = partial(evaluate, namespace=namespace)
        request = CaptureRequest(
            name=name_from(arguments.model) if arguments.name is None else _expanded(self.shell, arguments.name),
            model=read("MODEL", arguments.model),
            label=arguments.model,
            namespace=namespace,
            sample=read("--sample", arguments.sample) if arguments.sample else None,
            expected=read("--expect", arguments.expect) if arguments.expect else None,
            predict=_predict_named(arguments.predict, read) if cell is None else _predict_of(cell, namespace),
            include=tuple(arguments.include),
            exclude=tuple(arguments.exclude),
            allow_data=arguments.allow_data,
            allow_secrets=arguments.allow_secrets,
        )
        return api.run_containerize(request, _options(arguments, read))

    @line_magic
    @helped(_deploy_parser)
    def deploy(self, line: str) -> Any:
        """Run the exact image of an earlier version: ``%deploy churn:2``."""
        from jupyter_containeriter import api

        arguments = _deploy_parser().parse_line(line)
        return api.deploy(arguments.reference, fresh=arguments.fresh)

    @line_magic
    @helped(_rollback_parser)
    def rollback(self, line: str) -> Any:
        """Deploy the version before the one that runs: ``%rollback churn``, ``%rollback churn --to 2``."""
        from jupyter_containeriter import api

        arguments = _rollback_parser().parse_line(line)
        return api.rollback(arguments.name, arguments.to)

    @line_magic
    @helped(_undeploy_parser)
    def undeploy(self, line: str) -> None:
        """Stop a model's containers; images and history stay: ``%undeploy churn``."""
        from jupyter_containeriter import api

        name = _undeploy_parser().parse_line(line).name
        label = f"{name}:{api.undeploy(name)}"
        print(f"{label} stopped; deploy it again with %deploy {label}.")  # noqa: T201

    @line_magic
    @helped(_deployments_parser)
    def deployments(self, line: str) -> Any:
        """Show what runs now."""
        from jupyter_containeriter import api
        from jupyter_containeriter.show.tables import Deployments

        _deployments_parser().parse_line(line)
        return Deployments(api.deployments(), api.remarks())

    @line_magic
    @helped(_loadtest_parser)
    def loadtest(self, line: str) -> Any:
        """Measure what the container of a model costs: ``%loadtest churn --seconds 5 --connections 1,8,64``."""
        from IPython.display import display

        measured = verbs.loadtest(_loadtest_parser().parse_line(line))
        display(measured.plot())  # type: ignore[no-untyped-call]
        return measured

    @line_magic
    @helped(_containeriter_parser)
    def containeriter(self, line: str) -> Any:
        """Look into images and after the tool itself: ``%containeriter doctor``; alone it lists its verbs."""
        arguments = _containeriter_parser().parse_line(line)
        if "run" in arguments:
            return arguments.run(arguments)
        print(verbs.listing())  # noqa: T201
        return None


def _expanded(shell: InteractiveShell, name: str) -> str:
    """Put IPython's variables into the one word of the line that holds no Python, as in ``%deploy {name}``."""
    expand: Callable[[str], str] = shell.var_expand
    return expand(name)


def _options(arguments: argparse.Namespace, read: Callable[[str, str], Any]) -> RunOptions:
    from jupyter_containeriter.api import notebook_name
    from jupyter_containeriter.options import RunOptions

    return RunOptions(
        engine=arguments.engine,
        base=arguments.base,
        platform=arguments.platform,
        memory=arguments.memory,
        cpus=arguments.cpus,
        gpus=arguments.gpus,
        port=arguments.port,
        token=not arguments.no_token,
        deploy=not arguments.no_deploy,
        fresh=arguments.fresh,
        params=pairs("--param", arguments.param, lambda _, text: read("--param", text)),
        metrics=pairs("--metric", arguments.metric, lambda key, text: number("--metric", key, read("--metric", text))),
        tags=pairs("--tag", arguments.tag, lambda _, text: unquoted(text)),
        note=arguments.note,
        notebook=notebook_name(),
    )


def _predict_named(text: str | None, read: Callable[[str, str], Any]) -> str | Callable[[Any, Any], Any] | None:
    """Return the name that ``--predict`` gives, or the function that its expression does."""
    if text is None or text.isidentifier():
        return text
    function = read("--predict", text)
    if not callable(function):
        raise UsageError(
            f"--predict {text} is a {type(function).__name__}, which cannot be called.",
            "Name a method of the model, or give a function f(model, data).",
        )
    return cast("Callable[[Any, Any], Any]", function)


def _predict_of(cell: str, namespace: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """Run the cell and return the ``predict`` it defines."""
    # Whoever looks for the lines of a function finds them, as those of any other cell.
    linecache.cache["<containerize>"] = (len(cell), None, cell.splitlines(keepends=True), "<containerize>")
    try:
        exec(compile(cell, "<containerize>", "exec"), namespace)  # noqa: S102 (the person's own cell)
    except Exception as error:
        raise UsageError(f"The cell raised {type(error).__name__}: {error}", "Correct the cell.") from error
    predict = namespace.get("predict")
    if not callable(predict):
        raise UsageError("The cell defines no function predict.", "Define predict(model, data) in it.")
    return cast("Callable[[Any, Any], Any]", predict)
