"""What is in the way of a job that nobody watches: told in one line, once; sent when the way is free, once each."""

from __future__ import annotations

import datetime as dt
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from living import DUE, World, full_disk, world
from scripted_relay import Step

from newsletter.delivery import ledger
from newsletter.delivery.desk import BATCH
from newsletter.delivery.ledger import whereabouts
from newsletter.errors import CouldNotRun
from newsletter.flows import send
from newsletter.flows.halt import halt
from newsletter.flows.open import open_issue
from newsletter.issue.period import Period
from newsletter.store import engine

DECEMBER = Period(2026, 12)
READERS = 4
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "RETRIES", ())
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, [DECEMBER]) as made:
        made.readers(READERS)
        yield made


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was said, without the JSON of the progress."""
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if line and not line.startswith("{")]


def all_got_one(place: World) -> None:
    account = place.host().account()
    assert (account.accepted, account.state) == (READERS, "closed")
    assert sorted(place.server.accepted) == [f"reader{n}@example.org" for n in range(READERS)]


def test_a_relay_that_is_off_is_told_once_and_sent_to_when_it_is_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]

    def road(port: int) -> str:
        return f'\n[delivery.smtp]\nport = {closed}\nsecurity = "none"\n'

    with world(tmp_path, [DECEMBER], toml=road) as place:
        place.readers(READERS)
        host = place.host()
        duties = host.duties()
        for _ in range(3):
            duties.month()
            place.now += 2 * MINUTE
        assert host.account().pending == READERS
        [line] = told(capsys)
        assert line.startswith("month waits: 2026-12: 0 of 4 accepted, 4 waiting · ")
        assert "127.0.0.1 does not answer" in line
        assert "Connection refused" in line
        # The relay comes back, on the port that is in the settings.
        smtp = host.up().transport
        host.up().__dict__["transport"] = type(smtp)(_moved(smtp, place.server.port))
        host.up().__dict__.pop("parts")
        duties.month()
        assert told(capsys) == ["month: the way is free again", "2026-12: 4 of 4 accepted · closed"]
        all_got_one(place)


def _moved(smtp: object, port: int) -> object:
    from dataclasses import replace

    return replace(smtp.relay, port=port)  # type: ignore[attr-defined]


def test_whoever_is_put_off_while_the_issue_is_halted_is_excluded_and_the_issue_ends(
    tmp_path: Path,
) -> None:
    def halts(_line: str) -> str:
        parts = host.up().parts
        halt(parts, DECEMBER, parts.clock())
        return "450 4.2.0 later"

    with world(tmp_path, [DECEMBER], script={Step.RCPT: halts}) as place:
        place.readers(READERS)
        host = place.host()
        host.ticks()
        account = host.account()
    assert (account.excluded, account.pending, account.state) == (READERS, 0, "halted")
    assert account.closed_at is not None


def test_a_halted_issue_whose_sender_was_killed_ends_at_the_next_tick(place: World) -> None:
    host = place.host()
    parts = host.up().parts
    open_issue(parts, DECEMBER, place.now)
    with parts.store.write() as tx:
        gone = replace(whereabouts.here(), pid=2**22 + 1)
        ledger.register(tx, "dead", gone, place.now)
        [job] = ledger.claim(tx, ledger.Lane(str(DECEMBER)), "dead", 1, place.now)
        ledger.begin(tx, job, "dead", place.now)
    halt(parts, DECEMBER, place.now)
    host.ticks()
    account = host.account()
    assert (account.in_doubt, account.excluded, account.pending) == (1, READERS - 1, 0)
    assert account.closed_at is not None


@pytest.mark.parametrize(("put", "code"), [(None, "NL704"), ("ab" * 16, "NL705")])
def test_a_witness_that_is_taken_or_exchanged_in_the_middle_of_a_send_stops_it_before_the_next_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], put: str | None, code: str
) -> None:
    once = threading.Semaphore(1)  # both lines may be at their dot

    def tamper(_line: str) -> str:
        file = host.up().witness.path
        if len(place.server.accepted) == 1 and once.acquire(blocking=False):
            kept = json.loads(file.read_text("utf-8"))
            file.unlink()
            if put:
                file.write_text(json.dumps(kept | {"store": put}), "utf-8")
        return "250 ok"

    number = 3 * BATCH
    with world(tmp_path, [DECEMBER], script={Step.DOT: tamper}) as place:
        place.readers(number)
        host = place.host()
        duties = host.duties()
        with pytest.raises(CouldNotRun) as stopped:
            duties.month()
        assert stopped.value.findings[0].code == code
        account = host.account()
        assert (account.in_doubt, account.accepted) == (0, len(place.server.accepted))
        assert 0 < account.pending < number
        host.adopts()
        assert host.account().in_doubt == account.pending
        assert not [each for each in host.state.rglob("*.json") if each.stem == put]


def test_a_relay_whose_name_does_not_resolve_is_told_as_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with world(tmp_path, [DECEMBER]) as place:
        place.readers(READERS)
        host = place.host()
        opened = open_issue(host.up().parts, DECEMBER, place.now)
        assert isinstance(opened, ledger.Opened)
        host.down()
        # Now a relay elsewhere, and a sender that is no example, so that it may be sent from.
        text = host.root / "newsletter.toml"
        road = (
            '[delivery.smtp]\nhost = "relay.invalid"\n[processors.Relay]\nhost = "relay.invalid"\n'
            'purpose = "carries our mail"\nagreement_date = "2026-01-01"\nregion = "EU"\n'
        )
        settings = text.read_text("utf-8").replace("letter.example.org", "letter.kupov.clinic")
        text.write_text(settings.partition("[delivery.smtp]")[0] + road, "utf-8")
        duties = host.duties()
        duties.month()
        duties.month()
        [line] = told(capsys)
        assert line.startswith("month waits: 2026-12: 0 of 4 accepted, 4 waiting · ")
        assert "the name relay.invalid of the relay does not resolve" in line
        assert host.account().pending == READERS


def test_a_locked_database_is_told_once_and_sent_to_when_it_is_free(
    place: World, capsys: pytest.CaptureFixture[str]
) -> None:
    host = place.host()
    duties = host.duties()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(host.root / "subscribers/newsletter.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    for _ in range(2):
        _as_run_does(duties)
    [line] = told(capsys)
    assert line.startswith("month waits: NL145 the database refused: database is locked; ")
    holder.communicate("\n", timeout=10)
    duties.month()
    assert told(capsys) == ["month: the way is free again", "2026-12: 4 of 4 accepted · closed"]
    all_got_one(place)


HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


def _as_run_does(duties: object) -> None:
    """A duty that fails is told to `trouble`, as the tick does."""
    from newsletter.cli.serve import Duties

    assert isinstance(duties, Duties)
    try:
        duties.month()
    except Exception as error:  # noqa: BLE001 - as the tick
        duties.trouble("month", error)


@pytest.mark.parametrize("limit", [0, 40_000, 120_000])
def test_a_full_disk_is_told_once_and_sent_to_when_there_is_room(
    place: World, capsys: pytest.CaptureFixture[str], limit: int
) -> None:
    host = place.host()
    duties = host.duties()
    host.up().parts  # noqa: B018 - the start is over
    with full_disk(limit):  # type: ignore[attr-defined]
        for _ in range(2):
            _as_run_does(duties)
    said = told(capsys)
    waits = [line for line in said if line.startswith("month waits")]
    assert len(waits) == 1, said
    assert re.search(r"NL(145|127|711) .*(disk|File too large)", waits[0])
    before = len(place.server.delivered)
    duties.month()
    place.now += 2 * MINUTE
    duties.month()
    account = host.account()
    assert account.accepted + account.in_doubt == READERS
    assert account.in_doubt <= before
    taken = [to for to, _ in place.copies()]
    assert sorted(taken) == sorted(set(taken)), "nobody got two"
    assert "month: the way is free again" in told(capsys)


def test_a_certificate_that_is_over_is_told_as_that_and_a_new_one_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority, over, good = _certificates(tmp_path)

    def road(port: int) -> str:
        return (
            f'\n[delivery.smtp]\nhost = "localhost"\nport = {port}\nsecurity = "starttls"\n'
            f'ca_file = "{authority}"\n'
        )

    with world(tmp_path, [DECEMBER], toml=road, tls=over) as place:
        place.readers(READERS)
        duties = place.host().duties()
        for _ in range(2):
            duties.month()
            place.now += 2 * MINUTE
        [line] = told(capsys)
        assert "expired" in line
        assert place.server.delivered == []
        place.server.tls = good
        duties.month()
        assert told(capsys)[0] == "month: the way is free again"
        all_got_one(place)


def _certificates(folder: Path) -> tuple[Path, ssl.SSLContext, ssl.SSLContext]:
    """An authority's file, and what a server shows with a certificate that is over and one that holds."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])

    def made(
        name: x509.Name, key: ec.EllipticCurvePrivateKey, until: dt.datetime, *, root: bool
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(root_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * day)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
                critical=False,
            )
        )
        if not root:
            names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            builder = builder.add_extension(names, critical=False)
        else:
            usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(root_key, hashes.SHA256())

    authority = folder / "authority.pem"
    authority.write_bytes(
        made(root_name, root_key, now + day, root=True).public_bytes(serialization.Encoding.PEM)
    )
    contexts = []
    for at, until in enumerate((now - day, now + day)):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        both = folder / f"server{at}.pem"
        both.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made(name, key, until, root=False).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        contexts.append(context)
    return authority, contexts[0], contexts[1]


