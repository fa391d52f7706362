"""What one mail to our mailboxes is and what it claims. Pure: nothing here is believed yet.

    bytes -> parts -> DSN | feedback report | leave | text of a mailer-daemon | automatic | other
                   -> claims: tokens and Message-IDs, never an address

Tokens of a bounce are looked for in the recipient alone (VERP), a Message-ID
in the head of the returned mail alone: whatever somebody pastes into a body
is no claim.

Source: RFC 3464, RFC 5965, RFC 3834 §2 and §5, RFC 5321 §4.5.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from newsletter.delivery.feedback import dsn, opinion
from newsletter.delivery.feedback.events import Kind
from newsletter.delivery.feedback.failure import Failure, in_words
from newsletter.delivery.feedback.mime import Part, Unreadable, fields, parse
from newsletter.delivery.headers import BOUNCE_NAME, LEAVE_NAME


class Sort(StrEnum):
    """What a mail is."""

    DSN = "dsn"
    TEXT = "text-bounce"
    """A mailer-daemon's words without a report."""
    COMPLAINT = "arf"
    LEAVE = "leave-mail"
    AUTOMATIC = "automatic"
    """Out of office, a ticket number, to one of our mailboxes: neither a bounce nor a leave."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a mail says it is about. Everything is to be verified by key (naming.py)."""

    bounce_tokens: frozenset[str] = frozenset()
    leave_tokens: frozenset[str] = frozenset()
    """Of the recipient: a wish to leave."""
    message_ids: frozenset[str] = frozenset()
    """Of the mail that was returned, with their angle brackets."""
    mail_tokens: frozenset[str] = frozenset()
    """Of the List-Unsubscribe of the mail that was returned."""
    envelope_id: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """`kind` is None when there is nothing to be done."""

    sort: Sort
    kind: Kind | None = None
    failure: Failure = field(default_factory=Failure)
    claims: Claims = field(default_factory=Claims)


def understand(raw: bytes, recipients: Sequence[str] = ()) -> Heard:
    """What `raw` is; `recipients` are envelope recipients that its header does not tell (LMTP, a pipe).

    Raises:
        Unreadable: it goes beyond the bounds of mime.py, or names more mails than any report.
    """
    mail = parse(raw)
    bounce, leave = _tokens_of_recipient(mail, recipients)
    report = next((part for part in _walk(mail) if part.type in dsn.STATUS), None)
    if report is not None:
        told = dsn.read(report)
        if told.says_little:
            told = told.in_other_words(in_words(_lines_with_codes(_for_people(mail))))
        claims = _returned(mail, bounce, told.envelope_id)
        return Heard(Sort.DSN, told.kind, told.failure, claims)
    feedback = next((part for part in _walk(mail) if part.type == "message/feedback-report"), None)
    if feedback is not None:
        return _complaint(mail, feedback, bounce)
    if any(head.first("x-hmxmroriginalrecipient") for head in _heads(mail)):
        return Heard(Sort.COMPLAINT, Kind.COMPLAINED, claims=_returned(mail, bounce))
    if leave:
        return _wish(mail, leave)
    if _is_daemon(mail):
        return _words_of_daemon(raw, mail, bounce)
    if bounce and is_automatic(mail):
        return Heard(Sort.AUTOMATIC, claims=Claims(bounce_tokens=bounce))
    return Heard(Sort.OTHER)


def is_automatic(mail: Part) -> bool:
    """Whether a program wrote this: it is no wish of anybody, and nobody answers it (RFC 3834 §2)."""
    auto = (mail.first("auto-submitted") or "no").partition(";")[0].strip().lower()
    precedence = (mail.first("precedence") or "").strip().lower()
    return (
        auto != "no"
        or precedence in ("bulk", "junk", "list", "auto_reply")
        or mail.first("x-auto-response-suppress") is not None
        or mail.first("x-autoreply") is not None
        or mail.first("x-autorespond") is not None
        or _null_return_path(mail)
    )


def _null_return_path(mail: Part) -> bool:
    path = mail.first("return-path")
    return path is not None and path.strip() in ("<>", "")


_RECIPIENT_FIELDS = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "to",
    "cc",
)
_OUR_MAILBOX = re.compile(
    rf"(?<![A-Za-z0-9_.+-])({BOUNCE_NAME}|{LEAVE_NAME})\+([A-Za-z0-9_-]{{32}})@", re.ASCII
)


def _tokens_of_recipient(
    mail: Part, recipients: Sequence[str]
) -> tuple[frozenset[str], frozenset[str]]:
    told = [value for name in _RECIPIENT_FIELDS for value in mail.all(name)]
    return _tokens([*recipients, *told])


