"""What an answer is, and the headers every answer carries."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from cnrs_graph import errors
from cnrs_graph.formats import ERROR_FORMATS, PAGE, PROBLEM, TEXT, Format, negotiate

#: The status of each error; one that is not here has the status of the nearest class above it.
STATUS: Mapping[type[Exception], int] = {
    errors.RequestError: 400,
    errors.UnsupportedMediaTypeError: 415,
    errors.TooLargeError: 413,
    errors.BatchTooLargeError: 413,
    errors.MethodNotAllowedError: 405,
    errors.NothingCheckedError: 422,
    errors.CheckStoppedError: 504,
    errors.QueryError: 400,
    errors.RefusedQueryError: 403,
    errors.ParameterError: 400,
    errors.UnknownQueryError: 404,
    errors.UnknownResourceError: 404,
    errors.WithdrawnError: 410,
    errors.NotAcceptableError: 406,
    errors.QueryTimeoutError: 504,
    errors.QueryMemoryError: 504,
    errors.WorkerDiedError: 500,
    errors.TooManyQueriesError: 503,
    errors.AnswerTooLargeError: 504,
    errors.EndpointError: 502,
    errors.EndpointTimeoutError: 504,
    errors.EndpointBusyError: 503,
    Exception: 500,
}
_TITLES: Mapping[int, str] = {
    400: "Not understood",
    403: "Refused",
    404: "Nothing here",
    405: "Method not allowed",
    406: "Not in that format",
    410: "Withdrawn",
    413: "Too large",
    415: "Unknown request format",
    422: "Nothing was checked",
    500: "Our mistake",
    502: "The remote endpoint failed",
    503: "Not now",
    504: "Stopped",
}
#: Pages load nothing from elsewhere and run no script.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
#: The query page runs the editor, which asks our own endpoint and nobody else.
SCRIPTED_POLICY = f"{PAGE_POLICY}; script-src 'self'; connect-src 'self'"
#: What scripts of other sites may read besides the headers they always may.
EXPOSED = "ETag, Link, Location, Content-Location, Retry-After, X-Cut, X-Request-Id"
_EVERYWHERE = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", EXPOSED),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer-when-downgrade"),
)
_UNSAFE = re.compile(r'[^!-~]|[<>"\\]')
_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reply:
    """A status, headers and a body."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header; None if there is no such header."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def success(
    body: bytes,
    fmt: Format,
    *,
    if_none_match: str | None = None,
    vary: str | None = "Accept",
    location: str | None = None,
    links: Sequence[str] = (),
    max_age_seconds: int = 300,
    policy: str = PAGE_POLICY,
    modified: str | None = None,
    digest: str | None = None,
) -> Reply:
    """Answer with a representation, or with 304 when the client has this very one.

    *digest* is the SHA-256 of a body that is sent by other means.

    Source: RFC 9110, sections 13.1.2 (If-None-Match) and 15.4.5 (304).
    """
    tag = f'"{(digest or hashlib.sha256(body).hexdigest())[:32]}"'
    headers = [("ETag", tag), ("Cache-Control", f"public, max-age={max_age_seconds}"), *_EVERYWHERE]
    if vary:
        headers.append(("Vary", vary))
    if location:
        headers.append(("Content-Location", location))
    if links:
        headers.append(("Link", ", ".join(links)))
    if modified:
        headers.append(("Last-Modified", modified))
    if if_none_match is not None and matches(if_none_match, tag):
        return Reply(304, tuple(headers), b"")
    headers.append(("Content-Type", fmt.content_type))
    if fmt is PAGE:
        headers.append(("Content-Security-Policy", policy))
    return Reply(200, tuple(headers), body)


def http_date(day: str) -> str | None:
    """A day of a release, or a moment, as Last-Modified says it; None for what is neither.

    >>> http_date("2024-02-29")
    'Thu, 29 Feb 2024 00:00:00 GMT'

    Source: RFC 9110, sections 5.6.7 and 8.8.2.
    """
    try:
        moment = datetime.fromisoformat(day)
    except ValueError:
        return None
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return format_datetime(zoned, usegmt=True)


