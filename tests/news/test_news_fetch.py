"""`news fetch` against real servers on this machine: polite, safe, and never endless."""

from __future__ import annotations

import datetime as dt
import gzip
import ipaddress
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from newsletter.config import Settings
from newsletter.news import guard, proposals
from newsletter.news.fetch import Client, fetch
from newsletter.news.item import FeedHealth, State

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
Make = Callable[..., Settings]
RSS = (
    b'<rss version="2.0"><channel><title>t</title><item><title>Shorter infusions tested</title>'
    b"<link>https://g.example/1</link><pubDate>Sat, 14 Nov 2026 10:00:00 GMT</pubDate></item></channel></rss>"
)


@dataclass
class Server:
    """Answers each path with the bytes of a script; remembers what it was asked."""

    port: int
    routes: dict[str, Callable[[socket.socket], None] | bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def headers(self, number: int) -> dict[str, str]:
        lines = self.asked[number].split("\r\n")[1:]
        pairs = (line.partition(": ") for line in lines if line)
        return {name.lower(): value for name, _, value in pairs}


@pytest.fixture
def server() -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0))
    made = Server(listener.getsockname()[1])

    def answer(line: socket.socket) -> None:
        with line:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = line.recv(65536)
                if piece[:1] == b"\x16":  # somebody speaks TLS to us
                    line.sendall(reply(400))
                    return
                if not piece:
                    return
                request += piece
            made.asked.append(request.decode("latin-1"))
            route = made.routes.get(request.split(b" ")[1].decode("latin-1"), reply(404))
            try:
                if callable(route):
                    route(line)
                else:
                    line.sendall(route)
            except OSError:
                return

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(line,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield made
    made.stopped.set()
    listener.close()


def reply(status: int, body: bytes = b"", **headers: str) -> bytes:
    names = {
        "Content-Length": str(len(body)),
        "Content-Type": "application/rss+xml",
        "Connection": "close",
    }
    names |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in names.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode("latin-1") + body


def loopback(address: str, port: int) -> bool:
    return ipaddress.ip_address(address).is_loopback


def client(**more: object) -> Client:
    """A client that may reach this machine, for servers that the test itself started."""
    return Client(**{"allowed": loopback, "pause": lambda seconds: None, "seconds": 5.0, **more})  # type: ignore[arg-type]


def publication_with(publication: Make, *urls: str) -> Settings:
    feeds = "".join(
        f'[[feed]]\nid = "f{n}"\ntitle = "Feed {n}"\nkind = "journal"\nlanguage = "en"\nurl = "{url}"\n'
        for n, url in enumerate(urls)
    )
    return publication({"content/feeds.toml": feeds})


def one(publication: Make, url: str, **more: object) -> FeedHealth:
    (health,) = fetch(publication_with(publication, url), NOW, client=client(**more))
    return health


# -- what goes well ----------------------------------------------------------------


def test_a_fetched_feed_proposes_and_is_not_asked_again_too_soon(
    publication: Make, server: Server
) -> None:
    server.routes["/f"] = reply(200, RSS)
    settings = publication_with(publication, server.url("/f"))
    (health,) = fetch(settings, NOW, client=client())
    assert (health.state, health.items, health.problem) == (State.OK, 1, "")
    assert health.read_at == NOW
    assert [item.title for item in proposals.items(settings, NOW).items] == [
        "Shorter infusions tested"
    ]
    fetch(settings, NOW + dt.timedelta(minutes=29), client=client())
    assert len(server.asked) == 1
    fetch(settings, NOW + dt.timedelta(minutes=31), client=client())
    assert len(server.asked) == 2


def test_we_say_who_we_are_and_ask_for_nothing_odd(publication: Make, server: Server) -> None:
    server.routes["/f"] = reply(200, RSS)
    one(publication, server.url("/f"))
    headers = server.headers(0)
    assert headers["user-agent"].startswith("newsletter/")
    assert "(+http://127.0.0.1:8000/)" in headers["user-agent"]
    assert headers["accept-encoding"] == "gzip"
    assert not {"cookie", "authorization", "referer", "a-im", "if-none-match"} & set(headers)


def test_validators_go_back_verbatim_and_304_keeps_the_items(
    publication: Make, server: Server
) -> None:
    odd = {"ETag": 'W/"a b"', "Last_Modified": "Sat, 14 Nov 2026 10:00:00 +0000 (odd)"}
    server.routes["/f"] = reply(200, RSS, **odd)
    settings = publication_with(publication, server.url("/f"))
    fetch(settings, NOW, client=client())
    server.routes["/f"] = reply(304, ETag='"new"')
    later = NOW + dt.timedelta(days=1)
    (health,) = fetch(settings, later, client=client())
    assert server.headers(1)["if-none-match"] == 'W/"a b"'
    assert server.headers(1)["if-modified-since"] == "Sat, 14 Nov 2026 10:00:00 +0000 (odd)"
    assert (health.state, health.items, health.read_at) == (State.OK, 1, later)
    fetch(settings, later + dt.timedelta(days=1), client=client())
    assert server.headers(2)["if-none-match"] == '"new"'


def test_a_lost_body_is_asked_for_whole(publication: Make, server: Server) -> None:
    server.routes["/f"] = reply(200, RSS, ETag='"1"')
    settings = publication_with(publication, server.url("/f"))
    fetch(settings, NOW, client=client())
    (settings.root / ".cache/news/f0.body").unlink()
    fetch(settings, NOW, client=client(), force=True)
    assert "if-none-match" not in server.headers(1)


def test_a_changed_address_starts_anew(publication: Make, server: Server) -> None:
    server.routes["/f"] = reply(410)
    server.routes["/g"] = reply(200, RSS)
    one(publication, server.url("/f"))
    assert one(publication, server.url("/g")).state is State.OK


def test_gzip_is_inflated(publication: Make, server: Server) -> None:
    server.routes["/f"] = reply(200, gzip.compress(RSS), Content_Encoding="gzip")
    assert one(publication, server.url("/f")).items == 1


def test_json_feeds_are_read(publication: Make, server: Server) -> None:
    body = {
        "version": "https://jsonfeed.org/version/1.1",
        "items": [
            {"id": 1, "url": "/a", "title": "One <b>two</b>", "date_published": "2026-11-14T10:00:00Z", "content_html": "<p>x</p>"},
            {"id": "2", "url": "javascript:alert(1)", "title": "Bad"},
            "nonsense",
        ],
    }  # fmt: skip
    server.routes["/f"] = reply(200, json.dumps(body).encode())
    settings = publication_with(publication, server.url("/f"))
    (health,) = fetch(settings, NOW, client=client())
    assert (health.state, health.items, health.dropped) == (State.DEGRADED, 1, 1)
    (item,) = proposals.items(settings, NOW).items
    assert (item.title, item.url, item.date) == ("One two", server.url("/a"), dt.date(2026, 11, 14))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"version": 1}',
        b'{"version": "https://jsonfeed.org/version/1", "items": 3}',
        b"{" * 100_000,
    ],
)
def test_json_that_is_no_feed_fails_with_a_reason(
    publication: Make, server: Server, body: bytes
) -> None:
    server.routes["/f"] = reply(200, body)
    health = one(publication, server.url("/f"))
    assert health.state is State.FAILED
    assert health.problem