def test_a_clock_set_back_before_the_last_mail_is_told_once_and_goes_on_when_it_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sent in December; the clock falls back into November, which is approved and was never sent."""
    with world(tmp_path, [Period(2026, 11), DECEMBER, Period(2027, 1)]) as place:
        place.readers(READERS)
        host = place.host()
        duties = host.duties()
        duties.month()
        assert len(place.server.accepted) == READERS
        told(capsys)
        host.off_by = -dt.timedelta(days=28)  # 3 November
        for _ in range(3):
            _as_run_does(duties)
        [line] = told(capsys)
        assert line.startswith(
            "month waits: NL710 the clock says 2026-11-03 09:00 (Europe/Berlin), but"
        )
        assert len(place.server.accepted) == READERS
        host.off_by = dt.timedelta()
        duties.month()
        assert told(capsys)[0] == "month: the way is free again"
        place.now = dt.datetime(2027, 1, 1, 8, 1, tzinfo=dt.UTC)
        host.down()  # the machine was started anew: its month off is no step of the clock
        host.duties().month()
        assert len(place.server.accepted) == 2 * READERS
        assert {subject for _, subject in place.copies()} == {"2026-12", "2027-01"}


def test_a_clock_set_forward_while_running_sends_nothing_for_an_hour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with world(tmp_path, [DECEMBER]) as place:
        place.now = DUE - dt.timedelta(days=3)
        place.readers(READERS)
        host = place.host()
        duties = host.duties()
        duties.month()
        told(capsys)
        host.off_by = dt.timedelta(days=4)
        for _ in range(2):
            _as_run_does(duties)
        [line] = told(capsys)
        assert line.startswith("month waits: NL712 the clock was set forward by 4 days at once; ")
        host.off_by = dt.timedelta()
        duties.month()
        assert told(capsys)[0] == "month: the way is free again"
        assert place.server.delivered == []


def test_a_clock_set_forward_in_the_middle_gives_nobody_up(place: World) -> None:
    """Nine days at once, beyond the end of the ladder, while a relay defers: they wait, and get it."""
    from scripted_relay import Step

    host = place.host()

    def later(_line: str) -> str:
        host.off_by = dt.timedelta(days=9)
        return "450 4.2.0 later"

    place.server.script = {Step.RCPT: later}
    host.duties().month()
    account = host.account()
    assert (account.rejected, account.pending, account.state) == (0, READERS, "open")
    host.off_by = dt.timedelta()
    place.server.script = {}
    place.now += dt.timedelta(days=1)
    host.duties().month()
    account = host.account()
    # Their next try was reckoned by the wrong clock; it stays within the issue's life or is given up then.
    assert account.rejected == 0
