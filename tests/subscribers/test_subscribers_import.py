"""Lists come in with evidence or not at all, and a hostile file does no more than fill a report."""

from __future__ import annotations

import datetime as dt
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import CouldNotRun, Finding
from newsletter.store import Store, tables
from newsletter.subscribers import (
    address,
    consent,
    exporting,
    importing,
    people,
    stats,
    suppression,
)
from newsletter.subscribers.columns import in_a_cell, out_of_a_cell
from newsletter.subscribers.csvfile import LONGEST_LINE, CsvFile, Row
from newsletter.subscribers.importing import MOST_FINDINGS, Reconfirm, Report, import_file
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.seen import Seen
from newsletter.subscribers.states import Reason, State
from newsletter.subscribers.vault import Vault, unlock
from newsletter.subscribers.wordings import Shown

HEADER = "address,language,consent_text,consented_at,method\n"
GOOD = "I agree to get the letter.,2026-10-01,paper form"
Import = Callable[..., Report]


@pytest.fixture
def bring(store: Store, vault: Vault, now: dt.datetime, tmp_path: Path) -> Import:
    """`bring("text or bytes of a CSV")`: the report of importing it."""

    def run(content: str | bytes, *, dry_run: bool = False, **more: object) -> Report:
        path = tmp_path / "list.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return import_file(
            store, vault, path, now, languages=("en", "ru", "de"), dry_run=dry_run, **more
        )  # type: ignore[arg-type]

    return run


def told(report: Report) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.where and finding.where.line) for finding in report.findings]


def read(text: str) -> address.Address:
    found = address.read(text)
    assert isinstance(found, address.Address)
    return found


def find(store: Store, vault: Vault, text: str) -> people.Person | None:
    with store.read() as tx:
        return people.find_by_address(tx, vault, read(text))


def test_a_row_with_evidence_becomes_a_reader(store: Store, vault: Vault, bring: Import) -> None:
    report = bring(HEADER + f"Reader@Example.org,ru,{GOOD}\n")
    assert (report.imported, report.rows, report.findings) == (1, 1, [])
    found = find(store, vault, "reader@example.org")
    assert found is not None
    assert (found.state, found.language, found.consent_epoch) == (State.CONFIRMED, "ru", 1)
    with store.read() as tx:
        [(_, payload)] = consent.evidence(tx, found.evidence_key)
        assert consent.verify(tx).is_whole
    assert payload["method"] == "imported: paper form"
    assert payload["given_at"] == "2026-10-01T00:00Z"


@pytest.mark.parametrize(
    ("row", "lacks"),
    [
        ("a@example.org,en,,2026-10-01,paper", "which words"),
        ("a@example.org,en,I agree,,paper", "when"),
        ("a@example.org,en,I agree,2026-10-01,", "how"),
        (
            "a@example.org,en,,,",
            "which words were agreed to (consent_wording or consent_text), nor"
            " when consent was given (consented_at), nor how consent was given (method or source)",
        ),
        ("a@example.org,en,I agree,2027-10-01,paper", "future"),
        ("a@example.org,en,I agree,yesterday,paper", "no date"),
        ("a@example.org,en,I agree,1900-01-01,paper", "no date"),
        ("a@example.org,en,I agree,2026-10-01,pa\x07per", "control"),
        ("a@example.org,en,I \x1b[31magree,2026-10-01,paper", "no text"),
        (f"a@example.org,en,{'x' * 20_001},2026-10-01,paper", "no text"),
    ],
)
def test_a_row_without_evidence_is_refused_by_its_line(
    store: Store, vault: Vault, bring: Import, row: str, lacks: str
) -> None:
    report = bring(HEADER + f"good@example.org,en,{GOOD}\n" + row + "\n")
    assert (report.imported, report.refused) == (1, 1)
    assert told(report) == [("NL526", 3)]
    assert lacks in report.findings[0].what
    assert find(store, vault, "a@example.org") is None


def test_a_registered_wording_can_be_named_by_version_or_hash(
    bring: Import, wording: Shown
) -> None:
    head = "address,consent_wording,consented_at,source\n"
    rows = [
        "a@example.org,en/2026-11,2026-10-01T10:00:30+02:00,desk",
        f"b@example.org,{wording.hash},2026-10-01,desk",
        "c@example.org,en/1999,2026-10-01,desk",
    ]
    report = bring(head + "\n".join(rows))
    assert (report.imported, told(report)) == (2, [("NL526", 4)])


