"""What is approved stays as it was, to the byte, on every machine and every day."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.issue import kit

from newsletter.config import Settings
from newsletter.errors import CouldNotRun, Findings, Level
from newsletter.flows.approve import approve
from newsletter.flows.draft import draft, show
from newsletter.flows.withdraw import withdraw
from newsletter.issue import freeze, frozen
from newsletter.issue import manifest as manifest_file
from newsletter.issue.edition import TOKEN_SLOT

Make = Callable[..., Settings]
FOLDER = "content/issues/2026-12"
TWO = kit.TOML + "\n[month]\napprovals = 2\n"


@pytest.fixture
def settings(publication: Make) -> Settings:
    return publication(kit.month(), kit.TOML)


def codes(error: Findings | CouldNotRun) -> list[str]:
    return [finding.code for finding in error.findings if finding.level is Level.ERROR]


def frozen_bytes(settings: Settings) -> dict[str, bytes]:
    root = settings.root / FOLDER
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith("letter.")
    }


def test_the_approval_is_the_hash_of_the_manifest(settings: Settings) -> None:
    approved = approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    issue = freeze.load(settings, "2026-12")
    manifest = (settings.root / FOLDER / "edition.toml").read_bytes()
    assert issue.manifest == approved.manifest == hashlib.sha256(manifest).hexdigest()
    assert (issue.number, issue.approved_by) == (1, ("Editor",))
    assert [edition.language for edition in issue.editions] == ["en", "ru", "de"]
    assert issue.as_of.isoformat() == "2026-12-01T08:00:00+00:00"


def test_the_slot_stands_in_mail_and_text_and_never_in_the_archive(settings: Settings) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    for edition in freeze.load(settings, "2026-12").editions:
        leave = f"{kit.SITE}/leave/{TOKEN_SLOT}"
        assert edition.html.count(f'"{leave}"') == 2
        assert f"] {leave}\n" in edition.text
        assert TOKEN_SLOT not in edition.body
        assert TOKEN_SLOT.rpartition("-")[0] not in edition.html.replace(TOKEN_SLOT, "")


def test_any_changed_byte_voids_the_approval(settings: Settings) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    for name, data in frozen_bytes(settings).items():
        path = settings.root / FOLDER / name
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(Findings) as caught:
            freeze.load(settings, "2026-12")
        assert name in str(caught.value.findings[0].where)
        assert codes(caught.value)[0] == ("NL461" if name == "edition.toml" else "NL462")
        path.unlink()
        with pytest.raises(Findings):
            freeze.load(settings, "2026-12")
        path.write_bytes(data)
    freeze.load(settings, "2026-12")


def test_the_manifest_names_every_frozen_file(settings: Settings) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    files = frozen_bytes(settings)
    manifest = files.pop("edition.toml").decode()
    assert len(files) == 3 * 3 + 1
    for name, data in files.items():
        assert hashlib.sha256(data).hexdigest() in manifest, name


def test_pictures_are_ours_to_serve(settings: Settings) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    ((path, data),) = freeze.pictures(settings).items()
    assert path.startswith("/issues/2026-12/pictures/cells-")
    assert data.startswith(b"\x89PNG")
    issue = freeze.load(settings, "2026-12")
    assert f'src="{kit.SITE}{path}"' in issue.editions[0].html
    assert f'src="{path}"' in issue.editions[0].body


SCRIPT = """
import sys, pathlib, datetime as dt
from newsletter import config
from newsletter.issue.compose import compose
from newsletter.issue.period import Period
draft = compose(config.load(pathlib.Path(sys.argv[1])), Period(2026, 12))
sys.stdout.buffer.write(draft.manifest.contents().encode())
"""


def test_the_same_sources_give_the_same_bytes_elsewhere(settings: Settings) -> None:
    here = draft(settings, kit.DECEMBER, kit.NOW).draft.manifest.contents()
    for zone, locale, seed in (
        ("Pacific/Kiritimati", "tr_TR.UTF-8", "1"),
        ("America/Adak", "C", "7"),
    ):
        environment = {
            **os.environ,
            "TZ": zone,
            "LANG": locale,
            "LC_ALL": locale,
            "PYTHONHASHSEED": seed,
        }
        there = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(settings.root)],
            capture_output=True,
            check=True,
            env=environment,
            cwd="/",
        ).stdout.decode()
        assert there == here


def test_another_day_gives_the_same_contents(settings: Settings) -> None:
    first = approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    before = frozen_bytes(settings)
    withdraw(settings, kit.DECEMBER, lambda period: None)
    later = approve(settings, kit.DECEMBER, "Doctor", kit.NOW.replace(day=30))
    after = frozen_bytes(settings)
    assert before.pop("edition.toml") != after.pop("edition.toml")
    assert before == after
    assert first.manifest != later.manifest


def test_only_an_approver_approves(settings: Settings) -> None:
    with pytest.raises(CouldNotRun) as caught:
        approve(settings, kit.DECEMBER, "Edtor", kit.NOW)
    assert codes(caught.value) == ["NL463"]
    assert "Editor" in caught.value.findings[0].help
    assert frozen.periods(settings) == ()


def test_a_pending_review_stops_the_approval(publication: Make) -> None:
    files = {
        **kit.month(),
        "content/articles/papers.en.md": kit.article("Papers", review="pending"),
    }
    settings = publication(files, kit.TOML)
    with pytest.raises(Findings) as caught:
        approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    assert codes(caught.value) == ["NL457"]
    assert frozen_bytes(settings) == {}
    allowed = approve(settings, kit.DECEMBER, "Editor", kit.NOW, allow_pending_review=True)
    assert "NL457" in [finding.code for finding in allowed.warnings]
    assert "Clinical review pending" in freeze.load(settings, "2026-12").editions[0].html


def test_an_overdue_review_stops_the_approval(publication: Make) -> None:
    overdue = "{last: 2023-10-01, next: 2026-11-30, by: [{name: A. Clinician, role: clinical}]}"
    files = {**kit.month(), "content/articles/papers.en.md": kit.article("Papers", review=overdue)}
    settings = publication(files, kit.TOML)
    with pytest.raises(Findings) as caught:
        approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    assert codes(caught.value) == ["NL458"]


def test_a_template_that_leaves_words_out_stops_the_approval(publication: Make) -> None:
    own = "<mj-section><mj-column><mj-text>{{ url(story.url) }}</mj-text></mj-column></mj-section>"
    settings = publication({**kit.month(), "templates/mail/_story.mjml.j2": own}, kit.TOML)
    with pytest.raises(Findings) as caught:
        approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    assert set(codes(caught.value)) == {"NL466"}


def test_placeholders_are_told_at_the_draft(settings: Settings) -> None:
    found = [f for f in draft(settings, kit.DECEMBER, kit.NOW).findings if f.code == "NL459"]
    assert {finding.level for finding in found} == {Level.WARNING}
    assert any("sender.address" in finding.what for finding in found)
    assert any("agency.example" in finding.what for finding in found)


def test_two_approvers_are_two_people(publication: Make) -> None:
    settings = publication(kit.month(), TWO)
    first = approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    assert not first.complete
    with pytest.raises(Findings) as caught:
        freeze.load(settings, "2026-12")
    assert codes(caught.value) == ["NL460"]
    with pytest.raises(Findings) as caught:
        approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    assert codes(caught.value) == ["NL464"]
    second = approve(settings, kit.DECEMBER, "Doctor", kit.NOW)
    assert second.complete
    issue = freeze.load(settings, "2026-12")
    assert (issue.approved_by, issue.manifest) == (("Editor", "Doctor"), second.manifest)


def test_the_second_approver_approves_the_same_bytes_or_nothing(publication: Make) -> None:
    settings = publication(kit.month(), TWO)
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    before = frozen_bytes(settings)
    kit.edit(settings, f"{FOLDER}/letter.en.md", "this month", "this winter")
    with pytest.raises(Findings) as caught:
        approve(settings, kit.DECEMBER, "Doctor", kit.NOW)
    assert codes(caught.value) == ["NL464"]
    assert frozen_bytes(settings) == before


def test_an_approver_who_left_no_longer_counts(settings: Settings) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    kit.edit(settings, "newsletter.toml", "[approvers.Editor]\n", "")
    from newsletter import config

    with pytest.raises(Findings) as caught:
        freeze.load(config.load(settings.root), "2026-12")
    assert codes(caught.value) == ["NL460"]


def test_withdrawing_takes_everything_back_but_the_letters(settings: Settings) -> None:
    before = set((settings.root / FOLDER).rglob("*"))
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    removed = withdraw(settings, kit.DECEMBER, lambda period: None)
    assert len(removed) == 11
    assert set((settings.root / FOLDER).rglob("*")) == before
    with pytest.raises(Findings) as caught:
        withdraw(settings, kit.DECEMBER, lambda period: None)
    assert codes(caught.value) == ["NL460"]


def test_an_opened_issue_is_not_withdrawn(settings: Settings) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    with pytest.raises(Findings) as caught:
        withdraw(settings, kit.DECEMBER, lambda period: "open")
    assert codes(caught.value) == ["NL465"]
    assert "issue halt 2026-12" in caught.value.findings[0].help
    with pytest.raises(Findings) as caught:
        withdraw(settings, kit.DECEMBER, lambda period: "closed")
    assert codes(caught.value) == ["NL465"]
    assert "2026-12/corrections." in caught.value.findings[0].help
    freeze.load(settings, "2026-12")


def test_what_a_crash_left_behind_is_no_approval(settings: Settings) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    (settings.root / FOLDER / "edition.toml").unlink()
    (settings.root / FOLDER / "fr.html").write_text("left behind")
    with pytest.raises(Findings):
        freeze.load(settings, "2026-12")
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    assert not (settings.root / FOLDER / "fr.html").exists()
    freeze.load(settings, "2026-12")


def test_months_are_approved_in_order(settings: Settings) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    november = settings.root / "content/issues/2026-11"
    november.mkdir()
    for tag in ("en", "ru", "de"):
        (november / f"letter.{tag}.md").write_text(kit.letter(tag, kit.NEWS), "utf-8")
    with pytest.raises(Findings) as caught:
        approve(settings, kit.DECEMBER.previous(), "Editor", kit.NOW)
    assert "NL464" in codes(caught.value)


def test_show_says_where_an_issue_stands(settings: Settings) -> None:
    fresh = show(settings, kit.DECEMBER, kit.NOW)
    assert (fresh.letters, fresh.missing, fresh.previewed) == (("en", "ru", "de"), (), False)
    assert (fresh.manifest, fresh.holds) == (None, False)
    draft(settings, kit.DECEMBER, kit.NOW)
    approved = approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    standing = show(settings, kit.DECEMBER, kit.NOW)
    assert (standing.previewed, standing.holds, standing.changed) == (True, True, False)
    assert standing.manifest == approved.manifest
    assert [approval.by for approval in standing.approvals] == ["Editor"]
    kit.edit(settings, "content/articles/papers.en.md", "This is the second", "It is")
    assert show(settings, kit.DECEMBER, kit.NOW).changed
    (settings.root / FOLDER / "letter.ru.md").unlink()
    broken = show(settings, kit.DECEMBER, kit.NOW)
    assert broken.missing == ("ru",)
    assert broken.holds
    assert broken.findings


def test_a_preview_shows_its_pictures_and_is_replaced_as_a_whole(settings: Settings) -> None:
    made = draft(settings, kit.DECEMBER, kit.NOW)
    html = (made.folder / "en.html").read_text("utf-8")
    name = made.draft.pictures[0].name
    assert f'src="pictures/{name}"' in html
    assert (made.folder / "pictures" / name).read_bytes() == made.draft.pictures[0].data
    (made.folder / "stray").write_text("x")
    draft(settings, kit.DECEMBER, kit.NOW)
    assert not (made.folder / "stray").exists()
    assert made.folder.is_relative_to(settings.root / ".cache")


text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
sources = st.dictionaries(text, digests, max_size=2).map(lambda d: tuple(d.items()))


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.builds(
        manifest_file.Manifest,
        period=st.just(kit.DECEMBER),
        number=st.integers(1, 999),
        as_of=st.just(kit.NOW),
        editions=st.lists(
            st.builds(manifest_file.FrozenEdition, text, text, text, digests, digests, digests),
            min_size=1,
            max_size=2,
        ).map(tuple),
        pictures=st.just((("cells-00.png", "0" * 64),)),
        articles=st.lists(st.builds(manifest_file.FrozenArticle, text, sources), max_size=2).map(
            tuple
        ),
        changes=st.lists(
            st.builds(manifest_file.FrozenChange, text, text, sources), max_size=2
        ).map(tuple),
        news=st.lists(
            st.builds(manifest_file.FrozenNews, text, st.lists(text, max_size=2).map(tuple)),
            max_size=2,
        ).map(tuple),
        approvals=st.lists(
            st.builds(manifest_file.Approval, text, st.just(kit.NOW), text), max_size=2
        ).map(tuple),
    )
)
def test_a_manifest_reads_back_what_it_wrote(manifest: manifest_file.Manifest) -> None:
    assert manifest_file.read(manifest.text()) == manifest


@pytest.mark.parametrize(
    "change",
    [
        ("number = 1", "number = 2 "),
        ("format = 1", "format = 9"),
        ('period = "2026-12"', 'period = "2026-13"'),
    ],
)
def test_a_manifest_edited_by_hand_is_refused(settings: Settings, change: tuple[str, str]) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    kit.edit(settings, f"{FOLDER}/edition.toml", *change)
    with pytest.raises(Findings) as caught:
        freeze.load(settings, "2026-12")
    assert codes(caught.value) == ["NL461"]


def test_a_manifest_moved_to_another_month_is_refused(settings: Settings) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    Path(settings.root / FOLDER).rename(settings.root / "content/issues/2027-03")
    with pytest.raises(Findings) as caught:
        freeze.load(settings, "2027-03")
    assert codes(caught.value) == ["NL461"]


def test_what_was_parsed_before_is_not_parsed_again_and_gives_the_same(settings: Settings) -> None:
    from newsletter.flows import kept
    from newsletter.issue.compose import compose

    fresh = compose(settings, kit.DECEMBER)
    first = kept.composed(settings, kit.DECEMBER)
    pack = settings.root / kept.FOLDER / "texts.pack"
    written = pack.stat()
    again = kept.composed(settings, kit.DECEMBER)
    assert fresh.editions == first.editions == again.editions
    assert written.st_size > 0
    assert pack.stat().st_mtime_ns == written.st_mtime_ns
    pack.write_bytes(b"damaged" + pack.read_bytes()[7:])
    assert kept.composed(settings, kit.DECEMBER).editions == fresh.editions


def test_a_shelf_that_cannot_be_had_costs_only_time(settings: Settings) -> None:
    from newsletter.flows import kept

    (settings.root / ".cache").write_text("a file where a folder should be")
    assert kept.composed(settings, kit.DECEMBER).editions
