"""Queries of strangers, answered in processes that can be stopped.

A *zygote* (`zygote`, a program of its own) loads the data once and forks workers that share it. A worker
answers one query at a time. One that is late, too large or dead is replaced; nobody else notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from cnrs_graph import answering, zygote
from cnrs_graph.answering import HEADER, frame
from cnrs_graph.errors import (
    CnrsGraphError,
    Place,
    QueryError,
    QueryMemoryError,
    QueryTimeoutError,
    SourceError,
    TooManyQueriesError,
    WorkerDiedError,
)
from cnrs_graph.formats import JSON_RESULTS, NTRIPLES, Format
from cnrs_graph.lanes import Lane, Lanes, Ticket
from cnrs_graph.store import Answer, Form, unreadable
from cnrs_graph.terms import PREFIXES
from cnrs_graph.zygote import Wall

_LOG = logging.getLogger(__name__)

_READ_AHEAD_BYTES = 1 << 17
_COMPLAINT_BYTES = 1 << 14
_CLOSING_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 5.0
_SPARE_WORKERS = 1
#: Workers beyond these are let go when long queries have ended.
_MOST_SPARE_WORKERS = 4
#: The niceness of a process whose query runs there.
_NICENESS = {Lane.SIDE: 10, Lane.SLOW: 19}
#: What makes a clock of a process number; Linux only.
_CPU_CLOCK = 2
_PANIC = re.compile(r"panicked at [^\n]*\n([^\n]*)")


class Pool:
    """Workers that answer queries over one set of quads, `size` at a time, long ones beside them (`lanes`).

    Units: `memory_bytes` is what one query may take beyond the data; `queue_length` counts queries that wait,
    `slow_workers` those that have run longer than `slow_after_seconds`.
    Where the system lacks a wall (see `walls`) the deadline still holds.
    """

    def __init__(
        self,
        *,
        size: int = 2,
        timeout_seconds: float = 30.0,
        memory_bytes: int = 1 << 30,
        queue_length: int = 64,
        slow_after_seconds: float = 1.0,
        slow_workers: int = 8,
        desk_settings: Mapping[str, object] | None = None,
    ) -> None:
        self.size = size
        self.timeout_seconds = timeout_seconds
        self.memory_bytes = memory_bytes
        self.queue_length = queue_length
        self.slow_after_seconds = slow_after_seconds
        self.slow_workers = slow_workers
        #: What every desk is told (`desks`).
        self.desk_settings = dict(desk_settings or {})
        #: How many workers were killed before their answer was whole.
        self.killed = 0
        self._lanes = self._new_lanes()
        self._forking = 0
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        self._workers: set[_Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._zygote: _Zygote | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._quads: BinaryIO | None = None
        self._default_graphs: tuple[str, ...] = ()
        self._folder: Path | None = None

    async def start(self, quads: bytes | Path, default_graphs: Sequence[str]) -> None:
        """Load N-Quads, from memory or from a file, or open a store in a folder, and make the workers ready.

        Graphs: the default graph of a query without FROM is *default_graphs* merged; all others by name.
        Raises: SourceError if the quads cannot be loaded.
        """
        self._default_graphs = tuple(default_graphs)
        self._folder = quads if isinstance(quads, Path) and quads.is_dir() else None
        # Of this event loop, should the pool have been closed in another one.
        self._lanes = self._new_lanes()
        self._idle = asyncio.LifoQueue()
        try:
            self._quads = _opened(b"" if self._folder else quads)
            await self._load(self._quads)
        except OSError as error:
            await self.close()
            place = Place(quads if isinstance(quads, Path) else Path("quads"))
            raise SourceError(place, str(error)) from error
        except BaseException:
            await self.close()
            raise
        self._keeper = asyncio.create_task(self._keep_zygote(self._quads))

    async def close(self) -> None:
        """Stop every process; queries that still run end with WorkerDiedError."""
        tasks = [*self._tasks, self._keeper] if self._keeper else [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lanes.close()
        last, self._zygote = self._zygote, None
        for worker in self._workers:
            worker.close()
        self._workers.clear()
        if last is not None:
            await last.stop()
        if self._quads is not None:
            self._quads.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def walls(self) -> tuple[Wall, ...]:
        """The limits that hold each worker on this system, besides the deadline."""
        return self._zygote.walls if self._zygote else ()

    @property
    def waiting(self) -> int:
        """How many queries wait for a worker."""
        return self._lanes.waiting

    @property
    def idle(self) -> int:
        """How many workers have nothing to do."""
        return self._idle.qsize()

    def running(self, lane: Lane) -> int:
        """How many queries run in a lane."""
        return self._lanes.running(lane)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The zygote's process, then the workers'."""
        first = (self._zygote.process.pid,) if self._zygote else ()
        return first + tuple(sorted(worker.pid for worker in self._workers))

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
        """Start a query; returns when the first bytes of its answer are there, or the first error.

        A SELECT or ASK is written in *results*, a CONSTRUCT or DESCRIBE in *graphs*.
        Graphs: *default_graphs* and *named_graphs*, when given, replace the query's own FROM.
        Units: the time-out, at most the pool's, runs from the moment a worker takes the query until the last
        byte is read; a query also waits no longer than that for a worker. Of a graph at most
        *most_statements* are written, and the answer says when it `is_cut`.
        *on_start* is told of the answer as soon as a worker has the query.
        Raises: QueryError, QueryTimeoutError, QueryMemoryError, WorkerDiedError, TooManyQueriesError.
        """
        seconds = min(timeout_seconds or self.timeout_seconds, self.timeout_seconds)
        request = {
            "query": text,
            "results": results.media_type,
            "graphs": graphs.media_type,
            "default_graphs": default_graphs,
            "named_graphs": named_graphs,
            "seconds": seconds,
            "most_statements": most_statements,
        }
        worker, ticket = await self._enter(seconds)
        running = RunningAnswer(self, worker, ticket, results, graphs, seconds)
        on_start(running)
        await running.begin(request)
        return running

    async def run(self, text: str, *, timeout_seconds: float | None = None) -> Answer:
        """The whole answer to a query, as results JSON or N-Triples. Raises as `answer` does."""
        async with await self.answer(text, timeout_seconds=timeout_seconds) as running:
            return Answer(running.form, b"".join([chunk async for chunk in running]))

    async def fork_desk(self, channel: socket.socket, complaints: int, slip: int) -> int:
        """Have a desk forked that talks over the channel; returns its process number.

        Raises: OSError if there is nothing to fork from just now.
        """
        if self._zygote is None:
            raise OSError("the pool is closed")
        return await self._zygote.fork_desk((channel.fileno(), complaints, slip))

    async def bury_desk(self, process_id: int) -> None:
        """Wait for the end of a desk that was killed, so that its number is free."""
        if self._zygote is not None:
            with contextlib.suppress(OSError):
                await self._zygote.bury_process(process_id)

    async def _enter(self, seconds: float) -> tuple[_Worker, Ticket]:
        """Wait for a place among the running queries, and take a worker."""
        if self._zygote is None:
            raise WorkerDiedError("the pool is closed")
        ticket = await self._lanes.enter(seconds)
        try:
            async with asyncio.timeout(seconds):
                while (worker := await self._idle.get()).has_ended:
                    self._replace(worker)
        except BaseException as error:
            self._lanes.leave(ticket)
            if isinstance(error, TimeoutError):
                raise TooManyQueriesError(self.waiting, 1) from error
            raise
        return worker, ticket

    def give_back(self, worker: _Worker, ticket: Ticket) -> None:
        """Take a worker back that has finished its answer; one that was slowed down stays so, and goes."""
        self._lanes.leave(ticket)
        if worker.is_lowered or len(self._workers) - self._lanes.away > self.size + _MOST_SPARE_WORKERS:
            self._replace(worker)
        else:
            self._idle.put_nowait(worker)

    def give_up(self, worker: _Worker, ticket: Ticket) -> None:
        """Take a worker back that has not: it is killed, and another takes its place."""
        self._lanes.leave(ticket)
        self.killed += 1
        self._replace(worker)

    async def cause_of_death(self, worker: _Worker) -> CnrsGraphError:
        """Why a worker ended by itself."""
        status = 0
        if self._zygote is not None and worker.zygote is self._zygote:
            with contextlib.suppress(OSError):
                status = await self._zygote.bury(worker)
        complaint = worker.complaint()
        if "memory allocation of" in complaint:
            return QueryMemoryError(self.memory_bytes)
        reason = _reason(status, complaint)
        _LOG.warning("query worker %d ended: %s", worker.pid, reason)
        return WorkerDiedError(reason)

    def _replace(self, worker: _Worker) -> None:
        worker.kill()
        self._workers.discard(worker)
        if worker.zygote is self._zygote:
            self._in_background(self._bury(worker))
            self._make_room()
        else:
            worker.close()

    async def _bury(self, worker: _Worker) -> None:
        with contextlib.suppress(OSError):
            await worker.zygote.bury(worker)
        worker.close()

    def _make_room(self) -> None:
        """Have as many workers as fast places and a spare, besides those at work elsewhere."""
        wanted = self.size + _SPARE_WORKERS + self._lanes.away - len(self._workers) - self._forking
        if self._zygote is not None:
            for _ in range(wanted):
                self._in_background(self._fork_if_possible(self._zygote))

    async def _fork_if_possible(self, parent: _Zygote) -> None:
        # When this fails the zygote has ended, and its keeper makes new workers.
        with contextlib.suppress(OSError):
            await self._fork(parent)

    def _new_lanes(self) -> Lanes:
        return Lanes(
            fast=self.size,
            slow=self.slow_workers,
            slow_after_seconds=self.slow_after_seconds,
            queue_length=self.queue_length,
            on_room_needed=self._make_room,
        )

    async def _fork(self, parent: _Zygote) -> None:
        self._forking += 1
        try:
            worker = await parent.fork()
        finally:
            self._forking -= 1
        self._workers.add(worker)
        self._idle.put_nowait(worker)

    async def _load(self, quads: BinaryIO) -> None:
        settings = {
            "default_graphs": self._default_graphs,
            "memory_bytes": self.memory_bytes,
            "prefixes": dict(PREFIXES),
            "folder": str(self._folder or ""),
            **self.desk_settings,
        }
        self._zygote = parent = await _Zygote.start(quads, settings)
        for _ in range(self.size + _SPARE_WORKERS):
            await self._fork(parent)

    async def _keep_zygote(self, quads: BinaryIO) -> None:
        """Start the zygote again whenever it ends; its workers end with it."""
        pause_seconds = 0.0
        while True:
            if self._zygote is not None:
                await self._zygote.process.wait()
                _LOG.warning("the process that holds the data ended; it is started again")
                self._drop_workers(self._zygote)
            try:
                await self._load(quads)
                pause_seconds = 0.0
            except (OSError, CnrsGraphError) as error:
                _LOG.warning("the data could not be loaded again: %s", error)
                pause_seconds = min(_LONGEST_PAUSE_SECONDS, 2 * pause_seconds + 0.1)
                await asyncio.sleep(pause_seconds)

    def _drop_workers(self, parent: _Zygote) -> None:
        """Forget the workers that had nothing to do; the others are given up by who reads from them."""
        while not self._idle.empty():
            worker = self._idle.get_nowait()
            self._workers.discard(worker)
            worker.close()
        parent.control.close()

    def _in_background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class RunningAnswer:
    """An answer on its way: its form is known, its bytes follow.

    Close it, or use it with `async with`: an answer that is not read to its end costs its worker.
    """

    form: Form
    format: Format
    #: Whether something was left out.
    is_cut = False
    #: After how much, where somebody else than the caller set the limit.
    cut_after = ""
    #: How long it was computed, once it is whole.
    computed_seconds = 0.0

    def __init__(
        self,
        pool: Pool,
        worker: _Worker,
        ticket: Ticket,
        results: Format,
        graphs: Format,
        seconds: float,
    ) -> None:
        self._pool = pool
        self._worker = worker
        self._ticket = ticket
        ticket.lower, ticket.stop = worker.lower, self.stop
        before = worker.cpu_seconds()
        ticket.computed_seconds = lambda: worker.cpu_seconds() - before
        self._formats = (results, graphs)
        self._first: bytes | None = None
        self._holds_worker = True
        self._stopped_by: CnrsGraphError | None = None
        # A timer and not a time-out around each read: it strikes although nobody reads.
        late = QueryTimeoutError(seconds)
        self._timer = asyncio.get_running_loop().call_later(seconds, self.stop, late)

    @property
    def lane(self) -> Lane:
        """Where it runs, or ran last."""
        return self._ticket.lane

    async def begin(self, request: Mapping[str, object]) -> None:
        """Send the request and wait for the form and the first bytes."""
        try:
            self._worker.send(frame(answering.REQUEST, json.dumps(request).encode()))
            kind, body = await self._receive()
            if kind == answering.FORM:
                form, _, more = body.decode().partition(" ")
                self.form, self.is_cut = Form(form), more == answering.CUT
                self.format = self._formats[self.form is Form.CONSTRUCT]
                kind, body = await self._receive()
            if kind == answering.CHUNK:
                self._first = body
            self._ticket.has_begun = True
        except BaseException:
            self._abandon()
            raise

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._stopped_by is not None:
            raise self._stopped_by
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if not self._holds_worker:
            raise StopAsyncIteration
        try:
            kind, body = await self._receive()
        except BaseException:
            self._abandon()
            raise
        if kind == answering.END:
            raise StopAsyncIteration
        return body

    def stop(self, reason: CnrsGraphError) -> None:
        """Stop it before its end: whoever reads it is told why."""
        if self._holds_worker:
            self._stopped_by = reason
            self._abandon()

    async def aclose(self) -> None:
        """Leave the answer; when its end has not been read the worker is stopped and replaced."""
        self._abandon()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _receive(self) -> tuple[bytes, bytes]:
        """The next frame; an error in the worker, or of the worker, is raised here."""
        try:
            kind, body = await self._worker.receive()
        except (asyncio.IncompleteReadError, OSError) as error:
            if self._stopped_by is not None:
                raise self._stopped_by from error
            raise await self._pool.cause_of_death(self._worker) from error
        if kind in (answering.END, answering.FAILED):
            self._finish()
        if kind == answering.FAILED:
            raise self._failure(*json.loads(body))
        return kind, body

    def _failure(self, kind: str, message: str) -> CnrsGraphError:
        if kind == "memory":
            return QueryMemoryError(self._pool.memory_bytes)
        if kind == "syntax":
            return unreadable(message)
        return QueryError(message if kind == "unfit" else f"the engine gave up: {message}")

    def _finish(self) -> None:
        self.computed_seconds = self._ticket.computed_seconds()
        if self._holds_worker:
            self._holds_worker = False
            self._timer.cancel()
            self._pool.give_back(self._worker, self._ticket)

    def _abandon(self) -> None:
        if self._holds_worker:
            self._holds_worker = False
            self._timer.cancel()
            self._pool.give_up(self._worker, self._ticket)


