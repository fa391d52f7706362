"""The fault matrix: each step of the dialogue, each thing that can go wrong there, and the state of the row.

Through the whole send loop and the ledger: two readers and one line. The first
run meets the fault; ten minutes later a second run meets none. After the first
the row is in the state that stands in the table, by name; after the second
everybody has exactly one copy, or is in the state that says why not.

`queued` in the upper half means never begun: the relay is asked before a row is
taken. What the table says is docs/delivery-states.md, and where a fault comes
with the words of a server, RFC 5321 §4.2.1.
"""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_house import LANE, House, approved
from fault_relay import CONVERSATION, At, Faulty, How, faulty

from newsletter.delivery import lines
from newsletter.delivery.loop import Pace, Stop
from newsletter.delivery.states import State
from newsletter.delivery.transports.smtp import Patience, Relay, SmtpTransport
from newsletter.issue.edition import ApprovedIssue
from newsletter.store.tables import deliveries

Q, A, D, R, I = State.QUEUED, State.ACCEPTED, State.DEFERRED, State.REJECTED, State.IN_DOUBT  # noqa: E741
ORDER = tuple(How)
TABLE = {
    #            drop hang 4yz 5yz 421 garbage partial drip tls
    At.CONNECT:  (Q, Q, Q, Q, Q, Q, Q, Q, Q),
    At.GREETING: (Q, Q, Q, Q, Q, Q, Q, Q, Q),
    At.EHLO:     (Q, Q, Q, Q, Q, Q, Q, Q, Q),
    At.STARTTLS: (Q, Q, Q, Q, Q, Q, Q, Q, Q),
    At.AUTH:     (Q, Q, Q, Q, Q, Q, Q, Q, Q),
    At.MAIL:     (A, D, D, Q, A, A, A, D, A),
    At.RCPT:     (D, D, D, R, D, D, D, D, D),
    At.DATA:     (D, D, D, D, D, D, D, D, D),
    At.BODY:     (D, D, D, D, D, D, D, D, D),
    At.SHORT:    (I, I, D, R, D, I, I, I, I),
    At.DOT:      (I, I, D, R, D, I, I, I, I),
    At.QUIT:     (A, A, A, A, A, A, A, A, A),
}  # fmt: skip
"""A line that breaks at MAIL has said nothing of anybody: the message goes over a new one at once.

A short message leaves in one write with its dot, so whatever breaks while the
relay still reads it is a doubt, and what the relay says is the answer to the dot.
"""
AGAIN = {
    At.GREETING: (D, D, D, Q, D, D, D, D, D),
    At.EHLO:     (D, D, D, Q, D, D, D, D, D),
    At.STARTTLS: (D, D, D, Q, D, D, D, D, Q),
    At.AUTH:     (D, D, D, Q, D, D, D, D, D),
}  # fmt: skip
"""The first line was cut as a message began, and the second goes wrong before MAIL: the row was begun."""
CELLS = [
    pytest.param(step, how, state, 1, pipelining, id=f"{step}-{how}-{state}{ending}")
    for step, states in TABLE.items()
    for how, state in zip(ORDER, states, strict=True)
    for pipelining, ending in ((True, ""), (False, "-step-by-step"))
    if pipelining or step not in CONVERSATION
] + [
    pytest.param(step, how, state, 2, True, id=f"second-line-{step}-{how}-{state}")
    for step, states in AGAIN.items()
    for how, state in zip(ORDER, states, strict=True)
]
HURRIED = {
    At.CONNECT: "command",
    At.GREETING: "greeting",
    At.DATA: "data",
    At.BODY: "block",
    At.SHORT: "dot",
    At.DOT: "dot",
}
"""Whose patience is short when a step keeps silent; "command" for every other."""


def patience(step: At, how: How) -> Patience:
    """Short where the fault is silence, long everywhere else, so that a busy machine is no fault."""
    waits = dict.fromkeys(("connect", "greeting", "command", "data", "block", "dot"), 20.0)
    if how in (How.HANG, How.DRIP, How.TLS):
        waits[HURRIED.get(step, "command")] = 0.12
    return Patience(**waits)