def test_no_finding_shows_an_address(bring: Import) -> None:
    rows = ["secret@example", "secret@example.org,xx", "secret@example.org,en,,,", '"secret@exa']
    report = bring(HEADER + "\n".join(rows) + f"\nsecret2@example.org,fr,{GOOD}\n")
    assert report.refused >= 4
    assert "secret" not in repr(report.findings)


def test_unknown_languages_bad_addresses_and_wrong_columns_are_told_together(
    bring: Import,
) -> None:
    rows = [f"a@example,en,{GOOD}", f"b@example.org,fr,{GOOD}", f"c@example.org,en,{GOOD},more"]
    assert told(bring(HEADER + "\n".join(rows))) == [("NL524", 2), ("NL525", 3), ("NL521", 4)]


def test_twice_in_the_file_known_and_suppressed_are_told_apart(
    store: Store,
    vault: Vault,
    bring: Import,
    subscribe: Callable[..., str],
    now: dt.datetime,
) -> None:
    subscribe("known@example.org")
    with store.write() as tx:
        key = vault.suppression_key(read("left@example.org"))
        suppression.add(tx, key, Reason.LEFT, now)
    names = ["new", "NEW", "known", "left", "new2"]
    content = HEADER + "".join(f"{name}@example.org,en,{GOOD}\n" for name in names)
    for dry_run in (True, False):
        report = bring(content, dry_run=dry_run)
        assert told(report) == [("NL527", 3), ("NL528", 5)]
        counts = (report.imported, report.twice_in_file, report.here_already, report.suppressed)
        assert counts == (2, 1, 1, 1)
        assert report.rows == 5
    assert find(store, vault, "left@example.org") is None


def test_a_dry_run_writes_nothing(store: Store, vault: Vault, bring: Import) -> None:
    assert bring(HEADER + f"a@example.org,en,{GOOD}\n", dry_run=True).imported == 1
    assert find(store, vault, "a@example.org") is None


def test_an_import_that_is_run_again_goes_on(store: Store, vault: Vault, bring: Import) -> None:
    rows = [f"r{n}@example.org,en,{GOOD}\n" for n in range(10)]
    assert bring(HEADER + "".join(rows[:6])).imported == 6
    again = bring(HEADER + "".join(rows))
    assert (again.imported, again.here_already) == (4, 6)


def test_progress_is_told_in_rows(bring: Import) -> None:
    told_so_far: list[tuple[int, int, str]] = []
    rows = "".join(f"r{n}@example.org,en,{GOOD}\n" for n in range(10))
    bring(HEADER + rows, progress=lambda *args: told_so_far.append(args))
    assert told_so_far == [(10, 10, "imported")]


def test_a_mailbox_of_several_people_is_counted(bring: Import) -> None:
    assert bring(HEADER + f"info@example.org,en,{GOOD}\nida@example.org,en,{GOOD}").roles == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "NL520"),
        (b"\n\n", "NL520"),
        (b"\xff\xfea\0d\0d\0", "NL520"),
        (b"a" * (LONGEST_LINE + 10), "NL520"),
        (b"\0\0\0\0", "NL520"),
        (b"name,mail\n", "NL523"),
        (b"address,address\n", "NL523"),
        (b"language\n", "NL523"),
    ],
)
def test_a_file_that_is_no_list_is_told_at_once(bring: Import, content: bytes, code: str) -> None:
    with pytest.raises(CouldNotRun) as error:
        bring(content)
    assert {finding.code for finding in error.value.findings} == {code}


def test_a_file_that_is_not_there_is_told(store: Store, vault: Vault, now: dt.datetime) -> None:
    with pytest.raises(CouldNotRun) as error:
        import_file(store, vault, Path("/nowhere/list.csv"), now, languages=("en",))
    assert error.value.findings[0].code == "NL520"


