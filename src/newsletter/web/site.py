"""The built pages, served from their folder. The folder may be switched for another at any moment.

Each request opens the folder anew and walks down from it name by name,
following no link on the way (openat, O_NOFOLLOW): it reads one whole build,
the old one or the new, and nothing outside of it. What is large is read as the
visitor takes it: a thousand who ask and do not read fill no memory.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

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


LARGE = 128 * 1024
"""Octets of a file that is answered whole."""
MOST_PACKED = 4 * 1024 * 1024
"""Octets of a text that is packed for the way."""


class Pieces(Response):
    """`size` octets of `file`, the next when the one before is on its way; the file is closed then."""

    def __init__(
        self, file: IO[bytes], size: int, status: int, headers: dict[str, str], media_type: str
    ) -> None:
        super().__init__(None, status, headers, media_type)
        self.headers["content-length"] = str(size)
        self._file = file
        self._left = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file as file:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if scope["method"] == "HEAD":
                self._left = 0
            while self._left:
                piece = await run_in_threadpool(file.read, min(LARGE, self._left))
                if not piece:
                    return  # it has become shorter: an answer without its end is told from a whole one
                self._left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


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
            case Large() as large:
                return self._large(request, names, large)
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
        kind = _kind(name)
        tag = hashlib.sha256(content).hexdigest()[:32]
        headers = _headers(name, policy)
        if kind.startswith(_COMPRESSED) and len(content) > 1000:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                content = _compressed(content)
                headers["Content-Encoding"] = "gzip"
                tag += "-gz"
        headers["ETag"] = f'"{tag}"'
        if status == 200 and f'"{tag}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if len(content) > LARGE:
            return Pieces(io.BytesIO(content), len(content), status, headers, kind)
        return Response(content, status, headers=headers, media_type=kind)

    def _large(self, request: Request, names: list[str], large: Large) -> Response:
        """A picture, a document: as it is, known by its place on the disk and its time."""
        if _kind(names[-1]).startswith(_COMPRESSED) and large.size <= MOST_PACKED:
            with large.file as file:
                content = file.read()
            return self._file(request, names[-1], content, self._policy_of(names, content))
        headers = _headers(names[-1], self._policy_of(names, b""))
        headers["ETag"] = f'"{large.tag}"'
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            large.file.close()
            return Response(status_code=304, headers=headers)
        return Pieces(large.file, large.size, 200, headers, _kind(names[-1]))

    def _not_found(self, request: Request, names: list[str]) -> Response:
        own = [names[0]] if names and names[0] in self._languages else []
        for where in (own, []):
            content = _read(self._folder, [*where, "404.html"])
            if isinstance(content, bytes):
                return self._file(
                    request, "404.html", content, self._policy_of(["404.html"], content), 404
                )
        return self._missing(request)


@dataclass(frozen=True, slots=True)
class Large:
    """A file that is not read yet; whoever takes it closes it."""

    file: IO[bytes]
    size: int
    tag: str


def _kind(name: str) -> str:
    return _KINDS.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def _headers(name: str, policy: str) -> dict[str, str]:
    """A picture may be shown by others' pages: in a mail that is read in a browser, it is.

    Source: Fetch Standard, Cross-Origin-Resource-Policy header.
    """
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": FOR_EVER if _HASHED.search(name) else "public, max-age=0, must-revalidate",
    }
    if _kind(name).startswith("image/"):
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return headers


def _read(folder: Path, names: list[str]) -> bytes | Large | str | None:
    """The file's bytes, or the open file when it is large; "folder" when it is one; None when
    there is no such file for the public."""
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
        about = os.fstat(here)
        if stat.S_ISDIR(about.st_mode):
            return "folder"
        if not stat.S_ISREG(about.st_mode):
            return None
        if about.st_size > LARGE:
            known = f"{about.st_dev} {about.st_ino} {about.st_size} {about.st_mtime_ns}"
            tag = hashlib.sha256(known.encode()).hexdigest()[:32]
            return Large(os.fdopen(os.dup(here), "rb"), about.st_size, tag)
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
