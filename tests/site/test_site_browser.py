"""In a real browser: nothing asked of anybody else, nothing against the policy, nothing hard to reach."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from site_files import FILES, article
from tests.conftest import TOML

from newsletter import config, resources, site

pytestmark = pytest.mark.browser
POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""Stricter than what the web app sends: reading needs no script at all."""
FORM_POLICY = f"{POLICY}; script-src 'self'; connect-src 'self'"
"""Where a page holds the sign-up form, whose script solves a small sum."""
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
}
LOOKS = [(width, scheme) for width in (360, 1280) for scheme in ("light", "dark")]
RICH = """\
## Headings and *words*

A text with a [link](tests.en.md), a note[^1], `code`, an <abbr title="electrocardiogram">ECG</abbr> and a source. [@study; @other]

::: care non-urgent "Ask at your next visit if:"
- it itches
:::
::: care urgent "Call the same day if:"
- it burns
:::
::: care emergency "Call {emergency} if:"
- it stops
:::
::: note "Good to know"
A note.
:::
::: warning
A warning.
:::

## A table

| Test | What for | Valid, in days, as the clinic's page says |
|------|:--------:|--:|
| ECG | the heart | 30 |

::: checklist "To bring"
- papers

| Test | Valid |
|------|-------|
| Blood | 5 days |
:::
::: price EUR 1 3 6 12 "What it may cost"
| What | Price | Times a month |
|---|--:|--:|
| Infusion | 1450 | 2 |
:::

## A drawing

![Two cells](images/cells.svg "Our own drawing")

> A quotation.

```python
print("a long line of code that will not fit onto a telephone of three hundred and sixty pixels")
```

[^1]: With a note.
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A rich site, served under the policy of our own web app."""
    root = tmp_path_factory.mktemp("letter")
    out = root / "public"

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *values: Any, **names: Any) -> None:
            super().__init__(*values, directory=str(out), **names)

        def translate_path(self, path: str) -> str:
            if path == "/forms/ask.js":
                return str(resources.templates("web")[-1] / "ask.js")
            return super().translate_path(path)

        def end_headers(self) -> None:
            place = Path(self.translate_path(self.path))
            place = place / "index.html" if place.is_dir() else place
            form = place.is_file() and b"<form" in place.read_bytes()
            self.send_header("Content-Security-Policy", FORM_POLICY if form else POLICY)
            super().end_headers()

        def log_message(self, *values: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    origin = f"http://127.0.0.1:{server.server_port}"
    rich = article(
        "Rich",
        "topics: [cells]",
        "references: {study: {title: A study, pmid: 1}, other: {text: B}}",
        body=RICH,
    )
    for name, data in {
        **FILES,
        "newsletter.toml": TOML.replace("http://127.0.0.1:8000", origin),
        "content/articles/rich.en.md": rich,
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(data), "utf-8")
    site.build(config.load(root), dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC), out)

    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield origin, out
    server.shutdown()


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    return chromium


def paths(out: Path) -> list[str]:
    """Every page's address; the pages that only lead on are left out."""
    found = []
    for file in sorted(out.rglob("*.html")):
        name = file.relative_to(out).as_posix()
        if b'http-equiv="refresh"' not in file.read_bytes():
            found.append("/" + name.removesuffix("index.html"))
    assert len(found) > 20
    return found


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_page_is_reachable_for_everybody_and_asks_nobody_else(
    address: tuple[str, Path], browser: Browser, width: int, scheme: Any
) -> None:
    origin, out = address
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(f"{page.url} {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url} {error}"))
    axe = Axe()
    for path in paths(out):
        answer = page.goto(origin + path)
        assert answer is not None
        assert answer.ok
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), path
        found = axe.run(page, options={**RULES, "resultTypes": ["violations"]}).response[
            "violations"
        ]
        assert found == [], (
            path,
            [(each["id"], [node["target"] for node in each["nodes"]]) for each in found],
        )
    context.close()

    assert {url.removeprefix(origin)[:1] for url in asked} == {"/"}
    assert said == []


def test_an_article_reads_without_its_style_and_prints_without_its_form(
    address: tuple[str, Path], browser: Browser
) -> None:
    origin, _ = address
    page = browser.new_page()
    page.goto(origin + "/articles/rich/")
    page.emulate_media(media="print")

    assert not page.locator("form.ask").is_visible()
    assert page.locator("h1").is_visible()
    assert page.locator(".care-emergency").is_visible()
    page.close()


def test_the_keyboard_goes_first_to_the_text(address: tuple[str, Path], browser: Browser) -> None:
    origin, _ = address
    page = browser.new_page()
    page.goto(origin + "/articles/rich/")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.getAttribute('href')") == "#text"
    assert page.locator(".skip").is_visible()
    page.close()
