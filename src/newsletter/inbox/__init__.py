"""An inbox in the box: an SMTP sink on loopback, and a page that shows each mail as it came.

    with Inbox() as inbox:
        ...send to 127.0.0.1:inbox.smtp_port...
        inbox.wait_for(1, timeout=5)

Nothing leaves it. It is for the demo, for tests and for a first look at one's
own letter; it is not a mail server.
"""

from __future__ import annotations

from newsletter.inbox.inbox import Inbox, run
from newsletter.inbox.mail import Mail

__all__ = ["Inbox", "Mail", "run"]
