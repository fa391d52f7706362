"""The picture that stands beside a link elsewhere: an article's own drawing or photo, else the site's sign.

1200 x 630 dots, as the Open Graph protocol's readers ask for. No words are in
it: fonts would make the bytes depend on the machine, and the title stands
beside it anyway.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from newsletter.content import photos
from newsletter.content.pictures import Drawn
from newsletter.files import write_atomic
from newsletter.issue.look import LIGHT
from newsletter.resources import PACKAGE
from newsletter.site.stamps import Kept, digest

WIDTH, HEIGHT = 1200, 630
"""Source: ogp.me names no size; 1.91 to 1 is what the large readers crop to."""
EDGE = 70
MEMORY = ".cache/previews"
"""Folder below the publication; safe to delete."""
_SIZE = re.compile(r"<svg\b[^>]*>")
_BOX = re.compile(r"""viewBox=["']\s*([-\d.]+)[\s,]+([-\d.]+)[\s,]+([-\d.]+)[\s,]+([-\d.]+)""")


@dataclass(frozen=True, slots=True)
class Previews:
    """Files of the site by the path of the picture they show; `sign` for whatever has none."""

    sign: str
    by_path: Mapping[str, str]
    files: Mapping[str, Kept]

    def of(self, path: str) -> str:
        """The address of the preview for a page that opens with the picture `path` ("" for none)."""
        return f"/{self.by_path.get(path, self.sign)}"


def make(
    root: Path, drawn: Mapping[str, Drawn], shown: set[str], icon: bytes, *, cache: bool = True
) -> Previews:
    """Previews of the pictures `shown` and of the `icon` (SVG); what is kept is not made again."""
    files: dict[str, Kept] = {}

    def kept(stem: str, source: str, suffix: str, data: bytes | Drawn) -> str:
        key = hashlib.blake2b(_recipe() + source.encode(), digest_size=8).hexdigest()
        name = f"assets/preview-{stem}.{key}{suffix}"
        place = root / MEMORY / f"{key}{suffix}"
        made = b""
        if cache:
            with suppress(OSError):
                made = place.read_bytes()
        if not _whole(made):
            raw = data.data if isinstance(data, Drawn) else data
            made = _photo(raw) if suffix == ".jpg" else _drawing(raw.decode())
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(place, made, durable=False)
        files[name] = Kept(digest(made), place)
        return name

    by_path = {}
    for path in sorted(shown & drawn.keys()):
        picture = drawn[path]
        stem = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(path).stem.lower()).strip("-")[:40]
        by_path[path] = kept(
            stem or "picture", picture.digest, ".jpg" if picture.photo else ".png", picture
        )
    return Previews(kept("sign", digest(icon), ".png", icon), by_path, files)


@cache
def _recipe() -> bytes:
    made = hashlib.blake2b(f"{version('pillow')} {version('resvg_py')}".encode(), digest_size=16)
    for file in ("content/photos.py", "content/pictures.py", "site/previews.py", "issue/look.py"):
        made.update((PACKAGE / file).read_bytes())
    return made.digest()


def _whole(data: bytes) -> bool:
    return data.endswith((b"IEND\xaeB`\x82", b"\xff\xd9"))


def _photo(data: bytes) -> bytes:
    """The middle of the photo, upright and without metadata."""
    from PIL import ImageOps
    from PIL.Image import Resampling, new

    image = photos.plain(data, WIDTH)
    fitted = ImageOps.fit(image, (WIDTH, HEIGHT), Resampling.LANCZOS, centering=(0.5, 0.4))
    ground = new("RGB", (WIDTH, HEIGHT), LIGHT["soft"])
    ground.paste(fitted, (0, 0), fitted if fitted.mode == "RGBA" else None)
    out = io.BytesIO()
    ground.save(out, "JPEG", quality=82, optimize=True, progressive=True)
    return out.getvalue()


def _drawing(svg: str) -> bytes:
    """The drawing in the middle of a quiet ground, as large as it goes."""
    from resvg_py import svg_to_bytes

    opening = _SIZE.search(svg)
    head = opening[0] if opening else ""
    box = _BOX.search(head)
    width, height = (float(box[3]), float(box[4])) if box else (1.0, 1.0)
    scale = min((WIDTH - 2 * EDGE) / width, (HEIGHT - 2 * EDGE) / height)
    # The sign is small by nature: a third of the height says enough.
    scale = min(scale, 240 / height) if width == height else scale
    w, h = width * scale, height * scale
    place = (
        f' x="{(WIDTH - w) / 2:.2f}" y="{(HEIGHT - h) / 2:.2f}" width="{w:.2f}" height="{h:.2f}"'
    )
    bare = re.sub(r"""\s(?:x|y|width|height)=("[^"]*"|'[^']*')""", "", head)
    inner = (
        svg[opening.start() :].replace(head, f"{bare[:4]}{place}{bare[4:]}", 1) if opening else ""
    )
    whole = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" color="{LIGHT["ink"]}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{LIGHT["soft"]}"/>'
        f'{inner}<rect y="{HEIGHT - 12}" width="{WIDTH}" height="12" fill="{LIGHT["accent"]}"/></svg>'
    )
    return bytes(svg_to_bytes(svg_string=whole, width=WIDTH, skip_system_fonts=True))
