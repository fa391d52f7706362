"""The vault: the only place where an address is closed, opened, hashed or named in a link.

Fields: AES-256-GCM, random nonce, bound to table, column and row, padded so
that the length of an address does not show. Hashes and tokens: HMAC-SHA-256
under a key for each purpose. Nothing in here prints what it knows.
"""

from __future__ import annotations

import datetime as dt
import hmac
import os
import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.engine import Connection

from newsletter.errors import NewsletterError
from newsletter.store import Store
from newsletter.subscribers import keyring, tokens
from newsletter.subscribers.address import Address
from newsletter.subscribers.keyring import Keys, Purpose
from newsletter.subscribers.rootkey import RootKey

NONCE_BYTES = 12
_MESSAGE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
BLOCK = 32
"""Addresses are padded with NUL (which no address holds) to a multiple of this."""


class Broken(NewsletterError):
    """A sealed field does not open: it was altered, or moved here from another row."""


class Vault:
    """The opened keyring with its uses. Safe to share between threads.

    With a `store` it looks for newer keys by itself when it meets a field or a
    link that it cannot open: another process may be rotating them.
    """

    def __init__(self, keys: Keys, store: Store | None = None) -> None:
        self._store = store
        self._keys = keys
        self._field = _ciphers(keys)

    def _take(self, keys: Keys) -> None:
        # Generations that are gone from the keyring stay in memory: a snapshot
        # that was opened before may still hold fields sealed by them.
        of = {
            purpose: dict(sorted({**self._keys.of[purpose], **new}.items(), reverse=True))
            for purpose, new in keys.of.items()
        }
        self._keys = Keys(keys.root, keys.epoch, of)
        self._field = _ciphers(self._keys)

    def __repr__(self) -> str:
        return "Vault(***)"

    def follow(self, tx: Connection) -> None:
        """Take up the new keys if another process has rotated them. One small query.

        Raises:
            CouldNotRun: NL506, the root key was changed too and its file does not say so.
        """
        if keyring.epoch(tx) != self._keys.epoch:
            keys = keyring.opened(tx, self._keys.root)
            assert keys is not None
            self._take(keys)

    def _look_again(self) -> bool:
        """Whether there were newer keys to take up."""
        if self._store is None:
            return False
        before = self._keys.epoch
        with self._store.read() as tx:
            self.follow(tx)
        return self._keys.epoch != before

    @property
    def root(self) -> RootKey:
        return self._keys.root

    def index(self, address: Address) -> bytes:
        """The blind index: how a row is found by its address."""
        return self._newest(Purpose.INDEX, address)

    def indexes(self, address: Address) -> tuple[bytes, ...]:
        """The blind index under every generation, newest first: a rotation may be under way."""
        text = address.key.encode()
        keys = self._keys.of[Purpose.INDEX].values()
        return tuple(hmac.digest(key, text, "sha256") for key in keys)

    def suppression_key(self, address: Address) -> bytes:
        """What is left of an address that must not be mailed."""
        return self._newest(Purpose.SUPPRESSION, address)

    def evidence_key(self, address: Address) -> bytes:
        """What consent evidence is found by."""
        return self._newest(Purpose.EVIDENCE, address)

    def _newest(self, purpose: Purpose, address: Address) -> bytes:
        key = next(iter(self._keys.of[purpose].values()))
        return hmac.digest(key, address.key.encode(), "sha256")

    def seal_address(self, subscriber_id: str, address: Address) -> bytes:
        """generation (2 bytes), nonce (12), ciphertext and tag, for this row alone."""
        generation, cipher = next(iter(self._field.items()))
        text = address.mailbox.encode()
        padded = text + b"\0" * (-len(text) % BLOCK)
        nonce = os.urandom(NONCE_BYTES)
        return generation.to_bytes(2) + nonce + cipher.encrypt(nonce, padded, _row(subscriber_id))

    def open_address(self, subscriber_id: str, sealed: bytes) -> str:
        """The mailbox to send to.

        Raises:
            Broken: altered, from another row, or sealed by a key that is gone.
        """
        generation = int.from_bytes(sealed[:2])
        if generation not in self._field:
            self._look_again()
        cipher = self._field.get(generation)
        if cipher is None:
            raise Broken("an address was sealed by a key that is not here")
        nonce, body = sealed[2 : 2 + NONCE_BYTES], sealed[2 + NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, body, _row(subscriber_id)).rstrip(b"\0").decode()
        except (InvalidTag, ValueError):
            raise Broken("an address does not open in its row") from None

    def sealed_by_current(self, sealed: bytes) -> bool:
        """Whether a field has the newest generation, as all have after a rotation."""
        return int.from_bytes(sealed[:2]) == next(iter(self._field))

    def mail_token(self, link_id: bytes) -> str:
        return self.token(tokens.Purpose.MAIL, link_id)

    def read_mail_token(self, token: str) -> bytes | None:
        return self.read_token(tokens.Purpose.MAIL, token)

    def confirm_token(self, confirmation_id: bytes) -> str:
        return self.token(tokens.Purpose.CONFIRM, confirmation_id)

    def read_confirm_token(self, token: str) -> bytes | None:
        return self.read_token(tokens.Purpose.CONFIRM, token)

    def data_token(self, confirmation_id: bytes) -> str:
        return self.token(tokens.Purpose.DATA, confirmation_id)

    def read_data_token(self, token: str) -> bytes | None:
        return self.read_token(tokens.Purpose.DATA, token)

    def token(self, purpose: tokens.Purpose, name: bytes) -> str:
        return tokens.make(next(iter(self._keys.of[Purpose.TOKEN].values())), purpose, name)

    def read_token(self, purpose: tokens.Purpose, token: str) -> bytes | None:
        name = tokens.read(tuple(self._keys.of[Purpose.TOKEN].values()), purpose, token)
        if name is None and tokens.SHAPE.fullmatch(token) and self._look_again():
            name = tokens.read(tuple(self._keys.of[Purpose.TOKEN].values()), purpose, token)
        return name

    def message_ids(self, delivery_ids: Sequence[str], domain: str) -> list[str]:
        """The Message-ID of each, with its angle brackets: the same for the same delivery, for ever.

        One AES block under a key of its own: without the key it says nothing, no
        two deliveries share one, and `delivery_named` reads the id back, so that
        a million of them need no index. An id is 128 bits in hex, as are they.
        Source: RFC 5322 §3.6.4; no host and no pid.
        """
        blocks = self._names().encryptor().update(bytes.fromhex("".join(delivery_ids))).hex()
        return [f"<{blocks[at : at + 32]}@{domain}>" for at in range(0, len(blocks), 32)]

    def delivery_named(self, message_id: str) -> str | None:
        """The id of the delivery that would have this Message-ID (without brackets, of any domain).

        None when it has not the form of ours. Whether there is such a delivery only the
        ledger knows: anybody can write down 128 bits, and they name nothing that exists.
        """
        name, _, _domain = message_id.partition("@")
        if not _MESSAGE_ID.fullmatch(name):
            return None
        return self._names().decryptor().update(bytes.fromhex(name)).hex()

    def _names(self) -> Cipher[modes.ECB]:
        # What a mode is for, hiding that two blocks are alike, is no need here: no two ids are.
        key = self._keys.of[Purpose.MESSAGE_ID][1]
        return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305


def unlock(store: Store, root: RootKey, now: dt.datetime) -> Vault:
    """Open the store's vault; a store without people gets its first keys.

    Raises:
        CouldNotRun: NL506 wrong key, NL509 damaged keyring; nothing was written.
    """
    with store.read() as tx:
        keys = keyring.opened(tx, root)
    if keys is None:
        with store.write() as tx:
            keys = keyring.opened(tx, root)  # another process may have been first
            if keys is None:
                keyring.create(tx, root, now)
                keys = keyring.opened(tx, root)
    assert keys is not None
    return Vault(keys, store)


def _ciphers(keys: Keys) -> dict[int, AESGCM]:
    return {generation: AESGCM(key) for generation, key in keys.of[Purpose.FIELD].items()}


def _row(subscriber_id: str) -> bytes:
    return b"subscribers|address|" + subscriber_id.encode()