@pytest.mark.parametrize("head", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(
    bring: Import, head: bytes, end: str, delimiter: str
) -> None:
    lines = ["Address,Language,Consent text,Consented at,Method", f"a@example.org,en,{GOOD}"]
    content = end.join(lines).replace(",", delimiter).encode()
    assert bring(head + content).imported == 1


def test_a_line_in_another_encoding_is_told_with_its_column(bring: Import) -> None:
    rows = f"a@example.org,en,{GOOD}\n".encode() + "b@example.org,en,Я согласен,2026-10-01,x\n".encode("cp1251")  # fmt: skip
    report = bring(HEADER.encode() + rows + f"c@example.org,en,{GOOD}\n".encode())
    assert (report.imported, told(report)) == (2, [("NL522", 3)])
    assert report.findings[0].where is not None
    assert report.findings[0].where.column == 18


def test_nul_bad_quotes_and_a_text_over_two_lines_do_not_shift_the_lines(bring: Import) -> None:
    rows = [
        f"a\0@example.org,en,{GOOD}",
        'b@example.org,en,"I agree\nto it",2026-10-01,form',
        'c@example.org,en,"I "agree",2026-10-01,form',
        f"d@example,en,{GOOD}",
        'e@example.org,en,"never closed,2026-10-01,form',
    ]
    report = bring(HEADER + "\n".join(rows))
    assert told(report) == [("NL521", 2), ("NL521", 5), ("NL524", 6), ("NL521", 7)]
    assert report.imported == 1


@pytest.mark.parametrize("evil", ["'; DROP TABLE subscribers; --", '" OR 1=1 --', "\\'; %s ? :x"])
def test_sql_in_any_field_is_text_or_refused(
    store: Store, vault: Vault, bring: Import, evil: str
) -> None:
    head = "address,language,consent_text,consented_at,method,source\n"
    quoted = '"' + evil.replace('"', '""') + '"'
    rows = [
        f"a@example.org,en,{quoted},2026-10-01,{quoted},{quoted}",
        f"{quoted},en,yes,2026-10-01,form,",
        f"b@example.org,{quoted},yes,2026-10-01,form,",
        f"c@example.org,en,yes,{quoted},form,",
    ]
    report = bring(head + "\n".join(rows))
    assert (report.imported, told(report)) == (1, [("NL524", 3), ("NL525", 4), ("NL526", 5)])
    found = find(store, vault, "a@example.org")
    assert found is not None
    with store.read() as tx:
        [(_, payload)] = consent.evidence(tx, found.evidence_key)
    assert payload["source"] == evil


def test_a_huge_line_costs_no_memory_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.write(b"address\n")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\nreader@example.org\n")
    tracemalloc.start()
    with path.open("rb") as opened:
        found = list(CsvFile(opened, "huge.csv").rows())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [type(row) for row in found] == [Finding, Row]
    assert isinstance(found[1], Row)
    assert found[1] == Row(3, ["reader@example.org"])
    assert peak < 5_000_000


def test_an_unclosed_quote_does_not_swallow_the_file_into_memory(tmp_path: Path) -> None:
    lines = b"address\n" + b'"never closed\n' + b"reader@example.org\n" * 50_000
    tracemalloc.start()
    found = list(CsvFile(io.BytesIO(lines), "x.csv").rows())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found[0], Finding)
    assert found[0].where is not None
    assert found[0].where.line == 2
    assert sum(isinstance(row, Row) for row in found) > 40_000
    assert peak < 20_000_000


def test_more_findings_than_anybody_reads_are_counted(bring: Import) -> None:
    report = bring("address\n" + "nobody\n" * (MOST_FINDINGS + 500))
    assert len(report.findings) == MOST_FINDINGS
    assert (report.not_listed, report.refused) == (500, MOST_FINDINGS + 500)


EXPORTS = {
    "listmonk": (
        "uuid,email,name,attributes,status,created_at,updated_at",
        '3f,{0},Reader,"{{""city"": ""Bonn""}}",enabled,2025-01-01,2025-01-01',
        "3f,{0},Reader,{{}},blocklisted,2025-01-01,2025-01-01",
    ),
    "Mailchimp": (
        "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,EUID,UNSUB_TIME",
        "{0},Reader,2,2025-01-01 10:00:00,192.0.2.1,2025-01-01 10:05:00,192.0.2.1,abc,",
        "{0},Reader,2,2025-01-01 10:00:00,192.0.2.1,2025-01-01 10:05:00,192.0.2.1,abc,2025-02-01 09:00:00",
    ),
    "Ghost": (
        "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers",
        "1,{0},Reader,,true,false,,2025-01-01T10:00:00.000Z,,,",
        "1,{0},Reader,,false,false,,2025-01-01T10:00:00.000Z,,,",
    ),
    "Substack": (
        "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at",
        "{0},false,,other,false,2025-01-01T10:00:00.000Z,",
        "{0},false,,other,true,2025-01-01T10:00:00.000Z,",
    ),
    "Buttondown": (
        "id,creation_date,email_address,notes,metadata,tags,type,source",
        '1,2025-01-01,{0},,{{}},"a,b",regular,form',
        "1,2025-01-01,{0},,{{}},,unsubscribed,form",
    ),
}  # fmt: skip


