"""SendGrid's road against a stand-in on loopback: the contract, every odd answer, every trap of its SDK."""

from __future__ import annotations

import dataclasses
import datetime as dt
import http.server
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
import sendgrid_fake
from sendgrid_fake import (
    ACCEPT,
    DROP,
    EARLY,
    GARBAGE,
    HANG,
    KEY,
    RESET,
    SANDBOX,
    Answer,
    Fake,
    error,
)
from transport_contract import CANARY, Fault, TransportContract, mail, reader

from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage, Transport, boot_seconds
from newsletter.delivery.transports import sendgrid_answer, sendgrid_mail
from newsletter.delivery.transports.sendgrid import (
    DOUBTS,
    Restraint,
    SendGridConnection,
    SendGridTransport,
    Service,
)
from newsletter.delivery.transports.sendgrid_line import Patience

QUICK = Patience(connect=0.3, send=0.3, answer=0.3, rest=0.3)


def transport_to(far: Fake, patience: Patience = QUICK) -> SendGridTransport:
    return SendGridTransport(Service(far.url, lambda: KEY, patience=patience))


def not_a_reader(body: dict[str, Any]) -> Answer:
    to = body["personalizations"][0]["to"][0]["email"]
    return error(400, f"The to address <{to}> is not valid", "personalizations.0.to.0.email")


class SendGridFarEnd:
    without: frozenset[Fault] = frozenset()
    FAULTS = {
        Fault.LATER: error(429, "too many requests", **{"Retry-After": "0"}),
        Fault.NO_SUCH_READER: not_a_reader,
        Fault.NOT_US: error(401, "The provided authorization grant is invalid"),
        Fault.CUT: DROP,
        Fault.NONSENSE: GARBAGE,
        Fault.SILENCE: HANG,
    }

    def __init__(self, far: Fake) -> None:
        self._far = far
        self.transport: Transport = transport_to(far)

    def behave(self, fault: Fault) -> None:
        if fault is Fault.DOWN:
            self._far.down()
        else:
            self._far.up()
            self._far.behave = self.FAULTS.get(fault, ACCEPT)

    def arrived(self) -> list[str]:
        return self._far.accepted

    def contacts(self) -> int:
        return self._far.connections


@pytest.fixture
def service() -> Iterator[Fake]:
    with sendgrid_fake.fake() as far:
        yield far


@pytest.fixture
def line(service: Fake) -> Iterator[SendGridConnection]:
    connection = transport_to(service).connect()
    yield connection
    connection.close()


class TestSendGrid(TransportContract):
    @pytest.fixture
    def far(self, service: Fake) -> SendGridFarEnd:
        return SendGridFarEnd(service)


# --- what is said -------------------------------------------------------------


def sent(service: Fake, line: SendGridConnection, envelope: Envelope | None = None) -> Any:
    assert line.send(envelope or reader(), mail()).kind is Kind.ACCEPTED
    return service.requests[-1]


def test_a_request_names_one_reader_and_their_row_and_nothing_else_of_them(
    service: Fake, line: SendGridConnection
) -> None:
    body = sent(service, line, dataclasses.replace(reader(), delivery_id="ab" * 16))
    (person,) = body["personalizations"]
    assert person["to"] == [{"email": reader().recipient}]
    assert person["custom_args"] == {"newsletter_delivery": "ab" * 16}
    assert set(person) == {"to", "headers", "custom_args"}
    assert json.dumps(body).count(CANARY) == 1


def test_a_mail_without_a_row_has_no_custom_argument(
    service: Fake, line: SendGridConnection
) -> None:
    assert "custom_args" not in sent(service, line)["personalizations"][0]


def test_everything_that_follows_readers_is_off_in_every_request(
    service: Fake, line: SendGridConnection
) -> None:
    body = sent(service, line)
    assert body["tracking_settings"] == {
        "click_tracking": {"enable": False, "enable_text": False},
        "open_tracking": {"enable": False},
        "subscription_tracking": {"enable": False},
        "ganalytics": {"enable": False},
    }
    assert body["mail_settings"]["footer"] == {"enable": False}
    assert not {"asm", "categories", "send_at", "batch_id", "ip_pool_name"} & set(body)


