"""What a site is made from, as digests: never by time or name.

A build whose inputs are all the same makes the same site; so the digest of
everything decides whether there is anything to do at all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import babel
import jinja2
import PIL

from newsletter import config, resources
from newsletter.config import Settings
from newsletter.content import shelf
from newsletter.files import read_file
from newsletter.resources import PACKAGE
from newsletter.site import search


@cache
def version() -> bytes:
    """A digest of our own code that makes pages, and of the libraries it uses."""
    made = hashlib.blake2b(shelf.version(), digest_size=16)
    made.update(f"{jinja2.__version__} {babel.__version__} {PIL.__version__}".encode())
    for room in ("site", "issue"):
        for file in sorted((PACKAGE / room).rglob("*.py")):
            made.update(file.read_bytes())
    made.update((PACKAGE / "config.py").read_bytes())
    return made.digest()


def everything(settings: Settings, *, drafts: bool) -> str:
    """One digest of every byte that a build may read, hex."""
    made = hashlib.blake2b(version(), digest_size=16)
    made.update(f"{settings.root} {drafts} {search.version(settings)}".encode())
    made.update((settings.root / config.FILE_NAME).read_bytes())
    made.update(settings.model_dump_json(exclude={"root"}, fallback=str).encode())
    record = settings.path(settings.store.record)
    for folder in (settings.root / "content", record, *resources.templates("site", settings.root)):
        for path in _files(str(folder)):
            made.update(path.encode("utf-8", "surrogateescape"))
            made.update(_digest(path))
    return made.hexdigest()


def _files(folder: str) -> Iterator[str]:
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
            yield entry.path


def _digest(path: str) -> bytes:
    try:
        return hashlib.blake2b(read_file(path), digest_size=16).digest()
    except OSError as error:
        return str(error.errno).encode()


def templates(folders: list[Path]) -> dict[str, bytes]:
    """Every template's source by its name; a publication's own comes before ours."""
    found: dict[str, bytes] = {}
    for folder in folders:
        for path in _files(str(folder)):
            name = Path(path).relative_to(folder).as_posix()
            if name not in found:
                found[name] = read_file(path)
    return found
