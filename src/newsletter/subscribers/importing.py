"""Bringing in a list: every row with evidence of consent, no row without.

    rows -> address gate -> evidence -> (in batches, each one write:) known? suppressed? -> insert

A row that is refused is a finding with its line, never with its address.
Whoever stops the import and runs it again goes on where it was, because those
who are here already are passed over. With `Reconfirm` nobody's evidence is
believed: everybody is asked by mail, and only a confirmation makes a reader.

A long list that comes into an empty store is one write, which is many times
faster; stopped, it leaves the store as empty as before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.errors import CouldNotRun, Finding, Level, Where
from newsletter.store import Store, bulk, tables
from newsletter.store.tables import Moment
from newsletter.subscribers import address, columns, consent, csvfile, evidence, people, wordings
from newsletter.subscribers.seen import Seen
from newsletter.subscribers.states import Door, Event, Reason, State, after, blocks
from newsletter.subscribers.vault import Vault

BATCH = 2_000
"""Rows in one write: the fsync is shared, and a sign-up beside it waits a fraction of a second."""

LONG = 20_000
"""From so many rows on, a list that comes into an empty store is one write."""

MOST_FINDINGS = 1_000
"""More than this are counted and no longer listed: memory stays flat, and nobody reads them."""

RECONFIRM_FOR = dt.timedelta(days=14)
"""How long an asked reader's link works: they did not just fill in a form and are not waiting."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Reconfirm:
    """Ask instead of believing. `wordings`: language -> hash of what the mail's page will show.

    `enqueue(tx, asked, language)` queues the confirmation mail in the same write.
    """

    wordings: Mapping[str, str]
    enqueue: Callable[[Connection, people.Asked, str], object]


