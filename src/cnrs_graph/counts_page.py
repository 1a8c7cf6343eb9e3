"""The page of counts: what was announced beside what can be named, and what nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnrs_graph.choices import Choice
from cnrs_graph.counts import Count, read_counts
from cnrs_graph.pages import Desk, Shown, render
from cnrs_graph.query_page import Filled, form_of
from cnrs_graph.store import Answer, Form

_BAR = 200


@dataclass(frozen=True)
class Line:
    """A figure as the page shows it; the widths of its bar are in parts of 200."""

    count: Count
    name: Shown
    sure: int
    by_inference: int


def page(
    desk: Desk, filled: Filled, allowed: Mapping[str, Sequence[Choice]], body: bytes | None, path: str
) -> bytes:
    """Write the page; *body* is the answer of the saved query as results JSON.

    Raises: QueryError if the query lacks a column.
    """
    counts = read_counts(Answer(Form.SELECT, body)) if body is not None else ()
    desk.index.ahead(count.figure for count in counts)
    return render(
        desk,
        "counts.html",
        title=desk.word("counts-title"),
        here="/counts",
        groups=_groups([_line(desk, count) for count in counts]),
        query=desk.local(f"/queries/{filled.saved.name}"),
        **form_of(desk, filled, allowed, desk.local(path)),
    )


def _groups(lines: Sequence[Line]) -> list[list[Line]]:
    """Totals with their parts."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.count.total or line.count.figure, []).append(line)
    return list(groups.values())


def _line(desk: Desk, count: Count) -> Line:
    whole = max(count.announced, 1)
    sure = round(_BAR * min(max(0, count.named - count.inferred), count.announced) / whole)
    known = round(_BAR * min(count.named, count.announced) / whole)
    return Line(count, desk.name(count.figure), sure, max(0, known - sure))
