"""What is installed: whose a module is, which files go along, and what is required, however it was installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from site_bench import Files, install, metadata, wheel, write

from jupyter_containeriter.capture import records
from jupyter_containeriter.capture.search import ClosureSearch
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.types import Distribution

OnPath = Callable[[Path], Path]
Search = Callable[..., ClosureSearch]


def _own(search: ClosureSearch) -> dict[str, Distribution]:
    """Return what is there for the model, by name."""
    found = {distribution.name: distribution for distribution in search.environment()}
    return {name: d for name, d in found.items() if "inference server" not in d.reason}


def _files(distribution: Distribution) -> set[str]:
    return {name for name, _ in distribution.files if "-info" not in name}


# --- installed ways ------------------------------------------------------------------------------------------------


def test_a_wheel_installed_by_its_path_comes_with_its_data(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """A local wheel is captured as pip installed it: code, nested data, metadata; nothing of it is local code."""
    files = {"alpha/__init__.py": "", "alpha/deep/er/table.csv": "1", "alpha/data.bin": "x", "alpha_extra.py": ""}
    path = wheel(tmp_path, "alpha", files)
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "-q", "--target"]
    subprocess.run([*command, str(tmp_path / "site"), str(path)], check=True, capture_output=True)
    on_path(tmp_path / "site")
    found = search("alpha.deep")
    assert (_own(found)["alpha"].version, found.code) == ("1.0", {})
    assert _files(_own(found)["alpha"]) == set(files)
    assert "alpha-1.0.dist-info/METADATA" in dict(_own(found)["alpha"].files)


def test_the_size_of_a_package_does_not_tell_what_installed_it(
    tmp_path: Path, on_path: OnPath, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one installation leaves beside a package is among its files, and not in its size."""
    files = {"alpha/__init__.py": "x = 1\n"}
    found = []
    for place, more in ((tmp_path / "one", {}), (tmp_path / "other", {"INSTALLER": "uv", "direct_url.json": "{}"})):
        install(place, "alpha", files, more=more)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "path", list(sys.path))
            on_path(place)
            found.append(_own(search("alpha"))["alpha"])
    one, other = found
    assert one.size_bytes == other.size_bytes > 0
    assert {name for name, _ in other.files} - {name for name, _ in one.files} == {
        "alpha-1.0.dist-info/INSTALLER",
        "alpha-1.0.dist-info/direct_url.json",
    }


def test_files_of_a_slimmed_package_that_are_gone_are_left_to_the_proof(
    tmp_path: Path, on_path: OnPath, search: Search
) -> None:
    """What is recorded and not there is not captured, and a proof of more files than that counts no longer."""
    files = {"alpha/__init__.py": "", "alpha/extra.py": "x = 1\n"}
    install(tmp_path, "alpha", files)
    on_path(tmp_path)
    before = search("alpha")
    stamp, size = before.stamp(), _own(before)["alpha"].size_bytes
    (tmp_path / "alpha" / "extra.py").unlink()
    os.utime(tmp_path)  # As in another kernel, which reads everything anew.
    after = search("alpha")
    assert _files(_own(after)["alpha"]) == {"alpha/__init__.py"}
    assert _own(after)["alpha"].size_bytes == size - len(files["alpha/extra.py"])
    assert after.stamp() != stamp


