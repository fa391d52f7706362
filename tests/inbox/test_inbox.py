"""The inbox in the box, over real sockets."""

from __future__ import annotations

import datetime as dt
import email.message
import email.policy
import http.client
import smtplib
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.errors import CouldNotRun
from newsletter.inbox import Inbox
from newsletter.inbox.page import _line_ends
from newsletter.inbox.shelf import Shelf

RAW = (
    b"From: Letter <letter@letter.example.org>\r\n"
    b"To: anna@example.org\r\n"
    b"Subject: =?utf-8?b?0J/QuNGB0YzQvNC+?=\r\n"
    b"Content-Language: ru\r\n"
    b"List-Unsubscribe: <http://127.0.0.1:8000/leave/abc>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"Content-Type: text/plain; charset=us-ascii\r\n"
    b"\r\n"
    b".leading dot\r\n"
    b"  trailing space \r\n"
    b"last line\r\n"
)


def mail(to: str, language: str = "en", html: str = "<p>Hello</p>") -> bytes:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"] = "letter@letter.example.org"
    message["To"] = to
    message["Subject"] = f"Issue for {to}"
    message.set_content("Hello")
    message.add_alternative(html, subtype="html")
    message["Content-Language"] = language
    return message.as_bytes()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


def post(inbox: Inbox, raw: bytes, to: str = "anna@example.org") -> None:
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port, timeout=10) as smtp:
        smtp.sendmail("b+x@letter.example.org", [to], raw)


