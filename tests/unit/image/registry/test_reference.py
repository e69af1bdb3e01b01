"""Names of images are read as Docker reads them."""

from __future__ import annotations

import pytest

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.image.registry import ImageReference, parse_image_reference

_DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("python", "docker.io", "library/python", "", ""),
        ("python:3.12-slim", "docker.io", "library/python", "3.12-slim", ""),
        ("docker.io/python", "docker.io", "library/python", "", ""),
        ("index.docker.io/python", "docker.io", "library/python", "", ""),
        ("team/churn", "docker.io", "team/churn", "", ""),
        ("localhost/churn:1", "localhost", "churn", "1", ""),
        ("localhost:5000/team/churn:1", "localhost:5000", "team/churn", "1", ""),
        ("127.0.0.1:5000/churn", "127.0.0.1:5000", "churn", "", ""),
        ("[::1]:5000/churn", "[::1]:5000", "churn", "", ""),
        ("ghcr.io/a/b__c/d-e.f", "ghcr.io", "a/b__c/d-e.f", "", ""),
        ("Host/churn", "Host", "churn", "", ""),
        (f"quay.io/a/b@{_DIGEST}", "quay.io", "a/b", "", _DIGEST),
        (f"quay.io/a/b:V1_x@{_DIGEST}", "quay.io", "a/b", "V1_x", _DIGEST),
    ],
)
def test_a_name_is_completed_as_docker_does(text: str, registry: str, repository: str, tag: str, digest: str) -> None:
    """Docker Hub, ``library/`` and ports."""
    assert parse_image_reference(text) == ImageReference(registry, repository, tag, digest)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "names no repository"),
        ("localhost:5000/", "names no repository"),
        ("https://ghcr.io/a/b", "is a URL"),
        ("ghcr.io/Team/churn", "written in lower case"),
        ("ghcr.io/a//b", "cannot be a repository"),
        ("ghcr.io/a/b:", "cannot be a tag"),
        ("ghcr.io/a/b:-x", "cannot be a tag"),
        ("ghcr.io/a/b:1:2", "cannot be a tag"),
        ("ghcr.io/a/b@sha256:12", "the digest must be"),
        ("-x.io/a", "cannot be a registry"),
        ("ghcr.io:0/a", "cannot be a registry's host and port"),
        ("localhost:99999/a", "cannot be a registry's host and port"),
        ("localhost:123456/a", "cannot be a registry's host and port"),
        ("[abc]:5000/a", "cannot be a registry's host and port"),
        ("a" * 300, "more than 255"),
    ],
)
def test_what_is_no_name_is_refused_with_the_reason(text: str, complaint: str) -> None:
    """The message says which part is wrong."""
    with pytest.raises(UsageError, match=complaint):
        parse_image_reference(text)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("127.0.0.1:5977/UP/mm", "Use 127.0.0.1:5977/up/mm."),
        ("ghcr.io/Team/churn:V1", "Use ghcr.io/team/churn:V1."),
        ("team/Churn", "Use docker.io/team/churn."),
    ],
)
def test_a_repository_in_upper_case_gets_a_suggestion_with_its_host(text: str, suggestion: str) -> None:
    """What is suggested is the same image in the same registry."""
    with pytest.raises(UsageError, match="lower case") as caught:
        parse_image_reference(text)
    assert caught.value.remedy == suggestion


@pytest.mark.parametrize(
    "text",
    [
        "me:sesame@ghcr.io/a",
        f"me:sesame@ghcr.io/a@{_DIGEST}",
        "https://me:sesame@ghcr.io/a",
        "https://me:sesame@ghcr.io",
        "me:not/sesame@ghcr.io/a",
        "me:open@sesame@ghcr.io/a",
    ],
)
def test_a_password_in_a_name_is_refused_and_not_repeated(text: str) -> None:
    """The remedy is a login; what stands before the host appears nowhere."""
    with pytest.raises(UsageError, match="before @") as caught:
        parse_image_reference(text)
    assert "docker login" in caught.value.remedy
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("text", ["me:sesame@ghcr.io", "me:open@sesame@ghcr.io"])
def test_what_may_be_a_password_is_not_repeated_with_a_wrong_digest(text: str) -> None:
    """Without a repository, a host after @ looks like a digest."""
    with pytest.raises(UsageError, match=r"'ghcr\.io': the digest must be") as caught:
        parse_image_reference(text)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"), [("a/b", "latest"), ("a/b:1", "1"), (f"a/b:1@{_DIGEST}", _DIGEST), (f"a/b@{_DIGEST}", _DIGEST)]
)
def test_the_most_exact_part_is_asked_for(text: str, wanted: str) -> None:
    """Digest before tag before ``latest``."""
    assert parse_image_reference(text).wanted == wanted


def test_a_reference_is_written_as_it_is_read() -> None:
    """Nothing is lost."""
    text = f"localhost:5000/team/churn:1@{_DIGEST}"
    assert str(parse_image_reference(text)) == text