def cpu_seconds(process_id: int) -> float:
    """The time that a process has computed since it was forked; the system's clock where that is not told."""
    with contextlib.suppress(OSError):
        if sys.platform == "linux":
            return time.clock_gettime((~process_id << 3) | _CPU_CLOCK)
    return time.monotonic()


class _Worker:
    """The parent's end of a worker: its channel, its number, and what it printed before it died."""

    def __init__(
        self,
        parent: _Zygote,
        pid: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        complaints: int,
    ) -> None:
        self.zygote = parent
        self.pid = pid
        self.is_buried = False
        self.is_lowered = False
        self._reader = reader
        self._writer = writer
        self._complaints: int | None = complaints

    @property
    def has_ended(self) -> bool:
        """Whether it died while it had nothing to do."""
        return self._reader.at_eof()

    def send(self, message: bytes) -> None:
        """Send a frame."""
        self._writer.write(message)

    async def receive(self) -> tuple[bytes, bytes]:
        """The next frame, kind and body.

        Raises: IncompleteReadError when the worker is gone.
        """
        kind, length = HEADER.unpack(await self._reader.readexactly(HEADER.size))
        return kind, await self._reader.readexactly(length)

    def kill(self) -> None:
        """End it now, unless it has been buried: its number may then be somebody else's."""
        if not self.is_buried and self.zygote.process.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def lower(self, lane: Lane) -> None:
        """Let others go first: as far as the system permits, every other process when it is slow.

        There is no way back without privileges.
        """
        self.is_lowered = True
        if self.is_buried or self.zygote.process.returncode is not None:
            return
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.pid, _NICENESS[lane])
            if lane is Lane.SLOW and hasattr(os, "SCHED_IDLE"):
                os.sched_setscheduler(self.pid, os.SCHED_IDLE, os.sched_param(0))

    def cpu_seconds(self) -> float:
        """The time it has computed since it was forked; the system's clock where that is not told."""
        return time.monotonic() if self.is_buried else cpu_seconds(self.pid)

    def complaint(self) -> str:
        """What it printed."""
        if self._complaints is None:
            return ""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._complaints, _COMPLAINT_BYTES).decode("utf-8", "replace")
        return ""

    def close(self) -> None:
        """Close our end; a worker without work ends by itself then."""
        self._writer.transport.abort()
        if self._complaints is not None:
            os.close(self._complaints)
            self._complaints = None


