"""Opening a mail asks nobody but us for anything, and no link tells who clicked.

What is loaded (pictures, style sheets, fonts) lies on the publication's own
host and carries no query, so that every reader's copy asks for the same.
Links may lead anywhere, but straight there.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from newsletter.checks.markup import Element
from newsletter.errors import Finding
from newsletter.issue.edition import Edition
from newsletter.news.clean import without_tracking

_LOADED = {
    "img": "src",
    "link": "href",
    "script": "src",
    "iframe": "src",
    "source": "src",
    "input": "src",
}
_ACTIVE = {"script", "form", "iframe", "object", "embed", "link", "base", "video", "audio"}
_STYLE_URL = re.compile(
    r"url\(\s*['\"]?([^)'\"]+)|@import\s+['\"]?([^;'\"]+)|(@font-face)", re.IGNORECASE
)


def foreign(edition: Edition, elements: list[Element], site: str) -> list[Finding]:
    """NL468 for everything that is loaded from elsewhere, differs by reader, or runs."""
    own = urlsplit(site).netloc
    found: dict[str, None] = {}
    for element in elements:
        if element.tag in _ACTIVE:
            found[f"<{element.tag}> has no place in a mail"] = None
        url = element.given.get(_LOADED.get(element.tag, ""), "")
        if url and (urlsplit(url).netloc != own or urlsplit(url).query):
            found[f"it would load {url.split('?')[0]}"] = None
        if any(name.startswith("on") for name in element.given):
            found[f"<{element.tag}> has an event handler"] = None
    found.update(
        (f"a style loads {''.join(each)}", None) for each in _STYLE_URL.findall(edition.html)
    )
    return [
        Finding(
            "NL468",
            f"the {edition.language} mail asks for more than itself: {what}",
            help=f"pictures come from {own} alone; change the template in templates/mail/",
        )
        for what in found
    ]


def tracking(edition: Edition, elements: list[Element]) -> list[Finding]:
    """NL469 for every link whose address tells its owner where the reader came from."""
    links = {element.given.get("href", "") for element in elements if element.tag == "a"}
    return [
        Finding(
            "NL469",
            f"the link to {urlsplit(url).hostname} carries `{_carried(url)}`",
            help="take the parameter out; the page is the same without it",
        )
        for url in sorted(links)
        if url.startswith("http") and without_tracking(url) != url
    ]


def _carried(url: str) -> str:
    kept = dict(parse_qsl(urlsplit(without_tracking(url)).query))
    return ", ".join(name for name, _ in parse_qsl(urlsplit(url).query) if name not in kept)
