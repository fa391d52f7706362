"""A reader with a browser and a mailbox: fills in the real forms over HTTP.

Only the standard library, so that the demo meets the app as a stranger would.
"""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from collections.abc import Mapping
from html.parser import HTMLParser


class _Forms(HTMLParser):
    """Collects each form's action and the fields it would send untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and values.get("method", "get").lower() == "post":
            self.forms.append((values.get("action", ""), {}))
        elif tag in {"input", "button"} and self.forms and "name" in values:
            if values.get("type") == "checkbox":
                return  # unticked until the reader ticks it
            self.forms[-1][1][values["name"]] = values.get("value", "")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - loopback, our own site
        return str(answer.read().decode())


def post(url: str, fields: Mapping[str, str]) -> tuple[int, str]:
    """Send a form; (status, page)."""
    data = urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(url, data=data, method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return answer.status, answer.read().decode()


def submit(page_url: str, action: str, **filled: str) -> tuple[int, str]:
    """Open a page, fill in the form whose action holds `action`, and send it as a browser would."""
    forms = _Forms()
    forms.feed(get(page_url))
    target, fields = next(form for form in forms.forms if action in form[0] or not form[0])
    return post(urllib.parse.urljoin(page_url, target), {**fields, **filled})


def link_in(text: str, path: str) -> str:
    """The first link with `path` in a mail's text part."""
    found = re.search(rf"https?://\S+{re.escape(path)}\S+", text)
    if not found:
        raise LookupError(f"no {path} link in the mail")
    return found[0].rstrip(".,>)")
