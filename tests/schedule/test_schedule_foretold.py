"""A dry run says what a send would say, and changes nothing."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from living import DUE, Host, World, world

from newsletter.delivery.ledger import Refused
from newsletter.errors import CouldNotRun, Finding, Findings
from newsletter.flows.foretell import foretell
from newsletter.flows.send import Sent, send
from newsletter.issue.period import Period
from newsletter.store.tables import subscribers
from newsletter.subscribers.rootkey import RootKey
from newsletter.wiring import House

NOVEMBER, DECEMBER = Period(2026, 11), Period(2026, 12)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, [NOVEMBER, DECEMBER]) as made:
        made.readers(2)
        yield made


def everything(folder: Path) -> dict[str, object]:
    """Every file below `folder`, by name; of a database, what is in it."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name.endswith(".db"):
            with closing(sqlite3.connect(path)) as database:
                found[name] = list(database.iterdump())
        elif path.is_file() and not path.name.endswith(("-wal", "-shm")):
            found[name] = path.read_bytes()
    return found


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [each.code for each in findings]


def refused(host: Host, period: Period) -> list[str]:
    """The codes with which a send ends that sends nothing."""
    try:
        found = send(host.up().parts, period)
    except (Findings, CouldNotRun) as wrong:
        return codes(wrong.findings)
    assert isinstance(found, Refused), found
    return [found.code]


def setting(host: Host, old: str, new: str) -> None:
    file = host.root / "newsletter.toml"
    text = file.read_text("utf-8")
    assert re.search(old, text)
    host.down()
    file.write_text(re.sub(old, new, text), "utf-8")


def built(host: Host) -> None:
    host.up().rebuild()


