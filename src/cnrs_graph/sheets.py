"""Rows as files that people open: spreadsheets, CSV that is safe in one, and points for a map."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cnrs_graph.errors import NotAcceptableError
from cnrs_graph.formats import CSV, GEOJSON, SAFE_CSV, TSV, XLSX, Format
from cnrs_graph.terms import expand

#: A cell of results JSON: type, value, perhaps xml:lang or datatype.
Binding = Mapping[str, str]

#: How the columns of a latitude and a longitude are called, in degrees of WGS 84.
_POSITIONS = (("latitude", "longitude"), ("lat", "long"), ("lat", "lon"), ("lat", "lng"))
_WKT = expand("geo:wktLiteral")
_POINT = re.compile(
    r"\s*(?:<([^<>]*)>)?\s*POINT\s*\(\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s+([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*\)\s*",
    re.IGNORECASE,
)
#: Reference systems whose points we know how to read, and whether the latitude comes first.
_LATITUDE_FIRST = {
    "": False,
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84": False,
    "http://www.opengis.net/def/crs/EPSG/0/4326": True,
}
_WHOLE = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NUMERIC = frozenset(
    expand(f"xsd:{name}")
    for name in (
        *("integer", "int", "long", "short", "byte", "positiveInteger", "negativeInteger"),
        *("nonNegativeInteger", "nonPositiveInteger", "unsignedInt", "unsignedLong"),
        *("unsignedShort", "unsignedByte", "decimal", "double", "float"),
    )
)
#: What a spreadsheet takes for the beginning of a formula, in any width.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠|")
#: What a spreadsheet holds: rows, signs in a cell, and digits of a number that come back as they were.
_MOST_ROWS, _LONGEST_CELL, _DIGITS = 1_048_575, 32_767, 15
_WIDEST_COLUMN = 60
#: A fixed time, so that equal answers are equal bytes.
_CREATED = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


def has_positions(variables: Sequence[str]) -> bool:
    """Whether rows with these columns can be put on a map.

    >>> has_positions(["name", "latitude", "longitude"]), has_positions(["siteWKT"]), has_positions(["lat"])
    (True, True, False)
    """
    return _position_columns(variables) is not None or any(name.lower().endswith("wkt") for name in variables)


def written(body: bytes, fmt: Format) -> bytes:
    """Results JSON as a file.

    Raises: NotAcceptableError if the rows do not fit into this format.
    """
    found = json.loads(body)
    return _WRITERS[fmt](list(found["head"]["vars"]), found["results"]["bindings"])


def _safe_csv(variables: Sequence[str], rows: Sequence[Mapping[str, Binding]]) -> bytes:
    """CSV in which no cell is a formula; the mark at its beginning tells spreadsheets that it is UTF-8.

    A text that begins like a formula gets an apostrophe before it. Numbers stay numbers.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([_guarded(name) for name in variables])
    for row in rows:
        writer.writerow([_safe_cell(row.get(name)) for name in variables])
    return text.getvalue().encode("utf-8-sig")


def _safe_cell(binding: Binding | None) -> str:
    if binding is None:
        return ""
    return binding["value"] if _is_number(binding) else _guarded(_text(binding))


def _guarded(text: str) -> str:
    """A text that no spreadsheet runs.

    >>> _guarded("=1+1"), _guarded("Québec")
    ("'=1+1", 'Québec')
    """
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) or text.startswith("'") else text


def _xlsx(variables: Sequence[str], rows: Sequence[Mapping[str, Binding]]) -> bytes:
    """A workbook of one sheet; texts are texts, whatever they begin with."""
    import xlsxwriter

    if len(rows) > _MOST_ROWS:
        raise _unfit(XLSX)
    file = io.BytesIO()
    settings = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, settings) as book:
        book.set_properties({"created": _CREATED})
        sheet = book.add_worksheet()
        bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
        for column, name in enumerate(variables):
            sheet.write_string(0, column, name, bold)
            longest = max((len(row[name]["value"]) for row in rows if name in row), default=0)
            sheet.set_column(column, column, min(_WIDEST_COLUMN, max(len(name), longest) + 2))
        for number, row in enumerate(rows, 1):
            for column, name in enumerate(variables):
                if name in row:
                    _write_cell(sheet, number, column, row[name], day)
        sheet.freeze_panes(1, 0)
    return file.getvalue()


