"""When files change: looked at again and again, without anything to install."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

PAUSE_SECONDS = 0.4


def changes(files: Callable[[], Iterable[Path]], *, pause_seconds: float = PAUSE_SECONDS) -> Iterator[None]:
    """Give a turn at once, and one more after each change: a file that is written, new or gone.

    A change is told when the files have been still for one pause, so that a file is not read half written.
    """
    seen = _seen(files())
    yield
    while True:
        time.sleep(pause_seconds)
        now = _seen(files())
        if now != seen:
            while (later := _after(pause_seconds, files)) != now:
                now = later
            seen = now
            yield


def _after(pause_seconds: float, files: Callable[[], Iterable[Path]]) -> Mapping[Path, tuple[int, int]]:
    time.sleep(pause_seconds)
    return _seen(files())


def _seen(files: Iterable[Path]) -> Mapping[Path, tuple[int, int]]:
    found = {}
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        found[file] = (status.st_mtime_ns, status.st_size)
    return found


def below(paths: Iterable[Path]) -> Iterator[Path]:
    """The files at paths: each file itself, and everything below a folder."""
    for path in paths:
        if path.is_dir():
            yield from (each for each in path.rglob("*") if each.is_file())
        else:
            yield path
