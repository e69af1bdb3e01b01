"""Passwords, keys and tokens that are about to be captured: found by their form, by their name, or by their value.

Forms are judged by detect-secrets, with those of its detectors that know a format. The ones that measure entropy are
left out: hashes and vocabularies are what models are made of. Names are judged by :mod:`.named`.
"""

from __future__ import annotations

import hashlib
import linecache
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.capture import named
from jupyter_containeriter.capture.reach import Function, Text

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

#: Part of what earlier scans are remembered by: raise it when other things would be found.
_RECIPE = "2"

_DETECTORS = (
    *("aws.AWSKeyDetector", "azure_storage_key.AzureStorageKeyDetector", "basic_auth.BasicAuthDetector"),
    *("discord.DiscordBotTokenDetector", "github_token.GitHubTokenDetector", "gitlab_token.GitLabTokenDetector"),
    *("jwt.JwtTokenDetector", "npm.NpmDetector", "openai.OpenAIDetector", "private_key.PrivateKeyDetector"),
    *("pypi_token.PypiTokenDetector", "sendgrid.SendGridDetector", "slack.SlackDetector"),
    *("square_oauth.SquareOAuthDetector", "stripe.StripeDetector", "telegram_token.TelegramBotTokenDetector"),
)
#: Formats that detect-secrets does not know, as their issuers document them.
_MORE = {
    "Hugging Face Token": r"\bhf_[A-Za-z]{34}\b",
    "GitHub Fine-grained Token": r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b",
    "Google API Key": r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])",
    "Anthropic API Key": r"\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{80,}",
    "Private Key": r"-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "Basic Auth Credentials": r"(?<=://:)[^\s:/@'\"]+(?=@)",  # without a user
}

#: What stands for a password in examples and in settings.
_STAND_IN = re.compile(
    r"pass(word|wd)?|pwd|secret|token|user(name)?|x+|\*+|\.+|change_?me|example|dummy|test|(dis|en)abled|required",
    re.IGNORECASE,
)
#: Files of settings, in which values need no quotes.
_SETTINGS = frozenset({".ini", ".cfg", ".conf", ".yaml", ".yml", ".properties"})

#: Larger files are data; only values are searched for in them.
_LARGEST_TEXT = 1_000_000


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret that would leave the kernel: where it was found and what kind it is. Never the secret itself."""

    place: str
    kind: str

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}"


@dataclass(frozen=True, slots=True)
class _Hit:
    kind: str
    value: str
    line: int


def leaks_in(texts: Iterable[Text], functions: Iterable[Function]) -> list[Leak]:
    """Return the secrets in strings and in functions that travel by value."""
    found: dict[str, Leak] = {}
    # A function first: it knows the line.
    for function in functions:
        for hit in _in_function(function.code):
            found.setdefault(hit.value, Leak(_in_cell(function, hit.line), hit.kind))
    texts = list(texts)
    formed = any(_by_form("\n".join(text.value for text in texts)))  # all at once, as most hold nothing
    for text in texts:
        for hit in _scan(text.value, _names_in(text), formed=formed):
            found.setdefault(hit.value, Leak(str(text.place), hit.kind))
    return list(found.values())


def secrets_of(text: str, name: str = "") -> set[str]:
    """Return the secrets themselves in a text, or in source of Python; ``name`` is what the text is called."""
    tree = named.parsed(text)
    names = [*named.in_text(text), *(named.in_python(tree) if tree else ())]
    names += [named.Named(name, text, 1)] if named.is_secret(name, text) else []
    return {hit.value for hit in _scan(text, names)}


def leaks_in_files(paths: Iterable[Path]) -> list[Leak]:
    """Return the secrets in local files that are text."""
    found = []
    for path in sorted(paths):
        if path.stat().st_size <= _LARGEST_TEXT and b"\0" not in (content := path.read_bytes()):
            hits = _in_file(path, content.decode(errors="replace"))
            found += [Leak(f"{path}, line {hit.line}", hit.kind) for hit in hits]
    return found


def values_in(contents: Iterable[tuple[str, bytes]], secrets: Mapping[str, str]) -> list[Leak]:
    """Return which known secrets occur in named bytes; ``secrets`` are values by how they are called."""
    wanted = {label: value.encode(errors="surrogateescape") for label, value in secrets.items()}
    found: dict[str, Leak] = {}
    for name, content in contents:
        for label, value in wanted.items():
            if label not in found and value in content:
                found[label] = Leak(name, f"the value of {label}")
    return list(found.values())


def contents_of(texts: Iterable[Text], functions: Iterable[Function]) -> Iterator[tuple[str, bytes]]:
    """Return what travels by value as bytes, with its place."""
    for function in functions:
        yield str(function.place), "\0".join(_strings(function.code)).encode(errors="surrogateescape")
    for text in texts:
        yield str(text.place), text.value.encode(errors="surrogateescape")


def secret_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the values of environment variables whose names say that they are secret."""
    return {f"${n}": value for n, value in environment.items() if named.is_secret_name(n) and _is_one(value)}


