"""From the wire and back: a relay takes the issue, and its reports find the rows again."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import corpus
import pytest
import sqlalchemy as sa
from corpus import Ours
from feedback_house import Sent

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from delivery_house import smtp
from scripted_relay import relay
from test_feedback_offer import TOML

from newsletter.config import Settings
from newsletter.delivery.feedback import Effect
from newsletter.store.tables import attempts


@pytest.mark.parametrize("extra", [(), ("DSN",)])
def test_what_the_relay_got_is_enough_to_find_its_row_again(
    sent: Sent, publication: Callable[..., Settings], extra: tuple[str, ...]
) -> None:
    sent.settings = publication(toml=TOML)
    sent.readers(3)
    sent.open()
    with relay({}, extra=extra) as server:
        sent.send(smtp(server), connections=1)
    assert set(sent.states().values()) == {"accepted"}
    with sent.store.write() as tx:  # the address is known to the relay alone
        tx.execute(sa.delete(attempts))
    dialogue = "\n".join(server.lines)
    paths = re.findall(r"MAIL FROM:<([^>]+)>", dialogue)
    ids = re.findall(r"ENVID=(\S+)", dialogue)
    assert len(set(paths)) == 3
    assert len(set(ids)) == (3 if extra else 0)
    got = dict(zip(paths, server.delivered, strict=True))
    for path, (recipient, message) in got.items():
        token = path.removeprefix("b+").partition("@")[0]
        assert not ids or token in ids
        (name,) = re.findall(rb"^Message-ID: (\S+)\r$", message, re.MULTILINE)
        (leave,) = re.findall(rb"/leave/([\w-]{32})>", message)
        ours = Ours(path, name.decode(), recipient, leave.decode(), token if ids else "")
        assert sent.hears(corpus.postfix(ours)).effects == {Effect.SUPPRESSED: 1}
    assert set(sent.states().values()) == {"bounced"}
    assert sent.sum().exact
