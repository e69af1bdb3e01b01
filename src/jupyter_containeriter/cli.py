"""The shell's face: ``jupyter containeriter VERB [--json]``."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.errors import ContainerIterError, UsageError
from jupyter_containeriter.serving._version import __version__
from jupyter_containeriter.verbs import VERBS, Verb, deploy_arguments, rollback_arguments

if TYPE_CHECKING:
    from jupyter_containeriter.deployment import Deployment
    from jupyter_containeriter.road.timed import TimedIteration


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return 0, 1 for an error or for an error that the doctor found, 2 for a wrong call."""
    given, command = _without_command(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    options.command = command
    try:
        answer: Callable[[argparse.Namespace], int] = options.answer
        return answer(options)
    except ContainerIterError as error:
        if options.json:
            _write(json.dumps({"error": error.message, "remedy": error.remedy}))
        else:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _without_command(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Part the arguments of ``time`` from the command it runs, whose options are its own."""
    if list(arguments[:1]) != ["time"] or "--" not in arguments:
        return arguments, []
    end = arguments.index("--")
    return arguments[:end], arguments[end + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jupyter containeriter", description="Look at what was containerized.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print JSON")

    for verb in VERBS:
        added = verbs.add_parser(verb.name, parents=[shared], help=verb.summary)
        verb.arguments(added)
        added.set_defaults(answer=partial(_run, verb))
    iterations = verbs.add_parser("iterations", parents=[shared], help="list the history")
    iterations.add_argument("name", nargs="?", help="only this model")
    iterations.add_argument("--last", type=int, metavar="K", help="only the last K")
    iterations.add_argument("--where", metavar="EXPR", help="only where this is true: columns, metrics, params by name")
    iterations.set_defaults(answer=_iterations)
    deployments = verbs.add_parser("deployments", parents=[shared], help="list what runs")
    deployments.set_defaults(answer=_deployments)
    deploy = verbs.add_parser("deploy", parents=[shared], help="let an earlier version serve again")
    deploy_arguments(deploy)
    deploy.set_defaults(answer=_deploy)
    rollback = verbs.add_parser("rollback", parents=[shared], help="deploy the version before the one that runs")
    rollback_arguments(rollback)
    rollback.set_defaults(answer=_rollback)
    undeploy = verbs.add_parser("undeploy", parents=[shared], help="stop a model's containers")
    undeploy.add_argument("name")
    undeploy.set_defaults(answer=_undeploy)
    timed = verbs.add_parser(
        "time",
        help="time a command that deploys a model by any other way",
        usage="jupyter containeriter time NAME --method TEXT [--note TEXT] -- COMMAND …",
    )
    timed.add_argument("name", help="name of the model, whose versions are counted on")
    timed.add_argument("--method", required=True, metavar="TEXT", help='how it deploys, for example "docker build"')
    timed.add_argument("--note", default="", metavar="TEXT", help="a note kept with the iteration")
    timed.set_defaults(answer=_time, json=False)
    return parser


def _run(verb: Verb, options: argparse.Namespace) -> int:
    shown = verb.run(options)
    _print(options, shown.document(), shown.text())
    return int(shown.failed)


def _iterations(options: argparse.Namespace) -> int:
    from jupyter_containeriter import api

    frame = api.iterations(options.name, options.last, where=options.where)
    rows = json.loads(frame.to_json(orient="records", date_format="iso", date_unit="us"))
    _print(options, rows, frame.text())
    return 0


def _deployments(options: argparse.Namespace) -> int:
    from jupyter_containeriter import api
    from jupyter_containeriter.show.tables import Deployments

    found = Deployments(api.deployments())
    _print(options, found.document(), found.text())
    if note := api.remarks():
        print(note, file=sys.stderr)
    return 0


def _deploy(options: argparse.Namespace) -> int:
    from jupyter_containeriter import api

    return _tell_deployed(options, api.deploy(options.reference, fresh=options.fresh))


def _rollback(options: argparse.Namespace) -> int:
    from jupyter_containeriter import api

    return _tell_deployed(options, api.rollback(options.name, options.to))


def _tell_deployed(options: argparse.Namespace, deployment: Deployment) -> int:
    from jupyter_containeriter.show.tables import Deployments

    (document,) = Deployments([deployment]).document()
    _print(options, document, str(deployment))
    return 0


def _undeploy(options: argparse.Namespace) -> int:
    from jupyter_containeriter import api

    version = api.undeploy(options.name)
    _print(options, {"name": options.name, "version": version}, f"{options.name}:{version} stopped.")
    return 0


def _time(options: argparse.Namespace) -> int:
    """Run a command as an iteration; return its exit code, as a shell would."""
    from jupyter_containeriter import api
    from jupyter_containeriter.show import words

    command = options.command
    if not command:
        raise UsageError("There is no command to time.", 'For example: time churn --method "make" -- make deploy')
    block = api.kernel.session().iteration(options.name, options.method, note=options.note, cells=False)
    # What the block has to say of the history is told beside the command's output, after it.
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        code, interrupted = _timed(block, command)
    told = "interrupted after" if interrupted else "failed after" if code else "deployed in"
    line = f"{options.name}:{block.version} {told} {words.seconds(block.seconds)}"
    print("\n".join([line, *(str(remark.message) for remark in remarks)]), file=sys.stderr)
    return code


def _timed(block: TimedIteration, command: list[str]) -> tuple[int, bool]:
    """Run a command in a block; return its exit code, as a shell would, and whether it was interrupted."""
    try:
        with block:
            subprocess.run(command, check=True)
    except subprocess.CalledProcessError as error:
        return (error.returncode if error.returncode >= 0 else 128 - error.returncode), False
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127, False
    except KeyboardInterrupt:
        return 128 + signal.SIGINT, True
    return 0, False


def _print(options: argparse.Namespace, document: Any, text: str) -> None:
    _write(json.dumps(document) if options.json else text)


def _write(text: str) -> None:
    """Print; where the reader has gone (``| head``) there is nobody to tell, nor at the flush when Python ends."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
