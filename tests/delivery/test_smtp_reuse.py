"""One SMTP connection, many messages: the limit, the announcement, what each is told of its envelope."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from certificates import authority
from scripted_relay import DROP, Scripted, Step, relay

from newsletter.delivery.outcome import Envelope, Following, Kind, Outcome, Stage, boot_seconds
from newsletter.delivery.transports.smtp import Patience, Relay, SmtpConnection, SmtpTransport

QUICK = Patience(*[0.5] * 6)
MESSAGE = b"Subject: x\r\n\r\n.hello\r\n"


def reader(number: int) -> Envelope:
    return Envelope("letter@example.org", f"reader{number}@example.org")


def connection(server: Scripted, **more: object) -> SmtpConnection:
    values: dict[str, object] = {"security": "none", "helo": "example.org", "patience": QUICK}
    return SmtpTransport(Relay("127.0.0.1", server.port, **values | more)).connect()  # type: ignore[arg-type]


# The limit


@pytest.mark.parametrize("announce", [True, False])
def test_after_so_many_messages_the_line_is_closed_politely_and_made_anew(announce: bool) -> None:
    with relay() as server:
        talk = connection(server, messages=3)
        for at in range(7):
            following = Following(reader(at + 1), len(MESSAGE)) if announce and at < 6 else None
            assert talk.send(reader(at), MESSAGE, following).kind is Kind.ACCEPTED
        talk.close()
        server.ended()
        assert server.connections == 3
        assert [len(server.delivered), len(server.accepted)] == [7, 7]
    assert server.lines.count("QUIT") == 3
    assert all(message == MESSAGE for _, message in server.delivered)


FULL = "452 4.5.3 Too many recipients: Too many messages sent"
"""OpenSMTPD's word for its hundred messages a session; the line stays open."""


@pytest.mark.parametrize("announce", [True, False])
@pytest.mark.parametrize("full", [FULL, "421 too many messages in this connection"])
def test_a_line_that_takes_no_more_messages_is_made_anew(announce: bool, full: str) -> None:
    script: list[str] = ["250 ok", "250 ok", full, "250 ok", "250 ok", full, "250 ok"]
    with relay({Step.MAIL: script}) as server:
        talk = connection(server)
        for at in range(5):
            following = Following(reader(at + 1), len(MESSAGE)) if announce and at < 4 else None
            assert talk.send(reader(at), MESSAGE, following).kind is Kind.ACCEPTED
        talk.close()
        server.ended()
        assert server.connections == 3
    assert [recipient for recipient, _ in server.delivered] == [
        reader(at).recipient for at in range(5)
    ]


def test_a_relay_that_takes_too_many_from_us_is_not_dialled_for_each_message() -> None:
    """The limit is the sender's, not the line's: only a line that took something is made anew."""
    script = {Step.MAIL: ["250 ok", "450 4.7.1 Error: too many messages from you"]}
    with relay(script, pipelining=False) as server:
        talk = connection(server)
        kinds = [talk.send(reader(at), MESSAGE).kind for at in range(5)]
        talk.close()
        assert kinds == [Kind.ACCEPTED] + [Kind.DEFERRED] * 4
        assert server.connections == 2


def test_refused_messages_count_too() -> None:
    with relay({Step.RCPT: "550 5.1.1 no", Step.DATA: "503 no"}) as server:
        talk = connection(server, messages=2)
        assert [talk.send(reader(at), MESSAGE).kind for at in range(4)] == [Kind.REJECTED] * 4
        talk.close()
        assert server.connections == 2


def test_without_a_limit_one_line_carries_everything() -> None:
    with relay() as server:
        talk = connection(server)
        assert {talk.send(reader(at), MESSAGE).kind for at in range(30)} == {Kind.ACCEPTED}
        talk.close()
        assert server.connections == 1


# The announcement


def announced(server: Scripted, numbers: list[int], **more: object) -> list[Outcome]:
    talk = connection(server, **more)
    found = []
    for at, number in enumerate(numbers):
        after = numbers[at + 1] if at + 1 < len(numbers) else None
        following = None if after is None else Following(reader(after), len(MESSAGE))
        found.append(talk.send(reader(number), MESSAGE, following))
    talk.close()
    return found


def test_the_next_message_is_announced_behind_the_dot_and_each_arrives_once() -> None:
    with relay() as server:
        outcomes = announced(server, list(range(5)))
        assert {outcome.kind for outcome in outcomes} == {Kind.ACCEPTED}
        assert server.accepted == [reader(at).recipient for at in range(5)]
        assert server.connections == 1


