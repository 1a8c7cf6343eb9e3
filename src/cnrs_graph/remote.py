"""A remote SPARQL 1.1 endpoint behind the same doors as our own statements."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, Self, TypeVar

import pyoxigraph as ox

from cnrs_graph import answering, census
from cnrs_graph.answers import answer_bytes
from cnrs_graph.descriptions import node_key
from cnrs_graph.errors import (
    CnrsGraphError,
    EndpointError,
    EndpointTimeoutError,
    QueryError,
    TooManyQueriesError,
)
from cnrs_graph.formats import JSON_RESULTS, NTRIPLES, RDFXML, XML_RESULTS, Format
from cnrs_graph.lanes import Lane
from cnrs_graph.lookup import Counted, Fetched, Shelves, Stored, index_over
from cnrs_graph.store import Answer, Form, RemoteStore
from cnrs_graph.workers import Pool, RunningAnswer

_LOG = logging.getLogger(__name__)

#: What is known of a node, and of the whole, may be so old.
_NODE_SECONDS = 60.0
_COUNT_SECONDS = 3600.0
#: Graphs that are named when they cannot be counted.
_GRAPH_LIMIT = 10_000
#: Whether something stands in the default graph alone is judged by so many statements.
_SAMPLE = 1_000

_T = TypeVar("_T")


def open_remote(store: RemoteStore, base: str, outside: tuple[str, ...]) -> Stored:
    """Take an endpoint as the place where the statements of a publication are.

    Graphs: those of the endpoint, by the names they have there; its default graph answers queries.
    Raises: EndpointError when it cannot be asked.
    """
    shelves = Shelves(base, outside, named=not _has_more_than_graphs(store))
    graphs = _Fresh(_COUNT_SECONDS, lambda: _graphs(store))
    counted = _Fresh(_COUNT_SECONDS, lambda: _counted(store, shelves))
    names = tuple(graphs())
    fetched = Fetched(store, shelves, graphs=names, keep_seconds=_NODE_SECONDS)
    return Stored(
        index=index_over(fetched, counted),
        counted=counted,
        graphs=graphs,
        default_graphs=names if _is_union(store) else (),
        changes=True,
    )


def _has_more_than_graphs(store: RemoteStore) -> bool:
    """Whether statements stand in the default graph that stand in no named one."""
    some = f"{{ SELECT ?s ?p ?o {{ ?s ?p ?o }} LIMIT {_SAMPLE} }}"
    rows = store.query(
        f"SELECT ?s {{ {some} OPTIONAL {{ GRAPH ?g {{ ?s ?p ?o }} }} FILTER(!BOUND(?g)) }} LIMIT 1"
    )
    return bool(rows.rows())


def _is_union(store: RemoteStore) -> bool:
    """Whether the default graph shows what stands in named graphs, judged by one statement."""
    some = "{ SELECT ?s ?p ?o { GRAPH ?g { ?s ?p ?o } } LIMIT 1 }"
    return store.query(f"ASK {{ {some} ?s ?p ?o }}").verdict()


def _graphs(store: RemoteStore) -> Mapping[str, int]:
    """The named graphs with their sizes; with 0 where counting takes too long."""
    try:
        return census.graph_sizes(store)
    except EndpointTimeoutError:
        text = f"SELECT DISTINCT ?g {{ GRAPH ?g {{ ?s ?p ?o }} }} LIMIT {_GRAPH_LIMIT}"
        return {node_key(row["g"]): 0 for row in store.query(text).rows()}


def _counted(store: RemoteStore, shelves: Shelves) -> Counted:
    try:
        return census.count(store, shelves)
    except EndpointTimeoutError as error:
        _LOG.warning("the numbers of the dataset are left out: %s", error)
        return Counted(None, {}, ())


class _Fresh(Generic[_T]):
    """A value that is made when it is first asked for; an old one serves while the next is made."""

    def __init__(self, seconds: float, make: Callable[[], _T]) -> None:
        self._seconds = seconds
        self._make = make
        self._turn = threading.Lock()
        self._held: tuple[float, _T] | None = None
        self._renewing = False

    def __call__(self) -> _T:
        with self._turn:
            if self._held is None:
                self._held = (time.monotonic(), self._make())
            made, value = self._held
            if time.monotonic() - made > self._seconds and not self._renewing:
                self._renewing = True
                threading.Thread(target=self._renew, daemon=True).start()
            return value

    def _renew(self) -> None:
        """Make another value; when that fails, the old one serves for as long again."""
        value = self._held[1] if self._held is not None else None
        try:
            value = self._make()
        except EndpointError as error:
            _LOG.warning("what is known of the endpoint stays as it was: %s", error)
        finally:
            if value is not None:
                self._held = (time.monotonic(), value)
            self._renewing = False


class RemotePool(Pool):
    """Queries of strangers, sent on to an endpoint, so many at a time; its answers come back whole.

    Units: an answer may have a quarter of `memory_bytes`, since it is held while it is rewritten.
    """

    def __init__(self, store: RemoteStore, *, size: int, timeout_seconds: float, queue_length: int) -> None:
        super().__init__(size=size, timeout_seconds=timeout_seconds, queue_length=queue_length)
        self._store = store
        self._places = asyncio.Semaphore(size)
        self._queued = 0
        self._taken = 0

    async def start(self, quads: bytes | Path, default_graphs: Sequence[str]) -> None:  # noqa: ARG002
        """Be ready: the statements are elsewhere."""
        self._places = asyncio.Semaphore(self.size)

    async def close(self) -> None:
        """Stop taking queries; those on their way end by themselves."""

    async def __aenter__(self) -> Self:
        return self

    @property
    def waiting(self) -> int:
        """How many queries wait for their turn."""
        return self._queued

    @property
    def idle(self) -> int:
        """How many places are free."""
        return self.size - self._taken

    def running(self, lane: Lane) -> int:
        """How many queries are on their way; the endpoint has no lanes of ours."""
        return self._taken if lane is Lane.FAST else 0

    async def answer(
        self,
        text: str,
        *,
        results: Format = JSON_RESULTS,
        graphs: Format = NTRIPLES,
        default_graphs: Sequence[str] | None = None,
        named_graphs: Sequence[str] | None = None,
        timeout_seconds: float | None = None,
        most_statements: int | None = None,  # noqa: ARG002 - an answer is whole here, or too large
        on_start: Callable[[RunningAnswer], object] = lambda _: None,  # noqa: ARG002 - it starts elsewhere
    ) -> RunningAnswer:
        """Send a query on; returns when its answer is here, whole and in the format that was asked for.

        Raises: EndpointError and what is below it, QueryMemoryError, QueryError, TooManyQueriesError.
        """
        seconds = min(timeout_seconds or self.timeout_seconds, self.timeout_seconds)
        given_up = threading.Event()

        def ask() -> tuple[Form, Format, bytes]:
            found = self._store.query(
                text,
                default_graphs=default_graphs or (),
                named_graphs=named_graphs or (),
                timeout_seconds=seconds,
                is_unwanted=given_up.is_set,
            )
            fmt = graphs if found.form is Form.CONSTRUCT else results
            return found.form, fmt, _written(found, fmt)

        await self._wait(seconds)
        self._taken += 1
        try:
            return RemoteAnswer(*await asyncio.to_thread(ask))
        finally:
            given_up.set()
            self._taken -= 1
            self._places.release()

    async def _wait(self, seconds: float) -> None:
        if self._places.locked() and self._queued >= self.queue_length:
            raise TooManyQueriesError(self._queued, math.ceil(self.timeout_seconds / self.size))
        self._queued += 1
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise TooManyQueriesError(self._queued, math.ceil(self.timeout_seconds / self.size)) from error
        finally:
            self._queued -= 1


class RemoteAnswer(RunningAnswer):
    """An answer that has come back."""

    def __init__(self, form: Form, fmt: Format, body: bytes) -> None:
        self.form = form
        self.format = fmt
        self._body: bytes | None = body
        self._stopped_by: CnrsGraphError | None = None

    @property
    def lane(self) -> Lane:
        """Where it ran: the endpoint has no lanes of ours."""
        return Lane.FAST

    def stop(self, reason: CnrsGraphError) -> None:
        """Stop it before its end: whoever reads it is told why."""
        self._stopped_by = reason

    async def __anext__(self) -> bytes:
        """The body, once."""
        if self._stopped_by is not None:
            raise self._stopped_by
        if self._body is None:
            raise StopAsyncIteration
        body, self._body = self._body, None
        return body

    async def aclose(self) -> None:
        """Leave the answer."""
        self._body = None


def _written(answer: Answer, fmt: Format) -> bytes:
    """An answer in a format.

    Raises: QueryError when XML cannot carry it.
    """
    try:
        if fmt is RDFXML:
            for _ in answering.with_xml_names(_triples(answer)):
                pass
        body = answer_bytes(answer, fmt)
        return answering.fit_for_xml(body) if fmt in (RDFXML, XML_RESULTS) else body
    except answering.UnfitError as error:
        raise QueryError(str(error)) from error


def _triples(answer: Answer) -> list[ox.Triple]:
    return [quad.triple for quad in ox.parse(input=answer.body, format=ox.RdfFormat.N_TRIPLES)]
