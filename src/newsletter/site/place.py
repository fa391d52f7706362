"""Where a site may be built: anywhere but over the publication itself."""

from __future__ import annotations

from pathlib import Path

from newsletter.errors import CouldNotRun, Finding, Where


def check(out: Path, root: Path) -> None:
    """Refuse to publish over the publication itself.

    Raises:
        CouldNotRun: `out` is the publication, holds it, or is a file.
    """
    out, root = out.resolve(), root.resolve()
    if (
        root.is_relative_to(out)
        or (out / "newsletter.toml").exists()
        or any(
            out.is_relative_to(root / own)
            for own in ("content", "templates", "subscribers", "src", ".git")
        )
    ):
        raise CouldNotRun(
            Finding(
                "NL303",
                "the site may not be built over the publication itself",
                Where(str(out)),
                help="choose a folder of its own, such as public/",
            )
        )
    if out.exists() and not out.is_dir():
        raise CouldNotRun(
            Finding(
                "NL303",
                f"{out} is not a folder",
                Where(str(out)),
                help="choose a folder such as public/",
            )
        )
