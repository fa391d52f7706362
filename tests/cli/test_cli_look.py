"""A look at the site, before there is a key: `run --site-only`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import TOML

from newsletter import config, wiring
from newsletter.web.server import Server

Newsletter = Callable[..., Any]
PROGRAM = Path(sys.executable).with_name("newsletter")


@pytest.fixture
def fresh(newsletter: Newsletter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A publication as `init` made it, and no key."""
    monkeypatch.delenv("NEWSLETTER_KEY_FILE", raising=False)
    assert newsletter("init", "my-letter").code == 0
    letter = tmp_path / "my-letter"
    with (letter / "newsletter.toml").open("a", encoding="utf-8") as file:
        file.write('\n[web]\nbind = "127.0.0.1:0"\n')
    return letter


def test_the_site_can_be_looked_at_without_a_key(fresh: Path) -> None:
    service = subprocess.Popen(
        [PROGRAM, "run", "--site-only"], cwd=fresh, stderr=subprocess.PIPE, text=True
    )
    try:
        assert service.stderr
        said = service.stderr.readline()
        port = re.search(r"the site alone: http://127\.0\.0\.1:(\d+)/", said)
        assert port, said
        assert "forms are closed" in service.stderr.readline()

        def ask(path: str, data: bytes | None = None) -> tuple[int, str]:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port[1]}{path}", data, {"Host": "127.0.0.1:8000"}
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        home, sign_up, asked, gone = (
            ask("/"),
            ask("/subscribe/"),
            ask("/subscribe", b"x"),
            ask("/x"),
        )
    finally:
        service.send_signal(signal.SIGINT)
        service.communicate(timeout=20)

    assert home[0] == sign_up[0] == 200
    assert '<link rel="stylesheet"' in home[1]
    assert asked == (405, "The forms are closed here: this server shows the site alone.\n")
    assert gone[0] == 404
    assert service.returncode == 0
    assert not list((fresh / "subscribers").glob("*.db*"))


def test_it_is_shown_by_the_address_of_this_machine_whatever_the_site_is_called(
    publication: Callable[..., config.Settings],
) -> None:
    toml = TOML.replace("http://127.0.0.1:8000", "https://letter.clinic.net")
    settings = publication(toml=f'{toml}\n[web]\nbind = "127.0.0.1:8111"\n')
    (settings.root / "public").mkdir()
    (settings.root / "public/index.html").write_text("<h1>Home</h1>", "utf-8")
    with (
        wiring.House(settings) as house,
        Server(house.site_app(), "127.0.0.1", 0) as server,
    ):

        def ask(host: str) -> int:
            url = f"http://127.0.0.1:{server.port}/"
            try:
                request = urllib.request.Request(url, headers={"Host": host})
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code

        found = {host: ask(host) for host in ("127.0.0.1:8111", "letter.clinic.net", "evil.net")}

    assert found == {"127.0.0.1:8111": 200, "letter.clinic.net": 200, "evil.net": 421}


def test_what_comes_next_after_a_build_can_be_typed(
    fresh: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fresh)

    assert "next: newsletter run --site-only " in newsletter("build").err
    monkeypatch.setenv("NEWSLETTER_KEY_FILE", "somewhere")
    assert "next: newsletter run  " in newsletter("build").err