@pytest.mark.parametrize("program", EXPORTS)
def test_another_programs_export_is_known_by_its_header_and_not_believed(
    bring: Import, program: str
) -> None:
    head, here, gone = EXPORTS[program]
    rows = [here.format("here@example.org"), gone.format("gone@example.org")]
    report = bring("\n".join([head, *rows]))
    assert (report.format, report.imported, report.away) == (program, 0, 1)
    assert told(report) == [("NL526", 2)]
    assert "which words" in report.findings[0].what


@pytest.mark.parametrize("program", EXPORTS)
def test_evidence_columns_may_be_added_to_another_programs_export(
    store: Store, vault: Vault, bring: Import, program: str
) -> None:
    head, here, gone = EXPORTS[program]
    proof = ",I agree,2025-01-01T10:05:00Z"
    rows = [here.format("here@example.org") + proof, gone.format("gone@example.org") + proof]
    report = bring("\n".join([head + ",consent_text,consented_at", *rows]))
    assert (report.imported, report.away, report.findings) == (1, 1, [])
    found = find(store, vault, "here@example.org")
    assert found is not None
    with store.read() as tx:
        [(_, payload)] = consent.evidence(tx, found.evidence_key)
    assert (payload["method"], payload["given_at"]) == ("imported", "2025-01-01T10:05Z")
    assert payload["source"] in (program, "form")  # Buttondown says itself where


@pytest.mark.parametrize("program", EXPORTS)
def test_with_reconfirm_everybody_is_asked_and_nobody_is_believed(
    store: Store, vault: Vault, bring: Import, now: dt.datetime, wording: Shown, program: str
) -> None:
    queued: list[tuple[people.Asked, str]] = []
    reconfirm = Reconfirm(
        {"en": wording.hash}, lambda _tx, asked, language: queued.append((asked, language))
    )
    head, here, gone = EXPORTS[program]
    rows = [here.format("here@example.org"), gone.format("gone@example.org")]
    for _ in range(2):
        report = bring("\n".join([head, *rows]), reconfirm=reconfirm)
    assert (report.imported, report.here_already, report.away) == (0, 1, 1)
    found = find(store, vault, "here@example.org")
    assert found is not None
    assert (found.state, found.consent_epoch) == (State.PENDING, 0)
    [(asked, language)] = queued
    assert (asked.subscriber_id, language, asked.send_notice) == (found.id, "en", True)
    assert asked.confirmation_id is not None
    later = now + dt.timedelta(days=13)
    with store.write() as tx:
        done = people.confirm(tx, asked.confirmation_id, later)
        [(_, payload)] = consent.evidence(tx, found.evidence_key)
    assert done.outcome is people.Outcome.CONFIRMED
    assert (payload["method"], payload["wording"]) == ("double opt-in", wording.hash)


def test_a_file_without_a_header_does_not_show_the_address_on_its_first_line(
    bring: Import,
) -> None:
    with pytest.raises(CouldNotRun) as error:
        bring("secret@example.org,en\nsecret2@example.org,en\n")
    assert "secret" not in repr(error.value.findings)


def test_a_long_list_into_an_empty_store_is_one_write_with_all_its_indexes(
    store: Store, vault: Vault, bring: Import, monkeypatch: pytest.MonkeyPatch, now: dt.datetime
) -> None:
    monkeypatch.setattr(importing, "LONG", 5)
    monkeypatch.setattr(importing, "BATCH", 3)
    with store.write() as tx:
        key = vault.suppression_key(read("r4@example.org"))
        suppression.add(tx, key, Reason.ERASED, now)
    rows = [f"r{n}@example.org,en,{GOOD}" for n in (*range(10), 3)]
    report = bring(HEADER + "\n".join(rows))
    assert (report.imported, report.twice_in_file, report.suppressed) == (9, 1, 1)
    with store.read() as tx:
        indexes = {index["name"] for index in sa.inspect(tx).get_indexes("subscribers")}
        assert consent.verify(tx) == consent.Verdict(9, 9, None)
    assert {"uq_subscribers_address_index", "uq_subscribers_link_id"} <= indexes
    again = bring(HEADER + "\n".join(rows))
    assert (again.imported, again.here_already) == (0, 9)


