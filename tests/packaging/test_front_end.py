"""When the front end is built: where what is built is not of these sources, and never else."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def front_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script of a tree of its own, with a stand-in of npm that notes what it was asked for."""
    shutil.copytree(ROOT / "labextension", tmp_path / "labextension", ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "front_end.py", tmp_path / "scripts")
    spec = importlib.util.spec_from_file_location("front_end", tmp_path / "scripts" / "front_end.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.asked = []

    def npm(*arguments: str) -> None:
        script.asked.append(" ".join(arguments))
        made = script.PACKAGE / "node_modules" if arguments == ("ci",) else script.OUTPUT
        made.mkdir(parents=True, exist_ok=True)
        (made / "package.json").write_text("{}")

    monkeypatch.setattr(script, "_npm", npm)
    return script


def test_nothing_is_up_to_date_before_it_was_built(front_end: ModuleType) -> None:
    """A clone has no front end."""
    assert not front_end.up_to_date()
    front_end.build()
    assert front_end.up_to_date()


@pytest.mark.parametrize("source", ["src/index.ts", "style/base.css", "schema/plugin.json", "install.json"])
def test_a_changed_source_makes_it_stale(front_end: ModuleType, source: str) -> None:
    """One byte in one file is enough."""
    front_end.build()
    path = front_end.PACKAGE / source
    path.write_text(path.read_text() + "\n")
    assert not front_end.up_to_date()


def test_files_that_come_and_go_make_it_stale(front_end: ModuleType) -> None:
    """A new source counts, and so does one that got another name."""
    front_end.build()
    new = front_end.PACKAGE / "src" / "new.ts"
    new.write_text("export {};\n")
    assert not front_end.up_to_date()
    front_end.build()
    new.rename(new.with_name("newer.ts"))
    assert not front_end.up_to_date()


def test_what_else_was_built_into_it_is_not_shipped(front_end: ModuleType) -> None:
    """A build for debugging leaves other files: the record is of those that were built to be shipped."""
    front_end.build()
    (front_end.OUTPUT / "package.json").write_text('{"debug": true}')
    assert not front_end.up_to_date()


def test_a_build_that_fails_leaves_nothing_that_counts(front_end: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before is not taken for what could not be built."""
    front_end.build()

    def fails(*_: str) -> None:
        raise front_end.FrontEndError

    monkeypatch.setattr(front_end, "_npm", fails)
    with pytest.raises(front_end.FrontEndError):
        front_end.build()
    assert not front_end.up_to_date()


def test_packages_are_installed_when_the_lock_file_changed(front_end: ModuleType) -> None:
    """``npm ci`` once for a lock file."""
    front_end.run("lint", "test")
    front_end.run("test")
    assert front_end.asked == ["ci", "run lint", "run test", "run test"]
    lock = front_end.PACKAGE / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    front_end.run("test")
    assert front_end.asked[4:] == ["ci", "run test"]


def test_the_lock_file_names_no_host() -> None:
    """Packages come from the registry that a person's npm is told, and are known by their digests."""
    text = (ROOT / "labextension" / "package-lock.json").read_text()
    assert not re.search(r'"resolved"|https?://[^"]*\.tgz', text)
    packages = json.loads(text)["packages"]
    assert all("integrity" in package for path, package in packages.items() if path and not package.get("link"))
