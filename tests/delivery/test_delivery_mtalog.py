"""What mail servers log: what is evidence of what, in every wrapping a log comes in, whatever stands in it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.mtalog import Format, Log, Proof, Unreadable, lines, read

OURS = "kq3vx2m4yzl7bafcdn5o6ptrsu@letter.example.org"
OTHER = "zzzzx2m4yzl7bafcdn5o6ptrsu@letter.example.org"
RETURN_PATH = "b+AbCdEfGhIjKlMnOpQrStUvWxYz012345@bounces.example.org"

POSTFIX = f"""\
Nov 21 10:00:00 mx postfix/smtpd[811]: connect from localhost[127.0.0.1]
Nov 21 10:00:00 mx postfix/smtpd[811]: 4XqT2f1kVzz9vNm: client=localhost[127.0.0.1]
Nov 21 10:00:00 mx postfix/cleanup[813]: 4XqT2f1kVzz9vNm: message-id=<{OURS}>
"""
QUEUED = "Nov 21 10:00:00 mx postfix/qmgr[702]: 4XqT2f1kVzz9vNm: from=<letter@letter.example.org>, size=30712, nrcpt=1 (queue active)\n"
DELIVERED = (
    "Nov 21 10:00:01 mx postfix/smtp[815]: 4XqT2f1kVzz9vNm: to=<anna@example.net>, relay=mx.example.net[192.0.2.7]:25,"
    " delay=1.2, delays=0.1/0.01/0.5/0.6, dsn={dsn}, status={status} ({said})\n"
)
REMOVED = "Nov 21 10:00:02 mx postfix/qmgr[702]: 4XqT2f1kVzz9vNm: removed\n"

EXIM = f"2026-11-21 10:00:00 1vMabc-000000001Xy-0aBc <= letter@letter.example.org H=localhost (letter.example.org) [127.0.0.1] P=esmtp S=30712 id={OURS}\n"
EXIM_OLD = EXIM.replace("1vMabc-000000001Xy-0aBc", "1vMabc-0001Xy-0a")

SMTPD = (
    "Nov 21 10:00:00 mx smtpd[411]: 5c0ffee15c0ffee1 smtp message msgid=8d0c71aa size=30712 nrcpt=1 proto=ESMTP\n"
    f"Nov 21 10:00:00 mx smtpd[411]: 5c0ffee15c0ffee1 smtp envelope evpid=8d0c71aa01020304 from=<{RETURN_PATH}> to=<anna@example.net>\n"
)
SMTPD_DELIVERY = (
    "Nov 21 10:00:01 mx smtpd[411]: 5c0ffee25c0ffee2 mta delivery evpid=8d0c71aa01020304 from=<x@y> to=<anna@example.net>"
    ' rcpt=<-> source="192.0.2.1" relay="192.0.2.7 (mx.example.net)" delay=1s result="{result}" stat="{stat}"\n'
)


def name_of(path: str) -> str | None:
    return OURS if path == RETURN_PATH else None


def look(text: str | bytes, form: Format = Format.AUTO, wanted: Iterable[str] = (OURS,)) -> Log:
    data = text.encode() if isinstance(text, str) else text
    return read([io.BytesIO(data)], wanted, form, name_of=name_of)


def proof(text: str | bytes, form: Format = Format.AUTO) -> Proof:
    return look(text, form).proof(OURS)


# Postfix.


def test_postfix_saw_the_headers_and_perhaps_no_final_dot() -> None:
    """cleanup logs the Message-ID while the message is still coming in."""
    assert proof(POSTFIX) is Proof.BEGUN


def test_postfix_has_it_in_its_queue() -> None:
    assert proof(POSTFIX + QUEUED) is Proof.TAKEN
    assert look(POSTFIX + QUEUED).found[OURS].words("postfix") == "postfix 4XqT2f1kVzz9vNm queued"


@pytest.mark.parametrize(
    ("dsn", "status", "said", "came"),
    [
        ("2.0.0", "sent", "250 2.0.0 Ok: queued as 9A", Proof.TAKEN),
        ("4.2.0", "deferred", "host mx said: 450 4.2.0 Greylisted", Proof.TAKEN),
        ("5.1.1", "bounced", "host mx said: 550 5.1.1 no such user", Proof.BOUNCED),
        ("5.1.1", "SOFTBOUNCE", "host mx said: 550 5.1.1 no such user", Proof.TAKEN),
    ],
)
def test_postfix_says_what_the_next_server_said(
    dsn: str, status: str, said: str, came: Proof
) -> None:
    log = look(POSTFIX + QUEUED + DELIVERED.format(dsn=dsn, status=status, said=said) + REMOVED)

    assert log.proof(OURS) is came
    assert log.found[OURS].words("postfix") == f"postfix 4XqT2f1kVzz9vNm {status} {dsn}"


def test_postfix_gave_up_after_its_queue_time() -> None:
    waiting = DELIVERED.format(dsn="4.4.1", status="deferred", said="connection timed out")
    gave_up = "Nov 26 10:00:00 mx postfix/qmgr[702]: 4XqT2f1kVzz9vNm: from=<letter@letter.example.org>, status=expired, returned to sender\n"
    log = look(POSTFIX + QUEUED + waiting + gave_up + REMOVED)

    assert log.proof(OURS) is Proof.BOUNCED
    assert log.found[OURS].enhanced == "5.4.7"


@pytest.mark.parametrize(
    ("line", "came"),
    [
        ("milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 5.7.1 Command rejected; from=<a@b> to=<c@d> proto=ESMTP helo=<x>", Proof.REFUSED),
        ("milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 4.7.1 Try again later; from=<a@b>", Proof.NOT_TAKEN),
        ("reject: header Subject: spam from localhost[127.0.0.1]; from=<a@b> to=<c@d> proto=ESMTP helo=<x>: 5.7.1 message content rejected", Proof.REFUSED),
        ("reject: body x from localhost[127.0.0.1]; from=<a@b> to=<c@d>: 4.7.1 later", Proof.NOT_TAKEN),
        ("removed (canceled)", Proof.NOT_TAKEN),
        ("discard: header Subject: x from localhost[127.0.0.1]; from=<a@b> to=<c@d>", Proof.TAKEN),
        ("hold: header X: y from localhost[127.0.0.1]; from=<a@b> to=<c@d>", Proof.BEGUN),
        ("warning: header Subject: 5.7.1 from localhost[127.0.0.1]; from=<a@b>", Proof.BEGUN),
    ],
)  # fmt: skip
def test_postfix_never_answered_250(line: str, came: Proof) -> None:
    log = look(POSTFIX + f"Nov 21 10:00:00 mx postfix/cleanup[813]: 4XqT2f1kVzz9vNm: {line}\n")

    assert log.proof(OURS) is came
    assert log.found[OURS].held is line.startswith("hold")


def test_a_queue_id_that_is_used_again_is_another_mail() -> None:
    """Without enable_long_queue_ids the id is an inode's number."""
    short = (POSTFIX + QUEUED).replace("4XqT2f1kVzz9vNm", "8F2C41A0B3")
    other = short.replace(OURS, "somebody@example.com")
    bounced = DELIVERED.format(dsn="5.1.1", status="bounced", said="550").replace(
        "4XqT2f1kVzz9vNm", "8F2C41A0B3"
    )
    after_removed = REMOVED.replace("4XqT2f1kVzz9vNm", "8F2C41A0B3")

    assert proof(short + after_removed + bounced) is Proof.TAKEN
    assert proof(short + other + bounced) is Proof.TAKEN


