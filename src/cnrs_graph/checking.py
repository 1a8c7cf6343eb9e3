"""Files of strangers, validated by the command line in a process that can be stopped."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cnrs_graph.config import Config
from cnrs_graph.errors import CheckStoppedError, NothingCheckedError, RequestError, TooManyQueriesError
from cnrs_graph.inputs import NAMED

#: Validations at the same time, and how many more may wait.
AT_ONCE = 1
WAITING = 8
_RETRY_SECONDS = 10
#: What the process does first: it bounds its memory, its time and the files it writes, and yields to queries.
_CHILD = """
import os, resource, sys
memory, seconds, size = (int(each) for each in sys.argv[1:4])
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.nice(5)
from cnrs_graph.cli import main
main(sys.argv[4:])
"""
_INPUT, _SHAPES, _USAGE, _VACUOUS = 3, 4, 2, 5
_MOST_REPORT_BYTES = 64 << 20


@dataclass(frozen=True)
class Check:
    """What to validate: statements in a format, by our shapes or by shapes sent along, and how to tell it."""

    data: bytes
    form: str = "turtle"
    shapes: bytes | None = None
    report: str = "json"
    language: str = "en"


class Checker:
    """Validates one file at a time, each in a process of its own that ends in time."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def run(self, check: Check) -> bytes:
        """The report on what was sent.

        Raises: RequestError when data or shapes cannot be used, NothingCheckedError when no shape looked at
        anything, CheckStoppedError past the limits, TooManyQueriesError when too many wait.
        """
        if self._waiting >= WAITING:
            raise TooManyQueriesError(self._waiting, _RETRY_SECONDS)
        self._waiting += 1
        try:
            async with self._places:
                with tempfile.TemporaryDirectory() as folder:
                    return await self._run_in(Path(folder), check)
        finally:
            self._waiting -= 1

    async def _run_in(self, folder: Path, check: Check) -> bytes:
        name = f"data{NAMED[check.form]}"
        (folder / name).write_bytes(check.data)
        (folder / "publication.toml").write_text(_settings(self._config), encoding="utf-8")
        command = ["validate", name, "--format", check.report, "--lang", check.language, "--quiet"]
        command += ["--config", "publication.toml"]
        if check.shapes is not None:
            (folder / "shapes.ttl").write_bytes(check.shapes)
            command += ["--shapes", "shapes.ttl"]
        seconds = self._config.query_seconds
        bounds = (self._config.query_memory_bytes, int(seconds) + 1, _MOST_REPORT_BYTES)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _CHILD,
            *(str(bound) for bound in bounds),
            *command,
            cwd=folder,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            report, said = await asyncio.wait_for(child.communicate(), seconds)
        except TimeoutError as error:
            raise CheckStoppedError(f"it took more than {seconds:g} seconds") from error
        finally:
            # Also when the caller has left and nobody waits any more.
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
        _refuse(child.returncode or 0, said.decode("utf-8", "replace"))
        return report


def _settings(config: Config) -> str:
    """The part of our settings that a validation reads, as a publication file."""
    values: Mapping[str, str | list[str]] = {
        "base": config.base,
        "data": [str(path.absolute()) for path in config.data],
        "ontology": str(config.ontology.absolute()),
        "shapes": str(config.shapes.absolute()),
        "queries": str(config.queries.absolute()),
        "outside_default": list(config.outside_default),
    }
    # A text of JSON in ASCII is a text of TOML too.
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def _environment() -> Mapping[str, str]:
    """What the process needs to start, and none of our settings or secrets."""
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "LANG") if name in os.environ}


def _refuse(code: int, said: str) -> None:
    """Raise what an exit code means to who sent the file; 0 and 1 are answers."""
    lines = said.strip().splitlines()
    reason = (lines[-1] if lines else "").removeprefix("cnrs-graph: ")
    if code in (0, 1):
        return
    if code == _VACUOUS:
        raise NothingCheckedError(reason)
    if code in (_INPUT, _SHAPES, _USAGE):
        raise RequestError(reason)
    if code < 0 or "MemoryError" in said:
        raise CheckStoppedError("it needed more time or memory than one file may take")
    raise RuntimeError(f"the validation ended with {code}: {said[-2000:]}")
