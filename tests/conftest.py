"""What every test gets: no road out of this machine, and a small real publication."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from newsletter import config

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
"""The fixed clock of the tests."""

TOML = """\
[publication]
title = "Test letter"
url = "http://127.0.0.1:8000"
languages = ["en", "ru", "de"]
time_zone = "Europe/Berlin"
subject = "health"

[sender]
name = "Test letter"
address = "letter@letter.example.org"
postal_address = "Example street 1, 10115 Example"
list_id = "letter.letter.example.org"

[approvers.Editor]
"""


@pytest.fixture(autouse=True, scope="session")
def no_road_out() -> Iterator[None]:
    """Refuse every connection that is not to this machine, for the whole run."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if (
            self.family in (socket.AF_INET, socket.AF_INET6)
            and not ipaddress.ip_address(address[0]).is_loopback
        ):
            raise PermissionError(f"a test tried to leave this machine: {address[0]}")
        real(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


@pytest.fixture
def now() -> dt.datetime:
    return NOW


@pytest.fixture
def publication(tmp_path: Path) -> Callable[..., config.Settings]:
    """Make a publication in a scratch folder: `publication({"content/x.md": "..."}, toml=...)`."""

    def make(files: dict[str, str | bytes] | None = None, toml: str = TOML) -> config.Settings:
        root = tmp_path / "letter"
        root.mkdir(exist_ok=True)
        (root / "newsletter.toml").write_text(toml, "utf-8")
        for name, content in (files or {}).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return config.load(root)

    return make
