"""The address of a deployment as pages show it: on the machine itself, elsewhere, with and without the extension."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

import jupyter_containeriter.widgets

HERE = Path(jupyter_containeriter.widgets.__file__).parent
STATE = {"url": "http://127.0.0.1:4711", "proxy": "containeriter/proxy/churn/", "example": '{"a": "it\'s"}'}
LOCAL, HUB = "http://localhost:8888/lab", "https://hub.example/user/ada/lab"
INSTALLED = [{"name": "jupyter-containeriter"}]

#: What anywidget gives a view: a model with a state, and somebody who answers.
HARNESS = """
import view from "/view.js";
const listeners = {};
window.sent = [];
window.model = {
  get: (name) => STATE[name],
  send: (content) => {
    sent.push(content);
    if (content.kind === "curl") answer({ ...content, text: "curl -H 'Authorization: Bearer t0ken'" });
  },
  on: (names, call) => names.split(" ").forEach((name) => (listeners[name] = call)),
  off: (names) => names.split(" ").forEach((name) => delete listeners[name]),
};
window.answer = (content) => listeners["msg:custom"]?.(content);
window.change = (state) => (Object.assign(STATE, state), listeners["change:url"]());
window.cleanup = view.render({ model, el: document.getElementById("view") });
"""


def opened(browser: Browser, place: str, extensions: Any = (), script: str = "address.js", **state: str) -> Page:
    """Open a page at an address, with the view in it."""
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    config = json.dumps({"baseUrl": "/user/ada/" if "hub" in place else "/", "federated_extensions": list(extensions)})
    html = f'<script id="jupyter-config-data" type="application/json">{config}</script><div id="view"></div>'
    script_html = f'<script type="module">const STATE = {json.dumps({**STATE, **state})};{HARNESS}</script>'
    page.route(
        "**/*", lambda route: route.fulfill(content_type="text/html", body=f"<!doctype html>{html}{script_html}")
    )
    source = (HERE / script).read_text()
    page.route("**/view.js", lambda route: route.fulfill(content_type="text/javascript", body=source))
    page.goto(place)
    page.wait_for_function("document.getElementById('view').className")
    return page


@pytest.mark.parametrize(
    ("url", "extensions", "address"),
    [
        (LOCAL, (), "http://127.0.0.1:4711"),
        (LOCAL, INSTALLED, "http://127.0.0.1:4711"),
        (HUB, INSTALLED, "https://hub.example/user/ada/containeriter/proxy/churn"),
        (HUB, (), "http://127.0.0.1:4711"),
    ],
)
def test_the_address_works_from_where_the_person_is(browser: Browser, url: str, extensions: Any, address: str) -> None:
    """On the machine it is the port, elsewhere the way through the Jupyter server, where that knows one."""
    page = opened(browser, url, extensions)
    expect(page.locator("code")).to_have_text(address)
    hint = page.get_by_text("Reachable on the machine of the kernel only")
    expect(hint).to_have_count(1 if url == HUB and not extensions else 0)
    page.get_by_role("button", name="Copy the address").click()
    expect(page.get_by_role("status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == address


def test_the_token_comes_when_it_is_asked_for(browser: Browser) -> None:
    """The kernel is asked by the press, and its answer goes to the clipboard alone."""
    page = opened(browser, LOCAL)
    assert [content["kind"] for content in page.evaluate("sent")] == ["opened"]
    page.get_by_role("button", name="Copy a command line").click()
    expect(page.get_by_role("status")).to_have_text("Copied.")
    assert "Bearer t0ken" in page.evaluate("navigator.clipboard.readText()")
    assert "t0ken" not in page.content().partition('<div id="view"')[2].partition("<script")[0]


def test_through_the_server_no_token_of_ours_is_needed(browser: Browser) -> None:
    """The command takes one of Jupyter's, which the person fills in; quotes of the example are safe in a shell."""
    page = opened(browser, HUB, INSTALLED)
    page.get_by_role("button", name="Copy a command line").click()
    expect(page.get_by_role("status")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert '"Authorization: token $JUPYTER_TOKEN"' in copied
    assert "'{\"a\": \"it'\\''s\"}' https://hub.example/user/ada/containeriter/proxy/churn/invocations" in copied
    assert "curl" not in [content["kind"] for content in page.evaluate("sent")]
    expect(page.get_by_role("link", name="Docs")).to_have_attribute(
        "href", "https://hub.example/user/ada/containeriter/proxy/churn/docs"
    )


def test_without_a_clipboard_a_person_copies_by_hand(browser: Browser) -> None:
    """Pages without TLS have none."""
    page = opened(browser, LOCAL)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name="Copy the address").click()
    expect(page.get_by_role("textbox", name="To copy")).to_have_value("http://127.0.0.1:4711")


def test_it_follows_the_model(browser: Browser) -> None:
    """Another address takes the place of the first one; where nothing runs there is none."""
    page = opened(browser, LOCAL)
    page.evaluate("change({url: 'http://127.0.0.1:4712'})")
    expect(page.locator("code")).to_have_text("http://127.0.0.1:4712")
    page.evaluate("change({url: ''})")
    expect(page.locator("#view")).to_be_empty()


def test_the_kernel_hears_when_a_view_goes(browser: Browser) -> None:
    """So that nothing is asked for nobody."""
    page = opened(browser, LOCAL)
    page.evaluate("cleanup()")
    kinds = page.evaluate("sent.map(({kind, view}) => [kind, view])")
    assert [kind for kind, _ in kinds] == ["opened", "closed"]
    assert len({view for _, view in kinds}) == 1
    other = opened(browser, LOCAL)
    other.evaluate("dispatchEvent(new Event('pagehide'))")
    assert other.evaluate("sent.at(-1).kind") == "closed"


def test_a_view_answers_when_it_is_called(browser: Browser) -> None:
    """The kernel asks whether it is still there."""
    page = opened(browser, LOCAL)
    page.evaluate("answer({kind: 'roll'})")
    first, second = page.evaluate("sent")
    assert first == second


def test_an_address_is_text(browser: Browser) -> None:
    """Whatever is in it."""
    page = opened(browser, LOCAL, url="http://127.0.0.1/<img src=x onerror=alert(1)>")
    expect(page.locator("img")).to_have_count(0)


def test_a_line_is_copied(browser: Browser) -> None:
    """By its button, which the keyboard reaches."""
    page = opened(browser, LOCAL, script="line.js", text="%containerize clf --sample X[:5]")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy the line")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "%containerize clf --sample X[:5]"
