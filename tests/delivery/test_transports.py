"""Every transport under the one contract (transport_contract.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from scripted_relay import DROP, GARBAGE, GOOD, HANG, Scripted, Step, relay
from transport_contract import Fault, TransportContract

from newsletter.delivery.outcome import Transport
from newsletter.delivery.transports.outbox import OutboxTransport
from newsletter.delivery.transports.smtp import Patience, Relay, SmtpTransport

QUICK = Patience(*[0.3] * 6)


class SmtpFarEnd:
    """A scripted relay."""

    without: frozenset[Fault] = frozenset()
    FAULTS = {
        Fault.DOWN: {Step.GREETING: DROP},
        Fault.LATER: {Step.RCPT: "451 4.7.1 <{0}> is greylisted"},
        Fault.NO_SUCH_READER: {Step.RCPT: "550 5.1.1 <{0}>: {0} unknown"},
        Fault.NOT_US: {Step.MAIL: "550 5.7.1 not from you"},
        Fault.CUT: {Step.DOT: DROP},
        Fault.NONSENSE: {Step.DOT: GARBAGE},
        Fault.SILENCE: {Step.DOT: HANG},
    }

    def __init__(self, server: Scripted) -> None:
        self.server = server
        self.transport: Transport = SmtpTransport(
            Relay("127.0.0.1", server.port, "none", "letter.example.org", patience=QUICK)
        )
        self._now: dict[Step, str] = {}
        server.script = {step: self._action(step) for step in Step if step in GOOD}

    def _action(self, step: Step):  # type: ignore[no-untyped-def]
        def act(line: str) -> str:
            found = re.search(r"<([^>]*)>", line)
            return self._now.get(step, GOOD[step]).format(found[1] if found else "")

        return act

    def behave(self, fault: Fault) -> None:
        self._now = self.FAULTS.get(fault, {})

    def arrived(self) -> list[str]:
        return self.server.accepted

    def contacts(self) -> int:
        return self.server.connections


class TestSmtp(TransportContract):
    @pytest.fixture(params=[True, False], ids=["pipelined", "step by step"])
    def far(self, request: pytest.FixtureRequest) -> Iterator[SmtpFarEnd]:
        with relay(pipelining=request.param) as server:
            yield SmtpFarEnd(server)


class OutboxFarEnd:
    """A folder; when it is "down", a file stands in its place."""

    without = frozenset(Fault) - {Fault.NONE, Fault.DOWN}

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = folder.with_name("aside")
        self.transport: Transport = OutboxTransport(folder)

    def behave(self, fault: Fault) -> None:
        if fault is Fault.DOWN:
            if self._folder.exists():
                self._folder.rename(self._aside)
            self._folder.write_bytes(b"")
        elif self._folder.is_file():
            self._folder.unlink()
            if self._aside.exists():
                self._aside.rename(self._folder)

    def _mails(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return sorted(self._folder.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)

    def arrived(self) -> list[str]:
        found = [re.search(rb"^To: (\S+)", file.read_bytes(), re.M) for file in self._mails()]
        return [each[1].decode() for each in found if each]

    def contacts(self) -> int:
        return len(self._mails())


class TestOutbox(TransportContract):
    @pytest.fixture
    def far(self, tmp_path: Path) -> Iterator[OutboxFarEnd]:
        with ExitStack():
            yield OutboxFarEnd(tmp_path / "outbox")