def matches(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match header names an entity tag; weak tags compare like strong ones.

    >>> matches('W/"a", "b"', '"a"')
    True
    """
    return if_none_match.strip() == "*" or tag in _ENTITY_TAG.findall(if_none_match)


def redirect(status: int, location: str, *, vary: str | None = None, links: Sequence[str] = ()) -> Reply:
    """Send the client on to another path, saying so in the body too."""
    headers = [
        ("Location", location),
        ("Content-Type", TEXT.content_type),
        ("Cache-Control", "public, max-age=300"),
        *_EVERYWHERE,
    ]
    if vary:
        headers.append(("Vary", vary))
    if links:
        headers.append(("Link", ", ".join(links)))
    return Reply(status, tuple(headers), f"{location}\n".encode())


def status_of(error: Exception) -> int:
    """The status of an error: its own or that of the nearest class above it."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def sentence_of(error: Exception) -> str:
    """What to tell the client: our own errors speak for themselves, a mistake of ours keeps its details."""
    if isinstance(error, errors.EndpointError):
        # Its address may be nobody's business outside.
        return f"the endpoint that holds the data: {error.reason}"
    if isinstance(error, errors.CnrsGraphError):
        return str(error)
    return "Something went wrong on our side; the details are in the server's log."


def error_format(accept: str | None) -> Format:
    """The format to say an error in: one the client accepts, else problem+json."""
    try:
        return negotiate(accept, ERROR_FORMATS)
    except errors.NotAcceptableError:
        return PROBLEM


def error_reply(
    error: Exception, fmt: Format, page: bytes, *, policy: str = PAGE_POLICY, vary: str = "Accept"
) -> Reply:
    """Say what went wrong, in a format of errors; *page* is its page.

    Source: RFC 9457.
    """
    status = status_of(error)
    headers = [
        ("Content-Type", fmt.content_type),
        # What is not there stays so for a while; other refusals are about one request.
        ("Cache-Control", "public, max-age=60" if status in (404, 406, 410) else "no-store"),
        ("Vary", vary),
        *_EVERYWHERE,
    ]
    if fmt is PAGE:
        headers.append(("Content-Security-Policy", policy))
    if isinstance(error, errors.MethodNotAllowedError):
        headers.append(("Allow", ", ".join(error.allowed)))
    if isinstance(error, errors.TooManyQueriesError):
        headers.append(("Retry-After", str(error.retry_after_seconds)))
    elif status == 503:
        headers.append(("Retry-After", "1"))
    if fmt is PAGE:
        return Reply(status, tuple(headers), page)
    body = f"{sentence_of(error)}\n".encode() if fmt is TEXT else _problem(error)
    return Reply(status, tuple(headers), body)


def gone(body: bytes, fmt: Format, *, vary: str | None, links: Sequence[str]) -> Reply:
    """Say in a data format what is left of a thing that is published no more.

    Source: RFC 9110, section 15.5.11.
    """
    headers = [("Content-Type", fmt.content_type), ("Cache-Control", "public, max-age=60"), *_EVERYWHERE]
    headers += [("Vary", vary)] if vary else []
    return Reply(410, (*headers, ("Link", ", ".join(links))), body)


def _problem(error: Exception) -> bytes:
    status = status_of(error)
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": sentence_of(error),
    }
    problem.update(_extras(error))
    return f"{json.dumps(problem, ensure_ascii=False, indent=2)}\n".encode()


def _extras(error: Exception) -> Iterable[tuple[str, object]]:
    """The facts of an error that a program can use."""
    if isinstance(error, errors.QueryError):
        found = (
            ("line", error.line),
            ("column", error.column),
            ("excerpt", error.excerpt),
            ("hint", error.hint),
        )
        yield from ((name, value) for name, value in found if value is not None)
    if isinstance(error, errors.NotAcceptableError):
        yield "offered", list(error.offered)
    if isinstance(error, errors.UnknownResourceError | errors.UnknownQueryError) and error.near:
        yield "near", list(error.near)
    if isinstance(error, errors.ParameterError):
        yield "parameter", error.parameter
        if error.allowed:
            yield "allowed", list(error.allowed[: error.SHOWN])
            yield "allowed_in_all", len(error.allowed)


def link(target: str, rel: str, *, media_type: str | None = None, anchor: str | None = None) -> str:
    """One member of a Link header.

    >>> link("/data/x.ttl", "alternate", media_type="text/turtle")
    '</data/x.ttl>; rel="alternate"; type="text/turtle"'

    Source: RFC 8288, section 3.
    """
    found = f'<{uri_of(target)}>; rel="{rel}"'
    if media_type:
        found += f'; type="{uri_of(media_type)}"'
    return found + (f'; anchor="{uri_of(anchor)}"' if anchor else "")


def uri_of(text: str) -> str:
    """A path, an IRI or a media type with what a URI and a header cannot hold percent-encoded."""
    return _UNSAFE.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
