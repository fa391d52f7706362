"""The next tree takes the site's place: its bytes to the disk, then the two change names.

A reader, a crash or a power cut sees the old site or the new one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from newsletter.files import sync_folder

_FEW = 64
"""Files. Up to here each is flushed alone; beyond, the whole file system once."""


def flush(following: Path, changed: Sequence[str]) -> None:
    """New bytes reach the disk before a name points at them; a first site has nothing to lose."""
    if not changed:
        return
    if len(changed) > _FEW and _syncfs(following):
        return
    for name in changed:
        descriptor = os.open(following / name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    for folder in {(following / name).parent for name in changed}:
        sync_folder(folder)


def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None, use_errno=True)
    except OSError:
        return None


def _syncfs(folder: Path) -> bool:
    libc = _libc()
    if libc is None or not hasattr(libc, "syncfs"):
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return bool(libc.syncfs(descriptor) == 0)
    finally:
        os.close(descriptor)


_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def exchange(spare: Path, out: Path) -> None:
    """Give the next tree the site's name, in one step where the system can.

    Linux: renameat2(2) with RENAME_EXCHANGE; macOS: renamex_np(2) with
    RENAME_SWAP. Elsewhere two renames: for some microseconds there is no site,
    and `recover` puts the old one back if the power goes just then.
    """
    if not os.path.lexists(out):
        spare.rename(out)
    elif not swap(spare, out):
        aside = out.with_name(f".{out.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        out.rename(aside)
        spare.rename(out)
        aside.rename(spare)
    sync_folder(out.parent)


def swap(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False, and nothing done, where the system cannot."""
    libc = _libc()
    a, b = os.fsencode(one), os.fsencode(other)
    if libc is None or other.is_symlink():
        return False
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return bool(libc.renamex_np(a, b, ctypes.c_uint(2)) == 0)
    if hasattr(libc, "renameat2"):
        return bool(
            libc.renameat2(_AT_FDCWD, a, _AT_FDCWD, b, ctypes.c_uint(_RENAME_EXCHANGE)) == 0
        )
    return False


def recover(out: Path, spare: Path) -> None:
    """Put the old site back where a build died between two renames."""
    aside = out.with_name(f".{out.name}.old")
    if aside.is_dir():
        if os.path.lexists(out):
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(out)
    if spare.is_symlink() or (os.path.lexists(spare) and not spare.is_dir()):
        spare.unlink()
    spare.mkdir(parents=True, exist_ok=True)
