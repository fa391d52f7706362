"""Drawings and photos as mail shows them: PNG or JPEG from our own site.

No mail client shows SVG safely, so a drawing is rasterised once, at twice the
size it is shown at, on a transparent ground: its strokes are mid tones that
stand on light and dark. System fonts are not used, because they would make
the bytes depend on the machine; a drawing's words belong into its caption.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Protocol

from newsletter.content import photos
from newsletter.issue.look import INNER

SHARP = 2
"""Pixels a CSS pixel, for dense screens."""


class Drawn(Protocol):
    """The part of content's picture that is needed: its path below content/ and its safe bytes."""

    @property
    def path(self) -> str: ...
    @property
    def data(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture file of an issue. `name` holds a part of its hash; sizes are CSS pixels."""

    name: str
    data: bytes
    width: int
    height: int


def path(period: str, name: str) -> str:
    """Where the site serves it: the same address for every reader."""
    return f"/issues/{period}/pictures/{name}"


def raster(drawn: Drawn) -> Raster:
    """`drawn` as PNG or JPEG, at most INNER CSS pixels wide."""
    return _raster(PurePosixPath(drawn.path).stem, drawn.path.lower().endswith(".svg"), drawn.data)


@lru_cache(maxsize=64)
def _raster(stem: str, drawing: bool, data: bytes) -> Raster:
    made, width, height, ending = _drawing(data) if drawing else _photo(data)
    clean = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40] or "picture"
    name = f"{clean}-{hashlib.sha256(made).hexdigest()[:12]}.{ending}"
    return Raster(name, made, max(1, round(width / SHARP)), max(1, round(height / SHARP)))


def _drawing(data: bytes) -> tuple[bytes, int, int, str]:
    from resvg_py import svg_to_bytes

    made = bytes(
        svg_to_bytes(svg_string=data.decode("utf-8"), width=INNER * SHARP, skip_system_fonts=True)
    )
    # PNG: the IHDR chunk begins at byte 16 with width and height (W3C PNG, 11.2.1).
    return made, int.from_bytes(made[16:20]), int.from_bytes(made[20:24]), "png"


def _photo(data: bytes) -> tuple[bytes, int, int, str]:
    """Upright, in sRGB, without any metadata (a phone writes the place into it), no larger than needed."""
    image = photos.narrowed(photos.plain(data, INNER * SHARP), INNER * SHARP)
    out = io.BytesIO()
    clear = image.mode == "RGBA"
    if clear:
        image.save(out, "PNG", optimize=True)
    else:
        image.save(out, "JPEG", quality=82, optimize=True, progressive=True)
    return out.getvalue(), image.width, image.height, "png" if clear else "jpg"
