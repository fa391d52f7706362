"""What may stand under a key of newsletter.toml, in an operator's words: for the reference page and for a refusal.

The types themselves say it, so that a page, a message and a check cannot differ.
"""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic.fields import FieldInfo

from newsletter.config.tables import Table
from newsletter.config.values import Secret

NAMED = {
    "OneLine": "text, one line",
    "HttpUrl": "web address",
    "Mailbox": "e-mail address",
    "LanguageTag": "language tag",
    "DayRule": "day of the month",
    "CalendarDay": "date",
    "TimeOfDay": "time of day",
    "ListId": "list identifier",
    "Bind": "address and port",
    "HostName": "host name or address",
    "ServerName": "host name or address",
    "HeloName": "host name or address",
}
"""Words for the types of values.py, by their names there."""

WRITTEN = {
    "text, one line": "one line of text, 1 to 200 characters",
    "web address": "a web address such as https://letter.example.org",
    "e-mail address": "an e-mail address such as letter@example.org",
    "language tag": "a language tag such as en or pt-BR",
    "list of language tags": 'a list of language tags such as ["en", "de"]',
    "list of texts": 'a list of texts, each in quotes: ["one", "two"]',
    "time of day": 'a time of day from "00:00" to "23:59", with two digits each',
    "list identifier": "letters, digits and hyphens with dots between, such as letter.example.org",
    "address and port": 'an address and a port such as "127.0.0.1:8000"',
    "host name or address": "a host name or an address, without a port and without //",
    "text": "text in quotes",
}
"""How a kind is asked for where its name alone does not show what to write."""


def kind(model: type[Table], name: str) -> str:
    """The value under `name`, with its limits: "whole number, 1 to 64"."""
    field = model.model_fields[name]
    written = str(inspect.get_annotations(model).get(name, ""))
    for alias, words in NAMED.items():
        if alias in written:
            return f"list of {words}s" if "tuple" in written else words
    annotation = field.annotation
    options = [part for part in get_args(annotation) if part is not types.NoneType]
    if get_origin(annotation) is types.UnionType or get_origin(annotation) is typing.Union:
        annotation = options[0]
    if get_origin(annotation) is typing.Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is typing.Literal:
        return " or ".join(f'`"{part}"`' for part in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list of texts"
    if annotation is None:
        return "text"
    names: dict[Any, str] = {
        int: "whole number",
        float: "number",
        bool: "`true` or `false`",
        str: "text",
        Secret: "secret",
        ZoneInfo: "time zone",
    }
    return names.get(annotation, "table") + _limits(field)


def asked_for(words: str) -> str:
    """A kind as what is to be written: "a whole number, 1 to 64"."""
    if words.startswith(("whole number", "number", "date", "table")):
        return f"a {words}"
    return WRITTEN.get(words, words.replace("`", ""))


def _limits(field: FieldInfo) -> str:
    found: dict[str, Any] = {}
    for part in [*field.metadata, *_nested(field.annotation)]:
        for limit in ("ge", "gt", "le", "lt"):
            if getattr(part, limit, None) is not None:
                found[limit] = getattr(part, limit)
    if "ge" in found and "le" in found:
        return f", {found['ge']} to {found['le']}"
    if "ge" in found:
        return f", at least {found['ge']}"
    return ", more than 0" if "gt" in found else ""


def _nested(annotation: Any) -> list[Any]:
    parts: list[Any] = []
    for part in get_args(annotation):
        for extra in get_args(part)[1:] if get_origin(part) is typing.Annotated else []:
            parts += extra.metadata if isinstance(extra, FieldInfo) else [extra]
    return parts
