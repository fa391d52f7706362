"""Writing files so that half of one is never seen.

A file is written beside its place, flushed to the disk and renamed over it;
the folder is flushed after it, or the rename itself could be lost with the
power (the step that chasquid leaves out and mox takes).
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType


def sync_folder(folder: Path) -> None:
    """Make renames and new names inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes, mode: int = 0o644, *, durable: bool = True) -> None:
    """Replace `path` by `data` in one step; a reader sees the old bytes or the new.

    `durable=False` skips the two fsyncs, for files that can be made again.

    Raises:
        OSError: it cannot be written; names `path`.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # not that of a moment, or none
        raise


def read_file(path: str | Path) -> bytes:
    """Every byte of a regular file. A pipe is not waited for, a device not read.

    Raises:
        OSError: it cannot be read, or (EINVAL) is no file.
    """
    # Without O_NONBLOCK open(2) of a FIFO waits until somebody writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a file", str(path))
        parts = [os.read(descriptor, status.st_size + 1)]
        while parts[-1] and len(parts[0]) != status.st_size:  # it grows, or is of unknown size
            parts.append(os.read(descriptor, 1 << 20))
        return b"".join(parts)
    finally:
        os.close(descriptor)


class Held:
    """A folder that this process holds alone, on this host. The lock goes with the process, however that ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> Held:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)


def hold(folder: Path, patience: float = 0.0) -> Held:
    """Wait at most `patience` seconds until nobody else holds `folder`, and hold it.

    Raises:
        TimeoutError: somebody else still does.
        OSError: there is no such folder, or it may not be read.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    until, rest = time.monotonic() + patience, 0.001
    try:
        while not _locked(descriptor):  # flock(2) itself knows no time limit
            if time.monotonic() >= until:
                raise TimeoutError(errno.ETIMEDOUT, "another process holds it", str(folder))
            time.sleep(rest)
            rest = min(2 * rest, 0.05)
    except BaseException:
        os.close(descriptor)
        raise
    return Held(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_inside(path: Path, folder: Path) -> bool:
    """Whether `path`, every link followed, lies in `folder`, every link followed."""
    return path.resolve().is_relative_to(folder.resolve())
