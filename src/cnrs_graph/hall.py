"""The server of our application: desks in front where the system has them, and the hall behind.

The hall is the web server that runs the application; it takes over the connections that desks hand on, with
the request that was read from each, and gives them back when nothing more is to be said.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cnrs_graph.desks import Caller, Desks
from cnrs_graph.workers import Pool


class FrontServer(uvicorn.Server):
    """A server whose connections are taken by desks."""

    def __init__(self, config: uvicorn.Config, desks: Desks, pool: Pool) -> None:
        super().__init__(config)
        self._desks = desks
        self._pool = pool
        self._arrivals: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then take connections from *sockets*."""
        listeners = sockets or []
        await super().startup(sockets=[])
        for listener in listeners:
            listener.listen(self.config.backlog)
        await self._desks.open(listeners, self._pool, self._arrive)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let what runs in the hall end, and stop."""
        await self._desks.close()
        await super().shutdown(sockets)

    def _arrive(self, caller: Caller, sent: bytes) -> None:
        task = asyncio.ensure_future(self._enter(caller, sent))
        self._arrivals.add(task)
        task.add_done_callback(self._arrivals.discard)

    async def _enter(self, caller: Caller, sent: bytes) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _FromDesk(self, caller, self._desks, sent), caller.socket.dup()
            )
        except OSError:
            self._desks.left(caller)


class _FromDesk(HttpToolsProtocol):
    """A connection in the hall that came from a desk, and goes back when its request is answered."""

    def __init__(self, server: FrontServer, caller: Caller, desks: Desks, sent: bytes) -> None:
        super().__init__(
            config=server.config, server_state=server.server_state, app_state=server.lifespan.state
        )
        self._caller = caller
        self._desks = desks
        self._sent = sent
        self._is_within_request = False
        self._goes_back = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with what was read already, before anything else is read."""
        super().connection_made(transport)
        if self._sent:
            self.data_received(self._sent)
            self._sent = b""

    def on_message_begin(self) -> None:
        """Note that a request has begun to come."""
        self._is_within_request = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that it is whole."""
        super().on_message_complete()
        self._is_within_request = False

    def on_response_complete(self) -> None:
        """Give the connection back when all that was read is answered, and the answer is sent."""
        super().on_response_complete()
        is_done = not self.pipeline and self.cycle.response_complete and not self._is_within_request
        if is_done and not self.transport.is_closing() and not self.transport.get_write_buffer_size():
            self._goes_back = True
            self._unset_keepalive_if_required()
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Our end is closed: the connection goes back, or has ended."""
        super().connection_lost(exc)
        if self._goes_back:
            self._desks.give_back(self._caller)
        else:
            self._desks.left(self._caller)


def serve_with(config: uvicorn.Config, listener: socket.socket, pool: Pool, desks: Desks | None) -> None:
    """Serve until told to stop; without desks every connection is the hall's."""
    server: Any = uvicorn.Server(config) if desks is None else FrontServer(config, desks, pool)
    server.run(sockets=[listener])
