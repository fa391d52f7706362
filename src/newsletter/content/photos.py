"""Photos: looked at once, and made plain: upright, in sRGB, and silent about who took them and where.

A camera writes the place, the time and its own number into a photo. Nothing
of that leaves here: an image is rebuilt from its dots alone. What opens a
photo opens the five formats below and no other, so no file that only calls
itself .jpg reaches a decoder of something else.
"""

from __future__ import annotations

import io
import json
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.files import write_atomic

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
MOST_BYTES = 40 * 1024 * 1024
MOST_DOTS = 64_000_000
"""Width times height: what a phone of today takes, and a fifth of a gigabyte when unpacked."""
MEMORY = ".cache/photos"
"""Folder below the publication; safe to delete."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a photo is, as seen upright. `moves`: it has more than one frame. `clear`: it has see-through dots."""

    width: int
    height: int
    moves: bool
    clear: bool


class Unreadable(Exception):
    """A photo that cannot be shown; its text says why, in an editor's words."""


@contextmanager
def _told() -> Iterator[None]:
    """Turn whatever a decoder says of bad bytes into one sentence."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the limit below is ours, and an error
            yield
    except UnidentifiedImageError as error:
        raise Unreadable("it is no JPEG, PNG, WebP, GIF or AVIF") from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise Unreadable("it unpacks to more than a page can show") from error
    except (
        OSError,
        ValueError,
        TypeError,
        SyntaxError,
        EOFError,
        LookupError,
        ArithmeticError,
        RuntimeError,
        struct.error,
        zlib.error,
    ) as error:
        raise Unreadable("it is cut short or damaged") from error


def look(data: bytes, name: str, folder: Path | None = None) -> Look:
    """Look at a photo's every dot once; `folder` remembers by `name`, a digest of `data`.

    Raises:
        Unreadable: it is too large, damaged, or no photo.
    """
    memory = folder / f"{name}.look" if folder else None
    if memory is not None:
        with suppress(OSError, ValueError, TypeError):
            return Look(*json.loads(memory.read_bytes()))
    with _told():
        found = _look(data)
    if memory is not None:
        with suppress(OSError):  # a publication that cannot be written is looked at anew each time
            memory.parent.mkdir(parents=True, exist_ok=True)
            row = [found.width, found.height, found.moves, found.clear]
            write_atomic(memory, json.dumps(row).encode(), durable=False)
    return found


def _open(data: bytes) -> Image:
    # A plugin makes its format known by being loaded; all fifty would take a tenth of a second.
    from PIL import (  # noqa: F401
        AvifImagePlugin,
        GifImagePlugin,
        Image,
        JpegImagePlugin,
        PngImagePlugin,
        WebPImagePlugin,
    )

    image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > MOST_DOTS:
        raise Unreadable(
            f"{width} x {height} dots are more than a page can show (at most {MOST_DOTS // 1_000_000} million)"
        )
    return image


def _look(data: bytes) -> Look:
    with _open(data) as image:
        # MPO: a phone's JPEG with a second, smaller picture behind it.
        moves = image.format != "MPO" and getattr(image, "n_frames", 1) > 1
        width, height = image.size
        if image.getexif().get(_ORIENTATION, 1) in _LYING:
            width, height = height, width
        clear = _clear(image)
        image.draft(None, (1, 1))  # a JPEG unpacks eight times quicker, and is read to its end
        image.load()
        return Look(width, height, moves, clear)


_ORIENTATION = 0x0112
_LYING = (5, 6, 7, 8)


def _clear(image: Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def plain(data: bytes, width: int) -> Image:
    """The photo's dots alone: upright, RGB or RGBA, sRGB; the first frame; `width` or somewhat wider if it has that many.

    Raises:
        Unreadable: as `look`.
    """
    from PIL import ImageOps

    with _told(), _open(data) as image:
        side = max(image.size) * width // max(1, min(image.size))
        image.draft(None, (side, side))  # whichever side is the width once it is upright
        image.load()
        profile = image.info.get("icc_profile")
        made = _srgb(ImageOps.exif_transpose(image), profile)
        made.info.clear()
        return made


def narrowed(image: Image, width: int) -> Image:
    """`image` at `width`, its height in proportion; itself when it is no wider."""
    from PIL.Image import Resampling

    if image.width <= width:
        return image
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Resampling.LANCZOS)


def _srgb(image: Image, profile: bytes | None) -> Image:
    """In the colours that a page without a profile means."""
    clear = _clear(image)
    if image.mode.startswith(("I", "F")):  # 16 bits a dot
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    alpha = image.convert("RGBA").getchannel("A") if clear else None
    if profile and image.mode in ("RGB", "RGBA", "CMYK"):
        image = _converted(image if image.mode == "CMYK" else image.convert("RGB"), profile)
    image = image.convert("RGB")
    if alpha is not None:
        image.putalpha(alpha)
    return image


def _converted(image: Image, profile: bytes) -> Image:
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a broken profile: the numbers as they are
    return made or image
