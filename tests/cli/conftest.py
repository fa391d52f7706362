"""Running the command line: in this process for speed, as a process where the process matters."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from newsletter.cli.app import run

PROGRAM = Path(sys.executable).with_name("newsletter")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def newsletter(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ran]:
    """`newsletter("explain", "NL104")` in this process, standing in a scratch folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Ran:
        capsys.readouterr()
        try:
            code = run(words)
        except SystemExit as leave:
            code = int(leave.code or 0)
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return call


@pytest.fixture
def letter(newsletter: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A publication fresh from `newsletter init`, stood in, with a key beside it."""
    assert newsletter("init", "my-letter").code == 0
    folder = tmp_path / "my-letter"
    monkeypatch.chdir(folder)
    assert newsletter("key", "new", "../letter.key").code == 0
    monkeypatch.setenv("NEWSLETTER_KEY_FILE", str(tmp_path / "letter.key"))
    return folder


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`process("build", cwd=folder)`: a process of its own, without a terminal."""

    def call(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *words],
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call
