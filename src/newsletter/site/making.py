"""Pages and feeds made and put into the next tree, in as many processes as it pays."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator, Sequence

from newsletter.site.inventory import Inventory
from newsletter.site.stamps import Stamp
from newsletter.site.tree import Next

Progress = Callable[[int, int, str], None]
ENOUGH = 256
"""Files. Below, one process is done before a second has begun."""
SHARE = 16
"""Files that a process takes at a time: some pages (lists) take a hundred times as long as others."""


def make(
    names: Sequence[str],
    inventory: Inventory,
    next_tree: Next,
    jobs: int,
    progress: Progress | None,
) -> dict[str, Stamp]:
    """File -> stamp of each, written where the site has not the same.

    Raises:
        Findings: a template is wrong.
    """
    stamps: dict[str, Stamp] = {}
    for name, stamp in zip(names, _made(names, inventory, next_tree, jobs), strict=True):
        stamps[name] = stamp
        if progress is not None:
            progress(len(stamps), len(names), "pages")
    return stamps


def _made(
    names: Sequence[str], inventory: Inventory, next_tree: Next, jobs: int
) -> Iterator[Stamp]:
    # Only a fork knows the plan without being told it; and only a process of one thread may fork.
    if jobs < 2 or len(names) < ENOUGH or threading.active_count() > 1 or not hasattr(os, "fork"):
        yield from (next_tree.put(name, inventory.data(name)) for name in names)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("fork")
    gc.freeze()  # what is shared stays shared: the collector writes into every object it looks at
    try:
        with ProcessPoolExecutor(jobs, context, _begin, (inventory, next_tree)) as pool:
            yield from pool.map(_put, names, chunksize=SHARE)
    finally:
        gc.unfreeze()


_WORK: list[tuple[Inventory, Next]] = []
"""In a worker: what it was born with."""


def _begin(inventory: Inventory, next_tree: Next) -> None:
    gc.enable()
    _WORK.append((inventory, next_tree))


def _put(name: str) -> Stamp:
    inventory, next_tree = _WORK[0]
    return next_tree.put(name, inventory.data(name))
