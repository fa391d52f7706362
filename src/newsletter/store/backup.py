"""One file that holds a whole store, readable by its recipients alone, made while running.

    snapshot -> lines (dump.py) -> deflate -> age -> file beside -> fsync -> rename

The file is encrypted to age keys (age-encryption.org/v1) whose secret half is
not on this machine. Inside it addresses are still sealed, and the root key is
not in it: whoever wants to read one needs both.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import secrets
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy.engine import Connection

from newsletter.errors import CouldNotRun, Finding, Where
from newsletter.files import sync_folder
from newsletter.store import dump
from newsletter.store.engine import Store

Progress = Callable[[int, int, str], None]
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written: rows and bytes."""

    path: Path
    rows: int
    size: int


def new_identity(now: dt.datetime) -> tuple[bytes, str]:
    """A key pair for backups: the secret half as a file that `age` reads too, and the public half ("age1...").

    Raises:
        CouldNotRun: NL813, age is not installed.
    """
    secret = _age().x25519.Identity.generate()
    recipient = str(secret.to_public())
    made = now.replace(microsecond=0).isoformat()
    return f"# created: {made}\n# public key: {recipient}\n{secret}\n".encode(), recipient


def write(
    store: Store,
    path: Path,
    recipients: Sequence[str],
    now: dt.datetime,
    *,
    progress: Progress | None = None,
) -> Backup:
    """Write a backup of one moment to a new file (0600).

    `recipients` are age public keys ("age1...").

    Raises:
        CouldNotRun: NL810 no recipient, NL811 one is no age key, NL812 the file
            is there already or cannot be written, NL813 age is not installed.
    """
    age = _age()
    keys = _recipients(age, recipients)
    if path.exists():
        raise CouldNotRun(_unwritable(path, "there is one of this name already"))
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file, store.read() as tx:
                lines = _Counted(tx, now, progress)
                age.encrypt_io(_Reader(_deflated(lines)), file, keys)
                file.flush()
                os.fsync(file.fileno())
            os.link(beside, path)  # unlike a rename it replaces nothing
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(path.parent)
    except (OSError, age.EncryptError) as error:
        # age passes the disk's own words on: "OSError: [Errno 28] No space left on device".
        raise CouldNotRun(_unwritable(path, str(error).rpartition("] ")[2])) from error
    return Backup(path, lines.rows, path.stat().st_size)


def read_into(
    tx: Connection, path: Path, identity: Path, *, progress: Progress | None = None
) -> int:
    """Fill the empty store behind `tx` from a backup, in the caller's write. Returns the rows.

    `identity` is the file of the age secret key ("AGE-SECRET-KEY-1...").

    Raises:
        CouldNotRun: NL801 from a newer program, NL813 age is not installed,
            NL814 somebody is in the store, NL815 the backup does not open with
            this identity, or is damaged or cut off.
        OSError: the disk that it is unpacked on is full.
    """
    age = _age()
    if not dump.is_empty(tx):
        raise CouldNotRun(
            Finding(
                "NL814",
                "the database holds readers already; a backup is not mixed into it",
                help="move the database away (keep it), then restore into a new one."
                " Nothing was changed",
            )
        )
    for named in (path, identity):
        if not named.exists():
            raise CouldNotRun(
                Finding(
                    "NL815",
                    "there is no such file",
                    Where(str(named)),
                    help="name the backup, and with --identity the file of the secret age key."
                    " Nothing was changed",
                )
            )
    try:
        secret = _identity(age, identity)
        with path.open("rb") as file:
            return dump.load(tx, _lines(age, file, secret, progress))
    except (OSError, ValueError, zlib.error, age.DecryptError, dump.Damaged) as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise  # the backup is innocent
        raise CouldNotRun(
            Finding(
                "NL815",
                "the backup cannot be read: it is damaged, cut off, or not for this identity",
                Where(str(path)),
                help="try another backup, or the identity that belongs to its recipient."
                " Nothing was changed",
            )
        ) from error