def test_a_filter_queues_it_twice_and_the_second_bounce_counts() -> None:
    through = DELIVERED.format(dsn="2.0.0", status="sent", said="250 from filter: queued as 4XqT2g")
    again = (POSTFIX + QUEUED).replace("4XqT2f1kVzz9vNm", "4XqT2g1kVzz9vNp")
    bounced = DELIVERED.format(dsn="5.1.1", status="bounced", said="550 no").replace(
        "4XqT2f1kVzz9vNm", "4XqT2g1kVzz9vNp"
    )
    log = look(POSTFIX + QUEUED + through + REMOVED + again + bounced)

    assert log.proof(OURS) is Proof.BOUNCED
    assert log.found[OURS].queue_ids == ["4XqT2f1kVzz9vNm", "4XqT2g1kVzz9vNp"]


@pytest.mark.parametrize(
    "program", ["postfix/submission/cleanup", "postfix-out/cleanup", "mta/cleanup"]
)
def test_an_instance_by_another_name_is_postfix_too(program: str) -> None:
    assert proof(POSTFIX.replace("postfix/cleanup", program)) is Proof.BEGUN


@pytest.mark.parametrize(
    "hostile",
    [
        'to=<"a>, relay=x, delay=1, delays=1, dsn=5.1.1, status=bounced ("@example.net>, relay=mx[192.0.2.7]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)',
        "to=<anna@example.net>, relay=mx[192.0.2.7]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok, dsn=5.1.1, status=bounced (no)",
        "to=<anna@example.net>, orig_to=<b@c>, relay=mx[192.0.2.7]:25, conn_use=3, delay=1, delays=0/0/0/1, tls=verified, dsn=2.0.0, status=sent (250 status=bounced)",
    ],
)
def test_what_a_reader_or_a_remote_server_wrote_is_not_the_servers_word(hostile: str) -> None:
    line = f"Nov 21 10:00:01 mx postfix/smtp[815]: 4XqT2f1kVzz9vNm: {hostile}\n"
    log = look(POSTFIX + QUEUED + line)

    assert log.proof(OURS) is Proof.TAKEN
    assert log.found[OURS].status == "sent"


