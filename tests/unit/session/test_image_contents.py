"""What an image contains, read back from it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from IPython.lib.pretty import pretty

from jupyter_containeriter import contents as module
from jupyter_containeriter.bill import _Told
from jupyter_containeriter.contents import ImageContents, Package
from jupyter_containeriter.errors import BuildError, EngineError, NotFoundError
from jupyter_containeriter.image.build import stored_image
from jupyter_containeriter.types import Layer, Role

if TYPE_CHECKING:
    from session_bench import Lab


@pytest.fixture
def inspected(lab: Lab) -> ImageContents:
    """Inspect a model that runs."""
    lab.containerize()
    return lab.session.inspect("churn")


def _package(contents: ImageContents, name: str) -> Package:
    return next(package for package in contents.packages if package.name == name)


def test_packages_come_with_size_and_reason_biggest_first(inspected: ImageContents) -> None:
    """Every distribution tells its version, what it takes with byte code, why it is in, and where."""
    sizes = [package.size_bytes for package in inspected.packages]
    assert sizes == sorted(sizes, reverse=True)
    server = _package(inspected, "uvicorn")
    assert server.reason == "the inference server needs it"
    told = {one["name"]: one["size_bytes"] for one in inspected.snapshot["distributions"]}
    assert server.size_bytes > told["uvicorn"]  # The snapshot knows no byte code.
    assert server.layer is not None
    assert inspected.image.layers[server.layer].role == "environment"


def test_every_byte_of_the_packages_is_somebody_s(inspected: ImageContents) -> None:
    """The sizes of packages add up to what is below ``site-packages``."""
    below = sum(file.size_bytes for file in inspected.below("site-packages/"))
    assert sum(package.size_bytes for package in inspected.packages) == below


def test_what_has_no_record_is_found_by_its_directory(inspected: ImageContents) -> None:
    """The inference server is no installed distribution; its files are its own all the same."""
    assert _package(inspected, "containeriter-serving").size_bytes > 0


def test_tests_and_headers_that_were_left_out_are_counted(inspected: ImageContents) -> None:
    """What a RECORD names and the image does not hold was left out."""
    assert _package(inspected, "uvloop").left_out > 0
    assert "left out: tests, headers and sources of packages" in inspected.text()


def test_the_image_itself_is_told(lab: Lab, inspected: ImageContents) -> None:
    """Digest, size, layers, base, architecture and the model's files are those of the stored image."""
    document = inspected.document()
    row = lab.row(1)
    assert (document["digest"], document["size_bytes"]) == (row.image_digest, row.image_size_bytes)
    assert [layer["role"] for layer in document["layers"]][-2:] == ["model", "code"]
    assert sum(layer["size_bytes"] for layer in document["layers"]) == document["size_bytes"]
    assert document["base"].startswith("CPython 3.")
    assert document["architecture"] in {"amd64", "arm64"}
    assert {file["path"] for file in document["model"]["files"]} >= {"/opt/containeriter/model/model.pkl"}
    json.dumps(document)


def test_it_is_a_frame_a_card_and_lines(inspected: ImageContents) -> None:
    """The packages are a DataFrame; card and lines name the model, packages and reasons."""
    frame = inspected.frame()
    assert list(frame["name"]) == [package.name for package in inspected.packages]
    for shown in (inspected._repr_html_(), pretty(inspected)):
        assert all(word in shown for word in ("churn:1", "uvicorn", "the inference server needs it", "cloudpickle"))


def test_formats_of_parts_are_told(inspected: ImageContents) -> None:
    """Where the snapshot names the parts of a model, each file shows its format."""
    path = inspected.model[0].path.removeprefix("/opt/containeriter/")
    model = {**inspected.snapshot["model"], "parts": [{"path": path, "format": "safetensors", "digest": ""}]}
    changed = replace(inspected, snapshot={**inspected.snapshot, "model": model})
    assert "safetensors" in changed.text()
    assert "safetensors" in changed.html()


def test_what_the_snapshot_says_was_left_out_is_told(inspected: ImageContents) -> None:
    """Packages that were left out are named with the reason."""
    changed = replace(inspected, snapshot={**inspected.snapshot, "left_out": {"torch": "nothing <imported> it"}})
    assert "left out: torch: nothing <imported> it" in changed.text()
    assert "torch: nothing &lt;imported&gt; it" in changed.html()


def test_early_snapshots_are_read(inspected: ImageContents) -> None:
    """Early snapshots told nothing but versions by name; sizes are found all the same."""
    old = {**inspected.snapshot, "distributions": {"uvicorn": "1.0"}}
    (package,) = module._packages(old, inspected.files, {})
    assert (package.name, package.version, package.reason) == ("uvicorn", "1.0", "")
    assert package.size_bytes > 0


