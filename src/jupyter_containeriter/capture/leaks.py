"""Passwords, keys and tokens that are about to be captured: found by their form, by their name, or by their value.

Form and name are judged by detect-secrets, with those of its detectors that know a format. The ones that measure
entropy are left out: hashes and vocabularies are what models are made of.
"""

from __future__ import annotations

import hashlib
import linecache
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.capture.reach import Function, Text

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

#: Part of what earlier scans are remembered by: raise it when other things would be found.
_RECIPE = "1"

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
}

#: Lines without these need not be given to the detector of names.
_NAME = re.compile(r"key|pass|pwd|secret|contrase", re.IGNORECASE)
#: What stands for a password in examples.
_STAND_IN = re.compile(r"pass(word|wd)?|pwd|secret|token|user(name)?|x+|\*+|\.+|change_?me|example|dummy|test", re.I)

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
    if _scan("\n".join(_as_code(text) for text in texts)):
        for text in texts:
            for hit in _scan(_as_code(text)):
                found.setdefault(hit.value, Leak(str(text.place), hit.kind))
    return list(found.values())


def leaks_in_files(paths: Iterable[Path]) -> list[Leak]:
    """Return the secrets in local files that are text."""
    found = []
    for path in sorted(paths):
        if path.stat().st_size <= _LARGEST_TEXT and b"\0" not in (content := path.read_bytes()):
            found += [Leak(f"{path}, line {hit.line}", hit.kind) for hit in _scan(content.decode(errors="replace"))]
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
    return {f"${name}": value for name, value in environment.items() if _SECRET_NAME.search(name) and _is_one(value)}


_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|(ACCESS|PRIVATE|AUTH|ACCOUNT)_?KEY|_KEY$")


def _is_one(value: str) -> bool:
    """Whether a value can be a secret: long enough to occur nowhere by chance, and no place where one is kept."""
    return len(value) >= 8 and not value.startswith(("/", "~")) and not value.isdigit()


def digest_of(texts: Iterable[Text], functions: Iterable[Function], code_digest: str) -> str:
    """Identify what is scanned, so that what was found clean need not be scanned again."""
    hasher = hashlib.sha256(f"{_RECIPE}\0{code_digest}".encode())
    for text in texts:
        hasher.update(f"\0{text.name}\0{text.value}".encode(errors="replace"))
    for function in functions:
        hasher.update(repr(_strings(function.code)).encode(errors="replace") + _source(function.code).encode())
    return hasher.hexdigest()


# --- one text --------------------------------------------------------------------------------------------------------


def _scan(text: str) -> list[_Hit]:
    """Scan a text: as a whole first, as most hold nothing, then line by line to say where."""
    formed, named = any(_by_form(text)), _NAME.search(text)
    if not (formed or named):
        return []
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [_Hit(kind, value, number) for kind, value in (_by_form(line) if formed else ())]
        found += [_Hit("a password or key, by its name", value, number) for value in _by_name(line)]
    return found


def _by_form(text: str) -> Iterator[tuple[str, str]]:
    for detector in _detectors():
        for value in detector.analyze_string(text):
            if not (_STAND_IN.fullmatch(value) or _is_template(value)):
                yield str(detector.secret_type), value
    for kind, pattern in _MORE.items():
        yield from ((kind, match[0]) for match in re.finditer(pattern, text))


def _by_name(line: str) -> Iterator[str]:
    """Return literals assigned to a name such as ``password`` or ``api_key``."""
    if not _NAME.search(line) or len(line) > 2000:
        return
    from detect_secrets.filters import heuristic
    from detect_secrets.plugins.keyword import KeywordDetector

    if heuristic.is_indirect_reference(line):
        return
    for value in KeywordDetector().analyze_string(line):
        if not (_is_template(value) or heuristic.is_sequential_string(value) or not _looks_random(value)):
            yield value


def _looks_random(value: str) -> bool:
    """Whether a literal is more than a word: one can type a password, but code is full of names of passwords."""
    return len(value) >= 6 and not re.search(r"\s", value) and bool(re.search(r"\d", value) and re.search(r"\D", value))


def _is_template(value: str) -> bool:
    return bool(re.search(r"[{}<>$%]", value[:1] + value[-1:])) or "%s" in value


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
    source = _source(code)
    seen = set()
    for hit in _scan(source):
        if any(hit.value in constant for constant in constants):
            seen.add(hit.value)
            yield hit
    for hit in _scan("\n".join(constants)):
        if hit.value not in seen:
            yield _Hit(hit.kind, hit.value, 0)


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
    last = max((line for line in _lines(code) if line), default=code.co_firstlineno)
    return "".join(linecache.getlines(code.co_filename)[code.co_firstlineno - 1 : last])


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


def _as_code(text: Text) -> str:
    return f'{text.name} = "{text.value}"' if text.name else text.value
