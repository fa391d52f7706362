"""What `deliveries resolve` does: the operator's word, or the mail server's log, into the ledger."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from newsletter.cli.desk import Desk, data, data_json, now, talk
from newsletter.cli.doubts import case_of, evidence
from newsletter.errors import CouldNotRun, Finding

if TYPE_CHECKING:
    import datetime as dt

    from newsletter.delivery.doubt import Case, Effect, Judged, Word
    from newsletter.delivery.states import State
    from newsletter.flows.resolve import Evidence
    from newsletter.wiring import House


def unsaid(period: str) -> Finding:
    return Finding(
        "NL668",
        "say one thing about one delivery, or hand over a mail log",
        help=f"`newsletter deliveries resolve {period} ID --accepted`, --rejected or --again;"
        f" or `newsletter deliveries resolve {period} --mta-log FILE`, with --rejected or --again"
        " for mails that were not taken",
    )


def _ask(question: str, *, yes: bool) -> None:
    """Go on only with --yes or a y on the terminal.

    Raises:
        CouldNotRun: NL669, there is no terminal to ask on, or the answer was no.
    """
    if yes:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
        raise CouldNotRun(
            Finding("NL669", "nothing was changed", help="the delivery stays in doubt")
        )
    raise CouldNotRun(
        Finding("NL669", f"nobody is here to answer: {question}", help="say it with --yes")
    )


def by_word(
    desk: Desk,
    house: House,
    period: str,
    delivery: str,
    after: State,
    *,
    dry_run: bool,
    yes: bool,
    json: bool,
) -> int:
    from newsletter.delivery.ledger import Resolved
    from newsletter.delivery.states import State
    from newsletter.flows import resolve as flow

    zone = house.settings.publication.time_zone
    case = case_of(house, period)
    doubt = next((each for each in case.doubts if each.id == delivery), None)
    if doubt is None:
        raise CouldNotRun(_not_resolved(str(Resolved.UNKNOWN), period))
    if after is State.QUEUED and not case.may_send_again(now()):
        raise CouldNotRun(_not_resolved(str(Resolved.TOO_LATE), period))
    if dry_run:
        data(evidence(case, doubt, zone, now()))
        return 3
    if not yes:
        talk(evidence(case, doubt, zone, now()))
    again = after is State.QUEUED
    _ask(
        "Send it again? If it did arrive, this reader gets two"
        if again
        else f"Is it {after.value}, for good?",
        yes=yes,
    )
    came = flow.by_word(house.settings, house.store, period, delivery, after, now(), house.complain)
    if came is not Resolved.DONE:
        raise CouldNotRun(_not_resolved(str(came), period))
    left = len(case_of(house, period).doubts)
    if json:
        data_json({"id": delivery, "state": after, "in_doubt": left})
    desk.say(f"{delivery} is {after.value} now, on your word; {left} stay in doubt")
    if again:
        desk.say(_next_send(case, zone))
    return 3 if left else 0


def _not_resolved(what: str, period: str) -> Finding:
    return Finding("NL137", what, help=f"see `newsletter deliveries list {period} --in-doubt`")


def _next_send(case: Case, zone: dt.tzinfo) -> str:
    closes = f"{case.closes_at.astimezone(zone):%Y-%m-%d %H:%M}"
    return f"nothing was sent now; before {closes}: newsletter send {case.period}"


def by_log(
    desk: Desk,
    house: House,
    period: str,
    names: list[str],
    form: str,
    complete: bool,
    words: list[State],
    *,
    dry_run: bool,
    yes: bool,
    json: bool,
) -> int:
    from newsletter.delivery.doubt import Effect, Word, settle
    from newsletter.delivery.states import State
    from newsletter.flows import resolve as flow

    found = _look(desk, house, period, names, form)
    word = Word(complete, words[0] if words else None)
    effects: list[Effect | None] = [None] * len(found.judged)
    if not dry_run and found.judged:
        if words:
            _ask(
                f"Whatever {names[-1]} proves not taken is "
                + ("sent again" if words[0] is State.QUEUED else "rejected for good"),
                yes=yes,
            )
        effects = list(settle(house.store, house.journal, period, found.judged, word, now()))
        flow.end(house.settings, house.store, period, now(), house.complain)
    left = len(case_of(house, period).doubts)
    _show(desk, found, effects, word, left, json=json)
    if Effect.AGAIN in effects:
        desk.say(_next_send(found.case, house.settings.publication.time_zone))
    return 3 if left else 0


def _look(desk: Desk, house: House, period: str, names: list[str], form: str) -> Evidence:
    """Read the logs.

    Raises:
        CouldNotRun: NL666 a log cannot be read or says nothing; NL667 OpenSMTPD's
            lines name nobody.
    """
    from newsletter.delivery.mtalog import Format, Unreadable
    from newsletter.flows import resolve as flow

    files: list[Path | IO[bytes]] = [
        sys.stdin.buffer if name == "-" else Path(name) for name in names
    ]
    vault = house.vault if house.settings.sender.bounce_domain else None
    case = case_of(house, period)
    try:
        with desk.progress() as progress:
            found = flow.look(house.store, case, files, Format(form), vault, now(), progress)
    except (OSError, Unreadable) as error:
        why = getattr(error, "strerror", None) or str(error)
        name = getattr(error, "filename", None) or ", ".join(names)
        raise CouldNotRun(_unusable(f"{name} cannot be read as a log: {why}")) from error
    if not found.log.entries:
        raise CouldNotRun(_unusable(f"{', '.join(names)} holds no line of a mail server's log"))
    if found.log.nameless and not found.log.found:
        raise CouldNotRun(
            Finding(
                "NL667",
                "OpenSMTPD logs no Message-ID, and without [sender] bounce_domain our mails share one return path",
                help="say what you saw in it: --accepted, --rejected or --again",
            )
        )
    return found


def _unusable(what: str) -> Finding:
    return Finding(
        "NL666",
        f"{what}; nothing was changed",
        help="give the whole file, plain, .gz, .bz2 or .xz, or - for standard input",
    )


def _show(
    desk: Desk,
    found: Evidence,
    effects: list[Effect | None],
    word: Word,
    left: int,
    *,
    json: bool,
) -> None:
    from newsletter.delivery.doubt import Cover, foresee

    pairs = list(zip(found.judged, effects, strict=True))
    if json:
        data_json(
            {
                "period": found.case.period,
                "log": {"server": found.log.server, "entries": found.log.entries},
                "in_doubt": left,
                "judged": [_judged_plain(each, effect) for each, effect in pairs],
            }
        )
    for each, effect in pairs:
        came = effect.value if effect is not None else _would(foresee(each, word))
        if not json:
            data(f"{each.doubt.id}  {each.proof.value:<9}  {came}  ({each.words})")
    desk.say(
        f"{found.log.entries:,} entries read, {len(found.log.found):,} mails of ours met;"
        f" {left} in doubt"
    )
    if word.complete and any(each.cover is Cover.EARLY for each in found.judged):
        desk.say(
            "a mail server may take ten minutes over a mail; what it does not name then was not"
            " taken: ask again with the log of that moment"
        )
    if (
        left
        and any(each.proof.value in ("absent", "begun") for each in found.judged)
        and not word.complete
    ):
        desk.say(
            "if nothing of the log is missing, --log-is-complete says so: what it does not name was not taken"
        )


def _would(after: State | None) -> str:
    from newsletter.delivery.states import State

    if after is None:
        return "would stay in doubt"
    if after is State.IN_DOUBT:
        return "not taken; would wait for --again or --rejected"
    return f"would be {after.value}"


def _judged_plain(each: Judged, effect: Effect | None) -> dict[str, Any]:
    return {
        "id": each.doubt.id,
        "message_id": each.doubt.message_id,
        "proof": each.proof,
        "cover": each.cover,
        "words": each.words,
        "effect": effect,
    }
