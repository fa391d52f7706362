"""Photos in the sizes and formats that a screen asks for: AVIF, WebP and one that everybody reads.

    photo ─► named by its digest and our recipe ─► made before? its row is read
                                                └► no: every width, every kind, then the row

The row is written last, so a rendition that was cut short is made again. The
names are known before a dot is touched, so the same photo has the same
addresses for ever; a changed recipe or library gives others.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from newsletter.content import photos
from newsletter.content.pictures import Drawn
from newsletter.errors import Finding, Findings, Where
from newsletter.files import read_file, write_atomic
from newsletter.resources import PACKAGE
from newsletter.site.stamps import digest

if TYPE_CHECKING:
    from PIL.Image import Image

Progress = Callable[[int, int, str], None]
WIDTHS = (480, 800, 1200, 1600)
"""Dots across. A line of text is at most 760 wide; 1600 is that on a dense screen."""
MIDDLE = 800
"""The width that is shown where nobody chooses: an old browser, a feed reader."""
ENOUGH = 3
"""Photos. Below, one process is done before a second has begun."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """One file of the site: `name` below its folder, `digest` of its bytes, where they lie now."""

    name: str
    width: int
    digest: str
    kept: Path


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo as the site shows it: kind ("avif", "webp", "jpeg", "png") -> renditions by width.

    The last kind is the one that everybody reads. `width` and `height` are the
    upright photo's.
    """

    width: int
    height: int
    kinds: tuple[tuple[str, tuple[Rendition, ...]], ...]

    @property
    def middle(self) -> Rendition:
        """The rendition for whoever does not choose."""
        return max(
            (each for each in self.kinds[-1][1] if each.width <= MIDDLE),
            key=lambda each: each.width,
            default=self.kinds[-1][1][0],
        )


@dataclass(frozen=True, slots=True)
class Photos:
    """Every photo that the site shows, by its path below content/."""

    by_path: Mapping[str, Photo] = field(default_factory=dict)
    files: Mapping[str, Rendition] = field(default_factory=dict)


def make(
    root: Path,
    drawn: Mapping[str, Drawn],
    *,
    jobs: int = 1,
    cache: bool = True,
    progress: Progress | None = None,
) -> Photos:
    """Make what is not kept below .cache/photos; `cache=False` makes everything anew.

    Raises:
        Findings: a photo changed, or became unreadable, while it was read.
    """
    shown = {path: each for path, each in drawn.items() if each.photo}
    folders = {path: root / photos.MEMORY / _key(each) for path, each in shown.items()}
    missing = {
        str(folders[path]): str(root / "content" / path)
        for path in shown
        if not cache or _row(folders[path]) is None
    }
    work = [
        (file, shown[path].digest, folder)
        for folder, file in missing.items()
        for path in [next(path for path in shown if str(folders[path]) == folder)]
    ]
    problems = []
    for count, problem in enumerate(_made(work, jobs), 1):
        if problem:
            problems.append(_finding(root, work[count - 1][0], problem))
        if progress is not None:
            progress(count, len(work), "photos")
    if problems:
        raise Findings(problems)
    by_path = {path: _photo(path, shown[path], folders[path]) for path in sorted(shown)}
    files = {
        each.name: each for photo in by_path.values() for _, some in photo.kinds for each in some
    }
    return Photos(by_path, files)


def _finding(root: Path, file: str, problem: str) -> Finding:
    name = Path(file).relative_to(root).as_posix()
    return Finding(
        "NL228",
        f"{name} cannot be shown: {problem}",
        Where(name),
        help="build again; if it stays so, save the picture anew as JPEG or PNG",
    )


@cache
def _recipe() -> bytes:
    """A digest of our own code that makes renditions, and of the library that encodes them."""
    import PIL

    made = hashlib.blake2b(PIL.__version__.encode(), digest_size=16)
    for file in ("content/photos.py", "site/photos.py"):
        made.update((PACKAGE / file).read_bytes())
    return made.digest()


