"""A remote SPARQL 1.1 endpoint behind the same doors as our own statements."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any, Generic, Self, TypeVar, cast

import pyoxigraph as ox

from cnrs_graph import answering, census
from cnrs_graph.descriptions import node_key
from cnrs_graph.endpoint import Line, RemoteStore, Reply
from cnrs_graph.errors import (
    CnrsGraphError,
    EndpointError,
    EndpointTimeoutError,
    QueryError,
    TooManyQueriesError,
    WorkerDiedError,
)
from cnrs_graph.formats import JSON_RESULTS, NTRIPLES, XML_RESULTS, Format
from cnrs_graph.lanes import Lane
from cnrs_graph.lookup import Counted, Fetched, Shelves, Stored, index_over
from cnrs_graph.store import Form
from cnrs_graph.terms import PREFIXES
from cnrs_graph.workers import Pool, RunningAnswer

_LOG = logging.getLogger(__name__)

#: What is known of a node, and of the whole, may be so old.
_NODE_SECONDS = 60.0
_COUNT_SECONDS = 3600.0
#: Graphs that are named when they cannot be counted.
_GRAPH_LIMIT = 10_000
#: Whether something stands in the default graph alone is judged by so many statements.
_SAMPLE = 1_000
_READ_AHEAD_BYTES = 1 << 17

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
    """Queries of strangers, sent on to an endpoint, so many at a time; answers pass through as they come."""

    def __init__(self, store: RemoteStore, *, size: int, timeout_seconds: float, queue_length: int) -> None:
        super().__init__(size=size, timeout_seconds=timeout_seconds, queue_length=queue_length)
        self._store = store
        self._places = asyncio.Semaphore(size)
        self._queued = 0
        self._threads: ThreadPoolExecutor | None = None
        self._running: set[RemoteAnswer] = set()

    async def start(self, quads: bytes | Path, default_graphs: Sequence[str]) -> None:  # noqa: ARG002
        """Be ready: the statements are elsewhere."""
        self._places = asyncio.Semaphore(self.size)
        self._threads = ThreadPoolExecutor(self.size, "endpoint")

    async def close(self) -> None:
        """Stop taking queries; those on their way are ended."""
        threads, self._threads = self._threads, None
        for answer in tuple(self._running):
            answer.stop(WorkerDiedError("the pool is closed"))
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    async def __aenter__(self) -> Self:
        return self

    @property
    def waiting(self) -> int:
        """How many queries wait for their turn."""
        return self._queued

    @property
    def idle(self) -> int:
        """How many places are free."""
        return self.size - len(self._running)

    def running(self, lane: Lane) -> int:
        """How many queries are on their way; the endpoint has no lanes of ours."""
        return len(self._running) if lane is Lane.FAST else 0

    async def answer(
        self,
        text: str,
        *,
        results: Format = JSON_RESULTS,
        graphs: Format = NTRIPLES,
        default_graphs: Sequence[str] | None = None,
        named_graphs: Sequence[str] | None = None,
        timeout_seconds: float | None = None,
        most_statements: int | None = None,
        on_start: Callable[[RunningAnswer], object] = lambda _: None,
    ) -> RunningAnswer:
        """Send a query on; returns when the first bytes of its answer are here, or the first error.

        Units and graphs: as `Pool.answer`.
        Raises: EndpointError and what is below it, QueryMemoryError, QueryError, TooManyQueriesError.
        """
        seconds = min(timeout_seconds or self.timeout_seconds, self.timeout_seconds)
        line = Line()

        def ask() -> Reply:
            return self._store.ask(
                text,
                default_graphs=default_graphs,
                named_graphs=named_graphs,
                timeout_seconds=seconds,
                line=line,
            )

        await self._wait(seconds)
        if self._threads is None:
            self._places.release()
            raise WorkerDiedError("the pool is closed")
        # The place is held until the thread has ended, so that there are never more of them.
        running = RemoteAnswer(line, results, graphs)
        self._running.add(running)
        work = partial(_pass_on, ask, running.channel, results, graphs, most_statements)
        running.work = asyncio.get_running_loop().run_in_executor(self._threads, work)
        running.work.add_done_callback(partial(self._over, running))
        on_start(running)
        await running.begin({"seconds": seconds, "late": self._store.late()})
        return running

    def _over(self, running: RemoteAnswer, work: asyncio.Future[None]) -> None:
        if not work.cancelled():
            # Looked at, since who has left will not.
            work.exception()
        self._running.discard(running)
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
    """An answer that passes through: a thread reads it from the endpoint and writes frames, as a worker does.

    Units: between the two lie a few frames; when nobody reads, the thread waits, and with it the endpoint.
    """

    work: asyncio.Future[None]

    def __init__(self, line: Line, results: Format, graphs: Format) -> None:
        self._line = line
        self._formats = (results, graphs)
        self._ours, self.channel = socket.socketpair()
        self._writer: asyncio.StreamWriter | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._first: bytes | None = None
        self._is_open = True
        self._stopped_by: CnrsGraphError | None = None

    @property
    def lane(self) -> Lane:
        """Where it ran: the endpoint has no lanes of ours."""
        return Lane.FAST

    async def begin(self, request: Mapping[str, Any]) -> None:
        """Wait for the form and the first bytes."""
        # A timer and not a time-out around each read: it strikes although nobody reads.
        self._deadline = asyncio.get_running_loop().call_later(request["seconds"], self.stop, request["late"])
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(
                sock=self._ours, limit=_READ_AHEAD_BYTES
            )
            kind, body = await self._next()
            if kind == answering.FORM:
                form, _, self.cut_after = body.decode().partition(" ")
                self.form, self.is_cut = Form(form), bool(self.cut_after)
                self.format = self._formats[self.form is Form.CONSTRUCT]
                kind, body = await self._next()
            if kind == answering.CHUNK:
                self._first = body
        except BaseException:
            self._leave()
            raise

    def stop(self, reason: CnrsGraphError) -> None:
        """Stop it before its end: whoever reads it is told why, and the endpoint sees that we are gone."""
        if self._is_open:
            self._stopped_by = reason
            self._leave()

    async def __anext__(self) -> bytes:
        """The next bytes."""
        if self._stopped_by is not None:
            raise self._stopped_by
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if not self._is_open:
            raise StopAsyncIteration
        try:
            kind, body = await self._next()
        except BaseException:
            self._leave()
            raise
        if kind == answering.END:
            raise StopAsyncIteration
        return body

    async def aclose(self) -> None:
        """Leave the answer; when its end has not been read, the endpoint is left too."""
        self._leave()

    async def _next(self) -> tuple[bytes, bytes]:
        try:
            kind, length = answering.HEADER.unpack(await self._reader.readexactly(answering.HEADER.size))
            body = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError) as error:
            if self._stopped_by is not None:
                raise self._stopped_by from error
            await self.work
            raise WorkerDiedError("it ended before its answer did") from error
        if kind == answering.END:
            self._leave()
        return kind, body

    def _leave(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        if self._deadline is not None:
            self._deadline.cancel()
        self._line.cut()
        if self._writer is not None:
            self._writer.transport.abort()
        else:
            self._ours.close()


def _pass_on(
    ask: Callable[[], Reply],
    channel: socket.socket,
    results: Format,
    graphs: Format,
    most_statements: int | None,
) -> None:
    """Ask, and write the answer into the channel in frames, in the format that fits its form.

    Raises: EndpointError and what is below it, QueryError, QueryMemoryError: whoever reads gets it after the
    last frame. ConnectionError when nobody reads any more.
    """
    with channel:
        try:
            with ask() as reply:
                if reply.form is Form.CONSTRUCT:
                    _pass_on_graph(reply, channel, graphs, most_statements)
                else:
                    _pass_on_results(reply, channel, results)
        except answering.UnfitError as error:
            raise QueryError(str(error)) from error


def _pass_on_graph(reply: Reply, channel: socket.socket, fmt: Format, most: int | None) -> None:
    triples, cut_after = _let_go(reply), reply.cut_after
    if most is not None:
        first, is_cut = answering.at_most(triples, most)
        triples, cut_after = iter(first), f"{most} statements" if is_cut else cut_after
    answering.write_graph(
        triples, channel, f"{reply.form} {cut_after}".strip(), fmt.media_type, dict(PREFIXES)
    )


def _let_go(reply: Reply) -> Iterator[ox.Triple]:
    """The statements of a reply, none of which is held."""
    for triple in reply.triples():
        reply.has_passed_on()
        yield triple


def _pass_on_results(reply: Reply, channel: socket.socket, fmt: Format) -> None:
    frames = answering.Frames(channel, f"{reply.form} {reply.cut_after}".strip(), xml=fmt is XML_RESULTS)

    class Sheet:
        """What the engine writes to, so that the reply knows how much of it is still held."""

        flush = frames.flush

        def write(self, block: bytes) -> int:
            reply.has_passed_on()
            return frames.write(block)

    with reply.faults():
        reply.results().serialize(
            cast("IO[bytes]", Sheet()), format=ox.QueryResultsFormat.from_media_type(fmt.media_type)
        )
    frames.end()
