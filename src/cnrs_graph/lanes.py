"""Places for queries that run: a few fast ones, room beside them for long ones, a line before them.

A query that takes long gives its fast place to another; so nobody waits for somebody else's long query.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable
from enum import StrEnum

from cnrs_graph.errors import CnrsGraphError, TooManyLongQueriesError, TooManyQueriesError

#: While others wait, a query steps aside after this part of the time after which it is slow.
_HURRY = 0.1
#: How often, in that shorter time, we look.
_LOOKS = 2
#: A long query for which there is no room may come again after so many times that time.
_LONG_RETRY = 5


class Lane(StrEnum):
    """Where a query runs."""

    #: It holds one of the fast places.
    FAST = "fast"
    #: It has made room for others and is not slow yet; its process has a lower priority.
    SIDE = "side"
    #: It has run for long; its process has the lowest priority.
    SLOW = "slow"


class Ticket:
    """The place of one query.

    Whoever runs it says how its process is slowed down, how it is stopped, and how long it has computed.
    """

    def __init__(self, since: float) -> None:
        self.lane = Lane.FAST
        self.since = since
        #: Whether bytes of its answer are on their way: from then on it may wait for its reader.
        self.has_begun = False
        self.lower: Callable[[Lane], None] = _nothing
        self.stop: Callable[[CnrsGraphError], None] = _ignored
        self.computed_seconds: Callable[[], float] = _endless

    def age(self, now: float, slow_after_seconds: float) -> float:
        """How long it has run, for judging whether it is slow.

        A query that computes is not slow because others keep it from computing.
        """
        seconds = now - self.since
        if seconds < slow_after_seconds or self.has_begun:
            return seconds
        return min(seconds, self.computed_seconds())


class Lanes:
    """Who runs where, and who waits.

    Units: `fast`, `slow` and `queue_length` count queries; as many as are slow may stand aside.
    """

    def __init__(
        self,
        *,
        fast: int,
        slow: int,
        slow_after_seconds: float,
        queue_length: int,
        on_room_needed: Callable[[], None] = lambda: None,
    ) -> None:
        self.queue_length = queue_length
        self._limits = {Lane.FAST: fast, Lane.SIDE: slow, Lane.SLOW: slow}
        self._slow_after_seconds = slow_after_seconds
        self._on_room_needed = on_room_needed
        self._held: dict[Lane, dict[Ticket, None]] = {lane: {} for lane in Lane}
        self._line: deque[asyncio.Future[Ticket]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many queries wait for a place."""
        return len(self._line)

    @property
    def away(self) -> int:
        """How many queries run without a fast place."""
        return len(self._held[Lane.SIDE]) + len(self._held[Lane.SLOW])

    def running(self, lane: Lane) -> int:
        """How many queries run in a lane."""
        return len(self._held[lane])

    async def enter(self, seconds: float) -> Ticket:
        """Wait for a fast place, at most so long, behind those who came before.

        Raises: TooManyQueriesError if the line is full or the wait too long.
        """
        if not self._line and self._has_room(Lane.FAST):
            return self._admit()
        if len(self._line) >= self.queue_length:
            raise self._too_many()
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        self._look()
        try:
            async with asyncio.timeout(seconds):
                return await turn
        except BaseException as error:
            with contextlib.suppress(ValueError):
                self._line.remove(turn)
            if turn.done() and not turn.cancelled():
                self.leave(turn.result())
            if isinstance(error, TimeoutError):
                raise self._too_many() from error
            raise

    def leave(self, ticket: Ticket) -> None:
        """Give a place back, to who is first in the line."""
        self._held[ticket.lane].pop(ticket, None)
        self._fill()

    def close(self) -> None:
        """Look after nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _has_room(self, lane: Lane) -> bool:
        return len(self._held[lane]) < self._limits[lane]

    def _admit(self) -> Ticket:
        loop = asyncio.get_running_loop()
        ticket = Ticket(loop.time())
        self._held[Lane.FAST][ticket] = None
        if self._timer is None:
            self._timer = loop.call_later(self._slow_after_seconds * _HURRY / _LOOKS, self._tick)
        return ticket

    def _fill(self) -> None:
        while self._line and self._has_room(Lane.FAST):
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(self._admit())

    def _tick(self) -> None:
        self._timer = None
        self._look()
        if self._timer is None and any(self._held.values()):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._slow_after_seconds * _HURRY / _LOOKS, self._tick)

    def _look(self) -> None:
        """Move those who have run for long, the oldest first; stop those for whom there is no room."""
        now = asyncio.get_running_loop().time()
        hurry = self._slow_after_seconds * _HURRY
        in_the_way = len(self._line)
        for ticket in [*self._held[Lane.SIDE], *self._held[Lane.FAST]]:
            if ticket not in self._held[ticket.lane]:
                continue
            if ticket.age(now, self._slow_after_seconds) >= self._slow_after_seconds:
                if self._has_room(Lane.SLOW):
                    self._move(ticket, Lane.SLOW)
                elif in_the_way > 0:
                    in_the_way -= 1
                    ticket.stop(self._too_many_long())
            elif self._line and ticket.lane is Lane.FAST and now - ticket.since >= hurry:
                self._move_aside(ticket)
        self._fill()

    def _move_aside(self, ticket: Ticket) -> None:
        for lane in (Lane.SIDE, Lane.SLOW):
            if self._has_room(lane):
                self._move(ticket, lane)
                return

    def _move(self, ticket: Ticket, lane: Lane) -> None:
        came_from = ticket.lane
        del self._held[came_from][ticket]
        ticket.lane = lane
        self._held[lane][ticket] = None
        ticket.lower(lane)
        if came_from is Lane.FAST:
            self._on_room_needed()
            self._fill()

    def _too_many(self) -> TooManyQueriesError:
        turns = len(self._line) / self._limits[Lane.FAST]
        return TooManyQueriesError(len(self._line), max(1, math.ceil(turns * self._slow_after_seconds)))

    def _too_many_long(self) -> TooManyLongQueriesError:
        seconds = self._slow_after_seconds
        return TooManyLongQueriesError(
            self._limits[Lane.SLOW], seconds, len(self._line), max(1, math.ceil(_LONG_RETRY * seconds))
        )


def _nothing(_: Lane) -> None:
    pass


def _ignored(_: CnrsGraphError) -> None:
    pass


def _endless() -> float:
    return math.inf
