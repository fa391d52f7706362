"""Which way out a publication may take, and why not another."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable

import pytest

from newsletter.config import Settings
from newsletter.delivery.transports.choice import choose, is_this_machine
from newsletter.delivery.transports.outbox import OutboxTransport
from newsletter.delivery.transports.smtp import SmtpTransport
from newsletter.errors import CouldNotRun

TODAY = dt.date(2026, 11, 21)

BASE = """\
[publication]
title = "Test letter"
url = "http://127.0.0.1:8000"

[sender]
name = "Test letter"
address = "letter@DOMAIN"
postal_address = "Street 1"
list_id = "letter.letter.example.org"
"""
NAMED = """
[processors.relay]
host = "smtp.provider.net"
purpose = "carries the mail"
agreement_date = "2026-10-01"
region = "EU"
"""


def toml(host: str, security: str = "tls", more: str = "", domain: str = "clinic.net") -> str:
    base = BASE.replace("DOMAIN", domain)
    return f'{base}\n[delivery.smtp]\nhost = "{host}"\nport = 465\nsecurity = "{security}"\n{more}'


def codes(settings: Settings) -> list[str]:
    with pytest.raises(CouldNotRun) as refused:
        choose(settings, TODAY)
    return [finding.code for finding in refused.value.findings]


def test_this_machine_needs_no_word(publication: Callable[..., Settings]) -> None:
    found = choose(publication(toml=toml("127.0.0.1", "none", domain="letter.example.org")), TODAY)
    assert isinstance(found, SmtpTransport)


def test_a_host_that_is_not_named_is_refused(publication: Callable[..., Settings]) -> None:
    assert codes(publication(toml=toml("smtp.provider.net"))) == ["NL601"]


def test_a_named_host_is_taken(publication: Callable[..., Settings]) -> None:
    found = choose(publication(toml=toml("smtp.provider.net", more=NAMED)), TODAY)
    assert isinstance(found, SmtpTransport)
    assert (found.relay.host, found.relay.security) == ("smtp.provider.net", "tls")


def test_another_host_that_is_named_does_not_help(publication: Callable[..., Settings]) -> None:
    assert codes(publication(toml=toml("smtp.other.net", more=NAMED))) == ["NL601"]


def test_an_agreement_that_is_still_to_come_is_none(publication: Callable[..., Settings]) -> None:
    settings = publication(toml=toml("smtp.provider.net", more=NAMED))
    assert isinstance(choose(settings, dt.date(2026, 10, 1)), SmtpTransport)
    with pytest.raises(CouldNotRun) as refused:
        choose(settings, dt.date(2026, 9, 30))
    assert [finding.code for finding in refused.value.findings] == ["NL631"]


def test_nothing_crosses_the_network_in_clear(publication: Callable[..., Settings]) -> None:
    assert codes(publication(toml=toml("smtp.provider.net", "none", NAMED))) == ["NL602"]


def test_a_placeholder_is_never_sent_out(publication: Callable[..., Settings]) -> None:
    settings = publication(toml=toml("smtp.provider.net", more=NAMED, domain="letter.example.org"))
    assert codes(settings) == ["NL603"]


def test_everything_wrong_is_told_at_once(publication: Callable[..., Settings]) -> None:
    settings = publication(toml=toml("smtp.other.net", "none", domain="example.org"))
    assert codes(settings) == ["NL601", "NL602", "NL603"]


def test_the_outbox_is_a_folder_of_the_publication(publication: Callable[..., Settings]) -> None:
    text = BASE.replace("DOMAIN", "clinic.net") + '\n[delivery]\ntransport = "outbox"\n'
    settings = publication(toml=text)
    found = choose(settings, TODAY)
    assert isinstance(found, OutboxTransport)
    assert found.folder == settings.root / "outbox"


SENDGRID = """
[delivery]
transport = "sendgrid"
[delivery.sendgrid]
api_key = "env:TEST_SENDGRID_KEY"
"""
SENDGRID_NAMED = """
[processors.sendgrid]
host = "api.eu.sendgrid.com"
purpose = "carries the mail"
agreement_date = 2026-10-01
region = "EU"
"""


def sendgrid(more: str = SENDGRID_NAMED, url: str = "https://letter.clinic.net") -> str:
    base = BASE.replace("DOMAIN", "clinic.net").replace("http://127.0.0.1:8000", url)
    return f"{base}{SENDGRID}{more}"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SENDGRID_KEY", "SG.key")


@pytest.mark.usefixtures("key")
def test_sendgrid_is_taken_when_it_is_named_and_agreed_with(
    publication: Callable[..., Settings],
) -> None:
    found = choose(publication(toml=sendgrid()), TODAY)
    assert found.name == "sendgrid"
    assert found.service.base == "https://api.eu.sendgrid.com"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("key")
def test_sendgrid_is_refused_until_readers_can_read_its_name(
    publication: Callable[..., Settings],
) -> None:
    assert codes(publication(toml=sendgrid(""))) == ["NL601"]


@pytest.mark.usefixtures("key")
def test_the_other_region_is_another_host_to_be_named(
    publication: Callable[..., Settings],
) -> None:
    text = sendgrid().replace("api_key", 'region = "global"\napi_key')
    assert codes(publication(toml=text)) == ["NL601"]


@pytest.mark.parametrize("day", ["2026-11-22", "2999-01-01"])
@pytest.mark.usefixtures("key")
def test_sendgrid_is_refused_before_its_agreement(
    publication: Callable[..., Settings], day: str
) -> None:
    assert codes(publication(toml=sendgrid().replace("2026-10-01", day))) == ["NL631"]


@pytest.mark.parametrize(
    "day", ['"soon"', '"2026-02-30"', "0", "true", '""', "2026-10-01T10:00:00"]
)
def test_a_day_that_is_none_is_no_agreement(publication: Callable[..., Settings], day: str) -> None:
    with pytest.raises(CouldNotRun) as refused:
        publication(toml=sendgrid().replace("2026-10-01", day))
    assert [finding.code for finding in refused.value.findings] == ["NL107"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:1"]
)
@pytest.mark.usefixtures("key")
def test_a_rehearsal_is_never_carried_by_sendgrid(
    publication: Callable[..., Settings], url: str
) -> None:
    assert codes(publication(toml=sendgrid(url=url))) == ["NL632"]


@pytest.mark.parametrize("site", ["http://127.0.0.1:8000", "https://letter.clinic.net"])
@pytest.mark.usefixtures("key")
def test_site_and_forms_must_both_be_where_readers_are(
    publication: Callable[..., Settings], site: str
) -> None:
    forms = "https://letter.clinic.net" if "127" in site else "http://127.0.0.1:8000"
    text = sendgrid(f'{SENDGRID_NAMED}[web]\npublic_url = "{forms}"\n', site)
    assert codes(publication(toml=text)) == ["NL632"]


@pytest.mark.usefixtures("key")
def test_a_stand_in_on_this_machine_needs_no_word(publication: Callable[..., Settings]) -> None:
    text = sendgrid("", "http://127.0.0.1:8000") + 'stand_in = "http://127.0.0.1:8026"\n'
    found = choose(publication(toml=text), TODAY)
    assert found.service.base == "http://127.0.0.1:8026"  # type: ignore[attr-defined]


@pytest.mark.parametrize("address", ["http://10.0.0.1:1", "https://evil.net", "http://localhost:1"])
@pytest.mark.usefixtures("key")
def test_a_stand_in_elsewhere_is_refused(
    publication: Callable[..., Settings], address: str
) -> None:
    text = sendgrid("") + f'stand_in = "{address}"\n'
    assert codes(publication(toml=text)) == ["NL634"]


def test_without_a_key_everything_wrong_is_still_told_at_once(
    publication: Callable[..., Settings],
) -> None:
    text = sendgrid("", "http://[::1]:80").replace("api_key =", "# api_key =")
    assert codes(publication(toml=text.replace("clinic.net", "example.org"))) == [
        "NL633",
        "NL601",
        "NL603",
        "NL632",
    ]


def test_a_key_that_is_not_where_it_should_be_is_told_before_the_first_mail(
    publication: Callable[..., Settings],
) -> None:
    assert codes(publication(toml=sendgrid())) == ["NL106"]


@pytest.mark.usefixtures("key")
def test_without_the_sdk_the_command_that_brings_it_is_told(
    publication: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sendgrid", None)
    with pytest.raises(CouldNotRun) as refused:
        choose(publication(toml=sendgrid()), TODAY)
    (finding,) = refused.value.findings
    assert finding.code == "NL630"
    assert "pip install '.[sendgrid]'" in finding.help


def test_who_sends_by_smtp_never_loads_the_sdk() -> None:
    code = "import sys, newsletter.delivery.transports.choice; print('sendgrid' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("10.0.0.1", False),
        ("localhost.provider.net", False),
        ("127.0.0.1.nip.io", False),
        ("0.0.0.0", False),
    ],
)
def test_only_loopback_is_this_machine(host: str, ours: bool) -> None:
    assert is_this_machine(host) is ours
