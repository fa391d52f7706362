"""Drawings and photos below content/images: read, measured, made safe.

A drawing (SVG) is put into the page itself, so that it takes the page's
colours, in the dark too. It is rebuilt from a list of known elements and
attributes: no script, no event handler, no address but `#id`, no style sheet
(the site's policy forbids one inside a page; a drawing that has one is shown
as a file). A photo is shown as files of several sizes, made from its dots
alone (`photos`); its size is known, so nothing jumps.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

from newsletter.content import photos, source
from newsletter.errors import Finding, Level, Where

SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_ELEMENTS = {
    "svg", "g", "path", "circle", "ellipse", "rect", "line", "polyline", "polygon", "text", "tspan", "defs", "use",
    "linearGradient", "radialGradient", "stop", "clipPath", "mask", "marker", "symbol", "pattern",
}  # fmt: skip
_SILENT = {"title", "desc", "metadata"}
"""Left out without a word: the page says the picture's words in its own way."""
_ATTRIBUTES = re.compile(
    r"(id|d|x|y|x1|y1|x2|y2|cx|cy|r|rx|ry|fx|fy|dx|dy|width|height|points|viewBox|transform|offset|rotate|pathLength|"
    r"preserveAspectRatio|refX|refY|orient|marker(Width|Height|Units|-start|-mid|-end)|gradient(Units|Transform)|spreadMethod|"
    r"pattern(Units|ContentUnits|Transform)|clipPathUnits|mask(Units|ContentUnits)|clip-path|clip-rule|mask|fill(-opacity|-rule)?|"
    r"stroke(-\w+)*|opacity|color|stop-color|stop-opacity|font-(family|size|style|weight)|text-anchor|dominant-baseline|"
    r"letter-spacing|textLength|lengthAdjust|vector-effect|paint-order|display|visibility|href)"
)
_PAINT = re.compile(
    r"(?i)(?<![\w-])(?!(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch|color|color-mix|calc|min|max|clamp|var|matrix|translate|"
    r"scale|rotate|skew[xy]|url(?=\(\s*['\"]?#))\()[\w-]*\(|javascript:|/\*|[\x00-\x08\x0b\x0c\x0e-\x1f<>@;\\]"
)
"""What makes a value dangerous: a function that is not of colour or place (every one that fetches is of
another kind: url, image, image-set, src), and what CSS offers to disguise one (escapes, comments)."""
DEEPEST = 100
"""Groups in groups. Programs that draw write ten."""
_RASTER = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture file. `width` and `height` in pixels (or the viewBox's units).

    `inline` is the safe SVG to put into a page, with "{alt}" for its words;
    "" for a photo or a drawing with a style sheet. `data` are the safe bytes of
    a drawing; of a photo they are the editor's own file, never to be published.
    """

    path: str
    width: int
    height: int
    digest: str
    inline: str
    made: Callable[[], bytes] = field(repr=False, compare=False)

    @property
    def data(self) -> bytes:
        return self.made()

    @property
    def photo(self) -> bool:
        return Path(self.path).suffix.lower() in _RASTER


def read(root: Path, path: str) -> tuple[Drawn | None, list[Finding]]:
    """The picture at content/`path`; None when it is missing or cannot be shown."""
    name = f"content/{path}"
    file = root / "content" / path
    if path.startswith(("http:", "https:", "//")):
        return None, [
            Finding(
                "NL222",
                f"the picture {path} lies on another host",
                None,
                "",
                "put a copy into content/images/: a page of ours asks nobody else for anything",
            )
        ]
    if not file.is_file():
        return None, [
            Finding("NL222", f"there is no picture {name}", None, "", _nearest(root, path))
        ]
    photo = file.suffix.lower() in _RASTER
    if not photo and file.suffix.lower() != ".svg":
        # Told at the line that shows it, and before its size is: a photo of a phone is large.
        what = f"{name} is no kind of picture we show"
        return None, [
            Finding("NL228", what, None, "", "save it as SVG, PNG, JPEG, WebP, GIF or AVIF")
        ]
    data = source.read_bytes(root, file, most=photos.MOST_BYTES if photo else source.MAX_FILE)
    if isinstance(data, Finding):
        return None, [data]
    digest = hashlib.sha256(data).hexdigest()
    if file.suffix.lower() == ".svg":
        return _drawing(name, path, data, digest)
    return _photo(root, path, data, digest)


def _nearest(root: Path, path: str) -> str:
    from newsletter.errors import did_you_mean

    folder = root / "content" / "images"
    known = [
        file.relative_to(root / "content").as_posix()
        for file in folder.rglob("*")
        if file.is_file()
    ]
    return did_you_mean(path, known) or "pictures lie below content/images/; write images/NAME"


def _photo(root: Path, path: str, data: bytes, digest: str) -> tuple[Drawn | None, list[Finding]]:
    """A photo's findings have no place of their own: they are told at the line that shows it."""
    name = f"content/{path}"
    try:
        seen = photos.look(data, digest, root / photos.MEMORY)
    except photos.Unreadable as problem:
        return None, [
            Finding(
                "NL228",
                f"{name} cannot be shown: {problem}",
                help="save it anew as JPEG or PNG, at most 4000 dots wide",
            )
        ]
    findings = []
    if seen.moves:
        findings.append(
            Finding(
                "NL228",
                f"{name} moves; only its first frame is shown",
                Where(name),
                help="a reader could not stop it (WCAG 2.2, 2.2.2): save the frame that matters as PNG",
                level=Level.WARNING,
            )
        )
    read = partial((root / "content" / path).read_bytes)
    return Drawn(path, seen.width, seen.height, digest, "", read), findings


def _drawing(name: str, path: str, data: bytes, digest: str) -> tuple[Drawn | None, list[Finding]]:
    try:
        words = data.decode("utf-8-sig")
        if re.search(r"<!(DOCTYPE|ENTITY)", words, re.I):
            words = re.sub(r"<!DOCTYPE[^\[>]*>", "", words, flags=re.I)
            if re.search(r"<!(DOCTYPE|ENTITY)", words, re.I):
                raise ValueError("it declares entities")
        tree = ET.fromstring(words)  # noqa: S314 - no document type reaches it, so no entity either
    except (ET.ParseError, ValueError, RecursionError) as error:
        line = getattr(error, "position", (None, 0))[0]
        return None, [
            Finding(
                "NL228",
                f"{name} is not an SVG drawing: {error}",
                Where(name, line),
                help="export it anew as plain SVG",
            )
        ]
    if _local(tree.tag) != "svg":
        return None, [
            Finding(
                "NL228",
                f"{name} is not an SVG drawing: it begins with <{_local(tree.tag)}>",
                Where(name),
                help="export it anew as plain SVG",
            )
        ]
    size = _size(tree)
    if size is None:
        return None, [
            Finding(
                "NL228",
                f"{name} does not say how large it is",
                Where(name, 1),
                help='give the svg element a viewBox="0 0 640 250"',
            )
        ]
    if _depth(tree) > DEEPEST:
        return None, [
            Finding(
                "NL228",
                f"{name} is nested too deeply",
                Where(name),
                help=f"export it anew as plain SVG, with at most {DEEPEST} groups in each other",
            )
        ]
    dropped: list[str] = []
    styled = any(_local(element.tag) == "style" for element in tree.iter())
    safe = _rebuild(tree, f"d{digest[:6]}-", dropped)
    width, height = size
    safe.attrib = {
        "viewBox": safe.get("viewBox") or f"0 0 {width} {height}",
        **{
            key: value
            for key, value in safe.attrib.items()
            if key not in ("id", "width", "height", "viewBox", "x", "y")
        },
    }
    findings = [
        Finding(
            "NL228",
            f"{name} held what a drawing may not: {what}",
            Where(name),
            help="it was left out; export the drawing as plain SVG",
            level=Level.WARNING,
        )
        for what in dict.fromkeys(dropped)
    ]
    published = ET.tostring(safe, encoding="unicode").replace(
        "<svg", f'<svg xmlns="{SVG}" width="{width}" height="{height}"', 1
    )
    inline = "" if styled else ET.tostring(safe, encoding="unicode", short_empty_elements=True)
    return Drawn(path, width, height, digest, inline, partial(str.encode, published)), findings


def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _depth(tree: ET.Element) -> int:
    level, depth = [tree], 0
    while level and depth <= DEEPEST:
        level = [child for element in level for child in element]
        depth += 1
    return depth


def _size(tree: ET.Element) -> tuple[int, int] | None:
    box = re.findall(r"-?[\d.]+", tree.get("viewBox", ""))
    try:
        if len(box) == 4:
            size = round(float(box[2])), round(float(box[3]))
        else:
            size = (
                round(float(tree.get("width", "").removesuffix("px"))),
                round(float(tree.get("height", "").removesuffix("px"))),
            )
    except (ValueError, OverflowError):
        return None
    return size if 0 < size[0] < 20000 and 0 < size[1] < 20000 else None


def _rebuild(element: ET.Element, prefix: str, dropped: list[str]) -> ET.Element:
    """A copy with known elements and attributes alone; ids get `prefix`, so two drawings never clash."""
    made = ET.Element(_local(element.tag))
    for key, value in element.attrib.items():
        _copy(made, _local(key), value, prefix, dropped)
    for name, value in re.findall(r"([a-z-]+)\s*:\s*([^;]+)", element.get("style", "")):
        _copy(made, name, value.strip(), prefix, dropped)
    made.text, made.tail = element.text, element.tail
    last: ET.Element | None = None
    for child in element:
        name = _local(child.tag)
        if name in _ELEMENTS:
            last = _rebuild(child, prefix, dropped)
            made.append(last)
            continue
        if (
            name
            and name not in _SILENT
            and name != "style"
            and child.tag.startswith((f"{{{SVG}}}", name))
        ):
            dropped.append(f"<{name}>")
        if child.tail and last is not None:
            last.tail = (last.tail or "") + child.tail
        elif child.tail:
            made.text = (made.text or "") + child.tail
    return made


def _copy(made: ET.Element, name: str, value: str, prefix: str, dropped: list[str]) -> None:
    if name == "id":
        made.set("id", prefix + value)
    elif name == "href":
        if value.startswith("#"):
            made.set("href", f"#{prefix}{value[1:]}")
        else:
            dropped.append("an address")
    elif name.startswith("on"):
        dropped.append(f"{name}=...")
    elif _ATTRIBUTES.fullmatch(name):
        if _PAINT.search(value):
            dropped.append(f"{name}=...")
        else:
            made.set(
                name, re.sub(r"url\(\s*['\"]?#([^)'\"\s]+)['\"]?\s*\)", rf"url(#{prefix}\1)", value)
            )