def _write_cell(sheet: Any, row: int, column: int, binding: Binding, day: Any) -> None:
    value, datatype = binding["value"], binding.get("datatype", "")
    if _is_number(binding) and sum(c.isdigit() for c in value) <= _DIGITS:
        sheet.write_number(row, column, float(value))
    elif datatype == expand("xsd:boolean") and value in ("true", "false", "1", "0"):
        sheet.write_boolean(row, column, value in ("true", "1"))
    elif datatype == expand("xsd:date") and (found := _day(value)) is not None:
        sheet.write_datetime(row, column, found, day)
    else:
        text = _text(binding)
        if len(text) > _LONGEST_CELL:
            raise _unfit(XLSX)
        sheet.write_string(row, column, text)


def _day(text: str) -> datetime.datetime | None:
    """A day that a spreadsheet can count; none before the first of March 1900, where they disagree."""
    try:
        found = datetime.datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        return None
    return found if found >= datetime.datetime(1900, 3, 1) else None


def _geojson(variables: Sequence[str], rows: Sequence[Mapping[str, Binding]]) -> bytes:
    """A collection of points; a row without a position is a feature without geometry.

    Source: RFC 7946, sections 3.1.2 (longitude first), 3.2 (features) and 4 (WGS 84).
    """
    columns = _position_columns(variables)
    if not has_positions(variables):
        raise _unfit(GEOJSON)
    identity, features = _identity(variables, rows), []
    for row in rows:
        where = _by_columns(row, columns) or next(_by_wkt(row), None)
        features.append(
            {
                "type": "Feature",
                **({"id": row[identity]["value"]} if identity is not None else {}),
                "geometry": {"type": "Point", "coordinates": where} if where is not None else None,
                "properties": {name: _plain(row.get(name)) for name in variables},
            }
        )
    collection = {"type": "FeatureCollection", "features": features}
    return f"{json.dumps(collection, ensure_ascii=False)}\n".encode()


def _identity(variables: Sequence[str], rows: Sequence[Mapping[str, Binding]]) -> str | None:
    """The first column that names each row by an IRI of its own."""
    for name in variables:
        values = [row[name]["value"] for row in rows if row.get(name, {}).get("type") == "uri"]
        if len(set(values)) == len(rows):
            return name
    return None


def _position_columns(variables: Sequence[str]) -> tuple[str, str] | None:
    names = {name.lower(): name for name in variables}
    return next(
        (
            (names[latitude], names[longitude])
            for latitude, longitude in _POSITIONS
            if {latitude, longitude} <= names.keys()
        ),
        None,
    )


def _by_columns(row: Mapping[str, Binding], columns: tuple[str, str] | None) -> list[float] | None:
    if columns is None or not all(name in row for name in columns):
        return None
    latitude, longitude = (row[name]["value"].strip() for name in columns)
    return _checked(longitude, latitude)


def _by_wkt(row: Mapping[str, Binding]) -> Iterator[list[float]]:
    for binding in row.values():
        point = _POINT.fullmatch(binding["value"]) if binding.get("datatype") == _WKT else None
        if point is not None and (point[1] or "") in _LATITUDE_FIRST:
            first, second = point[2], point[3]
            found = _checked(second, first) if _LATITUDE_FIRST[point[1] or ""] else _checked(first, second)
            if found is not None:
                yield found


def _checked(longitude: str, latitude: str) -> list[float] | None:
    """A position that exists on Earth."""
    if not (_NUMBER.fullmatch(longitude) and _NUMBER.fullmatch(latitude)):
        return None
    east, north = float(longitude), float(latitude)
    return [east, north] if -180 <= east <= 180 and -90 <= north <= 90 else None


def _plain(binding: Binding | None) -> Any:
    """A cell as JSON has it."""
    if binding is None:
        return None
    value = binding["value"]
    if _is_number(binding):
        return int(value) if _WHOLE.fullmatch(value) and len(value) <= _DIGITS else float(value)
    if binding.get("datatype") == expand("xsd:boolean"):
        return value in ("true", "1")
    return _text(binding)


def _text(binding: Binding) -> str:
    value = binding["value"]
    return f"_:{value}" if binding.get("type") == "bnode" else str(value)


def _is_number(binding: Binding) -> bool:
    return binding.get("datatype") in _NUMERIC and _NUMBER.fullmatch(binding["value"]) is not None


def _unfit(fmt: Format) -> NotAcceptableError:
    return NotAcceptableError(fmt.media_type, [each.media_type for each in (CSV, TSV)])


_WRITERS: Mapping[Format, Callable[[Sequence[str], Sequence[Mapping[str, Binding]]], bytes]] = {
    SAFE_CSV: _safe_csv,
    XLSX: _xlsx,
    GEOJSON: _geojson,
}
