"""The software bill of materials of an image."""

from __future__ import annotations

import builtins
import hashlib
import json
import sys
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from jupyter_containeriter import bill as module
from jupyter_containeriter.errors import NotFoundError, UsageError
from jupyter_containeriter.show.bill import Bill

if TYPE_CHECKING:
    from session_bench import Lab


@pytest.fixture
def bill(lab: Lab) -> Bill:
    """Write the bill of a model that runs."""
    lab.containerize()
    return lab.session.sbom("churn")


def _components(bill: Bill, kind: str | None = None) -> dict[str, dict[str, Any]]:
    found = bill.document()["components"]
    return {component["name"]: component for component in found if kind in {None, component["type"]}}


def test_it_is_valid(bill: Bill) -> None:
    """The document is what the schema of CycloneDX 1.6 says, down to unknown members."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill.json()) is None
    assert bill.document()["specVersion"] == "1.6"


def test_every_package_is_a_component(lab: Lab, bill: Bill) -> None:
    """Each distribution has its version, its package URL and its license."""
    components = _components(bill, "library")
    for package in lab.session.inspect("churn").packages:
        assert components[package.name]["version"] == package.version
    server = components["uvicorn"]
    assert server["purl"] == f"pkg:pypi/uvicorn@{server['version']}"
    assert server["licenses"]
    # It is a part of this package and on no index under that name.
    assert "purl" not in components["containeriter-serving"]


def test_the_image_is_what_it_is_of(lab: Lab, bill: Bill) -> None:
    """The bill names the image by its digest."""
    image = bill.document()["metadata"]["component"]
    assert (image["type"], image["name"], image["version"]) == ("container", "localhost/containeriter/churn", "1")
    assert image["hashes"] == [{"alg": "SHA-256", "content": lab.row(1).image_digest.removeprefix("sha256:")}]


def test_interpreter_and_model_are_components(lab: Lab, bill: Bill) -> None:
    """The interpreter has its version; the model its digest, and each of its files."""
    (python,) = _components(bill, "platform").values()
    assert (python["name"], python["version"]) == ("CPython", ".".join(map(str, sys.version_info[:3])))
    (model,) = _components(bill, "machine-learning-model").values()
    assert model["hashes"][0]["content"] == lab.row(1).model_digest.removeprefix("sha256:")
    assert "model/model.pkl" in {part["name"] for part in model["components"]}


def test_shared_libraries_are_components(lab: Lab, bill: Bill) -> None:
    """Each library that was copied has its path and the digest of the bytes in the image."""
    contents = lab.session.inspect("churn")
    libraries = {library.path for library in contents.libraries}
    for path, content in module.read_files(contents.image.layers, libraries.__contains__):
        component = _components(bill)[path.rpartition("/")[2]]
        assert {"name": "io.containeriter.path", "value": path} in component["properties"]
        assert component["hashes"][0]["content"] == hashlib.sha256(content).hexdigest()


def test_who_needs_whom_is_told(bill: Bill) -> None:
    """Packages depend on what their metadata requires; whatever nobody requires, the image needs."""
    graph = {entry["ref"]: set(entry.get("dependsOn", ())) for entry in bill.document()["dependencies"]}
    components = _components(bill)
    image = bill.document()["metadata"]["component"]["bom-ref"]
    assert components["click"]["bom-ref"] in graph[components["uvicorn"]["bom-ref"]]
    assert components["click"]["bom-ref"] not in graph[image]
    assert components["uvicorn"]["bom-ref"] in graph[image]
    reached, queue = set(), [image]
    while queue:
        reference = queue.pop()
        if reference not in reached:
            reached.add(reference)
            queue += graph[reference]
    assert {component["bom-ref"] for component in components.values()} <= reached


def test_equal_images_have_equal_bills(lab: Lab, bill: Bill) -> None:
    """Nothing in a bill is random or of the moment it was written."""
    assert lab.session.sbom("churn:1").json() == bill.json()


def test_it_is_written_to_a_file(lab: Lab, bill: Bill, tmp_path: Path) -> None:
    """With a path the document is written there, and the lines say so; without one they are the document."""
    path = tmp_path / "churn.json"
    written = lab.session.sbom("churn", str(path))
    assert json.loads(path.read_text()) == bill.document() == json.loads(bill.text())
    assert str(path) in written.text()
    assert str(path) in written.html()
    assert "MIT" in bill.html()


def test_a_path_that_cannot_be_written_is_told(lab: Lab, tmp_path: Path) -> None:
    """A directory that does not exist ends in words."""
    lab.containerize()
    with pytest.raises(UsageError, match="cannot be written"):
        lab.session.sbom("churn", str(tmp_path / "nowhere" / "churn.json"))


def test_without_the_library_the_extra_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, the remedy is the command that installs it."""
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "cyclonedx":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError) as caught:
        lab.session.sbom("churn")
    assert caught.value.remedy == 'pip install "jupyter_containeriter[sbom]"'


def test_what_is_not_there_has_no_bill(lab: Lab) -> None:
    """A version that does not exist is refused."""
    lab.containerize()
    with pytest.raises(NotFoundError):
        lab.session.sbom("churn:9")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"License-Expression": "MIT"}, {"license": {"id": "MIT"}}),
        ({"License-Expression": "MIT OR Apache-2.0"}, {"expression": "MIT OR Apache-2.0"}),
        ({"License": "MIT"}, {"license": {"id": "MIT"}}),
        ({"License": "My own\nlong text", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT License"),
        ({"License": "Something of ours"}, "Something of ours"),
        ({}, None),
    ],
)
def test_licenses_are_read(headers: dict[str, str], told: Any) -> None:
    """An expression wins over a name, a name over classifiers; a whole text is no name."""
    message = Message()
    for name, value in headers.items():
        message[name] = value
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.output.json import JsonV1Dot6

    component = Component(name="x", licenses=module._licenses(message))
    (shown,) = json.loads(JsonV1Dot6(Bom(components=[component])).output_as_string())["components"]
    wanted = {"license": {"name": told}} if isinstance(told, str) else told
    assert shown.get("licenses") == ([wanted] if wanted else None)
