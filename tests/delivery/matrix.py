"""The kill matrix: senders killed, stopped or cut off from power at any event, by seed.

    python tests/delivery/matrix.py [RUNS [FIRST-SEED]]     what `make crash` runs
    python tests/delivery/matrix.py every [STRIDE]          SIGKILL at each event once, in order
    python tests/delivery/matrix.py seed SEED               one run again

A seed says everything that is drawn: the database, one or three senders, what
happens to them, at which event, whether a reader leaves meanwhile. (With three
senders the machine's scheduler has a word too, so such a run may end otherwise
the second time.) Afterwards one more sender is started, as an operator would,
and the run is judged: copies by the relay, claims by the ledger.

    kill      SIGKILL between two events; up to three times, one after another
    stopped   SIGSTOP, another sender on this machine sends meanwhile, SIGCONT
    frozen    SIGSTOP for longer than the lease, a sender on another machine
              takes it for dead and sends meanwhile, SIGCONT
    judged    the same, and an operator has whoever got nothing sent again before the
              SIGCONT; a copy too many may come of it only where it was stopped
              between the last look at the clock and the write of the final dot
    power     every sender dies at once, and whatever was not flushed is lost
    refused   the database refuses (no byte goes on the disk, or PostgreSQL's lines are
              cut), the sender lives on and sends again; nobody is in doubt for it

matrix_power.py says what `power` models and what it does not.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.postgres import server
from matrix_place import READERS, Place
from matrix_trial import Kind, Plan, Verdict, plan, trial

CONSOLE = Console()


def run_all(place: Place, plans: Sequence[Plan]) -> list[Verdict]:
    """Each plan once; a failure is printed when it comes, with the seed that repeats it. Ctrl-C ends it early."""
    verdicts: list[Verdict] = []
    columns = (TextColumn("{task.completed}/{task.total}"), BarColumn(), TimeRemainingColumn())
    with suppress(KeyboardInterrupt), Progress(*columns, console=CONSOLE) as bar:
        task = bar.add_task("", total=len(plans))
        for one in plans:
            verdicts.append(verdict := trial(place, one))
            for breach in verdict.breaches:
                CONSOLE.print(f"{one}: {breach}", soft_wrap=True, highlight=False)
            bar.advance(task)
    return verdicts


def table(verdicts: Sequence[Verdict]) -> Table:
    """What was done, and what it came to."""
    drawn = Table(
        "what", "database", "senders", "runs", "blows", "in doubt", "not served", "breaches"
    )
    groups: dict[tuple[str, str, int], list[Verdict]] = defaultdict(list)
    for each in verdicts:
        groups[each.plan.kind.value, each.plan.dialect, each.plan.senders].append(each)
    for (kind, dialect, number), found in sorted(groups.items()):
        counts = (
            len(found),
            sum(each.blows for each in found),
            sum(each.in_doubt for each in found),
            sum(each.unserved for each in found),
            sum(bool(each.breaches) for each in found),
        )
        drawn.add_row(kind, dialect, str(number), *map(str, counts))
    return drawn


def every_event(place: Place, stride: int) -> list[Plan]:
    """SIGKILL at each event of a send with one sender, on each database."""
    plans = []
    for dialect in ("sqlite", "postgresql"):
        total = len(place.survey(dialect))
        for event in range(1, total + 1, stride):
            share = (event - 0.5) / total
            plans.append(Plan(event, Kind.KILL, dialect, 1, (share,), None, 0))
    return plans


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as name, server(durable=False) as url:
        place = Place(Path(name), url)
        try:
            match arguments:
                case ["seed", seed]:
                    plans = [plan(int(seed))]
                case ["every", *stride]:
                    plans = every_event(place, int(stride[0]) if stride else 1)
                case _:
                    runs, first = [*map(int, arguments), *(2000, 0)[len(arguments) :]]
                    plans = [plan(seed) for seed in range(first, first + runs)]
            verdicts = run_all(place, plans)
        finally:
            place.close()
    CONSOLE.print(table(verdicts))
    failed = sum(bool(each.breaches) for each in verdicts)
    doubts = sum(each.in_doubt for each in verdicts)
    CONSOLE.print(
        f"{len(verdicts)} runs of {READERS} readers: "
        + (f"{failed} BROKE THE LAW" if failed else "at most one copy each, nobody without a state")
        + f"; {doubts} in doubt, every sum exact, all others sent" * (not failed)
    )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