def test_our_message_id_elsewhere_in_a_line_means_nothing() -> None:
    line = f"Nov 21 10:00:00 mx postfix/smtpd[1]: 4XqT2f1kVzz9vNm: reject: message-id=<{OURS}>\n"
    subject = f"Nov 21 10:00:00 mx postfix/cleanup[1]: 4XqT2f1kVzz9vNm: warning: header Subject: message-id=<{OURS}> from x\n"
    resent = f"Nov 21 10:00:00 mx postfix/cleanup[1]: 4XqT2f1kVzz9vNm: resent-message-id=<{OURS}>\n"

    assert proof(line + subject + resent + QUEUED) is Proof.ABSENT


# Exim.


@pytest.mark.parametrize("arrived", [EXIM, EXIM_OLD])
def test_exim_logs_an_arrival_when_it_is_safe(arrived: str) -> None:
    log = look(arrived)

    assert log.proof(OURS) is Proof.TAKEN
    assert log.server == "exim"


@pytest.mark.parametrize(
    ("line", "came", "words"),
    [
        ('=> anna@example.net R=dnslookup T=remote_smtp H=mx [192.0.2.7] C="250 OK"', Proof.TAKEN, "delivered"),
        ("-> anna@example.net R=dnslookup T=remote_smtp", Proof.TAKEN, "delivered"),
        ("== anna@example.net R=dnslookup T=remote_smtp defer (-44): 450 4.2.0 later", Proof.TAKEN, "deferred"),
        ("** anna@example.net R=dnslookup T=remote_smtp H=mx [192.0.2.7]: SMTP error from remote mail server after RCPT TO:<anna@example.net>: 550 5.1.1 no such user", Proof.BOUNCED, "bounced 5.1.1"),
        ("** anna@example.net: retry timeout exceeded", Proof.BOUNCED, "bounced"),
        ("Completed", Proof.TAKEN, "queued"),
    ],
)  # fmt: skip
def test_exim_says_what_became_of_it(line: str, came: Proof, words: str) -> None:
    log = look(EXIM + f"2026-11-21 10:00:01 1vMabc-000000001Xy-0aBc {line}\n")

    assert log.proof(OURS) is came
    assert log.found[OURS].words("exim") == f"exim 1vMabc-000000001Xy-0aBc {words}"


def test_exim_that_lost_the_line_after_the_dot_names_nothing() -> None:
    """It deletes the message and says so without its Message-ID (receive.c)."""
    lost = "2026-11-21 10:00:00 1vMabc-000000001Xy-0aBc SMTP connection lost after final dot H=localhost [127.0.0.1]\n"

    assert proof(lost) is Proof.ABSENT


def test_exim_that_only_pretended_to_reject_has_it() -> None:
    assert proof(EXIM.replace(" <= ", " (= ")) is Proof.TAKEN


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-11-21 10:00:00.123 ",
        "2026-11-21 10:00:00 +0100 ",
        "2026-11-21 10:00:00 [4711] ",
        "Nov 21 10:00:00 mx exim[4711]: ",
        "Nov 21 10:00:00 mx exim4[4711]: 2026-11-21 10:00:00 ",
        "Nov 21 10:00:00 mx exim4[4711]: [1/2] 2026-11-21 10:00:00 ",
        "Nov 21 10:00:00 mx exim4[4711]: [1\\2] 2026-11-21 10:00:00 ",
    ],
)
def test_exim_may_stamp_its_lines_in_many_ways(stamp: str) -> None:
    assert proof(EXIM.replace("2026-11-21 10:00:00 ", stamp)) is Proof.TAKEN