def test_a_server_says_how_long_to_wait(publication: Make, server: Server) -> None:
    cases = {
        "/a": ({"Cache_Control": "public, max-age=7200"}, dt.timedelta(hours=2)),
        "/b": ({"Cache_Control": "max-age=9999999"}, dt.timedelta(hours=24)),
        "/c": ({"Expires": "Sat, 21 Nov 2026 15:00:00 GMT"}, dt.timedelta(hours=3)),
        "/d": ({"Cache_Control": "s-max-age=x", "Expires": "0"}, dt.timedelta(minutes=30)),
    }
    for path, (headers, _) in cases.items():
        server.routes[path] = reply(200, RSS, **headers)
    settings = publication_with(publication, *map(server.url, cases))
    found = fetch(settings, NOW, client=client())
    assert [(health.next_try or NOW) - NOW for health in found] == [
        wait for _, wait in cases.values()
    ]


def test_one_request_at_a_time_for_each_host(publication: Make, server: Server) -> None:
    pauses: list[float] = []
    for path in ("/a", "/b", "/c"):
        server.routes[path] = reply(200, RSS)
    settings = publication_with(publication, server.url("/a"), server.url("/b"), server.url("/c"))
    fetch(settings, NOW, client=client(pause=pauses.append))
    assert [asked.split()[1] for asked in server.asked] == ["/a", "/b", "/c"]
    assert pauses == [1.0, 1.0]


