"""What of a distribution's metadata is the same wherever it is installed."""

from __future__ import annotations

import pytest

from jupyter_containeriter.dist_info import comparable_record, is_of_one_installation, is_record, partial_record

_ROWS = [
    "fast-1.0.dist-info/METADATA,sha256=m,50",
    "fast-1.0.dist-info/RECORD,,",
    "fast/__init__.py,sha256=a,10",
    '"fast/a, b.txt",sha256=b,3',
]


def _record(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


@pytest.mark.parametrize(
    "row",
    [
        "../../../bin/fast,sha256=s,200",
        "/usr/share/man/fast.1,sha256=s,200",
        "fast/__pycache__/__init__.cpython-312.pyc,,",
        "fast/__init__.pyo,sha256=s,20",
        "fast-1.0.dist-info/INSTALLER,sha256=s,4",
        "fast-1.0.dist-info/REQUESTED,sha256=s,0",
        "fast-1.0.dist-info/direct_url.json,sha256=s,80",
        "fast-1.0.dist-info/uv_cache.json,sha256=s,80",
        "",
    ],
)
def test_what_tells_of_one_installation_is_no_part_of_a_record(row: str) -> None:
    """Scripts and files outside, byte code, who installed it and from where: none of that is in the image as it was."""
    assert comparable_record(_record(*_ROWS, row)) == comparable_record(_record(*_ROWS))


def test_the_order_of_a_record_does_not_count() -> None:
    """Installers write their rows in different orders; names with commas stay whole."""
    written = comparable_record(_record(*_ROWS))
    assert comparable_record(_record(*reversed(_ROWS))) == written
    assert written == _record(*sorted(_ROWS, key=lambda row: row.strip('"')))


@pytest.mark.parametrize("changed", ["fast/__init__.py,sha256=c,10", "fast/more.py,sha256=a,10"])
def test_what_the_image_holds_counts(changed: str) -> None:
    """Another hash or another file is another record."""
    assert comparable_record(_record(*_ROWS[:2], changed)) != comparable_record(_record(*_ROWS[:3]))


def test_a_part_of_a_record_names_what_is_kept() -> None:
    """Its rows are as they were."""
    assert partial_record(_record(*_ROWS), lambda name: name.startswith("fast/__")) == _record(_ROWS[2])


@pytest.mark.parametrize("name", ["fast/INSTALLER", "RECORD", "fast/direct_url.json"])
def test_only_metadata_is_metadata(name: str) -> None:
    """A package's own file may be called like one of an installer's."""
    assert not is_of_one_installation(name)
    assert not is_record(name)
