"""The whole site changes at once: a next tree is made beside it, then the two change names.

    files ─► differences from what lies there ─► none? nothing is touched
          ─► next tree: hard links for what is the same, new files for what is not
          ─► flushed to the disk ─► next and old exchange names ─► old is deleted

A reader, a crash or a full disk sees the old site or the new one. Files in the
folder that we did not write (a CNAME, a proof of ownership) are carried over;
files we wrote before and no longer make are left behind.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from newsletter.errors import CouldNotRun, Finding, Where
from newsletter.files import sync_folder


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file of ours looked like when we wrote it. `digest` is BLAKE2b-128, hex."""

    digest: str
    size: int
    mtime: int


@dataclass(frozen=True, slots=True)
class Switched:
    """What a publication of the tree did, in files."""

    written: int
    unchanged: int
    removed: int


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the publication's build lock; it goes with the process, however that ends.

    Raises:
        CouldNotRun: another process is building.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise CouldNotRun(
            Finding(
                "NL304",
                f"the build's memory cannot be written: {error.strerror}",
                Where(str(folder)),
                help="make room, or check the rights of the folder",
            )
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CouldNotRun(
                Finding(
                    "NL305",
                    "another build is running",
                    help="wait until it has ended, then build again",
                )
            ) from error
        yield


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def check_place(out: Path, root: Path) -> None:
    """Refuse to publish over the publication itself.

    Raises:
        CouldNotRun: `out` is the publication, holds it, or is a file.
    """
    out, root = out.resolve(), root.resolve()
    if (
        root.is_relative_to(out)
        or (out / "newsletter.toml").exists()
        or any(
            out.is_relative_to(root / own)
            for own in ("content", "templates", "subscribers", "src", ".git")
        )
    ):
        raise CouldNotRun(
            Finding(
                "NL303",
                "the site may not be built over the publication itself",
                Where(str(out)),
                help="choose a folder of its own, such as public/",
            )
        )
    if out.exists() and not out.is_dir():
        raise CouldNotRun(
            Finding(
                "NL303",
                f"{out} is not a folder",
                Where(str(out)),
                help="choose a folder such as public/",
            )
        )


def still_ours(out: Path, name: str, stamp: Stamp) -> bool:
    """Whether `name` still holds the bytes we wrote: by size and time, then by its bytes."""
    try:
        status = os.stat(f"{out}/{name}", follow_symlinks=False)  # noqa: PTH116
    except OSError:
        return False
    if status.st_size != stamp.size:
        return False
    if status.st_mtime_ns == stamp.mtime:
        return True
    try:
        return digest((out / name).read_bytes()) == stamp.digest
    except OSError:
        return False


def publish(
    out: Path,
    wanted: Mapping[str, str],
    make: Callable[[str], bytes],
    before: Mapping[str, Stamp],
    *,
    keep_foreign: bool = True,
) -> tuple[Switched, dict[str, Stamp]]:
    """Make `out` hold the `wanted` files (name -> digest), each from `make(name)` if it is not there yet.

    `before` is the manifest of the last publication. The result's manifest has
    every wanted file.

    Raises:
        CouldNotRun: the disk is full, or a folder may not be written.
    """
    recover(out)
    same = {
        name
        for name, wish in wanted.items()
        if (stamp := before.get(name)) and stamp.digest == wish and still_ours(out, name, stamp)
    }
    changed = [name for name in wanted if name not in same]
    gone = [name for name in before if name not in wanted and os.path.lexists(out / name)]
    if not changed and not gone and out.is_dir():
        return Switched(0, len(same), 0), {name: before[name] for name in wanted}
    following = out.with_name(f".{out.name}.next-{secrets.token_hex(4)}")
    try:
        stamps = _fill(following, out, wanted, same, make, before, foreign=keep_foreign)
        _flush(following, changed if out.is_dir() else [])
        _exchange(following, out)
    except OSError as error:
        shutil.rmtree(following, ignore_errors=True)
        what = (
            "the disk is full"
            if error.errno == errno.ENOSPC
            else f"the site cannot be written: {error.strerror}"
        )
        raise CouldNotRun(
            Finding(
                "NL304",
                what,
                Where(str(error.filename or out)),
                help="nothing was changed; make room or check the rights of the folder, then build again",
            )
        ) from error
    except BaseException:
        shutil.rmtree(following, ignore_errors=True)
        raise
    return Switched(len(changed), len(same), len(gone)), stamps


def _fill(
    following: Path,
    out: Path,
    wanted: Mapping[str, str],
    same: set[str],
    make: Callable[[str], bytes],
    before: Mapping[str, Stamp],
    *,
    foreign: bool,
) -> dict[str, Stamp]:
    """Make the next tree; what is the same is the same file on the disk."""
    stamps: dict[str, Stamp] = {}
    made: set[str] = set()
    os.mkdir(following)  # noqa: PTH102 - no parents: beside `out` or not at all
    base, old = str(following), str(out)
    for name, wish in wanted.items():
        folder = name.rpartition("/")[0]
        if folder not in made:
            os.makedirs(f"{base}/{folder}", exist_ok=True)  # noqa: PTH103
            made.add(folder)
        path = f"{base}/{name}"
        if name in same:
            _link(f"{old}/{name}", path)
            stamps[name] = before[name]
            continue
        stamps[name] = _write(path, make(name), wish)
    if foreign and out.is_dir():
        _carry_over(out, following, set(before) | set(wanted))
    return stamps


def _write(path: str, data: bytes, wish: str) -> Stamp:
    with open(path, "wb") as file:  # noqa: PTH123 - twice as fast as Path, ten thousand times
        file.write(data)
    return Stamp(wish, len(data), os.stat(path).st_mtime_ns)  # noqa: PTH116


def _carry_over(out: Path, following: Path, ours: set[str]) -> None:
    """Take along what somebody else put into the folder."""
    for folder, folders, files in os.walk(out):
        place = Path(folder).relative_to(out)
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in [*files, *links]:
            relative = (place / name).as_posix()
            if relative in ours:
                continue
            target = following / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(target):
                _link(str(out / relative), str(target))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copy2(source, target, follow_symlinks=False)


_FEW = 64
"""Files. Up to here each is flushed alone; beyond, the whole file system once."""


def _flush(following: Path, changed: list[str]) -> None:
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


def _exchange(following: Path, out: Path) -> None:
    """Give the next tree the site's name, in one step where the system can.

    Linux: renameat2(2) with RENAME_EXCHANGE; macOS: renamex_np(2) with
    RENAME_SWAP. Elsewhere two renames: for some microseconds there is no site,
    and `recover` puts the old one back if the power goes just then.
    """
    if not os.path.lexists(out):
        following.rename(out)
    elif _swap(following, out):
        shutil.rmtree(following, ignore_errors=True)
    else:
        aside = out.with_name(f".{out.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        out.rename(aside)
        following.rename(out)
        shutil.rmtree(aside, ignore_errors=True)
    sync_folder(out.parent)


def _swap(one: Path, other: Path) -> bool:
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


def recover(out: Path) -> None:
    """Tidy up after a build that died: put an old site back, delete half trees."""
    aside = out.with_name(f".{out.name}.old")
    if aside.is_dir() and not os.path.lexists(out):
        aside.rename(out)
    for left in [*out.parent.glob(f".{out.name}.next-*"), aside]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
