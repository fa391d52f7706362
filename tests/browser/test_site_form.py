"""The sign-up form of the built pages: it solves its sum where it may, and works where it may not."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import BrowserContext, Page, expect
from tests.conftest import NOW, TOML
from tests.web.house import House, make_house

from newsletter import site
from newsletter.config import Settings
from newsletter.store import tables
from newsletter.subscribers.states import State
from newsletter.web.server import Server

pytestmark = pytest.mark.browser

FILES: dict[str, str | bytes] = {
    "content/articles/cells.en.md": (
        "---\ntitle: Cells\nsummary: About cells.\npublished: 2026-11-01\nreview: pending\n---\nA text.\n"
    ),
    # The words that the house's forms know (tests/web/house.py).
    "content/consent/en/2026-11.md": "I agree to get this newsletter.\n",
    "content/pages/privacy.en.md": "---\ntitle: Privacy\nmenu: footer\n---\n[Ask](held:).\n",
}

WATCH = """
document.addEventListener("securitypolicyviolation",
  (event) => console.error(`violated: ${event.effectiveDirective} ${event.blockedURI}`));
"""


@pytest.fixture
def house(tmp_path: Path, publication: Callable[..., Settings]) -> Iterator[House]:
    """Forms and pages of one origin, as `newsletter run` serves them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = publication(FILES, TOML.replace("http://127.0.0.1:8000", url))
    out = tmp_path / "public"
    site.build(settings, NOW, out)
    for house in make_house(tmp_path, out, public_url=url, site_url=url):
        with Server(house.app, "127.0.0.1", port):
            yield house


def solved(house: House) -> int:
    """How many sums were solved and used."""
    with house.store.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(tables.challenges)) or 0


@pytest.mark.parametrize("path", ["/", "/articles/cells/", "/subscribe/"])
def test_a_built_page_signs_up_with_its_sum_solved_and_nothing_violated(
    request: pytest.FixtureRequest, context: BrowserContext, page: Page, house: House, path: str
) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.text} {message.location['url']}"))
    page.on("pageerror", lambda error: said.append(str(error)))
    context.add_init_script(WATCH)
    page.goto(house.parts.public_url + path)
    page.get_by_label("Your e-mail address").fill("anna@example.org")
    page.locator("[name=agree]").check()
    with page.expect_navigation():
        page.locator("form.ask button").click()
    expect(page.locator("h1")).to_have_text("Look into your mailbox")
    assert [person.state for person in house.people()] == [State.PENDING]
    with_scripts = "with scripts" in request.node.name
    assert solved(house) == (1 if with_scripts else 0)
    # A browser asks every host for its icon; the forms' own pages have none.
    assert [words for words in said if not words.endswith("/favicon.ico")] == []


def test_a_page_without_a_form_runs_no_script(page: Page, house: House) -> None:
    answer = page.goto(house.parts.public_url + "/privacy/")
    assert answer is not None
    assert "script-src" not in answer.headers["content-security-policy"]
    assert page.locator("script").count() == 0


def test_a_page_of_another_origin_shows_the_sites_pictures(page: Page, house: House) -> None:
    """A mail that is read in a browser is such a page, and its pictures lie here."""
    (icon,) = (house.parts.site or Path()).glob("assets/icon.*.svg")
    page.set_content(f'<img src="{house.parts.public_url}/assets/{icon.name}">')
    picture = page.locator("img")
    assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0


def test_the_privacy_page_leads_to_the_form_that_asks_what_is_held(
    page: Page, house: House
) -> None:
    house.reader("anna@example.org")
    page.goto(house.parts.public_url + "/privacy/")
    page.get_by_role("link", name="Ask").click()
    page.get_by_label("E-mail address").fill("anna@example.org")
    page.get_by_role("button", name="Send me the link").click()
    expect(page.locator("h1")).to_have_text("Look into your mailbox")
    with house.store.read() as tx:
        kinds = set(tx.execute(sa.select(tables.notices.c.kind)).scalars())
    assert kinds == {"confirm", "data"}
