"""Names of models and references to their versions."""

from __future__ import annotations

import re

import pytest

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.names import MAX_LENGTH, check_name, image_reference, name_from, parse_reference


@pytest.mark.parametrize("name", ["churn", "a", "9", "a-b", "a--b", "a_b", "a__b", "a.b", "x" * MAX_LENGTH])
def test_names_that_fit_an_image_reference_pass(name: str) -> None:
    """A repository name of the OCI specification is a name."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "Churn", "a b", "-a", "a-", "a..b", "a___b", "../a", "a/b", "a:b", "ä", "a\n", "x" * (MAX_LENGTH + 1)],
)
def test_other_names_are_refused(name: str) -> None:
    """What an image reference or a file name cannot hold is no name."""
    with pytest.raises(UsageError):
        check_name(name)


@pytest.mark.parametrize("name", ["Churn Model", "ÄÖ", "--a--", "a" * 19 + "-" + "b" * 100])
def test_a_refused_name_comes_with_one_that_works(name: str) -> None:
    """The remedy proposes a name that passes."""
    with pytest.raises(UsageError) as caught:
        check_name(name)
    proposed = re.search(r"(\S+)$", caught.value.remedy)
    assert proposed is not None
    check_name(proposed[1])


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("churn", "churn"),
        ("MyModel", "mymodel"),
        ("grid.best_estimator_", "grid-best-estimator"),
        ("models['a b'][0]", "models-a-b-0"),
        ("_", "model"),
        ("Größe", "gr-e"),
        ("x" * 99 + "_y", "x" * 99),
    ],
)
def test_names_are_made_of_expressions(expression: str, name: str) -> None:
    """The letters and digits of an expression make a name that passes."""
    assert name_from(expression) == name
    check_name(name)


def test_references_are_read() -> None:
    """A reference is a name, or a name and a version."""
    assert parse_reference("churn") == ("churn", None)
    assert parse_reference("churn:12") == ("churn", 12)


@pytest.mark.parametrize(
    "reference", ["churn:", "churn:0", "churn:-1", "churn:x", "churn:1.5", "churn:1:2", "churn:²", ":1", "churn:1" * 9]
)
def test_wrong_references_are_refused(reference: str) -> None:
    """A version is a positive whole number."""
    with pytest.raises(UsageError):
        parse_reference(reference)


@pytest.mark.parametrize("digits", [20, 5000])
def test_a_version_beyond_all_histories_is_refused(digits: int) -> None:
    """A number that no history can hold is a wrong call, not a crash."""
    with pytest.raises(UsageError):
        parse_reference("churn:" + "9" * digits)


def test_image_references_are_fully_qualified() -> None:
    """An image is named below localhost, so that no engine looks for it elsewhere."""
    assert image_reference("churn", 3) == "localhost/containeriter/churn:3"
