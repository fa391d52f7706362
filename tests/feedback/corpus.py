"""What mail servers send back, written from the descriptions of their formats.

RFC 3464 (Postfix, Exim, Sendmail, Exchange, Gmail, Yahoo, mail.ru), QSBMF
(qmail), RFC 5965 (Yahoo, mail.ru, AOL), Microsoft's junk mail reports. Each
takes whom our mail was for and what of ours comes back in it.
"""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Ours:
    """The marks of one mail of ours, and the reader it was for. `verp` is the whole return path."""

    verp: str
    message_id: str
    reader: str = "anna.petrova@mailbox.example"
    leave: str = ""
    envelope_id: str = ""

    @property
    def head(self) -> str:
        """The head of our letter, as it comes back."""
        return (
            f"Return-Path: <{self.verp}>\n"
            'From: "Test letter" <letter@letter.example.org>\n'
            f"To: {self.reader}\n"
            "Subject: November\n"
            "Date: Sat, 21 Nov 2026 12:00:00 +0000\n"
            f"Message-ID: {self.message_id}\n"
            f"List-Unsubscribe: <http://127.0.0.1:8000/leave/{self.leave}>\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\n"
            "Feedback-ID: 2026-11:letter:newsletter:0123456789ab\n"
            "MIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=utf-8\n"
        )

    @property
    def letter(self) -> str:
        return f"{self.head}\nDear reader, here is the letter of November.\n"


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def report(
    ours: Ours,
    *,
    sender: str = "MAILER-DAEMON@mx.example.net (Mail Delivery System)",
    subject: str = "Undelivered Mail Returned to Sender",
    words: str = "This is the mail system. Your message could not be delivered.\n",
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 <{reader}>: Recipient address rejected: User unknown",
    more: str = "",
    returned: str = "message/rfc822",
    to: str | None = None,
    head: str = "",
    reporting: str = "Reporting-MTA: dns; mx.example.net\nArrival-Date: Sat, 21 Nov 2026 12:00:01 +0000\n",
    kind: str = "message/delivery-status",
) -> bytes:
    """A multipart/report as RFC 3464 has it."""
    recipient = ours.verp if to is None else to
    envelope = f"Original-Envelope-Id: {ours.envelope_id}\n" if ours.envelope_id else ""
    told = f"Diagnostic-Code: {diagnostic.format(reader=ours.reader)}\n" if diagnostic else ""
    back = ours.letter if returned == "message/rfc822" else ours.head
    return crlf(
        f"{head}From: {sender}\nTo: <{recipient}>\nSubject: {subject}\n"
        "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status;\n boundary="B_1/x=y"\n\n'
        "This is a MIME-encapsulated message.\n\n"
        f"--B_1/x=y\nContent-Type: text/plain; charset=us-ascii\n\n{words}\n"
        f"--B_1/x=y\nContent-Description: Delivery report\nContent-Type: {kind}\n\n"
        f"{reporting}{envelope}\n"
        f"Final-Recipient: rfc822; {ours.reader}\nAction: {action}\nStatus: {status}\n"
        f"Remote-MTA: dns; mx.mailbox.example\n{told}{more}\n"
        f"--B_1/x=y\nContent-Description: Undelivered Message\nContent-Type: {returned}\n\n"
        f"{back}\n--B_1/x=y--\n"
    )


def postfix(ours: Ours) -> bytes:
    return report(
        ours,
        head=f"Return-Path: <>\nX-Original-To: {ours.verp}\nDelivered-To: {ours.verp}\n",
        reporting="Reporting-MTA: dns; mail.example.org\nX-Postfix-Queue-ID: 4ABCDEF12345\n"
        "X-Postfix-Sender: rfc822; letter@letter.example.org\n",
        words="This is the mail system at host mail.example.org.\n\n"
        "I'm sorry to have to inform you that your message could not\n"
        f"be delivered to one or more recipients.\n\n<{ours.reader}>: host\n"
        "    mx.mailbox.example[203.0.113.25] said: 550 5.1.1 no such user (in reply to RCPT TO command)\n",
    )


def postfix_headers_only(ours: Ours) -> bytes:
    return report(ours, returned="text/rfc822-headers")


