"""What an image contains, as a card and as lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from jupyter_containeriter.show import words
from jupyter_containeriter.show.html import BORDER, FAINT, card, swatches, table
from jupyter_containeriter.types import CONTAINER_ROOT, Layer, Role

if TYPE_CHECKING:
    from jupyter_containeriter.contents import ImageContents, Package, StoredFile

#: More packages than these are shown on request.
_SHOWN = 12
_COLORS: dict[Role, str] = {"base": "#8c959f", "environment": "#0969da", "model": "#bf8700", "code": "#1a7f37"}


def contents_card(contents: ImageContents) -> str:
    """Return the card of an image: its layers as one bar, its packages as one bar each."""
    iteration, image = contents.iteration, contents.image
    rows = [
        ("Image", f"<code>{escape(image.reference)}</code> · <b>{words.size(image.size_bytes)}</b>"),
        ("Digest", f'<code style="overflow-wrap:anywhere">{image.digest}</code>'),
        ("Base", f"{escape(contents.base)}, linux/{escape(contents.architecture)}{_untold(contents)}"),
        ("Model", _files(contents.model, "model", _formats(contents))),
    ]
    if contents.code:
        rows.append(("Local code", _files(contents.code, "code")))
    body = table(rows) + _layers(image.layers) + _packages(contents) + _rest(contents)
    return card(f"<b>{escape(iteration.name)}:{iteration.version}</b> contains", iteration.status, body)


def contents_text(contents: ImageContents) -> str:
    """Return the same in lines."""
    iteration, image = contents.iteration, contents.image
    formats = _formats(contents)
    lines = [
        f"{iteration.name}:{iteration.version} {iteration.status}, {words.size(image.size_bytes)}, "
        f"linux/{contents.architecture}",
        f"  image   {image.reference}",
        f"  digest  {image.digest}",
        f"  base    {contents.base}{_untold(contents)}",
        "",
        *_aligned((words.size(layer.size_bytes), layer.role, layer.comment) for layer in image.layers),
        "",
        *_aligned((words.size(p.size_bytes), f"{p.name} {p.version}", p.reason) for p in contents.packages),
        "",
        *_aligned((words.size(f.size_bytes), _short(f, "model"), formats.get(f.path, "")) for f in contents.model),
        *_aligned((words.size(f.size_bytes), _short(f, "code"), "local code") for f in contents.code),
    ]
    if contents.libraries:
        total = sum(library.size_bytes for library in contents.libraries)
        lines.append(f"  {len(contents.libraries)} shared libraries of this machine, {words.size(total)}")
    return "\n".join([*lines, *(f"  left out: {what}: {why}" for what, why in _left_out(contents))])


def _untold(contents: ImageContents) -> str:
    return "; of its files none is listed" if contents.is_foreign else ""


def _aligned(rows: Iterable[tuple[str, str, str]]) -> list[str]:
    found = list(rows)
    width = max((len(row[1]) for row in found), default=0)
    return [f"  {size:>7}  {name:<{width}}  {told}".rstrip() for size, name, told in found]


def _layers(layers: Sequence[Layer]) -> str:
    whole = sum(layer.size_bytes for layer in layers) or 1
    bar = "".join(
        f'<div title="{escape(layer.comment)}, {words.size(layer.size_bytes)}" style="min-width:2px;'
        f"width:{100 * layer.size_bytes / whole:.2f}%;background:{_COLORS[layer.role]};"
        'box-shadow:inset -1px 0 0 rgba(255,255,255,.55)"></div>'
        for layer in layers
    )
    sizes = {role: sum(layer.size_bytes for layer in layers if layer.role == role) for role in _COLORS}
    legend = swatches((f"{role} {words.size(size)}", _COLORS[role]) for role, size in sizes.items())
    count = f"{len(layers)} layers"
    return (
        f'<div style="margin-top:8px">{count}</div>'
        f'<div style="display:flex;height:10px;border-radius:3px;overflow:hidden;margin:3px 0 4px">{bar}</div>'
        f'<div style="color:{FAINT};font-size:12px">{legend}</div>'
    )


def _packages(contents: ImageContents) -> str:
    packages = contents.packages
    largest = max((package.size_bytes for package in packages), default=0) or 1
    rows = [_package(package, largest, contents.image.layers) for package in packages]
    total = words.size(sum(package.size_bytes for package in packages))
    head = f'<div style="margin-top:10px">{len(packages)} packages, {total}</div>'
    rest = _folded(f"{len(rows) - _SHOWN} smaller ones", _grid(rows[_SHOWN:])) if len(rows) > _SHOWN else ""
    return head + _grid(rows[:_SHOWN]) + rest


def _grid(rows: Iterable[str]) -> str:
    style = (
        "display:grid;grid-template-columns:minmax(0,190px) 110px 56px minmax(0,1fr);"
        "gap:1px 12px;align-items:center;margin-top:2px"
    )
    return f'<div style="{style}">{"".join(rows)}</div>'


def _package(package: Package, largest: int, layers: Sequence[Layer]) -> str:
    width = 100 * package.size_bytes / largest
    told = escape(package.reason)
    if package.left_out:
        told += f" · without {package.left_out} files ({words.size(package.left_out_bytes)})"
    layer = f"in the layer {layers[package.layer].comment}" if package.layer is not None else "no file of it found"
    return (
        f'<div title="{escape(layer)}">{escape(package.name)} '
        f'<span style="color:{FAINT}">{escape(package.version)}</span></div>'
        f'<div style="background:{BORDER};border-radius:3px;height:8px"><div style="width:{width:.1f}%;min-width:1px;'
        f'height:8px;border-radius:3px;background:{_COLORS["environment"]}"></div></div>'
        f'<div style="text-align:right;white-space:nowrap">{words.size(package.size_bytes)}</div>'
        f'<div style="color:{FAINT};overflow-wrap:anywhere">{told}</div>'
    )


def _rest(contents: ImageContents) -> str:
    parts = []
    if contents.libraries:
        total = words.size(sum(library.size_bytes for library in contents.libraries))
        title = f"{len(contents.libraries)} shared libraries of this machine, {total}"
        names = (
            f"{library.path.rpartition('/')[2]} {words.size(library.size_bytes)}" for library in contents.libraries
        )
        parts.append(_folded(title, f'<div style="color:{FAINT}">{escape(", ".join(names))}</div>'))
    if left := _left_out(contents):
        lines = "".join(f"<div>{escape(what)}: {escape(why)}</div>" for what, why in left)
        parts.append(_folded("Left out", f'<div style="color:{FAINT}">{lines}</div>'))
    return "".join(parts)


def _folded(title: str, body: str) -> str:
    return f'<details style="margin-top:8px"><summary style="cursor:pointer">{escape(title)}</summary>{body}</details>'


def _left_out(contents: ImageContents) -> list[tuple[str, str]]:
    """Return what was left out and why: what the snapshot tells, then tests and headers of packages."""
    files = sum(package.left_out for package in contents.packages)
    size = sum(package.left_out_bytes for package in contents.packages)
    told = [(what, str(why)) for what, why in contents.left_out.items()]
    if files:
        told.append(("tests, headers and sources of packages", f"{files} files, {words.size(size)}"))
    return told


def _formats(contents: ImageContents) -> dict[str, str]:
    """Return the format of each of the model's files whose format the snapshot tells, by path."""
    model = contents.snapshot["model"]
    told = [part for part in model.get("parts") or () if isinstance(part, dict)]
    return {f"{CONTAINER_ROOT}/{part['path']}": str(part["format"]) for part in (model, *told) if "format" in part}


def _files(files: Sequence[StoredFile], directory: str, formats: dict[str, str] | None = None) -> str:
    rows = []
    for file in files:
        told = f" ({escape(kind)})" if (kind := (formats or {}).get(file.path)) else ""
        rows.append(f"<div><code>{escape(_short(file, directory))}</code> {words.size(file.size_bytes)}{told}</div>")
    more = _folded(f"{len(rows) - _SHOWN} more", "".join(rows[_SHOWN:])) if len(rows) > _SHOWN else ""
    return "".join(rows[:_SHOWN]) + more


def _short(file: StoredFile, directory: str) -> str:
    return f"{directory}/{file.path.partition(f'/{directory}/')[2]}"
