"""The public app: the forms, the built pages, and nothing else. Built once from its parts.

    /subscribe  GET form, POST ask                /leave/TOKEN        GET page, POST leave (one-click)
    /confirm/TOKEN   GET page, POST confirm       /preferences/TOKEN  GET page, POST change
    /data       GET form, POST ask for a link     /data/TOKEN         GET page, POST show, erase
    /hooks/sendgrid  POST signed events, where they are configured
    /challenge  GET a sum for the sign-up form    /forms/...          the forms' own style, script, icon
    everything else: the site's folder, GET only

No GET changes anything. No answer sets a cookie, none is redirected to another
host, and no page but the data page shows anything of a person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from newsletter.web import sendgrid
from newsletter.web.confirm import Confirm
from newsletter.web.data import Data
from newsletter.web.enquiry import Enquiry
from newsletter.web.fields import Refused
from newsletter.web.gate import Gate, hosts_of
from newsletter.web.leave import Leave
from newsletter.web.networks import Networks
from newsletter.web.pages import FOR_EVER, Pages
from newsletter.web.parts import WebParts
from newsletter.web.preferences import Preferences
from newsletter.web.site import Site
from newsletter.web.subscribe import Subscribe

__all__ = ["WebParts", "build", "build_site"]

_View = Callable[[Request], Awaitable[Response]]


def build(parts: WebParts) -> Starlette:
    """The app over these parts. It holds no state of its own beyond the templates."""
    pages = Pages(parts)

    def wrong(scope: Scope, status: int) -> Response:
        return pages.error(Request(scope), status)

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused | HTTPException)
        status = error.status if isinstance(error, Refused) else error.status_code
        return pages.error(request, status, getattr(error, "headers", None))

    app = Starlette(
        routes=_routes(parts, pages),
        middleware=[
            Middleware(
                Gate,
                hosts=hosts_of((parts.public_url, parts.site_url)),
                https=parts.is_https,
                wrong=wrong,
            )
        ],
        exception_handlers={HTTPException: refused, Refused: refused},
    )
    # RFC 8058: the address in the mail is answered as it stands, never redirected.
    app.router.redirect_slashes = False
    return app


CLOSED = "The forms are closed here: this server shows the site alone.\n"


def build_site(
    folder: Path, site_url: str, public_url: str, languages: tuple[str, ...], bind: str
) -> Starlette:
    """The built pages in `folder` and nothing else: no form, no reader, no key.

    They may be asked for by the address of this machine too, `bind`.
    """

    def plain(status: int) -> Response:
        return PlainTextResponse(CLOSED if status == 405 else "There is no such page.\n", status)

    site = Site(folder, _path_of(site_url), public_url, languages, lambda _request: plain(404))
    return Starlette(
        routes=[Route("/{path:path}", site.answer)],
        middleware=[
            Middleware(
                Gate,
                hosts=hosts_of((public_url, site_url, f"http://{bind}")),
                https=False,
                wrong=lambda _scope, status: plain(status),
            )
        ],
        exception_handlers={405: lambda _request, _error: plain(405)},
    )


def _routes(parts: WebParts, pages: Pages) -> list[BaseRoute]:
    base = parts.base
    routes: list[BaseRoute] = []
    networks = Networks()
    subscribe = Subscribe(parts, pages, networks)
    for path, view in (
        ("/subscribe", subscribe),
        ("/data", Enquiry(parts, pages, networks)),
        ("/confirm/{token}", Confirm(parts, pages)),
        ("/leave/{token}", Leave(parts, pages)),
        ("/preferences/{token}", Preferences(parts, pages)),
        ("/data/{token}", Data(parts, pages)),
    ):
        routes.append(Route(base + path, _both(view.show, view.post), methods=["GET", "POST"]))

    async def style(request: Request) -> Response:
        return Response(pages.style, media_type="text/css", headers={"Cache-Control": FOR_EVER})

    async def icon(request: Request) -> Response:
        return Response(pages.icon, media_type="image/svg+xml", headers={"Cache-Control": FOR_EVER})

    async def script(request: Request) -> Response:
        # The site's pages name it too, so its name has no hash and it is asked for again.
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(pages.script, media_type="text/javascript", headers=headers)

    routes.append(Route(pages.style_path, style))
    routes.append(Route(pages.icon_path, icon))
    routes.append(Route(pages.script_path, script))
    routes.append(Route(f"{base}/challenge", subscribe.challenge))
    if parts.sendgrid is not None:
        routes.append(Route(base + sendgrid.PATH, sendgrid.Hook(parts).post, methods=["POST"]))
    if parts.site is not None:
        site = Site(
            parts.site,
            _path_of(parts.site_url),
            parts.public_url,
            parts.languages,
            lambda request: pages.error(request, 404),
        )
        routes.append(Route("/{path:path}", site.answer))
    return routes


def _both(show: _View, post: _View) -> _View:
    """One route for a GET that shows and a POST that acts; others get 405 with the right Allow."""

    async def view(request: Request) -> Response:
        return await (post if request.method == "POST" else show)(request)

    return view


def _path_of(url: str) -> str:
    return urlsplit(url).path.rstrip("/")
