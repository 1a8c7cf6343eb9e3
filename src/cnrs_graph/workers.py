"""Queries of strangers, answered in processes that can be stopped.

A *zygote* (`zygote`, a program of its own) loads the data once and forks workers that share it. A worker
answers one query at a time. One that is late, too large or dead is replaced; nobody else notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from cnrs_graph import zygote
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
from cnrs_graph.store import Answer, Form, unreadable
from cnrs_graph.terms import PREFIXES
from cnrs_graph.zygote import HEADER, Wall, frame

_LOG = logging.getLogger(__name__)

_READ_AHEAD_BYTES = 1 << 17
_COMPLAINT_BYTES = 1 << 14
_CLOSING_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 5.0
_SPARE_WORKERS = 1
_PANIC = re.compile(r"panicked at [^\n]*\n([^\n]*)")


class Pool:
    """Workers that answer queries over one set of quads, `size` at a time.

    Units: `memory_bytes` is what one query may take beyond the data; `queue_length` counts queries that wait.
    Where the system lacks a wall (see `walls`) the deadline still holds.
    """

    def __init__(
        self,
        *,
        size: int = 2,
        timeout_seconds: float = 30.0,
        memory_bytes: int = 1 << 30,
        queue_length: int = 64,
    ) -> None:
        self.size = size
        self.timeout_seconds = timeout_seconds
        self.memory_bytes = memory_bytes
        self.queue_length = queue_length
        self._slots = asyncio.Semaphore(size)
        self._waiting = 0
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
        self._slots = asyncio.Semaphore(self.size)
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
        return self._waiting

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
    ) -> RunningAnswer:
        """Start a query; returns when the first bytes of its answer are there, or the first error.

        A SELECT or ASK is written in *results*, a CONSTRUCT or DESCRIBE in *graphs*.
        Graphs: *default_graphs* and *named_graphs*, when given, replace the query's own FROM.
        Units: the time-out, at most the pool's, runs from the moment a worker takes the query until the last
        byte is read; a query also waits no longer than that for a worker.
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
        }
        worker = await self._enter(seconds)
        running = RunningAnswer(self, worker, results, graphs, seconds)
        await running.begin(request)
        return running

    async def run(self, text: str, *, timeout_seconds: float | None = None) -> Answer:
        """The whole answer to a query, as results JSON or N-Triples. Raises as `answer` does."""
        async with await self.answer(text, timeout_seconds=timeout_seconds) as running:
            return Answer(running.form, b"".join([chunk async for chunk in running]))

    async def _enter(self, seconds: float) -> _Worker:
        """Wait for a place among the running queries, and take a worker."""
        if self._zygote is None:
            raise WorkerDiedError("the pool is closed")
        if self._slots.locked() and self._waiting >= self.queue_length:
            raise self._too_many()
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise self._too_many() from error
        finally:
            self._waiting -= 1
        try:
            async with asyncio.timeout(seconds):
                while (worker := await self._idle.get()).has_ended:
                    self._replace(worker)
        except TimeoutError as error:
            self._slots.release()
            raise self._too_many() from error
        except BaseException:
            self._slots.release()
            raise
        return worker

    def _too_many(self) -> TooManyQueriesError:
        return TooManyQueriesError(self._waiting, math.ceil(self.timeout_seconds / self.size))

    def give_back(self, worker: _Worker) -> None:
        """Take a worker back that has finished its answer."""
        self._slots.release()
        self._idle.put_nowait(worker)

    def give_up(self, worker: _Worker) -> None:
        """Take a worker back that has not: it is killed, and another takes its place."""
        self._slots.release()
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
            self._in_background(self._fork_instead_of(worker))
        else:
            worker.close()

    async def _fork_instead_of(self, worker: _Worker) -> None:
        # When this fails the zygote has ended, and its keeper makes new workers.
        with contextlib.suppress(OSError):
            await self._fork(worker.zygote)
            await worker.zygote.bury(worker)
        worker.close()

    async def _fork(self, parent: _Zygote) -> None:
        worker = await parent.fork()
        self._workers.add(worker)
        self._idle.put_nowait(worker)

    async def _load(self, quads: BinaryIO) -> None:
        settings = {
            "default_graphs": self._default_graphs,
            "memory_bytes": self.memory_bytes,
            "prefixes": dict(PREFIXES),
            "folder": str(self._folder or ""),
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

    def __init__(self, pool: Pool, worker: _Worker, results: Format, graphs: Format, seconds: float) -> None:
        self._pool = pool
        self._worker = worker
        self._formats = (results, graphs)
        self._seconds = seconds
        self._first: bytes | None = None
        self._holds_worker = True
        self._is_late = False
        # A timer and not a time-out around each read: it strikes although nobody reads.
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    async def begin(self, request: Mapping[str, object]) -> None:
        """Send the request and wait for the form and the first bytes."""
        try:
            self._worker.send(frame(zygote.REQUEST, json.dumps(request).encode()))
            kind, body = await self._receive()
            if kind == zygote.FORM:
                self.form = Form(body.decode())
                self.format = self._formats[self.form is Form.CONSTRUCT]
                kind, body = await self._receive()
            if kind == zygote.CHUNK:
                self._first = body
        except BaseException:
            self._abandon()
            raise

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._is_late:
            raise QueryTimeoutError(self._seconds)
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
        if kind == zygote.END:
            raise StopAsyncIteration
        return body

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
            if self._is_late:
                raise QueryTimeoutError(self._seconds) from error
            raise await self._pool.cause_of_death(self._worker) from error
        if kind in (zygote.END, zygote.FAILED):
            self._finish()
        if kind == zygote.FAILED:
            raise self._failure(*json.loads(body))
        return kind, body

    def _failure(self, kind: str, message: str) -> CnrsGraphError:
        if kind == "memory":
            return QueryMemoryError(self._pool.memory_bytes)
        if kind == "syntax":
            return unreadable(message)
        return QueryError(message if kind == "unfit" else f"the engine gave up: {message}")

    def _finish(self) -> None:
        if self._holds_worker:
            self._holds_worker = False
            self._timer.cancel()
            self._pool.give_back(self._worker)

    def _abandon(self) -> None:
        if self._holds_worker:
            self._holds_worker = False
            self._timer.cancel()
            self._pool.give_up(self._worker)

    def _expire(self) -> None:
        self._is_late = True
        self._abandon()


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
                # Our modules stay off its path: one of them may bear the name of another library's.
                "-P",
                zygote.__file__,
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
        return int(await self._ask(HEADER.pack(zygote.BURY, worker.pid)))

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
        if kind == zygote.FAILED:
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
