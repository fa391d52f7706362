"""What a site is made from, as digests: never by time or name.

A build whose inputs are all the same makes the same site; so the digest of
everything decides whether there is anything to do at all. A build that does
nothing imports neither Markdown nor Jinja2: hence `importlib.metadata`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path

from newsletter import config, resources
from newsletter.config import Settings
from newsletter.content import shelf
from newsletter.content.given import Given
from newsletter.files import read_file
from newsletter.resources import PACKAGE
from newsletter.site import pagefind

FOLDERS = ("articles", "pages")
"""Folders of content/ whose texts every build needs."""


@cache
def version() -> bytes:
    """A digest of our own code that makes pages, and of the libraries it uses."""
    made = hashlib.blake2b(shelf.version(), digest_size=16)
    made.update(" ".join(version_of(name) for name in ("jinja2", "babel", "pillow")).encode())
    for room in ("site", "issue", "config"):
        for file in sorted((PACKAGE / room).rglob("*.py")):
            made.update(file.read_bytes())
    return made.digest()


@dataclass(frozen=True, slots=True)
class Inputs:
    """`digest`: one of every byte that a build may read, hex. `texts`: path -> a text, read here once."""

    digest: str
    texts: dict[str, Given] = field(repr=False)


def everything(settings: Settings, *, drafts: bool) -> Inputs:
    """Read everything that a build may read."""
    made = hashlib.blake2b(version(), digest_size=16)
    made.update(f"{settings.root} {drafts} {pagefind.version(settings)}".encode())
    made.update((settings.root / config.FILE_NAME).read_bytes())
    made.update(settings.model_dump_json(exclude={"root"}, fallback=str).encode())
    content = settings.root / "content"
    record = settings.path(settings.store.record)
    wanted = tuple(f"{content}/{kind}/" for kind in FOLDERS)
    texts: dict[str, Given] = {}
    for folder in (content, record, *resources.templates("site", settings.root)):
        for entry in _files(str(folder)):
            data, digest = _read(entry.path)
            made.update(entry.path.encode("utf-8", "surrogateescape"))
            made.update(digest)
            if data and entry.path.startswith(wanted) and not entry.is_symlink():
                texts[entry.path] = Given(data, digest)
    return Inputs(made.hexdigest(), texts)


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    """Every file below a folder, in order of name; links to folders are followed by nobody."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        else:
            yield entry


def _read(path: str) -> tuple[bytes, bytes]:
    """(bytes, SHA-256); of what cannot be read, nothing and the reason's number."""
    try:
        data = read_file(path)
    except OSError as error:
        return b"", str(error.errno).encode()
    return data, hashlib.sha256(data).digest()


def templates(folders: list[Path]) -> dict[str, bytes]:
    """Every template's source by its name; a publication's own comes before ours."""
    found: dict[str, bytes] = {}
    for folder in folders:
        for entry in _files(str(folder)):
            name = Path(entry.path).relative_to(folder).as_posix()
            if name not in found:
                found[name] = read_file(entry.path)
    return found
