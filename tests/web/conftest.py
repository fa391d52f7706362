"""The fixtures of the public app's tests; what they are made of stands in house.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.house import House, make_house


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "public"
    (folder / "articles" / "one").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Home</h1>")
    (folder / "articles" / "one" / "index.html").write_text("<h1>One</h1>" + "x" * 2000)
    (folder / "404.html").write_text("<h1>Not here</h1>")
    (folder / "site.0123456789abcdef.css").write_text("body{}")
    return folder


@pytest.fixture
def house(tmp_path: Path, site: Path) -> Iterator[House]:
    yield from make_house(tmp_path, site)
