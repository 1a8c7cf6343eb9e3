"""How far a long piece of work has come, on one line of a terminal."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self, TextIO

_REDRAW_SECONDS = 0.1
_WIDTH = 24
_STEP_SECONDS = 1.0


class Bar:
    """A line that says how much is done, how fast, and how long the rest will take; wiped at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._start = time.monotonic()
        self._drawn = 0.0

    def show(self, done: int, total: int) -> None:
        """Draw the line, ten times a second at most; at the end say what still goes on.

        Units: bytes.
        """
        now = time.monotonic()
        if now - self._drawn >= _REDRAW_SECONDS or done >= total:
            self._drawn = now
            self._draw(line(done, total, now - self._start))

    def _draw(self, text: str) -> None:
        self._stream.write(f"\r\x1b[2K{text}")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw("")


class Steps:
    """A line that says what is being done and since when, drawn when it takes long; wiped at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._start = time.monotonic()
        self._doing = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._drawn = False

    def say(self, doing: str) -> None:
        """Say what is being done from now on."""
        self._doing = doing

    def _tick(self) -> None:
        while not self._over.wait(_STEP_SECONDS):
            seconds = time.monotonic() - self._start
            self._stream.write(f"\r\x1b[2K{self._doing} … {seconds:.0f} s")
            self._stream.flush()
            self._drawn = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._drawn:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()


class Unseen:
    """A bar for who cannot see one."""

    def show(self, done: int, total: int) -> None:
        """Draw nothing."""

    def say(self, doing: str) -> None:
        """Say nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def unseen() -> Unseen:
    """A bar that is not drawn."""
    return Unseen()


def line(done: int, total: int, seconds: float) -> str:
    """The text of a bar; units: bytes and seconds.

    >>> line(50_000_000, 100_000_000, 10)
    '[############            ]  50 %  100 MB  5.0 MB/s  10 s left'
    """
    share = min(1.0, done / total) if total else 1.0
    bar = ("#" * int(share * _WIDTH)).ljust(_WIDTH)
    rate = done / seconds if seconds else 0.0
    left = f"{(total - done) / rate:.0f} s left" if rate and done < total else "putting in order"
    return f"[{bar}] {share * 100:3.0f} %  {total / 1e6:.0f} MB  {rate / 1e6:.1f} MB/s  {left}"
