"""What is written down about each request: one line, with a number that the caller gets too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from cnrs_graph import errors
from cnrs_graph.likeness import query_hash

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]

#: How a query ended, by kind of error: the nearest class in an error's ancestry decides.
OUTCOMES: Mapping[type[BaseException], str] = {
    errors.QueryTimeoutError: "late",
    errors.QueryMemoryError: "memory",
    errors.WorkerDiedError: "died",
    errors.TooManyQueriesError: "full",
    errors.AnswerTooLargeError: "too-large",
    errors.CallerLeftError: "left",
    errors.RefusedQueryError: "refused",
    errors.EndpointTimeoutError: "late",
    errors.EndpointError: "endpoint",
    errors.CnrsGraphError: "unfit",
    asyncio.CancelledError: "stopped",
    BaseException: "failed",
}
ANSWERED = "answered"

_KEY = "cnrs_graph.entry"
_REQUESTS = "cnrs_graph.requests"
_TOKEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LONGEST_PATH = 300
_LINES_KEPT = 10_000
_WRITE_EVERY_SECONDS = 0.1


class Entry:
    """What is known about one request; for a query also what became of it."""

    __slots__ = (
        "bytes",
        "caller_id",
        "form",
        "lane",
        "lesson",
        "method",
        "outcome",
        "path",
        "query",
        "request_id",
        "seconds",
        "status",
    )

    def __init__(self, method: str, path: str, caller_id: str | None, request_id: str | None = None) -> None:
        self.request_id = request_id or secrets.token_hex(8)
        self.caller_id = caller_id
        self.method = method
        self.path = path
        self.status = 0
        self.bytes = 0
        self.seconds = 0.0
        self.query: str | None = None
        self.form: str | None = None
        self.lane: Callable[[], str] | None = None
        self.outcome: str | None = None
        #: What can be learnt from it (`desks`).
        self.lesson: object = None

    @classmethod
    def at_desk(
        cls,
        request_id: str,
        caller_id: str | None,
        method: str,
        status: int,
        size: int,
        seconds: float,
        path: str,
        query: str | None = None,
        form: str | None = None,
    ) -> Entry:
        """The entry of a request that a desk has answered."""
        entry = cls(method, path, caller_id, request_id)
        entry.status, entry.bytes, entry.seconds, entry.lane = status, size, seconds, _at_desk
        if query is not None:
            entry.query, entry.form, entry.outcome = query, form, ANSWERED
        return entry

    def asks(self, query: str) -> None:
        """Note which query is asked, by its hash: its text may be private."""
        self.query = query_hash(query)

    def ends(self, error: BaseException | None = None) -> None:
        """Note how it ended."""
        self.outcome = ANSWERED if error is None else outcome_of(error)

    def facts(self) -> dict[str, object]:
        """What goes into the line; never the query string, the address of the caller or a header."""
        found: dict[str, object] = {
            "id": self.request_id,
            "caller_id": self.caller_id,
            "method": self.method,
            "path": self.path,
            "status": self.status or None,
            "bytes": self.bytes,
            "ms": round(self.seconds * 1000, 1),
            "query": self.query,
            "form": self.form,
            "lane": self.lane() if self.lane is not None else None,
            "outcome": self.outcome,
        }
        return {name: value for name, value in found.items() if value is not None}


def outcome_of(error: BaseException) -> str:
    """How a query ended that raised this.

    >>> outcome_of(errors.QueryTimeoutError(30))
    'late'
    """
    return next(OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES)


def entry_of(scope: Mapping[str, Any]) -> Entry:
    """The entry of the request at hand; one that nobody reads when no journal is kept."""
    found = scope.get(_KEY)
    return found if isinstance(found, Entry) else Entry(scope["method"], "", None)


def _at_desk() -> str:
    return "desk"


class Journal:
    """Give each request a number, and hand its entry to the recorders when it is over.

    The number is always made here. One that came with the request is written down if it is a plain token,
    and never sent back.
    """

    def __init__(self, app: _App, recorders: Iterable[Callable[[Iterable[Entry]], object]]) -> None:
        self._app = app
        self._recorders = tuple(recorders)

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Pass a request on and watch it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry = scope[_KEY] = Entry(scope["method"], _path(scope), _caller_id(scope["headers"]))
        started = time.perf_counter()

        async def noting(message: _Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", entry.request_id.encode()),
                ]
            else:
                entry.bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except BaseException as error:
            entry.ends(error)
            raise
        finally:
            entry.seconds = time.perf_counter() - started
            for record in self._recorders:
                record((entry,))


def write_down(entries: Iterable[Entry]) -> None:
    """Put entries into the log."""
    logger = logging.getLogger(_REQUESTS)
    for entry in entries if logger.isEnabledFor(logging.INFO) else ():
        logger.info("%s %s", entry.method, entry.path, extra={"facts": entry.facts()})


def start_logging(kind: str, level: int, descriptor: int) -> None:
    """Write what is logged, ours and the libraries', as lines of JSON or of text, into an open file."""
    handler = LateHandler(descriptor)
    handler.setFormatter(JsonLine() if kind == "json" else TextLine())
    handler.addFilter(_is_news)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


class JsonLine(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line: dict[str, object] = {"time": _time(record), "level": record.levelname.lower()}
        facts: Mapping[str, object] | None = getattr(record, "facts", None)
        if facts is not None:
            return json.dumps({**line, "event": "request", **facts})
        line.update(event="message", logger=record.name, message=record.getMessage().strip())
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextLine(logging.Formatter):
    """One line for people; control characters are escaped, so that one record is one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        facts: Mapping[str, object] | None = getattr(record, "facts", None)
        if facts is not None:
            said = " ".join(f"{name}={value}" for name, value in facts.items())
        else:
            said = record.getMessage().strip()
        line = f"{_time(record)} {record.levelname.lower()} {_one_line(said)}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class LateHandler(logging.Handler):
    """Write lines from a thread of its own, many at a time.

    Whoever logs never waits for whoever reads: when nobody does, the oldest lines are lost.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._records: deque[logging.LogRecord] = deque(maxlen=_LINES_KEPT)
        self._news = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._write_on, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record to be written soon."""
        self._records.append(record)
        if not self._news.is_set():
            self._news.set()

    def flush(self) -> None:
        """Write what is there, unless somebody who does not read holds the writing up."""
        if self._writing.acquire(timeout=1):
            try:
                self._write()
            finally:
                self._writing.release()

    def _write_on(self) -> None:
        while True:
            self._news.wait()
            time.sleep(_WRITE_EVERY_SECONDS)
            self._news.clear()
            with self._writing:
                self._write()

    def _write(self) -> None:
        lines = []
        while self._records:
            lines.append(self.format(self._records.popleft()) + "\n")
        left = "".join(lines).encode("utf-8", "backslashreplace")
        # The reader may have gone for good; that is no reason to stop serving.
        with contextlib.suppress(OSError):
            while left:
                left = left[os.write(self._descriptor, left) :]


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record says more than an entry does: an answer that was stopped half-way has its entry."""
    stopped = (errors.CnrsGraphError, asyncio.CancelledError)
    return not (record.exc_info and isinstance(record.exc_info[1], stopped))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _one_line(text: str) -> str:
    r"""The text with whatever could pass for another line escaped.

    >>> _one_line("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _path(scope: Mapping[str, Any]) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    return raw.partition(b"?")[0][:_LONGEST_PATH].decode("latin-1")


def _caller_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"x-request-id":
            return value.decode() if _TOKEN.fullmatch(value) else None
    return None
