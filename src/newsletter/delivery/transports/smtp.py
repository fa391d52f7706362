"""SMTP, walked step by step, so that wherever the line breaks the stage is known.

    CONNECT [STARTTLS] GREETING HELLO [STARTTLS HELLO] [AUTH]   ready(): once a conversation
    MAIL RCPT DATA                                     one write when PIPELINING is offered
    body and final dot                                 one write; from here on TERMINATOR
    the answer to the dot                              10 minutes' patience

`smtplib` opens the conversation; the transaction is ours (dialogue.py),
because `sendmail` raises the same exception for a cut before MAIL and a cut
after the dot. The first is safe to try again, the second may be a sent mail
(RFC 1047).
"""

from __future__ import annotations

import smtplib
import ssl
import threading
import time
from pathlib import Path

from newsletter.delivery import steps
from newsletter.delivery.outcome import Envelope, Following, Kind, Outcome, Stage
from newsletter.delivery.reply import Nonsense
from newsletter.delivery.steps import DIAL, Steps
from newsletter.delivery.transports import trouble
from newsletter.delivery.transports.dialogue import Talk
from newsletter.delivery.transports.wire import Patience, Relay
from newsletter.errors import Finding

__all__ = ["Patience", "Relay", "SmtpConnection", "SmtpTransport"]

TRUST_SECONDS = 600.0
"""The system's authorities are read again after this: loading them takes longer than a mail."""


class Trust:
    """What all lines to a relay know of it: which certificates are believed, and whether it
    takes a message announced behind another's dot. Threads may share it."""

    no_announcements = False

    def __init__(self, authority: Path | None = None) -> None:
        self._authority = authority
        self._lock = threading.Lock()
        self._made: ssl.SSLContext | None = None
        self._at = 0.0

    def context(self) -> ssl.SSLContext:
        """Raises OSError when the authority's file cannot be read or holds none."""
        with self._lock:
            if self._made is None or time.monotonic() - self._at > TRUST_SECONDS:
                self._made = ssl.create_default_context(cafile=self._authority)
                self._made.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
                self._at = time.monotonic()
            return self._made

    def forget(self) -> None:
        """A certificate was not believed: perhaps its authority is being installed right now."""
        with self._lock:
            self._made = None


class SmtpTransport:
    """A relay that takes our mail."""

    name = "smtp"

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self._trust = Trust(relay.authority)

    def connect(self) -> SmtpConnection:
        return SmtpConnection(self.relay, self._trust)

    def explain(self, outcome: Outcome) -> Finding:
        return trouble.finding(outcome, self.relay.host)


class SmtpConnection:
    """One conversation; opened by `ready`, opened again after a cut. For one thread."""

    def __init__(self, relay: Relay, trust: Trust) -> None:
        self._relay, self._trust = relay, trust
        self._talk: Talk | None = None
        self._aborted = False

    def ready(self) -> Outcome | None:
        if self._aborted:
            return Outcome(Kind.DEFERRED, Stage.CONNECT, reply="aborted")
        if self._talk is not None:
            return None
        secure = self._relay.security != "none" and self._relay.tls is None
        try:
            context = self._trust.context() if secure else self._relay.tls
        except OSError:
            return Outcome(Kind.OUR_FAULT, Stage.STARTTLS, reply=trouble.NO_AUTHORITY)
        talk = self._talk = Talk(self._relay, context)
        try:
            found = talk.open()
        except (OSError, smtplib.SMTPException, Nonsense, ValueError) as error:
            # ValueError: a name that cannot be a host's ("..", one label of 70 letters).
            if isinstance(error, ssl.SSLCertVerificationError):
                self._trust.forget()
            found = trouble.outcome(talk.stage, error)
        if found is None and self._aborted:
            found = Outcome(Kind.DEFERRED, talk.stage, reply="aborted")
        if found is not None:
            self._drop()
        return found

    def send(
        self, envelope: Envelope, message: bytes, following: Following | None = None
    ) -> Outcome:
        return steps.drive(self.steps(envelope, message, following), self.fileno, self.ready)

    def fileno(self) -> int:
        return -1 if self._talk is None else self._talk.fileno()

    def steps(
        self, envelope: Envelope, message: bytes, following: Following | None = None
    ) -> Steps:
        talk = self._talk
        if talk is not None and not talk.awaits(envelope, len(message)):
            self._drop()  # another was announced, and only hanging up takes that back
        used = self._talk is not None
        carried = used and talk is not None and talk.carried
        announced = talk is not None and talk.announced
        if self._trust.no_announcements:
            following = None
        outcome = yield from self._once(envelope, message, following)
        if announced and outcome.kind is Kind.OUR_FAULT and outcome.stage is Stage.MAIL:
            # Perhaps it is the announcement that it does not like: ask without.
            self._trust.no_announcements = True
            self._drop()
            return (yield from self._once(envelope, message, None))
        if (used and _hung_up_before(outcome)) or (carried and _is_full(outcome)):
            # The relay had closed an idle line, or takes so many messages on
            # one and no more. Nothing of this message was said: dial again.
            self.close()
            outcome = yield from self._once(envelope, message, following)
        return outcome

    def _once(self, envelope: Envelope, message: bytes, following: Following | None) -> Steps:
        if self._talk is None:
            found = yield DIAL
            if found is not None:
                return found
        talk = self._talk
        if talk is None or self._aborted:
            return Outcome(Kind.DEFERRED, Stage.CONNECT, reply="aborted")
        try:
            outcome = yield from talk.transaction(envelope, message, following)
        except (OSError, Nonsense) as error:
            self._drop()
            return trouble.outcome(talk.stage, error)
        if outcome.code == 421 or not talk.goes_on:
            self._drop()
        elif self._relay.messages and talk.messages >= self._relay.messages:
            self.close()
        return outcome

    def abort(self) -> None:
        self._aborted = True
        talk = self._talk
        if talk is not None:
            talk.cut()

    def close(self) -> None:
        if self._talk is not None:
            self._talk.goodbye()
            self._drop()

    def _drop(self) -> None:
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.close()


def _hung_up_before(outcome: Outcome) -> bool:
    """The line ended at MAIL, before the reader was named."""
    cut = outcome.code in (None, 421) and outcome.reply != "timed out"
    return cut and outcome.kind is Kind.DEFERRED and outcome.stage is Stage.MAIL


def _is_full(outcome: Outcome) -> bool:
    """The line takes no more messages, and stays open: OpenSMTPD's 452 4.5.3 after a hundred."""
    too_many = outcome.enhanced == "4.5.3" or "too many" in outcome.reply
    return too_many and outcome.kind is Kind.DEFERRED and outcome.stage is Stage.MAIL
