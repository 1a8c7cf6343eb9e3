"""Everything that can go wrong, as a tree of facts; `str(error)` is the sentence for the user."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Place:
    """A place in a source file; lines and columns count from 1, in characters.

    >>> str(Place(Path("data/curated/cooperations.ttl"), 41, 9))
    'data/curated/cooperations.ttl:41:9'
    """

    path: Path
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = (self.path.as_posix(), self.line, self.column)
        return ":".join(str(part) for part in parts if part is not None)


class CnrsGraphError(Exception):
    """Something a user can mend; the doors turn its class into an exit code or a status."""


class ConfigError(CnrsGraphError):
    """A setting or an option cannot be used."""


class SourceError(CnrsGraphError):
    """An input cannot be read or parsed."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


class ShapesError(CnrsGraphError):
    """The shapes are broken."""


class VacuousShapesError(ShapesError):
    """No shape looked at any node, so nothing was checked."""


class NonConformingDataError(CnrsGraphError):
    """The data to publish has findings at or above the threshold."""

    def __init__(self, worst: str, count: int) -> None:
        findings = "1 finding" if count == 1 else f"{count} findings"
        super().__init__(
            f"the data has {findings}, the worst a {worst}; "
            "run `cnrs-graph validate` and mend them, or serve with --no-validate"
        )
        self.worst = worst
        self.count = count


class QueryError(CnrsGraphError):
    """A query cannot be read; the place counts from 1, in characters of the text as it was sent."""

    def __init__(
        self,
        reason: str,
        *,
        line: int | None = None,
        column: int | None = None,
        excerpt: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column
        self.excerpt = excerpt
        self.hint = hint

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}: " if self.line is not None else ""
        lines = [f"{place}{self.reason}"]
        if self.excerpt is not None and self.column is not None:
            lines += [f"  {self.excerpt}", "  " + " " * (self.column - 1) + "^"]
        if self.hint is not None:
            lines.append(self.hint)
        return "\n".join(lines)


class RefusedQueryError(QueryError):
    """A query that can be read, but asks for an update or for something outside this process."""


class UnknownQueryError(CnrsGraphError):
    """No saved query has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        self.near = similar(name, self.known)
        super().__init__(f"no saved query is called {name!r}; {suggestion(name, self.known)}")


class ParameterError(CnrsGraphError):
    """A value for a parameter of a saved query cannot be used; *allowed* are those that can, if limited."""

    def __init__(self, query: str, parameter: str, reason: str, allowed: Sequence[str] = ()) -> None:
        self.query = query
        self.parameter = parameter
        self.reason = reason
        self.allowed = tuple(allowed)
        more = f" … and {len(allowed) - self.SHOWN} more" if len(allowed) > self.SHOWN else ""
        listed = f"; allowed are {', '.join(self.allowed[: self.SHOWN])}{more}" if allowed else ""
        super().__init__(f"{query}: parameter {parameter!r}: {reason}{listed}")

    #: A message names no more values than this.
    SHOWN = 20


class QueryTimeoutError(CnrsGraphError):
    """A query ran out of time and was stopped."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the query was stopped after {seconds:g} seconds; narrow it (a bound subject, fewer free "
            "patterns, a LIMIT inside a sub-select) or fetch the graphs it needs, each at its own address"
        )
        self.seconds = seconds


class QueryMemoryError(CnrsGraphError):
    """A query ran out of memory and was stopped."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the query needed more than {limit_bytes // (1 << 20)} MiB and was stopped; "
            "narrow it or fetch the graphs it needs, each at its own address"
        )
        self.limit_bytes = limit_bytes


class WorkerDiedError(CnrsGraphError):
    """The process that answered a query ended before the answer was whole."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the query ended the process that ran it ({reason}); other queries are not affected"
        )
        self.reason = reason


class TooManyQueriesError(CnrsGraphError):
    """More queries wait than the queue holds."""

    def __init__(self, waiting: int, retry_after_seconds: int) -> None:
        super().__init__(f"{waiting} queries are waiting already; try again in {retry_after_seconds} s")
        self.waiting = waiting
        self.retry_after_seconds = retry_after_seconds


