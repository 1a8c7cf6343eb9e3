"""A case that breaks a rule, and the same case mended: kept beside the shapes in `examples.toml`."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnrs_graph.errors import ConfigError, Place, SourceError
from cnrs_graph.inputs import content_of

NAME = "examples.toml"


@dataclass(frozen=True)
class Example:
    """A case of a rule as two texts in Turtle: one breaks the rule, the other keeps it."""

    rule: str
    path: Path
    broken: str
    mended: str

    def parts(self) -> tuple[str, str]:
        """The paragraphs of both texts that differ: what there is to see."""
        before, after = _paragraphs(self.broken), _paragraphs(self.mended)
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        changed = [code for code in matcher.get_opcodes() if code[0] != "equal"]
        return (
            _joined(part for _, start, end, _, _ in changed for part in before[start:end]),
            _joined(part for _, _, _, start, end in changed for part in after[start:end]),
        )


def read_examples(shapes: Iterable[Path]) -> dict[str, Example]:
    """The examples beside shapes, by rule: in the folder of the shapes, or that of their file.

    An entry `[RULE]` names the file of the case (`case`, seen from the folder) and the same case mended:
    a file (`mended`), or `mend`, pairs of a text that stands in the case once and what takes its place.
    Raises: ConfigError for an entry that cannot be used; SourceError for a file that cannot be read.
    """
    found: dict[str, Example] = {}
    for folder in dict.fromkeys(path if path.is_dir() else path.parent for path in shapes):
        table = folder / NAME
        if table.is_file():
            for rule, entry in _entries(table):
                found.setdefault(rule, _example(table, rule, entry))
    return found


def _entries(table: Path) -> Iterator[tuple[str, Any]]:
    try:
        yield from tomllib.loads(table.read_text(encoding="utf-8")).items()
    except (OSError, ValueError) as error:
        raise SourceError(Place(table), str(error)) from error


def _example(table: Path, rule: str, entry: Any) -> Example:
    try:
        path = table.parent / entry["case"]
        broken = content_of(path).decode("utf-8")
        if "mended" in entry:
            return Example(rule, path, broken, content_of(table.parent / entry["mended"]).decode("utf-8"))
        pairs: Sequence[tuple[str, str]] = [(old, new) for old, new in entry["mend"]]
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigError(
            f'{table}: [{rule}] needs case = "FILE", and mended = "FILE" or mend = [["old", "new"], …]'
        ) from error
    mended = broken
    for old, new in pairs:
        if mended.count(old) != 1:
            raise ConfigError(f"{table}: [{rule}] {old!r} must stand in {path.name} once")
        mended = mended.replace(old, new)
    return Example(rule, path, broken, mended)


def _paragraphs(text: str) -> list[str]:
    """The paragraphs of a text in Turtle, without comments and directives at its head."""
    lines = [line for line in text.splitlines() if not line.startswith(("#", "@prefix", "@base"))]
    return [part.strip("\n") for part in "\n".join(lines).split("\n\n") if part.strip()]


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(parts)
