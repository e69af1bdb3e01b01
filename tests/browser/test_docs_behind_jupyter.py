"""The page of a container reached through Jupyter: no token is asked for, none is on it, and it predicts the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from browser_bench import Watch
from lab_bench import JupyterServer
from notebook_bench import Lab, Notebook, missing
from playwright.sync_api import BrowserContext, Page, expect

from jupyter_containeriter.bubblewrap import namespaces_work


@dataclass(frozen=True)
class Reached:
    """A deployment, the server through which it is reached, and the notebook that has the model."""

    notebook: Notebook
    server: JupyterServer
    token: str

    @property
    def docs(self) -> str:
        """The address of the page."""
        return f"{self.server.url}containeriter/proxy/mean/docs"


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    """Containerize a model, and begin to serve it through a server as on a JupyterHub."""
    if not namespaces_work():
        missing("this user may not create namespaces")
    lab = Lab(tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("cache"))
    try:
        notebook = lab.open("sandbox")
        notebook.ok("deployment = %containerize mean --name mean --sample rows")
        with JupyterServer(lab, application="jupyter_server", base_url="/user/ann/") as server:
            yield Reached(notebook, server, notebook.value("deployment.token"))
    finally:
        lab.close()


@pytest.fixture
def watched(reached: Reached, context: BrowserContext) -> Watch:
    """Log in, and open the page."""
    page = context.new_page()
    page.goto(f"{reached.server.url}api/status?token={reached.server.token}")
    watch = Watch(page, reached.server.url)
    page.goto(reached.docs)
    expect(page.get_by_role("heading", name="mean:1")).to_be_visible()
    return watch


def test_it_predicts_without_a_token(watched: Watch, reached: Reached) -> None:
    """The server knows the person, and adds what opens the deployment."""
    page = watched.page
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#latency")).to_have_text(re.compile(r"\d+\.\d ms"))
    assert page.locator("#answer").inner_text() == json.dumps(reached.notebook.value("mean.predict(rows)[0]"))
    assert reached.token not in page.content()
    watched.assert_quiet()


def test_the_command_shown_works_from_elsewhere(watched: Watch, reached: Reached) -> None:
    """It goes to the address at which the person is, with a token of Jupyter's that the person puts in."""
    watched.page.get_by_role("button", name="Copy").click()
    expect(watched.page.locator("#copied")).to_contain_text("JUPYTER_TOKEN")
    command = watched.page.evaluate("() => navigator.clipboard.readText()")
    assert command == watched.page.locator("#curl").inner_text()
    assert f"{reached.server.url}containeriter/proxy/mean/invocations" in command
    variables = {**os.environ, "JUPYTER_TOKEN": reached.server.token}
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, env=variables).stdout
    assert json.loads(answer) == {"predictions": [reached.notebook.value("mean.predict(rows)[0]")]}


def test_strangers_do_not_get_it(reached: Reached, context: BrowserContext) -> None:
    """Without a login there is neither page nor prediction."""
    page: Page = context.new_page()
    answer = page.goto(reached.docs)
    assert answer is not None
    assert answer.status == 403


def test_what_went_wrong_is_told(watched: Watch, reached: Reached) -> None:
    """Once nothing serves the name any more, the page says so, and what to do."""
    page = watched.page
    page.route(
        "**/invocations", lambda route: route.continue_(url=f"{reached.server.url}containeriter/proxy/gone/ping")
    )
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#problem")).to_contain_text("No container of gone runs. Deploy a version")
