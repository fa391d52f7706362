"""The built pages, served from their folder. The folder may be switched for another at any moment.

Each request opens the folder anew and walks down from it name by name,
following no link on the way (openat, O_NOFOLLOW): it reads one whole build,
the old one or the new, and nothing outside of it.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from newsletter.web.pages import FOR_EVER

_HASHED = re.compile(r"[.-][0-9a-f]{8,64}\.[a-z0-9]+$")
"""Names that hold their content's hash: what is behind them never changes."""

_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "xml": "application/xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
    "ico": "image/vnd.microsoft.icon",
    "pdf": "application/pdf",
    "woff2": "font/woff2",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
}
_COMPRESSED = ("text/", "application/json", "application/xml", "application/atom", "image/svg")


class Site:
    """A GET for everything that is no form. `missing` makes the 404 page when the build has none."""

    def __init__(
        self,
        folder: Path,
        base: str,
        form_url: str,
        languages: tuple[str, ...],
        missing: Callable[[Request], Response],
    ) -> None:
        self._folder = folder
        self._base = base
        self._languages = languages
        self._missing = missing
        forms = urlsplit(form_url)
        self._policy = (
            "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; "
            f"manifest-src 'self'; form-action 'self' {forms.scheme}://{forms.netloc}; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        # Written by the site's form alone; in a text, < would be &lt;.
        self._solver = f'<script src="{forms.path.rstrip("/")}/forms/ask.js"'.encode()
        self._asking = f"{self._policy}; script-src 'self'; connect-src 'self'"
        self._searching = (
            f"{self._policy}; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; "
            "worker-src 'self'"
        )

    def answer(self, request: Request) -> Response:
        """The file, 304, the folder's address with its slash, or the 404 page."""
        path = request.scope["path"].removeprefix(self._base)
        names = path.split("/")[1:]
        if names and names[-1] == "":
            names[-1] = "index.html"
        match _read(self._folder, names):
            case bytes() as content:
                return self._file(request, names[-1], content, self._policy_of(names, content))
            case "folder":
                # The same path with a slash: never a host, so never somewhere else.
                where = quote(f"{self._base}/{'/'.join(names)}/")
                return RedirectResponse(where, 301, headers={"Cache-Control": "max-age=300"})
        return self._not_found(request, names)

    def _policy_of(self, names: list[str], content: bytes) -> str:
        """No scripts; but our own where the site searches, or its form solves a small sum."""
        if self._searches(names):
            return self._searching
        asks = names[-1].endswith(".html") and self._solver in content
        return self._asking if asks else self._policy

    def _searches(self, names: list[str]) -> bool:
        """The search page and its engine's own files: they may run a script and its WebAssembly."""
        if names[0] == "pagefind":
            return True
        below = names[1:] if names[0] in self._languages else names
        return below == ["search", "index.html"]

    def _file(
        self, request: Request, name: str, content: bytes, policy: str, status: int = 200
    ) -> Response:
        """A picture may be shown by others' pages: in a mail read in a browser, it is.

        Source: Fetch Standard, Cross-Origin-Resource-Policy header.
        """
        kind = _KINDS.get(name.rpartition(".")[2].lower(), "application/octet-stream")
        tag = hashlib.sha256(content).hexdigest()[:32]
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": FOR_EVER
            if _HASHED.search(name)
            else "public, max-age=0, must-revalidate",
        }
        if kind.startswith("image/"):
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if kind.startswith(_COMPRESSED) and len(content) > 1000:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                content = _compressed(content)
                headers["Content-Encoding"] = "gzip"
                tag += "-gz"
        headers["ETag"] = f'"{tag}"'
        if status == 200 and f'"{tag}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, status, headers=headers, media_type=kind)

    def _not_found(self, request: Request, names: list[str]) -> Response:
        own = [names[0]] if names and names[0] in self._languages else []
        for where in (own, []):
            content = _read(self._folder, [*where, "404.html"])
            if isinstance(content, bytes):
                return self._file(
                    request, "404.html", content, self._policy_of(["404.html"], content), 404
                )
        return self._missing(request)


def _read(folder: Path, names: list[str]) -> bytes | str | None:
    """The file's bytes; "folder" when it is one; None when there is no such file for the public."""
    if not names or any(not _is_public(name) for name in names):
        return None
    try:
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        for name in names:
            below = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here
            )
            os.close(here)
            here = below
        mode = os.fstat(here).st_mode
        if stat.S_ISDIR(mode):
            return "folder"
        if not stat.S_ISREG(mode):
            return None
        with os.fdopen(os.dup(here), "rb") as file:
            return file.read()
    except (OSError, ValueError):
        return None
    finally:
        os.close(here)


def _is_public(name: str) -> bool:
    """One name on the way: no step up, nothing hidden, nothing that a system reads as two names."""
    if name == ".well-known":
        return True
    return bool(name) and not name.startswith(".") and not re.search(r"[\x00-\x1f\x7f\\:]", name)


@lru_cache(maxsize=64)
def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)
