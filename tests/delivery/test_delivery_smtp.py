"""The SMTP transport against a relay that may do anything at any step."""

from __future__ import annotations

import math
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from scripted_relay import DRIP, DROP, GARBAGE, HANG, PARTIAL, Scripted, Step, relay

from newsletter.delivery import worker
from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage, boot_seconds
from newsletter.delivery.reply import WORDS, scrub
from newsletter.delivery.transports.smtp import Patience, Relay, SmtpConnection, SmtpTransport

QUICK = Patience(*[0.15] * 6)
MESSAGE = b"Subject: x\r\n\r\n.leading dot\r\n..two\r\nend\r\n"
READER = Envelope("letter@example.org", "reader@example.org")


def connection(server: Scripted, **more: object) -> SmtpConnection:
    values: dict[str, object] = {"security": "none", "helo": "example.org", "patience": QUICK}
    return SmtpTransport(Relay("127.0.0.1", server.port, **values | more)).connect()  # type: ignore[arg-type]


def send(server: Scripted, envelope: Envelope = READER, **more: object) -> Outcome:
    talk = connection(server, **more)
    try:
        return talk.send(envelope, MESSAGE)
    finally:
        talk.close()


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_message_arrives_byte_for_byte_and_is_accepted(pipelining: bool) -> None:
    with relay(pipelining=pipelining) as server:
        outcome = send(server)
        assert outcome.kind is Kind.ACCEPTED
        assert (outcome.stage, outcome.code, outcome.enhanced) == (Stage.TERMINATOR, 250, "2.0.0")
        assert server.delivered == [("reader@example.org", MESSAGE)]


D, R, O, I = Kind.DEFERRED, Kind.REJECTED, Kind.OUR_FAULT, Kind.IN_DOUBT  # noqa: E741

TABLE = {
    #                drop 4yz 5yz 421 garbage hang partial
    Step.GREETING: (D, D, O, D, D, D, D),
    Step.HELLO: (D, D, O, D, D, D, D),
    Step.MAIL: (D, D, O, D, D, D, D),
    Step.RCPT: (D, D, R, D, D, D, D),
    Step.DATA: (D, D, D, D, D, D, D),
    Step.DOT: (I, D, R, D, I, I, I),
}
FAULTS = (
    *(DROP, "451 4.3.0 later", "550 5.1.1 no", "421 4.3.2 closing"),
    *(GARBAGE, HANG, PARTIAL),
)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("step", "fault", "kind"),
    [
        (step, fault, kind)
        for step, kinds in TABLE.items()
        for fault, kind in zip(FAULTS, kinds, strict=True)
    ],
)
def test_what_each_fault_at_each_step_means(
    step: Step, fault: str, kind: Kind, pipelining: bool
) -> None:
    with relay({step: fault}, pipelining=pipelining) as server:
        outcome = send(server)
        assert outcome.kind is kind
        wanted = Stage.TERMINATOR if step is Step.DOT else Stage(step.value)
        assert outcome.stage is wanted
        assert not server.accepted


def test_nobody_answers_at_the_port() -> None:
    with relay() as server:
        port = server.port
    talk = SmtpTransport(Relay("127.0.0.1", port, "none", "example.org")).connect()
    outcome = talk.ready()
    assert outcome is not None
    assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.CONNECT)


def test_a_reply_that_only_drips_is_cut_off_by_the_whole_wait() -> None:
    with relay({Step.DOT: DRIP}) as server:
        assert send(server).kind is Kind.IN_DOUBT


def test_552_at_rcpt_is_read_as_452() -> None:
    with relay({Step.RCPT: "552 too many recipients"}) as server:
        assert send(server).kind is Kind.DEFERRED
    with relay({Step.DOT: "552 5.2.2 mailbox full"}) as server:
        assert send(server).kind is Kind.REJECTED


def test_a_code_and_an_enhanced_code_that_disagree_do_not_give_up() -> None:
    with relay({Step.RCPT: "550 4.7.1 come back"}) as server:
        assert send(server).kind is Kind.DEFERRED


def test_nonsense_codes_after_the_dot_are_in_doubt() -> None:
    with relay({Step.DOT: "354 more"}) as server:
        assert send(server).kind is Kind.IN_DOUBT


@pytest.mark.parametrize("pipelining", [True, False])
def test_after_a_refused_reader_the_next_one_gets_the_mail_on_the_same_line(
    pipelining: bool,
) -> None:
    replies = ["550 5.1.1 no", "450 4.2.1 later", "250 ok"]
    data = ["503 no recipients", "503 no recipients", "354 go"] if pipelining else "354 go"
    with relay({Step.RCPT: replies, Step.DATA: data}, pipelining=pipelining) as server:
        talk = connection(server)
        kinds = [talk.send(READER, MESSAGE).kind for _ in range(4)]
        talk.close()
        assert kinds == [Kind.REJECTED, Kind.DEFERRED, Kind.ACCEPTED, Kind.ACCEPTED]
        assert server.connections == 1
        assert server.lines.count("RSET") == 2


