"""Announced figures held against what can be named, each with how complete the naming is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnrs_graph.descriptions import node_key
from cnrs_graph.errors import QueryError
from cnrs_graph.store import Answer
from cnrs_graph.terms import Term

#: The columns that the saved query must have, and those it may have.
NEEDED = ("figure", "name", "announced", "named")
OPTIONAL = ("inferred", "completeness", "total", "line")
_BAR = 20


@dataclass(frozen=True)
class Count:
    """One announced figure: how many were announced, how many can be named, how many only by inference."""

    figure: str
    name: str
    announced: int
    named: int
    inferred: int = 0
    completeness: str = ""
    total: str = ""

    @property
    def is_part(self) -> bool:
        """Whether it is a part of another figure of the list."""
        return self.total not in ("", self.figure)

    @property
    def unnamed(self) -> int:
        """How many that were announced nobody names."""
        return max(0, self.announced - self.named)

    @property
    def overfull(self) -> int:
        """How many more are named than were announced."""
        return max(0, self.named - self.announced)


def read_counts(answer: Answer) -> tuple[Count, ...]:
    """The figures in the answer of the saved query, in its order.

    Raises: QueryError if a column is missing, or holds no number where one must be.
    """
    missing = [name for name in NEEDED if name not in answer.variables()]
    if missing:
        raise QueryError(
            f"the query of the counts lacks the columns {', '.join(missing)}",
            hint=f"it gives {', '.join(NEEDED)}, and may give {', '.join(OPTIONAL)}",
        )
    return tuple(
        Count(
            figure=node_key(row["figure"]),
            name=_text(row.get("name")),
            announced=_whole(row.get("announced"), "announced"),
            named=_whole(row.get("named"), "named"),
            inferred=_whole(row["inferred"], "inferred") if "inferred" in row else 0,
            completeness=_text(row.get("completeness")),
            total=node_key(row["total"]) if "total" in row else "",
        )
        for row in answer.rows()
    )


def counts_text(counts: Sequence[Count]) -> str:
    """The figures to read at a terminal: parts stand below the total they belong to."""
    if not counts:
        return "no figure was announced"
    names = [f"{'  ' if each.is_part else ''}{_printable(each.name)}" for each in counts]
    width = max(map(len, names))
    return "\n".join(
        f"{name.ljust(width)}  {_bar(each)}  {_sentence(each)}"
        for name, each in zip(names, counts, strict=True)
    )


def _bar(count: Count) -> str:
    sure = min(count.named - count.inferred, count.announced)
    known = min(count.named, count.announced)
    whole = max(count.announced, 1)
    first, second = round(_BAR * max(0, sure) / whole), round(_BAR * known / whole)
    return "█" * first + "▒" * (second - first) + "·" * (_BAR - second)


def _sentence(count: Count) -> str:
    parts = [f"{count.named} of {count.announced} named"]
    parts += [f"{count.inferred} by inference"] if count.inferred else []
    parts += [f"{count.unnamed} unknown"] if count.unnamed else []
    parts += [f"{count.overfull} more than announced"] if count.overfull else []
    parts += [_printable(count.completeness)] if count.completeness else []
    return ", ".join(parts)


def _printable(text: str) -> str:
    # A terminal obeys control characters.
    return "".join(character if character.isprintable() else " " for character in text)


def _text(term: Term | None) -> str:
    return "" if term is None else str(getattr(term, "value", term))


def _whole(term: Term | None, column: str) -> int:
    try:
        return int(_text(term))
    except ValueError as error:
        raise QueryError(
            f"the query of the counts has {_text(term)!r} where ?{column} is a whole number"
        ) from error
