"""What an image contains, asked in a notebook and in a shell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from notebook_bench import ENGINES, Lab, need

NewName = Callable[[str], str]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_notebook_and_a_shell_tell_the_same(
    request: pytest.FixtureRequest, lab: Lab, new_name: NewName, engine: str
) -> None:
    """The card shows packages, reasons and sizes; the shell's JSON is the stored image's truth."""
    name = new_name("told")
    notebook = lab.open(need(request, engine))
    notebook.ok(f"%containerize mean --name {name} --sample rows")
    card = notebook.ok(f"%containeriter inspect {name}").html
    document = lab.shell("inspect", f"{name}:1", engine=engine)
    image = lab.image(name, 1)
    assert (document["digest"], document["size_bytes"]) == (image.digest, image.size_bytes)
    for package in document["packages"]:
        assert package["name"] in card
        assert package["reason"]
    assert notebook.value(f"len(__import__('jupyter_containeriter').inspect('{name}').frame())") == len(
        document["packages"]
    )


def test_what_was_never_deployed_or_built(request: pytest.FixtureRequest, lab: Lab, new_name: NewName) -> None:
    """A built version has contents; one that failed before its image was built says so."""
    name = new_name("told")
    notebook = lab.open(need(request, "sandbox"))
    notebook.ok(f"%containerize mean --name {name} --sample rows --no-deploy")
    assert "built" in notebook.ok(f"%containeriter inspect {name}").html
    failing = "class Broken:\n    def __reduce__(self): raise TypeError('no')\n    def predict(self, rows): return rows"
    notebook.run(f"{failing}\n%containerize Broken() --name {name}")
    refusal = notebook.run(f"%containeriter inspect {name}:2").refusal()
    assert "no image was built" in refusal.message
