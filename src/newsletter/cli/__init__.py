"""The command line: one thin module per group of commands, one renderer of findings.

stdout is data, stderr is talk. Exit codes: 0 done; 1 findings, nothing
published and nothing sent; 2 could not run; 3 sent in part or in doubt.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and leave with its exit code."""
    import gc
    import sys

    from newsletter.cli import signals

    signals.end_at_any()
    from newsletter.cli.app import run

    signals.break_off_at_any()
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # a second one, while the first was being told
        code = 2
    signals.heed_none()
    gc.freeze()  # the process ends: nobody looks through all it holds once more
    sys.exit(code)
