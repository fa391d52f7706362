"""What readers were already told: the news keys of every frozen issue.

The manifests are the memory; there is no other, so nothing can be forgotten
by losing a cache.
"""

from __future__ import annotations

import tomllib

from newsletter import toml
from newsletter.config import Settings
from newsletter.files import read_file


def sent(settings: Settings, *, but: str = "") -> frozenset[str]:
    """Keys of all news in frozen issues, except the issue of period `but`.

    A manifest that cannot be read is passed over: verifying manifests is the
    issue's business (issue/freeze.py), and it says so there.
    """
    found: set[str] = set()
    for manifest in settings.path("content/issues").glob("*/edition.toml"):
        if manifest.parent.name == but:
            continue
        try:
            tables = toml.loads(read_file(manifest).decode("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            continue
        news = tables.get("news", [])
        for entry in news if isinstance(news, list) else []:
            keys = entry.get("keys", []) if isinstance(entry, dict) else []
            found.update(key for key in keys if isinstance(key, str))
    return frozenset(found)
