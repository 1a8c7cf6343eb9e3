"""Answers packed on their way out, each packing a representation with an entity tag of its own."""

from __future__ import annotations

import re
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, add_compress_type

from cnrs_graph.formats import GRAPH_FORMATS, PAGE, PROBLEM, RESULT_FORMATS, TEXT, read_weight

#: The codings we write, the densest first.
CODINGS = ("br", "gzip")
#: Answers to queries come in these too, piece by piece: a piece is sent when it is there.
_FLOWING = frozenset(each.media_type for each in (*GRAPH_FORMATS, *RESULT_FORMATS))
_PACKED = frozenset(
    {each.media_type for each in (PAGE, TEXT, PROBLEM)}
    | _FLOWING
    | {
        "application/json",
        "application/linkset",
        "application/linkset+json",
        "application/sparql-query",
        "application/xml",
        "image/svg+xml",
        "text/css",
        "text/javascript",
    }
)
_TAG = re.compile(rb'"([^"]*)"')


class Compressed:
    """Pack what a client can unpack; what is sent as it is passes by.

    A packed answer has the entity tag of the unpacked one with the coding behind it: both are strong, and
    neither is taken for the other.

    Source: RFC 9110, sections 8.8.3.3 (entity tags vary with codings), 12.5.3 and 13.1.2.
    """

    def __init__(self, app: ASGIApp) -> None:
        for media_type in _PACKED:
            add_compress_type(media_type, streaming=media_type in _FLOWING)
        self._plain = app
        self._packing = CompressMiddleware(app, zstd=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        # Whole files have packed ones beside them, and are sent in parts.
        if scope["type"] != "http" or scope["path"].startswith("/dump/"):
            await self._plain(scope, receive, send)
            return
        coding = negotiate_coding(_header(scope, b"accept-encoding"))
        if coding is None:
            await self._plain(scope, receive, _varying(send))
            return
        held = _header(scope, b"if-none-match")
        suffix = b"-" + coding.encode()
        unpacked = {b"accept-encoding": coding.encode(), b"if-none-match": held.replace(suffix + b'"', b'"')}
        changed = [(name, unpacked.get(name, value)) for name, value in scope["headers"]]

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                _tag(message, suffix, held)
            await send(message)

        await self._packing({**scope, "headers": changed}, receive, _varying(tagged))


@lru_cache(maxsize=256)
def negotiate_coding(accept_encoding: bytes) -> str | None:
    """Choose the coding that an Accept-Encoding header likes best, None for no coding.

    >>> negotiate_coding(b"gzip, deflate, br")
    'br'
    >>> negotiate_coding(b"gzip;q=0.5, *;q=0") or negotiate_coding(b"identity, br;q=0.5")
    'gzip'

    Source: RFC 9110, section 12.5.3.
    """
    weights: dict[str, float] = {}
    for member in accept_encoding.decode("latin-1").split(","):
        name, semicolon, weight_text = member.partition(";")
        weight = read_weight(weight_text.strip(" \t")) if semicolon else 1.0
        if weight is not None:
            weights.setdefault(name.strip(" \t").lower(), weight)
    everything = weights.get("*", 0.0)
    offered = [(weights.get(coding, everything), coding) for coding in CODINGS]
    best, chosen = max(offered, key=lambda entry: entry[0])
    return chosen if best > 0 and best >= weights.get("identity", 0.0) else None


def _header(scope: Scope, name: bytes) -> bytes:
    return b", ".join(value for key, value in scope["headers"] if key == name)


def _tag(message: Message, suffix: bytes, held: bytes) -> None:
    """Give a packed answer its own entity tag, and an unchanged one the tag that the client holds.

    A weak tag says the same of every packing already.
    """
    headers = message["headers"]
    packed = any(name == b"content-encoding" for name, _ in headers)
    for at, (name, value) in enumerate(headers):
        own = _TAG.sub(rb'"\1' + suffix + b'"', value)
        if (
            name == b"etag"
            and not value.startswith(b"W/")
            and (packed or (message["status"] == 304 and own in held))
        ):
            headers[at] = (name, own)


def _varying(send: Send) -> Send:
    """Say of everything that could be packed that it depends on Accept-Encoding, packed or not."""

    async def varying(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            kind = next((value for name, value in headers if name == b"content-type"), b"")
            if message["status"] == 304 or kind.partition(b";")[0].decode("latin-1") in _PACKED:
                _add_vary(headers)
        await send(message)

    return varying


def _add_vary(headers: list[tuple[bytes, bytes]]) -> None:
    """Say it once, whoever may have said it before."""
    for at, (name, value) in enumerate(headers):
        if name == b"vary":
            fields = [*(field.strip() for field in value.split(b",")), b"Accept-Encoding"]
            headers[at] = (name, b", ".join(dict.fromkeys(fields)))
            return
    headers.append((b"vary", b"Accept-Encoding"))
