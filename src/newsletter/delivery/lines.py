"""The lines: every connection of a sender, held by one thread that waits for all of them at once.

    dialling --> free --> sending --> free ...      gone: the relay cannot be reached here

A connection that can take steps (delivery/steps.py) is sent through right
here. One that cannot, and whatever blocks, is an errand of the line's own
thread (worker.py); the errand's end wakes the one that waits.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

from newsletter.delivery.ledger import Job
from newsletter.delivery.outcome import Envelope, Following, Kind, Outcome, Stage, Transport
from newsletter.delivery.steps import Dial, Stepping, Steps, Wait
from newsletter.delivery.worker import Worker

TICK_SECONDS = 0.1
"""How often it is looked whether a wait is over."""


class Doing(StrEnum):
    DIALLING = "dialling"
    FREE = "free"
    SENDING = "sending"
    GONE = "gone"


class Composed(NamedTuple):
    """A job, ready to be sent."""

    job: Job
    envelope: Envelope
    message: bytes


class Line:
    """One connection and what it is doing. `job` is the row it was given, until that is settled."""

    def __init__(self, lines: Lines, transport: Transport) -> None:
        self._lines = lines
        connection = self.connection = transport.connect()
        self.stepping = connection if isinstance(connection, Stepping) else None
        self.worker = Worker(connection, lines.halt, lines.retries, self._told)
        self.doing = Doing.FREE
        self.job: Job | None = None
        self.outcome: Outcome | None = None
        """What came of the job, or the trouble of a line that is gone."""
        self.rests_until = 0.0
        self.following: Composed | None = None
        """What it is given next: claimed and composed, perhaps announced, not begun."""
        self.dialogue: Steps | None = None
        self.until = 0.0
        self.watched = (-1, 0)
        """The descriptor that the selector watches for this line, and for what."""

    @property
    def result(self) -> tuple[Job, Outcome]:
        """Of a message that has come to an end."""
        assert self.job is not None
        assert self.outcome is not None
        return self.job, self.outcome

    @property
    def under_way(self) -> bool:
        """A message was begun on it, and nothing is known of it yet."""
        return self.doing is Doing.SENDING and self.outcome is None

    def _told(self, came_of_it: Outcome | None) -> None:
        self._lines.tell(self, came_of_it)


class Lines:
    """For one thread, except `tell`."""

    def __init__(
        self, transport: Transport, number: int, halt: threading.Event, retries: Sequence[float]
    ) -> None:
        self.halt, self.retries = halt, retries
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        for end in (self._bell, self._ear):
            end.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._shelf: deque[tuple[Line, Outcome | None]] = deque()
        self._looked = time.monotonic()
        self.every = [Line(self, transport) for _ in range(number)]
        for line in self.every:
            line.worker.start()
            self._dial(line)

    def tell(self, line: Line, came_of_it: Outcome | None) -> None:
        """An errand is done. Called in the line's own thread."""
        self._shelf.append((line, came_of_it))
        with suppress(OSError):  # full: it rings already; closed: nobody listens any more
            self._bell.send(b".")

    def wait(self, seconds: float) -> None:
        """Take every step that can be taken; wait for the first one at most `seconds`."""
        for key, _ in self._selector.select(min(seconds, TICK_SECONDS)):
            line = key.data
            if line is None:
                self._ear.recv(4096)
            elif line.dialogue is None:
                self._watch(line, None)  # hung up while nobody talks: `ready` finds out
            else:
                self._step(line)
        while self._shelf:
            self._done(*self._shelf.popleft())
        if time.monotonic() - self._looked > TICK_SECONDS:
            self._time_out()

    def gather(self, seconds: float) -> None:
        """When few of the messages under way have their answer, wait for others at most `seconds`."""
        until = time.monotonic() + seconds
        while self._few_of_many() and (left := until - time.monotonic()) > 0:
            self.wait(left)

    def _few_of_many(self) -> bool:
        """Some, and fewer than seven of eight: the last of many may be long in coming."""
        busy = [line for line in self.every if line.doing is Doing.SENDING]
        answered = sum(line.outcome is not None for line in busy)
        return 0 < answered < len(busy) * 7 / 8

    def send(self, line: Line, envelope: Envelope, message: bytes) -> None:
        """Begin a message on a free line; what follows it there may be announced."""
        line.doing, line.outcome = Doing.SENDING, None
        if line.stepping is None:
            line.worker.send(envelope, message)
        else:
            after = line.following
            hint = None if after is None else Following(after.envelope, len(after.message))
            line.dialogue = line.stepping.steps(envelope, message, hint)
            self._step(line)

    def free(self, line: Line) -> None:
        """What came of the job is written down: the line may take another, once it is open."""
        line.job = line.outcome = None
        if line.stepping is not None and line.stepping.fileno() >= 0:
            line.doing = Doing.FREE
        else:
            self._dial(line)

    def hang_up(self, line: Line) -> None:
        """A free line rests without its connection; it is dialled anew for the next message."""
        self._watch(line, None)  # before its number comes again as another line's
        line.connection.close()

    def leave(self, line: Line) -> None:
        """Nothing more to do on this line."""
        line.doing = Doing.GONE
        self._watch(line, None)
        line.worker.go_home()

    def cut(self) -> None:
        """Break off whatever is under way; what came of it is seen by `wait`."""
        for line in self.every:
            if line.doing in (Doing.DIALLING, Doing.SENDING):
                line.connection.abort()

    def close(self, seconds: float) -> None:
        """Close every line; whoever does not end within `seconds` is left behind."""
        until = time.monotonic() + seconds
        for line in self.every:
            line.worker.go_home()
        for line in self.every:
            line.worker.join(max(0.0, until - time.monotonic()))
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def _dial(self, line: Line) -> None:
        line.doing = Doing.DIALLING
        self._watch(line, None)
        line.worker.dial()

    def _done(self, line: Line, came_of_it: Outcome | None) -> None:
        """An errand came to an end."""
        if line.dialogue is not None:
            self._step(line, came_of_it)
        elif line.doing is Doing.SENDING:
            line.outcome = came_of_it
        elif line.doing is Doing.DIALLING:
            line.outcome = came_of_it
            line.doing = Doing.FREE if came_of_it is None else Doing.GONE

    def _step(
        self, line: Line, answer: Outcome | None = None, error: Exception | None = None
    ) -> None:
        """Let the dialogue go on until it has to wait, or has come to an end."""
        dialogue = line.dialogue
        assert dialogue is not None
        try:
            wait = dialogue.send(answer) if error is None else dialogue.throw(error)
        except StopIteration as end:
            line.dialogue, line.outcome = None, end.value
            if line.stepping is None or line.stepping.fileno() != line.watched[0]:
                self._watch(line, None)  # hung up: its number may come again as another's
        except Exception as broken:  # noqa: BLE001 - nobody can say how far it got
            line.dialogue = None
            line.outcome = Outcome(
                Kind.IN_DOUBT, Stage.TERMINATOR, reply=f"broke: {type(broken).__name__}"
            )
            self._watch(line, None)
            line.connection.close()
        else:
            self._watch(line, wait)
            if isinstance(wait, Dial):
                line.worker.ready()

    def _watch(self, line: Line, wait: Wait | Dial | None) -> None:
        """Have the selector look at what the line waits for. A descriptor may come again with another socket."""
        wanted = (-1, 0)
        if isinstance(wait, Wait) and line.stepping is not None:
            line.until = wait.until
            event = selectors.EVENT_WRITE if wait.writes else selectors.EVENT_READ
            wanted = (line.stepping.fileno(), event)
        if wanted == line.watched:
            return
        if line.watched[0] >= 0:
            with suppress(KeyError, ValueError, OSError):
                self._selector.unregister(line.watched[0])
        if wanted[0] >= 0:
            self._selector.register(*wanted, line)
        line.watched = wanted

    def _time_out(self) -> None:
        now = self._looked = time.monotonic()
        for line in self.every:
            if line.dialogue is not None and line.watched[0] >= 0 and line.until < now:
                self._step(line, error=TimeoutError())
