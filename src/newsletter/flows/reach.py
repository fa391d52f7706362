"""Whether a page of ours answers where readers will look for it. Asked before the first mail goes out."""

from __future__ import annotations

import urllib3

SECONDS = 10.0
"""A site that does not answer its owner in this time does not answer a reader."""


def readable(url: str) -> bool:
    """GET `url`: 200, as it stands, without being sent elsewhere. False for whatever else happens."""
    try:
        answer = urllib3.request("GET", url, timeout=SECONDS, retries=False, redirect=False)
    except (urllib3.exceptions.HTTPError, ValueError, OSError):
        return False
    return answer.status == 200
