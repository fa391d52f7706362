"""How long a site takes, beside Hugo, Pelican and MkDocs on the same corpus.

    python -m bench.site                          1,000 articles
    python -m bench.site --sizes 1000,10000       and ten thousand
    python -m bench.site --peers /tmp/peers/bin   where hugo, pelican and mkdocs are

Peers that are not there are left out, and it says so; above 1,000 articles
only Hugo is asked, for the others take minutes (--everywhere asks them all).
Times are wall clock; every figure is the median of the rounds, in which the
tools take turns. Memory is the largest sum of the processes' own shares (PSS).
At the end all ratios and limits stand in one table. Machines differ: ratios
are what counts, and a figure of a busy machine is none.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import corpus

EDIT = "\nOne more sentence at the end.\n"
MANY = 1000
"""Articles. Above, only Hugo is asked."""
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}
"""Everybody's Python may keep its byte code, as it does where nobody forbids it."""


@dataclass(frozen=True)
class Run:
    """One run: wall and processor seconds, and memory in MB."""

    wall: float
    cpu: float
    memory: float


def measure(command: list[str], folder: Path) -> Run:
    """Run `command` in `folder` and watch its whole process group."""
    before = os.times()
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    peak = [0.0]
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
    watcher.start()
    _, errors = process.communicate()
    wall = time.monotonic() - started
    done.set()
    watcher.join()
    after = os.times()
    if process.returncode:
        raise SystemExit(f"{command[0]} failed: {errors.decode(errors='replace')[-400:]}")
    return Run(
        wall,
        after.children_user - before.children_user + after.children_system - before.children_system,
        peak[0],
    )


def _watch(session: int, peak: list[float], done: threading.Event) -> None:
    while not done.wait(0.05):
        total = 0
        for place in Path("/proc").iterdir():
            if not place.name.isdecimal():
                continue
            try:
                if os.getsid(int(place.name)) != session:
                    continue
                rollup = (place / "smaps_rollup").read_text()
            except (OSError, ProcessLookupError):
                continue
            total += sum(
                int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")
            )
        peak[0] = max(peak[0], total / 1024)


@dataclass(frozen=True)
class Tool:
    name: str
    command: list[str]
    text: str
    """Where article 7 lies in its folder."""


def tools(peers: Path | None) -> list[Tool]:
    """Ours first, then the peers that are there."""
    ours = [
        sys.executable,
        "-m",
        "newsletter",
        "--root",
        ".",
        "--quiet",
        "build",
        "--out",
        "public",
        "--jobs",
        "2",
    ]
    found = [Tool("ours", ours, "content/articles/article-7.en.md")]
    wanted = {
        "hugo": (["hugo", "--quiet"], "content/articles/article-7.md"),
        "pelican": (["pelican", "-q", "-o", "output"], "content/article-7.md"),
        "mkdocs": (["mkdocs", "build", "-q", "--dirty"], "docs/article-7.md"),
    }
    for name, (command, text) in wanted.items():
        path = shutil.which(name, path=str(peers) if peers else None)
        if path is None:
            print(f"{name} is not here and is left out")
            continue
        found.append(Tool(name, [path, *command[1:]], text))
    return found


Laps = dict[str, list[Run]]
"""What was done ("cold", "nothing", "one") -> its runs."""


def lap(tool: Tool, size: int, scratch: Path) -> dict[str, Run]:
    """One round of a tool: cold, with nothing changed, and with one article changed."""
    folder = scratch / tool.name
    folder.mkdir()
    getattr(corpus, tool.name)(folder, size)
    made = {"cold": measure(tool.command, folder), "nothing": measure(tool.command, folder)}
    with (folder / tool.text).open("a", encoding="utf-8") as file:
        file.write(EDIT)
    made["one"] = measure(tool.command, folder)
    shutil.rmtree(folder)
    return made


