"""Connections, given to desks that answer at once, and to the hall for all else.

A *desk* (`desk`) is a process forked beside the data. It answers what it was taught to answer, one request at
a time; everything else goes, with its connection, to the *hall*, the application that understands every
request, and comes back when it is answered. A desk that computes for long is ended: its request goes to the
hall, where long queries have their places (`lanes`), and its other connections go to the other desks.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import marshal
import mmap
import os
import secrets
import select
import signal
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from http.client import OK
from pathlib import Path

from cnrs_graph import desk
from cnrs_graph.desk import NUMBER, SLIP, SLIP_BYTES, Representation
from cnrs_graph.journal import ANSWERED, Entry
from cnrs_graph.likeness import blotted
from cnrs_graph.streaming import QUICK_SECONDS, Lesson
from cnrs_graph.workers import Pool, cpu_seconds

_LOG = logging.getLogger(__name__)

#: The hall takes a connection over, with what was read from it.
Hall = Callable[["Caller", bytes], None]

_SPARE = 1
_LOOK_EVERY_SECONDS = 0.02
#: What a query may take at a desk by the clock; of a processor it may take less.
_LONGEST_SECONDS = 0.1
_FORGOTTEN_SECONDS = 60.0
_MOST_LESSONS = 512
_STOP_SECONDS = 0.1
_RESUME_SECONDS = 0.5
_SENDING_SECONDS = 60.0
_AT_ONCE = 64
_MOST_MESSAGES = 64
_COMPLAINT_BYTES = 1 << 14


def are_possible() -> bool:
    """Whether this system has what desks need."""
    return hasattr(select, "epoll") and hasattr(os, "memfd_create") and Path("/proc/self/stat").exists()


class Caller:
    """A connection, with where it is: at a desk, else in the hall."""

    __slots__ = ("desk", "number", "rest", "socket")

    def __init__(self, number: int, sock: socket.socket) -> None:
        self.number = number
        self.socket = sock
        self.desk: _Desk | None = None
        #: What a desk had no room to send.
        self.rest = bytearray()


class Desks:
    """So many desks over a pool's data, and who is where.

    Units: `memory_bytes`, `answer_bytes` and `most_statements` bound each answer as they do in the hall.
    """

    def __init__(
        self,
        *,
        size: int,
        prefix: str = "",
        memory_bytes: int = 1 << 30,
        answer_bytes: int = 0,
        most_statements: int = 0,
    ) -> None:
        self._size = size
        self.key = secrets.token_bytes(16)
        #: What every desk is told; the pool passes it on.
        self.settings = {
            "prefix": prefix,
            "key": self.key.hex(),
            "memory_bytes": memory_bytes,
            "answer_bytes": answer_bytes,
            "most_statements": most_statements,
        }
        #: Who is told of the requests that desks have answered.
        self.recorders: tuple[Callable[[Iterable[Entry]], object], ...] = ()
        #: How many requests were taken from a desk because they took long.
        self.taken = 0
        self._pool: Pool | None = None
        self._hall: Hall | None = None
        self._listeners: tuple[socket.socket, ...] = ()
        self._numbers = itertools.count(1)
        self._callers: dict[int, Caller] = {}
        self._desks: list[_Desk] = []
        self._forking = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._lessons: OrderedDict[bytes, None] = OrderedDict()
        self._slow: OrderedDict[str, float] = OrderedDict()
        self._is_open = False

    @property
    def working(self) -> int:
        """How many desks there are."""
        return len(self._desks)

    async def open(self, listeners: Iterable[socket.socket], pool: Pool, hall: Hall) -> None:
        """Take connections from sockets that listen."""
        self._pool, self._hall, self._listeners = pool, hall, tuple(listeners)
        self._is_open = True
        for _ in range(self._size + _SPARE):
            await self._fork()
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            listener.setblocking(False)  # noqa: FBT003  (its only parameter)
            loop.add_reader(listener, self._accept, listener)
        self._look()

    async def close(self) -> None:
        """Take no more connections, and end every desk; what is in the hall stays there."""
        self._is_open = False
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener)
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in [*self._desks]:
            self._end(each)
        for caller in [*self._callers.values()]:
            if caller.desk is not None:
                self.left(caller)

    def learn(self, entries: Iterable[Entry]) -> None:
        """Teach every desk what was quick in the hall, and the small answers to what was slow."""
        for entry in entries:
            if isinstance(entry.lesson, Lesson):
                self._learn(entry, entry.lesson)

    def _learn(self, entry: Entry, lesson: Lesson) -> None:
        shape, now = blotted(lesson.text), time.monotonic()
        reading = desk.READING + json.dumps((shape, lesson.form, lesson.order, lesson.is_repeatable)).encode()
        is_answered = entry.outcome == ANSWERED and entry.status == OK
        if not is_answered or lesson.seconds > QUICK_SECONDS:
            self._slow[shape] = now + _FORGOTTEN_SECONDS
            if len(self._slow) > _MOST_LESSONS:
                self._slow.popitem(last=False)
        if is_answered and (lesson.answer is not None or self._slow.get(shape, 0.0) < now):
            said = (lesson.accept, lesson.form, lesson.media_type, lesson.fields.decode("latin-1"))
            self._teach(desk.WRITING + json.dumps(said).encode())
            self._teach(reading)
        elif self._lessons.pop(reading, True) is None:
            self._tell_all(desk.FORGET + shape.encode())
        if lesson.answer is not None:
            tag = desk.tag_of(self.key, lesson.text, lesson.media_type)
            self._teach(desk.ANSWER + tag.encode() + b"\n" + lesson.answer)

    def learn_representation(
        self, line: bytes, negotiated: Sequence[str | None], answer: Representation
    ) -> None:
        """Teach every desk what stands at an address, for who asks with these header fields."""
        self._tell_all(desk.REPRESENTATION + marshal.dumps((desk.key_of(line, *negotiated), *answer)))

    def give_back(self, caller: Caller) -> None:
        """Take a connection back from the hall, which has read nothing more from it."""
        self._assign(caller)

    def left(self, caller: Caller) -> None:
        """Close a connection that has ended."""
        if self._callers.pop(caller.number, None) is not None:
            if caller.desk is not None:
                caller.desk.callers.discard(caller)
            caller.socket.close()

    # ------------------------------------------------------------------------------------ connections

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                # No more files: the connections wait, and so do we.
                _LOG.warning("no connection can be taken: %s", error)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listener)
                self._in_background(self._resume(listener))
                return
            sock.setblocking(False)  # noqa: FBT003  (its only parameter)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            caller = Caller(next(self._numbers), sock)
            self._callers[caller.number] = caller
            self._assign(caller)

    async def _resume(self, listener: socket.socket) -> None:
        await asyncio.sleep(_RESUME_SECONDS)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _assign(self, caller: Caller, *, to: _Desk | None = None) -> None:
        """Give a connection to the desk with the fewest; to the hall if no desk takes it."""
        working = self._desks[: self._size]
        for each in [to] if to else sorted(working, key=lambda working: len(working.callers)):
            if each.take(caller):
                return
        self._to_hall(caller, b"")

    def _to_hall(self, caller: Caller, sent: bytes) -> None:
        if caller.desk is not None:
            caller.desk.callers.discard(caller)
            caller.desk = None
        if self._hall is not None:
            self._hall(caller, sent)

    async def _send_rest(self, caller: Caller) -> None:
        """Send what a desk had no room to send; then the connection is as good as new, or closed."""
        closes, rest = caller.rest[:1] != b"\x00", bytes(caller.rest[1:])
        caller.rest.clear()
        try:
            async with asyncio.timeout(_SENDING_SECONDS):
                await asyncio.get_running_loop().sock_sendall(caller.socket, rest)
        except (OSError, TimeoutError):
            closes = True
        if closes:
            with contextlib.suppress(OSError):
                caller.socket.shutdown(socket.SHUT_WR)
            self.left(caller)
        else:
            self.give_back(caller)

    # ---------------------------------------------------------------------------------------- desks

    async def _fork(self) -> None:
        if self._pool is None:
            return
        self._forking += 1
        try:
            forked = await _Desk.fork(self._pool)
        finally:
            self._forking -= 1
        self._desks.append(forked)
        asyncio.get_running_loop().add_reader(forked.channel, self._hear, forked)
        for message in self._lessons:
            forked.say(message)

    async def _fork_if_possible(self) -> None:
        while self._is_open and len(self._desks) + self._forking < self._size + _SPARE:
            try:
                await self._fork()
            except OSError:
                # The data is being loaded again; until then the hall answers.
                await asyncio.sleep(_RESUME_SECONDS)

    def _hear(self, speaker: _Desk) -> None:
        """Read what a desk says."""
        for _ in range(_MOST_MESSAGES):
            try:
                message = speaker.channel.recv(4 * desk.MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._bury(speaker)
                return
            self._do(message[:1], message[1:])

    def _do(self, kind: bytes, body: bytes) -> None:
        if kind == desk.DONE:
            self._record(body)
            return
        caller = self._callers.get(NUMBER.unpack_from(body)[0])
        said = body[NUMBER.size :]
        if caller is None:
            return
        if kind == desk.REQUEST:
            self._to_hall(caller, said)
        elif kind == desk.LEFT:
            self.left(caller)
        elif kind == desk.REST and said:
            if caller.desk is not None:
                caller.desk.callers.discard(caller)
                caller.desk = None
            caller.rest += said
        elif kind == desk.REST:
            self._in_background(self._send_rest(caller))

    def _record(self, body: bytes) -> None:
        done = [Entry.at_desk(*facts) for facts in marshal.loads(body)]  # noqa: S302  (it is ours)
        for record in self.recorders:
            record(done)

    def _look(self) -> None:
        """See whether a desk takes long, again and again."""
        now = time.monotonic_ns()
        for each in [*self._desks]:
            if each.takes_long(now) and each.is_stopped_computing():
                self._take_from(each)
        self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_SECONDS, self._look)

    def _take_from(self, slow: _Desk) -> None:
        """End a desk that takes long."""
        self.taken += 1
        self._bury(slow)

    def _bury(self, ended: _Desk) -> None:
        """Part the connections of a desk that has ended, or is to end."""
        number, sent = ended.request()
        self._end(ended)
        for caller in [*ended.callers]:
            caller.desk = None
            if caller.number == number:
                self._to_hall(caller, sent)
            else:
                self._assign(caller)
        self._in_background(self._fork_if_possible())

    def _end(self, ended: _Desk) -> None:
        if ended in self._desks:
            self._desks.remove(ended)
        asyncio.get_running_loop().remove_reader(ended.channel)
        ended.close()
        if self._pool is not None:
            self._in_background(self._pool.bury_desk(ended.process_id))

    # -------------------------------------------------------------------------------------- lessons

    def _teach(self, message: bytes) -> None:
        self._lessons[message] = None
        if len(self._lessons) > _MOST_LESSONS:
            self._lessons.popitem(last=False)
        self._tell_all(message)

    def _tell_all(self, message: bytes) -> None:
        for each in self._desks:
            each.say(message)

    def _in_background(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Desk:
    """The hall's end of a desk: its channel, its number, its slip, and who stands there."""

    def __init__(self, process_id: int, channel: socket.socket, slip: mmap.mmap, complaints: int) -> None:
        self.process_id = process_id
        self.channel = channel
        self.callers: set[Caller] = set()
        self._slip = slip
        self._complaints = complaints

    @classmethod
    async def fork(cls, pool: Pool) -> _Desk:
        """Have one forked. Raises: OSError."""
        channel, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel.setblocking(False)  # noqa: FBT003  (its only parameter)
        complaints, complain = os.pipe()
        os.set_blocking(complaints, False)
        memory = os.memfd_create("slip")
        try:
            os.truncate(memory, SLIP_BYTES)
            slip = mmap.mmap(memory, SLIP_BYTES)
            process_id = await pool.fork_desk(other_end, complain, memory)
        except BaseException:
            channel.close()
            os.close(complaints)
            raise
        finally:
            other_end.close()
            os.close(complain)
            os.close(memory)
        return cls(process_id, channel, slip, complaints)

    def say(self, message: bytes) -> None:
        """Tell it something; one that does not listen misses it, and asks the hall later."""
        with contextlib.suppress(OSError):
            self.channel.send(message)

    def take(self, caller: Caller) -> bool:
        """Give it a connection; False if it does not listen."""
        message = desk.CONNECTION + NUMBER.pack(caller.number)
        try:
            socket.send_fds(self.channel, [message], [caller.socket.fileno()])
        except OSError:
            return False
        self.callers.add(caller)
        caller.desk = self
        return True

    def request(self) -> tuple[int, bytes]:
        """The number of the connection whose request it answers, 0 for none, and the request."""
        number, _, _, length = SLIP.unpack_from(self._slip)
        return number, self._slip[SLIP.size : SLIP.size + length]

    def takes_long(self, now_ns: int) -> bool:
        """Whether it answers a request that is no quick one; a busy machine does not make it one at once."""
        number, started_ns, before_ns, _ = SLIP.unpack_from(self._slip)
        seconds = (now_ns - started_ns) / 1e9 if number else 0.0
        if seconds <= QUICK_SECONDS or seconds > _LONGEST_SECONDS:
            return bool(seconds > _LONGEST_SECONDS)
        return bool(cpu_seconds(self.process_id) - before_ns / 1e9 > QUICK_SECONDS)

    def is_stopped_computing(self) -> bool:
        """Stop it, and see whether it still computes: then it stays stopped, and has sent nothing."""
        before = SLIP.unpack_from(self._slip)
        with contextlib.suppress(OSError):
            os.kill(self.process_id, signal.SIGSTOP)
            until = time.monotonic() + _STOP_SECONDS
            while not _is_stopped(self.process_id) and time.monotonic() < until:
                time.sleep(0)
            if before == SLIP.unpack_from(self._slip):
                return True
            os.kill(self.process_id, signal.SIGCONT)
        return False

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            os.kill(self.process_id, signal.SIGKILL)
        self.channel.close()
        os.close(self._complaints)


def _is_stopped(process_id: int) -> bool:
    stat = Path(f"/proc/{process_id}/stat").read_text("ascii", "replace")
    return stat.rpartition(")")[2].split()[0] in ("T", "Z", "X")
