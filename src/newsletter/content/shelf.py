"""The shelf: what was parsed before, kept by the hash of what it was made from.

Nothing on it is ever trusted by time or name, so it is always safe to delete.
"""

from __future__ import annotations

from typing import Protocol


class Shelf(Protocol):
    """Bytes by key; a miss is None."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes) -> None: ...
