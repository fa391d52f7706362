"""newsletter.toml, read once into Settings. Nobody else reads it.

Unknown keys are errors with a place and a suggestion; secrets are names
(`env:NAME`, `file:PATH`) until the moment they are used, and print as stars.
"""

from newsletter.config.kinds import kind
from newsletter.config.reading import known_keys, load
from newsletter.config.tables import (
    Delivery,
    Imap,
    Month,
    SendGrid,
    Settings,
    Smtp,
    Store,
    Table,
)
from newsletter.config.values import (
    FILE_NAME,
    ORDINALS,
    PLACEHOLDER_HOSTS,
    WEEKDAYS,
    Secret,
)

__all__ = [
    "FILE_NAME",
    "ORDINALS",
    "PLACEHOLDER_HOSTS",
    "WEEKDAYS",
    "Delivery",
    "Imap",
    "Month",
    "Secret",
    "SendGrid",
    "Settings",
    "Smtp",
    "Store",
    "Table",
    "kind",
    "known_keys",
    "load",
]
