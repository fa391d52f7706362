"""Reading newsletter.toml: every mistake at once, each with its line and column."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from newsletter import toml
from newsletter.config.kinds import asked_for, kind
from newsletter.config.tables import Approver, Processor, Settings, Table
from newsletter.config.values import FILE_NAME
from newsletter.errors import CouldNotRun, Finding, Where, did_you_mean
from newsletter.files import read_file


def load(root: Path) -> Settings:
    """Read `root`/newsletter.toml.

    Raises:
        CouldNotRun: the file is missing, is no TOML, or does not say what it must;
            every finding at once, each with its line and column.
    """
    root = root.resolve()
    file = root / FILE_NAME
    try:
        source = read_file(file).decode("utf-8-sig")
    except FileNotFoundError:
        raise CouldNotRun(
            Finding(
                "NL101",
                f"there is no {FILE_NAME} here",
                Where(str(file)),
                help="run `newsletter init my-letter` to make a publication, or name one with --root",
            )
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CouldNotRun(
            Finding(
                "NL102",
                f"{FILE_NAME} cannot be read: {_said(error)}",
                Where(FILE_NAME),
                help="it must be a readable UTF-8 file",
            )
        ) from error
    try:
        tables = toml.loads(source)
    except tomllib.TOMLDecodeError as error:
        line, column = _position_in_message(str(error), source)
        text = source.splitlines()[line - 1] if 0 < line <= len(source.splitlines()) else ""
        what, way_out = _grammar(str(error).split(" (at")[0])
        raise CouldNotRun(
            Finding("NL103", what, Where(FILE_NAME, line, column, 1, _shown(text)), help=way_out)
        ) from error
    try:
        return Settings.model_validate({"root": root, **tables}, context={"root": root})
    except ValidationError as error:
        raise CouldNotRun(*(_finding(item, source) for item in error.errors())) from None


def _said(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else str(error)


def _position_in_message(message: str, source: str) -> tuple[int, int]:
    found = re.search(r"line (\d+), column (\d+)", message)
    return (int(found[1]), int(found[2])) if found else (max(1, source.count("\n")), 1)


def _grammar(said: str) -> tuple[str, str]:
    """What is wrong and the way out, from tomllib's own words."""
    table = re.match(r"Cannot declare \((.*?),?\) twice", said)
    if table:
        name = ".".join(part.strip().strip("'\"") for part in table[1].split(","))
        return (
            f"the table [{name}] stands there twice",
            "put all its keys under the first, and remove the second",
        )
    if said == "Cannot overwrite a value":
        return "a key stands there twice", "remove one of the two lines"
    return f"{FILE_NAME} is not TOML: {said}", 'strings need quotes: title = "My letter"'


_SECRET = re.compile(r"[^=#]*(pas+|pwd|secret|api.?key|token)[^=]*=|.*://[^/@\s]*:[^/@\s]*@", re.I)
"""A line that may hold a secret, though none should: under a misspelt key, or in the database's address."""


def _shown(line: str) -> str | None:
    return None if _SECRET.match(line) else line


def known_keys(path: tuple[str, ...]) -> list[str]:
    """Keys that may stand at `path` ("delivery", "smtp"), for suggestions and the reference page."""
    return [name for name in _table(path).model_fields if name != "root"]


def _table(path: tuple[str, ...]) -> type[Table]:
    """The table at `path`; Settings where there is none."""
    model: Any = Settings
    for name in path:
        field = (
            model.model_fields.get(name)
            if isinstance(model, type) and issubclass(model, Table)
            else None
        )
        if field is None:
            model = {"approvers": Approver, "processors": Processor}.get(path[0], Settings)
            continue
        model = field.annotation
    if not (isinstance(model, type) and issubclass(model, Table)):
        model = {"approvers": Approver, "processors": Processor}.get(
            path[0] if path else "", Settings
        )
    found: type[Table] = model
    return found


def _finding(item: Any, source: str) -> Finding:
    path = tuple(str(part) for part in item["loc"])
    where = _where(path, source, of_value=item["type"] not in ("extra_forbidden", "missing"))
    dotted = ".".join(path)
    match item["type"]:
        case "extra_forbidden":
            known = known_keys(path[:-1])
            help_text = did_you_mean(path[-1], known) or f"known here: {', '.join(known)}"
            return Finding("NL104", f"unknown key `{dotted}`", where, "not a setting", help_text)
        case "missing":
            if not path[:-1]:
                whole = Where(FILE_NAME)
                return Finding("NL105", f"[{dotted}] is missing", whole, "", f"add [{dotted}]")
            under = ".".join(path[:-1])
            help_text = f"add `{path[-1]} = ...` under [{under}]"
            return Finding("NL105", f"`{dotted}` is missing", where, "", help_text)
        case _:
            way_out = "docs/settings.md says what may stand under each key"
            label = "this value" if where.text and "=" in where.text else ""
            if item["type"] == "value_error":
                message = str(item["msg"]).removeprefix("Value error, ")
            else:
                message, way_out = _refused(path, item, way_out)
            return Finding("NL107", f"`{dotted}`: {message}", where, label, way_out)


def _refused(path: tuple[str, ...], item: Any, way_out: str) -> tuple[str, str]:
    """What has to stand there, and what was perhaps meant."""
    keys = tuple(part for part in path if not part.isdigit())
    model = _table(keys[:-1])
    if keys[-1] not in model.model_fields:
        return "write a table", way_out
    if item["type"] == "literal_error":
        meant = did_you_mean(str(item["input"]), re.findall(r"'([^']+)'", item["ctx"]["expected"]))
        way_out = meant or way_out
    one = len(keys) < len(path)
    words = kind(model, keys[-1])
    return f"write {asked_for(words.removeprefix('list of ')[:-1] if one else words)}", way_out


def _where(path: tuple[str, ...], source: str, *, of_value: bool) -> Where:
    """A dotted key or its value; without the key, the nearest table above it that exists."""
    lines = source.splitlines()
    table: tuple[str, ...] = ()
    best = Where(FILE_NAME, 1, 1, 1, lines[0] if lines else "")
    for number, line in enumerate(lines, 1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line)
        if header:
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            if path[: len(table)] == table:
                best = Where(FILE_NAME, number, line.index("[") + 1, len(header[0].strip()), line)
            continue
        key = re.match(r"\s*([A-Za-z0-9_\-\"'.]+)\s*=", line)
        if (
            key
            and (*table, *(part.strip("\"'") for part in key[1].split(".")))
            == path[: len(table) + key[1].count(".") + 1]
        ):
            begin, end = _value(line, key.end()) if of_value else key.span(1)
            return Where(FILE_NAME, number, begin + 1, end - begin, _shown(line))
    return best


def _value(line: str, after: int) -> tuple[int, int]:
    """Where the value begins and ends that stands `after` the =: a text in quotes, or up to a #."""
    found = re.compile(r"""\s*("[^"]*"|'[^']*'|[^#]*[^#\s]|)""").match(line, after)
    return found.span(1) if found and found[1] else (after, after + 1)