def test_one_click_and_the_pinned_message_id_go_along(
    service: Fake, line: SendGridConnection
) -> None:
    headers = sent(service, line)["personalizations"][0]["headers"]
    token = "AbCdEfGh-_0123456789AbCdEfGh-_01"
    assert headers["List-Unsubscribe"] == f"<https://letter.example.org/leave/{token}>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["Message-ID"] == "<reader0x@letter.example.org>"
    assert headers["List-Id"] == '"Test letter" <letter.letter.example.org>'
    assert "Feedback-ID" in headers
    assert not any("\n" in value or not value.isascii() for value in headers.values())


def test_text_and_html_are_what_the_message_holds_with_the_readers_own_link(
    service: Fake, line: SendGridConnection
) -> None:
    text, html = sent(service, line)["content"]
    link = "https://letter.example.org/leave/AbCdEfGh-_0123456789AbCdEfGh-_01"
    assert (text["type"], text["value"]) == ("text/plain", f"Hello\n.dot\n{link}")
    assert html["type"] == "text/html"
    assert f"<a href='{link}'>" in html["value"]


def test_words_of_every_script_come_through_unchanged() -> None:
    from newsletter.delivery import message as post
    from newsletter.delivery.headers import Letterhead
    from newsletter.delivery.message import Content

    name = "Рассылка доктора Купова — über alles, «ежемесячно» и ещё немного"
    subject = "Ноябрь: что нового об иммунотерапии, für alle; и почему это важно знать каждому"
    text = "Привет\n" + "слово " * 3000
    letterhead = Letterhead(
        name, "letter@clinic.net", "editors@clinic.net", "l.clinic.net", name, "https://c", "https://c"
    )  # fmt: skip
    content = Content(subject, f"<p>{text}</p>", text)
    bytes_ = post.issue(letterhead, content, "2026-12", dt.datetime(2026, 12, 1, tzinfo=dt.UTC))
    body = sendgrid_mail.request(reader(), bytes_.fill("a@b.net", "<i@c>", "t" * 32))
    assert body["from"] == {"email": "letter@clinic.net", "name": name}
    assert body["reply_to"] == {"email": "editors@clinic.net"}
    assert body["subject"] == subject
    assert body["content"][0]["value"].rstrip() == text.rstrip()
    headers = body["personalizations"][0]["headers"]
    assert len(headers["List-Id"]) > 78  # folded in a mail, whole in JSON
    assert all(value.isascii() and value.isprintable() for value in headers.values())


def test_the_request_is_the_sdks_own_with_key_and_agent(
    service: Fake, line: SendGridConnection
) -> None:
    sent(service, line)
    assert service.paths == ["/v3/mail/send"]
    head = service.heads[0]
    assert head["authorization"] == f"Bearer {KEY}"
    assert head["user-agent"].startswith("sendgrid/6.")
    assert head["content-type"] == "application/json"


def test_one_line_carries_many_requests(service: Fake, line: SendGridConnection) -> None:
    for _ in range(5):
        sent(service, line)
    assert service.connections == 1


# --- what is answered ---------------------------------------------------------

