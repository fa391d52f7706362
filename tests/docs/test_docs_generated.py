"""The reference pages say what the program says; every finding's code is explained and provoked."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from newsletter import codes
from newsletter.delivery.states import State, may
from newsletter.store.tables import DELIVERY_STATES

TOP = Path(__file__).parents[2]
CODE = re.compile(r"\bNL[1-9]\d\d\b")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", TOP / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["settings.md", "commands.md", "findings.md"])
def test_a_reference_page_is_what_the_program_says(page: str, generate: ModuleType) -> None:
    written = (TOP / "docs" / page).read_text("utf-8")

    assert written == generate.PAGES[page](), "run: python docs/generate.py"


def _codes_in(folder: str) -> dict[str, set[str]]:
    """Which Python files of `folder` name which code."""
    found: dict[str, set[str]] = {}
    for file in sorted((TOP / folder).rglob("*.py")):
        for code in CODE.findall(file.read_text("utf-8")):
            found.setdefault(code, set()).add(str(file.relative_to(TOP)))
    return found


def _raised() -> dict[str, set[str]]:
    """Codes that the program may show: those in its own string literals, not in help and docstrings."""
    found: dict[str, set[str]] = {}
    for file in sorted((TOP / "src").rglob("*.py")):
        for code in re.findall(r'"(NL[1-9]\d\d)"', file.read_text("utf-8")):
            found.setdefault(code, set()).add(str(file.relative_to(TOP)))
    return found


def test_every_code_that_can_be_shown_is_explained() -> None:
    unexplained = {
        code: places for code, places in _raised().items() if code not in codes.entries()
    }

    assert not unexplained


def test_every_explained_code_can_be_shown() -> None:
    assert sorted(set(codes.entries()) - set(_raised())) == []


def test_every_code_has_a_test_that_names_it() -> None:
    assert sorted(set(_raised()) - set(_codes_in("tests"))) == []


def test_every_entry_says_why_and_what_to_do() -> None:
    for entry in codes.entries().values():
        assert CODE.fullmatch(entry.code)
        assert not entry.title.endswith("."), entry.code
        assert entry.why.endswith((".", "`")), entry.code
        assert entry.fix.endswith((".", "`", ":")), entry.code


def test_every_finding_says_what_to_do() -> None:
    silent = []
    for file in sorted((TOP / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            is_finding = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding"
            if not is_finding or len(node.args) >= 5:
                continue
            if not any(keyword.arg == "help" for keyword in node.keywords):
                silent.append(f"{file.relative_to(TOP)}:{node.lineno}")

    assert silent == []


def test_the_table_of_delivery_states_is_the_programs_own() -> None:
    """docs/architecture.md, delivery/states.py and the database's CHECK name the same states and arrows."""
    page = (TOP / "docs" / "architecture.md").read_text("utf-8")
    table = page[page.index("## Delivery states") : page.index("The promise: at most one")]
    arrows = set()
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[1] not in ("from", "---"):
            froms, tos = (
                [word.strip().replace(" ", "_") for word in c.split(",")] for c in cells[1:3]
            )
            arrows |= {(a, b) for a in froms for b in tos}

    ours = {(a.value, b.value) for a in State for b in State if may(a, b)}
    assert arrows == ours
    assert {state for arrow in arrows for state in arrow} == set(DELIVERY_STATES)
