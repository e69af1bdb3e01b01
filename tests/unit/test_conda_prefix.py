"""What conda's records say of a prefix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_containeriter import conda


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Make a prefix with two packages."""
    packages = {
        "proj": ["lib/libproj.so.25", "share/proj/proj.db", "share/man/man1/proj.1", "include/proj.h", "bin/proj"],
        "other": ["lib/libother.so", "share/other/data"],
    }
    (tmp_path / "conda-meta").mkdir()
    for name, files in packages.items():
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
        (tmp_path / "conda-meta" / f"{name}-1-0.json").write_text(json.dumps({"name": name, "files": files}))
    return tmp_path


def test_data_of_linked_packages_only(prefix: Path) -> None:
    """The data of the package that a library is of, without programs, headers and manuals."""
    assert conda.data_files(prefix, [prefix / "lib/libproj.so.25"]) == {
        "share/proj/proj.db": prefix / "share/proj/proj.db"
    }


def test_library_of_no_package_has_no_data(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A library from outside the prefix, or one that no record names, brings nothing."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "libproj.so.25"
    assert conda.data_files(prefix, [elsewhere, prefix / "lib" / "libmine.so"]) == {}


def test_removed_data_are_passed_over(prefix: Path) -> None:
    """A file that a record names and that is gone does not stop anything."""
    (prefix / "share/proj/proj.db").unlink()
    assert conda.data_files(prefix, [prefix / "lib/libproj.so.25"]) == {}


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"files": 3}', '{"files": [3]}'])
def test_damaged_records_are_passed_over(prefix: Path, record: str) -> None:
    """A record that cannot be read does not hide the others."""
    (prefix / "conda-meta" / "broken-1-0.json").write_text(record)
    assert list(conda.data_files(prefix, [prefix / "lib/libproj.so.25"])) == ["share/proj/proj.db"]


def test_variables_that_name_the_prefix_or_its_data(prefix: Path) -> None:
    """What the activation sets to the prefix or to data in it, relative to the prefix; nothing else."""
    environment = {
        "CONDA_PREFIX": str(prefix),
        "PROJ_DATA": f"{prefix}/share/proj",
        "CC": f"{prefix}/bin/cc",
        "HOME": str(prefix.parent),
        "SIMILAR": f"{prefix}-2",
        "EMPTY": "",
    }
    assert conda.variables(prefix, environment) == {"CONDA_PREFIX": ".", "PROJ_DATA": "share/proj"}


def test_other_prefixes_have_neither(tmp_path: Path) -> None:
    """A prefix that conda did not make has no variables and no data."""
    (tmp_path / "share").mkdir()
    assert conda.variables(tmp_path, {"VIRTUAL_ENV": str(tmp_path)}) == {}
    assert conda.data_directories(tmp_path) == []
    assert conda.data_files(tmp_path, [tmp_path / "lib" / "liba.so"]) == {}
