"""Strangers' words and links, made harmless. Pure.

A feed is input from outside: markup in titles, `javascript:` links, letters
that turn the reading direction, pixels that count readers. What comes out
here is plain text on one line, or an absolute http(s) link, or nothing.
"""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import nh3

TITLE_LIMIT = 200
EXCERPT_LIMIT = 300
URL_LIMIT = 2000

_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INVISIBLE = dict.fromkeys(map(ord, _BIDI + "\u200b\u2060\ufeff\u00ad"))
_TRACKING = re.compile(
    r"^(utm_\w+|fbclid|gclid|dclid|msclkid|yclid|igshid|mc_[ce]id|_hs(enc|mi)|vero_id|wt_mc|ref_src|cmpid)$",
    re.IGNORECASE,
)
_BREAKS = re.compile(r"<\s*/?\s*(br|p|div|li|tr|h[1-6])\b[^>]*>", re.IGNORECASE)


def plain(markup: str, limit: int) -> str:
    """Text of a piece of HTML: no tags, one line, NFC, no invisible or turning letters, at most `limit`."""
    text = html.unescape(nh3.clean(_BREAKS.sub(" ", markup), tags=set()))
    return shorten(one_line(text), limit)


def one_line(text: str) -> str:
    """`text` without control and direction characters, whitespace collapsed, NFC."""
    text = text.translate(_INVISIBLE)
    text = "".join(
        " " if unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs", "Co") else letter
        for letter in text
    )
    return unicodedata.normalize("NFC", " ".join(text.split()))


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, cut between words, the cut shown as an ellipsis."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    cut = head.rfind(" ")
    return (head[:cut] if cut > limit // 2 else head).rstrip(" ,;:.-–—") + "…"


def link(url: str) -> str | None:
    """`url` when it is an absolute http(s) address of a host, without a user name; else None."""
    url = url.strip()
    if not url or len(url) > URL_LIMIT or re.search(r"[\x00-\x20\x7f-\x9f<>\"\\^`{|}]", url):
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    return url


def without_tracking(url: str) -> str:
    """`url` without the parameters that only tell who sent the reader."""
    parts = urlsplit(url)
    if not parts.query:
        return url
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if not _TRACKING.match(name)
    ]
    if len(kept) == len(parse_qsl(parts.query, keep_blank_values=True)):
        return url
    return urlunsplit(parts._replace(query=urlencode(kept)))


def canonical(url: str) -> str:
    """One spelling for addresses that are the same page; for comparing, never for linking."""
    parts = urlsplit(without_tracking(url))
    host = (parts.hostname or "").removeprefix("www.").rstrip(".")
    port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{host}{port}{parts.path.rstrip('/')}{query}"
