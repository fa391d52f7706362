"""How large a mail may be, and what to shorten when it is too large.

Gmail cuts a message near 102 KB, and what is cut off is the footer with the
way out. The limit leaves room for that and for what gateways add.
Source: Gmail "message clipped"; measured by others at 102 to 105 KB.
"""

from __future__ import annotations

from newsletter.errors import Finding, Level
from newsletter.issue.edition import Edition
from newsletter.issue.view import StoryView, View

LIMIT = 90_000
"""Bytes of one edition's HTML, decoded, everything filled in."""
NEAR = 80_000


def too_large(edition: Edition, view: View) -> list[Finding]:
    """NL467 when the HTML is over the limit, or near it; names the stories that cost most."""
    size = len(edition.html.encode())
    if size <= NEAR:
        return []
    over = size > LIMIT
    heaviest = sorted(view.stories, key=lambda story: (-_cost(story), story.title))[:3]
    named = ", ".join(f"“{story.title}” ({_cost(story):,} bytes)" for story in heaviest)
    advice = f"shorten the summaries of {named}" if named else "shorten the letter"
    each = (size - _fixed(edition, view)) // max(1, len(view.stories))
    spare = -(-(size - LIMIT) // max(1, each)) if over else 0
    if spare > 0 and view.stories:
        last = ", ".join(f"“{story.title}”" for story in view.stories[-spare:])
        advice += (
            f"; or leave {spare} of {len(view.stories)} for the next issue, for example {last}"
        )
    return [
        Finding(
            "NL467",
            f"the {edition.language} mail has {size:,} bytes of HTML; {LIMIT:,} are the most",
            help=advice,
            level=Level.ERROR if over else Level.WARNING,
        )
    ]


def _cost(story: StoryView) -> int:
    """What a story's own words cost; its boxes cost the same for each."""
    picture = story.picture
    words = [story.title, story.summary, story.notice, picture.alt if picture else ""]
    return sum(len(each.encode()) for each in words)


def _fixed(edition: Edition, view: View) -> int:
    """What the mail costs without its stories: up to the first story's link."""
    first = edition.html.find(view.stories[0].url) if view.stories else -1
    return len(edition.html[:first].encode()) if first >= 0 else len(edition.html.encode())