def test_nothing_of_an_announced_message_is_said_before_its_turn() -> None:
    with relay() as server:
        talk = connection(server)
        talk.send(reader(0), MESSAGE, Following(reader(1), len(MESSAGE)))
        talk.close()
        server.ended()
    assert server.lines[-1] == "DATA"  # no QUIT: behind a 354 it would be a line of the message
    assert server.accepted == [reader(0).recipient]
    assert server.delivered == [(reader(0).recipient, MESSAGE)]


def test_another_message_than_the_announced_one_goes_on_a_new_line() -> None:
    with relay() as server:
        talk = connection(server)
        talk.send(reader(0), MESSAGE, Following(reader(1), len(MESSAGE)))
        assert talk.send(reader(2), MESSAGE).kind is Kind.ACCEPTED
        talk.close()
        assert server.accepted == [reader(0).recipient, reader(2).recipient]
        assert server.connections == 2


def test_an_announced_message_of_another_length_goes_on_a_new_line() -> None:
    with relay(extra=("SIZE 1000000",)) as server:
        talk = connection(server)
        talk.send(reader(0), MESSAGE, Following(reader(1), len(MESSAGE)))
        assert talk.send(reader(1), MESSAGE + b"more\r\n").kind is Kind.ACCEPTED
        talk.close()
        assert server.delivered[-1] == (reader(1).recipient, MESSAGE + b"more\r\n")


def test_no_announcement_without_pipelining() -> None:
    with relay(pipelining=False) as server:
        outcomes = announced(server, [0, 1, 2])
        assert {outcome.kind for outcome in outcomes} == {Kind.ACCEPTED}
        assert [line[:4] for line in server.lines[1:7]] == ["MAIL", "RCPT", "DATA"] * 2


@pytest.mark.parametrize(
    ("step", "words", "kinds"),
    [
        (Step.RCPT, "550 5.1.1 no", [Kind.ACCEPTED, Kind.REJECTED, Kind.ACCEPTED]),
        (Step.RCPT, "450 4.2.1 later", [Kind.ACCEPTED, Kind.DEFERRED, Kind.ACCEPTED]),
        (Step.MAIL, "503 5.5.0 improper", [Kind.ACCEPTED, Kind.ACCEPTED, Kind.ACCEPTED]),
        (Step.MAIL, "421 4.3.2 enough", [Kind.ACCEPTED, Kind.ACCEPTED, Kind.ACCEPTED]),
        (Step.MAIL, DROP, [Kind.ACCEPTED, Kind.ACCEPTED, Kind.ACCEPTED]),
        (Step.DATA, "451 4.3.0 no", [Kind.ACCEPTED, Kind.DEFERRED, Kind.ACCEPTED]),
        (Step.DATA, DROP, [Kind.ACCEPTED, Kind.DEFERRED, Kind.ACCEPTED]),
    ],
)
def test_each_announced_message_has_its_own_replies(
    step: Step, words: str, kinds: list[Kind]
) -> None:
    good = {Step.RCPT: "250 ok", Step.MAIL: "250 ok", Step.DATA: "354 go"}
    data = ["354 go", "503 5.5.1 no recipient", "354 go"]
    script = {step: [good[step], words, good[step]]}
    if step is Step.RCPT:
        script[Step.DATA] = data
    elif words.startswith("503"):  # what it says to an announcement, and to none once asked without
        script |= {Step.RCPT: ["250 ok", "503 no", "250 ok"], Step.DATA: data}
    with relay(script) as server:
        assert [outcome.kind for outcome in announced(server, [0, 1, 2])] == kinds
        wanted = [reader(at).recipient for at, kind in enumerate(kinds) if kind is Kind.ACCEPTED]
        assert server.accepted == wanted


@pytest.mark.parametrize("words", ["550 5.2.2 full", "451 4.3.0 later"])
def test_a_refusal_of_the_dot_does_not_touch_the_announced_one(words: str) -> None:
    with relay({Step.DOT: [words, "250 ok"]}) as server:
        outcomes = announced(server, [0, 1])
        assert [outcome.kind is Kind.ACCEPTED for outcome in outcomes] == [False, True]
        assert server.accepted == [reader(1).recipient]
        assert server.connections == 1


def test_a_cut_at_the_dot_leaves_the_announced_one_untouched() -> None:
    with relay({Step.DOT: [DROP, "250 ok"]}) as server:
        outcomes = announced(server, [0, 1])
        assert [outcome.kind for outcome in outcomes] == [Kind.IN_DOUBT, Kind.ACCEPTED]
        assert server.accepted == [reader(1).recipient]


