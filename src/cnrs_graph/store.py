"""Where queries are answered: statements held in this process, or an endpoint elsewhere."""

from __future__ import annotations

import ast
import http.client
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import pyoxigraph as ox

from cnrs_graph.dataset import graph_of
from cnrs_graph.errors import (
    EndpointBusyError,
    EndpointError,
    EndpointTimeoutError,
    QueryError,
    QueryMemoryError,
)
from cnrs_graph.formats import JSON_RESULTS, NTRIPLES
from cnrs_graph.terms import Term

if TYPE_CHECKING:
    from urllib.error import HTTPError

    from SPARQLWrapper import SPARQLWrapper

_POSITION = re.compile(r"error at (\d+):(\d+): ")
_BLOCK_BYTES = 1 << 16
_EXCERPT_CHARACTERS = 300
#: How long to wait before a busy endpoint is asked again, unless it says itself.
_PAUSES_SECONDS = (0.2, 0.4, 0.8)


class Form(StrEnum):
    """What kind of answer a query has; the answer to a DESCRIBE is a CONSTRUCT answer."""

    SELECT = "SELECT"
    ASK = "ASK"
    CONSTRUCT = "CONSTRUCT"


@dataclass(frozen=True)
class Answer:
    """A finished answer: SPARQL results JSON for SELECT and ASK, N-Triples for CONSTRUCT."""

    form: Form
    body: bytes

    def rows(self) -> list[dict[str, Term]]:
        """The rows of a SELECT answer, by variable name; an unbound variable is absent from its row.

        >>> body = b'{"head":{"vars":["x"]},"results":{"bindings":[{"x":{"type":"literal","value":"1"}},{}]}}'
        >>> [sorted(row) for row in Answer(Form.SELECT, body).rows()]
        [['x'], []]

        Raises: TypeError for an answer of another form.
        """
        results = self._results(Form.SELECT)
        names = [variable.value for variable in results.variables]
        return [
            {name: term for name, term in zip(names, solution, strict=True) if term is not None}
            for solution in results
        ]

    def variables(self) -> tuple[str, ...]:
        """The variables of a SELECT answer, in the order the query names them.

        Raises: TypeError for an answer of another form.
        """
        return tuple(variable.value for variable in self._results(Form.SELECT).variables)

    def verdict(self) -> bool:
        """Whether an ASK query was answered yes.

        >>> Answer(Form.ASK, b'{"head":{},"boolean":true}').verdict()
        True

        Raises: TypeError for an answer of another form.
        """
        return bool(self._results(Form.ASK))

    def graph(self) -> Any:
        """The statements of a CONSTRUCT answer as an rdflib graph, lexical forms kept.

        Raises: TypeError for an answer of another form.
        """
        self._must_be(Form.CONSTRUCT)
        return graph_of(ox.parse(input=self.body, format=ox.RdfFormat.N_TRIPLES))

    def _results(self, form: Form) -> Any:
        self._must_be(form)
        return ox.parse_query_results(self.body, format=ox.QueryResultsFormat.JSON)

    def _must_be(self, form: Form) -> None:
        if self.form is not form:
            raise TypeError(f"the answer is a {self.form}, not a {form}")


class Store(Protocol):
    """Anything that answers a SPARQL query."""

    def query(self, text: str) -> Answer:
        """Answer a query."""
        ...


