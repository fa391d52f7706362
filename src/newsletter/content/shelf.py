"""The shelf: what was parsed before, kept by the hash of everything it was made from.

Two files: a pack that is only added to, and an index that says which bytes of
it are whole. Nothing on the shelf is found by name or time, so it is always
safe to delete, and a shelf that was cut short or damaged is an empty one:

    put ─► bytes behind the last whole one ─► save: the index, in one rename
    get ─► index ─► bytes ─► their check sum, or a miss
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path

from newsletter.files import write_atomic
from newsletter.resources import PACKAGE

_PARTS = ("content", "language.py", "errors.py", "locale")
"""What of our own code decides how a text is read."""


@cache
def version() -> bytes:
    """A digest of our own code, of its words, and of the libraries that read a text."""
    libraries = [version_of(name) for name in ("markdown", "pyyaml", "babel")]
    made = hashlib.blake2b(" ".join(libraries).encode(), digest_size=16)
    for part in _PARTS:
        place = PACKAGE / part
        files = (
            sorted([*place.rglob("*.py"), *place.rglob("site.po")]) if place.is_dir() else [place]
        )
        for file in files:
            made.update(file.read_bytes())
    return made.digest()


class ShelfDamaged(Exception):
    """A fragment that was there is not there any more; the shelf must be made anew."""


class Shelf:
    """Bytes by key, on disk below `folder`. One process at a time (the build's lock sees to it)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._index_file = folder / "texts.index"
        self._pack_file = folder / "texts.pack"
        self._index: dict[str, list[int]] = {}
        self._used: set[str] = set()
        self._changed = False
        self._pack = os.open(self._pack_file, os.O_RDWR | os.O_CREAT, 0o644)
        self._end = self._read_index()

    def _read_index(self) -> int:
        """Where the whole part of the pack ends; what lies behind it was never saved."""
        try:
            read = json.loads(self._index_file.read_bytes())
            end, index = int(read["end"]), dict(read["keys"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        if os.fstat(self._pack).st_size < end:
            return 0
        self._index = index
        return end

    def get(self, key: str) -> bytes | None:
        """The bytes under `key`; None when they are not here, or not whole."""
        entry = self._index.get(key)
        if entry is None:
            return None
        offset, length, check = entry
        data = os.pread(self._pack, length, offset)
        if len(data) != length or zlib.crc32(data) != check:
            del self._index[key]
            return None
        self._used.add(key)
        return data

    def has(self, key: str) -> bool:
        """Whether something is kept under `key`; it is looked at when it is asked for."""
        if key in self._index:
            self._used.add(key)
            return True
        return False

    def put(self, key: str, data: bytes) -> None:
        os.pwrite(self._pack, data, self._end)
        self._index[key] = [self._end, len(data), zlib.crc32(data)]
        self._end += len(data)
        self._used.add(key)
        self._changed = True

    def save(self) -> None:
        """Keep what was put; make the pack anew when more than half of it is no longer asked for."""
        if not self._changed:
            return
        alive = sum(self._index[key][1] for key in self._used)
        if alive * 2 < self._end:
            self._compact()
        row = {"end": self._end, "keys": self._index}
        write_atomic(
            self._index_file, json.dumps(row, separators=(",", ":")).encode(), durable=False
        )
        self._changed = False

    def _compact(self) -> None:
        """A new pack of what was asked for. The old index goes first, so that the two never disagree."""
        kept = {
            key: os.pread(self._pack, self._index[key][1], self._index[key][0])
            for key in sorted(self._used)
        }
        self._index_file.unlink(missing_ok=True)
        os.ftruncate(self._pack, 0)
        self._index, self._end = {}, 0
        for key, data in kept.items():
            self.put(key, data)

    def close(self) -> None:
        os.close(self._pack)
