"""How an SMTP conversation is opened: TLS, logging in, LMTP, sockets; and what keeps it shut."""

from __future__ import annotations

import base64
import hmac
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import DAY, Authority, authority
from scripted_relay import Scripted, Step, relay

from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage
from newsletter.delivery.transports.smtp import Patience, Relay, SmtpConnection, SmtpTransport
from newsletter.errors import CouldNotRun, Finding

WAIT = Patience(*[5.0] * 6)
MESSAGE = b"Subject: x\r\n\r\nhello\r\n"
READER = Envelope("letter@example.org", "reader@example.org")
PASSWORD = "pass-wörd canary"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


def connection(server: Scripted, **more: object) -> SmtpConnection:
    values: dict[str, object] = {"security": "none", "helo": "example.org", "patience": WAIT}
    host = more.pop("host", server.address)
    return SmtpTransport(Relay(host, server.port or 24, **values | more)).connect()  # type: ignore[arg-type]


def send(server: Scripted, **more: object) -> Outcome:
    talk = connection(server, **more)
    try:
        return talk.send(READER, MESSAGE)
    finally:
        talk.close()


def secured(server: Scripted, ca: Authority, security: str = "starttls") -> Outcome:
    return send(server, security=security, authority=ca.file)


# TLS


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_of_our_authority_is_believed(ca: Authority, security: str) -> None:
    with relay(tls=ca.relay(), implicit=security == "tls") as server:
        assert secured(server, ca, security).kind is Kind.ACCEPTED


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize(
    ("side", "words"),
    [
        (lambda ca: ca.relay(ends_in=-DAY), "expired"),
        (lambda ca: ca.relay(address="127.0.0.9"), "for another name"),
        (lambda ca: ca.nobody(), "self-signed"),
    ],
    ids=["expired", "wrong host", "self-signed"],
)
def test_a_certificate_that_does_not_verify_says_why_and_gets_nothing(
    ca: Authority, side: Callable[[Authority], ssl.SSLContext], words: str, security: str
) -> None:
    with relay(tls=side(ca), implicit=security == "tls") as server:
        outcome = secured(server, ca, security)
        assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.STARTTLS)
        assert words in outcome.reply
        assert not [line for line in server.lines if line[:4] in ("MAIL", "AUTH")]


def test_an_authority_that_nobody_knows_is_not_believed(ca: Authority, tmp_path: Path) -> None:
    stranger = authority(tmp_path)
    with relay(tls=stranger.relay(), implicit=True) as server:
        outcome = secured(server, ca, "tls")
        assert outcome.kind is Kind.OUR_FAULT
        assert "unknown authority" in outcome.reply


def test_once_the_certificate_is_renewed_the_same_connection_goes_on(ca: Authority) -> None:
    with relay(tls=ca.relay(ends_in=-DAY)) as server:
        talk = connection(server, security="starttls", authority=ca.file)
        assert talk.send(READER, MESSAGE).kind is Kind.OUR_FAULT
        server.tls = ca.relay()
        assert talk.send(READER, MESSAGE).kind is Kind.ACCEPTED
        talk.close()


def test_an_authority_file_that_is_not_there_is_our_fault(tmp_path: Path) -> None:
    with relay() as server:
        outcome = send(server, security="starttls", authority=tmp_path / "none.pem")
        assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.STARTTLS)
        assert server.connections == 0


def test_tls_below_1_2_is_refused(ca: Authority) -> None:
    old = ca.relay()
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with relay(tls=old) as server:
        outcome = secured(server, ca)
        assert outcome.stage is Stage.STARTTLS
        assert outcome.kind is not Kind.ACCEPTED
        assert "TLS failed" in outcome.reply
        assert not [line for line in server.lines if line.startswith("MAIL")]


def test_a_relay_that_speaks_clear_where_tls_is_asked_gets_nothing() -> None:
    with relay() as server:
        outcome = send(server, security="tls")
        assert outcome.stage is Stage.STARTTLS
        assert outcome.kind in (Kind.DEFERRED, Kind.OUR_FAULT)
        assert server.lines == [] or not server.lines[0].isascii()


def test_words_behind_the_220_of_starttls_end_the_line(ca: Authority) -> None:
    injected = "220 go\r\n250-evil\r\n250 AUTH PLAIN"
    with relay({Step.STARTTLS: injected}, tls=ca.relay()) as server:
        outcome = send(
            server, security="starttls", authority=ca.file, user="me", password=lambda: PASSWORD
        )
        assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.STARTTLS)
        assert [line.split()[0].upper() for line in server.lines] == ["EHLO", "STARTTLS"]


def test_what_was_offered_before_the_handshake_does_not_count_after_it(ca: Authority) -> None:
    with relay(tls=ca.relay(), extra=("AUTH PLAIN",)) as server:
        server.extra_secure = ()
        outcome = send(
            server, security="starttls", authority=ca.file, user="me", password=lambda: PASSWORD
        )
        assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.AUTH)
        assert outcome.reply == "not offered"


