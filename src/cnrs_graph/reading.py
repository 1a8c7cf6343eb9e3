"""Queries read before they are run: short ones at once, long ones where they hold nobody up.

A text of a megabyte takes our grammar half a minute, which nothing can interrupt but the end of a process.
"""

from __future__ import annotations

import math
import os
import signal

from anyio import CapacityLimiter, fail_after, to_process, to_thread

from cnrs_graph.errors import QueryTimeoutError
from cnrs_graph.sparql import QueryFacts, inspect, with_total_order

#: Characters up to which a query is read at once, and in a thread; longer ones are read in a process.
_SHORT, _MIDDLING = 1_000, 8_000
_LONGEST_SECONDS = 5.0
_LOWEST_PRIORITY = 19


class Reader:
    """Reads queries; so many long ones at the same time."""

    def __init__(self, at_once: int = 2) -> None:
        self._at_once = at_once
        self._threads: CapacityLimiter | None = None
        self._processes: CapacityLimiter | None = None

    async def read(self, query: str, *, seconds: float = _LONGEST_SECONDS) -> tuple[QueryFacts, str]:
        """What a query asks for, and its text as it is run.

        Raises: QueryError; QueryTimeoutError if it takes longer to read than *seconds*.
        """
        if is_short(query):
            return read(query)
        if len(query) <= _MIDDLING:
            self._threads = self._threads or CapacityLimiter(self._at_once)
            return await to_thread.run_sync(read, query, limiter=self._threads)
        self._processes = self._processes or CapacityLimiter(self._at_once)
        try:
            with fail_after(seconds):
                return await to_process.run_sync(
                    _read_apart, query, seconds, cancellable=True, limiter=self._processes
                )
        except TimeoutError as error:
            raise QueryTimeoutError(seconds) from error


def is_short(query: str) -> bool:
    """Whether a query is read at once."""
    return len(query) <= _SHORT


def read(query: str) -> tuple[QueryFacts, str]:
    """What a query asks for, and its text as it is run.

    Raises: QueryError.
    """
    return inspect(query), with_total_order(query)


def _read_apart(query: str, seconds: float) -> tuple[QueryFacts, str]:
    """Read in a process of its own, which everybody else goes before and which ends if nobody ends it."""
    os.setpriority(os.PRIO_PROCESS, 0, _LOWEST_PRIORITY)
    signal.alarm(math.ceil(seconds) + 1)
    try:
        return read(query)
    finally:
        signal.alarm(0)
