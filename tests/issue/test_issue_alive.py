"""Links to other sites are asked before an approval, at real servers on this machine."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.issue import kit

from newsletter.checks.alive import MEMORY, alive, outside
from newsletter.config import Settings
from newsletter.errors import Findings, Level
from newsletter.flows.approve import approve
from newsletter.issue import freeze
from newsletter.issue.compose import compose
from newsletter.news.fetch import Client

Make = Callable[..., Settings]
DAY = dt.timedelta(hours=24)
TOLD = list[tuple[str, Level, str]]


class Server:
    """Answers each path as its route says: a status, a place to go to, or anything it does itself."""

    def __init__(self) -> None:
        self.routes: dict[str, int | str | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []
        self.at_once = self.most = 0
        self.stop = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(f"{self.command} {self.path}")
                outer.at_once += 1
                outer.most = max(outer.most, outer.at_once)
                try:
                    self.answer(outer.routes.get(self.path, 404))
                except OSError:
                    pass
                finally:
                    outer.at_once -= 1

            do_HEAD = do_GET  # noqa: N815 - its name is the protocol's

            def answer(self, route: Any) -> None:
                if callable(route):
                    route(self)
                    return
                self.send_response(302 if isinstance(route, str) else route)
                if isinstance(route, str):
                    self.send_header("Location", route)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop.set()
    made.http.shutdown()
    made.http.server_close()


def loopback(address: str, port: int) -> bool:
    return ipaddress.ip_address(address).is_loopback


def client(**more: Any) -> Client:
    return Client(**{"allowed": loopback, "seconds": 4.0, **more})


def month(publication: Make, *urls: str) -> Settings:
    links = "\n".join(f"- [link {number}]({url})" for number, url in enumerate(urls))
    files = kit.month()
    files["content/issues/2026-12/letter.en.md"] = kit.letter("en", body=f"Hello.\n\n{links}\n")
    files["content/issues/2026-12/letter.de.md"] = kit.letter("de")
    return publication(files, kit.TOML)


def told(settings: Settings, now: dt.datetime = kit.NOW, **more: Any) -> TOLD:
    total = more.pop("total", 30.0)
    found = alive(settings, compose(settings, kit.DECEMBER), now, client(**more), total=total)
    return [(each.code, each.level, each.what) for each in found]


def test_only_other_sites_are_asked_and_each_address_once(
    publication: Make, server: Server
) -> None:
    server.routes["/a"] = 200
    url = server.url("/a")
    settings = month(publication, url, f"{url}#part", f"{kit.SITE}/articles/cells/")
    assert outside(settings, compose(settings, kit.DECEMBER)) == [url]
    assert told(settings) == []
    assert server.asked == ["HEAD /a"]


def test_get_is_asked_where_head_is_refused(publication: Make, server: Server) -> None:
    def no_head(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(405 if handler.command == "HEAD" else 200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.routes["/a"] = no_head
    assert told(month(publication, server.url("/a"))) == []
    assert server.asked == ["HEAD /a", "GET /a"]


def test_a_first_failure_warns_and_a_second_a_day_later_is_an_error(
    publication: Make, server: Server
) -> None:
    url = server.url("/gone")
    settings = month(publication, url)
    warned = [("NL485", Level.WARNING, f"{url} is dead: the server answers 404")]
    assert told(settings) == warned
    assert told(settings, kit.NOW + DAY - dt.timedelta(seconds=1)) == warned
    (again,) = told(settings, kit.NOW + DAY)
    assert again[:2] == ("NL485", Level.ERROR)
    assert "was dead on 2026-11-28 too" in again[2]
    server.routes["/gone"] = 200
    assert told(settings, kit.NOW + DAY) == []
    server.routes["/gone"] = 500
    assert told(settings, kit.NOW + 2 * DAY)[0][1] is Level.WARNING


@pytest.mark.parametrize("memory", [b"[]", b"{", b'{"x": 1}', b'{"x": "2026-01-01"}', b"\xff"])
def test_a_broken_memory_is_no_memory(publication: Make, server: Server, memory: bytes) -> None:
    settings = month(publication, server.url("/gone"))
    (settings.root / ".cache").mkdir(exist_ok=True)
    (settings.root / MEMORY).write_bytes(memory)
    assert told(settings)[0][:2] == ("NL485", Level.WARNING)
    assert list(json.loads((settings.root / MEMORY).read_text())) == [server.url("/gone")]


def test_a_site_that_lets_no_program_in_is_told_and_never_an_error(
    publication: Make, server: Server
) -> None:
    server.routes["/a"] = 403
    settings = month(publication, server.url("/a"))
    for day in (kit.NOW, kit.NOW + 3 * DAY):
        assert [each[:2] for each in told(settings, day)] == [("NL486", Level.WARNING)]


def test_redirects_are_followed_and_every_hop_is_guarded(publication: Make, server: Server) -> None:
    server.routes |= {"/a": "/b", "/b": 200, "/round": "/round", "/in": "http://10.0.0.1/x"}
    server.routes["/out"] = "ftp://127.0.0.1/x"
    settings = month(publication, *map(server.url, ("/a", "/round", "/in", "/out")))
    whats = {each[2].split(" is dead: ")[0]: each[2] for each in told(settings)}
    assert set(whats) == {server.url("/round"), server.url("/in"), server.url("/out")}
    assert "more than 5 redirects" in whats[server.url("/round")]
    assert "10.0.0.1" in whats[server.url("/in")]
    assert "no web address" in whats[server.url("/out")]


def test_this_machine_is_not_asked_for_the_world(publication: Make, server: Server) -> None:
    settings = month(publication, server.url("/a"))
    found = alive(settings, compose(settings, kit.DECEMBER), kit.NOW)
    assert [each.code for each in found] == ["NL485"]
    assert "not public" in found[0].what
    assert server.asked == []


def test_a_host_is_asked_one_thing_at_a_time(publication: Make, server: Server) -> None:
    for number in range(6):
        server.routes[f"/{number}"] = 200
        server.routes[f"/to{number}"] = f"/{number}"
    # "localhost" is another name of the same server: each name has its own turn.
    port = server.http.server_port
    settings = month(publication, *(f"http://127.0.0.1:{port}/to{n}" for n in range(6)))
    assert told(settings) == []
    assert (len(server.asked), server.most) == (12, 1)


def test_without_a_network_it_is_said_once_and_nothing_is_remembered(publication: Make) -> None:
    def find(host: str, port: int) -> list[Any]:
        raise socket.gaierror(socket.EAI_AGAIN, "no network")

    settings = month(publication, "https://a.example/1", "https://b.example/2")
    for day in (kit.NOW, kit.NOW + 3 * DAY):
        ((code, level, what),) = told(settings, day, find=find)
        assert (code, level) == ("NL486", Level.WARNING)
        assert "the network is not there, so 2 links" in what
    assert not (settings.root / MEMORY).exists()


def test_a_name_that_is_gone_is_dead_where_others_answer(publication: Make, server: Server) -> None:
    def find(host: str, port: int) -> list[Any]:
        if host == "gone.example":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    server.routes["/a"] = 200
    settings = month(publication, server.url("/a"), "https://gone.example/2")
    assert [each[:2] for each in told(settings, find=find)] == [("NL485", Level.WARNING)]
    ((_, level, what),) = told(settings, kit.NOW + DAY, find=find)
    assert (level, "name of the host is not known" in what) == (Level.ERROR, True)


def test_servers_that_drip_or_say_nothing_end_at_the_deadline(
    publication: Make, server: Server
) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not server.stop.wait(0.05):
            handler.wfile.write(b"X: y\r\n")
            handler.wfile.flush()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        server.stop.wait(20)

    server.routes |= {"/drip": drip, "/silent": silent}
    settings = month(publication, server.url("/drip"), server.url("/silent"))
    began = time.monotonic()
    found = told(settings, seconds=0.6)
    assert time.monotonic() - began < 10
    assert [each[:2] for each in found] == [("NL485", Level.WARNING)] * 2


def test_what_no_time_is_left_for_is_said_and_not_held_against_it(
    publication: Make, server: Server
) -> None:
    server.routes["/silent"] = lambda handler: server.stop.wait(20) and None
    urls = [server.url("/silent"), *(server.url(f"/{number}") for number in range(30))]
    found = told(month(publication, *urls), total=0.4)
    assert [each[:2] for each in found] == [("NL486", Level.WARNING)]
    assert "31 links were not asked" in found[0][2]


def test_an_approval_stops_at_a_link_that_is_dead_for_a_day(
    publication: Make, server: Server
) -> None:
    settings = month(publication, server.url("/gone"))
    told(settings, kit.NOW - DAY)
    with pytest.raises(Findings) as caught:
        approve(settings, kit.DECEMBER, "Editor", kit.NOW, web=client())
    assert [each.code for each in caught.value.findings if each.level is Level.ERROR] == ["NL485"]
    assert freeze.periods(settings) == ()
    assert caught.value.findings[-1].where is not None
    done = approve(settings, kit.DECEMBER, "Editor", kit.NOW)  # nobody is asked
    assert "NL485" not in [each.code for each in done.warnings]
