"""Places with packages in them, as installers leave them."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

Files = Mapping[str, str]


def write(directory: Path, files: Files) -> Path:
    """Write files below a directory."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def install(
    site: Path,
    name: str,
    files: Files,
    *,
    version: str = "1.0",
    requires: Iterable[str] = (),
    more: Files | None = None,
) -> Path:
    """Install a distribution as from a wheel: its files, a ``.dist-info``, and a ``RECORD`` of all.

    ``more`` are further files of the ``.dist-info``. Returns the ``.dist-info``.
    """
    information = f"{name.replace('-', '_')}-{version}.dist-info"
    inside = {
        "METADATA": metadata(name, version, requires),
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(more or {}),
    }
    everything = {**files, **{f"{information}/{key}": text for key, text in inside.items()}}
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in everything.items())
    write(site, {**everything, f"{information}/RECORD": f"{record}{information}/RECORD,,\n"})
    return site / information


def develop(site: Path, project: Path, name: str, files: Files, *, requires: Iterable[str] = (), top: str = "") -> Path:
    """Install a project in place, as from an editable wheel (PEP 660); ``files`` go into ``site``."""
    where = json.dumps({"dir_info": {"editable": True}, "url": project.as_uri()})
    more = {"direct_url.json": where, **({"top_level.txt": f"{top}\n"} if top else {})}
    return install(site, name, files, requires=requires, more=more)


def metadata(name: str, version: str, requires: Iterable[str] = ()) -> str:
    """Return core metadata, with an extra for each one that a requirement is conditional on."""
    lines = [f"Requires-Dist: {one}" for one in requires]
    extras = {one.split("extra == '")[1].split("'")[0] for one in requires if "extra == '" in one}
    lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
    return "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, ""])


def wheel(directory: Path, name: str, files: Files, *, version: str = "1.0") -> Path:
    """Write a wheel."""
    site = directory / f"{name}-wheel"
    install(site, name, files, version=version)
    path = directory / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(site.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(site))
    return path


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
