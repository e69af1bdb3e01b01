"""The rules of the proxy: which paths lead to a deployment, and what passes either way."""

from __future__ import annotations

import pytest

from jupyter_containeriter.errors import NotFoundError, UsageError
from jupyter_containeriter.extension import forwarding


@pytest.mark.parametrize(
    "path",
    ["", "docs", "v2/models/churn/infer", "v2/models/churn/versions/2", "a%20b", "a%2520b", "models/%E2%82%AC", "a//b"],
)
def test_paths_of_a_deployment_pass_as_they_are(path: str) -> None:
    """Quoted as they came: they are unquoted once, by the deployment."""
    assert forwarding.checked_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "/evil.example/x",
        "%2Fevil.example/x",
        "%2f%2fevil.example",
        "..",
        "../churn2/invocations",
        "v2/../../x",
        "v2/%2e%2e/%2E%2E/x",
        "%2e",
        "a/./b",
        "a\\b",
        "a%5Cb",
        "a%0d%0aHost:%20x",
        "a%00",
        "a%7f",
    ],
)
def test_paths_that_would_lead_elsewhere_are_refused(path: str) -> None:
    """However they are quoted."""
    with pytest.raises(UsageError):
        forwarding.checked_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "containeriter/versions",
        "containeriter",
        "%63ontaineriter/live",
        "containeriter%2Flive",
        "v2/repository/models/churn/load",
        "v2%2Frepository/models/churn/unload",
    ],
)
def test_what_manages_a_deployment_is_not_there(path: str) -> None:
    """However it is quoted."""
    with pytest.raises(NotFoundError):
        forwarding.checked_path(path)


def test_odd_characters_stay_in_the_path() -> None:
    """They begin neither a query nor another header."""
    assert forwarding.checked_path("a b?c#d\xe9") == "a%20b%3Fc%23d%C3%A9"


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ("", ""),
        ("a=1&b=%26&c", "a=1&b=%26&c"),
        ("token=secret", ""),
        ("a=1&token=secret&b=2", "a=1&b=2"),
        ("%74oken=secret&_xsrf=proof&tokens=3", "tokens=3"),
        ("token", ""),
    ],
)
def test_the_query_loses_what_belongs_to_jupyter(given: str, passed: str) -> None:
    """Nothing else."""
    assert forwarding.checked_query(given) == passed


def test_headers_of_requests_pass_by_name() -> None:
    """Those of the model's protocol do; logins, proofs and whatever proxies added do not."""
    given = {
        "Content-Type": "application/json",
        "ACCEPT": "*/*",
        "Inference-Header-Content-Length": "3",
        "Cookie": "username=2|1:0",
        "Authorization": "token jupyter",
        "X-XSRFToken": "proof",
        "Host": "hub.example",
        "Connection": "upgrade",
        "Transfer-Encoding": "chunked",
        "X-Forwarded-Access-Token": "secret",
        "Referer": "https://hub.example/?token=secret",
        "Origin": "https://hub.example",
    }
    assert forwarding.asked(given.items(), "own") == {
        "Content-Type": "application/json",
        "Accept": "*/*",
        "Inference-Header-Content-Length": "3",
        "Authorization": "Bearer own",
    }


def test_without_a_token_there_is_no_login() -> None:
    """A deployment that asks for none is told none."""
    assert forwarding.asked([("Authorization", "token jupyter")], "") == {}


def test_headers_of_answers_pass_by_name() -> None:
    """What would act on Jupyter's pages stays behind."""
    given = {
        "Content-Type": "text/html",
        "Set-Cookie": "_xsrf=mine; Path=/",
        "Clear-Site-Data": '"*"',
        "Access-Control-Allow-Origin": "*",
        "Content-Security-Policy": "script-src *",
        "Location": "https://elsewhere.example",
        "Refresh": "0; url=https://elsewhere.example",
        "Service-Worker-Allowed": "/",
        "WWW-Authenticate": "Basic",
        "Connection": "close",
        "Cache-Control": "public, max-age=3600",
        "Retry-After": "1",
    }
    assert forwarding.answered(given.items()) == [("Content-Type", "text/html"), ("Retry-After", "1")]


def test_a_length_that_is_said_twice_is_said_once() -> None:
    """Whoever asked could not read it."""
    assert forwarding.answered([("Content-Length", "2, 2")]) == [("Content-Length", "2")]