# -- what goes wrong ---------------------------------------------------------------


def test_failures_back_off_and_the_old_items_stay(publication: Make, server: Server) -> None:
    server.routes["/f"] = reply(200, RSS)
    settings = publication_with(publication, server.url("/f"))
    fetch(settings, NOW, client=client())
    server.routes["/f"] = reply(500)
    moment = NOW + dt.timedelta(days=1)
    waits = []
    for _ in range(7):
        (health,) = fetch(settings, moment, client=client())
        assert health.next_try
        waits.append(health.next_try - moment)
        moment = health.next_try
    assert waits == [dt.timedelta(hours=h) for h in (1, 2, 4, 8, 16, 24, 24)]
    assert (health.state, health.items) == (State.DEGRADED, 1)
    assert "500" in health.problem
    assert "2026-11-21" in health.problem
    server.routes["/f"] = reply(200, RSS)
    (health,) = fetch(settings, moment, client=client())
    assert (health.state, health.problem) == (State.OK, "")


@pytest.mark.parametrize(
    ("status", "header", "wait"),
    [
        (429, "7200", dt.timedelta(hours=2)),
        (503, "Sat, 21 Nov 2026 16:00:00 GMT", dt.timedelta(hours=4)),
        (503, "999999999", dt.timedelta(hours=24)),
        (429, "soon", dt.timedelta(hours=1)),
        (500, "7200", dt.timedelta(hours=1)),
        (503, "-5", dt.timedelta(hours=1)),
    ],
)
def test_retry_after_is_obeyed(
    publication: Make, server: Server, status: int, header: str, wait: dt.timedelta
) -> None:
    server.routes["/f"] = reply(status, Retry_After=header)
    health = one(publication, server.url("/f"))
    assert (health.next_try or NOW) - NOW == wait


def test_gone_is_never_asked_again(publication: Make, server: Server) -> None:
    server.routes["/f"] = reply(410)
    settings = publication_with(publication, server.url("/f"))
    (health,) = fetch(settings, NOW, client=client())
    assert "410" in health.problem
    assert health.next_try is None
    fetch(settings, NOW + dt.timedelta(days=90), client=client(), force=True)
    assert len(server.asked) == 1


def test_two_weeks_of_not_found_are_told(publication: Make, server: Server) -> None:
    settings = publication_with(publication, server.url("/missing"))
    (health,) = fetch(settings, NOW, client=client())
    assert health.problem == "the server answered 404"
    fetch(settings, NOW + dt.timedelta(days=7), client=client())
    (health,) = fetch(settings, NOW + dt.timedelta(days=15), client=client())
    assert health.problem.startswith("not found since 2026-11-21")


def test_a_permanent_move_is_told_and_a_passing_one_is_not(
    publication: Make, server: Server
) -> None:
    server.routes["/new"] = reply(200, RSS)
    server.routes["/old"] = reply(301, Location="/new")
    server.routes["/now"] = reply(302, Location="/new")
    settings = publication_with(publication, server.url("/old"), server.url("/now"))
    old, now = fetch(settings, NOW, client=client())
    assert server.url("/new") in old.problem
    assert (old.state, now.state, now.problem) == (State.OK, State.OK, "")


def test_redirects_come_to_an_end(publication: Make, server: Server) -> None:
    server.routes["/f"] = reply(302, Location="/f")
    health = one(publication, server.url("/f"))
    assert "redirects" in health.problem
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://localhost/",
        "file:///etc/hostname",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1/x",
        "javascript:alert(1)",
        "http://user:secret@127.0.0.1/",
    ],
)
def test_a_redirect_to_our_own_network_is_refused(
    publication: Make, server: Server, target: str
) -> None:
    server.routes["/f"] = reply(302, Location=target)

    def allowed(address: str, port: int) -> bool:
        """This server may be reached; everything else is judged as in the world."""
        return (address, port) == ("127.0.0.1", server.port) or guard.public(address, port)

    health = one(publication, server.url("/f"), allowed=allowed)
    assert health.state is State.FAILED
    assert "refused" in health.problem
    assert len(server.asked) == 1


