"""Archive = mail = approval: what readers were sent is what the site shows and what was approved.

The frozen files are already held against the manifest (issue/frozen.py); here
the built site and the public record are held against the frozen files.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from newsletter.checks.sameness import differences
from newsletter.config import Settings
from newsletter.content import urls
from newsletter.errors import Finding, Where
from newsletter.files import read_file
from newsletter.issue import frozen
from newsletter.issue.edition import ApprovedIssue, Edition


def against_site(settings: Settings, issue: ApprovedIssue, public: Path) -> list[Finding]:
    """NL466, NL483: each edition's page, pictures and downloads in the built site `public` are the approved ones."""
    languages = settings.publication.languages
    findings = []
    for edition in issue.editions:
        findings += differences(edition, settings.site_url)
        path = urls.issue_path(issue.period, edition.language, languages)
        findings += _page(public, path, edition)
        for ending, text in (("html", edition.html), ("txt", edition.text)):
            name = f"mail.{edition.language}.{ending}"
            findings += _file(public, urls.issue_file(issue.period, name), text.encode())
    manifest = frozen.manifest(settings, issue.period).text().encode()
    findings += _file(public, urls.issue_file(issue.period, "edition.toml"), manifest)
    for path, data in frozen.pictures(settings).items():
        if path.startswith(f"/issues/{issue.period}/"):
            findings += _file(public, path, data)
    return findings


def _page(public: Path, path: str, edition: Edition) -> list[Finding]:
    name = urls.file_of(path)
    try:
        page = (public / name).read_text("utf-8")
    except OSError:
        return [_odd(f"the archive has no page {path}", name)]
    if edition.body.strip() not in page:
        return [_odd(f"the archive's page {path} does not hold the approved words", name)]
    return []


def _file(public: Path, path: str, data: bytes) -> list[Finding]:
    name = path.lstrip("/")
    try:
        served = (public / name).read_bytes()
    except OSError:
        return [_odd(f"the site does not serve {path}, which a mail or its page points at", name)]
    if served != data:
        return [_odd(f"the site serves another file at {path} than was approved", name)]
    return []


def _odd(what: str, name: str) -> Finding:
    return Finding(
        "NL483",
        what,
        Where(f"public/{name}"),
        help="`newsletter build` makes the site anew from the frozen files",
    )


def against_record(settings: Settings, issue: ApprovedIssue) -> list[Finding]:
    """NL484: the public record of what was sent names the bytes that are approved; none before it is opened."""
    name = f"{settings.store.record}/{issue.period}.json"
    try:
        record = json.loads(read_file(settings.path(name)).decode("utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        return [_other(f"the record of {issue.period} cannot be read: {error}", name)]
    if not isinstance(record, dict):
        return [_other(f"the record of {issue.period} is none of ours", name)]
    findings = []
    if record.get("manifest") != issue.manifest:
        findings.append(
            _other(f"{issue.period} was sent under another approval than stands here", name)
        )
    sent = record.get("editions")
    for edition in issue.editions:
        frozen_hashes = {
            "html": hashlib.sha256(edition.html.encode()).hexdigest(),
            "text": hashlib.sha256(edition.text.encode()).hexdigest(),
        }
        if not isinstance(sent, dict) or sent.get(edition.language) != frozen_hashes:
            what = f"the {edition.language} mail that was sent is not the one that stands here"
            findings.append(_other(what, name))
    return findings


def _other(what: str, name: str) -> Finding:
    return Finding(
        "NL484",
        what,
        Where(name),
        help="the record is made from what was sent: bring the frozen files back as they were (git has them)",
    )
