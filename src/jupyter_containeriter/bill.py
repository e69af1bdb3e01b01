"""A software bill of materials of an image: CycloneDX 1.6, written from the stored image itself.

Format: https://cyclonedx.org/docs/1.6/json/. Equal images give equal bills: the serial number is derived from the
image's digest, and the time is the image's own.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from jupyter_containeriter.contents import ImageContents, inspect, metadata_of, own_layers, read_files
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.image.origins import SystemPackage, system_packages
from jupyter_containeriter.settings import KERNEL_BASE
from jupyter_containeriter.show.bill import Bill

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

    from jupyter_containeriter.session import Session

#: A longer text is no name of a license, but the license itself.
_LICENSE_NAME_CHARACTERS = 80


def bill_of_materials(session: Session, reference: str, path: str = "") -> Bill:
    """Write what the image of ``NAME[:VERSION]`` is made of.

    Parameters
    ----------
    session
        Finds the version.
    reference
        ``NAME:VERSION``, or ``NAME`` for its newest version.
    path
        The file to write, "" for none.

    Raises
    ------
    UsageError
        The library for the format is not installed, or the file cannot be written.
    NotFoundError
        No such version, no image was built for it, or its image is no longer in the cache.
    """
    try:
        import cyclonedx  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "A bill of materials needs the package cyclonedx-python-lib, which is not installed.",
            'pip install "jupyter_containeriter[sbom]"',
        ) from error
    contents = inspect(session, reference)
    bill = Bill(f"{contents.iteration.name}:{contents.iteration.version}", _document(contents), path)
    if path:
        try:
            Path(path).expanduser().write_text(bill.json(), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}.", "Give another PATH.") from error
    return bill


def _document(contents: ImageContents) -> dict[str, Any]:
    from cyclonedx.output.json import JsonV1Dot6

    document: dict[str, Any] = json.loads(JsonV1Dot6(_bom(contents)).output_as_string())
    return document


def _bom(contents: ImageContents) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData

    image = contents.image
    told = _Told(contents)
    root = _image(contents)
    packages = {package.name: _package(package.name, package.version, told) for package in contents.packages}
    others = [*_runtime(contents), *_libraries(told), _model(contents)]
    requirements = {name: _required(told.metadata[name], packages) for name in packages if name in told.metadata}
    needed = {name for names in requirements.values() for name in names}
    created = datetime.fromisoformat(json.loads(image.config)["created"])
    bom = Bom(
        components=[*packages.values(), *others],
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, image.digest),
        metadata=BomMetaData(component=root, timestamp=created),
    )
    for name, component in packages.items():
        bom.register_dependency(component, [packages[one] for one in requirements.get(name, ())])
    bom.register_dependency(root, [*others, *(packages[name] for name in packages if name not in needed)])
    return bom


class _Told:
    """What the files of an image tell: each distribution's metadata, the digest of its ``RECORD``, and libraries."""

    def __init__(self, contents: ImageContents) -> None:
        self.metadata: dict[str, Message] = {}
        self.records: dict[str, str] = {}
        self.libraries: dict[str, bytes] = {}
        libraries = {library.path for library in contents.libraries}
        layers = own_layers(contents.image, contents.iteration)
        for path, content in read_files(layers, lambda path: path in libraries or metadata_of(path) is not None):
            owner, kind = metadata_of(path) or ("", "")
            if path in libraries:
                self.libraries[path] = content
            elif kind == "METADATA":
                self.metadata[owner] = message_from_bytes(content)
            else:
                self.records[owner] = hashlib.sha256(content).hexdigest()


# --- components ----------------------------------------------------------------------------------------------------


def _image(contents: ImageContents) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    image = contents.image
    return Component(
        type=ComponentType.CONTAINER,
        name=image.reference.rpartition(":")[0],
        version=str(contents.iteration.version),
        bom_ref=image.digest,
        hashes=[_sha256(image.digest)],
    )


