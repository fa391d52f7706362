"""A photo becomes what a screen asks for, and tells nobody where it was taken."""

from __future__ import annotations

import datetime as dt
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import html5lib
import pytest
from PIL import Image, ImageCms
from site_files import article

from newsletter import site
from newsletter.config import Settings
from newsletter.errors import Findings

SECRET = b"Ada's telephone"
PHOTO = "content/images/Dr. K's (photo), 1.jpg"


def photo(
    kind: str = "JPEG", size: tuple[int, int] = (1000, 600), mode: str = "RGB", *, turned: int = 1
) -> bytes:
    """A photo whose left half is red; with a name, a place, a comment and a thumbnail hidden in it."""
    image = Image.new(mode, size, (0, 0, 200, 128)[: len(mode)])
    image.paste((220, 0, 0, 255)[: len(mode)], (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    exif[0x0112] = turned
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    out = io.BytesIO()
    more = {"comment": SECRET} if kind == "JPEG" else {}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(out, kind, exif=exif, icc_profile=profile, xmp=b"<x>" + SECRET + b"</x>", **more)
    return out.getvalue()


def files(data: bytes, path: str = PHOTO) -> dict[str, str | bytes]:
    name = path.removeprefix("content/")
    body = f'## One\n\n![A face](<{name}> "Our own")\n\n![A face again](<{name}>)\n'
    front = f'picture: {{path: "{name}", alt: \'A face > "it"\'}}'
    return {
        path: data,
        "content/articles/a.en.md": article("A", body=body),
        "content/articles/b.en.md": article("B", front, body=body),
    }


@pytest.fixture
def made(publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path) -> Path:
    site.build(publication(files(photo())), now, tmp_path / "public")
    return tmp_path / "public"


def pictures(html: str) -> list[str]:
    return re.findall(r"<picture>.*?</picture>", html, re.S)


def pixel(data: bytes, x: float, y: float) -> tuple[int, ...]:
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    found = image.getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(found, tuple)
    return tuple(int(part) for part in found)


def test_a_photo_is_offered_as_avif_webp_and_jpeg_in_several_widths(made: Path) -> None:
    tag = pictures((made / "articles/a/index.html").read_text())[0]

    assert re.findall(r'type="(image/\w+)"', tag) == ["image/avif", "image/webp"]
    sets = re.findall(r'srcset="([^"]+)"', tag)
    assert len(sets) == 3
    assert tag.count("sizes=") == 3
    for offered, kind in zip(sets, ("AVIF", "WEBP", "JPEG"), strict=True):
        widths = []
        for address, width in re.findall(r"(\S+) (\d+)w", offered):
            with Image.open(made / address.lstrip("/")) as image:
                assert (image.format, image.width) == (kind, int(width))
            widths.append(int(width))
        assert widths == [480, 800, 1000]


def test_a_photo_keeps_its_room_and_its_words(made: Path) -> None:
    html = (made / "articles/b/index.html").read_text()

    assert all('width="1000" height="600"' in tag for tag in pictures(html))
    assert 'alt="A face &gt; &quot;it&quot;"' in html
    parser = html5lib.HTMLParser(strict=False)
    parser.parse(html)
    assert parser.errors == []


@pytest.mark.parametrize(("name", "shown"), [("a", 2), ("b", 3)])
def test_the_first_photo_of_a_page_is_not_lazy_and_every_other_is(
    made: Path, name: str, shown: int
) -> None:
    html = (made / f"articles/{name}/index.html").read_text().partition("Read next")[0]

    lazy = ['loading="lazy"' in tag for tag in pictures(html)]
    assert lazy == [False] + [True] * (shown - 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_no_published_byte_says_who_took_the_photo_or_where(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path, kind: str
) -> None:
    data = photo(kind)
    assert SECRET in data
    path = f"content/images/x.{kind.lower()}"
    site.build(publication(files(data, path)), now, tmp_path / "public")

    published = [file for file in (tmp_path / "public/assets").iterdir() if "x-" in file.name]
    assert len(published) >= 6
    for file in published:
        found = file.read_bytes()
        assert not re.search(rb"Exif|EXIF|eXIf|ICC|iCCP|xmp|XMP|tEXt|zTXt|iTXt", found), file
        assert SECRET not in found
        with Image.open(file) as image:
            assert not image.getexif()


@pytest.mark.parametrize(
    ("turned", "red"), [(1, (0.1, 0.5)), (3, (0.9, 0.5)), (6, (0.5, 0.1)), (8, (0.5, 0.9))]
)
def test_a_photo_taken_with_the_camera_on_its_side_stands_upright(
    publication: Callable[..., Settings],
    now: dt.datetime,
    tmp_path: Path,
    turned: int,
    red: tuple[float, float],
) -> None:
    data = photo(turned=turned)
    site.build(publication(files(data, "content/images/x.jpg")), now, tmp_path / "public")

    tag = pictures((tmp_path / "public/articles/a/index.html").read_text())[0]
    size = (1000, 600) if turned in (1, 3) else (600, 1000)
    assert f'width="{size[0]}" height="{size[1]}"' in tag
    for file in (tmp_path / "public/assets").glob("x-480.*"):
        assert pixel(file.read_bytes(), *red)[0] > 180
        with Image.open(file) as image:
            assert abs(image.width / image.height - size[0] / size[1]) < 0.01


def test_what_is_see_through_stays_so(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    data = photo("PNG", mode="RGBA")
    site.build(publication(files(data, "content/images/x.png")), now, tmp_path / "public")

    found = list((tmp_path / "public/assets").glob("x-480.*"))
    assert any(file.suffix == ".png" for file in found)
    for file in found:
        assert 120 < pixel(file.read_bytes(), 0.9, 0.5)[3] < 136


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "I;16", "LA"])
def test_a_photo_of_any_colour_model_is_shown(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path, mode: str
) -> None:
    image = Image.new("I;16", (600, 400), 20000) if mode == "I;16" else Image.new(mode, (600, 400))
    out = io.BytesIO()
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image.save(out, kind)
    name = f"content/images/x.{kind.lower()}"
    site.build(publication(files(out.getvalue(), name)), now, tmp_path / "public")

    small = next((tmp_path / "public/assets").glob("x-480.*"))
    if mode == "I;16":
        assert abs(pixel(small.read_bytes(), 0.5, 0.5)[0] - 78) < 4


def test_colours_of_a_wide_profile_are_brought_into_srgb(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    out = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("RGB", (500, 500), (10, 200, 30)).save(out, "PNG", icc_profile=profile)
    site.build(publication(files(out.getvalue(), "content/images/x.png")), now, tmp_path / "public")

    plain = next((tmp_path / "public/assets").glob("x-500.*.png")).read_bytes()
    assert abs(pixel(plain, 0.5, 0.5)[1] - 200) < 4  # a profile that does not fit changes nothing


def test_the_same_photo_gives_the_same_bytes_when_everything_is_made_anew(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    settings = publication(files(photo()))
    site.build(settings, now, tmp_path / "one")
    shutil.rmtree(settings.root / ".cache")
    site.build(settings, now, tmp_path / "two", verify=True)

    one = {p.name: p.read_bytes() for p in (tmp_path / "one/assets").iterdir()}
    assert one == {p.name: p.read_bytes() for p in (tmp_path / "two/assets").iterdir()}


def test_photos_made_in_several_processes_are_the_same(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    some: dict[str, str | bytes] = {}
    body = "## One\n"
    for number in range(4):
        some[f"content/images/{number}.jpg"] = photo(size=(500 + number, 300))
        body += f"\n![Photo {number}](images/{number}.jpg)\n"
    settings = publication({**some, "content/articles/a.en.md": article("A", body=body)})
    site.build(settings, now, tmp_path / "one", jobs=2)
    site.build(settings, now, tmp_path / "two", cache=False)

    names = sorted(p.name for p in (tmp_path / "one/assets").iterdir())
    assert len([name for name in names if name.endswith((".jpg", ".webp", ".avif"))]) >= 8
    for name in names:
        assert (tmp_path / "one/assets" / name).read_bytes() == (
            tmp_path / "two/assets" / name
        ).read_bytes()


def test_a_photo_is_encoded_once_and_a_damaged_cache_is_mended(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    settings = publication(files(photo()))
    site.build(settings, now, tmp_path / "public")
    kept = sorted((settings.root / ".cache/photos").rglob("480.*"))
    assert kept
    times = [file.stat().st_mtime_ns for file in kept]
    text = settings.root / "content/articles/a.en.md"
    text.write_text(text.read_text("utf-8") + "\nMore.\n", "utf-8")
    site.build(settings, now, tmp_path / "public")
    assert [file.stat().st_mtime_ns for file in kept] == times

    right = kept[0].read_bytes()
    kept[0].write_bytes(right[:-9])
    shutil.rmtree(tmp_path / "public")
    site.build(settings, now, tmp_path / "public")
    assert kept[0].read_bytes() == right


def test_a_changed_photo_has_other_addresses_and_the_old_files_go(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    settings = publication(files(photo(), "content/images/x.jpg"))
    site.build(settings, now, tmp_path / "public")
    before = {file.name for file in (tmp_path / "public/assets").glob("x-*")}
    (settings.root / "content/images/x.jpg").write_bytes(photo(size=(900, 600)))
    site.build(settings, now, tmp_path / "public")

    after = {file.name for file in (tmp_path / "public/assets").glob("x-*")}
    assert before
    assert after
    assert not before & after


def keys(root: Path) -> set[str]:
    """What is kept below .cache of photos and previews, but for the site's own sign."""
    return {path.parent.name for path in (root / ".cache/photos").glob("*/made.json")} | {
        path.stem for path in (root / ".cache/previews").glob("*.jpg")
    }


def test_what_no_site_shows_any_more_is_thrown_away_and_nothing_else(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    settings = publication(
        {
            "content/images/x.jpg": photo(),
            "content/articles/a.en.md": article("A", "picture: {path: images/x.jpg, alt: X}"),
        }
    )
    cache = settings.root / ".cache/photos"
    site.build(settings, now, tmp_path / "public")
    first = keys(settings.root)
    site.build(settings, now, tmp_path / "preview")
    (settings.root / "content/images/x.jpg").write_bytes(photo(size=(900, 600)))
    (cache / ".new-cut-short").mkdir()
    (cache / "notes.txt").write_text("mine")
    stranger = cache / next(path.parent.name for path in cache.glob("*/made.json")) / "mine.txt"
    stranger.write_text("mine")

    site.build(settings, now, tmp_path / "public")
    both = keys(settings.root)
    site.build(settings, now, tmp_path / "preview")

    assert len(first) == 2
    assert len(both) == 4, "the preview still shows the old photo"
    assert keys(settings.root) == both - first
    assert sorted(path.name for path in stranger.parent.iterdir()) == ["mine.txt"]
    assert (cache / "notes.txt").read_text() == "mine"
    assert not (cache / ".new-cut-short").exists()
    assert site.build(settings, now, tmp_path / "public", verify=True).written == 0


def test_a_photo_that_breaks_between_check_and_build_publishes_nothing(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    data = photo()
    settings = publication(files(data, "content/images/x.jpg"))
    site.build(settings, now, tmp_path / "public")
    before = {p: p.read_bytes() for p in (tmp_path / "public").rglob("*") if p.is_file()}
    (settings.root / "content/images/x.jpg").write_bytes(data[:2000])

    with pytest.raises(Findings) as problem:
        site.build(settings, now, tmp_path / "public")
    finding = problem.value.findings[0]
    assert finding.code == "NL228"
    assert finding.where is not None
    assert finding.where.path == "content/articles/a.en.md"
    assert {p: p.read_bytes() for p in (tmp_path / "public").rglob("*") if p.is_file()} == before
