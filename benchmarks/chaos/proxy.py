"""A TCP proxy before a broker that reads Kafka's frames, so that a fault can hit one request or one answer.

The broker's address within its answers is replaced by the proxy's (same length), so clients stay behind it whatever
the broker advertises. It runs in a thread of its own; its methods may be called from any other.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Self

from streams.kafka.embedded import free_port

HOST = "127.0.0.1"
END_TXN = 26  # Kafka's number of the request that ends a transaction
CONNECT_WAIT_S = 10.0
CHECK_S = 0.02
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """One fault for the next transaction that a client ends.

    Attributes:
        before: the broker never hears of the end; else it does, and only its answer is hit.
        act: called first, with the client's port, e.g. to kill who holds it.
        hold_s: pass on after so long; the connection is reset where it is 0.
    """

    before: bool
    act: Callable[[int], None] = lambda _: None
    hold_s: float = 0.0


@dataclass(slots=True, eq=False)
class _Connection:
    client: asyncio.StreamWriter
    broker: asyncio.StreamWriter
    port: int
    asked: dict[int, int] = field(default_factory=dict)  # correlation id -> kind of request

    def reset(self) -> None:
        for writer in (self.client, self.broker):
            with suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


class Proxy:
    """Passes everything on until it is told otherwise.

    Args:
        upstream: the broker's port on loopback.
    """

    def __init__(self, upstream: int) -> None:
        self.port = free_port()
        self._upstream = upstream
        self._connections: set[_Connection] = set()
        self._trap: Trap | None = None
        self._sprung = threading.Event()
        self._closed_until = self._still_until = self._late_until = 0.0
        self._late_s = 0.0
        self._truncate: Literal[0, 1] = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def bootstrap_servers(self) -> str:
        """For clients."""
        return f"{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        opening = asyncio.start_server(self._accept, HOST, self.port)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def reset(self) -> None:
        """Reset every connection once."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def cut(self, seconds: float) -> None:
        """Reset every connection and take no new one for a while."""
        self._closed_until = time.monotonic() + seconds
        self.reset()

    def hold(self, seconds: float) -> None:
        """Let nothing through for a while, connections stay open."""
        self._still_until = time.monotonic() + seconds

    def delay(self, each_s: float, seconds: float) -> None:
        """Every request and every answer comes so much later, for a while."""
        self._late_s, self._late_until = each_s, time.monotonic() + seconds

    def truncate(self) -> None:
        """The next answer ends in its middle, and its connection with it."""
        self._truncate = 1

    def trap(self, trap: Trap) -> None:
        """Wait for the next end of a transaction."""
        self._sprung.clear()
        self._trap = trap

    def sprung(self, wait_s: float) -> bool:
        """Whether the trap has closed, waiting for it at most so long."""
        return self._sprung.wait(wait_s)

    async def _shut(self) -> None:
        self._server.close()
        self._reset_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _reset_all(self) -> None:
        for connection in list(self._connections):
            connection.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if time.monotonic() < self._closed_until:
                raise ConnectionRefusedError
            opened = asyncio.open_connection(HOST, self._upstream)
            broker_reader, broker_writer = await asyncio.wait_for(opened, CONNECT_WAIT_S)
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        connection = _Connection(writer, broker_writer, writer.get_extra_info("peername")[1])
        self._connections.add(connection)
        try:
            ways = (self._requests(reader, connection), self._answers(broker_reader, connection))
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._connections.discard(connection)
            writer.transport.abort()
            broker_writer.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while True:
            frame = await _frame(reader)
            kind, _, correlation = struct.unpack(">hhi", frame[4:12])
            connection.asked[correlation] = kind
            await self._wait()
            if kind == END_TXN and self._trap is not None and self._trap.before:
                await self._close(connection)
            connection.broker.write(frame)
            await connection.broker.drain()

    async def _answers(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        theirs, ours = (HOST.encode() + struct.pack(">i", port) for port in (self._upstream, self.port))
        while True:
            frame = (await _frame(reader)).replace(theirs, ours)
            kind = connection.asked.pop(struct.unpack(">i", frame[4:8])[0], None)
            await self._wait()
            if kind == END_TXN and self._trap is not None:
                await self._close(connection)
            if self._truncate:
                self._truncate = 0
                connection.client.write(frame[: len(frame) // 2])
                await connection.client.drain()
                raise ConnectionResetError
            connection.client.write(frame)
            await connection.client.drain()

    async def _wait(self) -> None:
        while time.monotonic() < self._still_until:
            await asyncio.sleep(CHECK_S)
        if time.monotonic() < self._late_until:
            await asyncio.sleep(self._late_s)

    async def _close(self, connection: _Connection) -> None:
        """Spring the trap: what was to be passed on is held, or lost with its connection."""
        trap, self._trap = self._trap, None
        assert trap is not None
        await self._loop.run_in_executor(None, trap.act, connection.port)
        self._sprung.set()
        if not trap.hold_s:
            connection.reset()
            raise ConnectionResetError
        await asyncio.sleep(trap.hold_s)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """One message of Kafka's protocol, its length in front."""
    head = await reader.readexactly(4)
    return head + await reader.readexactly(struct.unpack(">i", head)[0])
