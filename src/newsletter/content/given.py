"""The bytes of a text, when somebody has read them already."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Given:
    """`digest` is the SHA-256 of `data`: today's processors have instructions for it. The file was no link, so it lies where its name says."""

    data: bytes = field(repr=False)
    digest: bytes
