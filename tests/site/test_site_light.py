"""What a build does not do: it waits for nothing that it does not need."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter import site
from newsletter.config import Settings
from newsletter.site import render
from newsletter.site.compiled import Compiled

AGAIN = """
import datetime as dt, sys
from pathlib import Path
from newsletter import config, site
report = site.build(config.load(Path(sys.argv[1])), dt.datetime.fromisoformat(sys.argv[2]), Path(sys.argv[3]))
assert report.written == 0, report
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_build_with_nothing_to_do_imports_neither_markdown_nor_templates_nor_pictures(
    letter: Settings, now: dt.datetime, built: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(letter.root), now.isoformat(), str(built)],
        check=True,
        capture_output=True,
        text=True,
    )

    there = set(done.stdout.split())
    assert "newsletter" in there
    assert not there & {"markdown", "yaml", "jinja2", "PIL", "babel", "nh3", "multiprocessing"}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where compiled templates are kept, empty."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "pyc"))
    return Path(Compiled(tmp_path, Path(render.__file__))._folder)


def test_a_compiled_template_is_kept_beside_the_programs_own_code_and_gives_the_same_page(
    letter: Settings, now: dt.datetime, built: Path, kept: Path, tmp_path: Path
) -> None:
    site.build(letter, now, tmp_path / "first", cache=False)
    assert {file.name.partition("-")[0] for file in kept.iterdir()} >= {"article", "base", "home"}

    site.build(letter, now, tmp_path / "second", cache=False)

    for file in (path for path in built.rglob("*") if path.is_file()):
        name = file.relative_to(built)
        assert (tmp_path / "first" / name).read_bytes() == file.read_bytes()
        assert (tmp_path / "second" / name).read_bytes() == file.read_bytes()


def test_a_publications_own_template_is_never_kept(
    letter: Settings, now: dt.datetime, kept: Path, tmp_path: Path
) -> None:
    own = letter.root / "templates/site/page.html"
    own.parent.mkdir(parents=True)
    own.write_text("{% extends 'base.html' %}{% block main %}Our own{% endblock %}")

    site.build(letter, now, tmp_path / "public")

    names = {file.name.partition("-")[0] for file in kept.iterdir()}
    assert "article" in names
    assert "page" not in names
    assert "Our own" in (tmp_path / "public/about/index.html").read_text("utf-8")


@pytest.mark.parametrize("harm", [b"", b"nonsense", None])
def test_a_kept_template_that_is_damaged_is_compiled_anew(
    harm: bytes | None, letter: Settings, now: dt.datetime, built: Path, kept: Path, tmp_path: Path
) -> None:
    site.build(letter, now, tmp_path / "first", cache=False)
    for file in kept.iterdir():
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2] if harm is None else harm)

    site.build(letter, now, tmp_path / "second", cache=False)

    page = "articles/cells/index.html"
    assert (tmp_path / "second" / page).read_bytes() == (built / page).read_bytes()
