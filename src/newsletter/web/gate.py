"""Around every request: the Host must be ours, every answer carries the same locks, nothing leaks.

    request -> Host ours? -> the app -> answer + headers
                  no: 421              exception: a plain 500, and a log line without a word of input

Source: RFC 9110 §7.4 (misdirected request), CSP Level 3, RFC 9112 §3.2 (one Host).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

QUIET_SECONDS = 60.0

FORMS_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

FORM_POLICY = FORMS_POLICY.replace(
    "style-src 'self'", "style-src 'self'; script-src 'self'; connect-src 'self'"
)
"""For the one page with a script: the sign-up form, which solves a small sum."""

_HEADERS = {
    "Content-Security-Policy": FORMS_POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), interest-cohort=()",
}
"""What every answer has unless it brings its own (the site's pages bring a policy and caching)."""

_STRICT_TRANSPORT = "max-age=31536000"


def hosts_of(urls: Iterable[str]) -> frozenset[str]:
    """The Host header's values that belong to `urls`, with and without a default port."""
    found: set[str] = set()
    for url in urls:
        parts = urlsplit(url)
        name = (parts.hostname or "").lower()
        name = f"[{name}]" if ":" in name else name
        default = 443 if parts.scheme == "https" else 80
        port = parts.port or default
        found.add(f"{name}:{port}")
        if port == default:
            found.add(name)
    return frozenset(found)


class Gate:
    """ASGI middleware, outermost. `wrong` makes the page for a status (400, 421, 500)."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: frozenset[str],
        https: bool,
        wrong: Callable[[Scope, int], Response],
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._wrong = wrong
        self._quiet_until: dict[str, float] = {}
        self._headers = dict(_HEADERS)
        if https:
            self._headers["Strict-Transport-Security"] = _STRICT_TRANSPORT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # There is no websocket here; uvicorn answers 403 for a closed handshake.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1000})
            return
        began = False
        unread = _has_body(scope)

        async def watched() -> Message:
            nonlocal unread
            message = await receive()
            if message["type"] == "http.request":
                unread = message.get("more_body", False)
            return message

        async def locked(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if unread:
                    # What is left of the body is not worth reading: the connection ends.
                    headers["Connection"] = "close"
            await send(message)

        given = [value for name, value in scope["headers"] if name == b"host"]
        host = given[0].decode("latin-1").lower() if len(given) == 1 else None
        if host not in self._hosts:
            await self._wrong(scope, 400 if host is None else 421)(scope, receive, locked)
            return
        try:
            await self._app(scope, watched, locked)
        except Exception as error:  # noqa: BLE001 - one of the three loops: a web request
            self._tell(place(error))
            if not began:
                await self._wrong(scope, 500)(scope, receive, locked)

    def _tell(self, place: str) -> None:
        """Once a minute: on a full disk every visitor meets the same."""
        now = time.monotonic()
        if now >= self._quiet_until.get(place, now):
            self._quiet_until[place] = now + QUIET_SECONDS
            log.error("a request failed: %s", place)


def _has_body(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b" 0")):
            return True
    return False


def place(error: BaseException) -> str:
    """Kind and place of an error. Its message may hold what a visitor sent, so it is left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    code = trace.tb_frame.f_code
    word = f" ({said})" if (said := _word(error)) else ""
    return f"{type(error).__name__} in {Path(code.co_filename).name}:{trace.tb_lineno}{word}"


def _word(error: BaseException) -> str | None:
    """The system's or the database's own name for it: of a fixed list, so nobody's data."""
    if isinstance(error, OSError):
        return error.strerror if error.errno else None
    cause = getattr(error, "orig", None)
    return getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