def get(
    inbox: Inbox, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", inbox.web_port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_a_mail_is_kept_byte_for_byte(inbox: Inbox) -> None:
    post(inbox, RAW)
    (kept,) = inbox.wait_for(1)
    assert kept.raw == RAW
    assert get(inbox, "/mail/1.eml")[2] == RAW


def test_what_a_person_wants_to_know_stands_in_the_mail_value(inbox: Inbox) -> None:
    post(inbox, RAW)
    (kept,) = inbox.messages
    assert (kept.subject, kept.language, kept.size) == ("Письмо", "ru", len(RAW))
    assert (kept.sender, kept.recipients) == ("b+x@letter.example.org", ("anna@example.org",))
    assert kept.one_click == "http://127.0.0.1:8000/leave/abc"
    assert kept.text is not None
    assert kept.text.startswith(".leading dot")
    assert kept.html is None


def test_a_repr_shows_no_address(inbox: Inbox) -> None:
    post(inbox, RAW)
    assert "anna" not in repr(inbox.messages)


def test_the_list_filters_by_reader_and_language_and_counts_per_reader(inbox: Inbox) -> None:
    for to, language in [("a@example.org", "en"), ("b@example.org", "de"), ("b@example.org", "de")]:
        post(inbox, mail(to, language), to)
    page = get(inbox, "/")[2].decode()
    assert "3 mails" in page
    assert "for 2 readers" in page
    german = get(inbox, "/?language=de")[2].decode()
    assert german.count('href="/mail/') == 2
    assert german.count("2 in all") == 2
    assert get(inbox, "/?q=A@EXAMPLE")[2].decode().count('href="/mail/') == 1


def test_the_html_part_is_a_sandboxed_document_that_loads_nothing_remote(inbox: Inbox) -> None:
    post(inbox, mail("a@example.org", html="<script>alert(1)</script><p>Hi</p>"))
    page = get(inbox, "/mail/1")[2].decode()
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    _, headers, body = get(inbox, "/mail/1/html")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "img-src http://127.0.0.1:* http://localhost:*;" in policy
    assert b"<p>Hi</p>" in body


def test_a_mail_cannot_write_into_the_page_around_it(inbox: Inbox) -> None:
    evil = mail("a@example.org").replace(b"Issue for", b"<script>alert(1)</script>")
    post(inbox, evil)
    for path in ("/", "/mail/1", "/mail/1?view=raw", "/mail/1?view=headers", "/?q=<script>x"):
        page = get(inbox, path)[2]
        assert b"<script>alert" not in page
        assert b"<script>x" not in page


@pytest.mark.parametrize("cte", ["quoted-printable", "base64", "8bit"])
def test_the_language_is_read_from_the_html_when_no_header_says_it(inbox: Inbox, cte: str) -> None:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = "x"
    message.set_content("Привет", cte="base64")
    html = '<!doctype html><html dir="ltr" lang="ru"><body>Привет, читатель</body></html>'
    message.add_alternative(html, subtype="html", cte=cte)
    post(inbox, message.as_bytes())
    assert inbox.messages[0].language == "ru"


@pytest.mark.parametrize("view", ["text", "headers", "raw"])
def test_every_view_of_a_mail_shows_its_part(inbox: Inbox, view: str) -> None:
    post(inbox, RAW)
    page = get(inbox, f"/mail/1?view={view}")[2].decode()
    assert {"text": "last line", "headers": "List-Unsubscribe-Post", "raw": "=?utf-8?b?"}[
        view
    ] in page
    assert "every line ends in CRLF" in page


def test_a_bare_line_feed_is_told(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "mails")
    kept = shelf.put("", ("a@example.org",), b"Subject: x\r\n\r\na\nb\r\n", dt.datetime.now(dt.UTC))
    assert _line_ends(kept.raw) == "1 bare CR or LF"


def test_a_foreign_host_name_is_refused(inbox: Inbox) -> None:
    post(inbox, RAW)
    headers = {"Host": "evil.example.org"}
    assert get(inbox, "/", headers=headers)[0] == 421
    assert get(inbox, "/mail/1.eml", headers=headers)[0] == 404


def test_only_the_inboxs_own_page_throws_mails_away(inbox: Inbox) -> None:
    post(inbox, RAW)
    assert get(inbox, "/clear", "POST", {"Origin": "https://evil.example.org"})[0] == 403
    assert get(inbox, "/clear", "POST")[0] == 403
    assert len(inbox.messages) == 1
    own = {"Origin": f"http://127.0.0.1:{inbox.web_port}"}
    assert get(inbox, "/clear", "POST", own)[0] == 303
    assert inbox.messages == ()


def test_a_folder_keeps_mails_for_its_owner_alone_and_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "mails"
    with Inbox(folder=folder) as inbox:
        post(inbox, RAW)
        inbox.wait_for(1)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert (folder / "000001.eml").read_bytes() == RAW
    with Inbox(folder=folder) as again:
        post(again, mail("b@example.org"), "b@example.org")
        assert [kept.number for kept in again.wait_for(2)] == [1, 2]
        assert again.messages[0].recipients == ("anna@example.org",)


def test_five_thousand_mails_do_not_slow_the_list() -> None:
    shelf = Shelf()
    raws = [mail(f"r{n}@example.org", ("en", "ru", "de")[n % 3]) for n in range(100)]
    for n in range(5000):
        shelf.put("x", (f"r{n}@example.org",), raws[n % 100], dt.datetime.now(dt.UTC))
    with Inbox() as inbox:
        inbox._shelf._mails.extend(shelf.all())
        get(inbox, "/")
        started = time.perf_counter()
        page = get(inbox, "/?language=ru&page=30")[2].decode()
        assert time.perf_counter() - started < 0.5
    assert page.count('href="/mail/') == 50
    assert "5000 mails" in page


def test_a_taken_port_is_a_finding_and_no_traceback(inbox: Inbox) -> None:
    with pytest.raises(CouldNotRun) as refused:
        Inbox(smtp_port=inbox.smtp_port).start()
    assert refused.value.findings[0].code == "NL151"


def test_waiting_for_mail_that_does_not_come_ends() -> None:
    with Inbox() as inbox, pytest.raises(TimeoutError):
        inbox.wait_for(1, timeout=0.01)


def test_pipelining_is_offered_and_kept(inbox: Inbox) -> None:
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port, timeout=10) as smtp:
        smtp.ehlo()
        assert smtp.has_extn("pipelining")
        smtp.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        assert [smtp.getreply()[0] for _ in range(3)] == [250, 250, 354]
        smtp.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert smtp.getreply()[0] == 250
    assert inbox.messages[0].raw == b"Subject: x\r\n\r\nx\r\n"