def postfix_no_such_domain(ours: Ours) -> bytes:
    return report(
        ours,
        status="5.1.2",
        diagnostic="X-Postfix; Host or domain name not found. Name service error for name={reader}",
    )


def exim(ours: Ours) -> bytes:
    """Exim's report: the status says nothing, the diagnostic does."""
    return report(
        ours,
        sender="Mail Delivery System <Mailer-Daemon@exim.example.net>",
        subject="Mail delivery failed: returning message to sender",
        head=f"X-Failed-Recipients: {ours.reader}\nEnvelope-to: {ours.verp}\n",
        to="letter@letter.example.org",
        status="5.0.0",
        diagnostic="smtp; 550-5.1.1 The email account that you tried to reach does not exist.",
    )


def exim_text(ours: Ours) -> bytes:
    """Exim before 4.8: words alone."""
    return crlf(
        f"X-Failed-Recipients: {ours.reader}\nAuto-Submitted: auto-replied\n"
        f"From: Mail Delivery System <Mailer-Daemon@exim.example.net>\nTo: {ours.verp}\n"
        "Subject: Mail delivery failed: returning message to sender\n\n"
        "This message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n\n"
        f"  {ours.reader}\n"
        "    SMTP error from remote mail server after RCPT TO:<someone>:\n"
        "    host mx.mailbox.example [203.0.113.25]: 550 5.1.1 unknown user\n\n"
        "------ This is a copy of the message, including all the headers. ------\n\n"
        f"{ours.letter}"
    )


def sendmail(ours: Ours) -> bytes:
    return report(
        ours,
        sender="Mail Delivery Subsystem <MAILER-DAEMON@sendmail.example.net>",
        subject="Returned mail: see transcript for details",
        words="   ----- The following addresses had permanent fatal errors -----\n"
        f"<{ours.reader}>\n    (reason: 550 5.1.1 <x>... User unknown)\n\n"
        "   ----- Transcript of session follows -----\n"
        "550 5.1.1 <x>... User unknown\n",
        diagnostic="SMTP; 550 5.1.1 <{reader}>... User unknown",
        returned="text/rfc822-headers",
        more="Last-Attempt-Date: Sat, 21 Nov 2026 12:00:02 GMT\n",
    )


def qmail(ours: Ours) -> bytes:
    """QSBMF."""
    return crlf(
        f"Return-Path: <>\nDelivered-To: {ours.verp}\nFrom: MAILER-DAEMON@qmail.example.net\n"
        f"To: {ours.verp}\nSubject: failure notice\n\n"
        "Hi. This is the qmail-send program at qmail.example.net.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{ours.reader}>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
        "--- Below this line is a copy of the message.\n\n"
        f"{ours.letter}"
    )


def exchange(ours: Ours) -> bytes:
    return report(
        ours,
        sender="postmaster@exchange.example.net",
        subject="Undeliverable: November",
        words="Delivery has failed to these recipients or groups:\n",
        diagnostic="smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound; not found",
        more="X-Display-Name: Anna Petrova\n",
    )


def exchange_german(ours: Ours) -> bytes:
    return report(
        ours,
        sender="postmaster@exchange.example.net",
        subject="=?utf-8?Q?Unzustellbar=3A_November?=",
        words="Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Gruppen:\n"
        "Die eingegebene E-Mail-Adresse konnte nicht gefunden werden.\n",
        diagnostic="smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Empfänger nicht gefunden",
        status="5.1.10",
    )


def exchange_russian(ours: Ours) -> bytes:
    return report(
        ours,
        sender="postmaster@exchange.example.net",
        subject="=?utf-8?B?0J3QtdC00L7RgdGC0LDQstC70LXQvdC+?=",
        words="Не удалось доставить сообщение следующим получателям:\n",
        diagnostic="smtp;550 5.1.1 RESOLVER.ADR.ExRecipNotFound; получатель не найден",
    )


def gmail(ours: Ours) -> bytes:
    return report(
        ours,
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        subject="Delivery Status Notification (Failure)",
        status="5.1.1",
        diagnostic="smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try\n"
        " 550-5.1.1 double-checking the recipient's email address for typos or\n"
        " 550 5.1.1 unnecessary spaces. - gsmtp",
        reporting="Reporting-MTA: dns; googlemail.com\nX-Original-Message-ID: <x@y.example>\n",
    )