def rounds(chosen: list[Tool], size: int, count: int) -> dict[str, dict[str, Run]]:
    """Tool -> what was done -> medians of `count` rounds, in which the tools take turns."""
    laps: dict[str, Laps] = {tool.name: {"cold": [], "nothing": [], "one": []} for tool in chosen}
    for number in range(count):
        for tool in chosen:
            with tempfile.TemporaryDirectory() as scratch:
                for what, run in lap(tool, size, Path(scratch)).items():
                    laps[tool.name][what].append(run)
        print(f"{size:>6} round {number + 1} of {count}", file=sys.stderr, flush=True)
    return {
        name: {what: _median(runs) for what, runs in made.items()} for name, made in laps.items()
    }


def _median(runs: list[Run]) -> Run:
    wall, cpu, memory = (
        statistics.median(getattr(run, part) for run in runs) for part in ("wall", "cpu", "memory")
    )
    return Run(wall, cpu, memory)


Found = dict[int, dict[str, dict[str, Run]]]
"""Articles -> tool -> what was done -> medians."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000")
    parser.add_argument("--only", default="ours,hugo,pelican,mkdocs")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--everywhere", action="store_true")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    there = [tool for tool in tools(given.peers) if tool.name in given.only.split(",")]
    rounds(there, 10, 1)  # everybody's byte code is compiled, everybody's files are read once
    found: Found = {}
    for size in (int(size) for size in given.sizes.split(",")):
        chosen = [
            tool
            for tool in there
            if size <= MANY or given.everywhere or tool.name in ("ours", "hugo")
        ]
        found[size] = rounds(chosen, size, given.rounds)
        for name, made in found[size].items():
            for what, run in made.items():
                print(
                    f"{size:>6} {name:8} {what:8} {run.wall:7.2f} s wall  {run.cpu:7.2f} s cpu  {run.memory:6.0f} MB",
                    flush=True,
                )
    print(f"\nload {os.getloadavg()[0]:.1f} at the end; each line is a ratio or a limit")
    for line in verdicts(found):
        print(line)


def verdicts(found: Found) -> Iterator[str]:
    """One line for each ratio and limit that the runs can tell of."""

    def line(what: str, value: float, limit: float, unit: str, *, most: bool = True) -> str:
        holds = value <= limit if most else value >= limit
        sign = "at most" if most else "at least"
        return (
            f"{'holds ' if holds else 'FAILS '} {what:58} {value:7.2f} {unit:5} ({sign} {limit:g})"
        )

    for size, made in found.items():
        ours, hugo, pelican = (made.get(name) for name in ("ours", "hugo", "pelican"))
        if ours is None:
            continue
        for name, other in made.items():
            if name != "ours":
                cold, one, nothing = (
                    other["cold"].wall / ours[what].wall for what in ("cold", "one", "nothing")
                )
                yield f"        {size:,}: against {name}'s full build: cold {cold:.2f}x, one changed {one:.1f}x, nothing changed {nothing:.1f}x as fast"
        if size == MANY:
            yield line(f"{size:,}: one article changed", ours["one"].wall, 0.6, "s")
            yield line(f"{size:,}: nothing changed", ours["nothing"].wall, 0.5, "s")
            if pelican:
                ratio = pelican["cold"].wall / ours["cold"].wall
                yield line(f"{size:,}: cold, Pelican's time to ours", ratio, 2.5, "x", most=False)
        if size > MANY and hugo:
            full = hugo["cold"]
            yield line(
                f"{size:,}: cold, our time to Hugo's", ours["cold"].wall / full.wall, 2.5, "x"
            )
            yield line(
                f"{size:,}: one changed, our time to Hugo's full build",
                ours["one"].wall / full.wall,
                0.2,
                "x",
            )
            memory = max(run.memory for run in ours.values()) / full.memory
            yield line(f"{size:,}: peak memory, ours to Hugo's", memory, 0.2, "x")
    sizes = sorted(size for size, made in found.items() if "ours" in made)
    for small, large in itertools.pairwise(sizes):
        growth = found[large]["ours"]["cold"].cpu / found[small]["ours"]["cold"].cpu
        yield line(
            f"{small:,} to {large:,}: growth of cold processor time to growth of the corpus",
            growth / (large / small),
            1.1,
            "x",
        )


if __name__ == "__main__":
    main()