LONG = 300_000
"""Bytes of a message that is more than one write, and more than the sockets' buffers hold here."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """`believed` and `strange`: key and certificate of each."""
    made = {}
    for name in ("believed", "strange"):
        folder = tmp_path_factory.mktemp(name)
        made[name] = folder / "key.pem", folder / "cert.pem"
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                ),
                *("-nodes", "-keyout", str(made[name][0]), "-out", str(made[name][1])),
                *("-days", "2", "-subj", "/CN=relay", "-addext", "subjectAltName=IP:127.0.0.1"),
            ],
            check=True,
            capture_output=True,
        )
    return made


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small buffers, so that a body can be cut; a wait that is over is seen at once."""
    connect = socket.socket.connect

    def small(self: socket.socket, address: object) -> None:
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", small)
    monkeypatch.setattr(lines, "TICK_SECONDS", 0.01)


class Cell:
    """One fault, and the house that meets it."""

    def __init__(
        self, house: House, server: Faulty, certificates: dict[str, tuple[Path, Path]]
    ) -> None:
        self.house, self.server = house, server
        tls = server.step in (At.CONNECT, At.STARTTLS) or server.how is How.TLS
        server.implicit = tls and server.step is not At.STARTTLS
        if tls:
            server.tls, server.strange = (
                _context(*certificates[name]) for name in ("believed", "strange")
            )
        self.relay = Relay(
            host="127.0.0.1",
            port=0,
            security="none" if not tls else "tls" if server.implicit else "starttls",
            helo="letter.example.org",
            user="u" if server.step is At.AUTH else None,
            password=(lambda: "p") if server.step is At.AUTH else None,
            tls=ssl.create_default_context(cafile=str(certificates["believed"][1]))
            if tls
            else None,
            patience=patience(server.step, server.how),
        )

    def send(self) -> Stop:
        transport = SmtpTransport(replace(self.relay, port=self.server.port))
        pace = Pace(connections=1, drain_seconds=0.2, retries=())
        return self.house.send(transport, lanes=[LANE], pace=pace).stop

    def row(self) -> tuple[str, int]:
        """State and tries of the row that met the fault."""
        with self.house.store.read() as tx:
            rows = {
                row.subscriber_id: (row.state, row.attempts)
                for row in tx.execute(sa.select(deliveries))
            }
        if self.server.struck and self.server.on_line == 1:
            number = self.server.struck.removeprefix("reader").partition("@")[0]
            return rows[self.readers[int(number)]]
        # Nobody was named yet: whoever did not get it, and had a try if anybody had.
        return min(rows.values(), key=lambda row: (row[0] == State.ACCEPTED, -row[1]))

    def go(self) -> tuple[Stop, str, int]:
        self.readers = self.house.readers(2)
        issue = approved()
        self.house.open(_long(issue) if self.server.step is At.BODY else issue)
        return self.send(), *self.row()


def _context(key: Path, certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _long(issue: ApprovedIssue) -> ApprovedIssue:
    first, *others = issue.editions
    text = ("y" * 70 + "\n") * (LONG // 71) + first.text
    return replace(issue, editions=(replace(first, text=text), *others))


@pytest.mark.parametrize(("step", "how", "state", "line", "pipelining"), CELLS)
def test_a_fault_leads_to_the_state_that_the_table_names(
    sqlite_house: House,
    certificates: dict[str, tuple[Path, Path]],
    step: At,
    how: How,
    state: State,
    line: int,
    pipelining: bool,
) -> None:
    server = Faulty(step, how, pipelining, on_line=line)
    cell = Cell(sqlite_house, server, certificates)
    with faulty(server):
        stop, reached, tries = cell.go()
        assert server.done or step is At.QUIT
        assert reached == state
        untouched = step in CONVERSATION and step is not At.QUIT and line == 1
        assert tries == (0 if untouched else 1)
        if state is Q:
            assert stop is Stop.PAUSED
        if sqlite_house.sum().pending:
            sqlite_house.now += dt.timedelta(minutes=10)
            cell.send()
    account = sqlite_house.sum()
    assert account.exact
    assert not account.pending
    assert account.rejected == (state is R)
    assert account.in_doubt == (state is I)
    assert account.accepted == 2 - account.rejected - account.in_doubt
    copies = Counter(server.taken)
    told_no = step is At.DOT and state in (
        D,
        R,
    )  # it had the dot, and said that it does not take it
    for reader, number in copies.items():
        assert number == 1 + (told_no and state is D and reader == server.struck)
    assert len(copies) >= account.accepted
