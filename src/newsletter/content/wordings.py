"""content/consent/LANG/VERSION.md: the exact words people agree to, by language and version."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from newsletter.content import source
from newsletter.content.model import Wording
from newsletter.errors import Finding, Where


def read_all(
    root: Path, languages: tuple[str, ...]
) -> tuple[dict[str, tuple[Wording, ...]], list[Finding]]:
    """Every wording of each configured language, oldest version first."""
    found: dict[str, tuple[Wording, ...]] = {}
    findings: list[Finding] = []
    folder = root / "content" / "consent"
    for language in languages:
        wordings = []
        for file in sorted((folder / language).glob("*.md"), key=_version):
            name = file.relative_to(root).as_posix()
            data = source.read_bytes(root, file)
            if isinstance(data, Finding):
                findings.append(data)
                continue
            text, problems = source.decode(name, data)
            findings += problems
            if text is None:
                continue
            words = text.raw.strip()
            if not words:
                findings.append(
                    Finding(
                        "NL233",
                        f"{name} is empty",
                        Where(name),
                        help="write the sentence that people agree to",
                    )
                )
                continue
            wordings.append(
                Wording(language, file.stem, words, hashlib.sha256(words.encode()).hexdigest())
            )
        found[language] = tuple(wordings)
    return found, findings


def _version(file: Path) -> list[str | int]:
    """A version's name for sorting: numbers by their size, so that 10 comes after 9."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file.stem)]
