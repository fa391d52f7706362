"""Ask somebody whether they want the letter: a pending row, its link and the mail, or none of them."""

from __future__ import annotations

import datetime as dt

from newsletter.delivery import notices
from newsletter.store import Store
from newsletter.subscribers import people, wordings
from newsletter.subscribers.address import Address
from newsletter.subscribers.vault import Vault
from newsletter.subscribers.wordings import Shown


def ask(store: Store, vault: Vault, address: Address, wording: Shown, now: dt.datetime) -> bool:
    """Queue the confirmation mail in the wording's language.

    False: nothing is mailed, because they are a reader already, were asked a
    short while ago, or must not be mailed.
    """
    with store.write() as tx:
        wordings.register(tx, [wording], now)
        asked = people.ask(tx, vault, address, wording.language, wording.hash, now)
        if not (asked.send_notice and asked.subscriber_id and asked.confirmation_id):
            return False
        notices.enqueue(
            tx,
            "confirm",
            asked.subscriber_id,
            asked.confirmation_id,
            wording.language,
            asked.consent_epoch,
            now,
        )
        return True
