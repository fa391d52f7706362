"""The publication of this checkout, built whole: what its readers are sent."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import html5lib
import pytest
from playwright.sync_api import Browser
from tests.conftest import NOW

from newsletter import config, resources, site
from newsletter.site import pagefind

TOP = Path(__file__).parents[2]
HEAVIEST = 60_000
"""Bytes of an article's page with all that it loads, but for its pictures: nothing is compressed."""
HTML = "{http://www.w3.org/1999/xhtml}"
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; with its search, where Pagefind is installed."""
    root = tmp_path_factory.mktemp("clinic")
    shutil.copytree(TOP / "content", root / "content")
    toml = (TOP / "newsletter.toml").read_text("utf-8")
    (root / "newsletter.toml").write_text(
        toml.replace("[publication]\n", "[publication]\nsearch = true\n", 1), "utf-8"
    )
    site.build(config.load(root), NOW, root / "public")
    return root / "public"


def pages(out: Path) -> list[Path]:
    found = sorted(path for path in out.rglob("*.html") if not path.name.startswith("mail."))
    assert len(found) > 60
    return found


def loaded(out: Path, html: str) -> dict[str, int]:
    """What a page loads beside its pictures: address -> bytes."""
    document = html5lib.parse(html)
    addresses = [each.get("src") for each in document.iter(f"{HTML}script") if each.get("src")]
    addresses += [
        each.get("href")
        for each in document.iter(f"{HTML}link")
        if each.get("rel") in ("stylesheet", "preload", "modulepreload")
    ]
    sizes: dict[str, int] = {}
    for address in addresses:
        own = resources.templates("web")[-1] / "ask.js"
        data = (own if address == "/forms/ask.js" else out / address.lstrip("/")).read_bytes()
        sizes[address] = len(data)
        if address.endswith(".css"):  # a font or another sheet would have to be counted too
            assert not re.search(rb"@import|url\(", data)
    return sizes


def test_an_article_weighs_at_most_sixty_kilobytes_without_its_pictures(clinic: Path) -> None:
    articles = sorted(clinic.glob("articles/*/index.html")) + sorted(
        clinic.glob("*/articles/*/index.html")
    )
    assert len(articles) >= 21
    for page in articles:
        html = page.read_text("utf-8")
        assert any(address.endswith(".css") for address in loaded(clinic, html))
        words = re.sub(r"<svg\b.*?</svg>", "", html, flags=re.S)
        weight = len(words.encode()) + sum(loaded(clinic, html).values())
        assert weight <= HEAVIEST, (page.relative_to(clinic), weight)


def test_every_page_parses_strictly(clinic: Path) -> None:
    for page in pages(clinic):
        html5lib.HTMLParser(strict=True).parse(page.read_text("utf-8"))


def test_every_feed_and_the_sitemap_are_well_formed(clinic: Path) -> None:
    roots = {path.name: ET.fromstring(path.read_bytes()).tag for path in clinic.rglob("*.xml")}
    assert set(roots) == {"atom.xml", "rss.xml", "sitemap.xml"}
    assert roots["atom.xml"] == f"{ATOM}feed"
    assert roots["rss.xml"] == "rss"
    feeds = sorted(clinic.rglob("feed.json"))
    assert len(feeds) > 10
    for feed in feeds:
        assert json.loads(feed.read_bytes())["version"] == "https://jsonfeed.org/version/1.1"


@pytest.fixture(scope="module")
def origin(clinic: Path) -> Iterator[str]:
    """Where the site is served."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *values: Any, **names: Any) -> None:
            super().__init__(*values, directory=str(clinic), **names)

        def translate_path(self, path: str) -> str:
            if path == "/forms/ask.js":
                return str(resources.templates("web")[-1] / "ask.js")
            return super().translate_path(path)

        def log_message(self, *values: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.browser
def test_no_page_asks_anybody_else_for_anything(
    clinic: Path, origin: str, chromium: Browser
) -> None:
    page = chromium.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(f"{page.url} {message.text}"))
    for file in pages(clinic):
        page.goto(f"{origin}/{file.relative_to(clinic).as_posix()}")
    page.close()

    assert len(asked) > len(pages(clinic))
    assert [url for url in asked if not url.startswith(f"{origin}/")] == []
    assert said == []


@pytest.mark.browser
def test_no_head_is_wider_than_a_telephone_and_its_links_keep_apart(
    clinic: Path, origin: str, chromium: Browser
) -> None:
    page = chromium.new_page(viewport={"width": 360, "height": 800})
    for home in ("/", "/ru/", "/de/"):
        page.goto(origin + home)
        boxes = page.eval_on_selector_all(
            "header.top a",
            "links => links.map(link => { const box = link.getBoundingClientRect();"
            " return [link.textContent.trim(), box.left, box.top, box.right, box.bottom] })",
        )
        assert len(boxes) >= (6 if pagefind.version(config.load(clinic.parent)) else 5)
        for number, (name, left, top, right, bottom) in enumerate(boxes):
            assert right <= 360, (home, name)
            assert bottom - top < 60, (home, name, "a name runs over two lines")
            for other, x, y, x2, y2 in boxes[number + 1 :]:
                apart = right <= x or x2 <= left or bottom <= y or y2 <= top
                assert apart, (home, name, other)
    page.close()