class _Counted:
    """The lines of a dump, telling how far it is."""

    def __init__(self, tx: Connection, now: dt.datetime, progress: Progress | None) -> None:
        self.rows = dump.count(tx)
        self._lines = dump.dump(tx, now)
        self._progress = progress

    def __iter__(self) -> Iterator[bytes]:
        for number, line in enumerate(self._lines):
            if self._progress is not None and number % 1000 == 0:
                self._progress(min(number, self.rows), self.rows, "saved")
            yield line.encode()
        if self._progress is not None:
            self._progress(self.rows, self.rows, "saved")


class _Reader:
    """A readable file over an iterator of bytes; age asks it for a block at a time."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        gathered = [self._left]
        length = len(self._left)
        while size < 0 or length < size:
            part = next(self._parts, None)
            if part is None:
                break
            gathered.append(part)
            length += len(part)
        whole = b"".join(gathered)
        cut = len(whole) if size < 0 else size
        self._left = whole[cut:]
        return whole[:cut]


def _deflated(parts: _Counted) -> Iterator[bytes]:
    packer = zlib.compressobj(3)  # sealed addresses are random; more effort gains nothing
    for part in parts:
        if packed := packer.compress(part):
            yield packed
    yield packer.flush()


def _lines(age: Any, file: Any, secret: Any, progress: Progress | None) -> Iterator[str]:
    """The lines of a backup. age pushes into a file; what it pushes is kept on the disk's side of a pipe."""
    import tempfile

    # age's stream is pushed, the load pulls: a nameless temporary file stands
    # between them. What lies in it is the dump: addresses sealed, keys wrapped.
    with tempfile.TemporaryFile() as between:
        try:
            age.decrypt_io(file, between, [secret])
        except age.DecryptError as error:
            # While it reads the first block, age makes an error of its own of whatever is raised.
            if str(error).startswith(KeyboardInterrupt.__name__):
                raise KeyboardInterrupt from None
            raise
        total = between.tell()
        between.seek(0)
        unpacker = zlib.decompressobj()
        rest = b""
        while packed := between.read(1 << 16):
            rest += unpacker.decompress(packed)
            *whole, rest = rest.split(b"\n")
            if progress is not None:
                progress(between.tell(), total, "restored")
            for line in whole:
                yield line.decode()
        if rest or not unpacker.eof:
            raise dump.Damaged


def _age() -> ModuleType:
    try:
        import pyrage
    except ModuleNotFoundError as error:
        raise CouldNotRun(
            Finding(
                "NL813",
                "age, which encrypts backups, is not installed",
                help="in the program's checkout: pip install '.[backup]'",
            )
        ) from error
    return pyrage  # type: ignore[no-any-return]


def _recipients(age: Any, recipients: Sequence[str]) -> list[Any]:
    if not recipients:
        raise CouldNotRun(
            Finding(
                "NL810",
                "nobody could read the backup: no recipient is named",
                help="make a key with `newsletter key new --backup FILE` and write what it prints"
                ' as `recipients = ["age1..."]` under [backup]',
            )
        )
    keys = []
    for number, recipient in enumerate(recipients, 1):
        try:
            keys.append(age.x25519.Recipient.from_str(recipient))
        except age.RecipientError as error:
            raise CouldNotRun(
                Finding(
                    "NL811",
                    f"recipient {number} under [backup] is no age public key",
                    help="it begins with `age1`; the line `# public key:` of the identity's file has it",
                )
            ) from error
    return keys


def _identity(age: Any, path: Path) -> Any:
    """The secret key in the file of `new_identity`, or of `age-keygen`: the one line that is no comment."""
    for line in path.read_text("ascii").splitlines():
        if line.startswith("AGE-SECRET-KEY-"):
            try:
                return age.x25519.Identity.from_str(line.strip())
            except age.IdentityError:
                break
    raise ValueError("no identity in the file")


def _unwritable(path: Path, why: str) -> Finding:
    return Finding(
        "NL812",
        f"the backup cannot be written: {why}",
        Where(str(path)),
        help="name a new file in a folder where this account may write",
    )
