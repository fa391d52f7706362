"""Are the issue's links to other sites alive, as far as one can ask?

    every other site's address in the mails ─► HEAD, and GET where HEAD is refused
        ─► answered: alive, and what was remembered of it is forgotten
        ─► refuses programs (401, 403, 429, 451): a person has to look
        ─► anything else: remembered; a warning, and an error when it was dead
           a day ago as well: a site that is down for an hour stops no issue
    nothing answered at all, for want of a network: said once, nothing is remembered

One request at a time per host, hosts beside each other, every hop through the
guard of `news.guard`, the whole within `TOTAL_SECONDS`. What is remembered
lies in .cache/links.json; losing it makes an error a warning again.
"""

from __future__ import annotations

import datetime as dt
import errno
import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from importlib.metadata import version
from urllib.parse import urldefrag, urljoin, urlsplit

import urllib3

from newsletter import files
from newsletter.checks.markup import elements
from newsletter.config import Settings
from newsletter.content import prose
from newsletter.errors import Finding, Level, Where
from newsletter.issue.compose import Draft
from newsletter.news import guard
from newsletter.news.clean import link
from newsletter.news.fetch import HOSTS_AT_ONCE, REDIRECTS, Client, causes, reason

MEMORY = ".cache/links.json"
TOTAL_SECONDS = 90.0
LINK_SECONDS = 15.0
TWICE = dt.timedelta(hours=24)
"""Two failures at least so far apart are an error."""
FORGET = dt.timedelta(days=60)
_REFUSES_PROGRAMS = (401, 403, 406, 429, 451, 999)
_NO_NETWORK = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