class _Zygote:
    """The parent's end of the zygote: one request at a time, each with its reply."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.process = process
        self.control = control
        self.walls: tuple[Wall, ...] = ()
        self._turn = asyncio.Lock()

    @classmethod
    async def start(cls, quads: BinaryIO, settings: Mapping[str, object]) -> _Zygote:
        """Start the program and wait until it holds the data.

        Raises: OSError if it cannot.
        """
        control, other_end = socket.socketpair()
        control.setblocking(False)  # noqa: FBT003  (its only parameter)
        with other_end:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                # The folder it is started in stays off its path.
                *("-P", "-m", zygote.__name__),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(other_end.fileno(), quads.fileno()),
                start_new_session=True,
                env={**os.environ, "RUST_BACKTRACE": "0"},
            )
            told = {**settings, "control": other_end.fileno(), "quads": quads.fileno()}
        started = cls(process, control)
        try:
            if process.stdin is not None:
                process.stdin.write(json.dumps(told).encode())
                process.stdin.close()
            started.walls = tuple(Wall(name) for name in json.loads(await started._reply()))
        except BaseException:
            await started.stop()
            raise
        return started

    async def fork(self) -> _Worker:
        """Ask for a worker.

        Raises: OSError if the zygote has ended.
        """
        channel, other_end = socket.socketpair()
        complaints, complain = os.pipe()
        os.set_blocking(complaints, False)
        os.set_blocking(complain, False)
        try:
            pid = int(await self._ask(frame(zygote.FORK), (other_end.fileno(), complain)))
            reader, writer = await asyncio.open_unix_connection(sock=channel, limit=_READ_AHEAD_BYTES)
        except BaseException:
            channel.close()
            os.close(complaints)
            raise
        finally:
            other_end.close()
            os.close(complain)
        return _Worker(self, pid, reader, writer, complaints)

    async def bury(self, worker: _Worker) -> int:
        """Kill a worker if it lives, and learn how it ended, as `os.waitpid` tells it.

        Raises: OSError if the zygote has ended.
        """
        worker.kill()
        worker.is_buried = True
        return await self.bury_process(worker.pid)

    async def bury_process(self, process_id: int) -> int:
        """Wait for a process that ends, and learn how it did. Raises as `bury` does."""
        return int(await self._ask(HEADER.pack(zygote.BURY, process_id)))

    async def fork_desk(self, descriptors: Sequence[int]) -> int:
        """Ask for a desk; returns its process number. Raises as `fork` does."""
        return int(await self._ask(frame(zygote.DESK), descriptors))

    async def stop(self) -> None:
        """End the zygote, which ends its workers first."""
        self.control.close()
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def _ask(self, message: bytes, descriptors: Sequence[int] = ()) -> bytes:
        """Send a request and wait for its reply; the reply is read even if nobody waits any more."""
        return await asyncio.shield(asyncio.ensure_future(self._exchange(message, descriptors)))

    async def _exchange(self, message: bytes, descriptors: Sequence[int]) -> bytes:
        async with self._turn:
            socket.send_fds(self.control, [message], descriptors)
            return await self._reply()

    async def _reply(self) -> bytes:
        kind, length = HEADER.unpack(await self._exactly(HEADER.size))
        body = await self._exactly(length)
        if kind == answering.FAILED:
            raise OSError(body.decode())
        return body

    async def _exactly(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        received = b""
        while len(received) < size:
            block = await loop.sock_recv(self.control, size - len(received))
            if not block:
                raise ConnectionError("the process that holds the data has ended")
            received += block
        return received


def answer_once(
    quads: bytes | Path,
    text: str,
    *,
    default_graphs: Sequence[str],
    timeout_seconds: float = 30.0,
    memory_bytes: int = 1 << 30,
) -> Answer:
    """Answer one query in a process of its own, with the limits of a pool: for the command line.

    Graphs: the default graph is *default_graphs* merged.
    Raises: as `Pool.answer`.
    """

    async def once() -> Answer:
        async with Pool(size=1, timeout_seconds=timeout_seconds, memory_bytes=memory_bytes) as pool:
            await pool.start(quads, default_graphs)
            return await pool.run(text)

    return asyncio.run(once())


def _opened(quads: bytes | Path) -> BinaryIO:
    """An open file that holds the quads, for as long as the zygote may have to be started again."""
    if isinstance(quads, Path):
        return quads.open("rb")
    file = tempfile.TemporaryFile()  # noqa: SIM115  (it outlives this function)
    file.write(quads)
    file.flush()
    return file


def _reason(status: int, complaint: str) -> str:
    """Why a worker ended, in a few words.

    >>> _reason(signal.SIGSEGV, "")
    'nested too deeply for the stack of the engine, SIGSEGV'
    """
    panic = _PANIC.search(complaint)
    if panic is not None:
        return f"the engine gave up: {panic[1]}"
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        deep = "nested too deeply for the stack of the engine, " if name == "SIGSEGV" else "it received "
        return deep + name
    return complaint.strip().splitlines()[-1] if complaint.strip() else "it was stopped from outside"