def test_a_server_that_wants_data_without_a_recipient_gets_none() -> None:
    with relay({Step.RCPT: ["550 5.1.1 no", "250 ok"]}) as server:
        talk = connection(server)
        assert talk.send(READER, MESSAGE).kind is Kind.REJECTED
        assert talk.send(READER, MESSAGE).kind is Kind.ACCEPTED
        talk.close()
        assert server.connections == 2
        assert len(server.delivered) == 1


def test_a_reply_that_was_read_counts_though_the_line_is_cut_behind_it() -> None:
    with relay({Step.RCPT: "550 5.1.1 no", Step.DATA: DROP}) as server:
        assert send(server).kind is Kind.REJECTED


def test_a_cut_line_is_dialled_again() -> None:
    with relay({Step.DOT: [DROP, "250 ok"]}) as server:
        talk = connection(server)
        assert talk.send(READER, MESSAGE).kind is Kind.IN_DOUBT
        assert talk.send(READER, MESSAGE).kind is Kind.ACCEPTED
        talk.close()


def test_a_large_message_cut_while_it_is_written_was_certainly_not_taken() -> None:
    with relay({Step.BODY: DROP}) as server:
        talk = connection(server, patience=Patience(*[2.0] * 6))
        outcome = talk.send(READER, b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 400_000)
        assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.DATA)


def test_abort_from_another_thread_ends_a_wait_for_the_last_answer() -> None:
    import threading

    with relay({Step.DOT: HANG}) as server:
        talk = connection(server, patience=Patience())
        found: list[Outcome] = []
        thread = threading.Thread(target=lambda: found.append(talk.send(READER, MESSAGE)))
        thread.start()
        assert server.hits[Step.DOT].wait(5)
        talk.abort()
        thread.join(5)
        assert [outcome.kind for outcome in found] == [Kind.IN_DOUBT]
        assert talk.send(READER, MESSAGE).kind is Kind.DEFERRED


def test_a_process_that_slept_past_its_lease_writes_no_final_dot() -> None:
    with relay() as server:
        talk = connection(server)
        late = Envelope(READER.sender, READER.recipient, dot_before=boot_seconds() - 1)
        outcome = talk.send(late, MESSAGE)
        assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.DATA)
        assert talk.send(READER, MESSAGE).kind is Kind.ACCEPTED
        assert [to for to, _ in server.delivered] == ["reader@example.org"]
    assert READER.dot_before == math.inf


def test_a_local_part_that_is_not_ascii_needs_smtputf8() -> None:
    reader = Envelope("letter@example.org", "анна@example.org", smtputf8=True)
    with relay() as server:
        outcome = send(server, reader)
        assert (outcome.kind, outcome.enhanced) == (Kind.REJECTED, "5.6.7")
    with relay(extra=("SMTPUTF8", "8BITMIME", "SIZE 1000000")) as server:
        assert send(server, reader).kind is Kind.ACCEPTED
        mail = next(line for line in server.lines if line.startswith("MAIL"))
        assert mail == f"MAIL FROM:<letter@example.org> SIZE={len(MESSAGE)} BODY=8BITMIME SMTPUTF8"


def test_a_kept_reply_names_nobody() -> None:
    words = "550 5.1.1 <reader@example.org>: User reader unknown, ask abuse@example.net."
    with relay({Step.RCPT: words}) as server:
        outcome = send(server)
    assert outcome.reply == "5.1.1 … user … unknown …"


@pytest.mark.parametrize(
    "words",
    [
        "5.1.1 <anna.canary+news@canary-family.net>: unknown",
        '5.1.1 Recipient "anna.canary" unknown',
        "user anna.canary unknown in virtual table",
        "anna.canary%2Bnews%40canary-family.net",
        "anna.canary+news=canary-family.net bounced",
        "b+anna.canary+news=canary-family.net@relay.net x",
        "Anna.Canary+News (at) Canary-Family.net",
        "relay to canary-family.net denied",
        "no mailbox anna.canary+news@ canary-family.net",
        "no mailbox:anna.canary(unknown)canary",
        "YW5uYS5jYW5hcnkrbmV3c0BjYW5hcnktZmFtaWx5Lm5ldA==",
        "a n n a",
        "unknown user annacanary",
    ],
)
def test_no_spelling_of_an_address_is_kept(words: str) -> None:
    kept = scrub(words)
    assert set(kept.split()) <= WORDS | {"…", "5.1.1"}
    assert not set(kept.split()) & {"anna", "canary", "n", "net"}


def test_what_mail_servers_say_is_kept() -> None:
    assert scrub("5.2.2 Mailbox full (quota exceeded).") == "5.2.2 mailbox full quota exceeded"
    assert scrub("Error: authentication failed") == "error authentication failed"


def test_a_stranger_flooding_the_line_is_no_reply() -> None:
    with relay({Step.RCPT: "250-" + "x" * 5000}) as server:
        assert send(server).kind is Kind.DEFERRED
    with relay({Step.RCPT: "\r\n".join(["250-again"] * 500)}) as server:
        assert send(server).kind is Kind.DEFERRED


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2"),
            *("-subj", "/CN=relay", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return key, cert


def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate[1], certificate[0])
    return made