def yahoo(ours: Ours) -> bytes:
    return report(
        ours,
        sender="MAILER-DAEMON@yahoo.com",
        subject="Failure Notice",
        status="5.0.0",
        diagnostic="smtp; 554 delivery error: dd This user doesn't have a yahoo.com account",
    )


def mail_ru(ours: Ours) -> bytes:
    return report(
        ours,
        sender="mailer-daemon@corp.mail.ru",
        subject="=?utf-8?B?0J/QuNGB0YzQvNC+?=",
        words="Ваше сообщение не может быть доставлено.\n",
        status="5.0.0",
        diagnostic="smtp; 550 Message was not accepted -- invalid mailbox. Local mailbox is unavailable: user not found",
    )


def full_mailbox(ours: Ours) -> bytes:
    """`failed` with a transient status: what a library takes for permanent."""
    return report(
        ours,
        status="4.2.2",
        diagnostic="smtp; 452 4.2.2 The email account that you tried to reach is over quota",
    )


def blocked(ours: Ours) -> bytes:
    return report(
        ours,
        status="5.7.1",
        diagnostic="smtp; 550 5.7.1 Our system has detected that this message is likely unsolicited mail",
    )


def blocked_without_status(ours: Ours) -> bytes:
    return report(
        ours,
        status="5.0.0",
        diagnostic="smtp; 550 Blocked by policy, see https://block.example/",
    )


def delayed(ours: Ours) -> bytes:
    return report(
        ours,
        action="delayed",
        status="4.4.1",
        diagnostic="X-Postfix; connect to mx.mailbox.example: Connection timed out",
        more="Will-Retry-Until: Thu, 26 Nov 2026 12:00:00 +0000\n",
    )


def delivered(ours: Ours) -> bytes:
    return report(ours, action="delivered (left us)", status="2.0.0", diagnostic="")


def relayed(ours: Ours) -> bytes:
    return report(ours, action="relayed", status="2.1.9", diagnostic="")


def one_of_two_behind_an_alias(ours: Ours) -> bytes:
    return report(
        ours,
        more="\nFinal-Recipient: rfc822; other@alias.example\nAction: expanded\nStatus: 2.0.0\n",
    )


def without_action(ours: Ours) -> bytes:
    return report(ours).replace(b"Action: failed\r\n", b"")


def base64_status(ours: Ours) -> bytes:
    """Parts in base64, which RFC 3464 forbids and gateways do."""
    raw = report(ours)
    start = raw.index(b"Reporting-MTA")
    end = raw.index(b"\r\n--B_1/x=y\r\nContent-Description: Undelivered")
    encoded = base64.encodebytes(raw[start:end]).replace(b"\n", b"\r\n")
    head = b"message/delivery-status\r\nContent-Transfer-Encoding: base64"
    return (raw[:start] + encoded + raw[end:]).replace(b"message/delivery-status", head, 1)


