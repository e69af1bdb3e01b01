"""Passwords, keys and tokens known by the name they are given to: ``connect(password="…")``, ``api_key: "…"``.

A name is one of a secret if it *ends* in a word for one (``db_password``, not ``password_column``). Python is parsed,
so that it does not matter how a literal is written or what else is on its line; other texts are searched by pattern.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

#: What a name ends in, in lower case with ``_`` between its words; a number may follow.
_SECRET = re.compile(
    r"(passwords?|passwd|pwd|passphrase|contrase(ñ|n)a|secret|credentials?"
    r"|(api|access|private|auth|account|secret|service|client|signing|encryption|master|db|database|storage)_?key"
    r"|(db|database|smtp|mail|ftp|user|key)_?pass"
    r"|(access|auth|api|bearer|refresh)token|(^|_)token)_?\d*"
)
#: Tokens that are words of a vocabulary.
_MARK = re.compile(
    r"(.*_)?(pad|bos|eos|unk|sep|cls|mask|start|end|begin|stop|special|additional|prefix|suffix|middle|word|sub"
    r"|image|audio|video|language|lang|first|last|next|previous|current|new)_?tokens?_?\d*"
)
#: Functions that are told a name and, next, what it stands for.
_TOLD = frozenset({"getenv", "get", "setdefault", "pop", "getattr", "setattr", "setenv", "putenv"})

_PLACE = re.compile(r"[~.]{0,2}/[\w.-]+/|[a-z+]+://|[\w./~-]+\.(pem|key|crt|p12|json|txt|ya?ml|env)$")
_SHORTEST = 6
#: Tokens are issued by machines; shorter ones are words.
_SHORTEST_TOKEN = 10

#: A name and a quoted text in anything that is not Python.
_QUOTED = re.compile(
    r"""(?P<name>[\w.-]{2,80})["'\]]{0,2}\s*(?:=>|:=|={1,3}|:)\s*(?P<quote>["'`])(?P<value>[^"'`\v]{6,500})(?P=quote)"""
)
#: The same without quotes, as files of settings have it: alone on its line.
_BARE = re.compile(r"""\s*(?:export\s+)?(?P<name>[\w.-]{2,80})\s*[:=]\s*(?P<value>[^\s"'`,;()]{6,500})\s*(?:[#;].*)?""")
#: Longer lines are data.
_LONGEST_LINE = 2000


@dataclass(frozen=True, slots=True)
class Named:
    """A literal that is a secret by its ``name``, and the line it begins on."""

    name: str
    value: str
    line: int


def is_secret_name(name: str) -> bool:
    """Whether a variable, keyword or setting of this name holds a password, key or token."""
    words = re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z\d])(?=[A-Z])", "_", name)).strip("_").lower()
    return re.search(f"(?:{_SECRET.pattern})$", words) is not None and _MARK.fullmatch(words) is None


def is_secret(name: str, value: str) -> bool:
    """Whether a literal of this name is a secret: more than a word, and no place or template of one."""
    from detect_secrets.filters.heuristic import is_sequential_string

    if not is_secret_name(name) or len(value) < (_SHORTEST_TOKEN if name.lower().endswith("token") else _SHORTEST):
        return False
    # One can type a password of letters only, but code is full of names of passwords.
    mixed = re.search(r"\d", value) and re.search(r"\D", value) and not re.search(r"\s", value)
    return bool(mixed) and not (is_template(value) or _is_reference(value) or is_sequential_string(value))


def is_template(value: str) -> bool:
    """Whether a value stands for one that is put in later."""
    return bool(re.search(r"[{}<>$%\[\]]", value[:1] + value[-1:])) or "%s" in value


def _is_reference(value: str) -> bool:
    """Whether it says where a secret is: a path, an address, the name of an environment variable."""
    return _PLACE.match(value) is not None or re.fullmatch(r"[A-Z][A-Z\d]*(_[A-Z\d]+)+", value) is not None


# --- Python ----------------------------------------------------------------------------------------------------------


def parsed(source: str) -> ast.Module | None:
    """Return Python source, of a notebook's cell too, as a tree; None for anything else."""
    try:
        tree = compile(source, "<captured>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if isinstance(tree, ast.Module) else None


def in_python(tree: ast.Module) -> Iterator[Named]:
    """Return the secrets among a program's literals."""
    for node in ast.walk(tree):
        for name, value in _given(node):
            for literal in _literals(value):
                text = _text(literal)
                if name and text and is_secret(name, text):
                    yield Named(name, text, literal.lineno)


def _given(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Return what a node gives to which names."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _assigned(target, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield from _assigned(target, value)
        case ast.keyword(arg=str(name), value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            yield from ((_text(key), value) for key, value in zip(keys, values, strict=True))
        case ast.arguments():
            positional = [*node.posonlyargs, *node.args]
            pairs = [*zip(reversed(positional), reversed(node.defaults)), *zip(node.kwonlyargs, node.kw_defaults)]  # noqa: B905 (defaults are fewer)
            yield from ((argument.arg, value) for argument, value in pairs if value)
        case ast.Compare(left=left, comparators=[right]):
            yield from ((_name(left), right), (_name(right), left))
        case ast.Call():
            yield from _told(node)


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        for one, its in zip(target.elts, value.elts, strict=False):
            yield from _assigned(one, its)
    else:
        yield _name(target), value


def _told(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Return what a call gives to a literal name: ``getenv("PASSWORD", "…")``, ``option("--token", default="…")``."""
    defaults = [keyword.value for keyword in call.keywords if keyword.arg == "default"]
    for name, value in zip_longest(call.args, call.args[1:]):
        if value and _name(call.func) in _TOLD:
            yield _text(name), value
        yield from ((_text(name), default) for default in defaults)


def _name(target: ast.expr) -> str:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=key):
            return _text(key)
    return ""


def _literals(value: ast.expr) -> Iterator[ast.expr]:
    """Return the literals that a value may be."""
    match value:
        case ast.Constant() | ast.JoinedStr():
            yield value
        case ast.BoolOp(values=values):
            for one in values:
                yield from _literals(one)
        case ast.IfExp(body=body, orelse=other):
            yield from _literals(body)
            yield from _literals(other)
        case ast.Call(func=ast.Attribute(value=ast.Constant() as literal)):  # "…".encode()
            yield literal
        case ast.Call(keywords=keywords):  # a field with a default
            for keyword in keywords:
                if keyword.arg == "default":
                    yield from _literals(keyword.value)


def _text(node: ast.expr | None) -> str:
    """Return the text of a literal, "" for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(content)):
            return content.decode(errors="replace")
        case ast.JoinedStr(values=parts) if not any(isinstance(part, ast.FormattedValue) for part in parts):
            return "".join(map(_text, parts))
    return ""


# --- anything else ---------------------------------------------------------------------------------------------------


def in_text(text: str, *, settings: bool = False) -> Iterator[Named]:
    """Return the secrets in a text that is not Python; without quotes where it is a file of ``settings``."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > _LONGEST_LINE:
            continue
        for found in _QUOTED.finditer(line):
            if is_secret(found["name"], found["value"]):
                yield Named(found["name"], found["value"], number)
        bare = _BARE.fullmatch(line) if settings else None
        if bare and is_secret(bare["name"], bare["value"]):
            yield Named(bare["name"], bare["value"], number)
