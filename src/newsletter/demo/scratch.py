"""A publication's scratch copy, its calendar moved so that its newest issue is this month's.

The texts carry fixed dates; a demo two years from now must still show a fresh
letter. Every date in a front matter or feed moves by the same number of days,
issue folders take the months they then fall in, and translations are bound to
the moved originals again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import shutil
from dataclasses import dataclass
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from newsletter import config
from newsletter.starter.init import scaffold

ISO_DATE = re.compile(r"\b(20\d\d-[01]\d-[0-3]\d)(?=[T\s,}\]\"'<]|$)", re.MULTILINE)
RFC_DATE = re.compile(r"(?<=<pubDate>)[^<]+(?=</pubDate>)")
PERIOD = re.compile(r"^20\d\d-[01]\d$")


LASTS = dt.timedelta(hours=1)
"""A demo takes half a minute; on a terminal somebody looks around afterwards."""
ELSEWHERE = ("Etc/GMT+6", "Etc/GMT-6")
"""Where it is another hour, when the month ends here."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where the demo lives: the copy, the key beside it, and this month's and last month's period."""

    root: Path
    key_file: Path
    period: str
    earlier: str | None


def steady(source: Path, now: dt.datetime) -> ZoneInfo:
    """The zone that the demo's month is counted in: the publication's, unless it ends there in a moment.

    An issue is sent within its month or not at all, the demo's own too.
    """
    here = (source / config.FILE_NAME).is_file()
    own = config.load(source).publication.time_zone if here else ZoneInfo("UTC")
    zones = (own, *map(ZoneInfo, ELSEWHERE))
    return next(
        zone for zone in zones if now.astimezone(zone).month == (now + LASTS).astimezone(zone).month
    )


def make(
    source: Path,
    folder: Path,
    today: dt.date,
    site: str,
    smtp_port: int,
    zone: ZoneInfo | None = None,
) -> Scratch:
    """Copy the publication in `source` (or scaffold the starter, if there is none) into `folder`.

    `site` is the loopback URL of site and forms, `smtp_port` the local inbox,
    `zone` where `today` is today; None leaves the publication's own.
    """
    root = folder / "letter"
    if (source / config.FILE_NAME).is_file():
        root.mkdir(parents=True)
        for name in ("content", "templates"):
            if (source / name).is_dir():
                shutil.copytree(source / name, root / name, symlinks=True, ignore=_finished_issues)
        shutil.copy(source / config.FILE_NAME, root / config.FILE_NAME)
    else:
        # Dated the 1st, the day on which the demo's issue is due.
        scaffold(root, title=None, today=today.replace(day=1))
    (root / "subscribers").mkdir(mode=0o700, exist_ok=True)
    (root / config.FILE_NAME).write_text(
        _local_settings((root / config.FILE_NAME).read_text("utf-8"), site, smtp_port, zone),
        "utf-8",
    )
    period, earlier = _move_to_today(root / "content", today)
    return Scratch(root, folder / "newsletter.key", period, earlier)


def _finished_issues(folder: str, names: list[str]) -> set[str]:
    """Leave frozen editions and public records behind: the demo writes its own."""
    if Path(folder).name == "record":
        return set(names)
    if PERIOD.match(Path(folder).name):
        return {name for name in names if not name.startswith("letter.")}
    return set()


def _local_settings(toml: str, site: str, smtp_port: int, zone: ZoneInfo | None) -> str:
    """The publication's settings with every door on loopback and the month begun."""
    wanted = {
        "publication": {
            "url": f'"{site}"',
            **({"time_zone": f'"{zone.key}"'} if zone else {}),
        },
        "web": {"bind": f'"{site.removeprefix("http://")}"'},
        # Due since the 1st and never sent by itself: the story sends it, at its own moment.
        "month": {"day": "1", "time": '"00:00"', "catch_up_days": "0"},
        # What a demo sent is no business of this host's memory.
        "store": {"mirror": '"../mirror"'},
        "delivery": {"transport": '"smtp"'},
        "delivery.smtp": {
            "host": '"127.0.0.1"', "port": str(smtp_port), "security": '"none"',
        },
    }  # fmt: skip
    replaced = {"store", "delivery.smtp", "web"}
    lines: list[str] = []
    table = ""
    for line in toml.splitlines():
        header = re.match(r"\s*\[([^\[\]]+)\]", line)
        if header:
            table = header[1].strip()
            lines.append(line)
            lines += [f"{key} = {value}" for key, value in wanted.pop(table, {}).items()]
            continue
        key = line.split("=")[0].strip()
        ours = {
            "publication": {"url", *(["time_zone"] if zone else [])},
            "month": {"day", "time", "catch_up_days"},
            "delivery": {"transport"},
        }
        if (table in replaced and "=" in line) or key in ours.get(table, set()):
            continue
        lines.append(line)
    for name, keys in wanted.items():
        lines += ["", f"[{name}]", *(f"{key} = {value}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def _move_to_today(content: Path, today: dt.date) -> tuple[str, str | None]:
    issues = content / "issues"
    periods = sorted(path.name for path in issues.iterdir() if PERIOD.match(path.name))
    newest = dt.date.fromisoformat(f"{periods[-1]}-01")
    this_month = today.replace(day=1)
    days = this_month - newest
    digests: dict[str, str] = {}
    for file in sorted(content.rglob("*")):
        if file.suffix not in {".md", ".xml", ".json"} or not file.is_file() or file.is_symlink():
            continue
        before = file.read_bytes()
        after = _moved(before.decode("utf-8", "surrogateescape"), days, file.suffix)
        data = after.encode("utf-8", "surrogateescape")
        file.write_bytes(data)
        digests[hashlib.sha256(before).hexdigest()] = hashlib.sha256(data).hexdigest()
    for file in content.rglob("*.md"):
        text = file.read_text("utf-8")
        bound = re.search(r"^translation_of:\s*\S*?([0-9a-f]{64})", text, re.MULTILINE)
        if bound and bound[1] in digests:
            file.write_text(text.replace(bound[1], digests[bound[1]]), "utf-8")
    names = [_months_before(this_month, back) for back in range(len(periods))]
    for period in periods:  # aside first: a new name may be another issue's old one
        (issues / period).rename(issues / f"{period}.moving")
    for period, name in zip(reversed(periods), names, strict=True):
        (issues / f"{period}.moving").rename(issues / name)
    return names[0], names[1] if len(names) > 1 else None


def _moved(text: str, days: dt.timedelta, suffix: str) -> str:
    def iso(found: re.Match[str]) -> str:
        try:
            return (dt.date.fromisoformat(found[1]) + days).isoformat()
        except ValueError:  # a feed that is broken on purpose stays broken
            return found[1]

    def rfc(found: re.Match[str]) -> str:
        try:
            return format_datetime(parsedate_to_datetime(found[0].strip()) + days)
        except ValueError:
            return found[0]

    if suffix == ".md":
        head, fence, body = text.partition("\n---")
        return ISO_DATE.sub(iso, head) + fence + body
    return RFC_DATE.sub(rfc, ISO_DATE.sub(iso, text))


def _months_before(month: dt.date, back: int) -> str:
    year, index = divmod(month.year * 12 + month.month - 1 - back, 12)
    return f"{year}-{index + 1:02}"
