"""A sender by SendGrid in a process of its own, to be killed: python sendgrid_process.py DATABASE ROOT URL"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from delivery_house import House
from sendgrid_fake import KEY

from newsletter import config
from newsletter.delivery import ledger
from newsletter.delivery.ledger import whereabouts
from newsletter.delivery.transports.sendgrid import SendGridTransport, Service
from newsletter.store import open_store
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)


def main(database: str, root: str, url: str) -> None:
    store = open_store(database)
    vault = unlock(store, RootKey(bytes(range(32))), NOW)
    house = House(config.load(Path(root)), store, vault, NOW)
    with store.write() as tx:
        ledger.recover(tx, whereabouts.here(), house.now)
    print(house.send(SendGridTransport(Service(url, lambda: KEY)), connections=2).stop)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