def test_two_distributions_of_one_module_both_come(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """Where two distributions claim the file that is imported, both are needed as they are."""
    for name in ("alpha", "alpha-headless"):
        install(tmp_path, name, {"shared/__init__.py": "", f"shared/{name}.txt": ""})
    install(tmp_path, "beta", {"shared/beta.py": ""})
    on_path(tmp_path)
    assert _own(search("shared")).keys() == {"alpha", "alpha-headless"}


def test_the_first_on_the_path_wins(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """Of two installations of one distribution the first on the path is captured, as it is imported."""
    for version in ("2.0", "1.0"):
        install(tmp_path / version, "alpha", {"alpha.py": f"V = {version}"}, version=version)
        on_path(tmp_path / version)
    assert _own(search("alpha"))["alpha"].version == "2.0"


def test_what_the_kernel_runs_wins(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """A module that was imported before another installation of it came first on the path is captured as it runs."""
    install(tmp_path / "old", "alpha", {"alpha.py": ""}, requires=["beta"])
    install(tmp_path / "old", "beta", {"beta.py": ""})
    on_path(tmp_path / "old")
    __import__("alpha")
    install(tmp_path / "new", "alpha", {"alpha.py": ""}, version="2.0")
    on_path(tmp_path / "new")
    sys.path.insert(0, sys.path.pop())
    found = _own(search("alpha"))
    assert {name: distribution.version for name, distribution in found.items()} == {"alpha": "1.0", "beta": "1.0"}


def test_linked_directories_make_no_difference(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """A file reached over a linked directory (``lib64``) belongs to its distribution all the same."""
    install(tmp_path / "lib", "alpha", {"alpha/__init__.py": ""})
    (tmp_path / "lib64").symlink_to("lib")
    on_path(tmp_path / "lib64")
    __import__("alpha")
    sys.path.remove(str(tmp_path / "lib64"))
    on_path(tmp_path / "lib")
    assert _own(search("alpha")).keys() == {"alpha"}


def test_half_removed_distributions_do_not_count(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """What pip left behind when it was stopped is not taken for the distribution."""
    install(tmp_path, "alpha", {"alpha.py": ""}, version="2.0")
    install(tmp_path, "alpha", {"alpha.py": ""}, version="1.0").rename(tmp_path / "~lpha-1.0.dist-info")
    on_path(tmp_path)
    assert _own(search("alpha"))["alpha"].version == "2.0"


_PACKAGE = {"alpha/__init__.py": "", "alpha/deep/data.txt": "1", "alpha/_fast.so": "", "_beta.py": "", "other.py": ""}


@pytest.mark.parametrize(
    "information",
    [
        {
            "alpha_x-1.0.egg-info/PKG-INFO": metadata("alpha-x", "1.0"),
            "alpha_x-1.0.egg-info/top_level.txt": "alpha\n_beta",
        },
        {
            "alpha_x-1.0.egg-info/PKG-INFO": metadata("alpha-x", "1.0"),
            "alpha_x-1.0.egg-info/installed-files.txt": "../alpha/__init__.py\n../alpha/deep/data.txt\n"
            "../alpha/_fast.so\n../alpha/__pycache__/__init__.pyc\n../_beta.py\n../../../bin/alpha\nPKG-INFO\n",
        },
        {
            "alpha_x-1.0.dist-info/METADATA": metadata("alpha-x", "1.0"),
            "alpha_x-1.0.dist-info/top_level.txt": "alpha\n_beta",
        },
    ],
    ids=["egg-info", "installed-files", "dist-info"],
)
def test_without_record_the_files_are_found(
    tmp_path: Path, on_path: OnPath, search: Search, information: Files
) -> None:
    """Debian's packages and old installers leave no ``RECORD``; their files are found by what they do leave."""
    site = write(tmp_path / "dist-packages", {**_PACKAGE, **information})
    on_path(site)
    found = search("alpha")
    assert (_own(found)["alpha-x"].version, found.code) == ("1.0", {})
    assert _files(_own(found)["alpha-x"]) == {"alpha/__init__.py", "alpha/deep/data.txt", "alpha/_fast.so", "_beta.py"}
    assert any(name.endswith(("PKG-INFO", "METADATA")) for name, _ in _own(found)["alpha-x"].files)


def test_metadata_may_be_one_file(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """What distutils installed has one file of metadata: the module is called like the distribution."""
    site = tmp_path / "dist-packages"
    name = "alpha.cpython-311-x86_64-linux-gnu.so"
    write(site, {"alpha-1.0.egg-info": metadata("alpha", "1.0"), name: "", "alpha_other.py": ""})
    assert search("alpha").environment()
    on_path(site)
    assert set(dict(_own(search(include=("alpha",)))["alpha"].files)) == {"alpha-1.0.egg-info", name}


def test_dpkg_knows_what_nothing_else_tells(
    tmp_path: Path, on_path: OnPath, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a Debian package says nothing of its modules, the lists of ``dpkg`` do."""
    site = write(tmp_path / "dist-packages", {"Alpha-1.0.egg-info": metadata("Alpha", "1.0"), "inner/__init__.py": ""})
    listed = "\n".join(["/.", str(site), f"{site}/Alpha-1.0.egg-info", f"{site}/inner", f"{site}/inner/__init__.py"])
    write(tmp_path / "info", {"python3-alpha.list": listed, "another.list": "/.\n/usr\n"})
    monkeypatch.setattr(records, "_DPKG", tmp_path / "info")
    monkeypatch.setattr(records, "_DEBIAN", tmp_path)
    on_path(site)
    assert _files(_own(search("inner"))["alpha"]) == {"inner/__init__.py"}


_LOOK = """
import json, sys
from pathlib import Path
from jupyter_containeriter.capture.search import ClosureSearch
search = ClosureSearch((), (), Path("unpacked"))
search.add(["alpha", "beta"], str)
print(json.dumps([{d.name: str(d.files[0][1]) for d in search.environment()}, list(search.code)]))
"""


def test_user_and_system_packages_are_installed_ones(tmp_path: Path) -> None:
    """In an environment with system packages, those of the user (``~/.local``) count as any other."""
    venv.create(tmp_path / "venv", system_site_packages=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own, user = (tmp_path / place / "lib" / version / "site-packages" for place in ("venv", "user"))
    install(own, "alpha", {"alpha.py": "import beta"})
    install(user, "beta", {"beta.py": ""})
    paths = os.pathsep.join(path for path in sys.path if path)
    run = subprocess.run(
        [tmp_path / "venv/bin/python", "-c", _LOOK],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONUSERBASE": str(tmp_path / "user")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found, code = json.loads(run.stdout)
    assert (found["alpha"], found["beta"], code) == (str(own / "alpha.py"), str(user / "beta.py"), [])


# --- requirements --------------------------------------------------------------------------------------------------


@pytest.fixture
def requirements(tmp_path: Path, on_path: OnPath) -> None:
    """Install distributions that require one another."""
    gamma = ["delta; extra == 'speed'", "absent; extra == 'gone'", "epsilon; python_version < '3'"]
    install(tmp_path / "site", "alpha", {"alpha.py": ""}, requires=["beta", "Gamma_X[Speed]>=1"])
    install(tmp_path / "site", "beta", {"beta.py": ""}, requires=["gamma-x", "not a requirement !"])
    install(tmp_path / "site", "gamma-x", {"gamma.py": ""}, requires=gamma)
    install(tmp_path / "site", "delta", {"delta.py": ""})
    install(tmp_path / "site", "epsilon", {"epsilon.py": ""})
    on_path(tmp_path / "site")


@pytest.mark.usefixtures("requirements")
def test_requirements_are_followed_with_their_extras(search: Search) -> None:
    """What is required comes, with the extras asked for and for this machine only; each says why it is in."""
    assert {name: d.reason for name, d in _own(search("alpha")).items()} == {
        "alpha": "the test needs alpha",
        "beta": "alpha requires it",
        "gamma-x": "alpha requires it",
        "delta": "gamma-x requires it",
    }
    assert _own(search("beta")).keys() == {"beta", "gamma-x"}


@pytest.mark.usefixtures("requirements")
def test_extras_can_be_included(search: Search) -> None:
    """``--include`` takes extras as pip does."""
    assert {n: d.reason for n, d in _own(search(include=("Gamma-X[speed]",))).items()} == {
        "gamma-x": "--include",
        "delta": "gamma-x requires it",
    }
    assert _own(search(include=("gamma-x",))).keys() == {"gamma-x"}


@pytest.mark.usefixtures("requirements")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gamma-x[fast]", "gamma-x has no extra fast"),
        ("gamma-x[gone]", "requires absent, which is not installed"),
        ("nothing", "no such package is installed"),
        ("a b", "not a package"),
    ],
)
def test_what_cannot_be_included_is_said(search: Search, text: str, words: str) -> None:
    """An unknown extra, one that is not installed, an unknown package: the call says which."""
    with pytest.raises(UsageError, match=words):
        search(include=(text,))


@pytest.mark.usefixtures("requirements")
def test_the_excluded_stay_out_with_what_only_they_require(search: Search) -> None:
    """``--exclude`` ends the way through a distribution."""
    assert _own(search("alpha", exclude=("gamma_x",))).keys() == {"alpha", "beta"}


@pytest.mark.usefixtures("requirements")
def test_what_the_proof_imported_is_told(search: Search) -> None:
    """Of what is merely required, the reason says whether the proof used it."""
    reasons = {d.name: d.reason for d in search("alpha").environment(imported=("alpha", "gamma"))}
    assert reasons["alpha"] == "the test needs alpha"
    assert reasons["gamma-x"] == "alpha requires it; the proof imported it"
    assert reasons["beta"] == "alpha requires it"


@pytest.mark.parametrize("change", ["upgrade", "reinstall"])
def test_a_new_installation_is_seen(tmp_path: Path, on_path: OnPath, search: Search, change: str) -> None:
    """What is installed while the kernel runs is seen, and has another stamp."""
    before = install(tmp_path, "alpha", {"alpha.py": ""})
    on_path(tmp_path)
    stamp = search("alpha").stamp()
    if change == "upgrade":
        for file in (*before.iterdir(),):
            file.unlink()
        before.rmdir()
    os.utime(tmp_path, ns=(1, 1))
    install(tmp_path, "alpha", {"alpha.py": "", "new.py": ""}, version="2.0" if change == "upgrade" else "1.0")
    os.utime(tmp_path, ns=(2, 2))
    assert _own(search("alpha"))["alpha"].version == ("2.0" if change == "upgrade" else "1.0")
    assert search("alpha").stamp() != stamp
