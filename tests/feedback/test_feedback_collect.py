"""Mails are let go of when their effect is committed, and not before: Maildir and IMAP."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import corpus
import pytest
import sqlalchemy as sa
from corpus import crlf
from feedback_house import Sent
from scripted_imap import PASSWORD, Imap, imap

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from certificates import authority

from newsletter.config import Settings
from newsletter.delivery.feedback import Effect, collecting
from newsletter.delivery.feedback.collecting import Collected, Fate, Letter, Source, What
from newsletter.delivery.feedback.imap import Box, ImapFolder
from newsletter.delivery.feedback.maildir import Maildir
from newsletter.errors import CouldNotRun
from newsletter.flows.collect import collect
from newsletter.flows.places import places
from newsletter.store.tables import feedback_events


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "Maildir"
    for part in ("new", "cur", "tmp"):
        (made / part).mkdir(parents=True)
    return made


def put(folder: Path, *mails: bytes, at: dt.datetime | None = None) -> None:
    for raw in mails:
        number = len(list(folder.glob("*/*")))
        path = folder / "new" / f"17000000{number:02}.M1P1.host"
        path.write_bytes(raw)
        if at is not None:
            os.utime(path, (at.timestamp(), at.timestamp()))


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))


def pass_(sent: Sent, *sources: Source) -> Collected:
    return collect(sent.settings, sent.office, sources, sent.now)


def test_what_was_acted_on_is_read_and_what_was_not_is_flagged(sent: Sent, folder: Path) -> None:
    gone, fine = sent.readers(2)
    sent.issue()
    put(folder, corpus.postfix(sent.ours(gone)), corpus.person(sent.ours(fine)), at=sent.now)
    done = pass_(sent, Maildir(folder))
    assert done.mails == {What.ACTED: 1, What.OTHER: 1}
    assert names(folder) == ["cur/1700000000.M1P1.host:2,S", "cur/1700000001.M1P1.host:2,F"]
    assert sent.state(gone) == "bounced"


def test_the_next_pass_reads_nothing_again(sqlite_sent: Sent, folder: Path) -> None:
    sent = sqlite_sent
    gone, fine = sent.readers(2)
    sent.issue()
    put(folder, corpus.postfix(sent.ours(gone)), corpus.person(sent.ours(fine)), at=sent.now)
    pass_(sent, Maildir(folder))
    assert pass_(sent, Maildir(folder)).total == 0


def test_delete_deletes_what_was_acted_on_and_nothing_else(sqlite_sent: Sent, folder: Path) -> None:
    sent = sqlite_sent
    gone, fine = sent.readers(2)
    sent.issue()
    put(folder, corpus.postfix(sent.ours(gone)), corpus.person(sent.ours(fine)), at=sent.now)
    pass_(sent, Maildir(folder, delete=True))
    assert names(folder) == ["cur/1700000001.M1P1.host:2,F"]


def test_a_mail_that_a_mail_program_moved_to_cur_is_read(sqlite_sent: Sent, folder: Path) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    put(folder, corpus.postfix(sent.ours(gone)), at=sent.now)
    (folder / "new/1700000000.M1P1.host").rename(folder / "cur/1700000000.M1P1.host:2,")
    assert pass_(sent, Maildir(folder)).mails == {What.ACTED: 1}


def test_the_unreadable_is_flagged_and_the_rest_goes_on(sqlite_sent: Sent, folder: Path) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    bomb = b"Content-Type: message/rfc822\r\n\r\n" * 50
    put(folder, bomb, b"\0\xff" * 5000, corpus.postfix(sent.ours(gone)), at=sent.now)
    (folder / "new/1699999999.fifo").mkdir()
    (folder / "new/1699999998.link").symlink_to("/etc/passwd")
    done = pass_(sent, Maildir(folder))
    assert done.mails == {What.UNREADABLE: 1, What.OTHER: 1, What.ACTED: 1}
    assert sent.state(gone) == "bounced"
    assert "cur/1700000000.M1P1.host:2,F" in names(folder)


class Interrupted(BaseException):
    """The process dies here."""


class DiesBefore(Maildir):
    def settle(self, fates: object) -> None:
        raise Interrupted


def test_a_crash_between_commit_and_deletion_is_a_second_reading(sent: Sent, folder: Path) -> None:
    (full,) = sent.readers(1)
    sent.issue()
    put(folder, corpus.full_mailbox(sent.ours(full)), at=sent.now)
    with pytest.raises(Interrupted):
        pass_(sent, DiesBefore(folder, delete=True))
    assert sent.state(full) == "bounced"
    assert len(names(folder)) == 1
    done = pass_(sent, Maildir(folder, delete=True))
    assert done.effects == {Effect.REPLAYED: 1}
    assert names(folder) == []
    assert sent.why(full) == set()


def test_no_mail_is_let_go_of_when_the_commit_fails(
    sqlite_sent: Sent, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    put(folder, corpus.postfix(sent.ours(gone)), at=sent.now)
    before = names(folder)
    with sent.store.write() as tx:
        tx.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON feedback_events"
            " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(sa.exc.DatabaseError):
        pass_(sent, Maildir(folder, delete=True))
    assert names(folder) == before
    assert sent.state(gone) == "accepted"


def test_a_maildir_that_is_not_there_is_said(sqlite_sent: Sent, tmp_path: Path) -> None:
    with pytest.raises(CouldNotRun) as caught:
        pass_(sqlite_sent, Maildir(tmp_path / "nowhere"))
    assert caught.value.findings[0].code == "NL645"


def test_mails_that_may_not_be_read_are_said_after_the_others_were(
    sqlite_sent: Sent, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the tests may read everything, so the system is asked to refuse one file."""
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    put(folder, b"not ours", corpus.postfix(sent.ours(gone)), at=sent.now)
    real = os.open

    def refuse(path: object, *rest: int) -> int:
        if str(path).endswith("00.M1P1.host"):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(CouldNotRun) as caught:
        pass_(sent, Maildir(folder))
    assert "this account may not read: 1" in caught.value.findings[0].what
    assert sent.state(gone) == "bounced"