def test_a_long_list_that_is_stopped_leaves_an_empty_store_as_it_was(
    sqlite_store: Store, root: RootKey, now: dt.datetime, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(importing, "LONG", 5)
    monkeypatch.setattr(importing, "BATCH", 3)
    vault = unlock(sqlite_store, root, now)
    path = tmp_path / "list.csv"
    path.write_text(HEADER + "".join(f"r{n}@example.org,en,{GOOD}\n" for n in range(10)))

    def stop(done: int, total: int, label: str) -> None:
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(sqlite_store, vault, path, now, languages=("en",), progress=stop)
    with sqlite_store.read() as tx:
        assert tx.execute(sa.select(tables.subscribers.c.id)).all() == []
        assert len(sa.inspect(tx).get_indexes("subscribers")) == len(tables.subscribers.indexes)
    assert import_file(sqlite_store, vault, path, now, languages=("en",)).imported == 10


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_fall_over(content: bytes) -> None:
    lines = set()
    for row in CsvFile(io.BytesIO(b"address,language\n" + content), "x.csv").rows():
        where = row.where.line if isinstance(row, Finding) and row.where else None
        lines.add(row.line if isinstance(row, Row) else where)
    assert all(line is not None and 2 <= line <= content.count(b"\n") + 3 for line in lines)


@given(st.lists(st.integers(0, 300), max_size=400))
def test_what_was_seen_is_a_set(numbers: list[int]) -> None:
    seen, real = Seen(), set()
    for number in numbers:
        assert seen.add(number.to_bytes(8) + b"rest") is (max(number, 1) not in real)
        real.add(max(number, 1))
    assert len(seen) == len(real)


def test_what_was_seen_grows_past_its_first_size() -> None:
    seen = Seen()
    digests = [n.to_bytes(4) * 8 for n in range(1, 10_001)]
    assert all(seen.add(digest) for digest in digests)
    assert not any(seen.add(digest) for digest in digests)


def test_an_export_comes_back_as_the_same_list(
    store: Store, vault: Vault, bring: Import, subscribe: Callable[..., str], tmp_path: Path
) -> None:
    subscribe("form@example.org")
    names = ["a+tag", "=1+1", "-x", "'quoted", "'=both", "plain"]
    bring(HEADER + "".join(f"{name}@example.org,de,{GOOD}\n" for name in names))
    path = tmp_path / "out.csv"
    assert exporting.export_file(store, vault, path) == 7
    assert path.stat().st_mode & 0o777 == 0o600
    report = bring(path.read_bytes())
    assert (report.here_already, report.findings) == (7, [])
    with pytest.raises(CouldNotRun) as error:
        exporting.export_file(store, vault, path)
    assert error.value.findings[0].code == "NL530"


def test_no_cell_of_an_export_is_a_formula(
    store: Store, vault: Vault, bring: Import, tmp_path: Path
) -> None:
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "=1+1"]
    text = "address,consent_text,consented_at,source\n"
    rows = ["=1+1@example.org", "+1@example.org", "-1@example.org"]
    bring(text + "".join(f'{row},yes,2026-10-01,"=HYPERLINK(1)"\n' for row in rows))
    exporting.export_file(store, vault, tmp_path / "out.csv")
    for line in (tmp_path / "out.csv").read_text().splitlines()[1:]:
        assert all(not cell.startswith(("=", "+", "-", "@")) for cell in line.split(","))
    assert all(out_of_a_cell(in_a_cell(name)) == name for name in names)


@given(st.text(max_size=10))
def test_a_cell_comes_back_as_it_was(value: str) -> None:
    assert out_of_a_cell(in_a_cell(value)) == value


def test_only_the_subscribed_are_exported(
    store: Store, vault: Vault, ask: Callable[..., object], subscribe: Callable[..., str],
    now: dt.datetime,
) -> None:  # fmt: skip
    ask("pending@example.org")
    left = subscribe("left@example.org")
    with store.write() as tx:
        people.leave(tx, left, now, "page")
    subscribe("here@example.org")
    out = io.StringIO()
    assert exporting.export(store, vault, out) == 1
    assert "here@example.org" in out.getvalue()
    assert "left@" not in out.getvalue()


def test_numbers_below_five_are_not_told(
    store: Store, vault: Vault, bring: Import, ask: Callable[..., object]
) -> None:
    ask("pending@example.org")
    rows = [f"r{n}@example.org,{'en' if n else 'ru'},{GOOD}" for n in range(6)]
    bring(HEADER + "\n".join(rows))
    with store.read() as tx:
        found = stats.stats(tx)
    assert found.states == {"confirmed": 6, "pending": None}
    assert found.languages == {"en": 5, "ru": None}
    assert (stats.spoken(found.languages["ru"]), stats.spoken(6)) == ("<5", "6")
    assert stats.at_least_five(0) == 0
    assert json.dumps(found.states)
