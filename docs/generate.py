"""Writes the reference pages from the program itself: settings.md, commands.md, findings.md.

    python docs/generate.py            write them
    python docs/generate.py --check    exit 1 when one is not what the program says

A test runs the check, so a page cannot fall behind.
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.main import get_group

from newsletter import codes, config
from newsletter.cli.app import app

HERE = Path(__file__).parent
MADE = "<!-- Made by docs/generate.py from the program itself; edit there. -->\n\n"

# --- settings -----------------------------------------------------------------


def settings() -> str:
    """Every table and key of newsletter.toml, from the model that reads it."""
    notes = _attribute_docs()
    out = [
        MADE,
        "# Settings\n\n",
        "`newsletter.toml` stands at the top of a publication. Every key that is not in this\n"
        "list is an error, with a place and a suggestion. Secrets are names of places,\n"
        "`env:NAME` or `file:PATH`, never values. Relative paths are below the publication.\n",
    ]
    for name, field in config.Settings.model_fields.items():
        if name == "root":
            continue
        model, repeated = _table_of(field)
        out += _table(f"{name}.NAME" if repeated else name, model, notes)
    return "".join(out)


def _table(path: str, model: type[config.Table], notes: dict[tuple[str, str], str]) -> list[str]:
    out = [f"\n## [{path}]\n\n"]
    own = model.__dict__.get("__doc__")
    if own:
        out.append(f"{_flow(own)}\n\n")
    rows, tables = [], []
    for name, field in model.model_fields.items():
        if _is_table(field.annotation):
            tables.append((name, field.annotation))
            continue
        note = _flow(notes.get((model.__name__, name), ""))
        rows.append(f"| `{name}` | {config.kind(model, name)} | {_default(field)} | {note} |\n")
    out += ["| key | value | default | |\n", "|---|---|---|---|\n", *rows]
    for name, table in tables:
        out += _table(f"{path}.{name}", table, notes)
    return out


def _table_of(field: FieldInfo) -> tuple[Any, bool]:
    if get_origin(field.annotation) is dict:
        return get_args(field.annotation)[1], True
    return field.annotation, False


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, config.Table)


def _attribute_docs() -> dict[tuple[str, str], str]:
    """The text under each attribute in config/tables.py, by class and name."""
    found = {}
    for node in ast.parse(inspect.getsource(config.tables)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for one, following in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(one, ast.AnnAssign)
                and isinstance(one.target, ast.Name)
                and isinstance(following, ast.Expr)
                and isinstance(following.value, ast.Constant)
            ):
                found[node.name, one.target.id] = str(following.value.value)
    return found


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "**needed**"
    if value is None or value in ({}, ()):
        return "none"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{part}"' for part in value) + "]`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, int | float) else f'`"{value}"`'


def _flow(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# --- commands -----------------------------------------------------------------


def commands() -> str:
    """Every command's own help, in the order of the root's."""
    root = get_group(app)
    out = [
        MADE,
        "# Commands\n\n",
        "Exit codes: 0 done; 1 findings, nothing published and nothing sent; 2 could not run\n"
        "(usage, configuration, key, port); 3 sent in part or in doubt. stdout is data, stderr\n"
        "is talk. `--root`, `--quiet` and `--debug` may stand anywhere on the line.\n\n",
        _help(root, "newsletter", None, "##"),
    ]
    with typer.Context(root, info_name="newsletter") as top:
        for name in root.list_commands(top):
            command = root.get_command(top, name)
            assert command is not None
            out.append(_help(command, name, top, "##"))
            if hasattr(command, "commands"):
                with typer.Context(command, info_name=name, parent=top) as middle:
                    out += [
                        _help(child, child_name, middle, "###")
                        for child_name, child in command.commands.items()
                        if not child.hidden
                    ]
    return "".join(out)


def _help(command: Any, name: str, parent: Any, heading: str) -> str:
    ctx = typer.Context(command, info_name=name, parent=parent, terminal_width=88)
    with ctx:
        return f"{heading} {ctx.command_path}\n\n```\n{command.get_help(ctx).rstrip()}\n```\n\n"


# --- findings -----------------------------------------------------------------


def findings() -> str:
    """Every code's explanation, the same that `newsletter explain` prints."""
    out = [
        MADE,
        "# Findings\n\n",
        "Every finding has a code that never changes its meaning. `newsletter explain CODE`\n"
        "prints the same offline.\n",
    ]
    for entry in codes.entries().values():
        out.append(
            f"\n## {entry.code}: {entry.title}\n\n{entry.why}\n\n**What to do:** {entry.fix}\n"
        )
        if entry.example:
            out.append(f"\n```\n{entry.example}\n```\n")
    return "".join(out)


PAGES = {"settings.md": settings, "commands.md": commands, "findings.md": findings}


def main() -> int:
    behind = []
    for name, make in PAGES.items():
        made, page = make(), HERE / name
        if page.is_file() and page.read_text("utf-8") == made:
            continue
        behind.append(name)
        if "--check" not in sys.argv:
            page.write_text(made, "utf-8")
    if behind:
        print(("behind: " if "--check" in sys.argv else "written: ") + ", ".join(behind))
    return 1 if behind and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
