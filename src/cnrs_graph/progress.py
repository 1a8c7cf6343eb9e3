"""How far a long piece of work has come, on one line of a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self, TextIO

_REDRAW_SECONDS = 0.1
_WIDTH = 24


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


class _Unseen:
    """A bar for who cannot see one."""

    def show(self, done: int, total: int) -> None:
        """Draw nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def unseen() -> _Unseen:
    """A bar that is not drawn."""
    return _Unseen()


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
