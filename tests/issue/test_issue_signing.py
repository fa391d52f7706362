"""An approver with a key signs, and the signature is asked for again before anything is opened."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.issue import kit

from newsletter import config
from newsletter.config import Settings
from newsletter.errors import CouldNotRun, Findings
from newsletter.flows import look, signing
from newsletter.flows.approve import approve
from newsletter.flows.draft import draft, show
from newsletter.issue import freeze, frozen
from newsletter.issue.compose import compose

Make = Callable[..., Settings]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "editor.key"


@pytest.fixture
def settings(publication: Make, key: Path) -> Settings:
    public = signing.new_key(key)
    toml = kit.TOML.replace("[approvers.Editor]", f'[approvers.Editor]\nkey = "{public}"')
    return publication(kit.month(), toml)


def test_a_signed_approval_holds(settings: Settings, key: Path) -> None:
    done = approve(settings, kit.DECEMBER, "Editor", kit.NOW, signer=signing.signer(key))
    assert signing.load(settings, "2026-12").manifest == done.manifest
    assert done.approvals[0].signature
    assert show(settings, kit.DECEMBER, kit.NOW).holds


@pytest.mark.parametrize("other", [False, True])
def test_who_has_a_key_signs_with_it(settings: Settings, tmp_path: Path, other: bool) -> None:
    signer = None
    if other:
        signing.new_key(tmp_path / "other.key")
        signer = signing.signer(tmp_path / "other.key")
    with pytest.raises(CouldNotRun) as caught:
        approve(settings, kit.DECEMBER, "Editor", kit.NOW, signer=signer)
    assert [finding.code for finding in caught.value.findings] == ["NL480"]
    assert frozen.periods(settings) == ()


def test_who_has_no_key_is_only_a_name(settings: Settings) -> None:
    done = approve(settings, kit.DECEMBER, "Doctor", kit.NOW)
    assert done.approvals[0].signature == ""
    signing.load(settings, "2026-12")


@pytest.mark.parametrize("change", ["number", "moment", "signature", "taken away"])
def test_a_signature_fits_one_approval_and_no_other(
    settings: Settings, key: Path, change: str
) -> None:
    approve(settings, kit.DECEMBER, "Editor", kit.NOW, signer=signing.signer(key))
    manifest = frozen.manifest(settings, "2026-12")
    (approval,) = manifest.approvals
    match change:
        case "number":
            manifest = replace(manifest, number=7)
        case "moment":
            approval = replace(approval, at=approval.at.replace(day=1))
        case "signature":
            flipped = bytearray(base64.b64decode(approval.signature))
            flipped[5] ^= 1
            approval = replace(approval, signature=base64.b64encode(flipped).decode())
        case _:
            approval = replace(approval, signature="")
    freeze.sign(settings, replace(manifest, approvals=(approval,)))
    freeze.load(settings, "2026-12")  # the manifest itself is well formed
    with pytest.raises(Findings) as caught:
        signing.load(settings, "2026-12")
    assert [finding.code for finding in caught.value.findings] == ["NL481"]
    standing = show(settings, kit.DECEMBER, kit.NOW)
    assert not standing.holds
    assert "NL481" in [finding.code for finding in standing.findings]


def test_a_key_that_came_later_voids_an_unsigned_approval(
    publication: Make, tmp_path: Path
) -> None:
    settings = publication(kit.month(), kit.TOML)
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    public = signing.new_key(tmp_path / "late.key")
    kit.edit(
        settings, "newsletter.toml", "[approvers.Editor]", f'[approvers.Editor]\nkey = "{public}"'
    )
    with pytest.raises(Findings) as caught:
        signing.load(config.load(settings.root), "2026-12")
    assert [finding.code for finding in caught.value.findings] == ["NL481"]


def test_a_key_is_never_written_over_and_nobody_else_may_read_it(key: Path) -> None:
    signing.new_key(key)
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    problems: list[Callable[[], object]] = [
        lambda: signing.new_key(key),
        lambda: signing.signer(key.with_name("nowhere")),
    ]
    key.with_name("nonsense").write_text("not a key")
    key.with_name("nonsense").chmod(0o600)
    problems.append(lambda: signing.signer(key.with_name("nonsense")))
    for problem in problems:
        with pytest.raises(CouldNotRun) as caught:
            problem()
        assert caught.value.findings[0].code == "NL482"
    assert key.read_bytes() == before
    key.chmod(0o640)
    with pytest.raises(CouldNotRun) as caught:
        signing.signer(key)
    assert "chmod 600" in caught.value.findings[0].what


def test_approving_says_what_changed_since_the_last_look(publication: Make) -> None:
    settings = publication(kit.month(), kit.TOML)
    assert look.since(settings, compose(settings, kit.DECEMBER)) == look.Look(False, ())
    draft(settings, kit.DECEMBER, kit.NOW)
    assert look.since(settings, compose(settings, kit.DECEMBER)) == look.Look(True, ())
    kit.edit(settings, "content/issues/2026-12/letter.en.md", "this month:", "this winter:")
    done = approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    assert done.look.seen
    assert "-this month: cells." in done.look.changes
    assert "+this winter: cells." in done.look.changes
    assert not any("de.txt" in line for line in done.look.changes)


def test_a_change_without_words_is_told_too(publication: Make) -> None:
    settings = publication(kit.month(), kit.TOML)
    draft(settings, kit.DECEMBER, kit.NOW)
    kit.edit(settings, "content/images/cells.svg", "#1f8a83", "#0a6a66")
    made = look.since(settings, compose(settings, kit.DECEMBER))
    assert made.changes == ("no word changed; pictures, layout or sources did",)
