"""Forks a sender for every line it reads, and says how it ended: python crash_server.py

    in:   ROOT PORT CONNECTIONS KILL_AT      out:  EVENTS or "killed"

The child runs the whole flow of `newsletter send` and is traced: every call
and return of a C function that touches the disk or the network counts as an
event. At event KILL_AT the child kills itself with SIGKILL; 0 means never, and
then the number of events is answered. So "between any two of them" is a
number, and nothing in the product knows of it.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from delivery_house import smtp
from month_files import DECEMBER, DUE
from scripted_relay import Scripted

from newsletter import config
from newsletter.delivery.transports.smtp import Patience
from newsletter.flows.parts import Parts
from newsletter.flows.send import Sent, send
from newsletter.store import open_store
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

WATCHED = frozenset(
    {"execute", "executemany", "commit", "rollback", "send", "sendall", "recv", "connect"}
    | {"fsync", "replace", "open", "write", "shutdown", "close"}
)


def trace(kill_at: int) -> Any:
    """Count events; kill this process at the one that is asked for."""
    count = itertools.count(1)
    last = [0]

    def event(frame: FrameType, kind: str, function: Any) -> None:
        if kind in ("c_call", "c_return") and function.__name__ in WATCHED:
            last[0] = next(count)
            if last[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(event)
    sys.setprofile(event)
    return last


def child(root: str, port: int, connections: int, kill_at: int) -> int:
    settings = config.load(Path(root))
    delivery = settings.delivery.model_copy(update={"connections": connections})
    settings = settings.model_copy(update={"delivery": delivery})
    store = open_store(f"sqlite:///{root}/subscribers/newsletter.db")
    vault = unlock(store, RootKey(bytes(range(32))), DUE)
    relay = smtp(Scripted({}, port=port), Patience())
    last = trace(kill_at)
    sent = send(
        Parts(settings, store, vault, relay, lambda: DUE, lambda: None, lambda _page: True),
        DECEMBER,
    )
    sys.setprofile(None)
    assert isinstance(sent, Sent), sent
    store.close()
    return int(last[0])


def main() -> None:
    for line in sys.stdin:
        root, *numbers = line.split()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(write, str(child(root, *map(int, numbers))).encode())
            os._exit(0)
        os.close(write)
        _, status = os.waitpid(pid, 0)
        said = os.read(read, 100).decode()
        os.close(read)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else said or "failed", flush=True)


if __name__ == "__main__":
    main()
