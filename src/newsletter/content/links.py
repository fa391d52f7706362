"""Links inside the publication: from what an editor writes to one canonical form.

    other-article.en.md#dose   ../pages/about.ru.md   /ru/articles/cells/
    article:cells  page:about  topic:immunotherapy  issues:  subscribe:  held:

`held:` is the form that asks what is held about a reader. A link to a file follows the file's id, so a changed address breaks nothing.
Whether the target exists is asked by `catalogue`, which knows everything.
"""

from __future__ import annotations

import posixpath
import re

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_OUTSIDE = ("http", "https", "mailto", "tel")
_NAMED = re.compile(
    r"(article|page|topic|issue|home|issues|subscribe|held):([A-Za-z0-9-]*)(@[A-Za-z-]+)?(#.+)?"
)
_FILE = re.compile(
    r"content/(articles|pages)/([a-z0-9-]+?)(?:\.([A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*))?\.md"
)


def canonical(written: str, path: str, language: str) -> str | None:
    """The canonical target of a link in the file `path`; None when it can lead nowhere.

    "article:ID@LANG#anchor" names a language only where it is not `language`.
    """
    written = written.strip()
    if not written or any(letter.isspace() for letter in written):
        return None
    if written.startswith("#"):
        return written if len(written) > 1 else None
    named = _NAMED.fullmatch(written)
    if named:
        return written.replace(f"@{language}", "")
    scheme = _SCHEME.match(written)
    if scheme:
        return written if scheme[1].lower() in _OUTSIDE and len(written) > len(scheme[0]) else None
    if written.startswith("//"):
        return None
    target, mark, anchor = written.partition("#")
    if target.startswith("/"):
        return f"path:{target.split('?')[0]}{mark}{anchor}"
    file = _FILE.fullmatch(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)))
    if not file:
        return None
    kind = "article" if file[1] == "articles" else "page"
    other = f"@{file[3]}" if file[3] and file[3] != language else ""
    return f"{kind}:{file[2]}{other}{mark}{anchor}"


def split(target: str) -> tuple[str, str, str | None, str]:
    """A canonical target as (kind, name, language or None for its own, anchor without #)."""
    target, _, anchor = target.partition("#")
    kind, _, name = target.partition(":")
    if kind == "path":
        return kind, name, None, anchor
    name, _, language = name.partition("@")
    return kind, name, language or None, anchor


def held(forms: str, language: str) -> str:
    """The address of the form that asks what is held, below `forms` (no slash at its end)."""
    return f"{forms}/data?lang={language}"
