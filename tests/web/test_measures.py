"""What keeps a flood out and a watcher blind: time, measure per network, the small sum."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import time
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.web.house import NOW, House, form

from newsletter.store import tables
from newsletter.web import bucket, challenge, mailing, networks
from newsletter.web.app import build
from newsletter.web.networks import Networks

SOMEBODY = "203.0.113.7"
NEIGHBOUR = "203.0.113.200"
SOMEBODY_ELSE = "198.51.100.7"
PLAIN = networks.PLAIN.amount


def solve(sum_: dict[str, Any]) -> str:
    """What the form's script does."""
    for number in range(sum_["maxnumber"] + 1):
        if hashlib.sha256(f"{sum_['salt']}{number}".encode()).hexdigest() == sum_["challenge"]:
            return packed(sum_, number)
    raise AssertionError("a challenge without a solution")


def packed(sum_: dict[str, Any], number: object, **changes: object) -> str:
    fields = {**sum_, "number": number, **changes}
    return base64.b64encode(json.dumps(fields).encode()).decode()


def flood(house: House, count: int, client: str, **fields: str) -> list[int]:
    """The statuses of `count` sign-ups of different addresses from one client."""
    return [
        house.post(
            "/subscribe",
            form(f"{client}-{n}@example.org".replace(":", "-"), **fields),
            client=client,
        ).status
        for n in range(count)
    ]


@given(st.floats(0, 10))
def test_the_whole_is_always_a_multiple_of_the_step(elapsed: float) -> None:
    whole = elapsed + bucket.rest(elapsed)
    assert bucket.rest(elapsed) >= 0
    assert whole >= bucket.STEP
    assert abs(whole / bucket.STEP - round(whole / bucket.STEP)) < 1e-6


def test_new_known_suppressed_and_robot_take_the_same_time(house: House) -> None:
    house.reader("known@example.org")
    steps = set()
    for fields in (
        form("new@example.org"),
        form("known@example.org"),
        form("new@example.org"),
        form("robot@example.org", website="x"),
    ):
        times = []
        for _ in range(5):
            began = time.perf_counter()
            assert house.post("/subscribe", fields).status == 200
            times.append(time.perf_counter() - began)
        assert min(times) >= bucket.STEP
        steps.add(int(min(times) / bucket.STEP))
    assert steps == {1}


def test_a_network_has_its_measure_and_others_theirs(house: House) -> None:
    assert flood(house, PLAIN + 2, SOMEBODY) == [200] * PLAIN + [429] * 2
    assert flood(house, 1, NEIGHBOUR) == [429]
    assert flood(house, 1, SOMEBODY_ELSE) == [200]
    refused = house.post("/subscribe", form("x@example.org"), client=SOMEBODY)
    assert refused.header("retry-after") == "3600"
    assert "Too many requests from your network" in refused.text


def test_above_the_measure_known_and_new_are_refused_alike_and_nothing_is_kept(
    house: House,
) -> None:
    house.reader("known@example.org")
    flood(house, PLAIN, SOMEBODY)
    before = house.state()
    known = house.post("/subscribe", form("known@example.org"), client=SOMEBODY)
    new = house.post("/subscribe", form("new@example.org"), client=SOMEBODY)
    assert (known.status, known.body) == (new.status, new.body)
    assert house.state() == before


def test_a_flood_of_forms_leaves_places_for_everybody_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailing, "MOST_AT_ONCE", 0)

    refused = house.subscribe("anna@example.org")

    assert (refused.status, refused.header("retry-after")) == (503, "60")
    assert house.people() == []
    assert house.ask("POST", "/leave/" + "A" * 32).status == 200


def test_one_click_is_never_counted(house: House) -> None:
    """A mail provider posts for all its readers from a few addresses (U5)."""
    flood(house, PLAIN + 1, SOMEBODY)
    path = f"/leave/{house.mail_token(house.reader())}"
    assert {house.ask("POST", path, client=SOMEBODY).status for _ in range(80)} == {200}


@pytest.mark.parametrize(
    "client", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "", "sock"]
)
def test_who_cannot_be_told_apart_is_not_counted(client: str) -> None:
    counts = Networks()
    assert all(counts.admits(client, NOW, proved=False) for _ in range(5 * PLAIN))
    assert counts.admits(None, NOW, proved=False)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.1", "203.0.113.255", True),
        ("203.0.113.1", "203.0.114.1", False),
        ("2001:db8:1:2::3", "2001:db8:1:ffff::1", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
        ("::ffff:203.0.113.1", "203.0.113.9", True),
    ],
)
def test_a_network_is_a_24_or_a_48(one: str, other: str, same: bool) -> None:
    counts = Networks()
    assert all(counts.admits(one, NOW, proved=False) for _ in range(PLAIN))
    assert counts.admits(other, NOW, proved=False) is not same


def test_yesterdays_counts_cannot_be_found_today() -> None:
    counts = Networks()
    assert [counts.admits(SOMEBODY, NOW, proved=False) for _ in range(PLAIN + 1)][-1] is False
    keys = set(counts._limiter.storage._counts)  # type: ignore[attr-defined]
    assert not any(SOMEBODY in key or "203" in key.split("/")[1] for key in keys if "/" in key)
    assert counts.admits(SOMEBODY, NOW + dt.timedelta(days=1), proved=False)
    tomorrow = set(counts._limiter.storage._counts) - keys  # type: ignore[attr-defined]
    assert len(tomorrow) == 1


