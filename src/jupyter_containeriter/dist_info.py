"""Metadata of installed distributions without what tells of one installation: its place, its tool, its scripts.

Formats: PyPA's "Recording installed projects" and PEP 610 (``direct_url.json``).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

_OF_ONE_INSTALLATION = {"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


def is_of_one_installation(name: str) -> bool:
    """Tell whether a file below ``site-packages`` differs between installations of one distribution."""
    directory, _, file = name.rpartition("/")
    return directory.endswith(".dist-info") and file in _OF_ONE_INSTALLATION


def is_record(name: str) -> bool:
    """Tell whether a file below ``site-packages`` is a ``RECORD``."""
    return name.endswith(".dist-info/RECORD")


def comparable_record(content: bytes) -> bytes:
    """Leave out of a ``RECORD`` what is not in the image, and sort it.

    Scripts are outside ``site-packages`` and hold the path of an interpreter, so that even their hashes differ; byte
    code is compiled anew.
    """
    return partial_record(content, lambda name: not _is_foreign(name))


def partial_record(content: bytes, keep: Callable[[str], bool]) -> bytes:
    """Return the rows of a ``RECORD`` for whose names ``keep`` is true, sorted."""
    rows = csv.reader(io.StringIO(content.decode()))
    kept = sorted(row for row in rows if row and keep(row[0]))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(kept)
    return text.getvalue().encode()


def _is_foreign(name: str) -> bool:
    return name.startswith(("../", "/")) or name.endswith((".pyc", ".pyo")) or is_of_one_installation(name)