def test_a_mail_that_cannot_be_marked_keeps_no_other_waiting(
    sqlite_sent: Sent, folder: Path
) -> None:
    """There is no room for a flag behind a name of 254 letters."""
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    (folder / "new" / ("1" + "n" * 253)).write_bytes(b"Subject: x\n\n")
    put(folder, corpus.postfix(sent.ours(gone)), at=sent.now)

    with pytest.raises(CouldNotRun) as caught:
        pass_(sent, Maildir(folder))

    assert sent.state(gone) == "bounced"
    assert [each.name for each in (folder / "cur").iterdir()] == ["1700000001.M1P1.host:2,S"]
    (finding,) = caught.value.findings
    assert finding.code == "NL645"
    assert "cannot be marked as read: 1 (File name too long)" in finding.what


def test_no_mail_is_written_over_another_of_its_name(sqlite_sent: Sent, folder: Path) -> None:
    for part, name in (("new", "17.host"), ("cur", "17.host:2,F")):
        (folder / part / name).write_bytes(f"Subject: {part}\n\n".encode())

    with pytest.raises(CouldNotRun, match="File exists"):
        pass_(sqlite_sent, Maildir(folder))

    assert {each.read_bytes()[9:12] for each in folder.glob("*/*")} == {b"new", b"cur"}


