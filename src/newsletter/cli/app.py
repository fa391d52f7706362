"""The root of the command line: the table of commands, the options that hold everywhere, the way out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_group, get_install_completion_arguments

from newsletter import __version__
from newsletter.cli import signals
from newsletter.cli.desk import Desk, coloured, examples, find_root, talk
from newsletter.cli.lazy import CONTEXT, LazyGroup, Row
from newsletter.cli.report import render
from newsletter.cli.trouble import Trouble, from_exception

TABLE = (
    Row("init", "newsletter.cli.start", "make a publication, complete and neutral", "Start"),
    Row("new", "newsletter.cli.new", "begin an article, or an issue's letter", "Start"),
    Row("demo", "newsletter.cli.demo", "live through a month in a scratch copy", "Start"),
    Row("inbox", "newsletter.cli.start", "take mail on this machine and show it", "Start"),
    Row("check", "newsletter.cli.words", "everything that is wrong with the texts", "Write"),
    Row("explain", "newsletter.cli.words", "what a finding's code means and the way out", "Write"),
    Row("build", "newsletter.cli.words", "make the website", "Write"),
    Row("news", "newsletter.cli.news", "what the feeds propose: fetch, list, pick", "Write"),
    Row("issue", "newsletter.cli.issue", "draft, show, test, approve, verify, halt", "Send"),
    Row("send", "newsletter.cli.sending", "send an approved issue, once", "Send"),
    Row("run", "newsletter.cli.serve", "serve site and forms; send when it is due", "Send"),
    Row("schedule", "newsletter.cli.almanac", "when issues are due, and what holds now", "Send"),
    Row("status", "newsletter.cli.account", "where the issues stand, with an exact sum", "Send"),
    Row("deliveries", "newsletter.cli.deliveries", "who was not served: list, resolve", "Send"),
    Row("audit", "newsletter.cli.audit", "one newsletter a month, from the public records", "Send"),
    Row(
        "subscribers",
        "newsletter.cli.people",
        "import, export, add, show, erase, tidy, stats",
        "Readers",
    ),
    Row("feedback", "newsletter.cli.feedback", "bounces, complaints, leaves by mail", "Readers"),
    Row("key", "newsletter.cli.keys", "the key to readers' addresses: new, rotate", "Keep"),
    Row("doctor", "newsletter.cli.keeping", "look at everything a send depends on", "Keep"),
    Row("backup", "newsletter.cli.keeping", "the whole store in one encrypted file", "Keep"),
    Row("restore", "newsletter.cli.keeping", "fill an empty store from a backup", "Keep"),
    Row("completion", "newsletter.cli.shell", "print the completion script of a shell", "Keep"),
)
"""Every command that works, in the order of a month. One line each; no stubs."""

COMPLETING = "_NEWSLETTER_COMPLETE"

GLOBAL_FLAGS = ("--quiet", "-q", "--debug")
GLOBAL_VALUES = ("--root",)


class Root(LazyGroup):
    table = TABLE


app = typer.Typer(
    cls=Root,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
    epilog=examples("newsletter init my-letter", "newsletter explain NL104"),
)


def _version(asked: bool) -> None:
    if asked:
        print(f"newsletter {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root", metavar="DIR", help="the publication's folder; else found from here upwards"
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="say nothing on success (for cron)")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="the version")
    ] = False,
) -> None:
    """Markdown in, a website and one careful e-mail a month out.

    Exit codes: 0 done; 1 findings, nothing published and nothing sent; 2 could
    not run; 3 sent in part or in doubt.
    """
    ctx.obj = Desk(root=root.absolute() if root else find_root(), quiet=quiet, debug=debug)


def run(argv: Sequence[str]) -> int:
    """Run one command line; the exit code. Whatever goes wrong is shown in the one shape."""
    stand_in_for_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(
                errors="replace"
            )  # a terminal without our letters is no reason to fail
    arguments = hoist(argv)
    debug = "--debug" in arguments
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has seen enough (`| head`). Python would complain
        # once more when it closes the stream, so it gets another.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - the outermost loop of a command line
        if isinstance(error, KeyboardInterrupt) or signals.broke_off():
            signals.heed_none()
            talk("\ninterrupted: stopped before the end.")
            return 2
        if debug:
            import traceback

            traceback.print_exc()
        return _show(from_exception(error), arguments)
    return code


def stand_in_for_closed_streams() -> None:
    """Give a program that was started with `>&-` streams that lead nowhere.

    In the order of their numbers: the lowest free descriptor is taken, so that
    no file opened later becomes a 1 or 2 that somebody writes to.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def hoist(argv: Sequence[str]) -> list[str]:
    """The options that hold everywhere, moved to the front: `build --quiet` is `--quiet build`."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in GLOBAL_FLAGS or word.startswith(tuple(f"{name}=" for name in GLOBAL_VALUES)):
            front.append(word)
        elif word in GLOBAL_VALUES:
            front += [word, *([value] if (value := next(words, None)) is not None else [])]
        else:
            rest.append(word)
    return [*front, *rest]


def _invoke(arguments: list[str]) -> int:
    command = get_group(app)
    if COMPLETING in os.environ:
        get_install_completion_arguments()  # makes the shells known; its options are not ours
        command.main(arguments, prog_name="newsletter")
    try:
        with command.make_context("newsletter", arguments) as ctx:
            command.invoke(ctx)
    except typer.Exit as leave:
        return leave.exit_code
    except typer.TyperException as error:
        if type(error).__name__ != "NoArgsIsHelpError":
            raise
        talk(error.message)
        return 2
    return 0


def _show(trouble: Trouble, arguments: list[str]) -> int:
    root = _root_of(arguments)
    text = render(trouble.findings, trouble.state, root=root, colour=coloured(sys.stderr))
    talk(text.rstrip("\n"))
    return trouble.exit_code


def _root_of(arguments: list[str]) -> Path:
    for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if word.startswith("--root="):
            return Path(word.removeprefix("--root="))
        if word == "--root" and following:
            return Path(following)
    return find_root()
