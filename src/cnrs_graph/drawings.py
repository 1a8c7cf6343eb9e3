"""Small drawings, as numbers and paths for SVG: maps, time lines, stacked bars, neighbourhoods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cnrs_graph.outlines import Outlines, Position

Point = tuple[float, float]

MAP_WIDTH = 640
_MAP_TALLEST = 460
#: Countries are shaded in so many steps.
SHADES = 4
#: A map of points shows at least so much around them, in radians.
_AROUND = 0.12
#: What is this far from the middle of the map, as a cosine, is behind the world.
_BEHIND = -0.5
_ROUND = 2 * math.pi


@dataclass(frozen=True)
class Country:
    """A country on a map: its outline, and how dark it is, 0 for one that only is a neighbour."""

    path: str
    shade: int


@dataclass(frozen=True)
class Spot:
    """A place on a map that a number or a mark stands at, under the key it was given with."""

    key: str
    x: int
    y: int


@dataclass(frozen=True)
class Map:
    """A map: its size, its countries, and the spots on it."""

    width: int
    height: int
    countries: tuple[Country, ...]
    spots: tuple[Spot, ...]


def counted_map(counts: Mapping[str, int], outlines: Outlines) -> Map | None:
    """A map of countries by number; None without an outline of any of them.

    *counts* is by ISO 3166-1 number; each country that has an outline gets a spot under it.
    """
    shown = {code: count for code, count in counts.items() if code in outlines and count > 0}
    if not shown:
        return None
    most = max(shown.values())
    shades = {code: max(1, math.ceil(SHADES * count / most)) for code, count in shown.items()}
    corners = [position for code in shown for ring in outlines[code] for position in ring]
    middles = {code: _middle(max(outlines[code], key=_size)) for code in shown}
    return _map(corners, middles, shades, outlines, margin=0.05)


def spot_map(spots: Mapping[str, Position], outlines: Outlines) -> Map | None:
    """A map of some positions with the countries around; None without outlines or positions."""
    if not spots or not outlines:
        return None
    return _map(list(spots.values()), spots, {}, outlines, margin=_AROUND)


def _map(
    corners: Sequence[Position],
    spots: Mapping[str, Position],
    shades: Mapping[str, int],
    outlines: Outlines,
    *,
    margin: float,
) -> Map | None:
    """Project everything, fit the corners into the frame, and draw what is inside it."""
    project = _azimuthal(_middle_of_all(corners))
    flat = [point for point in map(project, corners) if point is not None]
    if not flat:
        return None
    left, right = min(x for x, _ in flat) - margin, max(x for x, _ in flat) + margin
    low, high = min(y for _, y in flat) - margin, max(y for _, y in flat) + margin
    scale = min(MAP_WIDTH / (right - left), _MAP_TALLEST / (high - low))
    height = round(max((high - low) * scale, MAP_WIDTH / 3))
    across, down = (MAP_WIDTH - (right - left) * scale) / 2, (height - (high - low) * scale) / 2

    def placed(position: Position) -> Point | None:
        point = project(position)
        if point is None:
            return None
        return across + (point[0] - left) * scale, down + (high - point[1]) * scale

    countries = []
    for code, rings in sorted(outlines.items(), key=lambda entry: shades.get(entry[0], 0)):
        drawn = [_ring(ring, placed, height) for ring in rings]
        path = "".join(each for each in drawn if each)
        if path:
            countries.append(Country(path, shades.get(code, 0)))
    found = {key: placed(position) for key, position in spots.items()}
    return Map(
        MAP_WIDTH,
        height,
        tuple(countries),
        tuple(Spot(key, round(at[0]), round(at[1])) for key, at in found.items() if at is not None),
    )


def _ring(ring: Sequence[Position], placed: Callable[[Position], Point | None], height: int) -> str:
    """A ring as a path in whole units; empty when it is outside the frame, behind the world, or too small."""
    points = [placed(position) for position in ring]
    seen = [(round(x), round(y)) for x, y in (point for point in points if point is not None)]
    if len(seen) < len(points) or not any(0 <= x <= MAP_WIDTH and 0 <= y <= height for x, y in seen):
        return ""
    kept = [seen[0]]
    for point in seen[1:]:
        if abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) > 1:
            kept.append(point)
    if len(kept) < 3:
        return ""
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(kept)]
    return f"M{kept[0][0]} {kept[0][1]}l" + " ".join(f"{x} {y}" for x, y in steps) + "z"


def _azimuthal(middle: Position) -> Callable[[Position], Point | None]:
    """Lambert's azimuthal equal-area projection around a position; None for what lies behind the world.

    Source: J. P. Snyder, Map Projections: A Working Manual, equations 24-2 to 24-4.
    """
    longitude_0, latitude_0 = (math.radians(degrees) for degrees in middle)

    def project(position: Position) -> Point | None:
        longitude, latitude = math.radians(position[0]) - longitude_0, math.radians(position[1])
        away = math.sin(latitude_0) * math.sin(latitude)
        away += math.cos(latitude_0) * math.cos(latitude) * math.cos(longitude)
        if away < _BEHIND:
            return None
        k = math.sqrt(2 / (1 + away))
        up = math.cos(latitude_0) * math.sin(latitude)
        up -= math.sin(latitude_0) * math.cos(latitude) * math.cos(longitude)
        return k * math.cos(latitude) * math.sin(longitude), k * up

    return project


def _middle_of_all(positions: Iterable[Position]) -> Position:
    """The middle of positions on the globe; that of no direction at all is the origin."""
    x = y = z = 0.0
    for longitude, latitude in positions:
        around, up = math.radians(longitude), math.radians(latitude)
        x, y, z = x + math.cos(up) * math.cos(around), y + math.cos(up) * math.sin(around), z + math.sin(up)
    return math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))


def _size(ring: Sequence[Position]) -> float:
    """Twice the area of a ring, in square degrees, narrower towards the poles."""
    closed = zip(ring, [*ring[1:], ring[0]], strict=True)
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in closed)
    return abs(area) * math.cos(math.radians(ring[0][1]))


def _middle(ring: Sequence[Position]) -> Position:
    """The centre of gravity of a ring, where a label stands well."""
    area = x = y = 0.0
    for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
        cross = a[0] * b[1] - b[0] * a[1]
        area, x, y = area + cross, x + (a[0] + b[0]) * cross, y + (a[1] + b[1]) * cross
    return (x / (3 * area), y / (3 * area)) if area else ring[0]


LINE_WIDTH = 640
_LANE_HEIGHT = 30
_LETTER_WIDTH = 8
_TOP = 24


@dataclass(frozen=True)
class Span:
    """A stretch of time in years, open where an end is not known, and its name."""

    name: str
    start: float | None
    end: float | None


@dataclass(frozen=True)
class Bar:
    """A span on a time line; `is_open` tells that one of its ends is not known."""

    name: str
    x: int
    y: int
    width: int
    is_open: bool
    text_x: int
    anchor: str


@dataclass(frozen=True)
class TimeLine:
    """A time line: its size, its bars, and the years below them with where they stand."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    years: tuple[tuple[int, int], ...]


