"""A SPARQL endpoint elsewhere: one query at a time, its answer read as it comes."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import struct
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Self, cast
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlencode, urlsplit

import pyoxigraph as ox

from cnrs_graph.errors import (
    EndpointBusyError,
    EndpointError,
    EndpointTimeoutError,
    QueryMemoryError,
)
from cnrs_graph.formats import JSON_RESULTS, NTRIPLES
from cnrs_graph.store import Answer, Form

if TYPE_CHECKING:
    from SPARQLWrapper import SPARQLWrapper

_BLOCK_BYTES = 1 << 16
_EXCERPT_CHARACTERS = 300
#: How long to wait before a busy endpoint is asked again, unless it says itself.
_PAUSES_SECONDS = (0.2, 0.4, 0.8)
_DATASET = ("default-graph-uri", "named-graph-uri")
#: The words of a query that are no comment, string, IRI, variable, prefixed name or language tag.
_WORDS = re.compile(
    r'#[^\n]*|"""(?:[^"\\]|\\.|"(?!""))*"""|\'\'\'(?:[^\'\\]|\\.|\'(?!\'\'))*\'\'\''
    r'|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|<[^<>"{}|^`\\\s]*>|[?$@]\w+|[\w.-]*:(?:[\w.:%-]|\\.)*|(\w+)',
    re.DOTALL,
)
_FORMS = {
    "SELECT": Form.SELECT,
    "ASK": Form.ASK,
    "CONSTRUCT": Form.CONSTRUCT,
    "DESCRIBE": Form.CONSTRUCT,
}
#: Virtuoso writes names of anonymous nodes as addresses, which they are not; in JSON a quote inside a value
#: is escaped, so this is found in no value.
_ANONYMOUS = re.compile(rb'("type"\s*:\s*"bnode"\s*,\s*"value"\s*:\s*")nodeID://')
#: No match of it is longer than this, give or take the blanks.
_ANONYMOUS_BYTES = 64
_YES, _NO = b'{"head":{},"boolean":true}', b'{"head":{},"boolean":false}'


@dataclass(frozen=True)
class Credentials:
    """A name and a password for an endpoint; the password is shown nowhere."""

    user: str
    password: str = field(repr=False)


class Line:
    """The connection of one query, which any thread can cut: whoever waits on it then gets an error."""

    def __init__(self) -> None:
        self._cut = threading.Event()
        self._socket: socket.socket | None = None

    @property
    def is_cut(self) -> bool:
        """Whether nobody wants the answer any more."""
        return self._cut.is_set()

    def cut(self) -> None:
        """End the connection now, or as soon as there is one."""
        self._cut.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # A reset when it is closed: an endpoint whose buffers are full would not see a polite end.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._socket.shutdown(socket.SHUT_RD)

    def pause(self, seconds: float) -> None:
        """Wait, unless the line is cut."""
        self._cut.wait(seconds)

    def runs_over(self, connection: socket.socket) -> None:
        """Take the connection that has been made.

        Raises: ConnectionError if the line has been cut meanwhile.
        """
        self._socket = connection
        if self.is_cut:
            raise ConnectionError("nobody waits for the answer")

    def wait_until(self, deadline: float) -> None:
        """Let the next read take no longer than that.

        Raises: TimeoutError if it is later already.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self._socket is not None:
            # Closed by the library, but still read from: the time-out then stays as it was.
            with contextlib.suppress(OSError):
                self._socket.settimeout(left)


class RemoteStore:
    """A SPARQL 1.1 endpoint elsewhere; what its default graph holds is for it to say.

    Graphs: those that its address names as parameters go with the queries that name none themselves.
    Units: `limit_bytes` is how large an answer may be that is held, or the part of one that has to be.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        timeout_seconds: float = 30,
        credentials: Credentials | None = None,
        limit_bytes: int = 1 << 28,
    ) -> None:
        parts = urlsplit(endpoint)
        if parts.username or parts.password:
            shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            raise EndpointError(shown, "an address carries no name or password; the environment does")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EndpointError(endpoint, "the address of an endpoint starts with http:// or https://")
        self._endpoint = endpoint
        given = parse_qsl(parts.query, keep_blank_values=True)
        self._dataset = {name: [value for key, value in given if key == name] for name in _DATASET}
        rest = urlencode([pair for pair in given if pair[0] not in _DATASET])
        self._address = parts._replace(query=rest).geturl()
        self._timeout_seconds = timeout_seconds
        self._credentials = credentials
        self._limit_bytes = limit_bytes

    def query(self, text: str) -> Answer:
        """Send a query and wait for the whole answer; an endpoint that is busy is asked again a few times.

        Raises: as `ask`; QueryMemoryError if the answer is too large.
        """
        with self.ask(text) as reply:
            if reply.form is Form.CONSTRUCT:
                body = ox.serialize(list(reply.triples()), format=ox.RdfFormat.N_TRIPLES)
            else:
                with self.faults():
                    body = reply.results().serialize(format=ox.QueryResultsFormat.JSON)
            return Answer(reply.form, body or b"")

    def ask(
        self,
        text: str,
        *,
        default_graphs: Sequence[str] | None = None,
        named_graphs: Sequence[str] | None = None,
        timeout_seconds: float | None = None,
        line: Line | None = None,
    ) -> Reply:
        """Send a query; returns when the answer begins. Reading it raises what is raised here.

        Graphs: *default_graphs* and *named_graphs*, when given, replace the query's own FROM.
        Units: the time-out is in seconds, from here to the last byte. Cutting *line* ends it at any time.
        Raises: EndpointError if the endpoint refuses, sends another media type or a cut body;
        EndpointTimeoutError if it is late, EndpointBusyError if it stays busy.
        Source: SPARQL 1.1 Protocol, section 2.1.
        """
        seconds = min(timeout_seconds or self._timeout_seconds, self._timeout_seconds)
        deadline = time.monotonic() + seconds
        line = line or Line()
        form, names_graphs = asked(text)
        graphs: Mapping[str, Sequence[str]] = self._dataset
        if default_graphs is not None or named_graphs is not None:
            graphs = dict(zip(_DATASET, (default_graphs or (), named_graphs or ()), strict=True))
        elif names_graphs:
            graphs = {}
        request = partial(self._request, text, form, graphs, line)
        for pause_seconds in _PAUSES_SECONDS:
            try:
                return self._reply(request, form, deadline, line)
            except EndpointBusyError as error:
                pause_seconds = max(pause_seconds, error.retry_after_seconds or 0)
                if time.monotonic() + pause_seconds > deadline or line.is_cut:
                    raise
                line.pause(pause_seconds)
        return self._reply(request, form, deadline, line)

    def _reply(self, request: Any, form: Form | None, deadline: float, line: Line) -> Reply:
        with self.faults():
            response: http.client.HTTPResponse = request(deadline).query().response
            return Reply(self, response, form, deadline, line, self._limit_bytes)

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """Tell what goes wrong on the way as what it means here."""
        try:
            yield
        except HTTPError as error:
            raise self._refusal(error) from error
        except (TimeoutError, URLError, OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise self.late() from error
            if isinstance(error, URLError):
                raise self.fault(f"cannot be reached: {reason}") from error
            raise self.fault(f"the answer is cut: {error}") from error
        except SyntaxError as error:
            raise self.fault(f"the answer is cut, or is not what it says: {error.msg or error}") from error

    def fault(self, reason: str) -> EndpointError:
        """What is wrong with the endpoint, as an error."""
        return EndpointError(self._endpoint, reason)

    def _refusal(self, error: HTTPError) -> EndpointError:
        with error:
            said = _excerpt(error.read(_BLOCK_BYTES)) or error.reason
        if error.code == http.HTTPStatus.SERVICE_UNAVAILABLE:
            wait = error.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isdecimal() else None
            return EndpointBusyError(self._endpoint, f"refused the query with 503: {said}", seconds)
        if error.code == http.HTTPStatus.GATEWAY_TIMEOUT:
            return EndpointTimeoutError(self._endpoint, f"refused the query with 504: {said}")
        return self.fault(f"refused the query with {error.code}: {said}")

    def late(self) -> EndpointError:
        """That the answer did not come in time, as an error."""
        return EndpointTimeoutError(
            self._endpoint, f"the answer took longer than {self._timeout_seconds:g} seconds"
        )

    def _request(
        self,
        text: str,
        form: Form | None,
        graphs: Mapping[str, Sequence[str]],
        line: Line,
        deadline: float,
    ) -> SPARQLWrapper:
        from SPARQLWrapper import JSON, POST, SELECT, SPARQLWrapper

        class Request(SPARQLWrapper):
            def _createRequest(self) -> Any:  # noqa: N802  (the library's name)
                """Keep the credentials from following a redirect to somebody else."""
                made = super()._createRequest()
                secret = made.headers.pop("Authorization", None)
                if secret is not None:
                    made.add_unredirected_header("Authorization", secret)
                return made

            def _query(self) -> tuple[Any, str]:
                """Over a connection that can be cut."""
                return _opener(line).open(self._createRequest(), timeout=self.timeout), self.returnFormat

        request = Request(self._address, returnFormat=JSON)
        request.setMethod(POST)
        # The Accept header says it all; some servers trip over parameters they do not know.
        request.setOnlyConneg(True)
        request.setTimeout(max(1, round(deadline - time.monotonic())))
        request.setQuery(text)
        if self._credentials is not None:
            request.setCredentials(self._credentials.user, self._credentials.password)
        for name, values in graphs.items():
            for value in values:
                request.addParameter(name, value)
        # The library guesses the form from the words of the query and would post what looks like an
        # update to it as one. We send queries only, and the form shows in what comes back.
        request.queryType = SELECT
        request.addCustomHttpHeader("Accept", ", ".join(_accepted(form)))
        return request


class Reply:
    """An answer of an endpoint on its way: its form is known, the rest is read once, by one thread.

    Graphs: `cut_after` says what of an answer the endpoint itself gave, where it tells that it left out more.
    """

    def __init__(
        self,
        store: RemoteStore,
        response: http.client.HTTPResponse,
        form: Form | None,
        deadline: float,
        line: Line,
        limit_bytes: int,
    ) -> None:
        self._store = store
        self._response = response
        self._deadline = deadline
        self._line = line
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._kept = b""
        self._is_read = False
        self._media_type = response.headers.get_content_type()
        rows = response.headers.get("X-SPARQL-MaxRows", "")
        self.cut_after = f"{rows} rows" if rows.isdecimal() else ""
        try:
            self._check(form)
            #: SELECT until `results` has seen that it is ASK, where the query did not tell.
            self.form = form or (Form.CONSTRUCT if self._is_graph else Form.SELECT)
            self._results = None if self._is_graph else self._begun()
        except BaseException:
            response.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the endpoint notices unless the answer has been read to its end."""
        if not self._is_read:
            self._line.cut()
        self._response.close()

    def results(self) -> ox.QuerySolutions | ox.QueryBoolean:
        """The answer to a SELECT or an ASK.

        Raises: TypeError for an answer of another form.
        """
        if self._results is None:
            raise TypeError("the answer is a graph")
        return self._results

    def triples(self) -> Iterator[ox.Triple]:
        """The statements of a CONSTRUCT or a DESCRIBE."""
        with self._store.faults():
            for quad in ox.parse(input=self._file, format=ox.RdfFormat.N_TRIPLES):
                yield quad.triple

    def faults(self) -> contextlib.AbstractContextManager[None]:
        """As `RemoteStore.faults`, around what reads from `results`."""
        return self._store.faults()

    def has_passed_on(self) -> None:
        """Be told that what was read is held no more."""
        self._held_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, for the engine that takes them apart.

        Raises: QueryMemoryError if more is held than may be; TimeoutError and others that `faults` knows.
        """
        block = self._next(size)
        self._held_bytes += len(block)
        if self._held_bytes > self._limit_bytes:
            raise QueryMemoryError(self._limit_bytes)
        return block

    @property
    def _file(self) -> IO[bytes]:
        """Itself, as the engine's type asks for it; the engine only reads."""
        return cast("IO[bytes]", self)

    @property
    def _is_graph(self) -> bool:
        return self._media_type == NTRIPLES.media_type

    def _check(self, form: Form | None) -> None:
        wanted = _accepted(form)
        if self._media_type not in wanted:
            begins = _excerpt(self._response.read(_EXCERPT_CHARACTERS))
            raise self._store.fault(
                f"answered with {self._media_type}, not {' or '.join(wanted)}; it begins {begins!r}"
            )
        # Lines show no end, so the connection has to.
        if self._is_graph and not self._response.chunked and self._response.length is None:
            raise self._store.fault("does not tell how long its answer is, so that a cut one would pass")
        # Virtuoso, when it gives what it found until its own time was over.
        if "X-SQL-State" in self._response.headers:
            raise self._store.fault(f"stopped half-way: {self._response.headers['X-SQL-State']}")

    def _begun(self) -> ox.QuerySolutions | ox.QueryBoolean:
        found = ox.parse_query_results(self._file, format=ox.QueryResultsFormat.JSON)
        if self.form is Form.ASK and isinstance(found, ox.QuerySolutions):
            # Virtuoso: one row with a 1 for yes, none for no.
            values = [value for row in found for value in row]
            is_yes = any(isinstance(value, ox.Literal) and value.value != "0" for value in values)
            found = ox.parse_query_results(_YES if is_yes else _NO, format=ox.QueryResultsFormat.JSON)
        if isinstance(found, ox.QueryBoolean):
            self.form = Form.ASK
        return found

    def _next(self, size: int) -> bytes:
        """The next bytes in the order of the body, names of anonymous nodes mended; none at its end."""
        keep = 0 if self._is_graph else _ANONYMOUS_BYTES
        while not self._is_read and len(self._kept) <= keep:
            self._line.wait_until(self._deadline)
            block = self._response.read1(_BLOCK_BYTES)
            if not block and self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
            self._is_read = not block
            self._kept = self._kept + block if self._is_graph else _ANONYMOUS.sub(rb"\1", self._kept + block)
        ready = len(self._kept) - (0 if self._is_read else keep)
        ready = min(ready, size) if size > 0 else ready
        out, self._kept = self._kept[:ready], self._kept[ready:]
        return out


def asked(text: str) -> tuple[Form | None, bool]:
    r"""The form of a query, if it shows without reading it whole, and whether it says itself in which graphs.

    >>> asked("# select\nPREFIX ask: <urn:select#> describe ask:from from <urn:g>")
    (<Form.CONSTRUCT: 'CONSTRUCT'>, True)
    """
    form, last = None, ""
    for match in _WORDS.finditer(text):
        if match[0].startswith("#"):
            continue
        word = (match[1] or "").upper()
        form = form or _FORMS.get(word)
        # Virtuoso finds nothing in a graph that is named beside the default graph of a request.
        if word == "FROM" or (last == "GRAPH" and match[0][0] not in "?$"):
            return form, True
        last = word
    return form, False


def _accepted(form: Form | None) -> tuple[str, ...]:
    """What is asked for; never more than needed, since some would answer a CONSTRUCT with rows."""
    if form is None:
        return JSON_RESULTS.media_type, NTRIPLES.media_type
    return (NTRIPLES.media_type if form is Form.CONSTRUCT else JSON_RESULTS.media_type,)


class _Plain(http.client.HTTPConnection):
    def __init__(self, host: str, *, line: Line, **more: Any) -> None:
        super().__init__(host, **more)
        self._line = line

    def connect(self) -> None:
        super().connect()
        self._line.runs_over(self.sock)


class _Secure(http.client.HTTPSConnection):
    def __init__(self, host: str, *, line: Line, **more: Any) -> None:
        super().__init__(host, **more)
        self._line = line

    def connect(self) -> None:
        super().connect()
        self._line.runs_over(self.sock)


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """HTTP over a line."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Plain, line=self._line), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        made = partial(_Secure, line=self._line, context=ssl.create_default_context())
        return self.do_open(made, req)


def _opener(line: Line) -> urllib.request.OpenerDirector:
    """What fetches over HTTP, and over nothing else that a redirect may name."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Handler(line),
    ):
        opener.add_handler(handler)
    return opener


def _excerpt(body: bytes) -> str:
    return " ".join(body.decode("utf-8", "replace").split())[:_EXCERPT_CHARACTERS]
