"""A link shared elsewhere shows a picture of ours, and nothing of who made it."""

from __future__ import annotations

import datetime as dt
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import html5lib
import pytest
from PIL import Image
from site_files import FILES, article

from newsletter import site
from newsletter.config import Settings

ORIGIN = "http://127.0.0.1:8000"


def preview(out: Path, path: str) -> tuple[Path, str]:
    """The file that a page names as its picture elsewhere, and its words."""
    html = (out / path / "index.html").read_text("utf-8")
    head = html5lib.parse(html, namespaceHTMLElements=False)
    said = {each.get("property"): each.get("content") for each in head.iter("meta")}
    assert (said["og:image:width"], said["og:image:height"]) == ("1200", "630")
    address = str(said["og:image"])
    assert address.startswith(f"{ORIGIN}/assets/")
    return out / address.removeprefix(f"{ORIGIN}/"), str(said.get("og:image:alt"))


def test_every_page_to_be_found_names_a_picture_of_the_right_size(built: Path) -> None:
    count = 0
    for file in built.rglob("index.html"):
        if b"noindex" not in file.read_bytes():
            with Image.open(preview(built, str(file.parent.relative_to(built)))[0]) as image:
                assert image.size == (1200, 630)
            count += 1
    assert count > 15


def test_an_article_shows_its_drawing_and_others_the_sites_sign(built: Path) -> None:
    drawing, words = preview(built, "articles/cells")
    sign, _ = preview(built, "articles/tests")

    assert words == "Two cells"
    assert drawing != sign
    assert preview(built, ".")[0] == sign
    with Image.open(drawing) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1_000_000) or []}
    assert (31, 138, 131) in colours  # the stroke of the drawing itself


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_photo_is_shown_without_its_maker(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path, mode: str
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Ada"
    out = io.BytesIO()
    Image.new(mode, (300, 900), (200, 30, 30, 255)[: len(mode)]).save(out, "PNG", exif=exif)
    files: dict[str, str | bytes] = {
        "content/images/x.png": out.getvalue(),
        "content/articles/a.en.md": article("A", "picture: {path: images/x.png, alt: Red}"),
    }
    site.build(publication(files), now, tmp_path / "public")

    file, words = preview(tmp_path / "public", "articles/a")
    assert words == "Red"
    assert b"Ada" not in file.read_bytes()
    with Image.open(file) as image:
        assert image.size == (1200, 630)
        red = image.convert("RGB").getpixel((600, 300))
    assert isinstance(red, tuple)
    assert abs(red[0] - 200) < 4


def test_previews_are_the_same_when_made_anew(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    settings = publication(FILES)
    site.build(settings, now, tmp_path / "one")
    kept = list((settings.root / ".cache/previews").iterdir())
    assert len(kept) == 2
    kept[0].write_bytes(kept[0].read_bytes()[:-5])  # cut short
    shutil.rmtree(settings.root / ".cache/site")
    site.build(settings, now, tmp_path / "two", verify=True)

    one = {p.name: p.read_bytes() for p in (tmp_path / "one/assets").iterdir()}
    assert one == {p.name: p.read_bytes() for p in (tmp_path / "two/assets").iterdir()}
