"""What keeps mail back: each condition by its finding, no reader touched by it, and gone on with when it is over."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from certificates import DAY, Authority, authority
from delivery_house import House
from scripted_relay import DROP, Scripted, Step, relay

from newsletter.config import Settings
from newsletter.delivery.loop import Stop
from newsletter.delivery.states import State
from newsletter.delivery.tempo import Tempo
from newsletter.delivery.transports.outbox import OutboxTransport
from newsletter.delivery.transports.smtp import Patience, Relay, SmtpTransport
from newsletter.store.tables import deliveries
from newsletter.subscribers.tokens import Purpose

QUICK = Patience(*[2.0] * 6)


@dataclass
class Road:
    """A relay that may be in trouble, and a way to it."""

    server: Scripted
    ca: Authority
    more: dict[str, object] = field(default_factory=dict)

    def transport(self) -> SmtpTransport:
        values: dict[str, object] = {"security": "none", "helo": "x.org", "patience": QUICK}
        return SmtpTransport(
            Relay(self.server.address, self.server.port, **values | self.more)  # type: ignore[arg-type]
        )


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


Trouble = Callable[[Road, pytest.MonkeyPatch], Callable[[], None]]
"""Make it; what ends it comes back."""


def _said(step: Step, words: str) -> Trouble:
    def make(road: Road, _: pytest.MonkeyPatch) -> Callable[[], None]:
        script: dict[Step, str] = {step: words}
        road.server.script = script
        return script.clear

    return make


def _no_name(road: Road, patch: pytest.MonkeyPatch) -> Callable[[], None]:
    real = socket.getaddrinfo
    away = [True]

    def asked(*args: object, **more: object) -> object:
        if away:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(*args, **more)  # type: ignore[arg-type]

    patch.setattr(socket, "getaddrinfo", asked)
    return away.clear


def _certificate(**what: object) -> Trouble:
    def make(road: Road, _: pytest.MonkeyPatch) -> Callable[[], None]:
        road.more |= {"security": "starttls", "authority": road.ca.file}
        road.server.tls = road.ca.relay(**what) if what else road.ca.nobody()  # type: ignore[arg-type]

        def renew() -> None:
            road.server.tls = road.ca.relay()

        return renew

    return make


def _no_starttls(road: Road, _: pytest.MonkeyPatch) -> Callable[[], None]:
    road.more |= {"security": "starttls", "authority": road.ca.file}

    def offer() -> None:
        road.server.tls = road.ca.relay()

    return offer


def _wrong_password(road: Road, _: pytest.MonkeyPatch) -> Callable[[], None]:
    secret = ["old"]
    road.more |= {"user": "me", "password": lambda: secret[-1]}
    road.server.extra = ("AUTH PLAIN",)
    right = "AG1lAG5ldw=="  # \0me\0new
    road.server.script = {Step.AUTH: lambda line: "235 ok" if right in line else "535 5.7.8 wrong"}
    return lambda: secret.append("new")


CONDITIONS: dict[str, tuple[Trouble, str, str]] = {
    "relay down": (_said(Step.GREETING, DROP), "NL620", "does not answer"),
    "relay silent at HELO": (_said(Step.HELLO, DROP), "NL620", "does not answer"),
    "name does not resolve": (_no_name, "NL622", "does not resolve"),
    "certificate expired": (_certificate(ends_in=-DAY), "NL623", "expired"),
    "certificate for another host": (
        _certificate(address="127.0.0.9"),
        "NL623",
        "for another name",
    ),
    "certificate self-signed": (_certificate(), "NL623", "self-signed"),
    "AUTH refused": (_wrong_password, "NL624", "does not let us log in"),
    "STARTTLS missing": (_no_starttls, "NL625", "does not take STARTTLS"),
    "refused at the greeting": (_said(Step.GREETING, "554 5.7.1 no"), "NL626", "refuses us"),
    "refused at MAIL": (_said(Step.MAIL, "550 5.7.1 not from you"), "NL626", "refuses us"),
    "rate limited at the greeting": (
        _said(Step.GREETING, "421 4.7.0 too many connections"),
        "NL627",
        "slow down",
    ),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_is_told_in_a_line_touches_nobody_and_is_gone_on_from(
    sqlite_house: House, ca: Authority, condition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = sqlite_house
    readers = house.readers(5)
    house.open()
    make, code, words = CONDITIONS[condition]
    with relay() as server:
        road = Road(server, ca)
        end = make(road, monkeypatch)
        transport = road.transport()
        report = house.send(transport)
        assert report.stop is Stop.PAUSED
        assert report.trouble is not None
        assert (report.trouble.code, words in report.trouble.what) == (code, True)
        assert report.why == report.trouble.what
        assert report.said.startswith(f"{code} ")
        assert "\n" not in report.said
        assert report.trouble.help
        assert house.states() == dict.fromkeys(readers, "queued")
        assert server.delivered == []
        end()
        assert house.send(transport).accepted == 5
        assert house.states() == dict.fromkeys(readers, "accepted")
        assert len(server.accepted) == len(set(server.accepted)) == 5


def test_an_outbox_that_takes_no_mail_says_so(sqlite_house: House, tmp_path: Path) -> None:
    house = sqlite_house
    readers = house.readers(3)
    house.open()
    (tmp_path / "outbox").write_bytes(b"")
    report = house.send(OutboxTransport(tmp_path / "outbox"))
    assert (report.stop, report.trouble and report.trouble.code) == (Stop.PAUSED, "NL629")
    assert house.states() == dict.fromkeys(readers, "queued")


def test_a_server_that_has_had_enough_gets_fewer_connections_and_everybody_their_mail(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    house.readers(40)
    house.open()
    told: list[str] = []
    mails = ["250 ok"] * 10 + ["421 4.7.0 too many connections"] * 2 + ["250 ok"]
    with relay({Step.MAIL: mails}) as server:
        tempo = Tempo(4)
        report = house.send(
            smtp_at(server),
            connections=4,
            tempo=tempo,
            progress=lambda done, total, label: told.append(label),
        )
        # Those who were told 421 wait a little; nobody was given up.
        assert report.stop is Stop.DONE
        assert report.ended.get(State.REJECTED, 0) == 0
        if report.slowed is None:  # both 421s met an idle line, and a new dial was enough
            assert report.accepted == 40
        else:
            assert report.slowed.code == "NL627"
            assert "slower" in told[-1]
    assert len(server.accepted) == len(set(server.accepted)) == report.accepted


def smtp_at(server: Scripted) -> SmtpTransport:
    return SmtpTransport(Relay(server.address, server.port, "none", "x.org", patience=QUICK))


def test_rate_limits_at_rcpt_slow_the_sender_and_do_not_pause_it(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(12)
    house.open()
    limits = ["250 ok", "450 4.7.28 unusual rate of mail", "250 ok"]
    data = ["354 go", "503 no recipient", "354 go"]
    with relay({Step.RCPT: limits, Step.DATA: data}) as server:
        tempo = Tempo(8)
        report = house.send(smtp_at(server), connections=1, tempo=tempo)
        assert report.stop is Stop.DONE
        assert report.slowed is not None
        assert report.slowed.code == "NL627"
        assert report.ended == {State.ACCEPTED: 11, State.DEFERRED: 1}
        assert tempo.connections(time.monotonic()) == 4


def test_loops_that_share_a_tempo_never_have_more_lines_than_there_may_be(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    house.readers(10)
    house.open()
    tempo = Tempo(2)
    assert tempo.sit(2, issue=False) == 2
    with relay() as server:
        report = house.send(smtp_at(server), connections=4, tempo=tempo)
        assert (report.accepted, report.not_tried, server.connections) == (0, 10, 0)
        tempo.rise(2, issue=False)
        assert house.send(smtp_at(server), connections=4, tempo=tempo).accepted == 10
        assert server.connections <= 2


def test_the_return_path_names_the_delivery_and_only_we_can_make_it(
    sqlite_house: House, publication: Callable[..., Settings]
) -> None:
    house = sqlite_house
    sender = house.settings.sender.model_copy(update={"bounce_domain": "bounces.example.org"})
    house.settings = house.settings.model_copy(update={"sender": sender})
    house.readers(3)
    house.open()
    with relay(extra=("DSN",)) as server:
        assert house.send(smtp_at(server)).accepted == 3
    mails = [line for line in server.lines if line.startswith("MAIL")]
    tokens = [line.partition("<b+")[2].partition("@bounces.example.org>")[0] for line in mails]
    assert [line.partition("ENVID=")[2].split()[0] for line in mails] == tokens
    names = {house.vault.read_token(Purpose.BOUNCE, token) for token in tokens}
    with house.store.read() as tx:
        ids = {bytes.fromhex(row)[:8] for row in tx.scalars(sa.select(deliveries.c.id))}
    assert names == ids
    assert house.vault.read_token(Purpose.MAIL, tokens[0]) is None
    forged = ("A" if tokens[0][-1] != "A" else "B").join((tokens[0][:-1], ""))
    assert house.vault.read_token(Purpose.BOUNCE, forged) is None
