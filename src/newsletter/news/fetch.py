"""`news fetch`: get the feeds politely, safely and within bounds.

    due? ─► conditional GET ─► 200: keep bytes and validators
                            ─► 304: keep what we have
                            ─► 3xx: follow, at most five, checked anew each time
                            ─► 429, 503: come back when the server says
                            ─► 410: never again until the address changes
                            ─► anything else: back off; the old bytes stay

One request at a time per host, hosts beside each other. Nothing a server does
stops the others or takes longer than guard.TOTAL_SECONDS.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from urllib.parse import urljoin, urlsplit

import urllib3

from newsletter.config import Settings
from newsletter.news import feeds as feed_file
from newsletter.news import guard
from newsletter.news.cache import Cache, Remembered
from newsletter.news.clean import link, one_line, shorten
from newsletter.news.inflate import PIECE, TooMuch, gather
from newsletter.news.item import Feed, FeedHealth
from newsletter.news.proposals import SIZE_LIMIT, health

REDIRECTS = 5
HOSTS_AT_ONCE = 8
PAUSE_SECONDS = 1.0
"""Between two requests to one host."""
AT_LEAST = dt.timedelta(minutes=30)
AT_MOST = dt.timedelta(hours=24)
"""The shortest and longest time to the next try, whatever a server asks for."""
BACK_OFF = dt.timedelta(hours=1)
LONG_MISSING = dt.timedelta(days=14)

Allowed = guard.Allowed


@dataclass(frozen=True, slots=True)
class Client:
    """How the world is reached; the defaults are for the world, tests bring their own."""

    allowed: Allowed = guard.public
    find: guard.Resolve = guard.resolve
    pause: Callable[[float], None] = time.sleep
    seconds: float = guard.TOTAL_SECONDS


@dataclass(frozen=True, slots=True)
class _Answer:
    """One response after its redirects. `moved`: where a permanent redirect led, when all of them were."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes
    location: str
    moved: str


def fetch(
    settings: Settings, now: dt.datetime, *, force: bool = False, client: Client | None = None
) -> tuple[FeedHealth, ...]:
    """Get every feed that is due at `now`; one health line a feed, in the file's order.

    `force` asks those that are not due too, but never one that is gone.

    Raises:
        Findings: when feeds.toml itself is wrong.
    """
    client = client or Client()
    cache = Cache(settings)
    every = feed_file.load(settings)
    hosts: dict[str, list[Feed]] = {}
    for feed in every:
        if feed.url and _due(cache.state(feed.id, feed.url), now, force=force):
            hosts.setdefault(urlsplit(feed.url).netloc.lower(), []).append(feed)
    agent = f"newsletter/{version('newsletter')} (+{settings.site_url}/)"

    def visit(queue: Iterable[Feed]) -> None:
        for place, feed in enumerate(queue):
            if place:
                client.pause(PAUSE_SECONDS)
            _one(cache, feed, now, agent, client)

    with ThreadPoolExecutor(HOSTS_AT_ONCE) as pool:
        for done in [pool.submit(visit, queue) for queue in hosts.values()]:
            done.result()
    return tuple(health(settings, feed, now) for feed in every)


def _due(state: Remembered, now: dt.datetime, *, force: bool) -> bool:
    if state.gone:
        return False
    return force or state.next_try is None or state.next_try <= now


def _one(cache: Cache, feed: Feed, now: dt.datetime, agent: str, client: Client) -> None:
    """Get one feed and write what came of it; never raises for what a server did."""
    url = feed.url or ""
    state = cache.state(feed.id, url)
    kept = cache.body(feed.id) is not None
    try:
        answer = _get(url, _headers(state, agent, conditional=kept), client)
    except guard.Refused as refused:
        cache.keep(feed.id, _failed(state, now, f"refused: {refused}"))
        return
    except TooMuch:
        cache.keep(feed.id, _failed(state, now, f"more than {SIZE_LIMIT // 1_000_000} MB"))
        return
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        cache.keep(feed.id, _failed(state, now, reason(error)))
        return
    body = answer.body if answer.status == 200 else None
    cache.keep(feed.id, _after(state, answer, now), body)


def _headers(state: Remembered, agent: str, *, conditional: bool) -> dict[str, str]:
    """Validators go back as they came; none without the bytes they stand for."""
    headers = {
        "User-Agent": agent,
        "Accept": "application/atom+xml, application/rss+xml, application/feed+json, "
        "application/xml;q=0.9, */*;q=0.5",
        "Accept-Encoding": "gzip",
    }
    if conditional and state.etag:
        headers["If-None-Match"] = state.etag
    if conditional and state.modified:
        headers["If-Modified-Since"] = state.modified
    return headers


def _get(url: str, headers: dict[str, str], client: Client) -> _Answer:
    """One GET with its redirects, within the deadline.

    Raises:
        guard.Refused: an address on the way is not public, or no web address.
        TooMuch, ValueError, OSError, urllib3 HTTPError: as they say.
    """
    deadline = time.monotonic() + client.seconds
    try:
        return _follow(url, headers, client, deadline)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"it took longer than {client.seconds:.0f} seconds") from error
        raise


