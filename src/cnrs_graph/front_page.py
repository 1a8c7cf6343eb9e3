"""The front page: what this is, how much of it is known, the ways in, a map and a chart of saved answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import pyoxigraph as ox

from cnrs_graph.descriptions import node_key
from cnrs_graph.drawings import Map, Segment, counted_map, stacks
from cnrs_graph.outlines import outlines
from cnrs_graph.pages import DataLink, Desk, Shown, render
from cnrs_graph.queries import SavedQuery
from cnrs_graph.terms import Term

#: The names of the saved queries on the front page, as the publication file gives them, and their columns.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "announced": ("figure", "announced", "named"),
    "cooperations": ("area", "kind", "count"),
}
#: So many are drawn one by one; of more, a bar is drawn.
_SQUARES = 60
_BAR_WIDTH = 600
_CHART_WIDTH = 400

Row = Mapping[str, Term]


@dataclass(frozen=True)
class Overview:
    """The answers that the front page shows, by what they are for, each with the query it answers."""

    answers: Mapping[str, tuple[SavedQuery, Sequence[Row]]]

    def rows(self, name: str) -> Sequence[Row]:
        """The rows of an answer that have everything they need."""
        wanted = COLUMNS[name]
        rows = self.answers[name][1] if name in self.answers else ()
        return [row for row in rows if all(column in row for column in wanted)]


@dataclass(frozen=True)
class Cells:
    """A part of a bar of squares: what it stands for, where it is, how wide."""

    sort: str
    x: int
    width: int


@dataclass(frozen=True)
class Announced:
    """A figure that was announced beside what of it can be named."""

    name: Shown
    announced: int
    named: int
    inferred: int
    cells: Sequence[Cells]


@dataclass(frozen=True)
class ChartRow:
    """A line of the chart and of the table: an area, its numbers by kind, their sum, its bar."""

    area: Shown
    numbers: Sequence[int]
    total: int
    bar: Sequence[Segment]


@dataclass(frozen=True)
class Chart:
    """Numbers by area and kind, with the map of the areas where there are outlines."""

    title: Shown
    kinds: Sequence[Shown]
    rows: Sequence[ChartRow]
    map: Map | None
    #: What to write at each spot of the map: the area and its sum.
    spots: Mapping[str, tuple[Shown, int]]
    incomplete: bool
    href: str


def overview(
    chosen: Mapping[str, str], catalogue: Mapping[str, SavedQuery], ask: Callable[[str], Sequence[Row]]
) -> Overview:
    """Ask the saved queries that the publication file chose for its front page."""
    queries = {name: catalogue[query] for name, query in chosen.items() if query in catalogue}
    return Overview({name: (saved, ask(saved.text)) for name, saved in queries.items()})


def front_page(
    desk: Desk,
    prose: Sequence[Shown],
    counts: Sequence[tuple[Shown, int, str]],
    shown: Overview,
    formats: Sequence[DataLink],
    cites: Sequence[DataLink] = (),
    embedded: str = "",
) -> bytes:
    """Write the front page; *embedded* is for crawlers."""
    return render(
        desk,
        "front.html",
        title=desk.title,
        here="/",
        prose=prose,
        counts=counts,
        announced=_announced(desk, shown),
        announced_href=_href(desk, shown, "announced"),
        chart=_chart(desk, shown),
        bar_width=_BAR_WIDTH,
        chart_width=_CHART_WIDTH,
        formats=formats,
        cites=cites,
        embedded=embedded,
    )


def _href(desk: Desk, shown: Overview, name: str) -> str:
    saved = shown.answers[name][0] if name in shown.answers else None
    return desk.local(f"/queries/{quote(saved.name, safe='')}") if saved is not None else ""


def _announced(desk: Desk, shown: Overview) -> list[Announced]:
    """The figures; of those that are parts of another, that other alone."""
    found = []
    for row in shown.rows("announced"):
        if row.get("total", row["figure"]) != row["figure"]:
            continue
        announced, named, inferred = (_number(row.get(key)) for key in ("announced", "named", "inferred"))
        name = desk.term(row["figure"])
        found.append(Announced(name, announced, named, inferred, _cells(announced, named, inferred)))
    return found


def _cells(announced: int, named: int, inferred: int) -> list[Cells]:
    """One square for each that was announced, as long as they can be counted; else three lengths."""
    whole = max(announced, named, 1)
    known = min(inferred, named)
    sorts = (("named", named - known), ("inferred", known), ("unnamed", max(announced - named, 0)))
    if whole <= _SQUARES:
        each = [sort for sort, number in sorts for _ in range(number)]
        width = min(_BAR_WIDTH // whole, 40)
        return [Cells(sort, at * width, width - 3) for at, sort in enumerate(each)]
    cells, x = [], 0
    for sort, number in sorts:
        if number:
            width = max(2, round(_BAR_WIDTH * number / whole))
            cells.append(Cells(sort, x, width))
            x += width
    return cells


def _chart(desk: Desk, shown: Overview) -> Chart | None:
    rows = shown.rows("cooperations")
    if not rows:
        return None
    areas = list(dict.fromkeys(node_key(row["area"]) for row in rows))
    kinds = list(dict.fromkeys(node_key(row["kind"]) for row in rows))
    numbers = {(node_key(row["area"]), node_key(row["kind"])): _number(row["count"]) for row in rows}
    table = {area: [numbers.get((area, kind), 0) for kind in kinds] for area in areas}
    areas.sort(key=lambda area: (-sum(table[area]), desk.name(area).text.casefold()))
    bars = stacks([table[area] for area in areas], width=_CHART_WIDTH)
    codes = {_text(row["code"]): node_key(row["area"]) for row in rows if "code" in row}
    sums = {code: sum(table[area]) for code, area in codes.items()}
    saved = shown.answers["cooperations"][0]
    return Chart(
        title=desk.spoken(*saved.titled(desk.language)),
        kinds=[desk.name(kind) for kind in kinds],
        rows=[
            ChartRow(desk.name(area), table[area], sum(table[area]), bar)
            for area, bar in zip(areas, bars, strict=True)
        ],
        map=counted_map(sums, outlines()),
        spots={code: (desk.name(area), sums[code]) for code, area in codes.items()},
        incomplete=any(_text(row.get("completeness")) not in ("", "complete") for row in rows),
        href=_href(desk, shown, "cooperations"),
    )


def _number(term: Term | None) -> int:
    text = _text(term)
    return int(text) if text.isdecimal() else 0


def _text(term: Term | None) -> str:
    return term.value if isinstance(term, ox.Literal) else ""
