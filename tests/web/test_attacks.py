"""What strangers try, each with the answer it must get."""

from __future__ import annotations

import html
import json
import logging
import re
from pathlib import Path

import pytest
from tests.web.house import HOST, Answer, House, form, make_house

SQL = ["' OR '1'='1", "1; DROP TABLE subscribers--", '" UNION SELECT address FROM subscribers --']
XSS = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "${7*7}"]
BREAKS = ["a\r\nBcc: b@example.org", "a\nX: y", "a\0b", "a\x0bb", "a\u0085b", "a\u2028b", "a\x7f"]
FIELDS = ["address", "language", "wording", "agree", "website", "nonsense"]
LOCKS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def everywhere(house: House) -> list[Answer]:
    """One answer of each kind that the app gives."""
    token = house.mail_token(house.reader())
    return [
        house.get("/subscribe"),
        house.subscribe("b@example.org"),
        house.get("/confirm/x"),
        house.post("/confirm/x"),
        house.get(f"/leave/{token}"),
        house.post(f"/leave/{token}"),
        house.get(f"/preferences/{token}"),
        house.post(f"/preferences/{token}", {"action": "language", "language": "de"}),
        house.get("/data/x"),
        house.post("/data/x", {"action": "show"}),
        house.post("/subscribe", form("nobody")),
        house.ask("DELETE", "/subscribe"),
        house.ask("POST", "/subscribe", b"{}", {"Content-Type": "text/plain"}),
        house.ask("POST", "/subscribe", b"x" * 20_000, {"Content-Type": "application/json"}),
        house.get("/subscribe", host="evil.example.org"),
    ]


def test_every_answer_of_the_forms_carries_every_lock(house: House) -> None:
    for answer in everywhere(house):
        for name, value in LOCKS.items():
            if name == "content-security-policy" and "/forms/ask.js" in answer.text:
                value = value.replace("img-src", "script-src 'self'; connect-src 'self'; img-src")
            assert answer.header(name) == value
        assert answer.header("set-cookie") is None
        assert answer.header("location") is None
        assert answer.header("server") is None


def test_no_page_of_the_forms_names_another_host_or_holds_a_script(house: House) -> None:
    for answer in everywhere(house):
        rest = answer.text.replace('<script src="/forms/ask.js" defer></script>', "")
        for word in ("<script", "javascript:", " onclick", " style=", "//cdn"):
            assert word not in rest
        rest = rest.replace("http://127.0.0.1:8000", "")
        assert "http://" not in rest
        assert "https://" not in rest


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", SQL + XSS)
def test_code_in_a_field_is_neither_run_nor_shown(house: House, field: str, value: str) -> None:
    before = {name: rows for name, rows in house.state().items() if name != "notices"}
    answer = house.post("/subscribe", {**form("anna@example"), field: value})
    assert answer.status in (200, 422)
    assert value not in html.unescape(answer.text)
    after = {name: rows for name, rows in house.state().items() if name != "notices"}
    assert after == before


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", BREAKS)
def test_no_field_takes_a_line_break_or_another_control(
    house: House, field: str, value: str
) -> None:
    before = house.state()
    answer = house.post("/subscribe", {**form("anna@example.org"), field: value})
    if "\u2028" in value and field in ("agree", "website", "nonsense"):
        # No control character, and never used: ticked is only "yes", a robot is a robot.
        assert answer.status in (200, 422)
    else:
        assert answer.status in (400, 422)
        assert house.state() == before
    for name, header in answer.headers:
        assert "\r" not in name + header
        assert "\n" not in name + header


@pytest.mark.parametrize("value", SQL + XSS)
def test_code_in_a_query_or_a_header_is_not_shown(house: House, value: str) -> None:
    headers = {"Accept-Language": value, "User-Agent": value, "Referer": value}
    for path in ("/subscribe", "/leave/x", "/nowhere"):
        answer = house.get(path, headers=headers, query=f"lang={value}&x={value}")
        assert value not in html.unescape(answer.text)


@pytest.mark.parametrize("value", [*SQL, *XSS, "%00", "é" * 300])
def test_code_in_a_path_is_shown_only_as_text(house: House, value: str) -> None:
    for path in (f"/preferences/{value}", f"/leave/{value}", f"/{value}"):
        answer = house.get(path)
        assert answer.status in (200, 404)
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text


def test_an_address_that_only_looks_like_a_readers_is_somebody_else(house: House) -> None:
    """A Cyrillic letter in the domain: written as A-labels, so that it looks like what it is."""
    anna = house.reader("anna@example.org")
    lookalike = house.reader("anna@ex\u0430mple.org")
    assert anna.id != lookalike.id
    shown = house.post(f"/data/{house.data_token(lookalike)}", {"action": "show"}).text
    assert "anna@xn--exmple-4nf.org" in shown
    house.post(f"/leave/{house.mail_token(lookalike)}")
    assert house.people()[0] == anna


@pytest.mark.parametrize(
    "address", ["\u0430nna@example.org", "anna\u200b@example.org", "\u202eanna@example.org"]
)
def test_letters_that_the_mail_road_cannot_carry_are_refused(house: House, address: str) -> None:
    before = house.state()
    assert house.post("/subscribe", form(address)).status == 422
    assert house.state() == before


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"address": {"$ne": ""}}', "application/json", 400),
        (b'{"address": ["a"]}', "application/json", 400),
        (b"[" * 8000, "application/json", 400),
        (b'{"a": 1e400}', "application/json", 400),
        (b'"\\ud800"', "application/json", 400),
        (b'{"address": "\\ud800@example.org"}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"address=%FF%FE", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(21)), "application/x-www-form-urlencoded", 400),
        (b"x", "multipart/form-data; boundary=x", 415),
        (b"<x/>", "application/xml", 415),
        (b"x", "", 415),
    ],
)
def test_a_body_that_is_no_form_is_refused(
    house: House, body: bytes, kind: str, status: int
) -> None:
    before = house.state()
    answer = house.ask("POST", "/subscribe", body, {"Content-Type": kind} if kind else {})
    assert answer.status == status
    assert house.state() == before


