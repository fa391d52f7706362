"""One build of a publication at a time: a lock that goes with its process."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from newsletter.errors import CouldNotRun, Finding, Where

LOOK_SECONDS = 0.05
"""How often a waiting build looks whether the other one has ended."""


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
