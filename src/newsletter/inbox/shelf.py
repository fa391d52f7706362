"""Where received mails stand: in memory, or as .eml files in a folder that is only yours.

A file is complete before its name is there, so a folder that was being
written when the power went holds whole mails only.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections import Counter
from pathlib import Path

from newsletter.files import write_atomic
from newsletter.inbox.mail import Mail, receive


class Shelf:
    """Mails in the order of arrival. Used by several threads.

    `folder` None keeps everything in memory. A folder keeps `000001.eml` (the
    exact bytes) and `000001.json` (envelope and time), and is read at start.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._mails: list[Mail] = []
        self._changed = threading.Condition()
        self._folder = folder
        self._last = 0
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._read(folder)

    def put(self, sender: str, recipients: tuple[str, ...], raw: bytes, now: dt.datetime) -> Mail:
        """Keep one mail; returns when it is kept."""
        with self._changed:
            self._last += 1
            source = self._write(self._last, sender, recipients, raw, now)
            mail = receive(self._last, now, sender, recipients, raw, source)
            self._mails.append(mail)
            self._changed.notify_all()
        return mail

    def all(self) -> tuple[Mail, ...]:
        with self._changed:
            return tuple(self._mails)

    def get(self, number: int) -> Mail | None:
        with self._changed:
            low = self._mails[0].number if self._mails else 1
            index = number - low
            if 0 <= index < len(self._mails) and self._mails[index].number == number:
                return self._mails[index]
            return next((mail for mail in self._mails if mail.number == number), None)

    def wait_for(self, count: int, timeout: float) -> tuple[Mail, ...]:
        """The mails, as soon as there are at least `count`.

        Raises:
            TimeoutError: fewer came within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._mails) >= count, timeout):
                raise TimeoutError(f"{len(self._mails)} of {count} mails came in {timeout:g} s")
            return tuple(self._mails)

    def clear(self) -> None:
        with self._changed:
            for mail in self._mails:
                if isinstance(mail.source, Path):
                    mail.source.with_suffix(".json").unlink(missing_ok=True)
                    mail.source.unlink(missing_ok=True)
            self._mails.clear()
            self._changed.notify_all()

    def _write(
        self, number: int, sender: str, recipients: tuple[str, ...], raw: bytes, now: dt.datetime
    ) -> Path | None:
        if self._folder is None:
            return None
        path = self._folder / f"{number:06}.eml"
        write_atomic(path, raw, 0o600, durable=False)
        envelope = {"sender": sender, "recipients": recipients, "received_at": now.isoformat()}
        write_atomic(path.with_suffix(".json"), json.dumps(envelope).encode(), 0o600, durable=False)
        return path

    def _read(self, folder: Path) -> None:
        for path in sorted(folder.glob("[0-9]*.eml")):
            try:
                envelope = json.loads(path.with_suffix(".json").read_bytes())
            except (OSError, ValueError):
                # The mail came, its envelope did not: show what there is.
                envelope = {}
            moment = envelope.get("received_at")
            mail = receive(
                int(path.stem),
                dt.datetime.fromisoformat(moment)
                if moment
                else dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC),
                envelope.get("sender", ""),
                tuple(envelope.get("recipients", ())),
                path.read_bytes(),
                path,
            )
            self._mails.append(mail)
            self._last = mail.number


def per_recipient(mails: tuple[Mail, ...]) -> Counter[str]:
    """How many mails each envelope recipient got: two of one issue would show here."""
    return Counter(recipient for mail in mails for recipient in mail.recipients)


def chosen(mails: tuple[Mail, ...], words: str = "", language: str = "") -> list[Mail]:
    """The mails whose recipient or subject contains `words` and whose language is `language`; newest first."""
    words = words.casefold().strip()
    return [
        mail
        for mail in reversed(mails)
        if (not language or mail.language == language)
        and (
            not words
            or words in mail.subject.casefold()
            or any(words in recipient.casefold() for recipient in mail.recipients)
        )
    ]
