"""Draws docs/pictures/copies.svg from docs/copies.csv: who was skipped, who got two.

    python docs/copies.py

One file for light and dark; the text in it is text, and says what the bars say.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
FIGURES = HERE / "copies.csv"
PICTURE = HERE / "pictures" / "copies.svg"
READERS = 2000
WIDTH, ROW, TOP = 760, 34, 78
MIDDLE, HALF = 500, 170
"""Where the bars begin, and how long one of all readers is; pixels."""

STYLE = """
text{font:14px system-ui,sans-serif;fill:#1f2328}
.name{text-anchor:end}.quiet{fill:#57606a}.ours{font-weight:700}
.skipped{fill:#0b5cad}.doubled{fill:#a8480f}
.axis{stroke:#57606a;stroke-width:1}
.paper{fill:#ffffff}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.quiet{fill:#9da7b3}
.skipped{fill:#6cb6ff}.doubled{fill:#f0883e}
.axis{stroke:#9da7b3}.paper{fill:#0d1117}}
"""


@dataclass(frozen=True, slots=True)
class Worst:
    """The worst of all runs of one system. `named`: how many it said itself it cannot be sure of."""

    system: str
    skipped: int
    doubled: int
    named: int | None


def figures() -> list[Worst]:
    with FIGURES.open(encoding="utf-8", newline="") as file:
        return [
            Worst(
                row["system"],
                int(row["skipped"]),
                int(row["doubled"]),
                int(row["named"]) if row["named"] else None,
            )
            for row in csv.DictReader(file)
        ]


def drawn(rows: list[Worst]) -> str:
    height = TOP + ROW * len(rows) + 34
    said = "; ".join(
        f"{row.system}: {row.skipped} skipped, {row.doubled} with two or more" for row in rows
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" role="img" aria-labelledby="t d">',
        '<title id="t">Readers skipped in silence, and readers with two copies or more</title>',
        f'<desc id="d">The worst send of each system, of {READERS:,} readers. {escape(said)}.</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text x="{MIDDLE - 12}" y="30" class="name">skipped, and nobody is told</text>',
        f'<text x="{MIDDLE + 12}" y="30">two copies or more</text>',
        f'<text x="{MIDDLE - 12}" y="52" class="name quiet">readers of {READERS:,},</text>',
        f'<text x="{MIDDLE + 12}" y="52" class="quiet">the worst send of each</text>',
    ]
    for at, row in enumerate(rows):
        parts += _row(row, TOP + at * ROW, ours=at == len(rows) - 1)
    bottom = TOP + ROW * len(rows)
    parts.append(f'<line class="axis" x1="{MIDDLE}" y1="{TOP - 8}" x2="{MIDDLE}" y2="{bottom}"/>')
    if rows[-1].named:
        parts.append(
            f'<text x="12" y="{bottom + 22}" class="quiet">newsletter lists whoever it cannot be'
            f" sure of: at most {rows[-1].named} after twenty kills, at most one copy each.</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _row(row: Worst, top: int, *, ours: bool) -> list[str]:
    left, right = _length(row.skipped), _length(row.doubled)
    weight = ' class="ours"' if ours else ""
    base = top + 17
    return [
        f'<text x="12" y="{base}"{weight}>{escape(row.system)}</text>',
        f'<rect class="skipped" x="{MIDDLE - left}" y="{top}" width="{left}" height="22"/>',
        f'<rect class="doubled" x="{MIDDLE}" y="{top}" width="{right}" height="22"/>',
        f'<text x="{MIDDLE - left - 6}" y="{base}" class="name">{row.skipped:,}</text>',
        f'<text x="{MIDDLE + right + 6}" y="{base}">{row.doubled:,}</text>',
    ]


def _length(readers: int) -> int:
    """At least two pixels for anybody: a bar that cannot be seen would lie."""
    return max(2 * bool(readers), round(readers * HALF / READERS))


if __name__ == "__main__":
    PICTURE.write_text(drawn(figures()), "utf-8")
    sys.exit()