def _key(drawn: Drawn) -> str:
    return hashlib.blake2b(_recipe() + drawn.digest.encode(), digest_size=8).hexdigest()


def _row(folder: Path) -> dict[str, Any] | None:
    """What was made, if all of it is still there: {kind: [[width, size, digest], ...]}."""
    try:
        row: dict[str, Any] = json.loads((folder / "made.json").read_bytes())
        for kind, some in row.items():
            for width, size, _ in some:
                data = (folder / f"{width}.{kind}").stat()
                if data.st_size != size:
                    return None
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return row


def _photo(path: str, drawn: Drawn, folder: Path) -> Photo:
    row = _row(folder) or {}
    stem = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(path).stem.lower()).strip("-")[:40] or "photo"
    kinds = tuple(
        (
            kind,
            tuple(
                Rendition(
                    f"assets/{stem}-{width}.{folder.name}.{_ENDING.get(kind, kind)}",
                    width,
                    digest,
                    folder / f"{width}.{kind}",
                )
                for width, _, digest in some
            ),
        )
        for kind, some in row.items()
    )
    return Photo(drawn.width, drawn.height, kinds)


_ENDING = {"jpeg": "jpg"}


def _made(work: list[tuple[str, str, str]], jobs: int) -> Iterator[str]:
    """The problem of each photo, or ""; in `jobs` processes where that is quicker."""
    if jobs < 2 or len(work) < ENOUGH:
        yield from map(_render, work)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    alone = threading.active_count() == 1 and hasattr(os, "fork")
    context = multiprocessing.get_context("fork" if alone else "spawn")
    with ProcessPoolExecutor(min(jobs, len(work)), mp_context=context) as pool:
        yield from pool.map(_render, work)


def _render(job: tuple[str, str, str]) -> str:
    """Make one photo's folder; the reason when it cannot be made."""
    file, digest, folder = job
    place = Path(folder)
    try:
        data = read_file(file)
        if hashlib.sha256(data).hexdigest() != digest:
            return "it changed while it was read"
        image = photos.plain(data, WIDTHS[-1])
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except photos.Unreadable as problem:
        return str(problem)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as scratch:
        row = _write(image, data, Path(scratch))
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # the same photo under two names, made by two processes
            shutil.copytree(scratch, place)
        write_atomic(place / "made.json", json.dumps(row).encode(), durable=False)
    return ""


def _write(image: Image, data: bytes, folder: Path) -> dict[str, list[list[object]]]:
    """Every width of every kind into `folder`; a modern kind that is no smaller than the plain one is left out."""
    plain = "png" if image.mode == "RGBA" or data.startswith(b"\x89PNG") else "jpeg"
    widths = [width for width in WIDTHS if width < image.width][: len(WIDTHS)]
    widths.append(min(image.width, WIDTHS[-1]))
    made: dict[str, list[list[object]]] = {}
    sizes: dict[str, int] = {}
    for kind in ("avif", "webp", plain):
        made[kind] = []
        for width in dict.fromkeys(widths):
            encoded = encode(photos.narrowed(image, width), kind)
            (folder / f"{width}.{kind}").write_bytes(encoded)
            made[kind].append([width, len(encoded), digest(encoded)])
            sizes[kind] = sizes.get(kind, 0) + len(encoded)
    best = sizes[plain]
    for kind in ("webp", "avif"):
        if sizes[kind] >= best:
            del made[kind]
        else:
            best = sizes[kind]
    return made


def encode(image: Image, kind: str) -> bytes:
    """The image as AVIF, WebP, JPEG or PNG: the same bytes for the same dots, and nothing beside them."""
    out = io.BytesIO()
    match kind:
        case "avif":  # one thread, so that the bytes do not depend on the machine
            image.save(out, "AVIF", quality=60, speed=8, max_threads=1)
        case "webp":
            image.save(out, "WEBP", quality=78, method=4)
        case "png":
            image.save(out, "PNG", optimize=True)
        case _:
            image.save(out, "JPEG", quality=80, optimize=True, progressive=True)
    return out.getvalue()
