"""The forms for everybody: by keyboard alone, with and without scripts, and nothing for axe to find."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import Letter

from newsletter.inbox import Inbox
from newsletter.subscribers.states import State

pytestmark = pytest.mark.browser

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}


FOCUSED = """() => {
  const here = document.activeElement;
  const style = getComputedStyle(here);
  const name = (here.labels?.[0] ?? here).textContent.trim().replace(/\\s+/g, " ");
  return [name, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
}"""
"""What has the focus: its accessible name, and whether the focus can be seen."""


def faults(page: Page) -> list[str]:
    """What axe finds on the page as it stands."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:120]} ({node['failureSummary']})"
        for fault in found
        for node in fault["nodes"]
    ]


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the thing with this accessible name has the focus, and see that it shows it."""
    for _ in range(30):
        page.keyboard.press("Tab")
        name_here, shown = page.evaluate(FOCUSED)
        if name_here.startswith(name):
            assert shown, f"{name} has no visible focus"
            return
    raise AssertionError(f"the keyboard does not reach {name}")


def test_a_reader_subscribes_confirms_changes_and_leaves_by_keyboard(
    page: Page, letter: Letter
) -> None:
    page.goto(f"{letter.url}/subscribe?lang=en")
    tab_to(page, "E-mail address")
    page.keyboard.type("anna@example.org")
    tab_to(page, "I agree")
    page.keyboard.press("Space")
    tab_to(page, "Subscribe")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Look into your mailbox")

    page.goto(letter.link("/confirm/"))
    tab_to(page, "Yes, subscribe me")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    person = letter.house.people()[0]
    assert person.state is State.CONFIRMED

    page.goto(f"{letter.url}/preferences/{letter.house.mail_token(person)}")
    tab_to(page, "English")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    tab_to(page, "Save")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert letter.house.people()[0].language == "de"

    page.goto(f"{letter.url}/leave/{letter.house.mail_token(person)}?lang=en")
    tab_to(page, "Yes, take me off")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert letter.house.people()[0].state is State.UNSUBSCRIBED


def test_a_reader_asks_what_is_held_by_keyboard(page: Page, letter: Letter) -> None:
    letter.house.reader("anna@example.org")
    page.goto(f"{letter.url}/data?lang=en")
    tab_to(page, "E-mail address")
    page.keyboard.type("anna@example.org")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Look into your mailbox")
    page.goto(letter.link("/data/"))
    tab_to(page, "Show me everything")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("anna@example.org")


def test_the_first_tab_leads_past_the_header(page: Page, letter: Letter) -> None:
    page.goto(f"{letter.url}/subscribe?lang=en")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    expect(page.locator(".trap")).not_to_be_in_viewport()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_axe_finds_nothing_on_any_page_and_no_page_is_wider_than_the_screen(
    chromium: Browser, letter: Letter, scheme: str, width: int
) -> None:
    context = chromium.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    person = letter.house.reader("anna@example.org")
    mail, data = letter.house.mail_token(person), letter.house.data_token(person)
    seen = []

    def look(name: str) -> None:
        assert faults(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        seen.append(page.locator("h1").inner_text())

    def press(name: str) -> None:
        with page.expect_navigation():
            page.get_by_role("button", name=name).click()
        look(name)

    for path in ("/subscribe?lang=ru", f"/leave/{mail}", "/nowhere", f"/data/{data}"):
        page.goto(letter.url + path)
        look(path)
    press("Show me everything")
    page.goto(f"{letter.url}/subscribe?lang=en")
    page.eval_on_selector("form.ask", "form => { form.noValidate = true }")
    press("Subscribe")
    page.locator("#address").fill("bert@example.org")
    page.get_by_role("checkbox").check()
    press("Subscribe")
    page.goto(letter.link("/confirm/"))
    look("confirm")
    press("Yes, subscribe me")
    page.goto(f"{letter.url}/preferences/{mail}")
    look("preferences")
    press("Save")
    press("Send me the link")
    press("Yes, take me off")
    page.goto(letter.link("/data/").replace("/data/", "/confirm/"))
    press("Yes, subscribe me")
    page.goto(f"{letter.url}/data?lang=en")
    look("enquiry")
    page.eval_on_selector("form.ask", "form => { form.noValidate = true }")
    press("Send me the link")
    page.locator("#address").fill("bert@example.org")
    press("Send me the link")
    context.close()
    assert len(seen) == 17


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_inbox(chromium: Browser, letter: Letter, scheme: str) -> None:
    context = chromium.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    inbox: Inbox = letter.inbox
    page.goto(inbox.url)
    assert faults(page) == []
    letter.house.subscribe("anna@example.org", "ru")
    letter.deliver()
    for path in ("", "mail/1", "mail/1?view=text", "mail/1?view=headers", "mail/1?view=raw"):
        page.goto(inbox.url + path)
        assert [fault for fault in faults(page) if not re.match(r"frame-", fault)] == [], path
    context.close()


def test_the_inboxs_links_lead_on_and_its_one_click_button_posts(
    chromium: Browser, letter: Letter
) -> None:
    """What a newcomer does first: subscribe, look into the inbox, press the link in the mail."""
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    letter.house.subscribe("anna@example.org")
    letter.deliver()
    page.goto(f"{letter.inbox.url}mail/1")
    with context.expect_page() as opened:
        page.frame_locator("iframe").get_by_role("link").first.click()
    confirm = opened.value
    with confirm.expect_navigation():
        confirm.locator("main button").click()
    assert letter.house.people()[0].state is State.CONFIRMED
    context.close()
