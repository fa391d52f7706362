"""A reader's way in and out, in a real browser: subscribe, confirm, change, look, leave."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browser.conftest import Letter

from newsletter.subscribers.states import State

pytestmark = pytest.mark.browser


def subscribe(page: Page, letter: Letter, address: str, language: str = "en") -> None:
    page.goto(f"{letter.url}/subscribe?lang={language}")
    page.locator("#address").fill(address)
    page.locator("[name=agree]").check()
    with page.expect_navigation():
        page.locator("form.ask button").click()


def test_a_reader_subscribes_confirms_and_leaves(page: Page, letter: Letter) -> None:
    subscribe(page, letter, "anna@example.org")
    expect(page.locator("h1")).to_have_text("Look into your mailbox")
    assert letter.house.people()[0].state is State.PENDING

    page.goto(letter.link("/confirm/"))
    assert letter.house.people()[0].state is State.PENDING
    page.get_by_role("button", name="Yes, subscribe me").click()
    expect(page.locator("h1")).to_have_text("You are subscribed")
    expect(page.locator(".lede")).to_contain_text("1 December 2026")
    person = letter.house.people()[0]
    assert person.state is State.CONFIRMED

    page.goto(f"{letter.url}/leave/{letter.house.mail_token(person)}")
    assert letter.house.people()[0].state is State.CONFIRMED
    page.get_by_role("button", name="Yes, take me off").click()
    expect(page.locator("h1")).to_have_text("You have left")
    assert letter.house.people()[0].state is State.UNSUBSCRIBED


def test_the_mail_and_the_pages_speak_the_readers_language(page: Page, letter: Letter) -> None:
    subscribe(page, letter, "boris@example.org", "ru")
    link = letter.link("/confirm/")
    assert letter.inbox.messages[-1].language == "ru"
    page.goto(link)
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    page.locator("main button").click()
    expect(page.locator("h1")).to_have_text("Вы подписаны")


def test_a_reader_changes_the_language_sees_the_data_and_erases_it(
    page: Page, letter: Letter
) -> None:
    person = letter.house.reader("anna@example.org")
    letter.deliver()
    page.goto(f"{letter.url}/preferences/{letter.house.mail_token(person)}")
    page.get_by_label("Deutsch").check()
    page.locator("form.ask button").click()
    expect(page.get_by_role("status")).to_be_visible()
    assert letter.house.people()[0].language == "de"

    page.get_by_role("button", name="Link zuschicken").click()
    expect(page.get_by_role("status")).to_be_visible()
    page.goto(letter.link("/data/"))
    expect(page.locator("body")).not_to_contain_text("anna@example.org")
    page.locator("main button").click()
    expect(page.locator("main")).to_contain_text("anna@example.org")
    page.locator("button.grave").click()
    expect(page.locator("h1")).to_have_text("Gelöscht")
    assert letter.house.people() == []


def test_nothing_is_asked_of_another_host_and_no_cookie_is_set(
    context: BrowserContext, page: Page, letter: Letter
) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    subscribe(page, letter, "anna@example.org")
    page.goto(letter.link("/confirm/"))
    page.locator("main button").click()
    assert asked
    assert all(url.startswith(f"{letter.url}/") for url in asked)
    assert context.cookies() == []


def test_a_form_that_cannot_be_taken_says_so_beside_the_field(page: Page, letter: Letter) -> None:
    subscribe(page, letter, "anna@example")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("does not look like an e-mail address")
    expect(page.locator("#address")).to_have_attribute("aria-describedby", "problem")
    assert letter.house.people() == []


def test_a_foreign_page_cannot_frame_or_ride(page: Page, letter: Letter) -> None:
    """Frames are refused; a foreign form without a token changes nothing."""
    person = letter.house.reader("anna@example.org")
    page.set_content(
        f'<iframe src="{letter.url}/leave/{letter.house.mail_token(person)}"></iframe>'
        f'<form method="post" action="{letter.url}/leave/x"><button>Win a prize</button></form>'
    )
    page.get_by_role("button", name="Win a prize").click()
    page.wait_for_url("**/leave/x")
    assert letter.house.people()[0].state is State.CONFIRMED


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_forms_fit_their_window_and_their_icon_may_be_shown(
    chromium: Browser, letter: Letter, width: int, scheme: Literal["light", "dark"]
) -> None:
    token = letter.house.mail_token(letter.house.reader("anna@example.org"))
    visitor = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, locale="en-GB"
    )
    page = visitor.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    for path in ("subscribe", "data", "confirm/x", f"leave/{token}", f"preferences/{token}"):
        page.goto(f"{letter.url}/{path}")
        # As a browser shows it in the tab: an image under the page's own policy.
        shown = page.evaluate(
            """async () => {
                const icon = new Image();
                icon.src = document.querySelector("link[rel=icon]").href;
                await icon.decode();
                return [icon.naturalWidth > 0, document.documentElement.scrollWidth <= innerWidth];
            }"""
        )
        assert shown == [True, True], path
    assert complaints == []
    visitor.close()
