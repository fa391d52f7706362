"""A database that is there once it is whole, and not before.

    no file yet  -> a file beside it, in its folder -> what the caller writes
                    ended well: flushed, closed, given its name
                    anything else: file and folder are as they were
    a file, or a server -> the store itself: the caller writes one transaction

Nobody can run code after a `kill -9`: what such an end leaves beside is taken
away by the next one that begins here.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from newsletter.errors import CouldNotRun, Finding, Where
from newsletter.files import hold, sync_folder
from newsletter.store.engine import Store, open_store

PATIENCE_SECONDS = 5.0
"""How long another one may hold the folder; the witness does for milliseconds."""


@contextmanager
def anew(
    url: str, file: Path | None, beside: Path | None = None, mirror: Path | None = None
) -> Iterator[Store]:
    """The store at `url`, to be filled in the body; its tables are not made or brought up.

    `file` is where a SQLite database lies, None for a server; `beside` and
    `mirror` as in `open_store`.

    Raises:
        CouldNotRun: as `open_store`; NL816, the disk or the database took no
            more, or the place is not free. Nothing was changed.
    """
    try:
        if file is None or file.exists():
            with closing(open_store(url, beside, mirror)) as store:
                yield store
        else:
            with _folder(file.parent), _beside(file) as new:
                with closing(open_store(f"sqlite:///{new}", beside, mirror)) as store:
                    yield store
                _settle(new)
                os.link(new, file)  # unlike a rename it replaces nothing
    except FileExistsError as error:
        raise CouldNotRun(_failed("somebody else has made it meanwhile", file)) from error
    except TimeoutError as error:
        raise CouldNotRun(_failed("another process holds its folder", file)) from error
    except (sa.exc.DBAPIError, sqlite3.Error, OSError) as error:
        raise CouldNotRun(_failed(_reason(error), file)) from error


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """The folder, made and held; when the body fails it is as it was, or gone again."""
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    mode = None if made else stat.S_IMODE(folder.stat().st_mode)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with hold(folder, PATIENCE_SECONDS):
            yield
        sync_folder(folder)
    except BaseException:
        with suppress(OSError):
            if mode is not None:
                folder.chmod(mode)
            for each in made:
                each.rmdir()
        raise


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A name beside `file`; nothing of that name stays."""
    log = file.with_name(f"{file.name}-wal")
    if log.exists():
        # Under a new file of this name SQLite would play it into that.
        raise CouldNotRun(_failed(f"{log.name} of a database that is gone lies there", file))
    _tidy(file)  # whoever was killed has not
    try:
        yield file.with_name(f".{file.name}.{secrets.token_hex(6)}.new")
    finally:
        _tidy(file)


def _tidy(file: Path) -> None:
    for left in file.parent.glob(f".{file.name}.*.new*"):
        left.unlink(missing_ok=True)


def _settle(file: Path) -> None:
    """Bring everything into the one file, flushed."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if file.with_name(f"{file.name}-wal").exists():
        raise OSError(errno.EIO, "its log could not be brought into it")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    # The driver's words may name values on PostgreSQL; SQLite's never do.
    said = getattr(error, "orig", error)
    state = getattr(said, "sqlstate", None)
    return f"the database says {state}" if state else str(said).splitlines()[0]


def _failed(why: str, file: Path | None) -> Finding:
    return Finding(
        "NL816",
        f"the database could not be made: {why}",
        Where(str(file)) if file else None,
        help="see what is in its way (`newsletter explain NL816`), then try again. Nothing was changed",
    )
