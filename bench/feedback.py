"""A Maildir full of reports: python -m bench.feedback [MAILS]

Sends an issue on paper to MAILS (default 10,000) readers, puts a report of 30 KB
for each into a Maildir (mostly gone, some full, some about us, some complaints),
and collects them: the time, the rate, and the highest memory of the process, for
a tenth of the mails and for all of them. Each size runs in a process of its own.

Wanted: memory that does not grow with the mails, and no mail lost.
"""

from __future__ import annotations

import datetime as dt
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from newsletter.delivery.feedback import collecting
from newsletter.delivery.feedback.collecting import Collected, Office
from newsletter.delivery.feedback.maildir import Maildir
from newsletter.store import Store, open_store
from newsletter.store.tables import deliveries, issues, subscribers
from newsletter.subscribers import people
from newsletter.subscribers.address import Address
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.tokens import Purpose
from newsletter.subscribers.vault import Vault, unlock

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
DOMAIN = "letter.example.org"
FAILURES = ("5.1.1", "5.1.1", "5.1.1", "4.2.2", "5.7.1")
BODY = "".join(f"{line:060d} of the letter that comes back\n" for line in range(300))


def main(mails: int) -> None:
    for size in (mails // 10, mails):
        subprocess.run([sys.executable, "-m", "bench.feedback", str(size), "alone"], check=True)


def alone(mails: int) -> None:
    with tempfile.TemporaryDirectory(prefix="newsletter-bench-") as name:
        folder = Path(name)
        store = open_store(f"sqlite:///{folder}/people/newsletter.db")
        store.migrate()
        vault = unlock(store, RootKey(b"k" * 32), NOW)
        send(store, vault, mails)
        write(store, vault, folder / "Maildir")
        office = Office(store, vault, Journal(folder / "journal"), DOMAIN)
        before, began, cpu = peak(), time.perf_counter(), time.process_time()
        done = Collected()
        collecting.collect(office, [Maildir(folder / "Maildir")], NOW, done)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert done.mails == {collecting.What.ACTED: mails}, done.mails
        print(
            f"{mails:>7,} reports: {seconds:6.1f} s ({cpu:.1f} s of it on the processor),"
            f" {mails / seconds:>6,.0f}/s, {peak():.0f} MB at most"
            f" ({before:.0f} MB before the first)"
        )
        store.close()


def send(store: Store, vault: Vault, readers: int) -> None:
    """An issue that everybody's next hop took."""
    with store.write() as tx:
        issue = {"period": "2026-11", "number": 1, "state": "closed", "manifest": "a" * 64}
        moments = dict.fromkeys(("opened_at", "dated", "closes_at", "closed_at"), NOW)
        tx.execute(sa.insert(issues), issue | moments | {"approved_by": "E", "audience": readers})
    for start in range(0, readers, 1000):
        people_rows, rows = [], []
        for number in range(start, min(start + 1000, readers)):
            mailbox = f"reader{number}@example.org"
            row = people.new_row(vault, Address(mailbox, mailbox), "en", NOW)
            people_rows.append(row | {"state": "confirmed", "confirmed_at": NOW})
            mail = os.urandom(16).hex()
            rows.append(
                {
                    "id": mail,
                    "period": "2026-11",
                    "subscriber_id": row["id"],
                    "language": "en",
                    "state": "accepted",
                    "message_id": vault.message_ids([mail], DOMAIN)[0],
                    "consent_epoch": 0,
                    "due_at": NOW,
                    "settled_at": NOW,
                }
            )
        with store.write() as tx:
            tx.execute(sa.insert(subscribers), people_rows)
            tx.execute(sa.insert(deliveries), rows)


def write(store: Store, vault: Vault, folder: Path) -> None:
    """A report for each delivery; every twentieth is a complaint."""
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    with store.read() as tx:
        rows = tx.execute(sa.select(deliveries.c.id, deliveries.c.message_id))
        for number, (mail, message_id) in enumerate(rows):
            token = vault.token(Purpose.BOUNCE, bytes.fromhex(mail)[:8])
            made = (
                complaint(token, message_id)
                if number % 20 == 0
                else bounce(number, token, message_id)
            )
            path = folder / "new" / f"{number:08}.M1.host"
            path.write_bytes(made.replace("\n", "\r\n").encode())
            os.utime(path, (NOW.timestamp(), NOW.timestamp()))


def bounce(number: int, token: str, message_id: str) -> str:
    status = FAILURES[number % len(FAILURES)]
    return report(
        "delivery-status",
        f"b+{token}@bounces.example.org",
        f"Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; reader@example.org\n"
        f"Action: failed\nStatus: {status}\nDiagnostic-Code: smtp; 550 {status} no\n",
        f"Message-ID: {message_id}\nSubject: November\n\n{BODY}",
    )


def complaint(token: str, message_id: str) -> str:
    return report(
        "feedback-report",
        "abuse@letter.example.org",
        "Feedback-Type: abuse\nVersion: 1\nUser-Agent: x/1\n",
        f"Return-Path: <b+{token}@bounces.example.org>\nMessage-ID: {message_id}\n\n{BODY}",
    )


def report(kind: str, to: str, told: str, returned: str) -> str:
    return (
        f"From: MAILER-DAEMON@mx.example.net\nTo: {to}\nSubject: Report\nMIME-Version: 1.0\n"
        f"Content-Type: multipart/report; report-type={kind}; boundary=BOUND\n\n"
        f"--BOUND\nContent-Type: text/plain\n\nNo.\n\n--BOUND\nContent-Type: message/{kind}\n\n"
        f"{told}\n--BOUND\nContent-Type: message/rfc822\n\n{returned}\n--BOUND--\n"
    )


def peak() -> float:
    """The highest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    alone(count) if "alone" in sys.argv else main(count)