class State(Enum):
    ALIVE = "alive"
    CLOSED = "closed to programs"
    DEAD = "dead"
    NO_WAY = "no network"
    UNASKED = "no time was left"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking one address; `why` is for the editor."""

    state: State
    why: str = ""


def alive(
    settings: Settings,
    draft: Draft,
    now: dt.datetime,
    client: Client | None = None,
    *,
    total: float = TOTAL_SECONDS,
) -> list[Finding]:
    """NL485 for links that are dead, NL486 for those that could not be asked. `now` is aware."""
    urls = outside(settings, draft)
    asking = _Asking(client or Client(seconds=LINK_SECONDS), _agent(settings), total)
    answers = asking.all(urls)
    states = [answer.state for answer in answers.values()]
    if State.NO_WAY in states and not {State.ALIVE, State.CLOSED, State.DEAD} & set(states):
        what = f"the network is not there, so {_links(len(urls))} to other sites {_were(len(urls))} not asked"
        return [_unasked(what, "approve again when it is, or open the links yourself")]
    before = _remembered(settings)
    failed = {url: before.get(url, now) for url, each in answers.items() if each.state in _FAILED}
    kept = {url: day for url, day in before.items() if url not in answers or url in failed}
    _remember(settings, {url: day for url, day in (kept | failed).items() if now - day < FORGET})
    return [*_dead(draft, answers, failed, now), *_not_asked(answers)]


_FAILED = (State.DEAD, State.NO_WAY)


def outside(settings: Settings, draft: Draft) -> list[str]:
    """Addresses of other sites that the mails link to, without fragments, each once, in order."""
    own = tuple(f"{each.rstrip('/')}/" for each in (settings.site_url, settings.public_url))
    found: dict[str, None] = {}
    for edition in draft.editions:
        for element in elements(edition.html):
            href = urldefrag(element.given.get("href", "")).url
            if element.tag == "a" and link(href) and not f"{href}/".startswith(own):
                found[href] = None
    return list(found)


def _dead(
    draft: Draft, answers: dict[str, Answer], failed: dict[str, dt.datetime], now: dt.datetime
) -> Iterable[Finding]:
    for url, since in failed.items():
        again = now - since >= TWICE
        day = f", and was dead on {since:%Y-%m-%d} too" if again else ""
        yield Finding(
            "NL485",
            f"{url} is dead: {answers[url].why}{day}",
            _where(draft, url),
            help="correct the link, or take it out"
            if again
            else "look at it; if it is still dead a day from now, the issue cannot be approved with it",
            level=Level.ERROR if again else Level.WARNING,
        )


def _not_asked(answers: dict[str, Answer]) -> Iterable[Finding]:
    """Two sums at most: closed to programs, and no time left."""
    closed = [url for url, each in answers.items() if each.state is State.CLOSED]
    if closed:
        shown = ", ".join(closed)
        yield _unasked(f"{_links(len(closed))} let no program in: {shown}", "open them yourself")
    late = [url for url, each in answers.items() if each.state is State.UNASKED]
    if late:
        what = (
            f"{_links(len(late))} {_were(len(late))} not asked, no time was left: {', '.join(late)}"
        )
        yield _unasked(what, "open them yourself, or approve again")


def _unasked(what: str, help_text: str) -> Finding:
    return Finding("NL486", what, help=help_text, level=Level.WARNING)


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _links(number: int) -> str:
    return f"{number} link{'' if number == 1 else 's'}"


def _where(draft: Draft, url: str) -> Where | None:
    """The first letter that has the address, with its line where it stands in the body."""
    for selection in draft.issue.selections:
        letter = selection.letter
        if url in letter.body:
            return prose.locate(letter.body, letter.source, url)
        if any(url in pick.url for pick in selection.news):
            return Where(letter.source.path)
    return None


def _agent(settings: Settings) -> str:
    return f"newsletter/{version('newsletter')} (+{settings.site_url}/)"


@dataclass(slots=True)
class _Asking:
    """One round of asking. A host's lock is held for one request, so that redirects keep to it too."""

    client: Client
    agent: str
    total: float
    _locks: dict[str, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock), init=False
    )
    _end: float = field(default=0.0, init=False)

    def all(self, urls: Iterable[str]) -> dict[str, Answer]:
        self._end = time.monotonic() + self.total
        hosts: dict[str, list[str]] = {}
        for url in urls:
            hosts.setdefault(urlsplit(url).netloc.lower(), []).append(url)
        answers: dict[str, Answer] = {}
        with ThreadPoolExecutor(HOSTS_AT_ONCE) as pool:
            for part in pool.map(self._host, hosts.values()):
                answers |= part
        return {url: answers[url] for queue in hosts.values() for url in queue}

    def _host(self, queue: list[str]) -> dict[str, Answer]:
        return {url: self._one(url) for url in queue}

    def _one(self, url: str) -> Answer:
        """HEAD, then GET where that did not do; never raises for what a server did."""
        deadline = min(self._end, time.monotonic() + self.client.seconds)
        if deadline <= time.monotonic():
            return Answer(State.UNASKED)
        # Some servers never answer HEAD: half of the time is left for GET.
        half = (time.monotonic() + deadline) / 2
        answer = self._tried("HEAD", url, half)
        if answer.state in (State.ALIVE, State.NO_WAY):
            return answer
        return self._tried("GET", url, deadline)

    def _tried(self, method: str, url: str, deadline: float) -> Answer:
        try:
            status = self._status(method, url, deadline)
        except guard.Refused as refused:
            return Answer(State.DEAD, f"readers cannot get there: {refused}")
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if time.monotonic() >= deadline:
                out = deadline >= self._end
                late = f"no answer within {self.client.seconds:.0f} seconds"
                return Answer(State.UNASKED) if out else Answer(State.DEAD, late)
            state = State.NO_WAY if _no_way(error) else State.DEAD
            return Answer(state, reason(error))
        if status < 400:
            return Answer(State.ALIVE)
        state = State.CLOSED if status in _REFUSES_PROGRAMS else State.DEAD
        return Answer(state, f"the server answers {status}")

    def _status(self, method: str, url: str, deadline: float) -> int:
        """The status after redirects; no body is read."""
        with guard.manager(deadline, self.client.allowed, self.client.find) as pool:
            for _ in range(REDIRECTS + 1):
                if link(url) is None:
                    raise guard.Refused("it leads to what is no web address")
                status, target = self._request(pool, method, url, deadline)
                if status not in (301, 302, 303, 307, 308) or not target:
                    return status
                url = urljoin(url, target)
        raise ValueError(f"more than {REDIRECTS} redirects")

    def _request(
        self, pool: urllib3.PoolManager, method: str, url: str, deadline: float
    ) -> tuple[int, str]:
        left = max(0.1, deadline - time.monotonic())
        lock = self._locks[urlsplit(url).netloc.lower()]
        if not lock.acquire(timeout=left):
            raise TimeoutError("its host was busy with another link")
        try:
            response = pool.request(
                method,
                url,
                headers={"User-Agent": self.agent, "Accept": "*/*"},
                redirect=False,
                preload_content=False,
                timeout=urllib3.Timeout(total=max(0.1, deadline - time.monotonic())),
            )
            response.close()
            if time.monotonic() >= deadline:
                raise TimeoutError  # the line was cut, and that reads like the end of a head
            return response.status, response.headers.get("location", "")
        finally:
            lock.release()


def _no_way(error: BaseException) -> bool:
    """Whether this machine, not that server, is what fails: no name was found, or no route."""
    return any(
        isinstance(each, socket.gaierror)
        or (isinstance(each, OSError) and each.errno in _NO_NETWORK)
        for each in causes(error)
    )


def _remembered(settings: Settings) -> dict[str, dt.datetime]:
    """Address -> when it was first found dead and not alive since; nothing when the file is unreadable."""
    try:
        read = json.loads((settings.root / MEMORY).read_text("utf-8"))
        days = {str(url): dt.datetime.fromisoformat(day) for url, day in read.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return {url: day for url, day in days.items() if day.tzinfo}


def _remember(settings: Settings, failed: dict[str, dt.datetime]) -> None:
    file = settings.root / MEMORY
    file.parent.mkdir(parents=True, exist_ok=True)
    words = {url: day.astimezone(dt.UTC).isoformat() for url, day in sorted(failed.items())}
    files.write_atomic(file, json.dumps(words, indent=1).encode(), durable=False)