def test_an_address_inside_is_refused_without_a_redirect_too(
    publication: Make, server: Server
) -> None:
    server.routes["/f"] = reply(200, RSS)
    (health,) = fetch(publication_with(publication, server.url("/f")), NOW)
    assert "refused" in health.problem
    assert server.asked == []


def test_a_name_that_leads_inside_is_refused_even_when_it_also_leads_outside(
    publication: Make, server: Server
) -> None:
    server.routes["/f"] = reply(200, RSS)

    def find(host: str, port: int) -> list[guard.Address]:
        places = ("198.51.100.7", "93.184.215.14", "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (place, port)) for place in places[1:]]

    url = server.url("/f", host="feeds.evil.example").replace(f":{server.port}", "")
    health = one(publication, url, allowed=guard.public, find=find)
    assert (
        health.problem
        == "refused: feeds.evil.example leads to 127.0.0.1, port 80, which is not public"
    )
    assert server.asked == []


def test_the_address_that_was_checked_is_the_one_connected_to(
    publication: Make, server: Server
) -> None:
    server.routes["/f"] = reply(200, RSS)
    answers = iter(["127.0.0.1", "169.254.169.254"])  # a name that changes between two questions

    def find(host: str, port: int) -> list[guard.Address]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (next(answers), port))]

    assert one(publication, server.url("/f", host="rebinding.example"), find=find).state is State.OK
    assert server.headers(0)["host"] == f"rebinding.example:{server.port}"
    assert next(answers) == "169.254.169.254"


@pytest.mark.parametrize(
    ("address", "port", "good"),
    [
        ("93.184.215.14", 443, True),
        ("93.184.215.14", 80, True),
        ("93.184.215.14", 22, False),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", 443, True),
        ("127.0.0.1", 80, False),
        ("127.255.255.254", 80, False),
        ("10.1.2.3", 80, False),
        ("172.16.0.1", 80, False),
        ("192.168.0.1", 80, False),
        ("169.254.169.254", 80, False),
        ("100.100.100.200", 80, False),
        ("192.0.2.1", 80, False),
        ("224.0.0.1", 80, False),
        ("240.0.0.1", 80, False),
        ("255.255.255.255", 80, False),
        ("0.0.0.0", 80, False),
        ("::1", 80, False),
        ("::", 80, False),
        ("::127.0.0.1", 80, False),
        ("::ffff:10.0.0.1", 80, False),
        ("::ffff:93.184.215.14", 80, True),
        ("fe80::1%eth0", 80, False),
        ("fc00::1", 80, False),
        ("fd00:ec2::254", 80, False),
        ("ff02::1", 80, False),
        ("64:ff9b::a00:1", 80, False),
        ("2002:a00:1::1", 80, False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", 80, False),
    ],
)
def test_public_means_public(address: str, port: int, good: bool) -> None:
    assert guard.public(address, port) is good


# -- hostile and ugly --------------------------------------------------------------


def drip(server: Server, head: bytes = b"", piece: bytes = b"x") -> Callable[[socket.socket], None]:
    """Sends `head`, then a byte now and then, for ever."""

    def send(line: socket.socket) -> None:
        line.sendall(head)
        while not server.stopped.wait(0.05):
            line.sendall(piece)

    return send


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\n\r\n<rss>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
    ],
)
def test_a_slow_drip_is_cut_off(publication: Make, server: Server, head: bytes) -> None:
    server.routes["/f"] = drip(server, head)
    server.routes["/good"] = reply(200, RSS)
    settings = publication_with(publication, server.url("/f"), server.url("/good"))
    began = time.monotonic()
    slow, good = fetch(settings, NOW, client=client(seconds=0.5))
    assert time.monotonic() - began < 3
    assert slow.state is State.FAILED
    assert "longer than" in slow.problem
    assert (good.state, good.items) == (State.OK, 1)


