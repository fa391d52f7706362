"""What a build remembers never shows: its site is the one made anew, byte for byte."""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from site_files import DRAWING, article

from newsletter import config, site
from newsletter.config import Settings
from newsletter.content import remember
from newsletter.content.shelf import Shelf
from newsletter.errors import Findings


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def same_as_anew(settings: Settings, now: dt.datetime, out: Path, scratch: Path) -> None:
    site.build(settings, now, scratch, cache=False)
    assert content_of(out) == content_of(scratch)
    shutil.rmtree(scratch)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


EDITS = {
    "a title": lambda root: edit(root / "content/articles/tests.en.md", "title: Tests", "title: Exams"),
    "an address": lambda root: edit(root / "content/articles/tests.en.md", "topics:", "slug: exams\ntopics:"),
    "a translation appears": lambda root: _write(root / "content/articles/cells.de.md", article("Zellen", "topics: [cells]")),
    "an article goes": lambda root: (root / "content/articles/cells.ru.md").unlink(),
    "a topic's name": lambda root: edit(root / "content/topics.toml", '"Cells"', '"Small cells"'),
    "a drawing": lambda root: _write(root / "content/images/cells.svg", DRAWING.replace("M0 0h9", "M1 1h9")),
    "a page enters the menu": lambda root: edit(root / "content/pages/about.en.md", "menu: footer", "menu: top"),
    "a consent wording": lambda root: _write(root / "content/consent/en/3.md", "I agree anew."),
    "the title of it all": lambda root: edit(root / "newsletter.toml", "Test letter", "Another letter"),
    "a template": lambda root: _write(root / "templates/site/parts/foot.html", "<footer>Ours</footer>"),
    "a template deep inside": lambda root: _write(root / "templates/site/parts/headings.html", "<ol><li>none</li></ol>"),
    "a colour": lambda root: _write(root / "templates/site/style/own.css", "p { color: red }"),
    "an article is withdrawn": lambda root: edit(root / "content/articles/cells.en.md", "review:", "withdrawn: Wrong.\nreview:"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_after_any_edit_the_site_is_the_one_made_anew(
    name: str, letter: Settings, now: dt.datetime, built: Path, tmp_path: Path
) -> None:
    EDITS[name](letter.root)
    settings = config.load(letter.root)

    report = site.build(settings, now, built)

    assert report.written > 0
    same_as_anew(settings, now, built, tmp_path / "anew")


def test_after_many_edits_and_steps_of_time_it_still_is(
    letter: Settings, now: dt.datetime, built: Path, tmp_path: Path
) -> None:
    dice = random.Random(20261121)
    names = sorted(EDITS)
    dice.shuffle(names)
    for step, name in enumerate(names):
        try:
            EDITS[name](letter.root)
        except (AssertionError, FileNotFoundError):
            continue
        site.build(config.load(letter.root), now + dt.timedelta(days=3 * step), built)
    same_as_anew(
        config.load(letter.root), now + dt.timedelta(days=3 * step), built, tmp_path / "anew"
    )


def test_a_moment_that_passes_is_an_edit(
    letter: Settings, now: dt.datetime, built: Path, tmp_path: Path
) -> None:
    later = now + dt.timedelta(days=20)

    assert site.build(letter, later, built).written > 0
    same_as_anew(letter, later, built, tmp_path / "anew")
    assert site.build(letter, now, built).written > 0
    same_as_anew(letter, now, built, tmp_path / "anew")


def test_drafts_and_no_drafts_do_not_mix(
    letter: Settings, now: dt.datetime, built: Path, tmp_path: Path
) -> None:
    site.build(letter, now, built, drafts=True)
    site.build(letter, now, built)

    same_as_anew(letter, now, built, tmp_path / "anew")


def test_one_edit_makes_few_pages(letter: Settings, now: dt.datetime, built: Path) -> None:
    edit(letter.root / "content/pages/about.ru.md", "Мы.", "Мы есть.")

    assert site.build(letter, now, built).written == 1


def test_what_is_told_is_told_again_when_nothing_changed(
    letter: Settings, now: dt.datetime, built: Path
) -> None:
    edit(letter.root / "content/pages/about.en.md", "We.", "We <blink>are</blink>.")
    first = site.build(letter, now, built)

    second = site.build(letter, now, built)

    assert [finding.code for finding in first.warnings] == ["NL226"]
    assert second.warnings == first.warnings
    assert (second.written, second.pages, second.left_out) == (0, first.pages, first.left_out)


def test_processes_make_what_one_makes(letter: Settings, now: dt.datetime, tmp_path: Path) -> None:
    for number in range(80):
        body = "## One\n\n[^a] <b>x</b>\n\n[^a]: A note.\n" if number % 2 else "::: note\nB\n:::\n"
        _write(letter.root / f"content/articles/n{number}.en.md", article(f"N {number}", body=body))

    site.build(letter, now, tmp_path / "one", cache=False)
    site.build(letter, now, tmp_path / "two", jobs=2)

    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")


WORKERS = """
import datetime as dt, os, sys
from pathlib import Path
from newsletter import config, site
from newsletter.errors import Findings
from newsletter.site import making

making.ENOUGH, begin, place = 1, making._begin, Path(sys.argv[3])
def marked(*values):
    (place / f"worker-{os.getpid()}").touch()
    begin(*values)
making._begin = marked
try:
    site.build(config.load(Path(sys.argv[1])), dt.datetime.fromisoformat(sys.argv[2]), place / "public", jobs=2)
except Findings as problem:
    print(*(f"{each.code} {each.where}" for each in problem.findings))
"""


def in_processes(settings: Settings, now: dt.datetime, place: Path) -> str:
    """Build into `place`/public with every page made by workers; what it says."""
    given = [str(settings.root), now.isoformat(), str(place)]
    done = subprocess.run(
        [sys.executable, "-c", WORKERS, *given], check=True, capture_output=True, text=True
    )
    assert list(place.glob("worker-*"))
    return done.stdout


def test_pages_made_by_workers_are_the_same(
    letter: Settings, now: dt.datetime, built: Path, tmp_path: Path
) -> None:
    (tmp_path / "two").mkdir()

    assert in_processes(letter, now, tmp_path / "two") == ""
    assert content_of(tmp_path / "two/public") == content_of(built)


def test_a_template_that_fails_in_a_worker_is_shown_as_it_would_be_without(
    letter: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    _write(letter.root / "templates/site/page.html", "a\n{{ page.titel }}\n")

    assert in_processes(letter, now, tmp_path) == "NL301 templates/site/page.html:2:1\n"
    assert not (tmp_path / "public").exists()


@pytest.mark.parametrize("harm", ["gone", "cut", "flipped", "nonsense", "index"])
def test_a_damaged_memory_harms_nothing(
    harm: str, letter: Settings, now: dt.datetime, built: Path, tmp_path: Path
) -> None:
    memory = letter.root / ".cache/site"
    pack, index = memory / "shelf/texts.pack", memory / "shelf/texts.index"
    match harm:
        case "gone":
            shutil.rmtree(memory)
        case "cut":
            os.truncate(pack, pack.stat().st_size // 2)
        case "flipped":
            pack.write_bytes(bytes(255 - byte for byte in pack.read_bytes()))
        case "nonsense":
            for file in memory.glob("*.json"):
                file.write_text("{}")
        case _:
            index.write_text("[1, 2")
    edit(letter.root / "content/articles/tests.en.md", "B.", "Another.")

    site.build(letter, now, built)

    same_as_anew(letter, now, built, tmp_path / "anew")


def test_verify_is_content_with_a_right_site(
    letter: Settings, now: dt.datetime, built: Path
) -> None:
    edit(letter.root / "content/articles/tests.en.md", "B.", "Another.")

    assert site.build(letter, now, built, verify=True).written > 0


def test_verify_finds_a_page_that_is_not_what_would_be_made(
    letter: Settings, now: dt.datetime, built: Path
) -> None:
    page = built / "about/index.html"
    status = page.stat()
    page.write_bytes(page.read_bytes().replace(b"We.", b"Me."))
    os.utime(page, ns=(status.st_atime_ns, status.st_mtime_ns))

    with pytest.raises(Findings) as problem:
        site.build(letter, now, built, verify=True)

    assert [
        (finding.code, finding.where and finding.where.path) for finding in problem.value.findings
    ] == [("NL306", "about/index.html")]


def test_a_shelf_that_somebody_tampered_with_runs_nothing(
    tmp_path: Path, letter: Settings, now: dt.datetime
) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "done"),)

    with pytest.raises(pickle.UnpicklingError):
        remember.unpacked(pickle.dumps((Evil(), 0, (), ())), b"", str)
    assert not (tmp_path / "done").exists()


def test_a_shelf_forgets_what_nobody_asks_for(tmp_path: Path) -> None:
    for round_ in range(5):
        shelf = Shelf(tmp_path)
        for number in range(10):
            key = f"{round_}-{number}"
            assert shelf.get(key) is None
            shelf.put(key, key.encode() * 100)
        shelf.save()
        shelf.close()

    assert (tmp_path / "texts.pack").stat().st_size <= 2 * 10 * 300
    again = Shelf(tmp_path)
    assert again.get("4-9") == b"4-9" * 100
    again.close()


def test_what_was_not_saved_was_never_there(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.put("a", b"A")
    shelf.save()
    shelf.put("b", b"B")
    shelf.close()

    again = Shelf(tmp_path)

    assert (again.get("a"), again.get("b")) == (b"A", None)
    again.put("c", b"C")
    again.save()
    assert (again.get("a"), again.get("c")) == (b"A", b"C")
    again.close()
