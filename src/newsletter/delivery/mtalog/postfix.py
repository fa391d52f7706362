"""Postfix's log, followed from our Message-ID to the queue id to what became of it.

    cleanup   QID: message-id=<ours>                              begun: the dot may never have come
    cleanup   QID: milter-reject: END-OF-MESSAGE ... 5.7.1 ...    refused
    cleanup   QID: reject: header|body|content ...                refused
    cleanup   QID: removed (canceled)                             not taken (not every version says so)
    cleanup   QID: discard: header|body|content ...               taken: 250, and then thrown away
    qmgr      QID: from=<...>, size=..., nrcpt=1 (queue active)   taken
    smtp      QID: to=<...>, relay=..., dsn=2.0.0, status=sent (...)
    qmgr      QID: from=<...>, status=expired, returned to sender
    qmgr      QID: removed                                        the id may be used again from here

Without enable_long_queue_ids a queue id is an inode's number and comes back
soon, so a new `message-id=` under it ends what we knew of it. Addresses and
what remote servers said can hold anything: a line is read from its start, and
only as far as the server itself wrote it.
Source: cleanup_message.c, cleanup_milter.c, cleanup_api.c, opened.c,
log_adhoc.c, qmgr_active.c of Postfix 3.12; postconf(5) enable_long_queue_ids.
"""

from __future__ import annotations

import re

from newsletter.delivery.mtalog.lines import MOST_TEXT, Entry
from newsletter.delivery.mtalog.track import Track, Tracks

_LINE = re.compile(rb"([0-9A-Za-z]{5,24}): (.*)", re.DOTALL)
_ADDRESS = rb'<(?:"(?:[^"\\]|\\.)*"|[^">])*>'
_DELIVERY = re.compile(
    rb"to=" + _ADDRESS + rb"(?:, orig_to=" + _ADDRESS + rb")?"
    rb", relay=[^ ]+(?:, conn_use=\d+)?, delay=[^ ]+, delays=[^ ]+(?:, tls=[^ ]+)?"
    rb", dsn=(\d\.\d{1,3}\.\d{1,3}), status=([A-Za-z]+)"
    rb"(?: \(host [^ ]+ said: ([45]\d\d))?"
)
_QUEUED = re.compile(rb"from=" + _ADDRESS + rb", size=\d+, nrcpt=\d+ \(queue active\)")
_EXPIRED = re.compile(rb"from=" + _ADDRESS + rb", status=(expired|force-expired), returned")
_REPLY = re.compile(rb".*\[[^\]]*\](?::\d+)?: ([45])(?:\d\d )?(?:[45])?((?:\.\d{1,3}){2})?")
_BOUNCED = frozenset({"bounced", "expired", "force-expired"})


class Postfix:
    """Follows the messages of `tracks`."""

    name = "postfix"

    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks
        self._live: dict[bytes, Track] = {}

    def feed(self, said: Entry) -> bool:
        """Take one entry; whether it was Postfix's and named a message of ours."""
        agent = said.program.rpartition(b"/")
        if not agent[1]:
            return False
        found = _LINE.match(said.text[:MOST_TEXT])
        if found is None:
            return False
        queue_id, text = found[1], found[2]
        if agent[2] == b"cleanup" and text.startswith(b"message-id="):
            return self._begins(queue_id, text[len(b"message-id=") :])
        track = self._live.get(queue_id)
        if track is None:
            return False
        if text.startswith((b"hold: ", b"milter-hold: ")):
            track.held = True
        elif text.startswith((b"discard: ", b"milter-discard: ")):
            track.delivery("discarded", bounced=False)  # after a 250: accepted, in our table
        elif agent[2] == b"cleanup":
            self._cleaned(queue_id, track, text)
        else:
            self._went_on(queue_id, track, text)
        return True

    def _begins(self, queue_id: bytes, name: bytes) -> bool:
        self._live.pop(queue_id, None)
        track = self._tracks.of(name.strip().removeprefix(b"<").removesuffix(b">"))
        if track is None:
            return False
        track.named(queue_id.decode("ascii"))
        self._live[queue_id] = track
        return True

    def _cleaned(self, queue_id: bytes, track: Track, text: bytes) -> None:
        if text.startswith(b"removed ("):
            track.cancelled |= text.startswith(b"removed (canceled)")
            self._live.pop(queue_id, None)
        elif text.startswith(b"milter-reject: END-OF-MESSAGE "):
            found = _REPLY.match(text)
            if found is None or found[1] == b"4":
                track.cancelled = True
            else:
                track.refused = "5" + (found[2] or b".7.1").decode("ascii")
        elif text.startswith((b"reject: header ", b"reject: body ", b"reject: content ")):
            status = re.search(rb": ([45]\.\d{1,3}\.\d{1,3}) [^;]*$", text)
            if status is None or status[1].startswith(b"4"):
                track.cancelled = True
            else:
                track.refused = status[1].decode("ascii")

    def _went_on(self, queue_id: bytes, track: Track, text: bytes) -> None:
        if text == b"removed":
            self._live.pop(queue_id, None)
            track.taken = True
        elif _QUEUED.match(text):
            track.taken = True
        elif expired := _EXPIRED.match(text):
            track.delivery(expired[1].decode("ascii"), bounced=True, enhanced="5.4.7")
        elif told := _DELIVERY.match(text):
            status = told[2].decode("ascii")
            track.delivery(
                status,
                bounced=status in _BOUNCED,
                enhanced=told[1].decode("ascii"),
                code=int(told[3]) if told[3] else None,
            )