# AUTH


def said(server: Scripted) -> list[str]:
    """What the relay was told from AUTH on."""
    first = next(at for at, line in enumerate(server.lines) if line.startswith("AUTH"))
    return server.lines[first:]


def decoded(word: str) -> str:
    return base64.b64decode(word).decode()


def log_in(server: Scripted, ca: Authority | None = None) -> Outcome:
    more = {"security": "starttls", "authority": ca.file} if ca else {}
    return send(server, user="wöman", password=lambda: PASSWORD, **more)


def test_plain_is_said_in_one_line(ca: Authority) -> None:
    with relay(extra=("AUTH CRAM-MD5 LOGIN PLAIN",), tls=ca.relay()) as server:
        assert log_in(server, ca).kind is Kind.ACCEPTED
        word, way, answer = said(server)[0].split()
        assert (word, way, decoded(answer)) == ("AUTH", "PLAIN", f"\0wöman\0{PASSWORD}")


def test_a_very_long_secret_is_not_put_into_the_first_line(ca: Authority) -> None:
    steps = ["334 ", "235 ok"]
    with relay({Step.AUTH: steps}, extra=("AUTH PLAIN",), tls=ca.relay()) as server:
        outcome = send(
            server,
            security="starttls",
            authority=ca.file,
            user="me",
            password=lambda: "x" * 600,
        )
        assert outcome.kind is Kind.ACCEPTED
        assert said(server)[0] == "AUTH PLAIN"
        assert decoded(said(server)[1]) == "\0me\0" + "x" * 600


def test_login_answers_the_two_questions(ca: Authority) -> None:
    steps = ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok"]
    with relay({Step.AUTH: steps}, extra=("AUTH=LOGIN",), tls=ca.relay()) as server:
        assert log_in(server, ca).kind is Kind.ACCEPTED
        assert said(server)[0] == "AUTH LOGIN"
        assert [decoded(each) for each in said(server)[1:3]] == ["wöman", PASSWORD]


def test_cram_md5_shows_no_password() -> None:
    challenge = base64.b64encode(b"<1896.697170952@relay>").decode()
    steps = [f"334 {challenge}", "235 ok"]
    with relay({Step.AUTH: steps}, extra=("AUTH PLAIN CRAM-MD5",)) as server:
        assert log_in(server).kind is Kind.ACCEPTED
        digest = hmac.new(PASSWORD.encode(), b"<1896.697170952@relay>", "md5").hexdigest()
        assert said(server)[0] == "AUTH CRAM-MD5"
        assert decoded(said(server)[1]) == f"wöman {digest}"


def test_a_challenge_that_is_none_ends_the_line() -> None:
    with relay({Step.AUTH: "334 !!!"}, extra=("AUTH CRAM-MD5",)) as server:
        outcome = log_in(server)
        assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.AUTH)


def test_a_relay_that_never_stops_asking_is_called_off(ca: Authority) -> None:
    with relay({Step.AUTH: "334 more"}, extra=("AUTH LOGIN",), tls=ca.relay()) as server:
        outcome = log_in(server, ca)
        assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.AUTH)
        assert said(server)[3] == "*"


def test_a_wrong_password_is_tried_once_and_no_account_is_locked(ca: Authority) -> None:
    script = {Step.AUTH: "535 5.7.8 wrong"}
    with relay(script, extra=("AUTH PLAIN LOGIN CRAM-MD5",), tls=ca.relay()) as server:
        assert log_in(server, ca).kind is Kind.OUR_FAULT
        assert len(said(server)) == 1


def test_a_mechanism_that_does_not_work_after_all_is_followed_by_the_next(ca: Authority) -> None:
    steps = ["504 5.5.4 not this one", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok"]
    with relay({Step.AUTH: steps}, extra=("AUTH PLAIN LOGIN",), tls=ca.relay()) as server:
        assert log_in(server, ca).kind is Kind.ACCEPTED


def test_a_secret_that_cannot_be_read_is_our_fault_and_raises_nothing() -> None:
    def missing() -> str:
        raise CouldNotRun(Finding("NL106", "the environment variable X is not set"))

    with relay(extra=("AUTH PLAIN",)) as server:
        outcome = send(server, user="me", password=missing)
        assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.AUTH)


def test_no_secret_is_kept_of_a_reply_that_repeats_it(ca: Authority) -> None:
    script: dict[Step, object] = {Step.AUTH: lambda line: f"535 5.7.8 bad {line} {PASSWORD}"}
    with relay(script, extra=("AUTH PLAIN",), tls=ca.relay()) as server:  # type: ignore[arg-type]
        outcome = log_in(server, ca)
        assert outcome.kind is Kind.OUR_FAULT
        assert "canary" not in repr(outcome)
        assert base64.b64encode(PASSWORD.encode()).decode()[:12] not in repr(outcome)


