from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    "/stall": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    "/chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "/busy": b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 12\r\n\r\nnot so quick",
    "/bye": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    "/garbage": b"SPAM 1 2 3\r\n\r\n",
    "/hang": b"",
    "/drop": b"",
}


@dataclass
class Server:
    """A service that answers by path, on a thread of its own; `/stall` stands still for half a second, once."""

    url: str = ""
    targets: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    never: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                target = head.split(" ")[1]
                length = next((line for line in head.splitlines() if line.lower().startswith("content-length")), ":0")
                self.bodies.append(await reader.readexactly(int(length.partition(":")[2])))
                self.targets.append(target)
                self.headers.append(head)
                path = target.partition("?")[0]
                if path == "/stall" and len(self.targets) == 20:
                    time.sleep(0.5)  # the whole service stands still
                if path == "/hang":
                    await self.never.wait()
                writer.write(ANSWERS[path])
                await writer.drain()
                if path in {"/drop", "/bye"}:
                    return
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
def server() -> Iterator[Server]:
    found, ready = Server(), threading.Event()
    stop: list[Callable[[], object]] = []

    async def main() -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        listening = await asyncio.start_server(found.serve, "127.0.0.1", 0, limit=1 << 22)
        found.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        ready.set()
        await over.wait()
        listening.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(10)
    yield found
    stop[0]()
    thread.join(10)
