"""The whole site changes at once: a next tree is made beside it, then the two change names.

    files ─► differences from what lies there ─► none? nothing is touched
          ─► spare tree: hard links for what is the same, new files for what is not
          ─► flushed to the disk ─► spare and site exchange names

The old site stays as the next spare, so the next build touches only what
differs from the build before.
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
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from newsletter.errors import CouldNotRun, Finding, Where
from newsletter.files import sync_folder

LOOK_SECONDS = 0.05
"""How often a waiting build looks whether the other one has ended."""


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
def alone(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold the publication's build lock; it goes with the process, however that ends.

    `patience`: seconds to wait for another build that holds it.

    Raises:
        CouldNotRun: another process is building, and still is after `patience`.
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
        until = time.monotonic() + patience
        while not _locked(lock):
            if time.monotonic() >= until:
                raise CouldNotRun(
                    Finding(
                        "NL305",
                        "another build is running",
                        help="wait until it has ended, then build again",
                    )
                )
            time.sleep(LOOK_SECONDS)  # flock(2) itself knows no time limit
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
    spare: Path,
) -> tuple[Switched, dict[str, Stamp]]:
    """Make `out` hold the `wanted` files (name -> digest), each from `make(name)` if it is not there yet.

    `before` is what we know of the files in `out`; `spare` is where the next
    tree is made (beside `out` when that is another file system) and where the
    old one is kept for the next time, so that only what differs is touched.
    The result tells of every wanted file.

    Raises:
        CouldNotRun: the disk is full, or a folder may not be written.
    """
    spare = place_of_spare(out, spare)
    recover(out, spare)
    old = {name: found for name, stamp in before.items() if (found := _inode(out, name, stamp))}
    same = {name for name, wish in wanted.items() if name in old and before[name].digest == wish}
    changed = [name for name in wanted if name not in same]
    gone = [name for name in before if name not in wanted and os.path.lexists(out / name)]
    if not changed and not gone and out.is_dir():
        return Switched(0, len(same), 0), {name: before[name] for name in wanted}
    try:
        stamps = _fill(spare, out, wanted, {name: old[name] for name in same}, make, before)
        _flush(spare, changed if out.is_dir() else [])
        first = not os.path.lexists(out)
        _exchange(spare, out)
        if first:  # the next build is to find its spare ready
            _mirror(out, spare, wanted)
    except OSError as error:
        shutil.rmtree(spare, ignore_errors=True)
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
    return Switched(len(changed), len(same), len(gone)), stamps


def place_of_spare(out: Path, spare: Path) -> Path:
    """`spare`, or a hidden folder beside `out` when the two lie on different file systems."""
    try:
        near = os.stat(out.parent).st_dev == os.stat(spare.parent).st_dev  # noqa: PTH116
    except OSError:
        near = False
    return spare if near else out.with_name(f".{out.name}.next")


def _inode(out: Path, name: str, stamp: Stamp) -> int:
    """The inode of a file that still holds what we wrote; 0 when it does not."""
    return os.stat(f"{out}/{name}").st_ino if still_ours(out, name, stamp) else 0  # noqa: PTH116


def _fill(
    spare: Path,
    out: Path,
    wanted: Mapping[str, str],
    same: Mapping[str, int],
    make: Callable[[str], bytes],
    before: Mapping[str, Stamp],
) -> dict[str, Stamp]:
    """Make the spare tree the next one; what is the same is the same file on the disk."""
    stamps: dict[str, Stamp] = {}
    there = _files(spare)
    made: set[str] = set()
    foreign = {
        name: inode
        for name, inode in _files(out).items()
        if name not in before and name not in wanted
    }
    base, old = str(spare), str(out)
    for name in [name for name in there if name not in wanted and there[name] != foreign.get(name)]:
        os.unlink(f"{base}/{name}")  # noqa: PTH108
    for name, inode in {**same, **foreign}.items():
        if there.get(name) != inode:
            _room(base, name, made, occupied=name in there and (name in wanted or name in foreign))
            _link(f"{old}/{name}", f"{base}/{name}")
    for name, wish in wanted.items():
        if name in same:
            stamps[name] = before[name]
        else:
            _room(base, name, made, occupied=name in there)
            stamps[name] = _write(f"{base}/{name}", make(name), wish)
    _prune(base)
    return stamps


def _mirror(out: Path, spare: Path, names: Iterable[str]) -> None:
    """A spare tree of the same files, by hard links."""
    made: set[str] = set()
    spare.mkdir(parents=True, exist_ok=True)
    for name in names:
        _room(str(spare), name, made, occupied=False)
        _link(f"{out}/{name}", f"{spare}/{name}")


def _room(base: str, name: str, made: set[str], *, occupied: bool) -> None:
    """The folder for a file, and nothing in the file's place."""
    folder = name.rpartition("/")[0]
    if folder not in made:
        os.makedirs(f"{base}/{folder}", exist_ok=True)  # noqa: PTH103
        made.add(folder)
    if occupied:
        with suppress(FileNotFoundError):
            os.unlink(f"{base}/{name}")  # noqa: PTH108


def _files(folder: Path) -> dict[str, int]:
    """Every file (and link) below a folder: name -> inode."""
    found: dict[str, int] = {}
    queue = [""]
    while queue:
        place = queue.pop()
        try:
            with os.scandir(f"{folder}/{place}") as entries:
                for entry in entries:
                    name = f"{place}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        queue.append(f"{name}/")
                    else:
                        found[name] = entry.inode()
        except FileNotFoundError:
            continue
    return found


def _prune(base: str) -> None:
    """Take away folders in which nothing is left."""
    for folder, folders, files in os.walk(base, topdown=False):
        if (
            not files
            and folder != base
            and not any(os.path.lexists(f"{folder}/{each}") for each in folders)
        ):
            os.rmdir(folder)  # noqa: PTH106


def _write(path: str, data: bytes, wish: str) -> Stamp:
    with open(path, "xb") as file:  # noqa: PTH123 - twice as fast as Path, ten thousand times; x: never into a shared file
        file.write(data)
    return Stamp(wish, len(data), os.stat(path).st_mtime_ns)  # noqa: PTH116


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


def _exchange(spare: Path, out: Path) -> None:
    """Give the next tree the site's name, in one step where the system can.

    Linux: renameat2(2) with RENAME_EXCHANGE; macOS: renamex_np(2) with
    RENAME_SWAP. Elsewhere two renames: for some microseconds there is no site,
    and `recover` puts the old one back if the power goes just then.
    """
    if not os.path.lexists(out):
        spare.rename(out)
    elif not _swap(spare, out):
        aside = out.with_name(f".{out.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        out.rename(aside)
        spare.rename(out)
        aside.rename(spare)
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
