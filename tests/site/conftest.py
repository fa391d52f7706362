"""The small publication of `site_files`, and the site built from it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from site_files import FILES

from newsletter import site
from newsletter.config import Settings


@pytest.fixture
def letter(publication: Callable[..., Settings]) -> Settings:
    """The small publication."""
    return publication(FILES)


@pytest.fixture
def built(letter: Settings, now: dt.datetime, tmp_path: Path) -> Path:
    """The folder of its site."""
    out = tmp_path / "public"
    site.build(letter, now, out)
    return out