class LocalStore:
    """Statements held in this process, for our own queries; those of strangers go through `workers`.

    The engine cannot be stopped and some queries end the process it runs in.
    """

    def __init__(self, engine: ox.Store) -> None:
        self._engine = engine

    @classmethod
    def of(cls, *parts: Iterable[ox.Quad], default: Sequence[str]) -> LocalStore:
        """Hold quads; the graphs in *default* together are the default graph of a query.

        Graphs: every graph stays reachable with GRAPH and FROM; a statement that stands in two graphs of
        *default* stands once in the default graph. Quads that are in no named graph are in it too.
        Source: SPARQL 1.1 Query Language, section 13.
        """
        engine = ox.Store()
        for part in parts:
            engine.extend(part)
        for graph in default:
            engine.update(f"ADD SILENT {ox.NamedNode(graph)} TO DEFAULT")
        return cls(engine)

    def query(self, text: str) -> Answer:
        """Answer a query here and now; FROM and FROM NAMED replace the default graph.

        Raises: QueryError, with the engine's line and column if it gives them.
        """
        # The engine's iterators must not leave the thread that made them,
        # so the answer is finished here, before anybody can see it.
        try:
            found = self._engine.query(text)
            if isinstance(found, ox.QueryTriples):
                return Answer(Form.CONSTRUCT, found.serialize(format=ox.RdfFormat.N_TRIPLES) or b"")
            form = Form.ASK if isinstance(found, ox.QueryBoolean) else Form.SELECT
            return Answer(form, found.serialize(format=ox.QueryResultsFormat.JSON) or b"")
        except SyntaxError as error:
            raise unreadable(str(error)) from error
        except (OSError, RuntimeError, ValueError) as error:
            raise QueryError(f"the engine gave up: {error}") from error


@dataclass(frozen=True)
class Credentials:
    """A name and a password for an endpoint; the password is shown nowhere."""

    user: str
    password: str = field(repr=False)


