"""SendGrid: each message one request to its API, through its own SDK, on a line that we hold.

    ready()   rest over? -> TCP, TLS
    send()    RFC 5322 bytes -> JSON -> the SDK makes the request -> our line carries it
              -> 202 with an id: accepted; anything unclear: in doubt, never again by itself

The SDK by itself waits for ever, follows a redirect with the key in its hand,
asks the environment for a proxy, and at DEBUG logs the key and every address.
So it builds the request and reads the answer; the wire in between is ours
(sendgrid_line.py), and its loggers are mute.

Source: sendgrid 6.12.5, python-http-client 3.3.7; docs/sendgrid.md.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import http.client
import logging
import math
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

from python_http_client import Client
from sendgrid import SendGridAPIClient

from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage
from newsletter.delivery.transports import sendgrid_answer, sendgrid_mail, trouble
from newsletter.delivery.transports.sendgrid_line import Answer, Line, Patience, Slept
from newsletter.delivery.transports.sendgrid_place import is_pinned
from newsletter.errors import CouldNotRun, Finding

DOUBTS = 3
"""So many requests in a row without a readable answer: the service is ill, and each more is a doubt more."""
FIRST_REST, LONGEST_REST = 300.0, 3600.0
"""Seconds it is left alone then; doubled while nothing changes."""

_KEY = re.compile(r"[!-~]{1,500}")


@dataclass(frozen=True, slots=True)
class Service:
    """Where to (`base`, pinned) and the key to it, revealed when a line is opened."""

    base: str
    key: Callable[[], str]
    tls: ssl.SSLContext | None = None
    patience: Patience = field(default_factory=Patience)


class SendGridTransport:
    """The service, and what it asked of all connections together."""

    name = "sendgrid"

    def __init__(self, service: Service) -> None:
        if not is_pinned(service.base):
            raise ValueError("an address that is neither SendGrid's nor this machine's")
        mute()
        tls = service.tls or ssl.create_default_context()
        self.service = dataclasses.replace(service, tls=tls)
        self._restraint = Restraint()

    def connect(self) -> SendGridConnection:
        return SendGridConnection(self.service, self._restraint)

    def explain(self, outcome: Outcome) -> Finding:
        return trouble.finding(
            outcome, "SendGrid", "the key that [delivery.sendgrid] api_key names"
        )


class Restraint:
    """How long nobody may ask, and why: one for all connections. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = -math.inf
        self._why: Outcome | None = None
        self._doubts = 0

    def rests(self) -> tuple[float, Outcome | None]:
        """Seconds left, and the answer that asked for them."""
        with self._lock:
            return max(0.0, self._until - time.monotonic()), self._why

    def heed(self, outcome: Outcome, seconds: float = 0.0) -> None:
        """Take notice of an answer; `seconds` is the rest it asks for."""
        with self._lock:
            if outcome.kind is Kind.IN_DOUBT:
                self._doubts += 1
                if self._doubts >= DOUBTS:
                    seconds = min(FIRST_REST * 2 ** (self._doubts - DOUBTS), LONGEST_REST)
            else:
                self._doubts = 0
            until = time.monotonic() + seconds
            if seconds > 0 and until > self._until:
                self._until, self._why = until, outcome