def test_a_server_that_says_nothing_is_left(publication: Make, server: Server) -> None:
    server.routes["/f"] = lambda line: server.stopped.wait(10) and None
    began = time.monotonic()
    health = one(publication, server.url("/f"), seconds=0.5)
    assert time.monotonic() - began < 3
    assert health.state is State.FAILED


def test_a_gzip_bomb_takes_bounded_memory(publication: Make, server: Server) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000, 9)
    server.routes["/f"] = reply(200, bomb, Content_Encoding="gzip")
    tracemalloc.start()
    health = one(publication, server.url("/f"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert health.problem == "more than 5 MB"
    assert peak < 20_000_000


def test_an_endless_body_is_cut_at_the_limit(publication: Make, server: Server) -> None:
    def endless(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n\r\n")
        while not server.stopped.is_set():
            line.sendall(b"<item>" * 10_000)

    server.routes["/f"] = endless
    assert one(publication, server.url("/f")).problem == "more than 5 MB"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (reply(200, RSS, Content_Length="999"), "cut off"),
        (reply(200, RSS, Content_Encoding="br"), "not asked for"),
        (reply(200, RSS, Content_Encoding="gzip"), "broken"),
        (reply(200, gzip.compress(RSS)[:-8], Content_Encoding="gzip"), "too soon"),
        (reply(200, RSS, Content_Encoding="gzip, gzip"), "not asked for"),
        (b"nonsense\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ""),
        (b"HTTP/1.1 999 What\r\n\r\n", "999"),
        (b"", ""),
        (reply(200, b"<html><body>Please enable cookies</body></html>"), "no feed"),
        (reply(302), "302"),
    ],
)
def test_nonsense_fails_with_a_reason(
    publication: Make, server: Server, answer: bytes, problem: str
) -> None:
    server.routes["/f"] = answer
    health = one(publication, server.url("/f"))
    assert health.state is State.FAILED
    assert health.problem
    assert problem in health.problem


def test_fifty_thousand_items_are_read_in_bounded_time(publication: Make, server: Server) -> None:
    items = b"".join(
        b"<item><title>t%d</title><link>http://a/%d</link></item>" % (n, n) for n in range(50_000)
    )
    server.routes["/f"] = reply(200, b'<rss version="2.0"><channel>' + items + b"</channel></rss>")
    began = time.monotonic()
    health = one(publication, server.url("/f"))
    assert time.monotonic() - began < 5
    assert (health.state, health.items) == (State.DEGRADED, 300)
    assert health.problem == "50000 items; only the first 300 were read"


def test_nobody_listens(publication: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    health = one(publication, f"http://127.0.0.1:{port}/f")
    assert health.state is State.FAILED
    assert "refused" in health.problem.lower()


def test_a_secure_address_without_a_good_certificate_is_not_read(
    publication: Make, server: Server
) -> None:
    health = one(publication, server.url("/f").replace("http:", "https:"))
    assert health.state is State.FAILED
    assert health.problem.startswith("the secure connection failed")


def test_a_broken_cache_is_only_a_cache(publication: Make, server: Server) -> None:
    server.routes["/f"] = reply(200, RSS)
    settings = publication_with(publication, server.url("/f"))
    fetch(settings, NOW, client=client())
    for words in ("", "[]", '{"url": 1, "next_try": "x"}', '{"unknown": 1}'):
        (settings.root / ".cache/news/f0.json").write_text(words)
        assert proposals.items(settings, NOW).items == ()
        (health,) = fetch(settings, NOW, client=client())
        assert health.state is State.OK


def test_local_feeds_are_told_beside_fetched_ones(publication: Make) -> None:
    settings = publication(
        {
            "content/feeds.toml": '[[feed]]\nid = "l"\ntitle = "L"\nkind = "news"\nlanguage = "en"\npath = "feeds/l.xml"\n',
            "content/feeds/l.xml": RSS,
        }
    )
    (health,) = fetch(settings, NOW, client=client())
    assert (health.state, health.items) == (State.OK, 1)