@dataclass(slots=True)
class Report:
    """What an import did, or would do. Every row is in exactly one of these."""

    imported: int = 0
    """Readers now; with `Reconfirm`, asked by mail."""
    here_already: int = 0
    twice_in_file: int = 0
    suppressed: int = 0
    away: int = 0
    """Not subscribed any more, says the program that wrote the file."""
    refused: int = 0
    roles: int = 0
    """How many of the imported are mailboxes like info@, often read by several people."""
    format: str = "ours"
    findings: list[Finding] = field(default_factory=list)
    not_listed: int = 0

    @property
    def rows(self) -> int:
        passed_over = self.here_already + self.twice_in_file + self.suppressed + self.away
        return self.imported + passed_over + self.refused

    def tell(self, finding: Finding) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)
        else:
            self.not_listed += 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that passed the gate and the evidence; what is left to ask is the database.

    `index` is the newest blind index; `proof` is None when the person will be asked.
    """

    line: int
    address: address.Address
    language: str
    index: bytes
    key: bytes
    proof: evidence.Proof | None


def import_file(
    store: Store,
    vault: Vault,
    path: Path,
    now: dt.datetime,
    *,
    languages: Sequence[str],
    smtputf8: bool = True,
    dry_run: bool = False,
    reconfirm: Reconfirm | None = None,
    progress: Progress | None = None,
) -> Report:
    """Import the CSV at `path`; `languages` are the publication's, the first for rows that name none.

    Raises:
        CouldNotRun: NL520 the file is not there or has no header, NL523 its
            columns are not those of a list of people.
    """
    try:
        with path.open("rb") as file:
            total = max(0, sum(block.count(b"\n") for block in _blocks(file)) - 1)
            file.seek(0)
            job = Import(store, vault, now, tuple(languages), smtputf8, dry_run, reconfirm)
            return job.run(csvfile.CsvFile(file, str(path)), total, progress)
    except OSError as error:
        raise CouldNotRun(
            Finding(
                "NL520",
                f"the file cannot be read: {error.strerror}",
                Where(str(path)),
                help="name a CSV file that this account may read",
            )
        ) from error


@dataclass(slots=True)
class Import:
    """One run. `dry_run` asks everything and writes nothing."""

    store: Store
    vault: Vault
    now: dt.datetime
    languages: tuple[str, ...]
    smtputf8: bool
    dry_run: bool
    reconfirm: Reconfirm | None
    report: Report = field(default_factory=Report)
    seen: Seen = field(default_factory=Seen)
    known: dict[str, wordings.Shown] = field(default_factory=dict)

    def run(self, file: csvfile.CsvFile, total: int, progress: Progress | None) -> Report:
        layout = columns.recognise(file.header, file.name)
        self.report.format = layout.format.name
        with self.store.read() as tx:
            self.known = wordings.by_name(tx)
            self.vault.follow(tx)
        reader = evidence.Reader(self.known, self.now)
        rows = file.rows()
        with ExitStack() as stack:
            one = self._one_write(stack) if total >= LONG and not self.dry_run else None
            while batch := list(islice(rows, BATCH)):
                candidates = list(self._candidates(batch, layout, reader, file.name))
                self._keep_in(one, candidates, file.name)
                if progress is not None:
                    progress(self.report.rows, max(total, self.report.rows), "imported")
        return self.report

    def _one_write(self, stack: ExitStack) -> Connection | None:
        """One write for the whole file, its indexes made at the end; None unless the store is empty."""
        if self.store.dialect != "sqlite":
            return None  # a server keeps its trees in memory and has others to serve meanwhile
        with ExitStack() as mine:
            tx = mine.enter_context(self.store.write())
            if not _is_empty(tx):
                return None
            mine.enter_context(
                bulk.without_indexes(tx, tables.subscribers, tables.consent_payloads)
            )
            stack.push(mine.pop_all())
            return tx

    def _keep_in(self, one: Connection | None, candidates: list[Candidate], name: str) -> None:
        if one is not None:
            self._keep(one, candidates, set(), name)
            return
        with self.store.read() if self.dry_run else self.store.write() as tx:
            self.vault.follow(tx)
            self._keep(tx, candidates, self._here(tx, candidates), name)

    def _candidates(
        self,
        batch: list[csvfile.Row | Finding],
        layout: columns.Layout,
        reader: evidence.Reader,
        name: str,
    ) -> Iterator[Candidate]:
        for row in batch:
            if isinstance(row, csvfile.Row) and not layout.is_subscribed(row.fields):
                self.report.away += 1
                continue
            found = row if isinstance(row, Finding) else self._candidate(row, layout, reader, name)
            if isinstance(found, Finding):
                self.report.refused += 1
                self.report.tell(found)
            else:
                yield found

    def _candidate(
        self, row: csvfile.Row, layout: columns.Layout, reader: evidence.Reader, name: str
    ) -> Candidate | Finding:
        read = address.read(layout.address(row.fields), smtputf8=self.smtputf8)
        if isinstance(read, address.Refusal):
            return Finding(
                "NL524", f"the address cannot be used: {read}", Where(name, row.line),
                help="correct or remove this row",
            )  # fmt: skip
        language = layout.language(row.fields) or self.languages[0]
        if language not in self.languages:
            return Finding(
                "NL525", "the language is none of the publication's", Where(name, row.line),
                help=f"write one of: {', '.join(self.languages)}",
            )  # fmt: skip
        proof = None
        if self.reconfirm is None:
            claimed = reader.read(layout.claim(row.fields), language)
            if isinstance(claimed, str):
                return Finding(
                    "NL526", f"no evidence of consent: {claimed}", Where(name, row.line),
                    help="add the evidence, or ask everybody anew with --reconfirm",
                )  # fmt: skip
            proof = claimed
        index, key = self.vault.index(read), self.vault.suppression_key(read)
        return Candidate(row.line, read, language, index, key, proof)

    def _keep(
        self, tx: Connection, candidates: list[Candidate], here: set[bytes], name: str
    ) -> None:
        suppressed = self._suppressed(tx, candidates)
        taken = []
        for candidate in candidates:
            if not self.seen.add(candidate.index):
                self.report.twice_in_file += 1
                self._told(name, candidate, "NL527", "the same address stands on an earlier line")
            elif candidate.index in here:
                self.report.here_already += 1
            elif candidate.key in suppressed:
                self.report.suppressed += 1
                self._told(name, candidate, "NL528", "this person left, or their mailbox refused")
            else:
                self.report.imported += 1
                self.report.roles += candidate.address.is_role
                taken.append(candidate)
        if taken and not self.dry_run:
            self._write(tx, taken)

    def _write(self, tx: Connection, taken: list[Candidate]) -> None:
        rows = [self._row(candidate) for candidate in taken]
        bulk.insert_all(tx, tables.subscribers, list(rows[0]), [(*row.values(),) for row in rows])
        given = []
        for row, candidate in zip(rows, taken, strict=True):
            if candidate.proof is not None:
                self._register(tx, candidate.proof.shown)
                given.append((row["evidence_key"], candidate.proof.payload))
            else:
                self._ask(tx, row["id"], candidate.language)
        consent.append_all(tx, given, self.now)

    def _row(self, candidate: Candidate) -> dict[str, Any]:
        at = self.now if candidate.proof is None else candidate.proof.given_at
        row = people.new_row(
            self.vault, candidate.address, candidate.language, at,
            index=candidate.index, suppression_key=candidate.key,
        )  # fmt: skip
        row["requested_at"] = Moment.milliseconds(at)
        if candidate.proof is not None:
            row["state"] = after(after(State.ABSENT, Event.ASK), Event.CONFIRM).value
            row["consent_epoch"] = 1
            row["confirmed_at"] = Moment.milliseconds(at)
        return row

    def _ask(self, tx: Connection, subscriber_id: object, language: str) -> None:
        assert self.reconfirm is not None
        who, until = str(subscriber_id), self.now + RECONFIRM_FOR
        shown = self.reconfirm.wordings[language]
        link = people.link(tx, who, "confirm", shown, language, self.now, until)
        self.reconfirm.enqueue(tx, people.Asked(who, link, send_notice=True), language)

    def _register(self, tx: Connection, shown: wordings.Shown) -> None:
        if shown.hash not in self.known:
            wordings.register(tx, [shown], self.now)
            self.known[shown.hash] = shown

    def _here(self, tx: Connection, candidates: list[Candidate]) -> set[bytes]:
        """The newest index of every candidate who has a row, whichever generation found it."""
        newest = {
            index: candidate.index
            for candidate in candidates
            for index in self.vault.indexes(candidate.address)
        }
        column = tables.subscribers.c.address_index
        return {
            newest[bytes(found)]
            for part in _parts(list(newest))
            for found in tx.execute(sa.select(column).where(column.in_(part))).scalars()
        }

    def _suppressed(self, tx: Connection, candidates: list[Candidate]) -> set[bytes]:
        table = tables.suppressions
        return {
            bytes(key)
            for part in _parts([candidate.key for candidate in candidates])
            for key, reason, since in tx.execute(
                sa.select(table.c.key, table.c.reason, table.c.since).where(table.c.key.in_(part))
            )
            if blocks(Reason(reason), Door.IMPORT, since, self.now)
        }

    def _told(self, name: str, candidate: Candidate, code: str, what: str) -> None:
        self.report.tell(
            Finding(
                code, what, Where(name, candidate.line),
                help="the row was passed over", level=Level.WARNING,
            )
        )  # fmt: skip


def _is_empty(tx: Connection) -> bool:
    tables_of_people = (tables.subscribers, tables.consents)
    return not any(
        tx.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
        for table in tables_of_people
    )


def _parts(keys: list[bytes], size: int = 500) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(1 << 20):
        yield block