def time_line(spans: Sequence[Span]) -> TimeLine | None:
    """Spans below each other over one axis of years; None when no span has a date."""
    known = [year for span in spans for year in (span.start, span.end) if year is not None]
    if not known:
        return None
    first, last = math.floor(min(known)), math.ceil(max(known))
    if last - first < 4:
        last = first + 4
    beyond = max(1.0, (last - first) / 12)
    first -= 1 if any(span.start is None for span in spans) else 0
    last += 1 if any(span.end is None for span in spans) else 0
    scale = (LINE_WIDTH - 2) / (last - first)
    step = next(each for each in (1, 2, 5, 10, 20, 50, 100, 1000) if (last - first) / each <= 10)
    bars = []
    for lane, span in enumerate(span for span in spans if span.start is not None or span.end is not None):
        # Of what has no end that is known, a short piece is drawn: longer would say how long it lasted.
        start = span.start if span.start is not None else max(first, (span.end or first) - beyond)
        end = span.end if span.end is not None else min(last, start + beyond)
        x = round((start - first) * scale) + 1
        width = max(3, round((end - start) * scale))
        y = lane * _LANE_HEIGHT + 4
        fits = x + 8 + len(span.name) * _LETTER_WIDTH < LINE_WIDTH
        text = (x + 8, "start") if fits else (min(x + width, LINE_WIDTH) - 8, "end")
        bars.append(Bar(span.name, x, y, width, span.start is None or span.end is None, *text))
    years = range(math.ceil(first / step) * step, last + 1, step)
    return TimeLine(
        LINE_WIDTH,
        len(bars) * _LANE_HEIGHT + _TOP,
        tuple(bars),
        tuple((year, round((year - first) * scale) + 1) for year in years),
    )


@dataclass(frozen=True)
class Segment:
    """A part of a bar."""

    kind: int
    number: int
    x: int
    width: int


def stacks(rows: Sequence[Sequence[int]], *, width: int) -> list[list[Segment]]:
    """Numbers as bars of segments, all to one scale; a segment is of the kind of its column."""
    most = max((sum(row) for row in rows), default=0) or 1
    drawn = []
    for row in rows:
        found, x = [], 0
        for kind, number in enumerate(row):
            if number:
                length = max(2, round(width * number / most))
                found.append(Segment(kind, number, x, length))
                x += length
        drawn.append(found)
    return drawn


NEIGHBOURHOOD = (760, 400)


def around(count: int) -> list[tuple[int, int, str]]:
    """Places for so many neighbours around the middle: x, y, and where the text begins."""
    width, height = NEIGHBOURHOOD
    places = []
    for at in range(count):
        angle = _ROUND * (at + 0.5) / count - math.pi / 2
        x = round(width / 2 + math.cos(angle) * width * 0.2)
        y = round(height / 2 + math.sin(angle) * height * 0.44)
        places.append((x, y, "start" if math.cos(angle) >= 0 else "end"))
    return places
