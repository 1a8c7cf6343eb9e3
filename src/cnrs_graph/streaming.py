"""From a worker to a socket: an answer on its way, whole or visibly unfinished."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cnrs_graph.errors import AnswerTooLargeError, CallerLeftError
from cnrs_graph.journal import entry_of
from cnrs_graph.likeness import OrderCondition
from cnrs_graph.workers import RunningAnswer

#: In the scope of a request whose answer goes without a body.
HEAD = "cnrs_graph.head"

_SMALL_BYTES = 1 << 14
#: What a query may take of a processor to count as quick.
QUICK_SECONDS = 0.02
#: Answers up to this size are remembered whole, where computing them took long.
_SMALL_ANSWER_BYTES = 1 << 15


class Lesson:
    """What can be learnt from a query that was answered in the hall."""

    __slots__ = (
        "_answer",
        "accept",
        "fields",
        "form",
        "is_repeatable",
        "media_type",
        "order",
        "seconds",
        "text",
    )

    def __init__(
        self,
        text: str,
        form: str,
        order: tuple[OrderCondition, ...],
        *,
        is_repeatable: bool,
        accept: str | None,
        media_type: str,
        fields: bytes,
    ) -> None:
        self.text = text
        self.form = form
        self.order = order
        self.is_repeatable = is_repeatable
        self.accept = accept
        self.media_type = media_type
        self.fields = fields
        #: How long the answer was computed.
        self.seconds = 0.0
        self._answer: bytearray | None = bytearray() if is_repeatable else None

    def hear(self, chunk: bytes) -> None:
        """Note a piece of the answer, as long as it is small."""
        if self._answer is not None:
            self._answer += chunk
            if len(self._answer) > _SMALL_ANSWER_BYTES:
                self._answer = None

    @property
    def answer(self) -> bytes | None:
        """The whole answer, where computing it took long and it is small."""
        return bytes(self._answer) if self._answer is not None and self.seconds > QUICK_SECONDS else None


class AnswerResponse(Response):
    """Send an answer in the pieces in which it comes; no more of it is held here than a few pieces.

    A failure after the first byte is raised, so that the server closes the connection without the last chunk
    and nobody takes the body for whole. A caller who leaves frees the worker.

    Units: an answer larger than `limit_bytes` fails; 0 is no limit.
    Source: RFC 9112, section 8.
    """

    def __init__(
        self,
        running: RunningAnswer,
        *,
        media_type: str,
        headers: Mapping[str, str],
        limit_bytes: int = 0,
        lesson: Lesson | None = None,
    ) -> None:
        self._running = running
        self._lesson = lesson
        self._limit_bytes = limit_bytes
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        async with self._running:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            if not scope.get(HEAD):
                await self._send_body(receive, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        entry_of(scope).ends()
        if self._lesson is not None:
            self._lesson.seconds = self._running.computed_seconds

    async def _send_body(self, receive: Receive, send: Send) -> None:
        watch: asyncio.Task[None] | None = None
        sent = 0
        try:
            async for chunk in self._running:
                sent += len(chunk)
                if 0 < self._limit_bytes < sent:
                    self._running.stop(AnswerTooLargeError(self._limit_bytes))
                    continue
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                # Small answers end before it is worth looking whether anybody listens.
                if watch is None and sent > _SMALL_BYTES:
                    watch = asyncio.create_task(_stop_when_left(receive, self._running))
                if self._lesson is not None:
                    self._lesson.hear(chunk)
        finally:
            if watch is not None:
                watch.cancel()


async def disconnected(receive: Receive) -> None:
    """Return when the caller has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stop_when_left(receive: Receive, running: RunningAnswer) -> None:
    await disconnected(receive)
    running.stop(CallerLeftError())
