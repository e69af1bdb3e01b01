"""Settings: defaults, configuration, environment variables, limits."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from traitlets.config import Config

from jupyter_containeriter.bytesize import parse_size, size_text
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.settings import ContainerIter, default_base, parse_budget


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ContainerIter.class_trait_names(config=True):
        monkeypatch.delenv(f"CONTAINERITER_{name.upper()}", raising=False)


def test_environment_variables_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every setting can be given as an environment variable."""
    monkeypatch.setenv("CONTAINERITER_ENGINE", "sandbox")
    monkeypatch.setenv("CONTAINERITER_MEMORY", "512m")
    monkeypatch.setenv("CONTAINERITER_CPUS", "1.5")
    monkeypatch.setenv("CONTAINERITER_PIDS", "64")
    monkeypatch.setenv("CONTAINERITER_CACHE_DIR", str(tmp_path))
    settings = ContainerIter()
    limits = settings.limits()
    assert (settings.engine, settings.cache_path) == ("sandbox", tmp_path)
    assert (limits.memory_bytes, limits.cpus, limits.pids) == (512 * 1024**2, 1.5, 64)


def test_configuration_wins_over_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration file says more about this kernel than the environment does."""
    monkeypatch.setenv("CONTAINERITER_ENGINE", "docker")
    monkeypatch.setenv("CONTAINERITER_MEMORY", "1g")
    settings = ContainerIter(config=Config({"ContainerIter": {"engine": "process"}}))
    assert (settings.engine, settings.memory) == ("process", "1g")


def test_arguments_win_over_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program passes is not overridden from outside."""
    monkeypatch.setenv("CONTAINERITER_ENGINE", "docker")
    assert ContainerIter(engine="sandbox").engine == "sandbox"


@pytest.mark.parametrize(("variable", "text"), [("ENGINE", "kvm"), ("CPUS", "two"), ("PIDS", "1.5")])
def test_invalid_variables_are_named(monkeypatch: pytest.MonkeyPatch, variable: str, text: str) -> None:
    """A variable that cannot be read is named together with its value."""
    monkeypatch.setenv(f"CONTAINERITER_{variable}", text)
    with pytest.raises(UsageError, match=f"CONTAINERITER_{variable}='{text}'"):
        ContainerIter()


def test_directories_may_start_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A tilde means the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = ContainerIter(data_dir="~/data", cache_dir="~/cache")
    assert (settings.data_path, settings.cache_path) == (tmp_path / "data", tmp_path / "cache")


def test_the_history_lives_in_jupyters_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a setting, data goes where Jupyter keeps its own."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert ContainerIter().data_path == tmp_path / "containeriter"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("10b", 10),
        ("1k", 1000),
        ("512m", 512 * 1000**2),
        ("1.5G", 1_500_000_000),
        (" 2 gb ", 2 * 1000**3),
        ("1t", 1000**4),
        ("512mi", 512 * 1024**2),
        ("2 GiB", 2 * 1024**3),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    """Sizes are numbers with a unit, in powers of 1024."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "g", "0", "0m", "-1g", "1x", "1 2", "nan", "1e3", "9" * 400])
def test_other_sizes_are_refused(text: str) -> None:
    """What is no positive size is refused."""
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize("cpus", [0.0, -1.0, float("nan"), float("inf")])
def test_cpu_limits_are_positive_numbers(cpus: float) -> None:
    """A CPU limit that no engine can hold is refused."""
    with pytest.raises(UsageError, match="--cpus"):
        ContainerIter().limits(cpus=cpus)


def test_a_call_wins_over_settings() -> None:
    """Limits of the call replace those of the settings."""
    limits = ContainerIter(memory="1g", cpus=4.0).limits("2k", 0.5)
    assert (limits.memory_bytes, limits.cpus) == (2048, 0.5)


def test_the_table_says_what_gave_each_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting comes from configuration, the environment, the kernel, or is the default."""
    monkeypatch.setenv("CONTAINERITER_PIDS", "7")
    monkeypatch.setenv("CONTAINERITER_MEMORY", "3g")
    settings = ContainerIter(config=Config({"ContainerIter": {"memory": "1g"}}))
    settings.cpus = 2.0
    table = {setting.name: setting for setting in settings.table()}
    assert {name: table[name].source for name in ("pids", "memory", "cpus", "engine")} == {
        "pids": "environment",
        "memory": "configuration",
        "cpus": "kernel",
        "engine": "default",
    }
    assert (table["pids"].value, table["pids"].variable) == (7, "CONTAINERITER_PIDS")
    settings.pids = 8
    assert {setting.name: setting.source for setting in settings.table()}["pids"] == "kernel"


def test_the_kernel_is_the_base_where_it_can_be() -> None:
    """Elsewhere the official image of the same Python is, as containers are Linux."""
    slim = f"python:3.{sys.version_info.minor}-slim"
    assert [default_base(system) for system in ("linux", "darwin", "win32")] == ["kernel", slim, slim]
    assert ContainerIter().base == default_base(sys.platform)


def test_the_table_shows_where_things_are_kept() -> None:
    """Directories that nobody set are shown as what they are."""
    settings = ContainerIter()
    table = {setting.name: setting for setting in settings.table()}
    assert (table["data_dir"].value, table["data_dir"].source) == (str(settings.data_path), "default")
    assert (table["cache_dir"].value, table["cache_dir"].source) == (str(settings.cache_path), "default")


@pytest.mark.parametrize(("text", "size"), [("5g", 5 * 1000**3), ("0", None), ("", None), (" 0 ", None)])
def test_a_budget_may_be_none(text: str, size: int | None) -> None:
    """A disk budget is a size; 0 means that there is none."""
    assert ContainerIter(disk_budget=text).budget_bytes == size


def test_a_budget_that_is_no_size_is_refused() -> None:
    """A budget that cannot be read is a wrong call."""
    with pytest.raises(UsageError, match="much"):
        parse_budget("much")


@pytest.mark.parametrize(("setting", "text"), [("10m", "10 MB"), ("20g", "20.0 GB"), ("100k", "100 kB")])
def test_sizes_are_told_as_they_are_set(setting: str, text: str) -> None:
    """A message about a limit says the number that the setting has."""
    assert size_text(parse_size(setting)) == text
