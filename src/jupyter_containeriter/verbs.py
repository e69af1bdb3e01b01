"""The verbs of ``%containeriter`` and of ``jupyter containeriter``: their words once, for both faces."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_containeriter.measurement import LoadTest
    from jupyter_containeriter.show.shown import Shown


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    Attributes
    ----------
    name
        The word itself.
    summary
        One line for the list of verbs.
    run
        Calls the API with the parsed arguments; what it returns shows itself in notebook, terminal and JSON.
    arguments
        Adds the verb's arguments to a parser.
    """

    name: str
    summary: str
    run: Callable[[argparse.Namespace], Shown]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _: None


def _doctor(_: argparse.Namespace) -> Shown:
    from jupyter_containeriter import api
    from jupyter_containeriter.show.tables import Findings

    return Findings(api.doctor())


def _config(_: argparse.Namespace) -> Shown:
    from jupyter_containeriter import api
    from jupyter_containeriter.show.tables import Settings

    return Settings(api.config())


def _inspect(arguments: argparse.Namespace) -> Shown:
    from jupyter_containeriter import api

    return api.inspect(arguments.reference)


def _push(arguments: argparse.Namespace) -> Shown:
    from jupyter_containeriter import api

    return api.push(arguments.reference, arguments.target)


def _save(arguments: argparse.Namespace) -> Shown:
    from jupyter_containeriter import api

    return api.save(arguments.reference, arguments.path)


def _reference(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="NAME[:VERSION]", help="the version; the newest one by default")


def _push_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    parser.add_argument("target", metavar="REGISTRY/REPOSITORY[:TAG]", help="where to; the version is the default tag")


def _save_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    parser.add_argument("path", metavar="PATH", help="an archive (….tar), or a directory (…/) for an OCI image layout")


def _sbom(arguments: argparse.Namespace) -> Shown:
    from jupyter_containeriter import api

    return api.sbom(arguments.reference, arguments.path)


def _sbom_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    parser.add_argument("path", metavar="PATH", nargs="?", default="", help="the file to write")


def _export(arguments: argparse.Namespace) -> Shown:
    from jupyter_containeriter import api

    return api.export(arguments.path, arguments.name)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="the file to write: ….parquet or ….csv")
    parser.add_argument("name", metavar="NAME", nargs="?", help="name of the model; all of them by default")


def _merge(arguments: argparse.Namespace) -> Shown:
    from jupyter_containeriter import api

    return api.merge(arguments.source)


def _merge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="PATH|URL", help="another history, or an exported file")


def _report(arguments: argparse.Namespace) -> Shown:
    from jupyter_containeriter import api

    return api.report(arguments.name, arguments.path)


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the model")
    parser.add_argument("path", metavar="PATH", nargs="?", default="", help="the file (default: NAME-report.html)")


def _gc(arguments: argparse.Namespace) -> Shown:
    from jupyter_containeriter import api

    return api.gc(budget=arguments.budget, dry_run=arguments.dry_run)


def _gc_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go")
    parser.add_argument("--budget", metavar="SIZE", help="for example 5g; 0 for all but what is kept (see config)")


def deploy_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``deploy``, which has a magic of its own."""
    _reference(parser)
    parser.add_argument("--fresh", action="store_true", help="start a new container from its exact image")


def rollback_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``rollback``, which has a magic of its own."""
    parser.add_argument("name", metavar="NAME", help="name of the model")
    parser.add_argument("--to", metavar="VERSION", type=int, help="this version instead")


def loadtest_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a load test, which has a magic of its own as well."""
    parser.add_argument("name", metavar="NAME", help="name of the model")
    parser.add_argument(
        "--seconds", metavar="S", type=float, default=3.0, help="how long to measure at each number (default: 3)"
    )
    parser.add_argument(
        "--connections",
        metavar="N,N,…",
        type=_counts,
        default=(1, 4, 16),
        help="how many connections to keep busy (default: 1,4,16)",
    )


def _counts(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not whole numbers such as 1,4,16") from None


def loadtest(arguments: argparse.Namespace) -> LoadTest:
    """Run a load test."""
    from jupyter_containeriter import api

    return api.loadtest(arguments.name, seconds=arguments.seconds, connections=arguments.connections)


VERBS = (
    Verb("inspect", "show what the image of a version contains, and why", _inspect, _reference),
    Verb("push", "send the image of a version to a registry", _push, _push_arguments),
    Verb("save", "write the image of a version to a file", _save, _save_arguments),
    Verb("sbom", "write a bill of materials (CycloneDX) of a version", _sbom, _sbom_arguments),
    Verb("loadtest", "measure what the container of a model costs", loadtest, loadtest_arguments),
    Verb("report", "write the history of a model as one HTML page", _report, _report_arguments),
    Verb("export", "write the history to a Parquet or CSV file", _export, _export_arguments),
    Verb("merge", "bring in another history, or an exported file", _merge, _merge_arguments),
    Verb("gc", "give disk back: remove old versions, oldest first", _gc, _gc_arguments),
    Verb("doctor", "look at everything a deployment needs", _doctor),
    Verb("config", "list the settings, and where each comes from", _config),
)


def listing() -> str:
    """Return the verbs, one line each."""
    width = max(len(verb.name) for verb in VERBS)
    return "\n".join(["verbs:", *(f"  {verb.name:<{width}}  {verb.summary}" for verb in VERBS)])
