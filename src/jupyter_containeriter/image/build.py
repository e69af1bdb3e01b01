"""The road from a Snapshot and a base to an Image: choose the layers, then write config and manifest."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jupyter_containeriter import conda
from jupyter_containeriter.accounts import USER_ID
from jupyter_containeriter.dist_info import comparable_record, is_of_one_installation, is_record
from jupyter_containeriter.image.base import Base, kernel_search
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.libraries import Places, library_members, linked, loaded
from jupyter_containeriter.image.members import LayerSpec, Member
from jupyter_containeriter.image.neutral import PREFIX, neutral
from jupyter_containeriter.standard_library import ELSEWHERE, FLAGS
from jupyter_containeriter.types import CONTAINER_ROOT, Distribution, Image, Layer, Snapshot

#: A distribution of at least this size gets a layer of its own: a change of a small one never resends a big one, and
#: images with other small ones share it. Each further layer costs an engine 15 to 90 ms, once; each 10 MB sent again
#: about 100 ms, at every change of a small one. Over eleven kinds of models, 10 MB leaves 7 to 42 MB of small ones
#: beside 3 to 9 big ones; 20 MB would leave 20 to 96 MB beside 1 to 7.
OWN_LAYER_BYTES = 10_000_000

_CREATED = "1980-01-02T00:00:00Z"
_ROOT = CONTAINER_ROOT.lstrip("/")
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def build(snapshot: Snapshot, base: Base, cache: LayerCache, reference: str) -> Image:
    """Assemble an image; only layers that are not in the cache are written.

    Parameters
    ----------
    snapshot
        What was captured.
    base
        What to build on.
    cache
        Where layers are kept.
    reference
        Name of the image, for example ``localhost/containeriter/churn:3``. Not part of its digest.

    Raises
    ------
    BuildError
        A captured file is gone, or the cache cannot be written.
    """
    environment = [cache.layer(spec) for spec in _environment_specs(snapshot, base, cache)]
    own = [cache.layer(spec) for spec in _own_specs(snapshot)]
    layers = (*base.layers, *environment, *own)
    config = _canonical(_config(snapshot.name, base, layers))
    manifest = _canonical(_manifest(config, layers))
    stable = "\n".join(layer.digest for layer in (*base.layers, *environment))
    return Image(
        reference=reference,
        layers=layers,
        config=config,
        config_digest=cache.put(config),
        manifest=manifest,
        digest=cache.put(manifest),
        environment_digest="sha256:" + hashlib.sha256(stable.encode()).hexdigest(),
    )


def stored_image(digest: str, reference: str, cache: LayerCache) -> Image | None:
    """Return an image built earlier, from its manifest in the cache; None where any part of it is gone."""
    image = described_image(digest, reference, cache)
    if image is None or not all(cache.use(layer.digest) for layer in image.layers):
        return None
    return image


def described_image(digest: str, reference: str, cache: LayerCache) -> Image | None:
    """Return an image built earlier as its manifest in the cache describes it; its layers may be gone."""
    manifest = cache.read(digest)
    if manifest is None:
        return None
    parsed = json.loads(manifest)
    config_digest = parsed["config"]["digest"]
    config = cache.read(config_digest)
    if config is None:
        return None
    layers = tuple(_stored_layer(descriptor, cache) for descriptor in parsed["layers"])
    return Image(reference, layers, config, config_digest, manifest, digest)


def _stored_layer(descriptor: dict[str, Any], cache: LayerCache) -> Layer:
    notes = descriptor["annotations"]
    path = cache.blob(descriptor["digest"])
    return Layer(descriptor["digest"], descriptor["size"], path, notes[_ROLE], notes[_COMMENT])


# --- layers --------------------------------------------------------------------------------------------------------


def _environment_specs(snapshot: Snapshot, base: Base, cache: LayerCache) -> Iterator[LayerSpec]:
    server: list[Member] = []
    small: list[Member] = []
    big: list[LayerSpec] = []
    taken: set[str] = set()
    for distribution in snapshot.environment:
        # Two distributions may claim one file; the first wins, as it did in the proof.
        members = tuple(member for member in _distribution_members(distribution) if member.name not in taken)
        taken.update(member.name for member in members)
        if distribution.server:
            server += members
        elif distribution.size_bytes >= OWN_LAYER_BYTES:
            big.append(_packages(f"{distribution.name} {distribution.version}", members))
        else:
            small += members
    if server:
        yield _packages("inference server", server)
    yield from big
    yield _packages("smaller packages and libraries", (*small, *_libraries(snapshot, base, cache)))


def _packages(comment: str, members: Iterable[Member]) -> LayerSpec:
    return LayerSpec("environment", comment, tuple(members), compile_python=True)


def _distribution_members(distribution: Distribution) -> Iterator[Member]:
    replace = neutral()
    for name, path in distribution.files:
        if not is_of_one_installation(name):
            mode = 0o755 if ".so" in name else 0o644
            rewrite = comparable_record if is_record(name) else None
            yield Member(f"{_ROOT}/site-packages/{name}", path, mode=mode, replace=replace, rewrite=rewrite)


def _libraries(snapshot: Snapshot, base: Base, cache: LayerCache) -> list[Member]:
    if base.target is not None:
        # Wheels bring what they link to, or find it in the base; libraries of this machine may not even run there.
        return []
    files = [*(file for distribution in snapshot.environment for file in distribution.files), *snapshot.code]
    binaries = [path for name, path in files if name.endswith(".so") or ".so." in name]
    named = loaded(snapshot.libraries, binaries, base.libraries)
    found = linked(binaries, base.libraries, kernel_search(), cache, named)
    places = Places(base.system_libraries, f"{PREFIX}/lib")
    libraries = library_members(found, places, neutral(), bundled={path.name for path in binaries})
    return [*libraries, *_conda_data(found.values(), cache)]


def _conda_data(libraries: Iterable[Path], cache: LayerCache) -> Iterator[Member]:
    """Yield the data of the conda packages that these libraries are of, where the image's ``sys.prefix`` has them."""
    prefix = Path(sys.base_prefix)
    records = prefix / "conda-meta"
    if records.is_dir():
        files = sorted({path.resolve() for path in libraries})
        stated = json.dumps([str(records), records.stat().st_mtime_ns, [str(path) for path in files]])
        key = f"conda-{hashlib.sha256(stated.encode()).hexdigest()}"
        found = cache.memo(key, lambda: {name: str(path) for name, path in conda.data_files(prefix, files).items()})
        for name, path in found.items():
            yield Member(f"{PREFIX}/{name}".lstrip("/"), Path(path), replace=neutral())


