"""The outbox: each message a file, NAME.eml. For tests and the demo; nothing leaves this machine."""

from __future__ import annotations

import re
from pathlib import Path

from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage, boot_seconds
from newsletter.errors import Finding
from newsletter.files import write_atomic

_MESSAGE_ID = re.compile(rb"^Message-ID: <([A-Za-z0-9]+)@", re.MULTILINE)


class OutboxTransport:
    """A folder (0700) that only its owner reads: the files hold addresses, as mails do."""

    name = "outbox"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def connect(self) -> OutboxConnection:
        return OutboxConnection(self.folder)

    def explain(self, outcome: Outcome) -> Finding:
        return Finding(
            "NL629",
            f"the outbox folder takes no mail: {outcome.reply}",
            help="check that [delivery] outbox_path may be written to, and that the disk is not full",
        )


class OutboxConnection:
    """Files are named after their Message-ID, so that the same message is the same file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aborted = False

    def ready(self) -> Outcome | None:
        if self._aborted:
            return Outcome(Kind.DEFERRED, Stage.CONNECT, reply="aborted")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            return Outcome(Kind.OUR_FAULT, Stage.CONNECT, reply=error.strerror or "no outbox")
        return None

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        trouble = self.ready()
        if trouble is not None:
            return trouble
        found = _MESSAGE_ID.search(message)
        if found is None:
            return Outcome(Kind.OUR_FAULT, Stage.MAIL, reply="a message without a Message-ID")
        if boot_seconds() > envelope.dot_before:
            return Outcome(Kind.DEFERRED, Stage.DATA, reply="slept past the lease")
        name = found[1].decode("ascii")
        try:
            write_atomic(self._folder / f"{name}.eml", message, 0o600, durable=False)
        except OSError as error:
            return Outcome(Kind.OUR_FAULT, Stage.DATA, reply=error.strerror or "not written")
        return Outcome(Kind.ACCEPTED, Stage.TERMINATOR, 250, reply="written")

    def abort(self) -> None:
        """A file is written at once: there is nothing to cut, but nothing more is written."""
        self._aborted = True

    def close(self) -> None:
        """Nothing is open."""
