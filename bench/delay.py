"""A proxy that makes the road long: python -m bench.delay PORT-FILE TARGET-PORT ROUND-TRIP-MS

Whatever is said arrives half a round trip later, in both directions.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path


async def pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(256 * 1024):
        loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


async def main(port_file: str, target: str, round_trip: str) -> None:
    half = float(round_trip) / 2000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", int(target))
        for end in (writer, back):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(
            pass_on(reader, back, half), pass_on(there, writer, half), return_exceptions=True
        )

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    beside = Path(f"{port_file}.new")
    beside.write_text(str(server.sockets[0].getsockname()[1]), "ascii")
    beside.replace(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
