"""A load client: kept-alive connections that ask one question after another, and count."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httptools


@dataclass(frozen=True)
class Load:
    """What came of asking: answers, failures, and how long each took."""

    answers: int
    failures: int
    seconds: float
    client_cpu_seconds: float
    latencies: tuple[float, ...]
    body_bytes: int

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def quantile(self, share: float) -> float:
        """The latency that this share of the answers does not exceed, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def request(host: str, path: str, query: str, accept: str) -> bytes:
    """The bytes of a GET that asks a query."""
    return (
        f"GET {path}?query={quote(query, safe='')} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n"
    ).encode()


class _Connection(asyncio.Protocol):
    """Asks its questions one by one, each when the answer before is whole."""

    def __init__(self, requests: Sequence[bytes], first: int, step: int, until: float) -> None:
        self._requests = requests
        self._next = first
        self._step = step
        self._until = until
        self._transport: Any = None
        self._parser: Any = None
        self._asked_at = 0.0
        self.latencies: list[float] = []
        self.failures = 0
        self.body_bytes = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.failures += 1
            self.done.set_result(None)

    def on_body(self, body: bytes) -> None:
        self.body_bytes += len(body)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        if self._parser.get_status_code() == 200:
            self.latencies.append(now - self._asked_at)
        else:
            self.failures += 1
        if now < self._until:
            self._ask()
        elif not self.done.done():
            self.done.set_result(None)

    def close(self) -> None:
        self._transport.close()

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        asked = self._requests[self._next % len(self._requests)]
        self._next += self._step
        self._asked_at = time.perf_counter()
        self._transport.write(asked)


async def load(host: str, port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Ask these requests over and over for so many seconds."""
    loop = asyncio.get_running_loop()
    started, cpu = time.perf_counter(), time.process_time()
    made = [
        (
            await loop.create_connection(
                lambda at=at: _Connection(requests, at, connections, started + seconds), host, port
            )
        )[1]
        for at in range(connections)
    ]
    async with asyncio.timeout(seconds + 60):
        await asyncio.gather(*(each.done for each in made))
    took = time.perf_counter() - started
    for each in made:
        each.close()
    return Load(
        answers=sum(len(each.latencies) for each in made),
        failures=sum(each.failures for each in made),
        seconds=took,
        client_cpu_seconds=time.process_time() - cpu,
        latencies=tuple(latency for each in made for latency in each.latencies),
        body_bytes=sum(each.body_bytes for each in made),
    )