class SendGridConnection:
    """One line to the service; opened by `ready`, opened again after a cut. For one thread."""

    def __init__(self, service: Service, restraint: Restraint) -> None:
        self._service = service
        self._restraint = restraint
        self._line = Line(service.base, service.patience, service.tls)
        self._aborted = threading.Event()
        self._key = ""

    def ready(self) -> Outcome | None:
        held_back = self._rested() or self._keyless()
        if held_back is not None:
            return held_back
        try:
            self._line.open()
        except OSError as error:
            return trouble.outcome(Stage.CONNECT, error)
        if self._aborted.is_set():
            self._line.close()
            return _aborted()
        return None

    def _rested(self) -> Outcome | None:
        """Sit out a limit that is over soon; a long one is trouble."""
        while not self._aborted.is_set():
            seconds, why = self._restraint.rests()
            if seconds <= 0:
                return None
            if seconds > self._service.patience.rest:
                code = why.code if why is not None else None
                asked = why.reply if why is not None else ""
                reply = f"left alone for {seconds:.0f} s: {asked}"
                return Outcome(Kind.DEFERRED, Stage.CONNECT, code, reply=reply)
            self._aborted.wait(seconds)
        return _aborted()

    def _keyless(self) -> Outcome | None:
        """Reveal the key, once for this connection; the trouble with it."""
        if not self._key:
            try:
                self._key = self._service.key()
            except CouldNotRun:
                return Outcome(Kind.OUR_FAULT, Stage.AUTH, reply="the API key cannot be read")
        if _KEY.fullmatch(self._key):
            return None
        reply = "the API key holds a character that no key has"
        return Outcome(Kind.OUR_FAULT, Stage.AUTH, reply=reply)

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        if self._aborted.is_set():
            return _aborted()
        body = sendgrid_mail.request(envelope, message)
        unready = self.ready()
        if unready is not None:
            return unready
        outcome, seconds = self._post(body, envelope.dot_before)
        self._restraint.heed(outcome, seconds)
        return outcome

    def _post(self, body: dict[str, Any], dot_before: float) -> tuple[Outcome, float]:
        """One request; its outcome and the rest it asks for."""
        sdk = SendGridAPIClient(self._key, host=self._service.base)
        sdk.client = _Wire(
            self._line, dot_before, host=sdk.host, headers=sdk.client.request_headers
        )
        self._line.handed_over = False
        try:
            answer = sdk.send(body)
        except Slept:
            return Outcome(Kind.DEFERRED, Stage.DATA, reply="slept past the lease"), 0.0
        except (OSError, http.client.HTTPException, ValueError) as error:
            return self._broken(error), 0.0
        outcome = sendgrid_answer.judge(answer.status_code, answer.headers, answer.body)
        if outcome.code != 429:
            return outcome, 0.0
        return outcome, sendgrid_answer.rest(answer.headers, dt.datetime.now(dt.UTC))

    def _broken(self, error: Exception) -> Outcome:
        if self._line.handed_over:
            return Outcome(Kind.IN_DOUBT, Stage.TERMINATOR, reply=_words(error))
        return Outcome(Kind.DEFERRED, Stage.DATA, reply=_words(error))

    def abort(self) -> None:
        self._aborted.set()
        self._line.cut()

    def close(self) -> None:
        self._line.close()


class _Wire(Client):  # type: ignore[misc]
    """The SDK's client with our line where urllib would be."""

    def __init__(
        self, line: Line, dot_before: float, *, host: str, headers: Any, path: Any = None
    ) -> None:
        # First: the SDK takes every name it does not know for a part of an address.
        self._line, self._dot_before = line, dot_before
        super().__init__(host=host, request_headers=headers, version=3, url_path=path)

    def _build_client(self, name: str | None = None) -> _Wire:
        path = [*self._url_path, name] if name else self._url_path
        return _Wire(
            self._line, self._dot_before, host=self.host, headers=self.request_headers, path=path
        )

    def _make_request(self, opener: object, request: Request, timeout: object = None) -> Answer:
        data = request.data
        assert isinstance(data, bytes)
        lines = [
            f"{request.get_method()} {request.selector} HTTP/1.1",
            f"Host: {urlsplit(self.host).netloc}",
            *(f"{name}: {value}" for name, value in request.header_items()),
            f"Content-Length: {len(data)}",
            "",
            "",
        ]
        return self._line.exchange("\r\n".join(lines).encode("ascii") + data, self._dot_before)


def mute() -> None:
    """Nobody hears the SDK's loggers, whatever level is set: at DEBUG they say key and addresses."""
    for name in ("python_http_client", "python_http_client.client", "sendgrid"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        if _nothing not in logger.filters:
            logger.addFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False


def _aborted() -> Outcome:
    return Outcome(Kind.DEFERRED, Stage.CONNECT, reply="aborted")


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, http.client.RemoteDisconnected):
        return "connection lost"
    if isinstance(error, OSError):
        return error.strerror or "connection lost"
    return "no HTTP answer"
