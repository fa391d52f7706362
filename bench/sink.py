"""A relay that takes everything and keeps nothing: python -m bench.sink PORT-FILE [LOG [DROP LATER]]

One process, one event loop, no dialogue beyond what is needed, PIPELINING
offered. It is there to be faster than whoever is measured against it. With
LOG, each recipient is written there (unbuffered) before the 250, so that a
killed sender can be judged. DROP is the share of messages after whose final
dot it hangs up without an answer, LATER the share of recipients that get 451
the first time; both by the same dice every time.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
from pathlib import Path
from typing import ClassVar

END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    log: int | None = None
    drop = later = 0.0
    dice = random.Random(1)
    seen: ClassVar[set[bytes]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.out = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.in_data = False
        self.recipient = b""
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        answers = b""
        while True:
            if self.in_data:
                # Only what is new can hold the end, but for four bytes before it.
                end = self.buffer.find(END, max(0, len(self.buffer) - len(data) - 4))
                if end < 0:
                    break
                del self.buffer[: end + 5]
                self.in_data = False
                if self.log is not None:
                    os.write(self.log, self.recipient + b"\n")
                if self.drop and self.dice.random() < self.drop:
                    self.out.abort()
                    return
                answers += b"250 2.0.0 ok\r\n"
                continue
            end = self.buffer.find(b"\n")
            if end < 0:
                break
            line = bytes(self.buffer[:end])
            del self.buffer[: end + 1]
            answers += self.answer(line)
            data = bytes(self.buffer)
        if answers:
            self.out.write(answers)

    def answer(self, line: bytes) -> bytes:
        match line[:4].upper():
            case b"DATA":
                if not self.recipient:
                    return b"503 no recipient\r\n"
                self.in_data = True
                return b"354 go\r\n"
            case b"RCPT":
                self.recipient = line[line.find(b"<") + 1 : line.find(b">")]
                if self.later and self.recipient not in self.seen:
                    self.seen.add(self.recipient)
                    if self.dice.random() < self.later:
                        self.recipient = b""
                        return b"451 4.7.1 greylisted\r\n"
                return b"250 ok\r\n"
            case b"EHLO":
                return b"250-sink\r\n250 PIPELINING\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
            case _:
                return b"250 ok\r\n"


async def main(port_file: str, log: str = "", drop: str = "0", later: str = "0") -> None:
    if log:
        Sink.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    Sink.drop, Sink.later = float(drop), float(later)
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, backlog=128)
    beside = Path(f"{port_file}.new")
    beside.write_text(str(server.sockets[0].getsockname()[1]), "ascii")
    beside.replace(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
