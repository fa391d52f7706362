"""Which language a visitor is answered in: asked for, their own, or the browser's.

Pure. Source for the header: RFC 9110 §12.5.4, matched by primary subtag.
"""

from __future__ import annotations

from collections.abc import Sequence


def choose(languages: Sequence[str], asked: str | None, own: str | None, accept: str) -> str:
    """The first of `asked` (form field, ?lang=), `own` (the subscriber's) and the header that is spoken.

    `languages` are the publication's; the first is the answer to everything else.
    """
    for tag in (asked, own):
        if tag in languages:
            return str(tag)
    return next((tag for tag in _wanted(accept) if tag in languages), None) or _primary(
        languages, accept
    )


def _primary(languages: Sequence[str], accept: str) -> str:
    for wanted in _wanted(accept):
        for tag in languages:
            if tag.split("-")[0] == wanted.split("-")[0]:
                return tag
    return languages[0]


def _wanted(accept: str) -> list[str]:
    """The header's tags, most wanted first. Nonsense in it is passed over."""
    found: list[tuple[float, int, str]] = []
    # A browser names a dozen; what a hostile client adds beyond is not read.
    for position, part in enumerate(accept[:500].split(",")[:20]):
        tag, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if tag.strip() and weight > 0:
            found.append((-weight, position, tag.strip().lower()))
    return [tag for _, _, tag in sorted(found)]
