"""Pagefind, which indexes a folder of pages: whether it is here, and one run of it."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from newsletter.config import Settings
from newsletter.errors import Finding, Findings, Level
from newsletter.site.stamps import digest

FOLDER = "pagefind"
LONGEST = 600
"""Seconds. Ten thousand articles take some twenty."""
OURS = ("pagefind.js", "pagefind-worker.js", "pagefind-entry.json", "wasm.", "pagefind.")
"""What of Pagefind's own files a search needs: not its own look, our page has one."""


def version(settings: Settings) -> str:
    """Pagefind's version; "" when the publication has no search, or Pagefind is not installed."""
    if not settings.publication.search:
        return ""
    try:
        importlib.metadata.version("pagefind_bin")
        return importlib.metadata.version("pagefind")
    except importlib.metadata.PackageNotFoundError:
        return ""


def missing(settings: Settings) -> tuple[Finding, ...]:
    """A word when the publication wants a search that cannot be made here."""
    if not settings.publication.search or version(settings):
        return ()
    return (
        Finding(
            "NL307",
            "the site has no search: Pagefind is not installed",
            help="in the program's checkout: pip install '.[search]'; or take `search` out of [publication]",
            level=Level.WARNING,
        ),
    )


def index(pages: Mapping[str, str], folder: Path) -> dict[str, list[Any]]:
    """Index pages (file -> HTML) into `folder`/pagefind; name -> [size, digest].

    Raises:
        Findings: NL308, Pagefind failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as scratch:
        source, target = Path(scratch) / "site", Path(scratch) / FOLDER
        source.mkdir()
        for name, html in pages.items():
            file = source / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(html, "utf-8")
        _run(source, target)
        entry = target / "pagefind-entry.json"  # its languages come in an order of chance
        entry.write_text(json.dumps(json.loads(entry.read_bytes()), sort_keys=True), "utf-8")
        files = {}
        for file in sorted(path for path in target.rglob("*") if path.is_file()):
            name = file.relative_to(target).as_posix()
            if "/" not in name and not _needed(name):
                file.unlink()
                continue
            data = file.read_bytes()
            files[name] = [len(data), digest(data)]
        with suppress(OSError):
            (folder / "made.json").unlink()
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        target.rename(folder / FOLDER)
    return files


def _needed(name: str) -> bool:
    return name in OURS[:3] or (name.startswith(OURS[3:]) and not name.endswith((".css", ".js")))


def _run(source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "pagefind", "--quiet", "--site", str(source)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, our own folders
            [*command, "--output-path", str(target)],
            cwd=source,
            env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Findings([_failed(type(error).__name__)]) from error
    if done.returncode or not (target / "pagefind.js").is_file():
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Findings([_failed(said[-1] if said else f"it ended with {done.returncode}")])


def _failed(why: str) -> Finding:
    return Finding(
        "NL308",
        f"Pagefind could not index the site: {why[:200]}",
        help="in the program's checkout: pip install --force-reinstall '.[search]'; or take `search` out of [publication] and build",
    )
