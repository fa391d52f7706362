"""SMTP, walked step by step, so that wherever the line breaks the stage is known.

    CONNECT GREETING HELLO [STARTTLS HELLO] [AUTH]     ready(): once a conversation
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

from newsletter.delivery import reply as replies
from newsletter.delivery import steps
from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage
from newsletter.delivery.reply import Nonsense, Reply
from newsletter.delivery.steps import DIAL, Steps
from newsletter.delivery.transports.dialogue import Patience, Relay, Talk

__all__ = ["Patience", "Relay", "SmtpConnection", "SmtpTransport"]


class SmtpTransport:
    """A relay that takes our mail."""

    name = "smtp"

    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    def connect(self) -> SmtpConnection:
        return SmtpConnection(self.relay)


class SmtpConnection:
    """One conversation; opened by `ready`, opened again after a cut. For one thread."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._talk: Talk | None = None
        self._aborted = False

    def ready(self) -> Outcome | None:
        if self._talk is not None:
            return None
        if self._aborted:
            return Outcome(Kind.DEFERRED, Stage.CONNECT, reply="aborted")
        talk = self._talk = Talk(self._relay)
        try:
            trouble = talk.open()
        except (OSError, smtplib.SMTPException, Nonsense) as error:
            trouble = _trouble(talk.stage, error)
        if trouble is None and self._aborted:
            trouble = Outcome(Kind.DEFERRED, talk.stage, reply="aborted")
        if trouble is not None:
            self._drop()
        return trouble

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        return steps.drive(self.steps(envelope, message), self.fileno, self.ready)

    def fileno(self) -> int:
        return -1 if self._talk is None else self._talk.fileno()

    def steps(self, envelope: Envelope, message: bytes) -> Steps:
        used = self._talk is not None
        outcome = yield from self._once(envelope, message)
        if used and _hung_up_before(outcome):
            # The relay had closed an idle line, or takes so many messages on
            # one and no more. Nothing of this message was said: dial again.
            outcome = yield from self._once(envelope, message)
        return outcome

    def _once(self, envelope: Envelope, message: bytes) -> Steps:
        if self._talk is None:
            trouble = yield DIAL
            if trouble is not None:
                return trouble
        talk = self._talk
        assert talk is not None
        try:
            outcome = yield from talk.transaction(envelope, message)
        except (OSError, Nonsense) as error:
            self._drop()
            return _trouble(talk.stage, error)
        if outcome.code == 421 or not talk.goes_on:
            self._drop()
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
        if self._talk is not None:
            self._talk.close()
            self._talk = None


def _hung_up_before(outcome: Outcome) -> bool:
    """The line ended at MAIL, before the reader was named."""
    cut = outcome.code in (None, 421) and outcome.reply != "timed out"
    return cut and outcome.kind is Kind.DEFERRED and outcome.stage is Stage.MAIL


def _trouble(stage: Stage, error: Exception) -> Outcome:
    """A step that got no answer, or none that can be read."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outcome(Kind.OUR_FAULT, Stage.STARTTLS, reply="the certificate does not verify")
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        words = text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)
        return replies.outcome(stage, Reply(error.smtp_code, words))
    if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
        return Outcome(Kind.OUR_FAULT, stage, reply=f"the relay does not offer our {stage.name}")
    return Outcome(replies.nonsense(stage), stage, reply=_words(error))


def _words(error: Exception) -> str:
    if isinstance(error, Nonsense):
        return "no SMTP reply"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "connection lost"
