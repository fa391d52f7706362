"""Every page of the forms names the site's icon, so that no browser asks for /favicon.ico in vain."""

from __future__ import annotations

import datetime as dt
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.web.house import House, make_house

from newsletter import config, resources, wiring
from newsletter.subscribers.rootkey import RootKey
from newsletter.web.server import Server

ICON = re.compile(r'<link rel="icon" type="image/svg\+xml" href="([^"]+)">')
SHIPPED = resources.templates("site")[-1] / "icon.svg"


def test_every_page_of_the_forms_names_one_icon(house: House) -> None:
    person = house.reader()
    mail, data = house.mail_token(person), house.data_token(person)
    answers = [
        *(house.get(f"/{form}") for form in ("subscribe", "data")),
        *(house.get(f"/{form}/x") for form in ("confirm", "leave", "preferences", "data")),
        house.get(f"/leave/{mail}"),
        house.get(f"/preferences/{mail}"),
        house.get(f"/data/{data}"),
        house.subscribe("ben@example.org"),
        house.subscribe("no address"),
        house.get("/subscribe", host="elsewhere.example"),
        house.post(f"/leave/{mail}"),
    ]

    named = [ICON.findall(answer.text) for answer in answers]

    assert len(named[0]) == 1
    assert all(each == named[0] for each in named)


@pytest.mark.parametrize("base", ["", "/letter"])
def test_the_icon_is_the_site_s_and_is_kept_for_ever(tmp_path: Path, base: str) -> None:
    for house in make_house(tmp_path, None, public_url=f"http://127.0.0.1:8000{base}"):
        (path,) = ICON.findall(house.get(f"{base}/subscribe").text)
        icon = house.get(path)

        assert path.startswith(f"{base}/forms/")
        assert (icon.status, icon.body) == (200, SHIPPED.read_bytes())
        assert icon.header("content-type") == "image/svg+xml"
        assert icon.header("cache-control") == "public, max-age=31536000, immutable"


def test_a_publication_s_own_icon_stands_on_its_forms_too(
    publication: Callable[..., config.Settings], now: dt.datetime
) -> None:
    own = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
    settings = publication({"templates/site/icon.svg": own, "content/consent/en/1.md": "Yes.\n"})
    key = RootKey(bytes(range(32)))
    with (
        wiring.House(settings, key=key, clock=lambda: now) as house,
        Server(house.web_app(), "127.0.0.1", 0) as server,
    ):

        def get(path: str) -> str:
            url = f"http://127.0.0.1:{server.port}{path}"
            asked = urllib.request.Request(url, headers={"Host": "127.0.0.1:8000"})
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return str(answer.read(), "utf-8")

        (path,) = ICON.findall(get("/subscribe"))
        assert get(path) == own
