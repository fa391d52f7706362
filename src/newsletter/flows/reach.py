"""Whether a page of ours answers where readers will look for it. Asked before the first mail goes out."""

from __future__ import annotations

import urllib3

SECONDS = 10.0
"""A site that does not answer its owner in this time does not answer a reader."""
HEAD_OCTETS = 256 * 1024
"""Within them a page of ours names itself, in its link to its canonical address (RFC 6596)."""


def readable(url: str) -> bool:
    """GET `url`: 200, as it stands, a page that names itself by it. False for whatever else happens.

    A host that was never set up, or is another's by now, answers 200 to everything.
    """
    try:
        answer = urllib3.request(
            "GET", url, timeout=SECONDS, retries=False, redirect=False, preload_content=False
        )
        try:
            return answer.status == 200 and url.encode() in answer.read(HEAD_OCTETS)
        finally:
            answer.close()
    except (urllib3.exceptions.HTTPError, ValueError, OSError):
        return False
