"""Completion for the shell, printed and never installed behind anybody's back."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer
from typer.main import get_install_completion_arguments

from newsletter.cli.desk import examples
from newsletter.cli.lazy import group

app = group("shell", "The shell.")


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command(epilog=examples("newsletter completion bash"))
def completion(
    ctx: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish")],
) -> None:
    """Print the script that lets a shell complete our commands.

    For bash: newsletter completion bash >> ~/.bashrc
    """
    os.environ["_NEWSLETTER_COMPLETE"] = f"source_{shell.value}"
    get_install_completion_arguments()  # makes the shells known; its options are not ours
    try:
        ctx.find_root().command.main([], prog_name="newsletter")
    finally:
        del os.environ["_NEWSLETTER_COMPLETE"]
