"""Attacks on the sending side: what gets into an address, a name, a subject, and what a relay says back.

Nobody but the reader is ever named to the relay, no header is made by a value,
and no file, log line or row keeps an address in clear, however often the relay
repeats it.
"""

from __future__ import annotations

import base64
import email
import email.policy
import logging
import urllib.parse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_house import PERIOD, House, approved, edition, smtp
from fault_relay import At, Faulty, How, faulty
from month_files import DECEMBER, DUE, FILES, TOML
from scripted_relay import Step, relay

from newsletter import config
from newsletter.delivery import ledger
from newsletter.delivery.states import State
from newsletter.delivery.transports.smtp import Patience, Relay, SmtpTransport
from newsletter.errors import NewsletterError
from newsletter.flows.approve import approve
from newsletter.flows.parts import Parts
from newsletter.flows.send import Sent, send
from newsletter.store import Store
from newsletter.store.tables import attempts, deliveries, notices, senders, subscribers
from newsletter.subscribers import people
from newsletter.subscribers.address import Address
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

VICTIM = "victim@elsewhere.example"


def forge(house: House, reader: str, address: str) -> None:
    """Seal `address` into the row as it is: what a broken import or another program may leave."""
    with house.store.write() as tx:
        tx.execute(
            sa.update(subscribers)
            .where(subscribers.c.id == reader)
            .values(address=house.vault.seal_address(reader, Address(address, address)))
        )


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    "address",
    [
        f"a@example.org>\r\nRCPT TO:<{VICTIM}",
        f"a@example.org>\nRCPT TO:<{VICTIM}",
        f"a@example.org>\rRCPT TO:<{VICTIM}",
        f"a@example.org\r\nBcc: {VICTIM}\r\n\r\nhello",
        f"a@example.org, {VICTIM}",
        f"a@example.org>,<{VICTIM}",
        f"a\x00@example.org>\r\n.\r\nMAIL FROM:<{VICTIM}>",
        f"a@example.org> NOTIFY=SUCCESS ORCPT=rfc822;{VICTIM}",
        f"a@example.org\x85RCPT TO:<{VICTIM}>",
        f"a@example.org\u2028RCPT TO:<{VICTIM}>",
        f"\u010d\u010aRCPT TO:<{VICTIM}>",
        "",
    ],
)
def test_an_address_that_says_more_than_a_mailbox_reaches_no_relay(
    sqlite_house: House, address: str, pipelining: bool
) -> None:
    house = sqlite_house
    hostile, honest = house.readers(2)
    house.open()
    forge(house, hostile, address)
    with relay(pipelining=pipelining, extra=("SMTPUTF8", "DSN")) as server:
        house.send(smtp(server, Patience()), connections=1)
        named = [line for line in server.lines if line.upper().startswith(("RCPT", "MAIL"))]
        assert [to for to, _ in server.delivered] == ["reader1@example.org"]
        assert all("elsewhere" not in line for line in named)
        assert all(b"elsewhere" not in message for _, message in server.delivered)
    assert house.states()[honest] == "accepted"
    assert house.states()[hostile] in ("deferred", "rejected")
    assert house.sum().exact


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\x00", "\x0b", "\x85", "\u2028"])
def test_a_subject_that_would_make_a_header_is_printed_for_nobody(
    sqlite_house: House, break_: str
) -> None:
    house = sqlite_house
    house.readers(1)
    subject = f"November{break_}Bcc: {VICTIM}{break_}{break_}<p>body"
    house.open(replace(approved(), editions=(replace(edition("en"), subject=subject),)))
    with relay() as server:
        with pytest.raises(ValueError, match="control character"):
            house.send(smtp(server))
        assert server.connections == 0
    assert set(house.states().values()) == {"queued"}


@pytest.mark.parametrize("field", ["name", "title"])
def test_a_name_makes_no_header_or_is_refused(
    sqlite_store: Store,
    publication: Callable[..., config.Settings],
    now: object,
    field: str,
) -> None:
    hostile = f'{field} = "Letter\\r\\nBcc: {VICTIM}"'
    toml = TOML.replace(f'{field} = "Test letter"', hostile)
    assert hostile in toml
    try:
        settings = publication(toml=toml)
    except NewsletterError:
        return
    house = House(settings, sqlite_store, unlock(sqlite_store, RootKey(bytes(range(32))), now), now)  # type: ignore[arg-type]
    house.readers(1)
    house.open()
    with relay() as server:
        house.send(smtp(server))
        ((_, raw),) = server.delivered
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert mail["Bcc"] is None
    assert b"\nBcc:" not in raw


