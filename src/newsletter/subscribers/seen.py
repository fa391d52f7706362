"""Which hashes have come by: a set of the first 64 bits of each, in 8 to 16 bytes an entry.

A Python set of a million digests takes 100 MB; this takes 16. Two digests that
share 64 bits (once in 37 million lists of a million) would be told as one.
"""

from __future__ import annotations

from array import array


class Seen:
    """A growing set of keyed hashes, open addressing with linear probing. 0 marks a free place."""

    def __init__(self) -> None:
        self._places = array("Q", bytes(8 * 4096))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, digest: bytes) -> bool:
        """Remember; False when it was here before."""
        value = int.from_bytes(digest[:8]) or 1
        if not self._put(value):
            return False
        self._count += 1
        if self._count * 2 > len(self._places):
            self._grow()
        return True

    def _put(self, value: int) -> bool:
        places, mask = self._places, len(self._places) - 1
        place = value & mask  # the digest is random already
        while (found := places[place]) != value:
            if not found:
                places[place] = value
                return True
            place = (place + 1) & mask
        return False

    def _grow(self) -> None:
        old = self._places
        self._places = array("Q", bytes(8 * 2 * len(old)))
        for value in old:
            if value:
                self._put(value)
