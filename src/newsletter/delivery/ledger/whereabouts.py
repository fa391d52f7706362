"""Which process on which boot of which host: how a dead sender is told from a slow one.

A sender writes these down before its first claim. On the same host and boot
the process table answers at once; from another host only the lease can.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Life(StrEnum):
    ALIVE = "alive"
    DIED = "died"
    """Its process is gone, its host's memory is not: every commit it made is still there."""
    POWER_LOST = "power lost"
    """Its host was started anew: its last unsynced commits may be lost."""
    PUT_BACK = "put back"
    """Its process is gone, and this database is a copy that lacks its last commits."""
    OUT_OF_SIGHT = "out of sight"
    """On another host, in another container, or hidden from us: only its lease tells."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """`host` holds the PID namespace, because a number means another process in another container."""

    host: str
    boot_id: str
    pid: int
    process_started: str


def here() -> Whereabouts:
    """This process."""
    return Whereabouts(_host(), _boot_id(), os.getpid(), started(os.getpid()) or "")


def life_of(other: Whereabouts, ours: Whereabouts, started: Callable[[int], str | None]) -> Life:
    """What became of `other`, judged from where we stand; `started` asks the process table. Pure."""
    if other.host != ours.host:
        return Life.OUT_OF_SIGHT
    if other.boot_id != ours.boot_id:
        return Life.POWER_LOST
    found = started(other.pid)
    if found == other.process_started:
        return Life.ALIVE
    return Life.OUT_OF_SIGHT if found == HIDDEN else Life.DIED


HIDDEN = ""
"""There is such a process, and nothing tells when it started: no /proc, or one that hides others (proc(5), hidepid)."""


def started(pid: int) -> str | None:
    """The start time of process `pid` in clock ticks since boot; None when there is no such process, or HIDDEN.

    Source: proc_pid_stat(5), field 22. A killed process that nobody has waited
    for yet (state Z) is gone.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return _unseen(pid)
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return None if fields[0] in "ZX" else fields[19]


def _unseen(pid: int) -> str | None:
    """Asked of the kernel itself, which does not hide whether there is one."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        pass
    return HIDDEN


def _host() -> str:
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{platform.node()} {namespace}".strip()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
