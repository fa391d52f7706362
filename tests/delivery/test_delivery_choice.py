"""Which way out a publication may take, and why not another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from newsletter.config import Settings
from newsletter.delivery.transports.choice import choose, is_this_machine
from newsletter.delivery.transports.outbox import OutboxTransport
from newsletter.delivery.transports.smtp import SmtpTransport
from newsletter.errors import CouldNotRun

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
        choose(settings)
    return [finding.code for finding in refused.value.findings]


def test_this_machine_needs_no_word(publication: Callable[..., Settings]) -> None:
    found = choose(publication(toml=toml("127.0.0.1", "none", domain="letter.example.org")))
    assert isinstance(found, SmtpTransport)


def test_a_host_that_is_not_named_is_refused(publication: Callable[..., Settings]) -> None:
    assert codes(publication(toml=toml("smtp.provider.net"))) == ["NL601"]


def test_a_named_host_is_taken(publication: Callable[..., Settings]) -> None:
    found = choose(publication(toml=toml("smtp.provider.net", more=NAMED)))
    assert isinstance(found, SmtpTransport)
    assert (found.relay.host, found.relay.security) == ("smtp.provider.net", "tls")


def test_another_host_that_is_named_does_not_help(publication: Callable[..., Settings]) -> None:
    assert codes(publication(toml=toml("smtp.other.net", more=NAMED))) == ["NL601"]


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
    found = choose(settings)
    assert isinstance(found, OutboxTransport)
    assert found.folder == settings.root / "outbox"


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
