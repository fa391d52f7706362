"""Where the files that ship with the program lie: default templates, the starter, catalogues.

In a wheel they are inside the package; in a checkout `templates/` is at the
top of the project, where a designer looks for it.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def templates(room: str, publication: Path | None = None) -> list[Path]:
    """Folders to look for templates of `room` ("site", "mail", "web"), the publication's own first.

    A publication overrides one template by putting a file of the same name
    into its own `templates/ROOM/`.
    """
    packaged = PACKAGE / "templates"
    default = packaged if packaged.is_dir() else PACKAGE.parent.parent / "templates"
    own = [publication / "templates" / room] if publication else []
    return [folder for folder in [*own, default / room] if folder.is_dir()]
