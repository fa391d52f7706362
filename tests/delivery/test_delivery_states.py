"""One table of states, three places: the code, the database's CHECK, the page for people."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_house import House

from newsletter.delivery.states import ALLOWED, PENDING, SETTLED, State, before, may
from newsletter.store.tables import DELIVERY_STATES, deliveries, notices

PAGE = Path(__file__).parents[2] / "docs" / "delivery-states.md"


def test_the_page_has_exactly_the_arrows_of_the_code() -> None:
    arrows = set()
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and cells[0] not in ("from", "---"):
            arrows |= {(f, t) for f in cells[0].split(", ") for t in cells[1].split(", ")}
    assert arrows == {(f.value, t.value) for f, following in ALLOWED.items() for t in following}


def test_the_database_knows_the_same_states() -> None:
    assert set(DELIVERY_STATES) == {state.value for state in State}
    for table in (deliveries, notices):
        (check,) = [
            str(constraint.sqltext)
            for constraint in table.constraints
            if isinstance(constraint, sa.CheckConstraint)
        ]
        assert all(f"'{state}'" in check for state in State)


def test_no_other_state_gets_into_the_database(house: House) -> None:
    house.readers(1)
    house.open()
    with pytest.raises(sa.exc.IntegrityError), house.store.write() as tx:
        tx.execute(sa.update(deliveries).values(state="sent"))


def test_every_state_is_pending_or_settled_and_has_its_arrows() -> None:
    assert set(ALLOWED) == set(State) == PENDING | SETTLED
    assert not PENDING & SETTLED
    assert may(State.CLAIMED, State.SENDING)
    assert not may(State.ACCEPTED, State.QUEUED)
    assert before(State.SENDING) == {State.CLAIMED}