@pytest.mark.parametrize("path", ["/subscribe", "/confirm/x", "/preferences/x", "/data/x"])
def test_a_huge_body_is_refused_before_it_is_read(house: House, path: str) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    announced = house.ask("POST", path, b"", {**kind, "Content-Length": str(10**9)})
    assert (announced.status, announced.chunks_read) == (413, 0)
    assert announced.header("connection") == "close"
    streamed = house.ask(
        "POST", path, [b"x" * 1000] * 10_000, {**kind, "Transfer-Encoding": "chunked"}
    )
    assert streamed.status == 413
    assert streamed.chunks_read <= 17
    assert streamed.header("connection") == "close"


def test_one_click_with_a_huge_body_still_leaves_and_reads_little(house: House) -> None:
    path = f"/leave/{house.mail_token(house.reader())}"
    headers = {"Transfer-Encoding": "chunked"}
    answer = house.ask("POST", path, [b"x" * 1000] * 10_000, headers)
    assert (answer.status, answer.header("connection")) == (200, "close")
    assert answer.chunks_read <= 17
    assert house.people()[0].state == "unsubscribed"


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 5000, "x", ""])
def test_a_length_that_is_no_number_is_refused(house: House, length: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": length}
    assert house.ask("POST", "/subscribe", b"{}", headers).status == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO", "get"])
def test_other_methods_are_refused_and_change_nothing(house: House, method: str) -> None:
    token = house.mail_token(house.reader())
    before = house.state()
    for path in ("/subscribe", f"/leave/{token}", f"/preferences/{token}", "/confirm/x", "/data/x"):
        answer = house.ask(method, path, b"action=erase", {"X-HTTP-Method-Override": "POST"})
        assert answer.status == 405
        assert set((answer.header("allow") or "").split(", ")) == {"GET", "HEAD", "POST"}
    assert house.ask(method, "/").status == 405
    assert house.state() == before


def test_a_get_with_a_body_or_an_override_changes_nothing(house: House) -> None:
    path = f"/leave/{house.mail_token(house.reader())}"
    before = house.state()
    for method in ("GET", "HEAD"):
        house.ask(
            method,
            path,
            b"List-Unsubscribe=One-Click",
            {"X-HTTP-Method-Override": "POST", "Content-Type": "application/x-www-form-urlencoded"},
            query="_method=POST",
        )
    assert house.state() == before


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.org",
        "127.0.0.1",
        "127.0.0.1:8000.evil.example.org",
        "evil.example.org:8000",
        "127.0.0.1:8000@evil.example.org",
        "127.0.0.1:8000 ",
        "",
        "[::1]:8000",
        "localhost:8000",
    ],
)
def test_a_host_that_is_not_ours_is_turned_away(house: House, host: str) -> None:
    answer = house.get("/subscribe", host=host, headers={"X-Forwarded-Host": HOST})
    assert answer.status == 421
    assert "evil" not in answer.text


def test_no_host_and_two_hosts_are_bad_requests(house: House) -> None:
    assert house.get("/subscribe", host=None).status == 400
    assert house.get("/subscribe", headers=[("Host", HOST)]).status == 400


def test_a_default_port_may_be_written_or_not(tmp_path: Path) -> None:
    for house in make_house(
        tmp_path,
        None,
        public_url="https://letter.example.org",
        site_url="https://www.example.org",
    ):
        for host in ("letter.example.org", "Letter.Example.org:443", "www.example.org"):
            assert house.get("/subscribe", host=host).status == 200
        assert house.get("/subscribe", host="letter.example.org:80").status == 421
        strict = house.get("/subscribe", host="letter.example.org")
        assert strict.header("strict-transport-security") == "max-age=31536000"


def test_a_failure_shows_and_logs_nothing_of_the_input(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_tx: object, _vault: object, address: object, *_: object, **__: object) -> None:
        raise RuntimeError(f"cannot store canary-7@example.org {address!r}")

    monkeypatch.setattr("newsletter.web.subscribe.people.ask", broken)
    with caplog.at_level(logging.DEBUG):
        answer = house.subscribe("canary-7@example.org")
    assert answer.status == 500
    assert "canary" not in answer.text
    assert "canary" not in caplog.text
    assert "RuntimeError in test_attacks.py:" in caplog.text


def test_an_error_is_told_to_a_program_in_json(house: House) -> None:
    headers = {"Accept": "application/json"}
    answer = house.ask("POST", "/subscribe", b"{", {**headers, "Content-Type": "application/json"})
    assert (answer.status, json.loads(answer.body)) == (
        400,
        {"error": "this request could not be read"},
    )


def test_what_fails_for_every_visitor_is_told_once_with_the_systems_word(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full, a database that is locked: not a line for each click."""
    token = house.mail_token(house.reader())
    house.parts.journal.path.mkdir()
    for _ in range(3):
        assert house.ask("POST", f"/leave/{token}").status == 500
    [line] = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        r"a request failed: IsADirectoryError in journal.py:\d+ \(Is a directory\)", line
    )
