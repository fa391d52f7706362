"""Everything a list lives through, in any order, with the process dying between any two steps.

    ask · confirm · leave · erase · import · tidy · rotate · backup · restore · restart

After every step: nobody is mailed whose last word was no; nobody is confirmed
without the POST of a valid token (or evidence); no erased address is back; the
chain is whole; every address opens and every link in an old mail still works.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from newsletter.store import Store, backup, open_store, tables
from newsletter.subscribers import (
    address,
    consent,
    keyring,
    people,
    restoring,
    retention,
    rootkey,
    rotation,
    wordings,
)
from newsletter.subscribers.importing import import_file
from newsletter.subscribers.journal import Journal, Kind
from newsletter.subscribers.people import Outcome
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.states import Door, State
from newsletter.subscribers.suppression import closed
from newsletter.subscribers.vault import Vault, unlock

START = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
READERS = tuple(f"Reader{number}@example.org" for number in range(4))
WHO = st.sampled_from(READERS)
DEATHS = st.sampled_from(["alive", "alive", "before", "between", "after"])
WORDING = wordings.shown("en", "1", "I agree.")
TERMS = retention.Terms(left_address=dt.timedelta(days=30))
IDENTITY = pyrage.x25519.Identity.generate()


def read(text: str) -> address.Address:
    found = address.read(text)
    assert isinstance(found, address.Address)
    return found


@dataclass
class Link:
    """A mailed confirmation link. `dead`: its owner left or was erased after it was asked for."""

    who: str
    token: str
    dead: bool = False


@dataclass
class Saved:
    """A backup, what was known when it was made, and whose yes of then is still their last word."""

    path: Path
    must: set[str]
    tokens: dict[str, bytes]


class List(RuleBasedStateMachine):
    """`said` holds who said yes last; `must` those of them that no restore may have lost."""

    links = Bundle("links")
    backups = Bundle("backups")

    def __init__(self, fresh: Callable[[Path], Store]) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="newsletter-machine-"))
        self.fresh = fresh
        self.now = START
        self.key_path = self.folder / "keys" / "key"
        self.roots = [rootkey.new(self.key_path)]
        (self.folder / "identity").write_text(str(IDENTITY))
        self.journal = Journal(self.folder / "journal.jsonl")
        self.said: set[str] = set()
        self.must: set[str] = set()
        self.gone: set[str] = set()
        self.made_links: list[Link] = []
        self.tokens: dict[str, bytes] = {}
        self.saved: list[Saved] = []
        self.store = fresh(self.folder)
        self.open()
        with self.store.write() as tx:
            wordings.register(tx, [WORDING], self.now)

    def open(self) -> None:
        self.vault: Vault = unlock(self.store, rootkey.load(self.key_path), self.now)
        self.journal.catch_up(self.store)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def find(self, who: str) -> people.Person | None:
        with self.store.read() as tx:
            return people.find_by_address(tx, self.vault, read(who))

    # What people do.

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.now += dt.timedelta(hours=hours)

    @rule(target=links, who=WHO)
    def ask(self, who: str) -> Link:
        self.now += dt.timedelta(minutes=10)
        with self.store.write() as tx:
            asked = people.ask(tx, self.vault, read(who), "en", WORDING.hash, self.now)
        if who in self.must:
            assert not asked.send_notice
        if not asked.send_notice:
            return Link(who, "", dead=True)
        self.gone.discard(who)
        assert asked.confirmation_id is not None
        link = Link(who, self.vault.confirm_token(asked.confirmation_id))
        self.made_links.append(link)
        return link

    @rule(link=links)
    def confirm(self, link: Link) -> None:
        name = self.vault.read_confirm_token(link.token)
        if name is None:
            return
        with self.store.write() as tx:
            done = people.confirm(tx, name, self.now)
        if done.outcome is Outcome.CONFIRMED:
            assert not link.dead
            self.yes(link.who)

    def yes(self, who: str) -> None:
        self.said.add(who)
        self.must.add(who)
        self.gone.discard(who)
        found = self.find(who)
        assert found is not None
        self.tokens[self.vault.mail_token(found.link_id)] = found.link_id

    def no(self, who: str) -> None:
        self.said.discard(who)
        for must in (self.must, *(saved.must for saved in self.saved)):
            must.discard(who)
        for link in self.made_links:
            if link.who == who:
                link.dead = True

    @rule(who=WHO, death=DEATHS)
    def leave(self, who: str, death: str) -> None:
        self.depart(who, Kind.LEAVE, death)

    @rule(who=WHO, death=DEATHS)
    def erase(self, who: str, death: str) -> None:
        self.depart(who, Kind.ERASE, death)

    def depart(self, who: str, kind: Kind, death: str) -> None:
        """Journal, then transaction; the process may die before, between or after."""
        found = self.find(who)
        if found is None or death == "before":
            self.restart()
            return
        self.journal.append(
            kind, found.id, found.suppression_key, epoch=found.consent_epoch, now=self.now
        )
        if death != "between":
            with self.store.write() as tx:
                if kind is Kind.LEAVE:
                    people.leave(tx, found.id, self.now, "one-click")
                else:
                    people.erase(tx, found.id, self.now)
        self.no(who)
        if kind is Kind.ERASE:
            self.gone.add(who)
        if death != "alive":
            self.restart()

    @rule(who=WHO)
    def import_with_evidence(self, who: str) -> None:
        before = self.find(who)
        path = self.folder / "list.csv"
        path.write_text(
            f"address,consent_wording,consented_at,method\n{who},en/1,2026-01-01,paper\n"
        )
        report = import_file(self.store, self.vault, path, self.now, languages=("en",))
        assert report.rows == 1
        if report.imported:
            assert before is None
            assert who not in self.gone
            self.yes(who)

    # What the operator does, and what befalls the machine.

    @rule()
    def restart(self) -> None:
        self.open()

    @rule()
    def tidy(self) -> None:
        retention.tidy(self.store, TERMS, self.now)

    @rule(steps=st.integers(0, 9))
    def rotate_until_the_process_dies(self, steps: int) -> None:
        """In another process: this one keeps the vault it has."""
        for _ in rotation.new_root_steps(self.store, self.key_path, self.now):
            self.remember_roots()
            if not steps:
                return
            steps -= 1
        other = unlock(self.store, rootkey.load(self.key_path), self.now)
        for _ in rotation.reseal(self.store, other):
            if not steps:
                return
            steps -= 1

    def remember_roots(self) -> None:
        for path in (self.key_path, rootkey.unfinished(self.key_path)):
            if path.exists():
                self.roots.append(RootKey(rootkey.load(path).value))

    @rule(target=backups)
    def back_up(self) -> Saved:
        path = self.folder / f"{len(self.saved)}.age"
        backup.write(self.store, path, [str(IDENTITY.to_public())], self.now)
        self.saved.append(Saved(path, set(self.must), dict(self.tokens)))
        return self.saved[-1]

    @precondition(lambda self: self.saved)
    @rule(saved=backups)
    def restore(self, saved: Saved) -> None:
        self.store.close()
        self.store = self.fresh(self.folder)
        restoring.restore(self.store, saved.path, self.folder / "identity", self.journal)
        # The operator puts back the root key that was in use when the backup was made.
        rootkey.unfinished(self.key_path).unlink(missing_ok=True)
        with self.store.read() as tx:
            root = next(root for root in self.roots if keyring.fits(tx, root))
        rootkey.save(root, self.key_path)
        self.open()
        self.must &= saved.must
        self.tokens = dict(saved.tokens)
        with self.store.write() as tx:
            wordings.register(tx, [WORDING], self.now)

    # What must hold after every step.

    @invariant()
    def only_who_said_yes_is_mailed(self) -> None:
        table = tables.subscribers
        with self.store.read() as tx:
            self.vault.follow(tx)
            rows = tx.execute(sa.select(table).where(table.c.state == State.CONFIRMED.value)).all()
            mailed = {
                self.vault.open_address(row.id, row.address)
                for row in rows
                if not closed(tx, bytes(row.suppression_key), Door.SEND, self.now)
            }
        assert mailed <= self.said
        assert self.must <= mailed

    @invariant()
    def nobody_erased_is_back(self) -> None:
        for who in self.gone:
            assert self.find(who) is None

    @invariant()
    def everything_opens_and_the_chain_is_whole(self) -> None:
        table = tables.subscribers
        with self.store.read() as tx:
            verdict = consent.verify(tx)
            rows = tx.execute(sa.select(table.c.id, table.c.address)).all()
        assert verdict.is_whole
        found = [self.vault.open_address(row.id, row.address) for row in rows]
        assert len(found) == len(set(found))
        for token, name in self.tokens.items():
            assert self.vault.read_mail_token(token) == name


def run(fresh: Callable[[Path], Store], examples: int) -> None:
    run_state_machine_as_test(
        lambda: List(fresh),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            # Shrinking a story of thirty steps takes minutes and tells little more.
            phases=[Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_list_on_sqlite_keeps_its_promises(migrated_file: Path) -> None:
    def fresh(folder: Path) -> Store:
        people_folder = folder / "people"
        people_folder.mkdir(mode=0o700, exist_ok=True)
        for old in people_folder.iterdir():
            old.unlink()
        shutil.copy(migrated_file, people_folder / "newsletter.db")
        (people_folder / "newsletter.db").chmod(0o600)
        return open_store(f"sqlite:///{people_folder}/newsletter.db")

    run(fresh, 20)


@pytest.mark.postgres
def test_a_list_on_postgresql_keeps_its_promises(postgres_url: str) -> None:
    def fresh(folder: Path) -> Store:
        engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()
        store = open_store(postgres_url)
        store.migrate()
        return store

    run(fresh, 5)
