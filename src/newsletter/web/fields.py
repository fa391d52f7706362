"""What a visitor sent: a small body, read with a limit in octets and in time, as plain fields.

Accepted are a plain HTML form and flat JSON. A body is never logged, and what
is wrong with it is never repeated to the sender.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

LONGEST_BODY = 16 * 1024
"""Octets. The largest honest form has under 1,000."""

BODY_SECONDS = 10.0
"""A whole body must be here by then: a trickle of bytes does not hold a place for ever."""

MOST_FIELDS = 20


class Refused(Exception):
    """The request is answered with this status and a page in the house's style."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


async def read(request: Request) -> dict[str, str]:
    """The fields of a POST; a field that comes twice counts once, the first time.

    Raises:
        Refused: 413 too large, 408 too slow, 415 neither form nor JSON, 400 not readable.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "application/json"):
        raise Refused(415)
    body = await read_body(request)
    try:
        text = body.decode("utf-8")
        pairs = _form(text) if kind.endswith("urlencoded") else _json(text)
    except (ValueError, RecursionError):
        raise Refused(400) from None
    if any(not _printable(name) or not _printable(value) for name, value in pairs.items()):
        raise Refused(400)
    return pairs


async def read_body(
    request: Request,
    longest: int = LONGEST_BODY,
    hold: Callable[[int], None] = lambda octets: None,
) -> bytes:
    """The body, when it has at most `longest` octets and comes in time; `hold` is told of each piece.

    Raises:
        Refused: 413 or 408, or what `hold` refuses; what is still to come is not read.
    """
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length[:20]) > longest:
        raise Refused(413)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                hold(len(chunk))
                body += chunk
                if len(body) > longest:
                    raise Refused(413)
    except TimeoutError:
        raise Refused(408) from None
    except ClientDisconnect:
        raise Refused(400) from None
    return bytes(body)


def _form(text: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    return dict(reversed(pairs))


def _json(text: str) -> dict[str, str]:
    loaded: Any = json.loads(text)
    if not isinstance(loaded, Mapping) or len(loaded) > MOST_FIELDS:
        raise ValueError
    fields: dict[str, str] = {}
    for name, value in loaded.items():
        if value is True:
            fields[name] = "yes"
        elif isinstance(value, str):
            fields[name] = value
        elif value is not False and value is not None:
            raise ValueError
    return fields


def _printable(text: str) -> bool:
    """No control characters: none of our fields has a use for one, and headers break on them."""
    return not any(
        character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff"
        for character in text
    )
