"""What a spam filter thinks of the whole message. Offline."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from collections.abc import Callable

from tests.conftest import program
from tests.issue import kit

from newsletter.config import Settings
from newsletter.delivery import message
from newsletter.delivery.headers import Letterhead
from newsletter.issue.compose import compose

LIMIT = 1.0
"""Points; most filters reject at 5."""
RECEIVED = (
    b"Received: from mail.letter.kupov-clinic.de (mail.letter.kupov-clinic.de [93.184.215.14])\r\n"
    b" by mx01.posteo.de (Postfix) with ESMTPS id 4F1; Tue, 1 Dec 2026 08:00:05 +0000 (UTC)\r\n"
)


def test_a_spam_filter_finds_nothing_in_the_letter(publication: Callable[..., Settings]) -> None:
    toml = kit.TOML.replace("http://127.0.0.1:8000", "https://letter.kupov-clinic.de")
    toml = toml.replace("letter.letter.example.org", "letter.kupov-clinic.de")
    toml = toml.replace("letter.example.org", "letter.kupov-clinic.de")
    files = {
        name: text.replace("agency.example/", "www.ema.europa.eu/")
        for name, text in kit.month().items()
    }
    settings = publication(files, toml)
    box = b""
    for edition in compose(settings, kit.DECEMBER).editions:
        content = message.Content(edition.subject, edition.html, edition.text)
        dated = dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)
        template = message.issue(Letterhead.of(settings), content, "2026-12", dated)
        raw = template.fill("anna@posteo.de", "<abcdef@letter.kupov-clinic.de>", "Ab1" * 10 + "Ab")
        box += (
            b"From letter Tue Dec  1 08:00:05 2026\n"
            + (RECEIVED + raw).replace(b"\r\n", b"\n")
            + b"\n"
        )
    judged = subprocess.run(
        [program("spamassassin"), "--mbox", "-L", "-t", "-x", "-p", "/dev/null"],
        input=box,
        capture_output=True,
        check=True,
    ).stdout.decode("utf-8", "replace")
    points = re.findall(r"Content analysis details:\s+\((-?[\d.]+) points", judged)
    assert len(points) == 3, judged[-2000:]
    assert max(map(float, points)) < LIMIT, judged
