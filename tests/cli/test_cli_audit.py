"""The promise from files and database: shown when they hold; every kind of tampering has a name and exit code 1."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from newsletter import config, wiring
from newsletter.delivery import ledger, record
from newsletter.issue import chain, freeze
from newsletter.issue.edition import ApprovedIssue, Edition, leave_url, sha256
from newsletter.store.tables import attempts, deliveries, editions, issues, subscribers
from newsletter.subscribers import people
from newsletter.subscribers.address import Address

Newsletter = Callable[..., Any]
CHAIN = Path("content/record/chain.jsonl")
DAY = dt.timedelta(days=1)


@pytest.fixture
def sent(letter: Path) -> Path:
    """Three months, each opened, sent to eight readers and closed; one bounce too late for its first line."""
    settings = config.load(letter)
    with wiring.House(settings) as house:
        rows = [
            people.new_row(house.vault, Address(name, name), "en", dt.datetime.now(dt.UTC))
            | {"state": "confirmed", "consent_epoch": 1}
            for name in (f"r{n}@example.org" for n in range(8))
        ]
        with house.store.write() as tx:
            tx.execute(sa.insert(subscribers), rows)
        link = leave_url(settings.public_url)
        edition = Edition("en", "Subject", "", f"<a href='{link}'>x</a>", link, "<p>x</p>")
        rules = ledger.Rules(settings.publication.time_zone, 14, "letter.example.org")
        for month in (1, 2, 3):
            now = dt.datetime(2026, month, 5, 9, tzinfo=dt.UTC)
            period = f"2026-{month:02d}"
            issue = ApprovedIssue(period, month, f"{month:064x}", now, ("Editor",), (edition,))
            assert isinstance(
                ledger.open_issue(house.store, house.vault, issue, rules, now), ledger.Opened
            )
            _serve(house, period, now)
            record.keep(house.store, letter / "content/record", now + DAY)
        with house.store.write() as tx:
            late = sa.select(deliveries.c.id).where(deliveries.c.period == "2026-02").limit(5)
            tx.execute(
                sa.update(deliveries).where(deliveries.c.id.in_(late)).values(state="bounced")
            )
        record.keep(house.store, letter / "content/record", now + 9 * DAY)
    return letter


def _serve(house: wiring.House, period: str, now: dt.datetime) -> None:
    with house.store.write() as tx:
        tx.execute(
            sa.update(deliveries)
            .where(deliveries.c.period == period)
            .values(state="accepted", attempts=1, settled_at=now)
        )
        for each in tx.scalars(sa.select(deliveries.c.id).where(deliveries.c.period == period)):
            tx.execute(_taken(each, now))
        assert ledger.close(tx, period, now + DAY)


def _taken(delivery: str, now: dt.datetime) -> sa.Insert:
    return sa.insert(attempts).values(
        delivery_id=delivery, claim_id="me", ended_at=now, outcome="accepted", stage="terminator"
    )


def lines() -> list[str]:
    return CHAIN.read_text().splitlines(keepends=True)


def write(*held: str) -> None:
    CHAIN.write_text("".join(held))


def written_anew(change: Callable[[dict[str, Any]], object]) -> None:
    """Somebody changes lines and makes every hash anew."""
    told, made = chain.Chain(), b""
    for raw in lines():
        said = json.loads(raw)
        change(said)
        line = chain.canonical(said | {"before": told.head})
        made += line
        told = chain.read_on(told, line)
    CHAIN.write_bytes(made)


def test_each_month_is_shown_with_what_proves_it(sent: Path, newsletter: Newsletter) -> None:
    ran = newsletter("audit")
    head = chain.read(CHAIN.read_bytes()).head

    assert ran.code == 0
    assert [row.split() for row in ran.out.splitlines()[1:]] == [
        [f"2026-0{n}", str(n), f"2026-0{n}-05", "09:00", "8", "8", "yes", f"{n:064x}", "(not", "here)"]
        for n in (1, 2, 3)
    ]  # fmt: skip
    assert "3 issues in 3 months, never two in one" in ran.err
    assert f"7 lines, head {head}" in ran.err
    assert "the database agrees" in ran.err


def test_an_outsider_with_a_copy_of_the_files_can_check_them(
    sent: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(sent / "subscribers")
    monkeypatch.delenv("NEWSLETTER_KEY_FILE")
    head = json.loads(newsletter("audit", "--json").out)["head"]
    ran = newsletter("audit", "--head", head.upper())

    assert ran.code == 0
    assert "not checked" in ran.out
    assert "a tail that was cut off" in ran.err
    assert not (sent / "subscribers").exists()


def test_json_holds_the_whole_table(sent: Path, newsletter: Newsletter) -> None:
    said = json.loads(newsletter("audit", "--json").out)

    assert (said["lines"], said["database"], said["findings"]) == (7, True, [])
    assert said["months"][1]["totals"]["bounced"] == 5
    assert said["months"][1]["most_copies"] == 1


def _changed_line() -> None:
    held = lines()
    held[1] = held[1].replace('"accepted":8', '"accepted":9')
    write(*held)


def _removed_line() -> None:
    held = lines()
    write(*held[:2], *held[3:])


def _reordered() -> None:
    held = lines()
    write(*held[:2], held[3], held[2], *held[4:])


def _first_lines_gone() -> None:
    write(*lines()[2:])


def _added_line() -> None:
    write(*lines(), '{"note":"all is well"}\n')


def _torn_line() -> None:
    write("".join(lines())[:-30])


def _not_a_file() -> None:
    CHAIN.unlink()
    CHAIN.mkdir()


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (_changed_line, "line 2 was changed"),
        (_removed_line, "line 3 is missing before line 4"),
        (_reordered, "line 3 stands where line 5 belongs"),
        (_first_lines_gone, "line 1 to 2 is missing"),
        (_added_line, "line 8 cannot be read"),
        (_torn_line, "line 7 cannot be read"),
        (_not_a_file, "the chain cannot be read"),
    ],
)
@pytest.mark.parametrize("files", [[], ["--files"]])
def test_a_chain_that_was_touched_is_found(
    tamper: Callable[[], None], words: str, files: list[str], sent: Path, newsletter: Newsletter
) -> None:
    tamper()
    ran = newsletter("audit", *files)

    assert ran.code == 1
    assert "error[NL660]" in ran.err
    assert words in ran.err


def test_two_issues_in_a_month_are_found_where_every_hash_holds(
    sent: Path, newsletter: Newsletter
) -> None:
    def move(said: dict[str, Any]) -> None:
        if said["period"] == "2026-03":
            said["period"] = "2026-02"

    written_anew(move)
    ran = newsletter("audit", "--files")

    assert ran.code == 1
    assert "error[NL661]" in ran.err
    assert "2026-02 was opened twice: two issues in one month" in ran.err


def test_forged_totals_are_found_by_the_record_and_by_the_database(
    sent: Path, newsletter: Newsletter
) -> None:
    def forge(said: dict[str, Any]) -> None:
        if "totals" in said:
            said["totals"] |= {"bounced": 0}

    written_anew(forge)
    ran = newsletter("audit")

    assert ran.code == 1
    assert "NL661" in ran.err  # an amendment without a change
    assert "the record of 2026-02 tells of 5 bounced, the chain of 0" in ran.err
    assert "the chain tells of 0 bounced in 2026-02, the database of 5" in ran.err


def test_a_forged_record_is_found(sent: Path, newsletter: Newsletter) -> None:
    path = sent / "content/record/2026-01.json"
    path.write_text(path.read_text().replace('"complained": 0', '"complained": 8'))
    ran = newsletter("audit", "--files")

    assert ran.code == 1
    assert "error[NL663]" in ran.err
    assert "complained" in ran.err


@pytest.mark.parametrize(
    "change",
    ['"state": "closed"', '"number": 1', '"period": "2026-01"', '"audience": 8', "2026-01-05T"],
)
def test_every_fact_of_a_record_is_held_against_the_chain(
    change: str, sent: Path, newsletter: Newsletter
) -> None:
    path = sent / "content/record/2026-01.json"
    text = path.read_text()
    path.write_text(
        text.replace(change, change.replace("1", "3").replace("8", "9").replace("closed", "open"))
    )

    assert path.read_text() != text
    assert "error[NL663]" in newsletter("audit", "--files").err


def test_a_record_that_is_none_or_one_too_many_or_gone_is_found(
    sent: Path, newsletter: Newsletter
) -> None:
    folder = sent / "content/record"
    (folder / "2026-01.json").write_text("[]")
    (folder / "2026-02.json").unlink()
    (folder / "2026-07.json").write_text((folder / "2026-03.json").read_text())
    ran = newsletter("audit", "--files")

    assert ran.code == 1
    assert "error[NL149]" in ran.err
    assert "there is no record of it" in ran.err
    assert "there is a record of 2026-07 and no line of it in the chain" in ran.err


def test_a_tail_that_was_cut_off_is_seen_by_the_database_the_records_and_a_noted_head(
    sent: Path, newsletter: Newsletter
) -> None:
    head = chain.read(CHAIN.read_bytes()).head
    write(*lines()[:4])
    with_database = newsletter("audit")
    for name in ("2026-03", "2026-02"):
        path = sent / f"content/record/{name}.json"
        path.write_text(path.read_text().replace('"bounced": 5', '"bounced": 0'))
    (sent / "content/record/2026-03.json").unlink()
    alone, noted = newsletter("audit", "--files"), newsletter("audit", "--files", "--head", head)

    assert with_database.code == 1
    assert "error[NL662]: the chain does not tell that 2026-03 was opened" in with_database.err
    assert "there is a record of 2026-03 and no line of it" in with_database.err
    assert (
        alone.code == 0
    )  # whoever changes everything consistently is only seen by a head or the database
    assert noted.code == 1
    assert "error[NL664]" in noted.err


def test_a_restored_database_is_behind_the_chain(sent: Path, newsletter: Newsletter) -> None:
    with wiring.House(config.load(sent)) as house, house.store.write() as tx:
        for table in (deliveries, editions, issues):
            tx.execute(sa.delete(table).where(table.c.period == "2026-03"))
    ran = newsletter("audit")

    assert ran.code == 1
    assert "the database knows of no such issue" in ran.err


def test_another_issue_in_the_database_than_in_the_chain_is_found(
    sent: Path, newsletter: Newsletter
) -> None:
    with wiring.House(config.load(sent)) as house, house.store.write() as tx:
        tx.execute(sa.update(issues).where(issues.c.period == "2026-01").values(manifest="f" * 64))

    assert "the chain tells of another 2026-01 than was opened" in newsletter("audit").err


def test_a_second_copy_breaks_the_law(sent: Path, newsletter: Newsletter) -> None:
    with wiring.House(config.load(sent)) as house, house.store.write() as tx:
        some = tx.scalar(
            sa.select(deliveries.c.id).where(deliveries.c.period == "2026-02").limit(1)
        )
        assert some is not None
        tx.execute(_taken(some, dt.datetime.now(dt.UTC)))
    ran = newsletter("audit")

    assert ran.code == 1
    assert "error[NL665]: a mail server took 2026-02 2 times for one reader" in ran.err
    assert "NO: 2" in ran.out


def test_a_law_that_is_gone_from_the_database_is_found(sent: Path, newsletter: Newsletter) -> None:
    with wiring.House(config.load(sent)) as house, house.store.write() as tx:
        made = tx.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE name = 'deliveries'"
        ).scalar()
        assert made is not None
        without = [row for row in made.splitlines() if "UNIQUE (period, subscriber_id)" not in row]
        tx.exec_driver_sql("PRAGMA writable_schema=ON")
        tx.exec_driver_sql("ALTER TABLE deliveries RENAME TO old")
        tx.exec_driver_sql("\n".join(without).rstrip().rstrip(")").rstrip().rstrip(",") + ")")
        tx.exec_driver_sql("INSERT INTO deliveries SELECT * FROM old")
        row = tx.execute(
            sa.select(deliveries).where(deliveries.c.period == "2026-01").limit(1)
        ).one()
        again = dict(row._mapping) | {"id": "f" * 32, "message_id": "<again@x>"}
        tx.execute(sa.insert(deliveries).values(**again))
    ran = newsletter("audit")

    assert ran.code == 1
    assert "the database would take two mails of an issue for one reader" in ran.err
    assert "a reader stands 2 times in the ledger of 2026-01" in ran.err
    assert "error[NL621]" in ran.err


def test_what_was_sent_is_what_was_approved(letter: Path, newsletter: Newsletter) -> None:
    manifest = newsletter("issue", "approve", "--by", "Editor").out.strip()
    period = next(letter.glob("content/issues/*/edition.toml")).parent.name
    opened = dt.datetime.fromisoformat(f"{period}-05T09:00:00+00:00")

    def publish(digest: str) -> None:
        line = chain.following(
            chain.Chain(), chain.Event.OPENED, period, opened, audience=8, manifest=digest, number=1
        )
        CHAIN.parent.mkdir(exist_ok=True)
        CHAIN.write_bytes(line)
        held = {
            "period": period,
            "number": 1,
            "manifest": digest,
            "state": "open",
            "opened_at": opened.isoformat(),
            "editions": {
                edition.language: {"html": sha256(edition.html), "text": sha256(edition.text)}
                for edition in freeze.load(config.load(letter), period).editions
            },
            "totals": {"audience": 8},
        }
        (CHAIN.parent / f"{period}.json").write_text(json.dumps(held))

    publish(manifest)
    holds = newsletter("audit")
    path = CHAIN.parent / f"{period}.json"
    path.write_text(path.read_text().replace('"html": "', '"html": "0'))
    forged = newsletter("audit")
    publish(manifest)
    text = next(letter.glob("content/issues/*/mail.*.txt"), None) or next(
        path for path in letter.glob("content/issues/*/*.txt")
    )
    before = text.read_bytes()
    text.write_bytes(before + b"one byte more")
    changed = newsletter("audit")
    text.write_bytes(before)
    publish("ab" * 32)
    other = newsletter("audit")

    assert holds.code == 0
    assert "(not here)" not in holds.out
    assert "(open)" in holds.out
    assert forged.code == 1
    assert "error[NL484]" in forged.err
    assert changed.code == 1
    assert "error[NL149]" in changed.err
    assert "is not what is approved here" in other.err


def test_before_the_first_issue_there_is_nothing_to_show(
    letter: Path, newsletter: Newsletter
) -> None:
    assert "nothing to show" in newsletter("audit").err
    assert not (letter / "subscribers" / "newsletter.db").exists()