def _own_specs(snapshot: Snapshot) -> Iterator[LayerSpec]:
    model = {name: data for name, data in snapshot.files.items() if name.startswith("model/")}
    other = {name: data for name, data in snapshot.files.items() if name not in model}
    code = [Member(f"{_ROOT}/code/{name}", path) for name, path in snapshot.code]
    yield LayerSpec("model", "model", tuple(Member(f"{_ROOT}/{name}", data=data) for name, data in model.items()))
    config = [Member(f"{_ROOT}/{name}", data=data) for name, data in other.items()]
    yield LayerSpec("code", "code and configuration", (*config, *code), compile_python=bool(code))


# --- OCI documents -------------------------------------------------------------------------------------------------

_ROLE = "io.containeriter.role"
_COMMENT = "io.containeriter.comment"


def _config(name: str, base: Base, layers: tuple[Layer, ...]) -> dict[str, Any]:
    """Write the image configuration; it holds no version and no time, so that equal content has an equal digest."""
    return {
        "architecture": base.architecture,
        **({"variant": base.variant} if base.variant else {}),
        "os": "linux",
        "created": _CREATED,
        "config": {
            "User": f"{USER_ID}:{USER_ID}",
            "WorkingDir": "/tmp",  # noqa: S108 (the container's own)
            "Env": _variables(base),
            "Entrypoint": [
                base.interpreter,
                *FLAGS,
                f"{CONTAINER_ROOT}/site-packages/containeriter_serving/__main__.py",
            ],
            "ExposedPorts": {"8080/tcp": {}},
            "Labels": {"io.containeriter.name": name, "org.opencontainers.image.title": name},
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [
            {"created": _CREATED, "created_by": "jupyter_containeriter", "comment": layer.comment} for layer in layers
        ],
    }


def _variables(base: Base) -> list[str]:
    own = {"LANG": "C.UTF-8", **dict(entry.partition("=")[::2] for entry in base.environment), "HOME": "/tmp"}  # noqa: S108
    return [f"{name}={value}" for name, value in own.items() if name not in ELSEWHERE]


def _manifest(config: bytes, layers: tuple[Layer, ...]) -> dict[str, Any]:
    digest = "sha256:" + hashlib.sha256(config).hexdigest()
    return {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, "digest": digest, "size": len(config)},
        "layers": [
            {
                "mediaType": _LAYER_TYPE,
                "digest": layer.digest,
                "size": layer.size_bytes,
                "annotations": {_ROLE: layer.role, _COMMENT: layer.comment},
            }
            for layer in layers
        ],
    }


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
