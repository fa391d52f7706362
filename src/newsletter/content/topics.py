"""content/topics.toml: the topics there are, and each one's name in each language."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from newsletter import toml
from newsletter.content.fields import SLUG
from newsletter.errors import Finding, Where, did_you_mean
from newsletter.files import read_file

FILE = "content/topics.toml"
Topics = dict[str, dict[str, str]]
"""topic id -> language -> name"""


def read(root: Path, languages: tuple[str, ...]) -> tuple[Topics, list[Finding]]:
    """The topics in the file's order; without the file, none are known and none are checked."""
    file = root / FILE
    if not os.path.lexists(file):
        return {}, []
    try:
        source = read_file(file).decode("utf-8-sig")
        tables = toml.loads(source)
    except (OSError, UnicodeDecodeError) as error:
        help_text = "it must be UTF-8, and this account must be allowed to read it"
        return {}, [
            Finding(
                "NL200",
                f"{FILE} cannot be read: {getattr(error, 'strerror', error)}",
                Where(FILE),
                help=help_text,
            )
        ]
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+), column (\d+)", str(error))
        where = Where(FILE)
        if found:
            line, lines = int(found[1]), source.splitlines()
            text = lines[line - 1] if line <= len(lines) else ""
            where = Where(FILE, line, int(found[2]), 1, text)
        return {}, [
            Finding(
                "NL217",
                f"{FILE} is not TOML: {str(error).split(' (at')[0]}",
                where,
                help='write [topic] and below it en = "Topic"',
            )
        ]
    topics: Topics = {}
    findings: list[Finding] = []
    for name, names in tables.items():
        line = next(
            (
                number
                for number, text in enumerate(source.splitlines(), 1)
                if text.strip().startswith(f"[{name}]")
            ),
            1,
        )
        where = Where(FILE, line, 1, len(name) + 2, source.splitlines()[line - 1])
        if not SLUG.fullmatch(name) or not isinstance(names, dict):
            findings.append(
                Finding(
                    "NL217",
                    f"`{name}` is not a topic",
                    where,
                    "small letters a-z, digits, hyphens",
                    'write [immunotherapy] and below it en = "Immunotherapy"',
                )
            )
            continue
        for language, word in names.items():
            if language not in languages:
                findings.append(
                    Finding(
                        "NL201",
                        f"unknown key `{language}` in topic `{name}`",
                        where,
                        "not a language of this publication",
                        did_you_mean(language, languages)
                        or f"languages are {', '.join(languages)}",
                    )
                )
            elif not isinstance(word, str) or not word.strip():
                findings.append(
                    Finding(
                        "NL203",
                        f"the name of `{name}` in {language} is not text",
                        where,
                        "",
                        f'write {language} = "..."',
                    )
                )
        if languages[0] not in names:
            findings.append(
                Finding(
                    "NL202",
                    f"the topic `{name}` has no name in {languages[0]}",
                    where,
                    "",
                    f'add {languages[0]} = "..."',
                )
            )
        topics[name] = {
            language: str(word).strip() for language, word in names.items() if isinstance(word, str)
        }
    return topics, findings
