"""A relay that may say any bytes at any step: nothing raises, nothing hangs, nothing is taken for an answer."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from newsletter.delivery.outcome import Envelope, Following, Kind, Outcome, Stage
from newsletter.delivery.reply import Incoming, Nonsense, Reply
from newsletter.delivery.steps import Dial
from newsletter.delivery.transports.dialogue import Talk
from newsletter.delivery.transports.smtp import Patience, Relay, SmtpConnection, SmtpTransport

READER = Envelope("letter@example.org", "reader@example.org", envelope_id="token")
OTHER = Envelope("letter@example.org", "other@example.org")
MESSAGE = b"Subject: x\r\n\r\nhello\r\n.dot\r\n"
DOT = b"\r\n.\r\n"
UNIX = Relay("unix:/nowhere", 25, "none", "example.org", patience=Patience(*[5.0] * 6))

line = st.builds(
    "{}{}{}\r\n".format,
    st.one_of(
        st.sampled_from(["220", "235", "250", "252", "334", "354", "421", "450", "451"]),
        st.sampled_from(["500", "503", "550", "552", "554", "199", "600", "2500", "25", ""]),
    ),
    st.sampled_from([" ", "-", "", "\t"]),
    st.one_of(
        st.sampled_from(["ok", "5.1.1 no", "4.7.0 later", "SIZE 1", "PIPELINING", "DSN"]),
        st.text(max_size=20),
    ),
).map(lambda text: text.encode("utf-8", "surrogatepass"))
chunk = st.one_of(
    line,
    line,
    st.lists(line, max_size=5).map(b"".join),
    st.binary(max_size=40),
    st.just(b"2"),
    st.just(b"250-" + b"x" * 5000),
)


GOOD = [b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 2.0.0 taken\r\n"]


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Two messages' answers, some of them spoilt, doubled, silent or glued to the next."""
    said: list[bytes] = []
    for good in GOOD * 2:
        match draw(st.integers(0, 9)):
            case 0:
                said.append(draw(chunk))
            case 1 if said:
                said[-1] += good
            case 2:
                said += [good, draw(chunk)]
            case _:
                said.append(good)
    return said


# The parser


@given(st.lists(chunk, max_size=12), st.data())
def test_what_comes_out_does_not_depend_on_how_it_was_cut(
    chunks: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(chunks)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert replies([whole]) == replies(pieces)


def replies(pieces: list[bytes]) -> list[Reply | str]:
    """Every whole reply, in order, and "nonsense" where one ended it."""
    incoming, found = Incoming(), list[Reply | str]()
    for piece in pieces:
        incoming.feed(piece)
        try:
            while (reply := incoming.take()) is not None:
                found.append(reply)
        except Nonsense:
            return [*found, "nonsense"]
    return found


@given(
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40), min_size=1)
)
def test_a_reply_is_read_as_it_was_said(texts: list[str]) -> None:
    said = [f"250-{text}\r\n" for text in texts[:-1]] + [f"250 {texts[-1]}\r\n"]
    assert replies(["".join(said).encode()]) == [Reply(250, "\n".join(texts))]


# A transaction


class Peer:
    """The relay's end of one conversation, in the test's own thread: it speaks when it is listened to."""

    def __init__(self, features: str) -> None:
        client, self.end = socket.socketpair()
        client.setblocking(False)
        self.end.setblocking(False)
        self.connection = SmtpTransport(UNIX).connect()
        talk = self.talk = Talk(UNIX, None)
        talk.sock = client
        talk.esmtp_features = dict.fromkeys(features.split(), "")
        self.connection._talk = talk
        self.heard = b""
        self.answered = b""
        """What was said since the last dot came."""
        self.dots = 0

    def listen(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            while got := self.end.recv(65536):
                self.heard += got
        if self.heard.count(DOT) > self.dots:
            self.dots = self.heard.count(DOT)
            self.answered = b""

    def send(
        self, said: Iterator[bytes], envelope: Envelope, following: Following | None
    ) -> Outcome:
        """Drive one message; every wait for the relay gets the next of `said`, or the line is cut."""
        steps = self.connection.steps(envelope, MESSAGE, following)
        try:
            wait = next(steps)
            while True:
                if isinstance(wait, Dial):
                    wait = steps.send(Outcome(Kind.DEFERRED, Stage.CONNECT, reply="gone"))
                    continue
                self.listen()
                assert not wait.writes
                words = next(said, None)
                if words is None:
                    self.end.close()
                elif words == b"":
                    wait = steps.throw(TimeoutError())
                    continue
                else:
                    self.answered += words
                    with suppress(ConnectionError):
                        self.end.send(words)
                wait = next(steps)
        except StopIteration as end:
            self.listen_once_more()
            return end.value

    def listen_once_more(self) -> None:
        with suppress(OSError):
            self.listen()

    def close(self) -> None:
        self.connection._drop()
        self.end.close()


YES = re.compile(rb"(2[0-9][0-9])(-[^\n]*\n\1)*( [^\n]*)?\r?\n", re.DOTALL)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(conversations(), conversations(), st.lists(chunk, max_size=14)),
    st.sampled_from(["pipelining size dsn", "pipelining", "", "size smtputf8"]),
    st.booleans(),
)
def test_whatever_a_relay_says_a_mail_is_accepted_only_by_a_2yz_behind_its_dot(
    said: list[bytes], features: str, announce: bool
) -> None:
    peer, words = Peer(features), iter(said)
    try:
        for envelope, after in ((READER, OTHER), (OTHER, None)):
            following = Following(after, len(MESSAGE)) if after and announce else None
            before = peer.dots
            outcome = peer.send(words, envelope, following)
            event(outcome.kind.value)
            if outcome.kind is Kind.ACCEPTED:
                assert peer.dots == before + 1
                assert YES.match(peer.answered)
                assert outcome.stage is Stage.TERMINATOR
            if outcome.kind in (Kind.DEFERRED, Kind.REJECTED, Kind.OUR_FAULT):
                # Certainly not taken: its dot is not out, or a reply behind it said no.
                assert peer.dots == before or outcome.code is not None
            if outcome.kind is Kind.IN_DOUBT:
                assert outcome.stage is Stage.TERMINATOR
            if peer.connection._talk is None:
                break
    finally:
        peer.close()


