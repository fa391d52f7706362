"""A browser, and a whole publication behind it: uvicorn, SQLite, the send loop and the inbox, all real."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from tests.conftest import TOML
from tests.web.house import House, make_house

from newsletter.config import Settings
from newsletter.delivery import loop
from newsletter.delivery.ledger import NOTICES
from newsletter.delivery.press import Press
from newsletter.delivery.transports.smtp import Relay, SmtpTransport
from newsletter.inbox import Inbox, Mail
from newsletter.web.server import Server


@dataclass
class Letter:
    """One publication at `url`, and the inbox where its mail ends."""

    url: str
    house: House
    settings: Settings
    inbox: Inbox

    def deliver(self) -> tuple[Mail, ...]:
        """Send what waits, through the real loop and a real SMTP dialogue; every mail so far."""
        relay = Relay("127.0.0.1", self.inbox.smtp_port, "none", "localhost")
        loop.send(
            self.house.store,
            Press(self.settings, self.house.parts.vault),
            SmtpTransport(relay),
            [NOTICES],
            pace=loop.Pace(connections=1),
            clock=self.house.parts.clock,
        )
        return self.inbox.messages

    def link(self, path: str) -> str:
        """The newest mail's link that begins with `path` ("/confirm/")."""
        links = [url for url, _ in self.deliver()[-1].links]
        return next(url for url in links if url.startswith(f"{self.url}{path}"))


@pytest.fixture
def letter(tmp_path: Path, publication: Callable[..., Settings]) -> Iterator[Letter]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = publication(toml=TOML.replace("http://127.0.0.1:8000", url))
    for house in make_house(
        tmp_path,
        None,
        public_url=url,
        site_url=url,
        clock=lambda: dt.datetime.now(dt.UTC),
    ):
        with Inbox() as inbox, Server(house.app, "127.0.0.1", port):
            yield Letter(url, house, settings, inbox)


@pytest.fixture(params=["with scripts", "without scripts"])
def context(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh visitor, once with JavaScript and once without."""
    context = chromium.new_context(
        java_script_enabled=request.param == "with scripts", locale="en-GB"
    )
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