def _follow(url: str, headers: dict[str, str], client: Client, deadline: float) -> _Answer:
    permanent = True
    with guard.manager(deadline, client.allowed, client.find) as pool:
        for _ in range(REDIRECTS + 1):
            if link(url) is None:
                raise guard.Refused("it leads to what is no web address")
            response = pool.request(
                "GET",
                url,
                headers=headers,
                redirect=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(total=max(0.1, deadline - time.monotonic())),
            )
            try:
                target = response.headers.get("location", "")
                if response.status in (301, 302, 303, 307, 308) and target:
                    permanent = permanent and response.status in (301, 308)
                    url = urljoin(url, target)
                    continue
                body = b""
                if response.status == 200:
                    encoding = response.headers.get("content-encoding", "")
                    body = gather(_pieces(response, deadline), encoding, SIZE_LIMIT)
                moved = url if permanent and url else ""
                return _Answer(response.status, response.headers, body, url, moved)
            finally:
                response.close()
    raise ValueError(f"more than {REDIRECTS} redirects")


def _pieces(response: urllib3.BaseHTTPResponse, deadline: float) -> Iterable[bytes]:
    """The raw body as it comes in: each read takes what is there and waits for no more."""
    while piece := response.read1(PIECE, decode_content=False):
        yield piece
    if time.monotonic() >= deadline:
        raise TimeoutError  # the line was cut, and that reads like an end


def _after(state: Remembered, answer: _Answer, now: dt.datetime) -> Remembered:
    """What is known of a feed after an answer."""
    headers, status = answer.headers, answer.status
    moved = answer.moved if answer.moved != state.url else ""
    if status in (200, 304):
        fresh = status == 200
        return Remembered(
            url=state.url,
            etag=headers.get("etag", "" if fresh else state.etag),
            modified=headers.get("last-modified", "" if fresh else state.modified),
            content_type=headers.get("content-type", "") if fresh else state.content_type,
            location=answer.location,
            moved=moved,
            fetched_at=now,
            next_try=now + _wait(headers, now),
        )
    if status == 410:
        return replace(_failed(state, now, "the server says it is gone for good (410)"), gone=True)
    problem = f"the server answered {status}"
    if status == 404:
        since = state.missing_since or now
        if now - since >= LONG_MISSING:
            problem = f"not found since {since.date()} (404); the feed has probably moved"
        return replace(_failed(state, now, problem), missing_since=since)
    failed = _failed(state, now, problem)
    asked = _retry_after(headers, now) if status in (429, 503) else None
    if asked is not None and failed.next_try is not None:
        failed = replace(failed, next_try=max(failed.next_try, now + min(asked, AT_MOST)))
    return failed


def _failed(state: Remembered, now: dt.datetime, problem: str) -> Remembered:
    """One more failure: the bytes and validators stay, the next try is twice as far away."""
    wait = min(AT_MOST, BACK_OFF * 2 ** min(state.failures, 10))
    return replace(
        state,
        failures=state.failures + 1,
        problem=shorten(one_line(problem), 160),
        next_try=now + wait,
        missing_since=None,
    )


def _wait(headers: urllib3.HTTPHeaderDict, now: dt.datetime) -> dt.timedelta:
    """How long the server wants to be left alone: the longest of what it says, within our bounds.

    Source: RFC 9111 §5.2.2.1 (max-age), §5.3 (Expires); RFC 9110 §10.2.3.
    """
    asked = [AT_LEAST]
    found = re.search(r"(?:^|[\s,])max-age=(\d{1,9})", headers.get("cache-control", ""))
    if found:
        asked.append(dt.timedelta(seconds=int(found[1])))
    expires = _moment(headers.get("expires", ""))
    if expires:
        asked.append(expires - now)
    retry = _retry_after(headers, now)
    if retry:
        asked.append(retry)
    return min(AT_MOST, max(asked))


def _retry_after(headers: urllib3.HTTPHeaderDict, now: dt.datetime) -> dt.timedelta | None:
    """Seconds or a date, as RFC 9110 §10.2.3 allows; None when it says neither."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return dt.timedelta(seconds=int(value))
    moment = _moment(value)
    return max(dt.timedelta(), moment - now) if moment else None


def _moment(value: str) -> dt.datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def causes(error: BaseException) -> list[BaseException]:
    """A failure and what lies below it, the deepest last; urllib3 wraps what really happened."""
    seen = [error]
    while len(seen) < 6:
        last = seen[-1]
        inner = last.__cause__ or last.__context__ or getattr(last, "reason", None)
        inner = inner or next((each for each in last.args if isinstance(each, BaseException)), None)
        if not isinstance(inner, BaseException):
            break
        seen.append(inner)
    return seen


def reason(error: BaseException) -> str:
    """A failure in few words, for an editor."""
    seen = causes(error)
    for each in seen:
        match each:
            case http.client.IncompleteRead() | urllib3.exceptions.IncompleteRead():
                return "the answer was cut off"
            case ConnectionRefusedError():
                return "nobody answers there: connection refused"
            case socket.gaierror():
                return "the name of the host is not known"
            case ssl.SSLError():
                return f"the secure connection failed: {each.reason or each}"
            case TimeoutError() | ValueError() if type(each) in (TimeoutError, ValueError):
                return str(each)  # said by us, above
            case _:
                continue
    return f"{type(seen[-1]).__name__}: {seen[-1]}" if str(seen[-1]) else type(seen[-1]).__name__
