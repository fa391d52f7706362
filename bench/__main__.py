"""Every bench, or those that are named: python -m bench [NAME ...]

Each runs in a process of its own, so that none warms another's caches. What
counts are the ratios printed side by side in one run, not the seconds.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HELPERS = {"__init__", "__main__", "corpus", "delay", "post", "postgres", "sink"}


def names() -> list[str]:
    return sorted(
        path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS
    )


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - set(names())
    if unknown:
        print(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(names())}")
        return 2
    failed = 0
    for name in wanted or names():
        print(f"\n== {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
