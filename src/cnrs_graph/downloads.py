"""From a file to a socket: whole or in part, never more of it in memory than a piece."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from cnrs_graph.replies import Reply
from cnrs_graph.streaming import HEAD


class FileAnswer(FileResponse):
    """An answer whose body is a file, or the ranges of it that were asked for.

    Source: RFC 9110, section 14.
    """

    def __init__(self, answer: Reply, file: Path) -> None:
        super().__init__(file, answer.status, media_type=answer.header("Content-Type"))
        for name, value in answer.headers:
            self.headers[name] = value

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file; of a file that goes without its body nothing is read."""
        await super().__call__({**scope, "method": "HEAD"} if scope.get(HEAD) else scope, receive, send)
