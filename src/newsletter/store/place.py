"""Where the SQLite file lies: for the program's own account alone (folder 0700, file 0600)."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from newsletter.errors import CouldNotRun, Finding, Where

AS_GIT_MADE_IT = {"README.md", ".gitignore"}
"""What a fresh clone holds: git keeps no folder modes, so such a folder may be tightened."""


def prepare(file: str) -> None:
    """Make the folder (0700) and the file (0600) when missing.

    Raises:
        CouldNotRun: NL803, somebody else may read them; NL804, they cannot be made.
    """
    path = Path(file)
    folder = path.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists() and {entry.name for entry in folder.iterdir()} <= AS_GIT_MADE_IT:
            folder.chmod(0o700)
        findings = open_to_others(folder) + open_to_others(path)
        if findings:
            raise CouldNotRun(*findings)
        # SQLite gives the -wal and -shm files the mode of the database itself.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise CouldNotRun(
            Finding(
                "NL804",
                f"the database cannot be opened: {error.strerror}",
                Where(file),
                help="check `[store] url` and that this account may write there",
            )
        ) from error


def name(file: str) -> str:
    """What tells the database that was opened there just now from every copy of it, whatever leads to its folder.

    The file and its write-ahead log: one that has two names by a hard link has two logs,
    and one that was copied over in place, log taken away, has another. Whoever has the
    log open keeps it from being made anew.
    """
    path = Path(os.path.realpath(file))  # as SQLite itself follows links
    here, folder = path.stat(), path.parent.stat()
    told: tuple[object, ...] = here.st_dev, here.st_ino, folder.st_dev, folder.st_ino, path.name
    with suppress(FileNotFoundError):  # a file system that can keep none
        told += (path.with_name(f"{path.name}-wal").stat().st_ino,)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def open_to_others(path: Path) -> list[Finding]:
    """A finding when group or others have any right on `path`; nothing when it does not exist."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return []
    if not mode & 0o077:
        return []
    wanted = "700" if path.is_dir() else "600"
    return [
        Finding(
            "NL803",
            f"others may read readers' data: the mode is {mode:o}",
            Where(str(path)),
            help=f"run `chmod {wanted} {path}`",
        )
    ]
