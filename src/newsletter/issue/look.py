"""The mail's colours and type, in one place. Contrast is tested, not hoped for.

Inline styles carry the light look, because some clients drop every <style>;
the dark look is a small set of rules in the layout's head, by class.
"""

from __future__ import annotations

from typing import Final

WIDTH = 600
"""Pixels: what fits the reading pane of every client we know."""
INNER = 536
"""WIDTH without the page's margins of 32 on both sides."""

SANS: Final = "-apple-system,Segoe UI,Roboto,Noto Sans,Arial,sans-serif"
SERIF: Final = "Iowan Old Style,Palatino,Georgia,Noto Serif,serif"

LIGHT: Final = {
    "desk": "#f2efe9",
    "paper": "#fcfbf8",
    "soft": "#e6f2ef",
    "ink": "#1b2529",
    "muted": "#526068",
    "accent": "#0a6a66",
    "on_accent": "#ffffff",
    "rule": "#dde2df",
    "care": "#1c5d99",
    "urgent": "#8f4700",
    "emergency": "#a8201a",
}
DARK: Final = {
    "desk": "#0c1113",
    "paper": "#11181b",
    "soft": "#17302f",
    "ink": "#e6ecea",
    "muted": "#a6b3b5",
    "accent": "#7fcbc2",
    "on_accent": "#0d1b1b",
    "rule": "#2b373b",
    "care": "#8fbcec",
    "urgent": "#f0b36a",
    "emergency": "#ff9a92",
}
READ_ON: Final = (
    *(
        (ink, ground)
        for ground in ("paper", "soft")
        for ink in ("ink", "muted", "accent", "care", "urgent", "emergency")
    ),
    ("on_accent", "accent"),
)
"""Every pair of (text, ground) that the layout puts together."""


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two #rrggbb colours, 1 to 21.

    Source: WCAG 2.2, "relative luminance" and "contrast ratio".
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
