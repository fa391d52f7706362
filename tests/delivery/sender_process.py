"""A sender in a process of its own, to be killed: python sender_process.py DATABASE ROOT PORT CONNECTIONS

It recovers what a dead sender left, sends what is due of 2026-11, and says the
report as JSON. `NOW` is the clock of the tests, moved by the real one.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from delivery_house import LANE, House, smtp
from scripted_relay import Scripted

from newsletter import config
from newsletter.delivery import ledger
from newsletter.delivery.ledger import whereabouts
from newsletter.delivery.transports.smtp import Patience
from newsletter.store import open_store
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)


def main(database: str, root: str, port: int, connections: int) -> None:
    store = open_store(f"sqlite:///{database}" if "://" not in database else database)
    vault = unlock(store, RootKey(bytes(range(32))), NOW)
    house = House(config.load(Path(root)), store, vault, NOW)
    with store.write() as tx:
        ledger.recover(tx, whereabouts.here(), house.now)
    began = time.monotonic()
    report = house.send(
        smtp(Scripted({}, port=port), Patience()), lanes=[LANE], connections=connections
    )
    print(
        json.dumps(
            {"stop": report.stop, "accepted": report.accepted, "s": time.monotonic() - began}
        )
    )
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
