"""What people wrote, without the passwords, keys and tokens in it: for whatever is kept beside the image."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from jupyter_containeriter.capture.leaks import secret_variables, secrets_of

_STARS = "***"
#: A key is known by its first line; the rest is the secret.
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def without_secrets(written: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Return a mapping of texts, and of mappings and lists of them, with stars in the place of secrets.

    Parameters
    ----------
    written
        By the names they have: a text may be a secret by its name.
    known
        Secrets that are known by their value, beside those of environment variables.
    """
    values = {*known, *secret_variables(os.environ).values()}
    return {name: _without(value, name, values) for name, value in written.items()}


def _without(value: Any, name: str, known: Collection[str]) -> Any:
    if isinstance(value, str):
        return _masked(value, name, known)
    if isinstance(value, Mapping):
        return {key: _without(one, str(key), known) for key, one in value.items()}
    return [_without(one, name, known) for one in value] if isinstance(value, list | tuple) else value


def _masked(text: str, name: str, known: Collection[str]) -> str:
    text = _KEY.sub(_STARS, text)
    # The longest first: one may be a part of another.
    for secret in sorted({*known, *secrets_of(text, name)}, key=len, reverse=True):
        text = text.replace(secret, _STARS)
    return text