class TooManyLongQueriesError(TooManyQueriesError):
    """A long query was stopped because so many long ones run that others would wait for it."""

    def __init__(self, running: int, seconds: float, waiting: int, retry_after_seconds: int) -> None:
        super().__init__(waiting, retry_after_seconds)
        self.args = (
            f"{running} long queries run already and {waiting} queries wait: this one was stopped after "
            f"{seconds:g} s to let them through; try again in {retry_after_seconds} s",
        )


class AnswerTooLargeError(CnrsGraphError):
    """An answer with more bytes than may be sent."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the answer is larger than {limit_bytes} bytes and was stopped; page through it with ORDER BY, "
            "LIMIT and OFFSET, or work on the dump"
        )
        self.limit_bytes = limit_bytes


class CallerLeftError(CnrsGraphError):
    """Whoever asked has closed the connection."""

    def __init__(self) -> None:
        super().__init__("the caller has left")


class UnknownResourceError(CnrsGraphError):
    """Nothing is said about this IRI."""

    def __init__(self, iri: str, near: Iterable[str] = ()) -> None:
        self.iri = iri
        self.near = tuple(near)
        hint = f"; did you mean {' or '.join(self.near)}?" if self.near else ""
        super().__init__(f"nothing is said about {iri}{hint}")


class WithdrawnError(UnknownResourceError):
    """There was a thing with this IRI, and it is published no more."""

    def __init__(self, iri: str, reason: str = "") -> None:
        super().__init__(iri)
        self.reason = reason
        self.args = (f"{iri} was withdrawn" + (f": {reason}" if reason else ""),)


class NotAcceptableError(CnrsGraphError):
    """None of the offered formats fits the Accept header."""

    def __init__(self, accept: str, offered: Sequence[str]) -> None:
        super().__init__(
            f"none of the offered formats fits Accept: {accept}; offered are {', '.join(offered)}"
        )
        self.accept = accept
        self.offered = tuple(offered)


class EndpointError(CnrsGraphError):
    """A remote endpoint failed."""

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"{endpoint}: {reason}")
        self.endpoint = endpoint
        self.reason = reason


class EndpointTimeoutError(EndpointError):
    """A remote endpoint did not answer in time."""


class EndpointBusyError(EndpointError):
    """A remote endpoint says that it has too much to do, again and again."""

    def __init__(self, endpoint: str, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(endpoint, reason)
        self.retry_after_seconds = retry_after_seconds


class RequestError(CnrsGraphError):
    """A request over HTTP does not follow its protocol."""


class UnsupportedMediaTypeError(RequestError):
    """A request body of a type that is not read here."""

    def __init__(self, media_type: str, offered: Sequence[str]) -> None:
        super().__init__(
            f"bodies of type {media_type or '(none)'} are not read here; send {' or '.join(offered)}"
        )
        self.media_type = media_type
        self.offered = tuple(offered)


class TooLargeError(RequestError):
    """A request body above the limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the request body is larger than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class BatchTooLargeError(RequestError):
    """A request asks for too many things at once."""

    def __init__(self, count: int, most: int) -> None:
        super().__init__(f"{count} were sent at once; send {most} at most, and the rest in further requests")
        self.count = count
        self.most = most


class MethodNotAllowedError(RequestError):
    """A method that this address does not have."""

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method} is not offered here; use {', '.join(allowed)}")
        self.method = method
        self.allowed = tuple(allowed)


class NothingCheckedError(RequestError):
    """A file was sent in which no shape looks at anything."""


class CheckStoppedError(RequestError):
    """A validation ran out of time or memory and was stopped."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the validation was stopped: {reason}; validate it with the command line instead")
        self.reason = reason


def suggestion(name: str, known: Sequence[str]) -> str:
    """Say which known name was probably meant, or name them all when they are few.

    >>> suggestion("ln3", ["ln2", "takuvik"])
    'did you mean ln2?'
    """
    near = similar(name, known)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not known:
        return "none is known"
    shown = ", ".join(known[:12])
    return f"known are {shown}" + (f" and {len(known) - 12} more" if len(known) > 12 else "")


def similar(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """The known names that look like this one; an absurdly long one looks like nothing."""
    import difflib

    return (
        tuple(difflib.get_close_matches(name, known, n=3, cutoff=0.5)) if len(name) <= _LONGEST_GUESS else ()
    )


_LONGEST_GUESS = 300
