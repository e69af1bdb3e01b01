"""Runs in a clean interpreter: reads Python sources from standard input, writes byte code to standard output."""

import _imp
import importlib.util
import json
import marshal
import sys

#: PEP 552: bit 0 = hash-based, bit 1 = check the source. Unchecked, because a layer's sources never change.
_UNCHECKED_HASH = (1).to_bytes(4, "little")


def _compile(name: str, source: bytes) -> bytes:
    try:
        code = compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return b""
    source_hash = _imp.source_hash(importlib.util._RAW_MAGIC_NUMBER, source)  # type: ignore[attr-defined]  # noqa: SLF001
    return importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + source_hash + marshal.dumps(code)


def _main() -> None:
    for line in sys.stdin.buffer:
        name, size = json.loads(line)
        code = _compile(name, sys.stdin.buffer.read(size))
        sys.stdout.buffer.write(len(code).to_bytes(8, "little") + code)


if __name__ == "__main__":
    _main()
