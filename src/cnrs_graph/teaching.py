"""What desks learn of pages and documents: an answer that stays as it is, and what it was the answer to."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cnrs_graph.desk import Representation
from cnrs_graph.desks import Desks

#: Larger answers are the hall's: a desk would not send them at once.
_MOST_BYTES = 48_000
#: The header fields that decide, as they are in `Vary`; an answer that varies with others is not taught.
_NEGOTIATED: Final = (b"accept", b"accept-language", b"accept-encoding")
_ELSEWHERE: Final = (301, 303, 308)
_EACH_TIME: Final = (b"content-length", b"content-type", b"x-request-id", b"date", b"etag")


class Teaching:
    """Listen to answers, and teach desks those that may be kept (`Cache-Control`) and are always the same.

    Source: RFC 9111, section 4.1, for what an answer depends on.
    """

    def __init__(self, app: ASGIApp, desks: Desks) -> None:
        self._app = app
        self._desks = desks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        answer = _Answer()

        async def listening(message: Message) -> None:
            answer.hear(message)
            await send(message)

        await self._app(scope, receive, listening)
        asked = _asked(scope)
        told = answer.told()
        if asked is not None and told is not None:
            self._desks.learn_representation(_line(scope), asked, told)


class _Answer:
    """An answer, as far as it has been heard."""

    def __init__(self) -> None:
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._is_whole = False

    def hear(self, message: Message) -> None:
        """Note a piece."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message.get("headers", ()))
        elif len(self._body) <= _MOST_BYTES:
            self._body += message.get("body", b"")
            self._is_whole = not message.get("more_body", False)

    def told(self) -> Representation | None:
        """The whole answer, if it is one to be kept."""
        fields = {name.lower(): value for name, value in self._headers}
        tag = fields.get(b"etag", b"").decode("latin-1")
        is_here = self._status == 200 and tag.startswith('"')
        varies = {name.strip().lower() for name in fields.get(b"vary", b"").split(b",") if name.strip()}
        if (
            not (is_here or self._status in _ELSEWHERE)
            or not self._is_whole
            or len(self._body) > _MOST_BYTES
            or b"max-age" not in fields.get(b"cache-control", b"")
            or not varies <= set(_NEGOTIATED)
            or b"set-cookie" in fields
        ):
            return None
        kept = [field for field in self._headers if field[0].lower() not in _EACH_TIME]
        typed = [field for field in self._headers if field[0].lower() == b"content-type"]
        tagged = [(b"etag", tag.encode("latin-1"))] if tag else []
        return Representation(self._status, _sent([*kept, *tagged]), _sent(typed), tag, bytes(self._body))


def _sent(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in headers)


def _line(scope: Scope) -> bytes:
    """The request line, as it was sent."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return b"GET %b%b HTTP/1.1" % (raw.partition(b"?")[0], b"?" + query if query else b"")


def _asked(scope: Scope) -> tuple[str | None, ...] | None:
    """The values of the fields that decide; None where one was sent twice."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _NEGOTIATED:
            if name in found:
                return None
            found[name] = value.decode("latin-1")
    return tuple(found.get(name) for name in _NEGOTIATED)
