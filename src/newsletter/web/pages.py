"""The forms' own pages: templates, the reader's language, one stylesheet made of the site's tokens."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from newsletter.language import Language
from newsletter.web import speech
from newsletter.web.parts import WebParts

FOR_EVER = "public, max-age=31536000, immutable"
"""For what has its hash in its name."""


@dataclass(frozen=True, slots=True)
class House:
    """What every page shows of the publication. Paths begin with `base`."""

    title: str
    base: str
    style: str
    icon: str
    home: str
    privacy: str | None
    shared: bool
    """Somebody handles addresses for the publisher; the privacy page names them."""


class Pages:
    """Makes answers. Holds no visitor's data between two calls."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._still: dict[tuple[Hashable, ...], bytes] = {}
        self._languages = {tag: Language(tag, "web") for tag in parts.languages}
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(parts.templates),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        own = self._templates.get_template("forms.css")
        self.style = parts.tokens.read_text("utf-8") + own.render()
        digest = hashlib.sha256(self.style.encode()).hexdigest()[:16]
        self.style_path = f"{parts.base}/forms/{digest}.css"
        self.icon = parts.icon.read_bytes()
        self.icon_path = f"{parts.base}/forms/{hashlib.sha256(self.icon).hexdigest()[:16]}.svg"
        self.script = self._templates.get_template("ask.js").render()
        self.script_path = f"{parts.base}/forms/ask.js"

    def language(self, request: Request, asked: str | None = None, own: str | None = None) -> str:
        """The tag to answer in: asked for (form field or ?lang=), the reader's own, the browser's."""
        asked = asked or request.query_params.get("lang")
        accept = request.headers.get("accept-language", "")
        return speech.choose(self._parts.languages, asked, own, accept)

    def date(self, moment: dt.datetime, tag: str) -> str:
        """The day of `moment` in the publication's zone, in words."""
        return self._languages[tag].date(moment.astimezone(self._parts.zone).date())

    def moment(self, moment: dt.datetime, tag: str) -> str:
        return self._languages[tag].moment(moment, self._parts.zone)

    def gettext(self, tag: str, message: str) -> str:
        return self._languages[tag].gettext(message)

    def page(
        self,
        name: str,
        tag: str,
        status: int = 200,
        *,
        switch: bool = False,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """Template `name` in language `tag`. `switch` offers the other languages (answers to a GET)."""
        language = self._languages[tag]
        others = [other for other in self._languages.values() if other.tag != tag]
        html = self._templates.get_template(name).render(
            _=language.gettext,
            ngettext=language.ngettext,
            language=language,
            others=others if switch else [],
            house=self._house(tag),
            **values,
        )
        return HTMLResponse(html, status, headers={"Content-Language": tag, **(headers or {})})

    def still(self, name: str, tag: str, **values: Any) -> Response:
        """A page that is the same for everybody, made once for each language."""
        key = (name, tag, *values.items())
        if key not in self._still:
            self._still[key] = bytes(self.page(name, tag, **values).body)
        return HTMLResponse(self._still[key], headers={"Content-Language": tag})

    def error(
        self, request: Request, status: int, headers: Mapping[str, str] | None = None
    ) -> Response:
        """A page, or JSON for who asked for it, that names the fault and nothing of the input."""
        if wants_json(request):
            word = _WORDS.get(status, _WORDS[500])[0]
            return JSONResponse({"error": word.lower()}, status, headers=headers)
        tag = self.language(request)
        words, more = _WORDS.get(status, _WORDS[500])
        language = self._languages[tag]
        return self.page(
            "error.html",
            tag,
            status,
            headers=headers,
            words=language.gettext(words),
            more=language.gettext(more),
        )

    def _house(self, tag: str) -> House:
        parts = self._parts
        # The publication's first language lives at the top, the others below their tag.
        home = parts.site_url + ("/" if tag == parts.languages[0] else f"/{tag}/")
        return House(
            title=parts.title,
            base=parts.base,
            style=self.style_path,
            icon=self.icon_path,
            home=home,
            privacy=parts.privacy.get(tag),
            shared=parts.shared,
        )


def wants_json(request: Request) -> bool:
    """A publisher's own front end: it sends JSON, or says that it reads JSON and not HTML."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    accept = request.headers.get("accept", "")
    return sent == "application/json" or ("application/json" in accept and "html" not in accept)


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translate later"
    return message


_NOTHING = N_("Nothing was changed.")
_WORDS = {
    400: (N_("This request could not be read"), _NOTHING),
    404: (N_("There is no such page"), N_("It may have moved. The front page knows what is here.")),
    405: (N_("This address does not do that"), _NOTHING),
    408: (N_("That took too long"), N_("Nothing was changed. Please try once more.")),
    413: (N_("That was too much at once"), _NOTHING),
    415: (N_("This request could not be read"), _NOTHING),
    421: (N_("This is not the name of this house"), _NOTHING),
    429: (
        N_("Too many requests from your network"),
        N_("Nothing was changed. Please try again in an hour."),
    ),
    500: (
        N_("Something went wrong on our side"),
        N_("It was written down. Please try again in a few minutes."),
    ),
    503: (N_("Too much is going on just now"), N_("Nothing was changed. Please try once more.")),
}
