"""End doubts: by the operator's word, or by what the mail server logged. Sends nothing.

word            -> ledger
log files       -> our mails in it -> a proof for each doubt -> ledger, feedback
afterwards      -> close what can be closed -> the public record
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from newsletter.config import Settings
from newsletter.delivery import doubt, ledger, mtalog
from newsletter.delivery.doubt import Case, Judged
from newsletter.delivery.ledger import Resolved
from newsletter.delivery.mtalog import Format, Log
from newsletter.delivery.report import Progress
from newsletter.delivery.states import State
from newsletter.flows.telling import tell
from newsletter.store import Store
from newsletter.subscribers.tokens import ID_BYTES, Purpose
from newsletter.subscribers.vault import Vault

_RETURN_PATH = re.compile(r"b\+([A-Za-z0-9_-]{32})@", re.ASCII)
"""What press.py writes into MAIL FROM with [sender] bounce_domain."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a log says of every doubt of an issue, in the order of the doubts."""

    case: Case
    log: Log
    judged: tuple[Judged, ...]


def look(
    store: Store,
    found: Case,
    files: Sequence[Path | IO[bytes]],
    form: Format,
    vault: Vault | None,
    now: dt.datetime,
    progress: Progress | None = None,
) -> Evidence:
    """Read `files`, oldest first, for the doubts of `found`. `vault` None: return paths name nobody.

    Raises:
        mtalog.Unreadable: a file breaks off.
        OSError: a file cannot be read.
    """
    with store.read() as tx:
        around = doubt.neighbours(tx, found)
        wanted = {each.message_id for each in found.doubts}
        wanted |= {name for each in around.values() for name in (*each.before, *each.after)}
    log = mtalog.read(
        files,
        wanted,
        form,
        name_of=_namer(vault, wanted) if vault is not None else None,
        progress=progress,
    )
    judged = tuple(doubt.judge(each, around[each.id], log, now) for each in found.doubts)
    return Evidence(found, log, judged)


def _namer(vault: Vault, wanted: set[str]) -> Callable[[str], str | None]:
    """From a return path to the Message-ID of the same delivery, where that is one of `wanted`."""
    names = {
        bytes.fromhex(delivery)[:ID_BYTES]: each
        for each in wanted
        if (delivery := vault.delivery_named(each)) is not None
    }

    def name_of(path: str) -> str | None:
        found = _RETURN_PATH.match(path)
        name = vault.read_token(Purpose.BOUNCE, found[1]) if found else None
        return names.get(name) if name is not None else None

    return name_of


def by_word(
    settings: Settings,
    store: Store,
    period: str,
    delivery_id: str,
    after: State,
    now: dt.datetime,
    complain: Callable[[Exception], None],
) -> Resolved:
    """The operator says what became of one delivery."""
    with store.write() as tx:
        came = ledger.resolve(tx, period, delivery_id, after, now)
    if came is Resolved.DONE:
        end(settings, store, period, now, complain)
    return came


def end(
    settings: Settings,
    store: Store,
    period: str,
    now: dt.datetime,
    complain: Callable[[Exception], None],
) -> None:
    """Close the issue if that was the last doubt, and let the public record say what is so now."""
    with store.write() as tx:
        ledger.close(tx, period, now)
    tell(settings, store, now, complain, also=[period])
