"""What our own mail server logged of a mail: evidence for a delivery in doubt.

    files -> lines.py -> postfix.py | exim.py | opensmtpd.py -> Track -> verdict

A row in doubt asks one thing: did the next hop take the message? Only the log
of that hop answers, and each server says it in another line:

| server | finds ours by | "taken" is | and not |
|---|---|---|---|
| Postfix | `message-id=` of cleanup | the queue manager's line, or a delivery's | cleanup's line: it comes before the final dot |
| Exim | `id=` of the `<=` line | that line | nothing else names the Message-ID |
| OpenSMTPD | the return path of `smtp envelope` | that line | `msgid=` is its own number, not our Message-ID |

Whoever could write our Message-ID into that log has had the mail or reads the
log: it is a keyed hash that only the row, the server and the reader hold.
Source: postfix/src/cleanup/cleanup_message.c, postfix/src/global/opened.c,
log_adhoc.c; exim/src/src/receive.c; OpenSMTPD/usr.sbin/smtpd/smtp_session.c, mta.c.
"""

from newsletter.delivery.mtalog.lines import Unreadable
from newsletter.delivery.mtalog.reading import Format, Log, read
from newsletter.delivery.mtalog.track import Proof, Track

__all__ = ["Format", "Log", "Proof", "Track", "Unreadable", "read"]
