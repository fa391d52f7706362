"""Our own files, told from strangers': by what each looked like when we wrote it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file of ours looked like when we wrote it. `digest` is BLAKE2b-128, hex."""

    digest: str
    size: int
    mtime: int


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of the site that lies ready elsewhere: the digest of its bytes, and where."""

    digest: str
    place: Path


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def is_ours(out: Path, name: str, stamp: Stamp, status: os.stat_result | None = None) -> bool:
    """Whether `name` still holds the bytes we wrote: by size and time, then by its bytes.

    `status`: its lstat(2), when the caller has it already.
    """
    try:
        status = status or os.stat(f"{out}/{name}", follow_symlinks=False)  # noqa: PTH116
        if status.st_size != stamp.size:
            return False
        return (
            status.st_mtime_ns == stamp.mtime or digest((out / name).read_bytes()) == stamp.digest
        )
    except OSError:
        return False