MAILBOX = "zebra.canary+news@quagga-family.net"
SPELLINGS = (
    "{m}",
    "<{m}>: Recipient address rejected",
    "{u} unknown at {d}",
    '"{u}"@{d} {q}',
    "{b} {x}",
)


def spelled(words: str) -> str:
    user, _, domain = MAILBOX.partition("@")
    return words.format(
        m=MAILBOX,
        u=user,
        d=domain,
        q=urllib.parse.quote(MAILBOX, safe=""),
        b=base64.b64encode(MAILBOX.encode()).decode(),
        x=MAILBOX.encode().hex(),
    )


def traces() -> list[bytes]:
    """Every piece of the canary that would give it away, in any case."""
    whole = MAILBOX.encode()
    encoded = [base64.b64encode(whole), whole.hex().encode(), urllib.parse.quote(MAILBOX, safe="")]
    pieces = [b"zebra", b"canary", b"quagga", MAILBOX.encode("utf-16-le"), MAILBOX[::-1].encode()]
    return [
        each.lower() if isinstance(each, bytes) else each.lower().encode() for each in encoded
    ] + pieces


def betrayed(folder: Path) -> list[str]:
    """The files under `folder` that hold a trace. Lower case hides base64, so that is looked for both ways."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if any(trace in content or trace in content.lower() for trace in traces()):
                found.append(path.name)
    return found


@pytest.fixture
def canary(
    sqlite_store: Store, tmp_path: Path, publication: Callable[..., config.Settings]
) -> tuple[House, Path]:
    """A publication whose one issue is due, and whose one reader is the canary."""
    settings = publication(FILES, TOML)
    house = House(settings, sqlite_store, unlock(sqlite_store, RootKey(bytes(range(32))), DUE), DUE)
    row = people.new_row(house.vault, Address(MAILBOX, MAILBOX), "en", DUE)
    row |= {"state": "confirmed", "confirmed_at": DUE, "consent_epoch": 1}
    with sqlite_store.write() as tx:
        tx.execute(sa.insert(subscribers), [row])
    house.readers(len(SPELLINGS) - 1)
    (settings.root / "subscribers").mkdir(mode=0o700)
    approve(settings, DECEMBER, "Editor", DUE)
    return house, tmp_path


@pytest.mark.parametrize("code", ["250 2.0.0", "450 4.2.1", "550 5.1.1"])
def test_a_send_leaves_the_address_in_no_file_and_no_log(
    canary: tuple[House, Path],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    code: str,
) -> None:
    house, folder = canary
    words = [spelled(each) for each in SPELLINGS]
    caplog.set_level(logging.DEBUG)
    during: list[str] = []

    def dot(_to: str) -> str:
        during.extend(betrayed(folder))  # the tally, the log ahead of the database, the witness
        return f"{code} {words[len(server.delivered) % len(words)]}"

    with relay({Step.DOT: dot}) as server:
        parts = Parts(
            house.settings,
            house.store,
            house.vault,
            smtp(server, Patience()),
            lambda: DUE,
            lambda: None,
            lambda _page: True,
        )
        sent = send(parts, DECEMBER)
    assert isinstance(sent, Sent)
    assert len(server.delivered) == len(SPELLINGS)
    said = capfd.readouterr()
    spoken = "\n".join((caplog.text, said.out, said.err, repr(sent), repr(parts.vault))).lower()
    assert during == []
    assert betrayed(folder) == []
    assert not [trace for trace in traces() if trace.decode("latin-1") in spoken]


@pytest.mark.parametrize("how", [How.LATER, How.NEVER, How.CLOSING])
@pytest.mark.parametrize(
    "step", [At.GREETING, At.EHLO, At.AUTH, At.MAIL, At.RCPT, At.DATA, At.BODY, At.DOT]
)
def test_what_a_relay_says_of_a_reader_stands_in_no_row(
    sqlite_house: House, step: At, how: How
) -> None:
    house = sqlite_house
    house.readers(1)
    house.open()
    words = spelled(" ".join(SPELLINGS))
    who = ("u", lambda: "p") if step is At.AUTH else (None, None)
    with faulty(Faulty(step, how, pipelining=True, words=words)) as server:
        way = Relay("127.0.0.1", server.port, "none", "letter.example.org", *who)
        report = house.send(SmtpTransport(way), connections=1)
        assert server.done
    kept = [repr(report)]
    with house.store.read() as tx:
        for table in (attempts, deliveries, notices, senders):
            kept += [repr(tuple(row)) for row in tx.execute(sa.select(table))]
        kept += [repr(line) for line in ledger.lines(tx, PERIOD, list(State))]
    whole = "\n".join(kept).lower()
    assert not [trace for trace in traces() if trace.decode("latin-1") in whole]
