"""OpenSMTPD's log, followed from our return path to its envelope to what became of it.

    SESSION smtp envelope evpid=… from=<b+TOKEN@…> to=<…>          taken (since 6.7)
    SESSION smtp message address=… msgid=… from=<b+TOKEN@…> to=<…> taken (6.4)
    SESSION mta delivery evpid=… … result="Ok|TempFail|PermFail" stat="…"
    SESSION mda delivery evpid=… … result=Ok stat=…
    relay: Expire for EVPID: from=<…>, …                           given back, after its time

It never logs the Message-ID header; its `msgid=` is a number of its own, the
first half of `evpid=`. So our mails are found by the return path that names
the delivery, and only where [sender] bounce_domain gives them one.
Source: usr.sbin/smtpd/smtp_session.c, mta.c, mda.c, queue.c of OpenSMTPD 7.8.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from newsletter.delivery.mtalog.lines import MOST_TEXT, Entry
from newsletter.delivery.mtalog.track import Track, Tracks

_TAKEN = re.compile(
    rb"[0-9a-f]{16} smtp (?:envelope evpid=([0-9a-f]{8})[0-9a-f]{8}"
    rb"|(?:event=)?message (?:address=\S+ host=\S+ )?msgid=([0-9a-f]{8}))"
    rb" from=<([^<> ]{1,320})> to="
)
_DELIVERY = re.compile(
    rb"[0-9a-f]{16} m[td]a delivery evpid=([0-9a-f]{8})[0-9a-f]{8} "
    rb".*? delay=\w+ result=\"?(\w+)\"?(?: stat=\"?(?:Error \()?(?:([45]\d\d)[ -])?(?:([45]\.\d{1,3}\.\d{1,3})\b)?)?"
)
_EXPIRED = re.compile(rb"\w{1,16}: Expire for ([0-9a-f]{8})[0-9a-f]{8}: ")
_WORDS = {
    b"Ok": "delivered",
    b"TempFail": "deferred",
    b"PermFail": "bounced",
    b"LoopDetected": "bounced",
}


class OpenSmtpd:
    """Follows the messages of `tracks`; `name_of` gives the Message-ID of a return path, or None."""

    name = "opensmtpd"

    def __init__(self, tracks: Tracks, name_of: Callable[[str], str | None]) -> None:
        self._tracks = tracks
        self._name_of = name_of
        self._live: dict[bytes, Track] = {}
        self.seen = False

    def feed(self, said: Entry) -> bool:
        """Take one entry; whether it was OpenSMTPD's and named a message of ours."""
        if said.program != b"smtpd":
            return False
        text = said.text[:MOST_TEXT]
        if found := _TAKEN.match(text):
            self.seen = True
            number = found[1] or found[2]
            self._live.pop(number, None)
            name = self._name_of(found[3].decode("ascii", "replace"))
            track = self._tracks.of(name.encode()) if name is not None else None
            if track is None:
                return False
            track.named(number.decode("ascii"))
            track.taken = True
            self._live[number] = track
            return True
        if found := _EXPIRED.match(text):
            track = self._live.get(found[1])
            if track is None:
                return False
            track.delivery("expired", bounced=True, enhanced="5.4.7")
            return True
        if found := _DELIVERY.match(text):
            track = self._live.get(found[1])
            word = _WORDS.get(found[2])
            if track is None or word is None:
                return False
            track.delivery(
                word,
                bounced=word == "bounced",
                code=int(found[3]) if found[3] else None,
                enhanced=found[4].decode("ascii") if found[4] else None,
            )
            return True
        return False
