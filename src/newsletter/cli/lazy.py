"""Groups that load a command's module when that command is asked for, not before.

`newsletter --help` shows every command from the table it is given and imports
none of their modules; a wrong name is answered with the nearest right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from newsletter.errors import CouldNotRun, Finding, Where, did_you_mean

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the command, the module that holds it, its one-line help, its section."""

    name: str
    module: str
    help: str
    section: str


class Group(TyperGroup):
    """A group whose wrong names are findings."""

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise unknown("command", name, self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Commands before options: that is what a newcomer looks for."""
        self.format_commands(ctx, formatter)
        options = [
            record for param in self.get_params(ctx) if (record := param.get_help_record(ctx))
        ]
        with formatter.section("Options"):
            formatter.write_dl(options)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The first sentence of each command's help, whole."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, _first_sentence(each.help)) for name, each in commands if each], col_max=16
            )


class LazyGroup(Group):
    """The root: commands come from `table`."""

    table: Sequence[Row] = ()

    def list_commands(self, ctx: Context) -> list[str]:
        return [row.name for row in self.table]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        row = next((row for row in self.table if row.name == cmd_name), None)
        if row is None:
            return None
        module = import_module(row.module)
        group = get_group(module.app)
        if row.name in group.commands:
            return group.commands[row.name]
        return group

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        for section in dict.fromkeys(row.section for row in self.table):
            with formatter.section(section):
                formatter.write_dl(
                    [(row.name, row.help) for row in self.table if row.section == section],
                    col_max=16,
                )


def _first_sentence(text: str | None) -> str:
    """ "Gather the issue." without its dot, on one line."""
    return " ".join((text or "").split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def unknown(kind: str, name: str, known: Sequence[str], ctx: Context | None) -> CouldNotRun:
    """A word of the command line that nobody knows, with the nearest that is known."""
    path = ctx.command_path if ctx else "newsletter"
    code = "NL120" if kind == "command" else "NL121"
    return CouldNotRun(
        Finding(
            code,
            f"there is no {kind} `{name}`",
            Where("command line", None, len(path) + 2, len(name), f"{path} {name}"),
            "",
            did_you_mean(name, known) or f"see `{path} --help`",
        )
    )


def group(name: str, help_text: str) -> typer.Typer:
    """An empty group of commands in the house's manner: plain help, no prompt, no completion option."""
    return typer.Typer(
        name=name,
        help=help_text,
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=CONTEXT,
    )


CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 96}