def _package(name: str, version: str, told: _Told) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    metadata = told.metadata.get(name)
    record = told.records.get(name)
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"python:{name}@{version}",
        # What has no metadata is no distribution of the Python Package Index: the inference server.
        purl=PackageURL("pypi", name=name, version=version) if metadata else None,
        description=str(metadata["Summary"]) if metadata and metadata["Summary"] else None,
        licenses=_licenses(metadata) if metadata else (),
        # RECORD names every file with its digest, so its own digest stands for all of them.
        properties=[Property(name="io.containeriter.record.sha256", value=record)] if record else (),
    )


def _runtime(contents: ImageContents) -> Iterator[Component]:
    """Yield what the packages run on: this interpreter, or an image that brings its own."""
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import LicenseExpression

    base = contents.iteration.base
    if base != KERNEL_BASE:
        yield Component(type=ComponentType.CONTAINER, name=base, bom_ref=f"base:{base}")
        return
    version = contents.snapshot["python"]
    yield Component(
        type=ComponentType.PLATFORM,
        name="CPython",
        version=version,
        bom_ref=f"cpython@{version}",
        cpe=f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        licenses=[LicenseExpression("PSF-2.0")],
    )


def _libraries(told: _Told) -> Iterator[Component]:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    names = {path.rpartition("/")[2]: content for path, content in told.libraries.items()}
    origins = system_packages(names)
    for path, content in sorted(told.libraries.items()):
        name = path.rpartition("/")[2]
        origin = origins.get(name)
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=origin.version if origin else None,
            bom_ref=f"file:{path}",
            purl=_debian(origin) if origin else None,
            hashes=[_sha256(hashlib.sha256(content).hexdigest())],
            properties=[Property(name="io.containeriter.path", value=path)],
        )


def _debian(package: SystemPackage) -> Any:
    from packageurl import PackageURL

    qualifiers = {"arch": package.architecture}
    return PackageURL("deb", package.distribution, package.name, package.version, qualifiers=qualifiers)


def _model(contents: ImageContents) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    model, name = contents.snapshot["model"], contents.iteration.name
    parts = [
        Component(
            type=ComponentType.FILE,
            name=part["path"],
            bom_ref=f"file:{part['path']}",
            hashes=[_sha256(part["digest"])],
            properties=[Property(name="io.containeriter.format", value=part["format"])],
        )
        for part in (model, *(model.get("parts") or ()))
    ]
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=name,
        version=str(contents.iteration.version),
        bom_ref=f"model:{name}",
        hashes=[_sha256(contents.iteration.model_digest or model["digest"])],
        components=parts,
    )


def _sha256(digest: str) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType

    return HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))


# --- metadata ------------------------------------------------------------------------------------------------------


def _licenses(metadata: Message) -> list[License]:
    """Return what a distribution says of its license: expression, else name, else classifiers (PEP 639)."""
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
    from cyclonedx.spdx import fixup_id, is_expression

    classifiers = [str(text) for text in metadata.get_all("Classifier") or ()]
    known = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License :: ")]
    named = str(metadata["License"] or "").strip()
    told = str(metadata["License-Expression"] or "")
    if not told and named and "\n" not in named and len(named) <= _LICENSE_NAME_CHARACTERS:
        told = named
    if told and fixup_id(told) is None and is_expression(told):
        return [LicenseExpression(told)]
    names = [told] if told else known
    return [DisjunctiveLicense(id=one) if (one := fixup_id(name)) else DisjunctiveLicense(name=name) for name in names]


def _required(metadata: Message, present: Mapping[str, object]) -> list[str]:
    """Return the distributions in the image that this one requires."""
    requirements = _requirements(metadata.get_all("Requires-Dist") or ())
    names = {
        str(canonicalize_name(one.name))
        for one in requirements
        if one.marker is None or one.marker.evaluate({"extra": ""})
    }
    return sorted(names & present.keys())


def _requirements(texts: Iterable[str]) -> Iterator[Requirement]:
    for text in texts:
        try:
            yield Requirement(str(text))
        except InvalidRequirement:
            continue
