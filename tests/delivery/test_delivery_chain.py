"""The chain of the public record: told once, repaired after a crash, never rewritten; every tampering is named."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from delivery_house import PERIOD, House, approved
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery import ledger, record
from newsletter.delivery.states import State
from newsletter.errors import CouldNotRun, Findings
from newsletter.files import hold
from newsletter.issue import chain, chain_story
from newsletter.issue.chain import Breach, Event
from newsletter.store.tables import deliveries, issues

ZONE = ZoneInfo("Europe/Berlin")
DAY = dt.timedelta(days=1)


def settle_all(house: House, state: State, number: int | None = None) -> None:
    """As if a sender had done its work."""
    with house.store.write() as tx:
        waiting = tx.scalars(
            sa.select(deliveries.c.id).where(deliveries.c.state == "queued").limit(number or 10_000)
        ).all()
        tx.execute(
            sa.update(deliveries)
            .where(deliveries.c.id.in_(waiting))
            .values(state=state.value, settled_at=house.now)
        )


def close(house: House, period: str = PERIOD) -> None:
    with house.store.write() as tx:
        assert ledger.close(tx, period, house.now)


def bounce(house: House, number: int) -> None:
    with house.store.write() as tx:
        some = tx.scalars(
            sa.select(deliveries.c.id).where(deliveries.c.state == "accepted").limit(number)
        ).all()
        tx.execute(sa.update(deliveries).where(deliveries.c.id.in_(some)).values(state="bounced"))


def keep(house: House, folder: Path) -> list[tuple[str, str]]:
    record.keep(house.store, folder, house.now)
    return told(folder)


def told(folder: Path) -> list[tuple[str, str]]:
    read = chain.read((folder / chain.NAME).read_bytes())
    assert not read.broken
    return [(line.period, line.event.value) for line in read.lines]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "content" / "record"


def test_an_issue_is_told_line_by_line_and_each_once(house: House, folder: Path) -> None:
    house.readers(12)
    house.open()
    assert keep(house, folder) == [(PERIOD, "opened")]

    settle_all(house, State.ACCEPTED)
    close(house)
    assert keep(house, folder) == [(PERIOD, "opened"), (PERIOD, "closed")]

    before = (folder / chain.NAME).read_bytes()
    keep(house, folder)
    assert (folder / chain.NAME).read_bytes() == before

    bounce(house, 6)
    house.now += DAY
    assert keep(house, folder)[2:] == [(PERIOD, "amended")]
    assert (folder / chain.NAME).read_bytes().startswith(before)
    last = chain.read((folder / chain.NAME).read_bytes()).lines[-1]
    assert last.said["totals"]["bounced"] == 6
    assert last.at == house.now


def test_a_late_bounce_that_stays_below_five_is_no_news(sqlite_house: House, folder: Path) -> None:
    sqlite_house.readers(12)
    sqlite_house.open()
    settle_all(sqlite_house, State.ACCEPTED)
    bounce(sqlite_house, 1)
    close(sqlite_house)
    keep(sqlite_house, folder)
    bounce(sqlite_house, 2)

    assert keep(sqlite_house, folder)[-1] == (PERIOD, "closed")


def test_a_halted_issue_is_told_as_halted(sqlite_house: House, folder: Path) -> None:
    sqlite_house.readers(5)
    sqlite_house.open()
    with sqlite_house.store.write() as tx:
        ledger.halt(tx, PERIOD, sqlite_house.now)
        ledger.close(tx, PERIOD, sqlite_house.now)

    assert [event for _, event in keep(sqlite_house, folder)] == ["opened", "halted", "closed"]


def test_whatever_a_crash_left_out_is_told_at_the_next_turn(house: House, folder: Path) -> None:
    """Two issues came and went before anybody wrote a line: nothing is missing, nothing is twice."""
    house.readers(6)
    house.open()
    settle_all(house, State.ACCEPTED)
    close(house)
    house.now += 20 * DAY
    house.open(approved("2026-12", 2))

    assert keep(house, folder) == [(PERIOD, "opened"), (PERIOD, "closed"), ("2026-12", "opened")]
    assert not chain_story.story(chain.read((folder / chain.NAME).read_bytes()).lines, ZONE)


def test_only_the_latest_are_counted_again_when_time_is_short(
    sqlite_house: House, folder: Path
) -> None:
    sqlite_house.readers(6)
    sqlite_house.open()
    settle_all(sqlite_house, State.ACCEPTED)
    close(sqlite_house)
    sqlite_house.now += 20 * DAY
    sqlite_house.open(approved("2026-12", 2))
    keep(sqlite_house, folder)
    bounce(sqlite_house, 6)
    kept = sqlite_house.store, folder, sqlite_house.now

    record.keep(*kept, latest=1)
    assert told(folder)[-1] == ("2026-12", "opened")
    record.keep(*kept, latest=1, also=[PERIOD])
    assert told(folder)[-1] == (PERIOD, "amended")


def test_many_writers_at_once_tell_each_thing_once(house: House, folder: Path) -> None:
    house.readers(6)
    house.open()
    settle_all(house, State.ACCEPTED)
    close(house)
    threads = [
        threading.Thread(target=record.keep, args=(house.store, folder, house.now))
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert told(folder) == [(PERIOD, "opened"), (PERIOD, "closed")]


def test_nothing_is_written_into_a_chain_that_does_not_hold(
    sqlite_house: House, folder: Path
) -> None:
    sqlite_house.readers(6)
    sqlite_house.open()
    keep(sqlite_house, folder)
    path = folder / chain.NAME
    path.write_bytes(path.read_bytes().replace(b'"audience":6', b'"audience":7') + b"{}\n")
    before = path.read_bytes()
    settle_all(sqlite_house, State.ACCEPTED)
    close(sqlite_house)

    with pytest.raises(Findings) as caught:
        record.keep(sqlite_house.store, folder, sqlite_house.now)

    assert [finding.code for finding in caught.value.findings] == ["NL660"]
    assert path.read_bytes() == before
    assert json.loads((folder / f"{PERIOD}.json").read_text())["state"] == "closed"


def test_an_empty_database_makes_no_folder(sqlite_house: House, folder: Path) -> None:
    record.keep(sqlite_house.store, folder, sqlite_house.now)

    assert not folder.exists()


def test_anybody_can_check_a_line_with_sha256sum(sqlite_house: House, folder: Path) -> None:
    sqlite_house.readers(6)
    sqlite_house.open()
    settle_all(sqlite_house, State.ACCEPTED)
    close(sqlite_house)
    keep(sqlite_house, folder)
    first, second = (folder / chain.NAME).read_bytes().splitlines(keepends=True)

    assert json.loads(second)["before"] == hashlib.sha256(first).hexdigest()
    assert chain.read(first + second).head == hashlib.sha256(second).hexdigest()


def test_no_reader_stands_in_the_record(sqlite_house: House, folder: Path) -> None:
    ids = sqlite_house.readers(3)
    sqlite_house.open()
    settle_all(sqlite_house, State.ACCEPTED)
    close(sqlite_house)
    keep(sqlite_house, folder)

    written = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b'"<5"' in written
    assert not any(each.encode() in written for each in [*ids, "reader0", "example.org"])


# Tampering, on a chain of two years.


def long_chain(months: int = 6) -> list[bytes]:
    told = chain.Chain()
    lines: list[bytes] = []

    def say(event: Event, period: str, at: dt.datetime, **said: object) -> None:
        nonlocal told
        lines.append(chain.following(told, event, period, at, **said))
        told = chain.read_on(told, lines[-1])

    for number in range(1, months + 1):
        period = f"2026-{number:02d}"
        at = dt.datetime(2026, number, 5, 9, tzinfo=dt.UTC)
        say(Event.OPENED, period, at, audience=1200, manifest=f"{number:064x}", number=number)
        totals = dict(zip(chain.TOTALS, (1200, 1190, 5, 0, 10, 0, 0), strict=True))
        say(Event.CLOSED, period, at + DAY, totals=totals)
        say(Event.AMENDED, period, at + 9 * DAY, totals=totals | {"bounced": 7})
    return lines


def breaches(lines: list[bytes]) -> list[Breach]:
    return [each.breach for each in chain.read(b"".join(lines)).broken]


def test_a_chain_as_written_holds() -> None:
    lines = long_chain()
    read = chain.read(b"".join(lines))

    assert not read.broken
    assert not chain_story.story(read.lines, ZONE)
    assert read.head == hashlib.sha256(lines[-1]).hexdigest()
    assert read.holds(hashlib.sha256(lines[3]).hexdigest())
    assert not read.holds("0" * 64)


@pytest.mark.parametrize("at", range(17))
def test_a_line_taken_out_of_the_middle_is_missed(at: int) -> None:
    lines = long_chain()
    del lines[at]

    assert breaches(lines) == [Breach.MISSING]


@pytest.mark.parametrize("at", range(17))
def test_two_lines_that_changed_places_are_seen(at: int) -> None:
    lines = long_chain()
    lines[at], lines[at + 1] = lines[at + 1], lines[at]

    assert Breach.ORDER in breaches(lines)


@pytest.mark.parametrize("at", range(17))
def test_a_line_that_says_something_else_is_named(at: int) -> None:
    lines = long_chain()
    said = json.loads(lines[at])
    if "totals" in said:
        said["totals"]["accepted"] = 1195
    else:
        said["audience"] = 1300
    lines[at] = chain.canonical(said)
    read = chain.read(b"".join(lines))

    assert [(each.breach, each.line) for each in read.broken] == [(Breach.CHANGED, at + 1)]
    assert f"line {at + 1} was changed" in read.broken[0].what


def test_a_line_that_is_there_twice_is_seen() -> None:
    lines = long_chain()

    assert Breach.ORDER in breaches([*lines[:4], lines[3], *lines[4:]])


def test_a_forged_sum_does_not_add_up_even_where_every_hash_was_made_anew() -> None:
    forged = _rewritten(
        lambda said: said["totals"].update(accepted=1199) if "totals" in said else None
    )

    read = chain.read(forged)
    assert not read.broken
    assert "audience is not accepted" in chain_story.story(read.lines, ZONE)[0].what


def test_two_issues_in_a_month_are_seen_even_where_every_hash_was_made_anew() -> None:
    def second(said: dict[str, object]) -> None:
        if said["period"] == "2026-03":
            said["period"] = "2026-02"

    def early(said: dict[str, object]) -> None:
        if said["period"] == "2026-03" and said["event"] == "opened":
            said["at"] = "2026-02-20T09:00:00+00:00"

    for change, words in (
        (second, "2026-02 was opened twice"),
        (early, "2026-03 was opened in 2026-02"),
    ):
        read = chain.read(_rewritten(change))
        assert not read.broken
        assert any(words in each.what for each in chain_story.story(read.lines, ZONE))


def _rewritten(change: Callable[[dict[str, object]], object]) -> bytes:
    """The whole chain written anew with its lines changed: every hash holds again."""
    told = chain.Chain()
    made = b""
    for raw in long_chain():
        said = json.loads(raw)
        change(said)
        said |= {"before": told.head}
        made += chain.canonical(said)
        told = chain.read_on(told, chain.canonical(said))
    return made


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_bytes_make_the_reading_fail(data: bytes) -> None:
    read = chain.read(data)

    assert bool(data) == bool(read.broken)


@given(st.data())
def test_no_single_changed_byte_goes_unseen(data: st.DataObject) -> None:
    """But for the last line: nothing follows it, so only the database or a noted head tells."""
    lines = long_chain(2)
    whole = bytearray(b"".join(lines))
    at = data.draw(st.integers(0, len(whole) - len(lines[-1]) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))

    assert chain.read(bytes(whole)).broken


def test_json_that_is_nearly_ours_is_none(sqlite_house: House) -> None:
    good = json.loads(long_chain()[1])
    for change in (
        {"line": 2.0},
        {"line": True},
        {"at": "2026-01-06T10:00:00+01:00"},
        {"at": "2026-01-06T09:00:00"},
        {"period": "2026-13"},
        {"period": 202601},
        {"event": "sent"},
        {"version": 2},
        {"before": "xyz"},
        {"more": 1},
        {"totals": good["totals"] | {"accepted": 3}},
        {"totals": good["totals"] | {"accepted": -1}},
        {"totals": good["totals"] | {"accepted": "<6"}},
        {"totals": []},
    ):
        read = chain.read(chain.canonical(good | change))
        assert Breach.SHAPE in [each.breach for each in read.broken], change


def test_an_issue_row_that_was_never_opened_is_no_story() -> None:
    lines = long_chain()
    told = chain.read(b"".join(lines[1:]))

    assert "never opened" in chain_story.story(told.lines, ZONE)[0].what


def test_the_database_is_the_source_of_an_opened_line(sqlite_house: House, folder: Path) -> None:
    sqlite_house.readers(6)
    sqlite_house.open()
    keep(sqlite_house, folder)
    with sqlite_house.store.read() as tx:
        row = tx.execute(sa.select(issues)).one()
    line = chain.read((folder / chain.NAME).read_bytes()).lines[0]

    assert (line.said["manifest"], line.said["number"], line.said["audience"]) == ("a" * 64, 1, 6)
    assert line.at == row.opened_at


def test_a_process_that_stands_still_in_the_record_is_told(
    sqlite_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = sqlite_house
    house.readers(1)
    house.open()
    told_before = keep(house, tmp_path)
    settle_all(house, State.ACCEPTED)
    close(house)
    monkeypatch.setattr("newsletter.delivery.record.PATIENCE_SECONDS", 0.05)
    with hold(tmp_path), pytest.raises(CouldNotRun) as refused:
        record.keep(house.store, tmp_path, house.now)
    assert refused.value.findings[0].code == "NL670"
    assert told(tmp_path) == told_before
    assert len(keep(house, tmp_path)) == len(told_before) + 1
