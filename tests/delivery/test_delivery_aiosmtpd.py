"""A relay that somebody else wrote: aiosmtpd takes the mails as they are."""

from __future__ import annotations

import email
import email.policy
import socket
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from certificates import authority
from delivery_house import House

from newsletter.delivery.outcome import Envelope as Mail
from newsletter.delivery.outcome import Kind, Stage
from newsletter.delivery.transports.smtp import Relay, SmtpTransport


class Box:
    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 2.0.0 taken"


def test_every_reader_has_one_mail_with_one_to_and_one_rcpt(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(30)
    house.open()
    box = Box()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        report = house.send(SmtpTransport(Relay("127.0.0.1", port, "none", "letter.example.org")))
    finally:
        server.stop()
    assert report.accepted == len(box.envelopes) == 30
    for envelope in box.envelopes:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert envelope.rcpt_tos == [mail["To"]]
        assert envelope.mail_from == "letter@letter.example.org"
        assert not mail.defects
    assert len({envelope.rcpt_tos[0] for envelope in box.envelopes}) == 30


@pytest.mark.parametrize("password", ["right", "wrong"])
def test_behind_starttls_and_a_log_in_it_takes_mail_for_a_mailbox_in_any_script(
    tmp_path: Path, password: str
) -> None:
    ca = authority(tmp_path)
    box = Box()

    def check(
        server: object, session: object, envelope: object, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=data == LoginPassword(b"letter", b"right"), handled=False)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=ca.relay(),
        require_starttls=True,
        auth_required=True,
        authenticator=check,
        enable_SMTPUTF8=True,
    )
    server.start()
    road = Relay(
        *("127.0.0.1", port, "starttls", "letter.example.org", "letter", lambda: password),
        authority=ca.file,
    )
    talk = SmtpTransport(road).connect()
    try:
        reader = "читатель@example.org"
        outcome = talk.send(
            Mail("letter@example.org", reader, smtputf8=True), b"Subject: x\r\n\r\n"
        )
        talk.close()
    finally:
        server.stop()
    if password == "right":
        assert outcome.kind is Kind.ACCEPTED
        assert [envelope.rcpt_tos for envelope in box.envelopes] == [[reader]]
    else:
        assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.AUTH)
        assert box.envelopes == []
