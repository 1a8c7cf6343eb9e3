"""Lines of sources, to show where something stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cnrs_graph.errors import Place, SourceError
from cnrs_graph.inputs import content_of

_WIDTH = 110
_CONTEXT = 40


@dataclass(frozen=True)
class Excerpt:
    """A line of a source and, where one is known, the column in it that is meant; it counts from 1."""

    number: int
    text: str
    column: int | None

    def marked(self) -> tuple[str, str]:
        """The line and one below it with a caret under the column, long lines cut around it."""
        column = (self.column or 1) - 1
        start = max(0, column - _CONTEXT) if len(self.text) > _WIDTH else 0
        cut = self.text[start : start + _WIDTH]
        before = "…" if start else ""
        after = "…" if len(self.text) > start + _WIDTH else ""
        # A tab stays a tab, so that the caret stands below its character however wide tabs are.
        lead = "".join("\t" if character == "\t" else " " for character in cut[: column - start])
        return f"{before}{cut}{after}", f"{' ' * len(before)}{lead}^"


@dataclass
class Excerpts:
    """The sources that findings stand in, each read once."""

    _lines: dict[Path, list[str]] = field(default_factory=dict)

    def at(self, place: Place | None) -> Excerpt | None:
        """The line at a place; None when it has no line, or its file cannot be read any more."""
        if place is None or place.line is None:
            return None
        if place.path not in self._lines:
            try:
                self._lines[place.path] = content_of(place.path).decode("utf-8", "replace").split("\n")
            except SourceError:
                self._lines[place.path] = []
        lines = self._lines[place.path]
        if place.line > len(lines):
            return None
        return Excerpt(place.line, plain(lines[place.line - 1].rstrip("\r")), place.column)


def plain(text: str) -> str:
    r"""Text for one line of a terminal: no control character that it would obey; a tab stays.

    >>> plain("a\x1b[31mb\tc")
    'a [31mb\tc'
    """
    return "".join(character if character.isprintable() or character == "\t" else " " for character in text)
