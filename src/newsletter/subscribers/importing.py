"""Bringing in a list: every row with evidence of consent, no row without.

    rows -> address gate -> evidence -> (in batches, each one write:) known? suppressed? -> insert

A row that is refused is a finding with its line, never with its address. The
good rows of a batch are kept together; whoever stops the import and runs it
again goes on where it was, because those who are here already are passed over.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.errors import CouldNotRun, Finding, Level, Where
from newsletter.store import Store, tables
from newsletter.subscribers import address, columns, consent, csvfile, evidence, people, wordings
from newsletter.subscribers.seen import Seen
from newsletter.subscribers.states import Door, Event, Reason, State, after, blocks
from newsletter.subscribers.vault import Vault

BATCH = 2_000
"""Rows in one write: the fsync is shared, and a sign-up beside it waits a fraction of a second."""

MOST_FINDINGS = 1_000
"""More than this are counted and no longer listed: memory stays flat, and nobody reads them."""

Progress = Callable[[int, int, str], None]


@dataclass(slots=True)
class Report:
    """What an import did, or would do. Every row is in exactly one of these."""

    imported: int = 0
    here_already: int = 0
    twice_in_file: int = 0
    suppressed: int = 0
    refused: int = 0
    roles: int = 0
    """How many of the imported are mailboxes like info@, often read by several people."""
    findings: list[Finding] = field(default_factory=list)
    not_listed: int = 0

    @property
    def rows(self) -> int:
        return (
            self.imported + self.here_already + self.twice_in_file + self.suppressed + self.refused
        )

    def tell(self, finding: Finding) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)
        else:
            self.not_listed += 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that passed the gate and the evidence; what is left to ask is the database."""

    line: int
    address: address.Address
    language: str
    proof: evidence.Proof


def import_file(
    store: Store,
    vault: Vault,
    path: Path,
    now: dt.datetime,
    *,
    languages: Sequence[str],
    smtputf8: bool = True,
    dry_run: bool = False,
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
            job = Import(store, vault, now, tuple(languages), smtputf8, dry_run)
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
    report: Report = field(default_factory=Report)
    seen: Seen = field(default_factory=Seen)
    known: dict[str, wordings.Shown] = field(default_factory=dict)

    def run(self, file: csvfile.CsvFile, total: int, progress: Progress | None) -> Report:
        layout = columns.recognise(file.header, file.name)
        with self.store.read() as tx:
            self.known = wordings.by_name(tx)
        rows = file.rows()
        while batch := list(islice(rows, BATCH)):
            candidates = list(self._candidates(batch, layout, file.name))
            with self.store.read() if self.dry_run else self.store.write() as tx:
                self._keep(tx, candidates, file.name)
            if progress is not None:
                progress(self.report.rows, max(total, self.report.rows), "imported")
        return self.report

    def _candidates(
        self, batch: list[csvfile.Row | Finding], layout: columns.Layout, name: str
    ) -> Iterator[Candidate]:
        for row in batch:
            found = row if isinstance(row, Finding) else self._candidate(row, layout, name)
            if isinstance(found, Finding):
                self.report.refused += 1
                self.report.tell(found)
            else:
                yield found

    def _candidate(
        self, row: csvfile.Row, layout: columns.Layout, name: str
    ) -> Candidate | Finding:
        read = address.read(layout.address(row.fields), smtputf8=self.smtputf8)
        where = Where(name, row.line)
        if isinstance(read, address.Refusal):
            return Finding(
                "NL524", f"the address cannot be used: {read}", where,
                help="correct or remove this row",
            )  # fmt: skip
        language = layout.language(row.fields) or self.languages[0]
        if language not in self.languages:
            return Finding(
                "NL525", "the language is none of the publication's", where,
                help=f"write one of: {', '.join(self.languages)}",
            )  # fmt: skip
        proof = evidence.read(layout.claim(row.fields), language, self.known, self.now)
        if isinstance(proof, str):
            return Finding(
                "NL526", f"no evidence of consent: {proof}", where,
                help="add the evidence, or leave this person to subscribe anew",
            )  # fmt: skip
        return Candidate(row.line, read, language, proof)

    def _keep(self, tx: Connection, candidates: list[Candidate], name: str) -> None:
        self.vault.follow(tx)
        here = self._here(tx, candidates)
        suppressed = self._suppressed(tx, candidates)
        rows, given = [], []
        for candidate in candidates:
            index = self.vault.index(candidate.address)
            again = not self.seen.add(index)
            key = self.vault.suppression_key(candidate.address)
            if again:
                self.report.twice_in_file += 1
                self._told(name, candidate, "NL527", "the same address stands on an earlier line")
            elif index in here:
                self.report.here_already += 1
            elif key in suppressed:
                self.report.suppressed += 1
                self._told(name, candidate, "NL528", "this person left, or their mailbox refused")
            else:
                self.report.imported += 1
                self.report.roles += candidate.address.is_role
                row = self._row(candidate)
                rows.append(row)
                given.append((row["evidence_key"], candidate.proof.record.payload()))
        if rows and not self.dry_run:
            self._register(tx, candidates)
            tx.execute(tables.subscribers.insert(), rows)
            consent.append_all(tx, given, self.now)

    def _row(self, candidate: Candidate) -> dict[str, Any]:
        given_at = candidate.proof.given_at
        row = people.new_row(self.vault, candidate.address, candidate.language, given_at)
        asked = after(State.ABSENT, Event.ASK)
        return {
            **row,
            "state": after(asked, Event.CONFIRM).value,
            "consent_epoch": 1,
            "confirmed_at": given_at,
        }

    def _register(self, tx: Connection, candidates: list[Candidate]) -> None:
        new = {
            candidate.proof.shown.hash: candidate.proof.shown
            for candidate in candidates
            if candidate.proof.shown.hash not in self.known
        }
        if new:
            wordings.register(tx, new.values(), self.now)
            self.known.update(new)

    def _here(self, tx: Connection, candidates: list[Candidate]) -> set[bytes]:
        """The newest index of every candidate who has a row, whichever generation found it."""
        newest = {
            index: indexes[0]
            for indexes in (self.vault.indexes(candidate.address) for candidate in candidates)
            for index in indexes
        }
        column = tables.subscribers.c.address_index
        return {
            newest[bytes(found)]
            for part in _parts(list(newest))
            for found in tx.execute(sa.select(column).where(column.in_(part))).scalars()
        }

    def _suppressed(self, tx: Connection, candidates: list[Candidate]) -> set[bytes]:
        keys = [self.vault.suppression_key(candidate.address) for candidate in candidates]
        table = tables.suppressions
        return {
            bytes(key)
            for part in _parts(keys)
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


def _parts(keys: list[bytes], size: int = 500) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(1 << 20):
        yield block
