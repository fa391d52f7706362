"""A parsed text as bytes for the shelf, and back.

Pickle, but only of the few classes named here: a shelf that somebody tampered
with can say something wrong, it cannot run anything.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

from newsletter.content import model, prose, source
from newsletter.content.reading import Job, Parsed, Reading
from newsletter.content.shelf import Shelf, ShelfDamaged, version
from newsletter.errors import Finding, Level, Where

_KNOWN: dict[tuple[str, str], object] = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (
        model.Article, model.Author, model.Page, model.Picture, model.Reference, model.Review, model.Source,
        prose.Heading, prose.Link, prose.Shown, Finding, Level, Where, frozenset,
    )
}  # fmt: skip
_FIELDS = {
    kind: tuple(each.name for each in fields(kind))
    for kind in _KNOWN.values()
    if isinstance(kind, type) and is_dataclass(kind)
}
_DATES = {
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "timezone"),
    ("datetime", "timedelta"),
}


class _Pickler(pickle.Pickler):
    """Writes a value of ours as its class and its fields in order: quicker to read than by name."""

    def reducer_override(self, value: object) -> Any:
        kind = type(value)
        if kind in _FIELDS:
            return kind, tuple(getattr(value, name) for name in _FIELDS[kind])
        return NotImplemented


def _dumps(value: object) -> bytes:
    made = io.BytesIO()
    _Pickler(made, 5).dump(value)
    return made.getvalue()


class _Known(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if (module, name) in _DATES:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a text")


def key(job: Job) -> str:
    """What a text's result depends on: its bytes, its name, two settings, and our own code."""
    made = hashlib.blake2b(version() + job.digest, digest_size=16)
    made.update(f"{job.path}\0{job.zone}\0{job.health}".encode())
    return made.hexdigest()


def packed(parsed: Parsed) -> tuple[bytes, bytes]:
    """(card, fragment): the small part that every build needs, and the HTML that few do."""
    text, reading = parsed.text, parsed.reading
    if text is None or reading is None:
        return _dumps((None, (), (), 0, None, parsed.findings)), b""
    parts = (
        reading.digest,
        reading.contents,
        reading.links,
        reading.pictures,
        reading.anchors,
        reading.cited,
        reading.words,
        reading.minutes,
    )
    kind = type(text)
    values = tuple(getattr(text, name) for name in _FIELDS[kind])
    place = _FIELDS[kind].index("body")
    front, back = values[:place], values[place + 1 :]
    card = _dumps((kind, front, back, len(text.body), parts, parsed.findings))
    return card, reading.fragment.encode()


def unpacked(card: bytes, data: bytes, made: Callable[[], str]) -> Parsed:
    """The text again, its body taken from the file's own bytes.

    Raises:
        pickle.UnpicklingError: the card holds what no text holds.
    """
    read: Any = _Known(io.BytesIO(card)).load()
    kind, front, back, length, parts, findings = read
    if kind is None:
        return Parsed(None, None, findings)
    plain = source.plain(data)
    text = kind(*front, plain[len(plain) - length :], *back)
    reading: Any = Reading
    return Parsed(text, reading(*parts, made), findings)


def keep(job: Job, card: bytes, fragment: bytes, shelf: Shelf | None) -> Parsed:
    """The result; it is put on the shelf, unless it depended on the clock."""
    if shelf is None or b"NL229" in card:
        return unpacked(card, job.data, fragment.decode)
    name = key(job)
    shelf.put(name, card)
    shelf.put(f"{name}.html", fragment)
    return unpacked(card, job.data, partial(_fragment, shelf, f"{name}.html"))


def recall(job: Job, shelf: Shelf) -> Parsed | None:
    """The result on the shelf; None when it is not there, or not whole."""
    name = key(job)
    card = shelf.get(name)
    if card is None or not shelf.has(f"{name}.html"):
        return None
    try:
        return unpacked(card, job.data, partial(_fragment, shelf, f"{name}.html"))
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
        IndexError,
        KeyError,
    ):
        return None


def _fragment(shelf: Shelf, name: str) -> str:
    data = shelf.get(name)
    if data is None:
        raise ShelfDamaged
    return data.decode()
