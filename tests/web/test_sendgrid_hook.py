"""SendGrid's signed webhook: who is believed, what is kept, and what strangers try."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import gzip
import json
import logging
import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.web.house import NOW, Answer, House, make_house
from tests.web.test_server import Line, request

from newsletter.config import Delivery, SendGrid, Settings
from newsletter.delivery.feedback import sendgrid as sendgrid_events
from newsletter.delivery.feedback.events import Kind
from newsletter.errors import CouldNotRun
from newsletter.store import open_store, tables
from newsletter.subscribers import people
from newsletter.subscribers.address import Address
from newsletter.web import fields
from newsletter.web.sendgrid import LONGEST_BODY, MOST_HELD, Hands, Hook
from newsletter.web.server import Server

PATH = "/hooks/sendgrid"
THEIRS = ec.generate_private_key(ec.SECP256R1())
CANARY = "canaryreader@example.org"
ID = "ab" * 16
STAMP = str(int(NOW.timestamp()))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """Both databases; a reader, and their delivery accepted by SendGrid an hour ago."""
    store = None
    if request.param == "postgresql":
        store = open_store(request.getfixturevalue("postgres_url"))
    for house in make_house(tmp_path, None, store=store, sendgrid=THEIRS.public_key()):
        with_delivery(house)
        yield house


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[House]:
    """For what strangers try: the database does not matter."""
    yield from make_house(tmp_path, None, sendgrid=THEIRS.public_key())


def with_delivery(house: House) -> None:
    person = people.new_row(house.parts.vault, Address(CANARY, CANARY), "en", NOW)
    person |= {"state": "confirmed", "confirmed_at": NOW, "consent_epoch": 1}
    hour = dt.timedelta(hours=1)
    with house.store.write() as tx:
        tx.execute(sa.insert(tables.subscribers).values(person))
        tx.execute(
            sa.insert(tables.issues).values(
                period="2026-11", number=1, state="open", manifest="a", approved_by="E",
                opened_at=NOW - hour, dated=NOW - hour, closes_at=NOW + hour, audience=1,
            )
        )  # fmt: skip
        tx.execute(
            sa.insert(tables.deliveries).values(
                id=ID, period="2026-11", subscriber_id=person["id"], language="en", state="accepted",
                message_id="<x@y>", consent_epoch=1, attempts=1, due_at=NOW,
                settled_at=NOW - hour,
            )
        )  # fmt: skip


def event(kind: str = "bounce", **more: object) -> dict[str, object]:
    """As SendGrid sends it, address, words and all."""
    return {
        "email": CANARY,
        "timestamp": int(NOW.timestamp()) - 60,
        "smtp-id": "<x@y>",
        "event": kind,
        "sg_event_id": f"id-of-{kind}",
        "sg_message_id": "QtcB5.filter0001",
        "reason": f"550 5.1.1 <{CANARY}>: user unknown",
        "status": "5.0.0",
        "type": "bounce",
        "ip": "203.0.113.7",
        "useragent": "Mozilla/5.0 canaryagent",
        "newsletter_delivery": ID,
        **more,
    }


def sign(body: bytes, stamp: str = STAMP, key: ec.EllipticCurvePrivateKey = THEIRS) -> str:
    signature = key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return base64.b64encode(signature).decode()


def headers(body: bytes, stamp: str = STAMP, signature: str | None = None) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-Twilio-Email-Event-Webhook-Signature": sign(body, stamp)
        if signature is None
        else signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }


def post(house: House, events: object, **more: Any) -> Answer:
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    return house.ask("POST", PATH, body, headers(body, **more))


def delivery(house: House) -> Any:
    with house.store.read() as tx:
        return tx.execute(sa.select(tables.deliveries)).one()


def stored(house: House) -> list[Any]:
    with house.store.read() as tx:
        return list(tx.execute(sa.select(tables.feedback_events)))


def suppressed(house: House) -> list[str]:
    with house.store.read() as tx:
        return list(tx.scalars(sa.select(tables.suppressions.c.reason)))


# --- what it does -------------------------------------------------------------


def test_a_bounce_marks_the_delivery_and_the_reader_is_not_mailed_again(house: House) -> None:
    answer = post(house, [event()])
    assert (answer.status, answer.body) == (204, b"")
    assert delivery(house).state == "bounced"
    (kept,) = stored(house)
    assert (kept.kind, kept.source, kept.code, kept.enhanced) == (
        "bounced",
        "sendgrid",
        550,
        "5.1.1",
    )
    assert suppressed(house) == ["bounced"]


def test_a_complaint_takes_the_reader_out(house: House) -> None:
    assert post(house, [event("spamreport")]).status == 204
    assert delivery(house).state == "complained"
    assert "complained" in suppressed(house)


def test_a_block_is_about_us_and_suppresses_nobody(house: House) -> None:
    assert post(house, [event(type="blocked", reason="550 5.7.1 our policy")]).status == 204
    assert stored(house)[0].kind == "blocked"
    assert suppressed(house) == []


def test_delivered_settles_a_doubt(house: House) -> None:
    with house.store.write() as tx:
        tx.execute(sa.update(tables.deliveries).values(state="in_doubt"))
    assert post(house, [event("delivered", reason=None, response="250 OK")]).status == 204
    assert delivery(house).state == "accepted"


def test_opens_and_clicks_are_never_kept(house: House) -> None:
    before = house.state()
    others = ["open", "click", "processed", "unsubscribe", "group_unsubscribe", "group_resubscribe"]
    assert post(house, [event(kind) for kind in others]).status == 204
    assert house.state() == before


def test_a_replay_within_its_time_changes_nothing(house: House) -> None:
    body = json.dumps([event("delivered"), event()]).encode()
    assert house.ask("POST", PATH, body, headers(body)).status == 204
    before = house.state()
    for _ in range(3):
        assert house.ask("POST", PATH, body, headers(body)).status == 204
    assert house.state() == before


def test_the_same_event_in_another_batch_is_the_same_event(house: House) -> None:
    post(house, [event("delivered")])
    post(house, [event("spamreport", sg_event_id="id-of-delivered")])
    assert [row.kind for row in stored(house)] == ["delivered"]
    assert delivery(house).state == "accepted"


def test_copies_that_come_at_once_count_once(house: House) -> None:
    """SendGrid asks again when an answer is late, and the first request may still be under way."""
    batch = [event("delivered", sg_event_id=f"d{each}") for each in range(30)] + [
        event("spamreport")
    ]
    body = json.dumps(batch).encode()
    signature, hook = sign(body), Hook(house.parts)
    with ThreadPoolExecutor(4) as pool:
        takes = [pool.submit(hook._take, STAMP, signature, body) for _ in range(4)]
    assert [take.result().status_code for take in takes] == [204] * 4
    assert len(stored(house)) == 31
    assert delivery(house).state == "complained"


def test_an_event_that_names_no_row_of_ours_is_answered_and_forgotten(house: House) -> None:
    before = house.state()
    test_events = [
        event(newsletter_delivery="cd" * 16),  # nobody's
        event(newsletter_delivery="' OR 1=1 --"),
        event(newsletter_delivery=ID.upper()),
        event(newsletter_delivery=[ID]),
        event(newsletter_delivery=None),
        {key: value for key, value in event().items() if key != "newsletter_delivery"},
        event(sg_event_id=""),
        event(sg_event_id=7),
        event(sg_event_id="x" * 5000),
        event(event=["bounce"]),
        {},
        [],
        "bounce",
        None,
        7,
    ]
    assert post(house, test_events).status == 204
    assert house.state() == before


def test_a_good_event_counts_among_bad_ones(house: House) -> None:
    assert post(house, [{}, None, event(sg_event_id=""), event(), "x"]).status == 204
    assert delivery(house).state == "bounced"


def test_a_name_that_stands_twice_is_no_name(house: House) -> None:
    body = json.dumps([event()]).encode()[:-2] + f', "newsletter_delivery": "{ID}"}}]'.encode()
    assert post(house, body).status == 204
    assert stored(house) == []


def test_no_address_no_words_and_no_agent_stand_anywhere_afterwards(
    house: House,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.DEBUG):
        post(house, [event(kind) for kind in ("bounce", "deferred", "spamreport", "dropped")])
        post(house, [event()], signature=sign(b"another"))
        post(house, b"[" + json.dumps(event()).encode())
    assert stored(house)
    rows = repr(house.state())
    files = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    said = caplog.text + "".join(capfd.readouterr())
    for canary in ("canaryreader", "canaryagent", "203.0.113.7", "user unknown", "QtcB5"):
        assert canary not in rows
        assert canary.encode() not in files
        assert canary not in said


# --- what is read of an event -------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kind", "code", "enhanced"),
    [
        ({"event": "delivered", "reason": None, "response": "250 OK"}, Kind.DELIVERED, 250, "5.0.0"),
        ({"event": "deferred", "reason": None, "response": "400 try again"}, Kind.DEFERRED, 400, "5.0.0"),
        ({}, Kind.BOUNCED, 550, "5.1.1"),
        ({"reason": "500 unknown recipient"}, Kind.BOUNCED, 500, "5.0.0"),
        ({"reason": "552-5.2.2 The mailbox is full"}, Kind.BOUNCED, 552, "5.2.2"),
        ({"reason": "unknown", "status": "5.1.1 oh"}, Kind.BOUNCED, None, None),
        ({"reason": "5500 5.1.1", "status": ""}, Kind.BOUNCED, None, None),
        ({"reason": "550 5.1.1.1"}, Kind.BOUNCED, 550, "5.0.0"),
        ({"reason": "999 x", "status": "9.9.9"}, Kind.BOUNCED, None, None),
        ({"reason": "٥٥٠ 5.1.1", "status": "٥.1.1"}, Kind.BOUNCED, None, None),
        ({"type": "blocked"}, Kind.BLOCKED, 550, "5.1.1"),
        ({"event": "dropped", "reason": "Bounced Address"}, Kind.BOUNCED, None, "5.0.0"),
        ({"event": "dropped", "reason": "Invalid"}, Kind.BOUNCED, None, "5.0.0"),
        ({"event": "dropped", "reason": "Spam Reporting Address"}, Kind.COMPLAINED, None, "5.0.0"),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, Kind.LEFT, None, "5.0.0"),
        ({"event": "dropped", "reason": "Spam Content"}, Kind.BLOCKED, None, "5.0.0"),
        ({"event": "dropped", "reason": {"x": 1}}, Kind.BLOCKED, None, "5.0.0"),
        ({"event": "spamreport", "reason": None}, Kind.COMPLAINED, None, "5.0.0"),
    ],
)  # fmt: skip
def test_an_event_becomes_what_the_table_says(
    given: dict[str, object], kind: Kind, code: int | None, enhanced: str | None
) -> None:
    body = json.dumps([event(**given)], ensure_ascii=False).encode()
    (found,) = sendgrid_events.read(body, NOW)
    assert (found.kind, found.code, found.enhanced) == (kind, code, enhanced)
    assert (found.delivery_id, found.at, found.source) == (ID, NOW, "sendgrid")


# --- who is believed ----------------------------------------------------------


def test_a_changed_octet_a_foreign_key_or_another_moment_is_403_and_changes_nothing(
    house: House,
) -> None:
    before = house.state()
    body = json.dumps([event()]).encode()
    good, stranger = sign(body), ec.generate_private_key(ec.SECP256R1())
    raw = base64.b64decode(good)
    flipped = base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()
    for signature in (
        flipped,
        sign(body, key=stranger),
        sign(body + b" "),
        sign(body, stamp=str(int(STAMP) - 1)),
        good[:-4],
        good + "AAAA",
        good.rstrip("=") + "====",
        "",
        "=" * 96,
        "A" * 96,
        "A" * 100_00,
        "не подпись",
        base64.b64encode(b"\x30\x06\x02\x01\x00\x02\x01\x00").decode(),  # r = s = 0
    ):
        try:
            given = headers(body, signature=signature)
            answer = house.ask("POST", PATH, body, given)
        except UnicodeEncodeError:
            continue  # no header at all
        assert answer.status == 403, signature
        assert answer.body == b""
    assert house.state() == before
    assert house.ask("POST", PATH, body, headers(body, signature=good)).status == 204


@pytest.mark.parametrize("seconds", [-301, 301, -(10**9), 10**9])
def test_a_recording_is_403_however_well_it_is_signed(strange: House, seconds: int) -> None:
    assert post(strange, [event()], stamp=str(int(STAMP) + seconds)).status == 403


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_five_minutes_either_way_are_fresh(strange: House, seconds: int) -> None:
    assert post(strange, [], stamp=str(int(STAMP) + seconds)).status == 204


@pytest.mark.parametrize(
    "stamp", ["", "now", "-1", "1e9", "1763726400.0", " 1763726400", "9" * 400, "²", "0x1", "nan"]
)
def test_a_moment_that_is_none_is_403(strange: House, stamp: str) -> None:
    body = b"[]"
    given = headers(body)
    given["X-Twilio-Email-Event-Webhook-Timestamp"] = stamp
    given["X-Twilio-Email-Event-Webhook-Signature"] = base64.b64encode(
        THEIRS.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    ).decode()
    assert strange.ask("POST", PATH, body, given).status == 403


@pytest.mark.parametrize("missing", ["signature", "timestamp"])
def test_a_missing_or_doubled_header_is_403(strange: House, missing: str) -> None:
    body = b"[]"
    given = headers(body)
    one = [(name, value) for name, value in given.items() if not name.lower().endswith(missing)]
    two = [*given.items(), *((n, v) for n, v in given.items() if n.lower().endswith(missing))]
    assert strange.ask("POST", PATH, body, one).status == 403
    assert strange.ask("POST", PATH, body, two).status == 403


def _spki(key: Any) -> str:
    return base64.b64encode(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()


def test_a_key_is_taken_as_sendgrid_shows_it_and_in_pems_frame() -> None:
    ours = THEIRS.public_key()
    pem = ours.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for text in (_spki(ours), pem, f" {_spki(ours)}\n"):
        assert sendgrid_events.public_key(text) == ours


@pytest.mark.parametrize(
    "text",
    [
        _spki(ec.generate_private_key(ec.SECP384R1()).public_key()),
        _spki(ec.generate_private_key(ec.SECP256K1()).public_key()),
        _spki(ed25519.Ed25519PrivateKey.generate().public_key()),
        _spki(rsa.generate_private_key(65537, 2048).public_key()),
        _spki(THEIRS.public_key())[:-8],
        # A point that is not on the curve.
        base64.b64encode(base64.b64decode(_spki(THEIRS.public_key()))[:-32] + b"\1" * 32).decode(),
        "",
        "abc",
        "ключ",
    ],
)
def test_a_key_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        sendgrid_events.public_key(text)


def test_a_key_that_is_none_is_told_before_the_port_opens(
    publication: Callable[..., Settings],
) -> None:
    delivery = Delivery(sendgrid=SendGrid(webhook_key="MFkwabc"))
    settings = publication().model_copy(update={"delivery": delivery})
    with pytest.raises(CouldNotRun) as refused:
        sendgrid_events.webhook_key(settings)
    assert [finding.code for finding in refused.value.findings] == ["NL635"]
    assert sendgrid_events.webhook_key(publication()) is None


# --- what strangers try -------------------------------------------------------


def test_where_it_is_not_configured_nothing_is_there(tmp_path: Path) -> None:
    for bare in make_house(tmp_path, None):
        assert post(bare, [event()]).status == 404
        assert bare.get(PATH).status == 404


def test_it_is_for_post_alone(strange: House) -> None:
    assert strange.get(PATH).status == 405
    assert strange.ask("PUT", PATH, b"[]", headers(b"[]")).status == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b'"x"',
        b"[",
        b"[1,]",
        b"\xff\xfe[]",
        b"[" * 100_000,
        b"[" * 500_000 + b"]" * 500_000,
        b'[{"a":' * 100_000,
        b"[" + b"9" * 5000 + b"]",
        b"[" + b"{}," * 20_001 + b"{}]",
        b"[" + b"0," * 500_000 + b"0]",
    ],
    ids=range(13),
)
def test_a_signed_body_that_is_no_list_of_events_is_400(strange: House, body: bytes) -> None:
    before = strange.state()
    began = time.process_time()
    assert post(strange, body).status == 400
    assert time.process_time() - began < 2
    assert strange.state() == before


def test_a_body_that_is_too_long_is_not_read_to_its_end(strange: House) -> None:
    chunk = b" " * 65536
    chunks = [chunk] * 64
    given = headers(b"[]")
    answer = strange.ask("POST", PATH, chunks, given)
    assert answer.status == 413
    assert answer.chunks_read == LONGEST_BODY // len(chunk) + 1
    said = strange.ask("POST", PATH, chunks, {**given, "Content-Length": str(len(chunk) * 64)})
    assert (said.status, said.chunks_read) == (413, 0)


def test_a_packed_body_is_never_unpacked(strange: House) -> None:
    body = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    given = {**headers(body), "Content-Encoding": "gzip"}
    answer = strange.ask("POST", PATH, body, given)
    assert (answer.status, answer.chunks_read) == (415, 0)
    assert post(strange, body).status == 400  # signed, but not said: it is no JSON


def test_a_stale_or_unsigned_request_is_refused_before_its_body_is_read(strange: House) -> None:
    given = headers(b"[]", stamp=str(int(STAMP) - 1000))
    answer = strange.ask("POST", PATH, [b" "] * 10, given)
    assert (answer.status, answer.chunks_read) == (403, 0)


def test_strangers_who_hold_bodies_fill_no_memory_and_keep_no_event_out(strange: House) -> None:
    """Whoever has been sending for longest goes; SendGrid sends all at once."""
    house = strange
    with_delivery(house)
    good = json.dumps([event("bounce", pad="y" * 700_000)]).encode()
    theirs = [f"{name}: {value}" for name, value in headers(good).items()]
    announced = [*theirs, f"Content-Length: {LONGEST_BODY}"]
    with Server(house.app, "127.0.0.1", 0) as server, ExitStack() as stack:
        strangers = [stack.enter_context(Line(server.port)) for _ in range(40)]
        for stranger in strangers:
            stranger.send(request("POST", PATH, *announced, close=False))
            stranger.send(b" " * (LONGEST_BODY - 1))
        refused: set[socket.socket] = set()
        while len(refused) < 40 - MOST_HELD // LONGEST_BODY:
            refused |= set(select.select([each.socket for each in strangers], [], [], 10)[0])
        with Line(server.port) as line:
            line.send(request("POST", PATH, *theirs, body=good))

            assert line.rest().startswith(b"HTTP/1.1 204 ")

    assert delivery(house).state == "bounced"


def test_bodies_that_are_here_are_not_let_go_of() -> None:
    async def all_at_once() -> None:
        hands = Hands()
        whole = [asyncio.timeout(None) for _ in range(MOST_HELD // LONGEST_BODY)]
        for each in whole:
            hands.take(each, LONGEST_BODY)
            hands.keep(each)

        with pytest.raises(fields.Refused):
            hands.take(asyncio.timeout(None), 1)
        assert len(hands) == MOST_HELD

        hands.drop(whole[0])
        hands.take(asyncio.timeout(None), 1)

    asyncio.run(all_at_once())


def test_a_batch_as_large_as_theirs_is_answered_quickly(strange: House) -> None:
    """2,500 events, 2,000 of them news."""
    house = strange
    with_delivery(house)
    kinds = ["delivered", "deferred", "open", "bounce", "spamreport"]
    batch = [
        event(kinds[each % 5], sg_event_id=f"batch-{each}", reason="250 ok") for each in range(2500)
    ]
    body = json.dumps(batch).encode()
    assert 700_000 < len(body) < LONGEST_BODY
    began = time.process_time()
    assert house.ask("POST", PATH, body, headers(body)).status == 204
    assert time.process_time() - began < 5
    assert len(stored(house)) == 2000


def test_a_hurt_database_is_500_so_that_sendgrid_asks_again(house: House) -> None:
    with house.store.write() as tx:
        tx.execute(sa.text("ALTER TABLE feedback_events RENAME TO gone"))
    answer = post(house, [event()])
    assert answer.status == 500
    assert CANARY not in answer.text
    with house.store.write() as tx:
        tx.execute(sa.text("ALTER TABLE gone RENAME TO feedback_events"))
    assert post(house, [event()]).status == 204
    assert delivery(house).state == "bounced"
