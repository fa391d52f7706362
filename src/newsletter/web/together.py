"""Many visitors, one commit: whoever comes while a commit is under way shares the next one.

    request -> queue -> one thread: BEGIN, every waiting piece of work, COMMIT (one fsync) -> answers

Nobody is answered before the commit that holds their work is on the disk. A
lone visitor waits for nobody; a hundred at once cost the disk hardly more than
one, and their threads do not fight for the interpreter.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 64
"""Pieces of work in one commit: the first of them waits for the last."""

IDLE_SECONDS = 5.0
"""A thread without work goes home; the next piece of work calls another."""


@dataclass(frozen=True, slots=True)
class _Piece(Generic[T, R]):
    work: T
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[R]

    def settle(self, result: R | None, error: BaseException | None) -> None:
        def set_it() -> None:
            if self.answer.done():
                return  # the visitor has gone
            if error is not None:
                self.answer.set_exception(error)
            else:
                self.answer.set_result(result)  # type: ignore[arg-type]

        self.loop.call_soon_threadsafe(set_it)


class Together(Generic[T, R]):
    """`act` does a batch of works in one transaction and returns one result for each, in order.

    When it raises, nothing of the batch happened, and each work is done alone,
    so that one visitor's trouble is no other's.
    """

    def __init__(self, act: Callable[[Sequence[T]], Sequence[R]], name: str) -> None:
        self._act = act
        self._name = name
        self._queue: SimpleQueue[_Piece[T, R]] = SimpleQueue()
        self._turn = threading.Lock()
        self._works = False

    async def do(self, work: T) -> R:
        """The result of `work`, once it is on the disk. Raises what `act` raised for it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._queue.put(_Piece(work, loop, answer))
        self._call()
        return await answer

    def _call(self) -> None:
        with self._turn:
            if not self._works:
                self._works = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                batch = [self._queue.get(timeout=IDLE_SECONDS)]
            except Empty:
                with self._turn:
                    if not self._queue.empty():
                        continue  # it came between the two lines
                    self._works = False
                    return
            while len(batch) < MOST:
                try:
                    batch.append(self._queue.get_nowait())
                except Empty:
                    break
            self._do(batch)

    def _do(self, batch: list[_Piece[T, R]]) -> None:
        try:
            results: Sequence[Any] = self._act([piece.work for piece in batch])
        except Exception as error:  # noqa: BLE001 - handed to the request that waits for it
            if len(batch) == 1:
                batch[0].settle(None, error)
                return
            for piece in batch:
                self._do([piece])
            return
        for piece, result in zip(batch, results, strict=True):
            piece.settle(result, None)
