"""What `news fetch` keeps of each feed: the last good bytes and how the server wants to be asked.

Below .cache/news/, and nothing but a cache: losing it costs one more
download. What readers were already told is remembered elsewhere (memory.py).
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from newsletter import files
from newsletter.config import Settings


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a feed from earlier fetches. Moments are aware UTC.

    `etag` and `modified` are the server's own words, quotes included, to be
    sent back verbatim (RFC 9110 §13.1). `location` is the final address.
    `missing_since`: first of the 404s in a row. `gone`: the server said 410.
    """

    url: str
    etag: str = ""
    modified: str = ""
    content_type: str = ""
    location: str = ""
    moved: str = ""
    fetched_at: dt.datetime | None = None
    next_try: dt.datetime | None = None
    failures: int = 0
    problem: str = ""
    missing_since: dt.datetime | None = None
    gone: bool = False


_MOMENTS = ("fetched_at", "next_try", "missing_since")


class Cache:
    """The folder of one publication."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.root / ".cache" / "news"

    def state(self, feed_id: str, url: str) -> Remembered:
        """What is known of the feed; nothing when its address has changed or the file is unreadable."""
        try:
            read = json.loads(self._state(feed_id).read_text("utf-8"))
            known = {field.name for field in fields(Remembered)}
            values: dict[str, Any] = {key: value for key, value in read.items() if key in known}
            for name in _MOMENTS:
                if values.get(name):
                    values[name] = dt.datetime.fromisoformat(values[name])
            kept = Remembered(**values)
        except (OSError, ValueError, TypeError, AttributeError):
            return Remembered(url)
        return kept if kept.url == url else Remembered(url)

    def body(self, feed_id: str) -> bytes | None:
        try:
            return self._body(feed_id).read_bytes()
        except OSError:
            return None

    def keep(self, feed_id: str, state: Remembered, body: bytes | None = None) -> None:
        """Write the state, and the body when there is a new one: body first, so that no state names bytes that are not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if body is not None:
            files.write_atomic(self._body(feed_id), body, durable=False)
        values = asdict(state)
        for name in _MOMENTS:
            if values[name] is not None:
                values[name] = values[name].isoformat()
        words = json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True)
        files.write_atomic(self._state(feed_id), words.encode(), durable=False)

    def _state(self, feed_id: str) -> Path:
        return self.folder / f"{feed_id}.json"

    def _body(self, feed_id: str) -> Path:
        return self.folder / f"{feed_id}.body"