def test_a_subject_in_exims_log_names_no_mail() -> None:
    line = EXIM.replace(f"id={OURS}", f'id={OTHER} T="about id={OURS}"')

    assert proof(line) is Proof.ABSENT


# OpenSMTPD.


def test_opensmtpd_is_followed_by_the_return_path() -> None:
    log = look(SMTPD)

    assert log.proof(OURS) is Proof.TAKEN
    assert log.found[OURS].words("opensmtpd") == "opensmtpd 8d0c71aa queued"


def test_an_older_opensmtpd_says_it_in_one_line() -> None:
    line = f"Nov 21 10:00:00 mx smtpd[411]: 5c0ffee15c0ffee1 smtp message address=local host=mx msgid=8d0c71aa from=<{RETURN_PATH}> to=<anna@example.net> size=3 ndest=1 proto=ESMTP\n"

    assert proof(line) is Proof.TAKEN


@pytest.mark.parametrize(
    ("result", "stat", "came", "code"),
    [
        ("Ok", "250 2.0.0 Ok", Proof.TAKEN, 250),
        ("TempFail", "450 4.2.0 later", Proof.TAKEN, 450),
        ("PermFail", "550 5.1.1 no such user", Proof.BOUNCED, 550),
        ("LoopDetected", "Loop detected", Proof.BOUNCED, None),
    ],
)
def test_opensmtpd_says_what_became_of_it(
    result: str, stat: str, came: Proof, code: int | None
) -> None:
    log = look(SMTPD + SMTPD_DELIVERY.format(result=result, stat=stat))

    assert log.proof(OURS) is came
    if came is Proof.BOUNCED:
        assert log.found[OURS].code == code


def test_opensmtpd_without_a_return_path_of_ours_is_said_to_be_nameless() -> None:
    log = read([io.BytesIO(SMTPD.encode())], [OURS])

    assert log.nameless
    assert log.proof(OURS) is Proof.ABSENT


# The wrappings.


def _wrapped(line: str, kind: str) -> str:
    """One classic syslog line as other daemons write it."""
    program, _, text = line.removeprefix("Nov 21 10:00:00 mx ").partition(": ")
    name, _, pid = program.rstrip("]").partition("[")
    return {
        "RFC 3164 with a priority": f"<22>{line}",
        "a year": line.replace("Nov 21 ", "Nov 21 2026 "),
        "ISO": f"2026-11-21T10:00:00.123456+01:00 mx {program}: {text}",
        "ISO in UTC": f"2026-11-21T10:00:00Z mx {program}: {text}",
        "RFC 5424": f"<22>1 2026-11-21T10:00:00.123456+01:00 mx {name} {pid} - - {text}",
        "RFC 5424 with data": f'<22>1 2026-11-21T10:00:00Z mx {name} {pid} ID47 [x@1 a="]\\"" b="c"][y] \ufeff{text}',
        "journalctl short-full": f"Sat 2026-11-21 10:00:00 CET mx {program}: {text}",
        "journalctl short-precise": line.replace("10:00:00", "10:00:00.123456"),
        "journalctl short-unix": f"1795251600.123456 mx {program}: {text}",
        "journalctl json": json.dumps({"SYSLOG_IDENTIFIER": name, "MESSAGE": text}),
        "no pid": line.replace(f"[{pid}]", ""),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "RFC 3164 with a priority", "a year", "ISO", "ISO in UTC", "RFC 5424", "RFC 5424 with data",
        "journalctl short-full", "journalctl short-precise", "journalctl short-unix", "journalctl json", "no pid",
    ],
)  # fmt: skip
def test_a_line_is_read_as_every_daemon_writes_it(kind: str) -> None:
    whole = (POSTFIX + QUEUED).splitlines()

    assert proof("".join(f"{_wrapped(line, kind)}\n" for line in whole)) is Proof.TAKEN


