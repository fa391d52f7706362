"""Readers see the old site or the new one; what is the same is not touched."""

from __future__ import annotations

import datetime as dt
import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from site_files import article

from newsletter import site
from newsletter.config import Settings
from newsletter.errors import CouldNotRun, Findings
from newsletter.site import exchange, lock, tree
from newsletter.site.stamps import Stamp


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file's bytes and inode."""
    return {
        file.relative_to(folder).as_posix(): (file.read_bytes(), file.stat().st_ino)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_a_second_build_touches_nothing(letter: Settings, now: dt.datetime, built: Path) -> None:
    before, folder = snapshot(built), built.stat().st_ino

    report = site.build(letter, now, built)

    assert (report.written, report.removed) == (0, 0)
    assert report.unchanged == len(before)
    assert snapshot(built) == before
    assert built.stat().st_ino == folder


def test_only_what_differs_is_written(letter: Settings, now: dt.datetime, built: Path) -> None:
    before = snapshot(built)
    file = letter.root / "content/articles/tests.en.md"
    file.write_text(file.read_text("utf-8").replace("B.\n", "Another text.\n"), "utf-8")

    report = site.build(letter, now, built)

    after = snapshot(built)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"articles/tests/index.html", "atom.xml", "rss.xml", "feed.json"}
    assert report.written == 4


def test_a_failing_build_leaves_every_byte(letter: Settings, now: dt.datetime, built: Path) -> None:
    before = snapshot(built)
    (letter.root / "content/articles/bad.en.md").write_text("---\ntitel: x\n---\n")

    with pytest.raises(Findings) as problem:
        site.build(letter, now, built)

    assert snapshot(built) == before
    assert problem.value.state.startswith("Nothing was published: public/ is still the build of 20")
    assert {path.name for path in built.parent.iterdir()} == {"public", "letter"}


