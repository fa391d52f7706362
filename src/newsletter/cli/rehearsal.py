"""`send --to-inbox`: the approved bytes, on the real road, to made-up readers on this machine.

    a throw-away list and key ─► one reader per language ─► open ─► send loop ─► SMTP ─► inbox

The real list is not opened and nothing counts as sent. What stands in the
inbox is, byte for byte but for the address and its token, what a reader gets.
"""

from __future__ import annotations

import datetime as dt
import secrets
import socket
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.errors import CouldNotRun, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from newsletter.config import Settings
    from newsletter.delivery.loop import Report
    from newsletter.issue.edition import ApprovedIssue
    from newsletter.wiring import House

LOOPBACK = "127.0.0.1"
BANNER = b"newsletter inbox"
"""What our own inbox says of itself; no other server on this machine is sent a trial."""


def running_inbox(port: int) -> bool:
    """Whether our own inbox takes mail on `port` of this machine."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=2) as probe:
        probe.settimeout(2)
        return BANNER in probe.recv(512)
    return False


@contextmanager
def trial_house(settings: Settings, issue: ApprovedIssue, port: int) -> Iterator[House]:
    """The publication with a throw-away list and key, a reader for each language, and an inbox on `port`."""
    from newsletter.subscribers.rootkey import KEY_BYTES, RootKey
    from newsletter.wiring import House

    with tempfile.TemporaryDirectory(prefix="newsletter-trial-") as folder:
        trial = _settings(settings, Path(folder), port)
        clock = _clock_from(issue.as_of + dt.timedelta(seconds=1))
        key = RootKey(secrets.token_bytes(KEY_BYTES))
        with House(trial, key=key, clock=clock) as house:
            _people(house, clock())
            yield house


def rehearse(house: House, issue: ApprovedIssue, stop: threading.Event) -> Report:
    """Send `issue` to the readers of a trial house.

    Raises:
        CouldNotRun: NL143, no inbox took it, or the ledger refuses it even here.
    """
    from newsletter.delivery import ledger, loop

    settings = house.settings
    rules = ledger.Rules(
        settings.publication.time_zone, 0, settings.sender.address.rpartition("@")[2]
    )
    opened = ledger.open_issue(house.store, house.vault, issue, rules, house.clock())
    if isinstance(opened, ledger.Refused):
        raise CouldNotRun(
            Finding("NL143", f"the trial could not begin: {opened.sentence}", help=opened.help)
        )
    press = house.press()
    with house.store.read() as tx:
        press.load(tx, issue.period)
    report = loop.send(
        house.store,
        press,
        house.transport,
        [ledger.Lane(issue.period)],
        pace=loop.Pace(connections=1, retries=()),
        clock=house.clock,
        stop=stop,
    )
    if not report.accepted:
        raise CouldNotRun(
            Finding(
                "NL143",
                f"the trial reached no inbox: {report.why or report.stop}",
                help="start `newsletter inbox` in another window, then try again",
            )
        )
    return report


def _settings(settings: Settings, folder: Path, port: int) -> Settings:
    from newsletter.config import Delivery, Smtp, Store

    store = Store(
        url=f"sqlite:///{folder / 'people' / 'trial.db'}",
        witness=str(folder / "witness.json"),
        mirror=str(folder / "mirror"),
        journal=str(folder / "journal.jsonl"),
    )
    smtp = Smtp(host=LOOPBACK, port=port, security="none")
    return settings.model_copy(
        update={"store": store, "delivery": Delivery(transport="smtp", smtp=smtp)}
    )


def _clock_from(start: dt.datetime) -> Callable[[], dt.datetime]:
    """A clock that begins at the issue's own moment: a trial need not wait for its month."""
    begun = time.monotonic()
    return lambda: start + dt.timedelta(seconds=time.monotonic() - begun)


def _people(house: House, now: dt.datetime) -> None:
    """One confirmed reader for each language, at an address that exists nowhere (RFC 2606)."""
    from newsletter.subscribers import address, people, wordings

    earlier, vault = now - dt.timedelta(hours=1), house.vault
    for tag in house.settings.publication.languages:
        who = address.read(f"reader-{tag.lower()}@example.org")
        assert isinstance(who, address.Address)
        wording = house.agreed.today(tag)
        with house.store.write() as tx:
            wordings.register(tx, [wording], earlier)
            asked = people.ask(tx, vault, who, tag, wording.hash, earlier)
            assert asked.confirmation_id is not None
            people.confirm(tx, asked.confirmation_id, earlier)
