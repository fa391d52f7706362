"""An approver's own signature below an approval: Ed25519, made and checked.

It stands among the flows because the rooms that write words may not hold
cryptography: they know no secret. The private key is the approver's, lies
where the approver keeps it, and is never copied; the public one stands in
newsletter.toml, `[approvers.NAME] key`.

What is signed: the contents that were approved, the name and the moment, so
that a signature fits one approval and no other.
Source: RFC 8032 (Ed25519).
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Callable
from pathlib import Path

from newsletter.config import FILE_NAME, Settings
from newsletter.errors import CouldNotRun, Finding, Findings, Where
from newsletter.issue import frozen
from newsletter.issue.edition import ApprovedIssue
from newsletter.issue.manifest import Approval, Manifest
from newsletter.issue.period import Period

Signer = Callable[[bytes], bytes]


def new_key(path: Path) -> str:
    """Make a private key at `path` (mode 0600, never over another file); returns the public key, base64.

    Raises:
        CouldNotRun: NL482, the file is there already or cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(key.private_bytes_raw()) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be written") from error
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def signer(path: Path) -> Signer:
    """Signs with the private key at `path`.

    Raises:
        CouldNotRun: NL482, the file is missing, no key, or readable by others.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise _unusable(path, "others may read it; run `chmod 600` on it")
        seed = base64.b64decode(path.read_bytes().strip(), validate=True)
        return Ed25519PrivateKey.from_private_bytes(seed).sign
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be read") from error
    except ValueError as error:
        raise _unusable(path, "it holds no key of ours") from error


def _unusable(path: Path, why: str) -> CouldNotRun:
    return CouldNotRun(
        Finding(
            "NL482",
            f"the approver's key {path.name} cannot be used: {why}",
            help="`newsletter issue key FILE` makes a new one; keep it outside the publication",
        )
    )


def words(manifest: Manifest, approval: Approval) -> bytes:
    """The bytes an approver signs."""
    moment = approval.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = ("newsletter approval 1", manifest.digest, approval.by, moment)
    return "".join(f"{line}\n" for line in lines).encode()


def holds(key: str, signature: str, signed: bytes) -> bool:
    """Whether `signature` (base64) is that of `key` (base64) over `signed`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        public.verify(base64.b64decode(signature, validate=True), signed)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def unsigned(settings: Settings, manifest: Manifest) -> list[Finding]:
    """NL481 for every approval of somebody who has a key, without a signature that holds.

    An approver without a key is only a name; `issue show` says so.
    """
    where = Where(f"{frozen.ISSUES}/{manifest.period}/edition.toml")
    return [
        Finding(
            "NL481",
            f"the approval of {approval.by} is not signed with the key in {FILE_NAME}",
            where,
            help=f"`newsletter issue withdraw {manifest.period}`, then let {approval.by} approve with --key FILE",
        )
        for approval in manifest.approvals
        if approval.by in settings.approvers
        and (key := settings.approvers[approval.by].key)
        and not holds(key, approval.signature, words(manifest, approval))
    ]


def load(settings: Settings, period: Period | str) -> ApprovedIssue:
    """The approved issue, every hash and every signature verified: what is opened and sent is this.

    Raises:
        Findings: NL460 to NL462 as `frozen.load`; NL481, a signature does not hold.
    """
    issue = frozen.load(settings, period)
    findings = unsigned(settings, frozen.manifest(settings, period))
    if findings:
        raise Findings(findings, f"The approval of {period} does not hold; nothing is sent.")
    return issue