@given(st.lists(line, min_size=1, max_size=4))
def test_a_relay_that_speaks_ahead_gets_no_dot(ahead: list[bytes]) -> None:
    # 354, and behind it what would be taken for the answer to the dot.
    peer = Peer("pipelining")
    try:
        outcome = peer.send(
            iter([b"250 ok\r\n250 ok\r\n354 go\r\n" + b"".join(ahead)]), READER, None
        )
        assert outcome.kind is Kind.DEFERRED
        assert peer.dots == 0
        assert peer.connection._talk is None
    finally:
        peer.close()


@given(chunk.filter(bool))
def test_what_is_said_between_two_messages_is_no_answer_to_the_second(idle: bytes) -> None:
    peer = Peer("pipelining")
    try:
        good = [b"250 ok\r\n250 ok\r\n354 go\r\n", b"250 taken\r\n"]
        assert peer.send(iter(good), READER, None).kind is Kind.ACCEPTED
        peer.end.send(idle)
        outcome = peer.send(iter(good), OTHER, None)  # it dials anew, which this test refuses
        assert (outcome.kind, outcome.stage) == (Kind.DEFERRED, Stage.CONNECT)
        assert peer.dots == 1
    finally:
        peer.close()


# Opening


@pytest.fixture(scope="module")
def opened(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[bytes, Relay], Outcome | None]]:
    """Dial a relay that says these bytes at once and hangs up."""
    path = tmp_path_factory.mktemp("fuzz") / "relay"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    script: SimpleQueue[bytes] = SimpleQueue()

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with suppress(OSError):
                    client.sendall(script.get())
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                client.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def dial(said: bytes, relay: Relay) -> Outcome | None:
        script.put(said)
        import dataclasses

        connection = SmtpConnection(
            dataclasses.replace(relay, host=f"unix:{path}"), SmtpTransport(relay)._trust
        )
        try:
            return connection.ready()
        finally:
            connection.close()

    yield dial
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


ROADS = [
    UNIX,
    Relay("x", 25, "none", "x", user="me", password=lambda: "canary", patience=UNIX.patience),
    Relay("x", 25, "starttls", "x", patience=UNIX.patience),
    Relay("x", 25, "none", "x", lmtp=True, patience=UNIX.patience),
]


@settings(max_examples=300, deadline=None)
@given(st.lists(chunk, max_size=10), st.sampled_from(ROADS), st.booleans())
def test_whatever_is_said_while_the_line_is_opened_is_an_outcome(
    opened: Callable[[bytes, Relay], Outcome | None], said: list[bytes], road: Relay, politely: bool
) -> None:
    start = b"220 hi\r\n250-hi\r\n250-AUTH CRAM-MD5 LOGIN PLAIN\r\n250 STARTTLS\r\n"
    outcome = opened((start if politely else b"") + b"".join(said), road)
    if outcome is not None:
        assert outcome.kind in (Kind.DEFERRED, Kind.OUR_FAULT)
        assert outcome.stage.value in ("greeting", "hello", "starttls", "auth", "connect")
        assert "canary" not in repr(outcome)


def test_the_unix_path_of_these_tests_is_no_road_of_this_machine() -> None:
    assert not Path("/nowhere").exists()
