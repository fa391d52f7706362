"""The search: three languages, this host alone, and a policy that lets no other page run a script."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.conftest import TOML
from tests.web.house import make_house

from newsletter import config, site
from newsletter.web.server import Server

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
WORDS = {
    "en": (
        "Cells <b>& more</b>",
        "A macrophage eats what the `<img src=x onerror=alert(1)>` leaves.",
    ),
    "ru": ("Клетки", "Макрофаги едят то, что осталось."),
    "de": ("Zellen", "Makrophagen fressen, was übrig bleibt."),
}


@dataclass
class Place:
    url: str


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A publication with a search, served by the web app."""
    folder = tmp_path_factory.mktemp("search")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    root = folder / "letter"
    (root / "content/articles").mkdir(parents=True)
    toml = TOML.replace("http://127.0.0.1:8000", url)
    toml = toml.replace("[sender]", "search = true\n\n[sender]", 1)
    (root / "newsletter.toml").write_text(toml, "utf-8")
    for tag, (title, words) in WORDS.items():
        front = f"title: '{title}'\nsummary: S.\npublished: 2026-11-01\nreview: pending"
        text = f"---\n{front}\n---\n## One\n\n{words}\n"
        (root / f"content/articles/cells.{tag}.md").write_text(text, "utf-8")
    now = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
    report = site.build(config.load(root), now, folder / "public")
    assert not [each for each in report.warnings if each.code == "NL307"]
    for house in make_house(folder, folder / "public", public_url=url, site_url=url):
        with Server(house.app, "127.0.0.1", port):
            yield Place(url)


def watched(context: BrowserContext) -> tuple[Page, list[str], list[str]]:
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return page, asked, said


@pytest.mark.parametrize(
    ("tag", "path", "word"),
    [
        ("en", "/search/", "macrophage"),
        ("ru", "/ru/search/", "макрофаг"),
        ("de", "/de/search/", "makrophage"),
    ],
)
def test_a_word_is_found_in_its_own_language_and_nobody_else_is_asked(
    found: Place, chromium: Browser, tag: str, path: str, word: str
) -> None:
    context = chromium.new_context()
    page, asked, said = watched(context)
    page.goto(found.url + path)
    page.get_by_role("searchbox").fill(word)
    expect(page.locator("#found li")).to_have_count(1)

    link = page.locator("#found a")
    assert link.inner_text() == WORDS[tag][0]
    expect(page.locator("#found mark").first).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("1")
    assert page.url.startswith(f"{found.url}{path}#q=")
    assert all(url.startswith(found.url + "/") for url in asked)
    page.reload()
    expect(page.locator("#found li")).to_have_count(1)
    assert not any("q=" in url.partition("#")[0] for url in asked)
    assert said == []
    link.click()
    assert page.locator("h1").inner_text() == WORDS[tag][0]
    context.close()


def test_what_stands_in_a_text_is_never_run_where_it_is_found(
    found: Place, chromium: Browser
) -> None:
    context = chromium.new_context()
    page, _, said = watched(context)
    page.goto(f"{found.url}/search/#q=macrophage")
    expect(page.locator("#found li")).to_have_count(1)

    assert page.locator("#found img, #found b").count() == 0
    assert said == []
    context.close()


def test_a_word_that_stands_nowhere_is_said_aloud(found: Place, chromium: Browser) -> None:
    context = chromium.new_context()
    page, _, _ = watched(context)
    page.goto(f"{found.url}/search/")
    page.get_by_role("searchbox").fill("zzzzzz")
    expect(page.get_by_role("status")).to_contain_text("Found: 0")
    context.close()


def test_without_a_script_the_page_leads_to_every_text(found: Place, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{found.url}/search/")

    assert page.locator("#plain").is_visible()
    assert not page.locator("form.search").is_visible()
    assert page.locator('a[href="/articles/"]').first.is_visible()
    context.close()


def test_only_the_search_and_its_engine_may_run_anything(found: Place, chromium: Browser) -> None:
    context = chromium.new_context()
    policies = {
        path: context.request.get(found.url + path).headers["content-security-policy"]
        for path in (
            "/", "/articles/cells/", "/ru/", "/de/articles/cells/", "/x/search/", "/articles/search/",
            "/search/", "/ru/search/", "/pagefind/pagefind-worker.js",
        )
    }  # fmt: skip
    context.close()

    assert [path for path, policy in policies.items() if "script-src" in policy] == [
        "/search/",
        "/ru/search/",
        "/pagefind/pagefind-worker.js",
    ]


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_search_is_reachable_for_everybody(
    found: Place, chromium: Browser, width: int, scheme: Any
) -> None:
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.goto(f"{found.url}/search/#q=macrophage")
    expect(page.locator("#found li")).to_have_count(1)

    assert Axe().run(page, options=RULES).response["violations"] == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    context.close()
