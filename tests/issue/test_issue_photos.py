"""A photo in the mail: a plain picture, upright, silent about its maker."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from newsletter.content import pictures
from newsletter.issue.pictures import INNER, SHARP, raster


def shown(tmp_path: Path, kind: str, mode: str = "RGB", turned: int = 1) -> tuple[str, Image.Image]:
    """The mail's file name and picture of a photo whose left half is red."""
    image = Image.new(mode, (2400, 1200), (0, 0, 200, 128)[: len(mode)])
    image.paste((220, 0, 0, 255)[: len(mode)], (0, 0, 1200, 1200))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Ada", turned
    file = tmp_path / f"content/images/x.{kind.lower()}"
    file.parent.mkdir(parents=True)
    image.save(file, kind, exif=exif)
    drawn, findings = pictures.read(tmp_path, f"images/{file.name}")
    assert drawn is not None
    assert findings == []
    made = raster(drawn)
    assert b"Ada" not in made.data
    assert raster(drawn) == made
    return made.name, Image.open(io.BytesIO(made.data))


@pytest.mark.parametrize(
    ("kind", "mode", "expected"),
    [
        ("JPEG", "RGB", "JPEG"),
        ("WEBP", "RGB", "JPEG"),
        ("AVIF", "RGB", "JPEG"),
        ("PNG", "RGBA", "PNG"),
    ],
)
def test_every_mail_program_can_show_the_photo(
    tmp_path: Path, kind: str, mode: str, expected: str
) -> None:
    name, image = shown(tmp_path, kind, mode)

    assert image.format == expected
    assert name.endswith({"JPEG": ".jpg", "PNG": ".png"}[expected])
    assert image.width == INNER * SHARP
    assert not image.getexif()


def test_a_photo_taken_sideways_stands_upright_in_the_mail(tmp_path: Path) -> None:
    _, image = shown(tmp_path, "JPEG", turned=6)

    assert image.height == 2 * image.width
    top = image.convert("RGB").getpixel((image.width // 2, 10))
    assert isinstance(top, tuple)
    assert top[0] > 180
