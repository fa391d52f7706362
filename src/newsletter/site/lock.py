"""One build of a publication at a time: a lock that goes with its process."""

from __future__ import annotations

from pathlib import Path

from newsletter.errors import CouldNotRun, Finding, Where
from newsletter.files import Held, hold


def alone(folder: Path, patience: float = 0.0) -> Held:
    """Hold the publication's build memory; it goes with the process, however that ends.

    `patience`: seconds to wait for another build that holds it.

    Raises:
        CouldNotRun: NL304 the folder cannot be made; NL305 another process is
            building, and still is after `patience`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return hold(folder, patience)
    except TimeoutError as error:
        raise CouldNotRun(
            Finding(
                "NL305",
                "another build is running",
                help="wait until it has ended, then build again",
            )
        ) from error
    except OSError as error:
        raise CouldNotRun(
            Finding(
                "NL304",
                f"the build's memory cannot be written: {error.strerror}",
                Where(str(folder)),
                help="make room, or check the rights of the folder",
            )
        ) from error