def quoted_printable_status(ours: Ours) -> bytes:
    raw = report(ours)
    start = raw.index(b"Reporting-MTA")
    end = raw.index(b"\r\n--B_1/x=y\r\nContent-Description: Undelivered")
    encoded = quopri.encodestring(raw[start:end].replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    head = b"message/delivery-status\r\nContent-Transfer-Encoding: quoted-printable"
    return (raw[:start] + encoded + raw[end:]).replace(b"message/delivery-status", head, 1)


def internationalised(ours: Ours) -> bytes:
    """RFC 6533."""
    return report(ours, kind="message/global-delivery-status", returned="message/global-headers")


def forwarded(ours: Ours) -> bytes:
    """A report inside a mail: a gateway passes it on."""
    inner = report(ours).decode().replace("\r\n", "\n")
    return crlf(
        f"From: gateway@example.net\nTo: {ours.verp}\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="out"\n\n--out\nContent-Type: text/plain\n\n'
        f"Passed on.\n--out\nContent-Type: message/rfc822\n\n{inner}\n--out--\n"
    )


def from_an_mbox(ours: Ours) -> bytes:
    return b"From MAILER-DAEMON Sat Nov 21 12:00:00 2026\n" + report(ours).replace(b"\r\n", b"\n")


def huge(ours: Ours) -> bytes:
    """Ten megabytes come back, and the report stands in front of them."""
    return report(ours).replace(b"Dear reader", b"Dear reader " + b"x" * 76 + b"\r\n" * 5) + (
        b"A" * 76 + b"\r\n"
    ) * (10 * 1024 * 1024 // 78)


def arf(
    ours: Ours, kind: str = "abuse", to: str = "abuse@letter.example.org", more: str = ""
) -> bytes:
    """RFC 5965, addresses struck out."""
    struck = replace(ours, reader="[redacted]")
    return crlf(
        f"From: <feedback@arf.mail.example.net>\nTo: <{to}>\nSubject: FW: November\n"
        "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report;\n"
        ' boundary="part1_13d.2e68ed54_boundary"\n\n'
        "--part1_13d.2e68ed54_boundary\nContent-Type: text/plain; charset=US-ASCII\n\n"
        "This is an email abuse report for an email message received from IP 192.0.2.1.\n\n"
        "--part1_13d.2e68ed54_boundary\nContent-Type: message/feedback-report\n\n"
        f"Feedback-Type: {kind}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n{more}"
        "Source-IP: 192.0.2.1\n\n"
        "--part1_13d.2e68ed54_boundary\nContent-Type: message/rfc822\n"
        f"Content-Disposition: inline\n\n{struck.letter}\n"
        "--part1_13d.2e68ed54_boundary--\n"
    )


def arf_with_headers_alone(ours: Ours) -> bytes:
    return arf(ours).replace(b"message/rfc822", b"text/rfc822-headers")


def microsoft_junk_report(ours: Ours) -> bytes:
    """JMRP: no feedback report, the letter alone, with a field of theirs."""
    return crlf(
        "From: staff@hotmail.com\nTo: abuse@letter.example.org\n"
        "Subject: complaint about message from 192.0.2.1\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="jmrp"\n\n--jmrp\n'
        "Content-Type: message/rfc822\nContent-Disposition: inline\n\n"
        f"X-HmXmrOriginalRecipient: {ours.reader}\n{ours.letter}\n--jmrp--\n"
    )


def vacation(ours: Ours) -> bytes:
    """Out of office, to the return path, as RFC 3834 wants it. It even names a code."""
    return crlf(
        f"Return-Path: <>\nFrom: Anna <{ours.reader}>\nTo: {ours.verp}\n"
        "Subject: Automatic reply: November\nAuto-Submitted: auto-replied (vacation)\n"
        f"In-Reply-To: {ours.message_id}\n\n"
        "I am out of the office until room 550 5.1.1 is painted.\n"
    )


def ticket(ours: Ours) -> bytes:
    return crlf(
        f"From: Help desk <help@desk.example>\nTo: {ours.verp}\nPrecedence: auto_reply\n"
        "X-Auto-Response-Suppress: All\nSubject: [#4711] We got your mail\n\nThank you.\n"
    )


def person(ours: Ours) -> bytes:
    return crlf(
        f"From: Anna <{ours.reader}>\nTo: {ours.verp}\nSubject: Re: November\n\n"
        f"Thank you! You wrote as {ours.verp}: 550 5.1.1 <- what is that?\n"
    )


def leave_mail(mailbox: str, *, head: str = "", sender: str = "anna@mailbox.example") -> bytes:
    return crlf(f"{head}From: <{sender}>\nTo: <{mailbox}>\nSubject: leave\n\n\n")


GONE: dict[str, Callable[[Ours], bytes]] = {
    each.__name__: each
    for each in (
        postfix,
        postfix_headers_only,
        postfix_no_such_domain,
        exim,
        exim_text,
        sendmail,
        qmail,
        exchange,
        exchange_german,
        exchange_russian,
        gmail,
        mail_ru,
        base64_status,
        quoted_printable_status,
        internationalised,
        forwarded,
        from_an_mbox,
        huge,
    )
}
"""Formats in which a mailbox that does not exist comes back."""

COMPLAINTS: dict[str, Callable[[Ours], bytes]] = {
    each.__name__: each for each in (arf, arf_with_headers_alone, microsoft_junk_report)
}