class RemoteStore:
    """A SPARQL 1.1 endpoint elsewhere; what its default graph holds is for it to say.

    Units: `limit_bytes` is how large an answer may be.
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
        self._timeout_seconds = timeout_seconds
        self._credentials = credentials
        self._limit_bytes = limit_bytes

    def query(
        self,
        text: str,
        *,
        default_graphs: Sequence[str] = (),
        named_graphs: Sequence[str] = (),
        timeout_seconds: float | None = None,
        is_unwanted: Callable[[], bool] = lambda: False,
    ) -> Answer:
        """Send a query and wait for the whole answer; an endpoint that is busy is asked again a few times.

        Graphs: *default_graphs* and *named_graphs*, when given, replace the query's own FROM.
        Units: the time-out is in seconds, from here to the last byte; silence is noticed within twice that.
        Raises: EndpointError if the endpoint refuses, sends another media type or a cut body;
        EndpointTimeoutError if it is late, EndpointBusyError if it stays busy; QueryMemoryError if the answer
        is too large.
        Source: SPARQL 1.1 Protocol, section 2.1.
        """
        seconds = min(timeout_seconds or self._timeout_seconds, self._timeout_seconds)
        deadline = time.monotonic() + seconds
        graphs = (default_graphs, named_graphs)
        for pause_seconds in _PAUSES_SECONDS:
            try:
                return self._once(text, graphs, deadline, is_unwanted)
            except EndpointBusyError as error:
                pause_seconds = max(pause_seconds, error.retry_after_seconds or 0)
                if time.monotonic() + pause_seconds > deadline or is_unwanted():
                    raise
                time.sleep(pause_seconds)
        return self._once(text, graphs, deadline, is_unwanted)

    def _once(
        self,
        text: str,
        graphs: tuple[Sequence[str], Sequence[str]],
        deadline: float,
        is_unwanted: Callable[[], bool],
    ) -> Answer:
        try:
            response = self._send(text, graphs, deadline)
            with response:
                body = self._body(response, deadline, is_unwanted)
                media_type = response.headers.get_content_type()
        except TimeoutError as error:
            raise self._late() from error
        except (OSError, http.client.HTTPException) as error:
            raise EndpointError(self._endpoint, f"the answer is cut: {error}") from error
        return self._answer(media_type, body)

    def _send(
        self, text: str, graphs: tuple[Sequence[str], Sequence[str]], deadline: float
    ) -> http.client.HTTPResponse:
        from urllib.error import HTTPError, URLError

        from SPARQLWrapper.SPARQLExceptions import SPARQLWrapperException

        try:
            response: http.client.HTTPResponse = self._request(text, graphs, deadline).query().response
        except SPARQLWrapperException as error:
            status = getattr(error.__cause__ or error.__context__, "code", "an error")
            raise EndpointError(self._endpoint, f"refused the query with {status}: {_said(error)}") from error
        except HTTPError as error:
            raise self._refusal(error) from error
        except URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._late() from error
            raise EndpointError(self._endpoint, f"cannot be reached: {error.reason}") from error
        return response

    def _refusal(self, error: HTTPError) -> EndpointError:
        with error:
            said = _excerpt(error.read(_BLOCK_BYTES)) or error.reason
        if error.code == http.HTTPStatus.SERVICE_UNAVAILABLE:
            wait = error.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isdecimal() else None
            return EndpointBusyError(self._endpoint, f"refused the query with 503: {said}", seconds)
        if error.code == http.HTTPStatus.GATEWAY_TIMEOUT:
            return EndpointTimeoutError(self._endpoint, f"refused the query with 504: {said}")
        return EndpointError(self._endpoint, f"refused the query with {error.code}: {said}")

    def _request(
        self, text: str, graphs: tuple[Sequence[str], Sequence[str]], deadline: float
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

        request = Request(self._endpoint, returnFormat=JSON)
        request.setMethod(POST)
        # The Accept header says it all; some servers trip over parameters they do not know.
        request.setOnlyConneg(True)
        request.setTimeout(max(1, round(deadline - time.monotonic())))
        request.setQuery(text)
        if self._credentials is not None:
            request.setCredentials(self._credentials.user, self._credentials.password)
        for name, values in zip(("default-graph-uri", "named-graph-uri"), graphs, strict=True):
            for value in values:
                request.addParameter(name, value)
        # The library guesses the form from the words of the query and would post what looks like an
        # update to it as one. We send queries only, and the form shows in what comes back.
        request.queryType = SELECT
        request.addCustomHttpHeader("Accept", f"{JSON_RESULTS.media_type}, {NTRIPLES.media_type}")
        return request

    def _body(
        self, response: http.client.HTTPResponse, deadline: float, is_unwanted: Callable[[], bool]
    ) -> bytes:
        blocks, size = [], 0
        while block := response.read1(_BLOCK_BYTES):
            blocks.append(block)
            size += len(block)
            if size > self._limit_bytes:
                raise QueryMemoryError(self._limit_bytes)
            if time.monotonic() > deadline or is_unwanted():
                raise TimeoutError
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return b"".join(blocks)

    def _answer(self, media_type: str, body: bytes) -> Answer:
        """Tell the form by the media type, and see that the body is whole."""
        try:
            if media_type == NTRIPLES.media_type:
                for _ in ox.parse(input=body, format=ox.RdfFormat.N_TRIPLES):
                    pass
                return Answer(Form.CONSTRUCT, body)
            if media_type == JSON_RESULTS.media_type:
                found = ox.parse_query_results(body, format=ox.QueryResultsFormat.JSON)
                if isinstance(found, ox.QueryBoolean):
                    return Answer(Form.ASK, body)
                for _ in found:
                    pass
                return Answer(Form.SELECT, body)
        except SyntaxError as error:
            reason = f"the answer is cut, or is no {media_type}: {error.msg or error}"
            raise EndpointError(self._endpoint, reason) from error
        raise EndpointError(
            self._endpoint,
            f"answered with {media_type}, neither {JSON_RESULTS.media_type} nor {NTRIPLES.media_type}; "
            f"it begins {_excerpt(body[:_EXCERPT_CHARACTERS])!r}",
        )

    def _late(self) -> EndpointError:
        return EndpointTimeoutError(
            self._endpoint, f"the answer took longer than {self._timeout_seconds:g} seconds"
        )


def unreadable(message: str) -> QueryError:
    """The engine's complaint about a query as an error of ours, with its line and column.

    The place may be a few letters late: the engine reads the length of a keyword ahead.

    >>> str(unreadable("error at 1:7: expected one of ..."))
    'line 1, column 7: expected one of ...'
    """
    place = _POSITION.match(message)
    if place is None:
        return QueryError(message)
    return QueryError(message[place.end() :], line=int(place[1]), column=int(place[2]))


def _said(error: Exception) -> str:
    """What the endpoint said; the library quotes its bytes at the end of the message."""
    message, _, quoted = str(error).partition("Response:\n")
    return _excerpt(ast.literal_eval(quoted)) if quoted else message


def _excerpt(body: bytes) -> str:
    return " ".join(body.decode("utf-8", "replace").split())[:_EXCERPT_CHARACTERS]
