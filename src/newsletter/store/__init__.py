"""Engine, transactions, tables, migrations. Queries live in the rooms that ask."""

from newsletter.store.engine import Store, open_store

__all__ = ["Store", "open_store"]
