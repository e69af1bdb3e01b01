"""pip's settings in uv's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_containeriter.image.pip_settings import UvSettings, parse_settings, pip_settings, uv_settings

_LISTED = """\
:env:.index-url='https://variable.example/simple'
global.cert='/etc/authority.pem'
global.extra-index-url='https://one.example/simple https://two.example/simple'
global.index-url='https://file.example/simple'
install.find-links='https://links.example/a\\n/nowhere/at/all'
list.format='columns'
"""


def test_pip_s_precedence_is_kept() -> None:
    """Variables win over the section of a command, which wins over the global one; other commands do not count."""
    assert parse_settings(_LISTED) == {
        "cert": "/etc/authority.pem",
        "extra-index-url": "https://one.example/simple https://two.example/simple",
        "index-url": "https://variable.example/simple",
        "find-links": "https://links.example/a\n/nowhere/at/all",
    }


def test_indexes_become_variables_of_uv(tmp_path: Path) -> None:
    """The same indexes, as equals; directories that do not exist, which uv would not forgive, are dropped."""
    said = {**parse_settings(_LISTED), "find-links": f"https://links.example/a {tmp_path} /nowhere/at/all"}
    assert uv_settings(said, {}) == UvSettings(
        {
            "SSL_CERT_FILE": "/etc/authority.pem",
            "UV_DEFAULT_INDEX": "https://variable.example/simple",
            "UV_INDEX": "https://one.example/simple https://two.example/simple",
            "UV_FIND_LINKS": f"https://links.example/a,{tmp_path}",
            "UV_INDEX_STRATEGY": "unsafe-best-match",
        }
    )


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_FIND_LINKS", "UV_CONFIG_FILE"])
def test_uv_s_own_settings_win(variable: str) -> None:
    """Who told uv its indexes meant it; certificates are passed on all the same."""
    found = uv_settings(parse_settings(_LISTED), {variable: "its own"})
    assert found == UvSettings({"SSL_CERT_FILE": "/etc/authority.pem"})


def test_no_index_is_an_option() -> None:
    """There is no variable for it."""
    assert uv_settings({"no-index": "true"}, {}).options == ("--no-index",)
    assert uv_settings({"no-index": "false"}, {}).options == ()


def test_pip_itself_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip would use here is what is found."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://mine.example/simple")
    assert pip_settings()["index-url"] == "https://mine.example/simple"


def test_without_pip_there_is_nothing_to_pass_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without pip has no settings of pip."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert pip_settings() == {}
