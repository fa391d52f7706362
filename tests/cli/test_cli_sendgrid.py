"""A publication that sends by SendGrid, through the command line; a server on this machine stands in for it."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.delivery import sendgrid_fake
from tests.delivery.sendgrid_fake import KEY, Fake, error

from newsletter import config, wiring
from newsletter.web.server import Server

Newsletter = Callable[..., Any]
NAMED = """
[processors.SendGrid]
host = "api.eu.sendgrid.com"
purpose = "carries the mail"
agreement_date = {}
region = "EU"
"""


@pytest.fixture
def service() -> Iterator[Fake]:
    with sendgrid_fake.fake() as far:
        yield far


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def site(letter: Path) -> Iterator[str]:
    """Where the letter's public/ is served."""
    (letter / "public").mkdir()
    handler = partial(Quiet, directory=str(letter / "public"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def by_sendgrid(letter: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """Set the road in newsletter.toml; the key is in the environment."""
    monkeypatch.setenv("TEST_SENDGRID_KEY", KEY)
    file = letter / "newsletter.toml"
    text = file.read_text("utf-8").replace('transport = "smtp"', 'transport = "sendgrid"')
    key = '\n[delivery.sendgrid]\napi_key = "env:TEST_SENDGRID_KEY"\n'
    file.write_text(f"{text}{key}{more}", "utf-8")


def with_readers(letter: Path, site: str, newsletter: Newsletter, number: int) -> None:
    file = letter / "newsletter.toml"
    file.write_text(re.sub(r"(?m)^url = .+$", f'url = "{site}"', file.read_text("utf-8"), count=1))
    wording = next((letter / "content/consent/en").iterdir()).read_text("utf-8").strip()
    consent = '"' + wording.replace('"', '""') + '"'
    rows = [f"r{each}@example.org,en,2025-05-01,form,{consent}" for each in range(number)]
    header = "address,language,consented_at,source,consent_text"
    (letter.parent / "in.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8")
    assert newsletter("subscribers", "import", "../in.csv").code == 0
    assert newsletter("issue", "approve", "--by", "Editor").code == 0


def test_check_and_doctor_say_what_stands_against_it(
    letter: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_sendgrid(letter, monkeypatch)

    checked = newsletter("check")
    seen = {each["what"]: each for each in json.loads(newsletter("doctor", "--json").out)}

    assert checked.code == 1
    for code in ("NL601", "NL603", "NL632"):
        assert f"error[{code}]" in checked.out
        assert code in json.dumps(seen["relay"])


def test_an_agreement_of_tomorrow_is_refused_by_check(
    letter: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_sendgrid(letter, monkeypatch, NAMED.format("2999-12-31"))

    ran = newsletter("check")

    assert ran.code == 1
    assert "error[NL631]" in ran.out
    assert "2999-12-31" in ran.out


def test_a_processor_that_no_page_can_name_is_told_by_check(
    letter: Path, newsletter: Newsletter
) -> None:
    file = letter / "newsletter.toml"
    file.write_text(file.read_text("utf-8") + NAMED.format("2026-10-01"))
    assert newsletter("check").code == 0

    (letter / "content/pages/privacy.en.md").unlink()
    ran = newsletter("check")

    assert ran.code == 1
    assert "error[NL636]" in ran.out


def test_a_mistyped_webhook_key_is_told_by_check_and_doctor_and_keeps_run_from_starting(
    letter: Path, newsletter: Newsletter
) -> None:
    file = letter / "newsletter.toml"
    file.write_text(file.read_text("utf-8") + '\n[delivery.sendgrid]\nwebhook_key = "MFkw"\n')

    assert "error[NL635]" in newsletter("check").out
    assert "NL635" in newsletter("doctor", "--json", "--offline").out


def test_doctor_asks_whether_it_answers_and_hands_nothing_over(
    letter: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch, service: Fake
) -> None:
    by_sendgrid(letter, monkeypatch, f'stand_in = "{service.url}"\n')

    def relay() -> str:
        seen = json.loads(newsletter("doctor", "--json").out)
        return json.dumps(next(each for each in seen if each["what"] == "relay"))

    assert f"SendGrid at {service.url} answers" in relay()
    service.down()
    assert "NL148" in relay()
    monkeypatch.delenv("TEST_SENDGRID_KEY")
    assert "NL106" in relay()
    assert service.requests == []


def test_a_dry_run_asks_nobody_and_a_send_reaches_everybody_once(
    letter: Path,
    site: str,
    newsletter: Newsletter,
    monkeypatch: pytest.MonkeyPatch,
    service: Fake,
) -> None:
    by_sendgrid(letter, monkeypatch, f'stand_in = "{service.url}"\n')
    with_readers(letter, site, newsletter, 3)
    newsletter("build")

    told = newsletter("send", "--dry-run")
    assert told.code == 0
    assert "to 3 readers" in told.out
    assert "by SendGrid" in told.out
    assert service.connections == 0

    ran = newsletter("send", "--early")

    assert ran.code == 0, ran.err
    assert sorted(service.accepted) == [f"r{each}@example.org" for each in range(3)]
    assert newsletter("send", "--early").code == 0
    assert len(service.requests) == 3
    assert json.loads(newsletter("status", "--json").out)


def test_a_wrong_key_sends_nothing_and_says_which_setting_to_look_at(
    letter: Path,
    site: str,
    newsletter: Newsletter,
    monkeypatch: pytest.MonkeyPatch,
    service: Fake,
) -> None:
    by_sendgrid(letter, monkeypatch, f'stand_in = "{service.url}"\n')
    with_readers(letter, site, newsletter, 3)
    service.behave = error(401, f"The key {KEY} is invalid")

    ran = newsletter("send", "--early")

    assert ran.code == 3
    assert "SendGrid" in ran.err
    assert "SendGrid does not let us log in: auth 401" in ran.err
    assert KEY not in ran.err + ran.out
    service.behave = sendgrid_fake.ACCEPT
    assert newsletter("send", "--early").code == 0
    assert len(service.accepted) == 3


def test_a_signed_event_over_the_wire_finds_its_row(
    letter: Path,
    site: str,
    newsletter: Newsletter,
    monkeypatch: pytest.MonkeyPatch,
    service: Fake,
) -> None:
    """Sent by the command line, told by HTTP to the program's own server, asked for by the command line."""
    theirs = ec.generate_private_key(ec.SECP256R1())
    spki = theirs.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    webhook = f'webhook_key = "{base64.b64encode(spki).decode()}"\n'
    by_sendgrid(letter, monkeypatch, f'stand_in = "{service.url}"\n{webhook}')
    with_readers(letter, site, newsletter, 3)
    assert newsletter("send", "--early").code == 0
    told = {
        "event": "bounce",
        "email": "r0@example.org",
        "reason": "550 5.1.1 unknown",
        "sg_event_id": "an-id",
        **service.requests[0]["personalizations"][0]["custom_args"],
    }
    body = json.dumps([told]).encode()
    stamp = str(int(time.time()))
    signature = theirs.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))

    with wiring.House(config.load(letter)) as house:
        host = house.settings.public_url.removeprefix("http://")
        with Server(house.web_app(), "127.0.0.1", 0) as server:
            asked = urllib.request.Request(
                f"http://127.0.0.1:{server.port}/hooks/sendgrid",
                body,
                {
                    "Host": host,
                    "Content-Type": "application/json",
                    "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
                    "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
                },
            )
            with urllib.request.urlopen(asked, timeout=10) as answer:
                assert answer.status == 204
            asked.data = body + b" "
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(asked, timeout=10)
            assert refused.value.code == 403

    account = json.loads(newsletter("status", "--json").out)
    assert "bounced" in json.dumps(account)
    assert "r0@example.org" not in json.dumps(account)
    assert "(bounced 1, complained 0)" in newsletter("status").out
