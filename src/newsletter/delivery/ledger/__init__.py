"""The ledger: one row per issue and reader, and every way it may change.

Pure states in delivery/states.py; here are the guarded UPDATEs. Each takes the
caller's transaction (`tx`), except `open_issue`, which owns its own.
"""

from newsletter.delivery.ledger import clock, helm, tally, whereabouts
from newsletter.delivery.ledger.claims import (
    begin,
    claim,
    exclude,
    fence,
    return_,
    waiting,
)
from newsletter.delivery.ledger.ending import (
    MAIL_LOG,
    OPERATOR,
    Resolved,
    close,
    expire,
    halt,
    resolve,
    testify,
)
from newsletter.delivery.ledger.lanes import NOTICES, Job, Lane
from newsletter.delivery.ledger.opening import (
    NOBODY,
    AlreadySent,
    Opened,
    Refused,
    Rules,
    open_issue,
    refusal,
)
from newsletter.delivery.ledger.owed import owe, settle_and_recover
from newsletter.delivery.ledger.recovery import (
    LEASE,
    Recovered,
    crowd,
    doubt_everything,
    is_overtaken,
    recover,
    register,
    renew,
    sign_off,
)
from newsletter.delivery.ledger.settling import exchange, settle
from newsletter.delivery.ledger.sums import Line, Sum, lines, recount, sums, uneven
from newsletter.delivery.ledger.turn import Turns

__all__ = [
    "LEASE",
    "MAIL_LOG",
    "NOBODY",
    "NOTICES",
    "OPERATOR",
    "AlreadySent",
    "Job",
    "Lane",
    "Line",
    "Opened",
    "Recovered",
    "Refused",
    "Resolved",
    "Rules",
    "Sum",
    "Turns",
    "begin",
    "claim",
    "clock",
    "close",
    "crowd",
    "doubt_everything",
    "exchange",
    "exclude",
    "expire",
    "fence",
    "halt",
    "helm",
    "is_overtaken",
    "lines",
    "open_issue",
    "owe",
    "recount",
    "recover",
    "refusal",
    "register",
    "renew",
    "resolve",
    "return_",
    "settle",
    "settle_and_recover",
    "sign_off",
    "sums",
    "tally",
    "testify",
    "uneven",
    "waiting",
    "whereabouts",
]
