"""TOML as `tomllib` reads it, of files that somebody may have written to break it."""

from __future__ import annotations

import tomllib
from typing import Any

MOST = 1024 * 1024
"""Characters. The longest list of feeds we have seen takes a hundredth of it."""


def loads(text: str) -> dict[str, Any]:
    """The tables in `text`.

    Raises:
        tomllib.TOMLDecodeError: it is no TOML, is nested without end, or is longer than anybody writes.
    """
    if len(text) > MOST:
        raise tomllib.TOMLDecodeError(f"it has {len(text):,} characters, and {MOST:,} are the most")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError("it is nested too deeply") from None
