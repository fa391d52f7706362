"""check in a folder that somebody made to break it: findings, no traceback, and memory with a limit."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("newsletter")
HEAD = "---\ntitle: T\nsummary: S\npublished: 2026-11-01\n---\n"
FINE = {
    "crlf": (HEAD + "One.\n\nTwo.\n").replace("\n", "\r\n").encode(),
    "bom": b"\xef\xbb\xbf" + HEAD.encode(),
    "one-line": (HEAD + "word " * 200_000).encode(),
    "many-lines": (HEAD + "\n" * 900_000).encode(),
}
BROKEN = {
    "nul": (HEAD + "a\0b\n").encode(),
    "latin": HEAD.encode() + b"caf\xe9\n",
    "random": bytes(range(256)) * 3000,
    "empty": b"",
    "no-end": b"---\ntitle: T\n",
    "flow": ("---\na: " + "[" * 20_000 + "\n---\n").encode(),
    "levels": (HEAD + "".join("  " * level + "- x\n" for level in range(600))).encode(),
    "colons": (HEAD + "::: note\n" * 20_000).encode(),
    "pictures": (HEAD + "![](images/no.png) " * 2_000).encode(),
    "notes": (HEAD + "".join(f"[^{n}] " for n in range(2_000))).encode(),
    "rows": (HEAD + "|a|b|\n|-|-|\n" + "|a|b|c|\n" * 20_000).encode(),
    "keys": ("---\n" + "".join(f"k{n}: v\n" for n in range(3000)) + "---\n").encode(),
}


def _hostile(letter: Path) -> set[str]:
    """Names of what must be told."""
    folder = letter / "content/articles"
    for name, data in (FINE | BROKEN).items():
        (folder / f"{name}.en.md").write_bytes(data)
    with (folder / "huge.en.md").open("wb") as file:
        file.truncate(50_000_000)
    (folder / "loop.en.md").symlink_to("loop.en.md")
    (folder / "out.en.md").symlink_to("/dev/zero")
    (folder / "gone.en.md").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.en.md")
    (folder / "folder.en.md").mkdir()
    (folder / "again").symlink_to(".")
    (folder / "line\nend.en.md").write_text("x")
    (folder / os.fsdecode(b"byte\xff.en.md")).write_text("x")
    (letter / "content/images/bomb.svg").write_text(
        '<!DOCTYPE x [<!ENTITY a "a">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>'
    )
    (folder / "bomb.en.md").write_text(f"{HEAD}![A bomb](images/bomb.svg)\n", "utf-8")
    odd = ("huge", "loop", "out", "gone", "pipe", "folder")
    return {f"content/articles/{name}.en.md" for name in (*BROKEN, *odd)} | {
        "content/articles/again",
        "content/images/bomb.svg",
    }


def _little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_hostile_folder_is_told_and_breaks_nothing(
    letter: Path, newsletter: Callable[..., object], form: str
) -> None:
    expected = _hostile(letter)

    ran = subprocess.run(
        [PROGRAM, "check", "--format", form],
        cwd=letter,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        preexec_fn=_little_memory,
        timeout=100,
        check=False,
    )

    said = ran.stdout.decode() + ran.stderr.decode()
    assert ran.returncode == 1
    assert "Traceback" not in said
    assert "NL128" not in said
    assert len(said) < 5_000_000
    if form == "json":
        found = json.loads(ran.stdout)["findings"]
        assert expected <= {each["path"] for each in found}
        assert "content/articles/crlf.en.md" not in {each["path"] for each in found}
    else:
        assert "loop.en.md" in said