def _is_one(value: str) -> bool:
    """Whether a value can be a secret: long enough to occur nowhere by chance, and no place where one is kept."""
    return len(value) >= 8 and not (value.startswith(("/", "~")) or value.isdigit() or _STAND_IN.fullmatch(value))


def digest_of(texts: Iterable[Text], functions: Iterable[Function], code_digest: str) -> str:
    """Identify what is scanned, so that what was found clean need not be scanned again."""
    hasher = hashlib.sha256(f"{_RECIPE}\0{code_digest}".encode())
    for text in texts:
        hasher.update(f"\0{text.name}\0{text.value}".encode(errors="replace"))
    for function in functions:
        hasher.update(repr(_strings(function.code)).encode(errors="replace") + _source(function.code).encode())
    return hasher.hexdigest()


# --- one text --------------------------------------------------------------------------------------------------------


def _scan(text: str, names: Iterable[named.Named], *, formed: bool = True) -> list[_Hit]:
    """Scan a text for forms, and add what is known by its name; secrets of both kinds are told by their form."""
    found = list(_formed(text)) if formed else []
    values = {hit.value for hit in found}
    found += [_by_name(one) for one in names if not any(value in one.value for value in values)]
    return found


def _formed(text: str) -> Iterator[_Hit]:
    """Scan as a whole first, as most hold nothing, then line by line to say where."""
    if any(_by_form(text)):
        for number, line in enumerate(text.splitlines(), 1):
            yield from (_Hit(kind, value, number) for kind, value in _by_form(line))


def _by_form(text: str) -> Iterator[tuple[str, str]]:
    found = [(str(one.secret_type), value) for one in _detectors() for value in one.analyze_string(text)]
    found += [(kind, match[0]) for kind, pattern in _MORE.items() for match in re.finditer(pattern, text)]
    return ((kind, value) for kind, value in found if not (_STAND_IN.fullmatch(value) or named.is_template(value)))


def _by_name(one: named.Named) -> _Hit:
    return _Hit(f"a password or key, by its name {one.name!r}", one.value, one.line)


def _names_in(text: Text) -> Iterator[named.Named]:
    if named.is_secret(text.name, text.value):
        yield named.Named(text.name, text.value, 1)
    yield from named.in_text(text.value)


def _in_file(path: Path, content: str) -> list[_Hit]:
    tree = named.parsed(content) if path.suffix in {".py", ".pyi"} else None
    return _scan(content, named.in_python(tree) if tree else named.in_text(content, settings=path.suffix in _SETTINGS))


@cache
def _detectors() -> list[Any]:
    from importlib import import_module

    found: list[BasePlugin] = []
    for name in _DETECTORS:
        module, _, kind = name.partition(".")
        found.append(getattr(import_module(f"detect_secrets.plugins.{module}"), kind)())
    return found


# --- functions -------------------------------------------------------------------------------------------------------


def _in_function(code: CodeType) -> Iterator[_Hit]:
    """Scan the source, where there is one, for what is also among the constants: comments do not travel."""
    constants = _strings(code)
    seen = set()
    for hit in _scan(_source(code), _names(code)):
        if any(hit.value in constant for constant in constants):
            seen.add(hit.value)
            yield hit
    text = "\n".join(constants)
    for hit in _scan(text, named.in_text(text)):
        if hit.value not in seen:
            yield replace(hit, line=0)


def _names(code: CodeType) -> Iterator[named.Named]:
    """Return what is named in the lines of a function. Its file is parsed: the lines alone need not be whole."""
    first, last = _span(code)
    tree = _tree("".join(linecache.getlines(code.co_filename)))
    for one in named.in_python(tree) if tree else ():
        if first <= one.line <= last:
            yield replace(one, line=one.line - first + 1)


#: A class is scanned method by method; they are in one file.
_tree = lru_cache(maxsize=4)(named.parsed)


def _strings(code: CodeType) -> list[str]:
    found = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += _strings(constant)
        for part in constant if isinstance(constant, (tuple, frozenset)) else (constant,):
            if isinstance(part, bytes):
                found.append(part.decode(errors="replace"))
            elif isinstance(part, str):
                found.append(part)
    return found


def _source(code: CodeType) -> str:
    """Return the lines of a function, "" where they are not known."""
    first, last = _span(code)
    return "".join(linecache.getlines(code.co_filename)[first - 1 : last])


def _span(code: CodeType) -> tuple[int, int]:
    """Return the first and the last line of a function."""
    return code.co_firstlineno, max((line for line in _lines(code) if line), default=code.co_firstlineno)


def _lines(code: CodeType) -> Iterator[int | None]:
    yield from (line for _, _, line in code.co_lines())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant)


def _in_cell(function: Function, line: int) -> str:
    if not line:
        return str(function.place)
    number = function.code.co_firstlineno + line - 1
    file = Path(function.code.co_filename)
    where = f"{file}, line {number}" if file.exists() else f"line {number} of its cell"
    return f"{function.place} ({where})"
