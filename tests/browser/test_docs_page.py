"""The page of a container, as a person uses it: what it predicts is what the notebook predicted."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

import pytest
from notebook_bench import Lab, Notebook, missing
from playwright.sync_api import BrowserContext, Page, expect

from jupyter_containeriter.bubblewrap import namespaces_work

#: A model that uses every kind of field, and refuses what it cannot predict.
MODEL = """
import numpy as np, pandas as pd

class Price:
    def predict(self, frame):
        if (frame["years"] < 0).any():
            raise ValueError("nobody is younger than 0")
        towns = frame["city"].map({"Bern": 0.1, "Basel": 0.2, "Chur": 0.7}).astype(float)
        price = frame["years"] / 3 + frame["charge"].fillna(-1) + towns
        return (price + frame["member"] + frame["remark"].str.len()).to_numpy()

price = Price()
X = pd.DataFrame({
    "years": [41, 27], "charge": [62.8, np.nan], "member": [True, False], "remark": ["it's \\"$HOME\\"", "b"],
    "city": pd.Categorical(["Bern", "Basel"], categories=["Basel", "Bern", "Chur"]),
})
"""


@dataclass(frozen=True)
class Tried:
    """A container, its card, and the notebook that has the model."""

    notebook: Notebook
    card: str

    @property
    def link(self) -> str:
        """What the word docs on the card leads to."""
        (found,) = re.findall(r'href="([^"]+)"[^>]*>docs<', self.card)
        return unescape(found)

    def predicted(self, change: str = "") -> str:
        """Return what the notebook predicts for the sample's first row, changed, digit by digit."""
        return json.dumps(self.notebook.value(f"price.predict(X.head(1).assign({change}))[0]"))


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    """Containerize a model in a notebook."""
    if not namespaces_work():
        missing("this user may not create namespaces")
    lab = Lab(tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("cache"))
    try:
        notebook = lab.open("sandbox")
        notebook.ok(MODEL)
        yield Tried(notebook, notebook.ok("%containerize price --name price-page --sample X").html)
    finally:
        lab.close()


@pytest.fixture
def page(tried: Tried, context: BrowserContext) -> Page:
    """Follow the link on the card; whatever the page asks for must be of this server."""
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    asked: list[str] = []
    page.goto(tried.link)
    expect(page.get_by_role("heading", name="price-page:1")).to_be_visible()
    origin = tried.link.partition("/docs")[0]
    assert not problems
    assert all(url.startswith((f"{origin}/", "data:")) for url in asked)
    return page


def predict(page: Page) -> None:
    """Press the button, and wait for the answer."""
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#latency")).to_have_text(re.compile(r"\d+\.\d ms"))


def test_a_person_fills_the_form_and_sees_the_notebook_s_prediction(page: Page, tried: Tried) -> None:
    """Fields come from the signature, filled in with the sample; predictions are the notebook's to the last digit."""
    assert page.get_by_label("years").input_value() == "41"
    predict(page)
    assert page.locator("#answer").inner_text() == tried.predicted()
    page.get_by_label("years").fill("58")
    page.get_by_label("charge").fill("")
    page.get_by_label("city").select_option("Chur")
    page.get_by_label("member").uncheck()
    page.get_by_label("remark").fill("über")
    predict(page)
    assert page.locator("#answer").inner_text() == tried.predicted(
        "years=58, charge=np.nan, city=pd.Categorical(['Chur']), member=False, remark='über'"
    )


def test_the_command_shown_predicts_the_same(page: Page, tried: Tried, context: BrowserContext) -> None:
    """The command that is copied is the same call, quotes and all, with the token; the one shown hides it."""
    token = tried.link.partition("#token=")[2]
    assert token
    assert token not in page.locator("#curl").inner_text()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_contain_text(["", "Copied"])
    command = page.evaluate("() => navigator.clipboard.readText()")
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout
    assert json.loads(answer) == {"predictions": [json.loads(tried.predicted())]}


def test_rows_of_the_sample_fill_the_form(page: Page, tried: Tried) -> None:
    """Another row of the sample is one choice away; what is missing in it is an empty field."""
    page.get_by_label("Filled in from").select_option("row 2")
    assert [page.get_by_label(name).input_value() for name in ("years", "charge", "remark")] == ["27", "", "b"]
    predict(page)
    assert page.locator("#answer").inner_text() == json.dumps(tried.notebook.value("price.predict(X)[1]"))


def test_what_the_model_refuses_is_told(page: Page) -> None:
    """An exception of the model is shown where the prediction would be."""
    page.get_by_label("years").fill("-1")
    predict(page)
    expect(page.get_by_role("alert").filter(has_text="nobody is younger than 0")).to_be_visible()


def test_the_keyboard_is_enough(page: Page, tried: Tried) -> None:
    """From the first field on, keys alone change a value and ask for the prediction."""
    page.get_by_label("years").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("30")
    page.keyboard.press("Enter")
    expect(page.locator("#latency")).to_have_text(re.compile(r"\d+\.\d ms"))
    assert page.locator("#answer").inner_text() == tried.predicted("years=30")


def test_every_field_has_a_name(page: Page) -> None:
    """Whoever cannot see the page is told what each field and button is."""
    for role in ("textbox", "spinbutton", "combobox", "checkbox", "button"):
        for one in page.get_by_role(role).all():
            assert one.aria_snapshot().partition('"')[2], one


def test_the_token_is_asked_for_and_forgotten(tried: Tried, context: BrowserContext) -> None:
    """Without a token the page asks for it; the address never keeps one, nor does the browser."""
    address, _, token = tried.link.partition("#token=")
    page = context.new_page()
    page.goto(address)
    page.get_by_label("This deployment's token").fill("wrong")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("This is not its token.")).to_be_visible()
    page.get_by_label("This deployment's token").fill(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="price-page:1")).to_be_visible()
    page.goto("about:blank")
    page.goto(tried.link)
    expect(page.get_by_role("heading", name="price-page:1")).to_be_visible()
    assert page.url == address
    assert not context.cookies()
    assert context.storage_state()["origins"] == []
