"""Exim's main log, followed from our Message-ID to Exim's own id to what became of it.

    ID <= sender H=... P=esmtp S=... id=ours       taken: written when the spool files are safe
    ID (= sender ... id=ours                       taken, though it answered 550 (control = fakereject)
    ID => address R=... T=... H=... C="250 ..."    delivered; -> and >> as well
    ID == address ... defer (...)                  waits
    ID ** address ...: 550 5.1.1 ...               given back
    ID Completed

When the line is cut after the final dot, Exim deletes the message and logs
"SMTP connection lost after final dot" without any name: then there is no `<=`
line. Where the next mail was announced behind that dot, it does not look, and
takes the message. With `log_selector = -msg_id` there is no `id=` either, and
nothing here can be found. Subjects (T=) come after `id=` and are not looked at.
To syslog Exim writes a long line in pieces, numbered [1/3] or [1\\3]; what counts
stands in the first.
Source: receive.c, deliver.c of Exim 4.99; specification, chapter "Log files".
"""

from __future__ import annotations

import re

from newsletter.delivery.mtalog.lines import MOST_TEXT, Entry
from newsletter.delivery.mtalog.track import Track, Tracks

_ID = rb"([0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4}))"
_STAMP = rb"(?:\[1[\\/]\d{1,3}\] )?(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})? )?(?:\[\d{1,10}\] )?"
_LINE = re.compile(_STAMP + _ID + rb" (.*)", re.DOTALL)
_ARRIVED = re.compile(rb"(?:<=|\(=) \S+(?: .*?)? id=(\S+)")
_REPLY = re.compile(
    rb"\*\* .*?SMTP error from remote mail server after .*?: (?:\d{3}-)?([45]\d\d)[ -](?:([45]\.\d{1,3}\.\d{1,3})\b)?"
)
_WORDS = {b"=>": "delivered", b"->": "delivered", b">>": "delivered", b"==": "deferred"}


class Exim:
    """Follows the messages of `tracks`."""

    name = "exim"

    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks
        self._live: dict[bytes, Track] = {}

    def feed(self, said: Entry) -> bool:
        """Take one entry; whether it was Exim's and named a message of ours."""
        if said.program and not said.program.startswith(b"exim"):
            return False
        found = _LINE.match(said.text[:MOST_TEXT])
        if found is None:
            return False
        exim_id, text = found[1], found[2]
        if text.startswith((b"<= ", b"(= ")):
            return self._arrives(exim_id, text)
        track = self._live.get(exim_id)
        if track is None:
            return False
        sign = text[:2]
        if sign == b"**":
            reply = _REPLY.match(text)
            enhanced = reply[2].decode("ascii") if reply and reply[2] else None
            code = int(reply[1]) if reply else None
            track.delivery("bounced", bounced=True, enhanced=enhanced, code=code)
        elif sign in _WORDS and text[2:3] == b" ":
            track.delivery(_WORDS[sign], bounced=False)
        elif text.startswith(b"Completed"):
            self._live.pop(exim_id, None)
        return True

    def _arrives(self, exim_id: bytes, text: bytes) -> bool:
        self._live.pop(exim_id, None)
        found = _ARRIVED.match(text)
        track = self._tracks.of(found[1].strip(b"<>")) if found else None
        if track is None:
            return False
        track.named(exim_id.decode("ascii"))
        track.taken = True
        self._live[exim_id] = track
        return True
