"""Engine, transactions, tables, migrations. Queries live in the rooms that ask."""
