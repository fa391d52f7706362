"""How often one network may use the forms, and how many mails they make for one mailbox.

A network (/24, /48) or a mailbox is counted under a keyed hash; the key is made
of dice, lives in memory alone and is another one every day, so that no count can
be led back to anybody: nobody's address is kept, not even for an hour. One
click out is never counted.
"""

from __future__ import annotations

import datetime as dt
import hmac
import ipaddress
import secrets
import threading
import time

from limits import parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from newsletter.subscribers.address import Address

PROVED = parse("120/hour")
"""With a solved challenge: a hospital behind one address can still subscribe its ward."""

PLAIN = parse("20/hour")
"""Without one (no JavaScript): enough for a waiting room, too few for a flood."""

MAILBOX = parse("6/day")
"""`anna+1@`, `anna+2@` and so on are two readers to us, and to nearly every mail server one mailbox:
nobody's is flooded by way of its tags. Each address by itself has its own measure (people.py)."""

MOST_NETWORKS = 100_000
"""Counters kept at most, about 20 MB; above it the oldest are forgotten."""


class Networks:
    """Counts in this process. Threads may share it."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(_Counters())
        self._day: dt.date | None = None
        self._key = b""
        self._turn = threading.Lock()

    def admits(self, client: str | None, now: dt.datetime, *, proved: bool) -> bool:
        """Count one sign-up of the network that `client` (an IP address) is in; False above its measure.

        A loopback client is this machine, or a proxy that the settings do not
        name: then every reader looks the same, and counting would shut out all.
        """
        network = _network(client)
        if network is None:
            return True
        return self._limiter.hit(PROVED if proved else PLAIN, self._name(network, now))

    def spares(self, address: Address, now: dt.datetime) -> bool:
        """Count one mail to the mailbox that `address` most likely ends in; False above its measure."""
        return self._limiter.hit(MAILBOX, self._name(b"mailbox " + _mailbox(address), now))

    def _name(self, counted: bytes, now: dt.datetime) -> str:
        return hmac.digest(self._key_of(now.date()), counted, "sha256").hex()

    def _key_of(self, day: dt.date) -> bytes:
        with self._turn:
            if self._day != day:
                self._day, self._key = day, secrets.token_bytes(32)
            return self._key


def _network(client: str | None) -> bytes | None:
    try:
        address = ipaddress.ip_address(client or "")
    except ValueError:
        return None  # a unix socket has no address
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback:
        return None
    length = 24 if address.version == 4 else 48
    return ipaddress.ip_network((address, length), strict=False).network_address.packed


_DOTLESS = frozenset({"gmail.com", "googlemail.com"})
"""Where dots before the @ mean nothing, and both names are one host."""


def _mailbox(address: Address) -> bytes:
    """The address without what servers look past: a +tag, Gmail's dots. To count by, never to send to."""
    local, _, domain = address.key.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}".encode()


class _Counters(Storage):
    """Memory with an end. The library's own walks every counter in a thread, up to 100 times a second."""

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}
        self._turn = threading.Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time.monotonic()
        with self._turn:
            count, until = self._counts.get(key, (0, 0.0))
            if until <= now:
                # Renewed ones go to the end: the dict is in the order in which they end.
                self._counts.pop(key, None)
                count, until = 0, now + expiry
            self._counts[key] = (count + amount, until)
            while len(self._counts) > MOST_NETWORKS:
                del self._counts[next(iter(self._counts))]
        return count + amount

    def get(self, key: str) -> int:
        count, until = self._counts.get(key, (0, 0.0))
        return count if until > time.monotonic() else 0

    def get_expiry(self, key: str) -> float:
        _, until = self._counts.get(key, (0, 0.0))
        return time.time() + max(0.0, until - time.monotonic())

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        with self._turn:
            number = len(self._counts)
            self._counts.clear()
        return number

    def clear(self, key: str) -> None:
        with self._turn:
            self._counts.pop(key, None)