def _tokens(values: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Bounce tokens and leave tokens in mailboxes of ours."""
    found = [match for value in values for match in _OUR_MAILBOX.findall(value)]
    bounce, leave = (
        _few(token for name, token in found if name == wanted)
        for wanted in (BOUNCE_NAME, LEAVE_NAME)
    )
    return bounce, leave


MOST_NAMES = 32
"""Tokens, or Message-IDs, of one mail. A report has one or two; each is looked up in the database."""


def _few(names: Iterable[str]) -> frozenset[str]:
    """Raises Unreadable: so many that looking them up would keep every other mail waiting."""
    found = frozenset(names)
    if len(found) > MOST_NAMES:
        raise Unreadable(f"it names more than {MOST_NAMES} mails")
    return found


def _walk(mail: Part) -> Iterator[Part]:
    """Every part, outermost first: a report inside a forwarded mail comes last."""
    level: list[Part] = [mail]
    while level:
        yield from level
        level = [child for part in level for child in part.parts]


def _heads(mail: Part) -> Iterator[Part]:
    """The head of each mail that was returned."""
    for part in _walk(mail):
        if part.type in ("message/rfc822", "message/global") and part.parts:
            yield part.parts[0]
        elif part.type in (
            "text/rfc822-headers",
            "message/rfc822-headers",
            "message/global-headers",
        ):
            yield _head(part.content)


def _head(text: bytes) -> Part:
    found, _ = fields(text.replace(b"\r\n", b"\n").lstrip(b"\n"))
    return Part(found, "text/rfc822-headers", {}, b"")


_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,255}>")
_LEAVE_LINK = re.compile(r"/leave/([A-Za-z0-9_-]{32})(?![A-Za-z0-9_-])", re.ASCII)


def _returned(mail: Part, bounce: frozenset[str], envelope_id: str | None = None) -> Claims:
    """The claims of a report: of its recipient and of the mail that it returns."""
    return _claims(list(_heads(mail)), bounce, envelope_id)


def _claims(heads: list[Part], bounce: frozenset[str], envelope_id: str | None = None) -> Claims:
    links = [value for head in heads for value in head.all("list-unsubscribe")]
    tokens = {token for value in links for token in _LEAVE_LINK.findall(value)}
    return Claims(
        bounce_tokens=bounce,
        message_ids=_few(
            found
            for head in heads
            for value in head.all("message-id")
            for found in _MESSAGE_ID.findall(value)
        ),
        mail_tokens=_few(tokens | _tokens(links)[1]),
        envelope_id=envelope_id.strip() if envelope_id else None,
    )


_FEEDBACK = {
    "abuse": Kind.COMPLAINED,
    "fraud": Kind.COMPLAINED,
    "opt-out": Kind.LEFT,
    "opt-out-list": Kind.LEFT,
}
"""RFC 5965 §3.1 and §7.3; "not-spam" and "auth-failure" (RFC 6591) are nobody's complaint."""


def _complaint(mail: Part, feedback: Part, bounce: frozenset[str]) -> Heard:
    """RFC 5965: addresses are often struck out, so our own names in the returned mail count."""
    said = dict(reversed(fields(feedback.content.replace(b"\r\n", b"\n").lstrip(b"\n"))[0]))
    kind = _FEEDBACK.get(said.get("feedback-type", "").strip().lower())
    verp, _ = _tokens([said.get("original-mail-from", "")])
    paths, _ = _tokens([value for head in _heads(mail) for value in head.all("return-path")])
    return Heard(Sort.COMPLAINT, kind, claims=_returned(mail, bounce | verp | paths))


def _wish(mail: Part, leave: frozenset[str]) -> Heard:
    claims = Claims(leave_tokens=leave)
    if is_automatic(mail):
        return Heard(Sort.AUTOMATIC, claims=claims)
    return Heard(Sort.LEAVE, Kind.LEFT, claims=claims)


_DAEMONS = re.compile(
    r"(?:^|[\s<\"(])(?:mailer[-_.]?daemon|mail[-_.]?daemon|postmaster|mail[-_ ]delivery[-_ ]s\w+)\b",
    re.IGNORECASE,
)


def _for_people(mail: Part) -> str:
    """What a report says in words, in front of its machine-readable part (RFC 6522 §3)."""
    first = mail.parts[0] if mail.parts else mail
    return first.content.decode("latin-1") if first.type == "text/plain" else ""


def _is_daemon(mail: Part) -> bool:
    """A mail server speaks. A null return path alone says less: a vacation reply may have it."""
    if mail.first("x-failed-recipients") is not None:
        return True
    return any(_DAEMONS.search(value[:500]) for value in mail.all("from"))


_COPY = re.compile(
    rb"^(?:-{3,} ?(?:Below this line is a copy|This is a copy of|Original message|Returned message"
    rb"|Unsent message|The header of the original)[^\n]*)\n",
    re.MULTILINE | re.IGNORECASE,
)
"""Where the daemons of qmail (QSBMF), Exim and others begin to quote what they return."""


def _words_of_daemon(raw: bytes, mail: Part, bounce: frozenset[str]) -> Heard:
    """A bounce without a report: our token says whose, the words and a second opinion say how bad."""
    text = b"\n".join(
        part.content for part in _walk(mail) if part.type.startswith("text/") and not part.parts
    ).replace(b"\r\n", b"\n")
    quoted = _COPY.search(text)
    spoken = text[: quoted.start()] if quoted else text
    heads = list(_heads(mail))
    if quoted:
        heads.append(_head(text[quoted.end() :]))
    failure = in_words(_lines_with_codes(spoken.decode("latin-1")))
    match opinion.of(raw):
        case opinion.Opinion.TEMPORARY:
            kind: Kind | None = Kind.DEFERRED
        case opinion.Opinion.PERMANENT:
            kind = Kind.BOUNCED
        case opinion.Opinion.NONE:
            kind = Kind.BOUNCED if failure.permanent else None
    if kind is Kind.BOUNCED and failure.blocked:
        kind = Kind.BLOCKED
    return Heard(Sort.TEXT, kind, failure, _claims(heads, bounce))


def _lines_with_codes(text: str) -> str:
    """Lines that may hold a code, without the many that do not."""
    return "\n".join(
        line for line in text[:65536].splitlines() if re.search(r"[45]\d\d|\d\.\d", line)
    )