def test_a_mail_of_the_year_30000_is_read(sqlite_sent: Sent) -> None:
    """Where the file system can say so: tmpfs, XFS."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        folder = Path(memory)
        for part in ("new", "cur"):
            (folder / part).mkdir()
        (folder / "new/17.host").write_bytes(b"Subject: x\n\n")
        os.utime(folder / "new/17.host", (9e11, 9e11))

        assert pass_(sqlite_sent, Maildir(folder)).mails == {What.OTHER: 1}


def test_one_broken_place_does_not_keep_the_other_from_being_read(
    sqlite_sent: Sent, folder: Path, tmp_path: Path
) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    put(folder, corpus.postfix(sent.ours(gone)), at=sent.now)
    with pytest.raises(CouldNotRun):
        pass_(sent, Maildir(tmp_path / "nowhere"), Maildir(folder))
    assert sent.state(gone) == "bounced"


def test_stopping_leaves_the_rest_for_the_next_pass(sqlite_sent: Sent, folder: Path) -> None:
    sent = sqlite_sent
    readers = sent.readers(collecting.BATCH + 1)
    sent.issue()
    for reader in readers:
        put(folder, corpus.postfix(sent.ours(reader)), at=sent.now)
    done = collect(sent.settings, sent.office, [Maildir(folder)], sent.now, lambda: True)
    assert done.total == collecting.BATCH
    assert pass_(sent, Maildir(folder)).total == 1


def test_the_age_of_a_report_is_that_of_its_file(sqlite_sent: Sent, folder: Path) -> None:
    """A collector that was off for a month still believes what came in time."""
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    put(folder, corpus.postfix(sent.ours(gone)), at=sent.now + dt.timedelta(days=1))
    sent.now += dt.timedelta(days=60)
    assert pass_(sent, Maildir(folder)).effects == {Effect.SUPPRESSED: 1}


def test_the_public_record_is_amended(sent: Sent, folder: Path) -> None:
    readers = sent.readers(12)
    sent.issue()
    sent.close_issues()
    pass_(sent)
    file = sent.settings.path(sent.settings.store.record) / "2026-11.json"
    assert json.loads(file.read_bytes())["totals"]["bounced"] == 0
    put(folder, *(corpus.postfix(sent.ours(reader)) for reader in readers[:6]), at=sent.now)
    pass_(sent, Maildir(folder))
    totals = json.loads(file.read_bytes())["totals"]
    assert (totals["audience"], totals["accepted"], totals["bounced"]) == (12, 12, 6)


def test_nothing_of_somebody_else_is_deleted_from_a_shared_mailbox(
    sqlite_sent: Sent, folder: Path
) -> None:
    """Out of office to the editor, another list, a bounce of the editor's own mail: all stay."""
    sent = sqlite_sent
    sent.readers(1)
    sent.issue()
    editor = corpus.Ours("editor@letter.example.org", "<private@letter.example.org>")
    forged = corpus.Ours(f"b+{'A' * 32}@bounces.example.org", "")
    mails = (
        corpus.vacation(editor),
        corpus.ticket(editor),
        corpus.vacation(forged),
        corpus.postfix(editor),
        corpus.exim_text(editor),
        corpus.arf(editor),
        b"To: editor@letter.example.org\r\nPrecedence: bulk\r\n\r\nAnother list.\r\n",
    )
    put(folder, *mails, at=sent.now)
    done = pass_(sent, Maildir(folder, delete=True))
    assert done.kept == len(mails)
    assert len(names(folder)) == len(mails)


CANARY = "kanarienvogel.1f3c9@mailbox-canary.example"