def test_starttls_with_a_certificate_that_verifies(certificate: tuple[Path, Path]) -> None:
    trust = ssl.create_default_context(cafile=str(certificate[1]))
    with relay(tls=server_tls(certificate)) as server:
        outcome = send(server, security="starttls", tls=trust, patience=Patience(*[5.0] * 6))
        assert outcome.kind is Kind.ACCEPTED
        assert [line.split()[0].upper() for line in server.lines[:3]] == [
            "EHLO",
            "STARTTLS",
            "EHLO",
        ]


def test_a_certificate_that_does_not_verify_is_our_fault_and_nothing_is_sent(
    certificate: tuple[Path, Path],
) -> None:
    with relay(tls=server_tls(certificate)) as server:
        outcome = send(server, security="starttls", patience=Patience(*[5.0] * 6))
        assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.STARTTLS)
        assert not any(line.startswith("MAIL") for line in server.lines)


def test_a_relay_without_starttls_is_refused_not_spoken_to_in_clear() -> None:
    with relay() as server:
        outcome = send(server, security="starttls")
        assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.STARTTLS)
        assert not any(line.startswith("MAIL") for line in server.lines)


def test_words_injected_before_the_handshake_are_forgotten(
    certificate: tuple[Path, Path],
) -> None:
    trust = ssl.create_default_context(cafile=str(certificate[1]))
    injected = "220 go\r\n250-evil\r\n250 AUTH PLAIN"
    with relay({Step.STARTTLS: injected}, tls=server_tls(certificate)) as server:
        outcome = send(server, security="starttls", tls=trust, patience=Patience(*[5.0] * 6))
        # The injected bytes break the handshake or are dropped; they are never a reply.
        assert outcome.kind in (Kind.ACCEPTED, Kind.DEFERRED)
        assert not any(line.startswith("AUTH") for line in server.lines)


@pytest.mark.parametrize(
    ("step", "kind"),
    [("454 4.7.0 later", Kind.DEFERRED), ("501 5.5.2 no", Kind.OUR_FAULT), (DROP, Kind.DEFERRED)],
)
def test_faults_at_starttls(step: str, kind: Kind, certificate: tuple[Path, Path]) -> None:
    with relay({Step.STARTTLS: step}, tls=server_tls(certificate)) as server:
        outcome = send(server, security="starttls")
        assert (outcome.kind, outcome.stage) == (kind, Stage.STARTTLS)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("235 2.7.0 ok", Kind.ACCEPTED),
        ("535 5.7.8 wrong", Kind.OUR_FAULT),
        ("454 4.7.0 later", Kind.DEFERRED),
        (DROP, Kind.DEFERRED),
        (HANG, Kind.DEFERRED),
    ],
)
def test_faults_at_auth(answer: str, kind: Kind) -> None:
    with relay({Step.AUTH: answer}, extra=("AUTH PLAIN",)) as server:
        outcome = send(server, user="me", password=lambda: "secret")
        assert outcome.kind is kind


def test_a_relay_that_offers_no_way_to_log_in_is_our_fault() -> None:
    for extra in ((), ("AUTH GSSAPI",)):
        with relay(extra=extra) as server:
            outcome = send(server, user="me", password=lambda: "secret")
            assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.AUTH)


def test_quit_may_fail_without_harm() -> None:
    with relay() as server:
        talk = connection(server)
        assert talk.send(READER, MESSAGE).kind is Kind.ACCEPTED
    talk.close()


def test_a_relay_that_takes_so_many_messages_on_a_line_gets_a_new_line() -> None:
    replies = ["250 ok", "250 ok", "421 4.7.0 enough for one connection", "250 ok"]
    with relay({Step.MAIL: replies}) as server:
        talk = connection(server)
        assert [talk.send(READER, MESSAGE).kind for _ in range(3)] == [Kind.ACCEPTED] * 3
        talk.close()
        assert server.connections == 2


def test_a_line_that_was_closed_while_it_was_idle_is_dialled_again() -> None:
    with relay({Step.MAIL: ["250 ok", DROP, "250 ok"]}) as server:
        talk = connection(server)
        assert [talk.send(READER, MESSAGE).kind for _ in range(2)] == [Kind.ACCEPTED] * 2
        talk.close()
        assert len(server.accepted) == 2


def test_a_relay_that_always_hangs_up_is_not_dialled_for_ever() -> None:
    with relay({Step.MAIL: ["250 ok", "421 4.3.2 going down"]}) as server:
        talk = connection(server)
        assert talk.send(READER, MESSAGE).kind is Kind.ACCEPTED
        assert talk.send(READER, MESSAGE).kind is Kind.DEFERRED
        assert server.connections == 2


def test_a_relay_that_takes_long_to_fail_is_not_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is just starting refuses at once; one that hangs would be waited for four times five minutes."""
    monkeypatch.setattr(worker, "LONG_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    transport = SmtpTransport(Relay("127.0.0.1", port, "none", "letter.example.org"))
    line = worker.Worker(transport.connect(), threading.Event(), (60.0,), lambda _: None)
    trouble = line._dial()
    assert trouble is not None
    assert trouble.kind is Kind.DEFERRED