def test_the_journal_is_read_as_it_is_exported() -> None:
    blocks = b""
    for at, line in enumerate((POSTFIX + QUEUED).splitlines()):
        program, _, text = line.removeprefix("Nov 21 10:00:00 mx ").partition(": ")
        said = text.encode()
        field = (
            b"MESSAGE\n" + len(said).to_bytes(8, "little") + said + b"\n"
            if at % 2
            else b"MESSAGE=" + said + b"\n"
        )
        blocks += b"__CURSOR=s=1;i=%d\n_BOOT_ID=4\n" % at + field
        blocks += f"SYSLOG_IDENTIFIER={program.partition('[')[0]}\n\n".encode()

    assert proof(blocks) is Proof.TAKEN
    assert proof(blocks.removesuffix(b"\n")) is Proof.TAKEN


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_rotated_file_is_unpacked_by_what_it_is(pack: object, tmp_path: Path) -> None:
    assert callable(pack)
    older, newer = tmp_path / "mail.log.1", tmp_path / "mail.log"
    older.write_bytes(pack(POSTFIX.encode()))
    newer.write_text(QUEUED)

    assert read([older, newer], [OURS]).proof(OURS) is Proof.TAKEN


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_file_that_breaks_off_is_no_evidence(pack: object) -> None:
    assert callable(pack)
    whole = pack((POSTFIX + QUEUED).encode() * 50)
    for damaged in (whole[:-20], whole[:40] + bytes(20) + whole[60:]):
        with pytest.raises((Unreadable, OSError)):
            look(damaged)


def test_hostile_lines_cost_only_themselves() -> None:
    junk = (
        b"\0" * 500 + b"\n",
        b"\xff\xfe\xfd: : : [[[\n",
        b"Nov 21 10:00:00 mx postfix/cleanup[813]: " + b"A" * 300_000 + b"\n",
        b"Nov 21 10:00:00 mx postfix/smtp[1]: 4XqT2f1kVzz9vNm: to=<" + b'"' * 60_000 + b"\n",
        b"Nov 21 10:00:00 mx postfix/cleanup[1]: 4XqT2f1kVzz9vNm: milter-reject: END-OF-MESSAGE "
        + b"[" * 60_000 + b"\n",
        b"<22>1 - - postfix/cleanup 1 - [" + b'a="' * 20_000 + b"\n",
        b"2026-11-21 10:00:00 1vMabc-0001Xy-0a ** " + b"SMTP error from remote mail server after : " * 1500 + b"\n",
        b'{"MESSAGE": ' + b"[" * 60_000 + b"\n",
        b'{"MESSAGE": [256], "SYSLOG_IDENTIFIER": 1}\n{"a": 1}\n{}\n[]\n{\n',
        b"\r\n\n\n",
    )  # fmt: skip

    assert proof(POSTFIX.encode() + b"".join(junk) + QUEUED.encode()) is Proof.TAKEN


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_bytes_make_the_reading_fail(junk: list[bytes]) -> None:
    text = POSTFIX.encode() + b"\n".join(junk) + b"\n" + QUEUED.encode()

    assert proof(text) in (Proof.TAKEN, Proof.BEGUN)


@given(st.binary(max_size=400))
def test_no_export_makes_the_reading_fail(junk: bytes) -> None:
    look(b"__CURSOR=1\n" + junk)


