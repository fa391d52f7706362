"""What went wrong, turned into findings and an exit code. Never a traceback without --debug."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from pathlib import Path

import typer

from newsletter.cli.lazy import unknown
from newsletter.errors import CouldNotRun, Finding, Findings, NewsletterError, Where

NOTHING_DONE = "Nothing was done."


@dataclass(frozen=True, slots=True)
class Trouble:
    findings: tuple[Finding, ...]
    exit_code: int
    state: str = NOTHING_DONE


def from_exception(error: Exception) -> Trouble:
    """The one place that knows every kind of exception that reaches the command line."""
    match error:
        case Findings() | CouldNotRun():
            return Trouble(error.findings, error.exit_code, error.state or NOTHING_DONE)
        case NewsletterError():
            return Trouble(
                (Finding("NL129", str(error), help="see `newsletter explain NL129`"),),
                error.exit_code,
            )
        case typer.TyperException():
            return Trouble(_usage(error), 2)
        case OSError():
            return Trouble((_system(error),), 2, "")
        case _ if type(error).__module__.startswith("sqlalchemy."):
            return Trouble((_database(error),), 2, "")
        case _:
            return Trouble((_defect(error),), 2, "")


def _usage(error: typer.TyperException) -> tuple[Finding, ...]:
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx else "newsletter"
    option = getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption" and option:
        options = (
            [name for param in ctx.command.get_params(ctx) for name in param.opts] if ctx else []
        )
        return unknown("option", option, options, ctx).findings
    return (
        Finding(
            "NL122",
            _said(error, path),
            Where("command line", None, len(path) + 2, 1, path),
            "here",
            _example(ctx) or f"see `{path} --help`",
        ),
    )


def _said(error: typer.TyperException, path: str) -> str:
    """The parser's complaint in a sentence of ours; one line."""
    param = getattr(error, "param", None)
    name = (
        (param.opts[0] if param.param_type_name == "option" else param.display_name_raw)
        if param
        else ""
    )
    if type(error).__name__ == "MissingParameter" and name:
        return f"`{path}` needs {name}"
    what = " ".join(error.message.split()).removeprefix("Value error, ").rstrip(".")
    if what.startswith("Input should be"):
        what = _number(getattr(param, "min", None), getattr(param, "max", None))
    return f"{name}: {what}" if name else what[:1].lower() + what[1:]


def _number(least: int | None, most: int | None) -> str:
    """What to write where a number is wanted; the parser speaks of its own types."""
    if least is None:
        return "write a whole number"
    return f"write a whole number, {least} {'or more' if most is None else f'to {most}'}"


def _example(ctx: typer.Context | None) -> str:
    """The first example of the command's own help."""
    epilog = (ctx.command.epilog or "") if ctx else ""
    lines = [line.strip() for line in epilog.splitlines() if line.startswith("  newsletter ")]
    return f"for example: {lines[0]}" if lines else ""


def _system(error: OSError) -> Finding:
    """The disk, the rights, the machine. Names the file, which is ours, and the system's own word."""
    name = Path(str(error.filename)).name if error.filename else ""
    subject = f"{error.filename}: " if name else ""
    hint = {
        errno.ENOSPC: "make room on the disk; `run` goes on by itself, another command is typed again",
        errno.EACCES: "this account may not do that; check the owner and the mode",
        errno.EROFS: "the disk is read-only here; name another folder",
    }.get(
        error.errno or 0,
        "look at that place and the disk below it" if name else "--debug shows where",
    )
    return Finding("NL127", f"{subject}{error.strerror or type(error).__name__}", help=hint)


def _database(error: Exception) -> Finding:
    """The database's own word, without the statement: SQLite names no values; of PostgreSQL, its word for the kind."""
    cause = getattr(error, "orig", None)
    state = getattr(cause, "sqlstate", None)
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(cause).__name__).lower()
    said = f"{kind} ({state})" if state else (str(cause).splitlines() or ["no reason"])[0]
    return Finding(
        "NL145",
        f"the database refused: {said}",
        help="`newsletter doctor` looks at it; what was committed before is still there",
    )


def _defect(error: Exception) -> Finding:
    """A fault of the program. Its message may quote a reader's address and is not shown."""
    return Finding(
        "NL128",
        f"the program itself has a fault here ({type(error).__name__})",
        help="run it again with --debug and report what it prints, after reading it for addresses",
    )
