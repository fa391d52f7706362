"""One page to write: where it lies, which template shows it, and every value that the template sees.

A page's values are plain (text, numbers, lists), so that they can be compared
with last time's; its body is a fragment whose slots are filled when it is written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from newsletter.content.reading import Reading

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page to write. `path` is its address; `values` are what the template sees as `page`.

    `reading` is the body with slots (of an article or page), `html` a body
    that is finished (a frozen letter), `beside` what stands apart from it (a
    correction), with slots. `listed`: in the sitemap.
    """

    path: str
    template: str
    language: str
    values: Values
    reading: Reading | None = None
    html: str = ""
    beside: Reading | None = None
    listed: bool = True
    changed: dt.date | None = None
    alternates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Assets:
    """Names of files that pages load. `search`: the script of the search page, "" where there is no search."""

    style: str
    icon: str
    search: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Every page of a site, and what all pages of a language show: language -> `site` in a template."""

    sheets: tuple[Sheet, ...]
    chrome: Mapping[str, Values] = field(repr=False)
