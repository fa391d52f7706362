"""What can go wrong, as values: a Finding says what, where and what to do.

Bad input is never a traceback. Rooms collect `Finding`s and raise them all at
once as `Findings`; the command line prints them in one shape (cli/report.py).
This is the lowest floor of the house: it imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding weighs: an ERROR stops publishing and sending, a WARNING is told."""

    ERROR = "error"
    WARNING = "warning"


LONGEST_SHOWN = 200
"""Characters of a line that a finding brings along. A paragraph is often one line of a thousand."""
BEFORE = 60
"""How many of them stand before the column."""
CUT = "…"


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file that the editor opens.

    `path` is relative to the publication where it lies inside it. `line` and
    `column` count from 1, in characters; None means the whole file (or line).
    `width` is how many characters the caret underlines. `text` is the line
    itself, None when it may not be shown (a secret, a person's address); of a
    long one what stands around the column, and `begins` is the column of its
    first character.
    """

    path: str
    line: int | None = None
    column: int | None = None
    width: int = 1
    text: str | None = None
    begins: int = 1

    def __post_init__(self) -> None:
        text = self.text
        if text is None or len(text) <= LONGEST_SHOWN:
            return
        first = max(0, min((self.column or 1) - 1 - BEFORE, len(text) - LONGEST_SHOWN))
        part = text[first : first + LONGEST_SHOWN]
        if first:
            part = CUT + part[1:]
        if first + LONGEST_SHOWN < len(text):
            part = part[:-1] + CUT
        object.__setattr__(self, "text", part)
        object.__setattr__(self, "begins", self.begins + first)

    def __str__(self) -> str:
        parts = [self.path, self.line, self.column]
        return ":".join(str(part) for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and the way out.

    `code` is stable ("NL204"), explained offline by `newsletter explain CODE`.
    `what` is one sentence, `label` the few words beside the caret, `help` what
    to do now. No field may hold an address, a token or a secret.
    """

    code: str
    what: str
    where: Where | None = None
    label: str = ""
    help: str = ""
    level: Level = Level.ERROR


class NewsletterError(Exception):
    """The program could not do what was asked; `exit_code` as in the command line's contract."""

    exit_code = 2


class Findings(NewsletterError):
    """Everything wrong with the input, at once; nothing was published and nothing sent.

    `state` is the closing sentence: what state the world is in now
    ("Nothing was published: public/ is still the build of ...").
    """

    exit_code = 1

    def __init__(self, findings: Iterable[Finding], state: str = "") -> None:
        self.findings = tuple(findings)
        self.state = state
        super().__init__(f"{len(self.findings)} findings")


class CouldNotRun(NewsletterError):
    """Usage, configuration, key or port. Carries a Finding for the same shape.

    `state` as in Findings; "" when nothing was done.
    """

    exit_code = 2

    def __init__(self, finding: Finding, *more: Finding, state: str = "") -> None:
        self.findings = (finding, *more)
        self.state = state
        super().__init__(finding.what)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The closest known word as a help sentence, or "" when nothing is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(f'`{match}`' for match in close)}?" if close else ""
