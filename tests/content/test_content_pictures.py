"""Pictures from anywhere: what is hostile or broken is told at the line that shows it, or left out."""

from __future__ import annotations

import datetime as dt
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from newsletter import content
from newsletter.config import Settings
from newsletter.content import photos, pictures
from newsletter.errors import Finding, Findings, Level

Make = Callable[..., Settings]
TEXT = """\
---
title: Cells
summary: What cells do.
published: 2026-11-01
review: pending
---
## One

![A cell](images/NAME)
"""


def shown(publication: Make, now: dt.datetime, name: str, data: bytes) -> list[Finding]:
    """The findings of an article that shows this picture."""
    settings = publication(
        {f"content/images/{name}": data, "content/articles/a.en.md": TEXT.replace("NAME", name)}
    )
    try:
        return list(content.load(settings, now).warnings)
    except Findings as problem:
        return list(problem.findings)


def jpeg(size: tuple[int, int] = (320, 200)) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says it is enormous."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packed = zlib.compress(b"\0" * 1_000_000, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.png", bomb(30_000, 30_000), "more than a page can show"),
        ("a.png", bomb(10_000, 10_000), "10000 x 10000 dots"),
        ("a.jpg", jpeg()[:-400], "cut short or damaged"),
        ("a.jpg", b"", "no JPEG"),
        ("a.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no JPEG"),
        ("a.jpg", b"<svg/>", "no JPEG"),
        ("a.webp", b"RIFF\x08\0\0\0WEBPVP8 ", ""),
        ("a.gif", b"GIF89a\xff\xff\xff\xff", ""),
        ("a.heic", b"x" * 2_000_000, "no kind of picture we show"),
        ("a.pdf", b"%PDF-1.7", "no kind of picture we show"),
    ],
)
def test_a_photo_that_cannot_be_shown_is_told_where_it_is_shown(
    publication: Make, now: dt.datetime, name: str, data: bytes, said: str
) -> None:
    findings = shown(publication, now, name, data)

    assert [finding.code for finding in findings] == ["NL228"]
    assert findings[0].level is Level.ERROR
    assert said in findings[0].what
    where = findings[0].where
    assert where is not None
    assert (where.path, where.line) == ("content/articles/a.en.md", 9)
    assert where.text == f"![A cell](images/{name})"


def test_a_photo_too_heavy_to_open_is_not_opened(
    publication: Make, now: dt.datetime, tmp_path: Path
) -> None:
    settings = publication({"content/articles/a.en.md": TEXT.replace("NAME", "a.png")})
    file = settings.root / "content/images/a.png"
    file.parent.mkdir()
    with file.open("wb") as heavy:
        heavy.truncate(photos.MOST_BYTES + 1)

    with pytest.raises(Findings) as problem:
        content.load(settings, now)
    assert [finding.code for finding in problem.value.findings] == ["NL214"]
    assert "a photo" in problem.value.findings[0].what


def test_a_photo_larger_than_a_text_may_be_is_no_finding(
    publication: Make, now: dt.datetime
) -> None:
    out = io.BytesIO()
    Image.effect_noise((1200, 1200), 90).save(out, "PNG")
    assert len(out.getvalue()) > 1024 * 1024

    assert shown(publication, now, "a.png", out.getvalue()) == []


def test_a_picture_that_moves_is_told_and_shows_its_first_frame(
    publication: Make, now: dt.datetime
) -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in (250, 10)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])

    finding = shown(publication, now, "a.gif", out.getvalue())[0]
    assert (finding.code, finding.level) == ("NL228", Level.WARNING)
    assert "moves" in finding.what
    assert photos.plain(out.getvalue(), 20).getpixel((5, 5)) == (250, 0, 0)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "AVIF"]),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    length=st.floats(0.1, 1),
)
def test_damaged_bytes_are_unreadable_or_a_photo_and_nothing_else(
    kind: str, cuts: list[tuple[float, int]], length: float
) -> None:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((40, 30)).convert("RGB").save(out, kind)
    data = bytearray(out.getvalue())
    for place, value in cuts:
        data[int(place * (len(data) - 1))] = value
    damaged = bytes(data[: int(len(data) * length)])

    try:
        seen = photos.look(damaged, "x")
        made = photos.plain(damaged, 40)
    except photos.Unreadable:
        return
    assert seen.width > 0
    assert made.mode in ("RGB", "RGBA")


HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"'
HOSTILE = [
    f"{HEAD}><script>alert(1)</script></svg>",
    f'{HEAD} onload="alert(1)"><path d="M0 0" onclick="alert(1)" ONMOUSEOVER="alert(1)"/></svg>',
    f"{HEAD}><foreignObject><body xmlns='http://www.w3.org/1999/xhtml'><img src='x' onerror='alert(1)'/></body></foreignObject></svg>",
    f'{HEAD}><image href="https://evil.example/x.png"/><image xlink:href="//evil.example/x"/></svg>',
    f'{HEAD}><use href="https://evil.example/x.svg#a"/><use xlink:href="data:image/svg+xml,x#a"/></svg>',
    f'{HEAD}><a href="javascript:alert(1)"><text>press</text></a></svg>',
    f'{HEAD}><path fill="url(https://evil.example/x#a)" d="M0 0"/></svg>',
    f'{HEAD}><path fill="u\\72l(//evil.example/x)" d="M0 0"/></svg>',
    f'{HEAD}><path fill="url( &quot;https://evil.example/x&quot; )" d="M0 0"/></svg>',
    f'{HEAD}><path style="fill: url(https://evil.example/x)" d="M0 0"/></svg>',
    f'{HEAD}><path style="background-image:url(//evil.example/x);FILL:URL(//evil.example/y)" d="M0 0"/></svg>',
    f'{HEAD}><path fill="image-set(\'//evil.example/x\' 1x)" d="M0 0"/></svg>',
    f'{HEAD}><path fill="image(\'//evil.example/x\')" d="M0 0"/></svg>',
    f'{HEAD}><path mask="ur/**/l(//evil.example/x)" d="M0 0"/></svg>',
    f"{HEAD}><style>@import url(https://evil.example/x.css); path {{ fill: url(//evil.example) }}</style></svg>",
    f'{HEAD}><animate attributeName="href" values="javascript:alert(1)"/><set attributeName="onclick" to="alert(1)"/></svg>',
    f'{HEAD}><text font-family="x; @import url(//evil.example)">a</text></svg>',
    f'{HEAD}><g id="a&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"/></svg>',
    f"{HEAD}><text>&lt;script&gt;alert(1)&lt;/script&gt;</text></svg>",
    f'{HEAD}><x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script></svg>',
    f'{HEAD}><svg:script xmlns:svg="http://www.w3.org/2000/svg">alert(1)</svg:script></svg>',
    f'<?xml-stylesheet href="https://evil.example/x.css"?>{HEAD}><path d="M0 0"/></svg>',
    f'{HEAD}><g xml:base="https://evil.example/"><use href="#a"/></g></svg>',
    f'{HEAD}><filter id="f"><feImage href="https://evil.example/x"/></filter></svg>',
    f'{HEAD}><title><script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script></title></svg>',
    f'{HEAD}><metadata><iframe src="https://evil.example"/></metadata></svg>',
]


@pytest.mark.parametrize("drawing", HOSTILE)
def test_nothing_of_a_hostile_drawing_runs_or_asks_another_host(
    tmp_path: Path, drawing: str
) -> None:
    file = tmp_path / "content/images/a.svg"
    file.parent.mkdir(parents=True)
    file.write_text(drawing, "utf-8")
    drawn, _ = pictures.read(tmp_path, "images/a.svg")

    assert drawn is not None
    for made in (drawn.inline, drawn.data.decode().replace(pictures.SVG, "")):
        lower = made.lower()
        assert "evil" not in lower, made
        assert "<script" not in lower, made
        assert "javascript:" not in lower
        assert not any(
            f"<{name}" in lower
            for name in (
                "foreignobject",
                "image",
                "a ",
                "animate",
                "set",
                "iframe",
                "feimage",
                "style",
            )
        )
        assert " on" not in lower.replace(" one", "")


@pytest.mark.parametrize(
    "drawing",
    [
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
        + HEAD
        + "><text>&b;</text></svg>",
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        + HEAD
        + "><text>&x;</text></svg>",
        '<!doctype svg SYSTEM "https://evil.example/x.dtd" []>' + HEAD + "/>",
        "<svg" + "><g" * 100_000,
        HEAD + ">" + "<g>" * 60_000 + "</g>" * 60_000 + "</svg>",
        HEAD + ' width="1e400"></svg>'.replace("viewBox", "x"),
    ],
)
def test_a_drawing_made_to_harm_its_reader_is_a_finding(
    publication: Make, now: dt.datetime, drawing: str
) -> None:
    findings = shown(publication, now, "a.svg", drawing.encode())

    assert {finding.code for finding in findings} <= {"NL228"}


@pytest.mark.parametrize("tags", ["<g>", "<svg>", "<g>text", "<nothing>"])
def test_a_drawing_nested_twenty_thousand_deep_is_a_finding(
    publication: Make, now: dt.datetime, tags: str
) -> None:
    end = f"</{tags[1:].partition('>')[0]}>"
    deep = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{tags * 20_000}{end * 20_000}</svg>'

    findings = shown(publication, now, "deep.svg", deep.encode())

    assert [finding.code for finding in findings] == ["NL228"]
