"""The magics of the history: parse a line, call the API, show what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand

from jupyter_containeriter.analytics import KINDS
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.magic_arguments import MagicParser, helped
from jupyter_containeriter.timed_cell import iteration_parser, run_iteration


def _iterations_parser() -> MagicParser:
    parser = MagicParser("%iterations", "Return the history as a DataFrame.")
    parser.add_argument("name", metavar="NAME", nargs="?", help="only this model")
    parser.add_argument("--last", metavar="K", type=int, help="only the last K")
    parser.add_argument("--where", metavar="EXPR", help="only where this is true: columns, metrics, params by name")
    parser.add_argument(
        "--compare", metavar="V", type=int, nargs=2, help="tell what changed from one version to another"
    )
    return parser


def _iterplot_parser() -> MagicParser:
    parser = MagicParser("%iterplot", "Draw the history.")
    parser.usage = "%%iterplot [KIND] [NAME] [--metric KEY] [--better higher|lower] [--by COLUMN_OR_TAG]"
    parser.add_argument("words", metavar="WORD", nargs="*", help=f"KIND ({', '.join(KINDS)}) and name of a model")
    parser.add_argument("--metric", metavar="KEY", help="of metric: which one (default: the first one recorded)")
    parser.add_argument("--better", metavar="higher|lower", help="of metric: what is better (default: by its name)")
    parser.add_argument("--by", metavar="COLUMN_OR_TAG", help="of compare: what is compared (default: method)")
    return parser


def _restore_parser() -> MagicParser:
    parser = MagicParser("%restore", "Bring the model of an earlier version back into the kernel.")
    parser.add_argument("reference", metavar="NAME[:VERSION]", help="the version; the newest one by default")
    parser.add_argument("--as", dest="variable", metavar="VARIABLE", help="what to call it (default: as the model)")
    return parser


PARSERS: dict[str, Callable[[], MagicParser]] = {
    "iteration": iteration_parser,
    "iterations": _iterations_parser,
    "iterplot": _iterplot_parser,
    "restore": _restore_parser,
}


@magics_class
class HistoryMagics(Magics):
    """The magics that look back. The API is imported when one is used, so that loading the extension costs nothing."""

    @cell_magic
    @no_var_expand  # The line holds Python of its own.
    @helped(iteration_parser)
    def iteration(self, line: str, cell: str) -> Any:
        """Time a cell that deploys a model by any other way, so that ways can be compared.

        In the cell, ``it`` is the iteration: ``with it.phase("load"):`` times a phase, and
        ``it.check(churn.predict(X), got)`` compares predictions; without a check it is ``deployed``, not ``verified``.
        """
        __tracebackhide__ = "__ipython_bottom__"
        assert self.shell is not None
        return run_iteration(self.shell, line, cell)

    @line_magic
    @helped(_iterations_parser)
    def iterations(self, line: str) -> Any:
        """Return the history as a DataFrame: ``%iterations churn --last 5 --where "accuracy > 0.9"``."""
        from jupyter_containeriter import api

        arguments = _iterations_parser().parse_line(line)
        if arguments.compare:
            name = arguments.name
            if name is None or arguments.last is not None or arguments.where is not None:
                raise UsageError(
                    "--compare takes a model and two versions.", "For example %iterations churn --compare 1 3."
                )
            return api.compare(name, *arguments.compare)
        return api.iterations(arguments.name, arguments.last, where=arguments.where)

    @line_magic
    @helped(_iterplot_parser)
    def iterplot(self, line: str) -> Any:
        """Draw the history: ``%iterplot``, ``%iterplot trend churn``, ``%iterplot compare churn --by engine``."""
        from jupyter_containeriter import api

        arguments = _iterplot_parser().parse_line(line)
        words = arguments.words
        kind = words.pop(0) if words and words[0] in KINDS else KINDS[0]
        if len(words) > 1:
            raise UsageError(f"%iterplot {line.strip()}: too many words.", f"Kinds are {', '.join(KINDS)}.")
        names = api.kernel.session().history.names() if words else []
        if words and words[0] not in names:
            raise UsageError(
                f"%iterplot {line.strip()}: {words[0]} is neither a kind of picture nor a model.",
                f"Kinds are {', '.join(KINDS)}; {'models are ' + ', '.join(names) if names else 'no model yet'}.",
            )
        name = words[0] if words else None
        return api.plot(kind, name, metric=arguments.metric, better=arguments.better, by=arguments.by)

    @line_magic
    @helped(_restore_parser)
    def restore(self, line: str) -> Any:
        """Bring the model of an earlier version back: ``%restore churn:3 --as old``."""
        from jupyter_containeriter import api
        from jupyter_containeriter.restoring import variable_for

        arguments = _restore_parser().parse_line(line)
        assert self.shell is not None
        variable = variable_for(api.kernel.session(), arguments.reference, arguments.variable, self.shell.user_ns)
        restored = api.run_restore(arguments.reference, variable)
        self.shell.user_ns[variable] = restored.model
        return restored
