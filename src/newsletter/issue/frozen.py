"""Frozen issues on disk: found, read, verified. Nothing here writes.

content/issues/PERIOD/edition.toml        the manifest; without it nothing is approved
                     LANG.html            the mail, a token's slot in its links
                     LANG.txt
                     LANG.body.html       the archive's part of a page
                     pictures/NAME        what the site serves at /issues/PERIOD/pictures/NAME
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from newsletter.config import Settings
from newsletter.errors import Finding, Findings, Where
from newsletter.files import read_file
from newsletter.issue import manifest as manifest_file
from newsletter.issue.edition import ApprovedIssue, Edition
from newsletter.issue.manifest import FrozenEdition, Manifest
from newsletter.issue.period import Period, parse
from newsletter.issue.pictures import path

ISSUES = "content/issues"
SUFFIXES = {"html": ".html", "text": ".txt", "body": ".body.html"}
"""Part of an edition -> how its file's name ends."""


def folder(settings: Settings, period: Period | str) -> Path:
    return settings.path(ISSUES) / str(period)


def periods(settings: Settings) -> tuple[Period, ...]:
    """Every period that has a manifest, in order; whether it still holds is asked by `load`."""
    found = (parse(each.parent.name) for each in settings.path(ISSUES).glob("*/edition.toml"))
    return tuple(sorted(period for period in found if period))


def manifests(settings: Settings) -> tuple[Manifest, ...]:
    """The manifests of all frozen issues, in order.

    Raises:
        Findings: NL461, one cannot be read or was changed by hand.
    """
    read = [_manifest(settings, period) for period in periods(settings)]
    findings = [each for each in read if isinstance(each, Finding)]
    if findings:
        raise Findings(findings)
    return tuple(each for each in read if isinstance(each, Manifest))


def manifest(settings: Settings, period: Period | str) -> Manifest:
    """The manifest of one issue.

    Raises:
        Findings: NL460, it is not approved; NL461, the manifest does not hold.
    """
    read = _manifest(settings, period)
    if isinstance(read, Finding):
        raise Findings([read])
    return read


def digest(manifest: Manifest) -> str:
    """The approval itself: SHA-256 of the whole manifest, hex."""
    return hashlib.sha256(manifest.text().encode()).hexdigest()


def load(settings: Settings, period: Period | str) -> ApprovedIssue:
    """The approved issue of `period`, every hash verified.

    Raises:
        Findings: NL460 (not approved, or not by enough people), NL461 (the
            manifest was changed), NL462 (a file is missing or a byte of it changed).
    """
    read = manifest(settings, period)
    editions, findings = _verify(settings, read)
    findings = [*_approvals(settings, read), *findings]
    if findings:
        raise Findings(findings, f"The approval of {period} does not hold; nothing is sent.")
    return ApprovedIssue(
        period=str(period),
        number=read.number,
        manifest=digest(read),
        as_of=read.as_of,
        approved_by=tuple(approval.by for approval in read.approvals),
        editions=editions,
    )


def verify(settings: Settings, period: Period | str) -> None:
    """Every byte that the manifest names is as it was, however many approved it.

    Raises:
        Findings: NL460 (nothing is frozen), NL461, NL462.
    """
    _, findings = _verify(settings, manifest(settings, period))
    if findings:
        raise Findings(findings, f"The approval of {period} does not hold; nothing is sent.")


def _verify(settings: Settings, read: Manifest) -> tuple[tuple[Edition, ...], list[Finding]]:
    findings = []
    place = folder(settings, read.period)
    editions = []
    for entry in read.editions:
        parts = {}
        for part, suffix in SUFFIXES.items():
            data = _verified(place, f"{entry.language}{suffix}", getattr(entry, part))
            if isinstance(data, Finding):
                findings.append(data)
            else:
                parts[part] = data.decode("utf-8")
        if len(parts) == len(SUFFIXES):
            editions.append(_edition(entry, parts))
    for name, digest in read.pictures:
        data = _verified(place, f"pictures/{name}", digest)
        if isinstance(data, Finding):
            findings.append(data)
    return tuple(editions), findings


def pictures(settings: Settings) -> dict[str, bytes]:
    """Site path -> bytes of every picture of every frozen issue, verified.

    Raises:
        Findings: a manifest or a picture does not hold.
    """
    found: dict[str, bytes] = {}
    findings: list[Finding] = []
    for each in manifests(settings):
        for name, digest in each.pictures:
            data = _verified(folder(settings, each.period), f"pictures/{name}", digest)
            if isinstance(data, Finding):
                findings.append(data)
            else:
                found[path(str(each.period), name)] = data
    if findings:
        raise Findings(findings)
    return found


def _edition(entry: FrozenEdition, parts: dict[str, str]) -> Edition:
    return Edition(
        entry.language, entry.subject, entry.preheader, parts["html"], parts["text"], parts["body"]
    )


def _manifest(settings: Settings, period: Period | str) -> Manifest | Finding:
    name = f"{ISSUES}/{period}/{manifest_file.NAME}"
    try:
        text = read_file(folder(settings, period) / manifest_file.NAME).decode("utf-8")
    except FileNotFoundError:
        return Finding(
            "NL460",
            f"the issue of {period} is not approved",
            Where(name),
            help=f"`newsletter issue draft {period}`, read it, then `newsletter issue approve {period} --by NAME`",
        )
    except (OSError, UnicodeDecodeError) as error:
        return _broken(name, f"it cannot be read: {error}", period)
    try:
        read = manifest_file.read(text)
    except ValueError as error:
        return _broken(name, str(error), period)
    if str(read.period) != str(period):
        return _broken(name, f"it is that of {read.period}", period)
    return read


def _broken(name: str, why: str, period: Period | str) -> Finding:
    return Finding(
        "NL461",
        f"the manifest of {period} does not hold: {why}",
        Where(name),
        help=f"bring the file back as it was approved, or `newsletter issue withdraw {period}` and approve anew",
    )


def _approvals(settings: Settings, read: Manifest) -> list[Finding]:
    """Enough different people, every one of them still an approver of this publication."""
    names = {approval.by for approval in read.approvals if approval.by in settings.approvers}
    needed = settings.month.approvals
    if len(names) >= needed:
        return []
    return [
        Finding(
            "NL460",
            f"{read.period} has {len(names)} of {needed} approvals",
            Where(f"{ISSUES}/{read.period}/{manifest_file.NAME}"),
            help=f"`newsletter issue approve {read.period} --by NAME`, with a name from [approvers]",
        )
    ]


def _verified(place: Path, name: str, digest: str) -> bytes | Finding:
    where = Where(f"{ISSUES}/{place.name}/{name}")
    help_text = f"bring the file back as it was approved, or `newsletter issue withdraw {place.name}` and approve anew"
    try:
        data = read_file(place / name)
    except OSError as error:
        return Finding(
            "NL462", f"{where.path} cannot be read: {error.strerror}", where, help=help_text
        )
    if hashlib.sha256(data).hexdigest() != digest:
        return Finding(
            "NL462", f"{where.path} changed after it was approved", where, help=help_text
        )
    return data
