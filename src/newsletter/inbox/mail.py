"""One mail as it was received: its exact bytes, and what a person wants to see of it.

Nothing is normalised: `raw` is what came over the wire between DATA and the
final dot, dot-stuffing taken away (RFC 5321 §4.5.2), CRLF kept.
"""

from __future__ import annotations

import base64
import datetime as dt
import email
import email.header
import email.message
import email.policy
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

_HTML_LANGUAGE = re.compile(rb"""<html[^>]{0,200}?\slang=(?:3D)?["']?([A-Za-z-]{2,12})""", re.I)
_ANGLE = re.compile(r"<(https?://[^\s<>]+)>", re.I)


@dataclass(frozen=True, slots=True)
class Mail:
    """`number` counts from 1 in the order of arrival; `sender` and `recipients` are the envelope's.

    `size` is in octets. `language` is "" when neither Content-Language nor the
    HTML says one. `source` holds the bytes, or the file they lie in.
    """

    number: int
    received_at: dt.datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    language: str
    size: int
    source: bytes | Path = field(repr=False)

    def __repr__(self) -> str:
        return f"Mail(number={self.number}, size={self.size})"

    @property
    def raw(self) -> bytes:
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    @property
    def parsed(self) -> email.message.Message:
        return email.message_from_bytes(self.raw, policy=email.policy.compat32)

    @property
    def head(self) -> str:
        """The header block as it was sent, folded lines and all."""
        return _head(self.raw).decode("ascii", "backslashreplace")

    def header(self, name: str) -> str | None:
        """The first header of that name, unfolded, encoded words read; None when there is none."""
        value = self.parsed.get(name)
        return None if value is None else _words(str(value))

    @property
    def text(self) -> str | None:
        return _part(self.parsed, "text/plain")

    @property
    def html(self) -> str | None:
        return _part(self.parsed, "text/html")

    @property
    def one_click(self) -> str | None:
        """The address that a mail program posts to (RFC 8058 §3.1); None when the mail offers none."""
        parsed = self.parsed
        if str(parsed.get("List-Unsubscribe-Post", "")).strip() != "List-Unsubscribe=One-Click":
            return None
        found = _ANGLE.search(str(parsed.get("List-Unsubscribe", "")))
        return found[1] if found else None

    @property
    def links(self) -> list[tuple[str, str]]:
        """Every link of the HTML part, or of the text part, once, in order: (address, words)."""
        if (html := self.html) is not None:
            finder = _Links()
            finder.feed(html)
            return list(dict(finder.found).items())
        found = re.findall(r"https?://[^\s<>\"]+", self.text or "")
        return [(url, url) for url in dict.fromkeys(found)]


def receive(
    number: int,
    received_at: dt.datetime,
    sender: str,
    recipients: tuple[str, ...],
    raw: bytes,
    source: bytes | Path | None = None,
) -> Mail:
    """Read what the list shows out of `raw`. Never raises for a malformed mail."""
    head = email.message_from_bytes(_head(raw), policy=email.policy.compat32)
    return Mail(
        number=number,
        received_at=received_at,
        sender=sender,
        recipients=recipients,
        subject=_words(str(head.get("Subject", ""))),
        language=_language(head, raw),
        size=len(raw),
        source=raw if source is None else source,
    )


def _head(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[0]


def _language(head: email.message.Message, raw: bytes) -> str:
    named = str(head.get("Content-Language", "")).strip()
    if named:
        return named.split(",")[0].strip()
    found = _HTML_LANGUAGE.search(_html_beginning(raw))
    return found[1].decode() if found else ""


def _html_beginning(raw: bytes) -> bytes:
    """The first octets of the HTML part: enough for its language, and cheap for thousands of mails."""
    part = raw.find(b"text/html")
    begin = raw.find(b"\r\n\r\n", part)
    if part < 0 or begin < 0:
        return b""
    beginning = raw[begin + 4 : begin + 1000]
    if b"base64" in raw[raw.rfind(b"\r\n\r\n", 0, part) : begin].lower():
        packed = b"".join(beginning.split())
        try:
            return base64.b64decode(packed[: len(packed) // 4 * 4])
        except ValueError:
            return b""
    return beginning


def _words(value: str) -> str:
    value = re.sub(r"\r?\n(?=[ \t])", "", value)
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (LookupError, ValueError):
        return value


def _part(message: email.message.Message, kind: str) -> str | None:
    for part in message.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                try:
                    return payload.decode(part.get_content_charset() or "utf-8", "replace")
                except LookupError:
                    return payload.decode("utf-8", "replace")
    return None


class _Links(HTMLParser):
    """Collects the links a person can follow, with their words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._href: str | None = None
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            href = dict(attrs).get("href") or ""
            self._href = href if href.startswith(("http://", "https://", "mailto:")) else None
            self._words = []

    def handle_data(self, data: str) -> None:
        if self._href is not None:
            self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._href is not None:
            self.found.append((self._href, " ".join("".join(self._words).split()) or self._href))
            self._href = None