def test_a_line_cut_while_the_announced_one_waits_is_noticed_before_its_dot() -> None:
    announced = threading.Semaphore(0)

    def data(_: str) -> str:
        announced.release()
        return "354 go on"

    with relay({Step.DATA: data}) as server:
        talk = connection(server)
        talk.send(reader(0), MESSAGE, Following(reader(1), len(MESSAGE)))
        assert announced.acquire(timeout=5)
        assert announced.acquire(timeout=5)  # the second is the announced one's
        server.hang_up()
        outcome = talk.send(reader(1), MESSAGE)
        assert (outcome.kind, outcome.stage) in (
            (Kind.DEFERRED, Stage.DATA),
            (Kind.ACCEPTED, Stage.TERMINATOR),  # the cut came before its replies: dialled anew
        )
        talk.close()
        assert len(server.delivered) == 1 + (outcome.kind is Kind.ACCEPTED)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (["450 later", "250 ok", "250 ok", "354 go on"], Kind.DEFERRED),
        (["554 5.6.0 never", "250 ok", "250 ok", "354 go on"], Kind.REJECTED),
        (["450 later", "503 no", "503 no"], Kind.IN_DOUBT),
        (["550 5.1.1 no such reader", "503 no"], Kind.IN_DOUBT),
        (["450 later", "?"], Kind.IN_DOUBT),
        (["450 too early", "250 queued", "250 ok", "250 ok", "354 go on"], Kind.IN_DOUBT),
        (["450 too early", "250 queued", "250 ok", "250 ok"], Kind.IN_DOUBT),  # the last is late
        (["450 too early", "250 queued", "250 ok", "550 5.1.1 no", "503 no"], Kind.IN_DOUBT),
    ],
)
def test_a_refusal_counts_for_this_message_when_the_announced_one_is_answered_too(
    said: list[str], kind: Kind
) -> None:
    """Else a relay that left out its answer to the dot would make us send a second copy."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talking() -> None:
        peer, _ = listener.accept()
        with peer, peer.makefile("rwb") as file:

            def say(*lines: str) -> None:
                file.write("".join(f"{line}\r\n" for line in lines).encode())
                file.flush()

            say("220 here")
            file.readline()
            say("250-here", "250 PIPELINING")
            for _ in range(3):
                file.readline()
            say("250 ok", "250 ok", "354 go on")
            while file.readline() != b".\r\n":
                pass
            for _ in range(3):
                file.readline()
            say(*said)
            file.readline()

    thread = threading.Thread(target=talking)
    thread.start()
    road = Relay("127.0.0.1", listener.getsockname()[1], "none", "example.org", patience=QUICK)
    talk = SmtpTransport(road).connect()
    outcome = talk.send(reader(0), MESSAGE, Following(reader(1), len(MESSAGE)))
    talk.close()
    thread.join(5)
    listener.close()
    assert outcome.kind is kind


def test_an_announced_message_whose_lease_is_over_is_not_sent() -> None:
    with relay() as server:
        talk = connection(server)
        talk.send(reader(0), MESSAGE, Following(reader(1), len(MESSAGE)))
        late = Envelope("letter@example.org", "reader1@example.org", dot_before=boot_seconds() - 1)
        assert talk.send(late, MESSAGE).kind is Kind.DEFERRED
        talk.close()
        assert server.accepted == [reader(0).recipient]


@pytest.mark.parametrize("implicit", [True, False])
def test_inside_tls_it_is_the_same(tmp_path: Path, implicit: bool) -> None:
    ca = authority(tmp_path)
    large = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 4_000
    with relay(tls=ca.relay(), implicit=implicit) as server:
        talk = connection(
            server,
            security="tls" if implicit else "starttls",
            authority=ca.file,
            patience=Patience(*[10.0] * 6),
            messages=6,
        )
        kinds = []
        for at in range(12):
            message = large if at % 5 == 0 else MESSAGE
            after = len(large if (at + 1) % 5 == 0 else MESSAGE)
            kinds.append(talk.send(reader(at), message, Following(reader(at + 1), after)).kind)
        talk.close()
        assert kinds == [Kind.ACCEPTED] * 12
        assert server.accepted == [reader(at).recipient for at in range(12)]
        assert {len(message) for _, message in server.delivered} == {len(large), len(MESSAGE)}
        assert server.connections == 2


# What the relay is told of the envelope


def told(extra: tuple[str, ...], envelope: Envelope) -> list[str]:
    with relay(extra=extra) as server:
        talk = connection(server)
        talk.send(envelope, MESSAGE)
        talk.close()
        return [line for line in server.lines if line[:4] in ("MAIL", "RCPT")]


NAMED = Envelope("letter@example.org", "reader@example.org", envelope_id="a+b=ü-_" + "x" * 200)


def test_reports_are_asked_for_where_they_are_offered() -> None:
    mail, rcpt = told(("DSN",), NAMED)
    assert mail.startswith("MAIL FROM:<letter@example.org> RET=HDRS ENVID=a+2Bb+3D+C3+BC-_xxx")
    assert len(mail.partition("ENVID=")[2]) <= 100
    assert rcpt == "RCPT TO:<reader@example.org> NOTIFY=FAILURE,DELAY"


def test_a_relay_that_offers_no_reports_is_not_asked_for_any() -> None:
    assert told((), NAMED) == ["MAIL FROM:<letter@example.org>", "RCPT TO:<reader@example.org>"]


def test_the_size_is_told_where_it_is_asked() -> None:
    assert told(("SIZE 1000",), reader(1))[0].endswith(f"> SIZE={len(MESSAGE)}")


UNICODE = Envelope("letter@example.org", "читатель@example.org", smtputf8=True)


def test_a_mailbox_that_is_not_ascii_goes_only_where_that_is_offered() -> None:
    offered = told(("SMTPUTF8", "8BITMIME"), UNICODE)
    assert offered == [
        "MAIL FROM:<letter@example.org> BODY=8BITMIME SMTPUTF8",
        "RCPT TO:<читатель@example.org>",
    ]
    assert told(("8BITMIME",), UNICODE) == []
    with relay() as server:
        talk = connection(server)
        assert talk.send(UNICODE, MESSAGE).kind is Kind.REJECTED
        assert talk.send(reader(1), MESSAGE).kind is Kind.ACCEPTED
        talk.close()


def test_an_ascii_mailbox_never_asks_for_it() -> None:
    assert "SMTPUTF8" not in told(("SMTPUTF8", "8BITMIME"), reader(1))[0]


def test_a_sender_that_the_relay_cannot_take_is_our_fault_and_rejects_nobody() -> None:
    envelope = Envelope("письмо@example.org", "reader@example.org")
    with relay() as server:
        talk = connection(server)
        outcome = talk.send(envelope, MESSAGE)
        talk.close()
        assert (outcome.kind, outcome.stage) == (Kind.OUR_FAULT, Stage.MAIL)


@pytest.mark.parametrize(
    "recipient", ["a@b.c>\r\nRCPT TO:<x@y.z", "a b@c.d", "a@b.c\n", "<a@b.c>", "a\x00@b.c"]
)
def test_no_address_breaks_out_of_its_line(recipient: str) -> None:
    with relay() as server:
        talk = connection(server)
        assert talk.send(Envelope("letter@example.org", recipient), MESSAGE).kind is Kind.DEFERRED
        talk.close()
        assert not [line for line in server.lines if line.startswith(("MAIL", "RCPT"))]


# While the message is written


class Slow:
    """A relay that takes the message a little at a time, or not at all, or speaks in the middle of it."""

    def __init__(self, words: bytes = b"") -> None:
        self.words = words
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        client, _ = self.listener.accept()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        file = client.makefile("rb")
        client.sendall(b"220 slow\r\n")
        file.readline()
        client.sendall(b"250 slow\r\n")
        for answer in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n" + self.words):
            file.readline()
            client.sendall(answer)
        self.done.wait(10)
        client.close()

    def close(self) -> None:
        self.done.set()
        self.thread.join(5)
        self.listener.close()


LARGE = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 400_000


def test_a_relay_that_stops_taking_the_message_is_left_within_the_patience_of_a_block() -> None:
    slow = Slow()
    talk = SmtpTransport(Relay("127.0.0.1", slow.port, "none", "x", patience=QUICK)).connect()
    outcome = talk.send(reader(1), LARGE)
    assert (outcome.kind, outcome.stage, outcome.reply) == (Kind.DEFERRED, Stage.DATA, "timed out")
    slow.close()


@pytest.mark.parametrize("words", [b"552 5.3.4 too large\r\n", b"421 4.3.0 no\r\n", b"250 ok\r\n"])
def test_what_is_said_before_the_dot_is_no_answer_to_it(words: bytes) -> None:
    slow = Slow(words)
    talk = SmtpTransport(Relay("127.0.0.1", slow.port, "none", "x", patience=QUICK)).connect()
    outcome = talk.send(reader(1), MESSAGE)
    assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.DATA)
    assert outcome.code in (552, 421, None)
    slow.close()
