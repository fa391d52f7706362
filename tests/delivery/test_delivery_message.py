"""What goes over the wire, read as raw bytes: RFC 5322, 2045, 2047, 2369, 2919, 8058."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import re
from email.header import Header, decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.delivery import encoding, message
from newsletter.delivery.headers import Letterhead
from newsletter.delivery.message import Content
from newsletter.issue.edition import TOKEN_SLOT, leave_url, preferences_url

TOKEN = "AbCdEfGh-_0123456789AbCdEfGh-_01"
DATED = dt.datetime(2026, 12, 1, 8, 0, tzinfo=dt.UTC)
LETTERHEAD = Letterhead(
    name="Dr. Kupov’s newsletter",
    address="letter@letter.example.org",
    reply_to="editors@letter.example.org",
    list_id="letter.letter.example.org",
    title="Dr. Kupov’s newsletter",
    public_url="https://letter.example.org",
    site_url="https://letter.example.org",
)
LEAVE = leave_url(LETTERHEAD.public_url)


def content(words: str, subject: str = "A letter") -> Content:
    return Content(
        subject,
        f"<!doctype html>\n<p>{words * 40}</p>\n"
        f'<p><a href="{LEAVE}">leave</a> <a href="{preferences_url("https://l.example.org")}">x</a></p>\n',
        f"{words * 3}\n\nLeave:\n{LEAVE}\n",
    )


def composed(words: str = "Plain words, one after another. ", subject: str = "A letter") -> bytes:
    template = message.issue(LETTERHEAD, content(words, subject), "2026-12", DATED)
    return template.fill("reader@example.org", "<abc@letter.example.org>", TOKEN)


RUSSIAN = "Лечение и жизнь после него. "


class PlainPolicy(email.policy.EmailPolicy):
    """The standard library's policy, kept from folding what must stay whole."""

    RAW = frozenset({"list-unsubscribe", "list-unsubscribe-post", "message-id", "feedback-id"})

    def _plain(self, name: str, value: str) -> str | None:
        if name.lower() in self.RAW:
            return f"{name}: {value}\r\n"
        if name.lower() == "subject" and not str(value).isascii():
            return f"{name}: {Header(str(value), 'utf-8', 76, name).encode(linesep=chr(13) + chr(10))}\r\n"
        return None

    def fold_binary(self, name: str, value: str) -> bytes:
        plain = self._plain(name, value)
        return plain.encode("ascii") if plain else super().fold_binary(name, value)


def reference(body: Content) -> bytes:
    """The same message, built slowly by the standard library."""
    made = EmailMessage(PlainPolicy(linesep="\r\n", max_line_length=78, cte_type="7bit"))
    made["From"] = f'"{LETTERHEAD.name}" <{LETTERHEAD.address}>'
    made["To"] = "reader@example.org"
    made["Subject"] = body.subject
    made["Message-ID"] = "<abc@letter.example.org>"
    made["List-Unsubscribe"] = f"<{LEAVE.replace(TOKEN_SLOT, TOKEN)}>"
    made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made.set_content(body.text.replace(TOKEN_SLOT, TOKEN), cte="quoted-printable")
    made.add_alternative(body.html.replace(TOKEN_SLOT, TOKEN), subtype="html", cte="base64")
    return made.as_bytes()


def head(raw: bytes) -> list[tuple[str, str]]:
    """Unfolded header fields of raw bytes, in order."""
    lines = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").split(b"\r\n")
    return [tuple(line.decode().split(": ", 1)) for line in lines]  # type: ignore[misc]


def field(raw: bytes, name: str) -> str:
    values = [value for key, value in head(raw) if key.lower() == name.lower()]
    assert len(values) == 1, f"{name} stands {len(values)} times"
    return values[0]


