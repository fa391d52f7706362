"""Makes docs/pictures/ from the real thing: a page of the first publication and its mail, in Chromium.

    python docs/pictures.py

Needs the development libraries and a Chromium of the system.
"""

from __future__ import annotations

import datetime as dt
import http.server
import shutil
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from newsletter import config, site
from newsletter.issue import compose, period, pictures

HERE = Path(__file__).parent
TOP = HERE.parent
PAGE = "articles/seeing-the-tumour/"
MONTH = "2026-11"
WIDTH, HEIGHT = 900, 1125
"""Pixels of both pictures: they stand beside each other in the README."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> int:
    settings = config.load(TOP)
    out = HERE / "pictures"
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "site"
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
        here = f"http://127.0.0.1:{server.server_port}"
        publication = settings.publication.model_copy(update={"url": here})
        _make(settings.model_copy(update={"publication": publication}), folder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or "/usr/bin/chromium",
                args=["--no-sandbox", "--disable-gpu"],
            )
            _take(browser, f"{here}/{PAGE}", out / "page.png")
            _take(browser, f"{here}/mail.html", out / "mail.png")
            browser.close()
        server.shutdown()
    return 0


def _make(settings: config.Settings, folder: Path) -> None:
    """The site, and beside it one edition with the pictures it shows."""
    site.build(settings, dt.datetime.now(dt.UTC), folder)
    draft = compose.compose(settings, period.read(MONTH))
    (folder / "mail.html").write_text(draft.editions[0].html, "utf-8")
    for picture in draft.pictures:
        place = folder / pictures.path(MONTH, picture.name).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture.data)


def _take(browser: Browser, url: str, file: Path) -> None:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    page.goto(url)
    page.screenshot(path=file)
    page.close()


if __name__ == "__main__":
    sys.exit(main())