def _mails(house: House) -> int:
    with house.store.read() as tx:
        return len(tx.execute(sa.select(tables.notices.c.id)).all())


@pytest.mark.parametrize(
    "spelling",
    [
        "victim+{}@example.org",
        "ViCtIm+{}@Example.org",
        "vic.tim+{}@gmail.com",
        "v.ictim+{}@googlemail.com",
    ],
)
def test_tags_flood_nobodys_mailbox(house: House, spelling: str) -> None:
    """Each is a reader of their own to us, and to the mail server all are one mailbox."""
    answers = {house.subscribe(spelling.format(number)).body for number in range(20)}

    assert _mails(house) == 6
    assert len(answers) == 1


def test_other_mailboxes_have_their_own_measure(house: House) -> None:
    for number in range(8):
        house.subscribe(f"victim+{number}@example.org")

    house.subscribe("victim.2@example.org")
    house.subscribe("victim@example.net")

    assert _mails(house) == 8


def test_a_flood_from_everywhere_stays_within_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "MOST_NETWORKS", 100)
    counts = Networks()
    for n in range(1000):
        counts.admits(f"10.{n // 250}.{n % 250}.1", NOW, proved=False)
    assert len(counts._limiter.storage._counts) == 100  # type: ignore[attr-defined]


def test_a_solved_sum_gives_the_larger_measure(house: House) -> None:
    flood(house, PLAIN, SOMEBODY)
    solution = solve(house.get("/challenge").json)
    fields = form("late@example.org", altcha=solution)
    assert house.post("/subscribe", fields, client=SOMEBODY).status == 200


def test_a_solution_is_good_once(house: House) -> None:
    flood(house, PLAIN, SOMEBODY)
    solution = solve(house.get("/challenge").json)
    first = house.post("/subscribe", form("a@example.org", altcha=solution), client=SOMEBODY)
    again = house.post("/subscribe", form("b@example.org", altcha=solution), client=SOMEBODY)
    assert (first.status, again.status) == (200, 429)


def test_a_replay_is_known_to_the_next_process_too(house: House) -> None:
    solution = solve(house.get("/challenge").json)
    house.post("/subscribe", form("a@example.org", altcha=solution))
    house.app = build(house.parts)
    flood(house, PLAIN, SOMEBODY)
    again = house.post("/subscribe", form("b@example.org", altcha=solution), client=SOMEBODY)
    assert again.status == 429


def test_a_sum_is_too_old_after_an_hour_and_then_forgotten(house: House) -> None:
    solution = solve(house.get("/challenge").json)
    house.post("/subscribe", form("a@example.org", altcha=solution))
    later = NOW + dt.timedelta(minutes=61)
    assert challenge.check(house.parts.vault, solution, later) is None
    house.app = build(replace(house.parts, clock=lambda: later))
    fresh = solve(house.get("/challenge").json)
    house.post("/subscribe", form("b@example.org", altcha=fresh))
    with house.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(tables.challenges)) == 1


def test_a_solution_that_was_touched_is_none(house: House) -> None:
    sum_ = house.get("/challenge").json
    number = json.loads(base64.b64decode(solve(sum_)))["number"]
    vault = house.parts.vault
    assert challenge.check(vault, packed(sum_, number), NOW) is not None
    later = sum_["salt"].replace("expires=", "expires=9")
    digits = str(number)
    touched = [
        packed(sum_, number + 1),
        packed(sum_, str(number)),
        packed(sum_, float(number)),
        packed(sum_, True),
        packed(sum_, None),
        packed(sum_, number, algorithm="SHA-1"),
        packed(sum_, number, algorithm=["SHA-256"]),
        packed(sum_, number, signature="0" * 64),
        packed(sum_, number, signature=None),
        packed(sum_, number, salt=later),
        packed(sum_, number, salt=""),
        packed(sum_, number, salt="é"),
        packed(sum_, int(digits[1:] or 0), salt=sum_["salt"] + digits[:1]),
        packed(sum_, 10**4000),
        "",
        "!",
        "e30=",
        base64.b64encode(b"[" * 5000).decode(),
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b'"x"').decode(),
        base64.b64encode(b"\xff").decode(),
    ]
    assert [challenge.check(vault, payload, NOW) for payload in touched] == [None] * len(touched)


def test_a_sum_of_another_publication_is_worth_nothing(house: House, tmp_path: Any) -> None:
    from tests.web.house import make_house

    solution = solve(house.get("/challenge").json)
    (tmp_path / "other").mkdir()
    for other in make_house(tmp_path / "other", None):
        assert challenge.check(other.parts.vault, solution, NOW) is None


def test_a_wrong_solution_is_no_worse_than_none(house: House) -> None:
    """A broken script does not keep anybody out."""
    answer = house.post("/subscribe", form("a@example.org", altcha="x" * 2000), client=SOMEBODY)
    assert answer.status == 200
    assert len(house.people()) == 1
