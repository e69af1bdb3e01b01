"""Entry of the container: ``python -s -P -S -B …/containeriter_serving/__main__.py [--root DIR] [--prove OUTPUT]``.

``-S`` keeps the interpreter from looking for site-packages, so the paths are set up here, also for the processes that a
model starts (joblib's, for one): they inherit the flags, and ``PYTHONPATH``, which ``-I`` would keep from them.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

#: The package's name here, whatever directory it was started from.
PACKAGE = "containeriter_serving"

_USAGE = "usage: __main__.py [serve] [--root DIRECTORY] [--prove OUTPUT.json]"


def main(arguments: list[str]) -> None:
    """Serve the model below ``--root``, or prove it.

    Parameters
    ----------
    arguments
        Of the command line, without the program.
    """
    started = time.perf_counter()
    # Importing makes many objects and hardly any garbage; looking for it costs start-up time.
    gc.disable()
    directory = Path(__file__).absolute().parent
    options = _parse(arguments)
    root = Path(options.get("--root", directory.parent.parent)).absolute()
    sys.path += [str(root / "code"), str(root / "site-packages")]
    # The whole path, so that they look in the same order: a package does not hide a module of the standard library.
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    _import_package(directory)
    if "--prove" in options:
        import_module(f"{PACKAGE}.prove").prove(root, Path(options["--prove"]))
    else:
        import_module(f"{PACKAGE}.server").serve(root, started)


def _parse(arguments: list[str]) -> dict[str, str]:
    # SageMaker runs every image with this word.
    if arguments[:1] == ["serve"]:
        arguments = arguments[1:]
    # argparse takes longer to import than all of this takes to run.
    names, values = arguments[::2], arguments[1::2]
    if len(names) != len(values) or not set(names) <= {"--root", "--prove"}:
        sys.exit(_USAGE)
    return dict(zip(names, values, strict=True))


def _import_package(directory: Path) -> None:
    """Import the package from its directory, so that its neighbours there are not importable by the model."""
    spec = spec_from_file_location(PACKAGE, directory / "__init__.py", submodule_search_locations=[str(directory)])
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    main(sys.argv[1:])
