"""The SMTP dialogue itself: one message after another, every reply read by us.

Nothing here decides what becomes of a message, except by `reply.judge`. The
line is opened by opening.py, which blocks; the transaction is written in steps
(delivery/steps.py), so that one thread can hold many of them.

Source: RFC 5321 §3.3, RFC 2920.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from contextlib import suppress

from newsletter.delivery import reply as replies
from newsletter.delivery.outcome import Envelope, Following, Kind, Outcome, Stage, boot_seconds
from newsletter.delivery.reply import Nonsense, Reply
from newsletter.delivery.steps import Part, Wait
from newsletter.delivery.transports.commands import DOT, RESET, Command, commands, stuffed
from newsletter.delivery.transports.opening import Opening
from newsletter.delivery.transports.wire import NOT_NOW, Relay

CHUNK = 256 * 1024
"""Bytes offered to the kernel at a time; nearly every message is one chunk."""


class Talk(Opening):
    """A line on which messages are sent."""

    def __init__(self, relay: Relay, context: ssl.SSLContext | None) -> None:
        super().__init__(relay, context)
        self._needs_reset = False
        self._announced: list[Command] | None = None
        self._kept: deque[Reply] = deque()
        """Answers to what was announced that have been read already."""
        self._last: tuple[tuple[object, ...], list[Command] | Outcome] | None = None
        self.messages = 0
        self.carried = False
        """Whether one of them was accepted."""

    @property
    def announced(self) -> bool:
        """Whether a message was announced and has not had its turn."""
        return self._announced is not None

    def awaits(self, envelope: Envelope, size: int) -> bool:
        """Whether this message may go on this line now: none was announced, or just this one."""
        return self._announced is None or self._announced == self._told(envelope, size)

    def transaction(
        self, envelope: Envelope, message: bytes, following: Following | None = None
    ) -> Part[Outcome]:
        """MAIL, RCPT, DATA, the message. Raises OSError or Nonsense with `stage` telling where.

        `following` is announced behind the final dot, in the same write: a
        group may begin with the end of a message (RFC 2920 §3.1). Its replies
        are read when it is this function's turn to send it.
        """
        self.stage = Stage.MAIL
        self.messages += 1
        told = self._told(envelope, len(message))
        if isinstance(told, Outcome):
            return told
        written = self.announced
        self._announced = None
        if not written:
            if self._glance() is not None:
                raise ConnectionResetError  # most likely it said goodbye: nothing of ours was said yet
            if self._needs_reset:
                told = [(Stage.MAIL, RESET), *told]
            if self._pipelines:
                yield from self._write(b"".join(command for _, command in told))
                written = True
        bad = yield from self._walk(told, written=written)
        self._needs_reset = bad is not None
        return bad or (yield from self._message(envelope, message, following))

    @property
    def _pipelines(self) -> bool:
        return "pipelining" in self.esmtp_features

    def _walk(self, told: list[Command], *, written: bool) -> Part[Outcome | None]:
        """Read each command's reply; the first bad one is the outcome, None when DATA may follow.

        A group that was written as one is read to its end (RFC 2920 §3.1), or
        the next message would get this one's replies.
        """
        bad: Outcome | None = None
        for stage, command in told:
            self.stage = stage if bad is None else bad.stage
            if not written:
                yield from self._write(command)
            try:
                reply = self._kept.popleft() if self._kept else (yield from self._reply())
            except (OSError, Nonsense):
                if bad is None:
                    raise
                self.goes_on = False  # the answer that counts was already here
                return bad
            if command is RESET and reply.code != 250:
                if reply.code == 421:
                    return replies.outcome(stage, reply)
                raise Nonsense
            if bad is None and not _goes_on(stage, reply):
                bad = replies.outcome(stage, reply)
                if reply.code == 421 or not written:
                    return bad
            elif bad is not None and stage is Stage.DATA and reply.code == 354:
                # It waits for a message without a recipient. We give it none: hang up.
                self.goes_on = False
        return bad

    def _told(self, envelope: Envelope, size: int) -> list[Command] | Outcome:
        """`commands`, made once for a message that is announced, awaited and sent."""
        known = (envelope.sender, envelope.recipient, envelope.smtputf8, envelope.envelope_id, size)
        if self._last is None or self._last[0] != known:
            self._last = known, commands(envelope, size, self.esmtp_features)
        return self._last[1]

    def _message(
        self, envelope: Envelope, message: bytes, following: Following | None
    ) -> Part[Outcome]:
        """The message, its final dot, what follows; then the answer to the dot."""
        body = message if envelope.dotless else stuffed(message)
        announced = self._to_announce(following)
        tail = b"".join(command for _, command in announced or ())
        payload = memoryview(b"".join((body, DOT, tail)))
        sent, dot = 0, len(body)
        block = self._relay.patience.block
        while sent < len(payload):
            chunk = payload[sent : sent + CHUNK]
            if sent <= dot:
                self.stage = Stage.DATA
            until = 0.0
            while True:  # until the kernel takes some of it
                if self.stage is not Stage.TERMINATOR and sent + len(chunk) > dot:
                    early = self._glance()
                    if early is not None:
                        return early
                    if boot_seconds() > envelope.dot_before:
                        self.goes_on = False
                        return Outcome(Kind.DEFERRED, self.stage, reply="slept past the lease")
                    self.stage = Stage.TERMINATOR
                try:
                    assert self.sock is not None
                    sent += self.sock.send(chunk)
                    break
                except BlockingIOError:
                    # Not a byte of it was taken: the dot is not out.
                    self.stage = Stage.DATA if sent <= dot else self.stage
                    wait = Wait(writes=True, until=0)
                except NOT_NOW as error:  # TLS keeps what it has sealed: as good as out
                    wait = Wait(not isinstance(error, ssl.SSLWantReadError), 0)
                until = until or time.monotonic() + block
                yield wait._replace(until=until)
        self._announced = announced
        reply = yield from self._reply()
        outcome = replies.outcome(Stage.TERMINATOR, reply)
        self.carried = self.carried or outcome.kind is Kind.ACCEPTED
        self.goes_on = outcome.kind is not Kind.IN_DOUBT
        self.stage = Stage.MAIL
        if announced and outcome.kind in (Kind.DEFERRED, Kind.REJECTED) and reply.code != 421:
            return (yield from self._if_all_answer(announced, outcome))
        return outcome

    def _if_all_answer(self, announced: list[Command], outcome: Outcome) -> Part[Outcome]:
        """`outcome`, once what was announced behind the dot is answered too; the answers are kept for its turn.

        A relay that leaves out its answer to the dot would have a refusal of the
        next reader's taken for it, and this one's message sent a second time. One
        that says no too early, and yes after the dot, has said one thing too many.
        """
        try:
            for stage, _ in announced:
                reply = yield from self._reply()
                if reply.code // 100 == (2 if stage is Stage.DATA else 3):
                    raise Nonsense  # the answer to the command before it
                self._kept.append(reply)
            if self._heard:
                raise Nonsense
        except (OSError, Nonsense):
            self.goes_on = False
            return Outcome(Kind.IN_DOUBT, Stage.TERMINATOR, reply="the answers do not fit")
        return outcome

    def _to_announce(self, following: Following | None) -> list[Command] | None:
        """The commands of the next message, when this line will carry it."""
        most = self._relay.messages
        if following is None or not self._pipelines or (most and self.messages >= most):
            return None
        told = self._told(following.envelope, following.size)
        return None if isinstance(told, Outcome) else told

    def goodbye(self) -> None:
        """QUIT, unless a message was announced: behind a 354 it would be a line of it."""
        if self.sock is not None and self._announced is None and self.goes_on:
            with suppress(OSError):
                self.sock.settimeout(1)
                self.sock.sendall(b"QUIT\r\n")  # the answer cannot change what was accepted


def _goes_on(stage: Stage, reply: Reply) -> bool:
    return reply.code == 354 if stage is Stage.DATA else 200 <= reply.code < 300
