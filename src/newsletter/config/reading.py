"""Reading newsletter.toml: every mistake at once, each with its line and column."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from newsletter import toml
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
        raise CouldNotRun(
            Finding(
                "NL103",
                f"{FILE_NAME} is not TOML: {str(error).split(' (at')[0]}",
                Where(FILE_NAME, line, column, 1, text),
                help='strings need quotes: title = "My letter"',
            )
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


def known_keys(path: tuple[str, ...]) -> list[str]:
    """Keys that may stand at `path` ("delivery", "smtp"), for suggestions and the reference page."""
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
    return [name for name in model.model_fields if name != "root"]


def _finding(item: Any, source: str) -> Finding:
    path = tuple(str(part) for part in item["loc"])
    where = _where(path, source)
    dotted = ".".join(path)
    match item["type"]:
        case "extra_forbidden":
            known = known_keys(path[:-1])
            help_text = did_you_mean(path[-1], known) or f"known here: {', '.join(known)}"
            return Finding("NL104", f"unknown key `{dotted}`", where, "not a setting", help_text)
        case "missing":
            return Finding(
                "NL105",
                f"`{dotted}` is missing",
                where,
                "",
                f"add `{path[-1]} = ...`"
                + (f" under [{'.'.join(path[:-1])}]" if path[:-1] else ""),
            )
        case _:
            message = str(item["msg"]).removeprefix("Value error, ")
            return Finding(
                "NL107",
                f"`{dotted}`: {message}",
                where,
                "this value",
                "see `newsletter explain NL107`",
            )


def _where(path: tuple[str, ...], source: str) -> Where:
    """The line of a dotted key: its own, or that of the nearest table above it that exists."""
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
            column = line.index(key[1]) + 1
            return Where(FILE_NAME, number, column, len(key[1]), line)
    return best