def test_a_name_for_this_machine_that_leads_elsewhere_gets_neither_password_nor_mail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import socket

    with relay(extra=("AUTH PLAIN",)) as server:
        # The only part that is not ours: what the kernel says of the other end.
        monkeypatch.setattr(socket.socket, "getpeername", lambda _: ("192.0.2.7", server.port))
        outcome = send(server, user="me", password=lambda: PASSWORD)
        assert outcome.kind is Kind.OUR_FAULT
        assert "another machine" in outcome.reply
        assert not server.lines


# Sockets and LMTP


def test_a_socket_in_the_file_system_is_a_relay_like_any(tmp_path: Path) -> None:
    with relay(unix=tmp_path / "smtp") as server:
        assert send(server).kind is Kind.ACCEPTED
        assert server.accepted == ["reader@example.org"]


def test_a_socket_that_is_not_there_is_a_relay_that_is_down(tmp_path: Path) -> None:
    outcome = SmtpTransport(Relay(f"unix:{tmp_path}/none", 25, "none", "x")).connect().ready()
    assert outcome is not None
    assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.CONNECT)


def test_lmtp_says_lhlo_and_its_answer_for_the_one_reader_counts(tmp_path: Path) -> None:
    answers = ["550 5.1.1 no such mailbox", "250 2.1.5 ok"]
    with relay({Step.DOT: answers}, unix=tmp_path / "lmtp") as server:
        talk = connection(server, lmtp=True)
        kinds = [talk.send(READER, MESSAGE).kind for _ in range(2)]
        talk.close()
        assert kinds == [Kind.REJECTED, Kind.ACCEPTED]
        assert server.lines[0] == "lhlo example.org"
        assert server.connections == 1


def test_lmtp_is_not_spoken_to_a_relay_that_knows_only_helo(tmp_path: Path) -> None:
    with relay({Step.HELLO: "500 what?"}, unix=tmp_path / "lmtp") as server:
        outcome = send(server, lmtp=True)
        assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.HELLO)
        assert server.lines == ["lhlo example.org"]


def test_a_relay_that_knows_only_helo_is_spoken_to_plainly() -> None:
    hello = {Step.HELLO: lambda line: "250 ok" if line.startswith("helo") else "502 no"}
    with relay(hello) as server:
        assert send(server).kind is Kind.ACCEPTED
        assert [line for line in server.lines if line.startswith("MAIL")] == [
            "MAIL FROM:<letter@example.org>"
        ]


# What it is told


def test_a_resolver_that_does_not_answer_is_told_as_such_and_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import socket

    real = socket.getaddrinfo

    def away(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with relay() as server:
        talk = connection(server, host="localhost")
        monkeypatch.setattr(socket, "getaddrinfo", away)
        outcome = talk.ready()
        assert outcome is not None
        assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.CONNECT)
        assert outcome.reply == "the name does not resolve"
        monkeypatch.setattr(socket, "getaddrinfo", real)
        assert talk.send(READER, MESSAGE).kind is Kind.ACCEPTED
        talk.close()


def test_every_condition_has_its_finding(ca: Authority, tmp_path: Path) -> None:
    from newsletter.delivery.transports.trouble import finding

    def code(outcome: Outcome | None) -> tuple[str, str]:
        assert outcome is not None
        found = finding(outcome, "mail.example.net")
        assert "\n" not in found.what + found.help
        assert "mail.example.net" in found.what
        return found.code, found.what

    def scripted(step: Step, words: str) -> Outcome:
        with relay({step: words}, extra=("AUTH PLAIN",)) as server:
            return send(server, user="me", password=lambda: "x")

    down = SmtpTransport(Relay(f"unix:{tmp_path}/none", 25, "none", "x")).connect().ready()
    assert code(down)[0] == "NL620"
    nowhere = SmtpTransport(Relay("x" * 64, 25, "none", "x")).connect().ready()
    assert code(nowhere)[0] == "NL622"
    for side, word in (
        (ca.relay(ends_in=-DAY), "expired"),
        (ca.relay(address="127.0.0.9"), "another name"),
        (ca.nobody(), "self-signed"),
    ):
        with relay(tls=side) as server:
            found, what = code(secured(server, ca))
        assert found == "NL623"
        assert word in what
    assert code(scripted(Step.AUTH, "535 5.7.8 wrong"))[0] == "NL624"
    with relay() as server:
        assert code(send(server, security="starttls"))[0] == "NL625"
    for step in (Step.GREETING, Step.HELLO, Step.MAIL):
        assert code(scripted(step, "550 5.7.1 not from you"))[0] == "NL626"
    for step in (Step.GREETING, Step.MAIL, Step.RCPT, Step.DOT):
        assert code(scripted(step, "421 4.7.0 too many connections"))[0] == "NL627"
    assert code(scripted(Step.RCPT, "451 4.7.1 greylisted"))[0] == "NL620"