@pytest.mark.parametrize("words", ["Plain words, one after another. ", RUSSIAN])
def test_equals_the_slow_reference_in_every_decoded_part(words: str) -> None:
    ours = email.message_from_bytes(composed(words), policy=email.policy.default)
    theirs = email.message_from_bytes(reference(content(words)), policy=email.policy.default)
    parts, wanted = list(ours.iter_parts()), list(theirs.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    for part, want in zip(parts, wanted, strict=True):
        assert part.get_content().rstrip() == want.get_content().rstrip()
        assert part.get_content_charset() == "utf-8"
    for name in ("To", "Subject", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"):
        assert ours[name] == theirs[name]
    assert not ours.defects
    assert not [defect for part in ours.walk() for defect in part.defects]


def test_each_single_header_stands_exactly_once() -> None:
    raw = composed()
    for name in (
        *("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version"),
        *("Content-Type", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"),
        *("List-Help", "List-Owner", "List-Archive", "List-Post", "Feedback-ID"),
    ):
        field(raw, name)


def test_the_one_click_link_is_whole_on_one_raw_line_however_long() -> None:
    long = "https://" + "letters." * 20 + "example.org"
    letterhead = Letterhead(
        name="L",
        address="l@example.org",
        reply_to=None,
        list_id="l.example.org",
        title="L",
        public_url=long,
        site_url=long,
    )
    raw = message.issue(letterhead, content("x "), "2026-12", DATED).fill(
        "r@example.org", "<a@b>", TOKEN
    )
    assert f"\r\nList-Unsubscribe: <{long}/leave/{TOKEN}>\r\n".encode() in raw
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw


@pytest.mark.parametrize("words", ["Plain words. ", RUSSIAN, "mixed смешано ", "=" * 40 + " "])
def test_seven_bits_short_lines_and_crlf_only(words: str) -> None:
    raw = composed(words, subject="Ноябрь: что нового")
    assert max(raw) < 128
    assert b"\0" not in raw
    without = raw.replace(b"\r\n", b"")
    assert b"\r" not in without
    assert b"\n" not in without
    headers, _, body = raw.partition(b"\r\n\r\n")
    assert max(len(line) for line in body.split(b"\r\n")) <= 76
    assert max(len(line) for line in headers.split(b"\r\n")) <= 100
    assert raw.endswith(b"--\r\n")


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert composed() == composed()


def test_readers_differ_only_in_address_message_id_and_token() -> None:
    template = message.issue(LETTERHEAD, content(RUSSIAN), "2026-12", DATED)
    one = template.fill("a@example.org", "<1@e.org>", TOKEN)
    two = template.fill("b@example.org", "<2@e.org>", TOKEN[::-1])
    assert len(one) == len(two)
    assert one != two
    undone = email.message_from_bytes(two, policy=email.policy.default)
    text = undone.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert LEAVE.replace(TOKEN_SLOT, TOKEN[::-1]) in text
    assert TOKEN not in text


def test_latin_text_goes_quoted_printable_and_cyrillic_base64() -> None:
    latin = email.message_from_bytes(composed())
    cyrillic = email.message_from_bytes(composed(RUSSIAN))
    encodings = [
        [part["Content-Transfer-Encoding"] for part in mail.get_payload()]
        for mail in (latin, cyrillic)
    ]
    assert encodings == [["quoted-printable"] * 2, ["base64"] * 2]


@pytest.mark.parametrize(
    "subject",
    [
        "Plain",
        "A “quoted” letter",
        "Ноябрь: новости " * 6,
        "=?utf-8?q?not_this?=",
        "a" * 60 + " b" * 30,
    ],
)
def test_a_subject_survives_encoding_and_folding(subject: str) -> None:
    raw = composed(subject=subject.strip())
    assert str(make_header(decode_header(field(raw, "Subject")))) == subject.strip()
    headers = raw.partition(b"\r\n\r\n")[0]
    for word in re.findall(rb"=\?[^ \r\n]*\?=", headers):
        assert len(word) <= 75


def test_display_names_survive_and_the_address_stays_beside_them() -> None:
    value = field(composed(), "From")
    name, _, address = value.rpartition(" ")
    assert str(make_header(decode_header(name))) == LETTERHEAD.name
    assert address == "<letter@letter.example.org>"
    assert field(composed(), "List-Id").endswith(" <letter.letter.example.org>")


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b", "a\x85b", "a\u2028b"])
def test_a_control_character_in_a_header_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="control"):
        composed(subject=bad)


@pytest.mark.parametrize("bad", ["", "a b@example.org", "a@example.org\r\nBcc: b@example.org"])
def test_an_address_that_would_break_the_header_is_refused(bad: str) -> None:
    template = message.issue(LETTERHEAD, content("x "), "2026-12", DATED)
    with pytest.raises(ValueError, match="break the header"):
        template.fill(bad, "<a@b>", TOKEN)


def test_a_local_part_that_is_not_ascii_stands_in_utf8() -> None:
    template = message.issue(LETTERHEAD, content("x "), "2026-12", DATED)
    raw = template.fill("анна@example.org", "<a@b>", TOKEN)
    assert "\r\nTo: анна@example.org\r\n".encode() in raw


def test_feedback_id_is_the_same_for_every_reader_and_well_formed() -> None:
    value = field(composed(), "Feedback-ID")
    assert re.fullmatch(r"2026-12:letter:newsletter:[0-9a-f]{5,15}", value)


def test_a_notice_says_that_a_machine_made_it_and_belongs_to_no_list() -> None:
    raw = message.notice(LETTERHEAD, content("x "), DATED).fill("r@example.org", "<a@b>", TOKEN)
    assert field(raw, "Auto-Submitted") == "auto-generated"
    assert b"\r\nList-" not in raw.partition(b"\r\n\r\n")[0]


BODIES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=90),
        st.just(TOKEN_SLOT),
        st.sampled_from(["\n", "=", ".", "From ", " ", "\t", "й" * 30, "x" * 80]),
    ),
    max_size=14,
)


@settings(max_examples=300, deadline=None)
@given(BODIES)
def test_both_encodings_give_any_text_back_with_its_tokens(parts: list[str]) -> None:
    text = "".join(parts)
    wanted = re.sub("\r\n|\r|\n", "\r\n", text.rstrip("\r\n")) + "\r\n"
    raw = wanted.encode()
    for made in (encoding.quoted_printable(raw), encoding.base64(raw)):
        body = b"".join(
            piece.fill(TOKEN.encode())
            if isinstance(piece, encoding.Hole)
            else piece.replace(encoding.SLOT, TOKEN.encode())
            for piece in made.pieces
        )
        assert len(body) == made.size
        assert all(len(line) <= 76 for line in body.split(b"\r\n"))
        assert not [line for line in body.split(b"\r\n") if line.startswith(b"From ")]
        part = email.message_from_bytes(
            b"Content-Type: text/plain; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: " + made.name.encode() + b"\r\n\r\n" + body
        )
        assert part.get_payload(decode=True) == wanted.replace(TOKEN_SLOT, TOKEN).encode()
