"""The inbox's page: the list, one mail, its HTML alone in a sandbox. For your eyes, on loopback.

Mails are shown, never trusted: the HTML part is a document of its own that
may run nothing and load nothing but pictures of this machine.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from newsletter import resources
from newsletter.inbox.mail import Mail
from newsletter.inbox.shelf import Shelf, chosen, per_recipient

PAGE_LENGTH = 50
"""Mails on one page of the list: the page stays quick with thousands of them."""

_LOCAL = "http://127.0.0.1:* http://localhost:*"
_PAGE_CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
    f"form-action 'self' {_LOCAL}; base-uri 'none'; frame-ancestors 'none'"
)
_MAIL_CSP = (
    f"default-src 'none'; style-src 'unsafe-inline'; img-src {_LOCAL}; "
    "form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
_NEW_WINDOW = '<base target="_blank">'
"""Put before the mail's own HTML so that its links open beside it; the raw view has no such line."""


def page(shelf: Shelf) -> Starlette:
    """The app over one shelf."""
    views = _Views(shelf)
    app = Starlette(
        routes=[
            Route("/", views.list),
            Route("/count", views.count),
            Route("/clear", views.clear, methods=["POST"]),
            Route("/mail/{number:int}", views.mail),
            Route("/mail/{number:int}/html", views.html),
            Route("/mail/{number:int}.eml", views.raw),
            Route("/inbox.css", views.style),
            Route("/inbox.js", views.script),
        ]
    )
    app.router.redirect_slashes = False
    return app


class _Views:
    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        folders = resources.templates("inbox")
        self._files = folders[-1]
        self._pages = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folders),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.filters["size"] = _size
        tokens = [folder / "tokens.css" for folder in resources.templates("site")]
        self._style = "".join(
            path.read_text("utf-8")
            for path in [*tokens, self._files / "inbox.css"]
            if path.is_file()
        )

    async def list(self, request: Request) -> Response:
        words = request.query_params.get("q", "")[:200]
        language = request.query_params.get("language", "")[:20]
        mails = self._shelf.all()
        found = chosen(mails, words, language)
        pages = max(1, -(-len(found) // PAGE_LENGTH))
        number = min(max(1, _number(request.query_params.get("page", "1"))), pages)
        counts = per_recipient(mails)
        return self._page(
            request,
            "list.html",
            mails=found[(number - 1) * PAGE_LENGTH : number * PAGE_LENGTH],
            counts=counts,
            total=len(mails),
            recipients=len(counts),
            found=len(found),
            languages=_languages(mails),
            words=words,
            language=language,
            page=number,
            pages=pages,
        )

    async def mail(self, request: Request) -> Response:
        mail = self._get(request)
        if mail is None:
            return _plain("This mail is not here (any more).", 404)
        view = request.query_params.get("view", "")
        html, text = mail.html, mail.text
        if view not in ("html", "text", "headers", "raw"):
            view = "html" if html is not None else "text"
        mails = self._shelf.all()
        return self._page(
            request,
            "mail.html",
            mail=mail,
            view=view,
            width="phone" if request.query_params.get("width") == "phone" else "full",
            html_size=len((html or "").encode()),
            text=text,
            has_html=html is not None,
            shown=_shown(mail, view),
            sender=mail.header("From") or "",
            to=mail.header("To") or "",
            links=mail.links if view in ("html", "text") else [],
            line_ends=_line_ends(mail.raw),
            one_click=mail.one_click,
            one_click_here=_is_here(mail.one_click),
            copies=per_recipient(mails),
            older=self._shelf.get(mail.number - 1),
            newer=self._shelf.get(mail.number + 1),
        )

    async def html(self, request: Request) -> Response:
        mail = self._get(request)
        html = mail.html if mail else None
        if not _ours(request) or html is None:
            return _plain("There is no HTML part.", 404)
        return Response(_new_window(html), media_type="text/html", headers=_headers(_MAIL_CSP))

    async def raw(self, request: Request) -> Response:
        """The bytes as they came, as text to look at: never interpreted by the browser."""
        mail = self._get(request)
        if not _ours(request) or mail is None:
            return _plain("This mail is not here (any more).", 404)
        return Response(
            mail.raw, media_type="application/octet-stream", headers=_headers("sandbox")
        )

    async def count(self, request: Request) -> Response:
        return JSONResponse({"total": len(self._shelf.all())}, headers=_headers(_PAGE_CSP))

    async def clear(self, request: Request) -> Response:
        """Throw all mails away. Only for a form on our own page: any website could post here."""
        if not _ours(request) or request.headers.get("origin", "") != _origin(request):
            return _plain("Only the inbox's own page may do that.", 403)
        self._shelf.clear()
        return RedirectResponse("/", 303, headers=_headers(_PAGE_CSP))

    async def style(self, request: Request) -> Response:
        return Response(self._style, media_type="text/css", headers=_headers(_PAGE_CSP))

    async def script(self, request: Request) -> Response:
        script = (self._files / "inbox.js").read_bytes()
        return Response(script, media_type="text/javascript", headers=_headers(_PAGE_CSP))

    def _get(self, request: Request) -> Mail | None:
        return self._shelf.get(request.path_params["number"])

    def _page(self, request: Request, name: str, **values: Any) -> Response:
        if not _ours(request):
            # A foreign name that resolves to this machine (DNS rebinding).
            return _plain("The inbox answers to 127.0.0.1 and localhost.", 421)
        html = self._pages.get_template(name).render(**values)
        return Response(html, media_type="text/html", headers=_headers(_PAGE_CSP))


def _shown(mail: Mail, view: str) -> str:
    match view:
        case "text":
            return mail.text or ""
        case "headers":
            return mail.head
        case "raw":
            # One column per octet that is no ASCII, so that nothing is guessed.
            return mail.raw.decode("ascii", "backslashreplace").replace("\r\n", "\n")
        case _:
            return ""


def _line_ends(raw: bytes) -> str:
    """RFC 5321 §2.3.8: a CR or LF alone is an error that relays punish."""
    rest = raw.replace(b"\r\n", b"")
    bare = rest.count(b"\n") + rest.count(b"\r")
    return f"{bare} bare CR or LF" if bare else "every line ends in CRLF"


def _is_here(url: str | None) -> bool:
    return url is not None and urlsplit(url).hostname in ("127.0.0.1", "localhost")


def _new_window(html: str) -> str:
    """Behind the doctype, or the mail would be shown in quirks mode."""
    head, found, rest = html.partition("<head>")
    return f"{head}{found}{_NEW_WINDOW}{rest}" if found else f"{_NEW_WINDOW}{html}"


def _languages(mails: tuple[Mail, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for mail in mails:
        if mail.language:
            counts[mail.language] = counts.get(mail.language, 0) + 1
    return dict(sorted(counts.items()))


def _ours(request: Request) -> bool:
    host = request.headers.get("host", "").rsplit(":", 1)[0]
    return host in ("127.0.0.1", "localhost")


def _origin(request: Request) -> str:
    return f"http://{request.headers.get('host', '')}"


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _size(octets: int) -> str:
    return f"{octets} B" if octets < 1000 else f"{octets / 1000:.1f} kB"


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _plain(words: str, status: int) -> Response:
    return PlainTextResponse(words, status, headers=_headers(_PAGE_CSP))
