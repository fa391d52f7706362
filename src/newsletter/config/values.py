"""What a single value in newsletter.toml may be: types that pydantic checks, and the secret by name."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from newsletter.errors import CouldNotRun, Finding

FILE_NAME = "newsletter.toml"
PLACEHOLDER_HOSTS = re.compile(r"(^|\.)(example\.(org|com|net)|example|invalid|test)$")
"""Hosts of RFC 2606: may be previewed, never sent."""
MOST_PORT = 65535


class Secret:
    """A secret by name: `env:NAME` or `file:PATH`. The value is read when used and never printed."""

    __slots__ = ("_root", "name")

    def __init__(self, name: str, root: Path | None = None) -> None:
        if not re.match(r"^(env|file):.+", name):
            raise ValueError(
                "write `env:NAME` or `file:PATH`; a secret's value never stands in this file"
            )
        self.name = name
        self._root = root or Path()

    def reveal(self) -> str:
        kind, _, rest = self.name.partition(":")
        if kind == "env":
            if rest not in os.environ:
                raise CouldNotRun(
                    Finding(
                        "NL106",
                        f"the environment variable {rest} is not set",
                        help=f"set {rest}, or name another place in {FILE_NAME}",
                    )
                )
            return os.environ[rest]
        try:
            return (self._root / rest).read_text("utf-8").strip()
        except OSError as error:
            raise CouldNotRun(
                Finding(
                    "NL106",
                    f"the secret's file {rest} cannot be read: {error.strerror}",
                    help="check the path and that this account may read it",
                )
            ) from error

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


def _secret(value: object, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError("write `env:NAME` or `file:PATH`")
    return Secret(value, (info.context or {}).get("root"))


def _zone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(str(value))
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("not a time zone; write a name such as Europe/Berlin") from error


_UNSEEN = re.compile("[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of what stands after them, and line ends that look like none."""


def _visible(value: str) -> str:
    found = _UNSEEN.search(value)
    if found:
        raise ValueError(
            f"holds U+{ord(found[0]):04X}, which nobody sees and which turns the text around it"
        )
    return value


def _address(value: str) -> str:
    """An address that every browser and mail program reads alike (RFC 3986, section 2)."""
    odd = re.search(r"[\"'<>\\^`{|}\x00-\x20\x7f-\x9f]", value)
    if odd:
        raise ValueError(f"{odd[0]!r} cannot stand in an address")
    try:
        parts = urlsplit(_visible(value))
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"not an address: {error}") from error
    if not host:
        raise ValueError("not an address: it names no host")
    return value


def _bindable(value: str) -> str:
    if int(value.rpartition(":")[2]) > MOST_PORT:
        raise ValueError(f"a port is at most {MOST_PORT}")
    return value


def different(tags: tuple[str, ...]) -> tuple[str, ...]:
    twice = {tag for tag in tags if sum(each.lower() == tag.lower() for each in tags) > 1}
    if twice:
        raise ValueError(f"`{min(twice)}` stands there twice")
    return tags


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ORDINALS = ("first", "second", "third", "fourth", "last")
"""No fifth: not every month has one."""
LAST_OF_EVERY_MONTH = 28


def _day(value: object) -> int | str:
    """A day rule in the form the calendar reads: 1 to 28, "last", "first tuesday"."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LAST_OF_EVERY_MONTH:
        return value
    words = value.lower().split() if isinstance(value, str) else []
    match words:
        case ["last"]:
            return "last"
        case [ordinal, weekday] if ordinal in ORDINALS and weekday in WEEKDAYS:
            return f"{ordinal} {weekday}"
        case [number] if number.isascii() and number.isdigit():
            return _day(int(number))
    raise ValueError('write 1 to 28, "last", or an ordinal and a weekday such as "first tuesday"')


def _calendar_day(value: object) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.datetime.strptime(str(value), "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError as error:
        raise ValueError("not a day; write 2026-10-01") from error


SecretField = Annotated[Secret, BeforeValidator(_secret)]
DayRule = Annotated[Annotated[int, Field(ge=1, le=28)] | str, BeforeValidator(_day)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
CalendarDay = Annotated[dt.date, BeforeValidator(_calendar_day)]
LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
HttpUrl = Annotated[
    str,
    Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$", max_length=2000),
    AfterValidator(_address),
]
Mailbox = Annotated[
    str, Field(pattern=r"^[^@\s<>\x00-\x1f\x7f]{1,64}@[^@\s<>\x00-\x1f\x7f]{1,255}$")
]
OneLine = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"),
    AfterValidator(_visible),
]
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
ListId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", max_length=255)]
HostName = Annotated[
    str, Field(pattern=r"^(unix:/[^\x00-\x1f]{1,100}|[^\s:/@]{1,255}|\[?[0-9a-fA-F:.]+\]?)$")
]
ServerName = Annotated[str, Field(pattern=r"^[^\s/@]{1,255}$")]
HeloName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.\[\]:-]{1,255}$")]
Bind = Annotated[
    str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$"), AfterValidator(_bindable)
]
