"""One style sheet: the tokens first, then the parts in their order, named by their hash."""

from __future__ import annotations

import re
from pathlib import Path

from newsletter.site.stamps import digest

PARTS = ("tokens.css", "style/base.css", "style/prose.css", "style/parts.css", "style/print.css")


def sheet(folders: list[Path]) -> bytes:
    """The style sheet of the site; a publication's own file of the same name replaces ours.

    `style/own.css`, if a publication has one, comes last.
    """
    pieces = []
    for part in (*PARTS, "style/own.css"):
        file = next((folder / part for folder in folders if (folder / part).is_file()), None)
        if file is not None:
            pieces.append(file.read_text("utf-8"))
    return shorter("\n".join(pieces)).encode()


def shorter(css: str) -> str:
    """Without comments and needless white space; strings and calc() stay as they are."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    css = re.sub(r"\s*\n\s*", "", css)
    return re.sub(r"\s*([{};])\s*", r"\1", css).replace(";}", "}").strip() + "\n"


def named(stem: str, suffix: str, data: bytes) -> str:
    """A name that changes with its bytes, so that it may be kept for ever."""
    return f"assets/{stem}.{digest(data)[:10]}{suffix}"
