"""Every command's help has examples, and every example is typed here."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
import typer
from typer.main import get_group

from newsletter.cli.app import app

Newsletter = Callable[..., Any]
PROGRAM = Path(sys.executable).with_name("newsletter")

STAY = {"newsletter run", "newsletter inbox", "newsletter demo"}
"""These stay up until Ctrl-C; they are tried as processes."""

REFUSED = {
    "newsletter deliveries list": "NL138",
    "newsletter deliveries resolve": "NL138",
    "newsletter issue halt": "NL144",
    "newsletter issue verify": "NL460",
    "newsletter doctor": "NL148",
    "newsletter feedback collect": "NL645 NL648",
    "newsletter status 2026": "NL138",
    # No site answers; or, where something else serves that port, there is no reader.
    "newsletter send": "NL709 NL614",
    "newsletter issue test": "NL155",
    "echo me@example.org": "NL155",
    "echo anna@example.org | newsletter feedback lift": "NL652",
}
"""What a publication without readers answers, rightly, to an example that is meant for later."""


def _commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its whole name."""
    root = get_group(app)
    top = typer.Context(root, info_name="newsletter")
    for name in root.list_commands(top):
        command = root.get_command(top, name)
        children = getattr(command, "commands", None)
        if children is None:
            yield f"newsletter {name}", command
        else:
            yield from ((f"newsletter {name} {child}", each) for child, each in children.items())


def _examples(command: Any) -> list[str]:
    lines = (command.epilog or "").split("Examples:")[-1].splitlines()
    return [line.strip() for line in lines if line.strip()]


EXAMPLES = [(name, line) for name, command in _commands() for line in _examples(command)]


@pytest.mark.parametrize("name", [name for name, _ in _commands()])
def test_every_command_says_what_it_does_and_gives_an_example(name: str) -> None:
    command = dict(_commands())[name]

    assert command.help
    assert command.help.split("\n")[0].endswith((".", ":")), name
    assert any(name.removeprefix("newsletter ") in line for line in _examples(command)), name


@pytest.fixture
def stocked(letter: Path, newsletter: Newsletter) -> dict[str, str]:
    """A publication with what the examples speak of; the words to put in their place."""
    identity = pyrage.x25519.Identity.generate()
    (letter.parent / "backup-identity.txt").write_text(str(identity), "utf-8")
    with (letter / "newsletter.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[backup]\nrecipients = ["{identity.to_public()}"]\n')
    wording = next((letter / "content/consent/en").iterdir()).read_text("utf-8").strip()
    consent = '"' + wording.replace('"', '""') + '"'
    (letter / "readers.csv").write_text(
        f"address,consented_at,source,consent_text\nben@example.org,2025-05-01,form,{consent}\n",
        "utf-8",
    )
    assert newsletter("subscribers", "add", "anna@example.org").code == 0
    month = next(letter.glob("content/issues/*")).name
    items = json.loads(newsletter("news", "list", "--json").out)["items"]
    return {"month": month, "item": items[1]["id"]}


@pytest.mark.parametrize(("name", "line"), [e for e in EXAMPLES if e[0] not in STAY])
def test_an_example_of_a_help_can_be_typed(
    name: str,
    line: str,
    stocked: dict[str, str],
    newsletter: Newsletter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    month = stocked["month"]
    if name in ("newsletter send", "newsletter issue withdraw"):
        newsletter("issue", "approve", "--by", "Editor")
    if name == "newsletter restore":
        newsletter("backup", "../readers-backup.age")
        for file in Path("subscribers").glob("newsletter.db*"):
            file.unlink()
    if name == "newsletter new issue":
        month = "2031-01"
    if name == "newsletter subscribers add":
        line = line.replace("--language de", "--language en")
    if name == "newsletter new article":
        line = line.replace("--language ru", "--language en")
    typed = re.sub(r"\b20\d\d-\d\d\b", month, line)
    typed = re.sub(r"\bID\b", stocked["item"] if "news" in name else "0" * 32, typed)
    if "|" in typed:
        said, _, typed = typed.partition("|")
        monkeypatch.setattr("sys.stdin", io.StringIO(said.split()[1] + "\n"))

    ran = newsletter(*shlex.split(typed)[1:])

    assert "Traceback" not in ran.err
    codes = re.findall(r"error\[(NL\d\d\d)\]", ran.err)
    allowed = next((code for start, code in REFUSED.items() if line.startswith(start)), "")
    assert set(codes) <= set(allowed.split()), ran.err
    assert ran.code == 0 or codes, ran.err


@pytest.mark.parametrize("line", [line for name, line in EXAMPLES if name == "newsletter inbox"])
def test_an_inbox_stays_until_it_is_told_to_end(line: str, tmp_path: Path) -> None:
    words = [*shlex.split(line)[1:], "--port", "0", "--smtp-port", "0"]
    box = subprocess.Popen([PROGRAM, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert box.stderr
    assert "inbox: http://127.0.0.1:" in box.stderr.readline()

    box.send_signal(signal.SIGINT)
    _, err = box.communicate(timeout=20)

    assert box.returncode == 0
    assert "0 mails were taken" in err
