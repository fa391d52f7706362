"""What is known of a delivery in doubt, for people and for scripts, and the commands that end it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from newsletter.delivery.doubt import Case, Doubt
    from newsletter.wiring import House


def case_of(house: House, period: str) -> Case:
    from newsletter.delivery.doubt import case

    with house.store.read() as tx:
        found = case(tx, period)
    assert found is not None, "it was opened"
    return found


def evidence(case: Case, doubt: Doubt, zone: dt.tzinfo, moment: dt.datetime) -> str:
    """Everything that is known of one doubt, and the commands that end it."""

    def at(moment: dt.datetime | None) -> str:
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}" if moment else "at an unknown time"

    rows = [
        f"{doubt.id}  <{doubt.message_id}>",
        f"  begun {at(doubt.begun_at)}, try {doubt.tries}, {doubt.language};"
        f" in doubt since {at(doubt.since)}",
        f"  {_reached(doubt)}",
        f"  sender: {_sender(doubt, zone)}",
        *(f"  {each}" for each in doubt.evidence),
    ]
    rows += [f"  {note:<26}{command}" for note, command in commands(case, doubt, zone, moment)]
    return "\n".join(rows)


def _reached(doubt: Doubt) -> str:
    """How far it got, and the last words of the server that name nobody."""
    if doubt.stage is None:
        return f"how far it got, nobody wrote down: {doubt.why}"
    words = (doubt.code, doubt.enhanced, doubt.reply)
    said = " ".join(str(each) for each in words if each)
    return f"reached {doubt.stage}: {said or 'no answer'}"


_ENDED = {"alive": "told it itself"}
"""How a sender left the doubt; the rest of the words are those of whereabouts.Life."""


def _sender(doubt: Doubt, zone: dt.tzinfo) -> str:
    who = doubt.sender
    if who is None:
        return "not known"
    lease = f"{who.lease_until.astimezone(zone):%Y-%m-%d %H:%M}"
    ended = (
        f"sends now, its lease runs until {lease}"
        if who.here
        else f"{_ENDED.get(who.ended, who.ended)}, lease until {lease}"
    )
    return f"pid {who.pid} on {who.host}, boot {who.boot_id or '-'}; {ended}"


def commands(
    case: Case, doubt: Doubt, zone: dt.tzinfo, moment: dt.datetime
) -> list[tuple[str, str]]:
    word = f"newsletter deliveries resolve {case.period} {doubt.id}"
    if doubt.sender is not None and doubt.sender.here:
        return [("its answer may come:", f"newsletter deliveries list {case.period} --in-doubt")]
    rows = [("it arrived:", f"{word} --accepted"), ("it never will:", f"{word} --rejected")]
    if case.may_send_again(moment):
        until = f"{case.closes_at.astimezone(zone):%m-%d %H:%M}"
        rows.append((f"again, until {until}:", f"{word} --again"))
    return rows


def over(case: Case) -> str:
    return case.state if case.state != "open" else "at its end"


def case_plain(
    case: Case, shown: Sequence[Doubt], whom: dict[str, str] | None, moment: dt.datetime
) -> dict[str, Any]:
    return {
        "period": case.period,
        "state": case.state,
        "closes_at": case.closes_at,
        "may_send_again": case.may_send_again(moment),
        "under_way": case.under_way,
        "count": len(case.doubts),
        "in_doubt": [
            asdict(each)
            | {"commands": [command for _, command in commands(case, each, dt.UTC, moment)]}
            | address_of(whom, each.id)
            for each in shown
        ],
    }


def address_of(whom: dict[str, str] | None, delivery: str) -> dict[str, str | None]:
    """Nothing where nobody asked for addresses."""
    return {} if whom is None else {"address": whom.get(delivery)}