def test_a_first_build_that_fails_makes_nothing(
    letter: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    (letter.root / "content/articles/bad.en.md").write_text("---\ntitel: x\n---\n")

    with pytest.raises(Findings) as problem:
        site.build(letter, now, tmp_path / "public")

    assert not (tmp_path / "public").exists()
    assert "does not exist yet" in problem.value.state


def test_a_page_that_is_gone_is_removed_and_a_strangers_file_is_kept(
    letter: Settings, now: dt.datetime, built: Path
) -> None:
    (built / "CNAME").write_text("letter.example.org")
    (built / ".well-known").mkdir()
    (built / ".well-known/proof").write_text("p")
    (letter.root / "content/articles/tests.en.md").unlink()
    cells = letter.root / "content/articles/cells.en.md"
    cells.write_text(
        cells.read_text("utf-8").replace("See [tests](tests.en.md#how) and", "See"), "utf-8"
    )

    report = site.build(letter, now, built)

    assert not (built / "articles/tests").exists()
    assert not (built / "old").exists()
    assert (built / "CNAME").read_text() == "letter.example.org"
    assert (built / ".well-known/proof").read_text() == "p"
    assert report.removed >= 2


def test_a_file_somebody_changed_is_made_right_again(
    letter: Settings, now: dt.datetime, built: Path
) -> None:
    before = snapshot(built)
    page = built / "about/index.html"
    page.unlink()
    page.write_text("defaced")

    site.build(letter, now, built)

    assert page.read_bytes() == before["about/index.html"][0]


def test_a_change_of_equal_length_within_one_clock_tick_is_seen(
    letter: Settings, now: dt.datetime, built: Path
) -> None:
    page = letter.root / "content/pages/about.en.md"
    status = page.stat()
    page.write_text(page.read_text("utf-8").replace("We.", "Me."), "utf-8")
    os.utime(page, ns=(status.st_atime_ns, status.st_mtime_ns))

    site.build(letter, now, built)

    assert "<p>Me.</p>" in (built / "about/index.html").read_text("utf-8")


def test_a_full_disk_leaves_the_old_site(
    letter: Settings, now: dt.datetime, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(built)
    (letter.root / "content/articles/new.en.md").write_text(article("New"), "utf-8")

    def full(next_tree: tree.Next, name: str, data: bytes, made: str) -> Stamp:
        raise OSError(errno.ENOSPC, "No space left on device", name)

    monkeypatch.setattr(tree.Next, "_write", full)
    with pytest.raises(CouldNotRun) as problem:
        site.build(letter, now, built)

    assert problem.value.findings[0].code == "NL304"
    assert snapshot(built) == before
    assert not list(built.parent.glob(".public*"))


KILLED = """
import datetime as dt, os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from newsletter import config, site
from newsletter.site import exchange, memory, tree

room = {"_write": tree.Next, "write": memory}.get(sys.argv[3], exchange)
step, real = sys.argv[3], getattr(room, sys.argv[3])
def die(*values, **names):
    if sys.argv[4] == "after":
        real(*values, **names)
    os._exit(9)
setattr(room, step, die)
site.build(config.load(Path(sys.argv[1])), dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC), Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("step", "when", "new"),
    [
        ("_write", "before", False),
        ("flush", "before", False),
        ("swap", "before", False),
        ("swap", "after", True),
        ("write", "before", True),
    ],
)
def test_a_build_killed_at_any_step_leaves_a_whole_site_and_the_next_tidies_up(
    letter: Settings, now: dt.datetime, built: Path, step: str, when: str, new: bool
) -> None:
    (letter.root / "content/articles/new.en.md").write_text(article("New"), "utf-8")
    before = snapshot(built)

    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(letter.root), str(built), step, when], check=False
    )

    assert ended.returncode == 9
    assert (built / "articles/new/index.html").exists() is new
    if not new:
        assert snapshot(built) == before
    site.build(letter, now, built)
    assert (built / "articles/new/index.html").is_file()
    assert not list(built.parent.glob(".public*"))


def test_where_names_cannot_be_exchanged_two_renames_do_it(
    letter: Settings, now: dt.datetime, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "swap", lambda one, other: False)
    (letter.root / "content/articles/new.en.md").write_text(article("New"), "utf-8")

    site.build(letter, now, built)

    assert (built / "articles/new/index.html").is_file()
    assert not list(built.parent.glob(".public*"))


def test_a_power_cut_between_two_renames_is_mended(
    letter: Settings, now: dt.datetime, built: Path
) -> None:
    before = {name: data for name, (data, _) in snapshot(built).items()}
    built.rename(built.with_name(".public.old"))

    site.build(letter, now, built)

    assert {name: data for name, (data, _) in snapshot(built).items()} == before


@pytest.mark.parametrize("place", [".", "..", "content", "content/articles", "subscribers/x"])
def test_the_site_is_never_built_over_the_publication(
    letter: Settings, now: dt.datetime, place: str
) -> None:
    with pytest.raises(CouldNotRun) as problem:
        site.build(letter, now, letter.root / place)

    assert problem.value.findings[0].code == "NL303"


def test_two_builds_at_once_do_not_mix(letter: Settings, now: dt.datetime, tmp_path: Path) -> None:
    with lock.alone(letter.root / ".cache" / "site"), pytest.raises(CouldNotRun) as problem:
        site.build(letter, now, tmp_path / "public")

    assert problem.value.findings[0].code == "NL305"


def test_a_patient_build_waits_for_the_other_one(
    letter: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    out = tmp_path / "public"
    with ThreadPoolExecutor(1) as pool:
        with lock.alone(letter.root / ".cache" / "site"):
            waiting = pool.submit(site.build, letter, now, out, patience=30)
            assert not out.exists()
        assert waiting.result(timeout=30).pages

    assert (out / "index.html").is_file()


@pytest.mark.parametrize(
    ("template", "code", "line"),
    [
        ("{% if %}\n", "NL301", 1),
        ("a\n{{ page.titel }}\n", "NL301", 2),
        ("a\n{{ page.title() }}\n", "NL301", 2),
        ("a\n{{ ''.__class__.__mro__ }}\n", "NL301", 2),
        ("a\n{% include '../../newsletter.toml' %}\n", "NL302", None),
        ("a\n{% include '/etc/passwd' %}\n", "NL302", None),
        ("{% include 'nothing.html' %}\n", "NL302", None),
        ("a\n{% for i in range(10**12) %}{% endfor %}\n", "NL301", 2),
        ("a\n{{ 10.0 ** 1000 }}\n", "NL301", 2),
        ("a\n{{ [].pop() }}\n", "NL301", 2),
        ("a\n{{ 'x'.encode('nonsense') }}\n", "NL301", 2),
    ],
)
def test_a_template_with_a_fault_is_shown_and_nothing_is_published(
    letter: Settings, now: dt.datetime, built: Path, template: str, code: str, line: int | None
) -> None:
    before = snapshot(built)
    own = letter.root / "templates/site"
    own.mkdir(parents=True)
    (own / "page.html").write_text(template)

    with pytest.raises(Findings) as problem:
        site.build(letter, now, built)

    finding = problem.value.findings[0]
    assert finding.code == code
    assert finding.where is not None
    assert (finding.where.path, finding.where.line) == ("templates/site/page.html", line)
    assert snapshot(built) == before


def test_a_publication_overrides_one_template_and_one_colour(
    letter: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    own = letter.root / "templates/site"
    (own / "parts").mkdir(parents=True)
    (own / "style").mkdir()
    (own / "parts/foot.html").write_text("<footer>Our own foot</footer>\n")
    (own / "style/own.css").write_text(":root { --accent: #123456 }")

    site.build(letter, now, tmp_path / "public")

    html = (tmp_path / "public/about/index.html").read_text("utf-8")
    assert "Our own foot" in html
    assert "Skip to the text" in html
    (style,) = (tmp_path / "public/assets").glob("style.*.css")
    assert style.read_text("utf-8").strip().endswith(":root{--accent: #123456}")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "name",
    [
        "articles/f.en.md",
        "images/f.svg",
        "images/f.jpg",
        "pages/f.en.md",
        "consent/en/9.md",
        "topics.toml",
        "data/f.csv",
    ],
)
def test_a_pipe_among_the_texts_is_not_waited_for(
    letter: Settings, now: dt.datetime, built: Path, name: str
) -> None:
    place = letter.root / "content" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    os.mkfifo(place)

    if name.startswith(("data/", "images/")):
        site.build(letter, now, built)  # nobody names it
        return
    with pytest.raises(Findings) as problem:
        site.build(letter, now, built)
    assert problem.value.findings[0].code == "NL200"


@pytest.mark.parametrize(
    ("number", "what", "help_"),
    [
        (errno.ENOSPC, "the disk is full", "make room"),
        (errno.EBUSY, "is a mount point", "mount the folder that it lies in"),
        (errno.EIO, "cannot be written: Input/output error", "and its disk"),
    ],
)
def test_what_the_disk_refuses_is_told_with_the_way_out(
    tmp_path: Path, number: int, what: str, help_: str
) -> None:
    with (
        pytest.raises(CouldNotRun) as problem,
        tree.told(tmp_path / "public", tmp_path / "spare"),
    ):
        raise OSError(number, os.strerror(number))
    [finding] = problem.value.findings
    assert (finding.code, what in finding.what, help_ in finding.help) == ("NL304", True, True)
