"""The root key: 32 random bytes in a file of their own, away from the data.

It opens the keyring in the database and does nothing else. Without it the
database and every backup are random bytes; so it may not lie beside them.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from newsletter.errors import CouldNotRun, Finding, Where
from newsletter.files import is_inside, sync_folder, write_atomic

VARIABLE = "NEWSLETTER_KEY_FILE"
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class RootKey:
    """The key itself, and the file it can be read from again after a rotation (None in tests)."""

    value: bytes
    path: Path | None = None

    def __post_init__(self) -> None:
        if len(self.value) != KEY_BYTES:
            raise ValueError("a root key has 32 bytes")

    def __repr__(self) -> str:
        return "RootKey(***)"


def new(path: Path, *, publication: Path | None = None, database: Path | None = None) -> RootKey:
    """Make a key file (0600) that did not exist. Raises: as `keep`."""
    value = secrets.token_bytes(KEY_BYTES)
    keep(path, base64.b64encode(value) + b"\n", publication=publication, database=database)
    return RootKey(value, path)


def keep(
    path: Path, secret: bytes, *, publication: Path | None = None, database: Path | None = None
) -> None:
    """Write a secret to a file (0600) that did not exist, away from the data it opens.

    Raises:
        CouldNotRun: NL505 the place is not away from the data, NL507 there is a
            file already, NL508 it cannot be written; then no file is left.
    """
    place = "name a place outside the publication's folder, away from the database and its backups"
    _away(path, publication, database, place)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CouldNotRun(_taken(path) if path.exists() else _unwritable(path, error)) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)  # half a key is none
        raise CouldNotRun(_unwritable(path, error)) from error


def unfinished(path: Path) -> Path:
    """Where the next key waits while a rotation is under way."""
    return path.with_name(f"{path.name}.new")


def candidates(root: RootKey) -> list[RootKey]:
    """The key, then what its file holds now, then the next key of a rotation that did not end.

    So a running process follows a rotation, and one that was interrupted locks
    nobody out.
    """
    if root.path is None:
        return [root]
    files = [path for path in (root.path, unfinished(root.path)) if path.exists()]
    return [root, *(RootKey(load(path).value, root.path) for path in files)]


def _taken(path: Path) -> Finding:
    return Finding(
        "NL507",
        "there is a file already, and it may be the key to a list",
        Where(str(path)),
        help="name another file, or move this one away if you are sure. Nothing was changed",
    )


def _unwritable(path: Path, error: OSError) -> Finding:
    return Finding(
        "NL508",
        f"the key file cannot be written: {error.strerror}",
        Where(str(path)),
        help="name a place where this account may write, such as ~/.config/newsletter/key",
    )


def save(key: RootKey, path: Path) -> None:
    """Write `key` to `path` (0600) in one step, replacing what is there: the last act of a rotation."""
    write_atomic(path, base64.b64encode(key.value) + b"\n", 0o600)


def read(
    environ: Mapping[str, str], *, publication: Path | None = None, database: Path | None = None
) -> RootKey:
    """The key that `NEWSLETTER_KEY_FILE` names.

    `publication` and `database` (the SQLite file) are where the key may not lie.

    Raises:
        CouldNotRun: NL501 the variable is not set, NL502 no such file, NL503
            others may read it, NL504 it holds no key, NL505 it lies with the data.
    """
    name = environ.get(VARIABLE, "")
    if not name:
        raise CouldNotRun(
            Finding(
                "NL501",
                f"{VARIABLE} is not set, so readers' addresses stay closed",
                help=f"make a key once with `newsletter key new FILE`, then `export {VARIABLE}=FILE`",
            )
        )
    path, lent = Path(name), environ.get("CREDENTIALS_DIRECTORY")
    by_group = bool(lent) and path.parent == Path(str(lent))
    return load(path, publication=publication, database=database, by_group=by_group)


def load(
    path: Path,
    *,
    publication: Path | None = None,
    database: Path | None = None,
    by_group: bool = False,
) -> RootKey:
    """The key in the file `path`. Raises: as `read`, without NL501.

    `by_group`: its group may read it. A credential that systemd lends is root's,
    and an ACL, which the mode shows in the group's place, lets one account in
    (systemd.exec(5), LoadCredential).
    """
    where = Where(str(path))
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            raw = file.read(4096)
    except OSError as error:
        raise CouldNotRun(
            Finding(
                "NL502",
                f"the key file cannot be read: {error.strerror}",
                where,
                help=f"see that {VARIABLE} names the file that `newsletter key new` made",
            )
        ) from error
    if mode & (0o037 if by_group else 0o077):
        raise CouldNotRun(
            Finding(
                "NL503",
                f"others may read the key: the mode is {mode:o}",
                where,
                help=f"run `chmod 600 {path}`; if others had an account here, `newsletter key rotate`",
            )
        )
    move = (
        "move it out of the publication's folder and away from the database and its"
        f" backups, then set {VARIABLE} to its new place"
    )
    _away(path, publication, database, move)
    try:
        value = base64.b64decode(raw.strip(), validate=True)
        return RootKey(value, path)
    except (binascii.Error, ValueError) as error:
        raise CouldNotRun(
            Finding(
                "NL504",
                "the key file holds no key: it should be one line of 44 base64 characters",
                where,
                help="put back the file that `newsletter key new` made; a new key cannot open this list",
            )
        ) from error


def _away(path: Path, publication: Path | None, database: Path | None, help_text: str) -> None:
    beside = database is not None and path.resolve().parent == database.resolve().parent
    if beside or (publication is not None and is_inside(path, publication)):
        raise CouldNotRun(
            Finding(
                "NL505",
                "the key lies with the data it protects",
                Where(str(path)),
                help=help_text,
            )
        )
