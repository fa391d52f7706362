"""The app on a real socket: raw bytes in, raw bytes out, and an end to every stranger's patience."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from tests.web.house import HOST, House, form

from newsletter.errors import CouldNotRun
from newsletter.web import fields
from newsletter.web import server as servers
from newsletter.web.server import Patient, Server, serve


class Hasty(Patient):
    """The same protocol with a patience that a test can wait for."""

    head_seconds = 0.2
    read_seconds = 0.2
    gave_up = threading.Event()

    def _give_up(self) -> None:
        super()._give_up()
        self.gave_up.set()


@dataclass
class Line:
    """One connection, byte for byte."""

    port: int

    def __enter__(self) -> Line:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def rest(self) -> bytes:
        """Everything until the other side closes."""
        found = b""
        try:
            while chunk := self.socket.recv(65536):
                found += chunk
        except ConnectionResetError:
            pass
        return found


def request(method: str, path: str, *headers: str, body: bytes = b"", close: bool = True) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", *headers]
    if body and not any(header.lower().startswith("transfer") for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture
def port(house: House) -> Iterator[int]:
    with Server(house.app, "127.0.0.1", 0, protocol=Hasty) as server:
        yield server.port


def test_one_click_over_the_wire_is_a_plain_200(house: House, port: int) -> None:
    """RFC 8058 §3.2, the request as it stands there."""
    path = f"/leave/{house.mail_token(house.reader())}"
    with Line(port) as line:
        kind = "Content-Type: application/x-www-form-urlencoded"
        line.send(request("POST", path, kind, body=b"List-Unsubscribe=One-Click"))
        answer = line.rest()
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 200 ")
    for unwanted in (b"\r\nlocation:", b"\r\nset-cookie:", b"\r\nserver:"):
        assert unwanted not in head
    assert house.people()[0].state == "unsubscribed"


def test_head_has_the_headers_of_get_and_no_body(port: int) -> None:
    def ask(method: str) -> tuple[list[bytes], bytes]:
        with Line(port) as line:
            line.send(request(method, "/subscribe"))
            head, _, body = line.rest().partition(b"\r\n\r\n")
        kept = [row for row in head.split(b"\r\n") if not row.lower().startswith(b"date:")]
        return kept, body

    (get, page), (head, nothing) = ask("GET"), ask("HEAD")
    assert head == get
    assert page
    assert nothing == b""


def test_who_says_nothing_is_hung_up_on(port: int) -> None:
    with Line(port) as line:
        started = time.monotonic()
        assert line.rest() == b""
        assert 0.1 < time.monotonic() - started < 5


def test_a_head_that_comes_letter_by_letter_is_hung_up_on(port: int) -> None:
    """Slowloris: each byte would keep a naive timeout from running out."""
    with Line(port) as line:
        started = time.monotonic()
        try:
            for byte in request("GET", "/subscribe").replace(b"close", b"c" * 5000):
                line.send(bytes([byte]))
                time.sleep(0.002)  # the attacker's pace, not a wait for our code
        except OSError:
            pass
        assert line.rest() == b""
        assert time.monotonic() - started < 8


def test_a_second_request_that_comes_letter_by_letter_is_hung_up_on(port: int) -> None:
    with Line(port) as line:
        line.send(request("GET", "/site.0123456789abcdef.css", close=False))
        assert line.socket.recv(65536).startswith(b"HTTP/1.1 200")
        line.send(b"GET /subs")
        started = time.monotonic()
        assert b"HTTP/1.1" not in line.rest()
        assert time.monotonic() - started < 4


def test_a_reader_who_does_not_read_is_hung_up_on(house: House, port: int) -> None:
    assert house.parts.site is not None
    (house.parts.site / "big.bin").write_bytes(b"x" * 30_000_000)
    Hasty.gave_up.clear()
    with Line(port) as line:
        line.send(request("GET", "/big.bin"))
        line.socket.recv(1)
        with Line(port) as other:  # nobody else waits for that one
            other.send(request("GET", "/subscribe"))
            assert other.rest().startswith(b"HTTP/1.1 200")
        assert Hasty.gave_up.wait(5)


def test_readers_who_do_not_read_fill_no_memory(house: House) -> None:
    assert house.parts.site is not None
    (house.parts.site / "big.bin").write_bytes(bytes(30_000_000))
    with Server(house.app, "127.0.0.1", 0) as server, ExitStack() as stack:
        tracemalloc.start()
        for _ in range(8):
            line = stack.enter_context(Line(server.port))
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.send(request("GET", "/big.bin", close=False))
            assert line.socket.recv(10)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert most < 30_000_000


def test_a_body_that_never_ends_is_answered_early_and_cut(port: int) -> None:
    kind = "Content-Type: application/x-www-form-urlencoded"
    with Line(port) as line:
        line.send(request("POST", "/subscribe", kind, "Transfer-Encoding: chunked"))
        sent = 0
        try:
            while sent < 50_000_000:
                line.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                sent += 0x10000
        except OSError:
            pass
        assert sent < 20_000_000


def test_a_body_that_stops_halfway_is_answered_and_cut(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fields, "BODY_SECONDS", 0.2)
    kind = "Content-Type: application/x-www-form-urlencoded"
    with Line(port) as line:
        line.send(request("POST", "/subscribe", kind, "Content-Length: 100", close=False) + b"a=1")
        answer = line.rest()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()


def test_one_click_counts_even_when_its_body_stops_halfway(
    house: House, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fields, "BODY_SECONDS", 0.2)
    path = f"/leave/{house.mail_token(house.reader())}"
    with Line(port) as line:
        line.send(request("POST", path, "Content-Length: 26", close=False) + b"List-Unsub")
        assert line.rest().startswith(b"HTTP/1.1 200 ")
    assert house.people()[0].state == "unsubscribed"


def test_a_gigabyte_that_is_announced_is_refused_at_once(port: int) -> None:
    kind = "Content-Type: application/x-www-form-urlencoded"
    with Line(port) as line:
        line.send(request("POST", "/subscribe", kind, f"Content-Length: {10**9}"))
        answer = line.rest()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "smuggled",
    [
        b"POST /subscribe HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /subscribe HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"GET /subscribe HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
        b"GET /subscribe HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n",
        b"GET /subscribe\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_a_request_that_two_readers_could_read_differently_is_refused(
    port: int, smuggled: bytes
) -> None:
    with Line(port) as line:
        line.send(smuggled)
        answer = line.rest()
    # 421 where the framing is sound and only our Host is missing.
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"421")
    assert answer.count(b"HTTP/1.1 ") <= 1


def test_a_forwarded_address_counts_only_from_a_proxy_that_is_named(house: House) -> None:
    seen: list[str] = []

    async def app(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
        seen.append(scope["client"][0])
        await house.app(scope, receive, send)

    for proxies, expected in (((), "127.0.0.1"), (("127.0.0.1",), "203.0.113.7")):
        server = Server(app, "127.0.0.1", 0, trusted_proxies=proxies)  # type: ignore[arg-type]
        with server, Line(server.port) as line:
            line.send(request("GET", "/subscribe", "X-Forwarded-For: 203.0.113.7"))
            line.rest()
        assert seen[-1] == expected


def test_a_form_is_taken_over_the_wire(house: House, port: int) -> None:
    body = urlencode(form("anna@example.org")).encode()
    with Line(port) as line:
        kind = "Content-Type: application/x-www-form-urlencoded"
        line.send(request("POST", "/subscribe", kind, body=body))
        assert line.rest().startswith(b"HTTP/1.1 200 ")
    assert len(house.people()) == 1


def test_answers_on_a_kept_connection_do_not_wait_for_an_acknowledgement(port: int) -> None:
    """Nagle and delayed ACKs together cost 40 ms an answer, from the second one on."""
    asked = request("GET", "/site.0123456789abcdef.css", close=False)
    with Line(port) as line:
        times = []
        for _ in range(20):
            began = time.perf_counter()
            line.send(asked)
            answer = b""
            while not answer.endswith(b"body{}"):
                answer += line.socket.recv(65536)
            times.append(time.perf_counter() - began)
    assert sorted(times)[10] < 0.03


def test_a_taken_address_is_a_finding_and_no_traceback(house: House, port: int) -> None:
    for bind in (f"127.0.0.1:{port}", "203.0.113.7:80", "no.such.host.invalid:80"):
        with pytest.raises(CouldNotRun) as refused:
            serve(house.app, bind)
        assert refused.value.findings[0].code == "NL152"


def test_a_request_with_two_lengths_is_the_last_of_its_connection(port: int) -> None:
    """RFC 9112 §6.3: what follows could be meant as a request by the client, or as a body by a proxy."""
    two = ("Content-Length: 4", "Transfer-Encoding: chunked")
    path = "/leave/" + "A" * 32
    with Line(port) as line:
        line.send(request("POST", path, *two, body=b"0\r\n\r\n", close=False))
        line.send(request("GET", "/subscribe", close=False))
        answer = line.rest()

    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in answer.partition(b"\r\n\r\n")[0].lower() + b"\r\n"


def test_one_length_keeps_the_connection(port: int) -> None:
    with Line(port) as line:
        path = "/leave/" + "A" * 32
        chunked = "Transfer-Encoding: chunked"
        line.send(request("POST", path, chunked, body=b"0\r\n\r\n", close=False))
        line.send(request("GET", "/subscribe"))

        assert line.rest().count(b"HTTP/1.1 ") == 2


def test_a_stranger_writes_nothing_into_the_log(
    port: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for nonsense in (b"\x00\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n"):
        with Line(port) as line:
            line.send(nonsense)
            assert line.rest().startswith(b"HTTP/1.1 400 ")

    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "held",
    [
        b"",
        b"POST /leave/x HT",
        request("POST", "/subscribe", "Content-Length: 500", close=False),
        request("GET", "/leave/" + "A" * 32, close=False),
    ],
    ids=["silent", "half a head", "half a body", "kept after an answer"],
)
def test_who_only_holds_lines_keeps_no_reader_out(
    house: House, monkeypatch: pytest.MonkeyPatch, held: bytes
) -> None:
    monkeypatch.setattr(servers, "MOST_CONNECTIONS", 8)
    click = b"List-Unsubscribe=One-Click"
    kind = "Content-Type: application/x-www-form-urlencoded"
    with Server(house.app, "127.0.0.1", 0) as server, ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(Line(server.port)).send(held)

        with Line(server.port) as line:
            line.send(request("POST", "/leave/" + "A" * 32, kind, body=click))

            assert line.rest().startswith(b"HTTP/1.1 200 ")


def test_a_full_house_lets_go_of_whoever_it_waits_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line that is held is a descriptor less for the issue that the same process sends."""
    monkeypatch.setattr(servers, "MOST_CONNECTIONS", 8)
    with Server(house.app, "127.0.0.1", 0) as server, ExitStack() as stack:
        lines = [stack.enter_context(Line(server.port)) for _ in range(50)]
        with Line(server.port) as last:
            last.send(request("GET", "/subscribe"))
            last.rest()

        ended, _, _ = select.select([line.socket for line in lines], [], [], 0)
        assert len(ended) >= 50 - 8


def test_the_event_loops_complaints_are_told_once_and_without_their_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where nothing more can be accepted it complains a hundred times a second."""
    complaints = servers.Complaints()
    loop = asyncio.new_event_loop()
    try:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "anna@example.org")
    except OSError as error:
        for _ in range(100):
            complaints(loop, {"message": "from anna@example.org", "exception": error})
    loop.close()

    (told,) = caplog.messages
    assert "Too many open files" in told
    assert "anna" not in told
