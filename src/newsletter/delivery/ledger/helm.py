"""The helm: of all copies of a store on this host, one is sent from at a time.

    STORE-helm-FILE     in the mirror's folder, locked while anybody sends from that file

A copy of a database knows of nothing that happens to the other, and for a
moment both are where the witness saw them: two that begin together would both
send. So whoever sends holds the helm from before the witness is asked until it
has been told. The copies are told apart by the file itself and its log, on
PostgreSQL by the server's own number and the database's. The lock goes with
the process, however that ends; one that is stopped keeps it.

Several senders of one copy hold it together. A host that keeps no mirror has no
helm, and sends no issue (NL711).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from newsletter.errors import CouldNotRun, Finding
from newsletter.files import hold
from newsletter.store import Store
from newsletter.store.schema import identity

ANOTHER_COPY = Finding(
    "NL702",
    "another copy of this database is being sent from at this moment",
    help="one of the two is a copy; nothing is sent from it, and nothing adopted, while the other one is",
)
_HELM = "-helm-"
PATIENCE_SECONDS = 30
"""How long another process of this host may hold the mirror's folder; it takes milliseconds."""


@contextmanager
def held(store: Store) -> Iterator[None]:
    """Send from this copy of the store, or judge it, in the body.

    Raises:
        CouldNotRun: NL702, another copy of it is being sent from on this host.
    """
    with store.write(durable=False) as tx:  # by the pen, whose file may have lost its name since
        place = _place(tx)
    ours = None
    if place is not None:
        with suppress(OSError):  # no issue begins without its witness, which lies in that folder
            ours = _take(place)
            if ours is None:
                raise CouldNotRun(ANOTHER_COPY)
    try:
        yield
    finally:
        if ours is not None:
            _LOCKS.discard(ours)
            os.close(ours)


def _place(tx: Connection) -> Path | None:
    """This copy's file; None where there is no mirror, or nothing tells one copy from another."""
    folder, store = tx.get_execution_options().get("mirror"), identity(tx)
    if folder is None or store is None:
        return None
    copy = tx.info["file"] if tx.dialect.name == "sqlite" else _on_a_server(tx)
    return None if copy is None else Path(folder) / f"{store.hex()}{_HELM}{copy}"


def _on_a_server(tx: Connection) -> str | None:
    """The server's number and the database's; None where the server tells this role nothing."""
    try:
        with tx.begin_nested():
            number, database = tx.execute(_NUMBERS).one()
    except DBAPIError:
        return None
    return f"{number}-{database}"


_NUMBERS = sa.text(
    "SELECT system_identifier, oid FROM pg_control_system(), pg_database"
    " WHERE datname = current_database()"
)


def _take(place: Path) -> int | None:
    """The descriptor of our lock; None: another copy has one.

    Raises:
        OSError: the mirror cannot be kept, or somebody stands still in it.
    """
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with hold(place.parent, PATIENCE_SECONDS):
        for other in place.parent.glob(f"{place.name.partition(_HELM)[0]}{_HELM}*"):
            if other != place:
                if _is_taken(other):
                    return None
                other.unlink(missing_ok=True)
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # nobody locks it alone but in here
    _LOCKS.add(descriptor)
    return descriptor


_LOCKS: set[int] = set()
"""Descriptors of this process. A child that outlives it (the site is made by several) must not keep them."""


def _let_go() -> None:
    while _LOCKS:
        os.close(_LOCKS.pop())


os.register_at_fork(after_in_child=_let_go)


def _is_taken(place: Path) -> bool:
    descriptor = os.open(place, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