def nobody_serves_the_site(host: Host) -> None:
    built(host)
    setting(host, r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:9")
    manifest = host.root / "content/issues/2026-12"
    for file in manifest.glob("en.*"):  # the address it was approved with is another's business
        file.unlink()
    (manifest / "edition.toml").unlink()
    from newsletter.flows.approve import approve

    approve(host.up().settings, DECEMBER, "Editor", DUE)
    built(host)


def nobody_reads(host: Host) -> None:
    with host.up().store.write() as tx:
        tx.execute(sa.delete(subscribers))


def there_is_no_database(host: Host) -> None:
    host.down()
    for file in (host.root / "subscribers").glob("newsletter.db*"):
        file.unlink()


def the_database_is_gone_and_its_witness_is_not(host: Host) -> None:
    host.up().witness.insist(host.up().store)
    there_is_no_database(host)


def it_is_not_approved(host: Host) -> None:
    (host.root / "content/issues/2026-12/edition.toml").unlink()


def a_byte_changed(host: Host) -> None:
    file = host.root / "content/issues/2026-12/en.txt"
    file.write_text(file.read_text("utf-8").replace("letter", "Letter", 1), "utf-8")


def the_address_is_another(host: Host) -> None:
    setting(host, r'(url = "http://127\.0\.0\.1:\d+)"', r'\1/other"')


def the_sender_is_real_and_its_links_are_of_this_machine(host: Host) -> None:
    setting(host, "letter@letter.example.org", "letter@clinic.net")


def it_is_not_due(host: Host) -> None:
    host.world.now = DUE.replace(day=1) - dt.timedelta(hours=9)


def its_month_is_over(host: Host) -> None:
    host.world.now = DUE + dt.timedelta(days=31)


def the_last_one_went_out_yesterday(host: Host) -> None:
    host.world.now = DUE - dt.timedelta(days=2)
    assert isinstance(send(host.up().parts, NOVEMBER), Sent)
    host.world.now = DUE


def a_restored_folder(host: Host) -> None:
    copy = host.world.folder / "copy"
    host.up().witness.insist(host.up().store)
    host.down()
    shutil.copytree(host.root, copy)
    host.world.now = DUE - dt.timedelta(days=2)
    assert isinstance(send(host.up().parts, NOVEMBER), Sent)
    host.down()
    shutil.rmtree(host.root)
    copy.rename(host.root)
    host.world.now = DUE + dt.timedelta(days=20)


def the_clock_is_behind(host: Host) -> None:
    host.world.now = DUE - dt.timedelta(days=2)
    assert isinstance(send(host.up().parts, NOVEMBER), Sent)
    host.world.now -= dt.timedelta(days=1)


def the_key_is_another(host: Host) -> None:
    host.down()
    host.house = House(
        host.up().settings,
        key=RootKey(bytes(range(1, 33))),
        clock=host.clock,
        environ={"XDG_STATE_HOME": str(host.state)},
    )


def the_road_is_named_nowhere(host: Host) -> None:
    setting(host, r"\[delivery\.smtp\]", '[delivery.smtp]\nhost = "smtp.provider.net"')


GATES: list[tuple[Callable[[Host], None], str]] = [
    (nobody_serves_the_site, "NL709"),
    (nobody_reads, "NL614"),
    (there_is_no_database, "NL614"),
    (the_database_is_gone_and_its_witness_is_not, "NL705"),
    (it_is_not_approved, "NL460"),
    (a_byte_changed, "NL462"),
    (the_address_is_another, "NL487"),
    (the_sender_is_real_and_its_links_are_of_this_machine, "NL459"),
    (it_is_not_due, "NL701"),
    (its_month_is_over, "NL611"),
    (the_last_one_went_out_yesterday, "NL613"),
    (a_restored_folder, "NL702"),
    (the_clock_is_behind, "NL710"),
    (the_key_is_another, "NL506"),
    (the_road_is_named_nowhere, "NL601"),
]


@pytest.mark.parametrize(("happens", "code"), GATES, ids=lambda each: getattr(each, "__name__", ""))
def test_a_dry_run_tells_what_a_send_is_refused_for_and_changes_nothing(
    here: World, happens: Callable[[Host], None], code: str
) -> None:
    host = here.host()
    built(host)
    happens(host)
    before = everything(here.folder)

    told = codes(foretell(host.up().ground, DECEMBER).findings)

    assert code in told
    assert len(told) == len(set(told)) or code in ("NL459", "NL601")
    assert everything(here.folder) == before
    assert code in refused(host, DECEMBER)


def test_of_another_month_nothing_is_told_that_one_could_change_in_vain(here: World) -> None:
    """The least gap could be lowered, and the next month's issue would still not go out in this one."""
    host = here.host()
    built(host)
    host.world.now = DUE - dt.timedelta(days=2)
    assert isinstance(send(host.up().parts, NOVEMBER), Sent)
    host.world.now += dt.timedelta(hours=1)

    assert refused(host, DECEMBER) == ["NL611"]
    assert codes(foretell(host.up().ground, DECEMBER).findings) == ["NL611"]


def test_a_dry_run_of_what_will_be_sent_finds_nothing(here: World) -> None:
    host = here.host()
    built(host)
    before = everything(here.folder)

    told = foretell(host.up().ground, DECEMBER)

    assert told.findings == ()
    assert told.audience == {"en": 2}
    assert everything(here.folder) == before
    assert isinstance(send(host.up().parts, DECEMBER), Sent)
    assert foretell(host.up().ground, DECEMBER).account is not None


def test_everything_that_is_in_the_way_is_told_at_once(here: World) -> None:
    host = here.host()
    nobody_reads(host)
    a_byte_changed(host)
    the_road_is_named_nowhere(host)
    it_is_not_due(host)

    told = set(codes(foretell(host.up().ground, DECEMBER).findings))

    assert {"NL601", "NL701", "NL462"} <= told


def test_a_page_that_is_not_made_yet_is_told_as_that(here: World) -> None:
    """Sending would make it; whether it is served then cannot be known before."""
    host = here.host()

    (finding,) = foretell(host.up().ground, DECEMBER).findings
    built(host)

    assert finding.code == "NL709"
    assert "is not made yet" in finding.what
    assert "newsletter build" in finding.help
    assert foretell(host.up().ground, DECEMBER).findings == ()


def test_an_issue_under_way_is_not_gone_on_with_from_a_restored_folder(here: World) -> None:
    host = here.host()
    built(host)
    a_restored_folder(host)

    told = foretell(host.up().ground, NOVEMBER)

    assert "NL702" in codes(told.findings)
