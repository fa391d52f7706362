"""What every transport owes the send loop, as tests. Each transport passes all of them.

    class TestSmtp(TransportContract):
        @pytest.fixture
        def far(self) -> Iterator[FarEnd]: ...

A `FarEnd` is the other side, real and on this machine: it shows what arrived,
and can be told to misbehave. A fault that a road cannot have stands in its
`without`, so that what is not tested is written down.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from enum import StrEnum
from typing import Protocol

import pytest

from newsletter import codes
from newsletter.delivery import message as post
from newsletter.delivery.headers import Letterhead
from newsletter.delivery.message import Content
from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage, Transport, boot_seconds
from newsletter.issue.edition import leave_url

LETTERHEAD = Letterhead(
    name="Test letter",
    address="letter@letter.example.org",
    reply_to=None,
    list_id="letter.letter.example.org",
    title="Test letter",
    public_url="https://letter.example.org",
    site_url="https://letter.example.org",
)
CANARY = "annacanary"
"""The local part of every reader here; it may stand in no outcome."""


class Fault(StrEnum):
    """What the far end does to the next messages, until it is told otherwise."""

    NONE = "none"
    DOWN = "down"
    """Nobody answers there."""
    LATER = "later"
    """A reply that means: not now (4yz, 429, 5xx of a web service)."""
    NO_SUCH_READER = "no such reader"
    """A refusal of this one mailbox, which names it in its words."""
    NOT_US = "not us"
    """A refusal of the sender: 5yz at MAIL, a wrong key."""
    CUT = "cut"
    """The message was handed over whole; the line goes dead instead of an answer."""
    NONSENSE = "nonsense"
    """The message was handed over whole; the answer is none."""
    SILENCE = "silence"
    """The message was handed over whole; no answer ever comes."""


MEANS: dict[Fault, frozenset[Kind]] = {
    Fault.NONE: frozenset({Kind.ACCEPTED}),
    Fault.DOWN: frozenset({Kind.DEFERRED, Kind.OUR_FAULT}),
    Fault.LATER: frozenset({Kind.DEFERRED}),
    Fault.NO_SUCH_READER: frozenset({Kind.REJECTED}),
    Fault.NOT_US: frozenset({Kind.OUR_FAULT}),
    Fault.CUT: frozenset({Kind.IN_DOUBT}),
    Fault.NONSENSE: frozenset({Kind.IN_DOUBT}),
    Fault.SILENCE: frozenset({Kind.IN_DOUBT}),
}
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]


class FarEnd(Protocol):
    """The other side. `transport` leads to it, with a patience of well under a second."""

    transport: Transport
    without: frozenset[Fault]
    """Faults that this road cannot have."""

    def behave(self, fault: Fault) -> None:
        """From the next message (or dial) on."""
        ...

    def arrived(self) -> list[str]:
        """Recipients whose message was taken: answered with an acceptance, in order."""
        ...

    def contacts(self) -> int:
        """How often somebody called, message or not."""
        ...


def reader(number: int = 0) -> Envelope:
    return Envelope("letter@letter.example.org", f"{CANARY}{number}@example.org")


def mail(number: int = 0) -> bytes:
    """A real message of ours to reader `number`."""
    link = leave_url(LETTERHEAD.public_url)
    content = Content("A letter", f"<p>Hello</p><a href='{link}'>x</a>", f"Hello\n.dot\n{link}\n")
    template = post.issue(
        LETTERHEAD, content, "2026-12", dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)
    )
    return template.fill(
        reader(number).recipient,
        f"<reader{number}x@letter.example.org>",
        "AbCdEfGh-_0123456789AbCdEfGh-_01",
    )


class TransportContract:
    """Subclass it with a fixture `far`."""

    def test_it_has_a_name_and_a_new_connection_calls_nobody(self, far: FarEnd) -> None:
        assert far.transport.name.isidentifier()
        far.transport.connect().close()
        assert far.contacts() == 0

    def test_ready_says_nothing_when_all_is_well_however_often_it_is_asked(
        self, far: FarEnd
    ) -> None:
        connection = far.transport.connect()
        assert [connection.ready(), connection.ready()] == [None, None]
        assert far.arrived() == []
        connection.close()

    def test_each_message_arrives_once_in_order_on_one_connection(self, far: FarEnd) -> None:
        connection = far.transport.connect()
        outcomes = [connection.send(reader(each), mail(each)) for each in range(5)]
        connection.close()
        assert [outcome.kind for outcome in outcomes] == [Kind.ACCEPTED] * 5
        assert {outcome.stage for outcome in outcomes} == {Stage.TERMINATOR}
        assert far.arrived() == [reader(each).recipient for each in range(5)]

    def test_connections_of_one_transport_do_not_mix_their_messages(self, far: FarEnd) -> None:
        kinds: list[Kind] = []

        def work(first: int) -> None:
            connection = far.transport.connect()
            kinds.extend(
                connection.send(reader(each), mail(each)).kind for each in range(first, first + 5)
            )
            connection.close()

        threads = [threading.Thread(target=work, args=(first,)) for first in (0, 100, 200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert kinds == [Kind.ACCEPTED] * 15
        wanted = {reader(first + each).recipient for first in (0, 100, 200) for each in range(5)}
        assert len(far.arrived()) == 15
        assert set(far.arrived()) == wanted

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_fault_means_what_the_table_says_and_the_way_is_open_again_after_it(
        self, far: FarEnd, fault: Fault
    ) -> None:
        if fault in far.without:
            return
        connection = far.transport.connect()
        far.behave(fault)
        outcome = connection.send(reader(), mail())
        assert outcome.kind in MEANS[fault]
        assert far.arrived() == []
        far.behave(Fault.NONE)
        assert connection.send(reader(1), mail(1)).kind is Kind.ACCEPTED
        assert far.arrived() == [reader(1).recipient]
        connection.close()

    @pytest.mark.parametrize("fault", FAULTS)
    def test_no_outcome_names_the_reader(self, far: FarEnd, fault: Fault) -> None:
        if fault in far.without:
            return
        connection = far.transport.connect()
        far.behave(fault)
        assert CANARY not in repr(connection.send(reader(), mail()))
        connection.close()

    def test_who_is_down_is_told_by_ready_before_a_message_is_begun(self, far: FarEnd) -> None:
        far.behave(Fault.DOWN)
        connection = far.transport.connect()
        trouble = connection.ready()
        if Fault.DOWN in far.without:
            assert trouble is None
        else:
            assert trouble is not None
            assert trouble.kind in MEANS[Fault.DOWN]
        connection.close()

    def test_a_message_whose_lease_is_over_is_not_handed_over(self, far: FarEnd) -> None:
        connection = far.transport.connect()
        late = dataclasses.replace(reader(), dot_before=boot_seconds() - 1)
        outcome = connection.send(late, mail())
        assert outcome.kind is Kind.DEFERRED
        assert far.arrived() == []
        in_time = dataclasses.replace(reader(1), dot_before=boot_seconds() + 60)
        assert connection.send(in_time, mail(1)).kind is Kind.ACCEPTED
        connection.close()

    def test_after_an_abort_nothing_more_goes_out_and_nothing_raises(self, far: FarEnd) -> None:
        connection = far.transport.connect()
        assert connection.send(reader(), mail()).kind is Kind.ACCEPTED
        connection.abort()
        outcome = connection.send(reader(1), mail(1))
        assert outcome.kind is Kind.DEFERRED
        assert connection.ready() is not None
        connection.abort()
        connection.close()
        assert far.arrived() == [reader().recipient]

    def test_an_abort_ends_the_send_that_is_under_way(self, far: FarEnd) -> None:
        if Fault.SILENCE in far.without:
            return
        far.behave(Fault.SILENCE)
        connection = far.transport.connect()
        found: list[Outcome] = []
        thread = threading.Thread(target=lambda: found.append(connection.send(reader(), mail())))
        thread.start()
        connection.abort()
        thread.join(10)
        # Before its first byte, or while it waits for the answer: never accepted.
        assert [outcome.kind for outcome in found] in ([Kind.IN_DOUBT], [Kind.DEFERRED])
        connection.close()

    @pytest.mark.parametrize("fault", FAULTS)
    def test_what_stops_the_sender_is_explained_in_a_line_that_names_no_reader(
        self, far: FarEnd, fault: Fault
    ) -> None:
        if fault in far.without:
            return
        far.behave(fault)
        connection = far.transport.connect()
        outcome = connection.send(reader(), mail())
        connection.close()
        found = far.transport.explain(outcome)
        assert found.code in codes.entries()
        assert found.what
        assert found.help
        assert CANARY not in f"{found.what}{found.help}"
        assert "\n" not in found.what

    def test_closing_twice_or_unopened_is_no_trouble(self, far: FarEnd) -> None:
        unopened = far.transport.connect()
        unopened.close()
        unopened.close()
        connection = far.transport.connect()
        connection.send(reader(), mail())
        connection.close()
        connection.close()
        assert far.arrived() == [reader().recipient]
