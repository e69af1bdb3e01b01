"""What must not get into an image: data that came along by accident, and secrets. Refused, unless asked for."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_containeriter.bytesize import size_text
from jupyter_containeriter.capture import leaks
from jupyter_containeriter.capture.leaks import Leak
from jupyter_containeriter.capture.reach import MOST_OBJECTS, Data, Reach, reach
from jupyter_containeriter.capture.sizes import NOTED_BYTES
from jupyter_containeriter.errors import CaptureError

#: How many places a message names.
_NAMED = 5

#: Files in which tools keep credentials, wherever they lie in a local package.
_KEY_FILE = re.compile(
    r"id_(rsa|dsa|ecdsa|ed25519)(_sk)?|.*\.(env|p12|pfx|jks|kdbx|ppk|key)|\.env\..*|[._](netrc|pgpass|npmrc|pypirc)"
    r"|\.git-credentials|\.htpasswd",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is refused.

    Attributes
    ----------
    data_limit_bytes
        How much data may come along unasked.
    secrets
        Values that must not occur in anything captured, by how they are called.
    """

    data_limit_bytes: int = 10 * 1000**2
    secrets: Mapping[str, str] = field(default_factory=dict)


class Guard:
    """Looks at what is captured, before anything is built of it.

    Parameters
    ----------
    rules
        What is refused.
    allow_data, allow_secrets
        Tell it instead of refusing it.
    memory
        Directory where it is remembered what was found clean.

    Attributes
    ----------
    notes
        What went along, or stayed behind, and is worth telling.
    """

    def __init__(self, rules: Rules, *, allow_data: bool, allow_secrets: bool, memory: Path) -> None:
        self.notes: list[str] = []
        self._rules = rules
        self._allow_data = allow_data
        self._allow_secrets = allow_secrets
        self._memory = memory
        self._secrets = {**leaks.secret_variables(os.environ), **rules.secrets}
        self._left_out: set[str] = set()

    def look_at_objects(self, roots: list[tuple[str, Any]]) -> None:
        """Look at everything that objects will carry along.

        Raises
        ------
        CaptureError
            Data above the limit, or a secret: the message names the way to it.
        """
        found = reach(roots)
        if _noted(found) or self._leaks(found):
            found = reach(roots, exact=True)
        if not found.complete:
            self.notes.append(f"Only the first {MOST_OBJECTS} objects were searched for data and secrets.")
        self._judge_data(_noted(found))
        self._judge_leaks(self._leaks(found))

    def look_at_files(self, files: Mapping[str, bytes], code: Mapping[str, Path], code_digest: str) -> None:
        """Look at the files of the image that are not packages.

        Raises
        ------
        CaptureError
            A secret: the message names file and line.
        """
        found = self._unless_clean(leaks.digest_of((), (), code_digest), lambda: leaks.leaks_in_files(code.values()))
        found += leaks.values_in(files.items(), self._secrets)
        self._judge_leaks(found or self._values_in_code(code, code_digest))

    def without_keys(self, code: Mapping[str, Path]) -> dict[str, Path]:
        """Return local files without those that hold keys; those are told, once."""
        keys = {name for name, path in code.items() if _is_key_file(path)}
        for name in sorted(keys - self._left_out):
            self.notes.append(f"Left out of the image: {code[name]}, where a key or password is kept.")
        self._left_out |= keys
        return {name: path for name, path in code.items() if name not in keys}

    def _judge_data(self, found: list[Data]) -> None:
        if not found:
            return
        places = _listed(f"{data.place} ({data.kind}, {size_text(data.size_bytes)})" for data in found)
        if self._allow_data or sum(data.size_bytes for data in found) <= self._rules.data_limit_bytes:
            self.notes.append(f"Data goes into the image: {places}.")
            return
        cure = "remove it from the model"
        if any(data.on_code for data in found):
            cure = "pass it as an argument, or compute what is needed of it before"
        raise CaptureError(
            f"More data would go into the image than the {size_text(self._rules.data_limit_bytes)} that may: {places}.",
            f"If it is not meant to, {cure}; if it is, --allow-data (allow_data=True) captures it.",
        )

    def _judge_leaks(self, found: list[Leak]) -> None:
        if not found:
            return
        if self._allow_secrets:
            self.notes.append(f"Secrets go into the image, as --allow-secrets says: {_listed(map(str, found))}.")
            return
        raise CaptureError(
            f"A secret would go into the image: {_listed(map(str, found))}.",
            "Keep it where it is and read it at run time, or use it before and capture only what it gave; "
            "--allow-secrets (allow_secrets=True) captures it all the same.",
        )

    def _leaks(self, found: Reach) -> list[Leak]:
        texts = list(found.texts.values())
        known = leaks.values_in(leaks.contents_of(texts, found.functions), self._secrets)
        if known:
            return known
        digest = leaks.digest_of(texts, found.functions, "")
        return self._unless_clean(digest, lambda: leaks.leaks_in(texts, found.functions))

    def _unless_clean(self, digest: str, scan: Callable[[], list[Leak]]) -> list[Leak]:
        mark = self._memory / digest
        if mark.exists():
            return []
        found = scan()
        if not found:
            with suppress(OSError):
                self._memory.mkdir(parents=True, exist_ok=True)
                mark.touch()
        return found

    def _values_in_code(self, code: Mapping[str, Path], code_digest: str) -> list[Leak]:
        """Search local files for known secrets, again only where one of both has changed in this kernel."""
        key = hashlib.sha256("\0".join([code_digest, *self._secrets.values()]).encode(errors="replace")).digest()
        if key in _searched:
            return []
        found = leaks.values_in(((str(path), path.read_bytes()) for _, path in sorted(code.items())), self._secrets)
        if not found:
            _searched.add(key)
        return found


#: Only in memory: a file would tell something of the secrets.
_searched: set[bytes] = set()


def _noted(found: Reach) -> list[Data]:
    return [data for data in found.data if data.size_bytes >= NOTED_BYTES]


def _is_key_file(path: Path) -> bool:
    if path.suffix == ".pem":  # a certificate is public, and may well be needed
        return b"PRIVATE KEY-" in path.read_bytes()
    return _KEY_FILE.fullmatch(path.name) is not None


def _listed(places: Iterable[str]) -> str:
    known = list(places)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return "; ".join(known[:_NAMED]) + more