def test_no_address_of_a_bounce_is_kept_anywhere(
    sqlite_sent: Sent,
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sent = sqlite_sent
    caplog.set_level(0)
    readers = sent.readers(len(corpus.GONE) + len(corpus.COMPLAINTS))
    sent.issue()
    makers = [*corpus.GONE.values(), *corpus.COMPLAINTS.values()]
    for make, reader in zip(makers, readers, strict=True):
        put(folder, make(sent.ours(reader, reader=CANARY)), at=sent.now)
    stranger = sent.ours(readers[0], reader=CANARY, verp="x@letter.example.org", message_id="")
    put(folder, corpus.exim_text(stranger), corpus.person(stranger), at=sent.now)
    pass_(sent, Maildir(folder, delete=True))
    sent.store.close()
    told = capfd.readouterr()
    assert "canary" not in caplog.text + told.out + told.err
    kept = [each for each in tmp_path.rglob("*") if each.is_file() and folder not in each.parents]
    assert any(each.name == "newsletter.db" for each in kept)
    for file in kept:
        data = file.read_bytes().lower()
        for piece in (b"kanarienvogel", b"mailbox-canary", b"anna petrova"):
            assert piece not in data, file.name


# IMAP.


def box(server: Imap, **more: object) -> Box:
    values: dict[str, object] = {"security": "none", "user": "u", "password": lambda: PASSWORD}
    return Box("127.0.0.1", server.port, **values | more)  # type: ignore[arg-type]


@pytest.fixture
def server() -> Iterator[Imap]:
    with imap() as made:
        yield made


def test_an_imap_folder_is_read_and_marked_after_the_commit(
    sqlite_sent: Sent, server: Imap
) -> None:
    sent = sqlite_sent
    gone, fine = sent.readers(2)
    sent.issue()
    server.put(corpus.postfix(sent.ours(gone)), corpus.person(sent.ours(fine)))
    done = pass_(sent, ImapFolder(box(server)))
    assert done.mails == {What.ACTED: 1, What.OTHER: 1}
    assert sent.state(gone) == "bounced"
    assert [mail.flags for mail in server.folder.values()] == [{r"\Seen"}, {r"\Flagged"}]
    assert pass_(sent, ImapFolder(box(server))).total == 0


def test_an_imap_mail_is_deleted_by_its_uid_alone(sqlite_sent: Sent, server: Imap) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    server.put(b"Subject: somebody else's\r\n\r\n", corpus.postfix(sent.ours(gone)))
    server.folder[1].flags = {r"\Deleted"}
    pass_(sent, ImapFolder(box(server, delete=True)))
    assert list(server.folder) == [1]
    assert "EXPUNGE" not in {line.split()[0] for line in server.seen}


def test_without_uidplus_nothing_is_expunged(sqlite_sent: Sent, server: Imap) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    server.extensions = ""
    server.put(corpus.postfix(sent.ours(gone)))
    pass_(sent, ImapFolder(box(server, delete=True)))
    assert server.folder[1].flags == {r"\Seen", r"\Deleted"}
    assert pass_(sent, ImapFolder(box(server))).total == 0


@pytest.mark.parametrize("extensions", ["UIDPLUS MOVE", "UIDPLUS"])
def test_an_imap_mail_is_moved(sqlite_sent: Sent, server: Imap, extensions: str) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    server.extensions = extensions
    raw = corpus.postfix(sent.ours(gone))
    server.put(raw)
    pass_(sent, ImapFolder(box(server, move_to="Done")))
    assert server.moved == [raw]
    assert server.folder == {}


@pytest.mark.parametrize("at", ["UID STORE", "UID FETCH", "UID SEARCH", "SELECT", "LOGIN"])
def test_a_line_that_is_cut_loses_no_mail(sqlite_sent: Sent, server: Imap, at: str) -> None:
    sent = sqlite_sent
    (full,) = sent.readers(1)
    sent.issue()
    server.put(corpus.full_mailbox(sent.ours(full)))
    server.hang_up = at
    with pytest.raises(CouldNotRun) as caught:
        pass_(sent, ImapFolder(box(server, delete=True)))
    (finding,) = caught.value.findings
    assert finding.code == "NL646"
    assert "hung up" in finding.what
    assert "password" not in finding.what
    assert len(server.folder) == 1
    server.hang_up = ""
    done = pass_(sent, ImapFolder(box(server, delete=True)))
    assert sum(done.effects.values()) == 1
    assert sent.state(full) == "bounced"
    assert server.folder == {}


def test_the_servers_words_are_in_no_finding(sqlite_sent: Sent, server: Imap) -> None:
    with pytest.raises(CouldNotRun) as caught:
        pass_(sqlite_sent, ImapFolder(box(server, password=lambda: "wrong")))
    (finding,) = caught.value.findings
    assert "refuses the user" in finding.what
    assert "example.org" not in repr(finding)


def test_a_folder_that_is_not_there_is_said(sqlite_sent: Sent, server: Imap) -> None:
    with pytest.raises(CouldNotRun, match=r"Bounces|1 finding") as caught:
        pass_(sqlite_sent, ImapFolder(box(server, folder="Bounces")))
    assert "has no folder Bounces" in caught.value.findings[0].what


def test_a_server_that_is_away_or_silent_is_said(sqlite_sent: Sent, server: Imap) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        quiet = Box("127.0.0.1", silent.getsockname()[1], "none", "u", lambda: PASSWORD)
        with pytest.raises(CouldNotRun) as caught:
            pass_(sqlite_sent, ImapFolder(quiet, timeout=0.2))
    assert "is silent" in caught.value.findings[0].what
    with pytest.raises(CouldNotRun) as caught:
        pass_(sqlite_sent, ImapFolder(quiet, timeout=0.2))
    assert "refused" in caught.value.findings[0].what


def _drips(file: BinaryIO) -> None:
    while True:
        file.write(b"*")
        file.flush()
        time.sleep(0.01)  # the server's pace, not a wait for our code


def _chatters(file: BinaryIO) -> None:
    while True:
        file.write(b"* 1 EXISTS\r\n")


def _promises(file: BinaryIO) -> None:
    file.write(b"* 1 FETCH (UID 1 BODY[]<0> {1000000000000000000000000}\r\n")


@pytest.mark.parametrize(
    ("at", "says"),
    [("UID SEARCH", _drips), ("UID SEARCH", _chatters), ("UID FETCH", _promises)],
)
def test_an_answer_without_an_end_ends_the_pass(
    sqlite_sent: Sent, server: Imap, at: str, says: Callable[[BinaryIO], None]
) -> None:
    """Each byte keeps a timeout of the socket from running out, and nothing else would ever be collected."""
    server.put(b"Subject: x\r\n\r\n")
    server.instead = {at: says}

    with pytest.raises(CouldNotRun) as caught:
        pass_(sqlite_sent, ImapFolder(box(server), timeout=0.2))

    assert "its answer has no end" in caught.value.findings[0].what


@pytest.mark.parametrize("date", ["21-Foo-2026 12:30:00 +0000", "21-Nov-0000 12:30:00 +0000"])
def test_a_date_that_is_none_keeps_no_mail_from_being_read(
    sqlite_sent: Sent, server: Imap, date: str
) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    raw = corpus.postfix(sent.ours(gone))
    server.put(raw)

    def fetch(file: BinaryIO) -> None:
        head = f'* 1 FETCH (UID 1 INTERNALDATE "{date}" BODY[]<0> {{{len(raw)}}}\r\n'
        file.write(head.encode() + raw + b")\r\n")

    server.instead = {"UID FETCH": fetch}

    assert pass_(sent, ImapFolder(box(server))).mails == {What.ACTED: 1}


@pytest.mark.parametrize("at", ["UID SEARCH", "CAPABILITY"])
def test_a_literal_where_none_belongs_is_looked_past(
    sqlite_sent: Sent, server: Imap, at: str
) -> None:
    word = at.removeprefix("UID ")
    server.instead = {at: lambda file: server._say(file, f"* {word} {{3}}\r\n1 2 IMAP4REV1")}

    assert pass_(sqlite_sent, ImapFolder(box(server))).total == 0


def test_tls_to_a_port_that_speaks_none_is_said_in_words(sqlite_sent: Sent, server: Imap) -> None:
    with pytest.raises(CouldNotRun) as caught:
        pass_(sqlite_sent, ImapFolder(box(server, security="tls")))
    assert "does not answer (TLS failed: wrong version number)" in caught.value.findings[0].what


@pytest.mark.parametrize(("security", "at_once"), [("tls", True), ("starttls", False)])
def test_a_server_with_a_good_certificate_is_read(
    sqlite_sent: Sent, tmp_path: Path, security: str, *, at_once: bool
) -> None:
    (tmp_path / "ca").mkdir()
    ours = authority(tmp_path / "ca")
    with imap(ours.relay(), at_once=at_once) as server:
        server.put(corpus.leave_mail("nobody@example.org"))
        done = pass_(sqlite_sent, ImapFolder(box(server, security=security), context=ours.trust()))
    assert done.total == 1


@pytest.mark.parametrize(("security", "at_once"), [("tls", True), ("starttls", False)])
def test_a_server_that_nobody_vouches_for_is_not_told_the_password(
    sqlite_sent: Sent, tmp_path: Path, security: str, *, at_once: bool
) -> None:
    (tmp_path / "ca").mkdir()
    ours = authority(tmp_path / "ca")
    with imap(ours.nobody(), at_once=at_once) as server:
        with pytest.raises(CouldNotRun) as caught:
            pass_(sqlite_sent, ImapFolder(box(server, security=security), context=ours.trust()))
        assert "certificate is not good" in caught.value.findings[0].what
        assert not any("LOGIN" in line for line in server.seen)


def test_a_server_without_starttls_is_not_told_the_password(
    sqlite_sent: Sent, server: Imap
) -> None:
    with pytest.raises(CouldNotRun):
        pass_(sqlite_sent, ImapFolder(box(server, security="starttls")))
    assert not any("LOGIN" in line for line in server.seen)


def test_a_large_imap_mail_is_fetched_in_part(sqlite_sent: Sent, server: Imap) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    server.put(corpus.huge(sent.ours(gone)))
    assert pass_(sent, ImapFolder(box(server))).effects == {Effect.SUPPRESSED: 1}


TOML = """
[publication]
title = "Test letter"
url = "http://127.0.0.1:8000"
[sender]
name = "Test letter"
address = "letter@letter.example.org"
postal_address = "Example street 1"
list_id = "letter.letter.example.org"
[feedback.imap]
host = "mail.provider.example"
user = "bounces"
password = "env:BOUNCES"
"""


def test_an_imap_host_elsewhere_must_be_named_to_readers(
    publication: Callable[..., Settings], now: dt.datetime
) -> None:
    with pytest.raises(CouldNotRun) as caught:
        places(publication(toml=TOML + 'security = "none"\n'), now.date())
    assert {finding.code for finding in caught.value.findings} == {"NL601", "NL647"}
    named = """
[processors.mail]
host = "mail.provider.example"
purpose = "receives bounces"
agreement_date = 2026-01-01
region = "EU"
"""
    (source,) = places(publication(toml=TOML + named), now.date())
    assert isinstance(source, ImapFolder)


def test_an_authority_that_cannot_be_read_is_said(
    publication: Callable[..., Settings], now: dt.datetime
) -> None:
    toml = TOML.replace("mail.provider.example", "127.0.0.1") + 'ca_file = "none.pem"\n'
    with pytest.raises(CouldNotRun) as caught:
        places(publication(toml=toml), now.date())
    assert caught.value.findings[0].code == "NL647"


def test_a_maildir_below_the_publication_is_found(
    publication: Callable[..., Settings], now: dt.datetime, folder: Path
) -> None:
    toml = TOML.split("[feedback.imap]")[0] + '[feedback]\nmaildir = "bounces"\n'
    settings = publication(toml=toml)
    (source,) = places(settings, now.date())
    source.settle([(Letter("new/x", crlf(""), now), Fate.DONE)])  # gone already: no trouble
    assert isinstance(source, Maildir)


def test_an_event_is_kept_for_every_mail_that_was_acted_on(sqlite_sent: Sent, folder: Path) -> None:
    sent = sqlite_sent
    readers = sent.readers(3)
    sent.issue()
    put(folder, *(corpus.postfix(sent.ours(reader)) for reader in readers), at=sent.now)
    pass_(sent, Maildir(folder))
    with sent.store.read() as tx:
        rows = tx.execute(sa.select(feedback_events)).all()
    assert [(row.kind, row.source, row.effect) for row in rows] == [
        ("bounced", "dsn", "suppressed")
    ] * 3
