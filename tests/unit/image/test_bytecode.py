"""Byte code compiled ahead."""

from __future__ import annotations

import importlib.util
import marshal
import subprocess
import sys
from pathlib import Path

from jupyter_containeriter.image.bytecode import compile_members
from jupyter_containeriter.image.members import Member

_TAG = sys.implementation.cache_tag


def test_every_module_gets_its_byte_code() -> None:
    """Each Python file that compiles gets byte code beside it; others get none."""
    members = [
        Member("pkg/__init__.py", data=b""),
        Member("pkg/a.py", data=b"x = 1"),
        Member("pkg/template.py", data=b"{{ not python }} ="),
        Member("pkg/null.py", data=b"x = '\0'"),
        Member("pkg/data.txt", data=b"x = 1"),
    ]
    assert {member.name for member in compile_members(members)} == {
        f"pkg/__pycache__/__init__.{_TAG}.pyc",
        f"pkg/__pycache__/a.{_TAG}.pyc",
    }


def test_nothing_to_compile_is_fine() -> None:
    """A layer without Python files needs no byte code."""
    assert compile_members([Member("a.txt", data=b"1")]) == []


def test_byte_code_is_never_checked_against_its_source() -> None:
    """Byte code is of the unchecked-hash kind, with the hash of its source."""
    (compiled,) = compile_members([Member("a.py", data=b"x = 1")])
    assert compiled.data[:4] == importlib.util.MAGIC_NUMBER
    assert compiled.data[4:8] == (1).to_bytes(4, "little")
    assert compiled.data[8:16] == importlib.util.source_hash(b"x = 1")


def test_byte_code_holds_the_path_in_the_image(tmp_path: Path) -> None:
    """Tracebacks name the file in the image; the path on this machine is nowhere."""
    source = tmp_path / "a.py"
    source.write_text("def f():\n    return 1\n")
    (compiled,) = compile_members([Member("opt/x/a.py", source)])
    assert marshal.loads(compiled.data[16:]).co_filename == "/opt/x/a.py"
    assert str(tmp_path).encode() not in compiled.data


def test_byte_code_is_used_for_imports(tmp_path: Path) -> None:
    """An interpreter imports the byte code, whatever the source beside it says."""
    (compiled,) = compile_members([Member("a.py", data=b"x = 1")])
    path = tmp_path / compiled.name.lstrip("/")
    path.parent.mkdir()
    path.write_bytes(compiled.data)
    (tmp_path / "a.py").write_text("x = 2")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import a; print(a.x)"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "1\n"


def test_the_same_sources_give_the_same_byte_code() -> None:
    """Byte code depends on nothing but name and source, sets of texts included."""
    members = [Member(f"m{n}.py", data=b"def f(x):\n    return x in {'a', 'b', 'c', 'd'}\n") for n in range(6)]
    first = {member.name: member.data for member in compile_members(members)}
    assert {member.name: member.data for member in compile_members(reversed(members))} == first
