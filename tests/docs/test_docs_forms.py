"""What docs/forms.md shows is posted here, word for word, and answered as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import html5lib
import pytest
import sqlalchemy as sa
from tests.web.house import HASH, House, make_house

from newsletter.store import tables
from newsletter.subscribers.states import State

PAGE = (Path(__file__).parents[2] / "docs" / "forms.md").read_text("utf-8")
HTML = re.compile(r"<!-- tested: html -->\n```html\n(.*?)```", re.DOTALL)
JSON = re.compile(
    r"<!-- tested: json ?(\d*) -->\n```http\n(GET|POST) (\S+)\n\n?(.*?)```\n```json\n(.*?)```",
    re.DOTALL,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    yield from make_house(tmp_path, None)


def test_the_html_form_subscribes(house: House) -> None:
    (written,) = HTML.findall(PAGE)
    root = html5lib.parse(written, namespaceHTMLElements=False)
    form = root.find(".//form")
    assert form is not None
    assert (form.get("method"), form.get("action")) == (
        "post",
        "https://letter.example.org/subscribe",
    )
    fields = {field.get("name"): field.get("value", "") for field in form.iter("input")}
    assert fields["wording"] == "WORDING"
    sent = {**fields, "wording": HASH["en"], "address": "anna@example.org"}
    assert house.post("/subscribe", sent).status == 200
    assert [(one.state, one.language) for one in house.people()] == [(State.PENDING, "en")]


def tokens(house: House) -> dict[str, str]:
    """What stands in a reader's mails by now."""
    vault = house.parts.vault
    found = {"WORDING": HASH["en"]}
    with house.store.read() as tx:
        for row in tx.execute(sa.select(tables.notices)):
            make = vault.confirm_token if row.kind == "confirm" else vault.data_token
            found[row.kind.upper()] = make(row.confirmation_id)
    for person in house.people():
        found["LETTER"] = house.mail_token(person)
    return found


def fits(answer: Any, shown: Any) -> bool:
    """Whether an answer is what the page shows; "..." stands for whatever is there."""
    if shown == "...":
        return answer not in (None, "", [], {})
    if isinstance(shown, dict) and isinstance(answer, dict):
        return shown.keys() == answer.keys() and all(
            fits(answer[name], shown[name]) for name in shown
        )
    return bool(answer == shown)


def test_the_json_is_taken_and_answered_as_shown_from_sign_up_to_erasure(house: House) -> None:
    known: dict[str, str] = {}
    examples = JSON.findall(PAGE)
    assert len(examples) == PAGE.count("<!-- tested: json")
    for status, method, address, body, shown in examples:
        known |= tokens(house)
        for name, value in known.items():
            address, body = address.replace(f"/{name}", f"/{value}"), body.replace(name, value)
        path, _, query = address.partition("?")
        kind = {"Content-Type" if method == "POST" else "Accept": "application/json"}
        answer = house.ask(method, path, body.strip().encode(), kind, query=query)
        assert answer.status == int(status or 200), (method, path, answer.body)
        assert fits(answer.json, json.loads(shown)), (method, path, answer.json)
    assert house.people() == []
    assert {path.split("/")[1].partition("?")[0] for _, _, path, _, _ in examples} == {
        "subscribe", "challenge", "confirm", "preferences", "data", "leave",
    }  # fmt: skip