def test_local_code_is_listed(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local files that the model uses are listed, without their byte code."""
    (tmp_path / "my_rates.py").write_text("RATE = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    request = lab.request(name="coded")
    exec("import my_rates\ndef rated(model, data): return [my_rates.RATE for _ in data]", request.namespace)  # type: ignore[arg-type]
    lab.session.containerize(replace(request, predict="rated"))
    (file,) = lab.session.inspect("coded").code
    assert file.path == "/opt/containeriter/code/my_rates.py"


def test_a_version_that_was_only_built_is_inspected(lab: Lab) -> None:
    """What was never deployed has contents, too."""
    lab.containerize(deploy=False)
    assert lab.session.inspect("churn:1").iteration.status == "built"


def test_what_failed_before_its_image_has_none(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version without an image is refused with words; one that failed later is inspected."""
    lab.containerize()
    lab.engine.fail("load", EngineError("no"))
    with pytest.raises(EngineError):
        lab.containerize(4)
    assert lab.session.inspect("churn:2").iteration.status == "failed"
    lab.session.history.update(replace(lab.row(2), image_digest=""))
    with pytest.raises(NotFoundError, match="churn:2 is failed: no image was built") as caught:
        lab.session.inspect("churn:2")
    assert "%iterations churn" in caught.value.remedy
    assert lab.session.inspect("churn").iteration.version == 1


@pytest.mark.parametrize("reference", ["churn:7", "nobody"])
def test_what_never_was_is_not_found(lab: Lab, reference: str) -> None:
    """A version or model that does not exist is refused."""
    lab.containerize()
    with pytest.raises(NotFoundError, match=f"There is no {reference}"):
        lab.session.inspect(reference)


def test_an_image_that_left_the_cache_is_told(own_lab: Lab) -> None:
    """Where a layer is gone from the cache, the remedy is to containerize again."""
    own_lab.containerize()
    row = own_lab.row(1)
    image = stored_image(row.image_digest, row.image_reference, own_lab.session.cache)
    assert image is not None
    image.layers[0].path.unlink()
    with pytest.raises(NotFoundError, match="no longer in the layer cache") as caught:
        own_lab.session.inspect("churn")
    assert "Containerize the model again" in caught.value.remedy


def test_a_damaged_layer_is_told(own_lab: Lab, make_lab: Callable[[Path], Lab]) -> None:
    """A layer that is no tar any more ends in words."""
    own_lab.containerize()
    row = own_lab.row(1)
    image = stored_image(row.image_digest, row.image_reference, own_lab.session.cache)
    assert image is not None
    image.layers[0].path.write_bytes(b"no tar" * 1000)
    with pytest.raises(BuildError, match="cannot be read"):
        own_lab.session.inspect("churn")


# --- what others put into an image ----------------------------------------------------------------------------------


_SITE = "opt/containeriter/site-packages"


def _layer(path: Path, role: Role, files: dict[str, bytes | str]) -> Layer:
    """Write a layer of files (bytes) and links (texts)."""
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return Layer(f"sha256:{path.name}", path.stat().st_size, path, role, path.name)


@pytest.fixture
def made(lab: Lab, tmp_path: Path) -> Callable[..., ImageContents]:
    """Read an image of these layers, bottom up, as that of a version on this base."""
    lab.containerize()
    image, row = stored_image(lab.row(1).image_digest, "", lab.session.cache), lab.row(1)
    assert image is not None
    snapshot = lab.session.inspect("churn").snapshot

    def make(base: str, *layers: tuple[Role, dict[str, bytes | str]]) -> ImageContents:
        stack = tuple(_layer(tmp_path / str(i), role, files) for i, (role, files) in enumerate(layers))
        changed, iteration = replace(image, layers=stack), replace(row, base=base)
        files, records = module._read(changed, module.own_layers(changed, iteration))
        told = {**snapshot, "distributions": [{"name": "packaging", "version": "25.0"}]}
        return ImageContents(iteration, changed, told, module._packages(told, files, records), files)

    return make


def _vendored(version: str) -> dict[str, bytes | str]:
    return {
        f"packaging-{version}.dist-info/METADATA": f"Name: packaging\nVersion: {version}\n".encode(),
        f"packaging-{version}.dist-info/RECORD": f"packaging/of_{version}.py,,7\n".encode(),
    }


def test_metadata_that_a_package_carries_for_others_is_its_own_affair(made: Callable[..., ImageContents]) -> None:
    """Setuptools vendors distributions with their metadata: what is installed beside it is told by its own."""
    own = {f"{_SITE}/{name}": content for name, content in _vendored("25.0").items()}
    carried = {f"{_SITE}/setuptools/_vendor/{name}": content for name, content in _vendored("26.3").items()}
    contents = made("kernel", ("environment", own | carried), ("code", {}))
    (package,) = contents.packages
    assert (package.left_out, package.left_out_bytes) == (1, 7)
    told = _Told(contents)
    assert told.metadata["packaging"]["Version"] == "25.0"
    record = own[f"{_SITE}/packaging-25.0.dist-info/RECORD"]
    assert isinstance(record, bytes)
    assert told.records["packaging"] == hashlib.sha256(record).hexdigest()


def test_of_a_foreign_base_the_layers_are_told(made: Callable[..., ImageContents]) -> None:
    """Its layers hide and overwrite parts of one another, so they come with their sizes, but without files."""
    hidden: dict[str, bytes | str] = {"etc/motd": b"1", "usr/lib/x-1.dist-info/RECORD": "/nowhere"}
    above: dict[str, bytes | str] = {"etc/.wh.motd": b"", "usr/lib/y": b"2"}
    contents = made(
        "python:3.12-slim", ("base", hidden), ("base", above), ("code", {"opt/containeriter/code/a.py": b"a"})
    )
    assert [(file.path, file.layer) for file in contents.files] == [("/opt/containeriter/code/a.py", 2)]
    assert [layer["role"] for layer in contents.document()["layers"]] == ["base", "base", "code"]
    for shown in (contents.html(), contents.text()):
        assert "python:3.12-slim" in shown
        assert "of its files none is listed" in shown


def test_a_record_that_is_a_link_tells_nothing(made: Callable[..., ImageContents]) -> None:
    """A link in the place of a RECORD is a file like any other, wherever it leads."""
    link: dict[str, bytes | str] = {f"{_SITE}/packaging-25.0.dist-info/RECORD": "nowhere"}
    (package,) = made("kernel", ("environment", link), ("code", {})).packages
    assert (package.version, package.left_out) == ("25.0", 0)
