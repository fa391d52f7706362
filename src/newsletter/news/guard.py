"""Connections that lead to public addresses and nowhere else.

A feed's address comes from outside, and so does every redirect: either may
name a host inside our own network, or a name that resolves to one. So the
check stands where the connection is made, on the very address that is
connected to; asking first and connecting later would leave a gap in between
(DNS rebinding).

    name ─► all its addresses ─► one is not public: refused
                              ─► connect to the first that answers
                              ─► a timer cuts the line at the deadline
"""

from __future__ import annotations

import ipaddress
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

CONNECT_SECONDS = 10
TOTAL_SECONDS = 30
"""For one request, from the name to the last byte; a month's feed needs one."""

Address = tuple[Any, Any, int, str, tuple[Any, ...]]
Resolve = Callable[[str, int], Iterable[Address]]
Allowed = Callable[[str, int], bool]

_TUNNELS = [
    ipaddress.ip_network(each)
    for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
]
"""IPv6 ranges that carry an IPv4 address inside: NAT64 (RFC 6052, RFC 8215), 6to4, Teredo, IPv4-compatible."""


class Refused(Exception):
    """The address is none that a feed may be read from. Says why, for the editor."""


def public(address: str, port: int) -> bool:
    """Whether a feed may be read from this IP address and port: global unicast, 80 or 443."""
    if port not in (80, 443):
        return False
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None)
    if inner is not None:
        ip = inner
    if ip.version == 6 and any(ip in network for network in _TUNNELS):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def resolve(host: str, port: int) -> Iterable[Address]:
    """All addresses of a name, within CONNECT_SECONDS: the system's resolver knows no deadline."""
    answers: queue.Queue[list[Address] | OSError] = queue.Queue(1)

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    threading.Thread(target=ask, daemon=True, name="resolve").start()
    try:
        answer = answers.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"the name {host} was not found in {CONNECT_SECONDS} seconds") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def manager(
    deadline: float, allowed: Allowed = public, find: Resolve = resolve
) -> urllib3.PoolManager:
    """A urllib3 pool whose every connection is checked, and cut off at `deadline` (time.monotonic).

    No proxy from the environment is used. `allowed` and `find` are for tests.
    """

    def connect(host: str, port: int) -> socket.socket:
        addresses = list(find(host.strip("[]"), port))
        for *_, place in addresses:
            if not allowed(str(place[0]), port):
                raise Refused(f"{host} leads to {place[0]}, port {port}, which is not public")
        return _first(addresses, deadline)

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self.host, self.port or 80)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self.host, self.port or 443)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    pool = urllib3.PoolManager(retries=False, cert_reqs="CERT_REQUIRED")
    pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return pool


def _first(addresses: list[Address], deadline: float) -> socket.socket:
    """A connection to the first address that answers, with a timer on it."""
    problem: OSError = OSError("the name has no address")
    for family, kind, protocol, _, place in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no time left")
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(min(CONNECT_SECONDS, left))
            connection.connect(place)
        except OSError as error:
            connection.close()
            problem = error
            continue
        _cut_at(connection, deadline)
        return connection
    raise problem


def _cut_at(connection: socket.socket, deadline: float) -> None:
    """Shut the line at the deadline, whoever reads from it, through TLS too.

    A timeout on reads is no limit: a server that sends a byte every few
    seconds never runs into it. The timer holds a second descriptor of the same
    line, because TLS takes the first one over.
    """
    line = socket.socket(fileno=os.dup(connection.fileno()))

    def cut() -> None:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        line.close()

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