def test_a_log_is_streamed() -> None:
    """Memory holds the mails that are asked about, and a line."""
    others = "".join(
        (POSTFIX + QUEUED).replace("4XqT2f1kVzz9vNm", f"4XqT2f{n:09d}").replace(OURS, f"o{n}@x")
        for n in range(20_000)
    )
    data = gzip.compress((POSTFIX + others + QUEUED).encode(), 1)
    del others
    tracemalloc.start()
    log = look(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert log.entries == 80_004
    assert len(log.found) == 1
    assert peak < 2_000_000


def test_words_name_nobody() -> None:
    everything = (
        POSTFIX + QUEUED + DELIVERED.format(dsn="5.1.1", status="bounced", said="anna@example.net?")
    )
    log = look(everything + EXIM + SMTPD)

    assert not any("anna" in track.words(log.server) for track in log.found.values())


def test_only_the_server_that_was_named_is_asked() -> None:
    assert proof(EXIM, Format.POSTFIX) is Proof.ABSENT
    assert proof(POSTFIX + QUEUED, Format.EXIM) is Proof.ABSENT
    assert proof(SMTPD, Format.OPENSMTPD) is Proof.TAKEN


def test_an_entry_knows_who_said_it() -> None:
    line = b"Nov  1 10:00:00 mx postfix/smtp[1]: hello"

    assert lines.entry(line) == (b"postfix/smtp", b"hello")
    assert lines.entry(b"hello") is None


LOGS = Path(__file__).parent / "logs"
REAL = LOGS / "postfix-3.7.log"


@pytest.mark.parametrize(
    ("name", "came", "words"),
    [
        ("full", Proof.TAKEN, "sent 2.0.0"),
        ("before", Proof.BEGUN, "begun"),
        ("after", Proof.TAKEN, "sent 2.0.0"),
        ("spam", Proof.REFUSED, "refused 5.7.1"),
        ("later", Proof.NOT_TAKEN, "not taken"),
        ("hold", Proof.BEGUN, "begun"),
        ("discard", Proof.TAKEN, "discarded"),
        ("gone", Proof.BOUNCED, "bounced 5.3.0"),
        ("wait", Proof.TAKEN, "deferred 4.3.0"),
        ("quoted", Proof.TAKEN, "sent 2.0.0"),
        ("never", Proof.ABSENT, ""),
    ],
)
def test_a_real_postfix_logged_what_was_done_to_it(name: str, came: Proof, words: str) -> None:
    """Postfix 3.7.11: `before` was cut ahead of the final dot, `after` behind it, unanswered;
    `spam`, `later`, `hold` and `discard` met its header_checks; `gone` and `wait` were answered
    5yz and 4yz by the next server; `quoted` went to `"a>, dsn=5.1.1, status=bounced (x"@example.net`."""
    ours = f"{name}@letter.example.org"
    log = read([REAL], [ours])

    assert log.proof(ours) is came
    if came is not Proof.ABSENT:
        assert log.found[ours].words("").split(" ", 1)[1] == words
        assert log.found[ours].held is (name == "hold")
    if came is Proof.BOUNCED:
        assert log.found[ours].code == 500


TAKEN_BY_ALL = {
    "full": "delivered",
    "before": None,  # cut ahead of the final dot
    "remote": "delivered",
    "gone": "bounced 550 5.1.1",
    "bare": "bounced 550",
    "three": "bounced 550 5.1.1",
    "policy": "bounced 550 5.7.1",
    "content": "bounced 554 5.6.0",
    "nowhere": "bounced",
    "never": None,
}
"""What became of each mail at every server."""
DROPPED_AFTER_THE_DOT = {"after": None, "announced": "delivered", "refused": None}
"""Exim looks whether somebody waits for its answer, unless the next mail lies there already."""
OPENSMTPD = {
    "after": "delivered",
    "wait": "expired 5.4.7",
    "down": "expired 5.4.7",
}
EACH = {
    "exim-4.96.log": {"wait": "deferred", "down": "bounced", "quoted": "delivered"}
    | DROPPED_AFTER_THE_DOT,
    "exim-4.98-syslog.log": {"wait": "deferred", "quoted": "delivered"} | DROPPED_AFTER_THE_DOT,
    "opensmtpd-6.8.log": OPENSMTPD,
    "opensmtpd-7.6.log": OPENSMTPD,
    "postfix-3.10.log": {
        "full": "sent 2.0.0",
        "before": "not taken",
        "remote": "sent 2.0.0",
        "bare": "bounced 550 5.0.0",
        "nowhere": "bounced 5.4.4",
        "after": "sent 2.0.0",
        "announced": "sent 2.0.0",
        "wait": "deferred 450 4.2.0",
        "down": "deferred 4.4.1",
        "quoted": "sent 2.0.0",
    },
}


@pytest.mark.parametrize(
    ("file", "name", "came"),
    [
        (file, name, came)
        for file, own in EACH.items()
        for name, came in (TAKEN_BY_ALL | own).items()
    ],
)
def test_a_real_server_logged_what_was_done_to_it(file: str, name: str, came: str | None) -> None:
    """Exim 4.98 with log_selector = +all, to syslog; the others as Debian ships them.

    `before` was cut ahead of the final dot, `after` behind it, `announced` behind it and
    the commands of another mail; `refused` met an ACL; each other reached a next server that
    answered as its name says.
    """
    ours = f"{name}@letter.example.org"

    def name_of(path: str) -> str | None:
        return path.removeprefix("b+").partition("@")[0] + "@letter.example.org"

    log = read([LOGS / file], [ours], name_of=name_of)
    track = log.found.get(ours)
    if came is None:
        assert log.proof(ours) is Proof.ABSENT
        return
    assert track is not None
    if came == "not taken":
        assert track.proof is Proof.NOT_TAKEN
        return
    gave_back = came.startswith(("bounced", "expired"))
    assert track.proof is (Proof.BOUNCED if gave_back else Proof.TAKEN)
    said = (track.status, track.code, track.enhanced)
    assert " ".join(str(each) for each in said if each) == came