ANSWERS: list[tuple[str, sendgrid_fake.Behaviour, Kind, Stage]] = [
    ("a sandbox's 200", SANDBOX, Kind.IN_DOUBT, Stage.TERMINATOR),
    ("200 with an id", Answer(200, {"X-Message-Id": "x"}), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("201", Answer(201, {"X-Message-Id": "x"}), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("202 without an id", Answer(202), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("202 with an empty id", Answer(202, {"X-Message-Id": ""}), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("400 of the sender", error(400, "not verified", "from.email"), Kind.OUR_FAULT, Stage.MAIL),
    ("400 of a header", error(400, "no", "personalizations.0.headers"), Kind.OUR_FAULT, Stage.MAIL),
    ("400 of nothing", Answer(400, {}, b"no JSON"), Kind.OUR_FAULT, Stage.MAIL),
    ("400 of a list", Answer(400, {}, b"[]"), Kind.OUR_FAULT, Stage.MAIL),
    ("400 too deep", Answer(400, {}, b"[" * 60_000), Kind.OUR_FAULT, Stage.MAIL),
    ("401", error(401, "no"), Kind.OUR_FAULT, Stage.AUTH),
    ("403", error(403, "The from address does not match"), Kind.OUR_FAULT, Stage.AUTH),
    ("404", Answer(404), Kind.OUR_FAULT, Stage.MAIL),
    ("408", Answer(408), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("413", Answer(413), Kind.OUR_FAULT, Stage.MAIL),
    ("415", Answer(415), Kind.OUR_FAULT, Stage.MAIL),
    ("429", Answer(429, {"Retry-After": "0"}), Kind.DEFERRED, Stage.MAIL),
    ("500", Answer(500), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("502", Answer(502), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("503", Answer(503, {"Retry-After": "0"}), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("504", Answer(504), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("a cut answer", Answer(raw=b"HTTP/1.1 202 Acc"), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("headers without end", Answer(raw=b"HTTP/1.1 202 A\r\nX: " + b"y" * 70_000), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("a thousand headers", Answer(raw=b"HTTP/1.1 202 A\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n"), Kind.IN_DOUBT, Stage.TERMINATOR),
    ("a reset", RESET, Kind.IN_DOUBT, Stage.TERMINATOR),
]  # fmt: skip


@pytest.mark.parametrize(
    ("behaviour", "kind", "stage"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_an_answer_means_what_the_table_says_and_is_asked_for_once(
    service: Fake,
    line: SendGridConnection,
    behaviour: sendgrid_fake.Behaviour,
    kind: Kind,
    stage: Stage,
) -> None:
    service.behave = behaviour
    outcome = line.send(reader(), mail())
    assert (outcome.kind, outcome.stage) == (kind, stage)
    assert len(service.requests) == 1
    service.behave = ACCEPT
    assert line.send(reader(1), mail(1)).kind is Kind.ACCEPTED


def test_a_refused_address_is_the_readers_and_the_words_name_nobody(
    service: Fake, line: SendGridConnection
) -> None:
    service.behave = not_a_reader
    outcome = line.send(reader(), mail())
    assert outcome == Outcome(
        Kind.REJECTED, Stage.RCPT, 553, "5.1.3", "the to address … is not valid"
    )


def test_a_second_complaint_about_us_makes_it_our_fault() -> None:
    errors = [
        {"message": "x", "field": "personalizations.0.to.0.email"},
        {"message": "y", "field": "from"},
    ]
    found = sendgrid_answer.judge(400, Message(), json.dumps({"errors": errors}).encode())
    assert found.kind is Kind.OUR_FAULT


def test_an_acceptance_whose_body_breaks_off_is_one(
    service: Fake, line: SendGridConnection
) -> None:
    service.behave = Answer(202, {"X-Message-Id": "x"}, b"half", claims=100)
    assert line.send(reader(), mail()).kind is Kind.ACCEPTED


def test_an_acceptance_whose_body_is_junk_is_one(service: Fake, line: SendGridConnection) -> None:
    head = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    service.behave = Answer(raw=head + b"ZZ\r\nnot a chunk")
    assert line.send(reader(), mail()).kind is Kind.ACCEPTED
    service.behave = ACCEPT
    assert line.send(reader(1), mail(1)).kind is Kind.ACCEPTED


def test_an_answer_that_drips_is_not_waited_for_longer_than_the_patience(
    service: Fake,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        peer, _ = listener.accept()
        peer.recv(65536)
        try:
            while True:
                peer.sendall(b"H")
                time.sleep(0.05)
        except OSError:
            peer.close()

    threading.Thread(target=drip, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    slow = SendGridTransport(Service(url, lambda: KEY, patience=QUICK)).connect()
    began = time.monotonic()
    outcome = slow.send(reader(), mail())
    assert time.monotonic() - began < 1.5
    assert (outcome.kind, outcome.reply) == (Kind.IN_DOUBT, "timed out")
    listener.close()


def test_a_request_that_was_not_whole_comes_again(service: Fake) -> None:
    service.behave = EARLY
    line = transport_to(service).connect()
    large = mail().replace(b"Hello", b"Hello " + b"A" * 8_000_000)
    outcome = line.send(reader(), large)
    assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.DATA)
    assert service.requests == []


def test_a_line_that_the_service_closed_meanwhile_costs_no_doubt(
    service: Fake, line: SendGridConnection
) -> None:
    sent(service, line)
    service.down()
    service.up()
    assert sent(service, line)
    assert service.connections == 2


# --- traps --------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(
    service: Fake, line: SendGridConnection, status: int
) -> None:
    with sendgrid_fake.fake() as elsewhere:
        service.behave = Answer(status, {"Location": f"{elsewhere.url}/v3/mail/send"})
        assert line.send(reader(), mail()).kind is Kind.IN_DOUBT
        assert elsewhere.connections == 0


def test_no_proxy_of_the_environment_is_asked(
    service: Fake, line: SendGridConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sendgrid_fake.fake() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        sent(service, line)
        assert proxy.connections == 0


def test_at_debug_no_log_holds_the_key_or_an_address(
    service: Fake, line: SendGridConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ear, root = Ear(), logging.getLogger()
    loud = [logging.getLogger(name) for name in ("python_http_client", "python_http_client.client")]
    before = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    for logger in loud:  # even where somebody turns them up by name
        logger.setLevel(logging.DEBUG)
        logger.addHandler(ear)
    try:
        sent(service, line)
        for behaviour in (not_a_reader, error(401, f"{CANARY} {KEY}"), DROP):
            service.behave = behaviour
            line.send(reader(), mail())
        logging.getLogger("newsletter").debug("the ear hears")
    finally:
        root.removeHandler(ear)
        root.setLevel(before)
        for logger in loud:
            logger.removeHandler(ear)
    said = "\n".join(heard) + "".join(capfd.readouterr())
    assert "the ear hears" in said
    assert CANARY not in said
    assert KEY not in said


def test_neither_repr_nor_error_shows_the_key(service: Fake, line: SendGridConnection) -> None:
    outcome = line.send(reader(), mail())
    assert KEY not in repr((line, outcome, transport_to(service).service))


@pytest.mark.parametrize("key", ["", "SG.a b", "SG.a\r\nX-Evil: 1", "SG.ключ", "x" * 501])
def test_a_key_that_would_break_the_header_is_never_sent(service: Fake, key: str) -> None:
    line = SendGridTransport(Service(service.url, lambda: key, patience=QUICK)).connect()
    outcome = line.send(reader(), mail())
    assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.AUTH)
    assert service.requests == []


@pytest.mark.parametrize(
    "base",
    [
        "http://api.sendgrid.com",
        "https://api.sendgrid.com.evil.net",
        "https://api.sendgrid.com@evil.net",
        "https://evil.net",
        "http://10.0.0.1",
        "http://localhost:1",  # a resolver would be asked
        "http://user@127.0.0.1",
        "ftp://127.0.0.1",
        "http://[::1",
        "",
    ],
)
def test_no_other_address_is_taken(base: str) -> None:
    with pytest.raises(ValueError):
        SendGridTransport(Service(base, lambda: KEY))


def test_a_certificate_that_does_not_verify_gets_no_key(tmp_path: Any) -> None:
    """The far end speaks TLS with a certificate of its own making."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api.sendgrid.com")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    ).sign(key, hashes.SHA256())
    file = tmp_path / "own.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=lambda: server.handle_request(), daemon=True).start()
    url = f"https://127.0.0.1:{server.server_address[1]}"
    outcome = SendGridTransport(Service(url, lambda: KEY, patience=QUICK)).connect().ready()
    server.server_close()
    assert outcome is not None
    assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.STARTTLS)
    assert outcome.reply == "the certificate is self-signed"


def test_a_lease_that_is_over_holds_the_request_back(
    service: Fake, line: SendGridConnection
) -> None:
    late = dataclasses.replace(reader(), dot_before=boot_seconds() - 1)
    assert line.send(late, mail()).reply == "slept past the lease"
    assert service.requests == []


# --- how fast -----------------------------------------------------------------


def headers(**given: str) -> Message:
    made = Message()
    for name, value in given.items():
        made[name.replace("_", "-")] = value
    return made


NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30),
        ({"X_RateLimit_Reset": str(int(NOW.timestamp()) + 12)}, 12),
        # Our clock is an hour ahead; theirs says what "now" is.
        (
            {
                "X_RateLimit_Reset": str(int(NOW.timestamp()) - 3600 + 12),
                "Date": "Sat, 21 Nov 2026 11:00:00 GMT",
            },
            12,
        ),
        ({"X_RateLimit_Reset": "1"}, 0),
        ({"X_RateLimit_Reset": "99999999999"}, 3600),
        ({"Retry_After": "-5"}, 10),
        ({"Retry_After": "soon", "X_RateLimit_Reset": "later"}, 10),
        ({"Retry_After": "9" * 400}, 10),
        ({"Retry_After": "Fri, 99 Nov 99999 12:00:30 GMT"}, 10),
        ({}, 10),
    ],
)
def test_a_429_says_how_long_everybody_rests(given: dict[str, str], seconds: float) -> None:
    assert sendgrid_answer.rest(headers(**given), NOW) == seconds


def test_a_limit_slows_every_connection_down_not_only_the_one_that_met_it(service: Fake) -> None:
    transport = transport_to(service, dataclasses.replace(QUICK, rest=5))
    first, second = transport.connect(), transport.connect()
    assert second.ready() is None
    service.behave = Answer(429, {"Retry-After": "1"})
    began = time.monotonic()
    assert first.send(reader(), mail()).kind is Kind.DEFERRED
    service.behave = ACCEPT
    assert second.send(reader(1), mail(1)).kind is Kind.ACCEPTED
    assert 0.9 < time.monotonic() - began < 3


def test_a_long_limit_is_trouble_at_once_and_no_request_is_made(service: Fake) -> None:
    transport = transport_to(service)
    service.behave = Answer(429, {"Retry-After": "600"})
    transport.connect().send(reader(), mail())
    other = transport.connect()
    trouble = other.ready()
    assert trouble is not None
    assert (trouble.kind, trouble.stage) == (Kind.DEFERRED, Stage.CONNECT)
    assert (trouble.code, trouble.reply[-17:]) == (429, "too many requests")
    assert transport.explain(trouble).code == "NL627"
    assert other.send(reader(1), mail(1)).kind is Kind.DEFERRED
    assert len(service.requests) == 1


def test_an_abort_wakes_who_sits_out_a_limit(service: Fake) -> None:
    transport = transport_to(service, dataclasses.replace(QUICK, rest=60))
    service.behave = Answer(429, {"Retry-After": "30"})
    line = transport.connect()
    line.send(reader(), mail())
    found: list[Outcome | None] = []
    thread = threading.Thread(target=lambda: found.append(line.ready()))
    thread.start()
    line.abort()
    thread.join(5)
    assert [each.reply for each in found if each] == ["aborted"]


@pytest.mark.parametrize("behaviour", [Answer(503), GARBAGE, SANDBOX], ids=["503", "junk", "200"])
def test_an_ill_service_is_left_alone_before_it_puts_everybody_in_doubt(
    service: Fake, behaviour: sendgrid_fake.Behaviour
) -> None:
    transport = transport_to(service)
    service.behave = behaviour
    kinds = [transport.connect().send(reader(each), mail(each)).kind for each in range(20)]
    assert kinds.count(Kind.IN_DOUBT) == DOUBTS == len(service.requests)
    assert set(kinds[DOUBTS:]) == {Kind.DEFERRED}


def test_an_answer_that_can_be_read_ends_the_count_of_doubts() -> None:
    restraint = Restraint()
    doubt = Outcome(Kind.IN_DOUBT, Stage.TERMINATOR)
    for kind in (Kind.ACCEPTED, Kind.REJECTED, Kind.DEFERRED, Kind.OUR_FAULT) * 3:
        for _ in range(DOUBTS - 1):
            restraint.heed(doubt)
        assert restraint.rests()[0] == 0
        restraint.heed(Outcome(kind, Stage.TERMINATOR))
    for _ in range(DOUBTS):
        restraint.heed(doubt)
    first = restraint.rests()[0]
    restraint.heed(doubt)
    assert 290 < first <= 300
    assert 590 < restraint.rests()[0] <= 600
