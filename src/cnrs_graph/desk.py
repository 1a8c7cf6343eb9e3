"""A process that speaks HTTP and answers at once what it has been taught to answer.

While it computes it holds connections, and of them nothing but their sockets: a request that is not whole, or
that it was not taught to answer, goes with its connection to the *hall* (`desks`), where every request is
understood. Nobody waits for a desk that takes long: it is ended, and what it was asked is read from the
*slip* on which it wrote the request first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import marshal
import mmap
import os
import re
import select
import socket
import struct
import time
from binascii import a2b_qp
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final, NamedTuple, NoReturn

import pyoxigraph as ox

from cnrs_graph.answering import UnfitError, cap_memory, put_up_walls, whole_answer
from cnrs_graph.likeness import OrderCondition, blotted, query_hash, with_keys

#: What the hall says to a desk: here is a connection; learn how to read, how to write, an answer, a
#: representation; forget.
CONNECTION, READING, WRITING, ANSWER, REPRESENTATION, FORGET = b"C", b"R", b"W", b"A", b"P", b"F"
#: What a desk says to the hall: take this request over; send the rest; they left; this was done.
REQUEST, REST, LEFT, DONE = b"Q", b"S", b"L", b"D"
NUMBER = struct.Struct("!I")
MESSAGE_BYTES = 1 << 16

#: On the slip: the connection whose request is being answered (0: none), when that began by the clock and by
#: the time of this process, in ns, and how long the request is.
SLIP = struct.Struct("=IQQI")
SLIP_BYTES = SLIP.size + MESSAGE_BYTES

OK, NOT_MODIFIED = HTTPStatus.OK.value, HTTPStatus.NOT_MODIFIED.value
_LONGEST_QUERY = 10_000
_MOST_TAUGHT = 1024
_MOST_ANSWERS = 64
_MOST_HEADS = 256
_MOST_REPRESENTATION_BYTES = 1 << 24
_CAP_EVERY = 500
_DONE_AT_ONCE = 64
_DONE_SECONDS = 0.05
_SWEEP_SECONDS = 5.0
_IDLE_SECONDS = 30.0
#: What the decoder of another code may understand otherwise; nobody sends it unescaped.
_WRONG_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^\x21-\x7e]")
_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff]*?)[ \t]*")
#: Header fields that change how a request is read: they are understood in the hall.
_NOT_HERE: Final = frozenset(
    ("transfer-encoding", "expect", "upgrade", "content-encoding", "range", "te", "trailer")
)
_ONCE: Final = (
    "accept-language",
    "accept-encoding",
    "host",
    "accept",
    "content-type",
    "content-length",
    "connection",
    "if-none-match",
    "x-request-id",
)
_QUERY = re.compile(r"application/sparql-query(?:; ?charset=utf-8)?", re.IGNORECASE)
_FORM = re.compile(r"application/x-www-form-urlencoded(?:; ?charset=utf-8)?", re.IGNORECASE)


_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}


class Head(NamedTuple):
    """What the header of a request says, as far as it matters here."""

    accept: str | None
    language: str | None
    encoding: str | None
    content_type: str
    length: int
    closes: bool
    if_none_match: str
    caller_id: str | None


class Reading(NamedTuple):
    """How queries that are alike are read."""

    form: str
    order: tuple[OrderCondition, ...]
    #: Whether the same text has the same answer again.
    is_repeatable: bool


class Writing(NamedTuple):
    """How an answer is written for an Accept header: its format, and header fields as they are sent."""

    media_type: str
    fields: bytes


class Representation(NamedTuple):
    """What stands at an address, for who asks in one way: header fields as they are sent, tag and body."""

    status: int
    fields: bytes
    type_field: bytes
    tag: str
    body: bytes


class Connection:
    """A connection, as its desk knows it."""

    __slots__ = ("begun", "number", "socket", "used")

    def __init__(self, number: int, sock: socket.socket, used: float) -> None:
        self.number = number
        self.socket = sock
        self.used = used
        #: The head of a request whose body is about to come.
        self.begun = b""


def run_desk(
    descriptors: Sequence[int], store: ox.Store | None, settings: Mapping[str, Any], *, parent: int
) -> NoReturn:
    """Be a desk until the hall hangs up; descriptors: the channel, where the engine complains, the slip."""
    channel, complaints, slip = descriptors
    try:
        os.dup2(complaints, 2)
        os.close(complaints)
        put_up_walls(parent)
        if store is None:
            store = ox.Store.read_only(settings["folder"])
        with socket.socket(fileno=channel) as hall:
            Desk(hall, mmap.mmap(slip, SLIP_BYTES), store, settings).work()
    except Exception as error:
        os.write(2, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(0)


class Desk:
    """One process, one request at a time."""

    def __init__(
        self, hall: socket.socket, slip: mmap.mmap, store: ox.Store, settings: Mapping[str, Any]
    ) -> None:
        self._hall = hall
        self._slip = slip
        self._store = store
        self._settings = settings
        self._prefix: str = settings["prefix"]
        self._by_get = f"GET {settings['prefix']}/sparql?query=".encode()
        self._by_post = f"POST {settings['prefix']}/sparql HTTP/1.1".encode()
        self._key = bytes.fromhex(settings["key"])
        self._poll = select.epoll()
        self._poll.register(hall.fileno(), select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._begun: set[Connection] = set()
        self._heads: dict[bytes, Head | None] = {}
        self._readings: OrderedDict[str, Reading] = OrderedDict()
        self._writings: OrderedDict[tuple[str | None, str], Writing] = OrderedDict()
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._representations: OrderedDict[bytes, Representation] = OrderedDict()
        self._representation_bytes = 0
        self._done: list[tuple[object, ...]] = []
        self._told = self._swept = time.monotonic()
        self._date, self._date_second = b"", 0
        self._queries = 0

    def work(self) -> None:
        """Serve until the hall hangs up."""
        hall = self._hall.fileno()
        while True:
            events = self._poll.poll(_DONE_SECONDS if self._done else _SWEEP_SECONDS)
            for descriptor, _ in events:
                if descriptor != hall:
                    self._serve(self._connections[descriptor])
                elif not self._listen():
                    return
            now = time.monotonic()
            if self._done and (len(self._done) >= _DONE_AT_ONCE or now - self._told > _DONE_SECONDS):
                self._tell(now)
            if now - self._swept > _SWEEP_SECONDS:
                self._sweep(now)

    def _listen(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._hall, 4 * MESSAGE_BYTES, 1)
        kind, body = message[:1], message[1:]
        if kind == CONNECTION:
            self._take(NUMBER.unpack(body)[0], descriptors[0])
        elif kind == READING:
            shape, form, order, is_repeatable = json.loads(body)
            conditions = tuple(OrderCondition(*condition) for condition in order)
            _keep(self._readings, shape, Reading(form, conditions, is_repeatable), _MOST_TAUGHT)
        elif kind == WRITING:
            accept, form, media_type, fields = json.loads(body)
            _keep(self._writings, (accept, form), Writing(media_type, fields.encode("latin-1")), _MOST_TAUGHT)
        elif kind == ANSWER:
            tag, _, answer = body.partition(b"\n")
            _keep(self._answers, tag.decode(), answer, _MOST_ANSWERS)
        elif kind == REPRESENTATION:
            self._learn(body)
        elif kind == FORGET:
            self._readings.pop(body.decode(), None)
        return bool(message)

    def _learn(self, said: bytes) -> None:
        """Keep a representation; the oldest make room."""
        key, status, fields, type_field, tag, body = marshal.loads(said)  # noqa: S302  (from the hall)
        known = self._representations.pop(key, None)
        self._representations[key] = Representation(status, fields, type_field, tag, body)
        self._representation_bytes += len(body) - (len(known.body) if known else 0)
        while self._representation_bytes > _MOST_REPRESENTATION_BYTES:
            _, oldest = self._representations.popitem(last=False)
            self._representation_bytes -= len(oldest.body)

    def _take(self, number: int, descriptor: int) -> None:
        sock = socket.socket(fileno=descriptor)
        self._connections[descriptor] = Connection(number, sock, time.monotonic())
        self._poll.register(descriptor, select.EPOLLIN)

    def _serve(self, connection: Connection) -> None:
        try:
            sent = connection.socket.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            sent = b""
        if not sent:
            self._drop(connection)
            return
        whole = connection.begun + sent
        if len(whole) < MESSAGE_BYTES:
            if not connection.begun and self._awaits_body(whole):
                connection.begun = whole
                self._begun.add(connection)
                return
            self._begun.discard(connection)
            connection.begun = b""
            if self._answer(connection, whole):
                return
        self._hand_on(connection, whole)

    def _awaits_body(self, sent: bytes) -> bool:
        """Whether a request is a query by POST without its body: many clients send that by itself."""
        if not sent.startswith(self._by_post) or not sent.endswith(b"\r\n\r\n"):
            return False
        head = self._head(sent[len(self._by_post) + 2 : -4])
        return head is not None and 0 < head.length < MESSAGE_BYTES - len(sent)

    def _hand_on(self, connection: Connection, sent: bytes) -> None:
        self._begun.discard(connection)
        self._let_go(connection)
        self._say(REQUEST, connection.number, sent)

    def _answer(self, connection: Connection, sent: bytes) -> bool:
        """Answer a request; False where it is not for us."""
        started = time.perf_counter()
        line, _, rest = sent.partition(b"\r\n")
        fields, end, body = rest.partition(b"\r\n\r\n")
        head = self._head(fields)
        if head is None or not end or len(body) != head.length:
            return False
        if line.startswith(b"GET ") and not body:
            found = self._representations.get(key_of(line, head.accept, head.language, head.encoding))
            if found is not None:
                self._represent(connection, line, head, found, started)
                return True
        text = self._query(line, head, body)
        if text is None or len(text) > _LONGEST_QUERY:
            return False
        shape = self._readings.get(blotted(text))
        writing = shape and self._writings.get((head.accept, shape.form))
        if shape is None or writing is None:
            return False
        tag = tag_of(self._key, text, writing.media_type) if shape.is_repeatable else None
        known = tag is not None and line.startswith(b"GET") and tag in head.if_none_match
        answer = b"" if known else self._answers.get(tag or "")
        if answer is None:
            answer = self._computed(connection.number, sent, text, shape, writing)
            if answer is None:
                return False
        request_id = os.urandom(8).hex()
        size = b"" if known else b"content-length: %d\r\n" % len(answer)
        fields = writing.fields + size + (b"etag: %s\r\n" % tag.encode() if tag else b"")
        message = self._message(NOT_MODIFIED if known else OK, fields, answer, request_id, closes=head.closes)
        self._send(connection, message, closes=head.closes)
        connection.used = time.monotonic()
        self._done.append(
            (
                request_id,
                head.caller_id,
                line.partition(b" ")[0].decode(),
                NOT_MODIFIED if known else OK,
                len(answer),
                time.perf_counter() - started,
                "/sparql",
                query_hash(text),
                shape.form,
            )
        )
        return True

    def _head(self, fields: bytes) -> Head | None:
        """What header fields say; clients send the same again and again."""
        if fields not in self._heads:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[fields] = read_head(fields)
        return self._heads[fields]

    def _query(self, line: bytes, head: Head, body: bytes) -> str | None:
        """The query that a request asks, if it asks nothing else."""
        try:
            if line.startswith(self._by_get) and line.endswith(b" HTTP/1.1") and not body:
                return decoded(line[len(self._by_get) : -len(b" HTTP/1.1")])
            if line == self._by_post:
                if _QUERY.fullmatch(head.content_type):
                    return body.decode()
                if _FORM.fullmatch(head.content_type) and body.startswith(b"query="):
                    return decoded(body[len(b"query=") :])
        except UnicodeDecodeError:
            pass
        return None

    def _computed(
        self, number: int, sent: bytes, text: str, shape: Reading, writing: Writing
    ) -> bytes | None:
        """The answer of the engine; None for whatever else there is to say, which the hall says."""
        for begun in [*self._begun]:
            self._hand_on(begun, begun.begun)
        self._queries += 1
        if self._queries % _CAP_EVERY == 1:
            cap_memory(self._settings["memory_bytes"])
        slip = self._slip
        slip[SLIP.size : SLIP.size + len(sent)] = sent
        SLIP.pack_into(slip, 0, number, time.monotonic_ns(), time.process_time_ns(), len(sent))
        try:
            body = whole_answer(
                self._store,
                with_keys(text, shape.order),
                writing.media_type,
                most_statements=self._settings["most_statements"] if shape.form == "DESCRIBE" else None,
                prefixes=self._settings["prefixes"],
            )
        except (MemoryError, SyntaxError, UnfitError, OSError, RuntimeError, ValueError):
            return None
        finally:
            SLIP.pack_into(slip, 0, 0, 0, 0, 0)
        return body if not 0 < self._settings["answer_bytes"] < len(body) else None

    def _represent(
        self, connection: Connection, line: bytes, head: Head, found: Representation, started: float
    ) -> None:
        """Send what stands at an address, unless the caller has it."""
        is_known = found.status == OK and found.tag in head.if_none_match
        body = b"" if is_known else found.body
        rest = b"" if is_known else b"%bcontent-length: %d\r\n" % (found.type_field, len(body))
        request_id = os.urandom(8).hex()
        status = NOT_MODIFIED if is_known else found.status
        message = self._message(status, found.fields + rest, body, request_id, closes=head.closes)
        self._send(connection, message, closes=head.closes)
        connection.used = time.monotonic()
        path = line.split(b" ")[1].partition(b"?")[0].decode("latin-1").removeprefix(self._prefix)
        seconds = time.perf_counter() - started
        self._done.append((request_id, head.caller_id, "GET", status, len(body), seconds, path))

    def _message(self, status: int, fields: bytes, body: bytes, request_id: str, *, closes: bool) -> bytes:
        second = int(time.time())
        if second != self._date_second:
            self._date, self._date_second = formatdate(second, usegmt=True).encode(), second
        return b"".join(
            (
                _STATUS_LINES[status],
                b"date: ",
                self._date,
                b"\r\n",
                fields,
                b"connection: close\r\n" if closes else b"",
                b"x-request-id: ",
                request_id.encode(),
                b"\r\n\r\n",
                body,
            )
        )

    def _send(self, connection: Connection, message: bytes, *, closes: bool) -> None:
        """Send what the connection takes at once; the hall sends the rest."""
        try:
            count = connection.socket.send(message)
        except BlockingIOError:
            count = 0
        except OSError:
            self._drop(connection)
            return
        if count == len(message):
            if closes:
                self._drop(connection)
            return
        self._let_go(connection)
        self._say(REST, connection.number, b"\x01" if closes else b"\x00")
        for start in range(count, len(message), MESSAGE_BYTES):
            self._say(REST, connection.number, message[start : start + MESSAGE_BYTES])
        self._say(REST, connection.number, b"")

    def _drop(self, connection: Connection) -> None:
        """Close a connection; the hall has it open too, and hears of it."""
        self._begun.discard(connection)
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_WR)
        self._let_go(connection)
        self._say(LEFT, connection.number)

    def _let_go(self, connection: Connection) -> None:
        descriptor = connection.socket.fileno()
        self._poll.unregister(descriptor)
        del self._connections[descriptor]
        connection.socket.close()

    def _say(self, kind: bytes, number: int, body: bytes = b"") -> None:
        self._hall.sendall(kind + NUMBER.pack(number) + body)

    def _tell(self, now: float) -> None:
        """Tell the hall what was done, for its log."""
        self._hall.sendall(DONE + marshal.dumps(self._done))
        self._done.clear()
        self._told = now

    def _sweep(self, now: float) -> None:
        """Close connections over which nothing was asked for long."""
        self._swept = now
        for connection in [*self._connections.values()]:
            if now - connection.used > _IDLE_SECONDS and not connection.begun:
                self._drop(connection)
        for begun in [*self._begun]:
            self._hand_on(begun, begun.begun)


def read_head(fields: bytes) -> Head | None:
    r"""What header fields say; None for what is to be understood elsewhere.

    >>> read_head(b"Host: a\r\nAccept: text/csv").accept
    'text/csv'
    >>> read_head(b"Host: a\r\nExpect: 100-continue")

    Source: RFC 9112, section 5.
    """
    found: dict[str, str] = {}
    for field in fields.split(b"\r\n"):
        read = _FIELD.fullmatch(field)
        if read is None:
            return None
        name = read[1].decode("ascii").lower()
        if name in _NOT_HERE or (name in _ONCE and name in found):
            return None
        found[name] = read[2].decode("latin-1")
    connection, length = found.get("connection", "keep-alive").lower(), found.get("content-length", "0")
    if (
        "host" not in found
        or connection not in ("keep-alive", "close")
        or not re.fullmatch("[0-9]{1,9}", length)
    ):
        return None
    caller_id = found.get("x-request-id", "")
    return Head(
        found.get("accept"),
        found.get("accept-language"),
        found.get("accept-encoding"),
        found.get("content-type", ""),
        int(length),
        connection == "close",
        found.get("if-none-match", ""),
        caller_id if _TOKEN.fullmatch(caller_id) else None,
    )


def key_of(line: bytes, *negotiated: str | None) -> bytes:
    """What decides which representation is sent: the request line and the header fields of negotiation."""
    return b"\n".join(
        (line, *[b"-" if field is None else f"={field}".encode("latin-1") for field in negotiated])
    )


def tag_of(key: bytes, text: str, media_type: str) -> str:
    """The entity tag of the answer to a query; nobody who was not sent it can know it.

    Weak, for the same solutions may come in another order when the server has been started again.
    Source: RFC 9110, section 8.8.3.
    """
    said = hashlib.blake2b(f"{media_type}\n{text}".encode("utf-8", "surrogatepass"), digest_size=16, key=key)
    return f'W/"{said.hexdigest()}"'


def decoded(field: bytes) -> str | None:
    """The value of the only field of a form; None if there are more, or one is escaped wrongly.

    The decoder of quoted-printable is in C and does the same, once the signs are exchanged.
    """
    if b"&" in field or _WRONG_ESCAPE.search(field):
        return None
    return a2b_qp(field.replace(b"=", b"=3D").replace(b"%", b"=").replace(b"+", b" ")).decode()


def _keep(kept: OrderedDict[Any, Any], name: object, value: object, most: int) -> None:
    """Keep so many, the last ones."""
    kept[name] = value
    if len(kept) > most:
        kept.popitem(last=False)
