"""How long a site takes, beside Hugo, Pelican and MkDocs on the same corpus.

    python -m bench.site                          1,000 articles
    python -m bench.site --sizes 1000,10000       and ten thousand
    python -m bench.site --peers /tmp/peers/bin   where hugo, pelican and mkdocs are

Peers that are not there are left out, and it says so. Times are wall clock,
the median of three runs at 1,000 and one run above; memory is the largest sum
of the processes' own shares (PSS). Ratios are what counts: machines differ.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench import corpus

EDIT = "\nOne more sentence at the end.\n"


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


def lap(tool: Tool, size: int, scratch: Path, rounds: int) -> dict[str, Run]:
    """Cold, with nothing changed, and with one article changed; medians of `rounds`."""
    made: dict[str, list[Run]] = {"cold": [], "nothing": [], "one": []}
    for _ in range(rounds):
        folder = scratch / tool.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        getattr(corpus, tool.name)(folder, size)
        made["cold"].append(measure(tool.command, folder))
        made["nothing"].append(measure(tool.command, folder))
        with (folder / tool.text).open("a", encoding="utf-8") as file:
            file.write(EDIT)
        made["one"].append(measure(tool.command, folder))
        shutil.rmtree(folder)
    return {
        what: Run(
            *(
                statistics.median(getattr(run, part) for run in runs)
                for part in ("wall", "cpu", "memory")
            )
        )
        for what, runs in made.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000")
    parser.add_argument("--only", default="ours,hugo,pelican,mkdocs")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    wanted = given.only.split(",")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    for size in (int(size) for size in given.sizes.split(",")):
        found: dict[str, dict[str, Run]] = {}
        for tool in (tool for tool in tools(given.peers) if tool.name in wanted):
            with tempfile.TemporaryDirectory() as scratch:
                found[tool.name] = lap(
                    tool, size, Path(scratch), given.rounds if size <= 1000 else 1
                )
            for what, run in found[tool.name].items():
                print(
                    f"{size:>6} {tool.name:8} {what:8} {run.wall:7.2f} s wall  {run.cpu:7.2f} s cpu  {run.memory:6.0f} MB",
                    flush=True,
                )
        _ratios(size, found)


def _ratios(size: int, found: dict[str, dict[str, Run]]) -> None:
    ours = found.get("ours")
    for name, other in found.items():
        if ours is None or name == "ours":
            continue
        cold, one, nothing = (
            other["cold"].wall / ours[what].wall for what in ("cold", "one", "nothing")
        )
        print(
            f"{size:>6} ours against {name}'s full build: cold {cold:.2f}x, one changed {one:.1f}x, nothing changed {nothing:.1f}x as fast; memory {ours['cold'].memory / max(1.0, other['cold'].memory):.2f} of its"
        )


if __name__ == "__main__":
    main()
