"""What an error on the line means: for the message (an Outcome), and for the publisher (a Finding). Pure."""

from __future__ import annotations

import socket
import ssl

from newsletter.config import FILE_NAME
from newsletter.delivery import reply as replies
from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.reply import Nonsense
from newsletter.delivery.tempo import slows_down
from newsletter.errors import Finding, Where

NO_NAME = "the name does not resolve"
NOT_OFFERED = "not offered"
NO_PASSWORD = "the password cannot be read"
NO_AUTHORITY = "the certificate authority's file cannot be read"
IN_CLEAR = "not outside TLS to another machine"
GOES_ON = "`newsletter run` goes on by itself, `newsletter send` when it is typed again"
"""Both of them tell this."""

_CERTIFICATE = {
    9: "the certificate is not valid yet",
    10: "the certificate expired",
    18: "the certificate is self-signed",
    19: "the certificate is self-signed",
    20: "the certificate is from an unknown authority",
    21: "the certificate is from an unknown authority",
    62: "the certificate is for another name",
    64: "the certificate is for another name",
}
"""X509_V_ERR_* of OpenSSL's x509_vfy.h."""


def outcome(stage: Stage, error: Exception) -> Outcome:
    """A step that got no answer, or none that can be read."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _CERTIFICATE.get(error.verify_code, "the certificate does not verify")
        return Outcome(Kind.OUR_FAULT, Stage.STARTTLS, reply=why)
    return Outcome(replies.nonsense(stage), stage, reply=_words(error))


def _words(error: Exception) -> str:
    match error:
        case Nonsense():
            return "no SMTP reply"
        case TimeoutError():
            return "timed out"
        case socket.gaierror() | UnicodeError():  # no such name, no answer, or no name at all
            return NO_NAME
        case ssl.SSLError(reason=str(reason)):
            return f"TLS failed: {reason.replace('_', ' ').lower()}"
        case OSError(strerror=str(strerror)):
            return strerror
    return "connection lost"


def finding(
    outcome: Outcome,
    relay: str,
    key: str = "[delivery.smtp] user and the secret that password names",
) -> Finding:
    """One line for whoever runs the publication. `relay` is the host as configured; no reader is known here.

    `key` is where the way to log in is set.
    """
    said = _said(outcome)
    smtp = Where(FILE_NAME)
    match outcome:
        case Outcome(stage=Stage.CONNECT, reply=reply) if reply == NO_NAME:
            return Finding(
                "NL622",
                f"the name {relay} of the relay does not resolve",
                smtp,
                help="check [delivery.smtp] host and this machine's DNS; " + GOES_ON,
            )
        case Outcome(stage=Stage.STARTTLS, reply=reply) if "certificate" in reply:
            return Finding(
                "NL623",
                f"{relay} is not trusted: {reply}",
                smtp,
                help="the relay's operator renews it; nothing is sent to a host that cannot prove its name",
            )
        case Outcome(stage=Stage.STARTTLS, kind=Kind.OUR_FAULT):  # missing or refused
            return Finding(
                "NL625",
                f"{relay} does not take STARTTLS: {said}",
                smtp,
                help='check the port, or set [delivery.smtp] security = "tls"; nothing is sent in clear',
            )
        case Outcome(stage=Stage.AUTH, kind=Kind.OUR_FAULT):
            return Finding(
                "NL624",
                f"{relay} does not let us log in: {said}",
                smtp,
                help=f"check {key}",
            )
        case Outcome(kind=Kind.OUR_FAULT):
            return Finding(
                "NL626",
                f"{relay} refuses us at {said}",
                smtp,
                help="the relay must allow this machine and the address in [sender]; ask its operator",
            )
    if slows_down(outcome):
        return Finding(
            "NL627",
            f"{relay} asks us to slow down: {said}",
            smtp,
            help="sending goes on by itself, more slowly; [delivery] rate_per_second keeps below its limit",
        )
    return Finding(
        "NL620",
        f"{relay} does not answer: {said}",
        smtp,
        help="check that the mail server runs; " + GOES_ON,
    )


def _said(outcome: Outcome) -> str:
    words = (outcome.stage.value, outcome.code, outcome.reply)
    return " ".join(str(word) for word in words if word)
