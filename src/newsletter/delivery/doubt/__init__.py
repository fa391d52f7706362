"""Who is in doubt, what is known of it, and what a mail log says.

    rows.case            the doubts of an issue with all their evidence, by random id
    judging.neighbours   mails of ours that were taken just before and just after each
    judging.judge        doubt, neighbours, log -> a proof, or why there is none
    settling.settle      the proofs into the ledger; a bounce goes through feedback's door

Nothing here sends anything. A mail that a log does not name was not taken only
where the log shows our mails right before and right after it, lacks none of
them, the operator says that nothing of it is missing, and the server has had
ten minutes for it. Times in the log are not read: it may come from another
host's clock, its order may not.
"""

from newsletter.delivery.doubt.judging import Around, Cover, Judged, judge, neighbours
from newsletter.delivery.doubt.rows import Case, Doubt, Sender, addresses, case
from newsletter.delivery.doubt.settling import Effect, Word, foresee, settle

__all__ = [
    "Around",
    "Case",
    "Cover",
    "Doubt",
    "Effect",
    "Judged",
    "Sender",
    "Word",
    "addresses",
    "case",
    "foresee",
    "judge",
    "neighbours",
    "settle",
]
